//! The ledger of intents: what the owner wants, told from what is seen.
//!
//! A `stop` event is evidence of intent, never proof, and its absence is no proof either. Two questions decide, and
//! neither is a window of time: *was the API open* when the signal came, and *does what we ordered explain it*. Where
//! neither can be answered the intent is unknown, and nothing is started on a guess. (facts/intent.md, 0 and B1.)

mod around;
mod first_sight;
mod signals;
mod unseen;

use std::collections::BTreeSet;
use std::time::Duration;

use model::fact::{Belongs, Fact, Happening, Incarnation, Look, Observation, Run, SourceTime, What};
use model::intent::{Author, Intent, Wanted};
use model::time::Spoken;
use model::{Now, Wall};

use crate::kept::Kept;
use crate::state::StopBegan;
use crate::world::Body;
pub(crate) use around::Around;
use first_sight::first_sight;
use signals::{Foreign, Signals, Spent, ends_patience};
use unseen::{End, has_forgotten, judge_unseen_end, stopped_while_restarting};

/// An engine that starts starts what its policies say before it answers: after a crash of its own 12 s were measured
/// (facts/intent.md, B4).
const ENGINE_STARTS_WITHIN: Duration = Duration::from_secs(60);
/// A deploy gives what it stopped another name at once: 2–4 ms were measured (facts/intent.md, B2).
const SET_ASIDE_WITHIN: Duration = Duration::from_secs(5);
/// Who was asked to end and has not for so long was asked for something else, such as a thread dump, or will not.
const ENDS_WITHIN: Duration = Duration::from_secs(3_600);
pub(crate) const SIGKILL: u8 = 9;
pub(crate) const AT_THE_ENGINE: &str = "at the engine";
/// The API is looked at about 100 ms after a signal; one that is found closed this much later tells nothing of it.
const FOUND_CLOSED_WITHIN_MS: i64 = 1_000;

/// What is watched of each body while it lives: signals and stops since its last start. Live knowledge, not folded.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    bodies: Kept<Incarnation, Signals>,
    /// The starts that an order of ours explains.
    our_starts: Kept<Incarnation, BTreeSet<SourceTime>>,
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
    /// Somebody else asked it to end then, by this signal, and it still runs.
    StopBegan(SourceTime, Option<u8>),
    /// It ended then, and nobody had asked for it: what is wanted is as before.
    EndedUnasked(SourceTime),
}

