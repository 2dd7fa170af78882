//! The `email` channel: each message as a mail, in plain text and in HTML. Its manual page, for whoever sets it up:
#![doc = include_str!("email.md")]

mod fate;
mod mail;
mod page;
mod post;
mod server;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::Certificate;
use model::message::{Delivery, Parcel};

use crate::error::Error;
use crate::secret::Secret;
use fate::HalfDelivered;
use post::{Limits, Post};
use server::Server;

const LIMITS: Limits = Limits { connect: Duration::from_secs(10), total: Duration::from_secs(30) };
/// Every mail server takes as many recipients of one mail (RFC 5321, 4.5.3.1.8).
const RECIPIENTS_MAX: usize = 100;

/// What can be set.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The mail server as a URL, with user and password where it wants them; shown without both.
    pub server: String,
    /// The file with the password, where it does not stand in `server`.
    pub password_file: Option<PathBuf>,
    /// Who writes: `healer@example.org` or `Healer <healer@example.org>`.
    pub from: String,
    /// Who is told.
    pub to: Vec<String>,
}

/// An open channel.
pub(crate) struct Client {
    /// Large, and one of several kinds of channels.
    post: Box<Post>,
    from: Mailbox,
    to: Vec<Mailbox>,
    half_delivered: Mutex<HalfDelivered>,
}

impl Client {
    pub(crate) fn open(channel: &str, config: &Config) -> Result<Client, Error> {
        Client::open_with(channel, config, LIMITS, &[])
    }

    fn open_with(channel: &str, config: &Config, limits: Limits, trusted: &[Certificate]) -> Result<Client, Error> {
        let setting = |key, why: String| Error::Setting { channel: channel.to_owned(), key, why };
        let mut server = Server::parse(&config.server).map_err(|why| setting("server", why))?;
        if let Some(path) = &config.password_file {
            if server.password.is_some() {
                let why = "the password stands in `server` already: take it out of one of the two".to_owned();
                return Err(setting("password_file", why));
            }
            let password = Secret::read(path).map_err(|why| Error::SecretFile {
                channel: channel.to_owned(),
                key: "password_file",
                path: path.clone(),
                why,
            })?;
            server.password = Some(password);
        }
        match (&server.user, &server.password) {
            (Some(_), None) => {
                let why = "names a user without a password: write user:password@, or set `password_file`".to_owned();
                return Err(setting("server", why));
            }
            (None, Some(_)) => {
                let why = "there is no user to whom the password belongs: write user@ into `server`".to_owned();
                return Err(setting("password_file", why));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        let from = mailbox(&config.from).map_err(|why| setting("from", why))?;
        let to = recipients(&config.to).map_err(|why| setting("to", why))?;
        let post = Box::new(Post::new(server, limits, trusted).map_err(|why| setting("server", why))?);
        Ok(Client { post, from, to, half_delivered: Mutex::default() })
    }

    pub(crate) async fn deliver(&self, parcel: &Parcel, answer: Option<&str>) -> Delivery {
        let message = &parcel.message;
        let mail = match mail::write(message, answer, &self.from, &self.to) {
            Ok(mail) => mail,
            Err(error) => return Delivery::Rejected(format!("the message cannot be written as a mail: {error}")),
        };
        let id = mail::id(message, &self.from);
        let left = self.half_delivered().left(&id, self.to.len());
        let to: Vec<&Address> = left.iter().map(|at| &self.to[*at].email).collect();
        let fates = self.post.send(&self.from.email, &to, &mail).await;
        self.half_delivered().settle(&id, left.into_iter().zip(fates))
    }

    fn half_delivered(&self) -> std::sync::MutexGuard<'_, HalfDelivered> {
        self.half_delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("server", self.post.server()).field("to", &self.to.len()).finish()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("server", &Server::parse(&self.server).ok())
            .field("password_file", &self.password_file)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish()
    }
}

/// A `server` as it may be shown: without user and password.
#[must_use]
pub fn server_shown(server: &str) -> String {
    Server::parse(server).map_or_else(|_| "…".to_owned(), |server| server.to_string())
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.trim().parse().map_err(|_| {
        let shown = evidence::escape(text, 80);
        format!("`{shown}` is no address: expected one such as ops@example.org or Ops <ops@example.org>")
    })
}

/// Each once, however often it is named: nobody gets a mail twice.
fn recipients(texts: &[String]) -> Result<Vec<Mailbox>, String> {
    let mut to: Vec<Mailbox> = Vec::new();
    for text in texts {
        let mailbox = mailbox(text)?;
        if !to.iter().any(|earlier| earlier.email == mailbox.email) {
            to.push(mailbox);
        }
    }
    match to.len() {
        0 => Err("nobody would be told: expected addresses such as [ops@example.org]".to_owned()),
        many if many > RECIPIENTS_MAX => {
            Err(format!("{many} recipients, more than {RECIPIENTS_MAX}: write to a mailing list"))
        }
        _ => Ok(to),
    }
}

#[cfg(test)]
mod tests;
