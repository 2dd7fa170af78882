//! What probes say. Each cause is a file; what they share is here: only what a probe asks can be ill in these ways, and
//! its own words are the title.

pub(super) mod beyond;
pub(super) mod lagging;
pub(super) mod unreachable;
pub(super) mod wrong;

use model::fact::Health;
use model::incident::{Case, Confidence, Mend};
use model::probe::Kind;

use super::Finding;

/// The finding for a probe that fails in one of these ways. What is asked may be anybody's: a person is told.
fn finding(case: &Case, kinds: &[Kind], because: impl Fn(Kind) -> &'static str) -> Option<Finding> {
    let look = case.look.as_ref().filter(|look| look.health == Health::Unhealthy)?;
    let trouble = look.probe.as_deref()?.trouble.as_ref().filter(|trouble| kinds.contains(&trouble.kind))?;
    Some(Finding {
        title: trouble.says.clone(),
        confidence: Confidence::Sure,
        because: because(trouble.kind).to_owned(),
        mend: Mend::Person,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::fact::{Look, Run};
    use model::probe::{Probed, Trouble};

    use super::super::cases::{case, look};
    use super::super::{CATALOGUE, diagnose};
    use super::*;

    const ALL: [Kind; 13] = [
        Kind::Unresolved,
        Kind::NoRoute,
        Kind::Refused,
        Kind::Filtered,
        Kind::Tls,
        Kind::Slow,
        Kind::Broke,
        Kind::Denied,
        Kind::Wrong,
        Kind::Lag,
        Kind::Limit,
        Kind::Growing,
        Kind::Unaskable,
    ];

    fn probed(kind: Kind, health: Health) -> Case {
        let trouble = Some(Trouble { kind, says: format!("{kind:?}") });
        let probe = Probed { trouble, took_ms: None, figures: String::new() };
        case(&[], Some(Look { health, probe: Some(Box::new(probe)), ..look(Run::Running, 0) }))
    }

    #[test]
    fn each_trouble_has_one_cause_and_the_issue_type_that_policies_know() {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for kind in ALL {
            let case = probed(kind, Health::Unhealthy);
            let judged = |cause: &&super::super::Cause| (cause.judge)(&case).is_some();
            let by: Vec<&str> = CATALOGUE
                .iter()
                .filter(|cause| cause.name != "unhealthy" && cause.name != "cannot_tell")
                .filter(judged)
                .map(|cause| cause.name)
                .collect();
            assert_eq!(by.len(), 1, "{kind:?}: {by:?}");
            let diagnosis = diagnose(&case, Vec::new());
            assert_eq!((diagnosis.title, diagnosis.mend), (format!("{kind:?}"), Mend::Person));
            *found.entry(diagnosis.issue_type).or_default() += 1;
            assert_eq!(diagnose(&probed(kind, Health::Healthy), Vec::new()).cause, "cannot_tell", "it passes by now");
        }
        let expect = [("connection_timeout", 7), ("probe_fails", 3), ("replication_lag", 1), ("limit_reached", 2)];
        assert_eq!(found, expect.map(|(issue, count)| (issue.to_owned(), count)).into());
    }
}
