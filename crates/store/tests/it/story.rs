//! Entries as a healer writes them: incidents that are opened, diagnosed, mended, verified and told. Shared by the tests
//! and by the bench, so that what is measured is what is meant.

use std::collections::BTreeSet;

use model::action::{Action, Answer, Behalf, Pair, Permit, PermitId, Plan, Risk, Step, With};
use model::alert::{Alert, Name, State, Transition};
use model::event::{Entry, Event, VERSION};
use model::fact::{Happening, Incarnation, SourceTime, What};
use model::incident::{
    Case, Confidence, Diagnosis, Evidence, EvidenceId, Excerpt, IncidentId, Line, Mend, Outcome, Verification,
};
use model::message::{About, Kind, Message, MessageId, Severity};
use model::{Now, ResourceId, Tick, Wall};

/// How many entries one incident takes.
pub(crate) const ENTRIES_AN_INCIDENT: u64 = 12;

const BEGIN_WALL_MS: i64 = 1_763_900_000_000;

/// The entries of these numbers.
pub(crate) fn entries(epoch: u64, seqs: impl IntoIterator<Item = u64>) -> Vec<Entry> {
    seqs.into_iter().map(|seq| entry(epoch, seq, event(seq))).collect()
}

/// An entry of this number, a second after the one before it.
pub(crate) fn entry(epoch: u64, seq: u64, event: Event) -> Entry {
    let at = Now { wall: Wall(BEGIN_WALL_MS + seq.cast_signed() * 1_000), tick: Tick(seq * 1_000) };
    Entry { seq, version: VERSION, epoch, at, event }
}

/// The resource of the incident of this number: 40 of them take turns.
pub(crate) fn resource(incident: u64) -> ResourceId {
    ResourceId::docker("web-1", &format!("shop-{}", incident % 8), &format!("web-{}", incident % 5), 1)
}

/// The incident of this number.
pub(crate) fn incident(number: u64) -> IncidentId {
    IncidentId { instance: "web-1".into(), number }
}

fn event(seq: u64) -> Event {
    let number = (seq - 1) / ENTRIES_AN_INCIDENT + 1;
    let (id, resource, permit) = (incident(number), resource(number), PermitId(number));
    let until = Tick(seq * 1_000 + 30_000);
    let because = "exit code 1 after 3 h, and the log ends with an error".to_owned();
    match (seq - 1) % ENTRIES_AN_INCIDENT {
        0 => Event::AlertChanged(transition(&resource, State::Firing)),
        1 => Event::IncidentOpened { id, resource, alert: Name::ServiceDown, source_at: Some(SourceTime(1)), because },
        2 => Event::EvidenceAdded { id, evidence: evidence(1, "event", "die exitCode=1") },
        3 => {
            Event::EvidenceAdded { id, evidence: evidence(2, "log", "panicked at src/main.rs:41: connection refused") }
        }
        4 => Event::Diagnosed { id, diagnosis: diagnosis(), case: Box::new(case()) },
        5 => Event::Planned { id, plan: plan(&resource) },
        6 => Event::ActionStarted {
            permit: Box::new(given(permit, id, &resource, until)),
            step: 0,
            attempt: 1,
            within: None,
        },
        7 => Event::ActionAnswered { permit, resource, id: Some(id), answer: Answer::Done },
        8 => {
            let shown = "running since 14:01:23, healthcheck passes".to_owned();
            Event::ActionSettled {
                permit,
                resource,
                id: Some(id),
                shown,
                reached: true,
                source_at: Some(SourceTime(3)),
            }
        }
        9 => Event::Verified { id, result: Verification::Held, because: "ran and was healthy for 2 m".to_owned() },
        10 => Event::IncidentResolved { id, outcome: Outcome::Healed, because: "start, held for 2 m".to_owned() },
        _ => Event::MessageQueued { message: Box::new(message(number, id, resource)), channels: vec!["ops".into()] },
    }
}

pub(crate) fn transition(resource: &ResourceId, to: State) -> Transition {
    let alert = Alert { name: Name::ServiceDown, resource: resource.clone() };
    Transition { alert, to, because: "exited with code 1".to_owned(), instead: None }
}

pub(crate) fn evidence(number: u32, source: &str, text: &str) -> Evidence {
    Evidence { id: EvidenceId(number), source: source.to_owned(), text: text.to_owned() }
}

pub(crate) fn diagnosis() -> Diagnosis {
    Diagnosis {
        cause: "own_error".to_owned(),
        title: "it crashed by an error of its own".to_owned(),
        issue_type: "service_down".to_owned(),
        confidence: Confidence::Sure,
        evidence: vec![EvidenceId(1), EvidenceId(2)],
        because: "exit code 1 and a telling line of the log".to_owned(),
        mend: Mend::Start,
    }
}

pub(crate) fn case() -> Case {
    let happened = |at, what| Happening { at: SourceTime(at), what };
    let line = |text: &str, telling| Line { text: text.to_owned(), times: 1, telling, complaint: None };
    Case {
        alerts: vec![Name::ServiceDown],
        incarnation: Incarnation("4b1c0a7d2e9f4b1c0a7d2e9f4b1c0a7d2e9f4b1c0a7d2e9f4b1c0a7d2e9f0000".into()),
        look: None,
        happenings: vec![happened(1, What::Started), happened(2, What::Died { code: 1 })],
        log: Some(Excerpt {
            lines: vec![line("panicked at src/main.rs:41: connection refused", true), line("bye", false)],
            read_lines: 200,
            cut: true,
        }),
        is_job: false,
        runner: model::incident::Runner::Engine,
        ended_by_us: false,
        ended_with: None,
        network: None,
        deploy: None,
        sibling: None,
        port_kept_by: None,
    }
}

pub(crate) fn step(resource: &ResourceId) -> Step {
    Step {
        action: Action::Start,
        resource: resource.clone(),
        pair: Pair::None,
        timeout_ms: 30_000,
        with: With::Nothing,
    }
}

pub(crate) fn plan(resource: &ResourceId) -> Plan {
    Plan { playbook: "start".to_owned(), steps: vec![step(resource)], risk: Risk::Safe, may_fail: 3 }
}

pub(crate) fn given(id: PermitId, incident: IncidentId, resource: &ResourceId, until: Tick) -> Permit {
    Permit {
        id,
        epoch: 1,
        behalf: Behalf::Incident(incident),
        step: step(resource),
        incarnation: Incarnation("4b1c0a7d2e9f".into()),
        ran: false,
        leases: BTreeSet::from([resource.clone()]),
        unhindered: false,
        given: Now::default(),
        until,
    }
}

pub(crate) fn message(number: u64, incident: IncidentId, resource: ResourceId) -> Message {
    Message {
        id: MessageId(number),
        title: format!("{} crashed and runs again", resource.short()),
        about: About::Incident { incident, resource },
        kind: Kind::Healed,
        severity: Severity::Info,
        story: vec!["14:01:22 died: exit code 1".to_owned(), "14:01:23 started, held for 2 m".to_owned()],
        next: vec![],
        asks: None,
        at: Wall(BEGIN_WALL_MS),
    }
}
