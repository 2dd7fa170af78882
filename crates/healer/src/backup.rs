//! `healer backup`: a copy of all that healer knows, checked, whether healer runs or not.

use std::path::Path;

use serde::Serialize;

/// What was copied.
#[derive(Debug, Serialize)]
pub(crate) struct Copied {
    file: String,
    entries: u64,
    /// Of the last entry: whoever notes it elsewhere can tell later that nothing before it was altered.
    hash: String,
}

/// Copies the journal of this state directory into a new file.
///
/// # Errors
/// In words, with the remedy.
pub(crate) fn backup(state_dir: &Path, file: &Path) -> Result<Copied, String> {
    let copied = store::Reader::open(state_dir).and_then(|journal| journal.copy_to(file));
    let head = copied.map_err(|error| error.to_string())?;
    Ok(Copied { file: file.display().to_string(), entries: head.seq, hash: head.hash.to_string() })
}

impl Copied {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let Copied { file, entries, hash } = self;
        format!("{file} holds the {entries} entries of the journal, checked to the last one (hash {hash})\n")
    }
}
