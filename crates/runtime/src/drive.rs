//! Gives the loop a thread, the real clocks and an inbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::command::{CommandId, Reply};
use model::input::{Effect, Input};
use store::Journal;
use tokio::sync::oneshot;

use crate::inbox::{Arrival, Next, Queue};
use crate::{Clock, Handle, Loop, Perform, Stepped};

/// The loop wakes at least this often, so that a jump of the wall clock is seen.
const WAKE_EVERY: Duration = Duration::from_secs(10);

/// Performers, with the replies to persons taken out: those go back to whoever waits for them.
pub struct Driver<P> {
    inner: P,
    /// The same command may be asked twice at once: both are answered.
    replies: BTreeMap<CommandId, Vec<oneshot::Sender<Reply>>>,
}

impl<P> Driver<P> {
    /// Around these performers.
    pub fn new(inner: P) -> Driver<P> {
        Driver { inner, replies: BTreeMap::new() }
    }
}

impl<P: Perform> Perform for Driver<P> {
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Answer(reply) => {
                for asker in self.replies.remove(&reply.id).unwrap_or_default() {
                    let _ = asker.send(reply.clone());
                }
            }
            effect @ (Effect::Look { .. }
            | Effect::Gather { .. }
            | Effect::Execute(_)
            | Effect::BringUp(_)
            | Effect::CallOff(_)
            | Effect::Fetch(_)
            | Effect::Send(_)) => {
                self.inner.perform(effect);
            }
        }
    }
}

/// Makes the way into a loop, before there is one: sources and surfaces hold the handle.
#[must_use]
pub fn inbox() -> (Handle, Inbox) {
    let queue = Arc::new(Queue::new());
    let handle = Handle::new(Arc::clone(&queue));
    (handle.clone(), Inbox { handle, queue })
}

/// The loop's side of a [`Handle`]. Once it is dropped, whoever asks is told that there is no loop.
pub struct Inbox {
    handle: Handle,
    queue: Arc<Queue>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Runs the loop on this thread until it is asked to end. Where another healer has taken the lead it goes on and decides
/// nothing: it answers questions, and tells persons that their commands were not taken.
///
/// # Errors
/// When the journal cannot be written at the end.
pub fn drive<J: Journal, P: Perform>(
    mut turning: Loop<J, Driver<P>>,
    inbox: &Inbox,
    mut clock: Clock,
) -> Result<(), store::Error> {
    // Observations that were taken and are not handled yet: while the store is stuck they still count as waiting, so that
    // a source learns that the loop is behind.
    let mut taken_observations = 0;
    let mut stepped = Instant::now();
    loop {
        let due = turning.next_deadline().map_or(WAKE_EVERY, |due| due.since(clock.now().tick));
        let mut ends = false;
        match inbox.queue.next((Instant::now() + due).min(stepped + WAKE_EVERY)) {
            Next::Question(kind, question) => {
                let began = Instant::now();
                question(turning.engine(), clock.now());
                inbox.queue.answered(kind, began.elapsed());
                continue;
            }
            Next::Arrivals(arrivals) => {
                for arrival in arrivals {
                    taken_observations += usize::from(matches!(arrival, Arrival::Observed(_)));
                    ends |= take(&mut turning, arrival);
                }
            }
            Next::Time => {}
        }
        stepped = Instant::now();
        if let Some(by_ms) = clock.jumped_ms() {
            turning.push(Input::ClockJumped { by_ms });
        }
        loop {
            match turning.step(clock.now()) {
                Stepped::More => {}
                Stepped::Stuck => break,
                Stepped::Idle => {
                    inbox.handle.observed(std::mem::take(&mut taken_observations));
                    break;
                }
                Stepped::Deposed => tracing::error!("another healer has taken the lead: this one only watches"),
            }
            if !turning.engine().leads() {
                break;
            }
        }
        if ends {
            return if turning.engine().leads() { turning.end(clock.now()) } else { Ok(()) };
        }
    }
}

fn take<J: Journal, P: Perform>(turning: &mut Loop<J, Driver<P>>, arrival: Arrival) -> bool {
    match arrival {
        Arrival::Observed(input) | Arrival::Input(input) => turning.push(input),
        Arrival::Commanded(command, asker) => {
            turning.performers().replies.entry(command.id.clone()).or_default().push(asker);
            turning.push(Input::Commanded(command));
        }
        Arrival::End => return true,
    }
    false
}

#[cfg(test)]
mod tests;
