//! The life of an incident: the whole table, phase by turn, in one `match`. It says what follows; `steer` does it.
//!
//! What is not listed is an illegal transition. There is no `_` over phases: a new phase must answer each turn.

use model::incident::{Escalation, Outcome, Phase};
use model::verdict::Refusal;

/// Something that happens to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// The owner wants the resource stopped.
    OwnerStopped,
    /// The resource is no more.
    Gone,
    /// The configuration excludes the resource.
    Excluded,
    /// The symptom stayed away for the stability window.
    StayedWell,
    /// The engine's own policy has restarted it again and again, for longer than it is left to that.
    LoopsOn,
    /// The symptom is there (again).
    CameBack,
    /// Another alert of the same resource, or new evidence.
    MoreSeen,
    /// The phase's deadline has passed.
    Due,
    /// A person said yes.
    Approved,
    /// A person said no.
    Rejected,
    /// A person took it.
    Acknowledged,
    /// A person's `start`, or a changed definition: begin anew, with a fresh budget.
    Afresh,
    /// A person's command other than a stop wants the resource.
    Wanted,
    /// A parent's incident explains it.
    Absorbed,
    /// What held it is over, or something else holds it.
    Unhindered,
    /// A process took the lead: what was known of the world is the past.
    ProcessStarted,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// Nothing.
    Stay,
    /// A person's word is recorded by its own event, and that is all that follows at once: an answer to a question brings
    /// the incident to `Planning`, where the guard is asked anew.
    Recorded,
    /// Diagnose, from the beginning.
    Diagnose,
    /// Ask the guard again; where nothing has changed it stays held, else as for `Diagnose`.
    AskAgain,
    /// The rules answer with what they have.
    DiagnoseNow,
    /// Ask for a plan, and the guard.
    Plan,
    /// Withdraw the question, then do as for `Diagnose`.
    WithdrawAndDiagnose,
    /// Resolve as the owner's stop.
    ResolveStopped,
    /// Resolve as gone.
    ResolveGone,
    /// Resolve as excluded: it is not healer's to care for any more, and nobody's to be called for.
    ResolveExcluded,
    /// Resolve as recovered: by a person, if one acted.
    ResolveRecovered,
    /// Resolve as part of the parent.
    ResolveMerged,
    /// Note that the owner stopped it; the step at hand is finished first.
    NoteOwnerStop,
    /// Ask for the look that settles the step, or settle without one.
    Settle,
    /// Judge the verification.
    Judge,
    /// Put the end of the verification off, once.
    Extend,
    /// End the verification without a verdict.
    GiveWay,
    /// Stop what our start brought up, if it runs.
    StopOurs,
    /// Ask for the look that settles the rollback.
    SettleRollback,
    /// Nobody answered.
    EscalateExpired,
    /// Starting it again does not help, whoever does it.
    EscalateLoop,
    /// The next level, or the reminder.
    NextLevel,
    /// Open it again.
    Reopen,
}

/// A turn that this phase does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{turn:?} cannot happen to an incident that is {phase}")]
pub struct IllegalTransition {
    /// The phase's name.
    pub phase: &'static str,
    /// The turn.
    pub turn: Turn,
}

