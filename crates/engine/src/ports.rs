//! A port that two services want: who holds it, and whether that one will let go of it by itself.

use model::ResourceId;
use model::complaint::{Complaint, StartError};
use model::fact::{Incarnation, Look};
use model::incident::{Escalation, Excerpt, Phase};
use model::intent::Wanted;

use crate::Engine;
use crate::diagnose::said::last_complaint;
use crate::incident::Incident;

impl Engine {
    /// The other service that holds the port which a resource wants and that keeps it: it runs, it shall, nothing is wrong
    /// with it, and no deploy is under way that may replace it. Two that want one port never both run.
    pub(crate) fn port_kept_from(
        &self,
        resource: &ResourceId,
        look: Option<&Look>,
        log: Option<&Excerpt>,
    ) -> Option<ResourceId> {
        let holder = look.and_then(by_start).or_else(|| log.and_then(by_log))?;
        let on_the_host = self.world.resources().filter(|other| other.host() == resource.host() && *other != resource);
        let mut holding = on_the_host.filter(|other| self.world.body_of(other, holder).is_some());
        holding.find(|other| self.keeps(other, holder) && !self.is_deployed(resource)).cloned()
    }

    fn keeps(&self, other: &ResourceId, holder: &Incarnation) -> bool {
        let wanted = self.state.intents.get(other).map(|intent| intent.wanted);
        let body = self.world.body_of(other, holder);
        let stays = body.is_some_and(|body| {
            // What its deployment's files do not know any more goes with the next deploy.
            body.is_up() && !body.aside && body.definition.as_ref().is_some_and(|definition| !definition.is_orphan)
        });
        // One that is to take its place may be made already.
        let alone = self.world.claimants(other).count() == 1;
        wanted == Some(Wanted::Running) && stays && alone && !self.state.is_ill(other) && !self.is_deployed(other)
    }

    fn is_deployed(&self, resource: &ResourceId) -> bool {
        self.world.deploying_until(resource, self.now.tick).is_some()
    }

    /// Whether a person was told of one only since another kept its port, and that shall let go of it: it was stopped on
    /// purpose, or is no more. What only crashed needs its port again.
    pub(crate) fn has_its_port_again(&self, incident: &Incident) -> bool {
        let Phase::Escalated { reason: Escalation::NoActionMends, .. } = &incident.phase else { return false };
        let case = incident.case.as_ref().filter(|case| !case.is_job);
        let kept_by = case.and_then(|case| case.port_kept_by.as_ref());
        kept_by.is_some_and(|other| {
            let wanted = self.state.intents.get(other).map(|intent| intent.wanted);
            self.world.body(other).is_none() || (wanted == Some(Wanted::Stopped) && !self.is_up(other))
        })
    }
}

fn by_start(look: &Look) -> Option<&Incarnation> {
    let Some(StartError::PortTaken { held_by, .. }) = look.exit.as_ref()?.start_error.as_ref() else { return None };
    held_by.as_ref()
}

fn by_log(log: &Excerpt) -> Option<&Incarnation> {
    let Complaint::AddressInUse { held_by, .. } = last_complaint(log)? else { return None };
    held_by.as_ref()
}
