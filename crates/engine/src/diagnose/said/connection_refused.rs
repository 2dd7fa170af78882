//! Nobody listens where it wants to connect to.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "connection_refused",
    issue_type: "connection_timeout",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: its log says that a connection was refused, and it ended by its own error. Refuted \
             by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget, \
             since what it needs may listen by then; what it needs is mended first where that is known.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::ConnectionRefused { .. }), Mend::Start),
};
