//! The faulty store: an append may fail although it was committed, fail and be lost, find no room, or be the last thing
//! that a process does. Several processes share one, as they share a file.
//!
//! Most worlds keep entries as values; a share of them keeps [`store::Memory`]'s bytes and hashes too, and recovers from
//! those, so that whatever cannot be written and read again is found.

use std::cell::RefCell;
use std::rc::Rc;

use model::event::Entry;
use model::input::Effect;
use runtime::Perform;
use store::{Error, Journal, Memory, Piece};

/// What becomes of the next append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AppendFault {
    /// It fails, and nothing was written.
    Lost,
    /// It fails, and was written all the same.
    Written,
    /// There is no room.
    Full,
    /// The process dies before it.
    DieBefore,
    /// The process dies after it, before any effect.
    DieAfter,
}

/// What all processes share.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) epoch: u64,
    pub(crate) entries: Vec<Entry>,
    bytes: Option<Memory>,
    snapshot: Option<(u64, Vec<u8>)>,
}

/// One process, as its store and its performers know it.
#[derive(Default)]
pub(crate) struct Process {
    /// It has died: nothing that it does from here on happens.
    pub(crate) dead: bool,
    pub(crate) next_append: Option<AppendFault>,
    /// So many appends find no room.
    pub(crate) full: u32,
    /// So many reads fail.
    pub(crate) unreadable: u32,
    /// It dies after so many effects more.
    pub(crate) dies_after: Option<u32>,
    /// What it gave its performers, in order.
    pub(crate) effects: Vec<Effect>,
    /// The faults that struck.
    pub(crate) struck: Vec<AppendFault>,
}

/// A process's handle to the store.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) kept: Rc<RefCell<Kept>>,
    pub(crate) process: Rc<RefCell<Process>>,
}

/// A process's performers: they note what they are given, and the world does it.
pub(crate) struct Outbox(pub(crate) Rc<RefCell<Process>>);

impl Kept {
    pub(crate) fn new(in_bytes: bool) -> Kept {
        Kept { bytes: in_bytes.then(Memory::new), ..Kept::default() }
    }

    fn take(&mut self, epoch: u64, expected_seq: u64, entries: &[Entry]) -> Result<(), Error> {
        if epoch != self.epoch || entries.iter().any(|entry| entry.epoch != epoch) {
            return Err(Error::Deposed { epoch: self.epoch });
        }
        let found = self.entries.len() as u64;
        let in_order = entries.iter().zip(found + 1..).all(|(entry, seq)| entry.seq == seq);
        if expected_seq != found || !in_order {
            return Err(Error::Moved { expected: expected_seq, found });
        }
        if let Some(bytes) = &mut self.bytes {
            bytes.append(epoch, expected_seq, entries)?;
        }
        self.entries.extend_from_slice(entries);
        Ok(())
    }
}

impl Journal for Disk {
    fn lead(&mut self) -> Result<u64, Error> {
        let mut kept = self.kept.borrow_mut();
        if let Some(bytes) = &mut kept.bytes {
            bytes.lead()?;
        }
        kept.epoch += 1;
        Ok(kept.epoch)
    }

    fn recover(&mut self, fold: &mut dyn FnMut(Piece) -> Result<(), String>) -> Result<u64, Error> {
        let mut process = self.process.borrow_mut();
        if process.dead || process.unreadable > 0 {
            process.unreadable = process.unreadable.saturating_sub(1);
            return Err(Error::Unclear("the disk does not answer".to_owned()));
        }
        let mut kept = self.kept.borrow_mut();
        if let Some(bytes) = &mut kept.bytes {
            return bytes.recover(fold);
        }
        let mut from = 0;
        // A snapshot is used once: to read it costs more than all the rest of a recovery.
        if let Some((seq, state)) = kept.snapshot.take()
            && fold(Piece::Snapshot { seq, state }).is_ok()
        {
            from = usize::try_from(seq).unwrap_or(usize::MAX);
        }
        for entry in kept.entries.iter().skip(from) {
            fold(Piece::Entry(Box::new(entry.clone()))).map_err(Error::Damaged)?;
        }
        Ok(kept.entries.len() as u64)
    }

    fn append(&mut self, epoch: u64, expected_seq: u64, entries: &[Entry]) -> Result<(), Error> {
        let mut process = self.process.borrow_mut();
        let gone = || Error::Unclear("the process is gone".to_owned());
        if process.dead {
            return Err(gone());
        }
        let mut kept = self.kept.borrow_mut();
        if process.full > 0 {
            process.full -= 1;
            process.struck.push(AppendFault::Full);
            return Err(Error::Full("no space left on device".to_owned()));
        }
        let Some(fault) = process.next_append.take() else { return kept.take(epoch, expected_seq, entries) };
        process.struck.push(fault);
        match fault {
            AppendFault::Lost => Err(Error::Unclear("input/output error".to_owned())),
            AppendFault::Full => Err(Error::Full("no space left on device".to_owned())),
            AppendFault::Written => {
                kept.take(epoch, expected_seq, entries)?;
                Err(Error::Unclear("input/output error after the commit".to_owned()))
            }
            AppendFault::DieBefore => {
                process.dead = true;
                Err(gone())
            }
            AppendFault::DieAfter => {
                let taken = kept.take(epoch, expected_seq, entries);
                process.dead = true;
                taken
            }
        }
    }

    fn keep_snapshot(&mut self, seq: u64, state: &[u8]) -> Result<(), Error> {
        let mut kept = self.kept.borrow_mut();
        if let Some(bytes) = &mut kept.bytes {
            return bytes.keep_snapshot(seq, state);
        }
        kept.snapshot = Some((seq, state.to_vec()));
        Ok(())
    }
}

impl Perform for Outbox {
    fn perform(&mut self, effect: Effect) {
        let mut process = self.0.borrow_mut();
        if process.dead {
            return;
        }
        if process.dies_after == Some(0) {
            process.dead = true;
            return;
        }
        process.effects.push(effect);
        process.dies_after = process.dies_after.map(|left| left - 1);
    }
}
