//! What may go from a file system: a pattern and an age.
//!
//! `/var/log/*.gz`, older than a week. A `*` stands for any text within one name. Only plain files go, only those that the
//! pattern names, and each is looked at anew, from its directory, the moment before it goes.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use evidence::escape;
use model::disk::Amount;
use model::settings::matches;
use model::time::Spoken;
use rustix::fs::{AtFlags, FileType, Stat, unlinkat};

use crate::folder::{self, Entry};
use crate::taken;

/// One rule finds so many files at most: the next time the others.
const FILES_MAX: usize = 50_000;
const PATH_CHARS_MAX: usize = 200;
/// Nothing below these is anybody's to throw away by a pattern.
const SYSTEM: &[&str] =
    &["/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr"];
/// Directories of this depth that a pattern may name all files of.
const TEMPORARY: &str = "/tmp";

/// What may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pattern: PathBuf,
    /// What was changed later than so long ago stays.
    older: Duration,
}

/// A pattern that is no rule: why not, and what would be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotARule {
    /// It is no whole path.
    #[error("`{0}` is no whole path: begin it with a `/`, and write no `.` or `..` in it")]
    NotWhole(String),
    /// It would reach all over the system.
    #[error("`{0}` reaches too far: name the directory whose files may go, such as `/var/log/*.gz`")]
    TooFar(String),
    /// It names what the system itself is made of.
    #[error("`{0}` lies in {1}, of which healer removes nothing")]
    OfTheSystem(String, &'static str),
    /// It reaches through all directories.
    #[error("`{0}` has a `**`: name each directory, or write `*` for one name")]
    ThroughAll(String),
}

/// A file that may go.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// The room that it takes.
    pub bytes: u64,
    /// When it was changed last, in seconds since 1970.
    pub changed_s: i64,
    inode: u64,
}

/// What became of the files that were to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Those that went.
    pub removed: Amount,
    /// The others: each with why it stayed.
    pub left: Vec<String>,
}

impl Rule {
    /// The files that fit `pattern`, once they were not changed for `older`.
    ///
    /// # Errors
    /// When the pattern may not be a rule, with the reason.
    pub fn new(pattern: &str, older: Duration) -> Result<Rule, NotARule> {
        let path = Path::new(pattern);
        let said = || pattern.to_owned();
        let plain = |part: &Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        // `components` leaves out a `.` within.
        let dotted = pattern.split('/').any(|part| matches!(part, "." | ".."));
        if !path.is_absolute() || dotted || !path.components().all(|part| plain(&part)) {
            return Err(NotARule::NotWhole(said()));
        }
        if pattern.contains("**") {
            return Err(NotARule::ThroughAll(said()));
        }
        let fixed = fixed_part(path);
        if let Some(system) = SYSTEM.iter().find(|system| fixed.starts_with(system)) {
            return Err(NotARule::OfTheSystem(said(), system));
        }
        let deep = fixed.components().count() > 2 || fixed == Path::new(TEMPORARY);
        if !deep || path.components().count() < 3 || pattern.ends_with('/') {
            return Err(NotARule::TooFar(said()));
        }
        Ok(Rule { pattern: path.to_owned(), older })
    }

    /// The files that may go at this moment from the file system of `root`, the oldest first.
    ///
    /// # Errors
    /// When `root` is not there.
    pub fn find(&self, root: &Path, now: SystemTime) -> io::Result<Vec<Found>> {
        let device = crate::device(root)?;
        let open: BTreeSet<u64> = linux::open_files(device).into_iter().map(|file| file.inode).collect();
        let before = now.checked_sub(self.older).unwrap_or(SystemTime::UNIX_EPOCH);
        let before_s = before.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let fits = Fits { device, open, before_s: i64::try_from(before_s).unwrap_or(i64::MAX) };
        let mut found = Vec::new();
        let fixed = fixed_part(&self.pattern);
        let names: Vec<&OsStr> =
            self.pattern.components().skip(fixed.components().count()).map(Component::as_os_str).collect();
        if let Ok(folder) = folder::open(&fixed) {
            search(&folder, &fixed, &names, &fits, &mut found);
        }
        found.sort_by_key(|file| file.changed_s);
        Ok(found)
    }

