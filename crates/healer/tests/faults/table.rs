//! What came of each fault, as the journal tells it, and the golden table that it is compared with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use model::Wall;
use model::action::Action;
use model::event::{Entry, Event};
use model::fact::{Happening, SourceTime, What};
use model::incident::{Case, Diagnosis, IncidentId, Outcome, Verification};
use model::verdict::Hold;

use crate::fault::{End, Fault};

/// What healer made of a fault, beside what it was to make of it.
pub(crate) struct Came<'a> {
    fault: &'a Fault,
    cause: Option<String>,
    action: Option<Action>,
    end: End,
    /// What the engine and the log said, as far as it was heard: for whoever asks why it was judged so.
    heard: Vec<String>,
    /// From the end of the process, as the engine dates it, to the diagnosis.
    told_after_ms: Option<i64>,
}

impl Came<'_> {
    fn names_the_cause(&self) -> bool {
        self.cause.as_deref() == self.fault.cause
    }

    fn does_right(&self) -> bool {
        self.action == self.fault.action && self.end == self.fault.end
    }

    fn line(&self) -> String {
        let cause = self.cause.as_deref().unwrap_or("-");
        let action = self.action.map_or("nothing".to_owned(), |action| action.to_string());
        format!("{:<24} {cause:<24} {action:<10} {:?}", self.fault.name, self.end).trim_end().to_owned()
    }
}

/// Reads the journal for every fault, up to where that was over.
pub(crate) fn outcomes<'a>(faults: &'a [Fault], ends: &BTreeMap<&str, Wall>, journal: &[Entry]) -> Vec<Came<'a>> {
    let until = |over: Option<&Wall>| journal.partition_point(|entry| over.is_none_or(|over| entry.at.wall <= *over));
    faults.iter().map(|fault| came_of(fault, &journal[..until(ends.get(fault.name))])).collect()
}

fn came_of<'a>(fault: &'a Fault, journal: &[Entry]) -> Came<'a> {
    let short = format!("{}/{}", fault.name, fault.of);
    let opened = |entry: &Entry| {
        let Event::IncidentOpened { id, resource, .. } = &entry.event else { return None };
        (resource.short() == short).then(|| id.clone())
    };
    let ids: Vec<IncidentId> = journal.iter().filter_map(opened).collect();
    let ours: Vec<&Entry> =
        journal.iter().filter(|entry| entry.event.incident().is_some_and(|id| ids.contains(id))).collect();
    let acts = |entry: &&Entry| {
        let Event::ActionStarted { permit, .. } = &entry.event else { return None };
        (permit.step.resource.short() == short).then_some(permit.step.action)
    };
    let asks = |entry: &&Entry| matches!(entry.event, Event::Escalated { .. } | Event::ApprovalAsked { .. });
    let action = ours.iter().find_map(acts);
    // What it went by when it acted, or told a person, counts; what it learns after that is another matter.
    let decided = ours.iter().position(|entry| acts(entry).is_some() || asks(entry)).unwrap_or(ours.len());
    let diagnoses: Vec<_> = ours[..decided].iter().filter_map(diagnosed).collect();
    let heard = diagnoses.last().map(|(_, _, case)| heard(case)).unwrap_or_default();
    let cause = diagnoses.last().map(|(_, diagnosis, _)| diagnosis.cause.clone());
    let told_after_ms = diagnoses.first().and_then(|(entry, _, case)| Some(after_ms(ended(case)?, entry)));
    let healed =
        ours.iter().any(|entry| matches!(entry.event, Event::IncidentResolved { outcome: Outcome::Healed, .. }));
    let failed = ours.iter().any(|entry| matches!(entry.event, Event::Verified { result: Verification::Failed, .. }));
    let asked = ours.iter().any(asks);
    let is_wait = |entry: &&Entry| matches!(entry.event, Event::Held { reason: Hold::WaitsFor { .. }, .. });
    let waits = ours.iter().any(is_wait);
    let end = match (healed, action.is_some(), failed, asked) {
        (true, ..) => End::Healed,
        (false, true, true, _) => End::InVain,
        (false, _, _, true) => End::Person,
        (false, ..) if waits => End::Waits,
        (false, ..) => End::Left,
    };
    Came { fault, cause, action, end, heard, told_after_ms }
}

