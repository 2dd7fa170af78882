//! TLS over a connection, in two steps: a handshake that takes any certificate, and a judgement of what was shown. So
//! that also one that is broken has its figures. Nothing is sent before the judgement.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::dial::{Deadline, Endpoint};
use crate::said;
use crate::trouble::{Distrust, Stage, Trouble};

/// What was shown in a handshake, the server's own certificate first.
pub(crate) type Chain = Vec<CertificateDer<'static>>;

/// A connector that takes any certificate: whoever uses it judges the chain.
pub(crate) fn connector() -> Result<TlsConnector, Error> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let shown = Arc::new(Shown(provider.signature_verification_algorithms));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.dangerous().with_custom_certificate_verifier(shown).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Speaks TLS with a host, whoever it is, and returns what it showed.
pub(crate) async fn handshake<S>(
    connector: &TlsConnector,
    stream: S,
    with: &Endpoint,
    name: ServerName<'static>,
    deadline: &Deadline,
) -> Result<(TlsStream<S>, Chain), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = deadline.answer(with, Stage::Handshake, connector.connect(name, stream)).await?;
    let stream = stream.map_err(|error| Trouble::Tls { with: with.to_string(), why: failed(&error) })?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    Ok((stream, chain))
}

/// The name by which a host is asked for in a handshake.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, Trouble> {
    let wrong = |_| Trouble::Unaskable { why: format!("`{}` is no name that a certificate could be for", said(host)) };
    ServerName::try_from(host.to_owned()).map_err(wrong)
}

fn failed(error: &io::Error) -> Distrust {
    let says = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(Error::AlertReceived(alert)) => format!("it refused the handshake ({alert:?})"),
        Some(error) => said(&error.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        None => said(&error.to_string()),
    };
    Distrust::Handshake(says)
}

/// Takes any certificate; that the other side holds its key is still proved.
#[derive(Debug)]
struct Shown(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
