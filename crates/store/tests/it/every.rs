//! One event of every kind there is, some of them as hostile as labels, names and logs can be.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::action::{Answer, Asked, Binding, PermitId, PlanKey, Retag};
use model::alert::{Name, State};
use model::command::{Ask, CommandId};
use model::event::{Event, Refresh};
use model::fact::{
    Belongs, Condition, Definition, Dependency, Exit, Generation, Health, Incarnation, Kept, Look, RestartPolicy, Run,
    SourceTime,
};
use model::folder::{BringUp, Folder};
use model::incident::{Escalation, Outcome, RollbackCause, Verification};
use model::input::SourceState;
use model::intent::{Author, Intent, Wanted};
use model::make::Make;
use model::message::{About, Asks, Message, MessageId};
use model::recovery::{self, EngineStart, Failure, RecoveryId, Restarted};
use model::update::{Fetched, Source, Update};
use model::verdict::{Hold, Limit, Question, Refusal, Within};
use model::{Now, ResourceId, Tick, Wall};

use crate::story;

/// What hostile people write where a name, a reason or a line of a log is expected.
pub(crate) const HOSTILE: &str =
    "'; DROP TABLE events; -- \" \\ \0 \u{1b}[31m \r\n \u{202e}gnp \u{2028} <script>&amp; {\"a\":1} %s ${PATH} 🩹";

/// All kinds of events, in the order in which the model lists them, but for the first and the last word of a process.
pub(crate) fn events() -> Vec<Event> {
    let mut all = vec![Event::Started { version: "0.1.0".to_owned(), instance: "web-1".to_owned() }];
    all.extend(of_the_world());
    all.extend(of_deciding());
    all.extend(of_acting());
    all.extend(of_people());
    all.extend(of_telling());
    all.push(Event::Ended);
    all
}

fn resource() -> ResourceId {
    ResourceId::docker("web-1", "shop", HOSTILE, 2)
}

fn hostile() -> String {
    HOSTILE.to_owned()
}

fn of_the_world() -> Vec<Event> {
    let resource = resource();
    let intent = Intent {
        wanted: Wanted::Running,
        by: Author::Person(hostile()),
        at: Now::default(),
        source_at: Some(SourceTime(i64::MIN)),
        because: hostile(),
    };
    let incarnation = Incarnation("4b1c0a7d2e9f".into());
    let present = vec![(resource.clone(), incarnation.clone())];
    vec![
        Event::ClockJumped { by_ms: i64::MIN },
        Event::SourceChanged { source: hostile(), state: SourceState::Unreachable { because: hostile(), down: true } },
        Event::SourceChanged { source: "web-1".to_owned(), state: SourceState::Closing },
        Event::SourceChanged {
            source: "web-1".to_owned(),
            state: SourceState::Listed { generation: Generation(u64::MAX), present },
        },
        Event::IntentChanged { resource: resource.clone(), intent },
        Event::RecoveryBegan {
            id: recovery_id(),
            source: hostile(),
            restarted: Restarted::Host,
            start: EngineStart { boot: Some(hostile()), at: Some(SourceTime(i64::MIN)), ..EngineStart::default() },
            exempt: true,
        },
        Event::RecoveryPlanned { id: recovery_id(), source: hostile(), down: vec![resource.clone()], back: Vec::new() },
        Event::RecoveryEnded {
            id: recovery_id(),
            source: hostile(),
            outcome: recovery::Outcome {
                recovered: vec![resource.clone()],
                left: Vec::new(),
                failed: vec![Failure { resource: resource.clone(), because: hostile() }],
            },
        },
        Event::StopBegan {
            resource: resource.clone(),
            incarnation: incarnation.clone(),
            at: SourceTime(i64::MAX),
            signal: Some(u8::MAX),
        },
        Event::EndedUnasked { resource: resource.clone(), incarnation: incarnation.clone(), at: SourceTime(i64::MIN) },
        Event::BudgetRefreshed { resource: resource.clone(), because: Refresh::Person(hostile()) },
        Event::BudgetRefreshed { resource: resource.clone(), because: Refresh::DefinitionChanged },
        Event::RevivedByAnother { resource: resource.clone() },
        Event::AlertChanged(story::transition(&resource, State::Resolved)),
        Event::ResourceGone { resource, incarnation },
    ]
}

fn recovery_id() -> RecoveryId {
    RecoveryId { instance: hostile().into(), number: u64::MAX }
}

