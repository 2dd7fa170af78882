//! A webhook's receiver: it keeps what it is sent, and refuses it on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// The secret that both sides know.
pub(crate) const SECRET: &str = "a secret for tests: not one for production";

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether it was answered with 200.
    pub(crate) taken: bool,
}

/// The receiver; it serves until the tests end.
pub(crate) struct Hook {
    port: u16,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    refuses: Arc<AtomicBool>,
}

impl Hook {
    pub(crate) fn start() -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let hook = Hook { port, deliveries: Arc::default(), refuses: Arc::default() };
        let (deliveries, refuses) = (Arc::clone(&hook.deliveries), Arc::clone(&hook.refuses));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that breaks off has sent nothing.
                let _ = serve(stream, &deliveries, &refuses);
            }
        });
        hook
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/healer", self.port)
    }

    /// From here on every request is answered with 503, or taken again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// All requests, refused ones too.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().expect("no receiver panics").clone()
    }

    /// What was taken.
    pub(crate) fn taken(&self) -> Vec<Delivery> {
        self.deliveries().into_iter().filter(|delivery| delivery.taken).collect()
    }

    /// What was taken, of this kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Delivery> {
        self.taken().into_iter().filter(|delivery| delivery.json()["kind"] == kind).collect()
    }
}

impl Delivery {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a webhook's body is JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }

    /// Whether the request was signed with the secret: `t=SECONDS,v1=HMAC of "SECONDS.BODY"`.
    pub(crate) fn is_signed(&self) -> bool {
        let signature = self.header("healer-signature").unwrap_or_default();
        let parts =
            signature.split_once(',').and_then(|(t, v1)| Some((t.strip_prefix("t=")?, v1.strip_prefix("v1=")?)));
        let Some((time, given)) = parts else { return false };
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        given == expected
    }
}

fn serve(stream: TcpStream, deliveries: &Mutex<Vec<Delivery>>, refuses: &AtomicBool) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let taken = !refuses.load(Ordering::SeqCst);
    deliveries.lock().expect("no receiver panics").push(Delivery { headers, body, taken });
    let status = if taken { "200 OK" } else { "503 Service Unavailable" };
    (&stream).write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
}
