//! The routes, and the document that describes them: both come from the same list, so neither can be without the other.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Problem;
use crate::guard::guard;
use crate::house::House;
use crate::query::{nearest, shown};
use crate::routes::{alerts, command, history, incidents, kept, life, state, why};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "healer",
        description = "What healer sees, decides and does.\n\nA list is `{\"items\": […], \"total\": n, \"next\": cursor|null}`; \
            what went wrong is `{\"error\": \"…\"}` with its remedy; a time without a format is in milliseconds since 1970. \
            Over TCP everything is read-only; commands are taken on the unix socket `healer.sock` in `state_dir`."
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
        .routes(routes!(alerts::alerts))
        .routes(routes!(why::why))
        .routes(routes!(history::history))
        .routes(routes!(command::command))
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
    let remedy = nearest(path, &paths)
        .map_or("/openapi.json lists all routes".to_owned(), |near| format!("did you mean {near}?"));
    Problem::not_found(format!("there is no {}: {remedy}", shown(path)))
}

async fn not_so(request: Request) -> Problem {
    let (method, path) = (shown(request.method().as_str()), shown(request.uri().path()));
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{path} does not take {method}: /openapi.json says what it takes"),
    )
}
