//! What was spent, in windows that only slide: a stable period closes an incident and refunds nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::event::Refresh;
use model::settings::Budgets;
use model::verdict::{Hold, Limit};
use model::{ResourceId, Tick};
use serde::{Deserialize, Serialize};

/// The waits before the first, second, third attempt; each further one is four times longer, up to [`WAIT_MAX`].
const WAITS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(10), Duration::from_secs(40)];
/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// A wait is made longer by up to this share of itself, so that those that fell together do not rise together.
const JITTER_PERCENT: u64 = 10;
/// Nothing older than this matters to any window.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Somebody else's start refreshes a budget at most this often: two healers would feed each other for ever.
pub const FOREIGN_REFRESH_EVERY: Duration = Duration::from_secs(30 * 60);

/// What was spent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spending {
    /// Executed plans, by resource.
    attempts: BTreeMap<ResourceId, Vec<Tick>>,
    /// Steps, oldest first.
    actions: VecDeque<(Tick, ResourceId)>,
    /// When somebody else's start, or a changed definition, last gave a fresh budget.
    refreshed: BTreeMap<ResourceId, Tick>,
}

impl Spending {
    /// Books an executed plan.
    pub(crate) fn attempt(&mut self, resource: &ResourceId, at: Tick) {
        let attempts = self.attempts.entry(resource.clone()).or_default();
        attempts.retain(|then| at.since(*then) < KEPT);
        attempts.push(at);
    }

    /// Books a step. One that closes a pair or undoes is recorded by its event alone: it cannot be refused.
    pub(crate) fn action(&mut self, resource: &ResourceId, unhindered: bool, at: Tick) {
        while self.actions.front().is_some_and(|(then, _)| at.since(*then) >= KEPT) {
            self.actions.pop_front();
        }
        if !unhindered {
            self.actions.push_back((at, resource.clone()));
        }
    }

    pub(crate) fn refresh(&mut self, resource: &ResourceId, because: &Refresh, at: Tick) {
        self.attempts.remove(resource);
        match because {
            Refresh::Person(_) => {}
            Refresh::StartedAtTheEngine | Refresh::DefinitionChanged => {
                self.refreshed.insert(resource.clone(), at);
            }
        }
    }

    /// Whether a start by somebody else, or a changed definition, may give a fresh budget.
    #[must_use]
    pub fn may_refresh(&self, resource: &ResourceId, now: Tick) -> bool {
        let lately = self.refreshed.get(resource).is_some_and(|then| now.since(*then) < FOREIGN_REFRESH_EVERY);
        !lately && self.attempts.contains_key(resource)
    }

    /// Attempts on a resource within a window that ends now.
    #[must_use]
    pub fn attempts_within(&self, resource: &ResourceId, window: Duration, now: Tick) -> u32 {
        let attempts = self.attempts.get(resource).map_or(&[][..], Vec::as_slice);
        count(attempts.iter().filter(|then| now.since(**then) < window))
    }

