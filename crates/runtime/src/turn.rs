//! One step of the loop: the order in it is the contract (ENGINE §3 and §8).

use std::collections::VecDeque;
use std::sync::Arc;

use engine::{Decision, Engine, State};
use model::command::{Reply, ReplyLine};
use model::event::{Entry, Event};
use model::input::{Effect, Input, SourceState};
use model::settings::Settings;
use model::view::Tone;
use model::{Now, Tick};
use store::{Error, Journal, Piece};

use crate::{Gate, Perform};

/// Inputs that are handled in one batch, and so committed in one transaction.
const BATCH_MAX: usize = 256;
/// A snapshot is kept after so many entries, or after a day.
const SNAPSHOT_EVERY_ENTRIES: u64 = 50_000;
const SNAPSHOT_EVERY_MS: u64 = 24 * 3_600_000;
/// How long the loop waits before it tries a store again that did not take a batch.
const TRY_AGAIN_MS: u64 = 1_000;

/// The loop, generic over what keeps and what does.
pub struct Loop<J, P> {
    journal: J,
    performers: P,
    engine: Engine,
    gate: Gate,
    waiting: VecDeque<Input>,
    snapshot: (u64, Tick),
    /// The store did not take the last batch: it is tried again at this tick.
    try_again: Option<Tick>,
    /// Why the store does not take anything, as far as it was said already.
    said: Option<&'static str>,
    doubtful: Option<Doubtful>,
    faults: LoopFaults,
}

/// A batch of which nobody knows yet whether the journal has it.
struct Doubtful {
    inputs: Vec<Input>,
    /// The journal's last entry, if it has.
    ends_at: u64,
}

/// Faults that the simulator plants in the loop; all off outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoopFaults {
    /// Effects are performed before the append.
    pub performed_before_the_append: bool,
    /// The effects of a batch that was not committed run all the same.
    pub uncommitted_performed: bool,
    /// The inputs of a batch that was not committed are dropped.
    pub inputs_dropped: bool,
    /// The state is not folded anew after an append that failed.
    pub not_folded_anew: bool,
    /// Performers are not told what is committed.
    pub gate_not_told: bool,
    /// Who learns that another leads goes on letting its performers act.
    pub gate_left_open: bool,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// Everything that waited is handled.
    Idle,
    /// More waits.
    More,
    /// The store does not take anything at present: it is tried again at the next deadline.
    Stuck,
    /// Another healer leads: nothing is decided here any more.
    Deposed,
}

impl<J: Journal, P: Perform> Loop<J, P> {
    /// Recovers the state from the journal. Nothing is decided, and nothing done, before [`Loop::lead`].
    ///
    /// # Errors
    /// When the journal cannot be read, or must not be.
    pub fn recover(
        mut journal: J,
        performers: P,
        gate: Gate,
        settings: Arc<Settings>,
        version: &str,
    ) -> Result<Self, Error> {
        let folded = fold(&mut journal)?;
        Ok(Loop::resume(journal, folded, performers, gate, settings, version))
    }

    /// The same from a state that was folded from this journal already, by [`fold`]: whoever needs the state before there is
    /// a loop (the clock goes on from its moment) does not fold twice.
    #[must_use]
    pub fn resume(
        journal: J,
        Folded { state, snapshot }: Folded,
        performers: P,
        gate: Gate,
        settings: Arc<Settings>,
        version: &str,
    ) -> Self {
        let engine = Engine::new(state, settings, version);
        Loop {
            journal,
            performers,
            engine,
            gate,
            waiting: VecDeque::new(),
            snapshot,
            try_again: None,
            said: None,
            doubtful: None,
            faults: LoopFaults::default(),
        }
    }

