//! People who have healer fetch an image, `healer pull` and `healer rebuild`, and what befalls that: a service that is stopped,
//! deployed or ill meanwhile, a freeze, a second order, an end of healer. Chance of its own, so that the worlds without stay
//! what they were.

use std::collections::{BTreeMap, BTreeSet};

use model::ResourceId;
use model::action::Retag;
use model::command::{Ask, CommandId};

use super::Deed;
use crate::docker::{Key, Svc};
use crate::healer::CrashPoint;
use crate::rng::Rng;
use crate::world::{Ev, Service, World};

/// In so many worlds of a hundred images are fetched.
const WORLDS_PERCENT: u64 = 25;
/// In so many of those two services are made of one image's name.
const SHARED_PERCENT: u64 = 35;
/// Jobs, and what is not healer's, are updated with their deployment alone.
const UPDATED: u64 = 5;
/// Those that may share a name.
const SHARING: (Svc, Svc) = (1, 4);
/// What was well for so long is put back unasked.
const WELL_MS: u64 = 65_000;

/// The updates of a world.
pub(crate) struct Updates {
    pub(crate) rng: Rng,
    any: bool,
    /// The names that were given to a newer image for an update, until the service is made of it.
    pub(crate) moved: BTreeMap<Svc, Moved>,
    /// What was fetched for each service and was newer than what it was made of.
    pub(crate) newer: BTreeMap<ResourceId, Vec<Retag>>,
    /// The containers that an update has made.
    pub(crate) made: BTreeMap<Key, Replaced>,
    /// The images that were replaced by each service's last update, and have a name of their own for that.
    pub(crate) kept: BTreeMap<Svc, String>,
    /// The images that somebody has removed.
    pub(crate) pruned: BTreeSet<String>,
    /// The orders that a later process has given up, saying so.
    pub(crate) given_up: BTreeSet<(CommandId, ResourceId)>,
    /// What each process was told to fetch.
    pub(crate) handed: BTreeSet<(CommandId, ResourceId)>,
}

/// A name that an update has moved.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    /// What it means since.
    pub(crate) to: String,
    /// A person was told so.
    pub(crate) told: bool,
}

/// What a container replaced that an update has made.
#[derive(Debug, Clone)]
pub(crate) struct Replaced {
    /// To which image its name was given.
    pub(crate) retag: Retag,
    /// When it was made.
    pub(crate) at: u64,
    /// What it replaced was ill.
    pub(crate) ill: bool,
}

impl Updates {
    pub(crate) fn new(seed: u64, all_deeds: bool, services: &mut [Service]) -> Updates {
        let mut rng = Rng::new(seed ^ 0x75_7064_6174_6573);
        let any = rng.percent(WORLDS_PERCENT) && all_deeds;
        if rng.percent(SHARED_PERCENT) && any {
            let (of, with) = SHARING;
            services[with].template.image = services[of].template.image.clone();
        }
        Updates {
            rng,
            any,
            moved: BTreeMap::new(),
            newer: BTreeMap::new(),
            made: BTreeMap::new(),
            kept: BTreeMap::new(),
            pruned: BTreeSet::new(),
            given_up: BTreeSet::new(),
            handed: BTreeSet::new(),
        }
    }
}

