//! The real clocks, read as one moment. The tick goes on from where the journal's last entry stood.

use std::time::{Duration, Instant, SystemTime};

use model::{Now, Tick, Wall};

/// A wall clock that drifts from the monotonic one by more than this between two readings has jumped.
const JUMP_MIN_MS: i64 = 2_000;

/// The clocks of one process.
#[derive(Debug, Clone)]
pub struct Clock {
    base_tick: Tick,
    base: Instant,
    last: Option<(Instant, Wall)>,
}

impl Clock {
    /// Goes on from the moment of the journal's last entry: by the wall time that has passed since, or by nothing if the
    /// wall clock went back.
    #[must_use]
    pub fn after(last: Now) -> Clock {
        let away = if last == Now::default() { Duration::ZERO } else { wall().since(last.wall) };
        Clock { base_tick: last.tick.after(away), base: Instant::now(), last: None }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { wall: wall(), tick: self.base_tick.after(self.base.elapsed()) }
    }

    /// By how much the wall clock has jumped since the last time this was asked, in milliseconds.
    pub fn jumped_ms(&mut self) -> Option<i64> {
        let (mono, wall) = (Instant::now(), wall());
        let (before_mono, before_wall) = self.last.replace((mono, wall))?;
        let elapsed_ms = i64::try_from((mono - before_mono).as_millis()).unwrap_or(i64::MAX);
        let by_ms = wall.0.saturating_sub(before_wall.0).saturating_sub(elapsed_ms);
        (by_ms.abs() >= JUMP_MIN_MS).then_some(by_ms)
    }
}

fn wall() -> Wall {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tick_goes_on_across_a_restart_and_never_back() {
        let past = Now { wall: Wall(wall().0 - 5_000), tick: Tick(100) };
        let away = Clock::after(past).now().tick;
        assert!(away >= Tick(5_100) && away < Tick(15_100), "{away:?}");
        let ahead = Now { wall: Wall(wall().0 + 3_600_000), tick: Tick(100) };
        assert!(Clock::after(ahead).now().tick < Tick(10_100));
        assert!(Clock::after(Now::default()).now().tick < Tick(10_000));
    }
}
