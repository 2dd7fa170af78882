//! `healer disks`: how full the file systems of `host.disks` are, what fills them, and what would go. It removes nothing.

use std::time::SystemTime;

use disks::Rule;
use host::Watched;
use model::disk::{Amount, Disk};
use serde::Serialize;

/// A file system, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Volume {
    /// Under which path it is watched.
    pub(crate) path: String,
    /// How full it is, and what fills it; `None` if it cannot be asked.
    pub(crate) disk: Option<Disk>,
    /// Why it cannot be asked.
    pub(crate) trouble: Option<String>,
    /// What its owner has listed.
    pub(crate) rules: Vec<Listed>,
}

/// A rule, and what it would remove at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    /// The rule, as it is written.
    pub(crate) rule: String,
    /// Why it finds nothing.
    pub(crate) trouble: Option<String>,
    /// All of it.
    pub(crate) amount: Amount,
    /// Each file, the oldest first.
    pub(crate) files: Vec<File>,
}

/// A file that would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    /// Its path.
    pub(crate) path: String,
    /// The room that it takes.
    pub(crate) bytes: u64,
    /// When it was changed last, in seconds since 1970.
    pub(crate) changed_s: i64,
}

/// Looks at each of them.
pub(crate) fn examine(watched: &[Watched]) -> Vec<Volume> {
    watched.iter().map(volume).collect()
}

fn volume(watched: &Watched) -> Volume {
    let path = watched.path.display().to_string();
    match disks::room(&watched.path, watched.full_percent) {
        Ok(room) => {
            let rules: Vec<Listed> = watched.clean.iter().map(|rule| listed(rule, watched)).collect();
            let sum = |sum: Amount, rule: &Listed| Amount {
                files: sum.files + rule.amount.files,
                bytes: sum.bytes + rule.amount.bytes,
            };
            let disk = Disk {
                listed: rules.iter().fold(Amount::default(), sum),
                holders: disks::largest(&disks::holders(&watched.path).unwrap_or_default(), None),
                removed: disks::removed(&watched.path).unwrap_or_default(),
                ..room
            };
            Volume { path, disk: Some(disk), trouble: None, rules }
        }
        Err(error) => Volume { path, disk: None, trouble: Some(error.to_string()), rules: Vec::new() },
    }
}

fn listed(rule: &Rule, watched: &Watched) -> Listed {
    let (found, trouble) = match rule.find(&watched.path, SystemTime::now()) {
        Ok(found) => (found, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let files: Vec<File> = found
        .iter()
        .map(|file| File { path: file.path.display().to_string(), bytes: file.bytes, changed_s: file.changed_s })
        .collect();
    let amount =
        Amount { files: files.len().try_into().unwrap_or(u64::MAX), bytes: files.iter().map(|file| file.bytes).sum() };
    Listed { rule: rule.to_string(), trouble, amount, files }
}
