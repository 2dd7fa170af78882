//! What the kernel tells of processes and sockets, read from `/proc`. It judges nothing.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use evidence::escape;

/// The state LISTEN in `/proc/net/tcp` (the kernel's `include/net/tcp_states.h`).
const LISTEN: &str = "0A";
const NAME_BYTES_MAX: usize = 60;
const PATH_BYTES_MAX: usize = 200;
/// No such process, and a stale file handle (errno(3)).
const ESRCH: i32 = 3;
const ESTALE: i32 = 116;
/// So many processes are looked through at most.
const PROCESSES_MAX: usize = 100_000;

/// The process that listens on a TCP port in the network namespace of another process. Reads a link for every open file of
/// every process: for a thread that may wait.
#[must_use]
pub fn listener(within: i32, port: u16) -> Option<u32> {
    let inodes: Vec<String> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/{within}/net/{table}")).ok())
        .flat_map(|table| listeners(&table, port).map(|inode| format!("socket:[{inode}]")).collect::<Vec<_>>())
        .collect();
    let processes = fs::read_dir("/proc").ok().filter(|_| !inodes.is_empty())?;
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |folder: &Path| {
        let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| inodes.iter().any(|one| link.as_os_str() == one.as_str()))
    };
    ids.take(PROCESSES_MAX).find(|pid| holds(Path::new(&format!("/proc/{pid}"))))
}

/// A process in words: its name, and its number.
#[must_use]
pub fn named(pid: u32) -> String {
    format!("{} (pid {pid})", name(pid.cast_signed()))
}

/// The name of a process, escaped; empty if it is no more.
#[must_use]
pub fn name(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    escape(name.trim(), NAME_BYTES_MAX)
}

/// A plain file that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// The process.
    pub pid: i32,
    /// Its path, escaped.
    pub path: String,
    /// The device that it is reached through: that of an overlay, where a container holds it.
    pub device: u64,
    /// Its inode. Through an overlay it is that of the file system below, where all of its layers lie on one (the kernel's
    /// `Documentation/filesystems/overlayfs.rst`).
    pub inode: u64,
    /// What it takes, in blocks of 512 bytes.
    pub blocks: i64,
    /// It has no name any more.
    pub removed: bool,
}

/// The plain files that somebody has open, on whatever device, as far as healer may look at the processes. For a thread that
/// may wait.
///
/// # Errors
/// When something else keeps it from looking: then nobody knows what is open.
pub fn open_files() -> io::Result<Vec<OpenFile>> {
    let mut open = Vec::new();
    for pid in processes()? {
        for link in links_of(&format!("/proc/{pid}/fd"))? {
            open.extend(file_of(pid, &link)?);
        }
    }
    Ok(open)
}

/// The inodes, of whatever device, of all that is held: open files, what is mapped into memory, and what is behind a loop
/// device.
///
/// # Errors
/// As [`open_files`].
pub fn held_inodes() -> io::Result<BTreeSet<u64>> {
    let mut held: BTreeSet<u64> = open_files()?.into_iter().map(|file| file.inode).collect();
    for pid in processes()? {
        let maps = passing(fs::read_to_string(format!("/proc/{pid}/maps")))?.unwrap_or_default();
        held.extend(maps.lines().filter_map(mapped));
    }
    for device in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let Ok(path) = fs::read_to_string(device.path().join("loop/backing_file")) else { continue };
        held.extend(passing(fs::metadata(path.trim_end()))?.map(|told| told.ino()));
    }
    Ok(held)
}

/// The inode of a line of `/proc/PID/maps` (proc(5)), if a file is mapped.
fn mapped(line: &str) -> Option<u64> {
    line.split_whitespace().nth(4)?.parse().ok().filter(|inode| *inode != 0)
}

