//! The HTTP API and the socket.
