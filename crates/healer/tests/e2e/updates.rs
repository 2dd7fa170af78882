//! `healer pull` from a real registry and `healer rebuild`: what is newer takes its place, what does not stay well goes back
//! unasked, and what cannot be fetched disturbs nobody.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::docker::Engine;
use crate::heals::told;
use crate::rig::{Rig, SOON, skip, wait_for};

/// What runs for so long is well.
const WELL_AFTER: Duration = Duration::from_secs(61);
const IMAGE: &str = "127.0.0.1:5000/shop:1";
const SERVES: &str = "trap \"exit 0\" TERM; while sleep 0.1; do :; done";

/// A registry in the engine's network namespace; dropped, it ends.
struct Registry(Child);

impl Registry {
    fn start(engine: &Engine, folder: &Path) -> Option<Registry> {
        let there = Command::new("docker-registry").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !there {
            skip("docker-registry");
            return None;
        }
        let configuration = folder.join("registry.yml");
        let root = folder.join("registry");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:5000'}}\n",
            root.display()
        );
        fs::write(&configuration, text).expect("the folder is ours");
        let mut command = Command::new("nsenter");
        command.args(["--target", &engine.namespace_holder(), "--net", "docker-registry", "serve"]).arg(&configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(Registry(command.spawn().expect("nsenter is there")))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The id of an image that serves by this script, under the name that the service asks for.
fn builds(rig: &Rig, serves: &str) -> String {
    let makes = format!("printf '#!/bin/sh\n{serves}\n' > /serve; chmod +x /serve");
    rig.engine.docker(&["run", "--name", "made", "healer-test:1", "sh", "-c", &makes]);
    rig.engine.docker(&["commit", "made", IMAGE]);
    rig.engine.docker(&["rm", "made"]);
    image(rig, IMAGE)
}

/// The same in the registry alone: here the name means what it meant.
fn releases(rig: &Rig, serves: &str) -> String {
    let before = image(rig, IMAGE);
    let id = builds(rig, serves);
    rig.engine.docker(&["push", IMAGE]);
    rig.engine.docker(&["tag", &before, IMAGE]);
    id
}

fn image(rig: &Rig, name: &str) -> String {
    rig.engine.docker(&["image", "inspect", "--format", "{{.Id}}", name]).trim().to_owned()
}

fn made_of(rig: &Rig, service: &str) -> String {
    rig.engine.docker(&["inspect", "--format", "{{.Image}}", &rig.container(service).id]).trim().to_owned()
}

/// What `healer VERB SERVICE` says, and whether it succeeded.
fn says(rig: &Rig, verb: &str, service: &str) -> (bool, String) {
    let out = rig.healer.run(&[verb, service]);
    let text = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    // The lines are broken for a terminal.
    (out.status.success(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn an_update_stays_where_it_is_well_and_goes_back_where_it_is_not() {
    let Some(mut rig) = Rig::bare("updated", "budgets: {stability: 2s}\n") else { return };
    let Some(registry) = Registry::start(&rig.engine, rig.path()) else { return };
    let first = builds(&rig, SERVES);
    wait_for("the registry takes it", SOON, || {
        rig.engine.command("docker").args(["push", "--quiet", IMAGE]).output().ok()?.status.success().then_some(())
    });
    let folder = rig.project_folder("updated");
    fs::create_dir_all(folder.join("made")).expect("the folder is ours");
    let made = |serves: &str| {
        fs::write(folder.join("made/serve"), format!("#!/bin/sh\n{serves}\n")).expect("the folder is ours");
    };
    made(SERVES);
    fs::write(folder.join("made/Dockerfile"), "FROM healer-test:1\nCOPY serve /serve\n").expect("the folder is ours");
    let compose = format!(
        "version: '2.4'\nservices:\n  web: {{image: '{IMAGE}', command: [/serve]}}\n  made: {{build: made, command: [sh, \
         /serve]}}\n"
    );
    fs::write(folder.join("docker-compose.yml"), compose).expect("the folder is ours");
    let up = rig.compose(&["up", "-d", "--build"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    rig.start_healer(&["web", "made"]);
    let since = Instant::now();

    let (fine, text) = says(&rig, "pull", "updated/web");
    assert!(fine && text.contains("there is no newer image: it stays as it is"), "{text}");
    let (fine, text) = says(&rig, "rebuild", "updated/made");
    assert!(fine && text.contains("there is no newer image"), "{text}");
    made(&format!("echo anew; {SERVES}"));
    let before = made_of(&rig, "made");
    let (fine, text) = says(&rig, "rebuild", "updated/made");
    assert!(fine && text.contains("made anew of updated_made as it is now"), "{text}");
    assert_ne!(made_of(&rig, "made"), before);

    wait_for("it has been well for a minute", WELL_AFTER * 2, || (since.elapsed() >= WELL_AFTER).then_some(()));
    releases(&rig, "sleep 3; echo no ledger; exit 1");
    let (fine, text) = says(&rig, "pull", "updated/web");
    assert!(fine && text.contains("if it falls ill of that within 10 min, it goes back to"), "{text}");
    // What was replaced is kept, whoever tidies up meanwhile.
    rig.engine.docker(&["image", "prune", "--force"]);
    rig.wait_until_healed("web");
    assert_eq!((made_of(&rig, "web"), image(&rig, IMAGE)), (first.clone(), first), "it went back, and so did the name");
    assert_eq!(rig.container("web").status, "running");
    let why = told(&rig.healer.why("updated/web"));
    assert!(why.contains("update broke it (image 127.0.0.1:5000/shop:1, which was"), "{why}");

    let third = releases(&rig, &format!("echo third; {SERVES}"));
    let (fine, text) = says(&rig, "pull", "updated/web");
    assert!(fine, "{text}");
    assert_eq!((made_of(&rig, "web"), image(&rig, IMAGE)), (third.clone(), third), "{text}");

    drop(registry);
    let runs = rig.container("web").id;
    let (fine, text) = says(&rig, "pull", "updated/web");
    assert!(!fine && text.contains("pull failed, and it stays as it is: the registry cannot be reached"), "{text}");
    assert_eq!((rig.container("web").id, rig.container("web").status), (runs, "running".to_owned()));
}
