//! What comes back after a restart: begun once for each start of the engine, in the order of its needs, told once.

use std::collections::{BTreeMap, BTreeSet};

use engine::world::Body;
use model::ResourceId;
use model::action::{Action, Behalf, Pair, Permit, PermitId};
use model::fact::{Condition, SourceTime};
use model::intent::Wanted;
use model::message::Kind;
use model::recovery::{EngineStart, Outcome};

use crate::docker::Svc;
use crate::world::World;

/// From the third restart within so long on, the budgets of groups hold.
const EXEMPT_WITHIN_MS: u64 = 30 * 60_000;
const EXEMPT_MAX: usize = 2;
/// A recovery is over by then, however it stands.
const LASTS_MAX_MS: u64 = 15 * 60_000;

/// What the journal says of recoveries, counted anew.
#[derive(Default)]
pub(crate) struct Recoveries {
    /// The starts of the engine that were recovered from.
    begun: BTreeSet<String>,
    began: Vec<u64>,
    open: Option<Open>,
}

struct Open {
    began: u64,
    exempt: bool,
    /// What is still to be started for the first time; `None` until that is planned.
    down: Option<BTreeSet<ResourceId>>,
    members: BTreeSet<ResourceId>,
    first_permits: BTreeMap<PermitId, ResourceId>,
}

