//! Requests that nobody should send.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn only_healers_own_names_are_answered() {
    let served = Served::start(Fixed::new()).await;
    let port = served.tcp.port();
    for (request, expect) in [
        (format!("GET /healthz HTTP/1.1\r\nhost: localhost:{port}"), 200),
        ("GET /healthz HTTP/1.1\r\nhost: [::1]:80".to_owned(), 200),
        ("GET /healthz HTTP/1.1\r\nhost: evil.example".to_owned(), 421),
        (format!("GET /healthz HTTP/1.1\r\nhost: evil.example:{port}"), 421),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil.example".to_owned(), 400),
        ("GET http://evil.example/healthz HTTP/1.1\r\nhost: localhost".to_owned(), 421),
        ("GET /healthz HTTP/1.1".to_owned(), 400),
        ("GET /healthz HTTP/1.0".to_owned(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost".to_owned(), 200),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example".to_owned(), 403),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\norigin: null".to_owned(), 403),
    ] {
        let answer = served.tcp(format!("{request}\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(answer.status, expect, "{request}: {answer:?}");
        if expect != 200 {
            assert!(!answer.error().is_empty());
        }
    }
}

#[tokio::test]
async fn nothing_is_changed_over_tcp() {
    let served = Served::start(Fixed::new()).await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/api/v1/commands", "/api/v1/status", "/nowhere"] {
            let body = r#"{"ask": {"stop": "shop"}}"#;
            let length = body.len();
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            let answer = served.tcp(request).await;
            let says = answer.error();
            match (method, path) {
                ("POST", "/api/v1/commands") => {
                    assert!(answer.status == 403 && says.contains("healer.sock"), "{answer:?}");
                }
                (_, "/nowhere") => assert!(answer.status == 404, "{method} {path}: {answer:?}"),
                (_, path) => {
                    assert!(answer.status == 405 && says.contains("does not take"), "{method} {path}: {answer:?}");
                    let allow = if path == "/api/v1/commands" { "POST" } else { "GET,HEAD" };
                    assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
                }
            }
        }
    }
    assert!(served.fixed.commands.lock().unwrap().is_empty());
    let head = served.tcp("HEAD /api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_told_with_a_remedy() {
    let served = Served::start(Fixed::new()).await;
    let answer = served.get("/api/v1/statu").await;
    let expect = "there is no /api/v1/statu: did you mean /api/v1/status?";
    assert_eq!((answer.status, answer.error().as_str()), (404, expect));
    assert!(served.get("/%1b%5b31m").await.error().contains("/openapi.json lists all routes"));
    let request = "DELETE /api/v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = served.unix(request).await;
    assert!(answer.status == 405 && answer.error().contains("/api/v1/status does not take DELETE"), "{answer:?}");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn every_answer_forbids_pages_to_use_or_keep_it() {
    let served = Served::start(Fixed::new()).await;
    let evil = "GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    for answer in [served.get("/api/v1/status").await, served.get("/nowhere").await, served.tcp(evil).await] {
        for (name, expect) in [
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(expect), "{name} of {answer:?}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn floods_of_headers_are_refused_and_the_next_client_is_served() {
    let served = Served::start(Fixed::new()).await;
    let many = "x: y\r\n".repeat(1_000);
    let long = format!("x: {}\r\n", "y".repeat(1_000_000));
    for headers in [many, long] {
        let answer = served.tcp(format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")).await;
        // Cut off in the middle, the client may see the reset before the answer.
        assert!(matches!(answer.status, 431 | 0), "{answer:?}");
    }
    let answer = served.tcp(format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "y".repeat(1_000_000))).await;
    assert!(matches!(answer.status, 414 | 431 | 0), "{answer:?}");
    assert_eq!(served.tcp("\x16\x03\x01\x02\x00garbage\r\n\r\n").await.status, 400);
    assert_eq!(served.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn huge_bodies_are_refused_before_they_are_read() {
    let served = Served::start(Fixed::new()).await;
    let head = "POST /api/v1/commands HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    // Announced, and never sent: whoever waited for it would wait for ever.
    let announced = format!("{head}content-length: 50000000\r\n\r\n");
    let answer = served.unix(&announced).await;
    assert!(answer.status == 413 && answer.error().contains("at most 65536 bytes"), "{answer:?}");
    assert_eq!(served.tcp(&announced).await.status, 403);
    // Sent in chunks, with no end announced.
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..50 {
        chunked.extend(format!("{:x}\r\n", 1_000_000).bytes());
        chunked.resize(chunked.len() + 1_000_000, b' ');
        chunked.extend(b"\r\n");
    }
    let answer = served.unix(&chunked).await;
    assert!(matches!(answer.status, 413 | 0), "{answer:?}");
    assert!(served.fixed.commands.lock().unwrap().is_empty());
    assert_eq!(served.get("/healthz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_its_headers_is_cut_off() {
    let served = Served::start(Fixed::new()).await;
    let begun = tokio::time::Instant::now();
    // The clock of this test runs on by itself while everybody waits.
    let answer = served.tcp("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ").await;
    let waited = begun.elapsed();
    assert!(answer.status != 200 && waited >= Duration::from_secs(2) && waited < Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_nothing_more_is_cut_off() {
    let served = Served::start(Fixed::new()).await;
    let begun = tokio::time::Instant::now();
    let answer = served.tcp("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(60), "an idle connection is kept for {:?}", begun.elapsed());
}

#[tokio::test]
async fn as_many_slow_clients_as_there_are_places_do_not_keep_the_socket_from_answering() {
    let served = Served::start(Fixed::new()).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(served.tcp).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        slow.push(stream);
    }
    let answer = served.unix("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer.status, 200);
}
