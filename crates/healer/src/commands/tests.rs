//! How each command ends, with a socket that gives fixed answers, and without one.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use serde_json::json;

use super::*;

#[derive(Clone, Default)]
struct Paper(Rc<RefCell<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

struct Done {
    exit: Exit,
    out: String,
    err: String,
}

/// Runs one command with this state directory.
fn done(dir: &Path, words: &str) -> Done {
    let config = dir.join("healer.yaml");
    if !config.exists() {
        std::fs::write(&config, "host: {name: web-1}\n").unwrap();
    }
    let dir_words = ["healer", "--config", config.to_str().unwrap(), "--state-dir", dir.to_str().unwrap()];
    let cli = Cli::try_parse_from(dir_words.into_iter().chain(words.split_whitespace())).unwrap();
    let (out, err) = (Paper::default(), Paper::default());
    let desk = Desk {
        out: RefCell::new(Box::new(out.clone())),
        err: RefCell::new(Box::new(err.clone())),
        ..Desk::new(&cli.global)
    };
    let exit = match cli.command {
        Command::Brief(brief) => desk.done(brief),
        Command::Simulate(args) => desk.simulate(&args),
        Command::Run { .. } | Command::Keep { .. } | Command::Demo { .. } | Command::DemoService { .. } => {
            panic!("{words} does not end")
        }
    };
    Done { exit, out: out.text(), err: err.text() }
}

/// Answers each question on the socket of `dir`: the first pair whose beginning the request has.
fn answering(dir: &Path, answers: Vec<(&'static str, u16, serde_json::Value)>) {
    answering_and_noting(dir, answers, Arc::default());
}

/// The same, and keeps each request.
fn answering_and_noting(
    dir: &Path,
    answers: Vec<(&'static str, u16, serde_json::Value)>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let listener = UnixListener::bind(dir.join(surfaces::SOCKET_FILE)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !whole(&request) {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend_from_slice(&buffer[..read]),
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            asked.lock().unwrap().push(request.clone());
            let found = answers.iter().find(|(begins, ..)| request.starts_with(begins));
            let (status, body) = found.map_or((404, json!({"error": "nothing here"})), |(_, s, b)| (*s, b.clone()));
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Whoever only looked whether somebody answers has gone again.
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn a_status(standing: &str) -> serde_json::Value {
    let at = json!({"wall": 1_000, "tick": 1});
    let deployment = json!({"name": "shop", "host": "web-1", "standing": standing, "wanted": "running",
        "since": 500, "why": "for a reason", "resources": [], "folder": null});
    json!({"instance": "web-1", "version": "0", "now": at, "running_since": 0, "mode": "auto", "frozen": null,
        "warnings": [], "sources": [], "recoveries": [], "deployments": [deployment], "next": [], "waiting": []})
}

fn a_resource(service: &str, standing: &str) -> serde_json::Value {
    json!({"id": format!("docker:web-1/shop/{service}"), "short": format!("shop/{service}"), "standing": standing,
        "run": null, "health": null, "intent": null, "since": 500, "why": format!("{service} for a reason"),
        "incident": null, "image": "", "incarnation": null, "remedy": null})
}

fn a_why(headline: &str, resource: &serde_json::Value) -> serde_json::Value {
    json!({"headline": headline, "resource": resource, "incidents": [], "story": [], "not_done": [], "evidence": []})
}

fn a_reply(taken: bool, failed: bool) -> serde_json::Value {
    let line = json!({"resource": "docker:web-1/shop/web", "text": "because", "failed": failed});
    let also = json!({"resource": "docker:web-1/shop/db", "text": "started"});
    json!({"id": "1", "taken": taken, "lines": [also, line]})
}

#[test]
fn without_a_daemon_and_a_journal_every_command_ends_with_3_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    for words in ["status", "incidents", "why shop", "history", "stop shop", "approve 4", "freeze", "thaw", "ack 4"] {
        let done = done(dir.path(), words);
        assert_eq!((done.exit, done.out.as_str()), (Exit::NotRunning, ""), "{words}: {}", done.err);
        assert!(done.err.contains("healer run"), "{words}: {}", done.err);
    }
}

#[test]
fn a_command_ends_with_0_if_it_succeeds_with_1_if_it_fails_for_one_service_and_with_4_if_it_is_not_taken() {
    let table = [(200, true, false, Exit::Fine), (200, true, true, Exit::Failed), (409, false, true, Exit::Refused)];
    for (status, taken, failed, expect) in table {
        let dir = tempfile::tempdir().unwrap();
        let mut body = a_reply(taken, failed);
        if !taken {
            body["error"] = json!("because");
        }
        answering(
            dir.path(),
            vec![("POST /api/v1/commands", status, body), ("GET /api/v1/status", 200, a_status("well"))],
        );
        for words in ["stop shop", "restart shop", "approve 41", "reject web-1/41 --reason no", "freeze", "thaw"] {
            let done = done(dir.path(), words);
            assert_eq!(done.exit, expect, "{words}: {}", done.err);
            assert_eq!(done.out, "shop/db: started\nshop/web: because\n", "{words}");
        }
    }
}

#[test]
fn a_bare_service_name_is_commanded_where_one_service_has_it_and_refused_where_several_have() {
    let dir = tempfile::tempdir().unwrap();
    let mut status = a_status("well");
    let other = json!({"id": "docker:web-1/hello/web", "short": "hello/web"});
    let mut hello_web = a_resource("web", "well");
    hello_web.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    status["deployments"][0]["resources"] = json!([a_resource("web", "well"), a_resource("db", "well"), hello_web]);
    let asks = Arc::new(Mutex::new(Vec::new()));
    let answers = vec![("GET /api/v1/status", 200, status), ("POST /api/v1/commands", 200, a_reply(true, false))];
    answering_and_noting(dir.path(), answers, Arc::clone(&asks));
    let told = done(dir.path(), "stop web db shop nobody");
    assert_eq!(told.exit, Exit::Refused, "{}", told.err);
    assert!(told.out.starts_with("web is the name of several: shop/web, hello/web\n"), "{}", told.out);
    let asked: Vec<String> = asks.lock().unwrap().iter().filter_map(|ask: &String| stopped(ask)).collect();
    assert_eq!(asked, ["shop/db", "shop", "nobody"]);
}

#[test]
fn a_command_is_given_also_where_no_status_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let answers = vec![
        ("GET /api/v1/status", 504, json!({"error": "no answer within 30 s"})),
        ("POST /api/v1/commands", 200, a_reply(true, false)),
    ];
    answering(dir.path(), answers);
    for words in ["stop web", "freeze"] {
        assert_eq!(done(dir.path(), words).exit, Exit::Fine, "{words}");
    }
}

/// What a request asks to be stopped.
fn stopped(request: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n")?.1).ok()?;
    Some(body["ask"]["stop"].as_str()?.to_owned())
}

#[test]
fn status_ends_with_1_only_when_it_is_asked_to_check_and_a_person_is_needed() {
    let source = |well: bool| json!([{"name": "web-1", "well": well, "because": "no socket"}]);
    let table = [
        ("well", source(true), "status --check", Exit::Fine),
        ("needs_you", source(true), "status --check", Exit::Failed),
        ("well", source(false), "status --check", Exit::Failed),
        ("needs_you", source(false), "status", Exit::Fine),
    ];
    for (standing, sources, words, expect) in table {
        let dir = tempfile::tempdir().unwrap();
        let mut status = a_status(standing);
        status["sources"] = sources;
        answering(dir.path(), vec![("GET /api/v1/status", 200, status)]);
        let done = done(dir.path(), words);
        assert_eq!(done.exit, expect, "{standing} {words}: {}", done.err);
        assert!(done.out.contains("shop"), "{}", done.out);
    }
}

#[test]
fn json_is_the_value_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let line = json!({"at": 900, "incident": null, "resource": null, "tone": "plain", "text": "it began"});
    answering(
        dir.path(),
        vec![
            ("GET /api/v1/status", 200, a_status("well")),
            ("GET /api/v1/incidents?", 200, json!({"items": [], "total": 0, "next": null})),
            (
                "GET /api/v1/history?since=3600s&alerts_only=true",
                200,
                json!({"items": [line], "entries": [], "next": null}),
            ),
        ],
    );
    let json = |words: &str| -> serde_json::Value {
        let done = done(dir.path(), words);
        assert_eq!(done.exit, Exit::Fine, "{}", done.err);
        serde_json::from_str(&done.out).unwrap()
    };
    assert_eq!(json("status --format json"), a_status("well"));
    assert_eq!(json("incidents --format json"), json!([]));
    assert_eq!(json("history --since 1h --alerts-only --format json")[0]["text"], "it began");
}

#[test]
fn why_of_a_deployment_is_each_service_and_the_stories_of_those_that_are_not_well() {
    let dir = tempfile::tempdir().unwrap();
    let [web, db] = [a_resource("web", "needs_you"), a_resource("db", "well")];
    let mut status = a_status("needs_you");
    status["deployments"][0]["resources"] = json!([web, db]);
    answering(
        dir.path(),
        vec![
            ("GET /api/v1/status", 200, status),
            ("GET /api/v1/why?of=shop ", 200, a_why("the worst", &web)),
            ("GET /api/v1/why?of=docker%3Aweb-1%2Fshop%2Fweb ", 200, a_why("web needs you", &web)),
            ("GET /api/v1/why?of=shop%2Fdb ", 200, a_why("db is well", &db)),
        ],
    );
    let told = done(dir.path(), "why shop");
    assert_eq!(told.exit, Exit::Fine, "{}", told.err);
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!(lines[0], "shop: 2 services: 1 needs you, 1 well");
    for named in ["  shop/web  needs you", "  shop/db   well"] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(named)).count(), 1, "{named}: {}", told.out);
    }
    assert!(told.out.contains("\nweb needs you\n") && !told.out.contains("db is well"), "{}", told.out);
    assert!(!told.out.contains("the worst"), "{}", told.out);

    let json: serde_json::Value = serde_json::from_str(&done(dir.path(), "why shop --format json").out).unwrap();
    assert_eq!((&json["headline"], &json["services"][1]["short"]), (&json!("the worst"), &json!("shop/db")));
    assert_eq!(json["stories"], json!([a_why("web needs you", &web)]));

    let one = done(dir.path(), "why shop/db");
    assert!(one.out.starts_with("db is well\n"), "{}", one.out);
    let json: serde_json::Value = serde_json::from_str(&done(dir.path(), "why shop/db --format json").out).unwrap();
    assert_eq!(json, a_why("db is well", &db), "of one service it is the very value");
}

