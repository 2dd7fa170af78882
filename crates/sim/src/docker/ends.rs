//! How a container's life ends in the simulated engine: by a stop, a kill, a crash, the engine's policy, a removal.

use std::sync::Arc;

use model::action::Answer;
use model::fact::{Definition, Exit, Health, Run, What};

use super::{BACKOFF_MIN_MS, By, KILL, Key, Request, Svc};
use crate::truth::Word;
use crate::world::{Ev, World};

/// The engine kills what has not ended by then.
const STOP_TIMEOUT_MS: u64 = 10_000;
/// The engine's own restarts wait this long at most.
const BACKOFF_MAX_MS: u64 = 60_000;
/// After a life of this length the engine's wait begins anew.
const BACKOFF_RESET_MS: u64 = 10_000;
const TERM: u8 = 15;
const HUP: u8 = 1;

impl World<'_> {
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

    /// `docker kill -s TERM`: as a stop, without its patience and its event.
    pub(crate) fn docker_term(&mut self, key: Key) {
        let container = &mut self.docker.containers[key];
        if container.gone || container.run != Run::Running {
            return;
        }
        container.hbms = true;
        let (life, svc) = (container.life, container.svc);
        self.emit(key, What::Signalled { signal: TERM, terminating: true });
        self.person_stopped(key, life);
        if !self.services[svc].ignores_term {
            let code = if self.services[svc].catches_term { 0 } else { 143 };
            self.after(self.services[svc].term_ms, Ev::Dies { key, life, code, oom: false });
        }
    }

    /// A reload: it runs on, and the engine's own policy is disarmed.
    pub(crate) fn docker_hup(&mut self, key: Key) {
        let container = &mut self.docker.containers[key];
        if !container.gone && container.run == Run::Running {
            (container.hbms, container.reloaded) = (true, true);
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
        // What is frozen does nothing by itself.
        if container.run == Run::Paused && code != 137 {
            return self.after(5_000, Ev::Dies { key, life, code, oom });
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
        container.exit = Some(Exit { at, code, oom, error: String::new(), start_error: None });
        container.well_since = None;
        container.start_tried = false;
        let stops = std::mem::take(&mut container.stops);
        container.down_by = stops.iter().find_map(|by| match by {
            By::Healer(permit) | By::Compose(permit) => Some(*permit),
            By::Person | By::Engine => None,
        });
        if container.is_restarted_after(code) && up && !shutting {
            container.run = Run::Restarting;
            if now.saturating_sub(container.began_ms) >= BACKOFF_RESET_MS {
                container.backoff_ms = BACKOFF_MIN_MS;
            }
            let wait = container.backoff_ms;
            container.backoff_ms = (wait * 2).min(BACKOFF_MAX_MS);
            self.after(wait, Ev::PolicyStart { key, life });
        }
        let svc = self.docker.containers[key].svc;
        if self.docker.is_newer {
            stops.iter().for_each(|_| self.emit(key, What::Stopped));
        }
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

    pub(super) fn dependents_miss(&mut self, svc: Svc) {
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
        if !container.gone && container.life == life && !self.docker.is_newer {
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
            self.docker.containers[key].run = Run::Exited;
            return;
        }
        let restarts = self.docker.containers[key].restarts + 1;
        self.docker.containers[key].restarts = restarts;
        if let Some((code, error)) = self.why_unstartable(key) {
            // A restart by the policy that fails has no event.
            self.docker.containers[key].run = Run::Exited;
            return self.note_failed_start(key, code, error);
        }
        self.begin_life(key, By::Engine);
        self.docker.containers[key].restarts = restarts;
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
        let container = &mut self.docker.containers[key];
        container.gone = true;
        let (svc, by_itself) = (container.svc, container.def.removed_at_end);
        // What an unfinished deploy left behind is all that there is of the service now.
        if by_itself && self.docker.bodies(svc).next().is_some() {
            self.truth_is(svc, Word::Unclear);
        }
    }

    pub(crate) fn docker_rename_aside(&mut self, key: Key) {
        if !self.docker.containers[key].gone {
            self.emit(key, What::Renamed { aside: true });
        }
    }

    /// Compose v2 gives the name of what it replaced to what it has made for that.
    pub(crate) fn docker_gets_its_name(&mut self, key: Key) {
        if !self.docker.containers[key].gone {
            self.emit(key, What::Renamed { aside: false });
        }
    }

    /// It was made in order to replace another one.
    pub(crate) fn docker_takes_the_place(&mut self, new: Key, old: Key) {
        let replaces = Some(self.docker.containers[old].id.clone());
        let container = &mut self.docker.containers[new];
        container.def = Arc::new(Definition { replaces, ..Definition::clone(&container.def) });
    }

    pub(crate) fn docker_restarted(&mut self, key: Key) {
        if self.docker.containers[key].is_up() {
            self.emit(key, What::Restarted);
        }
    }
}
