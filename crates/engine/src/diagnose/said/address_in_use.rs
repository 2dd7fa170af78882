//! The address that it wants to listen on is taken.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "address_in_use",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that its address is taken, and it ended by its own error. Refuted by: \
             a kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget, \
             since what held it may have ended.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::AddressInUse { .. }), Mend::Start),
};
