//! Who is told what, and when: one incident, one thread; what was healed at the first attempt is told once, at its end.
//! The outbox is a fold like everything else, so a message outlives a crash between the decision and its delivery.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Tick;
use model::action::{Limits, Retag, With};
use model::disk::{Disk, Holder, Removed};
use model::event::Event;
use model::fact::What;
use model::incident::{Case, Outcome, Phase, RollbackCause, Runner};
use model::input::Effect;
use model::make::{Deploy, Difference};
use model::message::{About, Asks, Delivery, Kind, Message, MessageId, Parcel, Receipt, Severity};
use model::sibling::{Sibling, Stands};
use model::size::Bytes;
use model::time::Spoken;
use model::verdict::Hold;

use crate::incident::Incident;
use crate::state::Tries;
use crate::{Engine, diagnose};

/// An incident that is open for longer than this becomes a thread.
const TELL_AFTER: Duration = Duration::from_secs(180);
/// One that waits for another service, whose incident is told for itself, only after this long.
const TELL_OF_WAITING_AFTER: Duration = Duration::from_secs(600);
/// A process that has just begun tells of nothing old before it has seen how that stands, or could not within this time.
const SEES_WITHIN: Duration = Duration::from_secs(60);
/// The waits between the tries of a delivery; the last one repeats.
const RETRY_AFTER: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1800),
];
/// A message that nobody took for so long is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);
/// A try that was not reported for so long is tried again.
const FLIGHT_MAX: Duration = Duration::from_secs(60);

impl Engine {
    /// When an incident has to be told because it lasts, or told more of because of what it has left behind.
    pub(crate) fn tell_due(&self, incident: &Incident) -> Option<Tick> {
        if incident.phase.is_over() {
            return None;
        }
        if incident.told.open {
            let left = incident.name_left_untold()?.after(TELL_AFTER);
            return Some(left.max(self.maintained_until(&incident.resource).unwrap_or_default()));
        }
        let waits = !self.is_told_by_a_recovery(incident);
        let source = self.world.source(incident.resource.source());
        let seen = source.is_some_and(|source| source.listed || source.ever_listed);
        let soonest = if seen { Tick(0) } else { self.live.began.after(SEES_WITHIN) };
        // Of what is in maintenance nobody is told before that is over.
        let over = self.maintained_until(&incident.resource).unwrap_or_default();
        let patience = if self.is_told_with_its_sibling(incident) { TELL_OF_WAITING_AFTER } else { TELL_AFTER };
        waits.then(|| incident.since.tick.after(patience).max(soonest).max(over))
    }

    pub(crate) fn tell_if_due(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let due = self.tell_due(incident).is_some_and(|due| due <= self.now.tick);
        if due || (self.faults.told_at_each_turn && !incident.phase.is_over()) {
            self.tell(number, Kind::Opened);
        }
    }

    /// A second step opens a thread; a further one continues it.
    pub(crate) fn tell_of_another_attempt(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        if incident.attempts.len() > 1 {
            self.tell(number, Kind::Updated);
        }
    }

