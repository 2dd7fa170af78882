//! What healer costs while nothing happens: memory, processor time, and the time until it has seen everything.
//!
//! It watches 100 containers, or as many as `HEALER_CONTAINERS` says (1,000 is what the budget speaks of), all without a
//! network, since a thousand interfaces would measure the kernel.

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

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use daemon::Healer;
use rig::{Rig, wait_for};

/// The budgets hold at 1,000 containers, so all the more at fewer.
const RESIDENT_MIB_MAX: f64 = 64.0;
const IDLE_CPU_PERCENT_MAX: f64 = 2.0;
const PICTURE_S_MAX: f64 = 3.0;
const READY_S_MAX: f64 = 1.0;
/// Longer than the time between two full listings, so that one of them is in it.
const WATCHED_FOR: Duration = Duration::from_secs(70);
/// Containers are made by so many clients at once.
const CLIENTS: usize = 4;
/// What the kernel counts processor time in; the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> ExitCode {
    let count: usize = std::env::var("HEALER_CONTAINERS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let Some(mut rig) = Rig::bare("idle", "") else { return ExitCode::SUCCESS };
    rig.healer = Healer::install_with_relist(rig.path(), &rig.engine.url, &rig.hook.url(), "", "60s");
    println!("making {count} containers …");
    make(&rig, count);

    let began = Instant::now();
    rig.healer.start();
    let ready_s = began.elapsed().as_secs_f64();
    wait_for("healer has seen them all", Duration::from_secs(60), || (seen(&rig.healer) == count).then_some(()));
    let picture_s = began.elapsed().as_secs_f64();

    let cpu_before = cpu_s(rig.healer.pid());
    let watched = Instant::now();
    thread::sleep(WATCHED_FOR);
    let idle_percent = (cpu_s(rig.healer.pid()) - cpu_before) / watched.elapsed().as_secs_f64() * 100.0;
    let resident_mib = memory_mib(rig.healer.pid(), "VmRSS:");
    let peak_mib = memory_mib(rig.healer.pid(), "VmHWM:");

    println!("\n{:<34}{:>12}{:>12}{:>12}", format!("watching {count} containers"), "measured", "limit", "ratio");
    let rows = [
        Row { what: "answers after, s", measured: ready_s, limit: READY_S_MAX, judged: false },
        Row { what: "first full picture after, s", measured: picture_s, limit: PICTURE_S_MAX, judged: false },
        Row { what: "resident, MiB", measured: resident_mib, limit: RESIDENT_MIB_MAX, judged: true },
        Row { what: "resident at its peak, MiB", measured: peak_mib, limit: RESIDENT_MIB_MAX, judged: true },
        Row {
            what: "processor while idle, % of a core",
            measured: idle_percent,
            limit: IDLE_CPU_PERCENT_MAX,
            judged: true,
        },
    ];
    for Row { what, measured, limit, judged } in &rows {
        let ratio = measured / limit;
        let over = match (ratio > 1.0, judged) {
            (true, true) => "  OVER",
            (true, false) => "  over, on this busy machine",
            (false, _) => "",
        };
        println!("{what:<34}{measured:>12.2}{limit:>12}{ratio:>12.3}{over}");
    }
    if rows.iter().all(Row::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A figure beside its limit. A time depends on what else the machine does: it is shown, and not judged.
struct Row {
    what: &'static str,
    measured: f64,
    limit: f64,
    judged: bool,
}

impl Row {
    fn holds(&self) -> bool {
        !self.judged || self.measured <= self.limit
    }
}

/// Ten services a deployment, as a host with many deployments has them.
fn make(rig: &Rig, count: usize) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                for number in (client..count).step_by(CLIENTS) {
                    let project = format!("com.docker.compose.project=idle{}", number / 10);
                    let service = format!("com.docker.compose.service=s{}", number % 10);
                    let mut words = vec!["run", "-d", "--network", "none", "--label", &project, "--label", &service];
                    words.extend(["--label", "com.docker.compose.container-number=1"]);
                    words.extend(["--label", "com.docker.compose.oneoff=False"]);
                    words.extend(["--label", "com.docker.compose.config-hash=0"]);
                    words.extend(["--label", "com.docker.compose.version=1.29.2"]);
                    words.extend(["healer-test:1", "sleep", "2147483647"]);
                    rig.engine.docker(&words);
                }
            });
        }
    });
}

fn seen(healer: &Healer) -> usize {
    let status = healer.status();
    let resources = status.deployments.iter().flat_map(|deployment| &deployment.resources);
    resources.filter(|resource| resource.run.is_some()).count()
}

/// Processor time that a process has used, in user and in system mode.
fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("healer runs");
    let (_, fields) = stat.rsplit_once(") ").expect("stat has a name in brackets");
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

fn memory_mib(pid: u32, key: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("healer runs");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel tells it");
    let kib = line.trim().trim_end_matches(" kB").parse::<f64>().expect("the kernel tells it in kB");
    kib / 1024.0
}
