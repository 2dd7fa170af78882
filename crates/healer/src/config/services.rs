//! `host.services`: the programs that healer runs on its own host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::{Check, Launch, Limits, Program};
use model::fact::{Condition, Dependency};
use probes::{Probe, Question};

use super::check::{Finding, Findings};
use super::tree::{Node, Value};
use super::value;

/// What a service's check and stop have where nothing is set.
const CHECK_EVERY: Duration = Duration::from_secs(10);
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
const CHECK_FAILURES: u32 = 3;
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The signals that may ask a program to end, with their numbers on Linux.
pub(super) const STOP_SIGNALS: &[&str] = &["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"];
const STOP_NUMBERS: [i32; 6] = [15, 2, 3, 1, 10, 12];

/// The programs of the list. What is wrong with one is told, and the others are read all the same.
pub(super) fn read(items: &[Node], base: &Path, findings: &mut Findings) -> Vec<Program> {
    let mut programs: Vec<Program> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let path = format!("host.services[{at}]");
        // A unit of systemd is a later version's, and the checker has said so.
        let (Some(name), false) = (text(item, "name"), item.get("unit").is_some()) else {
            if item.get("name").is_none() {
                findings.errors.push(Finding::at(&item.place, &path, "has no `name`".to_owned()));
            }
            continue;
        };
        if programs.iter().any(|other| other.name == name) {
            findings.errors.push(Finding::at(&item.place, &path, format!("the name `{name}` is given twice")));
            continue;
        }
        let mut wrong = |says: String| findings.errors.push(Finding::at(&item.place, &path, says));
        let command = words(item, "command");
        if command.is_empty() {
            wrong("has no `command`: expected a list such as [/opt/billing/bin/billing, --port, \"8080\"]".to_owned());
        }
        let check = check(item, base, &mut wrong);
        programs.push(Program { launch: launch(item, base, command), depends_on: Vec::new(), check, name });
    }
    depend(&mut programs, items, findings);
    programs
}

fn launch(item: &Node, base: &Path, command: Vec<String>) -> Launch {
    let environment = item.get("environment").map(Node::entries).unwrap_or_default();
    let environment: BTreeMap<String, String> =
        environment.iter().filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned()))).collect();
    let signal = text(item, "stop_signal").and_then(|name| STOP_SIGNALS.iter().position(|known| *known == name));
    let patience = duration(item, "stop_grace_period").unwrap_or(STOP_TIMEOUT);
    let limits = item.get("limits");
    let whole = |key: &str| limits.and_then(|limits| whole(limits, key));
    Launch {
        command,
        user: text(item, "user"),
        environment,
        working_dir: text(item, "working_dir").map_or_else(|| PathBuf::from("/"), |folder| base.join(folder)),
        limits: Limits {
            memory_bytes: limits.and_then(|limits| value::bytes(&text(limits, "memory")?).ok()),
            open_files: whole("open_files"),
            processes: whole("processes"),
        },
        stop_signal: STOP_NUMBERS[signal.unwrap_or(0)],
        stop_timeout_s: u32::try_from(patience.as_secs()).unwrap_or(u32::MAX),
    }
}

fn check(item: &Node, base: &Path, wrong: &mut impl FnMut(String)) -> Option<Check> {
    let check = item.get("check").filter(|node| node.value != Value::Empty)?;
    let asked = [
        text(check, "http").and_then(|url| Some(Question::Http(url.parse().ok()?))),
        text(check, "tcp").map(Question::Tcp),
        Some(words(check, "command")).filter(|words| !words.is_empty()).map(|words| Question::Command(at(base, words))),
    ];
    let mut asked = asked.into_iter().flatten();
    let (Some(question), None) = (asked.next(), asked.next()) else {
        wrong("its `check` needs one of `http`, `tcp` and `command`".to_owned());
        return None;
    };
    let every = duration(check, "every").unwrap_or(CHECK_EVERY);
    let timeout = duration(check, "timeout").unwrap_or(CHECK_TIMEOUT);
    let failures = whole(check, "failures").and_then(|count| u32::try_from(count).ok()).unwrap_or(CHECK_FAILURES);
    Some(Check { probe: Probe { question, timeout }, every, failures })
}

/// A command that is named by a relative path is meant from the file's folder.
fn at(base: &Path, mut words: Vec<String>) -> Vec<String> {
    if let Some(first) = words.first_mut().filter(|first| first.contains('/')) {
        *first = base.join(&*first).to_string_lossy().into_owned();
    }
    words
}

