//! `cargo xtask faults [NAME]`: real faults on a private engine, and what healer makes of each, beside the golden table.

use anyhow::{Result, bail};

use crate::engine::Engine;
use crate::{packages, shell};

/// `name`: a part of the names of the faults that are played; all of them without one.
pub(crate) fn run(name: Option<&str>) -> Result<()> {
    shell::interrupted();
    if let Some((program, because)) = packages::provide()?.first() {
        bail!("no {program}: {because}");
    }
    let engine = Engine::start_for_this_run()?;
    let mut cargo = shell::cargo();
    cargo.args(["test", "--package", "healer", "--test", "faults", "--"]).args(name).envs(engine.environment());
    if shell::aloud(&mut cargo)? { Ok(()) } else { bail!("not as it is to be: see above") }
}
