//! The journal on disk, with its room told to whoever watches.

use std::path::Path;
use std::time::{Duration, Instant};

use model::event::Entry;
use store::{Error, Journal, Piece, Room, Sqlite};
use tokio::sync::watch;

/// The room is asked for at most so often.
const ROOM_EVERY: Duration = Duration::from_secs(5);

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
        if done.is_err() || self.asked.elapsed() >= ROOM_EVERY {
            self.asked = Instant::now();
            self.room.send_replace(self.inner.room());
        }
        done
    }

    fn keep_snapshot(&mut self, seq: u64, state: &[u8]) -> Result<(), Error> {
        self.inner.keep_snapshot(seq, state)
    }
}
