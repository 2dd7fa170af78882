//! What the guard would say of an issue that may come, and of one that is there: each rule with its answer, not only the
//! first "no". Nothing is decided here; the rules that decide are the guard's own.

use model::action::{Pair, Step};
use model::fact::Definition;
use model::incident::{Mend, Phase};
use model::intent::Wanted;
use model::settings::{Exclusion, Mode, Policy, RISK_UNASKED_MAX, matches};
use model::verdict::{Hold, Question, Refusal, Verdict};
use model::view::{Rule, RuleLine, Says};
use model::{Now, ResourceId};

use crate::diagnose::usual_mend;
use crate::incident::Incident;
use crate::view::{Sight, how, moment};
use crate::{Engine, budget, plan};

/// Of what is foretold.
pub(crate) struct Issue<'a> {
    /// The resource.
    pub(crate) resource: &'a ResourceId,
    /// What policies call it.
    pub(crate) issue_type: &'a str,
    /// Its open incident, where the issue is that one's.
    pub(crate) open: Option<&'a Incident>,
    /// The policy that applies.
    pub(crate) policy: &'a Policy,
}

impl Engine {
    /// The rules for an issue, in the guard's order. Those that nobody set and that let are left out.
    pub(crate) fn foresee(&self, issue: &Issue<'_>, sight: Sight, now: Now) -> Vec<RuleLine> {
        let resource = issue.resource;
        let lines = [
            Some(self.cause_line(issue)),
            self.lead_line(sight),
            issue.open.and_then(|incident| progress(incident, sight, now)),
            self.sight_line(resource, sight),
            Some(self.exclusion_line(resource)),
            Some(self.intent_line(resource)),
            Some(self.freeze_line()),
            Some(self.maintenance_line(resource, now)),
            self.surroundings_line(issue, sight, now),
            Some(self.mode_line(issue)),
            Some(self.policy_line(issue)),
            Some(self.attempts_line(issue, now)),
            Some(self.budgets_line(resource, now)),
            Some(self.risk_line(issue)),
        ];
        lines.into_iter().flatten().collect()
    }

    fn cause_line(&self, issue: &Issue<'_>) -> RuleLine {
        let diagnosis = issue.open.and_then(|incident| incident.diagnosis.as_ref());
        let mend = diagnosis.map(|diagnosis| diagnosis.mend).or_else(|| usual_mend(issue.issue_type));
        let of = diagnosis.map_or_else(String::new, |diagnosis| format!(" ({})", diagnosis.title));
        let (says, because) = match mend {
            None => (Says::Lets, "what no action mends is a person's to mend; anything else is repaired".to_owned()),
            Some(Mend::Start) => (Says::Lets, format!("a start mends it{of}")),
            Some(Mend::MoreMemory) => (Says::Lets, format!("a start mends it{of}, or else a higher memory limit")),
            Some(Mend::Restart) => (Says::Lets, format!("a restart mends it{of}")),
            Some(Mend::Rejoin) => (Says::Lets, format!("its networks and a start mend it{of}")),
            Some(Mend::Recreate) => (Says::Lets, format!("making it anew mends it{of}")),
            Some(Mend::RollBack) => (Says::Lets, format!("the image of before the deploy mends it{of}")),
            Some(Mend::FreeSpace) => (Says::Lets, format!("removing what its owner has listed mends it{of}")),
            Some(Mend::Nothing) => (Says::Refuses, format!("nothing is wrong{of}: there is nothing to mend")),
            Some(Mend::Person) => (Says::Refuses, format!("no action mends it{of}: a person is told")),
        };
        RuleLine { rule: Rule::Cause, says, because }
    }

    fn lead_line(&self, sight: Sight) -> Option<RuleLine> {
        match sight {
            Sight::Journal => None,
            Sight::Live if self.store_full => no(Rule::Lead, Verdict::Hold(Hold::StoreFull, self.now.tick)),
            Sight::Live => no(Rule::Lead, self.leader()?),
        }
    }

