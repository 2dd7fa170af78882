//! `healer status`: who needs you, what healer is at, and that the rest is well.

use std::collections::BTreeMap;
use std::time::Duration;

use model::fact::Health;
use model::resource::NO_DEPLOYMENT;
use model::settings::Mode;
use model::time::Spoken;
use model::view::{Deployment, Resource, Standing, Status};

use super::table::{Column, Table};
use super::{Page, Source, counted, style, text};

/// How many rows that need nothing are shown unless all are asked for: all fits on a screen of 24 lines.
const QUIET_ROWS_MAX: usize = 12;
/// How many of the things that happen next are shown.
const NEXT_MAX: usize = 3;
/// How many lines a reason takes that a person should read, and any other.
const REASON_LINES: (usize, usize) = (6, 1);
/// The same of any other where all are asked for.
const REASON_LINES_OF_ALL: usize = 2;
/// The same of what is held, which no person needs to see to, where more rows than a screen has room for are to be read.
const REASON_LINES_IN_A_CROWD: usize = 2;
/// So many rows fit on a screen with all their reasons.
const ROWS_IN_FULL_MAX: usize = 6;
/// Of the rows that are held for the same reason, so many are shown unless all are asked for.
const ALIKE_ROWS_MAX: usize = 3;

/// Draws it. `all`: each service, and also what is only watched.
pub(crate) fn status(status: &Status, all: bool, page: &Page) -> String {
    let mut out = page.source_banner();
    out.push_str(&headline(status, page));
    out.push_str(&banners(status, page));
    if status.deployments.is_empty() {
        out.push_str(&newcomer(status, page));
        return out;
    }
    let (table, hidden) = table(&rows(status, all, page), all, page);
    if let Some(table) = table {
        out.push('\n');
        out.push_str(&table.draw(page));
    }
    for line in hidden {
        let narrower = Page { width: page.width.saturating_sub(2), ..page.clone() };
        out.push_str(
            &narrower.paragraph(style::QUIET, &line).lines().map(|line| format!("  {line}\n")).collect::<String>(),
        );
    }
    out.push_str(&footer(status, page));
    out
}

/// A line of the table: a deployment, a service below it, or a container of its own.
struct Row<'a> {
    name: String,
    host: &'a str,
    standing: Standing,
    wanted: &'a str,
    since: Option<model::Wall>,
    why: String,
}

impl Row<'_> {
    /// What holds it, where something does: its cause stands before that.
    fn held_by(&self) -> Option<&str> {
        let reason = self.why.rsplit_once("held: ").map(|(_, reason)| reason);
        reason.filter(|_| self.standing == Standing::Held)
    }
}

fn rows<'a>(status: &'a Status, all: bool, page: &Page) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for deployment in &status.deployments {
        if deployment.name == NO_DEPLOYMENT {
            rows.extend(deployment.resources.iter().map(|resource| of_resource(deployment, resource, "")));
            continue;
        }
        let ill = deployment.resources.iter().filter(|resource| style::matters(resource.standing)).count();
        match deployment.resources.as_slice() {
            [only] if all => rows.push(Row { name: only.short.clone(), ..of_deployment(deployment, page) }),
            [_, _, ..] if all || ill > 1 => {
                rows.push(Row { why: summary(&deployment.resources, page), ..of_deployment(deployment, page) });
                let shown = deployment.resources.iter().filter(|resource| all || style::matters(resource.standing));
                rows.extend(shown.map(|resource| of_resource(deployment, resource, "  ")));
            }
            _ => rows.push(of_deployment(deployment, page)),
        }
    }
    rows
}

/// `3 services: 1 healing, 1 held, 1 well`
pub(super) fn summary(services: &[Resource], page: &Page) -> String {
    let mut counts: BTreeMap<Standing, usize> = BTreeMap::new();
    services.iter().for_each(|service| *counts.entry(service.standing).or_default() += 1);
    let parts: Vec<String> = counts.into_iter().map(|(standing, count)| count_of(standing, count, page)).collect();
    format!("{}: {}", counted(services.len(), "service"), parts.join(", "))
}

