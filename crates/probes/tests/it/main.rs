//! Probes against what they are for: servers from the distribution, each started by its test, on ports of its own on
//! loopback, and ended by its id. Where one is not installed its tests say so and are skipped.
#![expect(clippy::unwrap_used, reason = "these are tests, with helpers beside them")]
#![expect(clippy::print_stdout, reason = "a skip is said")]

mod dns;
mod http;
mod plain;
mod postgres;
mod rabbitmq;
mod redis;
mod rig;
mod schedule;
mod tls;
