//! Watches one engine for as long as the process lives, and says what it sees.
//!
//! ```text
//! connect, agree on a version → subscribe → list → Opened → look at each → Listed → events, looks, listings …
//!      ↑                           │ no list: Unreachable                                      │
//!      └─────── wait 100 ms … ←────┴───────────── Lost ←── the stream ended, or events were lost ──┘
//! ```
//!
//! A connection that cannot list is none: it is never said to be open. Only where nobody was there before is that said as
//! soon as the events are subscribed, since it marks the end of the outage: from the API's first answer on somebody may
//! stop things. Looks are not waited for longer than two seconds: what is there and was not seen by then is told as such.
//!
//! A source never waits for the loop: the sink takes an input or says that it is full. Then facts are lost, which is
//! the same as a broken stream: a new connection begins with a full listing.

mod checks;
mod late;
mod looks;
mod reader;
mod session;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use model::fact::Generation;
use model::input::{Input, Report, SourceState};
use tokio_util::sync::CancellationToken;

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::host::Host;
use crate::http::Reply;
use session::{End, Session};

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
/// The longest, while the engine answers and does not list: nobody waits for the moment at which it does.
const UNLISTED_WAIT_MAX: Duration = Duration::from_secs(30);
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
        let voice = Voice { host: &self.host, sink };
        let mut said = Told::default();
        let mut wait = WAIT_MIN;
        loop {
            let mut longest = WAIT_MAX;
            match self.subscribe(&voice, &mut said).await {
                Ok((events, opened)) => {
                    let session = Session::new(&self.host, self.relist, &voice, &mut said, opened);
                    let End { opened, listed, because, down } = Box::pin(session.run(events)).await;
                    tracing::info!(host = self.host.name(), because, "the connection to the engine ended");
                    match opened {
                        Some(generation) => voice.lost(&mut said, generation, because).await,
                        None => {
                            said.answered = true;
                            voice.unreachable(&mut said, because, down).await;
                        }
                    }
                    if listed {
                        wait = WAIT_MIN;
                    } else {
                        longest = UNLISTED_WAIT_MAX;
                    }
                }
                Err((because, down)) => voice.unreachable(&mut said, because, down).await,
            }
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(longest);
        }
    }

    /// Subscribes to the engine's events; or why it cannot, and whether nobody is there. Where nobody was there before, it
    /// is said at once that somebody is again, and under which number.
    async fn subscribe<S>(
        &self,
        voice: &Voice<'_, S>,
        said: &mut Told,
    ) -> Result<(Reply, Option<Generation>), (String, bool)>
    where
        S: Fn(Input) -> Result<(), Overflow>,
    {
        let endpoint = self.host.endpoint();
        let unheard = |what: &str, e: &Error| (unheard(endpoint, what, e), matches!(e, Error::Down(_)));
        let mut connecting = Box::pin(self.host.connect());
        let connected = match tokio::time::timeout(SLOW, &mut connecting).await {
            Ok(result) => result,
            Err(_) => {
                let (because, down) = unheard("tell its version", &slow());
                voice.unreachable(said, because, down).await;
                connecting.await
            }
        };
        connected.map_err(|e| unheard("tell its version", &e))?;
        let events = self.host.events().await.map_err(|e| unheard("tell its events", &e))?;
        if !said.down {
            return Ok((events, None));
        }
        let generation = self.host.next_generation();
        voice.open(said, generation).await;
        Ok((events, Some(generation)))
    }
}

/// What was said of the connection last.
#[derive(Debug, Default)]
struct Told {
    /// Why there is none.
    because: Option<String>,
    /// That nobody is there.
    down: bool,
    /// The engine answered since, which was not told as a connection: it could not list.
    answered: bool,
}

/// The engine was asked, and has not answered for [`SLOW`].
fn slow() -> Error {
    Error::Lost(format!("within {} s", SLOW.as_secs()))
}

/// Why the engine cannot be watched, and what to do about it: it was asked to `what`.
fn unheard(endpoint: &Endpoint, what: &str, error: &Error) -> String {
    match error {
        Error::Down(_) | Error::Unreachable(_) | Error::Unsupported(_) | Error::Unfit(_) | Error::Nonsense(_) => {
            error.to_string()
        }
        // The same words for "not yet" and "not in time": told in turns, they would be news each time.
        Error::Lost(_) => format!(
            "{endpoint} takes connections and gives no answer when asked to {what}: it is starting, overloaded or stuck; \
             see whether `docker ps` answers"
        ),
        Error::Refused { status: 404, .. } | Error::NotFound => format!(
            "{endpoint} cannot {what} ({error}): it may be no Docker engine, check docker.hosts or DOCKER_HOST; a socket \
             proxy has to allow VERSION, INFO, EVENTS and CONTAINERS"
        ),
        Error::Refused { status: 400..=499, .. } => format!(
            "{endpoint} refuses to {what} ({error}): a socket proxy has to allow VERSION, INFO, EVENTS and CONTAINERS"
        ),
        Error::Refused { .. } => {
            format!("{endpoint} fails to {what} ({error}): see whether `docker ps` works, and the engine's own log")
        }
    }
}

/// Speaks into the sink in the source's name.
struct Voice<'a, S> {
    host: &'a Host,
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
        Input::Source(Report { source: self.host.name().to_owned(), state })
    }

    /// Says whether another healer has claimed the engine: each listing asks, since that one may have ended.
    fn whose(&self) {
        if !self.host.claim() {
            return;
        }
        let (name, endpoint) = (self.host.name(), self.host.endpoint());
        let says = match self.host.another_healer() {
            Some(_) if self.host.is_named_twice() => Some(format!(
                "the engine at {endpoint} has two names in docker.hosts: healer acts on it under the other one, and only \
                 watches it as `{name}`: take one of them out"
            )),
            Some(other) => {
                Some(format!("{other} heals what runs on {endpoint}: this one only watches it until that one ends"))
            }
            None => None,
        };
        match &says {
            Some(says) => tracing::warn!("{says}"),
            None => tracing::info!(host = name, "no other healer heals here any more"),
        }
        // A full sink breaks the connection at its next input anyway.
        let _ = self.push(Input::Warned { about: format!("who heals on {name}"), says });
    }

    /// Says what must not be lost, again and again until it is taken.
    async fn insist(&self, state: SourceState) {
        let report = self.report(state);
        while self.push(report.clone()).is_err() {
            tokio::time::sleep(OFFER_AGAIN).await;
        }
    }

    /// Says why the engine cannot be watched, if that was not said already.
    async fn unreachable(&self, said: &mut Told, because: String, down: bool) {
        // Where others pass on what is said, it is they who are not there.
        let down = down && self.host.is_here();
        if down && said.answered {
            // The outage begins now, and not with the connection that was told last: in between somebody may have
            // stopped things.
            let generation = self.host.next_generation();
            self.open(said, generation).await;
            self.lost(said, generation, String::new()).await;
        }
        if said.because.as_ref() != Some(&because) {
            self.insist(SourceState::Unreachable { because: because.clone(), down }).await;
            said.because = Some(because);
        }
        said.down |= down;
    }

    /// Says that a connection opened.
    async fn open(&self, said: &mut Told, generation: Generation) {
        *said = Told::default();
        let start = self.host.engine_start().await;
        self.insist(SourceState::Opened { generation, start, ahead_ms: self.host.ahead_ms() }).await;
    }

    /// Says that it was lost.
    async fn lost(&self, said: &mut Told, generation: Generation, because: String) {
        *said = Told { because: Some(because.clone()), ..Told::default() };
        self.insist(SourceState::Lost { generation, because }).await;
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
