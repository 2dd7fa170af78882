//! It has as many files open as it may have.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "too_many_files",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that too many files are open, and it ended by its own error. Refuted \
             by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget, \
             which closes them; that it leaks them is for a person.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::TooManyFiles), Mend::Start),
};
