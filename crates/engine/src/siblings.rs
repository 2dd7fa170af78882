//! A service that was refused by another one of its deployment: which one that is, how it stands, and how long the refused
//! one waits for it. Waiting for a dependency is not an attempt (ENGINE §5).
//!
//! ```text
//! db is down ── web: held, `WaitsFor` ── db comes up ── web: held, `JustUp` ── that holds ── web is started, or restarted
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use model::complaint::Complaint;
use model::fact::{Condition, Health, Run};
use model::incident::{Escalation, Excerpt, Outcome, Phase};
use model::intent::Wanted;
use model::sibling::{Sibling, Stands, ToldBy};
use model::verdict::{Hold, Verdict};
use model::{ResourceId, Tick};

use crate::Engine;
use crate::correlate::CARRIES_AFTER;
use crate::diagnose::dependency_down;
use crate::diagnose::said::last_complaint;
use crate::incident::Incident;

/// What waits for one that is being mended is asked again this often, where nothing tells better.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// And this often where that one waits for a person.
const ASK_AGAIN_RARELY: Duration = Duration::from_secs(600);

impl Engine {
    /// The service of its deployment that a log complains of, as its last complaint names it.
    pub(crate) fn sibling_in(&self, resource: &ResourceId, log: Option<&Excerpt>) -> Option<Sibling> {
        let complaint = last_complaint(log?)?;
        let (Complaint::ConnectionRefused { host, .. } | Complaint::NameUnknown { host }) = complaint else {
            return None;
        };
        let named = host.as_deref().filter(|host| !is_address_of_a_container(host));
        match named {
            Some(name) => self.sibling_named(resource, name),
            None => self.only_need_that_is_not_well(resource),
        }
    }

    /// The sibling that is reached under a name: that of its service, or of its container.
    fn sibling_named(&self, resource: &ResourceId, name: &str) -> Option<Sibling> {
        let name = name.trim_end_matches('.');
        let is_it = |other: &&ResourceId| {
            let container = self.world.body(other).and_then(|(_, body)| body.definition.as_deref());
            other.service().eq_ignore_ascii_case(name)
                || container.is_some_and(|definition| definition.name.eq_ignore_ascii_case(name))
        };
        let other = self.others_of(resource).find(is_it)?;
        let stands = self.stands(other, resource)?;
        Some(Sibling { resource: other.clone(), told_by: ToldBy::Log, stands })
    }

    /// What a resource depends on and that is not well, if it is one service alone. A job that is done serves nobody.
    fn only_need_that_is_not_well(&self, resource: &ResourceId) -> Option<Sibling> {
        let ill = |other: &&ResourceId| {
            let stands = self.stands(other, resource);
            stands.is_some_and(|stands| stands != Stands::Well) && !self.is_done_job(other)
        };
        let mut ill = self.world.parents(resource).filter(ill);
        let first = ill.next()?;
        if ill.any(|other| other.service() != first.service()) {
            return None;
        }
        let stands = self.stands(first, resource)?;
        Some(Sibling { resource: first.clone(), told_by: ToldBy::Definition, stands })
    }

    /// Whether any other service of a deployment is not well: then the words of one that is ill may name it. Those that
    /// need this one themselves do not refuse it; and before all is listed nobody knows how the others are.
    pub(crate) fn has_a_sibling_that_is_not_well(&self, resource: &ResourceId) -> bool {
        let is_ill = |other: &&ResourceId| {
            self.stands(other, resource).is_some_and(|stands| stands != Stands::Well) && !self.is_done_job(other)
        };
        let listed = self.world.source(resource.source()).is_some_and(|source| source.listed);
        let mut ill = self.others_of(resource).filter(is_ill);
        !listed || ill.any(|other| !self.world.parents(other).any(|needed| needed == resource))
    }

    /// The resources of the other services of a deployment. Containers that belong to none are no siblings.
    fn others_of<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ResourceId> {
        let deployed = resource.deployment() != "-";
        self.world.deployment_of(resource).filter(move |other| deployed && other.service() != resource.service())
    }

