//! A certificate, from where it is served or from the file from which it will be: its time, its name, its chain.
//!
//! `{tls: "shop.example.org:443", warn_before: 21d}`. Nothing is asked of the application behind it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_rustls::client::TlsStream;

use crate::answer::{Answer, Measure};
use crate::asker::Asker;
use crate::certificate::{Demand, Judgement};
use crate::dial::{Deadline, Endpoint, connect};
use crate::said;
use crate::secure::{Chain, handshake, server_name};
use crate::trouble::{Distrust, Trouble};

/// A file of certificates is smaller.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const DAY_S: f64 = 86_400.0;

/// A certificate that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Where it is.
    pub at: Place,
    /// Whom it has to be for; `None`: the endpoint's host, or whomever a file names.
    pub name: Option<String>,
    /// Whether its chain has to lead to a root that this host trusts.
    pub trusted: bool,
    /// How long before its end it is no longer good.
    pub warn_before: Duration,
}

/// Where a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Something that speaks TLS from its first byte.
    Endpoint(Endpoint),
    /// A file in PEM, the server's own certificate first.
    File(PathBuf),
}

impl Check {
    pub(crate) async fn ask(&self, asker: &Asker, deadline: &Deadline) -> Result<Answer, Trouble> {
        let (with, chain) = match &self.at {
            Place::Endpoint(endpoint) => (endpoint.to_string(), self.served(endpoint, asker, deadline).await?),
            Place::File(path) => {
                let name = path.display().to_string();
                let late = |_| Trouble::Unaskable { why: format!("{name} cannot be read in time") };
                let chain = deadline.wait(read(path), late).await??;
                (name, chain)
            }
        };
        let name = match (&self.name, &self.at) {
            (Some(name), _) => Some(server_name(name)?),
            (None, Place::Endpoint(endpoint)) => Some(server_name(&endpoint.host)?),
            (None, Place::File(_)) => None,
        };
        let demand = Demand { name: name.as_ref(), trusted: self.trusted, now: SystemTime::now() };
        let judgement = asker.trust().judge(&chain, demand);
        Ok(told(judgement, &with, self.warn_before))
    }

    async fn served(&self, endpoint: &Endpoint, asker: &Asker, deadline: &Deadline) -> Result<Chain, Trouble> {
        let name: ServerName<'static> = server_name(self.name.as_deref().unwrap_or(&endpoint.host))?;
        let stream = connect(endpoint, deadline).await?;
        Ok(handshake(asker.tls(), stream, endpoint, name, deadline).await?.1)
    }
}

/// TLS with a host that is trusted, and how long its certificate lasts. Nothing is said to one that is not.
pub(crate) async fn trusted<S>(
    stream: S,
    with: &Endpoint,
    asker: &Asker,
    deadline: &Deadline,
    warn_before: Duration,
) -> Result<(TlsStream<S>, Answer), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = server_name(&with.host)?;
    let (stream, chain) = handshake(asker.tls(), stream, with, name.clone(), deadline).await?;
    let demand = Demand { name: Some(&name), trusted: true, now: SystemTime::now() };
    let mut answer = told(asker.trust().judge(&chain, demand), &with.to_string(), warn_before);
    match answer.troubles.iter().position(|trouble| matches!(trouble, Trouble::Tls { .. })) {
        Some(at) => Err(answer.troubles.swap_remove(at)),
        None => Ok((stream, answer)),
    }
}

/// A judgement as an answer: what is wrong, or how long it will stay right.
fn told(judgement: Result<Judgement, Distrust>, with: &str, warn_before: Duration) -> Answer {
    let trouble = |why| Trouble::Tls { with: with.to_owned(), why };
    let judgement = match judgement {
        Ok(judgement) => judgement,
        Err(why) => return trouble(why).into(),
    };
    let mut answer = Answer::default();
    let ended = judgement.wrong.iter().any(|why| matches!(why, Distrust::Expired { .. }));
    // Whose end is past is not said twice.
    let limit = (!ended && !warn_before.is_zero()).then_some(warn_before.as_secs_f64() / DAY_S);
    answer.at_least(Measure::CertificateLeftDays, judgement.left_days, limit, &judgement.ends_first);
    answer.troubles.extend(judgement.wrong.into_iter().map(trouble));
    answer
}

async fn read(path: &Path) -> Result<Chain, Trouble> {
    let unreadable = |why: &str| Trouble::Unaskable { why: format!("{} cannot be read: {why}", path.display()) };
    let file = tokio::fs::File::open(path).await.map_err(|error| unreadable(&error.to_string()))?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).await.map_err(|error| unreadable(&error.to_string()))?;
    let chain: Result<Chain, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| unreadable(&said(&error.to_string())))?;
    if chain.is_empty() { Err(unreadable("there is no certificate in it")) } else { Ok(chain) }
}
