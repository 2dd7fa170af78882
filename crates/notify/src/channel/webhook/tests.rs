//! The channel against real listeners on loopback, its signature against somebody else's HMAC.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use model::{ResourceId, Tick};
use model::action::{Asked, PlanKey};
use model::incident::IncidentId;
use model::message::{Asks, Message, MessageId};
use model::recovery::RecoveryId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

fn parcel(attempt: u32) -> Parcel {
    let message = Message {
        id: MessageId(7),
        about: About::Incident {
            incident: IncidentId { instance: Arc::from("web-1"), number: 41 },
            resource: ResourceId::docker("web-1", "shop", "web", 1),
        },
        kind: Kind::Healed,
        severity: Severity::Info,
        title: "shop/web — runs again".to_owned(),
        story: vec!["died: exit 1".to_owned(), "started".to_owned()],
        next: vec![],
        asks: None,
        at: Wall(1_795_442_482_045),
    };
    Parcel { channel: "hook".to_owned(), message, attempt }
}

fn config(url: String) -> Config {
    Config { url, secret_file: None }
}

fn at(address: SocketAddr) -> Config {
    config(format!("http://{address}/hook/T0PSECRET"))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Gives one answer to each connection, and resolves to what came: head and body.
fn serve(listener: TcpListener, answers: Vec<String>) -> tokio::task::JoinHandle<Vec<(String, String)>> {
    tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            requests.push(read(&mut stream).await);
            // A client that has read enough hangs up: that is not this server's trouble.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        requests
    })
}

