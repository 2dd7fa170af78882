//! How people and their tools replace containers, whole and in part, and how they clear away what was left of it.

use model::command::Ask;
use model::fact::Belongs;

use super::Deed;
use crate::docker::{By, Key, Svc};
use crate::truth::Word;
use crate::world::{Ev, World};

/// Long enough for what was made anew to have been looked at.
const SLOW_FOR_REMAKE_MS: u64 = 4_000;

/// How far a deploy has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Begin {
        broken: bool,
    },
    Stopping {
        old: Key,
        broken: bool,
        tries: u32,
    },
    /// The new one was made first.
    Replacing {
        old: Key,
        new: Key,
        tries: u32,
    },
    Create {
        old: Option<Key>,
        broken: bool,
    },
    Start {
        old: Option<Key>,
        new: Key,
        tries: u32,
    },
}

impl World<'_> {
    /// The journal is slow just then, so that all of it is heard at once.
    pub(super) fn remake_unseen(&mut self, svc: Svc, slowed: bool) {
        let Some(key) = self.up_or_down(svc).filter(|key| !self.docker.containers[*key].is_up()) else { return };
        if !slowed {
            let leader = self.leader().map(|healer| healer.pid);
            if let Some(healer) = leader.and_then(|pid| self.healer(pid)) {
                healer.slow_next_ms = Some(SLOW_FOR_REMAKE_MS);
            }
            self.command(Ask::Thaw);
            return self.after(100, Ev::Deed(Deed::RemakeUnseen { svc, slowed: true }));
        }
        self.truth_is(svc, Word::Unclear);
        self.docker_remove(key);
        let new = self.make_anew(svc, true);
        self.docker_start(new, By::Person);
    }

    pub(super) fn removed(&mut self, svc: Svc) {
        let Some(key) = self.up_or_down(svc) else { return };
        self.counts.hit("person", "rm");
        self.services[svc].truth.in_hand = true;
        self.truth_is(svc, Word::Unclear);
        self.docker_remove(key);
        // Somebody brings it back later, by `compose up`.
        let stage = Stage::Create { old: None, broken: false };
        let back = self.rng.range(2_000, 500_000);
        self.after(back, Ev::Deed(Deed::Deploy { svc, stage }));
    }

    pub(super) fn deploy(&mut self, svc: Svc, stage: Stage) {
        match stage {
            Stage::Begin { broken } => {
                let Some(old) = self.up_or_down(svc) else { return };
                self.counts.hit("person", if broken { "broken deploy" } else { "deploy" });
                self.services[svc].truth.in_hand = true;
                self.truth_is(svc, Word::Unclear);
                let new = self.docker.is_newer.then(|| {
                    let new = self.make_anew(svc, broken);
                    self.docker_takes_the_place(new, old);
                    new
                });
                if self.docker.containers[old].is_up() {
                    self.docker_stop(old, By::Person);
                }
                let stage = match new {
                    Some(new) => Stage::Replacing { old, new, tries: 0 },
                    None => Stage::Stopping { old, broken, tries: 0 },
                };
                self.after(60, Ev::Deed(Deed::Deploy { svc, stage }));
            }
            Stage::Replacing { old, new, tries } => {
                if self.docker.containers[old].is_up() && tries < 200 {
                    let stage = Stage::Replacing { old, new, tries: tries + 1 };
                    return self.after(100, Ev::Deed(Deed::Deploy { svc, stage }));
                }
                if !self.docker.api {
                    return self.deploy_fails(svc);
                }
                self.docker_remove(old);
                self.docker_gets_its_name(new);
                let stage = Stage::Start { old: None, new, tries: 0 };
                self.after(300, Ev::Deed(Deed::Deploy { svc, stage }));
            }
            Stage::Stopping { old, broken, tries } => {
                if self.docker.containers[old].is_up() && tries < 200 {
                    let stage = Stage::Stopping { old, broken, tries: tries + 1 };
                    return self.after(100, Ev::Deed(Deed::Deploy { svc, stage }));
                }
                if !self.docker.api {
                    return self.deploy_fails(svc);
                }
                self.docker_rename_aside(old);
                let stage = Stage::Create { old: Some(old), broken };
                self.after(60, Ev::Deed(Deed::Deploy { svc, stage }));
            }
            Stage::Create { old, broken } => {
                if !self.docker.api {
                    let again = Ev::Deed(Deed::Deploy { svc, stage });
                    return self.after(20_000, again);
                }
                let new = self.make_anew(svc, broken);
                self.after(200, Ev::Deed(Deed::Deploy { svc, stage: Stage::Start { old, new, tries: 0 } }));
            }
            Stage::Start { old, new, tries } => {
                if !self.docker.api && tries == 0 {
                    return self.deploy_fails(svc);
                }
                if tries == 0 {
                    self.docker_start(new, By::Person);
                }
                if self.docker.containers[new].started.is_some() {
                    self.services[svc].truth.in_hand = false;
                    if let Some(old) = old {
                        self.docker_remove(old);
                    }
                    return;
                }
                // Whoever deploys learns at once that it cannot be started.
                if tries > 20 || self.docker.containers[new].exit.is_some() {
                    return self.deploy_fails(svc);
                }
                let stage = Stage::Start { old, new, tries: tries + 1 };
                self.after(100, Ev::Deed(Deed::Deploy { svc, stage }));
            }
        }
    }

    pub(super) fn make_anew(&mut self, svc: Svc, broken: bool) -> Key {
        let mut def = self.services[svc].template.clone();
        let changed = self.rng.percent(50) && !self.changes_its_image_alone(svc);
        if changed {
            let serial = self.docker.containers.len();
            self.services[svc].template.config_hash = format!("c{serial}");
        }
        def.config_hash = self.compose_hash(svc);
        // Of what was removed before, healer may know the old definition still.
        if changed || self.docker.bodies(svc).any(|(_, body)| !body.def.same_thing(&def)) {
            self.services[svc].truth.redefined += 1;
        }
        match self.rng.below(40) {
            0 => def.belongs = Belongs::Owned("Swarm".to_owned()),
            1 => def.belongs = Belongs::OneOff,
            2 => def.removed_at_end = true,
            _ => {}
        }
        let key = self.docker_create(svc, def);
        self.docker.containers[key].broken = broken;
        self.perhaps_made_by_healer(svc, key);
        key
    }

    /// It is left as it is: somebody comes back to it later, takes away what is broken and starts what was before.
    fn deploy_fails(&mut self, svc: Svc) {
        self.services[svc].truth.in_hand = false;
        self.truth_is(svc, Word::Unclear);
    }

    pub(super) fn clear_away(&mut self, svc: Svc) {
        if !self.docker.api || self.services[svc].truth.in_hand {
            return self.after(30_000, Ev::Deed(Deed::ClearAway(svc)));
        }
        let bodies: Vec<Key> = self.docker.bodies(svc).map(|(key, _)| key).collect();
        let sound = bodies.iter().copied().rfind(|key| !self.docker.containers[*key].broken);
        let Some(stays) = sound.or(bodies.last().copied()).filter(|_| bodies.len() > 1) else { return };
        self.docker.containers[stays].broken = false;
        self.truth_is(svc, Word::Unclear);
        for key in bodies.into_iter().filter(|key| *key != stays) {
            self.docker_remove(key);
        }
        self.docker_start(stays, By::Person);
    }
}
