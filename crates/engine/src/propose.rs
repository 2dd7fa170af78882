//! From a diagnosis to a step, a question, a wait or an end: makes the plan, asks the guard, and does what it says.

use std::time::Duration;

use model::Tick;
use model::action::{Plan, Step, With};
use model::event::Event;
use model::fact::Definition;
use model::incident::{Confidence, Diagnosis, Escalation, Mend, Outcome, Phase, RollbackCause, Verification};
use model::message::Kind;
use model::verdict::{Hold, Refusal, Verdict};

use crate::guard::Purpose;
use crate::incident::{Done, Incident};
use crate::{Engine, diagnose, plan};

/// An escalated incident that nobody resolved is told again after this long.
const REMINDER_EVERY: Duration = Duration::from_secs(24 * 3600);
/// What is not seen is asked about again after this long; a source that sees it wakes it sooner.
const NOT_SEEN_AGAIN: Duration = Duration::from_secs(600);
/// A hold that only an input can lift is asked again this rarely at last.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(3600);

impl Engine {
    /// Makes a plan, asks the guard, and does what it says.
    pub(crate) fn plan_and_ask(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        if let Some((plan, step)) = self.to_take_back(incident) {
            return self.take_back(number, &plan.clone(), &step.clone());
        }
        let Some(diagnosis) = incident.diagnosis.clone() else {
            // Nothing was ever seen of it: nobody can tell, unless it is still to be seen.
            if !self.world.is_fresh(&incident.resource) {
                let until = self.after(NOT_SEEN_AGAIN);
                return self.hold(number, Hold::NotSeen, until);
            }
            return self.escalate(number, Escalation::CannotTell);
        };
        if incident.well_since.is_none() && diagnosis.mend == Mend::Nothing {
            return self.resolve(number, Outcome::FalseAlarm, diagnosis.because);
        }
        let body = self.world.body(&incident.resource).map(|(_, body)| body);
        let definition = body.and_then(|body| body.definition.as_deref());
        let attempts_max = self.attempts_limit(incident).count;
        // Compose makes all replicas of a service anew, or none.
        let anew = matches!(diagnosis.mend, Mend::Recreate | Mend::RollBack);
        let one_of_many = anew && self.world.replicas(&incident.resource).next().is_some();
        let mend = if one_of_many { Mend::Person } else { diagnosis.mend };
        let deploy = incident.case.as_ref().and_then(|case| case.deploy.as_ref());
        let lost_networks = body.and_then(|body| body.look.as_ref()).map_or(&[][..], |look| &look.lost_networks);
        let patient = plan::Patient { resource: &incident.resource, definition, attempts_max, deploy, lost_networks };
        let Some(plan) = incident.next_of(plan::for_mend(mend, &patient)) else {
            return self.without_plan(number, &diagnosis);
        };
        let interrupted = self.gone_on_with(incident, &plan);
        let dropped = incident.is_interrupted() && interrupted.is_none();
        let (plan, goes_on_at) = match interrupted {
            Some((plan, step)) => (plan, Some(step)),
            None => (plan, None),
        };
        let (id, known) = (incident.id.clone(), incident.plan.as_ref() == Some(&plan));
        if dropped {
            self.emit_verdict(
                number,
                Verification::Inconclusive,
                "it was interrupted, and not gone on with".to_owned(),
            );
        }
        if !known {
            self.emit(Event::Planned { id, plan });
        }
        match goes_on_at {
            Some(step) => self.go_on(number, step),
            None => self.ask_guard(number),
        }
    }

