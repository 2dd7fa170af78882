//! The link in a message: what its page shows, what it decides, and what it leaves alone.

use std::time::Duration;

use model::Tick;
use model::Wall;
use model::action::{Asked, PlanKey};
use model::command::Ask;
use model::view::{Question, Stand};

use super::*;
use crate::link::Link;
use crate::link::tests::asked;

const WHO: &str = "the link in the message to ops-mail";
const APPROVE: &str = "decision=approve";
const REJECT: &str = "decision=reject&because=not+now";

/// The path of the link to a question.
fn path(question: &Asked) -> String {
    Link::to(question, "ops-mail").url(&Key::of(KEY), "")
}

impl Served {
    /// A browser's request that came through a proxy under another name.
    async fn browse(&self, method: &str, path: &str, form: &str) -> Answer {
        let length = form.len();
        self.tcp(format!(
            "{method} {path} HTTP/1.1\r\nhost: healer.example.org\r\norigin: null\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
        ))
        .await
    }

    fn commands(&self) -> usize {
        self.fixed.commands.lock().unwrap().len()
    }

    fn asks(&self, change: impl FnOnce(&mut Question)) {
        change(self.fixed.question.lock().unwrap().as_mut().unwrap());
    }
}

/// What a page says, without its tags.
fn text(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let (mut text, mut in_tag) = (String::new(), false);
    for char in body.chars() {
        match char {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if in_tag => {}
            _ => text.push(char),
        }
    }
    text.trim().to_owned()
}

#[tokio::test]
async fn the_page_tells_all_that_one_should_know_before_one_answers() {
    let served = Served::start(Fixed::new()).await;
    let page = served.browse("GET", &path(&asked()), "").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    insta::assert_snapshot!(text(&page.body));
}

