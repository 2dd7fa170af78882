//! One conversation with the mail server: greeting, TLS, login, one mail to all who are left; then what became of it.
//!
//! A reason is made of what was being done and of what the server said, cut to a line and freed from the password.

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters, TlsParametersBuilder};
use lettre::transport::smtp::commands::{Auth, Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::{Category, Code, Detail, Response, Severity};
use model::time::Spoken;
use tokio::time::timeout;

use super::fate::Fate;
use super::server::{Security, Server};

/// As much of what the server says as a reason quotes, in bytes.
const QUOTE_BYTES_MAX: usize = 240;
/// A password shorter than this may stand in a quote by chance.
const SECRET_BYTES_MIN: usize = 4;
/// How many causes deep an error is looked into.
const CAUSES_MAX: usize = 12;
/// How long a polite goodbye may take; what became of the mail is known by then.
const FAREWELL: Duration = Duration::from_secs(1);
/// Refusals that want another login than ours, whatever they answer: its owner can mend it (RFC 4954, section 6).
const ABOUT_LOGIN: [u16; 4] = [530, 534, 535, 538];

/// How long a try may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Until a connection to one of the server's addresses stands.
    pub(super) connect: Duration,
    /// Until the server took the mail over. Less than what the outbox gives a try before it makes the next one.
    pub(super) total: Duration,
}

/// The way to one mail server.
pub(super) struct Post {
    server: Server,
    limits: Limits,
    hello: ClientId,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    /// The password, and how it looks on the wire. The user is never told at all: with some providers it is the same token.
    secrets: Vec<String>,
}

impl Post {
    /// `trusted` are roots beside the host's own. `Err` says why there can be no TLS to such a server.
    pub(super) fn new(server: Server, limits: Limits, trusted: &[Certificate]) -> Result<Post, String> {
        let tls = match server.security {
            Security::Tls | Security::StartTls => {
                // The name that the certificate must be for.
                let builder = TlsParameters::builder(server.host.clone());
                let builder = trusted.iter().cloned().fold(builder, TlsParametersBuilder::add_root_certificate);
                Some(builder.build().map_err(|error| format!("no TLS to {server} can be prepared: {}", deepest(&error)))?)
            }
            Security::Plain => None,
        };
        let (user, password) = (server.user.as_deref(), server.password.as_ref().map(|password| password.expose()));
        let login = user.zip(password).map(|(user, password)| Credentials::from((user, password)));
        let secrets = password.into_iter().map(str::to_owned).chain(login.iter().flat_map(on_the_wire));
        let secrets = secrets.filter(|secret| secret.len() >= SECRET_BYTES_MIN).collect();
        Ok(Post { limits, hello: ClientId::default(), tls, login, secrets, server })
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Tries once: what became of the mail at each of `to`, in their order.
    pub(super) async fn send(&self, from: &Address, to: &[&Address], mail: &[u8]) -> Vec<Fate> {
        let mut talk = Talk { post: self, connection: None, doing: "connecting" };
        let result = timeout(self.limits.total, talk.hold(from, to, mail)).await;
        let fates = match result {
            Ok(Ok(fates)) => fates,
            Ok(Err(fate)) => vec![fate; to.len()],
            Err(_) => {
                // In the middle of a sentence there is no goodbye.
                talk.connection = None;
                let (server, within, doing) = (&self.server, Spoken(self.limits.total), talk.doing);
                vec![Fate::Later(format!("{server} was not done within {within}, {doing}")); to.len()]
            }
        };
        if let Some(mut connection) = talk.connection {
            let _ = timeout(FAREWELL, connection.quit()).await;
        }
        fates
    }

    /// What an answer to `asked` means for whom it was asked, or what is known when none came.
    fn fate(&self, error: &Error, asked: &str, doing: &str) -> Fate {
        let Some(code) = error.status().map(u16::from) else { return self.trouble(error, doing) };
        let reason = format!("{} answered {code} to {asked}{}", self.server, self.quoted(error));
        if error.is_permanent() && !ABOUT_LOGIN.contains(&code) { Fate::Refused(reason) } else { Fate::Later(reason) }
    }

    /// No answer came, or none that could be read.
    fn trouble(&self, error: &Error, doing: &str) -> Fate {
        let server = &self.server;
        Fate::Later(match tls_trouble(error) {
            Some(rustls::Error::InvalidCertificate(why)) => {
                format!("the certificate of {server} is not trusted ({why}); add its CA to the host's, or mend it")
            }
            Some(why) => format!("no TLS with {server}: {}; smtps:// is for TLS from the first byte", line(&why.to_string())),
            None => format!("no mail through {server}, {doing}: {}", deepest(error)),
        })
    }

    /// What the server said, behind a colon.
    fn quoted(&self, error: &Error) -> String {
        let mut said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        for secret in &self.secrets {
            said = said.replace(secret.as_str(), "********");
        }
        let said = line(&said);
        if said.is_empty() { said } else { format!(": {said}") }
    }
}

/// A conversation, and how far it is.
struct Talk<'p> {
    post: &'p Post,
    connection: Option<AsyncSmtpConnection>,
    doing: &'static str,
}

