//! A figure is beyond its limit, or a queue grows.

use model::probe::Kind;

use super::super::{BroughtBy, Cause};
use super::finding;

pub(in super::super) const CAUSE: Cause = Cause {
    name: "beyond_its_limit",
    issue_type: "limit_reached",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: a probe's figure (connections in use, slow or blocked queries, transaction ids, the depth of a queue, a \
             quota, the days that a certificate has left, the time of an answer) beyond the limit that is set for it, or a queue \
             that grew for as long as is set. Refuted by: a figure within it. Mended by: a person, who is told the figure and \
             the limit.",
    judge: |case| {
        finding(case, &[Kind::Limit, Kind::Growing], |kind| match kind {
            Kind::Growing => "nobody takes out as much as comes in",
            Kind::Unresolved
            | Kind::NoRoute
            | Kind::Refused
            | Kind::Filtered
            | Kind::Tls
            | Kind::Slow
            | Kind::Broke
            | Kind::Denied
            | Kind::Wrong
            | Kind::Lag
            | Kind::Limit
            | Kind::Unaskable => "its own figures say so",
        })
    },
};
