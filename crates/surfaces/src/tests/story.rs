//! One journal has one story, whoever tells it: healer's API page by page in either order, or a reader of the journal when
//! no healer runs.

use engine::view;
use model::event::{Entry, Event};
use model::incident::{Case, Confidence, Diagnosis, Evidence, EvidenceId, Mend};
use model::view::Line;
use serde::Deserialize;
use store::Reader;
use store::reader::Query;

use super::fixed::{append, id, opened, resolved, resource};
use super::*;
use crate::client::Client;

#[derive(Debug, Deserialize)]
struct History {
    items: Vec<Line>,
    entries: Vec<Entry>,
    next: Option<String>,
}

fn diagnosed(number: u64, because: &str) -> Event {
    let diagnosis = Diagnosis {
        cause: "own_error".to_owned(),
        title: "it crashed by an error of its own".to_owned(),
        issue_type: "service_down".to_owned(),
        confidence: Confidence::Sure,
        evidence: vec![EvidenceId(1)],
        because: because.to_owned(),
        mend: Mend::Start,
    };
    let case = Case {
        alerts: Vec::new(),
        incarnation: model::fact::Incarnation("0123456789ab".into()),
        look: None,
        happenings: Vec::new(),
        log: None,
        is_job: false,
        runner: model::incident::Runner::Engine,
        ended_by_us: false,
        ended_with: None,
        network: None,
        deploy: None,
        sibling: None,
        port_kept_by: None,
    };
    Event::Diagnosed { id: id(number), diagnosis, case: Box::new(case) }
}

fn found(number: u64, text: &str) -> Event {
    let evidence = Evidence { id: EvidenceId(1), source: "log".to_owned(), text: text.to_owned() };
    Event::EvidenceAdded { id: id(number), evidence }
}

/// Two incidents of two services, interleaved. Of an incident's events only the first names its resource; a cause that
/// is named again is told once, with what was known first.
fn journal() -> Vec<Event> {
    vec![
        opened(1, "web"),
        found(1, "connection refused"),
        opened(2, "mail"),
        diagnosed(1, "it exited with code 1"),
        diagnosed(1, "its log ends with an error"),
        found(2, "out of memory"),
        diagnosed(2, "the kernel killed it"),
        resolved(1),
        resolved(2),
    ]
}

/// As the offline commands read it: the newest entries, told from the oldest on.
fn offline(dir: &std::path::Path, limit: usize) -> (Vec<Line>, Vec<u64>) {
    let query = Query { newest_first: true, limit, ..Query::default() };
    let reader = Reader::open(dir).unwrap();
    let mut entries = reader.entries(&query).unwrap().entries;
    entries.reverse();
    let resources = crate::story::resources(&reader, &entries).unwrap();
    (view::lines_of(&entries, &resources), entries.iter().map(|entry| entry.seq).collect())
}

#[tokio::test]
async fn the_story_of_a_journal_is_the_same_online_and_offline_and_in_either_order() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), 0, &journal());
    let (_room, watched) = watch::channel(Room::Ample);
    // No question of this test needs the loop.
    let (handle, _inbox) = runtime::inbox();
    let house = House::new(handle, dir.path().to_owned(), watched, None);
    let socket = Socket::bind(dir.path()).await.unwrap();
    let served = tokio::spawn(serve_socket(socket, house, CancellationToken::new()));
    let client = Client::connect(dir.path()).await.unwrap();

    for limit in [100, 4] {
        let (lines, seqs) = offline(dir.path(), limit);
        let mut newest: History = client.get(&format!("/api/v1/history?limit={limit}")).await.unwrap();
        newest.items.reverse();
        newest.entries.reverse();
        assert_eq!(newest.items, lines, "newest first, {limit} on a page");
        let of_incidents = lines.iter().filter(|line| line.incident.is_some());
        assert!(of_incidents.clone().count() > 2, "{lines:#?}");
        assert!(of_incidents.clone().all(|line| line.resource.is_some()), "also where it began before: {lines:#?}");
        assert_eq!(newest.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), seqs);
    }
    let (lines, _) = offline(dir.path(), 100);
    let oldest: History = client.get("/api/v1/history?order=oldest").await.unwrap();
    assert_eq!((oldest.items, oldest.next), (lines.clone(), None));

    assert_eq!(lines.len(), journal().len() - 1, "the second naming of a cause is no line");
    let causes: Vec<_> = lines.iter().filter(|line| line.text.starts_with("cause: ")).collect();
    assert!(causes[0].text.contains("it exited with code 1"), "{causes:?}");
    let of = |number| lines.iter().filter(move |line| line.incident == Some(id(number)));
    assert!(of(1).all(|line| line.resource == Some(resource("web"))), "{lines:#?}");
    assert!(of(2).all(|line| line.resource == Some(resource("mail"))), "{lines:#?}");
    served.abort();
}
