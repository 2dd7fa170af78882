//! What healer decides, told as it happens: read from its journal, as `healer why` does.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use model::action::{Action, Answer, Behalf, Pair};
use model::event::{Entry, Event};
use model::incident::{IncidentId, Outcome, Verification};
use model::intent::Wanted;
use model::time::Spoken;
use model::verdict::Hold;
use model::view::Tone;
use store::Reader;
use store::reader::Query;

/// A line that is to be told.
pub(super) struct Told {
    pub(super) service: String,
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// How an incident of a service stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Story {
    /// What healer took for its cause last.
    pub(super) cause: Option<String>,
    pub(super) end: Option<End>,
    pub(super) attempts: u32,
    /// An attempt has failed.
    pub(super) has_failed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Healed,
    NeedsAPerson(String),
    Other(String),
}

/// Reads the journal on, and remembers what it is about.
pub(super) struct Narrator {
    reader: Reader,
    after: Option<u64>,
    began: Instant,
    services: BTreeMap<IncidentId, String>,
    /// By service: the present incident.
    pub(super) stories: BTreeMap<String, Story>,
    /// What ended with the start of everything.
    pub(super) begun: Option<usize>,
    pub(super) stopped: BTreeMap<String, String>,
}

impl Narrator {
    pub(super) fn open(state_dir: &Path) -> Result<Narrator, store::Error> {
        Ok(Narrator {
            reader: Reader::open(state_dir)?,
            after: None,
            began: Instant::now(),
            services: BTreeMap::new(),
            stories: BTreeMap::new(),
            begun: None,
            stopped: BTreeMap::new(),
        })
    }

    pub(super) fn elapsed(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// A service's next incident is another story.
    pub(super) fn forget(&mut self, service: &str) {
        self.stories.remove(service);
    }

    /// What was decided since.
    pub(super) fn news(&mut self) -> Result<Vec<Told>, store::Error> {
        let mut told = Vec::new();
        loop {
            let page = self.reader.entries(&Query { after_seq: self.after, limit: 500, ..Query::default() })?;
            for entry in &page.entries {
                self.after = Some(entry.seq);
                told.extend(self.take(entry));
            }
            if page.next.is_none() {
                return Ok(told);
            }
        }
    }

    fn take(&mut self, entry: &Entry) -> Option<Told> {
        let event = &entry.event;
        if let Event::RecoveryEnded { outcome, .. } = event {
            self.begun = Some(outcome.recovered.len());
            return None;
        }
        if let Event::IncidentOpened { id, resource, .. } = event {
            self.services.insert(id.clone(), resource.short().to_owned());
        }
        let service = self.service_of(event)?;
        let (tone, text) = self.words(&service, event)?;
        Some(Told { service, tone, text })
    }

    fn service_of(&self, event: &Event) -> Option<String> {
        let by_incident = || self.services.get(event.incident()?).cloned();
        event.resource().map(|resource| resource.short().to_owned()).or_else(by_incident)
    }

    /// The words for what matters to who watches; everything is in `healer why`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the demo tells some of the story, whatever else there is")]
    fn words(&mut self, service: &str, event: &Event) -> Option<(Tone, String)> {
        let starting = self.begun.is_none();
        let story = self.stories.entry(service.to_owned()).or_default();
        match event {
            Event::IncidentOpened { because, .. } | Event::IncidentReopened { because, .. } => {
                *story = Story::default();
                (!starting).then(|| (Tone::Bad, because.clone()))
            }
            Event::Diagnosed { diagnosis, .. } => {
                let known = story.cause.replace(diagnosis.title.clone()).is_some_and(|known| known == diagnosis.title);
                (!starting && !known)
                    .then(|| (Tone::Plain, format!("cause: {} ({})", diagnosis.title, diagnosis.confidence)))
            }
            Event::ActionStarted { permit, attempt, .. } => {
                story.attempts = story.attempts.max(*attempt);
                if starting {
                    return None;
                }
                let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                let what = match (permit.step.action, permit.step.pair, &permit.behalf) {
                    (Action::Stop, Pair::Opens, _) => "stops it, in order to start it".to_owned(),
                    (Action::Stop, _, Behalf::Person(who)) => format!("stops it, as {who} asked"),
                    (action, ..) => format!("{action}s it{again}"),
                };
                Some((Tone::Plain, format!("healer {what}")))
            }
            Event::ActionAnswered { answer: Answer::Failed(why), .. } => Some((Tone::Bad, format!("it failed: {why}"))),
            Event::ActionSettled { reached: true, shown, .. } if shown == "it runs" => {
                Some((Tone::Good, if starting { "runs" } else { "it runs again" }.to_owned()))
            }
            Event::Held { reason: Hold::Backoff { attempt, wait_ms }, .. } => {
                let wait = Spoken(std::time::Duration::from_millis(*wait_ms));
                Some((Tone::Waiting, format!("healer waits {wait} before attempt {attempt}")))
            }
            Event::Held { reason: reason @ Hold::WaitsFor { .. }, .. } => Some((Tone::Waiting, reason.to_string())),
            Event::Verified { result: Verification::Failed, because, .. } => {
                story.has_failed = true;
                Some((Tone::Bad, format!("it did not hold: {because}")))
            }
            Event::Escalated { reason, level: 0, .. } => {
                story.end = Some(End::NeedsAPerson(reason.to_string()));
                Some((Tone::Bad, format!("healer leaves it to a person: {reason}")))
            }
            Event::IncidentResolved { outcome, .. } => {
                story.end = Some(match outcome {
                    Outcome::Healed => End::Healed,
                    other => End::Other(other.to_string()),
                });
                (!starting).then(|| (Tone::Good, format!("{outcome}: it has held")))
            }
            Event::IntentChanged { intent, .. } if intent.wanted == Wanted::Stopped => {
                self.stopped.insert(service.to_owned(), intent.because.clone());
                Some((Tone::Plain, format!("it shall be stopped: {}", intent.because)))
            }
            _ => None,
        }
    }
}
