//! Files that are not what was written. Whatever is wrong with one, it is refused with what and where, and stays as it is.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use store::reader::Query;
use store::{Error, Journal, Reader, Sqlite};

use crate::{Recovered, recovered, story, write_story};

/// A closed journal of 30 entries with a snapshot of the first 20, harmed by `harm`.
fn harmed(harm: impl FnOnce(&Path)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    write_story(&mut journal, 30);
    journal.keep_snapshot(20, b"state at 20").unwrap();
    drop(journal);
    harm(&dir.path().join("journal.sqlite"));
    dir
}

fn sql(statement: &'static str) -> impl FnOnce(&Path) {
    move |journal| Connection::open(journal).unwrap().execute_batch(statement).unwrap()
}

/// Changes one bit of a text wherever it stands in the file: remnants of it lie in pages that are no longer in use.
fn flip(journal: &Path, text: &str) {
    let mut bytes = fs::read(journal).unwrap();
    let places: Vec<usize> =
        bytes.windows(text.len()).enumerate().filter(|(_, w)| *w == text.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at + text.len() / 2] ^= 1);
    fs::write(journal, bytes).unwrap();
}

/// Opens, recovers and leads, as a process does that starts.
fn start(dir: &Path) -> Result<Recovered, Error> {
    let mut journal = Sqlite::open(dir)?;
    let all = recovered(&mut journal)?;
    journal.lead()?;
    Ok(all)
}

#[test]
fn a_damaged_file_is_refused_by_writer_and_reader_and_left_as_it_is() {
    type Harm = Box<dyn FnOnce(&Path)>;
    let table: Vec<(&str, Harm, &str)> = vec![
        (
            "a bit of a body after the snapshot",
            Box::new(|j| flip(j, "\"id\":\"web-1/3\"")),
            "entry 26 is not what was written",
        ),
        (
            "an entry that was changed",
            Box::new(sql("UPDATE events SET at_wall = at_wall + 1 WHERE seq = 22")),
            "entry 22",
        ),
        (
            "an entry that was taken out",
            Box::new(sql("DELETE FROM events WHERE seq = 25")),
            "entry 24 is followed by entry 26",
        ),
        ("a body that is no JSON", Box::new(sql("UPDATE events SET body = 'x' WHERE seq = 23")), "entry 23"),
        (
            "a hash of the wrong length",
            Box::new(sql("UPDATE events SET hash = x'00' WHERE seq = 23")),
            "journal.sqlite",
        ),
        ("a table that is gone", Box::new(sql("DROP TABLE events")), "no such table: events"),
        ("the meta row is gone", Box::new(sql("DELETE FROM meta")), "journal.sqlite"),
        ("cut in half", Box::new(|j| cut(j, 2)), "malformed"),
        ("cut to nothing", Box::new(|j| fs::write(j, "").unwrap()), "has 0 bytes"),
        ("cut within its header", Box::new(|j| fs::write(j, &fs::read(j).unwrap()[..60]).unwrap()), "has 60 bytes"),
        (
            "a text",
            Box::new(|j| fs::write(j, "healer's journal, by hand\n".repeat(900)).unwrap()),
            "not a SQLite database",
        ),
        ("another program's database", Box::new(other_database), "no journal of healer"),
    ];
    for (name, harm, expect) in table {
        let dir = harmed(harm);
        let file = dir.path().join("journal.sqlite");
        let before = fs::read(&file).unwrap();
        for _ in 0..2 {
            let Err(Error::Damaged(why)) = start(dir.path()) else { panic!("{name}: not refused as damaged") };
            assert!(why.contains(expect) && why.contains("journal.sqlite"), "{name}: {why}");
        }
        assert!(fs::read(&file).unwrap() == before, "{name}: the file was changed");

        let read = Reader::open(dir.path()).and_then(|reader| reader.verify());
        assert!(matches!(read, Err(Error::Damaged(_))), "{name}: the reader says {read:?}");
        assert!(fs::read(&file).unwrap() == before, "{name}: the reader changed the file");
    }
}

