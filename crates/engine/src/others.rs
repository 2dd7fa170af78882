//! What other people and tools do at the engine, as far as more than one word on one resource tells it: a backup that
//! stops and starts, another healer, a deployment that is being stopped while a part of it is down; and an engine that is
//! not the one that was known. (facts/intent.md, S1, S12, S19, S21)

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::event::Event;
use model::fact::{Belongs, Run, SourceTime};
use model::intent::{Author, Intent, Wanted};
use model::message::{About, Kind, Message, MessageId, Severity};
use model::recovery::EngineStart;
use model::time::Spoken;
use model::verdict::{Hold, Verdict};
use model::{Now, ResourceId, Tick};
use serde::{Deserialize, Serialize};

use crate::incident::Incident;
use crate::intent::said_at;
use crate::{Engine, intent};

/// A start so soon after a crash is no person's.
const REVIVES_WITHIN: Duration = Duration::from_secs(2);
/// So many of them within such a time are another healer's.
const REVIVALS_MANY: usize = 3;
const REVIVALS_KEPT: Duration = Duration::from_secs(30 * 60);
/// It is left so long to start what has crashed.
const LEFT_TO_ANOTHER: Duration = Duration::from_secs(30);
/// From so many stops on that somebody ended soon there is a usual length of them.
const STOPS_MANY: usize = 3;
const STOPS_KEPT: usize = 8;
/// A stop that is so many times as long as usual is asked about, and none that is shorter than the least.
const OUTLASTS: u32 = 3;
const OUTLASTS_LEAST: Duration = Duration::from_secs(600);
/// What is stopped for longer is no matter of a tool that stops and starts.
const STOPPED_SHORTLY: Duration = Duration::from_secs(6 * 3600);
/// Who ended in order longer ago takes nothing for granted that is down.
const ABSENT_LONG_MS: i64 = 30 * 24 * 3_600_000;

/// What is remembered of others: a fold of the journal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Others {
    /// When each resource was started by another right after a crash, lately.
    revivals: BTreeMap<ResourceId, VecDeque<Tick>>,
    /// How long each resource was stopped before somebody started it again, the last times.
    stops: BTreeMap<ResourceId, VecDeque<Duration>>,
    /// When the present stop of a resource will have lasted far longer than usual.
    outlasts: BTreeMap<ResourceId, Tick>,
}

impl Others {
    pub(crate) fn revived(&mut self, resource: &ResourceId, at: Tick) {
        let revivals = self.revivals.entry(resource.clone()).or_default();
        revivals.push_back(at);
        revivals.retain(|then| at.since(*then) < REVIVALS_KEPT);
    }

    /// The ledger has a new last word.
    pub(crate) fn intent_changed(&mut self, resource: &ResourceId, before: Option<&Intent>, word: &Intent) {
        self.outlasts.remove(resource);
        if word.by != Author::SomebodyAtTheEngine {
            return;
        }
        let usual = self.usual_stop(resource);
        match (before.filter(|before| before.wanted == Wanted::Stopped), word.wanted) {
            (Some(stopped), Wanted::Running) => {
                let lasted = word.at.tick.since(stopped.at.tick);
                if stopped.by == Author::SomebodyAtTheEngine && lasted < STOPPED_SHORTLY {
                    let stops = self.stops.entry(resource.clone()).or_default();
                    stops.push_back(lasted);
                    if stops.len() > STOPS_KEPT {
                        stops.pop_front();
                    }
                }
            }
            (_, Wanted::Stopped) => {
                let due = usual.map(|usual| word.at.tick.after((usual * OUTLASTS).max(OUTLASTS_LEAST)));
                self.outlasts.extend(due.map(|due| (resource.clone(), due)));
            }
            (None, Wanted::Running) | (_, Wanted::Unknown) => {}
        }
    }

    /// It was asked about.
    pub(crate) fn noticed(&mut self, resource: &ResourceId, now: Tick) {
        // Until then a notice is about something else.
        if self.outlasts.get(resource).is_some_and(|due| *due <= now) {
            self.outlasts.remove(resource);
        }
    }

    pub(crate) fn forget(&mut self, resource: &ResourceId) {
        self.revivals.remove(resource);
        self.stops.remove(resource);
        self.outlasts.remove(resource);
    }