/// What follows when `turn` happens to an incident in `phase`.
///
/// # Errors
/// [`IllegalTransition`] for what is not in the table.
pub fn next(phase: &Phase, turn: Turn) -> Result<Next, IllegalTransition> {
    use Next as N;
    use Turn as T;
    let illegal = Err(IllegalTransition { phase: phase.name(), turn });
    Ok(match (phase, turn) {
        // Before anything is done: every level wins at once.
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::OwnerStopped) => N::ResolveStopped,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::Gone) => N::ResolveGone,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::Excluded) => N::ResolveExcluded,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::StayedWell) => N::ResolveRecovered,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::Absorbed) => N::ResolveMerged,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::Afresh) => N::Diagnose,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::Acknowledged) => N::Stay,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::Wanted | T::CameBack) => N::Stay,
        (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Held { .. }, T::LoopsOn) => N::EscalateLoop,
        (Phase::Diagnosing { .. }, T::MoreSeen) => N::Stay,
        (Phase::Diagnosing { .. }, T::Due) => N::DiagnoseNow,
        (Phase::Diagnosing { .. }, T::Unhindered) => N::Stay,
        (Phase::Diagnosing { .. }, T::ProcessStarted) => N::Diagnose,
        (Phase::Diagnosing { .. }, T::Approved | T::Rejected) => return illegal,
        (Phase::Planning { .. }, T::Due) => N::Plan,
        (Phase::Planning { .. }, T::MoreSeen | T::ProcessStarted) => N::Diagnose,
        (Phase::Planning { .. }, T::Unhindered) => N::Stay,
        (Phase::Planning { .. }, T::Approved | T::Rejected) => return illegal,
        // Held: until over or thaw → diagnose, never straight to a step.
        (Phase::Held { .. }, T::Due) => N::AskAgain,
        (Phase::Held { .. }, T::Unhindered | T::ProcessStarted | T::MoreSeen) => N::Diagnose,
        // An approval is kept until it expires, and counts when the plan is next judged.
        (Phase::Held { .. }, T::Approved | T::Rejected) => N::Recorded,

        // A question is withdrawn by whatever makes it needless.
        (Phase::AwaitingApproval { .. }, T::OwnerStopped) => N::ResolveStopped,
        (Phase::AwaitingApproval { .. }, T::Gone) => N::ResolveGone,
        (Phase::AwaitingApproval { .. }, T::Excluded) => N::ResolveExcluded,
        (Phase::AwaitingApproval { .. }, T::StayedWell) => N::ResolveRecovered,
        (Phase::AwaitingApproval { .. }, T::Absorbed) => N::ResolveMerged,
        (Phase::AwaitingApproval { .. }, T::Afresh | T::MoreSeen) => N::WithdrawAndDiagnose,
        (Phase::AwaitingApproval { .. }, T::Due) => N::EscalateExpired,
        (Phase::AwaitingApproval { .. }, T::Approved | T::Rejected) => N::Recorded,
        (Phase::AwaitingApproval { .. }, T::Acknowledged | T::Wanted | T::CameBack | T::LoopsOn) => N::Stay,
        (Phase::AwaitingApproval { .. }, T::Unhindered | T::ProcessStarted) => N::Stay,

        // A step under way is finished first; it is settled only by a look taken after its answer or deadline.
        (Phase::Acting { .. }, T::OwnerStopped) => N::NoteOwnerStop,
        // What another process left under way is looked at before anything is decided: see `begin_acts_anew`.
        (Phase::Acting { .. }, T::Due) => N::Settle,
        (Phase::Acting { .. }, T::ProcessStarted) => N::Stay,
        (Phase::Acting { .. }, T::Gone | T::Excluded | T::StayedWell | T::CameBack | T::MoreSeen) => N::Stay,
        (Phase::Acting { .. }, T::LoopsOn | T::Absorbed | T::Afresh | T::Wanted | T::Acknowledged) => N::Stay,
        (Phase::Acting { .. }, T::Unhindered) => N::Stay,
        (Phase::Acting { .. }, T::Approved | T::Rejected) => return illegal,

        (Phase::Verifying { .. }, T::OwnerStopped) => N::StopOurs,
        (Phase::Verifying { .. }, T::Gone) => N::ResolveGone,
        (Phase::Verifying { .. }, T::Excluded) => N::ResolveExcluded,
        (Phase::Verifying { .. }, T::Due | T::CameBack) => N::Judge,
        (Phase::Verifying { .. }, T::MoreSeen) => N::Extend,
        (Phase::Verifying { .. }, T::Wanted | T::Afresh) => N::GiveWay,
        (Phase::Verifying { .. }, T::LoopsOn | T::StayedWell | T::Acknowledged) => N::Stay,
        (Phase::Verifying { .. }, T::Absorbed | T::Unhindered | T::ProcessStarted) => N::Stay,
        (Phase::Verifying { .. }, T::Approved | T::Rejected) => return illegal,

        (Phase::RollingBack { .. }, T::Due) => N::SettleRollback,
        (Phase::RollingBack { .. }, T::ProcessStarted) => N::Stay,
        (Phase::RollingBack { .. }, T::OwnerStopped | T::Gone | T::Excluded | T::StayedWell | T::CameBack) => N::Stay,
        (Phase::RollingBack { .. }, T::LoopsOn | T::MoreSeen | T::Absorbed | T::Afresh | T::Wanted) => N::Stay,
        (Phase::RollingBack { .. }, T::Acknowledged | T::Unhindered) => N::Stay,
        (Phase::RollingBack { .. }, T::Approved | T::Rejected) => return illegal,

        // Escalated is not the end.
        (Phase::Escalated { .. }, T::OwnerStopped) => N::ResolveStopped,
        (Phase::Escalated { .. }, T::Gone) => N::ResolveGone,
        // The step that brings up what we took down was refused by this very exclusion: a person has to know.
        (Phase::Escalated { reason: Escalation::Refused(Refusal::Excluded { .. }), .. }, T::Excluded) => N::Stay,
        (Phase::Escalated { .. }, T::Excluded) => N::ResolveExcluded,
        (Phase::Escalated { .. }, T::StayedWell) => N::ResolveRecovered,
        // A person has been told to see to it: it stays theirs.
        (Phase::Escalated { .. }, T::Absorbed) => N::Stay,
        (Phase::Escalated { .. }, T::Afresh) => N::Diagnose,
        (Phase::Escalated { .. }, T::Due) => N::NextLevel,
        (Phase::Escalated { .. }, T::Acknowledged) => N::Recorded,
        // The same plan, the guard anew; `steer` answers "too late" where the key differs.
        (Phase::Escalated { reason: Escalation::ApprovalExpired, .. }, T::Approved) => N::Recorded,
        (Phase::Escalated { .. }, T::Approved | T::Rejected) => return illegal,
        (Phase::Escalated { .. }, T::LoopsOn | T::MoreSeen | T::CameBack | T::Wanted) => N::Stay,
        // What alone kept healer from acting is over.
        (Phase::Escalated { reason: Escalation::NoActionMends, .. }, T::Unhindered) => N::Diagnose,
        (Phase::Escalated { .. }, T::Unhindered | T::ProcessStarted) => N::Stay,

        (Phase::Resolved { outcome, .. }, T::CameBack) => match outcome {
            Outcome::Healed | Outcome::RecoveredAlone | Outcome::MendedByPerson | Outcome::FalseAlarm => N::Reopen,
            // A child reopens when its parent has left its open phases, with its own attempts.
            Outcome::MergedInto(_) => N::Reopen,
            // What comes after these is another story, and another incident.
            Outcome::StoppedByOwner | Outcome::Gone | Outcome::Excluded => N::Stay,
        },
        (Phase::Resolved { .. }, T::OwnerStopped | T::Gone | T::Excluded | T::StayedWell | T::MoreSeen | T::Due) => {
            N::Stay
        }
        (Phase::Resolved { .. }, T::LoopsOn | T::Acknowledged | T::Afresh | T::Wanted | T::Absorbed) => N::Stay,
        (Phase::Resolved { .. }, T::Unhindered | T::ProcessStarted) => N::Stay,
        (Phase::Resolved { .. }, T::Approved | T::Rejected) => return illegal,
    })
}

