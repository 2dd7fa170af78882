//! The rules of the house that no compiler knows. Each answers with sentences that name the file and the remedy.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{dependencies, shell};

/// Past this, look whether two things live in one file.
const LINES_MAX: usize = 700;

/// Files that may be longer, each with the reason.
const LONG: &[(&str, &str)] = &[];

/// Where an effect is performed, and nowhere else: the loop, its simulation, the wiring; and the tests of the hands and
/// of the engine, which play the loop's part.
const PERFORMERS: &[&str] = &[
    "crates/runtime/",
    "crates/sim/",
    "crates/healer/src/daemon",
    "crates/docker/tests/",
    "crates/engine/tests/",
    "crates/engine/benches/",
    "xtask/src/tidy.rs",
];
/// Where an order is named: where it is defined, decided, and performed.
const ORDERERS: &[&str] = &["crates/model/", "crates/engine/"];

/// What a clock-free crate must forbid itself, in its own clippy.toml.
const FORBIDDEN_IN_ENGINE: &[&str] = &["std::time::SystemTime::now", "std::time::Instant::now", "std::env::var"];

/// The two reasons for a test to sleep, as a comment beside it.
const EXCUSES: &[&str] = &["// waits for a condition", "// strikes at a random moment"];

/// Catalogues in which one thing is one file and one line.
const REGISTRIES: &[(&str, &[&str])] = &[
    ("crates/engine/src/diagnose", &["crates/engine/src/diagnose.rs", "crates/engine/src/diagnose/mod.rs"]),
    ("crates/notify/src/channel", &["crates/notify/src/channel.rs", "crates/notify/src/channel/mod.rs"]),
];

/// `cargo xtask tidy`.
pub(crate) fn run() -> Result<()> {
    let mut findings = dependencies::findings()?;
    findings.extend(check(&files()?));
    for finding in &findings {
        shell::say(&format!("tidy: {finding}"));
    }
    for (file, because) in LONG {
        shell::say(&format!("tidy: longer than {LINES_MAX} lines by leave: {file} ({because})"));
    }
    match findings.len() {
        0 => {
            shell::say("tidy: all is well");
            Ok(())
        }
        n => bail!("{n} findings of tidy"),
    }
}

/// A file of the repository: its path from the root, and its text.
struct File {
    path: String,
    text: String,
}

/// All text files that are kept, or would be with the next commit. Outside of a checkout (a source archive) all files
/// but the build's.
fn files() -> Result<Vec<File>> {
    let listed = shell::output(Command::new("git").args(["ls-files", "-co", "--exclude-standard"]));
    let paths: BTreeSet<String> = match listed {
        Ok(list) => list.lines().map(str::to_owned).collect(),
        Err(_) => walk(Path::new("."))?.into_iter().collect(),
    };
    // Listed and deleted, or not text: nothing to read.
    Ok(paths.into_iter().filter_map(|path| Some(File { text: fs::read_to_string(&path).ok()?, path })).collect())
}

fn walk(folder: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !matches!(name, "target" | ".git") {
            paths.extend(walk(&path)?);
        } else if path.is_file() {
            paths.push(path.to_string_lossy().trim_start_matches("./").to_owned());
        }
    }
    Ok(paths)
}

fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(foreign_words(file));
        if !file.path.ends_with(".rs") {
            continue;
        }
        findings.extend(header(file));
        findings.extend(length(file));
        findings.extend(performers(file));
        findings.extend(idle_tests(file));
    }
    for (folder, parents) in REGISTRIES {
        findings.extend(registry(files, folder, parents));
    }
    findings.extend(files.iter().filter(|file| file.path == "Cargo.toml").flat_map(reasons));
    findings.extend(engine_forbids_clocks(files));
    findings
}

fn header(file: &File) -> Option<String> {
    let is_source =
        file.path.starts_with("xtask/src/") || (file.path.starts_with("crates/") && file.path.contains("/src/"));
    (is_source && !file.text.starts_with("//!")).then(|| format!("{} does not open with a `//!` comment", file.path))
}

fn length(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let excused = LONG.iter().any(|(path, _)| *path == file.path);
    (lines > LINES_MAX && !excused)
        .then(|| format!("{} has {lines} lines, more than {LINES_MAX}: do two things live in it?", file.path))
}

