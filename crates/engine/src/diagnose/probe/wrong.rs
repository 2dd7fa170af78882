//! What a probe asks answers, and not as it should.

use model::probe::Kind;

use super::super::{BroughtBy, Cause};
use super::finding;

pub(in super::super) const CAUSE: Cause = Cause {
    name: "wrong_answer",
    issue_type: "probe_fails",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: an answer with another status, body, address or exit code than is expected, one that does not let healer \
             in, or a question that cannot be asked at all, such as of a file that is missing. Refuted by: no answer, or the \
             expected one. Mended by: a person, who is told what came.",
    judge: |case| {
        finding(case, &[Kind::Denied, Kind::Wrong, Kind::Unaskable], |kind| match kind {
            Kind::Unaskable => "nothing was asked of it",
            Kind::Denied => "it answered, and does not let healer in",
            Kind::Unresolved
            | Kind::NoRoute
            | Kind::Refused
            | Kind::Filtered
            | Kind::Tls
            | Kind::Slow
            | Kind::Broke
            | Kind::Wrong
            | Kind::Lag
            | Kind::Limit
            | Kind::Growing => "it answered, and not as it should",
        })
    },
};
