//! Pages that are slow, endless, elsewhere, or not to be trusted; and connections that fail at each step.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use probes::http::Check;
use probes::{Answer, Measure, Probe, Question, Trouble, Unexpected};
use rustix::net::{AddressFamily, SocketType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::plain::{answers, request, server};
use crate::rig::{ask_within, free_port, labels};
use crate::tls::{Authority, acceptor};

const SHORT: Duration = Duration::from_millis(500);

fn check(address: SocketAddr) -> Check {
    let url: outbound::Address = format!("http://{address}/health?token=s3cr3t").parse().unwrap();
    Check::from(url)
}

async fn ask(check: Check) -> Answer {
    ask_within(Question::Http(check), SHORT).await
}

#[tokio::test]
async fn a_page_is_judged_by_status_text_and_time() {
    let page = answers("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall green").await;
    let good = ask(Check { contains: Some("green".to_owned()), ..check(page) }).await;
    assert!(good.is_good(), "{good}");
    let text = ask(Check { contains: Some("blue".to_owned()), ..check(page) }).await;
    assert_eq!(text.to_string(), format!("http://{page} answered without `blue` in its 9 bytes"));
    let status = ask(Check { statuses: vec![204, 301], ..check(page) }).await;
    assert_eq!(status.to_string(), format!("http://{page} answered 200, not 204 or 301: all green"));
    let late = ask(Check { latency: Some(Duration::from_nanos(1)), ..check(page) }).await;
    assert_eq!(labels(&late), ["latency_ms"], "{late}");
    let expected = answers("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await;
    assert!(ask(Check { statuses: vec![503], ..check(expected) }).await.is_good());
    assert_eq!(labels(&ask(check(expected)).await), ["wrong_status"]);
}

#[tokio::test]
async fn what_answers_slowly_for_ever_is_slow_and_what_answers_endlessly_is_cut() {
    let drips = server(|mut stream| async move {
        request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        let mut drops = tokio::time::interval(Duration::from_millis(20));
        loop {
            drops.tick().await;
            stream.write_all(b".").await?;
        }
    })
    .await;
    let slow = ask(check(drips)).await;
    let is_slow = matches!(&slow.troubles[..], [Trouble::Slow { .. }]);
    assert!(is_slow && slow.took < SHORT * 4, "{slow:?}");

    let endless = server(|mut stream| async move {
        request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        loop {
            stream.write_all(&[b'x'; 16 * 1024]).await?;
        }
    })
    .await;
    let cut = ask(check(endless)).await;
    assert!(cut.is_good(), "what is longer than is read is not waited for: {cut}");
    let without = ask(Check { contains: Some("green".to_owned()), ..check(endless) }).await;
    assert_eq!(without.to_string(), format!("http://{endless} answered without `green` in its first 65536 bytes"));

    let heads = server(|mut stream| async move {
        request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
        loop {
            stream.write_all(b"x-more: and more\r\n").await?;
        }
    })
    .await;
    assert_eq!(labels(&ask(check(heads)).await), ["broke"]);
}

#[tokio::test]
async fn a_redirect_within_the_host_is_an_answer_and_one_elsewhere_is_refused() {
    let to =
        |location: &str| answers(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"));
    assert!(ask(check(to("/login").await)).await.is_good());
    assert!(ask(check(to("https://127.0.0.1/").await)).await.is_good());
    let elsewhere = to("http://203.0.113.1/login?session=s3cr3t").await;
    let refused = ask(check(elsewhere)).await;
    let [Trouble::Wrong { what: Unexpected::Redirect { to: leads }, .. }] = &refused.troubles[..] else {
        panic!("{refused}")
    };
    assert_eq!(leads, "http://203.0.113.1");
    assert!(ask(Check { statuses: vec![302], ..check(elsewhere) }).await.is_good());
    assert!(!format!("{refused:?}{:?}", check(elsewhere)).contains("s3cr3t"));
}

#[tokio::test]
async fn nothing_is_sent_to_a_certificate_that_is_not_trusted() {
    let authority = Authority::new();
    let heard = Arc::new(AtomicUsize::new(0));
    let serve = async |own: crate::tls::Own, whole: bool| {
        let mut chain = authority.chain(&own);
        chain.truncate(if whole { 2 } else { 1 });
        let (acceptor, heard) = (acceptor(chain, &own), heard.clone());
        server(move |stream| {
            let (acceptor, heard) = (acceptor.clone(), heard.clone());
            async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut some = [0; 1024];
                heard.fetch_add(stream.read(&mut some).await?, Ordering::SeqCst);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
                stream.shutdown().await
            }
        })
        .await
    };
    let https = async |address: SocketAddr| {
        let url: outbound::Address = format!("https://{address}/").parse().unwrap();
        let check = Check { warn_before: Duration::from_secs(21 * 86_400), ..Check::from(url) };
        Probe { question: Question::Http(check), timeout: Duration::from_secs(5) }.ask(&authority.asker()).await
    };
    let well = https(serve(authority.own("127.0.0.1", -1, 90), true).await).await;
    assert!(well.is_good() && well.figure(Measure::CertificateLeftDays) > Some(89.0), "{well}");
    let near = https(serve(authority.own("127.0.0.1", -1, 20), true).await).await;
    assert_eq!(labels(&near), ["certificate_left_days"], "{near}");
    let heard_before = heard.swap(0, Ordering::SeqCst);
    assert!(heard_before > 0, "those that are trusted are asked");
    let table: [(crate::tls::Own, bool, &str); 3] = [
        (authority.own("bank.example", -1, 90), true, "tls_wrong_name"),
        (authority.own("127.0.0.1", -9, -2), true, "tls_expired"),
        (authority.own("127.0.0.1", -1, 90), false, "tls_untrusted"),
    ];
    for (own, whole, label) in table {
        let answer = https(serve(own, whole).await).await;
        assert_eq!(labels(&answer), [label], "{answer}");
        assert_eq!(heard.load(Ordering::SeqCst), 0, "{label}");
    }
}

#[tokio::test]
async fn each_step_of_a_connection_fails_in_its_own_way() {
    let http = |url: &str| Question::Http(Check::from(url.parse::<outbound::Address>().unwrap()));
    let closed = ask_within(http(&format!("http://127.0.0.1:{}/", free_port())), SHORT).await;
    assert_eq!(labels(&closed), ["refused"], "{closed}");
    let unknown = ask_within(http("http://no-such-name.invalid/"), Duration::from_secs(20)).await;
    assert_eq!(labels(&unknown), ["unresolved"], "{unknown}");
    let silent = server(|mut stream| async move { request(&mut stream).await.and(std::future::pending().await) }).await;
    let slow = ask_within(http(&format!("http://{silent}/")), SHORT).await;
    assert_eq!(labels(&slow), ["slow"], "{slow}");
    // It takes the connection, and does not speak TLS in time.
    let handshake = ask_within(http(&format!("https://{silent}/")), SHORT).await;
    assert!(handshake.to_string().contains("the handshake of TLS did not come within 500 ms"), "{handshake}");
    let closes = server(|mut stream| async move { request(&mut stream).await }).await;
    let broke = ask_within(http(&format!("http://{closes}/")), SHORT).await;
    assert_eq!(labels(&broke), ["broke"], "{broke}");
    // What is meant for documents has no route in a test machine without a default one; where it has, nothing answers.
    let nowhere = ask_within(Question::Tcp("[100::1]:80".to_owned()), SHORT).await;
    assert!(["no_route", "filtered"].contains(&labels(&nowhere)[0]), "{nowhere}");
}

#[tokio::test]
async fn what_takes_no_connection_is_filtered_and_not_slow() {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let address: SocketAddr = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    // Its queue has room for one: from then on the kernel drops whoever knocks.
    let mut taken = Vec::new();
    loop {
        let connected = tokio::time::timeout(SHORT, tokio::net::TcpStream::connect(address)).await;
        let Ok(connected) = connected else { break };
        taken.push(connected.unwrap());
        assert!(taken.len() < 8, "the queue does not fill");
    }
    for question in [Question::Tcp(address.to_string()), Question::Http(check(address))] {
        let answer = ask_within(question, SHORT).await;
        assert_eq!(labels(&answer), ["filtered"], "{answer}");
    }
}

#[tokio::test]
async fn a_quota_is_read_from_headers_and_from_githubs_json() {
    let api = async |answer: String| {
        let url = format!("http://{}/rate_limit", answers(answer).await).parse().unwrap();
        let check =
            probes::api::Check { url, token: Some(probes::api::Token::new("s3cr3t")), quota_below_percent: Some(10) };
        ask_within(Question::Api(check), SHORT).await
    };
    let headers = "x-ratelimit-limit: 60\r\nx-ratelimit-remaining: 3\r\ncontent-length: 0";
    let spent = api(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n")).await;
    assert_eq!(labels(&spent), ["quota_left_percent"], "{spent}");
    let json = r#"{"resources":{"core":{"limit":5000,"remaining":4000,"reset":0}}}"#;
    let well = api(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{json}", json.len())).await;
    assert_eq!(well.figure(Measure::QuotaLeftPercent), Some(80.0), "{well}");
    assert!(well.is_good(), "{well}");
    let echo = api("HTTP/1.1 500 No\r\ncontent-length: 22\r\n\r\nyou sent Bearer s3cr3t".to_owned()).await;
    assert!(!format!("{echo} {echo:?}").contains("s3cr3t"), "{echo}");
}
