//! The guard's answers. A reason is at once the log line, the metric's label, the message, the "why not" and the test.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::{Action, Permit, Risk};
use crate::fact::Condition;
use crate::incident::IncidentId;
use crate::resource::ResourceId;
use crate::time::{Spoken, Tick};

/// What the guard says of one step, just before it would run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It may be done, by this permit.
    Allow(Box<Permit>),
    /// A person has to say so first.
    Ask(Question),
    /// Not at present; ask again at this tick.
    Hold(Hold, Tick),
    /// No.
    Refuse(Refusal),
}

/// Why a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The mode is `suggest`.
    SuggestMode,
    /// The policy says `auto_heal: false`.
    Policy,
    /// Its risk is above what is done unasked.
    Risk(Risk),
    /// The deployment's files do not know the service any more.
    Orphan,
}

/// Why nothing is done at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// This process has not yet seen the resource through the present connection.
    NotSeen,
    /// The symptom does not stand in a fresh fact: it may be clearing.
    Clearing,
    /// The last step was not begun: what its performer saw just before the act forbade it, or nothing could be seen.
    Withheld {
        /// In words.
        because: String,
    },
    /// Its engine has just come back: until all is seen, nothing is started.
    Recovering,
    /// It is started once what it needs is ready: after a restart what it depends on, else what it was refused by.
    WaitsFor {
        /// What it waits for.
        resource: ResourceId,
        /// Until that is so.
        condition: Condition,
    },
    /// What it was refused by has only just come up: that is to hold first, and what still runs may recover by itself.
    JustUp {
        /// Which that is.
        resource: ResourceId,
    },
    /// It has files on a mount that its host's table asks for, and that is not there: started, it would find an empty
    /// folder in its place.
    MountMissing {
        /// The mount point.
        mount: String,
    },
    /// Somebody is stopping it just now.
    BeingStopped,
    /// It is paused.
    Paused,
    /// Nobody knows whether it shall run.
    IntentUnknown,
    /// Somebody stopped others of its deployment while it was down: a stop of what is down leaves no trace, so that it may
    /// have been meant too.
    OthersStopped {
        /// One that was stopped.
        resource: ResourceId,
    },
    /// The big red button.
    Frozen {
        /// Who pressed it.
        by: String,
    },
    /// Its owner works on it, as the configuration says.
    Maintenance,
    /// Somebody is deploying.
    DeployInProgress,
    /// The engine's own restart policy is at work.
    EnginesOwnPolicy,
    /// Somebody else has started it right after its last crashes: another healer, which is left its work for a while.
    AnotherHealer,
    /// Another remediation has hold of it.
    Busy {
        /// What it has hold of.
        resource: ResourceId,
    },
    /// Two bodies claim to be this resource, and neither runs.
    TwoIncarnations,
    /// healer only watches.
    ObserveMode,
    /// The wait before the next attempt.
    Backoff {
        /// Which attempt comes next, from 1.
        attempt: u32,
        /// How long the wait is.
        wait_ms: u64,
    },
    /// As many remediations run as may.
    Concurrency {
        /// How many that is.
        limit: u32,
    },
    /// A group's budget is spent until its window has slid on.
    GroupBudget {
        /// Which group: `deployment shop`, `host web-1`, `everywhere`.
        group: String,
        /// Its limit.
        limit: Limit,
    },
    /// Another replica of the service is down, or being mended: not all are taken down at once.
    ReplicaDown {
        /// Which.
        replica: ResourceId,
    },
    /// Many fail at once: a common cause is waited for.
    Storm,
    /// An undo failed nearby: nothing is done in its reach.
    Halted {
        /// Whose undo.
        by: IncidentId,
    },
    /// The journal cannot be written: healer only watches.
    StoreFull,
}

