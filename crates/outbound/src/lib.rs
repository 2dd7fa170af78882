//! One HTTP client policy: auth, TLS, timeouts, limits.
