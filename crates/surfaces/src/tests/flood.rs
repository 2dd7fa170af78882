//! Clients that ask for much and do not stay: they cost healer's work no more than those that do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::Now;
use model::command::Ask;
use model::fact::{Generation, Run};
use model::input::SourceState;
use model::settings::Settings;
use model::view::Status;
use runtime::{Clock, Driver, Gate, Loop};
use store::Sqlite;

use super::fixed::resource;
use super::whole::{Idle, looked_at, source, until};
use super::*;
use crate::client::Client;

/// How many services there are to be told of, so that an answer takes its time.
const SERVICES: usize = 1_000;
/// Clients at the same time.
const CLIENTS: usize = 4;
/// Commands that are given meanwhile.
const COMMANDS: usize = 20;
/// A command waits for one answer and its own step, on a busy machine. Questions that nobody waits for cost it many times
/// that: thousands are asked meanwhile.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Asks, and resets the connection without waiting for the answer.
async fn asks_and_resets(address: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    let _ = stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let _ = tokio::time::timeout(Duration::from_micros(500), stream.readable()).await;
    let _ = stream.set_zero_linger();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_ask_and_hang_up_keep_no_command_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Arc::new(Settings { instance: "web-1".to_owned(), ..Settings::default() });
    let journal = Sqlite::open(dir.path()).unwrap();
    let mut turning = Loop::recover(journal, Driver::new(Idle), Gate::default(), settings, "0.1.0").unwrap();
    let clock = Clock::after(Now::default());
    turning.lead(clock.now()).unwrap();
    let (handle, inbox) = runtime::inbox();
    let thread = std::thread::spawn(move || runtime::drive(turning, &inbox, clock).unwrap());
    handle.tell(source(SourceState::opened(Generation(1))));
    for number in 0..SERVICES {
        handle.tell(looked_at(resource(&format!("web{number}")), Run::Running, None));
    }
    let (_room, watched) = watch::channel(Room::Ample);
    let house = House::new(handle.clone(), dir.path().to_owned(), watched, None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = Socket::bind(dir.path()).await.unwrap();
    let served = [
        tokio::spawn(serve_socket(socket, house.clone(), CancellationToken::new())),
        tokio::spawn(async move { serve(listener, house, CancellationToken::new()).await.unwrap() }),
    ];
    let client = Client::connect(dir.path()).await.unwrap();
    let all = |status: &Status| status.deployments.iter().map(|it| it.resources.len()).sum::<usize>() == SERVICES;
    until(&client, "/api/v1/status", all).await;

    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    asks_and_resets(address).await;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for turn in 0..COMMANDS {
        // Each is given in the midst of the flood.
        let enough = 50 * (turn as u64 + 1);
        while asked.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        let ask = if turn % 2 == 0 { Ask::Freeze { because: "a test".to_owned() } } else { Ask::Thaw };
        let began = Instant::now();
        assert!(client.command(&ask, None).await.unwrap().taken);
        slowest = slowest.max(began.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    println!("the slowest of {COMMANDS} commands took {slowest:?} beside {} questions", asked.load(Ordering::Relaxed));
    assert!(slowest < ANSWERED_WITHIN, "{slowest:?}");
    // Those who stay are answered.
    until(&client, "/api/v1/status", all).await;
    handle.end();
    thread.join().unwrap();
    served.iter().for_each(tokio::task::JoinHandle::abort);
}
