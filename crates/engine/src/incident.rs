//! One incident as it is folded from its events. What may follow what stands in `life`; this file only records.

use std::collections::BTreeSet;

use model::action::{Answer, Asked, Binding, Limits, Pair, Permit, PermitId, Plan, PlanKey, Step, With};
use model::alert;
use model::event::Event;
use model::fact::{Incarnation, SourceTime};
use model::incident::{
    Attempt, Case, Diagnosis, Escalation, Evidence, EvidenceId, Extended, IncidentId, Outcome, Phase, RollbackCause,
    Verification,
};
use model::verdict;
use model::{Now, ResourceId, Tick};
use serde::{Deserialize, Serialize};

use crate::diagnose::never_started;

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// Of what.
    pub resource: ResourceId,
    /// When it was opened.
    pub opened: Now,
    /// When it was opened, or reopened last.
    pub since: Now,
    /// When the present phase began.
    pub phase_since: Now,
    /// When it began by the source's clock, where that is known.
    pub source_at: Option<SourceTime>,
    /// By which alert it was opened (reopened) last.
    pub alert: alert::Name,
    /// What was seen then.
    pub because: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when nothing is wrong with the resource; `None` while something is.
    pub well_since: Option<Tick>,
    /// What was found.
    pub evidence: Vec<Evidence>,
    /// What the rules say.
    pub diagnosis: Option<Diagnosis>,
    /// On which facts they said it.
    pub case: Option<Box<Case>>,
    /// What shall be done.
    pub plan: Option<Plan>,
    /// What was done: executed plans.
    pub attempts: Vec<Done>,
    /// The plans that a person rejected.
    pub rejected: BTreeSet<PlanKey>,
    /// The last rejection: by whom, and why.
    pub rejection: Option<(String, String)>,
    /// The body that the last question was about.
    pub asked_about: Option<Binding>,
    /// The last question, and what became of it.
    #[serde(default)]
    pub question: Option<Question>,
    /// The plan that a person approved; spent by its first step.
    pub approved: Option<Approval>,
    /// When it was reopened.
    pub reopened: Vec<Tick>,
    /// Whether a person did something about it since it was opened.
    pub person_acted: bool,
    /// What was told of it.
    pub told: Told,
    /// An undo failed: nothing is done in its reach until this is lifted.
    pub halted: bool,
    /// What its steps did and nothing has proved to help yet, as the steps that take it back, in the order in which it was
    /// done.
    #[serde(default)]
    pub to_take_back: Vec<Step>,
    /// So many steps in a row were withheld at the last moment.
    #[serde(default)]
    pub withheld_in_a_row: u32,
}

/// An executed plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The attempt.
    pub attempt: Attempt,
    /// When its verdict fell: the next wait runs from here.
    pub verdict_at: Option<Tick>,
    /// What the verdict was told from.
    #[serde(default)]
    pub because: String,
    /// The body that it was begun on, or the last one that it made in its place.
    #[serde(default)]
    pub body: Option<Incarnation>,
    /// So many of its steps have reached their end.
    #[serde(default)]
    pub steps_done: usize,
    /// Something that it did is taken back.
    #[serde(default)]
    pub taken_back: bool,
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Which.
    pub asked: Asked,
    /// Why a person.
    pub why: verdict::Question,
    /// What they said.
    pub word: Option<Word>,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Whose.
    pub by: String,
    /// Yes.
    pub approved: bool,
    /// Why.
    pub because: String,
    /// When.
    pub at: Now,
}

/// A person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// To which plan.
    pub key: PlanKey,
    /// Of which body.
    pub binds: Option<Binding>,
    /// Who.
    pub by: String,
    /// After this it is worth nothing.
    pub until: Tick,
}

/// How far the thread of messages has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// A thread was opened and not closed yet.
    pub open: bool,
    /// Something was ever told.
    pub ever: bool,
    /// When something was told last.
    #[serde(default)]
    pub last: Option<Tick>,
}

impl Incident {
    /// The message of a recovery named it: that opened its thread.
    pub(crate) fn told_by_a_recovery(&mut self) {
        self.told.ever = true;
        self.told.open = true;
    }

    /// Whether it is no illness: a program that the configuration names was started for the first time.
    pub(crate) fn is_first_start(&self) -> bool {
        let began = |told: &Diagnosis| told.cause == never_started::CAUSE.name;
        self.resource.is_on_host() && self.diagnosis.as_ref().is_some_and(began)
    }

