//! A journal in memory, for tests and for the simulator, which wraps it to inject faults.
//!
//! It keeps the same bytes and hashes as the one on disk, so that whatever cannot be written and read again fails here
//! too. Clones share one journal, as two processes share one file: that is how a deposed leader meets its successor.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Now;
use model::event::Entry;

use crate::chain::{self, GENESIS, Hash, Head, Record};
use crate::recovery::{Snapshot, fold_entry};
use crate::{Error, Journal, Piece, admissible};

/// A journal in memory. A clone is another handle to the same journal.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    epoch: u64,
    rows: Vec<Row>,
    snapshot: Option<Snapshot>,
}

#[derive(Debug)]
struct Row {
    version: u32,
    epoch: u64,
    at: Now,
    body: Box<[u8]>,
    hash: Hash,
}

impl Memory {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Where it stands: its last entry's number and hash.
    #[must_use]
    pub fn head(&self) -> Head {
        self.kept().head()
    }

    /// The epoch of the present leader; 0 if nobody ever led.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.kept().epoch
    }

    /// All entries after this number, read back from their bytes. 0 gives all.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what was written cannot be read.
    pub fn entries_after(&self, seq: u64) -> Result<Vec<Entry>, Error> {
        self.kept().records_after(seq).map(|(record, _)| record.entry()).collect()
    }

    /// Forgets the snapshot, so that the next recovery folds everything.
    pub fn drop_snapshot(&self) {
        self.kept().snapshot = None;
    }

    // A panic elsewhere cannot leave it half changed: rows are added in one go, after everything that can fail.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for Memory {
    fn lead(&mut self) -> Result<u64, Error> {
        let mut kept = self.kept();
        kept.epoch += 1;
        Ok(kept.epoch)
    }

    fn recover(&mut self, fold: &mut dyn FnMut(Piece) -> Result<(), String>) -> Result<u64, Error> {
        let kept = self.kept();
        let snapshot = kept.snapshot.clone().and_then(|snapshot| {
            let written = kept.hash_at(snapshot.seq);
            snapshot.fold(written, fold)
        });
        let mut head = snapshot.unwrap_or(Head::START);
        for (record, hash) in kept.records_after(head.seq) {
            head = fold_entry(head, &record, hash, fold)?;
        }
        Ok(head.seq)
    }

    fn append(&mut self, epoch: u64, expected_seq: u64, entries: &[Entry]) -> Result<(), Error> {
        let mut kept = self.kept();
        let mut head = kept.head();
        admissible((epoch, expected_seq), (kept.epoch, head.seq), entries)?;
        let bodies = entries.iter().map(chain::body_of).collect::<Result<Vec<_>, Error>>()?;
        for (entry, body) in entries.iter().zip(bodies) {
            head = head.then(&Record::of(entry, &body));
            kept.rows.push(Row {
                version: entry.version,
                epoch: entry.epoch,
                at: entry.at,
                body: body.into(),
                hash: head.hash,
            });
        }
        Ok(())
    }

    fn keep_snapshot(&mut self, seq: u64, state: &[u8]) -> Result<(), Error> {
        let mut kept = self.kept();
        let found = kept.head().seq;
        let hash = kept.hash_at(seq).ok_or(Error::Moved { expected: seq, found })?;
        kept.snapshot = Some(Snapshot::of(Head { seq, hash }, state));
        Ok(())
    }
}

impl Kept {
    fn head(&self) -> Head {
        self.rows.last().map_or(Head::START, |row| Head { seq: self.rows.len() as u64, hash: row.hash })
    }

    /// The hash of the entry of this number; before the first one stands the genesis.
    fn hash_at(&self, seq: u64) -> Option<Hash> {
        match seq.checked_sub(1) {
            None => Some(GENESIS),
            Some(before) => self.rows.get(index(before)).map(|row| row.hash),
        }
    }

    fn records_after(&self, seq: u64) -> impl Iterator<Item = (Record<'_>, &Hash)> {
        let rows = self.rows.get(index(seq)..).unwrap_or_default();
        rows.iter().zip(seq + 1..).map(|(row, seq)| {
            let record = Record { seq, version: row.version, epoch: row.epoch, at: row.at, body: &row.body };
            (record, &row.hash)
        })
    }
}

/// How many entries there are up to the one of this number.
fn index(seq: u64) -> usize {
    usize::try_from(seq).unwrap_or(usize::MAX)
}
