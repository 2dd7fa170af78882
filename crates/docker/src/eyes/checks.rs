//! After a stop it is asked whether the engine still takes requests: then it was a person's, and not the engine's own end
//! (facts/intent.md, 0.2). One question at a time answers all that are due when it is put.

use std::time::Duration;

use model::ResourceId;
use model::fact::{Incarnation, SourceTime};
use tokio::time::Instant;

/// By then an engine that is shutting down has removed its socket.
const AFTER_STOP: Duration = Duration::from_millis(100);
/// A shut-down takes as long as the slowest container takes to stop; whether it is one is asked again at this pace. So is
/// who could not tell.
const AGAIN: Duration = Duration::from_secs(2);
/// So often systemd may fail to tell, one time after the other, before the socket alone is asked.
const UNTOLD_MAX: u32 = 3;
/// Of more stops than this only the last of each container is kept.
const WAITING_MAX: usize = 256;

/// A stop, or a signal that ends something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) resource: ResourceId,
    pub(super) incarnation: Incarnation,
    pub(super) stop: SourceTime,
}

/// The checks that wait, and the question that is put.
#[derive(Debug, Default)]
pub(super) struct Checks {
    waiting: Vec<(Instant, Check)>,
    /// Those that the question which is under way will answer; `None` if none is.
    asking: Option<Vec<Check>>,
    /// How often in a row nobody could tell.
    untold: u32,
    /// The engine is shutting down: nothing but its events is to be had. When it is asked whether it truly is.
    closing: Option<Instant>,
}

impl Checks {
    /// Whether the engine was found shutting down.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Has it asked, in a moment, whether the engine is open.
    pub(super) fn add(&mut self, check: Check, now: Instant) {
        if self.is_closing() {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.retain(|(_, waits)| waits.incarnation != check.incarnation);
        }
        self.waiting.push((now + AFTER_STOP, check));
    }

    /// Whether to put the question at `now`, and then whether to ask the socket alone.
    pub(super) fn begin(&mut self, now: Instant) -> Option<bool> {
        if self.next().is_none_or(|next| now < next) {
            return None;
        }
        let due = self.waiting.extract_if(.., |(due, _)| *due <= now).map(|(_, check)| check);
        self.asking = Some(due.collect());
        Some(self.untold >= UNTOLD_MAX)
    }

    /// When the question is to be put next.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.asking.is_some() {
            return None;
        }
        self.closing.or_else(|| self.waiting.iter().map(|(due, _)| *due).min())
    }

    /// Takes the answer. Gives the stops after which the engine was found open.
    pub(super) fn answered(&mut self, open: Option<bool>, now: Instant) -> Vec<Check> {
        let asked = self.asking.take().unwrap_or_default();
        self.untold = if open.is_none() { self.untold + 1 } else { 0 };
        if self.is_closing() {
            self.closing = Some(now + AGAIN);
            return Vec::new();
        }
        match open {
            Some(true) => asked,
            Some(false) => {
                self.waiting.clear();
                self.closing = Some(now + AGAIN);
                Vec::new()
            }
            None => {
                self.waiting.extend(asked.into_iter().map(|check| (now + AGAIN, check)));
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: i64) -> Check {
        let name = format!("c{n}");
        Check {
            resource: ResourceId::lone_container("h", &name),
            incarnation: Incarnation(name.into()),
            stop: SourceTime(n),
        }
    }

    #[test]
    fn one_question_answers_all_that_are_due() {
        let now = Instant::now();
        let mut checks = Checks::default();
        (0..3).for_each(|n| checks.add(check(n), now));
        assert_eq!((checks.begin(now), checks.next()), (None, Some(now + AFTER_STOP)));
        let asked = now + AFTER_STOP;
        assert_eq!(checks.begin(asked), Some(false));
        // While it is put nothing else is asked; what comes meanwhile is not answered by it.
        checks.add(check(3), asked);
        assert_eq!((checks.begin(asked + AGAIN), checks.next()), (None, None));
        assert_eq!(checks.answered(Some(true), asked + AGAIN), [check(0), check(1), check(2)]);
        assert_eq!(checks.begin(asked + AGAIN), Some(false));
        assert_eq!(checks.answered(Some(true), asked + AGAIN), [check(3)]);
        assert_eq!(checks.next(), None);
    }

    #[test]
    fn who_cannot_tell_is_asked_again_and_then_the_socket() {
        let mut now = Instant::now();
        let mut checks = Checks::default();
        checks.add(check(0), now);
        let mut asked = Vec::new();
        for _ in 0..4 {
            now = checks.next().unwrap();
            asked.push(checks.begin(now).unwrap());
            assert_eq!(checks.answered(None, now), []);
            assert!(!checks.is_closing());
        }
        assert_eq!(asked, [false, false, false, true]);
        now = checks.next().unwrap();
        assert_eq!(checks.begin(now), Some(true));
        assert_eq!(checks.answered(Some(true), now), [check(0)]);
    }

    #[test]
    fn an_engine_that_closes_is_asked_at_a_pace_whether_it_does() {
        let now = Instant::now();
        let mut checks = Checks::default();
        (0..2).for_each(|n| checks.add(check(n), now));
        assert_eq!(checks.begin(now + AFTER_STOP), Some(false));
        assert_eq!(checks.answered(Some(false), now), []);
        checks.add(check(2), now);
        assert_eq!((checks.is_closing(), checks.next()), (true, Some(now + AGAIN)));
        assert_eq!(checks.begin(now + AGAIN), Some(false));
        assert_eq!((checks.answered(None, now + AGAIN), checks.next()), (vec![], Some(now + AGAIN * 2)));
    }

    #[test]
    fn of_very_many_stops_the_last_of_each_container_is_kept() {
        let now = Instant::now();
        let mut checks = Checks::default();
        for stop in 0..10_000 {
            checks.add(Check { stop: SourceTime(stop), ..check(stop % 3) }, now);
        }
        assert!(checks.begin(now + AFTER_STOP).is_some());
        let kept = checks.answered(Some(true), now);
        assert!(
            kept.len() <= WAITING_MAX && kept.iter().any(|check| check.stop == SourceTime(9_999)),
            "{}",
            kept.len()
        );
    }
}
