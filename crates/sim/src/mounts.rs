//! A mount of the host that is late after a boot, or goes for a while: the database has its files on it. Chance of its own,
//! so that the worlds without one stay what they were.

use std::collections::BTreeSet;

use model::action::Permit;
use model::input::Input;

use crate::docker::Svc;
use crate::rng::Rng;
use crate::truth::Token;
use crate::world::{Ev, HOST, Service, World};

const POINT: &str = "/srv/data";
/// Which service needs it.
const NEEDS: Svc = 0;
/// In so many worlds of a hundred there is one.
const WORLDS_PERCENT: u64 = 25;
/// It is looked at about this often.
const SEEN_WITHIN_MS: u64 = 2_500;

/// The mount, as it truly stands.
pub(crate) struct Mounts {
    rng: Rng,
    /// Whether this world's host has one.
    any: bool,
    missing: bool,
    /// Counts how often it went, so that what was to bring back an earlier one is forgotten.
    times: u32,
}

impl Mounts {
    pub(crate) fn new(seed: u64, services: &mut [Service]) -> Mounts {
        let mut rng = Rng::new(seed ^ 0x6d6f_756e_7473);
        let any = rng.percent(WORLDS_PERCENT);
        if any {
            services[NEEDS].template.host_paths = [format!("{POINT}/db")].into();
        }
        Mounts { rng, any, missing: false, times: 0 }
    }
}

impl World<'_> {
    pub(crate) fn mount_goes_some_time(&mut self) {
        if self.mounts.any {
            let at = self.mounts.rng.range(60_000, 900_000);
            self.after(at, Ev::MountGoes);
        }
    }

    pub(crate) fn mount_goes(&mut self) {
        if !self.stormy {
            return;
        }
        self.lacks_mount(300_000);
        // What has files on it notices, more often than not.
        if self.mounts.rng.percent(70)
            && let Some(key) = self.docker.body(NEEDS)
        {
            let life = self.docker.containers[key].life;
            let at = self.mounts.rng.below(2_000);
            self.after(at, Ev::Dies { key, life, code: 1, oom: false });
        }
        self.mount_goes_some_time();
    }

    /// The host comes up, perhaps before its mount does.
    pub(crate) fn mount_may_be_late(&mut self) {
        if self.mounts.any && self.stormy && self.mounts.rng.percent(60) {
            self.lacks_mount(600_000);
        }
    }

    fn lacks_mount(&mut self, lasts_max_ms: u64) {
        self.counts.hit("source", "mount missing");
        self.trace(|| format!("{POINT} is not mounted"));
        self.mounts.missing = true;
        self.mounts.times += 1;
        let (times, lasts) = (self.mounts.times, self.mounts.rng.range(2_000, lasts_max_ms));
        self.after(lasts, Ev::MountComes { times });
        self.mount_is_news();
    }

    pub(crate) fn mount_comes(&mut self, times: u32) {
        if self.mounts.missing && self.mounts.times == times {
            self.trace(|| format!("{POINT} is mounted"));
            self.mounts.missing = false;
            self.mount_is_news();
        }
    }

    pub(crate) fn mount_is_back(&mut self) {
        self.mount_comes(self.mounts.times);
    }

    fn mount_is_news(&mut self) {
        let pids: Vec<u32> = self.healers.iter().map(|healer| healer.pid).collect();
        for pid in pids {
            let soon = self.mounts.rng.below(SEEN_WITHIN_MS);
            self.after(soon, Ev::MountsSeen { pid });
        }
    }

    /// A healer compares what the host's table asks for with what is there.
    pub(crate) fn mounts_seen(&mut self, pid: u32) {
        if !self.mounts.any {
            return;
        }
        let missing = self.mounts.missing;
        let point = missing.then(|| POINT.to_owned());
        let input = Input::Mounts { host: HOST.to_owned(), missing: BTreeSet::from_iter(point) };
        self.arrives(pid, input, Token::Mount { missing });
    }

    /// Whether a permit's act would end in a start without the mount; the performer asks just before it acts.
    pub(crate) fn starts_without_mount(&self, permit: &Permit) -> bool {
        self.mounts.missing && self.needs_mount(permit)
    }

    /// Whether a permit's act needs the mount, wherever that is.
    pub(crate) fn needs_mount(&self, permit: &Permit) -> bool {
        let is_it = self.services[NEEDS].resource == permit.step.resource;
        self.mounts.any && is_it && permit.step.ends_in_start()
    }
}
