//! Its main process ends with 0 as soon as it is started, and the engine is told to keep it running.

use model::fact::RestartPolicy;
use model::incident::{Case, Confidence, Mend, Runner};

use super::said::{RAN_WELL, lived};
use super::{BroughtBy, Cause, Finding, clean_exit, exit_code, was_signalled};

pub(super) const CAUSE: Cause = Cause {
    name: "ends_at_its_start",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: exit code 0 within a minute of its start, of a service that the engine is told to keep running; sure \
             once the engine has started it again, and it ended so again. Mostly the main process puts itself into the \
             background, or has nothing to do. Refuted by: any other code, a signal through the engine, a restart policy \
             that counts 0 as an end, a service whose completion others await. Mended by: a person: each start ends the \
             same way.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let look = case.look.as_ref()?;
    let policy = look.definition.restart_policy;
    let kept_running =
        !case.runner.is_engine() || matches!(policy, RestartPolicy::Always | RestartPolicy::UnlessStopped);
    if exit_code(case)? != 0 || was_signalled(case) || clean_exit::judge(case).is_some() || !kept_running {
        return None;
    }
    let whose = match case.runner {
        Runner::Engine => "a container lives",
        Runner::Healer => "healer watches",
        Runner::Systemd => "systemd watches",
    };
    (lived(case)? < RAN_WELL).then(|| Finding {
        title: "its main process ends as soon as it is started, without an error".to_owned(),
        confidence: if look.restarts > 0 { Confidence::Sure } else { Confidence::Likely },
        because: format!(
            "exit code 0, of a service that is to be kept running: it may put itself into the background, and {whose} \
             no longer than its main process"
        ),
        mend: Mend::Person,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::fact::{Definition, Exit, Look, Run, SourceTime, What};

    use super::super::cases::{case, definition, look};
    use super::*;

    #[test]
    fn only_what_ends_well_at_its_start_and_is_to_be_kept_running_ends_at_its_start() {
        let ended = |policy, code, after_s: i64| {
            let made = Arc::new(Definition { restart_policy: policy, ..definition() });
            let exit = Exit { at: SourceTime(1 + after_s * 1_000_000_000), ..look(Run::Exited, code).exit.unwrap() };
            Look { at: SourceTime(i64::MAX), exit: Some(exit), definition: made, ..look(Run::Restarting, code) }
        };
        let of = |look: Look| {
            let code = look.exit.as_ref().map_or(0, |exit| exit.code);
            case(&[What::Died { code }], Some(look))
        };
        let always = RestartPolicy::Always;
        let stopped = What::Signalled { signal: 15, terminating: true };
        let signalled = case(&[stopped, What::Died { code: 0 }], Some(ended(always, 0, 1)));
        let again = of(Look { restarts: 1, ..ended(always, 0, 1) });
        let (sure, likely) = (Some(Confidence::Sure), Some(Confidence::Likely));
        let table = [
            ("it goes into the background", of(ended(always, 0, 1)), likely),
            ("and again", again, sure),
            ("unless it is stopped", of(ended(RestartPolicy::UnlessStopped, 0, 1)), likely),
            ("it ran for a while", of(ended(always, 0, 90)), None),
            ("an error", of(ended(always, 1, 1)), None),
            ("0 is its end", of(ended(RestartPolicy::OnFailure(0), 0, 1)), None),
            ("others await its completion", Case { is_job: true, ..of(ended(always, 0, 1)) }, None),
            ("it was told to end", signalled, None),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).map(|finding| finding.confidence), expect, "{name}");
        }
    }
}