    /// How long a resource is usually stopped: the median of the last times.
    fn usual_stop(&self, resource: &ResourceId) -> Option<Duration> {
        let mut stops: Vec<_> = self.stops.get(resource)?.iter().copied().collect();
        stops.sort();
        stops.get(stops.len() / 2).copied().filter(|_| stops.len() >= STOPS_MANY)
    }

    fn revivals(&self, resource: &ResourceId, now: Tick) -> usize {
        let lately = |then: &&Tick| now.since(**then) < REVIVALS_KEPT;
        self.revivals.get(resource).map_or(0, |revivals| revivals.iter().filter(lately).count())
    }
}

impl Engine {
    /// Somebody else started what shall run. A start right after a crash is another healer's.
    pub(crate) fn started_by_another(&mut self, resource: &ResourceId, at: Option<SourceTime>) {
        let crashed = self.state.ends.get(resource).map(|(_, end)| *end);
        let soon = crashed.zip(at).is_some_and(|(end, at)| end <= at && at.since(end) < REVIVES_WITHIN);
        if !soon {
            return;
        }
        let before = self.state.others.revivals(resource, self.now.tick);
        self.emit(Event::RevivedByAnother { resource: resource.clone() });
        if before + 1 == REVIVALS_MANY {
            let title = format!("somebody else starts {} after each crash", resource.short());
            let story = vec![
                format!("{}: started by another right after its last {REVIVALS_MANY} crashes", resource.short()),
                format!("healer leaves it to them for {} after each crash", Spoken(LEFT_TO_ANOTHER)),
            ];
            let next = vec!["give it one owner: exclude it here, or have the other one leave it alone".to_owned()];
            self.notice(resource.host(), Some(resource), title, story, next);
        }
    }

    /// Whether another healer is left to start it.
    pub(crate) fn another_healer(&self, incident: &Incident) -> Option<Verdict> {
        let until = incident.since.tick.after(LEFT_TO_ANOTHER);
        let leaves = until > self.now.tick
            && self.state.others.revivals(&incident.resource, self.now.tick) >= REVIVALS_MANY
            && self.world.body(&incident.resource).is_some_and(|(_, body)| body.run == Run::Exited);
        leaves.then_some(Verdict::Hold(Hold::AnotherHealer, until))
    }

    /// Whether somebody stopped others of a deployment after this one had ended: the same command may have found it down,
    /// and then it left no trace. What is said of it since settles that.
    pub(crate) fn others_stopped(&self, resource: &ResourceId) -> Option<ResourceId> {
        if self.faults.others_ignored {
            return None;
        }
        let (_, body) = self.world.body(resource).filter(|(_, body)| !body.is_up())?;
        let ended = body.exit.as_ref().map(|exit| exit.at);
        // What was found out about its end is no word on what is wanted since.
        let is_word = |intent: &&Intent| matches!(intent.by, Author::Person(_) | Author::SomebodyAtTheEngine);
        let said = self.state.intents.get(resource).filter(is_word).map(said_at);
        let since = said.max(ended)?;
        let stopped = |intent: &Intent| {
            let by_hand = intent.wanted == Wanted::Stopped && intent.by == Author::SomebodyAtTheEngine;
            by_hand && intent.source_at.is_some_and(|at| at > since)
        };
        // One run of a service is stopped for itself. What is not known yet may be a service.
        let is_service = |other: &&ResourceId| {
            let body = self.world.body(other).and_then(|(_, body)| body.definition.as_deref());
            body.is_none_or(|definition| definition.belongs == Belongs::ComposeService)
        };
        let mut siblings = self.siblings(resource).filter(is_service);
        siblings.find(|other| self.state.intents.get(*other).is_some_and(stopped)).cloned()
    }

    fn siblings<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ResourceId> {
        self.world.deployment_of(resource).filter(move |other| *other != resource)
    }

    /// A word about one of a deployment may hold, or let go, the others of it that are ill.
    pub(crate) fn touch_siblings(&mut self, resource: &ResourceId) {
        let ill = self.siblings(resource).filter(|other| self.state.open_incident(other).is_some());
        let ill: Vec<_> = ill.cloned().collect();
        self.touched.extend(ill);
    }

