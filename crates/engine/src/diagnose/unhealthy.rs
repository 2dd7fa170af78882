//! It runs, and its healthcheck fails.

use model::fact::{Health, Run, What};
use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding};

pub(super) const CAUSE: Cause = Cause {
    name: "unhealthy",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: a running main process whose healthcheck the engine reports as `unhealthy`, by event or look. \
             Refuted by: a main process that ended, a pause (which makes health turn bad by itself). Mended by: a \
             restart: stop, look, start.",
    judge,
};

pub(super) fn judge(case: &Case) -> Option<Finding> {
    let look = case.look.as_ref();
    let fails = case.happenings.iter().rev().find_map(|happening| match happening.what {
        What::Health(health) => Some(health == Health::Unhealthy),
        What::Died { .. } | What::Paused => Some(false),
        What::Created
        | What::Started
        | What::Signalled { .. }
        | What::Stopped
        | What::Restarted
        | What::OutOfMemory
        | What::Unpaused
        | What::Renamed { .. }
        | What::Updated
        | What::Attached
        | What::Destroyed => None,
    });
    let looks_so = look.map(|look| look.run == Run::Running && look.health == Health::Unhealthy);
    if !fails.or(looks_so)? {
        return None;
    }
    let because = match look.map(|look| look.health_output.as_str()) {
        Some(output) if !output.is_empty() => "it runs, and the check's own words are quoted",
        Some(_) | None => "it runs",
    };
    Some(Finding {
        title: "its healthcheck fails".to_owned(),
        confidence: Confidence::Sure,
        because: because.to_owned(),
        mend: Mend::Restart,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::Look;

    use super::super::cases::{case, look};
    use super::*;

    #[test]
    fn only_what_runs_can_be_unhealthy() {
        let health = What::Health;
        let bad = |run| Look { health: Health::Unhealthy, ..look(run, 0) };
        let table = [
            ("by event", case(&[health(Health::Unhealthy)], None), true),
            ("by look", case(&[], Some(bad(Run::Running))), true),
            ("it recovered", case(&[health(Health::Unhealthy), health(Health::Healthy)], None), false),
            ("it died since", case(&[health(Health::Unhealthy), What::Died { code: 1 }], None), false),
            ("it is paused", case(&[health(Health::Unhealthy), What::Paused], None), false),
            ("it ended", case(&[], Some(bad(Run::Exited))), false),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).is_some(), expect, "{name}");
        }
    }
}