    fn sight_line(&self, resource: &ResourceId, sight: Sight) -> Option<RuleLine> {
        let unseen = || Verdict::Hold(Hold::NotSeen, self.now.tick);
        match sight {
            Sight::Journal => {
                let because = "healer is not running: what it is and does at present is not seen".to_owned();
                Some(RuleLine { rule: Rule::Sight, says: Says::Unknown, because })
            }
            Sight::Live if self.may_be_there(resource) => no(Rule::Sight, unseen()),
            Sight::Live if self.world.body(resource).is_none() => no(Rule::Sight, Verdict::Refuse(Refusal::Absent)),
            Sight::Live if !self.world.is_fresh(resource) => no(Rule::Sight, unseen()),
            Sight::Live => None,
        }
    }

    /// Of what is not seen only its name can be held against the exclusions: neither its labels nor whose it is are known.
    fn exclusion_line(&self, resource: &ResourceId) -> RuleLine {
        let rule = Rule::Exclusion;
        let refused = |refusal: Refusal| RuleLine { rule, says: Says::Refuses, because: refusal.to_string() };
        if self.definition_of(resource).is_some() {
            let because = "no entry of `exclude` fits, and it is healer's to care for".to_owned();
            return self.not_ours(resource).map_or(RuleLine { rule, says: Says::Lets, because }, refused);
        }
        let by_name = self.settings.exclude.iter().find_map(|entry| match entry {
            Exclusion::Deployment(pattern) if matches(pattern, resource.deployment()) => Some(pattern),
            Exclusion::Deployment(_) | Exclusion::Label(_) => None,
        });
        let because = "its labels, and whose it is, are not seen".to_owned();
        by_name.map_or(RuleLine { rule, says: Says::Unknown, because }, |pattern| {
            refused(Refusal::Excluded { by: format!("deployment {pattern}") })
        })
    }

    fn intent_line(&self, resource: &ResourceId) -> RuleLine {
        let rule = Rule::Intent;
        let intent = self.state.intents.get(resource);
        let because = intent.map_or("", |intent| &intent.because);
        let (says, because) = match intent.map(|intent| intent.wanted) {
            None => (Says::Holds, "nobody has said yet whether it shall run".to_owned()),
            Some(Wanted::Unknown) => (Says::Holds, format!("{}: {because}", Hold::IntentUnknown)),
            Some(Wanted::Stopped) => (Says::Refuses, format!("{}: {because}", Refusal::StoppedOnPurpose)),
            Some(Wanted::Running) => match self.doubt_of_its_running(resource) {
                Some(doubt) => (Says::Holds, doubt.to_string()),
                None => (Says::Lets, format!("it shall run: {because}")),
            },
        };
        RuleLine { rule, says, because }
    }

    /// What speaks against a word that it shall run.
    fn doubt_of_its_running(&self, resource: &ResourceId) -> Option<Hold> {
        let others = || self.others_stopped(resource).map(|resource| Hold::OthersStopped { resource });
        self.being_stopped(resource).map(|_| Hold::BeingStopped).or_else(others)
    }

    fn freeze_line(&self) -> RuleLine {
        let rule = Rule::Freeze;
        match &self.state.frozen {
            None => RuleLine { rule, says: Says::Lets, because: "nobody froze healer".to_owned() },
            Some(frozen) => {
                let why = if frozen.because.is_empty() { String::new() } else { format!(" ({})", frozen.because) };
                let because = format!("frozen by {} at {}{why}", frozen.by, moment(frozen.at.wall));
                RuleLine { rule, says: Says::Holds, because }
            }
        }
    }

