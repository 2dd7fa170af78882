//! An image that a deploy changed behind its name, and that does not run: healer asks, and puts the one of before back. That
//! goes on where healer was killed in the middle of it, and is taken back where it does not help.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::heals::{causes, told};
use crate::rig::{Rig, SOON, wait_for};

/// What runs for so long is well.
const WELL_AFTER: Duration = Duration::from_secs(61);
/// A deploy is over once nothing more of it was seen for so long.
const DEPLOY_QUIET: Duration = Duration::from_secs(60);
/// A second attempt waits for 10 s.
const ASKED_ANEW_WITHIN: Duration = Duration::from_secs(60);
/// Three deployments that the same befalls: one that is mended, one in the middle of which healer is killed, and one that
/// the image of before does not help either.
const HELPED: &str = "putback";
const STRUCK: &str = "struck";
const IN_VAIN: &str = "invain";
/// Compose, which stands still before it makes anything anew while there is a file `hold` beside the project's.
const COMPOSE: &str = "#!/bin/sh\ncase \"$*\" in *--force-recreate*) [ -f hold ] && touch held; while [ -f hold ]; do sleep \
                       0.1; done ;; esac\nexec docker-compose \"$@\"\n";

fn image(project: &str) -> String {
    format!("healer-test-{project}:1")
}

/// Compose is asked several times before and after it makes something anew, which takes long on a machine that is busy.
const MADE_ANEW_WITHIN: Duration = Duration::from_secs(120);

/// Which image a name, or a container, stands for.
fn stands_for(rig: &Rig, of: &[&str]) -> String {
    rig.engine.docker(&[&["inspect"], of].concat()).trim().to_owned()
}

fn meant(rig: &Rig) -> String {
    stands_for(rig, &["--type", "image", "--format", "{{.Id}}", &image(&rig.project)])
}

fn made_of(rig: &Rig) -> String {
    stands_for(rig, &["--format", "{{.Image}}", &rig.container("web").id])
}

/// Makes the name of a project's image mean one that serves by this script.
fn builds(rig: &Rig, serves: &str) {
    let makes = format!("printf '#!/bin/sh\n{serves}\n' > /serve; chmod +x /serve");
    rig.engine.docker(&["run", "--name", "put-back", "healer-test:1", "sh", "-c", &makes]);
    rig.engine.docker(&["commit", "put-back", &image(&rig.project)]);
    rig.engine.docker(&["rm", "put-back"]);
}

