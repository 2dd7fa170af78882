//! Safety at the permit and at the act, each asserted by itself: the second would hide a fault of the first.

use model::action::{Action, Behalf, Pair, Permit, With};
use model::event::Refresh;
use model::fact::{Incarnation, SourceTime};
use model::input::Effect;
use model::intent::{Author, Wanted};
use model::settings::{Mode, Policy};
use model::verdict::Limit;
use model::{ResourceId, Tick};

use super::{Given, ends_in_start};
use crate::docker::{EPOCH_MS, Key};
use crate::truth::Word;
use crate::world::{Service, World};

/// The least waits before the second, third … attempt; the last repeats.
const WAITS_MS: [u64; 4] = [10_000, 40_000, 160_000, 300_000];
/// Somebody else's start gives a fresh budget at most this often.
const FOREIGN_REFRESH_MS: u64 = 30 * 60_000;
/// A stream that has ended is known to have ended within this time.
const BLIND_MS: u64 = 3_000;
/// What was said of two services within so short a time has no order for who hears of it.
const OTHERS_MARGIN_MS: u64 = 1_000;
/// What has been well for so long, and was watched all the time, needs no repair.
const WELL_MS: u64 = 45_000;

impl World<'_> {
    pub(super) fn check_permit(&mut self, pid: u32, permit: &Permit, step: usize, now: u64) {
        if self.check.permits.contains_key(&permit.id) {
            self.broken("a permit has a number of its own", format!("permit {} was given twice", permit.id.0));
        }
        let resource = &permit.step.resource;
        self.check.left_down.remove(resource);
        if let (Behalf::Incident(id), Pair::Closes) = (&permit.behalf, permit.step.pair) {
            self.check.pairs_open.remove(&id.number);
        }
        if self.needs_mount(permit) && self.check.lacks_mount.contains(&pid) {
            let says = format!("permit {} to {} {resource}", permit.id.0, permit.step.action);
            self.broken("PERMIT: nothing is started without the mount that it needs", says);
        }
        self.check_undo_of_image(permit);
        self.check_update(permit);
        let ours = matches!(permit.behalf, Behalf::Incident(_));
        let ends_in_start = ends_in_start(permit);
        if let Some(svc) = self.svc_of(resource) {
            if ends_in_start && self.must_know_stopped(pid, svc) {
                let says = format!("permit {} to {} {resource}", permit.id.0, permit.step.action);
                self.broken("PERMIT: nothing is started that was stopped on purpose", says);
            }
            if ours && permit.step.action == Action::Start && permit.step.pair == Pair::None {
                self.check_others(pid, svc, permit);
            }
            self.check_permit_fits(svc, permit, now);
        }
        let same = self.check.under_way().find(|given| given.permit.step.resource == *resource).map(|g| g.permit.id);
        if let Some(other) = same {
            let says = format!("permit {} for {resource} while {} is under way", permit.id.0, other.0);
            self.broken("one remediation per resource", says);
        }
        let outside = self.check_first_start(permit, now);
        if let (Behalf::Incident(id), false) = (&permit.behalf, permit.unhindered) {
            self.check_attempt(id.number, permit, step, now, outside);
        }
        if let Behalf::Incident(id) = &permit.behalf {
            self.check.holds.entry(id.number).or_default().extend(permit.leases.iter().cloned());
            if ours && permit.step.action != Action::Stop {
                self.check.verifying.remove(&id.number);
            }
        }
        let given = Given { permit: permit.clone(), handed: false, used: false, answer: None, settled: None };
        self.check.permits.insert(permit.id, given);
    }

    /// Who stops others of a deployment may have meant one that was down already, too, and left no trace of that.
    fn check_others(&mut self, pid: u32, svc: usize, permit: &Permit) {
        let Some(key) = self.docker.by_id(&permit.incarnation) else { return };
        let Some(exit) = &self.docker.containers[key].exit else { return };
        let ended = u64::try_from(exit.at.0 / 1_000_000).unwrap_or(0).saturating_sub(EPOCH_MS);
        let truth = self.services[svc].truth;
        // What the ledger knows of this one, and of the others, is what healer could go by.
        let word = self.check.shadow.intents.get(&permit.step.resource);
        let word = word.filter(|word| matches!(word.by, Author::Person(_)));
        let word = word.map_or(0, |word| u64::try_from(word.at.wall.0).unwrap_or(0).saturating_sub(EPOCH_MS));
        let said = ended.max(truth.since).max(truth.started_at).max(word);
        let said_at = SourceTime(i64::try_from((EPOCH_MS + said) * 1_000_000).unwrap_or(i64::MAX));
        let resource = permit.step.resource.clone();
        let stopped = (0..self.services.len()).find(|other| {
            let Service { resource: of, truth, .. } = &self.services[*other];
            *other != svc
                && of.deployment() == resource.deployment()
                && matches!(truth.word, Word::StoppedAtEngine { .. })
                && truth.since > said + OTHERS_MARGIN_MS
                && self.must_know_stopped(pid, *other)
                && self
                    .docker
                    .body(*other)
                    .is_some_and(|key| self.docker.containers[key].def.belongs == model::fact::Belongs::ComposeService)
                && self.check.shadow.intents.get(of).is_some_and(|intent| {
                    let by_hand = intent.wanted == Wanted::Stopped && intent.by == Author::SomebodyAtTheEngine;
                    by_hand && intent.source_at > Some(said_at)
                })
        });
        if let Some(other) = stopped {
            let says = format!("permit {} for {resource}, after {}", permit.id.0, self.services[other].resource);
            self.broken("PERMIT: nothing is started that may have been stopped with others", says);
        }
    }

    fn check_permit_fits(&mut self, svc: usize, permit: &Permit, now: u64) {
        let undo = matches!(permit.behalf, Behalf::Incident(_))
            && permit.step.action == Action::Stop
            && permit.step.pair == Pair::None;
        let joins = |key: Key| self.docker.containers[key].def.network_body.clone();
        let joined = self.docker.by_id(&permit.incarnation).and_then(joins).and_then(|id| self.docker.by_id(&id));
        let is_there = joined.is_some_and(|key| !self.docker.containers[key].gone);
        let watched = self.leader().is_some_and(|healer| healer.eyes.watches_for(now, WELL_MS));
        if permit.step.action == Action::Recreate && permit.step.with == With::Nothing && watched && is_there {
            let says = format!("permit {} for {}", permit.id.0, permit.step.resource);
            self.broken("what is made anew cannot be mended otherwise", says);
        }
        let truth = self.services[svc].truth;
        if undo && truth.word == Word::Running && truth.since + 5_000 < now && !truth.excused && !truth.refused {
            let says = format!("permit {} stops {}", permit.id.0, permit.step.resource);
            self.broken("what shall run is not stopped", says);
        }
        let Behalf::Incident(_) = permit.behalf else { return };
        let blind = self.leader().is_some_and(|healer| healer.eyes.blind_for(now, BLIND_MS));
        if blind {
            let says = format!("permit {} to {} {}", permit.id.0, permit.step.action, permit.step.resource);
            self.broken("PERMIT: what is acted on is seen", says);
        }
        let well = self.docker.by_id(&permit.incarnation).is_some_and(|key| {
            let container = &self.docker.containers[key];
            container.well_since.is_some_and(|since| since + WELL_MS <= now)
        });
        if well && watched && !permit.unhindered && permit.step.action == Action::Start {
            let says = format!("permit {} to {} {}", permit.id.0, permit.step.action, permit.step.resource);
            self.broken("what is well is left alone", says);
        }
    }

    fn check_attempt(&mut self, number: u64, permit: &Permit, step: usize, now: u64, outside: bool) {
        let resource = permit.step.resource.clone();
        let Some(healer) = self.leader() else { return };
        let settings = healer.turning.engine().settings().clone();
        let policy = {
            let issue = self
                .check
                .shadow
                .incidents
                .get(&number)
                .and_then(|incident| incident.diagnosis.as_ref())
                .map_or("unknown".to_owned(), |diagnosis| diagnosis.issue_type.clone());
            settings.policy(&resource, &issue)
        };
        if self.check.frozen {
            self.broken("PERMIT: nothing new in a freeze", format!("permit {} for {resource}", permit.id.0));
        }
        if settings.excluded_by(&resource, &self.definition(&permit.incarnation)).is_some() {
            self.broken("what is excluded is left alone", format!("permit {} for {resource}", permit.id.0));
        }
        let asks = settings.mode == Mode::Suggest || !policy.auto_heal;
        if settings.mode == Mode::Observe {
            let says = format!("permit {} for {resource} in mode {:?}", permit.id.0, settings.mode);
            self.broken("nothing is done unasked that has to be asked", says);
        }
        if step == 0 {
            // A yes is good for one execution.
            self.check_leave(number, permit, asks);
            self.thread(number).reasons += 1;
        }
        let busy = self.check.under_way().filter(|g| matches!(g.permit.behalf, Behalf::Incident(_))).count();
        if busy >= usize::try_from(settings.budgets.concurrent.max(1)).unwrap_or(usize::MAX) {
            self.broken("no more at the same time than may be", format!("permit {}: {busy} under way", permit.id.0));
        }
        let held = self.check.holds.iter().any(|(other, holds)| *other != number && !holds.is_disjoint(&permit.leases));
        if held {
            let says = format!("permit {} for {resource}, which another incident has hold of", permit.id.0);
            self.broken("what is shared is leased", says);
        }
        if step == 0 {
            self.check_attempts_budget(&resource, &policy, settings.budgets.per_resource, now);
        }
        if outside || step > 0 {
            return;
        }
        self.check.actions.push((now, resource.clone()));
        let budgets = settings.budgets;
        for (limit, deployment) in [
            (budgets.per_deployment, Some(resource.deployment())),
            (budgets.per_host, None),
            (budgets.everywhere, None),
        ] {
            let within = self.check.actions.iter().rev().take_while(|(then, _)| now - *then < limit.window_ms);
            let count = within.filter(|(_, of)| deployment.is_none_or(|name| of.deployment() == name)).count();
            if count > usize::try_from(limit.count).unwrap_or(usize::MAX) {
                let says = format!("permit {} for {resource}: action {count} of {limit}", permit.id.0);
                self.broken("no group's budget is exceeded", says);
            }
        }
    }

    fn check_attempts_budget(&mut self, resource: &ResourceId, policy: &Policy, usual: Limit, now: u64) {
        let limit = Limit {
            count: policy.max_retries.unwrap_or(usual.count),
            window_ms: policy.window_ms.unwrap_or(usual.window_ms),
        };
        let made = self.check.attempts_within(resource, limit.window_ms, now);
        if made >= limit.count {
            let says = format!("an attempt on {resource}: attempt {} of {}", made + 1, limit.count);
            self.broken("no budget is exceeded", says);
        }
        self.check_wait(resource, made, now);
        self.check.attempts.entry(resource.clone()).or_default().push(now);
    }

    fn check_wait(&mut self, resource: &ResourceId, made: u32, now: u64) {
        let Some(at) = usize::try_from(made).ok().and_then(|made| made.checked_sub(1)) else { return };
        let wait = WAITS_MS.get(at).or(WAITS_MS.last()).copied().unwrap_or(0);
        let Some(verdict) = self.check.verdicts.get(resource) else { return };
        if now < verdict + wait {
            let says = format!("{resource}: attempt {} comes {} ms after the verdict", made + 1, now - verdict);
            self.broken("waits are kept", says);
        }
    }

    fn definition(&self, incarnation: &Incarnation) -> model::fact::Definition {
        let of = |key| self.docker.containers.get::<Key>(key).map(|container| (*container.def).clone());
        self.docker.by_id(incarnation).and_then(of).unwrap_or_else(|| self.services[0].template.clone())
    }

    pub(super) fn check_refresh(&mut self, resource: &ResourceId, because: &Refresh, now: u64) {
        self.check.attempts.remove(resource);
        self.check.verdicts.remove(resource);
        let Some(svc) = self.svc_of(resource) else { return };
        let truth = self.services[svc].truth;
        let stability = self.leader().map_or(0, |healer| healer.turning.engine().settings().budgets.stability_ms);
        let (reason, times, every) = match because {
            Refresh::Person(_) => return,
            Refresh::StartedAtTheEngine => ("start", truth.foreign_starts, FOREIGN_REFRESH_MS),
            Refresh::DefinitionChanged => ("definition", truth.redefined, stability),
        };
        let last = self.check.refreshed.insert((resource.clone(), reason), (now, times));
        let (lately, times_then) = last.unwrap_or((0, 0));
        if times <= times_then {
            let says = format!("{resource}: {because:?}, and nothing of that kind happened");
            self.broken("a fresh budget has a reason", says);
        }
        if lately > 0 && now < lately + every {
            let says = format!("{resource}: {because:?}, {} ms after the last", now - lately);
            self.broken("a fresh budget is given no sooner than it may be", says);
        }
    }

    /// What is handed to a performer was committed, and is handed out once.
    pub(crate) fn check_effect(&mut self, pid: u32, effect: &Effect) {
        let epoch = self.healer(pid).map(|healer| healer.epoch);
        match effect {
            Effect::Execute(permit) => {
                let Some(given) = self.check.permits.get_mut(&permit.id).filter(|given| given.permit == **permit)
                else {
                    let says = format!("permit {} was never committed", permit.id.0);
                    return self.broken("no effect of an uncommitted decision", says);
                };
                let twice = std::mem::replace(&mut given.handed, true);
                if twice || epoch != Some(permit.epoch) {
                    let says = format!("permit {} was handed out again", permit.id.0);
                    self.broken("an act is never repeated blindly", says);
                }
            }
            Effect::Fetch(order) => self.check_fetch(order),
            Effect::Send(parcel) => {
                if !self.check.written.contains(&parcel.message.id) {
                    let says = format!("message {} was never committed", parcel.message.id.0);
                    self.broken("no effect of an uncommitted decision", says);
                }
            }
            Effect::Look { .. }
            | Effect::Gather { .. }
            | Effect::BringUp(_)
            | Effect::CallOff(_)
            | Effect::Answer(_) => {}
        }
    }

    /// The gate has let an act pass: the second line of what must not happen.
    pub(crate) fn check_act(&mut self, pid: u32, permit: &Permit) {
        let now = self.now;
        let number = permit.id.0;
        let what = format!("permit {number} to {} {}", permit.step.action, permit.step.resource);
        let Some(given) = self.check.permits.get_mut(&permit.id) else {
            return self.broken("ACT: no act without a committed permit", what);
        };
        if std::mem::replace(&mut given.used, true) {
            self.broken("ACT: no permit is used twice", what.clone());
        }
        if Tick(now) >= permit.until {
            self.broken("ACT: no permit is used after its time", what.clone());
        }
        let leads = permit.epoch == self.disk.borrow().epoch;
        let deposed = self.healer(pid).is_none_or(|healer| healer.deposed);
        if !leads {
            self.counts.hit("race", "act of the one deposed");
        }
        if deposed {
            return self.broken("ACT: nobody acts who knows that he is deposed", what);
        }
        if leads && self.check.frozen && !permit.unhindered {
            self.broken("ACT: nothing new in a freeze", what.clone());
        }
        let ends_in_start = ends_in_start(permit);
        let Some(svc) = self.svc_of(&permit.step.resource) else { return };
        if !ends_in_start {
            return;
        }
        let known = leads && self.must_know_stopped(pid, svc);
        match (known, self.services[svc].truth.word) {
            (true, _) => self.broken("ACT: nothing is started that was stopped on purpose", what),
            (false, Word::StoppedAtEngine { .. }) => self.counts.hit("race", "start after a stop nobody could know"),
            (false, Word::Running | Word::StoppedByCommand | Word::Never | Word::Unclear) => {}
        }
    }
}
