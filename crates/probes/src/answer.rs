//! What comes of one asking: figures, and what is wrong, as values that a rule can match on.
//!
//! ```text
//! Answer { figures: [replication_lag_s = 42, …], troubles: [Limit { ReplicationLagS, 42, 30 }] }
//!                                                            └─ "replication lag is 42 s, the limit 30 s"
//! ```
//!
//! A database may be wrong in two ways at once, so troubles are a list; an empty one is a good answer.

use std::fmt;
use std::time::Duration;

use crate::spoken;
use crate::trouble::{Side, Trouble};

/// What came of one asking.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// How long it took, from the first step to the last.
    pub took: Duration,
    /// What was measured. An answer that is wrong may have figures too.
    pub figures: Vec<Figure>,
    /// What is wrong. Empty: all is well.
    pub troubles: Vec<Trouble>,
}

/// A number, and what it says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// What is counted, and in what.
    pub measure: Measure,
    /// How much.
    pub value: f64,
}

/// What a figure counts. The unit is part of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// From the first step to the last byte.
    LatencyMs,
    /// Until the first certificate of the chain ends.
    CertificateLeftDays,
    /// Addresses that a name has.
    Addresses,
    /// Connections of clients, of those that a database lets in.
    ConnectionsUsedPercent,
    /// Queries that run for longer than they should.
    SlowQueries,
    /// The query that has run for longest.
    LongestQueryS,
    /// Queries that wait for a lock longer than they should.
    BlockedQueries,
    /// The query that has waited for longest for a lock.
    LongestBlockedS,
    /// How far a standby is behind, in time.
    ReplicationLagS,
    /// How far a standby is behind, in what it has still to replay.
    ReplicationLagBytes,
    /// The oldest transaction id that still has to be frozen; at 2³¹ a database stops.
    TransactionAge,
    /// Messages in a queue.
    Depth,
    /// Who takes messages out of it.
    Consumers,
    /// What is left of what an outside API grants.
    QuotaLeftPercent,
    /// The same in requests.
    QuotaLeft,
    /// Until it grants anew.
    QuotaResetsInS,
}

impl Measure {
    /// Its name in metrics and rules.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// Its name in a rule's metric, in a sentence, and the unit of that.
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Measure::LatencyMs => ("latency_ms", "the time until the answer", " ms"),
            Measure::CertificateLeftDays => ("certificate_left_days", "the time left of the certificate", " days"),
            Measure::Addresses => ("addresses", "the number of addresses", ""),
            Measure::ConnectionsUsedPercent => ("connections_used_percent", "the share of connections in use", " %"),
            Measure::SlowQueries => ("slow_queries", "the number of slow queries", ""),
            Measure::LongestQueryS => ("longest_query_s", "the longest query's time", " s"),
            Measure::BlockedQueries => ("blocked_queries", "the number of blocked queries", ""),
            Measure::LongestBlockedS => ("longest_blocked_s", "the longest wait for a lock", " s"),
            Measure::ReplicationLagS => ("replication_lag_s", "replication lag", " s"),
            Measure::ReplicationLagBytes => ("replication_lag_bytes", "what is not replayed yet", " bytes"),
            Measure::TransactionAge => ("transaction_age", "the age of the oldest transaction id", " transactions"),
            Measure::Depth => ("queue_depth", "the depth of the queue", " messages"),
            Measure::Consumers => ("queue_consumers", "the number of consumers", ""),
            Measure::QuotaLeftPercent => ("quota_left_percent", "what is left of the quota", " %"),
            Measure::QuotaLeft => ("quota_left", "what is left of the quota", " requests"),
            Measure::QuotaResetsInS => ("quota_resets_in_s", "the time until the quota is renewed", " s"),
        }
    }

    /// A value of it as a person reads it.
    #[must_use]
    pub fn spoken(self, value: f64) -> String {
        format!("{}{}", rounded(value), self.texts().2)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.texts().1)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.measure.name(), rounded(self.value))
    }
}

impl Answer {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.troubles.is_empty()
    }

    /// The same as a result, with the sentence for a person.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn verdict(&self) -> Result<(), String> {
        if self.is_good() { Ok(()) } else { Err(self.to_string()) }
    }

    /// What was measured of this, if it was.
    #[must_use]
    pub fn figure(&self, measure: Measure) -> Option<f64> {
        self.figures.iter().find(|figure| figure.measure == measure).map(|figure| figure.value)
    }

    pub(crate) fn measured(&mut self, measure: Measure, value: f64) {
        self.figures.push(Figure { measure, value });
    }

    /// Notes a figure, and that it is above its limit if it is. `because`: what a person needs to know besides.
    pub(crate) fn at_most(&mut self, measure: Measure, value: f64, limit: Option<f64>, because: &str) {
        self.measured(measure, value);
        let Some(limit) = limit.filter(|limit| value > *limit) else { return };
        let because = because.to_owned();
        self.troubles.push(Trouble::Limit { measure, value, limit, side: Side::Above, because });
    }

    /// Notes a figure, and that it is below its limit if it is.
    pub(crate) fn at_least(&mut self, measure: Measure, value: f64, limit: Option<f64>, because: &str) {
        self.measured(measure, value);
        let Some(limit) = limit.filter(|limit| value < *limit) else { return };
        let because = because.to_owned();
        self.troubles.push(Trouble::Limit { measure, value, limit, side: Side::Below, because });
    }
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Answer {
        Answer { troubles: vec![trouble], ..Answer::default() }
    }
}

/// The sentence for a person: what is wrong, else what was measured.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_good() {
            let all: Vec<String> = self.troubles.iter().map(Trouble::to_string).collect();
            return f.write_str(&all.join("; "));
        }
        write!(f, "well after {}", spoken(self.took))?;
        self.figures.iter().try_for_each(|figure| write!(f, ", {figure}"))
    }
}

/// Whole where it is large, with one digit where it is not.
pub(crate) fn rounded(value: f64) -> String {
    if value.abs() >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// A count as a figure. What a counter holds beyond 2⁵³ nobody tells apart.
pub(crate) fn count(value: impl TryInto<u64>) -> f64 {
    let whole: u64 = value.try_into().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "nobody tells figures beyond 2⁵³ apart")]
    let value = whole as f64;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_its_figures_or_what_is_wrong() {
        let mut answer = Answer { took: Duration::from_millis(12), ..Answer::default() };
        answer.at_most(Measure::Depth, 7.0, Some(7.0), "");
        answer.at_least(Measure::QuotaLeftPercent, 10.0, Some(10.0), "");
        assert_eq!(answer.to_string(), "well after 12 ms, queue_depth=7, quota_left_percent=10");
        answer.at_most(Measure::ReplicationLagS, 42.31, Some(30.0), "replay is paused");
        answer.at_least(Measure::CertificateLeftDays, 2.96, Some(21.0), "");
        assert_eq!(
            answer.to_string(),
            "replication lag is 42 s, the limit 30 s (replay is paused); \
             the time left of the certificate is 3.0 days, less than the limit of 21 days"
        );
        assert_eq!(answer.figure(Measure::Depth), Some(7.0));
        assert_eq!(answer.figure(Measure::Consumers), None);
    }
}
