//! Links in messages that decide: who holds one may answer the question of its message, and nothing else.
//!
//! ```text
//! https://healer.example.org/approve/MQp3ZWItMS80MQpvcHMtbWFpbAo5MDAwMAo1…
//!          external_url              └ base64url of: 1 ⏎ incident ⏎ channel ⏎ expiry ⏎ plan ⏎ body, then 32 bytes of HMAC
//! ```
//!
//! A link names the question by its incident, the moment at which it expires, and by hashes of the plan and of the body
//! that was asked about; and the channel by which it left the house. It is signed when it is sent and is kept nowhere: the
//! journal names questions, and whoever may read it has no right by that.

mod key;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{KeyInit as _, Mac as _};
use model::Tick;
use model::action::{Asked, Binding};
use model::command::CommandId;
use model::incident::IncidentId;
use model::view::{Question, Stand};
use sha2::{Digest as _, Sha256};

pub use key::{KEY_FILE, Key, KeyError};

use crate::routes::approve;

/// The format, as the first line of what is signed.
const VERSION: &str = "1";
/// Nothing else that this key might sign one day is a link.
const PURPOSE: &[u8] = b"healer: the link in a message\n";
/// The bytes of a signature.
const SIGNATURE_BYTES: usize = 32;
/// The longest link that is looked at: names have at most 100 bytes.
const TOKEN_BYTES_MAX: usize = 1_024;
/// So many hexadecimal digits of a hash tell one plan, or body, from another.
const HASH_DIGITS: usize = 32;

type Hmac = hmac::Hmac<Sha256>;

/// The right to answer one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    incident: IncidentId,
    channel: String,
    until: Tick,
    plan: String,
    body: String,
}

impl Link {
    /// The link for whoever gets a question by a channel.
    #[must_use]
    pub fn to(question: &Asked, channel: &str) -> Link {
        Link {
            incident: question.incident.clone(),
            channel: channel.to_owned(),
            until: question.until,
            plan: hash(&[question.plan.0.as_bytes()]),
            body: match &question.binds {
                None => hash(&[]),
                Some(Binding { incarnation, image_id, config_hash }) => {
                    hash(&[incarnation.0.as_bytes(), image_id.as_bytes(), config_hash.as_bytes()])
                }
            },
        }
    }

    /// The whole address, under the one by which people reach this healer.
    #[must_use]
    pub fn url(&self, key: &Key, external_url: &str) -> String {
        format!("{}{}{}", external_url.trim_end_matches('/'), approve::PREFIX, self.signed(key))
    }

    /// The last part of the address.
    fn signed(&self, key: &Key) -> String {
        let mut token = self.payload();
        let signature = mac(key, &token).finalize().into_bytes();
        token.extend_from_slice(&signature);
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// The link that the last part of an address is, if this key signed it. That takes as long for a signature that is
    /// wrong in its first bit as for one that is wrong in its last.
    pub(crate) fn read(token: &str, key: &Key) -> Option<Link> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (payload, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        mac(key, payload).verify_slice(signature).ok()?;
        let text = std::str::from_utf8(payload).ok()?;
        let [VERSION, incident, channel, until, plan, body] = text.split('\n').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Link {
            incident: incident.parse().ok()?,
            channel: channel.to_owned(),
            until: Tick(until.parse().ok()?),
            plan: plan.to_owned(),
            body: body.to_owned(),
        })
    }

    fn payload(&self) -> Vec<u8> {
        let Link { incident, channel, until, plan, body } = self;
        format!("{VERSION}\n{incident}\n{channel}\n{}\n{plan}\n{body}", until.0).into_bytes()
    }

    /// Of which incident.
    pub(crate) fn incident(&self) -> &IncidentId {
        &self.incident
    }

    /// Who decides by it, for the journal.
    pub(crate) fn who(&self) -> String {
        format!("the link in the message to {}", self.channel)
    }

    /// The same whatever is answered: a link is used once.
    pub(crate) fn command(&self) -> CommandId {
        CommandId(format!("link-{}", hash(&[&self.payload()])))
    }

    /// How the question of this link stands, by the last one of its incident.
    pub(crate) fn stand(&self, last: Option<&Question>) -> Stand {
        let Some(last) = last else { return Stand::Over("it is not on record any more".to_owned()) };
        let present = Link::to(&last.asked, &self.channel);
        if present == *self {
            return last.stand.clone();
        }
        match &last.stand {
            Stand::Over(_) => last.stand.clone(),
            Stand::Open
            | Stand::Decided { .. }
            | Stand::Expired
            | Stand::Withdrawn
            | Stand::PlanChanged
            | Stand::BodyChanged => match () {
                () if self.until <= last.now.tick => Stand::Expired,
                () if present.plan != self.plan => Stand::PlanChanged,
                () if present.body != self.body => Stand::BodyChanged,
                () => Stand::Withdrawn,
            },
        }
    }
}

fn mac(key: &Key, payload: &[u8]) -> Hmac {
    let mut mac = Hmac::new_from_slice(key.expose()).expect("a key of any length will do");
    mac.update(PURPOSE);
    mac.update(payload);
    mac
}

/// A hash over texts, each with its length: what ends one and begins the next is part of it.
fn hash(texts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let mut digits = String::new();
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits.truncate(HASH_DIGITS);
    digits
}

