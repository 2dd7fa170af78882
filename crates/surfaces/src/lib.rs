//! The HTTP API and the socket: what people and programs see of healer, and how they speak to it.
//!
//! ```text
//! TCP, read-only ─┐   guard (Host, Origin, method, time)   ┌─ questions ─▶ the loop, answered between two steps
//!                 ├──▶ routes ─────────────────────────────┼─ pages ─────▶ the journal, read beside the loop
//! healer.sock ────┘   (with who asks)                      └─ commands ──▶ the loop
//! ```
//!
//! TCP is for reading alone: every local user and every page in a local browser reaches loopback. Commands come over the
//! unix socket, where the kernel says who asks. One thing can be decided over TCP: the question that a message put, by whom
//! the message reached, since its link carries the right to (see [`link`]).

mod answer;
pub mod client;
mod error;
mod guard;
mod house;
pub mod link;
mod metrics;
mod mind;
mod page;
mod query;
mod router;
mod routes;
pub mod schema;
mod server;
mod shared;
mod socket;
pub mod story;

pub use answer::Items;
pub use error::Error;
pub use house::House;
pub use router::document;
pub use server::{Waiting, serve, serve_socket, serve_waiting};
pub use socket::{SOCKET_FILE, Socket, answers};

#[cfg(test)]
mod tests;
