//! The questions that the surfaces ask of the engine, and the one place where they meet it.

use std::time::{Duration, Instant};

use engine::Engine;
use engine::view::{self, Subject};
use model::Now;
use model::command::{Ask, CommandId, Reply};
use model::event::Entry;
use model::view::{Alert, Incident, Line, Source, Status, Why};
use runtime::{Closed, Handle};

/// An answer, and what it cost the loop.
pub(crate) type Answer<T> = Result<(T, Duration), Closed>;

/// Who answers.
#[derive(Clone)]
pub(crate) enum Mind {
    /// The loop, between two of its steps.
    Loop(Handle),
    /// Fixed answers, so that what HTTP does can be tried without an engine.
    #[cfg(test)]
    Fixed(std::sync::Arc<crate::tests::Fixed>),
}

impl Mind {
    pub(crate) async fn status(&self) -> Answer<Status> {
        match self {
            Mind::Loop(handle) => timed(handle, view::status).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok((fixed.status().await?, Duration::ZERO)),
        }
    }

    /// Less than the status, and cheap however much is watched.
    pub(crate) async fn sources(&self) -> Answer<Vec<Source>> {
        match self {
            Mind::Loop(handle) => timed(handle, |engine, _| view::sources(engine)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok((fixed.status().await?.sources, Duration::ZERO)),
        }
    }

    pub(crate) async fn incidents(&self) -> Answer<Vec<Incident>> {
        match self {
            Mind::Loop(handle) => timed(handle, view::incidents).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok((fixed.incidents.clone(), Duration::ZERO)),
        }
    }

    pub(crate) async fn alerts(&self) -> Answer<Vec<Alert>> {
        match self {
            Mind::Loop(handle) => timed(handle, |engine, _| view::alerts(engine)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok((fixed.alerts.clone(), Duration::ZERO)),
        }
    }

    pub(crate) async fn subject(&self, words: String) -> Answer<Option<Subject>> {
        match self {
            Mind::Loop(handle) => timed(handle, move |engine, _| view::subject(engine, &words)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok((fixed.subject(&words), Duration::ZERO)),
        }
    }

    pub(crate) async fn why(&self, subject: Subject, entries: Vec<Entry>) -> Answer<Why> {
        match self {
            Mind::Loop(handle) => timed(handle, move |engine, now| view::why(engine, &subject, &entries, now)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok((fixed.why(&subject, &entries), Duration::ZERO)),
        }
    }

    pub(crate) async fn command(&self, id: CommandId, who: String, ask: Ask) -> Result<Reply, Closed> {
        match self {
            Mind::Loop(handle) => handle.command(id, who, ask).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.command(id, who, ask)),
        }
    }

    /// Entries in words. Needs no state, and so no loop.
    pub(crate) fn lines(&self, entries: &[Entry]) -> Vec<Line> {
        match self {
            Mind::Loop(_) => view::lines(entries),
            #[cfg(test)]
            Mind::Fixed(_) => crate::tests::Fixed::lines(entries),
        }
    }
}

/// Asks the loop, and takes the time that the answer takes there.
async fn timed<T: Send + 'static>(
    handle: &Handle,
    question: impl FnOnce(&Engine, Now) -> T + Send + 'static,
) -> Answer<T> {
    let measured = move |engine: &Engine, now: Now| {
        let began = Instant::now();
        let answer = question(engine, now);
        (answer, began.elapsed())
    };
    handle.ask(measured).await
}