impl Watch {
    /// What is watched goes on from what the journal keeps of stops that were under way.
    pub(crate) fn of<'a>(stops: impl Iterator<Item = &'a StopBegan>) -> Watch {
        Watch { bodies: stops.map(under_way).collect(), ..Watch::default() }
    }

    /// Whether somebody is stopping this body at present, or has stopped it and it is not settled yet who.
    #[must_use]
    pub(crate) fn is_being_stopped(&self, incarnation: &Incarnation, now: SourceTime) -> bool {
        let foreign = self.bodies.get(incarnation).and_then(|signals| signals.foreign);
        foreign.is_some_and(|foreign| now.since(foreign.at) < ENDS_WITHIN)
    }

    /// When, and by which signal, somebody asked a body to end that is no more, once the API is known to have been open then.
    pub(crate) fn told_at_last(
        &mut self,
        incarnation: &Incarnation,
        open_after: Option<SourceTime>,
    ) -> Option<(SourceTime, Option<u8>)> {
        let told = |foreign: &Foreign| foreign.api_open || Some(foreign.at) <= open_after;
        let foreign = self.bodies.get(incarnation)?.foreign.filter(told)?;
        self.forget(incarnation);
        Some((foreign.at, foreign.signal))
    }

    /// When an order of ours asked this body to end, as far as its signal was heard.
    pub(crate) fn asked_at(&self, incarnation: &Incarnation) -> Option<SourceTime> {
        self.bodies.get(incarnation).and_then(|signals| signals.asks.last().copied())
    }

    /// The source closes or was lost before it was settled whose signal this was. A body that is down is judged by
    /// evidence, when it can be looked at again; one that still runs stays suspect of being stopped. Returns the end that
    /// was told already, and that nobody had asked for.
    pub(crate) fn unsettle(
        &mut self,
        incarnation: &Incarnation,
        body: &Body,
        closing: Option<Wall>,
    ) -> Option<SourceTime> {
        let signals = self.bodies.get_mut(incarnation)?;
        let over = body.run == Run::Exited && body.end_seen && signals.ended_by_itself();
        let ended = body.exit.as_ref().filter(|_| over).map(|exit| exit.at);
        self.unsettle_signal(incarnation, body, closing);
        ended
    }

    fn unsettle_signal(&mut self, incarnation: &Incarnation, body: &Body, closing: Option<Wall>) {
        let Some(signals) = self.bodies.get_mut(incarnation) else { return };
        // Whether the API was open then nobody will tell any more.
        signals.crossed = None;
        let Some(foreign) = signals.foreign.as_mut().filter(|foreign| !foreign.api_open) else { return };
        // An engine that shuts down asks before it kills: a kill that nothing came before was a person's.
        let by_person = foreign.asked_again || (foreign.signal == Some(SIGKILL) && !stops_by_kill(body));
        if closing.is_some() && by_person {
            foreign.api_open = true;
        } else if let Some(found) = closing {
            // An engine that shuts down closes its API and asks all to end in one moment.
            let at_once = found.0.saturating_sub(foreign.at.0.div_euclid(1_000_000)) <= FOUND_CLOSED_WITHIN_MS;
            // Beside one that seemed to be ours this may be ours, and that one somebody's.
            let by_engine = at_once && signals.asks.is_empty();
            (signals.by_engine, signals.undecided) = (by_engine, !by_engine);
            signals.by_engine_at = Some(foreign.at).filter(|_| at_once);
            signals.foreign = None;
        } else if body.is_up() {
            foreign.api_open = true;
        } else {
            signals.foreign = None;
        }
    }

    /// A person told healer what they want: whatever somebody asked of the engine before is the past. What healer asked
    /// itself is not, while that is under way (`stops`): the kill after its patience is still to come.
    pub(crate) fn a_person_spoke(&mut self, incarnation: &Incarnation, stops: bool) {
        let Some(signals) = self.bodies.get_mut(incarnation) else { return };
        if stops {
            signals.foreign = None;
        } else {
            signals.forget_asks();
        }
    }

    /// A batch begins: what the last one told stays.
    pub(crate) fn begin_batch(&mut self) {
        self.bodies.begin_batch();
        self.our_starts.begin_batch();
    }

    /// The last batch was not taken, and comes again: nothing of it is known yet.
    pub(crate) fn take_back(&mut self) {
        self.bodies.take_back();
        self.our_starts.take_back();
    }

    /// Nothing is known any more but what the journal keeps of stops that were under way.
    pub(crate) fn begin_anew<'a>(&mut self, stops: impl Iterator<Item = &'a StopBegan>) {
        self.bodies.retain(|_, _| false);
        self.our_starts.retain(|_, _| false);
        for (incarnation, signals) in stops.map(under_way) {
            self.bodies.insert(incarnation, signals);
        }
    }

    /// An order of ours was not carried out: the start that it seemed to explain was somebody else's.
    pub(crate) fn take_back_start(&mut self, incarnation: &Incarnation) {
        if let Some(explained) = self.our_starts.get_mut(incarnation) {
            explained.pop_last();
        }
    }

    /// Forgets a body that is no more.
    pub(crate) fn forget(&mut self, incarnation: &Incarnation) {
        self.bodies.remove(incarnation);
        self.our_starts.remove(incarnation);
    }

    /// Forgets the bodies that are not known any more: of some a listing alone tells that they went.
    pub(crate) fn keep_only(&mut self, known: &BTreeSet<&Incarnation>) {
        self.bodies.retain(|incarnation, _| known.contains(incarnation));
        self.our_starts.retain(|incarnation, _| known.contains(incarnation));
    }

    /// Reads an observation.
    pub(crate) fn read(&mut self, seen: &Observation, around: &Around<'_>) -> Word {
        let word = self.read_fact(seen, around);
        // Who asked before somebody's wish that it run has had their end: nothing of that is under way any more.
        if let Some(signals) = self.bodies.get_mut(&seen.incarnation).filter(|_| !around.body.is_up())
            && signals.foreign.is_some_and(|foreign| foreign.api_open && around.is_wished_since(foreign.at))
        {
            signals.forget_asks();
        }
        word
    }

    fn read_fact(&mut self, seen: &Observation, around: &Around<'_>) -> Word {
        match &seen.fact {
            Fact::Looked(look) => {
                self.reconsider(&seen.incarnation, around);
                self.read_look(&seen.incarnation, look, around)
            }
            Fact::Happened(happening) => self.read_event(&seen.incarnation, happening, around),
            Fact::ApiOpenAfter(at) => {
                let Some(signals) = self.bodies.get_mut(&seen.incarnation) else { return Word::None };
                signals.open_after = signals.open_after.max(Some(*at));
                if let Some(crossed) = signals.crossed.take_if(|crossed| crossed.at <= *at) {
                    return crossed.stopped_before_our_start(around);
                }
                match &mut signals.foreign {
                    Some(foreign) if foreign.at <= *at => {
                        foreign.api_open = true;
                        foreign.word(around)
                    }
                    Some(_) | None => Word::None,
                }
            }
            Fact::Gone | Fact::Unlooked(_) => Word::None,
        }
    }

    /// A signal that an order of ours seemed to explain is somebody else's, once that order was surely not carried out.
    fn reconsider(&mut self, incarnation: &Incarnation, around: &Around<'_>) {
        let Some(signals) = self.bodies.get_mut(incarnation).filter(|signals| signals.foreign.is_none()) else {
            return;
        };
        let is_settled = signals.by_engine || signals.undecided || around.foreign_is_ours;
        let Some(at) = signals.asks.last().copied().filter(|_| !is_settled) else { return };
        let ours = around.own.map_or(0, |own| signals.stops_at(own, at));
        if signals.asks.len() > usize_of(ours) {
            let api_open = signals.open_after >= Some(at);
            signals.foreign = Some(Foreign { at, signal: None, api_open, asked_again: false });
        }
    }

    /// A `stop` that an order of ours seemed to explain is somebody else's, once that order was not carried out. Returns
    /// when that was, and what it says.
    pub(crate) fn reconsider_stops(
        &mut self,
        incarnation: &Incarnation,
        around: &Around<'_>,
    ) -> Option<(SourceTime, Word)> {
        let is_settled = |signals: &Signals| signals.foreign.is_some() || signals.by_engine;
        if self.bodies.get(incarnation).is_none_or(is_settled) {
            return None;
        }
        // A signal comes first, and more may be known of it.
        self.reconsider(incarnation, around);
        let signals = self.bodies.get_mut(incarnation)?;
        if let Some(foreign) = signals.foreign {
            return Some((foreign.at, stopped_if_down(foreign, around)));
        }
        let at = signals.stops.last().copied().filter(|_| !around.foreign_is_ours && !around.source.closing)?;
        let ours = around.own.map_or(0, |own| signals.stops_at(own, at));
        if signals.stops.len() <= usize_of(ours) {
            return None;
        }
        let api_open = signals.open_after >= Some(at);
        let foreign = Foreign { at, signal: None, api_open, asked_again: false };
        signals.foreign = Some(foreign);
        Some((at, stopped_if_down(foreign, around)))
    }

    fn read_event(&mut self, incarnation: &Incarnation, event: &Happening, around: &Around<'_>) -> Word {
        let signals = self.bodies.entry(incarnation);
        // It tells of an earlier life.
        if signals.since >= Some(event.at) {
            return Word::None;
        }
        match &event.what {
            What::Signalled { signal, terminating: true } => {
                // An engine that shuts down takes no new requests: it asks its containers itself, and kills what it has asked.
                let ask = *signal != SIGKILL || signals.by_engine;
                if around.source.closing && signals.foreign.is_none() && ask {
                    signals.asked_by_engine(*signal, event.at);
                    return Word::None;
                }
                if !signals.explained(*signal, event.at, around) && !around.foreign_is_ours {
                    let before = signals.foreign;
                    let api_open = before.is_some_and(|foreign| foreign.api_open);
                    let asks = |foreign: Foreign| foreign.asked_again || (*signal != SIGKILL && foreign.at < event.at);
                    let asked_again = before.is_some_and(asks);
                    let overruled = signals
                        .overruled
                        .filter(|ask| *signal == SIGKILL && before.is_none() && ends_patience(event.at, *ask, around));
                    // The kill after a stop's patience is still that stop.
                    let signal = before.map_or(Some(*signal), |foreign| foreign.signal);
                    let at = overruled.unwrap_or(event.at);
                    signals.foreign = Some(Foreign { at, signal, api_open, asked_again });
                }
                Word::None
            }
            What::Died { .. } => {
                signals.died = true;
                if let Some(foreign) = signals.foreign {
                    return stopped_if_down(foreign, around);
                }
                // The engine may be about to restart it: then the look tells whether that was the end. And who came in the
                // middle has not heard what was asked of it before.
                let in_the_middle = !around.body.end_seen && !signals.by_engine;
                if around.engine_restarts_it(signals.since, None) || in_the_middle {
                    Word::None
                } else {
                    signals.ended_unasked(event.at, around)
                }
            }
            What::Stopped => {
                signals.stops.insert(event.at);
                // It is as much ours as the signal was that it comes after.
                let asked = signals.asks.first().copied().unwrap_or(event.at);
                let ours = around.own.map_or(0, |own| signals.stops_at(own, asked));
                // An engine that shuts down stops each once.
                let shuts_down = around.source.closing || around.source.went_out_after(event.at);
                let engines = usize::from(signals.by_engine && shuts_down);
                let is_judged = !around.source.closing || signals.by_engine;
                if signals.stops.len() > usize_of(ours) + engines && signals.foreign.is_none() && is_judged {
                    // A stop without a signal: it was waiting to be restarted, or two stops overlapped.
                    let api_open = around.source.closing || signals.open_after >= Some(event.at);
                    signals.foreign = Some(Foreign { at: event.at, signal: None, api_open, asked_again: false });
                }
                signals.foreign.map_or(Word::None, |foreign| stopped_if_down(foreign, around))
            }
            What::Started => {
                let restarts = around.engine_restarts_it(signals.since, Some(event.at)) || around.policy_is_unknown();
                let by_policy = around.was_restarting(signals, event.at) || (signals.ended_by_itself() && restarts);
                let spent = around.own.map(Spent::of);
                let crossed = signals.foreign.filter(|foreign| event.at.since(foreign.at) < ENDS_WITHIN);
                *signals = Signals { since: Some(event.at), spent, ..Signals::default() };
                let explained = self.our_starts.entry(incarnation);
                let ours = around.own.is_some_and(|own| own.explains_start(event.at, explained));
                if ours {
                    explained.insert(event.at);
                    // That the API was open may be known already, where a look was faster than the events.
                    if let Some(foreign) = crossed.filter(|foreign| foreign.api_open) {
                        return foreign.stopped_before_our_start(around);
                    }
                    signals.crossed = crossed;
                }
                match around.before.map(|intent| intent.wanted) {
                    _ if ours || by_policy => Word::None,
                    // A person spoke since: the stream tells of the past.
                    _ if around.before.is_some_and(|intent| is_persons_word_since(intent, event.at)) => Word::None,
                    wanted if around.may_be_made_late(event.at) => perhaps_made_by_us(wanted),
                    Some(Wanted::Running) => Word::StartedByAnother,
                    Some(Wanted::Stopped | Wanted::Unknown) | None => Word::Wants(
                        Wanted::Running,
                        Author::SomebodyAtTheEngine,
                        format!("somebody started it {}", through(around.body)),
                    ),
                }
            }
            What::Renamed { aside: true } => set_aside(event.at, around),
            What::Signalled { terminating: false, .. }
            | What::Created
            | What::Restarted
            | What::OutOfMemory
            | What::Paused
            | What::Unpaused
            | What::Health(_)
            | What::Renamed { aside: false }
            | What::Updated
            | What::Attached
            | What::Destroyed => Word::None,
        }
    }

    /// Somebody stopped it, as the engine's kept events tell: the next start is no work of the engine's own policy.
    fn note_stopped(&mut self, incarnation: &Incarnation, at: SourceTime) {
        let signals = self.bodies.entry(incarnation);
        signals.foreign = Some(Foreign { at, signal: None, api_open: true, asked_again: false });
    }

    /// What was asked of a life before the one that a look shows says nothing of this one, where no event told of its start.
    fn forget_lives_before(&mut self, incarnation: &Incarnation, look: &Look) {
        let Some(signals) = self.bodies.get_mut(incarnation) else { return };
        let is_before = signals.foreign.is_some_and(|foreign| Some(foreign.at) < look.started);
        if is_before && (signals.since.is_none() || look.run == Run::Exited) {
            signals.forget_asks();
        }
    }

    fn read_look(&mut self, incarnation: &Incarnation, look: &Look, around: &Around<'_>) -> Word {
        // After an order of ours a look may be faster than the events of the life before, which are still to be judged.
        let none = BTreeSet::new();
        let explained = self.our_starts.get(incarnation).unwrap_or(&none);
        let ours = look.started.zip(around.own).is_some_and(|(at, own)| own.explains_start(at, explained));
        let on_their_way = ours
            && matches!(look.run, Run::Running | Run::Paused)
            && around.own.is_some_and(|own| own.ordered_at > around.source.opened_at);
        if !on_their_way {
            self.forget_lives_before(incarnation, look);
        }
        let Some(before) = around.before else {
            // Even what was never looked at may have been seen to be stopped.
            let foreign = self.bodies.get(incarnation).and_then(|signals| signals.foreign);
            let stopped = foreign.map_or(Word::None, |foreign| stopped_if_down(foreign, around));
            return if stopped == Word::None { first_sight(look, around) } else { stopped };
        };
        if matches!(look.run, Run::Running | Run::Paused) {
            let signals = self.bodies.get(incarnation);
            // Every other start begins that count anew.
            let by_policy = look.restarts > 0;
            let of_before = signals.is_some_and(|signals| signals.last_at() < look.started);
            if around.start_is_news && of_before && !by_policy && !on_their_way {
                // What was asked of its life before says nothing of this one.
                self.bodies.remove(incarnation);
            }
            // What runs since before the API's first answer was started by the engine itself.
            let by_engine =
                look.started.is_some_and(|at| around.source.was_out(at) || around.is_started_with_engine(at));
            let is_said = |at: SourceTime| is_persons_word_since(before, at);
            if look.started.is_some_and(|at| around.may_be_made_late(at) && !is_said(at)) {
                return perhaps_made_by_us(Some(before.wanted));
            }
            return found_running(look, before, around.start_is_news && !ours && !by_engine && !by_policy);
        }
        // What was made since, before our eyes, was made to run.
        if before.wanted != Wanted::Running
            && somebodys_failed_start(look, around)
            && (around.body.was_made_since(said_at(before)) || was_stopped_for_it(look, before, around))
        {
            return tried_to_start();
        }
        let made_before = !around.body.was_made_since(said_at(before));
        if before.wanted == Wanted::Stopped && made_before && was_stopped_for_it(look, before, around) {
            return put_aside(around);
        }
        // An end that its events told is judged by them; one that a look alone shows, by evidence.
        if let Some(foreign) = self.bodies.get(incarnation).and_then(|signals| signals.foreign) {
            return stopped_if_down(foreign, around);
        }
        let Some(exit) = look.exit.as_ref().filter(|_| look.run == Run::Exited && look.started.is_some()) else {
            return Word::None;
        };
        // It was replaced since: how it ended says nothing of what is wanted.
        if around.another_at > Some(exit.at) {
            return Word::None;
        }
        // What could not be told is told once the engine's kept events come in.
        let revised = before.wanted == Wanted::Unknown
            && before.by == Author::Evidence
            && before.source_at.is_some_and(|said| exit.at <= said)
            && look.kept.as_ref().is_some_and(|kept| kept.complete);
        // A stop of what the engine was about to start again has no signal, and comes after an end that is known.
        let since = if revised { exit.at } else { said_at(before) };
        if (revised || before.wanted == Wanted::Running)
            && let Some(because) = stopped_while_restarting(look, since, around)
        {
            self.note_stopped(incarnation, exit.at);
            return Word::Wants(Wanted::Stopped, Author::SomebodyAtTheEngine, because);
        }
        // Who said that it shall run knew of an end before that, as of one of a body that was set aside.
        let later = before.wanted == Wanted::Running && exit.at > said_at(before);
        let undecided = self.bodies.get(incarnation).is_some_and(|signals| signals.undecided);
        let noted = around.body.end_seen && around.body.is_noted_without_a_word() && !around.source.closing;
        if noted && before.wanted != Wanted::Stopped && !around.is_wished_since(exit.at) {
            self.note_stopped(incarnation, exit.at);
            let because = "somebody killed it at the engine while it waited to be restarted".to_owned();
            return Word::Wants(Wanted::Stopped, Author::SomebodyAtTheEngine, because);
        }
        if around.body.end_seen && !undecided {
            return self.bodies.get(incarnation).map_or(Word::None, |signals| signals.ended_unasked(exit.at, around));
        }
        let untold = explained_by_events(around) && !around.events_are_lost;
        let by_engine = self.bodies.get(incarnation).is_some_and(|signals| signals.by_engine);
        // The memory of an engine that has shut down does not reach back to before that: one that could only not be reached
        // for a moment (a tunnel, a proxy) had asked nobody to end.
        let lived_on = by_engine && look.kept.as_ref().is_some_and(|kept| kept.complete);
        let known = around.is_known_unasked(exit.at) && !revised && !lived_on;
        if !(later || revised) || untold || known {
            return Word::None;
        }
        let verdict = judge_unseen_end(look, by_engine, around);
        let more_than_ours = self.bodies.get(incarnation).is_some_and(|signals| signals.are_more_than(around.own));
        let may_be_ours = around.own.is_some_and(|own| own.may_have_ended_it(exit.at));
        let undecided = undecided && has_forgotten(look, around) && (may_be_ours || more_than_ours);
        match verdict {
            End::AsBefore if revised => Word::Wants(
                Wanted::Running,
                Author::Evidence,
                "the engine's kept events show that nobody stopped it".to_owned(),
            ),
            End::AsBefore | End::Ours if undecided => {
                let because = "it was asked to end by healer, and again just before its engine closed".to_owned();
                Word::Wants(Wanted::Unknown, Author::Evidence, because)
            }
            End::AsBefore => Word::EndedUnasked(exit.at),
            End::Ours => Word::None,
            End::Unknown(_) if revised => Word::None,
            End::Stopped(because) => {
                self.note_stopped(incarnation, exit.at);
                Word::Wants(Wanted::Stopped, Author::SomebodyAtTheEngine, because)
            }
            End::Unknown(because) => Word::Wants(Wanted::Unknown, Author::Evidence, because),
        }
    }
}

