//! A chain of certificates, judged at a given time: until when it holds, and everything that is wrong with it.
//!
//! rustls stops at the first fault, and says nothing of the time that is left; a person wants to know both that the name
//! is wrong and that it ends tomorrow. Whether a chain holds is webpki's word all the same.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Name};

use crate::said;
use crate::trouble::Distrust;

const DAY_S: f64 = 86_400.0;
/// As many names of a certificate as are told.
const NAMES_MAX: usize = 5;
/// As many certificates of a chain as are looked at.
const CHAIN_MAX: usize = 16;

/// Whom a certificate has to come from.
#[derive(Clone)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What a chain is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand<'a> {
    /// Whom it has to be for; `None`: for whomever.
    pub(crate) name: Option<&'a ServerName<'a>>,
    /// Whether it has to lead to a trusted root.
    pub(crate) trusted: bool,
    /// The time at which.
    pub(crate) now: SystemTime,
}

/// What is to be said of a chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    /// Until the first of its certificates ends that it needs; negative where that is past.
    pub(crate) left_days: f64,
    /// Whose that is.
    pub(crate) ends_first: String,
    /// What is wrong.
    pub(crate) wrong: Vec<Distrust>,
}

/// One certificate, as far as it is told of.
struct Card {
    subject: String,
    issuer: String,
    names: Vec<String>,
    self_signed: bool,
    from_s: i64,
    until_s: i64,
}

impl Trust {
    pub(crate) fn of(roots: RootCertStore) -> Trust {
        let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
        Trust { roots: Arc::new(roots), algorithms: provider.signature_verification_algorithms }
    }

    /// # Errors
    /// Where there is no certificate that can be read.
    pub(crate) fn judge(&self, chain: &[CertificateDer<'_>], demand: Demand<'_>) -> Result<Judgement, Distrust> {
        let chain = &chain[..chain.len().min(CHAIN_MAX)];
        let cards = chain.iter().map(card).collect::<Result<Vec<_>, _>>()?;
        let (Some(own), Some((first, others))) = (cards.first(), chain.split_first()) else {
            return Err(Distrust::Broken("it shows no certificate".to_owned()));
        };
        let parsed = ParsedCertificate::try_from(first).map_err(|error| Distrust::Broken(said(&error.to_string())))?;
        let holds = |at_s: i64| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(at_s.try_into().unwrap_or(0)));
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, others, at, self.algorithms.all)
        };
        let now_s = demand.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let mut wrong: Vec<Distrust> = out_of_time(own, now_s).into_iter().collect();
        if demand.trusted && wrong.is_empty() {
            wrong.extend(holds(now_s).err().map(|error| untrusted(&error, &cards, now_s)));
        }
        if let Some(name) = demand.name.filter(|name| verify_server_name(&parsed, name).is_err()) {
            wrong.push(Distrust::WrongName { expected: name.to_str().into_owned(), names: own.names.clone() });
        }
        // What comes between counts only where the chain does not hold without it: old cross-signatures may end.
        let needed = |card: &&Card| wrong.is_empty() && card.until_s < own.until_s && holds(card.until_s + 1).is_err();
        let between = cards.iter().skip(1).filter(needed).min_by_key(|card| card.until_s);
        let ends_first = between.unwrap_or(own);
        Ok(Judgement { left_days: days(ends_first.until_s - now_s), ends_first: ends_first.subject.clone(), wrong })
    }
}

fn card(certificate: &CertificateDer<'_>) -> Result<Card, Distrust> {
    let (_, read) = X509Certificate::from_der(certificate)
        .map_err(|error| Distrust::Broken(format!("a certificate cannot be read ({})", said(&error.to_string()))))?;
    let names = names(&read);
    let subject = names.first().cloned().unwrap_or_else(|| spelled(read.subject()));
    Ok(Card {
        subject,
        issuer: spelled(read.issuer()),
        names,
        self_signed: read.subject().as_raw() == read.issuer().as_raw(),
        from_s: read.validity().not_before.timestamp(),
        until_s: read.validity().not_after.timestamp(),
    })
}

/// The names that count: those of the extension. The common name has not counted for years.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let address = |bytes: &[u8]| {
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
    };
    let spelled = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name {
            return Some(said(name));
        }
        let GeneralName::IPAddress(bytes) = name else { return None };
        address(bytes).map(|address| address.to_string())
    };
    extension.value.general_names.iter().filter_map(spelled).take(NAMES_MAX).collect()
}

/// The common name, else the whole.
fn spelled(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|part| part.as_str().ok());
    common.map_or_else(|| said(&name.to_string()), said)
}

fn out_of_time(card: &Card, now_s: i64) -> Option<Distrust> {
    if card.until_s < now_s {
        let ago_days = days(now_s - card.until_s);
        return Some(Distrust::Expired { subject: card.subject.clone(), ago_days });
    }
    (card.from_s > now_s).then(|| Distrust::NotYetValid { subject: card.subject.clone() })
}

