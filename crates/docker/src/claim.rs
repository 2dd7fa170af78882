//! One healer per engine: a claim on an engine's id, that the kernel releases when its holder dies, however it dies.
//!
//! Two healers on one engine would take each other's stops for a person's, and mend everything twice. The claim is a unix
//! socket with an abstract name: it needs no folder and no rights, and leaves nothing behind. It is seen within one network
//! namespace only; healers in containers with networks of their own do not see each other's.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

/// Whose an engine is.
#[derive(Debug)]
pub(crate) enum Claim {
    /// This process's, for as long as this lives.
    Ours { _held: UnixListener },
    /// Another process's, by its number where that can be told.
    Theirs(Option<i32>),
    /// It cannot be claimed: the engine does not tell its id, or the kernel has no abstract names.
    Nobodys,
}

impl Claim {
    /// Claims the engine with this id, if nobody has.
    pub(crate) fn on(engine_id: &str) -> Claim {
        let name = format!("healer/engine/{engine_id}");
        let Some(address) = SocketAddr::from_abstract_name(name).ok().filter(|_| !engine_id.is_empty()) else {
            return Claim::Nobodys;
        };
        match UnixListener::bind_addr(&address) {
            Ok(held) => Claim::Ours { _held: held },
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Claim::Theirs(holder(&address)),
            Err(_) => Claim::Nobodys,
        }
    }

    /// Who cares for the engine's containers in our place, in words.
    pub(crate) fn other(&self) -> Option<String> {
        match self {
            Claim::Ours { .. } | Claim::Nobodys => None,
            Claim::Theirs(Some(pid)) => Some(format!("another healer (pid {pid})")),
            Claim::Theirs(None) => Some("another healer".to_owned()),
        }
    }
}

/// The process that listens there.
fn holder(address: &SocketAddr) -> Option<i32> {
    let stream = UnixStream::connect_addr(address).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(peer.pid.as_raw_nonzero().get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_claimed_once_until_its_holder_lets_go() {
        let id = format!("TEST:{}", std::process::id());
        let first = Claim::on(&id);
        assert_eq!(first.other(), None);
        let second = Claim::on(&id).other().unwrap();
        assert_eq!(second, format!("another healer (pid {})", std::process::id()));
        assert_eq!(Claim::on(&format!("{id}:other")).other(), None);
        drop(first);
        assert!(matches!(Claim::on(&id), Claim::Ours { .. }));
    }

    #[test]
    fn an_engine_that_tells_no_id_is_nobodys() {
        assert!(matches!(Claim::on(""), Claim::Nobodys));
        assert!(matches!(Claim::on(&"x".repeat(500)), Claim::Nobodys));
    }
}
