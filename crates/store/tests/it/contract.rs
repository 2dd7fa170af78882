//! What every journal promises, asked of each of them.

use model::event::{Event, VERSION};
use store::chain::{GENESIS, Head, Record, body_of, link};
use store::{Error, Journal, Memory, Sqlite};

use crate::{Recovered, every, recovered, story, write_story};

/// Runs a promise against each kind of journal, empty at first.
fn check(promise: impl Fn(&mut dyn Journal)) {
    promise(&mut Memory::new());
    let dir = tempfile::tempdir().unwrap();
    promise(&mut Sqlite::open(dir.path()).unwrap());
}

#[test]
fn an_empty_journal_recovers_nothing_and_its_first_leader_has_epoch_one() {
    check(|journal| {
        assert_eq!(recovered(journal).unwrap(), Recovered::default());
        assert_eq!(journal.lead().unwrap(), 1);
        assert_eq!(journal.lead().unwrap(), 2);
    });
}

#[test]
fn every_kind_of_event_comes_back_as_it_was_written() {
    check(|journal| {
        let epoch = journal.lead().unwrap();
        let batch: Vec<_> = every::events().into_iter().zip(1..).map(|(e, seq)| story::entry(epoch, seq, e)).collect();
        journal.append(epoch, 0, &batch).unwrap();
        let all = recovered(journal).unwrap();
        assert_eq!(all.entries, batch);
        assert_eq!(all.last, batch.len() as u64);
    });
}

#[test]
fn the_sample_has_every_kind_of_event_that_the_model_has() {
    let model = include_str!("../../../model/src/event.rs");
    let names = model.split("pub fn name(&self)").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let names: Vec<&str> = names.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(names.len() >= 40, "{names:?}");
    let sample: Vec<&str> = every::events().iter().map(Event::name).collect();
    for name in names {
        assert!(sample.contains(&name), "tests/it/every.rs has no `{name}`");
    }
}

#[test]
fn a_deposed_leader_writes_nothing() {
    check(|journal| {
        let old = write_story(journal, 3);
        let new = journal.lead().unwrap();
        let refused = journal.append(old, 3, &story::entries(old, 4..=5)).unwrap_err();
        assert!(matches!(refused, Error::Deposed { epoch } if epoch == new), "{refused}");
        // Not even with the new epoch on entries that were decided under the old one.
        let refused = journal.append(new, 3, &story::entries(old, 4..=5)).unwrap_err();
        assert!(matches!(refused, Error::Deposed { epoch } if epoch == new), "{refused}");
        assert_eq!(recovered(journal).unwrap().last, 3);
        journal.append(new, 3, &story::entries(new, 4..=5)).unwrap();
        assert_eq!(recovered(journal).unwrap().last, 5);
    });
}

#[test]
fn nobody_writes_who_never_took_the_lead() {
    check(|journal| {
        let refused = journal.append(1, 0, &story::entries(1, 1..=1)).unwrap_err();
        assert!(matches!(refused, Error::Deposed { epoch: 0 }), "{refused}");
    });
}

#[test]
fn a_writer_that_missed_entries_is_told_where_the_journal_stands() {
    check(|journal| {
        let epoch = write_story(journal, 4);
        for expected in [0, 3, 5] {
            let batch = story::entries(epoch, expected + 1..=expected + 2);
            let refused = journal.append(epoch, expected, &batch).unwrap_err();
            assert!(matches!(refused, Error::Moved { found: 4, expected: e } if e == expected), "{refused}");
        }
        assert_eq!(recovered(journal).unwrap().last, 4);
    });
}

#[test]
fn a_batch_with_a_gap_is_refused_whole() {
    check(|journal| {
        let epoch = write_story(journal, 2);
        for seqs in [vec![3, 5], vec![4, 5], vec![3, 3], vec![4, 3], vec![0, 1]] {
            let refused =
                journal.append(epoch, 2, &story::entries(epoch, seqs.iter().map(|s| (*s).max(1)))).unwrap_err();
            assert!(matches!(refused, Error::Moved { .. }), "{seqs:?}: {refused}");
            assert_eq!(recovered(journal).unwrap().last, 2, "{seqs:?}");
        }
    });
}

#[test]
fn an_empty_batch_is_fenced_all_the_same() {
    check(|journal| {
        let old = write_story(journal, 2);
        journal.append(old, 2, &[]).unwrap();
        assert!(matches!(journal.append(old, 1, &[]), Err(Error::Moved { .. })));
        journal.lead().unwrap();
        assert!(matches!(journal.append(old, 2, &[]), Err(Error::Deposed { .. })));
    });
}

