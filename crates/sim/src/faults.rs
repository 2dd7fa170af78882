//! Planted faults: each is switched on alone, and some world has to find it. A check that finds nothing proves nothing.

use std::fmt;
use std::time::{Duration, Instant};

use crate::{Broken, Plan, run};

/// A fault, and how it is planted.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// Its name.
    pub name: &'static str,
    /// The promises that it breaks. Only these give it away: it also makes another world of the same seed, and that one
    /// may break something else.
    rules: &'static [&'static str],
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
    ($($part:ident . $flag:ident: $($rule:literal)|+),* $(,)?) => {
        &[$(Planted {
            name: stringify!($flag),
            rules: &[$($rule),+],
            plant: |plan| plan.$part.$flag = true,
        }),*]
    };
}

const PLANTED: &[Planted] = planted![
    engine.attempt_not_counted: "waits are kept" | "no budget is exceeded",
    engine.intent_not_asked: "PERMIT: nothing is started that was stopped on purpose",
    engine.freeze_not_asked: "PERMIT: nothing new in a freeze",
    engine.deadline_forgotten: "no incident stays in a phase past its deadline" | "nothing is left undone",
    engine.sight_not_asked: "PERMIT: what is acted on is seen",
    engine.foreign_stop_taken_for_ours: "PERMIT: nothing is started that was stopped on purpose",
    engine.pair_left_open: "a pair is closed before its verdict" | "every pair is closed",
    engine.verified_at_once: "a repair holds for the stability window before it is called one",
    engine.leases_ignored: "one remediation per resource" | "what is shared is leased",
    engine.wait_skipped: "waits are kept",
    engine.told_at_each_turn: "an incident is told no more often than there is reason to",
    engine.owner_stop_forgotten: "an owner's stop wins in the end"
        | "what runs against its owner's will is not called mended",
    engine.first_sight_guessed: "PERMIT: nothing is started that was stopped on purpose",
    engine.act_repeated_blindly: "an act is never repeated blindly" | "one remediation per resource",
    engine.children_forgotten: "what shall run and can does" | "nothing is left undone",
    engine.order_ignored: "after a restart each is started in its turn",
    engine.exempt_for_good: "no group's budget is exceeded",
    engine.network_ignored: "what shall run and can does",
    engine.made_anew_too_easily: "what is made anew cannot be mended otherwise",
    engine.made_by_nobody: "a fresh budget has a reason",
    engine.others_ignored: "PERMIT: nothing is started that may have been stopped with others",
    engine.mounts_not_asked: "PERMIT: nothing is started without the mount that it needs",
    engine.told_beside_recovery: "what a recovery tells is not told beside it"
        | "an incident is told no more often than there is reason to" | "an escalation is told once per level",
    engine.not_taken_back: "after a roll back that did not help the name is where it was",
    engine.undo_of_any_body: "what a person has deployed is not taken back",
    engine.link_not_compared: "a link answers its own question, and only while it is asked",
    engine.answer_to_any_plan: "what is done is what a person said yes to",
    engine.approval_not_bound: "what is done is what a person said yes to",
    engine.approval_never_spent: "nothing is done unasked that has to be asked",
    engine.risk_not_asked: "nothing is done unasked that has to be asked",
    engine.hold_misjudged: "no incident goes round in circles",
    engine.other_body_ignored: "what nobody stopped is not taken for stopped",
    engine.update_intent_not_asked: "PERMIT: nothing is started that was stopped on purpose",
    engine.every_deploy_goes_back: "nothing is done unasked that has to be asked",
    engine.update_of_any_body: "nothing is done unasked that has to be asked",
    engine.name_taken_from_another: "nothing is done unasked that has to be asked",
    engine.name_left_untold: "a person is told where an image's name was left",
    engine.update_never_given_up: "nothing is left undone",
    engine.failed_update_unanswered: "every command is answered",
    engine.same_made_anew: "what has nothing newer runs on as it is",
    gate.update_not_reread: "ACT: nothing is started that was stopped on purpose",
    gate.intent_not_reread: "ACT: nothing is started that was stopped on purpose",
    gate.permit_used_twice: "ACT: no permit is used twice",
    gate.epoch_ignored: "ACT: nobody acts who knows that he is deposed",
    gate.permit_never_expires: "ACT: no permit is used after its time",
    turn.performed_before_the_append: "no effect of an uncommitted decision" | "ACT: no act without a committed permit",
    turn.uncommitted_performed: "no effect of an uncommitted decision" | "ACT: no act without a committed permit",
    turn.inputs_dropped: "every command is answered" | "what shall run and can does",
    turn.not_folded_anew: "the fold of the journal is the live state",
    turn.gate_not_told: "ACT: nothing new in a freeze" | "ACT: nothing is started that was stopped on purpose",
    turn.gate_left_open: "ACT: nobody acts who knows that he is deposed",
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
        let broken = run(seed, &plan).broken.filter(|broken| fault.rules.contains(&broken.rule));
        // A world that breaks a promise by itself shows nothing of the fault.
        found.by = broken.filter(|_| run(seed, &Plan::default()).broken.is_none());
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
