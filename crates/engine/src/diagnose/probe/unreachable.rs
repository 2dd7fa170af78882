//! What a probe asks is not reached, or does not answer.

use model::probe::Kind;

use super::super::{BroughtBy, Cause};
use super::finding;

pub(in super::super) const CAUSE: Cause = Cause {
    name: "unreachable",
    issue_type: "connection_timeout",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: as many failures of a probe as its rule says, told apart step by step: its name has no address, no route \
             leads there, the connection is refused, nothing answers at all, TLS fails, or it takes the connection and does not \
             answer in time. Refuted by: an answer, even a wrong one. Mended by: a person, who is told which step it was.",
    judge: |case| {
        let kinds =
            [Kind::Unresolved, Kind::NoRoute, Kind::Refused, Kind::Filtered, Kind::Tls, Kind::Slow, Kind::Broke];
        finding(case, &kinds, |kind| match kind {
            Kind::Unresolved => "its name was looked up, and nothing was asked of it",
            Kind::NoRoute => "its name has an address, and the network does not lead there",
            Kind::Refused => "its machine is there, and nothing listens",
            Kind::Filtered => "nothing answered the connection: it is dropped on its way, or the machine is off",
            Kind::Tls => "it took the connection, and what it shows is not to be trusted",
            Kind::Slow => "it took the connection, and is slow itself",
            Kind::Broke | Kind::Denied | Kind::Wrong | Kind::Lag | Kind::Limit | Kind::Growing | Kind::Unaskable => {
                "it took the connection, and gave it up"
            }
        })
    },
};
