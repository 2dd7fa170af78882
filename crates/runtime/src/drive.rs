//! Gives the loop a thread, the real clocks and an inbox.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use model::command::{CommandId, Reply};
use model::input::{Effect, Input};
use store::Journal;
use tokio::sync::oneshot;

use crate::handle::Arrival;
use crate::{Clock, Handle, Loop, Perform, Stepped};

/// The loop wakes at least this often, so that a jump of the wall clock is seen.
const WAKE_EVERY: Duration = Duration::from_secs(10);
/// Arrivals that are taken before the next step.
const TAKEN_MAX: usize = 256;

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
            effect @ (Effect::Look { .. } | Effect::Gather { .. } | Effect::Execute(_) | Effect::Send(_)) => {
                self.inner.perform(effect);
            }
        }
    }
}

/// Makes the way into a loop, before there is one: sources and surfaces hold the handle.
#[must_use]
pub fn inbox() -> (Handle, Inbox) {
    let (handle, arrivals) = Handle::new();
    (handle.clone(), Inbox { handle, arrivals })
}

/// The loop's side of a [`Handle`].
pub struct Inbox {
    handle: Handle,
    arrivals: mpsc::Receiver<Arrival>,
}

/// Runs the loop on this thread until it is asked to end, or another healer takes the lead.
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
    loop {
        let wait = turning.next_deadline().map_or(WAKE_EVERY, |due| due.since(clock.now().tick)).min(WAKE_EVERY);
        let mut arrived = inbox.arrivals.recv_timeout(wait).ok();
        let mut taken = 0;
        let mut ends = false;
        while let Some(arrival) = arrived {
            taken_observations += usize::from(matches!(arrival, Arrival::Observed(_)));
            ends |= take(&mut turning, arrival, &clock);
            taken += 1;
            arrived = if taken < TAKEN_MAX { inbox.arrivals.try_recv().ok() } else { None };
        }
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

fn take<J: Journal, P: Perform>(turning: &mut Loop<J, Driver<P>>, arrival: Arrival, clock: &Clock) -> bool {
    match arrival {
        Arrival::Observed(input) | Arrival::Input(input) => turning.push(input),
        Arrival::Asked(question) => question(turning.engine(), clock.now()),
        Arrival::Commanded(command, asker) => {
            turning.performers().replies.entry(command.id.clone()).or_default().push(asker);
            turning.push(Input::Commanded(command));
        }
        Arrival::End => return true,
    }
    false
}
