//! The order in which every journal is recovered: the snapshot, if it is one of ours and of this very chain, then the
//! entries after it. A snapshot that does not fit is no error, since it can be made again; an entry that does not is.

use model::event::VERSION;

use crate::chain::{Hash, Head, Record, seal};
use crate::{Error, Piece};

/// What takes the pieces.
pub(crate) type Fold<'f> = dyn FnMut(Piece) -> Result<(), String> + 'f;

/// A snapshot as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) seq: u64,
    pub(crate) version: u32,
    pub(crate) state: Vec<u8>,
    /// The hash of the entry of this number.
    pub(crate) hash: Hash,
    /// The state, bound to that hash.
    pub(crate) seal: Hash,
}

impl Snapshot {
    /// A snapshot of the fold up to `head`.
    pub(crate) fn of(head: Head, state: &[u8]) -> Snapshot {
        Snapshot {
            seq: head.seq,
            version: VERSION,
            state: state.to_vec(),
            hash: head.hash,
            seal: seal(&head.hash, state),
        }
    }

    /// Folds this snapshot and says from where to go on. `written` is the hash of the entry of its number, if there is
    /// such an entry.
    pub(crate) fn fold(self, written: Option<Hash>, fold: &mut Fold<'_>) -> Option<Head> {
        let fits = (1..=VERSION).contains(&self.version)
            && written == Some(self.hash)
            && seal(&self.hash, &self.state) == self.seal;
        let head = Head { seq: self.seq, hash: self.hash };
        (fits && fold(Piece::Snapshot { seq: self.seq, state: self.state }).is_ok()).then_some(head)
    }
}

/// Folds the next entry.
pub(crate) fn fold_entry(head: Head, record: &Record<'_>, hash: &Hash, fold: &mut Fold<'_>) -> Result<Head, Error> {
    let next = head.follow(record, hash)?;
    fold(Piece::Entry(Box::new(record.entry()?)))
        .map_err(|why| Error::Damaged(format!("entry {} cannot follow what is before it: {why}", record.seq)))?;
    Ok(next)
}
