//! The language of the stories: containers that live and die, people at the engine and at healer's command line, hands
//! that do what they are told, and a clock that jumps from one happening to the next.
//!
//! ```text
//! verbs (crashes, docker_stop, says …) ──▶ inbox ──after()──▶ engine ──▶ transcript, journal
//!                                             ▲                                 └──▶ hands, looks, channels
//!                                             └────────────── agenda ◀───────────────────┘
//! ```
//!
//! Verbs with no time between them are one batch. After each batch the fold of the journal must equal the live state.

mod containers;
mod hands;
mod host;
mod outcome;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, State, needs_wanted_running};
use model::action::{Action, Answer, Change, Permit, PermitId, Step, With};
use model::command::{Ask, Command, CommandId};
use model::complaint::Complaint;
use model::event::{Entry, Event};
use model::fact::{
    Belongs, Condition, Definition, Dependency, Exit, Fact, Generation, Happening, Health, Incarnation, Kept, Look,
    Observation, RestartPolicy, Run, SourceTime, What,
};
use model::folder::BringUp;
use model::incident::{Excerpt, IncidentId, Line, Outcome, Phase};
use model::input::{Effect, Input, Report, SourceState};
use model::intent::Wanted;
use model::message::{Delivery, Kind, Message, Receipt};
use model::network::{Lost, Network};
use model::recovery::EngineStart;
use model::settings::Settings;
use model::update::Update;
use model::{Now, ResourceId, Tick, Wall};

/// The host of all stories, and of most the only one.
pub(crate) const HOST: &str = "h";
/// When each story begins.
const BEGIN: Now = Now { wall: Wall(1_795_446_000_000), tick: Tick(5_000_000) };
/// How long hands take from an order to its effect, and from there to their answer.
const START_TAKES_MS: u64 = 300;
const TERM_TAKES_MS: u64 = 100;
/// Compose gives the old one another name, makes a new one and starts it (facts/intent.md, B2).
const REMAKE_TAKES_MS: u64 = 370;
const STOP_AFTER_DIE_MS: u64 = 20;
const ANSWER_TAKES_MS: u64 = 5;
const LOOK_TAKES_MS: u64 = 2;
const LOG_TAKES_MS: u64 = 20;
const CHANNEL_TAKES_MS: u64 = 40;
/// The socket is looked at this long after a terminating signal.
const SOCKET_SEEN_AFTER_MS: u64 = 100;
/// A deadline that passes so often without moving would keep a core busy.
const SPINS_MAX: u32 = 20;

