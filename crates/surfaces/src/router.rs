//! The routes, and the document that describes them: both come from the same list, so neither can be without the other.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Problem;
use crate::guard::guard;
use crate::house::House;
use crate::query::{nearest, shown};
use crate::routes::{alerts, approve, command, history, incidents, kept, life, policies, state, why};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "healer",
        description = "What healer sees, decides and does.\n\nA list is `{\"items\": […], \"total\": n, \"next\": cursor|null}`; \
            what went wrong is `{\"error\": \"…\"}` with its remedy; a time without a format is in milliseconds since 1970. \
            Over TCP everything is read-only, except that the link in a message decides what the message asks; commands \
            are taken on the unix socket `healer.sock` in `state_dir`."
    ),
    components(schemas(crate::schema::Problem))
)]
struct Head;

fn described() -> OpenApiRouter<House> {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(state::status))
        .routes(routes!(state::deployments))
        .routes(routes!(state::deployment))
        .routes(routes!(state::resources))
        .routes(routes!(incidents::incidents))
        .routes(routes!(incidents::incident))
        .routes(routes!(incidents::own_incident))
        .routes(routes!(alerts::alerts))
        .routes(routes!(why::why))
        .routes(routes!(policies::policies))
        .routes(routes!(policies::explain))
        .routes(routes!(history::history))
        .routes(routes!(command::command))
        .routes(routes!(approve::show, approve::decide))
        .routes(routes!(life::openapi))
        .routes(routes!(life::metrics))
        .routes(routes!(life::healthz))
        .routes(routes!(life::readyz))
        .routes(routes!(kept::health))
        .routes(routes!(kept::deployments))
        .routes(routes!(kept::deployment))
        .routes(routes!(kept::deployments_health))
        .routes(routes!(kept::platform_status))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> Document {
    described().into_openapi()
}

/// Whether a route of this path takes the method, by the document: it has each route that is served.
pub(crate) fn takes(path: &str, method: &Method) -> bool {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(document);
    let mut items = DOCUMENT.paths.paths.iter().filter(|(route, _)| is_of(path, route)).map(|(_, item)| item);
    items.any(|item| match method.as_str() {
        "GET" | "HEAD" => item.get.is_some(),
        "POST" => item.post.is_some(),
        "PUT" => item.put.is_some(),
        "PATCH" => item.patch.is_some(),
        "DELETE" => item.delete.is_some(),
        "OPTIONS" => item.options.is_some(),
        "TRACE" => item.trace.is_some(),
        // No route takes another one.
        _ => false,
    })
}

/// Whether the path is that of a link in a message.
pub(crate) fn is_link(path: &str) -> bool {
    is_of(path, approve::ROUTE)
}

/// Whether a request for this path comes to the route.
fn is_of(path: &str, route: &str) -> bool {
    path.split('/').count() == route.split('/').count() && !path.split('/').zip(route.split('/')).any(|it| differs(&it))
}

/// All routes, behind the guard.
pub(crate) fn router(house: House) -> Router {
    described()
        .split_for_parts()
        .0
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn(guard))
        .with_state(house)
}

/// A path that is no route, with the route that was probably meant.
async fn nowhere(request: Request) -> Problem {
    let document = document();
    let paths: Vec<&str> = document.paths.paths.keys().map(String::as_str).collect();
    let path = request.uri().path();
    let remedy = near_route(path, &paths)
        .map_or("/openapi.json lists all routes".to_owned(), |near| format!("did you mean {near}?"));
    Problem::not_found(format!("there is no {}: {remedy}", shown(path)))
}

/// The route that was probably meant: of as many parts, one of which is misspelt and the others are the same.
fn near_route<'r>(path: &str, routes: &[&'r str]) -> Option<&'r str> {
    let given: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let near = |route: &&&str| {
        let parts: Vec<&str> = route.split('/').collect();
        let differ: Vec<(&str, &str)> = given.iter().copied().zip(parts.iter().copied()).filter(differs).collect();
        let misspelt = match differ.as_slice() {
            [] => true,
            [(given, part)] => !given.is_empty() && !is_variable(part) && nearest(given, &[part]).is_some(),
            [_, _, ..] => false,
        };
        given.len() == parts.len() && misspelt
    };
    // One that stands there word for word comes before one with a name in it.
    routes.iter().filter(near).min_by_key(|route| route.matches('{').count()).copied()
}

fn differs((given, part): &(&str, &str)) -> bool {
    given != part && (!is_variable(part) || given.is_empty())
}

fn is_variable(part: &str) -> bool {
    part.starts_with('{')
}

async fn not_so(request: Request) -> Problem {
    let (method, path) = (shown(request.method().as_str()), shown(request.uri().path()));
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{path} does not take {method}: /openapi.json says what it takes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_route_is_hinted_at_and_nothing_else() {
        let document = document();
        let routes: Vec<&str> = document.paths.paths.keys().map(String::as_str).collect();
        let table = [
            ("/api/v1/statsu", Some("/api/v1/status")),
            ("/api/v1/status/", Some("/api/v1/status")),
            ("/api/v1/incident/web-1/4", Some("/api/v1/incidents/{instance}/{number}")),
            ("/api/v2/status", None),
            ("/metric", Some("/metrics")),
            ("/api/v1/foo", None),
            ("/api/v1", None),
            ("/api/v1/containers", None),
            ("/", None),
            ("/favicon.ico", None),
            ("//////", None),
        ];
        for (path, expect) in table {
            assert_eq!(near_route(path, &routes), expect, "{path}");
        }
    }

    #[test]
    fn a_route_takes_what_the_document_says() {
        assert!(takes("/api/v1/commands", &Method::POST) && !takes("/api/v1/commands", &Method::GET));
        assert!(takes("/api/v1/status", &Method::HEAD) && !takes("/api/v1/status", &Method::POST));
        assert!(takes("/api/v1/deployments/shop", &Method::GET) && !takes("/api/v1/deployments/a/b", &Method::GET));
        assert!(!takes("/nowhere", &Method::POST));
    }
}
