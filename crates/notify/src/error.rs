//! Why a channel cannot be opened: each is a mistake in the configuration, and says what to change.

use std::path::PathBuf;

/// Why a channel cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key's value is wrong.
    #[error("channel {channel}: {key}: {why}")]
    Setting {
        /// The channel's name.
        channel: String,
        /// The key within the channel.
        key: &'static str,
        /// What is wrong with it, with the remedy; never the value of a secret.
        why: String,
    },
    /// A file that holds a secret cannot be used.
    #[error("channel {channel}: {key} {}: {why}", path.display())]
    SecretFile {
        /// The channel's name.
        channel: String,
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the remedy.
        why: String,
    },
}
