//! What was spent, in windows that only slide: a stable period closes an incident and refunds nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::event::Refresh;
use model::resource::NO_DEPLOYMENT;
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
/// What is older is thrown away this often.
const SWEPT_EVERY: Duration = Duration::from_secs(3600);
/// Somebody else's start refreshes a budget at most this often: two healers would feed each other for ever.
pub const FOREIGN_REFRESH_EVERY: Duration = Duration::from_secs(30 * 60);

/// What was spent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Spending {
    /// Executed plans, by resource.
    attempts: BTreeMap<ResourceId, Vec<Tick>>,
    /// When the verdict on the last attempt on each resource fell: the next wait runs from here.
    verdicts: BTreeMap<ResourceId, Tick>,
    /// Steps in each deployment, by the beginning of its resources' names; oldest first, as in the groups below.
    deployments: BTreeMap<String, VecDeque<Tick>>,
    /// Steps on each host.
    hosts: BTreeMap<String, VecDeque<Tick>>,
    /// All steps.
    everywhere: VecDeque<Tick>,
    /// When somebody else's start last gave a fresh budget.
    refreshed: BTreeMap<ResourceId, Tick>,
    /// When a changed definition last did.
    #[serde(default)]
    redefined: BTreeMap<ResourceId, Tick>,
    /// When what no window holds any more was last thrown away.
    swept: Tick,
}

impl Spending {
    /// Books an executed plan.
    pub(crate) fn attempt(&mut self, resource: &ResourceId, at: Tick) {
        self.sweep(at);
        self.attempts.entry(resource.clone()).or_default().push(at);
    }

    /// A plan was not executed after all: nothing of it was begun. `of_groups`: whether its step was booked there.
    pub(crate) fn take_back(&mut self, resource: &ResourceId, at: Tick, of_groups: bool) {
        if let Some(attempts) = self.attempts.get_mut(resource) {
            attempts.retain(|then| *then != at);
        }
        if !of_groups {
            return;
        }
        let groups = [
            self.deployments.get_mut(resource.group()),
            self.hosts.get_mut(resource.host()),
            Some(&mut self.everywhere),
        ];
        for group in groups.into_iter().flatten() {
            // Others may have been booked at the same moment: one of them goes.
            if let Some(booked) = group.iter().rposition(|then| *then == at) {
                group.remove(booked);
            }
        }
    }

    /// Notes the verdict on an attempt, whichever incident it was made for.
    pub(crate) fn verdict(&mut self, resource: &ResourceId, at: Tick) {
        self.verdicts.insert(resource.clone(), at);
    }

    /// When the last attempt's verdict fell.
    #[must_use]
    pub fn last_verdict(&self, resource: &ResourceId) -> Option<Tick> {
        self.verdicts.get(resource).copied()
    }

    /// Books a step. One that closes a pair or undoes is recorded by its event alone: it cannot be refused.
    pub(crate) fn action(&mut self, resource: &ResourceId, unhindered: bool, at: Tick) {
        self.sweep(at);
        if !unhindered {
            self.deployments.entry(resource.group().to_owned()).or_default().push_back(at);
            self.hosts.entry(resource.host().to_owned()).or_default().push_back(at);
            self.everywhere.push_back(at);
        }
    }

    /// Throws away what no window holds any more. A resource that is gone keeps its attempts until then: it may be made
    /// anew, and a new body is no fresh budget.
    fn sweep(&mut self, at: Tick) {
        if at.since(self.swept) < SWEPT_EVERY {
            return;
        }
        self.swept = at;
        let old = |then: &Tick| at.since(*then) >= KEPT;
        self.attempts.retain(|_, attempts| !attempts.iter().all(old));
        self.attempts.values_mut().for_each(|attempts| attempts.retain(|then| !old(then)));
        self.verdicts.retain(|_, then| !old(then));
        for group in [&mut self.deployments, &mut self.hosts] {
            group.values_mut().for_each(|times| times.retain(|then| !old(then)));
            group.retain(|_, times| !times.is_empty());
        }
        self.everywhere.retain(|then| !old(then));
        self.refreshed.retain(|_, then| at.since(*then) < FOREIGN_REFRESH_EVERY);
        self.redefined.retain(|_, then| !old(then));
    }

    pub(crate) fn refresh(&mut self, resource: &ResourceId, because: &Refresh, at: Tick) {
        self.attempts.remove(resource);
        match because {
            Refresh::Person(_) => {}
            Refresh::StartedAtTheEngine => {
                self.refreshed.insert(resource.clone(), at);
            }
            Refresh::DefinitionChanged => {
                self.redefined.insert(resource.clone(), at);
            }
        }
    }

    /// Whether this gives a fresh budget at present. A person's word always does; a changed definition once per stability
    /// window, since something may change it every minute (facts/intent.md, S24).
    #[must_use]
    pub fn may_refresh(&self, resource: &ResourceId, because: &Refresh, stability: Duration, now: Tick) -> bool {
        let (last, every) = match because {
            Refresh::Person(_) => return true,
            Refresh::StartedAtTheEngine => (&self.refreshed, FOREIGN_REFRESH_EVERY),
            Refresh::DefinitionChanged => (&self.redefined, stability),
        };
        let lately = last.get(resource).is_some_and(|then| now.since(*then) < every);
        !lately && self.attempts.contains_key(resource)
    }

