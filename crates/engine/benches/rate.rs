//! How many inputs a second one core decides, and how long a month's journal takes to be folded, beside their limits:
//! `cargo bench -p engine`. The mix is a host of 1,000 services in 100 deployments: listings, crashes with their looks,
//! logs and answers, people's stops, events of healthchecks. A word after `--` names the rows to be measured.
//!
//! An input is anything that `Engine::handle` is given, and they are not alike: most change nothing, while the seven
//! inputs of one crash make some twenty entries, with evidence and messages. So entries a second are printed beside.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, State};
use model::action::{Action, Answer, Permit};
use model::event::Entry;
use model::fact::{
    Belongs, Condition, Definition, Dependency, Exit, Fact, Generation, Happening, Health, Incarnation, Look,
    Observation, RestartPolicy, Run, SourceTime, What,
};
use model::incident::{Excerpt, Line};
use model::input::{Effect, Input, Report, SourceState};
use model::message::{Delivery, Receipt};
use model::settings::{Budgets, Settings};
use model::verdict::Limit;
use model::{Now, ResourceId, Tick, Wall};

const DEPLOYMENTS: usize = 100;
const SERVICES: usize = 10;
const HOST: &str = "web-1";
/// What one core must decide in a second.
const INPUTS_PER_S_MIN: f64 = 200_000.0;
/// A month of a busy healer, and what its recovery may take.
const MONTH: usize = 100_000;
const RECOVERY_MAX: Duration = Duration::from_secs(1);
/// The best of so many rounds counts.
const ROUNDS: u32 = 20;
/// The loop hands so many inputs over at a time.
const BATCH_MAX: usize = 256;

fn main() {
    let mut host = Host::new();
    host.begins();
    // Warm: the first listing made everything known.
    for (name, turn) in [
        ("listing, nothing new", Host::relists as fn(&mut Host)),
        ("health events", Host::health_events),
        ("crashes, one by one", |host| host.crashes_one_by_one(100)),
        ("people's stops and starts", Host::people),
        ("a storm of 100 crashes", Host::storm),
    ] {
        host.measured(name, ROUNDS, turn);
    }
    // Of 100 inputs, one belongs to a repair: that is a bad day.
    host.measured("the mix", ROUNDS, |host| {
        for turn in [Host::relists, Host::health_events, Host::people, Host::health_events] {
            turn(host);
        }
        host.crashes_one_by_one(5);
    });
    if is_asked_for("recovery") {
        recovery();
    }
}

/// Whether a row is among those that were named, or none was.
fn is_asked_for(row: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| row.contains(&word))
}

struct Service {
    resource: ResourceId,
    id: Incarnation,
    definition: Arc<Definition>,
    run: Run,
    started: SourceTime,
    exit: Option<Exit>,
    health: Health,
}

/// A host, and the hands that obey at once.
struct Host {
    engine: Engine,
    services: Vec<Service>,
    now: Now,
    fine: i64,
    next: usize,
    inputs: u64,
    entries: u64,
    spent: Duration,
    /// What was decided, where it is wanted later.
    journal: Option<Vec<Entry>>,
    due: Vec<Input>,
}

impl Host {
    fn new() -> Host {
        let wide = Limit { count: 1_000_000, window_ms: 600_000 };
        let budgets = Budgets {
            concurrent: 1_000,
            per_resource: wide,
            per_deployment: wide,
            per_host: wide,
            everywhere: wide,
            stability_ms: 2_000,
        };
        let settings =
            Settings { instance: HOST.to_owned(), channels: vec!["hook".to_owned()], budgets, ..Settings::default() };
        let services = (0..DEPLOYMENTS).flat_map(|d| (0..SERVICES).map(move |s| service(d, s))).collect();
        Host {
            engine: Engine::new(State::default(), Arc::new(settings), "0.1.0"),
            services,
            now: Now { wall: Wall(1_795_446_000_000), tick: Tick(1_000) },
            fine: 0,
            next: 0,
            inputs: 0,
            entries: 0,
            spent: Duration::ZERO,
            journal: None,
            due: Vec::new(),
        }
    }

    fn begins(&mut self) {
        let decision = self.engine.lead(1, self.now);
        self.keep(decision.entries);
        let state = SourceState::opened(Generation(1));
        self.feed(vec![Input::Source(Report { source: HOST.to_owned(), state })]);
        self.relists();
    }

    fn measured(&mut self, name: &str, rounds: u32, turn: impl Fn(&mut Host)) {
        if !is_asked_for(name) {
            return;
        }
        // The best round counts: whatever else the machine does at the time only ever takes away.
        let mut best: (f64, u64, u64, Duration) = (0.0, 0, 0, Duration::ZERO);
        for _ in 0..rounds {
            (self.inputs, self.entries, self.spent) = (0, 0, Duration::ZERO);
            turn(self);
            let rate = per_second(self.inputs, self.spent);
            if rate > best.0 {
                best = (rate, self.inputs, self.entries, self.spent);
            }
        }
        let (rate, inputs, entries, spent) = best;
        println!(
            "{name:<26}{inputs:>6} inputs, {entries:>5} entries in {spent:>8.1?}: {rate:>9.0} inputs/s, {:>7.0} entries/s   \
             limit {INPUTS_PER_S_MIN:.0} inputs/s   ratio {:.2}",
            per_second(entries, spent),
            rate / INPUTS_PER_S_MIN,
        );
    }

