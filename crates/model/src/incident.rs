//! Correlated alerts with one life and one timeline: its phases, its diagnosis and its outcome.
//!
//! ```text
//! Diagnosing → Planning → Acting → Verifying → Resolved
//!                 ↓ ↑                  ↓
//!     Held, AwaitingApproval      RollingBack, Escalated
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Answer, PermitId, Plan};
use crate::alert;
use crate::complaint::Complaint;
use crate::fact::{Happening, Incarnation, Look};
use crate::make::Deploy;
use crate::recovery::Restarted;
use crate::resource::ResourceId;
use crate::sibling::Sibling;
use crate::time::Tick;
use crate::verdict::{Hold, Refusal};

/// Names an incident among several healers: `web-1/41`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId {
    /// The healer that opened it.
    pub instance: Arc<str>,
    /// Its number there, from 1.
    pub number: u64,
}

/// Where an incident is in its life. Each phase that is not final has a deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// What is it?
    Diagnosing {
        /// After this the rules answer with what they have.
        until: Tick,
    },
    /// What can be done?
    Planning {
        /// A safety net: planning takes no time.
        until: Tick,
    },
    /// Something forbids acting at present.
    Held {
        /// What.
        reason: Hold,
        /// When it is looked at again.
        until: Tick,
    },
    /// A person is asked.
    AwaitingApproval {
        /// When the question expires.
        until: Tick,
    },
    /// A step is under way.
    Acting {
        /// Which step of the plan, from 0.
        step: usize,
        /// By which permit.
        permit: PermitId,
        /// What the performer said; the step is settled by a look that was taken after it.
        answer: Option<Answer>,
        /// The owner wants it stopped meanwhile: obeyed as soon as the step is settled.
        owner_stopped: bool,
        /// When it is settled by a look, answer or not.
        until: Tick,
    },
    /// Did it help?
    Verifying {
        /// Which step, from 0.
        step: usize,
        /// How often the end was put off: by a late alert (once), or since nothing could be told (once).
        extended: Extended,
        /// When the answer is due.
        until: Tick,
    },
    /// What was done is taken back.
    RollingBack {
        /// By which permit.
        permit: PermitId,
        /// What the performer said.
        answer: Option<Answer>,
        /// Why.
        because: RollbackCause,
        /// Whether nothing could be told once already.
        looked_longer: bool,
        /// When it is looked at.
        until: Tick,
    },
    /// A person has to see to it.
    Escalated {
        /// Why.
        reason: Escalation,
        /// How many levels were told, from 0.
        level: u32,
        /// Whether a person took it.
        acknowledged: bool,
        /// When the next level is told, or the reminder is due.
        until: Tick,
    },
    /// Over.
    Resolved {
        /// How it ended.
        outcome: Outcome,
        /// When.
        at: Tick,
    },
}

/// How often the end of a verification was put off, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extended {
    /// By a late alert.
    pub by_alert: bool,
    /// Since nothing could be told at its end.
    pub inconclusive: bool,
}

/// Why something is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackCause {
    /// The owner stopped it while our start was under way: their stop wins.
    OwnerStopped,
    /// The plan that it was a step of did not help.
    DidNotHelp,
}

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// healer mended it, and it held.
    Healed,
    /// It came back without anybody's doing that healer knows of.
    RecoveredAlone,
    /// A person mended it.
    MendedByPerson,
    /// The owner wants it stopped.
    StoppedByOwner,
    /// Nothing was wrong.
    FalseAlarm,
    /// The resource is no more.
    Gone,
    /// The configuration excludes it: healer no longer cares for it.
    Excluded,
    /// Another incident's cause explains it.
    MergedInto(IncidentId),
}

/// Why a person has to see to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escalation {
    /// No rule is sure enough.
    CannotTell,
    /// The cause is known; nothing healer may do mends it.
    NoActionMends,
    /// The guard refuses for good.
    Refused(Refusal),
    /// Nobody answered the question in time.
    ApprovalExpired,
    /// The plan was rejected, and there is no other.
    Rejected {
        /// Who.
        by: String,
        /// Their reason.
        because: String,
    },
    /// Nobody can tell whether it helped.
    Inconclusive,
    /// Nobody can tell whether the undo was done.
    UndoUnknown,
    /// The undo failed: all that is in reach of it is halted.
    UndoFailed,
    /// It was reopened too often within a day, or the engine restarts it in vain.
    KeepsComingBack,
}

/// What is known of the cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The cause's name in the catalogue: `oom_main`.
    pub cause: String,
    /// The cause in words.
    pub title: String,
    /// What policies call it: `service_down`.
    pub issue_type: String,
    /// How sure.
    pub confidence: Confidence,
    /// The evidence that it rests on.
    pub evidence: Vec<EvidenceId>,
    /// What it was told from, in one clause: "137 alone would not have been enough".
    pub because: String,
    /// What mends it.
    pub mend: Mend,
}

