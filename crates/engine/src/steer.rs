//! Drives each incident: finds the turns that happen to it, asks the table of `life` what follows, and does that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::action::Action;
use model::alert::{Alert, Name};
use model::event::Event;
use model::incident::{Escalation, Outcome, Phase};
use model::intent::Wanted;
use model::verdict::{Hold, Refusal, Verdict};
use model::{ResourceId, Tick};

use crate::Engine;
use crate::correlate::REOPENS_WITHIN;
use crate::deadlines::Deadlines;
use crate::incident::{Incident, is_failed_undo};
use crate::life::{self, IllegalTransition, Next, Turn};
use crate::settle::Health;

/// One incident is turned at most so often in one batch; more is a fault of the table.
const TURNS_MAX: usize = 16;
/// What the engine's own policy restarts in vain is left to it for this long, and then told to a person.
const LEFT_TO_THE_ENGINE: Duration = Duration::from_secs(600);

impl Engine {
    /// Decides everything that this batch, or the clock, gives reason to.
    pub(crate) fn decide(&mut self) {
        self.plan_recoveries();
        self.progress_persons_acts();
        let mut touched = std::mem::take(&mut self.touched);
        let mut all = std::mem::take(&mut self.live.all);
        let mut seen_to = BTreeSet::new();
        // What an incident lets go of, others may wait for: so until nothing is freed any more.
        for _ in 0..TURNS_MAX {
            let freed = std::mem::take(&mut self.live.freed);
            self.touch_those_that_wait(&mut touched);
            self.touch_those_that_share(&mut touched);
            self.touch_those_that_were_refused(&mut touched);
            for resource in &touched {
                self.compare_alerts(resource);
            }
            for resource in &touched {
                self.correlate(resource);
            }
            for (number, concerned) in self.reached(&touched, all) {
                self.advance(number, concerned);
            }
            if freed {
                self.wake_those_that_may_go_on();
            }
            self.progress_persons_acts();
            self.note_deadlines(&touched, all);
            all = false;
            seen_to.append(&mut touched);
            touched = std::mem::take(&mut self.touched);
            if !self.live.freed && touched.is_subset(&seen_to) {
                break;
            }
        }
        seen_to.append(&mut touched);
        self.touched = seen_to;
        self.end_recoveries();
        self.ask_about_long_stops();
        self.send_what_is_due();
    }

    /// Whoever shares the network of what was touched may have lost it.
    fn touch_those_that_share(&self, touched: &mut BTreeSet<ResourceId>) {
        let sharing: Vec<_> = touched.iter().flat_map(|of| self.world.network_children(of)).cloned().collect();
        touched.extend(sharing);
    }

    /// The open incidents that this round is about, in their order, and whether something has changed about them: else
    /// their deadline alone has passed.
    fn reached(&self, touched: &BTreeSet<ResourceId>, all: bool) -> BTreeMap<u64, bool> {
        if all {
            return self.state.open.iter().map(|number| (*number, true)).collect();
        }
        let mut reached: BTreeMap<u64, bool> =
            self.live.deadlines.passed(self.now.tick).map(|number| (number, false)).collect();
        let concerned = touched.iter().filter_map(|resource| self.state.open_incident(resource));
        reached.extend(concerned.map(|incident| (incident.id.number, true)));
        reached
    }

    /// Turns those that wait for what was let go of, the first one first, while there is something left for them.
    fn wake_those_that_may_go_on(&mut self) {
        let open: Vec<u64> = self.state.open.iter().copied().collect();
        for number in open {
            if self.state.incidents.get(&number).is_some_and(|incident| self.may_go_on(incident)) {
                self.advance(number, true);
            }
        }
    }

    /// Notes the deadlines of the incidents about which something has changed.
    fn note_deadlines(&mut self, touched: &BTreeSet<ResourceId>, all: bool) {
        if all {
            return self.note_all_deadlines();
        }
        let mut moved = std::mem::take(&mut self.live.deadlines.moved);
        moved.extend(touched.iter().filter_map(|resource| self.state.latest.get(resource)));
        for number in moved {
            self.note_deadline(number);
        }
    }

    pub(crate) fn note_all_deadlines(&mut self) {
        self.live.deadlines = Deadlines::default();
        let open: Vec<u64> = self.state.open.iter().copied().collect();
        for number in open {
            self.note_deadline(number);
        }
    }

    fn note_deadline(&mut self, number: u64) {
        let open = self.state.incidents.get(&number).filter(|incident| !incident.phase.is_over());
        let due = open.and_then(|incident| self.incident_deadline(incident));
        self.live.deadlines.note(number, due);
    }

