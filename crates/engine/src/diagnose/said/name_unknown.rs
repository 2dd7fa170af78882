//! A host's name has no address.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "name_unknown",
    issue_type: "connection_timeout",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: its log says that a name has no address, and it ended by its own error. Refuted by: \
             a kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget: a \
             service that is down has no name on its network until it runs again.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::NameUnknown { .. }), Mend::Start),
};
