//! Its clock, or that of whom it talks to, is wrong.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "clock_wrong",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: its log says that what it sent or was given is of another time than the other side's, and it ended by \
             its own error. Refuted by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a person, who \
             sets the clock: a container has that of its host.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::ClockWrong), Mend::Person),
};
