//! What surfaces show: values that are complete sentences of the state, made by `engine::view` and drawn by the CLI, the
//! HTTP API and, later, pages. Nothing in here is kept.
//!
//! All texts are escaped and redacted already; a renderer adds alignment and colour, never meaning.

mod rules;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::Asked;
use crate::event::Entry;
use crate::fact::{Health, Run};
use crate::incident::{Evidence, IncidentId};
use crate::intent::Intent;
use crate::recovery::{Outcome, RecoveryId, Restarted};
use crate::resource::ResourceId;
use crate::settings::Mode;
use crate::suggestion::Suggestion;
use crate::time::{Now, Wall};

pub use rules::{Explained, Explanation, Rule, RuleLine, Says, outlook};

/// How something stands, in the order in which a person should look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A person has to see to it: escalated, awaiting approval.
    NeedsYou,
    /// healer is at it: diagnosing, planning, acting, verifying, rolling back.
    Healing,
    /// Something is wrong, and healer holds for a reason.
    Held,
    /// It is down, and nobody can tell whether it shall run.
    Unknown,
    /// Nobody sees it at present (healer does not run, or its engine is out of reach); what is wanted of it is known.
    Unseen,
    /// It runs as it shall.
    Well,
    /// It is down, and shall be.
    Stopped,
    /// A deployment that has a directory, and no containers.
    Absent,
    /// A job that ended well.
    Done,
    /// It is shown only: nobody adopted it, or it is excluded.
    Watched,
}

/// The whole, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The instance's name.
    pub instance: String,
    /// The program's version.
    pub version: String,
    /// When this was told.
    pub now: Now,
    /// Since when this process leads; `None` when nobody runs and the journal alone was read.
    pub running_since: Option<Wall>,
    /// How far healer goes.
    pub mode: Mode,
    /// Who froze it, when and why.
    pub frozen: Option<Frozen>,
    /// Anything that keeps healer from doing its work, each with its remedy.
    pub warnings: Vec<String>,
    /// The sources.
    pub sources: Vec<Source>,
    /// The hosts and engines that come back, or have come back within a day, the latest first.
    #[serde(default)]
    pub recoveries: Vec<Recovery>,
    /// The deployments, those that need a person first.
    pub deployments: Vec<Deployment>,
    /// What happens next by itself, soonest first.
    pub next: Vec<Next>,
    /// What waits for a person: a sentence with its command.
    pub waiting: Vec<String>,
}

/// A freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Who.
    pub by: String,
    /// When.
    pub at: Now,
    /// Why.
    pub because: String,
}

/// A source, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Whether its stream is open and a full listing was seen.
    pub well: bool,
    /// What it says of itself: empty when all is well.
    pub because: String,
    /// What cannot be told of it though all is well, and what follows; empty where nothing is missing.
    #[serde(default)]
    pub untold: String,
}

/// A host or engine that came back, and what was brought back after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Its name.
    pub id: RecoveryId,
    /// Which source.
    pub host: String,
    /// What was restarted.
    pub restarted: Restarted,
    /// Since when it is under way, or when it was over.
    pub at: Wall,
    /// How it stands, in one sentence.
    pub because: String,
    /// What came of it; `None` while it is under way.
    pub outcome: Option<Outcome>,
}

/// A deployment, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub since: Option<Wall>,
    /// The reason, one line.
    pub why: String,
    /// Its resources; none where it is known by its directory alone.
    pub resources: Vec<Resource>,
    /// Its directory, where `docker.deployments_path` has one.
    #[serde(default)]
    pub folder: Option<Folder>,
}

/// The directory of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Where it is.
    pub path: String,
    /// The names under which people reach the deployment.
    pub domains: Vec<String>,
}

/// A resource, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name.
    pub id: ResourceId,
    /// What a person calls it.
    pub short: String,
    /// How it stands.
    pub standing: Standing,
    /// What it does; `None` when it is not seen.
    pub run: Option<Run>,
    /// Its healthcheck's verdict.
    pub health: Option<Health>,
    /// What its owner wants; `None` before the first sight.
    pub intent: Option<Intent>,
    /// Since when it stands so.
    pub since: Option<Wall>,
    /// The reason, one line.
    pub why: String,
    /// Its open incident.
    pub incident: Option<IncidentId>,
    /// The image that it was made from; empty if it is not seen.
    pub image: String,
    /// The present body, short.
    pub incarnation: Option<String>,
    /// The one command that settles what a person should settle.
    pub remedy: Option<String>,
}

