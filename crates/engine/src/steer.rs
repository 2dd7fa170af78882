//! Drives each incident: finds the turns that happen to it, asks the table of `life` what follows, and does that.

use std::time::Duration;

use model::action::Step;
use model::event::Event;
use model::fact::{RestartPolicy, Run};
use model::incident::{
    Case, Confidence, Diagnosis, Escalation, Evidence, Mend, Outcome, Phase, RollbackCause, Verification,
};
use model::input::Effect;
use model::intent::Wanted;
use model::message::Kind;
use model::verdict::{Hold, Refusal, Verdict};
use model::{ResourceId, Tick};

use crate::diagnose::{diagnose, ended_at, exit_code};
use crate::guard::Purpose;
use crate::incident::Incident;
use crate::life::{self, Next, Turn};
use crate::settle::Health;
use crate::{Engine, plan};

/// After this the rules answer with what they have.
const DIAGNOSING_MAX: Duration = Duration::from_secs(3);
/// A service that somebody's foreground session held is watched for this long: the session may be ending all.
const QUIET_AFTER_ATTACHED: Duration = Duration::from_secs(2);
/// An escalated incident that nobody resolved is told again after this long.
const REMINDER_EVERY: Duration = Duration::from_secs(24 * 3600);
/// What is not seen is asked about again after this long; a source that sees it wakes it sooner.
const NOT_SEEN_AGAIN: Duration = Duration::from_secs(600);
/// One incident is turned at most so often in one batch; more is a fault of the table.
const TURNS_MAX: usize = 16;
/// Telling lines of a log that become evidence.
const LOG_EVIDENCE_MAX: usize = 6;

impl Engine {
    /// Decides everything that this batch, or the clock, gives reason to.
    pub(crate) fn decide(&mut self) {
        self.progress_persons_acts();
        let mut resources = std::mem::take(&mut self.touched);
        let mut all = std::mem::take(&mut self.live.all);
        // What an incident lets go of, others may wait for: so until nothing is freed any more.
        for _ in 0..TURNS_MAX {
            for resource in &resources {
                self.compare_alerts(resource);
            }
            for resource in &resources {
                self.correlate(resource);
            }
            let open: Vec<u64> = self.state.open.iter().copied().collect();
            for number in open {
                let Some(incident) = self.state.incidents.get(&number) else { continue };
                let concerned = all || resources.contains(&incident.resource);
                if concerned || self.incident_deadline(incident).is_some_and(|due| due <= self.now.tick) {
                    self.advance(number, concerned);
                }
            }
            self.progress_persons_acts();
            let freed = std::mem::take(&mut self.live.freed);
            let more = std::mem::take(&mut self.touched);
            let new: Vec<_> = more.iter().filter(|resource| !resources.contains(*resource)).cloned().collect();
            resources.extend(more);
            all = freed;
            if !freed && new.is_empty() {
                break;
            }
        }
        self.touched = resources;
        self.send_what_is_due();
    }

    /// When something must happen to an incident by itself.
    pub(crate) fn incident_deadline(&self, incident: &Incident) -> Option<Tick> {
        let phase = incident.phase.deadline().filter(|_| !self.faults.deadline_forgotten || !incident.holds_leases());
        let well = incident.well_since.map(|since| since.after(self.settings.budgets.stability()));
        // A phase that holds what it does until it is settled does not end by itself when the symptom goes.
        let well = well.filter(|due| !incident.holds_leases() && (*due > self.now.tick || self.is_seen_well(incident)));
        [phase, well, self.carries_due(incident), self.tell_due(incident)].into_iter().flatten().min()
    }

    fn is_seen_well(&self, incident: &Incident) -> bool {
        self.health_of(&incident.resource) == Health::Well
    }

