//! An outside API: whether it answers, and what is left of what it grants.
//!
//! `{api: "https://api.github.com/rate_limit", quota_below: 10%}`. The quota is in the headers that most APIs send, and in
//! the JSON text of GitHub's `/rate_limit`, which costs nothing of it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outbound::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use outbound::{Address, Exchange};
use serde_json::Value;

use crate::answer::{Answer, Measure, count};
use crate::asker::Asker;
use crate::dial::Deadline;
use crate::http::get;
use crate::trouble::{Side, Trouble, Unexpected};

/// From here on a number is a moment since 1970, and no longer a time in seconds: some say one, some the other.
const MOMENTS_FROM_S: u64 = 1_000_000_000;
const GITHUB: &str = "https://api.github.com/rate_limit";
/// What GitHub's answer lists, and is looked at: the others are for few.
const GITHUBS: &[&str] = &["core", "search", "graphql", "code_search"];
/// Where headers tell the grant, what is left, and when it is renewed. The first pair that is there counts.
const HEADERS: &[[&str; 3]] = &[
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
    ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"],
];

/// An API, and what has to be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Where.
    pub url: Address,
    /// As whom; without it, it is asked as anybody.
    pub token: Option<Token>,
    /// Less than such a share of the quota is too little, in percent. `None`: the quota is told where there is one.
    pub quota_below_percent: Option<u8>,
}

