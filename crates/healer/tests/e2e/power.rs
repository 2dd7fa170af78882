//! The tests' engine goes down and comes back: in order, or as if the power had gone.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::docker::{Engine, succeed};
use crate::rig::{until, wait_for};

/// An engine gives its containers their time to stop, and then itself a little.
const DOWN_WITHIN: Duration = Duration::from_secs(60);
/// One that crashed puts its house in order first.
const UP_WITHIN: Duration = Duration::from_secs(90);

/// The engine's process, and how it was started. Whatever happens, the tests' engine runs when this is dropped.
pub(crate) struct Power {
    engine: Engine,
    folder: PathBuf,
    /// What puts it into its network namespace.
    net: Vec<String>,
    line: Vec<String>,
    is_the_tests: bool,
}

impl Power {
    /// The engine is running.
    pub(crate) fn of(engine: &Engine) -> Power {
        let net = ["nsenter", "--target", &engine.namespace_holder(), "--net"].map(str::to_owned).into();
        let (engine, folder) = (engine.clone(), engine.home());
        let mut power = Power { engine, folder, net, line: Vec::new(), is_the_tests: true };
        let line = fs::read(format!("/proc/{}/cmdline", power.pid())).expect("the engine runs");
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        power.line = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        power
    }

    /// Another engine, which does not run yet: as the tests' own, in its folder and in a network namespace of its own.
    pub(crate) fn of_another(engine: &Engine, tests: &Engine) -> Power {
        let (own, other) = (tests.home(), engine.home());
        let moved = |word: &String| word.replace(&*own.to_string_lossy(), &other.to_string_lossy());
        let mut line: Vec<String> = Power::of(tests).line.iter().map(moved).collect();
        // It brings a containerd of its own.
        let at = line.iter().position(|word| word == "--containerd").expect("the tests' engine has one");
        line.drain(at..at + 2);
        let net = ["unshare", "--net", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"].map(str::to_owned).into();
        Power { engine: engine.clone(), folder: other, net, line, is_the_tests: false }
    }

    fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.folder.join("docker.pid")).expect("the engine writes its number");
        text.trim().parse().expect("it is a number")
    }

    /// `systemctl stop docker`: it stops its containers, and ends.
    pub(crate) fn stop(&self) {
        let pid = self.pid();
        signal("TERM", &[pid]);
        wait_for("the engine ends", DOWN_WITHIN, || is_gone(pid).then_some(()));
    }

    /// Ends it for good, if it runs, with all that is in its folder.
    pub(crate) fn remove(&self) {
        if self.answers() {
            self.engine.clear();
            self.stop();
        }
        remove(&self.folder);
    }

    /// The engine is killed, and what it runs goes on.
    pub(crate) fn crash(&self) {
        let pid = self.pid();
        signal("KILL", &[pid]);
        wait_for("the engine is gone", DOWN_WITHIN, || is_gone(pid).then_some(()));
        self.forget_pid();
    }

    /// The file with its number lies where a boot leaves nothing; and while nobody has waited for the one that was killed,
    /// its number is taken.
    fn forget_pid(&self) {
        fs::remove_file(self.folder.join("docker.pid")).expect("the engine wrote it, and could not remove it");
    }

    /// The engine and all that it runs are killed at once.
    pub(crate) fn fail(&self) {
        let listed = self.engine.docker(&["ps", "--quiet"]);
        let ids: Vec<&str> = listed.split_whitespace().collect();
        let pids = self.engine.docker(&[&["inspect", "--format", "{{.State.Pid}}"], &ids[..]].concat());
        let mut doomed = vec![self.pid()];
        doomed.extend(self.shims());
        doomed.extend(pids.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()).filter(|pid| *pid > 1));
        signal("KILL", &doomed);
        wait_for("all of it is gone", DOWN_WITHIN, || doomed.iter().all(|pid| is_gone(*pid)).then_some(()));
        self.forget_pid();
        if !self.is_the_tests {
            // What lies in `/run` is gone after a boot, and so is what its own containerd left there.
            remove(&self.folder.join("exec"));
        }
    }

    /// The processes that hold this engine's containers, and its containerd where that is its own.
    fn shims(&self) -> Vec<u32> {
        let ours = self.folder.to_string_lossy().into_owned();
        let is_ours = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            let holds = line.contains("containerd-shim") || (!self.is_the_tests && line.starts_with("containerd"));
            holds && line.contains(&ours)
        };
        let pids = fs::read_dir("/proc").expect("this is Linux").flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
    }

    /// Starts it again, as it was started, and waits until it answers: when it did, in seconds since the epoch.
    pub(crate) fn start(&self) -> f64 {
        let log = File::options().create(true).append(true).open(self.folder.join("dockerd.log"));
        let log = log.expect("the engine's folder can be written");
        // It outlives this test, which is not its only one.
        let mut command = as_root("setsid");
        command.arg("--fork").args(&self.net).args(&self.line).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        assert!(command.status().expect("setsid can be run").success());
        wait_for("the engine answers again", UP_WITHIN, || self.answers().then_some(()));
        SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs_f64()
    }

    fn answers(&self) -> bool {
        let asked = self.engine.command("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
        asked.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        if self.is_the_tests && until(Duration::from_secs(2), || self.answers().then_some(())).is_none() {
            self.start();
        }
    }
}

/// Removes what no process needs any more, with what is mounted there.
pub(crate) fn remove(folder: &Path) {
    let script = "cut -d ' ' -f 5 /proc/self/mountinfo | grep \"^$0/\" | sort -r | xargs -r umount -l; \
                  rm -rf --one-file-system \"$0\"";
    succeed(as_root("sh").args(["-c", script]).arg(folder));
}

fn is_gone(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    state.is_none_or(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}

fn signal(name: &str, pids: &[u32]) {
    let mut command = as_root("kill");
    // Some may have ended with another one of them.
    let _ = command.arg("-s").arg(name).args(pids.iter().map(u32::to_string)).stderr(Stdio::null()).status();
}

/// A process of the engine's network namespace that holds a port, until it is dropped.
pub(crate) struct Squatter(std::process::Child);

impl Squatter {
    pub(crate) fn on(engine: &Engine, port: u16) -> Squatter {
        let mut command = as_root("nsenter");
        command.args(["--target", &engine.namespace_holder(), "--net", "busybox", "nc", "-l", "-p", &port.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Squatter(child.expect("nsenter can be run"))
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        // nsenter becomes what it runs; under sudo it is a child of it, which ends with it.
        signal("TERM", &[self.0.id()]);
        let _ = self.0.wait();
    }
}

pub(crate) fn as_root(program: &str) -> Command {
    let is_root = fs::metadata(Path::new("/proc/self")).is_ok_and(|own| own.uid() == 0);
    if is_root {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

/// Compose on a project of the rig, which must succeed.
pub(crate) fn up(engine: &Engine, folder: &Path, project: &str) {
    let mut command = engine.command("docker-compose");
    succeed(command.args(["--project-name", project, "up", "-d"]).current_dir(folder));
}
