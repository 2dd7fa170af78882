//! The journals, as whoever uses them meets them: what each promises, and what happens when the process is killed, the
//! disk is full, the file is damaged, newer, or not ours.
#![expect(clippy::unwrap_used, reason = "these are tests, with helpers beside them")]

mod child;
mod contract;
mod crash;
mod damage;
mod every;
mod fixture;
mod reading;
mod rights;
mod room;
mod story;

use model::event::Entry;
use store::{Error, Journal, Piece};

/// The loop owns its journal on a thread of its own, and all surfaces share one reader.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_shared<T: Send + Sync + Clone>() {}
    is_send::<store::Sqlite>();
    is_shared::<store::Memory>();
    is_shared::<store::Reader>();
};

/// All that is recovered: the snapshot, if one was used, and the entries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Recovered {
    snapshot: Option<(u64, Vec<u8>)>,
    entries: Vec<Entry>,
    last: u64,
}

impl Recovered {
    fn piece(&mut self, piece: Piece) -> Result<(), String> {
        match piece {
            Piece::Snapshot { seq, state } => self.snapshot = Some((seq, state)),
            Piece::Entry(entry) => self.entries.push(*entry),
        }
        Ok(())
    }
}

fn recovered(journal: &mut dyn Journal) -> Result<Recovered, Error> {
    let mut all = Recovered::default();
    let last = journal.recover(&mut |piece| all.piece(piece))?;
    Ok(Recovered { last, ..all })
}

/// Takes the lead of an empty journal and writes the entries up to this number, in batches of ten.
fn write_story(journal: &mut dyn Journal, upto: u64) -> u64 {
    let epoch = journal.lead().unwrap();
    for first in (1..=upto).step_by(10) {
        let batch = story::entries(epoch, first..=upto.min(first + 9));
        journal.append(epoch, first - 1, &batch).unwrap();
    }
    epoch
}