impl World<'_> {
    pub(crate) fn updated_some_time(&mut self) {
        if self.updates.any {
            let at = self.updates.rng.range(40_000, 260_000);
            self.after(at, Ev::UpdatedSomeTime);
        }
    }

    /// Aimed at what is well, mostly: of anything else nobody would want the image of before.
    pub(crate) fn somebody_updates(&mut self) {
        if !self.stormy {
            return;
        }
        self.updated_some_time();
        let any = usize::try_from(self.updates.rng.below(UPDATED)).unwrap_or(0);
        let well: Vec<Svc> = (0..5).filter(|svc| self.is_well_for(*svc, WELL_MS)).collect();
        let chosen = usize::try_from(self.updates.rng.below(well.len() as u64)).ok();
        let aimed = chosen.and_then(|at| well.get(at).copied()).filter(|_| self.updates.rng.percent(75));
        let svc = aimed.unwrap_or(any);
        let (build, whole) = (self.updates.rng.percent(30), self.updates.rng.percent(12));
        self.deed(Deed::Update { svc, build, whole });
        self.befalls_a_fetch(svc);
    }

    pub(super) fn update(&mut self, svc: Svc, build: bool, whole: bool) {
        self.counts.hit("person", if build { "healer rebuild" } else { "healer pull" });
        self.count_what_is_updated(svc, whole);
        let resource = &self.services[svc].resource;
        let words = if whole { resource.deployment() } else { resource.short() }.to_owned();
        self.command(if build { Ask::Rebuild(words) } else { Ask::Pull(words) });
    }

    fn count_what_is_updated(&mut self, svc: Svc, whole: bool) {
        if whole {
            self.counts.hit("update", "of a deployment");
        }
        let truth = self.services[svc].truth;
        let up = self.docker.body(svc).is_some_and(|key| self.docker.containers[key].is_up());
        if self.check.frozen {
            self.counts.hit("update", "in a freeze");
        } else if truth.in_hand {
            self.counts.hit("update", "of what is deployed");
        } else if !up {
            self.counts.hit("update", "of what is down");
        }
    }

    /// What may come in between, while the image is fetched.
    fn befalls_a_fetch(&mut self, svc: Svc) {
        let soon = self.updates.rng.range(100, 8_000);
        match self.updates.rng.below(16) {
            0 => self.after(soon, Ev::Deed(Deed::DockerStop(svc))),
            1 => self.after(soon, Ev::Deed(Deed::HealerStop(svc))),
            2 => {
                self.counts.hit("race", "a second order while an image is fetched");
                self.after(soon, Ev::Deed(Deed::Update { svc, build: false, whole: false }));
            }
            3 => {
                self.after(soon, Ev::Deed(Deed::Freeze));
                let lasts = self.updates.rng.range(5_000, 120_000);
                self.after(soon + lasts, Ev::Deed(Deed::Thaw));
            }
            4 => self.after(soon, Ev::Deed(Deed::Deploy { svc, stage: super::Stage::Begin { broken: false } })),
            5 => {
                let flawed = self.updates.rng.percent(50);
                self.after(soon, Ev::Deed(Deed::PushImage { svc, flawed }));
            }
            6 => self.after(soon, Ev::Deed(Deed::Crash(svc))),
            7 => self.after(soon, Ev::Deed(Deed::DockerPause(svc))),
            8 => {
                if let Some(pid) = self.leader().map(|healer| healer.pid) {
                    self.after(soon, Ev::KillHealer { pid, point: CrashPoint::BetweenSteps });
                }
            }
            9 => self.after(soon, Ev::Deed(Deed::EngineStops)),
            _ => {}
        }
    }

    /// What may come in between, once a name was moved by a fetch.
    pub(crate) fn befalls_a_moved_name(&mut self, pid: u32, svc: Svc) {
        if !self.stormy {
            return;
        }
        let soon = self.updates.rng.below(1_000);
        match self.updates.rng.below(16) {
            0 => self.after(soon, Ev::KillHealer { pid, point: CrashPoint::BetweenSteps }),
            1 => self.after(soon, Ev::Deed(Deed::DockerStop(svc))),
            2 => self.after(soon, Ev::Deed(Deed::HealerStop(svc))),
            3 => {
                self.after(soon, Ev::Deed(Deed::Freeze));
                let lasts = self.updates.rng.range(5_000, 120_000);
                self.after(soon + lasts, Ev::Deed(Deed::Thaw));
                // Who was told to wait for the end of the freeze is overtaken.
                if self.updates.rng.percent(50) {
                    self.after(soon + lasts / 2, Ev::Deed(Deed::HealerStop(svc)));
                }
            }
            4 => self.after(soon, Ev::BeginHealer),
            _ => {}
        }
        if self.other_of_its_name(svc).is_some() && self.updates.rng.percent(60) {
            self.another_overtakes(svc);
        }
    }

    /// The service that shares an image's name with another one.
    fn other_of_its_name(&self, svc: Svc) -> Option<Svc> {
        let name = &self.services[svc].template.image;
        (0..self.services.len()).find(|other| *other != svc && self.services[*other].template.image == *name)
    }

    /// While a freeze keeps the one that was updated, the other of that name is deployed of the newer image; and then the
    /// update comes to nothing.
    fn another_overtakes(&mut self, svc: Svc) {
        let Some(other) = self.other_of_its_name(svc) else { return };
        let thawed = self.updates.rng.range(18_000, 22_000);
        self.after(0, Ev::Deed(Deed::Freeze));
        self.after(2_000, Ev::Deed(Deed::Deploy { svc: other, stage: super::Stage::Begin { broken: false } }));
        self.after(thawed, Ev::Deed(Deed::Thaw));
        let stopped = thawed + self.updates.rng.range(20, 1_400);
        self.after(stopped, Ev::Deed(Deed::DockerStop(svc)));
    }

    /// The other of that name is deployed of the newer image, and is well of it when the first one crashes.
    fn another_runs_of_it_too(&mut self, svc: Svc, other: Svc) {
        let (deployed, crashes) = (self.updates.rng.range(3_000, 20_000), self.updates.rng.range(100_000, 200_000));
        self.after(deployed, Ev::Deed(Deed::Deploy { svc: other, stage: super::Stage::Begin { broken: false } }));
        self.after(crashes, Ev::Deed(Deed::Crash(svc)));
    }

    /// What may come in between, while Compose makes a service anew for an update, and once it has.
    pub(crate) fn befalls_an_update(&mut self, pid: u32, svc: Svc) {
        if !self.stormy {
            return;
        }
        if let Some(other) = self.other_of_its_name(svc).filter(|_| self.updates.rng.percent(40)) {
            return self.another_runs_of_it_too(svc, other);
        }
        let soon = self.updates.rng.below(1_200);
        let later = self.updates.rng.range(1_000, 60_000);
        match self.updates.rng.below(20) {
            0..2 => self.after(soon, Ev::KillHealer { pid, point: CrashPoint::BetweenNameAndBody }),
            2 => self.stopped_at_an_update(soon, Deed::DockerStop(svc)),
            3 => self.stopped_at_an_update(soon, Deed::HealerStop(svc)),
            4 => {
                self.counts.hit("race", "deploy after an update");
                self.after(later, Ev::Deed(Deed::Deploy { svc, stage: super::Stage::Begin { broken: false } }));
            }
            5 => {
                let flawed = self.updates.rng.percent(50);
                self.after(later, Ev::Deed(Deed::PushImage { svc, flawed }));
            }
            6 => self.after(later, Ev::Deed(Deed::DockerStop(svc))),
            7 | 8 => self.after(later, Ev::Deed(Deed::Prune)),
            9 => {
                // It falls ill, but long after.
                let late = self.updates.rng.range(500_000, 900_000);
                self.after(late, Ev::Deed(Deed::Crash(svc)));
            }
            10 => self.after(soon, Ev::Deed(Deed::EngineStops)),
            _ => {}
        }
    }

    fn stopped_at_an_update(&mut self, soon: u64, deed: Deed) {
        self.counts.hit("race", "stop at an update");
        self.after(soon, Ev::Deed(deed));
    }

    /// Somebody has made a container of the very image that healer is having it made of. While it is not known what came of
    /// that, nobody can tell which of the two it is.
    pub(super) fn perhaps_made_by_healer(&mut self, svc: Svc, key: Key) {
        self.name_is_in_use(key);
        let resource = &self.services[svc].resource;
        let image_id = &self.docker.containers[key].def.image_id;
        let Some((permit, retag)) = self.check.remaking_of(resource, self.now) else { return };
        if retag.to != *image_id {
            return;
        }
        if self.check.is_a_persons(permit) {
            self.updates.made.insert(key, Replaced { retag, at: self.now, ill: false });
        }
        self.images.perhaps_by_healer.insert(key);
    }

    /// Somebody removes every image that has no name and of which no container is made.
    pub(super) fn prune(&mut self) {
        self.counts.hit("person", "docker image prune");
        let named: BTreeSet<String> = self
            .services
            .iter()
            .map(|service| service.template.image_id.clone())
            .chain(self.updates.kept.values().cloned())
            .collect();
        let used: BTreeSet<String> = self.docker.living().map(|(_, body)| body.def.image_id.clone()).collect();
        let replaced = self.updates.made.values().map(|replaced| replaced.retag.to_owned());
        let ids: Vec<String> = replaced.flat_map(|retag| [retag.from, retag.to]).collect();
        let gone = ids.into_iter().filter(|id| !named.contains(id) && !used.contains(id));
        self.updates.pruned.extend(gone);
    }
}
