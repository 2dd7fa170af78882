//! Decides everything, does nothing.
//!
//! ```text
//! inputs ──▶ absorb: facts, words on intent, answers, commands     (absorb, person)
//!            then decide once: correlate · advance each incident   (correlate, steer, settle)
//!                              guard · diagnose · plan · tell       (guard, diagnose, plan, tell)
//!        ──▶ Decision { entries for the journal, effects }
//! ```
//!
//! [`State`] is the fold of the journal and survives; [`world::World`] and the rest of [`Engine`] is what the sources
//! show at present, and is looked up anew by each process. Time is an argument; nothing here reads a clock.

mod absorb;
mod acts;
pub mod budget;
mod correlate;
mod deadlines;
mod decisions;
mod detect;
pub mod diagnose;
mod examine;
mod faults;
mod folders;
mod guard;
pub mod incident;
mod intent;
mod kept;
pub mod life;
pub mod others;
mod person;
pub mod plan;
mod ports;
mod propose;
pub mod recovery;
mod settle;
mod siblings;
pub mod state;
mod steer;
mod tell;
mod updates;
pub mod view;
pub mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::action::{Action, Behalf, Pair, Permit, PermitId, Step};
use model::command::{CommandId, Reply, ReplyLine};
use model::event::{Entry, Event, VERSION};
use model::fact::{Incarnation, Run, SourceTime};
use model::incident::{Excerpt, IncidentId};
use model::input::{Effect, Input};
use model::intent::Wanted;
use model::message::MessageId;
use model::settings::Settings;
use model::verdict::Refusal;
use model::{Now, ResourceId, Tick, Wall};

pub use faults::Faults;
pub use state::State;

/// The engine: the folded state, and what is seen at present.
pub struct Engine {
    state: State,
    world: world::World,
    watch: intent::Watch,
    settings: Arc<Settings>,
    version: String,
    leads: bool,
    store_full: bool,
    /// The journal has no room in reserve.
    reserve_spent: bool,
    live: Live,
    /// The moment of the batch that is being handled.
    now: Now,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    touched: BTreeSet<ResourceId>,
    faults: Faults,
}

/// What this process knows besides the world: asked and not yet answered, and not worth keeping.
#[derive(Default)]
struct Live {
    /// What the look that settles an act showed.
    shown: BTreeMap<PermitId, Shown>,
    /// When persons' acts are looked at again whose end no look has shown yet.
    looks_again: BTreeMap<PermitId, Tick>,
    /// The acts that were settled already, for answers that come late.
    settled: BTreeMap<PermitId, Settled>,
    /// The log of each incident's resource, as far as it was read.
    logs: BTreeMap<u64, (Incarnation, Excerpt)>,
    /// The ends (body, time) of which a log was asked for.
    logs_asked: BTreeMap<u64, (Incarnation, Option<SourceTime>)>,
    /// When the next try of a delivery is due, and whether the outbox has changed since that was noted.
    outbox_due: Option<Tick>,
    outbox_changed: bool,
    /// Since when a parcel is on its way.
    in_flight: BTreeMap<(MessageId, String), Tick>,
    /// Replies to persons that wait for acts.
    replies: BTreeMap<CommandId, PendingReply>,
    /// The last replies that acts were waited for, the oldest first: who asked may not have been there to hear one.
    answered: VecDeque<Reply>,
    /// The last batch was not taken, and comes again.
    comes_again: bool,
    /// What was replied in the last batch: if that was not committed, the reply has not gone out.
    replied: Vec<Reply>,
    /// The incidents whose dependents were looked at since their resource is well.
    carries: BTreeMap<u64, Tick>,
    /// When this process took the lead.
    began: Tick,
    /// What keeps healer from its work, by what it is about.
    warnings: BTreeMap<String, String>,
    /// Something was let go that others may wait for.
    freed: bool,
    /// All incidents are looked at in this batch: something that concerns everything has changed.
    all: bool,
    /// When each open incident must be looked at by itself.
    deadlines: deadlines::Deadlines,
    /// The incidents that another process left open, as far as they have not been taken up yet.
    left_open: BTreeSet<u64>,
    /// The permits of the last decision: if that was not committed, or nobody knows, no performer was handed them.
    given: Vec<PermitId>,
    /// Permits that stand in the journal, and were surely never handed to a performer.
    never_handed: Vec<PermitId>,
    /// How often the guard refused for which reason.
    refusals: BTreeMap<&'static str, u64>,
    /// Turns that the table of `life` does not know: each one is a fault of ours.
    illegal_turns: u64,
    /// Incidents for which more was seen in this batch.
    more_seen: BTreeSet<u64>,
    /// Resources that have a fresh budget since this batch began, or that a stop of ours took down late: begin anew.
    afresh: BTreeSet<ResourceId>,
    /// Resources that a person's command wants.
    wanted: BTreeSet<ResourceId>,
    /// The orders to bring a deployment up that a performer was handed.
    bring_ups_handed: BTreeSet<CommandId>,
    /// The services whose image a performer was told to fetch.
    updates_handed: BTreeSet<ResourceId>,
}

