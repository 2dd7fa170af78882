//! How a container begins its life in the simulated engine, what that does to others, and what can hinder it.

use model::action::Answer;
use model::fact::{Exit, Health, Run, What};

use super::{By, Defect, Key, Request, Svc};
use crate::images::Flaw;
use crate::truth::Word;
use crate::world::{Ev, World};

impl World<'_> {
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
                self.person_tried_to_start(svc);
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
    pub(super) fn note_failed_start(&mut self, key: Key, code: i32, error: &str) {
        let at = self.docker.stamp(self.now);
        let container = &mut self.docker.containers[key];
        let before = container.exit.take();
        let (at, code) = match before {
            Some(exit) if exit.code != 0 => (exit.at, exit.code),
            Some(exit) => (exit.at, code),
            None => (at, code),
        };
        container.exit = Some(Exit { at, code, oom: false, error: error.to_owned(), start_error: None });
    }

    pub(super) fn why_unstartable(&self, key: Key) -> Option<(i32, &'static str)> {
        let container = &self.docker.containers[key];
        if let Defect::Unstartable { code } = self.services[container.svc].defect {
            return Some((code, "driver failed programming external connectivity: port is already allocated"));
        }
        if !container.lost_networks.is_empty() {
            return Some((128, "network 0a1b2c3d4e5f not found"));
        }
        if container.broken || self.flaw_of(key) == Some(Flaw::LacksCommand) {
            return Some((127, "exec: \"serve\": executable file not found in $PATH"));
        }
        let parent = self.services[container.svc].network_parent?;
        let named = container.def.network_body.as_ref().and_then(|id| self.docker.by_id(id));
        if named.is_none_or(|named| self.docker.containers[named].gone) {
            return Some((128, "No such container"));
        }
        let joined = self.docker.body(parent).is_some_and(|parent| self.docker.containers[parent].is_up());
        (!joined).then_some((128, "cannot join network of a non running container"))
    }

    /// Every start but one by its own policy begins the count of restarts anew (facts/docker.md).
    pub(super) fn begin_life(&mut self, key: Key, by: By) {
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
        container.restarts = 0;
        container.life += 1;
        container.reloaded = container.hbms;
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
        self.name_is_in_use(key);
        self.suffer(key);
        self.children_lose_their_network(svc);
        if self.services[svc].is_job {
            let works = self.rng.range(1_000, 6_000);
            self.after(works, Ev::Dies { key, life, code: 0, oom: false });
        }
    }

    /// Whether whoever leads did not order this start.
    pub(super) fn is_foreign_start(&self, by: By) -> bool {
        match by {
            By::Healer(permit) | By::Compose(permit) => {
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
            Defect::OutOfMemory { enough_bytes, .. }
                if self.docker.containers[key].def.memory_limit_bytes >= enough_bytes => {}
            Defect::OutOfMemory { after_ms, .. } => self.after(after_ms, Ev::Dies { key, life, code: 137, oom: true }),
            Defect::Unhealthy => {
                let fails = self.rng.range(15_000, 45_000);
                self.after(fails, Ev::Health { key, life, healthy: false });
            }
        }
        self.suffer_from_its_image(key);
        if self.services[svc].needs_parents && !self.parents_are_up(svc) {
            self.after(1_000, Ev::Misses { key, life });
        }
    }

    pub(super) fn parents_are_up(&self, svc: Svc) -> bool {
        let up = |parent: &Svc| self.docker.body(*parent).is_some_and(|key| self.docker.containers[key].is_up());
        self.services[svc].parents.iter().all(up)
    }

    /// Whoever shares the network of what was started anew sits in a dead one, and its check begins to fail.
    pub(super) fn children_lose_their_network(&mut self, svc: Svc) {
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

    pub(crate) fn network_is_dead(&self, key: Key) -> bool {
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
}
