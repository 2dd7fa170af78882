//! The tables of `journal.sqlite`, and the few statements that the writer and the readers share.

use std::path::Path;

use model::event::{Entry, VERSION};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::chain::{GENESIS, Hash, Head, Record, now_of};
use crate::fault::{Fault, LEFT};
use crate::recovery::{Fold, Snapshot, fold_entry};
use crate::{Error, chain};

/// The version of these tables. `meta.format` can be read in every version there will be.
pub(crate) const FORMAT: u32 = 1;

/// "HEAL" in the file's header, so that a journal is told from any other database.
const APPLICATION_ID: i32 = 0x4845_414c;

const SCHEMA: &str = "
    CREATE TABLE meta (
        one       INTEGER PRIMARY KEY CHECK (one = 1),
        format    INTEGER NOT NULL,
        instance  TEXT,               -- of the last healer that started here
        epoch     INTEGER NOT NULL,   -- of the present leader
        head_seq  INTEGER,            -- the last entry that was written, and its hash: a chain does not show by itself
        head_hash BLOB                -- that its end was cut off. An older journal gets these at its next append.
    ) STRICT;
    -- `name`, `incident` and `resource` repeat what stands in `body`, for the readers; the hash covers all the others.
    CREATE TABLE events (
        seq       INTEGER PRIMARY KEY,
        at_wall   INTEGER NOT NULL,
        at_tick   INTEGER NOT NULL,
        epoch     INTEGER NOT NULL,
        version   INTEGER NOT NULL,
        name      TEXT NOT NULL,
        incident  TEXT,
        resource  TEXT,
        hash      BLOB NOT NULL,
        body      TEXT NOT NULL       -- JSON
    ) STRICT;
    CREATE INDEX events_at_wall ON events (at_wall);
    CREATE INDEX events_incident ON events (incident) WHERE incident IS NOT NULL;
    CREATE INDEX events_resource ON events (resource) WHERE resource IS NOT NULL;
    -- At most one row. `hash` is that of the entry `seq`; `seal` binds `state` to it.
    CREATE TABLE snapshot (
        seq       INTEGER PRIMARY KEY,
        version   INTEGER NOT NULL,
        hash      BLOB NOT NULL,
        seal      BLOB NOT NULL,
        state     BLOB NOT NULL
    ) STRICT;
";

/// The columns that [`record_of`] reads, in its order.
pub(crate) const RECORD: &str = "seq, version, epoch, at_wall, at_tick, hash, body";

/// Makes the tables in an empty database.
pub(crate) fn create(conn: &mut Connection) -> Result<(), Fault> {
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    let tx = conn.transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.execute("INSERT INTO meta (one, format, epoch) VALUES (1, ?1, 0)", [FORMAT])?;
    Ok(tx.commit()?)
}

/// Refuses a file that SQLite would take for a database that has yet to be made, and would make.
pub(crate) fn check_length(journal: &Path, bytes: u64) -> Result<(), Error> {
    const PAGE_BYTES_MIN: u64 = 512;
    if bytes >= PAGE_BYTES_MIN {
        return Ok(());
    }
    Err(Error::Damaged(format!("{} has {bytes} bytes: it was cut short{LEFT}", journal.display())))
}

/// Refuses what is no journal, and what a newer program wrote. Reads only.
pub(crate) fn check(conn: &Connection) -> Result<(), Fault> {
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id != APPLICATION_ID {
        let what = "a SQLite database, but no journal of healer";
        return Err(Error::Damaged(what.to_owned()).into());
    }
    let found: u32 = conn.query_row("SELECT format FROM meta", [], |row| row.get(0))?;
    if found > FORMAT {
        return Err(Error::Newer { found, known: FORMAT }.into());
    }
    let last = "SELECT version FROM events ORDER BY seq DESC LIMIT 1";
    match conn.query_row(last, [], |row| row.get(0)).optional()? {
        Some(found) if found > VERSION => Err(Error::Newer { found, known: VERSION }.into()),
        Some(_) | None => Ok(()),
    }
}

/// The present leader's epoch; 0 if nobody ever led.
pub(crate) fn epoch(conn: &Connection) -> Result<u64, Fault> {
    let epoch: i64 = conn.prepare_cached("SELECT epoch FROM meta")?.query_row([], |row| row.get(0))?;
    Ok(epoch.cast_unsigned())
}

/// Where the journal stands.
pub(crate) fn head(conn: &Connection) -> Result<Head, Fault> {
    let head = conn
        .prepare_cached("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(Head { seq: row.get::<_, i64>(0)?.cast_unsigned(), hash: Hash(row.get(1)?) }))
        .optional()?;
    Ok(head.unwrap_or(Head::START))
}

/// The hash of the entry of this number; before the first one stands the genesis.
pub(crate) fn hash_at(conn: &Connection, seq: u64) -> Result<Option<Hash>, Fault> {
    if seq == 0 {
        return Ok(Some(GENESIS));
    }
    let mut statement = conn.prepare_cached("SELECT hash FROM events WHERE seq = ?1")?;
    Ok(statement.query_row([seq.cast_signed()], |row| row.get(0).map(Hash)).optional()?)
}

/// Whether this journal notes its end; one that an older program made does not.
fn notes_head(conn: &Connection) -> Result<bool, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT count(*) FROM pragma_table_info('meta') WHERE name = 'head_hash'")?;
    Ok(statement.query_row([], |row| row.get::<_, i64>(0))? > 0)
}