impl Foreign {
    /// What it says of a life that has ended, and that we have followed by another one meanwhile.
    fn stopped_before_our_start(self, around: &Around<'_>) -> Word {
        // A deploy had set it aside: that is nobody's wish that the service be down.
        if around.body.aside && !around.is_replaced_by_us() {
            return Word::None;
        }
        stopped_before(around.before, self.at, self.signal, through(around.body))
    }

    /// What it says, now that it is known who asked.
    fn word(self, around: &Around<'_>) -> Word {
        let since = around.body.started.max(around.stop_began);
        let is_news = around.before.is_some_and(|intent| intent.wanted != Wanted::Stopped) && since < Some(self.at);
        if around.body.is_up() && is_news {
            return Word::StopBegan(self.at, self.signal);
        }
        stopped_if_down(self, around)
    }
}

fn stops_by_kill(body: &Body) -> bool {
    body.definition.as_ref().is_some_and(|definition| definition.stops_by_kill)
}

fn stopped_if_down(foreign: Foreign, around: &Around<'_>) -> Word {
    let wanted_already = around.before.is_some_and(|intent| intent.wanted == Wanted::Stopped);
    if around.body.is_up() || !foreign.api_open || wanted_already || around.is_wished_since(foreign.at) {
        return Word::None;
    }
    if around.body.aside && !around.is_replaced_by_us() {
        return put_aside(around);
    }
    let ended = around.body.exit.as_ref().map(|exit| exit.at);
    if let Some(later) = ended.map(|ended| ended.since(foreign.at)).filter(|later| *later >= ENDS_WITHIN) {
        let by_us = around.own.zip(ended).is_some_and(|(own, ended)| own.may_have_ended_it(ended));
        if by_us {
            return Word::None;
        }
        let because =
            format!("it ended {} after somebody had told it to: nobody can tell whether by that", Spoken(later));
        return Word::Wants(Wanted::Unknown, Author::Evidence, because);
    }
    stopped_by_somebody(foreign.signal, through(around.body))
}

