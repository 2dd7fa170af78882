//! What a database or a broker is reached by, and the connection that comes of it, of whatever kind.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use crate::dial::{Deadline, Endpoint, connect, unconnected};
use crate::trouble::Trouble;

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Door {
    Tcp(Endpoint),
    Unix(PathBuf),
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Door::Tcp(endpoint) => endpoint.fmt(f),
            Door::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Door {
    pub(crate) async fn open(&self, deadline: &Deadline) -> Result<Wire, Trouble> {
        let path = match self {
            Door::Tcp(endpoint) => return Ok(Wire::of(connect(endpoint, deadline).await?)),
            Door::Unix(path) => path,
        };
        let late = |waited| Trouble::Filtered { to: self.to_string(), waited };
        match deadline.wait(UnixStream::connect(path), late).await? {
            Ok(stream) => Ok(Wire::of(stream)),
            // No socket: nobody listens there.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Trouble::Refused { by: self.to_string() }),
            Err(error) => Err(unconnected(self, &error, deadline.total())),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection, plain or not. A type with a name, since libraries want one.
pub(crate) struct Wire(Box<dyn Stream>);

impl Wire {
    pub(crate) fn of(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Wire {
        Wire(Box::new(stream))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
