//! Which directories hold most of a file system.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evidence::escape;
use model::disk::{Amount, Holder};
use rustix::fs::FileType;

use crate::folder::{self, Entry};
use crate::taken;

/// What lies deeper below the root of a walk is counted with its ancestor there.
const DEPTH_MAX: usize = 4;
/// Nothing is looked at that lies deeper: each level keeps directories open.
const WALKS_DOWN_MAX: usize = 64;
/// A walk ends with what it has seen after this long, or so many entries.
const WALKS_AT_MOST: Duration = Duration::from_secs(20);
const ENTRIES_MAX: usize = 2_000_000;
/// So many are told.
const TOLD_MAX: usize = 5;
/// What holds so many files is told for that.
const MANY_FILES: u64 = 50;
const PATH_CHARS_MAX: usize = 120;

/// What each directory holds, without what is held by directories below it that are listed themselves.
pub type Held = BTreeMap<PathBuf, Amount>;

/// Walks through the file system of a path, and no other.
///
/// # Errors
/// When the path itself cannot be opened.
pub fn holders(root: &Path) -> io::Result<Held> {
    let mut walk =
        Walk { device: crate::device(root)?, until: Instant::now() + WALKS_AT_MOST, entries: 0, held: Held::new() };
    walk.through(&folder::open(root)?, root, 0);
    Ok(walk.held)
}

struct Walk {
    device: u64,
    until: Instant,
    entries: usize,
    held: Held,
}

impl Walk {
    fn through(&mut self, folder: &OwnedFd, path: &Path, depth: usize) {
        for entry in folder::entries(folder) {
            self.entries += 1;
            if self.entries > ENTRIES_MAX || Instant::now() > self.until {
                return;
            }
            self.take(folder, path, depth, &entry);
        }
    }

    fn take(&mut self, folder: &OwnedFd, path: &Path, depth: usize, entry: &Entry) {
        if entry.stat.st_dev != self.device {
            return;
        }
        let held = self.held.entry(path.to_owned()).or_default();
        held.files += 1;
        // A file of several names is counted with each: nobody can tell which one its room belongs to.
        held.bytes = held.bytes.saturating_add(taken(entry.stat.st_blocks));
        if entry.kind() != FileType::Directory {
            return;
        }
        if depth >= WALKS_DOWN_MAX {
            return;
        }
        let Ok(inner) = folder::below(folder, &entry.name) else { return };
        if depth < DEPTH_MAX {
            let name = OsStr::from_bytes(entry.name.as_bytes());
            self.through(&inner, &path.join(name), depth + 1);
        } else {
            self.through(&inner, path, depth + 1);
        }
    }
}

/// Those that hold most, by room and by files, beside what they held `before`.
#[must_use]
pub fn largest(held: &Held, before: Option<&Held>) -> Vec<Holder> {
    let grown = |path: &PathBuf, amount: &Amount| {
        let then = before?.get(path).map_or(0, |then| then.bytes);
        i64::try_from(i128::from(amount.bytes) - i128::from(then)).ok()
    };
    let mut all: Vec<Holder> = held
        .iter()
        .map(|(path, amount)| Holder {
            path: escape(&path.to_string_lossy(), PATH_CHARS_MAX),
            held: *amount,
            grown_bytes: grown(path, amount),
        })
        .collect();
    let most_files =
        all.iter().max_by_key(|holder| holder.held.files).filter(|it| it.held.files >= MANY_FILES).cloned();
    let most_grown = all.iter().max_by_key(|holder| holder.grown_bytes).filter(|it| it.grown_bytes > Some(0)).cloned();
    all.retain(|holder| holder.held.bytes > 0);
    all.sort_by_key(|holder| std::cmp::Reverse(holder.held.bytes));
    all.truncate(TOLD_MAX);
    let missing = |one: &Holder| !all.contains(one);
    let others: Vec<Holder> = most_grown.into_iter().chain(most_files).filter(missing).collect();
    all.extend(others);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(path: &Path, bytes: usize) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![7; bytes]).unwrap();
    }

    #[test]
    fn what_holds_most_and_what_grew_most_is_told() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        file(&at("big/image"), 900_000);
        file(&at("log/app.log"), 100_000);
        for n in 0..50 {
            file(&at(&format!("many/{n}")), 1);
        }
        file(&at("a/b/c/d/e/f/deep"), 300_000);
        std::os::unix::fs::symlink("/", at("everything")).unwrap();
        let before = holders(root.path()).unwrap();
        file(&at("log/app.log"), 600_000);
        let held = holders(root.path()).unwrap();
        let told = largest(&held, Some(&before));
        let name = |holder: &Holder| holder.path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(told.iter().take(3).map(name).collect::<Vec<_>>(), ["big", "log", "d"]);
        let log = told.iter().find(|holder| name(holder) == "log").unwrap();
        assert!((490_000..=512_000).contains(&log.grown_bytes.unwrap()), "{log:?}");
        let many = told.iter().find(|holder| name(holder) == "many").unwrap();
        assert_eq!(many.held.files, 50);
        assert!(held.values().map(|amount| amount.bytes).sum::<u64>() < 3_000_000, "no link was followed");
    }
}