/// Through what somebody orders it about who does not ask healer.
pub(crate) fn through(body: &Body) -> &'static str {
    match body.definition.as_ref().map(|definition| &definition.belongs) {
        Some(Belongs::SystemdUnit) => "through systemd",
        Some(_) | None => AT_THE_ENGINE,
    }
}

fn stopped_by_somebody(signal: Option<u8>, through: &str) -> Word {
    let because = match signal {
        Some(SIGKILL) => format!("somebody killed it {through}"),
        Some(signal) => format!("somebody stopped it {through} (signal {signal})"),
        None => format!("somebody stopped it {through}"),
    };
    Word::Wants(Wanted::Stopped, Author::SomebodyAtTheEngine, because)
}

/// What a stop of then says by somebody else, before a start of ours.
pub(crate) fn stopped_before(word: Option<&Intent>, at: SourceTime, signal: Option<u8>, through: &str) -> Word {
    let wanted = word.is_some_and(|word| word.wanted == Wanted::Running && !is_wish_since(word, at));
    if wanted { stopped_by_somebody(signal, through) } else { Word::None }
}

/// A deploy stops a service and gives it another name, in order to start a new one: that is nobody's wish that it be down.
/// Whether a new one follows is told by its start.
fn set_aside(at: SourceTime, around: &Around<'_>) -> Word {
    let stopped = around.before.filter(|word| word.wanted == Wanted::Stopped && word.by == Author::SomebodyAtTheEngine);
    let just_now = stopped.and_then(|word| word.source_at).is_some_and(|said| at.since(said) < SET_ASIDE_WITHIN);
    if just_now && !around.is_replaced_by_us() { put_aside(around) } else { Word::None }
}

