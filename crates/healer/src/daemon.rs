//! The daemon's wiring: one thread for the loop, tasks for everything that waits.
//!
//! ```text
//! eyes (a task an engine) ─▶ inbox ─▶ loop (a thread) ─▶ performers (tasks) ─▶ hands, channels
//! surfaces (socket, HTTP) ─▶   ↑                            │
//! configuration, signals ──▶   └────────── answers ─────────┘
//! ```

mod ending;
mod journal;
mod once;
mod performers;
mod reach;
mod story;
mod systemd;
mod waiting;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use docker::{Endpoint, Eyes, Host};
use model::input::{Input, Report, SourceState};
use runtime::{Clock, Driver, Gate, Handle, Loop};
use surfaces::House;
use surfaces::link::Key;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, DockerHost};
use journal::Kept;
use performers::{Channels, Performers};

/// How long tasks may take to end when the daemon does.
const GRACE: Duration = Duration::from_secs(2);
/// An engine whose address cannot be told is looked for again after this long.
const LOOK_FOR_ENGINE_EVERY: Duration = Duration::from_secs(5);
const WORKERS: usize = 2;

/// Runs the daemon, or one pass of it.
pub(crate) fn run(config: Config, once: bool) -> anyhow::Result<ExitCode> {
    story::begin();
    tell_warnings(&config);
    let tasks = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let ended = tasks.block_on(async {
        let (kept, room) = waiting::for_room(&config, once).await?;
        live(config, once, kept, room).await
    });
    tasks.shutdown_timeout(GRACE);
    ended
}

/// Where HTTP is served.
async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    TcpListener::bind(config.listen).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            anyhow::anyhow!(
                "another program listens on {} already: end it, or set `listen` to another port",
                config.listen
            )
        } else {
            anyhow::Error::new(error).context(format!("cannot listen on {} (`listen`)", config.listen))
        }
    })
}

fn tell_warnings(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}

async fn live(
    config: Config,
    once: bool,
    kept: Kept,
    room: tokio::sync::watch::Receiver<store::Room>,
) -> anyhow::Result<ExitCode> {
    let socket = surfaces::Socket::bind(&config.state_dir).await.context("the socket cannot be made")?;
    let listener = match listen(&config).await {
        Ok(listener) => Some(listener),
        // `--once` may run beside anything.
        Err(_) if once => None,
        Err(error) => return Err(error),
    };
    let (handle, inbox) = runtime::inbox();
    let key = key(&config, &handle);
    let channels = Channels::open(&config, key.clone())?;
    let gate = Gate::default();
    let hosts = hosts(&config);
    let here = here(&config)?;
    tell_what_runs_on(&config, &handle);
    let stop = CancellationToken::new();

    let mut kept = kept;
    journal::check(&config.state_dir, &handle).context("the journal cannot be used")?;
    let folded = runtime::fold(&mut kept).context("the journal cannot be used")?;
    let clock = Clock::after(folded.state.at);
    let performers =
        Performers::new(handle.clone(), gate.clone(), clock.clone(), &hosts, here.as_ref(), channels.clone());
    let settings = Arc::new(config.settings.clone());
    let version = env!("CARGO_PKG_VERSION");
    let mut turning = Loop::resume(kept, folded, Driver::new(performers), gate.clone(), settings, version);
    turning.lead(clock.now()).context("the lead cannot be taken")?;
    let thread = std::thread::Builder::new()
        .name("loop".to_owned())
        .spawn(move || runtime::drive(turning, &inbox, clock))
        .context("the loop's thread cannot be started")?;

    for (name, host) in hosts {
        if let Some(mounts) = host.as_ref().ok().and_then(Host::mounts) {
            let mounts = watch::Mounts { mounts: mounts.clone(), host: name.clone(), every: config.relist };
            // What is missing is known before anything is seen that needs it.
            let watched = mounts.begin(&handle).await;
            tokio::spawn(watched.go_on(handle.clone(), stop.clone()));
        }
        tokio::spawn(watch_engine(name, host, config.relist, handle.clone(), stop.clone()));
    }
    if let Some(host) = here {
        let handle = handle.clone();
        let sink = move |input: Input| handle.observe(input).map_err(|_| host::Overflow);
        tokio::spawn(host::Eyes::new(host).run(sink, stop.clone()));
    }
    if let (Some(path), Some(engine)) = (config.deployments_path.clone(), config.docker_hosts.first()) {
        let folders = watch::Folders { path, host: engine.name.clone(), every: config.relist };
        tokio::spawn(watch::folders(folders, handle.clone(), stop.clone()));
    }
    tokio::spawn(watch::room(room.clone(), handle.clone(), stop.clone()));
    let house = House::new(handle.clone(), config.state_dir.clone(), room, key);
    if let Some(listener) = listener {
        // Port 0 in the configuration is any free one.
        let at = listener.local_addr().unwrap_or(config.listen);
        tracing::info!(%at, "serving HTTP, read-only");
        let (house, stop) = (house.clone(), stop.clone());
        tokio::spawn(async move {
            if let Err(error) = surfaces::serve(listener, house, stop).await {
                tracing::error!(%error, "HTTP is not served");
            }
        });
    }
    tokio::spawn(surfaces::serve_socket(socket, house, stop.clone()));
    let asked = handle.clone();
    tokio::spawn(systemd::beat(async move || asked.glance(|_, _| ()).await.is_ok(), stop.clone()));
    tokio::spawn(watch::configuration(config.clone(), handle.clone(), channels, stop.clone()));

    let code = if once { once::pass(&handle, &config).await } else { watch::signals().await };
    systemd::tell("STOPPING=1");
    gate.wind_down();
    ending::bring_up(&handle).await;
    // From here on nothing is started; what is under way is looked at by the next process.
    gate.close();
    stop.cancel();
    handle.end();
    let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
    match joined {
        Ok(result) => result.context("the end could not be written down; nothing is lost by that")?,
        Err(_) => anyhow::bail!("the loop ended by a fault of its own"),
    }
    Ok(code)
}

