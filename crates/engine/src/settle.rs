//! What came of a step: settled by a look taken after its answer or its deadline, then verified for a whole window.

use std::time::Duration;

use model::action::{Action, Answer, Change, Pair, Permit, PermitId, Retag, Step, With};
use model::event::Event;
use model::fact::{self, Run, SourceTime};
use model::incident::{Escalation, Outcome, Phase, RollbackCause, Verification};
use model::intent::Wanted;
use model::verdict::{Hold, Refusal, Verdict};
use model::{ResourceId, Tick};

use crate::guard::Purpose;
use crate::incident::{Incident, LOOK_WAIT};
use crate::state::Act;
use crate::world::Body;
use crate::{Engine, Found, Shown};

/// After so long without a look an act is settled without one.
const LOOK_GIVE_UP: Duration = Duration::from_secs(60);
/// A pair that cannot be closed at this moment is tried again after this long, and more rarely once it lasts.
const CLOSE_AGAIN: Duration = Duration::from_secs(2);
const CLOSE_AGAIN_RARELY: Duration = Duration::from_secs(60);

/// A step that was withheld is asked anew after this long at first.
const WITHHELD_AGAIN: Duration = Duration::from_secs(5);

/// What may still be stopping is looked at again after this long. The engine says `stop` at most so long after the end.
const STOPPING_AGAIN: Duration = Duration::from_secs(1);

/// What was asked of the engine last, before healer ended, is carried out within this time.
const MADE_LATE: Duration = Duration::from_secs(5);

/// A healthcheck may go without a verdict for so long before nobody waits for it any more.
const STARTS_WITHIN: Duration = Duration::from_secs(600);

/// Whether the invariant holds: three-valued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// Running, healthy where it is checked, no alert.
    Well,
    /// It is not.
    Ill(String),
    /// Nobody can tell.
    Unclear(String),
}

impl Engine {
    /// How a resource is, as seen through the present connection.
    pub(crate) fn health_of(&self, resource: &ResourceId) -> Health {
        if !self.world.is_fresh(resource) {
            return Health::Unclear("it is not seen at present".to_owned());
        }
        let Some((_, body)) = self.world.body(resource) else {
            return Health::Unclear("it is not there".to_owned());
        };
        match body.run {
            Run::Exited | Run::Restarting | Run::Created => {
                let code = body.exit.as_ref().map(|exit| format!(" with exit code {}", exit.code));
                Health::Ill(format!("it ended again{}", code.unwrap_or_default()))
            }
            Run::Paused => Health::Unclear("it is paused".to_owned()),
            Run::Removing => Health::Unclear("it is being removed".to_owned()),
            Run::Running => match body.health {
                fact::Health::Unhealthy => Health::Ill(match (body.disk(), body.probe()) {
                    (Some(disk), _) => format!("it is full as before: {disk}"),
                    (None, Some(_)) => "its probe fails".to_owned(),
                    (None, None) => "its healthcheck fails".to_owned(),
                }),
                fact::Health::Starting => Health::Unclear("its healthcheck has not passed yet".to_owned()),
                fact::Health::Unchecked | fact::Health::Healthy if self.state.is_ill(resource) => {
                    Health::Unclear("an alert of it still fires".to_owned())
                }
                fact::Health::Unchecked | fact::Health::Healthy => Health::Well,
            },
        }
    }

