//! Who is who on one engine: which container is a body of which resource. Shared by eyes and hands.

use std::collections::HashMap;
use std::sync::Arc;

use model::ResourceId;
use model::fact::{Definition, Incarnation, SourceTime};

use crate::definition::{self, Labels};
use crate::happening::{self, Traits};
use crate::wire::{Event, Inspect, Summary};

/// What is known of one container between two looks.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) resource: ResourceId,
    pub(crate) traits: Traits,
    /// Names serve to resolve `network_mode: container:name` alone.
    name: String,
    definition: Option<Arc<Definition>>,
    /// The newest event that was read: a look that is asked for afterwards is newer.
    last_event: SourceTime,
}

/// The containers that are known.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    records: HashMap<Incarnation, Record>,
}

impl Registry {
    /// Takes note of a container of a listing.
    pub(crate) fn listed(&mut self, host: &str, summary: &Summary) -> Incarnation {
        // A linked container has aliases with a second slash; its own name has one.
        let names = &summary.names;
        let name = names.iter().find(|name| !name.trim_start_matches('/').contains('/')).or(names.first());
        let id = Incarnation(summary.id.as_str().into());
        // What the list does not tell is shown by its id, unless it is known better.
        let known = self.records.get(&id).map(|record| record.name.clone());
        let name = name.cloned().or(known).unwrap_or_else(|| id.short().to_owned());
        self.note(host, &id, &name, &summary.labels);
        id
    }

    /// The container of an event. One that is new is known by the event's attributes, which hold its name and labels.
    pub(crate) fn happened(&mut self, host: &str, event: &Event) -> (Incarnation, Record) {
        let id = Incarnation(event.actor.id.as_str().into());
        if !self.records.contains_key(&id) {
            let none = Labels::new();
            let attributes = event.actor.attributes.as_ref().unwrap_or(&none);
            let name = attributes.get("name").cloned().unwrap_or_default();
            self.note(host, &id, &name, attributes);
            if let Some(record) = self.records.get_mut(&id) {
                // Of an event it cannot be told whether `signal` is an attribute or a label.
                record.traits = Traits::default();
            }
        }
        let record = self.records.entry(id.clone()).or_insert_with(|| unknown(host));
        record.last_event = record.last_event.max(event.at());
        (id, record.clone())
    }

    fn note(&mut self, host: &str, id: &Incarnation, name: &str, labels: &Labels) {
        let record = self.records.entry(id.clone()).or_insert_with(|| unknown(host));
        record.resource = definition::identity(host, name, labels);
        name.trim_start_matches('/').clone_into(&mut record.name);
        record.traits.hides_signal = labels.contains_key("signal");
        record.traits.hides_code = labels.contains_key("exitCode");
    }

    /// Takes note of an inspect. Gives the resource that the container was a body of before, if of another.
    pub(crate) fn looked(&mut self, host: &str, inspect: &Inspect, definition: Definition) -> Looked {
        let id = Incarnation(inspect.id.as_str().into());
        let before = self.records.get(&id).map(|record| record.resource.clone());
        let none = Labels::new();
        self.note(host, &id, &inspect.name, inspect.config.labels.as_ref().unwrap_or(&none));
        let record = self.records.entry(id).or_insert_with(|| unknown(host));
        record.traits.stop_signal = inspect.config.stop_signal.as_deref().and_then(happening::signal);
        // A definition seldom changes, and is held by every look: an equal one is shared.
        let definition = match record.definition.take() {
            Some(known) if *known == definition => known,
            Some(_) | None => Arc::new(definition),
        };
        record.definition = Some(definition.clone());
        Looked {
            definition,
            moved_from: before.filter(|before| *before != record.resource),
            resource: record.resource.clone(),
        }
    }

    /// The resource that `words` (an id, or a name) mean.
    pub(crate) fn resolve(&self, words: &str) -> Option<ResourceId> {
        let by_id = self.records.get(&Incarnation(words.into()));
        by_id
            .or_else(|| self.records.values().find(|record| record.name == words))
            .map(|record| record.resource.clone())
    }

    /// The resource that a container is a body of; `None` if it is not known.
    pub(crate) fn resource(&self, id: &Incarnation) -> Option<ResourceId> {
        self.records.get(id).map(|record| record.resource.clone())
    }

