//! An inspect as a look, with the engine's quirks taken out.

use std::sync::Arc;

use evidence::{escape, redact};
use model::complaint::StartError;
use model::fact::{Definition, Exit, Health, Look, Run, SourceTime};

use crate::start_error::start_error;
use crate::wire::{self, Inspect, Probe, State};

/// A shell's word for a command that is not there.
const NOT_FOUND: i64 = 127;
const OUTPUT_BYTES_MAX: usize = 300;
const ERROR_BYTES_MAX: usize = 500;

/// What an inspect says. `at`: when it was asked for.
pub(crate) fn look(
    inspect: &Inspect,
    definition: Arc<Definition>,
    manually_stopped: Option<bool>,
    at: SourceTime,
) -> Look {
    let state = &inspect.state;
    let run = run(state);
    let health = health(state);
    Look {
        at,
        run,
        started: wire::time(state.started_at.as_deref()),
        exit: exit(inspect, run),
        health,
        health_output: health_output(state, health),
        check_lacks: failed_probe(state, health).and_then(check_lacks),
        restarts: inspect.restart_count.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        manually_stopped,
        kept: None,
        lost_networks: Vec::new(),
        disk: None,
        probe: None,
        definition,
    }
}

/// Podman has words of its own; whatever is not known is told by the flags.
fn run(state: &State) -> Run {
    match state.status.as_deref() {
        Some("created" | "configured" | "initialized") => Run::Created,
        Some("running") => Run::Running,
        Some("paused") => Run::Paused,
        Some("restarting") => Run::Restarting,
        Some("removing" | "dead") => Run::Removing,
        Some("exited" | "stopped") => Run::Exited,
        Some(_) | None => {
            let set = |flag: Option<bool>| flag.unwrap_or(false);
            if set(state.dead) {
                Run::Removing
            } else if set(state.restarting) {
                Run::Restarting
            } else if set(state.paused) {
                Run::Paused
            } else if set(state.running) {
                Run::Running
            } else if wire::time(state.started_at.as_deref()).is_none() {
                Run::Created
            } else {
                Run::Exited
            }
        }
    }
}

/// While a container runs, the engine has reset the code of its last end to 0: that end is not told, rather than told
/// wrongly. A start that failed has no time of its own: it is given the time at which the container was made.
fn exit(inspect: &Inspect, run: Run) -> Option<Exit> {
    let state = &inspect.state;
    match run {
        Run::Running | Run::Paused => return None,
        Run::Created | Run::Restarting | Run::Exited | Run::Removing => {}
    }
    let error = escape(&redact(state.error.as_deref().unwrap_or_default()), ERROR_BYTES_MAX);
    let code = state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
    let at = match wire::time(state.finished_at.as_deref()) {
        Some(at) => at,
        None if !error.is_empty() || (run == Run::Created && code != 0) => wire::time(inspect.created.as_deref())?,
        None => return None,
    };
    let start_error = start_error(&error);
    Some(Exit { at, code, oom: state.oom_killed.unwrap_or(false), error, start_error })
}

fn health(state: &State) -> Health {
    match state.health.as_ref().and_then(|health| health.status.as_deref()) {
        Some("starting") => Health::Starting,
        Some("healthy") => Health::Healthy,
        Some("unhealthy") => Health::Unhealthy,
        Some(_) | None => Health::Unchecked,
    }
}

fn health_output(state: &State, health: Health) -> String {
    let output = failed_probe(state, health).and_then(|probe| probe.output.as_deref()).unwrap_or_default();
    escape(&redact(output.trim()), OUTPUT_BYTES_MAX)
}

/// The last run of a healthcheck that failed, of one that is unhealthy.
fn failed_probe(state: &State, health: Health) -> Option<&Probe> {
    let probes = state.health.iter().filter(|_| health == Health::Unhealthy).flat_map(|h| h.log.iter().flatten());
    probes.rev().find(|probe| probe.exit_code != Some(0))
}

