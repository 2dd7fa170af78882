//! Which image a service's name means. Somebody pushes another one under the same name and deploys that, and it is no good;
//! healer may give the name back, once a person says so. Chance of its own, so that the worlds without stay what they were.

use std::collections::{BTreeMap, BTreeSet};

use model::action::{Permit, PermitId, Retag};
use model::incident::IncidentId;

use crate::docker::{Key, Svc};
use crate::healer::CrashPoint;
use crate::people::Deed;
use crate::people::Stage;
use crate::rng::Rng;
use crate::world::{Ev, World};

/// In so many worlds of a hundred images are pushed.
const WORLDS_PERCENT: u64 = 25;
/// Jobs, and what is not healer's, are deployed as before.
const PUSHED_TO: usize = 5;
/// What was well for so long is put back, and nothing else.
const WELL_MS: u64 = 65_000;

/// What is wrong with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It ends at its start, and says that a variable is missing.
    LacksVariable,
    /// It cannot be started.
    LacksCommand,
}

/// The images of a world.
pub(crate) struct Images {
    pub(crate) rng: Rng,
    /// Whether this world's people push any.
    any: bool,
    /// How many images were made besides the first ones.
    made: u32,
    flaws: BTreeMap<String, Flaw>,
    /// The services whose next deploy changes nothing but the image.
    alone: BTreeSet<Svc>,
    /// The containers that Compose made at healer's order.
    pub(crate) made_by_healer: BTreeSet<Key>,
    /// Those that somebody made of the same while healer was at it.
    pub(crate) perhaps_by_healer: BTreeSet<Key>,
    /// The names that healer gave back and that mean so still.
    pub(crate) given_back: BTreeMap<Svc, GivenBack>,
}

/// A name that healer gave back to the image of before.
#[derive(Debug, Clone)]
pub(crate) struct GivenBack {
    pub(crate) permit: PermitId,
    /// What it meant until then.
    pub(crate) from: String,
    /// It did not help.
    pub(crate) failed: bool,
    /// The verdict says how the name is put back: it was cut short.
    pub(crate) left: bool,
    /// A person was told so.
    pub(crate) told: bool,
    /// What is made from here on is of what the name meant since.
    pub(crate) since: Key,
}

impl Images {
    pub(crate) fn new(seed: u64, all_deeds: bool) -> Images {
        let mut rng = Rng::new(seed ^ 0x69_6d61_6765);
        let any = rng.percent(WORLDS_PERCENT) && all_deeds;
        Images {
            rng,
            any,
            made: 0,
            flaws: BTreeMap::new(),
            alone: BTreeSet::new(),
            made_by_healer: BTreeSet::new(),
            perhaps_by_healer: BTreeSet::new(),
            given_back: BTreeMap::new(),
        }
    }

    /// Another image, and what is wrong with it.
    pub(crate) fn another(&mut self, flaw: Option<Flaw>) -> String {
        self.made += 1;
        let id = format!("sha256:{}", self.made + 1);
        if let Some(flaw) = flaw {
            self.flaws.insert(id.clone(), flaw);
        }
        id
    }

    /// Whatever they lacked is there.
    pub(crate) fn are_mended(&mut self) {
        self.flaws.clear();
    }
}

