//! Room that is kept for the hour when the disk is full: a file that is given up, so that healer can write down what it
//! is doing and finish it. When that too is used, it only watches.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// The reserve's file within the state directory.
const RESERVE_FILE: &str = "reserve";

/// The file whose writing shows whether a write is taken at all; gone as soon as that is known.
const PROBE_FILE: &str = "healer.probe";

/// What is held back.
pub(crate) const RESERVE_BYTES: u64 = 16 << 20;

/// A reserve is only made where this much stays free beside it: else it would be given up again at once.
const BESIDE_BYTES: u64 = 8 << 20;

/// After the disk was full, appends are tried again from here on: some batches, and the journal's shared index.
const FLOOR_BYTES: u64 = 4 << 20;

/// How much is written into it: quotas do not show in what the disk says is free.
const PROBE_BYTES: usize = 64 << 10;

/// How the journal stands for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The reserve is there.
    Ample,
    /// The reserve was given up, and there is room all the same, or what it left.
    ReserveUsed,
    /// Nothing can be written: only watch.
    Full,
    /// It is not for want of room that nothing can be written: it was moved, deleted or damaged. Only watch.
    Unwritable,
}

/// The file that is given up.
#[derive(Debug)]
pub(crate) struct Reserve {
    dir: PathBuf,
    file: PathBuf,
}

impl Reserve {
    pub(crate) fn of(state_dir: &Path) -> Reserve {
        Reserve { dir: state_dir.to_owned(), file: state_dir.join(RESERVE_FILE) }
    }

    /// Makes it, if it is not there and the disk has room. Whether it is there.
    pub(crate) fn ensure(&self) -> bool {
        if self.is_whole() {
            return true;
        }
        self.give_up(); // a part of one, from a process that was killed while it made it
        let made = available_bytes(&self.dir) >= RESERVE_BYTES + BESIDE_BYTES && self.make().is_ok();
        if !made {
            self.give_up();
        }
        made
    }

    /// Gives it up. Whether there was one.
    pub(crate) fn give_up(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }

    /// Whether appends may be tried again after the disk was full.
    pub(crate) fn can_go_on(&self) -> bool {
        available_bytes(&self.dir) >= FLOOR_BYTES && takes_a_write(&self.dir)
    }

    fn is_whole(&self) -> bool {
        const BLOCK_BYTES: u64 = 512; // the unit of st_blocks, whatever the file system's own is
        fs::metadata(&self.file)
            .is_ok_and(|file| file.len() == RESERVE_BYTES && file.blocks() * BLOCK_BYTES >= RESERVE_BYTES)
    }

    fn make(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.file)?;
        match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
            Ok(()) => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_incompressible(&mut file)?,
            Err(errno) => return Err(errno.into()),
        }
        file.sync_all()
    }
}

/// Whether the directory's file system takes a small write, durably.
pub(crate) fn takes_a_write(dir: &Path) -> bool {
    let path = dir.join(PROBE_FILE);
    let taken = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(&[0x5a; PROBE_BYTES]).and_then(|()| file.sync_all()));
    // What was never made cannot be removed.
    let _ = fs::remove_file(&path);
    taken.is_ok()
}

/// What the file system has left for us; 0 if it does not say.
fn available_bytes(dir: &Path) -> u64 {
    statvfs(dir).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Fills the reserve where blocks cannot be asked for; a file system that compresses would keep nothing of zeros.
fn write_incompressible(file: &mut File) -> io::Result<()> {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64; // xorshift64, from any seed but 0
    let mut chunk = Vec::with_capacity(PROBE_BYTES);
    for _ in 0..RESERVE_BYTES / PROBE_BYTES as u64 {
        chunk.clear();
        while chunk.len() < PROBE_BYTES {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            chunk.extend_from_slice(&word.to_le_bytes());
        }
        file.write_all(&chunk)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_holds_real_blocks_and_is_made_again_after_it_was_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        for _ in 0..2 {
            assert!(reserve.ensure());
            let file = fs::metadata(dir.path().join(RESERVE_FILE)).unwrap();
            assert_eq!(file.len(), RESERVE_BYTES);
            assert!(file.blocks() * 512 >= RESERVE_BYTES, "{} blocks", file.blocks());
            assert_eq!(file.mode() & 0o777, 0o600);
            assert!(reserve.give_up());
            assert!(!reserve.give_up());
        }
    }

    #[test]
    fn a_sparse_or_short_file_is_no_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        for len in [RESERVE_BYTES, RESERVE_BYTES / 2] {
            File::create(&reserve.file).unwrap().set_len(len).unwrap();
            assert!(!reserve.is_whole(), "{len}");
            assert!(reserve.ensure() && reserve.is_whole(), "{len}");
            assert!(reserve.give_up());
        }
    }

    #[test]
    fn where_blocks_cannot_be_asked_for_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        let mut file = File::create(&reserve.file).unwrap();
        write_incompressible(&mut file).unwrap();
        file.sync_all().unwrap();
        assert!(reserve.is_whole());
    }
}
