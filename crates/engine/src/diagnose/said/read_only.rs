//! It wants to write where nothing can be written.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "read_only",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that a file system is read-only, and it ended by its own error. \
             Refuted by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a person: a \
             disk that turned read-only has mostly failed.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::ReadOnly { .. }), Mend::Person),
};
