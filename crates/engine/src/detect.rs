//! The second machine: states in, alert transitions out. It knows nothing of intents, incidents or policies.
//!
//! It runs before the engine in the loop, on states alone; batches of samples will get a thread of their own.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::alert::{Alert, Name, State, Transition};
use model::fact::{Exit, Fact, Happening, Health, Incarnation, Observation, Run, SourceTime, What};
use model::{ResourceId, Tick};

/// So many restarts by the engine's own policy …
const RESTARTS_MANY: usize = 3;
/// … within so long are a crash loop.
const RESTARTS_WINDOW: Duration = Duration::from_secs(600);
/// And it is over after so long without one.
const RESTARTS_CALM: Duration = Duration::from_secs(120);

/// The detector.
#[derive(Debug, Default)]
pub struct Detector {
    resources: BTreeMap<ResourceId, BTreeMap<Incarnation, Seen>>,
    firing: BTreeMap<Alert, String>,
}

#[derive(Debug, Default)]
struct Seen {
    run: Option<Run>,
    exit: Option<Exit>,
    health: Option<Health>,
    restarts: u32,
    restarted: VecDeque<Tick>,
    /// When the last fact about what it does was true, by the source's clock: an older one that arrives later says nothing.
    as_of: SourceTime,
}

impl Detector {
    /// A detector that has seen nothing yet, and knows what the journal says is firing: the first fact about each of these
    /// resources tells whether it still does.
    #[must_use]
    pub fn knowing<'a>(firing: impl Iterator<Item = (&'a Alert, &'a str)>) -> Detector {
        let firing = firing.map(|(alert, because)| (alert.clone(), because.to_owned())).collect();
        Detector { firing, ..Detector::default() }
    }

    /// Takes an observation in and says which alerts changed by it.
    pub fn observe(&mut self, seen: &Observation, now: Tick) -> Vec<Transition> {
        let bodies = self.resources.entry(seen.resource.clone()).or_default();
        let gone = matches!(&seen.fact, Fact::Gone)
            || matches!(&seen.fact, Fact::Happened(happening) if happening.what == What::Destroyed);
        if gone {
            bodies.remove(&seen.incarnation);
            if bodies.is_empty() {
                self.resources.remove(&seen.resource);
            }
        } else {
            bodies.entry(seen.incarnation.clone()).or_default().fold(&seen.fact, now);
        }
        self.compare(&seen.resource, now)
    }

    /// A full listing showed these alone: what is not among them is gone.
    pub fn listed(&mut self, source: &str, present: &[(ResourceId, Incarnation)], now: Tick) -> Vec<Transition> {
        let mut lost = Vec::new();
        for (resource, bodies) in self.resources.iter_mut().filter(|(resource, _)| resource.host() == source) {
            let before = bodies.len();
            bodies.retain(|incarnation, _| present.iter().any(|(r, i)| r == resource && i == incarnation));
            if bodies.len() != before {
                lost.push(resource.clone());
            }
        }
        self.resources.retain(|_, bodies| !bodies.is_empty());
        let unknown = |alert: &&Alert| alert.resource.host() == source && !self.resources.contains_key(&alert.resource);
        lost.extend(self.firing.keys().filter(unknown).map(|alert| alert.resource.clone()));
        lost.iter().flat_map(|resource| self.compare(resource, now)).collect()
    }

    /// The present condition of everything that it knows, as after a start or a refold: the alerts that fire, and of
    /// each resource those that do not.
    #[must_use]
    pub fn state_all(&self) -> Vec<Transition> {
        let of = |resource: &ResourceId, name: Name| {
            let alert = Alert { name, resource: resource.clone() };
            match self.firing.get(&alert) {
                Some(because) => Transition { alert, to: State::Firing, because: because.clone() },
                None => Transition { alert, to: State::Resolved, because: String::new() },
            }
        };
        self.resources.keys().flat_map(|resource| Name::ALL.map(|name| of(resource, name))).collect()
    }

    fn compare(&mut self, resource: &ResourceId, now: Tick) -> Vec<Transition> {
        let conditions = self.resources.get(resource).map(|bodies| conditions(bodies, now)).unwrap_or_default();
        let mut changes = Vec::new();
        for name in Name::ALL {
            let alert = Alert { name, resource: resource.clone() };
            let stands = conditions.iter().find(|(standing, _)| *standing == name).map(|(_, because)| because);
            match (stands, self.firing.contains_key(&alert)) {
                (Some(because), false) => {
                    self.firing.insert(alert.clone(), because.clone());
                    changes.push(Transition { alert, to: State::Firing, because: because.clone() });
                }
                (None, true) => {
                    self.firing.remove(&alert);
                    let because = "it no longer stands".to_owned();
                    changes.push(Transition { alert, to: State::Resolved, because });
                }
                (Some(_), true) | (None, false) => {}
            }
        }
        changes
    }
}

