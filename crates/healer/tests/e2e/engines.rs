//! Two real engines, one healer: each is healed by its own, a name that both have is asked about, and what becomes of one
//! is nothing to the other. The far engine is reached through a forwarder (see `far`).

use std::fs;
use std::time::Duration;

use model::event::{Entry, Event};
use model::view::{Incident, Resource, Source, Standing};

use crate::far::{Far, Forwarder};
use crate::rig::{Rig, SOON, Service, wait_for};

const NEAR: &str = "docker:web-1/shop/web";
const FAR: &str = "docker:far/shop/web";
/// Deciding needs no time: whoever takes so long has waited for something.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Both engines run a `shop`; dropped, the far one is gone.
struct Two {
    forwarder: Forwarder,
    far: Far,
    // Last: all of them are in its folder.
    rig: Rig,
}

impl Two {
    /// `way`: of an engine and a folder, the way to it.
    fn new(near: &[Service], far: &[Service], settings: &str, way: Way) -> Option<Two> {
        let rig = Rig::with_settings("shop", near, settings)?;
        let far = Far::start(&rig.engine, rig.path(), "shop", far);
        let forwarder = match way {
            Way::Tcp => Forwarder::over_tcp(&far.engine),
            Way::Socket => Forwarder::over_a_socket(&far.engine, rig.path()),
        };
        also_watches(&rig, "far", &forwarder.url());
        Some(Two { forwarder, far, rig })
    }

    fn start_healer(&mut self, all: &[&str]) {
        self.rig.healer.start();
        for id in all {
            self.wait_for(id, |resource| resource.standing == Standing::Well);
        }
    }

    fn wait_for(&self, id: &str, holds: impl Fn(&Resource) -> bool) -> Resource {
        wait_for(&format!("{id} stands as it shall"), SOON, || {
            let deployments = self.rig.healer.status().deployments.into_iter();
            let mut all = deployments.flat_map(|deployment| deployment.resources);
            all.find(|resource| resource.id.as_str() == id && holds(resource))
        })
    }

    fn wait_for_standing(&self, id: &str, standing: Standing) {
        self.wait_for(id, |resource| resource.standing == standing);
    }

    fn far_source(&self) -> Source {
        let mut sources = self.rig.healer.status().sources.into_iter();
        sources.find(|source| source.name == "far").expect("healer knows both engines")
    }

    fn wait_for_far(&self, says: &str) {
        wait_for(&format!("healer says of the far engine: {says}"), SOON, || {
            Some(self.far_source()).filter(|source| !source.well && source.because.contains(says))
        });
    }

    fn wait_until_far_is_seen(&self) {
        wait_for("the far engine is seen", SOON, || Some(self.far_source()).filter(|source| source.well));
    }

    /// Waits until the one incident of a resource is healed.
    fn wait_until_healed(&self, id: &str) {
        wait_for(&format!("{id} is healed"), SOON, || {
            let mut incidents = self.rig.healer.incidents().into_iter();
            let is_healed = |one: &Incident| one.phase == "resolved" && one.status == "succeeded" && one.attempts == 1;
            incidents.find(|one| one.resource.as_str() == id).filter(is_healed)
        });
    }

