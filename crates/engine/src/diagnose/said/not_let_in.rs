//! A password or a token is wrong or missing.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "not_let_in",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that it was not let in, and it ended by its own error. Refuted by: a \
             kill, a stop, an exit with 0, a graver line after it. Mended by: a person, who mends the \
             password; trying again may lock the account.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::NotLetIn), Mend::Person),
};
