//! Who comes first, who goes, and how long the loop rests.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use engine::State;
use model::settings::Settings;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn engine() -> Engine {
    Engine::new(State::default(), Arc::new(Settings::default()), "0")
}

fn queue() -> Arc<Queue> {
    Arc::new(Queue::new())
}

fn jumped() -> Arrival {
    Arrival::Input(Input::ClockJumped { by_ms: 1 })
}

/// What comes next at this moment, in a word.
fn next(queue: &Queue) -> &'static str {
    match queue.next(Instant::now()) {
        Next::Arrivals(_) => "arrivals",
        Next::Question(Kind::Glance, _) => "glance",
        Next::Question(Kind::Whole, _) => "question",
        Next::Time => "time",
    }
}

fn ask(queue: &Arc<Queue>, kind: Kind) -> Asker {
    queue.put(kind, Box::new(|_, _| ())).unwrap()
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn all_rests_together_leave_a_tenth_to_questions() {
    let share = |kind: Kind| 1.0 / (1.0 + f64::from(kind.rests()));
    let all: f64 = KINDS.into_iter().map(share).sum();
    assert!(all <= 0.1 + f64::EPSILON, "{all}");
    let now = Instant::now();
    for (kind, took, expect) in [
        (Kind::Whole, Duration::ZERO, Duration::ZERO),
        (Kind::Whole, 10 * MS, 100 * MS),
        (Kind::Whole, 2_000 * MS, 20_000 * MS),
        (Kind::Glance, MS, 109 * MS),
        (Kind::Whole, Duration::from_secs(86_400), REST_MAX),
        (Kind::Glance, Duration::MAX, REST_MAX),
    ] {
        let mut rest = Rest::default();
        rest.after(kind, took, now);
        assert_eq!(rest.left(kind, now), expect, "{kind:?} after {took:?}");
        assert!(KINDS.into_iter().all(|other| other == kind || rest.left(other, now).is_zero()));
    }
}

#[test]
fn inputs_come_before_questions_and_glances_before_others() {
    let queue = queue();
    let _askers = [ask(&queue, Kind::Whole), ask(&queue, Kind::Glance)];
    queue.push(jumped()).unwrap();
    assert_eq!(next(&queue), "arrivals");
    // The time has come, too: a question waits for that as well.
    assert_eq!(next(&queue), "time");
    let soon = || Instant::now() + Duration::from_secs(60);
    assert!(matches!(queue.next(soon()), Next::Question(Kind::Glance, _)));
    assert!(matches!(queue.next(soon()), Next::Question(Kind::Whole, _)));
    queue.push(jumped()).unwrap();
    assert_eq!(next(&queue), "arrivals");
}

#[test]
fn a_storm_of_inputs_does_not_make_healer_mute() {
    let queue = queue();
    let _asker = ask(&queue, Kind::Whole);
    let mut waiting = queue.lock();
    let now = Instant::now();
    assert!(waiting.question(now, PATIENCE).is_none());
    assert!(waiting.question(now + PATIENCE, PATIENCE).is_some());
}

#[test]
fn a_question_waits_for_the_rest_of_its_kind_only() {
    let queue = queue();
    let _askers = [ask(&queue, Kind::Whole), ask(&queue, Kind::Glance)];
    queue.answered(Kind::Whole, Duration::from_secs(1));
    assert!(matches!(queue.next(Instant::now() + 50 * MS), Next::Question(Kind::Glance, _)));
    assert!(matches!(queue.next(Instant::now() + 50 * MS), Next::Time));
    // … and then it is answered, although nobody wakes the loop.
    queue.lock().rest = Rest::default();
    queue.answered(Kind::Whole, MS);
    assert!(matches!(queue.next(Instant::now() + Duration::from_secs(60)), Next::Question(Kind::Whole, _)));
}

#[test]
fn a_question_leaves_with_its_asker() {
    let queue = queue();
    let stays = ask(&queue, Kind::Whole);
    drop(ask(&queue, Kind::Whole));
    assert_eq!(queue.lock().questions.iter().map(VecDeque::len).sum::<usize>(), 1);
    drop(stays);
    assert!(matches!(queue.next(Instant::now() + MS), Next::Time));
}

#[test]
fn nothing_is_computed_for_an_asker_who_went_at_the_last_moment() {
    let (queue, computed) = (queue(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&computed);
    for stays in [false, true] {
        let counted = Arc::clone(&counted);
        let mut asking = Box::pin(queue.ask(Kind::Whole, move |_, _| counted.fetch_add(1, Ordering::SeqCst)));
        assert!(poll(asking.as_mut()).is_pending());
        let Next::Question(_, query) = queue.next(Instant::now() + 50 * MS) else { panic!("a question waits") };
        let asking = stays.then_some(asking);
        query(&engine(), Now::default());
        assert_eq!(computed.load(Ordering::SeqCst), usize::from(stays));
        drop(asking);
    }
}

#[test]
fn so_many_questions_wait_and_whoever_gives_up_makes_room() {
    let queue = queue();
    let mut asking: Vec<_> =
        (0..QUESTIONS_WAITING_MAX + 2).map(|_| Box::pin(queue.ask(Kind::Whole, |_, _| ()))).collect();
    let waiting = |queue: &Queue| Kind::Whole.of(&queue.lock().questions).len();
    for one in &mut asking {
        assert!(poll(one.as_mut()).is_pending());
    }
    assert_eq!(waiting(&queue), QUESTIONS_WAITING_MAX);
    assert!(poll(pin!(queue.ask(Kind::Glance, |_, _| ()))).is_pending());
    drop(asking.remove(0));
    assert_eq!(waiting(&queue), QUESTIONS_WAITING_MAX - 1);
    for one in &mut asking {
        assert!(poll(one.as_mut()).is_pending());
    }
    assert_eq!(waiting(&queue), QUESTIONS_WAITING_MAX);
}

#[test]
fn at_the_end_whoever_waits_is_told_so() {
    let queue = queue();
    let mut asking: Vec<_> = (0..=QUESTIONS_WAITING_MAX).map(|_| Box::pin(queue.ask(Kind::Whole, |_, _| ()))).collect();
    for one in &mut asking {
        assert!(poll(one.as_mut()).is_pending());
    }
    queue.close();
    for mut one in asking {
        assert_eq!(poll(one.as_mut()), Poll::Ready(Err(Closed)));
    }
    assert_eq!(poll(pin!(queue.ask(Kind::Glance, |_, _| ()))), Poll::Ready(Err(Closed)));
    assert_eq!(queue.push(jumped()), Err(Closed));
}
