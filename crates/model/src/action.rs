//! What can be done to a resource: the catalogue's entries, the plans made of them, and the permit without which no
//! performer moves.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fact::{Incarnation, Run};
use crate::incident::IncidentId;
use crate::make::short_id;
use crate::network::Network;
use crate::resource::ResourceId;
use crate::size::Bytes;
use crate::time::{Now, Tick};

/// The actions that a Docker engine's hands know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Start what is down.
    Start,
    /// Stop what runs.
    Stop,
    /// Make it anew from what its deployment's files say of it, in the place of the body that is there.
    Recreate,
    /// Change something that it needs: that neither starts nor stops it.
    Change(Change),
}

/// What is changed for a container that stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Its memory limit.
    SetMemory,
    /// A network that it is attached to is made again.
    CreateNetwork,
    /// That is taken back.
    RemoveNetwork,
    /// It is attached to the present network of a name, in the place of one that is no more.
    JoinNetwork,
    /// What somebody has paused goes on.
    Unpause,
    /// What its owner has listed is removed from a file system.
    FreeSpace,
}

/// An entry of the catalogue: what is known of an action before it is ever performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Which.
    pub action: Action,
    /// The class of its risk.
    pub risk: Risk,
    /// One sentence for the manual: what it does and what it risks.
    pub manual: &'static str,
}

/// How much a person should be asked. The order is the order of caution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Done at once.
    Safe,
    /// Done, and somebody is told.
    Moderate,
    /// A person approves.
    Dangerous,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// To what.
    pub resource: ResourceId,
    /// Takes something down that a later step of the same plan brings up again (`opens`), or is that later step
    /// (`closes`). A pair is never left half done by us.
    pub pair: Pair,
    /// How long the performer may take.
    pub timeout_ms: u64,
    /// What the action needs to know besides.
    #[serde(default, skip_serializing_if = "With::is_nothing")]
    pub with: With,
}

/// The particulars of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// None: the action and the resource say it all.
    #[default]
    Nothing,
    /// Made anew of this image, where that is not the one that the image's name means.
    Image(Retag),
    /// The limit that is set, and the one that it replaces.
    Memory(Limits),
    /// The network that is made, or removed.
    Network(Box<Network>),
    /// The name of the network that it is attached to.
    NetworkName(String),
}

/// A memory limit that takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The one that it has until then: one that has another by then is left alone.
    pub from_bytes: u64,
    /// The one that it is given.
    pub to_bytes: u64,
}

/// An image's name is made to mean another image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Retag {
    /// The name, as the service asks for it.
    pub name: String,
    /// The content id of the image that it shall mean.
    pub to: String,
    /// The content id of the one that it means until then: if it means a third one by now, nothing is done.
    pub from: String,
    /// Compose's hash of the service when it was made of that image: with its name back the hash must be this again, or
    /// more was changed than the image.
    pub config_hash: String,
    /// Compose's hash of the service as it is until then.
    #[serde(default)]
    pub from_config_hash: String,
}

/// A step's part in a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pair {
    /// It stands alone.
    None,
    /// It opens a pair.
    Opens,
    /// It closes one.
    Closes,
}

/// What shall be done about an incident: a playbook applied to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The playbook's name: `start`, `restart`, `recreate`.
    pub playbook: String,
    /// In order.
    pub steps: Vec<Step>,
    /// The highest risk among the steps, or higher where the playbook says so.
    pub risk: Risk,
    /// How often this playbook may fail verification on this resource before it is held to be of no help here.
    pub may_fail: u32,
}

/// What a rejection binds: the same playbook and actions on the same resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlanKey(pub String);

/// What an approval binds besides the plan: the body that the person saw. One that was made anew since is another matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The body.
    pub incarnation: Incarnation,
    /// The image's content id.
    pub image_id: String,
    /// Compose's hash of the service's configuration.
    pub config_hash: String,
}

/// One question to a person. An answer that names it answers it and no other: not one about another plan or another body,
/// and not the same one asked anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Of which incident.
    pub incident: IncidentId,
    /// What would be done.
    pub plan: PlanKey,
    /// The body that it is about, where one is known.
    pub binds: Option<Binding>,
    /// When it expires.
    pub until: Tick,
}

