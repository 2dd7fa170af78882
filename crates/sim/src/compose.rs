//! Compose, as healer's hands run it: it makes a container anew in the place of another, in the order of its
//! generation (v1: stop, set aside, create, start, remove; v2: create, stop, remove, rename, start), and ends where healer's
//! process does.

use model::action::{Answer, Permit, PermitId};
use model::fact::Definition;

use crate::docker::{By, Key};
use crate::world::{Ev, World};

/// How far it has got.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Remaking {
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

/// It looks so often.
const LOOKS_EVERY_MS: u64 = 50;

impl World<'_> {
    pub(crate) fn begin_remaking(&mut self, pid: u32, permit: &Permit, old: Key) {
        let container = &self.docker.containers[old];
        let edited = container.def.config_hash != self.services[container.svc].template.config_hash;
        if edited || self.rng.percent(10) {
            self.counts.hit("act", "recreate refused");
            let why = "its files were edited since it was made: Compose would make something else of it";
            return self.answer(permit.id, Answer::Failed(why.to_owned()));
        }
        self.counts.hit("act", "recreate");
        if self.docker.is_newer {
            let new = self.make_in_place_of(old);
            self.stop_for_it(permit.id, old);
            return self.goes_on(pid, permit.id, Remaking::Replacing { old, new });
        }
        self.stop_for_it(permit.id, old);
        self.goes_on(pid, permit.id, Remaking::Stopping { old });
    }

    fn stop_for_it(&mut self, permit: PermitId, old: Key) {
        if self.docker.containers[old].is_up() {
            self.docker_stop(old, By::Compose(permit));
        }
    }

    fn make_in_place_of(&mut self, old: Key) -> Key {
        let svc = self.docker.containers[old].svc;
        let definition = Definition { replaces: None, ..Definition::clone(&self.docker.containers[old].def) };
        let new = self.docker_create(svc, definition);
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
        if !self.docker.api {
            return self.answer(permit, Answer::Failed("Cannot connect to the Docker daemon".to_owned()));
        }
        match stage {
            Remaking::Stopping { old } if self.docker.containers[old].is_up() => self.goes_on(pid, permit, stage),
            Remaking::Stopping { old } if self.docker.containers[old].gone => {
                self.answer(permit, Answer::Failed("No such container".to_owned()));
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
                    return self.answer(permit, Answer::Failed(why));
                }
                self.docker_remove(old);
                self.answer(permit, Answer::Done);
            }
        }
    }
}
