//! Eyes and hands on a real engine: a private one, whose socket `HEALER_TEST_DOCKER_HOST` names (a `unix://` URL) and which
//! has an image `healer-test:1` with `/bin/sh`. Without that variable every test says that it was skipped.
//!
//! Each test waits for what it expects to hear, never for a time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one thing and passes over all others")]

#[path = "lab/guest.rs"]
mod guest;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use docker::{Endpoint, Eyes, Hands, Host, Overflow};
use model::ResourceId;
use model::action::{Action, Answer, Behalf, Pair, Permit, PermitId, Step, With};
use model::fact::{Belongs, Fact, Generation, Health, Incarnation, Look, Observation, RestartPolicy, Run, What};
use model::input::{Input, SourceState};
use model::time::{Now, Tick};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use guest::{Guest, attempt, docker, engine};

const PATIENCE: Duration = Duration::from_secs(30);
const RELIST: Duration = Duration::from_secs(3_600);

/// Running eyes, and all that they said.
struct Watch {
    host: Host,
    heard: Vec<Input>,
    hears: mpsc::UnboundedReceiver<Input>,
    cancel: CancellationToken,
    /// The sink takes nothing.
    full: Arc<AtomicBool>,
    /// How often it took nothing.
    refused: Arc<AtomicU32>,
}

impl Watch {
    /// Eyes that have told a first whole listing.
    async fn begin(url: &str) -> Watch {
        let mut watch = Watch::open(url);
        watch.listed(1).await;
        watch
    }

    fn open(url: &str) -> Watch {
        let host = Host::new("lab", Endpoint::parse(url).unwrap());
        let (says, hears) = mpsc::unbounded_channel();
        let full = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicU32::new(0));
        let sink = {
            let (full, refused) = (full.clone(), refused.clone());
            move |input| {
                if full.load(Ordering::Relaxed) {
                    refused.fetch_add(1, Ordering::Relaxed);
                    return Err(Overflow);
                }
                says.send(input).map_err(|_| Overflow)
            }
        };
        let cancel = CancellationToken::new();
        tokio::spawn(Eyes::new(host.clone(), RELIST).run(sink, cancel.clone()));
        Watch { host, heard: Vec::new(), hears, cancel, full, refused }
    }

    /// Waits until something was heard of which `expect` makes something.
    async fn until<T>(&mut self, what: &str, expect: impl Fn(&Input) -> Option<T>) -> T {
        let mut next = 0;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            while let Some(input) = self.heard.get(next) {
                if let Some(found) = expect(input) {
                    return found;
                }
                next += 1;
            }
            match tokio::time::timeout_at(deadline, self.hears.recv()).await {
                Ok(Some(input)) => self.heard.push(input),
                Ok(None) | Err(_) => panic!("never heard: {what}; heard: {:#?}", self.heard),
            }
        }
    }

    async fn happened(&mut self, of: &ResourceId, what: What) {
        self.until(&format!("{what:?} of {of}"), |input| {
            of_resource(input, of).filter(|seen| matches!(&seen.fact, Fact::Happened(h) if h.what == what)).map(|_| ())
        })
        .await;
    }

    async fn looked(&mut self, of: &ResourceId, so: impl Fn(&Look) -> bool) -> (Incarnation, Look) {
        self.until(&format!("such a look at {of}"), |input| {
            let seen = of_resource(input, of)?;
            match &seen.fact {
                Fact::Looked(look) if so(look) => Some((seen.incarnation.clone(), (**look).clone())),
                _ => None,
            }
        })
        .await
    }

    async fn gone(&mut self, of: &ResourceId) {
        self.until(&format!("that {of} is gone"), |input| {
            of_resource(input, of).filter(|seen| seen.fact == Fact::Gone).map(|_| ())
        })
        .await;
    }

    async fn state(&mut self, what: &str, expect: impl Fn(&SourceState) -> bool) -> SourceState {
        self.until(what, |input| match input {
            Input::Source(report) if expect(&report.state) => Some(report.state.clone()),
            _ => None,
        })
        .await
    }

    async fn listed(&mut self, generation: u64) -> Vec<(ResourceId, Incarnation)> {
        let listed = |state: &SourceState| matches!(state, SourceState::Listed { generation: g, .. } if *g == Generation(generation));
        match self.state("a whole listing", listed).await {
            SourceState::Listed { present, .. } => present,
            other => panic!("{other:?}"),
        }
    }

    async fn lost(&mut self, generation: u64) {
        let lost = |state: &SourceState| matches!(state, SourceState::Lost { generation: g, because } if *g == Generation(generation) && !because.is_empty());
        self.state("that it is lost, and why", lost).await;
    }

    /// What happened to a resource, in the order in which it was heard.
    fn story(&self, of: &ResourceId) -> Vec<What> {
        self.heard
            .iter()
            .filter_map(|input| match &of_resource(input, of)?.fact {
                Fact::Happened(happening) => Some(happening.what.clone()),
                _ => None,
            })
            .collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn of_resource<'a>(input: &'a Input, of: &ResourceId) -> Option<&'a Observation> {
    match input {
        Input::Observed(seen) if seen.resource == *of => Some(seen),
        _ => None,
    }
}