impl Plan {
    /// The key of this plan.
    #[must_use]
    pub fn key(&self) -> PlanKey {
        let of = |step: &Step| match &step.with {
            With::Nothing => String::new(),
            With::Image(image) => format!(" of {}", image.to),
            With::Memory(limits) => format!(" to {}", limits.to_bytes),
            With::Network(network) => format!(" {}", network.name),
            With::NetworkName(name) => format!(" {name}"),
        };
        let steps: Vec<String> =
            self.steps.iter().map(|step| format!("{} {}{}", step.action, step.resource, of(step))).collect();
        PlanKey(format!("{}: {}", self.playbook, steps.join(", ")))
    }
}

/// Identifies one permission to do one thing once. Counted by the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PermitId(pub u64);

/// On whose behalf a permit was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behalf {
    /// A plan's step.
    Incident(IncidentId),
    /// A person's command.
    Person(String),
}

impl Behalf {
    /// The incident, if it is one.
    #[must_use]
    pub fn incident(&self) -> Option<&IncidentId> {
        match self {
            Behalf::Incident(id) => Some(id),
            Behalf::Person(_) => None,
        }
    }

    /// The person, if it is one.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        match self {
            Behalf::Incident(_) => None,
            Behalf::Person(who) => Some(who),
        }
    }
}

/// The guard's leave to do one thing once: to this resource, in this incarnation, for this leader.
///
/// The performer asks `runtime::Gate` whether it still holds immediately before it acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// Its number.
    pub id: PermitId,
    /// The leader's epoch in which it was given.
    pub epoch: u64,
    /// For whom.
    pub behalf: Behalf,
    /// What may be done.
    pub step: Step,
    /// To which body of the resource.
    pub incarnation: Incarnation,
    /// Whether that ran when it was given.
    #[serde(default)]
    pub ran: bool,
    /// All that it takes hold of: the resource and what it shares.
    pub leases: BTreeSet<ResourceId>,
    /// Whether the act must go on in freeze and maintenance: it closes a pair, undoes, or a person asked for it.
    pub unhindered: bool,
    /// When it was given.
    pub given: Now,
    /// After this it is worth nothing.
    pub until: Tick,
}

impl Permit {
    /// The answer that a body's state gives by itself the moment before the act; `None` if the act is due.
    #[must_use]
    pub fn answered_by(&self, run: Run) -> Option<Answer> {
        let withheld = |why: &str| Some(Answer::Withheld(why.to_owned()));
        match (self.step.action, run) {
            (Action::Start, Run::Created | Run::Exited) | (Action::Stop, Run::Running | Run::Restarting) => None,
            // Nothing was done to it yet, so that somebody else has stopped it, or it crashed: that is judged first.
            (Action::Recreate, Run::Exited) if self.ran => withheld("it has ended since this was decided"),
            (Action::Recreate, Run::Created | Run::Exited | Run::Running) => None,
            (Action::Start, Run::Running) | (Action::Stop, Run::Created | Run::Exited) => Some(Answer::AlreadySo),
            (Action::Start | Action::Recreate, Run::Restarting) => {
                withheld("the engine's own restart policy is starting it")
            }
            (Action::Start | Action::Recreate, Run::Paused) => withheld("it is paused"),
            // A person's word is obeyed; a plan never stops what somebody froze.
            (Action::Stop, Run::Paused) => match self.behalf {
                Behalf::Person(_) => None,
                Behalf::Incident(_) => withheld("it is paused"),
            },
            (Action::Change(Change::Unpause), Run::Created | Run::Exited | Run::Restarting) => {
                withheld("it does not run")
            }
            (Action::Change(Change::Unpause), Run::Running) => Some(Answer::AlreadySo),
            (Action::Change(_), Run::Created | Run::Exited | Run::Running | Run::Restarting | Run::Paused) => None,
            (Action::Start | Action::Stop | Action::Recreate | Action::Change(_), Run::Removing) => {
                withheld("it is being removed")
            }
        }
    }
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The platform said that it was done.
    Done,
    /// It was so already; nothing was done.
    AlreadySo,
    /// The re-read just before the act forbade it: why, in words.
    Withheld(String),
    /// The platform refused or failed: why, in its words.
    Failed(String),
    /// Nobody knows: the connection broke, or the time ran out.
    Unknown(String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Recreate => "recreate",
            Action::Change(Change::SetMemory) => "set memory limit",
            Action::Change(Change::CreateNetwork) => "create network",
            Action::Change(Change::RemoveNetwork) => "remove network",
            Action::Change(Change::JoinNetwork) => "join network",
            Action::Change(Change::Unpause) => "unpause",
            Action::Change(Change::FreeSpace) => "free space",
        })
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Risk::Safe => "safe",
            Risk::Moderate => "moderate",
            Risk::Dangerous => "dangerous",
        })
    }
}

