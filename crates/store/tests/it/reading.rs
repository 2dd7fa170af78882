//! Pages, beside the writer and without one.

use std::collections::BTreeSet;
use std::path::Path;

use model::ResourceId;
use model::event::Event;
use model::incident::IncidentId;
use store::reader::{PAGE_MAX, Query};
use store::{Error, Journal, Reader, Sqlite};

use crate::every::HOSTILE;
use crate::story::{self, ENTRIES_AN_INCIDENT};
use crate::{recovered, write_story};

fn seqs(reader: &Reader, query: &Query) -> Vec<u64> {
    let mut all = Vec::new();
    let mut query = query.clone();
    loop {
        let page = reader.entries(&query).unwrap();
        assert!(page.entries.len() <= query.limit.clamp(1, PAGE_MAX));
        all.extend(page.entries.iter().map(|entry| entry.seq));
        match page.next {
            Some(next) => query.after_seq = Some(next),
            None => return all,
        }
    }
}

fn files(dir: &Path) -> BTreeSet<std::ffi::OsString> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn pages_join_into_the_whole_in_both_orders_for_every_size() {
    let dir = tempfile::tempdir().unwrap();
    write_story(&mut Sqlite::open(dir.path()).unwrap(), 50);
    let reader = Reader::open(dir.path()).unwrap();
    for limit in [0, 1, 7, 50, 51, usize::MAX] {
        let query = Query { limit, ..Query::default() };
        assert_eq!(seqs(&reader, &query), (1..=50).collect::<Vec<_>>(), "{limit}");
        let query = Query { newest_first: true, ..query };
        assert_eq!(seqs(&reader, &query), (1..=50).rev().collect::<Vec<_>>(), "{limit}");
    }
    assert_eq!(reader.count().unwrap(), 50);
}

#[test]
fn each_filter_gives_exactly_what_it_names() {
    let dir = tempfile::tempdir().unwrap();
    write_story(&mut Sqlite::open(dir.path()).unwrap(), 100 * ENTRIES_AN_INCIDENT);
    let reader = Reader::open(dir.path()).unwrap();
    let all = story::entries(1, 1..=100 * ENTRIES_AN_INCIDENT);
    let (third, resource) = (story::incident(3), story::resource(3));
    let (since, until) = (all[199].at.wall, all[399].at.wall);
    let on_it: BTreeSet<&IncidentId> = all
        .iter()
        .filter(|e| matches!(&e.event, Event::IncidentOpened { resource: r, .. } if *r == resource))
        .filter_map(|e| e.event.incident())
        .collect();
    assert_eq!(on_it.len(), 3, "incidents 3, 43 and 83");
    let names = vec!["incident_opened", "incident_resolved"];

    type Holds<'a> = Box<dyn Fn(&model::event::Entry) -> bool + 'a>;
    let table: Vec<(&str, Query, Holds<'_>)> = vec![
        ("since", Query { since: Some(since), ..Query::default() }, Box::new(|e| e.seq >= 200)),
        ("until", Query { until: Some(until), ..Query::default() }, Box::new(|e| e.seq < 400)),
        (
            "incident",
            Query { incident: Some(third.clone()), ..Query::default() },
            Box::new(|e| e.event.incident() == Some(&third)),
        ),
        (
            "resource, with the incidents on it",
            Query { resource: Some(resource.clone()), ..Query::default() },
            Box::new(|e| {
                e.event.resource() == Some(&resource) || e.event.incident().is_some_and(|id| on_it.contains(id))
            }),
        ),
        (
            "names",
            Query { names: names.clone(), ..Query::default() },
            Box::new(|e| ["incident_opened", "incident_resolved"].contains(&e.event.name())),
        ),
        (
            "all together",
            Query {
                since: Some(since),
                until: Some(all[599].at.wall),
                incident: Some(story::incident(43)),
                resource: Some(resource.clone()),
                names,
                newest_first: true,
                ..Query::default()
            },
            Box::new(|e| {
                (200..600).contains(&e.seq)
                    && e.event.incident() == Some(&story::incident(43))
                    && ["incident_opened", "incident_resolved"].contains(&e.event.name())
            }),
        ),
    ];
    for (name, query, holds) in table {
        let mut expect: Vec<u64> = all.iter().filter(|e| holds(e)).map(|e| e.seq).collect();
        if query.newest_first {
            expect.reverse();
        }
        assert!(!expect.is_empty(), "{name}");
        for limit in [5, 1000] {
            assert_eq!(seqs(&reader, &Query { limit, ..query.clone() }), expect, "{name}, {limit} a page");
        }
    }
}

