//! Whether what runs does its work: what its check says of its present life.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::fact::{Fact, Generation, Happening, Health, Look, Observation, SourceTime, What};
use model::input::Input;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::eyes::Overflow;
use crate::program::Check;
use crate::{Host, now};

/// What has not passed its check yet in its present life is asked again so soon at first, and then ever more rarely.
const FIRST_CHECK_AFTER: Duration = Duration::from_millis(50);

/// What a check has said.
#[derive(Debug, Default)]
pub(crate) struct Checkup(Mutex<Said>);

/// Of one life.
#[derive(Debug, Clone, Default)]
struct Said {
    /// Which: by its start.
    life: Option<SourceTime>,
    /// So many failures in a row, and when the last one was counted.
    failures: u32,
    counted: Option<Instant>,
    health: Option<Health>,
    output: String,
}

/// What is checked.
pub(crate) trait Checked: Send + Sync + 'static {
    fn checkup(&self) -> &Checkup;
    fn look(&self) -> Look;
    fn observation(&self, fact: Fact, generation: Generation) -> Observation;
}

impl Checkup {
    /// How a life stands, with what the check that failed said.
    pub(crate) fn verdict(&self, check: Option<&Check>, life: Option<SourceTime>) -> (Health, String) {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_this_life = said.life == life;
        let health = match (check, said.health) {
            (None, _) => Health::Unchecked,
            (Some(_), Some(health)) if of_this_life => health,
            (Some(_), Some(_) | None) => Health::Starting,
        };
        (health, if of_this_life { said.output } else { String::new() })
    }

    /// Takes an answer in. Returns the verdict, if it is another one than before, and whether there is one.
    fn take(&self, check: &Check, life: Option<SourceTime>, answer: Result<(), String>) -> (Option<Health>, bool) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.life != life {
            // That it does not answer at once says nothing yet.
            *said = Said { life, counted: Some(Instant::now()), ..Said::default() };
        }
        let before = said.health;
        match answer {
            Ok(()) => {
                (said.failures, said.output) = (0, String::new());
                said.health = Some(Health::Healthy);
            }
            Err(says) => {
                said.output = says;
                // Asked more often than it is set, it fails no faster.
                if said.counted.is_none_or(|at| at.elapsed() >= check.every) {
                    said.failures = said.failures.saturating_add(1);
                    said.counted = Some(Instant::now());
                }
                if said.failures >= check.failures {
                    said.health = Some(Health::Unhealthy);
                }
            }
        }
        (said.health.filter(|_| said.health != before), said.health.is_some())
    }
}

/// The checks of one program or unit.
pub(crate) struct Checks<C> {
    pub(crate) check: Check,
    pub(crate) of: Arc<C>,
    pub(crate) host: Host,
    /// The life that is under way.
    pub(crate) running: watch::Receiver<Option<SourceTime>>,
}

impl<C: Checked> Checks<C> {
    pub(crate) async fn go_on<S>(mut self, generation: Generation, sink: Arc<S>, stop: CancellationToken)
    where
        S: Fn(Input) -> Result<(), Overflow> + Send + Sync + 'static,
    {
        let first = FIRST_CHECK_AFTER.min(self.check.every);
        let mut next = first;
        loop {
            let life = *self.running.borrow_and_update();
            let wait = async {
                match life {
                    Some(_) => tokio::time::sleep(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.running.changed() => {
                    next = first;
                    if changed.is_err() {
                        return;
                    }
                    continue;
                }
                () = wait => {}
            }
            // Nobody is to wait for a check that takes its time: the others are listed anew only once all have ended.
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = self.check.probe.ask(&self.host.0.asker) => answer,
            };
            if *self.running.borrow() != life {
                continue;
            }
            let (news, settled) = self.of.checkup().take(&self.check, life, answer.verdict());
            // Before it has passed for the first time it may well be on its way up.
            next = if settled { self.check.every } else { (next * 2).min(self.check.every) };
            let Some(health) = news else { continue };
            // A look may be a little older than the answer: it comes first, or it would be one of the past.
            let look = Fact::Looked(Box::new(self.of.look()));
            let turned = Fact::Happened(Happening { at: now(), what: What::Health(health) });
            let mut facts = [look, turned].into_iter().map(|fact| self.of.observation(fact, generation));
            if facts.try_for_each(|seen| sink(Input::Observed(seen))).is_err() {
                return stop.cancel();
            }
        }
    }
}
