//! The loop: commit, then perform.
