//! Eyes and hands on Docker Engine and Compose.
//!
//! ```text
//! Endpoint ── where the engine is
//!     │
//!   Host ──── what eyes and hands share: the negotiated connection, the clock, who is who
//!   ├─ Eyes ── events, looks and listings → model::input::Input
//!   └─ Hands ─ look, read a log, start, stop
//! Mounts ─── what this machine shall have mounted, and has not
//! folders, Compose ── deployments by directory, and the program that makes their containers
//! ```
//!
//! The quirks of the engine stay in here: outside there are only typed facts. Whatever a container's owner can write
//! (names, labels, logs, error messages) is hostile: it is bounded and escaped before it leaves.

mod absent;
mod activation;
mod claim;
mod command;
mod compose;
mod definition;
mod endpoint;
mod error;
mod eyes;
mod hands;
mod happening;
mod holder;
mod host;
mod http;
mod kept;
mod log;
mod look;
mod mounts;
mod networks;
mod own;
mod part;
mod registry;
mod start;
mod start_error;
mod update;
mod wire;

pub use compose::{Stamps, compose_versions, folder_stamps, folders};
pub use endpoint::Endpoint;
pub use error::Error;
pub use eyes::{Eyes, Overflow};
pub use hands::Hands;
pub use host::{API_VERSION_MAX, API_VERSION_MIN, Host};
pub use mounts::Mounts;
