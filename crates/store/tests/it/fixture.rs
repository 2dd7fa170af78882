//! Journals of former versions must load. `cargo run -p store --example make-fixture` makes one of the present version;
//! one that was released is never made again.

use std::fs;
use std::path::Path;

use store::{Journal, Reader, Sqlite};

use crate::{every, recovered, story};

fn copy_of(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::copy(fixture, dir.path().join("journal.sqlite")).unwrap();
    dir
}

#[test]
fn a_journal_of_version_1_loads_with_its_chain_and_goes_on() {
    let dir = copy_of("journal-v1.sqlite");
    let reader = Reader::open(dir.path()).unwrap();
    let head = reader.verify().unwrap();
    assert_eq!(head.hash.to_string(), include_str!("../fixtures/journal-v1.hash").trim());
    assert_eq!(reader.instance().unwrap().as_deref(), Some("web-1"));

    let mut journal = Sqlite::open(dir.path()).unwrap();
    let all = recovered(&mut journal).unwrap();
    assert_eq!(all.last, head.seq);
    let (seq, _) = all.snapshot.expect("its snapshot is used");
    assert_eq!(all.entries.len() as u64, head.seq - seq);

    let epoch = journal.lead().unwrap();
    assert_eq!(epoch, 2);
    journal.append(epoch, head.seq, &story::entries(epoch, [head.seq + 1])).unwrap();
    assert_eq!(reader.verify().unwrap().seq, head.seq + 1);
}

#[test]
fn a_journal_of_version_1_holds_what_was_written_into_it() {
    let dir = copy_of("journal-v1.sqlite");
    let mut kept = Vec::new();
    let reader = Reader::open(dir.path()).unwrap();
    let page = reader.entries(&store::reader::Query { limit: 1000, ..Default::default() }).unwrap();
    kept.extend(page.entries.into_iter().map(|entry| entry.event));
    let written = every::events();
    // A kind of event that came later is not in it; what is in it reads as it was meant.
    assert!(kept.len() >= 40);
    for event in kept {
        assert!(written.contains(&event), "{event:?}");
    }
}
