//! A whole host of twenty deployments goes down and comes back, and healer with it or before it: all that should run runs
//! again, in order, nothing else was started, and one message tells it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::thread;
use std::time::Duration;

use model::event::{Entry, Event};
use model::view::Standing;

use crate::docker::Container;
use crate::mail::Mail;
use crate::power::{Power, Squatter, up};
use crate::rig::{Rig, SOON, Service, wait_for};

/// Time for a slow machine to start some forty containers and to verify each.
const BACK_WITHIN: Duration = Duration::from_secs(240);
const SETTINGS: &str = "budgets: {stability: 2s, per_host: 12/10m, everywhere: 12/10m, per_deployment: 6/30m}\n";
/// The port that somebody else takes while the engine is away.
const PORT: u16 = 18_080;
/// What runs until it is told to end, and ends with 0.
const PLAIN: &[&str] = &["sh", "-c", "trap 'exit 0' TERM; touch /ok; while sleep 0.2; do :; done"];

fn plain(name: &'static str) -> Service {
    Service::running(name, PLAIN)
}

/// The deployments by name.
fn deployments() -> Vec<(String, Vec<Service>)> {
    let check = "healthcheck: {test: [CMD, test, -f, /ok], interval: 300ms, timeout: 2s, retries: 3}";
    let mut host: Vec<(String, Vec<Service>)> = vec![
        (
            "chain".to_owned(),
            vec![
                plain("a"),
                plain("b").with("depends_on: [a]"),
                plain("c").with("depends_on: [b]"),
                plain("d").with("depends_on: [c]"),
                plain("e").with("depends_on: [d]"),
            ],
        ),
        (
            "checked".to_owned(),
            vec![
                plain("db").with(check),
                plain("api").with("depends_on: {db: {condition: service_healthy}, job: {condition: service_started}}"),
                Service::running("job", &["true"]),
            ],
        ),
        ("vpn".to_owned(), vec![plain("gate"), plain("leech").with("network_mode: \"service:gate\"")]),
        ("outside".to_owned(), vec![plain("web").with("networks: [edge]")]),
        ("port".to_owned(), vec![plain("web").with(&format!("ports: [\"{PORT}:80\"]"))]),
        (
            "mount".to_owned(),
            vec![
                plain("web").with("tmpfs: [/x]").with("labels: {mount: gone}"),
                plain("after").with("depends_on: [web]"),
            ],
        ),
        ("policy".to_owned(), vec![plain("web").with("restart: unless-stopped")]),
    ];
    host.extend((1..=3).map(|n| (format!("stopped{n}"), vec![plain("web")])));
    host.extend((1..=10).map(|n| (format!("plain{n}"), vec![plain("web")])));
    host
}

/// Everything that shall run, and what must be there before it.
const ORDER: &[(&str, &str)] = &[
    ("chain/a", "chain/b"),
    ("chain/b", "chain/c"),
    ("chain/c", "chain/d"),
    ("chain/d", "chain/e"),
    ("checked/db", "checked/api"),
    ("vpn/gate", "vpn/leech"),
];

struct Host {
    /// How often healer was killed.
    kills: usize,
    rig: Rig,
    power: Power,
    mail: Mail,
}

impl Host {
    fn new() -> Option<Host> {
        let mail = Mail::start()?;
        let rig = Rig::alone("comes-back", &format!("{}{SETTINGS}", mail.channel()))?;
        rig.engine.docker(&["network", "create", "edge"]);
        for (name, services) in deployments() {
            rig.write_project(&name, &services);
            let folder = rig.project_folder(&name);
            let file = folder.join("docker-compose.yml");
            let mut text = fs::read_to_string(&file).expect("it was written");
            if name == "outside" {
                text.push_str("networks: {edge: {external: true}}\n");
            }
            if name == "mount" {
                // A bind mount, whose source the engine does not make where it is missing.
                fs::create_dir_all(folder.join("data")).expect("the folder is ours");
                let mount = "volumes: [\"./t:/t\", {type: bind, source: ./data, target: /data}]";
                text = text.replace("version: \"2.4\"", "version: \"3.8\"").replacen("volumes: [\"./t:/t\"]", mount, 1);
            }
            fs::write(&file, text).expect("the folder is ours");
            up(&rig.engine, &folder, &name);
        }
        let power = Power::of(&rig.engine);
        Some(Host { kills: 0, rig, power, mail })
    }

    fn container(&self, short: &str) -> Container {
        let (deployment, service) = short.split_once('/').expect("DEPLOYMENT/SERVICE");
        self.rig.engine.container(deployment, service).unwrap_or_else(|| panic!("{short} is not there"))
    }

    fn all(&self) -> BTreeMap<String, Container> {
        let services = deployments().into_iter().flat_map(|(name, services)| {
            services.into_iter().map(move |service| format!("{name}/{}", service.name())).collect::<Vec<_>>()
        });
        services.map(|short| (short.clone(), self.container(&short))).collect()
    }

    /// How often healer ordered a start of a service since the last recovery began.
    fn starts_since(&self, short: &str) -> usize {
        let journal = self.rig.healer.journal();
        let since = journal.iter().rposition(|entry| matches!(entry.event, Event::RecoveryBegan { .. })).unwrap_or(0);
        let starts = |entry: &&Entry| matches!(&entry.event, Event::ActionStarted { permit, .. } if permit.step.resource.short() == short);
        journal[since..].iter().filter(starts).count()
    }

