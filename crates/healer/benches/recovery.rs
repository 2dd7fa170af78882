//! How long a host takes to come back under healer, beside what starting all of it takes with as many hands and no order.
//!
//! The engine is stopped in order and started again, once for each. The peer posts a start for every container, as many at
//! once as healer may, the moment the engine answers; healer looks at all of them first, starts them in the order of their
//! dependencies, and its budgets are smaller than the host. Both are measured from the engine's first answer to the last
//! start, by the engine's own clock. `HEALER_CONTAINERS` sets how many there are (100).

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::print_stderr, reason = "the rig speaks of skips")]

#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/docker.rs"]
mod docker;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/hook.rs"]
mod hook;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/power.rs"]
mod power;
#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/e2e/rig.rs"]
mod rig;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use model::event::Event;
use power::Power;
use rig::{Rig, wait_for};

/// So many are started at once, by healer and by its peer.
const HANDS: usize = 3;
/// Ten services a deployment, each of which needs the first.
const SERVICES: usize = 10;
const BACK_WITHIN: Duration = Duration::from_secs(300);
const SETTINGS: &str =
    "budgets: {stability: 1s, concurrent: 3, per_deployment: 6/30m, per_host: 20/10m, everywhere: 50/10m}\n";

fn main() -> ExitCode {
    let count: usize = std::env::var("HEALER_CONTAINERS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let Some(mut rig) = Rig::bare("back", SETTINGS) else { return ExitCode::SUCCESS };
    println!("making {count} containers …");
    let ids: Vec<String> = (0..count).map(|number| make(&rig, number)).collect();
    let power = Power::of(&rig.engine);

    power.stop();
    let answered = power.start();
    start_all(&rig, &ids);
    let peer_s = last_start(&rig, &ids) - answered;

    rig.healer.start();
    wait_for("healer has seen them all", BACK_WITHIN, || (running(&rig) == count).then_some(()));
    power.stop();
    let answered = power.start();
    wait_for("all of them run again", BACK_WITHIN, || (running(&rig) == count).then_some(()));
    let healer_s = last_start(&rig, &ids) - answered;
    let (at_once, in_order) = (most_at_once(&rig), is_in_order(&rig, count));

    println!("\n{:<52}{:>12}", format!("{count} containers back after an engine restart"), "s");
    println!("{:<52}{peer_s:>12.1}", format!("docker start of all, {HANDS} at once, in no order"));
    println!("{:<52}{healer_s:>12.1}", "healer, in order, each looked at before and after");
    println!("ratio {:.2}; at most {at_once} at once, allowed are {HANDS}; in order: {in_order}", healer_s / peer_s);
    if at_once <= HANDS && in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn make(rig: &Rig, number: usize) -> String {
    let project = format!("com.docker.compose.project=back{}", number / SERVICES);
    let service = format!("com.docker.compose.service=s{}", number % SERVICES);
    let needs = if number.is_multiple_of(SERVICES) { "" } else { "s0:service_started:false" };
    let needs = format!("com.docker.compose.depends_on={needs}");
    let mut words = vec!["run", "-d", "--network", "none", "--label", &project, "--label", &service, "--label", &needs];
    words.extend(["--label", "com.docker.compose.container-number=1", "--label", "com.docker.compose.oneoff=False"]);
    words.extend(["--label", "com.docker.compose.config-hash=0", "--label", "com.docker.compose.version=2.29.7"]);
    words.extend(["healer-test:1", "sh", "-c", "trap 'exit 0' TERM; while sleep 0.2; do :; done"]);
    rig.engine.docker(&words).trim().to_owned()
}

/// Starts them all, each by a request of its own.
fn start_all(rig: &Rig, ids: &[String]) {
    let socket = rig.engine.url.trim_start_matches("unix://");
    let next = Mutex::new(ids.iter());
    thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                let take = || next.lock().expect("nobody panics with it").next();
                while let Some(id) = take() {
                    let mut stream = UnixStream::connect(socket).expect("the engine listens");
                    write!(stream, "POST /containers/{id}/start HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
                        .expect("it reads");
                    let mut answer = String::new();
                    BufReader::new(stream).read_line(&mut answer).expect("it answers");
                    assert!(answer.contains(" 204 "), "{answer}");
                }
            });
        }
    });
}

/// When the last of them was started, in seconds since the epoch.
fn last_start(rig: &Rig, ids: &[String]) -> f64 {
    let words: Vec<&str> =
        ["inspect", "--format", "{{.State.StartedAt}}"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let told = rig.engine.docker(&words);
    let seconds = |text: &str| -> f64 {
        let stamp: jiff::Timestamp = text.trim().parse().expect("the engine tells a time");
        stamp.as_duration().as_secs_f64()
    };
    told.lines().map(seconds).fold(0.0, f64::max)
}

fn running(rig: &Rig) -> usize {
    let status = rig.healer.status();
    let resources = status.deployments.iter().flat_map(|deployment| &deployment.resources);
    resources.filter(|resource| resource.run == Some(model::fact::Run::Running)).count()
}

/// How many starts were under way at the same time, as the journal tells.
fn most_at_once(rig: &Rig) -> usize {
    let (mut under_way, mut most) = (BTreeSet::new(), 0);
    for entry in rig.healer.journal() {
        if let Event::ActionStarted { permit, .. } = &entry.event {
            under_way.insert(permit.id);
        } else if let Event::ActionAnswered { permit, .. } = &entry.event {
            under_way.remove(permit);
        }
        most = most.max(under_way.len());
    }
    most
}

/// Whether the first service of each deployment was ordered before its others.
fn is_in_order(rig: &Rig, count: usize) -> bool {
    let journal = rig.healer.journal();
    let ordered = |short: &str| {
        let starts = |event: &Event| matches!(event, Event::ActionStarted { permit, .. } if permit.step.resource.short() == short);
        journal.iter().position(|entry| starts(&entry.event))
    };
    (0..count).filter(|number| number % SERVICES > 0).all(|number| {
        let deployment = number / SERVICES;
        let first = ordered(&format!("back{deployment}/s0"));
        first.is_some() && first < ordered(&format!("back{deployment}/s{}", number % SERVICES))
    })
}
