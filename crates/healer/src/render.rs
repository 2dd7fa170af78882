//! Values of `model::view` as text to be looked at: aligned by display width, wrapped to the terminal, coloured by how
//! things stand. A renderer adds no meaning; what it prints with `--format json` is the very value it draws.

mod check;
mod demo;
mod deployment;
mod disks;
mod doctor;
mod history;
mod incidents;
mod policies;
mod reply;
mod status;
mod style;
mod table;
mod text;
mod why;

use std::time::Duration;

use anstyle::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::Wall;
use model::time::Spoken;
use model::view::Standing;

pub(crate) use check::{check, errors, keys, warnings};
pub(crate) use deployment::deployment;
pub(crate) use disks::disks;
pub(crate) use doctor::doctor;
pub(crate) use history::history;
pub(crate) use incidents::incidents;
pub(crate) use policies::{PolicyTable, explained, policies};
pub(crate) use reply::reply;
pub(crate) use status::status;
pub(crate) use text::clean;
pub(crate) use why::why;

/// How long a moment within a sentence is: `2026-11-23T13:02:10Z`.
const MOMENT_BYTES: usize = 20;

/// The sheet that is drawn on.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// How many columns it has.
    pub(crate) width: usize,
    /// Whether it shows colours.
    pub(crate) colour: bool,
    /// In which time zone its reader lives.
    pub(crate) zone: TimeZone,
    /// The moment at which it is drawn.
    pub(crate) now: Wall,
    /// Where what is drawn was learnt.
    pub(crate) source: Source,
}

/// Where what is drawn was learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// From the daemon.
    Daemon,
    /// From the journal that a dead one left: its last entry is of this time.
    Journal(Wall),
}

impl Page {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && style != Style::new() && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// How long ago that was, in its largest unit: `12 s`, `3 d`.
    fn ago(&self, then: Wall) -> String {
        let s = self.now.since(then).as_secs();
        let unit_s = [86_400, 3_600, 60, 1].into_iter().find(|unit_s| s >= *unit_s).unwrap_or(1);
        Spoken(Duration::from_secs(s / unit_s * unit_s)).to_string()
    }

    /// The local time: `14:01:22` today, `20 Nov 09:14` else, with the year if it is another one.
    fn stamp(&self, then: Wall) -> String {
        let (then, now) = (self.local(then), self.local(self.now));
        let form = match (then.date() == now.date(), then.year() == now.year()) {
            (true, _) => "%H:%M:%S",
            (false, true) => "%-d %b %H:%M",
            (false, false) => "%-d %b %Y %H:%M",
        };
        then.strftime(form).to_string()
    }

    /// The text with its moments (as `engine::view::moment` writes them) in local time. Not for what quotes somebody else.
    fn localised(&self, text: &str) -> String {
        let word = |word: &str| {
            let bare = word.trim_end_matches([',', ';', ':', '.', ')']);
            let moment = Some(bare).filter(|bare| bare.len() == MOMENT_BYTES && bare.ends_with('Z'));
            match moment.and_then(|moment| moment.parse::<Timestamp>().ok()) {
                Some(at) => format!("{}{}", self.stamp(Wall(at.as_millisecond())), &word[bare.len()..]),
                None => word.to_owned(),
            }
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    fn local(&self, wall: Wall) -> jiff::Zoned {
        Timestamp::from_millisecond(wall.0).unwrap_or_default().to_zoned(self.zone.clone())
    }

    /// The word of a standing. What nobody sees since healer ended, and had nothing wrong with it, was well then.
    fn word(&self, standing: Standing) -> &'static str {
        match (self.source, standing) {
            (Source::Journal(_), Standing::Unseen) => "was well",
            (Source::Journal(_) | Source::Daemon, _) => style::word(standing),
        }
    }

    /// Says plainly that nobody runs, where that is so.
    fn source_banner(&self) -> String {
        let Source::Journal(as_of) = self.source else { return String::new() };
        let says = format!(
            "healer is not running. Nothing is seen since its last word at {} ({} ago): this is what its journal says of \
             then. Start it: `healer run`",
            self.stamp(as_of),
            self.ago(as_of)
        );
        self.paragraph(style::BAD, &says) + "\n"
    }

    /// A text of its own, wrapped.
    fn paragraph(&self, style: Style, says: &str) -> String {
        text::wrapped(&clean(says), self.width).iter().map(|line| self.paint(style, line) + "\n").collect()
    }

    /// A label and, beside it, a text that is wrapped behind the label.
    fn labelled(&self, label: &str, label_width: usize, says: &str) -> String {
        let mut out = String::new();
        let room = self.width.saturating_sub(label_width + 2).max(text::NARROWEST);
        for (at, line) in text::wrapped(&clean(says), room).iter().enumerate() {
            let label = if at == 0 { text::padded(label, label_width) } else { " ".repeat(label_width) };
            out.push_str(&format!("{}  {line}\n", self.paint(style::HEAD, &label)));
        }
        out
    }
}

/// What the error stream is told: wrapped on a terminal, one line elsewhere.
pub(crate) fn complaint(says: &str, width: Option<usize>) -> String {
    let says = clean(says);
    match width {
        Some(width) => text::wrapped(&says, width).iter().map(|line| format!("{line}\n")).collect(),
        None => format!("{says}\n"),
    }
}

/// `1 container`, `41 containers`.
fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests;
