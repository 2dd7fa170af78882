//! What the owner set: the part of the configuration that decides. Connections and paths stay with the binary.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Risk;
use crate::fact::{Belongs, Definition};
use crate::resource::ResourceId;
use crate::time::Wall;
use crate::verdict::Limit;

/// All that the engine is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The instance's name, which opens each incident's id.
    pub instance: String,
    /// How far healer goes.
    pub mode: Mode,
    /// What is never touched.
    pub exclude: Vec<Exclusion>,
    /// First match wins; then the built-in ones.
    pub policies: Vec<Policy>,
    /// How much may be done.
    pub budgets: Budgets,
    /// How long a question stands, in milliseconds.
    pub approval_expires_ms: u64,
    /// The channels that get every message, by name.
    pub channels: Vec<String>,
    /// When nothing new is started, and nobody is told.
    #[serde(default)]
    pub maintenance: Vec<Maintenance>,
}

/// A time in which nothing new is started and nobody is told. Of a window that comes again it is the present time, or the
/// next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Only in this deployment (a name or a pattern); `None`: in all.
    pub deployment: Option<String>,
    /// From when on.
    pub from: Wall,
    /// When it is over.
    pub until: Wall,
}

impl Maintenance {
    /// Whether it concerns a resource.
    #[must_use]
    pub fn is_of(&self, resource: &ResourceId) -> bool {
        self.deployment.as_ref().is_none_or(|pattern| matches(pattern, resource.deployment()))
    }
}

/// How far healer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Never acts.
    Observe,
    /// Plans, and waits for approval.
    Suggest,
    /// Acts within policy.
    Auto,
}

/// Something that is never touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Whatever carries this label, as `key=value`, or as `key` alone for any value.
    Label(String),
    /// A deployment by name, or by a pattern with `*`.
    Deployment(String),
}

/// What may be done unasked about which issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `Deployment`, or `*`.
    pub resource_kind: String,
    /// `service_down`, or `*`.
    pub issue_type: String,
    /// Only in this deployment (a name or a pattern); `None`: in all.
    pub deployment: Option<String>,
    /// Whether it is repaired without asking.
    pub auto_heal: bool,
    /// Attempts within the window; `None`: the budget's.
    pub max_retries: Option<u32>,
    /// The window in milliseconds; `None`: the budget's.
    pub window_ms: Option<u64>,
}

/// How much may be done. Every window slides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Remediations at the same time.
    pub concurrent: u32,
    /// Attempts on one resource.
    pub per_resource: Limit,
    /// Actions in one deployment.
    pub per_deployment: Limit,
    /// Actions on one host.
    pub per_host: Limit,
    /// Actions everywhere.
    pub everywhere: Limit,
    /// How long a repair must hold, in milliseconds.
    pub stability_ms: u64,
}

/// Risks above this are asked about in mode `auto`.
pub const RISK_UNASKED_MAX: Risk = Risk::Moderate;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            instance: "healer".to_owned(),
            mode: Mode::Auto,
            exclude: vec![Exclusion::Label("healer.platform/exclude=true".to_owned())],
            policies: Vec::new(),
            budgets: Budgets::default(),
            approval_expires_ms: 30 * 60_000,
            channels: Vec::new(),
            maintenance: Vec::new(),
        }
    }
}

impl Default for Budgets {
    fn default() -> Budgets {
        let limit = |count, minutes: u64| Limit { count, window_ms: minutes * 60_000 };
        Budgets {
            concurrent: 3,
            per_resource: limit(3, 30),
            per_deployment: limit(6, 30),
            per_host: limit(20, 10),
            everywhere: limit(50, 10),
            stability_ms: 120_000,
        }
    }
}

impl Budgets {
    /// How long a repair must hold.
    #[must_use]
    pub fn stability(&self) -> Duration {
        Duration::from_millis(self.stability_ms)
    }
}

impl Settings {
    /// The entry that excludes a resource, if one does.
    #[must_use]
    pub fn excluded_by(&self, resource: &ResourceId, definition: &Definition) -> Option<String> {
        self.exclude.iter().find_map(|entry| match entry {
            Exclusion::Label(label) => definition
                .labels
                .iter()
                .any(|has| has == label || has.split_once('=').is_some_and(|(key, _)| key == label))
                .then(|| format!("label {label}")),
            Exclusion::Deployment(pattern) => {
                matches(pattern, resource.deployment()).then(|| format!("deployment {pattern}"))
            }
        })
    }

    /// Until when a resource is in maintenance, if it is.
    #[must_use]
    pub fn maintained_until(&self, resource: &ResourceId, now: Wall) -> Option<Wall> {
        let present = self.maintenance.iter().filter(|window| (window.from..window.until).contains(&now));
        present.filter(|window| window.is_of(resource)).map(|window| window.until).max()
    }

    /// The policy that applies to an issue of a resource; the built-in one heals Compose services unasked.
    #[must_use]
    pub fn policy(&self, resource: &ResourceId, issue_type: &str) -> Policy {
        let applies = |policy: &&Policy| {
            matches(&policy.resource_kind, RESOURCE_KIND)
                && matches(&policy.issue_type, issue_type)
                && policy.deployment.as_ref().is_none_or(|pattern| matches(pattern, resource.deployment()))
        };
        self.policies.iter().find(applies).cloned().unwrap_or_else(Policy::built_in)
    }
}

/// What policies call a Compose service.
pub const RESOURCE_KIND: &str = "Deployment";

impl Policy {
    /// What holds where the owner said nothing.
    #[must_use]
    pub fn built_in() -> Policy {
        Policy {
            resource_kind: "*".to_owned(),
            issue_type: "*".to_owned(),
            deployment: None,
            auto_heal: true,
            max_retries: None,
            window_ms: None,
        }
    }
}

impl Belongs {
    /// Whether healer cares for it without having been asked to.
    #[must_use]
    pub fn is_healers(&self) -> bool {
        matches!(self, Belongs::ComposeService | Belongs::HostService | Belongs::SystemdUnit | Belongs::Watched)
    }
}

/// Whether `name` fits `pattern`, in which `*` stands for any text.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_star_alone() {
        let table = [
            ("shop", "shop", true),
            ("shop", "shop2", false),
            ("backup-*", "backup-db", true),
            ("backup-*", "backup", false),
            ("*-db", "backup-db", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
            ("*", "", true),
        ];
        for (pattern, name, expect) in table {
            assert_eq!(matches(pattern, name), expect, "{pattern} on {name}");
        }
    }

    #[test]
    fn the_first_policy_that_matches_wins() {
        let narrow = Policy { deployment: Some("shop".to_owned()), auto_heal: false, ..Policy::built_in() };
        let wide = Policy { max_retries: Some(7), ..Policy::built_in() };
        let settings = Settings { policies: vec![narrow.clone(), wide.clone()], ..Settings::default() };
        assert_eq!(settings.policy(&ResourceId::docker("h", "shop", "web", 1), "service_down"), narrow);
        assert_eq!(settings.policy(&ResourceId::docker("h", "wiki", "web", 1), "service_down"), wide);
    }
}
