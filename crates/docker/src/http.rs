//! One request to an engine, over a connection of its own, with limits on everything that comes back.
//!
//! A connection per request costs some 50 µs on a socket and says at once whether the engine still takes new ones, which
//! an old kept one does not while the engine is shutting down (facts/intent.md, 0.2).

use std::time::Duration;
use std::{fmt, io};

use evidence::{escape, escape_bytes, redact};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::error::Error;

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A connection on which nothing was said for so long is asked so often, and so many times, whether it still is one.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(20);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEP_ALIVE_MAX: u32 = 4;
/// How much of an error's message is read and shown, in bytes.
const MESSAGE_BYTES_MAX: usize = 400;

/// An answer whose body has not been read yet. Dropping it closes the connection.
pub(crate) struct Reply {
    pub(crate) status: u16,
    body: Incoming,
    asked: Asked,
    _driver: Driver,
}

/// Whom an answer is from, and what they were asked.
struct Asked {
    endpoint: Endpoint,
    method: Method,
    /// Without the query.
    path: String,
}

/// The task that moves a connection's bytes.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request without a body; gives the answer's head, which must come `within` that time.
pub(crate) async fn request(endpoint: &Endpoint, method: Method, path: &str, within: Duration) -> Result<Reply, Error> {
    send(endpoint, method, path, None, within).await
}

/// The same with a JSON body.
pub(crate) async fn post(
    endpoint: &Endpoint,
    path: &str,
    body: &impl Serialize,
    within: Duration,
) -> Result<Reply, Error> {
    let body = serde_json::to_vec(body).map_err(|e| Error::Nonsense(e.to_string()))?;
    send(endpoint, Method::POST, path, Some(body.into()), within).await
}

async fn send(
    endpoint: &Endpoint,
    method: Method,
    path: &str,
    body: Option<Bytes>,
    within: Duration,
) -> Result<Reply, Error> {
    let (mut sender, driver) = connect(endpoint).await?;
    let plain = path.split('?').next().unwrap_or(path).to_owned();
    let asked = Asked { endpoint: endpoint.clone(), method: method.clone(), path: plain };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "docker")
        .header(header::USER_AGENT, concat!("healer/", env!("CARGO_PKG_VERSION")));
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(body.unwrap_or_default())).map_err(|e| Error::Nonsense(e.to_string()))?;
    let response = match timeout(within, sender.send_request(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(e)) if e.is_parse() => return Err(asked.no_engine("what it said is no HTTP")),
        Ok(Err(e)) => return Err(asked.lost(&e.to_string())),
        Err(_) => return Err(asked.lost(&format!("within {} s", within.as_secs_f32()))),
    };
    Ok(Reply { status: response.status().as_u16(), body: response.into_body(), asked, _driver: driver })
}

async fn connect(endpoint: &Endpoint) -> Result<(SendRequest<Full<Bytes>>, Driver), Error> {
    let connected = async {
        match endpoint {
            Endpoint::Unix(path) => shake(UnixStream::connect(path).await).await,
            Endpoint::Tcp(address) => shake(TcpStream::connect(address.as_str()).await.inspect(keep_alive)).await,
        }
    };
    match timeout(CONNECT_WITHIN, connected).await {
        Ok(result) => result.map_err(|e| unreached(endpoint, &e)),
        Err(_) => Err(Error::Unreachable(format!("no connection to {endpoint} within {} s", CONNECT_WITHIN.as_secs()))),
    }
}

/// A machine that lost its power, and a firewall that forgot a connection, end no stream: without questions to the other end
/// events would be waited for for ever. Where that cannot be set, a listing still finds out who does not answer at all.
fn keep_alive(stream: &TcpStream) {
    let set = || -> rustix::io::Result<()> {
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, KEEP_ALIVE_AFTER)?;
        sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE_EVERY)?;
        sockopt::set_tcp_keepcnt(stream, KEEP_ALIVE_MAX)
    };
    if let Err(error) = set() {
        tracing::debug!(%error, "a connection cannot be kept alive");
    }
}

