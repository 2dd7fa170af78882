//! Safety, after every step: what must never be seen, recounted from the journal and from the world's own truth, never
//! from the engine's bookkeeping.

use std::collections::{BTreeMap, BTreeSet};

use engine::State;
use model::action::{Action, Answer, Behalf, Pair, Permit, PermitId};
use model::command::{Ask, CommandId};
use model::event::{Entry, Event, Refresh};
use model::fact::Incarnation;
use model::incident::{Escalation, Outcome, Phase, Verification};
use model::input::Effect;
use model::message::{Kind, MessageId};
use model::settings::Mode;
use model::verdict::{Limit, Refusal};
use model::{ResourceId, Tick};

use crate::docker::Key;
use crate::truth::{Token, Told, Word};
use crate::world::World;

/// The least waits before the second, third … attempt; the last repeats.
const WAITS_MS: [u64; 4] = [10_000, 40_000, 160_000, 300_000];
/// Two words so close to each other may reach healer in either order.
const CROSSED_MS: u64 = 3_000;
/// Somebody else's start gives a fresh budget at most this often.
const FOREIGN_REFRESH_MS: u64 = 30 * 60_000;
/// What has been well for so long, and was watched all the time, needs no repair.
const WELL_MS: u64 = 45_000;
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
    refreshed: BTreeMap<ResourceId, (u64, u32, u32)>,
    actions: Vec<(u64, ResourceId)>,
    verdicts: BTreeMap<ResourceId, u64>,
    /// What remediations under way have taken hold of.
    holds: BTreeMap<u64, BTreeSet<ResourceId>>,
    verifying: BTreeMap<u64, u64>,
    /// The incidents of which a step took something down that another has still to bring up.
    pairs_open: BTreeSet<u64>,
    approvals: BTreeMap<u64, u32>,
    pub(crate) threads: BTreeMap<u64, Thread>,
    pub(crate) frozen: bool,
    /// What persons spoke of to healer.
    spoken_of: BTreeSet<ResourceId>,
    /// What each process was told of each container.
    pub(crate) told: BTreeMap<(u32, Key), Told>,
    phases: BTreeMap<u64, &'static str>,
    pub(crate) received: BTreeSet<MessageId>,
    pub(crate) written: BTreeSet<MessageId>,
    pub(crate) given_up: BTreeSet<MessageId>,
    pub(crate) unanswered: BTreeMap<CommandId, (u32, u64)>,
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

/// An order that a look did not show may still be carried out within this time.
const STARTS_LATE_MS: u64 = 5_000;

