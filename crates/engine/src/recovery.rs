//! A host or an engine that comes back: what should run is brought back once, in the order of its dependencies, outside of
//! the budgets of its groups, and is told in one message (ENGINE §5, 24).
//!
//! The members stay ordinary incidents. A recovery orders their first starts, keeps their messages back, and ends when each
//! of them is settled.

mod order;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::action::{Behalf, Permit, PermitId};
use model::event::Event;
use model::fact::{Fact, Health, Observation, Run, SourceTime};
use model::incident::{Escalation, Phase, Verification};
use model::intent::{Author, Intent, Wanted};
use model::message::{About, Kind, Message, MessageId, Severity};
use model::recovery::{EngineStart, Failure, Outcome, RecoveryId, Restarted};
use model::verdict::{Hold, Verdict};
use model::view;
use model::{Now, ResourceId, Tick, Wall};
use serde::{Deserialize, Serialize};

use crate::incident::{Done, Incident};
use crate::world::Body;
use crate::{Engine, tell};

/// The engine answers once it has started what it starts by itself; what ends again at once is seen within this time.
const SETTLES_AFTER: Duration = Duration::from_secs(2);
/// What takes longer is told as it stands.
const TAKES_AT_MOST: Duration = Duration::from_secs(15 * 60);
/// What is held for longer than this is told as it stands too.
const WAITS_AT_MOST: Duration = Duration::from_secs(2 * 60);
/// As many restarts within this time are no accident any more: the budgets hold again.
const EXEMPT_MAX: usize = 2;
const EXEMPT_WITHIN: Duration = Duration::from_secs(30 * 60);
/// An engine that is told to stop ends its containers within so long.
const ENDS_WITHIN_MS: i64 = 120_000;
/// The exit code of what an engine finds dead at its start.
const FOUND_DEAD: i32 = 255;
/// One that is over is shown for a day.
const SHOWN_FOR_MS: i64 = 24 * 3_600_000;
/// So many names stand in a line of a message.
const NAMES_MAX: usize = 12;

/// What is known of the starts of engines, and the recoveries: a fold of the journal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recoveries {
    /// The last start of each source's engine.
    starts: BTreeMap<String, EngineStart>,
    /// When the last recoveries of each source began.
    began: BTreeMap<String, VecDeque<Tick>>,
    /// The recovery that is under way, by source.
    pub open: BTreeMap<String, Recovery>,
    /// What the last one of each source came to, and when.
    pub last: BTreeMap<String, Past>,
    /// Recoveries begun so far.
    pub number: u64,
    /// What was never started by recoveries that are over, since something that it needs failed: it still waits for that.
    waiting: BTreeSet<ResourceId>,
    /// When healer ended in order before its present process began.
    ended: Option<Wall>,
}

/// A recovery under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Its number.
    pub id: RecoveryId,
    /// What was restarted.
    pub restarted: Restarted,
    /// To which start of the engine.
    start: EngineStart,
    /// Since when it is under way.
    pub began: Now,
    /// Whether first starts are outside of the budgets of groups.
    exempt: bool,
    /// When healer itself had ended in order, if it was away.
    away_since: Option<Wall>,
    /// What was down once all was seen, each with the permit of its first start; `None` until then.
    down: Option<BTreeMap<ResourceId, Option<PermitId>>>,
    /// What the engine brought back by itself.
    back: BTreeSet<ResourceId>,
}

/// A recovery that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its number.
    pub id: RecoveryId,
    /// What was restarted.
    pub restarted: Restarted,
    /// When it ended.
    pub at: Wall,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a member of a recovery stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is not settled yet.
    Pending,
    /// It runs.
    Back,
    /// It does not, and nothing will change that by itself.
    Failed(String),
    /// It is not to run any more.
    Dropped,
}

impl Recoveries {
    /// healer ended in order.
    pub(crate) fn healer_ended(&mut self, at: Wall) {
        self.ended = Some(at);
    }

