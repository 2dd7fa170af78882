//! What can be counted, as OpenMetrics.
//!
//! Gauges are the status at the moment of the scrape. Counters are the journal's events since this process opened its
//! surfaces, read beside the loop at each scrape: so nothing is counted that did not happen, and nothing that did is
//! counted on the way of a decision.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use model::action::Answer;
use model::command::Ask;
use model::event::{Entry, Event};
use model::incident::{Escalation, Outcome};
use model::view::{Incident, Standing, Status};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use store::Reader;
use store::reader::{PAGE_MAX, Query};

type Labels = Vec<(&'static str, String)>;

/// The phases in which an incident is open.
const OPEN_PHASES: [&str; 8] =
    ["diagnosing", "planning", "held", "awaiting_approval", "acting", "verifying", "rolling_back", "escalated"];

const STANDINGS: [Standing; 10] = [
    Standing::NeedsYou,
    Standing::Healing,
    Standing::Held,
    Standing::Unknown,
    Standing::Unseen,
    Standing::Well,
    Standing::Stopped,
    Standing::Absent,
    Standing::Done,
    Standing::Watched,
];

/// The counters.
#[derive(Debug, Clone, Default)]
struct Counters {
    opened: Family<Labels, Counter>,
    reopened: Counter,
    resolved: Family<Labels, Counter>,
    holds: Family<Labels, Counter>,
    escalations: Family<Labels, Counter>,
    actions: Family<Labels, Counter>,
    answers: Family<Labels, Counter>,
    alerts: Family<Labels, Counter>,
    commands: Family<Labels, Counter>,
    messages: Family<Labels, Counter>,
    events: Counter,
}

/// The counters, and how far they have counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    counters: Counters,
    /// The last entry that was counted; `None` until the journal could be read.
    counted: Mutex<Option<u64>>,
}

impl Metrics {
    /// Counts what the journal will hold beyond what it holds already.
    pub(crate) fn from_here_on(state_dir: &Path) -> Metrics {
        let counted = Reader::open(state_dir).and_then(|reader| last(&reader)).ok();
        Metrics { counters: Counters::default(), counted: Mutex::new(counted) }
    }

    /// Counts on to the journal's end.
    pub(crate) fn count(&self, reader: &Reader) -> Result<(), store::Error> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = match *counted {
            Some(seq) => seq,
            // Nothing is known of what was there at the start: what is there at present is the start.
            None => last(reader)?,
        };
        *counted = Some(after);
        loop {
            let query = Query { after_seq: Some(after), limit: PAGE_MAX, ..Query::default() };
            let page = reader.entries(&query)?;
            for entry in &page.entries {
                self.counters.count(&entry.event);
                after = entry.seq;
            }
            *counted = Some(after);
            if page.next.is_none() {
                return Ok(());
            }
        }
    }

    /// Everything, as text.
    pub(crate) fn told(&self, status: &Status, incidents: &[Incident]) -> String {
        let mut registry = Registry::with_prefix("healer");
        self.counters.register(&mut registry);
        let last = self.counted.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_default();
        gauges(&mut registry, status, incidents, last);
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a String cannot fail");
        text
    }
}

fn last(reader: &Reader) -> Result<u64, store::Error> {
    let query = Query { newest_first: true, limit: 1, ..Query::default() };
    Ok(reader.entries(&query)?.entries.first().map_or(0, |entry: &Entry| entry.seq))
}

