//! Routes that users of earlier tools know, with their shapes. They are not lists of `items`.

use axum::Json;
use axum::extract::{Path, State};
use model::fact::{Health, Run};
use model::view::{Deployment, Resource, Standing, Status};
use serde_json::{Value, json};

use crate::answer::Problem;
use crate::house::House;
use crate::routes::state::named;
use crate::schema;

/// Whether healer lives, with its version.
#[utoipa::path(get, path = "/health", responses((status = 200, body = schema::KeptHealth)))]
pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// The deployments with their services.
#[utoipa::path(get, path = "/api/deployments", responses((status = 200, body = schema::KeptDeployments)))]
pub(crate) async fn deployments(State(house): State<House>) -> Result<Json<Value>, Problem> {
    let status = house.status().await?;
    Ok(Json(json!({ "deployments": status.deployments.iter().map(shape).collect::<Vec<_>>() })))
}

/// One deployment with its services. One that is called `health` is found under `/api/v1/deployments/health`.
#[utoipa::path(get, path = "/api/deployments/{name}",
    params(("name" = String, Path, description = "the deployment's name")),
    responses((status = 200, body = schema::KeptDeploymentAnswer), (status = 404, body = schema::Problem)))]
pub(crate) async fn deployment(State(house): State<House>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let deployment = named(&*house.status().await?, &name, None)?;
    Ok(Json(json!({ "deployment": shape(&deployment) })))
}

/// How the deployments are.
#[utoipa::path(get, path = "/api/deployments/health", responses((status = 200, body = schema::KeptDeploymentsHealth)))]
pub(crate) async fn deployments_health(State(house): State<House>) -> Result<Json<Value>, Problem> {
    let status = house.status().await?;
    let health = |it: &Deployment| json!({ "name": it.name, "host": it.host, "status": wellness(it.standing), "reason": it.why, "since": it.since });
    Ok(Json(json!({ "deployments": status.deployments.iter().map(health).collect::<Vec<_>>() })))
}

/// How the platform is, in one word and in numbers.
#[utoipa::path(get, path = "/api/platform/status", responses((status = 200, body = schema::KeptPlatform)))]
pub(crate) async fn platform_status(State(house): State<House>) -> Result<Json<Value>, Problem> {
    let status = house.status().await?;
    let open = house.incidents().await?.iter().filter(|it| it.ended.is_none()).count();
    let count = |standing| resources(&status).filter(|it| it.standing == standing).count();
    Ok(Json(json!({
        "status": platform(&status),
        "instance": status.instance,
        "version": status.version,
        "resources": resources(&status).count(),
        "healthy": count(Standing::Well) + count(Standing::Done),
        "healing": count(Standing::Healing),
        "needs_attention": count(Standing::NeedsYou) + count(Standing::Held)
            + count(Standing::Unknown)
            + count(Standing::Unseen),
        "stopped": count(Standing::Stopped),
        "open_incidents": open,
        "warnings": status.warnings,
    })))
}

fn shape(deployment: &Deployment) -> Value {
    let service = |it: &Resource| {
        json!({
            "name": it.id.service(),
            "status": it.run.map_or("missing", run),
            "health": it.health.map_or("unknown", health_word),
            "image": it.image,
            "container_id": it.incarnation,
        })
    };
    json!({
        "name": deployment.name,
        "host": deployment.host,
        "status": running(deployment),
        "reason": deployment.why,
        "services": deployment.resources.iter().map(service).collect::<Vec<_>>(),
    })
}

/// `running` when every service that is no finished job runs, `stopped` when none does, else `partial`.
fn running(deployment: &Deployment) -> &'static str {
    let services: Vec<&Resource> = deployment.resources.iter().filter(|it| it.standing != Standing::Done).collect();
    let up = services.iter().filter(|it| matches!(it.run, Some(Run::Running))).count();
    match up {
        0 => "stopped",
        up if up == services.len() => "running",
        _ => "partial",
    }
}

fn platform(status: &Status) -> &'static str {
    let worst = resources(status).map(|it| it.standing).filter(|standing| *standing < Standing::Well).min();
    match worst {
        Some(Standing::NeedsYou) => "critical",
        Some(_) => "degraded",
        None if status.warnings.is_empty() && status.sources.iter().all(|source| source.well) => "healthy",
        None => "degraded",
    }
}

fn resources(status: &Status) -> impl Iterator<Item = &Resource> {
    status.deployments.iter().flat_map(|deployment| &deployment.resources)
}

fn wellness(standing: Standing) -> &'static str {
    match standing {
        Standing::Well | Standing::Done => "healthy",
        Standing::NeedsYou | Standing::Healing | Standing::Held => "unhealthy",
        Standing::Stopped | Standing::Absent => "stopped",
        Standing::Unknown | Standing::Unseen | Standing::Watched => "unknown",
    }
}

fn run(run: Run) -> &'static str {
    match run {
        Run::Created => "created",
        Run::Running => "running",
        Run::Paused => "paused",
        Run::Restarting => "restarting",
        Run::Exited => "exited",
        Run::Removing => "removing",
    }
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::Unchecked => "none",
        Health::Starting => "starting",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    }
}