    /// Crashes a near service for the first time: it is healed, and nobody was waited for.
    fn heals_near_at_once(&self, service: &str) {
        let id = format!("docker:web-1/shop/{service}");
        self.rig.tell(service, "crash");
        self.wait_until_healed(&id);
        let journal = self.rig.healer.journal();
        let find = |is: &dyn Fn(&Event) -> bool| {
            journal.iter().find(|entry| is(&entry.event)).cloned().expect("the journal tells of what was healed")
        };
        let began: Entry =
            find(&|event| matches!(event, Event::IncidentOpened { resource, .. } if resource.as_str() == id));
        let ordered: Entry =
            find(&|event| matches!(event, Event::ActionStarted { permit, .. } if permit.step.resource.as_str() == id));
        let waited = ordered.at.tick.since(began.at.tick);
        assert!(waited < AT_ONCE, "it was waited for {waited:?}");
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let out = self.rig.healer.run(words);
        (out.status.code(), [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
    }
}

enum Way {
    Tcp,
    Socket,
}

fn near() -> [Service; 2] {
    ["web", "api"].map(Service::web)
}

/// Adds an engine to healer's configuration.
fn also_watches(rig: &Rig, name: &str, url: &str) {
    let file = rig.path().join("healer.yaml");
    let text = fs::read_to_string(&file).expect("healer was installed there");
    let more = text.replacen("}], relist", &format!("}}, {{name: {name}, url: \"{url}\"}}], relist"), 1);
    assert_ne!(more, text);
    fs::write(&file, more).expect("the folder is ours");
}

#[test]
fn each_engine_is_healed_by_its_own_and_a_name_that_both_have_is_asked_about() {
    // Two attempts in each `shop`: the two share a name and no budget.
    let settings = "budgets: {stability: 1s, per_deployment: 2/30m}\n";
    let services = ["web", "api", "db", "cache"].map(Service::web);
    let Some(mut two) = Two::new(&near(), &services, settings, Way::Socket) else { return };
    two.start_healer(&[NEAR, FAR, "docker:far/shop/api", "docker:far/shop/cache"]);
    let (near, far) = (two.rig.container("web"), two.far.container("web"));
    two.far.tell("web", "crash");
    two.wait_until_healed(FAR);
    assert_eq!(two.rig.container("web"), near, "the near one was left alone");
    two.heals_near_at_once("web");
    wait_for("both starts are told", SOON, || {
        (two.rig.starts(&near) == 2 && two.far.events.count(&far.id, "start") == 2).then_some(())
    });
    names_are_asked_about(&two);

    // What `ssh -L` makes looks like an engine's own socket, and that it is gone says nothing of the engine.
    is_away_for_a_while(&mut two, "no socket at ");
    two.far.tell("api", "crash");
    two.wait_until_healed("docker:far/shop/api");
    stay_stopped(&two, &["db", "cache"]);
}

fn names_are_asked_about(two: &Two) {
    let (near, far) = (two.rig.container("web"), two.far.container("web"));
    for words in ["shop/web", "shop", "web"] {
        for (command, refused) in [("why", 1), ("stop", 4), ("restart", 4)] {
            let (code, says) = two.run(&[command, words]);
            assert_eq!(code, Some(refused), "{command} {words}: {says}");
            assert!(
                says.contains("docker:web-1/shop") && says.contains("docker:far/shop"),
                "{command} {words}: {says}"
            );
        }
    }
    assert_eq!((two.rig.container("web"), two.far.container("web")), (near.clone(), far.clone()));
    let (code, says) = two.run(&["status"]);
    assert!(code == Some(0) && says.contains("HOST") && says.contains("web-1") && says.contains("far"), "{says}");
    assert!(says.contains("docker engine far") && says.contains("best effort"), "{says}");
    let (code, says) = two.run(&["why", FAR]);
    assert!(code == Some(0) && says.contains("cannot open ledger"), "{says}");

    assert_eq!(two.run(&["stop", FAR]).0, Some(0));
    two.far.wait_for("web", "exited");
    assert_eq!(two.run(&["start", "docker:far/shop"]).0, Some(0));
    two.far.wait_for("web", "running");
    assert_eq!(two.run(&["stop", "docker:web-1/shop"]).0, Some(0));
    two.rig.wait_for_container("web", |container| container.status == "exited");
    assert_eq!(two.far.container("web").status, "running");
    assert_eq!(two.run(&["start", "docker:web-1/shop"]).0, Some(0));
    two.wait_for_standing("docker:web-1/shop/api", Standing::Well);
    assert_eq!((two.rig.count(&near, "stop"), two.far.events.count(&far.id, "stop")), (1, 1));
}

#[test]
fn what_becomes_of_a_remote_engine_keeps_the_other_from_nothing_and_starts_nothing_on_a_guess() {
    let services = ["web", "late", "db", "cache", "queue"].map(Service::web);
    let Some(mut two) = Two::new(&near(), &services, "", Way::Tcp) else { return };
    two.start_healer(&[NEAR, FAR, "docker:far/shop/cache", "docker:far/shop/late", "docker:far/shop/queue"]);
    assert!(two.far_source().untold.contains("does not tell when it was started"));
    assert!(two.run(&["check"]).1.contains("(remote: "), "check says so, too");

    is_away_for_a_while(&mut two, "connection refused by tcp://");
    falls_silent_for_a_while(&mut two);
    refuses_for_a_moment(&mut two);
    stay_stopped(&two, &["db", "cache", "queue"]);
    restarts_before_healers_eyes(&two);
    loses_its_power(&two);
    restarts_while_healer_is_away(&mut two);
    stay_stopped(&two, &["db", "cache", "queue"]);
}

/// Nobody is at the far engine's address, while it works on, and somebody stops a service there.
fn is_away_for_a_while(two: &mut Two, says: &str) {
    two.far.docker_stop("db");
    two.wait_for_standing("docker:far/shop/db", Standing::Stopped);
    two.forwarder.closes();
    two.wait_for_far(says);
    two.far.docker_stop("cache");
    two.heals_near_at_once("api");
    two.forwarder.opens();
    two.wait_until_far_is_seen();
}

/// Its address takes whoever comes, and answers nobody.
fn falls_silent_for_a_while(two: &mut Two) {
    two.forwarder.falls_silent();
    two.wait_for_far("gives no answer");
    two.heals_near_at_once("web");
    two.forwarder.opens();
    two.wait_until_far_is_seen();
}

/// New connections alone fail, and somebody stops a service: that looks as if the engine shut down.
fn refuses_for_a_moment(two: &mut Two) {
    two.forwarder.refuses();
    two.far.docker_stop("queue");
    two.wait_for_far("shutting down");
    two.forwarder.opens();
    two.wait_until_far_is_seen();
}

fn stay_stopped(two: &Two, services: &[&str]) {
    for service in services {
        two.wait_for_standing(&format!("docker:far/shop/{service}"), Standing::Stopped);
        let starts = two.far.starts(service);
        assert_eq!((starts, two.far.container(service).status.as_str()), (1, "exited"), "{service}");
    }
}

/// In order: its signals are no person's, and one message tells of all.
fn restarts_before_healers_eyes(two: &Two) {
    assert!(two.rig.hook.of_kind("recovered").is_empty(), "nothing was restarted so far");
    two.far.docker_stop("late");
    two.wait_for_standing("docker:far/shop/late", Standing::Stopped);
    two.far.power.stop();
    two.far.power.start();
    two.far.wait_for("web", "running");
    let told = wait_for("the recovery is told", SOON, || two.rig.hook.of_kind("recovered").pop());
    let title = "recovered 1 deployment after engine restart; left 4 stopped on purpose";
    assert_eq!(told.json()["title"], title);
}

/// All that runs there is dead at once.
fn loses_its_power(two: &Two) {
    assert_eq!(two.run(&["start", "shop/late"]).0, Some(0));
    two.wait_for_standing("docker:far/shop/late", Standing::Well);
    two.far.power.fail();
    two.far.power.start();
    two.far.wait_for("late", "running");
    two.wait_for_standing("docker:far/shop/late", Standing::Well);
}

/// In order: what it ended may have been stopped by somebody, so somebody is asked.
fn restarts_while_healer_is_away(two: &mut Two) {
    assert!(two.rig.healer.stop().success());
    two.far.power.stop();
    two.far.power.start();
    two.rig.healer.start();
    let asked = two.wait_for("docker:far/shop/late", |resource| resource.standing == Standing::Unknown);
    let remedy = asked.remedy.expect("a person can settle it");
    assert!(remedy.starts_with("healer start shop/late ") && remedy.contains("healer adopt shop/late"), "{remedy}");
    assert_eq!(two.far.container("late").status, "exited");
    assert_eq!(two.run(&["start", "shop/late"]).0, Some(0));
    two.far.wait_for("late", "running");
}

#[test]
fn one_engine_under_two_names_is_acted_on_once() {
    let Some(mut rig) = Rig::new("twice", &[Service::web("web")]) else { return };
    let forwarder = Forwarder::over_tcp(&rig.engine);
    also_watches(&rig, "same", &forwarder.url());
    rig.healer.start();
    let warned = wait_for("healer says that it is one engine", SOON, || rig.healer.status().warnings.pop());
    assert!(warned.contains("has two names in docker.hosts") && warned.contains("take one of them out"), "{warned}");
    let of = |standing: Standing| {
        let all = rig.healer.status().deployments.into_iter().flat_map(|deployment| deployment.resources);
        all.filter(|resource| resource.standing == standing).count()
    };
    wait_for("it is healed under one name", SOON, || {
        (of(Standing::Well) == 1 && of(Standing::Watched) == 1).then_some(())
    });
    let container = rig.container("web");
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
    assert_eq!((rig.starts(&container), rig.incidents("web").len()), (2, 1));
}