    /// How a service stands for one that needs it; `None` if that tells nothing of whether it serves. Of several replicas
    /// one that is well will do.
    pub(crate) fn stands(&self, sibling: &ResourceId, dependent: &ResourceId) -> Option<Stands> {
        let replicas = self.world.replicas(sibling).chain([sibling]);
        replicas.filter_map(|replica| self.replica_stands(replica, dependent)).max()
    }

    fn replica_stands(&self, replica: &ResourceId, dependent: &ResourceId) -> Option<Stands> {
        let (_, body) = self.world.body(replica)?;
        match body.run {
            // What is paused refuses nobody: it does not answer.
            Run::Paused => return None,
            Run::Created | Run::Restarting | Run::Exited | Run::Removing => {
                let wanted = self.state.intents.get(replica).map(|intent| intent.wanted);
                let stopped = wanted == Some(Wanted::Stopped);
                return Some(if stopped { Stands::StoppedOnPurpose } else { Stands::Down });
            }
            Run::Running => {}
        }
        Some(match body.health {
            Health::Unhealthy => Stands::Unwell,
            Health::Starting => Stands::Starting,
            Health::Healthy | Health::Unchecked if self.state.is_ill(replica) => Stands::Unwell,
            Health::Healthy | Health::Unchecked if self.holds_from(replica, dependent) > Some(self.now.tick) => {
                Stands::JustUp
            }
            Health::Healthy | Health::Unchecked => Stands::Well,
        })
    }

    /// From when on what is well counts as well for one that needs it; `None` if it was never seen otherwise. What still
    /// runs may recover by itself, and is given a stability window from there.
    fn holds_from(&self, replica: &ResourceId, dependent: &ResourceId) -> Option<Tick> {
        let seen = self.world.body(replica).and_then(|(_, body)| body.well_since);
        let incident = self.state.latest.get(replica).and_then(|number| self.state.incidents.get(number));
        let since = seen.max(incident.and_then(|incident| incident.well_since))?;
        let patience = if self.is_up(dependent) { self.settings.budgets.stability() } else { CARRIES_AFTER };
        Some(since.after(patience))
    }

    /// Why one that was refused is not acted on yet. One whose sibling was stopped on purpose waits for nothing: it is
    /// diagnosed anew, and a person is told.
    pub(crate) fn waits_for_sibling(&self, incident: &Incident) -> Option<Verdict> {
        let sibling = refusing_sibling(incident)?;
        let (resource, dependent) = (sibling.clone(), &incident.resource);
        let stands = self.stands(sibling, dependent).filter(|_| !self.waits_for_itself(dependent, sibling))?;
        match stands {
            Stands::Down | Stands::Unwell | Stands::Starting => {
                let body = self.world.body(sibling).map(|(_, body)| body);
                let checked = body.is_some_and(|body| body.health != Health::Unchecked);
                let condition = if checked { Condition::Healthy } else { Condition::Started };
                let until = self.after(if self.is_being_mended(sibling) { ASK_AGAIN } else { ASK_AGAIN_RARELY });
                Some(Verdict::Hold(Hold::WaitsFor { resource, condition }, until))
            }
            Stands::JustUp => {
                let replicas = self.world.replicas(sibling).chain([sibling]);
                let until = replicas.filter_map(|replica| self.holds_from(replica, dependent));
                let until = until.filter(|until| *until > self.now.tick).min()?;
                Some(Verdict::Hold(Hold::JustUp { resource }, until))
            }
            Stands::StoppedOnPurpose | Stands::Well => None,
        }
    }

    /// Whether healer is at a resource's incident, so that it may be well soon.
    fn is_being_mended(&self, resource: &ResourceId) -> bool {
        let incident = self.state.open_incident(resource);
        incident.is_some_and(|incident| !matches!(incident.phase, Phase::Escalated { .. }))
    }

