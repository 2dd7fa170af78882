//! The list of channels. A channel is one file under `channel/` and one line in the list below.
//!
//! Its file holds all that is to be known of it: its manual page, `Config`, and `Client` with `open` and `deliver`.

use std::fmt;

use model::message::{Delivery, Parcel, Receipt};

use crate::error::Error;

/// Makes the enums over all channels, so that a new one is a line.
macro_rules! channels {
    ($($Kind:ident => $module:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// A channel as the configuration describes it.
        #[derive(Debug, Clone, PartialEq, Eq)]
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

            async fn deliver(&self, parcel: &Parcel, answer: Option<&str>) -> Delivery {
                match self {
                    $(Client::$Kind(client) => client.deliver(parcel, answer).await),+
                }
            }
        }
    };
}

channels! {
    Email => email,
    Webhook => webhook,
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

    /// Tries once. `answer`: where the reader can answer what the message asks; whoever has that address can.
    pub async fn deliver(&self, parcel: &Parcel, answer: Option<&str>) -> Receipt {
        let result = self.client.deliver(parcel, answer).await;
        Receipt { channel: self.name.clone(), message: parcel.message.id, result }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).field("client", &self.client).finish()
    }
}
