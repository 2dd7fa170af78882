//! The demo, line by line.

use model::view::Tone;

use super::{Page, clean, style, text};

/// How wide the times and the names of services are drawn.
const TIME: usize = 7;
const NAME: usize = 9;

impl Page {
    /// What is done to the services from here on.
    pub(crate) fn demo_act(&self, number: usize, title: &str) -> String {
        format!("\n{}\n", self.paint(style::HEAD, &format!("{number}. {title}")))
    }

    /// What somebody did, or healer decided: when, to which service, and what.
    pub(crate) fn demo_line(&self, elapsed_s: f64, service: &str, tone: Tone, says: &str) -> String {
        let room = self.width.saturating_sub(TIME + NAME + 4).max(text::NARROWEST);
        let mut out = String::new();
        for (at, line) in text::wrapped(&clean(says), room).iter().enumerate() {
            let (time, name) = if at == 0 { (format!("{elapsed_s:.1} s"), service) } else { (String::new(), "") };
            let time = self.paint(style::QUIET, &text::padded_left(&time, TIME));
            out.push_str(&format!("{time}  {}  {}\n", text::padded(name, NAME), self.paint(style::tone(tone), line)));
        }
        out
    }

    /// What came of it all: what was done, and what healer made of it.
    pub(crate) fn demo_summary(&self, rows: &[(String, Tone, String)]) -> String {
        let widest = rows.iter().map(|(what, ..)| text::width(what)).max().unwrap_or(0);
        let room = self.width.saturating_sub(widest + 4).max(text::NARROWEST);
        let mut out = String::from("\n");
        for (what, tone, says) in rows {
            for (at, line) in text::wrapped(&clean(says), room).iter().enumerate() {
                let what = text::padded(if at == 0 { what } else { "" }, widest);
                out.push_str(&format!("  {what}  {}\n", self.paint(style::tone(*tone), line)));
            }
        }
        out
    }

    /// A text of its own.
    pub(crate) fn demo_text(&self, says: &str) -> String {
        self.paragraph(style::PLAIN, says)
    }
}
