//! Many probes at once, by the loop that asks them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use probes::schedule::{Board, Change, Watch, run};
use probes::{Probe, Question, Rule, Standing, Turn};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::plain::{request, server};
use crate::rig::{SOON, asker, free_port};

fn watch(name: &str, question: Question, rule: Rule) -> Watch {
    let probe = Probe { question, timeout: Duration::from_secs(5) };
    Watch { name: name.to_owned(), probe, every: Duration::from_millis(20), jitter: Duration::from_millis(5), rule }
}

async fn next(changes: &mut mpsc::Receiver<Change>, name: &str) -> Turn {
    let found = async {
        loop {
            let change = changes.recv().await.expect("it runs");
            if &*change.name == name {
                return change.turn;
            }
        }
    };
    tokio::time::timeout(SOON, found).await.expect("it changes")
}

#[tokio::test]
async fn changes_are_told_once_and_the_board_shows_how_all_stand() {
    let status = Arc::new(AtomicU16::new(200));
    let says = status.clone();
    let page = server(move |mut stream| {
        let says = says.clone();
        async move {
            request(&mut stream).await?;
            let answer = format!("HTTP/1.1 {} x\r\ncontent-length: 0\r\n\r\n", says.load(Ordering::SeqCst));
            stream.write_all(answer.as_bytes()).await
        }
    })
    .await;
    let url: outbound::Address = format!("http://{page}/").parse().unwrap();
    let (closed, rule) = (format!("127.0.0.1:{}", free_port()), Rule::new(2, 3, 2).unwrap());
    let board = Board::of(vec![
        watch("page", Question::Http(url.into()), rule),
        watch("closed", Question::Tcp(closed), rule),
        watch("slow", Question::Command(vec!["sleep".to_owned(), "60".to_owned()]), rule),
    ]);
    assert!(board.look().iter().all(|one| one.standing == Standing::Unknown));
    let (sender, mut changes) = mpsc::channel(100);
    let stop = CancellationToken::new();
    let (runs, ends) = (board.clone(), stop.clone());
    let running = tokio::spawn(async move { run(&runs, asker(), 7, sender, ends).await });
    assert_eq!(next(&mut changes, "page").await, Turn::Passed);
    status.store(500, Ordering::SeqCst);
    let Turn::Failed(troubles) = next(&mut changes, "page").await else { panic!("it fails") };
    assert_eq!(troubles[0].label(), "wrong_status");
    let standing = |name: &str| board.look().into_iter().find(|one| &*one.name == name).unwrap();
    assert_eq!(standing("page").standing, Standing::Failing);
    status.store(200, Ordering::SeqCst);
    assert_eq!(next(&mut changes, "page").await, Turn::Recovered);
    assert_eq!(standing("closed").standing, Standing::Failing);
    // One that takes its time holds up nobody, and is not asked a second time meanwhile.
    assert_eq!(standing("slow").standing, Standing::Unknown);
    let page = standing("page");
    assert!(page.latency.answers >= 5 && page.latency.p99_ms >= page.latency.p50_ms, "{page:?}");
    stop.cancel();
    tokio::time::timeout(SOON, running).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn it_ends_once_nobody_listens() {
    let rule = Rule::new(1, 1, 1).unwrap();
    let board = Board::of(vec![watch("closed", Question::Tcp(format!("127.0.0.1:{}", free_port())), rule)]);
    let (sender, changes) = mpsc::channel(1);
    drop(changes);
    let running = run(&board, asker(), 7, sender, CancellationToken::new());
    tokio::time::timeout(SOON, running).await.expect("it ends");
}
