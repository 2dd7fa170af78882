//! Running other programs: as oneself or as root, quietly or aloud, and ended when this process is told to end.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a child is asked whether it has ended.
const POLL: Duration = Duration::from_millis(50);
/// How long a child that was told to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Set by SIGINT, SIGTERM and SIGHUP. From the first call of [`interrupted`] on, these no longer end the process.
static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).expect("these three signals can be handled");
    }
    flag
});

/// Whether somebody wants this to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Says a line at once; a reader that has gone away (`| head`) is no reason to leave an engine behind.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody is left to be told.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command as root: as it is for root, through `sudo -n` for others.
pub(crate) fn as_root(program: &str) -> Command {
    if user().0 == 0 {
        Command::new(program)
    } else {
        let mut command = Command::new("sudo");
        command.args(["-n", "--preserve-env=DOCKER_HOST,DEBIAN_FRONTEND", program]);
        command
    }
}

/// The user and the group that this runs as.
pub(crate) fn user() -> (u32, u32) {
    std::fs::metadata("/proc/self").map_or((u32::MAX, u32::MAX), |me| (me.uid(), me.gid()))
}

/// Whether there is a way to be root without being asked for a password.
pub(crate) fn may_be_root() -> bool {
    succeeds(as_root("true").stderr(Stdio::null()))
}

/// Where a program lies, if it is there.
pub(crate) fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Runs it silently and says whether it went well.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs it and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("failed to run {command:?}"))?;
    if !out.status.success() {
        bail!("{command:?} ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs it in sight of the user, in a process group of its own, so that an interrupt ends all that it started.
pub(crate) fn aloud(command: &mut Command) -> Result<bool> {
    let mut child =
        command.stdin(Stdio::null()).process_group(0).spawn().with_context(|| format!("failed to run {command:?}"))?;
    wait(&mut child)
}

/// Runs it in sight of the user and returns whether it went well, with all lines of its stdout.
pub(crate) fn aloud_and_heard(command: &mut Command) -> Result<(bool, Vec<String>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("failed to run {command:?}"))?;
    let out = child.stdout.take().context("the child's output is piped")?;
    let listener = thread::spawn(move || {
        let mut lines = Vec::new();
        let mut reader = BufReader::new(out);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read_bytes| read_bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            say(&text);
            lines.push(text);
            line.clear();
        }
        lines
    });
    let well = wait(&mut child)?;
    let lines = listener.join().map_err(|_| anyhow::anyhow!("the listener to {command:?} died"))?;
    Ok((well, lines))
}

fn wait(child: &mut Child) -> Result<bool> {
    let mut told_at: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return if interrupted() { bail!("interrupted") } else { Ok(status.success()) };
        }
        match told_at {
            None if interrupted() => {
                signal_group("TERM", child.id());
                told_at = Some(Instant::now());
            }
            Some(at) if at.elapsed() > GRACE => signal_group("KILL", child.id()),
            None | Some(_) => {}
        }
        thread::sleep(POLL);
    }
}

/// A group that is gone already needs no signal.
fn signal_group(signal: &str, group: u32) {
    succeeds(Command::new("sh").args(["-c", &format!("kill -s {signal} -- -{group}")]).stderr(Stdio::null()));
}

/// Waits until something holds; says whether it came to hold in time.
pub(crate) fn until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if began.elapsed() > limit {
            return false;
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_is_heard_and_its_failure_told() {
        let (well, lines) = aloud_and_heard(Command::new("sh").args(["-c", "echo one; echo two; exit 3"])).unwrap();
        assert_eq!((well, lines), (false, vec!["one".to_owned(), "two".to_owned()]));
        let error = output(Command::new("sh").args(["-c", "echo no such thing >&2; exit 4"])).unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error}");
    }

    #[test]
    fn programs_are_found_by_name_alone() {
        assert!(found("sh").is_some());
        assert!(found("no-such-program-anywhere").is_none());
    }
}
