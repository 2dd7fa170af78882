//! Its command cannot be executed.

use model::complaint::{Complaint, StartError};
use model::incident::Mend;

use super::super::said::says;
use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "not_executable",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: the engine's own error for the last start; or a command that the kernel would not execute, and \
             whose file, as the engine shows it, is a text that does not say in its first line what reads it. Refuted by: \
             a process that ran. Mended by: a person: the same start would fail the same way.",
    judge: |case| {
        let by_engine = failed_by(case, |error| matches!(error, StartError::NotExecutable { .. }), Mend::Person);
        by_engine.or_else(|| says(case, |complaint| matches!(complaint, Complaint::NotExecutable { .. }), Mend::Person))
    },
};
