//! When a probe counts as failing: after m of its last n answers, or because its queue grows; and when as well again.
//!
//! ```text
//!            good                  m of n bad, or growing
//! Unknown ──────────▶ Passing ◀───────────────────────────▶ Failing
//!     └────────────────────────── m of n bad ─────────────────▲
//!                                  k good in a row, and not growing: Passing
//! ```
//!
//! Nothing here reads a clock: the time of an answer is an argument.

use std::time::{Duration, Instant};

use crate::answer::{Answer, Measure};
use crate::growth::Growth;
use crate::latency::{Latencies, Percentiles};
use crate::trouble::Trouble;

/// The last answers are kept as bits.
const ANSWERS_MAX: u32 = 64;

/// When a probe fails, and when it has recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    fails: u32,
    of: u32,
    recovers: u32,
    growing_for: Option<Duration>,
}

impl Rule {
    /// It fails after `fails` bad answers of the last `of`, and has recovered after `recovers` good ones in a row.
    ///
    /// # Errors
    /// Where that can never be, in words.
    pub fn new(fails: u32, of: u32, recovers: u32) -> Result<Rule, String> {
        if fails == 0 || recovers == 0 || fails > of || of > ANSWERS_MAX {
            return Err(format!(
                "{fails} of {of}, and {recovers} to recover: expected 1 ≤ m ≤ n ≤ {ANSWERS_MAX} and 1 ≤ k"
            ));
        }
        Ok(Rule { fails, of, recovers, growing_for: None })
    }

    /// It also fails while its queue has grown for so long.
    #[must_use]
    pub fn growing_for(self, time: Duration) -> Rule {
        Rule { growing_for: Some(time), ..self }
    }
}

/// How a probe stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing good has come yet, and not enough bad.
    Unknown,
    /// Well.
    Passing,
    /// Not well.
    Failing,
}

/// How a probe's standing has changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// The first good answer.
    Passed,
    /// It fails.
    Failed(Vec<Trouble>),
    /// It fails still, for other reasons.
    FailedOtherwise(Vec<Trouble>),
    /// It is well again.
    Recovered,
}

/// What is known of one probe from its answers.
#[derive(Debug, Clone)]
pub struct Judge {
    rule: Rule,
    /// The last answers, the newest in the lowest bit: 1 is bad.
    bad: u64,
    good_in_a_row: u32,
    counted: Standing,
    growth: Option<Growth>,
    growing: Option<Trouble>,
    /// The labels of what was told last.
    told: Vec<&'static str>,
    /// The labels of other troubles since, and how often they came in a row.
    other: (Vec<&'static str>, u32),
    latencies: Latencies,
}

impl Judge {
    /// One who knows nothing yet.
    #[must_use]
    pub fn new(rule: Rule) -> Judge {
        Judge {
            rule,
            bad: 0,
            good_in_a_row: 0,
            counted: Standing::Unknown,
            growth: rule.growing_for.map(Growth::over),
            growing: None,
            told: Vec::new(),
            other: (Vec::new(), 0),
            latencies: Latencies::default(),
        }
    }

    /// How the probe stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.growing.is_some() { Standing::Failing } else { self.counted }
    }

    /// How long its answers take.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        self.latencies.percentiles()
    }

    /// Takes an answer that came at this time, and says whether it changes anything.
    pub fn take(&mut self, at: Instant, answer: &Answer) -> Option<Turn> {
        let before = self.standing();
        if !answer.troubles.iter().any(Trouble::is_silence) {
            self.latencies.take(answer.took);
        }
        self.grow(at, answer);
        self.count(answer.is_good());
        match (before, self.standing()) {
            (Standing::Unknown | Standing::Passing, Standing::Failing) => Some(Turn::Failed(self.tell(answer))),
            (Standing::Failing, Standing::Failing) => self.otherwise(answer),
            (Standing::Failing, Standing::Passing) => Some(Turn::Recovered),
            (Standing::Unknown, Standing::Passing) => Some(Turn::Passed),
            (Standing::Passing, Standing::Passing) | (_, Standing::Unknown) => None,
        }
    }

    fn grow(&mut self, at: Instant, answer: &Answer) {
        let (Some(growth), Some(depth)) = (&mut self.growth, answer.figure(Measure::Depth)) else { return };
        let during = self.rule.growing_for.unwrap_or_default();
        let growing = |from| Trouble::Growing { measure: Measure::Depth, from, to: depth, during };
        self.growing = growth.take(at, depth).map(growing);
    }

    fn count(&mut self, good: bool) {
        self.bad = self.bad << 1 | u64::from(!good);
        self.good_in_a_row = if good { self.good_in_a_row.saturating_add(1) } else { 0 };
        let window = u64::MAX >> (ANSWERS_MAX - self.rule.of);
        let fails = (self.bad & window).count_ones() >= self.rule.fails;
        self.counted = match self.counted {
            Standing::Failing if self.good_in_a_row >= self.rule.recovers => {
                // What was bad before it recovered is not held against it again.
                self.bad = 0;
                Standing::Passing
            }
            Standing::Failing => Standing::Failing,
            Standing::Unknown | Standing::Passing if fails => Standing::Failing,
            Standing::Unknown if good => Standing::Passing,
            standing @ (Standing::Unknown | Standing::Passing) => standing,
        };
    }

    /// Whether other reasons have come as often as it takes to fail.
    fn otherwise(&mut self, answer: &Answer) -> Option<Turn> {
        let labels = labels(&self.troubles(answer));
        if labels.is_empty() || labels == self.told {
            self.other.1 = 0;
            return None;
        }
        let times = if labels == self.other.0 { self.other.1 + 1 } else { 1 };
        self.other = (labels, times);
        (times >= self.rule.fails).then(|| Turn::FailedOtherwise(self.tell(answer)))
    }

    fn tell(&mut self, answer: &Answer) -> Vec<Trouble> {
        let troubles = self.troubles(answer);
        self.told = labels(&troubles);
        self.other = (Vec::new(), 0);
        troubles
    }

    fn troubles(&self, answer: &Answer) -> Vec<Trouble> {
        answer.troubles.iter().cloned().chain(self.growing.clone()).collect()
    }
}

