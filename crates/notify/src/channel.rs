//! The list of channels. A channel is one file under `channel/` and one line in the list below.
//!
//! Its file holds all that is to be known of it: `NAME` (the `type` in the configuration), `KEYS`, `MANUAL`, `Config`,
//! and `Client` with `open` and `deliver`.

use std::fmt;

use model::message::{Delivery, Parcel, Receipt};
use serde::Deserialize;

use crate::error::Error;

/// Makes the enums over all channels, so that a new one is a line.
macro_rules! channels {
    ($($Kind:ident => $module:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// The kinds of channels, as the manual and the configuration list them.
        pub const KINDS: &[Kind] = &[
            $(Kind { name: $module::NAME, keys: $module::KEYS, manual: $module::MANUAL }),+
        ];

        /// A channel as the configuration describes it: `{type: webhook, url: …}`.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum Config {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] $Kind($module::Config)),+
        }

        #[derive(Debug)]
        enum Client {
            $($Kind($module::Client)),+
        }

        impl Client {
            fn open(channel: &str, config: &Config) -> Result<Client, Error> {
                match config {
                    $(Config::$Kind(config) => $module::Client::open(channel, config).map(Client::$Kind)),+
                }
            }

            async fn deliver(&self, parcel: &Parcel) -> Delivery {
                match self {
                    $(Client::$Kind(client) => client.deliver(parcel).await),+
                }
            }
        }
    };
}

channels! {
    Webhook => webhook,
}

/// What is to be known of a kind of channel before one is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its `type` in the configuration.
    pub name: &'static str,
    /// Its keys, without `type`.
    pub keys: &'static [&'static str],
    /// Its manual page, in Markdown.
    pub manual: &'static str,
}

/// An open channel. Its `Debug` shows no secret.
pub struct Channel {
    name: String,
    client: Client,
}

impl Channel {
    /// Opens a channel: checks its settings and reads its secrets. Nothing is sent.
    ///
    /// # Errors
    /// When a setting is wrong or a secret cannot be read: the text names the key and the remedy.
    pub fn open(name: &str, config: &Config) -> Result<Channel, Error> {
        Ok(Channel { name: name.to_owned(), client: Client::open(name, config)? })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tries once.
    pub async fn deliver(&self, parcel: &Parcel) -> Receipt {
        let result = self.client.deliver(parcel).await;
        Receipt { channel: self.name.clone(), message: parcel.message.id, result }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).field("client", &self.client).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_manual_that_explains_each_of_its_keys() {
        for kind in KINDS {
            assert!(kind.manual.starts_with(&format!("# {}\n", kind.name)), "{} has no manual page", kind.name);
            for key in kind.keys {
                assert!(kind.manual.contains(&format!("`{key}`")), "{}'s manual does not explain `{key}`", kind.name);
            }
        }
    }

    #[test]
    fn an_unknown_type_or_key_is_refused_and_the_known_ones_are_named() {
        let error = |json: &str| serde_json::from_str::<Config>(json).unwrap_err().to_string();
        assert!(error(r#"{"type": "webhok", "url": "http://h"}"#).contains("expected `webhook`"));
        let text = error(r#"{"type": "webhook", "url": "http://h", "secrt": "x"}"#);
        assert!(text.contains("`secrt`") && webhook::KEYS.iter().all(|key| text.contains(key)), "{text}");
    }
}
