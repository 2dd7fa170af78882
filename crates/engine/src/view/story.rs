//! The journal in words: one line an entry, for `why` and `history`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::action::{Action, Answer, Behalf, Pair, PermitId, With};
use model::alert;
use model::command::Ask;
use model::event::{Entry, Event, Refresh};
use model::incident::{Confidence, Diagnosis, Evidence, EvidenceId, IncidentId, RollbackCause, Verification};
use model::input::SourceState;
use model::intent::{Author, Intent, Wanted};
use model::make::{Difference, short_id};
use model::message::Kind;
use model::recovery::Restarted;
use model::time::Spoken;
use model::update::Fetched;
use model::view::{Line, Tone};
use model::{ResourceId, Tick};

use super::moment;

/// How the line begins that tells of a piece of evidence.
const FOUND: &str = "found [";
/// What a look shows of what was started.
const RUNS: &str = "it runs";
/// From so many hexadecimal digits on, a word is the id of something that is made anew each time.
const ID_DIGITS_MIN: usize = 12;

/// Entries in words, one line each; those that say nothing to a person are left out: also a diagnosis that names what
/// the one before named, since what was found in between is told by itself.
#[must_use]
pub fn lines(entries: &[Entry]) -> Vec<Line> {
    let mut before = Before::default();
    told(entries, &mut before)
}

/// The same for whoever knows the local time of [`super::moment`]s, and, where they are known, the resources of
/// incidents that began before these entries.
#[must_use]
pub fn lines_of(entries: &[Entry], known: &BTreeMap<IncidentId, ResourceId>) -> Vec<Line> {
    let resources = known.iter().collect();
    let mut before = Before { resources, moments: true, ..Before::default() };
    told(entries, &mut before)
}

/// Whether the line tells of a piece of evidence: it quotes what somebody else wrote.
#[must_use]
pub fn is_evidence(line: &Line) -> bool {
    line.text.starts_with(FOUND)
}

/// What the entries before say of the next one.
#[derive(Default)]
struct Before<'e> {
    /// Of an incident's events few name its resource.
    resources: BTreeMap<&'e IncidentId, &'e ResourceId>,
    /// The cause that was named last.
    cause: Option<(&'e IncidentId, &'e str, Confidence)>,
    /// The evidence of each incident by where it was found and what it says, but for ids.
    found: BTreeMap<(&'e IncidentId, &'e str, String), EvidenceId>,
    /// Evidence that says what another one says.
    same: BTreeMap<(&'e IncidentId, EvidenceId), EvidenceId>,
    /// What each permit is for, and when it was given.
    permits: BTreeMap<PermitId, (Action, Tick)>,
    /// The engine's last refusal of each resource, but for ids.
    refused: BTreeMap<&'e ResourceId, String>,
    /// Whether the reader can show moments as local times.
    moments: bool,
}

fn told<'e>(entries: &'e [Entry], before: &mut Before<'e>) -> Vec<Line> {
    let silent = ends_without_beginning(entries, &before.resources);
    let mut told = Vec::new();
    for entry in entries {
        if let (Some(id), Some(resource)) = (entry.event.incident(), entry.event.resource()) {
            before.resources.insert(id, resource);
        }
        if silent.contains(&entry.seq) {
            continue;
        }
        let resource = entry.event.resource();
        let resource = resource.or_else(|| before.resources.get(entry.event.incident()?).copied());
        told.extend(words(entry, before).map(|(tone, text)| Line {
            at: entry.at.wall,
            incident: entry.event.incident().cloned(),
            resource: resource.cloned(),
            tone,
            text,
        }));
    }
    told
}

impl<'e> Before<'e> {
    /// `None` if the same was found before.
    fn evidence(&mut self, id: &'e IncidentId, evidence: &'e Evidence) -> Option<(Tone, String)> {
        // Of how many lines of a log it stands is told once, too.
        let once = evidence.text.rsplit_once(" (×").map_or(evidence.text.as_str(), |(text, _)| text);
        let first = *self.found.entry((id, &evidence.source, without_ids(once))).or_insert(evidence.id);
        if first != evidence.id {
            self.same.insert((id, evidence.id), first);
            return None;
        }
        Some((Tone::Plain, format!("{FOUND}{first}] {}: {}", evidence.source, evidence.text)))
    }

