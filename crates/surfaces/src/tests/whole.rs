//! The same surfaces around the real loop, the real engine and the real journal.

use std::collections::BTreeSet;
use std::time::Duration;

use model::command::Ask;
use model::event::{Entry, Event};
use model::fact::{
    Belongs, Definition, Exit, Fact, Generation, Health, Incarnation, Look, Observation, RestartPolicy, Run, SourceTime,
};
use model::input::{Effect, Input, Report, SourceState};
use model::settings::{Mode, Settings};
use model::view::{Line, Status, Why};
use model::{Now, ResourceId};
use runtime::{Clock, Driver, Gate, Handle, Loop, Perform};
use serde::Deserialize;
use store::Sqlite;

use super::fixed::resource;
use super::*;
use crate::client::{Client, ClientError};
use crate::link::Link;

/// Performs nothing: what is decided stays decided.
pub(super) struct Idle;

impl Perform for Idle {
    fn perform(&mut self, _: Effect) {}
}

fn looked(run: Run, exit: Option<Exit>) -> Input {
    looked_at(resource("web"), run, exit)
}

pub(super) fn looked_at(resource: ResourceId, run: Run, exit: Option<Exit>) -> Input {
    let definition = Definition {
        name: "shop-web-1".to_owned(),
        image: "shop:1".to_owned(),
        image_id: "sha256:1".to_owned(),
        config_hash: "1".to_owned(),
        belongs: Belongs::ComposeService,
        restart_policy: RestartPolicy::No,
        depends_on: Vec::new(),
        network_parent: None,
        network_body: None,
        replaces: None,
        is_orphan: false,
        stops_by_kill: false,
        stop_timeout_s: 10,
        memory_limit_bytes: 0,
        anonymous_volume: false,
        removed_at_end: false,
        labels: BTreeSet::new(),
        healers_own: None,
        host_paths: Default::default(),
    };
    let look = Look {
        at: SourceTime(if exit.is_some() { 20 } else { 10 }),
        run,
        started: Some(SourceTime(1)),
        exit,
        health: Health::Unchecked,
        health_output: String::new(),
        check_lacks: None,
        restarts: 0,
        manually_stopped: Some(false),
        kept: None,
        lost_networks: Vec::new(),
        disk: None,
        probe: None,
        definition: Arc::new(definition),
    };
    Input::Observed(Observation {
        resource,
        incarnation: Incarnation(Arc::from("0123456789abcdef")),
        generation: Generation(1),
        fact: Fact::Looked(Box::new(look)),
    })
}

pub(super) fn source(state: SourceState) -> Input {
    Input::Source(Report { source: "web-1".to_owned(), state })
}

/// A healer that watches one running service, served on its socket.
async fn healer(dir: &std::path::Path, mode: Mode) -> (Handle, std::thread::JoinHandle<()>, Client) {
    let settings = Arc::new(Settings { instance: "web-1".to_owned(), mode, ..Settings::default() });
    let journal = Sqlite::open(dir).unwrap();
    let mut turning = Loop::recover(journal, Driver::new(Idle), Gate::default(), settings, "0.1.0").unwrap();
    let clock = Clock::after(Now::default());
    turning.lead(clock.now()).unwrap();
    let (handle, inbox) = runtime::inbox();
    let thread = std::thread::spawn(move || runtime::drive(turning, &inbox, clock).unwrap());
    handle.tell(source(SourceState::opened(Generation(1))));
    handle.tell(looked(Run::Running, None));
    let present = vec![(resource("web"), Incarnation(Arc::from("0123456789abcdef")))];
    handle.tell(source(SourceState::Listed { generation: Generation(1), present }));

    let (room, watched) = watch::channel(Room::Ample);
    let house = House::new(handle.clone(), dir.to_owned(), watched, Some(Key::of(KEY)));
    let socket = Socket::bind(dir).await.unwrap();
    tokio::spawn(async move {
        serve_socket(socket, house, CancellationToken::new()).await;
        drop(room);
    });
    (handle, thread, Client::connect(dir).await.unwrap())
}

/// Asks until the answer is as it should be.
pub(super) async fn until<T: serde::de::DeserializeOwned + std::fmt::Debug>(
    client: &Client,
    path: &str,
    fits: impl Fn(&T) -> bool,
) -> T {
    let mut last = None;
    let asking = async {
        loop {
            let answer: T = client.get(path).await.unwrap();
            if fits(&answer) {
                return answer;
            }
            last = Some(answer);
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), asking).await;
    found.unwrap_or_else(|_| panic!("{path} stayed at {last:#?}"))
}