    /// Removes what [`Rule::find`] found, unless it is another file by now, was changed since, or somebody opened it.
    ///
    /// # Errors
    /// When `root` is not there.
    pub fn remove(&self, root: &Path, found: &[Found], now: SystemTime) -> io::Result<Gone> {
        let still: BTreeSet<u64> = self.find(root, now)?.into_iter().map(|file| file.inode).collect();
        let mut gone = Gone::default();
        for file in found {
            match file.remove(still.contains(&file.inode)) {
                Ok(bytes) => {
                    gone.removed.files += 1;
                    gone.removed.bytes += bytes;
                }
                Err(why) => {
                    let path = escape(&file.path.to_string_lossy(), PATH_CHARS_MAX);
                    gone.left.push(format!("{path}: {why}"));
                }
            }
        }
        Ok(gone)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = escape(&self.pattern.to_string_lossy(), PATH_CHARS_MAX);
        write!(f, "{pattern}, not changed for {}", Spoken(self.older))
    }
}

impl Found {
    fn remove(&self, still: bool) -> Result<u64, String> {
        if !still {
            return Err("it was changed or opened since".to_owned());
        }
        let words = |error: io::Error| error.to_string();
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err("it is in no directory".to_owned());
        };
        let folder = folder::open(parent).map_err(words)?;
        let name = CString::new(name.as_bytes()).map_err(|error| error.to_string())?;
        let told = folder::look(&folder, &name).ok_or("it is gone already")?;
        if told.st_ino != self.inode || told.st_mtime != self.changed_s {
            return Err("it is another file by now".to_owned());
        }
        unlinkat(&folder, &name, AtFlags::empty()).map_err(|error| words(error.into()))?;
        Ok(taken(told.st_blocks))
    }
}

/// What a file must be like in order to go.
struct Fits {
    device: u64,
    open: BTreeSet<u64>,
    before_s: i64,
}

impl Fits {
    fn may_go(&self, entry: &Entry) -> bool {
        let Stat { st_dev, st_ino, st_mtime, st_nlink, .. } = entry.stat;
        entry.kind() == FileType::RegularFile
            && st_dev == self.device
            && st_mtime < self.before_s
            // Under another name it takes its room all the same.
            && st_nlink == 1
            && !self.open.contains(&st_ino)
    }
}

/// Goes down the names of a pattern, each of which may fit several entries.
fn search(folder: &OwnedFd, path: &Path, names: &[&OsStr], fits: &Fits, found: &mut Vec<Found>) {
    let Some((name, deeper)) = names.split_first() else { return };
    let Some(pattern) = name.to_str() else { return };
    for entry in folder::entries(folder).filter(|entry| entry.name.to_str().is_ok_and(|name| matches(pattern, name))) {
        if found.len() >= FILES_MAX {
            return;
        }
        let path = path.join(OsStr::from_bytes(entry.name.as_bytes()));
        if deeper.is_empty() {
            let Stat { st_blocks, st_mtime, st_ino, .. } = entry.stat;
            if fits.may_go(&entry) {
                found.push(Found { path, bytes: taken(st_blocks), changed_s: st_mtime, inode: st_ino });
            }
        } else if let Ok(inner) = folder::below(folder, &entry.name) {
            search(&inner, &path, deeper, fits, found);
        }
    }
}