#[test]
fn an_incident_that_nobody_knows_names_where_the_known_ones_are() {
    let known = json!({"id": {"instance": "web-1", "number": 7}, "resource": "docker:web-1/shop/web", "short": "shop/web",
        "phase": "resolved", "status": "succeeded", "standing": "well", "opened": 1, "ended": 2, "cause": "", "why": "",
        "attempts": 1});
    for (items, expect) in
        [(json!([known]), "`healer incidents --all` lists those on record"), (json!([]), "none is on record")]
    {
        let dir = tempfile::tempdir().unwrap();
        answering(
            dir.path(),
            vec![
                ("GET /api/v1/status", 200, a_status("well")),
                ("GET /api/v1/incidents?", 200, json!({"items": items, "total": 1, "next": null})),
            ],
        );
        for words in ["why 99", "why #99", "why web-1/99", "incidents 99"] {
            let done = done(dir.path(), words);
            let says = format!("healer: healer knows no incident web-1/99: {expect}\n");
            assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, says.as_str()), "{words}");
        }
        let done = done(dir.path(), "why shop/99");
        assert!(done.err.contains("nothing called `shop/99`: `healer status --all`"), "{}", done.err);
    }
}

#[test]
fn what_healer_does_not_know_ends_with_1_and_its_words() {
    let dir = tempfile::tempdir().unwrap();
    answering(dir.path(), Vec::new());
    let done = done(dir.path(), "why nonsense");
    assert_eq!(
        (done.exit, done.err.as_str()),
        (Exit::Failed, "healer: healer knows nothing called `nonsense`: `healer status --all` lists what it knows\n")
    );
}

