//! A certificate that it meets is not accepted.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "certificate_refused",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: its log says what is wrong with a certificate (its time, its name, its issuer), and \
             it ended by its own error. Refuted by: a kill, a stop, an exit with 0, a graver line after it. \
             Mended by: a person, who renews it, or sets the clock right.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::Certificate(_)), Mend::Person),
};
