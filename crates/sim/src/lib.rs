//! A simulated engine, people and faults around the real runtime.
