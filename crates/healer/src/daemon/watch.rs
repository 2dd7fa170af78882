//! What reaches the daemon from outside besides engines and people: signals, and a changed configuration.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use model::input::Input;
use runtime::Handle;
use store::Room;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::performers::{self, Channels};
use crate::config::{self, Config, Flags, Reload};

/// Files are looked at this often; SIGHUP has them read at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The start waits so long for what is missing: a point that lies on a file system that does not answer is told later.
const MOUNTS_WITHIN: Duration = Duration::from_secs(5);
/// A mount that goes is noticed within so long, however seldom containers are listed.
const MOUNTS_EVERY_MAX: Duration = Duration::from_secs(60);

/// Waits until somebody asks the daemon to end.
pub(crate) async fn signals() -> ExitCode {
    signal_to_end().await;
    tracing::info!("ending: nothing new is started; what runs stays as it is");
    ExitCode::SUCCESS
}

/// Waits for the next signal that asks for the end.
pub(crate) async fn signal_to_end() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be watched: end healer by `kill -9`, nothing is lost by that");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Says what keeps the journal from being written, in the log and in the status, as long as it does.
pub(crate) async fn room(mut room: tokio::sync::watch::Receiver<Room>, handle: Handle, stop: CancellationToken) {
    const ABOUT: &str = "room";
    let mut said = None;
    let mut whole = true;
    loop {
        let now = *room.borrow_and_update();
        let is_whole = now == Room::Ample;
        if is_whole != whole {
            handle.tell(Input::StoreReserve { whole: is_whole });
            whole = is_whole;
        }
        let says = hindrance(now);
        if says != said {
            match says {
                Some(says) => tracing::warn!("{says}"),
                None => tracing::info!("the journal has room again"),
            }
            handle.tell(Input::Warned { about: ABOUT.to_owned(), says: says.map(str::to_owned) });
            said = says;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = room.changed() => if changed.is_err() { return },
        }
    }
}

fn hindrance(room: Room) -> Option<&'static str> {
    match room {
        Room::Ample => None,
        Room::ReserveUsed => Some(
            "the disk of the state directory is nearly full, there is no room for the reserve of 16 MiB: make room",
        ),
        // The engine says so itself, and says it when it is over.
        Room::Full => None,
        Room::Unwritable => Some(
            "the journal cannot be written, being moved, deleted or damaged: healer only watches until it is started anew",
        ),
    }
}

/// Where deployments have their directories.
pub(crate) struct Folders {
    /// A directory per deployment.
    pub(crate) path: PathBuf,
    /// The engine that their containers are on.
    pub(crate) host: String,
    /// How often they are read, whatever changed.
    pub(crate) every: Duration,
}