#[test]
fn for_a_program_what_failed_is_an_object_on_the_output() {
    let dir = tempfile::tempdir().unwrap();
    let dead = done(dir.path(), "status --format json");
    assert_eq!((dead.exit, dead.err.as_str()), (Exit::NotRunning, ""));
    let json: serde_json::Value = serde_json::from_str(&dead.out).unwrap();
    assert!(json["error"].as_str().unwrap().contains("healer run"), "{json}");
    answering(dir.path(), vec![("GET /api/v1/status", 200, a_status("well"))]);
    let unknown = done(dir.path(), "why nosuch --format json");
    let json: serde_json::Value = serde_json::from_str(&unknown.out).unwrap();
    let says = "healer knows nothing called `nosuch`: `healer status --all` lists what it knows";
    assert_eq!((unknown.exit, unknown.err.as_str(), json), (Exit::Failed, "", json!({"error": says})));
}

#[test]
fn a_second_freeze_keeps_the_reason_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut status = a_status("well");
    status["frozen"] = json!({"by": "root", "at": {"wall": 1_000, "tick": 1}, "because": "deploy"});
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers = vec![("GET /api/v1/status", 200, status), ("POST /api/v1/commands", 409, a_reply(false, true))];
    answering_and_noting(dir.path(), answers, Arc::clone(&asked));
    for (words, expect) in [("freeze", "deploy"), ("freeze --reason x", "x")] {
        asked.lock().unwrap().clear();
        let _ = done(dir.path(), words);
        let body = format!("{{\"ask\":{{\"freeze\":{{\"because\":\"{expect}\"}}}}}}");
        assert!(asked.lock().unwrap().iter().any(|request: &String| request.ends_with(&body)), "{words}: {asked:?}");
    }
}

