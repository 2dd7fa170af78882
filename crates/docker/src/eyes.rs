//! Watches one engine for as long as the process lives, and says what it sees.
//!
//! ```text
//! connect, agree on a version → subscribe → Opened → list, look at each → Listed → events, looks, listings …
//!      ↑                                                                                        │
//!      └──────────── wait 100 ms … 5 s ←────────── Lost ←── the stream ended, or events were lost ──┘
//! ```
//!
//! A source never waits for the loop: the sink takes an input or says that it is full. Then facts are lost, which is
//! the same as a broken stream: a new connection begins with a full listing.

mod reader;
mod session;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use model::fact::Generation;
use model::input::{Input, Report, SourceState};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::host::Host;
use session::Session;

/// The sink took nothing: it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// Eyes on one engine.
pub struct Eyes {
    host: Host,
    relist: Duration,
}

/// The first and the longest wait before connecting again.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// An engine that takes a connection and does not answer is said to be starting after this time.
const SLOW: Duration = Duration::from_secs(5);
/// How long a report that must not be lost waits before it is offered to a full sink again.
const OFFER_AGAIN: Duration = Duration::from_millis(50);
/// No listing comes sooner after the last than this, whatever the setting says.
const RELIST_MIN: Duration = Duration::from_secs(1);

impl Eyes {
    /// Eyes on the engine that `host` is, which list everything anew every `relist`.
    #[must_use]
    pub fn new(host: Host, relist: Duration) -> Eyes {
        Eyes { host, relist: relist.max(RELIST_MIN) }
    }

    /// Watches until it is cancelled. What is seen is pushed into `sink`, which must not block.
    pub async fn run<S>(self, sink: S, cancel: CancellationToken)
    where
        S: Fn(Input) -> Result<(), Overflow> + Send + Sync,
    {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            () = self.watch(&sink) => {}
        }
    }

    /// Never ends.
    async fn watch<S>(&self, sink: &S)
    where
        S: Fn(Input) -> Result<(), Overflow> + Send + Sync,
    {
        let voice = Voice { source: self.host.name(), sink };
        let mut said = None;
        let mut wait = WAIT_MIN;
        loop {
            match self.open(&voice, &mut said).await {
                Ok((generation, events)) => {
                    said = None;
                    let session = Session::new(&self.host, generation, self.relist, &voice);
                    let end = Box::pin(session.run(events)).await;
                    tracing::info!(host = self.host.name(), because = %end.because, "the engine's event stream ended");
                    voice.insist(SourceState::Lost { generation }).await;
                    if end.listed {
                        wait = WAIT_MIN;
                    }
                }
                Err(e) => voice.unreachable(&mut said, e.to_string(), matches!(e, Error::Down(_))).await,
            }
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    async fn open<S>(
        &self,
        voice: &Voice<'_, S>,
        said: &mut Option<String>,
    ) -> Result<(Generation, crate::http::Reply), Error>
    where
        S: Fn(Input) -> Result<(), Overflow>,
    {
        let mut connecting = Box::pin(self.host.connect());
        match tokio::time::timeout(SLOW, &mut connecting).await {
            Ok(result) => result?,
            Err(_) => {
                let because = format!(
                    "{} takes connections and does not answer yet: it is starting, or stuck",
                    self.host.endpoint()
                );
                voice.unreachable(said, because, false).await;
                connecting.await?;
            }
        }
        let events = self.host.events().await?;
        let generation = self.host.next_generation();
        voice.insist(SourceState::Opened { generation }).await;
        Ok((generation, events))
    }
}

/// Speaks into the sink in the source's name.
struct Voice<'a, S> {
    source: &'a str,
    sink: &'a S,
}

impl<S> Voice<'_, S>
where
    S: Fn(Input) -> Result<(), Overflow>,
{
    fn push(&self, input: Input) -> Result<(), Overflow> {
        (self.sink)(input)
    }

    fn report(&self, state: SourceState) -> Input {
        Input::Source(Report { source: self.source.to_owned(), state })
    }

    /// Says what must not be lost, again and again until it is taken.
    async fn insist(&self, state: SourceState) {
        let report = self.report(state);
        while self.push(report.clone()).is_err() {
            tokio::time::sleep(OFFER_AGAIN).await;
        }
    }

    /// Says why the engine cannot be reached, if that was not said already.
    async fn unreachable(&self, said: &mut Option<String>, because: String, down: bool) {
        if said.as_ref() != Some(&because) {
            self.insist(SourceState::Unreachable { because: because.clone(), down }).await;
            *said = Some(because);
        }
    }
}

/// Between three quarters and five quarters of `wait`, so that healers of many hosts do not come in step.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 512;
    wait * 3 / 4 + wait * u32::try_from(random).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    #[test]
    fn waits_differ_and_stay_near_what_is_meant() {
        let waits: Vec<Duration> = (0..50).map(|_| jittered(WAIT_MAX)).collect();
        assert!(waits.iter().all(|wait| (WAIT_MAX * 3 / 4..=WAIT_MAX * 5 / 4).contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[tokio::test]
    async fn why_an_engine_cannot_be_reached_is_told_again_only_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let host = Host::new("h", Endpoint::Unix(path.clone()));
        let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let sink = move |input| heard.send(input).map_err(|_| Overflow);
        let cancel = CancellationToken::new();
        let watching = tokio::spawn(Eyes::new(host, Duration::from_secs(60)).run(sink, cancel.clone()));
        let mut because = async || match hears.recv().await {
            Some(Input::Source(Report { state: SourceState::Unreachable { because, down: true }, .. })) => because,
            other => panic!("{other:?}"),
        };
        assert!(because().await.starts_with("no socket at "));
        // Attempts go on meanwhile; the next report is of another reason.
        let dead = folder.path().join("dead");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        std::fs::rename(dead, &path).unwrap();
        assert!(because().await.starts_with("nobody listens on "));
        cancel.cancel();
        watching.await.unwrap();
    }
}