#[cfg(test)]
mod tests {
    use model::Tick;
    use model::action::PermitId;
    use model::incident::{Extended, RollbackCause};
    use model::verdict::Hold;

    use super::*;

    const TURNS: [Turn; 16] = [
        Turn::OwnerStopped,
        Turn::Gone,
        Turn::Excluded,
        Turn::StayedWell,
        Turn::LoopsOn,
        Turn::CameBack,
        Turn::MoreSeen,
        Turn::Due,
        Turn::Approved,
        Turn::Rejected,
        Turn::Acknowledged,
        Turn::Afresh,
        Turn::Wanted,
        Turn::Absorbed,
        Turn::Unhindered,
        Turn::ProcessStarted,
    ];

    fn phases() -> Vec<Phase> {
        let until = Tick(9);
        let permit = PermitId(1);
        vec![
            Phase::Diagnosing { until },
            Phase::Planning { until },
            Phase::Held { reason: Hold::Storm, until },
            Phase::AwaitingApproval { until },
            Phase::Acting { step: 0, permit, answer: None, owner_stopped: false, until },
            Phase::Verifying { step: 0, extended: Extended::default(), until },
            Phase::RollingBack {
                permit,
                answer: None,
                because: RollbackCause::OwnerStopped,
                looked_longer: false,
                until,
            },
            Phase::Escalated { reason: Escalation::CannotTell, level: 0, acknowledged: false, until },
            Phase::Resolved { outcome: Outcome::Healed, at: until },
        ]
    }

    #[test]
    fn an_owners_stop_is_obeyed_from_every_phase_that_is_not_over() {
        let obeyed = [Next::ResolveStopped, Next::NoteOwnerStop, Next::StopOurs];
        for phase in phases() {
            let next = next(&phase, Turn::OwnerStopped).unwrap();
            let rolling_back = matches!(phase, Phase::RollingBack { .. });
            assert!(obeyed.contains(&next) || phase.is_over() || rolling_back, "{phase:?} → {next:?}");
        }
    }

    #[test]
    fn every_phase_with_a_deadline_does_something_when_it_passes() {
        for phase in phases().into_iter().filter(|phase| phase.deadline().is_some()) {
            assert_ne!(next(&phase, Turn::Due).unwrap(), Next::Stay, "{phase:?}");
        }
    }

    #[test]
    fn nothing_leads_from_held_or_a_closed_incident_straight_to_a_step() {
        for turn in TURNS {
            for phase in [&phases()[2], &phases()[8]] {
                assert_ne!(next(phase, turn), Ok(Next::Plan), "{phase:?} × {turn:?}");
            }
        }
    }

    #[test]
    fn approvals_reach_only_the_phases_that_asked() {
        let accept: Vec<&str> =
            phases().iter().filter(|phase| next(phase, Turn::Approved).is_ok()).map(Phase::name).collect();
        assert_eq!(accept, ["held", "awaiting_approval"]);
    }

    #[test]
    fn only_incidents_that_ended_well_reopen() {
        for (outcome, reopens) in [
            (Outcome::Healed, true),
            (Outcome::RecoveredAlone, true),
            (Outcome::MendedByPerson, true),
            (Outcome::FalseAlarm, true),
            (Outcome::StoppedByOwner, false),
            (Outcome::Gone, false),
            (Outcome::Excluded, false),
        ] {
            let phase = Phase::Resolved { outcome, at: Tick(1) };
            assert_eq!(next(&phase, Turn::CameBack) == Ok(Next::Reopen), reopens, "{phase:?}");
        }
    }
}