fn cut(journal: &Path, parts: usize) {
    let bytes = fs::read(journal).unwrap();
    fs::write(journal, &bytes[..bytes.len() / parts]).unwrap();
}

fn other_database(journal: &Path) {
    fs::remove_file(journal).unwrap();
    Connection::open(journal).unwrap().execute_batch("CREATE TABLE events (seq INTEGER PRIMARY KEY)").unwrap();
}

#[test]
fn damage_before_the_snapshot_does_not_stop_a_start_and_is_found_by_verify() {
    let dir = harmed(|journal| flip(journal, "\"id\":\"web-1/1\""));
    assert_eq!(start(dir.path()).unwrap().snapshot, Some((20, b"state at 20".to_vec())));
    assert!(matches!(Reader::open(dir.path()).unwrap().verify(), Err(Error::Damaged(_))));
}

#[test]
fn columns_that_do_not_repeat_the_body_are_found_by_verify() {
    for statement in [
        "UPDATE events SET resource = 'docker:web-1/shop/db' WHERE seq = 2",
        "UPDATE events SET incident = NULL WHERE seq = 2",
        "UPDATE events SET name = 'held' WHERE seq = 2",
    ] {
        let dir = harmed(sql(statement));
        let Err(Error::Damaged(why)) = Reader::open(dir.path()).unwrap().verify() else { panic!("{statement}") };
        assert!(why.contains("entry 2 is not filed"), "{statement}: {why}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_never_left_out_but_named() {
    let dir = harmed(sql("UPDATE events SET body = '\"nobody_knows_this\"' WHERE seq = 4"));
    let reader = Reader::open(dir.path()).unwrap();
    for newest_first in [false, true] {
        let page = reader.entries(&Query { newest_first, ..Query::default() });
        let Err(Error::Damaged(why)) = page else { panic!("{page:?}") };
        assert!(why.contains("entry 4 cannot be read"), "{why}");
    }
    // What does not need it is still told.
    let rest = reader.entries(&Query { after_seq: Some(4), ..Query::default() }).unwrap();
    assert_eq!(rest.entries, story::entries(1, 5..=30));
}

#[test]
fn a_snapshot_that_does_not_fit_is_ignored_and_everything_is_folded() {
    for (name, statement) in [
        ("newer than the journal's end", "UPDATE snapshot SET seq = 31"),
        ("far newer than the journal's end", "UPDATE snapshot SET seq = 9223372036854775807"),
        ("of another entry", "UPDATE snapshot SET seq = 19"),
        ("of another chain", "UPDATE snapshot SET hash = zeroblob(32)"),
        ("changed", "UPDATE snapshot SET state = CAST('state at 21' AS BLOB)"),
        ("of a newer program", "UPDATE snapshot SET version = 2"),
    ] {
        let dir = harmed(sql(statement));
        let all = start(dir.path()).unwrap();
        assert_eq!((all.snapshot, all.last), (None, 30), "{name}");
        assert_eq!(all.entries, story::entries(1, 1..=30), "{name}");
    }
}

#[test]
fn a_journal_whose_last_entries_were_taken_out_or_replaced_is_refused_by_writer_and_reader() {
    for (statement, expect) in [
        ("DELETE FROM events WHERE seq = 30", "entry 30 was written: its end was cut off"),
        ("DELETE FROM events", "it ends at entry 0"),
    ] {
        let dir = harmed(sql(statement));
        for refused in [start(dir.path()).map(drop), Reader::open(dir.path()).unwrap().verify().map(drop)] {
            let Err(Error::Damaged(why)) = refused else { panic!("{statement}: {refused:?}") };
            assert!(why.contains(expect), "{statement}: {why}");
        }
    }
}

#[test]
fn an_older_journal_notes_its_end_from_its_next_append_on() {
    let older = "ALTER TABLE meta DROP COLUMN head_seq; ALTER TABLE meta DROP COLUMN head_hash;";
    let dir = harmed(sql(older));
    let mut journal = Sqlite::open(dir.path()).unwrap();
    assert_eq!(recovered(&mut journal).unwrap().last, 30);
    let epoch = journal.lead().unwrap();
    journal.append(epoch, 30, &story::entries(epoch, [31])).unwrap();
    drop(journal);
    assert_eq!(start(dir.path()).unwrap().last, 31);
    sql("DELETE FROM events WHERE seq = 31")(&dir.path().join("journal.sqlite"));
    assert!(matches!(start(dir.path()), Err(Error::Damaged(_))));
}

#[test]
fn what_an_older_program_appended_behind_the_noted_end_is_taken() {
    let dir = harmed(sql("UPDATE meta SET head_seq = 29, head_hash = (SELECT hash FROM events WHERE seq = 29)"));
    assert_eq!(start(dir.path()).unwrap().last, 30);
}

#[test]
fn an_older_journal_whose_end_was_cut_off_is_folded_without_the_snapshot_that_knew_more() {
    let dir = harmed(sql(
        "ALTER TABLE meta DROP COLUMN head_seq; ALTER TABLE meta DROP COLUMN head_hash; DELETE FROM events WHERE seq > 15",
    ));
    let all = start(dir.path()).unwrap();
    assert_eq!((all.snapshot, all.last), (None, 15));
}

#[test]
fn what_a_newer_program_wrote_is_refused_and_left_as_it_is() {
    for (name, statement, expect) in [
        ("newer tables", "UPDATE meta SET format = 7", 7),
        ("a newer last entry", "UPDATE events SET version = 3 WHERE seq = 30", 3),
    ] {
        let dir = harmed(sql(statement));
        let file = dir.path().join("journal.sqlite");
        let before = fs::read(&file).unwrap();
        for refused in [start(dir.path()).map(drop), Reader::open(dir.path()).map(drop)] {
            assert!(matches!(refused, Err(Error::Newer { found, known: 1 }) if found == expect), "{name}: {refused:?}");
        }
        assert!(fs::read(&file).unwrap() == before, "{name}");
    }
}

/// Harms by a statement that stays in the write-ahead log, as after a crash.
fn sql_in_the_log(statement: &'static str) -> impl FnOnce(&Path) {
    move |journal| {
        let conn = Connection::open(journal).unwrap();
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        conn.execute_batch(statement).unwrap();
    }
}

#[test]
fn not_even_the_log_of_a_refused_journal_is_carried_over() {
    for (statement, expect) in [
        ("UPDATE meta SET format = 7", "newer"),
        ("UPDATE events SET version = 3 WHERE seq = 30", "newer"),
        ("UPDATE events SET body = 'x' WHERE seq = 30", "damaged"),
        ("DELETE FROM events WHERE seq = 25", "damaged"),
    ] {
        let dir = harmed(sql_in_the_log(statement));
        let both = || ["journal.sqlite", "journal.sqlite-wal"].map(|file| fs::read(dir.path().join(file)).unwrap());
        let before = both();
        assert!(!before[1].is_empty(), "{statement}: the log is empty");
        assert_eq!(start(dir.path()).unwrap_err().reason(), expect, "{statement}");
        assert!(both() == before, "{statement}");
    }
}

#[test]
fn a_log_without_its_journal_is_not_taken_for_a_new_beginning() {
    let dir = harmed(|journal| {
        fs::remove_file(journal).unwrap();
        fs::write(journal.with_extension("sqlite-wal"), "frames").unwrap();
    });
    let Err(Error::Damaged(why)) = Sqlite::open(dir.path()) else { panic!("taken") };
    assert!(why.contains("is gone, but its write-ahead log is there"), "{why}");
    assert!(!dir.path().join("journal.sqlite").exists());
}

#[test]
fn what_is_left_of_a_beginning_that_was_cut_short_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal.sqlite.new"), "half of it").unwrap();
    Sqlite::open(dir.path()).unwrap();
    assert!(!dir.path().join("journal.sqlite.new").exists());
}
