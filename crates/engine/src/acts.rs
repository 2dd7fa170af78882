//! What performers answer, when it comes, and what healer still waits for when a process begins or a batch was lost.

use model::ResourceId;
use model::action::{Action, Answer, Behalf, Permit, PermitId};
use model::event::Event;
use model::fact::{Fact, Generation, Incarnation, Observation, SourceTime};
use model::input::Effect;

use crate::intent::{self, AT_THE_ENGINE, Around};
use crate::state::Act;
use crate::{Engine, Settled};

/// Acts that are settled are remembered this far back, for answers that come late.
const SETTLED_KEPT_MAX: usize = 256;

impl Engine {
    pub(crate) fn answered(&mut self, permit: PermitId, answer: &Answer) {
        let waiting = self.state.acts.get(&permit).filter(|act| act.takes(answer));
        if let (Some(act), Answer::AlreadySo | Answer::Withheld(_)) = (waiting, answer) {
            // Nor did it start what was taken for made by it.
            let started = (act.permit.step.action == Action::Start).then_some(&act.permit.incarnation);
            for incarnation in started.into_iter().chain(&act.made) {
                self.watch.take_back_start(incarnation);
            }
        }
        let (resource, id) = match waiting {
            Some(act) => (act.permit.step.resource.clone(), act.permit.behalf.incident().cloned()),
            // A late answer goes to the timeline, and tells at most whose a stop was.
            None => match self.live.settled.remove(&permit) {
                Some(of) => {
                    if let (Some((body, at)), Answer::AlreadySo | Answer::Withheld(_)) = (&of.asked, answer) {
                        self.was_asked_by_another(&of.resource, body, *at);
                    }
                    (of.resource, of.id)
                }
                None => return,
            },
        };
        self.emit(Event::ActionAnswered { permit, resource: resource.clone(), id, answer: answer.clone() });
        if matches!(answer, Answer::AlreadySo | Answer::Withheld(_)) {
            self.reconsider_stops(&resource);
        }
        if matches!(answer, Answer::Withheld(_)) && self.state.acts.contains_key(&permit) {
            // Nothing was begun: there is nothing to look at.
            let shown = self.shown_without_look(&resource);
            self.live.shown.insert(permit, shown);
        } else {
            self.look_at_act(permit);
        }
        self.touched.insert(resource);
    }

    /// What a stop of ours was taken for, which was not carried out, somebody else has done.
    fn was_asked_by_another(&mut self, resource: &ResourceId, incarnation: &Incarnation, at: SourceTime) {
        let body = self.world.body_of(resource, incarnation);
        let through = body.map_or(AT_THE_ENGINE, intent::through);
        let word = intent::stopped_before(self.state.intents.get(resource), at, None, through);
        let generation = body.map_or(Generation(0), |body| body.generation);
        let (resource, incarnation, fact) = (resource.clone(), incarnation.clone(), Fact::ApiOpenAfter(at));
        self.take_word(&Observation { resource, incarnation, generation, fact }, word);
    }

    /// Somebody's stop had crossed what was started at a person's command, and is heard of only after that: it wins.
    pub(crate) fn stop_what_was_started(&mut self, resource: &ResourceId) {
        let started = |settled: &&Settled| settled.resource == *resource && settled.started_for.is_some();
        let last = self.live.settled.values().rev().find(started).and_then(|settled| settled.started_for.clone());
        let incident = self.state.open_incident(resource).is_some();
        if let Some((id, who)) = last.filter(|_| !incident && self.is_up(resource)) {
            let steps = vec![self.stop_of(resource)];
            self.emit(Event::CommandQueued { id, who, steps });
        }
    }

    /// An order of ours found it done already, or was not begun: a `stop` that seemed to be ours may be somebody's.
    fn reconsider_stops(&mut self, resource: &ResourceId) {
        let Some((incarnation, body)) = self.world.body(resource) else { return };
        let known = (&self.state, &self.world, &self.faults);
        let Some(around) = Around::of(known, resource, incarnation) else { return };
        let (incarnation, generation) = (incarnation.clone(), body.generation);
        if let Some((at, word)) = self.watch.reconsider_stops(&incarnation, &around) {
            let fact = Fact::ApiOpenAfter(at);
            self.take_word(&Observation { resource: resource.clone(), incarnation, generation, fact }, word);
        }
    }

    /// Asks for the look that settles an act.
    pub(crate) fn look_at_act(&mut self, permit: PermitId) {
        let Some(act) = self.state.acts.get(&permit) else { return };
        let resource = act.permit.step.resource.clone();
        let made_anew = self.world.body(&resource).filter(|_| act.permit.step.action == Action::Recreate);
        let incarnation = made_anew.map_or(&act.permit.incarnation, |(present, _)| present).clone();
        self.effects.push(Effect::Look { resource, incarnation, ticket: Some(permit) });
    }

    /// Remembers whose act it was, for an answer that comes late.
    pub(crate) fn remember_settled(&mut self, permit: PermitId, act: &Act) {
        self.live.shown.remove(&permit);
        let Permit { step, behalf, incarnation, .. } = &act.permit;
        let asked = self.watch.asked_at(incarnation).filter(|_| step.action == Action::Stop);
        let asked = asked.map(|at| (incarnation.clone(), at));
        let (resource, id) = (step.resource.clone(), behalf.incident().cloned());
        let starts = act.command.clone().filter(|_| step.ends_in_start() && step.action != Action::Stop);
        let started_for = starts.zip(behalf.person().map(str::to_owned));
        self.live.settled.insert(permit, Settled { resource, id, asked, started_for });
        if self.live.settled.len() > SETTLED_KEPT_MAX {
            self.live.settled.pop_first();
        }
    }

    /// What the journal shows as under way when a process takes the lead is looked at, never repeated.
    pub(crate) fn begin_acts_anew(&mut self) {
        let orphans: Vec<_> =
            self.state.acts.iter().map(|(id, act)| (*id, act.permit.clone(), act.answer.is_none())).collect();
        for (id, permit, unanswered) in orphans {
            if self.faults.act_repeated_blindly {
                self.effects.push(Effect::Execute(Box::new(permit)));
                continue;
            }
            if unanswered {
                let answer = Answer::Unknown("healer ended before the answer came".to_owned());
                self.answered(id, &answer);
            } else {
                self.look_at_act(id);
            }
        }
        self.live.all = true;
    }

    /// A permit that is in the journal though its batch was reported as failed was not handed to a performer: nobody will
    /// answer, and a look settles it.
    pub(crate) fn settle_what_was_never_handed(&mut self) {
        for id in std::mem::take(&mut self.live.never_handed) {
            // What a person ordered, and what closes a pair, is looked at and ordered again; what is to be made anew is not.
            let begins = |act: &Act| {
                let by_incident = matches!(act.permit.behalf, Behalf::Incident(_)) && !act.permit.unhindered;
                by_incident || act.permit.step.action == Action::Recreate
            };
            let answer = match self.state.acts.get(&id) {
                Some(act) if begins(act) => Answer::Withheld("the journal failed just then".to_owned()),
                Some(_) | None => Answer::Unknown("the journal failed just then: it was not begun".to_owned()),
            };
            self.answered(id, &answer);
        }
    }
}