/// A container.
struct Container {
    resource: ResourceId,
    id: Incarnation,
    definition: Arc<Definition>,
    run: Run,
    started: Option<SourceTime>,
    exit: Option<Exit>,
    health: Health,
    restarts: u32,
    /// `HasBeenManuallyStopped`.
    flag: bool,
    kept: Vec<Happening>,
    /// After each start it ends so much later with this code, so many times.
    ends: Option<(u64, i32, u32)>,
    /// It does not end by TERM: only by the KILL after its stop timeout.
    ignores_term: bool,
    /// Each start fails with this.
    unstartable: Option<&'static str>,
    /// It is killed for want of memory so long after each start, unless it has this much.
    outgrows: Option<(u64, u64)>,
    /// The networks that it is attached to and that are no more.
    lost_networks: Vec<Lost>,
    /// What the engine refuses to do to it, and why.
    refuses: Option<(Action, &'static str)>,
    /// It has ended so, and the engine does not know of it yet.
    untold: Option<Exit>,
    /// Counts lives, so that what was due in an earlier one is forgotten.
    life: u64,
    log: Vec<&'static str>,
    complaint: Option<Complaint>,
}

/// Something that is due.
#[derive(Debug)]
enum Due {
    Feed(Input),
    Look { resource: ResourceId, incarnation: Incarnation, ticket: Option<PermitId> },
    Act(Box<Permit>),
    Started { id: Incarnation, permit: Option<PermitId> },
    Ends { id: Incarnation, life: u64, code: i32 },
    Killed { id: Incarnation, life: u64 },
    OutOfMemory { id: Incarnation, life: u64 },
    Stopped { id: Incarnation, permit: Option<PermitId> },
    Remade { id: Incarnation, permit: PermitId },
    StopsByHand(Incarnation),
}

impl Due {
    /// Whether it goes on although healer's process is dead.
    fn outlives_healer(&self) -> bool {
        match self {
            Due::Started { .. } | Due::Ends { .. } | Due::Killed { .. } | Due::Stopped { .. } => true,
            Due::StopsByHand(_) | Due::OutOfMemory { .. } => true,
            Due::Feed(_) | Due::Look { .. } | Due::Act(_) | Due::Remade { .. } => false,
        }
    }
}

/// A story.
pub(crate) struct Story {
    pub(crate) settings: Settings,
    engine: Option<Engine>,
    shadow: State,
    journal: Vec<Entry>,
    epoch: u64,
    now_ms: u64,
    /// How far the wall clock was set since the story began.
    wall_shift_ms: i64,
    /// How far the engine's clock is ahead of healer's.
    pub(crate) skew_ms: i64,
    agenda: BTreeMap<(u64, u64), Due>,
    filed: u64,
    inbox: Vec<Input>,
    containers: Vec<Container>,
    /// Containers made so far.
    made: usize,
    generation: u64,
    connected: bool,
    /// The present start of the engine, as far as it tells.
    start: EngineStart,
    starts: u64,
    commands: u64,
    pub(crate) transcript: Vec<String>,
    /// What the hands were told and did not do.
    pub(crate) orders: Vec<Permit>,
    acts: Vec<(u64, ResourceId, Action)>,
    /// The deployments that were to be brought up.
    pub(crate) bring_ups: Vec<BringUp>,
    /// The images that are being fetched, or were.
    pub(crate) updates: Vec<Update>,
    /// The orders that were to be ended.
    pub(crate) call_offs: Vec<CommandId>,
    messages: Vec<Message>,
    /// Whether hands do what they are told.
    pub(crate) hands_work: bool,
    /// Whether looks are answered.
    pub(crate) looks_work: bool,
    /// How late the stream is; looks and answers are not.
    pub(crate) stream_lag_ms: u64,
    /// What the channel says.
    pub(crate) channel: Delivery,
    /// Whether the engine's private flag can be read.
    pub(crate) reads_flag: bool,
    /// Whether a listing comes with the engine's kept events, and whether those are complete.
    pub(crate) kept_complete: Option<bool>,
    /// How long before the listing comes its looks were taken.
    pub(crate) listing_takes: Duration,
    /// Whether those begin with a start of the engine that is younger than all containers.
    memory_is_young: bool,
    /// Whether a listing is a batch of its own, after that of the looks.
    pub(crate) lists_in_two_batches: bool,
    /// Whether each look of a listing is a batch of its own.
    pub(crate) looks_come_one_by_one: bool,
    /// So many appends fail from here on.
    pub(crate) appends_fail: u32,
    /// … though what they were to write was written.
    pub(crate) fail_though_written: bool,
}

/// A service named `shop/web`, its second replica `shop/web/2`, or, outside of any deployment, `nginx`; on another host
/// `docker:far/shop/web`.
pub(crate) fn named(name: &str) -> ResourceId {
    if name.starts_with("docker:") {
        return name.parse().unwrap();
    }
    match name.split('/').collect::<Vec<_>>()[..] {
        [deployment, service] => ResourceId::docker(HOST, deployment, service, 1),
        [deployment, service, number] => ResourceId::docker(HOST, deployment, service, number.parse().unwrap()),
        _ => ResourceId::lone_container(HOST, name),
    }
}

/// What a Compose service is made of, where nothing else is said.
pub(crate) fn compose_service(name: &str) -> Definition {
    Definition {
        name: name.replace('/', "_"),
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
        memory_limit_bytes: 0,
        anonymous_volume: false,
        removed_at_end: false,
        labels: BTreeSet::new(),
        healers_own: None,
        host_paths: Default::default(),
    }
}

/// A `depends_on`.
pub(crate) fn needs(service: &str, condition: Condition) -> Dependency {
    Dependency { service: service.to_owned(), condition }
}

impl Story {
    pub(crate) fn new() -> Story {
        let settings =
            Settings { instance: "web-1".to_owned(), channels: vec!["hook".to_owned()], ..Settings::default() };
        Story {
            settings,
            engine: None,
            shadow: State::default(),
            journal: Vec::new(),
            epoch: 0,
            now_ms: 0,
            wall_shift_ms: 0,
            skew_ms: 0,
            agenda: BTreeMap::new(),
            filed: 0,
            inbox: Vec::new(),
            containers: Vec::new(),
            made: 0,
            generation: 0,
            connected: false,
            start: EngineStart::default(),
            starts: 0,
            commands: 0,
            transcript: Vec::new(),
            orders: Vec::new(),
            acts: Vec::new(),
            bring_ups: Vec::new(),
            updates: Vec::new(),
            call_offs: Vec::new(),
            messages: Vec::new(),
            hands_work: true,
            looks_work: true,
            stream_lag_ms: 0,
            channel: Delivery::Delivered,
            reads_flag: false,
            kept_complete: None,
            listing_takes: Duration::ZERO,
            memory_is_young: false,
            lists_in_two_batches: false,
            looks_come_one_by_one: false,
            appends_fail: 0,
            fail_though_written: false,
        }
    }

