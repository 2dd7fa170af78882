//! The ledger of intents: what the owner wants, told from what is seen.
//!
//! A `stop` event is evidence of intent, never proof, and its absence is no proof either. Two questions decide, and
//! neither is a window of time: *was the API open* when the signal came, and *does what we ordered explain it*. Where
//! neither can be answered the intent is unknown, and nothing is started on a guess. (facts/intent.md, 0 and B1.)

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Now;
use model::fact::{Fact, Happening, Incarnation, Kept, Look, Observation, Run, SourceTime, What};
use model::intent::{Author, Intent, Wanted};

use crate::absorb::DIE_LATE_MAX;
use crate::state::Own;
use crate::world::{Body, Source};

/// Our own stop follows its signal by a kill only after the stop timeout; a kill that comes this much earlier is
/// somebody else's.
const KILL_EARLY: Duration = Duration::from_millis(500);
const SIGKILL: u8 = 9;

/// What is watched of each body while it lives: signals and stops since its last start. Live knowledge, not folded.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    bodies: BTreeMap<Incarnation, Signals>,
    /// The end of each body that was found unseen, and judged to be nobody's: a look that shows less does not judge it
    /// again.
    judged: BTreeMap<Incarnation, SourceTime>,
    /// The last start of each body that the engine's own policy explains.
    policys_start: BTreeMap<Incarnation, SourceTime>,
    /// The starts that an order of ours explains. Sets, not counters: after a failed append the same events come again.
    our_starts: BTreeMap<Incarnation, BTreeSet<SourceTime>>,
}

#[derive(Debug, Clone, Default)]
struct Signals {
    asks: BTreeSet<SourceTime>,
    kills: BTreeSet<SourceTime>,
    stops: BTreeSet<SourceTime>,
    foreign: Option<Foreign>,
    /// The last signal after which the API was found open.
    open_after: Option<SourceTime>,
    /// A signal came while the engine was found to be shutting down.
    by_engine: bool,
    /// It ended, as an event told.
    died: bool,
    /// Stops of ours that were over before this life began, and explain nothing in it; as of so many starts of ours.
    spent: (u32, u32),
}

/// Somebody else's terminating signal: it counts until the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Foreign {
    at: SourceTime,
    signal: Option<u8>,
    api_open: bool,
}

/// What an observation says about intent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Word {
    /// Nothing.
    None,
    /// The ledger has a new last word.
    Wants(Wanted, Author, String),
    /// Somebody else started it, and that it shall run was known already.
    StartedByAnother,
}

/// What is known besides the observation itself.
pub(crate) struct Around<'a> {
    /// The ledger's last word.
    pub before: Option<&'a Intent>,
    /// What we did to this body.
    pub own: Option<&'a Own>,
    /// The body, with the observation taken in.
    pub body: &'a Body,
    /// The source.
    pub source: &'a Source,
    /// The events that should have told of this end have not come in time: the stream lost them.
    pub events_are_lost: bool,
    /// It is a look that shows a start of which nothing was known.
    pub start_is_news: bool,
    /// It is a look that shows an end on which an incident was decided already.
    pub end_is_known: bool,
    /// A fault that the simulator plants: every signal is taken for our own.
    pub foreign_is_ours: bool,
}

impl Watch {
    /// Whether somebody is stopping this body at present, or has stopped it and it is not settled yet who.
    #[must_use]
    pub(crate) fn is_being_stopped(&self, incarnation: &Incarnation) -> bool {
        self.bodies.get(incarnation).is_some_and(|signals| signals.foreign.is_some())
    }

    /// The source closes or was lost before it was settled whose signal this was. A body that is down is judged by
    /// evidence, when it can be looked at again, unless its end was told already; one that still runs stays suspect of
    /// being stopped.
    pub(crate) fn unsettle(&mut self, incarnation: &Incarnation, body: &Body, closing: bool) {
        let signals = self.bodies.get_mut(incarnation);
        let told = body.end_seen && !body.is_up() && signals.as_ref().is_none_or(|signals| signals.foreign.is_none());
        if let (true, Some(exit)) = (told, &body.exit) {
            self.judged.insert(incarnation.clone(), exit.at);
        }
        let Some(signals) = signals else { return };
        let Some(foreign) = signals.foreign.as_mut().filter(|foreign| !foreign.api_open) else { return };
        if closing {
            signals.by_engine = true;
            signals.foreign = None;
        } else if body.is_up() {
            foreign.api_open = true;
        } else {
            signals.foreign = None;
        }
    }

