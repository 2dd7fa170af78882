//! Makes a journal of the present version with one event of every kind, as it stands in `tests/fixtures`, and writes the
//! hash of its last entry beside it: `cargo run -p store --example make-fixture [DIRECTORY]`.
//!
//! Once a version was released its fixture is never made again: it is what users have on their disks.

#[path = "../tests/it/every.rs"]
mod every;
#[path = "../tests/it/story.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod story;

use std::fs;
use std::path::PathBuf;

use model::event::VERSION;
use store::{Journal as _, Memory, Sqlite};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixtures = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")), PathBuf::from);
    let state_dir = tempfile::tempdir()?;
    let mut memory = Memory::new();
    let mut journal = Sqlite::open(state_dir.path())?;
    let epoch = journal.lead()?.max(memory.lead()?);
    let entries: Vec<_> = every::events().into_iter().zip(1..).map(|(e, seq)| story::entry(epoch, seq, e)).collect();
    journal.append(epoch, 0, &entries)?;
    memory.append(epoch, 0, &entries)?;
    journal.keep_snapshot(entries.len() as u64 / 2, b"{\"state\":\"of the first half\"}")?;
    drop(journal); // carries the log over: the fixture is one file

    fs::create_dir_all(&fixtures)?;
    let name = format!("journal-v{VERSION}");
    let journal = fs::read(state_dir.path().join(store::JOURNAL_FILE))?; // its bytes alone: not its mode
    fs::write(fixtures.join(format!("{name}.sqlite")), journal)?;
    fs::write(fixtures.join(format!("{name}.hash")), format!("{}\n", memory.head().hash))?;
    Ok(())
}