    /// The end: a thread that was opened is closed; what was healed without one is told at once.
    pub(crate) fn tell_the_end(&mut self, number: u64, thread_open: bool) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        match incident.outcome() {
            Some(_) if thread_open => self.tell(number, Kind::Resolved),
            Some(Outcome::Healed) => self.tell(number, Kind::Healed),
            Some(
                Outcome::RecoveredAlone
                | Outcome::MendedByPerson
                | Outcome::StoppedByOwner
                | Outcome::FalseAlarm
                | Outcome::Gone
                | Outcome::Excluded
                | Outcome::MergedInto(_),
            )
            | None => {}
        }
    }

    /// Whether the one message of a recovery will tell of it. Threads that are open go on; a question does not wait.
    fn is_told_by_a_recovery(&self, incident: &Incident) -> bool {
        let asks = matches!(incident.phase, Phase::AwaitingApproval { .. });
        !asks && !incident.told.open && !self.faults.told_beside_recovery && self.recovery_tells_of(&incident.resource)
    }

    pub(crate) fn tell(&mut self, number: u64, kind: Kind) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let is_silent = self.is_told_by_a_recovery(incident) || self.maintained_until(&incident.resource).is_some();
        if is_silent && kind != Kind::Resolved {
            return;
        }
        // The first word of a thread opens it, whatever it says.
        let kind = match kind {
            Kind::Updated if !incident.told.open => Kind::Opened,
            Kind::Opened if incident.told.open => Kind::Updated,
            Kind::Healed | Kind::Opened | Kind::Updated | Kind::Escalated | Kind::Resolved => kind,
            Kind::Recovered | Kind::Notice => kind,
        };
        let message = Message {
            id: MessageId(self.state.last_message + 1),
            about: About::Incident { incident: incident.id.clone(), resource: incident.resource.clone() },
            kind,
            severity: severity(kind, incident),
            title: title(incident),
            story: self.short_story(incident),
            next: self.next_steps(incident),
            asks: self.asks(incident),
            at: self.now.wall,
        };
        let channels = self.settings.channels.clone();
        self.emit(Event::MessageQueued { message: Box::new(message), channels });
    }

    /// The question that waits for an answer.
    fn asks(&self, incident: &Incident) -> Option<Box<Asks>> {
        let question =
            incident.question.as_ref().filter(|_| matches!(incident.phase, Phase::AwaitingApproval { .. }))?;
        let expires = self.now.wall_at(question.asked.until);
        Some(Box::new(Asks { question: question.asked.clone(), expires }))
    }

    fn short_story(&self, incident: &Incident) -> Vec<String> {
        let mut story = vec![format!("{}: {}", incident.resource.short(), incident.because)];
        if let Some(diagnosis) = &incident.diagnosis {
            story.push(format!("cause: {} ({}; {})", diagnosis.title, diagnosis.confidence, diagnosis.because));
        }
        for evidence in &incident.evidence {
            story.push(format!("[{}] {}: {}", evidence.id, evidence.source, evidence.text));
        }
        for (at, done) in incident.attempts.iter().enumerate() {
            let verdict = match done.attempt.verdict {
                None => "under way",
                Some(model::incident::Verification::Held) => "held",
                Some(model::incident::Verification::Failed) => "did not hold",
                Some(model::incident::Verification::Inconclusive) => "nobody can tell",
            };
            let after = Spoken(done.attempt.at.since(incident.opened.tick));
            story.push(format!(
                "attempt {} ({}), {after} after it began: {verdict}{}{}",
                at + 1,
                done.attempt.plan.playbook,
                if done.because.is_empty() { String::new() } else { format!(" ({})", done.because) },
                if done.taken_back { "; what it did is taken back" } else { "" }
            ));
        }
        for step in &incident.to_take_back {
            if let With::Image(Retag { name, to, from, .. }) = &step.with {
                story.push(format!("{name} means {from} since; `docker tag {to} {name}` takes that back by hand"));
            }
        }
        if let Some(Limits { from_bytes, to_bytes }) = incident.limit_that_helped() {
            let (from, to) = (Bytes(from_bytes), Bytes(to_bytes));
            story.push(format!(
                "its memory limit is {to} until it is made anew: whoever keeps its files has to raise the {from} there"
            ));
        }
        if let (Phase::AwaitingApproval { .. }, Some(plan)) = (&incident.phase, &incident.plan) {
            let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
            story.push(format!("healer would, once approved: {} ({})", steps.join(", then "), plan.risk));
        }
        story.push(format!(
            "{}, {} after it began",
            standing(incident),
            Spoken(self.now.tick.since(incident.since.tick))
        ));
        story
    }

    /// What the reader can do. A crash could also have been a stop that left no trace: every message says so.
    fn next_steps(&self, incident: &Incident) -> Vec<String> {
        let (id, name) = (&incident.id, self.name_of(&incident.resource));
        let mut next = match &incident.phase {
            Phase::AwaitingApproval { .. } => vec![format!("healer approve {id}"), format!("healer reject {id}")],
            Phase::Escalated { .. } => {
                vec![format!("healer why {id}"), format!("healer start {name}"), format!("healer ack {id}")]
            }
            Phase::Held { reason: Hold::IntentUnknown | Hold::OthersStopped { .. }, .. } => {
                vec![format!("healer why {id}"), format!("healer start {name}")]
            }
            Phase::Held { reason: Hold::MountMissing { mount }, .. } => {
                vec![format!("mount {mount}"), format!("healer why {id}")]
            }
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Resolved { .. } => vec![format!("healer why {id}")],
        };
        next.push(format!("to keep it down: healer stop {name} (a stop of what is already dead leaves no trace)"));
        next
    }

    /// The message of each thread whose turn it is on each channel: the later ones wait for it, so that a thread keeps its
    /// order.
    fn next_of_each_thread(&self) -> Vec<(MessageId, &str, &Tries)> {
        let mut begun: BTreeSet<(&str, &About)> = BTreeSet::new();
        let mut next = Vec::new();
        for (id, outgoing) in &self.state.outbox {
            for (channel, tries) in &outgoing.channels {
                if begun.insert((channel, &outgoing.message.about)) {
                    next.push((*id, channel.as_str(), tries));
                }
            }
        }
        next
    }

    fn delivery_due(&self, id: MessageId, channel: &str, tries: &Tries) -> Tick {
        let flies = self.live.in_flight.get(&(id, channel.to_owned()));
        flies.map_or(tries.next, |since| since.after(FLIGHT_MAX))
    }

    /// Notes when the next try of a delivery is due.
    pub(crate) fn note_outbox_due(&mut self) {
        let next = self.next_of_each_thread().into_iter();
        self.live.outbox_due = next.map(|(id, channel, tries)| self.delivery_due(id, channel, tries)).min();
        self.live.outbox_changed = false;
    }

    /// Hands out the parcels whose time has come.
    pub(crate) fn send_what_is_due(&mut self) {
        let now = self.now.tick;
        if !self.live.outbox_changed && self.live.outbox_due.is_none_or(|due| due > now) {
            return;
        }
        let next = self.next_of_each_thread();
        let ready = next.into_iter().filter(|(id, channel, tries)| self.delivery_due(*id, channel, tries) <= now);
        let parcel = |(id, channel, tries): (MessageId, &str, &Tries)| {
            let message = self.state.outbox.get(&id)?.message.clone();
            Some(Parcel { channel: channel.to_owned(), message, attempt: tries.made + 1 })
        };
        let due: Vec<Parcel> = ready.filter_map(parcel).collect();
        for parcel in due {
            self.live.in_flight.insert((parcel.message.id, parcel.channel.clone()), now);
            self.effects.push(Effect::Send(Box::new(parcel)));
        }
        self.note_outbox_due();
    }

    pub(crate) fn delivered(&mut self, receipt: &Receipt) {
        let Receipt { channel, message, result } = receipt;
        self.live.in_flight.remove(&(*message, channel.clone()));
        self.live.outbox_changed = true;
        let Some(outgoing) = self.state.outbox.get(message) else { return };
        let Some(tries) = outgoing.channels.get(channel) else { return };
        let (id, about, channel) = (*message, Some(outgoing.message.about.clone()), channel.clone());
        let event = match result {
            Delivery::Delivered => Event::MessageDelivered { id, about, channel },
            Delivery::Rejected(because) => Event::MessageGivenUp { id, about, channel, because: because.clone() },
            Delivery::Retry(because) if self.now.tick.since(tries.since) > GIVE_UP_AFTER => {
                Event::MessageGivenUp { id, about, channel, because: because.clone() }
            }
            Delivery::Retry(because) => {
                let attempts = tries.made + 1;
                let at = usize::try_from(tries.made).unwrap_or(usize::MAX).min(RETRY_AFTER.len() - 1);
                let next = self.after(RETRY_AFTER[at]);
                Event::MessageDelayed { id, about, channel, attempts, next, because: because.clone() }
            }
        };
        self.emit(event);
    }
}