    /// A person told healer what they want: whatever somebody asked of the engine before is the past.
    pub(crate) fn a_person_spoke(&mut self, incarnation: &Incarnation) {
        if let Some(signals) = self.bodies.get_mut(incarnation) {
            signals.foreign = None;
        }
    }

    /// Forgets a body that is no more.
    pub(crate) fn forget(&mut self, incarnation: &Incarnation) {
        self.bodies.remove(incarnation);
        self.our_starts.remove(incarnation);
        self.judged.remove(incarnation);
        self.policys_start.remove(incarnation);
    }

    /// Reads an observation.
    pub(crate) fn read(&mut self, seen: &Observation, around: &Around<'_>) -> Word {
        match &seen.fact {
            Fact::Looked(look) => {
                self.reconsider(&seen.incarnation, around);
                self.read_look(&seen.incarnation, look, around)
            }
            Fact::Happened(happening) => self.read_event(&seen.incarnation, happening, around),
            Fact::ApiOpenAfter(at) => {
                let Some(signals) = self.bodies.get_mut(&seen.incarnation) else { return Word::None };
                signals.open_after = signals.open_after.max(Some(*at));
                match &mut signals.foreign {
                    Some(foreign) if foreign.at <= *at => {
                        foreign.api_open = true;
                        stopped_if_down(*foreign, around)
                    }
                    Some(_) | None => Word::None,
                }
            }
            Fact::Gone => Word::None,
        }
    }

    /// A signal that an order of ours seemed to explain is somebody else's, once that order was surely not carried out.
    fn reconsider(&mut self, incarnation: &Incarnation, around: &Around<'_>) {
        let Some(signals) = self.bodies.get_mut(incarnation).filter(|signals| signals.foreign.is_none()) else {
            return;
        };
        let Some(at) = signals.asks.last().copied().filter(|_| !signals.by_engine && !around.foreign_is_ours) else {
            return;
        };
        let ours = around.own.map_or(0, |own| signals.stops_at(own, at));
        if signals.asks.len() > usize_of(ours) {
            let api_open = signals.open_after >= Some(at);
            signals.foreign = Some(Foreign { at, signal: None, api_open });
        }
    }

    fn read_event(&mut self, incarnation: &Incarnation, event: &Happening, around: &Around<'_>) -> Word {
        let signals = self.bodies.entry(incarnation.clone()).or_default();
        match &event.what {
            What::Signalled { signal, terminating: true } => {
                if !signals.explained(*signal, event.at, around) && !around.foreign_is_ours {
                    let api_open = signals.foreign.is_some_and(|foreign| foreign.api_open);
                    signals.foreign = Some(Foreign { at: event.at, signal: Some(*signal), api_open });
                }
                Word::None
            }
            What::Died { .. } => {
                signals.died = true;
                signals.foreign.map_or(Word::None, |foreign| stopped_if_down(foreign, around))
            }
            What::Stopped => {
                signals.stops.insert(event.at);
                let ours = around.own.map_or(0, |own| signals.stops_at(own, event.at));
                if signals.stops.len() > usize_of(ours) && signals.foreign.is_none() && !around.source.closing {
                    // A stop without a signal: it was waiting to be restarted, or two stops overlapped.
                    signals.foreign = Some(Foreign { at: event.at, signal: None, api_open: true });
                }
                signals.foreign.map_or(Word::None, |foreign| stopped_if_down(foreign, around))
            }
            What::Started => {
                // Read again after a failed append, it is still the engine's own start.
                let by_policy = (signals.ended_by_itself() && around.engine_restarts_it())
                    || self.policys_start.get(incarnation) == Some(&event.at);
                if by_policy {
                    self.policys_start.insert(incarnation.clone(), event.at);
                }
                let spent = around.own.map_or((0, 0), |own| (own.starts, own.stops.saturating_sub(own.stops_open)));
                *signals = Signals { spent, ..Signals::default() };
                let explained = self.our_starts.entry(incarnation.clone()).or_default();
                if around.own.is_some_and(|own| own.explains_start(event.at, explained)) {
                    explained.insert(event.at);
                }
                let by_another = !explained.contains(&event.at);
                match around.before.map(|intent| intent.wanted) {
                    _ if !by_another || by_policy => Word::None,
                    Some(Wanted::Running) => Word::StartedByAnother,
                    Some(Wanted::Stopped | Wanted::Unknown) | None => Word::Wants(
                        Wanted::Running,
                        Author::SomebodyAtTheEngine,
                        "somebody started it at the engine".to_owned(),
                    ),
                }
            }
            What::Signalled { terminating: false, .. }
            | What::Created
            | What::Restarted
            | What::OutOfMemory
            | What::Paused
            | What::Unpaused
            | What::Health(_)
            | What::Renamed { .. }
            | What::Updated
            | What::Attached
            | What::Destroyed => Word::None,
        }
    }

