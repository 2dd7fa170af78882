//! One cryptography for the whole process, and whom it trusts.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// Makes ring the process's cryptography, for every library that asks rustls for a default. Done once; later calls find
/// it done.
pub fn install_crypto_provider() {
    // An error means that one is installed already: by an earlier call, since nothing else installs any.
    let _ = ring::default_provider().install_default();
}

/// TLS with the host's own roots. A host without any (a bare container) can still call `http`; its `https` fails with an
/// untrusted certificate, where the remedy is told.
pub(crate) fn config() -> Result<ClientConfig, Error> {
    install_crypto_provider();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::setup(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
