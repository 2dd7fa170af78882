//! A simulated engine, people and faults around the real runtime: the proof that the engine's promises hold.
//!
//! ```text
//! seed ─▶ World: agenda of happenings, in virtual time
//!           docker  ── events, looks ──▶ eyes ──▶ runtime::Loop ──▶ disk (faulty)
//!             ▲                                       │
//!             └──── acts ──── hands ◀── permits ──────┘        people, faults ─▶ all of them
//!         Check: after every step what must never be; after the calm what must have come
//! ```
//!
//! One seed makes one world, always the same. Planted faults, each of which must be found, show that the checks bite.

mod campaign;
mod check;
mod compose;
mod counts;
mod disk;
mod docker;
mod eyes;
#[cfg(feature = "faults")]
mod faults;
mod fetches;
mod hands;
mod healer;
mod images;
mod mounts;
mod people;
mod rng;
mod settled;
pub mod table;
mod truth;
mod world;

pub use campaign::{Report, campaign};
pub use counts::{Counts, UNREACHED};
#[cfg(feature = "faults")]
pub use faults::{Found, Planted, hunt, hunt_all, planted};

/// What a world is played with.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Faults planted in the engine.
    #[cfg(feature = "faults")]
    pub engine: engine::Faults,
    /// Faults planted in the last question before an act.
    #[cfg(feature = "faults")]
    pub gate: runtime::GateFaults,
    /// Faults planted in the loop.
    #[cfg(feature = "faults")]
    pub turn: runtime::LoopFaults,
    /// Every world of so many keeps its journal as bytes with hashes, and recovers from those.
    pub bytes_every: u64,
    /// Whether people also push and fetch images, follow links and put one container beside another. Without, a seed makes
    /// the world that it made before they did.
    pub all_deeds: bool,
    /// Is told what happens: virtual milliseconds, and in words.
    pub trace: Option<fn(u64, &str)>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            #[cfg(feature = "faults")]
            engine: engine::Faults::default(),
            #[cfg(feature = "faults")]
            gate: runtime::GateFaults::default(),
            #[cfg(feature = "faults")]
            turn: runtime::LoopFaults::default(),
            bytes_every: 32,
            all_deeds: true,
            trace: None,
        }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// In which world.
    pub seed: u64,
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// Which promise.
    pub rule: &'static str,
    /// By what.
    pub says: String,
}

/// What came of a world.
#[derive(Debug, Clone)]
#[must_use]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The first promise that was broken, if one was.
    pub broken: Option<Broken>,
    /// What was reached.
    pub counts: Counts,
    /// Steps of loops.
    pub steps: u64,
    /// Entries of its journal.
    pub entries: u64,
}

/// Plays one world.
pub fn run(seed: u64, plan: &Plan) -> Outcome {
    world::World::new(seed, plan).play(seed)
}
