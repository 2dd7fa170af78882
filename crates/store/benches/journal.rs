//! What it costs to make a decision durable, beside the same bytes written and synced by hand, and what a journal costs
//! to be recovered, beside its limit: `cargo bench -p store`. The directory of `BENCH_DIR` (else of the build) says which
//! disk is measured.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the first surprise")]

#[path = "../tests/it/story.rs"]
mod story;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::State;
use model::event::Entry;
use store::reader::Query;
use store::{Journal, Memory, Piece, Reader, Sqlite};

/// A month of a busy healer.
const MONTH: u64 = 100_000;

/// How often a start is measured.
const STARTS: usize = 5;

/// What a start from it may take, without a snapshot.
const RECOVERY_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let base = std::env::var_os("BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(base).unwrap();
    for (batch, rounds) in [(1, 1_000), (256, 200)] {
        append(dir.path(), batch, rounds);
    }
    let month = dir.path().join("month");
    let bytes = write_month(&month);
    let in_time = recover(&month, bytes);
    read(&month);
    memory();
    if in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Appends batches, each followed by the same bytes written and synced by hand on the same disk.
fn append(dir: &Path, batch: u64, rounds: u64) {
    let mut journal = Sqlite::open(&dir.join(format!("append-{batch}"))).unwrap();
    let epoch = journal.lead().unwrap();
    let mut raw = File::create(dir.join(format!("raw-{batch}"))).unwrap();
    let (mut kept, mut written) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let last = round * batch;
        let entries = story::entries(epoch, last + 1..=last + batch);
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| serde_json::to_vec(entry).unwrap()).collect();
        kept.push(timed(|| journal.append(epoch, last, &entries).unwrap()).0);
        written.push(timed(|| raw.write_all(&bytes).and_then(|()| raw.sync_data()).unwrap()).0);
    }
    let (kept, written) = (Spread::of(kept), Spread::of(written));
    println!(
        "append, batches of {batch:>3}: median {:>9.3?}  p95 {:>9.3?}   write+fsync: median {:>9.3?}  p95 {:>9.3?}   \
         ratio {:.2} (median), {:.2} (p95)",
        kept.median,
        kept.p95,
        written.median,
        written.p95,
        kept.median.as_secs_f64() / written.median.as_secs_f64(),
        kept.p95.as_secs_f64() / written.p95.as_secs_f64(),
    );
}

/// Writes a month of entries. Returns how many bytes their bodies have.
fn write_month(dir: &Path) -> usize {
    let mut journal = Sqlite::open(dir).unwrap();
    let epoch = journal.lead().unwrap();
    let mut bytes = 0;
    for first in (1..=MONTH).step_by(1_000) {
        let entries = story::entries(epoch, first..first + 1_000);
        bytes += entries.iter().map(|entry| serde_json::to_vec(&entry.event).unwrap().len()).sum::<usize>();
        journal.append(epoch, first - 1, &entries).unwrap();
    }
    bytes
}

/// What a start does before it can decide anything: open, check the chain, read each entry back, and fold it in. The
/// fastest of a few, since whatever else the machine does only adds to it.
fn recover(dir: &Path, bytes: usize) -> bool {
    let (mut whole, mut fold, mut state) = (Duration::MAX, Duration::ZERO, State::default());
    for _ in 0..STARTS {
        let (read, _) = timed(|| Sqlite::open(dir).unwrap().recover(&mut |_| Ok(())).unwrap());
        let (took, started) = timed(|| folded(&mut Sqlite::open(dir).unwrap()));
        if took < whole {
            (whole, fold) = (took, took.saturating_sub(read));
        }
        state = started;
    }
    assert_eq!(state.seq, MONTH);
    let ratio = whole.as_secs_f64() / RECOVERY_MAX.as_secs_f64();
    println!(
        "recovery of {MONTH} entries ({} B of body each, {} MB on disk): chain, parsing and fold {whole:.3?}, of that the \
         fold {fold:.3?}   limit {RECOVERY_MAX:?}   ratio {ratio:.2}",
        bytes / 100_000,
        std::fs::metadata(dir.join(store::JOURNAL_FILE)).unwrap().len() >> 20,
    );
    let kept = serde_json::to_vec(&(engine::state::SNAPSHOT_VERSION, &state)).unwrap();
    let mut journal = Sqlite::open(dir).unwrap();
    journal.keep_snapshot(MONTH, &kept).unwrap();
    let (took, again) = timed(|| folded(&mut journal));
    assert_eq!(again.seq, MONTH);
    println!("recovery from a snapshot of {} KiB: {took:.3?}", kept.len() >> 10);
    whole <= RECOVERY_MAX
}

fn folded(journal: &mut Sqlite) -> State {
    let mut state = State::default();
    let mut fold = |piece| {
        match piece {
            Piece::Snapshot { state: kept, .. } => {
                state = serde_json::from_slice::<(u32, State)>(&kept).map_err(|error| error.to_string())?.1;
            }
            Piece::Entry(entry) => state.apply(&entry),
        }
        Ok(())
    };
    journal.recover(&mut fold).unwrap();
    state
}

fn read(dir: &Path) {
    let reader = Reader::open(dir).unwrap();
    let middle: Entry = story::entries(1, [MONTH / 2]).remove(0);
    let (incident, resource) = (story::incident(4_000), story::resource(7));
    let newest = Query { newest_first: true, ..Query::default() };
    let table = [
        ("the newest page", newest.clone()),
        ("since the middle", Query { since: Some(middle.at.wall), ..Query::default() }),
        ("an incident", Query { incident: Some(incident), ..Query::default() }),
        ("a resource", Query { resource: Some(resource), ..newest.clone() }),
        ("a rare name", Query { names: vec!["frozen"], ..newest.clone() }),
        ("a common name", Query { names: vec!["incident_opened"], ..newest }),
    ];
    for (name, query) in table {
        let (took, page) = timed(|| reader.entries(&query).unwrap());
        println!("reading {name} of {MONTH}: {took:.3?} for {} entries", page.entries.len());
    }
    let (took, count) = timed(|| reader.count().unwrap());
    println!("counting {count}: {took:.3?}");
    let (took, head) = timed(|| reader.verify().unwrap());
    println!("verifying {}: {took:.3?}", head.seq);
}

fn memory() {
    let mut journal = Memory::new();
    let epoch = journal.lead().unwrap();
    let entries = story::entries(epoch, 1..=MONTH);
    let (took, ()) = timed(|| {
        for (n, entry) in entries.chunks(1).enumerate() {
            journal.append(epoch, n as u64, entry).unwrap();
        }
    });
    let (recovered, _) = timed(|| journal.recover(&mut |_| Ok(())).unwrap());
    println!("in memory: {:.3?} an append of 1, {recovered:.3?} to recover {MONTH}", took / 100_000);
}

struct Spread {
    median: Duration,
    p95: Duration,
}

impl Spread {
    fn of(mut all: Vec<Duration>) -> Spread {
        all.sort_unstable();
        Spread { median: all[all.len() / 2], p95: all[all.len() * 95 / 100] }
    }
}

fn timed<T>(act: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let done = act();
    (begin.elapsed(), done)
}
