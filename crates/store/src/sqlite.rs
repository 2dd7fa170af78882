//! The journal on disk: one SQLite file, one writer, each batch in one transaction that is durable when it is answered.
//!
//! ```text
//! state_dir/ (0700)
//!   healer.lock      held by the one process that writes
//!   journal.sqlite   the journal (0600), with its -wal and -shm, which stay when healer ends
//!   reserve          16 MiB, given up when the disk is full
//! ```
//!
//! No code of ours opens `journal.sqlite` but through SQLite: closing any other handle to it would release the locks
//! that SQLite holds on it in this process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::event::{Entry, Event};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, FileControl, MAIN_DB, OpenFlags, TransactionBehavior};

use crate::chain::Head;
use crate::fault::Fault;
use crate::lock::{Lock, is_out_of_room};
use crate::recovery::Snapshot;
use crate::reserve::{Reserve, Room};
use crate::{Error, JOURNAL_FILE, Journal, Piece, admissible, journal_path, tables};

/// How long a write waits for whoever else has the database open for writing: only a person's own tool can.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// What the write-ahead log is cut to after it was carried over. It passes this only where a reader holds it back.
const WAL_BYTES_MAX: i64 = 8 << 20;

/// The journal on disk, held by this process alone.
#[derive(Debug)]
pub struct Sqlite {
    conn: Connection,
    journal: PathBuf,
    reserve: Reserve,
    /// The last write found no room, or the next one would.
    full: bool,
    /// The reserve was given up since this was asked last.
    gave_up: bool,
    /// Released last.
    _lock: Lock,
}

impl Sqlite {
    /// Opens the journal of this state directory, or makes both. Whatever is found there and is not a journal that this
    /// program can go on with is refused and left as it is.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Damaged`], [`Error::Full`], and [`Error::Unusable`] with the remedy: no rights, or
    /// another healer has the directory.
    pub fn open(state_dir: &Path) -> Result<Sqlite, Error> {
        let lock = Lock::take(state_dir)?;
        let reserve = Reserve::of(state_dir);
        let journal = journal_path(state_dir);
        let opened = match open_or_make(state_dir, &journal) {
            Err(Error::Full(_)) if reserve.give_up() => open_or_make(state_dir, &journal),
            other => other,
        };
        let conn = opened?;
        let full = !reserve.ensure() && !reserve.can_go_on();
        Ok(Sqlite { conn, journal, reserve, full, gave_up: false, _lock: lock })
    }

    /// How it stands for room. Makes the reserve again as soon as the disk has room for it; cheap enough to be asked
    /// every few seconds.
    pub fn room(&mut self) -> Room {
        if self.full && !self.reserve.can_go_on() {
            return Room::Full;
        }
        self.full = false;
        if self.reserve.ensure() { Room::Ample } else { Room::ReserveUsed }
    }

    /// Whether a write since the last call had to give the reserve up.
    pub fn gave_up_reserve(&mut self) -> bool {
        std::mem::take(&mut self.gave_up)
    }

    /// A write that must not fail for want of room while there is a reserve.
    fn write<T>(&mut self, mut attempt: impl FnMut(&mut Connection) -> Result<T, Fault>) -> Result<T, Error> {
        let mut once = |this: &mut Sqlite| {
            let done = still_there(&this.conn).and_then(|()| attempt(&mut this.conn));
            this.noted(done.map_err(|fault| fault.told(&this.journal)))
        };
        let done = match once(self) {
            Err(Error::Full(_)) if self.reserve.give_up() => {
                self.gave_up = true;
                once(self)
            }
            other => other,
        };
        self.full = matches!(done, Err(Error::Full(_)));
        done
    }

    /// A journal that was found damaged is not touched any more, not even to carry over the write-ahead log at the end.
    fn noted<T>(&self, done: Result<T, Error>) -> Result<T, Error> {
        if matches!(done, Err(Error::Damaged(_) | Error::Newer { .. })) {
            // If SQLite will not have it, the log is carried over, which loses nothing either.
            let _ = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        done
    }
}

impl Journal for Sqlite {
    fn lead(&mut self) -> Result<u64, Error> {
        self.write(|conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let epoch = tables::epoch(&tx)? + 1;
            tx.execute("UPDATE meta SET epoch = ?1", [epoch.cast_signed()])?;
            tx.commit()?;
            Ok(epoch)
        })
    }