    /// Since when an image's name may be left where no person was told that it is: what gave it was cut short, or did not help
    /// and is not taken back yet.
    pub(crate) fn name_left_untold(&self) -> Option<Tick> {
        let done = self.attempts.last()?;
        let renames = |step: &Step| matches!(step.with, With::Image(_));
        let left = match done.attempt.verdict? {
            Verification::Inconclusive => done.attempt.plan.steps.iter().any(renames),
            Verification::Failed => self.to_take_back.iter().any(renames),
            Verification::Held => false,
        };
        done.verdict_at.filter(|at| left && self.told.last < Some(*at))
    }

    pub(crate) fn new(
        id: IncidentId,
        resource: ResourceId,
        alert: alert::Name,
        source_at: Option<SourceTime>,
        because: String,
        now: Now,
    ) -> Incident {
        Incident {
            id,
            resource,
            opened: now,
            since: now,
            phase_since: now,
            source_at,
            alert,
            because,
            phase: Phase::Planning { until: now.tick },
            well_since: None,
            evidence: Vec::new(),
            diagnosis: None,
            case: None,
            plan: None,
            attempts: Vec::new(),
            rejected: BTreeSet::new(),
            rejection: None,
            asked_about: None,
            question: None,
            approved: None,
            reopened: Vec::new(),
            person_acted: false,
            told: Told::default(),
            halted: false,
            to_take_back: Vec::new(),
            withheld_in_a_row: 0,
        }
    }

