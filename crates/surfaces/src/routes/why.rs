//! The answer to "why", of an incident, a resource or a deployment.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use engine::view::{Subject, Unclear};
use model::view::Why;

use crate::answer::Problem;
use crate::house::House;
use crate::query::{Query, shown};
use crate::{schema, story};

/// Why something stands as it does.
#[utoipa::path(get, path = "/api/v1/why",
    params(("of" = String, Query, description = "a deployment, a service (`shop/web`), a resource or an incident (`web-1/41`)")),
    responses(
        (status = 200, body = schema::Why),
        (status = 404, body = schema::Problem),
        (status = 409, description = "several services have this name", body = schema::Problem),
    ))]
pub(crate) async fn why(State(house): State<House>, RawQuery(raw): RawQuery) -> Result<Json<Why>, Problem> {
    let query = Query::parse(raw.as_deref(), &["of"])?;
    let words = query.required("of", "?of=shop/web")?.to_owned();
    let nothing = || {
        let error = format!("healer knows nothing called `{}`: /api/v1/resources lists what it watches", shown(&words));
        Problem::not_found(error)
    };
    let asked = words.clone();
    let mut subject = house.ask(|mind| async move { mind.subject(asked).await }).await?;
    if subject == Err(Unclear::Nothing) {
        let asked = words.clone();
        subject = house.read(move |reader| story::removed(reader, &asked)).await?;
    }
    if subject == Err(Unclear::Nothing) {
        let asked = words.clone();
        if let Some(why) = house.ask(|mind| async move { mind.why_empty(asked).await }).await? {
            return Ok(Json(why));
        }
    }
    let subject = subject.map_err(|unclear| match unclear {
        Unclear::Nothing => nothing(),
        Unclear::Several { .. } => Problem::new(StatusCode::CONFLICT, unclear.to_string()),
    })?;
    told(&house, subject).await?.map(Json).ok_or_else(nothing)
}

/// The story of a subject; `None` for an incident of which the journal knows nothing.
pub(crate) async fn told(house: &House, subject: Subject) -> Result<Option<Why>, Problem> {
    let of = subject.clone();
    let entries = house.read(move |reader| story::entries(reader, &of)).await?;
    if entries.is_empty() && matches!(subject, Subject::Incident(_)) {
        return Ok(None);
    }
    house.ask(|mind| async move { mind.why(subject, entries).await }).await.map(Some)
}
