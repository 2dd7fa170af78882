//! Units of systemd: a systemd of the test's own is process 1 of namespaces that it has to itself, with its own units alone,
//! a bus among them, and healer is one of them.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use model::view::{Resource, Standing};
use rustix::process::Signal;

use crate::house::{House, kill, skip};

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Before systemd begins: what it would share with the host is its own.
const ALONE: &str = "set -e
mount --make-rprivate /
mount -t proc proc /proc
for at in /run /var/log /sys/fs/cgroup; do mount -t tmpfs tmpfs $at; done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd || mount -t cgroup2 cgroup2 /sys/fs/cgroup
export container=healer-test SYSTEMD_UNIT_PATH=$1
exec /lib/systemd/systemd --unit=all.target --log-target=journal --show-status=0
";

/// A host that systemd runs, with healer on it.
struct Booted {
    house: House,
    unshare: Child,
    init: i32,
}

impl Booted {
    /// These units, each with its `[Service]` section, and how healer names them. `None` where no systemd can be had.
    fn new(units: &[(&str, &str)], services: &[String]) -> Option<Booted> {
        if !Path::new(SYSTEMD).exists() {
            skip("systemd is not installed");
            return None;
        }
        let mut house = House::new(&[]);
        house.end(Signal::TERM);
        house.write(services);
        let folder = house.path().join("units");
        fs::create_dir(&folder).expect("the folder is ours");
        for unit in ["systemd-journald.service", "systemd-journald.socket", "dbus.service", "dbus.socket"] {
            let text =
                fs::read_to_string(Path::new("/lib/systemd/system").join(unit)).expect("systemd and dbus bring it");
            let alone = text.replacen("[Unit]", "[Unit]\nDefaultDependencies=no", 1);
            fs::write(folder.join(unit), alone).expect("the folder is ours");
        }
        let healer = format!(
            "Type=notify\nExecStart={} run --config {}\nStandardError=append:{}",
            env!("CARGO_BIN_EXE_healer"),
            house.path().join("healer.yaml").display(),
            house.path().join("log").display()
        );
        for (name, section) in units.iter().copied().chain([("healer", healer.as_str())]) {
            let text = format!("[Unit]\nDefaultDependencies=no\n[Service]\n{section}\n");
            fs::write(folder.join(format!("{name}.service")), text).expect("the folder is ours");
        }
        let wanted: Vec<String> = units.iter().map(|(name, _)| format!("{name}.service")).collect();
        let all = format!(
            "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.socket dbus.socket dbus.service healer.service {}\n",
            wanted.join(" ")
        );
        fs::write(folder.join("all.target"), all).expect("the folder is ours");
        let namespaces =
            ["--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "sh", "-c", ALONE, "sh"];
        let mut unshare = Command::new("unshare");
        unshare.args(namespaces).arg(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut unshare = unshare.spawn().expect("unshare is there");
        let init = house.wait("a systemd of one's own", || {
            if unshare.try_wait().expect("it is ours").is_some() {
                return Some(None);
            }
            let children = format!("/proc/{0}/task/{0}/children", unshare.id());
            let init: i32 = fs::read_to_string(children).ok()?.trim().parse().ok()?;
            let begun = fs::read_to_string(format!("/proc/{init}/comm")).ok()?.trim() == "systemd";
            begun.then_some(Some(init))
        });
        let Some(init) = init else {
            skip("a systemd of one's own cannot be started here");
            return None;
        };
        Some(Booted { house, unshare, init })
    }

    fn systemctl(&self, words: &[&str]) -> String {
        let mut enter = Command::new("nsenter");
        enter.args(["--mount", "--pid", "--target", &self.init.to_string(), "systemctl"]).args(words);
        String::from_utf8_lossy(&enter.output().expect("nsenter is there").stdout).trim().to_owned()
    }

    fn property(&self, unit: &str, name: &str) -> String {
        self.systemctl(&["show", "--value", "--property", name, unit])
    }

    /// The main process, as it is numbered out here: its parent is systemd.
    fn main_of(&self, unit: &str) -> i32 {
        self.house.wait(&format!("{unit} to have a main process"), || self.has_main(unit))
    }

    fn has_main(&self, unit: &str) -> Option<i32> {
        let number = self.property(unit, "MainPID");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.init)).ok()?;
        let is_it = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            inside.split_whitespace().last() == Some(number.as_str())
        };
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_it)
    }

    fn stands(&self, name: &str, standing: Standing) -> Resource {
        self.house.wait_for_standing(name, standing)
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // All that runs there ends with it.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

const RUNS: &str = "ExecStart=/bin/sleep 100000";

fn named(name: &str) -> String {
    format!("{{name: {name}, unit: {name}.service}}")
}

#[test]
fn what_fails_is_started_and_what_somebody_stopped_is_not() {
    let units = [("web", RUNS), ("wiki", RUNS), ("mail", RUNS), ("api", RUNS)];
    let services = ["web", "wiki", "mail", "api"].map(named);
    let Some(booted) = Booted::new(&units, &services) else { return };
    for name in ["web", "wiki", "mail", "api"] {
        booted.stands(name, Standing::Well);
    }
    booted.systemctl(&["stop", "wiki"]);
    booted.systemctl(&["kill", "mail"]);
    booted.stands("wiki", Standing::Stopped);
    booted.stands("mail", Standing::Stopped);
    kill(booted.main_of("web"));
    booted.house.wait("web to be healed", || booted.house.why("web").contains("over: healed").then_some(()));
    assert_eq!(booted.property("web", "ActiveState"), "active");
    let why = booted.house.why("web");
    assert!(why.contains("somebody killed it (KILL), and it was not healer"), "{why}");
    // They were down all the while.
    assert_eq!(
        (booted.property("wiki", "ActiveState"), booted.property("mail", "ActiveState")),
        ("inactive".into(), "inactive".into())
    );
    let why = booted.house.why("wiki");
    assert!(why.contains("it shall be stopped: somebody stopped it through systemd"), "{why}");
    // What healer is told goes through systemd, too, and a start is a wish again.
    assert!(booted.house.cli(&["stop", "api"]).status.success());
    booted.stands("api", Standing::Stopped);
    assert_eq!(booted.property("api", "ActiveState"), "inactive");
    assert!(booted.house.cli(&["start", "api"]).status.success());
    booted.stands("api", Standing::Well);
    booted.systemctl(&["start", "wiki"]);
    booted.stands("wiki", Standing::Well);
}

#[test]
fn what_cannot_be_started_is_a_persons_with_systemds_reason() {
    let units = [
        ("lost", "ExecStart=/opt/no/such/program"),
        ("nobody", "ExecStart=/bin/sleep 1000\nUser=no-such-user"),
        ("job", "Type=oneshot\nExecStart=/bin/true"),
    ];
    let services = ["lost", "nobody", "job", "gone", "healer"].map(named);
    let Some(booted) = Booted::new(&units, &services) else { return };
    let lost = booted.stands("lost", Standing::NeedsYou);
    assert!(lost.why.contains("its command is not there, or cannot be executed"), "{}", lost.why);
    let nobody = booted.stands("nobody", Standing::NeedsYou);
    assert!(nobody.why.contains("its user is not known"), "{}", nobody.why);
    let told = |name: &str, says: &str| {
        booted.house.wait(says, || booted.house.service(name).filter(|it| it.why.contains(says)));
    };
    told("gone", "systemd knows no unit gone.service");
    told("job", "it ends when its work is done");
    // It acts on itself in no way.
    told("healer", "it is healer itself");
}

#[test]
fn what_crashes_is_told_with_its_journal_and_what_systemd_restarts_by_itself_is_left_to_it() {
    let crashes = "ExecStart=/bin/sh -c 'echo fatal: cannot open database file; exit 3'";
    let restarts = format!("{RUNS}\nRestart=always\nRestartSec=500ms");
    let units = [("crashes", crashes), ("restarts", restarts.as_str())];
    let Some(booted) = Booted::new(&units, &["crashes", "restarts"].map(named)) else { return };
    booted.stands("restarts", Standing::Well);
    let before = booted.main_of("restarts");
    kill(before);
    booted.house.wait("systemd to restart it", || (booted.property("restarts", "NRestarts") == "1").then_some(()));
    booted.stands("restarts", Standing::Well);
    let why = booted.house.why("restarts");
    assert!(!why.contains("start allowed"), "{why}");
    let why = booted.house.wait("it to be diagnosed", || {
        Some(booted.house.why("crashes")).filter(|why| why.contains("its log tells of an error"))
    });
    assert!(
        why.contains("it crashed by an error of its own (exit 3)") && why.contains("cannot open database file"),
        "{why}"
    );
    assert!(why.contains("start allowed: attempt 1"), "{why}");
}

#[test]
fn what_is_stopped_where_no_process_tells_of_it_stays_down() {
    let remains = "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true";
    let forks = "Type=forking\nGuessMainPID=no\nExecStart=/bin/sh -c '/bin/sleep 10000 & /bin/sleep 10000 & exit 0'";
    let waits = "Restart=always\nRestartSec=60\nExecStart=/bin/sh -c 'test -e /run/web || exit 3; exec sleep 10000'";
    let starts = "Type=notify\nTimeoutStartSec=600\nExecStart=/bin/sleep 10000";
    let units = [("remains", remains), ("forks", forks), ("waits", waits), ("starts", starts)];
    let names = ["remains", "forks", "waits", "starts"];
    let Some(booted) = Booted::new(&units, &names.map(named)) else { return };
    booted.stands("remains", Standing::Well);
    booted.stands("forks", Standing::Well);
    let is = |name: &str, sub: &str| {
        booted.house.wait(sub, || (booted.property(name, "SubState") == sub).then_some(()));
        booted.house.wait(name, || booted.house.service(name).filter(|it| it.run.is_some()));
    };
    is("waits", "auto-restart");
    is("starts", "start");
    for name in names {
        booted.systemctl(&["stop", name]);
        booted.stands(name, Standing::Stopped);
    }
    for name in names {
        assert_eq!(booted.property(name, "ActiveState"), "inactive", "{name}: {}", booted.house.why(name));
    }
}

#[test]
fn what_fails_its_check_is_restarted_and_nobody_takes_that_for_a_persons_stop() {
    let units = [("web", RUNS)];
    let Some(booted) = Booted::new(&units, &[]) else { return };
    let works = booted.house.path().join("works");
    fs::write(&works, "").expect("the folder is ours");
    let check = format!("{{command: [test, -e, {}], every: 1s, failures: 2}}", works.display());
    booted.house.write(&[format!("{{name: web, unit: web, check: {check}}}")]);
    booted.systemctl(&["restart", "healer"]);
    booted.stands("web", Standing::Well);
    let before = booted.main_of("web");
    fs::remove_file(&works).expect("it is ours");
    let another = booted.house.wait("another life of it", || booted.has_main("web").filter(|pid| *pid != before));
    fs::write(&works, "").expect("the folder is ours");
    booted.house.wait("web to be healed", || booted.house.why("web").contains("over: healed").then_some(()));
    booted.stands("web", Standing::Well);
    assert_eq!(booted.main_of("web"), another);
    assert!(!booted.house.why("web").contains("somebody"), "{}", booted.house.why("web"));
}

#[test]
fn what_fails_or_is_stopped_while_healer_is_away_is_told_apart_when_it_is_back() {
    let units = [("web", RUNS), ("wiki", RUNS), ("mail", RUNS)];
    let Some(booted) = Booted::new(&units, &["web", "wiki", "mail"].map(named)) else { return };
    for name in ["web", "wiki", "mail"] {
        booted.stands(name, Standing::Well);
    }
    booted.systemctl(&["stop", "healer"]);
    kill(booted.main_of("web"));
    booted.systemctl(&["stop", "wiki"]);
    booted.systemctl(&["kill", "mail"]);
    booted.house.wait("it to end", || (booted.property("mail", "ActiveState") == "inactive").then_some(()));
    booted.systemctl(&["start", "healer"]);
    booted.house.wait("web to be healed", || booted.house.why("web").contains("over: healed").then_some(()));
    booted.stands("wiki", Standing::Stopped);
    booted.stands("mail", Standing::Stopped);
    assert_eq!(booted.property("wiki", "ActiveState"), "inactive");
    assert_eq!(booted.property("mail", "ActiveState"), "inactive");
}
