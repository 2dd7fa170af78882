//! Plays worlds, and hunts the planted faults:
//!
//! ```text
//! cargo run --release -p sim --example campaign -- 100000          worlds 0 to 99,999
//! cargo run --release -p sim --example campaign -- 1 4711 trace    one world, told step by step
//! cargo run --release -p sim --features faults --example campaign -- faults     each planted fault, up to 4,000 worlds
//! ```

#![expect(clippy::print_stdout, reason = "it prints its report")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    #[cfg(feature = "faults")]
    if words.first().is_some_and(|word| word == "faults") {
        let found = sim::hunt_all(number(1, 4_000), threads);
        for one in &found {
            println!("{one}  ({:.1} s)", one.took.as_secs_f64());
        }
        return if found.iter().all(|one| one.by.is_some()) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (worlds, from) = (number(0, 1_000), number(1, 0));
    if words.get(2).is_some_and(|word| word == "trace") {
        let trace =
            |ms: u64, says: &str| println!("{:>10.3} {says}", std::time::Duration::from_millis(ms).as_secs_f64());
        let outcome = sim::run(from, &sim::Plan { trace: Some(trace), ..sim::Plan::default() });
        if let Some(broken) = outcome.broken {
            println!("BROKEN {broken}");
        }
        return ExitCode::SUCCESS;
    }
    let report = sim::campaign(from..from + worlds, threads);
    print!("{report}");
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
