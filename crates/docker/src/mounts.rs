//! The mounts that this machine's table asks for, and that are not there: a disk that is late after a boot, or a server of
//! files that does not answer yet. What is started without them finds an empty folder in their place, and a database makes
//! itself anew in it.
//!
//! ```text
//! /etc/fstab            nas:/data  /srv/data  nfs  nofail  0 0
//! /proc/self/mountinfo  (no line whose mount point is /srv/data)       ⇒ /srv/data is missing
//! ```
//!
//! An automount of systemd is there as soon as it waits for its first visitor: that is a mount of its own.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidence::{escape, escape_bytes};
use model::fact::lies_on;
use model::verdict::Hold;

const FSTAB: &str = "/etc/fstab";
/// Names another table, to `mount` too (mount(8)).
const FSTAB_VARIABLE: &str = "LIBMOUNT_FSTAB";
const MOUNTINFO: &str = "/proc/self/mountinfo";

const FSTAB_BYTES_MAX: u64 = 1024 * 1024;
/// Ten thousand containers have some ten thousand mounts, of a kilobyte at most.
const MOUNTINFO_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A path is no longer than that on Linux (PATH_MAX); escaped, it may be.
pub(crate) const PATH_BYTES_MAX: usize = 4096;
/// So many mount points of the table are minded.
const POINTS_MAX: usize = 256;
/// To find out where a path leads asks its file systems, of which one may not answer.
const LEADS_WITHIN: Duration = Duration::from_secs(2);

/// What this machine's table of mounts asks for, compared with what is mounted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mounts {
    fstab: PathBuf,
    mountinfo: PathBuf,
}

impl Default for Mounts {
    fn default() -> Mounts {
        Mounts::read_from(std::env::var_os(FSTAB_VARIABLE).unwrap_or(FSTAB.into()), MOUNTINFO)
    }
}

impl Mounts {
    /// The same by other files: a table as fstab(5), and what is mounted as proc_pid_mountinfo(5).
    #[must_use]
    pub fn read_from(fstab: impl Into<PathBuf>, mountinfo: impl Into<PathBuf>) -> Mounts {
        Mounts { fstab: fstab.into(), mountinfo: mountinfo.into() }
    }

    /// The mount points that are asked for and not mounted, escaped. A point that is reached by a symbolic link is told by
    /// both of its paths. Asks file systems where paths lead, so it may take its time.
    ///
    /// # Errors
    /// When one of the files cannot be read; a machine without a table asks for nothing.
    pub fn missing(&self) -> io::Result<BTreeSet<String>> {
        let table = match read(&self.fstab, FSTAB_BYTES_MAX) {
            Ok(table) => table,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(named(&self.fstab, &error)),
        };
        let wanted = wanted(&table);
        if wanted.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mounted = read(&self.mountinfo, MOUNTINFO_BYTES_MAX).map_err(|error| named(&self.mountinfo, &error))?;
        let mounted = mounted_points(&mounted);
        let mut missing = BTreeSet::new();
        for point in wanted.into_iter().filter(|point| !mounted.contains(point)) {
            // `mount` follows links, and so does what it writes down.
            let real = std::fs::canonicalize(&point).unwrap_or_else(|_| point.clone());
            if !mounted.contains(&real) {
                missing.extend([&point, &real].map(|path| escape_bytes(path.as_os_str().as_bytes(), PATH_BYTES_MAX)));
            }
        }
        Ok(missing)
    }

    /// Why what has files at these paths of the host, escaped, is not to be started at this moment. Follows links, which
    /// the paths alone do not tell.
    pub(crate) async fn forbid(&self, paths: BTreeSet<String>) -> Option<String> {
        if paths.is_empty() {
            return None;
        }
        let mounts = self.clone();
        let asked = tokio::task::spawn_blocking(move || mounts.missing_of(&paths));
        match tokio::time::timeout(LEADS_WITHIN, asked).await {
            Ok(Ok(Ok(mount))) => Some(Hold::MountMissing { mount: mount? }.to_string()),
            Ok(Ok(Err(error))) => Some(format!("nobody can tell whether what it needs is mounted: {error}")),
            Ok(Err(_)) | Err(_) => Some("nobody can tell in time whether what it needs is mounted".to_owned()),
        }
    }

    /// Whether anything is missing, as far as can be told; what cannot be told may be.
    pub(crate) async fn may_lack(&self) -> bool {
        let mounts = self.clone();
        let asked = tokio::task::spawn_blocking(move || mounts.missing());
        let told = tokio::time::timeout(LEADS_WITHIN, asked).await;
        !matches!(told, Ok(Ok(Ok(missing))) if missing.is_empty())
    }

