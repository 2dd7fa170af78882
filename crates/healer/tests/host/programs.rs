//! Programs that behave badly, and checks that tell of it.

use std::fs;

use model::view::Standing;

use crate::house::{House, kill, lives, skip};

/// A program that writes its process, and that of a child of its own, before it goes on with this.
fn with_child(house: &House, name: &str, then: &str) -> String {
    let file = house.path().join(format!("{name}.child"));
    format!(
        "{{name: {name}, stop_grace_period: 1s, command: [sh, -c, \"sleep 1000 & echo $! > {}; {then}\"]}}",
        file.display()
    )
}

fn child_of(house: &House, name: &str) -> Option<i32> {
    fs::read_to_string(house.path().join(format!("{name}.child"))).ok()?.trim().parse().ok()
}

fn restarted_with(services: impl Fn(&House) -> Vec<String>) -> House {
    let mut house = House::new(&[]);
    house.write(&services(&house));
    house.end(rustix::process::Signal::TERM);
    house.start();
    house
}

#[test]
fn a_program_that_ignores_term_is_killed_after_its_time_with_all_that_it_started() {
    let house = restarted_with(|house| vec![with_child(house, "deaf", "trap '' TERM; while :; do sleep 0.1; done")]);
    let pid = house.wait_for_another("deaf", None);
    let child = house.wait("its child", || child_of(&house, "deaf"));
    house.wait_for_standing("deaf", Standing::Well);
    assert!(house.cli(&["stop", "deaf"]).status.success());
    assert!(!lives(pid) && !lives(child), "it answers once it is done");
    house.wait_for_standing("deaf", Standing::Stopped);
}

#[test]
fn what_a_program_leaves_behind_ends_with_it_also_out_of_its_group() {
    let house = restarted_with(|house| {
        let file = house.path().join("web.child");
        let leaves =
            format!("setsid sh -c 'echo $$ > {}; exec sleep 1000' & while :; do sleep 0.1; done", file.display());
        vec![format!("{{name: web, command: [sh, -c, \"{leaves}\"]}}")]
    });
    let pid = house.wait_for_another("web", None);
    let child = house.wait("its child", || child_of(&house, "web"));
    kill(pid);
    house.wait_for_another("web", Some(pid));
    assert!(!lives(child), "two of them would serve the same");
}

#[test]
fn a_program_that_puts_itself_into_the_background_is_named_and_left_to_a_person() {
    let house = restarted_with(|house| vec![with_child(house, "forks", "exit 0")]);
    house.wait_for_standing("forks", Standing::NeedsYou);
    let why = house.why("forks");
    assert!(why.contains("it may put itself into the background"), "{why}");
    let child = house.wait("its child", || child_of(&house, "forks"));
    assert!(!lives(child));
}