/// Why something is not done at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Another healer leads.
    NotLeader,
    /// The configuration excludes it.
    Excluded {
        /// By which entry.
        by: String,
    },
    /// It is healer's own.
    HealersOwn {
        /// What of healer's.
        what: String,
    },
    /// It is no Compose service, and nobody adopted it.
    NotAdopted,
    /// It is one run of a service.
    OneOff,
    /// Somebody else cares for it.
    Owned {
        /// Who.
        by: String,
    },
    /// It was stopped on purpose.
    StoppedOnPurpose,
    /// The engine removes it when it ends: there is nothing to start.
    RemovedAtEnd,
    /// The resource is not there.
    Absent,
    /// The same action has failed to help here before.
    DidNotHelpHere {
        /// Which.
        action: Action,
        /// How often.
        times: u32,
        /// What the last one came to.
        #[serde(default)]
        because: String,
    },
    /// The resource's own budget is spent.
    BudgetSpent {
        /// How many attempts were made.
        attempts: u32,
        /// Within which window.
        limit: Limit,
    },
    /// This plan was rejected for this incident.
    RejectedBefore,
}

/// So many in such a window: `3/30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// How many.
    pub count: u32,
    /// Within how long.
    pub window_ms: u64,
}

impl Limit {
    /// The window's length.
    #[must_use]
    pub fn window(self) -> Duration {
        Duration::from_millis(self.window_ms)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.count, Spoken(self.window()))
    }
}

/// The budgets that an attempt was within when it was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// Of attempts on the resource.
    pub attempts: Limit,
    /// Steps on its host so far within the window, this one among them.
    pub host_steps: u32,
    /// Of steps on its host.
    pub host: Limit,
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {}, host budget {} of {}", self.attempts, self.host_steps, self.host)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::SuggestMode => f.write_str("the mode is suggest"),
            Question::Policy => f.write_str("the policy says auto_heal: false"),
            Question::Risk(risk) => write!(f, "its risk is {risk}"),
            Question::Orphan => f.write_str("its deployment's files do not know it any more"),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::NotSeen => f.write_str("not seen through the present connection yet"),
            Hold::Withheld { because } => write!(f, "withheld at the last moment: {because}"),
            Hold::Clearing => f.write_str("the symptom is not there at this moment"),
            Hold::Recovering => f.write_str("the engine has just come back: all is looked at first"),
            Hold::WaitsFor { resource, condition } => {
                write!(f, "waits for {} to {condition}", resource.short())
            }
            Hold::JustUp { resource } => write!(f, "{} has only just come up: that is to hold first", resource.short()),
            Hold::MountMissing { mount } => {
                write!(f, "{mount} is in /etc/fstab and not mounted: the start waits for it")
            }
            Hold::BeingStopped => f.write_str("somebody is stopping it"),
            Hold::Paused => f.write_str("it is paused"),
            Hold::IntentUnknown => f.write_str("nobody can tell whether it shall run"),
            Hold::OthersStopped { resource } => {
                let other = resource.short();
                write!(f, "somebody stopped {other} while it was down: perhaps it shall stay down too")
            }
            Hold::Frozen { by } => write!(f, "frozen by {by}"),
            Hold::Maintenance => f.write_str("it is in maintenance"),
            Hold::DeployInProgress => f.write_str("a deploy is in progress"),
            Hold::EnginesOwnPolicy => f.write_str("the engine's own restart policy is at work"),
            Hold::AnotherHealer => f.write_str("somebody else starts it after each crash, and is left to do so"),
            Hold::Busy { resource } => write!(f, "another remediation has hold of {}", resource.short()),
            Hold::TwoIncarnations => f.write_str("two containers claim to be this service, and neither runs"),
            Hold::ObserveMode => f.write_str("the mode is observe"),
            Hold::Backoff { attempt, wait_ms } => {
                write!(f, "waiting {} before attempt {attempt}", Spoken(Duration::from_millis(*wait_ms)))
            }
            Hold::Concurrency { limit } => write!(f, "{limit} remediations run already"),
            Hold::GroupBudget { group, limit } => write!(f, "the budget of {group} is spent ({limit})"),
            Hold::ReplicaDown { replica } => write!(f, "{} is down, and not both shall be", replica.short()),
            Hold::Storm => f.write_str("many fail at once: waiting for a common cause"),
            Hold::Halted { by } => write!(f, "halted: an undo failed in incident {by}"),
            Hold::StoreFull => f.write_str("the journal cannot be written: healer only watches"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotLeader => f.write_str("another healer leads"),
            Refusal::Excluded { by } => write!(f, "excluded by the configuration ({by})"),
            Refusal::HealersOwn { what } => write!(f, "it is {what}: healer never acts on itself"),
            Refusal::NotAdopted => f.write_str("it is no Compose service, and nobody adopted it"),
            Refusal::OneOff => f.write_str("it is a one-off run of a service"),
            Refusal::Owned { by } => write!(f, "{by} cares for it"),
            Refusal::StoppedOnPurpose => f.write_str("it was stopped on purpose"),
            Refusal::RemovedAtEnd => f.write_str("the engine removes it when it ends"),
            Refusal::Absent => f.write_str("it is not there"),
            Refusal::DidNotHelpHere { action, times, because } => {
                let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
                let because = if because.is_empty() { String::new() } else { format!(": {because}") };
                write!(f, "{action} has failed to help here {times}{because}")
            }
            Refusal::BudgetSpent { attempts, limit } => {
                let many = if *attempts == 1 { "attempt" } else { "attempts" };
                write!(f, "the budget is spent: {attempts} {many}, allowed are {limit}")
            }
            Refusal::RejectedBefore => f.write_str("this plan was rejected"),
        }
    }
}