fn killed(signal: u8) -> What {
    What::Signalled { signal, terminating: true }
}

/// A script that ends at once on TERM, with 0.
const WELL_BEHAVED: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_told_at_once_and_looked_at() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "crash");
    let mut watch = Watch::begin(&url).await;
    let labels = [
        "--label",
        "com.docker.compose.project=labshop",
        "--label",
        "com.docker.compose.service=web",
        "--label",
        "com.docker.compose.container-number=2",
        "--label",
        "com.docker.compose.oneoff=False",
    ];
    let id = guest.run(&labels, "sleep 0.3; exit 3");
    let resource = ResourceId::docker("lab", "labshop", "web", 2);
    watch.happened(&resource, What::Died { code: 3 }).await;
    let (seen, look) = watch.looked(&resource, |look| look.run == Run::Exited).await;
    let exit = look.exit.unwrap();
    assert_eq!((seen, exit.code, exit.oom, look.manually_stopped), (id, 3, false, Some(false)));
    assert_eq!(look.definition.belongs, Belongs::ComposeService);
    assert_eq!(watch.story(&resource), [What::Created, What::Started, What::Died { code: 3 }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_by_somebody_is_told_with_its_signal_while_the_api_is_open() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "stop");
    let mut watch = Watch::begin(&url).await;
    guest.run(&[], WELL_BEHAVED);
    let resource = guest.resource();
    watch.looked(&resource, |look| look.run == Run::Running).await;
    guest.docker(&["stop"]);
    watch.happened(&resource, What::Stopped).await;
    let (_, look) =
        watch.looked(&resource, |look| look.run == Run::Exited && look.manually_stopped == Some(true)).await;
    assert_eq!((look.exit.unwrap().code, &look.definition.belongs), (0, &Belongs::Unclaimed));
    let open = watch
        .until("that the API was open", |input| match of_resource(input, &resource)?.fact {
            Fact::ApiOpenAfter(kill) => Some(kill),
            _ => None,
        })
        .await;
    let kill = watch.until("the kill", |input| match &of_resource(input, &resource)?.fact {
        Fact::Happened(happening) if happening.what == killed(15) => Some(happening.at),
        _ => None,
    });
    assert_eq!(open, kill.await);
    assert_eq!(
        watch.story(&resource),
        [What::Created, What::Started, killed(15), What::Died { code: 0 }, What::Stopped]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_by_somebody_has_no_stop_and_a_reload_is_no_kill() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "kill");
    let mut watch = Watch::begin(&url).await;
    guest.run(&[], "trap : HUP; echo ready; while :; do sleep 0.1; done");
    // A shell that is still reading its script is ended by what it does not know yet how to take.
    guest.wait_until_it_says("ready");
    let resource = guest.resource();
    guest.docker(&["kill", "-s", "HUP"]);
    watch.happened(&resource, What::Signalled { signal: 1, terminating: false }).await;
    guest.docker(&["kill"]);
    let (_, look) = watch.looked(&resource, |look| look.run == Run::Exited).await;
    let exit = look.exit.unwrap();
    assert_eq!((exit.code, exit.oom, look.manually_stopped), (137, false, Some(true)));
    assert_eq!(watch.story(&resource)[3..], [killed(9), What::Died { code: 137 }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_want_of_memory_is_told_by_the_engine_and_not_by_the_code() {
    let Some(url) = engine() else { return };
    let mut watch = Watch::begin(&url).await;
    // On a busy machine the engine itself may miss it, when the container's cgroup is gone before its notice is read (seen
    // with cgroup v1): then its inspect says `OOMKilled=false` of a 137. One of these is told of.
    for _ in 0..5 {
        let guest = Guest::new(&url, "oom");
        guest.run(&["--memory", "16m", "--memory-swap", "16m"], "a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done");
        let resource = guest.resource();
        let (_, look) = watch.looked(&resource, |look| look.run == Run::Exited).await;
        let exit = look.exit.unwrap();
        assert_eq!((exit.code, look.definition.memory_limit_bytes), (137, 16 << 20));
        if exit.oom {
            return watch.happened(&resource, What::OutOfMemory).await;
        }
    }
    panic!("the engine was told of none of five");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_healthcheck_is_told_with_its_words() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "ill");
    let mut watch = Watch::begin(&url).await;
    let health = [
        "--health-cmd",
        "printf 'no database \\033[31m password=hunter2'; exit 1",
        "--health-interval",
        "300ms",
        "--health-retries",
        "1",
    ];
    guest.run(&health, WELL_BEHAVED);
    let resource = guest.resource();
    watch.happened(&resource, What::Health(Health::Unhealthy)).await;
    let (_, look) = watch.looked(&resource, |look| look.health == Health::Unhealthy).await;
    assert_eq!(look.health_output, "no database \\x1b[31m password=********");
    assert_eq!(look.run, Run::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_has_no_event_and_is_seen_all_the_same() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "nostart");
    let mut watch = Watch::begin(&url).await;
    guest.make("create", &[], &[], &["/no/such/program"]);
    let resource = guest.resource();
    assert!(!attempt(&url, &["start", &guest.name]).0);
    let (_, look) = watch.looked(&resource, |look| look.exit.is_some()).await;
    let exit = look.exit.unwrap();
    assert_eq!((look.run, look.started, exit.code), (Run::Created, None, 127));
    assert!(exit.error.contains("/no/such/program") && exit.at.0 > 0, "{}", exit.error);
    assert_eq!(watch.story(&resource), [What::Created]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_of_the_engines_own_policy_is_seen_as_restarting_and_left_to_it() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "loop");
    let mut watch = Watch::begin(&url).await;
    let id = guest.run(&["--restart", "unless-stopped"], "exit 4");
    let resource = guest.resource();
    let (_, look) = watch.looked(&resource, |look| look.run == Run::Restarting && look.restarts > 2).await;
    assert_eq!((look.exit.unwrap().code, look.definition.restart_policy), (4, RestartPolicy::UnlessStopped));
    // The engine waits ever longer between its starts: from the fifth on more than a second.
    watch.looked(&resource, |look| look.run == Run::Restarting && look.restarts > 4).await;
    let answer = Hands::new(watch.host.clone()).perform(&permit(Action::Start, &resource, &id), || Ok(())).await;
    assert_eq!(answer, Answer::Withheld("the engine's own restart policy is starting it".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_and_a_removal_are_told() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "pause");
    let mut watch = Watch::begin(&url).await;
    guest.run(&[], WELL_BEHAVED);
    let resource = guest.resource();
    guest.docker(&["pause"]);
    watch.looked(&resource, |look| look.run == Run::Paused).await;
    guest.docker(&["unpause"]);
    watch.happened(&resource, What::Unpaused).await;
    guest.docker(&["rm", "-f"]);
    watch.happened(&resource, What::Destroyed).await;
    watch.gone(&resource).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_container_is_the_other_resource_from_then_on() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "rename");
    let mut watch = Watch::begin(&url).await;
    let id = guest.run(&[], WELL_BEHAVED);
    watch.looked(&guest.resource(), |look| look.run == Run::Running).await;
    let new_name = format!("{}-renamed", guest.name);
    docker(&url, &["rename", &guest.name, &new_name]);
    watch.happened(&guest.resource(), What::Renamed { aside: false }).await;
    watch.gone(&guest.resource()).await;
    let (seen, look) = watch.looked(&ResourceId::lone_container("lab", &new_name), |_| true).await;
    assert_eq!((seen, look.definition.name.as_str()), (id, new_name.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_network_names_its_parent_and_an_update_changes_the_definition() {
    let Some(url) = engine() else { return };
    let (parent, child) = (Guest::new(&url, "parent"), Guest::new(&url, "child"));
    let id = parent.run(&[], WELL_BEHAVED);
    let network = format!("container:{}", id.0);
    docker(
        &url,
        &["run", "-d", "--name", &child.name, "--network", &network, "healer-test:1", "/bin/sh", "-c", WELL_BEHAVED],
    );
    let mut watch = Watch::begin(&url).await;
    let (_, look) = watch.looked(&child.resource(), |_| true).await;
    assert_eq!(look.definition.network_parent, Some(parent.resource()));
    child.docker(&["update", "--restart", "always"]);
    watch.looked(&child.resource(), |look| look.definition.restart_policy == RestartPolicy::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_broken_stream_everything_is_listed_anew_with_what_the_engine_remembers() {
    let Some(url) = engine() else { return };
    let (crashed, stopped, removed) =
        (Guest::new(&url, "away"), Guest::new(&url, "awaystop"), Guest::new(&url, "awayrm"));
    let relay = Relay::open(&url);
    let mut watch = Watch::begin(&relay.url()).await;
    for guest in [&crashed, &stopped, &removed] {
        guest.run(&[], "trap 'exit 3' TERM USR1; while :; do sleep 0.1; done");
        watch.looked(&guest.resource(), |look| look.run == Run::Running).await;
    }
    relay.close();
    watch.lost(1).await;
    watch
        .state(
            "why",
            |s| matches!(s, SourceState::Unreachable { because, down: true } if because.starts_with("nobody listens on ")),
        )
        .await;
    // Unseen: one ends by itself, one is stopped, one is removed.
    docker(&url, &["exec", &crashed.name, "/bin/sh", "-c", "kill -USR1 1"]);
    docker(&url, &["wait", &crashed.name]);
    stopped.docker(&["stop"]);
    removed.docker(&["rm", "-f"]);
    watch.heard.clear();
    let _relay = Relay::at(&url, relay.path.clone());
    let present = watch.listed(2).await;
    assert!(present.iter().any(|(resource, _)| *resource == crashed.resource()));
    assert!(!present.iter().any(|(resource, _)| *resource == removed.resource()));
    watch.gone(&removed.resource()).await;

    let (_, look) = watch.looked(&crashed.resource(), |look| look.run == Run::Exited).await;
    let kept = look.kept.unwrap();
    let whats: Vec<What> = kept.happenings.into_iter().map(|h| h.what).collect();
    assert_eq!((whats, look.manually_stopped), (vec![What::Started, What::Died { code: 3 }], Some(false)));
    let (_, look) = watch.looked(&stopped.resource(), |look| look.run == Run::Exited).await;
    let kept = look.kept.unwrap();
    let whats: Vec<What> = kept.happenings.into_iter().map(|h| h.what).collect();
    assert_eq!(whats, [What::Started, killed(15), What::Died { code: 3 }, What::Stopped]);
    // What was remembered is not told again as if it happened now.
    assert_eq!(watch.story(&stopped.resource()), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_sink_is_a_broken_stream() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "full");
    let mut watch = Watch::begin(&url).await;
    watch.full.store(true, Ordering::Relaxed);
    guest.run(&[], WELL_BEHAVED);
    guest.docker(&["stop"]);
    let refused = async {
        while watch.refused.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    watch.full.store(false, Ordering::Relaxed);
    watch.lost(1).await;
    watch.listed(2).await;
    watch.looked(&guest.resource(), |look| look.run == Run::Exited && look.manually_stopped == Some(true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_the_socket_is_gone_is_the_engines_own_end() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "closing");
    let relay = Relay::open(&url);
    let mut watch = Watch::begin(&relay.url()).await;
    guest.run(&[], WELL_BEHAVED);
    watch.looked(&guest.resource(), |look| look.run == Run::Running).await;
    // An engine that was told to stop removes its socket first; its event stream goes on.
    std::fs::remove_file(&relay.path).unwrap();
    guest.docker(&["kill", "-s", "TERM"]);
    watch.state("that it closes", |s| *s == SourceState::Closing).await;
    watch.happened(&guest.resource(), What::Died { code: 0 }).await;
    let open = watch.heard.iter().filter_map(|input| of_resource(input, &guest.resource()));
    assert_eq!(open.filter(|seen| matches!(seen.fact, Fact::ApiOpenAfter(_))).count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hands_start_and_stop_once_and_say_when_it_was_so() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "hands");
    let id = guest.run(&[], WELL_BEHAVED);
    let hands = Hands::new(Host::new("lab", Endpoint::parse(&url).unwrap()));
    let resource = guest.resource();
    let order = async |action| hands.perform(&permit(action, &resource, &id), || Ok(())).await;
    assert_eq!(order(Action::Start).await, Answer::AlreadySo);
    assert_eq!(order(Action::Stop).await, Answer::Done);
    assert_eq!(order(Action::Stop).await, Answer::AlreadySo);

    let asked = AtomicU32::new(0);
    let no = || {
        asked.fetch_add(1, Ordering::Relaxed);
        Err("frozen by ada".to_owned())
    };
    let answer = hands.perform(&permit(Action::Start, &resource, &id), no).await;
    assert_eq!((answer, asked.load(Ordering::Relaxed)), (Answer::Withheld("frozen by ada".to_owned()), 1));
    assert_eq!(guest.docker(&["inspect", "-f", "{{.State.Status}}"]).trim(), "exited");

    assert_eq!(order(Action::Start).await, Answer::Done);
    let seen = hands.look(&resource).await.unwrap();
    assert!(
        matches!(&seen[..], [Observation { fact: Fact::Looked(look), .. }] if look.run == Run::Running),
        "{seen:?}"
    );
    guest.docker(&["pause"]);
    assert_eq!(order(Action::Stop).await, Answer::Withheld("it is paused".to_owned()));
    guest.docker(&["unpause"]);

    let other = ResourceId::lone_container("lab", "somebody-else");
    let answer = hands.perform(&permit(Action::Stop, &other, &id), || Ok(())).await;
    assert_eq!(answer, Answer::Withheld(format!("the container is {} by now", guest.name)));

    guest.docker(&["rm", "-f"]);
    assert_eq!(order(Action::Start).await, Answer::Withheld("the container is gone".to_owned()));
    let seen = hands.look(&resource).await.unwrap();
    assert!(matches!(&seen[..], [Observation { fact: Fact::Gone, .. }]), "{seen:?}");
    assert_eq!(hands.look(&resource).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hands_tell_a_failure_in_the_engines_words_and_a_late_answer_as_unknown() {
    let Some(url) = engine() else { return };
    let hands = Hands::new(Host::new("lab", Endpoint::parse(&url).unwrap()));
    let broken = Guest::new(&url, "broken");
    let id = broken.make("create", &[], &[], &["/no/such/program"]);
    match hands.perform(&permit(Action::Start, &broken.resource(), &id), || Ok(())).await {
        Answer::Failed(why) => assert!(why.contains("/no/such/program"), "{why}"),
        other => panic!("{other:?}"),
    }
    // It ignores TERM, so that its stop takes two seconds, of which the permit allows one.
    let slow = Guest::new(&url, "slow");
    let id = slow.run(&["--stop-timeout", "2"], "trap : TERM; while :; do sleep 0.1; done");
    let mut hurried = permit(Action::Stop, &slow.resource(), &id);
    hurried.step.timeout_ms = 1_000;
    let answer = hands.perform(&hurried, || Ok(())).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
}

fn permit(action: Action, resource: &ResourceId, incarnation: &Incarnation) -> Permit {
    Permit {
        id: PermitId(1),
        epoch: 1,
        behalf: Behalf::Incident("lab/1".parse().unwrap()),
        step: Step { action, resource: resource.clone(), pair: Pair::None, timeout_ms: 30_000, with: With::Nothing },
        incarnation: incarnation.clone(),
        ran: false,
        leases: BTreeSet::new(),
        unhindered: false,
        given: Now::default(),
        until: Tick(u64::MAX),
    }
}

/// A socket of the test's own before the engine's, which can be closed while the engine lives on.
struct Relay {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
    _folder: Option<tempfile::TempDir>,
}

impl Relay {
    fn open(url: &str) -> Relay {
        let folder = tempfile::tempdir().unwrap();
        let mut relay = Relay::at(url, folder.path().join("d.sock"));
        relay._folder = Some(folder);
        relay
    }

    fn at(url: &str, path: PathBuf) -> Relay {
        let engine = Path::new(url.strip_prefix("unix://").unwrap()).to_owned();
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let engine = engine.clone();
                open.spawn(async move {
                    if let Ok(mut far) = UnixStream::connect(engine).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Relay { path, task, _folder: None }
    }

    fn url(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Ends every connection and takes no more.
    fn close(&self) {
        self.task.abort();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
