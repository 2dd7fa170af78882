//! What the rest of the process holds of the loop: ways in for inputs, and a way to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use engine::Engine;
use model::Now;
use model::command::{Ask, Command, CommandId, Reply};
use model::input::Input;
use tokio::sync::oneshot;

/// Observations that may wait for the loop; one more is refused, and its source looks at everything anew.
const OBSERVATIONS_WAITING_MAX: usize = 16_384;

/// A question to the engine, answered on the loop's thread between two steps: always a committed state.
pub(crate) type Query = Box<dyn FnOnce(&Engine, Now) + Send>;

/// The loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("healer is shutting down")]
pub struct Closed;

/// The loop cannot take more observations at present: look at everything anew, later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the loop is behind")]
pub struct Overflow;

/// What reaches the loop from other threads.
pub(crate) enum Arrival {
    /// From a source; counted.
    Observed(Input),
    /// From anybody else.
    Input(Input),
    /// A question.
    Asked(Query),
    /// A command, with where its reply goes.
    Commanded(Command, oneshot::Sender<Reply>),
    /// End in order.
    End,
}

/// A way into the loop. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    arrivals: mpsc::Sender<Arrival>,
    observed: Arc<AtomicUsize>,
}

impl Handle {
    pub(crate) fn new() -> (Handle, mpsc::Receiver<Arrival>) {
        let (arrivals, inbox) = mpsc::channel();
        (Handle { arrivals, observed: Arc::default() }, inbox)
    }

    /// A source saw something. Never waits.
    ///
    /// # Errors
    /// When too much waits already.
    pub fn observe(&self, input: Input) -> Result<(), Overflow> {
        if self.observed.fetch_add(1, Ordering::Relaxed) >= OBSERVATIONS_WAITING_MAX {
            self.observed.fetch_sub(1, Ordering::Relaxed);
            return Err(Overflow);
        }
        // After the loop's end nobody needs to know.
        let _ = self.arrivals.send(Arrival::Observed(input));
        Ok(())
    }

    /// So many observations were handled.
    pub(crate) fn observed(&self, handled: usize) {
        self.observed.fetch_sub(handled, Ordering::Relaxed);
    }

    /// A performer, a channel or the configuration has something to say: never refused.
    pub fn tell(&self, input: Input) {
        let _ = self.arrivals.send(Arrival::Input(input));
    }

    /// Asks the engine something.
    ///
    /// # Errors
    /// When the loop has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, Now) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (answer, answered) = oneshot::channel();
        let query: Query = Box::new(move |engine, now| {
            // Whoever asked may have gone away: then nobody needs the answer.
            let _ = answer.send(question(engine, now));
        });
        self.arrivals.send(Arrival::Asked(query)).map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Gives a person's command and waits for healer's reply.
    ///
    /// # Errors
    /// When the loop has ended.
    pub async fn command(&self, id: CommandId, who: String, ask: Ask) -> Result<Reply, Closed> {
        let (answer, answered) = oneshot::channel();
        self.arrivals.send(Arrival::Commanded(Command { id, who, ask }, answer)).map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Asks the loop to end in order.
    pub fn end(&self) {
        let _ = self.arrivals.send(Arrival::End);
    }
}