    /// The act that an incident's phase waits for.
    fn act_of<'a>(&'a self, incident: &Incident) -> Option<(PermitId, &'a Act)> {
        match &incident.phase {
            Phase::Acting { permit, .. } | Phase::RollingBack { permit, .. } => {
                self.state.acts.get(permit).map(|act| (*permit, act))
            }
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Verifying { .. }
            | Phase::Escalated { .. }
            | Phase::Resolved { .. } => None,
        }
    }

    /// Whether the look that settles an incident's act has come.
    pub(crate) fn is_settled_by_look(&self, incident: &Incident) -> bool {
        self.act_of(incident).is_some_and(|(id, _)| self.live.shown.contains_key(&id))
    }

    /// Whether a step of this incident took something down that another step has still to bring up.
    pub(crate) fn pair_is_open(&self, incident: &Incident) -> bool {
        match (&incident.phase, &incident.plan) {
            (Phase::Verifying { step, .. }, Some(plan)) => {
                plan.steps.get(*step).is_some_and(|step| step.pair == Pair::Opens)
            }
            (
                Phase::Verifying { .. }
                | Phase::Diagnosing { .. }
                | Phase::Planning { .. }
                | Phase::Held { .. }
                | Phase::AwaitingApproval { .. }
                | Phase::Acting { .. }
                | Phase::RollingBack { .. }
                | Phase::Escalated { .. }
                | Phase::Resolved { .. },
                _,
            ) => false,
        }
    }

    /// What to do about an act whose phase is due: settle it, or ask for the look that does.
    fn settlement(&mut self, id: PermitId, act: &Act) -> Option<Shown> {
        let now = self.now.tick;
        if let Some(shown) = self.live.shown.remove(&id) {
            let goes_on = self.may_still_stop(act) && self.stop_goes_on(act, &shown);
            if goes_on || self.may_still_be_made(act) || self.may_still_start(act, &shown) {
                let until = now.after(STOPPING_AGAIN);
                self.live.looks_again.insert(id, until);
                self.emit(Event::LookRepeated { permit: id, id: act.permit.behalf.incident().cloned(), until });
                return None;
            }
            return Some(shown);
        }
        let Some(answered) = act.answered else {
            // A lost answer is not a failure: a look tells.
            let answer = Answer::Unknown("no answer in time".to_owned());
            let (resource, incident) = (act.permit.step.resource.clone(), act.permit.behalf.incident().cloned());
            self.emit(Event::ActionAnswered { permit: id, resource, id: incident, answer });
            self.look_at_act(id);
            return None;
        };
        // The last look was no end yet, and the next one is due.
        let is_seen = self.live.looks_again.remove(&id).is_some();
        // Who was not there had no time to look.
        let since = self.state.started.map_or(answered, |started| answered.max(started.tick));
        if is_seen || now.since(since) < LOOK_GIVE_UP || self.may_still_stop(act) {
            let until = now.after(LOOK_WAIT);
            self.emit(Event::LookRepeated { permit: id, id: act.permit.behalf.incident().cloned(), until });
            self.look_at_act(id);
            return None;
        }
        Some(self.shown_without_look(&act.permit.step.resource))
    }

    /// What was seen last of a resource, where no look came.
    pub(crate) fn shown_without_look(&self, resource: &ResourceId) -> Shown {
        let found = match self.world.body(resource) {
            Some((_, body)) => Found::Is(body.run),
            None if self.world.source(resource.host()).is_some_and(|source| source.listed) => Found::Gone,
            None => Found::Unseen,
        };
        Shown { found, source_at: None }
    }

    /// Whether a stop may be under way though nobody waits for its answer any longer: it takes as long as the service needs
    /// to end, and outlives the process that asked for it.
    fn may_still_stop(&self, act: &Act) -> bool {
        act.permit.step.action == Action::Stop
            && matches!(act.answer, Some(Answer::Unknown(_)))
            && self.now.tick < act.permit.until
    }

    /// Whether what was cut short may yet be made anew, or the old one be stopped: the engine carries out what it was asked
    /// last, and a stop takes as long as its patience.
    fn may_still_be_made(&self, act: &Act) -> bool {
        let old = self.world.body_of(&act.permit.step.resource, &act.permit.incarnation).filter(|body| body.is_up());
        let patience_s =
            old.and_then(|body| body.definition.as_ref()).map_or(0, |definition| definition.stop_timeout_s);
        let patience = Duration::from_secs(u64::try_from(patience_s).unwrap_or(0));
        let is_open = match act.answer {
            Some(Answer::Unknown(_)) => true,
            // It is made, and was not seen yet.
            Some(Answer::Done) => !self.is_made_anew(&act.permit),
            // Where the old one is down it may have been made, and be told of late: nobody could tell then whose it is.
            Some(Answer::Failed(_)) => old.is_none(),
            Some(Answer::AlreadySo | Answer::Withheld(_)) | None => false,
        };
        act.permit.step.action == Action::Recreate
            && act.made.is_none()
            && is_open
            && act.answered.is_some_and(|answered| self.now.tick.since(answered) < patience + MADE_LATE)
            && self.now.tick < act.permit.until
    }

    /// Whether a start that a process of healer's ordered just before its end may yet be carried out: told to be of no effect
    /// it would be nobody's, and a stop by its owner in between could not win.
    fn may_still_start(&self, act: &Act, shown: &Shown) -> bool {
        let ordered = SourceTime(act.permit.given.wall.0.saturating_mul(1_000_000));
        let body = self.world.body(&act.permit.step.resource).map(|(_, body)| body);
        let failed = |exit: &fact::Exit| exit.at >= ordered && !exit.error.is_empty();
        let is_seen = body.is_some_and(|body| body.started >= Some(ordered) || body.exit.as_ref().is_some_and(failed));
        act.permit.step.action == Action::Start
            && !is_up(shown)
            && !is_seen
            && matches!(act.answer, Some(Answer::Unknown(_)))
            && act.answered.is_some_and(|answered| self.now.tick.since(answered) < MADE_LATE)
            && self.now.tick < act.permit.until
    }

    /// Whether what a look shows is no end of such a stop yet: that the service still runs tells nothing before its time is
    /// up, and just after its end the engine has yet to say that it was stopped, which must not pass for somebody else's.
    fn stop_goes_on(&self, act: &Act, shown: &Shown) -> bool {
        let body = self.world.body(&act.permit.step.resource).map(|(_, body)| body);
        let ended = body.and_then(|body| body.exit.as_ref()).map(|exit| exit.at);
        // The look may come before the listing: then its end is not known yet.
        let just_ended = match (shown.source_at, ended) {
            (Some(at), Some(ended)) => at.since(ended) < STOPPING_AGAIN,
            (None, _) | (_, None) => body.is_none(),
        };
        is_up(shown) || (shown.found == Found::Is(Run::Exited) && just_ended)
    }

    /// Whether another body stands for a resource than the one that was to be replaced, and than those that were there before.
    fn is_made_anew(&self, permit: &Permit) -> bool {
        let ordered = self.by_clock_of_source(&permit.step.resource, permit.given.tick);
        // A process that began since knows none for longer.
        let is_new =
            |body: &Body| body.known_since > permit.given.tick && body.started.is_none_or(|started| started >= ordered);
        let present = self.world.body(&permit.step.resource);
        present.is_some_and(|(present, body)| *present != permit.incarnation && is_new(body))
    }

    /// Whether what a step should change is as it should be.
    fn is_changed(&self, change: Change, Act { permit, answer, .. }: &Act) -> bool {
        let Some(body) = self.world.body_of(&permit.step.resource, &permit.incarnation) else { return false };
        let limit = body.definition.as_ref().map(|definition| definition.memory_limit_bytes);
        let lost = body.look.as_ref().map_or(&[][..], |look| &look.lost_networks);
        let lost_of = |name: &str| lost.iter().find(|lost| lost.name == name);
        match (change, &permit.step.with) {
            (Change::SetMemory, With::Memory(limits)) => limit == Some(limits.to_bytes),
            (Change::CreateNetwork, With::Network(network)) => lost_of(&network.name).is_none_or(|lost| lost.made_anew),
            // What is not attached to it shows nothing of it.
            (Change::RemoveNetwork, With::Network(network)) => lost_of(&network.name)
                .map_or(matches!(answer, Some(Answer::Done | Answer::AlreadySo)), |lost| !lost.made_anew),
            (Change::JoinNetwork, With::NetworkName(name)) => lost_of(name).is_none(),
            (Change::Unpause, With::Nothing) => body.run == Run::Running,
            (Change::FreeSpace, With::Nothing) => matches!(answer, Some(Answer::Done | Answer::AlreadySo)),
            (
                Change::SetMemory
                | Change::CreateNetwork
                | Change::RemoveNetwork
                | Change::JoinNetwork
                | Change::Unpause
                | Change::FreeSpace,
                With::Nothing | With::Image(_) | With::Memory(_) | With::Network(_) | With::NetworkName(_),
            ) => false,
        }
    }

    /// Whether another body was made and started, as Compose said or as is seen. One that has ended since was made all the
    /// same: whether it helped is another question.
    fn is_made(&self, act: &Act, shown: &Shown) -> bool {
        if act.answer == Some(Answer::Done) && act.made.is_some() {
            return true;
        }
        let made = act.made.as_ref().and_then(|made| self.world.body_of(&act.permit.step.resource, made));
        let refused = matches!(act.answer, Some(Answer::Failed(_))) && !is_up(shown);
        let started = made.map_or_else(|| was_started(shown) && !refused, |body| body.started.is_some());
        started && self.is_made_anew(&act.permit)
    }

    fn freed_in_words(&self, disk: &ResourceId) -> String {
        let cleaned = self.world.body(disk).and_then(|(_, body)| body.disk()?.cleaned);
        cleaned.map_or_else(|| changed_in_words(Change::FreeSpace).to_owned(), |cleaned| format!("{cleaned} are gone"))
    }

    fn emit_settled(&mut self, id: PermitId, act: &Act, shown: &Shown) -> bool {
        let reached = match act.permit.step.action {
            Action::Start => is_up(shown),
            // What the engine is about to start again is not stopped.
            Action::Stop => !is_up(shown) && !matches!(shown.found, Found::Is(Run::Restarting) | Found::Unseen),
            Action::Recreate => self.is_made(act, shown),
            Action::Change(change) => shown.source_at.is_some() && self.is_changed(change, act),
        };
        let incident = act.permit.behalf.incident().cloned();
        let resource = act.permit.step.resource.clone();
        self.emit(Event::ActionSettled {
            permit: id,
            resource: resource.clone(),
            id: incident.clone(),
            shown: match &act.answer {
                Some(Answer::Withheld(_)) if shown.source_at.is_none() => "nothing was begun".to_owned(),
                _ => match act.permit.step.action {
                    Action::Change(Change::FreeSpace) if reached => self.freed_in_words(&resource),
                    Action::Change(change) if reached => changed_in_words(change).to_owned(),
                    Action::Change(_) | Action::Start | Action::Stop | Action::Recreate => {
                        found_in_words(shown.found).to_owned()
                    }
                },
            },
            source_at: shown.source_at,
            reached,
        });
        self.remember_settled(id, act);
        self.live.looks_again.remove(&id);
        reached
    }

    /// Settles the step at hand, and goes on from there.
    pub(crate) fn settle_step(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::Acting { step, owner_stopped, .. } = incident.phase.clone() else { return };
        let Some((id, act)) = self.act_of(incident).map(|(id, act)| (id, act.clone())) else {
            // The act was settled already; the phase goes on by verification.
            return self.begin_verification(number, step);
        };
        let Some(shown) = self.settlement(id, &act) else { return };
        let reached = self.emit_settled(id, &act, &shown);
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let wanted = self.state.intents.get(&incident.resource).map(|intent| intent.wanted);
        let stopped = (owner_stopped || wanted == Some(Wanted::Stopped)) && !self.faults.owner_stop_forgotten;
        if stopped && wanted == Some(Wanted::Stopped) {
            return self.stop_ours(number);
        }
        let opens = act.permit.step.pair == Pair::Opens;
        if let (Some(Answer::Withheld(because)), false) = (&act.answer, act.permit.step.pair == Pair::Closes) {
            return self.hold_withheld(number, because.clone());
        }
        let without_look = shown.source_at.is_none() && shown.found != Found::Gone;
        match (reached, opens) {
            (true, true) => self.close_pair(number, step),
            (true, false) => self.go_on(number, step + 1),
            // It was not begun, and what we took down is still down.
            (false, _) if act.permit.step.pair == Pair::Closes && matches!(act.answer, Some(Answer::Withheld(_))) => {
                self.reopen_pair(number, step);
            }
            // It was cut short, and has not been tried.
            (false, _) if act.permit.step.action == Action::Recreate && !act.is_answered() => {
                self.was_cut_short(number, &act.permit.step, without_look);
            }
            (false, _) if without_look && self.is_last(number, step) => self.begin_verification(number, step),
            // The step that brings up again what we took down was perhaps never heard: the pair is still open.
            (false, _) if act.permit.step.pair == Pair::Closes && !act.is_answered() => self.reopen_pair(number, step),
            (false, _) => {
                let because = match &act.answer {
                    Some(Answer::Failed(because) | Answer::Withheld(because)) => because.clone(),
                    Some(Answer::Done | Answer::AlreadySo | Answer::Unknown(_)) | None => {
                        match act.permit.step.action {
                            Action::Start => "it does not run".to_owned(),
                            Action::Stop => "it did not stop".to_owned(),
                            Action::Recreate => "it was not made anew".to_owned(),
                            Action::Change(change) => format!("nothing shows that {}", changed_in_words(change)),
                        }
                    }
                };
                self.verdict(number, Verification::Failed, because);
            }
        }
    }

    /// It has not been tried.
    fn was_cut_short(&mut self, number: u64, step: &Step, without_look: bool) {
        let made = if without_look { "nobody saw whether it was made anew" } else { "not made anew" };
        let mut because = format!("it was cut short, and {made}");
        if let With::Image(Retag { name, from, .. }) = &step.with {
            let how = format!("`docker tag {from} {name}` takes that back");
            because += &format!("; {name} may mean the image of before by now: {how}");
        }
        self.verdict(number, Verification::Inconclusive, because);
    }

    fn is_last(&self, number: u64, step: usize) -> bool {
        let plan = self.state.incidents.get(&number).and_then(|incident| incident.plan.as_ref());
        plan.is_none_or(|plan| step + 1 >= plan.steps.len())
    }

    /// After a step comes the next one, and after the last one the verification of the whole.
    pub(crate) fn go_on(&mut self, number: u64, next: usize) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Some(plan) = incident.plan.clone() else { return };
        let Some(step) = plan.steps.get(next) else { return self.begin_verification(number, next.saturating_sub(1)) };
        let verdict = self.guard(incident, &plan, step, Purpose::GoOn);
        if let Verdict::Refuse(refusal) = &verdict {
            self.note_refusal(refusal);
        }
        match verdict {
            Verdict::Allow(permit) => self.start_action(permit, next, 0),
            Verdict::Refuse(Refusal::StoppedOnPurpose) => self.stop_ours(number),
            Verdict::Refuse(Refusal::Absent) => {
                self.resolve(number, Outcome::Gone, "it is not there any more".to_owned());
            }
            Verdict::Refuse(refusal) => {
                self.emit_verdict(number, Verification::Inconclusive, refusal.to_string());
                self.escalate(number, Escalation::Refused(refusal));
            }
            // What was done stays, and is gone on with once that is over.
            Verdict::Hold(hold, until) => self.hold(number, hold, until),
            // A person is asked before a plan is begun, never in its middle.
            Verdict::Ask(question) => {
                self.verdict(number, Verification::Inconclusive, format!("interrupted: {question}"));
            }
        }
    }

    /// A step was not begun: it is asked anew in a moment, and ever more rarely.
    fn hold_withheld(&mut self, number: u64, because: String) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let doublings = incident.withheld_in_a_row.saturating_sub(1).min(4);
        let until = self.after(WITHHELD_AGAIN * 2_u32.pow(doublings));
        self.hold(number, Hold::Withheld { because }, until);
    }

    /// The step before this one took something down, and this one did not bring it up again: it is tried once more.
    fn reopen_pair(&mut self, number: u64, closing: usize) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let (id, until) = (incident.id.clone(), self.after(CLOSE_AGAIN));
        self.emit(Event::VerificationBegan { id, step: closing.saturating_sub(1), until, waits: None });
    }

    fn begin_verification(&mut self, number: u64, step: usize) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let id = incident.id.clone();
        let until = self.after(self.settings.budgets.stability());
        self.emit(Event::VerificationBegan { id, step, until, waits: None });
    }

    /// Brings up again what the step before took down, unless the owner wants it down by now.
    fn close_pair(&mut self, number: u64, opened: usize) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Some(plan) = incident.plan.clone() else { return };
        let Some(step) = plan.steps.get(opened + 1) else { return self.begin_verification(number, opened) };
        if self.faults.pair_left_open {
            return self.begin_verification(number, opened);
        }
        let lasts = self.now.tick.since(incident.phase_since.tick) >= CLOSE_AGAIN_RARELY;
        let verdict = self.guard(incident, &plan, step, Purpose::Close);
        if let Verdict::Refuse(refusal) = &verdict {
            self.note_refusal(refusal);
        }
        let Some(incident) = self.state.incidents.get(&number) else { return };
        match verdict {
            Verdict::Allow(permit) => self.start_action(permit, opened + 1, 0),
            Verdict::Refuse(Refusal::StoppedOnPurpose) => self.stop_ours(number),
            Verdict::Refuse(Refusal::Absent) => {
                self.resolve(number, Outcome::Gone, "it is not there any more".to_owned());
            }
            Verdict::Refuse(refusal) => {
                self.verdict(number, Verification::Inconclusive, refusal.to_string());
                self.escalate(number, Escalation::Refused(refusal));
            }
            // Nobody but a person can tell; what others wait for is let go of.
            Verdict::Hold(Hold::IntentUnknown, _) if lasts => {
                self.verdict(number, Verification::Inconclusive, Hold::IntentUnknown.to_string());
                self.escalate(number, Escalation::Inconclusive);
            }
            Verdict::Hold(hold, _) => {
                let id = incident.id.clone();
                let until = self.after(if lasts { CLOSE_AGAIN_RARELY } else { CLOSE_AGAIN });
                self.emit(Event::VerificationBegan { id, step: opened, until, waits: Some(hold) });
            }
            // A person is asked before a pair is opened, never in its middle.
            Verdict::Ask(_) => self.reopen_pair(number, opened + 1),
        }
    }

    pub(crate) fn judge_verification(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::Verifying { step, extended, until } = incident.phase.clone() else { return };
        if self.pair_is_open(incident) && !self.faults.pair_left_open {
            return self.close_pair(number, step);
        }
        let due = until <= self.now.tick || self.faults.verified_at_once;
        match self.health_of(&incident.resource) {
            Health::Ill(because) => self.verdict(number, Verification::Failed, because),
            Health::Well if due => {
                let id = incident.id.clone();
                let disk = self.world.body(&incident.resource).and_then(|(_, body)| body.disk());
                let well = "it runs, and nothing is wrong with it".to_owned();
                let because = disk.map_or(well, |disk| format!("it has room: {disk}"));
                self.emit(Event::Verified { id, result: Verification::Held, because: because.clone() });
                self.resolve(number, Outcome::Healed, because);
            }
            // A healthcheck that has no verdict yet is given its time, as services that start slowly need it.
            Health::Unclear(_) if due && self.still_starts(incident) => self.extend_verification(number, false),
            Health::Unclear(_) if due && !extended.inconclusive => self.extend_verification(number, false),
            Health::Unclear(because) if due => {
                let id = incident.id.clone();
                self.emit(Event::Verified { id, result: Verification::Inconclusive, because });
                self.escalate(number, Escalation::Inconclusive);
            }
            Health::Well | Health::Unclear(_) => {}
        }
    }

    /// Whether what held the step back that closes an opened pair is over.
    pub(crate) fn pair_may_close(&self, incident: &Incident) -> bool {
        let Some(plan) = incident.plan.as_ref().filter(|_| self.pair_is_open(incident)) else { return false };
        let closes = incident.present_step().and_then(|opened| plan.steps.get(opened + 1));
        closes.is_some_and(|step| matches!(self.guard(incident, plan, step, Purpose::Close), Verdict::Allow(_)))
    }

    fn still_starts(&self, incident: &Incident) -> bool {
        let starting =
            self.world.body(&incident.resource).is_some_and(|(_, body)| body.health == fact::Health::Starting);
        starting && self.now.tick.since(incident.phase_since.tick) < STARTS_WITHIN
    }

    /// Puts the end off: by a late alert, or since nothing can be told; each once. An opened pair is not verified but
    /// waits to be closed: its end is not put off.
    pub(crate) fn extend_verification(&mut self, number: u64, by_alert: bool) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::Verifying { extended, until, .. } = incident.phase.clone() else { return };
        if self.pair_is_open(incident) {
            return;
        }
        let spent = if by_alert { extended.by_alert } else { extended.inconclusive };
        if spent && (by_alert || !self.still_starts(incident)) {
            return;
        }
        let window = self.settings.budgets.stability();
        let until = if by_alert { until.max(self.after(window)) } else { self.after(window) };
        self.emit(Event::VerificationExtended { id: incident.id.clone(), until, by_alert });
    }

    /// The verdict on an attempt that did not hold: the incident is looked at anew, and the guard has the next word.
    fn verdict(&mut self, number: u64, result: Verification, because: String) {
        self.emit_verdict(number, result, because.clone());
        self.begin_diagnosis(number, &because);
    }

    pub(crate) fn emit_verdict(&mut self, number: u64, result: Verification, because: String) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        self.emit(Event::Verified { id: incident.id.clone(), result, because });
    }

    /// Settles what takes back a plan that did not help.
    fn settle_undo(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::RollingBack { looked_longer, answer, .. } = incident.phase.clone() else { return };
        if let Some((id, act)) = self.act_of(incident).map(|(id, act)| (id, act.clone())) {
            let Some(shown) = self.settlement(id, &act) else { return };
            if self.emit_settled(id, &act, &shown) {
                return self.begin_diagnosis(number, "what did not help is taken back");
            }
        }
        let Some(incident) = self.state.incidents.get(&number) else { return };
        if looked_longer {
            let failed = matches!(answer, Some(Answer::Failed(_)));
            let reason = if failed { Escalation::UndoFailed } else { Escalation::UndoUnknown };
            return self.escalate(number, reason);
        }
        let (id, until) = (incident.id.clone(), self.after(LOOK_WAIT));
        self.emit(Event::RollbackExtended { id, until });
    }

    pub(crate) fn settle_rollback(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::RollingBack { because, .. } = &incident.phase else { return };
        match because {
            RollbackCause::OwnerStopped => self.settle_stop_for_owner(number),
            RollbackCause::DidNotHelp => self.settle_undo(number),
        }
    }

    /// Settles the stop that gave way to the owner's.
    fn settle_stop_for_owner(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::RollingBack { looked_longer, answer, .. } = incident.phase.clone() else { return };
        if let Some((id, act)) = self.act_of(incident).map(|(id, act)| (id, act.clone())) {
            let Some(shown) = self.settlement(id, &act) else { return };
            self.emit_settled(id, &act, &shown);
        }
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let wanted = self.state.intents.get(&incident.resource).map(|intent| intent.wanted);
        let up = self.is_up(&incident.resource);
        if !up || wanted != Some(Wanted::Stopped) {
            // It is as the owner wants it; or they want it running again, and started it themselves.
            let because = self.state.intents.get(&incident.resource).map(|i| i.because.clone()).unwrap_or_default();
            let outcome =
                if wanted == Some(Wanted::Running) { Outcome::MendedByPerson } else { Outcome::StoppedByOwner };
            return self.resolve(number, outcome, because);
        }
        if looked_longer {
            let failed = matches!(answer, Some(Answer::Failed(_)));
            let reason = if failed { Escalation::UndoFailed } else { Escalation::UndoUnknown };
            return self.escalate(number, reason);
        }
        let (id, until) = (incident.id.clone(), self.after(LOOK_WAIT));
        self.emit(Event::RollbackExtended { id, until });
    }

    /// A person's act under way: when something must happen to it by itself.
    pub(crate) fn person_act_deadline(&self, id: PermitId, act: &Act) -> Option<Tick> {
        if act.permit.behalf.incident().is_some() {
            return None;
        }
        let again = self.live.looks_again.get(&id).filter(|_| self.may_still_stop(act));
        Some(match (again, act.answered) {
            (Some(again), _) => *again,
            (None, Some(answered)) => answered.after(LOOK_WAIT),
            (None, None) => act.permit.until,
        })
    }

    /// Settles a person's act, if its look has come or is overdue. Returns whether the step's end was reached.
    pub(crate) fn settle_persons_act(&mut self, id: PermitId) -> Option<bool> {
        let act = self.state.acts.get(&id).cloned()?;
        let due = self.person_act_deadline(id, &act).is_some_and(|due| due <= self.now.tick);
        if !due && !self.live.shown.contains_key(&id) {
            return None;
        }
        if self.may_still_stop(&act) && !self.live.shown.contains_key(&id) {
            self.live.looks_again.insert(id, self.after(LOOK_WAIT));
            self.look_at_act(id);
            return None;
        }
        if let (Some(answered), false) = (act.answered, self.live.shown.contains_key(&id)) {
            // Overdue: it is settled by what is seen, and if nothing is, without.
            let shown = self.shown_without_look(&act.permit.step.resource);
            return (self.now.tick.since(answered) >= LOOK_WAIT).then(|| self.emit_settled(id, &act, &shown));
        }
        let shown = self.settlement(id, &act)?;
        Some(self.emit_settled(id, &act, &shown))
    }
}

