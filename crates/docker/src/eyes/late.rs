//! The containers that the first listing did not wait for: the first look at each comes later, and what the engine
//! remembered of them is kept for it.

use std::collections::{HashMap, HashSet};

use model::fact::{Fact, Incarnation, Observation, SourceTime};

use crate::kept::Ring;
use crate::wire::Event;

/// The engine's memory, and whom it is kept for.
#[derive(Debug, Default)]
pub(super) struct Late {
    ring: Ring,
    /// With the times of what was told of it as events: told twice, one kill would count as two.
    told: HashMap<Incarnation, HashSet<SourceTime>>,
}

impl Late {
    /// For these containers; `events` are those that are told as such.
    pub(super) fn new(ring: Ring, of: impl Iterator<Item = Incarnation>, events: &[Event]) -> Late {
        let mut told: HashMap<Incarnation, HashSet<SourceTime>> = of.map(|id| (id, HashSet::new())).collect();
        for event in events {
            if let Some(times) = told.get_mut(&Incarnation(event.actor.id.as_str().into())) {
                times.insert(event.at());
            }
        }
        Late { ring, told }
    }

    /// Adds what the engine remembered to the first look at such a container.
    pub(super) fn remember(&mut self, observation: &mut Observation) {
        let Some(told) = self.told.remove(&observation.incarnation) else { return };
        self.ring.remember(observation);
        if let Fact::Looked(look) = &mut observation.fact
            && let Some(kept) = &mut look.kept
        {
            kept.happenings.retain(|happening| !told.contains(&happening.at));
        }
        if self.told.is_empty() {
            self.ring = Ring::default();
        }
    }
}
