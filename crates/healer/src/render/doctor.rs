//! What `healer doctor` found: what hinders first.

use std::cmp::Reverse;

use super::{Page, clean, style, text};
use crate::doctor::{Found, Verdict};

/// The findings, and in one line what they come to.
pub(crate) fn doctor(all: &[Found], page: &Page) -> String {
    let mut all: Vec<&Found> = all.iter().collect();
    all.sort_by_key(|found| Reverse(found.verdict));
    let widest = all.iter().map(|found| text::width(&found.about)).max().unwrap_or(0);
    let mut out = String::new();
    for Found { about, verdict, says } in &all {
        let (word, colour) = match verdict {
            Verdict::Well => ("well", style::GOOD),
            Verdict::Look => ("look", style::WAITING),
            Verdict::Hinders => ("hinders", style::BAD),
        };
        let room = page.width.saturating_sub(widest + 13).max(text::NARROWEST);
        for (at, line) in text::wrapped(&clean(says), room).iter().enumerate() {
            let (word, about) = if at == 0 { (word, about.as_str()) } else { ("", "") };
            let word = page.paint(colour, &text::padded(word, 7));
            out.push_str(&format!("  {word}  {}  {line}\n", text::padded(about, widest)));
        }
    }
    let hinders = all.iter().filter(|found| found.verdict == Verdict::Hinders).count();
    let sum = match hinders {
        0 => "Nothing hinders healer on this machine.".to_owned(),
        1 => "1 thing hinders healer on this machine.".to_owned(),
        more => format!("{more} things hinder healer on this machine."),
    };
    format!("{}\n{out}", page.paragraph(style::HEAD, &sum))
}
