//! What every surface holds of the house behind it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::view::{Alert, Incident, Source, Status};
use runtime::{Closed, Handle};
use store::Room;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answer::Problem;
use crate::link::Key;
use crate::metrics::Metrics;
use crate::mind::{Answer, Mind};
use crate::shared::Shared;

/// A loop that answers within this is alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);

/// What the surfaces are given. Cheap to clone; clones are the same house.
#[derive(Clone)]
pub struct House(Arc<Inner>);

struct Inner {
    mind: Mind,
    links: Option<Key>,
    state_dir: PathBuf,
    room: watch::Receiver<Room>,
    metrics: Metrics,
    status: Shared<Status>,
    sources: Shared<Vec<Source>>,
    incidents: Shared<Vec<Incident>>,
    alerts: Shared<Vec<Alert>>,
    /// The sources whose first listing was seen to be complete.
    listed: Mutex<BTreeSet<String>>,
}

impl House {
    /// The house around a running loop. Counters begin with what the journal holds from here on.
    /// `links`: what signs the links in messages; without it none is honoured.
    #[must_use]
    pub fn new(handle: Handle, state_dir: PathBuf, room: watch::Receiver<Room>, links: Option<Key>) -> House {
        House::around(Mind::Loop(handle), state_dir, room, links)
    }

    pub(crate) fn around(mind: Mind, state_dir: PathBuf, room: watch::Receiver<Room>, links: Option<Key>) -> House {
        let metrics = Metrics::from_here_on(&state_dir);
        House(Arc::new(Inner {
            mind,
            links,
            state_dir,
            room,
            metrics,
            status: Shared::default(),
            sources: Shared::default(),
            incidents: Shared::default(),
            alerts: Shared::default(),
            listed: Mutex::default(),
        }))
    }

    /// Asks the engine.
    pub(crate) async fn ask<T, F>(&self, question: impl FnOnce(Mind) -> F) -> Result<T, Problem>
    where
        F: Future<Output = Answer<T>>,
    {
        Ok(question(self.0.mind.clone()).await?)
    }

    /// The same answer for all who wait for it.
    async fn share<T, F>(
        &self,
        picture: impl FnOnce(&Inner) -> &Shared<T>,
        question: impl FnOnce(Mind) -> F,
    ) -> Result<Arc<T>, Problem>
    where
        F: Future<Output = Answer<T>>,
    {
        let make = || {
            self.ask(|mind| async {
                let begun = Instant::now();
                question(mind).await.map(|answer| (begun, answer))
            })
        };
        picture(&self.0).get(make).await
    }

    pub(crate) async fn status(&self) -> Result<Arc<Status>, Problem> {
        self.share(|inner| &inner.status, |mind| async move { mind.status().await }).await
    }

    pub(crate) async fn incidents(&self) -> Result<Arc<Vec<Incident>>, Problem> {
        self.share(|inner| &inner.incidents, |mind| async move { mind.incidents().await }).await
    }

    pub(crate) async fn alerts(&self) -> Result<Arc<Vec<Alert>>, Problem> {
        self.share(|inner| &inner.alerts, |mind| async move { mind.alerts().await }).await
    }

    async fn sources(&self) -> Result<Arc<Vec<Source>>, Closed> {
        let mind = &self.0.mind;
        let make = || async {
            let begun = Instant::now();
            mind.sources().await.map(|sources| (begun, sources))
        };
        self.0.sources.get(make).await
    }

    pub(crate) fn mind(&self) -> &Mind {
        &self.0.mind
    }

    pub(crate) fn links(&self) -> Option<&Key> {
        self.0.links.as_ref()
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
        match tokio::time::timeout(ALIVE_WITHIN, self.sources()).await {
            Err(_) => reasons.push(format!("the loop has not answered within {} s", ALIVE_WITHIN.as_secs())),
            Ok(Err(closed)) => reasons.push(closed.to_string()),
            Ok(Ok(sources)) => reasons.extend(self.unlisted(&sources)),
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
    fn unlisted(&self, sources: &[Source]) -> Vec<String> {
        let mut listed = self.0.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.extend(sources.iter().filter(|source| source.well).map(|source| source.name.clone()));
        let waits = |source: &&Source| !listed.contains(&source.name);
        let told = |source: &Source| match source.because.as_str() {
            "" => format!("{} is not fully listed yet", source.name),
            because => format!("{} is not fully listed yet: {because}", source.name),
        };
        sources.iter().filter(waits).map(told).collect()
    }
}
