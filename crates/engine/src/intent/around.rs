//! What is known besides an observation when that is judged.

use model::ResourceId;
use model::fact::{Incarnation, Look, RestartPolicy, Run, SourceTime};
use model::intent::Intent;

use super::signals::Signals;
use super::{ENGINE_STARTS_WITHIN, is_wish_since};
use crate::absorb::DIE_LATE_MAX;
use crate::faults::Faults;
use crate::state::{Own, State};
use crate::world::{Body, Source, World};

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
    /// When its engine was started, as far as that is known.
    pub engine_started: Option<SourceTime>,
    /// The events that should have told of this end have not come in time: the stream lost them.
    pub events_are_lost: bool,
    /// It is a look that shows a start of which nothing was known.
    pub start_is_news: bool,
    /// The end of this body that was judged to be nobody's wish: a look that shows less does not judge it again.
    pub end_unasked: Option<SourceTime>,
    /// When somebody was last known to ask this body to end while it ran.
    pub stop_began: Option<SourceTime>,
    /// Another body of the resource is known to have been there at this moment, though it may not be seen yet.
    pub another_at: Option<SourceTime>,
    /// What the engine kept comes with the listing, and that is still to come.
    pub kept_is_to_come: bool,
    /// It was made in the place of another body, and that is no more.
    pub replaced_is_gone: bool,
    /// Until then an order of ours may have another body made in the place of one, though nobody waits for it any longer.
    pub made_late_until: Option<SourceTime>,
    /// A fault that the simulator plants: every signal is taken for our own.
    pub foreign_is_ours: bool,
}

impl<'a> Around<'a> {
    /// What is known of a body besides an observation of it, or `None` if it is not seen at all.
    pub(crate) fn of(
        (state, world, faults): (&'a State, &'a World, &Faults),
        resource: &ResourceId,
        incarnation: &Incarnation,
    ) -> Option<Around<'a>> {
        let body = world.body_of(resource, incarnation)?;
        Some(Around {
            before: state.intents.get(resource),
            own: state.own.get(incarnation),
            body,
            source: world.source(resource.source())?,
            engine_started: state.recoveries.engine_started(resource.source()),
            events_are_lost: false,
            start_is_news: false,
            end_unasked: state.end_unasked(resource, incarnation),
            stop_began: state.stop_began(resource, incarnation),
            another_at: None,
            kept_is_to_come: false,
            replaced_is_gone: world.replaced_is_gone(resource, body),
            made_late_until: state.own_of_others(resource, incarnation).filter_map(|own| own.unanswered_until).max(),
            foreign_is_ours: faults.foreign_stop_taken_for_ours,
        })
    }

    /// Whether a start at this moment may be that of what an order of ours has had made late.
    pub(super) fn may_be_made_late(&self, started: SourceTime) -> bool {
        self.made_late_until >= Some(started) && !self.own.is_some_and(|own| own.made)
    }

    /// Whether the engine may have started it by itself, at its own start, and of its own policy.
    pub(super) fn is_started_with_engine(&self, at: SourceTime) -> bool {
        let policy = self.body.definition.as_ref().map(|definition| definition.restart_policy);
        let starts = |began: SourceTime| began <= at && at.since(began) < ENGINE_STARTS_WITHIN;
        !matches!(policy, None | Some(RestartPolicy::No)) && self.engine_started.is_some_and(starts)
    }

    /// Whether it was healer that gave it another name, in order to put a new one in its place.
    pub(super) fn is_replaced_by_us(&self) -> bool {
        self.own.is_some_and(|own| own.replaced)
    }

    /// Whether somebody has said since that it shall run: what was asked of a body before that is the past.
    pub(super) fn is_wished_since(&self, at: SourceTime) -> bool {
        self.before.is_some_and(|word| is_wish_since(word, at))
    }

    /// Whether this is the end that is known to be nobody's wish. An event tells of an end a little after it.
    pub(super) fn is_known_unasked(&self, exit: SourceTime) -> bool {
        self.end_unasked.is_some_and(|at| exit <= at && at.since(exit) < DIE_LATE_MAX)
    }

    /// Whether a look between its last start and this one showed that the engine is about to start it, and nobody stopped
    /// it since.
    pub(super) fn was_restarting(&self, signals: &Signals, started: SourceTime) -> bool {
        let before = signals.since.max(signals.last_at());
        let between = |look: &Look| before < Some(look.at) && look.at < started;
        self.body.look.as_ref().is_some_and(|look| look.run == Run::Restarting && between(look))
    }

    /// Whether it is what healer has just had made, and was not looked at yet: nobody knows yet
    /// whether the engine restarts it.
    pub(super) fn policy_is_unknown(&self) -> bool {
        self.body.definition.is_none() && self.own.is_some_and(|own| own.made)
    }

    /// Whether the engine's own policy may start it: then a start after an end that nobody asked for is the engine's.
    /// `since`: the start of the life that has ended, as far as it was told; `start`: the one that followed, if one did.
    pub(super) fn engine_restarts_it(&self, since: Option<SourceTime>, start: Option<SourceTime>) -> bool {
        use RestartPolicy as P;
        // A look at its last end that shows it at rest tells that the policy let it be.
        let ended = |look: &Look| look.exit.as_ref().map(|exit| exit.at);
        let last = self.body.exit.as_ref().map(|exit| exit.at);
        let is_last = |look: &Look| ended(look).zip(last).is_some_and(|(at, last)| last.since(at) < DIE_LATE_MAX);
        let gave_up = self
            .body
            .look_at_end
            .as_ref()
            .filter(|look| since < Some(look.at) && start.is_none_or(|start| look.at < start))
            .is_some_and(|look| look.run == Run::Exited && is_last(look));
        !gave_up
            && self.body.definition.as_ref().is_some_and(|definition| match definition.restart_policy {
                P::No => false,
                P::OnFailure(_) | P::UnlessStopped | P::Always => true,
            })
    }
}