impl Counters {
    fn count(&self, event: &Event) {
        self.events.inc();
        match event {
            Event::IncidentOpened { alert, .. } => add(&self.opened, [("alert", alert.as_str())]),
            Event::IncidentReopened { .. } => {
                self.reopened.inc();
            }
            Event::IncidentResolved { outcome, .. } => add(&self.resolved, [("outcome", of_outcome(outcome))]),
            Event::Held { reason, .. } => add(&self.holds, [("reason", reason.kind())]),
            Event::Escalated { reason, level: 0, .. } => add(&self.escalations, [("reason", of_escalation(reason))]),
            Event::ActionStarted { permit, .. } => {
                add(&self.actions, [("action", &*permit.step.action.to_string())]);
            }
            Event::ActionAnswered { answer, .. } => add(&self.answers, [("answer", of_answer(answer))]),
            Event::AlertChanged(change) => {
                add(&self.alerts, [("alert", change.alert.name.as_str()), ("state", &*word(&change.to))]);
            }
            Event::CommandTaken { ask, .. } => add(&self.commands, [("ask", of_ask(ask))]),
            Event::MessageDelivered { channel, .. } => {
                add(&self.messages, [("channel", channel), ("result", "delivered")])
            }
            Event::MessageDelayed { channel, .. } => add(&self.messages, [("channel", channel), ("result", "delayed")]),
            Event::MessageGivenUp { channel, .. } => {
                add(&self.messages, [("channel", channel), ("result", "given_up")])
            }
            Event::Started { .. }
            | Event::Ended
            | Event::ClockJumped { .. }
            | Event::SourceChanged { .. }
            | Event::RecoveryBegan { .. }
            | Event::RecoveryPlanned { .. }
            | Event::RecoveryEnded { .. }
            | Event::IntentChanged { .. }
            | Event::StopBegan { .. }
            | Event::EndedUnasked { .. }
            | Event::RevivedByAnother { .. }
            | Event::BodyMade { .. }
            | Event::BudgetRefreshed { .. }
            | Event::AlertJoined { .. }
            | Event::EvidenceAdded { .. }
            | Event::Diagnosed { .. }
            | Event::Planned { .. }
            | Event::DiagnosisBegan { .. }
            | Event::ApprovalAsked { .. }
            | Event::ApprovalAnswered { .. }
            | Event::ApprovalWithdrawn { .. }
            | Event::ActionSettled { .. }
            | Event::VerificationBegan { .. }
            | Event::VerificationExtended { .. }
            | Event::Verified { .. }
            | Event::RollbackBegan { .. }
            | Event::RollbackExtended { .. }
            | Event::OwnerStopNoted { .. }
            | Event::Escalated { .. }
            | Event::Acknowledged { .. }
            | Event::CommandQueued { .. }
            | Event::CommandDequeued { .. }
            | Event::MadeOf { .. }
            | Event::BodyStarted { .. }
            | Event::BringUpOrdered { .. }
            | Event::BringUpCalledOff { .. }
            | Event::BroughtUp { .. }
            | Event::UpdateOrdered { .. }
            | Event::ImageFetched { .. }
            | Event::Frozen { .. }
            | Event::Thawed { .. }
            | Event::MessageQueued { .. }
            | Event::LookRepeated { .. }
            | Event::PersonActed { .. }
            | Event::ResourceGone { .. } => {}
        }
    }

    fn register(&self, to: &mut Registry) {
        to.register("incidents_opened", "Incidents that began, by their first alert", self.opened.clone());
        to.register("incidents_reopened", "Incidents that came back", self.reopened.clone());
        to.register("incidents_resolved", "Incidents that ended, by how", self.resolved.clone());
        to.register("holds", "Decisions to do nothing at present, by reason", self.holds.clone());
        to.register("escalations", "Incidents handed to a person, by reason", self.escalations.clone());
        to.register("actions", "Permits given, by action", self.actions.clone());
        to.register("action_answers", "Answers of performers", self.answers.clone());
        let alerts = "Alerts that began or ended to stand, also of what is down because it shall be";
        to.register("alert_transitions", alerts, self.alerts.clone());
        to.register("commands", "Commands taken from people", self.commands.clone());
        to.register("message_tries", "Tries to deliver a message, by channel", self.messages.clone());
        to.register("journal_events", "Events written to the journal", self.events.clone());
    }
}

fn gauges(to: &mut Registry, status: &Status, incidents: &[Incident], last: u64) {
    let build = vec![("version", status.version.clone()), ("name", status.instance.clone())];
    to.register("build", "The program", Info::new(build));

    let by_phase = gauge(to, "incidents", "Open incidents, by phase");
    for phase in OPEN_PHASES {
        let count = incidents.iter().filter(|incident| incident.phase == phase).count();
        set(&by_phase, [("phase", phase)], count);
    }
    let by_standing = gauge(to, "resources", "Watched resources, by how they stand");
    let deployments = gauge(to, "deployments", "Deployments, by how they stand");
    for standing in STANDINGS {
        let resources = status.deployments.iter().flat_map(|deployment| &deployment.resources);
        let standing_word = word(&standing);
        set(&by_standing, [("standing", &*standing_word)], resources.filter(|it| it.standing == standing).count());
        let count = status.deployments.iter().filter(|it| it.standing == standing).count();
        set(&deployments, [("standing", &*standing_word)], count);
    }
    let sources = gauge(to, "source_up", "1 while a source's stream is open and it was listed whole");
    for source in &status.sources {
        set(&sources, [("source", source.name.as_str())], usize::from(source.well));
    }
    plain(to, "frozen", "1 while nothing new is started anywhere", usize::from(status.frozen.is_some()));
    plain(to, "warnings", "What keeps healer from its work", status.warnings.len());
    plain(to, "waiting", "Questions that wait for a person", status.waiting.len());
    plain(
        to,
        "journal_last_entry",
        "The number of the journal's last entry",
        usize::try_from(last).unwrap_or(usize::MAX),
    );
    if let Some(since) = status.running_since {
        let start = Gauge::<i64>::default();
        start.set(since.0 / 1_000);
        to.register_with_unit("start_time", "When this process took the lead", Unit::Seconds, start);
    }
}

