//! When to look at what. Bounded: so many at once, and what hangs or fails keeps nobody else from being looked at.

use std::collections::HashMap;
use std::time::Duration;

use model::fact::Incarnation;
use tokio::time::Instant;

/// How many looks that may be expected to be quick are under way at once.
const QUICK_MAX: usize = 8;
/// A look that takes longer does not count as such.
const QUICK_WITHIN: Duration = Duration::from_secs(1);
/// How many are under way at all, and how many of these at what failed before.
const ALL_MAX: usize = 64;
const AGAIN_MAX: usize = 32;
/// What could not be looked at is looked at again after the first of these times, then after twice as long each, until
/// the second.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// The looks that are due and under way, and those that failed.
#[derive(Debug, Default)]
pub(super) struct Looks {
    due: HashMap<Incarnation, Instant>,
    /// With when it was asked for.
    under_way: HashMap<Incarnation, Instant>,
    failing: HashMap<Incarnation, Failing>,
}

#[derive(Debug, Default)]
struct Failing {
    /// In a row.
    times: u32,
    /// Why; empty if that was not told yet.
    said: String,
}

impl Looks {
    /// It is due at `at`, or sooner if it was.
    pub(super) fn due_by(&mut self, id: &Incarnation, at: Instant) {
        self.due.entry(id.clone()).and_modify(|due| *due = (*due).min(at)).or_insert(at);
    }

    /// It is due at `at`, whenever it was before.
    pub(super) fn due_at(&mut self, id: &Incarnation, at: Instant) {
        self.due.insert(id.clone(), at);
    }

    pub(super) fn is_due_at(&self, id: &Incarnation, at: Instant) -> bool {
        self.due.get(id) == Some(&at)
    }

    /// How long it has been asked for; `None` if it is not.
    pub(super) fn asked_for(&self, id: &Incarnation, now: Instant) -> Option<Duration> {
        self.under_way.get(id).map(|begun| now.saturating_duration_since(*begun))
    }

    /// The looks to begin at `now`; they count as under way from then on.
    pub(super) fn begin(&mut self, now: Instant) -> Vec<Incarnation> {
        let quick = self.under_way.values().filter(|begun| now < **begun + QUICK_WITHIN).count();
        let room = QUICK_MAX.saturating_sub(quick).min(ALL_MAX.saturating_sub(self.under_way.len()));
        if room == 0 {
            return Vec::new();
        }
        // Who never failed comes first.
        let ready = self.waiting().filter(|(_, due)| *due <= now);
        let mut ready: Vec<(bool, Instant, &Incarnation)> =
            ready.map(|(id, due)| (self.failing.contains_key(id), due, id)).collect();
        if ready.len() > room {
            ready.select_nth_unstable(room);
            ready.truncate(room);
        }
        ready.sort_unstable();
        let mut again = AGAIN_MAX.saturating_sub(self.again());
        let may = |(failed, _, _): &(bool, Instant, &Incarnation)| {
            let may = !failed || again > 0;
            again -= usize::from(may && *failed);
            may
        };
        let begun: Vec<Incarnation> = ready.into_iter().filter(may).map(|(_, _, id)| id.clone()).collect();
        for id in &begun {
            self.due.remove(id);
            self.under_way.insert(id.clone(), now);
        }
        begun
    }