fn untrusted(error: &Error, cards: &[Card], now_s: i64) -> Distrust {
    let Error::InvalidCertificate(why) = error else { return Distrust::Broken(said(&error.to_string())) };
    let expired = matches!(why, CertificateError::Expired | CertificateError::ExpiredContext { .. });
    let early = matches!(why, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. });
    if let Some(between) = cards.iter().find_map(|card| out_of_time(card, now_s)).filter(|_| expired || early) {
        return between;
    }
    match (why, cards.last()) {
        (CertificateError::UnknownIssuer, Some(last)) => {
            let (issuer, self_signed) = (last.issuer.clone(), last.self_signed);
            Distrust::Untrusted { issuer, self_signed, shown: cards.len() }
        }
        // A certificate that signed itself and may sign others.
        (CertificateError::Other(_), Some(last)) if last.self_signed => {
            Distrust::Untrusted { issuer: last.issuer.clone(), self_signed: true, shown: cards.len() }
        }
        _ => Distrust::Broken(said(&error.to_string())),
    }
}

fn days(seconds: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no certificate lasts for 2⁵³ seconds")]
    let days = seconds as f64 / DAY_S;
    days
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn params(name: &str, until: (i32, u8, u8)) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params
    }

    fn authority(name: &str, until: (i32, u8, u8), by: Option<&Authority>) -> Authority {
        let mut params = params(name, until);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.subject_alt_names.clear();
        let key = KeyPair::generate().unwrap();
        match by {
            Some(by) => CertifiedIssuer::signed_by(params, key, by).unwrap(),
            None => CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    fn leaf(until: (i32, u8, u8), by: &Authority) -> CertificateDer<'static> {
        params("shop.example", until).signed_by(&KeyPair::generate().unwrap(), by).unwrap().der().clone()
    }

    /// Judged on the first of January 2026.
    fn judged(root: &Authority, chain: &[CertificateDer<'_>], name: &str) -> Judgement {
        outbound::install_crypto_provider();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let name = ServerName::try_from(name).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        Trust::of(roots).judge(chain, Demand { name: Some(&name), trusted: true, now }).unwrap()
    }

    /// Its name, what is shown, who was asked, what is wrong, and how many days are left.
    type Case<'a> = (&'a str, Vec<CertificateDer<'a>>, &'a str, &'a [&'a str], f64);

    #[test]
    fn a_chain_is_judged_in_all_its_parts() {
        let root = authority("Root", (2040, 1, 1), None);
        let between = authority("Between", (2026, 1, 11), Some(&root));
        let gone = authority("Gone", (2025, 12, 22), Some(&root));
        let stranger = authority("Stranger", (2040, 1, 1), None);
        let far = (2027, 1, 1);
        let own = || leaf(far, &root);
        let signed = |by: &Authority| vec![leaf(far, by), by.der().clone()];
        let table: &[Case<'_>] = &[
            ("all is well", vec![own()], "shop.example", &[], 365.0),
            ("what comes between ends first", signed(&between), "shop.example", &[], 10.0),
            (
                "the certificate between is missing",
                vec![leaf(far, &between)],
                "shop.example",
                &["tls_untrusted"],
                365.0,
            ),
            ("for another name", vec![own()], "bank.example", &["tls_wrong_name"], 365.0),
            ("ended", vec![leaf((2025, 12, 29), &root)], "shop.example", &["tls_expired"], -3.0),
            ("the certificate between has ended", signed(&gone), "shop.example", &["tls_expired"], 365.0),
            ("by a stranger", signed(&stranger), "shop.example", &["tls_untrusted"], 365.0),
            (
                "ended, and for another name",
                vec![leaf((2025, 12, 29), &root)],
                "bank.example",
                &["tls_expired", "tls_wrong_name"],
                -3.0,
            ),
        ];
        for (case, chain, name, labels, left_days) in table {
            let judgement = judged(&root, chain, name);
            let found: Vec<_> = judgement.wrong.iter().map(Distrust::label).collect();
            assert_eq!((found.as_slice(), judgement.left_days), (*labels, *left_days), "{case}");
        }
    }

    #[test]
    fn what_has_to_be_mended_is_named() {
        let root = authority("Root", (2040, 1, 1), None);
        let (between, stranger) =
            (authority("Between", (2030, 1, 1), Some(&root)), authority("Stranger", (2040, 1, 1), None));
        let one = |chain: &[CertificateDer<'_>], name: &str| judged(&root, chain, name).wrong[0].to_string();
        let missing = one(&[leaf((2027, 1, 1), &between)], "shop.example");
        assert!(missing.contains("Between signed it") && missing.contains("is not shown"), "{missing}");
        let stranger = one(&[leaf((2027, 1, 1), &stranger), stranger.der().clone()], "shop.example");
        assert!(stranger.contains("Stranger is signed by itself"), "{stranger}");
        let name = one(&[leaf((2027, 1, 1), &root)], "bank.example");
        assert_eq!(name, "the certificate is for shop.example, not for bank.example");
    }

    #[test]
    fn an_old_cross_signature_that_nobody_needs_does_not_count() {
        let root = authority("Root", (2040, 1, 1), None);
        let old = authority("Old", (2026, 1, 11), Some(&root));
        let chain = [leaf((2027, 1, 1), &root), old.der().clone()];
        assert_eq!(judged(&root, &chain, "shop.example").left_days, 365.0);
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        outbound::install_crypto_provider();
        let demand = Demand { name: None, trusted: false, now: UNIX_EPOCH };
        let trust = Trust::of(RootCertStore::empty());
        for chain in [vec![], vec![CertificateDer::from(vec![0x30, 3, 1, 1, 1])]] {
            assert_eq!(trust.judge(&chain, demand).unwrap_err().label(), "tls_broken");
        }
    }
}