    fn maintenance_line(&self, resource: &ResourceId, now: Now) -> RuleLine {
        let rule = Rule::Maintenance;
        if let Some(until) = self.settings.maintained_until(resource, now.wall) {
            let because = format!("{}, until {}", Hold::Maintenance, moment(until));
            return RuleLine { rule, says: Says::Holds, because };
        }
        let to_come =
            self.settings.maintenance.iter().filter(|window| window.is_of(resource) && window.from > now.wall);
        let because = to_come.min_by_key(|window| window.from).map_or_else(
            || "no window is set for it".to_owned(),
            |window| format!("the next window is from {} to {}", moment(window.from), moment(window.until)),
        );
        RuleLine { rule, says: Says::Lets, because }
    }

    /// What else keeps a step from being taken at this moment.
    fn surroundings_line(&self, issue: &Issue<'_>, sight: Sight, now: Now) -> Option<RuleLine> {
        let resource = issue.resource;
        let definition = self.definition_of(resource).filter(|_| sight == Sight::Live)?;
        let step: Step = plan::step(model::action::Action::Start, resource, Some(definition), Pair::None);
        let own = self.state.open_incident(resource).map(|incident| &incident.id);
        let deploy = self.world.deploying_until(resource, now.tick);
        let verdict = deploy
            .map(|until| Verdict::Hold(Hold::DeployInProgress, until))
            .or_else(|| self.recovering(resource))
            .or_else(|| self.waits_for_sibling(issue.open?))
            .or_else(|| self.missing_mount(&step))
            .or_else(|| self.another_owner(resource))
            .or_else(|| self.halted(&step))
            .or_else(|| self.busy(own, &step));
        no(Rule::Surroundings, verdict?)
    }

    /// Whether a person has said yes to the plan of the open incident: then nobody is asked again.
    fn is_agreed(&self, issue: &Issue<'_>) -> bool {
        let plan = issue.open.and_then(|incident| Some((incident, incident.plan.as_ref()?)));
        plan.is_some_and(|(incident, plan)| self.is_approved(incident, plan))
    }

    fn mode_line(&self, issue: &Issue<'_>) -> RuleLine {
        let (says, because) = match self.settings.mode {
            Mode::Observe => (Says::Holds, Hold::ObserveMode.to_string()),
            Mode::Suggest if self.is_agreed(issue) => (Says::Lets, "a person has said yes".to_owned()),
            Mode::Suggest => (Says::Asks, Question::SuggestMode.to_string()),
            Mode::Auto => (Says::Lets, "the mode is auto".to_owned()),
        };
        RuleLine { rule: Rule::Mode, says, because }
    }

    fn policy_line(&self, issue: &Issue<'_>) -> RuleLine {
        let (says, because) = match issue.policy.auto_heal {
            true => (Says::Lets, "auto_heal: true".to_owned()),
            false if self.is_agreed(issue) => (Says::Lets, "auto_heal: false, and a person has said yes".to_owned()),
            false => (Says::Asks, Question::Policy.to_string()),
        };
        RuleLine { rule: Rule::Policy, says, because }
    }

    fn attempts_line(&self, issue: &Issue<'_>, now: Now) -> RuleLine {
        let rule = Rule::Attempts;
        let resource = issue.resource;
        let limit = self.settings.attempts(issue.policy);
        let made = self.state.spending.attempts_within(resource, limit.window(), now.tick);
        if made >= limit.count {
            let because = Refusal::BudgetSpent { attempts: made, limit }.to_string();
            return RuleLine { rule, says: Says::Refuses, because };
        }
        let last = self.state.spending.last_verdict(resource).filter(|_| made > 0);
        let due = last.map(|at| at.after(budget::wait_before(resource, made + 1))).filter(|due| *due > now.tick);
        match due {
            Some(due) => {
                let because = format!("attempt {} is due at {}", made + 1, moment(now.wall_at(due)));
                RuleLine { rule, says: Says::Holds, because }
            }
            None => RuleLine { rule, says: Says::Lets, because: format!("{made} made, allowed are {limit}") },
        }
    }

