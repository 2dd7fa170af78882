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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{Engine, State, needs_wanted_running};
use model::action::{Action, Answer, Permit, PermitId};
use model::command::{Ask, Command, CommandId};
use model::event::{Entry, Event};
use model::fact::{
    Belongs, Condition, Definition, Dependency, Exit, Fact, Generation, Happening, Health, Incarnation, Kept, Look,
    Observation, RestartPolicy, Run, SourceTime, What,
};
use model::incident::{Excerpt, IncidentId, Line, Outcome, Phase};
use model::input::{Effect, Input, Report, SourceState};
use model::intent::Wanted;
use model::message::{Delivery, Kind, Message, Receipt};
use model::settings::Settings;
use model::{Now, ResourceId, Tick, Wall};

/// The one host of all stories.
pub(crate) const HOST: &str = "h";
/// When each story begins.
const BEGIN: Now = Now { wall: Wall(1_795_446_000_000), tick: Tick(5_000_000) };
/// How long hands take from an order to its effect, and from there to their answer.
const START_TAKES_MS: u64 = 300;
const TERM_TAKES_MS: u64 = 100;
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
    /// Counts lives, so that what was due in an earlier one is forgotten.
    life: u64,
    log: Vec<&'static str>,
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
    Stopped { id: Incarnation, permit: Option<PermitId> },
    StopsByHand(Incarnation),
}