/// What opens an API. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token, without `Bearer` in front.
    #[must_use]
    pub fn new(text: &str) -> Token {
        Token(text.trim().to_owned())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What an API grants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quota {
    of: String,
    limit: u64,
    left: u64,
    resets_in_s: Option<u64>,
}

impl Check {
    /// GitHub's own account of what it grants. To ask for it costs nothing.
    #[must_use]
    pub fn github(token: Option<Token>, quota_below_percent: Option<u8>) -> Check {
        let url = GITHUB.parse().expect("a constant that is an address");
        Check { url, token, quota_below_percent }
    }

    pub(crate) async fn ask(&self, asker: &Asker, deadline: &Deadline) -> Result<Answer, Trouble> {
        let headers = match &self.token {
            None => Vec::new(),
            Some(Token(token)) => vec![(AUTHORIZATION, bearer(token)?)],
        };
        let (exchange, answer) = get(&self.url, &headers, asker, deadline, Duration::ZERO).await?;
        Ok(self.judge(&exchange, answer, SystemTime::now()))
    }

    fn judge(&self, exchange: &Exchange, mut answer: Answer, now: SystemTime) -> Answer {
        let who = self.url.to_string();
        let now_s = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let quota = scarcest(exchange, now_s);
        if let Some(quota) = &quota {
            self.tell(quota, &mut answer);
        }
        let spent = quota.as_ref().is_some_and(|quota| quota.left == 0);
        let wrong = |what| Trouble::Wrong { who: who.clone(), what };
        match exchange.status {
            401 => answer.troubles.push(Trouble::Denied { who, how: exchange.quote.clone() }),
            // A refusal because nothing is left is said by the quota.
            403 | 429 if spent => {}
            got @ 300.. => {
                let expected = "below 300".to_owned();
                answer.troubles.push(wrong(Unexpected::Status { got, expected, says: exchange.quote.clone() }));
            }
            _ if quota.is_none() && self.quota_below_percent.is_some() => {
                answer
                    .troubles
                    .push(wrong(Unexpected::Absent { what: "quota, neither in headers nor as GitHub's".to_owned() }));
            }
            _ => {}
        }
        answer
    }

    fn tell(&self, quota: &Quota, answer: &mut Answer) {
        let percent = if quota.limit == 0 { 0.0 } else { 100.0 * count(quota.left) / count(quota.limit) };
        let reset = quota.resets_in_s.map(|in_s| format!(", renewed in {in_s} s")).unwrap_or_default();
        let because = format!("{} of {} {}{reset}", quota.left, quota.limit, quota.of);
        answer.at_least(Measure::QuotaLeftPercent, percent, self.quota_below_percent.map(f64::from), &because);
        answer.measured(Measure::QuotaLeft, count(quota.left));
        quota.resets_in_s.into_iter().for_each(|in_s| answer.measured(Measure::QuotaResetsInS, count(in_s)));
        if quota.left == 0 && answer.is_good() {
            let (measure, value, limit, side) = (Measure::QuotaLeft, 0.0, 1.0, Side::Below);
            answer.troubles.push(Trouble::Limit { measure, value, limit, side, because });
        }
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Trouble::Unaskable { why: "the token is no header's value".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The quota of which the least is left.
fn scarcest(exchange: &Exchange, now_s: u64) -> Option<Quota> {
    let mut all = by_json(&exchange.body, now_s);
    all.extend(by_headers(&exchange.headers, now_s).filter(|_| all.is_empty()));
    let share = |quota: &Quota| count(quota.left) / count(quota.limit.max(1));
    all.into_iter().min_by(|one, other| share(one).total_cmp(&share(other)))
}

fn by_json(body: &[u8], now_s: u64) -> Vec<Quota> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let one = |name: &&str| {
        let found = &body["resources"][name];
        let (limit, left) = (found["limit"].as_u64()?, found["remaining"].as_u64()?);
        let resets_in_s = found["reset"].as_u64().map(|at| in_s(at, now_s));
        Some(Quota { of: format!("requests ({name})"), limit, left, resets_in_s })
    };
    GITHUBS.iter().filter_map(one).collect()
}

fn by_headers(headers: &HeaderMap, now_s: u64) -> Option<Quota> {
    // `100, 100;w=60` names windows after the number.
    let number = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        text.split([',', ';']).next()?.trim().split('.').next()?.parse::<u64>().ok()
    };
    HEADERS.iter().find_map(|[limit, left, reset]| {
        let (limit, left) = (number(limit)?, number(left)?);
        let resets_in_s = number(reset).map(|at| in_s(at, now_s));
        Some(Quota { of: "requests".to_owned(), limit, left, resets_in_s })
    })
}

fn in_s(number: u64, now_s: u64) -> u64 {
    if number >= MOMENTS_FROM_S { number.saturating_sub(now_s) } else { number }
}

#[cfg(test)]
mod tests {
    use outbound::header::HeaderName;

    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn judged(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
        let check = Check {
            url: "https://api.example.org/x".parse().unwrap(),
            token: Some(Token::new("s3cr3t")),
            quota_below_percent: Some(10),
        };
        assert!(!format!("{check:?}").contains("s3cr3t"));
        let header = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        let headers = headers.iter().map(header).collect();
        let exchange = Exchange { status, headers, body: body.into(), complete: true, quote: "no".into() };
        check.judge(&exchange, Answer::default(), UNIX_EPOCH + Duration::from_secs(NOW_S)).to_string()
    }

    /// A status, headers, a body, and what is said of them.
    type Case = (u16, &'static [(&'static str, &'static str)], &'static str, &'static str);

    #[test]
    fn the_scarcest_quota_is_told_wherever_it_stands() {
        const GRANTS: &str = r#"{"resources": {
            "core": {"limit": 5000, "remaining": 4999, "reset": 1800000600},
            "search": {"limit": 30, "remaining": 2, "reset": 1800000042}}}"#;
        let table: &[Case] = &[
            (
                200,
                &[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "59"), ("x-ratelimit-reset", "1800000060")],
                "",
                "well after 0 ms, quota_left_percent=98, quota_left=59, quota_resets_in_s=60",
            ),
            (
                200,
                &[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "9"), ("ratelimit-reset", "7")],
                "",
                "what is left of the quota is 9 %, less than the limit of 10 % (9 of 100 requests, renewed in 7 s)",
            ),
            (
                200,
                &[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "59")],
                GRANTS,
                "what is left of the quota is 6.7 %, less than the limit of 10 % \
                 (2 of 30 requests (search), renewed in 42 s)",
            ),
            (
                403,
                &[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0")],
                "",
                "what is left of the quota is 0 %, less than the limit of 10 % (0 of 60 requests)",
            ),
            (200, &[], "{}", "https://api.example.org has no quota, neither in headers nor as GitHub's"),
            (401, &[], "", "https://api.example.org does not permit it: no"),
            (503, &[], "", "https://api.example.org answered 503, not below 300: no"),
        ];
        for (status, headers, body, says) in table {
            assert_eq!(&judged(*status, headers, body), says);
        }
    }
}
