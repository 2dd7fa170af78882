//! A server of a test's own: a folder, a port, a process as nobody, and its end.

use std::fs;
use std::future::Future;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use probes::{Answer, Asker, Probe, Question};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A user who owns nothing but the folder of a test.
const NOBODY: u32 = 65_534;
/// A machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How long a probe of a server that is there waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn asker() -> Asker {
    Asker::new("healer/test").unwrap()
}

pub(crate) async fn ask(question: Question) -> Answer {
    ask_within(question, PATIENCE).await
}

pub(crate) async fn ask_within(question: Question, timeout: Duration) -> Answer {
    Probe { question, timeout }.ask(&asker()).await
}

/// What is wrong, by its labels.
pub(crate) fn labels(answer: &Answer) -> Vec<&'static str> {
    answer.troubles.iter().map(probes::Trouble::label).collect()
}

/// Asks until the condition holds.
pub(crate) async fn wait_for<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < SOON, "{what}: not within {SOON:?}");
        // waits for a condition
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A port that nothing listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is; without it the test is skipped, by name.
pub(crate) fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    // A user's own path leaves out where daemons are, and where each version of PostgreSQL has its own.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = versions.map(|version| version.path().join("bin"));
    let folders = path.split(':').chain(["/usr/sbin"]).map(PathBuf::from).chain(versions);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        skip(program);
    }
    found
}

/// Says that a test could not be made here, to whoever reads along and to `cargo xtask test`.
pub(crate) fn skip(program: &str) {
    let thread = std::thread::current();
    println!("skipped: {}: `{program}` is not installed", thread.name().unwrap_or_default());
    let Some(file) = std::env::var_os("HEALER_SKIPS") else { return };
    let mut file = fs::File::options().create(true).append(true).open(file).unwrap();
    writeln!(file, "{program}").unwrap();
}

/// A folder that the servers of a test may write to.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.give(folder.path());
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, text).unwrap();
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if rustix::process::getuid().is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// A command of a server's, as nobody, in the test's folder.
pub(crate) fn command(program: &Path, folder: &Folder) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder.path()).env("HOME", folder.path()).stdin(Stdio::null());
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Runs a command to its end, which has to be a good one.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}{errors}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A server that ends with its test.
pub(crate) struct Server {
    child: Child,
    /// What asks it to end with all that it started.
    ends_by: Signal,
}

impl Server {
    pub(crate) fn start(command: &mut Command, ends_by: Signal) -> Server {
        let child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Server { child, ends_by }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(self.pid(), self.ends_by);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) && matches!(self.child.try_wait(), Ok(None)) {
            // waits for a condition
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}
