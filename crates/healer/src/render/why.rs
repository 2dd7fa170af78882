//! `healer why`: the story with its evidence, and what was not done.

use engine::view;
use model::fact::Health;
use model::view::{Incident, Line, Resource, Why};

use super::table::{Column, Table};
use super::{Page, Source, style};

/// How many incidents are named; the story tells what matters of them.
const INCIDENTS_MAX: usize = 5;
/// How many lines one sentence of the story takes.
const STORY_LINES_MAX: usize = 8;

/// Draws it.
pub(crate) fn why(why: &Why, page: &Page) -> String {
    page.source_banner() + &told(why, page)
}

/// The same without a word on where it was learnt.
pub(super) fn told(why: &Why, page: &Page) -> String {
    let mut out = page.paragraph(style::HEAD, &page.localised(&why.headline));
    if let Some(body) = why.resource.as_ref().and_then(body) {
        out.push_str(&page.paragraph(style::QUIET, &body));
    }
    for incident in why.incidents.iter().rev().take(INCIDENTS_MAX).rev() {
        out.push_str(&page.paragraph(style::standing(incident.standing), &named(incident, page)));
    }
    if !why.story.is_empty() {
        out.push('\n');
        out.push_str(&story(&why.story, page));
    }
    out.push_str(&not_done(why, page));
    // What the story tells, with when it was found, is not told again.
    if !why.evidence.is_empty() && !why.story.iter().any(view::is_evidence) {
        out.push_str(&format!("\n{}\n", page.paint(style::HEAD, "Evidence")));
        let mut table = Table::new(vec![Column::left("", 4), Column::left("", 14), Column::left("", 0)]);
        for evidence in &why.evidence {
            let cells = vec![
                (evidence.id.to_string(), style::QUIET),
                (evidence.source.clone(), style::QUIET),
                (evidence.text.clone(), style::PLAIN),
            ];
            table.row_of_one(cells);
        }
        out.push_str(&table.draw(page));
    }
    if let Some(remedy) = why.resource.as_ref().and_then(|resource| resource.remedy.as_deref()) {
        // The command alone is quoted, for it is what gets copied.
        let says = match remedy.split_once("   ") {
            Some((command, aside)) => format!("`{command}` {aside}"),
            None => format!("`{remedy}`"),
        };
        out.push_str(&format!("\n{}", page.labelled("You can", 7, &says)));
    }
    out
}

/// What it is made of; `None` of what nobody sees, which the headline says.
fn body(resource: &Resource) -> Option<String> {
    if resource.id.is_only_watched() {
        return None;
    }
    let is_container = !resource.id.is_on_host();
    let mut parts = Vec::new();
    if !resource.image.is_empty() {
        let is = if is_container { "image" } else { "it is" };
        parts.push(format!("{is} {}", resource.image));
    }
    if let Some(incarnation) = resource.incarnation.as_ref().filter(|_| is_container) {
        parts.push(format!("container {incarnation}"));
    }
    let check = if is_container { "healthcheck" } else { "check" };
    match resource.health {
        Some(Health::Healthy) => parts.push(format!("its {check} passes")),
        Some(Health::Unhealthy) => parts.push(format!("its {check} fails")),
        Some(Health::Starting) => parts.push(format!("its {check} has no verdict yet")),
        Some(Health::Unchecked) => parts.push(format!("it has no {check}")),
        None => {}
    }
    (!parts.is_empty()).then(|| parts.join(" · "))
}

pub(super) fn named(incident: &Incident, page: &Page) -> String {
    let ended = incident.ended.map_or(String::new(), |ended| format!(", ended {}", page.stamp(ended)));
    let then = match (page.source, incident.ended) {
        (Source::Journal(_), None) => " when healer ended",
        (Source::Journal(_) | Source::Daemon, _) => "",
    };
    let attempts = match incident.attempts {
        0 => String::new(),
        1 => ", 1 attempt".to_owned(),
        n => format!(", {n} attempts"),
    };
    let phase = incident.phase.replace('_', " ");
    format!("incident {}: {phase}{then}, began {}{ended}{attempts}", incident.id, page.stamp(incident.opened))
}

fn story(lines: &[Line], page: &Page) -> String {
    let mut table = Table::new(vec![Column::left("", 17), Column::left("", 0)]);
    for line in lines {
        let found = view::is_evidence(line);
        let text = if found { line.text.clone() } else { page.localised(&line.text) };
        let cells = vec![(page.stamp(line.at), style::QUIET), (text, style::tone(line.tone))];
        if found {
            table.row_of_one(cells);
        } else {
            table.row(STORY_LINES_MAX, cells);
        }
    }
    table.draw(page)
}

fn not_done(why: &Why, page: &Page) -> String {
    match why.not_done.as_slice() {
        [] => String::new(),
        [one] => format!("\n{}", page.paragraph(style::PLAIN, &format!("Not done: {one}"))),
        several => {
            let mut out = format!("\n{}\n", page.paint(style::HEAD, "Not done"));
            let mut table = Table::new(vec![Column::left("", 1), Column::left("", 0)]);
            for line in several {
                table.row(STORY_LINES_MAX, vec![("-".to_owned(), style::QUIET), (line.clone(), style::PLAIN)]);
            }
            out.push_str(&table.draw(page));
            out
        }
    }
}
