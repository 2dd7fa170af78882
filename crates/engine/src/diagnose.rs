//! The catalogue of causes: rules over typed facts. A cause never parses a string.
//!
//! Each cause is one file that says what proves it, what refutes it and what mends it. "Nothing wrong" and "cannot tell"
//! are answers. The surest one that holds is taken; among equals the one that stands first in the list.

mod broken_by_deploy;
mod cannot_start;
mod cannot_tell;
mod check_broken;
mod clean_exit;
mod crash;
mod dead_network;
pub(crate) mod dependency_down;
mod ended_by_itself;
mod ends_at_its_start;
mod engine_stopped;
mod file_system_full;
pub(crate) mod interrupted_restart;
mod killed_by_host;
pub(crate) mod never_started;
mod oom_main;
mod probe;
mod restarted;
pub(crate) mod said;
mod start;
mod unhealthy;
mod wrong_architecture;

use std::collections::BTreeMap;

use model::fact::{Look, Run, SourceTime, What};
use model::incident::{Case, Confidence, Diagnosis, EvidenceId, Mend};

/// A cause.
pub struct Cause {
    /// Its name in the journal and in messages.
    pub name: &'static str,
    /// What policies call it.
    pub issue_type: &'static str,
    /// What a deploy must have changed to bring it about.
    pub brought_by: BroughtBy,
    /// What proves it, what refutes it, what mends it: its page of the manual.
    pub manual: &'static str,
    /// Whether the facts show it.
    pub judge: fn(&Case) -> Option<Finding>,
}

/// Which part of what a service is made of may bring a cause about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroughtBy {
    /// None: it lies outside of the service.
    Nothing,
    /// The image.
    Image,
    /// How the image is run: command, variables, mounts, ports, limits.
    Configuration,
    /// Either.
    Either,
}

/// What a cause says of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The cause in words, with its particulars.
    pub title: String,
    /// How sure.
    pub confidence: Confidence,
    /// What it was told from.
    pub because: String,
    /// What mends it.
    pub mend: Mend,
}

/// All causes, in the order in which equals are preferred. A new one is a file and a line here.
pub const CATALOGUE: &[Cause] = &[
    // As sure as what it shows: the deploy that brought that is the better answer.
    broken_by_deploy::CAUSE,
    // However it ended: no start helps while that is so.
    dead_network::CAUSE,
    file_system_full::CAUSE,
    probe::unreachable::CAUSE,
    probe::lagging::CAUSE,
    probe::beyond::CAUSE,
    probe::wrong::CAUSE,
    start::network_missing::CAUSE,
    oom_main::CAUSE,
    start::port_taken::CAUSE,
    start::mount_missing::CAUSE,
    start::mount_mismatch::CAUSE,
    start::network_parent_down::CAUSE,
    start::left_over::CAUSE,
    start::command_missing::CAUSE,
    start::not_executable::CAUSE,
    start::user_unknown::CAUSE,
    start::device_missing::CAUSE,
    start::engines_disk_full::CAUSE,
    wrong_architecture::CAUSE,
    cannot_start::CAUSE,
    never_started::CAUSE,
    interrupted_restart::CAUSE,
    restarted::CAUSE,
    clean_exit::CAUSE,
    ends_at_its_start::CAUSE,
    killed_by_host::CAUSE,
    said::variable_missing::CAUSE,
    said::config_invalid::CAUSE,
    said::clock_wrong::CAUSE,
    said::not_let_in::CAUSE,
    said::data_of_another_version::CAUSE,
    said::migration_failed::CAUSE,
    said::module_missing::CAUSE,
    said::permission_denied::CAUSE,
    said::read_only::CAUSE,
    said::disk_full::CAUSE,
    said::too_many_files::CAUSE,
    said::too_many_processes::CAUSE,
    said::file_missing::CAUSE,
    said::address_in_use::CAUSE,
    said::memory_used_up::CAUSE,
    said::certificate_refused::CAUSE,
    // Who is refused by what is down needs that, and not a start.
    dependency_down::CAUSE,
    said::name_unknown::CAUSE,
    said::connection_refused::CAUSE,
    crash::CAUSE,
    ended_by_itself::CAUSE,
    check_broken::CAUSE,
    unhealthy::CAUSE,
    engine_stopped::CAUSE,
    cannot_tell::CAUSE,
];

/// What policies can name: each issue type with the causes that are called so, as the causes themselves declare it.
#[must_use]
pub fn issue_types() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for cause in CATALOGUE {
        types.entry(cause.issue_type).or_default().push(cause.name);
    }
    types
}

/// What policies call an incident of which nobody has said yet what it is.
pub(crate) const NOT_DIAGNOSED: &str = cannot_tell::CAUSE.issue_type;