    fn budgets_line(&self, resource: &ResourceId, now: Now) -> RuleLine {
        let rule = Rule::Budgets;
        let budgets = &self.settings.budgets;
        if self.is_exempt(resource) {
            let because = "what its host's restart took down is brought back outside of them".to_owned();
            return RuleLine { rule, says: Says::Lets, because };
        }
        if let Some((hold, until)) = self.state.spending.spent_group(budgets, resource, 1, now.tick) {
            let because = format!("{hold}, until {}", moment(now.wall_at(until)));
            return RuleLine { rule, says: Says::Holds, because };
        }
        if !self.has_a_free_hand(resource.source()) {
            let because = Hold::Concurrency { limit: budgets.concurrent }.to_string();
            return RuleLine { rule, says: Says::Holds, because };
        }
        let groups = self.state.spending.groups(budgets, resource, now.tick);
        let spent = groups.map(|(group, steps, limit)| format!("{group} {steps} of {limit}"));
        RuleLine { rule, says: Says::Lets, because: spent.join("; ") }
    }

    fn risk_line(&self, issue: &Issue<'_>) -> RuleLine {
        let rule = Rule::Risk;
        let definition = self.definition_of(issue.resource);
        let agreed = self.is_agreed(issue);
        if definition.is_some_and(|definition| definition.is_orphan) && !agreed {
            return RuleLine { rule, says: Says::Asks, because: Question::Orphan.to_string() };
        }
        if let Some(plan) = issue.open.and_then(|incident| incident.plan.as_ref()) {
            let asks = plan.risk > RISK_UNASKED_MAX && !agreed;
            let because = format!("its {} is {}", plan.playbook, plan.risk);
            return RuleLine { rule, says: if asks { Says::Asks } else { Says::Lets }, because };
        }
        let known = plan::CATALOGUE.iter().map(|spec| format!("{} is {}", spec.action, spec.risk));
        let known = known.collect::<Vec<_>>().join(", ");
        let volume = definition.is_some_and(|definition| definition.anonymous_volume);
        let loses =
            if volume { "; to make it anew would lose a volume that has no name, which is asked about" } else { "" };
        let because = format!("above {RISK_UNASKED_MAX} it asks; {known}{loses}");
        RuleLine { rule, says: Says::Lets, because }
    }

    fn definition_of(&self, resource: &ResourceId) -> Option<&Definition> {
        self.world.body(resource).and_then(|(_, body)| body.definition.as_deref())
    }
}

/// How far healer has come with it. What a dead healer was at is over; what waits for a person waits on.
fn progress(incident: &Incident, sight: Sight, now: Now) -> Option<RuleLine> {
    let says = match (&incident.phase, sight) {
        (Phase::AwaitingApproval { .. }, Sight::Live | Sight::Journal) => Says::Asks,
        (Phase::Escalated { .. }, Sight::Live | Sight::Journal) => Says::Refuses,
        (Phase::Held { .. }, Sight::Live) => Says::Holds,
        (Phase::Acting { .. } | Phase::Verifying { .. } | Phase::RollingBack { .. }, Sight::Live) => Says::Lets,
        (
            Phase::Held { .. } | Phase::Acting { .. } | Phase::Verifying { .. } | Phase::RollingBack { .. },
            Sight::Journal,
        )
        | (Phase::Diagnosing { .. } | Phase::Planning { .. } | Phase::Resolved { .. }, Sight::Live | Sight::Journal) => {
            return None;
        }
    };
    Some(RuleLine { rule: Rule::Incident, says, because: how(incident, now) })
}

/// The line of a verdict that is a no.
fn no(rule: Rule, verdict: Verdict) -> Option<RuleLine> {
    let (says, because) = match verdict {
        Verdict::Allow(_) => return None,
        Verdict::Ask(question) => (Says::Asks, question.to_string()),
        Verdict::Hold(hold, _) => (Says::Holds, hold.to_string()),
        Verdict::Refuse(refusal) => (Says::Refuses, refusal.to_string()),
    };
    Some(RuleLine { rule, says, because })
}
