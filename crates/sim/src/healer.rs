//! healer's processes: the real loop, how it is stepped, and how it dies.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::input::{Effect, Input};
use runtime::{Gate, Loop, Stepped};

use crate::disk::{AppendFault, Disk, Outbox, Process};
use crate::eyes::Eyes;
use crate::truth::Token;
use crate::world::{Ev, World, moment};

/// A loop that steps so often at one moment without anything to do keeps a core busy.
const SPINS_MAX: u32 = 20;

/// Where a process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    BeforeAppend,
    AfterAppend,
    AmidEffects,
    BetweenSteps,
    BetweenStopAndStart,
    BetweenNameAndBody,
    InOrder,
}

impl CrashPoint {
    fn name(self) -> &'static str {
        match self {
            CrashPoint::BeforeAppend => "before the append",
            CrashPoint::AfterAppend => "after the append",
            CrashPoint::AmidEffects => "amid the effects",
            CrashPoint::BetweenSteps => "between two steps",
            CrashPoint::BetweenStopAndStart => "between stop and start",
            CrashPoint::BetweenNameAndBody => "between name and body",
            CrashPoint::InOrder => "in order",
        }
    }
}

/// One process.
pub(crate) struct Healer {
    pub(crate) pid: u32,
    pub(crate) turning: Loop<Disk, Outbox>,
    pub(crate) gate: Gate,
    pub(crate) process: Rc<RefCell<Process>>,
    pub(crate) eyes: Eyes,
    pub(crate) epoch: u64,
    /// It has learnt that another one leads.
    pub(crate) deposed: bool,
    inbox: Vec<(Input, Token)>,
    /// What the inputs that are in the loop tell; taken when a step succeeds.
    handed: Vec<Token>,
    stepping: bool,
    /// A step whose append is slow: when it was begun.
    slow: Option<u64>,
    /// The next append takes so long.
    pub(crate) slow_next_ms: Option<u64>,
    wake: Option<u64>,
    spins: (u64, u32),
    /// The refusals of its guard that were counted.
    refusals: BTreeMap<&'static str, u64>,
    /// When it began.
    pub(crate) began: u64,
}

