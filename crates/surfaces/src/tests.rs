//! The surfaces on real listeners: a house with fixed answers behind them, and a real journal.

mod answers;
mod client;
mod document;
mod fixed;
mod flood;
mod hostile;
mod life;
mod links;
mod story;
mod whole;

pub(crate) use fixed::Fixed;

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use store::Room;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::house::House;
use crate::link::Key;
use crate::mind::Mind;
use crate::{Socket, serve, serve_socket};

/// What signs links here.
const KEY: [u8; 32] = [7; 32];

/// Both sides of one house, served until this is dropped.
struct Served {
    dir: TempDir,
    tcp: SocketAddr,
    fixed: Arc<Fixed>,
    room: watch::Sender<Room>,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// An answer, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Served {
    async fn start(fixed: Fixed) -> Served {
        let dir = tempfile::tempdir().unwrap();
        fixed.write_journal(dir.path());
        let fixed = Arc::new(fixed);
        let (room, watched) = watch::channel(Room::Ample);
        let links = fixed.links.then(|| Key::of(KEY));
        let house = House::around(Mind::Fixed(Arc::clone(&fixed)), dir.path().to_owned(), watched, links);
        let shutdown = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = listener.local_addr().unwrap();
        let socket = Socket::bind(dir.path()).await.unwrap();
        let tasks = vec![
            tokio::spawn(serve_socket(socket, house.clone(), shutdown.clone())),
            tokio::spawn({
                let shutdown = shutdown.clone();
                async move { serve(listener, house, shutdown).await.unwrap() }
            }),
        ];
        Served { dir, tcp, fixed, room, shutdown, tasks }
    }

    /// Asks over TCP as a well-behaved client does.
    async fn get(&self, path: &str) -> Answer {
        self.tcp(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.tcp)).await
    }

    async fn tcp(&self, request: impl AsRef<[u8]>) -> Answer {
        ask(TcpStream::connect(self.tcp).await.unwrap(), request.as_ref()).await
    }

    async fn unix(&self, request: impl AsRef<[u8]>) -> Answer {
        let path = self.dir.path().join(crate::SOCKET_FILE);
        ask(UnixStream::connect(path).await.unwrap(), request.as_ref()).await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        let length = body.len();
        self.unix(format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error in {self:?}")).to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends bytes and reads until the other side hangs up. A server that has heard enough stops listening in the middle.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Answer {
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