/// Whether what a process reaches through a device lies on another one: it is an overlay whose upper layer does.
#[must_use]
pub fn is_overlay_on(pid: i32, overlay: u64, device: u64) -> bool {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let upper = mounts.lines().filter(|line| line.contains(" - overlay ")).find_map(|line| {
        let mut fields = line.split_whitespace();
        let (major, minor) = fields.nth(2)?.split_once(':')?;
        let same = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?) == overlay;
        let upper = line.split(',').find_map(|option| option.strip_prefix("upperdir="))?;
        same.then(|| upper.to_owned())
    });
    upper.and_then(|upper| fs::metadata(upper).ok()).is_some_and(|told| told.dev() == device)
}

fn processes() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?;
    let ids: Vec<i32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    if ids.len() > PROCESSES_MAX {
        return Err(io::Error::other(format!("more than {PROCESSES_MAX} processes")));
    }
    Ok(ids)
}

fn links_of(folder: &str) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = passing(fs::read_dir(folder))? else { return Ok(Vec::new()) };
    let mut links = Vec::new();
    for entry in entries {
        links.extend(passing(entry)?.map(|entry| entry.path()));
    }
    Ok(links)
}

fn file_of(pid: i32, link: &Path) -> io::Result<Option<OpenFile>> {
    let Some(target) = passing(fs::read_link(link))? else { return Ok(None) };
    // Sockets and pipes have no path, and what is not there to be looked at is no plain file.
    if !target.is_absolute() {
        return Ok(None);
    }
    let Some(told) = passing(fs::metadata(link))?.filter(Metadata::is_file) else { return Ok(None) };
    let path = target.to_string_lossy();
    let path = escape(path.strip_suffix(" (deleted)").unwrap_or(&path), PATH_BYTES_MAX);
    let blocks = i64::try_from(told.blocks()).unwrap_or(i64::MAX);
    let (device, inode, removed) = (told.dev(), told.ino(), told.nlink() == 0);
    Ok(Some(OpenFile { pid, path, device, inode, blocks, removed }))
}

/// What may not be looked at, or has gone meanwhile, is passed over. Anything else is nobody's to pass over.
fn passing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind as K;
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), K::NotFound | K::PermissionDenied) => Ok(None),
        // The process has gone, or the file lies where nobody answers any more.
        Err(error) if matches!(error.raw_os_error(), Some(ESRCH | ESTALE)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The inodes of the sockets that listen on a port, in a table as `/proc/net/tcp` has it.
fn listeners(table: &str, port: u16) -> impl Iterator<Item = &str> {
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter_map(move |fields| {
        let (_, hex) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(hex, 16).ok()? == port && *fields.get(3)? == LISTEN;
        fields.get(9).copied().filter(|_| is_it)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_is_found_by_the_port_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = i32::try_from(std::process::id()).unwrap();
        let found = super::listener(me, port);
        assert_eq!(found, u32::try_from(me).ok());
        let name = found.map(named).unwrap();
        assert!(name.ends_with(&format!("(pid {me})")), "{name}");
        drop(listener);
        assert_eq!(super::listener(me, port), None);
    }

    #[test]
    fn a_mapped_file_is_held_though_its_descriptor_is_closed() {
        let maps = "7f0c-7f0d r--p 00000000 fe:00 4711   /usr/lib/libc.so\n7f0e-7f0f rw-p 00000000 00:00 0 \nnonsense";
        assert_eq!(maps.lines().filter_map(mapped).collect::<Vec<_>>(), [4711]);
        let me = fs::metadata(std::env::current_exe().unwrap()).unwrap().ino();
        assert!(held_inodes().unwrap().contains(&me), "the program that runs is held");
    }

    #[test]
    fn what_is_not_known_is_no_answer() {
        assert!(passing::<()>(Err(io::ErrorKind::NotFound.into())).unwrap().is_none());
        assert!(passing::<()>(Err(io::Error::from_raw_os_error(24))).is_err(), "too many open files");
    }

    #[test]
    fn a_connection_from_that_port_is_no_listener() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100\n   \
                     1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100\n   \
                     2: nonsense";
        assert_eq!(listeners(table, 8080).collect::<Vec<_>>(), ["41"]);
        assert_eq!(listeners(table, 80).count(), 0);
    }
}
