//! Which illness belongs to which incident: one cause, one incident.

use std::time::Duration;

use model::alert;
use model::event::Event;
use model::fact::SourceTime;
use model::incident::{Escalation, IncidentId, Mend, Outcome, Phase};
use model::intent::Wanted;
use model::{ResourceId, Tick};

use crate::incident::Incident;
use crate::life::{self, Next, Turn};
use crate::propose::lasts;
use crate::settle::Health;
use crate::{Engine, diagnose};

/// What comes back within this time is the same incident.
pub(crate) const REOPENS_WITHIN: Duration = Duration::from_secs(30 * 60);
/// So many reopenings within a day are enough: the next one is for a person.
const REOPENINGS_MAX: usize = 5;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A child is as ill as its parent only if it fell ill no earlier than so long before it.
const CHILD_EARLIER_MAX: Duration = Duration::from_secs(5);
/// What depends on a resource waits until that has been well for so long, and not for the whole stability window.
pub(crate) const CARRIES_AFTER: Duration = Duration::from_secs(10);

impl Engine {
    /// Opens, reopens or joins incidents of a resource that is ill and should not be.
    pub(crate) fn correlate(&mut self, resource: &ResourceId) {
        let Some((alert, because)) = self.illness(resource) else { return };
        if let Some(open) = self.state.open_incident(resource) {
            let number = open.id.number;
            return self.absorb_if_child(number);
        }
        if let Some((number, next)) = self.reopens(resource) {
            self.follow(number, next);
            self.absorb_if_child(number);
            return;
        }
        let id = IncidentId { instance: self.settings.instance.as_str().into(), number: self.state.last_incident + 1 };
        let number = id.number;
        let source_at = self.ended_at(resource);
        self.emit(Event::IncidentOpened { id, resource: resource.clone(), alert, source_at, because });
        self.absorb_if_child(number);
        if self.state.open.contains(&number) {
            self.begin_diagnosis(number, "it began");
            self.absorb_children_of(resource);
        }
    }

    /// What is wrong with a resource that healer should care for; `None` if nothing, or if it is not healer's to care.
    fn illness(&self, resource: &ResourceId) -> Option<(alert::Name, String)> {
        let (alert, firing) = self.state.firing(resource).next()?;
        let because = firing.because.clone();
        let wanted = self.state.intents.get(resource).map(|intent| intent.wanted);
        let meant_to_run = wanted == Some(Wanted::Running) || self.faults.intent_not_asked;
        if !meant_to_run || self.not_ours(resource).is_some() {
            return None;
        }
        let (incarnation, _) = self.world.body(resource)?;
        // While it is not settled whether somebody stopped it, and while it is not seen, there is nothing to say.
        let settled = self.world.is_fresh(resource) && !self.is_told_to_end(incarnation, resource);
        if !settled || self.persons_act_under_way(resource) {
            return None;
        }
        let known = self.state.open_incident(resource).is_some();
        if !known && self.is_done_job(resource) {
            return None;
        }
        Some((alert, because))
    }

    /// Whether it is a job that ended well: that is no illness.
    pub(crate) fn is_done_job(&self, resource: &ResourceId) -> bool {
        self.case_of(resource, None).is_some_and(|case| diagnose::diagnose(&case, Vec::new()).mend == Mend::Nothing)
    }

    fn ended_at(&self, resource: &ResourceId) -> Option<SourceTime> {
        let (_, body) = self.world.body(resource)?;
        body.exit.as_ref().map(|exit| exit.at)
    }

    /// The closed incident that an illness belongs to, if it does to one that reopens.
    fn reopens(&self, resource: &ResourceId) -> Option<(u64, Next)> {
        let incident = self.state.latest.get(resource).and_then(|number| self.state.incidents.get(number))?;
        let Phase::Resolved { outcome, at } = &incident.phase else { return None };
        if incident.is_first_start() {
            return None;
        }
        let next = life::next(&incident.phase, Turn::CameBack).ok().filter(|next| *next != Next::Stay)?;
        let lately = self.now.tick.since(*at) < REOPENS_WITHIN;
        let child = matches!(outcome, Outcome::MergedInto(_));
        (lately || child).then_some((incident.id.number, next))
    }

    /// Opens an incident again, with its thread and its attempts.
    pub(crate) fn come_back(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Some((alert, because)) = self.illness(&incident.resource) else { return };
        if let Phase::Resolved { outcome: Outcome::MergedInto(parent), .. } = &incident.phase {
            let explained =
                self.state.incidents.get(&parent.number).is_some_and(|parent| self.explains(parent, incident));
            if explained || self.faults.children_forgotten {
                return;
            }
        }
        let within_a_day = |then: &&Tick| self.now.tick.since(**then) < DAY;
        let counts = !matches!(incident.outcome(), Some(Outcome::FalseAlarm | Outcome::MergedInto(_)));
        let often = counts && incident.reopened.iter().filter(within_a_day).count() >= REOPENINGS_MAX;
        let id = incident.id.clone();
        let resource = incident.resource.clone();
        self.emit(Event::IncidentReopened { id, alert, because });
        if often {
            self.escalate(number, Escalation::KeepsComingBack);
        } else {
            self.begin_diagnosis(number, "it came back");
            self.absorb_children_of(&resource);
        }
    }