    /// Stops three by hand, and waits until healer knows of it.
    fn stop_three_by_hand(&self) {
        for n in 1..=3 {
            let id = self.container(&format!("stopped{n}/web")).id;
            self.rig.engine.docker(&["stop", "--time", "2", &id]);
        }
        let stopped = || {
            let status = self.rig.healer.status();
            let all = status.deployments.into_iter().flat_map(|deployment| deployment.resources);
            (all.filter(|resource| resource.standing == Standing::Stopped).count() == 3).then_some(())
        };
        wait_for("healer knows of three that were stopped", SOON, stopped);
    }

    /// Waits for the message that follows the first `before` ones, which is that of the recovery, and checks what came back.
    fn is_back(&self, before: usize, says: &str) {
        let message = wait_for("the recovery is told", BACK_WITHIN, || {
            let told = self.rig.hook.taken();
            told.get(before).map(|delivery| delivery.json().clone())
        });
        assert_eq!(message["kind"], "recovered", "{message:#}");
        assert_eq!(
            message["title"],
            says,
            "{message:#}\n{}",
            String::from_utf8_lossy(&self.rig.healer.run(&["history"]).stdout)
        );
        let failed: Vec<&str> = message["story"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|line| line.as_str())
            .filter(|l| l.starts_with("failed"))
            .collect();
        assert_eq!(failed.len(), 3, "{failed:?}");
        assert!(
            failed.iter().any(|line| line
                .contains("port/web: it cannot start: port 18080 of the host is taken by busybox (pid ")
                && line.contains("address already in use")),
            "{failed:?}"
        );
        assert!(
            failed.iter().any(|line| line.contains("mount/web: ") && line.contains("does not exist")),
            "{failed:?}"
        );
        assert!(failed.iter().any(|line| line.contains("mount/after: it needs mount/web")), "{failed:?}");
        let all = self.all();
        for (short, container) in &all {
            let down = short.starts_with("stopped")
                || ["checked/job", "port/web", "mount/web", "mount/after"].contains(&short.as_str());
            assert_eq!(container.status == "running", !down, "{short}: {container:?}");
        }
        for (first, then) in ORDER {
            // What ended once more after its start was rightly started again, later than what needs it.
            let in_order = all[*first].started_at < all[*then].started_at || self.starts_since(first) > 1;
            let why = |short| String::from_utf8_lossy(&self.rig.healer.run(&["why", short]).stdout).into_owned();
            assert!(in_order, "{:?}\n{}\n{:?}\n{}", all[*first], why(first), all[*then], why(then));
        }
        assert_eq!(
            self.rig.hook.taken().len(),
            before + 1,
            "one message for each, and no other: {:?}",
            self.rig.hook.taken()
        );
        // The mail server gets the same, and each once.
        let mails = || {
            let (subjects, again) = self.mail.subjects();
            (subjects.len() > before).then_some((subjects, again))
        };
        let (subjects, again) = wait_for("the mail arrives", SOON, mails);
        assert!(again <= self.kills, "{again} came again, and healer was killed {} times: {subjects:?}", self.kills);
        assert_eq!(subjects.len(), before + 1, "{subjects:?}");
        let recovered = subjects.iter().filter(|subject| subject.contains(says)).count();
        let recoveries = self.rig.hook.of_kind("recovered").len();
        assert_eq!(recovered, recoveries, "one mail a recovery: {subjects:?}");
    }
}

#[test]
fn a_host_comes_back_after_a_graceful_stop_and_after_a_failure_and_while_healer_is_killed() {
    let Some(mut host) = Host::new() else { return };
    host.rig.healer.start();
    wait_for("healer has seen all", SOON, || (host.rig.healer.status().deployments.len() == 20).then_some(()));
    host.stop_three_by_hand();
    let data = host.rig.project_folder("mount").join("data");
    let says = "recovered 15 deployments after engine restart; left 3 stopped on purpose; 3 services failed";

    // In order, with healer beside it.
    fs::remove_dir(&data).expect("it was made");
    host.power.stop();
    let squatter = Squatter::on(&host.rig.engine, PORT);
    host.power.start();
    host.is_back(0, says);

    // What failed is mended by its owner; then the power goes, and healer with it.
    drop(squatter);
    fs::create_dir(&data).expect("the folder is ours");
    for short in ["port/web", "mount/web"] {
        assert!(host.rig.healer.run(&["start", short]).status.success());
    }
    wait_for("what waited follows", SOON, || (host.container("mount/after").status == "running").then_some(()));
    let is_over = |incident: &model::view::Incident| incident.phase == "resolved";
    wait_for("all incidents are over", SOON, || host.rig.healer.incidents().iter().all(is_over).then_some(()));
    let outstanding = || host.rig.hook.of_kind("resolved").len() == 3;
    wait_for("the end of each thread is told", SOON, || outstanding().then_some(()));
    fs::remove_dir(&data).expect("it was made");
    let before = host.rig.hook.taken().len();
    host.rig.healer.kill();
    host.kills += 1;
    host.power.fail();
    let squatter = Squatter::on(&host.rig.engine, PORT);
    host.power.start();
    // healer is killed three times on the way.
    for within_ms in [1_500, 4_000, 6_000] {
        host.rig.healer.start();
        // strikes at a random moment
        thread::sleep(Duration::from_millis(200 + RandomState::new().build_hasher().finish() % within_ms));
        host.rig.healer.kill();
        host.kills += 1;
    }
    host.rig.healer.start();
    host.is_back(before, says);
    drop(squatter);
}
