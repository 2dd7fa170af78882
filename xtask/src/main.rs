//! The commands by which the repository proves itself: what CI runs, and what a developer runs before it.
//!
//! ```text
//! cargo xtask test                 everything that CI checks, on an engine of its own
//! cargo xtask tidy                 the rules of the house that no compiler knows
//! cargo xtask bench                every benchmark, and its closing table
//! cargo xtask faults [NAME]        real faults on a real engine, and what healer makes of each
//! cargo xtask report               build times, crate count and size beside their budgets
//! cargo xtask engine start|stop    the private engine, for running single tests by hand
//! ```

mod bench;
mod dependencies;
mod engine;
mod faults;
mod packages;
mod report;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask test | tidy | bench | faults [NAME] | report | engine start | engine stop";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome =
        std::env::set_current_dir(shell::root()).map_err(anyhow::Error::from).and_then(|()| match words[..] {
            ["test"] => test::run(),
            ["tidy"] => tidy::run(),
            ["bench"] => bench::run(),
            ["faults"] => faults::run(None),
            ["faults", name] => faults::run(Some(name)),
            ["report"] => report::run(),
            ["engine", "start"] => engine::start_for_a_developer(),
            ["engine", "stop"] => engine::stop_for_a_developer(),
            _ => anyhow::bail!("{USAGE}"),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
