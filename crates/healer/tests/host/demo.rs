//! `healer demo`: to its end, and ended at any moment; nothing of it is left.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::house::processes_of;

fn demo(folder: &Path, once: bool) -> Child {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_healer"));
    demo.arg("demo").args(once.then_some("--once")).env("TMPDIR", folder).env("COLUMNS", "80").env("NO_COLOR", "1");
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("healer can be run")
}

fn nothing_is_left(folder: &Path) {
    let left: Vec<_> =
        fs::read_dir(folder).expect("it is ours").map(|entry| entry.expect("it is ours").path()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    assert_eq!(processes_of(folder), Vec::<String>::new());
}

#[test]
fn once_all_is_healed_or_left_alone_rightly_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), true).wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for says in [
        "cause: somebody killed it (KILL), and it was not healer",
        "cause: its healthcheck fails",
        "cause: it says that it has no memory left",
        "it is taken",
        "healer leaves it to a person",
        "left alone:",
    ] {
        assert!(out.replace("\n                    ", " ").contains(says), "{says}\n{out}");
    }
    let widest = out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{out}");
    nothing_is_left(folder.path());
}

#[test]
fn ended_at_any_moment_nothing_of_it_is_left() {
    let mut seed = u64::from(std::process::id());
    let mut below = |most: u64| {
        // Knuth's linear congruential generator (MMIX).
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for _ in 0..5 {
        let runs: Vec<_> = [(Signal::INT, true), (Signal::TERM, false)]
            .map(|(signal, once)| (signal, Duration::from_millis(below(12_000)), once))
            .map(|(signal, after, once)| {
                thread::spawn(move || {
                    let folder = tempfile::tempdir().unwrap();
                    let demo = demo(folder.path(), once);
                    // strikes at a random moment
                    thread::sleep(after);
                    kill_process(Pid::from_child(&demo), signal).unwrap();
                    let output = demo.wait_with_output().unwrap();
                    let out = String::from_utf8_lossy(&output.stdout).into_owned();
                    assert!(out.ends_with("its folder is gone.\n"), "after {after:?}:\n{out}");
                    nothing_is_left(folder.path());
                })
            })
            .into_iter()
            .collect();
        for run in runs {
            run.join().unwrap();
        }
    }
}
