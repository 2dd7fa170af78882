//! What it shares a network with does not run.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "network_parent_down",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a start within budget, after that of what it shares the network with.",
    judge: |case| failed_by(case, |error| matches!(error, StartError::NetworkParentDown), Mend::Start),
};
