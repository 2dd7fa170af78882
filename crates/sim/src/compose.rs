//! Compose, as healer's hands run it: it makes a container anew in the place of another, in the order of its
//! generation (v1: stop, set aside, create, start, remove; v2: create, stop, remove, rename, start), and ends where healer's
//! process does.

use model::action::{Answer, Permit, PermitId, Retag, With};
use model::fact::Definition;

use crate::docker::{By, Key, Svc};
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
        let edited = container.def.config_hash != self.compose_hash(container.svc);
        if edited || self.rng.percent(10) {
            self.counts.hit("act", "recreate refused");
            let why = "its files were edited since it was made: Compose would make something else of it";
            return self.answer(permit.id, Answer::Failed(why.to_owned()));
        }
        if let Err(why) = self.means_what_it_should(permit, old) {
            self.counts.hit("act", "recreate refused");
            return self.answer(permit.id, Answer::Failed(why));
        }
        self.counts.hit("act", "recreate");
        if let With::Image(retag) = &permit.step.with {
            let svc = self.docker.containers[old].svc;
            self.name_is_given_back(pid, permit, svc, retag);
            let asks = self.images.rng.range(300, 900);
            return self.after(asks, Ev::Remake { pid, permit: permit.id, stage: Remaking::NameGivenBack { old } });
        }
        self.begin_making(pid, permit.id, old);
    }

    /// Whether the image's name means what the container is made of, or what a process that ended in the middle has made it
    /// mean already.
    fn means_what_it_should(&self, permit: &Permit, old: Key) -> Result<(), String> {
        let container = &self.docker.containers[old];
        let present = &self.services[container.svc].template.image_id;
        let retag = match &permit.step.with {
            With::Image(retag) => Some(retag),
            With::Nothing | With::Memory(_) | With::Network(_) | With::NetworkName(_) => None,
        };
        let given_back = retag.is_some_and(|retag| *present == retag.to);
        if *present != container.def.image_id && !given_back {
            return Err("its image's name means another image by now, or none".to_owned());
        }
        match retag {
            Some(Retag { name, from, .. }) if present != from && !given_back => {
                Err(format!("it is not made of what {name} meant when this was planned"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn begin_making(&mut self, pid: u32, permit: PermitId, old: Key) {
        if self.docker.is_newer {
            let new = self.make_in_place_of(old);
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
        if self.compose_hash(svc) == retag.config_hash {
            return self.begin_making(pid, permit, old);
        }
        self.name_is_taken_back(permit, svc, &retag);
        let why = "its configuration was changed as well: that is for who changed it";
        self.answer(permit, Answer::Failed(why.to_owned()));
    }

    /// It could not be made: an image's name that was given back for it is taken back, if the engine can still be told so.
    fn not_made(&mut self, permit: PermitId, svc: Svc, why: String) {
        let Some(retag) = self.check.retag_of(permit) else { return self.answer(permit, Answer::Failed(why)) };
        if self.docker.api {
            self.name_is_taken_back(permit, svc, &retag);
            return self.answer(permit, Answer::Failed(why));
        }
        let Retag { name, from, .. } = &retag;
        let left = format!("{name} still means the image of before the deploy: `docker tag {from} {name}`");
        self.answer(permit, Answer::Failed(format!("{why}; {left}")));
    }

    fn stop_for_it(&mut self, permit: PermitId, old: Key) {
        if self.docker.containers[old].is_up() {
            self.docker_stop(old, By::Compose(permit));
        }
    }

    fn make_in_place_of(&mut self, old: Key) -> Key {
        let svc = self.docker.containers[old].svc;
        let (image_id, config_hash) = (self.services[svc].template.image_id.clone(), self.compose_hash(svc));
        let definition = Definition::clone(&self.docker.containers[old].def);
        let new = self.docker_create(svc, Definition { replaces: None, image_id, config_hash, ..definition });
        self.images.made_by_healer.insert(new);
        if self.docker.is_newer {
            self.docker_takes_the_place(new, old);
        }
        new
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
                let new = self.make_in_place_of(old);
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
