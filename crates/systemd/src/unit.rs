//! How a unit stands, from its properties on the bus (org.freedesktop.systemd1(5)).

use std::collections::HashMap;
use std::time::Duration;

use zbus::zvariant::{OwnedValue, Structure, Value};

/// What waitid(2) says of an end: `CLD_EXITED`.
const EXITED: i32 = 1;
/// That a main process has ended systemd has seen after this long; later it leaves `active` for another reason: 0.5 ms were
/// measured.
const SEEN_WITHIN_US: u64 = 1_000_000;
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
    /// It counts as active also after its process has ended.
    pub remains: bool,
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
            remains: service.get("RemainAfterExit").is_some_and(|it| bool::try_from(it).unwrap_or(false)),
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

    /// Whether it was told to end, and did not by itself: by an order, or by one for what it is bound to.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        let is_down = self.active == "inactive";
        // It was to be started anew, and was not: what systemd gives up it calls `failed`.
        if is_down && self.waited_for_its_restart() {
            return true;
        }
        let Some(main) = &self.main else {
            // Nobody knows which of its processes counts, so that all that can be told is that it has not failed.
            return is_down && self.left_active.is_some();
        };
        let left = self.left_active.filter(|(at_us, _)| *at_us >= main.started_us);
        match (left, main.ended) {
            // That its process ended is no end of it.
            (Some(_), Some(_)) if self.remains && is_down => true,
            (Some((_, left)), Some(ended)) => left < ended.since_boot_us || left > ended.since_boot_us + SEEN_WITHIN_US,
            (Some(_), None) => true,
            // It never was `active`, and what ends then by itself has failed.
            (None, Some(_)) => is_down,
            (None, None) => false,
        }
    }

    /// Whether its last end was none that systemd calls a success, and no failure stands.
    #[must_use]
    pub fn waited_for_its_restart(&self) -> bool {
        self.active == "inactive" && !matches!(self.result.as_str(), "success" | "")
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
        let down = |unit| Unit { active: "inactive".to_owned(), ..unit };
        let by_itself = || Unit { left_active: left(2_000_500, 10_500), ..ended(10_000) };
        let running = Unit { main: ended(1).main.map(|main| Main { ended: None, ..main }), ..Unit::default() };
        let table = [
            ("stopped", Unit { left_active: left(1_999_000, 9_999), ..ended(10_000) }, true),
            ("ended by itself", Unit { left_active: left(2_000_500, 10_500), ..ended(10_000) }, false),
            ("stopped in its last life", Unit { left_active: left(900_000, 9_000), ..ended(10_000) }, false),
            ("never left it", ended(10_000), false),
            ("is being stopped", Unit { left_active: left(1_999_000, 9_999), ..running.clone() }, true),
            ("runs since it was stopped", Unit { left_active: left(900_000, 9_000), ..running.clone() }, false),
            ("runs", running, false),
            ("never ran", down(Unit::default()), false),
            ("has no process of its own", down(Unit { left_active: left(900_000, 9_000), ..Unit::default() }), true),
            (
                "stopped long after its process",
                down(Unit { left_active: left(9_000_000, 2_000_000), ..ended(10_000) }),
                true,
            ),
            ("stopped soon after its process", Unit { remains: true, ..down(by_itself()) }, true),
            ("stopped before it was active", down(ended(10_000)), true),
            ("failed before it was active", Unit { active: "failed".to_owned(), ..ended(10_000) }, false),
            ("stopped while it waited", down(Unit { result: "exit-code".to_owned(), ..by_itself() }), true),
            ("ended well", down(Unit { result: "success".to_owned(), ..by_itself() }), false),
        ];
        for (name, unit, expect) in table {
            assert_eq!(unit.was_stopped(), expect, "{name}");
        }
    }
}
