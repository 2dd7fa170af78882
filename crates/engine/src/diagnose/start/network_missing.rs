//! A network that it is attached to is no more.

use model::complaint::StartError;
use model::incident::{Case, Confidence, Mend};
use model::network::Lost;

use super::super::{BroughtBy, Cause, Finding, look_at_end};
use super::failed_by;

pub(crate) const CAUSE: Cause = Cause {
    name: "network_missing",
    issue_type: "service_down",
    brought_by: BroughtBy::Configuration,
    manual: "Proved by: the engine's list, which has no network of an id that the container is attached to; or the engine's \
             own error for the last start. Refuted by: a process that runs, or a list that has them all. Mended by: making \
             the network again as it was seen to be made (its driver, addresses and labels), attaching the container to the \
             present network of that name, and a start. A network that healer never saw is made by a person; no start \
             helps before, since the engine looks for the network by its id.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let lost = look_at_end(case).map(|look| look.lost_networks.as_slice()).unwrap_or_default();
    let by_error = || failed_by(case, |error| matches!(error, StartError::NetworkMissing { .. }), Mend::Start);
    let Some(first) = lost.first() else { return by_error() };
    let can_be_made = |lost: &Lost| lost.made_anew || lost.known.is_some();
    let title = match first {
        Lost { name, made_anew: true, .. } => {
            format!("the network {name} was made anew: it is attached to the one before")
        }
        Lost { name, made_anew: false, .. } => format!("the network {name} that it is attached to is no more"),
    };
    Some(Finding {
        title: format!("it cannot start: {title}"),
        confidence: Confidence::Sure,
        because: "the engine's list of networks has not the one that it asks for".to_owned(),
        mend: if lost.iter().all(can_be_made) { Mend::Rejoin } else { Mend::Person },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::fact::{Look, Run, What};
    use model::network::Network;

    use super::super::super::cases::{case, look};
    use super::*;

    fn lost(made_anew: bool, seen: bool) -> Lost {
        let known = Network {
            name: "proxy".to_owned(),
            driver: "bridge".to_owned(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            internal: false,
            attachable: false,
            ipv6: false,
            subnets: Vec::new(),
        };
        Lost { name: "proxy".to_owned(), made_anew, known: seen.then_some(known) }
    }

    #[test]
    fn what_can_be_made_again_is_and_what_was_never_seen_is_a_persons() {
        let table = [
            ("there is another", vec![lost(true, false)], Some(Mend::Rejoin)),
            ("it was seen", vec![lost(false, true)], Some(Mend::Rejoin)),
            ("it was never seen", vec![lost(false, false)], Some(Mend::Person)),
            ("one of two", vec![lost(true, true), lost(false, false)], Some(Mend::Person)),
            ("none", vec![], None),
        ];
        for (name, lost_networks, expect) in table {
            let seen = Look { lost_networks, ..look(Run::Exited, 1) };
            let found = judge(&case(&[What::Died { code: 1 }], Some(seen)));
            assert_eq!(found.map(|finding| finding.mend), expect, "{name}");
        }
    }
}
