//! One connection, from the subscription to the end of the stream.
//!
//! Events go to the sink as they are read; looks follow where an event leaves the state open. Only while the first listing
//! is under way do events wait, and are then told among the looks in the order of time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use model::ResourceId;
use model::fact::{Fact, Generation, Incarnation, Observation, Run, SourceTime, What};
use model::input::{Input, SourceState};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::checks::{Check, Checks};
use super::late::Late;
use super::looks::Looks;
use super::{Overflow, SLOW, Told, Voice, reader, unheard};
use crate::error::Error;
use crate::host::{Containers, Host, Seen};
use crate::http::Reply;
use crate::kept::Ring;
use crate::wire::Event;

/// Events of one container come in flocks (`kill`, `die`, `stop`): one look answers them all.
const LOOK_AFTER: Duration = Duration::from_millis(10);
/// A start that failed has no event: what was made is looked at again after this time.
const LOOK_AFTER_CREATE: Duration = Duration::from_secs(1);
/// What is made and not started, or restarting, may change without an event: a start fails, a restart by policy fails, a
/// restarting container is killed. It is looked at again after this time, if anything happened to it within the last.
const LOOK_WHILE_OPEN: Duration = Duration::from_secs(5);
const OPEN_FOR: Duration = Duration::from_secs(120);
/// How long a listing may take the engine. It is told before that it is slow.
const LIST_WITHIN: Duration = Duration::from_secs(60);
/// From when the names came, how long a listing waits for the looks, and how long for the engine's memory too: events wait
/// meanwhile at the opening.
const LOOKED_WITHIN: Duration = Duration::from_millis(1_500);
const LISTED_WITHIN: Duration = Duration::from_secs(2);

/// Why a container was not looked at yet on a host with very many.
const ITS_TURN_COMES: &str = "others are looked at before it, and that takes long";

/// How a session ended.
pub(super) struct End {
    /// Its number, if it was told that it had opened.
    pub(super) opened: Option<Generation>,
    /// Whether it came to a full listing.
    pub(super) listed: bool,
    pub(super) because: String,
    /// Nobody is there any more.
    pub(super) down: bool,
}

/// Why a session cannot go on.
struct Broken {
    because: String,
    down: bool,
}

impl Broken {
    fn new(because: &str) -> Broken {
        Broken { because: because.to_owned(), down: false }
    }
}

impl From<Overflow> for Broken {
    fn from(_: Overflow) -> Broken {
        Broken::new("more happened than healer could take in")
    }
}

pub(super) struct Session<'a, S> {
    host: &'a Host,
    relist: Duration,
    voice: &'a Voice<'a, S>,
    said: &'a mut Told,
    /// Its number, once it was told that it opened.
    opened: Option<Generation>,
    tasks: JoinSet<Done>,
    looks: Looks,
    listing: Option<Listing>,
    relist_at: Instant,
    /// When it is told that the first listing is slow.
    slow_at: Option<Instant>,
    /// What waits for the first listing; `None` after it.
    opening: Option<Opening>,
    /// Events that were told as the engine's memory already.
    told: HashSet<(Incarnation, SourceTime)>,
    /// What the first listing did not wait for.
    late: Late,
    checks: Checks,
}

/// A listing under way.
struct Listing {
    /// What was known before it was asked for, and so has to be in it.
    before: Vec<(ResourceId, Incarnation)>,
    /// What has not been looked at since the names came.
    pending: BTreeSet<Incarnation>,
    /// When the names came.
    named: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The names are asked for.
    Naming,
    /// Each is looked at.
    Looking,
    /// The engine's memory is asked for.
    Remembering,
}

#[derive(Default)]
struct Opening {
    events: Vec<Event>,
    /// With when they were taken.
    looks: Vec<(SourceTime, Observation)>,
    /// What could not be looked at, and why.
    failed: BTreeMap<Incarnation, String>,
    /// What comes after all of them.
    last: Vec<Observation>,
}

/// What a task found.
enum Done {
    Listed(Result<Containers, Error>),
    Looked(Incarnation, Box<Result<Seen, Error>>),
    Remembered(Result<Vec<Event>, Error>),
    Checked(Option<bool>),
}

