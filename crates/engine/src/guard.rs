//! The guard: judges each step just before it runs, never a whole plan. The first "no" is the reason that is printed.
//!
//! The order is that of ENGINE §5: leader · ours · seen, and the symptom stands · intent · freeze, deploy · what it needs
//! is there · another owner · busy · mode and policy · did it help before · budgets · storm · risk.

pub(crate) mod foresight;

use std::collections::BTreeSet;
use std::time::Duration;

use model::action::{Action, Behalf, Binding, Pair, Permit, PermitId, Plan, Risk, Step};
use model::fact::{Belongs, Health, Incarnation, Run};
use model::incident::{IncidentId, Phase};
use model::intent::Wanted;
use model::make::Make;
use model::settings::{Mode, Policy, RISK_UNASKED_MAX};
use model::verdict::{Hold, Limit, Question, Refusal, Verdict, Within};
use model::{ResourceId, Tick};

use crate::Engine;
use crate::diagnose::NOT_DIAGNOSED;
use crate::incident::Incident;
use crate::state::Act;
use crate::world::Body;
use crate::{budget, plan};

/// From this many incidents within [`STORM_WITHIN`] on, the others wait for a common cause.
const STORM_FROM: usize = 3;
const STORM_WITHIN: Duration = Duration::from_secs(5);
const STORM_WAIT: Duration = Duration::from_secs(2);
/// When a held incident is asked again, where nothing tells better. What lifts the reason wakes it sooner.
const ASK_AGAIN_SOON: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_secs(60);
const ASK_AGAIN_RARELY: Duration = Duration::from_secs(600);

/// Why a step is judged: what the guard asks depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The first step of a plan: everything is asked.
    Mend,
    /// A further step of a plan that was allowed: what may have come in between is asked. That it may be tried was asked,
    /// and paid, with the first.
    GoOn,
    /// The step that closes an opened pair: leader, ours, seen, intent, incarnation. Nothing is left down by us.
    Close,
    /// The start of what a stop of ours took down later than it was judged: the same, and what may have come in between: whether
    /// it was stopped with others, whether it is its turn after a restart, whoever else acts on it.
    BringBack,
    /// A stop that gives way to the owner's: leader, ours, seen, incarnation.
    Undo,
    /// What takes back what did not help: the same, whether it is ill, whether it is busy, and the intent, if it starts something.
    TakeBack,
}

impl Engine {
    /// Judges a step of an incident's plan.
    pub(crate) fn guard(&self, incident: &Incident, plan: &Plan, step: &Step, purpose: Purpose) -> Verdict {
        let no = match purpose {
            Purpose::Mend => self
                .ours_and_seen(&step.resource)
                .or_else(|| self.reserve(step))
                .or_else(|| self.withheld_lately(incident))
                .or_else(|| self.symptom_and_intent(incident, step))
                .or_else(|| self.hindrance(&step.resource))
                .or_else(|| self.recovering(&step.resource))
                .or_else(|| self.waits_for_sibling(incident))
                .or_else(|| self.missing_mount(step))
                .or_else(|| self.another_owner(&step.resource))
                .or_else(|| self.another_healer(incident))
                .or_else(|| self.halted(step))
                .or_else(|| self.busy(Some(&incident.id), step))
                .or_else(|| self.mode_and_policy(incident, plan))
                .or_else(|| self.history_and_budget(incident, plan, step))
                .or_else(|| self.storm(incident))
                .or_else(|| self.risk(incident, plan)),
            Purpose::GoOn => self
                .ours_and_seen(&step.resource)
                .or_else(|| self.intent_and_others(step))
                .or_else(|| self.hindrance(&step.resource))
                .or_else(|| self.recovering(&step.resource))
                .or_else(|| self.missing_mount(step))
                .or_else(|| self.another_owner(&step.resource))
                .or_else(|| self.halted(step))
                .or_else(|| self.busy(Some(&incident.id), step))
                .or_else(|| self.observing())
                .or_else(|| self.hands_are_full(&step.resource)),
            Purpose::Close => self
                .ours_and_seen(&step.resource)
                .or_else(|| self.intent_of_start(step))
                .or_else(|| self.missing_mount(step)),
            Purpose::BringBack => self
                .ours_and_seen(&step.resource)
                .or_else(|| self.intent_and_others(step))
                .or_else(|| self.recovering(&step.resource))
                .or_else(|| self.missing_mount(step))
                .or_else(|| self.busy(Some(&incident.id), step)),
            Purpose::Undo => self.ours_and_seen(&step.resource),
            Purpose::TakeBack => self
                .ours_and_seen(&step.resource)
                .or_else(|| self.clearing(incident, step))
                .or_else(|| step.ends_in_start().then(|| self.intent_of_start(step)).flatten())
                .or_else(|| self.missing_mount(step))
                .or_else(|| self.busy(Some(&incident.id), step)),
        };
        match (no, self.world.body(&step.resource)) {
            (Some(no), _) => no,
            (None, None) => Verdict::Refuse(Refusal::Absent),
            (None, Some((incarnation, _))) => {
                let behalf = Behalf::Incident(incident.id.clone());
                let unhindered =
                    matches!(purpose, Purpose::Close | Purpose::BringBack | Purpose::Undo | Purpose::TakeBack);
                Verdict::Allow(Box::new(self.permit(behalf, step, incarnation, unhindered)))
            }
        }
    }

