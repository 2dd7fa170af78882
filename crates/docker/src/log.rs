//! A container's log, read to the few lines that matter.
//!
//! With a terminal the log is the raw stream; without one it comes in frames, `[stream, 0, 0, 0, length as u32]` and then
//! the bytes, and a long line in several frames.

use std::time::Duration;

use evidence::Reducer;
use model::fact::{Incarnation, SourceTime};
use model::incident::Excerpt;
use tokio::time::timeout;

use crate::error::Error;
use crate::host::Host;
use crate::wire::{self, Inspect};
use crate::{absent, command, holder};

/// How many of the last lines are asked for; fewer, where so many are longer than what is read.
const TAILS: [usize; 4] = [2_000, 100, 5, 1];
/// How many of the first lines are read, where the last ones tell nothing, and how much of these, in bytes.
const HEAD: u64 = 2_000;
const HEAD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What ran for longer than this did not end by what it said at its start.
const ENDS_BY_ITS_BEGINNING: Duration = Duration::from_secs(60);
/// How much of a log is read, in bytes. A line may have 10 MB of which only the beginning is kept: what comes after it is
/// to be read all the same.
const READ_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long the whole reading may take.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to find out more about what it complains about.
const FOUND_OUT_WITHIN: Duration = Duration::from_secs(2);
/// A process runs, and may write, a moment before the engine notes its start.
const BEFORE_START: i64 = 250_000_000;

/// The lines that matter of what a container wrote since its last start.
pub(crate) async fn read(host: &Host, id: &Incarnation) -> Result<Excerpt, Error> {
    let late = |_| Err(Error::Lost(format!("its log within {} s", READ_WITHIN.as_secs())));
    let (inspect, mut excerpt) = timeout(READ_WITHIN, inspect_and_read(host, id)).await.unwrap_or_else(late)?;
    // What cannot be found out soon is not known: the lines are worth more.
    let _ = timeout(FOUND_OUT_WITHIN, find_out(host, &inspect, &mut excerpt)).await;
    Ok(excerpt)
}

/// Adds what the engine and the kernel know of what the lines complain about.
async fn find_out(host: &Host, inspect: &Inspect, excerpt: &mut Excerpt) {
    absent::tell_of_log(host, inspect, excerpt).await;
    holder::tell_of_log(host, inspect, excerpt).await;
    command::tell_of_log(host, inspect, excerpt).await;
}

async fn inspect_and_read(host: &Host, id: &Incarnation) -> Result<(Inspect, Excerpt), Error> {
    let inspect = host.inspect(id).await?;
    let excerpt = excerpt(host, id, &inspect).await?;
    Ok((inspect, excerpt))
}

async fn excerpt(host: &Host, id: &Incarnation, inspect: &Inspect) -> Result<Excerpt, Error> {
    let Some(started) = wire::time(inspect.state.started_at.as_deref()) else { return Ok(Excerpt::default()) };
    let since = SourceTime(started.0.saturating_sub(BEFORE_START));
    let framed = !inspect.config.tty.unwrap_or(false);
    let mut shortest = Excerpt::default();
    for tail in TAILS {
        let (excerpt, whole) = read_tail(host, id, since, tail, Lines::new(framed)).await?;
        if whole {
            let tells = excerpt.lines.iter().any(|line| line.telling);
            let began = excerpt.cut && !tells && ended_soon(&inspect.state);
            return if began { read_both(host, id, since, tail, framed).await } else { Ok(excerpt) };
        }
        shortest = excerpt;
    }
    Ok(shortest)
}

/// Whether what ended did so soon after its start.
fn ended_soon(state: &wire::State) -> bool {
    let (started, ended) = (wire::time(state.started_at.as_deref()), wire::time(state.finished_at.as_deref()));
    started.zip(ended).is_some_and(|(started, ended)| ended >= started && ended.since(started) < ENDS_BY_ITS_BEGINNING)
}

/// The excerpt of the first lines and of the last `tail`: a program that takes long to end in order has said at its
/// beginning why it does.
async fn read_both(
    host: &Host,
    id: &Incarnation,
    since: SourceTime,
    tail: usize,
    framed: bool,
) -> Result<Excerpt, Error> {
    let mut lines = Lines::new(framed);
    let mut reply = host.log(id, since, None).await?;
    let mut read_bytes = 0;
    while let Some(piece) = reply.piece().await? {
        lines.take(&piece);
        read_bytes += piece.len();
        if lines.reducer.read_lines() >= HEAD || read_bytes > HEAD_BYTES_MAX {
            break;
        }
    }
    drop(reply);
    lines.begin_anew();
    Ok(read_tail(host, id, since, tail, lines).await?.0)
}