fn plain(to: &mut Registry, name: &str, help: &str, value: usize) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    to.register(name, help, gauge);
}

fn gauge(to: &mut Registry, name: &str, help: &str) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    to.register(name, help, family.clone());
    family
}

fn set<const N: usize>(family: &Family<Labels, Gauge>, labels: [(&'static str, &str); N], count: usize) {
    family.get_or_create(&owned(labels)).set(i64::try_from(count).unwrap_or(i64::MAX));
}

fn add<const N: usize>(family: &Family<Labels, Counter>, labels: [(&'static str, &str); N]) {
    family.get_or_create(&owned(labels)).inc();
}

fn owned<const N: usize>(labels: [(&'static str, &str); N]) -> Labels {
    labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// An enum's variant, as the journal writes it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn of_outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Healed => "healed",
        Outcome::RecoveredAlone => "recovered_alone",
        Outcome::MendedByPerson => "mended_by_person",
        Outcome::StoppedByOwner => "stopped_by_owner",
        Outcome::FalseAlarm => "false_alarm",
        Outcome::Gone => "gone",
        Outcome::Excluded => "excluded",
        Outcome::MergedInto(_) => "merged",
    }
}

fn of_escalation(reason: &Escalation) -> &'static str {
    match reason {
        Escalation::CannotTell => "cannot_tell",
        Escalation::NoActionMends => "no_action_mends",
        Escalation::Refused(refusal) => refusal.kind(),
        Escalation::ApprovalExpired => "approval_expired",
        Escalation::Rejected { .. } => "rejected",
        Escalation::Inconclusive => "inconclusive",
        Escalation::UndoUnknown => "undo_unknown",
        Escalation::UndoFailed => "undo_failed",
        Escalation::KeepsComingBack => "keeps_coming_back",
    }
}

fn of_answer(answer: &Answer) -> &'static str {
    match answer {
        Answer::Done => "done",
        Answer::AlreadySo => "already_so",
        Answer::Withheld(_) => "withheld",
        Answer::Failed(_) => "failed",
        Answer::Unknown(_) => "unknown",
    }
}

fn of_ask(ask: &Ask) -> &'static str {
    match ask {
        Ask::Start(_) => "start",
        Ask::Stop(_) => "stop",
        Ask::Restart(_) | Ask::RestartAll(_) => "restart",
        Ask::Pull(_) => "pull",
        Ask::Rebuild(_) => "rebuild",
        Ask::Adopt(_) => "adopt",
        Ask::Freeze { .. } => "freeze",
        Ask::Thaw => "thaw",
        Ask::Approve(_) => "approve",
        Ask::Reject { .. } => "reject",
        Ask::Answer { approved: true, .. } => "approve",
        Ask::Answer { approved: false, .. } => "reject",
        Ask::Acknowledge(_) => "acknowledge",
    }
}

#[cfg(test)]
mod tests {
    use model::ResourceId;
    use model::alert::{Alert, Name, State, Transition};

    use super::*;

    #[test]
    fn what_is_down_because_it_shall_be_is_counted_and_the_help_says_so() {
        let counters = Counters::default();
        let alert = Alert { name: Name::ServiceDown, resource: ResourceId::docker("web-1", "shop", "mail", 1) };
        let because = "it ended with exit code 0".to_owned();
        counters.count(&Event::AlertChanged(Transition { alert, to: State::Firing, because, instead: None }));
        let mut registry = Registry::with_prefix("healer");
        counters.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let help = text.lines().find(|line| line.starts_with("# HELP healer_alert_transitions ")).unwrap();
        assert!(help.contains("also of what is down because it shall be"), "{help}");
        assert!(text.contains("healer_alert_transitions_total{alert=\"service_down\",state=\"firing\"} 1\n"), "{text}");
    }
}
