//! How long answers take: percentiles of the last ones, as many as fit a fixed place.

use std::collections::VecDeque;
use std::time::Duration;

/// Of so many answers; a kilobyte a probe.
const WINDOW: usize = 256;

/// The times of the last answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    /// In microseconds; an answer of more than an hour is one of an hour.
    recent: VecDeque<u32>,
}

/// How long answers take: half of them, 95 and 99 in a hundred no longer than so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Percentiles {
    /// Half of them.
    pub p50_ms: f64,
    /// 95 in a hundred.
    pub p95_ms: f64,
    /// 99 in a hundred.
    pub p99_ms: f64,
    /// Of how many answers; without any the others say nothing.
    pub answers: usize,
}

impl Latencies {
    pub(crate) fn take(&mut self, took: Duration) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let mut sorted: Vec<u32> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let at = |percent| ms(nearest(&sorted, percent));
        Percentiles { p50_ms: at(50), p95_ms: at(95), p99_ms: at(99), answers: sorted.len() }
    }
}

/// The nearest rank: the smallest of them that so many in a hundred do not exceed.
fn nearest(sorted: &[u32], percent: usize) -> u32 {
    let rank = (percent * sorted.len()).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

fn ms(us: u32) -> f64 {
    f64::from(us) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times_ms: impl IntoIterator<Item = u64>) -> Percentiles {
        let mut latencies = Latencies::default();
        times_ms.into_iter().for_each(|ms| latencies.take(Duration::from_millis(ms)));
        latencies.percentiles()
    }

    #[test]
    fn percentiles_are_of_the_last_answers_by_nearest_rank() {
        let expect = |p50_ms, p95_ms, p99_ms, answers| Percentiles { p50_ms, p95_ms, p99_ms, answers };
        assert_eq!(of([]), Percentiles::default());
        assert_eq!(of([7]), expect(7.0, 7.0, 7.0, 1));
        assert_eq!(of([3, 1, 2]), expect(2.0, 3.0, 3.0, 3));
        assert_eq!(of(1..=100), expect(50.0, 95.0, 99.0, 100));
        // What is older than the window is gone.
        assert_eq!(of((0..1000).map(|_| 9000).chain(1..=256)), expect(128.0, 244.0, 254.0, 256));
        assert_eq!(of([u64::MAX / 2_000]).p99_ms, f64::from(u32::MAX) / 1000.0);
    }
}
