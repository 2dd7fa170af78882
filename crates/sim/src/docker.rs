//! The simulated Docker engine: containers that live and die, and the events and looks that facts/docker.md and
//! facts/intent.md measured for each cause. It knows nothing of healer.

use std::sync::Arc;

use model::action::PermitId;
use model::fact::{Definition, Exit, Happening, Health, Incarnation, Kept, Look, RestartPolicy, Run, SourceTime, What};
use model::network::Lost;

use model::recovery::EngineStart;

use crate::world::World;

/// The wall time at which every world begins.
pub(crate) const EPOCH_MS: u64 = 1_795_446_000_000;
/// The engine's own restarts wait this long at first.
const BACKOFF_MIN_MS: u64 = 100;
const KILL: u8 = 9;

mod daemon;
mod ends;
mod starts;

/// A container, by its place in the list; it keeps it when it is gone.
pub(crate) type Key = usize;
/// A service, by its place in the list.
pub(crate) type Svc = usize;

/// Who made something happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Healer(PermitId),
    /// At healer's order; the answer is Compose's own, once it is done.
    Compose(PermitId),
    Person,
    Engine,
}

/// What was asked of a container that is just being started.
#[derive(Debug, Clone, Copy)]
enum Request {
    Stop(By),
    Kill,
}

pub(crate) struct Container {
    pub(crate) id: Incarnation,
    pub(crate) svc: Svc,
    pub(crate) def: Arc<Definition>,
    pub(crate) run: Run,
    pub(crate) started: Option<SourceTime>,
    pub(crate) exit: Option<Exit>,
    pub(crate) health: Health,
    restarts: u32,
    /// `HasBeenManuallyStopped`.
    pub(crate) hbms: bool,
    /// It was told to reload in this life, which sets the same note.
    pub(crate) reloaded: bool,
    /// Counts lives, so that what was due in an earlier one is forgotten.
    pub(crate) life: u32,
    pub(crate) starting: Vec<By>,
    asked_meanwhile: Vec<Request>,
    stops: Vec<By>,
    pub(crate) kept: Vec<Happening>,
    pub(crate) gone: bool,
    /// Each of its starts fails: it is made of something broken.
    pub(crate) broken: bool,
    backoff_ms: u64,
    began_ms: u64,
    pub(crate) started_by: By,
    /// Which stop of healer's brought it down, if one did.
    pub(crate) down_by: Option<PermitId>,
    /// Somebody has tried to start it since.
    pub(crate) start_tried: bool,
    /// The networks that it is attached to and that are no more.
    pub(crate) lost_networks: Vec<Lost>,
    /// The life of its network parent that it has joined.
    joined: Option<(Key, u32)>,
    /// Since when nothing is wrong with it; `None` while something is.
    pub(crate) well_since: Option<u64>,
}

pub(crate) struct Docker {
    pub(crate) containers: Vec<Container>,
    /// Its process is there.
    pub(crate) up: bool,
    /// It answers.
    pub(crate) api: bool,
    /// It removed its socket in order: whoever looks sees that it closes.
    pub(crate) socket_gone: bool,
    shutting: bool,
    pub(crate) booted: SourceTime,
    /// Boots of its host, and starts of its own process.
    pub(crate) boots: u32,
    pub(crate) starts: u32,
    /// Whether it tells one start from another: a remote one does not.
    pub(crate) tells_its_start: bool,
    /// It says `stop` before `die`, and Compose makes a new container before it stops the old one: so from engine 26 and
    /// Compose v2 on (facts/intent.md, B2; seen on 26.1 and 28.5 with Compose 2.26 and 2.40).
    pub(crate) is_newer: bool,
    stamp: i64,
    /// All that its stream said, where somebody wants to read it.
    pub(crate) said: Option<Vec<(Key, What)>>,
}

