//! A deployment as its directory tells it, whether or not it has containers.

use serde::{Deserialize, Serialize};

use crate::command::CommandId;
use crate::time::Wall;

/// A directory with a Compose file. Every text is escaped and bounded; the path alone is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// On which host it is; also names the source that sees its containers.
    pub host: String,
    /// The Compose project: what the deployment is called.
    pub deployment: String,
    /// Where it is, absolute.
    pub path: String,
    /// The names under which people reach it, as FlatRun's `service.yml` tells them.
    pub domains: Vec<String>,
    /// Why its file cannot be used, if it cannot.
    pub flaw: Option<String>,
}

/// An order to make and start what a directory describes. Given only for a deployment without containers, and only at a
/// person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BringUp {
    /// The command that asks for it.
    pub command: CommandId,
    /// Who gave that.
    pub who: String,
    /// When.
    #[serde(default)]
    pub at: Wall,
    /// What shall be brought up.
    pub folder: Folder,
}