#[test]
fn of_a_wrong_configuration_the_errors_are_told_last() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("healer.yaml"), "mode: atuo\nrules: []\n").unwrap();
    let told = done(dir.path(), "check").err;
    let at = |kind| told.find(kind).unwrap_or_else(|| panic!("no {kind}in {told}"));
    assert!(at("warning: ") < at("error: "), "{told}");
}

#[test]
fn a_wrong_configuration_ends_check_with_2_and_does_not_keep_anybody_from_looking() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("healer.yaml"), "mode: atuo\nlistn: x\n").unwrap();
    let checked = done(dir.path(), "check");
    assert_eq!((checked.exit, checked.out.as_str()), (Exit::Wrong, ""));
    assert!(checked.err.contains("healer.yaml:1:7: mode") && checked.err.contains("2 errors"), "{}", checked.err);
    let told: serde_json::Value = serde_json::from_str(&done(dir.path(), "check --format json").out).unwrap();
    assert_eq!(
        (&told["right"], &told["errors"][1]["line"], &told["errors"][1]["key"]),
        (&json!(false), &json!(2), &json!("listn"))
    );

    answering(dir.path(), vec![("GET /api/v1/status", 200, a_status("well"))]);
    let looked = done(dir.path(), "status");
    assert_eq!(looked.exit, Exit::Fine);
    assert!(looked.err.contains("the configuration is wrong"));
}

#[test]
fn simulated_worlds_are_told_in_words_or_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let told = done(dir.path(), "simulate --seeds 2 --from 5");
    assert_eq!(told.exit, Exit::Fine, "{}{}", told.out, told.err);
    assert!(told.out.starts_with("2 worlds, ") && told.out.ends_with("no promise was broken\n"), "{}", told.out);
    let json: serde_json::Value =
        serde_json::from_str(&done(dir.path(), "simulate --seeds 2 --from 5 --format json").out).unwrap();
    assert_eq!(json["seeds"], json!({"from": 5, "until": 7}));
    assert_eq!((&json["good"], &json["broken"]), (&json!(true), &json!([])));
}

#[test]
fn the_page_is_as_wide_as_the_terminal_else_as_columns_says_else_as_that_of_the_errors() {
    let table = [
        (Some(120), Some("80"), Some(60), 120),
        (None, Some("80"), Some(60), 80),
        (None, Some(" 80 "), None, 80),
        (None, Some("wide"), None, WIDTH_UNKNOWN),
        (None, Some("0"), Some(60), 60),
        (None, None, Some(60), 60),
        (None, None, None, WIDTH_UNKNOWN),
        (None, Some("7"), None, WIDTH_MIN),
        (Some(7), None, None, WIDTH_MIN),
    ];
    for (terminal, columns, errors, expect) in table {
        assert_eq!(width(terminal, columns, errors), expect, "{terminal:?} {columns:?} {errors:?}");
    }
}

