//! Whether the kernel killed something for want of memory: it counts that for the whole machine, and tells nobody which.

use std::fs;
use std::sync::Mutex;

/// The count when it was looked at last, and the time before. A kill lies between that and the next one, however the looks fall.
#[derive(Debug, Default)]
pub(crate) struct Kills(Mutex<(Option<u64>, Option<u64>)>);

impl Kills {
    /// Looks at it, from time to time.
    pub(crate) fn look(&self) {
        if let Ok(mut seen) = self.0.lock() {
            *seen = (seen.1, count());
        }
    }

    /// Whether there was one lately: since the last look but one.
    pub(crate) fn lately(&self) -> bool {
        let before = self.0.lock().ok().and_then(|seen| seen.0.or(seen.1));
        before.zip(count()).is_some_and(|(before, now)| now > before)
    }
}

/// `oom_kill` of `/proc/vmstat` (Linux 4.13): all since the boot, those in memory groups among them.
fn count() -> Option<u64> {
    read(&fs::read_to_string("/proc/vmstat").ok()?)
}

fn read(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_read() {
        assert_eq!(read("pgfault 7\noom_kill 217\noom_killer 3\n"), Some(217));
        assert_eq!((read("pgfault 7\n"), read("oom_kill x\n")), (None, None));
        assert!(!Kills::default().lately(), "of what was never looked at nothing is known");
    }
}
