//! What ended while nobody watched, told from what the engine kept (facts/intent.md, B1).

use std::time::Duration;

use model::fact::{Happening, Kept, Look, SourceTime, What};

use super::{Around, SIGKILL, usize_of};

/// Our own stop follows its signal by a kill only after the stop timeout; a kill that comes this much earlier is
/// somebody else's.
const KILL_EARLY: Duration = Duration::from_millis(500);

pub(super) enum End {
    AsBefore,
    /// Our own stop explains it, as far as is known.
    Ours,
    Stopped(String),
    Unknown(String),
}

/// What ended a body while nobody watched (facts/intent.md, B1).
pub(super) fn judge_unseen_end(look: &Look, by_engine: bool, around: &Around<'_>) -> End {
    let Some(exit) = &look.exit else { return End::Unknown("it is down, and nothing says how".to_owned()) };
    // Its end is as much ours as the signal was that it comes after: a stop's patience may outlast the order.
    let asked = look.kept.as_ref().and_then(|kept| signals(kept, false).map(|ask| ask.at).next());
    let ours = around.own.map_or(0, |own| own.stops_at(asked.unwrap_or(exit.at)));
    // While its API was closed nobody could stop it; a crashed engine stops its survivors itself at its next start.
    // What it started itself before healer could look again is another matter.
    let started_out = look.started.is_some_and(|at| around.source.was_out(at));
    // Unless somebody was stopping it before, as the engine's note told while it still ran.
    if around.source.was_out(exit.at) && !started_out && !around.body.noted_while_up {
        return End::AsBefore;
    }
    if let Some(kept) = &look.kept {
        if foreign_signals(kept, ours, look.definition.stop_timeout_s) {
            return End::Stopped("the engine's kept events show that somebody stopped it".to_owned());
        }
        if kept.complete {
            return End::AsBefore;
        }
    }
    // A reload sets the engine's note, too: after one it tells nothing of this end.
    let reload = |happening: &Happening| matches!(happening.what, What::Signalled { terminating: false, .. });
    let reloaded = around.body.happenings.iter().any(reload);
    match look.manually_stopped.filter(|noted| !(*noted && reloaded)) {
        Some(false) => End::AsBefore,
        // Its last start failed: what is down already cannot be stopped (facts/intent.md, L6).
        None if !exit.error.is_empty() => End::AsBefore,
        // What we ordered was cut short, and the engine has forgotten whether it came to our stop.
        Some(true) | None
            if has_forgotten(look, around) && around.own.is_some_and(|own| own.unanswered_until >= Some(exit.at)) =>
        {
            End::Unknown("it ended while it was to be made anew, and nothing tells who stopped it".to_owned())
        }
        // The stop that the engine may have noted is ours. Whether there was another beside it, what it kept may yet tell.
        Some(true) | None if around.own.is_some_and(|own| own.may_have_ended_it(exit.at)) => End::Ours,
        // Found dead after an unclean stop of the engine: nobody stopped it. A program may also end with 255 by itself, so
        // this is asked last.
        None if exit.code == 255 => End::AsBefore,
        None if by_engine && around.source.went_out_after(exit.at) => End::AsBefore,
        // A remote engine tells of its end by that alone.
        None if by_engine && look.kept.as_ref().is_some_and(|kept| kept.source_started_since) => End::AsBefore,
        Some(true) => {
            End::Unknown("it ended while healer could not see, stopped or signalled through the engine".to_owned())
        }
        None => End::Unknown("it ended while healer could not see, and nothing tells how".to_owned()),
    }
}

/// Whether the engine was asked what it kept, and has forgotten a part of it, or does not tell.
pub(super) fn has_forgotten(look: &Look, around: &Around<'_>) -> bool {
    look.kept.as_ref().map_or(!around.kept_is_to_come, |kept| !kept.complete)
}

/// Whether the engine's kept events show a stop without a signal, after that moment, by somebody else than us and while its API
/// was open.
pub(super) fn stopped_while_restarting(look: &Look, since: SourceTime, around: &Around<'_>) -> Option<String> {
    let kept = look.kept.as_ref()?;
    let signalled = kept.happenings.iter().any(|h| matches!(h.what, What::Signalled { terminating: true, .. }));
    let mut stops = kept.happenings.iter().filter(|h| h.what == What::Stopped).map(|h| h.at);
    let ours = |at: SourceTime| around.own.map_or(0, |own| own.stops_at(at)) > 0;
    let foreign = stops.any(|at| at > since && !around.source.was_out(at) && !ours(at));
    (foreign && !signalled).then(|| "the engine's kept events show that somebody stopped it".to_owned())
}

/// Whether the kept events show a signal that so many stops of ours do not explain: each one a stop signal and, once the
/// stop timeout is over, one kill.
fn foreign_signals(kept: &Kept, ours: u32, timeout_s: i64) -> bool {
    let first_ask = signals(kept, false).map(|ask| ask.at).next();
    let early = |kill: &Happening| first_ask.is_none_or(|ask| is_early(kill.at, ask, timeout_s));
    let (asks, kills) = (signals(kept, false).count(), signals(kept, true).count());
    asks > usize_of(ours) || kills > usize_of(ours) || signals(kept, true).any(early)
}

/// The kills that the kept events show, or the other terminating signals.
fn signals(kept: &Kept, kill: bool) -> impl Iterator<Item = &Happening> {
    kept.happenings.iter().filter(move |happening| {
        matches!(happening.what, What::Signalled { signal, terminating: true } if (signal == SIGKILL) == kill)
    })
}

/// Whether a kill came so soon after the stop signal that it is not the end of that stop's patience.
pub(super) fn is_early(kill: SourceTime, ask: SourceTime, timeout_s: i64) -> bool {
    // A negative timeout waits for ever.
    u64::try_from(timeout_s).map_or(true, |s| kill.since(ask) + KILL_EARLY < Duration::from_secs(s))
}
