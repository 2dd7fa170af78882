//! Channels: how a message leaves the house.
//!
//! ```text
//! configuration ─▶ channel::Config ─▶ Channel::open ─▶ deliver(&Parcel, link) ─▶ Receipt
//! ```
//!
//! A channel tries once and reports. When to try again, and when to give up, the engine decides: the outbox is part of
//! its journal.

pub mod channel;
mod error;
mod secret;

pub use channel::Channel;
pub use error::Error;
