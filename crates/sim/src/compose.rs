//! Compose, as healer's hands run it: it makes a container anew in the place of another, in the order of its
//! generation (v1: stop, set aside, create, start, remove; v2: create, stop, remove, rename, start), and ends where healer's
//! process does.

use model::action::{Answer, Behalf, Permit, PermitId, Retag, With};
use model::fact::Definition;

use crate::docker::{By, Key, Svc};
use crate::people::Replaced;
use crate::world::{Ev, World};

/// How far it has got.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Remaking {
    /// The image's name was given back, and Compose is asked whether that is all that was changed.
    NameGivenBack {
        old: Key,
    },
    Stopping {
        old: Key,
    },
    Making {
        old: Key,
    },
    /// The new one was made first.
    Replacing {
        old: Key,
        new: Key,
    },
    Starting {
        old: Key,
        new: Key,
    },
}

impl Remaking {
    /// What is to be replaced.
    fn replaces(self) -> Key {
        match self {
            Remaking::NameGivenBack { old }
            | Remaking::Stopping { old }
            | Remaking::Making { old }
            | Remaking::Replacing { old, .. }
            | Remaking::Starting { old, .. } => old,
        }
    }
}

/// It looks so often.
const LOOKS_EVERY_MS: u64 = 50;

impl World<'_> {
    pub(crate) fn begin_remaking(&mut self, pid: u32, permit: &Permit, old: Key) {
        let container = &self.docker.containers[old];
        let edited = self.hash_that_it_should_have(permit, old) != self.compose_hash(container.svc);
        if edited || self.rng.percent(10) {
            let why = "its files were edited since it was made: Compose would make something else of it";
            return self.not_begun(permit, why.to_owned());
        }
        if let Err(why) = self.means_what_it_should(permit, old) {
            return self.not_begun(permit, why);
        }
        self.counts.hit("act", "recreate");
        if let With::Image(retag) = &permit.step.with {
            let svc = self.docker.containers[old].svc;
            match permit.behalf {
                Behalf::Incident(_) => self.name_is_given_back(pid, permit, svc, retag),
                Behalf::Person(_) => self.name_is_given_for_an_update(pid, svc, retag),
            }
            let asks = self.images.rng.range(300, 900);
            return self.after(asks, Ev::Remake { pid, permit: permit.id, stage: Remaking::NameGivenBack { old } });
        }
        self.begin_making(pid, permit.id, old);
    }

    /// What forbids it is a failure; whose update it was is told where that has left the image's name.
    fn not_begun(&mut self, permit: &Permit, why: String) {
        self.counts.hit("act", "recreate refused");
        let left = self.where_its_name_is(permit);
        self.answer(permit.id, Answer::Failed(why + &left));
    }

    /// Whether an update, or a process that ended in the middle, has made the image's name mean already what it shall.
    fn name_is_there(&self, permit: &Permit, old: Key) -> Option<Retag> {
        let present = &self.services[self.docker.containers[old].svc].template.image_id;
        self.check.retag(permit).filter(|retag| *present == retag.to)
    }

    /// Compose v1 has the image in its hash (facts/docker.md).
    fn hash_that_it_should_have(&self, permit: &Permit, old: Key) -> String {
        let made_of = &self.docker.containers[old].def.config_hash;
        self.name_is_there(permit, old).map_or(made_of.clone(), |retag| retag.config_hash)
    }

    /// It has that name already, since it was fetched; what it replaces is kept, whoever tidies up.
    fn name_is_given_for_an_update(&mut self, pid: u32, svc: Svc, retag: &Retag) {
        self.updates.kept.insert(svc, retag.from.clone());
        self.name_means(svc, &retag.to);
        self.befalls_an_update(pid, svc);
    }

    /// Whether the image's name means what the container is made of, or what a process that ended in the middle has made it
    /// mean already.
    fn means_what_it_should(&self, permit: &Permit, old: Key) -> Result<(), String> {
        let container = &self.docker.containers[old];
        let present = &self.services[container.svc].template.image_id;
        let (retag, given_back) = (self.check.retag(permit), self.name_is_there(permit, old).is_some());
        if retag.as_ref().is_some_and(|retag| retag.from != container.def.image_id) {
            return Err("it is made of another image by now than when this was planned".to_owned());
        }
        if *present != container.def.image_id && !given_back {
            return Err("its image's name means another image by now, or none".to_owned());
        }
        match retag {
            Some(Retag { name, from, .. }) if *present != from && !given_back => {
                Err(format!("it is not made of what {name} meant when this was planned"))
            }
            Some(Retag { name, to, .. }) if self.updates.pruned.contains(&to) => {
                Err(format!("the image that {name} shall mean is gone"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn begin_making(&mut self, pid: u32, permit: PermitId, old: Key) {
        if self.docker.is_newer {
            let new = self.make_in_place_of(permit, old);
            self.stop_for_it(permit, old);
            return self.goes_on(pid, permit, Remaking::Replacing { old, new });
        }
        self.stop_for_it(permit, old);
        self.goes_on(pid, permit, Remaking::Stopping { old });
    }

    /// Compose would make of the service, with the name given back, what it was before the deploy; or not, and then the name
    /// is taken back.
    fn asks_what_it_would_make(&mut self, pid: u32, permit: PermitId, old: Key) {
        let svc = self.docker.containers[old].svc;
        let Some(retag) = self.check.retag_of(permit) else { return };
        let ended = self.check.permit(permit).and_then(|permit| self.ended_meanwhile(&permit));
        if let Some(answer) = ended {
            self.take_name_back(permit, svc, &retag);
            return self.answer(permit, answer);
        }
        if self.compose_hash(svc) == retag.config_hash {
            return self.begin_making(pid, permit, old);
        }
        let left = self.take_name_back(permit, svc, &retag);
        let why = "its configuration was changed as well: that is for who changed it".to_owned();
        self.answer(permit, Answer::Failed(why + &left));
    }

    /// The name means again what it meant; but what an update has moved stays where another service is made of that by now.
    fn take_name_back(&mut self, permit: PermitId, svc: Svc, retag: &Retag) -> String {
        let Retag { name, from, to, .. } = retag;
        let other = self.check.is_a_persons(permit).then(|| self.another_is_made_of(svc, to)).flatten();
        let Some(other) = other else {
            self.name_is_taken_back(permit, svc, retag);
            return String::new();
        };
        self.counts.hit("update", "name left to another");
        format!(
            "; {name} means {to} by now, and so it stays, since {other} is made of that: `docker tag {from} {name}`"
        )
    }

    fn another_is_made_of(&self, svc: Svc, image_id: &str) -> Option<String> {
        let name = &self.services[svc].template.image;
        let is_it = |def: &Definition| def.image == *name && def.image_id == image_id;
        let other = self.docker.living().find(|(_, body)| body.svc != svc && is_it(&body.def))?.1;
        Some(self.services[other.svc].resource.short().to_owned())
    }

    /// It could not be made: an image's name that was given back for it is taken back, if the engine can still be told so.
    fn not_made(&mut self, permit: PermitId, svc: Svc, why: String) {
        let Some(retag) = self.check.retag_of(permit) else { return self.answer(permit, Answer::Failed(why)) };
        if self.docker.api && self.docker.bodies(svc).any(|(_, body)| body.def.image_id == retag.to) {
            self.made_and_not_started(permit, svc);
            return self.answer(permit, Answer::Failed(why));
        }
        if self.docker.api {
            let left = self.take_name_back(permit, svc, &retag);
            return self.answer(permit, Answer::Failed(why + &left));
        }
        let Retag { name, from, to, .. } = &retag;
        let left = format!("{name} means {to} by now: `docker tag {from} {name}` takes that back");
        self.answer(permit, Answer::Failed(format!("{why}; {left}")));
    }

    fn stop_for_it(&mut self, permit: PermitId, old: Key) {
        if self.docker.containers[old].is_up() {
            self.docker_stop(old, By::Compose(permit));
        }
    }

    fn make_in_place_of(&mut self, permit: PermitId, old: Key) -> Key {
        let svc = self.docker.containers[old].svc;
        let (image_id, config_hash) = (self.services[svc].template.image_id.clone(), self.compose_hash(svc));
        let definition = Definition::clone(&self.docker.containers[old].def);
        let new = self.docker_create(svc, Definition { replaces: None, image_id, config_hash, ..definition });
        self.images.made_by_healer.insert(new);
        self.note_what_was_updated(permit, old, new);
        if self.docker.is_newer {
            self.docker_takes_the_place(new, old);
        }
        new
    }

    /// What is made anew of the same, at healer's own order, is still what the update has made.
    fn note_what_was_updated(&mut self, permit: PermitId, old: Key, new: Key) {
        let of = |key: Key| self.docker.containers[key].def.image_id.clone();
        let before = self.updates.made.get(&old).filter(|_| of(old) == of(new)).cloned();
        let ordered = self.check.retag_of(permit).filter(|_| self.check.is_a_persons(permit));
        if ordered.is_some() {
            let svc = self.docker.containers[old].svc;
            self.services[svc].truth.redefined += 1;
        }
        let replaced = ordered.map(|retag| Replaced { retag, at: self.now, ill: false }).or(before);
        if let Some(replaced) = replaced {
            self.updates.made.insert(new, replaced);
        }
    }

    fn goes_on(&mut self, pid: u32, permit: PermitId, stage: Remaking) {
        self.after(LOOKS_EVERY_MS, Ev::Remake { pid, permit, stage });
    }

    pub(crate) fn remake(&mut self, pid: u32, permit: PermitId, stage: Remaking) {
        if self.healer(pid).is_none() {
            return self.counts.hit("race", "healer ended while Compose was at it");
        }
        let old = stage.replaces();
        let svc = self.docker.containers[old].svc;
        if !self.docker.api {
            return self.not_made(permit, svc, "Cannot connect to the Docker daemon".to_owned());
        }
        match stage {
            Remaking::NameGivenBack { old } => self.asks_what_it_would_make(pid, permit, old),
            Remaking::Stopping { old } if self.docker.containers[old].is_up() => self.goes_on(pid, permit, stage),
            Remaking::Stopping { old } if self.docker.containers[old].gone => {
                self.not_made(permit, svc, "No such container".to_owned());
            }
            Remaking::Stopping { old } => {
                self.docker_rename_aside(old);
                self.goes_on(pid, permit, Remaking::Making { old });
            }
            Remaking::Making { old } => {
                let new = self.make_in_place_of(permit, old);
                self.docker_start(new, By::Compose(permit));
                self.goes_on(pid, permit, Remaking::Starting { old, new });
            }
            Remaking::Replacing { old, .. } if self.docker.containers[old].is_up() => self.goes_on(pid, permit, stage),
            Remaking::Replacing { old, new } => {
                self.docker_remove(old);
                self.docker_gets_its_name(new);
                self.docker_start(new, By::Compose(permit));
                self.goes_on(pid, permit, Remaking::Starting { old, new });
            }
            Remaking::Starting { new, .. } if !self.docker.containers[new].starting.is_empty() => {
                self.goes_on(pid, permit, stage);
            }
            Remaking::Starting { old, new } => {
                let container = &self.docker.containers[new];
                if container.started.is_none() {
                    let why = container.exit.as_ref().map_or("No such container", |exit| exit.error.as_str());
                    let why = format!("Cannot start service: {why}");
                    return self.not_made(permit, svc, why);
                }
                self.docker_remove(old);
                self.answer(permit, Answer::Done);
            }
        }
    }
}
