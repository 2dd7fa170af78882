//! The shapes of answers, as the OpenAPI document tells them. `model` stays free of HTTP; a test holds each of these
//! against what is really sent.
//!
//! Times are milliseconds since 1970; a field that says "empty" instead of being left out is always there.

mod commands;
mod policies;

use std::collections::BTreeMap;

use utoipa::ToSchema;

pub use commands::{Ask, Asked, Binding, CommandRequest, Reply, ReplyLine, ServiceAction, ServiceRequest, Suggestion};
pub use policies::{Does, Explained, Explanation, Field, Limit, Mismatch, PassedOver, PolicyRow, Rule, RuleLine, Says};

/// What went wrong.
#[derive(Debug, ToSchema)]
pub struct Problem {
    /// A sentence with its remedy.
    pub error: String,
}

/// Any JSON value.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
pub struct Any(pub BTreeMap<String, String>);

/// A moment on both clocks.
#[derive(Debug, ToSchema)]
pub struct Now {
    /// Milliseconds since 1970.
    pub wall: i64,
    /// Milliseconds on healer's own clock, which never goes back.
    pub tick: u64,
}

/// How something stands, in the order in which a person should look at it.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Standing {
    /// A person has to see to it.
    NeedsYou,
    /// healer is at it.
    Healing,
    /// Something is wrong, and healer holds for a reason.
    Held,
    /// It is down, and nobody can tell whether it shall run.
    Unknown,
    /// Nobody sees it at present; what is wanted of it is known.
    Unseen,
    /// It runs as it shall.
    Well,
    /// It is down, and shall be.
    Stopped,
    /// A deployment that has a directory, and no containers.
    Absent,
    /// A job that ended well.
    Done,
    /// It is shown only.
    Watched,
}

/// How far healer goes.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Mode {
    /// Never acts.
    Observe,
    /// Plans, and waits for approval.
    Suggest,
    /// Acts within policy.
    Auto,
}

/// The whole, at one moment.
#[derive(Debug, ToSchema)]
pub struct Status {
    /// The instance's name.
    pub instance: String,
    /// The program's version.
    pub version: String,
    /// When this was told.
    pub now: Now,
    /// Since when this process leads.
    #[schema(required)]
    pub running_since: Option<i64>,
    /// How far healer goes.
    pub mode: Mode,
    /// Who froze it, when and why.
    #[schema(required)]
    pub frozen: Option<Frozen>,
    /// Anything that keeps healer from doing its work, each with its remedy.
    pub warnings: Vec<String>,
    /// The sources.
    pub sources: Vec<Source>,
    /// The hosts and engines that come back, or have come back within a day, the latest first.
    pub recoveries: Vec<Recovery>,
    /// The deployments, those that need a person first.
    pub deployments: Vec<Deployment>,
    /// What happens next by itself, soonest first.
    pub next: Vec<Next>,
    /// What waits for a person: a sentence with its command.
    pub waiting: Vec<String>,
}

/// A freeze.
#[derive(Debug, ToSchema)]
pub struct Frozen {
    /// Who.
    pub by: String,
    /// When.
    pub at: Now,
    /// Why.
    pub because: String,
}

/// A source, as it stands.
#[derive(Debug, ToSchema)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Whether its stream is open and a full listing was seen.
    pub well: bool,
    /// What it says of itself; empty when all is well.
    pub because: String,
    /// What cannot be told of it though all is well, and what follows; empty where nothing is missing.
    pub untold: String,
}

/// A host or engine that came back, and what was brought back after it.
#[derive(Debug, ToSchema)]
pub struct Recovery {
    /// Its name: `web-1/recovery/3`.
    pub id: String,
    /// Which source.
    pub host: String,
    /// What was restarted.
    pub restarted: Restarted,
    /// Since when it is under way, or when it was over.
    pub at: i64,
    /// How it stands, in one sentence.
    pub because: String,
    /// What came of it; null while it is under way.
    #[schema(required)]
    pub outcome: Option<RecoveryOutcome>,
}

/// What was started anew.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Restarted {
    /// The host.
    Host,
    /// The engine alone.
    Engine,
}

/// What a recovery came to.
#[derive(Debug, ToSchema)]
pub struct RecoveryOutcome {
    /// What runs again.
    pub recovered: Vec<String>,
    /// What was left as it is, because somebody stopped it on purpose.
    pub left: Vec<String>,
    /// What does not run and should.
    pub failed: Vec<RecoveryFailure>,
}

/// What could not be brought back.
#[derive(Debug, ToSchema)]
pub struct RecoveryFailure {
    /// What.
    pub resource: String,
    /// Why, in one clause.
    pub because: String,
}

/// A deployment, as it stands.
#[derive(Debug, ToSchema)]
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// The standing of the resource that needs a person most.
    pub standing: Standing,
    /// `running`, `stopped`, `unknown`, or `mixed`.
    pub wanted: String,
    /// Since when it stands so.
    #[schema(required)]
    pub since: Option<i64>,
    /// The reason, one line.
    pub why: String,
    /// Its resources; none where it is known by its directory alone.
    pub resources: Vec<Resource>,
    /// Its directory, where `docker.deployments_path` has one.
    #[schema(required)]
    pub folder: Option<Folder>,
}

