//! A GET, over a connection of its own, so that what fails has its step; and what its answer has to be.
//!
//! `{http: "https://shop.example.org/health", every: 30s}`. A redirect is an answer, and is never followed; one that leads
//! to another host is none of this host's, unless its status is expected. A proxy of the environment is not asked: it
//! would answer for itself.

use std::str::FromStr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use outbound::header::{HeaderName, HeaderValue, LOCATION};
use outbound::{Address, Exchange};

use crate::answer::{Answer, Measure};
use crate::asker::Asker;
use crate::dial::{Deadline, Endpoint, connect};
use crate::door::Wire;
use crate::said;
use crate::tls::trusted;
use crate::trouble::{Side, Stage, Trouble, Unexpected};

/// As much of a page as is read. What is longer is not waited for.
pub(crate) const PAGE_BYTES_MAX: usize = 64 * 1024;
/// From here on a status is an error.
const ERRORS_FROM: u16 = 400;

/// A page, and what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Where.
    pub url: Address,
    /// Which statuses are good; empty: those below 400 that do not lead to another host.
    pub statuses: Vec<u16>,
    /// What has to be in the first 64 KiB of its body.
    pub contains: Option<String>,
    /// How long it may take; shorter than the probe's own time, after which nothing is known.
    pub latency: Option<Duration>,
    /// How long before its certificate's end it is no longer good.
    pub warn_before: Duration,
}

impl From<Address> for Check {
    /// Any status below 400 is good.
    fn from(url: Address) -> Check {
        Check { url, statuses: Vec::new(), contains: None, latency: None, warn_before: Duration::ZERO }
    }
}

impl FromStr for Check {
    type Err = outbound::Error;

    fn from_str(url: &str) -> Result<Check, outbound::Error> {
        url.parse::<Address>().map(Check::from)
    }
}

impl Check {
    pub(crate) async fn ask(&self, asker: &Asker, deadline: &Deadline) -> Result<Answer, Trouble> {
        let (exchange, mut answer) = get(&self.url, &[], asker, deadline, self.warn_before).await?;
        let who = self.url.to_string();
        let unexpected = [self.status(&exchange), self.text(&exchange)];
        let unexpected = unexpected.into_iter().flatten().take(1);
        answer.troubles.extend(unexpected.map(|what| Trouble::Wrong { who: who.clone(), what }));
        Ok(answer)
    }

    /// Whether it took too long, for an answer that came.
    pub(crate) fn late(&self, answer: &mut Answer) {
        let Some(limit) = self.latency.filter(|limit| answer.took > *limit) else { return };
        let (value, limit) = (answer.took.as_secs_f64() * 1000.0, limit.as_secs_f64() * 1000.0);
        let because = String::new();
        answer.troubles.push(Trouble::Limit { measure: Measure::LatencyMs, value, limit, side: Side::Above, because });
    }

    fn status(&self, exchange: &Exchange) -> Option<Unexpected> {
        let got = exchange.status;
        if self.statuses.contains(&got) {
            return None;
        }
        if self.statuses.is_empty() && got < ERRORS_FROM {
            return elsewhere(&self.url, exchange);
        }
        let expected = match self.statuses.as_slice() {
            [] => format!("below {ERRORS_FROM}"),
            some => some.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "),
        };
        Some(Unexpected::Status { got, expected, says: exchange.quote.clone() })
    }

    fn text(&self, exchange: &Exchange) -> Option<Unexpected> {
        let wanted = self.contains.as_deref().filter(|wanted| !wanted.is_empty())?;
        let there = exchange.body.windows(wanted.len()).any(|part| part == wanted.as_bytes());
        let (read_bytes, more) = (exchange.body.len(), !exchange.complete);
        (!there).then(|| Unexpected::Text { missing: said(wanted), read_bytes, more })
    }
}

/// One request, with each step's own trouble, and what its certificate says.
pub(crate) async fn get(
    url: &Address,
    headers: &[(HeaderName, HeaderValue)],
    asker: &Asker,
    deadline: &Deadline,
    warn_before: Duration,
) -> Result<(Exchange, Answer), Trouble> {
    let endpoint = Endpoint { host: url.host().to_owned(), port: url.port() };
    let stream = connect(&endpoint, deadline).await?;
    let (wire, answer) = if url.is_tls() {
        let (stream, answer) = trusted(stream, &endpoint, asker, deadline, warn_before).await?;
        (Wire::of(stream), answer)
    } else {
        (Wire::of(stream), Answer::default())
    };
    let asked = outbound::get_over(TokioIo::new(wire), url, headers, asker.policy());
    let exchange = deadline.answer(&endpoint, Stage::Answer, asked).await?;
    let exchange = exchange.map_err(|error| Trouble::Broke { who: endpoint.to_string(), how: said(error.reason()) })?;
    Ok((exchange, answer))
}

/// Where a redirect leads, if that is another host.
fn elsewhere(url: &Address, exchange: &Exchange) -> Option<Unexpected> {
    let location = exchange.headers.get(LOCATION).filter(|_| (300..400).contains(&exchange.status))?;
    match location.to_str().ok().and_then(|location| url.leads_to(location)) {
        Some((_, false)) => None,
        Some((to, true)) => Some(Unexpected::Redirect { to: to.to_string() }),
        None => Some(Unexpected::Redirect { to: "somewhere that is no address".to_owned() }),
    }
}
