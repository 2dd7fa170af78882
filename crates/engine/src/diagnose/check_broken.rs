//! It runs, and its healthcheck cannot.

use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding, unhealthy};

pub(super) const CAUSE: Cause = Cause {
    name: "check_broken",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: a healthcheck that fails, and whose own words are that its command is not there or cannot be \
             executed. Refuted by: a check that runs; a main process that ended. Mended by: a person, who mends the check: a \
             restart would only interrupt a service that may be well.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    unhealthy::judge(case)?;
    let command = case.look.as_ref()?.check_lacks.as_ref()?;
    Some(Finding {
        title: format!("its healthcheck cannot run: there is no {command} to be executed"),
        confidence: Confidence::Sure,
        because: "the engine says so of the check; of the service itself nothing is known".to_owned(),
        mend: Mend::Person,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::{Health, Look, Run, What};

    use super::super::cases::{case, look};
    use super::super::diagnose;
    use super::*;

    #[test]
    fn a_check_that_cannot_run_says_nothing_of_the_service() {
        let sick = |lacks: Option<&str>| {
            let check_lacks = lacks.map(str::to_owned);
            Look { health: Health::Unhealthy, exit: None, check_lacks, ..look(Run::Running, 0) }
        };
        let events = [What::Health(Health::Unhealthy)];
        let told = |lacks| diagnose(&case(&events, Some(sick(lacks))), Vec::new());
        assert_eq!((told(Some("curl")).cause.as_str(), told(Some("curl")).mend), ("check_broken", Mend::Person));
        assert_eq!((told(None).cause.as_str(), told(None).mend), ("unhealthy", Mend::Restart));
    }
}
