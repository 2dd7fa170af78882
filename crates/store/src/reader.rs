//! Pages of the journal, read beside the daemon or when there is none. It makes no file and takes no lock that a writer
//! would have to wait for.
//!
//! Each call opens a connection of its own (some tenths of a millisecond): so one reader serves many threads, outlives
//! the daemon's restarts, and never holds back the write-ahead log between two calls.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::event::{Entry, Event};
use model::incident::IncidentId;
use model::{ResourceId, Wall};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use crate::chain::Head;
use crate::fault::Fault;
use crate::tables::{self, RECORD, record_of};
use crate::{Error, Piece, journal_path};

/// The most entries of one page.
pub const PAGE_MAX: usize = 1000;

/// How long a reader waits while the write-ahead log is being recovered by whoever came first.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the journal of one state directory.
#[derive(Debug, Clone)]
pub struct Reader {
    journal: PathBuf,
}

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Written at this time or later.
    pub since: Option<Wall>,
    /// Written before this time.
    pub until: Option<Wall>,
    /// Of this incident.
    pub incident: Option<IncidentId>,
    /// Of this resource, or of an incident that was opened on it.
    pub resource: Option<ResourceId>,
    /// Of these names ([`Event::name`]); of all if empty.
    pub names: Vec<&'static str>,
    /// Only what comes after this entry in the order of the pages: [`Page::next`] of the page before.
    pub after_seq: Option<u64>,
    /// The newest first, instead of the oldest.
    pub newest_first: bool,
    /// How many at most, from 1 to [`PAGE_MAX`].
    pub limit: usize,
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order that was asked for.
    pub entries: Vec<Entry>,
    /// What to ask the next page with; `None` if this is the last.
    pub next: Option<u64>,
}

impl Default for Query {
    /// The oldest hundred of all.
    fn default() -> Query {
        Query {
            since: None,
            until: None,
            incident: None,
            resource: None,
            names: Vec::new(),
            after_seq: None,
            newest_first: false,
            limit: 100,
        }
    }
}

impl Reader {
    /// A reader of this state directory's journal.
    ///
    /// # Errors
    /// [`Error::Unusable`] if there is none or it may not be read, [`Error::Damaged`], [`Error::Newer`].
    pub fn open(state_dir: &Path) -> Result<Reader, Error> {
        let reader = Reader { journal: journal_path(state_dir) };
        reader.with(|_| Ok(()))?;
        Ok(reader)
    }

