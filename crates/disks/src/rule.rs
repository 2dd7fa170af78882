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

use crate::folder;
use crate::taken;

/// One rule finds so many files at most: the next time the others.
const FILES_MAX: usize = 50_000;
const PATH_CHARS_MAX: usize = 200;
/// Nothing below these is anybody's to throw away by a pattern.
const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/apt",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/dpkg",
    "/var/lib/rpm",
    "/var/lib/systemd",
];
/// So many `*` may be in one name: to compare takes a time that grows with each.
const STARS_MAX: usize = 3;
/// The one directory at the top whose files may go.
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
    /// Nobody needs so many.
    #[error("`{0}` has more than 3 `*` in one name")]
    Stars(String),
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

impl Gone {
    /// And these.
    pub fn add(&mut self, more: Gone) {
        self.removed.files += more.removed.files;
        self.removed.bytes += more.removed.bytes;
        self.left.extend(more.left);
    }
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
        if pattern.split('/').any(|name| name.matches('*').count() > STARS_MAX) {
            return Err(NotARule::Stars(said()));
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
    /// When `root` is not there, the directory of the rule is reached through a link, or nobody knows what is held open.
    pub fn find(&self, root: &Path, now: SystemTime) -> io::Result<Vec<Found>> {
        let fits = self.fits(root, now)?;
        let mut found = Vec::new();
        let fixed = fixed_part(&self.pattern);
        let names: Vec<&OsStr> =
            self.pattern.components().skip(fixed.components().count()).map(Component::as_os_str).collect();
        match folder::open(&fixed) {
            Ok(folder) => search(&folder, &fixed, &names, &fits, &mut found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", fixed.display()))),
        }
        // What is opened while others are looked for is held as well.
        let held = linux::held_inodes()?;
        found.retain(|file| !held.contains(&file.inode));
        found.sort_by_key(|file| file.changed_s);
        Ok(found)
    }

    /// Removes these, unless one is another file by now, was changed since, or is held by somebody. What is held is looked up
    /// once: a few at a time.
    ///
    /// # Errors
    /// When `root` is not there, or nobody knows what is held open: then nothing is removed.
    pub fn remove(&self, root: &Path, found: &[Found], now: SystemTime) -> io::Result<Gone> {
        let (fits, held) = (self.fits(root, now)?, linux::held_inodes()?);
        let mut gone = Gone::default();
        for file in found {
            match file.remove(&fits, &held) {
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

    fn fits(&self, root: &Path, now: SystemTime) -> io::Result<Fits> {
        let before = now.checked_sub(self.older).unwrap_or(SystemTime::UNIX_EPOCH);
        let before_s = before.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Fits { device: crate::device(root)?, before_s: i64::try_from(before_s).unwrap_or(i64::MAX) })
    }

    /// Whether files below this directory may go by it.
    #[must_use]
    pub fn reaches_into(&self, folder: &Path) -> bool {
        fixed_part(&self.pattern).starts_with(folder)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = escape(&self.pattern.to_string_lossy(), PATH_CHARS_MAX);
        write!(f, "{pattern}, not changed for {}", Spoken(self.older))
    }
}

impl Found {
    fn remove(&self, fits: &Fits, held: &BTreeSet<u64>) -> Result<u64, String> {
        let words = |error: io::Error| error.to_string();
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err("it is in no directory".to_owned());
        };
        let folder = folder::open(parent).map_err(words)?;
        let name = CString::new(name.as_bytes()).map_err(|error| error.to_string())?;
        let told = folder::look(&folder, &name).ok_or("it is gone already")?;
        if told.st_ino != self.inode {
            return Err("it is another file by now".to_owned());
        }
        if told.st_mtime != self.changed_s || !fits.may_go(&told) {
            return Err("it was changed since".to_owned());
        }
        if held.contains(&told.st_ino) {
            return Err("somebody holds it by now".to_owned());
        }
        unlinkat(&folder, &name, AtFlags::empty()).map_err(|error| words(error.into()))?;
        Ok(taken(told.st_blocks))
    }
}

/// What a file must be like in order to go.
struct Fits {
    device: u64,
    before_s: i64,
}

impl Fits {
    fn may_go(&self, file: &Stat) -> bool {
        FileType::from_raw_mode(file.st_mode) == FileType::RegularFile
            && file.st_dev == self.device
            && file.st_mtime < self.before_s
            // Under another name it takes its room all the same.
            && file.st_nlink == 1
    }
}

/// Goes down the names of a pattern, each of which may fit several entries.
fn search(folder: &OwnedFd, path: &Path, names: &[&OsStr], fits: &Fits, found: &mut Vec<Found>) {
    let Some((name, deeper)) = names.split_first() else { return };
    let Some(pattern) = name.to_str() else { return };
    // As in a shell, a `*` in front stands for no dot.
    let fits_name = |name: &str| matches(pattern, name) && !(pattern.starts_with('*') && name.starts_with('.'));
    for entry in folder::entries(folder).filter(|entry| entry.name.to_str().is_ok_and(fits_name)) {
        if found.len() >= FILES_MAX {
            return;
        }
        let path = path.join(OsStr::from_bytes(entry.name.as_bytes()));
        if deeper.is_empty() {
            let Stat { st_blocks, st_mtime, st_ino, .. } = entry.stat;
            if fits.may_go(&entry.stat) {
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
            ("/var/lib/docker/overlay2/*/diff/tmp/*", "of which healer removes nothing"),
            ("/srv/app/*a*a*a*", "more than 3"),
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
        // As old as the one before it, and another one.
        logs.file("next", 2 * DAY);
        fs::rename(logs.at("next"), logs.at("old.gz")).unwrap();
        let gone = rule.remove(logs.0.path(), &found, SystemTime::now()).unwrap();
        assert_eq!((gone.removed.files, gone.left.len()), (0, 1));
        assert!(gone.left[0].contains("another file"), "{gone:?}");
        assert!(logs.at("old.gz").exists());
    }

    #[test]
    fn a_directory_that_is_reached_through_a_link_is_told_and_a_hidden_file_is_meant_by_its_name_alone() {
        let logs = Logs::new();
        fs::create_dir(logs.at("inner")).unwrap();
        symlink(logs.at("inner"), logs.at("way")).unwrap();
        assert!(logs.rule("way/*.gz").find(logs.0.path(), SystemTime::now()).is_err());
        logs.file("inner/.lock", 2 * DAY);
        assert_eq!(logs.found(&logs.rule("inner/*")).len(), 0);
        assert_eq!(logs.names(&logs.found(&logs.rule("inner/.*"))), ["inner/.lock"]);
    }
}
