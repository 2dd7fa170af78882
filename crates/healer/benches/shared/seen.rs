//! What the engine tells of containers, by its own clock, and what many measurements come to.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::Value;

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) action: String,
    pub(crate) at_ns: u64,
}

/// Hands on these events of all containers.
pub(crate) fn listen(socket: &str, actions: &[&str]) -> Receiver<Seen> {
    let (sender, receiver): (Sender<Seen>, Receiver<Seen>) = channel();
    let actions = serde_json::to_string(actions).expect("words are JSON");
    let events = events(socket, &format!("{{\"type\":[\"container\"],\"event\":{actions}}}"));
    thread::spawn(move || {
        for line in events.lines().map_while(Result::ok) {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let at_ns = event["timeNano"].as_u64().unwrap_or_default();
            let one = Seen { id: text(&event["Actor"]["ID"]), action: text(&event["Action"]), at_ns };
            if sender.send(one).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The open event stream, behind the answer's head. HTTP/1.0, so that it comes in no chunks.
pub(crate) fn events(socket: &str, filter: &str) -> BufReader<UnixStream> {
    let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut stream = UnixStream::connect(socket).expect("the engine is there");
    let request = format!("GET /events?filters={filter} HTTP/1.0\r\nHost: engine\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the engine listens");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read_bytes| read_bytes > 2) {
        line.clear();
    }
    reader
}

/// How measurements are spread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) p90: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<f64>) -> Spread {
        times.sort_by(f64::total_cmp);
        let last = times.len() - 1;
        let median = f64::midpoint(times[last / 2], times[times.len() / 2]);
        Spread { median, p90: times[last * 9 / 10], max: times[last] }
    }
}
