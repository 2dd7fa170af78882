//! Whole incidents, told as scripts in the users' words, with golden transcripts: what was decided, when, and what was
//! done. Each story drives the engine as `runtime` does, under a clock of its own, around containers that behave
//! as a real engine's were measured to behave (facts of Docker in the manual of the intent ledger).
#![expect(clippy::unwrap_used, reason = "a story stops at the first surprise")]

mod story;

mod attacks;
mod bounds;
mod comes_back;
mod crossings;
mod dependencies;
mod deploys;
mod engines;
mod excludes;
mod folders;
mod groups;
mod heals;
mod links;
mod mounts;
mod networks;
mod persons;
mod plans;
mod ports;
mod recovers;
mod refolds;
mod respects;
mod shapes;
mod tells;
mod updates;