/// Of a deployment that is well, also what does not run of it: one line tells of all its services.
fn with_stopped(deployment: &Deployment, page: &Page) -> String {
    let of = |standing: Standing| deployment.resources.iter().filter(move |resource| resource.standing == standing);
    let stopped = of(Standing::Stopped).count();
    if deployment.standing != Standing::Well || stopped == 0 {
        return deployment.why.clone();
    }
    let checked = of(Standing::Well).filter(|resource| resource.health == Some(Health::Healthy)).count();
    let runs = match (of(Standing::Well).count(), checked) {
        (1, 0) => "1 runs".to_owned(),
        (n, 0) => format!("{n} run"),
        (1, _) => "1 runs, healthy".to_owned(),
        (n, checked) => format!("{n} run, {checked} healthy"),
    };
    format!("{runs}; {}", count_of(Standing::Stopped, stopped, page))
}

fn of_deployment<'a>(deployment: &'a Deployment, page: &Page) -> Row<'a> {
    let first = deployment.resources.iter().find(|resource| resource.standing == deployment.standing);
    Row {
        name: deployment.name.clone(),
        host: &deployment.host,
        standing: deployment.standing,
        wanted: &deployment.wanted,
        since: deployment.since,
        why: with_remedy(&with_stopped(deployment, page), first.and_then(|resource| resource.remedy.as_deref())),
    }
}

fn of_resource<'a>(deployment: &'a Deployment, resource: &'a Resource, indent: &str) -> Row<'a> {
    let name = resource.short.strip_prefix(&format!("{}/", deployment.name)).unwrap_or(&resource.short);
    Row {
        name: format!("{indent}{name}"),
        host: &deployment.host,
        standing: resource.standing,
        wanted: resource.intent.as_ref().map_or("unknown", |intent| intent.wanted.word()),
        since: resource.since,
        why: with_remedy(&resource.why, resource.remedy.as_deref()),
    }
}

fn with_remedy(why: &str, remedy: Option<&str>) -> String {
    match remedy {
        Some(remedy) if !why.contains(remedy) => match remedy.split_once("   ") {
            // The command alone is quoted, for it is what gets copied.
            Some((command, aside)) => format!("{why} — `{command}` {aside}"),
            None => format!("{why} — `{remedy}`"),
        },
        Some(_) | None => why.to_owned(),
    }
}

/// `web-1   2 need you   1 healing   11 well        watching 14 deployments, 41 containers · up 3 d`
fn headline(status: &Status, page: &Page) -> String {
    let mut parts = vec![(text::clean(&status.instance).into_owned(), style::HEAD)];
    for (standing, count) in counts(status) {
        parts.push((count_of(standing, count, page), style::standing(standing)));
    }
    if parts.len() == 1 {
        parts.push(("nothing to watch yet".to_owned(), style::PLAIN));
    }
    let right = watching(status, page);
    let left_width = parts.iter().map(|(part, _)| text::width(part)).sum::<usize>() + 3 * (parts.len() - 1);
    let between = page.width.saturating_sub(left_width + text::width(&right));
    if between >= 3 {
        let left: Vec<String> = parts.iter().map(|(part, style)| page.paint(*style, part)).collect();
        return format!("{}{}{}\n", left.join("   "), " ".repeat(between), page.paint(style::QUIET, &right));
    }
    let (mut out, mut used) = (String::new(), 0);
    for (part, style) in parts {
        let width = text::width(&part);
        if used > 0 && used + 3 + width > page.width {
            out.push('\n');
            used = 0;
        }
        let before = if used > 0 { "   " } else { "" };
        out.push_str(&format!("{before}{}", page.paint(style, &part)));
        used += before.len() + width;
    }
    format!("{out}\n{}", page.paragraph(style::QUIET, &right))
}

/// Deployments by how they stand; a container of its own counts for itself.
fn counts(status: &Status) -> BTreeMap<Standing, usize> {
    let mut counts = BTreeMap::new();
    for deployment in &status.deployments {
        if deployment.name == NO_DEPLOYMENT {
            deployment.resources.iter().for_each(|resource| *counts.entry(resource.standing).or_default() += 1);
        } else {
            *counts.entry(deployment.standing).or_default() += 1;
        }
    }
    counts
}

fn count_of(standing: Standing, count: usize, page: &Page) -> String {
    match standing {
        Standing::NeedsYou if count == 1 => "1 needs you".to_owned(),
        Standing::NeedsYou => format!("{count} need you"),
        Standing::Unseen if count > 1 && page.source != Source::Daemon => format!("{count} were well"),
        Standing::Stopped => format!("{count} stopped on purpose"),
        Standing::Absent => format!("{count} without containers"),
        Standing::Watched => format!("{count} only watched"),
        Standing::Healing | Standing::Held | Standing::Unknown | Standing::Unseen | Standing::Well | Standing::Done => {
            format!("{count} {}", page.word(standing))
        }
    }
}