impl Due {
    /// Whether it goes on although healer's process is dead.
    fn outlives_healer(&self) -> bool {
        match self {
            Due::Started { .. } | Due::Ends { .. } | Due::Killed { .. } | Due::Stopped { .. } => true,
            Due::StopsByHand(_) => true,
            Due::Feed(_) | Due::Look { .. } | Due::Act(_) => false,
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
    agenda: BTreeMap<(u64, u64), Due>,
    filed: u64,
    inbox: Vec<Input>,
    containers: Vec<Container>,
    generation: u64,
    connected: bool,
    commands: u64,
    pub(crate) transcript: Vec<String>,
    /// What the hands were told and did not do.
    pub(crate) orders: Vec<Permit>,
    acts: Vec<(u64, ResourceId, Action)>,
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
    /// So many appends fail from here on.
    pub(crate) appends_fail: u32,
    /// … though what they were to write was written.
    pub(crate) fail_though_written: bool,
}

/// A service named `shop/web` or, outside of any deployment, `nginx`.
pub(crate) fn named(name: &str) -> ResourceId {
    match name.split_once('/') {
        Some((deployment, service)) => ResourceId::docker(HOST, deployment, service, 1),
        None => ResourceId::lone_container(HOST, name),
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
        stop_timeout_s: 10,
        memory_limit_bytes: 0,
        removed_at_end: false,
        labels: BTreeSet::new(),
        healers_own: None,
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
            agenda: BTreeMap::new(),
            filed: 0,
            inbox: Vec::new(),
            containers: Vec::new(),
            generation: 0,
            connected: false,
            commands: 0,
            transcript: Vec::new(),
            orders: Vec::new(),
            acts: Vec::new(),
            messages: Vec::new(),
            hands_work: true,
            looks_work: true,
            stream_lag_ms: 0,
            channel: Delivery::Delivered,
            reads_flag: false,
            kept_complete: None,
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

    // ---- what there is

    /// A container that runs, made before the story began.
    pub(crate) fn runs(&mut self, name: &str) -> &mut Story {
        self.runs_as(name, |_| {})
    }

    /// … of a definition that differs from a plain Compose service's.
    pub(crate) fn runs_as(&mut self, name: &str, differs: impl FnOnce(&mut Definition)) -> &mut Story {
        let mut definition = compose_service(name);
        differs(&mut definition);
        let id = Incarnation(format!("{}-{}", name.replace('/', "-"), self.containers.len() + 1).into());
        let started = Some(SourceTime(self.source_now().0 - 3_600_000_000_000));
        self.containers.push(Container {
            resource: named(name),
            id,
            definition: Arc::new(definition),
            run: Run::Running,
            started,
            exit: None,
            health: Health::Unchecked,
            restarts: 0,
            flag: false,
            kept: Vec::new(),
            ends: None,
            ignores_term: false,
            unstartable: None,
            life: 0,
            log: Vec::new(),
        });
        self
    }

    /// A container that is down since before the story began.
    pub(crate) fn is_down(&mut self, name: &str, code: i32) -> &mut Story {
        let at = SourceTime(self.source_now().0 - 60_000_000_000);
        let container = self.container(name);
        container.run = Run::Exited;
        container.exit = Some(Exit { at, code, oom: false, error: String::new() });
        self
    }

    pub(crate) fn has_check(&mut self, name: &str) -> &mut Story {
        self.container(name).health = Health::Healthy;
        self
    }

    pub(crate) fn logs(&mut self, name: &str, lines: &[&'static str]) -> &mut Story {
        self.container(name).log = lines.to_vec();
        self
    }

    /// From here on it ends `after_ms` after each start, `times` times.
    pub(crate) fn will_end(&mut self, name: &str, after_ms: u64, code: i32, times: u32) -> &mut Story {
        self.container(name).ends = Some((after_ms, code, times));
        self
    }

    pub(crate) fn ignores_term(&mut self, name: &str) -> &mut Story {
        self.container(name).ignores_term = true;
        self
    }

    pub(crate) fn cannot_start(&mut self, name: &str, error: &'static str) -> &mut Story {
        self.container(name).unstartable = Some(error);
        self
    }

    pub(crate) fn can_start(&mut self, name: &str) -> &mut Story {
        self.container(name).unstartable = None;
        self
    }

    /// A new container takes the place of the present one, and runs.
    pub(crate) fn recreated(&mut self, name: &str, differs: impl FnOnce(&mut Definition)) -> &mut Story {
        let old = self.container(name).id.clone();
        let mut definition = Definition::clone(&self.container(name).definition);
        differs(&mut definition);
        self.runs_as(name, |new| *new = definition);
        let at = self.source_now();
        let new = self.container(name);
        (new.run, new.started) = (Run::Created, None);
        let new = new.id.clone();
        self.event(&old, What::Renamed { aside: true });
        self.event(&new, What::Created);
        let container = self.by_id(&new).unwrap();
        (container.run, container.started) = (Run::Running, Some(at));
        self.event(&new, What::Started);
        self.event(&old, What::Destroyed);
        self.containers.retain(|container| container.id != old);
        self
    }

    /// Removed, as by `docker rm -f`.
    pub(crate) fn removed(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.event(&id, What::Destroyed);
        self.containers.retain(|container| container.id != id);
        self
    }

    // ---- what happens to containers

    /// The main process ends with this code, and nobody told it to.
    pub(crate) fn crashes(&mut self, name: &str, code: i32) -> &mut Story {
        let id = self.container(name).id.clone();
        self.ends_with(&id, code, false);
        self
    }

    pub(crate) fn runs_out_of_memory(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.event(&id, What::OutOfMemory);
        self.ends_with(&id, 137, true);
        self
    }

    pub(crate) fn turns(&mut self, name: &str, health: Health) -> &mut Story {
        let id = self.container(name).id.clone();
        self.by_id(&id).unwrap().health = health;
        self.event(&id, What::Health(health));
        self
    }

    /// The engine's own policy starts it again and again: it waits to be restarted just now.
    pub(crate) fn is_restarting(&mut self, name: &str, code: i32) -> &mut Story {
        let id = self.container(name).id.clone();
        self.ends_with(&id, code, false);
        let container = self.by_id(&id).unwrap();
        container.run = Run::Restarting;
        container.restarts += 1;
        self
    }

    /// … and starts it.
    pub(crate) fn policy_starts(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.comes_up(&id);
        self
    }

    pub(crate) fn paused(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.by_id(&id).unwrap().run = Run::Paused;
        self.event(&id, What::Paused);
        self
    }

    pub(crate) fn attached(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.event(&id, What::Attached);
        self
    }

    // ---- what people do at the engine

    /// `docker stop`: signal, end, stop; the API stays open. One that meets a start waits for it; one of what is down
    /// leaves no trace at all.
    pub(crate) fn docker_stop(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.stops_by_hand(&id);
        self
    }

    fn stops_by_hand(&mut self, id: &Incarnation) {
        let is_start = |due: &Due| matches!(due, Due::Started { id: starting, .. } if starting == id);
        let starts_at = self.agenda.iter().find(|(_, due)| is_start(due)).map(|((at, _), _)| *at);
        if let Some(at) = starts_at {
            return self.file(at - self.now_ms + 1, Due::StopsByHand(id.clone()));
        }
        if self.by_id(id).is_none_or(|container| container.run != Run::Running) {
            return;
        }
        let id = id.clone();
        let at = self.signals(&id, 15);
        self.api_found_open(&id, at);
        self.terminates(&id, None);
    }

    /// `docker kill`: signal and end, no stop.
    pub(crate) fn docker_kill(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        let at = self.signals(&id, 9);
        self.api_found_open(&id, at);
        let life = self.by_id(&id).unwrap().life;
        self.file(26, Due::Ends { id, life, code: 137 });
        self
    }

    /// The signal of a `docker stop` alone: who sent it is not known yet.
    pub(crate) fn is_told_to_end(&mut self, name: &str, signal: u8) -> &mut Story {
        let id = self.container(name).id.clone();
        self.signals(&id, signal);
        if signal == 9 {
            let life = self.by_id(&id).unwrap().life;
            self.file(26, Due::Ends { id, life, code: 137 });
        } else {
            self.terminates(&id, None);
        }
        self
    }

    /// `docker start`.
    pub(crate) fn docker_start(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.comes_up(&id);
        self
    }

    /// What our own order did, though its answer was lost.
    pub(crate) fn docker_start_by_us(&mut self, name: &str) -> &mut Story {
        self.docker_start(name)
    }

    /// A signal that asks nothing to end.
    pub(crate) fn reloaded(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.by_id(&id).unwrap().flag = true;
        self.event(&id, What::Signalled { signal: 1, terminating: false });
        self
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

    /// The stream opens, and all is looked at and listed.
    pub(crate) fn connects(&mut self) -> &mut Story {
        self.generation += 1;
        self.connected = true;
        let generation = Generation(self.generation);
        self.source(SourceState::Opened { generation });
        self.relists()
    }

    /// All is looked at and listed through the present connection.
    pub(crate) fn relists(&mut self) -> &mut Story {
        let generation = Generation(self.generation);
        let ids: Vec<_> = self.containers.iter().map(|container| container.id.clone()).collect();
        for id in ids {
            let (resource, mut look) = self.look_at(&id).unwrap();
            let container = self.by_id(&id).unwrap();
            let happenings = container.kept.clone();
            look.kept = self.kept_complete.map(|complete| Kept { complete, happenings });
            self.inbox.push(Input::Observed(Observation {
                resource,
                incarnation: id,
                generation,
                fact: Fact::Looked(Box::new(look)),
            }));
        }
        let present = self.containers.iter().map(|c| (c.resource.clone(), c.id.clone())).collect();
        self.source(SourceState::Listed { generation, present })
    }

    pub(crate) fn stream_breaks(&mut self) -> &mut Story {
        self.connected = false;
        let generation = Generation(self.generation);
        self.source(SourceState::Lost { generation })
    }

    pub(crate) fn unreachable(&mut self) -> &mut Story {
        self.source(SourceState::Unreachable { because: "the engine's socket is not there".to_owned() })
    }

    pub(crate) fn engine_closes(&mut self) -> &mut Story {
        self.source(SourceState::Closing)
    }

    fn source(&mut self, state: SourceState) -> &mut Story {
        self.inbox.push(Input::Source(Report { source: HOST.to_owned(), state }));
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

    fn now(&self) -> Now {
        BEGIN.after(std::time::Duration::from_millis(self.now_ms))
    }

    fn source_now(&mut self) -> SourceTime {
        self.filed += 1;
        let fine = i64::try_from(self.filed % 1_000_000).unwrap();
        SourceTime(self.now().wall.0 * 1_000_000 + fine)
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
        loop {
            let now = self.now();
            let Some(engine) = &mut self.engine else { return };
            let decision = engine.handle(batch, now);
            if decision.entries.is_empty() || self.appends_fail == 0 {
                self.commit(&decision.entries);
                return self.perform(decision.effects);
            }
            // The append fails: the effects never run, the state is folded anew, and the inputs are handled again.
            self.appends_fail -= 1;
            self.say("      ", "the journal does not take the batch");
            if self.fail_though_written {
                self.commit(&decision.entries);
            }
            let state = State { epoch: self.epoch, ..self.folded() };
            let engine = self.engine.as_mut().unwrap();
            let refolded = engine.refold(state, now);
            self.perform(refolded.effects);
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
                Effect::Send(parcel) => {
                    let text = format!("→ {}: message {}, try {}", parcel.channel, parcel.message.id.0, parcel.attempt);
                    self.say(parcel.message.resource.short(), &text);
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
        let line = |text: &&str| Line { text: (*text).to_owned(), times: 1, telling: text.contains("error") };
        let lines: Vec<Line> = container.log.iter().map(line).collect();
        let read_lines = lines.len() as u64;
        let log = Ok(Excerpt { lines, read_lines, cut: false });
        self.file(LOG_TAKES_MS, Due::Feed(Input::Gathered { incident, incarnation, log }));
    }

    // ---- containers, and the hands on them

    fn happens(&mut self, due: Due) {
        match due {
            Due::Feed(input) => self.inbox.push(input),
            Due::Look { resource, incarnation, ticket } => {
                let generation = Generation(self.generation);
                let (resource, fact) = match self.look_at(&incarnation) {
                    Some((resource, look)) => (resource, Fact::Looked(Box::new(look))),
                    None => (resource, Fact::Gone),
                };
                let seen = Observation { resource, incarnation, generation, fact };
                self.inbox.push(match ticket {
                    Some(ticket) => Input::Looked { ticket, seen },
                    None => Input::Observed(seen),
                });
            }
            Due::Act(permit) => self.act(*permit),
            Due::Started { id, permit } => {
                self.comes_up(&id);
                self.answers(permit, Answer::Done);
            }
            Due::Ends { id, life, code } => {
                if self.by_id(&id).is_some_and(|container| container.life == life && container.run == Run::Running) {
                    self.ends_with(&id, code, false);
                }
            }
            Due::Killed { id, life } => {
                if self.by_id(&id).is_some_and(|container| container.life == life && container.run == Run::Running) {
                    self.signals(&id, 9);
                    self.ends_with(&id, 137, false);
                }
            }
            Due::StopsByHand(id) => self.stops_by_hand(&id),
            Due::Stopped { id, permit } => {
                self.event(&id, What::Stopped);
                self.answers(permit, Answer::Done);
            }
        }
    }

    fn answers(&mut self, permit: Option<PermitId>, answer: Answer) {
        if let (Some(permit), Some(_)) = (permit, &self.engine) {
            self.file(ANSWER_TAKES_MS, Due::Feed(Input::Answered(permit, answer)));
        }
    }

    /// The hands: look again, ask whether the permit still holds, and act.
    fn act(&mut self, permit: Permit) {
        let id = permit.incarnation.clone();
        let Some(container) = self.by_id(&id) else {
            return self.answers(Some(permit.id), Answer::Withheld("the container is gone".to_owned()));
        };
        let up = container.run == Run::Running;
        let already = up == (permit.step.action == Action::Start);
        let unstartable = container.unstartable;
        if already {
            return self.answers(Some(permit.id), Answer::AlreadySo);
        }
        if let Some(why) = self.withheld(&permit) {
            return self.answers(Some(permit.id), Answer::Withheld(why));
        }
        match (permit.step.action, unstartable) {
            (Action::Start, None) => self.file(START_TAKES_MS, Due::Started { id, permit: Some(permit.id) }),
            (Action::Start, Some(error)) => {
                let at = self.source_now();
                let container = self.by_id(&id).unwrap();
                container.exit = Some(Exit { at, code: 128, oom: false, error: error.to_owned() });
                self.answers(Some(permit.id), Answer::Failed(error.to_owned()));
            }
            (Action::Stop, _) => {
                self.signals(&id, 15);
                self.terminates(&id, Some(permit.id));
            }
        }
    }

    /// What `runtime::Gate` asks.
    fn withheld(&self, permit: &Permit) -> Option<String> {
        let engine = self.engine.as_ref()?;
        if engine.state().frozen.is_some() && !permit.unhindered {
            return Some("healer was frozen meanwhile".to_owned());
        }
        let standing = engine.standing(&permit.step.resource);
        if needs_wanted_running(permit) && standing.wanted != Wanted::Running {
            return Some("it is not wanted running any more".to_owned());
        }
        (needs_wanted_running(permit) && standing.being_stopped).then(|| "somebody is stopping it".to_owned())
    }

    fn signals(&mut self, id: &Incarnation, signal: u8) -> SourceTime {
        self.by_id(id).unwrap().flag = true;
        self.event(id, What::Signalled { signal, terminating: true })
    }

    fn api_found_open(&mut self, id: &Incarnation, at: SourceTime) {
        let resource = self.by_id(id).unwrap().resource.clone();
        let generation = Generation(self.generation);
        let seen = Observation { resource, incarnation: id.clone(), generation, fact: Fact::ApiOpenAfter(at) };
        if self.connected {
            self.file(SOCKET_SEEN_AFTER_MS + self.stream_lag_ms, Due::Feed(Input::Observed(seen)));
        }
    }

    /// What follows a TERM: the end, or a KILL after the stop timeout; then the stop.
    fn terminates(&mut self, id: &Incarnation, permit: Option<PermitId>) {
        let container = self.by_id(id).unwrap();
        let life = container.life;
        let ends_ms = if container.ignores_term {
            u64::try_from(container.definition.stop_timeout_s).unwrap() * 1_000
        } else {
            TERM_TAKES_MS
        };
        let id = id.clone();
        let ends = if self.by_id(&id).unwrap().ignores_term {
            Due::Killed { id: id.clone(), life }
        } else {
            Due::Ends { id: id.clone(), life, code: 143 }
        };
        self.file(ends_ms, ends);
        self.file(ends_ms + STOP_AFTER_DIE_MS, Due::Stopped { id, permit });
    }

    fn comes_up(&mut self, id: &Incarnation) {
        let at = self.source_now();
        let Some(container) = self.by_id(id).filter(|container| container.run != Run::Running) else { return };
        container.run = Run::Running;
        container.started = Some(at);
        container.flag = false;
        container.life += 1;
        container.kept.clear();
        if container.health != Health::Unchecked {
            container.health = Health::Starting;
        }
        let (life, ends) = (container.life, container.ends);
        if let Some((after_ms, code, times)) = ends.filter(|(_, _, times)| *times > 0) {
            container.ends = Some((after_ms, code, times - 1));
            self.file(after_ms, Due::Ends { id: id.clone(), life, code });
        }
        self.event(id, What::Started);
    }

    fn ends_with(&mut self, id: &Incarnation, code: i32, oom: bool) {
        let at = self.source_now();
        let container = self.by_id(id).unwrap();
        container.run = Run::Exited;
        container.exit = Some(Exit { at, code, oom, error: String::new() });
        self.event(id, What::Died { code });
    }

    /// The stream tells an event, if anybody is connected.
    fn event(&mut self, id: &Incarnation, what: What) -> SourceTime {
        let at = self.source_now();
        let happening = Happening { at, what };
        let container = self.by_id(id).unwrap();
        container.kept.push(happening.clone());
        let resource = container.resource.clone();
        let generation = Generation(self.generation);
        let seen = Observation { resource, incarnation: id.clone(), generation, fact: Fact::Happened(happening) };
        match (self.connected, self.stream_lag_ms) {
            (false, _) => {}
            (true, 0) => self.inbox.push(Input::Observed(seen)),
            (true, lag_ms) => self.file(lag_ms, Due::Feed(Input::Observed(seen))),
        }
        at
    }

    pub(crate) fn look_at(&mut self, id: &Incarnation) -> Option<(ResourceId, Look)> {
        let at = self.source_now();
        let reads_flag = self.reads_flag;
        let container = self.by_id(id)?;
        let up = matches!(container.run, Run::Running | Run::Paused);
        let look = Look {
            at,
            run: container.run,
            started: container.started,
            exit: container.exit.clone().filter(|_| !up),
            health: container.health,
            health_output: String::new(),
            restarts: container.restarts,
            manually_stopped: reads_flag.then_some(container.flag),
            kept: None,
            definition: container.definition.clone(),
        };
        Some((container.resource.clone(), look))
    }

    fn by_id(&mut self, id: &Incarnation) -> Option<&mut Container> {
        self.containers.iter_mut().find(|container| container.id == *id)
    }

    fn container(&mut self, name: &str) -> &mut Container {
        let resource = named(name);
        self.containers.iter_mut().rev().find(|container| container.resource == resource).expect("no such container")
    }

    /// The oldest of the containers of this name.
    pub(crate) fn first_id_of(&self, name: &str) -> Incarnation {
        let resource = named(name);
        self.containers.iter().find(|container| container.resource == resource).expect("no such container").id.clone()
    }

    /// The main process of this very container ends.
    pub(crate) fn ends(&mut self, id: &Incarnation, code: i32) -> &mut Story {
        self.ends_with(id, code, false);
        self
    }

    // ---- what came of it

    fn say(&mut self, who: &str, text: &str) {
        let at_s = f64::from(u32::try_from(self.now_ms).unwrap()) / 1_000.0;
        self.transcript.push(format!("{at_s:>9.3}  {who:<10} {text}").trim_end().to_owned());
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("healer is dead")
    }

    /// When (in seconds) an action on a service was ordered.
    pub(crate) fn ordered(&self, action: Action, name: &str) -> Vec<f64> {
        let of = named(name);
        let is_it = |(_, resource, did): &&(u64, ResourceId, Action)| *resource == of && *did == action;
        let seconds = |(at, _, _): &(u64, ResourceId, Action)| f64::from(u32::try_from(*at).unwrap()) / 1_000.0;
        self.acts.iter().filter(is_it).map(seconds).collect()
    }

    pub(crate) fn starts(&self, name: &str) -> usize {
        self.ordered(Action::Start, name).len()
    }

    pub(crate) fn stops(&self, name: &str) -> usize {
        self.ordered(Action::Stop, name).len()
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The kinds of the messages that left the house, in order.
    pub(crate) fn told(&self) -> Vec<Kind> {
        self.messages.iter().map(|message| message.kind).collect()
    }

    pub(crate) fn wanted(&self, name: &str) -> Option<Wanted> {
        self.engine().state().intents.get(&named(name)).map(|intent| intent.wanted)
    }

    /// The phase of a service's latest incident.
    pub(crate) fn phase(&self, name: &str) -> &'static str {
        let state = self.engine().state();
        let incident = state.latest.get(&named(name)).and_then(|number| state.incidents.get(number));
        incident.map_or("none", |incident| incident.phase.name())
    }

    /// Why a service's incident is held.
    pub(crate) fn held_for(&self, name: &str) -> &'static str {
        match self.engine().state().open_incident(&named(name)).map(|incident| &incident.phase) {
            Some(Phase::Held { reason, .. }) => reason.kind(),
            _ => "not held",
        }
    }

    /// How a service's latest incident ended.
    pub(crate) fn outcome(&self, name: &str) -> Option<Outcome> {
        let state = self.engine().state();
        let incident = state.latest.get(&named(name)).and_then(|number| state.incidents.get(number))?;
        incident.outcome().cloned()
    }

    pub(crate) fn is_running(&mut self, name: &str) -> bool {
        self.container(name).run == Run::Running
    }

    /// How often an event of this name stands in the journal.
    pub(crate) fn count(&self, event: &str) -> usize {
        self.journal.iter().filter(|entry| entry.event.name() == event).count()
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.journal.iter().map(|entry| &entry.event)
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.transcript.join("\n"))
    }
}
