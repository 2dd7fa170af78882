//! A log of any size, reduced to the few lines that matter: those that tell of an error, and the last words.
//!
//! Memory is bounded whatever comes: a line is read up to [`READ_BYTES_MAX`], shapes are counted up to a limit, and of
//! telling lines the gravest and the latest are kept, and always the first, since that is often where it began.

use std::collections::{BTreeMap, VecDeque};

use model::incident::{Excerpt, Line};

use crate::complaint::complaint;
use crate::escape::{escape, escape_bytes};
use crate::redact::{MASK, redact};
use crate::telling::{Weight, is_warning, weigh};
use crate::template::shape;

/// The most lines that an excerpt has.
pub const LINES_MAX: usize = 12;
/// The longest line of an excerpt, in bytes.
pub const LINE_BYTES_MAX: usize = 300;

/// How many of the last lines are kept, telling or not.
const LAST_WORDS: usize = 3;
/// How much of a line is read, in bytes; the rest of it is passed over.
const READ_BYTES_MAX: usize = 4 * 1024;
/// How much of a telling line is shown before the word that tells, in bytes, where the line is too long to be shown.
const LEAD_BYTES: usize = 100;
/// How many telling shapes are kept while reading.
const CANDIDATES_MAX: usize = 48;
/// How many shapes are counted.
const SHAPES_MAX: usize = 1_024;
/// A PEM block that does not end within so many lines is no PEM block.
const PEM_LINES_MAX: u32 = 400;

/// Takes a log's lines, oldest first, and gives its excerpt.
#[derive(Debug, Default)]
pub struct Reducer {
    read_lines: u64,
    cut: bool,
    /// The telling lines, by their shape.
    telling: BTreeMap<String, Candidate>,
    first: Option<String>,
    /// How many lines have this shape.
    seen: BTreeMap<String, u32>,
    last: VecDeque<(String, Candidate)>,
    awaited: Awaited,
    /// A line that is not complete yet, as far as it is read.
    partial: Vec<u8>,
    /// Whether anything of a line that is not complete was fed.
    open: bool,
}

#[derive(Debug, Clone)]
struct Candidate {
    /// Of the last line of this shape.
    number: u64,
    weight: Weight,
    times: u32,
    text: String,
}

/// What the lines before say of the next one.
#[derive(Debug, Default, Clone, Copy)]
enum Awaited {
    #[default]
    Nothing,
    /// Rust prints a panic's message on the line after its place.
    PanicMessage,
    /// Python prints the exception as the first line that is not indented.
    Exception,
    /// Within a PEM block, which so many lines ago began.
    PemEnd(u32),
}

/// The excerpt of a whole log that is at hand.
pub fn reduce<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Excerpt {
    let mut reducer = Reducer::default();
    for line in lines {
        reducer.push(line);
    }
    reducer.finish()
}

