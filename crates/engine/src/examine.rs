//! From a symptom to a diagnosis: asks for the facts that a case needs, waits until they are in, and lets the rules speak.

use std::time::Duration;

use model::ResourceId;
use model::alert::Name;
use model::event::Event;
use model::fact::{Belongs, Happening, Health, Incarnation, RestartPolicy, Run, What};
use model::incident::{Case, Confidence, DeadNetwork, Evidence, Phase, Runner};
use model::input::Effect;
use model::intent::Wanted;

use crate::Engine;
use crate::diagnose::said::{self, RAN_WELL};
use crate::diagnose::{diagnose, exit_code, last_death, look_at_end};
use crate::incident::Incident;
use crate::world::Body;

/// After this the rules answer with what they have. The engine answers nothing of a container that has just ended until the
/// names that it asked for last are looked up, or that is given up, after four seconds (libnetwork's `extIOTimeout`).
const DIAGNOSING_MAX: Duration = Duration::from_secs(5);
/// A service that somebody's foreground session held is watched for this long: the session may be ending all.
const QUIET_AFTER_ATTACHED: Duration = Duration::from_secs(2);
/// One incident keeps so many pieces of evidence: what is found later says the same in other words.
const EVIDENCE_MAX: usize = 40;
/// Telling lines of a log that become evidence.
const LOG_EVIDENCE_MAX: usize = 6;

