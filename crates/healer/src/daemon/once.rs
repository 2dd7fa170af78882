//! `healer run --once`: one full pass, then the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::{Engine, view};
use model::Now;
use model::incident::Phase;
use runtime::Handle;

use crate::config::Config;

/// How often it is asked whether the pass is complete.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// An engine that cannot be reached within this is not waited for.
const REACH_MAX: Duration = Duration::from_secs(10);
/// What is under way is waited for at most this long.
const PASS_MAX: Duration = Duration::from_secs(300);

/// Waits until everything was looked at once, and nothing is being decided or done any more. What is being verified then
/// is verified by the next run. Fails if an engine could not be looked at.
pub(crate) async fn pass(handle: &Handle, config: &Config) -> ExitCode {
    let engines = config.docker_hosts.len();
    let began = Instant::now();
    loop {
        let Ok((listed, unreachable, busy)) = handle.ask(progress).await else {
            return ExitCode::FAILURE;
        };
        let seen = listed == engines;
        let given_up = listed + unreachable == engines && began.elapsed() > REACH_MAX;
        if (seen || given_up) && !busy || began.elapsed() > PASS_MAX {
            return if seen { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// How many sources were listed, how many cannot be reached, and whether anything is being decided or done.
fn progress(engine: &Engine, now: Now) -> (usize, usize, bool) {
    let sources = view::status(engine, now).sources;
    let listed = sources.iter().filter(|source| source.well).count();
    let busy = engine.state().open_incidents().any(|incident| {
        matches!(
            incident.phase,
            Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Acting { .. } | Phase::RollingBack { .. }
        )
    });
    (listed, sources.len() - listed, busy)
}
