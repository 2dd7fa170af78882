//! It has as many processes or threads as it may have.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "too_many_processes",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that no further process or thread could be made, and it ended by its own error. Refuted \
             by: a kill, a stop, an exit with 0, a graver line after it. Mended by: a start within budget, which ends them \
             all; that its limit (`pids_limit`, `ulimit -u`) is too low, or that it makes ever more, is for a person.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::TooManyProcesses), Mend::Start),
};