/// What is wrong with a resource of these bodies.
fn conditions(bodies: &BTreeMap<Incarnation, Seen>, now: Tick) -> Vec<(Name, String)> {
    let mut found = Vec::new();
    let up = bodies.values().find(|body| matches!(body.run, Some(Run::Running | Run::Paused)));
    match up {
        Some(body) if body.health == Some(Health::Unhealthy) && body.run == Some(Run::Running) => {
            found.push((Name::Unhealthy, "its healthcheck fails".to_owned()));
        }
        Some(_) => {}
        None => found.extend(bodies.values().filter_map(Seen::down).next_back()),
    }
    let looping = bodies.values().map(|body| body.recent_restarts(now)).max().unwrap_or(0);
    if looping >= RESTARTS_MANY {
        found.push((Name::CrashLooping, format!("the engine restarted it {looping} times lately")));
    }
    found
}

impl Seen {
    fn fold(&mut self, fact: &Fact, now: Tick) {
        match fact {
            Fact::Looked(look) if look.at < self.as_of => {}
            Fact::Happened(happening) if happening.at < self.as_of => {}
            Fact::Looked(look) => {
                self.as_of = look.at;
                if self.run.is_some() && look.restarts > self.restarts {
                    let new = usize::try_from(look.restarts - self.restarts).unwrap_or(RESTARTS_MANY);
                    self.restarted.extend(std::iter::repeat_n(now, new.min(RESTARTS_MANY)));
                }
                self.restarts = look.restarts;
                self.run = Some(look.run);
                self.health = Some(look.health);
                self.exit.clone_from(&look.exit);
            }
            Fact::Happened(happening) => self.happened(happening),
            Fact::ApiOpenAfter(_) | Fact::Gone => {}
        }
        while self.restarted.front().is_some_and(|then| now.since(*then) > RESTARTS_WINDOW) {
            self.restarted.pop_front();
        }
    }

    fn happened(&mut self, happening: &Happening) {
        self.as_of = happening.at;
        match &happening.what {
            What::Created => self.run = Some(Run::Created),
            What::Started => {
                self.run = Some(Run::Running);
                self.health = self.health.filter(|health| *health == Health::Unchecked);
            }
            What::Died { code } => {
                self.run = Some(Run::Exited);
                let exit = Exit { at: happening.at, code: *code, oom: false, error: String::new() };
                self.exit = Some(exit);
            }
            What::Paused => self.run = Some(Run::Paused),
            What::Unpaused => self.run = Some(Run::Running),
            What::Health(health) => self.health = Some(*health),
            What::Signalled { .. }
            | What::Stopped
            | What::Restarted
            | What::OutOfMemory
            | What::Renamed { .. }
            | What::Updated
            | What::Attached
            | What::Destroyed => {}
        }
    }

    /// Whether it is down, and how that is called.
    fn down(&self) -> Option<(Name, String)> {
        let error = self.exit.as_ref().map(|exit| exit.error.as_str()).unwrap_or_default();
        match self.run? {
            Run::Created if !error.is_empty() => Some((Name::StartFailed, "it could not be started".to_owned())),
            Run::Created | Run::Running | Run::Paused | Run::Removing => None,
            Run::Restarting | Run::Exited if !error.is_empty() => {
                Some((Name::StartFailed, "it could not be started again".to_owned()))
            }
            Run::Restarting | Run::Exited => {
                let code = self.exit.as_ref().map(|exit| exit.code);
                let how = code.map_or("it is down".to_owned(), |code| format!("it ended with exit code {code}"));
                Some((Name::ServiceDown, how))
            }
        }
    }

    fn recent_restarts(&self, now: Tick) -> usize {
        let calm = self.restarted.back().is_none_or(|last| now.since(*last) > RESTARTS_CALM);
        if calm { 0 } else { self.restarted.len() }
    }
}
