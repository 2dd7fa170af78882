//! A full disk at the start: nothing can be written down, so nothing is watched or done. healer says so wherever it can,
//! and begins by itself when there is room: a host whose disk is full when it boots has nobody to start it by hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jiff::Zoned;
use model::settings::Mode;
use model::view::{Source, Status};
use model::{Now, ResourceId, Tick, Wall};
use store::{Error, Room};
use surfaces::{Socket, Waiting};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

use super::journal::Kept;
use super::systemd;
use crate::config::Config;

/// A full disk is looked at again after this long.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The journal, as soon as there is room for it.
///
/// # Errors
/// When it cannot be used for another reason; also for want of room if there is to be but one pass.
pub(super) async fn for_room(config: &Config, once: bool) -> anyhow::Result<(Kept, Receiver<Room>)> {
    let mut opened = None;
    if has_room(&mut opened, config)? {
        return taken(opened);
    }
    let dir = config.state_dir.display();
    anyhow::ensure!(!once, "the disk of {dir} is full: nothing can be written down, so nothing is done");
    let because = format!(
        "the disk of {dir} is full since {} or before: nothing is watched or done until there is room for the journal; \
         make room, healer goes on by itself",
        Zoned::now().strftime("%F %T")
    );
    tracing::warn!("{because}");

    let listener = super::listen(config).await?;
    if let Ok(at) = listener.local_addr() {
        tracing::info!(%at, "serving HTTP, which says the same");
    }
    let socket = match Socket::bind(&config.state_dir).await {
        Ok(socket) => Some(socket),
        // Not even a name may fit on the disk.
        Err(error) => {
            tracing::warn!(%error, "the socket cannot be made yet: `healer status` does not reach this process");
            None
        }
    };
    let stop = CancellationToken::new();
    let waiting = Waiting { status: status(config, &because), because };
    let telling = tokio::spawn(surfaces::serve_waiting(Some(listener), socket, waiting, stop.clone()));
    tokio::spawn(systemd::beat(async || true, stop.clone()));
    while !has_room(&mut opened, config)? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    stop.cancel();
    telling.await.context("what healer waited for could not be told")??;
    tracing::info!("there is room for the journal: healer begins");
    taken(opened)
}

/// Opens the journal if it is not open, which may itself take room. Once open, it stays with this process.
fn has_room(opened: &mut Option<(Kept, Receiver<Room>)>, config: &Config) -> anyhow::Result<bool> {
    if opened.is_none() {
        match Kept::open(&config.state_dir) {
            Ok(kept) => *opened = Some(kept),
            Err(Error::Full(_)) => return Ok(false),
            Err(error) => return Err(error).context("the journal cannot be used"),
        }
    }
    Ok(opened.as_mut().is_some_and(|(kept, _)| kept.room() != Room::Full))
}

fn taken(opened: Option<(Kept, Receiver<Room>)>) -> anyhow::Result<(Kept, Receiver<Room>)> {
    opened.context("the journal is open when it has room")
}

/// What can be said of everything without the journal: that nothing is known.
fn status(config: &Config, because: &str) -> Arc<dyn Fn() -> Status + Send + Sync> {
    let since = now();
    let unwatched = |name: &String| Source {
        name: name.clone(),
        well: false,
        because: "not watched before there is room for the journal".to_owned(),
        untold: String::new(),
    };
    let here = (!config.here.is_empty()).then(|| ResourceId::host_source(&config.settings.instance));
    let engines = config.docker_hosts.iter().map(|engine| &engine.name);
    let sources: Vec<Source> = engines.chain(here.as_ref()).map(unwatched).collect();
    let (instance, warnings) = (config.settings.instance.clone(), vec![because.to_owned()]);
    Arc::new(move || Status {
        instance: instance.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: Now { wall: now(), tick: Tick(0) },
        running_since: Some(since),
        mode: Mode::Observe,
        frozen: None,
        warnings: warnings.clone(),
        sources: sources.clone(),
        recoveries: Vec::new(),
        deployments: Vec::new(),
        next: Vec::new(),
        waiting: Vec::new(),
    })
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