    /// Whether what a resource would wait for waits, in the end, for that resource: then neither is held, since nothing
    /// would ever begin.
    fn waits_for_itself(&self, resource: &ResourceId, sibling: &ResourceId) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![sibling.clone()]);
        while let Some(waits) = next.pop() {
            if waits == *resource {
                return true;
            }
            if seen.insert(waits.clone()) {
                next.extend(self.what_it_waits_for(&waits));
            }
        }
        false
    }

    /// What has to be well before anything is done about a resource: by whom it was refused, whose incident tells of it, and
    /// what comes before it after a restart.
    fn what_it_waits_for(&self, resource: &ResourceId) -> impl Iterator<Item = ResourceId> {
        let incident = self.state.latest.get(resource).and_then(|number| self.state.incidents.get(number));
        let open = incident.filter(|incident| !incident.phase.is_over());
        let refused = open.and_then(|incident| refusing_sibling(incident)).cloned();
        let parent = incident.and_then(|incident| {
            let Some(Outcome::MergedInto(parent)) = incident.outcome() else { return None };
            self.state.incidents.get(&parent.number).filter(|parent| !parent.phase.is_over())
        });
        let parent = parent.map(|parent| parent.resource.clone());
        let held = open.and_then(|incident| {
            let Phase::Held { reason, .. } = &incident.phase else { return None };
            let (Hold::WaitsFor { resource, .. } | Hold::JustUp { resource }) = reason else { return None };
            Some(resource.clone())
        });
        let first = self.unmet(resource).map(|(needed, _)| needed);
        [refused, parent, held, first].into_iter().flatten()
    }

    /// Whoever was refused by what was touched, or whose port that keeps, may go on or has to wait.
    pub(crate) fn touch_those_that_were_refused(&self, touched: &mut BTreeSet<ResourceId>) {
        let is_touched = |sibling: &ResourceId| {
            touched.contains(sibling) || self.world.replicas(sibling).any(|replica| touched.contains(replica))
        };
        let keeper = |incident: &Incident| Some(incident.case.as_ref()?.port_kept_by.as_ref()?.clone());
        let refused = |incident: &&Incident| {
            refusing_sibling(incident).is_some_and(is_touched)
                || keeper(incident).is_some_and(|it| touched.contains(&it))
        };
        let refused: Vec<_> = self.state.open_incidents().filter(refused).map(|it| it.resource.clone()).collect();
        touched.extend(refused);
    }

    /// Whether a person was told of one only since its sibling was stopped on purpose, and that shall run again. A job is
    /// never rerun: it stays theirs.
    pub(crate) fn is_served_again(&self, incident: &Incident) -> bool {
        let Phase::Escalated { reason: Escalation::NoActionMends, .. } = &incident.phase else { return false };
        let case = incident.case.as_ref().filter(|case| !case.is_job);
        let then = case.and_then(|case| case.sibling.as_ref()).map(|sibling| sibling.stands);
        let now = refusing_sibling(incident).and_then(|sibling| self.stands(sibling, &incident.resource));
        then == Some(Stands::StoppedOnPurpose) && now.is_some_and(|now| now != Stands::StoppedOnPurpose)
    }

    /// Whether an incident has the same cause as one of the service that refused it, open or over since this began: that one
    /// is told first, and this one is no second page.
    pub(crate) fn is_told_with_its_sibling(&self, incident: &Incident) -> bool {
        let Some(sibling) = incident.case.as_ref().and_then(|case| case.sibling.as_ref()) else { return false };
        let of_it = self.world.replicas(&sibling.resource).chain([&sibling.resource]);
        let mut latest = of_it.filter_map(|of| self.state.latest.get(of)).filter_map(|at| self.state.incidents.get(at));
        latest.any(|other| other.ended().is_none_or(|ended| ended >= incident.since.tick))
    }
}

/// By whom an incident's resource was refused, where that is its cause.
fn refusing_sibling(incident: &Incident) -> Option<&ResourceId> {
    let diagnosis = incident.diagnosis.as_ref()?;
    let sibling = incident.case.as_ref()?.sibling.as_ref()?;
    (diagnosis.cause == dependency_down::CAUSE.name).then_some(&sibling.resource)
}

/// Whether a host is an address of a private network: that is how an engine numbers its containers, and it names none of
/// them.
fn is_address_of_a_container(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_unique_local(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_private_network_names_no_container_and_one_of_the_host_itself_is_no_siblings() {
        for (host, expect) in [
            ("172.18.0.3", true),
            ("[fd00::3]", true),
            ("127.0.0.1", false),
            ("::1", false),
            ("8.8.8.8", false),
            ("db", false),
        ] {
            assert_eq!(is_address_of_a_container(host), expect, "{host}");
        }
    }
}
