//! Many worlds on several threads, and one report.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::{Broken, Outcome, Plan, run};

/// So many broken worlds are shown; the rest is counted.
const SHOWN_MAX: usize = 20;

/// What came of a campaign.
#[derive(Debug, Clone)]
#[must_use]
pub struct Report {
    /// Worlds that were played.
    pub worlds: u64,
    /// Steps of loops in them.
    pub steps: u64,
    /// Entries of their journals.
    pub entries: u64,
    /// The worlds in which a promise was broken, by seed.
    pub broken: Vec<Broken>,
    /// What was reached.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Whether no promise was broken and everything was reached that should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.broken.is_empty() && self.counts.faults(self.worlds).is_empty()
    }
}

/// Plays these worlds on so many threads.
pub fn campaign(seeds: Range<u64>, threads: usize) -> Report {
    play(seeds, threads, &Plan::default())
}

pub(crate) fn play(seeds: Range<u64>, threads: usize, plan: &Plan) -> Report {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let empty =
        Report { worlds: 0, steps: 0, entries: 0, broken: Vec::new(), counts: Counts::default(), took: Duration::ZERO };
    let report = Mutex::new(empty);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own: Vec<Outcome> = Vec::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let done = seed >= seeds.end;
                    if !done {
                        own.push(run(seed, plan));
                    }
                    if done || own.len() >= 64 {
                        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                        own.drain(..).for_each(|outcome| report.take(outcome));
                    }
                    if done {
                        break;
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.broken.sort_by_key(|broken| broken.seed);
    report.took = began.elapsed();
    report
}

impl Report {
    fn take(&mut self, outcome: Outcome) {
        self.worlds += 1;
        self.steps += outcome.steps;
        self.entries += outcome.entries;
        self.counts.add(&outcome.counts);
        self.broken.extend(outcome.broken);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        writeln!(
            f,
            "{} worlds, {} steps, {} journal entries in {seconds:.1} s ({:.1} ms a world and thread-second)",
            self.worlds,
            self.steps,
            self.entries,
            seconds * 1_000.0 / self.worlds.max(1) as f64,
        )?;
        write!(f, "{}", self.counts)?;
        for fault in self.counts.faults(self.worlds) {
            writeln!(f, "NOT GOOD  {fault}")?;
        }
        let mut rules: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for broken in &self.broken {
            rules.entry(broken.rule).or_default().push(broken.seed);
        }
        for (rule, seeds) in rules {
            writeln!(f, "BROKEN    {:>5} × {rule}: seeds {:?}", seeds.len(), &seeds[..seeds.len().min(6)])?;
        }
        for broken in self.broken.iter().take(SHOWN_MAX) {
            writeln!(f, "BROKEN    {broken}")?;
        }
        match self.broken.len() {
            0 => writeln!(f, "no promise was broken"),
            n => writeln!(f, "{n} worlds in which a promise was broken"),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.at_ms / 1_000;
        write!(f, "seed {} at {} m {:02} s: {}: {}", self.seed, s / 60, s % 60, self.rule, self.says)
    }
}
