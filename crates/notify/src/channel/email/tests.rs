//! The channel as its owner sets it and as a mail server meets it: a scripted one for what goes wrong on the wire, and a
//! real one in [`exim`].

mod exim;

use std::net::SocketAddr;
use std::sync::Arc;

use model::ResourceId;
use model::incident::IncidentId;
use model::message::{About, Kind, Message, MessageId, Severity};
use model::recovery::RecoveryId;
use model::time::Wall;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

fn message(number: u64, title: &str) -> Message {
    Message {
        id: MessageId(number),
        about: About::Incident {
            incident: IncidentId { instance: Arc::from("web-1"), number: 41 },
            resource: ResourceId::docker("web-1", "shop", "web", 1),
        },
        kind: Kind::Healed,
        severity: Severity::Info,
        title: title.to_owned(),
        story: vec!["died: exit 137".to_owned(), "started; läuft wieder".to_owned()],
        next: vec!["healer why web-1/41".to_owned(), "to keep it down: healer stop shop/web".to_owned()],
        asks: None,
        at: Wall(1_795_442_482_045),
    }
}

fn parcel(message: &Message, attempt: u32) -> Parcel {
    Parcel { channel: "ops".to_owned(), message: message.clone(), attempt }
}

fn config(server: &str, to: &[&str]) -> Config {
    Config {
        server: server.to_owned(),
        password_file: None,
        from: "Healer <healer@example.org>".to_owned(),
        to: to.iter().map(|&to| to.to_owned()).collect(),
    }
}

/// A server that answers each command that begins with a word by its line, and others by `250 ok`; an empty line is no
/// answer. Resolves to what it was told.
async fn scripted(script: &'static [(&'static str, &'static str)]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let answer = |to: &str| script.iter().find(|(word, _)| to.starts_with(word)).map_or("250 ok", |(_, answer)| answer);
        let (mut told, mut in_mail) = (Vec::new(), false);
        let mut line = "GREETING".to_owned();
        loop {
            let said = if in_mail { "" } else { answer(line.trim_end()) };
            if !said.is_empty() {
                stream.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
            }
            in_mail |= said.starts_with("354");
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                return told;
            }
            if in_mail && line == ".\r\n" {
                in_mail = false;
                line = "MAIL IS OVER".to_owned();
            }
            told.push(line.trim_end().to_owned());
        }
    });
    (address, served)
}

const GREETING: (&str, &str) = ("GREETING", "220 hello");
const HELLO: (&str, &str) = ("EHLO", "250-h\r\n250 AUTH PLAIN");
const IN: (&str, &str) = ("AUTH", "235 in");
const DATA: (&str, &str) = ("DATA", "354 go on");
const SHORT: Limits = Limits { connect: Duration::from_secs(5), total: Duration::from_secs(2) };

async fn delivered(script: &'static [(&'static str, &'static str)], limits: Limits) -> (Delivery, Vec<String>) {
    let (address, served) = scripted(script).await;
    let config = config(&format!("smtp://bob:s3cret@{address}"), &["ops@example.org"]);
    let client = Client::open_with("ops", &config, limits, &[]).unwrap();
    let delivery = client.deliver(&parcel(&message(7, "t"), 1), None).await;
    (delivery, served.await.unwrap())
}

