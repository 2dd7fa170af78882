//! People and misfortune: what they do at the engine and at healer's command line, and what befalls services, the engine,
//! the store and healer itself.

mod beside;
mod deploys;
mod links;
mod updates;

use std::sync::Arc;

use model::action::Asked;
use model::command::{Ask, Command, CommandId};
use model::fact::Run;
use model::incident::{IncidentId, Phase};
use model::input::Input;
use model::network::{Lost, Network};
use model::settings::{Exclusion, Mode};

use crate::disk::AppendFault;
use crate::docker::{By, Defect, Key, Svc};
use crate::healer::CrashPoint;
use crate::truth::Token;
use crate::world::{CHANNEL, Ev, MEMORY_LIMIT_BYTES, STORM_MS, World};
pub(crate) use beside::{Beside, Besides};
pub(crate) use deploys::Stage;
pub(crate) use links::Links;
pub(crate) use updates::{Moved, Replaced, Updates};

/// Faults are at most this far apart.
const FAULT_EVERY_MS: u64 = 40_000;
/// A start takes at most so long; the engine says `restart` after it.
const RESTARTED_AFTER_MS: u64 = 410;
/// The services that faults strike.
const STRUCK: u64 = 7;

/// Something that is done to the world.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    DockerStop(Svc),
    DockerKill(Svc),
    DockerStart(Svc),
    /// … and what the engine says at its end.
    DockerRestarted(Key),
    /// The program ends with an error.
    Crash(Svc),
    /// Removed and made anew, of something that cannot be started, before healer hears of either.
    RemakeUnseen {
        svc: Svc,
        slowed: bool,
    },
    /// The start that ends a person's own restart.
    DockerStartAfter {
        key: Key,
        restart: bool,
        tries: u32,
    },
    DockerRestart(Svc),
    DockerHup(Svc),
    DockerPause(Svc),
    DockerUnpause(Svc),
    Remove(Svc),
    /// `compose up` with a changed file: stop, set aside, create, start, remove.
    Deploy {
        svc: Svc,
        stage: Stage,
    },
    HealerStop(Svc),
    HealerStart(Svc),
    HealerRestart(Svc),
    Freeze,
    Thaw,
    Answer {
        incident: IncidentId,
        yes: bool,
    },
    /// Somebody answers by the link of a message.
    FollowLink {
        question: Box<Asked>,
        yes: bool,
    },
    Acknowledge(IncidentId),
    /// An image's name means another image, of which the service is deployed.
    PushImage {
        svc: Svc,
        flawed: bool,
    },
    /// A second container is put beside one, and takes its place.
    Beside {
        svc: Svc,
        stage: Besides,
    },
    /// Somebody has the image of a service fetched, or those of its whole deployment.
    Update {
        svc: Svc,
        build: bool,
        whole: bool,
    },
    /// Somebody removes the images that are of no use.
    Prune,
    EngineStops,
    StreamBreaks,
    /// What a broken deploy left behind is cleared away, and what was before is started.
    ClearAway(Svc),
    Reconfigure(Arc<model::settings::Settings>),
}

