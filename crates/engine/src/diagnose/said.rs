//! What the program itself says of its end: a claim in its log, of one that then ended by its own error. It is not
//! believed where the engine knows better: of a kill, a stop, or a start that failed.

pub(super) mod address_in_use;
pub(super) mod certificate_refused;
pub(super) mod clock_wrong;
pub(super) mod config_invalid;
pub(super) mod connection_refused;
pub(super) mod data_of_another_version;
pub(super) mod disk_full;
pub(super) mod file_missing;
pub(super) mod memory_used_up;
pub(super) mod migration_failed;
pub(super) mod module_missing;
pub(super) mod name_unknown;
pub(super) mod not_let_in;
pub(super) mod permission_denied;
pub(super) mod read_only;
pub(super) mod too_many_files;
pub(super) mod too_many_processes;
pub(super) mod variable_missing;

use std::mem::discriminant;
use std::time::Duration;

use model::complaint::Complaint;
use model::fact::What;
use model::incident::{Case, Confidence, Excerpt, Mend};

use super::{Finding, exit_code, last_death, look_at_end, start_error, unhealthy, was_signalled};

const SEGMENTATION_FAULT: i32 = 139;
/// What ran for so long ran with what it complains about now: it may do so again.
pub(crate) const RAN_WELL: Duration = Duration::from_secs(60);

/// The finding that a program's last complaint is one of this kind. `mend`: what mends it if it ended at its start.
pub(super) fn says(case: &Case, is: fn(&Complaint) -> bool, mend: Mend) -> Option<Finding> {
    let code = exit_code(case)?;
    if !is_by_itself(code) || was_signalled(case) || start_error(case).is_some() {
        return None;
    }
    // A runtime whose heap is used up ends itself by a trap, which as process 1 of a container shows as a segmentation
    // fault; whoever else ends by one does not know why.
    let knows = |complaint: &&Complaint| code != SEGMENTATION_FAULT || **complaint == Complaint::NoMemory;
    let complaint = last_complaint(case.log.as_ref()?).filter(|complaint| is(complaint)).filter(knows)?;
    let ran_well = lived(case).is_some_and(|lived| lived >= RAN_WELL);
    let since = if ran_well { ", after it had run with the same until then" } else { "" };
    Some(Finding {
        title: format!("it {complaint}"),
        confidence: Confidence::Sure,
        because: format!("its log says so, it ended with exit code {code}, and nobody told it to end{since}"),
        mend: if ran_well { Mend::Start } else { mend },
    })
}

/// The finding that a program which runs on, and whose healthcheck fails, complains of this last: a restart would not mend
/// it, and may lose what it holds in memory.
pub(super) fn says_while_unhealthy(case: &Case, is: fn(&Complaint) -> bool) -> Option<Finding> {
    unhealthy::judge(case)?;
    let complaint = last_complaint(case.log.as_ref()?).filter(|complaint| is(complaint))?;
    Some(Finding {
        title: format!("it {complaint}, and its healthcheck fails"),
        confidence: Confidence::Sure,
        because: "its log says so, and its healthcheck fails".to_owned(),
        mend: Mend::Person,
    })
}

/// Whether an exit code may be an error that the program itself found: its log knows nothing of a signal from outside.
pub(crate) fn is_by_itself(code: i32) -> bool {
    !matches!(code, 0 | 137 | 143)
}

/// The last thing that its log complains about; of several lines on one matter, one that says what it is about.
pub(crate) fn last_complaint(log: &Excerpt) -> Option<&Complaint> {
    let complaints = || log.lines.iter().rev().filter_map(|line| line.complaint.as_ref());
    let last = complaints().next()?;
    let same = |complaint: &&Complaint| discriminant(*complaint) == discriminant(last);
    Some(complaints().filter(same).find(|complaint| complaint.is_particular()).unwrap_or(last))
}

