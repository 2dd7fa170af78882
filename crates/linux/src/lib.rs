//! What the kernel tells of processes and sockets, read from `/proc`. It judges nothing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use evidence::escape;

/// The state LISTEN in `/proc/net/tcp` (the kernel's `include/net/tcp_states.h`).
const LISTEN: &str = "0A";
const NAME_BYTES_MAX: usize = 60;
const PATH_BYTES_MAX: usize = 200;
/// So many processes are looked through at most.
const PROCESSES_MAX: usize = 20_000;

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

/// A file that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// The process.
    pub pid: i32,
    /// Its path, escaped.
    pub path: String,
    /// Its inode.
    pub inode: u64,
    /// What it takes, in blocks of 512 bytes.
    pub blocks: i64,
    /// It has no name any more.
    pub removed: bool,
}

/// The plain files of a device that somebody has open, as far as the processes may be looked at. For a thread that may wait.
#[must_use]
pub fn open_files(device: u64) -> Vec<OpenFile> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).take(PROCESSES_MAX);
    ids.flat_map(|pid| files_of(pid, device)).collect()
}

fn files_of(pid: i32, device: u64) -> Vec<OpenFile> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let open = files.filter_map(|file| {
        // Follows the link to the file itself, whatever its name is by now.
        let told = fs::metadata(file.path()).ok().filter(|told| told.is_file() && told.dev() == device)?;
        let link = fs::read_link(file.path()).ok()?;
        let link = link.to_string_lossy();
        let path = link.strip_suffix(" (deleted)").unwrap_or(&link);
        let (inode, blocks) = (told.ino(), i64::try_from(told.blocks()).unwrap_or(i64::MAX));
        Some(OpenFile { pid, path: escape(path, PATH_BYTES_MAX), inode, blocks, removed: told.nlink() == 0 })
    });
    open.collect()
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
    fn a_connection_from_that_port_is_no_listener() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100\n   \
                     1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100\n   \
                     2: nonsense";
        assert_eq!(listeners(table, 8080).collect::<Vec<_>>(), ["41"]);
        assert_eq!(listeners(table, 80).count(), 0);
    }
}
