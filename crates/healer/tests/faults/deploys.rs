//! Deploys of what does not run, in the place of what did.

use std::time::{Duration, Instant};

use crate::fault::{Fault, Make, USUAL};
use crate::rig::wait_for;

/// What runs for so long is well: healer counts from its first sight.
const WELL_AFTER: Duration = Duration::from_secs(61);

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "deployedwithoutvariable",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test:1', environment: {LEDGER: here}, command: [sh, -c, \
                  \"[ -n \\\"$$LEDGER\\\" ] || { echo 'LEDGER: required environment variable is not set'; exit 1; }; \
                  while sleep 0.1; do :; done\"]}}\n",
        make: Make::Then(|scene| {
            stays_well();
            let without = scene.compose_text().replace("LEDGER: here", "LEDGER: ''");
            scene.write_compose(&without);
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("broken_by_deploy"),
        ..USUAL
    },
    Fault {
        name: "deployedotherimage",
        compose: "version: '2.4'\nservices: {web: {image: 'healer-test-deployed:1', command: [/serve]}}\n",
        make: Make::Instead(|scene| {
            let made = "printf '#!/bin/sh\\nwhile sleep 0.1; do :; done\\n' > /serve; chmod +x /serve";
            scene.docker(&["run", "--name", "healer-test-made", "healer-test:1", "sh", "-c", made]);
            scene.docker(&["commit", "healer-test-made", "healer-test-deployed:1"]);
            scene.docker(&["rm", "healer-test-made"]);
            scene.compose(&["up", "-d"]);
            scene.wait_until_seen();
            stays_well();
            // The next one was built without what it is to run.
            scene.docker(&["tag", "healer-test:1", "healer-test-deployed:1"]);
            scene.compose(&["up", "-d"]);
        }),
        cause: Some("broken_by_deploy"),
        ..USUAL
    },
];

fn stays_well() {
    let since = Instant::now();
    wait_for("it has been well for a minute", WELL_AFTER * 2, || (since.elapsed() >= WELL_AFTER).then_some(()));
}
