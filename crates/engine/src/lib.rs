//! Decides everything, does nothing. Pure.
