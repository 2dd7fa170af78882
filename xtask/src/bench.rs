//! `cargo xtask bench`: every benchmark that exists, and at the end their closing tables together.
//!
//! A benchmark prints what it likes; what follows its last empty line is its closing table.

use std::path::Path;

use anyhow::{Result, bail};

use crate::engine::Engine;
use crate::shell;

/// Benchmarks by crate and name, in the order in which they are told. Those that need an engine run on a private one.
const BENCHES: &[Bench] = &[
    Bench { package: "engine", name: "rate", needs_engine: false },
    Bench { package: "store", name: "journal", needs_engine: false },
    Bench { package: "probes", name: "thousand", needs_engine: false },
    Bench { package: "healer", name: "killed_to_healthy", needs_engine: false },
    Bench { package: "healer", name: "crash_to_running", needs_engine: true },
    Bench { package: "healer", name: "diagnosis", needs_engine: true },
    Bench { package: "healer", name: "footprint", needs_engine: true },
    Bench { package: "healer", name: "recovery", needs_engine: true },
];

struct Bench {
    package: &'static str,
    name: &'static str,
    needs_engine: bool,
}

/// `cargo xtask bench`.
pub(crate) fn run() -> Result<()> {
    shell::interrupted();
    let benches: Vec<&Bench> = BENCHES.iter().filter(|bench| bench.file().exists()).collect();
    for bench in BENCHES.iter().filter(|bench| !bench.file().exists()) {
        shell::say(&format!("bench: {} does not exist", bench.file().display()));
    }
    let engine = benches.iter().any(|bench| bench.needs_engine).then(Engine::start_for_this_run).transpose()?;
    let mut tables = Vec::new();
    let mut failed = Vec::new();
    for bench in benches {
        let (well, table) = bench.measure(engine.as_ref())?;
        if !well {
            failed.push(bench.name);
        }
        tables.push((bench, table));
    }
    drop(engine);
    for (bench, table) in tables {
        shell::say(&format!("\n== {} {}\n{}", bench.package, bench.name, table.join("\n")));
    }
    if failed.is_empty() { Ok(()) } else { bail!("over its limit, or broken: {}", failed.join(", ")) }
}

/// The one benchmark that is part of the tests: memory and idle processor time have limits, and do not depend on how busy
/// the machine is. Returns whether they hold, and the closing table.
pub(crate) fn footprint(engine: &Engine) -> Result<(bool, Vec<String>)> {
    Bench { package: "healer", name: "footprint", needs_engine: true }.measure(Some(engine))
}

impl Bench {
    /// Whether all its limits hold, and its closing table.
    fn measure(&self, engine: Option<&Engine>) -> Result<(bool, Vec<String>)> {
        let mut cargo = shell::cargo();
        cargo.args(["bench", "--package", self.package, "--bench", self.name]);
        cargo.envs(engine.into_iter().flat_map(Engine::environment));
        let (well, lines) = shell::aloud_and_heard(&mut cargo)?;
        Ok((well, closing_table(&lines).to_vec()))
    }

    fn file(&self) -> std::path::PathBuf {
        Path::new("crates").join(self.package).join("benches").join(format!("{}.rs", self.name))
    }
}

fn closing_table(lines: &[String]) -> &[String] {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    let start = lines[..end].iter().rposition(|line| line.trim().is_empty()).map_or(0, |at| at + 1);
    &lines[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_table_is_what_follows_the_last_empty_line() {
        let lines = ["warming up", "", "what  measured", "rate  250000", ""].map(str::to_owned);
        assert_eq!(closing_table(&lines), ["what  measured", "rate  250000"]);
        assert_eq!(closing_table(&[]), [""; 0]);
    }
}
