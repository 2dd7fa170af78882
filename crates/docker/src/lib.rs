//! Eyes and hands on Docker Engine and Compose.