/// Tells which deployments have a directory, whenever that changes; and in the status, if they cannot be read.
pub(crate) async fn folders(folders: Folders, handle: Handle, stop: CancellationToken) {
    const ABOUT: &str = "folders";
    let (mut told, mut said) = (None, None);
    let mut read: Option<(Instant, docker::Stamps)> = None;
    loop {
        let (path, host) = (folders.path.clone(), folders.host.clone());
        // A file of variables may be anywhere: now and then all is read anew.
        let known = read.take().filter(|(at, _)| at.elapsed() < folders.every);
        let looked = tokio::task::spawn_blocking(move || {
            let stamps = docker::folder_stamps(&path)?;
            if known.as_ref().is_some_and(|(_, known)| *known == stamps) {
                return Ok((known, None));
            }
            let found = docker::folders(&path, &host)?;
            io::Result::Ok((Some((Instant::now(), stamps)), Some(found)))
        });
        let says = match looked.await {
            Ok(Ok((looked, found))) => {
                read = looked;
                if let Some(found) = found.filter(|found| told.as_ref() != Some(found)) {
                    handle.tell(Input::Folders { host: folders.host.clone(), folders: found.clone() });
                    told = Some(found);
                }
                None
            }
            Ok(Err(error)) => {
                Some(format!("docker.deployments_path: {} cannot be read: {error}", folders.path.display()))
            }
            // The process ends.
            Err(_) => return,
        };
        if says != said {
            says.iter().for_each(|says| tracing::warn!("{says}"));
            handle.tell(Input::Warned { about: ABOUT.to_owned(), says: says.clone() });
            said = says;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What this machine shall have mounted.
pub(crate) struct Mounts {
    pub(crate) mounts: docker::Mounts,
    /// The engine that is on it.
    pub(crate) host: String,
    /// How often that is compared with what is mounted, while nothing is missing.
    pub(crate) every: Duration,
}

/// The same, once it was told how that stands.
pub(crate) struct WatchedMounts {
    of: Mounts,
    told: Option<BTreeSet<String>>,
    said: Option<String>,
}

impl Mounts {
    /// Tells for the first time which mounts are missing; a file system that does not answer is not waited for.
    pub(crate) async fn begin(self, handle: &Handle) -> WatchedMounts {
        let mut watched = WatchedMounts { of: self, told: None, said: None };
        // What is not known by then is asked again just before each act.
        let _ = tokio::time::timeout(MOUNTS_WITHIN, watched.look(handle)).await;
        watched
    }
}

impl WatchedMounts {
    /// Tells which mounts are missing, whenever that changes; and in the status, if nobody can tell.
    pub(crate) async fn go_on(mut self, handle: Handle, stop: CancellationToken) {
        loop {
            let lacking = self.told.as_ref().is_none_or(|missing| !missing.is_empty());
            let wait = if lacking { LOOK_EVERY } else { self.of.every.min(MOUNTS_EVERY_MAX) };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => self.look(&handle).await,
            }
        }
    }

    async fn look(&mut self, handle: &Handle) {
        const ABOUT: &str = "mounts";
        let mounts = self.of.mounts.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || mounts.missing()).await else { return };
        let says = match read {
            Ok(missing) => {
                if self.told.as_ref() != Some(&missing) {
                    if !missing.is_empty() {
                        tracing::warn!(?missing, "in /etc/fstab and not mounted: what needs it waits");
                    } else if self.told.is_some() {
                        tracing::info!("all that is in /etc/fstab is mounted");
                    }
                    handle.tell(Input::Mounts { host: self.of.host.clone(), missing: missing.clone() });
                    self.told = Some(missing);
                }
                None
            }
            Err(error) => Some(format!("nobody can tell whether what containers need is mounted: {error}")),
        };
        if says != self.said {
            says.iter().for_each(|says| tracing::warn!("{says}"));
            handle.tell(Input::Warned { about: ABOUT.to_owned(), says: says.clone() });
            self.said = says;
        }
    }
}

/// Takes a changed configuration up, or keeps the last good one and says why.
pub(crate) async fn configuration(mut config: Config, handle: Handle, channels: Channels, stop: CancellationToken) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut seen = stamps(&config);
    let mut said = Vec::new();
    // What was not taken up is tried until it is: what it names besides may be mended without any change of the files.
    let mut failed = false;
    // Between the reading of the files and the first look at their stamps they may have been changed.
    let mut unsure = true;
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        if config.take_up_windows(Timestamp::now()) {
            handle.tell(Input::Configured(Arc::new(config.settings.clone())));
        }
        let now = stamps(&config);
        if now == seen && !asked && !failed && !unsure {
            continue;
        }
        let only_unsure = std::mem::replace(&mut unsure, false) && now == seen && !asked && !failed;
        seen = now;
        let flags = Flags { config: config.file.clone(), state_dir: Some(config.state_dir.clone()) };
        match config::reload(&config, config::load_to_run(&flags)) {
            Reload::Same if only_unsure => {}
            Reload::Same => {
                // Its words are the same, but a secret may be another one.
                if let Err(error) = channels.change(&config) {
                    tell_not_in_force(&error, failed, &handle);
                    failed = true;
                    continue;
                }
                said.clear();
                failed = false;
                handle.tell(Input::Warned { about: TOPIC.to_owned(), says: None });
                tracing::info!("the configuration says what it said before; its secrets were read anew");
            }
            Reload::KeptLastGood { errors } => {
                if said != errors {
                    tracing::error!("the configuration is wrong; the last good one stays in force:");
                    for error in &errors {
                        tracing::error!("{error}");
                    }
                }
                handle.tell(Input::Warned { about: TOPIC.to_owned(), says: Some(kept_last_good(&errors)) });
                said = errors;
                failed = true;
            }
            Reload::Changed { config: new, at_next_start } => {
                if let Err(error) = channels.change(&new) {
                    tell_not_in_force(&error, failed, &handle);
                    failed = true;
                    continue;
                }
                said.clear();
                failed = false;
                for key in at_next_start {
                    tracing::warn!(key, "takes effect at the next start");
                }
                super::tell_warnings(&new);
                handle.tell(Input::Warned { about: TOPIC.to_owned(), says: None });
                for channel in config.channels.iter().chain(&new.channels) {
                    handle.tell(Input::Warned { about: performers::topic(&channel.name), says: None });
                }
                handle.tell(Input::Configured(Arc::new(new.settings.clone())));
                tracing::info!("the new configuration is in force");
                config = *new;
                seen = stamps(&config);
            }
        }
    }
}

/// Said when it begins; as long as it lasts, it stands in the status.
fn tell_not_in_force(error: &anyhow::Error, again: bool, handle: &Handle) {
    if !again {
        tracing::error!("the last good configuration stays in force: {error:#}");
    }
    let says = Some(format!("the changed configuration is not in force: {error:#}"));
    handle.tell(Input::Warned { about: TOPIC.to_owned(), says });
}

fn kept_last_good(errors: &[config::Finding]) -> String {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    let more = match errors.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more: `healer check` lists them)", n - 1),
    };
    format!("the changed configuration is wrong, the last good one is in force: {first}{more}")
}

/// The topic under which the status shows that a changed configuration was not taken up.
const TOPIC: &str = "configuration";

/// When each file of the configuration was last changed, and the folder beside the main one.
fn stamps(config: &Config) -> Vec<Option<(SystemTime, u64)>> {
    let stamp = |path: &std::path::PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    config::watched(config).iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_the_journal_from_being_written_is_said_unless_the_engine_says_it() {
        assert_eq!(hindrance(Room::Ample), None);
        assert_eq!(hindrance(Room::Full), None);
        for room in [Room::ReserveUsed, Room::Unwritable] {
            assert!(hindrance(room).is_some(), "{room:?}");
        }
    }
}
