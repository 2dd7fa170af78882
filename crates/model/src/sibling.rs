//! Another service of the same deployment that a program complains of: which one it is, and how that stood at the time.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::ResourceId;

/// The service of its own deployment by which a program was refused, or whose name had no address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sibling {
    /// Which.
    pub resource: ResourceId,
    /// How it is known that it is this one.
    pub told_by: ToldBy,
    /// How it stood when the complaint was read.
    pub stands: Stands,
}

/// What names a sibling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// The complaint says its name.
    Log,
    /// The complaint says no name, and of all that the definition depends on this one alone is not well.
    Definition,
}

/// How a sibling stands. The order is that of what can be expected of it: of several replicas the best one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It is down because it shall be.
    StoppedOnPurpose,
    /// It is down.
    Down,
    /// It runs, and something is wrong with it.
    Unwell,
    /// It runs, and its healthcheck has no verdict yet.
    Starting,
    /// It has been well for a moment only: it may not be ready to serve, or not last.
    JustUp,
    /// It runs, and nothing is wrong with it.
    Well,
}

impl fmt::Display for Stands {
    /// How it stands, as the rest of a sentence that begins with its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stands::StoppedOnPurpose => "was stopped on purpose",
            Stands::Down => "is down",
            Stands::Unwell => "runs and is not well",
            Stands::Starting => "is still starting",
            Stands::JustUp => "has only just come up",
            Stands::Well => "runs and is well",
        })
    }
}
