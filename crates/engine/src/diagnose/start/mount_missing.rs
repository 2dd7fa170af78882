//! What it mounts is not there.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "mount_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Configuration,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a start within budget, since what was to be mounted may be there by then.",
    judge: |case| failed_by(case, |error| matches!(error, StartError::MountSourceMissing { .. }), Mend::Start),
};