    /// Whether it was looked at once.
    pub(crate) fn was_looked_at(&self, id: &Incarnation) -> bool {
        self.records.get(id).is_some_and(|record| record.definition.is_some())
    }

    pub(crate) fn traits(&self, id: &Incarnation) -> Traits {
        self.records.get(id).map(|record| record.traits).unwrap_or_default()
    }

    pub(crate) fn last_event(&self, id: &Incarnation) -> SourceTime {
        self.records.get(id).map(|record| record.last_event).unwrap_or_default()
    }

    pub(crate) fn forget(&mut self, id: &Incarnation) -> Option<ResourceId> {
        self.records.remove(id).map(|record| record.resource)
    }

    /// All bodies of a resource.
    pub(crate) fn bodies(&self, resource: &ResourceId) -> Vec<Incarnation> {
        self.records.iter().filter(|(_, record)| record.resource == *resource).map(|(id, _)| id.clone()).collect()
    }

    /// All that is known.
    pub(crate) fn all(&self) -> Vec<(ResourceId, Incarnation)> {
        let mut all: Vec<_> = self.records.iter().map(|(id, record)| (record.resource.clone(), id.clone())).collect();
        all.sort();
        all
    }
}

/// What a look told the registry.
pub(crate) struct Looked {
    pub(crate) resource: ResourceId,
    pub(crate) definition: Arc<Definition>,
    /// A container without deployment is named by its name, and that was changed.
    pub(crate) moved_from: Option<ResourceId>,
}

fn unknown(host: &str) -> Record {
    Record {
        resource: ResourceId::lone_container(host, ""),
        traits: Traits::default(),
        name: String::new(),
        definition: None,
        last_event: SourceTime::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Around, definition};

    fn event(id: &str, action: &str, name: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "Type": "container", "Action": action, "timeNano": 5, "Actor": {"ID": id, "Attributes": {
                "name": name, "com.docker.compose.project": "shop", "com.docker.compose.service": "web", "signal": "15"}}
        }))
        .unwrap()
    }

    #[test]
    fn a_container_is_known_from_its_first_event_on() {
        let mut registry = Registry::default();
        let (id, record) = registry.happened("h", &event("ab", "create", "shop_web_1"));
        assert_eq!(record.resource.as_str(), "docker:h/shop/web");
        assert!(!record.traits.hides_signal);
        assert_eq!(registry.bodies(&record.resource), std::slice::from_ref(&id));
        assert_eq!(registry.last_event(&id), SourceTime(5));
        assert_eq!(registry.forget(&id), Some(record.resource));
        assert_eq!(registry.all(), []);
    }

    #[test]
    fn a_renamed_lone_container_is_another_resource_and_a_service_is_not() {
        let mut registry = Registry::default();
        let mut look = |id: &str, name: &str, labels: serde_json::Value| {
            let inspect: Inspect =
                serde_json::from_value(serde_json::json!({"Id": id, "Name": name, "Config": {"Labels": labels}}))
                    .unwrap();
            let made = definition(&inspect, Around::default());
            let looked = registry.looked("h", &inspect, made);
            (looked.resource.short().to_owned(), looked.moved_from.map(|r| r.short().to_owned()))
        };
        assert_eq!(look("a", "/one", serde_json::json!({})), ("one".to_owned(), None));
        assert_eq!(look("a", "/two", serde_json::json!({})), ("two".to_owned(), Some("one".to_owned())));
        let labels = serde_json::json!({"com.docker.compose.project": "shop", "com.docker.compose.service": "web"});
        assert_eq!(look("b", "/shop_web_1", labels.clone()), ("shop/web".to_owned(), None));
        assert_eq!(look("b", "/0123456789ab_shop_web_1", labels), ("shop/web".to_owned(), None));
        assert_eq!(registry.resolve("two").unwrap().short(), "two");
        assert_eq!(registry.resolve("b").unwrap().short(), "shop/web");
        assert_eq!(registry.resolve("gone"), None);
    }

    #[test]
    fn an_unchanged_definition_is_shared() {
        let mut registry = Registry::default();
        let inspect: Inspect = serde_json::from_value(serde_json::json!({"Id": "a", "Name": "/one"})).unwrap();
        let first = registry.looked("h", &inspect, definition(&inspect, Around::default())).definition;
        let second = registry.looked("h", &inspect, definition(&inspect, Around::default())).definition;
        assert!(Arc::ptr_eq(&first, &second));
    }
}
