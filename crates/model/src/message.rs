//! What leaves the house: one incident, one thread.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::Asked;
use crate::incident::IncidentId;
use crate::recovery::RecoveryId;
use crate::resource::ResourceId;
use crate::time::Wall;

/// Numbers the messages of one healer, from 1. A receiver sees a repeated delivery by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub u64);

/// One message, before any channel gave it its form. All texts are escaped and redacted already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its number.
    pub id: MessageId,
    /// What it tells of: the thread.
    #[serde(flatten)]
    pub about: About,
    /// Its place in the thread.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// One line: what happened and how it stands.
    pub title: String,
    /// The story, a line a step, oldest first.
    pub story: Vec<String>,
    /// What the reader can do: commands, or nothing.
    pub next: Vec<String>,
    /// The question that it puts to its reader. It names the question and gives nobody the right to answer: the journal
    /// may be read by more people than the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Box<Asks>>,
    /// When it was written.
    pub at: Wall,
}

/// A question in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// Which.
    pub question: Asked,
    /// When it expires, for people.
    pub expires: Wall,
}

/// What a message tells of. Messages about the same make a thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum About {
    /// An incident.
    Incident {
        /// Which.
        incident: IncidentId,
        /// Of what.
        resource: ResourceId,
    },
    /// A host or engine that came back.
    Recovery {
        /// Which.
        recovery: RecoveryId,
        /// Of which source.
        host: String,
    },
    /// Something that is no incident, and that somebody should know.
    Notice {
        /// The healer that tells it.
        instance: Arc<str>,
        /// Its number there: that of the message.
        notice: MessageId,
        /// On which source.
        host: String,
        /// Of what, if of one resource.
        resource: Option<ResourceId>,
    },
}

impl About {
    /// The incident, if it is one.
    #[must_use]
    pub fn incident(&self) -> Option<&IncidentId> {
        match self {
            About::Incident { incident, .. } => Some(incident),
            About::Recovery { .. } | About::Notice { .. } => None,
        }
    }

    /// The resource, if it is about one alone.
    #[must_use]
    pub fn resource(&self) -> Option<&ResourceId> {
        match self {
            About::Incident { resource, .. } => Some(resource),
            About::Notice { resource, .. } => resource.as_ref(),
            About::Recovery { .. } => None,
        }
    }

    /// The healer that tells it.
    #[must_use]
    pub fn instance(&self) -> &Arc<str> {
        match self {
            About::Incident { incident, .. } => &incident.instance,
            About::Recovery { recovery, .. } => &recovery.instance,
            About::Notice { instance, .. } => instance,
        }
    }

    /// What tells this thread from all others.
    #[must_use]
    pub fn thread(&self) -> String {
        match self {
            About::Incident { incident, .. } => incident.to_string(),
            About::Recovery { recovery, .. } => recovery.to_string(),
            About::Notice { instance, notice, .. } => format!("{instance}/notice/{}", notice.0),
        }
    }
}

/// A message's place in its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The whole story at once: healed and verified at the first attempt.
    Healed,
    /// A thread begins.
    Opened,
    /// It goes on.
    Updated,
    /// A person is needed.
    Escalated,
    /// It ends.
    Resolved,
    /// A host or engine came back: what was brought back, what was left, what failed.
    Recovered,
    /// Something that somebody should know; it stands alone.
    Notice,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Worth a look.
    Warning,
    /// Somebody has to act.
    Critical,
}

/// A message on its way through one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The channel's name in the configuration.
    pub channel: String,
    /// The message.
    pub message: Message,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Through which channel.
    pub channel: String,
    /// Which message.
    pub message: MessageId,
    /// How it went.
    pub result: Delivery,
}

/// How a try went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The other side took it.
    Delivered,
    /// It did not, and may later: why.
    Retry(String),
    /// It never will: why.
    Rejected(String),
}
