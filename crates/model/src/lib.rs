//! The nouns of healer: what is seen, wanted, wrong, planned, allowed, done and told.
//!
//! Nothing here reads a clock, a file or a socket. Everything that is kept in the journal is defined here, so a
//! change to a type in this crate is a change to the format of the journal (see `event`).

pub mod action;
pub mod alert;
pub mod command;
pub mod complaint;
pub mod disk;
pub mod event;
pub mod fact;
pub mod folder;
pub mod incident;
pub mod input;
pub mod intent;
pub mod make;
pub mod message;
pub mod network;
pub mod policy;
pub mod probe;
pub mod recovery;
pub mod resource;
pub mod settings;
pub mod sibling;
pub mod size;
pub mod suggestion;
pub mod time;
pub mod update;
pub mod verdict;
pub mod view;

pub use resource::ResourceId;
pub use time::{Now, Tick, Wall};
