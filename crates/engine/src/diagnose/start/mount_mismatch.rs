//! A file is mounted where a directory is wanted, or the other way round.

use model::complaint::{Complaint, StartError};
use model::incident::Mend;

use super::super::said::says;
use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "mount_mismatch",
    issue_type: "service_down",
    brought_by: BroughtBy::Configuration,
    manual: "Proved by: the engine's own error for the last start; or a log that says that a directory is where a file is \
             wanted, of a program that ended by that. Refuted by: a process that ran on. Mended \
             by: a person: the engine makes a directory of a file that was missing, and the same start \
             fails the same way.",
    judge: |case| {
        let by_engine = failed_by(case, |error| matches!(error, StartError::MountMismatch { .. }), Mend::Person);
        by_engine.or_else(|| says(case, |complaint| matches!(complaint, Complaint::IsDirectory { .. }), Mend::Person))
    },
};