/// What a look showed of a body that was acted on.
#[derive(Debug, Clone)]
struct Shown {
    found: Found,
    source_at: Option<SourceTime>,
}

/// What is known of a body that was acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Is(Run),
    Gone,
    /// Its source cannot be reached, and this process has not seen it.
    Unseen,
}

#[derive(Default)]
struct PendingReply {
    lines: Vec<ReplyLine>,
    outstanding: BTreeSet<ResourceId>,
}

/// What the engine wants done, in the order: commit the entries, then perform the effects.
#[derive(Debug, Default)]
#[must_use]
pub struct Decision {
    /// What was decided; to be written in one transaction before any effect.
    pub entries: Vec<Entry>,
    /// What shall be done.
    pub effects: Vec<Effect>,
    /// The resources whose standing order may have changed; see [`Engine::standing`].
    pub touched: BTreeSet<ResourceId>,
}

/// What a performer must know of a resource the moment before it acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The ledger's last word.
    pub wanted: Wanted,
    /// Somebody is stopping it just now.
    pub being_stopped: bool,
}

/// A time in which a deployment is left alone, as healer's own clock has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintained {
    /// A name or a pattern; `None`: everything.
    pub deployment: Option<String>,
    /// From when on, and when it is over.
    pub span: std::ops::Range<Tick>,
}

impl Engine {
    /// An engine that goes on from a folded state, and has seen nothing yet.
    #[must_use]
    pub fn new(state: State, settings: Arc<Settings>, version: &str) -> Engine {
        let mut engine = Engine {
            now: state.at,
            watch: intent::Watch::of(state.stops.values()),
            state,
            world: world::World::default(),
            settings,
            version: version.to_owned(),
            leads: true,
            store_full: false,
            reserve_spent: false,
            live: Live::default(),
            entries: Vec::new(),
            effects: Vec::new(),
            touched: BTreeSet::new(),
            faults: Faults::default(),
        };
        engine.note_all_deadlines();
        engine.note_outbox_due();
        engine
    }