#[cfg(test)]
pub(crate) mod tests {
    use model::action::PlanKey;
    use model::fact::Incarnation;

    use super::*;

    pub(crate) fn asked() -> Asked {
        Asked {
            incident: "web-1/41".parse().unwrap(),
            plan: PlanKey("start: start docker:web-1/shop/web".to_owned()),
            binds: Some(Binding {
                incarnation: Incarnation("0123456789abcdef".into()),
                image_id: "sha256:1".to_owned(),
                config_hash: "c1".to_owned(),
            }),
            until: Tick(1_890_000),
        }
    }

    fn key() -> Key {
        Key::of([7; 32])
    }

    #[test]
    fn a_link_is_read_as_it_was_written_and_stands_in_a_url_as_it_is() {
        let link = Link::to(&asked(), "ops-mail");
        let url = link.url(&key(), "https://healer.example.org/");
        let token = url.strip_prefix("https://healer.example.org/approve/").unwrap();
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
        assert!(url.len() < 250, "{url}");
        assert_eq!(Link::read(token, &key()), Some(link));
        assert!(Link::to(&asked(), "m").url(&key(), "https://h/healer").starts_with("https://h/healer/approve/"));
    }

    #[test]
    fn the_signature_is_what_another_program_would_make_of_it() {
        // Made with Python's `hmac`: a change of the format would turn links that are on their way into wrong ones.
        let token = Link::to(&asked(), "ops-mail").signed(&key());
        assert_eq!(token, EXPECTED);
    }

    const EXPECTED: &str = "MQp3ZWItMS80MQpvcHMtbWFpbAoxODkwMDAwCmM3YzU4ZWUzNzUwZTFjOTY3MTdlMzFjYTAwNzQyNzkwCjY0NzhjMjhiNGJlYTlm\
         YTJhNTEyYWRlNDg4YWJiODkxvQ7-LGoGuDkc3Pl85rCZz9D8ABcydmSpls4xj-q7nuQ";

    #[test]
    fn a_link_that_was_changed_anywhere_is_none() {
        let token = Link::to(&asked(), "ops-mail").signed(&key());
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let changed = BASE64_URL_SAFE_NO_PAD.encode(changed);
                assert_eq!(Link::read(&changed, &key()), None, "byte {at}, bit {bit}");
            }
        }
        for shorter in 0..token.len() {
            assert_eq!(Link::read(&token[..shorter], &key()), None, "{shorter}");
        }
        for other in [format!("{token}A"), format!("{token}="), format!("{token}/"), "A".repeat(100_000), String::new()]
        {
            assert_eq!(Link::read(&other, &key()), None);
        }
    }

    #[test]
    fn a_link_that_another_key_signed_is_none() {
        let token = Link::to(&asked(), "ops-mail").signed(&Key::of([8; 32]));
        assert_eq!(Link::read(&token, &key()), None);
    }

    #[test]
    fn what_was_signed_for_another_purpose_or_in_another_format_is_no_link() {
        let of = |payload: &str, purpose: &[u8]| {
            let mut mac = Hmac::new_from_slice(key().expose()).unwrap();
            mac.update(purpose);
            mac.update(payload.as_bytes());
            let mut token = payload.as_bytes().to_vec();
            token.extend_from_slice(&mac.finalize().into_bytes());
            Link::read(&BASE64_URL_SAFE_NO_PAD.encode(token), &key())
        };
        let good = "1\nweb-1/41\nops-mail\n9\naa\nbb";
        assert!(of(good, PURPOSE).is_some(), "the test signs as it should");
        assert_eq!(of(good, b""), None);
        for payload in
            ["", "2\nweb-1/41\nops-mail\n9\naa\nbb", "1\nweb-1/41\nops-mail\n9\naa", "1\nweb-1/41\na\nb\n9\naa\nbb"]
        {
            assert_eq!(of(payload, PURPOSE), None, "{payload}");
        }
    }

    #[test]
    fn each_part_of_a_question_and_the_channel_make_another_link_and_another_command() {
        let link = Link::to(&asked(), "ops-mail");
        let body = |change: fn(&mut Binding)| {
            let mut asked = asked();
            change(asked.binds.as_mut().unwrap());
            Link::to(&asked, "ops-mail")
        };
        let others = [
            Link::to(&asked(), "hook"),
            Link::to(&Asked { incident: "web-1/42".parse().unwrap(), ..asked() }, "ops-mail"),
            Link::to(&Asked { plan: PlanKey("restart".to_owned()), ..asked() }, "ops-mail"),
            Link::to(&Asked { until: Tick(1), ..asked() }, "ops-mail"),
            Link::to(&Asked { binds: None, ..asked() }, "ops-mail"),
            body(|body| body.incarnation = Incarnation("0".into())),
            body(|body| body.image_id.push('2')),
            body(|body| body.config_hash.push('2')),
            // The same letters, divided in another way.
            body(|body| (body.image_id, body.config_hash) = ("sha256:1c".to_owned(), "1".to_owned())),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(*other, link, "{at}");
            assert_ne!(other.command(), link.command(), "{at}");
        }
        assert_eq!(Link::to(&asked(), "ops-mail").command(), link.command());
    }
}
