//! An image that a deploy changed behind its name, and that does not run: healer asks, and puts the one of before back.

use std::fs;
use std::time::{Duration, Instant};

use crate::heals::{causes, told};
use crate::rig::{Rig, SOON, wait_for};

/// What runs for so long is well.
const WELL_AFTER: Duration = Duration::from_secs(61);
/// A deploy is over once nothing more of it was seen for so long.
const DEPLOY_QUIET: Duration = Duration::from_secs(60);
const IMAGE: &str = "healer-test-put-back:1";

/// Makes the image's name mean one that serves by this script.
fn builds(rig: &Rig, serves: &str) {
    let makes = format!("printf '#!/bin/sh\n{serves}\n' > /serve; chmod +x /serve");
    rig.engine.docker(&["run", "--name", "put-back", "healer-test:1", "sh", "-c", &makes]);
    rig.engine.docker(&["commit", "put-back", IMAGE]);
    rig.engine.docker(&["rm", "put-back"]);
}

fn deploys(rig: &Rig) {
    let up = rig.compose(&["up", "-d"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
}

#[test]
fn an_image_that_a_deploy_broke_behind_its_name_is_put_back_once_a_person_says_so() {
    let Some(mut rig) = Rig::bare("putback", "budgets: {stability: 2s}\n") else { return };
    builds(&rig, "trap \"exit 0\" TERM; while sleep 0.1; do :; done");
    let folder = rig.project_folder("putback");
    fs::create_dir_all(&folder).expect("the folder is ours");
    let compose = format!("version: '2.4'\nservices: {{web: {{image: '{IMAGE}', command: [/serve]}}}}\n");
    fs::write(folder.join("docker-compose.yml"), compose).expect("the folder is ours");
    deploys(&rig);
    rig.start_healer(&["web"]);
    let good = rig.engine.docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE]);
    let since = Instant::now();
    wait_for("it has been well for a minute", WELL_AFTER * 2, || (since.elapsed() >= WELL_AFTER).then_some(()));
    builds(&rig, "echo required environment variable LEDGER is not set; exit 1");
    deploys(&rig);
    let asks = rig.wait_for_phase("web", "awaiting_approval", SOON + DEPLOY_QUIET);
    assert_eq!(causes(&rig, "web").last().map(String::as_str), Some("broken_by_deploy"));
    assert_ne!(rig.container("web").status, "running", "nothing is put back unasked");
    wait_for("the message says what is asked", SOON, || {
        let says = |body: &str| body.contains("which healer-test-put-back:1 meant before");
        rig.hook.taken().iter().any(|told| says(&told.json().to_string())).then_some(())
    });
    let said = rig.healer.run(&["approve", &asks.id.to_string()]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    rig.wait_until_healed("web");
    assert_eq!(rig.engine.docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE]), good);
    let why = told(&rig.healer.why("putback/web"));
    assert!(why.contains("deployed anew: image healer-test-put-back:1, which was"), "{why}");
}
