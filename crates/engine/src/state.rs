//! The fold of the journal: everything that survives a restart, and nothing that must be looked up.
//!
//! [`State::apply`] is the only place where it changes, live and at recovery alike.

mod makes;
mod own;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::action::{Action, Answer, Behalf, Permit, PermitId, Step, With};
use model::alert::{self, Alert};
use model::command::CommandId;
use model::event::{Entry, Event};
use model::fact::{Incarnation, SourceTime};
use model::folder::BringUp;
use model::input::SourceState;
use model::intent::{Author, Intent};
use model::message::{About, Message, MessageId};
use model::update::Update;
use model::{Now, ResourceId, Tick, Wall};
use serde::{Deserialize, Serialize};

use crate::budget::Spending;
use crate::incident::Incident;
use crate::others::Others;
use crate::recovery::Recoveries;
pub use makes::Makes;
pub use own::Own;

/// Closed incidents are kept this long in memory; the journal keeps them for ever.
const CLOSED_KEPT_MS: u64 = 48 * 3_600_000;
/// And at most so many of them.
const CLOSED_KEPT_MAX: usize = 2_000;
/// Commands are remembered this far back, so that one handled twice acts once.
const COMMANDS_KEPT_MAX: usize = 1_000;

/// Beginnings of incidents are remembered this far back.
const BEGAN_KEPT: Duration = Duration::from_secs(10);
/// What we did to a body that was replaced is remembered for this long after the last order.
const REPLACED_KEPT: Duration = Duration::from_secs(600);

/// The version of this struct as a snapshot. A snapshot of another version is ignored and the journal folded anew.
pub const SNAPSHOT_VERSION: u32 = 2;

/// Everything that is known because it was decided.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// The last entry that is folded in.
    pub seq: u64,
    /// The leader's epoch.
    pub epoch: u64,
    /// When the last entry was written.
    pub at: Now,
    /// The instance's name.
    pub instance: String,
    /// When the present process took the lead.
    pub started: Option<Now>,
    /// What is wanted of each resource.
    pub intents: BTreeMap<ResourceId, Intent>,
    /// The last end of each resource that nobody had asked for: which body's, and when.
    #[serde(default)]
    pub ends: BTreeMap<ResourceId, (Incarnation, SourceTime)>,
    /// Whom somebody else was asking to end while it ran.
    #[serde(default)]
    pub stops: BTreeMap<ResourceId, StopBegan>,
    /// What a person once spoke of to healer: from then on it is healer's to care for, whoever stops and starts it.
    #[serde(default)]
    pub adopted: BTreeSet<ResourceId>,
    /// The alerts that fire.
    #[serde(with = "as_pairs")]
    pub alerts: BTreeMap<Alert, Firing>,
    /// The incidents by number: all that are open, and those that closed lately.
    pub incidents: BTreeMap<u64, Incident>,
    /// The open ones.
    pub open: BTreeSet<u64>,
    /// The latest incident of each resource.
    pub latest: BTreeMap<ResourceId, u64>,
    /// The incidents that began (again) lately, with the moment, oldest first: many at once are a storm.
    pub began: VecDeque<(Tick, u64)>,
    /// What was spent of the budgets.
    pub spending: Spending,
    /// The acts under way.
    pub acts: BTreeMap<PermitId, Act>,
    /// What we did to each body, for telling our own events from somebody else's.
    pub own: BTreeMap<Incarnation, Own>,
    /// What each service is made of.
    #[serde(default)]
    pub makes: Makes,
    /// Who froze it.
    pub frozen: Option<model::view::Frozen>,
    /// What waits to be delivered.
    pub outbox: BTreeMap<MessageId, Outgoing>,
    /// Persons' acts that wait, by command.
    pub queue: Vec<Queued>,
    /// The commands taken lately, oldest first.
    pub commands: VecDeque<CommandId>,
    /// The deployments that Compose is bringing up, by the command that asked for it.
    #[serde(default)]
    pub bring_ups: BTreeMap<CommandId, BringUp>,
    /// The last order to bring up each deployment, by its whole name: what Compose starts for it is nobody else's start.
    #[serde(default)]
    pub orders: BTreeMap<String, Order>,
    /// The services whose image is being fetched, at a person's word.
    #[serde(default)]
    pub updates: BTreeMap<ResourceId, Update>,
    /// The starts of engines, and what is brought back after them.
    #[serde(default)]
    pub recoveries: Recoveries,
    /// What other people and tools do at the engine.
    #[serde(default)]
    pub others: Others,
    /// How each source stood last.
    pub sources: BTreeMap<String, SourceState>,
    /// Incidents opened so far.
    pub last_incident: u64,
    /// Permits given so far.
    pub last_permit: u64,
    /// Messages written so far.
    pub last_message: u64,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// Since when.
    pub since: Now,
    /// What was seen.
    pub because: String,
}