    /// `None` if it names what the one before named: what was found in between is told by itself.
    fn cause(&mut self, id: &'e IncidentId, diagnosis: &'e Diagnosis) -> Option<(Tone, String)> {
        let named = Some((id, diagnosis.cause.as_str(), diagnosis.confidence));
        if std::mem::replace(&mut self.cause, named) == named {
            return None;
        }
        let first = |cited: &EvidenceId| *self.same.get(&(id, *cited)).unwrap_or(cited);
        let cited: BTreeSet<EvidenceId> = diagnosis.evidence.iter().map(first).collect();
        let cites = cited.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let cites = if cites.is_empty() { String::new() } else { format!(": {cites}") };
        let cause = match diagnosis.confidence {
            Confidence::Sure => format!("cause: {}, sure", diagnosis.title),
            Confidence::Likely => format!("cause: {}, likely", diagnosis.title),
            // Its title says that nobody can tell.
            Confidence::None => diagnosis.title.clone(),
        };
        Some((Tone::Plain, format!("{cause} (rule {}{cites}; {})", diagnosis.cause, diagnosis.because)))
    }

    fn already_so(&mut self, permit: PermitId) -> String {
        match self.permits.remove(&permit).map(|(action, _)| action) {
            Some(Action::Start) => "nothing to start: it ran already".to_owned(),
            Some(Action::Stop) => "nothing to stop: it was down already".to_owned(),
            Some(Action::Recreate | Action::Change(_)) | None => "it was so already".to_owned(),
        }
    }

    /// An engine's error is long: what it said of this resource already is not said again.
    fn refused(&mut self, resource: &'e ResourceId, because: &str) -> String {
        let says = without_ids(because);
        if self.refused.insert(resource, says.clone()) == Some(says) {
            return "it could not be done, for the same reason as before".to_owned();
        }
        let who = if resource.is_on_host() { "it could not be done" } else { "the engine refused" };
        format!("{who}: {because}")
    }

    fn settled(&self, permit: PermitId, shown: &str, at: Tick) -> String {
        match self.permits.get(&permit) {
            Some((Action::Start | Action::Recreate, given)) if shown == RUNS => {
                format!("running after {}", Spoken(at.since(*given)))
            }
            Some(_) | None => format!("a look shows: {shown}"),
        }
    }

    fn must_hold(&self, entry: &Entry, until: Tick) -> String {
        let wait = Spoken(until.since(entry.at.tick));
        if self.moments {
            format!("it must hold for {wait}: until {}", moment(entry.at.wall_at(until)))
        } else {
            format!("it must hold for {wait}")
        }
    }
}

/// The text with the ids masked of what is made anew each time: what is left is the same where the same is said.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() >= ID_DIGITS_MIN && word.bytes().all(|b| b.is_ascii_hexdigit());
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|part| {
            let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_id(word) { format!("#{}", &part[word.len()..]) } else { part.to_owned() }
        })
        .collect()
}

/// The ends of alerts whose beginning no incident told, since what was down was down because it should be. An entry that
/// is read alone tells nothing of what came before it.
fn ends_without_beginning(entries: &[Entry], known: &BTreeMap<&IncidentId, &ResourceId>) -> BTreeSet<u64> {
    if entries.len() < 2 {
        return BTreeSet::new();
    }
    let mut ordered: Vec<&Entry> = entries.iter().collect();
    ordered.sort_by_key(|entry| entry.seq);
    let named = ordered.iter().rev().filter_map(|entry| Some((entry.event.incident()?, entry.event.resource()?)));
    let of: BTreeMap<&IncidentId, &ResourceId> = known.iter().map(|(id, of)| (*id, *of)).chain(named).collect();
    // Whether an incident of the resource is open at this point; nothing where none was spoken of yet.
    let mut open: BTreeMap<&ResourceId, bool> = BTreeMap::new();
    let mut silent: BTreeMap<u64, &ResourceId> = BTreeMap::new();
    for entry in ordered {
        if let Event::AlertChanged(alert::Transition { to: alert::State::Resolved, alert, .. }) = &entry.event
            && open.get(&alert.resource) != Some(&true)
        {
            silent.insert(entry.seq, &alert.resource);
        }
        // The last message of an incident comes after its end.
        let is_message = matches!(
            entry.event,
            Event::MessageQueued { .. }
                | Event::MessageDelivered { .. }
                | Event::MessageDelayed { .. }
                | Event::MessageGivenUp { .. }
        );
        let incident = entry.event.incident().filter(|_| !is_message);
        let Some(resource) = incident.and_then(|id| of.get(id).copied()) else { continue };
        let begins = matches!(entry.event, Event::IncidentOpened { .. } | Event::IncidentReopened { .. });
        let ends = matches!(entry.event, Event::IncidentResolved { .. });
        let first = !open.contains_key(resource);
        if first && !begins {
            // It was open before the first of these entries.
            silent.retain(|_, of| *of != resource);
        }
        if first || begins || ends {
            open.insert(resource, !ends);
        }
    }
    silent.into_keys().collect()
}

