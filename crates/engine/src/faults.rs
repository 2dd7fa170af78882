//! What the simulator breaks in the engine on purpose, so that its checks are seen to bite.

/// Faults that the simulator plants, to show that it would find them. Without the feature `faults` nothing can switch them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Faults {
    /// An executed plan is not counted as an attempt.
    pub attempt_not_counted: bool,
    /// The guard does not ask for the intent.
    pub intent_not_asked: bool,
    /// Freeze is not asked.
    pub freeze_not_asked: bool,
    /// Deadlines of verifications are forgotten.
    pub deadline_forgotten: bool,
    /// The guard does not ask whether a resource is seen through an open connection.
    pub sight_not_asked: bool,
    /// Whoever stops, it is taken for our own stop.
    pub foreign_stop_taken_for_ours: bool,
    /// A pair that was opened is not closed.
    pub pair_left_open: bool,
    /// The first good look ends a verification.
    pub verified_at_once: bool,
    /// Two remediations may have hold of one resource.
    pub leases_ignored: bool,
    /// The wait before the next attempt is not kept.
    pub wait_skipped: bool,
    /// An incident is told at each of its turns.
    pub told_at_each_turn: bool,
    /// An owner's stop during a step is not remembered.
    pub owner_stop_forgotten: bool,
    /// What is down at first sight is taken to be wanted.
    pub first_sight_guessed: bool,
    /// An act that the journal shows as under way is repeated after a restart without a look.
    pub act_repeated_blindly: bool,
    /// A child that was absorbed is not looked at when its parent has left.
    pub children_forgotten: bool,
    /// After a restart nothing waits for what it needs.
    pub order_ignored: bool,
    /// After a restart every start is outside of the budgets of groups, and not the first one alone.
    pub exempt_for_good: bool,
    /// Nobody notices that a shared network is dead.
    pub network_ignored: bool,
    /// What is to be started anew in another's network is made anew.
    pub made_anew_too_easily: bool,
    /// The body that an order of ours has made is somebody else's.
    pub made_by_nobody: bool,
    /// That others of a deployment were stopped says nothing of one that was down then.
    pub others_ignored: bool,
    /// What a recovery will tell is told by itself too.
    pub told_beside_recovery: bool,
    /// The guard does not ask whether what a resource needs is mounted.
    pub mounts_not_asked: bool,
    /// What a plan did that did not help stays.
    pub not_taken_back: bool,
    /// What a plan did is taken back, whoever has put another body in the place of the one that it left.
    pub undo_of_any_body: bool,
    /// A link answers whatever its incident asks.
    pub link_not_compared: bool,
    /// A yes at the command line is one to whatever plan is held.
    pub answer_to_any_plan: bool,
    /// A yes is good for whatever body is there.
    pub approval_not_bound: bool,
    /// A yes is good for more than one execution.
    pub approval_never_spent: bool,
    /// Nobody is asked about what is dangerous.
    pub risk_not_asked: bool,
    /// What waits in order to close a pair is woken as if it began one.
    pub hold_misjudged: bool,
    /// Whatever body of a service somebody stops, they want the service stopped.
    pub other_body_ignored: bool,
    /// An update does not ask whether the service shall run.
    pub update_intent_not_asked: bool,
    /// Whoever deployed what broke a service, that goes back as if they had healer update it.
    pub every_deploy_goes_back: bool,
    /// What somebody has put in the place of what an update had made goes back with it.
    pub update_of_any_body: bool,
    /// An image's name is taken from another service that runs of the newer one.
    pub name_taken_from_another: bool,
    /// Who had a service updated in vain is not told where its image's name is.
    pub name_left_untold: bool,
    /// An update whose process has ended stays ordered.
    pub update_never_given_up: bool,
    /// That an image could not be fetched is not answered.
    pub failed_update_unanswered: bool,
    /// What has nothing newer is made anew all the same.
    pub same_made_anew: bool,
}