    /// A process begins: the one before it had ended in order if that was the journal's last entry.
    pub(crate) fn healer_began(&mut self, last: Wall) {
        self.ended = self.ended.filter(|ended| *ended == last);
    }

    /// For how long healer was away before its present process began, if it had ended in order; in ms.
    pub(crate) fn absent_ms(&self, began: Wall) -> i64 {
        self.ended.map_or(0, |ended| began.0.saturating_sub(ended.0))
    }

    /// Whether this is surely not the engine that was known under this name.
    pub(crate) fn is_another_engine(&self, source: &str, start: &EngineStart) -> bool {
        self.starts.get(source).is_some_and(|before| start.is_another_engine_than(before))
    }

    /// Whether the engine tells that this is another start of it than the one that was known.
    pub(crate) fn is_another_start(&self, source: &str, start: &EngineStart) -> bool {
        self.starts.get(source).is_some_and(|before| start.restarted_since(before).is_some())
    }

    /// Whether the engine of a source tells one start of its host from another.
    pub(crate) fn tells_its_start(&self, source: &str) -> bool {
        self.starts.get(source).is_some_and(|start| start.boot.is_some() || start.is_known())
    }

    /// When the engine of a source was started last, if it tells that.
    pub(crate) fn engine_started(&self, source: &str) -> Option<SourceTime> {
        self.starts.get(source)?.at
    }

    /// A source has connected to this start of its engine. What is not told again is as before.
    pub(crate) fn connected(&mut self, source: &str, start: &EngineStart) {
        let known = self.starts.entry(source.to_owned()).or_default();
        known.engine = start.engine.clone().or(known.engine.take());
        known.machine = start.machine.clone().or(known.machine.take());
        known.boot = start.boot.clone().or(known.boot.take());
        known.process = start.process.clone().or(known.process.take());
        known.at = start.at.or(known.at);
    }

    pub(crate) fn begin(
        &mut self,
        id: &RecoveryId,
        source: &str,
        restarted: Restarted,
        start: &EngineStart,
        exempt: bool,
        now: Now,
    ) {
        self.number = self.number.max(id.number);
        let began = self.began.entry(source.to_owned()).or_default();
        began.push_back(now.tick);
        while began.len() > EXEMPT_MAX {
            began.pop_front();
        }
        let (id, start, away_since) = (id.clone(), start.clone(), self.ended);
        let recovery =
            Recovery { id, restarted, start, began: now, exempt, away_since, down: None, back: BTreeSet::new() };
        self.open.insert(source.to_owned(), recovery);
        self.waiting.retain(|resource| resource.source() != source);
    }

    pub(crate) fn plan(&mut self, source: &str, down: &[ResourceId], back: &[ResourceId]) {
        if let Some(recovery) = self.open.get_mut(source) {
            recovery.down = Some(down.iter().map(|resource| (resource.clone(), None)).collect());
            recovery.back = back.iter().cloned().collect();
        }
    }

    pub(crate) fn end(&mut self, source: &str, outcome: &Outcome, at: Wall) {
        if let Some(Recovery { id, restarted, down, .. }) = self.open.remove(source) {
            let failed: BTreeSet<_> = outcome.failed.iter().map(|failure| &failure.resource).collect();
            let never =
                down.into_iter().flatten().filter(|(resource, first)| first.is_none() && failed.contains(resource));
            self.waiting.extend(never.map(|(resource, _)| resource));
            self.last.insert(source.to_owned(), Past { id, restarted, at, outcome: outcome.clone() });
        }
    }

    /// Books the first start of a member. Returns whether it is outside of the budgets of its groups.
    pub(crate) fn note_start(&mut self, permit: &Permit) -> bool {
        let resource = &permit.step.resource;
        self.waiting.remove(resource);
        let Some(recovery) = self.open.get_mut(resource.source()) else { return false };
        let first = recovery.down.as_mut().and_then(|down| down.get_mut(resource)).filter(|first| first.is_none());
        let Some(first) = first else { return false };
        *first = Some(permit.id);
        recovery.exempt && matches!(permit.behalf, Behalf::Incident(_))
    }

