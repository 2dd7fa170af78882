//! healer, the engine's socket or the webhook is away for a while: what happened meanwhile is settled afterwards.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Child, Command};

use model::view::Standing;

use crate::daemon::Healer;
use crate::rig::{Rig, SOON, Service, skip, wait_for};

#[test]
fn what_crashed_while_healer_was_away_is_healed_when_it_comes_back() {
    let Some(mut rig) = Rig::new("away", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    assert!(rig.healer.stop().success());
    rig.tell("web", "crash");
    rig.wait_for_container("web", |container| container.status == "exited");
    rig.healer.start();
    rig.wait_until_healed("web");
}

#[test]
fn what_was_stopped_while_healer_was_away_stays_stopped() {
    let Some(mut rig) = Rig::new("awaystop", &[Service::web("web"), Service::web("canary")]) else { return };
    rig.start_healer(&["web", "canary"]);
    assert!(rig.healer.stop().success());
    rig.engine.docker(&["stop", &rig.container("web").id]);
    rig.healer.start();
    rig.wait_for_standing("web", Standing::Stopped);
    rig.prove_it_is_awake("canary");
    let web = rig.container("web");
    assert_eq!((web.status.as_str(), rig.starts(&web)), ("exited", 1));
}

#[test]
fn what_is_down_at_first_sight_is_listed_with_its_remedy_and_not_started() {
    let Some(mut rig) = Rig::new("first", &[Service::web("web"), Service::web("canary")]) else { return };
    rig.tell("web", "crash");
    rig.wait_for_container("web", |container| container.status == "exited");
    rig.start_healer(&["web", "canary"]);
    let resource = rig.wait_for_standing("web", Standing::Unknown);
    assert!(resource.remedy.is_some_and(|remedy| remedy.contains("healer ")), "it names a command");
    rig.prove_it_is_awake("canary");
    let web = rig.container("web");
    assert_eq!((web.status.as_str(), rig.starts(&web)), ("exited", 1));
}

/// More than are started at once, and as many as make others wait for a common cause.
#[test]
fn one_pass_heals_all_that_it_finds_and_ends() {
    let names = ["a", "b", "c", "d", "e"];
    let services: Vec<Service> = names.into_iter().map(Service::web).collect();
    let Some(mut rig) = Rig::new("once", &services) else { return };
    rig.start_healer(&names);
    assert!(rig.healer.stop().success());
    for name in names {
        rig.tell(name, "crash");
        rig.wait_for_container(name, |container| container.status == "exited");
    }
    let out = rig.healer.run(&["run", "--once"]);
    assert!(out.status.success(), "{out:?}");
    for name in names {
        assert_eq!(rig.container(name).status, "running", "{name}");
    }
}

#[test]
fn one_pass_that_leaves_something_down_fails() {
    let Some(mut rig) = Rig::with_settings("left", &[Service::web("web")], "budgets: {per_resource: 1/30m}\n") else {
        return;
    };
    rig.start_healer(&["web"]);
    assert!(rig.healer.stop().success());
    rig.tell("web", "broken");
    rig.wait_for_container("web", |container| container.status == "exited");
    let ran = || rig.healer.run(&["run", "--once"]);
    // The first pass starts it, and may end before it ends again.
    ran();
    rig.wait_for_container("web", |container| container.status == "exited");
    // The second one finds its budget spent.
    assert!(!ran().status.success());
}

#[test]
fn why_and_status_answer_from_the_journal_when_nobody_runs() {
    let Some(mut rig) = Rig::new("asleep", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
    rig.healer.kill();
    assert_eq!(rig.healer.status().running_since, None);
    let web = rig.resource("web").expect("the journal knows it");
    assert_eq!(web.standing, Standing::Unseen, "what is wanted is known: {web:?}");
    let status = rig.healer.run(&["status", "--all"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("running") && !status.contains("unknown"), "{status}");
    let why = crate::heals::told(&rig.healer.why(&rig.short("web")));
    assert!(why.contains("cannot open ledger"), "{why}");
}

#[test]
fn an_absent_socket_is_one_sentence_with_a_remedy_and_is_tried_again_until_it_is_there() {
    let Some(mut rig) = Rig::new("absent", &[Service::web("web")]) else { return };
    let link = rig.path().join("later.sock");
    rig.healer = Healer::install(rig.path(), &format!("unix://{}", link.display()), &rig.hook.url(), "");
    rig.healer.start();
    let source = wait_for("healer says that nobody is there", SOON, || {
        rig.healer.status().sources.pop().filter(|source| !source.well && !source.because.is_empty())
    });
    assert!(source.because.contains("later.sock") && source.because.lines().count() == 1, "{source:?}");
    assert_eq!(rig.healer.get("/readyz").map(|answer| answer.status), Some(503));

    symlink(rig.engine.url.trim_start_matches("unix://"), &link).expect("the folder is ours");
    rig.wait_for_standing("web", Standing::Well);
    wait_for("it is ready", SOON, || rig.healer.get("/readyz").filter(|answer| answer.status == 200));
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
}

/// A healer whose state lives on a small disk of its own, in a mount namespace that ends with it.
struct OnASmallDisk {
    healer: Healer,
    child: Child,
    folder: tempfile::TempDir,
}

impl OnASmallDisk {
    /// `first` is run in the state directory before the disk is filled, with an old journal as `$JOURNAL`. `None` where
    /// no disk can be mounted.
    fn full(first: &str) -> Option<OnASmallDisk> {
        let folder = tempfile::Builder::new().prefix("hlr").tempdir_in("/tmp").expect("there is a temporary folder");
        let healer = Healer::install(folder.path(), "unix:///nowhere.sock", "http://127.0.0.1:9/", "");
        let state = folder.path().join("state");
        std::fs::create_dir(&state).expect("the folder is ours");
        let words = ["--user", "--map-root-user", "--mount"];
        if !Command::new("unshare").args(words).args(["mount", "-t", "tmpfs", "none", "/mnt"]).status().ok()?.success()
        {
            skip("mount-namespace");
            return None;
        }
        let script = format!(
            "mount -t tmpfs -o size=32m,mode=0700 none \"$STATE\" && cd \"$STATE\" && {{ {first}; }} && \
             {{ cat /dev/zero > filler; cd /; exec \"$@\"; }}"
        );
        let run = healer.command(&["run"]);
        let log = File::create(folder.path().join("healer.log")).expect("the folder is ours");
        let child = Command::new("unshare")
            .args(words)
            .args(["sh", "-c", &script, "sh"])
            .arg(run.get_program())
            .args(run.get_args())
            .envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("STATE", &state)
            .env("JOURNAL", concat!(env!("CARGO_MANIFEST_DIR"), "/../store/tests/fixtures/journal-v1.sqlite"))
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("unshare was found above");
        Some(OnASmallDisk { healer, child, folder })
    }

    /// The state directory, from outside of the namespace.
    fn state(&self) -> String {
        format!("/proc/{}/root{}/state", self.child.id(), self.folder.path().display())
    }

    fn ready_reasons(&self) -> Option<String> {
        self.healer.get("/readyz").filter(|answer| answer.status == 503).map(|answer| answer.body)
    }
}

impl Drop for OnASmallDisk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_full_disk_at_the_start_is_said_wherever_somebody_asks_and_healer_begins_when_there_is_room() {
    for first in ["true", "cp \"$JOURNAL\" journal.sqlite"] {
        let Some(mut on) = OnASmallDisk::full(first) else { return };
        let said = wait_for("healer says that it is not ready", SOON, || {
            if let Some(status) = on.child.try_wait().expect("it is our child") {
                panic!("{first}: healer ended with {status}:\n{}", on.healer.log());
            }
            on.ready_reasons()
        });
        assert!(said.contains("is full since") && said.contains("make room"), "{first}: {said}");
        assert_eq!(on.healer.get("/healthz").map(|answer| answer.status), Some(200), "{first}");
        assert_eq!(on.healer.get("/api/v1/incidents").map(|answer| answer.status), Some(503), "{first}");

        let status = on.healer.run(&["--state-dir", &on.state(), "status", "--check"]);
        let text = String::from_utf8_lossy(&status.stdout).into_owned();
        assert_eq!(status.status.code(), Some(1), "{first}: {status:?}");
        assert!(text.contains("is full since") && !text.contains("not running"), "{first}: {text}");

        std::fs::remove_file(format!("{}/filler", on.state())).expect("it fills the disk");
        wait_for("healer begins", SOON, || {
            let status = on.healer.get("/api/v1/status")?.body;
            (!status.contains("is full") && on.healer.get("/api/v1/incidents")?.status == 200).then_some(())
        });
        assert!(on.ready_reasons().is_some_and(|said| !said.contains("is full")), "{first}");

        // It becomes full again under a running healer, reserve and all. Each command that is refused is another try.
        let state = on.state();
        let refused = || {
            let out = on.healer.run(&["--state-dir", &state, "freeze", "--reason", "a full disk"]);
            String::from_utf8_lossy(&out.stdout).contains("no room left for the journal")
        };
        wait_for("nothing is taken any more", SOON, || {
            // It ends for want of room.
            let _ = Command::new("sh").args(["-c", &format!("cat /dev/zero >> {state}/filler")]).output();
            refused().then_some(())
        });
        assert!(refused() && refused(), "{first}");
        assert_eq!(on.healer.log().matches("did not take a batch").count(), 1, "{first}: {}", on.healer.log());
    }
}

#[test]
fn a_message_outlives_a_webhook_that_is_down_and_arrives_once() {
    let Some(mut rig) = Rig::new("hookdown", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    rig.hook.refuse(true);
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
    wait_for("it was tried twice", 2 * SOON, || (rig.hook.deliveries().len() >= 2).then_some(()));
    assert!(rig.hook.taken().is_empty());
    // Not even a restart loses it.
    rig.healer.kill();
    rig.hook.refuse(false);
    rig.healer.start();
    wait_for("the message arrives", 4 * SOON, || rig.hook.taken().pop());
    wait_for("healer knows that it arrived", SOON, || {
        rig.healer.journal().iter().any(|entry| entry.event.name() == "message_delivered").then_some(())
    });
    let ids: Vec<_> =
        rig.hook.deliveries().iter().map(|one| one.header("healer-message-id").map(str::to_owned)).collect();
    assert!(ids.iter().all(|id| id.is_some() && *id == ids[0]), "every try bears the same id: {ids:?}");
    assert_eq!(rig.hook.taken().len(), 1);
}

#[test]
fn a_journal_that_somebody_altered_is_refused_and_left_as_it_is() {
    let Some(mut rig) = Rig::new("altered", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    // An end in order leaves a snapshot: the start after it folds nothing that lies before.
    assert!(rig.healer.stop().success());
    let path = rig.path().join("state/journal.sqlite");
    let journal = fs::read(&path).expect("healer wrote it");
    let at = journal.windows(12).position(|part| part == b"seen running").expect("the ledger's first word is in it");
    let mut altered = journal;
    altered[at..at + 12].copy_from_slice(b"seen sitting");
    fs::write(&path, &altered).expect("the folder is ours");
    let out = rig.healer.run(&["run"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("journal"), "{out:?}");
    assert_eq!(fs::read(&path).expect("it is there"), altered, "nothing was overwritten");
}