/// The excerpt of these lines and the last `tail`, and whether all of the last were read.
async fn read_tail(
    host: &Host,
    id: &Incarnation,
    since: SourceTime,
    tail: usize,
    mut lines: Lines,
) -> Result<(Excerpt, bool), Error> {
    let mut reply = host.log(id, since, Some(tail)).await?;
    let mut read_bytes = 0;
    while let Some(piece) = reply.piece().await? {
        let room = READ_BYTES_MAX - read_bytes;
        lines.take(&piece[..piece.len().min(room)]);
        read_bytes += piece.len();
        if read_bytes > READ_BYTES_MAX {
            break;
        }
    }
    let whole = read_bytes <= READ_BYTES_MAX;
    if !whole || tail < TAILS[0] {
        lines.reducer.cut();
    }
    // The engine counts a long line as many, each of which has a frame of its own.
    let counted = lines.frames.as_ref().map_or(0, |frames| frames.begun);
    let mut excerpt = lines.reducer.finish();
    excerpt.cut |= excerpt.read_lines.max(counted) >= tail as u64;
    Ok((excerpt, whole))
}

/// Takes a log's bytes apart, wherever the pieces end.
struct Lines {
    reducer: Reducer,
    /// `None` where the log is the raw stream of a terminal.
    frames: Option<Frames>,
}

#[derive(Default)]
struct Frames {
    header: Vec<u8>,
    /// How much of the present frame is still to come.
    left: usize,
    stream: u8,
    /// The stream whose line has not ended yet.
    open: Option<u8>,
    /// How many frames there were so far.
    begun: u64,
}

const HEADER_BYTES: usize = 8;

impl Lines {
    fn new(framed: bool) -> Lines {
        Lines { reducer: Reducer::default(), frames: framed.then(Frames::default) }
    }

    /// What follows comes from another place of the log.
    fn begin_anew(&mut self) {
        self.reducer.feed(b"\n");
        if let Some(frames) = &mut self.frames {
            *frames = Frames::default();
        }
    }

    fn take(&mut self, mut piece: &[u8]) {
        let Some(frames) = &mut self.frames else { return self.reducer.feed(piece) };
        while !piece.is_empty() {
            if frames.left == 0 {
                let (header, rest) = piece.split_at(piece.len().min(HEADER_BYTES - frames.header.len()));
                frames.header.extend_from_slice(header);
                piece = rest;
                if let [stream, _, _, _, a, b, c, d] = *frames.header {
                    frames.stream = stream;
                    frames.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    frames.header.clear();
                    frames.begun += 1;
                }
                continue;
            }
            let (text, rest) = piece.split_at(piece.len().min(frames.left));
            frames.left -= text.len();
            piece = rest;
            // The other stream speaks up in the middle of a long line: its words are a line of their own.
            if frames.open.is_some_and(|open| open != frames.stream) {
                self.reducer.feed(b"\n");
            }
            self.reducer.feed(text);
            frames.open = (!text.ends_with(b"\n")).then_some(frames.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], text.as_bytes()].concat()
    }

    fn texts(log: &[u8], framed: bool, size: usize) -> Vec<String> {
        let mut lines = Lines::new(framed);
        log.chunks(size).for_each(|piece| lines.take(piece));
        lines.reducer.finish().lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn frames_are_taken_apart_wherever_the_pieces_end() {
        let log = [
            frame(1, "one\n"),
            frame(2, "error: long"),
            frame(1, ""),
            frame(2, "er\n"),
            frame(1, "half"),
            frame(2, "two\n"),
        ];
        let log = log.concat();
        for size in 1..=log.len() {
            assert_eq!(texts(&log, true, size), ["error: longer", "half", "two"], "pieces of {size}");
        }
    }

    #[test]
    fn a_terminals_log_is_raw_and_may_look_like_a_frame() {
        assert_eq!(
            texts(b"\x01\0\0\0\xff\xff\xff\xff\r\nbye", false, 3),
            ["\\x01\\x00\\x00\\x00\\xff\\xff\\xff\\xff", "bye"]
        );
    }

    #[test]
    fn a_lying_frame_ends_with_the_log() {
        assert_eq!(texts(&[1, 0, 0, 0, 255, 255, 255, 255, b'x'], true, 4), ["x"]);
    }

    #[test]
    fn what_stands_at_two_places_of_a_log_is_not_taken_for_one_line() {
        let mut lines = Lines::new(true);
        lines.take(&frame(2, "error: no licence"));
        lines.take(&frame(1, "cut off here")[..11]);
        lines.begin_anew();
        lines.take(&frame(1, "closed in order\n"));
        let read: Vec<_> = lines.reducer.finish().lines.into_iter().map(|line| line.text).collect();
        assert_eq!(read, ["error: no licence", "cut", "closed in order"]);
    }

    #[test]
    fn only_what_ended_soon_ended_by_what_it_said_first() {
        let state = |started: &str, finished: &str| wire::State {
            started_at: Some(format!("2026-11-30T{started}Z")),
            finished_at: Some(format!("2026-11-30T{finished}Z")),
            ..wire::State::default()
        };
        let table = [
            ("it ended after some seconds", state("10:00:00", "10:00:09"), true),
            ("it ran for an hour", state("10:00:00", "11:00:00"), false),
            ("it runs, and ended before", state("10:00:00", "09:59:58"), false),
            ("it never ran", wire::State::default(), false),
        ];
        for (name, state, expect) in table {
            assert_eq!(ended_soon(&state), expect, "{name}");
        }
    }
}