    /// When something must happen to an incident by itself.
    fn incident_deadline(&self, incident: &Incident) -> Option<Tick> {
        let phase = incident.phase.deadline().filter(|_| !self.faults.deadline_forgotten || !incident.holds_leases());
        let well = incident.well_since.map(|since| since.after(self.stability_of(incident)));
        let waits =
            life::next(&incident.phase, Turn::LoopsOn) == Ok(Next::Stay) || self.to_take_back(incident).is_some();
        let loops = self.loops_until(incident).filter(|_| !waits);
        // A phase that holds what it does until it is settled does not end by itself when the symptom goes.
        let well = well.filter(|due| !incident.holds_leases() && (*due > self.now.tick || self.is_seen_well(incident)));
        [phase, well, loops, self.carries_due(incident), self.tell_due(incident)].into_iter().flatten().min()
    }

    /// How long a resource must be well before its incident is over. One that keeps coming back is told once, and not
    /// each time that it is well for a moment.
    fn stability_of(&self, incident: &Incident) -> Duration {
        match incident.phase {
            Phase::Escalated { reason: Escalation::KeepsComingBack, .. } => REOPENS_WITHIN,
            Phase::Escalated { .. }
            | Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Resolved { .. } => self.settings.budgets.stability(),
        }
    }

    /// Whether it is left to nobody any more that the engine restarts it again and again. What healer did that did not help is
    /// taken back before that is told.
    fn loops_on(&self, incident: &Incident) -> bool {
        self.loops_until(incident).is_some_and(|due| due <= self.now.tick) && self.to_take_back(incident).is_none()
    }

    /// Until when a service that the engine's own policy restarts again and again is left to it.
    fn loops_until(&self, incident: &Incident) -> Option<Tick> {
        let alert = Alert { name: Name::CrashLooping, resource: incident.resource.clone() };
        self.state.alerts.get(&alert).map(|firing| firing.since.tick.after(LEFT_TO_THE_ENGINE))
    }

    fn is_seen_well(&self, incident: &Incident) -> bool {
        self.health_of(&incident.resource) == Health::Well && !self.runs_against_its_owners_will(incident)
    }

    fn advance(&mut self, number: u64, concerned: bool) {
        self.live.deadlines.moved.insert(number);
        if concerned {
            self.ask_for_what_was_not_seen(number);
        }
        for _ in 0..TURNS_MAX {
            let before = self.state.seq;
            let Some(incident) = self.state.incidents.get(&number) else { return };
            let resource = incident.resource.clone();
            let (turn, next) = match self.turn_of(incident, concerned) {
                Ok(Some(turned)) => turned,
                Ok(None) => break,
                Err(illegal) => {
                    self.surprised_by(&illegal);
                    break;
                }
            };
            // What happened once turns an incident once.
            self.live.left_open.remove(&number);
            if turn == Turn::MoreSeen {
                self.live.more_seen.remove(&number);
            } else if turn == Turn::Afresh {
                self.live.afresh.remove(&resource);
            }
            self.follow(number, next);
            if self.state.seq == before {
                break;
            }
        }
        self.refine_diagnosis(number);
        self.wake_dependents(number);
        self.tell_if_due(number);
    }

    /// A turn that the table does not know is a fault of ours: it changes nothing, is counted, and is shown until this
    /// process ends.
    fn surprised_by(&mut self, illegal: &IllegalTransition) {
        debug_assert!(false, "{illegal}");
        self.live.illegal_turns += 1;
        let says =
            format!("{illegal}: this is a fault of healer, please report it ({} so far)", self.live.illegal_turns);
        self.live.warnings.insert("the life of an incident".to_owned(), says);
    }

