//! `healer why` of a deployment: each service with one line, then the stories of those that are not well.

use model::view::{Incident, Resource, Why};

use super::table::{Column, Table};
use super::{Page, counted, status, style, why};

/// How many lines the reason of one service takes.
const REASON_LINES_MAX: usize = 3;
/// How many incidents are named, of those that no story tells.
const INCIDENTS_MAX: usize = 5;

/// Draws it. `stories`: of the services that are not well; `untold`: of so many more there would be one.
pub(crate) fn deployment(
    (name, services): (&str, &[Resource]),
    incidents: &[Incident],
    (stories, untold): (&[Why], usize),
    page: &Page,
) -> String {
    let mut out = page.source_banner();
    out.push_str(&page.paragraph(style::HEAD, &format!("{name}: {}", status::summary(services, page))));
    out.push('\n');
    out.push_str(&table(services, page));
    // Those of a story are named in it.
    let told =
        |incident: &&Incident| stories.iter().flat_map(|why| &why.incidents).any(|other| other.id == incident.id);
    let others: Vec<&Incident> = incidents.iter().filter(|incident| !told(incident)).collect();
    if !others.is_empty() {
        out.push('\n');
    }
    for incident in others.iter().rev().take(INCIDENTS_MAX).rev() {
        let says = format!("{}: {}", incident.short, why::named(incident, page));
        out.push_str(&page.paragraph(style::standing(incident.standing), &says));
    }
    for story in stories {
        out.push('\n');
        out.push_str(&why::told(story, page));
    }
    let hint = match (stories, services) {
        (_, _) if untold > 0 => {
            let them = if untold == 1 { "is" } else { "are" };
            format!("{} more {them} not well: `healer why SERVICE` tells its story", counted(untold, "service"))
        }
        ([], [first, ..]) => {
            // Who had to say on which host says so again.
            let one = if name == first.id.whole_deployment() { first.id.as_str() } else { &first.short };
            format!("`healer why {one}` tells the story of one of them.")
        }
        (_, _) => return out,
    };
    out.push_str(&format!("\n{}", page.paragraph(style::QUIET, &hint)));
    out
}

fn table(services: &[Resource], page: &Page) -> String {
    let hosts = services.iter().any(|service| service.id.host() != services[0].id.host());
    let mut columns = vec![Column::left("SERVICE", (page.width / 4).max(12))];
    if hosts {
        columns.push(Column::left("HOST", (page.width / 6).max(8)));
    }
    columns.extend([Column::left("STATE", 9), Column::right("SINCE", 5), Column::left("WHY", 0)]);
    let mut table = Table::new(columns);
    for service in services {
        let quiet = if style::matters(service.standing) { style::PLAIN } else { style::QUIET };
        let mut cells = vec![(service.short.clone(), style::HEAD)];
        if hosts {
            cells.push((service.id.host().to_owned(), style::PLAIN));
        }
        cells.extend([
            (page.word(service.standing).to_owned(), style::standing(service.standing)),
            (service.since.map_or_else(|| "?".to_owned(), |since| page.ago(since)), quiet),
            (page.localised(&service.why), quiet),
        ]);
        table.row(REASON_LINES_MAX, cells);
    }
    table.draw(page)
}
