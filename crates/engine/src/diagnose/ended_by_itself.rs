//! A program of the host ended without an error after it had run for a while, though it is to run.

use model::incident::{Case, Confidence, Mend};

use super::said::{RAN_WELL, lived};
use super::{BroughtBy, Cause, Finding, clean_exit, exit_code, was_signalled};

pub(super) const CAUSE: Cause = Cause {
    name: "ended_by_itself",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: exit code 0, after more than a minute, of a program that healer's configuration names as a service. \
             Refuted by: any other code, a stop by healer, others that await its completion. Mended by: a start, within \
             budget. Of a container nobody can tell why its engine does not start it.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    if case.runner.is_engine() || exit_code(case)? != 0 || was_signalled(case) || clean_exit::judge(case).is_some() {
        return None;
    }
    (lived(case)? >= RAN_WELL).then(|| Finding {
        title: "it ended without an error, though it is to run".to_owned(),
        confidence: Confidence::Sure,
        because: "exit code 0, and nobody told it to end".to_owned(),
        mend: Mend::Start,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Look, Run, SourceTime, What};

    use super::super::cases::{case, look};
    use model::incident::Runner;

    use super::*;

    fn after(lived_s: i64, code: i32) -> Case {
        let seen = look(Run::Exited, code);
        let exit = seen.exit.clone().map(|exit| Exit { at: SourceTime(lived_s * 1_000_000_000), ..exit });
        let seen = Look { started: Some(SourceTime(0)), exit, ..seen };
        Case { runner: Runner::Healer, ..case(&[What::Died { code }], Some(seen)) }
    }

    #[test]
    fn zero_after_a_while_is_no_end_of_what_is_to_run() {
        let table = [
            ("after a while", after(100, 0), true),
            ("at its start", after(5, 0), false),
            ("with an error", after(100, 1), false),
            ("a container", Case { runner: Runner::Engine, ..after(100, 0) }, false),
            ("others await its completion", Case { is_job: true, ..after(100, 0) }, false),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).is_some(), expect, "{name}");
        }
    }
}