/// What a source is called: a host watches its services itself.
fn called(source: &str) -> String {
    source.strip_prefix("host:").map_or_else(|| format!("docker engine {source}"), |host| format!("host {host}"))
}

fn watching(status: &Status, page: &Page) -> String {
    let deployments = status.deployments.iter().filter(|deployment| deployment.name != NO_DEPLOYMENT).count();
    let resources = || status.deployments.iter().flat_map(|deployment| &deployment.resources);
    let disks = resources().filter(|resource| resource.id.is_disk()).count();
    let probes = resources().filter(|resource| resource.id.is_probe()).count();
    let programs = resources().filter(|resource| resource.id.is_on_host()).count() - disks - probes;
    let containers = resources().count() - programs - disks - probes;
    let mut what = Vec::new();
    if containers > 0 || programs + disks + probes == 0 {
        what.extend([counted(deployments, "deployment"), counted(containers, "container")]);
    }
    if programs > 0 {
        what.push(counted(programs, "service"));
    }
    if disks > 0 {
        what.push(counted(disks, "file system"));
    }
    if probes > 0 {
        what.push(counted(probes, "probe"));
    }
    let up = status.running_since.map_or(String::new(), |since| format!(" · up {}", page.ago(since)));
    // While nobody runs, nobody watches.
    let watching = if page.source == Source::Daemon { "watching " } else { "" };
    format!("{watching}{}{up}", what.join(", "))
}

/// What keeps healer from working as it would, each in its own line.
fn banners(status: &Status, page: &Page) -> String {
    let mut out = String::new();
    if let Some(frozen) = &status.frozen {
        let because = if frozen.because.is_empty() { String::new() } else { format!(": {}", frozen.because) };
        let (by, at) = (&frozen.by, page.stamp(frozen.at.wall));
        let says = format!("frozen by {by} at {at}{because}. Nothing new is started until `healer thaw`.");
        out.push_str(&page.paragraph(style::WAITING, &says));
    }
    match status.mode {
        Mode::Observe => {
            out.push_str(&page.paragraph(style::WAITING, "mode observe: healer only watches, and acts on nothing."))
        }
        Mode::Suggest => {
            out.push_str(&page.paragraph(style::WAITING, "mode suggest: healer acts only on what you approve."))
        }
        Mode::Auto => {}
    }
    for source in status.sources.iter().filter(|source| !source.well) {
        let because = if source.because.is_empty() { "not seen in full yet" } else { &source.because };
        out.push_str(&page.paragraph(style::BAD, &format!("{}: {because}", called(&source.name))));
    }
    for source in status.sources.iter().filter(|source| source.well && !source.untold.is_empty()) {
        out.push_str(&page.paragraph(style::QUIET, &format!("{}: {}", called(&source.name), source.untold)));
    }
    for recovery in &status.recoveries {
        let failed = recovery.outcome.as_ref().map(|outcome| !outcome.failed.is_empty());
        let (style, when) = match failed {
            None => (style::WAITING, "began"),
            Some(true) => (style::BAD, "ended"),
            Some(false) => (style::QUIET, "ended"),
        };
        let host = if status.sources.len() > 1 { format!("{}: ", recovery.host) } else { String::new() };
        let says = format!("{host}{} ({when} {} ago)", recovery.because, page.ago(recovery.at));
        out.push_str(&page.paragraph(style, &says));
    }
    for warning in &status.warnings {
        out.push_str(&page.paragraph(style::WAITING, warning));
    }
    out
}

