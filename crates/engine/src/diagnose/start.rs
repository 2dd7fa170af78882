//! Why the engine could not start it, by the engine's own words: each of these is known, all others are
//! [`super::cannot_start`]'s.

pub(super) mod command_missing;
pub(super) mod device_missing;
pub(super) mod engines_disk_full;
pub(super) mod left_over;
pub(super) mod mount_mismatch;
pub(super) mod mount_missing;
pub(super) mod network_missing;
pub(super) mod network_parent_down;
pub(super) mod not_executable;
pub(super) mod port_taken;
pub(super) mod user_unknown;

use model::complaint::StartError;
use model::incident::{Case, Confidence, Mend};

use super::{Finding, look_at_end};

/// The finding that the engine refused the last start for this reason.
pub(super) fn failed_by(case: &Case, is: fn(&StartError) -> bool, mend: Mend) -> Option<Finding> {
    let exit = look_at_end(case)?.exit.as_ref()?;
    let error = exit.start_error.as_ref().filter(|error| is(error))?;
    let (why, because) = if !case.runner.is_engine() {
        (exit.error.clone(), "its last start failed so".to_owned())
    } else {
        (error.to_string(), format!("the engine says so, with exit code {}", exit.code))
    };
    Some(Finding { title: format!("it cannot start: {why}"), confidence: Confidence::Sure, because, mend })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::ResourceId;
    use model::fact::{Exit, Look, Run, What};

    use super::super::cases::{case, look};
    use super::super::diagnose;
    use super::*;

    fn refused(error: Option<StartError>) -> Look {
        let seen = look(Run::Created, 128);
        let exit = seen.exit.clone().map(|exit| Exit { error: "no".to_owned(), start_error: error, ..exit });
        Look { started: None, exit, ..seen }
    }

    #[test]
    fn every_reason_has_a_cause_of_its_own() {
        let text = String::new;
        let all = [
            StartError::PortTaken { port: 80, by: None, held_by: None },
            StartError::MountSourceMissing { path: None, for_good: false },
            StartError::MountMismatch { path: None },
            StartError::NetworkMissing { network: text() },
            StartError::NetworkParentDown,
            StartError::LeftOver,
            StartError::CommandNotFound { command: text() },
            StartError::NotExecutable { command: text() },
            StartError::WrongArchitecture,
            StartError::UserUnknown { user: text() },
            StartError::DeviceMissing { path: text() },
            StartError::NoSpace,
        ];
        let cause = |error: Option<StartError>| diagnose(&case(&[], Some(refused(error))), Vec::new()).cause;
        let causes: BTreeSet<_> = all.iter().map(|error| cause(Some(error.clone()))).collect();
        assert_eq!(causes.len(), all.len(), "{causes:?}");
        assert!(!causes.contains("cannot_start"), "{causes:?}");
        assert_eq!(cause(None), "cannot_start");
    }

    #[test]
    fn a_start_is_in_vain_only_where_it_is_sure_that_nothing_comes_back() {
        let given = |error| case(&[], Some(refused(Some(error))));
        let mount = |for_good| given(StartError::MountSourceMissing { path: None, for_good });
        let port = || given(StartError::PortTaken { port: 80, by: None, held_by: None });
        let kept = Case { port_kept_by: Some(ResourceId::docker("h", "shop", "app", 1)), ..port() };
        let table = [
            ("a mount may come", mount(false), Mend::Start),
            ("nobody puts it there", mount(true), Mend::Person),
            ("a port may be let go of", port(), Mend::Start),
            ("another keeps it", kept, Mend::Person),
        ];
        for (name, given, mend) in table {
            assert_eq!(diagnose(&given, Vec::new()).mend, mend, "{name}");
        }
    }

    #[test]
    fn what_ran_did_start() {
        let ran = case(&[What::Died { code: 127 }], Some(look(Run::Exited, 127)));
        assert_eq!(failed_by(&ran, |_| true, Mend::Person), None);
    }
}
