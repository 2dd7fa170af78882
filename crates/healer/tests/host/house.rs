//! What every test stands on: a folder, a configuration, a healer, and what there is of processes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use model::view::{Resource, Standing, Status, Why};
use rustix::process::{Pid, Signal, kill_process};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long what needs no waiting may take on a machine that is busy with other things.
pub(crate) const SOON: Duration = Duration::from_secs(40);
const HEALER: &str = env!("CARGO_BIN_EXE_healer");

/// A healer with its programs; dropped, all of it is gone.
pub(crate) struct House {
    folder: tempfile::TempDir,
    healer: Option<Child>,
}

impl House {
    /// Starts a healer with these services, one a line of YAML.
    pub(crate) fn new(services: &[String]) -> House {
        let mut house = House { folder: tempfile::tempdir().expect("there is a temporary folder"), healer: None };
        house.write(services);
        house.start();
        house
    }

    pub(crate) fn write(&self, services: &[String]) {
        let path = self.path();
        let state = path.join("state");
        let mut text = format!("listen: 127.0.0.1:0\nstate_dir: {}\ndocker: {{hosts: []}}\n", state.display());
        text += "budgets: {stability: 2s}\nhost:\n  name: h\n  services:\n";
        for service in services {
            text += &format!("    - {service}\n");
        }
        fs::write(path.join("healer.yaml"), text).expect("the folder is ours");
    }

    /// Has a file system watched, and a pattern of files of it that may go once they are a day old.
    pub(crate) fn watch_disk(&self, path: &Path, clean: &str) {
        let file = self.path().join("healer.yaml");
        let text = fs::read_to_string(&file).expect("the folder is ours");
        let rule = format!("{{path: \"{clean}\", older: 1d}}");
        let disk = format!("  sample: 1s\n  disks: [{{path: {}, clean: [{rule}]}}]\n", path.display());
        fs::write(file, text + &disk).expect("the folder is ours");
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn start(&mut self) {
        self.run(Command::new(HEALER));
    }

    /// Starts it in the mount namespace of a process.
    pub(crate) fn start_within(&mut self, pid: u32) {
        self.run(within(pid));
    }

    fn run(&mut self, mut healer: Command) {
        let log = File::options().create(true).append(true).open(self.path().join("log")).expect("the folder is ours");
        healer.args(["run", "--config"]).arg(self.path().join("healer.yaml")).stdin(Stdio::null()).stderr(log);
        self.healer = Some(healer.spawn().expect("healer can be run"));
    }

    /// What a command prints in the mount namespace of a process.
    pub(crate) fn cli_within(&self, pid: u32, words: &[&str]) -> String {
        let config = self.path().join("healer.yaml");
        let output = within(pid).arg("--config").arg(config).args(words).output().expect("healer can be run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Ends healer, and leaves its programs.
    pub(crate) fn end(&mut self, signal: Signal) {
        if let Some(mut healer) = self.healer.take() {
            kill_process(Pid::from_child(&healer), signal).expect("healer is ours");
            healer.wait().expect("healer is ours");
        }
    }

    pub(crate) fn cli(&self, words: &[&str]) -> Output {
        Command::new(HEALER)
            .arg("--config")
            .arg(self.path().join("healer.yaml"))
            .args(words)
            .output()
            .expect("healer can be run")
    }

    /// What a command says as JSON.
    fn ask<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> Option<T> {
        let output = self.cli(&[words, &["--format", "json"]].concat());
        serde_json::from_slice(&output.stdout).ok()
    }

    pub(crate) fn service(&self, name: &str) -> Option<Resource> {
        let status: Status = self.ask(&["status", "--all"])?;
        let mut all = status.deployments.into_iter().flat_map(|deployment| deployment.resources);
        all.find(|resource| resource.id.short() == name)
    }

    /// The story of a service, as text.
    pub(crate) fn why(&self, name: &str) -> String {
        let why: Option<Why> = self.ask(&["why", name]);
        let lines = why.into_iter().flat_map(|why| why.story);
        lines.map(|line| format!("{}\n", line.text)).collect()
    }

    pub(crate) fn wait_for_standing(&self, name: &str, standing: Standing) -> Resource {
        self.wait(&format!("{name} to be {standing:?}"), || {
            self.service(name).filter(|resource| resource.standing == standing)
        })
    }

    /// The process that a service's record names.
    pub(crate) fn pid(&self, name: &str) -> Option<i32> {
        self.recorded(name, "process")
    }

    pub(crate) fn keeper(&self, name: &str) -> Option<i32> {
        self.recorded(name, "keeper")
    }

    fn recorded(&self, name: &str, who: &str) -> Option<i32> {
        let text = fs::read_to_string(self.folder_of(name).join("life.jsonl")).ok()?;
        let line: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
        line["started"][who]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
    }

    pub(crate) fn folder_of(&self, name: &str) -> PathBuf {
        self.path().join("state/services").join(name)
    }

    /// Waits until a service runs, of another process than this.
    pub(crate) fn wait_for_another(&self, name: &str, before: Option<i32>) -> i32 {
        self.wait(&format!("{name} to run"), || self.pid(name).filter(|pid| Some(*pid) != before && lives(*pid)))
    }

    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if since.elapsed() > SOON {
                eprintln!("{}", fs::read_to_string(self.path().join("log")).unwrap_or_default());
                panic!("waited for {what}");
            }
            // waits for a condition
            thread::sleep(POLL);
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.end(Signal::TERM);
        host::end_all(&self.path().join("state/services"));
    }
}

/// healer in the mount namespace of a process.
fn within(pid: u32) -> Command {
    let mut enter = Command::new("nsenter");
    enter.arg(format!("--mount=/proc/{pid}/ns/mnt")).arg(HEALER);
    enter
}

pub(crate) fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("it is a process"), Signal::KILL).expect("it is ours");
}

/// Whether a process lives: one that has ended and was not reaped does not.
pub(crate) fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The processes whose command line names a folder.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let named = |entry: fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(&*folder.to_string_lossy()).then_some(line)
    };
    fs::read_dir("/proc").expect("this is Linux").filter_map(|entry| named(entry.ok()?)).collect()
}

/// Says that a test could not be made here, to whoever reads along and to `cargo xtask test`.
pub(crate) fn skip(what: &str) {
    eprintln!("skipped: {what}");
    let Some(file) = std::env::var_os("HEALER_SKIPS") else { return };
    let mut file = File::options().create(true).append(true).open(file).expect("the list of skips can be written");
    writeln!(file, "{what}").expect("the list of skips can be written");
}
