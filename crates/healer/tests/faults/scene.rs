//! A fault being played: its deployment on the engine, and what can be done to it.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Wall;
use model::event::Event;
use model::fact::Run;
use model::view::Resource;

use crate::docker::{Container, kill_from_the_host, succeed};
use crate::fault::{End, Fault, Make};
use crate::rig::{Rig, SOON, until, wait_for};

/// So long it may take until healer has come to its end with a fault: a deploy is left alone for a minute.
const ENDS_WITHIN: Duration = Duration::from_secs(75);
/// What is to be left alone is watched for so long.
const LEFT_FOR: Duration = Duration::from_secs(8);
/// The host's programs and what they need, beside the folder of the fault.
const HOST: &str = r#"["/usr:/usr:ro", "/bin:/bin:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", "./d:/d"]"#;
/// Whose folder it is: a program that refuses to run as root runs as this one.
const NOBODY: u32 = 65_534;

/// One fault on the engine.
pub(crate) struct Scene<'a> {
    pub(crate) rig: &'a Rig,
    fault: &'a Fault,
}

impl<'a> Scene<'a> {
    pub(crate) fn of(rig: &'a Rig, fault: &'a Fault) -> Scene<'a> {
        Scene { rig, fault }
    }

    /// Brings it up, lets the fault happen, and waits until healer has come to an end with it: when that was. What is taken
    /// down after that is no part of it.
    pub(crate) fn play(&self) -> Wall {
        self.befall(Scene::wait_until_seen);
        self.wait_for_its_end();
        println!("{:<24} played", self.fault.name);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
        let over = Wall(i64::try_from(since.as_millis()).expect("it is some decades"));
        // What is played shall take no part in what comes.
        self.clear();
        over
    }

    /// Brings it up, waits until all of it `runs`, and lets the fault happen.
    pub(crate) fn befall(&self, runs: impl Fn(&Self)) {
        let folder = self.folder();
        fs::create_dir_all(folder.join("d")).expect("the folder is ours");
        for (name, text) in self.fault.files {
            fs::write(folder.join("d").join(name), text).expect("the folder is ours");
        }
        self.write_compose(self.fault.compose);
        match self.fault.make {
            Make::Up => {
                self.compose(&["up", "-d"]);
            }
            Make::Then(befalls) => {
                self.compose(&["up", "-d"]);
                runs(self);
                befalls(self);
            }
            Make::Instead(befalls) => befalls(self),
        }
    }

    /// Takes it all away.
    pub(crate) fn clear(&self) {
        self.compose(&["down", "--timeout", "0"]);
    }

    /// Waits until healer has seen all of it run.
    pub(crate) fn wait_until_seen(&self) {
        let runs = |resource: &&Resource| resource.run == Some(Run::Running) && resource.intent.is_some();
        wait_for(&format!("{} is seen to run", self.short()), SOON, || {
            let deployments = self.rig.healer.status().deployments;
            let ours = deployments.iter().filter(|one| one.name == self.fault.name);
            let resources: Vec<&Resource> = ours.flat_map(|one| &one.resources).collect();
            (!resources.is_empty() && resources.iter().all(runs)).then_some(())
        });
    }

    /// Waits until healer has looked at what was made and not started.
    pub(crate) fn wait_until_looked_at(&self) {
        let short = self.short();
        let is_it = |event: &Event| matches!(event, Event::MadeOf { resource, .. } if resource.short() == short);
        wait_for(&format!("{short} is looked at"), SOON, || {
            self.rig.healer.journal().iter().any(|entry| is_it(&entry.event)).then_some(())
        });
    }

    fn wait_for_its_end(&self) {
        let short = self.short();
        if self.fault.end == End::Left {
            // What must not come is waited for.
            until(LEFT_FOR, || {
                self.rig.healer.incidents().iter().any(|incident| incident.short == short).then_some(())
            });
            return;
        }
        until(ENDS_WITHIN, || {
            let incidents = self.rig.healer.incidents();
            let ours = incidents.iter().filter(|incident| incident.short == short);
            let over = ours.max_by_key(|incident| incident.id.number).is_some_and(|incident| {
                // What became a part of another incident is looked at again when that one is over.
                let over = incident.phase == "resolved" && incident.status != "merged";
                let asks = matches!(incident.phase.as_str(), "escalated" | "awaiting_approval");
                let in_vain = incident.attempts > 0 && matches!(incident.phase.as_str(), "held" | "planning");
                match self.fault.end {
                    End::Healed | End::Left => over || asks,
                    End::Waits => incident.phase == "held" || over || asks,
                    End::Person => asks || over || incident.attempts > 0,
                    End::InVain => asks || over || in_vain,
                }
            });
            over.then_some(())
        });
    }

    /// What a person calls the service that falls ill.
    pub(crate) fn short(&self) -> String {
        format!("{}/{}", self.fault.name, self.fault.of)
    }

    /// The deployment's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.rig.path().join(self.fault.name)
    }

    /// Writes the deployment's Compose file anew.
    pub(crate) fn write_compose(&self, text: &str) {
        fs::write(self.folder().join("docker-compose.yml"), text.replace("$HOST", HOST)).expect("the folder is ours");
    }

    /// The deployment's Compose file, as it was brought up.
    pub(crate) fn compose_text(&self) -> String {
        self.fault.compose.to_owned()
    }

    /// Compose on the deployment. It may fail: that is a fault's business.
    pub(crate) fn compose(&self, arguments: &[&str]) -> bool {
        self.rig.engine.compose(&self.folder(), self.fault.name, arguments).status.success()
    }

    /// The container of a service of the deployment.
    pub(crate) fn container(&self, service: &str) -> Container {
        let found = self.rig.engine.container(self.fault.name, service);
        found.unwrap_or_else(|| panic!("{}/{service} is not there", self.fault.name))
    }

    /// `docker …`, which must succeed.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        self.rig.engine.docker(arguments)
    }

    /// A person tries to start a container of the deployment; whether they can is a fault's business.
    pub(crate) fn try_to_start(&self, service: &str) {
        let id = self.container(service).id;
        let _ = self.rig.engine.command("docker").args(["start", &id]).output().expect("docker can be run");
    }

    /// Makes the file `now` in the folder `d`, for which a program may wait.
    pub(crate) fn tell_now(&self) {
        fs::write(self.folder().join("d/now"), "").expect("the folder is ours");
    }

    /// Ends the main process of a service by a signal from the host, past the engine.
    pub(crate) fn signal_from_the_host(&self, service: &str, signal: &str) {
        let pid = self.container(service).pid;
        if signal == "KILL" {
            return kill_from_the_host(pid);
        }
        let script = format!("kill -s {signal} {pid} 2>/dev/null || sudo -n kill -s {signal} {pid}");
        succeed(Command::new("sh").args(["-c", &script]));
    }

    /// Gives a path of the folder `d` to the user that stands for nobody.
    pub(crate) fn give_to_nobody(&self, path: &str) {
        let given = self.folder().join("d").join(path);
        chown(&given, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    }
}