#[tokio::test]
async fn a_page_runs_nothing_and_lets_nothing_in_whatever_a_log_says() {
    let served = Served::start(Fixed::new()).await;
    let page = served.browse("GET", &path(&asked()), "").await;
    for foreign in [
        "<script",
        "<img",
        "<link",
        "http:",
        "https:",
        "src=x>",
        "javascript",
        "onerror=alert(1)>",
        "\u{202e}",
        "\u{1b}",
    ] {
        assert!(!page.body.contains(foreign), "{foreign} in {}", page.body);
    }
    assert!(page.body.contains("&lt;script&gt;fetch(&#39;//evil.example&#39;)"), "{}", page.body);
    for tag in ["html", "head", "body", "main", "h1", "h2", "p", "ul", "ol", "li", "form", "button", "label", "style"] {
        let opened = page.body.matches(&format!("<{tag}>")).count() + page.body.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.body.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.ends_with("'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), (Some("no-store"), Some("no-referrer")));
}

#[tokio::test]
async fn looking_decides_nothing() {
    let served = Served::start(Fixed::new()).await;
    let path = path(&asked());
    for method in ["GET", "HEAD"] {
        for path in [path.clone(), format!("{path}?decision=approve")] {
            let page = served.browse(method, &path, APPROVE).await;
            assert_eq!(page.status, 200, "{method} {path}: {page:?}");
            assert_eq!(page.body.is_empty(), method == "HEAD");
        }
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        assert_eq!(served.browse(method, &path, APPROVE).await.status, 405, "{method}");
    }
    assert_eq!(served.commands(), 0);
}

#[tokio::test]
async fn a_post_decides_and_says_by_which_link() {
    for (form, approved, because, title) in [(APPROVE, true, "", "Approved"), (REJECT, false, "not now", "Rejected")] {
        let served = Served::start(Fixed::new()).await;
        let page = served.browse("POST", &path(&asked()), form).await;
        assert_eq!(page.status, 200, "{page:?}");
        let text = text(&page.body);
        assert!(text.starts_with(title) && text.contains(&format!("By {WHO}, 23 Nov 2026 14:01:22 UTC.")), "{text}");
        let commands = served.fixed.commands.lock().unwrap();
        let [(id, who, ask)] = commands.as_slice() else { panic!("{commands:?}") };
        assert_eq!((id, who.as_str()), (&Link::to(&asked(), "ops-mail").command(), WHO));
        let question = Box::new(asked());
        assert_eq!(*ask, Ask::Answer { question, approved, because: because.to_owned() });
    }
}

#[tokio::test]
async fn a_link_that_is_used_again_decides_nothing_and_tells_what_became_of_it() {
    let served = Served::start(Fixed::new()).await;
    let path = path(&asked());
    served.browse("POST", &path, APPROVE).await;
    let again = served.browse("POST", &path, APPROVE).await;
    assert!(again.status == 200 && text(&again.body).starts_with("Approved\n"), "{again:?}");
    assert!(text(&again.body).contains("How it stands: start under way."), "{again:?}");
    let other = served.browse("POST", &path, REJECT).await;
    assert!(other.status == 409 && text(&other.body).starts_with("Already decided: approved"), "{other:?}");
    let looked = served.browse("GET", &path, "").await;
    assert!(looked.status == 200 && !looked.body.contains("<form"), "{looked:?}");
    assert_eq!(served.commands(), 1);
}

#[tokio::test]
async fn two_clicks_at_the_same_time_are_one_decision() {
    let served = Served::start(Fixed::new()).await;
    let path = path(&asked());
    let (one, other) = tokio::join!(served.browse("POST", &path, APPROVE), served.browse("POST", &path, APPROVE));
    for page in [one, other] {
        assert!(page.status == 200 && text(&page.body).starts_with("Approved\n"), "{page:?}");
    }
    let commands = served.fixed.commands.lock().unwrap();
    assert!(commands.iter().all(|(id, _, _)| *id == commands[0].0), "{commands:?}");
}

#[tokio::test]
async fn whoever_was_later_is_told_who_was_first() {
    let served = Served::start(Fixed::new()).await;
    let (by, at) = ("ann".to_owned(), Wall(1_795_442_482_045));
    let because = "the sale".to_owned();
    served.asks(|question| question.stand = Stand::Decided { by, approved: false, because, at });
    let page = served.browse("POST", &path(&asked()), APPROVE).await;
    let text = text(&page.body);
    assert_eq!(page.status, 409, "{text}");
    for expect in ["Already decided: rejected", "By ann, 23 Nov 2026 14:01:22 UTC.", "Because: the sale"] {
        assert!(text.contains(expect), "{text}");
    }
    assert_eq!(served.commands(), 0);
}

#[tokio::test]
async fn each_end_of_a_question_has_its_page() {
    let over = || Stand::Over("healed at the first attempt".to_owned());
    for (stand, status, expect) in [
        (Stand::Expired, 410, "Too late: the question has expired"),
        (over(), 410, "Too late: the incident is over"),
        (Stand::PlanChanged, 409, "The plan has changed"),
        (Stand::BodyChanged, 409, "The container was made anew"),
        (Stand::Withdrawn, 409, "The question was withdrawn"),
    ] {
        let served = Served::start(Fixed::new()).await;
        served.asks(|question| question.stand = stand.clone());
        for (method, form) in [("GET", ""), ("POST", APPROVE)] {
            let page = served.browse(method, &path(&asked()), form).await;
            let text = text(&page.body);
            assert_eq!(page.status, status, "{method} {stand:?}: {text}");
            assert!(text.starts_with(expect) && text.contains("shop/web, incident web-1/41"), "{text}");
            assert!(!page.body.contains("<form"), "{text}");
        }
        assert_eq!(served.commands(), 0);
    }
}

#[tokio::test]
async fn a_link_to_an_older_question_is_told_what_is_another_now_and_decides_nothing() {
    let changed = |change: fn(&mut Asked)| {
        let mut asked = asked();
        change(&mut asked);
        asked
    };
    for (older, status, expect) in [
        (changed(|it| it.plan = PlanKey("restart".to_owned())), 409, "The plan has changed"),
        (changed(|it| it.binds.as_mut().unwrap().image_id.push('0')), 409, "The container was made anew"),
        (changed(|it| it.binds = None), 409, "The container was made anew"),
        (changed(|it| it.until = Tick(it.until.0 - 1)), 409, "The question was withdrawn"),
        (changed(|it| it.until = Tick(90_000)), 410, "Too late: the question has expired"),
        (changed(|it| it.incident.number = 40), 410, "Too late: the incident is over"),
    ] {
        let served = Served::start(Fixed::new()).await;
        for (method, form) in [("GET", ""), ("POST", APPROVE)] {
            let page = served.browse(method, &path(&older), form).await;
            assert!(page.status == status && text(&page.body).starts_with(expect), "{method} {older:?}: {page:?}");
        }
        assert_eq!(served.commands(), 0, "{older:?}");
    }
}

#[tokio::test]
async fn a_wrong_link_is_told_nothing() {
    let served = Served::start(Fixed::new()).await;
    let good = path(&asked());
    let other_key = Link::to(&asked(), "ops-mail").url(&Key::of([8; 32]), "");
    let cut = good[..good.len() - 1].to_owned();
    let first = served.browse("GET", "/approve/x", "").await;
    assert_eq!(first.status, 403);
    assert_eq!(text(&first.body), "This is no link of this healer&#39;s.");
    for wrong in
        [other_key, cut, format!("{good}A"), good.replace("/approve/", "/approve/A"), "/approve/%00".to_owned()]
    {
        for (method, form) in [("GET", ""), ("POST", APPROVE)] {
            let page = served.browse(method, &wrong, form).await;
            assert_eq!((page.status, &page.body), (403, &first.body), "{method} {wrong}");
        }
    }
    assert_eq!(served.commands(), 0);
}

#[tokio::test]
async fn what_cannot_be_decided_at_present_is_told_and_can_be_tried_again() {
    let mut fixed = Fixed::new();
    fixed.takes = false;
    let served = Served::start(fixed).await;
    let page = served.browse("POST", &path(&asked()), APPROVE).await;
    let says = text(&page.body);
    assert!(page.status == 503 && says.contains("Because: refused: absent; nothing done."), "{says}");

    let served = Served::start(Fixed { links: false, ..Fixed::new() }).await;
    for (method, form) in [("GET", ""), ("POST", APPROVE)] {
        let page = served.browse(method, &path(&asked()), form).await;
        assert!(page.status == 503 && text(&page.body).contains("it has no key for its links"), "{page:?}");
    }
    assert_eq!(served.commands(), 0);
}

#[tokio::test]
async fn a_form_that_says_nothing_or_too_much_decides_nothing() {
    let served = Served::start(Fixed::new()).await;
    let path = path(&asked());
    assert_eq!(served.browse("POST", &path, "").await.status, 400);
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    // Announced, and never sent: whoever waited for it would wait for ever.
    let answer = served.tcp(format!("{head}content-length: 50000000\r\n\r\n")).await;
    assert!(answer.status == 413 && text(&answer.body).contains("at most 8192 bytes"), "{answer:?}");
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{APPROVE_CHUNK}").into_bytes();
    for _ in 0..50 {
        chunked.extend(format!("{:x}\r\n", 1_000_000).bytes());
        chunked.resize(chunked.len() + 1_000_000, b'&');
        chunked.extend(b"\r\n");
    }
    let answer = served.tcp(&chunked).await;
    assert!(matches!(answer.status, 413 | 0), "{answer:?}");
    assert_eq!(served.commands(), 0);
}

const APPROVE_CHUNK: &str = "10\r\ndecision=approve\r\n";

#[tokio::test]
async fn a_link_opens_no_other_door() {
    let served = Served::start(Fixed::new()).await;
    let path = path(&asked());
    let body = r#"{"ask": "thaw"}"#;
    for other in ["/api/v1/commands".to_owned(), format!("{path}/../../api/v1/commands"), format!("//{path}")] {
        let answer = served.browse("POST", &other, body).await;
        assert!(matches!(answer.status, 404 | 421), "{other}: {answer:?}");
    }
    let length = body.len();
    let answer = served
        .tcp(format!("POST /api/v1/commands HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    assert!(answer.status == 403 && answer.error().contains("healer.sock"), "{answer:?}");
    // The proxy's name is a name for links alone.
    assert_eq!(served.browse("GET", "/api/v1/status", "").await.status, 421);
    assert_eq!(served.commands(), 0);
}

#[tokio::test]
async fn over_the_socket_too_the_link_decides_and_not_its_user() {
    let served = Served::start(Fixed::new()).await;
    let answer = served.post(&path(&asked()), APPROVE).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(served.fixed.commands.lock().unwrap()[0].1, WHO);
}

#[tokio::test]
async fn while_healer_cannot_begin_a_link_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = listener.local_addr().unwrap();
    let status = Fixed::new().status.into_inner().unwrap();
    let waiting = crate::Waiting { status: Arc::new(move || status.clone()), because: "the disk is full".to_owned() };
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(crate::serve_waiting(Some(listener), None, waiting, shutdown.clone()));
    for method in ["GET", "POST"] {
        let request = format!("{method} {} HTTP/1.1\r\nhost: x.example\r\nconnection: close\r\n\r\n", path(&asked()));
        let stream = tokio::time::timeout(Duration::from_secs(20), TcpStream::connect(tcp)).await.unwrap().unwrap();
        let page = ask(stream, request.as_bytes()).await;
        assert!(page.status == 503 && text(&page.body).contains("has not begun its work"), "{page:?}");
        assert!(!page.body.contains("disk"), "whoever asks has no right to know more: {page:?}");
    }
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