/// An act under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Its permit.
    pub permit: Permit,
    /// What the performer said.
    pub answer: Option<Answer>,
    /// When it was said.
    pub answered: Option<Tick>,
    /// For a person: by which command.
    pub command: Option<CommandId>,
    /// The body that it made, once that was seen.
    #[serde(default)]
    pub made: Option<Incarnation>,
}

impl Act {
    /// Whether this is an answer that is still waited for. That nothing was begun, or that there was nothing to do, is worth
    /// knowing however late it comes.
    pub(crate) fn takes(&self, answer: &Answer) -> bool {
        match self.answer {
            None => true,
            Some(Answer::Unknown(_)) => matches!(answer, Answer::AlreadySo | Answer::Withheld(_)),
            Some(Answer::Done | Answer::AlreadySo | Answer::Withheld(_) | Answer::Failed(_)) => false,
        }
    }

    /// Whether a person has it made anew of an image that was fetched for them.
    fn is_update(&self) -> bool {
        matches!((&self.permit.behalf, &self.permit.step.with), (Behalf::Person(_), With::Image(_)))
    }

    /// Whether it is known what came of the order.
    pub(crate) fn is_answered(&self) -> bool {
        match self.answer {
            Some(Answer::Done | Answer::AlreadySo | Answer::Failed(_)) => true,
            Some(Answer::Unknown(_) | Answer::Withheld(_)) | None => false,
        }
    }
}

/// An order to bring up a deployment, for as long as no other follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The command that asked for it.
    pub command: CommandId,
    /// When.
    pub at: Wall,
    /// Who called it off, and when.
    pub called_off: Option<(String, Wall)>,
    /// When Compose had ended.
    pub ended: Option<Wall>,
}

/// Somebody else was asking a body to end, and it still ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopBegan {
    /// Which body.
    pub incarnation: Incarnation,
    /// When, by the source's clock.
    pub at: SourceTime,
    /// The signal, where it is known.
    pub signal: Option<u8>,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// What.
    pub message: Message,
    /// Through what, as far as it was not delivered yet.
    pub channels: BTreeMap<String, Tries>,
}

impl Outgoing {
    /// It need not wait any longer on these channels.
    fn is_due<T>(&mut self, channels: &BTreeMap<String, T>, now: Tick) {
        let tries = self.channels.iter_mut().filter(|(channel, _)| channels.contains_key(*channel));
        tries.for_each(|(_, tries)| tries.next = tries.next.min(now));
    }
}

/// The tries on one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tries {
    /// How many were made.
    pub made: u32,
    /// When the next one is due.
    pub next: Tick,
    /// When the first one was due.
    pub since: Tick,
}

/// A person's act that waits for its turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// By which command.
    pub command: CommandId,
    /// Whose.
    pub who: String,
    /// What is still to be done to this resource, in order.
    pub steps: Vec<Step>,
}

impl State {
    /// The open incident of a resource.
    #[must_use]
    pub fn open_incident(&self, resource: &ResourceId) -> Option<&Incident> {
        self.latest.get(resource).filter(|number| self.open.contains(number)).and_then(|n| self.incidents.get(n))
    }