impl Reducer {
    /// Takes a piece of the log as it was read; lines end at `\n`, wherever the pieces end.
    pub fn feed(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|b| *b == b'\n') {
            let (text, ended) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = READ_BYTES_MAX.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&text[..text.len().min(room)]);
            self.open = true;
            if ended {
                self.end_line();
            }
        }
    }

    /// Takes one whole line, without its end.
    pub fn push(&mut self, line: &[u8]) {
        if self.open {
            self.end_line();
        }
        self.take(&line[..line.len().min(READ_BYTES_MAX)]);
    }

    /// How many lines were taken so far, the last one among them only if it has ended.
    #[must_use]
    pub fn read_lines(&self) -> u64 {
        self.read_lines
    }

    /// More is there than was read.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// What matters of all that was taken.
    #[must_use]
    pub fn finish(mut self) -> Excerpt {
        if self.open {
            self.end_line();
        }
        let last_words = self.last_words();
        let mut lines = self.telling_lines(LINES_MAX - last_words.len());
        lines.extend(last_words);
        lines.sort_by_key(|candidate| candidate.number);
        let mut lines: Vec<_> = lines.into_iter().map(|candidate| (candidate.weight, said(candidate))).collect();
        forget_what_it_survived(&mut lines);
        let lines = lines.into_iter().map(|(_, line)| line).collect();
        Excerpt { lines, read_lines: self.read_lines, cut: self.cut }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        self.open = false;
        self.take(&line);
    }

    fn take(&mut self, line: &[u8]) {
        self.read_lines += 1;
        let plain = without_colours(line.strip_suffix(b"\r").unwrap_or(line));
        let text = escape_bytes(&plain, 2 * READ_BYTES_MAX);
        if text.trim().is_empty() {
            return;
        }
        if let Some(secret) = self.within_pem(&text) {
            if secret {
                self.keep_last(MASK.to_owned(), Weight::None, MASK.to_owned());
            }
            return;
        }
        let text = redact(&text);
        let (weight, at) = self.weighed(&text);
        let shape = shape(&text);
        self.count(&shape);
        let shown = window(&text, at);
        if weight != Weight::None {
            self.keep_telling(&shape, weight, shown.clone());
        }
        self.keep_last(shape, weight, shown);
    }

    /// `None` outside of a PEM block; within one, whether this is its first line.
    fn within_pem(&mut self, text: &str) -> Option<bool> {
        let begins = text.contains("-----BEGIN ") && !text.contains("-----END ");
        let Awaited::PemEnd(lines) = self.awaited else {
            if begins {
                self.awaited = Awaited::PemEnd(0);
            }
            return begins.then_some(true);
        };
        let over = text.contains("-----END ") || lines >= PEM_LINES_MAX;
        self.awaited = if over { Awaited::Nothing } else { Awaited::PemEnd(lines + 1) };
        Some(false)
    }

    /// The line's own weight, or the one that the lines before give it.
    fn weighed(&mut self, text: &str) -> (Weight, usize) {
        let indented = text.starts_with(' ') || text.starts_with("\\t");
        let awaited = std::mem::take(&mut self.awaited);
        let (own, at) = weigh(text);
        let given = match awaited {
            Awaited::PanicMessage => Weight::Grave,
            Awaited::Exception if !indented => Weight::Grave,
            Awaited::Exception => {
                self.awaited = Awaited::Exception;
                return (Weight::None, 0); // the traced lines of code
            }
            Awaited::Nothing | Awaited::PemEnd(_) => Weight::None,
        };
        if text.contains("panicked at ") && text.ends_with(':') {
            self.awaited = Awaited::PanicMessage;
        } else if text.contains("Traceback (most recent call last)") {
            self.awaited = Awaited::Exception;
        }
        if given > own { (given, 0) } else { (own, at) }
    }

    fn count(&mut self, shape: &str) {
        if let Some(times) = self.seen.get_mut(shape) {
            *times = times.saturating_add(1);
        } else if self.seen.len() < SHAPES_MAX {
            self.seen.insert(shape.to_owned(), 1);
        }
    }

    fn keep_telling(&mut self, shape: &str, weight: Weight, text: String) {
        let number = self.read_lines;
        if let Some(known) = self.telling.get_mut(shape) {
            *known = Candidate { number, weight: weight.max(known.weight), times: known.times.saturating_add(1), text };
            return;
        }
        self.telling.insert(shape.to_owned(), Candidate { number, weight, times: 1, text });
        if self.first.is_none() {
            self.first = Some(shape.to_owned());
        }
        if self.telling.len() > CANDIDATES_MAX {
            let least = self
                .telling
                .iter()
                .filter(|(shape, _)| self.first.as_ref() != Some(shape))
                .min_by_key(|(_, c)| (c.weight, c.number))
                .map(|(shape, _)| shape.clone());
            if let Some(least) = least {
                self.telling.remove(&least);
            }
        }
    }

    fn keep_last(&mut self, shape: String, weight: Weight, text: String) {
        if self.last.len() == LAST_WORDS {
            self.last.pop_front();
        }
        self.last.push_back((shape, Candidate { number: self.read_lines, weight, times: 1, text }));
    }

    /// The last lines, folded among themselves; those that tell anyway are told with the others.
    fn last_words(&self) -> Vec<Candidate> {
        let mut words: Vec<(&String, Candidate)> = Vec::new();
        for (shape, candidate) in &self.last {
            if self.telling.contains_key(shape) {
                continue;
            }
            let times = self.seen.get(shape).copied().unwrap_or(1);
            words.retain(|(known, _)| *known != shape);
            words.push((shape, Candidate { times, ..candidate.clone() }));
        }
        words.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// The telling lines that find room: the first, those among the last words, then the gravest and latest.
    fn telling_lines(&self, room: usize) -> Vec<Candidate> {
        let said_last = |shape: &String| self.last.iter().any(|(last, _)| last == shape);
        let mut kept: Vec<(&String, &Candidate)> = self.telling.iter().collect();
        kept.sort_by_key(|(shape, c)| {
            std::cmp::Reverse((said_last(shape), self.first.as_ref() == Some(shape), c.weight, c.number))
        });
        kept.truncate(room);
        kept.into_iter().map(|(_, candidate)| candidate.clone()).collect()
    }
}

