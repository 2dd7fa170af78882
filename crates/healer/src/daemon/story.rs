//! What the daemon says on its error stream: `HEALER_LOG` sets what (as `info`, `warn`, `docker=debug`), `HEALER_LOG_FORMAT=json`
//! makes each line an object.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Without a word in the environment: changes of state.
const USUAL: &str = "info";

/// Begins to speak.
pub(crate) fn begin() {
    let filter = EnvFilter::try_from_env("HEALER_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let json = std::env::var("HEALER_LOG_FORMAT").is_ok_and(|format| format == "json");
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let speaking = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call, as in a test, keeps what speaks already.
    let _ = if json { speaking.json().try_init() } else { speaking.with_ansi(colour).compact().try_init() };
}
