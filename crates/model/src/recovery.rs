//! A host, or its engine, that comes back: which start of the engine it is, and what was brought back after it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fact::SourceTime;
use crate::resource::ResourceId;

/// One start of a source's engine, as far as it can be told. What is unknown proves nothing: a remote engine tells neither.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EngineStart {
    /// The engine's own id.
    #[serde(default)]
    pub engine: Option<String>,
    /// The id of its machine.
    #[serde(default)]
    pub machine: Option<String>,
    /// The boot id of its host.
    pub boot: Option<String>,
    /// Its process: number and start, so that a number that is used again is another one.
    pub process: Option<String>,
    /// When that process was started.
    pub at: Option<SourceTime>,
}

/// What was started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restarted {
    /// The host.
    Host,
    /// The engine alone.
    Engine,
    /// Nothing: what the configuration names is started for the first time.
    Nothing,
}

impl EngineStart {
    /// What was started anew since `before`; `None` if nothing was, or if it cannot be told.
    #[must_use]
    pub fn restarted_since(&self, before: &EngineStart) -> Option<Restarted> {
        if differ(&self.boot, &before.boot) {
            return Some(Restarted::Host);
        }
        differ(&self.process, &before.process).then_some(Restarted::Engine)
    }

    /// Whether this is surely another engine, or another machine, than `before`: a clone, or what was restored elsewhere.
    #[must_use]
    pub fn is_another_engine_than(&self, before: &EngineStart) -> bool {
        differ(&self.engine, &before.engine) || differ(&self.machine, &before.machine)
    }

    /// Whether it can be told from another start of the same engine.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.process.is_some()
    }
}

fn differ(now: &Option<String>, then: &Option<String>) -> bool {
    now.is_some() && then.is_some() && now != then
}

impl fmt::Display for Restarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Restarted::Host => "host restart",
            Restarted::Engine => "engine restart",
            Restarted::Nothing => "its first sight",
        })
    }
}

/// Names a recovery among several healers: `web-1/recovery/3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RecoveryId {
    /// The healer that began it.
    pub instance: Arc<str>,
    /// Its number there, from 1.
    pub number: u64,
}

/// A text that is no recovery's id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a recovery: expected INSTANCE/recovery/NUMBER, such as web-1/recovery/3")]
pub struct NotARecovery(pub String);

impl fmt::Display for RecoveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/recovery/{}", self.instance, self.number)
    }
}

impl From<RecoveryId> for String {
    fn from(id: RecoveryId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for RecoveryId {
    type Error = NotARecovery;

    fn try_from(text: String) -> Result<Self, NotARecovery> {
        let parts = text.rsplit_once('/').and_then(|(rest, number)| Some((rest.strip_suffix("/recovery")?, number)));
        let id = parts.and_then(|(instance, number)| Some((instance, number.parse().ok()?)));
        match id {
            Some((instance, number)) => Ok(RecoveryId { instance: instance.into(), number }),
            None => Err(NotARecovery(text)),
        }
    }
}

/// What a recovery came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// What runs again, brought back by healer or by the engine's own policy.
    pub recovered: Vec<ResourceId>,
    /// What was left as it is, because somebody stopped it on purpose.
    pub left: Vec<ResourceId>,
    /// What does not run and should, and why not.
    pub failed: Vec<Failure>,
}

/// What could not be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What.
    pub resource: ResourceId,
    /// Why, in one clause.
    pub because: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_of_both_starts_tells_that_they_differ() {
        let start = |boot: &str, process: &str| {
            let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            EngineStart { boot: known(boot), process: known(process), ..EngineStart::default() }
        };
        let table = [
            (start("b1", "p1"), start("b1", "p1"), None),
            (start("b1", "p1"), start("b1", "p2"), Some(Restarted::Engine)),
            (start("b1", "p1"), start("b2", "p1"), Some(Restarted::Host)),
            (start("b1", ""), start("b2", ""), Some(Restarted::Host)),
            (start("b1", "p1"), start("b1", ""), None),
            (start("", "p1"), start("b1", "p1"), None),
            (start("", ""), start("", ""), None),
        ];
        for (before, after, expect) in table {
            assert_eq!(after.restarted_since(&before), expect, "{before:?} → {after:?}");
        }
    }

    #[test]
    fn an_id_is_read_back_from_its_text() {
        let id = RecoveryId { instance: "web/1".into(), number: 7 };
        assert_eq!(RecoveryId::try_from(id.to_string()), Ok(id));
        for text in ["", "web-1/7", "web-1/recovery/", "web-1/recovery/x"] {
            assert_eq!(RecoveryId::try_from(text.to_owned()), Err(NotARecovery(text.to_owned())));
        }
    }
}