    fn read_look(&mut self, incarnation: &Incarnation, look: &Look, around: &Around<'_>) -> Word {
        let Some(before) = around.before else {
            // Even what was never looked at may have been seen to be stopped.
            let foreign = self.bodies.get(incarnation).and_then(|signals| signals.foreign);
            let stopped = foreign.map_or(Word::None, |foreign| stopped_if_down(foreign, around));
            return if stopped == Word::None { first_sight(look, around) } else { stopped };
        };
        if matches!(look.run, Run::Running | Run::Paused) {
            if around.start_is_news {
                // What was asked of its life before says nothing of this one.
                self.bodies.remove(incarnation);
            }
            let none = BTreeSet::new();
            let explained = self.our_starts.get(incarnation).unwrap_or(&none);
            let ours = look.started.zip(around.own).is_some_and(|(at, own)| own.explains_start(at, explained));
            // What runs since before the API's first answer was started by the engine itself.
            let by_engine = look.started.is_some_and(|at| around.source.was_out(at));
            return found_running(look, before, around.start_is_news && !ours && !by_engine);
        }
        // An end that its events told is judged by them; one that a look alone shows, by evidence.
        if let Some(foreign) = self.bodies.get(incarnation).and_then(|signals| signals.foreign) {
            return stopped_if_down(foreign, around);
        }
        let Some(exit) = look.exit.as_ref().filter(|_| look.run == Run::Exited && look.started.is_some()) else {
            return Word::None;
        };
        // A stop of what the engine was about to start again has no signal, and comes after an end that is known.
        if let Some(because) = stopped_while_restarting(look, before, around) {
            return Word::Wants(Wanted::Stopped, Author::SomebodyAtTheEngine, because);
        }
        // What could not be told is told once the engine's kept events come in.
        let revised = before.wanted == Wanted::Unknown
            && before.by == Author::Evidence
            && before.source_at.is_some_and(|said| exit.at <= said)
            && look.kept.as_ref().is_some_and(|kept| kept.complete);
        // Who said that it shall run knew of an end before that, as of one of a body that was set aside.
        let later = before.wanted == Wanted::Running && exit.at > said_at(before);
        let open = later || revised;
        let untold = explained_by_events(around) && !around.events_are_lost;
        if !open || around.body.end_seen || around.end_is_known || untold {
            return Word::None;
        }
        // An event tells of an end a little after it.
        let same = |at: &SourceTime| exit.at <= *at && at.since(exit.at) < DIE_LATE_MAX;
        if self.judged.get(incarnation).is_some_and(same) && !revised {
            return Word::None;
        }
        let by_engine = self.bodies.get(incarnation).is_some_and(|signals| signals.by_engine);
        let verdict = judge_unseen_end(look, by_engine, around);
        if matches!(verdict, End::AsBefore) {
            self.judged.insert(incarnation.clone(), exit.at);
        }
        match verdict {
            End::AsBefore if revised => Word::Wants(
                Wanted::Running,
                Author::Evidence,
                "the engine's kept events show that nobody stopped it".to_owned(),
            ),
            End::AsBefore => Word::None,
            End::Unknown(_) if revised => Word::None,
            End::Stopped(because) => Word::Wants(Wanted::Stopped, Author::SomebodyAtTheEngine, because),
            End::Unknown(because) => Word::Wants(Wanted::Unknown, Author::Evidence, because),
        }
    }
}

