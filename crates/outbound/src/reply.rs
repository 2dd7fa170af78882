//! What came back: a status, and as much of the body as was allowed.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that another side may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its body, cut at the policy's limit.
    pub body: Vec<u8>,
    /// Whether that is the whole body: neither the limit, nor the time, nor a broken connection cut it.
    pub complete: bool,
    /// How long the other side asks to be left alone; at most a day.
    pub retry_after: Option<Duration>,
}

/// Reads an answer up to the limit. What follows is left unread, and its connection is closed.
pub(crate) async fn read(mut answer: reqwest::Response, body_bytes_max: usize) -> Response {
    let status = answer.status().as_u16();
    let retry_after = retry_after(answer.headers(), Timestamp::now());
    let mut body = Vec::new();
    let complete = loop {
        match answer.chunk().await {
            Ok(None) => break true,
            Err(_) => break false,
            Ok(Some(chunk)) => {
                let room = body_bytes_max - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break false;
                }
            }
        }
    };
    Response { status, body, complete, retry_after }
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_is_bounded() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let table = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("99999999999", Some(24 * 3600)),
            ("Fri, 06 Nov 2094 08:49:37 GMT", None), // the 6th is a Saturday: no date at all
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(24 * 3600)),
            ("-5", None),
            ("soon", None),
        ];
        for (text, expect) in table {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now).map(|wait| wait.as_secs()), expect, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
