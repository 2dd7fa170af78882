//! Which colour means what. Colour only underlines what the words say already.

use anstyle::{AnsiColor, Style};
use model::view::{Standing, Tone};

/// Nothing special.
pub(super) const PLAIN: Style = Style::new();
/// Names and labels.
pub(super) const HEAD: Style = Style::new().bold();
/// What may be overlooked.
pub(super) const QUIET: Style = Style::new().dimmed();
/// Something is wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something waits, or wants to be known.
pub(super) const WAITING: Style = AnsiColor::Yellow.on_default();
/// Something is well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// healer is at it.
const BUSY: Style = AnsiColor::Cyan.on_default().bold();
/// Nobody can tell.
const UNKNOWN: Style = AnsiColor::Magenta.on_default();

/// The colour of a standing.
pub(super) fn standing(standing: Standing) -> Style {
    match standing {
        Standing::NeedsYou => BAD,
        Standing::Healing => BUSY,
        Standing::Held => WAITING,
        Standing::Unknown | Standing::Unseen => UNKNOWN,
        Standing::Well => GOOD,
        Standing::Stopped | Standing::Absent | Standing::Done | Standing::Watched => QUIET,
    }
}

/// The colour of a line.
pub(super) fn tone(tone: Tone) -> Style {
    match tone {
        Tone::Plain => PLAIN,
        Tone::Good => GOOD,
        Tone::Bad => AnsiColor::Red.on_default(),
        Tone::Waiting => WAITING,
    }
}

/// The word of a standing.
pub(super) fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::NeedsYou => "needs you",
        Standing::Healing => "healing",
        Standing::Held => "held",
        Standing::Unknown => "unknown",
        Standing::Unseen => "unseen",
        Standing::Well => "well",
        Standing::Stopped => "stopped",
        Standing::Absent => "absent",
        Standing::Done => "done",
        Standing::Watched => "watched",
    }
}

/// Whether a person should read why it stands so.
pub(super) fn matters(standing: Standing) -> bool {
    match standing {
        Standing::NeedsYou | Standing::Healing | Standing::Held | Standing::Unknown => true,
        Standing::Unseen | Standing::Well | Standing::Stopped => false,
        Standing::Absent | Standing::Done | Standing::Watched => false,
    }
}
