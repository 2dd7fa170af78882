//! Eyes and hands on an engine that is not well: it answers late, wrongly, in part, or not at all. A real one does so only
//! when nobody looks; here it is one that the test serves itself, on a socket of its own.
//!
//! Each test waits for what it expects to hear, never for a time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one thing and passes over all others")]

mod fake;

use std::time::{Duration, Instant};

use docker::{Endpoint, Error, Eyes, Hands, Host, Overflow};
use fake::{Fake, Says};
use model::ResourceId;
use model::fact::{Belongs, Fact, Generation, Incarnation, Look, Observation, What};
use model::input::{Input, Report, SourceState};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);
const SELDOM: Duration = Duration::from_secs(3_600);

/// Running eyes, and all that they said.
struct Watch {
    heard: Vec<Input>,
    hears: mpsc::UnboundedReceiver<Input>,
    cancel: CancellationToken,
}

impl Watch {
    fn open(fake: &Fake, relist: Duration) -> Watch {
        Watch::of(host(fake), relist)
    }

    fn of(host: Host, relist: Duration) -> Watch {
        let (says, hears) = mpsc::unbounded_channel();
        let cancel = CancellationToken::new();
        let sink = move |input| says.send(input).map_err(|_| Overflow);
        tokio::spawn(Eyes::new(host, relist).run(sink, cancel.clone()));
        Watch { heard: Vec::new(), hears, cancel }
    }

    /// Waits until something is heard, from the `from`th on, of which `expect` makes something. Gives its place, too.
    async fn since<T>(&mut self, from: usize, what: &str, expect: impl Fn(&Input) -> Option<T>) -> (usize, T) {
        let mut next = from;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            while let Some(input) = self.heard.get(next) {
                if let Some(found) = expect(input) {
                    return (next, found);
                }
                next += 1;
            }
            match tokio::time::timeout_at(deadline, self.hears.recv()).await {
                Ok(Some(input)) => self.heard.push(input),
                Ok(None) | Err(_) => panic!("never heard: {what}; heard: {:#?}", self.heard),
            }
        }
    }

    async fn state(&mut self, from: usize, what: &str, expect: impl Fn(&SourceState) -> bool) -> usize {
        let state = |input: &Input| state_of(input).filter(|state| expect(state)).map(|_| ());
        self.since(from, what, state).await.0
    }

    async fn opened(&mut self, from: usize, generation: u64) -> usize {
        let number = Generation(generation);
        let opened =
            |state: &SourceState| matches!(state, SourceState::Opened { generation, .. } if *generation == number);
        self.state(from, "that it opened", opened).await
    }

    /// Gives the place of the listing, and the containers in it.
    async fn listed(&mut self, from: usize, generation: u64) -> (usize, Vec<ResourceId>) {
        self.since(from, "a whole listing", |input| match state_of(input)? {
            SourceState::Listed { generation: g, present } if *g == Generation(generation) => {
                Some(present.iter().map(|(resource, _)| resource.clone()).collect())
            }
            _ => None,
        })
        .await
    }

    async fn unreachable(&mut self, from: usize, part: &str) -> (usize, String) {
        self.since(from, part, |input| match state_of(input)? {
            SourceState::Unreachable { because, .. } if because.contains(part) => Some(because.clone()),
            _ => None,
        })
        .await
    }

    async fn looked(&mut self, name: &str) -> Look {
        let look = |input: &Input| match fact_of(input, name)? {
            Fact::Looked(look) => Some((**look).clone()),
            _ => None,
        };
        self.since(0, &format!("a look at {name}"), look).await.1
    }

    async fn happened(&mut self, name: &str, what: What) -> usize {
        let told = |input: &Input| match fact_of(input, name)? {
            Fact::Happened(happening) if happening.what == what => Some(()),
            _ => None,
        };
        self.since(0, &format!("{what:?} of {name}"), told).await.0
    }

    async fn gone(&mut self, name: &str) {
        let told = |input: &Input| fact_of(input, name).filter(|fact| **fact == Fact::Gone).map(|_| ());
        self.since(0, &format!("that {name} is gone"), told).await;
    }

    /// Why a container could not be looked at, each time that this was told.
    fn unlooked(&self, name: &str) -> Vec<&str> {
        let why = |input| match fact_of(input, name) {
            Some(Fact::Unlooked(because)) => Some(because.as_str()),
            _ => None,
        };
        self.heard.iter().filter_map(why).collect()
    }

    /// What was said of the connection, in short.
    fn states(&self) -> Vec<&'static str> {
        let word = |state: &SourceState| match state {
            SourceState::Unreachable { down: true, .. } => "down",
            SourceState::Unreachable { down: false, .. } => "unreachable",
            SourceState::Closing => "closing",
            SourceState::Lost { .. } => "lost",
            SourceState::Opened { .. } => "opened",
            SourceState::Listed { .. } => "listed",
        };
        self.heard.iter().filter_map(state_of).map(word).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn host(fake: &Fake) -> Host {
    Host::new("lab", Endpoint::parse(&fake.url()).unwrap())
}

