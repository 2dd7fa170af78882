//! The simulated engine's own process: its shutdown, its crash, the loss of power, and how it comes back.

use model::fact::{Exit, Run, SourceTime};

use super::By;
use crate::healer::CrashPoint;
use crate::truth::Word;
use crate::world::{Ev, World};

/// A crashed engine needs this long to put its house in order before its API answers.
const CLEANUP_MS: u64 = 12_000;

impl World<'_> {
    /// `systemctl stop docker`: its socket goes at once, its events go on until all is down.
    pub(crate) fn engine_stops(&mut self) {
        if !self.docker.up || self.docker.shutting {
            return;
        }
        self.counts.hit("source", "engine stopped");
        self.blur_stops_just_before();
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
                self.docker_stop(key, By::Engine);
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
        // Whatever watches it may start it again before anybody has noticed.
        let away = if self.rng.percent(20) { self.rng.range(100, 900) } else { self.rng.range(2_000, 40_000) };
        self.after(away, Ev::EngineBoots { crashed: true });
    }

    /// The host is restarted in order: healer is ended first, then the engine.
    pub(crate) fn host_restarts(&mut self) {
        if !self.docker.up || self.docker.shutting {
            return;
        }
        self.counts.hit("source", "host restarted");
        self.docker.boots += 1;
        self.mount_may_be_late();
        let pids: Vec<u32> = self.healers.iter().map(|healer| healer.pid).collect();
        for pid in pids {
            self.kill_healer(pid, CrashPoint::InOrder);
        }
        self.engine_stops();
    }

    /// The power goes: engine, containers and healer at once.
    pub(crate) fn power_loss(&mut self) {
        if !self.docker.up || self.docker.shutting {
            return;
        }
        self.counts.hit("source", "power loss");
        self.docker.boots += 1;
        self.mount_may_be_late();
        self.forget_calls();
        for key in 0..self.docker.containers.len() {
            let container = &mut self.docker.containers[key];
            if container.gone || !(container.is_up() || container.run == Run::Restarting) {
                continue;
            }
            container.run = Run::Exited;
            container.life += 1;
            container.stops.clear();
            container.exit =
                Some(Exit { at: SourceTime(0), code: 255, oom: false, error: String::new(), start_error: None });
            container.well_since = None;
            self.note_end(key);
        }
        let away = self.rng.range(20_000, 90_000);
        self.after(away, Ev::EngineBoots { crashed: false });
    }

    pub(super) fn forget_calls(&mut self) {
        self.docker.up = false;
        self.docker.api = false;
        self.streams_end();
        for container in &mut self.docker.containers {
            container.starting.clear();
            container.asked_meanwhile.clear();
            container.stops.clear();
            if container.run == Run::Restarting {
                container.run = Run::Exited;
            }
        }
    }

    pub(crate) fn engine_boots(&mut self, crashed: bool) {
        self.docker.up = true;
        let booted = self.docker.stamp(self.now);
        self.docker.booted = booted;
        self.docker.starts += 1;
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
        self.after(takes, Ev::EngineOpens { start: self.docker.starts });
    }

    /// `start`: the engine's start that comes to its end by this, unless the engine has gone down before that.
    pub(crate) fn engine_opens(&mut self, start: u32) {
        if !self.docker.up || self.docker.shutting || self.docker.starts != start {
            return;
        }
        for key in 0..self.docker.containers.len() {
            let container = &self.docker.containers[key];
            if container.gone || !container.is_started_at_boot() {
                continue;
            }
            if let Some((code, error)) = self.why_unstartable(key) {
                self.note_failed_start(key, code, error);
            } else {
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
}