impl Talk<'_> {
    /// `Err` is everybody's fate.
    async fn hold(&mut self, from: &Address, to: &[&Address], mail: &[u8]) -> Result<Vec<Fate>, Fate> {
        let connection = self.connected().await?;
        let mut parameters = Vec::new();
        if !to.iter().chain([&from]).all(|address| address.to_string().is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let says = format!("{} takes only addresses of ASCII letters", self.post.server);
                return Err(Fate::Refused(says));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let connection = self.connection.insert(connection);
        self.doing = "naming the sender";
        let sender = format!("the sender {from}");
        let answer = connection.command(Mail::new(Some(from.clone()), parameters)).await;
        answer.map_err(|error| self.post.fate(&error, &sender, self.doing))?;
        self.doing = "naming the recipients";
        let mut fates = Vec::with_capacity(to.len());
        for &address in to {
            let answer = connection.command(Rcpt::new(address.clone(), Vec::new())).await;
            fates.push(match answer {
                Ok(_) => Fate::Taken,
                Err(error) if error.status().is_some() => {
                    self.post.fate(&error, &format!("the recipient {address}"), self.doing)
                }
                Err(error) => return Err(self.post.trouble(&error, self.doing)),
            });
        }
        if fates.contains(&Fate::Taken) {
            self.doing = "handing the mail over";
            let handed = match connection.command(Data).await {
                Ok(_) => connection.message(mail).await,
                Err(error) => Err(error),
            };
            if let Err(error) = handed {
                let fate = self.post.fate(&error, "the mail", self.doing);
                fates.iter_mut().filter(|fate| **fate == Fate::Taken).for_each(|taken| *taken = fate.clone());
            }
        }
        Ok(fates)
    }

    /// Greeted, secured and logged in. What goes wrong here may be mended without the mail being another one.
    async fn connected(&mut self) -> Result<AsyncSmtpConnection, Fate> {
        let Post { server, limits, hello, tls, login, .. } = self.post;
        let place = (server.host.as_str(), server.port);
        let (wrapped, upgrade) = match server.security {
            Security::Tls => (tls.clone(), None),
            Security::StartTls => (None, tls.clone()),
            Security::Plain => (None, None),
        };
        let connecting = AsyncSmtpConnection::connect_tokio1(place, Some(limits.connect), hello, wrapped, None);
        let mut connection = connecting.await.map_err(|error| self.early(&error, "the greeting"))?;
        if let Some(tls) = upgrade {
            self.doing = "asking for TLS";
            if !connection.can_starttls() {
                return Err(Fate::Later(format!(
                    "{server} offers no STARTTLS, and nothing is told to it without: set smtps:// where it speaks TLS \
                     from the first byte, or smtp+plain:// where the way there is safe"
                )));
            }
            connection.starttls(tls, hello).await.map_err(|error| self.early(&error, "STARTTLS"))?;
        }
        if let Some(login) = login {
            self.doing = "logging in";
            if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                let remedy = match server.security {
                    Security::Plain => "; it may on a connection with TLS: smtp+starttls:// or smtps://",
                    Security::StartTls | Security::Tls => "",
                };
                return Err(Fate::Later(format!("{server} lets nobody log in by PLAIN or LOGIN{remedy}")));
            }
            let answer = connection.auth(DEFAULT_MECHANISMS, login).await;
            answer.map_err(|error| match error.status().map(u16::from) {
                Some(code @ 500..) => Fate::Later(format!(
                    "{server} does not let healer's user in ({code}{}): mend the user or the password",
                    self.post.quoted(&error)
                )),
                _ => self.early(&error, "the login"),
            })?;
        }
        Ok(connection)
    }

    fn early(&self, error: &Error, asked: &str) -> Fate {
        match self.post.fate(error, asked, self.doing) {
            Fate::Refused(why) | Fate::Later(why) => Fate::Later(why),
            Fate::Taken => Fate::Taken,
        }
    }
}

/// How a password looks in an answer that repeats what was sent.
fn on_the_wire(login: &Credentials) -> Vec<String> {
    let code = Code::new(Severity::PositiveIntermediate, Category::Unspecified3, Detail::Four);
    let asked = Response::new(code, vec!["UGFzc3dvcmQ6".to_owned()]); // "Password:"
    let sent = [
        Auth::new(Mechanism::Plain, login.clone(), None),
        Auth::new_from_response(Mechanism::Login, login.clone(), &asked),
    ];
    let words = sent.into_iter().flatten().map(|sent| sent.to_string());
    words.filter_map(|sent| sent.split_whitespace().last().map(str::to_owned)).collect()
}

/// What TLS has to complain about, if it was TLS.
fn tls_trouble(error: &Error) -> Option<rustls::Error> {
    causes(error).find_map(|mut cause| {
        // An `io::Error` keeps what it wraps out of its `source`, and may wrap another one.
        while let Some(inner) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            cause = inner;
        }
        cause.downcast_ref::<rustls::Error>().cloned()
    })
}

/// What the innermost cause says: it knows most.
fn deepest(error: &Error) -> String {
    causes(error).last().map_or_else(String::new, |cause| line(&cause.to_string()))
}

fn causes<'e>(error: &'e Error) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |&cause| cause.source()).take(CAUSES_MAX)
}

/// One line of printable characters, cut.
fn line(text: &str) -> String {
    evidence::escape(&text.split_whitespace().collect::<Vec<_>>().join(" "), QUOTE_BYTES_MAX)
}
