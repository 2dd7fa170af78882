//! The host or its engine was restarted, and the service went down with it.

use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding, exit_code, start_error};

pub(super) const CAUSE: Cause = Cause {
    name: "restarted",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: an end in the time in which its engine, or the whole host, went down and came back, of a service \
             that the ledger wants running: while the engine's API was closed, or soon after healer itself was ended in \
             order, or with code 255 (found dead after an unclean stop). Its exit code says nothing of it. Refuted by: an \
             end that the event stream told of before, an error of a start since, a job that ended with 0. Mended by: a \
             start, in the order of its dependencies; an interrupted job by a person.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let code = exit_code(case)?;
    let restarted = case.ended_with?;
    if start_error(case).is_some() || (case.is_job && code == 0) {
        return None;
    }
    Some(Finding {
        title: format!("it went down with the {restarted}"),
        confidence: Confidence::Sure,
        because: format!("it ended (exit code {code}) when that went down, and nobody wants it stopped"),
        mend: Mend::Start,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Look, Run};
    use model::recovery::Restarted;

    use super::super::cases::{case, look};
    use super::*;

    #[test]
    fn what_went_down_with_its_host_is_started_whatever_its_exit_code() {
        let ended = |code: i32| Case { ended_with: Some(Restarted::Host), ..case(&[], Some(look(Run::Exited, code))) };
        let failed = Look {
            exit: look(Run::Exited, 128).exit.map(|exit| Exit { error: "port taken".to_owned(), ..exit }),
            ..look(Run::Exited, 128)
        };
        let table = [
            ("a clean end", ended(0), true),
            ("told to end", ended(143), true),
            ("power loss", ended(255), true),
            ("a job that was done", Case { is_job: true, ..ended(0) }, false),
            ("a job that was interrupted", Case { is_job: true, ..ended(143) }, true),
            ("the engine could not start it since", Case { look: Some(failed), ..ended(128) }, false),
            ("it ended by itself", case(&[], Some(look(Run::Exited, 143))), false),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).is_some(), expect, "{name}");
        }
    }
}
