//! A standby is too far behind its primary.

use model::probe::Kind;

use super::super::{BroughtBy, Cause};
use super::finding;

pub(in super::super) const CAUSE: Cause = Cause {
    name: "lagging",
    issue_type: "replication_lag",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: a PostgreSQL probe whose standby is further behind than `replication_lag`, as the primary or the standby \
             says. Refuted by: a lag within that. Mended by: a person: whether replay is paused, slow or cut off is theirs.",
    judge: |case| finding(case, &[Kind::Lag], |_| "the server's own figures say so"),
};