    /// A start was not begun. Returns whether it was a first one, and so not booked.
    pub(crate) fn take_start_back(&mut self, permit: &Permit) -> bool {
        let resource = &permit.step.resource;
        let Some(recovery) = self.open.get_mut(resource.source()) else { return false };
        let first = recovery.down.as_mut().and_then(|down| down.get_mut(resource));
        let Some(first) = first.filter(|first| **first == Some(permit.id)) else { return false };
        *first = None;
        recovery.exempt
    }

    /// Whether nothing is being brought back, and nothing still waits for that.
    fn are_over(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    /// A resource is no more.
    pub(crate) fn forget(&mut self, resource: &ResourceId) {
        self.waiting.remove(resource);
    }

    /// The recovery under way that a resource is a part of, or may become one of.
    fn of(&self, resource: &ResourceId) -> Option<&Recovery> {
        let recovery = self.open.get(resource.source())?;
        recovery.has(resource).then_some(recovery)
    }
}

impl Recovery {
    fn has(&self, resource: &ResourceId) -> bool {
        self.down.as_ref().is_none_or(|down| down.contains_key(resource)) || self.back.contains(resource)
    }

    /// Whether a resource is still to be started for the first time, or that is not known yet.
    fn awaits(&self, resource: &ResourceId) -> bool {
        self.down.as_ref().is_none_or(|down| down.get(resource).is_some_and(Option::is_none))
    }
}

impl Engine {
    /// A source has connected: whether its engine, or the whole host, was restarted since it was last seen.
    pub(crate) fn recovery_begins(&self, source: &str, start: &EngineStart, was_down: bool) -> Option<Event> {
        let before = self.state.recoveries.starts.get(source)?;
        let told = start.restarted_since(before);
        // An engine whose process cannot be seen does not tell one start from another: that nobody was there must do.
        let guess = (was_down && !(start.is_known() && before.is_known())).then_some(Restarted::Engine);
        Some(self.recovery_of(source, start, told.or(guess)?))
    }

    /// Whether a source, of which all is seen by now, has something that the configuration names and that never ran.
    pub(crate) fn first_starts(&self, source: &str) -> Option<Event> {
        let never_ran = |resource: &&ResourceId| {
            let named = |intent: &Intent| intent.by == Author::Configuration && intent.wanted == Wanted::Running;
            let body = self.world.body(resource).map(|(_, body)| body);
            let created = body.is_some_and(|body| body.run == Run::Created && body.exit.is_none());
            resource.source() == source && created && self.state.intents.get(*resource).is_some_and(named)
        };
        let under_way = self.state.recoveries.open.contains_key(source);
        let any = !under_way && self.world.resources().any(|resource| never_ran(&resource));
        let start = self.state.recoveries.starts.get(source).filter(|_| any)?;
        Some(self.recovery_of(source, start, Restarted::Nothing))
    }

    /// Whether a look tells that its engine, which does not tell its start, was restarted since its stream was lost. The memory
    /// of a remote engine ends with its process: what ended, and whose start it does not know, went down with it.
    pub(crate) fn recovery_by_memory(&self, seen: &Observation) -> Option<Event> {
        let Observation { resource, fact: Fact::Looked(look), .. } = seen else { return None };
        let exit = look.exit.as_ref().filter(|_| look.kept.as_ref().is_some_and(|kept| kept.source_started_since))?;
        let recoveries = &self.state.recoveries;
        let start = recoveries.starts.get(resource.source()).filter(|start| !start.is_known())?;
        let source = self.world.source(resource.source()).filter(|source| source.was_lost_about(exit.at))?;
        let wanted = self.state.intents.get(resource).is_some_and(|intent| intent.wanted == Wanted::Running);
        let began = recoveries.began.get(resource.source()).and_then(VecDeque::back);
        let is_news = wanted && look.run == Run::Exited && began.is_none_or(|began| *began < source.opened_at);
        is_news.then(|| self.recovery_of(resource.source(), start, Restarted::Engine))
    }

