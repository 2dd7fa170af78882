//! Planted faults: each is switched on alone, and some world has to find it. A check that finds nothing proves nothing.

use std::fmt;
use std::time::{Duration, Instant};

use crate::{Broken, Plan, run};

/// A fault, and how it is planted.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// Its name.
    pub name: &'static str,
    plant: fn(&mut Plan),
}

/// What a hunt came to.
#[derive(Debug, Clone)]
#[must_use]
pub struct Found {
    /// The fault's name.
    pub name: &'static str,
    /// The promise whose break gave it away; `None` if no world found it.
    pub by: Option<Broken>,
    /// How many worlds were played.
    pub worlds: u64,
    /// How long it took.
    pub took: Duration,
}

macro_rules! planted {
    ($($part:ident . $flag:ident),* $(,)?) => {
        &[$(Planted { name: stringify!($flag), plant: |plan| plan.$part.$flag = true }),*]
    };
}

const PLANTED: &[Planted] = planted![
    engine.attempt_not_counted,
    engine.intent_not_asked,
    engine.freeze_not_asked,
    engine.deadline_forgotten,
    engine.stale_facts_believed,
    engine.foreign_stop_taken_for_ours,
    engine.pair_left_open,
    engine.verified_at_once,
    engine.leases_ignored,
    engine.wait_skipped,
    engine.told_at_each_turn,
    engine.owner_stop_forgotten,
    engine.first_sight_guessed,
    engine.act_repeated_blindly,
    engine.children_forgotten,
    gate.intent_not_reread,
    gate.permit_used_twice,
    gate.epoch_ignored,
    gate.permit_never_expires,
    turn.performed_before_the_append,
    turn.uncommitted_performed,
    turn.inputs_dropped,
    turn.not_folded_anew,
    turn.gate_not_told,
    turn.gate_left_open,
];

/// All of them.
#[must_use]
pub fn planted() -> &'static [Planted] {
    PLANTED
}

/// Plays worlds with one fault planted until a promise is broken, at most so many.
pub fn hunt(fault: &Planted, worlds_max: u64) -> Found {
    let began = Instant::now();
    let mut plan = Plan::default();
    (fault.plant)(&mut plan);
    let mut found = Found { name: fault.name, by: None, worlds: 0, took: Duration::ZERO };
    for seed in 0..worlds_max {
        found.worlds += 1;
        // A world that breaks a promise by itself shows nothing of the fault.
        found.by = run(seed, &plan).broken.filter(|_| run(seed, &Plan::default()).broken.is_none());
        if found.by.is_some() {
            break;
        }
    }
    found.took = began.elapsed();
    found
}

/// Hunts each fault, several at a time.
pub fn hunt_all(worlds_max: u64, threads: usize) -> Vec<Found> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let found = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(fault) = PLANTED.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let one = hunt(fault, worlds_max);
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(one);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|one: &Found| PLANTED.iter().position(|fault| fault.name == one.name));
    found
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(broken) => write!(f, "{:<32} found in world {:>4}: {}", self.name, self.worlds, broken.rule),
            None => write!(f, "{:<32} NOT FOUND in {} worlds", self.name, self.worlds),
        }
    }
}
