//! A file system as it stands: how full it is, what fills it, and what its owner has listed as free to go.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::size::Bytes;

/// What is seen of a file system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Disk {
    /// Its size.
    pub total_bytes: u64,
    /// What anybody may still write: without the share that is kept for root.
    pub free_bytes: u64,
    /// How many files and directories it can hold; 0 where it has no such limit.
    pub inodes: u64,
    /// How many more.
    pub inodes_free: u64,
    /// It counts as full from so many percent on.
    pub full_percent: u8,
    /// What the rules of its owner would remove at this moment.
    #[serde(default)]
    pub listed: Amount,
    /// What holds most of it, the most first; only while it is full.
    #[serde(default)]
    pub holders: Vec<Holder>,
    /// Files that were removed and are still held open, the largest first; only while it is full.
    #[serde(default)]
    pub removed: Vec<Removed>,
    /// What was removed by the rules last.
    #[serde(default)]
    pub cleaned: Option<Amount>,
}

/// So many files, and the room that they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amount {
    /// How many.
    pub files: u64,
    /// The room, in blocks that are really taken.
    pub bytes: u64,
}

/// A directory, with all below it on the same file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its path, escaped.
    pub path: String,
    /// What it holds itself, without what is told of directories below it.
    pub held: Amount,
    /// By how much that grew since the file system was last seen to have room; `None` where that is not known.
    pub grown_bytes: Option<i64>,
}

/// A file without a name that a process holds open: its room comes back when that closes it, or ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The name that it had, escaped.
    pub path: String,
    /// What it takes.
    pub bytes: u64,
    /// The process that holds it.
    pub pid: i32,
    /// What that runs, escaped.
    pub program: String,
}

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Room.
    Room,
    /// Inodes: it holds as many files as it can, however small they are.
    Inodes,
}

impl Disk {
    /// How much of it is taken, in percent, of what anybody may write (as `df` counts).
    #[must_use]
    pub fn used_percent(&self) -> u8 {
        percent(self.total_bytes.saturating_sub(self.free_bytes), self.total_bytes)
    }

    /// How many of its inodes are taken, in percent.
    #[must_use]
    pub fn inodes_used_percent(&self) -> u8 {
        percent(self.inodes.saturating_sub(self.inodes_free), self.inodes)
    }

    /// What there is least of.
    #[must_use]
    pub fn scarcest(&self) -> Want {
        if self.inodes_used_percent() > self.used_percent() { Want::Inodes } else { Want::Room }
    }

    /// What it has reached its limit of, if of anything.
    #[must_use]
    pub fn wants(&self) -> Option<Want> {
        let over = |used: u8| used >= self.full_percent;
        if over(self.used_percent()) {
            Some(Want::Room)
        } else if over(self.inodes_used_percent()) {
            Some(Want::Inodes)
        } else {
            None
        }
    }
}

/// Rounded up: what is not quite full is never told to be empty, and what is full is 100.
fn percent(part: u64, whole: u64) -> u8 {
    let of = u128::from(part).saturating_mul(100).div_ceil(u128::from(whole.max(1)));
    u8::try_from(of.min(100)).unwrap_or(100)
}

impl fmt::Display for Disk {
    /// `97 % of 40 GiB used`, or of its inodes where those are what it lacks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wants() {
            Some(Want::Inodes) => write!(f, "{} % of {} inodes used", self.inodes_used_percent(), self.inodes),
            Some(Want::Room) | None => write!(f, "{} % of {} used", self.used_percent(), Bytes(self.total_bytes)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.files == 1 { "" } else { "s" };
        write!(f, "{} in {} file{s}", Bytes(self.bytes), self.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_lacks_is_room_or_inodes() {
        let disk = |free_bytes, inodes_free| Disk {
            total_bytes: 1_000,
            free_bytes,
            inodes: 100,
            inodes_free,
            full_percent: 90,
            ..Disk::default()
        };
        for (free_bytes, inodes_free, wants, says) in [
            (500, 50, None, "50 % of 1000 B used"),
            (111, 50, None, "89 % of 1000 B used"),
            (109, 50, Some(Want::Room), "90 % of 1000 B used"),
            (99, 50, Some(Want::Room), "91 % of 1000 B used"),
            (0, 0, Some(Want::Room), "100 % of 1000 B used"),
            (500, 3, Some(Want::Inodes), "97 % of 100 inodes used"),
        ] {
            let disk = disk(free_bytes, inodes_free);
            assert_eq!((disk.wants(), disk.to_string().as_str()), (wants, says));
        }
        // Btrfs and others count none.
        assert_eq!(Disk { total_bytes: 10, free_bytes: 9, full_percent: 90, ..Disk::default() }.wants(), None);
    }
}