impl fmt::Display for Step {
    /// What it does, for a person who is asked: `recreate shop/web, of image 0123456789ab, which shop:1 meant before`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, short) = (self.action, self.resource.short());
        match &self.with {
            With::Nothing => write!(f, "{action} {short}"),
            With::Image(Retag { name, to, .. }) => {
                write!(f, "{action} {short}, of image {}, which {name} meant before", short_id(to))
            }
            With::Memory(limits) => write!(f, "set the memory limit of {short} {limits}"),
            With::Network(network) => write!(f, "{action} {}, which {short} needs", network.name),
            With::NetworkName(name) => write!(f, "attach {short} to network {name}"),
        }
    }
}

impl fmt::Display for Limits {
    /// `from 32 MiB to 48 MiB`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}", Bytes(self.from_bytes), Bytes(self.to_bytes))
    }
}

impl With {
    fn is_nothing(&self) -> bool {
        *self == With::Nothing
    }
}

impl Step {
    /// How long the performer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Whether it starts something, or takes it down in order to start it.
    #[must_use]
    pub fn ends_in_start(&self) -> bool {
        match self.action {
            Action::Start | Action::Recreate => true,
            Action::Stop => self.pair == Pair::Opens,
            Action::Change(_) => false,
        }
    }

    /// The step that takes this one back where it did not help; `None` for what cannot be taken back, and for what leaves
    /// nothing to take back.
    #[must_use]
    pub fn undo(&self) -> Option<Step> {
        let mut action = self.action;
        let with = match &self.with {
            // What it was attached to before is no more.
            With::Nothing | With::NetworkName(_) => return None,
            With::Network(network) => {
                action = Action::Change(Change::RemoveNetwork);
                With::Network(network.clone())
            }
            With::Image(Retag { name, to, from, config_hash, from_config_hash }) => With::Image(Retag {
                name: name.clone(),
                to: from.clone(),
                from: to.clone(),
                config_hash: from_config_hash.clone(),
                from_config_hash: config_hash.clone(),
            }),
            With::Memory(Limits { from_bytes, to_bytes }) => {
                With::Memory(Limits { from_bytes: *to_bytes, to_bytes: *from_bytes })
            }
        };
        Some(Step { action, with, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(action: Action, behalf: Behalf) -> Permit {
        Permit {
            id: PermitId(1),
            epoch: 1,
            behalf,
            step: Step {
                action,
                resource: ResourceId::lone_container("h", "x"),
                pair: Pair::None,
                timeout_ms: 1_000,
                with: With::Nothing,
            },
            incarnation: Incarnation("ab".into()),
            ran: false,
            leases: BTreeSet::new(),
            unhindered: false,
            given: Now::default(),
            until: Tick(0),
        }
    }

    #[test]
    fn what_is_so_already_or_somebody_elses_is_not_done() {
        let incident = || Behalf::Incident("h/1".parse().unwrap());
        let person = || Behalf::Person("ada".to_owned());
        let table = [
            (Action::Start, Run::Exited, incident(), "due"),
            (Action::Start, Run::Created, incident(), "due"),
            (Action::Start, Run::Running, incident(), "so"),
            (Action::Start, Run::Restarting, incident(), "the engine's own restart policy is starting it"),
            (Action::Start, Run::Paused, person(), "it is paused"),
            (Action::Start, Run::Removing, incident(), "it is being removed"),
            (Action::Stop, Run::Running, incident(), "due"),
            (Action::Stop, Run::Restarting, person(), "due"),
            (Action::Stop, Run::Exited, incident(), "so"),
            (Action::Stop, Run::Created, incident(), "so"),
            (Action::Stop, Run::Paused, incident(), "it is paused"),
            (Action::Stop, Run::Paused, person(), "due"),
            (Action::Recreate, Run::Running, incident(), "due"),
            (Action::Recreate, Run::Exited, incident(), "due"),
            (Action::Recreate, Run::Created, incident(), "due"),
            (Action::Recreate, Run::Restarting, incident(), "the engine's own restart policy is starting it"),
            (Action::Recreate, Run::Paused, person(), "it is paused"),
            (Action::Recreate, Run::Removing, incident(), "it is being removed"),
        ];
        for (action, run, behalf, expect) in table {
            let found = match permit(action, behalf).answered_by(run) {
                None => "due".to_owned(),
                Some(Answer::AlreadySo) => "so".to_owned(),
                Some(Answer::Withheld(why)) => why,
                Some(other) => panic!("{other:?}"),
            };
            assert_eq!(found, expect, "{action} of {run:?}");
        }
    }
}
