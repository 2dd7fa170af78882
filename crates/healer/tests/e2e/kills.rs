//! healer is killed at random moments of a repair, again and again: nothing may be doubled, stuck or forgotten.
//!
//! Half of the rounds strike a start, the other half a restart: there the blow falls after the stop was ordered, so that
//! a service which healer took down must be brought up by the next process, exactly once. The first two of those are
//! aimed: their blow falls while the service is down by healer's stop, whatever chance does in the others.
//!
//! Ten rounds in CI; `HEALER_KILLS=200` for more. Each round has a service of its own, since a service that crashes ten
//! times in a row is rightly escalated.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::thread;
use std::time::Duration;

use model::view::Standing;

use crate::limits::starts_it;
use crate::rig::{Rig, SOON, Service, tell, wait_for};

/// A repair takes less than a second, and verification one more: blows fall on all of it, and a little on the calm.
const BLOW_WITHIN_MS: u64 = 2_200;
/// A slow service stops for half a second and is started at once: most of these blows fall while it is down by our hand.
const PAIR_WITHIN_MS: u64 = 700;

/// What a repair that is struck is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It crashed: one start.
    Crash,
    /// Its healthcheck fails: a stop and a start.
    Sick,
    /// Somebody said `healer restart`: a stop and a start.
    Asked,
}

/// The rounds whose blow is aimed: the first of each reason that makes a pair.
const AIMED: [u32; 2] = [1, 3];

/// When a blow falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// So many milliseconds after the repair began.
    After(u64),
    /// As soon as the service is down by healer's stop, and before its start.
    WhileDown,
}

/// Budgets that many crashes on one host do not exhaust.
const GENEROUS: &str =
    "budgets: {stability: 1s, per_host: 100000/10m, everywhere: 100000/10m, per_deployment: 100/30m}\n";

