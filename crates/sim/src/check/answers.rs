//! What a person's yes is good for: the question that it answers, once, and only while that is the question; and an image's
//! name that was given back on their word, and put back where that did not help.

use model::action::{Action, Asked, Behalf, Binding, Change, Permit, PlanKey, With};
use model::event::Event;
use model::incident::{Escalation, Outcome, Phase, Verification};

use crate::docker::{Key, Svc};
use crate::world::World;

/// What a person who is told to put a name back reads.
pub(super) const HOW: &str = "docker tag";

/// A yes that was not acted on yet.
pub(super) struct Leave {
    plan: PlanKey,
    binds: Option<Binding>,
}

/// Whether a step is never taken unasked: it may lose something, or takes what the host may not have.
fn is_dangerous(permit: &Permit) -> bool {
    let raises = permit.step.action == Action::Change(Change::SetMemory);
    raises || matches!(permit.step.with, With::Image(_))
}

/// Whether something else is done about an incident, or nothing any more.
fn moves_on(event: &Event) -> bool {
    let mends = matches!(event, Event::ActionStarted { permit, .. } if !permit.unhindered);
    mends || matches!(event, Event::Escalated { .. } | Event::IncidentResolved { .. } | Event::ApprovalAsked { .. })
}

impl World<'_> {
    /// An answer by link was taken: it is to be one to the question that is asked at that moment.
    pub(super) fn check_answer(&mut self, question: &Asked, now: u64) {
        let incident = self.check.shadow.incidents.get(&question.incident.number);
        let last = incident.and_then(|incident| incident.question.as_ref());
        let same = last.is_some_and(|last| last.asked == *question && last.word.is_none());
        let asks = incident.is_some_and(|incident| matches!(incident.phase, Phase::AwaitingApproval { .. }));
        if !same || !asks || question.until.0 <= now {
            let says = format!("{}: {} (until {})", question.incident, question.plan.0, question.until.0);
            self.broken("a link answers its own question, and only while it is asked", says);
        }
    }

    /// A person said yes to what an incident asks.
    pub(super) fn leave_is_given(&mut self, number: u64) {
        let incident = self.check.shadow.incidents.get(&number);
        let question = incident.and_then(|incident| incident.question.as_ref());
        if let Some(asked) = question.map(|question| question.asked.clone()) {
            self.check.leaves.insert(number, Leave { plan: asked.plan, binds: asked.binds });
        }
    }

    /// The first step of a plan: `asks`, whether a person has to be asked by the mode or a policy.
    pub(super) fn check_leave(&mut self, number: u64, permit: &Permit, asks: bool) {
        let plan = self.check.shadow.incidents.get(&number).and_then(|incident| incident.plan.as_ref());
        let dangerous = is_dangerous(permit) || plan.is_some_and(|plan| plan.playbook == "raise_memory");
        let key = plan.map(|plan| plan.key());
        let leave = self.check.leaves.remove(&number);
        if !asks && !dangerous {
            return;
        }
        let what = format!("permit {} to {} {}", permit.id.0, permit.step.action, permit.step.resource);
        let said_yes = |leave: &Leave| {
            let same_body = leave.binds.as_ref().is_none_or(|binds| binds.incarnation == permit.incarnation);
            key.as_ref() == Some(&leave.plan) && same_body
        };
        if leave.as_ref().is_some_and(said_yes) {
            return;
        }
        match (self.goes_back_as_ordered(number, permit), leave) {
            (Ok(()), _) => {}
            (Err(why), None) => self.broken("nothing is done unasked that has to be asked", format!("{what}: {why}")),
            (Err(why), Some(leave)) => {
                let says = format!("{what}: {why}; the yes was to {} of {:?}", leave.plan.0, leave.binds);
                self.broken("what is done is what a person said yes to", says);
            }
        }
    }

    // ---- names

    /// What a person has deployed is theirs: only what healer made anew is taken back.
    pub(super) fn check_undo_of_image(&mut self, permit: &Permit) {
        let undo = permit.unhindered && matches!(permit.behalf, Behalf::Incident(_));
        let retags = permit.step.action == Action::Recreate && matches!(permit.step.with, With::Image(_));
        let key = self.docker.by_id(&permit.incarnation).filter(|_| undo && retags);
        let by_healer =
            |key: &Key| self.images.made_by_healer.contains(key) || self.images.perhaps_by_healer.contains(key);
        if key.is_some_and(|key| !by_healer(&key)) {
            let says = format!("permit {} to {} {}", permit.id.0, permit.step.action, permit.step.resource);
            self.broken("what a person has deployed is not taken back", says);
        }
    }

    /// The service whose image's name was given back for an incident.
    fn given_back_for(&self, number: u64) -> Option<Svc> {
        let is_it = |permit| {
            let given = self.check.permits.get(permit);
            given.and_then(|given| given.permit.behalf.incident()).is_some_and(|id| id.number == number)
        };
        self.images.given_back.iter().find(|(_, given)| is_it(&given.permit)).map(|(svc, _)| *svc)
    }

    /// After a roll back that did not help nothing else comes before its name is where it was, or a person knows where it is.
    pub(super) fn check_name(&mut self, event: &Event) {
        let Some(number) = event.incident().map(|id| id.number) else { return };
        let Some(svc) = self.given_back_for(number) else { return };
        if self.is_deployed_over(svc) {
            return self.is_done_with(svc, "deployed over");
        }
        if let Event::Verified { result, because, .. } = event {
            self.is_judged(number, svc, *result, because);
        } else if let Event::MessageQueued { message, .. } = event {
            let says = message.story.iter().any(|line| line.contains(HOW));
            if let Some(given) = self.images.given_back.get_mut(&svc) {
                given.told |= (given.left || given.failed) && says;
            }
        } else if let Event::Escalated { reason: Escalation::UndoFailed | Escalation::UndoUnknown, .. } = event {
            self.is_done_with(svc, "undo failed");
        } else if let Event::IncidentResolved { outcome, .. } = event
            && !matches!(outcome, Outcome::Healed | Outcome::FalseAlarm | Outcome::MergedInto(_))
        {
            // It is well by now, or not healer's to start any more.
            self.is_done_with(svc, "left as it is");
        } else if moves_on(event) {
            self.must_be_where_it_was(svc, event.name());
        }
    }

    /// Somebody has deployed over what did not help, of what the name meant by then.
    fn is_deployed_over(&self, svc: Svc) -> bool {
        let Some(given) = self.images.given_back.get(&svc).filter(|given| given.failed) else { return false };
        let by_somebody = |key: Key| key >= given.since && !self.images.made_by_healer.contains(&key);
        self.docker.bodies(svc).any(|(key, _)| by_somebody(key))
    }

    fn is_done_with(&mut self, svc: Svc, how: &'static str) {
        self.counts.hit("roll back", how);
        self.images.given_back.remove(&svc);
    }

    fn is_judged(&mut self, number: u64, svc: Svc, result: Verification, because: &str) {
        if result == Verification::Held {
            self.is_done_with(svc, "helped");
        } else if self.is_verdict_on_a_roll_back(number) {
            self.did_not_help(svc, result, because);
        }
    }

    pub(super) fn is_verdict_on_a_roll_back(&self, number: u64) -> bool {
        let incident = self.check.shadow.incidents.get(&number);
        let last = incident.and_then(|incident| incident.attempts.last());
        last.is_some_and(|done| done.attempt.plan.playbook == "roll_back")
    }

    fn did_not_help(&mut self, svc: Svc, result: Verification, because: &str) {
        let left = because.contains(HOW);
        if let Some(given) = self.images.given_back.get_mut(&svc) {
            given.left |= left;
            given.failed |= result == Verification::Failed;
        }
        if left {
            self.counts.hit("roll back", "cut short and told");
        }
    }

    fn must_be_where_it_was(&mut self, svc: Svc, then: &str) {
        let Some(given) = self.images.given_back.get(&svc) else { return };
        if given.failed && !given.left {
            let says = format!(
                "{}: it meant {}, and means {} when {then}",
                self.services[svc].resource, given.from, self.services[svc].template.image_id
            );
            self.broken("after a roll back that did not help the name is where it was", says);
        }
    }

    /// After the calm whoever would want to know has been told where a name was left.
    pub(crate) fn check_names(&mut self) {
        let is_made_of_it = |svc: &Svc| {
            let of = self.docker.body(*svc).map(|key| &self.docker.containers[key].def.image_id);
            of.is_none_or(|of| *of == self.services[*svc].template.image_id)
        };
        let mut given_back = self.images.given_back.iter();
        let untold =
            given_back.find(|(svc, given)| (given.left || (given.failed && !is_made_of_it(svc))) && !given.told);
        if let Some((svc, given)) = untold {
            let says = format!("{}: {given:?}", self.services[*svc].resource);
            self.broken("a person is told where an image's name was left", says);
        }
    }
}
