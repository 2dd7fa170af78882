//! What waits for the loop: inputs and commands in the order in which they came, and behind them the questions.
//!
//! A question is answered on the loop's thread, so what it costs is taken from healer's work. Whoever asks, however many,
//! and whether they stay to hear the answer: all questions together take at most a tenth of the loop's time, since each
//! is followed by a [`Rest`]. Inputs come first: one waits for an answer that was begun, or for one to a question that has
//! waited long. A question whose asker has gone is not answered.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::Engine;
use model::Now;
use model::command::{Command, Reply};
use model::input::Input;
use tokio::sync::{Semaphore, oneshot};

use crate::handle::Closed;

/// Arrivals that are taken before the next step.
const TAKEN_MAX: usize = 256;
/// Questions of one kind that wait; whoever asks one more waits for a place.
const QUESTIONS_WAITING_MAX: usize = 64;
/// A question that has waited for so long is answered between two steps even though inputs wait: a storm of them shall not
/// make healer mute.
const PATIENCE: Duration = Duration::from_millis(500);
/// No answer takes half a minute. What seems to tells of a process that was stopped and continued: the rest after it ends
/// all the same.
const REST_MAX: Duration = Duration::from_secs(300);

/// What reaches the loop from other threads.
pub(crate) enum Arrival {
    /// From a source; counted.
    Observed(Input),
    /// From anybody else.
    Input(Input),
    /// A command, with where its reply goes.
    Commanded(Command, oneshot::Sender<Reply>),
    /// End in order.
    End,
}

/// How much a question may cost, and so how long the loop rests from its kind: together a tenth of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Next to nothing, such as whether all is well: has a hundred-and-tenth of the time for itself, so that no other
    /// question can keep it waiting.
    Glance,
    /// Whatever its answer takes: an eleventh of the time.
    Whole,
}

const KINDS: [Kind; 2] = [Kind::Glance, Kind::Whole];

impl Kind {
    /// How many times what an answer took the loop rests after it.
    fn rests(self) -> u32 {
        match self {
            Kind::Glance => 109,
            Kind::Whole => 10,
        }
    }

    fn of<T>(self, [glance, whole]: &[T; 2]) -> &T {
        match self {
            Kind::Glance => glance,
            Kind::Whole => whole,
        }
    }

    fn of_mut<T>(self, [glance, whole]: &mut [T; 2]) -> &mut T {
        match self {
            Kind::Glance => glance,
            Kind::Whole => whole,
        }
    }
}

/// Until when no question of a kind is answered.
#[derive(Debug, Default)]
struct Rest([Option<Instant>; 2]);

impl Rest {
    /// An answer took so long, and is done at this moment.
    fn after(&mut self, kind: Kind, took: Duration, now: Instant) {
        *kind.of_mut(&mut self.0) = Some(now + took.saturating_mul(kind.rests()).min(REST_MAX));
    }

    /// How long this kind still rests.
    fn left(&self, kind: Kind, now: Instant) -> Duration {
        kind.of(&self.0).map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

/// Answers a question, unless its asker has gone: always from a committed state, on the loop's thread, between two steps.
pub(crate) type Query = Box<dyn FnOnce(&Engine, Now) + Send>;

/// What the loop is to do next.
pub(crate) enum Next {
    /// Take these, and step.
    Arrivals(Vec<Arrival>),
    /// Answer this, and tell what it took.
    Question(Kind, Query),
    /// Step: it is time.
    Time,
}

struct Question {
    /// By which its asker takes it back.
    number: u64,
    asked: Instant,
    query: Query,
}

#[derive(Default)]
struct Waiting {
    arrivals: VecDeque<Arrival>,
    questions: [VecDeque<Question>; 2],
    asked: u64,
    rest: Rest,
    closed: bool,
}

/// Both ends of the queue hold it.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    rung: Condvar,
    places: [Semaphore; 2],
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue {
            waiting: Mutex::default(),
            rung: Condvar::new(),
            places: KINDS.map(|_| Semaphore::new(QUESTIONS_WAITING_MAX)),
        }
    }

