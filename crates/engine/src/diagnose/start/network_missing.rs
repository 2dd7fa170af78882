//! A network that it is attached to is no more.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "network_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Configuration,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a start within budget, since a network of this name may be there by then; what was made \
             for the old one is made anew by its owner.",
    judge: |case| failed_by(case, |error| matches!(error, StartError::NetworkMissing { .. }), Mend::Start),
};