/// The directory of a deployment.
#[derive(Debug, ToSchema)]
pub struct Folder {
    /// Where it is.
    pub path: String,
    /// The names under which people reach the deployment.
    pub domains: Vec<String>,
}

/// What a container does.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Run {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Running, and frozen.
    Paused,
    /// Ended; the engine itself will start it again.
    Restarting,
    /// Ended.
    Exited,
    /// Being removed.
    Removing,
}

/// The verdict of a healthcheck.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Health {
    /// It has no healthcheck.
    Unchecked,
    /// No verdict yet.
    Starting,
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

/// A resource, as it stands.
#[derive(Debug, ToSchema)]
pub struct Resource {
    /// Its name: `docker:HOST/DEPLOYMENT/SERVICE[/N]`.
    pub id: String,
    /// What a person calls it.
    pub short: String,
    /// How it stands.
    pub standing: Standing,
    /// What it does; `null` when it is not seen.
    #[schema(required)]
    pub run: Option<Run>,
    /// Its healthcheck's verdict.
    #[schema(required)]
    pub health: Option<Health>,
    /// What its owner wants; `null` before the first sight.
    #[schema(required)]
    pub intent: Option<Intent>,
    /// Since when it stands so.
    #[schema(required)]
    pub since: Option<i64>,
    /// The reason, one line.
    pub why: String,
    /// Its open incident.
    #[schema(required)]
    pub incident: Option<String>,
    /// The image that it was made from; empty if it is not seen.
    pub image: String,
    /// The present body, short.
    #[schema(required)]
    pub incarnation: Option<String>,
    /// The one command that settles what a person should settle.
    #[schema(required)]
    pub remedy: Option<String>,
}

/// What an owner wants of a resource, and on whose word.
#[derive(Debug, ToSchema)]
pub struct Intent {
    /// What is wanted.
    pub wanted: Wanted,
    /// Who said so.
    pub by: Author,
    /// When healer learnt it.
    pub at: Now,
    /// When it happened by the source's clock, in nanoseconds since 1970.
    #[schema(required)]
    pub source_at: Option<i64>,
    /// What it was read from.
    pub because: String,
}

/// What can be wanted.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Wanted {
    /// It shall run.
    Running,
    /// It was stopped on purpose.
    Stopped,
    /// Nobody can tell.
    Unknown,
}

/// On whose word an intent rests.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Author {
    /// healer saw it for the first time.
    FirstSight,
    /// Somebody used the engine.
    SomebodyAtTheEngine,
    /// A person spoke to healer.
    Person(String),
    /// Nothing but the state that was found could be asked.
    Evidence,
}

/// Something that will happen by itself.
#[derive(Debug, ToSchema)]
pub struct Next {
    /// When.
    pub at: i64,
    /// What.
    pub what: String,
}

/// An incident in a list.
#[derive(Debug, ToSchema)]
pub struct Incident {
    /// Its id: `web-1/41`.
    pub id: String,
    /// Of what.
    pub resource: String,
    /// What a person calls the resource.
    pub short: String,
    /// Its phase's name.
    pub phase: String,
    /// `pending`, `in_progress`, `succeeded`, `failed`, `escalated`, or the outcome that mended nothing.
    pub status: String,
    /// How it stands.
    pub standing: Standing,
    /// When it began.
    pub opened: i64,
    /// When it ended.
    #[schema(required)]
    pub ended: Option<i64>,
    /// The cause; empty while unknown.
    pub cause: String,
    /// How it stands or ended, one line.
    pub why: String,
    /// Attempts made.
    pub attempts: u32,
    /// What a person may do about it, while it waits for one; left out where there is nothing.
    pub suggestions: Option<Vec<Suggestion>>,
}

/// An alert that stands.
#[derive(Debug, ToSchema)]
pub struct Alert {
    /// The condition.
    pub name: AlertName,
    /// Of what.
    pub resource: String,
    /// Since when.
    pub since: i64,
    /// What was seen.
    pub because: String,
    /// The open incident that it belongs to.
    #[schema(required)]
    pub incident: Option<String>,
}

/// The conditions that healer derives from states.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum AlertName {
    /// It ended and does not run.
    ServiceDown,
    /// It could not be started.
    StartFailed,
    /// Its healthcheck fails.
    Unhealthy,
    /// The engine's own policy starts it again and again.
    CrashLooping,
    /// It runs in a network namespace that is dead.
    NetworkDead,
}

/// The answer to "why".
#[derive(Debug, ToSchema)]
pub struct Why {
    /// How it stands, what is wanted, on whose word.
    pub headline: String,
    /// The resource.
    #[schema(required)]
    pub resource: Option<Resource>,
    /// The incidents that are told, newest last.
    pub incidents: Vec<Incident>,
    /// The story, oldest first.
    pub story: Vec<Line>,
    /// What was not done, and why not.
    pub not_done: Vec<String>,
    /// The evidence that the story cites.
    pub evidence: Vec<Evidence>,
}

