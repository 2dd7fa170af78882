//! The address that it wants to listen on is taken.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause, while_kept};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "address_in_use",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that its address is taken, and it ended by its own error. Refuted by: \
             a kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget, \
             since what held it may have ended; by a person where the kernel tells that another service listens \
             there, in a network that both share, which shall run, too, and is well.",
    judge: |case| {
        let taken = says(case, |complaint| matches!(complaint, Complaint::AddressInUse { .. }), Mend::Start);
        taken.map(|finding| while_kept(case, finding))
    },
};