    /// Judges a person's act: exclusion and leadership apply, and busy; policy, risk, budgets and silences do not. During
    /// a freeze only what stops passes, and what closes a pair.
    pub(crate) fn guard_person(&self, who: &str, step: &Step) -> Verdict {
        let opens = matches!(
            (step.action, step.pair),
            (Action::Start | Action::Recreate, Pair::None) | (Action::Stop, Pair::Opens)
        );
        let away = self.world.source(step.resource.source()).is_none_or(|source| source.generation.is_none());
        let body = self.world.body(&step.resource).map(|(_, body)| body);
        let unlooked = body.is_some_and(|body| body.definition.is_none());
        let unseen = away || unlooked || body.is_none() && self.may_be_there(&step.resource);
        let no = self
            .leader()
            .or_else(|| unseen.then(|| Verdict::Hold(Hold::NotSeen, self.after(ASK_AGAIN_SOON))))
            .or_else(|| self.not_touchable(&step.resource))
            .or_else(|| self.frozen().filter(|_| opens))
            .or_else(|| self.missing_mount(step))
            .or_else(|| self.being_stopped(&step.resource).filter(|_| step.action != Action::Stop))
            .or_else(|| self.busy(None, step));
        match (no, self.world.body(&step.resource)) {
            (Some(no), _) => no,
            (None, None) => Verdict::Refuse(Refusal::Absent),
            (None, Some((incarnation, _))) => {
                Verdict::Allow(Box::new(self.permit(Behalf::Person(who.to_owned()), step, incarnation, !opens)))
            }
        }
    }

    /// Why a person's word about a resource is refused outright. What is there and cannot be looked at is not absent.
    pub(crate) fn refused_to_persons(&self, resource: &ResourceId) -> Option<Verdict> {
        let unlooked = self.world.body(resource).is_some_and(|(_, body)| body.definition.is_none());
        let unseen = unlooked.then(|| Verdict::Hold(Hold::NotSeen, self.after(ASK_AGAIN_SOON)));
        unseen.or_else(|| self.not_touchable(resource))
    }