/// Something that will happen by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// When.
    pub at: Wall,
    /// What: `verify shop/web`.
    pub what: String,
}

/// An incident in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// Of what.
    pub resource: ResourceId,
    /// What a person calls the resource.
    pub short: String,
    /// Its phase's name.
    pub phase: String,
    /// The status that users of the platform know.
    pub status: String,
    /// How it stands.
    pub standing: Standing,
    /// When it began.
    pub opened: Wall,
    /// When it ended.
    pub ended: Option<Wall>,
    /// The cause in words; empty while unknown.
    pub cause: String,
    /// How it stands or ended, one line.
    pub why: String,
    /// Attempts made.
    pub attempts: u32,
    /// What a person may do about it, while it waits for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which condition.
    pub name: crate::alert::Name,
    /// Of what.
    pub resource: ResourceId,
    /// Since when.
    pub since: Wall,
    /// What was seen.
    pub because: String,
    /// The open incident that it belongs to.
    pub incident: Option<IncidentId>,
}

/// The answer to "why".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// One or two sentences: how it stands, what is wanted, on whose word.
    pub headline: String,
    /// The resource, if one was asked about or the incident's is known.
    pub resource: Option<Resource>,
    /// The incidents that are told, newest last.
    pub incidents: Vec<Incident>,
    /// The story, oldest first.
    pub story: Vec<Line>,
    /// What was not done, and why not.
    pub not_done: Vec<String>,
    /// The evidence that the story cites, in the order of its numbers.
    pub evidence: Vec<Evidence>,
}

/// A line of a story, or of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Wall,
    /// Of which incident.
    pub incident: Option<IncidentId>,
    /// Of which resource.
    pub resource: Option<ResourceId>,
    /// How it bears on the reader.
    pub tone: Tone,
    /// What happened, in words; evidence is cited as `[e1]`.
    pub text: String,
}

/// How a line bears on its reader; the CLI's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// A question to a person, with all that they should know before they answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which.
    pub asked: Asked,
    /// How it stands.
    pub stand: Stand,
    /// The present moment.
    pub now: Now,
    /// Of what.
    pub resource: ResourceId,
    /// What a person calls it.
    pub short: String,
    /// What was seen, one line.
    pub because: String,
    /// The cause, how sure it is, and what it was told from; empty while unknown.
    pub cause: String,
    /// What that rests on.
    pub evidence: Vec<Evidence>,
    /// Why a person is asked.
    pub why_asked: String,
    /// What would be done, a line a step.
    pub steps: Vec<String>,
    /// How much a person should be asked about it.
    pub risk: String,
    /// What needs it, by name.
    pub needed_by: Vec<String>,
    /// What is down while it is done.
    pub down_meanwhile: String,
    /// How it is taken back.
    pub undo: String,
    /// When it expires.
    pub expires: Wall,
    /// How the incident stands, in one clause.
    pub standing: String,
}

/// How a question to a person stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It can be answered.
    Open,
    /// It was answered.
    Decided {
        /// By whom.
        by: String,
        /// How.
        approved: bool,
        /// Why.
        because: String,
        /// When.
        at: Wall,
    },
    /// Nobody answered it in time.
    Expired,
    /// It is no longer needed, or there was more to consider.
    Withdrawn,
    /// Something else would be done.
    PlanChanged,
    /// It was asked about a body that was made anew since.
    BodyChanged,
    /// The incident is over: how it ended.
    Over(String),
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stand::Open => f.write_str("it waits for an answer"),
            Stand::Decided { by, approved: true, .. } => write!(f, "it was approved already by {by}"),
            Stand::Decided { by, approved: false, .. } => write!(f, "it was rejected already by {by}"),
            Stand::Expired => f.write_str("the question has expired"),
            Stand::Withdrawn => f.write_str("the question was withdrawn: there was more to consider"),
            Stand::PlanChanged => f.write_str("the plan has changed since it was asked about"),
            Stand::BodyChanged => f.write_str("the container was made anew since it was asked about"),
            Stand::Over(how) => write!(f, "the incident is over: {how}"),
        }
    }
}

/// A page of the journal, as the API gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// In words.
    pub lines: Vec<Line>,
    /// As they are kept.
    pub entries: Vec<Entry>,
}
