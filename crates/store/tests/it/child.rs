//! Processes of one's own: this test binary, run again for one test that finds its task in the environment.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What the child shall do.
const TASK: &str = "HEALER_STORE_CHILD_TASK";

/// In which directory.
const DIR: &str = "HEALER_STORE_CHILD_DIR";

/// What a line begins with that a child tells its parent; the test harness prints lines of its own.
const SAID: &str = "child: ";

/// A child that is killed when the test is over, however it ends.
pub(crate) struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

/// In the child: its directory, if this is the task that it was started for.
pub(crate) fn task(name: &str) -> Option<PathBuf> {
    (std::env::var(TASK).ok()? == name).then(|| std::env::var_os(DIR).expect("the parent names a directory").into())
}

/// In the child: tells the parent.
pub(crate) fn say(text: impl std::fmt::Display) {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    // A parent that is gone does not listen.
    let _ = writeln!(out, "{SAID}{text}").and_then(|()| out.flush());
}

/// Runs the test `test` (its whole path) of this binary as a child with that task. `via` comes before it.
pub(crate) fn start(mut via: Command, test: &str, task: &str, dir: &Path) -> Running {
    let mut child = via
        .args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(TASK, task)
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Running { child, lines }
}

/// This very binary.
pub(crate) fn myself() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

impl Running {
    /// The next thing that the child says; `None` when it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        // What is said just after `test NAME ... ` stands on the same line.
        self.lines.by_ref().map_while(Result::ok).find_map(|l| Some(l.split_once(SAID)?.1.to_owned()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and what it said before.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let said = std::iter::from_fn(|| self.hear()).collect();
        self.child.wait().unwrap();
        said
    }

    /// Waits until it ends by itself; whether it succeeded.
    pub(crate) fn ended_well(mut self) -> bool {
        while self.hear().is_some() {}
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
