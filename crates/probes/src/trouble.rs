//! What is wrong with an answer, by what somebody would do about it. Each prints the sentence that a person reads at
//! 3 a.m., with the figure and the limit; none holds a password, and what others said is escaped and cut.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::answer::Measure;
use crate::spoken;

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// A name has no address, or nobody could tell.
    Unresolved {
        /// The name.
        name: String,
        /// Why.
        why: NoName,
    },
    /// The network does not lead there.
    NoRoute {
        /// Where to.
        to: String,
    },
    /// The machine is there, and nothing listens on that port.
    Refused {
        /// Who refused.
        by: String,
    },
    /// Nothing answers at all: a firewall drops it, the machine is off, or it takes no more connections.
    Filtered {
        /// Where to.
        to: String,
        /// For how long the connection was waited for.
        waited: Duration,
    },
    /// TLS does not come about, or is not to be trusted.
    Tls {
        /// With whom.
        with: String,
        /// Why.
        why: Distrust,
    },
    /// It took the connection, and did not answer in time.
    Slow {
        /// Who.
        who: String,
        /// What it left unanswered.
        at: Stage,
        /// For how long it was waited for.
        waited: Duration,
    },
    /// It took the connection, and gave it up without an answer.
    Broke {
        /// Who.
        who: String,
        /// How, in words.
        how: String,
    },
    /// It does not let this user in, or does not show what is asked for.
    Denied {
        /// Who.
        who: String,
        /// How, in words.
        how: String,
    },
    /// It answered, and not as it should.
    Wrong {
        /// Who.
        who: String,
        /// What was expected of it, and what came.
        what: Unexpected,
    },
    /// A figure is beyond its limit.
    Limit {
        /// Which.
        measure: Measure,
        /// How much.
        value: f64,
        /// How much there may be.
        limit: f64,
        /// On which side of the limit it is.
        side: Side,
        /// What a person needs to know besides; may be empty.
        because: String,
    },
    /// A figure rises and does not fall again.
    Growing {
        /// Which.
        measure: Measure,
        /// Where it began.
        from: f64,
        /// Where it is.
        to: f64,
        /// For how long.
        during: Duration,
    },
    /// It cannot even be asked: a file is missing, an address is none.
    Unaskable {
        /// Why, in words.
        why: String,
    },
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoName {
    /// The name servers say that there is no such name (NXDOMAIN).
    NoSuchName,
    /// There is such a name, without an address.
    NoAddress,
    /// A name server fails, or refuses to answer: its code.
    Code(String),
    /// No name server answers.
    NoServer {
        /// Which were asked; empty: the host's own.
        servers: Vec<SocketAddr>,
        /// For how long.
        waited: Duration,
    },
    /// What the host's own resolver says, which does not tell these apart.
    Other(String),
}

/// Why TLS is not to be trusted.
#[derive(Debug, Clone, PartialEq)]
pub enum Distrust {
    /// A certificate of the chain has ended.
    Expired {
        /// Whose it is.
        subject: String,
        /// How long ago, in days.
        ago_days: f64,
    },
    /// A certificate of the chain begins later.
    NotYetValid {
        /// Whose it is.
        subject: String,
    },
    /// It is for other names.
    WrongName {
        /// Who was asked.
        expected: String,
        /// Whom it is for.
        names: Vec<String>,
    },
    /// Its chain does not lead to a root that this host trusts.
    Untrusted {
        /// Who signed the last certificate of the chain.
        issuer: String,
        /// Whether it signed itself.
        self_signed: bool,
        /// How many certificates were shown; a server that shows one alone has often forgotten the one between.
        shown: usize,
    },
    /// It is broken in another way, in words.
    Broken(String),
    /// There is no handshake, in words.
    Handshake(String),
}

/// What was not answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The handshake of TLS.
    Handshake,
    /// The login.
    Login,
    /// The question.
    Answer,
}

/// What came, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unexpected {
    /// A status.
    Status {
        /// Which came.
        got: u16,
        /// Which were expected, in words.
        expected: String,
        /// What came with it.
        says: String,
    },
    /// It leads to another host, which is not followed.
    Redirect {
        /// Where to.
        to: String,
    },
    /// A text is not in the body.
    Text {
        /// Which.
        missing: String,
        /// How much of the body was read.
        read_bytes: usize,
        /// Whether there is more.
        more: bool,
    },
    /// A name has other addresses.
    Addresses {
        /// Which it has.
        got: Vec<IpAddr>,
        /// Which it may have.
        expected: Vec<IpAddr>,
    },
    /// Name servers do not agree.
    Disagreement {
        /// Each, and the addresses that it tells.
        said: Vec<(SocketAddr, Vec<IpAddr>)>,
    },
    /// A command ended with anything but 0.
    Exit {
        /// How it ended; `None`: it was killed.
        code: Option<i32>,
        /// What it printed.
        says: String,
    },
    /// What is asked about does not exist there.
    Absent {
        /// What.
        what: String,
    },
    /// An answer that cannot be read.
    Gibberish {
        /// What it says.
        says: String,
    },
}

