//! Incidents, in a list and each with its story.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use engine::view::Subject;
use model::incident::IncidentId;
use model::view::{Incident, Why};

use crate::answer::{Items, Problem};
use crate::house::House;
use crate::query::{Query, shown};
use crate::routes::why::told;
use crate::schema;

/// The incidents, open ones first, then the newest.
#[utoipa::path(get, path = "/api/v1/incidents",
    params(
        ("state" = Option<String>, Query, description = "`all` (if left out) or `open`"),
        ("limit" = Option<usize>, Query, description = "items on a page, 1 to 1000; 100 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Items<schema::Incident>)))]
pub(crate) async fn incidents(
    State(house): State<House>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Items<Incident>>, Problem> {
    let query = Query::parse(raw.as_deref(), &["state", "limit", "cursor"])?;
    let open_only = query.one_of("state", &["all", "open"])? == "open";
    let incidents = house.incidents().await?;
    let wanted = incidents.iter().filter(|incident| !open_only || incident.ended.is_none());
    Items::page(wanted, &query.window()?).map(Json)
}

/// One incident: its story, its evidence, and what was not done.
#[utoipa::path(get, path = "/api/v1/incidents/{instance}/{number}",
    params(
        ("instance" = String, Path, description = "the healer that opened it; a slash in its name as %2F"),
        ("number" = u64, Path, description = "its number there"),
    ),
    responses((status = 200, body = schema::Why), (status = 404, body = schema::Problem)))]
pub(crate) async fn incident(
    State(house): State<House>,
    Path((instance, number)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Why>, Problem> {
    Query::parse(raw.as_deref(), &[])?;
    named(&house, &format!("{instance}/{number}")).await
}

/// One incident of this healer's own, by its number alone.
#[utoipa::path(get, path = "/api/v1/incidents/{number}",
    params(("number" = u64, Path, description = "its number")),
    responses((status = 200, body = schema::Why), (status = 404, body = schema::Problem)))]
pub(crate) async fn own_incident(
    State(house): State<House>,
    Path(number): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Why>, Problem> {
    Query::parse(raw.as_deref(), &[])?;
    let instance = house.status().await?.instance.clone();
    named(&house, &format!("{instance}/{number}")).await
}

async fn named(house: &House, words: &str) -> Result<Json<Why>, Problem> {
    let nothing = || Problem::not_found(format!("there is no incident {}: /api/v1/incidents lists them", shown(words)));
    let id: IncidentId = words.parse().map_err(|_| nothing())?;
    told(house, Subject::Incident(id)).await?.map(Json).ok_or_else(nothing)
}
