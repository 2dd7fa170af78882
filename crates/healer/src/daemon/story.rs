//! What the daemon says on its error stream: `HEALER_LOG` sets what (as `info`, `warn`, `docker=debug`), `HEALER_LOG_FORMAT=json`
//! makes each line an object.

use std::io::IsTerminal as _;

use jiff::Zoned;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Without a word in the environment: changes of state.
const USUAL: &str = "info";

/// The time of day, as a person at the terminal reads it.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", Zoned::now().strftime("%H:%M:%S%.3f"))
    }
}

/// Begins to speak.
pub(crate) fn begin() {
    let filter = EnvFilter::try_from_env("HEALER_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let json = std::env::var("HEALER_LOG_FORMAT").is_ok_and(|format| format == "json");
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let speaking = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let person = std::io::stderr().is_terminal();
    // A second call, as in a test, keeps what speaks already.
    let _ = match (json, person) {
        (true, _) => speaking.json().try_init(),
        (false, true) => speaking.with_ansi(colour).with_timer(TimeOfDay).compact().try_init(),
        (false, false) => speaking.with_ansi(false).compact().try_init(),
    };
}