fn performers(file: &File) -> Vec<String> {
    let within = |places: &[&str]| places.iter().any(|place| file.path.starts_with(place));
    let mut findings = Vec::new();
    for (number, line) in numbered(&file.text).filter(|(_, line)| !line.trim_start().starts_with("//")) {
        let performs = line.contains(".perform(") && !within(PERFORMERS);
        let orders = line.contains("Effect::Execute") && !within(PERFORMERS) && !within(ORDERERS);
        if performs || orders {
            findings.push(format!("{}:{number} performs an effect; only the runtime may", file.path));
        }
    }
    findings
}

/// Whose folder an example or a test may speak of.
const EXAMPLE_USER: &str = "ann";

/// Words that are true of somebody's desk only.
fn foreign_words(file: &File) -> Vec<String> {
    let desks = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let hits = numbered(&file.text).filter(|(_, line)| desks.iter().any(|desk| mentions_path(line, desk)));
    hits.map(|(number, _)| format!("{}:{number} names a path of somebody's machine", file.path)).collect()
}

/// Whether an absolute path begins with `desk`: what stands before it is no part of a longer path or URL.
fn mentions_path(line: &str, desk: &str) -> bool {
    line.match_indices(desk).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let nobodys = line[at + desk.len()..].starts_with(EXAMPLE_USER);
        !nobodys && before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '~' | '}' | '/' | '*'))
    })
}

fn idle_tests(file: &File) -> Vec<String> {
    let in_tests = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    let lines: Vec<&str> = file.text.lines().collect();
    let from =
        if in_tests { 0 } else { lines.iter().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(lines.len()) };
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(from) {
        let code = line.split("//").next().unwrap_or_default();
        if code.trim_start().starts_with("#[ignore") {
            findings.push(format!("{}:{} is an ignored test: mend or delete it", file.path, at + 1));
        }
        let sleeps = ["thread::sleep(", "time::sleep("].iter().any(|call| code.contains(call));
        let excused = lines[at.saturating_sub(1)..=at].iter().any(|line| EXCUSES.iter().any(|why| line.contains(why)));
        if sleeps && !excused {
            findings.push(format!(
                "{}:{} sleeps in a test: wait for a condition, and say so (`// waits for a condition`)",
                file.path,
                at + 1
            ));
        }
    }
    findings
}

/// Each file of a catalogue is listed by its parent, says what it is, is tested, and brings its manual page. One that has a
/// folder and no page of its own gathers others of its kind: those are listed by both, bring their pages, and are tested
/// together there.
fn registry(files: &[File], folder: &str, parents: &[&str]) -> Vec<String> {
    let prefix = format!("{folder}/");
    let parent: Option<&File> = files.iter().find(|file| parents.contains(&file.path.as_str()));
    let has_page = |file: &File| file.text.to_lowercase().contains("manual");
    let gathers = |file: &File| {
        let own = format!("{}/", file.path.trim_end_matches(".rs"));
        !has_page(file) && files.iter().any(|other| other.path.starts_with(&own))
    };
    let mut findings = Vec::new();
    for member in files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.ends_with("/mod.rs")) {
        let path = &member.path;
        let Some(name) = path.strip_prefix(&prefix).map(|name| name.trim_end_matches(".rs")) else { continue };
        let (gatherer, module) = match name.split_once('/') {
            None => (None, name),
            Some((above, module)) => {
                let above = files.iter().find(|file| file.path == format!("{prefix}{above}.rs"));
                let Some(above) = above.filter(|above| gathers(above)) else { continue };
                (Some(above), module)
            }
        };
        let listed = |by: Option<&File>| by.is_some_and(|by| lists(&by.text, module));
        if !listed(parent) || gatherer.is_some() && !listed(gatherer) {
            findings.push(format!("{path} is not listed in {}", parents.join(" or ")));
        }
        let lacks = |word: &str| !member.text.to_lowercase().contains(word);
        let missing = [
            ("module comment", lacks("//!")),
            ("test", gatherer.is_none() && lacks("#[cfg(test)]")),
            ("manual page", !gathers(member) && !has_page(member)),
        ];
        findings.extend(missing.iter().filter(|(_, lacks)| *lacks).map(|(what, _)| format!("{path} has no {what}")));
    }
    findings
}

/// Whether a line of code, and not only a comment, names the module.
fn lists(parent: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let code = parent.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c| !is_word(c))).any(|word| word == name)
}

