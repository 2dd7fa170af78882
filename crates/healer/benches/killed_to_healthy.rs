//! How long a killed program is away under healer, beside the simplest supervising loop that there can be: a shell that starts
//! it again whenever it has ended. No thinking, no record.
//!
//! They are measured in turns, from the kill to the first answer over HTTP of another process. Each turn of healer's has a
//! service of its own, since a second crash of the same is waited for. `HEALER_ROUNDS` sets how many turns each gets (20).

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::print_stderr, reason = "the log of a failure is told")]

#[expect(dead_code, reason = "the tests from outside use more of it")]
#[path = "../tests/host/house.rs"]
mod house;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use house::{House, SOON, kill};

/// healer may take this much longer than the loop: an entry of its journal is on disk before it starts anything, and what
/// stays with the program is started besides it.
const RATIO_MAX: f64 = 2.5;
/// Many failures at once are another matter (a storm): crashes come so far apart that they are none.
const APART: Duration = Duration::from_secs(3);
const HEALER: &str = env!("CARGO_BIN_EXE_healer");

fn main() -> ExitCode {
    let rounds: usize = std::env::var("HEALER_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let held: Vec<TcpListener> =
        (0..=rounds).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are ports")).collect();
    let ports: Vec<u16> = held.iter().map(|held| held.local_addr().expect("it has one").port()).collect();
    drop(held);
    let service = |(at, port): (usize, &u16)| {
        format!("{{name: s{at}, command: [{HEALER}, demo-service, s{at}, \"{port}\", /no/such/file]}}")
    };
    let house = House::new(&ports[..rounds].iter().enumerate().map(service).collect::<Vec<_>>());
    let mut supervised = supervised(ports[rounds]);
    for port in &ports {
        answers(*port, None);
    }
    let mut times = [Vec::new(), Vec::new()];
    for port in &ports[..rounds] {
        for (times, port) in times.iter_mut().zip([ports[rounds], *port]) {
            let began = Instant::now();
            times.push(turn(port).as_secs_f64() * 1000.0);
            thread::sleep(APART.saturating_sub(began.elapsed()) / 2);
        }
    }
    let _ = supervised.kill();
    let _ = supervised.wait();
    if let Some(pid) = pid_at(ports[rounds]) {
        kill(pid);
    }
    drop(house);
    let [simple, healer] = times.map(spread);
    let ratio = healer.0 / simple.0;
    println!("\nkilled to answering again, ms, {rounds} turns each   median     p90     max");
    for (name, (median, p90, max)) in [("a shell loop", simple), ("healer", healer)] {
        println!("{name:<47}{median:>8.1}{p90:>8.1}{max:>8.1}");
    }
    println!("ratio of the medians {ratio:.3}, limit {RATIO_MAX}");
    if ratio <= RATIO_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn supervised(port: u16) -> Child {
    let script = format!("while :; do {HEALER} demo-service loop {port} /no/such/file; done");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.spawn().expect("there is a shell")
}

/// One kill: how long nobody answered.
fn turn(port: u16) -> Duration {
    let pid = answers(port, None);
    let killed = Instant::now();
    kill(pid);
    answers(port, Some(pid));
    killed.elapsed()
}

/// Waits until another process answers there.
fn answers(port: u16, before: Option<i32>) -> i32 {
    let since = Instant::now();
    loop {
        if let Some(pid) = pid_at(port).filter(|pid| Some(*pid) != before) {
            return pid;
        }
        assert!(since.elapsed() < SOON, "nobody answers at {port}");
        thread::sleep(Duration::from_micros(200));
    }
}

fn pid_at(port: u16) -> Option<i32> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
    stream.write_all(b"GET /pid HTTP/1.1\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.rsplit("\r\n\r\n").next()?.parse().ok()
}

/// The median, the 90th percentile and the greatest.
fn spread(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    (at(50), at(90), times[times.len() - 1])
}
