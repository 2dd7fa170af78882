//! Case files: what the outside said, made safe to keep, to show and to send.
//!
//! Everything that a log, a label or an error message says was written by somebody else, perhaps by somebody hostile. It
//! passes through here before it is kept: [`escape()`] takes its power over a terminal, [`redact()`] its secrets, and
//! [`Reducer`] its bulk. Pure: no I/O, no clock.
//!
//! No regular expressions: every rule here looks at whole words and at their neighbours ("0 errors", `error=null`,
//! "tokenizer"), which look-around-free expressions cannot say, and a hand-written scan stays linear on hostile input.

mod complaint;
mod escape;
mod redact;
mod reduce;
mod telling;
mod template;

pub use escape::{escape, escape_bytes, html};
pub use redact::{MASK, redact};
pub use reduce::{LINE_BYTES_MAX, LINES_MAX, Reducer, reduce};