    /// The open incidents.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.open.iter().filter_map(|number| self.incidents.get(number))
    }

    /// The alerts of a resource that fire.
    pub fn firing(&self, resource: &ResourceId) -> impl Iterator<Item = (alert::Name, &Firing)> {
        // All names of one resource: there are few, and the map is ordered by name first.
        alert::Name::ALL.into_iter().filter_map(move |name| {
            let alert = Alert { name, resource: resource.clone() };
            self.alerts.get(&alert).map(|firing| (name, firing))
        })
    }

    /// Whether anything is wrong with a resource.
    #[must_use]
    pub fn is_ill(&self, resource: &ResourceId) -> bool {
        self.firing(resource).next().is_some()
    }

    /// Folds one entry in.
    pub fn apply(&mut self, entry: &Entry) {
        let (now, last) = (entry.at, self.at.wall);
        self.seq = entry.seq;
        self.epoch = entry.epoch;
        self.at = now;
        if let Some(incident) = entry.event.incident().and_then(|id| self.incidents.get_mut(&id.number)) {
            incident.apply(&entry.event, now);
            if let Event::Verified { .. } = &entry.event {
                self.spending.verdict(&incident.resource, now.tick);
            }
        }
        match &entry.event {
            Event::Started { instance, .. } => {
                self.recoveries.healer_began(last);
                self.instance.clone_from(instance);
                self.started = Some(now);
                let unsettled: BTreeSet<_> = self.acts.values().map(|act| act.permit.incarnation.clone()).collect();
                let opened: BTreeSet<_> = self.open_incidents().filter_map(Incident::body_of_open_pair).collect();
                for (incarnation, own) in &mut self.own {
                    if !unsettled.contains(incarnation) {
                        own.begin_anew(opened.contains(incarnation));
                    }
                }
            }
            Event::SourceChanged { source, state } => {
                if let SourceState::Opened { start, .. } = state {
                    self.recoveries.connected(source, start);
                }
                self.sources.insert(source.clone(), state.clone());
            }
            Event::RecoveryBegan { id, source, restarted, start, exempt } => {
                self.recoveries.begin(id, source, *restarted, start, *exempt, now);
            }
            Event::RecoveryPlanned { source, down, back, .. } => self.recoveries.plan(source, down, back),
            Event::RecoveryEnded { source, outcome, .. } => {
                self.open_threads_of(outcome);
                self.recoveries.end(source, outcome, now.wall);
            }
            Event::IntentChanged { resource, intent } => {
                if let Author::Person(_) = intent.by {
                    self.adopted.insert(resource.clone());
                }
                self.stops.remove(resource);
                self.others.intent_changed(resource, self.intents.get(resource), intent);
                self.intents.insert(resource.clone(), intent.clone());
            }
            Event::StopBegan { resource, incarnation, at, signal } => {
                let stop = StopBegan { incarnation: incarnation.clone(), at: *at, signal: *signal };
                self.stops.insert(resource.clone(), stop);
            }
            Event::EndedUnasked { resource, incarnation, at } => {
                // Another body of it may be being stopped.
                if self.stops.get(resource).is_some_and(|stop| stop.incarnation == *incarnation) {
                    self.stops.remove(resource);
                }
                self.ends.insert(resource.clone(), (incarnation.clone(), *at));
            }
            Event::RevivedByAnother { resource } => self.others.revived(resource, now.tick),
            Event::BudgetRefreshed { resource, because } => self.spending.refresh(resource, because, now.tick),
            Event::AlertChanged(transition) => self.apply_alert(transition, now),
            Event::IncidentOpened { id, resource, alert, source_at, because } => {
                let incident = Incident::new(id.clone(), resource.clone(), *alert, *source_at, because.clone(), now);
                self.last_incident = self.last_incident.max(id.number);
                self.open.insert(id.number);
                self.latest.insert(resource.clone(), id.number);
                self.incidents.insert(id.number, incident);
                self.note_beginning(id.number, now.tick);
            }
            Event::IncidentReopened { id, .. } => {
                self.open.insert(id.number);
                self.note_beginning(id.number, now.tick);
            }
            Event::IncidentResolved { id, .. } => {
                self.open.remove(&id.number);
                self.forget_old(now.tick);
            }
            Event::ActionStarted { permit, step, attempt, .. } => self.apply_started(permit, *step, *attempt, now),
            Event::ActionAnswered { permit, answer, .. } => {
                if let Some(act) = self.acts.get_mut(permit).filter(|act| act.takes(answer)) {
                    act.answer = Some(answer.clone());
                    act.answered = Some(now.tick);
                    let permit = &act.permit;
                    let own = self.own.entry(permit.incarnation.clone()).or_default();
                    own.answered(permit.step.action, answer);
                    let counted = matches!(permit.behalf, Behalf::Incident(_)) && !permit.unhindered;
                    if matches!(answer, Answer::Withheld(_)) {
                        // What was taken for made by it is somebody else's.
                        if let Some(made) = act.made.take() {
                            self.own.remove(&made);
                        }
                        let first = self.recoveries.take_start_back(permit);
                        let incident = permit.behalf.incident().and_then(|id| self.incidents.get(&id.number));
                        let goes_on = incident
                            .and_then(|incident| incident.attempts.last())
                            .is_some_and(|done| done.steps_done > 0);
                        if counted {
                            self.spending.take_back(&permit.step.resource, permit.given.tick, !first && !goes_on);
                        }
                    }
                }
            }
            Event::ActionSettled { permit, source_at, reached, .. } => {
                if let Some(act) = self.acts.remove(permit) {
                    let own = self.own.entry(act.permit.incarnation.clone()).or_default();
                    // Without a look it is over all the same: our time stands for the source's, which on a local engine is one.
                    let over = source_at.unwrap_or(SourceTime(now.wall.0.saturating_mul(1_000_000)));
                    own.close(&act, act.permit.step.action, over, *reached, now.tick);
                    if let Some(own) = act.made.as_ref().and_then(|made| self.own.get_mut(made)) {
                        own.close(&act, Action::Start, over, *reached, now.tick);
                        own.of_update = act.is_answered() && act.is_update();
                    }
                }
            }
            Event::BodyMade { permit, resource, incarnation } => {
                let by = self.acts.get(permit).map(|act| done_by(&act.permit));
                let own = self.own.entry(incarnation.clone()).or_default();
                own.ordered(Action::Start, resource, now.tick, by, None);
                own.made = true;
                if let Some(act) = self.acts.get_mut(permit) {
                    act.made = Some(incarnation.clone());
                    let id = act.permit.behalf.incident();
                    if let Some(incident) = id.and_then(|id| self.incidents.get_mut(&id.number)) {
                        incident.made(incarnation);
                    }
                }
            }
            Event::MadeOf { resource, make, by, .. } => {
                let ill = self.open_incident(resource).is_some();
                self.makes.made_of(resource, make, by.as_deref(), ill, now);
            }
            Event::BodyStarted { incarnation, at } => {
                if let Some(own) = self.own.get_mut(incarnation) {
                    own.has_come(*at);
                }
            }
            Event::CommandTaken { id, .. } => {
                self.commands.push_back(id.clone());
                if self.commands.len() > COMMANDS_KEPT_MAX {
                    self.commands.pop_front();
                }
            }
            Event::CommandQueued { id, who, steps } => {
                self.queue.push(Queued { command: id.clone(), who: who.clone(), steps: steps.clone() });
            }
            Event::CommandDequeued { id, resource } => {
                let is_it = |queued: &Queued| {
                    queued.command == *id && queued.steps.first().is_some_and(|step| step.resource == *resource)
                };
                self.queue.retain(|queued| !is_it(queued));
            }
            Event::BringUpOrdered { order } => {
                let (command, at) = (order.command.clone(), order.at);
                let made = Order { command, at, called_off: None, ended: None };
                self.orders.insert(crate::folders::whole_name(&order.folder), made);
                self.bring_ups.insert(order.command.clone(), (**order).clone());
            }
            Event::BringUpCalledOff { order, who, .. } => {
                if let Some(order) = self.orders.values_mut().find(|known| known.command == *order) {
                    order.called_off = Some((who.clone(), now.wall));
                }
            }
            Event::BroughtUp { id, .. } => {
                if let Some(order) = self.orders.values_mut().find(|known| known.command == *id) {
                    order.ended = Some(now.wall);
                }
                self.bring_ups.remove(id);
            }
            Event::UpdateOrdered { order } => {
                self.updates.insert(order.resource.clone(), (**order).clone());
            }
            Event::ImageFetched { resource, .. } => {
                self.updates.remove(resource);
            }
            Event::Frozen { by, because } => {
                self.frozen = Some(model::view::Frozen { by: by.clone(), at: now, because: because.clone() });
            }
            Event::Thawed { .. } => self.frozen = None,
            Event::MessageQueued { message, channels } => {
                self.last_message = self.last_message.max(message.id.0);
                if let About::Notice { resource: Some(resource), .. } = &message.about {
                    self.others.noticed(resource, now.tick);
                }
                let fresh = Tries { made: 0, next: now.tick, since: now.tick };
                let channels: BTreeMap<_, _> = channels.iter().map(|name| (name.clone(), fresh.clone())).collect();
                // What is said before it in its thread is not waited for longer than it would be itself.
                let thread = self.outbox.values_mut().filter(|earlier| earlier.message.about == message.about);
                thread.for_each(|earlier| earlier.is_due(&channels, now.tick));
                if !channels.is_empty() {
                    self.outbox.insert(message.id, Outgoing { message: (**message).clone(), channels });
                }
            }
            Event::MessageDelivered { id, channel, .. } | Event::MessageGivenUp { id, channel, .. } => {
                if matches!(entry.event, Event::MessageDelivered { .. }) {
                    // The channel takes what it is told: whatever waits for it is tried at once.
                    let works = BTreeMap::from([(channel.clone(), ())]);
                    self.outbox.values_mut().for_each(|waiting| waiting.is_due(&works, now.tick));
                }
                if let Some(outgoing) = self.outbox.get_mut(id) {
                    outgoing.channels.remove(channel);
                    if outgoing.channels.is_empty() {
                        self.outbox.remove(id);
                    }
                }
            }
            Event::MessageDelayed { id, channel, attempts, next, .. } => {
                if let Some(tries) = self.outbox.get_mut(id).and_then(|outgoing| outgoing.channels.get_mut(channel)) {
                    tries.made = *attempts;
                    tries.next = *next;
                }
            }
            Event::ResourceGone { resource, incarnation } => {
                self.intents.remove(resource);
                self.ends.remove(resource);
                self.stops.remove(resource);
                self.recoveries.forget(resource);
                self.others.forget(resource);
                self.makes.gone(resource, now.tick);
                self.adopted.remove(resource);
                self.own.retain(|of, own| of != incarnation && own.of.as_ref() != Some(resource));
            }
            Event::Ended => self.recoveries.healer_ended(now.wall),
            Event::ClockJumped { by_ms } if *by_ms < 0 => self.turn_back(now.wall),
            Event::ClockJumped { .. }
            | Event::AlertJoined { .. }
            | Event::EvidenceAdded { .. }
            | Event::Diagnosed { .. }
            | Event::Planned { .. }
            | Event::Held { .. }
            | Event::DiagnosisBegan { .. }
            | Event::ApprovalAsked { .. }
            | Event::ApprovalAnswered { .. }
            | Event::ApprovalWithdrawn { .. }
            | Event::LookRepeated { .. }
            | Event::VerificationBegan { .. }
            | Event::VerificationExtended { .. }
            | Event::Verified { .. }
            | Event::RollbackBegan { .. }
            | Event::RollbackExtended { .. }
            | Event::OwnerStopNoted { .. }
            | Event::Escalated { .. }
            | Event::PersonActed { .. }
            | Event::Acknowledged { .. } => {}
        }
    }

    /// The clock was set back: what was known before this moment was before it, whatever its time says. (The ends that are
    /// known stay as they are: they are compared with themselves.)
    fn turn_back(&mut self, now: Wall) {
        let now = SourceTime(now.0.saturating_mul(1_000_000));
        for intent in self.intents.values_mut().filter(|intent| crate::intent::said_at(intent) > now) {
            intent.source_at = Some(now);
        }
        self.stops.values_mut().for_each(|stop| stop.at = now.min(stop.at));
        for own in self.own.values_mut() {
            let (_, come_at) = &mut own.starts_come;
            for at in [come_at, &mut own.starts_closed, &mut own.stops_closed, &mut own.stops_before_closed] {
                *at = at.map(|at| now.min(at));
            }
        }
    }

    /// The message of a recovery opens the thread of each incident that it names as failed.
    fn open_threads_of(&mut self, outcome: &model::recovery::Outcome) {
        for failure in &outcome.failed {
            let open = self.latest.get(&failure.resource).filter(|number| self.open.contains(number));
            if let Some(incident) = open.and_then(|number| self.incidents.get_mut(number)) {
                incident.told_by_a_recovery();
            }
        }
    }

    fn note_beginning(&mut self, number: u64, now: Tick) {
        while self.began.front().is_some_and(|(then, _)| now.since(*then) > BEGAN_KEPT) {
            self.began.pop_front();
        }
        self.began.push_back((now, number));
    }

    fn apply_alert(&mut self, transition: &alert::Transition, now: Now) {
        match transition.to {
            alert::State::Firing => {
                let firing = Firing { since: now, because: transition.because.clone() };
                self.alerts.insert(transition.alert.clone(), firing);
            }
            alert::State::Resolved => {
                self.alerts.remove(&transition.alert);
            }
        }
        let resource = &transition.alert.resource;
        let ill = self.is_ill(resource);
        if let Some(incident) = self.latest.get(resource).and_then(|number| self.incidents.get_mut(number)) {
            incident.symptom_changed(ill, now.tick);
        }
    }

    fn apply_started(&mut self, permit: &Permit, step: usize, attempt: u32, now: Now) {
        self.last_permit = self.last_permit.max(permit.id.0);
        self.forget_replaced_bodies(permit, now.tick);
        let resource = &permit.step.resource;
        let ended = self.ends.get(resource).filter(|(of, _)| *of == permit.incarnation).map(|(_, at)| *at);
        let own = self.own.entry(permit.incarnation.clone()).or_default();
        own.ordered(permit.step.action, resource, now.tick, Some(done_by(permit)), ended);
        let first_of_a_recovery = self.recoveries.note_start(permit);
        if let Behalf::Incident(_) = permit.behalf {
            // A plan is one action for the groups, however many steps it has.
            let outside = permit.unhindered || first_of_a_recovery || step > 0;
            self.spending.action(&permit.step.resource, outside, now.tick);
            if attempt > 0 {
                self.spending.attempt(&permit.step.resource, now.tick);
            }
        }
        // A permit for a person's act takes the place of the first step that waits for it.
        let mut command = None;
        if let Behalf::Person(_) = permit.behalf
            && let Some(at) = self.queue.iter().position(|queued| queued.steps.first() == Some(&permit.step))
        {
            let queued = &mut self.queue[at];
            command = Some(queued.command.clone());
            queued.steps.remove(0);
            if queued.steps.is_empty() {
                self.queue.remove(at);
            }
        }
        self.acts.insert(permit.id, Act { permit: permit.clone(), answer: None, answered: None, command, made: None });
    }

    /// What we did long ago to a body that another one has taken the place of explains nothing any more.
    fn forget_replaced_bodies(&mut self, permit: &Permit, now: Tick) {
        let (resource, present) = (&permit.step.resource, &permit.incarnation);
        let replaced = |own: &Own| own.of.as_ref() == Some(resource) && now.since(own.ordered_at) > REPLACED_KEPT;
        self.own.retain(|incarnation, own| incarnation == present || !replaced(own));
    }

    fn forget_old(&mut self, now: Tick) {
        // Oldest first, and no further than to the first that stays: a fold of a long journal must not look at all.
        loop {
            let oldest = self.incidents.iter().find(|(number, _)| !self.open.contains(number));
            let Some((number, incident)) = oldest else { return };
            let old = incident.ended().is_some_and(|ended| now.0.saturating_sub(ended.0) > CLOSED_KEPT_MS);
            let surplus = self.incidents.len() - self.open.len() > CLOSED_KEPT_MAX;
            if !old && !surplus {
                return;
            }
            let (number, resource) = (*number, incident.resource.clone());
            self.incidents.remove(&number);
            if self.latest.get(&resource) == Some(&number) {
                self.latest.remove(&resource);
            }
        }
    }
}

/// JSON has text keys alone: a map by alert is kept as a list of pairs.
mod as_pairs {
    use std::collections::BTreeMap;

    use model::alert::Alert;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Firing;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<Alert, Firing>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Alert, Firing>, D::Error> {
        Ok(Vec::<(Alert, Firing)>::deserialize(from)?.into_iter().collect())
    }
}
/// When what an order does is done at the latest, by the source's clock, which on a local engine is ours: sent at the end of
/// its time, a stop takes its patience more, which is a part of that time.
fn done_by(permit: &Permit) -> SourceTime {
    let twice = i64::try_from(permit.step.timeout_ms.saturating_mul(2)).unwrap_or(i64::MAX);
    let ms = permit.given.wall.0.saturating_add(twice);
    SourceTime(ms.saturating_mul(1_000_000))
}
