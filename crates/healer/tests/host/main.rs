//! healer on a machine without any engine: programs that it runs, judged by the processes that there are, by its output and
//! its exit codes.

#![expect(clippy::print_stderr, reason = "the log of a failed test is told to whoever runs the tests")]

mod demo;
mod disks;
mod house;
mod probes;
mod programs;
mod survives;
mod units;
