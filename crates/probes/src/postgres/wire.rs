//! TLS as PostgreSQL speaks it, after a word in plain; and why a connection with it gave up.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::Server;
use crate::asker::Asker;
use crate::dial::Deadline;
use crate::door::{Door, Wire};
use crate::secure::{handshake, server_name};
use crate::tls::trusted;
use crate::trouble::Trouble;

/// How TLS is spoken with one server.
pub(super) struct Tls {
    server: Server,
    asker: Asker,
    deadline: Deadline,
}

impl Tls {
    pub(super) fn of(server: &Server, asker: &Asker, deadline: Deadline) -> Tls {
        Tls { server: server.clone(), asker: asker.clone(), deadline }
    }

    async fn speak(self, wire: Wire) -> Result<Wire, Failed> {
        let Door::Tcp(with) = &self.server.door else {
            return Err(Failed(Trouble::Unaskable { why: "no TLS over a socket".to_owned() }));
        };
        let stream = if self.server.config.get_ssl_mode() == SslMode::Require {
            trusted(wire, with, &self.asker, &self.deadline, Duration::ZERO).await.map_err(Failed)?.0
        } else {
            // Whoever would take a plain connection is not worse off with one that nobody vouches for.
            let name = server_name(&with.host).map_err(Failed)?;
            handshake(self.asker.tls(), wire, with, name, &self.deadline).await.map_err(Failed)?.0
        };
        Ok(Wire::of(stream))
    }
}

impl TlsConnect<Wire> for Tls {
    type Stream = Wire;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, Failed>> + Send>>;

    fn connect(self, wire: Wire) -> Self::Future {
        Box::pin(self.speak(wire))
    }
}

/// What TLS failed by, on its way through the library.
#[derive(Debug)]
pub(super) struct Failed(Trouble);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Failed {}

/// Why a connection gave up without a word of the server.
pub(super) fn trouble(error: Error, who: String, how: impl Fn(&str) -> String) -> Trouble {
    let sentence = error.to_string();
    let source = error.into_source();
    match source.map(|source| source.downcast::<Failed>()) {
        Some(Ok(failed)) => failed.0,
        Some(Err(source)) if source.to_string() == "password missing" => {
            Trouble::Denied { who, how: "it asks for a password, and none is given".to_owned() }
        }
        Some(Err(source)) => Trouble::Broke { who, how: how(&format!("{sentence}: {source}")) },
        None => Trouble::Broke { who, how: how(&sentence) },
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
