//! The client against real listeners on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn policy() -> Policy {
    Policy {
        user_agent: "healer/test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(20),
        body_bytes_max: 1_000,
    }
}

fn at(address: SocketAddr) -> Address {
    format!("http://{address}/hook/SECRET?token=SECRET").parse().unwrap()
}

/// Answers one request with `answer` and then holds the connection; resolves to what it was sent.
async fn server(answer: impl Into<Vec<u8>>) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.into();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = request(&mut stream).await;
        // A client that has read enough hangs up: that is not this server's trouble.
        let _ = stream.write_all(&answer).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        request + &String::from_utf8_lossy(&rest)
    });
    (address, served)
}

/// Reads a request whose body is `{}`.
async fn request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n{}") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the client hung up early");
    }
    String::from_utf8(request).unwrap()
}

async fn post(policy: &Policy, to: &Address) -> Result<Response, Error> {
    let token = (HeaderName::from_static("x-token"), HeaderValue::from_static("hunter2-hunter2"));
    Client::new(policy).unwrap().post_json(to, &[token], b"{}".to_vec()).await
}

#[tokio::test]
async fn a_post_arrives_whole_and_its_answer_comes_back() {
    let (address, served) = server("HTTP/1.1 201 Created\r\ncontent-length: 2\r\nretry-after: 7\r\n\r\nok").await;
    let response = post(&policy(), &at(address)).await.unwrap();
    let expect =
        Response { status: 201, body: b"ok".to_vec(), complete: true, retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(response, expect);
    let request = served.await.unwrap().to_lowercase();
    for line in [
        "post /hook/secret?token=secret http/1.1",
        "content-type: application/json",
        "user-agent: healer/test",
        "x-token: ",
    ] {
        assert!(request.contains(line), "{line} is missing in {request}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_no_further() {
    // Announced and sent far beyond the limit; an endless body would be cut at the same place.
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n".to_vec();
    answer.resize(answer.len() + 5_000_000, b'x');
    let (address, _served) = server(answer).await;
    let response = post(&policy(), &at(address)).await.unwrap();
    assert_eq!((response.status, response.body.len(), response.complete), (200, 1_000, false));
}

#[tokio::test]
async fn a_success_counts_although_its_body_never_ends() {
    let (address, _served) = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab").await;
    let impatient = Policy { total_timeout: Duration::from_millis(300), ..policy() };
    let response = post(&impatient, &at(address)).await.unwrap();
    assert_eq!((response.body.as_slice(), response.complete), (b"ab".as_slice(), false));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let bystander = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = bystander.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
        let (address, _served) = server(answer).await;
        let error = post(&policy(), &at(address)).await.unwrap_err();
        assert!(!error.retryable() && error.to_string().contains("redirect"), "{error}");
    }
    let visit = tokio::time::timeout(Duration::from_millis(50), bystander.accept()).await;
    assert!(visit.is_err(), "the redirect was followed");
}

#[tokio::test]
async fn a_silent_server_and_a_closed_port_are_worth_another_try() {
    let (silent, _served) = server("").await;
    let impatient = Policy { total_timeout: Duration::from_millis(200), ..policy() };
    let error = post(&impatient, &at(silent)).await.unwrap_err();
    assert_eq!((error.retryable(), error.to_string()), (true, format!("no answer from http://{silent} in time")));

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = post(&policy(), &at(closed)).await.unwrap_err();
    let text = error.to_string();
    assert!(error.retryable() && text.contains("refused") && text.contains(&closed.to_string()), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_worth_another_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
    });
    let error = post(&policy(), &at(address)).await.unwrap_err();
    assert!(error.retryable() && !error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_ends_it() {
    install_crypto_provider();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../fixtures/untrusted.cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../fixtures/untrusted.key.pem")).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handshake = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.map(drop)
    });
    let to = format!("https://localhost:{}/SECRET", address.port()).parse().unwrap();
    let error = post(&policy(), &to).await.unwrap_err();
    let text = error.to_string();
    assert!(!error.retryable() && text.contains("not trusted") && !text.contains("SECRET"), "{error:?}");
    assert!(handshake.await.unwrap().is_err(), "the client went on with a certificate that it does not trust");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_worth_another_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let to = format!("https://{address}/").parse().unwrap();
    assert!(post(&policy(), &to).await.unwrap_err().retryable());
}

#[test]
fn a_user_agent_that_is_no_header_is_refused() {
    let error = Client::new(&Policy { user_agent: "a\nb".to_owned(), ..policy() }).unwrap_err();
    assert!(!error.retryable());
}