impl World<'_> {
    /// What is wrong with the image that a container is made of.
    pub(crate) fn flaw_of(&self, key: Key) -> Option<Flaw> {
        self.images.flaws.get(&self.docker.containers[key].def.image_id).copied()
    }

    /// Compose's hash of what its file says of a service: v1 hashes the image's id with it (facts/docker.md).
    pub(crate) fn compose_hash(&self, svc: Svc) -> String {
        let template = &self.services[svc].template;
        match template.image_id.as_str() {
            image if self.docker.is_newer || image == "sha256:1" => template.config_hash.clone(),
            image => format!("{}/{image}", template.config_hash),
        }
    }

    pub(crate) fn image_is_pushed_some_time(&mut self) {
        if self.images.any {
            let at = self.images.rng.range(60_000, 400_000);
            self.after(at, Ev::ImagePushed);
        }
    }

    /// Aimed at what is well: of anything else nobody would want the image of before.
    pub(crate) fn image_pushed(&mut self) {
        if !self.stormy {
            return;
        }
        self.image_is_pushed_some_time();
        let well: Vec<Svc> = (0..PUSHED_TO).filter(|svc| self.is_well_for(*svc, WELL_MS)).collect();
        let chosen = self.images.rng.below(well.len() as u64);
        if let Some(svc) = usize::try_from(chosen).ok().and_then(|at| well.get(at)) {
            self.deed(Deed::PushImage { svc: *svc, flawed: true });
        }
    }

    pub(crate) fn is_well_for(&self, svc: Svc, ms: u64) -> bool {
        let well = |key: Key| self.docker.containers[key].well_since.is_some_and(|since| since + ms <= self.now);
        let alone = self.docker.bodies(svc).count() == 1;
        alone && self.docker.api && !self.services[svc].truth.in_hand && self.docker.body(svc).is_some_and(well)
    }

    /// From here on an image's name means this one. Returns what it meant before.
    pub(crate) fn name_means(&mut self, svc: Svc, id: &str) -> String {
        let (name, before) = (&self.services[svc].template.image, self.services[svc].template.image_id.clone());
        let same: Vec<Svc> = (0..self.services.len()).filter(|of| self.services[*of].template.image == *name).collect();
        for of in same {
            id.clone_into(&mut self.services[of].template.image_id);
        }
        before
    }

    /// The name means another image from here on, and the service is deployed.
    pub(crate) fn push_image(&mut self, svc: Svc, flawed: bool) {
        self.counts.hit("person", if flawed { "push of a flawed image" } else { "push of an image" });
        self.images.given_back.remove(&svc);
        let lacks = |rng: &mut Rng| if rng.percent(75) { Flaw::LacksVariable } else { Flaw::LacksCommand };
        let flaw = flawed.then(|| lacks(&mut self.images.rng));
        let id = self.images.another(flaw);
        let before = self.name_means(svc, &id);
        if self.images.rng.percent(75) {
            self.images.alone.insert(svc);
        }
        // What it did to its data the one before may not understand.
        if flawed && self.images.rng.percent(35) {
            self.images.flaws.insert(before, Flaw::LacksVariable);
        }
        self.deed(Deed::Deploy { svc, stage: Stage::Begin { broken: false } });
    }

    /// Whether a deploy of a service that has just had an image pushed changes nothing else.
    pub(crate) fn changes_its_image_alone(&mut self, svc: Svc) -> bool {
        self.images.alone.remove(&svc)
    }

    /// A life of a flawed image begins.
    pub(crate) fn suffer_from_its_image(&mut self, key: Key) {
        if self.flaw_of(key) == Some(Flaw::LacksVariable) {
            let life = self.docker.containers[key].life;
            let soon = if self.images.rng.percent(40) { self.images.rng.below(40) } else { 8_000 };
            let ends = 1 + self.images.rng.below(soon.max(1));
            self.after(ends, Ev::Dies { key, life, code: 1, oom: false });
        }
    }

    // ---- what befalls a roll back

    /// A roll back is mostly answered, perhaps just when somebody deploys again.
    pub(crate) fn roll_back_asked(&mut self, incident: &IncidentId, svc: Svc) {
        self.counts.hit("roll back", "asked");
        let rng = &mut self.images.rng;
        if rng.percent(10) {
            return;
        }
        let (wait, yes) = (rng.range(500, 90_000), rng.percent(85));
        let (race, before, flawed) = (rng.below(8), rng.below(wait.min(2_000)), rng.percent(50));
        if race == 0 {
            self.counts.hit("race", "deploy at a roll back's approval");
            self.after(wait - before, Ev::Deed(Deed::PushImage { svc, flawed }));
        }
        self.after(wait, Ev::Deed(Deed::Answer { incident: incident.clone(), yes }));
    }

    /// A name was given back, or put back where it was: what may come in between is aimed.
    pub(crate) fn name_is_given_back(&mut self, pid: u32, permit: &Permit, svc: Svc, retag: &Retag) {
        let before = self.images.given_back.remove(&svc);
        if permit.unhindered {
            self.counts.hit("roll back", "taken back");
        } else {
            self.counts.hit("roll back", "name given back");
            // One that was cut short may have done so already.
            let from = before.map_or(retag.from.clone(), |before| before.from);
            let since = self.docker.containers.len();
            let given = GivenBack { permit: permit.id, from, failed: false, left: false, told: false, since };
            self.images.given_back.insert(svc, given);
        }
        self.name_means(svc, &retag.to);
        if !self.stormy {
            return;
        }
        let soon = self.images.rng.below(1_200);
        let later = self.images.rng.range(1_000, 60_000);
        match self.images.rng.below(12) {
            0..2 => self.after(soon, Ev::KillHealer { pid, point: CrashPoint::BetweenNameAndBody }),
            2 => self.after(soon, Ev::Deed(Deed::DockerStop(svc))),
            3 => self.after(soon, Ev::Deed(Deed::HealerStop(svc))),
            4 => self.after(later, Ev::Deed(Deed::DockerStop(svc))),
            5 => {
                self.counts.hit("race", "deploy while a roll back is verified");
                let flawed = self.images.rng.percent(50);
                self.after(later, Ev::Deed(Deed::PushImage { svc, flawed }));
            }
            _ => {}
        }
    }

    /// It was made, and cannot be started: the name means what it is made of.
    pub(crate) fn made_and_not_started(&mut self, permit: PermitId, svc: Svc) {
        let group = if self.check.is_a_persons(permit) { "update" } else { "roll back" };
        self.counts.hit(group, "made and not started");
        self.images.given_back.remove(&svc);
    }

    /// Nothing was made: the name means again what it meant.
    pub(crate) fn name_is_taken_back(&mut self, permit: PermitId, svc: Svc, retag: &Retag) {
        if self.services[svc].template.image_id != retag.to {
            return;
        }
        self.name_means(svc, &retag.from);
        if self.check.is_a_persons(permit) {
            return self.counts.hit("update", "name taken back");
        }
        self.counts.hit("roll back", "name taken back");
        match self.images.given_back.get(&svc) {
            // It was the undo that came to nothing.
            None => {
                let (from, since) = (retag.to.clone(), self.docker.containers.len());
                let given = GivenBack { permit, from, failed: true, left: false, told: false, since };
                self.images.given_back.insert(svc, given);
            }
            Some(_) => {
                self.images.given_back.remove(&svc);
            }
        }
    }
}