    /// Whether a parent's incident explains a child's illness: the parent is down or ill itself, the child needs it, and
    /// fell ill with it or after it.
    fn explains(&self, parent: &Incident, child: &Incident) -> bool {
        let needs = self.world.parents(&child.resource).any(|needed| *needed == parent.resource);
        let in_time = child.since.tick.after(CHILD_EARLIER_MAX) >= parent.since.tick;
        // One that waits for a person, or for its budget, may wait for long: nobody else is silenced by it.
        let is_mended = match &parent.phase {
            Phase::Escalated { .. } | Phase::AwaitingApproval { .. } => false,
            Phase::Held { reason, .. } => !lasts(reason),
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Resolved { .. } => true,
        };
        // After a restart both fell together, and each is started in its turn.
        let in_turn = self.awaits_first_start(&child.resource);
        needs && in_time && !in_turn && is_mended && !parent.phase.is_over() && !self.carries_again(parent)
    }

    /// Whether what depends on an incident's resource can stand on it again, though the incident is not over: one that
    /// ends again at once would only take them with it.
    fn carries_again(&self, parent: &Incident) -> bool {
        parent.well_since.is_some_and(|since| since.after(CARRIES_AFTER) <= self.now.tick)
            && self.health_of(&parent.resource) == Health::Well
    }

    /// When the dependents of an incident's resource are to be looked at.
    pub(crate) fn carries_due(&self, incident: &Incident) -> Option<Tick> {
        let since = incident.well_since.filter(|_| incident.holds_leases())?;
        let woken = self.live.carries.get(&incident.id.number) == Some(&since);
        let due = since.after(CARRIES_AFTER);
        (!woken && (due > self.now.tick || self.carries_again(incident))).then_some(due)
    }

    /// The dependents of an incident's resource are looked at, once it carries them again.
    pub(crate) fn wake_dependents(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        if self.carries_due(incident).is_none_or(|due| due > self.now.tick) {
            return;
        }
        let resource = incident.resource.clone();
        self.live.carries.extend(incident.well_since.map(|since| (number, since)));
        self.touch_dependents(&resource);
    }

    fn parent_of(&self, child: &Incident) -> Option<&Incident> {
        let parents: Vec<_> = self.world.parents(&child.resource).cloned().collect();
        parents
            .iter()
            .filter_map(|resource| self.state.open_incident(resource))
            .find(|parent| self.explains(parent, child))
    }

    /// Lets a parent's incident take over one that has not begun to act, or has taken back what it did.
    fn absorb_if_child(&mut self, number: u64) {
        let Some(child) = self.state.incidents.get(&number).filter(|child| !child.phase.is_over()) else { return };
        if self.to_take_back(child).is_some() {
            return;
        }
        match life::next(&child.phase, Turn::Absorbed) {
            Ok(Next::Stay) | Err(_) => {}
            Ok(next) => {
                if self.parent_of(child).is_some() {
                    self.follow(number, next);
                }
            }
        }
    }

    /// A parent's incident takes it over.
    pub(crate) fn merge_into_parent(&mut self, number: u64) {
        let Some(child) = self.state.incidents.get(&number) else { return };
        let Some(parent) = self.parent_of(child).map(|parent| parent.id.clone()) else { return };
        let because = "what it depends on is down".to_owned();
        self.resolve(number, Outcome::MergedInto(parent), because);
    }

    fn absorb_children_of(&mut self, resource: &ResourceId) {
        let dependents: Vec<_> = self.world.dependents(resource).cloned().collect();
        for dependent in dependents {
            if let Some(child) = self.state.open_incident(&dependent) {
                let number = child.id.number;
                self.absorb_if_child(number);
            }
        }
    }

    /// The dependents of a resource that carries them again, or whose incident is over, are looked at.
    pub(crate) fn touch_dependents(&mut self, resource: &ResourceId) {
        let dependents: Vec<_> = self.world.dependents(resource).cloned().collect();
        self.touched.extend(dependents);
    }

    /// Whether somebody's foreground session held it when it ended (facts/intent.md, S2).
    pub(crate) fn had_attached_session(&self, resource: &ResourceId) -> bool {
        self.world.body(resource).is_some_and(|(_, body)| body.attached)
    }
}
