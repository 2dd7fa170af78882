//! What it mounts is not there.

use model::complaint::StartError;
use model::incident::{Case, Mend};

use super::super::{BroughtBy, Cause, Finding};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "mount_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Configuration,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a start within budget, since what was to be mounted may be there by then; by a person where it is \
             missed among other things that are kept there, so that nothing but a person puts it there.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let for_good: fn(&StartError) -> bool =
        |error| matches!(error, StartError::MountSourceMissing { for_good: true, .. });
    let any: fn(&StartError) -> bool = |error| matches!(error, StartError::MountSourceMissing { .. });
    failed_by(case, for_good, Mend::Person).or_else(|| failed_by(case, any, Mend::Start))
}