/// What mends whatever is called so, where that is the same whatever the case: a job that is done needs nothing, and what
/// nobody can tell is a person's.
pub(crate) fn usual_mend(issue_type: &str) -> Option<Mend> {
    if issue_type == clean_exit::CAUSE.issue_type {
        return Some(Mend::Nothing);
    }
    (issue_type == NOT_DIAGNOSED).then(|| cannot_tell::finding().mend)
}

/// What the rules say of a case. `cites`: the evidence that stands for it.
#[must_use]
pub fn diagnose(case: &Case, cites: Vec<EvidenceId>) -> Diagnosis {
    // `cannot_tell` always holds.
    let (cause, finding) = surest(case, |_| true).unwrap_or_else(|| (&cannot_tell::CAUSE, cannot_tell::finding()));
    // A job is never rerun, however it ended.
    let mend = match finding.mend {
        Mend::Start | Mend::MoreMemory | Mend::Restart | Mend::Rejoin | Mend::Recreate | Mend::RollBack
            if case.is_job =>
        {
            Mend::Person
        }
        mend @ (Mend::Start
        | Mend::MoreMemory
        | Mend::Restart
        | Mend::Rejoin
        | Mend::Recreate
        | Mend::RollBack
        | Mend::FreeSpace
        | Mend::Nothing
        | Mend::Person) => mend,
    };
    Diagnosis {
        cause: cause.name.to_owned(),
        title: finding.title,
        issue_type: cause.issue_type.to_owned(),
        confidence: finding.confidence,
        evidence: cites,
        because: finding.because,
        mend,
    }
}

/// The surest of these causes that holds; among equals the first.
fn surest(case: &Case, among: impl Fn(&Cause) -> bool) -> Option<(&'static Cause, Finding)> {
    let mut best: Option<(&Cause, Finding)> = None;
    for cause in CATALOGUE.iter().filter(|cause| among(cause)) {
        let Some(finding) = (cause.judge)(case) else { continue };
        if best.as_ref().is_none_or(|(_, so_far)| finding.confidence > so_far.confidence) {
            best = Some((cause, finding));
        }
    }
    best
}

/// A finding about a taken port, in the light of who has it: what another service keeps no start gets.
fn while_kept(case: &Case, finding: Finding) -> Finding {
    let Some(other) = &case.port_kept_by else { return finding };
    let because = format!("{}; {} has it, and shall run, too", finding.because, other.short());
    Finding { because, mend: Mend::Person, ..finding }
}

/// The exit code of the case, if the main process ended.
pub(crate) fn exit_code(case: &Case) -> Option<i32> {
    // The look knows better: a dead shim makes the event say 255 where the process ended with 137.
    let looked = look_at_end(case).and_then(|look| look.exit.as_ref());
    looked.map(|exit| exit.code).or(last_death(case).map(|(_, code)| code))
}

/// The look that shows the end that a case is about. One that was taken before that tells of an earlier end.
pub(crate) fn look_at_end(case: &Case) -> Option<&Look> {
    let died = last_death(case).map(|(at, _)| at);
    let down = |look: &&Look| !matches!(look.run, Run::Running | Run::Paused);
    case.look.as_ref().filter(down).filter(|look| Some(look.at) >= died)
}

/// When the main process ended last, as an event told, and with which code.
pub(crate) fn last_death(case: &Case) -> Option<(SourceTime, i32)> {
    case.happenings.iter().rev().find_map(|happening| match happening.what {
        What::Died { code } => Some((happening.at, code)),
        What::Created
        | What::Started
        | What::Signalled { .. }
        | What::Stopped
        | What::Restarted
        | What::OutOfMemory
        | What::Paused
        | What::Unpaused
        | What::Health(_)
        | What::Renamed { .. }
        | What::Updated
        | What::Attached
        | What::Destroyed => None,
    })
}

/// Whether somebody asked through the API that it end.
pub(crate) fn was_signalled(case: &Case) -> bool {
    case.happenings.iter().any(|happening| matches!(happening.what, What::Signalled { terminating: true, .. }))
}

/// Whether the engine reported that a process of it was killed for want of memory.
pub(crate) fn oom_event(case: &Case) -> bool {
    case.happenings.iter().any(|happening| happening.what == What::OutOfMemory)
}

/// Whether the engine notes an OOM kill of the container.
pub(crate) fn oom_flag(case: &Case) -> Option<bool> {
    look_at_end(case).and_then(|look| look.exit.as_ref()).map(|exit| exit.oom)
}

/// Why a start failed, if it did.
pub(crate) fn start_error(case: &Case) -> Option<(i32, &str)> {
    let exit = look_at_end(case)?.exit.as_ref()?;
    (!exit.error.is_empty()).then_some((exit.code, exit.error.as_str()))
}

/// Builds cases for the causes' tables, so that those do not know the shapes.
#[cfg(test)]
pub(crate) mod cases {
    use std::sync::Arc;