fn deploys(rig: &Rig) {
    let up = rig.compose(&["up", "-d"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
}

/// Brings a project up for the first time, of an image that runs unless its data is of another version.
fn begins(rig: &mut Rig, project: &str) {
    project.clone_into(&mut rig.project);
    let folder = rig.project_folder(project);
    fs::create_dir_all(folder.join("t")).expect("the folder is ours");
    let compose = format!(
        "version: '2.4'\nservices: {{web: {{image: '{}', command: [/serve], volumes: ['./t:/t'], stop_grace_period: 1s}}}}\n",
        image(project)
    );
    fs::write(folder.join("docker-compose.yml"), compose).expect("the folder is ours");
    builds(
        rig,
        "trap \"exit 0\" TERM; [ -f /t/web-newer ] && { echo fatal: schema version 7 is newer than 6; exit 4; }; \
         while sleep 0.1; do :; done",
    );
    deploys(rig);
}

fn approves(rig: &Rig) {
    let asks = rig.incidents("web").pop().expect("it is asked about");
    let said = rig.healer.run(&["approve", &asks.id.to_string()]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_image_that_a_deploy_broke_behind_its_name_is_put_back_and_taken_back_where_that_does_not_help() {
    let Some(mut rig) = Rig::bare(HELPED, "budgets: {stability: 2s}\n") else { return };
    let plugins = rig.path().join(".docker/cli-plugins");
    fs::create_dir_all(&plugins).expect("the folder is ours");
    fs::write(plugins.join("docker-compose"), COMPOSE).expect("the folder is ours");
    fs::set_permissions(plugins.join("docker-compose"), fs::Permissions::from_mode(0o755)).expect("the file is ours");
    for project in [HELPED, STRUCK, IN_VAIN] {
        begins(&mut rig, project);
    }
    rig.healer.start();
    let mut before = Vec::new();
    for project in [HELPED, STRUCK, IN_VAIN] {
        project.clone_into(&mut rig.project);
        rig.wait_for_resource("web", |resource| resource.run.is_some() && resource.intent.is_some());
        before.push(meant(&rig));
    }
    let since = Instant::now();
    wait_for("all have been well for a minute", WELL_AFTER * 2, || (since.elapsed() >= WELL_AFTER).then_some(()));
    for project in [HELPED, STRUCK, IN_VAIN] {
        project.clone_into(&mut rig.project);
        builds(&rig, "echo required environment variable LEDGER is not set; exit 1");
        deploys(&rig);
    }
    for (project, before) in [HELPED, STRUCK, IN_VAIN].into_iter().zip(before) {
        project.clone_into(&mut rig.project);
        rig.wait_for_phase("web", "awaiting_approval", SOON + DEPLOY_QUIET);
        assert_eq!(causes(&rig, "web").last().map(String::as_str), Some("broken_by_deploy"));
        assert_ne!(rig.container("web").status, "running", "nothing is put back unasked");
        assert_ne!(meant(&rig), before, "nothing is put back unasked");
        match project {
            HELPED => is_put_back(&rig, &before),
            STRUCK => is_gone_on_with_after_a_death(&mut rig, &before),
            _ => is_taken_back(&rig),
        }
    }
}

fn is_put_back(rig: &Rig, before: &str) {
    wait_for("the message says what is asked", SOON, || {
        let says = |body: &str| body.contains("which healer-test-putback:1 meant before");
        rig.hook.taken().iter().any(|told| says(&told.json().to_string())).then_some(())
    });
    approves(rig);
    rig.wait_for_phase("web", "resolved", MADE_ANEW_WITHIN);
    rig.wait_until_healed("web");
    assert_eq!((meant(rig).as_str(), made_of(rig).as_str()), (before, before));
    let why = told(&rig.healer.why("putback/web"));
    assert!(why.contains("deployed anew: image healer-test-putback:1, which was"), "{why}");
}

/// The process is killed once the name means the image of before, and nothing is made of that yet.
fn is_gone_on_with_after_a_death(rig: &mut Rig, before: &str) {
    let [hold, held] = ["hold", "held"].map(|name| rig.project_folder(STRUCK).join(name));
    fs::write(&hold, "").expect("the folder is ours");
    let broken = rig.container("web");
    approves(rig);
    wait_for("Compose is about to make it anew", MADE_ANEW_WITHIN, || held.exists().then_some(()));
    rig.healer.kill();
    assert_eq!((meant(rig).as_str(), &rig.container("web").id), (before, &broken.id));
    fs::remove_file(&hold).expect("it was there");
    rig.healer.start();
    // One word of a person's is for one execution.
    rig.wait_for_phase("web", "awaiting_approval", ASKED_ANEW_WITHIN);
    assert_eq!(causes(rig, "web").last().map(String::as_str), Some("broken_by_deploy"));
    approves(rig);
    rig.wait_for_phase("web", "resolved", MADE_ANEW_WITHIN);
    rig.wait_until_healed("web");
    assert_eq!((meant(rig).as_str(), made_of(rig).as_str()), (before, before));
    assert_eq!(rig.starts(&broken), 1, "the broken one is not started meanwhile");
}

fn is_taken_back(rig: &Rig) {
    let (broken, asked_about) = (meant(rig), rig.container("web").id);
    rig.tell("web", "newer");
    approves(rig);
    rig.wait_for_phase("web", "escalated", 2 * MADE_ANEW_WITHIN);
    assert_eq!((meant(rig), made_of(rig)), (broken.clone(), broken), "what did not help is taken back");
    assert_ne!(rig.container("web").id, asked_about, "it was tried");
    let why = told(&rig.healer.why("invain/web"));
    assert!(why.contains("it did not help: what was done is taken back"), "{why}");
}
