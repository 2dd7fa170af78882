//! The journal: what was decided and what came of it, in the past tense. Intents, budgets, incidents, acts under way and
//! the outbox are folds of these and of nothing else.
//!
//! A field may be added with a default; anything else needs a new [`VERSION`] and a reader of the old one. Old journals
//! are kept as fixtures and must load.

mod about;

use serde::{Deserialize, Serialize};

use crate::action::{Answer, Binding, Permit, PermitId, Plan};
use crate::alert::{self, Transition};
use crate::command::{Ask, CommandId};
use crate::fact::{Incarnation, SourceTime};
use crate::incident::{Case, Diagnosis, Escalation, Evidence, IncidentId, Outcome, RollbackCause, Verification};
use crate::input::SourceState;
use crate::intent::Intent;
use crate::make::Make;
use crate::message::{About, Message, MessageId};
use crate::recovery::{EngineStart, RecoveryId, Restarted};
use crate::resource::ResourceId;
use crate::time::{Now, Tick};
use crate::verdict::{Hold, Question, Within};

/// The version of the journal's format that this program writes.
pub const VERSION: u32 = 1;

/// An event as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The format's version.
    pub version: u32,
    /// The leader that wrote it.
    pub epoch: u64,
    /// When.
    pub at: Now,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A process took the lead. Everything that was seen before is the past.
    Started {
        /// The program's version.
        version: String,
        /// The instance's name.
        instance: String,
    },
    /// The process ended in order.
    Ended,
    /// The wall clock jumped.
    ClockJumped {
        /// Positive: forward.
        by_ms: i64,
    },
    /// A source's standing changed (its listings are not recorded).
    SourceChanged {
        /// Which source.
        source: String,
        /// To what.
        state: SourceState,
    },
    /// An engine came back after a restart: what should run is brought back, in order, and told once.
    RecoveryBegan {
        /// Its number.
        id: RecoveryId,
        /// Of which source.
        source: String,
        /// What was restarted.
        restarted: Restarted,
        /// To which start of the engine.
        start: EngineStart,
        /// Whether each resource's first start is outside of the budgets of its groups: not so if it restarts again and
        /// again.
        exempt: bool,
    },
    /// All is seen, and what the engine starts by itself is started.
    RecoveryPlanned {
        /// Its number.
        id: RecoveryId,
        /// Of which source.
        source: String,
        /// What should run and does not.
        down: Vec<ResourceId>,
        /// What the engine has brought back by itself; it is only verified.
        back: Vec<ResourceId>,
    },
    /// All that it was about is settled, or has taken too long.
    RecoveryEnded {
        /// Its number.
        id: RecoveryId,
        /// Of which source.
        source: String,
        /// What came of it.
        outcome: crate::recovery::Outcome,
    },
    /// The ledger has a new last word.
    IntentChanged {
        /// Of what.
        resource: ResourceId,
        /// The word.
        intent: Intent,
    },
    /// Somebody else asks it to end, and it still runs: if it is seen down next, that was their wish, even if a later
    /// process, or an engine that forgot, is asked.
    StopBegan {
        /// What.
        resource: ResourceId,
        /// Which body of it.
        incarnation: Incarnation,
        /// When, by the source's clock.
        at: SourceTime,
        /// The signal, where it is known.
        signal: Option<u8>,
    },
    /// It ended, and nobody had asked for that but healer. A later process does not judge this end anew, by less.
    EndedUnasked {
        /// What.
        resource: ResourceId,
        /// Which body of it.
        incarnation: Incarnation,
        /// When, by the source's clock.
        at: SourceTime,
    },
    /// Somebody else started it so soon after a crash that it was no person: another healer.
    RevivedByAnother {
        /// What.
        resource: ResourceId,
    },
    /// The resource has a fresh budget.
    BudgetRefreshed {
        /// Which.
        resource: ResourceId,
        /// Why.
        because: Refresh,
    },
    /// An alert changed.
    AlertChanged(Transition),
    /// An incident began.
    IncidentOpened {
        /// Its id.
        id: IncidentId,
        /// Of what.
        resource: ResourceId,
        /// By which alert.
        alert: alert::Name,
        /// When by the source's clock, where it is known.
        source_at: Option<SourceTime>,
        /// What was seen.
        because: String,
    },
    /// Another alert joined it.
    AlertJoined {
        /// Which incident.
        id: IncidentId,
        /// Which alert.
        alert: alert::Name,
        /// What was seen.
        because: String,
    },
    /// Something was found that bears on it.
    EvidenceAdded {
        /// Which incident.
        id: IncidentId,
        /// What.
        evidence: Evidence,
    },
    /// The rules spoke.
    Diagnosed {
        /// Which incident.
        id: IncidentId,
        /// What they said.
        diagnosis: Diagnosis,
        /// On which facts.
        case: Box<Case>,
    },
    /// A plan was made.
    Planned {
        /// Which incident.
        id: IncidentId,
        /// The plan.
        plan: Plan,
    },
    /// Nothing is done at present.
    Held {
        /// Which incident.
        id: IncidentId,
        /// Why.
        reason: Hold,
        /// Until it is asked again.
        until: Tick,
    },
    /// It is looked at anew.
    DiagnosisBegan {
        /// Which incident.
        id: IncidentId,
        /// Why.
        because: String,
        /// After this the rules answer with what they have.
        until: Tick,
    },
    /// A person is asked.
    ApprovalAsked {
        /// Which incident.
        id: IncidentId,
        /// Why a person.
        question: Question,
        /// The body that is asked about.
        binds: Option<Binding>,
        /// Until when.
        until: Tick,
    },
    /// A person said yes, or no.
    ApprovalAnswered {
        /// Which incident.
        id: IncidentId,
        /// Who.
        by: String,
        /// What.
        approved: bool,
        /// Why.
        because: String,
    },
    /// The question is no longer needed.
    ApprovalWithdrawn {
        /// Which incident.
        id: IncidentId,
        /// Why.
        because: String,
    },
    /// A permit was given: from here on the act may be under way.
    ActionStarted {
        /// The permit.
        permit: Box<Permit>,
        /// For an incident: which step, from 0.
        step: usize,
        /// Which attempt on this resource within its window, from 1; 0 for what is not counted.
        attempt: u32,
        /// The budgets that it was found to be within, for what is counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Within>,
    },
    /// The performer answered.
    ActionAnswered {
        /// Which permit.
        permit: PermitId,
        /// Of which resource.
        resource: ResourceId,
        /// Of which incident, if of one.
        id: Option<IncidentId>,
        /// What it said.
        answer: Answer,
    },
    /// A look after the answer, or after the deadline, settled it.
    ActionSettled {
        /// Which permit.
        permit: PermitId,
        /// Of which resource.
        resource: ResourceId,
        /// Of which incident, if of one.
        id: Option<IncidentId>,
        /// What the look showed, in words.
        shown: String,
        /// When the look was taken, by the source's clock; `None` if none could be taken.
        source_at: Option<SourceTime>,
        /// Whether the step's end was reached.
        reached: bool,
    },
    /// The look that settles an act has not come: it was asked for again.
    LookRepeated {
        /// Which permit.
        permit: PermitId,
        /// Of which incident, if of one.
        id: Option<IncidentId>,
        /// Until when it is waited for.
        until: Tick,
    },
    /// Verification of a step began.
    VerificationBegan {
        /// Which incident.
        id: IncidentId,
        /// Which step, from 0.
        step: usize,
        /// Until when it must hold; or when the start is asked anew that closes an opened pair.
        until: Tick,
        /// What holds that start back.
        #[serde(default)]
        waits: Option<Hold>,
    },
    /// Its end was put off.
    VerificationExtended {
        /// Which incident.
        id: IncidentId,
        /// Until when.
        until: Tick,
        /// By a late alert (else: since nothing could be told).
        by_alert: bool,
    },
    /// Verification ended.
    Verified {
        /// Which incident.
        id: IncidentId,
        /// How.
        result: Verification,
        /// By what, in words.
        because: String,
    },
    /// What was done is taken back; the permit is in the `ActionStarted` that follows.
    RollbackBegan {
        /// Which incident.
        id: IncidentId,
        /// By which permit.
        permit: PermitId,
        /// Why.
        because: RollbackCause,
        /// Until it is looked at.
        until: Tick,
    },
    /// The rollback is looked at once more.
    RollbackExtended {
        /// Which incident.
        id: IncidentId,
        /// Until when.
        until: Tick,
    },
    /// The owner wants it stopped, and a step is under way: obeyed after the step.
    OwnerStopNoted {
        /// Which incident.
        id: IncidentId,
    },
    /// A person has to see to it.
    Escalated {
        /// Which incident.
        id: IncidentId,
        /// Why.
        reason: Escalation,
        /// Which level is told, from 0.
        level: u32,
        /// When the next one is.
        until: Tick,
    },
    /// A person did something about the resource.
    PersonActed {
        /// Which incident.
        id: IncidentId,
        /// By what.
        by: String,
    },
    /// A person took it.
    Acknowledged {
        /// Which incident.
        id: IncidentId,
        /// Who.
        by: String,
    },
    /// It is over.
    IncidentResolved {
        /// Which incident.
        id: IncidentId,
        /// How.
        outcome: Outcome,
        /// By what, in words.
        because: String,
    },
    /// It came back.
    IncidentReopened {
        /// Which incident.
        id: IncidentId,
        /// By which alert.
        alert: alert::Name,
        /// What was seen.
        because: String,
    },
    /// A person's command was taken up.
    CommandTaken {
        /// Its id.
        id: CommandId,
        /// Who.
        who: String,
        /// What.
        ask: Ask,
    },
    /// A person's act on one resource waits for what has hold of it.
    CommandQueued {
        /// Which command.
        id: CommandId,
        /// Who.
        who: String,
        /// What remains to be done, in order.
        steps: Vec<crate::action::Step>,
    },
    /// A queued command came to its turn, or lost its reason.
    CommandDequeued {
        /// Which command.
        id: CommandId,
        /// Of which resource.
        resource: ResourceId,
    },
    /// A body was seen that an order of ours has made.
    BodyMade {
        /// Which order.
        permit: PermitId,
        /// Of which resource.
        resource: ResourceId,
        /// The new body.
        incarnation: Incarnation,
    },
    /// What stands for a resource is made of this.
    MadeOf {
        /// Which resource.
        resource: ResourceId,
        /// Of what.
        make: Box<Make>,
        /// What it was made of until then, as far as that is known.
        before: Option<Box<Make>>,
        /// Who had healer make it so, if somebody had.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The body that an order of ours has made was started.
    BodyStarted {
        /// Which body.
        incarnation: Incarnation,
        /// By when.
        at: SourceTime,
    },
    /// Compose is to make and start a deployment that has no containers.
    BringUpOrdered {
        /// What, and at whose word.
        order: Box<crate::folder::BringUp>,
    },
    /// Somebody wants a deployment stopped that Compose is bringing up: that is ended, and what runs by then is stopped.
    BringUpCalledOff {
        /// The command that had asked for it.
        order: CommandId,
        /// The command that says so.
        id: CommandId,
        /// Who gave it.
        who: String,
    },
    /// Compose has made and started a deployment that had no containers, or could not.
    BroughtUp {
        /// At whose command.
        id: CommandId,
        /// On which host.
        host: String,
        /// Which.
        deployment: String,
        /// Why it could not; `None` where it could.
        failed: Option<String>,
    },
    /// The image of a service is to be fetched anew, and the service made of that if it is a newer one.
    UpdateOrdered {
        /// Of what, and at whose word.
        order: Box<crate::update::Update>,
    },
    /// An image was fetched for an update, or could not be.
    ImageFetched {
        /// At whose command.
        id: CommandId,
        /// Of which service.
        resource: ResourceId,
        /// What came of it.
        result: crate::update::Fetched,
    },
    /// The big red button.
    Frozen {
        /// Who.
        by: String,
        /// Why.
        because: String,
    },
    /// The freeze is over.
    Thawed {
        /// Who.
        by: String,
    },
    /// A message is to be told, through each of these channels.
    MessageQueued {
        /// The message.
        message: Box<Message>,
        /// The channels.
        channels: Vec<String>,
    },
    /// A channel took it.
    MessageDelivered {
        /// Which.
        id: MessageId,
        /// What it tells of.
        #[serde(default)]
        about: Option<About>,
        /// Which channel.
        channel: String,
    },
    /// A channel did not take it yet.
    MessageDelayed {
        /// Which.
        id: MessageId,
        /// What it tells of.
        #[serde(default)]
        about: Option<About>,
        /// Which channel.
        channel: String,
        /// How many tries were made.
        attempts: u32,
        /// When the next one is due.
        next: Tick,
        /// Why.
        because: String,
    },
    /// A channel never will.
    MessageGivenUp {
        /// Which.
        id: MessageId,
        /// What it tells of.
        #[serde(default)]
        about: Option<About>,
        /// Which channel.
        channel: String,
        /// Why.
        because: String,
    },
    /// A resource that healer knew is no more.
    ResourceGone {
        /// Which.
        resource: ResourceId,
        /// Its last body.
        incarnation: Incarnation,
    },
}

