//! What a thousand HTTP probes cost that ask every ten seconds: processor time and memory, beside their limits.
//!
//! The pages are served by another process, so that only the asking is measured. The first round is not.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to say")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use probes::schedule::{Board, Watch, run};
use probes::{Asker, Probe, Question, Rule, Standing, http};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PROBES: usize = 1000;
const EVERY: Duration = Duration::from_secs(10);
const WATCHED_FOR: Duration = Duration::from_secs(30);
/// Half of what all of healer may use while nothing happens.
const RESIDENT_MIB_MAX: f64 = 32.0;
const CPU_PERCENT_MAX: f64 = 5.0;
/// What the kernel counts processor time in; the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// The word by which this program is told to be the server.
const SERVE: &str = "serve-pages";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::args().any(|word| word == SERVE) {
        runtime.block_on(serve());
        return ExitCode::SUCCESS;
    }
    let (mut server, address) = start();
    let table = runtime.block_on(measure(address));
    server.kill().unwrap();
    server.wait().unwrap();
    println!("\n{:<44}{:>12}{:>12}{:>12}", format!("{PROBES} HTTP probes every 10 s"), "measured", "limit", "ratio");
    let mut holds = true;
    for (what, measured, limit) in table {
        let ratio = measured / limit;
        let over = if ratio > 1.0 { "  OVER" } else { "" };
        println!("{what:<44}{measured:>12.2}{limit:>12.2}{ratio:>12.3}{over}");
        holds &= ratio <= 1.0;
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Another process of this program, and where it serves.
fn start() -> (Child, SocketAddr) {
    let program = std::env::current_exe().unwrap();
    let mut server = Command::new(program).arg(SERVE).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (server, line.trim().parse().unwrap())
}

async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").await;
        });
    }
}

async fn measure(server: SocketAddr) -> Vec<(&'static str, f64, f64)> {
    let board = Board::of((0..PROBES).map(|number| watch(server, number)).collect());
    let (sender, mut changes) = mpsc::channel(PROBES);
    let stop = CancellationToken::new();
    let (runs, ends) = (board.clone(), stop.clone());
    let asker = Asker::new("healer/bench").unwrap();
    let running = tokio::spawn(async move { run(&runs, asker, 1, sender, ends).await });
    for _ in 0..PROBES {
        changes.recv().await.unwrap();
    }
    let (cpu_before_s, began) = (cpu_s(), Instant::now());
    tokio::time::sleep(WATCHED_FOR).await;
    let percent = (cpu_s() - cpu_before_s) / began.elapsed().as_secs_f64() * 100.0;
    let (resident, peak) = (memory_mib("VmRSS:"), memory_mib("VmHWM:"));
    stop.cancel();
    running.await.unwrap();
    let statuses = board.look();
    assert!(statuses.iter().all(|status| status.standing == Standing::Passing), "they pass");
    let answers: usize = statuses.iter().map(|status| status.latency.answers).sum();
    let worst = statuses.iter().map(|status| status.latency.p95_ms).fold(0.0, f64::max);
    println!("{answers} answers, the slowest probe's p95 {worst:.1} ms");
    let asked = count(answers);
    let due = count(PROBES) * (1.0 + WATCHED_FOR.as_secs_f64() / EVERY.as_secs_f64());
    vec![
        ("processor, % of a core", percent, CPU_PERCENT_MAX),
        ("resident, MiB", resident, RESIDENT_MIB_MAX),
        ("resident at its peak, MiB", peak, RESIDENT_MIB_MAX),
        // A rhythm that is not kept would be cheap.
        ("due for each answer", due / asked, 1.05),
    ]
}

fn watch(server: SocketAddr, number: usize) -> Watch {
    let check: http::Check = format!("http://{server}/{number}").parse().unwrap();
    Watch {
        name: format!("page-{number}"),
        probe: Probe { question: Question::Http(check), timeout: Duration::from_secs(5) },
        every: EVERY,
        jitter: Duration::from_secs(1),
        rule: Rule::new(3, 3, 2).unwrap(),
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// Processor time of this process so far.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    let fields: Vec<f64> = after_name.split(' ').skip(11).take(2).map(|field| field.parse().unwrap()).collect();
    fields.iter().sum::<f64>() / TICKS_PER_SECOND
}

fn memory_mib(of: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(of)).unwrap();
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib / 1024.0
}