/// A dependency is a decision: one line of why beside it. Crates of our own need none.
fn reasons(manifest: &File) -> Vec<String> {
    let mut inside = false;
    let mut findings = Vec::new();
    for (number, line) in numbered(&manifest.text) {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        }
        let is_dependency = inside && line.contains('=') && !line.starts_with('#') && !line.contains("path = ");
        if is_dependency && !line.contains('#') {
            let name = line.split('=').next().unwrap_or_default().trim();
            findings.push(format!("Cargo.toml:{number} does not say why {name} is needed"));
        }
    }
    findings
}

fn engine_forbids_clocks(files: &[File]) -> Vec<String> {
    let path = "crates/engine/clippy.toml";
    let text = files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str());
    let missing = FORBIDDEN_IN_ENGINE.iter().filter(|name| !text.contains(**name));
    missing
        .map(|name| format!("{path} does not forbid {name}: the engine is given its time and its settings"))
        .collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let clippy = File { path: "crates/engine/clippy.toml".into(), text: FORBIDDEN_IN_ENGINE.join("\n") };
        check(&[File { path: path.into(), text: text.into() }, clippy])
    }

    #[test]
    fn each_rule_finds_what_breaks_it_and_nothing_else() {
        let long = format!("//! Long.\n{}", "x\n".repeat(LINES_MAX));
        let desk = format!("//! x\n// see {}someone/notes", concat!("/ho", "me/"));
        let table: &[(&str, &str, &str)] = &[
            ("crates/a/src/lib.rs", "pub fn f() {}", "does not open"),
            ("crates/a/src/lib.rs", &long, "more than 700"),
            ("crates/a/src/lib.rs", &desk, "somebody's machine"),
            ("crates/docker/src/lib.rs", "//! x\nhands.perform(permit)", "only the runtime may"),
            ("crates/healer/src/cli.rs", "//! x\nEffect::Execute(p)", "only the runtime may"),
            ("crates/a/src/lib.rs", "//! x\n#[cfg(test)]\nmod tests { #[test]\n#[ignore]\nfn f() {} }", "ignored"),
            ("crates/a/tests/t.rs", concat!("std::thread::", "sleep(SECOND);"), "sleeps in a test"),
            ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"", "why serde"),
            ("crates/engine/src/diagnose/oom.rs", "//! x", "not listed"),
            ("crates/engine/src/diagnose/oom.rs", "//! x", "has no manual"),
        ];
        for (path, text, expect) in table {
            let findings = found(path, text);
            assert!(findings.iter().any(|finding| finding.contains(expect)), "{path}: {findings:?}");
        }
    }

    #[test]
    fn what_keeps_the_rules_is_let_through() {
        let table: &[(&str, &str)] = &[
            ("crates/runtime/src/lib.rs", "//! x\nhands.perform(permit)"),
            ("crates/engine/src/plan.rs", "//! x\nEffect::Execute(p)"),
            ("crates/docker/src/lib.rs", "//! x\n// only the runtime calls `.perform(permit)`"),
            ("crates/a/src/lib.rs", concat!("//! x\nstd::thread::", "sleep(BACKOFF);")),
            ("crates/a/tests/t.rs", concat!("// waits for a condition\nstd::thread::", "sleep(POLL);")),
            ("README.md", "/home/ann/shop and https://example.org/home/page and ~/work/shop and ${X}/root/file"),
            (
                "Cargo.toml",
                "[workspace.dependencies]\nserde = \"1\" # the journal speaks JSON\nours = { path = \"x\" }",
            ),
        ];
        for (path, text) in table {
            assert_eq!(found(path, text), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn a_catalogue_is_complete_when_every_file_is_listed_tested_and_explained() {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let member = || file("c/oom.rs", "//! OOM.\nconst MANUAL: &str = \"…\";\n#[cfg(test)]\nmod tests {}");
        for listed in ["mod oom;\nconst ALL: &[Cause] = &[oom::CAUSE];", "channels! {\n    Oom => oom,\n}"] {
            assert_eq!(registry(&[member(), file("c.rs", listed)], "c", &["c.rs"]), Vec::<String>::new());
        }
        for unlisted in ["// mod oom;", "mod room;"] {
            assert_eq!(registry(&[member(), file("c.rs", unlisted)], "c", &["c.rs"]).len(), 1, "{unlisted}");
        }
    }
}