    /// Plants faults.
    #[cfg(feature = "faults")]
    pub fn plant(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// The folded state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is seen at present.
    #[must_use]
    pub fn world(&self) -> &world::World {
        &self.world
    }

    /// What the owner set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes the lead in this epoch: everything that was seen before is the past, and what the journal shows as under
    /// way is looked at again.
    pub fn lead(&mut self, epoch: u64, now: Now) -> Decision {
        self.now = now;
        self.live.began = now.tick;
        self.state.epoch = epoch;
        let event = Event::Started { version: self.version.clone(), instance: self.settings.instance.clone() };
        self.emit(event);
        self.begin_acts_anew();
        self.give_up_bring_ups();
        self.give_up_updates();
        self.live.left_open = self.state.open.clone();
        self.decide();
        self.decision()
    }

    /// Handles a batch: first everything is absorbed (facts, stops, freezes), then it is decided once.
    pub fn handle(&mut self, inputs: &[Input], now: Now) -> Decision {
        self.now = now;
        self.live.replied.clear();
        self.note_handed_bring_ups();
        self.note_handed_updates();
        if std::mem::take(&mut self.live.comes_again) {
            self.world.take_back();
            self.watch.take_back();
        }
        self.world.begin_batch();
        self.watch.begin_batch();
        self.settle_what_was_never_handed();
        if self.leads {
            inputs.iter().for_each(|input| self.absorb(input));
        }
        if !self.leads {
            return self.nothing_any_more(inputs);
        }
        self.decide();
        self.decision()
    }

    /// An append failed, or nobody knows: the state is folded anew. `taken`: the journal has the batch all the same, and it
    /// does not come again. Until the batch that does, what it told stays seen: a performer shall not act against it.
    /// Returns the effects that the state owes: messages, and looks at what is under way.
    pub fn refold(&mut self, state: State, taken: bool, now: Now) -> Decision {
        self.state = state;
        self.now = now;
        self.live.comes_again = !taken;
        self.entries.clear();
        self.effects.clear();
        self.live.in_flight.clear();
        self.live.shown.clear();
        self.live.logs_asked.clear();
        self.live.all = true;
        self.note_all_deadlines();
        self.note_outbox_due();
        self.touched.extend(self.world.resources().cloned());
        self.touched.extend(self.state.alerts.keys().map(|alert| alert.resource.clone()));
        self.effects.extend(std::mem::take(&mut self.live.replied).into_iter().map(Effect::Answer));
        self.effects.extend(self.owed_bring_ups());
        self.effects.extend(self.owed_updates());
        // What is on its way is answered by its performer; what never left the house, and is in the journal all the same
        // (the append was reported as failed, and was not), would be waited for until its permit ends.
        let waits = |id: &PermitId| self.state.acts.get(id).is_some_and(|act| act.answer.is_none());
        self.live.never_handed = std::mem::take(&mut self.live.given).into_iter().filter(waits).collect();
        for act in self.state.acts.values().filter(|act| act.answer.is_some()) {
            self.effects.push(Effect::Look {
                resource: act.permit.step.resource.clone(),
                incarnation: act.permit.incarnation.clone(),
                ticket: Some(act.permit.id),
            });
        }
        let (touched, effects) = (self.touched.clone(), std::mem::take(&mut self.effects));
        Decision { touched, effects, entries: Vec::new() }
    }

    /// Whether this engine leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Gives up the lead: nothing is decided any more. Returns what persons who wait are told.
    pub fn step_down(&mut self) -> Vec<Effect> {
        self.leads = false;
        let waiting = std::mem::take(&mut self.live.replies).into_iter();
        let told = waiting.map(|(id, PendingReply { mut lines, .. })| {
            let text = "another healer has taken the lead, and goes on with what is left".to_owned();
            lines.push(ReplyLine { resource: None, text, failed: true });
            Effect::Answer(Reply::new(id, true, lines))
        });
        told.collect()
    }

    /// Another healer leads: nothing is decided, not even what came in the same batch; persons are told so.
    fn nothing_any_more(&mut self, inputs: &[Input]) -> Decision {
        self.entries.clear();
        self.effects.clear();
        for input in inputs {
            if let Input::Commanded(command) = input {
                let text = "nothing was done: another healer has taken the lead".to_owned();
                let lines = vec![ReplyLine { resource: None, text, failed: true }];
                self.effects.push(Effect::Answer(Reply::new(command.id.clone(), false, lines)));
            }
        }
        self.decision()
    }

    /// The last event of an orderly end.
    pub fn end(&mut self, now: Now) -> Decision {
        self.now = now;
        self.emit(Event::Ended);
        self.decision()
    }

    /// When something must happen by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        if !self.leads {
            return None;
        }
        let acts = self.state.acts.iter().filter_map(|(id, act)| self.person_act_deadline(*id, act));
        self.live
            .deadlines
            .next()
            .into_iter()
            .chain(self.live.outbox_due)
            .chain(acts)
            .chain(self.queue_due())
            .chain(self.recovery_due())
            .chain(self.outlasts_due())
            .min()
    }

    /// What a performer must know of a resource the moment before it acts.
    #[must_use]
    pub fn standing(&self, resource: &ResourceId) -> Standing {
        let wanted = self.state.intents.get(resource).map_or(Wanted::Unknown, |intent| intent.wanted);
        let being_stopped =
            self.world.body(resource).is_some_and(|(incarnation, _)| self.is_told_to_end(incarnation, resource));
        Standing { wanted, being_stopped }
    }

    /// Whether somebody is perhaps ending a body at this moment.
    fn is_told_to_end(&self, incarnation: &Incarnation, resource: &ResourceId) -> bool {
        let here = SourceTime(self.now.wall.0.saturating_mul(1_000_000));
        self.watch.is_being_stopped(incarnation, self.by_clock_of(resource).unwrap_or(here))
    }

    /// Whether somebody is perhaps ending any body of a resource, or has ended it.
    pub(crate) fn a_body_is_told_to_end(&self, resource: &ResourceId) -> bool {
        self.world.claimants(resource).any(|incarnation| self.is_told_to_end(incarnation, resource))
    }

    /// When what is left alone, as far as it is known now.
    #[must_use]
    pub fn maintenance(&self) -> Vec<Maintained> {
        let tick = |wall: Wall| {
            let (ahead, behind) = (wall.since(self.now.wall), self.now.wall.since(wall));
            let back = u64::try_from(behind.as_millis()).unwrap_or(u64::MAX);
            Tick(self.now.tick.after(ahead).0.saturating_sub(back))
        };
        let windows = self.settings.maintenance.iter();
        windows.map(|w| Maintained { deployment: w.deployment.clone(), span: tick(w.from)..tick(w.until) }).collect()
    }

    /// What healer stops, or has stopped, in order to start it, and has not started yet.
    #[must_use]
    pub fn held_down(&self) -> BTreeSet<ResourceId> {
        let takes_down = |step: &&Step| step.pair != Pair::None || step.action == Action::Recreate;
        let acts = self.state.acts.values().map(|act| &act.permit.step).filter(takes_down);
        let queued = self.state.queue.iter().filter_map(|queued| queued.steps.first());
        let queued = queued.filter(|step| step.pair == Pair::Closes);
        let open = self.state.open_incidents().filter(|incident| self.pair_is_open(incident));
        let steps = acts.chain(queued).map(|step| step.resource.clone());
        steps.chain(open.map(|incident| incident.resource.clone())).collect()
    }

    /// How often the guard has refused a step for good, by the kind of its reason.
    #[must_use]
    pub fn refusals(&self) -> &BTreeMap<&'static str, u64> {
        &self.live.refusals
    }

    pub(crate) fn note_refusal(&mut self, refusal: &Refusal) {
        *self.live.refusals.entry(refusal.kind()).or_default() += 1;
    }

    /// How many turns happened to incidents that the table of `life` does not know. More than none is a fault of healer.
    #[must_use]
    pub fn illegal_turns(&self) -> u64 {
        self.live.illegal_turns
    }

    /// Whether the journal can be written with room to spare.
    #[must_use]
    pub fn is_store_full(&self) -> bool {
        self.store_full
    }

    fn decision(&mut self) -> Decision {
        let permit = |effect: &Effect| match effect {
            Effect::Execute(permit) => Some(permit.id),
            Effect::Look { .. }
            | Effect::Gather { .. }
            | Effect::BringUp(_)
            | Effect::CallOff(_)
            | Effect::Fetch(_)
            | Effect::Send(_)
            | Effect::Answer(_) => None,
        };
        self.live.given = self.effects.iter().filter_map(permit).collect();
        self.live.all = false;
        self.live.more_seen.clear();
        self.live.afresh.clear();
        self.live.wanted.clear();
        self.live.left_open.clear();
        Decision {
            entries: std::mem::take(&mut self.entries),
            effects: std::mem::take(&mut self.effects),
            touched: std::mem::take(&mut self.touched),
        }
    }

    /// Decides an event: it is folded in at once, so that what is decided next in this batch knows it.
    fn emit(&mut self, event: Event) {
        let entry = Entry { seq: self.state.seq + 1, version: VERSION, epoch: self.state.epoch, at: self.now, event };
        if let Some(resource) = entry.event.resource() {
            self.touched.insert(resource.clone());
            self.live.deadlines.moved.extend(self.state.latest.get(resource));
        }
        self.live.deadlines.moved.extend(entry.event.incident().map(|id| id.number));
        self.live.freed |= lets_go(&entry.event);
        self.live.outbox_changed |= matches!(entry.event, Event::MessageQueued { .. });
        self.state.apply(&entry);
        self.entries.push(entry);
    }

    /// Gives a permit: the event first, then the effect.
    fn start_action(&mut self, permit: Box<Permit>, step: usize, attempt: u32) {
        let attempt = if self.faults.attempt_not_counted { 0 } else { attempt };
        let within = permit.behalf.incident().filter(|_| attempt > 0).and_then(|id| self.within(id));
        self.emit(Event::ActionStarted { permit: permit.clone(), step, attempt, within });
        self.effects.push(Effect::Execute(permit));
    }
}

