//! The engine has lost track of its last process, and does not start this container any more.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "left_over",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: the engine's own error for the last start: the container's id is still in use, though the engine calls \
             it down. So it is after a main process whose first thread had ended before the others. Refuted by: a process \
             that ran. Mended by: making it anew, by Compose: no start of this one helps before the engine is restarted.",
    judge: |case| failed_by(case, |error| matches!(error, StartError::LeftOver), Mend::Recreate),
};
