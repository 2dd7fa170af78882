//! Hostile text made harmless: what could move a cursor, hide, or turn the direction of writing is shown, not done.

use std::fmt::Write as _;

/// Stands for what was cut off.
const ELLIPSIS: char = '…';

/// `text` with control characters, escape sequences, invisible and direction-changing characters written out (`\n`,
/// `\x1b`, `\u{202e}`), and cut to `bytes_max` bytes, with an ellipsis where something was cut.
///
/// A cut falls between characters and never inside of a written-out one. Letters of every language, emoji and the
/// joiners that they need are left alone; so is the backslash, since paths and JSON are full of it.
#[must_use]
pub fn escape(text: &str, bytes_max: usize) -> String {
    escape_bytes(text.as_bytes(), bytes_max)
}

/// Like [`escape`], for bytes that need not be text: what is not UTF-8 is written out as `\xff`.
#[must_use]
pub fn escape_bytes(bytes: &[u8], bytes_max: usize) -> String {
    let mut page = Page { text: String::new(), bytes_max, cut_at: 0 };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if !page.put_char(c) {
                return page.text;
            }
        }
        for byte in chunk.invalid() {
            if !page.put(&format!("\\x{byte:02x}")) {
                return page.text;
            }
        }
    }
    page.text
}

/// A text that means itself in HTML, between tags and in quoted attributes alike.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(char),
        }
    }
    out
}

/// A text that grows up to its limit.
struct Page {
    text: String,
    bytes_max: usize,
    /// The last length, between two pieces, after which the ellipsis still fits.
    cut_at: usize,
}

impl Page {
    /// Whether the piece fitted; if not, the text is finished.
    fn put(&mut self, piece: &str) -> bool {
        if self.text.len() + piece.len() > self.bytes_max {
            self.text.truncate(self.cut_at);
            if self.cut_at + ELLIPSIS.len_utf8() <= self.bytes_max {
                self.text.push(ELLIPSIS);
            }
            return false;
        }
        self.text.push_str(piece);
        if self.text.len() + ELLIPSIS.len_utf8() <= self.bytes_max {
            self.cut_at = self.text.len();
        }
        true
    }

    fn put_char(&mut self, c: char) -> bool {
        match c {
            '\n' => self.put("\\n"),
            '\r' => self.put("\\r"),
            '\t' => self.put("\\t"),
            '\0'..='\u{1f}' | '\u{7f}' => self.put(&format!("\\x{:02x}", u32::from(c))),
            c if deceives(c) => {
                let mut written = String::new();
                let _ = write!(written, "\\u{{{:x}}}", u32::from(c)); // writing to a String cannot fail
                self.put(&written)
            }
            c => self.put(c.encode_utf8(&mut [0; 4])),
        }
    }
}

/// C1 controls, direction marks, line separators and invisible characters. The joiners U+200C and U+200D stay: Persian,
/// Hindi and emoji are wrong without them.
fn deceives(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_means_something_in_html_is_written_out() {
        assert_eq!(html("<a href=\"x\">'&amp;' é</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39; é&lt;/a&gt;");
    }

    #[test]
    fn what_could_be_interpreted_is_written_out() {
        let table: [(&str, &[u8], &str); 9] = [
            ("plain", b"connection refused", "connection refused"),
            ("colour", b"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
            ("several lines", b"a\r\nb\tc\0", "a\\r\\nb\\tc\\x00"),
            ("bidi override", "user\u{202e}txt.exe".as_bytes(), "user\\u{202e}txt.exe"),
            ("c1 control", "a\u{9b}31m".as_bytes(), "a\\u{9b}31m"),
            ("invisible", "pass\u{200b}word\u{feff}".as_bytes(), "pass\\u{200b}word\\u{feff}"),
            ("not utf-8", b"caf\xe9 \xff\xfe", "caf\\xe9 \\xff\\xfe"),
            ("other languages", "ошибка 接続エラー خطا".as_bytes(), "ошибка 接続エラー خطا"),
            ("emoji with joiner", "👩\u{200d}🚒 C:\\x".as_bytes(), "👩\u{200d}🚒 C:\\x"),
        ];
        for (name, given, expect) in table {
            assert_eq!(escape_bytes(given, 1_000), expect, "{name}");
        }
    }

    #[test]
    fn a_cut_falls_between_characters_and_is_marked() {
        let table = [
            ("short enough", "abcdef", 6, "abcdef"),
            ("one too long", "abcdefg", 6, "abc…"),
            ("multi-byte", "éééé", 7, "éé…"),
            ("multi-byte, exactly", "éééé", 8, "éééé"),
            ("wide", "日本語", 8, "日…"),
            ("within an escape", "ab\u{1b}cd", 6, "ab…"),
            ("no room for the mark", "abcdef", 2, ""),
            ("no room at all", "abc", 0, ""),
        ];
        for (name, given, bytes_max, expect) in table {
            assert_eq!(escape(given, bytes_max), expect, "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_left_to_interpret_and_the_limit_holds(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), bytes_max in 0_usize..300
        ) {
            let shown = escape_bytes(&bytes, bytes_max);
            prop_assert!(shown.len() <= bytes_max);
            prop_assert!(!shown.chars().any(|c| c.is_control() || deceives(c)));
        }

        #[test]
        fn text_of_any_language_is_bounded(text in "\\PC*", bytes_max in 0_usize..100) {
            prop_assert!(escape(&text, bytes_max).len() <= bytes_max);
        }
    }
}