    fn keep(&mut self, entries: Vec<Entry>) {
        self.entries += entries.len() as u64;
        if let Some(journal) = &mut self.journal {
            journal.extend(entries);
        }
    }

    // ---- what happens

    fn relists(&mut self) {
        let looks: Vec<Input> = (0..self.services.len()).map(|at| self.look_of(at, None)).collect();
        let present = self.services.iter().map(|s| (s.resource.clone(), s.id.clone())).collect();
        let state = SourceState::Listed { generation: Generation(1), present };
        self.feed(looks);
        self.feed(vec![Input::Source(Report { source: HOST.to_owned(), state })]);
    }

    fn health_events(&mut self) {
        let of: Vec<usize> = (0..1_000).collect();
        for chunk in of.chunks(8) {
            let events = chunk.iter().map(|at| self.event(*at, What::Health(Health::Healthy))).collect();
            self.feed(events);
        }
    }

    fn crashes_one_by_one(&mut self, times: u32) {
        for _ in 0..times {
            let at = self.another();
            let died = self.dies(at);
            self.feed(vec![died]);
            self.settles();
            self.passes(6_000);
        }
        self.passes(10_000);
    }

    fn storm(&mut self) {
        let died = |host: &mut Host| {
            let at = host.another();
            host.dies(at)
        };
        let died: Vec<Input> = (0..100).map(|_| died(self)).collect();
        self.feed(died);
        for _ in 0..20 {
            self.settles();
            self.passes(1_000);
        }
    }

    fn people(&mut self) {
        for _ in 0..100 {
            let at = self.another();
            let asked = self.event(at, What::Signalled { signal: 15, terminating: true });
            let Input::Observed(seen) = &asked else { return };
            let open = Input::Observed(Observation { fact: Fact::ApiOpenAfter(self.source_now()), ..seen.clone() });
            let died = self.dies(at);
            let stopped = self.event(at, What::Stopped);
            self.feed(vec![asked]);
            self.feed(vec![open, died, stopped]);
            let started = self.starts(at);
            self.feed(vec![started]);
        }
    }

    // ---- services

    fn another(&mut self) -> usize {
        self.next = (self.next + 37) % self.services.len();
        self.next
    }

    fn dies(&mut self, at: usize) -> Input {
        let when = self.source_now();
        let service = &mut self.services[at];
        service.run = Run::Exited;
        service.exit = Some(Exit { at: when, code: 3, oom: false, error: String::new(), start_error: None });
        self.event(at, What::Died { code: 3 })
    }

    fn starts(&mut self, at: usize) -> Input {
        let when = self.source_now();
        let service = &mut self.services[at];
        (service.run, service.started, service.exit) = (Run::Running, when, None);
        self.event(at, What::Started)
    }

    fn event(&mut self, at: usize, what: What) -> Input {
        let happening = Happening { at: self.source_now(), what };
        let service = &self.services[at];
        Input::Observed(Observation {
            resource: service.resource.clone(),
            incarnation: service.id.clone(),
            generation: Generation(1),
            fact: Fact::Happened(happening),
        })
    }

    fn look_of(&mut self, at: usize, ticket: Option<model::action::PermitId>) -> Input {
        let when = self.source_now();
        let service = &self.services[at];
        let look = Look {
            at: when,
            run: service.run,
            started: Some(service.started),
            exit: service.exit.clone(),
            health: service.health,
            health_output: String::new(),
            check_lacks: None,
            restarts: 0,
            manually_stopped: None,
            kept: None,
            lost_networks: Vec::new(),
            disk: None,
            probe: None,
            definition: service.definition.clone(),
        };
        let seen = Observation {
            resource: service.resource.clone(),
            incarnation: service.id.clone(),
            generation: Generation(1),
            fact: Fact::Looked(Box::new(look)),
        };
        match ticket {
            Some(ticket) => Input::Looked { ticket, seen },
            None => Input::Observed(seen),
        }
    }

    fn source_now(&mut self) -> SourceTime {
        self.fine += 1;
        SourceTime(self.now.wall.0 * 1_000_000 + self.fine % 1_000_000)
    }

    // ---- the loop

    fn feed(&mut self, inputs: Vec<Input>) {
        for batch in inputs.chunks(BATCH_MAX) {
            let began = Instant::now();
            let decision = self.engine.handle(batch, self.now);
            self.spent += began.elapsed();
            self.inputs += batch.len() as u64;
            self.keep(decision.entries);
            for effect in decision.effects {
                self.perform(effect);
            }
        }
    }

