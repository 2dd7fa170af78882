//! Which start of the engine, and which boot of its host, one is connected to: read from the process that listens on the
//! socket. A remote engine, and one behind a process that is not its own (`ssh -L`, a proxy, socket activation), tells less.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::fact::SourceTime;
use model::recovery::EngineStart;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::endpoint::Endpoint;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The machine's own id (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";
/// Where the engine's packages let it write its number.
const PIDFILE: &str = "/run/docker.pid";
/// systemd, which listens in the engine's place.
const INIT: i32 = 1;
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// `starttime` counts these in a second, on every Linux (USER_HZ).
const TICKS_PER_S: u64 = 100;
/// What engines' processes are called, and who listens for them.
const ENGINES: [&str; 4] = ["dockerd", "podman", "balena-engine", "systemd"];
/// `starttime` is the 22nd field of `/proc/PID/stat`, and the 20th after the name in brackets (proc(5)).
const STARTTIME: usize = 19;

/// The present start of the engine at `endpoint`, as far as this machine can tell. `contained`: this process runs in a
/// container, whose files tell nothing of the machine.
pub(crate) async fn of(endpoint: &Endpoint, engine: Option<String>, contained: bool) -> EngineStart {
    let Endpoint::Unix(path) = endpoint else { return EngineStart { engine, ..EngineStart::default() } };
    let machine = read(MACHINE_ID).map(|id| id.trim().to_owned()).filter(|id| !id.is_empty() && !contained);
    let boot = read(BOOT_ID).map(|id| id.trim().to_owned());
    let listener = listener(path).await.filter(|pid| *pid > INIT);
    if listener.is_some_and(passes_on) {
        return EngineStart { engine, ..EngineStart::default() };
    }
    let Some(pid) = listener.or_else(by_pidfile) else {
        return EngineStart { engine, machine, boot, ..EngineStart::default() };
    };
    let ticks = started(pid);
    let at = ticks.and_then(|ticks| wall_of(ticks, &read("/proc/uptime")?));
    EngineStart { engine, machine, boot, process: ticks.map(|ticks| format!("{pid}@{ticks}")), at }
}

/// The process of the engine at `endpoint`, where it is on this machine and can be told.
pub(crate) async fn process(endpoint: &Endpoint) -> Option<i32> {
    let Endpoint::Unix(path) = endpoint else { return None };
    listener(path).await.filter(|pid| *pid > INIT && !passes_on(*pid)).or_else(by_pidfile)
}

/// Whether the engine at `endpoint` runs on this machine, as far as can be told: whoever listens on its socket is an engine,
/// or cannot be seen. What `ssh -L` forwards, and what a proxy does, may be anywhere.
pub(crate) async fn is_here(endpoint: &Endpoint) -> bool {
    let Endpoint::Unix(path) = endpoint else { return false };
    !listener(path).await.filter(|pid| *pid > INIT).is_some_and(passes_on)
}

/// Whether a process that listens in an engine's place is none. This very process is no other's way.
fn passes_on(pid: i32) -> bool {
    let is_engine = |name: String| ENGINES.iter().any(|engine| name.trim().starts_with(engine));
    u32::try_from(pid) != Ok(std::process::id())
        && read(format!("/proc/{pid}/comm")).is_some_and(|name| !is_engine(name))
}

/// The process that listens on a socket; `None` where it is in another process namespace.
async fn listener(path: &Path) -> Option<i32> {
    let stream = timeout(CONNECT_WITHIN, UnixStream::connect(path)).await.ok()?.ok()?;
    stream.peer_cred().ok()?.pid()
}

fn by_pidfile() -> Option<i32> {
    let pid: i32 = read(PIDFILE)?.trim().parse().ok()?;
    let name = read(format!("/proc/{pid}/comm"))?;
    (name.trim() == "dockerd").then_some(pid)
}

/// When a process was started, in ticks since the boot.
fn started(pid: i32) -> Option<u64> {
    started_in(&read(format!("/proc/{pid}/stat"))?)
}

fn started_in(stat: &str) -> Option<u64> {
    // The name may contain anything, brackets and spaces too.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(STARTTIME)?.parse().ok()
}

/// The wall clock's time of a moment that is given in ticks since the boot, by the uptime of now.
fn wall_of(ticks: u64, uptime: &str) -> Option<SourceTime> {
    let uptime_s: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let since =
        Duration::try_from_secs_f64(uptime_s).ok()?.checked_sub(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))?;
    let at = SystemTime::now().checked_sub(since)?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(at.as_nanos()).ok().map(SourceTime)
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_tells_the_process_that_listens_on_it_and_when_that_was_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _listening = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let start = of(&Endpoint::Unix(path), None, true).await;
        let own = std::process::id();
        assert!(start.process.as_ref().is_some_and(|process| process.starts_with(&format!("{own}@"))), "{start:?}");
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
        let age_s = (now - start.at.unwrap().0) / 1_000_000_000;
        assert!((0..3_600).contains(&age_s), "this test has run for {age_s} s");
        assert_eq!(start.boot.unwrap().len(), 36);
    }

    #[tokio::test]
    async fn a_remote_engine_tells_nothing_of_its_start() {
        let remote = Endpoint::parse("tcp://192.0.2.1:2375").unwrap();
        assert_eq!((of(&remote, None, true).await, is_here(&remote).await), (EngineStart::default(), false));
    }

    #[test]
    fn who_is_no_engine_passes_on_what_is_said() {
        assert!(!passes_on(i32::try_from(std::process::id()).unwrap()), "nobody passes on to themselves");
        let mut ssh = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let passes = passes_on(i32::try_from(ssh.id()).unwrap());
        ssh.kill().unwrap();
        ssh.wait().unwrap();
        assert!(passes);
        assert!(!passes_on(i32::MAX), "who cannot be seen is not judged");
    }

    #[test]
    fn a_process_whose_name_is_made_to_mislead_is_read_right() {
        let stat = "42 (a) b ) 7) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1";
        assert_eq!(started_in(stat), Some(987_654));
        assert_eq!(started_in("42 (a"), None);
    }
}
