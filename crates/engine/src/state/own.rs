//! What healer did to each body: which events an order of ours explains, so that every other one is somebody's word.

use std::collections::BTreeSet;

use model::action::{Action, Answer};
use model::fact::{Incarnation, SourceTime};
use model::{ResourceId, Tick};
use serde::{Deserialize, Serialize};

use super::{Act, State};
use crate::absorb::DIE_LATE_MAX;

/// A start that a look did not show may still be carried out within this time, in nanoseconds.
const START_LATE_NS: i64 = 5_000_000_000;

/// What we did to one body. We count, we do not time: one start of ours explains one `start`, one stop of ours explains
/// one stop signal, at most one kill and one `stop` (ENGINE §6).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Own {
    /// Whose body it is.
    #[serde(default)]
    pub of: Option<ResourceId>,
    /// When the last order was given.
    #[serde(default)]
    pub ordered_at: Tick,
    /// When the last order was given that stops it.
    #[serde(default)]
    pub stop_ordered_at: Tick,
    /// What the last order does to it is done by this moment: then its time and its patience are over.
    #[serde(default)]
    pub done_by: Option<SourceTime>,
    /// We have it made anew: that it is set aside and removed is nobody's deploy.
    #[serde(default)]
    pub replaced: bool,
    /// It was to be made anew, and nobody heard what came of that: whether it came to a stop of this one is not known, and
    /// until then it may have another one made and started.
    #[serde(default)]
    pub unanswered_until: Option<SourceTime>,
    /// An order of ours made it.
    #[serde(default)]
    pub made: bool,
    /// A person's update made it, as its answer says: it may go back by the same word.
    #[serde(default)]
    pub of_update: bool,
    /// Starts that were ordered in this process's life.
    pub starts: u32,
    /// Those of them that are not over yet.
    #[serde(default)]
    pub starts_open: u32,
    /// The others are over as of this moment: a start that comes later is not one of them.
    #[serde(default)]
    pub starts_closed: Option<SourceTime>,
    /// So many of them had come by the moment at which a look last showed that one had: a start that comes later is not one
    /// of those.
    #[serde(default)]
    pub starts_come: (u32, Option<SourceTime>),
    /// Stops that were ordered since our last start.
    pub stops: u32,
    /// Those of them that are not over yet.
    #[serde(default)]
    pub stops_open: u32,
    /// The last stop is over as of this moment: what comes later is somebody else's.
    pub stops_closed: Option<SourceTime>,
    /// Its end that was known when the first of them was ordered: that one they do not explain.
    #[serde(default)]
    pub ended_before: Option<SourceTime>,
    /// They were over before this process began: what came beside them nobody knows any more.
    #[serde(default)]
    pub stops_are_past: bool,
    /// The stops of the life before the last start that was ordered: their events may arrive after that order.
    #[serde(default)]
    pub stops_before: u32,
    /// Those were over as of this moment.
    #[serde(default)]
    pub stops_before_closed: Option<SourceTime>,
}

impl State {
    /// What healer did to the other bodies of a resource.
    pub(crate) fn own_of_others<'a>(
        &'a self,
        resource: &'a ResourceId,
        incarnation: &'a Incarnation,
    ) -> impl Iterator<Item = &'a Own> {
        let of_others = move |(of, own): &(&Incarnation, &Own)| *of != incarnation && own.of.as_ref() == Some(resource);
        self.own.iter().filter(of_others).map(|(_, own)| own)
    }

    /// The end of this body that is known to be nobody's wish.
    pub(crate) fn end_unasked(&self, resource: &ResourceId, incarnation: &Incarnation) -> Option<SourceTime> {
        self.ends.get(resource).filter(|(of, _)| of == incarnation).map(|(_, at)| *at)
    }

    /// When somebody was last known to ask this body to end while it ran.
    pub(crate) fn stop_began(&self, resource: &ResourceId, incarnation: &Incarnation) -> Option<SourceTime> {
        self.stops.get(resource).filter(|stop| stop.incarnation == *incarnation).map(|stop| stop.at)
    }
}

impl Own {
    /// Another process begins: a start of ours that is found later is still ours, and so are a stop that is over, as far as
    /// it reaches, and that of a pair that is not closed yet; every other one explains nothing any more.
    pub(super) fn begin_anew(&mut self, pair_is_open: bool) {
        if self.stops_before_closed.is_none() {
            self.stops_before = 0;
        }
        if !pair_is_open && self.stops_closed.is_none() {
            self.stops = 0;
        }
        self.stops_are_past = !pair_is_open;
    }

    /// Of one that is made anew: the body that is there is stopped by that. `ended`: the body's end that is known by then.
    pub(super) fn ordered(
        &mut self,
        action: Action,
        of: &ResourceId,
        at: Tick,
        done_by: Option<SourceTime>,
        ended: Option<SourceTime>,
    ) {
        self.of = Some(of.clone());
        // It neither starts nor stops anything.
        if let Action::Change(_) = action {
            return;
        }
        self.ordered_at = at;
        self.done_by = done_by;
        self.replaced = action == Action::Recreate;
        match action {
            Action::Start => {
                self.starts += 1;
                self.starts_open += 1;
                // One that was not carried out leaves the life before it as it is.
                if self.stops > 0 {
                    (self.stops_before, self.stops_before_closed) = (self.stops, self.stops_closed);
                }
                self.stops = 0;
                self.stops_closed = None;
            }
            Action::Stop | Action::Recreate => {
                self.stop_ordered_at = at;
                self.stops_are_past = false;
                if self.stops == 0 {
                    self.ended_before = ended;
                }
                if self.stops_closed.is_some() {
                    // Those before are over, and explain nothing of what this one does.
                    (self.stops_before, self.stops_before_closed) = (self.stops, self.stops_closed);
                    self.stops = 0;
                }
                self.stops += 1;
                self.stops_open += 1;
                self.stops_closed = None;
            }
            Action::Change(_) => {}
        }
    }

