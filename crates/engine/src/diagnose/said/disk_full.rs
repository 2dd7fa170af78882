//! There is no space left on a disk that it needs.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "disk_full",
    issue_type: "disk_full",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: its log says that no space is left, and it ended by its own error. Refuted by: a kill, \
             a stop, an exit with 0, a graver line after it. Mended by: a person, who makes room.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::NoSpace), Mend::Person),
};