/// An act that was settled before its answer came.
struct Settled {
    resource: ResourceId,
    /// Of which incident.
    id: Option<IncidentId>,
    /// Who was asked to end, and when, as far as this act was taken for what asked.
    asked: Option<(Incarnation, SourceTime)>,
    /// At whose command it was started, if at one.
    started_for: Option<(CommandId, String)>,
}

/// Whether an event lets go of something that others may wait for: a lease, a free hand, a halt.
fn lets_go(event: &Event) -> bool {
    matches!(
        event,
        Event::ActionSettled { .. }
            | Event::Verified { .. }
            | Event::IncidentResolved { .. }
            | Event::Escalated { .. }
            | Event::PersonActed { .. }
            | Event::Acknowledged { .. }
    )
}

/// Whether a permit's act ends in something running, or opens the way to it: then the ledger must want it running.
#[must_use]
pub fn needs_wanted_running(permit: &Permit) -> bool {
    match (&permit.behalf, permit.step.action, permit.step.pair) {
        (Behalf::Person(_), Action::Start | Action::Stop | Action::Change(_), _)
        | (Behalf::Incident(_), Action::Stop, Pair::None | Pair::Closes) => false,
        // An update says nothing of whether it shall run.
        (Behalf::Person(_), Action::Recreate, _)
        | (Behalf::Incident(_), Action::Start | Action::Recreate, _)
        | (Behalf::Incident(_), Action::Stop, Pair::Opens) => true,
        // In order to start it, or to take back what did not help.
        (Behalf::Incident(_), Action::Change(_), _) => !permit.unhindered,
    }
}
