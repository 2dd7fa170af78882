//! The engine's disk is full.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "engines_disk_full",
    issue_type: "disk_full",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a person, who makes room.",
    judge: |case| failed_by(case, |error| matches!(error, StartError::NoSpace), Mend::Person),
};