    /// Whatever was asked for is answered, until nothing is asked for any more.
    fn settles(&mut self) {
        while !self.due.is_empty() {
            self.now = self.now.after(Duration::from_millis(2));
            let due = std::mem::take(&mut self.due);
            self.feed(due);
        }
    }

    /// Time passes, and deadlines with it.
    fn passes(&mut self, ms: u64) {
        let end = self.now.after(Duration::from_millis(ms));
        loop {
            let began = Instant::now();
            let next = self.engine.next_deadline();
            self.spent += began.elapsed();
            let Some(due) = next.filter(|due| *due <= end.tick) else { break };
            let wait = due.since(self.now.tick).max(Duration::from_millis(1));
            self.now = self.now.after(wait);
            let began = Instant::now();
            let decision = self.engine.handle(&[], self.now);
            self.spent += began.elapsed();
            self.keep(decision.entries);
            for effect in decision.effects {
                self.perform(effect);
            }
            self.settles();
        }
        self.now = Now { tick: self.now.tick.max(end.tick), wall: self.now.wall.max(end.wall) };
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Look { resource, ticket, .. } => {
                let at = self.at(&resource);
                let look = self.look_of(at, ticket);
                self.due.push(look);
            }
            Effect::Gather { incident, incarnation, .. } => {
                let line =
                    Line { text: "error: no such table: carts".to_owned(), times: 3, telling: true, complaint: None };
                let log = Ok(Excerpt { lines: vec![line], read_lines: 100, cut: false });
                self.due.push(Input::Gathered { incident, incarnation, log });
            }
            Effect::Execute(permit) => self.act(&permit),
            Effect::Send(parcel) => {
                let receipt =
                    Receipt { channel: parcel.channel, message: parcel.message.id, result: Delivery::Delivered };
                self.due.push(Input::Delivered(receipt));
            }
            Effect::BringUp(_) | Effect::CallOff(_) | Effect::Fetch(_) | Effect::Answer(_) => {}
        }
    }

    fn act(&mut self, permit: &Permit) {
        let at = self.at(&permit.step.resource);
        let event = match permit.step.action {
            Action::Start => self.starts(at),
            Action::Change(_) => return,
            Action::Stop | Action::Recreate => self.dies(at),
        };
        self.due.push(event);
        self.due.push(Input::Answered(permit.id, Answer::Done));
    }

    fn at(&self, resource: &ResourceId) -> usize {
        self.services.iter().position(|service| service.resource == *resource).unwrap()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate to three digits")]
fn per_second(count: u64, spent: Duration) -> f64 {
    count as f64 / spent.as_secs_f64()
}

/// A deployment is a chain: each service needs the one before it.
fn service(deployment: usize, number: usize) -> Service {
    let name = format!("s{number}");
    let resource = ResourceId::docker(HOST, &format!("app-{deployment}"), &name, 1);
    let needs = |n: usize| Dependency { service: format!("s{}", n - 1), condition: Condition::Started };
    let definition = Definition {
        name: format!("app-{deployment}-{name}-1"),
        image: "registry.example/app:1".to_owned(),
        image_id: "sha256:1".to_owned(),
        config_hash: "c1".to_owned(),
        belongs: Belongs::ComposeService,
        restart_policy: RestartPolicy::No,
        depends_on: (number > 0).then(|| needs(number)).into_iter().collect(),
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
    };
    Service {
        id: Incarnation(format!("{:064x}", deployment * SERVICES + number + 1).into()),
        resource,
        definition: Arc::new(definition),
        run: Run::Running,
        started: SourceTime(1_795_440_000_000_000_000),
        exit: None,
        health: Health::Healthy,
    }
}

/// A month's journal, read back from its bytes and folded.
fn recovery() {
    let mut host = Host::new();
    host.journal = Some(Vec::new());
    host.begins();
    while host.entries < MONTH as u64 {
        host.crashes_one_by_one(100);
        host.people();
        host.passes(3_600_000);
    }
    let mut journal = host.journal.take().unwrap_or_default();
    journal.truncate(MONTH);
    let lines: Vec<Vec<u8>> = journal.iter().map(|entry| serde_json::to_vec(entry).unwrap()).collect();
    let bytes: usize = lines.iter().map(Vec::len).sum();
    let began = Instant::now();
    let entries: Vec<Entry> = lines.iter().map(|line| serde_json::from_slice(line).unwrap()).collect();
    let read = began.elapsed();
    let began = Instant::now();
    let mut state = State::default();
    for entry in &entries {
        state.apply(entry);
    }
    let folded = began.elapsed();
    let whole = read + folded;
    println!(
        "recovery of {} entries, {} MiB: read {read:.1?}, fold {folded:.1?}   limit {RECOVERY_MAX:?}   ratio {:.2}",
        entries.len(),
        bytes >> 20,
        whole.as_secs_f64() / RECOVERY_MAX.as_secs_f64(),
    );
    assert_eq!(state.seq, MONTH as u64);
}
