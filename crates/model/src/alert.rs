//! A named condition of a resource. Only its transitions enter the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::ResourceId;

/// An alert: which condition, of what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alert {
    /// The condition.
    pub name: Name,
    /// The resource.
    pub resource: ResourceId,
}

/// The conditions that healer derives from states by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// It ended and does not run.
    ServiceDown,
    /// It could not be started.
    StartFailed,
    /// Its healthcheck fails.
    Unhealthy,
    /// The engine's own policy starts it again and again.
    CrashLooping,
    /// It runs in a network namespace that is dead: the container that it was shared with was started anew since.
    NetworkDead,
    /// A file system has as good as no room left, or no inodes.
    DiskFull,
    /// A probe fails.
    ProbeFails,
}

/// A change of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Of which alert.
    pub alert: Alert,
    /// To what.
    pub to: State,
    /// What was seen, in words.
    pub because: String,
    /// Another one that stands in its place, where one ends.
    #[serde(default)]
    pub instead: Option<Name>,
}

/// Whether an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It stands.
    Firing,
    /// It stands no more.
    Resolved,
}

impl Name {
    /// All of them.
    pub const ALL: [Name; 7] = [
        Name::ServiceDown,
        Name::StartFailed,
        Name::Unhealthy,
        Name::CrashLooping,
        Name::NetworkDead,
        Name::DiskFull,
        Name::ProbeFails,
    ];

    /// As it stands in labels and in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Name::ServiceDown => "service_down",
            Name::StartFailed => "start_failed",
            Name::Unhealthy => "unhealthy",
            Name::CrashLooping => "crash_looping",
            Name::NetworkDead => "network_dead",
            Name::DiskFull => "disk_full",
            Name::ProbeFails => "probe_fails",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