fn severity(kind: Kind, incident: &Incident) -> Severity {
    match (kind, &incident.phase) {
        (Kind::Healed | Kind::Resolved | Kind::Recovered, _) => Severity::Info,
        (Kind::Notice, _) => Severity::Warning,
        (Kind::Escalated, _) => Severity::Critical,
        (Kind::Opened | Kind::Updated, Phase::AwaitingApproval { .. } | Phase::Escalated { .. }) => Severity::Critical,
        (
            Kind::Opened | Kind::Updated,
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Resolved { .. },
        ) => Severity::Warning,
    }
}

fn title(incident: &Incident) -> String {
    let cause = incident.diagnosis.as_ref().map_or(incident.because.as_str(), |diagnosis| &diagnosis.title);
    format!("{}: {cause} — {}", incident.resource.short(), standing(incident))
}

/// How an incident stands, in one clause.
pub(crate) fn standing(incident: &Incident) -> String {
    match &incident.phase {
        Phase::Diagnosing { .. } | Phase::Planning { .. } => "being diagnosed".to_owned(),
        Phase::Held { reason, .. } => format!("held: {reason}"),
        Phase::AwaitingApproval { .. } => "waits for your approval".to_owned(),
        Phase::Acting { step, .. } => match incident.plan.as_ref().and_then(|plan| plan.steps.get(*step)) {
            Some(step) => format!("{} under way", step.action),
            None => "under way".to_owned(),
        },
        Phase::Verifying { .. } => "running again, must hold".to_owned(),
        Phase::RollingBack { because: RollbackCause::OwnerStopped, .. } => {
            "being stopped again, as its owner wants".to_owned()
        }
        Phase::RollingBack { because: RollbackCause::DidNotHelp, .. } => {
            "what did not help is being taken back".to_owned()
        }
        Phase::Escalated { reason, .. } => format!("needs you: {reason}"),
        Phase::Resolved { outcome, .. } => match outcome {
            Outcome::Healed => match incident.attempts.len() {
                0 | 1 => "healed at the first attempt".to_owned(),
                attempts => format!("healed at attempt {attempts}"),
            },
            Outcome::RecoveredAlone
            | Outcome::MendedByPerson
            | Outcome::StoppedByOwner
            | Outcome::FalseAlarm
            | Outcome::Gone
            | Outcome::Excluded
            | Outcome::MergedInto(_) => outcome.to_string(),
        },
    }
}

