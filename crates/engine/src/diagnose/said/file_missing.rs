//! A file that it needs is not there.

use model::complaint::Complaint;
use model::incident::{Case, Mend};

use super::super::{BroughtBy, Cause, Finding};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "file_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that a file is not there, and it ended by its own error. Refuted by: a \
             kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget, since \
             what was to be mounted may be there by then; by a person where the engine finds nothing there \
             either, in the container's own files, where nobody else writes.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let for_good: fn(&Complaint) -> bool =
        |complaint| matches!(complaint, Complaint::FileMissing { for_good: true, .. });
    let any: fn(&Complaint) -> bool = |complaint| matches!(complaint, Complaint::FileMissing { .. });
    says(case, for_good, Mend::Person).or_else(|| says(case, any, Mend::Start))
}
