//! What every surface holds of the house behind it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::view::Status;
use runtime::{Closed, Handle};
use store::Room;
use tokio::sync::{Semaphore, watch};

use crate::answer::Problem;
use crate::metrics::Metrics;
use crate::mind::Mind;

/// How many questions may wait for the loop at the same time: more would delay its steps.
const QUESTIONS_MAX: usize = 4;

/// A loop that answers within this is alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);

/// What the surfaces are given. Cheap to clone; clones are the same house.
#[derive(Clone)]
pub struct House(Arc<Inner>);

struct Inner {
    mind: Mind,
    state_dir: PathBuf,
    room: watch::Receiver<Room>,
    metrics: Metrics,
    questions: Semaphore,
    /// The sources whose first listing was seen to be complete.
    listed: Mutex<BTreeSet<String>>,
}

impl House {
    /// The house around a running loop. Counters begin with what the journal holds from here on.
    #[must_use]
    pub fn new(handle: Handle, state_dir: PathBuf, room: watch::Receiver<Room>) -> House {
        House::around(Mind::Loop(handle), state_dir, room)
    }

    pub(crate) fn around(mind: Mind, state_dir: PathBuf, room: watch::Receiver<Room>) -> House {
        let metrics = Metrics::from_here_on(&state_dir);
        let questions = Semaphore::new(QUESTIONS_MAX);
        House(Arc::new(Inner { mind, state_dir, room, metrics, questions, listed: Mutex::default() }))
    }

    /// The engine, as soon as it is this question's turn.
    pub(crate) async fn ask<T, F>(&self, question: impl FnOnce(Mind) -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Closed>>,
    {
        let _turn = self.0.questions.acquire().await.map_err(|_| Closed)?;
        Ok(question(self.0.mind.clone()).await?)
    }

    pub(crate) async fn status(&self) -> Result<Status, Problem> {
        self.ask(|mind| async move { mind.status().await }).await
    }

    pub(crate) fn mind(&self) -> &Mind {
        &self.0.mind
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Reads the journal beside the loop, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&store::Reader) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let state_dir = self.0.state_dir.clone();
        let done =
            tokio::task::spawn_blocking(move || store::Reader::open(&state_dir).and_then(|reader| read(&reader)));
        match done.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "reading the journal failed")),
        }
    }

    /// What keeps healer from its work; empty when it is ready.
    pub(crate) async fn unready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match tokio::time::timeout(ALIVE_WITHIN, self.0.mind.status()).await {
            Err(_) => reasons.push(format!("the loop has not answered within {} s", ALIVE_WITHIN.as_secs())),
            Ok(Err(closed)) => reasons.push(closed.to_string()),
            Ok(Ok(status)) => reasons.extend(self.unlisted(&status)),
        }
        match *self.0.room.borrow() {
            Room::Ample => {}
            Room::ReserveUsed => reasons.push("the disk under state_dir is nearly full: make room".to_owned()),
            Room::Full => reasons.push("the journal cannot be written, healer only watches: make room".to_owned()),
            Room::Unwritable => {
                reasons.push("the journal cannot be written, healer only watches: its log says why".to_owned());
            }
        }
        reasons
    }

    /// The sources that were never seen whole. One that was, and is lost, is the status's to tell: healer is at work.
    fn unlisted(&self, status: &Status) -> Vec<String> {
        let mut listed = self.0.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.extend(status.sources.iter().filter(|source| source.well).map(|source| source.name.clone()));
        let waits = |source: &&model::view::Source| !listed.contains(&source.name);
        let told = |source: &model::view::Source| match source.because.as_str() {
            "" => format!("{} is not fully listed yet", source.name),
            because => format!("{} is not fully listed yet: {because}", source.name),
        };
        status.sources.iter().filter(waits).map(told).collect()
    }
}