fn said(candidate: Candidate) -> Line {
    let Candidate { weight, times, text, .. } = candidate;
    let complaint = complaint(&text);
    Line { text, times, telling: weight != Weight::None, complaint }
}

/// A complaint after which something graver came, which is not understood, was not what it ended by.
fn forget_what_it_survived(lines: &mut [(Weight, Line)]) {
    let is_grave = |(weight, line): &(Weight, Line)| *weight == Weight::Grave && line.complaint.is_none();
    let last_grave = lines.iter().rposition(is_grave).unwrap_or(0);
    let last_told = lines.iter().rposition(|(_, line)| line.telling && line.complaint.is_none()).unwrap_or(0);
    for (number, (weight, line)) in lines.iter_mut().enumerate() {
        let by_graver = number < last_grave && *weight < Weight::Grave;
        // What was only a warning was survived, if anything at all went wrong after it.
        if by_graver || number < last_told && is_warning(&line.text) {
            line.complaint = None;
        }
    }
}

/// A line without the sequences that only colour it or erase its rest: they stand inside of words. All other sequences
/// are left, to be written out.
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\x1b[") {
            let end = after.iter().take(20).position(|b| !(b.is_ascii_digit() || *b == b';' || *b == b':'));
            if let Some(end) = end.filter(|end| matches!(after[*end], b'm' | b'K')) {
                rest = &after[end + 1..];
                continue;
            }
        }
        out.push(*first);
        rest = tail;
    }
    out
}

