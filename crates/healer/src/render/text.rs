//! Texts by their display width: cut, filled up, wrapped, and made harmless once more.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The narrowest room that a text is wrapped into; below it, lines run over the edge rather than into a thread.
pub(super) const NARROWEST: usize = 16;

/// The longest text that is drawn, in bytes.
const BYTES_MAX: usize = 16 * 1024;

/// The text as it may be drawn. It was escaped where it was made; should something have slipped through (the journal of
/// another program, a daemon of another version), it is escaped here.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let escaped = evidence::escape(text, BYTES_MAX);
    if escaped == text { Cow::Borrowed(text) } else { Cow::Owned(escaped) }
}

/// How many columns it takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Filled up with blanks on the right.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Filled up with blanks on the left.
pub(super) fn padded_left(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Cut to so many columns, with an ellipsis where something was cut.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (head, _) = split_at_width(text, columns.saturating_sub(1));
    format!("{}…", head.trim_end())
}

/// The same, cut in its middle: both ends are shown.
pub(super) fn cut_within(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (head, rest) = split_at_width(text, columns / 2);
    let room = columns.saturating_sub(width(head) + 1);
    let starts = rest.char_indices().map(|(at, _)| &rest[at..]);
    let tail = starts.into_iter().find(|tail| width(tail) <= room).unwrap_or_default();
    format!("{head}…{tail}")
}

/// Broken into lines of at most so many columns, at blanks where there are any, and not within a `command` that fits
/// into a line. At least one line.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in words(text, columns) {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && width(line) + 1 + width(word) <= columns {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        let mut rest = word;
        while width(rest) > columns {
            let (head, tail) = split_at_width(rest, columns);
            lines.last_mut().expect("there is always a line").push_str(head);
            lines.push(String::new());
            rest = tail;
        }
        lines.last_mut().expect("there is always a line").push_str(rest);
    }
    lines
}

/// The same in at most so many lines, with an ellipsis where something was left out.
pub(super) fn wrapped_in(text: &str, columns: usize, lines_max: usize) -> Vec<String> {
    let mut lines = wrapped(text, columns);
    if lines.len() > lines_max {
        lines.truncate(lines_max);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last}…"), columns);
        }
    }
    lines
}

/// Split at blanks, but for those within backticks and within a duration.
fn words(text: &str, columns: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let mut duration_ends = 0;
    for (at, c) in text.char_indices() {
        match c {
            '`' if quoted => quoted = false,
            '`' => quoted = text[at + 1..].find('`').is_some_and(|len| width(&text[at..at + 1 + len + 1]) <= columns),
            ' ' if !quoted && at >= duration_ends => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            c if c.is_ascii_digit() && at >= duration_ends && !text[..at].ends_with(char::is_alphanumeric) => {
                let length = duration(&text[at..]);
                if width(&text[start..at + length]) <= columns {
                    duration_ends = at + length;
                }
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words
}

/// How many bytes the duration takes that the text begins with, as [`model::time::Spoken`] says it (`14 s`, `1 m 14 s`,
/// `0.31 s`); 0 if it begins with none.
fn duration(text: &str) -> usize {
    let mut end = 0;
    loop {
        let part = if end == 0 { text } else { text[end..].strip_prefix(' ').unwrap_or_default() };
        let number = part.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(0);
        let unit = part[number..].strip_prefix([' ']).and_then(|rest| rest.strip_prefix(['s', 'm', 'h', 'd']));
        match unit {
            Some(behind) if number > 0 && !behind.starts_with(char::is_alphanumeric) => {
                end = text.len() - behind.len();
            }
            Some(_) | None => return end,
        }
    }
}

/// At least one character goes to the head, so that whoever loops comes to an end.
fn split_at_width(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    let mut end = text.chars().next().map_or(0, char::len_utf8);
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        end = end.max(at + c.len_utf8());
    }
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_filled_by_what_they_take_on_the_screen() {
        assert_eq!((cut("shop", 4), cut("shopping", 5)), ("shop".to_owned(), "shop…".to_owned()));
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut_within("on endpoint web: port is taken", 15), "on endp…s taken");
        assert_eq!((cut_within("日本語日本語", 7), cut_within("shop", 4)), ("日…本語".to_owned(), "shop".to_owned()));
        assert_eq!((padded("日本", 6), padded_left("ab", 4)), ("日本  ".to_owned(), "  ab".to_owned()));
    }

    #[test]
    fn lines_break_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrapped("died: exit 137 and more", 10), ["died: exit", "137 and", "more"]);
        assert_eq!(wrapped("aaaaaaaaaaaa b", 5), ["aaaaa", "aaaaa", "aa b"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("start it: `healer run` now", 18), ["start it:", "`healer run` now"]);
        assert_eq!(wrapped("a ` b", 3), ["a `", "b"]);
        assert_eq!(wrapped_in("one two three four", 9, 1), ["one two…"]);
        for line in wrapped_in("aaaa bbbb cccc dddd eeee", 9, 2) {
            assert!(width(&line) <= 9, "{line}");
        }
        for text in ["日本語日本語", "x", "a\u{301}\u{301}"] {
            assert_eq!(wrapped(text, 1).concat(), text);
        }
    }

    #[test]
    fn a_duration_is_not_torn_apart() {
        let table = [
            ("held for 1 m 14 s, then", 14, vec!["held for", "1 m 14 s, then"]),
            ("since 14 s now", 9, vec!["since", "14 s now"]),
            ("(0.31 s ago)", 8, vec!["(0.31 s", "ago)"]),
            ("in 3 d 5 h", 6, vec!["in 3 d", "5 h"]),
            ("at 2 hosts", 5, vec!["at 2", "hosts"]),
            ("web2 s", 4, vec!["web2", "s"]),
            ("9 services 7 s", 10, vec!["9 services", "7 s"]),
            ("`a 1 m` 2 m", 7, vec!["`a 1 m`", "2 m"]),
            ("1 m", 1, vec!["1", "m"]),
        ];
        for (text, columns, expect) in table {
            assert_eq!(wrapped(text, columns), expect, "{text}");
        }
        for ms in [310, 42_000, 74_000, 3_661_000, 277_200_000] {
            let spoken = model::time::Spoken(std::time::Duration::from_millis(ms)).to_string();
            assert_eq!(duration(&format!("{spoken} ago")), spoken.len(), "{spoken}");
            for columns in spoken.len()..30 {
                let lines = wrapped(&format!("it has to hold for {spoken}: then it is over"), columns);
                assert!(lines.iter().any(|line| line.contains(&spoken)), "{lines:?}");
            }
        }
    }

    #[test]
    fn what_could_move_the_cursor_is_shown_not_done() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}"), "a\\x1b[31mb\\u{202e}");
        assert!(matches!(clean("größe ok"), Cow::Borrowed(_)));
    }
}
