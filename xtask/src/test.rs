//! `cargo xtask test`: exactly what CI runs. Every check is made even after one has failed, what could not be had is
//! said, and the private engine is gone at the end whatever happens.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::engine::Engine;
use crate::{bench, packages, shell, tidy};

/// Where tests write the name of what they had to skip, a line each.
const SKIPS: &str = "HEALER_SKIPS";
/// The skip of every test that needs an engine.
const NO_ENGINE: &str = "docker-engine";
/// The list of what may be skipped in CI stands in the README between these.
const LIST: (&str, &str) = ("<!-- skips -->", "<!-- /skips -->");

/// `cargo xtask test`.
pub(crate) fn run() -> Result<()> {
    let mut report = Report::default();
    let tested = everything(&mut report);
    if let Err(error) = &tested {
        report.failures.push(format!("{error:#}"));
    }
    report.print();
    if report.failures.is_empty() && report.failed == 0 { Ok(()) } else { std::process::exit(1) }
}

/// What came of it all.
#[derive(Default)]
struct Report {
    /// The test runner's own closing lines.
    closing: Vec<String>,
    passed: usize,
    failed: usize,
    /// What was skipped, and why.
    skipped: BTreeSet<String>,
    /// Checks other than tests that failed.
    failures: Vec<String>,
}

fn everything(report: &mut Report) -> Result<()> {
    // From here on an interrupt is asked for, and no longer ends this process.
    shell::interrupted();
    let missing = packages::provide()?;
    for (program, because) in &missing {
        shell::say(&format!("packages: no {program}: {because}"));
    }
    check(report, "format", "rustfmt", shell::cargo().args(["fmt", "--all", "--", "--check"]))?;
    let mut clippy = shell::cargo();
    clippy
        .args(["clippy", "--workspace", "--all-targets", "--features", "sim/faults"])
        .args(locked())
        .args(["--", "-D", "warnings"]);
    check(report, "clippy", "clippy", &mut clippy)?;
    // It is no part of `--all-targets`, since it is run by a command of its own.
    let mut faults = shell::cargo();
    faults.args(["clippy", "--package", "healer", "--test", "faults"]).args(locked()).args(["--", "-D", "warnings"]);
    check(report, "clippy of the faults", "clippy", &mut faults)?;
    if let Err(error) = tidy::run() {
        report.failures.push(format!("tidy: {error:#}"));
    }
    // Built once, before an engine waits for it; the tests from outside run this very binary.
    if !shell::aloud(shell::cargo().args(["build", "--workspace"]).args(locked()))? {
        bail!("the workspace does not build");
    }
    // The README's first command names no package.
    if !shell::aloud(shell::cargo().arg("run").args(locked()).args(["--", "--version"]))? {
        report.failures.push("`cargo run` does not run healer".to_owned());
    }
    let engine = if missing.is_empty() { Engine::start_for_this_run() } else { Err(anyhow::anyhow!("see above")) };
    // The tests from outside wait most of the time: two of them at once take half as long.
    let second = engine.as_ref().ok().map(|_| Engine::start_for_this_run()).transpose();
    if let Err(error) = &second {
        shell::say(&format!("engine: no second one, so that the tests take longer: {error:#}"));
    }
    match &engine {
        Ok(_) => {}
        Err(_) if shell::interrupted() => bail!("interrupted"),
        Err(error) => {
            shell::say(&format!("engine: none, so every test that needs one is skipped: {error:#}"));
            report.skipped.insert(NO_ENGINE.to_owned());
        }
    }
    // The simulator plays millions of steps, and says what it reached: optimised, and aloud.
    let rest: &[&str] = &["--workspace", "--exclude", "sim", "--color", "never"];
    for args in
        [rest, &["--release", "--package", "sim", "--features", "faults", "--color", "never", "--", "--nocapture"]]
    {
        tests(report, engine.as_ref().ok(), second.as_ref().ok().and_then(Option::as_ref), args)?;
    }
    drop(second);
    if let Ok(engine) = &engine {
        shell::say("footprint …");
        let (holds, table) = bench::footprint(engine)?;
        report.closing.extend(table);
        if !holds {
            report.failures.push("the footprint is over its limits, or could not be measured".to_owned());
        }
    }
    drop(engine);
    judge_skips(report);
    Ok(())
}

/// A tool that is not installed is a skip, like anything else that is not here.
fn check(report: &mut Report, name: &str, component: &str, command: &mut Command) -> Result<()> {
    let subcommand = if component == "rustfmt" { "fmt" } else { component };
    if !shell::succeeds(shell::cargo().args([subcommand, "--version"]).stderr(std::process::Stdio::null())) {
        shell::say(&format!("{name}: not checked, the component is missing (`rustup component add {component}`)"));
        report.skipped.insert(component.to_owned());
        return Ok(());
    }
    shell::say(&format!("{name} …"));
    if !shell::aloud(command)? {
        report.failures.push(format!("{name} found something"));
    }
    Ok(())
}