#[test]
fn hostile_names_are_found_and_harm_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let epoch = write_story(&mut journal, 20);
    let id = IncidentId { instance: HOSTILE.into(), number: 1 };
    let resource = ResourceId::docker(HOSTILE, HOSTILE, HOSTILE, 1);
    let because = format!("{HOSTILE}{}", "\u{0}x".repeat(500_000));
    let opened = Event::IncidentOpened {
        id: id.clone(),
        resource: resource.clone(),
        alert: model::alert::Name::ServiceDown,
        source_at: None,
        because,
    };
    let batch = [story::entry(epoch, 21, opened), story::entry(epoch, 22, Event::OwnerStopNoted { id: id.clone() })];
    journal.append(epoch, 20, &batch).unwrap();

    let reader = Reader::open(dir.path()).unwrap();
    let of_it = reader.entries(&Query { incident: Some(id), ..Query::default() }).unwrap();
    assert_eq!(of_it.entries, batch);
    let of_it = reader.entries(&Query { resource: Some(resource), ..Query::default() }).unwrap();
    assert_eq!(of_it.entries, batch);
    let nothing = Query { names: vec!["'); DELETE FROM events; --", "\"]"], ..Query::default() };
    assert_eq!(reader.entries(&nothing).unwrap().entries, vec![]);
    assert_eq!(reader.verify().unwrap().seq, 22);
}

#[test]
fn a_reader_sees_each_batch_as_soon_as_it_is_answered_and_outlives_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let epoch = journal.lead().unwrap();
    for seq in 1..=5 {
        journal.append(epoch, seq - 1, &story::entries(epoch, [seq])).unwrap();
        assert_eq!((reader.count().unwrap(), reader.verify().unwrap().seq), (seq, seq));
    }
    drop(journal);
    assert_eq!(reader.count().unwrap(), 5);
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let epoch = journal.lead().unwrap();
    journal.append(epoch, 5, &story::entries(epoch, 6..=9)).unwrap();
    assert_eq!(reader.verify().unwrap().seq, 9);
}

#[test]
fn a_reader_makes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(dir.path()), Err(Error::Unusable(why)) if why.contains("has not run")));
    assert!(matches!(Reader::open(&dir.path().join("nowhere")), Err(Error::Unusable(_))));
    assert_eq!(files(dir.path()), BTreeSet::new());

    let mut journal = Sqlite::open(dir.path()).unwrap();
    write_story(&mut journal, 15);
    let (state, look) = (files(dir.path()), || Reader::open(dir.path()).unwrap().verify().unwrap().seq);
    assert_eq!((look(), files(dir.path())), (15, state.clone()), "beside the writer");
    drop(journal);
    assert_eq!((look(), files(dir.path())), (15, state), "after it ended");

    // A copy of the one file that a closed journal is.
    let copy = tempfile::tempdir().unwrap();
    let odd = copy.path().join("a ?#% dir");
    std::fs::create_dir(&odd).unwrap();
    std::fs::copy(dir.path().join("journal.sqlite"), odd.join("journal.sqlite")).unwrap();
    let before = files(&odd);
    assert_eq!(Reader::open(&odd).unwrap().verify().unwrap().seq, 15);
    assert_eq!(files(&odd), before, "a copy");

    std::fs::write(odd.join("journal.sqlite-shm"), "").unwrap();
    let before = files(&odd);
    assert_eq!(Reader::open(&odd).unwrap().verify().unwrap().seq, 15);
    assert_eq!(files(&odd), before, "a copy with an index alone");

    std::fs::remove_file(odd.join("journal.sqlite-shm")).unwrap();
    std::fs::write(odd.join("journal.sqlite-wal"), "frames").unwrap();
    let before = files(&odd);
    assert!(matches!(Reader::open(&odd), Err(Error::Unusable(why)) if why.contains("copy a journal with both")));
    assert_eq!(files(&odd), before, "a copy of the file and its log alone");
}

#[test]
fn a_reader_recovers_what_the_journal_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    write_story(&mut journal, 30);
    journal.keep_snapshot(20, b"state at 20").unwrap();
    let by_journal = recovered(&mut journal).unwrap();
    let mut by_reader = crate::Recovered::default();
    let reader = Reader::open(dir.path()).unwrap();
    by_reader.last = reader.recover(&mut |piece| by_reader.piece(piece)).unwrap();
    assert_eq!(by_reader, by_journal);
}

#[test]
fn the_instance_is_the_one_that_started_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.instance().unwrap(), None);
    let epoch = journal.lead().unwrap();
    for (seq, name) in [(1, "web-1"), (2, HOSTILE)] {
        let started = Event::Started { version: "0.1.0".to_owned(), instance: name.to_owned() };
        journal.append(epoch, seq - 1, &[story::entry(epoch, seq, started)]).unwrap();
        assert_eq!(reader.instance().unwrap().as_deref(), Some(name));
    }
}

#[test]
fn a_copy_that_is_made_while_it_is_written_is_whole_and_goes_on_as_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Sqlite::open(dir.path()).unwrap();
    let epoch = journal.lead().unwrap();
    journal.append(epoch, 0, &story::entries(epoch, 1..=9)).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join(store::JOURNAL_FILE);
    let head = reader.copy_to(&copy).unwrap();
    assert_eq!((head, head.seq), (reader.verify().unwrap(), 9));
    // Nobody else may read it, and what is there is not written over.
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(reader.copy_to(&copy).unwrap_err().to_string().contains("name a new file"));
    journal.append(epoch, 9, &story::entries(epoch, [10])).unwrap();

    let mut restored = Sqlite::open(elsewhere.path()).unwrap();
    assert_eq!(recovered(&mut restored).unwrap().last, 9);
    let epoch = restored.lead().unwrap();
    restored.append(epoch, 9, &story::entries(epoch, [10])).unwrap();
}
