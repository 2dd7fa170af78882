//! The loop: take what waits, decide once, commit, and only then perform.
//!
//! ```text
//! sources, people, performers ──▶ inbox ──▶ step: absorb · decide ──▶ journal (one transaction) ──▶ performers
//!                                                                                └──▶ gate (what performers re-read)
//! ```
//!
//! [`Loop`] is synchronous and takes the time as an argument, so that the simulator runs this very code under a clock of
//! its own; [`drive`] gives it a thread and the real clocks, so that a decision passes no task before it is durable.

mod clock;
mod drive;
mod gate;
mod handle;
mod inbox;
mod turn;

pub use clock::Clock;
pub use drive::{Driver, Inbox, drive, inbox};
pub use gate::{Faults as GateFaults, Gate, Withdrawn};
pub use handle::{Closed, Handle, Overflow};
pub use turn::{Folded, Loop, LoopFaults, Stepped, fold, snapshot};

use model::input::Effect;

/// Whoever does what was decided. Never waits: an answer comes back as an input.
pub trait Perform {
    /// Begins to do it.
    fn perform(&mut self, effect: Effect);
}