/// What signs the links in messages. Without it healer heals on, and messages name the commands alone: the log and the
/// status say why, also where no link is wanted yet, since a changed `external_url` is taken up at any time.
fn key(config: &Config, handle: &Handle) -> Option<Key> {
    Key::open(&config.state_dir)
        .inspect_err(|error| {
            let says = format!("the links in messages cannot be signed, so there are none: {error}");
            tracing::warn!("{says}");
            handle.tell(Input::Warned { about: "links".to_owned(), says: Some(says) });
        })
        .ok()
}

/// The engines by name. The configuration was held against the same; one whose address changed since then has no host.
fn hosts(config: &Config) -> BTreeMap<String, Result<Host, docker::Error>> {
    let host = |engine: &DockerHost| {
        let found = Endpoint::find(engine.url.as_deref());
        if let Err(error) = &found {
            tracing::error!(engine = engine.name, %error, "this engine cannot be watched");
        }
        (engine.name.clone(), found.map(|endpoint| Host::claimed(&engine.name, endpoint)))
    };
    config.docker_hosts.iter().map(host).collect()
}

/// What healer looks after on this host itself, if the configuration names anything.
fn here(config: &Config) -> anyhow::Result<Option<host::Host>> {
    if config.here.is_empty() {
        return Ok(None);
    }
    let asker = probes::Asker::new(concat!("healer/", env!("CARGO_PKG_VERSION"))).map_err(anyhow::Error::msg)?;
    let (name, folder) = (&config.settings.instance, config.state_dir.join("services"));
    // Of the very program that runs, also once another one was installed in its place.
    let keeper = Path::new("/proc/self/exe");
    let host = host::Host::new(name, config.here.clone(), &folder, keeper, asker);
    Ok(Some(host.with_context(|| format!("the folders of the services cannot be made in {}", folder.display()))?))
}

/// What the configuration does not name any more runs on, since nobody said that it shall end.
fn tell_what_runs_on(config: &Config, handle: &Handle) {
    let is_named = |name: &String| config.here.programs.iter().any(|program| program.name == *name);
    for (name, keeper) in host::at_work(&config.state_dir.join("services")) {
        if !is_named(&name) {
            let says = format!(
                "the service {name} runs on, and `host.services` does not name it any more: `kill -USR1 {keeper}` ends it"
            );
            tracing::warn!("{says}");
            handle.tell(Input::Warned { about: format!("service {name}"), says: Some(says) });
        }
    }
}

/// Watches one engine until the daemon ends.
async fn watch_engine(
    name: String,
    host: Result<Host, docker::Error>,
    relist: Duration,
    handle: Handle,
    stop: CancellationToken,
) {
    let first = AtomicBool::new(true);
    let sink = move |input: Input| {
        // The journal tells of changes: what was out of reach before this process began, too, would not be said.
        if let Input::Source(Report { source, state }) = &input
            && first.swap(false, Ordering::Relaxed)
            && let SourceState::Unreachable { because, .. } = state
        {
            tracing::warn!("{source} cannot be watched yet, healer goes on trying: {because}");
        }
        handle.observe(input).map_err(|_| docker::Overflow)
    };
    let host = match host {
        Ok(host) => host,
        Err(error) => {
            let because = format!("{error}; start healer anew after that");
            let report = Report { source: name, state: SourceState::Unreachable { because, down: false } };
            while sink(Input::Source(report.clone())).is_err() {
                tokio::time::sleep(LOOK_FOR_ENGINE_EVERY).await;
            }
            return;
        }
    };
    Eyes::new(host, relist).run(sink, stop).await;
}
