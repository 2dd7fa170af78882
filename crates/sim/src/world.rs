//! One world: its clock, its agenda, and what lives in it. Events, not ticks: time jumps from one happening to the next.

use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::sync::Arc;

use model::action::{Answer, Permit, PermitId};
use model::fact::{Belongs, Condition, Definition, Dependency, Happening, Incarnation, RestartPolicy, SourceTime};
use model::input::Input;
use model::message::Parcel;
use model::settings::{Mode, Policy, Settings};
use model::verdict::Limit;
use model::{Now, ResourceId, Tick, Wall};

use crate::check::Check;
use crate::compose::Remaking;
use crate::counts::Counts;
use crate::disk::Kept;
use crate::docker::{By, Defect, Docker, EPOCH_MS, Key, Svc};
use crate::fetches::Fetch;
use crate::healer::{CrashPoint, Healer};
use crate::images::Images;
use crate::mounts::Mounts;
use crate::people::{Beside, Deed, Links, Updates};
use crate::rng::Rng;
use crate::truth::{Token, Truth};
use crate::{Broken, Outcome, Plan};

/// The one host of every world.
pub(crate) const HOST: &str = "h";
pub(crate) const CHANNEL: &str = "hook";
/// The memory limit that each service has by its file.
pub(crate) const MEMORY_LIMIT_BYTES: u64 = 64 << 20;
/// Faults come for so long …
pub(crate) const STORM_MS: u64 = 40 * 60_000;
/// … and then it is calm for so long.
const CALM_MS: u64 = 6 * 3_600_000;
/// How long after the last fault answers may still be lost.
const TAIL_MS: u64 = 120_000;
/// More happenings than this in one world are a loop.
const HAPPENINGS_MAX: u64 = 2_000_000;

/// Something that is due.
pub(crate) enum Ev {
    StartDone { key: Key },
    Dies { key: Key, life: u32, code: i32, oom: bool },
    Misses { key: Key, life: u32 },
    Health { key: Key, life: u32, healthy: bool },
    StopTimeout { key: Key, life: u32 },
    StopDone { key: Key, life: u32, by: By },
    PolicyStart { key: Key, life: u32 },
    Remove { key: Key },
    EngineDrains,
    EngineEnds,
    EngineBoots { crashed: bool },
    EngineOpens { start: u32 },

    Connect { pid: u32 },
    ListLook { pid: u32, generation: u64, key: Key },
    ListEnd { pid: u32, generation: u64 },
    Relist { pid: u32, generation: u64 },
    RelistEnd { pid: u32, generation: u64 },
    Stream { pid: u32, generation: u64, key: Key, life: u32, happening: Happening },
    StreamEnd { pid: u32, generation: u64 },
    Glance { pid: u32, generation: u64, key: Key, tries: u32 },
    ApiCheck { pid: u32, generation: u64, key: Key, at: SourceTime },
    ApiCheckAgain { pid: u32, generation: u64 },
    Arrive { pid: u32, input: Box<Input>, token: Token },

    Step { pid: u32 },
    SlowStep { pid: u32 },
    Wake { pid: u32, at: u64 },
    BeginHealer,
    KillHealer { pid: u32, point: CrashPoint },

    Reread { pid: u32, permit: Box<Permit> },
    Act { pid: u32, permit: Box<Permit>, again: bool },
    Remake { pid: u32, permit: PermitId, stage: Remaking },
    FetchEnds { pid: u32, fetch: Box<Fetch> },
    FetchTold { pid: u32, fetch: Box<Fetch> },
    LookNow { pid: u32, resource: ResourceId, incarnation: Incarnation, ticket: Option<PermitId> },
    Sent { pid: u32, parcel: Box<Parcel> },

    ImagePushed,
    UpdatedSomeTime,
    BesideSomeTime,
    MountGoes,
    MountComes { times: u32 },
    MountsSeen { pid: u32 },

    FirstSight,
    NextFault,
    Deed(Deed),
    DefectEnds { svc: Svc, serial: u32 },
    Calm,
    Inspect,
}

struct Timed {
    at: u64,
    seq: u64,
    ev: Ev,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Timed) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Timed) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    // The heap's greatest is what comes first.
    fn cmp(&self, other: &Timed) -> std::cmp::Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

/// A service, with what its owner truly wants of it.
pub(crate) struct Service {
    pub(crate) resource: ResourceId,
    pub(crate) template: Definition,
    /// It has a healthcheck.
    pub(crate) checked: bool,
    pub(crate) is_job: bool,
    /// It crashes while what it depends on is down.
    pub(crate) needs_parents: bool,
    pub(crate) parents: Vec<Svc>,
    pub(crate) network_parent: Option<Svc>,
    pub(crate) term_ms: u64,
    pub(crate) ignores_term: bool,
    pub(crate) catches_term: bool,
    pub(crate) defect: Defect,
    pub(crate) defect_serial: u32,
    /// The defect stays for ever.
    pub(crate) incurable: bool,
    pub(crate) truth: Truth,
}

