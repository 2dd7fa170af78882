//! How each command ends, with a socket that gives fixed answers, and without one.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;

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
    let Command::Brief(brief) = cli.command else { panic!("{words} takes its time") };
    let exit = desk.done(brief);
    Done { exit, out: out.text(), err: err.text() }
}

/// Answers each question on the socket of `dir`: the first pair whose beginning the request has.
fn answering(dir: &Path, answers: Vec<(&'static str, u16, serde_json::Value)>) {
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
        "since": 500, "why": "for a reason", "resources": []});
    json!({"instance": "web-1", "version": "0", "now": at, "running_since": 0, "mode": "auto", "frozen": null,
        "warnings": [], "sources": [], "deployments": [deployment], "next": [], "waiting": []})
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
fn check_and_completions_need_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let checked = done(dir.path(), "check");
    assert_eq!(checked.exit, Exit::Fine);
    assert!(checked.out.contains("host.name") && checked.out.contains("healer.yaml:1"), "{}", checked.out);
    assert!(done(dir.path(), "check --keys").out.contains("budgets.stability"));
    assert!(done(dir.path(), "completions bash").out.contains("_healer"));
}