    use model::alert::Name;
    use model::fact::{
        Belongs, Definition, Exit, Happening, Health, Incarnation, Look, RestartPolicy, Run, SourceTime, What,
    };
    use model::incident::{Case, Runner};

    pub(crate) fn definition() -> Definition {
        Definition {
            name: "shop_web_1".to_owned(),
            image: "shop:1".to_owned(),
            image_id: "sha256:1".to_owned(),
            config_hash: "c1".to_owned(),
            belongs: Belongs::ComposeService,
            restart_policy: RestartPolicy::No,
            depends_on: Vec::new(),
            network_parent: None,
            network_body: None,
            replaces: None,
            is_orphan: false,
            stops_by_kill: false,
            stop_timeout_s: 10,
            memory_limit_bytes: 0,
            anonymous_volume: false,
            removed_at_end: false,
            labels: Default::default(),
            healers_own: None,
            host_paths: Default::default(),
        }
    }

    pub(crate) fn look(run: Run, code: i32) -> Look {
        Look {
            at: SourceTime(100),
            run,
            started: Some(SourceTime(1)),
            exit: Some(Exit { at: SourceTime(9), code, oom: false, error: String::new(), start_error: None }),
            health: Health::Unchecked,
            health_output: String::new(),
            check_lacks: None,
            restarts: 0,
            manually_stopped: None,
            kept: None,
            lost_networks: Vec::new(),
            disk: None,
            probe: None,
            definition: Arc::new(definition()),
        }
    }

    /// A case with these events, and with a look if one is given.
    pub(crate) fn case(events: &[What], look: Option<Look>) -> Case {
        let happenings = (2..).zip(events).map(|(at, what)| Happening { at: SourceTime(at), what: what.clone() });
        Case {
            alerts: vec![Name::ServiceDown],
            incarnation: Incarnation("c".into()),
            look,
            happenings: happenings.collect(),
            log: None,
            is_job: false,
            runner: Runner::Engine,
            ended_by_us: false,
            ended_with: None,
            network: None,
            deploy: None,
            sibling: None,
            port_kept_by: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::fact::{Run, What};
    use std::collections::BTreeSet;

    use super::cases::{case, look};
    use super::*;

    #[test]
    fn every_cause_has_a_name_of_its_own_and_a_manual_with_its_three_parts() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(|cause| cause.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for cause in CATALOGUE {
            for part in ["Proved by:", "Refuted by:", "Mended by:"] {
                assert!(cause.manual.contains(part), "{} lacks {part}", cause.name);
            }
        }
    }

    #[test]
    fn every_cause_is_found_under_its_issue_type_and_nothing_else_is() {
        let types = issue_types();
        let listed: Vec<_> =
            types.iter().flat_map(|(issue, causes)| causes.iter().map(move |it| (*it, *issue))).collect();
        assert_eq!(listed.len(), CATALOGUE.len());
        for cause in CATALOGUE {
            assert!(listed.contains(&(cause.name, cause.issue_type)), "{}", cause.name);
        }
        assert_eq!(types[NOT_DIAGNOSED], ["cannot_tell"]);
    }

    #[test]
    fn what_is_called_none_or_unknown_is_never_acted_on() {
        let types = issue_types();
        for (issue, causes, mend) in
            [("none", vec!["clean_exit"], Mend::Nothing), ("unknown", vec!["cannot_tell"], Mend::Person)]
        {
            // Another cause of that type would have to be asked what mends it.
            assert_eq!((&types[issue], usual_mend(issue)), (&causes, Some(mend)));
        }
        let done = diagnose(&case(&[What::Died { code: 0 }], Some(look(Run::Exited, 0))), Vec::new());
        assert_eq!((done.cause.as_str(), Some(done.mend)), ("clean_exit", usual_mend("none")));
        assert_eq!(usual_mend("service_down"), None);
    }

    #[test]
    fn without_any_fact_the_answer_is_that_it_cannot_be_told() {
        let diagnosis = diagnose(&case(&[], None), Vec::new());
        assert_eq!((diagnosis.cause.as_str(), diagnosis.confidence), ("cannot_tell", Confidence::None));
    }

    #[test]
    fn a_look_at_an_earlier_end_says_nothing_of_this_one() {
        use model::fact::SourceTime;
        let died = What::Died { code: 3 };
        for (taken, expect) in [(1, "crash"), (100, "killed_by_host")] {
            let earlier = model::fact::Look { at: SourceTime(taken), ..look(Run::Exited, 137) };
            assert_eq!(
                diagnose(&case(std::slice::from_ref(&died), Some(earlier)), Vec::new()).cause,
                expect,
                "taken at {taken}"
            );
        }
    }

    #[test]
    fn a_137_alone_is_no_oom() {
        let died = What::Died { code: 137 };
        assert_eq!(diagnose(&case(&[died], Some(look(Run::Exited, 137))), Vec::new()).cause, "killed_by_host");
    }
}
