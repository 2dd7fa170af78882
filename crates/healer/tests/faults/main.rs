//! Real faults on a real engine: whether healer names the cause, does what mends it or nothing, and how it ends.
//!
//! `cargo xtask faults` runs them all and compares what came of each with the golden `table.txt` beside this file;
//! `cargo xtask faults NAME` runs those whose names contain that. A fault's programs are real where this machine has them
//! (nginx, PostgreSQL, Python, Node), and bound into a container from the host.

#![expect(clippy::print_stdout, reason = "it prints its table")]
#![expect(clippy::print_stderr, reason = "the rig speaks of skips")]

#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../e2e/daemon.rs"]
mod daemon;
mod dependencies;
mod deploys;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../e2e/docker.rs"]
mod docker;
mod ends;
mod fault;
mod foreign;
mod foreign2;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../e2e/hook.rs"]
mod hook;
mod programs;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../e2e/rig.rs"]
mod rig;
mod scene;
mod starts;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use fault::Fault;
use rig::Rig;
use scene::Scene;

/// So many at a time: more would begin together, as a common cause does.
const AT_ONCE: usize = 2;
/// Attempts follow each other soon, and many deployments share the host.
const SETTINGS: &str = "budgets: {concurrent: 4, stability: 6s, per_host: 400/10m, everywhere: 400/10m}\n";

/// Whether this machine has the programs that a fault is made of; what is missing is said.
fn is_playable(fault: &Fault) -> bool {
    let edges = |c: char| c.is_whitespace() || "[],'\"{}:".contains(c);
    let programs = fault.compose.split(edges).filter(|word| word.starts_with("/usr/") && word.contains("bin/"));
    let missing = programs.into_iter().find(|program| !Path::new(program).exists());
    if let Some(program) = missing {
        rig::skip(&format!("{}: no {program}", fault.name));
    }
    missing.is_none()
}

fn main() -> ExitCode {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let faults: Vec<Fault> = [
        ends::FAULTS,
        starts::FAULTS,
        programs::FAULTS,
        dependencies::FAULTS,
        deploys::FAULTS,
        foreign::FAULTS,
        foreign::services::FAULTS,
        foreign2::FAULTS,
        foreign2::health::FAULTS,
        foreign2::resources::FAULTS,
        foreign2::programs::FAULTS,
        foreign2::logs::FAULTS,
    ]
    .concat();
    let faults: Vec<Fault> =
        faults.into_iter().filter(|fault| fault.name.contains(&wanted)).filter(is_playable).collect();
    let Some(mut rig) = Rig::bare("faults", SETTINGS) else { return ExitCode::SUCCESS };
    rig.healer.start();
    let queue = Mutex::new(faults.iter());
    let ends = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("nobody panics with it").next();
                    let Some(fault) = next else { return };
                    let over = Scene::of(&rig, fault).play();
                    ends.lock().expect("nobody panics with it").insert(fault.name, over);
                }
            });
        }
    });
    let ends = ends.into_inner().expect("nobody panics with it");
    let outcomes = table::outcomes(&faults, &ends, &rig.healer.journal());
    println!("\n{}", table::shown(&outcomes));
    table::judge(&outcomes, wanted.is_empty())
}
