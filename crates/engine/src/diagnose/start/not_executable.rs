//! Its command cannot be executed.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "not_executable",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a person: the same start would fail the same way.",
    judge: |case| failed_by(case, |error| matches!(error, StartError::NotExecutable { .. }), Mend::Person),
};
