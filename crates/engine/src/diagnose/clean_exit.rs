//! A job that did its work.

use model::fact::RestartPolicy;
use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding, exit_code, was_signalled};

pub(super) const CAUSE: Cause = Cause {
    name: "clean_exit",
    issue_type: "none",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: exit code 0 of a service that others await as `completed_successfully`, or whose restart policy \
             is `no` or `on-failure` (which means: 0 is an end). Refuted by: any other code, or a signal through the \
             engine. Mended by: nothing; a job is never rerun.",
    judge,
};

pub(super) fn judge(case: &Case) -> Option<Finding> {
    if exit_code(case)? != 0 || was_signalled(case) {
        return None;
    }
    let policy = case.look.as_ref().map(|look| look.definition.restart_policy);
    let because = match policy {
        _ if case.is_job => "exit code 0, and other services await its completion",
        // What the configuration names as a service is to run.
        _ if !case.runner.is_engine() => return None,
        Some(RestartPolicy::No) => "exit code 0, and its restart policy is `no`",
        Some(RestartPolicy::OnFailure(_)) => "exit code 0, and its restart policy counts that as an end",
        Some(RestartPolicy::UnlessStopped | RestartPolicy::Always) | None => return None,
    };
    Some(Finding {
        title: "it ended well: a job that is done".to_owned(),
        confidence: Confidence::Sure,
        because: because.to_owned(),
        mend: Mend::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::fact::{Look, Run, What};

    use super::super::cases::{case, look};
    use super::*;

    fn with_policy(policy: RestartPolicy) -> Look {
        let mut seen = look(Run::Exited, 0);
        Arc::make_mut(&mut seen.definition).restart_policy = policy;
        seen
    }

    #[test]
    fn zero_ends_a_job_and_nothing_else() {
        let died = |code| vec![What::Died { code }];
        let job = |given: Case| Case { is_job: true, ..given };
        let table = [
            ("policy no", case(&died(0), Some(with_policy(RestartPolicy::No))), true),
            ("policy on-failure", case(&died(0), Some(with_policy(RestartPolicy::OnFailure(3)))), true),
            ("policy always", case(&died(0), Some(with_policy(RestartPolicy::Always))), false),
            ("an awaited job under always", job(case(&died(0), Some(with_policy(RestartPolicy::Always)))), true),
            ("it failed", case(&died(1), Some(look(Run::Exited, 1))), false),
            (
                "it was told to end",
                case(
                    &[What::Signalled { signal: 15, terminating: true }, What::Died { code: 0 }],
                    Some(with_policy(RestartPolicy::No)),
                ),
                false,
            ),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).is_some(), expect, "{name}");
        }
    }
}