fn is_up(shown: &Shown) -> bool {
    matches!(shown.found, Found::Is(Run::Running | Run::Paused))
}

/// Whether it runs, or ended by itself.
fn was_started(shown: &Shown) -> bool {
    match shown.found {
        Found::Is(Run::Running | Run::Paused | Run::Restarting | Run::Exited) => true,
        Found::Is(Run::Created | Run::Removing) | Found::Gone | Found::Unseen => false,
    }
}

fn changed_in_words(change: Change) -> &'static str {
    match change {
        Change::SetMemory => "it has its new memory limit",
        Change::CreateNetwork => "the network is there",
        Change::RemoveNetwork => "the network is removed",
        Change::JoinNetwork => "it is attached to the network",
        Change::Unpause => "it runs",
        Change::FreeSpace => "what is listed is gone",
    }
}

fn found_in_words(found: Found) -> &'static str {
    match found {
        Found::Is(Run::Created) => "it was never started",
        Found::Is(Run::Running) => "it runs",
        Found::Is(Run::Paused) => "it runs, paused",
        Found::Is(Run::Restarting) => "the engine restarts it",
        Found::Is(Run::Exited) => "it is down",
        Found::Is(Run::Removing) => "it is being removed",
        Found::Gone => "it is not there",
        Found::Unseen => "it cannot be seen",
    }
}