/// The directories before the first name with a `*`, and before the last one.
fn fixed_part(pattern: &Path) -> PathBuf {
    let parent = pattern.parent().unwrap_or(Path::new("/"));
    parent.components().take_while(|part| !part.as_os_str().as_bytes().contains(&b'*')).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_pattern_that_reaches_too_far_is_no_rule() {
        for good in ["/var/log/*.gz", "/var/tmp/*", "/tmp/*", "/srv/app/*/cache/*.tmp", "/srv/app/old.log"] {
            assert!(Rule::new(good, DAY).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("/", "too far"),
            ("/*", "too far"),
            ("/*/*", "too far"),
            ("/var/*", "too far"),
            ("/var", "too far"),
            ("/data/*/x", "too far"),
            ("/var/log/", "too far"),
            ("var/log/*", "no whole path"),
            ("/var/log/../../etc/passwd", "no whole path"),
            ("/var/./log/*", "no whole path"),
            ("/etc/ssl/*", "of which healer removes nothing"),
            ("/usr/share/doc/*", "of which healer removes nothing"),
            ("/var/log/**/*.gz", "`**`"),
            ("", "no whole path"),
        ] {
            let said = Rule::new(bad, DAY).unwrap_err().to_string();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }

    /// Files of which some are old, others not, and some are not what they seem.
    struct Logs(tempfile::TempDir);

    impl Logs {
        fn new() -> Logs {
            let logs = Logs(tempfile::tempdir().unwrap());
            for name in ["old.gz", "older.gz", "open.gz", "named-twice.gz", "old.txt"] {
                logs.file(name, 2 * DAY);
            }
            logs.file("new.gz", Duration::ZERO);
            fs::create_dir(logs.at("folder.gz")).unwrap();
            fs::write(logs.at("folder.gz/inside"), "x").unwrap();
            fs::write(logs.at("target"), "x").unwrap();
            symlink(logs.at("target"), logs.at("link.gz")).unwrap();
            fs::hard_link(logs.at("named-twice.gz"), logs.at("its-other-name")).unwrap();
            logs
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn file(&self, name: &str, age: Duration) {
            let path = self.at(name);
            fs::write(&path, vec![7; 8192]).unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
        }

        fn rule(&self, pattern: &str) -> Rule {
            Rule::new(self.at(pattern).to_str().unwrap(), DAY).unwrap()
        }

        fn found(&self, rule: &Rule) -> Vec<Found> {
            rule.find(self.0.path(), SystemTime::now()).unwrap()
        }

        fn names(&self, found: &[Found]) -> Vec<String> {
            let mut names: Vec<String> =
                found.iter().map(|file| file.path.strip_prefix(self.0.path()).unwrap().display().to_string()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn only_plain_old_files_that_nobody_holds_are_found() {
        let logs = Logs::new();
        let _open = File::open(logs.at("open.gz")).unwrap();
        assert_eq!(logs.names(&logs.found(&logs.rule("*.gz"))), ["old.gz", "older.gz"]);
        assert_eq!(logs.names(&logs.found(&logs.rule("*/inside"))), Vec::<String>::new(), "it is new");
    }

    #[test]
    fn no_link_is_followed_on_the_way() {
        let logs = Logs::new();
        fs::create_dir(logs.at("inner")).unwrap();
        logs.file("inner/old.gz", 2 * DAY);
        symlink(logs.at("inner"), logs.at("way")).unwrap();
        assert_eq!(logs.names(&logs.found(&logs.rule("inner/*.gz"))), ["inner/old.gz"]);
        assert_eq!(logs.found(&logs.rule("way/*.gz")).len(), 0);
        assert_eq!(logs.names(&logs.found(&logs.rule("*/*.gz"))), ["inner/old.gz"], "not a second time by the link");
    }

    #[test]
    fn what_is_found_goes_unless_it_changed_since() {
        let logs = Logs::new();
        let rule = logs.rule("*.gz");
        let found = logs.found(&rule);
        assert_eq!(logs.names(&found), ["old.gz", "older.gz", "open.gz"]);
        // One is written to, one is opened, after they were found.
        fs::write(logs.at("old.gz"), "news").unwrap();
        let _open = File::open(logs.at("open.gz")).unwrap();
        let gone = rule.remove(logs.0.path(), &found, SystemTime::now()).unwrap();
        assert_eq!(gone.removed, Amount { files: 1, bytes: 8192 });
        assert_eq!(gone.left.len(), 2, "{gone:?}");
        assert!(!logs.at("older.gz").exists() && logs.at("old.gz").exists() && logs.at("open.gz").exists());
    }

    #[test]
    fn a_file_that_was_put_in_its_place_stays() {
        let logs = Logs::new();
        let rule = logs.rule("old.gz");
        let found = logs.found(&rule);
        let mut other = found.clone();
        other[0].inode += 1;
        assert!(other[0].remove(true).unwrap_err().contains("another file"));
        assert!(logs.at("old.gz").exists());
        assert_eq!(found[0].remove(true), Ok(8192));
    }
}
