//! What shares the network of another follows that: it is not left in the namespace of a process that is gone.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use model::intent::Wanted;
use model::view::Standing;

use crate::docker::kill_from_the_host;
use crate::heals::{causes, told};
use crate::rig::{Rig, SOON, Service, wait_for};

/// A deploy is over once nothing more of it was seen for so long.
const DEPLOY_QUIET: Duration = Duration::from_secs(60);

/// The network namespace in which a service's main process lives.
fn network_of(rig: &Rig, service: &str) -> Option<PathBuf> {
    let pid = rig.container(service).pid;
    fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

fn shares_again(rig: &Rig) {
    wait_for("both are in one network again", SOON, || {
        let (gate, leech) = (network_of(rig, "gate")?, network_of(rig, "leech")?);
        (gate == leech).then_some(())
    });
}

fn vpn(project: &str) -> Option<Rig> {
    let leech = Service::web("leech").with("network_mode: \"service:gate\"");
    let mut rig = Rig::with_settings(project, &[Service::web("gate"), leech], "budgets: {stability: 2s}\n")?;
    rig.start_healer(&["gate", "leech"]);
    assert_eq!(network_of(&rig, "gate"), network_of(&rig, "leech"), "that is what network_mode means");
    Some(rig)
}

#[test]
fn what_shares_the_network_of_what_healer_started_anew_follows_it() {
    let Some(rig) = vpn("gone") else { return };
    let leech = rig.container("leech");
    kill_from_the_host(rig.container("gate").pid);
    rig.wait_until_healed("gate");
    rig.wait_until_healed("leech");
    shares_again(&rig);
    assert_eq!(causes(&rig, "leech").last().map(String::as_str), Some("dead_network"));
    assert_eq!(rig.container("leech").id, leech.id);
}

#[test]
fn what_shares_the_network_of_what_a_person_restarted_follows_it() {
    let Some(rig) = vpn("again") else { return };
    let before = network_of(&rig, "leech");
    rig.engine.docker(&["restart", "--time", "1", &rig.container("gate").id]);
    rig.wait_until_healed("leech");
    shares_again(&rig);
    assert_ne!(network_of(&rig, "leech"), before, "the engine had left it in the dead one");
}

#[test]
fn what_names_a_container_that_was_made_anew_is_made_anew_too_unless_its_file_was_edited() {
    let shares = |name| Service::web(name).with("network_mode: \"service:gate\"");
    let services = [Service::web("gate"), shares("leech"), shares("mole")];
    let Some(mut rig) = Rig::with_settings("made", &services, "budgets: {stability: 2s}\n") else { return };
    rig.start_healer(&["gate", "leech", "mole"]);
    let [leech, mole] = ["leech", "mole"].map(|name| rig.container(name).id);
    let edited = shares("mole").with("environment: [UNFINISHED=1]");
    rig.write_project("made", &[Service::web("gate"), shares("leech"), edited]);
    assert!(rig.compose(&["up", "-d", "--no-deps", "--force-recreate", "gate"]).status.success());

    rig.wait_for_phase("leech", "resolved", DEPLOY_QUIET + SOON);
    shares_again(&rig);
    assert_ne!(rig.container("leech").id, leech);
    let why = told(&rig.healer.why(&rig.short("leech")));
    assert!(why.contains("recreate allowed"), "{why}");
    assert!(!why.contains("somebody started it"), "{why}");

    rig.wait_for_resource("mole", |resource| resource.standing == Standing::NeedsYou);
    assert_eq!(rig.container("mole").id, mole, "nobody ships an unfinished edit");
    let why = told(&rig.healer.why(&rig.short("mole")));
    assert!(why.contains("must be made anew too") && why.contains("would make something else of it"), "{why}");
    // Who does it knows what they do.
    assert!(rig.compose(&["up", "-d", "--no-deps", "--force-recreate", "mole"]).status.success());
    rig.wait_for_resource("mole", |resource| resource.standing == Standing::Well);
}

#[test]
fn what_was_half_made_anew_when_healer_was_killed_is_made_anew_by_the_next_one() {
    let leech = Service::stubborn("leech").with("network_mode: \"service:gate\"");
    let Some(mut rig) = Rig::with_settings("half", &[Service::web("gate"), leech], "budgets: {stability: 2s}\n") else {
        return;
    };
    // Nobody watches while the gate is made anew: what it shares its network with is told by the files alone.
    assert!(rig.compose(&["up", "-d", "--no-deps", "--force-recreate", "gate"]).status.success());
    let before = rig.container("leech");
    rig.start_healer(&["gate", "leech"]);
    wait_for("Compose stops the old one", SOON, || (rig.count(&before, "kill") > 0).then_some(()));
    rig.healer.kill();
    rig.tell("leech", "end");
    wait_for("the old one has ended", SOON, || (rig.count(&before, "die") > 0).then_some(()));
    rig.healer.start();
    rig.wait_for_phase("leech", "resolved", SOON);
    shares_again(&rig);
    assert_ne!(rig.container("leech").id, before.id);
    assert_eq!(rig.resource("leech").and_then(|leech| leech.intent).map(|intent| intent.wanted), Some(Wanted::Running));
}
