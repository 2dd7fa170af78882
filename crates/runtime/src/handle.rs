//! What the rest of the process holds of the loop: ways in for inputs, and a way to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::Engine;
use model::Now;
use model::command::{Ask, Command, CommandId, Reply};
use model::input::Input;
use tokio::sync::oneshot;

use crate::inbox::{Arrival, Kind, Queue};

/// Observations that may wait for the loop; one more is refused, and its source looks at everything anew.
const OBSERVATIONS_WAITING_MAX: usize = 16_384;

/// The loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("healer is shutting down")]
pub struct Closed;

/// The loop cannot take more observations at present: look at everything anew, later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the loop is behind")]
pub struct Overflow;

/// A way into the loop. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    queue: Arc<Queue>,
    observed: Arc<AtomicUsize>,
}

impl Handle {
    pub(crate) fn new(queue: Arc<Queue>) -> Handle {
        Handle { queue, observed: Arc::default() }
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
        let _ = self.queue.push(Arrival::Observed(input));
        Ok(())
    }

    /// So many observations were handled.
    pub(crate) fn observed(&self, handled: usize) {
        self.observed.fetch_sub(handled, Ordering::Relaxed);
    }

    /// A performer, a channel or the configuration has something to say: never refused.
    pub fn tell(&self, input: Input) {
        let _ = self.queue.push(Arrival::Input(input));
    }

    /// Asks the engine something, in a committed state between two steps. What is asked costs the loop time: inputs and
    /// commands come first, and all questions together get at most a tenth of the loop's time. To stop waiting takes the
    /// question back.
    ///
    /// # Errors
    /// When the loop has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, Now) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        self.queue.ask(Kind::Whole, question).await
    }

    /// The same for a question whose answer takes next to nothing: it does not wait for those that take longer, and its
    /// own share of the loop's time is a tenth of theirs.
    ///
    /// # Errors
    /// When the loop has ended.
    pub async fn glance<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, Now) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        self.queue.ask(Kind::Glance, question).await
    }

    /// Gives a person's command and waits for healer's reply.
    ///
    /// # Errors
    /// When the loop has ended.
    pub async fn command(&self, id: CommandId, who: String, ask: Ask) -> Result<Reply, Closed> {
        let (answer, answered) = oneshot::channel();
        self.queue.push(Arrival::Commanded(Command { id, who, ask }, answer))?;
        answered.await.map_err(|_| Closed)
    }

    /// Asks the loop to end in order.
    pub fn end(&self) {
        let _ = self.queue.push(Arrival::End);
    }
}