async fn shake<S>(stream: io::Result<S>) -> io::Result<(SendRequest<Full<Bytes>>, Driver)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream?)).await.map_err(io::Error::other)?;
    let driver = tokio::spawn(async move {
        // What goes wrong on the connection is told to whoever waits for the answer or reads its body.
        let _ = connection.await;
    });
    Ok((sender, Driver(driver)))
}

/// Why there is no connection, and what to do about it, in one sentence.
fn unreached(endpoint: &Endpoint, error: &io::Error) -> Error {
    let says = remedy(endpoint, error);
    match (endpoint, error.kind()) {
        (Endpoint::Unix(_), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Error::Down(says),
        _ => Error::Unreachable(says),
    }
}

fn remedy(endpoint: &Endpoint, error: &io::Error) -> String {
    match (endpoint, error.kind()) {
        (Endpoint::Unix(_), io::ErrorKind::NotFound) => {
            format!("no socket at {endpoint}: start the engine, or name its socket in docker.hosts or DOCKER_HOST")
        }
        (Endpoint::Unix(_), io::ErrorKind::PermissionDenied) => {
            format!("permission denied on {endpoint}: add healer's user to the group docker, or run healer as root")
        }
        (Endpoint::Unix(_), io::ErrorKind::ConnectionRefused) => {
            format!(
                "nobody listens on {endpoint}: start the engine; if healer runs in a container and the engine was \
                 restarted, mount the socket's folder instead of the socket"
            )
        }
        (Endpoint::Tcp(_), io::ErrorKind::ConnectionRefused) => {
            format!("connection refused by {endpoint}: start the engine there, or correct the address in docker.hosts")
        }
        _ => format!("no connection to {endpoint}: {}", escape(&error.to_string(), MESSAGE_BYTES_MAX)),
    }
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Asked {
    fn lost(&self, why: &str) -> Error {
        Error::Lost(format!("{self}: {}", escape(why, MESSAGE_BYTES_MAX)))
    }

    /// Whoever answered did not do it as an engine does.
    fn no_engine(&self, why: &str) -> Error {
        let Asked { endpoint, .. } = self;
        Error::Nonsense(format!(
            "what answers at {endpoint} is no Docker engine ({self}: {why}): check docker.hosts or DOCKER_HOST"
        ))
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, escape(&self.path, MESSAGE_BYTES_MAX))
    }
}

impl Reply {
    /// The next piece of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|e| self.asked.lost(&e.to_string()))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Itself if the engine said yes (2xx, or 304: it was so already), else its reason.
    pub(crate) async fn accepted(mut self) -> Result<Reply, Error> {
        match self.status {
            200..=299 | 304 => Ok(self),
            status => {
                let text = timeout(CONNECT_WITHIN, self.text(64 * 1024)).await.unwrap_or_else(|_| Ok(Vec::new()))?;
                let message = match serde_json::from_slice::<Message>(&text) {
                    Ok(said) => escape(&redact(&said.message), MESSAGE_BYTES_MAX),
                    Err(_) => escape_bytes(&without_tags(&text), MESSAGE_BYTES_MAX),
                };
                Err(Error::Refused { status, message })
            }
        }
    }

    /// As [`Reply::accepted`], of a question about the container `id`: whether it is that one which the engine does not
    /// know. A start says 404 of a network that is gone, too, and of a container whose network is shared.
    pub(crate) async fn accepted_of(self, id: &str) -> Result<Reply, Error> {
        let answer = self.accepted().await;
        match &answer {
            Err(Error::Refused { status: 404, message }) if is_unknown(id, message) => Err(Error::NotFound),
            Ok(_) | Err(_) => answer,
        }
    }

    /// The body as JSON, of at most `bytes_max`.
    pub(crate) async fn json<T: DeserializeOwned>(mut self, bytes_max: usize) -> Result<T, Error> {
        let text = self.text(bytes_max).await?;
        if text.len() >= bytes_max {
            return Err(Error::Nonsense(format!("{} is longer than {bytes_max} bytes", self.asked)));
        }
        serde_json::from_slice(&text).map_err(|e| {
            let why = escape(&e.to_string(), MESSAGE_BYTES_MAX);
            match e.classify() {
                // It is JSON, and says something else than is known.
                Category::Data => Error::Nonsense(format!("{} at {}: {why}", self.asked, self.asked.endpoint)),
                Category::Io | Category::Syntax | Category::Eof => self.asked.no_engine("its answer is no JSON"),
            }
        })
    }

    pub(crate) async fn text(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        while let Some(piece) = self.piece().await? {
            let room = bytes_max - text.len();
            text.extend_from_slice(&piece[..piece.len().min(room)]);
            if text.len() >= bytes_max {
                break;
            }
        }
        Ok(text)
    }
}

/// Whether the engine's words say that it does not know the container `id`. Engines name it, Podman by its name or id.
fn is_unknown(id: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let says = "no such container";
    message.contains(says) && (message.contains(id) || message.trim_end_matches(['.', '\n']).ends_with(says))
}

/// A page as a proxy sends it, without its tags.
fn without_tags(page: &[u8]) -> Vec<u8> {
    if !page.trim_ascii_start().starts_with(b"<") {
        return page.to_vec();
    }
    let mut within = false;
    let mut text: Vec<u8> = Vec::new();
    for b in page {
        match b {
            b'<' => within = true,
            b'>' => within = false,
            _ if within => continue,
            _ => {}
        }
        let is_gap = within || *b == b'>' || b.is_ascii_whitespace();
        if !is_gap {
            text.push(*b);
        } else if text.last().is_some_and(|last| *last != b' ') {
            text.push(b' ');
        }
    }
    text.trim_ascii_end().to_vec()
}

/// `text` for use in a query.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}"); // writing to a String cannot fail
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_told_in_one_sentence_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let ask = |endpoint: Endpoint| async move {
            request(&endpoint, Method::GET, "/_ping", Duration::from_secs(1)).await.map(|_| ()).unwrap_err().to_string()
        };
        let absent = ask(Endpoint::Unix(path.clone())).await;
        assert!(absent.starts_with("no socket at ") && absent.contains("start the engine"), "{absent}");

        // A socket whose listener is gone stays as a dead file.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let refused = ask(Endpoint::Unix(path)).await;
        assert!(
            refused.starts_with("nobody listens on ") && refused.contains("mount the socket's folder"),
            "{refused}"
        );

        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = ask(Endpoint::Tcp(free.to_string())).await;
        assert!(refused.starts_with("connection refused by tcp://127.0.0.1:"), "{refused}");
    }

    #[tokio::test]
    async fn a_connection_over_tcp_finds_out_by_itself_that_the_other_end_is_gone() {
        let there = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(there.local_addr().unwrap()).await.unwrap();
        assert!(!sockopt::socket_keepalive(&stream).unwrap());
        keep_alive(&stream);
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEP_ALIVE_AFTER);
    }

    #[test]
    fn permission_denied_names_the_group() {
        let said = remedy(&Endpoint::Unix("/var/run/docker.sock".into()), &io::ErrorKind::PermissionDenied.into());
        assert!(said.starts_with("permission denied on /var/run/docker.sock: add healer's user to the group docker"));
    }

    #[test]
    fn only_a_container_that_was_asked_about_is_unknown() {
        let table = [
            ("No such container: 6f0c9a", true),
            ("no container with name or ID \"6f0c9a\" found: no such container", true),
            ("No such container", true),
            ("No such container: 77aa00", false),
            ("network shop_default not found", false),
            ("page not found", false),
            ("", false),
        ];
        for (message, expect) in table {
            assert_eq!(is_unknown("6f0c9a", message), expect, "{message}");
        }
    }

    #[test]
    fn a_proxys_page_is_told_without_its_tags() {
        let table = [
            ("<html><body><h1>403 Forbidden</h1>\nby  rules.\n</body></html>\n", "403 Forbidden by rules."),
            ("plain <words>\n", "plain <words>\n"),
            ("", ""),
        ];
        for (page, expect) in table {
            assert_eq!(String::from_utf8(without_tags(page.as_bytes())).unwrap(), expect);
        }
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encoded(r#"{"type":["a b"]}"#), "%7B%22type%22%3A%5B%22a%20b%22%5D%7D");
    }
}
