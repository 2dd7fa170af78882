//! The unix socket: a place in `state_dir` that its owner may speak to, and the user at its other end.
//!
//! The directory decides who else may: one that lets its group in and nobody else (mode 0710 or 0750) has a socket for
//! that group (0660), any other one for its owner alone (0600). healer makes its directory 0700. A group is let in by
//! somebody who means it, and not because it happens to be everybody's first group.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::error::Error;

/// The socket's name in `state_dir`.
pub const SOCKET_FILE: &str = "healer.sock";

/// The owner may connect.
const MODE_ALONE: u32 = 0o600;
/// Owner and group may.
const MODE_GROUP: u32 = 0o660;
/// The directory's bits that say who may pass it.
const GROUP_PASSES: u32 = 0o010;
const OTHERS_PASS: u32 = 0o001;
/// `sun_path` holds 108 bytes with its final zero.
const PATH_BYTES_MAX: usize = 107;

/// The bound socket. Its file goes when this does, unless it is another's by then.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    inode: (u64, u64),
    listener: UnixListener,
}

impl Socket {
    /// Binds `healer.sock`. A file that a dead healer left is replaced; one that somebody answers on is not.
    ///
    /// The socket is made under another name, given its mode, and then renamed: there is no moment in which it can be
    /// connected to by more than it should.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn bind(state_dir: &Path) -> Result<Socket, Error> {
        let path = state_dir.join(SOCKET_FILE);
        let fresh = state_dir.join(format!("{SOCKET_FILE}.{}", std::process::id()));
        let bytes = fresh.as_os_str().as_bytes().len();
        if bytes > PATH_BYTES_MAX {
            let max = PATH_BYTES_MAX - (bytes - path.as_os_str().as_bytes().len());
            return Err(Error::PathTooLong { bytes: path.as_os_str().as_bytes().len(), path, max });
        }
        vacant(&path).await?;
        let failed = |what: &str, path: &Path| {
            let what = format!("{what} {}", path.display());
            move |error| Error::Io { what, error }
        };
        // Only this process, or a dead one of the same number, makes this name.
        remove_if_there(&fresh).map_err(failed("remove", &fresh))?;
        let listener = UnixListener::bind(&fresh).map_err(failed("make the socket", &fresh))?;
        let mode = let_in(state_dir, &fresh).map_err(failed("let the group of state_dir speak to", &fresh))?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(mode)).map_err(failed("set the mode of", &fresh))?;
        let inode = inode(&fresh).map_err(failed("look at", &fresh))?;
        fs::rename(&fresh, &path).map_err(failed("put the socket at", &path))?;
        Ok(Socket { path, inode, listener })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            // Nobody is left to be told.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Gives the socket to the group that may pass its directory, if one may, and says which mode it shall have.
fn let_in(state_dir: &Path, socket: &Path) -> io::Result<u32> {
    let dir = fs::metadata(state_dir)?;
    if dir.mode() & (GROUP_PASSES | OTHERS_PASS) != GROUP_PASSES {
        return Ok(MODE_ALONE);
    }
    if fs::symlink_metadata(socket)?.gid() != dir.gid() {
        lchown(socket, None, Some(dir.gid()))?;
    }
    Ok(MODE_GROUP)
}

/// Whether a healer answers in this state directory.
#[must_use]
pub fn answers(state_dir: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(state_dir.join(SOCKET_FILE)).is_ok()
}

/// Whether the socket's name can be taken.
async fn vacant(path: &Path) -> Result<(), Error> {
    let failed = |error| Error::Io { what: format!("look at {}", path.display()), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.file_type().is_socket() => return Err(Error::InTheWay(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(Error::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// The user's name, or `uid 1000` where the host's own list has none.
pub(crate) fn user(uid: u32) -> String {
    let list = fs::read("/etc/passwd").unwrap_or_default();
    name_in(&String::from_utf8_lossy(&list), uid).unwrap_or_else(|| format!("uid {uid}"))
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let fits = |line: &&str| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(uid);
    let name = passwd.lines().find(fits)?.split(':').next()?;
    // A name that could be mistaken for something else, or that would break a line, is told by its number.
    let plain = |c: char| c.is_alphanumeric() || "._-@\\$+".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_name_is_read_from_the_hosts_list() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\n# nonsense\nann:x:1000:1000::/home/ann:/bin/sh\nbad name:x:7:7:::\n:x:8:8:::\n";
        let table = [(0, Some("root")), (1000, Some("ann")), (1001, None), (7, None), (8, None)];
        for (uid, expect) in table {
            assert_eq!(name_in(passwd, uid).as_deref(), expect, "{uid}");
        }
    }

    #[tokio::test]
    async fn a_dead_healers_socket_is_replaced_and_a_living_ones_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_FILE);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the dead healer left no file");

        let socket = Socket::bind(dir.path()).await.unwrap();
        assert!(matches!(Socket::bind(dir.path()).await.unwrap_err(), Error::Taken(at) if at == path));
        drop(socket);
        assert!(!path.exists(), "the socket's file was left behind");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_socket_is_for_whom_the_directory_lets_in() {
        let dir = tempfile::tempdir().unwrap();
        // Another group than this process's own can be given only by root.
        let gid = if is_root() { 12_345 } else { fs::metadata(dir.path()).unwrap().gid() };
        lchown(dir.path(), None, Some(gid)).unwrap();
        for (of_dir, expect) in [(0o700, 0o600), (0o710, 0o660), (0o750, 0o660), (0o2770, 0o660), (0o755, 0o600)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(of_dir)).unwrap();
            let socket = Socket::bind(dir.path()).await.unwrap();
            let file = fs::metadata(socket.path()).unwrap();
            assert_eq!(file.mode() & 0o7777, expect, "{of_dir:o}");
            assert!(expect == 0o600 || file.gid() == gid, "{of_dir:o}");
        }
    }

    fn is_root() -> bool {
        fs::metadata("/proc/self").unwrap().uid() == 0
    }

    #[tokio::test]
    async fn the_successors_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = Socket::bind(dir.path()).await.unwrap();
        fs::remove_file(first.path()).unwrap();
        let second = Socket::bind(dir.path()).await.unwrap();
        drop(first);
        assert!(second.path().exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(SOCKET_FILE), "precious").unwrap();
        assert!(matches!(Socket::bind(dir.path()).await.unwrap_err(), Error::InTheWay(_)));
        assert_eq!(fs::read_to_string(dir.path().join(SOCKET_FILE)).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_path_that_no_socket_can_have_is_refused_with_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let error = Socket::bind(&deep).await.unwrap_err().to_string();
        assert!(error.contains("too long for a socket") && error.contains("shorter state_dir"), "{error}");
        assert!(Socket::bind(&dir.path().join("none")).await.unwrap_err().to_string().contains("No such file"));
    }
}
