//! `healer history`: what happened, a line each, under the day that it happened on.

use engine::view;
use model::view::Line;

use super::table::{Column, Table};
use super::{Page, style};

/// How many lines one happening takes.
const LINES_MAX: usize = 4;

/// Draws it, oldest first.
pub(crate) fn history(lines: &[Line], page: &Page) -> String {
    let mut out = page.source_banner();
    if lines.is_empty() {
        out.push_str(&page.paragraph(style::PLAIN, "Nothing is on record for this time."));
        return out;
    }
    let days = lines.chunk_by(|one, other| page.local(one.at).date() == page.local(other.at).date());
    for (at, day) in days.enumerate() {
        let head = page.local(day[0].at).strftime("%A, %-d %B %Y").to_string();
        let before = if at == 0 { "" } else { "\n" };
        out.push_str(&format!("{before}{}\n", page.paint(style::HEAD, &head)));
        out.push_str(&table(day, lines, page).draw(page));
    }
    out
}

fn table(day: &[Line], all: &[Line], page: &Page) -> Table {
    // The beginning of an incident may lie before the page: then its own name stands for its resource's.
    let name = |line: &Line| match (&line.resource, &line.incident) {
        (Some(resource), _) => resource.short().to_owned(),
        (None, Some(incident)) => incident.to_string(),
        (None, None) => "healer".to_owned(),
    };
    // One width for all days, so that they stand in line.
    let widest = all.iter().map(|line| super::text::width(&name(line))).max().unwrap_or(0).min(page.width / 4);
    let mut table = Table::new(vec![Column::left("", 8), Column::left("", widest.max(8)), Column::left("", 0)]);
    for line in day {
        let found = view::is_evidence(line);
        let text = if found { line.text.clone() } else { page.localised(&line.text) };
        let cells = vec![
            (page.local(line.at).strftime("%H:%M:%S").to_string(), style::QUIET),
            (super::text::padded(&name(line), widest), style::PLAIN),
            (text, style::tone(line.tone)),
        ];
        if found {
            table.row_of_one(cells);
        } else {
            table.row(LINES_MAX, cells);
        }
    }
    table
}