fn binding() -> Binding {
    Binding { incarnation: Incarnation("4b1c".into()), image_id: hostile(), config_hash: hostile() }
}

fn asked() -> Asked {
    Asked { incident: story::incident(41), plan: PlanKey(hostile()), binds: Some(binding()), until: Tick(u64::MAX) }
}

fn of_deciding() -> Vec<Event> {
    let (resource, id) = (resource(), story::incident(41));
    let id = || id.clone();
    let until = Tick(u64::MAX);
    let case = model::incident::Case { look: Some(look()), ..story::case() };
    let limit = Limit { count: 3, window_ms: 1_800_000 };
    let alert = Name::Unhealthy;
    vec![
        Event::IncidentOpened { id: id(), resource: resource.clone(), alert, source_at: None, because: hostile() },
        Event::AlertJoined { id: id(), alert, because: hostile() },
        Event::EvidenceAdded { id: id(), evidence: story::evidence(u32::MAX, "log", HOSTILE) },
        Event::Diagnosed { id: id(), diagnosis: story::diagnosis(), case: Box::new(case) },
        Event::Planned { id: id(), plan: story::plan(&resource) },
        Event::Held { id: id(), reason: Hold::GroupBudget { group: hostile(), limit }, until },
        Event::DiagnosisBegan { id: id(), because: hostile(), until },
        Event::ApprovalAsked { id: id(), question: Question::Policy, binds: Some(binding()), until },
        Event::ApprovalAnswered { id: id(), by: hostile(), approved: true, because: hostile() },
        Event::ApprovalWithdrawn { id: id(), because: hostile() },
        Event::VerificationBegan { id: id(), step: usize::MAX, until, waits: None },
        Event::VerificationBegan { id: id(), step: usize::MAX, until, waits: Some(Hold::Storm) },
        Event::VerificationExtended { id: id(), until, by_alert: true },
        Event::Verified { id: id(), result: Verification::Inconclusive, because: hostile() },
        Event::OwnerStopNoted { id: id() },
        Event::Escalated {
            id: id(),
            reason: Escalation::Refused(Refusal::BudgetSpent { attempts: 3, limit }),
            level: 1,
            until,
        },
        Event::IncidentReopened { id: id(), alert, because: hostile() },
        Event::IncidentResolved { id: id(), outcome: Outcome::MergedInto(story::incident(40)), because: hostile() },
    ]
}

fn of_acting() -> Vec<Event> {
    let (resource, id, permit) = (resource(), story::incident(41), PermitId(u64::MAX));
    let until = Tick(7);
    vec![
        Event::ActionStarted {
            permit: Box::new(story::given(permit, id.clone(), &resource, until)),
            step: 1,
            attempt: u32::MAX,
            within: None,
        },
        Event::ActionStarted {
            permit: Box::new(story::given(permit, id.clone(), &resource, until)),
            step: 1,
            attempt: u32::MAX,
            within: Some(Within {
                attempts: Limit { count: u32::MAX, window_ms: u64::MAX },
                host_steps: 7,
                host: Limit { count: 1, window_ms: 1 },
            }),
        },
        Event::ActionAnswered {
            permit,
            resource: resource.clone(),
            id: Some(id.clone()),
            answer: Answer::Failed(hostile()),
        },
        Event::ActionSettled { permit, resource, id: None, shown: hostile(), reached: false, source_at: None },
        Event::LookRepeated { permit, id: Some(id.clone()), until },
        Event::RollbackBegan { id: id.clone(), permit, because: RollbackCause::OwnerStopped, until },
        Event::RollbackExtended { id, until },
    ]
}

fn made() -> Make {
    Make { image: hostile(), image_id: hostile(), config_hash: hostile() }
}

fn folder() -> Folder {
    Folder { host: hostile(), deployment: hostile(), path: hostile(), domains: vec![hostile()], flaw: Some(hostile()) }
}

