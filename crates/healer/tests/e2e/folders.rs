//! Deployments by directory: known before they have containers, and brought up by Compose at a person's word.

use std::fs;
use std::process::Command;
use std::thread;

use model::intent::Author;
use model::view::{Deployment, Standing};

use crate::rig::{Rig, SOON, Service, wait_for};

/// A healer that is told of the directories in `srv`, beside a project that runs.
fn rig(project: &str) -> Option<Rig> {
    let rig = Rig::bare(project, "")?;
    rig.write_project(project, &[Service::web("canary")]);
    assert!(rig.compose(&["up", "-d"]).status.success());
    fs::create_dir_all(rig.path().join("conf.d")).expect("the folder is ours");
    let text = format!("docker: {{deployments_path: {}}}\n", rig.path().join("srv").display());
    fs::write(rig.path().join("conf.d/folders.yaml"), text).expect("the folder is ours");
    Some(rig)
}

fn shown(rig: &Rig, name: &str, holds: impl Fn(&Deployment) -> bool) -> Deployment {
    wait_for(&format!("the deployment {name} is shown as it shall be"), SOON, || {
        rig.healer.status().deployments.into_iter().find(|deployment| deployment.name == name).filter(&holds)
    })
}

#[test]
fn a_deployment_that_is_a_directory_alone_is_known_and_brought_up_at_a_persons_word() {
    let Some(mut rig) = rig("dirs") else { return };
    rig.write_project("srv/wiki", &[Service::web("app"), Service::web("db")]);
    let service_file = "name: wiki\nnetworking: {expose: true, domain: wiki.example.org}\n";
    fs::write(rig.project_folder("srv/wiki").join("service.yml"), service_file).expect("the folder is ours");
    rig.start_healer(&["canary"]);
    let wiki = shown(&rig, "wiki", |wiki| wiki.resources.is_empty());
    let folder = wiki.folder.expect("it has one");
    assert_eq!(folder.domains, ["wiki.example.org"]);
    assert!(wiki.why.contains("`healer start wiki`"), "{}", wiki.why);
    let why = rig.healer.run(&["why", "wiki"]);
    assert!(String::from_utf8_lossy(&why.stdout).contains(&folder.path), "{why:?}");
    rig.prove_it_is_awake("canary");
    assert!(rig.engine.container("wiki", "app").is_none(), "nobody has asked for it");

    let out = rig.healer.run(&["start", "wiki"]);
    assert!(out.status.success(), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stdout).contains("wiki: its containers are made and started"), "{out:?}");
    assert_eq!(rig.engine.container("wiki", "app").map(|one| one.status).as_deref(), Some("running"));
    let wiki = shown(&rig, "wiki", |wiki| wiki.resources.iter().filter(|one| one.intent.is_some()).count() == 2);
    for resource in wiki.resources {
        let by = resource.intent.map(|intent| intent.by);
        assert!(matches!(by, Some(Author::Person(_))), "{by:?}");
    }

    // Who removes them wants none: only a person brings them back.
    let down = rig.engine.compose(&rig.project_folder("srv/wiki"), "wiki", &["down"]);
    assert!(down.status.success(), "{down:?}");
    shown(&rig, "wiki", |wiki| wiki.resources.is_empty());
    rig.prove_it_is_awake("canary");
    assert!(rig.engine.container("wiki", "app").is_none(), "it was removed on purpose");
}

#[test]
fn what_would_not_be_what_its_owner_meant_is_not_brought_up() {
    let Some(mut rig) = rig("dirsno") else { return };
    rig.write_project("srv/unset", &[Service::web("app").with("environment: [\"PASSWORD=${DB_PASSWORD}\"]")]);
    rig.write_project("srv/broken", &[Service::web("app")]);
    fs::write(rig.project_folder("srv/broken").join("docker-compose.yml"), "services: {app: {").expect("it is ours");
    rig.write_project("srv/unfit", &[Service::running("app", &["/no/such/program"])]);
    rig.write_project(
        "srv/circle",
        &[Service::web("a").with("depends_on: [b]"), Service::web("b").with("depends_on: [a]")],
    );
    rig.start_healer(&["canary"]);
    let table = [
        ("unset", &["DB_PASSWORD is not set"][..], 1, false),
        ("broken", &["docker-compose.yml"], 4, false),
        ("unfit", &["no such file or directory"], 1, true),
        // Each generation of Compose has its own word for it.
        ("circle", &["Circular dependency", "dependency cycle"], 1, false),
    ];
    for (name, says, code, made) in table {
        shown(&rig, name, |deployment| deployment.resources.is_empty());
        let out = rig.healer.run(&["start", name]);
        let said = [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        let in_one_line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(says.iter().any(|word| in_one_line.contains(word)), "{name}: {said}");
        assert_eq!(out.status.code(), Some(code), "{name}: {said}");
        assert_eq!(rig.engine.container(name, "app").is_some(), made, "{name}: {said}");
    }
    // With its variable set it is what it is meant to be.
    fs::write(rig.project_folder("srv/unset").join(".env"), "DB_PASSWORD=x\n").expect("the folder is ours");
    assert!(rig.healer.run(&["start", "unset"]).status.success());
    assert_eq!(rig.engine.container("unset", "app").map(|one| one.status).as_deref(), Some("running"));
}

#[test]
fn a_stop_while_compose_brings_it_up_ends_that_and_nothing_more_is_started() {
    let Some(mut rig) = rig("dirsoff") else { return };
    let never_well = "healthcheck: {test: [CMD, test, -f, /never], interval: 300ms, timeout: 2s, retries: 1000}";
    let waits = "depends_on: {db: {condition: service_healthy}}";
    rig.write_project("srv/wiki", &[Service::web("db").with(never_well), Service::web("app").with(waits)]);
    rig.start_healer(&["canary"]);
    shown(&rig, "wiki", |wiki| wiki.resources.is_empty());
    thread::scope(|scope| {
        let start = scope.spawn(|| rig.healer.run(&["start", "wiki"]));
        shown(&rig, "wiki", |wiki| wiki.resources.iter().any(|one| one.short == "wiki/db"));
        let stop = rig.healer.run(&["stop", "wiki"]);
        assert!(stop.status.success(), "{stop:?}");
        let start = start.join().expect("it was run");
        let said = String::from_utf8_lossy(&start.stdout);
        assert!(!start.status.success() && said.contains("has called it off"), "{start:?}");
    });
    shown(&rig, "wiki", |wiki| wiki.standing == Standing::Stopped);
    rig.prove_it_is_awake("canary");
    let running = |service| rig.engine.container("wiki", service).is_some_and(|one| one.status == "running");
    assert!(!running("db") && !running("app"));
    let compose_is_at_it = || {
        let told = Command::new("pgrep").args(["-f", "docker-compose -p wiki"]).output();
        told.expect("pgrep is there").status.success()
    };
    assert!(!compose_is_at_it(), "Compose was ended");
}
