//! What is not there, and whether it may still come by itself: a mount may be late, another program may make a file at its
//! start. Where that cannot be, a start is in vain, and only a person puts there what is missing.
//!
//! It is looked for anew: that it was missing is a program's claim, or a moment's truth.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use model::complaint::{Complaint, StartError};
use model::fact::{Look, lies_on};
use model::incident::Excerpt;

use crate::command;
use crate::error::Error;
use crate::host::Host;
use crate::wire::Inspect;

/// Where files come and go with the programs that make them, and not with who looks after the host.
const MADE_BY_PROGRAMS: [&str; 6] = ["/run", "/var/run", "/tmp", "/var/tmp", "/dev", "/proc"];
/// Where disks are mounted that no table names.
const MADE_BY_MOUNTS: [&str; 2] = ["/mnt", "/media"];
/// What such a name ends with is made by the program that it belongs to, wherever it lies.
const MADE_ENDINGS: [&str; 4] = [".sock", ".socket", ".pid", ".lock"];
/// After a boot file systems may come up that no table names.
const BOOTS_FOR: Duration = Duration::from_secs(600);
/// File systems that begin empty, or that appear when they are visited (the kernel's `magic.h`).
const PASSING: [rustix::fs::FsWord; 3] = [0x0102_1994, 0x8584_58f6, 0x0187]; // tmpfs, ramfs, autofs
/// Of the engine's archive of what is there the first headers are read.
const ARCHIVE_BYTES_MAX: usize = 2048;
/// What lies deeper than this is not looked for.
const FOLDERS_MAX: usize = 8;

/// Says of a start that failed since a path of the host is missing whether that may come by itself.
pub(crate) async fn tell_of_start(host: &Host, look: &mut Look) {
    let error = look.exit.as_mut().and_then(|exit| exit.start_error.as_mut());
    let Some(StartError::MountSourceMissing { path: Some(path), for_good }) = error else { return };
    if host.mounts().is_none() {
        return;
    }
    let path = path.clone();
    let asked = tokio::task::spawn_blocking(move || is_up_for_long() && stays_away(Path::new(&path)));
    *for_good = asked.await.unwrap_or(false);
}

/// Says of the file that a log misses last whether it may come by itself.
pub(crate) async fn tell_of_log(host: &Host, inspect: &Inspect, log: &mut Excerpt) {
    let missed = log.lines.iter_mut().rev().find_map(|line| match &mut line.complaint {
        Some(Complaint::FileMissing { path: Some(path), for_good }) => Some((path, for_good)),
        Some(_) | None => None,
    });
    let Some((path, for_good)) = missed else { return };
    *for_good = is_of_its_own(inspect, path) && is_absent(host, inspect, path).await;
}

/// Whether a path lies in a container's own files, where nobody writes but what runs in it: on no mount, and not where
/// programs leave what they make at each start.
fn is_of_its_own(inspect: &Inspect, path: &str) -> bool {
    let mounted = inspect.mounts.iter().flatten().filter_map(|mount| mount.destination.as_deref());
    let passing = inspect.host_config.tmpfs.iter().flat_map(|tmpfs| tmpfs.keys().map(String::as_str));
    let mut elsewhere = mounted.chain(passing).chain(MADE_BY_PROGRAMS);
    is_plain(path) && !is_made(path) && !elsewhere.any(|point| lies_on(path, point))
}

/// Whether the engine finds nothing there, and no symbolic link on the way, which may lead onto a mount.
async fn is_absent(host: &Host, inspect: &Inspect, path: &str) -> bool {
    let folders: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).skip(1).collect();
    if folders.len() > FOLDERS_MAX {
        return false;
    }
    for folder in folders {
        match host.archive_head(&inspect.id, folder, ARCHIVE_BYTES_MAX).await {
            Ok(archive) if command::is_link(&archive) => return false,
            Ok(_) => {}
            Err(error) => return is_nowhere(&error),
        }
    }
    host.archive_head(&inspect.id, path, ARCHIVE_BYTES_MAX).await.is_err_and(|error| is_nowhere(&error))
}