/// The facts of a case as quotable evidence: (source, text).
pub(crate) fn evidence_of(case: &Case, log_lines_max: usize) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(Deploy { from, to, at, .. }) = &case.deploy {
        let when = crate::view::moment(at.wall);
        found.push(("deploy", format!("made of something else since {when}: {}", Difference(from, to))));
    }
    for happening in &case.happenings {
        let text = match &happening.what {
            What::OutOfMemory => "oom: a process in it was killed for want of memory".to_owned(),
            What::Died { code } => format!("die: exit code {code}"),
            What::Signalled { signal, terminating: true } => match case.runner {
                Runner::Engine => format!("kill: signal {signal} through the engine"),
                Runner::Healer => format!("healer sent it signal {signal}"),
                Runner::Systemd => format!("systemd was told to end it (signal {signal})"),
            },
            What::Stopped => "stop: a stop call was carried out".to_owned(),
            What::Health(model::fact::Health::Unhealthy) => "health_status: unhealthy".to_owned(),
            What::Paused => "pause".to_owned(),
            What::Created
            | What::Started
            | What::Signalled { terminating: false, .. }
            | What::Restarted
            | What::Unpaused
            | What::Health(_)
            | What::Renamed { .. }
            | What::Updated
            | What::Attached
            | What::Destroyed => continue,
        };
        found.push(("event", text));
    }
    if let (Some(oom), Some(code)) = (diagnose::oom_flag(case), diagnose::exit_code(case)) {
        if case.runner.is_engine() {
            found.push(("inspect", format!("exit code {code}, OOMKilled={oom}")));
        } else if diagnose::start_error(case).is_none() {
            found.push(("exit", format!("exit code {code}")));
        }
    }
    if let Some((_, error)) = diagnose::start_error(case) {
        found.push(if !case.runner.is_engine() {
            ("start", error.to_owned())
        } else {
            ("inspect", format!("State.Error: {error}"))
        });
    }
    found.extend(case.look.iter().filter_map(|look| look.disk.as_deref()).flat_map(shows_of_disk));
    let probed = case.look.iter().filter_map(|look| look.probe.as_deref()?.trouble.as_ref());
    found.extend(probed.map(|trouble| ("probe", trouble.says.clone())));
    if let Some(look) = case.look.as_ref().filter(|look| !look.health_output.is_empty()) {
        found.push(("healthcheck", look.health_output.clone()));
    }
    if let Some(Sibling { resource, stands, .. }) = case.sibling.as_ref().filter(|one| one.stands != Stands::Well) {
        found.push(("inspect", format!("{}, which its log complains of, {stands}", resource.short())));
    }
    let lines = case.log.iter().flat_map(|log| &log.lines);
    let telling: Vec<_> = lines.clone().filter(|line| line.telling).collect();
    // Without a telling line, the last word is better than none.
    let quoted = if telling.is_empty() { lines.rev().take(1).collect() } else { telling };
    for line in quoted.into_iter().take(log_lines_max) {
        let times = if line.times > 1 { format!(" (×{})", line.times) } else { String::new() };
        found.push(("log", format!("{}{times}", line.text)));
    }
    found.dedup();
    found
}
/// What is seen of a file system that is full.
fn shows_of_disk(disk: &Disk) -> Vec<(&'static str, String)> {
    let inodes = format!("{} of {} inodes free", disk.inodes_free, disk.inodes);
    let mut shows =
        vec![("statvfs", format!("{} of {} free, {inodes}", Bytes(disk.free_bytes), Bytes(disk.total_bytes)))];
    shows.extend(disk.removed.iter().map(|Removed { path, bytes, pid, program, .. }| {
        ("open files", format!("{program} (process {pid}) holds {path} open, which was removed: {}", Bytes(*bytes)))
    }));
    shows.extend(disk.holders.iter().map(|Holder { path, held, grown_bytes }| {
        let grown = grown_bytes.filter(|bytes| *bytes > 0);
        let grown = grown.map_or_else(String::new, |bytes| {
            format!(", {} more than when there was room", Bytes(bytes.unsigned_abs()))
        });
        ("directories", format!("{path} holds {held}{grown}"))
    }));
    shows.push(("rules", format!("listed as free to go: {}", disk.listed)));
    shows
}
