//! The engine ended it: it was shutting down, or cleaned up after a crash of its own.

use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding, exit_code, start_error, was_signalled};

pub(super) const CAUSE: Cause = Cause {
    name: "engine_stopped",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: an end after a terminating signal through the engine, of a service that the ledger wants running: \
             a person's stop would stand there, so the signal was the engine's own (it was shutting down, or stopped the \
             survivors of its own crash), or healer's, in order to start it. Likely, never sure. Refuted by: an end \
             without a signal, an error of the engine's start, a service whose completion others await: what was \
             interrupted half-way is for a person. Mended by: a start.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let code = exit_code(case)?;
    if !was_signalled(case) || start_error(case).is_some() || case.is_job {
        return None;
    }
    Some(Finding {
        title: "it was stopped by the engine itself, not by a person".to_owned(),
        confidence: Confidence::Likely,
        because: format!("exit code {code} after a signal through the engine, and nobody wants it stopped"),
        mend: Mend::Start,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Look, Run, What};

    use super::super::cases::{case, look};
    use super::*;

    #[test]
    fn a_signal_that_was_no_persons_was_the_engines() {
        let asked = What::Signalled { signal: 15, terminating: true };
        let hup = What::Signalled { signal: 1, terminating: false };
        let died = |code| What::Died { code };
        let failed = Look {
            exit: look(Run::Exited, 128).exit.map(|exit| Exit { error: "no such network".to_owned(), ..exit }),
            ..look(Run::Exited, 128)
        };
        let awaited = Case { is_job: true, ..case(&[asked.clone(), died(143)], None) };
        let table = [
            ("told to end", case(&[asked.clone(), died(143)], None), true),
            ("told to end, and it ended well", case(&[asked.clone(), died(0)], None), true),
            ("no signal", case(&[died(143)], None), false),
            ("a reload", case(&[hup, died(1)], None), false),
            ("it still runs", case(std::slice::from_ref(&asked), None), false),
            ("started again in vain", case(&[asked, died(143)], Some(failed)), false),
            ("others await its completion", awaited, false),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).is_some(), expect, "{name}");
        }
    }
}