/// On which side of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// There is too much.
    Above,
    /// There is too little.
    Below,
}

impl Trouble {
    /// The kind in a word, for a metric's label and for telling whether another reason has come up.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Trouble::Unresolved { .. } => "unresolved",
            Trouble::NoRoute { .. } => "no_route",
            Trouble::Refused { .. } => "refused",
            Trouble::Filtered { .. } => "filtered",
            Trouble::Tls { why, .. } => why.label(),
            Trouble::Slow { .. } => "slow",
            Trouble::Broke { .. } => "broke",
            Trouble::Denied { .. } => "denied",
            Trouble::Wrong { what, .. } => what.label(),
            Trouble::Limit { measure, .. } => measure.name(),
            Trouble::Growing { .. } => "growing",
            Trouble::Unaskable { .. } => "unaskable",
        }
    }
}

impl Trouble {
    /// Whether no answer came at all.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Trouble::Unresolved { .. }
            | Trouble::NoRoute { .. }
            | Trouble::Refused { .. }
            | Trouble::Filtered { .. }
            | Trouble::Tls { .. }
            | Trouble::Slow { .. }
            | Trouble::Broke { .. }
            | Trouble::Unaskable { .. } => true,
            Trouble::Denied { .. } | Trouble::Wrong { .. } | Trouble::Limit { .. } | Trouble::Growing { .. } => false,
        }
    }
}

impl Distrust {
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Distrust::Expired { .. } => "tls_expired",
            Distrust::NotYetValid { .. } => "tls_not_yet_valid",
            Distrust::WrongName { .. } => "tls_wrong_name",
            Distrust::Untrusted { .. } => "tls_untrusted",
            Distrust::Broken(_) => "tls_broken",
            Distrust::Handshake(_) => "tls_handshake",
        }
    }
}

impl Unexpected {
    fn label(&self) -> &'static str {
        match self {
            Unexpected::Status { .. } => "wrong_status",
            Unexpected::Redirect { .. } => "redirect",
            Unexpected::Text { .. } => "wrong_text",
            Unexpected::Addresses { .. } => "wrong_addresses",
            Unexpected::Disagreement { .. } => "disagreement",
            Unexpected::Exit { .. } => "wrong_exit",
            Unexpected::Absent { .. } => "absent",
            Unexpected::Gibberish { .. } => "gibberish",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unresolved { name, why } => write!(f, "{name} does not resolve: {why}"),
            Trouble::NoRoute { to } => write!(f, "there is no route to {to}"),
            Trouble::Refused { by } => write!(f, "{by} refused the connection: nothing listens there"),
            Trouble::Filtered { to, waited } => {
                let waited = spoken(*waited);
                write!(f, "{to} did not react to the connection within {waited}: filtered, off, or full")
            }
            Trouble::Tls { with, why } => write!(f, "no trustworthy TLS with {with}: {why}"),
            Trouble::Slow { who, at, waited } => {
                write!(f, "{who} took the connection, but {at} did not come within {}", spoken(*waited))
            }
            Trouble::Broke { who, how } => write!(f, "the connection with {who} broke: {how}"),
            Trouble::Denied { who, how } => write!(f, "{who} does not permit it: {how}"),
            Trouble::Wrong { who, what } => write!(f, "{who} {what}"),
            Trouble::Limit { measure, value, limit, side, because } => {
                let (value, limit) = (measure.spoken(*value), measure.spoken(*limit));
                match side {
                    Side::Above => write!(f, "{measure} is {value}, the limit {limit}")?,
                    Side::Below => write!(f, "{measure} is {value}, less than the limit of {limit}")?,
                }
                if because.is_empty() { Ok(()) } else { write!(f, " ({because})") }
            }
            Trouble::Growing { measure, from, to, during } => {
                let (from, to) = (measure.spoken(*from), measure.spoken(*to));
                write!(f, "{measure} has grown for {}, from {from} to {to}", spoken(*during))
            }
            Trouble::Unaskable { why } => f.write_str(why),
        }
    }
}