fn labels(troubles: &[Trouble]) -> Vec<&'static str> {
    let mut labels: Vec<_> = troubles.iter().map(Trouble::label).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` good, `r` refused, `f` filtered.
    fn answer(kind: char) -> Answer {
        let to = "db:5432".to_owned();
        match kind {
            'r' => Trouble::Refused { by: to }.into(),
            'f' => Trouble::Filtered { to, waited: Duration::from_secs(1) }.into(),
            _ => Answer { took: Duration::from_millis(5), ..Answer::default() },
        }
    }

    /// One sign an answer: what it turned. `p` passed, `F` failed, `O` failed otherwise, `R` recovered.
    fn turns(rule: Rule, answers: &str) -> String {
        let (mut judge, now) = (Judge::new(rule), Instant::now());
        let sign = |turn| match turn {
            None => '.',
            Some(Turn::Passed) => 'p',
            Some(Turn::Failed(_)) => 'F',
            Some(Turn::FailedOtherwise(_)) => 'O',
            Some(Turn::Recovered) => 'R',
        };
        answers.chars().map(|kind| sign(judge.take(now, &answer(kind)))).collect()
    }

    #[test]
    fn m_of_n_fail_and_k_in_a_row_recover() {
        let table = [
            ((1, 1, 1), "+r+", "pFR"),
            ((3, 3, 1), "+rr+rrr", "p.....F"),
            ((3, 5, 2), "+r+r+r++", "p....F.R"),
            // One that left the window does not count.
            ((3, 5, 2), "+r++r++r", "p......."),
            ((2, 2, 3), "rr++r+++", ".F.....R"),
            // What was before it recovered is not held against it.
            ((3, 10, 2), "rrr++r+", "..F.R.."),
            // Unknown is neither.
            ((2, 3, 1), "r+r", ".pF"),
            ((64, 64, 1), "r+", ".p"),
            // Other reasons are told once they hold.
            ((2, 2, 1), "rrrfrff+", ".F....OR"),
        ];
        for ((fails, of, recovers), answers, expect) in table {
            assert_eq!(turns(Rule::new(fails, of, recovers).unwrap(), answers), expect, "{fails} of {of}: {answers}");
        }
    }

    #[test]
    fn a_rule_that_can_never_hold_is_refused() {
        for (fails, of, recovers) in [(0, 1, 1), (2, 1, 1), (1, 65, 1), (1, 1, 0)] {
            assert!(Rule::new(fails, of, recovers).is_err(), "{fails} {of} {recovers}");
        }
    }

    fn deep(depth: f64, limit: f64) -> Answer {
        let mut answer = Answer::default();
        answer.at_most(Measure::Depth, depth, Some(limit), "");
        answer
    }

    #[test]
    fn a_queue_that_grows_fails_below_its_limit_and_both_are_told_above_it() {
        let rule = Rule::new(2, 2, 1).unwrap().growing_for(Duration::from_secs(600));
        let (mut judge, start) = (Judge::new(rule), Instant::now());
        let mut take =
            |minute: u32, depth: f64| judge.take(start + minute * Duration::from_secs(60), &deep(depth, 13.0));
        assert_eq!(take(0, 0.0), Some(Turn::Passed));
        assert!((1..10).all(|minute| take(minute, minute.into()).is_none()));
        let Some(Turn::Failed(grows)) = take(10, 10.0) else { panic!("it grows") };
        assert_eq!(labels(&grows), ["growing"]);
        assert!((11..15).all(|minute| take(minute, minute.into()).is_none()));
        let Some(Turn::FailedOtherwise(both)) = take(15, 15.0) else { panic!("it is above its limit too") };
        assert_eq!(labels(&both), ["growing", "queue_depth"]);
        assert_eq!(take(16, 0.0), Some(Turn::Recovered));
    }

    #[test]
    fn latencies_are_of_answers_that_came() {
        let mut judge = Judge::new(Rule::new(1, 1, 1).unwrap());
        "+r+f+".chars().for_each(|kind| drop(judge.take(Instant::now(), &answer(kind))));
        assert_eq!((judge.percentiles().answers, judge.percentiles().p99_ms), (3, 5.0));
    }
}
