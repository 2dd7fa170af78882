//! What holds whatever arrives, in whatever order: a hostile or confused source, answers that nobody waits for, people
//! who change their minds, appends that fail.
#![expect(clippy::unwrap_used, reason = "a property stops at the first surprise")]

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{Decision, Engine, State};
use model::action::{Action, Answer, Behalf, PermitId};
use model::command::{Ask, Command, CommandId};
use model::event::{Entry, Event};
use model::fact::{
    Belongs, Condition, Definition, Dependency, Exit, Fact, Generation, Happening, Health, Incarnation, Kept, Look,
    Observation, RestartPolicy, Run, SourceTime, What,
};
use model::incident::{Excerpt, IncidentId};
use model::input::{Effect, Input, Report, SourceState};
use model::intent::Wanted;
use model::message::{Delivery, MessageId, Receipt};
use model::settings::{Mode, Settings};
use model::{Now, ResourceId, Tick, Wall};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const SERVICES: [&str; 4] = ["db", "web", "proxy", "job"];
const BEGIN_NS: i64 = 1_795_446_000_000_000_000;

fn resource(of: u8) -> ResourceId {
    ResourceId::docker("h", "shop", SERVICES[usize::from(of) % SERVICES.len()], 1)
}

fn body(of: u8, which: bool) -> Incarnation {
    Incarnation(format!("{}-{}", SERVICES[usize::from(of) % SERVICES.len()], u8::from(which)).into())
}

fn instant() -> impl Strategy<Value = SourceTime> {
    (0_i64..40_000_000_000).prop_map(|ns| SourceTime(BEGIN_NS + ns))
}

fn definition(of: u8, policy: u8, belongs: u8) -> Arc<Definition> {
    let needs = |service: &str, condition| Dependency { service: service.to_owned(), condition };
    let depends_on = match of % 4 {
        1 => vec![needs("db", Condition::Healthy), needs("job", Condition::CompletedSuccessfully)],
        2 => vec![needs("web", Condition::Started)],
        // A circle: labels can say anything.
        0 => vec![needs("proxy", Condition::Started)],
        _ => Vec::new(),
    };
    Arc::new(Definition {
        name: String::new(),
        image: String::new(),
        image_id: format!("sha256:{}", policy % 3),
        config_hash: String::new(),
        belongs: match belongs % 8 {
            0 => Belongs::OneOff,
            1 => Belongs::Unclaimed,
            _ => Belongs::ComposeService,
        },
        restart_policy: [
            RestartPolicy::No,
            RestartPolicy::No,
            RestartPolicy::UnlessStopped,
            RestartPolicy::Always,
            RestartPolicy::OnFailure(3),
        ][usize::from(policy) % 5],
        depends_on,
        network_parent: (of % 4 == 2).then(|| resource(1)),
        network_body: None,
        replaces: None,
        is_orphan: false,
        stops_by_kill: false,
        stop_timeout_s: i64::from(policy % 4) - 1,
        memory_limit_bytes: 0,
        anonymous_volume: false,
        removed_at_end: false,
        labels: BTreeSet::new(),
        healers_own: None,
        host_paths: Default::default(),
    })
}