#[test]
fn what_is_in_the_way_of_the_journal_is_told_in_one_sentence_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let _first = store::Sqlite::open(dir.path()).unwrap();
    let second = store::Sqlite::open(dir.path()).unwrap_err();
    let says = told(&anyhow::Error::new(second).context("the journal cannot be used"));
    assert!(says.starts_with("another healer runs on this state directory (pid "), "{says}");
    assert!(says.contains(": stop it, or give this one a directory of its own"), "{says}");
    let unclear = store::Error::Unclear("it is slow".into());
    let says = told(&anyhow::Error::new(unclear).context("the lead cannot be taken"));
    assert_eq!(says, "the lead cannot be taken: the journal did not answer: it is slow");
    assert_eq!(told(&anyhow::anyhow!("no").context("the socket cannot be made")), "the socket cannot be made: no");
}

#[test]
fn check_and_completions_need_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let checked = done(dir.path(), "check");
    assert_eq!(checked.exit, Exit::Fine);
    assert!(checked.out.contains("host.name") && checked.out.contains("healer.yaml:1"), "{}", checked.out);
    assert!(done(dir.path(), "check --keys").out.contains("budgets.stability"));
    assert!(done(dir.path(), "completions bash").out.contains("_healer"));
}

/// A table of policies as the daemon of `dir` has it, from the same configuration.
fn rows_of(policies: Vec<model::settings::Policy>) -> serde_json::Value {
    let rows = view::policies(&Settings { policies, ..Settings::default() });
    json!({"items": rows, "total": rows.len(), "next": null})
}

#[test]
fn policies_need_the_configuration_alone_and_compare_it_with_a_daemon_that_answers() {
    let asks = || model::settings::Policy { auto_heal: false, ..model::settings::Policy::built_in() };
    let table = [
        (Some((200, rows_of(vec![asks()]))), json!(true)),
        (Some((200, rows_of(Vec::new()))), json!(false)),
        // One of another version does not tell.
        (Some((404, json!({"error": "there is no such route"}))), json!(null)),
        (None, json!(null)),
    ];
    for (daemon, expect) in table {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("healer.yaml"), "host: {name: web-1}\npolicies: [{auto_heal: false}]\n")
            .unwrap();
        if let Some((status, body)) = daemon {
            answering(dir.path(), vec![("GET /api/v1/policies?", status, body)]);
        }
        let done = done(dir.path(), "policies --format json");
        let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!((done.exit, &told["running_has_the_same"]), (Exit::Fine, &expect), "{}", done.err);
        assert_eq!((&told["policies"][0]["does"], &told["policies"][1]["number"]), (&json!("asks"), &json!(null)));
        assert!(told["policies"][0]["from"].as_str().unwrap().ends_with("healer.yaml:2"), "{}", done.out);
    }
}

#[test]
fn policies_of_a_wrong_configuration_are_an_error_of_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("healer.yaml"), "policies: [{auto_heal: perhaps}]\n").unwrap();
    let done = done(dir.path(), "policies");
    assert_eq!((done.exit, done.out.as_str()), (Exit::Wrong, ""));
    assert!(done.err.contains("policies[0].auto_heal: expected true or false"), "{}", done.err);
}

#[test]
fn what_follows_is_asked_of_the_daemon_and_an_unknown_name_has_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let told = json!({"resource": "docker:web-1/shop/web", "short": "shop/web", "seen": true, "incident": null,
        "issues": [{"issue_type": "none", "causes": [], "is_open": false, "policy": 7, "passed_over": [],
            "passed_over_more": 0, "does": "nothing", "because": "frozen by ann", "rules": []}]});
    let page = json!({"items": [told], "total": 1, "next": null});
    let why = a_why("old is well", &a_resource("old", "well"));
    let answers = vec![
        ("GET /api/v1/policies/explain?of=shop%2Fweb&issue=none&", 200, page),
        ("GET /api/v1/status", 200, a_status("well")),
        ("GET /api/v1/why?of=shop%2Fold", 200, why),
    ];
    answering(dir.path(), answers);
    let text = done(dir.path(), "policies explain shop/web none");
    assert_eq!(text.exit, Exit::Fine, "{}", text.err);
    assert!(text.out.contains("would do nothing: frozen by ann") && text.out.contains("policy 7"), "{}", text.out);
    let unknown = done(dir.path(), "policies explain nobody");
    assert_eq!(unknown.exit, Exit::Failed);
    assert!(unknown.err.contains("nothing called `nobody`: `healer status --all` lists"), "{}", unknown.err);
    let old = done(dir.path(), "policies explain shop/old");
    assert!(old.exit == Exit::Failed && old.err.contains("of a version that does not explain"), "{}", old.err);
}
