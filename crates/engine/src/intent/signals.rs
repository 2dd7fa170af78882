//! The signals and stops that are watched of one life of a body, and which of them an order of ours explains: one stop
//! signal a stop, and one kill after its patience (ENGINE §6: we count, we do not time).

use std::collections::BTreeSet;
use std::time::Duration;

use model::fact::SourceTime;
use model::intent::Wanted;

use super::unseen::is_early;
use super::{Around, SIGKILL, Word, stops_by_kill, usize_of};
use crate::state::Own;

#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// The start with which this life began, as an event told.
    pub(super) since: Option<SourceTime>,
    pub(super) asks: BTreeSet<SourceTime>,
    pub(super) kills: BTreeSet<SourceTime>,
    pub(super) stops: BTreeSet<SourceTime>,
    pub(super) foreign: Option<Foreign>,
    /// Somebody else's signal of the life before, which ended it, and which a start of ours crossed before it was known who
    /// had asked.
    pub(super) crossed: Option<Foreign>,
    /// The last signal after which the API was found open.
    pub(super) open_after: Option<SourceTime>,
    /// A signal came while the engine was found to be shutting down.
    pub(super) by_engine: bool,
    /// When that was.
    pub(super) by_engine_at: Option<SourceTime>,
    /// A signal came, and the engine was found to be shutting down so much later that it may have been anybody's.
    pub(super) undecided: bool,
    /// It ended, as an event told.
    pub(super) died: bool,
    /// The last time that somebody had asked it to end when a person spoke since: the kill after that stop's patience is
    /// still to come, and as old as this.
    pub(super) overruled: Option<SourceTime>,
    /// Stops of ours that were over before this life began, and explain nothing in it.
    pub(super) spent: Option<Spent>,
}

/// So many of the stops that are counted together in [`Own`] are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent {
    stops: u32,
    /// As of so many starts of ours, and of the stops before these: then another count began.
    starts: u32,
    before: Option<SourceTime>,
}

impl Spent {
    pub(super) fn of(own: &Own) -> Spent {
        let stops = own.stops.saturating_sub(own.stops_open);
        Spent { stops, starts: own.starts, before: own.stops_before_closed }
    }
}

/// A kill may come so much later than its stop's patience would have it, on a machine that is busy.
const KILL_LATE: Duration = Duration::from_secs(5);

/// Whether a kill may be the end of the patience of a stop that asked then.
pub(super) fn ends_patience(kill: SourceTime, ask: SourceTime, around: &Around<'_>) -> bool {
    let timeout_s = around.body.definition.as_ref().map_or(10, |definition| definition.stop_timeout_s);
    let latest = u64::try_from(timeout_s).map(|s| Duration::from_secs(s) + KILL_LATE);
    ask <= kill && !is_early(kill, ask, timeout_s) && latest.is_ok_and(|latest| kill.since(ask) < latest)
}

/// Somebody else's terminating signal: it counts until the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) at: SourceTime,
    pub(super) signal: Option<u8>,
    pub(super) api_open: bool,
    /// It came again: an engine that shuts down asks once, so that at least one of them was a person's.
    pub(super) asked_again: bool,
}

impl Signals {
    /// How many stops of ours may explain what befell this life at this moment.
    pub(super) fn stops_at(&self, own: &Own, at: SourceTime) -> u32 {
        let of_this_count = |spent: &Spent| spent.starts == own.starts && spent.before == own.stops_before_closed;
        let spent = self.spent.filter(of_this_count).map_or(0, |spent| spent.stops);
        own.stops_at(at).saturating_sub(spent)
    }

    /// It was asked to end by an engine that shuts down. That asks once: who asks again was a person, be it the first time
    /// or this one.
    pub(super) fn asked_by_engine(&mut self, signal: u8, at: SourceTime) {
        let again = signal != SIGKILL && self.by_engine_at.is_some_and(|before| before < at);
        if again {
            self.foreign = Some(Foreign { at, signal: Some(signal), api_open: true, asked_again: true });
        } else {
            self.by_engine_at = self.by_engine_at.or(Some(at));
        }
        // Beside one that seemed to be ours this may be ours, and that one somebody's.
        self.undecided |= !self.asks.is_empty();
        self.by_engine = true;
    }

    /// Whether it was asked to end more often than stops of ours explain by now.
    pub(super) fn are_more_than(&self, own: Option<&Own>) -> bool {
        let Some(at) = self.asks.last() else { return false };
        let ours = own.map_or(0, |own| self.stops_at(own, *at));
        self.asks.len() > usize_of(ours)
    }

    /// When it was last asked to end.
    pub(super) fn last_at(&self) -> Option<SourceTime> {
        let asks = self.asks.iter().chain(&self.kills).chain(&self.stops).max().copied();
        asks.max(self.foreign.map(|foreign| foreign.at))
    }

    pub(super) fn forget_asks(&mut self) {
        self.overruled = self.last_at().max(self.overruled);
        self.asks.clear();
        self.kills.clear();
        self.stops.clear();
        self.foreign = None;
    }

    /// Whether its end was seen, and nobody asked for it.
    pub(super) fn ended_by_itself(&self) -> bool {
        let told = self.foreign.is_none() && !self.undecided;
        self.died && told && self.asks.is_empty() && self.kills.is_empty() && self.stops.is_empty()
    }

    /// Whether its end was seen, and what asked for it was healer alone.
    fn ended_by_us(&self) -> bool {
        self.died && self.foreign.is_none() && !self.undecided && !self.by_engine && !self.asks.is_empty()
    }

    /// What its seen end says, if it was to run: whoever sees less of it later shall not take our own stop for somebody's.
    pub(super) fn ended_unasked(&self, at: SourceTime, around: &Around<'_>) -> Word {
        let ran = around.before.is_some_and(|intent| intent.wanted == Wanted::Running);
        if ran && (self.ended_by_itself() || self.ended_by_us()) && !around.is_known_unasked(at) {
            Word::EndedUnasked(at)
        } else {
            Word::None
        }
    }

    /// Whether a stop of ours explains this signal: one stop signal a stop, and one kill after its timeout.
    pub(super) fn explained(&mut self, signal: u8, at: SourceTime, around: &Around<'_>) -> bool {
        let Some(own) = around.own else { return false };
        // The kill after a stop's patience is as much ours as its first signal was, whatever became of the order since.
        let asked = self.asks.first().copied().filter(|ask| signal == SIGKILL && ends_patience(at, *ask, around));
        let ours = usize_of(self.stops_at(own, asked.unwrap_or(at)));
        if ours == 0 {
            return false;
        }
        // A stop of ours asks before it kills; and that was heard, if the stream is older than the order, or the asking.
        let through = around.source.generation;
        let older = through.is_some() && own.stop_ordered_at > around.source.opened_at;
        let heard = older || around.body.came_unasked(through);
        if signal == SIGKILL && self.asks.is_empty() && heard && !stops_by_kill(around.body) {
            return false;
        }
        if signal == SIGKILL && !self.asks.is_empty() {
            self.kills.insert(at);
            let timeout_s = around.body.definition.as_ref().map_or(10, |definition| definition.stop_timeout_s);
            let early = self.asks.first().is_none_or(|ask| is_early(at, *ask, timeout_s));
            self.kills.len() <= ours && !early
        } else {
            self.asks.insert(at);
            self.asks.len() <= ours
        }
    }
}
