//! One connection, from the subscription to the end of the stream.
//!
//! Events go to the sink as they are read; looks follow where an event leaves the state open. Only while the first listing
//! is under way do events wait, and are then told among the looks in the order of time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use model::ResourceId;
use model::fact::{Fact, Generation, Happening, Incarnation, Observation, Run, SourceTime, What};
use model::input::{Input, SourceState};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::{Overflow, Voice, reader};
use crate::error::Error;
use crate::host::{Host, Seen};
use crate::http::Reply;
use crate::kept::Ring;
use crate::wire::{Event, Summary};

/// How many looks are under way at once.
const LOOKS_MAX: usize = 8;
/// Events of one container come in flocks (`kill`, `die`, `stop`): one look answers them all.
const LOOK_AFTER: Duration = Duration::from_millis(10);
/// A start that failed has no event: what was made is looked at again after this time.
const LOOK_AFTER_CREATE: Duration = Duration::from_secs(1);
/// What is made and not started, or restarting, may change without an event: a start fails, a restart by policy fails, a
/// restarting container is killed. It is looked at again after this time, if anything happened to it within the last.
const LOOK_WHILE_OPEN: Duration = Duration::from_secs(5);
const OPEN_FOR: Duration = Duration::from_secs(120);
/// A look that failed is repeated so often, and after this time.
const LOOK_TRIES: u32 = 3;
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// By then an engine that is shutting down has removed its socket (facts/intent.md, 0.2).
const CHECK_AFTER_STOP: Duration = Duration::from_millis(100);
/// A shut-down takes as long as the slowest container takes to stop; whether it is one is asked again at this pace.
const ASK_AGAIN_WHILE_CLOSING: Duration = Duration::from_secs(2);

/// How a session ended.
pub(super) struct End {
    /// Whether it came to a full listing.
    pub(super) listed: bool,
    pub(super) because: String,
}

/// Why a session cannot go on.
struct Broken(String);

impl From<Overflow> for Broken {
    fn from(_: Overflow) -> Broken {
        Broken("the loop took no more".to_owned())
    }
}

pub(super) struct Session<'a, S> {
    host: &'a Host,
    generation: Generation,
    relist: Duration,
    voice: &'a Voice<'a, S>,
    tasks: JoinSet<Done>,
    /// When to look at what.
    due: HashMap<Incarnation, Instant>,
    looking: HashSet<Incarnation>,
    /// Looks that failed in a row.
    failed: HashMap<Incarnation, u32>,
    listing: Option<Listing>,
    relist_at: Instant,
    /// What waits for the first listing; `None` after it.
    opening: Option<Opening>,
    /// Events that were told as the engine's memory already.
    told: HashSet<(Incarnation, SourceTime)>,
    /// Kills after which it is asked whether the API is open.
    checks: VecDeque<Check>,
    /// The engine is shutting down: nothing but its events is to be had. When it is asked whether it truly is.
    closing: Option<Instant>,
}

/// A listing under way.
struct Listing {
    /// What was known before it was asked for, and so has to be in it.
    before: Vec<(ResourceId, Incarnation)>,
    /// What has not been looked at since the names came.
    pending: HashSet<Incarnation>,
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
    /// What comes after all of them.
    last: Vec<Observation>,
}

#[derive(Clone)]
struct Check {
    due: Instant,
    resource: ResourceId,
    incarnation: Incarnation,
    stop: SourceTime,
}

/// What a task found.
enum Done {
    Listed(Result<Vec<Summary>, Error>),
    Looked(Incarnation, Box<Result<Seen, Error>>),
    Remembered(Result<Vec<Event>, Error>),
    Checked(Check, bool),
    CheckedAgain(bool),
}

