//! Something on the host killed the main process, past the engine.

use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding, exit_code, oom_event, oom_flag, start_error, was_signalled};

pub(super) const CAUSE: Cause = Cause {
    name: "killed_by_host",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: exit code 137 (KILL) or 143 (TERM) without a signal through the engine and without its word of \
             an OOM; sure for 137 once a look denies the OOM, likely before. 143 may also be the program's own answer to \
             a TERM from inside. Refuted by: a `kill` event, an OOM. Mended by: a start.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let code = exit_code(case)?;
    if was_signalled(case) || oom_event(case) || oom_flag(case) == Some(true) || start_error(case).is_some() {
        return None;
    }
    let (signal, confidence) = match (code, oom_flag(case)) {
        (137, Some(false)) => ("KILL", Confidence::Sure),
        (137, Some(true) | None) => ("KILL", Confidence::Likely),
        (143, _) => ("TERM", Confidence::Likely),
        _ => return None,
    };
    Some(Finding {
        title: if !case.runner.is_engine() {
            format!("somebody killed it ({signal}), and it was not healer")
        } else {
            format!("it was killed from the host ({signal})")
        },
        confidence,
        because: if !case.runner.is_engine() {
            format!(
                "it ended by {signal}, which healer did not send, and the kernel killed nothing for want of memory then"
            )
        } else {
            format!("exit code {code}, no signal through the engine, no word of an out-of-memory kill")
        },
        mend: Mend::Start,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::{Run, What};

    use super::super::cases::{case, look};
    use super::*;

    #[test]
    fn a_kill_that_the_engine_knows_nothing_of_came_from_the_host() {
        let died = |code| What::Died { code };
        let asked = What::Signalled { signal: 9, terminating: true };
        let table = [
            ("137, look denies OOM", case(&[died(137)], Some(look(Run::Exited, 137))), Some(Confidence::Sure)),
            ("137, no look yet", case(&[died(137)], None), Some(Confidence::Likely)),
            ("143", case(&[died(143)], Some(look(Run::Exited, 143))), Some(Confidence::Likely)),
            ("docker kill", case(&[asked, died(137)], None), None),
            ("oom", case(&[What::OutOfMemory, died(137)], None), None),
            ("own error", case(&[died(1)], None), None),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).map(|finding| finding.confidence), expect, "{name}");
        }
    }
}