    /// Takes the lead: from here on no other healer's append succeeds.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn lead(&mut self, now: Now) -> Result<(), Error> {
        let epoch = self.journal.lead()?;
        let before = self.engine.state().seq;
        let decision = self.engine.lead(epoch, now);
        self.journal.append(epoch, before, &decision.entries)?;
        let known: Vec<_> = self.engine.state().intents.keys().cloned().collect();
        self.gate.publish(&self.engine, known.iter());
        self.perform(decision.effects);
        Ok(())
    }

    /// Plants faults in the engine.
    #[cfg(feature = "faults")]
    pub fn plant(&mut self, faults: engine::Faults) {
        self.engine.plant(faults);
    }

    /// Plants faults in the loop.
    #[cfg(feature = "faults")]
    pub fn plant_loop(&mut self, faults: LoopFaults) {
        self.faults = faults;
    }

    /// The engine, in a committed state between two steps.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What keeps.
    #[must_use]
    pub fn journal(&self) -> &J {
        &self.journal
    }

    /// What keeps, for whoever looks from outside of the loop.
    pub fn journal_mut(&mut self) -> &mut J {
        &mut self.journal
    }

    /// What does.
    pub fn performers(&mut self) -> &mut P {
        &mut self.performers
    }

    /// Gives the journal back, as a process leaves it behind that is killed.
    #[must_use]
    pub fn into_parts(self) -> (J, P) {
        (self.journal, self.performers)
    }

    /// Something arrived.
    pub fn push(&mut self, input: Input) {
        self.waiting.push_back(input);
    }

    /// When a step is due although nothing arrives.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        match self.try_again {
            // Who was deposed waits for nothing.
            _ if !self.engine.leads() => None,
            Some(at) => Some(at),
            None => self.engine.next_deadline(),
        }
    }

    /// Handles a batch: absorb, decide, commit, and only then perform.
    pub fn step(&mut self, now: Now) -> Stepped {
        if self.try_again.is_some_and(|at| now.tick < at) {
            return Stepped::Stuck;
        }
        self.try_again = None;
        if self.doubtful.is_some() && !self.fold_anew(now) {
            return self.stuck(now);
        }
        if !self.engine.leads() {
            self.close_gate();
            let waiting = std::mem::take(&mut self.waiting);
            self.refuse_commands(waiting, "another healer leads");
            return Stepped::Idle;
        }
        let batch = self.take_batch();
        let before = self.engine.state().seq;
        let Decision { entries, mut effects, touched } = self.engine.handle(&batch, now);
        if self.faults.performed_before_the_append {
            self.perform(std::mem::take(&mut effects));
        }
        if !entries.is_empty()
            && let Err(error) = self.journal.append(self.engine.state().epoch, before, &entries)
        {
            if self.faults.uncommitted_performed {
                self.perform(effects);
            }
            return self.not_appended(&error, batch, now);
        }
        if !entries.is_empty() && self.said.take().is_some() {
            tracing::info!("the journal takes batches again");
        }
        if !self.engine.leads() {
            self.close_gate();
        } else if !self.faults.gate_not_told {
            self.gate.publish(&self.engine, touched.iter());
        }
        self.report(&entries);
        self.perform(effects);
        if !entries.is_empty() && self.engine.is_store_full() {
            self.waiting.push_front(Input::StoreRoom { full: false });
        }
        self.keep_snapshot_if_due(now);
        if self.waiting.is_empty() { Stepped::Idle } else { Stepped::More }
    }

    /// Ends in order: the last event, and a snapshot.
    ///
    /// # Errors
    /// When the journal cannot be written; nothing is lost by that.
    pub fn end(&mut self, now: Now) -> Result<(), Error> {
        self.gate.close();
        let before = self.engine.state().seq;
        let decision = self.engine.end(now);
        self.journal.append(self.engine.state().epoch, before, &decision.entries)?;
        self.keep_snapshot(now)
    }

    /// Another healer leads: no performer of ours acts any more.
    fn close_gate(&self) {
        if !self.faults.gate_left_open {
            self.gate.depose();
        }
    }

    fn take_batch(&mut self) -> Vec<Input> {
        let size = self.waiting.len().min(BATCH_MAX);
        self.waiting.drain(..size).collect()
    }

    /// The batch was not committed, or nobody knows: its effects never run, and after the state was folded anew its inputs
    /// are handled again, unless it was committed.
    fn not_appended(&mut self, error: &Error, batch: Vec<Input>, now: Now) -> Stepped {
        // It is tried each second: what is said is the change.
        if self.said.replace(error.reason()) != Some(error.reason()) {
            tracing::warn!(%error, "the journal did not take a batch, and is tried until it does");
        }
        if let Error::Deposed { .. } = error {
            let owed = self.engine.step_down();
            self.perform(owed);
            self.close_gate();
            self.refuse_commands(batch, "another healer has taken the lead");
            return Stepped::Deposed;
        }
        let batch = if self.faults.inputs_dropped { Vec::new() } else { batch };
        let full = matches!(error, Error::Full(_));
        let is_refused = |input: &Input| full && matches!(input, Input::Commanded(_));
        let (commands, mut inputs): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_refused);
        // A person does not wait for a disk to be cleaned.
        self.refuse_commands(commands, &error.to_string());
        if full && !self.engine.is_store_full() {
            inputs.insert(0, Input::StoreRoom { full: true });
        }
        if self.faults.not_folded_anew {
            inputs.into_iter().rev().for_each(|input| self.waiting.push_front(input));
            return self.stuck(now);
        }
        self.doubtful = Some(Doubtful { inputs, ends_at: self.engine.state().seq });
        // Whoever asks meanwhile shall see what is committed, not what was about to be.
        self.fold_anew(now);
        self.stuck(now)
    }

    /// Tells persons that their commands were not taken.
    fn refuse_commands<I: IntoIterator<Item = Input>>(&mut self, inputs: I, because: &str) {
        for input in inputs {
            if let Input::Commanded(command) = input {
                let text = format!("nothing was done: {because}");
                let lines = vec![ReplyLine { resource: None, text, failed: true }];
                self.performers.perform(Effect::Answer(Reply::new(command.id, false, lines)));
            }
        }
    }

    fn stuck(&mut self, now: Now) -> Stepped {
        self.try_again = Some(Tick(now.tick.0 + TRY_AGAIN_MS));
        Stepped::Stuck
    }

    /// Folds the state anew, if the journal can be read; says whether it could.
    fn fold_anew(&mut self, now: Now) -> bool {
        let state = match fold(&mut self.journal) {
            Ok(folded) => folded.state,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read");
                return false;
            }
        };
        let epoch = self.engine.state().epoch;
        let Some(Doubtful { inputs, ends_at }) = self.doubtful.take() else { return true };
        let taken = state.epoch == epoch && state.seq == ends_at;
        // Who gave a command that was taken waits for its answer.
        let again = inputs.into_iter().rev().filter(|input| !taken || matches!(input, Input::Commanded(_)));
        again.for_each(|input| self.waiting.push_front(input));
        if state.epoch > epoch {
            let owed = self.engine.step_down();
            self.perform(owed);
            self.close_gate();
            return true;
        }
        let decision = self.engine.refold(State { epoch, ..state }, taken, now);
        let known: Vec<_> = self.engine.state().intents.keys().cloned().collect();
        self.gate.publish(&self.engine, known.iter());
        self.perform(decision.effects);
        true
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.performers.perform(effect);
        }
    }

    fn report(&self, entries: &[Entry]) {
        if !tracing::enabled!(tracing::Level::WARN) {
            return;
        }
        for entry in entries {
            tracing::debug!(seq = entry.seq, event = entry.event.name(), "committed");
            for line in engine::view::lines(std::slice::from_ref(entry)) {
                let of = entry.event.incident().and_then(|id| self.engine.state().incidents.get(&id.number));
                let resource = line.resource.as_ref().or(of.map(|incident| &incident.resource));
                let resource = resource.map(|resource| tracing::field::display(resource.short()));
                let incident = line.incident.as_ref().map(tracing::field::display);
                if is_worth_a_look(&entry.event, line.tone) {
                    tracing::warn!(resource, incident, "{}", line.text);
                } else {
                    tracing::info!(resource, incident, "{}", line.text);
                }
            }
        }
    }

    fn keep_snapshot_if_due(&mut self, now: Now) {
        let (seq, at) = self.snapshot;
        let entries = self.engine.state().seq.saturating_sub(seq);
        let old = now.tick.0.saturating_sub(at.0) >= SNAPSHOT_EVERY_MS && entries > 0;
        if (entries >= SNAPSHOT_EVERY_ENTRIES || old)
            && let Err(error) = self.keep_snapshot(now)
        {
            tracing::warn!(%error, "no snapshot could be kept");
        }
    }

    fn keep_snapshot(&mut self, now: Now) -> Result<(), Error> {
        let state = self.engine.state();
        let bytes = serde_json::to_vec(&(engine::state::SNAPSHOT_VERSION, state))
            .map_err(|error| Error::Unclear(error.to_string()))?;
        let seq = state.seq;
        self.journal.keep_snapshot(seq, &bytes)?;
        self.snapshot = (seq, now.tick);
        Ok(())
    }
}

