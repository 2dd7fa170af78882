//! Why a surface cannot be opened, with what to do about it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a surface cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reachable from elsewhere, and nobody would be asked for a token.
    #[error("{0} is reachable from other hosts, which needs access tokens: listen on 127.0.0.1 and use a tunnel")]
    Exposed(SocketAddr),
    /// Somebody answers on the socket: another healer.
    #[error("a healer answers at {} already: stop it first, or use another state_dir", .0.display())]
    Taken(PathBuf),
    /// Something else has the socket's name.
    #[error("{} is in the way and is no socket: move it away", .0.display())]
    InTheWay(PathBuf),
    /// A socket's path has a limit of its own.
    #[error("the path {} is too long for a socket ({bytes} bytes, allowed are {max}): use a shorter state_dir", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// The longest that the kernel takes.
        max: usize,
    },
    /// The system refuses.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
}
