//! An approval by a link, end to end: healer asks by mail, a browser opens the link as it stands there, and what is pressed
//! on the page is done, once.

use std::thread;
use std::time::Duration;

use model::event::Event;

use crate::browser::{Page, attribute};
use crate::limits::starts_it;
use crate::mail::{Letter, Mail};
use crate::rig::{Rig, SOON, Service, wait_for};

/// Nothing is done unasked, and a question stands for as short a time as can be configured.
const SETTINGS: &str = "external_url: \"http://127.0.0.1:$PORT\"\nbudgets: {stability: 2s}\napprovals: {expire: 1m}\n\
                        policies: [{deployment: \"*\", auto_heal: false}]\n";
const CHECK: &str = "healthcheck: {test: [CMD, test, -f, /ok], interval: 500ms, timeout: 5s, retries: 2}";
/// A question stands for a minute.
const EXPIRED_WITHIN: Duration = Duration::from_secs(90);

fn asking(project: &str, services: &[Service]) -> Option<(Mail, Rig)> {
    let mail = Mail::start()?;
    let rig = Rig::with_settings(project, services, &format!("{}{SETTINGS}", mail.channel()))?;
    Some((mail, rig))
}

/// The links on a mail's two faces, each as its reader finds it.
fn links(letter: &Letter) -> [Option<String>; 2] {
    let plain = letter.plain.split_whitespace().find(|word| word.contains("/approve/"));
    let html = letter.html.split('<').filter_map(|tag| attribute(tag, "href")).find(|at| at.contains("/approve/"));
    [plain.map(str::to_owned), html.map(str::to_owned)]
}

/// The link in a mail about a service, which none of those is.
fn mailed(mail: &Mail, short: &str, known: &[&str]) -> String {
    wait_for(&format!("a mail about {short} with a link"), SOON, || {
        let letters = mail.letters().into_iter().filter(|letter| letter.subject.contains(short));
        letters.into_iter().find_map(|letter| {
            let [plain, html] = links(&letter);
            assert_eq!(plain, html, "both faces of a mail lead to the same page: {letter:?}");
            plain.filter(|link| !known.contains(&link.as_str()))
        })
    })
}

/// The link in the webhook's message.
fn hooked(rig: &Rig) -> String {
    wait_for("the webhook's message has a link", SOON, || {
        let urls = rig.hook.taken().into_iter().map(|taken| taken.json()["approve"]["url"].clone());
        urls.into_iter().find_map(|url| url.as_str().map(str::to_owned))
    })
}

/// Who answered a question about a service, and how; and how many starts healer allowed.
fn answers(rig: &Rig, service: &str) -> (Vec<(String, bool)>, usize) {
    let journal = rig.journal_of(service);
    let answers = journal.iter().filter_map(|entry| {
        let Event::ApprovalAnswered { by, approved, .. } = &entry.event else { return None };
        Some((by.clone(), *approved))
    });
    (answers.collect(), journal.iter().filter(|entry| starts_it(&entry.event)).count())
}

fn nobody_answered() -> (Vec<(String, bool)>, usize) {
    (Vec::new(), 0)
}

#[test]
fn a_link_in_a_mail_decides_once_by_a_press_of_its_button_and_never_by_being_opened() {
    let Some((mail, mut rig)) = asking("asks", &[Service::web("web").with(CHECK)]) else { return };
    rig.start_healer(&["web"]);
    rig.tell("web", "crash");
    rig.wait_for_phase("web", "awaiting_approval", SOON);
    let link = mailed(&mail, "asks/web", &[]);

    // Who scans mails follows every link, and some do so twice.
    let open = Page::open(&link);
    let (peeked, again, others) = (Page::peek(&link), Page::open(&link), Page::open(&hooked(&rig)));
    assert!(open.status == 200 && open.html.contains("asks/web: shall healer act?"), "{open:?}");
    assert!((peeked.status, peeked.html.as_str()) == (200, "") && again.asks(), "{peeked:?} {again:?}");
    assert_eq!(answers(&rig, "web"), nobody_answered());
    rig.wait_for_phase("web", "awaiting_approval", SOON);

    let presses = thread::scope(|scope| {
        let presses = [0, 1].map(|_| scope.spawn(|| open.press("Approve")));
        presses.map(|press| press.join().expect("a press is answered"))
    });
    for page in presses {
        assert!(page.status == 200 && page.html.contains("<h1>Approved</h1>") && !page.asks(), "{page:?}");
    }
    rig.wait_until_healed("web");
    rig.wait_for_container("web", |container| container.health == "healthy");

    for (page, status, says) in [
        (again.press("Approve"), 200, "<h1>Approved</h1>"),
        (again.press("Reject"), 409, "<h1>Already decided: approved</h1>"),
        (Page::open(&link), 200, "<h1>Approved</h1>"),
        (others.press("Approve"), 409, "<h1>Already decided: approved</h1>"),
    ] {
        assert!(page.status == status && page.html.contains(says) && !page.asks(), "{page:?}");
        assert!(page.html.contains("By the link in the message to mail, "), "{page:?}");
    }
    assert_eq!(answers(&rig, "web"), (vec![("the link in the message to mail".to_owned(), true)], 1));
    let container = rig.container("web");
    wait_for("the recorder has seen the second start", SOON, || (rig.starts(&container) == 2).then_some(()));
}

#[test]
fn a_link_whose_question_is_over_changed_or_expired_says_so_and_does_nothing() {
    let services = [Service::web("late"), Service::web("other").with(CHECK), Service::web("mended")];
    let Some((mail, mut rig)) = asking("refuses", &services) else { return };
    rig.wait_for_container("other", |container| container.health == "healthy");
    rig.start_healer(&["late", "other", "mended"]);
    rig.tell("late", "crash");
    rig.tell("other", "sick");
    rig.tell("mended", "crash");
    let [late, other, mended] = ["late", "other", "mended"].map(|service| {
        rig.wait_for_phase(service, "awaiting_approval", SOON);
        let page = Page::open(&mailed(&mail, &rig.short(service), &[]));
        assert!(page.asks(), "{page:?}");
        page
    });

    // What is to be restarted ends, and is to be started by then.
    rig.tell("other", "crash");
    let newer = Page::open(&mailed(&mail, "refuses/other", &[&other.url]));
    refused(&other, 409, "The plan has changed");
    assert_eq!(answers(&rig, "other"), nobody_answered());
    assert!(newer.asks(), "{newer:?}");
    assert_eq!(newer.press("Reject").status, 200);

    // A person starts it by other means.
    rig.engine.docker(&["start", &rig.container("mended").id]);
    rig.wait_for_phase("mended", "resolved", SOON);
    refused(&mended, 410, "Too late: the incident is over");

    wait_for("the question has expired", EXPIRED_WITHIN, || (Page::open(&late.url).status == 410).then_some(()));
    refused(&late, 410, "Too late: the question has expired");
    for service in ["late", "mended"] {
        assert_eq!(answers(&rig, service), nobody_answered());
    }
    for service in ["late", "other"] {
        assert_eq!(rig.container(service).status, "exited");
    }
}

/// Whoever left a page open presses its button, and whoever comes by the link again opens it: both are told why not.
fn refused(page: &Page, status: u16, says: &str) {
    for answer in [page.press("Approve"), Page::open(&page.url)] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.html.contains(&format!("<h1>{says}</h1>")) && !answer.asks(), "{answer:?}");
    }
}