    /// A story that begins with these services running and seen.
    pub(crate) fn of(names: &[&str]) -> Story {
        let mut story = Story::new();
        for name in names {
            story.runs(name);
        }
        story.begins();
        story
    }

    // ---- the source

    /// healer's process starts (again), connects, and lists everything.
    pub(crate) fn begins(&mut self) -> &mut Story {
        self.process_starts();
        self.connects();
        self.after(0.01)
    }

    /// healer's process starts (again); nothing is seen yet.
    pub(crate) fn process_starts(&mut self) -> &mut Story {
        let state = self.folded();
        assert_eq!(state, self.shadow, "the journal's fold is the state that was lived");
        let mut engine = Engine::new(state, Arc::new(self.settings.clone()), "0.1.0");
        self.epoch += 1;
        let decision = engine.lead(self.epoch, self.now());
        self.engine = Some(engine);
        self.commit(&decision.entries);
        self.perform(decision.effects);
        self
    }

    /// SIGKILL: whatever was asked or answered on the way is lost; what the engine was told goes on.
    pub(crate) fn is_killed(&mut self) -> &mut Story {
        self.say("      ", "healer is killed");
        self.engine = None;
        self.connected = false;
        self.inbox.clear();
        self.agenda.retain(|_, due| due.outlives_healer());
        self
    }

    /// Another healer took the lead: an append told.
    pub(crate) fn is_deposed(&mut self) -> &mut Story {
        self.engine.as_mut().unwrap().step_down();
        self
    }

    /// The stream opens, and all is looked at and listed.
    pub(crate) fn connects(&mut self) -> &mut Story {
        self.opens().relists()
    }

    /// The stream opens.
    pub(crate) fn opens(&mut self) -> &mut Story {
        self.generation += 1;
        self.connected = true;
        let generation = Generation(self.generation);
        for host in self.hosts() {
            // Of its start this one alone tells.
            let start = if host == HOST { self.start.clone() } else { EngineStart::default() };
            self.source_of(&host, SourceState::Opened { generation, start, ahead_ms: self.skew_ms });
        }
        self
    }

    fn hosts(&self) -> BTreeSet<String> {
        let others = self.containers.iter().map(|container| container.resource.host().to_owned());
        others.chain([HOST.to_owned()]).collect()
    }

    /// All is looked at and listed through the present connection.
    pub(crate) fn relists(&mut self) -> &mut Story {
        let generation = Generation(self.generation);
        let ids: Vec<_> = self.containers.iter().map(|container| container.id.clone()).collect();
        for id in ids {
            let (resource, mut look) = self.look_at(&id).unwrap();
            let container = self.by_id(&id).unwrap();
            let happenings = container.kept.clone();
            let source_started_since = self.kept_complete == Some(false) && self.memory_is_young;
            look.kept = self.kept_complete.map(|complete| Kept { complete, source_started_since, happenings });
            look.at.0 -= i64::try_from(self.listing_takes.as_nanos()).unwrap();
            self.inbox.push(Input::Observed(Observation {
                resource,
                incarnation: id,
                generation,
                fact: Fact::Looked(Box::new(look)),
            }));
            if self.looks_come_one_by_one {
                self.turn();
            }
        }
        if self.lists_in_two_batches {
            self.turn();
        }
        for host in self.hosts() {
            let here = self.containers.iter().filter(|container| *container.resource.host() == host);
            let present = here.map(|c| (c.resource.clone(), c.id.clone())).collect();
            self.source_of(&host, SourceState::Listed { generation, present });
        }
        self
    }

    pub(crate) fn stream_breaks(&mut self) -> &mut Story {
        self.connected = false;
        let generation = Generation(self.generation);
        self.source(SourceState::Lost { generation, because: String::new() })
    }

    pub(crate) fn unreachable(&mut self) -> &mut Story {
        self.source(SourceState::Unreachable { because: "the engine's socket is not there".to_owned(), down: true })
    }

    pub(crate) fn engine_closes(&mut self) -> &mut Story {
        self.source(SourceState::Closing)
    }

    /// Its address answers nobody, and may be that of a tunnel or a proxy.
    pub(crate) fn out_of_reach(&mut self) -> &mut Story {
        self.source(SourceState::Unreachable { because: "connection refused".to_owned(), down: false })
    }