impl World<'_> {
    pub(super) fn recovery_planned(&mut self, down: &[ResourceId], back: &[ResourceId]) {
        self.counts.hit("recovery", "planned");
        if let Some(open) = &mut self.check.recoveries.open {
            open.down = Some(down.iter().cloned().collect());
            open.members = down.iter().chain(back).cloned().collect();
        }
        // What it is not about was left to its message until now: it is told once from here on, however often it escalated.
        let members: BTreeSet<&ResourceId> = down.iter().chain(back).collect();
        let others = self.check.shadow.open_incidents().filter(|incident| !members.contains(&incident.resource));
        let others: Vec<u64> = others.map(|incident| incident.id.number).collect();
        for number in others {
            let thread = self.thread(number);
            thread.escalation_messages = thread.escalation_messages.max(thread.escalations.saturating_sub(1));
        }
    }

    pub(super) fn recovery_began(&mut self, start: &EngineStart, exempt: bool, now: u64) {
        self.counts.hit("recovery", if exempt { "began" } else { "began too often" });
        // One that was overtaken leaves what it had to tell to this one, as far as it still stands by then.
        if let Some(before) = self.check.recoveries.open.take() {
            self.counts.hit("recovery", "overtaken");
            self.escalations_are_told(&before);
        }
        let recoveries = &mut self.check.recoveries;
        let once = start.process.clone().is_none_or(|process| recoveries.begun.insert(process));
        let lately = recoveries.began.iter().filter(|then| now - **then < EXEMPT_WITHIN_MS).count();
        recoveries.began.push(now);
        let (down, members, first_permits) = (None, BTreeSet::new(), BTreeMap::new());
        recoveries.open = Some(Open { began: now, exempt, down, members, first_permits });
        if !once {
            self.broken("a start of the engine is recovered from once", format!("{start:?}"));
        }
        if exempt != (lately < EXEMPT_MAX) {
            let says = format!("exempt: {exempt}, and {lately} restarts lately");
            self.broken("the third restart within half an hour is within the budgets", says);
        }
    }

    pub(super) fn recovery_ended(&mut self, outcome: &Outcome, now: u64) {
        let Some(open) = self.check.recoveries.open.take() else {
            return self.broken("a recovery ends once", "none was under way".to_owned());
        };
        let kinds = [
            ("recovered", !outcome.recovered.is_empty()),
            ("left", !outcome.left.is_empty()),
            ("failed", !outcome.failed.is_empty()),
            ("nothing was away", outcome.recovered.is_empty() && outcome.failed.is_empty()),
            ("late", now >= open.began + LASTS_MAX_MS),
        ];
        for (kind, so) in kinds {
            if so {
                self.counts.hit("recovery", kind);
            }
        }
        // The message told of its members, and opened the threads of those that failed.
        self.escalations_are_told(&open);
        for failure in &outcome.failed {
            let Some(number) = self.check.shadow.open_incident(&failure.resource).map(|i| i.id.number) else {
                continue;
            };
            let last = &mut self.thread(number).last;
            if !matches!(last, Some(Kind::Opened | Kind::Updated | Kind::Escalated)) {
                *last = Some(Kind::Opened);
            }
        }
    }

    fn escalations_are_told(&mut self, recovery: &Open) {
        for resource in &recovery.members {
            let Some(number) = self.check.shadow.latest.get(resource).copied() else { continue };
            let thread = self.thread(number);
            thread.escalation_messages = thread.escalations;
        }
    }

    /// Whether a recovery under way will tell of a resource.
    pub(super) fn recovery_will_tell_of(&self, resource: &ResourceId) -> bool {
        let open = self.check.recoveries.open.as_ref();
        open.is_some_and(|open| open.down.is_none() || open.members.contains(resource))
    }

    /// Books a first start. Returns whether it is outside of the budgets of its groups.
    pub(super) fn check_first_start(&mut self, permit: &Permit, now: u64) -> bool {
        let resource = &permit.step.resource;
        let plain = permit.step.action == Action::Start && permit.step.pair == Pair::None && !permit.unhindered;
        let Some(open) = &mut self.check.recoveries.open else { return false };
        if now > open.began + LASTS_MAX_MS + 60_000 {
            self.broken("a recovery ends in time", format!("permit {} is given in it", permit.id.0));
            return false;
        }
        let Some(down) = &mut open.down else {
            if matches!(permit.behalf, Behalf::Incident(_)) && !permit.unhindered {
                let says = format!("permit {} for {resource}", permit.id.0);
                self.broken("after a restart all is looked at first", says);
            }
            return false;
        };
        if !down.remove(resource) {
            return false;
        }
        open.first_permits.insert(permit.id, resource.clone());
        let exempt = open.exempt;
        if let (Behalf::Incident(_), true, Some(svc)) = (&permit.behalf, plain, self.svc_of(resource)) {
            self.counts.hit("recovery", "first start");
            if let Some(needed) = self.is_too_early(svc, resource) {
                let says = format!("permit {} for {resource}, which needs {needed}", permit.id.0);
                self.broken("after a restart each is started in its turn", says);
            }
        }
        exempt && matches!(permit.behalf, Behalf::Incident(_))
    }

    /// A first start was not begun. Returns whether it was outside of the budgets.
    pub(super) fn first_start_withheld(&mut self, permit: PermitId) -> bool {
        let Some(open) = &mut self.check.recoveries.open else { return false };
        let Some(resource) = open.first_permits.remove(&permit) else { return false };
        open.down.get_or_insert_default().insert(resource);
        open.exempt
    }

    /// What a service needs and has not been there since the engine was started.
    fn is_too_early(&self, svc: Svc, resource: &ResourceId) -> Option<String> {
        let template = &self.services[svc].template;
        let network = self.services[svc].network_parent.map(|parent| (parent, Condition::Started));
        let named = |service: &str| {
            self.services.iter().position(|other| {
                other.resource.deployment() == resource.deployment() && other.resource.service() == service
            })
        };
        let needs = template.depends_on.iter().filter_map(|need| Some((named(&need.service)?, need.condition)));
        needs.chain(network).find_map(|(needed, condition)| {
            let id = &self.services[needed].resource;
            let wanted = self.check.shadow.intents.get(id).map(|intent| intent.wanted);
            let key = self.docker.body(needed)?;
            let container = &self.docker.containers[key];
            let excluded = self
                .leader()
                .is_some_and(|healer| healer.turning.engine().settings().excluded_by(id, &container.def).is_some());
            let cared_for = container.def.belongs.is_healers() && !container.def.removed_at_end;
            if wanted != Some(Wanted::Running) || excluded || !cared_for || self.docker.bodies(needed).count() > 1 {
                return None;
            }
            let since_boot = |at: Option<SourceTime>| at >= Some(self.docker.booted);
            // What healer cannot know yet is not held against it: an event is on its way, and a start that fails has none.
            let seen = self.leader().and_then(|healer| healer.turning.engine().world().body(id));
            let knows =
                |body: &Body| body.is_up() == container.is_up() && (body.is_up() || body.exit == container.exit);
            if !seen.is_some_and(|(_, body)| knows(body)) {
                return None;
            }
            let done = container.exit.as_ref().is_some_and(|exit| exit.code == 0) && !container.is_up();
            let ready = match condition {
                Condition::Started => since_boot(container.started) || container.is_up() || done,
                Condition::Healthy => since_boot(container.started) || container.well_since.is_some(),
                Condition::CompletedSuccessfully => {
                    let started = self.docker.body(svc).and_then(|key| self.docker.containers[key].started);
                    done || container.exit.as_ref().is_some_and(|exit| Some(exit.at) < started)
                }
            };
            (!ready).then(|| id.to_string())
        })
    }
}