    /// The first group whose budget has no room for `steps` more, and when it has.
    #[must_use]
    pub fn spent_group(&self, budgets: &Budgets, resource: &ResourceId, steps: u32, now: Tick) -> Option<(Hold, Tick)> {
        let deployment = resource.deployment_prefix();
        let same_deployment = |other: &ResourceId| other.as_str().starts_with(deployment);
        let same_host = |other: &ResourceId| other.host() == resource.host();
        type Belongs<'a> = &'a dyn Fn(&ResourceId) -> bool;
        let groups: [(String, Limit, Belongs<'_>); 3] = [
            (format!("deployment {}", resource.deployment()), budgets.per_deployment, &same_deployment),
            (format!("host {}", resource.host()), budgets.per_host, &same_host),
            ("everywhere".to_owned(), budgets.everywhere, &|_| true),
        ];
        groups.into_iter().find_map(|(group, limit, belongs)| {
            // They stand in the order of their ticks: nothing before the window is looked at.
            let within = self.actions.iter().rev().take_while(|(then, _)| now.since(*then) < limit.window());
            let mut times: Vec<Tick> = within.filter(|(_, other)| belongs(other)).map(|(then, _)| *then).collect();
            times.reverse();
            let room = limit.count.saturating_sub(count(times.iter()));
            if room >= steps.min(limit.count) && limit.count > 0 {
                return None;
            }
            // As many of the oldest as are missing have to leave the window first.
            let missing = usize::try_from(steps.saturating_sub(room)).unwrap_or(usize::MAX);
            let frees = times.get(missing.saturating_sub(1)).or(times.last()).copied().unwrap_or(now);
            Some((Hold::GroupBudget { group, limit }, frees.after(limit.window())))
        })
    }
}

/// How long to wait before attempt number `attempt` (from 1) on a resource. The jitter is drawn from the resource and
/// the attempt, so that the same question has the same answer.
#[must_use]
pub fn wait_before(resource: &ResourceId, attempt: u32) -> Duration {
    let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let bare = WAITS.get(step).copied().unwrap_or_else(|| {
        let fours = u32::try_from(step + 1 - WAITS.len()).unwrap_or(u32::MAX).min(8);
        WAITS[WAITS.len() - 1].saturating_mul(4_u32.saturating_pow(fours))
    });
    let bare = bare.min(WAIT_MAX);
    let share = spread(resource, attempt) % (JITTER_PERCENT + 1);
    let jitter = u64::try_from(bare.as_millis()).unwrap_or(u64::MAX) / 100 * share;
    (bare + Duration::from_millis(jitter)).min(WAIT_MAX)
}

/// A number that differs from resource to resource (FNV-1a over the name and the attempt).
fn spread(resource: &ResourceId, attempt: u32) -> u64 {
    let bytes = resource.as_str().bytes().chain(attempt.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> ResourceId {
        ResourceId::docker("h", "shop", "web", 1)
    }

    #[test]
    fn attempts_leave_the_window_only_by_sliding() {
        let mut spending = Spending::default();
        for minute in [0, 11, 22] {
            spending.attempt(&web(), Tick(minute * 60_000));
        }
        let within =
            |minute: u64| spending.attempts_within(&web(), Duration::from_secs(30 * 60), Tick(minute * 60_000));
        assert_eq!([within(22), within(29), within(30), within(41), within(52)], [3, 3, 2, 1, 0]);
    }

    #[test]
    fn waits_grow_fourfold_and_are_bounded() {
        let expect_s = [0, 10, 40, 160, 300, 300];
        for (attempt, expect) in (1..).zip(expect_s) {
            let wait = wait_before(&web(), attempt);
            let expect = Duration::from_secs(expect);
            assert!(wait >= expect && wait <= expect.mul_f64(1.1), "{attempt}: {wait:?}");
            assert_eq!(wait, wait_before(&web(), attempt));
        }
    }

    #[test]
    fn a_group_without_room_for_a_whole_pair_waits_for_it() {
        let mut spending = Spending::default();
        let limit = |count| Limit { count, window_ms: 600_000 };
        let budgets =
            Budgets { per_deployment: limit(3), per_host: limit(4), everywhere: limit(9), ..Budgets::default() };
        spending.action(&web(), false, Tick(1_000));
        spending.action(&web(), true, Tick(1_500));
        spending.action(&web(), false, Tick(2_000));
        assert_eq!(spending.spent_group(&budgets, &web(), 1, Tick(3_000)), None);
        let (hold, until) = spending.spent_group(&budgets, &web(), 2, Tick(3_000)).unwrap();
        assert_eq!(hold, Hold::GroupBudget { group: "deployment shop".to_owned(), limit: limit(3) });
        assert_eq!(until, Tick(601_000));
        let neighbour = ResourceId::docker("h", "wiki", "web", 1);
        assert_eq!(spending.spent_group(&budgets, &neighbour, 2, Tick(3_000)), None);
        spending.action(&neighbour, false, Tick(2_500));
        let (hold, _) = spending.spent_group(&budgets, &neighbour, 2, Tick(3_000)).unwrap();
        assert_eq!(hold, Hold::GroupBudget { group: "host h".to_owned(), limit: limit(4) });
    }

    #[test]
    fn somebody_elses_start_refreshes_once_per_half_hour_and_a_person_always() {
        let mut spending = Spending::default();
        spending.attempt(&web(), Tick(0));
        assert!(spending.may_refresh(&web(), Tick(1)));
        spending.refresh(&web(), &Refresh::StartedAtTheEngine, Tick(1));
        spending.attempt(&web(), Tick(2));
        assert!(!spending.may_refresh(&web(), Tick(3)));
        assert!(spending.may_refresh(&web(), Tick(1).after(FOREIGN_REFRESH_EVERY)));
        spending.refresh(&web(), &Refresh::Person("ann".to_owned()), Tick(4));
        assert_eq!(spending.attempts_within(&web(), Duration::from_secs(60), Tick(5)), 0);
    }
}
