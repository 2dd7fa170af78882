//! How full a file system is, what fills it, and what its owner has listed as free to go.
//!
//! ```text
//! room()     how much of it is taken, as the kernel counts
//! holders()  which directories hold most of it
//! removed()  files without a name that somebody holds open
//! Rule       what may go: find() names each file, remove() removes what it named
//! ```
//!
//! Everything here reads disks: it is for threads that may wait. Only [`Rule::remove`] changes anything, and that looks at
//! each file anew, reached through no link, before it goes.

mod folder;
mod holders;
mod removed;
mod rule;

use std::io;
use std::path::Path;

use model::disk::Disk;

pub use holders::{Held, holders, largest};
pub use removed::removed;
pub use rule::{Found, Gone, NotARule, Rule};

/// How much room the file system of a path has.
///
/// # Errors
/// When the path is not there, or cannot be asked.
pub fn room(path: &Path, full_percent: u8) -> io::Result<Disk> {
    let told = rustix::fs::statvfs(path)?;
    // What root alone may write is not there for anybody else (`df` leaves it out of its percentage, too).
    let kept_for_root = told.f_bfree.saturating_sub(told.f_bavail);
    Ok(Disk {
        total_bytes: told.f_blocks.saturating_sub(kept_for_root).saturating_mul(told.f_frsize),
        free_bytes: told.f_bavail.saturating_mul(told.f_frsize),
        inodes: told.f_files,
        inodes_free: told.f_favail,
        full_percent,
        ..Disk::default()
    })
}

/// The number of the device on which a path lies.
fn device(path: &Path) -> io::Result<u64> {
    Ok(rustix::fs::stat(path)?.st_dev)
}

/// What blocks a file really takes: 512 bytes each, whatever its file system's own are (stat(2)).
fn taken(blocks: i64) -> u64 {
    u64::try_from(blocks).unwrap_or(0).saturating_mul(512)
}
