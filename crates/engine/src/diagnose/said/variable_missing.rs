//! A variable of its environment is not set.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "variable_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log names a variable that is not set, or says that one is missing, and it ended \
             by its own error. Refuted by: a kill, a stop, an exit with 0, a graver line after it. Mended \
             by: a person, who sets it: the same start would fail the same way.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::VariableMissing { .. }), Mend::Person),
};
