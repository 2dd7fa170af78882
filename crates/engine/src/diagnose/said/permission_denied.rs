//! It has no right to a file or a call.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "permission_denied",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that a right is missing, and it ended by its own error. Refuted by: a \
             kill, a stop, an exit with 0, a graver line after it. Mended by: a person, who gives the \
             right: the same start would fail the same way.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::PermissionDenied { .. }), Mend::Person),
};
