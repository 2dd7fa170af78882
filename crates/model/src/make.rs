//! What a service is made of, as far as a deploy changes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fact::Definition;
use crate::time::Now;

/// An image's id is told by so many characters, as the engine's own tools do.
const ID_SHOWN: usize = 12;

/// What a body is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Make {
    /// The image as it was asked for.
    pub image: String,
    /// The image's content id.
    pub image_id: String,
    /// Compose's hash of the service's configuration, the image's name among it.
    pub config_hash: String,
}

/// A service was made of something else than what it was last well with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// What it was well with.
    pub from: Make,
    /// What it is made of.
    pub to: Make,
    /// When it was first seen to be made of something else.
    pub at: Now,
    /// Who had healer do it, if somebody had: that it goes back where it does not stay well was part of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What a deploy changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Another image is asked for.
    Image,
    /// The same name means another image.
    ImageBehindName,
    /// The same image, run in another way.
    Configuration,
    /// The same name means another image, and the hash of the configuration is another one: Compose v1 hashes the image's
    /// id with it, so that nobody can tell whether it is run in another way as well.
    ImageAndPerhapsConfiguration,
}

impl Make {
    /// What a container is made of.
    #[must_use]
    pub fn of(definition: &Definition) -> Make {
        let Definition { image, image_id, config_hash, .. } = definition;
        Make { image: image.clone(), image_id: image_id.clone(), config_hash: config_hash.clone() }
    }

    /// What another one changes of it. Two that differ in the hash of their configuration alone may differ by the image's
    /// name, which is part of it.
    #[must_use]
    pub fn changed(&self, to: &Make) -> Option<Changed> {
        match (self.image != to.image, self.image_id != to.image_id, self.config_hash != to.config_hash) {
            (false, false, false) => None,
            (true, _, _) => Some(Changed::Image),
            (false, true, false) => Some(Changed::ImageBehindName),
            (false, true, true) => Some(Changed::ImageAndPerhapsConfiguration),
            (false, false, true) => Some(Changed::Configuration),
        }
    }
}

impl Changed {
    /// Whether the image is another one.
    #[must_use]
    pub fn image(self) -> bool {
        match self {
            Changed::Image | Changed::ImageBehindName | Changed::ImageAndPerhapsConfiguration => true,
            Changed::Configuration => false,
        }
    }

    /// Whether the same name means another image: then the other one may have its name back.
    #[must_use]
    pub fn behind_its_name(self) -> bool {
        match self {
            Changed::ImageBehindName | Changed::ImageAndPerhapsConfiguration => true,
            Changed::Image | Changed::Configuration => false,
        }
    }

    /// Whether it may be run in another way. Behind another name nobody can tell.
    #[must_use]
    pub fn configuration(self) -> bool {
        match self {
            Changed::Image | Changed::Configuration | Changed::ImageAndPerhapsConfiguration => true,
            Changed::ImageBehindName => false,
        }
    }
}

/// What a change from one to the other is, in words.
pub struct Difference<'a>(pub &'a Make, pub &'a Make);

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference(from, to) = self;
        let behind = |f: &mut fmt::Formatter<'_>| {
            write!(f, "image {}, which was {} and is {}", to.image, short_id(&from.image_id), short_id(&to.image_id))
        };
        match from.changed(to) {
            None => f.write_str("nothing"),
            Some(Changed::Image) => write!(f, "image {} → {}", from.image, to.image),
            Some(Changed::ImageBehindName) => behind(f),
            Some(Changed::Configuration) => f.write_str("its configuration"),
            Some(Changed::ImageAndPerhapsConfiguration) => {
                behind(f)?;
                f.write_str(", and perhaps its configuration")
            }
        }
    }
}

/// The beginning of an image's id, without its kind.
#[must_use]
pub fn short_id(whole: &str) -> &str {
    let bare = whole.strip_prefix("sha256:").unwrap_or(whole);
    bare.get(..ID_SHOWN).unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(image: &str, image_id: &str, config_hash: &str) -> Make {
        Make { image: image.to_owned(), image_id: image_id.to_owned(), config_hash: config_hash.to_owned() }
    }

    #[test]
    fn a_change_is_told_by_what_was_changed() {
        let before = make("app:1", "sha256:0123456789abcdef", "a");
        let table = [
            (make("app:1", "sha256:0123456789abcdef", "a"), "nothing"),
            (make("app:2", "sha256:ff", "b"), "image app:1 → app:2"),
            (make("app:1", "sha256:ff", "a"), "image app:1, which was 0123456789ab and is ff"),
            (make("app:1", "sha256:0123456789abcdef", "b"), "its configuration"),
            (
                make("app:1", "sha256:ff", "b"),
                "image app:1, which was 0123456789ab and is ff, and perhaps its configuration",
            ),
        ];
        for (after, expect) in table {
            assert_eq!(Difference(&before, &after).to_string(), expect);
        }
    }
}
