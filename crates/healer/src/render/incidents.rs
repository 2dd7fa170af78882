//! `healer incidents`: the open ones first, then those that ended.

use model::view::Incident;

use super::table::{Column, Table};
use super::{Page, style};

/// Draws the list.
pub(crate) fn incidents(incidents: &[Incident], all: bool, page: &Page) -> String {
    let mut out = page.source_banner();
    if incidents.is_empty() {
        let says = if all {
            "No incident is on record."
        } else {
            "No incident is open. `healer incidents --all` shows those that ended."
        };
        out.push_str(&page.paragraph(style::GOOD, says));
        return out;
    }
    let mut table = Table::new(vec![
        Column::left("INCIDENT", (page.width / 5).max(10)),
        Column::left("RESOURCE", (page.width / 5).max(12)),
        Column::left("STATE", 17),
        Column::right("BEGAN", 9),
        Column::left("WHY", 0),
    ]);
    for incident in incidents {
        let open = incident.ended.is_none();
        let quiet = if open { style::PLAIN } else { style::QUIET };
        let phase = if open { incident.phase.replace('_', " ") } else { incident.status.replace('_', " ") };
        let why = match (incident.cause.is_empty(), incident.why.is_empty()) {
            (false, false) if incident.why.contains(&incident.cause) => incident.why.clone(),
            (false, false) => format!("{}: {}", incident.cause, incident.why),
            (false, true) => incident.cause.clone(),
            (true, _) => incident.why.clone(),
        };
        let cells = vec![
            (incident.id.to_string(), style::HEAD),
            (incident.short.clone(), style::PLAIN),
            (phase, if open { style::standing(incident.standing) } else { style::QUIET }),
            (format!("{} ago", page.ago(incident.opened)), quiet),
            (page.localised(&why), quiet),
        ];
        table.row(if open { 4 } else { 2 }, cells);
    }
    out.push_str(&table.draw(page));
    out
}
