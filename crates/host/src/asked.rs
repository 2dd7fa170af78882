//! What probes ask from a host: how each stands, as the engine sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ResourceId;
use model::fact::{Definition, Fact, Generation, Health, Incarnation, Look, Observation};
use model::probe::{Kind, Probed, Trouble};
use probes::schedule::{Board, Status, Watch};
use probes::{Measure, Standing};

use crate::now;

/// The probes of a host, each with the resource that it stands for.
pub(crate) struct Asked {
    pub(crate) board: Board,
    resources: BTreeMap<Arc<str>, ResourceId>,
    definitions: BTreeMap<ResourceId, Arc<Definition>>,
}

impl Asked {
    pub(crate) fn new(host: &str, watches: Vec<Watch>) -> Asked {
        let names: Vec<String> = watches.iter().map(|watch| watch.name.clone()).collect();
        let of = |name: String| (Arc::from(name.as_str()), ResourceId::host_probe(host, &name));
        let resources: BTreeMap<Arc<str>, ResourceId> = names.into_iter().map(of).collect();
        let definitions =
            resources.iter().map(|(name, id)| (id.clone(), Arc::new(Definition::watched(name)))).collect();
        Asked { board: Board::of(watches), resources, definitions }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    pub(crate) fn knows(&self, resource: &ResourceId) -> bool {
        self.definitions.contains_key(resource)
    }

    /// How all stand.
    pub(crate) fn all(&self, generation: Generation) -> Vec<Observation> {
        self.board.look().iter().filter_map(|status| self.observation(status, generation)).collect()
    }

    /// How one stands.
    pub(crate) fn one(&self, name: &str, generation: Generation) -> Option<Observation> {
        let board = self.board.look();
        self.observation(board.iter().find(|status| &*status.name == name)?, generation)
    }

    pub(crate) fn of(&self, resource: &ResourceId, generation: Generation) -> Option<Observation> {
        let (name, _) = self.resources.iter().find(|(_, id)| *id == resource)?;
        self.one(name, generation)
    }

    fn observation(&self, status: &Status, generation: Generation) -> Option<Observation> {
        let resource = self.resources.get(&status.name)?;
        let look = look(status, self.definitions.get(resource)?.clone());
        let incarnation = Incarnation(status.name.clone());
        Some(Observation { resource: resource.clone(), incarnation, generation, fact: Fact::Looked(Box::new(look)) })
    }
}

fn look(status: &Status, definition: Arc<Definition>) -> Look {
    let health = match status.standing {
        Standing::Unknown => Health::Starting,
        Standing::Passing => Health::Healthy,
        Standing::Failing => Health::Unhealthy,
    };
    Look { probe: Some(Box::new(probed(status))), ..Look::watched(now(), health, definition) }
}

fn probed(status: &Status) -> Probed {
    let last = status.last.as_ref().map(|(_, answer)| answer);
    let failing = status.standing == Standing::Failing;
    // A growing queue is in no single answer.
    let trouble = status.troubles.first().filter(|_| failing);
    let ms = |ms: f64| ms.round().max(0.0) as u64;
    let latency = &status.latency;
    let figures: Vec<String> = last
        .iter()
        .flat_map(|answer| &answer.figures)
        .filter(|it| it.measure != Measure::LatencyMs)
        .map(ToString::to_string)
        .collect();
    Probed {
        trouble: trouble.map(|trouble| Trouble { kind: kind(trouble), says: trouble.to_string() }),
        took_ms: (latency.answers > 0).then(|| (ms(latency.p50_ms), ms(latency.p95_ms))),
        figures: figures.join(", "),
    }
}

fn kind(trouble: &probes::Trouble) -> Kind {
    use probes::Trouble as T;
    match trouble {
        T::Unresolved { .. } => Kind::Unresolved,
        T::NoRoute { .. } => Kind::NoRoute,
        T::Refused { .. } => Kind::Refused,
        T::Filtered { .. } => Kind::Filtered,
        T::Tls { .. } => Kind::Tls,
        T::Slow { .. } => Kind::Slow,
        T::Broke { .. } => Kind::Broke,
        T::Denied { .. } => Kind::Denied,
        T::Wrong { .. } => Kind::Wrong,
        T::Limit { measure: Measure::ReplicationLagS | Measure::ReplicationLagBytes, .. } => Kind::Lag,
        T::Limit { .. } => Kind::Limit,
        T::Growing { .. } => Kind::Growing,
        T::Unaskable { .. } => Kind::Unaskable,
    }
}