/// Whether it starts something, or healer by itself takes something down in order to start it. A stop on a person's word is
/// never against one.
fn ends_in_start(permit: &Permit) -> bool {
    let ours = matches!(permit.behalf, Behalf::Incident(_));
    permit.step.action == Action::Start || (ours && permit.step.pair == Pair::Opens)
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
        self.unanswered.retain(|_, (of, _)| *of != pid);
    }

    /// How many stops of healer's may explain what befell a body at this time.
    pub(crate) fn stops_that_explain(&self, incarnation: &Incarnation, at: u64) -> usize {
        let ours = |given: &&Given| {
            given.permit.incarnation == *incarnation
                && given.permit.step.action == Action::Stop
                && !matches!(given.answer, Some(Answer::AlreadySo | Answer::Withheld(_)))
                && given.settled.is_none_or(|settled| settled >= at)
        };
        self.permits.values().rev().take(200).filter(ours).count()
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
    pub(crate) fn step_of(&self, permit: PermitId) -> Option<(Action, Pair)> {
        self.permits.get(&permit).map(|given| (given.permit.step.action, given.permit.step.pair))
    }

    fn under_way(&self) -> impl Iterator<Item = &Given> {
        self.perhaps_under_way(u64::MAX)
    }

    /// The steps that are not settled, or were so lately that they may be carried out all the same.
    pub(crate) fn perhaps_under_way(&self, now: u64) -> impl Iterator<Item = &Given> {
        let open = move |given: &&Given| given.settled.is_none_or(|at| at.saturating_add(STARTS_LATE_MS) > now);
        self.permits.values().rev().take(200).filter(open)
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
        match &entry.event {
            Event::ActionStarted { permit, step, .. } => self.check_permit(pid, permit, *step, now),
            Event::ActionAnswered { permit, answer, .. } => {
                if let Some(given) = self.check.permits.get_mut(permit).filter(|given| given.answer.is_none()) {
                    given.answer = Some(answer.clone());
                }
            }
            Event::ActionSettled { permit, reached, .. } => {
                if let Some(given) = self.check.permits.get_mut(permit) {
                    given.settled = Some(now);
                    if let Behalf::Incident(id) = &given.permit.behalf {
                        if *reached && given.permit.step.pair == Pair::Opens {
                            self.check.pairs_open.insert(id.number);
                        }
                        // What the step disturbed is let go: it may need a repair of its own to be well again.
                        let resource = given.permit.step.resource.clone();
                        self.check.holds.insert(id.number, [resource].into());
                    }
                    if given.answer.is_none() {
                        let says = format!("permit {} was settled before its answer or deadline", permit.0);
                        self.broken("a step is settled only by a look taken after its answer", says);
                    }
                }
            }
            Event::BudgetRefreshed { resource, because } => self.check_refresh(resource, because, now),
            Event::Held { reason, .. } => self.counts.hit("hold", reason.kind()),
            Event::ApprovalAsked { id, .. } => {
                self.thread(id.number).reasons += 1;
                let svc = self.check.shadow.incidents.get(&id.number).map(|i| i.resource.clone());
                let svc = svc.and_then(|resource| self.svc_of(&resource));
                self.asked(id, svc);
            }
            Event::ApprovalAnswered { id, approved: true, .. } => {
                *self.check.approvals.entry(id.number).or_default() += 1;
            }
            Event::VerificationBegan { id, .. } => {
                self.check.verifying.insert(id.number, now);
            }
            Event::Verified { id, result, .. } => self.check_verified(id.number, *result, now),
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
            Event::MessageQueued { message, .. } => {
                self.check.written.insert(message.id);
                let kind = message.kind;
                let thread = self.thread(message.incident.number);
                thread.queued += 1;
                thread.last = Some(kind);
                thread.escalation_messages += u32::from(kind == Kind::Escalated);
                if thread.queued > thread.reasons {
                    let (queued, reasons) = (thread.queued, thread.reasons);
                    let says = format!("incident {}: {queued} messages for {reasons} reasons", message.incident);
                    self.broken("an incident is told no more often than there is reason to", says);
                }
            }
            Event::MessageDelayed { .. } => self.counts.hit("message", "delayed"),
            Event::MessageGivenUp { id, .. } => {
                self.check.given_up.insert(*id);
                self.counts.hit("message", "given up");
            }
            Event::CommandTaken { ask, .. } => self.taken(ask),
            Event::Started { .. }
            | Event::Ended
            | Event::ClockJumped { .. }
            | Event::SourceChanged { .. }
            | Event::IntentChanged { .. }
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
            | Event::CommandDequeued { .. }
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
    fn taken(&mut self, ask: &Ask) {
        let (words, word) = match ask {
            Ask::Freeze { .. } => return self.check.frozen = true,
            Ask::Thaw => return self.check.frozen = false,
            Ask::Stop(words) => (words, Word::StoppedByCommand),
            Ask::Start(words) | Ask::Restart(words) => (words, Word::Running),
            Ask::Adopt(words) => {
                let Some(svc) = self.services.iter().position(|s| s.resource.answers_to(words)) else { return };
                let up = self.docker.body(svc).is_some_and(|key| self.docker.containers[key].is_up());
                (words, if up { Word::Running } else { Word::Unclear })
            }
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

    // ---- permits

    fn check_permit(&mut self, pid: u32, permit: &Permit, step: usize, now: u64) {
        if self.check.permits.contains_key(&permit.id) {
            self.broken("a permit has a number of its own", format!("permit {} was given twice", permit.id.0));
        }
        let resource = &permit.step.resource;
        if let (Behalf::Incident(id), Pair::Closes) = (&permit.behalf, permit.step.pair) {
            self.check.pairs_open.remove(&id.number);
        }
        let ours = matches!(permit.behalf, Behalf::Incident(_));
        let ends_in_start = ends_in_start(permit);
        if let Some(svc) = self.svc_of(resource) {
            if ends_in_start && self.must_know_stopped(pid, svc) {
                let says = format!("permit {} to {} {resource}", permit.id.0, permit.step.action);
                self.broken("PERMIT: nothing is started that was stopped on purpose", says);
            }
            self.check_permit_fits(svc, permit, now);
        }
        let same = self.check.under_way().find(|given| given.permit.step.resource == *resource).map(|g| g.permit.id);
        if let Some(other) = same {
            let says = format!("permit {} for {resource} while {} is under way", permit.id.0, other.0);
            self.broken("one remediation per resource", says);
        }
        if let (Behalf::Incident(id), false) = (&permit.behalf, permit.unhindered) {
            self.check_attempt(id.number, permit, step, now);
        }
        if let Behalf::Incident(id) = &permit.behalf {
            self.check.holds.entry(id.number).or_default().extend(permit.leases.iter().cloned());
            if ours && permit.step.action == Action::Start {
                self.check.verifying.remove(&id.number);
            }
        }
        let given = Given { permit: permit.clone(), handed: false, used: false, answer: None, settled: None };
        self.check.permits.insert(permit.id, given);
    }

    fn check_permit_fits(&mut self, svc: usize, permit: &Permit, now: u64) {
        let undo = matches!(permit.behalf, Behalf::Incident(_))
            && permit.step.action == Action::Stop
            && permit.step.pair == Pair::None;
        let truth = self.services[svc].truth;
        if undo && truth.word == Word::Running && truth.since + 5_000 < now && !truth.excused {
            let says = format!("permit {} stops {}", permit.id.0, permit.step.resource);
            self.broken("what shall run is not stopped", says);
        }
        let Behalf::Incident(_) = permit.behalf else { return };
        let well = self.docker.by_id(&permit.incarnation).is_some_and(|key| {
            let container = &self.docker.containers[key];
            container.well_since.is_some_and(|since| since + WELL_MS <= now)
        });
        let watched = self.leader().is_some_and(|healer| healer.eyes.watches_for(now, WELL_MS));
        if well && watched && !permit.unhindered && permit.step.action == Action::Start {
            let says = format!("permit {} to {} {}", permit.id.0, permit.step.action, permit.step.resource);
            self.broken("what is well is left alone", says);
        }
    }

    fn check_attempt(&mut self, number: u64, permit: &Permit, step: usize, now: u64) {
        let resource = permit.step.resource.clone();
        let Some(healer) = self.leader() else { return };
        let settings = healer.turning.engine().settings().clone();
        let approvals = self.check.approvals.get(&number).copied().unwrap_or(0);
        let policy = {
            let issue = self
                .check
                .shadow
                .incidents
                .get(&number)
                .and_then(|incident| incident.diagnosis.as_ref())
                .map_or("unknown".to_owned(), |diagnosis| diagnosis.issue_type.clone());
            settings.policy(&resource, &issue)
        };
        if self.check.frozen {
            self.broken("PERMIT: nothing new in a freeze", format!("permit {} for {resource}", permit.id.0));
        }
        if settings.excluded_by(&resource, &self.definition(&permit.incarnation)).is_some() {
            self.broken("what is excluded is left alone", format!("permit {} for {resource}", permit.id.0));
        }
        let asks = settings.mode == Mode::Suggest || !policy.auto_heal;
        if settings.mode == Mode::Observe || (asks && approvals == 0 && step == 0) {
            let says = format!("permit {} for {resource} in mode {:?}", permit.id.0, settings.mode);
            self.broken("nothing is done unasked that has to be asked", says);
        }
        if step == 0 {
            // An approval is good for one execution.
            self.check.approvals.insert(number, 0);
            self.thread(number).reasons += 1;
        }
        let busy = self.check.under_way().filter(|g| matches!(g.permit.behalf, Behalf::Incident(_))).count();
        if busy >= usize::try_from(settings.budgets.concurrent.max(1)).unwrap_or(usize::MAX) {
            self.broken("no more at the same time than may be", format!("permit {}: {busy} under way", permit.id.0));
        }
        let held = self.check.holds.iter().any(|(other, holds)| *other != number && !holds.is_disjoint(&permit.leases));
        if held {
            let says = format!("permit {} for {resource}, which another incident has hold of", permit.id.0);
            self.broken("what is shared is leased", says);
        }
        let limit = Limit {
            count: policy.max_retries.unwrap_or(settings.budgets.per_resource.count),
            window_ms: policy.window_ms.unwrap_or(settings.budgets.per_resource.window_ms),
        };
        let made = self.check.attempts_within(&resource, limit.window_ms, now);
        if made >= limit.count {
            let says = format!("permit {} for {resource}: attempt {} of {}", permit.id.0, made + 1, limit.count);
            self.broken("no budget is exceeded", says);
        }
        self.check_wait(&resource, made, now);
        self.check.attempts.entry(resource.clone()).or_default().push(now);
        self.check.actions.push((now, resource.clone()));
        let budgets = settings.budgets;
        for (limit, deployment) in [
            (budgets.per_deployment, Some(resource.deployment())),
            (budgets.per_host, None),
            (budgets.everywhere, None),
        ] {
            let within = self.check.actions.iter().rev().take_while(|(then, _)| now - *then < limit.window_ms);
            let count = within.filter(|(_, of)| deployment.is_none_or(|name| of.deployment() == name)).count();
            if count > usize::try_from(limit.count).unwrap_or(usize::MAX) {
                let says = format!("permit {} for {resource}: action {count} of {limit}", permit.id.0);
                self.broken("no group's budget is exceeded", says);
            }
        }
    }

    fn check_wait(&mut self, resource: &ResourceId, made: u32, now: u64) {
        let Some(at) = usize::try_from(made).ok().and_then(|made| made.checked_sub(1)) else { return };
        let wait = WAITS_MS.get(at).or(WAITS_MS.last()).copied().unwrap_or(0);
        let Some(verdict) = self.check.verdicts.get(resource) else { return };
        if now < verdict + wait {
            let says = format!("{resource}: attempt {} comes {} ms after the verdict", made + 1, now - verdict);
            self.broken("waits are kept", says);
        }
    }

    fn definition(&self, incarnation: &Incarnation) -> model::fact::Definition {
        let of = |key| self.docker.containers.get::<Key>(key).map(|container| (*container.def).clone());
        self.docker.by_id(incarnation).and_then(of).unwrap_or_else(|| self.services[0].template.clone())
    }

    fn check_refresh(&mut self, resource: &ResourceId, because: &Refresh, now: u64) {
        self.check.attempts.remove(resource);
        self.check.verdicts.remove(resource);
        let Some(svc) = self.svc_of(resource) else { return };
        let truth = self.services[svc].truth;
        let (foreign, redefined) = (truth.foreign_starts, truth.redefined);
        let (lately, foreign_then, redefined_then) = self.check.refreshed.get(resource).copied().unwrap_or((0, 0, 0));
        let justified = match because {
            Refresh::Person(_) => return,
            Refresh::StartedAtTheEngine => foreign > foreign_then,
            Refresh::DefinitionChanged => redefined > redefined_then,
        };
        if !justified {
            let says = format!("{resource}: {because:?}, and nothing of that kind happened");
            self.broken("a fresh budget has a reason", says);
        }
        if lately > 0 && now < lately + FOREIGN_REFRESH_MS {
            let says = format!("{resource}: {} ms after the last", now - lately);
            self.broken("a fresh budget is given once in half an hour", says);
        }
        self.check.refreshed.insert(resource.clone(), (now, foreign, redefined));
    }

    fn check_verified(&mut self, number: u64, result: Verification, now: u64) {
        self.check.holds.remove(&number);
        let resource = self.check.shadow.incidents.get(&number).map(|incident| incident.resource.clone());
        if let Some(resource) = resource {
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
            Escalation::Refused(refusal) => {
                self.counts.hit("refusal", Refusal::kind(refusal));
                "refused"
            }
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

    // ---- effects and acts

    /// What is handed to a performer was committed, and is handed out once.
    pub(crate) fn check_effect(&mut self, pid: u32, effect: &Effect) {
        let epoch = self.healer(pid).map(|healer| healer.epoch);
        match effect {
            Effect::Execute(permit) => {
                let Some(given) = self.check.permits.get_mut(&permit.id).filter(|given| given.permit == **permit)
                else {
                    let says = format!("permit {} was never committed", permit.id.0);
                    return self.broken("no effect of an uncommitted decision", says);
                };
                let twice = std::mem::replace(&mut given.handed, true);
                if twice || epoch != Some(permit.epoch) {
                    let says = format!("permit {} was handed out again", permit.id.0);
                    self.broken("an act is never repeated blindly", says);
                }
            }
            Effect::Send(parcel) => {
                if !self.check.written.contains(&parcel.message.id) {
                    let says = format!("message {} was never committed", parcel.message.id.0);
                    self.broken("no effect of an uncommitted decision", says);
                }
            }
            Effect::Look { .. } | Effect::Gather { .. } | Effect::Answer(_) => {}
        }
    }

    /// The gate has let an act pass: the second line of what must not happen.
    pub(crate) fn check_act(&mut self, pid: u32, permit: &Permit) {
        let now = self.now;
        let number = permit.id.0;
        let what = format!("permit {number} to {} {}", permit.step.action, permit.step.resource);
        let Some(given) = self.check.permits.get_mut(&permit.id) else {
            return self.broken("ACT: no act without a committed permit", what);
        };
        if std::mem::replace(&mut given.used, true) {
            self.broken("ACT: no permit is used twice", what.clone());
        }
        if Tick(now) >= permit.until {
            self.broken("ACT: no permit is used after its time", what.clone());
        }
        let leads = permit.epoch == self.disk.borrow().epoch;
        let deposed = self.healer(pid).is_none_or(|healer| healer.deposed);
        if !leads {
            self.counts.hit("race", "act of the one deposed");
        }
        if deposed {
            return self.broken("ACT: nobody acts who knows that he is deposed", what);
        }
        if leads && self.check.frozen && !permit.unhindered {
            self.broken("ACT: nothing new in a freeze", what.clone());
        }
        let ends_in_start = ends_in_start(permit);
        let Some(svc) = self.svc_of(&permit.step.resource) else { return };
        if !ends_in_start {
            return;
        }
        let known = leads && self.must_know_stopped(pid, svc);
        match (known, self.services[svc].truth.word) {
            (true, _) => self.broken("ACT: nothing is started that was stopped on purpose", what),
            (false, Word::StoppedAtEngine { .. }) => self.counts.hit("race", "start after a stop nobody could know"),
            (false, Word::Running | Word::StoppedByCommand | Word::Never | Word::Unclear) => {}
        }
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
