//! A container's log, read to the few lines that matter.
//!
//! With a terminal the log is the raw stream; without one it comes in frames, `[stream, 0, 0, 0, length as u32]` and then
//! the bytes, and a long line in several frames.

use std::time::Duration;

use evidence::Reducer;
use model::fact::{Incarnation, SourceTime};
use model::incident::Excerpt;

use crate::error::Error;
use crate::host::Host;
use crate::wire;

/// How many of the last lines are asked for; fewer, where so many are longer than what is read.
const TAILS: [usize; 4] = [2_000, 100, 5, 1];
/// How much of a log is read, in bytes. A line may have 10 MB of which only the beginning is kept: what comes after it is
/// to be read all the same.
const READ_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long the whole reading may take.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// A process runs, and may write, a moment before the engine notes its start.
const BEFORE_START: i64 = 250_000_000;

/// The lines that matter of what a container wrote since its last start.
pub(crate) async fn read(host: &Host, id: &Incarnation) -> Result<Excerpt, Error> {
    tokio::time::timeout(READ_WITHIN, reduced(host, id))
        .await
        .unwrap_or_else(|_| Err(Error::Lost(format!("its log within {} s", READ_WITHIN.as_secs()))))
}

async fn reduced(host: &Host, id: &Incarnation) -> Result<Excerpt, Error> {
    let inspect = host.inspect(id).await?;
    let Some(started) = wire::time(inspect.state.started_at.as_deref()) else { return Ok(Excerpt::default()) };
    let since = SourceTime(started.0.saturating_sub(BEFORE_START));
    let framed = !inspect.config.tty.unwrap_or(false);
    let mut shortest = Excerpt::default();
    for tail in TAILS {
        let (excerpt, whole) = read_tail(host, id, since, tail, framed).await?;
        if whole {
            return Ok(excerpt);
        }
        shortest = excerpt;
    }
    Ok(shortest)
}

/// The excerpt of the last `tail` lines, and whether all of them were read.
async fn read_tail(
    host: &Host,
    id: &Incarnation,
    since: SourceTime,
    tail: usize,
    framed: bool,
) -> Result<(Excerpt, bool), Error> {
    let mut reply = host.log(id, since, tail).await?;
    let mut lines = Lines { reducer: Reducer::default(), frames: framed.then(Frames::default) };
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
    let mut excerpt = lines.reducer.finish();
    excerpt.cut |= excerpt.read_lines >= tail as u64;
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
}

const HEADER_BYTES: usize = 8;

impl Lines {
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
        let mut lines = Lines { reducer: Reducer::default(), frames: framed.then(Frames::default) };
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
}