/// A line of a story, or of the history.
#[derive(Debug, ToSchema)]
pub struct Line {
    /// When.
    pub at: i64,
    /// Of which incident.
    #[schema(required)]
    pub incident: Option<String>,
    /// Of which resource.
    #[schema(required)]
    pub resource: Option<String>,
    /// How it bears on the reader.
    pub tone: Tone,
    /// What happened; evidence is cited as `[e1]`.
    pub text: String,
}

/// How a line bears on its reader.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Tone {
    /// For the record.
    Plain,
    /// Something went well.
    Good,
    /// Something is wrong, or was refused.
    Bad,
    /// Something waits.
    Waiting,
}

/// A quoted fact.
#[derive(Debug, ToSchema)]
pub struct Evidence {
    /// Its number within the incident.
    pub id: u32,
    /// Where it was read: `event`, `inspect`, `log`, `healthcheck`.
    pub source: String,
    /// What was read.
    pub text: String,
}

/// A page of the journal.
#[derive(Debug, ToSchema)]
pub struct History {
    /// In words; what says nothing to a person is left out.
    pub items: Vec<Line>,
    /// As they are kept.
    pub entries: Vec<Entry>,
    /// How many `items` there are, where one page holds all; else `null`.
    #[schema(required)]
    pub total: Option<usize>,
    /// The `cursor` of the next page; `null` on the last.
    #[schema(required)]
    pub next: Option<String>,
}

/// An event as the journal keeps it.
#[derive(Debug, ToSchema)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The format's version.
    pub version: u32,
    /// The leader that wrote it.
    pub epoch: u64,
    /// When.
    pub at: Now,
    /// What: the event's name, or an object with the name as its only key.
    #[schema(value_type = Value)]
    pub event: serde_json::Value,
}

/// The process lives.
#[derive(Debug, ToSchema)]
pub struct Alive {
    /// `ok`.
    pub status: String,
}

/// healer is at its work.
#[derive(Debug, ToSchema)]
pub struct Ready {
    /// `true`.
    pub ready: bool,
}

/// healer is not at its work.
#[derive(Debug, ToSchema)]
pub struct Unready {
    /// `false`.
    pub ready: bool,
    /// What keeps it from its work.
    pub reasons: Vec<String>,
    /// The same as one sentence.
    pub error: String,
}

/// `GET /health`.
#[derive(Debug, ToSchema)]
pub struct KeptHealth {
    /// `ok`.
    pub status: String,
    /// The program's version.
    pub version: String,
}

/// `GET /api/deployments`.
#[derive(Debug, ToSchema)]
pub struct KeptDeployments {
    /// All of them.
    pub deployments: Vec<KeptDeployment>,
}

/// `GET /api/deployments/{name}`.
#[derive(Debug, ToSchema)]
pub struct KeptDeploymentAnswer {
    /// The one.
    pub deployment: KeptDeployment,
}

/// A deployment with its services.
#[derive(Debug, ToSchema)]
pub struct KeptDeployment {
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// `running`, `partial` or `stopped`.
    pub status: String,
    /// Why it stands so.
    pub reason: String,
    /// Its services.
    pub services: Vec<KeptService>,
}

/// A service of a deployment.
#[derive(Debug, ToSchema)]
pub struct KeptService {
    /// Its name.
    pub name: String,
    /// `running`, `exited`, …, or `missing`.
    pub status: String,
    /// `healthy`, `unhealthy`, `starting`, `none` or `unknown`.
    pub health: String,
    /// The image that it was made from.
    pub image: String,
    /// The container's id, short.
    #[schema(required)]
    pub container_id: Option<String>,
}

/// `GET /api/deployments/health`.
#[derive(Debug, ToSchema)]
pub struct KeptDeploymentsHealth {
    /// All of them.
    pub deployments: Vec<KeptDeploymentHealth>,
}

/// How a deployment is.
#[derive(Debug, ToSchema)]
pub struct KeptDeploymentHealth {
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// `healthy`, `unhealthy`, `stopped` or `unknown`.
    pub status: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[schema(required)]
    pub since: Option<i64>,
}

/// `GET /api/platform/status`.
#[derive(Debug, ToSchema)]
pub struct KeptPlatform {
    /// `healthy`, `degraded` or `critical`.
    pub status: String,
    /// The instance's name.
    pub instance: String,
    /// The program's version.
    pub version: String,
    /// How many resources are watched.
    pub resources: usize,
    /// How many of them are well.
    pub healthy: usize,
    /// How many healer is at.
    pub healing: usize,
    /// How many a person should look at.
    pub needs_attention: usize,
    /// How many are stopped on purpose.
    pub stopped: usize,
    /// How many incidents are open.
    pub open_incidents: usize,
    /// What keeps healer from its work.
    pub warnings: Vec<String>,
}
