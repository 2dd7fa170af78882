//! What persons ask of healer: it is done, or they are told that it is not, in words and by how the program ends.

use std::process::Output;

use model::fact::Run;
use model::intent::{Author, Wanted};
use model::view::Standing;
use serde_json::json;

use crate::rig::{Rig, SOON, Service, wait_for};

/// All that a command said.
fn said(out: &Output) -> String {
    [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

#[test]
fn healers_own_commands_stop_start_and_restart_and_bind_its_hands() {
    let Some(mut rig) = Rig::new("cmds", &[Service::web("web"), Service::web("canary")]) else { return };
    rig.start_healer(&["web", "canary"]);
    let web = rig.short("web");
    assert!(rig.healer.run(&["stop", &web]).status.success());
    rig.wait_for_container("web", |container| container.status == "exited");
    let intent = rig.wait_for_standing("web", Standing::Stopped).intent.expect("it was seen");
    assert!(matches!(intent.by, Author::Person(_)), "{intent:?}");
    rig.prove_it_is_awake("canary");
    assert_eq!(rig.container("web").status, "exited");

    assert!(rig.healer.run(&["start", &web]).status.success());
    rig.wait_for_container("web", |container| container.status == "running");
    let started = rig.wait_for_standing("web", Standing::Well);
    assert_eq!(started.intent.expect("it was seen").wanted, Wanted::Running);

    let before = rig.container("web");
    assert!(rig.healer.run(&["restart", &web]).status.success());
    let after = rig.wait_for_container("web", |container| {
        container.status == "running" && container.started_at != before.started_at
    });
    assert_eq!(after.id, before.id);
    assert_eq!(rig.events.count(&after.id, "restart"), 0, "stop, look, start; never the engine's restart");
}

#[test]
fn a_command_about_nothing_says_so_and_fails() {
    let Some(mut rig) = Rig::new("nothing", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    let out = rig.healer.run(&["stop", "nothing/wbe"]);
    assert_eq!(out.status.code(), Some(4), "{out:?}");
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(said.contains("nothing/wbe"), "{said}");
    assert_eq!(rig.container("web").status, "running");
}

#[test]
fn a_restart_whose_start_fails_says_so_and_ends_with_1() {
    let Some(mut rig) = Rig::bare("norestart", "") else { return };
    rig.write_project("norestart", &[Service::running("web", &["/t/program"]), Service::web("db")]);
    let path = rig.project_folder("norestart").join("t/program");
    std::fs::write(&path, "#!/bin/sh\ntrap 'exit 0' TERM\nwhile sleep 0.1; do :; done\n").expect("the folder is ours");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("the folder is ours");
    assert!(rig.compose(&["up", "-d"]).status.success());
    rig.start_healer(&["web", "db"]);
    std::fs::remove_file(&path).expect("it was there");

    // One of two services fails: so did the command.
    let out = rig.healer.run(&["restart", "norestart"]);
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    let told = said(&out);
    assert!(told.contains("no such file") && told.contains("norestart/db: started"), "{told}");
    let out = rig.healer.run(&["start", &rig.short("web"), "--format", "json"]);
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    assert!(said(&out).contains("\"failed\": true"), "{}", said(&out));
    assert_eq!(rig.healer.run(&["restart", &rig.short("db")]).status.code(), Some(0));
}

#[test]
fn what_healer_may_not_touch_is_refused_with_4() {
    let settings = "exclude: [{deployment: noway}]\n";
    let Some(mut rig) = Rig::with_settings("noway", &[Service::web("web")], settings) else { return };
    rig.start_healer(&[]);
    rig.wait_for_standing("web", Standing::Watched);
    let before = rig.container("web");
    let out = rig.healer.run(&["restart", "noway/web"]);
    assert_eq!(out.status.code(), Some(4), "{}", said(&out));
    assert!(said(&out).contains("refused"), "{}", said(&out));
    assert_eq!(rig.container("web"), before);
}

#[test]
fn an_incident_that_asks_nothing_takes_no_answer() {
    let Some(mut rig) = Rig::new("asks", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    assert!(rig.healer.run(&["freeze"]).status.success());
    rig.tell("web", "crash");
    let held = rig.wait_for_phase("web", "held", SOON);
    for words in [["approve", "1"], ["reject", "1"]] {
        let out = rig.healer.run(&words);
        assert_eq!(out.status.code(), Some(4), "{words:?}: {}", said(&out));
        assert!(
            said(&out).contains("incident web-1/1 has no plan that waits for your word: held"),
            "{words:?}: {}",
            said(&out)
        );
    }
    let answer = rig.healer.command_on_the_socket(&json!({ "approve": held.id.to_string() }));
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(rig.healer.run(&["thaw"]).status.success());
    rig.wait_until_healed("web");
    for words in [["approve", "1"], ["reject", "1"], ["ack", "1"]] {
        let out = rig.healer.run(&words);
        assert_eq!(out.status.code(), Some(4), "{words:?}: {}", said(&out));
        assert!(said(&out).contains("incident web-1/1 is over: healed"), "{words:?}: {}", said(&out));
    }
    let answers = rig.healer.journal().into_iter().filter(|entry| entry.event.name() == "approval_answered");
    assert_eq!(answers.count(), 0);
}

#[test]
fn what_runs_although_it_was_stopped_says_so_with_the_command_that_settles_it() {
    // An engine that starts gives no sign of who wanted it: what has the policy `always` runs again, whatever was said.
    let Some(mut rig) = Rig::new("against", &[Service::web("web").with("restart: always")]) else { return };
    rig.start_healer(&["web"]);
    let web = rig.short("web");
    assert!(rig.healer.run(&["stop", &web]).status.success());
    rig.wait_for_container("web", |container| container.status == "exited");
    assert!(rig.healer.stop().success());
    rig.engine.docker(&["start", &rig.container("web").id]);
    rig.healer.start();
    let resource = rig.wait_for_standing("web", Standing::Held);
    assert!(resource.why.starts_with("runs, although ") && resource.why.contains(" stopped it "), "{resource:?}");
    let status = said(&rig.healer.run(&["status"]));
    assert!(status.contains("runs, although ") && status.contains("healer stop against/web"), "{status}");
    let why = said(&rig.healer.run(&["why", &web]));
    assert!(why.contains("although it is meant to be stopped") && why.contains("`healer stop against/web`"), "{why}");
    assert!(rig.healer.items("/api/v1/alerts").is_empty());

    assert!(rig.healer.run(&["stop", &web]).status.success());
    rig.wait_for_container("web", |container| container.status == "exited");
    assert!(rig.wait_for_standing("web", Standing::Stopped).remedy.is_none());
}

#[test]
fn a_stop_that_takes_long_is_told_to_be_under_way_and_succeeds() {
    let Some(mut rig) = Rig::new("long", &[Service::stubborn("web")]) else { return };
    rig.start_healer(&["web"]);
    let out = rig.healer.run(&["stop", &rig.short("web")]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("still under way"), "{out:?}");
    rig.tell("web", "end");
    rig.wait_for_standing("web", Standing::Stopped);
}

#[test]
fn what_is_paused_goes_on_and_what_needs_a_service_is_restarted_with_it() {
    let services = [Service::web("db"), Service::web("web").with("depends_on: [db]"), Service::web("other")];
    let Some(mut rig) = Rig::new("needed", &services) else { return };
    rig.start_healer(&["db", "web", "other"]);
    rig.engine.docker(&["pause", &rig.container("other").id]);
    rig.wait_for_resource("other", |resource| resource.run == Some(Run::Paused));
    let out = rig.healer.run(&["start", &rig.short("other")]);
    assert!(out.status.success() && said(&out).contains("it goes on"), "{out:?}");
    let other = rig.container("other");
    assert_eq!(other.status, "running");

    let out = rig.healer.run(&["restart", "--dependents", &rig.short("db")]);
    assert!(out.status.success(), "{out:?}");
    let (db, web) = (rig.container("db"), rig.container("web"));
    assert!(db.started_at < web.started_at, "what is needed comes first: {} {}", db.started_at, web.started_at);
    let starts = || [&db, &web, &other].map(|container| rig.starts(container));
    wait_for("what was started is heard of", SOON, || (starts() == [2, 2, 1]).then_some(()));
}