/// How sure a diagnosis is. The order is the order of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// No rule holds.
    None,
    /// It fits, and something else would fit too.
    Likely,
    /// It is proved.
    Sure,
}

/// What mends a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// Start it.
    Start,
    /// Start it; where that does not hold, with a higher memory limit.
    MoreMemory,
    /// Stop it and start it.
    Restart,
    /// Attach it to the networks that it needs, and start it.
    Rejoin,
    /// Make it anew, as it is.
    Recreate,
    /// Make it anew of the image that its name meant before a deploy.
    RollBack,
    /// Remove what the owner of a file system has listed as free to go.
    FreeSpace,
    /// Nothing is wrong: nothing to mend.
    Nothing,
    /// Only a person can mend it.
    Person,
}

/// Numbers the evidence of one incident from 1, shown as `e1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EvidenceId(pub u32);

/// A quoted fact. `text` is escaped and redacted already, and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its number within the incident.
    pub id: EvidenceId,
    /// Where it was read: `event`, `inspect`, `log`, `healthcheck`.
    pub source: String,
    /// What was read.
    pub text: String,
}

/// Who runs what a case is about, and reaps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// An engine: it is a container.
    #[default]
    Engine,
    /// healer: it is a program of the host, which nothing else starts.
    Healer,
    /// systemd: it is a unit of the host.
    Systemd,
}

impl Runner {
    /// Whether it is a container.
    #[must_use]
    pub fn is_engine(&self) -> bool {
        *self == Runner::Engine
    }
}

/// The facts on which an incident was decided; kept with the diagnosis, so that it can be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The alerts that stand.
    pub alerts: Vec<alert::Name>,
    /// Of which body.
    pub incarnation: Incarnation,
    /// The last look, if one was taken since it fell ill.
    pub look: Option<Look>,
    /// What happened to it since its last start, oldest first, as far as it was seen.
    pub happenings: Vec<Happening>,
    /// What its log says.
    pub log: Option<Excerpt>,
    /// Whether it is a job: others await its completion, or it is meant to end.
    pub is_job: bool,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Runner::is_engine")]
    pub runner: Runner,
    /// Whether a stop that healer ordered explains its last end.
    #[serde(default)]
    pub ended_by_us: bool,
    /// What was restarted, if it ended with that.
    #[serde(default)]
    pub ended_with: Option<Restarted>,
    /// Why the network namespace that it shares is dead, if it is.
    #[serde(default)]
    pub network: Option<DeadNetwork>,
    /// The deploy just before which it was well.
    #[serde(default)]
    pub deploy: Option<Deploy>,
    /// The service of its own deployment that its log complains of, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sibling: Option<Sibling>,
    /// The other service that holds the port which it wants, where that one shall run and will not let go of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_kept_by: Option<ResourceId>,
}

/// Why a network namespace that one shares with another is dead while both run: it went with the process that had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadNetwork {
    /// The other was started anew since: one that is started anew joins its present namespace.
    StartedAnew(ResourceId),
    /// The other was made anew since: one that names the old container can join nothing, and has to be made anew too.
    MadeAnew(ResourceId),
    /// The other is no more.
    Gone,
}

impl fmt::Display for DeadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadNetwork::StartedAnew(parent) => {
                write!(f, "{}, whose network it shares, was started anew since it was started", parent.short())
            }
            DeadNetwork::MadeAnew(parent) => {
                write!(
                    f,
                    "{}, whose network it shares, was made anew: it still names the old container",
                    parent.short()
                )
            }
            DeadNetwork::Gone => f.write_str("the container whose network it shares is no more"),
        }
    }
}

/// The few lines of a log that matter. Escaped, redacted and bounded by whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Excerpt {
    /// The lines, in their order.
    pub lines: Vec<Line>,
    /// How many lines were read in all.
    pub read_lines: u64,
    /// Whether more were there than were read.
    pub cut: bool,
}

/// One line of an excerpt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The text.
    pub text: String,
    /// How many lines of the log look like this one.
    pub times: u32,
    /// Whether it tells of an error, rather than being merely the last word.
    pub telling: bool,
    /// What it complains about, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<Complaint>,
}

/// One execution of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When its first step was allowed.
    pub at: Tick,
    /// What was executed.
    pub plan: Plan,
    /// What came of it; `None` while it is under way.
    pub verdict: Option<Verification>,
}

/// The three answers of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// The invariant held for the whole window.
    Held,
    /// It did not.
    Failed,
    /// Nobody can tell.
    Inconclusive,
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.number)
    }
}

/// A text that is no incident's id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an incident: expected INSTANCE/NUMBER, such as web-1/41")]
pub struct NotAnIncident(pub String);

