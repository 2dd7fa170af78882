//! How a unit stands, from its properties on the bus (org.freedesktop.systemd1(5)).

use std::collections::HashMap;
use std::time::Duration;

use zbus::zvariant::{OwnedValue, Structure, Value};

/// What waitid(2) says of an end: `CLD_EXITED`.
const EXITED: i32 = 1;
/// A property that stands for "no limit".
const NEVER: u64 = u64::MAX;

/// How a unit stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// Whether there is a file of it: `loaded`, `not-found`, `masked`, `bad-setting` and so on.
    pub load: String,
    /// Whether it starts by itself: `enabled`, `disabled`, `static`, `masked` and so on.
    pub file_state: String,
    /// Where its file lies.
    pub fragment: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub active: String,
    /// The same in finer words, such as `running`, `auto-restart` or `dead`.
    pub sub: String,
    /// Why it failed: `success`, `exit-code`, `signal`, `oom-kill`, `watchdog`, `timeout`, `start-limit-hit` and so on.
    pub result: String,
    /// How it runs: `simple`, `notify`, `oneshot` and so on; empty of what is no service.
    pub kind: String,
    /// When it starts it anew by itself: `no`, `always`, `on-failure` and so on.
    pub restart: String,
    /// How often it did so since somebody started it.
    pub restarts: u32,
    /// Its main process.
    pub main: Option<Main>,
    /// When it last began to end, in microseconds since the epoch and since boot: at the order to stop it, or after its main
    /// process had ended.
    pub left_active: Option<(u64, u64)>,
    /// When it was last down, in microseconds since the epoch.
    pub went_down: Option<u64>,
    /// For how long it may take to end before it is killed; `None`: for ever.
    pub stop_timeout: Option<Duration>,
    /// systemd is about to do something to it.
    pub has_job: bool,
    /// This life of it.
    pub invocation: String,
}

/// The main process of a unit's last life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Main {
    /// Its number; 0 once it has ended.
    pub pid: u32,
    /// When it was started, in microseconds since the epoch.
    pub started_us: u64,
    /// How it ended.
    pub ended: Option<Ended>,
}

/// How a main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When, in microseconds since the epoch.
    pub at_us: u64,
    /// And since boot.
    pub since_boot_us: u64,
    /// The code, or the signal's number.
    pub status: i32,
    /// A signal ended it.
    pub by_signal: bool,
}

impl Unit {
    pub(crate) fn of(unit: &HashMap<String, OwnedValue>, service: &HashMap<String, OwnedValue>) -> Unit {
        let left_active = when(unit, "ActiveExitTimestamp").zip(when(unit, "ActiveExitTimestampMonotonic"));
        let job = unit.get("Job").and_then(|job| <&Structure<'_>>::try_from(job).ok());
        let job = job.and_then(|job| u32::try_from(job.fields().first()?).ok());
        Unit {
            load: text(unit, "LoadState"),
            file_state: text(unit, "UnitFileState"),
            fragment: text(unit, "FragmentPath"),
            active: text(unit, "ActiveState"),
            sub: text(unit, "SubState"),
            result: text(service, "Result"),
            kind: text(service, "Type"),
            restart: text(service, "Restart"),
            restarts: number(service, "NRestarts").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            main: Main::of(service),
            left_active,
            went_down: when(unit, "InactiveEnterTimestamp"),
            stop_timeout: number(service, "TimeoutStopUSec").filter(|us| *us != NEVER).map(Duration::from_micros),
            has_job: job.is_some_and(|id| id != 0),
            invocation: bytes(unit, "InvocationID"),
        }
    }

    /// Whether it was told to end before its main process did: by an order, and not by itself.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        match (self.left_active, self.main.as_ref()) {
            (Some((at_us, _)), Some(main)) if at_us < main.started_us => false,
            (Some(_), Some(Main { ended: None, .. })) => true,
            (Some((_, left)), Some(Main { ended: Some(ended), .. })) => left < ended.since_boot_us,
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    }
}

impl Main {
    fn of(service: &HashMap<String, OwnedValue>) -> Option<Main> {
        let started_us = when(service, "ExecMainStartTimestamp")?;
        let status = signed(service, "ExecMainStatus").unwrap_or_default();
        let by_signal = signed(service, "ExecMainCode") != Some(EXITED);
        let ended = when(service, "ExecMainExitTimestamp").zip(when(service, "ExecMainExitTimestampMonotonic"));
        Some(Main {
            pid: number(service, "MainPID").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            started_us,
            ended: ended.map(|(at_us, since_boot_us)| Ended { at_us, since_boot_us, status, by_signal }),
        })
    }
}

fn text(all: &HashMap<String, OwnedValue>, name: &str) -> String {
    all.get(name).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default().to_owned()
}

fn number(all: &HashMap<String, OwnedValue>, name: &str) -> Option<u64> {
    let value = all.get(name)?;
    u64::try_from(value).ok().or_else(|| u32::try_from(value).ok().map(u64::from))
}

fn signed(all: &HashMap<String, OwnedValue>, name: &str) -> Option<i32> {
    i32::try_from(all.get(name)?).ok()
}

/// A time: 0 stands for never.
fn when(all: &HashMap<String, OwnedValue>, name: &str) -> Option<u64> {
    number(all, name).filter(|us| *us != 0)
}

fn bytes(all: &HashMap<String, OwnedValue>, name: &str) -> String {
    let Some(Value::Array(bytes)) = all.get(name).map(|value| &**value) else { return String::new() };
    bytes.iter().filter_map(|byte| u8::try_from(byte).ok()).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(since_boot_us: u64) -> Unit {
        let ended = Ended { at_us: 2_000_000, since_boot_us, status: 15, by_signal: true };
        let main = Some(Main { pid: 0, started_us: 1_000_000, ended: Some(ended) });
        Unit { main, ..Unit::default() }
    }

    // Measured with systemd 252: a stop leaves `active` 0.6 ms before the main process ends, an end by itself 0.5 ms after.
    #[test]
    fn a_stop_is_told_from_an_end_by_the_order_of_the_two() {
        let left = |at_us, since_boot_us| Some((at_us, since_boot_us));
        let running = Unit { main: ended(1).main.map(|main| Main { ended: None, ..main }), ..Unit::default() };
        let table = [
            ("stopped", Unit { left_active: left(1_999_000, 9_999), ..ended(10_000) }, true),
            ("ended by itself", Unit { left_active: left(2_000_500, 10_500), ..ended(10_000) }, false),
            ("stopped in its last life", Unit { left_active: left(900_000, 9_000), ..ended(10_000) }, false),
            ("never left it", ended(10_000), false),
            ("is being stopped", Unit { left_active: left(1_999_000, 9_999), ..running.clone() }, true),
            ("runs since it was stopped", Unit { left_active: left(900_000, 9_000), ..running.clone() }, false),
            ("runs", running, false),
            ("never ran", Unit { left_active: left(900_000, 9_000), ..Unit::default() }, false),
        ];
        for (name, unit, expect) in table {
            assert_eq!(unit.was_stopped(), expect, "{name}");
        }
    }
}