    /// Rules that hold for whoever asks: what the configuration excludes, and what is healer's own.
    pub(crate) fn not_touchable(&self, resource: &ResourceId) -> Option<Verdict> {
        let Some(definition) = self.world.body(resource).and_then(|(_, body)| body.definition.as_deref()) else {
            return Some(Verdict::Refuse(Refusal::Absent));
        };
        if let Some(what) = &definition.healers_own {
            return Some(Verdict::Refuse(Refusal::HealersOwn { what: what.clone() }));
        }
        let by = self.settings.excluded_by(resource, definition)?;
        Some(Verdict::Refuse(Refusal::Excluded { by }))
    }

    /// Why healer does not care for a resource, if it does not.
    pub(crate) fn not_ours(&self, resource: &ResourceId) -> Option<Refusal> {
        if let Some(Verdict::Refuse(refusal)) = self.not_touchable(resource) {
            return Some(refusal);
        }
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.as_deref())?;
        if definition.removed_at_end {
            return Some(Refusal::RemovedAtEnd);
        }
        let adopted = self.state.adopted.contains(resource);
        match &definition.belongs {
            Belongs::ComposeService | Belongs::HostService | Belongs::SystemdUnit | Belongs::Watched => None,
            Belongs::OneOff => Some(Refusal::OneOff),
            Belongs::Owned(by) => Some(Refusal::Owned { by: by.clone() }),
            Belongs::Unclaimed if adopted => None,
            Belongs::Unclaimed => Some(Refusal::NotAdopted),
        }
    }

    fn leader(&self) -> Option<Verdict> {
        (!self.leads).then_some(Verdict::Refuse(Refusal::NotLeader))
    }

    /// Nothing is taken down that may not be brought up again, for want of room to write it down.
    fn reserve(&self, step: &Step) -> Option<Verdict> {
        let risky = self.reserve_spent && step.pair == Pair::Opens;
        risky.then(|| Verdict::Hold(Hold::StoreFull, self.after(ASK_AGAIN)))
    }

    fn ours_and_seen(&self, resource: &ResourceId) -> Option<Verdict> {
        if let Some(no) = self.leader() {
            return Some(no);
        }
        if self.store_full {
            return Some(Verdict::Hold(Hold::StoreFull, self.after(ASK_AGAIN)));
        }
        let not_seen = Verdict::Hold(Hold::NotSeen, self.after(ASK_AGAIN_RARELY));
        if self.may_be_there(resource) {
            return Some(not_seen);
        }
        if let Some(refusal) = self.not_ours(resource) {
            return Some(Verdict::Refuse(refusal));
        }
        let seen = self.world.is_fresh(resource) || self.faults.sight_not_asked;
        (!seen).then_some(not_seen)
    }

    /// What was withheld a moment ago waits for its time, whatever happens meanwhile.
    fn withheld_lately(&self, incident: &Incident) -> Option<Verdict> {
        match &incident.phase {
            Phase::Held { reason: reason @ Hold::Withheld { .. }, until } if *until > self.now.tick => {
                Some(Verdict::Hold(reason.clone(), *until))
            }
            Phase::Held { .. }
            | Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Escalated { .. }
            | Phase::Resolved { .. } => None,
        }
    }

    /// Whether nothing is known of a resource only because it was not looked at yet: that is no proof that it is gone.
    fn may_be_there(&self, resource: &ResourceId) -> bool {
        match self.world.body(resource) {
            Some((_, body)) => body.definition.is_none(),
            None => !self.world.source(resource.source()).is_some_and(|source| source.listed),
        }
    }

    fn symptom_and_intent(&self, incident: &Incident, step: &Step) -> Option<Verdict> {
        self.clearing(incident, step).or_else(|| self.intent_and_others(step))
    }

    /// What is not ill is left alone.
    fn clearing(&self, incident: &Incident, step: &Step) -> Option<Verdict> {
        if !(self.shows_illness(&step.resource) || self.was_never_started(&step.resource))
            || incident.well_since.is_some()
        {
            return Some(Verdict::Hold(Hold::Clearing, self.after(self.settings.budgets.stability())));
        }
        None
    }

    fn intent_and_others(&self, step: &Step) -> Option<Verdict> {
        let perhaps_too = || {
            let resource = self.others_stopped(&step.resource)?;
            Some(Verdict::Hold(Hold::OthersStopped { resource }, self.after(ASK_AGAIN_RARELY)))
        };
        self.intent_of_start(step).or_else(perhaps_too)
    }

    /// Whether something is wrong with a resource at this moment, as far as it can be seen.
    pub(crate) fn shows_illness(&self, resource: &ResourceId) -> bool {
        let ill = self.world.body(resource).is_some_and(|(_, body)| is_ill(body));
        ill || self.world.dead_network(resource).is_some()
    }

    /// Whether the ledger permits what ends in a start.
    fn intent_of_start(&self, step: &Step) -> Option<Verdict> {
        if self.faults.intent_not_asked {
            return None;
        }
        match self.state.intents.get(&step.resource).map(|intent| intent.wanted) {
            Some(Wanted::Stopped) => Some(Verdict::Refuse(Refusal::StoppedOnPurpose)),
            None | Some(Wanted::Unknown) => Some(Verdict::Hold(Hold::IntentUnknown, self.after(ASK_AGAIN_RARELY))),
            Some(Wanted::Running) => self.being_stopped(&step.resource),
        }
    }

    /// Whether somebody is perhaps stopping it at this moment.
    fn being_stopped(&self, resource: &ResourceId) -> Option<Verdict> {
        let (incarnation, _) = self.world.body(resource)?;
        let is_stopped = self.is_told_to_end(incarnation, resource);
        is_stopped.then(|| Verdict::Hold(Hold::BeingStopped, self.after(ASK_AGAIN_SOON)))
    }

    pub(crate) fn frozen(&self) -> Option<Verdict> {
        let frozen = self.state.frozen.as_ref().filter(|_| !self.faults.freeze_not_asked)?;
        let hold = Hold::Frozen { by: frozen.by.clone() };
        Some(Verdict::Hold(hold, self.after(ASK_AGAIN_RARELY)))
    }

    /// Until when a resource is in maintenance, if it is.
    pub(crate) fn maintained_until(&self, resource: &ResourceId) -> Option<Tick> {
        let until = self.settings.maintained_until(resource, self.now.wall)?;
        Some(self.after(until.since(self.now.wall)))
    }

    fn hindrance(&self, resource: &ResourceId) -> Option<Verdict> {
        if let Some(no) = self.frozen() {
            return Some(no);
        }
        if let Some(until) = self.maintained_until(resource) {
            return Some(Verdict::Hold(Hold::Maintenance, until));
        }
        let until = self.world.deploying_until(resource, self.now.tick)?;
        Some(Verdict::Hold(Hold::DeployInProgress, until))
    }

    /// What a mount hides that is not there would be found empty. So whoever asks waits, and what runs is not taken down:
    /// who knows better has the engine's own `start`.
    fn missing_mount(&self, step: &Step) -> Option<Verdict> {
        let asked = step.ends_in_start() && !self.faults.mounts_not_asked;
        let mount = self.world.missing_mount(&step.resource).filter(|_| asked)?.to_owned();
        Some(Verdict::Hold(Hold::MountMissing { mount }, self.after(ASK_AGAIN)))
    }

    fn another_owner(&self, resource: &ResourceId) -> Option<Verdict> {
        let (_, body) = self.world.body(resource)?;
        match body.run {
            // The policy's name proves nothing: only this state says that the engine will start it.
            Run::Restarting => Some(Verdict::Hold(Hold::EnginesOwnPolicy, self.after(ASK_AGAIN))),
            Run::Paused => Some(Verdict::Hold(Hold::Paused, self.after(ASK_AGAIN_RARELY))),
            Run::Created | Run::Running | Run::Exited | Run::Removing => None,
        }
    }

    /// After an undo that failed nothing is done by itself until a person has looked (ENGINE §5, 23).
    fn halted(&self, step: &Step) -> Option<Verdict> {
        let halts = |wanted: &ResourceId| self.state.open_incident(wanted).filter(|incident| incident.halted);
        let by = self.leases(step).iter().find_map(halts)?.id.clone();
        Some(Verdict::Hold(Hold::Halted { by }, self.after(ASK_AGAIN_RARELY)))
    }

    pub(crate) fn busy(&self, except: Option<&IncidentId>, step: &Step) -> Option<Verdict> {
        // What healer itself has left half made is made again, and that clears it away.
        let by_us = |body: &Incarnation| self.state.own.get(body).is_some_and(|own| own.made);
        let half_made = step.action == Action::Recreate && self.world.claimants(&step.resource).any(by_us);
        if self.world.is_ambiguous(&step.resource) && !half_made {
            return Some(Verdict::Hold(Hold::TwoIncarnations, self.after(ASK_AGAIN_RARELY)));
        }
        let wants = self.leases(step);
        let resource = wants.iter().find(|wanted| self.is_leased(wanted, except))?.clone();
        Some(Verdict::Hold(Hold::Busy { resource }, self.after(ASK_AGAIN_SOON)))
    }

    /// Whether another remediation, or a person's act, has hold of a resource.
    ///
    /// Asked from the resource's side: it can be held by its own incident, by one of what it needs, and by acts under way,
    /// which are few. So an answer costs the same however many incidents are open.
    fn is_leased(&self, resource: &ResourceId, except: Option<&IncidentId>) -> bool {
        if self.faults.leases_ignored {
            return false;
        }
        let is_other = |behalf: &Behalf| !matches!(behalf, Behalf::Incident(id) if Some(id) == except);
        let by_act = |act: &Act| is_other(&act.permit.behalf) && act.permit.leases.contains(resource);
        // Taken whole with the first permit, and held until the phases that hold them are left.
        let by_incident_of = |holder: &ResourceId| {
            let incident = self.state.open_incident(holder).filter(|incident| incident.holds_leases());
            let first = |incident: &Incident| incident.plan.as_ref().and_then(|plan| plan.steps.first()).cloned();
            incident.filter(|incident| Some(&incident.id) != except).is_some_and(|incident| {
                holder == resource || first(incident).is_some_and(|step| self.leases(&step).contains(resource))
            })
        };
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.as_ref());
        let network_parent = definition.and_then(|definition| definition.network_parent.as_ref());
        by_incident_of(resource)
            || network_parent.is_some_and(by_incident_of)
            || self.world.parents(resource).any(by_incident_of)
            || self.state.acts.values().any(by_act)
    }

    /// Whether what a held incident waits for was let go of, as far as others hold it.
    pub(crate) fn may_go_on(&self, incident: &Incident) -> bool {
        let Phase::Held { reason, .. } = &incident.phase else { return false };
        match reason {
            Hold::Busy { resource } => !self.is_leased(resource, Some(&incident.id)),
            Hold::Halted { by } => !self.state.incidents.get(&by.number).is_some_and(|by| by.halted),
            Hold::Concurrency { .. } => self.has_a_free_hand(incident.resource.source()),
            Hold::Recovering | Hold::WaitsFor { .. } => {
                self.may_be_started(&incident.resource) && self.waits_for_sibling(incident).is_none()
            }
            Hold::NotSeen
            | Hold::Clearing
            | Hold::JustUp { .. }
            | Hold::Withheld { .. }
            | Hold::MountMissing { .. }
            | Hold::BeingStopped
            | Hold::Paused
            | Hold::IntentUnknown
            | Hold::OthersStopped { .. }
            | Hold::AnotherHealer
            | Hold::Frozen { .. }
            | Hold::Maintenance
            | Hold::DeployInProgress
            | Hold::EnginesOwnPolicy
            | Hold::TwoIncarnations
            | Hold::ObserveMode
            | Hold::Backoff { .. }
            | Hold::GroupBudget { .. }
            | Hold::ReplicaDown { .. }
            | Hold::Storm
            | Hold::StoreFull => false,
        }
    }

    /// Whether one more remediation may act on what a source sees: an engine that has stopped answering keeps those on others from
    /// nothing.
    fn has_a_free_hand(&self, source: &str) -> bool {
        let counts =
            |permit: &Permit| matches!(permit.behalf, Behalf::Incident(_)) && permit.step.resource.source() == source;
        let under_way = self.state.acts.values().filter(|act| counts(&act.permit)).count();
        under_way < usize::try_from(self.settings.budgets.concurrent.max(1)).unwrap_or(usize::MAX)
    }

    /// What a step takes hold of: the resource, and those that share its network namespace. One that takes something
    /// down also takes hold of the dependents that it disturbs; starting what is down disturbs nobody.
    fn leases(&self, step: &Step) -> BTreeSet<ResourceId> {
        let mut leases: BTreeSet<ResourceId> = [step.resource.clone()].into();
        // After a restart all that shares its network is down too, and is started in its turn.
        if step.pair == Pair::None && step.action == Action::Start && self.recovery_tells_of(&step.resource) {
            return leases;
        }
        leases.extend(self.world.network_children(&step.resource).cloned());
        match (step.action, step.pair) {
            (Action::Stop | Action::Recreate, _) | (Action::Start, Pair::Closes) => {
                leases.extend(self.world.dependents(&step.resource).cloned());
            }
            (Action::Start, Pair::None | Pair::Opens) | (Action::Change(_), _) => {}
        }
        leases
    }

    fn observing(&self) -> Option<Verdict> {
        let hold = || Verdict::Hold(Hold::ObserveMode, self.after(ASK_AGAIN_RARELY));
        (self.settings.mode == Mode::Observe).then(hold)
    }

    fn mode_and_policy(&self, incident: &Incident, plan: &Plan) -> Option<Verdict> {
        if incident.rejected.contains(&plan.key()) {
            return Some(Verdict::Refuse(Refusal::RejectedBefore));
        }
        if let Some(observes) = self.observing() {
            return Some(observes);
        }
        match self.settings.mode {
            Mode::Suggest if !self.is_approved(incident, plan) => return Some(Verdict::Ask(Question::SuggestMode)),
            Mode::Observe | Mode::Suggest | Mode::Auto => {}
        }
        let asks = !self.policy_for(incident).auto_heal && !self.is_approved(incident, plan);
        asks.then_some(Verdict::Ask(Question::Policy))
    }

    /// Whether a person approved of this plan for the body that is there now, or had ordered it with the update that it takes
    /// back.
    fn is_approved(&self, incident: &Incident, plan: &Plan) -> bool {
        if self.faults.approval_never_spent {
            let word = |question: &crate::incident::Question| question.word.as_ref().is_some_and(|word| word.approved);
            return incident.question.as_ref().is_some_and(word);
        }
        if plan.playbook == plan::ROLL_BACK && self.is_ordered_with_its_update(incident) {
            return true;
        }
        let present = self.binding(&incident.resource);
        incident.approved.as_ref().is_some_and(|approval| {
            let same_body = approval.binds == present || self.faults.approval_not_bound;
            approval.key == plan.key() && approval.until > self.now.tick && same_body
        })
    }

    /// Whether whoever had a service updated ordered with it that it goes back. Where another service is well of the image that
    /// the name would be taken from, somebody is asked; and of what somebody has put in its place since, though it be the same.
    fn is_ordered_with_its_update(&self, incident: &Incident) -> bool {
        let deploy = incident.case.as_ref().and_then(|case| case.deploy.as_ref());
        let Some(deploy) = deploy.filter(|deploy| deploy.by.is_some() || self.faults.every_deploy_goes_back) else {
            return false;
        };
        let resource = &incident.resource;
        let any = self.faults.update_of_any_body || self.faults.every_deploy_goes_back;
        let ours = |body: &Incarnation| any || self.state.own.get(body).is_some_and(|own| own.of_update);
        if !self.world.body(resource).is_some_and(|(body, _)| ours(body)) {
            return false;
        }
        let here = self.world.resources().filter(|other| *other != resource && other.host() == resource.host());
        let same = |made: &Make| made.image == deploy.to.image && made.image_id == deploy.to.image_id;
        self.faults.name_taken_from_another || !here.filter_map(|other| self.state.makes.present(other)).any(same)
    }

    /// What an approval binds at present.
    pub(crate) fn binding(&self, resource: &ResourceId) -> Option<Binding> {
        let (incarnation, body) = self.world.body(resource)?;
        let definition = body.definition.as_ref()?;
        let (image_id, config_hash) = (definition.image_id.clone(), definition.config_hash.clone());
        Some(Binding { incarnation: incarnation.clone(), image_id, config_hash })
    }

    /// The policy that applies to an incident.
    pub(crate) fn policy_for(&self, incident: &Incident) -> Policy {
        self.settings.policy(&incident.resource, issue_of(incident))
    }

    /// How many attempts an incident has, and within which window.
    pub(crate) fn attempts_limit(&self, incident: &Incident) -> Limit {
        self.settings.attempts(&self.policy_for(incident))
    }

    /// The budgets that an attempt for an incident is within.
    pub(crate) fn within(&self, id: &IncidentId) -> Option<Within> {
        let incident = self.state.incidents.get(&id.number)?;
        let host = self.settings.budgets.per_host;
        let before = self.state.spending.host_steps(incident.resource.host(), host.window(), self.now.tick);
        Some(Within { attempts: self.attempts_limit(incident), host_steps: before + 1, host })
    }

    fn history_and_budget(&self, incident: &Incident, plan: &Plan, step: &Step) -> Option<Verdict> {
        let failures = incident.failures_of(plan);
        if failures >= plan.may_fail && plan.risk > Risk::Safe {
            let because = incident.attempts.last().map(|done| done.because.clone()).unwrap_or_default();
            let refusal = Refusal::DidNotHelpHere { action: step.action, times: failures, because };
            return Some(Verdict::Refuse(refusal));
        }
        let limit = self.attempts_limit(incident);
        let made = self.state.spending.attempts_within(&step.resource, limit.window(), self.now.tick);
        if made >= limit.count {
            return Some(Verdict::Refuse(Refusal::BudgetSpent { attempts: made, limit }));
        }
        if let (Some(verdict_at), true) =
            (self.state.spending.last_verdict(&step.resource), made > 0 && !self.faults.wait_skipped)
        {
            let wait = budget::wait_before(&step.resource, made + 1);
            let until = verdict_at.after(wait);
            if until > self.now.tick {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                return Some(Verdict::Hold(Hold::Backoff { attempt: made + 1, wait_ms }, until));
            }
        }
        // What takes something down needs room for what brings it up again.
        let actions = if step.pair == Pair::Opens { 2 } else { 1 };
        if let Some(spent) = self.group_budget(&step.resource, actions) {
            return Some(spent);
        }
        if let Some(replica) = self.replica_that_is_down(step) {
            return Some(Verdict::Hold(Hold::ReplicaDown { replica }, self.after(ASK_AGAIN_SOON)));
        }
        self.hands_are_full(&step.resource)
    }

    fn hands_are_full(&self, resource: &ResourceId) -> Option<Verdict> {
        let full = !self.has_a_free_hand(resource.source());
        let limit = self.settings.budgets.concurrent;
        full.then(|| Verdict::Hold(Hold::Concurrency { limit }, self.after(ASK_AGAIN_SOON)))
    }

    /// Whether the budgets of the groups that it belongs to have no room for so many actions. What comes first after a restart
    /// is outside of them.
    fn group_budget(&self, resource: &ResourceId, actions: u32) -> Option<Verdict> {
        let of_groups = !self.is_exempt(resource);
        let (hold, until) = of_groups
            .then(|| self.state.spending.spent_group(&self.settings.budgets, resource, actions, self.now.tick))
            .flatten()?;
        Some(Verdict::Hold(hold, until))
    }

    /// The share of a group that may be down: what runs, though ill, is not taken down while another replica of the same
    /// service is down or held by a repair.
    fn replica_that_is_down(&self, step: &Step) -> Option<ResourceId> {
        let shall_run = |replica: &ResourceId| {
            let wanted = self.state.intents.get(replica).map(|intent| intent.wanted);
            wanted == Some(Wanted::Running) && self.not_ours(replica).is_none()
        };
        let repaired = |replica: &ResourceId| self.state.open_incident(replica).is_some_and(Incident::holds_leases);
        let mut replicas = self.world.replicas(&step.resource).filter(|_| step.pair == Pair::Opens);
        replicas.find(|replica| shall_run(replica) && (!self.is_up(replica) || repaired(replica))).cloned()
    }

    /// The first ones that fail are treated at once; from the third on the others wait for a common cause.
    fn storm(&self, incident: &Incident) -> Option<Verdict> {
        let began = incident.since.tick;
        let until = began.after(STORM_WAIT);
        if until <= self.now.tick || self.awaits_first_start(&incident.resource) {
            return None;
        }
        let earlier = |(at, number): &&(Tick, u64)| {
            (*at, *number) < (began, incident.id.number) && began.since(*at) < STORM_WITHIN
        };
        let here = |(at, number): &&(Tick, u64)| {
            let other = self.state.incidents.get(number).filter(|other| other.since.tick == *at);
            other.is_some_and(|other| other.resource.host() == incident.resource.host() && !other.is_first_start())
        };
        let before = self.state.began.iter().rev().filter(earlier).filter(here).take(STORM_FROM - 1).count();
        (before + 1 >= STORM_FROM).then_some(Verdict::Hold(Hold::Storm, until))
    }

    fn risk(&self, incident: &Incident, plan: &Plan) -> Option<Verdict> {
        if self.is_approved(incident, plan) || self.faults.risk_not_asked {
            return None;
        }
        let definition = self.world.body(&incident.resource).and_then(|(_, body)| body.definition.as_deref());
        if definition.is_some_and(|definition| definition.is_orphan) {
            return Some(Verdict::Ask(Question::Orphan));
        }
        (plan.risk > RISK_UNASKED_MAX).then_some(Verdict::Ask(Question::Risk(plan.risk)))
    }

    fn permit(&self, behalf: Behalf, step: &Step, incarnation: &Incarnation, unhindered: bool) -> Permit {
        Permit {
            id: PermitId(self.state.last_permit + 1),
            epoch: self.state.epoch,
            behalf,
            step: step.clone(),
            incarnation: incarnation.clone(),
            ran: self.is_up(&step.resource),
            leases: self.leases(step),
            unhindered,
            given: self.now,
            until: self.now.tick.after(step.timeout()),
        }
    }

    pub(crate) fn after(&self, wait: Duration) -> Tick {
        self.now.tick.after(wait)
    }
}

/// What policies call what is wrong.
pub(crate) fn issue_of(incident: &Incident) -> &str {
    incident.diagnosis.as_ref().map_or(NOT_DIAGNOSED, |diagnosis| &diagnosis.issue_type)
}

/// Whether a body's own state shows that something is wrong with it.
fn is_ill(body: &Body) -> bool {
    match body.run {
        Run::Running => body.health == Health::Unhealthy,
        Run::Exited | Run::Restarting => true,
        Run::Created => body.exit.as_ref().is_some_and(|exit| !exit.error.is_empty()),
        Run::Paused | Run::Removing => false,
    }
}

#[cfg(test)]
mod tests;
