//! The `webhook` channel: a signed JSON message to a URL.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use model::ResourceId;
use model::incident::IncidentId;
use model::message::{Delivery, Kind, Parcel, Severity};
use model::time::Spoken;
use outbound::header::{HeaderName, HeaderValue};
use outbound::{Address, Policy};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::Error;
use crate::secret::Secret;

/// Its `type` in the configuration.
pub const NAME: &str = "webhook";

/// Its keys.
pub const KEYS: &[&str] = &["url", "secret", "secret_file", "headers"];

/// Its manual page.
pub const MANUAL: &str = r#"# webhook

Posts each message as JSON to a URL.

    channels:
      hook:
        type: webhook
        url: https://hooks.example.org/healer
        secret_file: /run/secrets/hook

- `url`: where to post, `http://…` or `https://…`. A redirect is not followed.
- `secret`, or `secret_file` (its content, without the line's end): signs each message. Without either, messages are not
  signed, and the receiver cannot tell whether they are from healer.
- `headers`: more headers for each request, `{Authorization: "Bearer ${TOKEN}"}`. They are never shown.

The body:

    {"version": 1, "id": "web-1/7", "incident": "web-1/41", "resource": "docker:web-1/shop/web",
     "kind": "healed", "severity": "info", "title": "…", "story": ["…"], "next": ["…"],
     "at": "2026-11-23T14:01:22.000Z", "at_ms": 1795442482000, "instance": "web-1"}

`kind` is one of `healed`, `opened`, `updated`, `escalated`, `resolved`; `severity` one of `info`, `warning`, `critical`.
Messages of one incident carry the same `incident`. Fields may be added; `version` changes when one changes its meaning.

The headers:

- `Healer-Message-Id`: the body's `id`, the same at every try. Whoever has seen it has the message already.
- `Healer-Attempt`: which try this is, from 1.
- `Healer-Signature`: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>" in hexadecimal>`. The time is that of the
  try. Compute the same over the body as it arrived, compare in constant time, and refuse what is older than five
  minutes. In Python, with `secret` and `body` as bytes and `header` as text:

      import hashlib, hmac, time
      t, v1 = (part.split("=", 1)[1] for part in header.split(","))
      expect = hmac.new(secret, t.encode() + b"." + body, hashlib.sha256).hexdigest()
      assert hmac.compare_digest(expect, v1), "not from healer"
      assert abs(time.time() - int(t)) < 300, "too old"

The answer: any 2xx takes the message. 408, 425, 429, any 5xx, no answer within 15 s and no connection within 5 s are
tried again later. Anything else (another 4xx, a redirect, a certificate that is not trusted) rejects the message for
good, and healer says so.
"#;

/// The body's version.
const VERSION: u32 = 1;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Only quoted when something goes wrong.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// What can be set.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to post. Its path and query may be secret, so it is never shown.
    pub url: String,
    /// Signs each message.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The same, from a file.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
}

/// An open channel.
pub(crate) struct Client {
    address: Address,
    secret: Option<Secret>,
    headers: Vec<(HeaderName, HeaderValue)>,
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
        let headers = headers(&config.headers).map_err(|why| setting("headers", why))?;
        Ok(Client { address, secret: secret(channel, config)?, headers, http })
    }

    pub(crate) async fn deliver(&self, parcel: &Parcel) -> Delivery {
        let body = match serde_json::to_vec(&Body::of(parcel)) {
            Ok(body) => body,
            Err(error) => return Delivery::Rejected(format!("the message cannot be written as JSON: {error}")),
        };
        let mut headers = self.headers.clone();
        headers.push((HeaderName::from_static("healer-message-id"), visible(&id(parcel))));
        headers.push((HeaderName::from_static("healer-attempt"), HeaderValue::from(parcel.attempt)));
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
        let headers: Vec<&HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        let signs = self.secret.is_some();
        f.debug_struct("Webhook").field("to", &self.address).field("signs", &signs).field("headers", &headers).finish()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.url.parse::<Address>().ok())
            .field("secret", &self.secret)
            .field("secret_file", &self.secret_file)
            .field("headers", &self.headers)
            .finish()
    }
}

/// The message as it is sent.
#[derive(Debug, Serialize)]
struct Body<'p> {
    version: u32,
    id: String,
    incident: &'p IncidentId,
    resource: &'p ResourceId,
    kind: Kind,
    severity: Severity,
    title: &'p str,
    story: &'p [String],
    next: &'p [String],
    /// RFC 3339; `None` for a time that no calendar knows.
    at: Option<String>,
    at_ms: i64,
    instance: &'p str,
}

impl<'p> Body<'p> {
    fn of(parcel: &'p Parcel) -> Body<'p> {
        let message = &parcel.message;
        Body {
            version: VERSION,
            id: id(parcel),
            incident: &message.incident,
            resource: &message.resource,
            kind: message.kind,
            severity: message.severity,
            title: &message.title,
            story: &message.story,
            next: &message.next,
            at: Timestamp::from_millisecond(message.at.0).ok().map(|at| format!("{at:.3}")),
            at_ms: message.at.0,
            instance: &message.incident.instance,
        }
    }
}

/// The same at every try, and unlike any other message of any healer.
fn id(parcel: &Parcel) -> String {
    format!("{}/{}", parcel.message.incident.instance, parcel.message.id.0)
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

fn secret(channel: &str, config: &Config) -> Result<Option<Secret>, Error> {
    let setting = |key, why: &str| Error::Setting { channel: channel.to_owned(), key, why: why.to_owned() };
    match (&config.secret, &config.secret_file) {
        (Some(_), Some(_)) => Err(setting("secret_file", "there is a `secret` too: keep one of the two")),
        (Some(secret), None) if secret.expose().is_empty() => Err(setting("secret", "it is empty: set it, or leave it out")),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(path)) => Secret::read(path).map(Some).map_err(|why| Error::SecretFile {
            channel: channel.to_owned(),
            key: "secret_file",
            path: path.clone(),
            why,
        }),
        (None, None) => Ok(None),
    }
}

/// The owner's headers, without those that are healer's or the protocol's.
fn headers(config: &BTreeMap<String, Secret>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let header = |(name, value): (&String, &Secret)| {
        let shown = name.escape_debug();
        let parsed: HeaderName = name.parse().map_err(|_| format!("`{shown}` is no header's name"))?;
        let taken = ["host", "content-type", "content-length", "transfer-encoding", "connection", "user-agent"];
        if parsed.as_str().starts_with("healer-") || taken.contains(&parsed.as_str()) {
            return Err(format!("`{shown}` is set by healer: leave it out"));
        }
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| format!("the value of `{shown}` has characters that no header may have, such as a line's end"))?;
        value.set_sensitive(true);
        Ok((parsed, value))
    };
    config.iter().map(header).collect()
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