fn words<'e>(entry: &'e Entry, before: &mut Before<'e>) -> Option<(Tone, String)> {
    use Tone::{Bad, Good, Plain, Waiting};
    Some(match &entry.event {
        Event::Started { version, .. } => (Plain, format!("healer {version} took the lead (epoch {})", entry.epoch)),
        Event::Ended => (Plain, "healer ended in order".to_owned()),
        Event::ClockJumped { by_ms } => {
            let far = Spoken(Duration::from_millis(by_ms.unsigned_abs()));
            (Plain, format!("the wall clock jumped {far} {}", if *by_ms < 0 { "back" } else { "ahead" }))
        }
        Event::SourceChanged { source, state } => source_in_words(source, state),
        Event::RecoveryBegan { source, restarted, exempt, .. } => {
            let budgets = if *exempt { "" } else { "; it happens too often: the budgets hold" };
            let what = match restarted {
                Restarted::Host | Restarted::Engine => format!("back after {restarted}: all is looked at first"),
                Restarted::Nothing => "what the configuration names is started for the first time".to_owned(),
            };
            (Plain, format!("{source}: {what}{budgets}"))
        }
        Event::RecoveryPlanned { down, back, .. } => {
            let (down, back) = (down.len(), back.len());
            let by_itself =
                if back > 0 { format!(", {back} brought back by the engine itself") } else { String::new() };
            (Plain, format!("{down} to be started{by_itself}"))
        }
        Event::RecoveryEnded { outcome, .. } => {
            let tone = if outcome.failed.is_empty() { Good } else { Bad };
            (tone, crate::recovery::summary(outcome))
        }
        Event::IntentChanged { intent, .. } => intent_in_words(intent),
        Event::StopBegan { .. } => return None, // The intent tells it once it has ended.
        Event::EndedUnasked { .. } => return None, // The incident tells it.
        Event::BodyMade { incarnation, .. } => (Plain, format!("made anew: container {}", incarnation.short())),
        Event::RevivedByAnother { .. } => (Plain, "somebody else started it right after it had crashed".to_owned()),
        Event::BudgetRefreshed { because, .. } => {
            let why = match because {
                Refresh::Person(who) => format!("{who} wants it"),
                Refresh::StartedAtTheEngine => "somebody started it".to_owned(),
                Refresh::DefinitionChanged => "it is made of something else".to_owned(),
            };
            (Plain, format!("it has a fresh budget: {why}"))
        }
        Event::AlertChanged(transition) => match transition.to {
            alert::State::Firing => return None, // The incident, or the intent, tells it.
            alert::State::Resolved if transition.instead.is_some() => return None, // It is as ill as before.
            alert::State::Resolved => (Good, format!("{} no longer stands", transition.alert.name)),
        },
        Event::IncidentOpened { because, .. } => (Bad, because.clone()),
        Event::AlertJoined { because, .. } => (Bad, format!("also: {because}")),
        Event::EvidenceAdded { id, evidence } => return before.evidence(id, evidence),
        Event::Diagnosed { id, diagnosis, .. } => return before.cause(id, diagnosis),
        Event::Planned { .. } | Event::DiagnosisBegan { .. } | Event::CommandQueued { .. } => return None,
        Event::CommandDequeued { .. } | Event::LookRepeated { .. } | Event::PersonActed { .. } => return None,
        Event::MadeOf { make, before: Some(before), by: None, .. } => {
            (Plain, format!("deployed anew: {}", Difference(before, make)))
        }
        Event::MadeOf { make, before: Some(before), by: Some(who), .. } => {
            (Plain, format!("updated for {who}: {}", Difference(before, make)))
        }
        Event::MadeOf { before: None, .. } => return None,
        Event::BodyStarted { .. } => return None, // Its look tells it.
        // The commands tell it.
        Event::BringUpOrdered { .. } | Event::BringUpCalledOff { .. } => return None,
        Event::BroughtUp { deployment, failed: None, .. } => {
            (Good, format!("{deployment}: its containers are made and started"))
        }
        Event::BroughtUp { deployment, failed: Some(why), .. } => {
            (Bad, format!("{deployment} was not brought up: {why}"))
        }
        Event::UpdateOrdered { order } => {
            (Plain, format!("its image is fetched: {}'s {}", order.who, order.source.verb()))
        }
        Event::ImageFetched { result, .. } => match result {
            Fetched::Newer(image) => (Good, format!("{} is another image now: {}", image.name, short_id(&image.to))),
            Fetched::Same => (Plain, "there is no newer image".to_owned()),
            Fetched::Failed(why) => (Bad, format!("its image was not fetched: {why}")),
        },
        Event::Held { reason, .. } => (Waiting, format!("held: {reason}")),
        Event::ApprovalAsked { question, .. } => (Waiting, format!("a person is asked: {question}")),
        Event::ApprovalAnswered { by, approved: true, .. } => (Good, format!("{by} approved it")),
        Event::ApprovalAnswered { by, because, .. } if because.is_empty() => (Bad, format!("{by} rejected it")),
        Event::ApprovalAnswered { by, because, .. } => (Bad, format!("{by} rejected it: {because}")),
        Event::ApprovalWithdrawn { because, .. } => (Plain, format!("the request is withdrawn: {because}")),
        Event::ActionStarted { permit, step, attempt, within } => {
            before.permits.insert(permit.id, (permit.step.action, entry.at.tick));
            let within = within.map(|within| format!(" {within}")).unwrap_or_default();
            let allowed = match (&permit.behalf, permit.step.pair, attempt) {
                (Behalf::Person(who), _, _) => format!("on {who}'s word"),
                (Behalf::Incident(_), Pair::Closes, _) => "in order to leave nothing down".to_owned(),
                (Behalf::Incident(_), Pair::None, 0) if !permit.unhindered && *step > 0 => {
                    "the next step of the plan".to_owned()
                }
                (Behalf::Incident(_), Pair::None, 0) if !permit.unhindered => "for the first time".to_owned(),
                (Behalf::Incident(_), _, 0) if permit.step.action == Action::Stop => {
                    "in order to give way to the owner's stop".to_owned()
                }
                (Behalf::Incident(_), _, 0) if permit.step.action == Action::Start => {
                    "in order to leave nothing down".to_owned()
                }
                (Behalf::Incident(_), _, 0) => "in order to take back what did not help".to_owned(),
                (Behalf::Incident(_), Pair::Opens, n) => format!("in order to start it again: attempt {n}{within}"),
                (Behalf::Incident(_), Pair::None, n) => format!("attempt {n}{within}"),
            };
            let action = match &permit.step.with {
                With::Nothing => permit.step.action.to_string(),
                With::Image(image) => format!("{} of image {}", permit.step.action, short_id(&image.to)),
                With::Network(network) => format!("{} {}", permit.step.action, network.name),
                With::NetworkName(name) => format!("{} {name}", permit.step.action),
                With::Memory(limits) => format!("memory limit {limits}"),
            };
            (Plain, format!("{action} allowed: {allowed}"))
        }
        Event::ActionAnswered { permit, resource, answer, .. } => match answer {
            Answer::Done => return None,
            Answer::AlreadySo => (Plain, before.already_so(*permit)),
            Answer::Withheld(because) => (Waiting, format!("withheld at the last moment: {because}")),
            Answer::Failed(because) => (Bad, before.refused(resource, because)),
            Answer::Unknown(because) => (Waiting, format!("no answer ({because}): a look tells")),
        },
        Event::ActionSettled { permit, shown, reached, .. } => {
            (if *reached { Good } else { Bad }, before.settled(*permit, shown, entry.at.tick))
        }
        Event::VerificationBegan { waits: Some(hold), .. } => {
            (Waiting, format!("it is down by healer's own stop, and its start waits: {hold}"))
        }
        Event::VerificationBegan { until, .. } => (Waiting, before.must_hold(entry, *until)),
        Event::VerificationExtended { by_alert, .. } => {
            let why = if *by_alert { "another alert came in" } else { "nothing can be told yet" };
            (Waiting, format!("it is watched for longer: {why}"))
        }
        Event::Verified { result, because, .. } => match result {
            Verification::Held => (Good, format!("it held: {because}")),
            Verification::Failed => (Bad, format!("it did not hold: {because}")),
            Verification::Inconclusive => (Waiting, format!("nobody can tell whether it helped: {because}")),
        },
        Event::RollbackBegan { because: RollbackCause::OwnerStopped, .. } => {
            (Plain, "the owner stopped it while our start was under way: their stop wins".to_owned())
        }
        Event::RollbackBegan { because: RollbackCause::DidNotHelp, .. } => {
            (Plain, "it did not help: what was done is taken back".to_owned())
        }
        Event::RollbackExtended { .. } => (Waiting, "what was taken back is looked at once more".to_owned()),
        Event::OwnerStopNoted { .. } => (Plain, "the owner wants it stopped: obeyed after the step at hand".to_owned()),
        Event::Escalated { reason, level: 0, .. } => (Bad, format!("a person has to see to it: {reason}")),
        Event::Escalated { .. } => (Waiting, "it still needs a person".to_owned()),
        Event::Acknowledged { by, .. } => (Good, format!("{by} took it")),
        Event::IncidentResolved { outcome, because, .. } => (Good, format!("over: {outcome} ({because})")),
        Event::IncidentReopened { because, .. } => (Bad, format!("it came back: {because}")),
        Event::CommandTaken { who, ask, .. } => (Plain, format!("{who}: {}", ask_in_words(ask))),
        Event::Frozen { by, because } if because.is_empty() => (Waiting, format!("frozen by {by}")),
        Event::Frozen { by, because } => (Waiting, format!("frozen by {by}: {because}")),
        Event::Thawed { by } => (Good, format!("thawed by {by}")),
        Event::MessageQueued { message, channels } if channels.is_empty() && message.kind == Kind::Notice => {
            (Waiting, message.title.clone())
        }
        Event::MessageQueued { channels, .. } if channels.is_empty() => {
            (Plain, "nobody to tell: no channel is configured".to_owned())
        }
        Event::MessageQueued { message, channels } => {
            let kind = match message.kind {
                Kind::Healed => "healed",
                Kind::Opened => "opened",
                Kind::Updated => "updated",
                Kind::Escalated => "escalated",
                Kind::Resolved => "resolved",
                Kind::Recovered => "recovered",
                Kind::Notice => "notice",
            };
            (Plain, format!("queued for {} ({kind}): {}", channels.join(", "), message.title))
        }
        Event::MessageDelivered { channel, .. } => (Plain, format!("told by {channel}")),
        Event::MessageDelayed { channel, because, .. } => (Waiting, format!("not told by {channel} yet: {because}")),
        Event::MessageGivenUp { channel, because, .. } => (Bad, format!("never told by {channel}: {because}")),
        Event::ResourceGone { .. } => (Plain, "it was removed".to_owned()),
    })
}