    fn recovery_of(&self, source: &str, start: &EngineStart, restarted: Restarted) -> Event {
        let instance = self.settings.instance.as_str().into();
        let id = RecoveryId { instance, number: self.state.recoveries.number + 1 };
        let lately = |then: &&Tick| self.now.tick.since(**then) < EXEMPT_WITHIN;
        let often = self.state.recoveries.began.get(source).map_or(0, |began| began.iter().filter(lately).count());
        let (source, start, exempt) = (source.to_owned(), start.clone(), often < EXEMPT_MAX);
        Event::RecoveryBegan { id, source, restarted, start, exempt }
    }

    /// When something must happen to a recovery by itself.
    pub(crate) fn recovery_due(&self) -> Option<Tick> {
        let due = |(source, recovery): (&String, &Recovery)| {
            let settled = self.settled_at(source).filter(|_| recovery.down.is_none());
            let patience = recovery.began.tick.after(WAITS_AT_MOST);
            let mounts = (self.world.lacks_mounts(source) && patience > self.now.tick).then_some(patience);
            settled.or(mounts).unwrap_or(recovery.began.tick.after(TAKES_AT_MOST))
        };
        self.state.recoveries.open.iter().map(due).min()
    }

    /// When all that a source's engine starts by itself can be taken to be started; `None` until all was seen.
    fn settled_at(&self, source: &str) -> Option<Tick> {
        let by_itself = if is_host(source) { Duration::ZERO } else { SETTLES_AFTER };
        let source = self.world.source(source).filter(|source| source.listed)?;
        source.listed_at.map(|at| at.after(by_itself))
    }

    /// Plans the recoveries whose sources have settled.
    pub(crate) fn plan_recoveries(&mut self) {
        let gathering = self.state.recoveries.open.iter().filter(|(_, recovery)| recovery.down.is_none());
        let settled = |source: &String| self.settled_at(source).is_some_and(|at| at <= self.now.tick);
        let ready: Vec<_> = gathering
            .filter(|(source, _)| settled(source))
            .map(|(source, recovery)| (source.clone(), recovery.id.clone()))
            .collect();
        for (source, id) in ready {
            let (mut down, mut back) = (Vec::new(), Vec::new());
            for resource in self.world.resources().filter(|resource| *resource.source() == *source) {
                match self.comes_back(resource) {
                    Some(true) => back.push(resource.clone()),
                    Some(false) => down.push(resource.clone()),
                    None => {}
                }
            }
            self.emit(Event::RecoveryPlanned { id, source: source.clone(), down, back });
            self.live.all = true;
            self.tell_what_is_none_of_it(&source);
        }
    }

    /// What was escalated while it was not known yet what the recovery is about, and was left to its message.
    fn tell_what_is_none_of_it(&mut self, source: &str) {
        let untold = |incident: &&Incident| {
            let escalated = matches!(incident.phase, Phase::Escalated { .. }) && !incident.told.open;
            escalated && *incident.resource.source() == *source && !self.recovery_tells_of(&incident.resource)
        };
        let untold: Vec<u64> = self.state.open_incidents().filter(untold).map(|incident| incident.id.number).collect();
        for number in untold {
            self.tell(number, Kind::Escalated);
        }
    }

    /// Whether a resource that should run came back by itself; `None` for what is not to be cared for, or was never away.
    fn comes_back(&self, resource: &ResourceId) -> Option<bool> {
        let recovery = self.state.recoveries.open.get(resource.source())?;
        let wanted = self.state.intents.get(resource).map(|intent| intent.wanted);
        let (_, body) = self.world.body(resource)?;
        if wanted != Some(Wanted::Running) || self.not_ours(resource).is_some() || body.definition.is_none() {
            return None;
        }
        match body.run {
            Run::Running | Run::Paused => self.is_started_since(recovery, resource, body).then_some(true),
            Run::Restarting => Some(true),
            Run::Created | Run::Exited => (!self.is_done_job(resource)).then_some(false),
            Run::Removing => None,
        }
    }

