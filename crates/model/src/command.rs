//! What a person asks of healer, and the answer.

use serde::{Deserialize, Serialize};

use crate::action::Asked;
use crate::incident::IncidentId;
use crate::resource::ResourceId;

/// Identifies one command, so that the same one handled twice acts once. Made by the surface that took it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommandId(pub String);

/// A command, with who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// Who gave it: the peer's user on the socket, or a token's name.
    pub who: String,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Start what these words mean (a deployment, a service, a resource): it shall run from here on.
    Start(String),
    /// Stop it: it shall not run from here on.
    Stop(String),
    /// Stop and start it.
    Restart(String),
    /// Stop and start it, and all that needs it: the last ones first, and in the order in which they need each other.
    RestartAll(String),
    /// Fetch its image from the registry, and make it anew of that if it is a newer one.
    Pull(String),
    /// The same with an image that is built.
    Rebuild(String),
    /// Its state as it is found is what is wanted.
    Adopt(String),
    /// Start nothing new anywhere.
    Freeze {
        /// Why, for those who read it later.
        because: String,
    },
    /// The freeze is over.
    Thaw,
    /// Yes to the plan that an incident asks about.
    Approve(IncidentId),
    /// No to it.
    Reject {
        /// Of which incident.
        incident: IncidentId,
        /// Why.
        because: String,
    },
    /// Yes or no to exactly this question, whatever is asked by then.
    Answer {
        /// Which.
        question: Box<Asked>,
        /// Yes.
        approved: bool,
        /// Why, for those who read it later.
        because: String,
    },
    /// A person takes the incident.
    Acknowledge(IncidentId),
}

/// What healer says to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// To which.
    pub id: CommandId,
    /// Whether it was taken.
    pub taken: bool,
    /// Per resource, or once for the whole.
    pub lines: Vec<ReplyLine>,
    /// Whether it is not over yet: who gives the same command again, with its id, waits on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub under_way: bool,
}

impl Reply {
    /// The answer to what is over.
    #[must_use]
    pub fn new(id: CommandId, taken: bool, lines: Vec<ReplyLine>) -> Reply {
        Reply { id, taken, lines, under_way: false }
    }
}

/// One line of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyLine {
    /// Which resource, if one.
    pub resource: Option<ResourceId>,
    /// `stopped`, `started`, `queued: …`, `refused: …`.
    pub text: String,
    /// Whether it will not be as was asked: refused, dropped, or tried in vain. What is queued has not failed.
    #[serde(default)]
    pub failed: bool,
}
