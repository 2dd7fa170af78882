//! What a person may do about an incident, in the shape that FlatRun's agents and panels exchange (`service_action`), and the
//! same as a request.

use serde::{Deserialize, Serialize};

use crate::action::{Action, Pair, Plan};
use crate::command::Ask;
use crate::incident::Diagnosis;
use crate::resource::ResourceId;

/// What can be done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceAction {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop and start it.
    Restart,
    /// Build its image anew, and make it of that.
    Rebuild,
    /// Fetch its image anew, and make it of that.
    Pull,
}

/// Of which kind a suggestion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something that healer does to a service at a person's word.
    ServiceAction,
}

/// One suggestion. None destroys anything, and each rests on the incident's evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// Of which kind.
    pub kind: Kind,
    /// The service, as its deployment calls it.
    pub service: String,
    /// What to do.
    pub action: ServiceAction,
    /// What a button says.
    pub title: String,
    /// Why.
    pub reason: String,
}

/// The same as a request: such an action on a service of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRequest {
    /// The deployment.
    pub deployment: String,
    /// The service.
    pub service: String,
    /// What to do.
    pub action: ServiceAction,
}

impl ServiceAction {
    fn verb(self) -> &'static str {
        match self {
            ServiceAction::Start => "Start",
            ServiceAction::Stop => "Stop",
            ServiceAction::Restart => "Restart",
            ServiceAction::Rebuild => "Rebuild",
            ServiceAction::Pull => "Pull",
        }
    }
}

impl Suggestion {
    /// What a plan that waits for a person comes to, where a service action says the same.
    #[must_use]
    pub fn of(plan: &Plan, resource: &ResourceId, diagnosis: &Diagnosis) -> Option<Suggestion> {
        let action = match plan.steps.as_slice() {
            [only] if only.action == Action::Start => ServiceAction::Start,
            [stop, start] if stop.pair == Pair::Opens && start.action == Action::Start => ServiceAction::Restart,
            _ => return None,
        };
        let service = resource.service().to_owned();
        let title = format!("{} {service}", action.verb());
        Some(Suggestion { kind: Kind::ServiceAction, service, action, title, reason: diagnosis.title.clone() })
    }
}

impl ServiceRequest {
    /// What it asks of healer.
    #[must_use]
    pub fn ask(&self) -> Ask {
        let words = format!("{}/{}", self.deployment, self.service);
        match self.action {
            ServiceAction::Start => Ask::Start(words),
            ServiceAction::Stop => Ask::Stop(words),
            ServiceAction::Restart => Ask::Restart(words),
            ServiceAction::Rebuild => Ask::Rebuild(words),
            ServiceAction::Pull => Ask::Pull(words),
        }
    }
}