impl Hold {
    /// The reason's kind, as a label for metrics and counts.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Hold::NotSeen => "not_seen",
            Hold::Clearing => "clearing",
            Hold::Withheld { .. } => "withheld",
            Hold::Recovering => "recovering",
            Hold::WaitsFor { .. } => "waits_for",
            Hold::JustUp { .. } => "just_up",
            Hold::MountMissing { .. } => "mount_missing",
            Hold::BeingStopped => "being_stopped",
            Hold::Paused => "paused",
            Hold::IntentUnknown => "intent_unknown",
            Hold::OthersStopped { .. } => "others_stopped",
            Hold::Frozen { .. } => "frozen",
            Hold::Maintenance => "maintenance",
            Hold::DeployInProgress => "deploy_in_progress",
            Hold::EnginesOwnPolicy => "engines_own_policy",
            Hold::AnotherHealer => "another_healer",
            Hold::Busy { .. } => "busy",
            Hold::TwoIncarnations => "two_incarnations",
            Hold::ObserveMode => "observe_mode",
            Hold::Backoff { .. } => "backoff",
            Hold::Concurrency { .. } => "concurrency",
            Hold::GroupBudget { .. } => "group_budget",
            Hold::ReplicaDown { .. } => "replica_down",
            Hold::Storm => "storm",
            Hold::Halted { .. } => "halted",
            Hold::StoreFull => "store_full",
        }
    }
}

impl Refusal {
    /// The reason's kind, as a label for metrics and counts.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::NotLeader => "not_leader",
            Refusal::Excluded { .. } => "excluded",
            Refusal::HealersOwn { .. } => "healers_own",
            Refusal::NotAdopted => "not_adopted",
            Refusal::OneOff => "one_off",
            Refusal::Owned { .. } => "owned",
            Refusal::StoppedOnPurpose => "stopped_on_purpose",
            Refusal::RemovedAtEnd => "removed_at_end",
            Refusal::Absent => "absent",
            Refusal::DidNotHelpHere { .. } => "did_not_help_here",
            Refusal::BudgetSpent { .. } => "budget_spent",
            Refusal::RejectedBefore => "rejected_before",
        }
    }
}
