//! Directories and files that this user may not have.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use store::{Error, Reader, Sqlite};

use crate::{child, write_story};

const REFUSED: &str = "rights::what_may_not_be_written_is_refused_with_the_remedy";

/// Nobody: a user who owns nothing.
const NOBODY: u32 = 65_534;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_made_belongs_to_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("var/lib/healer");
    let mut journal = Sqlite::open(&state).unwrap();
    write_story(&mut journal, 5);
    assert_eq!(mode(&state), 0o700);
    let files: Vec<_> = fs::read_dir(&state).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for path in files {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// Opens each of the directories as whoever this process is, and says what came of it.
fn try_them(dir: &Path) {
    let told = |result: Result<String, Error>| result.unwrap_or_else(|refused| refused.to_string());
    for state in ["closed", "bare", "new/below", "fixed"] {
        child::say(told(Sqlite::open(&dir.join(state)).map(|_| "opened".to_owned())));
    }
    for state in ["closed", "fixed"] {
        let count = Reader::open(&dir.join(state)).and_then(|reader| reader.count());
        child::say(told(count.map(|n| format!("{n} entries"))));
    }
}

#[test]
fn what_may_not_be_written_is_refused_with_the_remedy() {
    if let Some(dir) = child::task("try") {
        return try_them(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for state in ["closed", "fixed"] {
        write_story(&mut Sqlite::open(&at(state)).unwrap(), 5);
    }
    fs::create_dir(at("bare")).unwrap();

    // Root is refused nothing; so the child is somebody who is, and runs a copy that anybody may run.
    let root = rustix::process::geteuid().is_root();
    let binary = at("binary");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    set_mode(&binary, 0o755);
    let mut other = Command::new(&binary);
    other.current_dir("/");
    if root {
        other.uid(NOBODY).gid(NOBODY);
        chown(at("fixed"), Some(NOBODY), None).unwrap();
        chown(at("fixed/healer.lock"), Some(NOBODY), None).unwrap();
    }
    let modes = [("fixed/journal.sqlite", 0o444), ("bare", 0o555), ("closed", 0o000), (".", 0o555)];
    for (name, bits) in modes {
        set_mode(&at(name), bits);
    }
    if root {
        set_mode(&at("fixed/journal.sqlite-wal"), 0o444);
        set_mode(&at("fixed/journal.sqlite-shm"), 0o444);
    }

    let mut other = child::start(other, REFUSED, "try", dir.path());
    for state in ["closed", "bare", "new/below"] {
        let why = other.hear().unwrap();
        let expect = format!("cannot write to {} as user ", at(state).display());
        assert!(why.starts_with(&expect) && why.contains("chown"), "{state}: {why}");
    }
    let why = other.hear().unwrap();
    assert!(why.contains("journal.sqlite cannot be written by user ") && why.contains("chown"), "{why}");
    let why = other.hear().unwrap();
    assert!(why.starts_with("cannot read ") && why.contains("ask as the user that healer runs as"), "{why}");
    assert_eq!(other.hear().as_deref(), Some("5 entries"), "what may be read can be read");
    assert!(other.ended_well());

    for (name, _) in modes.iter().rev() {
        set_mode(&at(name), 0o700);
    }
    assert_eq!(fs::read_dir(at("bare")).unwrap().count(), 0, "nothing was left there");
    assert!(!at("new").exists());
}

#[test]
fn a_file_in_the_directorys_place_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    fs::write(&path, "").unwrap();
    let Err(Error::Unusable(why)) = Sqlite::open(&path) else { panic!("opened") };
    assert!(why.contains("is not a directory"), "{why}");
}
