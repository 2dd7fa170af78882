//! What systemd is told of a healer that it started: that it is ready, that its loop answers, that it ends (sd_notify(3)).
//! Started otherwise, nobody is told anything.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Says it to systemd, if it listens. What it does not take it does not need: it asks nothing back.
pub(super) fn tell(state: &str) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET").and_then(|name| address(&name)) {
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(state.as_bytes(), &address));
    }
}

/// Says that healer is ready, and as often as systemd wants to hear it that it is alive, as long as it is; until `stop`.
pub(super) async fn beat(alive: impl AsyncFn() -> bool, stop: CancellationToken) {
    tell("READY=1");
    let variable = |name: &str| std::env::var(name).ok();
    let Some(every) = every(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id()) else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        if tokio::time::timeout(every, alive()).await.unwrap_or(false) {
            tell("WATCHDOG=1");
        }
    }
}

/// Half of the time after which systemd takes this process for dead; `None` if it does not watch it.
fn every(usec: Option<String>, watched: Option<String>, own: u32) -> Option<Duration> {
    let other = watched.is_some_and(|pid| pid.parse() != Ok(own));
    let within = Duration::from_micros(usec?.parse().ok()?);
    (!other && !within.is_zero()).then_some(within / 2)
}

/// A path, or after `@` an abstract name.
fn address(name: &OsStr) -> Option<SocketAddr> {
    match name.as_bytes() {
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name).ok(),
        [b'/', ..] => SocketAddr::from_pathname(name).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_hears_of_healer_twice_within_its_patience_and_of_no_other_process() {
        let text = |value: &str| Some(value.to_owned());
        let table = [
            (text("60000000"), None, Some(30)),
            (text("60000000"), text("7"), Some(30)),
            (text("60000000"), text("8"), None),
            (text("0"), None, None),
            (text("soon"), None, None),
            (None, None, None),
        ];
        for (usec, pid, expect) in table {
            assert_eq!(every(usec.clone(), pid.clone(), 7), expect.map(Duration::from_secs), "{usec:?} {pid:?}");
        }
    }

    #[test]
    fn its_socket_has_a_path_or_an_abstract_name() {
        assert!(address(OsStr::new("/run/systemd/notify")).is_some_and(|at| at.as_pathname().is_some()));
        assert!(address(OsStr::new("@notify")).is_some_and(|at| at.as_abstract_name() == Some(b"notify")));
        assert!(address(OsStr::new("vsock:2:1")).is_none());
    }
}