    fn without_plan(&mut self, number: u64, diagnosis: &Diagnosis) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        // A symptom that is just going away needs nobody.
        if incident.well_since.is_some() {
            let until = self.after(self.settings.budgets.stability());
            return self.hold(number, Hold::Clearing, until);
        }
        let unknown = diagnosis.confidence == Confidence::None;
        self.escalate(number, if unknown { Escalation::CannotTell } else { Escalation::NoActionMends });
    }

    fn ask_guard(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Some(plan) = incident.plan.clone() else { return };
        let Some(step) = plan.steps.first() else { return };
        let (verdict, closes) = (self.first_verdict(incident, &plan, step), is_down_by_us(incident));
        if let Verdict::Refuse(refusal) = &verdict {
            self.note_refusal(refusal);
        }
        let Some(incident) = self.state.incidents.get(&number) else { return };
        match verdict {
            Verdict::Allow(permit) if closes || self.is_first_start(&step.resource) => self.start_action(permit, 0, 0),
            Verdict::Allow(permit) => {
                let limit = self.attempts_limit(incident);
                let made = self.state.spending.attempts_within(&step.resource, limit.window(), self.now.tick);
                self.start_action(permit, 0, made + 1);
                self.tell_of_another_attempt(number);
            }
            Verdict::Ask(question) => {
                let (id, incident_resource) = (incident.id.clone(), incident.resource.clone());
                let until = self.after(Duration::from_millis(self.settings.approval_expires_ms));
                let binds = self.binding(&incident_resource);
                self.emit(Event::ApprovalAsked { id, question, binds, until });
                self.tell(number, Kind::Opened);
            }
            Verdict::Hold(reason, until) => self.hold(number, reason, until),
            Verdict::Refuse(Refusal::StoppedOnPurpose) => {
                let because = self.intent_because(number);
                self.resolve(number, Outcome::StoppedByOwner, because);
            }
            Verdict::Refuse(Refusal::Absent) => {
                self.resolve(number, Outcome::Gone, "it is not there any more".to_owned());
            }
            Verdict::Refuse(Refusal::RejectedBefore) => {
                let (by, because) = incident.rejection.clone().unwrap_or_default();
                self.escalate(number, Escalation::Rejected { by, because });
            }
            Verdict::Refuse(refusal) => self.escalate(number, Escalation::Refused(refusal)),
        }
    }

    /// The guard's word on the first step of a plan. The start of what healer itself took down is no attempt at anything.
    fn first_verdict(&self, incident: &Incident, plan: &Plan, step: &Step) -> Verdict {
        let purpose = if is_down_by_us(incident) { Purpose::BringBack } else { Purpose::Mend };
        self.guard(incident, plan, step, purpose)
    }

    /// What the guard says at present of what an incident waits to do, if it waits for anything.
    pub(crate) fn awaited_verdict(&self, incident: &Incident) -> Option<Verdict> {
        if let Some((plan, step)) = self.to_take_back(incident) {
            return Some(self.guard(incident, plan, step, Purpose::TakeBack));
        }
        let plan = incident.plan.as_ref()?;
        let step = plan.steps.first()?;
        if self.faults.hold_misjudged {
            return Some(self.guard(incident, plan, step, Purpose::Mend));
        }
        if let Some((plan, at)) = self.gone_on_with(incident, plan) {
            return Some(self.guard(incident, &plan, plan.steps.get(at)?, Purpose::GoOn));
        }
        Some(self.first_verdict(incident, plan, step))
    }

    /// The plan that was interrupted, with the step at which it is gone on with, if it is still the one to follow. What
    /// somebody has started meanwhile is another matter.
    fn gone_on_with(&self, incident: &Incident, next: &Plan) -> Option<(Plan, usize)> {
        let (body, _) = self.world.body(&incident.resource).filter(|_| !self.is_up(&incident.resource))?;
        incident.interrupted(next, body)
    }

    /// What is to be taken back before anything else is tried, with the plan that did it.
    pub(crate) fn to_take_back<'a>(&self, incident: &'a Incident) -> Option<(&'a Plan, &'a Step)> {
        let step = incident.to_take_back_now().filter(|_| !self.faults.not_taken_back)?;
        let last = incident.attempts.last()?;
        self.is_as_we_left_it(last, step).then_some((&last.attempt.plan, step))
    }

    /// Whether the body that is there is the one that the last plan left, as that left it. What somebody has put in its place,
    /// or changed since, is theirs, and nothing of it is healer's to take back.
    fn is_as_we_left_it(&self, last: &Done, undo: &Step) -> bool {
        let Some((incarnation, body)) = self.world.body(&undo.resource) else { return true };
        if self.faults.undo_of_any_body {
            return true;
        }
        let is_left = |made: &Definition| match &undo.with {
            With::Image(retag) => made.image_id == retag.from,
            With::Memory(limits) => made.memory_limit_bytes == limits.from_bytes,
            With::Nothing | With::Network(_) | With::NetworkName(_) => true,
        };
        last.body.as_ref() == Some(incarnation) && body.definition.as_deref().is_none_or(is_left)
    }

    /// Takes back what a plan did that did not help, the last step first.
    fn take_back(&mut self, number: u64, plan: &Plan, step: &Step) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        match self.guard(incident, plan, step, Purpose::TakeBack) {
            Verdict::Allow(permit) => {
                let (id, because) = (incident.id.clone(), RollbackCause::DidNotHelp);
                self.emit(Event::RollbackBegan { id, permit: permit.id, because, until: permit.until });
                self.start_action(permit, 0, 0);
            }
            Verdict::Hold(reason, until) => self.hold(number, reason, until),
            Verdict::Refuse(Refusal::StoppedOnPurpose) => {
                let because = self.intent_because(number);
                self.resolve(number, Outcome::StoppedByOwner, because);
            }
            Verdict::Refuse(Refusal::Absent) => {
                self.resolve(number, Outcome::Gone, "it is not there any more".to_owned());
            }
            Verdict::Refuse(refusal) => self.escalate(number, Escalation::Refused(refusal)),
            // An undo is never asked about.
            Verdict::Ask(_) => self.escalate(number, Escalation::UndoUnknown),
        }
    }

    pub(crate) fn hold(&mut self, number: u64, reason: Hold, until: Tick) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let (id, resource, lasts) = (incident.id.clone(), incident.resource.clone(), lasts(&reason));
        self.emit(Event::Held { id, reason, until });
        if lasts {
            self.touch_dependents(&resource);
        }
    }

    /// What is held is diagnosed anew when its reason is gone. Until then it stays held, and one entry says so; a hold that
    /// an input lifts, and not time, is asked ever more rarely.
    pub(crate) fn ask_again(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::Held { reason, .. } = &incident.phase else { return };
        match self.awaited_verdict(incident) {
            Some(Verdict::Hold(same, until)) if same == *reason => {
                let lasted = self.now.tick.since(incident.phase_since.tick).min(ASK_AGAIN_MAX);
                let rarely = if is_lifted_by_an_input(&same) { self.after(lasted) } else { until };
                self.hold(number, same, until.max(rarely));
            }
            Some(Verdict::Hold(..) | Verdict::Allow(_) | Verdict::Ask(_) | Verdict::Refuse(_)) | None => {
                self.begin_diagnosis(number, "it is looked at anew");
            }
        }
    }

    /// Ends an incident, tells of it if it is to be told, and lets others have what it held.
    pub(crate) fn resolve(&mut self, number: u64, outcome: Outcome, because: String) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let (id, resource) = (incident.id.clone(), incident.resource.clone());
        let was_told = incident.told.open;
        if matches!(incident.phase, Phase::AwaitingApproval { .. }) {
            let because = "it is no longer needed".to_owned();
            self.emit(Event::ApprovalWithdrawn { id: id.clone(), because });
        }
        self.emit(Event::IncidentResolved { id, outcome, because });
        self.tell_the_end(number, was_told);
        self.live.logs.remove(&number);
        self.live.logs_asked.remove(&number);
        self.live.carries.remove(&number);
        self.touch_dependents(&resource);
    }

    pub(crate) fn escalate(&mut self, number: u64, reason: Escalation) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let (id, resource) = (incident.id.clone(), incident.resource.clone());
        let until = self.after(REMINDER_EVERY);
        self.emit(Event::Escalated { id, reason, level: 0, until });
        self.touch_dependents(&resource);
        self.tell(number, Kind::Escalated);
    }

    pub(crate) fn next_level(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::Escalated { reason, level, acknowledged, .. } = incident.phase.clone() else { return };
        let until = self.after(REMINDER_EVERY);
        self.emit(Event::Escalated { id: incident.id.clone(), reason, level: level + 1, until });
        if !acknowledged {
            self.tell(number, Kind::Escalated);
        }
    }

    /// A person's command ends a verification without a verdict; the person's act follows.
    pub(crate) fn give_way(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let because = "a person's command came in between".to_owned();
        let id = incident.id.clone();
        self.emit(Event::Verified { id, result: Verification::Inconclusive, because });
        let until = self.after(self.settings.budgets.stability());
        self.hold(number, Hold::Clearing, until);
    }

    /// The owner stopped it while our start was under way: their stop wins.
    pub(crate) fn stop_ours(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        if !self.is_up(&incident.resource) {
            let because = self.intent_because(number);
            return self.resolve(number, Outcome::StoppedByOwner, because);
        }
        let Some(plan) = incident.plan.clone() else { return };
        let definition = self.world.body(&incident.resource).and_then(|(_, body)| body.definition.clone());
        let step: Step = plan::step(
            model::action::Action::Stop,
            &incident.resource,
            definition.as_deref(),
            model::action::Pair::None,
        );
        match self.guard(incident, &plan, &step, Purpose::Undo) {
            Verdict::Allow(permit) => {
                let id = incident.id.clone();
                let because = RollbackCause::OwnerStopped;
                self.emit(Event::RollbackBegan { id, permit: permit.id, because, until: permit.until });
                self.start_action(permit, 0, 0);
            }
            // It runs on against its owner's word, and not by healer's leave any more.
            Verdict::Refuse(refusal @ Refusal::Excluded { .. }) => {
                self.resolve(number, Outcome::Excluded, format!("{refusal}; it still runs"));
            }
            // It cannot be looked at, or is not ours to touch: the intent stands, and nothing is started.
            Verdict::Ask(_) | Verdict::Hold(_, _) | Verdict::Refuse(_) => {
                let because = self.intent_because(number);
                self.resolve(number, Outcome::StoppedByOwner, because);
            }
        }
    }
}