    fn is_started_since(&self, recovery: &Recovery, resource: &ResourceId, body: &Body) -> bool {
        let source = self.world.source(resource.source());
        let by_outage = || body.started.is_some_and(|at| source.is_some_and(|source| source.was_out(at)));
        recovery.start.at.map_or_else(by_outage, |at| body.started >= Some(at))
    }

    /// What was restarted, if a body ended with that.
    pub(crate) fn ended_with(&self, resource: &ResourceId, body: &Body) -> Option<Restarted> {
        let recovery = self.state.recoveries.open.get(resource.source())?;
        let exit = body.exit.as_ref().filter(|_| body.run == Run::Exited)?;
        // An end that its events told, and that nobody asked for, was its own.
        if body.happenings.iter().any(|happening| happening.at >= exit.at) {
            return None;
        }
        let at_ms = exit.at.0.div_euclid(1_000_000);
        let source = self.world.source(resource.source())?;
        let while_away = recovery.away_since.is_some_and(|end| (0..ENDS_WITHIN_MS).contains(&(at_ms - end.0)));
        // An engine that comes back after a crash of its own stops the survivors before its API answers.
        let going_down =
            (source.went_out_after(exit.at) || while_away) && recovery.start.at.is_none_or(|start| exit.at <= start);
        (source.was_out(exit.at) || going_down || exit.code == FOUND_DEAD).then_some(recovery.restarted)
    }

    /// Why nothing is started yet after a restart, if so.
    pub(crate) fn recovering(&self, resource: &ResourceId) -> Option<Verdict> {
        let open = self.state.recoveries.open.get(resource.source());
        let ends = open.map_or(self.after(TAKES_AT_MOST), |recovery| recovery.began.tick.after(TAKES_AT_MOST));
        if open.is_some_and(|recovery| recovery.down.is_none()) {
            let until = self.settled_at(resource.source()).unwrap_or(ends);
            return Some(Verdict::Hold(Hold::Recovering, until.max(self.after(Duration::from_millis(1)))));
        }
        let (needed, condition) = self.unmet(resource)?;
        Some(Verdict::Hold(Hold::WaitsFor { resource: needed, condition }, ends))
    }

    /// What waits for those that were touched is looked at too.
    pub(crate) fn touch_those_that_wait(&self, touched: &mut BTreeSet<ResourceId>) {
        if self.state.recoveries.are_over() {
            return;
        }
        let needs_it = |resource: &ResourceId| {
            self.world.dependents(resource).chain(self.world.network_children(resource)).cloned().collect::<Vec<_>>()
        };
        let waiting: Vec<ResourceId> = touched.iter().flat_map(needs_it).collect();
        touched.extend(waiting.into_iter().filter(|resource| self.awaits_first_start(resource)));
    }

    /// Whether a resource is still to be started for the first time after a restart.
    pub(crate) fn awaits_first_start(&self, resource: &ResourceId) -> bool {
        let recoveries = &self.state.recoveries;
        recoveries.waiting.contains(resource)
            || recoveries.open.get(resource.source()).is_some_and(|recovery| recovery.awaits(resource))
    }

    /// Whether a start is outside of the budgets of its groups, and no sign of a storm.
    pub(crate) fn is_exempt(&self, resource: &ResourceId) -> bool {
        let recovery = self.state.recoveries.open.get(resource.source());
        let first = |recovery: &Recovery| recovery.awaits(resource) || self.faults.exempt_for_good;
        recovery.is_some_and(|recovery| recovery.exempt && first(recovery))
    }

    /// Whether it is to be started for the first time ever, which repairs nothing and is no attempt.
    pub(crate) fn is_first_start(&self, resource: &ResourceId) -> bool {
        let open = self.state.recoveries.open.get(resource.source());
        open.is_some_and(|recovery| recovery.restarted == Restarted::Nothing && recovery.awaits(resource))
    }

