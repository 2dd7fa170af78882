//! `healer run --once`: one full pass, then the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::{Engine, view};
use model::Now;
use model::incident::Phase;
use model::verdict::Hold;
use runtime::Handle;

use crate::config::Config;

/// How often it is asked whether the pass is complete.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// An engine that cannot be reached within this is not waited for.
const REACH_MAX: Duration = Duration::from_secs(10);
/// What is under way is waited for at most this long.
const PASS_MAX: Duration = Duration::from_secs(300);

/// What a pass has come to.
struct Progress {
    listed: usize,
    unreachable: usize,
    /// Something is being decided or done, or waits for what passes by itself.
    busy: bool,
    /// Something is ill, and healer is not about to mend it.
    left: bool,
}

/// Waits until everything was looked at once, and nothing is being decided or done any more. What is being verified then
/// is verified by the next run. Fails if an engine could not be looked at, or something stays as ill as it was.
pub(crate) async fn pass(handle: &Handle, config: &Config) -> ExitCode {
    let engines = config.docker_hosts.len() + usize::from(!config.here.is_empty());
    let began = Instant::now();
    loop {
        let Ok(Progress { listed, unreachable, busy, left }) = handle.ask(progress).await else {
            return ExitCode::FAILURE;
        };
        let seen = listed == engines;
        let given_up = listed + unreachable == engines && began.elapsed() > REACH_MAX;
        if (seen || given_up) && !busy || began.elapsed() > PASS_MAX {
            return if seen && !left { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn progress(engine: &Engine, now: Now) -> Progress {
    let sources = view::status(engine, now).sources;
    let listed = sources.iter().filter(|source| source.well).count();
    let stand = |wanted| engine.state().open_incidents().any(|incident| stand(&incident.phase, now) == wanted);
    Progress { listed, unreachable: sources.len() - listed, busy: stand(Stand::Busy), left: stand(Stand::Left) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Busy,
    Left,
    /// It is over, or mended and to be verified.
    Over,
}

fn stand(phase: &Phase, now: Now) -> Stand {
    match phase {
        Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Acting { .. } | Phase::RollingBack { .. } => {
            Stand::Busy
        }
        Phase::Held { reason: Hold::Clearing, .. } | Phase::Verifying { .. } | Phase::Resolved { .. } => Stand::Over,
        Phase::Held { reason, until } if passes(reason) && until.since(now.tick) < PASS_MAX => Stand::Busy,
        Phase::Held { .. } | Phase::AwaitingApproval { .. } | Phase::Escalated { .. } => Stand::Left,
    }
}

/// Whether time, or what healer itself is at, ends such a wait.
fn passes(hold: &Hold) -> bool {
    match hold {
        Hold::Storm
        | Hold::ReplicaDown { .. }
        | Hold::AnotherHealer
        | Hold::Concurrency { .. }
        | Hold::Busy { .. }
        | Hold::Backoff { .. }
        | Hold::Withheld { .. }
        | Hold::BeingStopped
        | Hold::DeployInProgress
        | Hold::Recovering
        | Hold::WaitsFor { .. }
        | Hold::JustUp { .. }
        | Hold::Clearing => true,
        Hold::NotSeen
        | Hold::Paused
        | Hold::MountMissing { .. }
        | Hold::IntentUnknown
        | Hold::Maintenance
        | Hold::OthersStopped { .. }
        | Hold::Frozen { .. }
        | Hold::EnginesOwnPolicy
        | Hold::TwoIncarnations
        | Hold::ObserveMode
        | Hold::GroupBudget { .. }
        | Hold::StoreFull
        | Hold::Halted { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use model::{Tick, Wall};

    use super::*;

    #[test]
    fn a_pass_waits_for_what_passes_and_fails_for_what_stays() {
        let now = Now { wall: Wall(0), tick: Tick(0) };
        let held = |reason: Hold, seconds: u64| Phase::Held { reason, until: Tick(seconds * 1_000) };
        let table = [
            (held(Hold::Storm, 2), Stand::Busy),
            (held(Hold::Concurrency { limit: 3 }, 10), Stand::Busy),
            (held(Hold::Backoff { attempt: 2, wait_ms: 10_000 }, 10), Stand::Busy),
            (held(Hold::Backoff { attempt: 9, wait_ms: 900_000 }, 900), Stand::Left),
            (held(Hold::ObserveMode, 600), Stand::Left),
            (held(Hold::Clearing, 120), Stand::Over),
        ];
        for (phase, expect) in table {
            assert_eq!(stand(&phase, now), expect, "{phase:?}");
        }
    }
}
