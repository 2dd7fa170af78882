//! The process dies between any two instructions, and the machine between any two blocks.

use std::fs;
use std::path::Path;

use store::{Error, Journal, Reader, Sqlite};

use crate::{child, recovered, story, write_story};

const KILLED: &str = "crash::a_killed_writer_leaves_a_whole_chain_with_all_that_it_acknowledged";
const TORN: &str = "crash::a_torn_log_costs_whole_batches_from_its_end_and_nothing_else";
const HOLDING: &str = "crash::a_second_process_is_refused_and_told_who_holds_the_directory";

/// Every batch has this many, so that half a batch would show.
const BATCH: u64 = 7;

/// So few batches that none of them leaves the write-ahead log.
const SOME: u64 = 12;

/// Appends batches, saying after each where the journal stands; then holds still until it is killed.
fn append(dir: &Path, batches: u64) {
    let mut journal = Sqlite::open(dir).unwrap();
    let epoch = journal.lead().unwrap();
    let mut last = recovered(&mut journal).unwrap().last;
    for _ in 0..batches {
        journal.append(epoch, last, &story::entries(epoch, last + 1..=last + BATCH)).unwrap();
        last += BATCH;
        child::say(last);
    }
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_killed_writer_leaves_a_whole_chain_with_all_that_it_acknowledged() {
    if let Some(dir) = child::task("append") {
        return append(&dir, u64::MAX);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut before = 0;
    for round in 1..=8 {
        let mut writer = child::start(child::myself(), KILLED, "append", dir.path());
        let batches = 3 * round; // some within the first log, some after it was carried over
        for _ in 0..batches {
            writer.hear().expect("the writer goes on until it is killed");
        }
        let acknowledged: u64 = writer.kill().last().map_or(before + batches * BATCH, |said| said.parse().unwrap());

        let head = Reader::open(dir.path()).unwrap().verify().unwrap();
        assert!(head.seq >= acknowledged, "{} of {acknowledged} acknowledged entries", head.seq);
        assert_eq!(head.seq % BATCH, 0, "a batch is there in part");
        let all = recovered(&mut Sqlite::open(dir.path()).unwrap()).unwrap();
        assert_eq!(all.last, head.seq);
        assert!(all.entries.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
        before = head.seq;
    }
    assert_eq!(Sqlite::open(dir.path()).unwrap().lead().unwrap(), 9, "each of them led once");
}

#[test]
fn a_torn_log_costs_whole_batches_from_its_end_and_nothing_else() {
    if let Some(dir) = child::task("append some") {
        return append(&dir, SOME);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut writer = child::start(child::myself(), TORN, "append some", dir.path());
    for _ in 0..SOME {
        writer.hear().unwrap();
    }
    writer.kill();
    let (file, log) = (dir.path().join("journal.sqlite"), dir.path().join("journal.sqlite-wal"));
    let whole = fs::read(&log).unwrap();

    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..whole.len()).step_by(3_001) {
        let torn = tempfile::tempdir().unwrap();
        fs::copy(&file, torn.path().join("journal.sqlite")).unwrap();
        let mut part = whole[..cut].to_vec();
        // A block that was being written holds anything.
        part.extend_from_slice(&[0xa5; 512]);
        fs::write(torn.path().join("journal.sqlite-wal"), part).unwrap();

        let last = recovered(&mut Sqlite::open(torn.path()).unwrap()).unwrap().last;
        assert_eq!(last % BATCH, 0, "cut at {cut}");
        seen.insert(last);
    }
    assert!(seen.len() > 5, "too few places were hit: {seen:?}");
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_the_directory() {
    if let Some(dir) = child::task("hold") {
        let _journal = Sqlite::open(&dir).unwrap();
        child::say("held");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut holder = child::start(child::myself(), HOLDING, "hold", dir.path());
    assert_eq!(holder.hear().as_deref(), Some("held"));
    let Err(Error::Unusable(why)) = Sqlite::open(dir.path()) else { panic!("two writers") };
    let expect = format!("another healer runs on this state directory (pid {}):", holder.pid());
    assert!(why.starts_with(&expect), "{why}");
    assert_eq!(Reader::open(dir.path()).unwrap().count().unwrap(), 0, "a reader is not refused");

    holder.kill();
    Sqlite::open(dir.path()).expect("the lock of a killed process is free");
}

#[test]
fn the_same_process_cannot_open_it_twice_either() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sqlite::open(dir.path()).unwrap();
    assert!(matches!(Sqlite::open(dir.path()), Err(Error::Unusable(_))));
    drop(first);
    Sqlite::open(dir.path()).unwrap();
}

#[test]
fn a_database_that_somebody_else_writes_to_is_unclear_and_later_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let epoch = write_story(&mut journal, 3);
    let other = rusqlite::Connection::open(dir.path().join("journal.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = journal.append(epoch, 3, &story::entries(epoch, [4])).unwrap_err();
    assert!(matches!(&refused, Error::Unclear(why) if why.contains("locked")), "{refused}");
    assert!(refused.retryable());
    other.execute_batch("ROLLBACK").unwrap();
    journal.append(epoch, 3, &story::entries(epoch, [4])).unwrap();
    assert_eq!(recovered(&mut journal).unwrap().last, 4);
}

#[test]
fn a_leader_deposed_by_another_process_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let epoch = write_story(&mut journal, 3);
    let other = rusqlite::Connection::open(dir.path().join("journal.sqlite")).unwrap();
    other.execute("UPDATE meta SET epoch = epoch + 1", []).unwrap();
    let refused = journal.append(epoch, 3, &story::entries(epoch, [4])).unwrap_err();
    assert!(matches!(refused, Error::Deposed { epoch: 2 }), "{refused}");
}

#[test]
fn nothing_is_written_into_a_journal_that_was_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let epoch = write_story(&mut journal, 3);
    let (file, away) = (dir.path().join("journal.sqlite"), dir.path().join("away"));
    fs::rename(&file, &away).unwrap();
    let refused = journal.append(epoch, 3, &story::entries(epoch, [4])).unwrap_err();
    assert!(matches!(&refused, Error::Unusable(why) if why.contains("moved or deleted")), "{refused}");
    fs::rename(&away, &file).unwrap();
    journal.append(epoch, 3, &story::entries(epoch, [4])).unwrap();
}