    fn advance(&mut self, number: u64, concerned: bool) {
        for _ in 0..TURNS_MAX {
            let before = self.state.seq;
            let Some(incident) = self.state.incidents.get(&number) else { return };
            let Some(turn) = self.turn_of(incident, concerned) else { break };
            let (next, resource) = (life::next(&incident.phase, turn), incident.resource.clone());
            // What happened once turns an incident once.
            if turn == Turn::MoreSeen {
                self.live.more_seen.remove(&number);
            } else if turn == Turn::Afresh {
                self.live.afresh.remove(&resource);
            }
            match next {
                Ok(next) => self.follow(number, next),
                // Level turns are asked of each phase; one that it does not know changes nothing.
                Err(_) => break,
            }
            if self.state.seq == before {
                break;
            }
        }
        self.refine_diagnosis(number);
        self.wake_dependents(number);
        self.tell_if_due(number);
    }

    /// The first turn that happens to an incident at present, and that its phase answers with more than `Stay`.
    fn turn_of(&self, incident: &Incident, concerned: bool) -> Option<Turn> {
        let resource = &incident.resource;
        let wanted = self.state.intents.get(resource).map(|intent| intent.wanted);
        let present = self.world.body(resource).is_some();
        let vanished = !present && self.world.source(resource.host()).is_some_and(|source| source.listed);
        let stability = self.settings.budgets.stability();
        let stayed_well = incident.well_since.is_some_and(|since| since.after(stability) <= self.now.tick);
        let owner_stopped = wanted == Some(Wanted::Stopped) && !self.owner_stop_is_noted(incident);
        let levels = [
            (owner_stopped, Turn::OwnerStopped),
            (vanished, Turn::Gone),
            (self.live.afresh.contains(resource), Turn::Afresh),
            (self.live.wanted.contains(resource) || self.a_person_waits_for(resource), Turn::Wanted),
            (stayed_well && self.is_seen_well(incident), Turn::StayedWell),
            (self.verification_fails(incident), Turn::CameBack),
            (self.is_settled_by_look(incident), Turn::Due),
            (incident.phase.deadline().is_some_and(|due| due <= self.now.tick), Turn::Due),
            (concerned && self.pair_may_close(incident), Turn::Due),
            (concerned && self.is_ready_to_diagnose(incident), Turn::Due),
            (concerned && self.hold_is_over(incident), Turn::Unhindered),
            (self.live.more_seen.contains(&incident.id.number) || self.question_is_stale(incident), Turn::MoreSeen),
        ];
        levels
            .into_iter()
            .filter(|(happens, _)| *happens)
            .map(|(_, turn)| turn)
            .find(|turn| !matches!(life::next(&incident.phase, *turn), Ok(Next::Stay) | Err(_)))
    }

    /// Whether a person is asked about a body that was made anew since.
    fn question_is_stale(&self, incident: &Incident) -> bool {
        let present = self.binding(&incident.resource);
        matches!(incident.phase, Phase::AwaitingApproval { .. }) && present.is_some() && present != incident.asked_about
    }

    fn owner_stop_is_noted(&self, incident: &Incident) -> bool {
        match &incident.phase {
            Phase::Acting { owner_stopped, .. } => *owner_stopped || self.faults.owner_stop_forgotten,
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Escalated { .. }
            | Phase::Resolved { .. } => false,
        }
    }

    fn verification_fails(&self, incident: &Incident) -> bool {
        matches!(incident.phase, Phase::Verifying { .. })
            && !self.pair_is_open(incident)
            && matches!(self.health_of(&incident.resource), Health::Ill(_))
    }

    fn hold_is_over(&self, incident: &Incident) -> bool {
        let Phase::Held { reason, .. } = &incident.phase else { return false };
        let Some(plan) = &incident.plan else { return true };
        let Some(step) = plan.steps.first() else { return true };
        match self.guard(incident, plan, step, Purpose::Mend) {
            Verdict::Hold(same, _) => same.kind() != reason.kind(),
            Verdict::Allow(_) | Verdict::Ask(_) | Verdict::Refuse(_) => true,
        }
    }