/// Notes where the journal ends.
fn note_head(conn: &Connection, head: Head) -> Result<(), Fault> {
    if !notes_head(conn)? {
        conn.execute_batch(
            "ALTER TABLE meta ADD COLUMN head_seq INTEGER; ALTER TABLE meta ADD COLUMN head_hash BLOB;",
        )?;
    }
    let mut statement = conn.prepare_cached("UPDATE meta SET head_seq = ?1, head_hash = ?2")?;
    statement.execute(params![head.seq.cast_signed(), head.hash.0])?;
    Ok(())
}

/// Refuses a journal whose end was cut off. It may have more entries than were noted: an older program wrote them.
pub(crate) fn check_head(conn: &Connection) -> Result<(), Fault> {
    if !notes_head(conn)? {
        return Ok(());
    }
    let noted = conn.query_row("SELECT head_seq, head_hash FROM meta", [], |row| {
        Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<[u8; 32]>>(1)?))
    })?;
    let Some((seq, hash)) = noted else { return Ok(()) };
    let seq = seq.cast_unsigned();
    match hash_at(conn, seq)? {
        Some(found) if found == Hash(hash) => Ok(()),
        Some(_) => Err(Error::Damaged(format!("entry {seq} is not what was written last")).into()),
        None => {
            let last = head(conn)?.seq;
            Err(Error::Damaged(format!("it ends at entry {last}, but entry {seq} was written: its end was cut off"))
                .into())
        }
    }
}

/// Adds entries after `head`. The caller has begun a transaction and has asked whether they may follow.
pub(crate) fn insert(conn: &Connection, mut head: Head, entries: &[Entry]) -> Result<(), Fault> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO events (seq, at_wall, at_tick, epoch, version, name, incident, resource, hash, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for entry in entries {
        let body = chain::body_of(entry)?;
        head = head.then(&Record::of(entry, &body));
        statement.execute(params![
            entry.seq.cast_signed(),
            entry.at.wall.0,
            entry.at.tick.0.cast_signed(),
            entry.epoch.cast_signed(),
            entry.version,
            entry.event.name(),
            entry.event.incident().map(ToString::to_string),
            entry.event.resource().map(model::ResourceId::as_str),
            head.hash.0,
            str::from_utf8(&body).map_err(rusqlite::Error::from)?,
        ])?;
    }
    if entries.is_empty() { Ok(()) } else { note_head(conn, head) }
}

/// Puts a snapshot in the place of the one before it.
pub(crate) fn replace_snapshot(conn: &Connection, kept: &Snapshot) -> Result<(), Fault> {
    conn.execute("DELETE FROM snapshot", [])?;
    conn.execute(
        "INSERT INTO snapshot (seq, version, hash, seal, state) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![kept.seq.cast_signed(), kept.version, kept.hash.0, kept.seal.0, kept.state],
    )?;
    Ok(())
}

/// Hands all that is kept to `fold`; see [`crate::Journal::recover`].
pub(crate) fn recover(conn: &Connection, fold: &mut Fold<'_>) -> Result<u64, Fault> {
    let tx = conn.unchecked_transaction()?; // one view of the journal, whatever is appended meanwhile
    let mut head = match snapshot(&tx)? {
        Some(kept) => {
            let written = hash_at(&tx, kept.seq)?;
            kept.fold(written, fold).unwrap_or(Head::START)
        }
        None => Head::START,
    };
    let mut statement = tx.prepare(&format!("SELECT {RECORD} FROM events WHERE seq > ?1 ORDER BY seq"))?;
    let mut rows = statement.query([head.seq.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let (record, hash) = record_of(row)?;
        head = fold_entry(head, &record, &hash, fold)?;
    }
    check_head(&tx)?;
    Ok(head.seq)
}

/// Reads the columns of [`RECORD`].
pub(crate) fn record_of<'r>(row: &'r Row<'_>) -> rusqlite::Result<(Record<'r>, Hash)> {
    let record = Record {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        version: row.get(1)?,
        epoch: row.get::<_, i64>(2)?.cast_unsigned(),
        at: now_of(row.get(3)?, row.get::<_, i64>(4)?.cast_unsigned()),
        body: row.get_ref(6)?.as_bytes()?,
    };
    Ok((record, Hash(row.get(5)?)))
}

fn snapshot(conn: &Connection) -> Result<Option<Snapshot>, Fault> {
    let sql = "SELECT seq, version, state, hash, seal FROM snapshot ORDER BY seq DESC LIMIT 1";
    let kept = conn.query_row(sql, [], |row| {
        Ok(Snapshot {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            version: row.get(1)?,
            state: row.get(2)?,
            hash: Hash(row.get(3)?),
            seal: Hash(row.get(4)?),
        })
    });
    Ok(kept.optional()?)
}
