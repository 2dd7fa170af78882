//! The simulated Docker engine: containers that live and die, and the events and looks that facts/docker.md and
//! facts/intent.md measured for each cause. It knows nothing of healer.

use std::sync::Arc;

use model::action::{Answer, PermitId};
use model::fact::{Definition, Exit, Happening, Health, Incarnation, Kept, Look, RestartPolicy, Run, SourceTime, What};

use crate::truth::Word;
use crate::world::{Ev, World};

/// The wall time at which every world begins.
pub(crate) const EPOCH_MS: u64 = 1_795_446_000_000;
/// The engine kills what has not ended by then.
const STOP_TIMEOUT_MS: u64 = 10_000;
/// The engine's own restarts wait this long at first, and at most.
const BACKOFF_MIN_MS: u64 = 100;
const BACKOFF_MAX_MS: u64 = 60_000;
/// After a life of this length the engine's wait begins anew.
const BACKOFF_RESET_MS: u64 = 10_000;
/// A crashed engine needs this long to put its house in order before its API answers.
const CLEANUP_MS: u64 = 12_000;
const TERM: u8 = 15;
const KILL: u8 = 9;
const HUP: u8 = 1;

/// A container, by its place in the list; it keeps it when it is gone.
pub(crate) type Key = usize;
/// A service, by its place in the list.
pub(crate) type Svc = usize;

/// Who made something happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Healer(PermitId),
    Person,
    Engine,
}

/// What was asked of a container that is just being started.
#[derive(Debug, Clone, Copy)]
enum Request {
    Stop(By),
    Kill,
}

pub(crate) struct Container {
    pub(crate) id: Incarnation,
    pub(crate) svc: Svc,
    pub(crate) def: Arc<Definition>,
    pub(crate) run: Run,
    pub(crate) started: Option<SourceTime>,
    pub(crate) exit: Option<Exit>,
    pub(crate) health: Health,
    restarts: u32,
    /// `HasBeenManuallyStopped`.
    pub(crate) hbms: bool,
    /// Counts lives, so that what was due in an earlier one is forgotten.
    pub(crate) life: u32,
    starting: Vec<By>,
    asked_meanwhile: Vec<Request>,
    stops: Vec<By>,
    pub(crate) kept: Vec<Happening>,
    pub(crate) gone: bool,
    /// Each of its starts fails: it is made of something broken.
    pub(crate) broken: bool,
    backoff_ms: u64,
    began_ms: u64,
    pub(crate) started_by: By,
    /// Which stop of healer's brought it down, if one did.
    pub(crate) down_by: Option<PermitId>,
    /// Somebody has tried to start it since.
    pub(crate) start_tried: bool,
    /// The engine starts it at its next boot.
    starts_at_boot: bool,
    /// The life of its network parent that it has joined.
    joined: Option<(Key, u32)>,
    /// Since when nothing is wrong with it; `None` while something is.
    pub(crate) well_since: Option<u64>,
}

pub(crate) struct Docker {
    pub(crate) containers: Vec<Container>,
    /// Its process is there.
    pub(crate) up: bool,
    /// It answers.
    pub(crate) api: bool,
    /// It removed its socket in order: whoever looks sees that it closes.
    pub(crate) socket_gone: bool,
    shutting: bool,
    pub(crate) booted: SourceTime,
    stamp: i64,
}

/// How a service goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    /// Each life ends so soon with this code.
    Crashes {
        after_ms: u64,
        code: i32,
    },
    OutOfMemory {
        after_ms: u64,
    },
    /// Each life's healthcheck fails after a while.
    Unhealthy,
    /// Each start fails with this code.
    Unstartable {
        code: i32,
    },
}

impl Docker {
    pub(crate) fn new() -> Docker {
        let stamp = i64::try_from(EPOCH_MS * 1_000_000).unwrap_or(0);
        Docker {
            containers: Vec::new(),
            up: true,
            api: true,
            socket_gone: false,
            shutting: false,
            booted: SourceTime(stamp),
            stamp,
        }
    }

    /// The engine's present time: never the same twice.
    pub(crate) fn stamp(&mut self, now_ms: u64) -> SourceTime {
        let ns = i64::try_from((EPOCH_MS + now_ms) * 1_000_000).unwrap_or(i64::MAX);
        self.stamp = ns.max(self.stamp + 1);
        SourceTime(self.stamp)
    }