async fn read(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the client hung up early");
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = header(head, "content-length").unwrap().parse().unwrap();
        if body.len() == length {
            return (head.to_owned(), body.to_owned());
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

/// HMAC-SHA256 by whoever else on this host can compute one; `None` where nobody can.
fn hmac_by_another(secret: &str, signed: &[u8]) -> Option<String> {
    let python = "import hashlib,hmac,sys; \
        print(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), hashlib.sha256).hexdigest())";
    let programs: [(&str, Vec<&str>); 2] =
        [("openssl", vec!["dgst", "-sha256", "-hmac", secret, "-r"]), ("python3", vec!["-c", python, secret])];
    programs.into_iter().find_map(|(program, arguments)| {
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        std::io::Write::write_all(&mut child.stdin.take()?, signed).ok()?;
        let output = child.wait_with_output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.split_whitespace().next().unwrap_or_default().to_owned())
    })
}

#[tokio::test]
async fn a_message_arrives_whole_signed_and_numbered() {
    let (listener, address) = listener().await;
    let served = serve(listener, vec![OK.to_owned()]);
    let dir = tempfile::tempdir().unwrap();
    let secret_file = dir.path().join("hook");
    std::fs::write(&secret_file, "s3cret\n").unwrap();
    let config = Config { secret_file: Some(secret_file), ..at(address) };
    let before = unix_seconds(SystemTime::now());
    let client = Client::open("hook", &config).unwrap();
    assert_eq!(client.deliver(&parcel(2), None).await, Delivery::Delivered);

    let (head, body) = served.await.unwrap().remove(0);
    assert!(head.starts_with("POST /hook/T0PSECRET HTTP/1.1"), "{head}");
    for (name, expect) in [
        ("content-type", "application/json"),
        ("user-agent", concat!("healer/", env!("CARGO_PKG_VERSION"))),
        ("healer-message-id", "web-1/7"),
        ("healer-attempt", "2"),
    ] {
        assert_eq!(header(&head, name), Some(expect), "{name}");
    }
    let expect = serde_json::json!({
        "version": 1, "id": "web-1/7", "incident": "web-1/41", "resource": "docker:web-1/shop/web",
        "kind": "healed", "severity": "info", "title": "shop/web — runs again",
        "story": ["died: exit 1", "started"], "next": [],
        "at": "2026-11-23T14:01:22.045Z", "at_ms": 1_795_442_482_045_i64, "instance": "web-1",
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), expect);

    let (t, v1) = header(&head, "healer-signature").unwrap().split_once(',').unwrap();
    let t = t.strip_prefix("t=").unwrap();
    let sent: u64 = t.parse().unwrap();
    assert!((before..=unix_seconds(SystemTime::now())).contains(&sent), "{t} is not the time of the try");
    if let Some(expect) = hmac_by_another("s3cret", format!("{t}.{body}").as_bytes()) {
        assert_eq!(v1, format!("v1={expect}"));
    }
}

#[test]
fn a_question_carries_its_link_and_nothing_else_does() {
    let question = Asked {
        incident: "web-1/41".parse().unwrap(),
        plan: PlanKey("start".to_owned()),
        binds: None,
        until: Tick(9),
    };
    let mut asking = parcel(1);
    asking.message.asks = Some(Box::new(Asks { question, expires: Wall(1_795_444_282_045) }));
    let url = "https://healer.example.org/approve/MQp3";
    let body = |parcel: &Parcel, answer| serde_json::to_value(Body::of(parcel, answer)).unwrap();
    assert_eq!(
        body(&asking, Some(url))["approve"],
        serde_json::json!({"url": url, "until": "2026-11-23T14:31:22.045Z", "until_ms": 1_795_444_282_045_i64})
    );
    for without in [body(&asking, None), body(&parcel(1), Some(url))] {
        assert!(without.get("approve").is_none() && !without.to_string().contains("https"), "{without}");
    }
}

#[test]
fn the_signature_is_what_openssl_computes() {
    // The figure is what `openssl dgst -sha256 -hmac Jefe` prints for `0.what do ya want for nothing?`.
    let signed = signature(&Secret::new("Jefe".to_owned()), 0, b"what do ya want for nothing?");
    assert_eq!(signed, "t=0,v1=37f471929915ccd2cbbe79feb84ffcff4f2bb25e15fc41c2506687331ae179cc");
}

#[test]
fn the_manuals_recipe_accepts_a_signature_and_refuses_a_changed_body() {
    let manual = include_str!("../webhook.md").lines().map(str::trim);
    let code: Vec<&str> = manual.skip_while(|line| *line != "```python").skip(1).take_while(|line| *line != "```").collect();
    assert!(!code.is_empty(), "the manual has no recipe");
    let now = unix_seconds(SystemTime::now());
    let run = |header: &str, body: &str| {
        let given = format!("secret, header, body = b's3cret', '{header}', b'{body}'\n{}", code.join("\n"));
        Command::new("python3").args(["-c", &given]).stderr(Stdio::null()).status().map(|status| status.success())
    };
    let fresh = signature(&Secret::new("s3cret".to_owned()), now, b"hello");
    // Where there is no Python the recipe cannot be tried.
    let Ok(accepted) = run(&fresh, "hello") else { return };
    assert!(accepted, "the recipe refuses a good signature");
    assert!(!run(&fresh, "hallo").unwrap(), "the recipe accepts a changed body");
    let old = signature(&Secret::new("s3cret".to_owned()), now - 301, b"hello");
    assert!(!run(&old, "hello").unwrap(), "the recipe accepts an old signature");
}

#[tokio::test]
async fn a_failed_try_is_tried_again_under_the_same_id() {
    let (listener, address) = listener().await;
    let busy = "HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbusy".to_owned();
    let served = serve(listener, vec![busy, OK.to_owned()]);
    let client = Client::open("hook", &at(address)).unwrap();
    assert_eq!(client.deliver(&parcel(1), None).await, Delivery::Retry(format!("http://{address} answered 500: busy")));
    assert_eq!(client.deliver(&parcel(2), None).await, Delivery::Delivered);
    let seen: Vec<_> = served
        .await
        .unwrap()
        .iter()
        .map(|(head, body)| {
            let value = |name| header(head, name).unwrap().to_owned();
            (value("healer-message-id"), value("healer-attempt"), body.clone())
        })
        .collect();
    assert_eq!((&seen[0].0, &seen[0].2), (&seen[1].0, &seen[1].2), "a repeated message differs from the first");
    assert_eq!((seen[0].1.as_str(), seen[1].1.as_str()), ("1", "2"));
}

#[tokio::test]
async fn an_answer_decides_between_a_later_try_and_none() {
    let table = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok(())),
        ("HTTP/1.1 429 Slow\r\nretry-after: 90\r\ncontent-length: 0\r\n\r\n", Err((true, "(it asks to wait 1 m 30 s)"))),
        ("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", Err((true, "answered 503"))),
        ("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", Err((false, "answered 404"))),
        ("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", Err((false, "answered 401"))),
        ("HTTP/1.1 302 No\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n", Err((false, "redirect"))),
    ];
    for (answer, expect) in table {
        let (listener, address) = listener().await;
        let _served = serve(listener, vec![answer.to_owned()]);
        let delivery = Client::open("hook", &at(address)).unwrap().deliver(&parcel(1), None).await;
        match (&delivery, expect) {
            (Delivery::Delivered, Ok(())) => {}
            (Delivery::Retry(why), Err((true, part))) | (Delivery::Rejected(why), Err((false, part))) => {
                assert!(why.contains(part) && !why.contains("T0PSECRET"), "{why}");
            }
            _ => panic!("{answer} became {delivery:?}"),
        }
    }
}