    fn source(&mut self, state: SourceState) -> &mut Story {
        self.source_of(HOST, state)
    }

    fn source_of(&mut self, host: &str, state: SourceState) -> &mut Story {
        self.inbox.push(Input::Source(Report { source: host.to_owned(), state }));
        self
    }

    pub(crate) fn reserve(&mut self, whole: bool) -> &mut Story {
        self.inbox.push(Input::StoreReserve { whole });
        self
    }

    // ---- what people say to healer

    pub(crate) fn says(&mut self, who: &str, ask: Ask) -> &mut Story {
        self.commands += 1;
        let id = CommandId(format!("c{}", self.commands));
        self.inbox.push(Input::Commanded(Command { id, who: who.to_owned(), ask }));
        self
    }

    pub(crate) fn approves(&mut self, incident: u64) -> &mut Story {
        let ask = Ask::Approve(self.incident_id(incident));
        self.says("ann", ask)
    }

    pub(crate) fn rejects(&mut self, incident: u64, because: &str) -> &mut Story {
        let ask = Ask::Reject { incident: self.incident_id(incident), because: because.to_owned() };
        self.says("ann", ask)
    }

    pub(crate) fn freezes(&mut self) -> &mut Story {
        self.says("ann", Ask::Freeze { because: String::new() })
    }

    pub(crate) fn incident_id(&self, number: u64) -> IncidentId {
        IncidentId { instance: "web-1".into(), number }
    }

    /// Anything else reaches the engine.
    pub(crate) fn feed(&mut self, input: Input) -> &mut Story {
        self.inbox.push(input);
        self
    }

    /// The hands' answer to the last order that they did not carry out.
    pub(crate) fn answer(&mut self, answer: Answer) -> &mut Story {
        let permit = self.orders.pop().expect("nothing was ordered");
        self.inbox.push(Input::Answered(permit.id, answer));
        self
    }

    // ---- the clock

    /// Time passes, and whatever is due in it happens.
    pub(crate) fn after(&mut self, seconds: f64) -> &mut Story {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a story's seconds are few")]
        let end = self.now_ms + (seconds * 1_000.0).round() as u64;
        self.turn();
        let mut spins = 0;
        loop {
            let deadline = self.engine.as_ref().and_then(Engine::next_deadline);
            let deadline = deadline.map(|due| due.0.saturating_sub(BEGIN.tick.0));
            let due = self.agenda.keys().next().map(|(at, _)| *at);
            let Some(next) = [deadline, due].into_iter().flatten().min().filter(|next| *next <= end) else { break };
            spins = if next <= self.now_ms { spins + 1 } else { 0 };
            assert!(spins < SPINS_MAX, "a deadline passes and nothing follows:\n{self}");
            self.now_ms = self.now_ms.max(next);
            while let Some(first) = self.agenda.first_entry().filter(|first| first.key().0 <= self.now_ms) {
                let due = first.remove();
                self.happens(due);
            }
            self.turn();
        }
        self.now_ms = end;
        self
    }

    pub(crate) fn after_minutes(&mut self, minutes: f64) -> &mut Story {
        self.after(minutes * 60.0)
    }

    pub(crate) fn now(&self) -> Now {
        let Now { wall, tick } = BEGIN.after(std::time::Duration::from_millis(self.now_ms));
        Now { wall: Wall(wall.0 + self.wall_shift_ms), tick }
    }

    /// Somebody sets the clock of the host.
    pub(crate) fn clock_jumps(&mut self, by_ms: i64) -> &mut Story {
        self.wall_shift_ms += by_ms;
        self.feed(Input::ClockJumped { by_ms })
    }

    fn source_now(&mut self) -> SourceTime {
        self.filed += 1;
        let fine = i64::try_from(self.filed % 1_000_000).unwrap();
        SourceTime((self.now().wall.0 + self.skew_ms) * 1_000_000 + fine)
    }

    fn file(&mut self, after_ms: u64, due: Due) {
        self.filed += 1;
        self.agenda.insert((self.now_ms + after_ms, self.filed), due);
    }

    // ---- the loop, as in `runtime::Loop::step`

    fn turn(&mut self) {
        let inputs = std::mem::take(&mut self.inbox);
        if self.engine.is_none() {
            return;
        }
        self.handle(&inputs);
    }