    fn missing_of(&self, paths: &BTreeSet<String>) -> io::Result<Option<String>> {
        let missing = self.missing()?;
        // Where nothing is missing no file system is asked that may not answer.
        let leads = |path: &String| {
            let real = real_path(Path::new(path)).map(|real| escape(&real.to_string_lossy(), PATH_BYTES_MAX));
            [Some(path.clone()), real].into_iter().flatten().collect::<Vec<_>>()
        };
        let on = |path: &String| missing.iter().find(|mount| lies_on(path, mount)).cloned();
        Ok(if missing.is_empty() { None } else { paths.iter().flat_map(leads).find_map(|path| on(&path)) })
    }
}

/// Where a path leads, as far as it is there: what a mount hides is not.
fn real_path(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|there| {
        let real = std::fs::canonicalize(there).ok()?;
        Some(real.join(path.strip_prefix(there).ok()?))
    })
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))
}

fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut text)?;
    // Half a list of what is mounted would tell that the rest is not.
    let is_whole = u64::try_from(text.len()).is_ok_and(|len| len <= bytes_max);
    if is_whole { Ok(text) } else { Err(io::Error::other(format!("it is longer than {bytes_max} bytes"))) }
}

/// The mount points that a table asks for at a boot.
fn wanted(fstab: &[u8]) -> BTreeSet<PathBuf> {
    fstab.split(|byte| *byte == b'\n').filter_map(wanted_by).take(POINTS_MAX).collect()
}

fn wanted_by(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|field| !field.is_empty());
    let (device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
    let options = fields.next().unwrap_or_default();
    if device.starts_with(b"#") || matches!(kind, b"swap" | b"ignore") {
        return None;
    }
    let has = |option: &[u8]| options.split(|byte| *byte == b',').any(|other| other == option);
    // With systemd's automount `noauto` says nothing (systemd.mount(5)).
    let automount = has(b"x-systemd.automount") || has(b"comment=systemd.automount");
    if has(b"noauto") && !automount {
        return None;
    }
    let point = path(point);
    (point.is_absolute() && point != Path::new("/")).then_some(point)
}

/// All mount points: the fifth field (proc_pid_mountinfo(5)).
fn mounted_points(mountinfo: &[u8]) -> BTreeSet<PathBuf> {
    let point = |line: &[u8]| line.split(|byte| *byte == b' ').nth(4).map(path);
    mountinfo.split(|byte| *byte == b'\n').filter_map(point).collect()
}

