//! There is no space left on a disk that it needs.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::{says, says_while_unhealthy};

pub(crate) const CAUSE: Cause = Cause {
    name: "disk_full",
    issue_type: "disk_full",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: its log says that no space is left, and it ended by its own error, or its healthcheck fails. Refuted by: a kill, \
             a stop, an exit with 0, a graver line after it. Mended by: a person, who makes room.",
    judge: |case| {
        let is: fn(&Complaint) -> bool = |complaint| matches!(complaint, Complaint::NoSpace);
        says(case, is, Mend::Person).or_else(|| says_while_unhealthy(case, is))
    },
};
