//! A connection, one step after the other, each of which fails in its own way.
//!
//! ```text
//! name ── resolve ──▶ addresses ── connect ──▶ stream
//!   └─ Unresolved        └─ NoRoute, Refused, Filtered
//! ```
//!
//! All steps share the probe's time, so that whichever it is spent in is the one that is named.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::said;
use crate::trouble::{NoName, Stage, Trouble};

/// As many addresses of a name as are tried.
const ADDRESSES_MAX: usize = 8;

/// Where something listens: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = String;

    /// `shop.example.org:443`, `10.0.0.1:443`, `[::1]:443`.
    fn from_str(text: &str) -> Result<Endpoint, String> {
        let wrong = || format!("`{}` is no address: expected host:port", said(text));
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let is_clear =
            !host.is_empty() && !host.contains(['/', '@', ' ']) && (bracketed.is_some() || !host.contains(':'));
        let port = port.parse().ok().filter(|port| *port > 0 && is_clear).ok_or_else(wrong)?;
        Ok(Endpoint { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Until when a probe waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    total: Duration,
}

impl Deadline {
    pub(crate) fn within(total: Duration) -> Deadline {
        let now = Instant::now();
        // What is longer than a clock can count does not end.
        let far = Duration::from_secs(86_400 * 365);
        Deadline { at: now + total.min(far), total }
    }

    /// What a probe may take in all.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }

    /// What `future` gives, or what `late` makes of the time that is over.
    pub(crate) async fn wait<T>(
        &self,
        future: impl Future<Output = T>,
        late: impl FnOnce(Duration) -> Trouble,
    ) -> Result<T, Trouble> {
        timeout_at(self.at, future).await.map_err(|_| late(self.total))
    }

    /// The same for what somebody has to answer who took the connection.
    pub(crate) async fn answer<T>(
        &self,
        who: &impl fmt::Display,
        at: Stage,
        future: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        self.wait(future, |waited| Trouble::Slow { who: who.to_string(), at, waited }).await
    }

    /// Its part for one of `left` tries of the same kind.
    fn share(&self, left: usize) -> Instant {
        let now = Instant::now();
        now + self.at.saturating_duration_since(now) / u32::try_from(left.max(1)).unwrap_or(1)
    }
}

/// A connection with one of the host's addresses, the first that takes it.
pub(crate) async fn connect(to: &Endpoint, deadline: &Deadline) -> Result<TcpStream, Trouble> {
    let addresses = resolve(to, deadline).await?;
    let mut worst = Trouble::NoRoute { to: to.to_string() };
    for (at, address) in addresses.iter().enumerate() {
        let until = deadline.share(addresses.len() - at);
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => worst = tells_more(worst, unconnected(to, &error, deadline.total)),
            Err(_) => worst = Trouble::Filtered { to: to.to_string(), waited: deadline.total },
        }
    }
    Err(worst)
}

/// The host's addresses, as its programs find them: `/etc/hosts` too.
async fn resolve(to: &Endpoint, deadline: &Deadline) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(address) = to.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, to.port)]);
    }
    let unresolved = |why| Trouble::Unresolved { name: to.host.clone(), why };
    let late = |waited| unresolved(NoName::NoServer { servers: Vec::new(), waited });
    let found = deadline.wait(tokio::net::lookup_host((to.host.as_str(), to.port)), late).await?;
    let found = found.map_err(|error| unresolved(NoName::Other(said(&error.to_string()))))?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() { Err(unresolved(NoName::NoAddress)) } else { Ok(addresses) }
}

/// Why there is no connection. The kernel gives up too, after some minutes.
pub(crate) fn unconnected(to: &impl fmt::Display, error: &io::Error, waited: Duration) -> Trouble {
    let (to, kind) = (to.to_string(), error.kind());
    if kind == ErrorKind::ConnectionRefused {
        return Trouble::Refused { by: to };
    }
    if kind == ErrorKind::TimedOut {
        return Trouble::Filtered { to, waited };
    }
    if matches!(kind, ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown) {
        return Trouble::NoRoute { to };
    }
    if kind == ErrorKind::PermissionDenied {
        return Trouble::Denied { who: "this host".to_owned(), how: format!("a connection to {to}") };
    }
    Trouble::Broke { who: to, how: said(&error.to_string()) }
}

/// Of two addresses of a name, the one that got further: a host without IPv6 has no route to half of the names.
fn tells_more(one: Trouble, other: Trouble) -> Trouble {
    if matches!(other, Trouble::NoRoute { .. }) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let table = [
            ("shop.example.org:443", Some(("shop.example.org", 443))),
            ("[::1]:80", Some(("::1", 80))),
            (" 10.0.0.1:5432 ", Some(("10.0.0.1", 5432))),
            ("::1:80", None),
            ("shop.example.org", None),
            ("shop:0", None),
            ("shop:https", None),
            (":80", None),
            ("user:secret@shop:80", None),
        ];
        for (text, expect) in table {
            let read = text.parse::<Endpoint>().ok();
            assert_eq!(read.as_ref().map(|read| (read.host.as_str(), read.port)), expect, "{text}");
            if let Some(read) = read {
                assert_eq!(read.to_string(), text.trim());
            }
        }
    }

    #[test]
    fn the_kernels_error_says_at_which_step_it_failed() {
        let table = [
            (rustix::io::Errno::CONNREFUSED, "refused"),
            (rustix::io::Errno::TIMEDOUT, "filtered"),
            (rustix::io::Errno::HOSTUNREACH, "no_route"),
            (rustix::io::Errno::NETUNREACH, "no_route"),
            (rustix::io::Errno::PERM, "denied"),
            (rustix::io::Errno::CONNRESET, "broke"),
        ];
        for (code, label) in table {
            assert_eq!(unconnected(&"db:1", &code.into(), Duration::from_secs(1)).label(), label, "{code}");
        }
    }

    #[test]
    fn the_address_that_got_further_is_told() {
        let (none, refused) = (Trouble::NoRoute { to: "a".into() }, Trouble::Refused { by: "a".into() });
        assert_eq!(tells_more(none.clone(), refused.clone()), refused);
        assert_eq!(tells_more(refused.clone(), none), refused);
    }
}