/// Whether a stop of ours took it down, and the start that belongs to that did not come.
fn is_down_by_us(incident: &Incident) -> bool {
    incident.diagnosis.as_ref().is_some_and(|it| it.cause == diagnose::interrupted_restart::CAUSE.name)
}

/// Whether a hold may last so long that nobody else should wait for its end.
pub(crate) fn lasts(hold: &Hold) -> bool {
    matches!(hold, Hold::GroupBudget { .. } | Hold::Maintenance) || is_lifted_by_an_input(hold)
}

/// Whether a fact, a command or the configuration lifts a hold, and time alone never does.
fn is_lifted_by_an_input(hold: &Hold) -> bool {
    match hold {
        Hold::NotSeen
        | Hold::Paused
        | Hold::IntentUnknown
        | Hold::OthersStopped { .. }
        | Hold::Frozen { .. }
        | Hold::TwoIncarnations
        | Hold::MountMissing { .. }
        | Hold::ObserveMode
        | Hold::Halted { .. }
        | Hold::StoreFull => true,
        Hold::Clearing
        | Hold::Recovering
        | Hold::WaitsFor { .. }
        | Hold::JustUp { .. }
        | Hold::Withheld { .. }
        | Hold::BeingStopped
        | Hold::Maintenance
        | Hold::DeployInProgress
        | Hold::EnginesOwnPolicy
        | Hold::AnotherHealer
        | Hold::Busy { .. }
        | Hold::Backoff { .. }
        | Hold::Concurrency { .. }
        | Hold::GroupBudget { .. }
        | Hold::ReplicaDown { .. }
        | Hold::Storm => false,
    }
}
