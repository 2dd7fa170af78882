//! The loop on its thread, asked by those who do not stay for the answer.

use std::sync::Mutex;

use model::command::Ask;
use model::settings::Settings;
use store::Memory;

use super::*;
use crate::Gate;

/// Performs nothing: what is decided stays decided.
struct Idle;

impl Perform for Idle {
    fn perform(&mut self, _: Effect) {}
}

/// A loop on a thread of its own.
fn driven() -> (Handle, std::thread::JoinHandle<()>) {
    let clock = Clock::after(model::Now::default());
    let settings = Arc::new(Settings::default());
    let mut turning = Loop::recover(Memory::new(), Driver::new(Idle), Gate::default(), settings, "0").unwrap();
    turning.lead(clock.now()).unwrap();
    let (handle, inbox) = inbox();
    (handle, std::thread::spawn(move || drive(turning, &inbox, clock).unwrap()))
}

/// Takes the loop's time, as an answer about very many resources does.
fn spins(for_ms: u64) -> Duration {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(for_ms) {
        std::hint::spin_loop();
    }
    began.elapsed()
}

/// Asks again and again, and never stays for more than half a millisecond.
async fn asks_and_goes(handle: Handle, answers: Arc<Mutex<Vec<Duration>>>) {
    loop {
        let answers = Arc::clone(&answers);
        let asking = handle.ask(move |_, _| {
            let took = spins(5);
            answers.lock().unwrap().push(took);
        });
        let _ = tokio::time::timeout(Duration::from_micros(500), asking).await;
    }
}

#[tokio::test]
async fn those_who_ask_and_go_get_a_tenth_of_the_loop_and_keep_no_command_waiting() {
    let (handle, thread) = driven();
    let answers = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    let askers: Vec<_> = (0..4).map(|_| tokio::spawn(asks_and_goes(handle.clone(), Arc::clone(&answers)))).collect();
    let mut slowest = Duration::ZERO;
    for turn in 0.. {
        let asked = Instant::now();
        let freeze = Ask::Freeze { because: String::new() };
        handle.command(CommandId(turn.to_string()), "ann".to_owned(), freeze).await.unwrap();
        slowest = slowest.max(asked.elapsed());
        if answers.lock().unwrap().len() >= 10 {
            break;
        }
    }
    let (elapsed, answers) = (began.elapsed(), answers.lock().unwrap().clone());
    // The last one may have no rest behind it yet.
    let spent: Duration = answers[..answers.len() - 1].iter().sum();
    assert!(spent * 10 <= elapsed, "{spent:?} of {elapsed:?} went into {} answers", answers.len());
    // An answer of 5 ms and a step, on a busy machine: those who left a queue behind cost seconds.
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    for asker in askers {
        asker.abort();
    }
    handle.end();
    thread.join().unwrap();
}

#[tokio::test]
async fn a_glance_waits_for_no_rest_of_others_and_the_end_answers_everybody() {
    let (handle, thread) = driven();
    handle.ask(|_, _| spins(200)).await.unwrap();
    let asked = Instant::now();
    assert!(handle.glance(|engine, _| engine.leads()).await.unwrap());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let waits = tokio::spawn({
        let handle = handle.clone();
        async move { handle.ask(|_, _| ()).await }
    });
    handle.end();
    let answered = tokio::time::timeout(Duration::from_secs(20), waits).await.unwrap().unwrap();
    assert_eq!(answered, Err(crate::Closed));
    assert_eq!(handle.glance(|_, _| ()).await, Err(crate::Closed));
    thread.join().unwrap();
}
