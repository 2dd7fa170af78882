//! The `webhook` channel: a signed JSON message to a URL. Its manual page, for whoever writes the receiving end:
#![doc = include_str!("webhook.md")]

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use model::message::{About, Delivery, Kind, Parcel, Severity};
use model::time::{Spoken, Wall};
use outbound::header::{HeaderName, HeaderValue};
use outbound::{Address, Policy};
use serde::Serialize;
use sha2::Sha256;

use crate::error::Error;
use crate::secret::Secret;

/// The body's version.
const VERSION: u32 = 1;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Only quoted when something goes wrong.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// What can be set.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to post. Its path and query may be secret, so it is never shown.
    pub url: String,
    /// The file with the secret that signs each message.
    pub secret_file: Option<PathBuf>,
}

/// An open channel.
pub(crate) struct Client {
    address: Address,
    secret: Option<Secret>,
    http: outbound::Client,
}

impl Client {
    pub(crate) fn open(channel: &str, config: &Config) -> Result<Client, Error> {
        Client::open_with(channel, config, TOTAL_TIMEOUT)
    }

    fn open_with(channel: &str, config: &Config, total_timeout: Duration) -> Result<Client, Error> {
        let setting = |key, why: String| Error::Setting { channel: channel.to_owned(), key, why };
        let address = config.url.parse().map_err(|error: outbound::Error| setting("url", error.to_string()))?;
        let policy = Policy {
            user_agent: format!("healer/{}", env!("CARGO_PKG_VERSION")),
            connect_timeout: CONNECT_TIMEOUT,
            total_timeout,
            body_bytes_max: ANSWER_BYTES_MAX,
        };
        let http = outbound::Client::new(&policy).map_err(|error| setting("url", error.to_string()))?;
        let secret = config.secret_file.as_deref().map(|path| secret(channel, path)).transpose()?;
        Ok(Client { address, secret, http })
    }

    pub(crate) async fn deliver(&self, parcel: &Parcel, answer: Option<&str>) -> Delivery {
        let body = match serde_json::to_vec(&Body::of(parcel, answer)) {
            Ok(body) => body,
            Err(error) => return Delivery::Rejected(format!("the message cannot be written as JSON: {error}")),
        };
        let mut headers = vec![
            (HeaderName::from_static("healer-message-id"), visible(&id(parcel))),
            (HeaderName::from_static("healer-attempt"), HeaderValue::from(parcel.attempt)),
        ];
        if let Some(secret) = &self.secret {
            let signature = signature(secret, unix_seconds(SystemTime::now()), &body);
            headers.push((HeaderName::from_static("healer-signature"), visible(&signature)));
        }
        match self.http.post_json(&self.address, &headers, body).await {
            Ok(_) => Delivery::Delivered,
            Err(outbound::Error::Retryable { reason, retry_after: Some(wait), .. }) => {
                Delivery::Retry(format!("{reason} (it asks to wait {})", Spoken(wait)))
            }
            Err(outbound::Error::Retryable { reason, retry_after: None, .. }) => Delivery::Retry(reason),
            Err(outbound::Error::Final { reason, .. }) => Delivery::Rejected(reason),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("to", &self.address).field("signs", &self.secret.is_some()).finish()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.url.parse::<Address>().ok())
            .field("secret_file", &self.secret_file)
            .finish()
    }
}

/// The message as it is sent.
#[derive(Debug, Serialize)]
struct Body<'p> {
    version: u32,
    id: String,
    #[serde(flatten)]
    about: &'p About,
    kind: Kind,
    severity: Severity,
    title: &'p str,
    story: &'p [String],
    next: &'p [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    approve: Option<Approve<'p>>,
    /// RFC 3339; `None` for a time that no calendar knows.
    at: Option<String>,
    at_ms: i64,
    instance: &'p str,
}

/// Where the reader can answer.
#[derive(Debug, Serialize)]
struct Approve<'p> {
    url: &'p str,
    until: Option<String>,
    until_ms: i64,
}

impl<'p> Body<'p> {
    fn of(parcel: &'p Parcel, answer: Option<&'p str>) -> Body<'p> {
        let message = &parcel.message;
        let approve = message.asks.as_deref().zip(answer).map(|(asks, url)| {
            let Wall(until_ms) = asks.expires;
            Approve { url, until: rfc3339(asks.expires), until_ms }
        });
        Body {
            version: VERSION,
            id: id(parcel),
            about: &message.about,
            kind: message.kind,
            severity: message.severity,
            title: &message.title,
            story: &message.story,
            next: &message.next,
            approve,
            at: rfc3339(message.at),
            at_ms: message.at.0,
            instance: message.about.instance(),
        }
    }
}

fn rfc3339(at: Wall) -> Option<String> {
    Timestamp::from_millisecond(at.0).ok().map(|at| format!("{at:.3}"))
}

/// The same at every try, and unlike any other message of any healer.
fn id(parcel: &Parcel) -> String {
    format!("{}/{}", parcel.message.about.instance(), parcel.message.id.0)
}

/// `t=…,v1=…`: the time is signed too, so that an old message cannot be sent again as a new one.
fn signature(secret: &Secret, at_s: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("a key of any length will do");
    mac.update(format!("{at_s}.").as_bytes());
    mac.update(body);
    let mut text = format!("t={at_s},v1=");
    for byte in mac.finalize().into_bytes() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn secret(channel: &str, path: &Path) -> Result<Secret, Error> {
    Secret::read(path).map_err(|why| Error::SecretFile {
        channel: channel.to_owned(),
        key: "secret_file",
        path: path.to_owned(),
        why,
    })
}

/// A header's value of any text: what is not visible ASCII is percent-encoded.
fn visible(text: &str) -> HeaderValue {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            value.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    HeaderValue::from_str(&value).expect("visible ASCII is a header's value")
}

fn unix_seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
