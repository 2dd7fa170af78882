//! File systems that fill up: small ones, in a mount namespace of their own, so that nothing else on the machine is touched.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use model::view::Standing;

use crate::house::{House, skip};

const MIB: usize = 1 << 20;
const DAY: Duration = Duration::from_secs(86_400);

/// A small file system, as healer sees it: it lives as long as the process whose mount namespace it is in.
struct Small {
    house: House,
    holder: Child,
}

impl Small {
    /// 32 MiB and 500 inodes, of which healer may remove old `*.gz` below `log`; `None` where nobody may make one.
    fn new() -> Option<Small> {
        let house = House::new(&[]);
        let at = house.path().join("small");
        fs::create_dir(&at).expect("the folder is ours");
        let mount = format!(
            "mount --make-rprivate / && mount -t tmpfs -o size=32m,nr_inodes=500 tmpfs {at} && mkdir {at}/log {at}/data \
             && echo ready > {ready} && exec sleep 1000",
            at = at.display(),
            ready = house.path().join("ready").display()
        );
        let words = ["--mount", "sh", "-c", &mount];
        let mut holder = Command::new("unshare").args(words).stderr(Stdio::null()).spawn().expect("unshare is there");
        let made = house.wait("the small file system", || {
            let ready = house.path().join("ready").exists().then_some(true);
            ready.or(holder.try_wait().expect("it is ours").map(|_| false))
        });
        if !made {
            skip("a small file system of one's own cannot be mounted here");
            return None;
        }
        let mut small = Small { house, holder };
        small.house.watch_disk(&small.path(), &format!("{}/log/*.gz", small.path().display()));
        small.house.end(rustix::process::Signal::TERM);
        small.house.start_within(small.holder.id());
        Some(small)
    }

    fn path(&self) -> PathBuf {
        self.house.path().join("small")
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    /// Where a file of it is found from out here.
    fn file(&self, name: &str) -> PathBuf {
        let inside = self.path().join(name);
        let inside = inside.strip_prefix("/").expect("it is a whole path");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    fn write(&self, name: &str, bytes: usize, age: Duration) {
        let path = self.file(name);
        fs::write(&path, vec![7; bytes]).expect("there is room");
        File::open(&path).expect("it is there").set_modified(SystemTime::now() - age).expect("it is ours");
    }

    fn wait_for_story(&self, words: &str) -> String {
        self.house.wait(&format!("the story to say {words:?}"), || {
            Some(self.house.why(&self.name())).filter(|story| story.contains(words))
        })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn what_is_listed_goes_once_it_is_full_and_nothing_else() {
    let Some(small) = Small::new() else { return };
    for name in ["log/1.gz", "log/2.gz"] {
        small.write(name, 6 * MIB, 3 * DAY);
    }
    small.write("log/new.gz", MIB, Duration::ZERO);
    small.write("log/app.log", MIB, 3 * DAY);
    let shown = small.house.cli_within(small.holder.id(), &["disks", "--all"]);
    assert!(
        shown.contains("would go by") && shown.contains("12 MiB in 2 files") && shown.contains("log/2.gz"),
        "{shown}"
    );
    assert!(!shown.contains("new.gz") && !shown.contains("app.log"), "{shown}");
    small.house.wait_for_standing(&small.name(), Standing::Well);
    small.write("data/big", 17 * MIB, Duration::ZERO);
    let story = small.wait_for_story("over: healed");
    assert!(story.contains("12 MiB in 2 files are gone"), "{story}");
    let left = |name: &str| small.file(name).exists();
    assert!(!left("log/1.gz") && !left("log/2.gz"));
    assert!(left("log/new.gz") && left("log/app.log") && left("data/big"));
    small.house.wait_for_standing(&small.name(), Standing::Well);
}

#[test]
fn who_holds_a_removed_file_open_is_named() {
    let Some(small) = Small::new() else { return };
    let mut holds = Command::new("sh");
    let script = format!(
        "exec 3>{0}; head -c 30000000 /dev/zero >&3; rm {0}; exec sleep 1000",
        small.file("data/app.log").display()
    );
    let mut holds = holds.args(["-c", &script]).process_group(0).spawn().expect("sh is there");
    let resource = small.house.wait_for_standing(&small.name(), Standing::NeedsYou);
    assert!(
        resource.why.contains(&format!("sleep (process {}) holds 28 MiB of removed files open", holds.id())),
        "{}",
        resource.why
    );
    // Its room comes back with its end, and healer notes that by itself.
    holds.kill().expect("it is ours");
    holds.wait().expect("it is ours");
    small.house.wait_for_standing(&small.name(), Standing::Well);
}

#[test]
fn a_file_system_without_inodes_is_full_however_much_room_it_has() {
    let Some(small) = Small::new() else { return };
    small.house.wait_for_standing(&small.name(), Standing::Well);
    for n in 0..470 {
        small.write(&format!("data/{n}"), 1, Duration::ZERO);
    }
    let resource = small.house.wait_for_standing(&small.name(), Standing::NeedsYou);
    assert!(
        resource.why.contains("no room for more files") && resource.why.contains("data holds most"),
        "{}",
        resource.why
    );
}
