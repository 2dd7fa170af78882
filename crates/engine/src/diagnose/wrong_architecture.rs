//! It was made for another kind of processor: the engine says so, or the program that was to be executed for it.

use model::complaint::{Complaint, StartError};
use model::incident::Mend;

use super::said::says;
use super::start::failed_by;
use super::{BroughtBy, Cause};

pub(super) const CAUSE: Cause = Cause {
    name: "wrong_architecture",
    issue_type: "service_down",
    brought_by: BroughtBy::Image,
    manual: "Proved by: the engine's error for the last start, or the only line of its log: `exec format error`. Refuted by: \
             a process that ran, a file that is no program (which is `not_executable`). Mended by: a person: the image is \
             for another kind of processor, or its script has no first line that says what reads it.",
    judge: |case| {
        let by_engine = failed_by(case, |error| *error == StartError::WrongArchitecture, Mend::Person);
        by_engine.or_else(|| says(case, |complaint| *complaint == Complaint::WrongArchitecture, Mend::Person))
    },
};

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Look, Run, What};

    use super::super::cases::{case, look};
    use super::*;

    #[test]
    fn the_engines_word_and_the_log_are_believed_and_an_exit_code_alone_is_not() {
        let seen = look(Run::Exited, 1);
        let told = |error| seen.exit.clone().map(|exit| Exit { start_error: Some(error), ..exit });
        let refused = Look { exit: told(StartError::WrongArchitecture), ..seen.clone() };
        let full = Look { exit: told(StartError::NoSpace), ..seen.clone() };
        let table = [(refused, true), (full, false), (seen.clone(), false)];
        for (look, expect) in table {
            let given = case(&[What::Died { code: 1 }], Some(look));
            assert_eq!((CAUSE.judge)(&given).is_some(), expect, "{given:?}");
        }
    }
}
