//! What every test stands on: a folder, a Compose project on the engine, a healer beside it, and a webhook's receiver.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use model::event::{Entry, Event};
use model::view::{self, Standing};

use crate::daemon::Healer;
use crate::docker::{Container, Engine, Recorder};
use crate::hook::Hook;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long what needs no waiting may take on a machine that is busy with other things.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The addresses of the engines that no test has at present: each serves one test at a time.
static FREE: LazyLock<(Mutex<Vec<String>>, Condvar)> = LazyLock::new(|| {
    let given = ["HEALER_TEST_DOCKER_HOST", "HEALER_TEST_SECOND_DOCKER_HOST"].map(std::env::var);
    (Mutex::new(given.into_iter().flatten().collect()), Condvar::new())
});

/// Most tests run beside others; one with a whole host on it does not.
static CALM: RwLock<()> = RwLock::new(());

/// An engine that is this test's alone, until it is dropped.
struct Place {
    url: String,
    _beside_others: Option<RwLockReadGuard<'static, ()>>,
    _alone: Option<RwLockWriteGuard<'static, ()>>,
}

impl Place {
    /// Waits for one; `None` where the tests were given none. `alone`: while no other test runs.
    fn take(alone: bool) -> Option<Place> {
        static GIVEN: LazyLock<bool> = LazyLock::new(|| std::env::var("HEALER_TEST_DOCKER_HOST").is_ok());
        if !*GIVEN {
            return None;
        }
        let (free, freed) = &*FREE;
        // A test that failed says so by itself; the next one starts from nothing anyway.
        let beside = (!alone).then(|| CALM.read().unwrap_or_else(PoisonError::into_inner));
        let alone = alone.then(|| CALM.write().unwrap_or_else(PoisonError::into_inner));
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = freed.wait_while(free, |free| free.is_empty()).unwrap_or_else(PoisonError::into_inner);
        free.pop().map(|url| Place { url, _beside_others: beside, _alone: alone })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (free, freed) = &*FREE;
        free.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.url));
        freed.notify_one();
    }
}

/// A service that runs until it is told to fail, and a healthy one once started again. What it is told, it finds as
/// files in `/t`, which is the folder `t` beside the Compose file.
pub(crate) const WEB: &str = "trap 'exit 0' TERM; echo listening on 8080; touch /ok; while sleep 0.1; do \
    [ -f /t/CRASH ] && { rm /t/CRASH; echo 'fatal: cannot open ledger: checksum does not match'; exit 3; }; \
    [ -f /t/OOM ] && { rm /t/OOM; exec tail /dev/zero; }; \
    [ -f /t/SICK ] && { rm /t/SICK; rm -f /ok; }; \
    [ -f /t/BROKEN ] && { echo 'fatal: schema version 7 is newer than 6'; exit 4; }; done";

/// Everything at once; dropped, it is all gone.
pub(crate) struct Rig {
    pub(crate) healer: Healer,
    pub(crate) hook: Hook,
    pub(crate) engine: Engine,
    pub(crate) events: Recorder,
    pub(crate) project: String,
    folder: tempfile::TempDir,
    _place: Place,
}

impl Rig {
    /// A rig whose project runs; `None`, and a word about it, where there is no engine.
    pub(crate) fn new(project: &str, services: &[Service]) -> Option<Rig> {
        Rig::with_settings(project, services, "")
    }

    /// The same with more in the configuration.
    pub(crate) fn with_settings(project: &str, services: &[Service], settings: &str) -> Option<Rig> {
        let rig = Rig::bare(project, settings)?;
        rig.write_project(&rig.project, services);
        let up = rig.compose(&["up", "-d"]);
        assert!(up.status.success(), "compose up: {}", String::from_utf8_lossy(&up.stderr));
        Some(rig)
    }

    /// A rig without a project as yet.
    pub(crate) fn bare(project: &str, settings: &str) -> Option<Rig> {
        Rig::at(Place::take(false), project, settings)
    }

    /// The same for a test that keeps the whole machine busy.
    pub(crate) fn alone(project: &str, settings: &str) -> Option<Rig> {
        Rig::at(Place::take(true), project, settings)
    }