impl Around<'_> {
    /// Whether the engine's own policy may start it: then a start after an end that nobody asked for is the engine's.
    fn engine_restarts_it(&self) -> bool {
        use model::fact::RestartPolicy as P;
        self.body.definition.as_ref().is_some_and(|definition| match definition.restart_policy {
            P::No => false,
            P::OnFailure(_) | P::UnlessStopped | P::Always => true,
        })
    }
}

impl Signals {
    /// How many stops of ours may explain what befell this life at this moment.
    fn stops_at(&self, own: &Own, at: SourceTime) -> u32 {
        let (starts, spent) = self.spent;
        let stops = own.stops_at(at);
        if starts == own.starts { stops.saturating_sub(spent) } else { stops }
    }

    /// Whether its end was seen, and nobody asked for it.
    fn ended_by_itself(&self) -> bool {
        self.died && self.foreign.is_none() && self.asks.is_empty() && self.kills.is_empty() && self.stops.is_empty()
    }

    /// Whether a stop of ours explains this signal: one stop signal a stop, and one kill after its timeout.
    fn explained(&mut self, signal: u8, at: SourceTime, around: &Around<'_>) -> bool {
        let Some(own) = around.own else { return false };
        let ours = usize_of(self.stops_at(own, at));
        if ours == 0 {
            return false;
        }
        if signal == SIGKILL && !self.asks.is_empty() {
            self.kills.insert(at);
            let timeout_s = around.body.definition.as_ref().map_or(10, |definition| definition.stop_timeout_s);
            let timeout = u64::try_from(timeout_s).map(Duration::from_secs);
            let early = match (self.asks.first(), timeout) {
                (Some(ask), Ok(timeout)) => at.since(*ask) + KILL_EARLY < timeout,
                (None, _) | (_, Err(_)) => true,
            };
            self.kills.len() <= ours && !early
        } else {
            self.asks.insert(at);
            self.asks.len() <= ours
        }
    }
}

fn stopped_if_down(foreign: Foreign, around: &Around<'_>) -> Word {
    let wanted_already = around.before.is_some_and(|intent| intent.wanted == Wanted::Stopped);
    if around.body.is_up() || !foreign.api_open || wanted_already {
        return Word::None;
    }
    let because = match foreign.signal {
        Some(SIGKILL) => "somebody killed it at the engine".to_owned(),
        Some(signal) => format!("somebody stopped it at the engine (signal {signal})"),
        None => "somebody stopped it at the engine".to_owned(),
    };
    Word::Wants(Wanted::Stopped, Author::SomebodyAtTheEngine, because)
}

fn first_sight(look: &Look, around: &Around<'_>) -> Word {
    let failed_start = look.exit.as_ref().filter(|exit| look.run == Run::Created && !exit.error.is_empty());
    match look.run {
        Run::Running | Run::Paused | Run::Restarting => {
            Word::Wants(Wanted::Running, Author::FirstSight, "seen running".to_owned())
        }
        // It was made before our eyes, and somebody tried to start it.
        Run::Created if failed_start.is_some() && around.source.ever_listed => Word::Wants(
            Wanted::Running,
            Author::SomebodyAtTheEngine,
            "somebody tried to start it: it could not be started".to_owned(),
        ),
        // It may be started in a moment.
        Run::Created if around.source.ever_listed => Word::None,
        Run::Created | Run::Exited | Run::Removing => {
            Word::Wants(Wanted::Unknown, Author::FirstSight, "it was down when healer first saw it".to_owned())
        }
    }
}

/// When the ledger's last word was said. A person's word to healer has our time, which on a local engine is the source's.
fn said_at(word: &Intent) -> SourceTime {
    word.source_at.unwrap_or(SourceTime(word.at.wall.0.saturating_mul(1_000_000)))
}

