//! Asks many probes, each in its own rhythm, and tells what changes.
//!
//! ```text
//! Watch, Watch, … ─▶ run: a heap of due times ─▶ a task for each question under way ─▶ Judge ─▶ Change
//!                                                     at most IN_FLIGHT_MAX            └─▶ Board: how all stand
//! ```
//!
//! One loop for all: a probe costs its judge and a place in the heap, and a task only while it asks. A probe is never
//! asked twice at once, and what is late is not made up for.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::Probe;
use crate::answer::Answer;
use crate::asker::Asker;
use crate::latency::Percentiles;
use crate::trouble::Trouble;
use crate::verdict::{Judge, Rule, Standing, Turn};

/// As many questions are under way at once: each holds a socket, of which a process has 1024 by custom.
const IN_FLIGHT_MAX: usize = 512;

/// A probe that is asked for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub probe: Probe,
    /// From one question to the next.
    pub every: Duration,
    /// Up to so much later, each time anew, so that many do not ask at once.
    pub jitter: Duration,
    /// When it fails.
    pub rule: Rule,
}

/// A probe stands otherwise than before.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub name: Arc<str>,
    /// How.
    pub turn: Turn,
}

/// How one probe stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Which.
    pub name: Arc<str>,
    /// How.
    pub standing: Standing,
    /// Its last answer, and when that came.
    pub last: Option<(Instant, Answer)>,
    /// Why it fails, as it was told last; empty while it does not.
    pub troubles: Vec<Trouble>,
    /// How long its answers take.
    pub latency: Percentiles,
}

/// How all probes stand, for whoever looks rather than listens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Board(Arc<Mutex<Vec<Seat>>>);

#[derive(Debug)]
struct Seat {
    name: Arc<str>,
    probe: Arc<Probe>,
    every: Duration,
    jitter: Duration,
    judge: Judge,
    last: Option<(Instant, Answer)>,
    troubles: Vec<Trouble>,
    /// A turn for which there was no place yet. A newer one takes its place.
    untold: Option<Turn>,
}

impl Board {
    /// A place for each probe, of which nothing is known yet.
    #[must_use]
    pub fn of(watches: Vec<Watch>) -> Board {
        let seat = |watch: Watch| Seat {
            name: watch.name.into(),
            probe: Arc::new(watch.probe),
            every: watch.every.max(Duration::from_millis(1)),
            jitter: watch.jitter,
            judge: Judge::new(watch.rule),
            last: None,
            troubles: Vec::new(),
            untold: None,
        };
        Board(Arc::new(Mutex::new(watches.into_iter().map(seat).collect())))
    }

    /// How they stand.
    #[must_use]
    pub fn look(&self) -> Vec<Status> {
        let status = |seat: &Seat| Status {
            name: seat.name.clone(),
            standing: seat.judge.standing(),
            last: seat.last.clone(),
            troubles: seat.troubles.clone(),
            latency: seat.judge.percentiles(),
        };
        self.seats(|seats| seats.iter().map(status).collect())
    }

    fn seats<T>(&self, of: impl FnOnce(&mut Vec<Seat>) -> T) -> T {
        // A judge that broke has not judged: what stands there is what it was before.
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks until `stop` is cancelled or nobody listens any more. `seed`: from which the jitter comes.
///
/// A change that finds the channel full is told with the probe's next answer, unless it has changed again.
pub async fn run(board: &Board, asker: Asker, seed: u64, changes: mpsc::Sender<Change>, stop: CancellationToken) {
    let mut asking =
        Asking { board, asker, changes, chance: Chance(seed), due: BinaryHeap::new(), under_way: HashMap::new() };
    let mut tasks = JoinSet::new();
    asking.begin(Instant::now());
    loop {
        let next = asking.due.peek().map(|Reverse(due)| tokio::time::Instant::from_std(due.at));
        let waits = next.filter(|_| tasks.len() < IN_FLIGHT_MAX);
        let due = async {
            match waits {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                if asking.take(ended, Instant::now()).is_err() {
                    return;
                }
            }
            () = due => asking.ask(&mut tasks, Instant::now()),
        }
    }
}

struct Asking<'a> {
    board: &'a Board,
    asker: Asker,
    changes: mpsc::Sender<Change>,
    chance: Chance,
    due: BinaryHeap<Reverse<Due>>,
    /// By their tasks, the probes that are asked, and whose turn it was since when.
    under_way: HashMap<Id, (usize, Instant)>,
}

/// When a probe is asked next. Ordered by the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    /// The same without the jitter, which is not to shift the rhythm.
    turn: Instant,
    probe: usize,
}

/// Nobody listens.
struct Gone;

