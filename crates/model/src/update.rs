//! An update at a person's word: what a service's image name means is fetched anew, and the service made anew of that. It runs
//! on until there is something newer.

use serde::{Deserialize, Serialize};

use crate::action::Retag;
use crate::command::CommandId;
use crate::fact::Incarnation;
use crate::resource::ResourceId;

/// Where the newer image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Its registry.
    Pull,
    /// It is built, as the deployment's files say.
    Build,
}

/// An order to fetch the image of one service, and to make the service anew if that is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The command that asks for it.
    pub command: CommandId,
    /// Who gave that.
    pub who: String,
    /// Which service.
    pub resource: ResourceId,
    /// The body that it had then.
    pub incarnation: Incarnation,
    /// Whence.
    pub source: Source,
}

/// What came of fetching an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetched {
    /// The name means another image than the service runs, which can be made of that.
    Newer(Box<Retag>),
    /// There is none that is newer.
    Same,
    /// Why there is none, in words, with the remedy where one is known.
    Failed(String),
}

impl Source {
    /// As a command is called.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Source::Pull => "pull",
            Source::Build => "rebuild",
        }
    }
}
