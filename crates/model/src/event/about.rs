//! What an event is about: which incident, which resource.

use super::Event;
use crate::incident::IncidentId;
use crate::message::About;
use crate::resource::ResourceId;

impl Event {
    /// The incident that this belongs to, if it belongs to one.
    #[must_use]
    pub fn incident(&self) -> Option<&IncidentId> {
        match self {
            Event::IncidentOpened { id, .. }
            | Event::AlertJoined { id, .. }
            | Event::EvidenceAdded { id, .. }
            | Event::Diagnosed { id, .. }
            | Event::Planned { id, .. }
            | Event::Held { id, .. }
            | Event::DiagnosisBegan { id, .. }
            | Event::ApprovalAsked { id, .. }
            | Event::ApprovalAnswered { id, .. }
            | Event::ApprovalWithdrawn { id, .. }
            | Event::VerificationBegan { id, .. }
            | Event::VerificationExtended { id, .. }
            | Event::Verified { id, .. }
            | Event::RollbackBegan { id, .. }
            | Event::RollbackExtended { id, .. }
            | Event::OwnerStopNoted { id }
            | Event::Escalated { id, .. }
            | Event::PersonActed { id, .. }
            | Event::Acknowledged { id, .. }
            | Event::IncidentResolved { id, .. }
            | Event::IncidentReopened { id, .. } => Some(id),
            Event::ActionAnswered { id, .. } | Event::ActionSettled { id, .. } | Event::LookRepeated { id, .. } => {
                id.as_ref()
            }
            Event::ActionStarted { permit, .. } => match &permit.behalf {
                crate::action::Behalf::Incident(id) => Some(id),
                crate::action::Behalf::Person(_) => None,
            },
            Event::MessageQueued { message, .. } => message.about.incident(),
            Event::MessageDelivered { about, .. }
            | Event::MessageDelayed { about, .. }
            | Event::MessageGivenUp { about, .. } => about.as_ref().and_then(About::incident),
            Event::Started { .. }
            | Event::Ended
            | Event::ClockJumped { .. }
            | Event::SourceChanged { .. }
            | Event::RecoveryBegan { .. }
            | Event::RecoveryPlanned { .. }
            | Event::RecoveryEnded { .. }
            | Event::IntentChanged { .. }
            | Event::StopBegan { .. }
            | Event::EndedUnasked { .. }
            | Event::RevivedByAnother { .. }
            | Event::BodyMade { .. }
            | Event::BudgetRefreshed { .. }
            | Event::AlertChanged(_)
            | Event::CommandTaken { .. }
            | Event::CommandQueued { .. }
            | Event::CommandDequeued { .. }
            | Event::MadeOf { .. }
            | Event::BodyStarted { .. }
            | Event::BringUpOrdered { .. }
            | Event::BringUpCalledOff { .. }
            | Event::BroughtUp { .. }
            | Event::UpdateOrdered { .. }
            | Event::ImageFetched { .. }
            | Event::Frozen { .. }
            | Event::Thawed { .. }
            | Event::ResourceGone { .. } => None,
        }
    }

    /// The resource that this names, if it names one.
    #[must_use]
    pub fn resource(&self) -> Option<&ResourceId> {
        match self {
            Event::IntentChanged { resource, .. }
            | Event::StopBegan { resource, .. }
            | Event::EndedUnasked { resource, .. }
            | Event::RevivedByAnother { resource }
            | Event::BodyMade { resource, .. }
            | Event::MadeOf { resource, .. }
            | Event::BudgetRefreshed { resource, .. }
            | Event::IncidentOpened { resource, .. }
            | Event::ActionAnswered { resource, .. }
            | Event::ActionSettled { resource, .. }
            | Event::CommandDequeued { resource, .. }
            | Event::ImageFetched { resource, .. }
            | Event::ResourceGone { resource, .. } => Some(resource),
            Event::UpdateOrdered { order } => Some(&order.resource),
            Event::AlertChanged(transition) => Some(&transition.alert.resource),
            Event::ActionStarted { permit, .. } => Some(&permit.step.resource),
            Event::MessageQueued { message, .. } => message.about.resource(),
            Event::MessageDelivered { about, .. }
            | Event::MessageDelayed { about, .. }
            | Event::MessageGivenUp { about, .. } => about.as_ref().and_then(About::resource),
            Event::Started { .. }
            | Event::Ended
            | Event::ClockJumped { .. }
            | Event::SourceChanged { .. }
            | Event::RecoveryBegan { .. }
            | Event::RecoveryPlanned { .. }
            | Event::RecoveryEnded { .. }
            | Event::AlertJoined { .. }
            | Event::EvidenceAdded { .. }
            | Event::Diagnosed { .. }
            | Event::Planned { .. }
            | Event::Held { .. }
            | Event::DiagnosisBegan { .. }
            | Event::ApprovalAsked { .. }
            | Event::ApprovalAnswered { .. }
            | Event::ApprovalWithdrawn { .. }
            | Event::LookRepeated { .. }
            | Event::VerificationBegan { .. }
            | Event::VerificationExtended { .. }
            | Event::Verified { .. }
            | Event::RollbackBegan { .. }
            | Event::RollbackExtended { .. }
            | Event::OwnerStopNoted { .. }
            | Event::Escalated { .. }
            | Event::PersonActed { .. }
            | Event::Acknowledged { .. }
            | Event::IncidentResolved { .. }
            | Event::IncidentReopened { .. }
            | Event::CommandTaken { .. }
            | Event::CommandQueued { .. }
            | Event::BodyStarted { .. }
            | Event::BringUpOrdered { .. }
            | Event::BringUpCalledOff { .. }
            | Event::BroughtUp { .. }
            | Event::Frozen { .. }
            | Event::Thawed { .. } => None,
        }
    }
}
