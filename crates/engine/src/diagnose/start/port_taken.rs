//! A port of the host that it wants is taken.

use model::complaint::StartError;
use model::incident::Mend;

use super::super::{BroughtBy, Cause, while_kept};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "port_taken",
    issue_type: "service_down",
    brought_by: BroughtBy::Configuration,
    manual: "Proved by: the engine's own error for the last start. Refuted by: a process that ran. Mended \
             by: a start within budget, since whoever holds the port may let it go; ending that one is for \
             a person, and so is all of it where another service holds it that shall run, too, and is well.",
    judge: |case| {
        let taken = failed_by(case, |error| matches!(error, StartError::PortTaken { .. }), Mend::Start);
        taken.map(|finding| while_kept(case, finding))
    },
};
