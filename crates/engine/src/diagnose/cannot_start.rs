//! The engine could not start it.

use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding, start_error};

/// The command was found and cannot be executed.
const NOT_EXECUTABLE: i32 = 126;
/// The command was not found, or a file is mounted over a directory.
const NOT_FOUND: i32 = 127;

pub(super) const CAUSE: Cause = Cause {
    name: "cannot_start",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: the engine's own error for the last start (State.Error). Refuted by: a process that ran. \
             Mended by: a person where the command cannot be executed or found (126, 127: the same start would fail the \
             same way); otherwise a start within budget, since what was missing (a mount, a network, a port) may be back.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let (code, error) = start_error(case)?;
    if !case.runner.is_engine() {
        let (title, because) = (format!("it cannot start: {error}"), "its last start failed so".to_owned());
        return Some(Finding { title, confidence: Confidence::Sure, because, mend: Mend::Person });
    }
    let (title, mend) = match code {
        NOT_EXECUTABLE => ("it cannot start: its command cannot be executed", Mend::Person),
        NOT_FOUND => ("it cannot start: no such command, or a mount that does not fit", Mend::Person),
        _ => ("it could not be started", Mend::Start),
    };
    let because = format!("the engine says why, with exit code {code}");
    Some(Finding { title: title.to_owned(), confidence: Confidence::Sure, because, mend })
}

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Look, Run, What};

    use super::super::cases::{case, look};
    use super::*;

    fn failed(code: i32, error: &str) -> Look {
        let seen = look(Run::Created, code);
        let exit = seen.exit.clone().map(|exit| Exit { error: error.to_owned(), ..exit });
        Look { started: None, exit, ..seen }
    }

    #[test]
    fn a_start_that_would_fail_the_same_way_is_left_to_a_person() {
        let table = [
            ("command not found", case(&[], Some(failed(127, "no such file"))), Some(Mend::Person)),
            ("not executable", case(&[], Some(failed(126, "permission denied"))), Some(Mend::Person)),
            ("port taken", case(&[], Some(failed(128, "port is already allocated"))), Some(Mend::Start)),
            ("it ran", case(&[What::Died { code: 127 }], Some(look(Run::Exited, 127))), None),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).map(|finding| finding.mend), expect, "{name}");
        }
    }
}
