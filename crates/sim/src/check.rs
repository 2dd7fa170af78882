//! Safety, after every step: what must never be seen, recounted from the journal and from the world's own truth, never
//! from the engine's bookkeeping.

mod answers;
mod permits;
mod recoveries;
mod updates;

use std::collections::{BTreeMap, BTreeSet};

use engine::State;
use model::ResourceId;
use model::action::{Action, Answer, Behalf, Pair, Permit, PermitId};
use model::command::{Ask, CommandId};
use model::event::{Entry, Event};
use model::fact::Incarnation;
use model::incident::{Escalation, Outcome, Phase, Verification};
use model::intent::Wanted;
use model::message::{About, Kind, MessageId};

use crate::docker::Key;
use crate::truth::{Token, Told, Word};
use crate::world::World;

/// Two words so close to each other may reach healer in either order.
const CROSSED_MS: u64 = 3_000;
/// So often an incident may be diagnosed anew in one batch.
const TURNS_MAX: u32 = 4;
/// A phase may be late by this much, since a process may be dead or a store slow.
const LATE_MS: u64 = 60_000;

/// What the journal says, counted anew.
#[derive(Default)]
pub(crate) struct Check {
    pub(crate) broken: Option<(u64, &'static str, String)>,
    seen: usize,
    pub(crate) shadow: State,
    permits: BTreeMap<PermitId, Given>,
    /// The incidents that were touched since the live state was compared.
    touched: BTreeSet<u64>,
    attempts: BTreeMap<ResourceId, Vec<u64>>,
    /// When each reason last gave a fresh budget, and how often it had come about by then.
    refreshed: BTreeMap<(ResourceId, &'static str), (u64, u32)>,
    actions: Vec<(u64, ResourceId)>,
    verdicts: BTreeMap<ResourceId, u64>,
    /// What remediations under way have taken hold of.
    holds: BTreeMap<u64, BTreeSet<ResourceId>>,
    verifying: BTreeMap<u64, u64>,
    /// The incidents of which a step took something down that another has still to bring up.
    pairs_open: BTreeSet<u64>,
    /// What a person's command had taken down when the configuration came to exclude it: they were told.
    pub(crate) left_down: BTreeSet<ResourceId>,
    /// What persons said yes to and was not begun yet, by incident.
    leaves: BTreeMap<u64, answers::Leave>,
    pub(crate) threads: BTreeMap<u64, Thread>,
    pub(crate) frozen: bool,
    /// What persons spoke of to healer.
    spoken_of: BTreeSet<ResourceId>,
    /// What each process was told of each container.
    pub(crate) told: BTreeMap<(u32, Key), Told>,
    /// The processes that were told that the host's mount is missing.
    pub(crate) lacks_mount: BTreeSet<u32>,
    phases: BTreeMap<u64, &'static str>,
    pub(crate) received: BTreeSet<MessageId>,
    pub(crate) written: BTreeSet<MessageId>,
    pub(crate) given_up: BTreeSet<MessageId>,
    /// When a deployment was last excluded.
    pub(crate) excluded_at: Option<u64>,
    pub(crate) unanswered: BTreeMap<CommandId, (u32, u64)>,
    recoveries: recoveries::Recoveries,
}

/// A permit, as the journal tells of it.
pub(crate) struct Given {
    pub(crate) permit: Permit,
    handed: bool,
    used: bool,
    answer: Option<Answer>,
    /// When a look settled it.
    settled: Option<u64>,
}

impl Given {
    fn was_cut_short(&self) -> bool {
        self.permit.step.action == Action::Recreate && matches!(self.answer, Some(Answer::Unknown(_)))
    }

    /// When it is done at the latest: sent at the end of its time, a stop takes its patience more.
    fn done_by(&self) -> u64 {
        self.permit.given.tick.0 + 2 * self.permit.step.timeout_ms
    }
}

/// An order that a look did not show may still be carried out within this time.
const STARTS_LATE_MS: u64 = 5_000;

/// Whether it starts something, or healer by itself takes something down in order to start it. A stop on a person's word is
/// never against one.
fn ends_in_start(permit: &Permit) -> bool {
    let ours = matches!(permit.behalf, Behalf::Incident(_));
    matches!(permit.step.action, Action::Start | Action::Recreate) || (ours && permit.step.pair == Pair::Opens)
}

/// What was told of one incident.
#[derive(Default)]
pub(crate) struct Thread {
    pub(crate) resource: Option<ResourceId>,
    queued: u32,
    /// Escalations that nobody had acknowledged, and messages that tell of one.
    pub(crate) escalations: u32,
    pub(crate) escalation_messages: u32,
    /// Reasons for a message.
    reasons: u32,
    pub(crate) last: Option<Kind>,
}

impl Check {
    fn breaks(&mut self, now: u64, rule: &'static str, says: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some((now, rule, says()));
        }
    }

    /// A process took these in.
    pub(crate) fn learn(&mut self, pid: u32, tokens: &[Token]) {
        for token in tokens {
            let key = match token {
                Token::None => continue,
                Token::Mount { missing: true } => {
                    self.lacks_mount.insert(pid);
                    continue;
                }
                Token::Mount { missing: false } => {
                    self.lacks_mount.remove(&pid);
                    continue;
                }
                Token::Signal { key, .. }
                | Token::Stopped { key, .. }
                | Token::Died { key, .. }
                | Token::ApiOpen { key, .. }
                | Token::Look { key, .. } => *key,
            };
            self.told.entry((pid, key)).or_default().take(*token);
        }
    }

    /// A process is no more.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.told.retain(|(of, _), _| *of != pid);
        self.lacks_mount.remove(&pid);
        self.unanswered.retain(|_, (of, _)| *of != pid);
    }