impl FromStr for IncidentId {
    type Err = NotAnIncident;

    fn from_str(text: &str) -> Result<Self, NotAnIncident> {
        text.rsplit_once('/')
            .filter(|(instance, _)| !instance.is_empty())
            .and_then(|(instance, number)| Some(IncidentId { instance: instance.into(), number: number.parse().ok()? }))
            .ok_or_else(|| NotAnIncident(text.to_owned()))
    }
}

impl TryFrom<String> for IncidentId {
    type Error = NotAnIncident;

    fn try_from(text: String) -> Result<Self, NotAnIncident> {
        text.parse()
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> String {
        id.to_string()
    }
}

impl fmt::Display for EvidenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

impl Phase {
    /// The phase's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Diagnosing { .. } => "diagnosing",
            Phase::Planning { .. } => "planning",
            Phase::Held { .. } => "held",
            Phase::AwaitingApproval { .. } => "awaiting_approval",
            Phase::Acting { .. } => "acting",
            Phase::Verifying { .. } => "verifying",
            Phase::RollingBack { .. } => "rolling_back",
            Phase::Escalated { .. } => "escalated",
            Phase::Resolved { .. } => "resolved",
        }
    }

    /// When something must happen; `None` only for what is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        match self {
            Phase::Diagnosing { until }
            | Phase::Planning { until }
            | Phase::Held { until, .. }
            | Phase::AwaitingApproval { until }
            | Phase::Acting { until, .. }
            | Phase::Verifying { until, .. }
            | Phase::RollingBack { until, .. }
            | Phase::Escalated { until, .. } => Some(*until),
            Phase::Resolved { .. } => None,
        }
    }

    /// The status that the platform's users know: `pending`, `in_progress`, `succeeded`, `failed`, `escalated`; the
    /// outcomes that mended nothing are named as they are.
    #[must_use]
    pub fn published(&self) -> &'static str {
        match self {
            Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. } | Phase::AwaitingApproval { .. } => {
                "pending"
            }
            Phase::Acting { .. } | Phase::Verifying { .. } | Phase::RollingBack { .. } => "in_progress",
            Phase::Escalated { reason: Escalation::UndoFailed, .. } => "failed",
            Phase::Escalated { .. } => "escalated",
            Phase::Resolved { outcome, .. } => match outcome {
                Outcome::Healed | Outcome::RecoveredAlone | Outcome::MendedByPerson => "succeeded",
                Outcome::StoppedByOwner => "stopped_by_owner",
                Outcome::FalseAlarm => "false_alarm",
                Outcome::Gone => "gone",
                Outcome::Excluded => "excluded",
                Outcome::MergedInto(_) => "merged",
            },
        }
    }

    /// Whether the incident is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Phase::Resolved { .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Healed => f.write_str("healed"),
            Outcome::RecoveredAlone => f.write_str("recovered by itself"),
            Outcome::MendedByPerson => f.write_str("mended by a person"),
            Outcome::StoppedByOwner => f.write_str("stopped by its owner"),
            Outcome::FalseAlarm => f.write_str("nothing was wrong"),
            Outcome::Gone => f.write_str("removed"),
            Outcome::Excluded => f.write_str("excluded by the configuration"),
            Outcome::MergedInto(parent) => write!(f, "part of incident {parent}"),
        }
    }
}

impl fmt::Display for Escalation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Escalation::CannotTell => f.write_str("the cause cannot be told"),
            Escalation::NoActionMends => f.write_str("nothing that healer may do mends this cause"),
            Escalation::Refused(refusal) => write!(f, "{refusal}"),
            Escalation::ApprovalExpired => f.write_str("nobody answered the request for approval in time"),
            Escalation::Rejected { by, because } if because.is_empty() => write!(f, "{by} rejected the plan"),
            Escalation::Rejected { by, because } => write!(f, "{by} rejected the plan: {because}"),
            Escalation::Inconclusive => f.write_str("nobody can tell whether the repair helped"),
            Escalation::UndoUnknown => f.write_str("nobody can tell whether the undo was done"),
            Escalation::UndoFailed => f.write_str("the undo failed; everything in its reach is halted"),
            Escalation::KeepsComingBack => f.write_str("it keeps coming back: starting it again does not help"),
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Confidence::None => "unknown",
            Confidence::Likely => "likely",
            Confidence::Sure => "sure",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_id_survives_instances_with_slashes_and_refuses_the_rest() {
        let id: IncidentId = "dc/web-1/41".parse().unwrap();
        assert_eq!((&*id.instance, id.number), ("dc/web-1", 41));
        assert_eq!(id.to_string(), "dc/web-1/41");
        for text in ["", "41", "/41", "web-1/", "web-1/x"] {
            assert_eq!(text.parse::<IncidentId>(), Err(NotAnIncident(text.to_owned())));
        }
    }
}
