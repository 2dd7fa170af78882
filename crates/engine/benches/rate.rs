//! The engine beside its limits.
fn main() {}
