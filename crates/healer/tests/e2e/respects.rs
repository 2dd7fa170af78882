//! What somebody stopped on purpose stays stopped, and healer says on what evidence.
//!
//! That healer does nothing is shown without waiting for nothing: another service crashes afterwards and is healed, so
//! healer was awake, saw what came later, and acted on that.

use model::intent::{Author, Wanted};
use model::view::Standing;
use serde_json::Value;

use crate::heals::told;
use crate::rig::{Rig, SOON, Service, wait_for};

/// Ends `web` in some way that means "stay down", and checks that it does, with one start ever.
fn stays_down_after(project: &str, end: impl FnOnce(&Rig)) {
    let Some(mut rig) = Rig::new(project, &[Service::web("web"), Service::web("canary")]) else { return };
    rig.start_healer(&["web", "canary"]);
    end(&rig);
    rig.wait_for_container("web", |container| container.status == "exited");
    let resource = rig.wait_for_standing("web", Standing::Stopped);
    let intent = resource.intent.expect("it was seen");
    assert_eq!((intent.wanted, intent.by), (Wanted::Stopped, Author::SomebodyAtTheEngine));
    rig.prove_it_is_awake("canary");
    let container = rig.container("web");
    assert_eq!((container.status.as_str(), rig.starts(&container)), ("exited", 1));
    let why = told(&rig.healer.why(&rig.short("web"))).to_lowercase();
    assert!(why.contains("stopped") || why.contains("on purpose"), "{why}");
    let about_web = rig.hook.taken().into_iter().filter(|taken| taken.json()["resource"] == resource.id.as_str());
    assert_eq!(about_web.count(), 0, "nobody is told of what was meant");
    assert_eq!(rig.healer.items("/api/v1/alerts"), [] as [Value; 0], "what is meant is no alert");
}

#[test]
fn docker_stop_is_respected() {
    stays_down_after("stop", |rig| {
        rig.engine.docker(&["stop", &rig.container("web").id]);
    });
}

#[test]
fn docker_kill_is_respected() {
    stays_down_after("kill", |rig| {
        rig.engine.docker(&["kill", &rig.container("web").id]);
    });
}

#[test]
fn compose_stop_is_respected() {
    stays_down_after("cstop", |rig| {
        assert!(rig.compose(&["stop", "web"]).status.success());
    });
}

#[test]
fn somebodys_start_makes_a_stopped_service_healers_again() {
    let Some(mut rig) = Rig::new("again", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    rig.engine.docker(&["stop", &rig.container("web").id]);
    rig.wait_for_standing("web", Standing::Stopped);
    rig.engine.docker(&["start", &rig.container("web").id]);
    rig.wait_for_standing("web", Standing::Well);
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
}

#[test]
fn a_job_that_ended_well_is_not_run_again() {
    let job = Service::running("job", &["sh", "-c", "echo migrated; exit 0"]).with("restart: \"no\"");
    let Some(mut rig) = Rig::with_settings("job", &[Service::web("canary")], "") else { return };
    rig.start_healer(&["canary"]);
    rig.write_project("job", &[Service::web("canary"), job]);
    assert!(rig.compose(&["up", "-d", "job"]).status.success());
    rig.wait_for_container("job", |container| container.status == "exited");
    rig.wait_for_standing("job", Standing::Done);
    rig.prove_it_is_awake("canary");
    let job = rig.container("job");
    assert_eq!((job.status.as_str(), job.exit_code, rig.starts(&job)), ("exited", 0, 1));
    assert!(rig.incidents("job").iter().all(|incident| incident.phase == "resolved"));
}

#[test]
fn what_is_excluded_or_no_compose_service_is_never_touched() {
    let settings = "exclude: [{label: healer.platform/exclude=true}]\n";
    let left_alone = Service::web("web").with("labels: {healer.platform/exclude: \"true\"}");
    let Some(mut rig) = Rig::with_settings("excl", &[left_alone, Service::web("canary")], settings) else { return };
    let lone = rig.engine.docker(&["run", "-d", "healer-test:1", "sh", "-c", "sleep 2; exit 7"]).trim().to_owned();
    rig.start_healer(&["web", "canary"]);
    rig.tell("web", "crash");
    rig.wait_for_container("web", |container| container.status == "exited");
    wait_for("the lone container has ended", SOON, || (rig.events.count(&lone, "die") == 1).then_some(()));
    rig.prove_it_is_awake("canary");
    let web = rig.container("web");
    assert_eq!((web.status.as_str(), rig.starts(&web)), ("exited", 1));
    assert_eq!(rig.events.count(&lone, "start"), 1);
}

#[test]
fn a_freeze_holds_every_repair_until_the_thaw() {
    let Some(mut rig) = Rig::new("freeze", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    assert!(rig.healer.run(&["freeze"]).status.success());
    assert!(rig.healer.status().frozen.is_some());
    rig.tell("web", "crash");
    let held = rig.wait_for_phase("web", "held", SOON);
    assert!(held.why.to_lowercase().contains("fr"), "{held:?}");
    let container = rig.container("web");
    assert_eq!((container.status.as_str(), rig.starts(&container)), ("exited", 1));
    assert!(rig.healer.run(&["thaw"]).status.success());
    rig.wait_until_healed("web");
}

#[test]
fn what_is_already_dead_can_be_kept_down_by_telling_healer() {
    let Some(mut rig) = Rig::new("dead", &[Service::web("web"), Service::web("canary")]) else { return };
    rig.start_healer(&["web", "canary"]);
    assert!(rig.healer.run(&["freeze"]).status.success());
    rig.tell("web", "crash");
    rig.wait_for_phase("web", "held", SOON);
    assert!(rig.healer.run(&["stop", &rig.short("web")]).status.success());
    rig.wait_for_phase("web", "resolved", SOON);
    assert!(rig.healer.run(&["thaw"]).status.success());
    rig.prove_it_is_awake("canary");
    let web = rig.container("web");
    assert_eq!((web.status.as_str(), rig.starts(&web)), ("exited", 1));
}

#[test]
fn a_deploy_whose_new_container_cannot_start_is_nobodys_stop() {
    let Some(mut rig) = Rig::new("redeploy", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    rig.write_project("redeploy", &[Service::running("web", &["/no/such"])]);
    assert!(!rig.compose(&["up", "-d"]).status.success(), "the new one cannot start");
    // Whether it heard of each event or of all at once: the stop of the old one is no wish, and the new one is what is ill.
    let resource = wait_for("healer knows that it shall run, and what keeps it from that", SOON, || {
        let resource = rig.resource("web")?;
        let wanted = resource.intent.clone()?.wanted;
        (wanted == Wanted::Running && resource.why.contains("there is no /no/such")).then_some(resource)
    });
    assert_ne!(resource.standing, Standing::Stopped, "{resource:?}");
    wait_for("it is an alert", SOON, || (!rig.healer.items("/api/v1/alerts").is_empty()).then_some(()));
    assert_eq!(rig.healer.run(&["status", "--check"]).status.code(), Some(1));
}
