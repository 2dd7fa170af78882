//! `healer simulate`: the simulator's worlds, from the command line.

use std::process::ExitCode;

use crate::cli::Simulate;

/// Plays the worlds and prints what was found.
pub(crate) fn run(_args: &Simulate) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this build has no simulator")
}
