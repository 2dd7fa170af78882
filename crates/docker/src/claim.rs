//! One healer per engine: a claim that the kernel takes back when its holder dies, however it dies.
//!
//! Two healers on one engine would take each other's stops for a person's, and mend everything twice. Where the engine's
//! folder can be opened, the claim is a lock on that: healers in containers that mount it see it too, and nobody else can
//! take it. Besides, it is a unix socket with an abstract name, which tells whose it is to those who may not open the
//! folder; it is seen within one network namespace, and believed of root and of our own user alone, since anybody can make
//! such a name.

use std::fs::File;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};

/// Whose an engine is.
#[derive(Debug)]
pub(crate) enum Claim {
    /// This process's, for as long as this lives.
    Ours { _folder: Option<File>, name: Option<UnixListener> },
    /// Another process's, by its number where that can be told.
    Theirs(Option<i32>),
    /// This process's, under another name that it has for the engine.
    Twice,
    /// It was not tried yet, or cannot be claimed: the engine tells neither its id nor its folder.
    Nobodys,
}

impl Claim {
    /// Claims the engine with this [`identity`], whose folder this is if it is on this machine.
    pub(crate) fn on(identity: &str, folder: Option<&Path>) -> Claim {
        let name = name(identity);
        let folder = folder.and_then(|folder| File::open(folder.join("containers")).ok());
        let taken = |folder: &File| flock(folder, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
        let is_held = folder.as_ref().is_some_and(taken);
        let address = SocketAddr::from_abstract_name(&name).ok().filter(|_| !identity.is_empty());
        let holder = || holder(&name).filter(|(_, uid)| *uid == 0 || *uid == geteuid().as_raw());
        if is_held {
            return Claim::held_by(holder().map(|(pid, _)| pid));
        }
        match address.as_ref().map(UnixListener::bind_addr) {
            Some(Ok(name)) => Claim::ours(folder, Some(name)),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::AddrInUse => match holder() {
                Some((pid, _)) => Claim::held_by(Some(pid)),
                None => Claim::ours(folder, None),
            },
            Some(Err(_)) | None if folder.is_some() => Claim::ours(folder, None),
            Some(Err(_)) | None => Claim::Nobodys,
        }
    }

    fn held_by(pid: Option<i32>) -> Claim {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        if pid == Some(own) { Claim::Twice } else { Claim::Theirs(pid) }
    }

    fn ours(folder: Option<File>, name: Option<UnixListener>) -> Claim {
        // Whoever asks whose it is hangs up at once; see `refresh`.
        let name = name.filter(|name| name.set_nonblocking(true).is_ok());
        Claim::Ours { _folder: folder, name }
    }

    /// Claims it, unless it is ours already: then those who asked whose it is make room for the next.
    pub(crate) fn refresh(&mut self, identity: &str, folder: Option<&Path>) {
        match self {
            Claim::Ours { name: Some(name), .. } => while name.accept().is_ok() {},
            Claim::Ours { name: None, .. } => {}
            Claim::Theirs(_) | Claim::Twice | Claim::Nobodys => *self = Claim::on(identity, folder),
        }
    }

    /// Who cares for the engine's containers in our place, in words.
    pub(crate) fn other(&self) -> Option<String> {
        match self {
            Claim::Ours { .. } | Claim::Nobodys => None,
            Claim::Theirs(Some(pid)) => Some(format!("another healer (pid {pid})")),
            Claim::Theirs(None) => Some("another healer".to_owned()),
            Claim::Twice => Some("this healer, under the engine's other name,".to_owned()),
        }
    }
}

/// Which engine it is, whichever way it is reached; empty if it does not tell its id. Engines of one machine may share that,
/// since their packages keep it in `/etc/docker`: their folders are two. So may clones of a machine: their names are two.
pub(crate) fn identity(id: &str, host: &str, folder: &str) -> String {
    if id.is_empty() { String::new() } else { [id, host, folder].join("\0") }
}

fn name(identity: &str) -> String {
    let digest = Sha256::digest(identity);
    let short: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("healer/engine/{short}")
}

/// The process that listens under this name, and its user. Never waits: a full queue tells nothing.
fn holder(name: &str) -> Option<(i32, u32)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let asking = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    connect(&asking, &SocketAddrUnix::new_abstract_name(name.as_bytes()).ok()?).ok()?;
    let peer = socket_peercred(&asking).ok()?;
    Some((peer.pid.as_raw_nonzero().get(), peer.uid.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(what: &str) -> String {
        format!("TEST:{what}:{}", std::process::id())
    }

    #[test]
    fn an_engine_is_claimed_once_until_its_holder_lets_go() {
        let id = own("id");
        let first = Claim::on(&id, None);
        assert_eq!(first.other(), None);
        assert!(matches!(Claim::on(&id, None), Claim::Twice), "here it is the same process");
        assert_eq!(Claim::on(&own("other"), None).other(), None);
        drop(first);
        assert!(matches!(Claim::on(&id, None), Claim::Ours { .. }));
    }

    #[test]
    fn engines_that_share_an_id_are_told_apart_by_their_machines_names_and_by_their_folders() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("containers")).unwrap();
        let id = own("shared");
        let engine = |host: &str, root: &str| identity(&id, host, root);
        let one = Claim::on(&engine("vm", "/var/lib/docker"), Some(folder.path()));
        assert_eq!(one.other(), None);
        assert_eq!(Claim::on(&engine("vm", "/data/docker"), None).other(), None);
        assert_eq!(Claim::on(&engine("clone", "/var/lib/docker"), None).other(), None);
        // However it is reached a second time, by its socket or over TCP.
        for folder in [Some(folder.path()), None] {
            assert!(matches!(Claim::on(&engine("vm", "/var/lib/docker"), folder), Claim::Twice), "{folder:?}");
        }
        assert_eq!(identity("", "vm", "/var/lib/docker"), "");
    }

    #[test]
    fn an_engines_folder_is_claimed_whatever_the_network_namespace() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("containers")).unwrap();
        // Another namespace has other names: here, another id.
        let first = Claim::on(&own("a"), Some(folder.path()));
        let mut second = Claim::on(&own("b"), Some(folder.path()));
        assert_eq!((first.other(), second.other()), (None, Some("another healer".to_owned())));
        drop(first);
        second.refresh(&own("b"), Some(folder.path()));
        assert_eq!(second.other(), None);
    }

    #[test]
    fn many_who_ask_whose_it_is_wait_for_nobody_and_fill_nothing_up() {
        let id = own("many");
        let mut first = Claim::on(&id, None);
        for _ in 0..3 {
            for _ in 0..2_000 {
                assert!(Claim::on(&id, None).other().is_some());
            }
            first.refresh(&id, None);
        }
    }

    #[test]
    fn an_engine_that_tells_neither_id_nor_folder_is_nobodys() {
        assert!(matches!(Claim::on("", None), Claim::Nobodys));
        assert!(matches!(Claim::on("", Some(Path::new("/no/such/folder"))), Claim::Nobodys));
    }
}
