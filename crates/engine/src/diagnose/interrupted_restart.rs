//! healer took it down in order to start it again, and that start did not come.

use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding, exit_code, start_error};

pub(crate) const CAUSE: Cause = Cause {
    name: "interrupted_restart",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: an end that a stop ordered by healer explains, of a service that the ledger wants running: the \
             start that belongs to that stop was lost. Its exit code says nothing of it. Refuted by: an error of a start \
             since. Mended by: a start.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let code = exit_code(case)?;
    if !case.ended_by_us || start_error(case).is_some() {
        return None;
    }
    Some(Finding {
        title: "healer stopped it in order to start it again, and the start was lost".to_owned(),
        confidence: Confidence::Sure,
        because: format!("a stop of healer's explains its end (exit code {code}), and it shall run"),
        mend: Mend::Start,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Look, Run, What};

    use super::super::cases::{case, look};
    use super::*;

    #[test]
    fn an_end_by_our_own_stop_is_neither_a_job_that_is_done_nor_a_crash() {
        let ours = |code| Case { ended_by_us: true, ..case(&[], Some(look(Run::Exited, code))) };
        let failed = Look {
            exit: look(Run::Exited, 128).exit.map(|exit| Exit { error: "port is taken".to_owned(), ..exit }),
            ..look(Run::Exited, 128)
        };
        let table = [
            ("it ended well when it was asked", ours(0), true),
            ("it was killed at the end of our patience", ours(137), true),
            ("the start that followed failed", Case { ended_by_us: true, ..case(&[], Some(failed)) }, false),
            ("nobody asked", case(&[What::Died { code: 0 }], None), false),
        ];
        for (name, given, expect) in table {
            let found = super::super::diagnose(&given, Vec::new());
            assert_eq!(found.cause == CAUSE.name, expect, "{name}: {}", found.cause);
            assert!(!expect || found.mend == Mend::Start, "{name}");
        }
    }
}
