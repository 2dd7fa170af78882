//! Two clocks. `Wall` is what people read; `Tick` is healer's own clock, by which every window, wait and deadline runs.
//!
//! A `Tick` never goes back: it follows the monotonic clock while the process lives, and across a restart it goes on
//! from the journal's last tick plus the wall time that has passed since (nothing, if the wall clock went back).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Wall(pub i64);

/// Milliseconds on healer's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Tick(pub u64);

/// The present moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Now {
    /// For people and for the journal's readers.
    pub wall: Wall,
    /// For windows and deadlines.
    pub tick: Tick,
}

impl Tick {
    /// The tick that lies `wait` after this one.
    #[must_use]
    pub fn after(self, wait: Duration) -> Tick {
        Tick(self.0.saturating_add(millis(wait)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Wall {
    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Now {
    /// The same moment `wait` later on both clocks.
    #[must_use]
    pub fn after(self, wait: Duration) -> Now {
        let wall_ms = i64::try_from(millis(wait)).unwrap_or(i64::MAX);
        Now { wall: Wall(self.wall.0.saturating_add(wall_ms)), tick: self.tick.after(wait) }
    }

    /// The wall time at which `tick` will come, or came, if the wall clock runs on evenly.
    #[must_use]
    pub fn wall_at(self, tick: Tick) -> Wall {
        let ahead_ms = i128::from(tick.0) - i128::from(self.tick.0);
        Wall(i64::try_from(i128::from(self.wall.0) + ahead_ms).unwrap_or(i64::MAX))
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// A duration as a person says it: `0.31 s`, `42 s`, `4 m`, `3 h`, `12 d`.
///
/// Below a minute two digits matter, above it only the largest unit and, where it is small, the next one: `2 m 30 s`.
#[derive(Debug, Clone, Copy)]
pub struct Spoken(pub Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total_s = self.0.as_secs();
        let (large, unit, rest, rest_unit) = match total_s {
            0..10 if self.0.subsec_millis() != 0 => return write!(f, "{:.2} s", self.0.as_secs_f64()),
            0..60 => return write!(f, "{total_s} s"),
            60..3600 => (total_s / 60, "m", total_s % 60, "s"),
            3600..86_400 => (total_s / 3600, "h", total_s % 3600 / 60, "m"),
            _ => (total_s / 86_400, "d", total_s % 86_400 / 3600, "h"),
        };
        if large < 10 && rest != 0 {
            write!(f, "{large} {unit} {rest} {rest_unit}")
        } else {
            write!(f, "{large} {unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_spoken_with_one_or_two_units() {
        let table = [
            (0, "0 s"),
            (310, "0.31 s"),
            (42_000, "42 s"),
            (120_000, "2 m"),
            (150_000, "2 m 30 s"),
            (720_500, "12 m"),
            (7_260_000, "2 h 1 m"),
            (277_200_000, "3 d 5 h"),
        ];
        for (ms, expect) in table {
            assert_eq!(Spoken(Duration::from_millis(ms)).to_string(), expect);
        }
    }

    #[test]
    fn a_tick_never_underflows_or_overflows() {
        assert_eq!(Tick(5).since(Tick(9)), Duration::ZERO);
        assert_eq!(Tick(5).after(Duration::MAX), Tick(u64::MAX));
        assert_eq!(Now { wall: Wall(1_000), tick: Tick(10) }.wall_at(Tick(4)), Wall(994));
    }
}