/// How long it ran before it ended, as far as that is known.
pub(super) fn lived(case: &Case) -> Option<Duration> {
    let by_look = look_at_end(case).and_then(|look| Some(look.exit.as_ref()?.at.since(look.started?)));
    by_look.or_else(|| {
        let started = case.happenings.iter().rev().find(|happening| happening.what == What::Started)?;
        Some(last_death(case)?.0.since(started.at))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::ResourceId;
    use model::complaint::CertificateFlaw;
    use model::fact::{Exit, Look, Run, SourceTime};
    use model::incident::Line;

    use super::super::cases::{case, look};
    use super::super::diagnose;
    use super::*;

    fn line(text: &str, complaint: Option<Complaint>) -> Line {
        Line { text: text.to_owned(), times: 1, telling: complaint.is_some(), complaint }
    }

    /// It ended with this code after so many seconds, and complained about these.
    fn ended(code: i32, after_s: i64, complaints: &[Complaint]) -> Case {
        let ended = Exit { at: SourceTime(1 + after_s * 1_000_000_000), ..look(Run::Exited, code).exit.unwrap() };
        let seen = Look { at: SourceTime(i64::MAX), exit: Some(ended), ..look(Run::Exited, code) };
        let lines = complaints.iter().map(|complaint| line("…", Some(complaint.clone()))).chain([line("bye", None)]);
        let log = Excerpt { lines: lines.collect(), read_lines: 9, cut: false };
        Case { log: Some(log), ..case(&[What::Died { code }], Some(seen)) }
    }

    fn said(case: &Case) -> (String, Mend) {
        let told = diagnose(case, Vec::new());
        (told.cause, told.mend)
    }

    #[test]
    fn every_complaint_has_a_cause_of_its_own() {
        let all = [
            Complaint::VariableMissing { name: None },
            Complaint::ConfigInvalid { path: None },
            Complaint::ConnectionRefused { host: None, port: None },
            Complaint::NameUnknown { host: None },
            Complaint::NotLetIn,
            Complaint::MigrationFailed,
            Complaint::DataOfAnotherVersion,
            Complaint::PermissionDenied { path: None },
            Complaint::ReadOnly { path: None },
            Complaint::NoSpace,
            Complaint::TooManyFiles,
            Complaint::TooManyProcesses,
            Complaint::IsDirectory { path: None },
            Complaint::FileMissing { path: None, for_good: false },
            Complaint::ModuleMissing { name: None },
            Complaint::AddressInUse { port: None, held_by: None, by: None },
            Complaint::NoMemory,
            Complaint::Certificate(CertificateFlaw::Expired),
            Complaint::ClockWrong,
            Complaint::WrongArchitecture,
            Complaint::NotExecutable { command: String::new() },
            Complaint::CommandMissing { command: None },
            Complaint::UserUnknown { user: None },
        ];
        let causes: BTreeSet<_> =
            all.iter().map(|complaint| said(&ended(1, 1, std::slice::from_ref(complaint))).0).collect();
        assert_eq!(causes.len(), all.len(), "{causes:?}");
        assert!(!causes.contains("crash"), "{causes:?}");
    }

    #[test]
    fn a_log_is_not_believed_where_the_engine_knows_better() {
        let missing = Complaint::VariableMissing { name: None };
        let table = [
            ("it ended at its start", ended(1, 1, std::slice::from_ref(&missing)), ("variable_missing", Mend::Person)),
            ("it had run well", ended(1, 3_600, std::slice::from_ref(&missing)), ("variable_missing", Mend::Start)),
            ("it was killed", ended(137, 1, std::slice::from_ref(&missing)), ("killed_by_host", Mend::Start)),
            ("segmentation fault", ended(139, 1, &[Complaint::NotLetIn]), ("crash", Mend::Start)),
            ("a heap that is used up", ended(139, 1, &[Complaint::NoMemory]), ("memory_used_up", Mend::Start)),
            ("it ended with 0", ended(0, 1, std::slice::from_ref(&missing)), ("clean_exit", Mend::Nothing)),
            ("it complains of nothing", ended(1, 1, &[]), ("crash", Mend::Start)),
        ];
        for (name, given, (cause, mend)) in table {
            assert_eq!(said(&given), (cause.to_owned(), mend), "{name}");
        }
    }

    #[test]
    fn a_start_is_in_vain_only_where_it_is_sure_that_nothing_comes_back() {
        let file = |for_good| Complaint::FileMissing { path: Some("/etc/app/licence.key".to_owned()), for_good };
        let port = Complaint::AddressInUse { port: Some(8000), held_by: None, by: None };
        let kept = |given: Case| Case { port_kept_by: Some(ResourceId::docker("h", "shop", "app", 1)), ..given };
        let table = [
            ("a file may come", ended(1, 1, &[file(false)]), ("file_missing", Mend::Start)),
            ("nobody puts it there", ended(1, 1, &[file(true)]), ("file_missing", Mend::Person)),
            ("it ran without it", ended(1, 3_600, &[file(true)]), ("file_missing", Mend::Start)),
            ("a port may be let go of", ended(1, 1, std::slice::from_ref(&port)), ("address_in_use", Mend::Start)),
            ("another keeps it", kept(ended(1, 1, std::slice::from_ref(&port))), ("address_in_use", Mend::Person)),
        ];
        for (name, given, (cause, mend)) in table {
            assert_eq!(said(&given), (cause.to_owned(), mend), "{name}");
        }
    }

    #[test]
    fn the_last_complaint_counts_and_its_most_particular_line() {
        let refused = |host: Option<&str>| Complaint::ConnectionRefused { host: host.map(str::to_owned), port: None };
        let given = ended(1, 1, &[Complaint::NotLetIn, refused(Some("db")), refused(None)]);
        assert_eq!(last_complaint(given.log.as_ref().unwrap()), Some(&refused(Some("db"))));
        let given = ended(1, 1, &[refused(Some("db")), Complaint::NotLetIn]);
        assert_eq!(last_complaint(given.log.as_ref().unwrap()), Some(&Complaint::NotLetIn));
    }
}