    fn follow(&mut self, number: u64, next: Next) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        match next {
            Next::Stay => {}
            Next::Diagnose => self.begin_diagnosis(number, "it is looked at anew"),
            Next::DiagnoseNow => self.conclude(number),
            Next::Plan => self.plan_and_ask(number),
            Next::KeepApproval => {}
            Next::NextPlan => self.plan_and_ask(number),
            Next::WithdrawAndDiagnose => {
                let id = incident.id.clone();
                self.emit(Event::ApprovalWithdrawn { id, because: "there is more to consider".to_owned() });
                self.begin_diagnosis(number, "there is more to consider");
            }
            Next::ResolveStopped => {
                let because = self.intent_because(number);
                self.resolve(number, Outcome::StoppedByOwner, because);
            }
            Next::ResolveGone => self.resolve(number, Outcome::Gone, "it is not there any more".to_owned()),
            Next::ResolveRecovered => {
                let outcome = if incident.person_acted { Outcome::MendedByPerson } else { Outcome::RecoveredAlone };
                self.resolve(number, outcome, "it stayed well for the stability window".to_owned());
            }
            Next::ResolveMerged => {}
            Next::NoteOwnerStop => {
                let id = incident.id.clone();
                self.emit(Event::OwnerStopNoted { id });
            }
            Next::Settle => self.settle_step(number),
            Next::Judge => self.judge_verification(number),
            Next::Extend => self.extend_verification(number, true),
            Next::GiveWay => self.give_way(number),
            Next::StopOurs => self.stop_ours(number),
            Next::SettleRollback => self.settle_rollback(number),
            Next::EscalateExpired => self.escalate(number, Escalation::ApprovalExpired),
            Next::NextLevel => self.next_level(number),
            Next::Take | Next::Reopen => {}
        }
    }

    fn intent_because(&self, number: u64) -> String {
        let resource = self.state.incidents.get(&number).map(|incident| &incident.resource);
        resource.and_then(|resource| self.state.intents.get(resource)).map(|i| i.because.clone()).unwrap_or_default()
    }

    pub(crate) fn begin_diagnosis(&mut self, number: u64, because: &str) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let attached = self.had_attached_session(&incident.resource);
        let wait = if attached { QUIET_AFTER_ATTACHED } else { DIAGNOSING_MAX };
        let (id, until) = (incident.id.clone(), self.after(wait));
        self.emit(Event::DiagnosisBegan { id, because: because.to_owned(), until });
        self.ask_for_facts(number);
    }

    /// Asks for what the rules may want to know: a look, if the last one is older than the illness, and the log, once
    /// for each end.
    fn ask_for_facts(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let resource = incident.resource.clone();
        let id = incident.id.clone();
        let Some((incarnation, body)) = self.world.body(&resource) else { return };
        let incarnation = incarnation.clone();
        let end = (incarnation.clone(), body.exit.as_ref().map(|exit| exit.at));
        if !self.is_looked_at(&resource) {
            let look = Effect::Look { resource: resource.clone(), incarnation: incarnation.clone(), ticket: None };
            self.effects.push(look);
        }
        if self.live.logs_asked.get(&number) != Some(&end) {
            self.live.logs_asked.insert(number, end);
            self.effects.push(Effect::Gather { incident: id, resource, incarnation });
        }
    }

    /// Whether the last look shows the state that the last fact shows.
    fn is_looked_at(&self, resource: &ResourceId) -> bool {
        self.world.body(resource).is_some_and(|(_, body)| {
            body.look.as_ref().is_some_and(|look| {
                let ended = body.exit.as_ref().is_none_or(|exit| look.at >= exit.at);
                look.run == body.run && look.health == body.health && ended
            })
        })
    }

    fn is_ready_to_diagnose(&self, incident: &Incident) -> bool {
        if !matches!(incident.phase, Phase::Diagnosing { .. }) {
            return false;
        }
        if self.had_attached_session(&incident.resource) {
            return false;
        }
        let Some((_, body)) = self.world.body(&incident.resource) else { return false };
        // The stream is unbroken, and has not told of this end yet: what it tells may be a person's stop.
        let present = self.world.source(incident.resource.host()).and_then(|source| source.generation);
        if !body.is_up() && !body.end_seen && body.watched_since.is_some() && body.watched_since == present {
            return false;
        }
        let Some(case) = self.case_of(&incident.resource, Some(incident.id.number)) else { return false };
        let told = diagnose(&case, Vec::new());
        // The fast path: an end whose whole story the stream told, of a service that the engine will not start itself.
        let own_policy = body.definition.as_ref().is_none_or(|d| d.restart_policy != RestartPolicy::No);
        let fast = (body.end_seen && !own_policy) || body.is_up();
        // An end whose events are still on their way is not judged by a look alone.
        let untold = body.run == Run::Exited && !body.end_seen && body.watched_since.is_some();
        let looked = self.is_looked_at(&incident.resource) && !untold;
        looked || (fast && told.confidence >= Confidence::Likely)
    }

    /// The facts of a resource, as the rules want them.
    pub(crate) fn case_of(&self, resource: &ResourceId, number: Option<u64>) -> Option<Case> {
        let (incarnation, body) = self.world.body(resource)?;
        let log = number.and_then(|number| self.live.logs.get(&number));
        Some(Case {
            alerts: self.state.firing(resource).map(|(name, _)| name).collect(),
            incarnation: incarnation.clone(),
            look: body.look.clone(),
            happenings: body.happenings.clone(),
            log: log.filter(|(of, _)| of == incarnation).map(|(_, excerpt)| excerpt.clone()),
            is_job: self.world.is_awaited_job(resource),
        })
    }

    /// The rules speak, and what follows is planned at once.
    fn conclude(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        // A foreground session that ends stops the others too: then this one is stopped as well (S2).
        if self.had_attached_session(&incident.resource) && self.sibling_was_stopped(incident) {
            let resource = incident.resource.clone();
            let because = "its foreground session ended, and stopped the others".to_owned();
            let by = model::intent::Author::SomebodyAtTheEngine;
            let intent = crate::intent::entry(Wanted::Stopped, by, because, None, self.now);
            self.emit(Event::IntentChanged { resource, intent });
            return;
        }
        let resource = incident.resource.clone();
        if self.judge_lost_end(&resource) {
            return;
        }
        if let Some(case) = self.case_of(&resource, Some(number)) {
            self.speak(number, case);
        }
        self.plan_and_ask(number);
    }

    fn sibling_was_stopped(&self, incident: &Incident) -> bool {
        let resource = &incident.resource;
        self.state.intents.iter().any(|(other, intent)| {
            other.host() == resource.host()
                && other.deployment() == resource.deployment()
                && intent.wanted == Wanted::Stopped
                && intent.at.tick >= incident.since.tick
        })
    }

    /// Writes down what the rules say of a case, if it is new.
    fn speak(&mut self, number: u64, case: Case) {
        let cites = self.add_evidence(number, &case);
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let diagnosis = diagnose(&case, cites);
        // The same cause of another end is written down too: after a restart of healer nothing else tells of that end.
        let same_end = incident.case.as_deref().is_some_and(|known| ended_at(known) == ended_at(&case));
        if incident.diagnosis.as_ref() != Some(&diagnosis) || !same_end {
            let id = incident.id.clone();
            self.emit(Event::Diagnosed { id, diagnosis, case: Box::new(case) });
        }
    }

    /// Writes down a case with what the rules say of it, though they may have said so before.
    pub(crate) fn write_down(&mut self, number: u64, case: Case) {
        let cites = self.add_evidence(number, &case);
        let Some(id) = self.state.incidents.get(&number).map(|incident| incident.id.clone()) else { return };
        let diagnosis = diagnose(&case, cites);
        self.emit(Event::Diagnosed { id, diagnosis, case: Box::new(case) });
    }

    /// Facts that arrive while the repair is under way make the diagnosis better; they never interrupt a step.
    fn refine_diagnosis(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Some(before) = &incident.diagnosis else { return };
        let Some(known) = &incident.case else { return };
        if incident.phase.is_over() {
            return;
        }
        let log = self.live.logs.get(&number).filter(|(of, _)| *of == known.incarnation).map(|(_, log)| log.clone());
        let look = self
            .world
            .body_of(&incident.resource, &known.incarnation)
            .and_then(|body| body.look_at_end.clone())
            .filter(|look| incident.source_at.is_none_or(|at| look.at >= at));
        // The end that our own stop brought about is not what was wrong.
        let look = look.filter(|_| exit_code(known).is_some());
        let fresh_log = log.is_some() && log != known.log;
        let fresh_look = look.is_some() && known.look.as_ref().is_none_or(|k| k.run != model::fact::Run::Exited);
        if !fresh_log && !fresh_look {
            return;
        }
        let case = Case {
            log: log.or(known.log.clone()),
            look: if fresh_look { look } else { known.look.clone() },
            ..(**known).clone()
        };
        // What was told on more is not untold by less.
        if diagnose(&case, Vec::new()).confidence >= before.confidence {
            self.speak(number, case);
        }
    }

    /// Adds what a case shows to the incident's evidence, and returns the numbers of all that bears on it.
    fn add_evidence(&mut self, number: u64, case: &Case) -> Vec<model::incident::EvidenceId> {
        let mut cites = Vec::new();
        for (source, text) in crate::tell::evidence_of(case, LOG_EVIDENCE_MAX) {
            let Some(incident) = self.state.incidents.get(&number) else { break };
            let known = incident.evidence.iter().find(|known| known.source == source && known.text == text);
            if let Some(known) = known {
                cites.push(known.id);
                continue;
            }
            let id = incident.next_evidence();
            let event = Event::EvidenceAdded {
                id: incident.id.clone(),
                evidence: Evidence { id, source: source.to_owned(), text },
            };
            cites.push(id);
            self.emit(event);
        }
        cites
    }

    /// Makes a plan, asks the guard, and does what it says.
    fn plan_and_ask(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
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
        let Some(plan) = plan::for_mend(diagnosis.mend, &incident.resource, definition, attempts_max) else {
            return self.without_plan(number, &diagnosis);
        };
        let (id, known) = (incident.id.clone(), incident.plan.as_ref() == Some(&plan));
        if !known {
            self.emit(Event::Planned { id, plan });
        }
        self.ask_guard(number);
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
        match self.guard(incident, &plan, step, Purpose::Mend) {
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

    fn hold(&mut self, number: u64, reason: Hold, until: Tick) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let id = incident.id.clone();
        self.emit(Event::Held { id, reason, until });
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
        self.live.freed = true;
        self.touch_dependents(&resource);
    }

    pub(crate) fn escalate(&mut self, number: u64, reason: Escalation) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let id = incident.id.clone();
        let until = self.after(REMINDER_EVERY);
        self.emit(Event::Escalated { id, reason, level: 0, until });
        self.live.freed = true;
        self.tell(number, Kind::Escalated);
    }

    fn next_level(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Phase::Escalated { reason, level, acknowledged, .. } = incident.phase.clone() else { return };
        let until = self.after(REMINDER_EVERY);
        self.emit(Event::Escalated { id: incident.id.clone(), reason, level: level + 1, until });
        if !acknowledged {
            self.tell(number, Kind::Escalated);
        }
    }

    /// A person's command ends a verification without a verdict; the person's act follows.
    fn give_way(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let because = "a person's command came in between".to_owned();
        let id = incident.id.clone();
        self.emit(Event::Verified { id, result: Verification::Inconclusive, because });
        self.live.freed = true;
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
            // It cannot be looked at, or is not ours to touch: the intent stands, and nothing is started.
            Verdict::Ask(_) | Verdict::Hold(_, _) | Verdict::Refuse(_) => {
                let because = self.intent_because(number);
                self.resolve(number, Outcome::StoppedByOwner, because);
            }
        }
    }
}
