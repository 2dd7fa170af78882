//! It wants to write where nothing can be written.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::{says, says_while_unhealthy};

pub(crate) const CAUSE: Cause = Cause {
    name: "read_only",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that a file system is read-only, and it ended by its own error, or its healthcheck fails. \
             Refuted by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a person: a \
             disk that turned read-only has mostly failed.",
    judge: |case| {
        let is: fn(&Complaint) -> bool = |complaint| matches!(complaint, Complaint::ReadOnly { .. });
        says(case, is, Mend::Person).or_else(|| says_while_unhealthy(case, is))
    },
};