impl<'a, S> Session<'a, S>
where
    S: Fn(Input) -> Result<(), Overflow> + Send + Sync,
{
    /// A session whose events are to be read. It says itself that it opened, once the engine's list came; or it was said
    /// already, under the number `opened`.
    pub(super) fn new(
        host: &'a Host,
        relist: Duration,
        voice: &'a Voice<'a, S>,
        said: &'a mut Told,
        opened: Option<Generation>,
    ) -> Self {
        Session {
            host,
            relist,
            voice,
            said,
            opened,
            tasks: JoinSet::new(),
            looks: Looks::default(),
            listing: None,
            relist_at: Instant::now(),
            slow_at: None,
            opening: Some(Opening::default()),
            told: HashSet::new(),
            late: Late::default(),
            checks: Checks::default(),
        }
    }

    /// Goes on until the stream ends or something is lost.
    pub(super) async fn run(mut self, stream: Reply) -> End {
        let (mut events, reader) = reader::read(stream);
        let broken = loop {
            self.begin_what_is_due();
            let wake = self.next_wake();
            let step = tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => {
                        let because = reader.await.unwrap_or("the event stream could not be read");
                        let early = if self.opened.is_none() { ", before it listed its containers" } else { "" };
                        break Broken { because: format!("{because}{early}"), down: false };
                    }
                },
                Some(done) = self.tasks.join_next() => {
                    if matches!(done, Ok(Done::Listed(Ok(_)) | Done::Checked(Some(false)))) {
                        self.open().await;
                    }
                    self.on_done(done)
                }
                () = sleep_until(wake) => self.on_wake().await,
            };
            if let Err(broken) = step {
                reader.abort();
                break broken;
            }
        };
        let Broken { because, down } = broken;
        End { opened: self.opened, listed: self.opening.is_none(), because, down }
    }

    /// Says that it opened, if that was not said yet.
    async fn open(&mut self) {
        self.slow_at = None;
        if self.opened.is_none() {
            let generation = self.host.next_generation();
            self.voice.open(self.said, generation).await;
            self.opened = Some(generation);
        }
    }

    /// Starts the looks, checks and listings whose time has come.
    fn begin_what_is_due(&mut self) {
        let now = Instant::now();
        if let Some(by_socket) = self.checks.begin(now) {
            let host = self.host.clone();
            self.tasks.spawn(async move {
                let open = if by_socket { Some(host.takes_requests().await) } else { host.is_open().await };
                Done::Checked(open)
            });
        }
        if self.checks.is_closing() {
            return;
        }
        if self.listing.is_none() && self.relist_at <= now {
            self.begin_listing();
        }
        for id in self.looks.begin(now) {
            let host = self.host.clone();
            self.tasks.spawn(async move {
                let seen = host.look(&id).await;
                Done::Looked(id, Box::new(seen))
            });
        }
    }

    /// When something is due next that no task and no event will bring.
    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let looked = self.listing.as_ref().filter(|listing| listing.stage == Stage::Looking);
        let looked = looked.map(|listing| listing.named + LOOKED_WITHIN);
        let (list, look) = if self.checks.is_closing() {
            (None, None)
        } else {
            (self.listing.is_none().then_some(self.relist_at), self.looks.next(now))
        };
        let wakes = [self.checks.next(), list, look, looked, self.slow_at];
        wakes.into_iter().flatten().min().unwrap_or(now + self.relist)
    }

    async fn on_wake(&mut self) -> Result<(), Broken> {
        let now = Instant::now();
        if self.slow_at.is_some_and(|at| at <= now) {
            self.slow_at = None;
            let because = unheard(self.host.endpoint(), "list its containers", &super::slow());
            self.voice.unreachable(self.said, because, false).await;
        }
        match &self.listing {
            Some(Listing { stage: Stage::Looking, named, .. }) if *named + LOOKED_WITHIN <= now => self.end_looking(),
            Some(_) | None => Ok(()),
        }
    }

    // ── events ──

    fn on_event(&mut self, event: Event) -> Result<(), Broken> {
        if event.kind != "container" || event.actor.id.is_empty() {
            return Ok(());
        }
        self.check_after_stop(&event);
        if let Some(opening) = &mut self.opening {
            if opening.events.len() >= reader::EVENTS_MAX {
                return Err(Broken::new("too much happened during the first listing"));
            }
            opening.events.push(event);
            return Ok(());
        }
        self.tell(&event)
    }

    /// Notes that the API has to be looked at in a moment, if the event is a signal that ends something, or a stop: that
    /// of a container which waits to be restarted has no signal.
    fn check_after_stop(&mut self, event: &Event) {
        let (incarnation, record) = self.host.registry().happened(self.host.name(), event);
        let Some(happening) = crate::happening::happening(event, record.traits) else { return };
        if matches!(happening.what, What::Signalled { terminating: true, .. } | What::Stopped) {
            self.checks.add(Check { resource: record.resource, incarnation, stop: happening.at }, Instant::now());
        }
    }

    fn tell(&mut self, event: &Event) -> Result<(), Broken> {
        let (id, record) = self.host.registry().happened(self.host.name(), event);
        let Some(happening) = crate::happening::happening(event, record.traits) else { return Ok(()) };
        let what = happening.what.clone();
        if !self.told.remove(&(id.clone(), happening.at)) {
            self.push(self.host.observation(record.resource.clone(), id.clone(), Fact::Happened(happening)))?;
        }
        match what {
            What::Created => self.look_after(&id, LOOK_AFTER_CREATE),
            What::Started
            | What::Died { .. }
            | What::Stopped
            | What::Restarted
            | What::OutOfMemory
            | What::Paused
            | What::Unpaused
            | What::Health(_)
            | What::Renamed { .. }
            | What::Updated => self.look_after(&id, LOOK_AFTER),
            What::Signalled { .. } | What::Attached => {}
            What::Destroyed => {
                self.looks.forget(&id);
                self.host.registry().forget(&id);
                self.push(self.host.observation(record.resource, id, Fact::Gone))?;
            }
        }
        Ok(())
    }

    fn look_after(&mut self, id: &Incarnation, wait: Duration) {
        self.looks.due_by(id, Instant::now() + wait);
    }

    fn push(&self, observation: Observation) -> Result<(), Broken> {
        let generation = self.opened.unwrap_or_default();
        Ok(self.voice.push(Input::Observed(Observation { generation, ..observation }))?)
    }

    // ── looks ──

    fn on_done(&mut self, done: Result<Done, JoinError>) -> Result<(), Broken> {
        match done {
            Ok(Done::Looked(id, seen)) => self.on_look(&id, *seen),
            Ok(Done::Listed(Ok(containers))) => self.on_list(containers),
            Ok(Done::Listed(Err(e))) => {
                self.listing = None;
                // While the engine shuts down it lists nothing, and its events go on.
                if self.checks.is_closing() {
                    return Ok(());
                }
                let because = unheard(self.host.endpoint(), "list its containers", &e);
                Err(Broken { because, down: matches!(e, Error::Down(_)) })
            }
            Ok(Done::Remembered(events)) => self.end_opening(events.ok().as_deref()),
            Ok(Done::Checked(open)) => self.on_check(open),
            Err(e) => Err(Broken { because: format!("a task failed: {e}"), down: false }),
        }
    }

    fn on_look(&mut self, id: &Incarnation, seen: Result<Seen, Error>) -> Result<(), Broken> {
        self.looks.ended(id);
        match seen {
            Ok(seen) => {
                self.looks.succeeded(id);
                self.look_while_open(&seen);
                let gone = seen.moved_from.map(|old| self.host.observation(old, id.clone(), Fact::Gone));
                let at = seen.look.at;
                let mut look = self.host.observation(seen.resource, id.clone(), Fact::Looked(Box::new(seen.look)));
                self.late.remember(&mut look);
                for observation in gone.into_iter().chain([look]) {
                    self.tell_or_keep(at, observation)?;
                }
            }
            Err(Error::NotFound) => {
                self.looks.forget(id);
                if let Some(known) = self.host.registry().forget(id) {
                    let at = self.host.now();
                    self.tell_or_keep(at, self.host.observation(known, id.clone(), Fact::Gone))?;
                }
            }
            Err(e) => self.on_failed_look(id, &e)?,
        }
        self.looked_for_listing(id)
    }

    /// What is there and cannot be looked at is told, or nobody would know of it.
    fn on_failed_look(&mut self, id: &Incarnation, error: &Error) -> Result<(), Broken> {
        if self.host.registry().resource(id).is_none() {
            self.looks.forget(id);
            return Ok(());
        }
        self.looks.failed(id, Instant::now());
        // That nobody is there any more is no word about a container.
        if self.checks.is_closing() || matches!(error, Error::Down(_)) {
            return Ok(());
        }
        self.tell_unlooked(id, error.to_string())
    }

    fn tell_unlooked(&mut self, id: &Incarnation, because: String) -> Result<(), Broken> {
        if let Some(opening) = &mut self.opening {
            opening.failed.insert(id.clone(), because);
            return Ok(());
        }
        let Some(resource) = self.host.registry().resource(id) else { return Ok(()) };
        if !self.looks.is_news(id, &because) {
            return Ok(());
        }
        if because != ITS_TURN_COMES {
            tracing::warn!(host = self.host.name(), container = id.short(), because, "cannot look at a container");
        }
        self.push(self.host.observation(resource, id.clone(), Fact::Unlooked(because)))
    }

    fn look_while_open(&mut self, seen: &Seen) {
        let open = match seen.look.run {
            Run::Restarting => true,
            Run::Created => seen.look.exit.is_none(),
            Run::Running | Run::Paused | Run::Exited | Run::Removing => false,
        };
        let last = self.host.registry().last_event(&seen.incarnation);
        if open && self.host.now().since(last) < OPEN_FOR {
            self.look_after(&seen.incarnation, LOOK_WHILE_OPEN);
        }
    }

    fn tell_or_keep(&mut self, at: SourceTime, observation: Observation) -> Result<(), Broken> {
        match &mut self.opening {
            Some(opening) => {
                opening.failed.remove(&observation.incarnation);
                opening.looks.push((at, observation));
                Ok(())
            }
            None => self.push(observation),
        }
    }

    fn on_check(&mut self, open: Option<bool>) -> Result<(), Broken> {
        let was_closing = self.checks.is_closing();
        let answered = self.checks.answered(open, Instant::now());
        if was_closing && open == Some(true) {
            return Err(Broken::new("the engine was thought to be shutting down, and is not"));
        }
        if !was_closing && open == Some(false) {
            self.voice.push(self.voice.report(SourceState::Closing))?;
        }
        for check in answered {
            let seen = self.host.observation(check.resource, check.incarnation, Fact::ApiOpenAfter(check.stop));
            match &mut self.opening {
                Some(opening) => opening.last.push(seen),
                None => self.push(seen)?,
            }
        }
        Ok(())
    }

    // ── listings ──

    fn begin_listing(&mut self) {
        self.voice.whose();
        let before = self.host.registry().all();
        self.listing = Some(Listing { before, pending: BTreeSet::new(), named: Instant::now(), stage: Stage::Naming });
        self.slow_at = self.opened.is_none().then(|| Instant::now() + SLOW);
        let host = self.host.clone();
        self.tasks.spawn(async move { Done::Listed(host.list(LIST_WITHIN).await) });
    }

    fn on_list(&mut self, containers: Containers) -> Result<(), Broken> {
        let Some(mut listing) = self.listing.take() else { return Ok(()) };
        // All names are known before the first look: it may name another as the parent of its network.
        let mut ids: BTreeSet<Incarnation> = {
            let mut registry = self.host.registry();
            containers.named.iter().map(|summary| registry.listed(self.host.name(), summary)).collect()
        };
        for (resource, id) in std::mem::take(&mut listing.before) {
            if ids.contains(&id) {
                continue;
            }
            if containers.unread > 0 && self.host.registry().resource(&id).is_some() {
                // It may be the one that the list could not name: a look tells.
                ids.insert(id);
            } else if self.host.registry().forget(&id).is_some() {
                self.looks.forget(&id);
                let at = self.host.now();
                self.tell_or_keep(at, self.host.observation(resource, id, Fact::Gone))?;
            }
        }
        listing.named = Instant::now();
        for id in &ids {
            self.looks.due_at(id, listing.named);
        }
        listing.pending = ids;
        listing.stage = Stage::Looking;
        self.listing = Some(listing);
        self.go_on_listing()
    }

    fn looked_for_listing(&mut self, id: &Incarnation) -> Result<(), Broken> {
        let Some(listing) = &mut self.listing else { return Ok(()) };
        // A look that was under way when the names came is older than they are: another one is due.
        if !self.looks.is_due_at(id, listing.named) {
            listing.pending.remove(id);
        }
        self.go_on_listing()
    }

    fn go_on_listing(&mut self) -> Result<(), Broken> {
        match &self.listing {
            Some(listing) if listing.stage == Stage::Looking && listing.pending.is_empty() => self.end_looking(),
            Some(_) | None => Ok(()),
        }
    }

    /// Goes on with the listing, whoever has not been looked at.
    fn end_looking(&mut self) -> Result<(), Broken> {
        let Some(listing) = &mut self.listing else { return Ok(()) };
        if self.opening.is_none() {
            return self.end_listing();
        }
        listing.stage = Stage::Remembering;
        let within = LISTED_WITHIN.saturating_sub(listing.named.elapsed());
        let host = self.host.clone();
        self.tasks.spawn(async move { Done::Remembered(host.ring(within).await) });
        Ok(())
    }

    fn end_listing(&mut self) -> Result<(), Broken> {
        let listing = self.listing.take();
        self.relist_at = Instant::now() + self.relist;
        for id in listing.into_iter().flat_map(|listing| listing.pending) {
            self.tell_outstanding(&id)?;
        }
        let present = self.host.registry().all();
        let generation = self.opened.unwrap_or_default();
        Ok(self.voice.push(self.voice.report(SourceState::Listed { generation, present }))?)
    }

    /// Tells that a container is there, the look at which is not waited for any longer.
    fn tell_outstanding(&mut self, id: &Incarnation) -> Result<(), Broken> {
        match self.looks.asked_for(id, Instant::now()) {
            Some(time) => {
                let seconds = time.as_secs().max(1);
                self.tell_unlooked(id, format!("it was asked for {seconds} s and has not answered"))
            }
            None if self.host.registry().was_looked_at(id) => Ok(()),
            None => self.tell_unlooked(id, ITS_TURN_COMES.to_owned()),
        }
    }

    /// Tells what was seen during the first listing: looks and events in the order of time, then that it is complete.
    ///
    /// An event that is in the engine's memory too is told there alone, beside the look that it explains: told twice, one
    /// kill would count as two.
    /// `kept`: the engine's memory, if it could be read. What could not be read proves nothing, and least of all that there
    /// was nothing to remember.
    fn end_opening(&mut self, kept: Option<&[Event]>) -> Result<(), Broken> {
        let Some(opening) = self.opening.take() else { return Ok(()) };
        let ring = kept.map(|kept| Ring::new(kept, |id| self.host.registry().traits(id))).unwrap_or_default();
        let outstanding = self.listing.as_ref().map(|listing| listing.pending.clone()).unwrap_or_default();
        let mut story: Vec<(SourceTime, Story)> = Vec::new();
        for (at, mut observation) in opening.looks {
            let known = ring.remember(&mut observation);
            self.told.extend(known.into_iter().map(|at| (observation.incarnation.clone(), at)));
            story.push((at, Story::Seen(observation)));
        }
        let late = outstanding.into_iter().chain(opening.failed.keys().cloned());
        self.late = Late::new(ring, late, &opening.events);
        story.extend(opening.events.into_iter().map(|event| (event.at(), Story::Event(event))));
        story.sort_by_key(|(at, _)| *at);
        for (_, told) in story {
            match told {
                Story::Seen(observation) => self.push(observation)?,
                Story::Event(event) => self.tell(&event)?,
            }
        }
        for observation in opening.last {
            self.push(observation)?;
        }
        for (id, because) in opening.failed {
            self.tell_unlooked(&id, because)?;
        }
        self.end_listing()
    }
}

/// What the first listing has to tell.
enum Story {
    Seen(Observation),
    Event(Event),
}