    pub(crate) fn living(&self) -> impl Iterator<Item = (Key, &Container)> {
        self.containers.iter().enumerate().filter(|(_, container)| !container.gone)
    }

    pub(crate) fn by_id(&self, id: &Incarnation) -> Option<Key> {
        self.living().find(|(_, container)| container.id == *id).map(|(key, _)| key)
    }

    /// The bodies of a service, oldest first.
    pub(crate) fn bodies(&self, svc: Svc) -> impl Iterator<Item = (Key, &Container)> {
        self.living().filter(move |(_, container)| container.svc == svc)
    }

    /// The body that stands for a service: one that runs, else the newest.
    pub(crate) fn body(&self, svc: Svc) -> Option<Key> {
        self.bodies(svc).max_by_key(|(key, container)| (container.is_up(), *key)).map(|(key, _)| key)
    }
}

impl Container {
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.run, Run::Running | Run::Paused)
    }

    /// Stop signals, and kills beyond the first signal, since its last start; and when the last of them came.
    pub(crate) fn signals(&self) -> (usize, usize, Option<SourceTime>) {
        let mut asks = 0;
        let mut kills = 0;
        let mut last = None;
        for happening in &self.kept {
            if let What::Signalled { signal, terminating: true } = happening.what {
                last = Some(happening.at);
                if signal == KILL && asks > 0 {
                    kills += 1;
                } else {
                    asks += 1;
                }
            }
        }
        (asks, kills, last)
    }

    /// Stop calls that were carried out since its last start.
    pub(crate) fn stops_done(&self) -> usize {
        self.kept.iter().filter(|happening| happening.what == What::Stopped).count()
    }
}

