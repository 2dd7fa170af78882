//! What a probe says of what it asks.

use serde::{Deserialize, Serialize};

/// What was last heard of what a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// What is wrong; `None` while it passes, or nothing has come yet.
    pub trouble: Option<Trouble>,
    /// How long its answers take: the median and the 95th of a hundred, in milliseconds; `None` without any.
    pub took_ms: Option<(u64, u64)>,
    /// What it measured, in words, such as `depth 12, connections 40 %`; empty where it measures nothing.
    #[serde(default)]
    pub figures: String,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Which kind of thing.
    pub kind: Kind,
    /// In words, with the figure and the limit where there are. Escaped, and without any password.
    pub says: String,
}

/// What kind of thing is wrong, by what somebody would do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its name has no address.
    Unresolved,
    /// The network does not lead there.
    NoRoute,
    /// Its machine is there, and nothing listens.
    Refused,
    /// Nothing answers at all.
    Filtered,
    /// TLS does not come about, or its certificate is not to be trusted.
    Tls,
    /// It took the connection, and did not answer in time.
    Slow,
    /// It gave the connection up without an answer.
    Broke,
    /// It does not let healer in.
    Denied,
    /// It answered, and not as it should.
    Wrong,
    /// A standby is too far behind.
    Lag,
    /// Another figure is beyond its limit.
    Limit,
    /// A queue grows.
    Growing,
    /// It cannot even be asked.
    Unaskable,
}