    /// An engine that is surely not the one that was known, or that nobody has watched for very long: what is down there is
    /// not started by what was known of another, or of another time.
    pub(crate) fn estrange(&mut self, source: &str, start: &EngineStart) {
        let first = self.world.source(source).is_none_or(|source| !source.ever_listed);
        let absent_ms = self.state.recoveries.absent_ms(self.state.started.map_or(self.now, |now| now).wall);
        let (title, because) = if self.state.recoveries.is_another_engine(source, start) {
            let because = "this is another engine, or another machine, than the one on which that was known".to_owned();
            (format!("{source} is another engine than before: what is down there is not started"), because)
        } else if first && absent_ms > ABSENT_LONG_MS {
            let absent = Spoken(Duration::from_millis(u64::try_from(absent_ms).unwrap_or(0)));
            let because = format!("healer was away for {absent}: what was wanted then may not be wanted now");
            (format!("healer was away for {absent}: what is down on {source} is not started"), because)
        } else {
            return;
        };
        let known = |(resource, intent): &(&ResourceId, &Intent)| {
            resource.source() == source && intent.wanted == Wanted::Running
        };
        let known: Vec<_> = self.state.intents.iter().filter(known).map(|(resource, _)| resource.clone()).collect();
        if known.is_empty() {
            return;
        }
        for resource in known {
            let intent = intent::entry(Wanted::Unknown, Author::Evidence, because.clone(), None, self.now);
            self.emit(Event::IntentChanged { resource, intent });
        }
        let story = vec![because, "what runs there is taken to be meant to run".to_owned()];
        self.notice(source, None, title, story, vec!["healer status".to_owned(), "healer start DEPLOYMENT".to_owned()]);
    }

    /// When the next stop will have lasted far longer than usual.
    pub(crate) fn outlasts_due(&self) -> Option<Tick> {
        self.state.others.outlasts.values().min().copied()
    }

    /// Asks about the stops that last far longer than usual: who stopped it may have died before it could start it again.
    pub(crate) fn ask_about_long_stops(&mut self) {
        let due = |(_, due): &(&ResourceId, &Tick)| **due <= self.now.tick;
        let long: BTreeSet<_> = self.state.others.outlasts.iter().filter(due).map(|(of, _)| of.clone()).collect();
        for resource in long {
            let (short, usual) = (resource.short().to_owned(), self.state.others.usual_stop(&resource));
            let stopped = self.state.intents.get(&resource).map_or(self.now, |intent: &Intent| intent.at);
            let (lasted, usual) = (Spoken(self.now.tick.since(stopped.tick)), Spoken(usual.unwrap_or_default()));
            let title = format!("{short} has been stopped for {lasted}, and is usually started again within {usual}");
            let story = vec![
                format!("{short}: somebody stops it regularly, and starts it again after {usual}"),
                "this time nobody did: what stops it (a backup?) may have failed".to_owned(),
                "it stays stopped until somebody starts it".to_owned(),
            ];
            let name = self.name_of(&resource);
            let next = vec![format!("healer start {name}"), format!("to keep it down: healer stop {name}")];
            self.notice(resource.host(), Some(&resource), title, story, next);
        }
    }

    pub(crate) fn notice(
        &mut self,
        host: &str,
        resource: Option<&ResourceId>,
        title: String,
        story: Vec<String>,
        next: Vec<String>,
    ) {
        let channels = self.settings.channels.clone();
        self.notice_to(channels, host, resource, title, story, next);
    }

    /// A notice that nobody is sent, since they are told otherwise: `why` and `history` have it.
    pub(crate) fn note(&mut self, resource: &ResourceId, title: String) {
        self.notice_to(Vec::new(), resource.host(), Some(resource), title, Vec::new(), Vec::new());
    }

    fn notice_to(
        &mut self,
        channels: Vec<String>,
        host: &str,
        resource: Option<&ResourceId>,
        title: String,
        story: Vec<String>,
        next: Vec<String>,
    ) {
        let Now { wall, .. } = self.now;
        let id = MessageId(self.state.last_message + 1);
        let (instance, resource) = (self.settings.instance.as_str().into(), resource.cloned());
        let about = About::Notice { instance, notice: id, host: host.to_owned(), resource };
        let (kind, severity) = (Kind::Notice, Severity::Warning);
        let message = Message { id, about, kind, severity, title, story, next, asks: None, at: wall };
        self.emit(Event::MessageQueued { message: Box::new(message), channels });
    }
}
