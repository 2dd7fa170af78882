//! Whether a figure grows: `growing_for: 10m`.
//!
//! ```text
//! depth      ▁▂▁▂▃▂▃▄▃▄▅▄▅▆▅▆▇        a consumer that takes some now and then, and not enough
//! low of      1  1  2  3  4  5        the lowest of each eighth of the time never falls, and has risen
//! each part                           three times: it grows
//! ```
//!
//! The lowest of a part says what is left after a consumer has taken its share, if it takes some in each part: one that
//! comes more seldom makes a queue fill and empty, which is not growing. Nor is a queue that was filled once and stays so.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Parts of the time over which a figure has to grow. By chance alone nine lows would rise one after the other once in
/// 362,880 times.
const PARTS: u32 = 8;
/// So often the low has to rise, or each time where there are fewer.
const RISES_MIN: usize = 3;
/// Fewer lows than this say nothing.
const LOWS_MIN: usize = 3;

/// A figure that may grow.
#[derive(Debug, Clone)]
pub(crate) struct Growth {
    during: Duration,
    /// When the first value came, since which there was no gap.
    began: Option<Instant>,
    /// By the number of its part: the lowest value there.
    lows: VecDeque<(u128, f64)>,
}

impl Growth {
    pub(crate) fn over(during: Duration) -> Growth {
        Growth { during: during.max(Duration::from_millis(1)), began: None, lows: VecDeque::new() }
    }

    /// Takes a value, and says from which one it has grown, if it has for long enough.
    pub(crate) fn take(&mut self, at: Instant, value: f64) -> Option<f64> {
        let mut began = *self.began.get_or_insert(at);
        let mut part = self.part(at.saturating_duration_since(began));
        // Nobody knows what was in a gap.
        if self.lows.back().is_some_and(|(last, _)| part.saturating_sub(*last) > u128::from(PARTS / 2)) {
            self.lows.clear();
            (began, part) = (at, 0);
            self.began = Some(at);
        }
        match self.lows.back_mut() {
            Some((last, low)) if *last == part => *low = low.min(value),
            _ => self.lows.push_back((part, value)),
        }
        while self.lows.front().is_some_and(|(first, _)| *first + u128::from(PARTS) < part) {
            self.lows.pop_front();
        }
        let long_enough = at.saturating_duration_since(began) >= self.during;
        if long_enough && rises(&self.lows) { self.lows.front().map(|(_, low)| *low) } else { None }
    }

    fn part(&self, since: Duration) -> u128 {
        since.as_nanos() * u128::from(PARTS) / self.during.as_nanos()
    }
}

fn rises(lows: &VecDeque<(u128, f64)>) -> bool {
    let steps = || lows.iter().zip(lows.iter().skip(1)).map(|((_, one), (_, next))| next - one);
    let rises = steps().filter(|step| *step > 0.0).count();
    lows.len() >= LOWS_MIN && rises >= RISES_MIN.min(lows.len() - 1) && steps().all(|step| step >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value every half minute, with `growing_for: 10m`: when, in half minutes, it first grows.
    fn grows_at(values: impl IntoIterator<Item = u32>) -> Option<usize> {
        let (mut growth, start) = (Growth::over(Duration::from_secs(600)), Instant::now());
        let at = |half_minutes: usize| start + Duration::from_secs(30 * half_minutes as u64);
        values.into_iter().enumerate().position(|(n, value)| growth.take(at(n), value.into()).is_some())
    }

    #[test]
    fn what_never_falls_back_and_keeps_rising_grows() {
        let table: Vec<(&str, Vec<u32>, Option<usize>)> = vec![
            ("steadily", (0..40).collect(), Some(20)),
            ("with a consumer that is too slow", (0..40).map(|n| n + 5 * (n % 2)).collect(), Some(20)),
            ("for less than the time", (0..20).collect(), None),
            ("not at all", vec![7; 100], None),
            ("filled once, and staying so", [vec![0; 30], vec![900; 60]].concat(), None),
            ("filled twice", [vec![0; 25], vec![9; 5], vec![20; 60]].concat(), None),
            ("filling and emptying", (0..200).map(|n| n % 5).collect(), None),
            ("falling", (0..100).rev().collect(), None),
            ("in bursts that nobody takes", (0..60).map(|n| n / 6 * 50).collect(), Some(20)),
        ];
        for (case, values, expect) in table {
            assert_eq!(grows_at(values), expect, "{case}");
        }
    }

    #[test]
    fn it_grows_no_longer_once_it_falls() {
        let (mut growth, start) = (Growth::over(Duration::from_secs(600)), Instant::now());
        let mut take = |minute: u64, value: f64| growth.take(start + Duration::from_secs(60 * minute), value);
        let found: Vec<_> = (0..=10).map(|n| take(n, n as f64)).collect();
        assert_eq!(found.last(), Some(&Some(0.0)));
        assert_eq!(take(12, 2.0), None);
    }

    #[test]
    fn a_gap_says_nothing_and_few_values_say_enough() {
        let (mut growth, start) = (Growth::over(Duration::from_secs(600)), Instant::now());
        let mut take = |second: u64, value: f64| growth.take(start + Duration::from_secs(second), value);
        assert_eq!([take(0, 1.0), take(300, 2.0), take(600, 3.0)], [None, None, Some(1.0)]);
        // Eight minutes in which nobody asked.
        assert_eq!([take(1080, 4.0), take(1380, 5.0)], [None, None]);
        assert_eq!(take(1680, 6.0), Some(4.0));
        // Many before a gap and one after it are not enough.
        let mut growth = Growth::over(Duration::from_secs(600));
        let mut take = |second: u64, value: f64| growth.take(start + Duration::from_secs(second), value);
        assert_eq!([take(0, 1.0), take(75, 2.0), take(150, 3.0), take(600, 4.0)], [None; 4]);
    }
}