    /// Attempts on a resource within a window that ends now.
    #[must_use]
    pub fn attempts_within(&self, resource: &ResourceId, window: Duration, now: Tick) -> u32 {
        let attempts = self.attempts.get(resource).map_or(&[][..], Vec::as_slice);
        count(attempts.iter().filter(|then| now.since(**then) < window))
    }

    /// Steps on a host within a window that ends now.
    #[must_use]
    pub fn host_steps(&self, host: &str, window: Duration, now: Tick) -> u32 {
        count(self.hosts.get(host).into_iter().flatten().filter(|then| now.since(**then) < window))
    }

    /// The steps in each group that a resource shares a budget with, and the limit of each: its deployment, its host, and
    /// everything.
    #[must_use]
    pub fn groups(&self, budgets: &Budgets, resource: &ResourceId, now: Tick) -> [(String, u32, Limit); 3] {
        self.shared(budgets, resource).map(|(group, limit, times)| {
            let within = times.into_iter().flatten().filter(|then| now.since(**then) < limit.window());
            (group.named(resource), count(within), limit)
        })
    }

    /// The groups of a resource, each with its limit and its steps.
    fn shared(&self, budgets: &Budgets, resource: &ResourceId) -> [(Group, Limit, Option<&VecDeque<Tick>>); 3] {
        [
            (Group::Deployment, budgets.per_deployment, self.deployments.get(resource.group())),
            (Group::Host, budgets.per_host, self.hosts.get(resource.host())),
            (Group::Everywhere, budgets.everywhere, Some(&self.everywhere)),
        ]
    }

    /// The first group whose budget has no room for `steps` more, and when it has.
    #[must_use]
    pub fn spent_group(&self, budgets: &Budgets, resource: &ResourceId, steps: u32, now: Tick) -> Option<(Hold, Tick)> {
        let none = VecDeque::new();
        self.shared(budgets, resource).into_iter().find_map(|(group, limit, times)| {
            let times = times.unwrap_or(&none);
            let before = times.partition_point(|then| now.since(*then) >= limit.window());
            let room = limit.count.saturating_sub(u32::try_from(times.len() - before).unwrap_or(u32::MAX));
            if room >= steps.min(limit.count) && limit.count > 0 {
                return None;
            }
            // As many of the oldest as are missing have to leave the window first.
            let missing = usize::try_from(steps.saturating_sub(room)).unwrap_or(usize::MAX);
            let last = times.len().saturating_sub(1);
            let frees =
                times.get(before.saturating_add(missing.saturating_sub(1)).min(last)).filter(|_| before < times.len());
            let group = group.named(resource);
            Some((Hold::GroupBudget { group, limit }, frees.copied().unwrap_or(now).after(limit.window())))
        })
    }
}

/// What shares a budget of steps.
#[derive(Clone, Copy)]
enum Group {
    Deployment,
    Host,
    Everywhere,
}

impl Group {
    /// The group of a resource.
    fn named(self, resource: &ResourceId) -> String {
        match self {
            Group::Deployment if resource.deployment() == NO_DEPLOYMENT => resource.short().to_owned(),
            Group::Deployment => format!("deployment {}", resource.deployment()),
            Group::Host => format!("host {}", resource.host()),
            Group::Everywhere => "everywhere".to_owned(),
        }
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
    use model::verdict::Limit;

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
    fn each_reason_for_a_fresh_budget_has_a_time_of_its_own_and_a_person_none() {
        let stability = Duration::from_secs(120);
        let mut spending = Spending::default();
        let may =
            |spending: &Spending, because: Refresh, at: Tick| spending.may_refresh(&web(), &because, stability, at);
        spending.attempt(&web(), Tick(0));
        assert!(may(&spending, Refresh::StartedAtTheEngine, Tick(1)));
        spending.refresh(&web(), &Refresh::StartedAtTheEngine, Tick(1));
        spending.attempt(&web(), Tick(2));
        assert!(!may(&spending, Refresh::StartedAtTheEngine, Tick(3)));
        assert!(may(&spending, Refresh::StartedAtTheEngine, Tick(1).after(FOREIGN_REFRESH_EVERY)));
        assert!(may(&spending, Refresh::DefinitionChanged, Tick(3)));
        spending.refresh(&web(), &Refresh::DefinitionChanged, Tick(3));
        spending.attempt(&web(), Tick(3));
        assert!(!may(&spending, Refresh::DefinitionChanged, Tick(4)));
        assert!(may(&spending, Refresh::DefinitionChanged, Tick(3).after(stability)));
        assert!(may(&spending, Refresh::Person("ann".to_owned()), Tick(4)));
        spending.refresh(&web(), &Refresh::Person("ann".to_owned()), Tick(4));
        assert_eq!(spending.attempts_within(&web(), Duration::from_secs(60), Tick(5)), 0);
    }
}
