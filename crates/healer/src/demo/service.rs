//! The services of the demo: a page that tells how they are, and what can be done to them.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// It looks so often whether it shall let go of its port.
const LOOKS_EVERY: Duration = Duration::from_millis(5);
/// A leak takes so much, so often.
const LEAK_BYTES: usize = 8 * 1024 * 1024;
const LEAKS_EVERY: Duration = Duration::from_millis(50);
/// One that is broken works for so long before it ends.
const BROKEN_AFTER: Duration = Duration::from_millis(200);
const BROKEN: u8 = 3;

/// What was done to it.
#[derive(Default)]
struct Done {
    hangs: AtomicBool,
    lets_go: AtomicBool,
}

/// Serves until it is ended, or until what was done to it ends it.
#[expect(clippy::print_stdout, reason = "what a service prints is its log")]
pub(crate) fn serve(name: &str, port: u16, broken: &Path) -> ExitCode {
    if broken.exists() {
        println!("{name}: working on batch 1");
        thread::sleep(BROKEN_AFTER);
        return ExitCode::from(BROKEN);
    }
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => listener,
        Err(error) => {
            println!("error: cannot listen on 127.0.0.1:{port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{name}: serving on 127.0.0.1:{port}");
    let done = Arc::new(Done::default());
    if listener.set_nonblocking(true).is_err() {
        return ExitCode::FAILURE;
    }
    while !done.lets_go.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let (done, broken) = (done.clone(), broken.to_owned());
                thread::spawn(move || answer(stream, &done, &broken));
            }
            Err(_) => thread::sleep(LOOKS_EVERY),
        }
    }
    drop(listener);
    loop {
        thread::park();
    }
}

fn answer(stream: TcpStream, done: &Done, broken: &PathBuf) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let page = line.split(' ').nth(1).unwrap_or_default();
    let body = match page {
        "/health" if done.hangs.load(Ordering::Relaxed) => loop {
            thread::park();
        },
        "/health" => "well".to_owned(),
        "/pid" => std::process::id().to_string(),
        "/hang" => {
            done.hangs.store(true, Ordering::Relaxed);
            "from here on it does not answer".to_owned()
        }
        "/leak" => {
            thread::spawn(leak);
            "from here on it needs more and more memory".to_owned()
        }
        "/let-go" => {
            done.lets_go.store(true, Ordering::Relaxed);
            "from here on its port is free".to_owned()
        }
        "/break" => {
            std::fs::write(broken, "")?;
            std::process::exit(BROKEN.into());
        }
        _ => "this page is not known".to_owned(),
    };
    let mut stream = stream;
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Until it gets no more.
fn leak() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; LEAK_BYTES]);
        thread::sleep(LEAKS_EVERY);
    }
}