fn of_people() -> Vec<Event> {
    let (resource, command) = (resource(), CommandId(hostile()));
    let taken = |ask| Event::CommandTaken { id: CommandId(HOSTILE.to_owned()), who: HOSTILE.to_owned(), ask };
    vec![
        Event::Acknowledged { id: story::incident(41), by: hostile() },
        Event::PersonActed { id: story::incident(41), by: hostile() },
        taken(Ask::Stop(hostile())),
        taken(Ask::Reject { incident: story::incident(41), because: hostile() }),
        taken(Ask::Thaw),
        taken(Ask::Pull(hostile())),
        taken(Ask::Rebuild(hostile())),
        taken(Ask::Answer { question: Box::new(asked()), approved: false, because: hostile() }),
        Event::CommandQueued { id: command.clone(), who: hostile(), steps: vec![story::step(&resource)] },
        Event::CommandDequeued { id: command.clone(), resource: resource.clone() },
        Event::BodyMade { permit: PermitId(9), resource: resource.clone(), incarnation: Incarnation("cafe".into()) },
        Event::MadeOf {
            resource: resource.clone(),
            make: Box::new(made()),
            before: Some(Box::new(made())),
            by: Some(hostile()),
        },
        Event::BodyStarted { incarnation: Incarnation("cafe".into()), at: SourceTime(i64::MAX) },
        Event::BringUpOrdered {
            order: Box::new(BringUp { command: command.clone(), who: hostile(), at: Wall(1), folder: folder() }),
        },
        Event::BringUpCalledOff { order: command.clone(), id: CommandId("c2".into()), who: hostile() },
        Event::BroughtUp { id: command.clone(), host: hostile(), deployment: hostile(), failed: Some(hostile()) },
        Event::UpdateOrdered {
            order: Box::new(Update {
                command: command.clone(),
                who: hostile(),
                resource: resource.clone(),
                incarnation: Incarnation("cafe".into()),
                source: Source::Build,
            }),
        },
        Event::ImageFetched { id: command.clone(), resource: resource.clone(), result: Fetched::Failed(hostile()) },
        Event::ImageFetched { id: command, resource, result: Fetched::Newer(Box::new(retag())) },
        Event::Frozen { by: hostile(), because: hostile() },
        Event::Thawed { by: hostile() },
    ]
}

fn retag() -> Retag {
    let [name, to, from, config_hash, from_config_hash] = std::array::from_fn(|_| hostile());
    Retag { name, to, from, config_hash, from_config_hash }
}

fn of_telling() -> Vec<Event> {
    let (id, channel) = (MessageId(1), HOSTILE);
    let asks = Some(Box::new(Asks { question: asked(), expires: Wall(i64::MIN) }));
    let asking = Box::new(Message { asks, ..story::message(1, story::incident(41), resource()) });
    let message = Box::new(story::message(1, story::incident(41), resource()));
    let about = About::Notice { instance: hostile().into(), notice: id, host: hostile(), resource: Some(resource()) };
    vec![
        Event::MessageQueued { message: message.clone(), channels: vec![hostile(), String::new()] },
        Event::MessageQueued { message: asking, channels: vec![hostile()] },
        Event::MessageDelivered { id, about: None, channel: channel.to_owned() },
        Event::MessageDelivered { id, about: Some(message.about.clone()), channel: channel.to_owned() },
        Event::MessageDelayed {
            id,
            about: None,
            channel: channel.to_owned(),
            attempts: 2,
            next: Tick(u64::MAX),
            because: hostile(),
        },
        Event::MessageGivenUp { id, about: None, channel: channel.to_owned(), because: hostile() },
        Event::MessageGivenUp { id, about: Some(about), channel: channel.to_owned(), because: hostile() },
    ]
}

fn look() -> Look {
    Look {
        at: SourceTime(5),
        run: Run::Exited,
        started: Some(SourceTime(1)),
        exit: Some(Exit { at: SourceTime(4), code: 137, oom: true, error: hostile(), start_error: None }),
        health: Health::Unhealthy,
        health_output: hostile(),
        check_lacks: None,
        restarts: u32::MAX,
        manually_stopped: None,
        kept: Some(Kept { complete: true, source_started_since: false, happenings: story::case().happenings }),
        lost_networks: Vec::new(),
        disk: None,
        probe: None,
        definition: Arc::new(definition()),
    }
}

fn definition() -> Definition {
    Definition {
        name: hostile(),
        image: hostile(),
        image_id: "sha256:00".to_owned(),
        config_hash: String::new(),
        belongs: Belongs::Owned(hostile()),
        restart_policy: RestartPolicy::OnFailure(3),
        depends_on: vec![Dependency { service: hostile(), condition: Condition::CompletedSuccessfully }],
        network_parent: Some(resource()),
        network_body: None,
        replaces: None,
        is_orphan: false,
        stops_by_kill: false,
        stop_timeout_s: -1,
        memory_limit_bytes: u64::MAX,
        anonymous_volume: false,
        removed_at_end: false,
        labels: BTreeSet::from([hostile(), "a=b".to_owned()]),
        healers_own: None,
        host_paths: Default::default(),
    }
}