/// Whether somebody should look at it at three in the morning. Besides what is bad in itself: what still waits for a person,
/// and an engine that is out of sight.
fn is_worth_a_look(event: &Event, tone: Tone) -> bool {
    let lost = |state: &SourceState| match state {
        SourceState::Unreachable { .. } | SourceState::Lost { .. } => true,
        SourceState::Closing | SourceState::Opened { .. } | SourceState::Listed { .. } => false,
    };
    match tone {
        Tone::Bad => true,
        Tone::Plain | Tone::Good | Tone::Waiting => {
            matches!(event, Event::Escalated { .. } | Event::MessageGivenUp { .. })
                || matches!(event, Event::SourceChanged { state, .. } if lost(state))
        }
    }
}

/// The state as the journal tells it: the newest snapshot that this program understands, and what came after.
///
/// # Errors
/// When the journal cannot be read, or must not be.
pub fn fold(journal: &mut impl Journal) -> Result<Folded, Error> {
    let mut folded = Folded::default();
    journal.recover(&mut |piece| {
        match piece {
            Piece::Snapshot { state: bytes, seq } => {
                folded.state = snapshot(&bytes).inspect_err(|error| {
                    tracing::info!(seq, %error, "the snapshot is of no use: the whole journal is folded");
                })?;
                folded.snapshot = (seq, folded.state.at.tick);
            }
            Piece::Entry(entry) => {
                if folded.state.seq == 0 {
                    // Without a snapshot the next one is due a day after the beginning.
                    folded.snapshot = (0, entry.at.tick);
                }
                folded.state.apply(&entry);
            }
        }
        Ok(())
    })?;
    Ok(folded)
}

/// What the journal tells.
#[derive(Debug, Default)]
pub struct Folded {
    /// The state.
    pub state: State,
    /// Up to which entry the snapshot reaches from which it was folded, and when that was written.
    snapshot: (u64, Tick),
}

/// Reads a snapshot. One of another version is refused: the journal is then folded from its beginning.
///
/// # Errors
/// In words.
pub fn snapshot(bytes: &[u8]) -> Result<State, String> {
    let (version, state): (u32, State) = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if version != engine::state::SNAPSHOT_VERSION {
        return Err(format!("the snapshot is of version {version}"));
    }
    Ok(state)
}

#[cfg(test)]
mod tests;
