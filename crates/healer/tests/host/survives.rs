//! Programs outlive healer, and what is wanted of them outlives it too.

use std::fs;
use std::thread;
use std::time::Duration;

use model::view::Standing;
use rustix::process::{Pid, Signal, kill_process};

use crate::house::{House, kill, lives};

#[test]
fn what_is_killed_runs_again_and_what_is_stopped_on_purpose_stays_down_whatever_becomes_of_healer() {
    let names = ["web", "report"];
    let mut house = House::new(&names.map(|name| format!("{{name: {name}, command: [sleep, \"1000\"]}}")));
    let (web, report) = (house.wait_for_another("web", None), house.wait_for_another("report", None));
    kill(web);
    let again = house.wait_for_another("web", Some(web));
    house.wait_for_standing("web", Standing::Well);
    assert!(house.why("web").contains("somebody killed it (KILL), and it was not healer"), "{}", house.why("web"));
    assert!(house.cli(&["stop", "report"]).status.success());
    house.wait_for_standing("report", Standing::Stopped);
    assert!(!lives(report));
    for signal in [Signal::KILL, Signal::TERM] {
        house.end(signal);
        house.start();
        house.wait_for_standing("report", Standing::Stopped);
        house.wait_for_standing("web", Standing::Well);
        assert_eq!(house.pid("web"), Some(again), "it ran on, and was not started again");
    }
    assert_eq!(house.pid("report"), Some(report), "nothing was started");
    assert!(house.cli(&["start", "report"]).status.success());
    house.wait_for_another("report", Some(report));
}

#[test]
fn fifty_programs_outlive_a_healer_that_is_killed_and_none_is_started_twice() {
    let names: Vec<String> = (0..50).map(|at| format!("s{at}")).collect();
    let mut house = House::new(&[]);
    let starts = |house: &House, name: &str| {
        fs::read_to_string(house.path().join(format!("{name}.starts"))).map_or(0, |text| text.lines().count())
    };
    let service = |house: &House, name: &String| {
        let file = house.path().join(format!("{name}.starts"));
        format!("{{name: {name}, command: [sh, -c, \"echo start >> {}; exec sleep 1000\"]}}", file.display())
    };
    let services: Vec<String> = names.iter().map(|name| service(&house, name)).collect();
    house.write(&services);
    house.end(Signal::KILL);
    house.start();
    let pids: Vec<i32> = names.iter().map(|name| house.wait_for_another(name, None)).collect();
    house.end(Signal::KILL);
    assert!(pids.iter().all(|pid| lives(*pid)));
    // One of them ends while nobody watches.
    kill(pids[7]);
    house.start();
    house.wait_for_another("s7", Some(pids[7]));
    for name in &names {
        house.wait_for_standing(name, Standing::Well);
    }
    for (name, pid) in names.iter().zip(&pids) {
        let expect = if name == "s7" { 2 } else { 1 };
        assert_eq!(starts(&house, name), expect, "{name}");
        assert_eq!(house.pid(name) == Some(*pid), expect == 1, "{name}");
    }
}

#[test]
fn what_was_killed_with_its_keeper_while_healer_was_away_is_started_again() {
    let mut house = House::new(&["{name: web, command: [sleep, \"1000\"]}".to_owned()]);
    let web = house.wait_for_another("web", None);
    house.wait_for_standing("web", Standing::Well);
    house.end(Signal::KILL);
    kill(house.keeper("web").unwrap());
    kill(web);
    house.start();
    house.wait_for_another("web", Some(web));
    house.wait_for_standing("web", Standing::Well);
    assert!(house.why("web").contains("it ended while nothing watched it"), "{}", house.why("web"));
}

#[test]
fn what_the_configuration_does_not_name_any_more_runs_on_and_is_told_with_the_way_to_end_it() {
    let service = |name: &str| format!("{{name: {name}, command: [sleep, \"1000\"]}}");
    let mut house = House::new(&[service("web"), service("old")]);
    let old = house.wait_for_another("old", None);
    let keeper = house.keeper("old").unwrap();
    house.end(Signal::TERM);
    house.write(&[service("web")]);
    house.start();
    let told = house.wait("that to be told", || {
        let status = String::from_utf8_lossy(&house.cli(&["status", "--format", "json"]).stdout).into_owned();
        status.contains("the service old runs on").then_some(status)
    });
    assert!(told.contains(&format!("kill -USR1 {keeper}")) && lives(old), "{told}");
    kill_process(Pid::from_raw(keeper).unwrap(), Signal::USR1).unwrap();
    house.wait("it to end", || (!lives(old)).then_some(()));
}

#[test]
fn a_program_whose_keeper_was_killed_is_watched_and_started_again_once_it_ends() {
    let house = House::new(&["{name: web, command: [sleep, \"1000\"]}".to_owned()]);
    let web = house.wait_for_another("web", None);
    house.wait_for_standing("web", Standing::Well);
    kill(house.keeper("web").unwrap());
    // strikes at a random moment
    thread::sleep(Duration::from_millis(300));
    assert!(lives(web), "it is nobody's to end with its keeper");
    assert_eq!(house.pid("web"), Some(web), "and not started a second time");
    kill(web);
    house.wait_for_another("web", Some(web));
}
