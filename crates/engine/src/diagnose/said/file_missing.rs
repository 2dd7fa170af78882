//! A file that it needs is not there.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "file_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that a file is not there, and it ended by its own error. Refuted by: a \
             kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget, since \
             what was to be mounted may be there by then.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::FileMissing { .. }), Mend::Start),
};
