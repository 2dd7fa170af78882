//! The policies in force, and what follows from them for a resource.

use axum::Json;
use axum::extract::{RawQuery, State};
use engine::diagnose::issue_types;
use engine::view::Unclear;
use model::policy::Row;
use model::view::Explanation;

use crate::answer::{Items, Problem};
use crate::house::House;
use crate::query::{LIST, Query, nearest, shown};
use crate::schema;

/// The policies in force, in the order in which they are matched: the first that fits wins, the built-in one is the last.
#[utoipa::path(get, path = "/api/v1/policies",
    params(
        ("limit" = Option<usize>, Query, description = "items on a page, 1 to 1000; 100 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Items<schema::PolicyRow>)))]
pub(crate) async fn policies(State(house): State<House>, RawQuery(raw): RawQuery) -> Result<Json<Items<Row>>, Problem> {
    let window = Query::parse(raw.as_deref(), LIST)?.window()?;
    let rows = house.ask(|mind| async move { mind.policies().await }).await?;
    Items::page(rows.iter(), &window).map(Json)
}

/// Which policy applies to a resource, and what follows from it. Of a deployment, one item for each of its services.
#[utoipa::path(get, path = "/api/v1/policies/explain",
    params(
        ("of" = String, Query, description = "a deployment, a service (`shop/web`), a resource or an incident (`web-1/41`)"),
        ("issue" = Option<String>, Query,
            description = "an issue type; if left out that of the open incident, else each one that there is"),
        ("limit" = Option<usize>, Query, description = "items on a page, 1 to 1000; 100 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, body = Items<schema::Explanation>),
        (status = 400, description = "there is no such issue type", body = schema::Problem),
        (status = 404, body = schema::Problem),
        (status = 409, description = "several services have this name", body = schema::Problem),
    ))]
pub(crate) async fn explain(
    State(house): State<House>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Items<Explanation>>, Problem> {
    let query = Query::parse(raw.as_deref(), &["of", "issue", "limit", "cursor"])?;
    let words = query.required("of", "?of=shop/web")?.to_owned();
    let window = query.window()?;
    let issue_type = query.get("issue").map(known).transpose()?;
    let asked = words.clone();
    let subject =
        house.ask(|mind| async move { mind.subject(asked).await }).await?.map_err(|unclear| match unclear {
            Unclear::Nothing => Problem::not_found(format!(
                "healer knows nothing called `{}`: /api/v1/resources lists what it watches",
                shown(&words)
            )),
            Unclear::Several { .. } => Problem::new(axum::http::StatusCode::CONFLICT, unclear.to_string()),
        })?;
    let told = house.ask(|mind| async move { mind.explain(subject, issue_type).await }).await?;
    Items::page(told.iter(), &window).map(Json)
}

/// The issue type, if there is one of this name.
fn known(word: &str) -> Result<String, Problem> {
    let types: Vec<&str> = issue_types().into_keys().collect();
    if types.contains(&word) {
        return Ok(word.to_owned());
    }
    let near = nearest(word, &types).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let error = format!("there is no issue type `{}`: {near}Known are {}", shown(word), types.join(", "));
    Err(Problem::bad(error))
}