    /// How many stops of healer's may explain what befell a body at this time.
    pub(crate) fn stops_that_explain(&self, incarnation: &Incarnation, at: u64) -> usize {
        let ours = |given: &&Given| {
            given.permit.incarnation == *incarnation
                && matches!(given.permit.step.action, Action::Stop | Action::Recreate)
                && !matches!(given.answer, Some(Answer::AlreadySo | Answer::Withheld(_)))
                && given.settled.is_none_or(|settled| settled >= at)
        };
        self.permits.values().rev().take(200).filter(ours).count()
    }

    /// Whether healer stopped a body about this time, and does not know whether that found it down already: of two stops
    /// that came together one signal is seen, and nobody can tell whose it was.
    pub(crate) fn a_stop_is_unanswered(&self, incarnation: &Incarnation, at: u64) -> bool {
        self.permits.values().any(|given| {
            given.permit.incarnation == *incarnation
                && matches!(given.permit.step.action, Action::Stop | Action::Recreate)
                && given.used
                && matches!(given.answer, Some(Answer::Unknown(_) | Answer::Failed(_)))
                && given.permit.given.tick.0 <= at
                && given.settled.is_none_or(|settled| settled >= at)
        })
    }

    pub(crate) fn compare_quickly(&mut self, live: &State, now: u64) {
        let shadow = &self.shadow;
        let same = live.seq == shadow.seq
            && live.epoch == shadow.epoch
            && live.last_permit == shadow.last_permit
            && live.open == shadow.open
            && live.frozen == shadow.frozen
            && live.acts == shadow.acts
            && live.spending == shadow.spending
            && live.intents.len() == shadow.intents.len()
            && live.outbox.len() == shadow.outbox.len()
            && live.queue == shadow.queue
            && self.touched.iter().all(|number| live.incidents.get(number) == shadow.incidents.get(number));
        self.touched.clear();
        let (ours, theirs) = (shadow.seq, live.seq);
        if !same {
            self.breaks(now, "the fold of the journal is the live state", || {
                format!("they differ at entry {theirs} (journal: {ours})")
            });
        }
    }

    pub(crate) fn compare_whole(&mut self, live: &State, now: u64, what: &str) {
        // A process that has not yet written anything bears its own epoch.
        let epoch = std::mem::replace(&mut self.shadow.epoch, live.epoch);
        let same = self.shadow == *live;
        self.shadow.epoch = epoch;
        if !same {
            let seq = live.seq;
            self.breaks(now, "the fold of the journal is the live state", || format!("{what} differs at entry {seq}"));
        }
    }

    /// What a permit allowed.
    /// In which epoch a permit was given.
    pub(crate) fn epoch_of(&self, permit: PermitId) -> Option<u64> {
        self.permits.get(&permit).map(|given| given.permit.epoch)
    }

    pub(crate) fn step_of(&self, permit: PermitId) -> Option<(Action, Pair)> {
        self.permits.get(&permit).map(|given| (given.permit.step.action, given.permit.step.pair))
    }

