//! Logs of containers on a real engine, and what is found out about what they complain about. The engine is that of the
//! tests beside; without it every test says that it was skipped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

#[expect(dead_code, reason = "the tests of eyes and hands use more of it")]
#[path = "lab/guest.rs"]
mod guest;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use docker::{Endpoint, Hands, Host};
use model::complaint::Complaint;
use model::fact::Incarnation;

use guest::{Guest, engine};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_reduced_to_what_matters_and_made_harmless() {
    let Some(url) = engine() else { return };
    let hands = Hands::new(Host::new("lab", Endpoint::parse(&url).unwrap()));
    let script = |long_line: u32| {
        format!(
            r#"
        i=0; while [ $i -lt 300 ]; do echo "request $i ok"; i=$((i+1)); done
        printf 'error: \033[31mred\033[0m \377\376 password=hunter2 \033]0;title\007\n' >&2
        printf '\001\002\003 bell\n'
        busybox head -c {long_line} /dev/zero | busybox tr '\0' 'x'; echo
        echo "the last word""#
        )
    };
    for (tty, long_line) in [(false, 6_000_000), (true, 6_000_000), (false, 40_000_000)] {
        let guest = Guest::new(&url, "log");
        let id = guest.run(if tty { &["-t"] } else { &[] }, &script(long_line));
        guest.docker(&["wait"]);
        let excerpt = hands.read_log(&id).await.unwrap();
        let texts: Vec<&str> = excerpt.lines.iter().map(|line| line.text.as_str()).collect();
        // The engine counts a long line as many of 16 KiB: what came before 40 MB is not among the last 2,000, but among the
        // first.
        assert!(texts.iter().any(|text| text.starts_with("error: red")), "{texts:?}");
        assert!(texts.iter().all(|text| text.len() <= 300 && !text.contains("hunter2")), "{texts:?}");
        assert!(texts.iter().all(|text| !text.chars().any(char::is_control)), "{texts:?}");
        assert_eq!(texts.last(), Some(&"the last word"), "tty: {tty}");
    }
    let guest = Guest::new(&url, "log");
    let id = guest.run(&[], r"printf 'error: \033[31mred\033[0m \377\376 password=hunter2\n' >&2; echo bye");
    guest.docker(&["wait"]);
    let excerpt = hands.read_log(&id).await.unwrap();
    let mut lines: Vec<_> = excerpt.lines.iter().map(|line| (line.text.as_str(), line.telling)).collect();
    // The engine reads the two streams apart: which of two lines came first it does not know.
    lines.sort_unstable();
    // Its default log driver has put a mark in the place of what is not UTF-8.
    assert_eq!(lines, [("bye", false), ("error: red \u{fffd}\u{fffd} password=********", true)]);
    assert_eq!((excerpt.read_lines, excerpt.cut), (2, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_read_from_the_last_start_on() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "log");
    let script = "if [ -e /again ]; then echo error: now; else echo error: then; echo > /again; fi; sleep 0.5";
    let id = guest.run(&[], script);
    guest.docker(&["wait"]);
    guest.docker(&["start"]);
    guest.docker(&["wait"]);
    let hands = Hands::new(Host::new("lab", Endpoint::parse(&url).unwrap()));
    let excerpt = hands.read_log(&id).await.unwrap();
    assert_eq!(excerpt.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["error: now"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_the_engine_cannot_read_is_an_error_in_words() {
    let Some(url) = engine() else { return };
    let guest = Guest::new(&url, "nolog");
    let id = guest.run(&["--log-driver", "none"], "echo x");
    let hands = Hands::new(Host::new("lab", Endpoint::parse(&url).unwrap()));
    let why = hands.read_log(&id).await.unwrap_err();
    assert!(why.contains("log"), "{why}");
}

/// What a container's log complains about last.
async fn complaint_of(url: &str, id: &Incarnation) -> Option<Complaint> {
    let hands = Hands::new(Host::new("lab", Endpoint::parse(url).unwrap()));
    let excerpt = hands.read_log(id).await.unwrap();
    excerpt.lines.into_iter().rev().find_map(|line| line.complaint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_missed_for_good_only_where_nobody_else_could_put_it() {
    let Some(url) = engine() else { return };
    let cases = [
        ("in its own files", "", "/etc/app/licence.key", true),
        ("in a volume", "", "/data/licence.key", false),
        ("behind a link into a volume", "ln -s /data /app;", "/app/licence.key", false),
        ("where it is by now", "mkdir /app; touch /app/licence.key;", "/app/licence.key", false),
        ("where programs put things", "", "/run/app/token", false),
    ];
    for (name, before, path, expect) in cases {
        let guest = Guest::new(&url, "missing");
        let said = format!("{before} echo \"cat: can't open '{path}': No such file or directory\"; exit 1");
        let id = guest.run(&["-v", "/data"], &said);
        guest.docker(&["wait"]);
        let missing = Complaint::FileMissing { path: Some(path.to_owned()), for_good: expect };
        assert_eq!(complaint_of(&url, &id).await, Some(missing), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_first_is_read_where_what_is_said_last_tells_nothing() {
    let Some(url) = engine() else { return };
    let closes = "i=0; while [ $i -lt 2500 ]; do echo \"shard $i closed\"; i=$((i+1)); done; exit 1";
    for (said, expect) in [("KeyError: 'TOKEN'", true), ("hello", false)] {
        let guest = Guest::new(&url, "buried");
        // What is written before the engine notes the start is lost, and on a busy machine that note is late.
        let id = guest.run(&[], &format!("sleep 0.5; echo \"{said}\"; {closes}"));
        guest.docker(&["wait"]);
        let missing = Complaint::VariableMissing { name: Some("TOKEN".to_owned()) };
        assert_eq!(complaint_of(&url, &id).await, expect.then_some(missing), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_without_its_first_line_is_no_program_of_another_processor() {
    let Some(url) = engine() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("{}:/d:ro", folder.path().display());
    let script = |text: &[u8]| {
        std::fs::write(folder.path().join("run"), text).unwrap();
        std::fs::set_permissions(folder.path().join("run"), Permissions::from_mode(0o755)).unwrap();
    };
    let not_executable = Complaint::NotExecutable { command: "/d/run".to_owned() };
    let table: [(&[u8], Complaint); 2] =
        [(b"echo starting\n", not_executable), (b"\x7fELF\x02\x01\x01\0\0\0\0\0", Complaint::WrongArchitecture)];
    for (text, expect) in table {
        script(text);
        let guest = Guest::new(&url, "format");
        let id = guest.make("run", &["-d"], &["-v", &mount], &["/d/run"]);
        guest.docker(&["wait"]);
        assert_eq!(complaint_of(&url, &id).await, Some(expect));
    }
}
