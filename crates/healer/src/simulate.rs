//! `healer simulate`: the simulator's worlds, from the command line.

use std::io::Write as _;
use std::process::ExitCode;

use crate::cli::Simulate;

/// Plays the worlds and prints what was found; fails if a promise was broken in one of them.
pub(crate) fn run(args: &Simulate) -> anyhow::Result<ExitCode> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let report = sim::campaign(args.from..args.from.saturating_add(args.seeds), threads);
    write!(std::io::stdout(), "{report}")?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
