//! The daemon's wiring: one thread for the loop, tasks for everything that waits.
//!
//! ```text
//! eyes (a task an engine) ─▶ inbox ─▶ loop (a thread) ─▶ performers (tasks) ─▶ hands, channels
//! surfaces (socket, HTTP) ─▶   ↑                            │
//! configuration, signals ──▶   └────────── answers ─────────┘
//! ```

mod journal;
mod once;
mod performers;
mod story;
mod watch;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use docker::{Endpoint, Eyes, Host};
use model::input::{Input, Report, SourceState};
use runtime::{Clock, Driver, Gate, Handle, Loop};
use surfaces::House;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use journal::Kept;
use performers::{Channels, Performers};

/// How long tasks may take to end when the daemon does.
const GRACE: Duration = Duration::from_secs(2);
/// An engine whose address cannot be told is looked for again after this long.
const LOOK_FOR_ENGINE_EVERY: Duration = Duration::from_secs(5);
/// A full disk is looked at again after this long.
const LOOK_FOR_ROOM_EVERY: Duration = Duration::from_secs(2);
const WORKERS: usize = 2;

/// Runs the daemon, or one pass of it.
pub(crate) fn run(config: Config, once: bool) -> anyhow::Result<ExitCode> {
    story::begin();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (mut kept, room) = Kept::open(&config.state_dir).context("the journal cannot be used")?;
    wait_for_room(&mut kept, &config, once)?;
    let tasks = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let ended = tasks.block_on(live(config, once, kept, room));
    tasks.shutdown_timeout(GRACE);
    ended
}

/// A host whose disk is full when it boots needs its watchman as soon as there is room, and nobody to start it by hand.
fn wait_for_room(kept: &mut Kept, config: &Config, once: bool) -> anyhow::Result<()> {
    let mut waits = false;
    while kept.room() == store::Room::Full {
        let dir = config.state_dir.display();
        anyhow::ensure!(!once, "the disk of {dir} is full: nothing can be written down, so nothing is done");
        if !waits {
            tracing::warn!("the disk of {dir} is full: healer begins as soon as there is room for its journal");
        }
        waits = true;
        std::thread::sleep(LOOK_FOR_ROOM_EVERY);
    }
    Ok(())
}

async fn live(
    config: Config,
    once: bool,
    kept: Kept,
    room: tokio::sync::watch::Receiver<store::Room>,
) -> anyhow::Result<ExitCode> {
    let socket = surfaces::Socket::bind(&config.state_dir).await.context("the socket cannot be made")?;
    let listener = match TcpListener::bind(config.listen).await {
        Ok(listener) => Some(listener),
        // `--once` may run beside anything.
        Err(_) if once => None,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            anyhow::bail!(
                "another program listens on {} already: end it, or set `listen` to another port",
                config.listen
            )
        }
        Err(error) => return Err(error).with_context(|| format!("cannot listen on {} (`listen`)", config.listen)),
    };
    let channels = Channels::open(&config)?;
    let (handle, inbox) = runtime::inbox();
    let gate = Gate::default();
    let hosts = hosts(&config);
    let stop = CancellationToken::new();

    let state = {
        let mut kept = kept;
        let state = runtime::fold(&mut kept).context("the journal cannot be used")?;
        (kept, state.at)
    };
    let (kept, last) = state;
    let clock = Clock::after(last);
    let performers = Performers::new(handle.clone(), gate.clone(), clock.clone(), &hosts, channels.clone());
    let settings = Arc::new(config.settings.clone());
    let mut turning = Loop::recover(kept, Driver::new(performers), gate.clone(), settings, env!("CARGO_PKG_VERSION"))
        .context("the journal cannot be used")?;
    turning.lead(clock.now()).context("the lead cannot be taken")?;
    let thread = std::thread::Builder::new()
        .name("loop".to_owned())
        .spawn(move || runtime::drive(turning, &inbox, clock))
        .context("the loop's thread cannot be started")?;

    for (name, host) in hosts {
        tokio::spawn(watch_engine(name, host, config.relist, handle.clone(), stop.clone()));
    }
    tokio::spawn(watch::room(room.clone(), handle.clone(), stop.clone()));
    let house = House::new(handle.clone(), config.state_dir.clone(), room);
    if let Some(listener) = listener {
        tracing::info!(at = %config.listen, "serving HTTP, read-only");
        let (house, stop) = (house.clone(), stop.clone());
        tokio::spawn(async move {
            if let Err(error) = surfaces::serve(listener, house, stop).await {
                tracing::error!(%error, "HTTP is not served");
            }
        });
    }
    tokio::spawn(surfaces::serve_socket(socket, house, stop.clone()));
    tokio::spawn(watch::configuration(config.clone(), handle.clone(), channels, stop.clone()));

    let code = if once { once::pass(&handle, &config).await } else { watch::signals().await };
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

/// The engines by name. One whose address cannot be told yet has no host.
fn hosts(config: &Config) -> BTreeMap<String, Option<Host>> {
    let find = |url: Option<&str>| Endpoint::find(url).ok();
    config
        .docker_hosts
        .iter()
        .map(|engine| {
            let host = find(engine.url.as_deref()).map(|endpoint| Host::new(&engine.name, endpoint));
            if host.is_none()
                && let Err(error) = Endpoint::find(engine.url.as_deref())
            {
                tracing::error!(engine = engine.name, %error, "this engine cannot be watched");
            }
            (engine.name.clone(), host)
        })
        .collect()
}

/// Watches one engine until the daemon ends.
async fn watch_engine(name: String, host: Option<Host>, relist: Duration, handle: Handle, stop: CancellationToken) {
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
    let Some(host) = host else {
        let because = "its address in the configuration cannot be used: `healer check` says why".to_owned();
        let report = Report { source: name, state: SourceState::Unreachable { because, down: false } };
        while sink(Input::Source(report.clone())).is_err() {
            tokio::time::sleep(LOOK_FOR_ENGINE_EVERY).await;
        }
        return;
    };
    Eyes::new(host, relist).run(sink, stop).await;
}
