//! Blue and green: a second container of a service is put beside the first, and takes its place once it runs (facts/intent.md,
//! B3). What stops the first stops no service. Chance of its own, so that the worlds without stay what they were.

use model::fact::Run;

use super::Deed;
use crate::docker::{By, Key, Svc};
use crate::rng::Rng;
use crate::truth::Word;
use crate::world::{Ev, World};

/// In so many worlds of a hundred somebody deploys so.
const WORLDS_PERCENT: u64 = 20;
/// Those that share a network, and jobs, are not deployed so.
const PUT_BESIDE: [Svc; 3] = [0, 1, 4];
/// The second one is given so long to come up.
const TRIES_MAX: u32 = 100;

/// Who deploys so.
pub(crate) struct Beside {
    rng: Rng,
    any: bool,
}

/// How far it has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Besides {
    Begin,
    /// The second one is being started.
    Starting {
        blue: Key,
        green: Key,
        tries: u32,
    },
    /// Both run, and the first one is stopped.
    Stop {
        blue: Key,
        green: Key,
    },
    Stopping {
        blue: Key,
        green: Key,
        tries: u32,
    },
}

impl Beside {
    pub(crate) fn new(seed: u64, all_deeds: bool) -> Beside {
        let mut rng = Rng::new(seed ^ 0x6265_7369_6465);
        let any = rng.percent(WORLDS_PERCENT) && all_deeds;
        Beside { rng, any }
    }
}

impl World<'_> {
    pub(crate) fn put_beside_some_time(&mut self) {
        if self.beside.any {
            let at = self.beside.rng.range(30_000, 400_000);
            self.after(at, Ev::BesideSomeTime);
        }
    }

    pub(crate) fn put_beside(&mut self) {
        if !self.stormy {
            return;
        }
        self.put_beside_some_time();
        let chosen = self.beside.rng.below(PUT_BESIDE.len() as u64);
        if let Some(svc) = usize::try_from(chosen).ok().and_then(|at| PUT_BESIDE.get(at)) {
            self.deed(Deed::Beside { svc: *svc, stage: Besides::Begin });
        }
    }

    pub(super) fn goes_on_beside(&mut self, svc: Svc, stage: Besides) {
        match stage {
            Besides::Begin => self.begins_beside(svc),
            Besides::Starting { blue, green, tries } => self.starts_beside(svc, blue, green, tries),
            Besides::Stop { blue, green } => self.stops_the_first(svc, blue, green),
            Besides::Stopping { blue, green, tries } => self.removes_the_first(svc, blue, green, tries),
        }
    }

    fn then(&mut self, wait_ms: u64, svc: Svc, stage: Besides) {
        self.after(wait_ms, Ev::Deed(Deed::Beside { svc, stage }));
    }

    /// Only beside what runs, alone and by its owner's wish.
    fn begins_beside(&mut self, svc: Svc) {
        let runs = |key: &Key| self.docker.containers[*key].run == Run::Running;
        let Some(blue) = self.up_or_down(svc).filter(runs) else { return };
        if self.docker.bodies(svc).count() > 1 || self.services[svc].truth.word != Word::Running {
            return;
        }
        self.counts.hit("person", "one beside another");
        let green = self.make_anew(svc, false);
        self.docker_start(green, By::Person);
        self.then(100, svc, Besides::Starting { blue, green, tries: 0 });
    }

    fn starts_beside(&mut self, svc: Svc, blue: Key, green: Key, tries: u32) {
        if self.docker.containers[green].is_up() && self.docker.containers[green].starting.is_empty() {
            let both_run_ms = self.beside.rng.range(200, 20_000);
            return self.then(both_run_ms, svc, Besides::Stop { blue, green });
        }
        if tries < TRIES_MAX && self.docker.api {
            return self.then(100, svc, Besides::Starting { blue, green, tries: tries + 1 });
        }
        // It did not come up: the first one stays.
        self.give_up_beside(green);
    }

    fn stops_the_first(&mut self, svc: Svc, blue: Key, green: Key) {
        if !self.docker.containers[green].is_up() || !self.docker.api {
            return self.give_up_beside(green);
        }
        if self.docker.containers[blue].is_up() {
            self.counts.hit("race", "the first of two is stopped");
            self.docker_stop(blue, By::Person);
        }
        // Aimed: the second one falls, or is stopped, just then.
        let soon = self.beside.rng.range(50, 4_000);
        match self.beside.rng.below(6) {
            0 => self.after(soon, Ev::Deed(Deed::DockerStop(svc))),
            1 => self.after(soon, Ev::Deed(Deed::Crash(svc))),
            _ => {}
        }
        self.then(100, svc, Besides::Stopping { blue, green, tries: 0 });
    }

    fn removes_the_first(&mut self, svc: Svc, blue: Key, green: Key, tries: u32) {
        let waits = self.docker.containers[blue].is_up() || !self.docker.api;
        if waits && tries < TRIES_MAX * 20 {
            return self.then(100, svc, Besides::Stopping { blue, green, tries: tries + 1 });
        }
        if self.docker.api {
            self.docker_rename_aside(blue);
            self.docker_gets_its_name(green);
            self.docker_remove(blue);
        }
    }

    fn give_up_beside(&mut self, green: Key) {
        let svc = self.docker.containers[green].svc;
        if !self.docker.api {
            return self.truth_is(svc, Word::Unclear);
        }
        // Whether that is a wish that the service be down nobody can tell where nothing else of it runs.
        if self.docker.bodies(svc).all(|(key, body)| key == green || !body.is_up()) {
            self.truth_is(svc, Word::Unclear);
        }
        self.docker_remove(green);
    }
}
