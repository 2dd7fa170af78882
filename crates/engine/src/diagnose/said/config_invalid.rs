//! Its configuration cannot be read or makes no sense.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "config_invalid",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that its configuration cannot be read or makes no sense, and it ended \
             by its own error. Refuted by: a kill, a stop, an exit with 0, a graver line after it. Mended \
             by: a person, who mends the file: the same start would fail the same way.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::ConfigInvalid { .. }), Mend::Person),
};
