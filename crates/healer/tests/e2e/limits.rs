//! What does not help is not repeated for ever: attempts, waits, and one call for a person.

use std::time::Duration;

use model::action::Action;
use model::event::{Entry, Event};
use model::incident::Verification;
use model::view::Standing;

use crate::heals::told;
use crate::rig::{Rig, SOON, Service, wait_for};

/// Three attempts wait 0, 10 and 40 s; jitter and the verdicts come on top.
const LOOP_WITHIN: Duration = Duration::from_secs(150);

/// Whether this allowed a start.
pub(crate) fn starts_it(event: &Event) -> bool {
    matches!(event, Event::ActionStarted { permit, .. } if permit.step.action == Action::Start)
}

/// The moments of the starts that were allowed, and of the verdicts that they failed, on healer's clock in seconds.
fn starts_and_verdicts(journal: &[Entry]) -> (Vec<f64>, Vec<f64>) {
    let seconds = |entry: &Entry| entry.at.tick.0 as f64 / 1000.0;
    let mut starts = Vec::new();
    let mut verdicts = Vec::new();
    for entry in journal {
        if starts_it(&entry.event) {
            starts.push(seconds(entry));
        } else if matches!(&entry.event, Event::Verified { result: Verification::Failed, .. }) {
            verdicts.push(seconds(entry));
        }
    }
    (starts, verdicts)
}

#[test]
fn a_crash_loop_gets_three_attempts_with_growing_waits_and_then_a_person() {
    let Some(mut rig) = Rig::new("loop", &[Service::web("web"), Service::web("canary")]) else { return };
    rig.start_healer(&["web", "canary"]);
    rig.tell("web", "broken");
    let incident = rig.wait_for_phase("web", "escalated", LOOP_WITHIN);
    assert_eq!(incident.attempts, 3, "{incident:?}");

    let (starts, verdicts) = starts_and_verdicts(&rig.journal_of("web"));
    assert_eq!((starts.len(), verdicts.len()), (3, 3));
    let waits = [starts[1] - verdicts[0], starts[2] - verdicts[1]];
    assert!((7.0..=16.0).contains(&waits[0]), "the second attempt waits about 10 s: {waits:?}");
    assert!((28.0..=61.0).contains(&waits[1]), "the third attempt waits about 40 s: {waits:?}");

    let container = rig.container("web");
    wait_for("the recorder has seen all starts", SOON, || (rig.starts(&container) == 4).then_some(()));
    wait_for("the call arrives", SOON, || rig.hook.of_kind("escalated").pop());
    rig.prove_it_is_awake("canary");
    assert_eq!((rig.starts(&container), rig.hook.of_kind("escalated").len()), (4, 1), "it is left, and told once");
    let why = told(&rig.healer.why(&rig.short("web")));
    assert!(why.contains("schema version 7 is newer than 6"), "{why}");
    assert_eq!(rig.resource("web").expect("healer knows it").standing, Standing::NeedsYou);

    // A person mends the cause and says so: it begins anew.
    rig.untell("web", "broken");
    assert!(rig.healer.run(&["start", &rig.short("web")]).status.success());
    rig.wait_for_container("web", |container| container.status == "running");
    rig.wait_for_phase("web", "resolved", SOON);
}

#[test]
fn a_service_that_could_not_be_started_when_it_was_deployed_is_shown_and_not_hammered() {
    let Some(mut rig) = Rig::new("bad", &[Service::web("canary")]) else { return };
    rig.start_healer(&["canary"]);
    rig.write_project("bad", &[Service::web("canary"), Service::running("web", &["/no/such/program"])]);
    assert!(!rig.compose(&["up", "-d", "web"]).status.success(), "Compose itself says that it failed");
    let container = rig.container("web");
    assert_eq!((container.status.as_str(), container.exit_code), ("created", 127));
    assert!(container.error.contains("no such file"), "{container:?}");

    rig.wait_for_resource("web", |resource| resource.standing == Standing::NeedsYou);
    wait_for("the call arrives", LOOP_WITHIN, || rig.hook.of_kind("escalated").pop());
    rig.prove_it_is_awake("canary");
    let why = told(&rig.healer.why(&rig.short("web")));
    assert!(why.contains("no such file"), "{why}");
    let (starts, _) = starts_and_verdicts(&rig.journal_of("web"));
    assert!(starts.len() <= 3, "hammered: {starts:?}");
    assert_eq!(rig.starts(&rig.container("web")), 0);
}

#[test]
fn a_service_whose_start_fails_after_a_crash_is_escalated_within_its_budget() {
    let program = Service::running("web", &["/t/program"]);
    let Some(mut rig) = Rig::bare("lost", "") else { return };
    rig.write_project("lost", &[program]);
    let path = rig.project_folder("lost").join("t/program");
    let script = "#!/bin/sh\nwhile sleep 0.1; do [ -f /t/web-crash ] && exit 3; done\n";
    std::fs::write(&path, script).expect("the folder is ours");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("the folder is ours");
    assert!(rig.compose(&["up", "-d"]).status.success());
    rig.start_healer(&["web"]);
    std::fs::remove_file(&path).expect("it was there");
    rig.tell("web", "crash");
    let incident = rig.wait_for_phase("web", "escalated", LOOP_WITHIN);
    assert!(incident.attempts <= 3, "{incident:?}");
    wait_for("the call arrives", SOON, || rig.hook.of_kind("escalated").pop());
    let (starts, _) = starts_and_verdicts(&rig.journal_of("web"));
    assert!(starts.len() <= 3, "hammered: {starts:?}");
    let why = told(&rig.healer.why(&rig.short("web")));
    assert!(why.contains("no such file"), "{why}");
}
