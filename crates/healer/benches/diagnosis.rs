//! What diagnosis costs: how soon after a death healer has named the cause, and the service runs again, beside the simplest
//! loop that people write: a shell that reads `docker events`, starts what died, and restarts what is unhealthy.
//!
//! The faults are those of `cargo xtask faults`. Each befalls a deployment of its own, in turns: while one of the two is
//! measured, the other is not running. Times are the engine's own, from its event to its event; the moment of a diagnosis
//! is the journal's, in whole milliseconds of the same clock. What healer rightly leaves to a person has no time until it
//! runs again, and the loop, which would start it for ever, has no turn. `HEALER_ROUNDS` sets how many turns each gets (5).

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::print_stderr, reason = "the rig speaks of skips")]

#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/docker.rs"]
mod docker;
#[path = "../tests/faults/ends.rs"]
mod ends;
#[expect(dead_code, reason = "what comes of a fault is judged by the faults")]
#[path = "../tests/faults/fault.rs"]
mod fault;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/hook.rs"]
mod hook;
#[path = "../tests/faults/programs.rs"]
mod programs;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/rig.rs"]
mod rig;
#[expect(dead_code, reason = "the faults use more of it")]
#[path = "../tests/faults/scene.rs"]
mod scene;
#[expect(dead_code, reason = "the other benchmark tells more of a spread")]
#[path = "shared/seen.rs"]
mod seen;
#[path = "../tests/faults/starts.rs"]
mod starts;

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::Receiver;

use fault::{End, Fault};
use model::event::{Entry, Event};
use rig::{Rig, SOON, wait_for};
use scene::Scene;
use seen::{Seen, Spread, listen};

/// healer may take this much longer than the loop until a service runs again.
const RATIO_MAX: f64 = 1.15;
const SETTINGS: &str = "budgets: {stability: 1s, per_host: 100000/10m, everywhere: 100000/10m}\n";
const LOOP: &str = "docker events --since $(date +%s) --filter type=container --filter event=die --filter \
                    event=health_status --format '{{.Actor.ID}} {{.Action}}' | while read -r id happened; do case \
                    \"$happened\" in die) docker start $id ;; *unhealthy) docker restart $id ;; esac; done";
/// The faults that are measured, and the engine's word from which on: of a start that fails it tells only what was made.
const MEASURED: &[(&str, &str)] = &[
    ("exitsbyerror", "die"),
    ("segfault", "die"),
    ("killedbyhost", "die"),
    ("outofmemory", "die"),
    ("saysoombutwasnone", "die"),
    ("unhealthy", "health_status: unhealthy"),
    ("shellvariable", "die"),
    ("shellfilemissing", "die"),
    ("nosuchcommand", "create"),
    ("porttakenbyanother", "create"),
];

/// What came of the turns of one fault, in milliseconds.
#[derive(Default)]
struct Times {
    diagnosed: Vec<f64>,
    healer: Vec<f64>,
    simple: Vec<f64>,
}