#[tokio::test]
async fn an_answer_decides_between_a_later_try_and_none() {
    type Row = (&'static [(&'static str, &'static str)], Delivery);
    let retry = |why: &str| Delivery::Retry(why.to_owned());
    let rejected = |why: &str| Delivery::Rejected(why.to_owned());
    let table: [Row; 13] = [
        (&[GREETING, HELLO, IN, DATA], Delivery::Delivered),
        (&[("GREETING", "554 not you")], retry("SERVER answered 554 to the greeting: not you")),
        (&[("GREETING", "421 later")], retry("SERVER answered 421 to the greeting: later")),
        (
            &[GREETING, ("EHLO", "250-h\r\n250 AUTH CRAM-MD5")],
            retry(
                "SERVER lets nobody log in by PLAIN or LOGIN; it may on a connection with TLS: smtp+starttls:// or smtps://",
            ),
        ),
        (
            &[GREETING, HELLO, ("AUTH", "535 no: s3cret AGJvYgBzM2NyZXQ=")],
            retry("SERVER does not let healer's user in (535: no: ******** ********): mend the user or the password"),
        ),
        (
            &[GREETING, HELLO, ("AUTH", "454 not now")],
            retry("SERVER answered 454 to the login: not now"),
        ),
        (
            &[GREETING, HELLO, IN, ("MAIL", "550 not from you")],
            rejected("SERVER answered 550 to the sender healer@example.org: not from you"),
        ),
        (
            &[GREETING, HELLO, IN, ("MAIL", "530 log in first")],
            retry("SERVER answered 530 to the sender healer@example.org: log in first"),
        ),
        (
            &[GREETING, HELLO, IN, ("RCPT", "550-no\r\n550 \u{1b}[31msuch")],
            rejected("SERVER answered 550 to the recipient ops@example.org: no \\x1b[31msuch"),
        ),
        (
            &[GREETING, HELLO, IN, ("RCPT", "450 grey")],
            retry("SERVER answered 450 to the recipient ops@example.org: grey"),
        ),
        (
            &[GREETING, HELLO, IN, ("DATA", "554 no thanks")],
            rejected("SERVER answered 554 to the mail: no thanks"),
        ),
        (
            &[GREETING, HELLO, IN, DATA, ("MAIL IS OVER", "452 disk full")],
            retry("SERVER answered 452 to the mail: disk full"),
        ),
        (
            &[GREETING, HELLO, IN, DATA, ("MAIL IS OVER", "552 too large")],
            rejected("SERVER answered 552 to the mail: too large"),
        ),
    ];
    for (script, expect) in table {
        let (address, served) = scripted(script).await;
        let config = config(&format!("smtp://bob:s3cret@{address}"), &["ops@example.org"]);
        let delivery = Client::open("ops", &config).unwrap().deliver(&parcel(&message(7, "t"), 1), None).await;
        let named = match delivery {
            Delivery::Delivered => Delivery::Delivered,
            Delivery::Retry(why) => Delivery::Retry(why.replace(&format!("smtp://{address}"), "SERVER")),
            Delivery::Rejected(why) => Delivery::Rejected(why.replace(&format!("smtp://{address}"), "SERVER")),
        };
        assert_eq!(named, expect, "{script:?}");
        let told = served.await.unwrap();
        if expect == Delivery::Delivered {
            assert_eq!(told.last().map(String::as_str), Some("QUIT"), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_tried_again_and_said_to_have_been_slow_at_what() {
    type Script = &'static [(&'static str, &'static str)];
    let table: [(Script, &str); 4] = [
        (&[("GREETING", "")], "connecting"),
        (&[GREETING, HELLO, ("AUTH", "")], "logging in"),
        (&[GREETING, HELLO, IN, ("RCPT", "")], "naming the recipients"),
        (
            &[GREETING, HELLO, IN, DATA, ("MAIL IS OVER", "")],
            "handing the mail over",
        ),
    ];
    let tries = table.map(|(script, doing)| (tokio::spawn(delivered(script, SHORT)), doing));
    for (tried, doing) in tries {
        let (delivery, _) = tried.await.unwrap();
        let Delivery::Retry(why) = delivery else { panic!("{delivery:?}") };
        assert!(why.contains("was not done within") && why.ends_with(doing) && !why.contains("s3cret"), "{why}");
    }
}

#[tokio::test]
async fn a_mail_that_was_taken_is_delivered_whatever_becomes_of_the_goodbye() {
    let limits = Limits { connect: SHORT.connect, total: Duration::from_secs(60) };
    let script = &[GREETING, HELLO, IN, DATA, ("QUIT", "")];
    let tried = tokio::time::timeout(Duration::from_secs(30), delivered(script, limits)).await;
    let (delivery, told) = tried.expect("the goodbye was waited for");
    assert_eq!(delivery, Delivery::Delivered);
    assert_eq!(told.last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn addresses_beyond_ascii_need_a_server_that_takes_them() {
    for (hello, expect) in [("250-h\r\n250 SMTPUTF8", true), ("250 h", false)] {
        let script: &'static [_] = match expect {
            true => &[GREETING, ("EHLO", "250-h\r\n250 SMTPUTF8"), DATA],
            false => &[GREETING, ("EHLO", "250 h"), DATA],
        };
        let (address, served) = scripted(script).await;
        let client = Client::open("ops", &config(&format!("smtp://{address}"), &["jürgen@bücher.example"])).unwrap();
        let delivery = client.deliver(&parcel(&message(7, "t"), 1), None).await;
        let told = served.await.unwrap();
        if expect {
            assert_eq!(delivery, Delivery::Delivered, "{hello}");
            assert!(told.iter().any(|line| line == "MAIL FROM:<healer@example.org> SMTPUTF8"), "{told:?}");
        } else {
            assert!(matches!(&delivery, Delivery::Rejected(why) if why.ends_with("of ASCII letters")), "{delivery:?}");
            assert!(!told.iter().any(|line| line.starts_with("MAIL")), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_closed_port_and_a_name_that_nobody_knows_are_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for (server, expect) in [
        (format!("smtp://bob:s3cret@{address}"), "refused"),
        ("smtp+plain://bob:s3cret@no-such-host.invalid".to_owned(), "smtp+plain://no-such-host.invalid:25"),
    ] {
        let client = Client::open("ops", &config(&server, &["ops@example.org"])).unwrap();
        let delivery = client.deliver(&parcel(&message(7, "t"), 1), None).await;
        let Delivery::Retry(why) = delivery else { panic!("{delivery:?}") };
        assert!(why.contains(expect) && !why.contains("s3cret"), "{why}");
    }
}

#[test]
fn wrong_settings_are_named_with_their_remedy_and_without_their_secret() {
    let good = config("smtp://bob:s3cret@h", &["ops@example.org"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let many: Vec<String> = (0..101).map(|n| format!("a{n}@example.org")).collect();
    let table = [
        (Config { server: "bob:s3cret@h".to_owned(), ..good.clone() }, "server: not a URL"),
        (Config { server: "smtp://bob@h".to_owned(), ..good.clone() }, "server: names a user without a password"),
        (
            Config { password_file: Some("/nonexistent/pw".into()), server: "smtp://bob@h".to_owned(), ..good.clone() },
            "password_file /nonexistent/pw: there is no such file",
        ),
        (Config { password_file: Some(file.clone()), ..good.clone() }, "password_file: the password stands in `server`"),
        (
            Config { password_file: Some(file.clone()), server: "smtp://h".to_owned(), ..good.clone() },
            "password_file: there is no user",
        ),
        (Config { from: "healer".to_owned(), ..good.clone() }, "from: `healer` is no address: expected one such as ops@"),
        (Config { from: "a@b.c\r\nBcc: d@e.f".to_owned(), ..good.clone() }, "from: `a@b.c\\r\\nBcc: d@e.f` is no address"),
        (Config { to: vec![], ..good.clone() }, "to: nobody would be told"),
        (Config { to: vec!["ops@example.org, ann@example.org".to_owned()], ..good.clone() }, "to: `ops@example.org, ann@"),
        (Config { to: many, ..good.clone() }, "to: 101 recipients, more than 100"),
    ];
    for (config, expect) in table {
        let error = Client::open("ops", &config).unwrap_err().to_string();
        assert!(error.starts_with(&format!("channel ops: {expect}")) && !error.contains("s3cret"), "{error}");
    }
    for config in [good, Config { password_file: Some(file), ..config("smtp://bob@h", &["Änne <ops@example.org>"]) }] {
        Client::open("ops", &config).unwrap();
    }
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let config = config("smtps://t0ken:s3cr@t@mail.example.org", &["ops@example.org"]);
    let client = Client::open("ops", &config).unwrap();
    for shown in [format!("{config:?}"), format!("{client:?}"), server_shown(&config.server)] {
        let hidden = ["s3cr", "t0ken", "t@"].iter().all(|secret| !shown.contains(secret));
        assert!(shown.contains("smtps://mail.example.org:465") && hidden, "{shown}");
    }
    assert_eq!(server_shown("smtp://bob:s3cret"), "…");
}

#[test]
fn whoever_is_named_twice_is_told_once() {
    let config = config("smtp://h", &["ops@example.org", "Ops <ops@example.org>", "ann@example.org"]);
    assert_eq!(Client::open("ops", &config).unwrap().to.len(), 2);
}
