//! The program ended itself with an error.

use model::incident::{Case, Confidence, Mend, Runner};

use super::{BroughtBy, Cause, Finding, exit_code, start_error, was_signalled};

pub(super) const CAUSE: Cause = Cause {
    name: "crash",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: an exit code other than 0 that no signal through the engine and no kill explains; the telling \
             lines of its log are quoted. Refuted by: a `kill` event, 137 or 143, an error of the engine's start. \
             Mended by: a start, within budget; where it crashes again and again, by a person.",
    judge,
};

/// So ends a program whose keeper saw nothing of it.
const UNSEEN_END: i32 = 255;

/// Ended by a signal that the program brought upon itself.
fn signal_of(code: i32) -> Option<&'static str> {
    match code {
        132 => Some("illegal instruction"),
        134 => Some("it aborted"),
        135 => Some("bus error"),
        136 => Some("arithmetic error"),
        139 => Some("segmentation fault"),
        _ => None,
    }
}

fn judge(case: &Case) -> Option<Finding> {
    let code = exit_code(case)?;
    if matches!(code, 0 | 137 | 143) || was_signalled(case) || start_error(case).is_some() {
        return None;
    }
    if case.runner == Runner::Healer && code == UNSEEN_END {
        return Some(Finding {
            title: "it ended while nothing watched it".to_owned(),
            confidence: Confidence::Likely,
            because: "its keeper ended with it, or before it, and nobody asked for either".to_owned(),
            mend: Mend::Start,
        });
    }
    let title = match signal_of(code) {
        Some(signal) => format!("it crashed: {signal} (exit {code})"),
        None => format!("it crashed by an error of its own (exit {code})"),
    };
    let telling = case.log.as_ref().map_or(0, |log| log.lines.iter().filter(|line| line.telling).count());
    let because = match telling {
        0 => format!("exit code {code}, and nobody told it to end"),
        _ => format!("exit code {code}, nobody told it to end, and its log tells of an error"),
    };
    Some(Finding { title, confidence: Confidence::Sure, because, mend: Mend::Start })
}

#[cfg(test)]
mod tests {
    use model::fact::What;

    use super::super::cases::case;
    use super::*;

    #[test]
    fn an_error_code_that_nobody_asked_for_is_a_crash() {
        let died = |code| What::Died { code };
        let asked = What::Signalled { signal: 15, terminating: true };
        let hup = What::Signalled { signal: 1, terminating: false };
        let table = [
            ("exit 3", case(&[died(3)], None), true),
            ("segmentation fault", case(&[died(139)], None), true),
            ("a reload went before", case(&[hup, died(1)], None), true),
            ("exit 0", case(&[died(0)], None), false),
            ("it was told to end", case(&[asked, died(3)], None), false),
            ("a kill", case(&[died(137)], None), false),
            ("nothing ended", case(&[], None), false),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).is_some(), expect, "{name}");
        }
    }
}