    /// Whether a resource belongs to a recovery under way: then that tells of it.
    pub(crate) fn recovery_tells_of(&self, resource: &ResourceId) -> bool {
        self.state.recoveries.of(resource).is_some()
    }

    /// Ends the recoveries of which all is settled, or that have taken too long.
    pub(crate) fn end_recoveries(&mut self) {
        let ended: Vec<_> = self.state.recoveries.open.keys().filter_map(|source| self.ending(source)).collect();
        for (source, id, outcome) in ended {
            let message = self.recovery_message(&source, &outcome);
            self.emit(Event::RecoveryEnded { id, source, outcome });
            if let Some(message) = message {
                let channels = self.settings.channels.clone();
                self.emit(Event::MessageQueued { message: Box::new(message), channels });
            }
            self.note_all_deadlines();
        }
    }

    fn ending(&self, source: &str) -> Option<(String, RecoveryId, Outcome)> {
        let recovery = self.state.recoveries.open.get(source)?;
        let late = recovery.began.tick.after(TAKES_AT_MOST) <= self.now.tick;
        let (mut outcome, none) = (Outcome::default(), BTreeMap::new());
        let unseen = !self.world.source(source).is_some_and(|source| source.listed);
        if (recovery.down.is_none() || unseen) && !late {
            return None;
        }
        let down = recovery.down.as_ref().unwrap_or(&none);
        for resource in down.keys().chain(&recovery.back) {
            match self.fate(resource) {
                Fate::Pending if !late => return None,
                Fate::Pending => {
                    outcome.failed.push(Failure { resource: resource.clone(), because: self.standing_of(resource) })
                }
                Fate::Failed(because) => outcome.failed.push(Failure { resource: resource.clone(), because }),
                Fate::Back => outcome.recovered.push(resource.clone()),
                Fate::Dropped => {}
            }
        }
        let stopped = |resource: &&ResourceId| {
            *resource.source() == *source
                && self.state.intents.get(*resource).is_some_and(|intent| intent.wanted == Wanted::Stopped)
                && self.not_ours(resource).is_none()
                && !self.is_up(resource)
        };
        outcome.left = self.world.resources().filter(stopped).cloned().collect();
        Some((source.to_owned(), recovery.id.clone(), outcome))
    }

    fn standing_of(&self, resource: &ResourceId) -> String {
        let incident = self.state.open_incident(resource);
        incident.map_or_else(|| "it is not up yet".to_owned(), tell::standing)
    }

    /// How a member stands.
    fn fate(&self, resource: &ResourceId) -> Fate {
        self.fate_along(resource, &mut BTreeSet::new())
    }

    /// … for those that wait for it, each of them for the next: where they wait in a circle none of them is settled.
    fn fate_along(&self, resource: &ResourceId, waiting: &mut BTreeSet<ResourceId>) -> Fate {
        let wanted = self.state.intents.get(resource).map(|intent| intent.wanted);
        let Some((_, body)) = self.world.body(resource).filter(|_| wanted == Some(Wanted::Running)) else {
            return Fate::Dropped;
        };
        if self.not_ours(resource).is_some() {
            return Fate::Dropped;
        }
        match self.state.open_incident(resource) {
            Some(_) if !waiting.insert(resource.clone()) => Fate::Pending,
            Some(incident) => self.fate_of_ill(incident, waiting),
            None if !self.world.is_fresh(resource) => Fate::Pending,
            None => match (body.run, body.health) {
                (Run::Running, Health::Healthy | Health::Unchecked) | (Run::Paused, _) => Fate::Back,
                (Run::Running, Health::Starting | Health::Unhealthy) => Fate::Pending,
                (Run::Created | Run::Exited, _) if self.is_done_job(resource) => Fate::Dropped,
                (Run::Created | Run::Restarting | Run::Exited | Run::Removing, _) => Fate::Pending,
            },
        }
    }