    fn at(place: Option<Place>, project: &str, settings: &str) -> Option<Rig> {
        let Some(place) = place else {
            skip("docker-engine");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("hlr").tempdir_in("/tmp").expect("there is a temporary folder");
        let engine = Engine::at(place.url.clone(), folder.path());
        engine.clear();
        let events = Recorder::start(&engine, folder.path());
        let hook = Hook::start();
        let healer = Healer::install(folder.path(), &engine.url, &hook.url(), settings);
        Some(Rig { healer, hook, engine, events, project: project.to_owned(), folder, _place: place })
    }

    /// Starts healer and waits until it has seen each of these services, as it stands.
    pub(crate) fn start_healer(&mut self, seen: &[&str]) {
        self.healer.start();
        for service in seen {
            self.wait_for_resource(service, |resource| resource.run.is_some() && resource.intent.is_some());
        }
    }

    /// Writes a Compose file for a project, in a folder of its own.
    pub(crate) fn write_project(&self, project: &str, services: &[Service]) {
        write_project(&self.project_folder(project), services);
    }

    pub(crate) fn project_folder(&self, project: &str) -> PathBuf {
        self.folder.path().join(project)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Compose on the rig's own project.
    pub(crate) fn compose(&self, arguments: &[&str]) -> Output {
        self.engine.compose(&self.project_folder(&self.project), &self.project, arguments)
    }

    /// Tells a service something: `crash`, `oom`, `sick`, `broken`.
    pub(crate) fn tell(&self, service: &str, word: &str) {
        tell(&self.project_folder(&self.project), service, word);
    }

    /// Takes a word back.
    pub(crate) fn untell(&self, service: &str, word: &str) {
        fs::remove_file(self.project_folder(&self.project).join("t").join(format!("{service}-{word}")))
            .expect("it was told");
    }

    pub(crate) fn container(&self, service: &str) -> Container {
        let found = self.engine.container(&self.project, service);
        found.unwrap_or_else(|| panic!("{}/{service} is not there", self.project))
    }

    /// What a person calls a service of the rig's project.
    pub(crate) fn short(&self, service: &str) -> String {
        format!("{}/{service}", self.project)
    }

    pub(crate) fn resource(&self, service: &str) -> Option<view::Resource> {
        let short = self.short(service);
        let deployments = self.healer.status().deployments.into_iter();
        deployments.flat_map(|deployment| deployment.resources).find(|resource| resource.short == short)
    }

    pub(crate) fn wait_for_resource(&self, service: &str, holds: impl Fn(&view::Resource) -> bool) -> view::Resource {
        wait_for(&format!("{service} stands as it shall"), SOON, || self.resource(service).filter(&holds))
    }

    pub(crate) fn wait_for_standing(&self, service: &str, standing: Standing) -> view::Resource {
        wait_for(&format!("{service} stands {standing:?}"), SOON, || {
            self.resource(service).filter(|resource| resource.standing == standing)
        })
    }

    pub(crate) fn wait_for_container(&self, service: &str, holds: impl Fn(&Container) -> bool) -> Container {
        wait_for(&format!("the container of {service} is as it shall be"), SOON, || {
            Some(self.container(service)).filter(&holds)
        })
    }

    /// The incidents of a service, oldest first.
    pub(crate) fn incidents(&self, service: &str) -> Vec<view::Incident> {
        let short = self.short(service);
        let mut found: Vec<_> = self.healer.incidents().into_iter().filter(|one| one.short == short).collect();
        found.sort_by_key(|incident| incident.id.number);
        found
    }

    /// Waits until the last incident of a service is in this phase.
    pub(crate) fn wait_for_phase(&self, service: &str, phase: &str, within: Duration) -> view::Incident {
        wait_for(&format!("the incident of {service} is {phase}"), within, || {
            self.incidents(service).pop().filter(|incident| incident.phase == phase)
        })
    }

    /// Waits until a service was healed and runs.
    pub(crate) fn wait_until_healed(&self, service: &str) -> view::Incident {
        let incident = self.wait_for_phase(service, "resolved", SOON);
        assert_eq!(incident.status, "succeeded", "{incident:?}");
        assert_eq!(self.container(service).status, "running");
        incident
    }

    /// Proves that healer is awake and acting, by a crash of another service that it heals. Whatever it would have done
    /// about anything that happened before, it has had the time to do.
    pub(crate) fn prove_it_is_awake(&self, canary: &str) {
        let canarys = self.container(canary);
        let before = self.starts(&canarys);
        self.tell(canary, "crash");
        wait_for(&format!("{canary} is started again"), SOON, || (self.starts(&canarys) > before).then_some(()));
        self.wait_until_healed(canary);
    }

    /// How often a container was started, by whomever.
    pub(crate) fn starts(&self, container: &Container) -> usize {
        self.events.count(&container.id, "start")
    }

    /// How often something happened to a container: `kill`, `die`, `stop`.
    pub(crate) fn count(&self, container: &Container, action: &str) -> usize {
        self.events.count(&container.id, action)
    }

    /// The journal's entries of one service.
    pub(crate) fn journal_of(&self, service: &str) -> Vec<Entry> {
        let id = self.resource(service).unwrap_or_else(|| panic!("healer does not know {service}")).id;
        let journal = self.healer.journal();
        let of = |entry: &Entry| match entry.event.incident() {
            Some(incident) => journal.iter().any(|other| {
                matches!(&other.event, Event::IncidentOpened { id: opened, resource, .. }
                    if opened == incident && *resource == id)
            }),
            None => entry.event.resource() == Some(&id),
        };
        journal.iter().filter(|entry| of(entry)).cloned().collect()
    }
}

/// A service in a Compose file.
pub(crate) struct Service {
    name: &'static str,
    command: Vec<String>,
    /// How long it may take to stop.
    grace: &'static str,
    /// More keys, a line each.
    more: Vec<String>,
}

impl Service {
    /// One that obeys [`Rig::tell`].
    pub(crate) fn web(name: &'static str) -> Service {
        let mut script = WEB.to_owned();
        for word in ["CRASH", "OOM", "SICK", "BROKEN"] {
            script = script.replace(&format!("/t/{word}"), &format!("/t/{name}-{}", word.to_lowercase()));
        }
        Service::running(name, &["sh", "-c", &script])
    }

    /// The same, but it takes its time to stop: half a second in which somebody may be struck who waits for it.
    pub(crate) fn slow(name: &'static str) -> Service {
        let mut slow = Service::web(name);
        for word in &mut slow.command {
            *word = word.replace("trap 'exit 0' TERM", "trap 'sleep 0.5; exit 0' TERM");
        }
        slow
    }

    /// The same, but told to stop it goes on until it is told to `end`.
    pub(crate) fn stubborn(name: &'static str) -> Service {
        let mut stubborn = Service { grace: "20s", ..Service::web(name) };
        let trap = format!("trap 'until [ -f /t/{name}-end ]; do sleep 0.1; done; exit 0' TERM");
        for word in &mut stubborn.command {
            *word = word.replace("trap 'exit 0' TERM", &trap);
        }
        stubborn
    }

    pub(crate) fn running(name: &'static str, command: &[&str]) -> Service {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Service { name, command, grace: "2s", more: Vec::new() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn with(mut self, line: &str) -> Service {
        self.more.push(line.to_owned());
        self
    }

    fn yaml(&self) -> String {
        let command = serde_json::to_string(&self.command).expect("words are JSON");
        let mut text = format!(
            "  {}:\n    image: healer-test:1\n    command: {command}\n    volumes: [\"./t:/t\"]\n    \
             stop_grace_period: {}\n",
            self.name, self.grace
        );
        for line in &self.more {
            text.push_str(&format!("    {line}\n"));
        }
        text
    }
}

/// Writes a Compose file into a project's folder.
pub(crate) fn write_project(folder: &Path, services: &[Service]) {
    fs::create_dir_all(folder.join("t")).expect("the folder is ours");
    let mut text = "version: \"2.4\"\nservices:\n".to_owned();
    for service in services {
        text.push_str(&service.yaml());
    }
    fs::write(folder.join("docker-compose.yml"), text).expect("the folder is ours");
}

/// Tells a service of the project in this folder something.
pub(crate) fn tell(folder: &Path, service: &str, word: &str) {
    fs::write(folder.join("t").join(format!("{service}-{word}")), "").expect("the folder is ours");
}

/// Says that a test could not be made here, to whoever reads along and to `cargo xtask test`.
pub(crate) fn skip(what: &str) {
    eprintln!("skipped: {what}");
    let Some(file) = std::env::var_os("HEALER_SKIPS") else { return };
    let mut file = fs::File::options().create(true).append(true).open(file).expect("the list of skips can be written");
    writeln!(file, "{what}").expect("the list of skips can be written");
}

/// Waits until something holds, and fails the test by its name if it never does.
pub(crate) fn wait_for<T>(what: &str, within: Duration, look: impl FnMut() -> Option<T>) -> T {
    until(within, look).unwrap_or_else(|| panic!("not within {within:?}: {what}"))
}

pub(crate) fn until<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if began.elapsed() > within {
            return None;
        }
        // waits for a condition
        thread::sleep(POLL);
    }
}
