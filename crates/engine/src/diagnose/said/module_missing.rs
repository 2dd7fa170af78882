//! A library or a module of its own is not there.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "module_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that a part of the program is not there, and it ended by its own \
             error. Refuted by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a \
             person, who mends the image.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::ModuleMissing { .. }), Mend::Person),
};
