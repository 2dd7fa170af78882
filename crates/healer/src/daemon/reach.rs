//! Hands on whatever a source sees: an engine's containers, or a host's programs.

use model::ResourceId;
use model::action::{Answer, Permit};
use model::fact::{Generation, Incarnation, Observation};
use model::incident::Excerpt;

/// One of the two.
#[derive(Clone)]
pub(super) enum Reach {
    /// A Docker engine.
    Engine { host: docker::Host, hands: docker::Hands },
    /// The host that healer runs on.
    Host { host: host::Host, hands: host::Hands },
}

impl Reach {
    pub(super) fn engine(host: docker::Host) -> Reach {
        Reach::Engine { hands: docker::Hands::new(host.clone()), host }
    }

    pub(super) fn host(host: host::Host) -> Reach {
        Reach::Host { hands: host::Hands::new(host.clone()), host }
    }

    /// Hands that know Compose and images, where there are any.
    pub(super) fn containers(&self) -> Option<&docker::Hands> {
        match self {
            Reach::Engine { hands, .. } => Some(hands),
            Reach::Host { .. } => None,
        }
    }

    pub(super) fn generation(&self) -> Generation {
        match self {
            Reach::Engine { host, .. } => host.generation(),
            Reach::Host { host, .. } => host.generation(),
        }
    }

    /// What is seen of a resource's bodies; `None` if it cannot be asked.
    pub(super) async fn look(&self, resource: &ResourceId) -> Option<Vec<Observation>> {
        match self {
            Reach::Engine { hands, .. } => hands.look(resource).await.ok(),
            Reach::Host { hands, .. } => Some(hands.look(resource).await.into_iter().collect()),
        }
    }

    /// The lines that matter of a body's log, or why it cannot be read.
    pub(super) async fn read_log(&self, resource: &ResourceId, body: &Incarnation) -> Result<Excerpt, String> {
        match self {
            Reach::Engine { hands, .. } => hands.read_log(body).await,
            Reach::Host { hands, .. } => hands.read_log(resource, body).await,
        }
    }

    /// Does what a permit allows, if `still` says so just before.
    pub(super) async fn act(&self, permit: &Permit, still: impl Fn() -> Result<(), String>) -> Answer {
        match self {
            Reach::Engine { hands, .. } => hands.perform(permit, still).await,
            Reach::Host { hands, .. } => hands.perform(permit, still).await,
        }
    }
}
