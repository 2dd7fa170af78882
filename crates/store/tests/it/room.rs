//! A disk that is really full: a small tmpfs in a mount namespace that ends with the child.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use store::{Error, Journal, Reader, Room, Sqlite};

use crate::{child, recovered, story, write_story};

const FULL: &str = "room::on_a_full_disk_the_reserve_is_given_up_first_and_made_again_when_there_is_room";

/// Room for the reserve, for what is to be free beside it, and for the journal that grows meanwhile.
const DISK: &str = "size=32m";

/// What enters a mount namespace: as root at once, else as root of a user namespace.
fn namespace() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--mount");
    command
}

/// Mounts a small disk on the directory in `$1` and runs the rest.
fn on_a_small_disk(dir: &Path) -> Command {
    let mut command = namespace();
    command.args(["sh", "-c", r#"dir=$1; shift; mount -t tmpfs -o "$0" none "$dir" && exec "$@""#, DISK]);
    command.arg(dir);
    command
}

fn fill(dir: &Path) {
    let mut filler = OpenOptions::new().create(true).append(true).open(dir.join("filler")).unwrap();
    for size in [1 << 20, 4096, 1] {
        let chunk = vec![7; size];
        let full = loop {
            if let Err(e) = filler.write_all(&chunk) {
                break e;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }
}

/// Appends single entries until one is not taken. Each counts.
fn append_until_refused(journal: &mut Sqlite, epoch: u64, last: &mut u64) -> Error {
    for _ in 0..100_000 {
        match journal.append(epoch, *last, &story::entries(epoch, [*last + 1])) {
            Ok(()) => *last += 1,
            Err(refused) => return refused,
        }
    }
    panic!("the disk does not become full");
}

fn the_story_of_a_full_disk(dir: &Path) {
    let reserve = || fs::metadata(dir.join("reserve")).map_or(0, |file| file.len());
    let mut journal = Sqlite::open(dir).unwrap();
    let epoch = write_story(&mut journal, 30);
    let mut last = 30;
    assert_eq!((journal.room(), reserve()), (Room::Ample, 16 << 20));

    // A snapshot that is too large takes nothing from the reserve.
    fill(dir);
    let refused = journal.keep_snapshot(30, &vec![1; 1 << 20]).unwrap_err();
    assert!(matches!(refused, Error::Full(_)), "{refused}");
    assert_eq!(reserve(), 16 << 20);

    // The disk is full: appends go on by what the reserve held.
    while reserve() != 0 {
        journal.append(epoch, last, &story::entries(epoch, last + 1..=last + 20)).unwrap();
        last += 20;
    }
    assert_eq!(journal.room(), Room::ReserveUsed);

    // That is used too.
    fill(dir);
    let refused = append_until_refused(&mut journal, epoch, &mut last);
    assert!(matches!(refused, Error::Full(_)), "{refused}");
    assert_eq!(journal.room(), Room::Full);
    assert_eq!(recovered(&mut journal).unwrap().last, last, "what was refused is not there");
    assert_eq!(Reader::open(dir).unwrap().verify().unwrap().seq, last);

    // A start on the full disk reads, and still writes nothing.
    drop(journal);
    let mut journal = Sqlite::open(dir).unwrap();
    assert_eq!(recovered(&mut journal).unwrap().last, last);
    fill(dir);
    let refused = append_until_refused(&mut journal, epoch, &mut last);
    assert!(matches!(refused, Error::Full(_)), "{refused}");
    assert_eq!(journal.room(), Room::Full);

    // Somebody makes a little room: it goes on, without a reserve.
    let filler = dir.join("filler");
    let len = fs::metadata(&filler).unwrap().len();
    File::options().write(true).open(&filler).and_then(|file| file.set_len(len - (6 << 20))).unwrap();
    assert_eq!(journal.room(), Room::ReserveUsed);
    journal.append(epoch, last, &story::entries(epoch, [last + 1])).unwrap();
    last += 1;

    // Somebody cleans up: all is as it was.
    fs::remove_file(filler).unwrap();
    assert_eq!((journal.room(), reserve()), (Room::Ample, 16 << 20));
    journal.append(epoch, last, &story::entries(epoch, [last + 1])).unwrap();
    assert_eq!(Reader::open(dir).unwrap().verify().unwrap().seq, last + 1);
}

#[test]
fn on_a_full_disk_the_reserve_is_given_up_first_and_made_again_when_there_is_room() {
    if let Some(dir) = child::task("fill") {
        the_story_of_a_full_disk(&dir);
        child::say("told");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let can = on_a_small_disk(dir.path()).arg("true").stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !can {
        eprintln!("skipped: a full disk needs the right to mount a tmpfs (root, or user namespaces)");
        return;
    }
    let mut via = on_a_small_disk(dir.path());
    via.arg(std::env::current_exe().unwrap());
    let mut child = child::start(via, FULL, "fill", dir.path());
    assert_eq!(child.hear().as_deref(), Some("told"));
    assert!(child.ended_well());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the disk was the child's alone");
}