fn main() -> ExitCode {
    let rounds = std::env::var("HEALER_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let faults = [ends::FAULTS, programs::FAULTS, starts::FAULTS].concat();
    let Some(mut rig) = Rig::bare("bench", SETTINGS) else { return ExitCode::SUCCESS };
    let socket = rig.engine.url.trim_start_matches("unix://").to_owned();
    let seen = listen(&socket, &["create", "die", "health_status", "start"]);
    let mut rows = Vec::new();
    for (name, from) in MEASURED {
        let fault = faults.iter().find(|fault| fault.name == *name).expect("there is such a fault");
        rows.push((fault, *from, measure(&mut rig, &seen, fault, from, rounds)));
    }
    closing_table(&rows, rounds)
}

/// Some turns of each on one fault.
fn measure(rig: &mut Rig, seen: &Receiver<Seen>, fault: &Fault, from: &str, rounds: u32) -> Times {
    let mut times = Times::default();
    let heals = fault.end == End::Healed;
    if heals {
        let faults: Vec<Fault> = (0..rounds).map(|round| named(fault, "loop", round)).collect();
        let simple = SimplestLoop::begin(rig);
        times.simple.extend(faults.iter().map(|fault| turn_of_the_loop(rig, seen, fault, from)));
        drop(simple);
        // While it runs nothing can be taken away: it starts what somebody stops, too.
        faults.iter().for_each(|fault| Scene::of(rig, fault).clear());
    }
    rig.healer.start();
    for round in 0..rounds {
        let (diagnosed, running) = turn_of_healer(rig, seen, &named(fault, "healer", round), from);
        times.diagnosed.push(diagnosed);
        times.healer.extend(running);
    }
    assert!(rig.healer.stop().success(), "healer ends in order");
    times
}

/// The fault in a deployment of its own.
fn named(fault: &Fault, who: &str, round: u32) -> Fault {
    Fault { name: String::leak(format!("{}{who}{round}", fault.name)), ..*fault }
}

fn turn_of_the_loop(rig: &Rig, seen: &Receiver<Seen>, fault: &Fault, from: &str) -> f64 {
    let scene = Scene::of(rig, fault);
    scene.befall(|scene| {
        wait_for("it runs", SOON, || (scene.container(fault.of).status == "running").then_some(()));
    });
    let id = scene.container(fault.of).id;
    let fell = next(seen, &id, from);
    let runs = next(seen, &id, "start");
    ms(runs.at_ns - fell.at_ns)
}

/// How long it took until the cause was named, and until it ran again.
fn turn_of_healer(rig: &Rig, seen: &Receiver<Seen>, fault: &Fault, from: &str) -> (f64, Option<f64>) {
    let scene = Scene::of(rig, fault);
    scene.befall(Scene::wait_until_seen);
    let id = scene.container(fault.of).id;
    let fell = next(seen, &id, from);
    let runs = (fault.end == End::Healed).then(|| next(seen, &id, "start"));
    let diagnosed_ms = wait_for(&format!("{} is diagnosed", fault.name), SOON, || {
        named_at_ms(&rig.healer.journal(), &scene.short(), fault.cause.expect("it has a cause"))
    });
    scene.clear();
    (diagnosed_ms - ms(fell.at_ns), runs.map(|runs| ms(runs.at_ns - fell.at_ns)))
}

/// When the journal first names this cause for an incident of a service.
fn named_at_ms(journal: &[Entry], short: &str, cause: &str) -> Option<f64> {
    let opened = journal.iter().find_map(|entry| {
        let Event::IncidentOpened { id, resource, .. } = &entry.event else { return None };
        (resource.short() == short).then_some(id)
    })?;
    let named = journal.iter().find(|entry| {
        matches!(&entry.event, Event::Diagnosed { id, diagnosis, .. } if id == opened && diagnosis.cause == cause)
    });
    named.map(|entry| entry.at.wall.0 as f64)
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The next such event of a container. What else happens is no one's turn.
fn next(seen: &Receiver<Seen>, id: &str, action: &str) -> Seen {
    loop {
        let one = seen.recv_timeout(SOON).unwrap_or_else(|_| panic!("{id} has no {action}"));
        if one.id == id && one.action == action {
            return one;
        }
    }
}

/// The loop as it would be typed; dropped, it has ended with all that it is made of.
struct SimplestLoop(Child);

impl SimplestLoop {
    fn begin(rig: &Rig) -> SimplestLoop {
        let mut command: Command = rig.engine.command("sh");
        command.args(["-c", LOOP]).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        SimplestLoop(command.spawn().expect("there is a shell"))
    }
}

impl Drop for SimplestLoop {
    fn drop(&mut self) {
        docker::succeed(Command::new("sh").args(["-c", &format!("kill -s KILL -- -{}", self.0.id())]));
        let _ = self.0.wait();
    }
}

fn closing_table(rows: &[(&Fault, &str, Times)], rounds: u32) -> ExitCode {
    println!("\nmedians of {rounds} turns each, ms                             named by   runs again by");
    println!(
        "{:<20}{:<18}{:<10}{:>8}{:>10}{:>10}{:>8}",
        "fault", "cause", "since", "healer", "healer", "the loop", "ratio"
    );
    let mut worst: Option<(f64, &str)> = None;
    for (fault, from, times) in rows {
        let median = |times: &[f64]| (!times.is_empty()).then(|| Spread::of(times.to_vec()).median);
        let (healer, simple) = (median(&times.healer), median(&times.simple));
        let ratio = healer.zip(simple).map(|(healer, simple)| healer / simple);
        worst = ratio.map(|ratio| (ratio, fault.name)).into_iter().chain(worst).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let shown =
            |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
        println!(
            "{:<20}{:<18}{:<10}{:>8}{:>10}{:>10}{:>8}",
            fault.name,
            fault.cause.unwrap_or_default(),
            from.rsplit(' ').next().unwrap_or_default(),
            shown(median(&times.diagnosed), 0),
            shown(healer, 0),
            shown(simple, 0),
            shown(ratio, 3),
        );
    }
    let Some((ratio, of)) = worst else { return ExitCode::FAILURE };
    println!("worst ratio of the medians {ratio:.3} ({of}), limit {RATIO_MAX}");
    if ratio <= RATIO_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
