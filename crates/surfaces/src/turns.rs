//! How often the loop is asked: as seldom as its work needs, whoever asks, and however many.
//!
//! A question is answered on the loop's thread, so what it costs is taken from healer's work. Two bounds keep that small:
//! all questions together take at most a tenth of the loop's time ([`Turns`]), and those who want the same picture share
//! one ([`Shared`]). No answer is older than its question.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// After a question the next one waits for so many times what that one cost.
const REST: u32 = 9;
/// But no longer than this: a single slow answer makes nobody wait for minutes.
const REST_MAX: Duration = Duration::from_secs(1);

/// One question at a time, in the order in which they came, each followed by a rest.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<Option<Instant>>);

impl Turns {
    /// Asks when it is this question's turn. `ask` gives the answer and what it cost the loop.
    pub(crate) async fn take<T, E, F>(&self, ask: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<(T, Duration), E>>,
    {
        let mut rests_until = self.0.lock().await;
        if let Some(until) = *rests_until {
            sleep_until(until).await;
        }
        let (answer, cost) = ask().await?;
        *rests_until = Some(Instant::now() + (cost * REST).min(REST_MAX));
        Ok(answer)
    }
}

/// A picture that is made once for all who wait for it.
#[derive(Debug)]
pub(crate) struct Shared<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared(Mutex::default())
    }
}

impl<T> Shared<T> {
    /// The picture, made after this call began: by `make`, or by somebody else's. `make` says when it began, before it
    /// asked.
    pub(crate) async fn get<E, F>(&self, make: impl FnOnce() -> F) -> Result<Arc<T>, E>
    where
        F: Future<Output = Result<(Instant, T), E>>,
    {
        let asked = Instant::now();
        let mut kept = self.0.lock().await;
        if let Some((begun, picture)) = &*kept
            && *begun > asked
        {
            return Ok(Arc::clone(picture));
        }
        let (begun, picture) = make().await?;
        let picture = Arc::new(picture);
        *kept = Some((begun, Arc::clone(&picture)));
        Ok(picture)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Time on the paused clock: it takes none, and puts things in order.
    async fn passes(time: Duration) {
        sleep_until(Instant::now() + time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_loop_rests_nine_times_as_long_as_a_question_took_and_a_second_at_most() {
        for (cost, expect) in [(Duration::ZERO, Duration::ZERO), (10 * MS, 90 * MS), (60_000 * MS, REST_MAX)] {
            let turns = Turns::default();
            let ask = || async move { Ok::<_, Infallible>((Instant::now(), cost)) };
            let first = turns.take(ask).await.unwrap();
            let second = turns.take(ask).await.unwrap();
            assert_eq!(second - first, expect, "{cost:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_while_a_picture_is_made_shares_the_next_one() {
        let (shared, made) = (Arc::new(Shared::default()), Arc::new(AtomicUsize::new(0)));
        let ask = |after: Duration| {
            let (shared, made) = (Arc::clone(&shared), Arc::clone(&made));
            tokio::spawn(async move {
                passes(after).await;
                let asked = Instant::now();
                let make = || async {
                    let begun = Instant::now();
                    passes(10 * MS).await;
                    made.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, Infallible>((begun, begun))
                };
                let begun = *shared.get(make).await.unwrap();
                assert!(begun >= asked, "an answer is older than its question");
            })
        };
        let askers: Vec<_> = [ask(Duration::ZERO)].into_iter().chain((0..50).map(|_| ask(5 * MS))).collect();
        for asker in askers {
            asker.await.unwrap();
        }
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_gives_up_keeps_nobody_else_waiting() {
        let (turns, shared) = (Turns::default(), Shared::default());
        let never = || turns.take(std::future::pending::<Result<((Instant, u8), Duration), Infallible>>);
        assert!(tokio::time::timeout(10 * MS, shared.get(never)).await.is_err());
        let soon = || turns.take(|| async { Ok::<_, Infallible>(((Instant::now(), 7), MS)) });
        assert_eq!(*shared.get(soon).await.unwrap(), 7);
    }
}
