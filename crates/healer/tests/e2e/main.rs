//! healer from outside: the compiled program beside a real Docker Engine, judged by what anybody could see — its output,
//! its exit codes, its API, the messages that it sends, and what the engine says of the containers.
//!
//! `cargo xtask test` brings the engine. Without one (`HEALER_TEST_DOCKER_HOST`) each test says that it was skipped.
//! The engines are taken to be the tests' own: each test begins by removing every container on one, which serves one test at a
//! time.

#![expect(clippy::print_stderr, reason = "a skip, and the log of a failed test, are told to whoever runs the tests")]

mod alone;
mod browser;
mod comes_back;
mod commands;
mod configuration;
mod daemon;
mod deploys;
mod docker;
mod engines;
mod far;
mod folders;
mod heals;
mod hook;
mod kills;
mod limits;
mod links;
mod mail;
mod mounts;
mod networks;
mod outages;
mod plans;
mod power;
mod respects;
mod rig;
mod surfaces;
mod systemd;
mod table;
mod updates;