impl fmt::Display for NoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoName::NoSuchName => f.write_str("there is no such name (NXDOMAIN)"),
            NoName::NoAddress => f.write_str("the name has no address"),
            NoName::Code(code) => write!(f, "the name server says {code}"),
            NoName::NoServer { servers, waited } if servers.is_empty() => {
                write!(f, "none of the host's name servers answered within {}", spoken(*waited))
            }
            NoName::NoServer { servers, waited } => {
                write!(f, "no answer from {} within {}", listed(servers), spoken(*waited))
            }
            NoName::Other(says) => f.write_str(says),
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::Expired { subject, ago_days } => {
                write!(f, "the certificate of {subject} ended {ago_days:.1} days ago")
            }
            Distrust::NotYetValid { subject } => {
                write!(f, "the certificate of {subject} is not valid yet: is the clock of one of the two wrong?")
            }
            Distrust::WrongName { expected, names } if names.is_empty() => {
                write!(f, "the certificate names nobody, so not {expected} either")
            }
            Distrust::WrongName { expected, names } => {
                write!(f, "the certificate is for {}, not for {expected}", names.join(", "))
            }
            Distrust::Untrusted { issuer, self_signed: true, .. } => {
                write!(f, "the certificate of {issuer} is signed by itself")
            }
            Distrust::Untrusted { issuer, shown: 1, .. } => {
                write!(f, "{issuer} signed it, which is no root of this host, and the certificate between is not shown")
            }
            Distrust::Untrusted { issuer, .. } => {
                write!(f, "the chain ends with {issuer}, which is no root of this host")
            }
            Distrust::Broken(how) | Distrust::Handshake(how) => f.write_str(how),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Handshake => "the handshake of TLS",
            Stage::Login => "the end of the login",
            Stage::Answer => "the whole answer",
        })
    }
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unexpected::Status { got, expected, says } => {
                write!(f, "answered {got}, not {expected}")?;
                if says.is_empty() { Ok(()) } else { write!(f, ": {says}") }
            }
            Unexpected::Redirect { to } => {
                write!(f, "leads to {to}, another host, which is not followed: ask there, or expect that status")
            }
            Unexpected::Text { missing, read_bytes, more } => {
                let first = if *more { "first " } else { "" };
                write!(f, "answered without `{missing}` in its {first}{read_bytes} bytes")
            }
            Unexpected::Addresses { got, expected } => {
                write!(f, "is {}, expected {}", listed(got), listed(expected))
            }
            Unexpected::Disagreement { said } => {
                let say = |(server, found): &(SocketAddr, Vec<IpAddr>)| format!("{} to {server}", listed(found));
                write!(f, "is {}", said.iter().map(say).collect::<Vec<_>>().join(", and "))
            }
            Unexpected::Exit { code, says } => {
                match code {
                    Some(code) => write!(f, "ended with exit code {code}")?,
                    None => f.write_str("was killed")?,
                }
                if says.is_empty() { Ok(()) } else { write!(f, ": {says}") }
            }
            Unexpected::Absent { what } => write!(f, "has no {what}"),
            Unexpected::Gibberish { says } => write!(f, "answered what cannot be read: {says}"),
        }
    }
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_a_label_and_a_sentence_with_its_figures() {
        let who = || "db:5432".to_owned();
        let ten = Duration::from_secs(10);
        let table = [
            (Trouble::NoRoute { to: who() }, "no_route", "there is no route to db:5432"),
            (
                Trouble::Slow { who: who(), at: Stage::Answer, waited: ten },
                "slow",
                "db:5432 took the connection, but the whole answer did not come within 10 s",
            ),
            (
                Trouble::Unresolved {
                    name: "shop".to_owned(),
                    why: NoName::NoServer { servers: Vec::new(), waited: ten },
                },
                "unresolved",
                "shop does not resolve: none of the host's name servers answered within 10 s",
            ),
            (
                Trouble::Tls { with: who(), why: Distrust::Expired { subject: "shop".to_owned(), ago_days: 3.04 } },
                "tls_expired",
                "no trustworthy TLS with db:5432: the certificate of shop ended 3.0 days ago",
            ),
            (
                Trouble::Growing { measure: Measure::Depth, from: 3.0, to: 340.0, during: Duration::from_secs(600) },
                "growing",
                "the depth of the queue has grown for 10 min, from 3 messages to 340 messages",
            ),
            (
                Trouble::Wrong { who: who(), what: Unexpected::Exit { code: None, says: String::new() } },
                "wrong_exit",
                "db:5432 was killed",
            ),
        ];
        for (trouble, label, sentence) in table {
            assert_eq!((trouble.label(), trouble.to_string().as_str()), (label, sentence));
        }
    }
}
