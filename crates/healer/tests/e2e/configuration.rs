//! A wrong configuration is told whole and at once, before anything is touched, and a running healer keeps the last good
//! one. Only the last of these needs an engine.

use std::process::{Command, Output, Stdio};

use crate::daemon::Healer;
use crate::rig::{Rig, SOON, Service, wait_for};

fn check(words: &[&str], text: &str) -> Output {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("healer.yaml");
    std::fs::write(&file, text).expect("the folder is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_healer"));
    command.env_clear().env("HOME", folder.path()).arg("--config").arg(&file).args(words).stdin(Stdio::null());
    command.output().expect("the binary was built")
}

fn all(out: &Output) -> String {
    [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

const WRONG: &str = "listn: 127.0.0.1:4325\nmode: atuo\ndocker:\n  relst: 60s\nbudgets: {stability: soon}\n";

#[test]
fn every_error_is_told_at_once_with_its_line_its_key_and_the_nearest_one() {
    for words in [&["check"][..], &["run"]] {
        let out = check(words, WRONG);
        let said = all(&out);
        assert_eq!(out.status.code(), Some(2), "{words:?}: {said}");
        for (line, key, nearest) in [(1, "listn", "listen"), (2, "atuo", "auto"), (4, "relst", "relist")] {
            assert!(said.contains(key) && said.contains(nearest), "{words:?}, {key}: {said}");
            assert!(said.contains(&format!(":{line}:")), "{words:?}, {key} stands in line {line}: {said}");
        }
        assert!(said.contains("stability"), "{words:?}: {said}");
    }
}

#[test]
fn what_run_refuses_check_refuses_with_the_same_words() {
    let engine = "docker: {hosts: [{url: \"unix:///nowhere.sock\"}]}\n";
    let hook = "channels:\n  hook: {type: webhook, url: \"http://127.0.0.1:9/\", secret_file: /no/such/secret}\n";
    for (text, line, key) in [
        (format!("{engine}{hook}"), 3, "channels.hook.secret_file"),
        ("docker: {hosts: [{url: \"http://x:99999\"}]}\n".to_owned(), 1, "docker.hosts[0].url"),
        ("docker: {hosts: [{url: \"tcp://h\"}]}\n".to_owned(), 1, "docker.hosts[0].url"),
        ("docker: {hosts: [{url: \"ssh://h\"}]}\n".to_owned(), 1, "forward its socket with `ssh -L`"),
        (
            "docker: {hosts: [{url: \"tcp://h:1\"}, {name: b, url: \"tcp://h:1\"}]}\n".to_owned(),
            1,
            "is at the same address",
        ),
    ] {
        for words in ["check", "run"] {
            let out = check(&[words], &text);
            let said = all(&out);
            assert_eq!(out.status.code(), Some(2), "{words}: {said}");
            assert!(said.contains(key) && said.contains(&format!(":{line}:")), "{words}: {said}");
        }
    }
}

#[test]
fn a_secret_that_appears_later_puts_the_configuration_in_force() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let mut healer = Healer::install(folder.path(), "unix:///nowhere.sock", "http://127.0.0.1:9/", "");
    healer.start();
    let file = folder.path().join("healer.yaml");
    let good = std::fs::read_to_string(&file).expect("healer was installed there");
    let later = folder.path().join("later");
    let text = good
        .replace("mode: auto", "mode: observe")
        .replace(&format!("{}/secret}}", folder.path().display()), &format!("{}}}", later.display()));
    assert!(text.contains("/later}"), "{text}");
    std::fs::write(&file, text).expect("the folder is ours");
    let told = wait_for("the status tells of the missing secret", SOON, || {
        healer.status().warnings.into_iter().find(|warning| warning.contains("last good"))
    });
    assert!(told.contains("later"), "{told}");
    std::fs::write(&later, crate::hook::SECRET).expect("the folder is ours");
    wait_for("the file is in force", SOON, || (healer.status().mode == model::settings::Mode::Observe).then_some(()));
    // A rotated secret is read anew, too.
    std::fs::write(&later, [crate::hook::SECRET, "2"].concat()).expect("the folder is ours");
    wait_for("the new secret is read", SOON, || healer.log().contains("secrets were read anew").then_some(()));
}

#[test]
fn any_free_port_is_named_in_the_log() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let mut healer = Healer::install(folder.path(), "unix:///nowhere.sock", "http://127.0.0.1:9/", "");
    let file = folder.path().join("healer.yaml");
    let text = std::fs::read_to_string(&file).expect("healer was installed there");
    let (_, rest) = text.split_once('\n').expect("it has lines");
    std::fs::write(&file, format!("listen: 127.0.0.1:0\n{rest}")).expect("the folder is ours");
    healer.start_without_waiting();
    let said = wait_for("healer says where it serves", SOON, || {
        healer.log().lines().find(|line| line.contains("serving HTTP")).map(str::to_owned)
    });
    let port = said.split("127.0.0.1:").nth(1).and_then(|port| port.trim().parse::<u16>().ok());
    assert!(port.is_some_and(|port| port != 0), "{said}");
}

#[test]
fn a_good_configuration_passes() {
    let out = check(&["check"], "mode: observe\nbudgets: {stability: 2m, per_resource: 3/30m}\n");
    assert!(out.status.success(), "{}", all(&out));
}

#[test]
fn what_is_no_yaml_at_all_is_an_error_of_the_configuration_and_no_crash() {
    for text in ["mode: [auto", "\u{0}", "- just\n- a list\n", "mode: auto\nmode: observe\n"] {
        let out = check(&["check"], text);
        assert_eq!(out.status.code(), Some(2), "{text:?}: {}", all(&out));
    }
}

#[test]
fn an_unknown_command_is_an_error_of_the_caller() {
    let out = check(&["statsu"], "mode: observe\n");
    assert_eq!(out.status.code(), Some(2), "{}", all(&out));
    assert!(all(&out).contains("status"), "{}", all(&out));
}

#[test]
fn a_running_healer_keeps_the_last_good_configuration_and_says_so() {
    let Some(mut rig) = Rig::new("reload", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    let file = rig.path().join("healer.yaml");
    let good = std::fs::read_to_string(&file).expect("healer was installed there");
    std::fs::write(&file, format!("{good}\nmoed: observe\n")).expect("the folder is ours");
    let told = wait_for("the status tells of the wrong file", SOON, || {
        rig.healer.status().warnings.into_iter().find(|warning| warning.contains("last good"))
    });
    assert!(told.contains("moed") && told.contains("mode"), "{told}");
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
    std::fs::write(&file, good.replace("mode: auto", "mode: observe")).expect("the folder is ours");
    wait_for("the good file is in force", SOON, || {
        let status = rig.healer.status();
        (status.warnings.is_empty() && status.mode == model::settings::Mode::Observe).then_some(())
    });
}