#[test]
fn recovery_is_the_newest_snapshot_and_the_tail() {
    check(|journal| {
        write_story(journal, 30);
        journal.keep_snapshot(10, b"state at 10").unwrap();
        journal.keep_snapshot(25, b"state at 25").unwrap();
        let all = recovered(journal).unwrap();
        assert_eq!(all.snapshot, Some((25, b"state at 25".to_vec())));
        assert_eq!(all.entries, story::entries(1, 26..=30));
        assert_eq!(all.last, 30);

        journal.keep_snapshot(30, b"state at 30").unwrap();
        let all = recovered(journal).unwrap();
        assert_eq!((all.snapshot, all.entries, all.last), (Some((30, b"state at 30".to_vec())), vec![], 30));
    });
}

#[test]
fn a_snapshot_of_what_was_never_written_is_not_kept() {
    check(|journal| {
        write_story(journal, 3);
        let refused = journal.keep_snapshot(4, b"from the future").unwrap_err();
        assert!(matches!(refused, Error::Moved { expected: 4, found: 3 }), "{refused}");
        assert_eq!(recovered(journal).unwrap().snapshot, None);
    });
}

#[test]
fn a_fold_that_refuses_the_snapshot_is_given_all_entries() {
    check(|journal| {
        write_story(journal, 12);
        journal.keep_snapshot(10, b"of another program").unwrap();
        let mut all = Recovered::default();
        let last = journal.recover(&mut |piece| match piece {
            store::Piece::Snapshot { .. } => Err("not mine".to_owned()),
            entry @ store::Piece::Entry(_) => all.piece(entry),
        });
        assert_eq!(last.unwrap(), 12);
        assert_eq!(all.entries, story::entries(1, 1..=12));
    });
}

#[test]
fn an_entry_that_cannot_be_folded_is_damage_and_is_named() {
    check(|journal| {
        write_story(journal, 12);
        let refused = journal.recover(&mut |piece| match piece {
            store::Piece::Entry(entry) if entry.seq == 7 => Err("illegal transition".to_owned()),
            store::Piece::Entry(_) | store::Piece::Snapshot { .. } => Ok(()),
        });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("entry 7 cannot follow what is before it: illegal transition"), "{refused}");
    });
}

#[test]
fn both_journals_make_the_same_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = Memory::new();
    write_story(&mut memory, 25);
    write_story(&mut Sqlite::open(dir.path()).unwrap(), 25);
    let on_disk = store::Reader::open(dir.path()).unwrap().verify().unwrap();
    assert_eq!(on_disk, memory.head());

    let by_hand = story::entries(1, 1..=25).iter().fold(GENESIS, |before, entry| {
        let body = body_of(entry).unwrap();
        link(&before, &Record::of(entry, &body))
    });
    assert_eq!(on_disk, Head { seq: 25, hash: by_hand });
}

#[test]
fn clones_of_a_journal_in_memory_are_handles_to_one_journal() {
    let mut one = Memory::new();
    let mut other = one.clone();
    let old = write_story(&mut one, 5);
    assert_eq!(other.entries_after(3).unwrap(), story::entries(1, 4..=5));
    assert_eq!(other.entries_after(5).unwrap(), vec![]);
    assert_eq!(other.entries_after(9).unwrap(), vec![]);
    let new = other.lead().unwrap();
    assert_eq!((old, new, one.epoch()), (1, 2, 2));
    assert!(matches!(one.append(old, 5, &story::entries(old, 6..=6)), Err(Error::Deposed { epoch: 2 })));
}

#[test]
fn a_forgotten_snapshot_leaves_the_whole_journal_to_be_folded() {
    let mut memory = Memory::new();
    write_story(&mut memory, 5);
    memory.keep_snapshot(5, b"state").unwrap();
    memory.drop_snapshot();
    assert_eq!(recovered(&mut memory).unwrap().entries.len(), 5);
}

#[test]
fn entries_of_a_newer_version_are_refused_by_every_journal() {
    check(|journal| {
        let epoch = write_story(journal, 2);
        let mut newer = story::entries(epoch, 3..=3);
        newer[0].version = VERSION + 1;
        journal.append(epoch, 2, &newer).unwrap();
        let refused = recovered(journal).unwrap_err();
        assert!(
            matches!(refused, Error::Newer { found, known } if (found, known) == (VERSION + 1, VERSION)),
            "{refused}"
        );
    });
}