    /// The first turn that happens to an incident at present, and that its phase answers with more than `Stay`.
    fn turn_of(&self, incident: &Incident, concerned: bool) -> Result<Option<(Turn, Next)>, IllegalTransition> {
        let (resource, number) = (&incident.resource, incident.id.number);
        let due = || incident.phase.deadline().is_some_and(|due| due <= self.now.tick);
        // The cheap questions first; the guard is asked last, and only where its answer matters.
        let levels: [(Turn, &dyn Fn() -> bool); 14] = [
            (Turn::OwnerStopped, &|| self.is_stopped_by_owner(incident)),
            (Turn::Gone, &|| self.is_gone(resource)),
            (Turn::Excluded, &|| concerned && self.is_excluded(incident)),
            (Turn::Afresh, &|| self.live.afresh.contains(resource)),
            (Turn::Wanted, &|| self.live.wanted.contains(resource) || self.a_person_waits_for(resource)),
            (Turn::StayedWell, &|| self.stayed_well(incident)),
            (Turn::LoopsOn, &|| self.loops_on(incident)),
            (Turn::CameBack, &|| self.verification_fails(incident)),
            (Turn::Due, &|| due() || self.is_settled_by_look(incident)),
            (Turn::ProcessStarted, &|| self.live.left_open.contains(&number)),
            (Turn::Due, &|| concerned && (self.pair_may_close(incident) || self.is_verified_at_once(incident))),
            (Turn::Due, &|| concerned && self.is_ready_to_diagnose(incident)),
            (Turn::Unhindered, &|| concerned && (self.hold_is_over(incident) || self.is_unhindered(incident))),
            (Turn::MoreSeen, &|| self.live.more_seen.contains(&number) || self.question_is_stale(incident)),
        ];
        for (turn, happens) in levels {
            match life::next(&incident.phase, turn) {
                Ok(Next::Stay) => {}
                Ok(next) if happens() => return Ok(Some((turn, next))),
                Err(illegal) if happens() => return Err(illegal),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether what a person was told of stood in its way, and does no longer.
    fn is_unhindered(&self, incident: &Incident) -> bool {
        self.is_served_again(incident) || self.has_its_port_again(incident)
    }

    fn is_stopped_by_owner(&self, incident: &Incident) -> bool {
        let wanted = self.state.intents.get(&incident.resource).map(|intent| intent.wanted);
        let noted = self.owner_stop_is_noted(incident) || self.runs_against_its_owners_will(incident);
        wanted == Some(Wanted::Stopped) && !noted && !self.faults.intent_not_asked
    }

    /// Its undo failed: it is the owner's to stop it, and until then nothing is over.
    fn runs_against_its_owners_will(&self, incident: &Incident) -> bool {
        let wanted = self.state.intents.get(&incident.resource).map(|intent| intent.wanted);
        matches!(&incident.phase, Phase::Escalated { reason, .. } if is_failed_undo(reason))
            && wanted == Some(Wanted::Stopped)
            && self.world.body(&incident.resource).is_none_or(|(_, body)| body.is_up())
    }

    fn is_gone(&self, resource: &ResourceId) -> bool {
        let listed = self.world.source(resource.source()).is_some_and(|source| source.listed);
        listed && self.world.body(resource).is_none()
    }

    /// Whether its owner took it out of healer's hands. What a step of ours took down is brought up again first.
    fn is_excluded(&self, incident: &Incident) -> bool {
        matches!(self.not_ours(&incident.resource), Some(Refusal::Excluded { .. })) && !self.pair_is_open(incident)
    }

    /// A planted fault: the first good look ends a verification.
    fn is_verified_at_once(&self, incident: &Incident) -> bool {
        let verifying = matches!(incident.phase, Phase::Verifying { .. });
        self.faults.verified_at_once && verifying && self.is_seen_well(incident)
    }

    fn stayed_well(&self, incident: &Incident) -> bool {
        let stability = self.stability_of(incident);
        incident.well_since.is_some_and(|since| since.after(stability) <= self.now.tick) && self.is_seen_well(incident)
    }

    /// Whether a person is asked about a body that was made anew since, or about a start of what somebody has started, and
    /// something else is wrong with.
    fn question_is_stale(&self, incident: &Incident) -> bool {
        let present = self.binding(&incident.resource);
        let another = present.is_some() && present != incident.asked_about;
        let first = incident.plan.as_ref().and_then(|plan| plan.steps.first());
        let starts = first.is_some_and(|step| step.action == Action::Start);
        let runs = starts && incident.well_since.is_none() && self.is_up(&incident.resource);
        matches!(incident.phase, Phase::AwaitingApproval { .. }) && (another || runs)
    }

    fn owner_stop_is_noted(&self, incident: &Incident) -> bool {
        match &incident.phase {
            Phase::Acting { owner_stopped, .. } => *owner_stopped || self.faults.owner_stop_forgotten,
            Phase::Verifying { .. } => self.faults.owner_stop_forgotten,
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::AwaitingApproval { .. }
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
        let Some(verdict) = self.awaited_verdict(incident) else {
            let unseen = *reason == Hold::NotSeen && !self.world.is_fresh(&incident.resource);
            let clearing = *reason == Hold::Clearing && incident.well_since.is_some();
            return !unseen && !clearing;
        };
        match verdict {
            Verdict::Hold(same @ Hold::MountMissing { .. }, _) => same != *reason,
            Verdict::Hold(same, _) => same.kind() != reason.kind(),
            Verdict::Allow(_) | Verdict::Ask(_) | Verdict::Refuse(_) => true,
        }
    }

    pub(crate) fn follow(&mut self, number: u64, next: Next) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        match next {
            Next::Stay | Next::Recorded => {}
            Next::Diagnose => self.begin_diagnosis(number, "it is looked at anew"),
            Next::AskAgain => self.ask_again(number),
            Next::EscalateLoop => self.escalate(number, Escalation::KeepsComingBack),
            Next::DiagnoseNow => self.conclude(number),
            Next::Plan => self.plan_and_ask(number),
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
            Next::ResolveExcluded => {
                self.resolve(number, Outcome::Excluded, "the configuration excludes it".to_owned());
            }
            Next::ResolveRecovered => {
                let outcome = if incident.person_acted { Outcome::MendedByPerson } else { Outcome::RecoveredAlone };
                self.resolve(number, outcome, "it stayed well for the stability window".to_owned());
            }
            Next::ResolveMerged => self.merge_into_parent(number),
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
            Next::Reopen => self.come_back(number),
        }
    }

    pub(crate) fn intent_because(&self, number: u64) -> String {
        let resource = self.state.incidents.get(&number).map(|incident| &incident.resource);
        resource.and_then(|resource| self.state.intents.get(resource)).map(|i| i.because.clone()).unwrap_or_default()
    }
}