/// The command that a check could not run: the engine says so, or the shell that the check is run by.
fn check_lacks(probe: &Probe) -> Option<String> {
    let output = probe.output.as_deref()?.trim();
    let by_engine = match start_error(output) {
        Some(StartError::CommandNotFound { command } | StartError::NotExecutable { command }) => Some(command),
        Some(_) | None => None,
    };
    let by_shell = || {
        let said = output.strip_suffix(": not found").or_else(|| output.strip_suffix(": command not found"))?;
        said.rsplit([' ', ':']).next().filter(|_| probe.exit_code == Some(NOT_FOUND)).map(str::to_owned)
    };
    by_engine.or_else(by_shell).map(|command| escape(&redact(&command), OUTPUT_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::{Around, definition};

    fn looked(state: serde_json::Value) -> Look {
        let inspect: Inspect = serde_json::from_value(json!({
            "Id": "ab", "Name": "/x", "Created": "2026-11-23T15:46:06Z", "RestartCount": 3, "State": state
        }))
        .unwrap();
        let definition = Arc::new(definition(&inspect, Around::default()));
        look(&inspect, definition, Some(true), SourceTime(9))
    }

    const NEVER: &str = "0001-01-01T00:00:00Z";
    const CREATED: SourceTime = SourceTime(1_795_448_766_000_000_000);

    #[test]
    fn a_running_container_has_no_end_even_if_it_had_one() {
        let look = looked(json!({"Status": "running", "Running": true, "ExitCode": 0,
            "StartedAt": "2026-11-23T15:50:00Z", "FinishedAt": "2026-11-23T15:49:59Z"}));
        assert_eq!((look.run, look.exit, look.restarts), (Run::Running, None, 3));
        assert_eq!((look.health, look.manually_stopped), (Health::Unchecked, Some(true)));
    }

    #[test]
    fn a_failed_start_is_told_with_its_reason_though_it_has_no_times() {
        let look = looked(json!({"Status": "created", "ExitCode": 127, "StartedAt": NEVER, "FinishedAt": NEVER,
            "Error": "exec: \"/nope\": no such file\nor directory"}));
        let exit = look.exit.unwrap();
        assert_eq!((look.run, look.started, exit.at, exit.code), (Run::Created, None, CREATED, 127));
        assert_eq!(exit.error, "exec: \"/nope\": no such file\\nor directory");
        let fresh = looked(json!({"Status": "created", "ExitCode": 0, "StartedAt": NEVER, "FinishedAt": NEVER}));
        assert_eq!(fresh.exit, None);
    }

    #[test]
    fn ends_are_told_as_the_engine_tells_them() {
        let ended = |more: serde_json::Value| {
            let mut state =
                json!({"Status": "exited", "StartedAt": "2026-11-23T15:40:00Z", "FinishedAt": "2026-11-23T15:46:06Z"});
            state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            looked(state).exit.unwrap()
        };
        let oom = ended(json!({"ExitCode": 137, "OOMKilled": true}));
        assert_eq!((oom.at, oom.code, oom.oom), (CREATED, 137, true));
        let power_loss = ended(json!({"ExitCode": 255, "OOMKilled": false}));
        assert_eq!((power_loss.code, power_loss.oom), (255, false));
        assert_eq!(ended(json!({"ExitCode": 99_999_999_999_i64})).code, -1);
    }

    #[test]
    fn every_word_for_a_state_is_understood_and_flags_tell_the_rest() {
        let table = [
            (json!({"Status": "paused"}), Run::Paused),
            (json!({"Status": "restarting", "Running": true, "Restarting": true}), Run::Restarting),
            (json!({"Status": "dead"}), Run::Removing),
            (json!({"Status": "removing"}), Run::Removing),
            (json!({"Status": "stopped"}), Run::Exited),
            (json!({"Status": "frozen", "Running": true, "Paused": true}), Run::Paused),
            (json!({"Running": true, "Restarting": true}), Run::Restarting),
            (json!({"Status": "odd", "StartedAt": "2026-11-23T15:40:00Z"}), Run::Exited),
            (json!({}), Run::Created),
        ];
        for (state, expect) in table {
            assert_eq!(looked(state.clone()).run, expect, "{state}");
        }
    }

    #[test]
    fn a_failing_healthchecks_last_words_are_quoted_safely() {
        let log = json!([
            {"ExitCode": 1, "Output": "older"},
            {"ExitCode": -1, "Output": "\u{1b}[31mtimeout password=hunter2\n"},
            {"ExitCode": 0, "Output": "ok"}
        ]);
        let ill = looked(json!({"Status": "running", "Health": {"Status": "unhealthy", "Log": log}}));
        assert_eq!((ill.health, ill.health_output.as_str()), (Health::Unhealthy, "\\x1b[31mtimeout password=********"));
        let well = looked(json!({"Status": "running", "Health": {"Status": "healthy", "Log": log}}));
        assert_eq!((well.health, well.health_output.as_str()), (Health::Healthy, ""));
        let none = looked(json!({"Status": "running", "Health": {"Status": "none", "Log": null}}));
        assert_eq!(none.health, Health::Unchecked);
    }
}