    /// Never waits.
    pub(crate) fn push(&self, arrival: Arrival) -> Result<(), Closed> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Closed);
        }
        waiting.arrivals.push_back(arrival);
        self.rung.notify_one();
        Ok(())
    }

    /// Waits for a place, and then for the answer. A question leaves the queue with its asker, so that only questions
    /// which somebody waits for hold a place.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Queue>,
        kind: Kind,
        question: impl FnOnce(&Engine, Now) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let _place = kind.of(&self.places).acquire().await.map_err(|_| Closed)?;
        let (answer, answered) = oneshot::channel();
        let query: Query = Box::new(move |engine, now| {
            if !answer.is_closed() {
                // It may have gone while the answer was made.
                let _ = answer.send(question(engine, now));
            }
        });
        let _asker = self.put(kind, query)?;
        answered.await.map_err(|_| Closed)
    }

    fn put(self: &Arc<Queue>, kind: Kind, query: Query) -> Result<Asker, Closed> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Closed);
        }
        waiting.asked += 1;
        let (number, asked) = (waiting.asked, Instant::now());
        kind.of_mut(&mut waiting.questions).push_back(Question { number, asked, query });
        // At the end of a rest the loop looks by itself: those who ask and hang up do not even wake it.
        if waiting.rest.left(kind, asked).is_zero() {
            self.rung.notify_one();
        }
        Ok(Asker { queue: Arc::clone(self), kind, number })
    }

    /// What is to be done next, at the latest at this moment. Inputs and commands come first, then the time, then one
    /// question.
    pub(crate) fn next(&self, at: Instant) -> Next {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            if let Some((kind, question)) = waiting.question(now, PATIENCE) {
                return Next::Question(kind, question);
            }
            if !waiting.arrivals.is_empty() {
                let taken = waiting.arrivals.len().min(TAKEN_MAX);
                return Next::Arrivals(waiting.arrivals.drain(..taken).collect());
            }
            if now >= at {
                return Next::Time;
            }
            if let Some((kind, question)) = waiting.question(now, Duration::ZERO) {
                return Next::Question(kind, question);
            }
            let rests = KINDS.map(|kind| waiting.rest.left(kind, now));
            let wait = rests.into_iter().filter(|left| !left.is_zero()).fold(at - now, Duration::min);
            // A panic elsewhere leaves the queue whole: each of its changes is one push or one removal.
            waiting =
                self.rung.wait_timeout(waiting, wait).map_or_else(|poisoned| poisoned.into_inner().0, |(it, _)| it);
        }
    }

    /// An answer took so long.
    pub(crate) fn answered(&self, kind: Kind, took: Duration) {
        self.lock().rest.after(kind, took, Instant::now());
    }

    /// The loop has ended: whoever waits is told so.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let left = (std::mem::take(&mut waiting.arrivals), std::mem::take(&mut waiting.questions));
        drop(waiting);
        self.places.iter().for_each(Semaphore::close);
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// A question whose kind has rested, and that has waited for so long.
    fn question(&mut self, now: Instant, waited: Duration) -> Option<(Kind, Query)> {
        let due = |kind: &Kind| {
            let first = kind.of(&self.questions).front();
            first.is_some_and(|first| now.saturating_duration_since(first.asked) >= waited)
                && self.rest.left(*kind, now).is_zero()
        };
        let kind = KINDS.into_iter().find(due)?;
        Some((kind, kind.of_mut(&mut self.questions).pop_front()?.query))
    }
}

/// Whoever waits for an answer.
struct Asker {
    queue: Arc<Queue>,
    kind: Kind,
    number: u64,
}

impl Drop for Asker {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        let questions = self.kind.of_mut(&mut waiting.questions);
        let left = questions.iter().position(|question| question.number == self.number);
        let taken_back = left.and_then(|at| questions.remove(at));
        drop(waiting);
        drop(taken_back);
    }
}

#[cfg(test)]
mod tests;