pub(crate) struct World<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) rng: Rng,
    /// Virtual milliseconds since the world began.
    pub(crate) now: u64,
    seq: u64,
    queue: BinaryHeap<Timed>,
    pub(crate) docker: Docker,
    pub(crate) mounts: Mounts,
    pub(crate) images: Images,
    pub(crate) links: Links,
    pub(crate) beside: Beside,
    pub(crate) updates: Updates,
    pub(crate) services: Vec<Service>,
    pub(crate) disk: Rc<RefCell<Kept>>,
    pub(crate) healers: Vec<Healer>,
    pub(crate) pids: u32,
    pub(crate) settings: Arc<Settings>,
    pub(crate) check: Check,
    pub(crate) counts: Counts,
    /// Whose orders the engine carries out.
    pub(crate) orders: BTreeMap<PermitId, (u32, bool)>,
    /// Whether the engine's private flag can be read.
    pub(crate) reads_flag: bool,
    /// Whether faults still come.
    pub(crate) stormy: bool,
    pub(crate) channel_down_until: u64,
    pub(crate) commands: u64,
    happenings: u64,
    pub(crate) steps: u64,
}

impl<'p> World<'p> {
    pub(crate) fn new(seed: u64, plan: &'p Plan) -> World<'p> {
        let mut rng = Rng::new(seed);
        let in_bytes = seed.is_multiple_of(plan.bytes_every.max(1));
        let mut services = services(&mut rng);
        let mounts = Mounts::new(seed, &mut services);
        let updates = Updates::new(seed, plan.all_deeds, &mut services);
        let settings = Arc::new(settings(&mut rng));
        let reads_flag = rng.percent(50);
        let mut docker = Docker::new();
        docker.is_newer = seed % 2 == 1;
        docker.tells_its_start = rng.percent(80);
        World {
            plan,
            rng,
            now: 0,
            seq: 0,
            queue: BinaryHeap::new(),
            docker,
            mounts,
            images: Images::new(seed, plan.all_deeds),
            links: Links::new(seed, plan.all_deeds),
            beside: Beside::new(seed, plan.all_deeds),
            updates,
            services,
            disk: Rc::new(RefCell::new(Kept::new(in_bytes))),
            healers: Vec::new(),
            pids: 0,
            settings,
            check: Check::default(),
            counts: Counts::default(),
            orders: BTreeMap::new(),
            reads_flag,
            stormy: true,
            channel_down_until: 0,
            commands: 0,
            happenings: 0,
            steps: 0,
        }
    }

    pub(crate) fn after(&mut self, wait_ms: u64, ev: Ev) {
        self.seq += 1;
        self.queue.push(Timed { at: self.now + wait_ms, seq: self.seq, ev });
    }

    pub(crate) fn moment(&self) -> Now {
        moment(self.now)
    }

    /// Lets so much time pass.
    pub(crate) fn passes(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.queue.peek().is_some_and(|next| next.at <= end) {
            let Some(Timed { at, ev, .. }) = self.queue.pop() else { break };
            self.now = at;
            self.happens(ev);
        }
        self.now = end;
    }

    /// Plays the world to its end.
    pub(crate) fn play(mut self, seed: u64) -> Outcome {
        self.begin();
        let end = STORM_MS + CALM_MS;
        while let Some(Timed { at, ev, .. }) = self.queue.pop() {
            if at > end || self.check.broken.is_some() {
                break;
            }
            self.now = at;
            self.happenings += 1;
            if self.happenings > HAPPENINGS_MAX {
                self.broken("the world comes to rest", "too much happens".to_owned());
            }
            self.happens(ev);
        }
        if self.check.broken.is_none() {
            self.now = end;
            self.check_settled();
        }
        let broken = self.check.broken.take().map(|(at_ms, rule, says)| Broken { seed, at_ms, rule, says });
        let entries = self.disk.borrow().entries.len() as u64;
        Outcome { seed, broken, counts: self.counts, steps: self.steps, entries }
    }

    fn begin(&mut self) {
        for svc in 0..self.services.len() {
            let template = self.services[svc].template.clone();
            let key = self.docker_create(svc, template);
            let stays_down = self.rng.percent(12) && !self.services[svc].truth.is_kept_running();
            if stays_down {
                self.services[svc].truth = Truth::never();
                if self.rng.percent(70) {
                    self.docker_was_run(key);
                }
            } else if self.services[svc].network_parent.is_some() {
                self.after(450, Ev::Deed(Deed::DockerStart(svc)));
            } else {
                self.docker_start(key, By::Person);
            }
        }
        self.after(990, Ev::FirstSight);
        self.after(1_000, Ev::BeginHealer);
        self.after(3_000, Ev::NextFault);
        self.mount_goes_some_time();
        self.image_is_pushed_some_time();
        self.put_beside_some_time();
        self.updated_some_time();
        self.after(STORM_MS, Ev::Calm);
        self.after(STORM_MS + TAIL_MS, Ev::Inspect);
    }

    /// What is down when healer first looks is never started on a guess.
    fn first_sight(&mut self) {
        for svc in 0..self.services.len() {
            if !self.docker.body(svc).is_some_and(|key| self.docker.containers[key].is_up()) {
                self.services[svc].truth = Truth::never();
            }
        }
    }

    fn happens(&mut self, ev: Ev) {
        match ev {
            Ev::StartDone { key } => self.start_done(key),
            Ev::Dies { key, life, code, oom } => self.dies(key, life, code, oom),
            Ev::Misses { key, life } => self.misses(key, life),
            Ev::Health { key, life, healthy } => self.health_verdict(key, life, healthy),
            Ev::StopTimeout { key, life } => self.stop_timeout(key, life),
            Ev::StopDone { key, life, by } => self.stop_done(key, life, by),
            Ev::PolicyStart { key, life } => self.policy_start(key, life),
            Ev::Remove { key } => self.docker_remove(key),
            Ev::EngineDrains => self.engine_drains(),
            Ev::EngineEnds => self.engine_ends(),
            Ev::EngineBoots { crashed } => self.engine_boots(crashed),
            Ev::EngineOpens { start } => self.engine_opens(start),
            Ev::Connect { pid } => self.connect(pid),
            Ev::ListLook { pid, generation, key } => self.list_look(pid, generation, key),
            Ev::ListEnd { pid, generation } => self.list_end(pid, generation),
            Ev::Relist { pid, generation } => self.relist(pid, generation),
            Ev::RelistEnd { pid, generation } => self.relist_end(pid, generation),
            Ev::Stream { pid, generation, key, life, happening } => {
                self.event_arrives(pid, generation, key, life, happening);
            }
            Ev::StreamEnd { pid, generation } => self.stream_ends(pid, generation),
            Ev::Glance { pid, generation, key, tries } => self.glance(pid, generation, key, tries),
            Ev::ApiCheck { pid, generation, key, at } => self.api_check(pid, generation, key, at),
            Ev::ApiCheckAgain { pid, generation } => self.api_check_again(pid, generation),
            Ev::Arrive { pid, input, token } => self.arrives(pid, *input, token),
            Ev::Step { pid } => self.step(pid),
            Ev::SlowStep { pid } => self.slow_step(pid),
            Ev::Wake { pid, at } => self.wake(pid, at),
            Ev::BeginHealer => self.begin_healer(),
            Ev::KillHealer { pid, point } => self.kill_healer(pid, point),
            Ev::Reread { pid, permit } => self.reread(pid, permit),
            Ev::Act { pid, permit, again } => self.act(pid, permit, again),
            Ev::Remake { pid, permit, stage } => self.remake(pid, permit, stage),
            Ev::FetchEnds { pid, fetch } => self.fetch_ends(pid, fetch),
            Ev::FetchTold { pid, fetch } => self.fetch_told(pid, *fetch),
            Ev::LookNow { pid, resource, incarnation, ticket } => self.look_now(pid, &resource, &incarnation, ticket),
            Ev::Sent { pid, parcel } => self.sent(pid, &parcel),
            Ev::UpdatedSomeTime => self.somebody_updates(),
            Ev::ImagePushed => self.image_pushed(),
            Ev::BesideSomeTime => self.put_beside(),
            Ev::MountGoes => self.mount_goes(),
            Ev::MountComes { times } => self.mount_comes(times),
            Ev::MountsSeen { pid } => self.mounts_seen(pid),
            Ev::FirstSight => self.first_sight(),
            Ev::NextFault => self.next_fault(),
            Ev::Deed(deed) => self.deed(deed),
            Ev::DefectEnds { svc, serial } => self.defect_ends(svc, serial),
            Ev::Calm => self.calm(),
            Ev::Inspect => {
                self.check_phases();
                self.after(60_000, Ev::Inspect);
            }
        }
    }

    /// An order of healer's is answered; a person's own tools are not of interest.
    pub(crate) fn tell_caller(&mut self, by: By, answer: Answer) {
        if let By::Healer(permit) = by {
            self.answer(permit, answer);
        }
    }

    pub(crate) fn svc_of(&self, resource: &ResourceId) -> Option<Svc> {
        self.services.iter().position(|service| service.resource == *resource)
    }

    pub(crate) fn broken(&mut self, rule: &'static str, says: String) {
        if self.check.broken.is_none() {
            self.check.broken = Some((self.now, rule, says));
        }
    }

    /// Tells what happens, when a world is looked at closely.
    pub(crate) fn trace(&self, says: impl FnOnce() -> String) {
        if let Some(trace) = self.plan.trace {
            trace(self.now, &says());
        }
    }
}

pub(crate) fn moment(now_ms: u64) -> Now {
    Now { wall: Wall(i64::try_from(EPOCH_MS + now_ms).unwrap_or(i64::MAX)), tick: Tick(now_ms) }
}

/// Five services that need each other, one that the engine restarts itself, a job, and three that are not healer's.
fn services(rng: &mut Rng) -> Vec<Service> {
    let second = if rng.percent(50) { "wiki" } else { "shop" };
    let mut services = vec![
        service("shop", "db"),
        service("shop", "web"),
        service("shop", "vpn"),
        service("shop", "leech"),
        service(second, "cache"),
        service(second, "job"),
        service("-", "tool"),
        service("-", "healer"),
    ];
    let checked_db = rng.percent(30);
    services[0].checked = checked_db;
    services[1].checked = true;
    let condition = if checked_db { Condition::Healthy } else { Condition::Started };
    services[1].parents = vec![0];
    services[1].template.depends_on.push(Dependency { service: "db".to_owned(), condition });
    services[1].needs_parents = rng.percent(60);
    if second == "shop" && rng.percent(50) {
        let job = Dependency { service: "job".to_owned(), condition: Condition::CompletedSuccessfully };
        services[1].template.depends_on.push(job);
    }
    let vpn = services[2].resource.clone();
    services[3].parents = vec![2];
    services[3].network_parent = Some(2);
    services[3].template.network_parent = Some(vpn);
    services[3].template.depends_on.push(Dependency { service: "vpn".to_owned(), condition: Condition::Started });
    services[3].checked = rng.percent(60);
    services[4].template.restart_policy = RestartPolicy::UnlessStopped;
    services[5].is_job = true;
    services[6].template.belongs = Belongs::Unclaimed;
    services[7].template.healers_own = Some("healer itself".to_owned());
    for service in &mut services {
        service.term_ms = rng.range(60, 1_500);
        service.ignores_term = rng.percent(12);
        service.catches_term = rng.percent(30);
    }
    services[7].truth.keep_running();
    services
}

fn service(deployment: &str, name: &str) -> Service {
    let resource = ResourceId::docker(HOST, deployment, name, 1);
    let template = Definition {
        name: format!("{deployment}_{name}_1"),
        image: format!("{name}:1"),
        image_id: "sha256:1".to_owned(),
        config_hash: "c1".to_owned(),
        belongs: Belongs::ComposeService,
        restart_policy: RestartPolicy::No,
        depends_on: Vec::new(),
        network_parent: None,
        network_body: None,
        replaces: None,
        is_orphan: false,
        stops_by_kill: false,
        stop_timeout_s: 10,
        memory_limit_bytes: MEMORY_LIMIT_BYTES,
        anonymous_volume: false,
        removed_at_end: false,
        labels: Default::default(),
        healers_own: None,
        host_paths: Default::default(),
    };
    Service {
        resource,
        template,
        checked: false,
        is_job: false,
        needs_parents: false,
        parents: Vec::new(),
        network_parent: None,
        term_ms: 200,
        ignores_term: false,
        catches_term: false,
        defect: Defect::None,
        defect_serial: 0,
        incurable: false,
        truth: Truth::running(),
    }
}

fn settings(rng: &mut Rng) -> Settings {
    let mut settings = Settings { instance: "sim".to_owned(), ..Settings::default() };
    settings.channels = vec![CHANNEL.to_owned()];
    settings.mode = match rng.below(20) {
        0 => Mode::Observe,
        1..3 => Mode::Suggest,
        _ => Mode::Auto,
    };
    let budgets = &mut settings.budgets;
    budgets.concurrent = u32::try_from(rng.range(1, 4)).unwrap_or(1);
    if rng.percent(20) {
        budgets.per_host = Limit { count: 4, window_ms: 10 * 60_000 };
    }
    if rng.percent(20) {
        budgets.stability_ms = 30_000;
    }
    if rng.percent(15) {
        settings.approval_expires_ms = 4 * 60_000;
    }
    if rng.percent(15) {
        let deployment = Some(if rng.percent(50) { "shop" } else { "wiki" }.to_owned());
        settings.policies.push(Policy { deployment, auto_heal: false, ..Policy::built_in() });
    } else if rng.percent(15) {
        settings.policies.push(Policy { max_retries: Some(2), ..Policy::built_in() });
    }
    settings
}