impl World<'_> {
    pub(crate) fn next_fault(&mut self) {
        if !self.stormy {
            return;
        }
        let wait = self.rng.below(FAULT_EVERY_MS);
        self.after(wait, Ev::NextFault);
        let svc = self.struck();
        match self.rng.below(100) {
            0..20 => self.crashes(svc),
            20..34 => self.gets_defect(svc),
            34..37 => self.many_fail(),
            37..60 => self.person_at_the_engine(svc),
            60..73 => self.person_at_healer(svc),
            73..77 => self.healer_fails(),
            77..82 => self.store_fails(),
            82..86 => self.crashes(svc),
            86..91 => self.deed(Deed::StreamBreaks),
            91 => self.engine_stops(),
            92 => self.engine_crashes(),
            93 if self.rng.percent(25) => self.host_restarts(),
            93 if self.rng.percent(50) => {
                self.power_loss();
                let pids: Vec<u32> = self.healers.iter().map(|healer| healer.pid).collect();
                for pid in pids {
                    self.kill_healer(pid, CrashPoint::BetweenSteps);
                }
            }
            93 => self.after(0, Ev::BeginHealer),
            94 => self.gets_defect(svc),
            95..97 => self.channel_down_until = self.now + self.rng.range(1_000, 400_000),
            _ => self.reconfigured(),
        }
    }

    fn struck(&mut self) -> Svc {
        usize::try_from(self.rng.below(STRUCK)).unwrap_or(0)
    }

    // ---- what befalls services

    fn crashes(&mut self, svc: Svc) {
        let Some(key) = self.docker.body(svc) else { return };
        let life = self.docker.containers[key].life;
        let (code, oom) = match self.rng.below(10) {
            0..5 => (1, false),
            5 => (139, false),
            6 => (0, false),
            7 => (143, false),
            8 => (137, true),
            _ => (137, false),
        };
        self.dies(key, life, code, oom);
        if self.rng.percent(5) {
            self.loses_networks(key);
        }
    }

    /// Somebody tidies up, and removes what nothing that runs is attached to.
    fn loses_networks(&mut self, key: Key) {
        let container = &mut self.docker.containers[key];
        if container.is_up() || container.def.network_parent.is_some() {
            return;
        }
        let lost = ["proxy", "backend"].map(|name| Lost {
            name: name.to_owned(),
            made_anew: false,
            known: Some(Network {
                name: name.to_owned(),
                driver: "bridge".to_owned(),
                options: Default::default(),
                labels: Default::default(),
                internal: false,
                attachable: false,
                ipv6: false,
                subnets: Vec::new(),
            }),
        });
        container.lost_networks = lost.to_vec();
        self.counts.hit("person", "networks removed");
    }

    /// Several fall together.
    fn many_fail(&mut self) {
        for svc in [0, 1, 2, 4] {
            let Some(key) = self.docker.body(svc) else { continue };
            let life = self.docker.containers[key].life;
            let at = self.rng.below(3_000);
            self.after(at, Ev::Dies { key, life, code: 1, oom: false });
        }
    }

    fn gets_defect(&mut self, svc: Svc) {
        let defect = match self.rng.below(9) {
            0 => Defect::Crashes { after_ms: 10, code: 1 },
            1 => Defect::Crashes { after_ms: 5_000, code: 1 },
            2 => Defect::Crashes { after_ms: 150_000, code: 139 },
            3 => Defect::Crashes { after_ms: 660_000, code: 1 },
            4 => {
                let enough_bytes = if self.rng.percent(50) { MEMORY_LIMIT_BYTES + 1 } else { u64::MAX };
                Defect::OutOfMemory { after_ms: 20_000, enough_bytes }
            }
            5 => Defect::Unstartable { code: 128 },
            6 if self.rng.percent(30) => Defect::Unstartable { code: 127 },
            _ => Defect::Unhealthy,
        };
        let service = &mut self.services[svc];
        if service.incurable {
            return;
        }
        service.defect = defect;
        service.defect_serial += 1;
        let serial = service.defect_serial;
        self.trace(|| format!("{} has {defect:?}", self.services[svc].resource.short()));
        if self.rng.percent(10) {
            self.services[svc].incurable = true;
            // Even for ever ends some time: hours into the calm nothing new is to be learnt from it.
            self.after(STORM_MS * 3, Ev::DefectEnds { svc, serial });
        } else {
            let lasts = self.rng.range(20_000, 900_000);
            self.after(lasts, Ev::DefectEnds { svc, serial });
        }
        let Some(key) = self.docker.body(svc) else { return };
        if self.docker.containers[key].is_up() {
            self.suffer(key);
        }
        if matches!(defect, Defect::Unstartable { .. }) {
            let life = self.docker.containers[key].life;
            self.after(100, Ev::Dies { key, life, code: 1, oom: false });
        }
    }

    pub(crate) fn defect_ends(&mut self, svc: Svc, serial: u32) {
        let service = &mut self.services[svc];
        if service.defect_serial != serial || service.defect == Defect::None {
            return;
        }
        service.defect = Defect::None;
        self.trace(|| format!("{} is mended", self.services[svc].resource.short()));
        let Some(key) = self.docker.body(svc) else { return };
        let life = self.docker.containers[key].life;
        self.after(5_000, Ev::Health { key, life, healthy: true });
    }

    // ---- people at the engine

    fn person_at_the_engine(&mut self, svc: Svc) {
        let deed = match self.rng.below(20) {
            0..4 => Deed::DockerStop(svc),
            4..6 => Deed::DockerKill(svc),
            6..11 => Deed::DockerStart(svc),
            11 => Deed::DockerRestart(svc),
            12 => Deed::DockerHup(svc),
            13 => Deed::DockerPause(svc),
            14 => Deed::Remove(svc),
            15..18 => Deed::Deploy { svc, stage: Stage::Begin { broken: false } },
            18 => Deed::Deploy { svc, stage: Stage::Begin { broken: true } },
            _ => Deed::DockerStart(svc),
        };
        self.deed(deed);
    }

    fn up_or_down(&self, svc: Svc) -> Option<Key> {
        self.docker.body(svc).filter(|_| self.docker.api && !self.services[svc].truth.in_hand)
    }

    pub(crate) fn deed(&mut self, deed: Deed) {
        self.trace(|| format!("deed: {deed:?}"));
        match deed {
            Deed::DockerStop(svc) => {
                if let Some(key) = self.up_or_down(svc) {
                    self.counts.hit("person", "docker stop");
                    self.docker_stop(key, By::Person);
                }
            }
            Deed::DockerKill(svc) => {
                if let Some(key) = self.up_or_down(svc) {
                    self.counts.hit("person", "docker kill");
                    self.docker_kill(key);
                }
            }
            Deed::DockerStart(svc) => {
                if let Some(key) = self.up_or_down(svc) {
                    self.counts.hit("person", "docker start");
                    self.docker_start(key, By::Person);
                }
            }
            Deed::DockerStartAfter { key, restart, tries } => self.start_after(key, restart, tries),
            Deed::DockerRestart(svc) => {
                if let Some(key) = self.up_or_down(svc).filter(|key| self.docker.containers[*key].run == Run::Running) {
                    self.counts.hit("person", "docker restart");
                    self.services[svc].truth.in_hand = true;
                    self.docker_stop(key, By::Person);
                    self.after(100, Ev::Deed(Deed::DockerStartAfter { key, restart: true, tries: 0 }));
                }
            }
            Deed::Crash(svc) => self.crash(svc),
            Deed::RemakeUnseen { svc, slowed } => self.remake_unseen(svc, slowed),
            Deed::DockerRestarted(key) => self.docker_restarted(key),
            Deed::DockerHup(svc) => {
                if let Some(key) = self.up_or_down(svc) {
                    self.counts.hit("person", "docker hup");
                    self.docker_hup(key);
                }
            }
            Deed::DockerPause(svc) => {
                if let Some(key) = self.up_or_down(svc) {
                    self.counts.hit("person", "docker pause");
                    self.docker_pause(key, true);
                    let lasts = self.rng.range(5_000, 300_000);
                    self.after(lasts, Ev::Deed(Deed::DockerUnpause(svc)));
                }
            }
            Deed::DockerUnpause(svc) => {
                let bodies: Vec<Key> = self.docker.bodies(svc).map(|(key, _)| key).collect();
                if !self.docker.api {
                    return self.after(5_000, Ev::Deed(Deed::DockerUnpause(svc)));
                }
                for key in bodies {
                    self.docker_pause(key, false);
                }
            }
            Deed::Remove(svc) => self.removed(svc),
            Deed::Deploy { svc, stage } => self.deploy(svc, stage),
            Deed::HealerStop(svc) => self.command_on(svc, "healer stop", Ask::Stop),
            Deed::HealerStart(svc) => self.command_on(svc, "healer start", Ask::Start),
            Deed::HealerRestart(svc) => self.command_on(svc, "healer restart", Ask::Restart),
            Deed::Freeze => {
                self.counts.hit("person", "freeze");
                self.command(Ask::Freeze { because: "a look at the logs".to_owned() });
            }
            Deed::Thaw => {
                self.counts.hit("person", "thaw");
                self.command(Ask::Thaw);
                // A store that is full takes no command: who is told so says it again.
                if !self.stormy && self.check.frozen {
                    self.after(60_000, Ev::Deed(Deed::Thaw));
                }
            }
            Deed::Answer { incident, yes } => self.answers(incident, yes),
            Deed::FollowLink { question, yes } => self.follow_link(question, yes),
            Deed::PushImage { svc, flawed } => self.push_image(svc, flawed),
            Deed::Update { svc, build, whole } => self.update(svc, build, whole),
            Deed::Prune => self.prune(),
            Deed::EngineStops => self.engine_stops(),
            Deed::Beside { svc, stage } => self.goes_on_beside(svc, stage),
            Deed::Acknowledge(incident) => {
                self.counts.hit("person", "ack");
                self.command(Ask::Acknowledge(incident));
            }
            Deed::StreamBreaks => {
                let at: Vec<_> = self.healers.iter().map(|healer| (healer.pid, healer.eyes.generation)).collect();
                for (pid, generation) in at {
                    self.stream_ends(pid, generation);
                }
            }
            Deed::ClearAway(svc) => self.clear_away(svc),
            Deed::Reconfigure(settings) => {
                self.settings = settings.clone();
                let pids: Vec<u32> = self.healers.iter().map(|healer| healer.pid).collect();
                for pid in pids {
                    self.arrives(pid, Input::Configured(settings.clone()), Token::None);
                }
            }
        }
    }

    /// The second half of a person's restart: it waits for the first.
    fn start_after(&mut self, key: Key, restart: bool, tries: u32) {
        let svc = self.docker.containers[key].svc;
        // A restart waits for its own stop to be over, as the engine's `stop` tells.
        let stops = restart && self.docker.containers[key].stops_done() == 0;
        if (self.docker.containers[key].is_up() || stops) && tries < 200 && self.docker.up {
            return self.after(100, Ev::Deed(Deed::DockerStartAfter { key, restart, tries: tries + 1 }));
        }
        self.services[svc].truth.in_hand = false;
        if !self.docker.api || self.docker.containers[key].gone {
            return;
        }
        self.docker_start(key, By::Person);
        if restart {
            self.after(RESTARTED_AFTER_MS, Ev::Deed(Deed::DockerRestarted(key)));
        }
    }

    fn crash(&mut self, svc: Svc) {
        let Some(key) = self.up_or_down(svc) else { return };
        let life = self.docker.containers[key].life;
        self.dies(key, life, 1, false);
    }

    // ---- people at healer

    fn person_at_healer(&mut self, svc: Svc) {
        match self.rng.below(24) {
            0..5 => self.deed(Deed::HealerStop(svc)),
            5..13 => self.deed(Deed::HealerStart(svc)),
            13..16 => self.deed(Deed::HealerRestart(svc)),
            16..19 => {
                self.deed(Deed::Freeze);
                let lasts = self.rng.range(5_000, 400_000);
                self.after(lasts, Ev::Deed(Deed::Thaw));
            }
            19 => {
                let words = self.services[6].resource.short().to_owned();
                self.counts.hit("person", "healer adopt");
                self.command(Ask::Adopt(words));
                // Aimed: what was adopted is made anew, and is not adopted any more, while it is ill and nobody watches.
                if self.rng.percent(30) {
                    let crashes = self.rng.range(3_000, 6_000);
                    let remade = crashes + self.rng.range(100, 1_500);
                    self.after(1_500, Ev::Deed(Deed::DockerStart(6)));
                    self.after(crashes, Ev::Deed(Deed::Crash(6)));
                    self.after(remade, Ev::Deed(Deed::RemakeUnseen { svc: 6, slowed: false }));
                }
            }
            20 => self.deed(Deed::HealerStop(7)),
            _ => {
                let open: Vec<(IncidentId, bool)> = self.leader().map_or_else(Vec::new, |healer| {
                    let open = healer.turning.engine().state().open_incidents();
                    open.map(|i| (i.id.clone(), matches!(i.phase, Phase::Escalated { .. }))).collect()
                });
                for (incident, escalated) in open {
                    match self.rng.below(3) {
                        0 if escalated => self.deed(Deed::Acknowledge(incident)),
                        0 => self.answers(incident, false),
                        1 => self.answers(incident, true),
                        _ => {}
                    }
                }
            }
        }
    }

    fn command_on(&mut self, svc: Svc, name: &'static str, ask: impl Fn(String) -> Ask) {
        self.counts.hit("person", name);
        let words = self.services[svc].resource.short().to_owned();
        self.command(ask(words));
    }

    fn answers(&mut self, incident: IncidentId, yes: bool) {
        self.counts.hit("person", if yes { "approve" } else { "reject" });
        let ask = if yes { Ask::Approve(incident) } else { Ask::Reject { incident, because: "not now".to_owned() } };
        self.command(ask);
    }

    /// A question is answered some time, perhaps just when the symptom goes.
    pub(crate) fn asked(&mut self, incident: &IncidentId, svc: Option<Svc>) {
        let plan = self.check.shadow.incidents.get(&incident.number).and_then(|incident| incident.plan.as_ref());
        if let Some(svc) = svc.filter(|_| plan.is_some_and(|plan| plan.playbook == "roll_back")) {
            return self.roll_back_asked(incident, svc);
        }
        if !self.rng.percent(70) {
            return;
        }
        let yes = self.rng.percent(75);
        let wait = self.rng.range(1_000, 300_000);
        if let Some(svc) = svc.filter(|_| yes && self.rng.percent(25)) {
            self.counts.hit("race", "approval at clearing");
            let before = wait - self.rng.below(900);
            self.after(before, Ev::Deed(Deed::DockerStart(svc)));
        }
        self.after(wait, Ev::Deed(Deed::Answer { incident: incident.clone(), yes }));
    }

    /// Returns the command's id, if anybody listens.
    fn command(&mut self, ask: Ask) -> Option<CommandId> {
        let epoch = self.disk.borrow().epoch;
        let Some(pid) = self.healers.iter().find(|healer| healer.epoch == epoch).map(|healer| healer.pid) else {
            // Nobody listens: a thaw is not forgotten, the rest is.
            if ask == Ask::Thaw {
                self.after(10_000, Ev::Deed(Deed::Thaw));
            }
            return None;
        };
        self.commands += 1;
        let id = CommandId(format!("c{}", self.commands));
        self.check.unanswered.insert(id.clone(), (pid, self.now));
        let command = Command { id: id.clone(), who: "ada".to_owned(), ask };
        let twice = self.rng.percent(5);
        self.arrives(pid, Input::Commanded(command.clone()), Token::None);
        if twice {
            self.arrives(pid, Input::Commanded(command), Token::None);
        }
        Some(id)
    }

    // ---- what befalls healer

    fn healer_fails(&mut self) {
        let Some(pid) = self.leader().map(|healer| healer.pid) else { return };
        let choice = self.rng.below(6);
        let after_effects = u32::try_from(self.rng.below(3)).unwrap_or(0);
        let Some(healer) = self.healer(pid) else { return };
        let mut process = healer.process.borrow_mut();
        match choice {
            0 => process.next_append = Some(AppendFault::DieBefore),
            1 => process.next_append = Some(AppendFault::DieAfter),
            2 => process.dies_after = Some(after_effects),
            3 | 4 => {
                drop(process);
                self.kill_healer(pid, CrashPoint::BetweenSteps);
            }
            _ => {
                drop(process);
                self.kill_healer(pid, CrashPoint::InOrder);
            }
        }
    }

    fn store_fails(&mut self) {
        let Some(pid) = self.leader().map(|healer| healer.pid) else { return };
        let choice = self.rng.below(7);
        let slow = self.rng.range(20, 3_000);
        let full = u32::try_from(self.rng.range(1, 30)).unwrap_or(1);
        let Some(healer) = self.healer(pid) else { return };
        let mut process = healer.process.borrow_mut();
        match choice {
            0..2 => process.next_append = Some(AppendFault::Lost),
            2..4 => process.next_append = Some(AppendFault::Written),
            4 => process.full = full,
            5 => {
                process.next_append = Some(AppendFault::Lost);
                process.unreadable = 2;
                drop(process);
                self.counts.hit("store", "unreadable");
            }
            _ => {
                drop(process);
                healer.slow_next_ms = Some(slow);
            }
        }
    }

    /// The owner changes the configuration for a while.
    fn reconfigured(&mut self) {
        let before = self.settings.clone();
        let mut settings = (*before).clone();
        match self.rng.below(4) {
            0 => settings.mode = Mode::Observe,
            1 => settings.mode = Mode::Suggest,
            2 => settings.mode = Mode::Auto,
            _ => {
                settings.exclude.push(Exclusion::Deployment("shop".to_owned()));
                self.check.excluded_at = Some(self.now);
            }
        }
        debug_assert!(settings.channels.iter().any(|name| name == CHANNEL));
        self.deed(Deed::Reconfigure(Arc::new(settings)));
        let lasts = self.rng.range(10_000, 400_000);
        self.after(lasts, Ev::Deed(Deed::Reconfigure(before)));
    }

    // ---- the calm

    /// No fault comes any more: what is paused goes on, what is frozen is thawed, broken deploys are cleared away.
    pub(crate) fn calm(&mut self) {
        self.stormy = false;
        self.mount_is_back();
        self.images.are_mended();
        for svc in 0..self.services.len() {
            self.deed(Deed::DockerUnpause(svc));
            self.after(900_000, Ev::Deed(Deed::ClearAway(svc)));
            let serial = self.services[svc].defect_serial;
            if !self.services[svc].incurable {
                self.defect_ends(svc, serial);
            }
        }
        if self.leader().is_none() {
            self.after(130_000, Ev::Deed(Deed::Thaw));
        } else {
            self.deed(Deed::Thaw);
        }
    }
}
