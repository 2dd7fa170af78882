//! `cargo xtask report`: what a build costs and weighs, beside what it may.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::dependencies::{self, CRATES_MAX};
use crate::shell;

/// The budgets of a clean build on two idle cores, and of the binary.
const DEV_MAX: Duration = Duration::from_secs(5 * 60);
const RELEASE_MAX: Duration = Duration::from_secs(12 * 60);
const BINARY_MB_MAX: f64 = 40.0;

/// `cargo xtask report`.
pub(crate) fn run() -> Result<()> {
    let target = Scratch::new()?;
    let dev = clean_build(&target, &["build", "--workspace", "--locked"])?;
    let release = clean_build(&target, &["build", "--release", "--package", "healer", "--locked"])?;
    let binary = target.0.join("release/healer");
    let stripped = target.0.join("healer-stripped");
    // The profile strips already; where `strip` is at hand, nobody has to believe that.
    if !shell::succeeds(Command::new("strip").arg("-o").arg(&stripped).arg(&binary)) {
        std::fs::copy(&binary, &stripped)?;
    }
    let binary_mb = std::fs::metadata(&stripped)?.len() as f64 / 1e6;
    let crates = dependencies::count()?;
    let rows = [
        row("clean dev build", &seconds(dev), &seconds(DEV_MAX), dev <= DEV_MAX),
        row("clean release build", &seconds(release), &seconds(RELEASE_MAX), release <= RELEASE_MAX),
        row("crates", &crates.to_string(), &CRATES_MAX.to_string(), crates <= CRATES_MAX),
        row(
            "binary, stripped",
            &format!("{binary_mb:.1} MB"),
            &format!("{BINARY_MB_MAX} MB"),
            binary_mb <= BINARY_MB_MAX,
        ),
    ];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    shell::say(&format!("\non {cores} cores, load average at the end {}", load_average()));
    shell::say(&format!("{:<22}{:>12}{:>12}", "what", "measured", "budget"));
    for (line, _) in &rows {
        shell::say(line);
    }
    if rows.iter().all(|(_, kept)| *kept) { Ok(()) } else { bail!("a budget was not kept") }
}

fn row(what: &str, measured: &str, budget: &str, kept: bool) -> (String, bool) {
    let mark = if kept { "" } else { "  OVER" };
    (format!("{what:<22}{measured:>12}{budget:>12}{mark}"), kept)
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn clean_build(target: &Scratch, arguments: &[&str]) -> Result<Duration> {
    let began = Instant::now();
    if !shell::aloud(shell::cargo().args(arguments).env("CARGO_TARGET_DIR", &target.0))? {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(began.elapsed())
}

/// A folder for one build, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        shell::interrupted();
        let folder = shell::root().join("target").join(format!("report-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            shell::say(&format!("{} could not be removed: {error}", self.0.display()));
        }
    }
}