    fn handle(&mut self, batch: &[Input]) {
        let mut batch = batch.to_vec();
        loop {
            let now = self.now();
            let Some(engine) = &mut self.engine else { return };
            let decision = engine.handle(&batch, now);
            if decision.entries.is_empty() || self.appends_fail == 0 {
                self.commit(&decision.entries);
                return self.perform(decision.effects);
            }
            // The append fails: the effects never run, the state is folded anew, and the inputs are handled again, unless
            // they are in the journal all the same.
            self.appends_fail -= 1;
            self.say("      ", "the journal does not take the batch");
            let taken = self.fail_though_written;
            if taken {
                self.commit(&decision.entries);
            }
            let state = State { epoch: self.epoch, ..self.folded() };
            let engine = self.engine.as_mut().unwrap();
            let refolded = engine.refold(state, taken, now);
            self.perform(refolded.effects);
            batch.retain(|input| !taken || matches!(input, Input::Commanded(_)));
        }
    }

    /// The journal's fold, read back from its bytes.
    pub(crate) fn folded(&self) -> State {
        let mut state = State::default();
        for entry in &self.journal {
            let bytes = serde_json::to_vec(entry).unwrap();
            let read: Entry = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(read, *entry, "an entry is read back as it was written");
            state.apply(&read);
        }
        state
    }

    fn commit(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.shadow.apply(entry);
            self.journal.push(entry.clone());
            for line in engine::view::lines(std::slice::from_ref(entry)) {
                let of = entry.event.incident().and_then(|id| self.shadow.incidents.get(&id.number));
                let resource = line.resource.or(of.map(|incident| incident.resource.clone()));
                let short = resource.map_or(String::new(), |resource| resource.short().to_owned());
                self.say(&short, &line.text);
            }
        }
        if let Some(engine) = &self.engine {
            assert_eq!(*engine.state(), self.shadow, "the fold of the journal is the live state");
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Look { resource, incarnation, ticket } => {
                    if self.looks_work {
                        self.file(LOOK_TAKES_MS, Due::Look { resource, incarnation, ticket });
                    }
                }
                Effect::Gather { incident, incarnation, .. } => self.gather(incident, incarnation),
                Effect::Execute(permit) => {
                    let who = if permit.behalf.incident().is_some() { "" } else { " for a person" };
                    let text = format!("→ {}{who}", permit.step.action);
                    self.say(permit.step.resource.short(), &text);
                    self.acts.push((self.now_ms, permit.step.resource.clone(), permit.step.action));
                    if self.hands_work {
                        self.file(0, Due::Act(permit));
                    } else {
                        self.orders.push(*permit);
                    }
                }
                Effect::BringUp(order) => {
                    self.say(&order.folder.deployment, "→ bring up");
                    self.bring_ups.push(*order);
                }
                Effect::Fetch(order) => {
                    self.say(order.resource.short(), &format!("→ fetch its image: {}", order.source.verb()));
                    self.updates.push(*order);
                }
                Effect::CallOff(order) => {
                    self.say("-", "→ end the bring-up");
                    self.call_offs.push(order);
                }
                Effect::Send(parcel) => {
                    let text = format!("→ {}: message {}, try {}", parcel.channel, parcel.message.id.0, parcel.attempt);
                    let of = parcel.message.about.resource().map_or("-", |resource| resource.short());
                    self.say(of, &text);
                    if !self.messages.iter().any(|known| known.id == parcel.message.id) {
                        self.messages.push(parcel.message.clone());
                    }
                    let result = self.channel.clone();
                    let receipt = Receipt { channel: parcel.channel, message: parcel.message.id, result };
                    self.file(CHANNEL_TAKES_MS, Due::Feed(Input::Delivered(receipt)));
                }
                Effect::Answer(reply) => {
                    for line in reply.lines {
                        let short = line.resource.map_or(String::new(), |resource| resource.short().to_owned());
                        let taken = if reply.taken { "" } else { " (not taken)" };
                        self.say(&short, &format!("→ answer{taken}: {}", line.text));
                    }
                }
            }
        }
    }

    fn gather(&mut self, incident: IncidentId, incarnation: Incarnation) {
        let Some(container) = self.by_id(&incarnation) else { return };
        let line = |text: &&str| {
            let complaint = container.complaint.clone();
            Line { text: (*text).to_owned(), times: 1, telling: text.contains("error"), complaint }
        };
        let lines: Vec<Line> = container.log.iter().map(line).collect();
        let read_lines = lines.len() as u64;
        let log = Ok(Excerpt { lines, read_lines, cut: false });
        self.file(LOG_TAKES_MS, Due::Feed(Input::Gathered { incident, incarnation, log }));
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.transcript.join("\n"))
    }
}
