//! The chain of hashes: each entry is bound to all before it, so that nothing in the past can be changed, left out or
//! put in without being seen.
//!
//! ```text
//! hash(0) = 32 zero bytes
//! hash(n) = sha256(hash(n-1) ‖ seq ‖ version ‖ epoch ‖ wall ‖ tick ‖ body)
//! ```
//!
//! `body` is the event as JSON, byte by byte as it is stored; the rest are its columns as big-endian integers of 8, 4, 8,
//! 8 and 8 bytes. Whatever else is stored beside an entry (its name, incident and resource) is read out of the body.
//! A chain cannot show by itself that its end was cut off: the last number and hash are noted beside it, in `meta`. Who
//! does not trust the file as a whole keeps them elsewhere.

use std::fmt;

use model::event::{Entry, Event, VERSION};
use model::{Now, Tick, Wall};
use sha2::{Digest as _, Sha256};

use crate::Error;

/// The hash of an entry, and so of everything before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

/// What stands before the first entry.
pub const GENESIS: Hash = Hash([0; 32]);

/// An entry as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number, from 1.
    pub seq: u64,
    /// The version of the format that its body has.
    pub version: u32,
    /// The leader that wrote it.
    pub epoch: u64,
    /// When.
    pub at: Now,
    /// The event, as JSON.
    pub body: &'a [u8],
}

/// The hash of a record that follows the entry of hash `before`.
#[must_use]
pub fn link(before: &Hash, record: &Record<'_>) -> Hash {
    let mut sha = Sha256::new();
    sha.update(before.0);
    sha.update(record.seq.to_be_bytes());
    sha.update(record.version.to_be_bytes());
    sha.update(record.epoch.to_be_bytes());
    sha.update(record.at.wall.0.to_be_bytes());
    sha.update(record.at.tick.0.to_be_bytes());
    sha.update(record.body);
    Hash(sha.finalize().into())
}

/// The seal of a snapshot: its bytes, bound to the last entry that it contains.
#[must_use]
pub fn seal(entry: &Hash, state: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(entry.0);
    sha.update(state);
    Hash(sha.finalize().into())
}

/// The body of an entry, as it is stored.
///
/// # Errors
/// [`Error::Damaged`] for an event that JSON cannot carry.
pub fn body_of(entry: &Entry) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&entry.event).map_err(|e| Error::Damaged(format!("entry {} is no JSON: {e}", entry.seq)))
}

impl<'a> Record<'a> {
    /// The record of an entry whose body was made by [`body_of`].
    #[must_use]
    pub fn of(entry: &Entry, body: &'a [u8]) -> Record<'a> {
        Record { seq: entry.seq, version: entry.version, epoch: entry.epoch, at: entry.at, body }
    }

    /// The entry that was stored.
    ///
    /// # Errors
    /// [`Error::Newer`] and [`Error::Damaged`].
    pub fn entry(&self) -> Result<Entry, Error> {
        Ok(Entry { seq: self.seq, version: self.version, epoch: self.epoch, at: self.at, event: self.event()? })
    }

    /// One reader for each version of the format that was ever written.
    fn event(&self) -> Result<Event, Error> {
        match self.version {
            1 => serde_json::from_slice(self.body)
                .map_err(|e| Error::Damaged(format!("entry {} cannot be read: {e}", self.seq))),
            found if found > VERSION => Err(Error::Newer { found, known: VERSION }),
            found => Err(Error::Damaged(format!("entry {} is of version {found}, which never was", self.seq))),
        }
    }
}

/// The end of a chain that is being walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last entry's number; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// Before the first entry.
    pub const START: Head = Head { seq: 0, hash: GENESIS };

    /// Appends: the head after this record.
    #[must_use]
    pub fn then(self, record: &Record<'_>) -> Head {
        Head { seq: record.seq, hash: link(&self.hash, record) }
    }

    /// Walks: the head after this record, which was stored with this hash.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not the next one, or not what was written.
    pub fn follow(self, record: &Record<'_>, stored: &Hash) -> Result<Head, Error> {
        if record.seq != self.seq + 1 {
            return Err(Error::Damaged(format!("entry {} is followed by entry {}", self.seq, record.seq)));
        }
        let next = self.then(record);
        if next.hash == *stored {
            Ok(next)
        } else {
            Err(Error::Damaged(format!("entry {} is not what was written: its hash does not fit", record.seq)))
        }
    }
}

/// The two clocks as they are stored.
pub(crate) fn now_of(wall: i64, tick: u64) -> Now {
    Now { wall: Wall(wall), tick: Tick(tick) }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &[u8]) -> Record<'_> {
        Record { seq: 1, version: 1, epoch: 1, at: now_of(1_000, 10), body }
    }

    #[test]
    fn the_first_link_is_what_any_sha256_makes_of_the_documented_bytes() {
        // python3: sha256(bytes(32) + struct.pack(">QIQqQ", 1, 1, 1, 1000, 10) + b'"ended"').hexdigest()
        let hash = link(&GENESIS, &record(b"\"ended\""));
        assert_eq!(hash.to_string(), "6ca785d786601f5a2193faa77862660cc10ea55c80f8dac6030685fcf60c78af");
    }

    #[test]
    fn every_part_of_an_entry_changes_its_hash() {
        let plain = record(b"\"ended\"");
        let others = [
            Record { seq: 2, ..plain },
            Record { version: 2, ..plain },
            Record { epoch: 2, ..plain },
            Record { at: now_of(1_001, 10), ..plain },
            Record { at: now_of(1_000, 11), ..plain },
            Record { body: b"\"Ended\"", ..plain },
        ];
        let mut hashes = vec![link(&GENESIS, &plain), link(&Hash([1; 32]), &plain)];
        hashes.extend(others.iter().map(|other| link(&GENESIS, other)));
        for (n, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..n].contains(hash), "{n}");
        }
    }

    #[test]
    fn a_walk_stops_at_a_gap_and_at_a_wrong_hash_and_names_the_entry() {
        let first = record(b"\"ended\"");
        let hash = link(&GENESIS, &first);
        let head = Head::START.follow(&first, &hash).unwrap();
        assert_eq!(head, Head { seq: 1, hash });

        let third = Record { seq: 3, ..first };
        let gap = head.follow(&third, &link(&hash, &third)).unwrap_err();
        assert_eq!(gap.to_string(), "the journal is damaged: entry 1 is followed by entry 3");

        let second = Record { seq: 2, ..first };
        let forged = head.follow(&second, &hash).unwrap_err();
        assert!(forged.to_string().contains("entry 2 is not what was written"), "{forged}");
    }

    #[test]
    fn a_body_of_another_version_is_refused_by_what_it_is() {
        let newer = Record { version: VERSION + 1, ..record(b"\"ended\"") };
        assert!(
            matches!(newer.entry(), Err(Error::Newer { found, known }) if (found, known) == (VERSION + 1, VERSION))
        );
        let never = Record { version: 0, ..record(b"\"ended\"") };
        assert!(matches!(never.entry(), Err(Error::Damaged(_))));
    }
}