/// What each needs: that it runs, or that its check passes where it has one.
fn depend(programs: &mut [Program], items: &[Node], findings: &mut Findings) {
    let checked: BTreeMap<String, bool> =
        programs.iter().map(|program| (program.name.clone(), program.check.is_some())).collect();
    for (at, item) in items.iter().enumerate() {
        let Some(name) = text(item, "name") else { continue };
        let Some(program) = programs.iter_mut().find(|program| program.name == name) else { continue };
        for service in words(item, "depends_on") {
            let condition = match checked.get(&service) {
                Some(true) => Condition::Healthy,
                Some(false) => Condition::Started,
                None => {
                    let says = format!("depends on `{service}`, which is no service of `host.services`");
                    findings.errors.push(Finding::at(&item.place, &format!("host.services[{at}]"), says));
                    continue;
                }
            };
            program.depends_on.push(Dependency { service, condition });
        }
    }
    if let Some(name) = in_a_circle(programs) {
        let says = format!("`{name}` needs itself in the end: take one `depends_on` out of the circle");
        findings.errors.push(Finding::nowhere("host.services", says));
    }
}

/// A program that waits for itself, if there is one.
fn in_a_circle(programs: &[Program]) -> Option<&str> {
    let needs = |name: &str| {
        let program = programs.iter().find(|program| program.name == name);
        program.into_iter().flat_map(|program| &program.depends_on).map(|needed| needed.service.as_str())
    };
    programs.iter().map(|program| program.name.as_str()).find(|name| {
        let (mut reached, mut next) = (BTreeSet::new(), needs(name).collect::<Vec<_>>());
        while let Some(one) = next.pop() {
            if reached.insert(one) {
                next.extend(needs(one));
            }
        }
        reached.contains(name)
    })
}

/// A service in one line, for `healer check`.
pub(super) fn written(program: &Program) -> String {
    let asked = match program.check.as_ref().map(|check| &check.probe.question) {
        None => String::new(),
        Some(Question::Http(_)) => ", asked over HTTP".to_owned(),
        Some(Question::Tcp(address)) => format!(", asked at {address}"),
        Some(Question::Command(_)) => ", asked by a command".to_owned(),
        Some(
            Question::Dns(_)
            | Question::Tls(_)
            | Question::Postgres(_)
            | Question::Redis(_)
            | Question::RabbitMq(_)
            | Question::Api(_),
        ) => ", asked by a probe".to_owned(),
    };
    // Arguments may hold secrets.
    format!("{}: {}{asked}", program.name, program.launch.command.first().map_or("", String::as_str))
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

fn words(node: &Node, key: &str) -> Vec<String> {
    let items = node.get(key).map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
}

fn duration(node: &Node, key: &str) -> Option<Duration> {
    value::duration(&text(node, key)?).ok()
}

fn whole(node: &Node, key: &str) -> Option<u64> {
    match node.get(key)?.value {
        Value::Whole(number) => u64::try_from(number).ok(),
        Value::Empty | Value::Flag(_) | Value::Real(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Given;

    #[test]
    fn what_is_wrong_with_a_service_is_told_with_its_place() {
        let table = [
            ("{command: [x]}", "has no `name`"),
            ("{name: a}", "has no `command`"),
            ("{name: a, command: [x]}, {name: a, command: [y]}", "the name `a` is given twice"),
            ("{name: a, command: [x], depends_on: [b]}", "depends on `b`, which is no service"),
            (
                "{name: a, command: [x], depends_on: [b]}, {name: b, command: [x], depends_on: [a]}",
                "`a` needs itself in the end",
            ),
            ("{name: a, command: [x], check: {every: 1s}}", "needs one of `http`, `tcp` and `command`"),
            (
                "{name: a, command: [x], check: {tcp: \"h:1\", command: [y]}}",
                "needs one of `http`, `tcp` and `command`",
            ),
            ("{name: a, command: [x], limits: {memory: much}}", "a size such as 512MiB"),
            ("{name: a, command: [x], stop_signal: KILL}", "one of TERM, INT"),
        ];
        for (services, says) in table {
            let errors = Given::file(&format!("host: {{services: [{services}]}}")).errors();
            assert!(errors.iter().any(|error| error.contains(says)), "{services}: {errors:?}");
        }
    }

    #[test]
    fn no_engine_is_needed_where_there_are_services() {
        let given = |rest: &str| Given::file(&format!("docker: {{hosts: []}}\n{rest}"));
        let config = given("host: {services: [{name: a, command: [x], limits: {memory: 2GiB}}]}").read().unwrap();
        assert_eq!((config.docker_hosts.len(), config.here.programs.len()), (0, 1));
        assert_eq!(config.here.programs[0].launch.limits.memory_bytes, Some(2 << 30));
        assert!(given("").errors().iter().any(|error| error.contains("nothing would be watched")));
    }
}