/// How a service goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    /// Each life ends so soon with this code.
    Crashes {
        after_ms: u64,
        code: i32,
    },
    /// Each life is killed so soon for want of memory, unless its limit is as high as that.
    OutOfMemory {
        after_ms: u64,
        enough_bytes: u64,
    },
    /// Each life's healthcheck fails after a while.
    Unhealthy,
    /// Each start fails with this code.
    Unstartable {
        code: i32,
    },
}

impl Docker {
    pub(crate) fn new() -> Docker {
        let stamp = i64::try_from(EPOCH_MS * 1_000_000).unwrap_or(0);
        Docker {
            containers: Vec::new(),
            up: true,
            api: true,
            socket_gone: false,
            shutting: false,
            booted: SourceTime(stamp),
            boots: 1,
            starts: 1,
            tells_its_start: true,
            is_newer: false,
            stamp,
            said: None,
        }
    }

    /// What it tells of its present start.
    pub(crate) fn start(&self) -> EngineStart {
        if !self.tells_its_start {
            return EngineStart::default();
        }
        EngineStart {
            boot: Some(format!("boot-{}", self.boots)),
            process: Some(format!("process-{}", self.starts)),
            at: Some(self.booted),
            ..EngineStart::default()
        }
    }

    /// The engine's present time: never the same twice.
    pub(crate) fn stamp(&mut self, now_ms: u64) -> SourceTime {
        let ns = i64::try_from((EPOCH_MS + now_ms) * 1_000_000).unwrap_or(i64::MAX);
        self.stamp = ns.max(self.stamp + 1);
        SourceTime(self.stamp)
    }

    pub(crate) fn living(&self) -> impl Iterator<Item = (Key, &Container)> {
        self.containers.iter().enumerate().filter(|(_, container)| !container.gone)
    }

    pub(crate) fn by_id(&self, id: &Incarnation) -> Option<Key> {
        self.living().find(|(_, container)| container.id == *id).map(|(key, _)| key)
    }

    /// The bodies of a service, oldest first.
    pub(crate) fn bodies(&self, svc: Svc) -> impl Iterator<Item = (Key, &Container)> {
        self.living().filter(move |(_, container)| container.svc == svc)
    }

    /// The body that stands for a service: one that runs, else the newest.
    pub(crate) fn body(&self, svc: Svc) -> Option<Key> {
        self.bodies(svc).max_by_key(|(key, container)| (container.is_up(), *key)).map(|(key, _)| key)
    }
}

impl Container {
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.run, Run::Running | Run::Paused)
    }

    /// Whether the engine's own policy starts it again after an end with this code.
    fn is_restarted_after(&self, code: i32) -> bool {
        match self.def.restart_policy {
            RestartPolicy::No => false,
            RestartPolicy::OnFailure(_) => code != 0 && !self.hbms,
            RestartPolicy::UnlessStopped | RestartPolicy::Always => !self.hbms,
        }
    }

    /// Whether the engine starts it when it starts itself: `always`, and `on-failure` after a failure, also what somebody
    /// stopped (facts/intent.md, B4).
    fn is_started_at_boot(&self) -> bool {
        let code = self.exit.as_ref().map(|exit| exit.code);
        self.run == Run::Exited
            && match self.def.restart_policy {
                RestartPolicy::No => false,
                RestartPolicy::OnFailure(_) => code.is_some_and(|code| code != 0),
                RestartPolicy::UnlessStopped => !self.hbms,
                RestartPolicy::Always => true,
            }
    }

    /// Stop signals, and kills beyond the first signal, since its last start; and when the last of them came.
    pub(crate) fn signals(&self) -> (usize, usize, Option<SourceTime>) {
        let mut asks = 0;
        let mut kills = 0;
        let mut last = None;
        for happening in &self.kept {
            if let What::Signalled { signal, terminating: true } = happening.what {
                last = Some(happening.at);
                if signal == KILL && asks > 0 {
                    kills += 1;
                } else {
                    asks += 1;
                }
            }
        }
        (asks, kills, last)
    }

    /// Whether a person's stop of it is under way.
    pub(crate) fn is_stopped_by_a_person(&self) -> bool {
        self.stops.contains(&By::Person)
    }

    /// Stop calls that were carried out since its last start.
    pub(crate) fn stops_done(&self) -> usize {
        self.kept.iter().filter(|happening| happening.what == What::Stopped).count()
    }
}

