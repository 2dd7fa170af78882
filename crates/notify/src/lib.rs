//! Channels: how a message leaves the house.
