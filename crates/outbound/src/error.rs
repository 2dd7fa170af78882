//! Why a request came to nothing, by what the caller does next.
//!
//! A text here is made from the kind of failure and from the address's host. What a library says is used only where it
//! cannot hold a URL, and what the other side says is cut, escaped, and freed from the header values that were sent.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};

use crate::address::Address;
use crate::reply::Response;

/// As much of an answer's body as an error quotes, in characters.
const QUOTE_CHARS_MAX: usize = 160;
/// A header's value shorter than this may stand in a quote by chance, and is no secret.
const SECRET_BYTES_MIN: usize = 4;
/// How many causes deep an error is looked into.
const CAUSES_MAX: usize = 12;

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It may go better later: no connection, no answer in time, or a status that says so (408, 425, 429, 5xx).
    #[error("{reason}")]
    Retryable {
        /// In words.
        reason: String,
        /// The answer's status, if one came.
        status: Option<u16>,
        /// How long the other side asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It will not go better by itself: somebody has to change the URL, the credentials or the other side.
    #[error("{reason}")]
    Final {
        /// In words.
        reason: String,
        /// The answer's status, if one came.
        status: Option<u16>,
    },
}

impl Error {
    /// Whether it is worth another try.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Error::Retryable { .. })
    }

    /// The same in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Error::Retryable { reason, .. } | Error::Final { reason, .. } => reason,
        }
    }

    /// No client could be made.
    pub(crate) fn setup(error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Final { reason: format!("no HTTP client can be made: {}", deepest(error)), status: None }
    }

    /// No answer came.
    pub(crate) fn unanswered(to: &Address, error: &reqwest::Error) -> Error {
        if let Some(why) = untrusted(error) {
            let reason =
                format!("the certificate of {to} is not trusted ({why}); add its CA to the host's, or mend it");
            return Error::Final { reason, status: None };
        }
        if error.is_builder() {
            let reason = format!("no request to {to} can be made: {}", deepest(error));
            return Error::Final { reason, status: None };
        }
        let reason = match (error.is_timeout(), error.is_connect()) {
            (true, true) => format!("no connection to {to} in time"),
            (true, false) => format!("no answer from {to} in time"),
            (false, true) => format!("no connection to {to}: {}", deepest(error)),
            (false, false) => format!("the connection to {to} broke: {}", deepest(error)),
        };
        Error::Retryable { reason, status: None, retry_after: None }
    }

    /// A connection that stood gave up.
    pub(crate) fn broken(to: &Address, error: &hyper::Error) -> Error {
        let reason = format!("the connection to {to} broke: {}", deepest(error));
        Error::Retryable { reason, status: None, retry_after: None }
    }

    /// An answer came that is no success.
    pub(crate) fn answered(to: &Address, sent: &[(HeaderName, HeaderValue)], response: &Response) -> Error {
        let mut reason = format!("{to} answered {}", response.status);
        if (300..400).contains(&response.status) {
            reason.push_str(", a redirect, which is not followed: set the URL that it leads to");
        }
        let quote = quote(&response.body, sent);
        if !quote.is_empty() {
            let _ = write!(reason, ": {quote}");
        }
        let status = Some(response.status);
        match response.status {
            408 | 425 | 429 | 500..600 => Error::Retryable { reason, status, retry_after: response.retry_after },
            _ => Error::Final { reason, status },
        }
    }
}

/// Why a certificate was not trusted, if that was it.
fn untrusted(error: &reqwest::Error) -> Option<String> {
    causes(error).find_map(|mut cause| {
        // An `io::Error` keeps what it wraps out of its `source`, and may wrap another one.
        while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            cause = inner;
        }
        match cause.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(why)) => Some(wrong_with(why)),
            Some(rustls::Error::NoCertificatesPresented) => Some("it shows none".to_owned()),
            _ => None,
        }
    })
}

/// In the words of whoever has to mend it; rustls speaks in names of its own.
fn wrong_with(certificate: &rustls::CertificateError) -> String {
    use rustls::CertificateError as E;
    if matches!(certificate, E::Expired | E::ExpiredContext { .. }) {
        return "it has expired".to_owned();
    }
    if matches!(certificate, E::NotValidYet | E::NotValidYetContext { .. }) {
        return "it is not valid yet: is the clock of one of the two wrong?".to_owned();
    }
    if matches!(certificate, E::NotValidForName | E::NotValidForNameContext { .. }) {
        return "it is for another name".to_owned();
    }
    if matches!(certificate, E::UnknownIssuer) {
        return "its issuer is not known here".to_owned();
    }
    let text = certificate.to_string();
    if text.contains("CaUsedAsEndEntity") { "it is self-signed, or a CA's own".to_owned() } else { text }
}

/// What the innermost cause says: it knows most, and nothing of URLs.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, |cause| escaped(&cause.to_string()))
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source()).take(CAUSES_MAX)
}

/// The beginning of a body, on one line, without what was sent.
pub(crate) fn quote(body: &[u8], sent: &[(HeaderName, HeaderValue)]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    for (_, value) in sent {
        // A scheme in front (`Bearer …`) may be left out where a value is echoed.
        let Ok(value) = value.to_str() else { continue };
        for secret in std::iter::once(value).chain(value.split_ascii_whitespace().skip(1)) {
            if secret.len() >= SECRET_BYTES_MIN {
                text = text.replace(secret, "********");
            }
        }
    }
    escaped(&text)
}

/// One line of printable characters, cut.
fn escaped(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        for char in word.chars() {
            match char {
                '"' | '\'' | '\\' => line.push(char),
                // Escapes controls and what reorders a line.
                _ => line.extend(char.escape_debug()),
            }
        }
        if line.chars().count() > QUOTE_CHARS_MAX {
            return line.chars().take(QUOTE_CHARS_MAX).chain(['…']).collect();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Error {
        let to = "http://127.0.0.1:1/p?q".parse().unwrap();
        let bearer = (HeaderName::from_static("authorization"), HeaderValue::from_static("Bearer s3cr3t-t0ken"));
        let response = Response { status, body: body.into(), complete: true, retry_after: None };
        Error::answered(&to, &[bearer], &response)
    }

    #[test]
    fn a_status_says_whether_another_try_is_worth_it() {
        for (status, retryable) in [
            (300, false),
            (302, false),
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (410, false),
            (413, false),
            (425, true),
            (429, true),
            (499, false),
            (500, true),
            (502, true),
            (503, true),
            (599, true),
            (600, false),
        ] {
            assert_eq!(answered(status, "").retryable(), retryable, "{status}");
        }
    }

    #[test]
    fn what_the_other_side_says_is_one_escaped_line_without_our_secrets() {
        let error = answered(400, "bad\r\n \u{1b}[31mtoken s3cr3t-t0ken \u{202e}of Bearer s3cr3t-t0ken");
        assert_eq!(
            error.to_string(),
            "http://127.0.0.1:1 answered 400: bad \\u{1b}[31mtoken ******** \\u{202e}of ********"
        );
        let long = answered(500, &"é".repeat(100_000)).to_string();
        assert!(long.ends_with('…') && long.chars().count() < QUOTE_CHARS_MAX + 60, "{long}");
    }
}
