//! The journal and what is queried beside it.
//!
//! One writer appends batches, each in one transaction, hash-chained and fenced by epoch; readers page through it beside
//! the writer. The journal is the only truth: whatever else is kept here can be thrown away and made again from it.

//!
//! ```text
//!   the loop ──▶ Journal ─┬─ sqlite::Sqlite ──▶ journal.sqlite ◀── reader::Reader ◀── surfaces, and the CLI alone
//!                         └─ memory::Memory (tests, the simulator)
//! ```

pub mod chain;
pub mod memory;
pub mod reader;
pub mod reserve;
pub mod sqlite;

mod fault;
mod lock;
mod recovery;
mod tables;

pub use memory::Memory;
pub use reader::Reader;
pub use reserve::Room;
pub use sqlite::Sqlite;

use std::path::Path;

use model::event::Entry;

/// The journal's file within the state directory.
pub const JOURNAL_FILE: &str = "journal.sqlite";

/// Where a decision becomes true. Three live behind it: SQLite, the simulator's faulty one, and one in memory.
pub trait Journal {
    /// Takes the lead: no append with a lower epoch succeeds from here on. Returns the new epoch, from 1.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn lead(&mut self) -> Result<u64, Error>;

    /// Hands the newest snapshot (if one fits this program) and then each later entry to `fold`, in order, checking the
    /// chain of hashes on the way. Returns the number of the last entry, 0 for an empty journal.
    ///
    /// A `fold` that refuses the snapshot (before it changed anything) is given all entries instead, from the first; one
    /// that refuses an entry has found a damaged journal.
    ///
    /// # Errors
    /// When the store cannot be read, or what it holds is not what was written, or is of a newer version.
    fn recover(&mut self, fold: &mut dyn FnMut(Piece) -> Result<(), String>) -> Result<u64, Error>;

    /// Writes all entries or none. `expected_seq` is the number of the last entry that the writer knows; the entries go
    /// on from there without gaps.
    ///
    /// # Errors
    /// See [`Error`]. An append that failed with [`Error::Unclear`] may have been committed all the same.
    fn append(&mut self, epoch: u64, expected_seq: u64, entries: &[Entry]) -> Result<(), Error>;

    /// Keeps a snapshot of the fold of all entries up to `seq`. An older one is replaced.
    ///
    /// # Errors
    /// When the store cannot be written; the journal itself is not harmed.
    fn keep_snapshot(&mut self, seq: u64, state: &[u8]) -> Result<(), Error>;
}

/// A piece of what is recovered.
#[derive(Debug)]
pub enum Piece {
    /// The fold of all entries up to the one of this number.
    Snapshot {
        /// The last entry that it contains.
        seq: u64,
        /// The state, as `keep_snapshot` was given it.
        state: Vec<u8>,
    },
    /// An entry.
    Entry(Box<Entry>),
}

/// Why the store did not do it; by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process leads: stop acting.
    #[error("another healer leads with epoch {epoch}")]
    Deposed {
        /// Its epoch.
        epoch: u64,
    },
    /// The journal went on without us: fold it anew.
    #[error("the journal stands at entry {found}, not at {expected}")]
    Moved {
        /// Where the writer thought it stood.
        expected: u64,
        /// Where it stands.
        found: u64,
    },
    /// There is no room: only watch.
    #[error("no room left for the journal: {0}")]
    Full(String),
    /// It may or may not have been written: fold it anew.
    #[error("the journal did not answer: {0}")]
    Unclear(String),
    /// It holds something that was never written: nothing is touched.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// A newer program wrote it: nothing is touched.
    #[error("the journal is of version {found}; this program knows versions up to {known}: update healer")]
    Newer {
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It cannot be opened: why, with the remedy.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// Whether the same call may succeed later without a person.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Error::Moved { .. } | Error::Full(_) | Error::Unclear(_))
    }

    /// The error's kind, as a label for metrics and counts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Error::Deposed { .. } => "deposed",
            Error::Moved { .. } => "moved",
            Error::Full(_) => "full",
            Error::Unclear(_) => "unclear",
            Error::Damaged(_) => "damaged",
            Error::Newer { .. } => "newer",
            Error::Unusable(_) => "unusable",
        }
    }
}

/// What every journal asks of a batch before it takes it: a leader that still leads, and numbers that go on from the
/// last one without a gap.
fn admissible(
    (epoch, expected_seq): (u64, u64),
    (leads, last_seq): (u64, u64),
    entries: &[Entry],
) -> Result<(), Error> {
    if epoch != leads || entries.iter().any(|entry| entry.epoch != epoch) {
        return Err(Error::Deposed { epoch: leads });
    }
    if expected_seq != last_seq {
        return Err(Error::Moved { expected: expected_seq, found: last_seq });
    }
    match entries.iter().zip(last_seq + 1..).find(|(entry, seq)| entry.seq != *seq) {
        Some((entry, seq)) => Err(Error::Moved { expected: entry.seq.saturating_sub(1), found: seq - 1 }),
        None => Ok(()),
    }
}

fn journal_path(state_dir: &Path) -> std::path::PathBuf {
    state_dir.join(JOURNAL_FILE)
}