    /// How many stops of ours may explain what happened at this moment.
    #[must_use]
    pub fn stops_at(&self, at: SourceTime) -> u32 {
        match (self.stops_before_closed, self.stops_closed) {
            (Some(before), _) if at <= before => self.stops_before,
            (_, Some(closed)) if at > closed => 0,
            (_, Some(_) | None) => self.stops,
        }
    }

    /// Whether a stop of ours explains this end of it, and the signal that asked for that.
    #[must_use]
    pub(crate) fn explains_end(&self, at: SourceTime, asked: Option<SourceTime>) -> bool {
        let is_older = |before: SourceTime| at <= before && before.since(at) < DIE_LATE_MAX;
        !self.ended_before.is_some_and(is_older) && self.stops_at(asked.unwrap_or(at)) > 0
    }

    /// Whether a stop of ours that is not settled yet may explain an end at this moment, of which nothing else tells. The
    /// one of a pair that is over may not: what came beside it nobody knows any more.
    #[must_use]
    pub(crate) fn may_have_ended_it(&self, at: SourceTime) -> bool {
        self.stops_at(at) > 0 && !self.stops_are_past && self.done_by.is_none_or(|by| at <= by)
    }

    /// What an order of ours has made has started: every start that comes later is another.
    pub(super) fn has_come(&mut self, at: SourceTime) {
        self.starts_come = (self.starts, Some(at));
    }

    /// When it was last known to run by an order of ours.
    pub(crate) fn last_ran_at(&self) -> Option<SourceTime> {
        self.starts_come.1
    }

    /// Whether it is to be written down that it has started: an order of ours made it, and its start was not heard of yet.
    #[must_use]
    pub(crate) fn awaits_its_start(&self) -> bool {
        self.made && self.starts_come.0 == 0
    }

    /// An answer came. An order that was surely not carried out explains nothing.
    pub(super) fn answered(&mut self, action: Action, answer: &Answer) {
        let surely_not = match answer {
            Answer::AlreadySo | Answer::Withheld(_) => true,
            // A start that failed may have emitted a `start`, a stop that failed may have sent its signal.
            Answer::Done | Answer::Failed(_) | Answer::Unknown(_) => false,
        };
        if action == Action::Recreate {
            self.unanswered_until = self.done_by.filter(|_| matches!(answer, Answer::Unknown(_)));
        }
        match action {
            _ if !surely_not => {}
            Action::Start => {
                self.starts = self.starts.saturating_sub(1);
                self.starts_open = self.starts_open.saturating_sub(1);
            }
            Action::Stop | Action::Recreate => {
                self.stops = self.stops.saturating_sub(1);
                self.stops_open = self.stops_open.saturating_sub(1);
            }
            Action::Change(_) => {}
        }
    }

    /// An order is over: what happens after this moment is somebody else's.
    pub(super) fn close(&mut self, act: &Act, action: Action, over: SourceTime, reached: bool, now: Tick) {
        if let Action::Change(_) = action {
            return;
        }
        let taken_back = matches!(act.answer, Some(Answer::AlreadySo | Answer::Withheld(_)));
        // Of the one that was replaced the removal may come later.
        self.replaced &= action == Action::Recreate && (reached || act.made.is_some());
        if action == Action::Recreate && reached {
            self.unanswered_until = None;
        }
        match action {
            Action::Stop | Action::Recreate => {
                self.stops_closed = Some(over);
                self.stops_open = self.stops_open.saturating_sub(u32::from(!taken_back));
            }
            Action::Change(_) => {}
            Action::Start if taken_back => {}
            Action::Start => {
                self.starts_open = self.starts_open.saturating_sub(1);
                self.starts_closed = if reached {
                    // An earlier order that comes late finds it running, and starts nothing.
                    self.starts_come = (self.starts.saturating_sub(self.starts_open), Some(over));
                    Some(over)
                } else {
                    let late = SourceTime(over.0.saturating_add(may_come_ns(act, now)));
                    self.starts_closed.max(Some(late))
                };
            }
        }
    }

    /// Whether one more start at this moment is explained by an order of ours, besides those that are.
    #[must_use]
    pub fn explains_start(&self, at: SourceTime, explained: &BTreeSet<SourceTime>) -> bool {
        let after = |moment: Option<SourceTime>| explained.iter().filter(|then| Some(**then) > moment).count();
        let (come, come_at) = self.starts_come;
        let (ours, so_far) = if self.starts_closed.is_some_and(|closed| at > closed) {
            (self.starts_open, after(self.starts_closed))
        } else if come_at.is_some_and(|come_at| at > come_at) {
            (self.starts.saturating_sub(come), after(come_at))
        } else if come_at.is_some() {
            (come, explained.len() - after(come_at))
        } else {
            (self.starts, explained.len())
        };
        u32::try_from(so_far).is_ok_and(|so_far| so_far < ours)
    }
}

/// For how long a start that a look did not show may still be carried out, in nanoseconds: one that nobody answered for as
/// long as its order allows.
fn may_come_ns(act: &Act, now: Tick) -> i64 {
    match act.answer {
        Some(Answer::Unknown(_)) => {
            let allowed = i64::try_from(act.permit.until.since(now).as_nanos()).unwrap_or(i64::MAX);
            allowed.max(START_LATE_NS)
        }
        Some(Answer::Done | Answer::AlreadySo | Answer::Failed(_) | Answer::Withheld(_)) | None => START_LATE_NS,
    }
}