    fn under_way(&self) -> impl Iterator<Item = &Given> {
        self.perhaps_under_way(u64::MAX)
    }

    /// The steps that are not settled, or were so lately that they may be carried out all the same; and what was to be made
    /// anew and nobody answered for, for as long as that may take.
    pub(crate) fn perhaps_under_way(&self, now: u64) -> impl Iterator<Item = &Given> {
        let open = move |given: &&Given| {
            let lately = given.settled.is_none_or(|at| at.saturating_add(STARTS_LATE_MS) > now);
            lately || (given.was_cut_short() && given.done_by() > now)
        };
        self.permits.values().rev().take(200).filter(open)
    }

    /// A plan of which nothing was begun is no attempt.
    fn take_back(&mut self, resource: &ResourceId, at: u64, of_groups: bool) {
        self.attempts.entry(resource.clone()).or_default().retain(|then| *then != at);
        if !of_groups {
            return;
        }
        self.actions.retain(|(then, of)| *then != at || of != resource);
    }

    fn attempts_within(&self, resource: &ResourceId, window_ms: u64, now: u64) -> u32 {
        let made = self.attempts.get(resource).map_or(&[][..], Vec::as_slice);
        u32::try_from(made.iter().filter(|then| now - **then < window_ms).count()).unwrap_or(u32::MAX)
    }
}