    /// One page.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn entries(&self, query: &Query) -> Result<Page, Error> {
        self.with(|conn| page(conn, query))
    }

    /// How many entries there are.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn count(&self) -> Result<u64, Error> {
        self.with(count)
    }

    /// The name of the healer that started here last; `None` if none ever did.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn instance(&self) -> Result<Option<String>, Error> {
        self.with(|conn| Ok(conn.query_row("SELECT instance FROM meta", [], |row| row.get(0))?))
    }

    /// Walks the whole chain, and looks whether the file is sound. Returns where the journal ends: a hash that was noted
    /// elsewhere at this number must be the same.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the first entry that is not what was written.
    pub fn verify(&self) -> Result<Head, Error> {
        self.with(|conn| {
            let sound: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if sound != "ok" {
                return Err(Error::Damaged(sound).into());
            }
            let mut head = Head::START;
            while let Some(next) = walk(conn, head)? {
                head = next;
            }
            // A number before the first is not met on the way.
            let all = "SELECT count(*) FROM events WHERE seq <= ?1";
            let entries: i64 = conn.query_row(all, [head.seq.cast_signed()], |row| row.get(0))?;
            if entries.cast_unsigned() != head.seq {
                let what = format!("{entries} entries stand where the chain has {}", head.seq);
                return Err(Error::Damaged(what).into());
            }
            tables::check_head(conn)?;
            Ok(head)
        })
    }

    /// Copies the journal as it stands at this moment into a new file, whether somebody writes it meanwhile or not, and
    /// checks the copy. To restore it, healer is ended and the copy put in the journal's place.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the file is there already or cannot be written; as [`Reader::verify`] of the copy, which is
    /// then removed.
    pub fn copy_to(&self, file: &Path) -> Result<Head, Error> {
        // Only its owner may read what a journal tells.
        let mut made = fs::OpenOptions::new();
        made.write(true).create_new(true).mode(0o600);
        made.open(file).map_err(|error| {
            let remedy = if error.kind() == io::ErrorKind::AlreadyExists { ": name a new file" } else { "" };
            Error::Unusable(format!("cannot make {} ({error}){remedy}", file.display()))
        })?;
        let name = file.as_os_str().as_bytes();
        let copied = self.with(|conn| Ok(conn.execute("VACUUM INTO ?1", [String::from_utf8_lossy(name)])?));
        let copy = Reader { journal: file.to_owned() };
        copied.and_then(|_| copy.verify()).inspect_err(|_| {
            // What is half a copy is none.
            let _ = fs::remove_file(file);
        })
    }

    /// The same as [`crate::Journal::recover`], without leading.
    ///
    /// # Errors
    /// As [`crate::Journal::recover`].
    pub fn recover(&self, fold: &mut dyn FnMut(Piece) -> Result<(), String>) -> Result<u64, Error> {
        self.with(|conn| tables::recover(conn, fold))
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Error> {
        let conn = self.connect()?;
        tables::check(&conn).and_then(|()| read(&conn)).map_err(|fault| fault.told(&self.journal))
    }

    /// SQLite makes a missing -wal or -shm file even for those who only read. So it is told that nobody writes where no
    /// writer left them, and is not asked at all where it would have to make one.
    fn connect(&self) -> Result<Connection, Error> {
        let journal = self.journal.display();
        match fs::metadata(&self.journal) {
            Ok(file) => tables::check_length(&self.journal, file.len())?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Unusable(format!(
                    "there is no journal at {journal}: healer has not run with this state directory yet"
                )));
            }
            Err(e) => {
                let user = crate::lock::whoami();
                return Err(Error::Unusable(format!(
                    "cannot read {journal} as {user} ({e}): ask as the user that healer runs as, or as root"
                )));
            }
        }
        let (log, index) = (self.beside("-wal"), self.beside("-shm"));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = if index.exists() && log.exists() {
            Connection::open_with_flags(&self.journal, flags)
        } else if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            return Err(Error::Unusable(format!(
                "{} is there without {}: copy a journal with both, or start healer on it once",
                log.display(),
                index.display()
            )));
        } else {
            Connection::open_with_flags(self.unchanging(), flags | OpenFlags::SQLITE_OPEN_URI)
        };
        opened
            .and_then(|conn| conn.busy_timeout(BUSY_TIMEOUT).map(|()| conn))
            .map_err(|error| Fault::from(error).told(&self.journal))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.journal.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// The journal as a URI that says that nobody writes to it.
    fn unchanging(&self) -> String {
        use std::fmt::Write as _;
        let mut uri = "file:".to_owned();
        for byte in self.journal.as_os_str().as_bytes() {
            if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
                uri.push(char::from(*byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
        uri + "?immutable=1"
    }
}

fn page(conn: &Connection, query: &Query) -> Result<Page, Fault> {
    let limit = query.limit.clamp(1, PAGE_MAX);
    let (sql, values) = select(query, limit);
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        if entries.len() == limit {
            let next = entries.last().map(|last: &Entry| last.seq);
            return Ok(Page { entries, next });
        }
        entries.push(record_of(row)?.0.entry()?);
    }
    Ok(Page { entries, next: None })
}

/// One more than the page holds is asked for: whether it is there says whether there is a next page.
fn select(query: &Query, limit: usize) -> (String, Vec<Value>) {
    let mut clauses: Vec<String> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut only = |clause: &str, value: Value| {
        values.push(value);
        clauses.push(clause.replace('?', &format!("?{}", values.len())));
    };
    if let Some(since) = query.since {
        only("at_wall >= ?", since.0.into());
    }
    if let Some(until) = query.until {
        only("at_wall < ?", until.0.into());
    }
    if let Some(incident) = &query.incident {
        only("incident = ?", incident.to_string().into());
    }
    if let Some(resource) = &query.resource {
        let opened = "SELECT incident FROM events WHERE resource = ? AND name = 'incident_opened'";
        only(&format!("(resource = ? OR incident IN ({opened}))"), resource.as_str().to_owned().into());
    }
    if !query.names.is_empty() {
        // The names are ours, and a list of them is one value as JSON.
        only("name IN (SELECT value FROM json_each(?))", serde_json::json!(query.names).to_string().into());
    }
    if let Some(seq) = query.after_seq {
        only(if query.newest_first { "seq < ?" } else { "seq > ?" }, seq.cast_signed().into());
    }
    let filter = if clauses.is_empty() { String::new() } else { format!("WHERE {}", clauses.join(" AND ")) };
    let order = if query.newest_first { "DESC" } else { "ASC" };
    (format!("SELECT {RECORD} FROM events {filter} ORDER BY seq {order} LIMIT {}", limit + 1), values)
}

fn count(conn: &Connection) -> Result<u64, Fault> {
    Ok(conn.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

/// Walks on by one page, so that no view of the journal is held for long; `None` at its end.
fn walk(conn: &Connection, from: Head) -> Result<Option<Head>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {RECORD}, name, incident, resource FROM events WHERE seq > ?1 ORDER BY seq LIMIT {PAGE_MAX}"
    ))?;
    let mut rows = statement.query([from.seq.cast_signed()])?;
    let mut head = from;
    while let Some(row) = rows.next()? {
        let (record, hash) = record_of(row)?;
        head = head.follow(&record, &hash)?;
        if !repeats(row, &record.entry()?.event)? {
            let what = format!("entry {} is not filed under what it is about", record.seq);
            return Err(Error::Damaged(what).into());
        }
    }
    Ok((head != from).then_some(head))
}

/// Whether the columns beside the body repeat what stands in it.
fn repeats(row: &Row<'_>, event: &Event) -> rusqlite::Result<bool> {
    let (name, incident, resource): (String, Option<String>, Option<String>) = (row.get(7)?, row.get(8)?, row.get(9)?);
    Ok(name == event.name()
        && incident == event.incident().map(ToString::to_string)
        && resource.as_deref() == event.resource().map(ResourceId::as_str))
}
