//! A person's yes, no, or "I see to it" about an incident.

use model::command::{Ask, CommandId};
use model::event::Event;
use model::incident::{Escalation, IncidentId, Phase};

use crate::incident::Incident;
use crate::life::{self, Turn};
use crate::person::{failed, line};
use crate::{Engine, tell};

impl Engine {
    pub(crate) fn decide_on(
        &mut self,
        id: &CommandId,
        who: &str,
        ask: &Ask,
        of: &IncidentId,
        turn: Turn,
        because: &str,
    ) {
        let Some(incident) = self.state.incidents.get(&of.number).filter(|incident| incident.id == *of) else {
            let text = format!("there is no incident {of}: `healer incidents --all` lists those on record");
            return self.reply(id, false, vec![failed(None, &text)]);
        };
        let resource = incident.resource.clone();
        let held = matches!(incident.phase, Phase::Held { .. });
        if let Some(text) = undecidable(incident, turn, self.faults.answer_to_any_plan) {
            return self.reply(id, false, vec![failed(Some(&resource), &text)]);
        }
        self.take(id, who, ask);
        let text = if turn == Turn::Acknowledged {
            self.emit(Event::Acknowledged { id: of.clone(), by: who.to_owned() });
            "taken: no further level is told; it is watched on"
        } else {
            let approved = turn == Turn::Approved;
            let (of, by, because) = (of.clone(), who.to_owned(), because.to_owned());
            self.emit(Event::ApprovalAnswered { id: of, by, approved, because });
            match (approved, held) {
                (true, false) => "approved",
                (true, true) => "approved; it is held for another reason at present",
                (false, _) => "rejected: this plan is not proposed again for this incident",
            }
        };
        self.touched.insert(resource.clone());
        self.reply(id, true, vec![line(Some(&resource), text)]);
    }
}

/// Why an incident does not take this word of a person's; `None` if it does. Only a question can be answered, and only
/// what is not over can be taken.
///
/// `to_any`: a planted fault.
fn undecidable(incident: &Incident, turn: Turn, to_any: bool) -> Option<String> {
    let id = &incident.id;
    if incident.phase.is_over() {
        return Some(format!("too late: incident {id} is over: {}", tell::standing(incident)));
    }
    let asks = match &incident.phase {
        Phase::AwaitingApproval { .. } => true,
        // What was asked may be answered while it is held for another reason: the answer counts when that is over.
        Phase::Held { .. } => incident.is_asked_about() || to_any && incident.asked_about.is_some(),
        // The question has expired, and can still be answered with yes.
        Phase::Escalated { reason: Escalation::ApprovalExpired, .. } => turn == Turn::Approved,
        Phase::Diagnosing { .. }
        | Phase::Planning { .. }
        | Phase::Acting { .. }
        | Phase::Verifying { .. }
        | Phase::RollingBack { .. }
        | Phase::Escalated { .. }
        | Phase::Resolved { .. } => false,
    };
    let answers = matches!(turn, Turn::Approved | Turn::Rejected);
    if !answers || asks {
        return life::next(&incident.phase, turn).err().map(|illegal| illegal.to_string());
    }
    Some(format!(
        "incident {id} has no plan that waits for your word: {}. `healer why {id}` tells more",
        tell::standing(incident)
    ))
}