#[derive(Debug, Deserialize)]
struct History {
    items: Vec<Line>,
    entries: Vec<Entry>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_told_by_every_route_and_a_freeze_carries_its_author() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, thread, client) = healer(dir.path(), Mode::Auto).await;
    until(&client, "/api/v1/status", |status: &Status| status.deployments.len() == 1).await;
    let ready: Value = client.get("/readyz").await.unwrap();
    assert_eq!(ready["ready"], true);

    client.command(&Ask::Freeze { because: "a test".to_owned() }, None).await.unwrap();
    let status = until(&client, "/api/v1/status", |status: &Status| status.frozen.is_some()).await;
    assert_eq!(status.frozen.unwrap().because, "a test");

    let exit = Exit { at: SourceTime(15), code: 1, oom: false, error: String::new(), start_error: None };
    handle.tell(looked(Run::Exited, Some(exit)));
    let alerts = until(&client, "/api/v1/alerts", |alerts: &Value| alerts["total"] == 1).await;
    assert_eq!(
        (&alerts["items"][0]["name"], &alerts["items"][0]["incident"]),
        (&"service_down".into(), &"web-1/1".into())
    );
    let incidents: Value = client.get("/api/v1/incidents?state=open").await.unwrap();
    assert_eq!((&incidents["total"], &incidents["items"][0]["id"]), (&1.into(), &"web-1/1".into()));

    let of_incident: Why = client.get("/api/v1/incidents/web-1/1").await.unwrap();
    let of_resource: Why = client.get("/api/v1/why?of=shop/web").await.unwrap();
    for why in [&of_incident, &of_resource] {
        assert!(!why.headline.is_empty() && !why.story.is_empty() && why.incidents.len() == 1, "{why:#?}");
    }
    let history: History = client.get("/api/v1/history?order=oldest").await.unwrap();
    let seqs: Vec<u64> = history.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert!(!history.items.is_empty());

    let document = serde_json::to_value(crate::document()).unwrap();
    for path in ["/api/v1/status", "/api/v1/incidents", "/api/v1/alerts", "/api/v1/resources", "/api/v1/history"] {
        let answer: Value = client.get(path).await.unwrap();
        let schema = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        document::check(&document, schema, &answer).unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
    }

    handle.end();
    thread.join().unwrap();
    let ended = client.get::<Value>("/api/v1/status").await.unwrap_err();
    assert!(
        matches!(&ended, ClientError::Refused { status: 503, error } if error.contains("shutting down")),
        "{ended:?}"
    );
}

/// Posts to a link, over the socket.
async fn post(dir: &std::path::Path, path: &str, form: &str) -> Answer {
    let length = form.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{form}");
    ask(UnixStream::connect(dir.join(crate::SOCKET_FILE)).await.unwrap(), request.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_decides_once_through_the_loop_and_the_journal_says_by_which() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, thread, client) = healer(dir.path(), Mode::Suggest).await;
    let exit = Exit { at: SourceTime(15), code: 1, oom: false, error: String::new(), start_error: None };
    handle.tell(looked(Run::Exited, Some(exit)));
    let asks = |all: &Value| all["items"][0]["phase"] == "awaiting_approval";
    until(&client, "/api/v1/incidents?state=open", asks).await;
    let id = "web-1/1".parse().unwrap();
    let question = handle.ask(move |engine, now| engine::view::question(engine, &id, now)).await.unwrap().unwrap();
    assert_eq!(question.steps, ["start shop/web (at most 30 s)"]);
    let path = Link::to(&question.asked, "ops-mail").url(&Key::of(KEY), "");

    // Two clicks and a rejection at the same time: one of them decides, and all are told which.
    let (one, two, other) = tokio::join!(
        post(dir.path(), &path, "decision=approve"),
        post(dir.path(), &path, "decision=approve"),
        post(dir.path(), &path, "decision=reject"),
    );
    let history: History = client.get("/api/v1/history?order=oldest").await.unwrap();
    let answered = history.entries.iter().filter_map(|entry| {
        let Event::ApprovalAnswered { by, approved, .. } = &entry.event else { return None };
        Some((by.as_str(), *approved))
    });
    let [(by, approved)] = answered.collect::<Vec<_>>()[..] else { panic!("{:#?}", history.entries) };
    assert_eq!(by, "the link in the message to ops-mail");
    let expect = if approved { [200, 200, 409] } else { [409, 409, 200] };
    assert_eq!([one.status, two.status, other.status], expect, "{one:?} {two:?} {other:?}");
    let taken = history.entries.iter().filter(|entry| matches!(entry.event, Event::CommandTaken { .. })).count();
    assert_eq!(taken, 1);
    let word = if approved { "approved it" } else { "rejected it" };
    assert!(history.items.iter().any(|line| line.text.ends_with(&format!("ops-mail {word}"))), "{:#?}", history.items);

    // What can be read of all this gives nobody the right to decide.
    let journal = serde_json::to_string(&history.entries).unwrap();
    let token = path.strip_prefix("/approve/").unwrap();
    assert!(journal.contains("\"asks\"") && !journal.contains(token), "{journal}");

    handle.end();
    thread.join().unwrap();
    let ended = post(dir.path(), &path, "decision=approve").await;
    assert!(ended.status == 503 && ended.body.contains("shutting down"), "{ended:?}");
}
