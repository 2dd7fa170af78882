//! The questions that the surfaces ask of the engine, and the one place where they meet it.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::Engine;
use engine::view::{self, Sight, Subject, Unclear};
use model::ResourceId;
use model::command::{Ask, CommandId, Reply, ReplyLine};
use model::event::Entry;
use model::incident::IncidentId;
use model::policy::Row;
use model::view::{Alert, Explanation, Incident, Line, Question, Source, Status, Why};
use runtime::{Closed, Handle};
use tokio::time::timeout;

/// A stop may take as long as its service wants. Who asked for it is kept waiting for so long, and then told that it goes
/// on: longer than the ten seconds that a service has to end by default.
const REPLIES_WITHIN: Duration = Duration::from_secs(15);
const UNDER_WAY: &str = "taken, and still under way: `healer status` tells how it stands";
const NOT_TAKEN_YET: &str = "healer is busy, and has not taken it up yet; it may still: see `healer status`";

/// An answer, unless the loop has ended.
pub(crate) type Answer<T> = Result<T, Closed>;

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
            Mind::Loop(handle) => handle.ask(view::status).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => fixed.status().await,
        }
    }

    /// Less than the status, and cheap however much is watched: whoever asks whether healer is alive shall not be told that
    /// it is not because others ask much.
    pub(crate) async fn sources(&self) -> Answer<Vec<Source>> {
        match self {
            Mind::Loop(handle) => handle.glance(|engine, _| view::sources(engine)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.status().await?.sources),
        }
    }

    pub(crate) async fn incidents(&self) -> Answer<Vec<Incident>> {
        match self {
            Mind::Loop(handle) => handle.ask(view::incidents).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.incidents.clone()),
        }
    }

    pub(crate) async fn alerts(&self) -> Answer<Vec<Alert>> {
        match self {
            Mind::Loop(handle) => handle.ask(|engine, _| view::alerts(engine)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.alerts.clone()),
        }
    }

    pub(crate) async fn subject(&self, words: String) -> Answer<Result<Subject, Unclear>> {
        match self {
            Mind::Loop(handle) => handle.ask(move |engine, _| view::subject(engine, &words)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.subject(&words)),
        }
    }

    /// Of a deployment that has a directory and no containers.
    pub(crate) async fn why_empty(&self, words: String) -> Answer<Option<Why>> {
        match self {
            Mind::Loop(handle) => handle.ask(move |engine, _| view::why_empty(engine, &words)).await,
            #[cfg(test)]
            Mind::Fixed(_) => Ok(None),
        }
    }

    pub(crate) async fn why(&self, subject: Subject, entries: Vec<Entry>) -> Answer<Why> {
        match self {
            Mind::Loop(handle) => handle.ask(move |engine, now| view::why(engine, &subject, &entries, now)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.why(&subject, &entries)),
        }
    }

    pub(crate) async fn policies(&self) -> Answer<Vec<Row>> {
        match self {
            Mind::Loop(handle) => handle.ask(|engine, _| view::policies(engine.settings())).await,
            #[cfg(test)]
            Mind::Fixed(_) => Ok(crate::tests::Fixed::policies()),
        }
    }

    /// `issue_type`: one that there is.
    pub(crate) async fn explain(&self, subject: Subject, issue_type: Option<String>) -> Answer<Vec<Explanation>> {
        match self {
            Mind::Loop(handle) => {
                let told = move |engine: &Engine, now| {
                    view::explain(engine, &subject, issue_type.as_deref(), Sight::Live, now)
                };
                handle.ask(told).await
            }
            #[cfg(test)]
            Mind::Fixed(_) => Ok(crate::tests::Fixed::explained(&subject, issue_type)),
        }
    }

    /// The last question that an incident put to a person.
    pub(crate) async fn question(&self, incident: IncidentId) -> Answer<Option<Question>> {
        match self {
            Mind::Loop(handle) => handle.ask(move |engine, now| view::question(engine, &incident, now)).await,
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.question(&incident)),
        }
    }

    pub(crate) async fn command(&self, id: CommandId, who: String, ask: Ask) -> Answer<Reply> {
        match self {
            Mind::Loop(handle) => match timeout(REPLIES_WITHIN, handle.command(id.clone(), who, ask)).await {
                Ok(reply) => reply,
                Err(_) => {
                    let known = id.clone();
                    let taken = handle.glance(move |engine, _| engine.state().commands.contains(&known)).await?;
                    let text = if taken { UNDER_WAY } else { NOT_TAKEN_YET };
                    let line = ReplyLine { resource: None, text: text.to_owned(), failed: !taken };
                    Ok(Reply { under_way: true, ..Reply::new(id, taken, vec![line]) })
                }
            },
            #[cfg(test)]
            Mind::Fixed(fixed) => Ok(fixed.command(id, who, ask)),
        }
    }

    /// Entries, the oldest first, in words. Needs no state, and so no loop.
    pub(crate) fn lines(&self, entries: &[Entry], resources: &BTreeMap<IncidentId, ResourceId>) -> Vec<Line> {
        match self {
            Mind::Loop(_) => view::lines_of(entries, resources),
            #[cfg(test)]
            Mind::Fixed(_) => crate::tests::Fixed::lines(entries),
        }
    }
}