impl Asking<'_> {
    /// The first round is spread over each probe's own interval.
    fn begin(&mut self, now: Instant) {
        let every: Vec<Duration> = self.board.seats(|seats| seats.iter().map(|seat| seat.every).collect());
        for (probe, every) in every.into_iter().enumerate() {
            let at = now + self.chance.up_to(every);
            self.due.push(Reverse(Due { at, turn: at, probe }));
        }
    }

    fn ask(&mut self, tasks: &mut JoinSet<Answer>, now: Instant) {
        while tasks.len() < IN_FLIGHT_MAX {
            let Some(due) = self.due.peek_mut().filter(|due| due.0.at <= now) else { return };
            let Due { turn, probe, .. } = PeekMut::pop(due).0;
            let (asked, asker) = (self.board.seats(|seats| Arc::clone(&seats[probe].probe)), self.asker.clone());
            let task = tasks.spawn(async move { asked.ask(&asker).await });
            self.under_way.insert(task.id(), (probe, turn));
        }
    }

    fn take(&mut self, ended: Result<(Id, Answer), JoinError>, now: Instant) -> Result<(), Gone> {
        let (id, answer) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Trouble::Unaskable { why: "the probe itself broke".to_owned() }.into()),
        };
        let Some((probe, turn)) = self.under_way.remove(&id) else { return Ok(()) };
        let changes = &self.changes;
        let (told, every, jitter) = self.board.seats(|seats| {
            let seat = &mut seats[probe];
            (seat.take(answer, now, changes), seat.every, seat.jitter)
        });
        let turn = next_turn(turn, every, now);
        self.due.push(Reverse(Due { at: turn + self.chance.up_to(jitter), turn, probe }));
        told
    }
}

impl Seat {
    fn take(&mut self, answer: Answer, now: Instant, changes: &mpsc::Sender<Change>) -> Result<(), Gone> {
        let turn = self.judge.take(now, &answer);
        match &turn {
            Some(Turn::Failed(troubles) | Turn::FailedOtherwise(troubles)) => self.troubles.clone_from(troubles),
            Some(Turn::Passed | Turn::Recovered) => self.troubles.clear(),
            None => {}
        }
        let turn = turn.or(self.untold.take());
        self.last = Some((now, answer));
        let Some(turn) = turn else { return Ok(()) };
        match changes.try_send(Change { name: self.name.clone(), turn }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(change)) => {
                self.untold = Some(change.turn);
                Ok(())
            }
            Err(TrySendError::Closed(_)) => Err(Gone),
        }
    }
}

/// In the rhythm of the last turn; what should have been meanwhile is left out.
fn next_turn(last: Instant, every: Duration, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(last).as_nanos() / every.as_nanos().max(1);
    let rounds = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
    last.checked_add(every.saturating_mul(rounds)).unwrap_or(now + every)
}

/// Numbers that spread, from a seed: splitmix64. They need not be secret.
struct Chance(u64);

impl Chance {
    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let most_us = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(mixed.checked_rem(most_us).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_turn_keeps_the_rhythm_and_makes_up_for_nothing() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let table: [(&str, u32, u32); 4] =
            [("at once", 0, 10), ("after a while", 3, 10), ("after its own interval", 10, 20), ("late", 35, 40)];
        for (case, answered_s, expect_s) in table {
            let next = next_turn(start, 10 * second, start + answered_s * second);
            assert_eq!(next, start + expect_s * second, "{case}");
        }
    }

    #[test]
    fn chance_spreads_over_the_interval_and_repeats_by_its_seed() {
        let drawn = |seed| -> Vec<Duration> {
            let mut chance = Chance(seed);
            (0..1000).map(|_| chance.up_to(Duration::from_secs(10))).collect()
        };
        let spread = drawn(1);
        let in_second = |second| spread.iter().filter(|time| time.as_secs() == second).count();
        assert!((0..10).all(|second| (60..140).contains(&in_second(second))), "{spread:?}");
        assert_eq!((drawn(1) == spread, drawn(2) == spread), (true, false));
        assert_eq!(Chance(1).up_to(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_change_without_a_place_is_told_with_the_next_answer() {
        let (sender, mut changes) = mpsc::channel(1);
        let probe = Probe { question: crate::Question::Tcp("db:1".to_owned()), timeout: Duration::from_secs(1) };
        let rule = Rule::new(1, 1, 1).unwrap();
        let (every, jitter) = (Duration::from_secs(1), Duration::ZERO);
        let watch = |name: &str| Watch { name: name.to_owned(), probe: probe.clone(), every, jitter, rule };
        let board = Board::of(vec![watch("one"), watch("two")]);
        let take = |at: usize| board.seats(|seats| seats[at].take(Answer::default(), Instant::now(), &sender).is_ok());
        assert!(take(0) && take(1));
        assert_eq!(changes.try_recv().map(|change| change.name.to_string()), Ok("one".to_owned()));
        assert!(changes.try_recv().is_err());
        assert!(take(1));
        assert_eq!(changes.try_recv(), Ok(Change { name: "two".into(), turn: Turn::Passed }));
        drop(changes);
        assert!(take(0), "nothing to tell");
    }
}