fn is_nowhere(error: &Error) -> bool {
    matches!(error, Error::NotFound | Error::Refused { status: 404, .. })
}

/// Whether a path of this machine is not there, and nothing that is not a person will put it there: the folder in which it
/// is missed is there, is kept over a boot, and holds other things. An empty one may be where a disk is to be mounted.
fn stays_away(path: &Path) -> bool {
    let is_missing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    let said = path.to_string_lossy();
    if !is_plain(&said) || is_made(&said) || !fs::symlink_metadata(path).is_err_and(|error| is_missing(&error)) {
        return false;
    }
    let Some(folder) = path.ancestors().skip(1).find(|folder| folder.is_dir()) else { return false };
    let Ok(folder) = fs::canonicalize(folder) else { return false };
    let shown = folder.to_string_lossy();
    let is_place = shown == "/" || MADE_BY_PROGRAMS.iter().any(|place| shown == *place);
    let passes = rustix::fs::statfs(&folder).map_or(true, |it| PASSING.contains(&it.f_type));
    let mounted_on = MADE_BY_MOUNTS.iter().any(|place| lies_on(&shown, place));
    let is_empty = fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    !(is_place || passes || mounted_on || is_empty)
}

/// Whether a path is whole, and one that a log or the engine has written as it is: nothing escaped, masked or cut off.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && path.is_ascii() && !path.contains(['\\', '*']) && !path.contains("/../")
}

/// Whether a name is that of something which a program makes for as long as it runs.
fn is_made(path: &str) -> bool {
    MADE_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

fn is_up_for_long() -> bool {
    let uptime = fs::read_to_string("/proc/uptime").ok();
    let seconds = uptime.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    seconds.is_some_and(|seconds| seconds >= BOOTS_FOR.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::wire::{HostConfig, Mount};

    #[test]
    fn only_what_lies_on_no_mount_is_the_containers_own() {
        let mount = |to: &str| Mount { destination: Some(to.to_owned()), ..Mount::default() };
        let tmpfs = BTreeMap::from([("/var/cache/app".to_owned(), String::new())]);
        let inspect = Inspect {
            mounts: Some(vec![mount("/data"), mount("/etc/app/app.toml")]),
            host_config: HostConfig { tmpfs: Some(tmpfs), ..HostConfig::default() },
            ..Inspect::default()
        };
        let table = [
            ("/etc/app/licence.key", true),
            ("/database/x", true),
            ("/data/x", false),
            ("/etc/app/app.toml", false),
            ("/var/cache/app/index", false),
            ("/run/secrets/token", false),
            ("/tmp/ready", false),
            ("/app/worker.sock", false),
            ("/etc/../data/x", false),
            ("config.yml", false),
            ("/srv/a-name-that-is-cut…", false),
            ("/srv/********", false),
        ];
        for (path, expect) in table {
            assert_eq!(is_of_its_own(&inspect, path), expect, "{path}");
        }
    }

    #[test]
    fn what_is_missed_where_other_things_are_kept_stays_away_and_what_may_be_mounted_does_not() {
        let kept = tempfile::Builder::new().tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let full = kept.path().join("full");
        fs::create_dir_all(full.join("other")).unwrap();
        fs::create_dir_all(kept.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("gone", full.join("dangling")).unwrap();
        let table = [
            (full.join("data"), true),
            (full.join("data/deeper/still"), true),
            (full.join("app.sock"), false),
            (full.join("other"), false),
            (full.join("dangling"), false),
            (kept.path().join("empty/data"), false),
            ("/no-such-folder".into(), false),
            ("/tmp/no-such-folder".into(), false),
            ("/dev/shm/no-such-folder/x".into(), false),
            ("data".into(), false),
        ];
        for (path, expect) in table {
            assert_eq!(stays_away(&path), expect, "{}", path.display());
        }
    }
}