fn source_in_words(source: &str, state: &SourceState) -> (Tone, String) {
    match state {
        SourceState::Unreachable { because, .. } => (Tone::Bad, format!("{source}: {because}")),
        SourceState::Closing => (Tone::Waiting, format!("{source}: the engine is shutting down")),
        SourceState::Lost { because, .. } if because.is_empty() => {
            (Tone::Waiting, format!("{source}: the connection to the engine broke"))
        }
        SourceState::Lost { because, .. } => {
            (Tone::Waiting, format!("{source}: the connection to the engine broke: {because}"))
        }
        SourceState::Opened { .. } if crate::recovery::is_host(source) => {
            (Tone::Good, format!("{source}: it is watched"))
        }
        SourceState::Opened { .. } => (Tone::Good, format!("{source}: connected to the engine")),
        SourceState::Listed { .. } => (Tone::Good, format!("{source}: all was looked at")),
    }
}

fn intent_in_words(intent: &Intent) -> (Tone, String) {
    let wanted = match intent.wanted {
        Wanted::Running => "it shall run",
        Wanted::Stopped => "it shall be stopped",
        Wanted::Unknown => "nobody can tell whether it shall run",
    };
    let tone = if intent.wanted == Wanted::Unknown { Tone::Waiting } else { Tone::Plain };
    match &intent.by {
        Author::FirstSight => (tone, format!("first sight: {wanted} ({})", intent.because)),
        Author::SomebodyAtTheEngine | Author::Evidence | Author::Person(_) | Author::Configuration => {
            (tone, format!("{wanted}: {}", intent.because))
        }
    }
}

fn ask_in_words(ask: &Ask) -> String {
    match ask {
        Ask::Start(words) => format!("start {words}"),
        Ask::Stop(words) => format!("stop {words}"),
        Ask::Restart(words) => format!("restart {words}"),
        Ask::RestartAll(words) => format!("restart {words} and what needs it"),
        Ask::Pull(words) => format!("pull {words}"),
        Ask::Rebuild(words) => format!("rebuild {words}"),
        Ask::Adopt(words) => format!("adopt {words}"),
        Ask::Freeze { .. } => "freeze".to_owned(),
        Ask::Thaw => "thaw".to_owned(),
        Ask::Approve(id) => format!("approve {id}"),
        Ask::Reject { incident, .. } => format!("reject {incident}"),
        Ask::Answer { question, approved: true, .. } => format!("approve {}", question.incident),
        Ask::Answer { question, .. } => format!("reject {}", question.incident),
        Ask::Acknowledge(id) => format!("ack {id}"),
    }
}
