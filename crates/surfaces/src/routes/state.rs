//! How everything stands at this moment.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use model::view::{Deployment, Resource, Status};

use crate::answer::{Items, Problem};
use crate::house::House;
use crate::query::{LIST, Query, shown};
use crate::schema;

/// The whole, at one moment.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = schema::Status)))]
pub(crate) async fn status(State(house): State<House>, RawQuery(raw): RawQuery) -> Result<Response, Problem> {
    Query::parse(raw.as_deref(), &[])?;
    Ok(Json(&*house.status().await?).into_response())
}

/// The deployments, those that need a person first.
#[utoipa::path(get, path = "/api/v1/deployments",
    params(
        ("limit" = Option<usize>, Query, description = "items on a page, 1 to 1000; 100 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Items<schema::Deployment>)))]
pub(crate) async fn deployments(
    State(house): State<House>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Items<Deployment>>, Problem> {
    let window = Query::parse(raw.as_deref(), LIST)?.window()?;
    Items::page(house.status().await?.deployments.iter(), &window).map(Json)
}

/// One deployment.
#[utoipa::path(get, path = "/api/v1/deployments/{name}",
    params(
        ("name" = String, Path, description = "the deployment's name"),
        ("host" = Option<String>, Query, description = "its host, where several have a deployment of this name"),
    ),
    responses(
        (status = 200, body = schema::Deployment),
        (status = 404, body = schema::Problem),
        (status = 409, description = "several hosts have one of this name", body = schema::Problem),
    ))]
pub(crate) async fn deployment(
    State(house): State<House>,
    Path(name): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Deployment>, Problem> {
    let query = Query::parse(raw.as_deref(), &["host"])?;
    named(&*house.status().await?, &name, query.get("host")).map(Json)
}

/// The one deployment of this name.
pub(crate) fn named(status: &Status, name: &str, host: Option<&str>) -> Result<Deployment, Problem> {
    let fits = |it: &Deployment| it.name == name && host.is_none_or(|host| it.host == host);
    let mut found: Vec<&Deployment> = status.deployments.iter().filter(|it| fits(it)).collect();
    match (found.pop(), found.as_slice()) {
        (Some(one), []) => Ok(one.clone()),
        (Some(one), others) => {
            let hosts: Vec<&str> = others.iter().copied().chain([one]).map(|it| it.host.as_str()).collect();
            let error = format!("{} is on {}: say which with ?host=", shown(name), hosts.join(" and "));
            Err(Problem::new(StatusCode::CONFLICT, error))
        }
        (None, _) => {
            let error = format!("healer knows no deployment `{}`: /api/v1/deployments lists them", shown(name));
            Err(Problem::not_found(error))
        }
    }
}

/// The resources of all deployments, in the deployments' order.
#[utoipa::path(get, path = "/api/v1/resources",
    params(
        ("deployment" = Option<String>, Query, description = "only those of this deployment"),
        ("limit" = Option<usize>, Query, description = "items on a page, 1 to 1000; 100 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = Items<schema::Resource>)))]
pub(crate) async fn resources(
    State(house): State<House>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Items<Resource>>, Problem> {
    let query = Query::parse(raw.as_deref(), &["deployment", "limit", "cursor"])?;
    let of = query.get("deployment");
    let status = house.status().await?;
    let deployments = status.deployments.iter().filter(|it| of.is_none_or(|name| it.name == name));
    Items::page(deployments.flat_map(|it| &it.resources), &query.window()?).map(Json)
}
