//! One healer per state directory: a lock that the kernel releases when its holder dies, however it dies.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::Error;

/// The lock's file within the state directory. It stays when the lock is released, and holds its last holder's pid.
const LOCK_FILE: &str = "healer.lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the directory for this process; makes it first if it is not there.
    pub(crate) fn take(state_dir: &Path) -> Result<Lock, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(|e| refused(state_dir, &e))?;
        let path = state_dir.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| refused(state_dir, &e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // The lock is what counts; on a full disk it goes without the pid.
                let _ = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
                Ok(Lock { _file: file })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(taken(state_dir, &mut file)),
            Err(errno) => Err(refused(state_dir, &errno.into())),
        }
    }
}

/// Who this process is, as a person would have to grant it a right.
pub(crate) fn whoami() -> String {
    format!("user {}", rustix::process::geteuid().as_raw())
}

/// Whether the disk, or this user's share of it, is full.
pub(crate) fn is_out_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn taken(state_dir: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    // What cannot be read is not named; the lock is taken all the same.
    let _ = file.take(20).read_to_string(&mut holder);
    let pid = holder.parse::<u32>().map_or_else(|_| "unknown".to_owned(), |pid| pid.to_string());
    Error::Unusable(format!(
        "another healer runs on this state directory (pid {pid}): stop it, or give this one a directory of its own in \
         place of {}",
        state_dir.display()
    ))
}

fn refused(state_dir: &Path, error: &io::Error) -> Error {
    let at = state_dir.display();
    let user = whoami();
    let kind = error.kind();
    if is_out_of_room(error) {
        Error::Full(format!("{at}: {error}"))
    } else if kind == io::ErrorKind::PermissionDenied {
        Error::Unusable(format!(
            "cannot write to {at} as {user} ({error}): give the directory to that user with `chown`, or set state_dir to \
             one of its own"
        ))
    } else if kind == io::ErrorKind::ReadOnlyFilesystem {
        Error::Unusable(format!(
            "cannot write to {at} ({error}): set state_dir to a directory on a disk that can be written"
        ))
    } else if matches!(kind, io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) {
        Error::Unusable(format!(
            "{at} is not a directory: move away what is in its place, or set state_dir to another one"
        ))
    } else {
        Error::Unusable(format!("cannot use {at} as state directory: {error}"))
    }
}
