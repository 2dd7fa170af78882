//! What a person is asked, with all that they should know before they answer, and how the question stands by now.

use std::collections::BTreeSet;
use std::time::Duration;

use model::action::{Action, Asked, Pair, Plan, Retag, Step, With};
use model::incident::{IncidentId, Phase};
use model::make::short_id;
use model::time::Spoken;
use model::view::{Question, Stand};
use model::{Now, ResourceId};

use crate::incident::{self, Incident};
use crate::{Engine, tell};

/// The last question of an incident; `None` where none was asked, or the incident is not on record any more.
#[must_use]
pub fn question(engine: &Engine, of: &IncidentId, now: Now) -> Option<Question> {
    let incident = engine.state.incidents.get(&of.number).filter(|incident| incident.id == *of)?;
    let incident::Question { asked, why, .. } = incident.question.as_ref()?;
    let resource = &incident.resource;
    let plan = incident.plan.as_ref().filter(|plan| plan.key() == asked.plan);
    let steps = plan.map(|plan| plan.steps.as_slice()).unwrap_or_default();
    let cause = incident.diagnosis.as_ref().map(|cause| {
        let (title, confidence, because) = (&cause.title, cause.confidence, &cause.because);
        format!("{title} ({confidence}; {because})")
    });
    Some(Question {
        stand: engine.stand_at(asked, now),
        asked: asked.clone(),
        now,
        resource: resource.clone(),
        short: resource.short().to_owned(),
        because: incident.because.clone(),
        cause: cause.unwrap_or_default(),
        evidence: incident.evidence.clone(),
        why_asked: why.to_string(),
        steps: steps.iter().map(in_words).collect(),
        risk: plan.map(|plan| plan.risk.to_string()).unwrap_or_default(),
        needed_by: needed_by(engine, resource),
        down_meanwhile: down_meanwhile(engine, resource, steps),
        undo: plan.map(|plan| undo(engine, resource, plan)).unwrap_or_default(),
        expires: now.wall_at(asked.until),
        standing: tell::standing(incident),
    })
}

impl Engine {
    /// How a question stands at the moment of this batch.
    pub(crate) fn stand(&self, asked: &Asked) -> Stand {
        self.stand_at(asked, self.now)
    }

    fn stand_at(&self, asked: &Asked, now: Now) -> Stand {
        let Some(incident) = self.state.incidents.get(&asked.incident.number).filter(|it| it.id == asked.incident)
        else {
            return Stand::Over("it is not on record any more".to_owned());
        };
        let last = incident.question.as_ref();
        let same = last.filter(|last| last.asked == *asked);
        if let Some(word) = same.and_then(|question| question.word.clone()) {
            let incident::Word { by, approved, because, at } = word;
            return Stand::Decided { by, approved, because, at: at.wall };
        }
        if incident.phase.is_over() {
            return Stand::Over(tell::standing(incident));
        }
        if asked.until <= now.tick {
            return Stand::Expired;
        }
        match (same, last) {
            (Some(_), _) => self.stand_of_the_last(incident, asked),
            (None, Some(last)) if last.asked.plan != asked.plan => Stand::PlanChanged,
            (None, Some(last)) if last.asked.binds != asked.binds => Stand::BodyChanged,
            (None, Some(_) | None) => Stand::Withdrawn,
        }
    }

    /// Of the last question, which nobody answered and which has not expired.
    fn stand_of_the_last(&self, incident: &Incident, asked: &Asked) -> Stand {
        // A body that was made anew in this very batch has not withdrawn the question yet.
        let present = self.binding(&incident.resource);
        if present.is_some() && present != asked.binds {
            return Stand::BodyChanged;
        }
        match incident.phase {
            Phase::AwaitingApproval { .. } => Stand::Open,
            Phase::Diagnosing { .. }
            | Phase::Planning { .. }
            | Phase::Held { .. }
            | Phase::Acting { .. }
            | Phase::Verifying { .. }
            | Phase::RollingBack { .. }
            | Phase::Escalated { .. }
            | Phase::Resolved { .. } => Stand::Withdrawn,
        }
    }
}

/// One step, with how long it may take.
fn in_words(step: &Step) -> String {
    let name = step.resource.short();
    let within = Spoken(step.timeout());
    match (step.action, step.pair) {
        (Action::Stop, Pair::Opens) => format!("stop {name}, in order to start it (at most {within})"),
        (Action::Start, Pair::Closes) => format!("start {name} again (at most {within})"),
        (Action::Recreate, _) if let With::Image(Retag { name: image, to, .. }) = &step.with => format!(
            "make {image} mean image {} again, as before the deploy (for whatever else asks for it, too), then have Compose \
             make {name} anew of that and start it (at most {within})",
            short_id(to)
        ),
        (Action::Recreate, _) => format!("have Compose make {name} anew, as it is, and start it (at most {within})"),
        (Action::Start | Action::Stop | Action::Change(_), _) => format!("{step} (at most {within})"),
    }
}

/// What cannot work as it should without this: what depends on it, what shares its network, and so on outwards.
fn needed_by(engine: &Engine, resource: &ResourceId) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut near = vec![resource.clone()];
    while let Some(next) = near.pop() {
        let further = engine.world.dependents(&next).chain(engine.world.network_children(&next));
        for other in further.filter(|other| *other != resource) {
            if found.insert(other.clone()) {
                near.push(other.clone());
            }
        }
    }
    found.iter().map(|other| other.short().to_owned()).collect()
}

fn down_meanwhile(engine: &Engine, resource: &ResourceId, steps: &[Step]) -> String {
    let name = resource.short();
    let takes_down = steps.iter().any(|step| matches!(step.action, Action::Stop | Action::Recreate));
    if !engine.is_up(resource) {
        return format!("nothing more than now: {name} is down already");
    }
    if !takes_down {
        return "nothing".to_owned();
    }
    let longest: Duration = steps.iter().map(Step::timeout).sum();
    let sharing: Vec<&str> = engine.world.network_children(resource).map(ResourceId::short).collect();
    let network = match sharing.as_slice() {
        [] => String::new(),
        sharing => format!("; {}, in its network, cannot be reached meanwhile", sharing.join(", ")),
    };
    format!("{name}, for at most {}{network}", Spoken(longest))
}

/// How the whole is taken back.
fn undo(engine: &Engine, resource: &ResourceId, plan: &Plan) -> String {
    let name = engine.name_of(resource);
    let undone: Vec<String> = plan.steps.iter().rev().filter_map(Step::undo).map(|step| taking_back(&step)).collect();
    if !undone.is_empty() {
        return format!("if it does not help, healer takes it back by itself: {}", undone.join(", then "));
    }
    let does = |action| plan.steps.iter().any(|step| step.action == action);
    match (does(Action::Recreate), does(Action::Stop)) {
        (true, _) => {
            "it cannot be taken back: what the container has written outside of its volumes is lost".to_owned()
        }
        (false, true) => "there is nothing to take back: it runs before and after".to_owned(),
        (false, false) => format!("by a stop: `healer stop {name}`"),
    }
}

/// A step that takes another back. Whoever is asked stands before both: what will have been is what is at this moment.
fn taking_back(step: &Step) -> String {
    match &step.with {
        With::Image(Retag { name: image, to, .. }) => {
            let name = step.resource.short();
            format!("{image} means image {} again, as it does now, and {name} is made anew of that", short_id(to))
        }
        With::Nothing | With::Memory(_) | With::Network(_) | With::NetworkName(_) => step.to_string(),
    }
}
