//! Certificates with each fault, served by rustls and by openssl, and in files.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probes::tls::{Check, Place};
use probes::{Answer, Asker, Measure, Probe, Question};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::rig::{Folder, PATIENCE, Server, ask, command, found, free_port, labels, run, wait_for};

const DAY: Duration = Duration::from_secs(86_400);

/// A root, and one between.
pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    between: CertifiedIssuer<'static, KeyPair>,
}

/// A server's own certificate and key, without what comes above.
pub(crate) struct Own {
    pub(crate) certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let params = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let root = CertifiedIssuer::self_signed(params("Test Root"), KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let between = CertifiedIssuer::signed_by(params("Test Between"), key, &root).unwrap();
        Authority { root, between }
    }

    /// One that begins and ends so many days from today.
    pub(crate) fn own(&self, name: &str, from_days: i32, until_days: i32) -> Own {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let at = |days: i32| {
            let now = SystemTime::now();
            if days < 0 { now - DAY * days.unsigned_abs() } else { now + DAY * days.unsigned_abs() }
        };
        (params.not_before, params.not_after) = (at(from_days).into(), at(until_days).into());
        let key = KeyPair::generate().unwrap();
        Own { certificate: params.signed_by(&key, &self.between).unwrap(), key }
    }

    pub(crate) fn chain(&self, own: &Own) -> Vec<CertificateDer<'static>> {
        vec![own.certificate.der().clone(), self.between.der().clone()]
    }

    pub(crate) fn asker(&self) -> Asker {
        Asker::trusting("healer/test", &[self.root.der().clone()]).unwrap()
    }
}

/// An acceptor that shows this chain.
pub(crate) fn acceptor(chain: Vec<CertificateDer<'static>>, own: &Own) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(own.key.serialize_der()).unwrap();
    outbound::install_crypto_provider();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(chain: Vec<CertificateDer<'static>>, own: &Own) -> SocketAddr {
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor(chain, own));
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(acceptor.accept(stream).await);
        }
    });
    address
}

fn question(at: Place, name: Option<&str>) -> Question {
    let (name, warn_before) = (name.map(str::to_owned), 21 * DAY);
    Question::Tls(Check { at, name, trusted: true, warn_before })
}

fn endpoint(address: SocketAddr) -> Place {
    Place::Endpoint(address.to_string().parse().unwrap())
}

async fn asked(authority: &Authority, question: Question) -> Answer {
    Probe { question, timeout: PATIENCE }.ask(&authority.asker()).await
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_named_where_it_is_served() {
    let authority = Authority::new();
    let table: &[(&str, Own, bool, &[&str])] = &[
        ("well", authority.own("127.0.0.1", -1, 90), true, &[]),
        ("near its end", authority.own("127.0.0.1", -1, 20), true, &["certificate_left_days"]),
        ("ended", authority.own("127.0.0.1", -9, -2), true, &["tls_expired"]),
        ("not begun", authority.own("127.0.0.1", 2, 90), true, &["tls_not_yet_valid"]),
        ("another name", authority.own("bank.example", -1, 90), true, &["tls_wrong_name"]),
        ("a broken chain", authority.own("127.0.0.1", -1, 90), false, &["tls_untrusted"]),
    ];
    for (case, own, whole, expect) in table {
        let mut chain = authority.chain(own);
        chain.truncate(if *whole { 2 } else { 1 });
        let address = serve(chain, own).await;
        let answer = asked(&authority, question(endpoint(address), None)).await;
        assert_eq!(&labels(&answer), expect, "{case}: {answer}");
        assert!(answer.figure(Measure::CertificateLeftDays).is_some(), "{case}: {answer}");
    }
    let own = authority.own("shop.example", -1, 90);
    let named = serve(authority.chain(&own), &own).await;
    assert!(asked(&authority, question(endpoint(named), Some("shop.example"))).await.is_good());
    // Whoever does not know the root trusts none of it.
    let stranger = ask(question(endpoint(named), Some("shop.example"))).await;
    assert_eq!(labels(&stranger), ["tls_untrusted"], "{stranger}");
}

#[tokio::test]
async fn a_file_is_judged_before_it_is_served() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let own = authority.own("shop.example", -1, 20);
    let text = own.certificate.pem() + &authority.between.pem();
    let place = |name: &str, text: &str| Place::File(folder.write(name, text));
    let near = asked(&authority, question(place("near.pem", &text), Some("shop.example"))).await;
    assert_eq!(labels(&near), ["certificate_left_days"], "{near}");
    assert!(near.to_string().contains("less than the limit of 21 days (shop.example)"), "{near}");
    let wrong = asked(&authority, question(place("near.pem", &text), Some("bank.example"))).await;
    assert_eq!(labels(&wrong), ["certificate_left_days", "tls_wrong_name"], "{wrong}");
    let alone = asked(&authority, question(place("alone.pem", &own.certificate.pem()), None)).await;
    assert_eq!(labels(&alone), ["certificate_left_days", "tls_untrusted"], "{alone}");
    for (name, text) in
        [("empty.pem", ""), ("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    {
        let answer = asked(&authority, question(place(name, text), None)).await;
        assert!(["unaskable", "tls_broken"].contains(&labels(&answer)[0]), "{answer}");
    }
    let missing = ask(question(Place::File(folder.at("none.pem")), None)).await;
    assert_eq!(labels(&missing), ["unaskable"], "{missing}");
}

#[tokio::test]
async fn somebody_elses_server_is_understood_too() {
    let Some(openssl) = found("openssl") else { return };
    let (folder, port) = (Folder::new(), free_port());
    let words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=self -days 3 -keyout key.pem -out cert.pem \
                 -addext subjectAltName=IP:127.0.0.1";
    run(command(&openssl, &folder).args(words.split_whitespace()));
    for version in ["-tls1_2", "-tls1_3"] {
        let accept = format!("127.0.0.1:{port}");
        let mut start = command(&openssl, &folder);
        start.args(["s_server", "-accept", &accept, "-key", "key.pem", "-cert", "cert.pem", "-quiet", version]);
        let _server = Server::start(&mut start, Signal::TERM);
        let at = || Place::Endpoint(accept.parse().unwrap());
        let served = wait_for("openssl serves", async || {
            Some(ask(question(at(), None)).await).filter(|answer| labels(answer) != ["refused"])
        })
        .await;
        assert_eq!(labels(&served), ["certificate_left_days", "tls_untrusted"], "{version}: {served}");
        assert!(served.to_string().contains("signed by itself"), "{served}");
    }
}

#[tokio::test]
async fn what_speaks_no_tls_is_said_not_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.try_write(b"220 mail.example ESMTP\r\n");
            let mut rest = [0; 1024];
            while !matches!(stream.readable().await.and_then(|()| stream.try_read(&mut rest)), Ok(0)) {}
        }
    });
    let answer = ask(question(endpoint(address), None)).await;
    assert_eq!(labels(&answer), ["tls_handshake"], "{answer}");
    assert!(answer.to_string().contains("does not speak TLS"), "{answer}");
}

#[tokio::test]
async fn who_hangs_up_during_the_handshake_is_said_to() {
    let address = crate::plain::server(|mut stream| async move { crate::plain::request(&mut stream).await }).await;
    let answer = ask(question(endpoint(address), None)).await;
    assert_eq!(labels(&answer), ["tls_handshake"], "{answer}");
    assert!(answer.to_string().ends_with("it closed the connection"), "{answer}");
}
