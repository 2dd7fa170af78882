//! What can go wrong between healer and an engine, by what its reader does differently.

/// An error of the engine, or on the way to it. Its text is bounded and escaped, and names the remedy where there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration asks for what healer cannot do; trying again does not help.
    #[error("{0}")]
    Unsupported(String),
    /// Nobody is there: the engine's own socket is absent, or nobody listens on it.
    #[error("{0}")]
    Down(String),
    /// The engine cannot be reached; nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The engine and healer have no version of the API in common.
    #[error("{0}")]
    Unfit(String),
    /// The request was sent, and nobody knows what became of it.
    #[error("the engine gave no answer: {0}")]
    Lost(String),
    /// The engine does not know the container.
    #[error("the engine knows no such container")]
    NotFound,
    /// The engine refused.
    #[error("the engine answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The engine said what cannot be understood.
    #[error("the engine's answer makes no sense: {0}")]
    Nonsense(String),
}

impl Error {
    /// Whether the same may succeed later without anybody changing the configuration.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Error::Unsupported(_) | Error::NotFound => false,
            Error::Down(_)
            | Error::Unreachable(_)
            | Error::Unfit(_)
            | Error::Lost(_)
            | Error::Refused { .. }
            | Error::Nonsense(_) => true,
        }
    }
}
