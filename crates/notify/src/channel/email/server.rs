//! The `server` of the configuration: where the mail server is, how the way there is secured, and who logs in.
//!
//! Read by hand, since a password from the environment may hold what no URL may: the last `@` ends it.

use std::fmt;
use std::net::IpAddr;

use crate::secret::Secret;

/// How the way to the server is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything is said that matters; a server that does not offer it is not told anything.
    StartTls,
    /// None: the way is the host itself, or its owner said so.
    Plain,
}

/// A mail server. Its `Display` and `Debug` show neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    scheme: &'static str,
    pub(super) security: Security,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

const SCHEMES: [(&str, Option<Security>); 4] = [
    ("smtp", None), // by the host
    ("smtps", Some(Security::Tls)),
    ("smtp+starttls", Some(Security::StartTls)),
    ("smtp+plain", Some(Security::Plain)),
];
const EXPECTED: &str = "expected one such as smtp://user:password@mail.example.org:587";

impl Server {
    /// `Err` says what is wrong, and never repeats what was given: a part of a password could stand anywhere in it.
    pub(super) fn parse(text: &str) -> Result<Server, String> {
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| format!("not a URL: {EXPECTED}"))?;
        let known = SCHEMES.into_iter().find(|(name, _)| *name == scheme);
        let (scheme, asked) = known.ok_or_else(|| {
            let names = SCHEMES.map(|(name, _)| format!("{name}://")).join(", ");
            format!("begins with none of {names}: {EXPECTED}")
        })?;
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (host, port) = host_and_port(place.strip_suffix('/').unwrap_or(place))?;
        let security = asked.unwrap_or(if is_loopback(&host) { Security::Plain } else { Security::StartTls });
        let port = port.unwrap_or(match security {
            Security::Tls => 465,
            Security::StartTls => 587,
            Security::Plain => 25,
        });
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            None => (None, None),
            Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
        };
        let password = password.filter(|password| !password.is_empty()).map(Secret::new);
        if user.as_deref() == Some("") {
            return Err("names a password and no user: write user:password@, and a `@` in the user's name as %40".into());
        }
        Ok(Server { scheme, security, host, port, user, password })
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("has a `[` without its `]`")?;
            let address: IpAddr = address.parse().map_err(|_| "has no IP address between `[` and `]`")?;
            (address.to_string(), port.strip_prefix(':').or((!port.is_empty()).then_some("none")))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (place.to_owned(), None),
        },
    };
    let in_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !host.is_empty() && host.chars().all(in_a_name);
    if !is_name && host.parse::<IpAddr>().is_err() {
        return Err(format!("names no host that could be called: {EXPECTED}"));
    }
    let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or("has a port that is none"));
    Ok((host, port.transpose()?))
}

/// Whether nothing leaves this host on the way there.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `%40` is `@`. A `%` that stands for itself is refused: half of the passwords with one would be read wrongly.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let (byte, behind) = match (byte, behind) {
            (b'%', [high, low, behind @ ..]) => match (hexadecimal(*high), hexadecimal(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, behind),
                _ => return Err(NO_PERCENT.to_owned()),
            },
            (b'%', _) => return Err(NO_PERCENT.to_owned()),
            (byte, behind) => (byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    let text = String::from_utf8(bytes).map_err(|_| "has a user or a password that is no UTF-8 text".to_owned())?;
    if text.contains('\0') { Err("has a user or a password with a zero byte".to_owned()) } else { Ok(text) }
}

const NO_PERCENT: &str =
    "has a `%` in its user or password that is no %XX: write it as %25, or put the password into a `password_file`";

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { scheme, host, port, .. } = self;
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self}, {:?})", self.security)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_how_the_way_to_it_is_secured() {
        use Security::{Plain, StartTls, Tls};
        let table = [
            ("smtp://mail.example.org", StartTls, "smtp://mail.example.org:587"),
            ("smtp://mail.example.org:2525/", StartTls, "smtp://mail.example.org:2525"),
            ("smtps://mail.example.org", Tls, "smtps://mail.example.org:465"),
            ("smtp+plain://relay", Plain, "smtp+plain://relay:25"),
            ("smtp://localhost", Plain, "smtp://localhost:25"),
            ("smtp://127.9.9.9:1025", Plain, "smtp://127.9.9.9:1025"),
            ("smtp://[::1]", Plain, "smtp://[::1]:25"),
            ("smtp://[fd00::1]:26", StartTls, "smtp://[fd00::1]:26"),
            ("smtp+starttls://localhost", StartTls, "smtp+starttls://localhost:587"),
            ("smtps://127.0.0.1", Tls, "smtps://127.0.0.1:465"),
            // A name that only begins like one of this host's.
            ("smtp://localhost.example.org", StartTls, "smtp://localhost.example.org:587"),
        ];
        for (text, security, shown) in table {
            let server = Server::parse(text).unwrap();
            assert_eq!((server.security, server.to_string().as_str()), (security, shown), "{text}");
            assert_eq!((server.user, server.password), (None, None), "{text}");
        }
    }

    #[test]
    fn user_and_password_are_decoded_and_end_at_the_last_at_sign() {
        let table = [
            ("smtp://bob:s3cret@h", "bob", Some("s3cret")),
            ("smtp://bob%40example.org:p%3Aw%25@h:25", "bob@example.org", Some("p:w%")),
            ("smtp://bob:a@b/c#d?e:f@h", "bob", Some("a@b/c#d?e:f")),
            ("smtp://bob:%C3%A9+@h", "bob", Some("é+")),
            ("smtp://bob@h", "bob", None),
            ("smtp://bob:@h", "bob", None),
        ];
        for (text, user, password) in table {
            let server = Server::parse(text).unwrap();
            let found = server.password.as_ref().map(Secret::expose);
            assert_eq!((server.user.as_deref(), found, server.host.as_str()), (Some(user), password, "h"), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_without_repeating_it() {
        let table = [
            ("", "not a URL"),
            ("bob:s3cret@h", "not a URL"),
            ("http://bob:s3cret@h", "begins with none of smtp://, smtps://, smtp+starttls://, smtp+plain://"),
            ("smtp://", "names no host"),
            ("smtp://bob:s3cret@", "names no host"),
            ("smtp://bob:s3cret@a b", "names no host"),
            ("smtp://bob:s3cret@h/s3cret", "names no host"),
            ("smtp://bob:s3cret@bücher.example", "names no host"),
            ("smtp://bob:s3cret", "has a port that is none"),
            ("smtp://bob:s3cret@h:0", "has a port that is none"),
            ("smtp://bob:s3cret@h:99999", "has a port that is none"),
            ("smtp://[::1", "has a `[` without its `]`"),
            ("smtp://[s3cret]", "has no IP address"),
            ("smtp://[::1]s3cret", "has a port that is none"),
            ("smtp://:s3cret@h", "names a password and no user"),
            ("smtp://bob:s3cret%@h", "write it as %25"),
            ("smtp://bob:s3cret%zz@h", "write it as %25"),
            ("smtp://bob:s3cret%é@h", "write it as %25"),
            ("smtp://bob:s3cret%ff@h", "no UTF-8"),
            ("smtp://bob:s3cret%00@h", "zero byte"),
        ];
        for (text, expect) in table {
            let why = Server::parse(text).unwrap_err();
            assert!(why.contains(expect) && !why.contains("s3cret"), "{text}: {why}");
        }
    }
}
