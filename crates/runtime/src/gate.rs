//! The last question before an act: a performer asks it after it has re-read the platform, immediately before it acts.
//!
//! Between the guard's verdict and the act lies time: in it the owner may have stopped the resource, pressed the red
//! button, or another healer may have taken the lead. The loop writes here what it has committed; performers read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Engine, Maintained, Standing, needs_wanted_running};
use model::action::{Behalf, Pair, Permit, PermitId};
use model::intent::Wanted;
use model::settings::matches;
use model::{ResourceId, Tick};

/// Permits that were used are remembered this far back; older ones have expired long since.
const USED_KEPT_MAX: usize = 4_096;

/// What performers re-read. Cheap to clone.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Once it is closed it stays so, whatever is published after that.
    closed: Option<Withdrawn>,
    /// Nothing new is begun; what healer took down is still brought up.
    winds_down: bool,
    epoch: u64,
    frozen: bool,
    maintenance: Vec<Maintained>,
    standings: BTreeMap<ResourceId, Standing>,
    used: BTreeSet<PermitId>,
    faults: Faults,
}

/// Faults that the simulator plants in the last question; all off outside of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The ledger is not read again.
    pub intent_not_reread: bool,
    /// A permit may be used twice.
    pub permit_used_twice: bool,
    /// Neither the epoch is compared nor whether the gate is closed.
    pub epoch_ignored: bool,
    /// A permit is good for ever.
    pub permit_never_expires: bool,
    /// The ledger is not read again for what a person has made anew.
    pub update_not_reread: bool,
}

/// Why a permit is worth nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withdrawn {
    /// Another healer leads.
    #[error("another healer leads")]
    Deposed,
    /// This healer ends: what is under way is looked at by the next one.
    #[error("healer is shutting down")]
    Ending,
    /// It was used already.
    #[error("this permit was used already")]
    Used,
    /// Its time is over.
    #[error("the permit has expired")]
    Expired,
    /// Freeze.
    #[error("healer was frozen meanwhile")]
    Frozen,
    /// Its owner works on it.
    #[error("it is in maintenance meanwhile")]
    Maintenance,
    /// The ledger does not want it running.
    #[error("it is not wanted running any more")]
    NotWanted,
    /// It was to be stopped, and is wanted running again.
    #[error("it is wanted running again")]
    WantedAgain,
    /// Somebody is stopping it.
    #[error("somebody is stopping it")]
    BeingStopped,
}

impl Gate {
    /// Asks whether a permit still holds, and uses it up.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn pass(&self, permit: &Permit, now: Tick) -> Result<(), Withdrawn> {
        let mut inner = self.lock();
        let faults = inner.faults;
        if let Some(why) = inner.closed.as_ref().filter(|_| !faults.epoch_ignored) {
            return Err(why.clone());
        }
        if inner.winds_down && permit.step.pair != Pair::Closes {
            return Err(Withdrawn::Ending);
        }
        if permit.epoch != inner.epoch && !faults.epoch_ignored {
            return Err(Withdrawn::Deposed);
        }
        if inner.used.contains(&permit.id) && !faults.permit_used_twice {
            return Err(Withdrawn::Used);
        }
        if now >= permit.until && !faults.permit_never_expires {
            return Err(Withdrawn::Expired);
        }
        if inner.frozen && !permit.unhindered {
            return Err(Withdrawn::Frozen);
        }
        let resource = &permit.step.resource;
        let is_of = |window: &Maintained| {
            window.deployment.as_ref().is_none_or(|pattern| matches(pattern, resource.deployment()))
        };
        let by_plan = !permit.unhindered && matches!(permit.behalf, Behalf::Incident(_));
        if by_plan && inner.maintenance.iter().any(|window| window.span.contains(&now) && is_of(window)) {
            return Err(Withdrawn::Maintenance);
        }
        let by_person = matches!(permit.behalf, Behalf::Person(_)) && faults.update_not_reread;
        if needs_wanted_running(permit) && !faults.intent_not_reread && !by_person {
            let standing = inner.standings.get(&permit.step.resource);
            if standing.is_none_or(|standing| standing.wanted != Wanted::Running) {
                return Err(Withdrawn::NotWanted);
            }
            if standing.is_some_and(|standing| standing.being_stopped) {
                return Err(Withdrawn::BeingStopped);
            }
        }
        // A stop that gives way to the owner's is worth nothing once somebody wants it running again.
        let gives_way = matches!(
            (&permit.behalf, permit.step.action, permit.step.pair),
            (Behalf::Incident(_), model::action::Action::Stop, model::action::Pair::None)
        );
        if gives_way && !faults.intent_not_reread {
            let standing = inner.standings.get(&permit.step.resource);
            if standing.is_none_or(|standing| standing.wanted != Wanted::Stopped) {
                return Err(Withdrawn::WantedAgain);
            }
        }
        // A person's start after another person's stop: the later word counts.
        if let (Behalf::Person(_), model::action::Action::Start) = (&permit.behalf, permit.step.action) {
            let standing = inner.standings.get(&permit.step.resource);
            if standing.is_some_and(|standing| standing.wanted == Wanted::Stopped) {
                return Err(Withdrawn::NotWanted);
            }
        }
        inner.used.insert(permit.id);
        if inner.used.len() > USED_KEPT_MAX {
            inner.used.pop_first();
        }
        Ok(())
    }

    /// Asks whether an order still holds that is about no body of a resource: nothing of what is there is touched by it.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn pass_order(&self) -> Result<(), Withdrawn> {
        let inner = self.lock();
        let ending = inner.winds_down.then_some(Withdrawn::Ending);
        let frozen = inner.frozen.then_some(Withdrawn::Frozen);
        inner.closed.clone().or(ending).or(frozen).map_or(Ok(()), Err)
    }

    /// Writes what is committed about these resources.
    pub(crate) fn publish<'a>(&self, engine: &Engine, resources: impl Iterator<Item = &'a ResourceId>) {
        let mut inner = self.lock();
        inner.epoch = engine.state().epoch;
        inner.frozen = engine.state().frozen.is_some();
        inner.maintenance = engine.maintenance();
        for resource in resources {
            if engine.state().intents.contains_key(resource) {
                inner.standings.insert(resource.clone(), engine.standing(resource));
            } else {
                // Nothing is known of it: that permits nothing.
                inner.standings.remove(resource);
            }
        }
    }

    /// This healer is about to end: only what brings up again what healer itself took down is still done.
    pub fn wind_down(&self) {
        self.lock().winds_down = true;
    }

    /// This healer ends: no permit holds any more, nor any that is still decided on.
    pub fn close(&self) {
        self.lock().closed.get_or_insert(Withdrawn::Ending);
    }

    /// Another healer leads: no permit of ours holds any more.
    pub(crate) fn depose(&self) {
        self.lock().closed.get_or_insert(Withdrawn::Deposed);
    }

    /// Plants faults.
    #[cfg(feature = "faults")]
    pub fn plant(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves whole values behind: each field is written at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
