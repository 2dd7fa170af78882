//! How the surfaces begin, tell of their health, and end.

use std::sync::atomic::Ordering;

use super::*;
use crate::Error;

fn source_well(served: &Served, well: bool) {
    let mut status = served.fixed.status.lock().unwrap();
    status.sources[0].well = well;
    status.sources[0].because = if well { String::new() } else { "connection refused".to_owned() };
}

#[tokio::test]
async fn readiness_needs_each_source_listed_once_and_room_for_the_journal() {
    let served = Served::start(Fixed::new()).await;
    source_well(&served, false);
    let answer = served.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0], "local is not fully listed yet: connection refused");
    assert!(answer.error().starts_with("not ready: local"), "{answer:?}");

    source_well(&served, true);
    assert_eq!(served.get("/readyz").await.json()["ready"], true);
    // Listed once, and lost since: healer is at its work of getting it back.
    source_well(&served, false);
    assert_eq!(served.get("/readyz").await.status, 200);

    served.room.send_replace(Room::ReserveUsed);
    assert!(served.get("/readyz").await.error().contains("nearly full"));
    served.room.send_replace(Room::Full);
    assert!(served.get("/readyz").await.error().contains("only watches"));
    assert_eq!(served.get("/healthz").await.json()["status"], "ok");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_answer_is_told_in_time() {
    let served = Served::start(Fixed::new()).await;
    served.fixed.stuck.store(true, Ordering::SeqCst);
    let answer = served.get("/readyz").await;
    assert_eq!((answer.status, answer.error().as_str()), (503, "not ready: the loop has not answered within 1 s"));
    let answer = served.get("/api/v1/status").await;
    assert!(answer.status == 504 && answer.error().contains("within 30 s"), "{answer:?}");
    assert_eq!(served.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn what_others_can_reach_is_not_served_without_tokens() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (_room, watched) = watch::channel(Room::Ample);
    let house = House::around(Mind::Fixed(Arc::new(Fixed::new())), "/nonexistent".into(), watched, None);
    let error = serve(listener, house, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, Error::Exposed(_)) && error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_journal_that_is_not_there_costs_only_the_answers_that_need_it() {
    let served = Served::start(Fixed::new()).await;
    std::fs::remove_file(served.dir.path().join(store::JOURNAL_FILE)).unwrap();
    let answer = served.get("/api/v1/history").await;
    assert!(answer.status == 503 && answer.error().contains("the journal cannot be read"), "{answer:?}");
    assert_eq!(served.get("/api/v1/status").await.status, 200);
    assert!(served.get("/metrics").await.body.contains("healer_resources"));
}

#[tokio::test]
async fn a_shutdown_ends_idle_connections_and_takes_the_socket_away() {
    let mut served = Served::start(Fixed::new()).await;
    let mut idle = TcpStream::connect(served.tcp).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert_ne!(idle.read(&mut [0; 4096]).await.unwrap(), 0);
    served.shutdown.cancel();
    for task in served.tasks.drain(..) {
        task.await.unwrap();
    }
    assert_eq!(idle.read(&mut [0; 4096]).await.unwrap(), 0, "the idle connection is still there");
    assert!(!served.dir.path().join(crate::SOCKET_FILE).exists());
    assert!(TcpStream::connect(served.tcp).await.is_err());
}