fn tests(report: &mut Report, engine: Option<&Engine>, second: Option<&Engine>, args: &[&str]) -> Result<()> {
    let skips = scratch_file();
    fs::write(&skips, "")?;
    // One stream for both, so that a result stands below the name of its program.
    let mut cargo = Command::new("sh");
    cargo.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(shell::cargo().get_program());
    cargo.args(["test", "--no-fail-fast"]).args(locked()).args(args).env(SKIPS, &skips);
    cargo.envs(engine.into_iter().flat_map(Engine::environment));
    if let Some(second) = second {
        cargo.env("HEALER_TEST_SECOND_DOCKER_HOST", second.host());
    }
    let heard = shell::aloud_and_heard(&mut cargo);
    let announced = fs::read_to_string(&skips).unwrap_or_default();
    // A file in the temporary folder that cannot be deleted harms nobody.
    let _ = fs::remove_file(&skips);
    report.skipped.extend(announced.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
    let (well, lines) = heard?;
    let summary = summary_of(&lines);
    report.closing.extend(summary.closing);
    report.passed += summary.passed;
    report.failed += summary.failed;
    if !well && summary.failed == 0 {
        report.failures.push("`cargo test` ended before all tests could speak".to_owned());
    }
    if well && summary.passed == 0 {
        report.failures.push("no test ran at all".to_owned());
    }
    Ok(())
}

fn scratch_file() -> PathBuf {
    std::env::temp_dir().join(format!("healer-skips-{}", std::process::id()))
}

/// In CI the lock file is what was reviewed; at a desk it may be about to change.
fn locked() -> &'static [&'static str] {
    if in_ci() { &["--locked"] } else { &[] }
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

fn judge_skips(report: &mut Report) {
    let readme = fs::read_to_string("README.md").unwrap_or_default();
    let permitted = permitted_skips(&readme);
    for name in &report.skipped {
        match permitted.iter().find(|(permitted, _)| permitted == name) {
            Some((_, because)) => shell::say(&format!("skipped: {name} ({because})")),
            None if in_ci() => report.failures.push(format!("{name} was skipped, and is not on the README's list")),
            None => shell::say(&format!("skipped: {name} (not on the README's list: CI would fail)")),
        }
    }
}

/// `- name: reason`, between the two marks.
fn permitted_skips(readme: &str) -> Vec<(String, String)> {
    let list = readme.split_once(LIST.0).and_then(|(_, rest)| rest.split_once(LIST.1)).map_or("", |(list, _)| list);
    let entries = list.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split_once(':'));
    entries.map(|(name, because)| (name.trim().trim_matches('`').to_owned(), because.trim().to_owned())).collect()
}

#[derive(Default, Debug, PartialEq, Eq)]
struct Summary {
    closing: Vec<String>,
    passed: usize,
    failed: usize,
}

/// The programs that ran, each with its result, and the failures that the runner lists.
fn summary_of(lines: &[String]) -> Summary {
    let mut summary = Summary::default();
    let mut program = "";
    for line in lines {
        let text = line.trim();
        if text.starts_with("Running ") || text.starts_with("Doc-tests ") {
            program = text;
        } else if let Some(result) = text.strip_prefix("test result: ") {
            summary.passed += count(result, " passed");
            summary.failed += count(result, " failed");
            if count(result, " passed") + count(result, " failed") > 0 {
                summary.closing.extend([program.to_owned(), format!("    {text}")]);
            }
        } else if text.starts_with("test ") && text.ends_with("... FAILED") {
            summary.closing.push(format!("    {text}"));
        } else if text.starts_with("error: ") {
            summary.closing.push(text.to_owned());
        }
    }
    summary
}

fn count(result: &str, what: &str) -> usize {
    let before = result.split_once(what).map_or("", |(before, _)| before);
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

impl Report {
    fn print(&self) {
        shell::say("");
        for line in &self.closing {
            shell::say(line);
        }
        if !self.skipped.is_empty() {
            let names: Vec<&str> = self.skipped.iter().map(String::as_str).collect();
            shell::say(&format!("skipped: {}", names.join(", ")));
        }
        for failure in &self.failures {
            shell::say(&format!("FAILED: {failure}"));
        }
        // A check that failed counts as one, so that the last line never looks better than the exit code.
        shell::say(&format!("{} passed, {} failed", self.passed, self.failed + self.failures.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up_under_the_names_of_their_programs() {
        let heard = [
            "     Running unittests src/lib.rs (target/debug/deps/model-1)",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "   Doc-tests model",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "     Running unittests src/lib.rs (target/debug/deps/engine-1)",
            "test guard::tests::a ... FAILED",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ];
        let summary = summary_of(&heard.map(str::to_owned));
        assert_eq!((summary.passed, summary.failed), (15, 1));
        assert_eq!(summary.closing.len(), 5, "{summary:?}");
        assert!(summary.closing[2].contains("FAILED"), "{summary:?}");
    }

    #[test]
    fn only_what_stands_between_the_marks_may_be_skipped() {
        let readme = "- a: no\n<!-- skips -->\n- `cgroup-v2`: this kernel\n- compose-plugin: not packaged\nx\n<!-- /skips -->\n- b: no";
        let expect = [("cgroup-v2", "this kernel"), ("compose-plugin", "not packaged")];
        assert_eq!(permitted_skips(readme), expect.map(|(name, why)| (name.to_owned(), why.to_owned())));
        assert_eq!(permitted_skips("no list"), Vec::new());
    }
}
