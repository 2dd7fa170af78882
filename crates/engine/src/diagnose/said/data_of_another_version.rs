//! Its data were written by another version of it.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "data_of_another_version",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that its data are of another version, and it ended by its own error. \
             Refuted by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a person: by \
             the former version, or by an upgrade of the data after a backup.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::DataOfAnotherVersion), Mend::Person),
};