impl World<'_> {
    /// Folds what was committed since, and checks each entry.
    pub(crate) fn check_entries(&mut self, pid: u32) {
        let new: Vec<Entry> = self.disk.borrow().entries.get(self.check.seen..).unwrap_or_default().to_vec();
        self.check.seen += new.len();
        for entry in &new {
            self.check_entry(pid, entry);
            self.check.shadow.apply(entry);
            if let Some(id) = entry.event.incident() {
                let number = id.number;
                self.check.touched.insert(number);
                self.note_phase(number);
            }
        }
        self.check_told_once(&new);
        self.check_circles(&new);
    }

    /// What one batch brings is looked at anew once or twice, and not round and round.
    fn check_circles(&mut self, new: &[Entry]) {
        let mut turns: BTreeMap<u64, u32> = BTreeMap::new();
        for entry in new {
            if let Event::DiagnosisBegan { id, .. } = &entry.event {
                *turns.entry(id.number).or_default() += 1;
            }
        }
        if let Some((number, times)) = turns.into_iter().find(|(_, times)| *times > TURNS_MAX) {
            let says = format!("incident {number} is diagnosed {times} times in one batch");
            self.broken("no incident goes round in circles", says);
        }
    }

    fn note_phase(&mut self, number: u64) {
        let Some(incident) = self.check.shadow.incidents.get(&number) else { return };
        let name = incident.phase.name();
        if self.check.phases.insert(number, name) != Some(name) {
            self.counts.hit("phase", name);
        }
    }

    fn check_entry(&mut self, pid: u32, entry: &Entry) {
        let now = entry.at.tick.0;
        self.trace(|| {
            let text = format!("{:?}", entry.event);
            format!("journal {}: {}", entry.seq, text.chars().take(260).collect::<String>())
        });
        self.check_name(&entry.event);
        match &entry.event {
            Event::ActionStarted { permit, step, .. } => self.check_permit(pid, permit, *step, now),
            Event::ActionAnswered { permit, answer, .. } => {
                let late = matches!(answer, Answer::AlreadySo | Answer::Withheld(_));
                let waits = |given: &&mut Given| match given.answer {
                    None => true,
                    // What is settled is settled.
                    Some(Answer::Unknown(_)) => late && given.settled.is_none(),
                    Some(Answer::Done | Answer::AlreadySo | Answer::Withheld(_) | Answer::Failed(_)) => false,
                };
                if let Some(given) = self.check.permits.get_mut(permit).filter(waits) {
                    given.answer = Some(answer.clone());
                    let (of, at) = (given.permit.step.resource.clone(), given.permit.given.tick.0);
                    let counted = matches!(given.permit.behalf, Behalf::Incident(_)) && !given.permit.unhindered;
                    if matches!(answer, Answer::Withheld(_)) {
                        let outside = self.first_start_withheld(*permit);
                        if counted {
                            self.check.take_back(&of, at, !outside);
                        }
                    }
                }
            }
            Event::ActionSettled { permit, reached, .. } => {
                if let Some(given) = self.check.permits.get_mut(permit) {
                    given.settled = Some(now);
                    if let Behalf::Incident(id) = &given.permit.behalf {
                        let begun = !matches!(given.answer, Some(Answer::Withheld(_)));
                        if *reached && begun && given.permit.step.pair == Pair::Opens {
                            self.check.pairs_open.insert(id.number);
                        }
                        // What the step disturbed is let go: it may need a repair of its own to be well again.
                        let resource = begun.then(|| given.permit.step.resource.clone());
                        self.check.holds.insert(id.number, resource.into_iter().collect());
                    }
                    if given.answer.is_none() {
                        let says = format!("permit {} was settled before its answer or deadline", permit.0);
                        self.broken("a step is settled only by a look taken after its answer", says);
                    }
                }
            }
            Event::RecoveryBegan { start, exempt, .. } => self.recovery_began(start, *exempt, now),
            Event::RecoveryPlanned { down, back, .. } => self.recovery_planned(down, back),
            Event::RecoveryEnded { outcome, .. } => self.recovery_ended(outcome, now),
            Event::BudgetRefreshed { resource, because } => self.check_refresh(resource, because, now),
            Event::Held { id, reason, .. } => {
                // What is interrupted holds nothing.
                self.check.holds.remove(&id.number);
                self.counts.hit("hold", reason.kind());
            }
            Event::ApprovalAsked { id, .. } => {
                self.thread(id.number).reasons += 1;
                let svc = self.check.shadow.incidents.get(&id.number).map(|i| i.resource.clone());
                let svc = svc.and_then(|resource| self.svc_of(&resource));
                self.asked(id, svc);
            }
            Event::ApprovalAnswered { id, approved: true, .. } => {
                self.leave_is_given(id.number);
            }
            Event::VerificationBegan { id, .. } => {
                self.check.verifying.insert(id.number, now);
            }
            Event::Verified { id, result, because } => {
                let failed = *result == Verification::Failed && self.is_verdict_on_a_roll_back(id.number);
                self.thread(id.number).reasons += u32::from(failed || because.contains(answers::HOW));
                self.check_verified(id.number, *result, now);
            }
            Event::DiagnosisBegan { id, .. } => {
                self.check.holds.remove(&id.number);
            }
            Event::Escalated { id, reason, level, .. } => {
                self.check.holds.remove(&id.number);
                self.count_escalation(reason);
                let acknowledged = self
                    .check
                    .shadow
                    .incidents
                    .get(&id.number)
                    .is_some_and(|i| matches!(i.phase, Phase::Escalated { acknowledged: true, .. }));
                let thread = self.thread(id.number);
                if *level == 0 || !acknowledged {
                    thread.escalations += 1;
                    thread.reasons += 1;
                }
            }
            Event::IncidentOpened { id, resource, .. } => {
                let thread = self.thread(id.number);
                thread.resource = Some(resource.clone());
                thread.reasons += 2;
                if self.svc_of(resource).is_some_and(|svc| svc >= 6 && !self.is_adopted(resource)) {
                    let says = format!("an incident of {resource}");
                    self.broken("only what is healer's to care for is cared for", says);
                }
            }
            Event::IncidentReopened { id, .. } => self.thread(id.number).reasons += 2,
            Event::IncidentResolved { id, outcome, .. } => {
                self.check.holds.remove(&id.number);
                self.check.pairs_open.remove(&id.number);
                self.count_outcome(outcome);
            }
            Event::MessageQueued { message, channels } => {
                self.name_is_told(message, channels.is_empty());
                // What nobody is sent is in the journal alone.
                if channels.is_empty() {
                    return;
                }
                self.check.written.insert(message.id);
                let kind = message.kind;
                let About::Incident { incident, resource } = &message.about else { return };
                let phase = self.check.shadow.incidents.get(&incident.number).map(|incident| &incident.phase);
                let asks = matches!(phase, Some(Phase::AwaitingApproval { .. }));
                let opened = matches!(
                    self.check.threads.get(&incident.number).and_then(|thread| thread.last),
                    Some(Kind::Opened | Kind::Updated | Kind::Escalated)
                );
                if self.recovery_will_tell_of(resource) && !asks && !opened {
                    let says = format!("message {} of {incident}", message.id.0);
                    self.broken("what a recovery tells is not told beside it", says);
                }
                let thread = self.thread(incident.number);
                thread.queued += 1;
                thread.last = Some(kind);
                let told = thread.escalation_messages + u32::from(kind == Kind::Escalated);
                thread.escalation_messages = told.min(thread.escalations);
                if thread.queued > thread.reasons {
                    let (queued, reasons) = (thread.queued, thread.reasons);
                    let says = format!("incident {}: {queued} messages for {reasons} reasons", incident);
                    self.broken("an incident is told no more often than there is reason to", says);
                }
            }
            Event::MessageDelayed { .. } => self.counts.hit("message", "delayed"),
            Event::MessageGivenUp { id, .. } => {
                self.check.given_up.insert(*id);
                self.counts.hit("message", "given up");
            }
            Event::CommandTaken { ask, .. } => self.taken(ask, now),
            Event::MadeOf { resource, by: Some(_), .. } => self.update_is_seen(resource),
            Event::ImageFetched { id, resource, result } => self.fetch_is_noted(id, resource, result),
            Event::CommandDequeued { resource, .. } => {
                let settings = self.leader().map(|healer| healer.turning.engine().settings().clone());
                let made_of = self.svc_of(resource).and_then(|svc| self.docker.body(svc));
                let made_of = made_of.map(|key| self.docker.containers[key].def.clone());
                if let (Some(settings), Some(made_of)) = (settings, made_of)
                    && settings.excluded_by(resource, &made_of).is_some()
                {
                    self.check.left_down.insert(resource.clone());
                }
            }
            Event::Started { .. }
            | Event::Ended
            | Event::ClockJumped { .. }
            | Event::SourceChanged { .. }
            | Event::IntentChanged { .. }
            | Event::StopBegan { .. }
            | Event::RevivedByAnother { .. }
            | Event::BodyMade { .. }
            | Event::EndedUnasked { .. }
            | Event::AlertChanged(_)
            | Event::AlertJoined { .. }
            | Event::EvidenceAdded { .. }
            | Event::Diagnosed { .. }
            | Event::Planned { .. }
            | Event::ApprovalAnswered { .. }
            | Event::ApprovalWithdrawn { .. }
            | Event::LookRepeated { .. }
            | Event::VerificationExtended { .. }
            | Event::RollbackBegan { .. }
            | Event::RollbackExtended { .. }
            | Event::OwnerStopNoted { .. }
            | Event::PersonActed { .. }
            | Event::Acknowledged { .. }
            | Event::CommandQueued { .. }
            | Event::MadeOf { .. }
            | Event::BodyStarted { .. }
            | Event::BringUpOrdered { .. }
            | Event::BringUpCalledOff { .. }
            | Event::BroughtUp { .. }
            | Event::UpdateOrdered { .. }
            | Event::Frozen { .. }
            | Event::Thawed { .. }
            | Event::MessageDelivered { .. }
            | Event::ResourceGone { .. } => {}
        }
    }

    fn thread(&mut self, number: u64) -> &mut Thread {
        self.check.threads.entry(number).or_default()
    }

    /// Whether a person ever said to healer what shall be of it: that outlasts what is done at the engine.
    fn is_adopted(&self, resource: &ResourceId) -> bool {
        self.check.spoken_of.contains(resource)
    }

    /// A person's word is the truth from its commit on.
    fn taken(&mut self, ask: &Ask, now: u64) {
        let (words, word) = match ask {
            Ask::Freeze { .. } => return self.check.frozen = true,
            Ask::Thaw => return self.check.frozen = false,
            Ask::Stop(words) => (words, Word::StoppedByCommand),
            Ask::Start(words) | Ask::Restart(words) | Ask::RestartAll(words) => (words, Word::Running),
            Ask::Adopt(words) => {
                let Some(svc) = self.services.iter().position(|s| s.resource.answers_to(words)) else { return };
                let up = self.docker.body(svc).is_some_and(|key| self.docker.containers[key].is_up());
                (words, if up { Word::Running } else { Word::Unclear })
            }
            // An update says nothing of whether it shall run.
            Ask::Pull(_) | Ask::Rebuild(_) => return,
            Ask::Answer { question, .. } => return self.check_answer(question, now),
            Ask::Approve(_) | Ask::Reject { .. } | Ask::Acknowledge(_) => return,
        };
        let Some(svc) = self.services.iter().position(|s| s.resource.answers_to(words)) else { return };
        self.check.spoken_of.insert(self.services[svc].resource.clone());
        // A `start` at the engine that healer has not heard of yet will seem to be the later word.
        let truth = self.services[svc].truth;
        let started = truth.started_at + CROSSED_MS > self.now && word == Word::StoppedByCommand;
        // Nor is it known which was the later of a stop there and a command to start it.
        let stopped_there = matches!(truth.word, Word::StoppedAtEngine { .. });
        let stopped = truth.since + CROSSED_MS > self.now && word == Word::Running && stopped_there;
        self.truth_is(svc, if started || stopped { Word::Unclear } else { word });
    }

    fn check_verified(&mut self, number: u64, result: Verification, now: u64) {
        self.check.holds.remove(&number);
        let resource = self.check.shadow.incidents.get(&number).map(|incident| incident.resource.clone());
        if let Some(resource) = resource {
            let wanted = self.check.shadow.intents.get(&resource).map(|intent| intent.wanted);
            if result == Verification::Held && wanted == Some(Wanted::Stopped) {
                let says = format!("incident {number}: {resource} runs, and its owner wants it stopped");
                self.broken("what runs against its owner's will is not called mended", says);
            }
            self.check.verdicts.insert(resource, now);
        }
        let open = self.check.pairs_open.remove(&number);
        if open && result != Verification::Inconclusive {
            let says = format!("incident {number} has its verdict, and what its step took down was not brought up");
            self.broken("a pair is closed before its verdict", says);
        }
        let stability = self.leader().map(|healer| healer.turning.engine().settings().budgets.stability_ms);
        let began = self.check.verifying.remove(&number);
        if let (Verification::Held, Some(began), Some(stability)) = (result, began, stability)
            && now < began + stability
        {
            let says = format!("incident {number} was verified after {} ms", now - began);
            self.broken("a repair holds for the stability window before it is called one", says);
        }
    }

    // ---- telling

    /// Each escalation is told once, in the batch in which it was decided.
    fn check_told_once(&mut self, new: &[Entry]) {
        for entry in new {
            let Event::Escalated { id, .. } = &entry.event else { continue };
            let of = self.check.shadow.incidents.get(&id.number).map(|incident| incident.resource.clone());
            if of.is_some_and(|resource| self.recovery_will_tell_of(&resource)) {
                continue;
            }
            let thread = self.thread(id.number);
            if thread.escalations != thread.escalation_messages {
                let (escalations, told) = (thread.escalations, thread.escalation_messages);
                let says = format!("incident {id}: {escalations} escalations, told {told} times");
                self.broken("an escalation is told once per level", says);
            }
        }
    }

    fn count_escalation(&mut self, reason: &Escalation) {
        let name = match reason {
            Escalation::CannotTell => "cannot_tell",
            Escalation::NoActionMends => "no_action_mends",
            Escalation::Refused(_) => "refused",
            Escalation::ApprovalExpired => "approval_expired",
            Escalation::Rejected { .. } => "rejected",
            Escalation::Inconclusive => "inconclusive",
            Escalation::UndoUnknown => "undo_unknown",
            Escalation::UndoFailed => "undo_failed",
            Escalation::KeepsComingBack => "keeps_coming_back",
        };
        self.counts.hit("escalation", name);
    }

    fn count_outcome(&mut self, outcome: &Outcome) {
        self.counts.hit(
            "outcome",
            match outcome {
                Outcome::Healed => "healed",
                Outcome::RecoveredAlone => "recovered_alone",
                Outcome::MendedByPerson => "mended_by_person",
                Outcome::StoppedByOwner => "stopped_by_owner",
                Outcome::FalseAlarm => "false_alarm",
                Outcome::Gone => "gone",
                Outcome::Excluded => "excluded",
                Outcome::MergedInto(_) => "merged_into",
            },
        );
    }

    // ---- phases

    /// No incident stays in a phase past its deadline while there is a healer that could do something about it.
    pub(crate) fn check_phases(&mut self) {
        let now = self.now;
        let Some(healer) = self.leader() else { return };
        if healer.deposed || healer.process.borrow().full > 0 || healer.began + LATE_MS > now {
            return;
        }
        let stuck = self.check.shadow.open_incidents().find_map(|incident| {
            let due = incident.phase.deadline()?;
            (due.0 + LATE_MS < now).then(|| (incident.id.clone(), incident.phase.name(), due.0))
        });
        if let Some((id, phase, due)) = stuck {
            let says = format!("{id} has been {phase} since its deadline {} s ago", (now - due) / 1_000);
            self.broken("no incident stays in a phase past its deadline", says);
        }
    }
}
