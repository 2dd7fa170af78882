//! The entries of the journal that a question needs, read beside the loop; also when there is no loop.

use std::collections::{BTreeMap, BTreeSet};

use engine::view::{Subject, Unclear, meant};
use model::event::{Entry, Event};
use model::incident::IncidentId;
use model::resource::ResourceId;
use store::reader::Query;
use store::{Error, Reader};

/// The most entries of one subject: the newest are told.
const ENTRIES_MAX: usize = 1_000;
/// Of so many removals it is known what was removed.
const REMOVED_MAX: usize = 1_000;
/// Of a deployment with many resources, each is told with at least this many.
const ENTRIES_EACH_MIN: usize = 20;

/// The newest entries of a subject, oldest first.
///
/// # Errors
/// When the journal cannot be read.
pub fn entries(reader: &Reader, subject: &Subject) -> Result<Vec<Entry>, Error> {
    match subject {
        Subject::Incident(id) => newest(reader, of_incident(id)),
        Subject::Resource(resource) => newest(reader, of_resource(resource, ENTRIES_MAX)),
        Subject::Deployment(resources) => {
            let each = (ENTRIES_MAX / resources.len().max(1)).max(ENTRIES_EACH_MIN);
            let mut all = Vec::new();
            for resource in resources {
                all.extend(newest(reader, of_resource(resource, each))?);
            }
            all.sort_by_key(|entry| entry.seq);
            all.dedup_by_key(|entry| entry.seq);
            Ok(all)
        }
    }
}

/// What the words mean among what was removed lately: the engine has forgotten it, and the journal has not.
///
/// # Errors
/// When the journal cannot be read.
pub fn removed(reader: &Reader, words: &str) -> Result<Result<Subject, Unclear>, Error> {
    let query = Query { names: vec!["resource_gone"], newest_first: true, limit: REMOVED_MAX, ..Query::default() };
    let entries = reader.entries(&query)?.entries;
    let mut gone: Vec<ResourceId> = entries.iter().filter_map(|entry| entry.event.resource().cloned()).collect();
    gone.sort();
    gone.dedup();
    Ok(meant(&gone, words).map(Subject::of))
}

/// The resources of the incidents that the entries speak of and whose beginning is not among them.
///
/// # Errors
/// When the journal cannot be read.
pub fn resources(reader: &Reader, entries: &[Entry]) -> Result<BTreeMap<IncidentId, ResourceId>, Error> {
    let mut of = BTreeMap::new();
    let opened = |entry: &Entry| matches!(entry.event, Event::IncidentOpened { .. });
    let here: BTreeSet<&IncidentId> = entries.iter().filter(|entry| opened(entry)).filter_map(incident).collect();
    let elsewhere: BTreeSet<&IncidentId> =
        entries.iter().filter_map(incident).filter(|id| !here.contains(id)).collect();
    for id in elsewhere {
        let query = Query { incident: Some(id.clone()), names: vec!["incident_opened"], limit: 1, ..Query::default() };
        let first = reader.entries(&query)?.entries.into_iter().next();
        of.extend(first.and_then(|entry| Some((id.clone(), entry.event.resource()?.clone()))));
    }
    Ok(of)
}

fn incident(entry: &Entry) -> Option<&IncidentId> {
    entry.event.incident()
}

fn newest(reader: &Reader, query: Query) -> Result<Vec<Entry>, Error> {
    let mut entries = reader.entries(&query)?.entries;
    entries.reverse();
    Ok(entries)
}

fn of_incident(id: &IncidentId) -> Query {
    Query { incident: Some(id.clone()), newest_first: true, limit: ENTRIES_MAX, ..Query::default() }
}

fn of_resource(resource: &ResourceId, limit: usize) -> Query {
    Query { resource: Some(resource.clone()), newest_first: true, limit, ..Query::default() }
}
