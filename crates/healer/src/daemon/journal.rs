//! The journal on disk, with its room told to whoever watches.

use std::path::Path;
use std::time::{Duration, Instant};

use model::event::Entry;
use model::input::Input;
use runtime::Handle;
use store::{Error, Journal, Piece, Reader, Room, Sqlite};
use tokio::sync::watch;

/// The room is asked for at most so often.
const ROOM_EVERY: Duration = Duration::from_secs(5);

/// So many entries are checked before anything is decided on them, in less than a second; more are checked beside the loop.
const CHECKED_FIRST_MAX: u64 = 300_000;

/// Checks that nobody has altered the journal: a start from a snapshot does not read what lies before that, and `why`
/// answers from it. Of one that is very long this is done later, and told then.
///
/// # Errors
/// What is not as it was written.
pub(crate) fn check(state_dir: &Path, handle: &Handle) -> Result<(), Error> {
    const ABOUT: &str = "the journal's chain";
    let reader = Reader::open(state_dir)?;
    if reader.count()? <= CHECKED_FIRST_MAX {
        return reader.verify().map(|_| ());
    }
    let handle = handle.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = reader.verify() {
            tracing::error!(%error, "the journal is not what healer wrote");
            let says = format!("{error}; what healer decides on is whole, what it tells of the past may not be");
            handle.tell(Input::Warned { about: ABOUT.to_owned(), says: Some(says) });
        }
    });
    Ok(())
}

/// The journal, and who watches its room.
pub(crate) struct Kept {
    inner: Sqlite,
    room: watch::Sender<Room>,
    asked: Instant,
}

impl Kept {
    /// Opens the journal of this directory.
    ///
    /// # Errors
    /// See [`Sqlite::open`].
    pub(crate) fn open(state_dir: &Path) -> Result<(Kept, watch::Receiver<Room>), Error> {
        let mut inner = Sqlite::open(state_dir)?;
        let (room, watched) = watch::channel(inner.room());
        Ok((Kept { inner, room, asked: Instant::now() }, watched))
    }

    /// How it stands for room at this moment.
    pub(crate) fn room(&mut self) -> Room {
        self.asked = Instant::now();
        let room = self.inner.room();
        self.room.send_replace(room);
        room
    }
}

impl Kept {
    fn stuck(&self) -> bool {
        matches!(*self.room.borrow(), Room::Full | Room::Unwritable)
    }
}

impl Journal for Kept {
    fn lead(&mut self) -> Result<u64, Error> {
        self.inner.lead()
    }

    fn recover(&mut self, fold: &mut dyn FnMut(Piece) -> Result<(), String>) -> Result<u64, Error> {
        self.inner.recover(fold)
    }

    fn append(&mut self, epoch: u64, expected_seq: u64, entries: &[Entry]) -> Result<(), Error> {
        let done = self.inner.append(epoch, expected_seq, entries);
        match &done {
            Err(Error::Unusable(_) | Error::Damaged(_) | Error::Newer { .. }) => {
                self.room.send_replace(Room::Unwritable);
            }
            // After the first batch that is taken again there may be none for hours.
            Ok(()) if self.inner.gave_up_reserve() || self.stuck() || self.asked.elapsed() >= ROOM_EVERY => {
                self.room();
            }
            Err(Error::Full(_) | Error::Unclear(_) | Error::Moved { .. } | Error::Deposed { .. }) => {
                self.room();
            }
            Ok(()) => {}
        }
        done
    }

    fn keep_snapshot(&mut self, seq: u64, state: &[u8]) -> Result<(), Error> {
        self.inner.keep_snapshot(seq, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_was_deleted_is_not_taken_for_a_full_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (mut kept, room) = Kept::open(dir.path()).unwrap();
        let epoch = kept.lead().unwrap();
        kept.append(epoch, 0, &[]).unwrap();
        assert_ne!(*room.borrow(), Room::Unwritable);
        std::fs::remove_file(dir.path().join("journal.sqlite")).unwrap();
        assert!(matches!(kept.append(epoch, 0, &[]), Err(Error::Unusable(_))));
        assert_eq!(*room.borrow(), Room::Unwritable);
    }
}
