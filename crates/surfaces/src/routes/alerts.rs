//! The alerts that stand and that the intent does not explain: nobody is to be called for what is down on purpose.

use axum::Json;
use axum::extract::{RawQuery, State};
use model::view::Alert;

use crate::answer::{Items, Problem};
use crate::house::House;
use crate::query::{LIST, Query};
use crate::schema;

/// The alerts that fire. What is down because it shall be (stopped on purpose, or a job that is done) is left out;
/// the journal, and `healer_alert_transitions_total`, count it all the same.
#[utoipa::path(get, path = "/api/v1/alerts",
    params(
        ("limit" = Option<usize>, Query, description = "items on a page, 1 to 1000; 100 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Items<schema::Alert>)))]
pub(crate) async fn alerts(State(house): State<House>, RawQuery(raw): RawQuery) -> Result<Json<Items<Alert>>, Problem> {
    let window = Query::parse(raw.as_deref(), LIST)?.window()?;
    let standing = house.alerts().await?;
    Items::page(standing.iter(), &window).map(Json)
}
