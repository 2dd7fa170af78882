//! What a resource has to wait for before it is started after a restart: its dependencies with their conditions, and the
//! one whose network namespace it shares.

use std::collections::BTreeSet;

use model::ResourceId;
use model::fact::{Condition, Health, Run};
use model::intent::Wanted;

use crate::Engine;

impl Engine {
    /// The first thing that a resource still has to wait for. Those that wait for each other in a circle do not wait:
    /// Compose writes no circles, but labels can lie.
    pub(crate) fn unmet(&self, resource: &ResourceId) -> Option<(ResourceId, Condition)> {
        if !self.awaits_first_start(resource) || self.faults.order_ignored {
            return None;
        }
        self.unmet_needs(resource).find(|(needed, _)| !self.leads_back(needed, resource))
    }

    /// Whether a resource may be started now, as far as its dependencies go.
    pub(crate) fn may_be_started(&self, resource: &ResourceId) -> bool {
        self.state.recoveries.open.get(resource.source()).is_none_or(|recovery| recovery.down.is_some())
            && self.unmet(resource).is_none()
    }

    fn unmet_needs<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = (ResourceId, Condition)> + 'a {
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.as_deref());
        let network = definition.and_then(|definition| definition.network_parent.clone());
        let network = network.into_iter().map(|parent| (parent, Condition::Started));
        let services = definition.into_iter().flat_map(|definition| &definition.depends_on).flat_map(|dependency| {
            let is_it = |other: &&ResourceId| other.service() == dependency.service;
            self.world.parents(resource).filter(is_it).map(|other| (other.clone(), dependency.condition))
        });
        network.chain(services).filter(|(needed, condition)| self.is_waited_for(resource, needed, *condition))
    }

    /// Whether a dependency of a resource is not ready, and was when that last ran.
    fn is_waited_for(&self, resource: &ResourceId, needed: &ResourceId, condition: Condition) -> bool {
        let Some((_, body)) = self.world.body(needed) else { return false };
        // What is not to run is not waited for: it was away before the restart too.
        let wanted = self.state.intents.get(needed).is_some_and(|intent| intent.wanted == Wanted::Running);
        // What was not looked at yet may be ours.
        let not_ours = body.definition.is_some() && self.not_ours(needed).is_some();
        if !wanted || not_ours && !body.is_up() {
            return false;
        }
        let exit = body.exit.as_ref().filter(|_| !body.is_up());
        let ended_well = exit.is_some_and(|exit| exit.code == 0);
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.as_ref());
        let shares_network = definition.is_some_and(|definition| definition.network_parent.as_ref() == Some(needed));
        // A job that had failed before it was started was no hindrance then.
        let started = self.world.body(resource).and_then(|(_, body)| body.started);
        let failed_before = exit.is_some_and(|exit| Some(exit.at) < started);
        let ready = match condition {
            Condition::Started => body.is_up() || (!shares_network && self.is_done_job(needed)),
            Condition::Healthy => {
                body.run == Run::Running && matches!(body.health, Health::Healthy | Health::Unchecked)
            }
            Condition::CompletedSuccessfully => ended_well || failed_before,
        };
        !ready
    }

    /// Whether what `from` waits for waits, in the end, for `to`.
    fn leads_back(&self, from: &ResourceId, to: &ResourceId) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(resource) = next.pop() {
            if resource == *to {
                return true;
            }
            if self.awaits_first_start(&resource) && seen.insert(resource.clone()) {
                next.extend(self.unmet_needs(&resource).map(|(needed, _)| needed));
            }
        }
        false
    }
}
