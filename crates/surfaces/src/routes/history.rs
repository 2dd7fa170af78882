//! The journal, page by page, in words and as it is kept.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{RawQuery, State};
use jiff::Timestamp;
use model::ResourceId;
use model::event::Entry;
use model::incident::IncidentId;
use model::view::Line;
use serde::Serialize;

use crate::answer::Problem;
use crate::house::House;
use crate::mind::Mind;
use crate::query::Query;
use crate::{schema, story};

const KEYS: &[&str] = &["since", "until", "incident", "resource", "alerts_only", "order", "limit", "cursor"];

/// The events that tell of alerts and of the incidents that they made.
const OF_ALERTS: &[&str] =
    &["alert_changed", "alert_joined", "incident_opened", "incident_reopened", "incident_resolved"];

/// A page of the journal.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    items: Vec<Line>,
    entries: Vec<Entry>,
    /// Known where one page holds all: to count more would mean to read it all.
    total: Option<usize>,
    next: Option<String>,
}

/// What happened, the newest first unless asked otherwise.
#[utoipa::path(get, path = "/api/v1/history",
    params(
        ("since" = Option<String>, Query, description = "from this time on: RFC 3339, or how long ago (`24h`)"),
        ("until" = Option<String>, Query, description = "before this time: RFC 3339, or how long ago"),
        ("incident" = Option<String>, Query, description = "only of this incident: `web-1/41`"),
        ("resource" = Option<String>, Query, description = "only of this resource, by its whole name"),
        ("alerts_only" = Option<bool>, Query, description = "`true`: only alerts and the incidents that they made"),
        ("order" = Option<String>, Query, description = "`newest` first (if left out), or `oldest`"),
        ("limit" = Option<usize>, Query, description = "entries on a page, 1 to 1000; 100 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = schema::History)))]
pub(crate) async fn history(State(house): State<House>, RawQuery(raw): RawQuery) -> Result<Json<Page>, Problem> {
    let asked = asked(&Query::parse(raw.as_deref(), KEYS)?, Timestamp::now())?;
    let (first, newest_first) = (asked.after_seq.is_none(), asked.newest_first);
    let read = move |reader: &store::Reader| {
        let page = reader.entries(&asked)?;
        let resources = story::resources(reader, &page.entries)?;
        Ok((page, resources))
    };
    let (page, resources) = house.read(read).await?;
    let items = in_words(house.mind(), &page.entries, &resources, newest_first);
    let total = (first && page.next.is_none()).then_some(items.len());
    Ok(Json(Page { items, entries: page.entries, total, next: page.next.map(|seq| seq.to_string()) }))
}

/// The lines in the order of their entries. They are told as things happened, the oldest first: what is said of an entry
/// rests on those before it.
fn in_words(
    mind: &Mind,
    entries: &[Entry],
    resources: &BTreeMap<IncidentId, ResourceId>,
    newest_first: bool,
) -> Vec<Line> {
    if !newest_first {
        return mind.lines(entries, resources);
    }
    let oldest_first: Vec<Entry> = entries.iter().rev().cloned().collect();
    let mut lines = mind.lines(&oldest_first, resources);
    lines.reverse();
    lines
}

fn asked(query: &Query, now: Timestamp) -> Result<store::reader::Query, Problem> {
    let window = query.window()?;
    let cursor =
        window.cursor.map(|cursor| cursor.parse().map_err(|_| Problem::bad("cursor: use `next` of the page before")));
    let alerts_only = query.one_of("alerts_only", &["false", "true"])? == "true";
    Ok(store::reader::Query {
        since: query.time("since", now)?,
        until: query.time("until", now)?,
        incident: query.parsed("incident")?,
        resource: query.parsed("resource")?,
        names: if alerts_only { OF_ALERTS.to_vec() } else { Vec::new() },
        after_seq: cursor.transpose()?,
        newest_first: query.one_of("order", &["newest", "oldest"])? == "newest",
        limit: window.limit,
    })
}
