//! What the owner wants of a resource, who said so, when, and on what evidence.

use serde::{Deserialize, Serialize};

use crate::fact::SourceTime;
use crate::time::Now;

/// One entry of the ledger: the last word on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What is wanted.
    pub wanted: Wanted,
    /// Who said so.
    pub by: Author,
    /// When healer learnt it.
    pub at: Now,
    /// When it happened by the source's clock, where a source told it.
    pub source_at: Option<SourceTime>,
    /// What it was read from, in words.
    pub because: String,
}

/// What can be wanted of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It shall run.
    Running,
    /// It shall not run: it was stopped on purpose.
    Stopped,
    /// Nobody can tell; nothing is started on a guess.
    Unknown,
}

/// On whose word an intent rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// healer saw it for the first time.
    FirstSight,
    /// Somebody used the engine (`docker stop`, Compose, Portainer): the engine does not say who.
    SomebodyAtTheEngine,
    /// A person spoke to healer.
    Person(String),
    /// Nothing but the state that was found could be asked.
    Evidence,
    /// healer's configuration names it as something that runs.
    Configuration,
}

impl Wanted {
    /// One word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Wanted::Running => "running",
            Wanted::Stopped => "stopped",
            Wanted::Unknown => "unknown",
        }
    }
}
