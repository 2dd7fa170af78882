//! Those who want the same picture share one: the loop is asked as seldom as its work needs, however many ask. (What all
//! questions together may cost the loop, it keeps to by itself.) No answer is older than its question.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

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
    use std::time::Duration;

    use tokio::time::sleep_until;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Time on the paused clock: it takes none, and puts things in order.
    async fn passes(time: Duration) {
        sleep_until(Instant::now() + time).await;
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
        let shared = Shared::default();
        let never = std::future::pending::<Result<(Instant, u8), Infallible>>;
        assert!(tokio::time::timeout(10 * MS, shared.get(never)).await.is_err());
        let soon = || async { Ok::<_, Infallible>((Instant::now(), 7)) };
        assert_eq!(*shared.get(soon).await.unwrap(), 7);
    }
}
