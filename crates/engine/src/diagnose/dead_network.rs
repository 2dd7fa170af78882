//! It runs in a network namespace that is dead: the container that it shares it with was started, or made, anew.

use model::fact::Run;
use model::incident::{Case, Confidence, DeadNetwork, Mend};

use super::{BroughtBy, Cause, Finding, clean_exit};

pub(super) const CAUSE: Cause = Cause {
    name: "dead_network",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: a running container with `network_mode: service:…` (or `container:…`) that was started before the \
             present process of the container which it names: it sits in the namespace of a process that is gone, and \
             reaches nobody, while the engine calls it running. Also by a named container that the engine does not know any \
             more: one that is down can be started by nobody then. Refuted by: a start after that of the other, another \
             that does not run (that is its own incident). Mended by: a restart, which joins the present namespace; where \
             the other was made anew the engine refuses that, and this one is made anew too, by Compose.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let dead = case.network.as_ref()?;
    let down = case.look.as_ref().is_some_and(|look| look.run != Run::Running);
    if down && !case.ended_by_us && clean_exit::judge(case).is_some() {
        return None;
    }
    let (mend, remedy) = match dead {
        DeadNetwork::StartedAnew(_) => (Mend::Restart, ""),
        DeadNetwork::MadeAnew(_) => (Mend::Recreate, "; it must be made anew too"),
        DeadNetwork::Gone => (Mend::Person, "; what it shares its network with must be made again, and then this one"),
    };
    Some(Finding {
        title: format!("its network is dead{remedy}"),
        confidence: Confidence::Sure,
        because: dead.to_string(),
        mend,
    })
}

#[cfg(test)]
mod tests {
    use model::ResourceId;
    use model::fact::{Health, Look, Run, What};

    use super::super::cases::{case, look};
    use super::super::diagnose;
    use super::*;

    #[test]
    fn what_sits_in_a_dead_network_is_restarted_where_that_helps_and_not_called_merely_unhealthy() {
        let gate = || ResourceId::docker("h", "vpn", "gate", 1);
        let runs = || Look { health: Health::Unhealthy, ..look(Run::Running, 0) };
        let table = [
            (Some(DeadNetwork::StartedAnew(gate())), "dead_network", Mend::Restart),
            (Some(DeadNetwork::MadeAnew(gate())), "dead_network", Mend::Recreate),
            (Some(DeadNetwork::Gone), "dead_network", Mend::Person),
            (None, "unhealthy", Mend::Restart),
        ];
        for (network, cause, mend) in table {
            let given = Case { network, ..case(&[What::Health(Health::Unhealthy)], Some(runs())) };
            let found = diagnose(&given, Vec::new());
            assert_eq!((found.cause.as_str(), found.mend), (cause, mend), "{given:?}");
        }
    }
}
