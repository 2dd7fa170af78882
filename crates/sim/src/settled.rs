//! Liveness: after hours of calm everything has settled.

use model::ResourceId;
use model::action::{Action, Pair, PermitId};
use model::fact::{Condition, RestartPolicy, Run};
use model::incident::{Escalation, Outcome, Phase};
use model::intent::Wanted;
use model::message::Kind;
use model::settings::Mode;
use model::verdict::{Hold, Refusal};

use crate::docker::{By, Defect, Svc};
use crate::truth::Word;
use crate::world::World;

/// A deployment is excluded for so long at most, and a stop that waits for something is carried out within so long.
const EXCLUDED_MS: u64 = 400_000;
const SETTLES_MS: u64 = 600_000;

impl World<'_> {
    pub(crate) fn check_settled(&mut self) {
        if self.leader().is_none() {
            return self.broken("somebody leads at the end", "nobody does".to_owned());
        }
        self.check_phases();
        for svc in 0..self.services.len() {
            self.check_service(svc);
        }
        self.check_threads();
        self.check_names();
        self.check_moved_names();
        let state = &self.check.shadow;
        let left = [
            ("acts", state.acts.len()),
            ("messages to be delivered", state.outbox.len()),
            ("queued commands", state.queue.len()),
            ("updates", state.updates.len()),
            ("recoveries", state.recoveries.open.len()),
        ];
        for (what, n) in left {
            if n > 0 {
                self.broken("nothing is left undone", format!("{n} {what}"));
            }
        }
        // Who was deposed may never hear of it: those who asked are told by its surfaces that it takes long.
        let leads = self.leader().map(|healer| healer.pid);
        let waits = self.check.unanswered.iter().find(|(_, (of, _))| Some(*of) == leads).map(|(id, _)| id.0.clone());
        if let Some(id) = waits {
            self.broken("every command is answered", format!("command {id} was not"));
        }
        let lost = self
            .check
            .written
            .iter()
            .find(|id| !self.check.received.contains(*id) && !self.check.given_up.contains(*id));
        if let Some(id) = lost {
            let says = format!("message {}", id.0);
            self.broken("every message is delivered", says);
        }
    }

    /// Whether its incident belongs to one of something else that is open.
    fn is_told_with_another(&self, resource: &ResourceId) -> bool {
        let state = &self.check.shadow;
        let latest = state.latest.get(resource).and_then(|number| state.incidents.get(number));
        let outcome = latest.and_then(|incident| incident.outcome());
        matches!(outcome, Some(Outcome::MergedInto(parent)) if state.open.contains(&parent.number))
    }

    fn check_service(&mut self, svc: Svc) {
        let service = &self.services[svc];
        let (resource, truth) = (service.resource.clone(), service.truth);
        let Some(key) = self.docker.body(svc) else { return };
        let container = &self.docker.containers[key];
        let (run, started_by, down_by) = (container.run, container.started_by, container.down_by);
        let exit = container.exit.as_ref().map(|exit| exit.code);
        let ended_well = exit == Some(0) && container.def.restart_policy == RestartPolicy::No;
        let (tried, healthy) = (container.start_tried, container.well_since.is_some());
        let wanted = self.check.shadow.intents.get(&resource).map(|intent| intent.wanted);
        let incident = self.check.shadow.open_incident(&resource);
        let phase = incident.map(|incident| incident.phase.clone());
        let up = matches!(run, Run::Running);
        match truth.word {
            Word::StoppedAtEngine { .. } | Word::StoppedByCommand => {
                let is_foreign = self.is_foreign(&resource);
                // A stop that the engine refuses is told, and left to a person; so is what was excluded before it could be
                // stopped.
                let around = |at: u64| at <= truth.since + SETTLES_MS && truth.since <= at + EXCLUDED_MS;
                let excluded = resource.deployment() == "shop" && self.check.excluded_at.is_some_and(around);
                let told = excluded || matches!(phase, Some(Phase::Escalated { .. }));
                let together = match truth.word {
                    Word::StoppedAtEngine { key, .. } => {
                        let stopped = &self.docker.containers[key].id;
                        self.check.a_stop_is_unanswered(stopped, truth.since)
                    }
                    Word::Running | Word::StoppedByCommand | Word::Never | Word::Unclear => false,
                };
                if up
                    && matches!(started_by, By::Healer(_) | By::Compose(_))
                    && !is_foreign
                    && !told
                    && !together
                    && !self.is_ambiguous(svc)
                {
                    self.broken("an owner's stop wins in the end", format!("{resource} runs, started by healer"));
                }
            }
            Word::Running => {
                let cared_for = container.def.belongs.is_healers() && !container.def.removed_at_end;
                // A clean end of what is not to be started again is an end.
                if truth.excused
                    || truth.refused
                    || !cared_for
                    || ended_well
                    || service.is_job
                    || svc >= 6
                    || truth.in_hand
                {
                    return;
                }
                // What a healer that is no more had stopped is asked about, where nothing is left that tells who did.
                if wanted == Some(Wanted::Unknown) && down_by.is_some_and(|permit| self.was_ordered_before(permit)) {
                    return;
                }
                if wanted != Some(Wanted::Running) {
                    let says = format!("{resource} shall run, and the ledger says {wanted:?}");
                    return self.broken("what nobody stopped is not taken for stopped", says);
                }
                let opened = down_by.and_then(|permit| self.check.step_of(permit));
                // What was excluded meanwhile is told, and is a person's.
                let excluded = matches!(
                    phase,
                    Some(Phase::Escalated { reason: Escalation::Refused(Refusal::Excluded { .. }), .. })
                ) || self.check.left_down.contains(&resource)
                    || self.settings.excluded_by(&resource, &container.def).is_some();
                // What it needs is somebody's to start, and they are told; or that is told with another's incident; or they
                // were asked and have not answered.
                let waits = matches!(
                    phase,
                    Some(
                        Phase::Held { reason: Hold::WaitsFor { .. } | Hold::OthersStopped { .. }, .. }
                            | Phase::Escalated { reason: Escalation::ApprovalExpired, .. }
                    )
                ) || self.is_told_with_another(&resource);
                if !up && !tried && !excluded && !waits && opened == Some((Action::Stop, Pair::Opens)) {
                    let says = format!("{resource} is down since our own stop");
                    return self.broken("every pair is closed", says);
                }
                // An undo that failed nearby halts what is in its reach, until a person has looked; and who stopped others of
                // its deployment is asked about this one.
                let asked =
                    matches!(phase, Some(Phase::Held { reason: Hold::Halted { .. } | Hold::OthersStopped { .. }, .. }));
                let escalated = asked || matches!(phase, Some(Phase::Escalated { .. }));
                let mendable =
                    service.defect == Defect::None && !self.stands_alone(svc) && !self.awaits_a_failed_job(svc);
                let cut_off = up && self.network_is_dead(key);
                if (!up || !healthy || cut_off) && mendable && !escalated && self.acts_unasked(svc) {
                    let says = format!("{resource} is {run:?}, and its incident is {phase:?}");
                    self.broken("what shall run and can does", says);
                }
            }
            Word::Never | Word::Unclear => {}
        }
    }

    /// Whether another process than the one that leads now gave this order.
    fn was_ordered_before(&self, permit: PermitId) -> bool {
        let epoch = self.leader().map(|healer| healer.epoch);
        self.check.epoch_of(permit).is_some_and(|ordered| Some(ordered) != epoch)
    }

    /// Whether the healer would mend it without a person.
    fn acts_unasked(&self, svc: Svc) -> bool {
        let Some(healer) = self.leader() else { return false };
        let settings = healer.turning.engine().settings();
        let resource = &self.services[svc].resource;
        let Some(key) = self.docker.body(svc) else { return false };
        let definition = &self.docker.containers[key].def;
        settings.mode == Mode::Auto
            && settings.policy(resource, "service_down").auto_heal
            && settings.excluded_by(resource, definition).is_none()
            && definition.belongs.is_healers()
            && !definition.removed_at_end
            && self.docker.bodies(svc).count() == 1
    }

    /// Whether what it needs is down for good, so that it cannot be mended.
    fn stands_alone(&self, svc: Svc) -> bool {
        let parents = self.services[svc].parents.iter().chain(&self.services[svc].network_parent);
        parents.clone().any(|parent| !self.docker.body(*parent).is_some_and(|key| self.docker.containers[key].is_up()))
    }

    /// Whether it awaits a job that ended badly since it was started: whether that is to be run again is a person's to say.
    fn awaits_a_failed_job(&self, svc: Svc) -> bool {
        let started = self.docker.body(svc).and_then(|key| self.docker.containers[key].started);
        self.services[svc].template.depends_on.iter().any(|need| {
            let job = |other: &&crate::world::Service| {
                need.condition == Condition::CompletedSuccessfully && other.resource.service() == need.service
            };
            let key = self.services.iter().position(|other| job(&other)).and_then(|job| self.docker.body(job));
            let exit = key.and_then(|key| self.docker.containers[key].exit.as_ref());
            exit.is_some_and(|exit| exit.code != 0 && Some(exit.at) > started)
        })
    }

    fn is_foreign(&self, resource: &model::ResourceId) -> bool {
        self.svc_of(resource).is_none_or(|svc| svc >= 6)
    }

    /// Whether a stop may be lost on healer: one at the engine that nobody watched. What was said to healer itself is not.
    fn is_ambiguous(&self, svc: Svc) -> bool {
        let truth = &self.services[svc].truth;
        truth.refused || (truth.excused && truth.word != Word::StoppedByCommand)
    }

    fn check_threads(&mut self) {
        let bad = self.check.threads.iter().find_map(|(number, thread)| {
            let incident = self.check.shadow.incidents.get(number)?;
            let over = incident.phase.is_over();
            let open = matches!(thread.last, Some(Kind::Opened | Kind::Updated | Kind::Escalated));
            (over && open).then(|| incident.id.to_string())
        });
        if let Some(id) = bad {
            self.broken("no thread is left open", format!("incident {id} is over, and its thread is not"));
        }
    }
}