impl World<'_> {
    /// Makes a container of a service, which is not started.
    pub(crate) fn docker_create(&mut self, svc: Svc, def: Definition) -> Key {
        let key = self.docker.containers.len();
        let started_by = By::Engine;
        self.docker.containers.push(Container {
            id: Incarnation(format!("{key:012x}").into()),
            svc,
            def: Arc::new(def),
            run: Run::Created,
            started: None,
            exit: None,
            health: Health::Unchecked,
            restarts: 0,
            hbms: false,
            life: 0,
            starting: Vec::new(),
            asked_meanwhile: Vec::new(),
            stops: Vec::new(),
            kept: Vec::new(),
            gone: false,
            broken: false,
            backoff_ms: BACKOFF_MIN_MS,
            began_ms: self.now,
            started_by,
            down_by: None,
            start_tried: false,
            starts_at_boot: false,
            joined: None,
            well_since: None,
        });
        self.emit(key, What::Created);
        key
    }

    /// It ran, and ended, before the world began.
    pub(crate) fn docker_was_run(&mut self, key: Key) {
        let (started, at) = (self.docker.stamp(self.now), self.docker.stamp(self.now));
        let code = if self.rng.percent(50) { 143 } else { 1 };
        let container = &mut self.docker.containers[key];
        container.run = Run::Exited;
        container.started = Some(started);
        container.exit = Some(Exit { at, code, oom: false, error: String::new() });
    }

    fn emit(&mut self, key: Key, what: What) {
        if !self.docker.up {
            return;
        }
        let at = self.docker.stamp(self.now);
        let happening = Happening { at, what };
        let container = &mut self.docker.containers[key];
        if happening.what == What::Started {
            container.kept.clear();
        }
        if container.kept.len() < 64 {
            container.kept.push(happening.clone());
        }
        self.stream(key, happening);
    }

    // ---- starts

    /// POST start. The answer to an order of healer's follows.
    pub(crate) fn docker_start(&mut self, key: Key, by: By) {
        let container = &mut self.docker.containers[key];
        if container.gone {
            return self.tell_caller(by, Answer::Failed("no such container".to_owned()));
        }
        match container.run {
            Run::Running | Run::Paused | Run::Restarting | Run::Removing => self.tell_caller(by, Answer::AlreadySo),
            Run::Created | Run::Exited => {
                container.start_tried = true;
                container.starting.push(by);
                if container.starting.len() == 1 {
                    let takes = self.rng.range(80, 400);
                    self.after(takes, Ev::StartDone { key });
                }
            }
        }
    }

    pub(crate) fn start_done(&mut self, key: Key) {
        let callers = std::mem::take(&mut self.docker.containers[key].starting);
        let requests = std::mem::take(&mut self.docker.containers[key].asked_meanwhile);
        let Some(first) = callers.first().copied() else { return };
        if self.docker.containers[key].gone || !self.docker.up {
            return;
        }
        if let Some((code, error)) = self.why_unstartable(key) {
            self.note_failed_start(key, code, error);
            if callers.contains(&By::Person) {
                let svc = self.docker.containers[key].svc;
                self.services[svc].truth.foreign_starts += 1;
            }
            for caller in callers {
                self.tell_caller(caller, Answer::Failed(format!("the engine answered 500: {error}")));
            }
        } else {
            self.docker.containers[key].hbms = false;
            self.begin_life(key, first);
            if callers.contains(&By::Person) {
                self.person_started(key);
            }
            for (n, caller) in callers.into_iter().enumerate() {
                self.tell_caller(caller, if n == 0 { Answer::Done } else { Answer::AlreadySo });
            }
        }
        for request in requests {
            match request {
                Request::Stop(by) => self.docker_stop(key, by),
                Request::Kill => self.docker_kill(key),
            }
        }
    }

    /// A start that failed leaves its reason, and the time and code of the end before it, unless that code was 0.
    fn note_failed_start(&mut self, key: Key, code: i32, error: &str) {
        let at = self.docker.stamp(self.now);
        let container = &mut self.docker.containers[key];
        let before = container.exit.take();
        let (at, code) = match before {
            Some(exit) if exit.code != 0 => (exit.at, exit.code),
            Some(exit) => (exit.at, code),
            None => (at, code),
        };
        container.exit = Some(Exit { at, code, oom: false, error: error.to_owned() });
    }

    fn why_unstartable(&self, key: Key) -> Option<(i32, &'static str)> {
        let container = &self.docker.containers[key];
        if let Defect::Unstartable { code } = self.services[container.svc].defect {
            return Some((code, "driver failed programming external connectivity: port is already allocated"));
        }
        if container.broken {
            return Some((127, "exec: \"serve\": executable file not found in $PATH"));
        }
        let parent = self.services[container.svc].network_parent?;
        let joined = self.docker.body(parent).is_some_and(|parent| self.docker.containers[parent].is_up());
        (!joined).then_some((128, "cannot join network of a non running container"))
    }

    fn begin_life(&mut self, key: Key, by: By) {
        let at = self.docker.stamp(self.now);
        let now = self.now;
        let svc = self.docker.containers[key].svc;
        let service = &self.services[svc];
        let parent = service.network_parent.and_then(|parent| self.docker.body(parent));
        let joined = parent.map(|parent| (parent, self.docker.containers[parent].life));
        let checked = service.checked;
        let container = &mut self.docker.containers[key];
        container.run = Run::Running;
        container.started = Some(at);
        container.life += 1;
        container.health = if checked { Health::Starting } else { Health::Unchecked };
        container.exit = None;
        container.stops.clear();
        container.began_ms = now;
        container.started_by = by;
        container.down_by = None;
        container.joined = joined;
        container.well_since = Some(now);
        let life = container.life;
        if by == By::Engine && self.services[svc].truth.word == Word::Never {
            self.truth_is(svc, Word::Unclear);
        }
        if self.is_foreign_start(by) {
            self.services[svc].truth.foreign_starts += 1;
        }
        self.emit(key, What::Started);
        if checked {
            let passes = self.rng.range(2_000, 9_000);
            self.after(passes, Ev::Health { key, life, healthy: true });
        }
        self.suffer(key);
        self.children_lose_their_network(svc);
        if self.services[svc].is_job {
            let works = self.rng.range(1_000, 6_000);
            self.after(works, Ev::Dies { key, life, code: 0, oom: false });
        }
    }

    /// Whether whoever leads did not order this start.
    fn is_foreign_start(&self, by: By) -> bool {
        match by {
            By::Healer(permit) => {
                let leads = self.leader().map(|healer| healer.pid);
                self.orders.get(&permit).map(|(pid, _)| *pid) != leads
            }
            By::Person | By::Engine => true,
        }
    }

    /// The service's defect takes hold of a life that has just begun.
    pub(crate) fn suffer(&mut self, key: Key) {
        let (svc, life) = (self.docker.containers[key].svc, self.docker.containers[key].life);
        match self.services[svc].defect {
            Defect::None | Defect::Unstartable { .. } => {}
            Defect::Crashes { after_ms, code } => self.after(after_ms, Ev::Dies { key, life, code, oom: false }),
            Defect::OutOfMemory { after_ms } => self.after(after_ms, Ev::Dies { key, life, code: 137, oom: true }),
            Defect::Unhealthy => {
                let fails = self.rng.range(15_000, 45_000);
                self.after(fails, Ev::Health { key, life, healthy: false });
            }
        }
        if self.services[svc].needs_parents && !self.parents_are_up(svc) {
            self.after(1_000, Ev::Misses { key, life });
        }
    }

    fn parents_are_up(&self, svc: Svc) -> bool {
        let up = |parent: &Svc| self.docker.body(*parent).is_some_and(|key| self.docker.containers[key].is_up());
        self.services[svc].parents.iter().all(up)
    }

    /// Whoever shares the network of what was started anew sits in a dead one, and its check begins to fail.
    fn children_lose_their_network(&mut self, svc: Svc) {
        let children: Vec<(Key, u32)> = self
            .docker
            .living()
            .filter(|(_, c)| self.services[c.svc].network_parent == Some(svc) && c.is_up())
            .map(|(key, c)| (key, c.life))
            .collect();
        for (key, life) in children {
            if self.services[self.docker.containers[key].svc].checked {
                let notices = self.rng.range(4_000, 15_000);
                self.after(notices, Ev::Health { key, life, healthy: false });
            }
        }
    }

    fn network_is_dead(&self, key: Key) -> bool {
        let Some((parent, life)) = self.docker.containers[key].joined else { return false };
        self.docker.containers[parent].gone || self.docker.containers[parent].life != life
    }

    pub(crate) fn health_verdict(&mut self, key: Key, life: u32, healthy: bool) {
        let container = &self.docker.containers[key];
        if container.gone || container.life != life || !container.is_up() {
            return;
        }
        let sick = self.services[container.svc].defect == Defect::Unhealthy || self.network_is_dead(key);
        // What is said of a defect that is over by now, or of a check that cannot pass, is said by the next verdict.
        let first = container.health == Health::Starting;
        let health = match (healthy, sick) {
            (true, true) if !first => return,
            (false, false) => return,
            (true, _) => Health::Healthy,
            (false, true) => Health::Unhealthy,
        };
        if container.health == health {
            return;
        }
        let silent = container.run == Run::Paused;
        let now = self.now;
        let container = &mut self.docker.containers[key];
        container.health = health;
        container.well_since = (health == Health::Healthy).then_some(now);
        if !silent {
            self.emit(key, What::Health(health));
        }
    }

    // ---- ends

    /// POST stop.
    pub(crate) fn docker_stop(&mut self, key: Key, by: By) {
        let container = &mut self.docker.containers[key];
        if container.gone {
            return self.tell_caller(by, Answer::Failed("no such container".to_owned()));
        }
        if !container.starting.is_empty() {
            return container.asked_meanwhile.push(Request::Stop(by));
        }
        match container.run {
            Run::Running | Run::Paused => {
                let paused = container.run == Run::Paused;
                container.run = Run::Running;
                container.hbms |= by != By::Engine;
                container.stops.push(by);
                let (life, svc) = (container.life, container.svc);
                self.emit(key, What::Signalled { signal: TERM, terminating: true });
                if paused {
                    self.emit(key, What::Unpaused);
                }
                if by == By::Person {
                    self.person_stopped(key, life);
                }
                if !self.services[svc].ignores_term {
                    let ends = self.rng.range(30, self.services[svc].term_ms.max(31));
                    let code = if self.services[svc].catches_term { 0 } else { 143 };
                    self.after(ends, Ev::Dies { key, life, code, oom: false });
                }
                self.after(STOP_TIMEOUT_MS, Ev::StopTimeout { key, life });
            }
            Run::Restarting => {
                container.run = Run::Exited;
                container.hbms |= by != By::Engine;
                container.life += 1;
                let life = container.life;
                self.emit(key, What::Stopped);
                if by == By::Person {
                    self.person_stopped(key, life);
                }
                if let By::Healer(permit) = by {
                    self.docker.containers[key].down_by = Some(permit);
                }
                self.tell_caller(by, Answer::Done);
            }
            // It leaves no trace at all.
            Run::Created | Run::Exited | Run::Removing => self.tell_caller(by, Answer::AlreadySo),
        }
    }

    pub(crate) fn stop_timeout(&mut self, key: Key, life: u32) {
        let container = &self.docker.containers[key];
        if !container.gone && container.life == life && container.is_up() && !container.stops.is_empty() {
            self.emit(key, What::Signalled { signal: KILL, terminating: true });
            self.after(10, Ev::Dies { key, life, code: 137, oom: false });
        }
    }

    /// `docker kill`: only persons do that.
    pub(crate) fn docker_kill(&mut self, key: Key) {
        let container = &mut self.docker.containers[key];
        if container.gone {
            return;
        }
        if !container.starting.is_empty() {
            return container.asked_meanwhile.push(Request::Kill);
        }
        match container.run {
            Run::Running | Run::Paused => {
                container.run = Run::Running;
                container.hbms = true;
                let life = container.life;
                self.emit(key, What::Signalled { signal: KILL, terminating: true });
                self.person_stopped(key, life);
                self.after(26, Ev::Dies { key, life, code: 137, oom: false });
            }
            Run::Restarting => {
                // No event tells of it: only that it does not come back.
                container.run = Run::Exited;
                container.hbms = true;
                container.life += 1;
                let svc = container.svc;
                self.truth_is(svc, Word::Unclear);
            }
            Run::Created | Run::Exited | Run::Removing => {}
        }
    }

    /// A reload: it runs on, and the engine's own policy is disarmed.
    pub(crate) fn docker_hup(&mut self, key: Key) {
        let container = &mut self.docker.containers[key];
        if !container.gone && container.run == Run::Running {
            container.hbms = true;
            self.emit(key, What::Signalled { signal: HUP, terminating: false });
        }
    }

    pub(crate) fn docker_pause(&mut self, key: Key, pause: bool) {
        let container = &mut self.docker.containers[key];
        let (from, to) = if pause { (Run::Running, Run::Paused) } else { (Run::Paused, Run::Running) };
        if !container.gone && container.run == from && container.stops.is_empty() {
            container.run = to;
            if pause && container.health == Health::Healthy {
                container.health = Health::Unhealthy;
                container.well_since = None;
            }
            let life = container.life;
            self.emit(key, if pause { What::Paused } else { What::Unpaused });
            if !pause {
                self.after(3_000, Ev::Health { key, life, healthy: true });
            }
        }
    }

    /// The main process ends.
    pub(crate) fn dies(&mut self, key: Key, life: u32, code: i32, oom: bool) {
        let container = &self.docker.containers[key];
        if container.gone || container.life != life || !container.is_up() {
            return;
        }
        if oom {
            self.emit(key, What::OutOfMemory);
        }
        let at = self.docker.stamp(self.now);
        self.note_end(key);
        let now = self.now;
        let (up, shutting) = (self.docker.up, self.docker.shutting);
        let container = &mut self.docker.containers[key];
        container.run = Run::Exited;
        container.exit = Some(Exit { at, code, oom, error: String::new() });
        container.well_since = None;
        container.start_tried = false;
        let stops = std::mem::take(&mut container.stops);
        container.down_by = stops.iter().find_map(|by| match by {
            By::Healer(permit) => Some(*permit),
            By::Person | By::Engine => None,
        });
        let own = container.def.restart_policy == RestartPolicy::UnlessStopped && !container.hbms;
        if own && shutting {
            container.starts_at_boot = true;
        } else if own && up {
            container.run = Run::Restarting;
            if now.saturating_sub(container.began_ms) >= BACKOFF_RESET_MS {
                container.backoff_ms = BACKOFF_MIN_MS;
            }
            let wait = container.backoff_ms;
            container.backoff_ms = (wait * 2).min(BACKOFF_MAX_MS);
            self.after(wait, Ev::PolicyStart { key, life });
        } else if own {
            container.starts_at_boot = true;
        }
        let svc = self.docker.containers[key].svc;
        self.emit(key, What::Died { code });
        for by in stops {
            let takes = self.rng.range(3, 90);
            self.after(takes, Ev::StopDone { key, life, by });
        }
        if self.docker.containers[key].def.removed_at_end {
            self.after(20, Ev::Remove { key });
        }
        self.dependents_miss(svc);
    }

    fn dependents_miss(&mut self, svc: Svc) {
        let miss: Vec<(Key, u32)> = self
            .docker
            .living()
            .filter(|(_, c)| self.services[c.svc].needs_parents && self.services[c.svc].parents.contains(&svc))
            .map(|(key, c)| (key, c.life))
            .collect();
        for (key, life) in miss {
            let notices = self.rng.range(500, 4_000);
            self.after(notices, Ev::Misses { key, life });
        }
    }

    pub(crate) fn misses(&mut self, key: Key, life: u32) {
        let svc = self.docker.containers[key].svc;
        if !self.parents_are_up(svc) {
            self.dies(key, life, 1, false);
        }
    }

    pub(crate) fn stop_done(&mut self, key: Key, life: u32, by: By) {
        let container = &self.docker.containers[key];
        if !container.gone && container.life == life {
            self.emit(key, What::Stopped);
        }
        self.tell_caller(by, Answer::Done);
    }

    pub(crate) fn policy_start(&mut self, key: Key, life: u32) {
        let container = &self.docker.containers[key];
        if container.gone || container.run != Run::Restarting || container.life != life {
            return;
        }
        if !self.docker.up || self.docker.shutting {
            let container = &mut self.docker.containers[key];
            container.run = Run::Exited;
            container.starts_at_boot = true;
            return;
        }
        self.docker.containers[key].restarts += 1;
        if let Some((code, error)) = self.why_unstartable(key) {
            // A restart by the policy that fails has no event.
            self.docker.containers[key].run = Run::Exited;
            return self.note_failed_start(key, code, error);
        }
        self.begin_life(key, By::Engine);
    }

    /// `docker rm -f`, or the removal at the end of a deploy.
    pub(crate) fn docker_remove(&mut self, key: Key) {
        let container = &mut self.docker.containers[key];
        if container.gone {
            return;
        }
        if container.is_up() {
            container.run = Run::Running;
            container.hbms = true;
            let life = container.life;
            self.emit(key, What::Signalled { signal: KILL, terminating: true });
            self.after(26, Ev::Dies { key, life, code: 137, oom: false });
            return self.after(80, Ev::Remove { key });
        }
        self.emit(key, What::Destroyed);
        self.docker.containers[key].gone = true;
    }

    pub(crate) fn docker_rename_aside(&mut self, key: Key) {
        if !self.docker.containers[key].gone {
            self.emit(key, What::Renamed { aside: true });
        }
    }

    pub(crate) fn docker_restarted(&mut self, key: Key) {
        self.emit(key, What::Restarted);
    }

    // ---- the engine itself

    /// `systemctl stop docker`: its socket goes at once, its events go on until all is down.
    pub(crate) fn engine_stops(&mut self) {
        if !self.docker.up || self.docker.shutting {
            return;
        }
        self.counts.hit("source", "engine stopped");
        self.docker.api = false;
        self.docker.socket_gone = true;
        self.docker.shutting = true;
        self.engine_drains();
    }

    pub(crate) fn engine_drains(&mut self) {
        let mut left = false;
        for key in 0..self.docker.containers.len() {
            let container = &self.docker.containers[key];
            left |= !container.gone && (container.is_up() || !container.starting.is_empty());
            let asked = container.stops.contains(&By::Engine);
            if !container.gone && !asked && (container.is_up() || container.run == Run::Restarting) {
                let armed = container.def.restart_policy == RestartPolicy::UnlessStopped && !container.hbms;
                self.docker_stop(key, By::Engine);
                self.docker.containers[key].starts_at_boot = armed;
            }
        }
        if left {
            return self.after(200, Ev::EngineDrains);
        }
        self.after(1_000, Ev::EngineEnds);
    }

    pub(crate) fn engine_ends(&mut self) {
        self.docker.up = false;
        self.docker.shutting = false;
        self.streams_end();
        let away = self.rng.range(2_000, 60_000);
        self.after(away, Ev::EngineBoots { crashed: false });
    }

    /// The engine is killed; its containers go on.
    pub(crate) fn engine_crashes(&mut self) {
        if !self.docker.up || self.docker.shutting {
            return;
        }
        self.counts.hit("source", "engine crashed");
        self.forget_calls();
        let away = self.rng.range(2_000, 40_000);
        self.after(away, Ev::EngineBoots { crashed: true });
    }

    /// The power goes: engine, containers and healer at once.
    pub(crate) fn power_loss(&mut self) {
        if !self.docker.up || self.docker.shutting {
            return;
        }
        self.counts.hit("source", "power loss");
        self.forget_calls();
        for key in 0..self.docker.containers.len() {
            let container = &mut self.docker.containers[key];
            if container.gone || !(container.is_up() || container.run == Run::Restarting) {
                continue;
            }
            container.run = Run::Exited;
            container.life += 1;
            container.stops.clear();
            container.starts_at_boot = container.def.restart_policy == RestartPolicy::UnlessStopped && !container.hbms;
            container.exit = Some(Exit { at: SourceTime(0), code: 255, oom: false, error: String::new() });
            container.well_since = None;
            self.note_end(key);
        }
        let away = self.rng.range(20_000, 90_000);
        self.after(away, Ev::EngineBoots { crashed: false });
    }

    fn forget_calls(&mut self) {
        self.docker.up = false;
        self.docker.api = false;
        self.streams_end();
        for container in &mut self.docker.containers {
            container.starting.clear();
            container.asked_meanwhile.clear();
            container.stops.clear();
            if container.run == Run::Restarting {
                container.run = Run::Exited;
                container.starts_at_boot = true;
            }
        }
    }

    pub(crate) fn engine_boots(&mut self, crashed: bool) {
        self.docker.up = true;
        let booted = self.docker.stamp(self.now);
        self.docker.booted = booted;
        for key in 0..self.docker.containers.len() {
            let container = &mut self.docker.containers[key];
            if container.gone {
                continue;
            }
            if let Some(exit) = container.exit.as_mut().filter(|exit| exit.code == 255 && exit.at.0 == 0) {
                exit.at = booted;
            }
            if crashed && container.is_up() {
                // A crashed engine stops its survivors, as a person would.
                container.hbms = true;
                self.docker_stop(key, By::Engine);
            }
        }
        let takes = if crashed { CLEANUP_MS } else { 500 };
        self.after(takes, Ev::EngineOpens);
    }

    pub(crate) fn engine_opens(&mut self) {
        for key in 0..self.docker.containers.len() {
            let container = &mut self.docker.containers[key];
            let starts = std::mem::take(&mut container.starts_at_boot);
            if !container.gone && starts && container.run == Run::Exited && self.why_unstartable(key).is_none() {
                self.docker.containers[key].hbms = false;
                self.begin_life(key, By::Engine);
                // The engine overrides what healer was told: whoever looks later cannot tell it from a person's start.
                let svc = self.docker.containers[key].svc;
                if self.services[svc].truth.word == Word::StoppedByCommand {
                    self.truth_is(svc, Word::Unclear);
                }
            }
        }
        self.docker.api = true;
        self.docker.socket_gone = false;
    }

    // ---- what is seen

    /// An inspect.
    pub(crate) fn look(&mut self, key: Key) -> Look {
        let at = self.docker.stamp(self.now);
        let container = &self.docker.containers[key];
        let sick = container.health == Health::Unhealthy && container.is_up();
        Look {
            at,
            run: container.run,
            started: container.started,
            exit: if container.is_up() { None } else { container.exit.clone() },
            health: container.health,
            health_output: if sick { "connection refused".to_owned() } else { String::new() },
            restarts: container.restarts,
            manually_stopped: self.reads_flag.then_some(container.hbms),
            kept: None,
            definition: container.def.clone(),
        }
    }

    /// What the engine's own memory holds of a container since its last start. `forgets`: a busy host has pushed the
    /// oldest out.
    pub(crate) fn kept(&self, key: Key, forgets: usize) -> Kept {
        let container = &self.docker.containers[key];
        let booted = self.docker.booted;
        let since = container.kept.iter().filter(|happening| happening.at >= booted);
        let happenings: Vec<Happening> = since.skip(forgets).cloned().collect();
        let begins = happenings.first().is_some_and(|happening| happening.what == What::Started);
        Kept { complete: begins || (forgets == 0 && container.started.is_some_and(|at| at >= booted)), happenings }
    }
}
