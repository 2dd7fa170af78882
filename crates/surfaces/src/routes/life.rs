//! Whether the process lives and is ready, what can be measured of it, and what can be asked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::answer::Problem;
use crate::house::House;
use crate::{router, schema};

/// This document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = schema::Any)))]
pub(crate) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(router::document())
}

/// Metrics, as OpenMetrics.
#[utoipa::path(get, path = "/metrics",
    responses((status = 200, content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn metrics(State(house): State<House>) -> Result<Response, Problem> {
    let status = house.status().await?;
    let incidents = house.incidents().await?;
    let counted = house.clone();
    // A journal that cannot be read leaves the counters where they are: the gauges are worth telling all the same.
    if let Err(problem) = house.read(move |reader| counted.metrics().count(reader)).await {
        tracing::warn!(error = problem.error, "the journal's events could not be counted");
    }
    let text = house.metrics().told(&status, &incidents);
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = schema::Alive)))]
pub(crate) async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether healer is at its work: the loop answers, the journal has room, and every source was seen whole once.
#[utoipa::path(get, path = "/readyz",
    responses((status = 200, body = schema::Ready), (status = 503, body = schema::Unready)))]
pub(crate) async fn readyz(State(house): State<House>) -> Response {
    let reasons = house.unready().await;
    if reasons.is_empty() {
        return Json(json!({ "ready": true })).into_response();
    }
    let error = format!("not ready: {}", reasons.join("; "));
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reasons": reasons, "error": error })))
        .into_response()
}