/// It runs although the ledger does not say that it shall. `by_another`: nothing was known of its start, and no order of
/// ours explains it.
fn found_running(look: &Look, before: &Intent, by_another: bool) -> Word {
    use model::fact::RestartPolicy as P;
    let started_since = by_another && look.started.is_some_and(|started| started > said_at(before));
    match (before.wanted, look.definition.restart_policy) {
        (Wanted::Running, _) => Word::None,
        // The engine starts these at its own start although somebody stopped them: no evidence of a new wish.
        (Wanted::Stopped, P::Always | P::OnFailure(_)) => Word::None,
        (Wanted::Stopped, P::No | P::UnlessStopped) if started_since => Word::Wants(
            Wanted::Running,
            Author::Evidence,
            "found running: somebody started it while healer could not see".to_owned(),
        ),
        (Wanted::Stopped, P::No | P::UnlessStopped) => Word::None,
        (Wanted::Unknown, _) => Word::Wants(Wanted::Running, Author::Evidence, "seen running".to_owned()),
    }
}

/// The stream is unbroken since it was seen running: its own events tell, and are on their way.
fn explained_by_events(around: &Around<'_>) -> bool {
    around.body.watched_since.is_some() && around.body.watched_since == around.source.generation
}

enum End {
    AsBefore,
    Stopped(String),
    Unknown(String),
}

/// What ended a body while nobody watched (facts/intent.md, B1).
fn judge_unseen_end(look: &Look, by_engine: bool, around: &Around<'_>) -> End {
    let Some(exit) = &look.exit else { return End::Unknown("it is down, and nothing says how".to_owned()) };
    let ours = around.own.map_or(0, |own| own.stops_at(exit.at));
    // While its API was closed nobody could stop it; a crashed engine stops its survivors itself at its next start.
    // What it started itself before healer could look again is another matter.
    let started_out = look.started.is_some_and(|at| around.source.was_out(at));
    if around.source.was_out(exit.at) && !started_out {
        return End::AsBefore;
    }
    if let Some(kept) = &look.kept {
        if foreign_signals(kept, ours) {
            return End::Stopped("the engine's kept events show that somebody stopped it".to_owned());
        }
        if kept.complete {
            return End::AsBefore;
        }
    }
    match look.manually_stopped {
        Some(false) => End::AsBefore,
        // The stop that the engine notes is ours, and nothing that it kept tells of another.
        Some(true) if ours > 0 => End::AsBefore,
        // Found dead after an unclean stop of the engine: nobody stopped it. A program may also end with 255 by itself, so
        // this is asked last.
        None if exit.code == 255 => End::AsBefore,
        None if by_engine && around.source.went_out_after(exit.at) => End::AsBefore,
        Some(true) => {
            End::Unknown("it ended while healer could not see, stopped or signalled through the engine".to_owned())
        }
        None => End::Unknown("it ended while healer could not see, and nothing tells how".to_owned()),
    }
}

/// Whether the engine's kept events show a stop without a signal, by somebody else than us and while its API was open.
fn stopped_while_restarting(look: &Look, before: &Intent, around: &Around<'_>) -> Option<String> {
    let kept = look.kept.as_ref().filter(|_| before.wanted == Wanted::Running)?;
    let signalled = kept.happenings.iter().any(|h| matches!(h.what, What::Signalled { terminating: true, .. }));
    let mut stops = kept.happenings.iter().filter(|h| h.what == What::Stopped).map(|h| h.at);
    let ours = |at: SourceTime| around.own.map_or(0, |own| own.stops_at(at)) > 0;
    let foreign = stops.any(|at| at > said_at(before) && !around.source.was_out(at) && !ours(at));
    (foreign && !signalled).then(|| "the engine's kept events show that somebody stopped it".to_owned())
}

fn foreign_signals(kept: &Kept, ours: u32) -> bool {
    let of = |kill: bool| {
        let is_such = |what: &What| match what {
            What::Signalled { signal, terminating } => *terminating && (*signal == SIGKILL) == kill,
            What::Created
            | What::Started
            | What::Died { .. }
            | What::Stopped
            | What::Restarted
            | What::OutOfMemory
            | What::Paused
            | What::Unpaused
            | What::Health(_)
            | What::Renamed { .. }
            | What::Updated
            | What::Attached
            | What::Destroyed => false,
        };
        let count = kept.happenings.iter().filter(|happening| is_such(&happening.what)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    of(false) > ours || of(true) > ours
}

fn usize_of(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Makes an entry of the ledger.
#[must_use]
pub(crate) fn entry(wanted: Wanted, by: Author, because: String, source_at: Option<SourceTime>, now: Now) -> Intent {
    Intent { wanted, by, at: now, source_at, because }
}

#[cfg(test)]
mod tests;