/// A path as both files write it (`\040` for a space), without what makes no difference to it.
fn path(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), after)
            }
            (byte, after) => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Path::new(OsStr::from_bytes(&bytes)).components().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine with this table and these mount points, below a folder of its own.
    struct Machine {
        folder: tempfile::TempDir,
    }

    impl Machine {
        fn new(fstab: &[u8], mounted: &[&str]) -> Machine {
            let machine = Machine { folder: tempfile::tempdir().unwrap() };
            fs::write(machine.at("fstab"), fstab).unwrap();
            let line = |point: &&str| format!("36 35 98:0 / {point} rw,noatime master:1 - ext3 /dev/root rw\n");
            fs::write(machine.at("mountinfo"), mounted.iter().map(line).collect::<String>()).unwrap();
            machine
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn mounts(&self) -> Mounts {
            Mounts::read_from(self.at("fstab"), self.at("mountinfo"))
        }

        fn missing(&self) -> Vec<String> {
            self.mounts().missing().unwrap().into_iter().collect()
        }
    }

    #[test]
    fn what_the_table_asks_for_and_is_not_mounted_is_missing() {
        let table = [
            ("late", "nas:/d /srv/data nfs defaults 0 0", &["/"][..], &["/srv/data"][..]),
            ("there", "nas:/d /srv/data nfs defaults 0 0", &["/", "/srv/data"], &[]),
            ("another is there", "nas:/d /srv/data nfs", &["/srv/data2", "/srv"], &["/srv/data"]),
            ("without options", "UUID=1 /srv/data ext4", &["/"], &["/srv/data"]),
            ("it may fail", "UUID=1 /srv/data ext4 rw,nofail 0 2", &["/"], &["/srv/data"]),
            ("by hand", "UUID=1 /srv/data ext4 rw,noauto 0 2", &["/"], &[]),
            ("no such option", "UUID=1 /srv/data ext4 noautofs 0 2", &["/"], &["/srv/data"]),
            ("at its first use", "nas:/d /srv/data nfs noauto,x-systemd.automount", &["/"], &["/srv/data"]),
            ("a comment", "  # nas:/d /srv/data nfs defaults\n#nas:/d /srv/data nfs", &["/"], &[]),
            ("swap", "/dev/sda2 none swap sw 0 0\n/swapfile swap swap sw\n/dev/sdb /srv/x swap sw", &["/"], &[]),
            ("no path", "tmpfs none tmpfs defaults\ntmpfs srv/data tmpfs defaults", &["/"], &[]),
            ("the root", "UUID=1 / ext4 defaults 0 1", &[], &[]),
            ("tabs and a slash too many", "\tnas:/d\t\t/srv//data/ \t nfs4\tro\r", &["/"], &["/srv/data"]),
            ("the same with it there", "nas:/d /srv/data/ nfs4 ro", &["/srv/data"], &[]),
            ("a space", "UUID=1 /srv/my\\040data ext4", &["/"], &["/srv/my data"]),
            ("a space, there", "UUID=1 /srv/my\\040data ext4", &["/srv/my\\040data"], &[]),
            ("a backslash, there", "UUID=1 /srv/a\\134040b ext4", &["/srv/a\\134040b"], &[]),
            (
                "what is no escape",
                "UUID=1 /srv/a\\9\\04 ext4\nx /srv/b\\777 ext4",
                &["/"],
                &["/srv/a\\9\\04", "/srv/b\\777"],
            ),
            ("garbage", "\\\n,\n/srv/data\n\u{0}\u{0} \u{0}\n \t \nnas:/d /srv/data", &["/"], &[]),
            ("one line is good", "]]]] [[[[\nnas:/d /srv/data nfs\n{\"a\": 1}", &["/"], &["/srv/data"]),
            ("twice", "a /srv/data nfs\nb /srv/data nfs", &["/"], &["/srv/data"]),
        ];
        for (case, fstab, mounted, expect) in table {
            assert_eq!(Machine::new(fstab.as_bytes(), mounted).missing(), expect, "{case}");
        }
    }

    #[test]
    fn what_the_table_writes_is_bounded_and_escaped() {
        let evil = Machine::new(b"x /srv/\x1b[2J\xff\\012y nfs\n", &["/"]);
        assert_eq!(evil.missing(), ["/srv/\\x1b[2J\\xff\\ny"]);
        let long = Machine::new(format!("x /{} nfs\n", "a".repeat(100_000)).as_bytes(), &["/"]);
        assert!(long.missing()[0].len() <= PATH_BYTES_MAX);
        let many: String = (0..5_000).map(|n| format!("x /srv/{n} nfs\n")).collect();
        assert_eq!(Machine::new(many.as_bytes(), &["/"]).missing().len(), POINTS_MAX);
    }

    #[test]
    fn what_is_mounted_may_be_garbage() {
        let machine = Machine::new(b"nas:/d /srv/data nfs\n", &[]);
        fs::write(machine.at("mountinfo"), b"\xff\xfe\n1 2 3\n\n36 35 98:0 / /srv/data rw - nfs nas:/d rw").unwrap();
        assert!(machine.missing().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_not_known_and_no_table_asks_for_nothing() {
        let machine = Machine::new(b"nas:/d /srv/data nfs\n", &["/"]);
        fs::remove_file(machine.at("mountinfo")).unwrap();
        assert!(machine.mounts().missing().unwrap_err().to_string().contains("mountinfo cannot be read"));
        fs::write(machine.at("fstab"), "#\n").unwrap();
        assert!(machine.missing().is_empty(), "nothing is asked for, so nobody looks");
        fs::write(machine.at("fstab"), vec![b'#'; 2 * 1024 * 1024]).unwrap();
        assert!(machine.mounts().missing().unwrap_err().to_string().contains("longer than"));
        fs::remove_file(machine.at("fstab")).unwrap();
        assert!(machine.missing().is_empty());
    }

    #[test]
    fn a_mount_point_may_be_reached_by_a_link() {
        let machine = Machine::new(b"", &[]);
        let (disk, link) = (machine.at("disk"), machine.at("link"));
        fs::create_dir(&disk).unwrap();
        symlink(&disk, &link).unwrap();
        let (disk, link) = (disk.display().to_string(), link.display().to_string());
        fs::write(machine.at("fstab"), format!("x {link} ext4\n")).unwrap();
        assert_eq!(machine.missing(), [disk.clone(), link]);
        fs::write(machine.at("mountinfo"), format!("1 2 3:4 / {disk} rw - ext4 x rw\n")).unwrap();
        assert!(machine.missing().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_started_whose_path_leads_to_a_missing_mount() {
        let machine = Machine::new(b"", &[]);
        let (disk, link) = (machine.at("disk"), machine.at("link"));
        fs::create_dir(&disk).unwrap();
        symlink(&disk, &link).unwrap();
        let (disk, link) = (disk.display().to_string(), link.display().to_string());
        fs::write(machine.at("fstab"), format!("x {disk} ext4\n")).unwrap();
        let forbids = async |path: String| machine.mounts().forbid([path].into()).await;
        let says = Some(format!("{disk} is in /etc/fstab and not mounted: the start waits for it"));
        for path in [disk.clone(), format!("{disk}/db"), format!("{link}/db/not/there"), link.clone()] {
            assert_eq!(forbids(path.clone()).await, says, "{path}");
        }
        assert_eq!(forbids(format!("{disk}2/db")).await, None);
        fs::write(machine.at("mountinfo"), format!("1 2 3:4 / {disk} rw - ext4 x rw\n")).unwrap();
        assert_eq!(forbids(format!("{link}/db")).await, None);
        fs::remove_file(machine.at("mountinfo")).unwrap();
        assert!(forbids(link).await.is_some_and(|why| why.contains("cannot be read")));
    }
}