/// Why a budget is fresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// A person said `start` to healer.
    Person(String),
    /// Somebody started it at the engine.
    StartedAtTheEngine,
    /// It is made of something else.
    DefinitionChanged,
}

impl Event {
    /// The event's name, as it stands in the journal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Started { .. } => "started",
            Event::Ended => "ended",
            Event::ClockJumped { .. } => "clock_jumped",
            Event::SourceChanged { .. } => "source_changed",
            Event::RecoveryBegan { .. } => "recovery_began",
            Event::RecoveryPlanned { .. } => "recovery_planned",
            Event::RecoveryEnded { .. } => "recovery_ended",
            Event::IntentChanged { .. } => "intent_changed",
            Event::StopBegan { .. } => "stop_began",
            Event::EndedUnasked { .. } => "ended_unasked",
            Event::RevivedByAnother { .. } => "revived_by_another",
            Event::BudgetRefreshed { .. } => "budget_refreshed",
            Event::AlertChanged(_) => "alert_changed",
            Event::IncidentOpened { .. } => "incident_opened",
            Event::AlertJoined { .. } => "alert_joined",
            Event::EvidenceAdded { .. } => "evidence_added",
            Event::Diagnosed { .. } => "diagnosed",
            Event::Planned { .. } => "planned",
            Event::Held { .. } => "held",
            Event::DiagnosisBegan { .. } => "diagnosis_began",
            Event::ApprovalAsked { .. } => "approval_asked",
            Event::ApprovalAnswered { .. } => "approval_answered",
            Event::ApprovalWithdrawn { .. } => "approval_withdrawn",
            Event::ActionStarted { .. } => "action_started",
            Event::ActionAnswered { .. } => "action_answered",
            Event::ActionSettled { .. } => "action_settled",
            Event::LookRepeated { .. } => "look_repeated",
            Event::VerificationBegan { .. } => "verification_began",
            Event::VerificationExtended { .. } => "verification_extended",
            Event::Verified { .. } => "verified",
            Event::RollbackBegan { .. } => "rollback_began",
            Event::RollbackExtended { .. } => "rollback_extended",
            Event::OwnerStopNoted { .. } => "owner_stop_noted",
            Event::Escalated { .. } => "escalated",
            Event::PersonActed { .. } => "person_acted",
            Event::Acknowledged { .. } => "acknowledged",
            Event::IncidentResolved { .. } => "incident_resolved",
            Event::IncidentReopened { .. } => "incident_reopened",
            Event::CommandTaken { .. } => "command_taken",
            Event::CommandQueued { .. } => "command_queued",
            Event::CommandDequeued { .. } => "command_dequeued",
            Event::BodyMade { .. } => "body_made",
            Event::MadeOf { .. } => "made_of",
            Event::BodyStarted { .. } => "body_started",
            Event::BringUpOrdered { .. } => "bring_up_ordered",
            Event::BringUpCalledOff { .. } => "bring_up_called_off",
            Event::BroughtUp { .. } => "brought_up",
            Event::UpdateOrdered { .. } => "update_ordered",
            Event::ImageFetched { .. } => "image_fetched",
            Event::Frozen { .. } => "frozen",
            Event::Thawed { .. } => "thawed",
            Event::MessageQueued { .. } => "message_queued",
            Event::MessageDelivered { .. } => "message_delivered",
            Event::MessageDelayed { .. } => "message_delayed",
            Event::MessageGivenUp { .. } => "message_given_up",
            Event::ResourceGone { .. } => "resource_gone",
        }
    }
}