    /// When to begin some next; `None` if no time brings that about, but the end of one that is under way.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if self.under_way.len() >= ALL_MAX {
            return None;
        }
        let full = self.again() >= AGAIN_MAX;
        let due =
            self.waiting().filter(|(id, _)| !(full && self.failing.contains_key(*id))).map(|(_, due)| due).min()?;
        let slow_at = |begun: &Instant| *begun + QUICK_WITHIN;
        let quick: Vec<Instant> = self.under_way.values().map(slow_at).filter(|at| now < *at).collect();
        let room = if quick.len() < QUICK_MAX { None } else { quick.into_iter().min() };
        Some(room.map_or(due, |room| due.max(room)))
    }

    /// What is due some time, and can be asked for: one look at a container at a time.
    fn waiting(&self) -> impl Iterator<Item = (&Incarnation, Instant)> {
        self.due.iter().filter(|(id, _)| !self.under_way.contains_key(*id)).map(|(id, due)| (id, *due))
    }

    fn again(&self) -> usize {
        self.under_way.keys().filter(|id| self.failing.contains_key(*id)).count()
    }

    /// A look ended, however it did.
    pub(super) fn ended(&mut self, id: &Incarnation) {
        self.under_way.remove(id);
    }

    /// It was looked at.
    pub(super) fn succeeded(&mut self, id: &Incarnation) {
        self.failing.remove(id);
    }

    /// It could not be looked at: it is due again.
    pub(super) fn failed(&mut self, id: &Incarnation, now: Instant) {
        let failing = self.failing.entry(id.clone()).or_default();
        let wait = AGAIN_AFTER * 2_u32.saturating_pow(failing.times.min(10));
        failing.times += 1;
        self.due_by(id, now + wait.min(AGAIN_AFTER_MAX));
    }

    /// Whether it is news that a container cannot be looked at for this reason. It is none from then on.
    pub(super) fn is_news(&mut self, id: &Incarnation, because: &str) -> bool {
        let failing = self.failing.entry(id.clone()).or_default();
        let news = failing.said != because;
        because.clone_into(&mut failing.said);
        news
    }

    /// It is no more.
    pub(super) fn forget(&mut self, id: &Incarnation) {
        self.due.remove(id);
        self.failing.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> Incarnation {
        Incarnation(format!("{n:03}").into())
    }

    fn many(n: usize, at: Instant) -> Looks {
        let mut looks = Looks::default();
        (0..n).for_each(|n| looks.due_by(&id(n), at));
        looks
    }

    #[test]
    fn so_many_are_looked_at_at_once_and_the_next_when_one_ended() {
        let now = Instant::now();
        let mut looks = many(QUICK_MAX + 2, now);
        assert_eq!(looks.begin(now).len(), QUICK_MAX);
        assert_eq!(looks.begin(now), []);
        looks.ended(&id(0));
        assert_eq!(looks.begin(now), [id(QUICK_MAX)]);
    }

    #[test]
    fn looks_that_hang_make_room_for_others_up_to_a_limit() {
        let mut now = Instant::now();
        let mut looks = many(ALL_MAX + QUICK_MAX, now);
        let mut rounds = 0;
        while !looks.begin(now).is_empty() {
            rounds += 1;
            match looks.next(now) {
                Some(next) => {
                    assert_eq!(next, now + QUICK_WITHIN);
                    now = next;
                }
                None => break,
            }
        }
        assert_eq!((rounds * QUICK_MAX, looks.under_way.len(), looks.next(now)), (ALL_MAX, ALL_MAX, None));
        assert_eq!(looks.asked_for(&id(0), now), Some(QUICK_WITHIN * 7));
    }

    #[test]
    fn what_failed_is_looked_at_again_after_growing_times_and_after_the_others() {
        let mut now = Instant::now();
        let mut looks = many(1, now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert_eq!(looks.begin(now), [id(0)]);
            looks.ended(&id(0));
            looks.failed(&id(0), now);
            let next = looks.next(now).unwrap();
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        for n in 1..=QUICK_MAX {
            looks.due_by(&id(n), now);
        }
        assert!(!looks.begin(now).contains(&id(0)));
        // Something happened to it: then at once; and once it succeeded, all begins anew.
        looks.succeeded(&id(0));
        looks.failed(&id(0), now);
        assert_eq!(looks.due.get(&id(0)), Some(&now));
    }

    #[test]
    fn what_fails_and_hangs_leaves_room_for_what_never_failed() {
        let mut now = Instant::now();
        let mut looks = many(ALL_MAX, now);
        (0..ALL_MAX).for_each(|n| looks.failed(&id(n), now));
        while let Some(next) = looks.next(now) {
            looks.begin(now);
            now = now.max(next);
        }
        assert_eq!(looks.under_way.len(), AGAIN_MAX);
        looks.due_by(&id(900), now);
        assert_eq!(looks.begin(now + QUICK_WITHIN), [id(900)]);
    }

    #[test]
    fn a_reason_is_news_once() {
        let mut looks = Looks::default();
        let news = ["a", "a", "b", "a"].map(|because| looks.is_news(&id(0), because));
        assert_eq!(news, [true, false, true, true]);
        looks.succeeded(&id(0));
        assert!(looks.is_news(&id(0), "a"));
    }
}