    fn recover(&mut self, fold: &mut dyn FnMut(Piece) -> Result<(), String>) -> Result<u64, Error> {
        let done = tables::recover(&self.conn, fold).map_err(|fault| fault.told(&self.journal));
        self.noted(done)
    }

    fn append(&mut self, epoch: u64, expected_seq: u64, entries: &[Entry]) -> Result<(), Error> {
        self.write(|conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let head = tables::head(&tx)?;
            admissible((epoch, expected_seq), (tables::epoch(&tx)?, head.seq), entries)?;
            tables::insert(&tx, head, entries)?;
            if let Some(instance) = entries.iter().rev().find_map(started) {
                tx.execute("UPDATE meta SET instance = ?1", [instance])?;
            }
            Ok(tx.commit()?)
        })
    }

    // The reserve is not given up for a snapshot, which can wait.
    fn keep_snapshot(&mut self, seq: u64, state: &[u8]) -> Result<(), Error> {
        let mut attempt = || -> Result<(), Fault> {
            let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found = tables::head(&tx)?.seq;
            let hash = tables::hash_at(&tx, seq)?.ok_or(Error::Moved { expected: seq, found })?;
            tables::replace_snapshot(&tx, &Snapshot::of(Head { seq, hash }, state))?;
            Ok(tx.commit()?)
        };
        let done = attempt().map_err(|fault| fault.told(&self.journal));
        self.noted(done)
    }
}

/// SQLite would go on writing into a file that has no name any more, and call it durable.
fn still_there(conn: &Connection) -> Result<(), Fault> {
    let mut moved = 0;
    conn.file_control(Some(MAIN_DB), FileControl::HasMoved(&mut moved))?;
    if moved == 0 {
        return Ok(());
    }
    let why = "the journal was moved or deleted while it was open: bring it back, or start healer anew without it";
    Err(Error::Unusable(why.to_owned()).into())
}

fn started(entry: &Entry) -> Option<&str> {
    if let Event::Started { instance, .. } = &entry.event { Some(instance) } else { None }
}

fn open_or_make(state_dir: &Path, journal: &Path) -> Result<Connection, Error> {
    match fs::metadata(journal) {
        Ok(file) => tables::check_length(journal, file.len())?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => make(state_dir, journal)?,
        Err(e) => return Err(Error::Unusable(format!("cannot look at {}: {e}", journal.display()))),
    }
    connect(journal).map_err(|fault| fault.told(journal))
}

/// Makes an empty journal under another name, and renames it when it is whole: a journal that is there is a journal.
fn make(state_dir: &Path, journal: &Path) -> Result<(), Error> {
    let log = state_dir.join(format!("{JOURNAL_FILE}-wal"));
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(Error::Damaged(format!(
            "{} is gone, but its write-ahead log is there: bring it back, or move {} away to begin anew",
            journal.display(),
            log.display()
        )));
    }
    let new = state_dir.join(format!("{JOURNAL_FILE}.new"));
    let failed = |e: io::Error| {
        let what = format!("cannot make {}: {e}", new.display());
        if is_out_of_room(&e) { Error::Full(what) } else { Error::Unusable(what) }
    };
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
    fill(&new).map_err(|fault| fault.told(&new))?;
    fs::rename(&new, journal).and_then(|()| File::open(state_dir)?.sync_all()).map_err(failed)
}

fn fill(new: &Path) -> Result<(), Fault> {
    let mut conn =
        Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    tables::create(&mut conn)?;
    conn.close().map_err(|(_, error)| error.into())
}

fn connect(journal: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(journal, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;

    // Until it is known to be ours, nothing is written to it: not even its write-ahead log is carried over at the end.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    tables::check(&conn)?;
    if conn.is_readonly(MAIN_DB)? {
        let user = crate::lock::whoami();
        return Err(Error::Unusable(format!(
            "{} cannot be written by {user}: give it to that user with `chown`",
            journal.display()
        ))
        .into());
    }

    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::Unusable(format!(
            "the file system of {} cannot share memory between processes: set state_dir to a directory on a local disk",
            journal.display()
        ))
        .into());
    }
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // The -wal and -shm files stay, so that a reader finds them and need not make them.
    conn.file_control(Some(MAIN_DB), FileControl::PersistWal(&mut 1))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(conn)
}
