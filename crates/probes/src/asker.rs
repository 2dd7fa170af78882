//! What all probes share: whom they trust, and how they introduce themselves.

use std::fmt;
use std::sync::Arc;

use outbound::Policy;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

use crate::certificate::Trust;
use crate::http::PAGE_BYTES_MAX;
use crate::secure;

/// What asks. Cheap to clone.
#[derive(Clone)]
pub struct Asker(Arc<Inner>);

struct Inner {
    policy: Policy,
    trust: Trust,
    tls: TlsConnector,
}

impl Asker {
    /// One that trusts the host's own roots. `user_agent`: what the other side's log shows.
    ///
    /// # Errors
    /// In words, where no TLS can be had.
    pub fn new(user_agent: &str) -> Result<Asker, String> {
        Asker::trusting(user_agent, &[])
    }

    /// The same, and trusts these roots besides.
    ///
    /// # Errors
    /// In words, where no TLS can be had, or a root is none.
    pub fn trusting(user_agent: &str, more: &[CertificateDer<'static>]) -> Result<Asker, String> {
        outbound::install_crypto_provider();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for root in more {
            roots.add(root.clone()).map_err(|error| format!("a root is none: {error}"))?;
        }
        let policy = Policy {
            user_agent: user_agent.to_owned(),
            body_bytes_max: PAGE_BYTES_MAX,
            // A probe's own time is what holds.
            connect_timeout: std::time::Duration::MAX,
            total_timeout: std::time::Duration::MAX,
        };
        let tls = secure::connector().map_err(|error| format!("no TLS can be had: {error}"))?;
        Ok(Asker(Arc::new(Inner { policy, trust: Trust::of(roots), tls })))
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.0.trust
    }

    pub(crate) fn tls(&self) -> &TlsConnector {
        &self.0.tls
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asker({})", self.0.policy.user_agent)
    }
}
