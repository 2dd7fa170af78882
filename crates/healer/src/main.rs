//! The program: configuration, command line, and the wiring of what the other crates do.
//!
//! ```text
//! cli ─▶ commands ─┬─ run ───────▶ config ─▶ daemon
//!                  ├─ looking ───▶ source: live (the socket) or offline (the journal) ─▶ render
//!                  └─ asking ────▶ live ─▶ render
//! ```

mod backup;
mod cli;
mod commands;
mod config;
mod daemon;
mod demo;
mod doctor;
mod install;
mod live;
mod offline;
mod render;
mod simulate;
mod source;
mod volumes;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    commands::run(cli::Cli::parse())
}