fn put_aside(around: &Around<'_>) -> Word {
    if around.before.is_some_and(|word| word.wanted == Wanted::Unknown) {
        return Word::None;
    }
    let because = "somebody stopped it to put a new one in its place, and none was started yet".to_owned();
    Word::Wants(Wanted::Unknown, Author::Evidence, because)
}

/// Whether somebody stopped what ran in order to start this one in its place, which was made before that (Compose v2:
/// create, stop, remove, rename, start), and has not been started.
fn was_stopped_for_it(look: &Look, before: &Intent, around: &Around<'_>) -> bool {
    let by_deploy = match before.by {
        Author::SomebodyAtTheEngine => before.wanted == Wanted::Stopped,
        Author::Evidence => before.wanted == Wanted::Unknown,
        Author::Person(_) | Author::FirstSight | Author::Configuration => false,
    };
    let waits = look.run == Run::Created && look.started.is_none();
    // Beside what healer replaces, a stop is somebody's.
    let ours = around.own.is_some_and(|own| own.made);
    waits && by_deploy && around.replaced_is_gone && !ours
}

/// Whether a start failed of a body that never ran, and that healer did not start.
fn somebodys_failed_start(look: &Look, around: &Around<'_>) -> bool {
    let never_ran = look.run == Run::Created && look.started.is_none();
    let ours = around.own.is_some_and(|own| own.starts > 0);
    never_ran && !ours && around.source.ever_listed && look.exit.as_ref().is_some_and(|exit| !exit.error.is_empty())
}