#[tokio::test]
async fn a_silent_server_and_a_closed_port_are_tried_again() {
    let (silent, address) = listener().await;
    let client = Client::open_with("hook", &at(address), Duration::from_millis(200)).unwrap();
    assert_eq!(client.deliver(&parcel(1), None).await, Delivery::Retry(format!("no answer from http://{address} in time")));
    drop(silent);
    let Delivery::Retry(why) = client.deliver(&parcel(2), None).await else { panic!("a closed port is no reason to give up") };
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn a_huge_answer_is_cut_in_what_is_told() {
    let (listener, address) = listener().await;
    let answer = format!("HTTP/1.1 400 No\r\ncontent-length: 9000000\r\n\r\n{}", "x".repeat(9_000_000));
    let _served = serve(listener, vec![answer]);
    let Delivery::Rejected(why) = Client::open("hook", &at(address)).unwrap().deliver(&parcel(1), None).await else {
        panic!("a 400 rejects")
    };
    assert!(why.len() < 300 && why.contains("answered 400: xxx"), "{why}");
}

#[tokio::test]
async fn without_a_secret_a_message_is_not_signed() {
    let (listener, address) = listener().await;
    let served = serve(listener, vec![OK.to_owned()]);
    let client = Client::open("hook", &at(address)).unwrap();
    assert_eq!(client.deliver(&parcel(1), None).await, Delivery::Delivered);
    let (head, _) = served.await.unwrap().remove(0);
    assert_eq!(header(&head, "healer-signature"), None, "{head}");
}

#[test]
fn wrong_settings_are_named_with_their_remedy_and_without_their_secret() {
    let good = config("https://h/T0PSECRET".to_owned());
    let table = [
        (config("ftp://h/T0PSECRET".to_owned()), "channel hook: url: a URL of scheme `ftp`"),
        (config("T0PSECRET".to_owned()), "channel hook: url: not a URL"),
        (
            Config { secret_file: Some("/nonexistent/T0".into()), ..good.clone() },
            "channel hook: secret_file /nonexistent/T0: there is no such file",
        ),
    ];
    for (config, expect) in table {
        let error = Client::open("hook", &config).unwrap_err().to_string();
        assert!(error.starts_with(expect) && !error.contains("T0PSECRET"), "{error}");
    }
    Client::open("hook", &good).unwrap();
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let secret_file = dir.path().join("hook");
    std::fs::write(&secret_file, "T0PSECRET").unwrap();
    let url = "https://bob:T0PSECRET@h/T0PSECRET?x=T0PSECRET".to_owned();
    let config = Config { secret_file: Some(secret_file), ..config(url) };
    let client = Client::open("hook", &config).unwrap();
    for shown in [format!("{config:?}"), format!("{client:?}")] {
        assert!(shown.contains("https://h") && !shown.contains("T0PSECRET"), "{shown}");
    }
}

#[test]
fn an_instance_of_any_name_makes_a_header() {
    let mut parcel = parcel(1);
    let recovery = RecoveryId { instance: Arc::from("wéb 1\r\nx: y%"), number: 1 };
    parcel.message.about = About::Recovery { recovery, host: "h".to_owned() };
    assert_eq!(visible(&id(&parcel)), "w%C3%A9b%201%0D%0Ax:%20y%25/7");
}
