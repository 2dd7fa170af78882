//! `healer check`: what is wrong with the configuration, or what it comes to and where each value came from.

use crate::config::{Config, Finding, Listed, Origin};

use super::table::{Column, Table};
use super::{Page, counted, style};

/// How many lines the purpose of one key takes.
const KEY_LINES_MAX: usize = 4;

/// Draws the effective configuration.
pub(crate) fn check(config: &Config, page: &Page) -> String {
    let mut out = match &config.file {
        None => page.paragraph(style::GOOD, "There is no configuration file: everything has its default."),
        Some(file) => {
            let drop_ins = config.files.len().saturating_sub(1);
            let with =
                if drop_ins > 0 { format!(" with {} in conf.d", counted(drop_ins, "file")) } else { String::new() };
            page.paragraph(style::GOOD, &format!("{}{with} is right.", file.display()))
        }
    };
    out.push('\n');
    out.push_str(&settings(config, page));
    if !config.settings.policies.is_empty() {
        let says = "`healer policies` shows the policies as a table, and which of them never apply.";
        out.push_str(&format!("\n{}", page.paragraph(style::QUIET, says)));
    }
    if !config.warnings.is_empty() {
        out.push('\n');
        out.push_str(&warnings(&config.warnings, page));
    }
    out
}

fn settings(config: &Config, page: &Page) -> String {
    let mut table = Table::new(vec![
        Column::left("KEY", page.width / 3),
        Column::left("FROM", page.width / 3),
        Column::left("VALUE", 0),
    ]);
    for setting in &config.origins {
        let from = from(&setting.origin);
        let quiet = if setting.origin == Origin::Default { style::QUIET } else { style::PLAIN };
        table.row(3, vec![(setting.key.clone(), style::PLAIN), (from, style::QUIET), (setting.value.clone(), quiet)]);
    }
    table.draw(page)
}

/// Where a value came from, without the folder: the whole path is told elsewhere.
pub(super) fn from(origin: &Origin) -> String {
    match origin {
        Origin::File(file, line) => {
            let name =
                file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned());
            format!("{name}:{line}")
        }
        Origin::Default | Origin::Environment(_) | Origin::Flag(_) => origin.to_string(),
    }
}

/// Draws every key with what it is for; those that do nothing yet stand at the end, as one sentence.
pub(crate) fn keys(keys: &[Listed], page: &Page) -> String {
    let mut table = Table::new(vec![Column::left("", page.width / 2), Column::left("", 0)]);
    for key in keys.iter().filter(|key| key.acted_on) {
        table.row(KEY_LINES_MAX, vec![(key.key.clone(), style::PLAIN), (key.says.to_owned(), style::QUIET)]);
    }
    let later: Vec<&str> = keys.iter().filter(|key| !key.acted_on).map(|key| key.key.as_str()).collect();
    let later = format!("Known, and not acted on by this version: {}.", later.join(", "));
    format!("{}\n{}", table.draw(page), page.paragraph(style::QUIET, &later))
}

/// Draws what must be mended, a line each, unwrapped: editors and `grep` read them.
pub(crate) fn errors(findings: &[Finding], page: &Page) -> String {
    lines(findings, "error: ", style::BAD, page)
}

/// Draws what should be known, in the same way.
pub(crate) fn warnings(findings: &[Finding], page: &Page) -> String {
    lines(findings, "warning: ", style::WAITING, page)
}

fn lines(findings: &[Finding], kind: &str, style: anstyle::Style, page: &Page) -> String {
    findings
        .iter()
        .map(|finding| format!("{}{}\n", page.paint(style, kind), super::clean(&finding.to_string())))
        .collect()
}