impl Engine {
    pub(crate) fn begin_diagnosis(&mut self, number: u64, because: &str) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let attached = self.had_attached_session(&incident.resource);
        let wait = if attached { QUIET_AFTER_ATTACHED } else { DIAGNOSING_MAX };
        let (id, until) = (incident.id.clone(), self.after(wait));
        self.emit(Event::DiagnosisBegan { id, because: because.to_owned(), until });
        self.ask_for_facts(number);
    }

    /// Asks for what the rules may want to know: a look, if the last one is older than the illness, and the log, once
    /// for each end.
    fn ask_for_facts(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let resource = incident.resource.clone();
        let id = incident.id.clone();
        let Some((incarnation, body)) = self.world.body(&resource) else { return };
        let incarnation = incarnation.clone();
        let end = (incarnation.clone(), body.exit.as_ref().map(|exit| exit.at));
        let known = self.is_looked_at(&resource) && self.live.logs_asked.get(&number) == Some(&end);
        if known {
            // Nothing is to be waited for.
            self.touched.insert(resource.clone());
        }
        if !self.is_looked_at(&resource) {
            let look = Effect::Look { resource: resource.clone(), incarnation: incarnation.clone(), ticket: None };
            self.effects.push(look);
        }
        if self.live.logs_asked.get(&number) != Some(&end) {
            self.live.logs_asked.insert(number, end);
            // What was read before tells of an earlier end.
            self.live.logs.remove(&number);
            self.effects.push(Effect::Gather { incident: id, resource, incarnation });
        }
    }

    /// What a process that has just begun is asked to diagnose is asked about once it is seen: not before.
    pub(crate) fn ask_for_what_was_not_seen(&mut self, number: u64) {
        let diagnosed = self.state.incidents.get(&number).filter(|it| matches!(it.phase, Phase::Diagnosing { .. }));
        if diagnosed.is_some() && !self.live.logs_asked.contains_key(&number) {
            self.ask_for_facts(number);
        }
    }

    /// Whether the last look shows the state that the last fact shows.
    fn is_looked_at(&self, resource: &ResourceId) -> bool {
        self.world.body(resource).is_some_and(|(_, body)| {
            body.look.as_ref().is_some_and(|look| {
                let ended = body.exit.as_ref().is_none_or(|exit| look.at >= exit.at);
                look.run == body.run && look.health == body.health && ended
            })
        })
    }

    pub(crate) fn is_ready_to_diagnose(&self, incident: &Incident) -> bool {
        if !matches!(incident.phase, Phase::Diagnosing { .. }) {
            return false;
        }
        if self.had_attached_session(&incident.resource) {
            return false;
        }
        let Some((_, body)) = self.world.body(&incident.resource) else { return false };
        // The stream is unbroken, and has not told of this end yet: what it tells may be a person's stop.
        let present = self.world.source(incident.resource.source()).and_then(|source| source.generation);
        if !body.is_up() && !body.end_seen && body.watched_since.is_some() && body.watched_since == present {
            return false;
        }
        if self.awaits_its_words(incident, body) || self.awaits_its_next_end(&incident.resource, body) {
            return false;
        }
        // An end whose events are still on their way is not judged by a look alone.
        let untold = body.run == Run::Exited && !body.end_seen && body.watched_since.is_some();
        if self.is_looked_at(&incident.resource) && !untold {
            return true;
        }
        // A check that fails may be broken itself: its words tell, and a restart would be in vain.
        if body.is_up() {
            return false;
        }
        // The fast path: an end whose whole story the stream told, of a service that the engine will not start itself.
        let own_policy = body.definition.as_ref().is_none_or(|d| d.restart_policy != RestartPolicy::No);
        if !body.is_up() && (!body.end_seen || own_policy) {
            return false;
        }
        let case = self.case_of(&incident.resource, Some(incident.id.number));
        case.is_some_and(|case| diagnose(&case, Vec::new()).confidence >= Confidence::Likely)
    }

    /// Whether it runs at this moment, and the engine starts it again and again: why is told by an end, and the next one
    /// comes soon.
    fn awaits_its_next_end(&self, resource: &ResourceId, body: &Body) -> bool {
        let loops = self.state.firing(resource).any(|(name, _)| name == Name::CrashLooping);
        loops && body.run == Run::Running && body.health != Health::Unhealthy
    }

    /// Whether it is ill by an error of its own, and its log was not read yet: what cannot do its work from its start on
    /// mostly says why, and what another service refuses says which one. Until then the same start may be in vain.
    fn awaits_its_words(&self, incident: &Incident, body: &Body) -> bool {
        if self.live.logs.contains_key(&incident.id.number) {
            return false;
        }
        let others_ill = || self.has_a_sibling_that_is_not_well(&incident.resource);
        // What keeps in memory what it cannot write to its disk would lose that by a restart.
        if body.is_up() {
            return body.health == Health::Unhealthy;
        }
        let Some(exit) = &body.exit else { return false };
        let at_its_start = body.started.is_some_and(|started| exit.at.since(started) < RAN_WELL);
        let by_itself = said::is_by_itself(exit.code) && exit.error.is_empty();
        by_itself && (at_its_start || others_ill())
    }

    /// The facts of a resource, as the rules want them.
    pub(crate) fn case_of(&self, resource: &ResourceId, number: Option<u64>) -> Option<Case> {
        let (incarnation, body) = self.world.body(resource)?;
        let log = number.and_then(|number| self.live.logs.get(&number));
        let log = log.filter(|(of, _)| of == incarnation).map(|(_, excerpt)| excerpt);
        Some(Case {
            alerts: self.state.firing(resource).map(|(name, _)| name).collect(),
            incarnation: incarnation.clone(),
            look: body.look.clone(),
            happenings: body.happenings.clone(),
            log: log.cloned(),
            is_job: self.world.is_awaited_job(resource),
            runner: runner_of(resource, body),
            ended_by_us: self.is_ended_by_us(incarnation, body),
            ended_with: self.ended_with(resource, body),
            network: match self.world.dead_network(resource) {
                Some(DeadNetwork::StartedAnew(parent)) if self.faults.made_anew_too_easily => {
                    Some(DeadNetwork::MadeAnew(parent))
                }
                dead => dead,
            },
            deploy: number
                .and_then(|number| self.state.incidents.get(&number))
                .and_then(|incident| self.state.makes.deploy_before(resource, incident.since.tick)),
            sibling: self.sibling_in(resource, log),
            port_kept_by: self.port_kept_from(resource, body.look.as_ref(), log),
        })
    }

    /// Whether a stop of ours explains the last end of a body: its patience may outlast the order.
    fn is_ended_by_us(&self, incarnation: &Incarnation, body: &Body) -> bool {
        let asks = |happening: &&Happening| matches!(happening.what, What::Signalled { terminating: true, .. });
        let asked = body.happenings.iter().find(asks).map(|ask| ask.at);
        let own = self.state.own.get(incarnation);
        own.zip(body.exit.as_ref()).is_some_and(|(own, exit)| own.explains_end(exit.at, asked))
    }

    /// Whether a stop of ours worked after a person had been told of the service: what healer took down it brings up.
    pub(crate) fn is_taken_down_late(&self, resource: &ResourceId) -> bool {
        let told = self.state.open_incident(resource).filter(|it| matches!(it.phase, Phase::Escalated { .. }));
        told.and(self.world.body(resource)).is_some_and(|(incarnation, body)| self.is_ended_by_us(incarnation, body))
    }

    /// The rules speak, and what follows is planned at once.
    pub(crate) fn conclude(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        // A foreground session that ends stops the others too: then this one is stopped as well (S2).
        if self.had_attached_session(&incident.resource) && self.sibling_was_stopped(incident) {
            let resource = incident.resource.clone();
            let because = "its foreground session ended, and stopped the others".to_owned();
            let by = model::intent::Author::SomebodyAtTheEngine;
            let intent = crate::intent::entry(Wanted::Stopped, by, because, None, self.now);
            self.emit(Event::IntentChanged { resource, intent });
            return;
        }
        let resource = incident.resource.clone();
        if self.judge_lost_end(&resource) {
            return;
        }
        // What was known of the cause stays known when the symptom has gone.
        let known = self.state.incidents.get(&number).is_some_and(|incident| incident.diagnosis.is_some());
        let gone = self.is_up(&resource) && !self.shows_illness(&resource);
        if let Some(case) = self.case_of(&resource, Some(number)).filter(|_| !(known && gone)) {
            self.speak(number, case);
        }
        self.plan_and_ask(number);
    }

    fn sibling_was_stopped(&self, incident: &Incident) -> bool {
        let resource = &incident.resource;
        self.state.intents.iter().any(|(other, intent)| {
            other.host() == resource.host()
                && other.deployment() == resource.deployment()
                && intent.wanted == Wanted::Stopped
                && intent.at.tick >= incident.since.tick
        })
    }

    /// Writes down what the rules say of a case, if it is new.
    fn speak(&mut self, number: u64, case: Case) {
        let cites = self.add_evidence(number, &case);
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let diagnosis = diagnose(&case, cites);
        if incident.diagnosis.as_ref() != Some(&diagnosis) {
            let id = incident.id.clone();
            self.emit(Event::Diagnosed { id, diagnosis, case: Box::new(case) });
        }
    }

    /// Facts that arrive while the repair is under way make the diagnosis better; they never interrupt a step.
    pub(crate) fn refine_diagnosis(&mut self, number: u64) {
        let Some(incident) = self.state.incidents.get(&number) else { return };
        let Some(before) = &incident.diagnosis else { return };
        let Some(known) = &incident.case else { return };
        // What is diagnosed anew is not to be taken for diagnosed because a log came in.
        if incident.phase.is_over() || matches!(incident.phase, Phase::Diagnosing { .. }) {
            return;
        }
        let log = self.live.logs.get(&number).filter(|(of, _)| *of == known.incarnation).map(|(_, log)| log);
        let ended = last_death(known).map(|(at, _)| at).or(incident.source_at);
        let look = self
            .world
            .body_of(&incident.resource, &known.incarnation)
            .and_then(|body| body.look_at_end.as_ref())
            .filter(|look| ended.is_none_or(|at| look.at >= at));
        // The end that our own stop brought about is not what was wrong.
        let look = look.filter(|_| exit_code(known).is_some());
        let fresh_log = log.filter(|log| known.log.as_ref() != Some(*log));
        // A look that showed it down is not followed by those of its later ends.
        let fresh_look = look.filter(|_| look_at_end(known).is_none());
        if fresh_log.is_none() && fresh_look.is_none() {
            return;
        }
        let sibling = fresh_log.and_then(|log| self.sibling_in(&incident.resource, Some(log)));
        let case = Case {
            sibling: if fresh_log.is_some() { sibling } else { known.sibling.clone() },
            log: fresh_log.or(known.log.as_ref()).cloned(),
            look: fresh_look.or(known.look.as_ref()).cloned(),
            ..(**known).clone()
        };
        // What was told on more is not untold by less.
        if diagnose(&case, Vec::new()).confidence >= before.confidence {
            self.speak(number, case);
        }
    }

    /// Adds what a case shows to the incident's evidence, and returns the numbers of all that bears on it.
    fn add_evidence(&mut self, number: u64, case: &Case) -> Vec<model::incident::EvidenceId> {
        let mut cites = Vec::new();
        for (source, text) in crate::tell::evidence_of(case, LOG_EVIDENCE_MAX) {
            let Some(incident) = self.state.incidents.get(&number) else { break };
            let known = incident.evidence.iter().find(|known| known.source == source && known.text == text);
            if let Some(known) = known {
                cites.push(known.id);
                continue;
            }
            if incident.evidence.len() >= EVIDENCE_MAX {
                break;
            }
            let id = incident.next_evidence();
            let event = Event::EvidenceAdded {
                id: incident.id.clone(),
                evidence: Evidence { id, source: source.to_owned(), text },
            };
            cites.push(id);
            self.emit(event);
        }
        cites
    }
}

/// Who runs it.
fn runner_of(resource: &ResourceId, body: &Body) -> Runner {
    match body.definition.as_ref().map(|definition| &definition.belongs) {
        Some(Belongs::SystemdUnit) => Runner::Systemd,
        _ if resource.is_on_host() => Runner::Healer,
        _ => Runner::Engine,
    }
}