    fn fate_of_ill(&self, incident: &Incident, waiting: &mut BTreeSet<ResourceId>) -> Fate {
        match &incident.phase {
            Phase::Escalated { reason, .. } => {
                let cause = incident.diagnosis.as_ref().filter(|_| !matches!(reason, Escalation::CannotTell));
                let title = cause.map_or_else(|| reason.to_string(), |diagnosis| diagnosis.title.clone());
                let last = incident.attempts.last().filter(|done| done.attempt.verdict == Some(Verification::Failed));
                let tried = |done: &Done| format!("; {} failed: {}", done.attempt.plan.playbook, done.because);
                Fate::Failed(format!("{title}{}", last.map(tried).unwrap_or_default()))
            }
            Phase::AwaitingApproval { .. } => Fate::Failed("it waits for your approval".to_owned()),
            Phase::Held { reason: Hold::WaitsFor { resource, .. }, .. } => match self.fate_along(resource, waiting) {
                Fate::Failed(_) | Fate::Dropped => {
                    Fate::Failed(format!("it needs {}, which does not run", resource.short()))
                }
                Fate::Pending | Fate::Back => Fate::Pending,
            },
            Phase::Held { reason: reason @ Hold::MountMissing { .. }, .. } if self.has_waited(&incident.resource) => {
                Fate::Failed(reason.to_string())
            }
            Phase::Held { reason, .. } if only_a_person_lifts(reason) => Fate::Failed(reason.to_string()),
            Phase::Held { reason: reason @ (Hold::GroupBudget { .. } | Hold::Backoff { .. }), until }
                if until.since(self.now.tick) > WAITS_AT_MOST =>
            {
                Fate::Failed(reason.to_string())
            }
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Resolved { .. } => Fate::Pending,
        }
    }

    /// Whether a recovery has lasted for as long as anything is waited for that may come by itself.
    fn has_waited(&self, resource: &ResourceId) -> bool {
        let recovery = self.state.recoveries.open.get(resource.source());
        recovery.is_none_or(|recovery| self.now.tick.since(recovery.began.tick) >= WAITS_AT_MOST)
    }

    /// The recoveries that are under way, and those that ended within a day, the latest first.
    pub(crate) fn recoveries_in_view(&self, now: Now) -> Vec<view::Recovery> {
        let known = &self.state.recoveries;
        let under_way = known.open.iter().map(|(host, recovery)| view::Recovery {
            id: recovery.id.clone(),
            host: host.clone(),
            restarted: recovery.restarted,
            at: recovery.began.wall,
            because: self.progress_of(recovery),
            outcome: None,
        });
        let lately = |past: &&Past| now.wall.0.saturating_sub(past.at.0) < SHOWN_FOR_MS;
        let over = known.last.iter().filter(|(_, past)| lately(past) && is_news(&past.outcome)).map(|(host, past)| {
            view::Recovery {
                id: past.id.clone(),
                host: host.clone(),
                restarted: past.restarted,
                at: past.at,
                because: title(past.restarted, &past.outcome),
                outcome: Some(past.outcome.clone()),
            }
        });
        let mut all: Vec<_> = under_way.chain(over).collect();
        all.sort_by_key(|recovery| std::cmp::Reverse((recovery.at, recovery.id.number)));
        all
    }

    fn progress_of(&self, recovery: &Recovery) -> String {
        let restarted = match recovery.restarted {
            restarted @ (Restarted::Host | Restarted::Engine) => format!("coming back after {restarted}"),
            Restarted::Nothing => "starting what the configuration names".to_owned(),
        };
        let Some(down) = &recovery.down else { return format!("{restarted}: all is looked at first") };
        let members = down.keys().chain(&recovery.back);
        let settled = members.filter(|resource| self.fate(resource) != Fate::Pending).count();
        format!("{restarted}: {settled} of {} settled", down.len() + recovery.back.len())
    }

