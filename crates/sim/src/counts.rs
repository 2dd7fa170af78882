//! What the worlds have reached. A simulator that never reaches a state proves nothing about it, so a zero is a failure.

use std::collections::BTreeMap;
use std::fmt;

/// How often each kind of each group was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(&'static str, &'static str), u64>);

/// Every kind that a campaign has to reach.
const EXPECTED: &[(&str, &[&str])] = &[
    (
        "phase",
        &[
            "diagnosing",
            "planning",
            "held",
            "awaiting_approval",
            "acting",
            "verifying",
            "rolling_back",
            "escalated",
            "resolved",
        ],
    ),
    (
        "hold",
        &[
            "not_seen",
            "clearing",
            "withheld",
            "recovering",
            "waits_for",
            "just_up",
            "mount_missing",
            "being_stopped",
            "paused",
            "intent_unknown",
            "others_stopped",
            "frozen",
            "maintenance",
            "deploy_in_progress",
            "engines_own_policy",
            "another_healer",
            "busy",
            "two_incarnations",
            "observe_mode",
            "backoff",
            "concurrency",
            "group_budget",
            "replica_down",
            "storm",
            "halted",
            "store_full",
        ],
    ),
    (
        "refusal",
        &[
            "not_leader",
            "excluded",
            "healers_own",
            "not_adopted",
            "one_off",
            "owned",
            "stopped_on_purpose",
            "removed_at_end",
            "absent",
            "did_not_help_here",
            "budget_spent",
            "rejected_before",
        ],
    ),
    (
        "escalation",
        &[
            "cannot_tell",
            "no_action_mends",
            "refused",
            "approval_expired",
            "rejected",
            "inconclusive",
            "undo_unknown",
            "undo_failed",
            "keeps_coming_back",
        ],
    ),
    (
        "outcome",
        &[
            "healed",
            "recovered_alone",
            "mended_by_person",
            "stopped_by_owner",
            "false_alarm",
            "gone",
            "excluded",
            "merged_into",
        ],
    ),
    (
        "crash point",
        &[
            "before the append",
            "after the append",
            "amid the effects",
            "between two steps",
            "between stop and start",
            "between name and body",
            "in order",
        ],
    ),
    ("store", &["lost", "written", "full", "slow", "unreadable"]),
    (
        "source",
        &[
            "opened",
            "lost",
            "closing",
            "unreachable",
            "engine stopped",
            "engine crashed",
            "power loss",
            "host restarted",
            "mount missing",
        ],
    ),
    ("answer", &["done", "already_so", "withheld", "failed", "lost", "lie", "late", "late start"]),
    ("look", &["lost", "late", "settles"]),
    (
        "act",
        &[
            "start",
            "stop",
            "recreate",
            "recreate refused",
            "memory limit",
            "memory limit taken back",
            "create network",
            "remove network",
            "join network",
        ],
    ),
    (
        "race",
        &[
            "stop at our start",
            "stop at our stop",
            "stop at our recreate",
            "stop at our change",
            "healer ended while Compose was at it",
            "freeze at a permit",
            "approval at clearing",
            "second healer at a permit",
            "act of the one deposed",
            "mount gone at the act",
            "start after a stop nobody could know",
            "deploy at a roll back's approval",
            "deploy while a roll back is verified",
            "the first of two is stopped",
            "a second order while an image is fetched",
            "stop at an update",
            "ended before it was made anew",
            "deploy after an update",
        ],
    ),
    (
        "person",
        &[
            "docker stop",
            "docker kill",
            "docker start",
            "docker restart",
            "docker hup",
            "docker pause",
            "rm",
            "deploy",
            "broken deploy",
            "networks removed",
            "healer stop",
            "healer start",
            "healer restart",
            "healer adopt",
            "freeze",
            "thaw",
            "approve",
            "reject",
            "ack",
            "link",
            "push of an image",
            "push of a flawed image",
            "one beside another",
            "healer pull",
            "healer rebuild",
            "docker image prune",
        ],
    ),
    ("link", &["taken", "decided", "over", "expired", "plan changed", "body changed", "asked anew", "withdrawn"]),
    (
        "roll back",
        &[
            "asked",
            "name given back",
            "name taken back",
            "taken back",
            "helped",
            "left as it is",
            "deployed over",
            "undo failed",
            "cut short and told",
            "made and not started",
        ],
    ),
    (
        "update",
        &[
            "of a deployment",
            "of what is down",
            "of what is deployed",
            "in a freeze",
            "fetched",
            "newer",
            "none newer",
            "not fetched",
            "engine gone",
            "ended with its process",
            "ended untold",
            "name taken back",
            "name left to another",
            "made and not started",
            "told in its answer",
            "told by a message",
            "told by why",
            "went back unasked",
        ],
    ),
    (
        "recovery",
        &[
            "began",
            "began too often",
            "overtaken",
            "planned",
            "first start",
            "recovered",
            "left",
            "failed",
            "nothing was away",
            "late",
        ],
    ),
    (
        "message",
        &["healed", "opened", "updated", "escalated", "resolved", "recovered", "notice", "delayed", "given up"],
    ),
];

