//! It was made for another kind of processor: the engine says so, or the program that was to be executed for it.

use model::complaint::{Complaint, StartError};
use model::incident::Mend;

use super::Cause;
use super::said::says;
use super::start::failed_by;

pub(super) const CAUSE: Cause = Cause {
    name: "wrong_architecture",
    issue_type: "service_down",
    manual: "Proved by: the engine's error for the last start, or the only line of its log: `exec format error`. Refuted by: \
             a process that ran. Mended by: a person: the image is for another kind of processor, or its script has no \
             first line that says what reads it.",
    judge: |case| {
        let by_engine = failed_by(case, |error| *error == StartError::WrongArchitecture, Mend::Person);
        by_engine.or_else(|| says(case, |complaint| *complaint == Complaint::WrongArchitecture, Mend::Person))
    },
};