fn tried_to_start() -> Word {
    let because = "somebody tried to start it: it could not be started".to_owned();
    Word::Wants(Wanted::Running, Author::SomebodyAtTheEngine, because)
}

/// When the ledger's last word was said. A person's word to healer has our time, which on a local engine is the source's.
pub(crate) fn said_at(word: &Intent) -> SourceTime {
    word.source_at.unwrap_or(SourceTime(word.at.wall.0.saturating_mul(1_000_000)))
}

/// Whether this is somebody's wish that it run, of a later moment.
fn is_wish_since(word: &Intent, at: SourceTime) -> bool {
    match &word.by {
        Author::Person(_) | Author::SomebodyAtTheEngine => word.wanted == Wanted::Running && said_at(word) > at,
        Author::FirstSight | Author::Evidence | Author::Configuration => false,
    }
}

/// Whether a person said this to healer after that moment.
fn is_persons_word_since(word: &Intent, at: SourceTime) -> bool {
    matches!(word.by, Author::Person(_)) && at < said_at(word)
}

/// Whether somebody made and started it, or an order of ours whose end nobody heard of, cannot be told.
fn perhaps_made_by_us(wanted: Option<Wanted>) -> Word {
    let because = "it was made anew and started, perhaps by an order of healer's that was cut short".to_owned();
    match wanted {
        Some(Wanted::Stopped) => Word::Wants(Wanted::Unknown, Author::Evidence, because),
        Some(Wanted::Running | Wanted::Unknown) | None => Word::None,
    }
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

/// Somebody was stopping it when the journal was written last.
fn under_way(stop: &StopBegan) -> (Incarnation, Signals) {
    let foreign = Foreign { at: stop.at, signal: stop.signal, api_open: true, asked_again: false };
    (stop.incarnation.clone(), Signals { foreign: Some(foreign), ..Signals::default() })
}

/// The stream is unbroken since it was seen running: its own events tell, and are on their way.
fn explained_by_events(around: &Around<'_>) -> bool {
    around.body.watched_since.is_some() && around.body.watched_since == around.source.generation
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