/// As much of a line as is shown: its beginning, or what stands around the word that tells.
fn window(text: &str, telling_at: usize) -> String {
    let far = text.len() > LINE_BYTES_MAX && telling_at > LINE_BYTES_MAX / 2;
    if !far {
        return escape(text, LINE_BYTES_MAX);
    }
    let from = (0..=telling_at.saturating_sub(LEAD_BYTES)).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    escape(&format!("…{}", &text[from..]), LINE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(log: &str) -> Vec<(String, u32, bool)> {
        reduce(log.lines().map(str::as_bytes)).lines.into_iter().map(|l| (l.text, l.times, l.telling)).collect()
    }

    fn check(log: &str, expect: &[(&str, u32, bool)]) {
        let expect: Vec<_> =
            expect.iter().map(|(text, times, telling)| ((*text).to_owned(), *times, *telling)).collect();
        assert_eq!(shown(log), expect);
    }

    #[test]
    fn telling_lines_and_the_last_words_are_kept_in_their_order() {
        check(
            "starting\nlistening on 8080\nerror: lost the database\nbye\nflushing\nclosing\ndone",
            &[("error: lost the database", 1, true), ("flushing", 1, false), ("closing", 1, false), ("done", 1, false)],
        );
    }

    #[test]
    fn lines_of_one_shape_are_folded() {
        check(
            "request 1 failed\nrequest 2 failed\nok\nrequest 3 failed\ntick 1\ntick 2\ntick 3",
            &[("request 3 failed", 3, true), ("tick 3", 3, false)],
        );
    }

    #[test]
    fn a_panic_and_a_traceback_bring_their_message() {
        check(
            "thread 'main' panicked at src/main.rs:2:5:\nthe cart has no owner\nnote: run with RUST_BACKTRACE=1\na\nb",
            &[
                ("thread 'main' panicked at src/main.rs:2:5:", 1, true),
                ("the cart has no owner", 1, true),
                ("note: run with RUST_BACKTRACE=1", 1, false),
                ("a", 1, false),
                ("b", 1, false),
            ],
        );
        check(
            "Traceback (most recent call last):\n  File \"x.py\", line 1\n    raise error\nshop.Unpaid: order 7\nx\ny\nz",
            &[
                ("Traceback (most recent call last):", 1, true),
                ("shop.Unpaid: order 7", 1, true),
                ("x", 1, false),
                ("y", 1, false),
                ("z", 1, false),
            ],
        );
    }

    #[test]
    fn what_a_program_survived_is_not_what_it_ended_by() {
        let complaints = |log: &str| {
            let lines = reduce(log.lines().map(str::as_bytes)).lines;
            lines.into_iter().filter(|line| line.complaint.is_some()).map(|line| line.text).collect::<Vec<_>>()
        };
        let refused = "WARN connect ECONNREFUSED db:5432, error, trying again";
        assert_eq!(complaints(refused), [refused]);
        assert_eq!(complaints(&format!("{refused}\npanic: index out of range")), [""; 0]);
        let last = "panic: dial tcp db:5432: connection refused";
        assert_eq!(complaints(&format!("{refused}\n{last}\ngoroutine 1 [running]:")), [refused, last]);
    }

    #[test]
    fn colours_do_not_hide_a_word_and_other_sequences_are_written_out() {
        check(
            "\u{1b}[1;31mERROR\u{1b}[0m: no such \u{1b}[4mfile\u{1b}[0m\u{1b}[K\r\n\u{1b}]0;title\u{7}x",
            &[("ERROR: no such file", 1, true), ("\\x1b]0;title\\x07x", 1, false)],
        );
    }

    #[test]
    fn secrets_do_not_pass() {
        check(
            "error: postgres://app:hunter2@db refused\n-----BEGIN PRIVATE KEY-----\nMIIEerror\nabc\n-----END PRIVATE KEY-----\nend",
            &[("error: postgres://app:********@db refused", 1, true), ("********", 1, false), ("end", 1, false)],
        );
    }

    #[test]
    fn of_many_errors_the_first_the_gravest_and_the_latest_are_kept() {
        use std::fmt::Write as _;
        let mut log = "error: where it began\n".to_owned();
        let letters = || ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("q{a}{b}q")));
        for word in letters() {
            let _ = writeln!(log, "error: {word}");
            if word == "qbbq" {
                log.push_str("panic: the heart of it\n");
            }
        }
        let lines = shown(&log);
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!(lines[0].0, "error: where it began");
        assert_eq!(lines[1].0, "panic: the heart of it");
        assert_eq!(lines[LINES_MAX - 1].0, "error: qzzq");
    }

    #[test]
    fn a_word_far_into_a_long_line_is_shown_with_what_stands_around_it() {
        let log = format!("{} error: disk full {}", "é".repeat(400), "x".repeat(10_000_000));
        let lines = shown(&log);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].0.starts_with('…') && lines[0].0.contains("error: disk full") && lines[0].0.ends_with('…'));
        assert!(lines[0].0.len() <= LINE_BYTES_MAX);
    }

    #[test]
    fn a_hundred_thousand_lines_and_lines_without_end_stay_small() {
        let mut reducer = Reducer::default();
        for n in 0..100_000_u32 {
            reducer.push(format!("request {n} refused by {}", n % 7).as_bytes());
        }
        for _ in 0..160 {
            reducer.feed(&[b'x'; 65_536]);
        }
        assert!(reducer.partial.len() <= READ_BYTES_MAX && reducer.seen.len() <= SHAPES_MAX);
        reducer.cut();
        let excerpt = reducer.finish();
        assert_eq!((excerpt.read_lines, excerpt.cut), (100_001, true));
        assert_eq!(excerpt.lines[0].times, 100_000);
        assert!(excerpt.lines[1].text.ends_with('…'));
    }

    #[test]
    fn pieces_may_end_anywhere() {
        let log = "starting\nerror: ünbekannt\r\nnothing more".as_bytes();
        let whole = reduce(log.split(|b| *b == b'\n'));
        for size in 1..log.len() {
            let mut reducer = Reducer::default();
            log.chunks(size).for_each(|piece| reducer.feed(piece));
            assert_eq!(reducer.finish(), whole, "pieces of {size}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_survived_and_the_excerpt_is_bounded(
            lines in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..600),
                    "(error|panic: |\u{1b}\\[31m|password=|-----BEGIN |日本|é|0 | |x1){0,40}".prop_map(String::into_bytes),
                ],
                0..60,
            )
        ) {
            let excerpt = reduce(lines.iter().map(Vec::as_slice));
            prop_assert!(excerpt.lines.len() <= LINES_MAX);
            prop_assert_eq!(excerpt.read_lines, lines.len() as u64);
            for line in &excerpt.lines {
                prop_assert!(line.text.len() <= LINE_BYTES_MAX && line.times >= 1);
                prop_assert!(!line.text.chars().any(char::is_control));
            }
        }
    }
}