fn table(rows: &[Row<'_>], all: bool, page: &Page) -> (Option<Table>, Vec<String>) {
    let hosts = rows.iter().any(|row| row.host != rows[0].host);
    let mut columns = vec![Column::left("DEPLOYMENT", (page.width / 5).max(12))];
    if hosts {
        columns.push(Column::left("HOST", (page.width / 6).max(8)));
    }
    columns.extend([
        Column::left("STATE", 9),
        Column::left("WANTED", 7),
        Column::right("SINCE", 5),
        Column::left("WHY", 0),
    ]);
    let mut table = Table::new(columns);
    let (mut quiet, mut watched, mut shown) = (0, 0, 0);
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    let crowded = rows.iter().filter(|row| style::matters(row.standing)).count() > ROWS_IN_FULL_MAX;
    for row in rows {
        let matters = style::matters(row.standing);
        if let Some(reason) = row.held_by().filter(|_| !all) {
            let alike = held.entry(reason).or_default();
            *alike += 1;
            if *alike > ALIKE_ROWS_MAX {
                continue;
            }
        }
        if !all && row.standing == Standing::Watched {
            watched += 1;
            continue;
        }
        quiet += usize::from(!matters);
        if !all && !matters && quiet > QUIET_ROWS_MAX {
            continue;
        }
        shown += 1;
        let lines_max = match (matters, all) {
            (true, _) if crowded && !all && row.standing == Standing::Held => REASON_LINES_IN_A_CROWD,
            (true, _) => REASON_LINES.0,
            (false, true) => REASON_LINES_OF_ALL,
            (false, false) => REASON_LINES.1,
        };
        table.row(lines_max, cells(row, hosts, page));
    }
    let mut hidden = Vec::new();
    for (reason, count) in held.into_iter().filter(|(_, count)| *count > ALIKE_ROWS_MAX) {
        let more = count - ALIKE_ROWS_MAX;
        hidden.push(format!("… and {more} more held for the same reason ({reason}): `healer status --all`"));
    }
    if quiet > QUIET_ROWS_MAX && !all {
        hidden.push(format!("… and {} more that need nothing: `healer status --all`", quiet - QUIET_ROWS_MAX));
    }
    if watched > 0 {
        let them = if watched == 1 { "1 container is".to_owned() } else { format!("{watched} containers are") };
        hidden
            .push(format!("{them} only watched, being no Compose service: `healer status --all`, `healer adopt NAME`"));
    }
    ((shown > 0).then_some(table), hidden)
}

fn cells(row: &Row<'_>, hosts: bool, page: &Page) -> Vec<(String, anstyle::Style)> {
    let quiet = if style::matters(row.standing) { style::PLAIN } else { style::QUIET };
    let name = if row.name.starts_with(' ') { style::PLAIN } else { style::HEAD };
    let mut cells = vec![(row.name.clone(), name)];
    if hosts {
        cells.push((row.host.to_owned(), style::PLAIN));
    }
    let never = if row.standing == Standing::Absent { "-" } else { "?" };
    cells.extend([
        (page.word(row.standing).to_owned(), style::standing(row.standing)),
        (row.wanted.to_owned(), quiet),
        (row.since.map_or_else(|| never.to_owned(), |since| page.ago(since)), quiet),
        (page.localised(&row.why), quiet),
    ]);
    cells
}

fn footer(status: &Status, page: &Page) -> String {
    let mut out = String::new();
    if !status.next.is_empty() {
        let next: Vec<String> =
            status.next.iter().take(NEXT_MAX).map(|next| format!("{} {}", next.what, until(next.at, page))).collect();
        let more = status.next.len().saturating_sub(NEXT_MAX);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        out.push_str(&page.labelled("Next", 7, &format!("{}{more}", next.join("; "))));
    }
    for (at, waiting) in status.waiting.iter().enumerate() {
        out.push_str(&page.labelled(if at == 0 { "Waiting" } else { "" }, 7, waiting));
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

pub(super) fn until(at: model::Wall, page: &Page) -> String {
    if at <= page.now {
        return "now".to_owned();
    }
    format!("in {}", Spoken(Duration::from_secs(at.since(page.now).as_secs())))
}

/// What somebody reads who has just started healer on a host without a deployment.
fn newcomer(status: &Status, page: &Page) -> String {
    if page.source != Source::Daemon {
        return format!("\n{}", page.paragraph(style::PLAIN, "The journal knows of no container."));
    }
    if status.sources.iter().any(|source| !source.well) {
        return format!(
            "\n{}",
            page.paragraph(style::PLAIN, "Nothing has been seen yet. healer goes on trying by itself.")
        );
    }
    let lines = [
        "No container has been found. healer cares for Compose services: start one, and it is here at once.",
        "",
        "  docker compose up -d     in a directory with a compose file",
        "  healer status            what healer makes of it",
        "  docker stop CONTAINER    is respected: what you stop stays stopped",
        "  healer why SERVICE       the reason for all that was done, and not done",
    ];
    let mut out = "\n".to_owned();
    for line in lines {
        if line.starts_with("  ") || line.is_empty() {
            out.push_str(&format!("{line}\n"));
        } else {
            out.push_str(&page.paragraph(style::PLAIN, line));
        }
    }
    out
}
