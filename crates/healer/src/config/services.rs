//! `host.services`: the programs that healer runs on its own host, and the units that systemd runs there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::{Check, Launch, Limits, Named, Program};
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

/// What belongs to a program, and is systemd's to set of a unit.
const OF_PROGRAMS: [&str; 7] =
    ["command", "user", "environment", "working_dir", "stop_signal", "stop_grace_period", "limits"];

/// The services of a host.
#[derive(Default)]
pub(super) struct Services {
    /// Those that healer runs.
    pub(super) programs: Vec<Program>,
    /// Those that systemd runs.
    pub(super) units: Vec<Named>,
}

/// The services of the list. What is wrong with one is told, and the others are read all the same.
pub(super) fn read(items: &[Node], base: &Path, findings: &mut Findings) -> Services {
    let mut services = Services::default();
    let needs = needs(items, findings);
    let mut names = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let path = format!("host.services[{at}]");
        let mut wrong = |says: String| findings.errors.push(Finding::at(&item.place, &path, says));
        let Some(name) = text(item, "name") else {
            wrong("has no `name`".to_owned());
            continue;
        };
        if !names.insert(name.clone()) {
            wrong(format!("the name `{name}` is given twice"));
            continue;
        }
        let depends_on = needs.get(&name).cloned().unwrap_or_default();
        let check = check(item, base, &mut wrong);
        if let Some(unit) = text(item, "unit") {
            if let Some(key) = OF_PROGRAMS.iter().find(|key| item.get(key).is_some()) {
                wrong(format!("has a `unit` and a `{key}`, which is systemd's to set: take one of them out"));
            }
            match unit_name(&unit) {
                Ok(unit) => services.units.push(Named { name, unit, depends_on, check }),
                Err(says) => wrong(says),
            }
            continue;
        }
        let command = words(item, "command");
        if command.is_empty() {
            wrong(
                "has no `command`: expected a list such as [/opt/billing/bin/billing, --port, \"8080\"], or a `unit` of \
                 systemd"
                    .to_owned(),
            );
        }
        services.programs.push(Program { launch: launch(item, base, command), depends_on, check, name });
    }
    services
}

/// A unit's whole name, as systemd has it: `nginx` stands for `nginx.service` (systemd.unit(5)).
fn unit_name(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if name.is_empty() || name.len() > 255 || name.starts_with('-') || !name.chars().all(fits) {
        return Err(format!("`{name}` is no name of a unit: expected one such as nginx.service"));
    }
    match name.rsplit_once('.') {
        Some((_, "service")) => Ok(name.to_owned()),
        Some((
            _,
            kind @ ("socket" | "timer" | "mount" | "automount" | "target" | "slice" | "scope" | "path" | "swap"),
        )) => Err(format!("`{name}` is a {kind}: expected a service, such as nginx.service")),
        Some(_) | None => Ok(format!("{name}.service")),
    }
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
fn needs(items: &[Node], findings: &mut Findings) -> BTreeMap<String, Vec<Dependency>> {
    let is_checked = |item: &Node| item.get("check").is_some_and(|node| node.value != Value::Empty);
    let checked: BTreeMap<String, bool> =
        items.iter().filter_map(|item| Some((text(item, "name")?, is_checked(item)))).collect();
    let mut needs: BTreeMap<String, Vec<Dependency>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let Some(name) = text(item, "name") else { continue };
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
            needs.entry(name.clone()).or_default().push(Dependency { service, condition });
        }
    }
    if let Some(name) = in_a_circle(&needs) {
        let says = format!("`{name}` needs itself in the end: take one `depends_on` out of the circle");
        findings.errors.push(Finding::nowhere("host.services", says));
    }
    needs
}

/// A service that waits for itself, if there is one.
fn in_a_circle(all: &BTreeMap<String, Vec<Dependency>>) -> Option<&str> {
    let needs = |name: &str| all.get(name).into_iter().flatten().map(|needed| needed.service.as_str());
    all.keys().map(String::as_str).find(|name| {
        let (mut reached, mut next) = (BTreeSet::new(), needs(name).collect::<Vec<_>>());
        while let Some(one) = next.pop() {
            if reached.insert(one) {
                next.extend(needs(one));
            }
        }
        reached.contains(name)
    })
}

/// A program in one line, for `healer check`.
pub(super) fn written(program: &Program) -> String {
    // Arguments may hold secrets.
    let command = program.launch.command.first().map_or("", String::as_str);
    format!("{}: {command}{}", program.name, asked(program.check.as_ref()))
}

/// A unit in one line.
pub(super) fn written_of(unit: &Named) -> String {
    format!("{}: {}, run by systemd{}", unit.name, unit.unit, asked(unit.check.as_ref()))
}

fn asked(check: Option<&Check>) -> String {
    match check.map(|check| &check.probe.question) {
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
    }
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
            ("{name: a, unit: a.timer}", "is a timer: expected a service"),
            ("{name: a, unit: '-H evil'}", "is no name of a unit"),
            ("{name: a, unit: a, command: [x]}", "has a `unit` and a `command`, which is systemd's to set"),
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
