//! A file is mounted where a directory is wanted, or the other way round.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "mount_mismatch",
    issue_type: "service_down",
    brought_by: BroughtBy::Configuration,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a person: the engine makes a directory of a file that was missing, and the same start \
             fails the same way.",
    judge: |case| failed_by(case, |error| matches!(error, StartError::MountMismatch { .. }), Mend::Person),
};