/// What no world can reach, each with its reason.
pub const UNREACHED: &[(&str, &str, &str)] = &[
    ("hold", "paused", "what is paused shows no symptom, so `clearing` is said first"),
    ("hold", "just_up", "no program of the simulated world says in its log by whom it was refused"),
    ("hold", "maintenance", "no window is configured in the simulated world"),
    ("hold", "replica_down", "no service of the simulated host has a second replica"),
    ("refusal", "not_leader", "an engine that was deposed handles nothing, so its guard is never asked"),
    (
        "refusal",
        "stopped_on_purpose",
        "an owner's stop turns an incident before the guard is asked; its rule is tested alone, and the gate asks again",
    ),
];

/// So many worlds together reach all that is not rare.
const ENOUGH: u64 = 3_000;

/// What only so many worlds together can be asked to reach, each with its reason.
const RARE: &[(&str, &str, u64, &str)] = &[
    (
        "hold",
        "halted",
        25_000,
        "an undo has to fail, and another step to want the same lease before a person has looked",
    ),
    (
        "hold",
        "another_healer",
        25_000,
        "somebody has to start a service three times within two seconds of its crashes, and it has to crash once more",
    ),
    (
        "refusal",
        "not_adopted",
        25_000,
        "an adopted service has to be removed and made anew within one batch, and its incident to be open",
    ),
];

impl Counts {
    pub(crate) fn hit(&mut self, group: &'static str, kind: &'static str) {
        *self.0.entry((group, kind)).or_default() += 1;
    }

    /// How often a kind was reached.
    #[must_use]
    pub fn of(&self, group: &str, kind: &str) -> u64 {
        self.0.iter().filter(|((g, k), _)| *g == group && *k == kind).map(|(_, n)| n).sum()
    }

    /// Every kind that is counted, by group, with how often it was reached.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let kinds = EXPECTED.iter().flat_map(|(group, kinds)| kinds.iter().map(|kind| (*group, *kind)));
        kinds.map(|(group, kind)| (group, kind, self.of(group, kind)))
    }

    pub(crate) fn add(&mut self, other: &Counts) {
        for (key, n) in &other.0 {
            *self.0.entry(*key).or_default() += n;
        }
    }

    /// What should have been reached in so many worlds and was not, and what was reached though it is listed as
    /// unreachable, or unknown.
    #[must_use]
    pub fn faults(&self, worlds: u64) -> Vec<String> {
        let mut faults = Vec::new();
        for (group, kinds) in EXPECTED {
            for kind in *kinds {
                let excused = UNREACHED.iter().any(|(g, k, _)| g == group && k == kind);
                match (self.of(group, kind), excused) {
                    (0, false) if is_too_rare(group, kind, worlds) => {}
                    (0, false) => faults.push(format!("{group} {kind}: never reached")),
                    (n, true) if n > 0 => {
                        faults.push(format!("{group} {kind}: listed as unreachable, reached {n} times"))
                    }
                    _ => {}
                }
            }
        }
        let known = |group: &str, kind: &str| EXPECTED.iter().any(|(g, kinds)| *g == group && kinds.contains(&kind));
        for (group, kind) in self.0.keys().filter(|(group, kind)| !known(group, kind)) {
            faults.push(format!("{group} {kind}: reached, and not on the list of what is to be reached"));
        }
        faults
    }
}

fn is_too_rare(group: &str, kind: &str, worlds: u64) -> bool {
    worlds < ENOUGH || RARE.iter().any(|(g, k, needs, _)| *g == group && *k == kind && worlds < *needs)
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (group, kinds) in EXPECTED {
            writeln!(f, "  {group}")?;
            for kind in *kinds {
                let n = self.of(group, kind);
                match UNREACHED.iter().find(|(g, k, _)| g == group && k == kind) {
                    Some((_, _, why)) if n == 0 => writeln!(f, "    {kind:<38}         –  {why}")?,
                    Some(_) | None => {
                        let rare = RARE.iter().find(|(g, k, _, _)| g == group && k == kind && n == 0);
                        let why = rare.map_or(String::new(), |(_, _, _, why)| format!("  rare: {why}"));
                        writeln!(f, "    {kind:<38}{n:>10}{why}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
