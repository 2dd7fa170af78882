//! It ended itself because it had no memory left, as it says.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "memory_used_up",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that it has no memory left, and it ended by its own error: its heap \
             has a limit of its own. Refuted by: a kill, which is told apart by the engine's word; a stop, \
             an exit with 0, a graver line after it. Mended by: a start within budget; raising its limit is \
             for a person.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::NoMemory), Mend::Start),
};
