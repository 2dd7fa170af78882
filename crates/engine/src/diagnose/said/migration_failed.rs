//! A change of its database's schema failed.

use model::complaint::Complaint;
use model::incident::Mend;

use super::super::{BroughtBy, Cause};
use super::says;

pub(crate) const CAUSE: Cause = Cause {
    name: "migration_failed",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: its log says that a migration failed, and it ended by its own error. Refuted by: a \
             kill, a stop, an exit with 0, a refused connection, a graver line after it. Mended by: a \
             person: a half-changed schema is not run into again.",
    judge: |case| says(case, |complaint| matches!(complaint, Complaint::MigrationFailed), Mend::Person),
};
