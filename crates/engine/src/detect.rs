//! Which alerts the states of a resource make fire. It knows nothing of intents, incidents or policies.
//!
//! Level-triggered: what is seen is compared with what the journal says is firing, so a late fact, a refold or a restart
//! needs no care of its own. Batches of samples will have a machine of their own beside this, on its own thread.

use std::time::Duration;

use model::Tick;
use model::alert::Name;
use model::fact::{Health, Run};

use crate::world::Body;

/// So many restarts by the engine's own policy within the time that `world` remembers them are a crash loop.
const RESTARTS_MANY: usize = 3;
/// And it is over after so long without one: a service that dies every few minutes loops as well.
const RESTARTS_CALM: Duration = Duration::from_secs(300);

/// What is wrong with a resource of these bodies: at most one alert of each name, with what was seen.
pub(crate) fn conditions<'a>(bodies: impl Iterator<Item = &'a Body> + Clone, now: Tick) -> Vec<(Name, String)> {
    let mut found = Vec::new();
    let looping = bodies.clone().map(|body| recent_restarts(body, now)).max().unwrap_or(0);
    if looping >= RESTARTS_MANY {
        // That it is down between two starts is no news, and would be told at each of them.
        found.push((Name::CrashLooping, format!("the engine restarted it {looping} times lately")));
    }
    match bodies.clone().find(|body| body.is_up()) {
        Some(body) if body.health == Health::Unhealthy && body.disk().is_some() => {
            found.extend(body.disk().map(|disk| (Name::DiskFull, disk.to_string())));
        }
        Some(body) if body.health == Health::Unhealthy && body.probe().is_some() => {
            let says = body.probe().and_then(|probe| probe.trouble.as_ref()).map(|trouble| trouble.says.clone());
            found.push((Name::ProbeFails, says.unwrap_or_else(|| "it fails".to_owned())));
        }
        Some(body) if body.health == Health::Unhealthy && body.run == Run::Running => {
            found.push((Name::Unhealthy, "its healthcheck fails".to_owned()));
        }
        Some(_) => {}
        None if looping >= RESTARTS_MANY => {}
        None => found.extend(bodies.filter_map(down).last()),
    }
    found
}

/// Whether a body is down, and how that is called.
fn down(body: &Body) -> Option<(Name, String)> {
    let failed = body.exit.as_ref().is_some_and(|exit| !exit.error.is_empty());
    match body.run {
        Run::Created if failed => Some((Name::StartFailed, "it could not be started".to_owned())),
        Run::Created | Run::Running | Run::Paused | Run::Removing => None,
        Run::Restarting | Run::Exited if failed => {
            Some((Name::StartFailed, "it could not be started again".to_owned()))
        }
        Run::Restarting | Run::Exited => {
            let code = body.exit.as_ref().map(|exit| exit.code);
            let how = code.map_or("it is down".to_owned(), |code| format!("it ended with exit code {code}"));
            Some((Name::ServiceDown, how))
        }
    }
}

fn recent_restarts(body: &Body, now: Tick) -> usize {
    let calm = body.restarted.back().is_none_or(|last| now.since(*last) > RESTARTS_CALM);
    if calm { 0 } else { body.restarted.len() }
}

#[cfg(test)]
mod tests;
