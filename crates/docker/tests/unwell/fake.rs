//! An engine that says what a test wants it to, on a socket of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// When its containers were started, by its clock.
pub(crate) const STARTED: i64 = 1_795_448_000_000_000_000;

/// What it answers.
#[derive(Clone)]
pub(crate) enum Says {
    Json(Value),
    Status(u16, &'static str),
    /// These bytes, which need be no HTTP.
    Raw(&'static str),
    /// Nothing, until it is given something else to say.
    Nothing,
}

pub(crate) struct Fake {
    path: PathBuf,
    shared: Arc<Shared>,
    serving: Mutex<Option<JoinHandle<()>>>,
    _folder: tempfile::TempDir,
}

struct Shared {
    says: Mutex<HashMap<String, Says>>,
    /// The paths that were asked for, in order. Changes with what it says, too.
    asked: watch::Sender<Vec<String>>,
    /// Lines for those who read its events; none for the end.
    events: broadcast::Sender<Option<String>>,
    remembers: Mutex<String>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap()
}

/// An element of the list.
pub(crate) fn summary(name: &str) -> Value {
    json!({"Id": name, "Names": [format!("/{name}")], "Labels": {}})
}

pub(crate) fn exited(name: &str) -> Value {
    json!({"Id": name, "Name": format!("/{name}"), "State": {"Status": "exited", "ExitCode": 3,
        "StartedAt": "2026-11-23T15:33:20Z", "FinishedAt": "2026-11-23T15:33:20.000000003Z"}})
}

/// A line of its events.
pub(crate) fn event(name: &str, action: &str, attributes: &[(&str, &str)], at: i64) -> String {
    let mut attributes: HashMap<&str, &str> = attributes.iter().copied().collect();
    attributes.insert("name", name);
    let event =
        json!({"Type": "container", "Action": action, "Actor": {"ID": name, "Attributes": attributes}, "timeNano": at});
    format!("{event}\n")
}

impl Fake {
    /// One that holds no containers, and is there.
    pub(crate) fn begin() -> Fake {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared {
            says: Mutex::default(),
            asked: watch::Sender::new(Vec::new()),
            events: broadcast::Sender::new(64),
            remembers: Mutex::default(),
        };
        let path = folder.path().join("d.sock");
        let fake = Fake { path, shared: Arc::new(shared), serving: Mutex::default(), _folder: folder };
        fake.answers("/version", Says::Json(json!({"ApiVersion": "1.41", "MinAPIVersion": "1.12"})));
        fake.answers("/info", Says::Json(json!({"ID": "fake"})));
        fake.come();
        fake
    }

    pub(crate) fn address(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.address())
    }

    /// It is there.
    pub(crate) fn come(&self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let shared = self.shared.clone();
        let serve = async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                open.spawn(async move { shared.serve(stream).await });
            }
        };
        *lock(&self.serving) = Some(tokio::spawn(serve));
    }

    /// It goes, and its socket with it.
    pub(crate) fn leave(&self) {
        let _ = std::fs::remove_file(&self.path);
        if let Some(serving) = lock(&self.serving).take() {
            serving.abort();
        }
    }

    /// Ends its event streams.
    pub(crate) fn cut(&self) {
        let _ = self.shared.events.send(None);
    }

    /// It lists these containers, which run and can be looked at.
    pub(crate) fn holds(&self, names: &[&str]) {
        names.iter().for_each(|name| self.well(name));
        self.answers("/containers/json", Says::Json(names.iter().map(|name| summary(name)).collect()));
    }

    /// A container can be looked at: it runs.
    pub(crate) fn well(&self, name: &str) {
        let state = json!({"Status": "running", "StartedAt": "2026-11-23T15:33:20Z"});
        let inspect = json!({"Id": name, "Name": format!("/{name}"), "State": state});
        self.answers(&format!("/containers/{name}/json"), Says::Json(inspect));
    }

    pub(crate) fn answers(&self, path: &str, says: Says) {
        lock(&self.shared.says).insert(path.to_owned(), says);
        self.shared.asked.send_modify(|_| ());
    }

    /// What it answers when it is asked for the events of the past.
    pub(crate) fn remembers(&self, lines: &[String]) {
        *lock(&self.shared.remembers) = lines.concat();
    }

    pub(crate) async fn happens(&self, name: &str, action: &str, attributes: &[(&str, &str)]) {
        self.happens_at(name, action, attributes, STARTED + 1_000_000_000).await;
    }

    /// Tells an event to whoever reads them.
    pub(crate) async fn happens_at(&self, name: &str, action: &str, attributes: &[(&str, &str)], at: i64) {
        self.asked("/events", 1).await;
        self.shared.events.send(Some(event(name, action, attributes, at))).unwrap();
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.shared.asked.borrow().iter().filter(|asked| *asked == path).count()
    }

    /// Waits until a path was asked for so often.
    pub(crate) async fn asked(&self, path: &str, times: usize) {
        let mut asked = self.shared.asked.subscribe();
        let often = asked.wait_for(|all| all.iter().filter(|asked| *asked == path).count() >= times);
        tokio::time::timeout(Duration::from_secs(60), often).await.unwrap().unwrap();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Shared {
    /// One connection: one request, one answer. Ends when either side has had enough.
    async fn serve(&self, mut stream: UnixStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let target = head.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix("/v1.41").unwrap_or(path).to_owned();
        match path.as_str() {
            "/events" if query.contains("until") => {
                let text = lock(&self.remembers).clone();
                answer(&mut stream, 200, &text).await
            }
            "/events" => self.tell_events(stream).await,
            _ => {
                self.asked.send_modify(|asked| asked.push(path.clone()));
                self.say(stream, &path).await
            }
        }
    }

    async fn say(&self, mut stream: UnixStream, path: &str) -> Option<()> {
        let mut changes = self.asked.subscribe();
        loop {
            let says = lock(&self.says).get(path).cloned().unwrap_or(Says::Status(404, ""));
            match says {
                Says::Json(value) => return answer(&mut stream, 200, &value.to_string()).await,
                Says::Status(status, text) => return answer(&mut stream, status, text).await,
                Says::Raw(text) => return stream.write_all(text.as_bytes()).await.ok(),
                Says::Nothing => tokio::select! {
                    changed = changes.changed() => changed.ok()?,
                    _ = stream.read_u8() => return None,
                },
            }
        }
    }

    async fn tell_events(&self, mut stream: UnixStream) -> Option<()> {
        let mut events = self.events.subscribe();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.ok()?;
        // Whoever waits for this is heard by who reads the events.
        self.asked.send_modify(|asked| asked.push("/events".to_owned()));
        while let Ok(Some(line)) = events.recv().await {
            stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await.ok()?;
        }
        stream.write_all(b"0\r\n\r\n").await.ok()
    }
}

async fn answer(stream: &mut UnixStream, status: u16, body: &str) -> Option<()> {
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body.as_bytes()).await.ok()
}