#[test]
fn a_program_that_cannot_be_started_is_told_of_in_words() {
    let house = restarted_with(|house| {
        let script = house.path().join("no-reader");
        fs::write(&script, "no program\n").unwrap();
        let text = house.path().join("text");
        fs::write(&text, "\u{1}\u{2}").unwrap();
        std::fs::set_permissions(&text, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        vec![
            "{name: absent, command: [/no/such/program]}".to_owned(),
            format!("{{name: notrunnable, command: [{}]}}", script.display()),
            format!("{{name: nobinary, command: [{}]}}", text.display()),
            "{name: homeless, command: [sleep, \"1000\"], working_dir: /no/such/folder}".to_owned(),
            "{name: nobodys, command: [sleep, \"1000\"], user: nobody-of-that-name}".to_owned(),
        ]
    });
    let table = [
        ("absent", "/no/such/program: there is no such program"),
        ("notrunnable", "it may not be run"),
        ("nobinary", "no program for this machine"),
        ("homeless", "its working_dir /no/such/folder is not there"),
        ("nobodys", "there is no user nobody-of-that-name"),
    ];
    for (name, says) in table {
        let because = house.wait_for_standing(name, Standing::NeedsYou).why;
        let why = house.why(name);
        assert!(why.contains(says), "{name}: {because}\n{why}");
        assert!(!why.contains("in its image") && !why.contains("the engine"), "{name}:\n{why}");
    }
}

#[test]
fn a_program_that_ends_at_each_start_is_tried_again_ever_more_rarely() {
    let house = restarted_with(|house| {
        let file = house.path().join("starts");
        vec![format!("{{name: flaps, command: [sh, -c, \"echo start >> {}; sleep 0.1; exit 7\"]}}", file.display())]
    });
    let because = house.wait_for_standing("flaps", Standing::Held).why;
    assert!(because.contains("exit 7") && because.contains("attempt"), "{because}");
    let starts = fs::read_to_string(house.path().join("starts")).unwrap().lines().count();
    assert!((1..=3).contains(&starts), "{starts} starts");
}

#[test]
fn a_check_that_fails_has_a_service_started_anew_and_its_words_are_quoted() {
    let house = restarted_with(|house| {
        let sick = house.path().join("sick").display().to_string();
        let check = format!(
            "{{command: [sh, -c, \"test ! -e {sick} || {{ echo queue is stuck; exit 1; }}\"], every: 1s, failures: 2}}"
        );
        // Started anew it is well.
        vec![format!("{{name: web, command: [sh, -c, \"rm -f {sick}; exec sleep 1000\"], check: {check}}}")]
    });
    let pid = house.wait_for_another("web", None);
    house.wait_for_standing("web", Standing::Well);
    fs::write(house.path().join("sick"), "").unwrap();
    house.wait_for_another("web", Some(pid));
    assert!(!lives(pid));
    house.wait_for_standing("web", Standing::Well);
    assert!(house.why("web").contains("queue is stuck"), "{}", house.why("web"));
}

#[test]
fn who_has_the_port_that_a_program_wants_is_named_and_it_follows_once_that_is_gone() {
    let thief = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = thief.local_addr().unwrap().port();
    let healer = env!("CARGO_BIN_EXE_healer");
    let house = restarted_with(|_| {
        vec![format!("{{name: web, command: [{healer}, demo-service, web, \"{port}\", /no/such/file]}}")]
    });
    let own = format!("it is taken by {}", linux::named(std::process::id()));
    house.wait("that to be told", || house.why("web").contains(&own).then_some(()));
    drop(thief);
    house.wait_for_standing("web", Standing::Well);
}

/// A group of processes that may use so much memory; gone when it is dropped.
struct MemoryGroup(std::path::PathBuf);

impl MemoryGroup {
    /// `None`, and a word about it, where this user can make none (cgroup v1).
    fn make(limit_bytes: u64) -> Option<MemoryGroup> {
        let path = std::path::PathBuf::from(format!("/sys/fs/cgroup/memory/healer-test-{}", std::process::id()));
        if fs::create_dir(&path).is_err() {
            skip("memory-group");
            return None;
        }
        fs::write(path.join("memory.limit_in_bytes"), limit_bytes.to_string()).expect("it is ours");
        Some(MemoryGroup(path))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_program_that_the_kernel_kills_for_want_of_memory_is_told_from_one_that_somebody_kills() {
    let Some(group) = MemoryGroup::make(32 << 20) else { return };
    let tasks = group.0.join("tasks").display().to_string();
    let house = restarted_with(|house| {
        let once = house.path().join("once").display().to_string();
        // The first time it takes what it gets; its processes leave the group by ending.
        let script =
            format!("[ -e {once} ] && exec sleep 1000; touch {once}; sleep 1; echo $$ > {tasks}; exec tail /dev/zero");
        vec![format!("{{name: greedy, command: [sh, -c, \"{script}\"]}}")]
    });
    let pid = house.wait_for_another("greedy", None);
    let again = house.wait_for_another("greedy", Some(pid));
    let why = house.why("greedy");
    assert!(why.contains("cause: out of memory in the main process, likely"), "{why}");
    house.wait_for_standing("greedy", Standing::Well);
    kill(again);
    house.wait("that to be told", || house.why("greedy").contains("somebody killed it (KILL)").then_some(()));
}

#[test]
fn a_log_without_end_takes_no_disk_without_end() {
    const MOST_BYTES: u64 = 1024 * 1024 * 1024;
    // A gigabyte and more, as fast as it can.
    let noise = "yes 'all is well and this line says so at some length' | head -c 1500000000; exec sleep 1000";
    let house = restarted_with(|_| vec![format!("{{name: loud, command: [sh, -c, \"{noise}\"]}}")]);
    let pid = house.wait_for_another("loud", None);
    let log = house.folder_of("loud").join("log");
    let mut largest = 0;
    house.wait("it to be quiet", || {
        largest = largest.max(fs::metadata(&log).map_or(0, |about| about.len()));
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.starts_with("sleep").then_some(())
    });
    house.wait("the log to be short", || fs::metadata(&log).is_ok_and(|about| about.len() < 32 << 20).then_some(()));
    assert!(largest < MOST_BYTES, "{largest} bytes");
    house.wait_for_standing("loud", Standing::Well);
}