fn what() -> impl Strategy<Value = What> {
    let code = prop_oneof![Just(0), Just(1), Just(3), Just(137), Just(143), Just(255)];
    prop_oneof![
        3 => Just(What::Started),
        4 => code.prop_map(|code| What::Died { code }),
        2 => prop_oneof![Just(9_u8), Just(15)].prop_map(|signal| What::Signalled { signal, terminating: true }),
        1 => Just(What::Signalled { signal: 1, terminating: false }),
        2 => Just(What::Stopped),
        1 => Just(What::Created),
        1 => Just(What::OutOfMemory),
        1 => Just(What::Paused),
        1 => Just(What::Unpaused),
        1 => prop_oneof![Just(Health::Unhealthy), Just(Health::Healthy)].prop_map(What::Health),
        1 => any::<bool>().prop_map(|aside| What::Renamed { aside }),
        1 => Just(What::Attached),
        1 => Just(What::Destroyed),
        1 => Just(What::Restarted),
        1 => Just(What::Updated),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    prop_oneof![
        4 => Just(Run::Running),
        4 => Just(Run::Exited),
        1 => Just(Run::Restarting),
        1 => Just(Run::Created),
        1 => Just(Run::Paused),
        1 => Just(Run::Removing),
    ]
}

fn look(of: u8) -> impl Strategy<Value = Look> {
    let times = (instant(), proptest::option::of(instant()), instant());
    let kept = proptest::option::of((any::<bool>(), vec((instant(), what()), 0..4)));
    let flag = proptest::option::of(any::<bool>());
    let health = prop_oneof![3 => Just(Health::Unchecked), 1 => Just(Health::Unhealthy), 1 => Just(Health::Healthy)];
    let code = prop_oneof![Just(0), Just(3), Just(137), Just(143), Just(255)];
    (times, run(), code, any::<bool>(), health, flag, kept, any::<(u8, u8, u8)>()).prop_map(
        move |(
            (at, started, ended),
            run,
            code,
            failed,
            health,
            manually_stopped,
            kept,
            (policy, belongs, restarts),
        )| {
            let up = matches!(run, Run::Running | Run::Paused);
            let error = if failed && run == Run::Created { "no such network".to_owned() } else { String::new() };
            let happening = |(at, what)| Happening { at, what };
            Look {
                at,
                run,
                started,
                exit: (!up).then_some(Exit { at: ended, code, oom: code == 137 && failed, error, start_error: None }),
                health,
                health_output: String::new(),
                check_lacks: None,
                restarts: u32::from(restarts % 6),
                manually_stopped,
                kept: kept.map(|(complete, kept)| Kept {
                    complete,
                    source_started_since: false,
                    happenings: kept.into_iter().map(happening).collect(),
                }),
                lost_networks: Vec::new(),
                disk: None,
                probe: None,
                definition: definition(of, policy, belongs),
            }
        },
    )
}

fn observation(two_bodies: bool) -> impl Strategy<Value = Observation> {
    let fact = |of: u8| {
        prop_oneof![
            4 => look(of).prop_map(|look| Fact::Looked(Box::new(look))),
            5 => (instant(), what()).prop_map(|(at, what)| Fact::Happened(Happening { at, what })),
            1 => instant().prop_map(Fact::ApiOpenAfter),
            1 => Just(Fact::Gone),
        ]
    };
    (0_u8..4, any::<bool>(), prop_oneof![5 => Just(u64::MAX), 1 => 0_u64..4])
        .prop_flat_map(move |(of, which, generation)| (Just((of, which, generation)), fact(of)))
        .prop_map(move |((of, which, generation), fact)| Observation {
            resource: resource(of),
            incarnation: body(of, which && two_bodies),
            generation: Generation(generation),
            fact,
        })
}

fn source() -> impl Strategy<Value = SourceState> {
    prop_oneof![
        4 => (1_u64..4).prop_map(|generation| SourceState::opened(Generation(generation))),
        1 => (1_u64..4).prop_map(|generation| SourceState::Lost { generation: Generation(generation), because: String::new() }),
        1 => Just(SourceState::Closing),
        1 => Just(SourceState::Unreachable { because: "gone".to_owned(), down: true }),
        3 => (1_u64..4, 0_u8..16).prop_map(|(generation, there)| SourceState::Listed {
            generation: Generation(generation),
            present: (0..4).filter(|of| there & (1 << of) != 0).map(|of| (resource(of), body(of, false))).collect(),
        }),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let words = prop_oneof![
        Just("shop".to_owned()),
        (0_u8..4).prop_map(|of| resource(of).short().to_owned()),
        Just("nobody".to_owned())
    ];
    let incident = (1_u64..4).prop_map(|number| IncidentId { instance: "web-1".into(), number });
    prop_oneof![
        2 => words.clone().prop_map(Ask::Start),
        2 => words.clone().prop_map(Ask::Stop),
        1 => words.clone().prop_map(Ask::Restart),
        1 => words.prop_map(Ask::Adopt),
        1 => Just(Ask::Freeze { because: String::new() }),
        2 => Just(Ask::Thaw),
        2 => incident.clone().prop_map(Ask::Approve),
        1 => incident.clone().prop_map(|incident| Ask::Reject { incident, because: String::new() }),
        1 => incident.prop_map(Ask::Acknowledge),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Done),
        1 => Just(Answer::AlreadySo),
        1 => Just(Answer::Withheld("not wanted".to_owned())),
        1 => Just(Answer::Failed("no such network".to_owned())),
        1 => Just(Answer::Unknown("lost".to_owned())),
    ]
}

fn input(two_bodies: bool) -> impl Strategy<Value = Input> {
    let permit = (1_u64..8).prop_map(PermitId);
    let incident = (1_u64..4).prop_map(|number| IncidentId { instance: "web-1".into(), number });
    prop_oneof![
        12 => observation(two_bodies).prop_map(Input::Observed),
        4 => (permit.clone(), observation(two_bodies)).prop_map(|(ticket, seen)| Input::Looked { ticket, seen }),
        4 => source().prop_map(|state| Input::Source(Report { source: "h".to_owned(), state })),
        4 => (permit, answer()).prop_map(|(permit, answer)| Input::Answered(permit, answer)),
        1 => (incident, 0_u8..4).prop_map(|(incident, of)| Input::Gathered {
            incident,
            incarnation: body(of, false),
            log: Ok(Excerpt::default()),
        }),
        1 => (1_u64..5, any::<bool>()).prop_map(|(message, taken)| Input::Delivered(Receipt {
            channel: "hook".to_owned(),
            message: MessageId(message),
            result: if taken { Delivery::Delivered } else { Delivery::Retry("busy".to_owned()) },
        })),
        4 => (0_u16..40, ask()).prop_map(|(id, ask)| Input::Commanded(Command {
            id: CommandId(format!("c{id}")),
            who: "ann".to_owned(),
            ask,
        })),
        1 => prop_oneof![Just(Mode::Auto), Just(Mode::Suggest), Just(Mode::Observe)]
            .prop_map(|mode| Input::Configured(Arc::new(settings(mode)))),
        1 => any::<i32>().prop_map(|by_ms| Input::ClockJumped { by_ms: i64::from(by_ms) }),
        1 => any::<bool>().prop_map(|full| Input::StoreRoom { full }),
    ]
}

fn settings(mode: Mode) -> Settings {
    Settings { instance: "web-1".to_owned(), mode, channels: vec!["hook".to_owned()], ..Settings::default() }
}

/// Batches, with how long after the one before each arrives, and what becomes of its append.
fn history(two_bodies: bool) -> impl Strategy<Value = Vec<(u32, Vec<Input>, Append)>> {
    let wait_ms = prop_oneof![4 => 0_u32..2_000, 2 => 2_000_u32..60_000, 1 => 60_000_u32..4_000_000];
    let append = prop_oneof![6 => Just(Append::Taken), 1 => Just(Append::Lost), 1 => Just(Append::TakenAndUnknown)];
    vec((wait_ms, vec(input(two_bodies), 0..5), append), 1..40)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Append {
    Taken,
    Lost,
    TakenAndUnknown,
}

/// A healer that lives through a history, and checks itself at each step.
struct Life {
    engine: Engine,
    journal: State,
    now: Now,
    /// The connections that were opened.
    generation: u64,
}

impl Life {
    fn new() -> Life {
        let mut engine = Engine::new(State::default(), Arc::new(settings(Mode::Auto)), "0.1.0");
        let now = Now { wall: Wall(BEGIN_NS / 1_000_000), tick: Tick(1_000) };
        let mut journal = State::default();
        for entry in &engine.lead(1, now).entries {
            journal.apply(entry);
        }
        let opened = SourceState::opened(Generation(1));
        let mut life = Life { engine, journal, now, generation: 1 };
        life.step(&[Input::Source(Report { source: "h".to_owned(), state: opened })], Append::Taken);
        life
    }

    /// A source counts its connections upwards, and speaks through one that it opened.
    fn coherent(&mut self, mut batch: Vec<Input>) -> Vec<Input> {
        for input in &mut batch {
            match input {
                Input::Observed(seen) | Input::Looked { seen, .. } => {
                    seen.generation = Generation(seen.generation.0.min(self.generation));
                }
                Input::Source(Report { state: SourceState::Opened { generation, .. }, .. }) => {
                    self.generation += 1;
                    *generation = Generation(self.generation);
                }
                Input::Source(Report { state: SourceState::Listed { generation, .. }, .. }) => {
                    *generation = Generation(self.generation);
                }
                Input::Source(Report { state: SourceState::Lost { generation, .. }, .. }) => {
                    *generation = Generation(self.generation);
                }
                Input::Source(_)
                | Input::Answered(_, _)
                | Input::Gathered { .. }
                | Input::Delivered(_)
                | Input::Commanded(_)
                | Input::Configured(_)
                | Input::ClockJumped { .. }
                | Input::StoreRoom { .. }
                | Input::StoreReserve { .. }
                | Input::Folders { .. }
                | Input::Mounts { .. }
                | Input::BroughtUp { .. }
                | Input::Fetched { .. }
                | Input::Warned { .. } => {}
            }
        }
        batch
    }

    fn waits(&mut self, ms: u32) {
        let end = self.now.after(std::time::Duration::from_millis(u64::from(ms)));
        let mut spins = 0;
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= end.tick) {
            spins = if due <= self.now.tick { spins + 1 } else { 0 };
            assert!(spins < 4, "the deadline {due:?} passes at {:?} and stays", self.now.tick);
            if due > self.now.tick {
                self.now = self.now.after(due.since(self.now.tick));
            }
            self.step(&[], Append::Taken);
        }
        self.now = end;
    }

    fn step(&mut self, batch: &[Input], append: Append) {
        let decision = self.engine.handle(batch, self.now);
        if decision.entries.is_empty() || append == Append::Taken {
            return self.commit(&decision);
        }
        let taken = append == Append::TakenAndUnknown;
        if taken {
            for entry in &decision.entries {
                self.journal.apply(entry);
            }
        }
        let refolded = self.engine.refold(self.journal.clone(), taken, self.now);
        assert!(refolded.entries.is_empty(), "a refold decides nothing");
        let comes_again = |input: &&Input| !taken || matches!(input, Input::Commanded(_));
        let batch: Vec<Input> = batch.iter().filter(comes_again).cloned().collect();
        let again = self.engine.handle(&batch, self.now);
        self.commit(&again);
    }

    fn commit(&mut self, decision: &Decision) {
        for entry in &decision.entries {
            let bytes = serde_json::to_vec(entry).unwrap();
            let read: Entry = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(read, *entry, "an entry is read back as it was written");
            self.journal.apply(&read);
        }
        assert_eq!(self.journal, *self.engine.state(), "the fold of the journal is the live state");
        for effect in &decision.effects {
            self.judge(effect, decision);
        }
    }

    /// No effect without its event, and nothing is started that is not wanted.
    fn judge(&self, effect: &Effect, decision: &Decision) {
        let Effect::Execute(permit) = effect else { return };
        let told =
            |entry: &Entry| matches!(&entry.event, Event::ActionStarted { permit: given, .. } if given == permit);
        assert!(decision.entries.iter().any(told), "an act without its event: {permit:?}");
        let wanted = self.journal.intents.get(&permit.step.resource).map(|intent| intent.wanted);
        match (&permit.behalf, permit.step.action) {
            // What did not help is taken back whatever is wanted.
            (Behalf::Incident(_), Action::Change(_)) if permit.unhindered => {}
            (Behalf::Incident(_), Action::Start | Action::Recreate | Action::Change(_)) => {
                assert_eq!(wanted, Some(Wanted::Running), "{permit:?}")
            }
            (Behalf::Person(_), Action::Start | Action::Recreate | Action::Change(_)) => {
                assert_ne!(wanted, Some(Wanted::Stopped), "{permit:?}")
            }
            (Behalf::Incident(_) | Behalf::Person(_), Action::Stop) => {}
        }
        let frozen = self.journal.frozen.is_some();
        let closes = permit.unhindered;
        assert!(!frozen || closes, "begun in a freeze: {permit:?}");
        let holds = |id: &&PermitId| {
            let act = &self.journal.acts[id];
            act.permit.id != permit.id && act.permit.leases.contains(&permit.step.resource)
        };
        let other = self.journal.acts.keys().find(holds).map(|id| &self.journal.acts[id].permit);
        assert_eq!(other, None, "two acts have hold of one resource: {permit:?}");
    }
}

proptest! {
    // The same cases each time, like everything that CI runs.
    #![proptest_config(ProptestConfig {
        cases: 100,
        rng_seed: RngSeed::Fixed(20_261_123),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_arrives_the_journal_tells_the_whole_state(history in history(false)) {
        let mut life = Life::new();
        for (wait_ms, batch, append) in history {
            life.waits(wait_ms);
            let batch = life.coherent(batch);
            life.step(&batch, append);
        }
        let bytes = serde_json::to_vec(&life.journal).unwrap();
        let read: State = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(&read, &life.journal, "a snapshot is read back as it was written");
        // And in calm it comes to rest: nothing but reminders and what is held.
        life.waits(4_000_000);
    }

    #[test]
    fn a_snapshot_and_the_tail_are_the_whole_journal(history in history(true), cut in 0_usize..200) {
        let mut life = Life::new();
        let mut entries = Vec::new();
        for (wait_ms, batch, _) in history {
            life.waits(wait_ms);
            let batch = life.coherent(batch);
            let decision = life.engine.handle(&batch, life.now);
            entries.extend(decision.entries.iter().cloned());
            life.commit(&decision);
        }
        let cut = cut.min(entries.len());
        let from = entries.first().map_or(0, |entry| entry.seq);
        prop_assume!(from > 0);
        let fold = |mut state: State, entries: &[Entry]| {
            entries.iter().for_each(|entry| state.apply(entry));
            state
        };
        let head = fold(State::default(), &entries[..cut]);
        let kept: State = serde_json::from_slice(&serde_json::to_vec(&head).unwrap()).unwrap();
        prop_assert_eq!(fold(kept, &entries[cut..]), fold(State::default(), &entries));
    }
}