fn diagnosed<'a>(entry: &&'a Entry) -> Option<(&'a Entry, &'a Diagnosis, &'a Case)> {
    let Event::Diagnosed { diagnosis, case, .. } = &entry.event else { return None };
    Some((*entry, diagnosis, case))
}

/// When the process of a case ended, by the engine's own time.
fn ended(case: &Case) -> Option<SourceTime> {
    let died = |happening: &Happening| matches!(happening.what, What::Died { .. }).then_some(happening.at);
    case.happenings.iter().rev().find_map(died)
}

fn heard(case: &Case) -> Vec<String> {
    let exit = case.look.iter().filter_map(|look| look.exit.as_ref());
    let said = exit.map(|exit| format!("exit {} {}", exit.code, exit.error).trim_end().to_owned());
    let lines = case.log.iter().flat_map(|log| &log.lines).map(|line| format!("{} <- {:?}", line.text, line.complaint));
    said.chain(lines).collect()
}

fn after_ms(at: SourceTime, entry: &Entry) -> i64 {
    entry.at.wall.0 - at.0 / 1_000_000
}

/// The table, with what it was to be where it is not so.
pub(crate) fn shown(outcomes: &[Came<'_>]) -> String {
    let mut text = String::new();
    for one in outcomes {
        let _ = write!(text, "{}", one.line()); // writing to a String cannot fail
        if !one.names_the_cause() {
            let _ = write!(text, "    CAUSE: {}", one.fault.cause.unwrap_or("-"));
        }
        if !one.does_right() {
            let action = one.fault.action.map_or("nothing".to_owned(), |action| action.to_string());
            let _ = write!(text, "    IS TO: {action}, {:?}", one.fault.end);
        }
        text.push('\n');
        if !one.names_the_cause() || !one.does_right() {
            one.heard.iter().for_each(|line| text.push_str(&format!("        | {line}\n")));
        }
    }
    let count = |holds: fn(&Came<'_>) -> bool| outcomes.iter().filter(|one| holds(one)).count();
    let all = outcomes.len();
    let mut told: Vec<i64> = outcomes.iter().filter_map(|one| one.told_after_ms).collect();
    told.sort_unstable();
    let median = told.get(told.len() / 2).copied().unwrap_or_default();
    let _ = writeln!(
        text,
        "\n{all} faults: cause named {} of {all}, action and end right {} of {all}; death to diagnosis {median} ms (median)",
        count(|one| one.names_the_cause()),
        count(|one| one.does_right()),
    );
    text
}

/// Whether what came of them is what stands in the golden table, and no action is wrong. `HEALER_FAULTS=write` writes it.
pub(crate) fn judge(outcomes: &[Came<'_>], whole: bool) -> ExitCode {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/table.txt");
    let table: String = outcomes.iter().map(|one| one.line() + "\n").collect();
    if !whole {
        return if outcomes.iter().all(|one| one.does_right() && one.names_the_cause()) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    if std::env::var("HEALER_FAULTS").is_ok_and(|word| word == "write") {
        fs::write(&golden, &table).expect("the table can be written");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    let name = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    // What this machine has no programs for is not played.
    let played = |line: &&str| outcomes.iter().any(|one| one.fault.name == name(line));
    let (expected, came): (Vec<&str>, Vec<&str>) = (expected.lines().filter(played).collect(), table.lines().collect());
    if expected != came {
        println!("not as in {}:", golden.display());
        expected.iter().filter(|line| !came.contains(line)).for_each(|line| println!("- {line}"));
        came.iter().filter(|line| !expected.contains(line)).for_each(|line| println!("+ {line}"));
        return ExitCode::FAILURE;
    }
    if outcomes.iter().all(Came::does_right) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