fn lone(name: &str) -> ResourceId {
    ResourceId::lone_container("lab", name)
}

fn state_of(input: &Input) -> Option<&SourceState> {
    match input {
        Input::Source(Report { state, .. }) => Some(state),
        _ => None,
    }
}

fn fact_of<'a>(input: &'a Input, name: &str) -> Option<&'a Fact> {
    match input {
        Input::Observed(seen) if seen.resource == lone(name) => Some(&seen.fact),
        _ => None,
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_told_with_the_reason_until_it_can_be() {
    let fake = Fake::begin();
    fake.holds(&["fine", "failing", "odd", "hung"]);
    fake.answers("/containers/failing/json", Says::Status(500, r#"{"message": "layer\nis lost"}"#));
    fake.answers("/containers/odd/json", Says::Json(json!({"Id": "odd", "Name": "/odd", "RestartCount": "three"})));
    fake.answers("/containers/hung/json", Says::Nothing);
    let mut watch = Watch::open(&fake, SELDOM);
    let begun = Instant::now();
    let (end, present) = watch.listed(0, 1).await;
    // Not even one look's own limit is waited for, which is ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(present, ["failing", "fine", "hung", "odd"].map(lone));
    assert_eq!(watch.states(), ["opened", "listed"]);
    assert_eq!(watch.heard.len(), end + 1);
    assert_eq!(watch.unlooked("failing"), ["the engine answered 500: layer\\nis lost"]);
    assert!(watch.unlooked("odd")[0].contains("invalid type: string \"three\""), "{:?}", watch.unlooked("odd"));
    let hung = watch.unlooked("hung");
    assert!(
        hung.len() == 1 && hung[0].starts_with("it was asked for ") && hung[0].ends_with(" s and has not answered"),
        "{hung:?}"
    );
    assert!(watch.unlooked("fine").is_empty());
    watch.looked("fine").await;

    // They are asked again: the same reason is told no second time.
    fake.asked("/containers/failing/json", 2).await;
    for name in ["hung", "failing", "odd"] {
        fake.well(name);
        watch.looked(name).await;
        assert_eq!(watch.unlooked(name).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn events_do_not_wait_for_a_look_that_hangs() {
    let fake = Fake::begin();
    fake.holds(&["fine", "hung"]);
    fake.answers("/containers/hung/json", Says::Nothing);
    let mut watch = Watch::open(&fake, Duration::from_secs(1));
    fake.asked("/containers/hung/json", 1).await;
    // While the first listing goes on they are told with it, and afterwards at once.
    fake.happens("fine", "pause", &[]).await;
    let early = watch.happened("fine", What::Paused).await;
    let (first, _) = watch.listed(0, 1).await;
    assert!(early < first);
    fake.happens("hung", "die", &[("exitCode", "3")]).await;
    watch.happened("hung", What::Died { code: 3 }).await;
    // So does the periodic listing, and the one after the next connection.
    let (second, _) = watch.listed(first + 1, 1).await;
    fake.cut();
    let lost = |state: &SourceState| matches!(state, SourceState::Lost { generation: Generation(1), because } if because.contains("event stream"));
    let lost = watch.state(second, "that it is lost, and why", lost).await;
    watch.listed(lost, 2).await;
    assert_eq!(fake.count("/containers/hung/json"), 2, "one look at a container at a time");
}

#[tokio::test]
async fn what_the_engine_remembers_comes_with_a_late_look_too_and_nothing_twice() {
    let fake = Fake::begin();
    fake.holds(&["hung"]);
    fake.answers("/containers/hung/json", Says::Nothing);
    let line = |action: &str, at: i64| fake::event("hung", action, &[("exitCode", "3"), ("signal", "15")], at);
    fake.remembers(&[
        line("start", fake::STARTED + 1),
        line("kill", fake::STARTED + 2),
        line("die", fake::STARTED + 3),
    ]);
    let mut watch = Watch::open(&fake, SELDOM);
    fake.asked("/containers/hung/json", 1).await;
    fake.happens_at("hung", "die", &[("exitCode", "3")], fake::STARTED + 3).await;
    watch.listed(0, 1).await;
    watch.happened("hung", What::Died { code: 3 }).await;
    fake.answers("/containers/hung/json", Says::Json(fake::exited("hung")));
    let kept = watch.looked("hung").await.kept.unwrap();
    let whats: Vec<What> = kept.happenings.into_iter().map(|happening| happening.what).collect();
    assert_eq!((kept.complete, whats), (true, vec![What::Started, What::Signalled { signal: 15, terminating: true }]));
}

#[tokio::test]
async fn who_cannot_list_is_told_once_for_each_reason_and_was_never_open() {
    let page = "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>";
    let table = [
        (
            Says::Status(404, r#"{"message": "page not found"}"#),
            "404: page not found",
            "check docker.hosts or DOCKER_HOST",
        ),
        (Says::Status(500, r#"{"message": "disk"}"#), "500: disk", "the engine's own log"),
        (Says::Status(403, page), "403: 403 Forbidden Request forbidden by administrative", "CONTAINERS"),
        (Says::Json(json!(null)), "invalid type: null", "/containers/json at "),
        (Says::Status(200, page), "is no Docker engine", "check docker.hosts or DOCKER_HOST"),
    ];
    for (says, why, remedy) in table {
        let fake = Fake::begin();
        fake.answers("/containers/json", says);
        let mut watch = Watch::open(&fake, SELDOM);
        let (_, because) = watch.unreachable(0, why).await;
        assert!(because.contains(remedy) && because.contains(&fake.address()), "{because}");
        // More attempts tell nothing new; another reason is.
        fake.asked("/containers/json", 4).await;
        fake.answers("/containers/json", Says::Status(503, ""));
        watch.unreachable(0, "the engine answered 503").await;
        fake.holds(&["fine"]);
        watch.listed(0, 1).await;
        assert_eq!(watch.states(), ["unreachable", "unreachable", "opened", "listed"]);
    }
}

#[tokio::test]
async fn a_slow_list_is_told_and_waited_for() {
    let fake = Fake::begin();
    fake.holds(&["fine"]);
    fake.answers("/containers/json", Says::Nothing);
    let mut watch = Watch::open(&fake, SELDOM);
    let (_, because) = watch.unreachable(0, "gives no answer when asked to list its containers").await;
    assert!(because.contains("docker ps"), "{because}");
    fake.holds(&["fine"]);
    watch.listed(0, 1).await;
    assert_eq!((watch.states(), fake.count("/containers/json")), (vec!["unreachable", "opened", "listed"], 1));
}

#[tokio::test]
async fn the_end_of_an_outage_does_not_wait_for_the_list() {
    let fake = Fake::begin();
    fake.holds(&["fine"]);
    fake.answers("/containers/json", Says::Nothing);
    fake.leave();
    let mut watch = Watch::open(&fake, SELDOM);
    watch.unreachable(0, "no socket at ").await;
    fake.come();
    // Nobody gets an answer to the list before this is heard.
    watch.opened(0, 1).await;
    fake.holds(&["fine"]);
    watch.listed(0, 1).await;
    assert_eq!(watch.states(), ["down", "opened", "listed"]);
}

#[tokio::test]
async fn an_outage_begins_when_nobody_is_there_and_not_when_the_list_was_refused() {
    let fake = Fake::begin();
    fake.holds(&["fine"]);
    let mut watch = Watch::open(&fake, SELDOM);
    watch.listed(0, 1).await;
    fake.answers("/containers/json", Says::Status(500, ""));
    fake.cut();
    let (refused, _) = watch.unreachable(0, "the engine answered 500").await;
    fake.leave();
    let (down, _) = watch.unreachable(refused, "no socket at ").await;
    assert_eq!(watch.states(), ["opened", "listed", "lost", "unreachable", "opened", "lost", "down"]);
    fake.holds(&["fine"]);
    fake.come();
    watch.listed(down, 3).await;
}

#[tokio::test]
async fn an_element_of_the_list_that_cannot_be_read_loses_no_other() {
    let fake = Fake::begin();
    fake.holds(&["one", "two", "three"]);
    let mut watch = Watch::open(&fake, Duration::from_secs(1));
    let (first, present) = watch.listed(0, 1).await;
    assert_eq!(present, ["one", "three", "two"].map(lone));
    // The unreadable one may be `two`: that it is gone is not said on such a word.
    let odd = json!([{"Id": null, "Names": ["/two"]}, {"Id": "one", "Names": 7}, fake::summary("new")]);
    fake.well("new");
    fake.answers("/containers/json", Says::Json(odd));
    fake.answers("/containers/three/json", Says::Status(404, r#"{"message": "No such container: three"}"#));
    watch.gone("three").await;
    let news = |input: &Input| match state_of(input)? {
        SourceState::Listed { present, .. } if present.iter().any(|(resource, _)| *resource == lone("new")) => {
            Some(present.iter().map(|(resource, _)| resource.clone()).collect::<Vec<_>>())
        }
        _ => None,
    };
    let (_, present) = watch.since(first + 1, "a listing with the new one", news).await;
    assert_eq!(present, ["new", "one", "two"].map(lone));
}

#[tokio::test]
async fn who_is_no_engine_is_named_with_the_remedy() {
    let table = [
        (
            Says::Status(200, "<html><p>It works!</p></html>"),
            "is no Docker engine (GET /version: its answer is no JSON)",
        ),
        (Says::Status(404, "<h1>Not Found</h1>"), "cannot tell its version (the engine answered 404: Not Found)"),
        (Says::Json(json!({})), "is it a Docker engine?"),
        (Says::Raw("SSH-2.0-OpenSSH_9.6\r\n"), "is no Docker engine (GET /version: what it said is no HTTP)"),
        (
            Says::Raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"ApiVersion\""),
            "gives no answer when asked to tell its version",
        ),
    ];
    for (says, part) in table {
        let fake = Fake::begin();
        fake.answers("/version", says);
        let mut watch = Watch::open(&fake, SELDOM);
        let (_, because) = watch.unreachable(0, part).await;
        assert!(because.contains(&fake.address()) && !because.contains("no such container"), "{because}");
        assert_eq!(watch.states(), ["unreachable"]);
    }
}

#[tokio::test]
async fn hands_give_what_they_saw_though_one_body_cannot_be_looked_at() {
    let fake = Fake::begin();
    fake.holds(&["a", "b", "c"]);
    let labels = json!({"com.docker.compose.project": "shop", "com.docker.compose.service": "web"});
    let summary = |id: &str| json!({"Id": id, "Names": [format!("/{id}")], "Labels": labels});
    fake.answers("/containers/json", Says::Json(json!([summary("a"), summary("b"), summary("c")])));
    let body = |id: &str| json!({"Id": id, "Name": format!("/{id}"), "State": {"Status": "running"}, "Config": {"Labels": labels}});
    fake.answers("/containers/a/json", Says::Json(body("a")));
    fake.answers("/containers/b/json", Says::Status(500, r#"{"message": "lost"}"#));
    fake.answers("/containers/c/json", Says::Status(404, r#"{"message": "No such container: c"}"#));
    let web = ResourceId::docker("lab", "shop", "web", 1);
    let hands = Hands::new(host(&fake));
    let mut seen = hands.look(&web).await.unwrap();
    seen.sort_by(|a, b| a.incarnation.cmp(&b.incarnation));
    assert!(seen.iter().all(|seen| seen.resource == web));
    let facts: Vec<(&str, &Fact)> =
        seen.iter().map(|Observation { incarnation, fact, .. }| (incarnation.short(), fact)).collect();
    match &facts[..] {
        [("a", Fact::Looked(_)), ("b", Fact::Unlooked(why)), ("c", Fact::Gone)] => {
            assert_eq!(why, "the engine answered 500: lost");
        }
        other => panic!("{other:?}"),
    }
    // Nobody there is no word about a container.
    fake.leave();
    assert!(matches!(hands.look(&web).await, Err(Error::Down(_))));
}

#[tokio::test]
async fn a_start_for_which_something_else_is_missing_does_not_say_that_the_container_is_gone() {
    use model::action::{Action, Answer, Behalf, Pair, Permit, PermitId, Step, With};
    let fake = Fake::begin();
    fake.holds(&["c0ffee"]);
    fake.answers("/containers/c0ffee/json", Says::Json(fake::exited("c0ffee")));
    let permit = Permit {
        id: PermitId(1),
        epoch: 1,
        behalf: Behalf::Incident("lab/1".parse().unwrap()),
        step: Step {
            action: Action::Start,
            resource: lone("c0ffee"),
            pair: Pair::None,
            timeout_ms: 30_000,
            with: With::Nothing,
        },
        incarnation: Incarnation("c0ffee".into()),
        ran: false,
        leases: std::collections::BTreeSet::new(),
        unhindered: false,
        given: model::time::Now::default(),
        until: model::time::Tick(u64::MAX),
    };
    let hands = Hands::new(host(&fake));
    let table = [
        (r#"{"message": "network shop_default not found"}"#, "the engine answered 404: network shop_default not found"),
        (r#"{"message": "No such container: 0123abcd"}"#, "the engine answered 404: No such container: 0123abcd"),
        (r#"{"message": "No such container: c0ffee"}"#, "the container is gone"),
    ];
    for (says, expect) in table {
        fake.answers("/containers/c0ffee/start", Says::Status(404, says));
        assert_eq!(hands.perform(&permit, || Ok(())).await, Answer::Failed(expect.to_owned()));
    }
}

#[tokio::test]
async fn l11_what_runs_under_podman_is_watched_and_somebody_elses() {
    let fake = Fake::begin();
    let version = json!({"ApiVersion": "1.41", "MinAPIVersion": "1.24", "Components": [{"Name": "Podman Engine"}]});
    fake.answers("/version", Says::Json(version));
    fake.holds(&["web"]);
    let mut watch = Watch::open(&fake, SELDOM);
    watch.listed(0, 1).await;
    let belongs = |input: &Input| match fact_of(input, "web")? {
        Fact::Looked(look) => Some(look.definition.belongs.clone()),
        _ => None,
    };
    let (_, found) = watch.since(0, "a look", belongs).await;
    assert_eq!(found, Belongs::Owned("Podman".to_owned()));
    // `remove` is its word for `destroy`.
    fake.happens("web", "remove", &[]).await;
    watch.gone("web").await;
}

#[tokio::test]
async fn l08_a_socket_on_which_nobody_listens_any_more_is_said_with_what_to_mount() {
    let fake = Fake::begin();
    let nobodys = format!("{}-of-an-engine-that-ended", fake.address());
    drop(std::os::unix::net::UnixListener::bind(&nobodys).unwrap());
    let mut watch = Watch::of(Host::new("lab", Endpoint::parse(&format!("unix://{nobodys}")).unwrap()), SELDOM);
    let (_, because) = watch.unreachable(0, "nobody listens on").await;
    assert!(because.contains("mount the socket's folder instead of the socket"), "{because}");
}