impl World<'_> {
    /// Makes a container of a service, which is not started.
    pub(crate) fn docker_create(&mut self, svc: Svc, def: Definition) -> Key {
        let key = self.docker.containers.len();
        let parent = self.services[svc].network_parent.and_then(|parent| self.docker.body(parent));
        let network_body = parent.map(|parent| self.docker.containers[parent].id.clone());
        let def = Definition { network_body, ..def };
        let started_by = By::Engine;
        self.docker.containers.push(Container {
            id: Incarnation(format!("{key:012x}").into()),
            svc,
            def: Arc::new(def),
            run: Run::Created,
            started: None,
            exit: None,
            health: Health::Unchecked,
            restarts: 0,
            hbms: false,
            reloaded: false,
            life: 0,
            starting: Vec::new(),
            asked_meanwhile: Vec::new(),
            stops: Vec::new(),
            kept: Vec::new(),
            gone: false,
            broken: false,
            backoff_ms: BACKOFF_MIN_MS,
            began_ms: self.now,
            started_by,
            down_by: None,
            start_tried: false,
            lost_networks: Vec::new(),
            joined: None,
            well_since: None,
        });
        self.emit(key, What::Created);
        key
    }

    /// It ran, and ended, before the world began.
    pub(crate) fn docker_was_run(&mut self, key: Key) {
        let (started, at) = (self.docker.stamp(self.now), self.docker.stamp(self.now));
        let code = if self.rng.percent(50) { 143 } else { 1 };
        let container = &mut self.docker.containers[key];
        container.run = Run::Exited;
        container.started = Some(started);
        container.exit = Some(Exit { at, code, oom: false, error: String::new(), start_error: None });
    }

    fn emit(&mut self, key: Key, what: What) {
        if !self.docker.up {
            return;
        }
        let at = self.docker.stamp(self.now);
        if let Some(said) = &mut self.docker.said {
            said.push((key, what.clone()));
        }
        let happening = Happening { at, what };
        let container = &mut self.docker.containers[key];
        if happening.what == What::Started {
            container.kept.clear();
        }
        if container.kept.len() < 64 {
            container.kept.push(happening.clone());
        }
        self.stream(key, happening);
    }

    /// An inspect.
    pub(crate) fn look(&mut self, key: Key) -> Look {
        let at = self.docker.stamp(self.now);
        let container = &self.docker.containers[key];
        let sick = container.health == Health::Unhealthy && container.is_up();
        Look {
            at,
            run: container.run,
            started: container.started,
            exit: if container.is_up() { None } else { container.exit.clone() },
            health: container.health,
            health_output: if sick { "connection refused".to_owned() } else { String::new() },
            check_lacks: None,
            restarts: container.restarts,
            manually_stopped: self.reads_flag.then_some(container.hbms),
            kept: None,
            lost_networks: if container.is_up() { Vec::new() } else { container.lost_networks.clone() },
            disk: None,
            probe: None,
            definition: container.def.clone(),
        }
    }

    /// What the engine's own memory holds of a container since its last start. `forgets`: a busy host has pushed the
    /// oldest out.
    pub(crate) fn kept(&self, key: Key, forgets: usize) -> Kept {
        let container = &self.docker.containers[key];
        let booted = self.docker.booted;
        let since = container.kept.iter().filter(|happening| happening.at >= booted);
        let happenings: Vec<Happening> = since.skip(forgets).cloned().collect();
        let begins = happenings.first().is_some_and(|happening| happening.what == What::Started);
        Kept {
            source_started_since: false,
            complete: begins || (forgets == 0 && container.started.is_some_and(|at| at >= booted)),
            happenings,
        }
    }
}