impl<'a, S> Session<'a, S>
where
    S: Fn(Input) -> Result<(), Overflow> + Send + Sync,
{
    pub(super) fn new(host: &'a Host, generation: Generation, relist: Duration, voice: &'a Voice<'a, S>) -> Self {
        Session {
            host,
            generation,
            relist,
            voice,
            tasks: JoinSet::new(),
            due: HashMap::new(),
            looking: HashSet::new(),
            failed: HashMap::new(),
            listing: None,
            relist_at: Instant::now(),
            opening: Some(Opening::default()),
            told: HashSet::new(),
            checks: VecDeque::new(),
            closing: None,
        }
    }

    /// Goes on until the stream ends or something is lost.
    pub(super) async fn run(mut self, stream: Reply) -> End {
        let (mut events, reader) = reader::read(stream);
        let because = loop {
            self.begin_what_is_due();
            let wake = self.next_wake();
            let step = tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => break reader.await.unwrap_or("its reader failed").to_owned(),
                },
                Some(done) = self.tasks.join_next() => self.on_done(done),
                () = sleep_until(wake) => Ok(()),
            };
            if let Err(Broken(because)) = step {
                reader.abort();
                break because;
            }
        };
        End { listed: self.opening.is_none(), because }
    }

    /// Starts the looks, checks and listings whose time has come.
    fn begin_what_is_due(&mut self) {
        let now = Instant::now();
        while self.checks.front().is_some_and(|check| check.due <= now) {
            let Some(check) = self.checks.pop_front() else { break };
            let host = self.host.clone();
            self.tasks.spawn(async move {
                let open = host.is_open().await;
                Done::Checked(check, open)
            });
        }
        if let Some(again) = &mut self.closing {
            if *again <= now {
                *again = now + ASK_AGAIN_WHILE_CLOSING;
                let host = self.host.clone();
                self.tasks.spawn(async move { Done::CheckedAgain(host.is_open().await) });
            }
            return;
        }
        if self.listing.is_none() && self.relist_at <= now {
            self.begin_listing();
        }
        let mut ready: Vec<(Instant, Incarnation)> = self
            .due
            .iter()
            .filter(|(id, due)| **due <= now && !self.looking.contains(*id))
            .map(|(id, due)| (*due, id.clone()))
            .collect();
        ready.sort();
        let room = LOOKS_MAX.saturating_sub(self.looking.len());
        for (_, id) in ready.into_iter().take(room) {
            self.due.remove(&id);
            self.looking.insert(id.clone());
            let host = self.host.clone();
            self.tasks.spawn(async move {
                let seen = host.look(&id).await;
                Done::Looked(id, Box::new(seen))
            });
        }
    }

    /// When something is due next that no task and no event will bring.
    fn next_wake(&self) -> Instant {
        let check = self.checks.front().map(|check| check.due);
        let far = Instant::now() + self.relist;
        if let Some(again) = self.closing {
            return check.map_or(again, |check| check.min(again));
        }
        let look = (self.looking.len() < LOOKS_MAX)
            .then(|| self.due.iter().filter(|(id, _)| !self.looking.contains(*id)).map(|(_, due)| *due).min())
            .flatten();
        let list = self.listing.is_none().then_some(self.relist_at);
        [check, look, list].into_iter().flatten().min().unwrap_or(far)
    }

    fn look_after(&mut self, id: &Incarnation, wait: Duration) {
        let at = Instant::now() + wait;
        self.due.entry(id.clone()).and_modify(|due| *due = (*due).min(at)).or_insert(at);
    }

    // ── events ──

    fn on_event(&mut self, event: Event) -> Result<(), Broken> {
        if event.kind != "container" || event.actor.id.is_empty() {
            return Ok(());
        }
        self.check_after_stop(&event);
        if let Some(opening) = &mut self.opening {
            if opening.events.len() >= reader::EVENTS_MAX {
                return Err(Broken("too much happened during the first listing".to_owned()));
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
        let happening = crate::happening::happening(event, record.traits);
        if let Some(Happening { at, what: What::Signalled { terminating: true, .. } | What::Stopped }) = happening
            && self.closing.is_none()
        {
            let due = Instant::now() + CHECK_AFTER_STOP;
            self.checks.push_back(Check { due, resource: record.resource, incarnation, stop: at });
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
                self.due.remove(&id);
                self.host.registry().forget(&id);
                self.push(self.host.observation(record.resource, id, Fact::Gone))?;
            }
        }
        Ok(())
    }

    fn push(&self, observation: Observation) -> Result<(), Broken> {
        Ok(self.voice.push(Input::Observed(Observation { generation: self.generation, ..observation }))?)
    }

    // ── looks ──

    fn on_done(&mut self, done: Result<Done, JoinError>) -> Result<(), Broken> {
        match done {
            Ok(Done::Looked(id, seen)) => self.on_look(&id, *seen),
            Ok(Done::Listed(Ok(summaries))) => self.on_list(&summaries),
            Ok(Done::Listed(Err(e))) => {
                self.listing = None;
                // While the engine shuts down it lists nothing, and its events go on.
                if self.closing.is_some() { Ok(()) } else { Err(Broken(format!("no listing: {e}"))) }
            }
            Ok(Done::Remembered(events)) => self.end_opening(&events.unwrap_or_default()),
            Ok(Done::Checked(check, open)) => self.on_check(check, open),
            Ok(Done::CheckedAgain(true)) => {
                Err(Broken("the engine was thought to be shutting down, and is not".to_owned()))
            }
            Ok(Done::CheckedAgain(false)) => Ok(()),
            Err(e) => Err(Broken(format!("a task failed: {e}"))),
        }
    }

    fn on_look(&mut self, id: &Incarnation, seen: Result<Seen, Error>) -> Result<(), Broken> {
        self.looking.remove(id);
        match seen {
            Ok(seen) => {
                self.failed.remove(id);
                self.look_while_open(&seen);
                let gone = seen.moved_from.map(|old| self.host.observation(old, id.clone(), Fact::Gone));
                let at = seen.look.at;
                let look = self.host.observation(seen.resource, id.clone(), Fact::Looked(Box::new(seen.look)));
                for observation in gone.into_iter().chain([look]) {
                    self.tell_or_keep(at, observation)?;
                }
            }
            Err(Error::NotFound) => {
                if let Some(known) = self.host.registry().forget(id) {
                    let at = self.host.now();
                    self.tell_or_keep(at, self.host.observation(known, id.clone(), Fact::Gone))?;
                }
            }
            Err(e) => {
                let times = self.failed.entry(id.clone()).or_default();
                *times += 1;
                if *times < LOOK_TRIES {
                    self.look_after(id, LOOK_AGAIN_AFTER);
                    return Ok(());
                }
                tracing::warn!(host = self.host.name(), container = id.short(), error = %e, "cannot look at a container");
                self.failed.remove(id);
            }
        }
        self.looked_for_listing(id)
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
                opening.looks.push((at, observation));
                Ok(())
            }
            None => self.push(observation),
        }
    }

    fn on_check(&mut self, check: Check, open: bool) -> Result<(), Broken> {
        if open {
            let seen = self.host.observation(check.resource, check.incarnation, Fact::ApiOpenAfter(check.stop));
            return match &mut self.opening {
                Some(opening) => {
                    opening.last.push(seen);
                    Ok(())
                }
                None => self.push(seen),
            };
        }
        if self.closing.is_none() {
            self.closing = Some(Instant::now() + ASK_AGAIN_WHILE_CLOSING);
            self.voice.push(self.voice.report(SourceState::Closing))?;
        }
        Ok(())
    }

    // ── listings ──

    fn begin_listing(&mut self) {
        let before = self.host.registry().all();
        self.listing = Some(Listing { before, pending: HashSet::new(), named: Instant::now(), stage: Stage::Naming });
        let host = self.host.clone();
        self.tasks.spawn(async move { Done::Listed(host.list().await) });
    }

    fn on_list(&mut self, summaries: &[Summary]) -> Result<(), Broken> {
        let Some(mut listing) = self.listing.take() else { return Ok(()) };
        // All names are known before the first look: it may name another as the parent of its network.
        let ids: HashSet<Incarnation> = {
            let mut registry = self.host.registry();
            summaries.iter().filter(|s| !s.id.is_empty()).map(|s| registry.listed(self.host.name(), s)).collect()
        };
        for (resource, id) in std::mem::take(&mut listing.before) {
            if !ids.contains(&id) && self.host.registry().forget(&id).is_some() {
                let at = self.host.now();
                self.tell_or_keep(at, self.host.observation(resource, id, Fact::Gone))?;
            }
        }
        listing.named = Instant::now();
        for id in &ids {
            self.due.insert(id.clone(), listing.named);
        }
        listing.pending = ids;
        listing.stage = Stage::Looking;
        self.listing = Some(listing);
        self.go_on_listing()
    }

    fn looked_for_listing(&mut self, id: &Incarnation) -> Result<(), Broken> {
        let Some(listing) = &mut self.listing else { return Ok(()) };
        // A look that was under way when the names came is older than they are: another one is due.
        if self.due.get(id) != Some(&listing.named) {
            listing.pending.remove(id);
        }
        self.go_on_listing()
    }

    fn go_on_listing(&mut self) -> Result<(), Broken> {
        let Some(listing) = &mut self.listing else { return Ok(()) };
        if listing.stage != Stage::Looking || !listing.pending.is_empty() {
            return Ok(());
        }
        if self.opening.is_none() {
            return self.end_listing();
        }
        listing.stage = Stage::Remembering;
        let host = self.host.clone();
        self.tasks.spawn(async move { Done::Remembered(host.ring().await) });
        Ok(())
    }

    fn end_listing(&mut self) -> Result<(), Broken> {
        self.listing = None;
        self.relist_at = Instant::now() + self.relist;
        let present = self.host.registry().all();
        Ok(self.voice.push(self.voice.report(SourceState::Listed { generation: self.generation, present }))?)
    }

    /// Tells what was seen during the first listing: looks and events in the order of time, then that it is complete.
    ///
    /// An event that is in the engine's memory too is told there alone, beside the look that it explains: told twice, one
    /// kill would count as two.
    fn end_opening(&mut self, kept: &[Event]) -> Result<(), Broken> {
        let Some(opening) = self.opening.take() else { return Ok(()) };
        let ring = Ring::new(kept, |id| self.host.registry().traits(id));
        let mut story: Vec<(SourceTime, Told)> = Vec::new();
        for (at, mut observation) in opening.looks {
            self.remember(&mut observation, &ring);
            story.push((at, Told::Seen(observation)));
        }
        story.extend(opening.events.into_iter().map(|event| (event.at(), Told::Event(event))));
        story.sort_by_key(|(at, _)| *at);
        for (_, told) in story {
            match told {
                Told::Seen(observation) => self.push(observation)?,
                Told::Event(event) => self.tell(&event)?,
            }
        }
        for observation in opening.last {
            self.push(observation)?;
        }
        self.end_listing()
    }

    /// Adds to the look at what is down what the engine remembers of it.
    fn remember(&mut self, observation: &mut Observation, ring: &Ring) {
        let Fact::Looked(look) = &mut observation.fact else { return };
        let (Run::Exited, Some(started)) = (look.run, look.started) else { return };
        let kept = ring.since_start(&observation.incarnation, started, look.at);
        self.told.extend(kept.happenings.iter().map(|happening| (observation.incarnation.clone(), happening.at)));
        look.kept = Some(kept);
    }
}

/// What the first listing has to tell.
enum Told {
    Seen(Observation),
    Event(Event),
}