    /// The one message; `None` if nothing was away, so that there is nothing to tell.
    fn recovery_message(&self, source: &str, outcome: &Outcome) -> Option<Message> {
        let recovery = self.state.recoveries.open.get(source)?;
        if !is_news(outcome) {
            return None;
        }
        let failed = !outcome.failed.is_empty();
        let mut next: Vec<String> = outcome
            .failed
            .iter()
            .take(NAMES_MAX)
            .map(|failure| format!("healer why {}", self.name_of(&failure.resource)))
            .collect();
        next.push("healer status".to_owned());
        Some(Message {
            id: MessageId(self.state.last_message + 1),
            about: About::Recovery { recovery: recovery.id.clone(), host: source.to_owned() },
            kind: Kind::Recovered,
            severity: if failed { Severity::Critical } else { Severity::Info },
            title: title(recovery.restarted, outcome),
            story: story(outcome, source, self.now.tick.since(recovery.began.tick)),
            next,
            asks: None,
            at: self.now.wall,
        })
    }
}

/// Whether anything was away at all.
fn is_news(outcome: &Outcome) -> bool {
    !outcome.recovered.is_empty() || !outcome.failed.is_empty()
}

/// Whether a hold does not lift by itself.
fn only_a_person_lifts(reason: &Hold) -> bool {
    matches!(
        reason,
        Hold::Maintenance
            | Hold::ObserveMode
            | Hold::Frozen { .. }
            | Hold::Paused
            | Hold::IntentUnknown
            | Hold::OthersStopped { .. }
            | Hold::TwoIncarnations
            | Hold::Halted { .. }
    )
}

/// Whether a source is a host, which starts nothing by itself.
pub(crate) fn is_host(source: &str) -> bool {
    source.starts_with("host:")
}

/// What a recovery came to, in one line: "recovered 3 deployments after host restart; left 1 stopped on purpose".
#[must_use]
pub fn title(restarted: Restarted, outcome: &Outcome) -> String {
    let groups: BTreeSet<&str> = outcome.recovered.iter().map(ResourceId::group).collect();
    let mut those = outcome.recovered.iter().chain(outcome.failed.iter().map(|failure| &failure.resource));
    let programs = those.any(ResourceId::is_on_host);
    let (one, more) = if programs { ("service", "services") } else { ("deployment", "deployments") };
    let what = many(groups.len(), one, more);
    let recovered = match restarted {
        Restarted::Nothing if groups.is_empty() => "nothing that the configuration names could be started".to_owned(),
        Restarted::Host | Restarted::Engine => format!("recovered {what} after {restarted}"),
        Restarted::Nothing => format!("started {what} that the configuration names"),
    };
    with_the_rest(recovered, outcome)
}

/// What a recovery came to, where it stands already what was restarted.
pub(crate) fn summary(outcome: &Outcome) -> String {
    with_the_rest(format!("recovered {}", many(outcome.recovered.len(), "service", "services")), outcome)
}

fn many(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn with_the_rest(mut title: String, outcome: &Outcome) -> String {
    if !outcome.left.is_empty() {
        title.push_str(&format!("; left {} stopped on purpose", outcome.left.len()));
    }
    match &outcome.failed[..] {
        [] => {}
        [one] => title.push_str(&format!("; {} failed: {}", one.resource.short(), one.because)),
        more => title.push_str(&format!("; {} failed", many(more.len(), "service", "services"))),
    }
    title
}

fn story(outcome: &Outcome, source: &str, took: Duration) -> Vec<String> {
    let mut story = Vec::new();
    for failure in &outcome.failed {
        story.push(format!("failed: {}: {}", failure.resource.short(), failure.because));
    }
    if !outcome.recovered.is_empty() {
        story.push(format!("running again: {}", names(&outcome.recovered)));
    }
    if !outcome.left.is_empty() {
        story.push(format!("left as they are, stopped on purpose: {}", names(&outcome.left)));
    }
    story.push(format!("{source} was back and looked after for {}", model::time::Spoken(took)));
    story
}

fn names(resources: &[ResourceId]) -> String {
    let named: Vec<_> = resources.iter().take(NAMES_MAX).map(ResourceId::short).collect();
    let more = resources.len().saturating_sub(named.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", named.join(", "))
}