impl World<'_> {
    pub(crate) fn healer(&mut self, pid: u32) -> Option<&mut Healer> {
        self.healers.iter_mut().find(|healer| healer.pid == pid)
    }

    /// The process that leads, as the store has it.
    pub(crate) fn leader(&self) -> Option<&Healer> {
        let epoch = self.disk.borrow().epoch;
        self.healers.iter().find(|healer| healer.epoch == epoch)
    }

    /// Another process begins, and takes the lead.
    pub(crate) fn begin_healer(&mut self) {
        self.pids += 1;
        let pid = self.pids;
        let process = Rc::new(RefCell::new(Process::default()));
        let disk = Disk { kept: self.disk.clone(), process: process.clone() };
        let gate = Gate::default();
        #[cfg(feature = "faults")]
        gate.plant(self.plan.gate);
        let settings = self.settings.clone();
        if self.stormy && self.rng.percent(4) {
            process.borrow_mut().unreadable = 1;
        }
        let recovered = Loop::recover(disk, Outbox(process.clone()), gate.clone(), settings, "sim");
        // What the one before has seen and not yet written down is lost with it.
        self.excuse_what_just_ended();
        let Ok(mut turning) = recovered else {
            self.counts.hit("store", "unreadable");
            return self.after(1_000, Ev::BeginHealer);
        };
        #[cfg(feature = "faults")]
        {
            turning.plant(self.plan.engine);
            turning.plant_loop(self.plan.turn);
        }
        self.check.compare_whole(turning.engine().state(), self.now, "a recovered state");
        if let Err(error) = turning.lead(self.moment()) {
            self.trace(|| format!("healer {pid} cannot lead: {error}"));
            return self.after(1_000, Ev::BeginHealer);
        }
        let epoch = self.disk.borrow().epoch;
        self.trace(|| format!("healer {pid} leads, epoch {epoch}"));
        self.healers.push(Healer {
            refusals: BTreeMap::new(),
            pid,
            turning,
            gate,
            process,
            eyes: Eyes::default(),
            epoch,
            deposed: false,
            inbox: Vec::new(),
            handed: Vec::new(),
            stepping: false,
            slow: None,
            slow_next_ms: None,
            wake: None,
            spins: (0, 0),
            began: self.now,
        });
        self.check_entries(pid);
        self.drain_effects(pid);
        self.mounts_seen(pid);
        self.after(20, Ev::Connect { pid });
        self.wake_when_due(pid);
    }

    /// Something reaches a process.
    pub(crate) fn arrives(&mut self, pid: u32, input: Input, token: Token) {
        let soon = self.rng.below(3);
        self.trace(|| format!("healer {pid} hears {}", format!("{input:?}").chars().take(330).collect::<String>()));
        let Some(healer) = self.healer(pid) else { return };
        healer.inbox.push((input, token));
        if !std::mem::replace(&mut healer.stepping, true) {
            self.after(soon, Ev::Step { pid });
        }
    }

    pub(crate) fn step(&mut self, pid: u32) {
        let now = self.now;
        let Some(healer) = self.healer(pid) else { return };
        healer.stepping = false;
        if healer.slow.is_some() {
            return;
        }
        for (input, token) in healer.inbox.drain(..) {
            if token != Token::None {
                healer.handed.push(token);
            }
            healer.turning.push(input);
        }
        if let Some(takes) = healer.slow_next_ms.take() {
            // The append takes its time: nothing of this step happens before it is done.
            healer.slow = Some(now);
            self.counts.hit("store", "slow");
            return self.after(takes, Ev::SlowStep { pid });
        }
        self.run_step(pid, now);
    }

    pub(crate) fn slow_step(&mut self, pid: u32) {
        let Some(healer) = self.healer(pid) else { return };
        let Some(begun) = healer.slow.take() else { return };
        self.run_step(pid, begun);
        if self.healer(pid).is_some_and(|healer| !healer.inbox.is_empty()) {
            self.step(pid);
        }
    }

    pub(crate) fn wake(&mut self, pid: u32, at: u64) {
        let Some(healer) = self.healer(pid) else { return };
        if healer.wake == Some(at) && healer.slow.is_none() {
            healer.wake = None;
            self.step(pid);
        }
    }

    fn run_step(&mut self, pid: u32, as_of: u64) {
        self.steps += 1;
        let before = self.disk.borrow().entries.len();
        let Some(healer) = self.healer(pid) else { return };
        let stepped = healer.turning.step(moment(as_of));
        let (dead, struck) = {
            let mut process = healer.process.borrow_mut();
            (process.dead, std::mem::take(&mut process.struck))
        };
        let grew = self.disk.borrow().entries.len() > before;
        let done = grew || matches!(stepped, Stepped::Idle | Stepped::More);
        let handed = match self.healer(pid) {
            Some(healer) if done => std::mem::take(&mut healer.handed),
            Some(_) | None => Vec::new(),
        };
        self.check.learn(pid, &handed);
        self.count_refusals(pid);
        self.count_struck(&struck);
        self.check_entries(pid);
        self.drain_effects(pid);
        if stepped == Stepped::Deposed && !dead {
            if let Some(healer) = self.healer(pid) {
                healer.deposed = true;
            }
            self.trace(|| format!("healer {pid} learns that it is deposed"));
            self.after(90_000, Ev::KillHealer { pid, point: CrashPoint::BetweenSteps });
            return;
        }
        if dead {
            let point = match struck.last() {
                Some(AppendFault::DieBefore) => CrashPoint::BeforeAppend,
                Some(AppendFault::DieAfter) => CrashPoint::AfterAppend,
                Some(AppendFault::Lost | AppendFault::Written | AppendFault::Full) | None => CrashPoint::AmidEffects,
            };
            return self.kill_healer(pid, point);
        }
        if stepped != Stepped::Stuck {
            self.compare_live(pid);
        }
        self.mind_spinning(pid, grew || !handed.is_empty() || stepped == Stepped::Stuck);
        self.wake_when_due(pid);
        if stepped == Stepped::More {
            self.run_step(pid, as_of);
        }
    }

    /// Counts what the guard refused in the last step.
    fn count_refusals(&mut self, pid: u32) {
        let Some(healer) = self.healers.iter_mut().find(|healer| healer.pid == pid) else { return };
        for (kind, times) in healer.turning.engine().refusals() {
            let counted = healer.refusals.entry(kind).or_default();
            for _ in *counted..*times {
                self.counts.hit("refusal", kind);
            }
            *counted = *times;
        }
    }

    fn count_struck(&mut self, struck: &[AppendFault]) {
        for fault in struck {
            match fault {
                AppendFault::Lost => self.counts.hit("store", "lost"),
                AppendFault::Written => self.counts.hit("store", "written"),
                AppendFault::Full => self.counts.hit("store", "full"),
                AppendFault::DieBefore | AppendFault::DieAfter => {}
            }
        }
    }

    /// The fold of the journal is the live state: what it has of the incidents that were touched after each step, the
    /// whole now and then.
    fn compare_live(&mut self, pid: u32) {
        let (now, steps) = (self.now, self.steps);
        let epoch = self.disk.borrow().epoch;
        let Some(healer) = self.healers.iter().find(|healer| healer.pid == pid && healer.epoch == epoch) else {
            return;
        };
        let (state, illegal) = (healer.turning.engine().state(), healer.turning.engine().illegal_turns());
        self.check.compare_quickly(state, now);
        if steps % 64 == 0 {
            self.check.compare_whole(state, now, "the live state");
        }
        if illegal > 0 {
            self.broken("the life of an incident knows every turn", format!("{illegal} turns that it does not know"));
        }
    }

    fn mind_spinning(&mut self, pid: u32, progress: bool) {
        let now = self.now;
        let Some(healer) = self.healer(pid) else { return };
        healer.spins = match healer.spins {
            _ if progress => (now, 0),
            (at, n) if at == now => (now, n + 1),
            _ => (now, 0),
        };
        if healer.spins.1 > SPINS_MAX {
            let due = healer.turning.next_deadline();
            self.broken("a deadline that passes yields an event", format!("due {due:?}, and nothing happens"));
        }
    }

    pub(crate) fn wake_when_due(&mut self, pid: u32) {
        let now = self.now;
        let Some(healer) = self.healer(pid) else { return };
        if healer.deposed {
            return;
        }
        let due = healer.turning.next_deadline().map(|due| due.0.max(now));
        if due != healer.wake {
            healer.wake = due;
            if let Some(at) = due {
                self.after(at - now, Ev::Wake { pid, at });
            }
        }
    }

    /// Gives the performers what the loop handed out.
    fn drain_effects(&mut self, pid: u32) {
        let Some(healer) = self.healer(pid) else { return };
        let effects = std::mem::take(&mut healer.process.borrow_mut().effects);
        for effect in effects {
            self.check_effect(pid, &effect);
            match effect {
                Effect::Look { resource, incarnation, ticket } => self.begin_look(pid, resource, incarnation, ticket),
                Effect::Gather { incident, incarnation, .. } => self.gather(pid, incident, incarnation),
                Effect::Execute(permit) => self.begin_act(pid, permit),
                // Nobody in these worlds keeps deployments in directories.
                Effect::BringUp(_) | Effect::CallOff(_) => {}
                Effect::Fetch(order) => self.begin_fetch(pid, *order),
                Effect::Send(parcel) => self.send(pid, parcel),
                Effect::Answer(reply) => self.replied(&reply),
            }
        }
    }

    /// A process dies; what it has asked of the engine goes on.
    pub(crate) fn kill_healer(&mut self, pid: u32, point: CrashPoint) {
        let Some(at) = self.healers.iter().position(|healer| healer.pid == pid) else { return };
        self.trace(|| format!("healer {pid} dies {}", point.name()));
        self.counts.hit("crash point", point.name());
        let mut healer = self.healers.remove(at);
        self.check.forget(pid);
        self.excuse_what_just_ended();
        if point == CrashPoint::InOrder && healer.slow.is_none() && !healer.deposed {
            let moment = self.moment();
            let _ = healer.turning.end(moment);
            self.check_entries(pid);
        }
        let another_leads = self.healers.iter().any(|other| other.epoch > healer.epoch);
        if !another_leads {
            let away = if self.rng.percent(70) { self.rng.range(200, 5_000) } else { self.rng.range(5_000, 120_000) };
            self.after(away, Ev::BeginHealer);
        }
    }
}
