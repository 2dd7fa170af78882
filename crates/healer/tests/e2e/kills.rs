//! healer is killed at random moments of a repair, again and again: nothing may be doubled, stuck or forgotten.
//!
//! Ten rounds in CI; `HEALER_KILLS=200` for more. Each round has a service of its own, since a service that crashes ten
//! times in a row is rightly escalated.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::Duration;

use crate::limits::starts_it;
use crate::rig::{Rig, SOON, Service, tell, wait_for};

/// A repair takes less than a second, and verification one more: blows fall on all of it, and a little on the calm.
const BLOW_WITHIN_MS: u64 = 2_200;

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
    let mut blows = Vec::new();
    for round in 0..rounds() {
        // A repair may also be struck twice: the second blow falls on the recovery.
        let twice = random(round, 1).is_multiple_of(3);
        let first = random(round, 2) % BLOW_WITHIN_MS;
        let second = random(round, 3) % BLOW_WITHIN_MS;
        blows.push(format!("{first}{}", if twice { format!("+{second}") } else { String::new() }));
        let said = format!("round {round}, blows after {} ms", blows[blows.len() - 1]);
        strike(&mut rig, round, first, twice.then_some(second), &said);
    }
    eprintln!("struck after {} ms", blows.join(", "));
    the_journal_is_whole(&mut rig);
    no_message_is_doubled(&rig);
}

/// One service, one crash, one or two blows; then all must be well.
fn strike(rig: &mut Rig, round: u32, first_ms: u64, second_ms: Option<u64>, said: &str) {
    let project = format!("kill{round}");
    rig.project.clone_from(&project);
    rig.write_project(&project, &[Service::web("web")]);
    let folder = rig.project_folder(&project);
    let up = rig.engine.compose(&folder, &project, &["up", "-d"]);
    assert!(up.status.success(), "{said}: {}", String::from_utf8_lossy(&up.stderr));
    rig.wait_for_resource("web", |resource| resource.run.is_some() && resource.intent.is_some());
    tell(&folder, "web", "crash");
    blow(rig, first_ms);
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
        (!incidents.is_empty() && incidents.iter().all(|incident| incident.phase == "resolved")).then_some(())
    });
    let allowed = rig.journal_of("web").into_iter().filter(|entry| starts_it(&entry.event));
    let (by_healer, allowed) = (rig.starts(&container) - 1, allowed.count());
    assert!(by_healer <= allowed, "{said}: {by_healer} starts, of which only {allowed} stand in the journal");
    assert_eq!(by_healer, 1, "{said}: one crash needs one start");
    rig.engine.docker(&["rm", "--force", &container.id]);
}

fn blow(rig: &mut Rig, after_ms: u64) {
    // strikes at a random moment
    thread::sleep(Duration::from_millis(after_ms));
    rig.healer.kill();
}

/// The standard library seeds each hasher anew: random enough to aim with.
fn random(round: u32, salt: u32) -> u64 {
    RandomState::new().hash_one((round, salt))
}

/// No gap, no epoch that goes back; and a start checks the chain of hashes, and refuses a journal whose chain is broken.
fn the_journal_is_whole(rig: &mut Rig) {
    assert!(rig.healer.stop().success());
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