fn rounds() -> u32 {
    std::env::var("HEALER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[test]
fn killed_at_random_moments_healer_neither_doubles_nor_forgets_nor_stays_stuck() {
    let Some(mut rig) = Rig::bare("kills", GENEROUS) else { return };
    rig.healer.start();
    let (mut blows, mut pairs, mut between) = (Vec::new(), 0, 0);
    for round in 0..rounds() {
        let reason = [Reason::Crash, Reason::Sick, Reason::Crash, Reason::Asked][round as usize % 4];
        // A repair may also be struck twice: the second blow falls on the recovery.
        let twice = random(round, 1).is_multiple_of(3);
        let within_ms = if reason == Reason::Crash { BLOW_WITHIN_MS } else { PAIR_WITHIN_MS };
        let first = match AIMED.contains(&round) {
            true => Blow::WhileDown,
            false => Blow::After(random(round, 2) % within_ms),
        };
        let second = random(round, 3) % BLOW_WITHIN_MS;
        blows.push(format!("{reason:?} {first:?}{}", if twice { format!("+{second}") } else { String::new() }));
        let said = format!("round {round}, blows {}", blows[blows.len() - 1]);
        let open = strike(&mut rig, round, reason, first, twice.then_some(second), &said);
        assert!(open || first != Blow::WhileDown, "{said}: it was up again before the blow that was aimed");
        pairs += u32::from(reason != Reason::Crash);
        between += u32::from(open);
    }
    eprintln!("struck: {}; {between} of {pairs} pairs between stop and start", blows.join(", "));
    assert!(pairs == 0 || between > 0, "no blow fell between a stop and its start");
    the_journal_is_whole(&mut rig);
    no_message_is_doubled(&rig);
}

#[test]
fn healer_that_is_told_to_end_in_the_middle_of_a_restart_brings_the_service_up_first() {
    let Some(mut rig) = Rig::new("ends", &[Service::slow("web")]) else { return };
    rig.start_healer(&["web"]);
    let container = rig.container("web");
    let mut person = rig.healer.spawn(&["restart", &rig.short("web")]);
    wait_for("it is told to stop", SOON, || (rig.count(&container, "kill") > 0).then_some(()));
    assert!(rig.healer.stop().success());
    let after = rig.container("web");
    assert_eq!(after.status, "running", "{}", rig.healer.log());
    assert_ne!(after.started_at, container.started_at, "it was restarted");
    assert!(person.wait().expect("it is our child").success(), "who asked for it is told so");
}

/// One service, one repair, one or two blows; then all must be well. Says whether the first blow fell between the stop
/// and the start of a pair.
fn strike(rig: &mut Rig, round: u32, reason: Reason, first: Blow, second_ms: Option<u64>, said: &str) -> bool {
    let project = format!("kill{round}");
    rig.project.clone_from(&project);
    let check = "healthcheck: {test: [CMD, test, -f, /ok], interval: 1s, timeout: 5s, retries: 1}";
    let stopping = if first == Blow::WhileDown { Service::stubborn } else { Service::slow };
    let service = match reason {
        Reason::Crash => Service::web("web"),
        Reason::Sick => stopping("web").with(check),
        Reason::Asked => stopping("web"),
    };
    rig.write_project(&project, &[service]);
    let folder = rig.project_folder(&project);
    let up = rig.engine.compose(&folder, &project, &["up", "-d"]);
    assert!(up.status.success(), "{said}: {}", String::from_utf8_lossy(&up.stderr));
    rig.wait_for_resource("web", |resource| resource.run.is_some() && resource.intent.is_some());
    let container = rig.container("web");
    let mut person = None;
    match reason {
        Reason::Crash => tell(&folder, "web", "crash"),
        Reason::Sick => {
            rig.wait_for_container("web", |container| container.health == "healthy");
            tell(&folder, "web", "sick");
        }
        Reason::Asked => person = Some(rig.healer.spawn(&["restart", &rig.short("web")])),
    }
    if reason != Reason::Crash {
        wait_for(&format!("{said}: it is told to stop"), SOON, || (rig.count(&container, "kill") > 0).then_some(()));
    }
    match first {
        Blow::After(ms) => blow(rig, ms),
        Blow::WhileDown => blow_while_down(rig, &folder, said),
    }
    // The recorder may be a moment behind the engine.
    let open = reason != Reason::Crash && rig.container("web").started_at == container.started_at;
    if let Some(mut person) = person {
        // Their healer is dead, which their command says; or it was done before.
        person.wait().expect("it is our child");
    }
    if let Some(ms) = second_ms {
        rig.healer.start_without_waiting();
        blow(rig, ms);
    }
    rig.healer.start();

    let container = wait_for(&format!("{said}: it runs again"), SOON, || {
        // Before the blow it may not even have crashed.
        Some(rig.container("web")).filter(|container| container.status == "running" && rig.starts(container) >= 2)
    });
    wait_for(&format!("{said}: its incident is over"), SOON, || {
        let incidents = rig.incidents("web");
        let told = reason == Reason::Asked || !incidents.is_empty();
        (told && incidents.iter().all(|incident| incident.phase == "resolved")).then_some(())
    });
    rig.wait_for_resource("web", |resource| resource.standing == Standing::Well);
    let journal = rig.journal_of("web");
    let allowed = journal.iter().filter(|entry| starts_it(&entry.event)).count();
    let by_healer = rig.starts(&container) - 1;
    assert!(by_healer <= allowed, "{said}: {by_healer} starts, of which only {allowed} stand in the journal");
    assert_eq!(by_healer, 1, "{said}: one repair needs one start");
    let stops = usize::from(reason != Reason::Crash);
    assert_eq!(rig.count(&container, "die"), 1, "{said}: it ended more than once");
    assert!(rig.count(&container, "stop") <= stops, "{said}: it was stopped although it had been brought up again");
    rig.engine.docker(&["rm", "--force", &container.id]);
    open
}

fn blow(rig: &mut Rig, after_ms: u64) {
    // strikes at a random moment
    thread::sleep(Duration::from_millis(after_ms));
    rig.healer.kill();
}

/// Strikes between the stop of a pair and its start. That moment is as short as healer can make it, so the service holds
/// its stop up until healer is halted: it goes down then, and whoever would start it is struck before it can.
fn blow_while_down(rig: &mut Rig, folder: &Path, said: &str) {
    rig.healer.halt();
    tell(folder, "web", "end");
    wait_for(&format!("{said}: it is down by healer's stop"), SOON, || {
        (rig.container("web").status == "exited").then_some(())
    });
    rig.healer.kill();
}

/// The standard library seeds each hasher anew: random enough to aim with.
fn random(round: u32, salt: u32) -> u64 {
    RandomState::new().hash_one((round, salt))
}

/// No gap, no epoch that goes back, and a chain of hashes that holds from its beginning.
fn the_journal_is_whole(rig: &mut Rig) {
    assert!(rig.healer.stop().success());
    let reader = store::Reader::open(&rig.path().join("state")).expect("healer wrote it");
    reader.verify().expect("the chain holds");
    rig.healer.start();
    let journal = rig.healer.journal();
    for (at, entry) in journal.iter().enumerate() {
        assert_eq!(entry.seq, at as u64 + 1, "a gap before {entry:?}");
    }
    assert!(journal.is_sorted_by_key(|entry| entry.epoch));
    let open = rig.healer.incidents().into_iter().filter(|incident| incident.ended.is_none()).count();
    assert_eq!(open, 0);
}

/// A message may arrive twice when healer dies between the answer and its record; then with the same id. No incident
/// has two messages that say the same.
fn no_message_is_doubled(rig: &Rig) {
    let mut ids: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for delivery in rig.hook.taken() {
        let body = delivery.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let seen = ids.entry((text("incident"), text("kind"))).or_default();
        if !seen.contains(&text("id")) {
            seen.push(text("id"));
        }
    }
    let ends = ids.iter().filter(|((_, kind), _)| kind != "updated");
    for (thread, seen) in ends {
        assert_eq!(seen.len(), 1, "{thread:?} was told as {seen:?}");
    }
}