    /// The number that the next piece of evidence gets.
    #[must_use]
    pub fn next_evidence(&self) -> EvidenceId {
        EvidenceId(u32::try_from(self.evidence.len()).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// When it ended.
    #[must_use]
    pub fn ended(&self) -> Option<Tick> {
        match &self.phase {
            Phase::Resolved { at, .. } => Some(*at),
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Escalated { .. } => None,
        }
    }

    /// Whether a remediation is under way: the resource and what it shares are leased.
    #[must_use]
    pub fn holds_leases(&self) -> bool {
        matches!(self.phase, Phase::Acting { .. } | Phase::Verifying { .. } | Phase::RollingBack { .. })
    }

    /// The step that is acted on or verified, with its number.
    #[must_use]
    pub fn present_step(&self) -> Option<usize> {
        match &self.phase {
            Phase::Acting { step, .. } | Phase::Verifying { step, .. } => Some(*step),
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::RollingBack { .. }
            | Phase::Escalated { .. }
            | Phase::Resolved { .. } => None,
        }
    }

    /// The body that a step of ours took down and another has still to bring up.
    #[must_use]
    pub fn body_of_open_pair(&self) -> Option<Incarnation> {
        let step = self.plan.as_ref()?.steps.get(self.present_step()?)?;
        let opened = step.pair == Pair::Opens;
        self.case.as_ref().filter(|_| opened).map(|case| case.incarnation.clone())
    }

    /// How often a plan has failed verification here. One that does what no failed one did is another.
    #[must_use]
    pub fn failures_of(&self, plan: &Plan) -> u32 {
        let does =
            |failed: &Plan, step: &Step| failed.steps.iter().any(|s| s.action == step.action && s.with == step.with);
        let same = |failed: &Plan| failed.playbook == plan.playbook && plan.steps.iter().all(|step| does(failed, step));
        let failed = |done: &&Done| same(&done.attempt.plan) && done.attempt.verdict == Some(Verification::Failed);
        u32::try_from(self.attempts.iter().filter(failed).count()).unwrap_or(u32::MAX)
    }

    /// The first of these plans that is not known to be of no help here and that nobody rejected; if there is none, the
    /// last one, which the guard then refuses by name.
    pub(crate) fn next_of(&self, plans: Vec<Plan>) -> Option<Plan> {
        let last = plans.last().cloned();
        let open = |plan: &Plan| self.failures_of(plan) < plan.may_fail && !self.rejected.contains(&plan.key());
        plans.into_iter().find(open).or(last)
    }

    /// The plan that was interrupted on this body, and the step at which it was, if one was that is still the one to follow.
    pub(crate) fn interrupted(&self, next: &Plan, body: &Incarnation) -> Option<(Plan, usize)> {
        let last = self.attempts.last().filter(|_| self.is_interrupted())?;
        // What it has done already makes the same plan look different.
        let same = last.attempt.plan.playbook == next.playbook && last.body.as_ref() == Some(body);
        same.then(|| (last.attempt.plan.clone(), last.steps_done))
    }

    /// Whether the present plan is the one that a person was asked about last: a yes to one is none to another.
    #[must_use]
    pub(crate) fn is_asked_about(&self) -> bool {
        let asked = self.question.as_ref().map(|question| &question.asked.plan);
        asked.is_some() && asked == self.plan.as_ref().map(Plan::key).as_ref()
    }

    /// Whether an execution was interrupted that nothing was said of yet.
    pub(crate) fn is_interrupted(&self) -> bool {
        let begun = |done: &Done| (1..done.attempt.plan.steps.len()).contains(&done.steps_done);
        self.attempts.last().is_some_and(|done| done.attempt.verdict.is_none() && begun(done))
    }

    /// What is to be taken back before anything else is tried: the last thing that was done, if the plan that it was part of
    /// did not help. What was interrupted is gone on with.
    pub(crate) fn to_take_back_now(&self) -> Option<&Step> {
        let failed = self.attempts.last().is_some_and(|done| done.attempt.verdict == Some(Verification::Failed));
        self.to_take_back.last().filter(|_| failed)
    }

    /// The memory limit that it had before a step of this incident raised it.
    pub(crate) fn memory_before(&self) -> Option<u64> {
        self.to_take_back.iter().find_map(|step| match &step.with {
            With::Memory(limits) => Some(limits.to_bytes),
            With::Nothing | With::Image(_) | With::Network(_) | With::NetworkName(_) => None,
        })
    }

    /// The memory limit with which it held, if it was given another one.
    pub(crate) fn limit_that_helped(&self) -> Option<Limits> {
        let last = self.attempts.last().filter(|done| done.attempt.verdict == Some(Verification::Held))?;
        last.attempt.plan.steps.iter().find_map(|step| match step.with {
            With::Memory(limits) => Some(limits),
            With::Nothing | With::Image(_) | With::Network(_) | With::NetworkName(_) => None,
        })
    }

    /// The symptom came or went.
    pub(crate) fn symptom_changed(&mut self, ill: bool, at: Tick) {
        self.well_since = match (ill, self.well_since) {
            (true, _) => None,
            (false, Some(since)) => Some(since),
            (false, None) => Some(at),
        };
    }

    pub(crate) fn apply(&mut self, event: &Event, now: Now) {
        match event {
            Event::IncidentReopened { alert, because, .. } => {
                self.alert = *alert;
                self.because.clone_from(because);
                self.since = now;
                // Only what was once over and came back counts as coming back.
                if !matches!(self.outcome(), Some(Outcome::FalseAlarm | Outcome::MergedInto(_))) {
                    self.reopened.retain(|then| now.tick.since(*then) < REOPENED_KEPT);
                    self.reopened.push(now.tick);
                }
                self.well_since = None;
                self.diagnosis = None;
                self.case = None;
                self.plan = None;
                self.approved = None;
                self.person_acted = false;
                self.enter(Phase::Planning { until: now.tick }, now);
            }
            Event::EvidenceAdded { evidence, .. } => self.evidence.push(evidence.clone()),
            Event::Diagnosed { diagnosis, case, .. } => {
                self.diagnosis = Some(diagnosis.clone());
                self.case = Some(case.clone());
                if matches!(self.phase, Phase::Diagnosing { .. }) {
                    self.enter(Phase::Planning { until: now.tick }, now);
                }
            }
            Event::DiagnosisBegan { until, .. } => {
                self.plan = None;
                self.enter(Phase::Diagnosing { until: *until }, now);
            }
            Event::Planned { plan, .. } => self.plan = Some(plan.clone()),
            Event::Held { reason, until, .. } => {
                self.enter(Phase::Held { reason: reason.clone(), until: *until }, now);
            }
            Event::ApprovalAsked { binds, until, question, .. } => {
                self.asked_about.clone_from(binds);
                self.question = self.plan.as_ref().map(|plan| {
                    let (incident, binds) = (self.id.clone(), binds.clone());
                    let asked = Asked { incident, plan: plan.key(), binds, until: *until };
                    Question { asked, why: *question, word: None }
                });
                self.enter(Phase::AwaitingApproval { until: *until }, now);
            }
            Event::ApprovalAnswered { by, approved, because, .. } => {
                if let Some(question) = &mut self.question {
                    let (by, because) = (by.clone(), because.clone());
                    question.word = Some(Word { by, approved: *approved, because, at: now });
                }
                if *approved {
                    self.approved(by, now);
                } else {
                    self.rejected(by, because, now);
                }
            }
            Event::ApprovalWithdrawn { .. } => self.approved = None,
            Event::ActionStarted { permit, step, .. } => self.started(permit, *step, now),
            Event::ActionAnswered { permit, answer: said, .. } => self.note_answer(*permit, said, now),
            Event::LookRepeated { until: later, .. } => {
                if let Phase::Acting { until, .. } | Phase::RollingBack { until, .. } = &mut self.phase {
                    *until = *later;
                }
            }
            Event::VerificationBegan { step, until, .. } => {
                let phase = Phase::Verifying { step: *step, extended: Extended::default(), until: *until };
                self.enter(phase, now);
            }
            Event::VerificationExtended { until: later, by_alert, .. } => {
                if let Phase::Verifying { extended, until, .. } = &mut self.phase {
                    *until = *later;
                    extended.by_alert |= by_alert;
                    extended.inconclusive |= !by_alert;
                }
            }
            Event::ActionSettled { permit, reached: true, .. } => self.reached(*permit),
            Event::Verified { result, because, .. } => {
                if *result == Verification::Held {
                    self.to_take_back.clear();
                }
                if let Some(done) = self.attempts.last_mut() {
                    done.because.clone_from(because);
                    done.attempt.verdict = Some(*result);
                    done.verdict_at = Some(now.tick);
                }
                self.enter(Phase::Planning { until: now.tick }, now);
            }
            Event::RollbackBegan { permit, because, until, .. } => {
                let phase = Phase::RollingBack {
                    permit: *permit,
                    answer: None,
                    because: *because,
                    looked_longer: false,
                    until: *until,
                };
                self.enter(phase, now);
            }
            Event::RollbackExtended { until: later, .. } => {
                if let Phase::RollingBack { until, looked_longer, .. } = &mut self.phase {
                    *until = *later;
                    *looked_longer = true;
                }
            }
            Event::OwnerStopNoted { .. } => {
                if let Phase::Acting { owner_stopped, .. } = &mut self.phase {
                    *owner_stopped = true;
                }
            }
            Event::Escalated { reason, level, until, .. } => {
                self.halted |= is_failed_undo(reason);
                let acknowledged = matches!(&self.phase, Phase::Escalated { acknowledged: true, .. });
                let phase = Phase::Escalated { reason: reason.clone(), level: *level, acknowledged, until: *until };
                self.enter(phase, now);
            }
            Event::PersonActed { .. } => {
                self.person_acted = true;
                self.halted = false;
            }
            Event::Acknowledged { .. } => {
                self.person_acted = true;
                self.halted = false;
                if let Phase::Escalated { acknowledged, .. } = &mut self.phase {
                    *acknowledged = true;
                }
            }
            Event::IncidentResolved { outcome, .. } => {
                self.halted = false;
                self.to_take_back.clear();
                self.told.open = false;
                self.enter(Phase::Resolved { outcome: outcome.clone(), at: now.tick }, now);
            }
            Event::MessageQueued { message, .. } => {
                use model::message::Kind;
                (self.told.ever, self.told.last) = (true, Some(now.tick));
                self.told.open = matches!(message.kind, Kind::Opened | Kind::Updated | Kind::Escalated);
            }
            Event::IncidentOpened { .. }
            | Event::AlertJoined { .. }
            | Event::ActionSettled { reached: false, .. }
            | Event::Started { .. }
            | Event::Ended
            | Event::ClockJumped { .. }
            | Event::SourceChanged { .. }
            | Event::RecoveryBegan { .. }
            | Event::RecoveryPlanned { .. }
            | Event::RecoveryEnded { .. }
            | Event::IntentChanged { .. }
            | Event::StopBegan { .. }
            | Event::EndedUnasked { .. }
            | Event::RevivedByAnother { .. }
            | Event::BodyMade { .. }
            | Event::BudgetRefreshed { .. }
            | Event::AlertChanged(_)
            | Event::CommandTaken { .. }
            | Event::CommandQueued { .. }
            | Event::CommandDequeued { .. }
            | Event::MadeOf { .. }
            | Event::BodyStarted { .. }
            | Event::BringUpOrdered { .. }
            | Event::BringUpCalledOff { .. }
            | Event::BroughtUp { .. }
            | Event::UpdateOrdered { .. }
            | Event::ImageFetched { .. }
            | Event::Frozen { .. }
            | Event::Thawed { .. }
            | Event::MessageDelivered { .. }
            | Event::MessageDelayed { .. }
            | Event::MessageGivenUp { .. }
            | Event::ResourceGone { .. } => {}
        }
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        if self.phase.name() != phase.name() {
            self.phase_since = now;
        }
        self.phase = phase;
    }

    fn approved(&mut self, by: &str, now: Now) {
        let binds = self.asked_about.clone();
        if let Some(key) = self.plan.as_ref().map(Plan::key) {
            // Good for one execution, soon: the guard asks all the rest again.
            let until = now.after(APPROVAL_GOOD_FOR).tick;
            self.approved = Some(Approval { key, binds, by: by.to_owned(), until });
        }
        self.person_answered(now);
    }

    fn rejected(&mut self, by: &str, because: &str, now: Now) {
        self.rejected.extend(self.plan.as_ref().map(Plan::key));
        self.rejection = Some((by.to_owned(), because.to_owned()));
        self.person_answered(now);
    }

    fn person_answered(&mut self, now: Now) {
        self.person_acted = true;
        // What is held is diagnosed first when its reason is gone: an answer never leads straight to a step.
        if matches!(self.phase, Phase::AwaitingApproval { .. } | Phase::Escalated { .. }) {
            self.enter(Phase::Planning { until: now.tick }, now);
        }
    }

    fn started(&mut self, permit: &Permit, step: usize, now: Now) {
        // The stop of a rollback is told by `RollbackBegan`, which stands before it.
        if matches!(self.phase, Phase::RollingBack { .. }) {
            return;
        }
        if step == 0
            && let Some(plan) = self.plan.clone()
        {
            // What was done to a body that somebody has replaced went with it.
            if self.attempts.last().is_some_and(|done| done.body.as_ref() != Some(&permit.incarnation)) {
                self.to_take_back.clear();
            }
            let attempt = Attempt { at: now.tick, plan, verdict: None };
            if self.attempts.len() >= ATTEMPTS_KEPT_MAX {
                self.attempts.remove(0);
            }
            let body = Some(permit.incarnation.clone());
            self.attempts.push(Done {
                attempt,
                verdict_at: None,
                because: String::new(),
                body,
                steps_done: 0,
                taken_back: false,
            });
            self.approved = None;
        }
        let (permit, until) = (permit.id, permit.until);
        self.enter(Phase::Acting { step, permit, answer: None, owner_stopped: false, until }, now);
    }

    /// A step made another body in the place of the one that it was given.
    pub(crate) fn made(&mut self, body: &Incarnation) {
        if let Some(last) = self.attempts.last_mut() {
            last.body = Some(body.clone());
        }
    }

    /// A step reached its end: what it did is noted to be taken back, or is taken back.
    fn reached(&mut self, of: PermitId) {
        match &self.phase {
            Phase::Acting { step, permit, answer, .. } if *permit == of => {
                if let Some(last) = self.attempts.last_mut() {
                    last.steps_done = step + 1;
                }
                let done = self.plan.as_ref().and_then(|plan| plan.steps.get(*step));
                let by_us = *answer != Some(Answer::AlreadySo);
                self.to_take_back.extend(done.filter(|_| by_us).and_then(Step::undo));
            }
            Phase::RollingBack { permit, because: RollbackCause::DidNotHelp, .. } if *permit == of => {
                self.to_take_back.pop();
                if let Some(last) = self.attempts.last_mut() {
                    last.taken_back = true;
                }
            }
            Phase::Acting { .. }
            | Phase::RollingBack { .. }
            | Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Verifying { .. }
            | Phase::Escalated { .. }
            | Phase::Resolved { .. } => {}
        }
    }

    fn note_answer(&mut self, of: PermitId, said: &Answer, now: Now) {
        let first = matches!(self.phase, Phase::Acting { step: 0, .. });
        if let Phase::Acting { permit, answer, until, .. } | Phase::RollingBack { permit, answer, until, .. } =
            &mut self.phase
            && *permit == of
            && answer.as_ref().is_none_or(|before| matches!(before, Answer::Unknown(_)))
        {
            *answer = Some(said.clone());
            *until = now.tick.after(LOOK_WAIT);
            let withheld = matches!(said, Answer::Withheld(_));
            self.withheld_in_a_row = if withheld { self.withheld_in_a_row.saturating_add(1) } else { 0 };
            // An attempt is an executed plan.
            if withheld && first {
                self.attempts.pop();
            }
        }
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Resolved { outcome, .. } => Some(outcome),
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Escalated { .. } => None,
        }
    }
}

/// How long the look that settles an act is waited for before it is asked for again.
pub(crate) const LOOK_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// How long an approval that could not be acted on at once stays good.
const APPROVAL_GOOD_FOR: std::time::Duration = std::time::Duration::from_secs(30 * 60);
/// Reopenings are counted this far back.
const REOPENED_KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// One incident remembers so many attempts; the journal keeps them all.
const ATTEMPTS_KEPT_MAX: usize = 50;

/// Whether this is an undo that did not end as it should: what it left needs a person.
pub(crate) fn is_failed_undo(reason: &Escalation) -> bool {
    matches!(reason, Escalation::UndoFailed | Escalation::UndoUnknown)
}
