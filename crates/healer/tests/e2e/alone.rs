//! Two healers on one engine: the second one says so and only watches, until the first one ends.

use std::fs;

use crate::daemon::Healer;
use crate::rig::{Rig, SOON, Service, wait_for};

#[test]
fn of_two_healers_one_heals_and_the_other_says_so_and_follows_when_that_ends() {
    let Some(mut rig) = Rig::new("alone", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    let folder = rig.path().join("second");
    fs::create_dir(&folder).expect("the folder is ours");
    let mut second = Healer::install(&folder, &rig.engine.url, &rig.hook.url(), "");
    second.start();
    let other = format!("another healer (pid {})", rig.healer.pid());
    wait_for("the second one says that it only watches", SOON, || {
        second.status().warnings.iter().any(|warning| warning.contains(&other)).then_some(())
    });
    let why = second.run(&["why", "alone/web"]);
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains(&other), "{why}");

    rig.tell("web", "crash");
    rig.wait_until_healed("web");
    let container = rig.container("web");
    assert_eq!(rig.starts(&container), 2, "the one that was made, and the one that healed");
    assert_eq!(second.incidents().len(), 0, "what another one heals is no incident here");

    rig.healer.kill();
    wait_for("the second one heals from here on", SOON, || second.status().warnings.is_empty().then_some(()));
    rig.tell("web", "crash");
    wait_for("it is healed by the second one", SOON, || {
        second.incidents().iter().any(|incident| incident.status == "succeeded").then_some(())
    });
    assert_eq!(rig.starts(&container), 3);
}
