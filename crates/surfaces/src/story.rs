//! The entries of the journal that a question needs, read beside the loop; also when there is no loop.

use engine::view::Subject;
use model::event::Entry;
use model::incident::IncidentId;
use model::resource::ResourceId;
use store::reader::Query;
use store::{Error, Reader};

/// The most entries of one subject: the newest are told.
const ENTRIES_MAX: usize = 1_000;
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
