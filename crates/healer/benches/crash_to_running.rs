//! How long a crashed container is down under healer, beside the simplest loop that there can be: read `die` from the
//! event stream, POST start. No thinking, no record.
//!
//! They are measured in turns, each on containers of its own, by the engine's own clock: from the event `die` to the event
//! `start`. During the loop's turns healer is not running; during healer's turns the loop's event stream is open, but
//! the engine's filter lets nothing through to it. `HEALER_ROUNDS` sets how many turns each gets (20).

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
#[path = "../tests/e2e/rig.rs"]
mod rig;
#[path = "shared/seen.rs"]
mod seen;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use rig::Rig;
use seen::{Seen, Spread, events, listen};

/// healer may take this much longer than the loop.
const RATIO_MAX: f64 = 1.15;
/// Many failures at once are another matter (a storm): crashes come so far apart that they are none.
const APART: Duration = Duration::from_secs(3);
const SETTINGS: &str =
    "budgets: {stability: 1s, per_deployment: 100000/10m, per_host: 100000/10m, everywhere: 100000/10m}\n";
const EXCLUDED: &str = "healer.platform/exclude=true";

fn main() -> ExitCode {
    let rounds = std::env::var("HEALER_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let Some(mut rig) = Rig::bare("bench", SETTINGS) else { return ExitCode::SUCCESS };
    std::fs::create_dir_all(rig.project_folder("bench").join("t")).expect("the folder is ours");
    let socket = rig.engine.url.trim_start_matches("unix://").to_owned();
    let seen = listen(&socket, &["die", "start"]);
    simplest_loop(socket);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for (who, times) in times.iter_mut().enumerate() {
            let began = Instant::now();
            let for_healer = who == 1;
            if for_healer {
                rig.healer.start();
            }
            times.push(turn(&rig, &seen, round, for_healer).as_secs_f64() * 1000.0);
            if for_healer {
                assert!(rig.healer.stop().success(), "healer ends in order");
            }
            thread::sleep(APART.saturating_sub(began.elapsed()));
        }
    }
    let [simple, healer] = times.map(Spread::of);
    let ratio = healer.median / simple.median;
    println!("\ncrash to running, ms, {rounds} turns each   median     p90     max");
    for (name, spread) in [("the simplest loop", simple), ("healer", healer)] {
        println!("{name:<40}{:>8.0}{:>8.0}{:>8.0}", spread.median, spread.p90, spread.max);
    }
    println!("healer is stopped during the loop's turns; the loop's idle event stream is open during healer's");
    println!("ratio of the medians {ratio:.3}, limit {RATIO_MAX}");
    if ratio <= RATIO_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One container, one crash, one start: how long it was down.
fn turn(rig: &Rig, seen: &Receiver<Seen>, round: u32, for_healer: bool) -> Duration {
    let service = format!("{}{round}", if for_healer { "healer" } else { "loop" });
    let label = format!("com.docker.compose.service={service}");
    let mount = format!("{}:/t", rig.project_folder("bench").join("t").display());
    let script = format!(
        "while sleep 0.05; do [ -f /t/{service}-crash ] && {{ rm /t/{service}-crash; \
                          echo 'fatal: cannot open ledger'; exit 3; }}; done"
    );
    let mut words = vec!["run", "-d", "-v", &mount, "--label", "com.docker.compose.project=bench", "--label", &label];
    words.extend(["--label", "com.docker.compose.container-number=1", "--label", "com.docker.compose.oneoff=False"]);
    words.extend(["--label", "com.docker.compose.config-hash=0", "--label", "com.docker.compose.version=1.29.2"]);
    // healer leaves alone what carries this, and the loop starts nothing else.
    words.extend(["--label", if for_healer { "bench=healer" } else { EXCLUDED }]);
    words.extend(["healer-test:1", "sh", "-c", &script]);
    let id = rig.engine.docker(&words).trim().to_owned();
    if for_healer {
        rig.wait_for_resource(&service, |resource| resource.intent.is_some());
    } else {
        rig.wait_for_container(&service, |container| container.status == "running");
    }
    rig.tell(&service, "crash");
    // The start of a container is no one's turn; whoever waits for `die` passes over it.
    let next = |action: &str| loop {
        let one = seen.recv_timeout(rig::SOON).unwrap_or_else(|_| panic!("{service} has no {action}"));
        if one.id == id && one.action == action {
            break one.at_ns;
        }
    };
    let died = next("die");
    let started = next("start");
    if for_healer {
        rig.wait_until_healed(&service);
    }
    rig.engine.docker(&["rm", "--force", &id]);
    Duration::from_nanos(started - died)
}

/// The simplest loop: it does not parse, it looks for the id.
fn simplest_loop(socket: String) {
    let filter = format!("{{\"type\":[\"container\"],\"event\":[\"die\"],\"label\":[\"{EXCLUDED}\"]}}");
    let events = events(&socket, &filter);
    thread::spawn(move || {
        for line in events.lines().map_while(Result::ok) {
            let Some((_, rest)) = line.split_once("\"id\":\"") else { continue };
            let Some((id, _)) = rest.split_once('"') else { continue };
            let mut stream = UnixStream::connect(&socket).expect("the engine is there");
            let request = format!("POST /containers/{id}/start HTTP/1.0\r\nHost: engine\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("the engine listens");
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).expect("the engine answers");
        }
    });
}
