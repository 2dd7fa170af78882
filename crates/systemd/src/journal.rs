//! What the journal has of a unit, read by `journalctl`.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::Error;

const READ_WITHIN: Duration = Duration::from_secs(10);
/// So many of the last lines are read.
const LINES_MAX: usize = 20_000;
/// What of systemd's own says that somebody had a signal sent: `systemctl kill`.
const SIGNALLED: &str = "unit_kill_common";

/// The lines of a unit, its own and systemd's of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// One line each, oldest first.
    pub text: Vec<u8>,
    /// There was more before.
    pub cut: bool,
}

impl Log {
    /// Reads what was written since a moment, in microseconds since the epoch.
    ///
    /// # Errors
    /// When there is no journal, or it may not be read.
    pub async fn read(unit: &str, since_us: u64) -> Result<Log, Error> {
        let text = journalctl(unit, since_us, &["--output=cat"]).await?;
        let cut = text.iter().filter(|byte| **byte == b'\n').count() >= LINES_MAX;
        Ok(Log { text, cut })
    }
}

/// Whether somebody had systemd send a signal to a unit since a moment, as `systemctl kill` does.
///
/// # Errors
/// When there is no journal, or it may not be read.
pub async fn was_signalled_on_request(unit: &str, since_us: u64) -> Result<bool, Error> {
    let lines = journalctl(unit, since_us, &["--output=json", "--output-fields=CODE_FUNC,_PID"]).await?;
    let by_request = |line: &[u8]| {
        let Ok(line) = serde_json::from_slice::<Value>(line) else { return false };
        // Anybody may write such a line; only systemd is process 1.
        line["CODE_FUNC"] == SIGNALLED && line["_PID"] == "1"
    };
    Ok(lines.split(|byte| *byte == b'\n').any(by_request))
}

async fn journalctl(unit: &str, since_us: u64, how: &[&str]) -> Result<Vec<u8>, Error> {
    let mut command = Command::new("journalctl");
    command.arg(format!("--unit={unit}")).arg(format!("--since=@{}.{:06}", since_us / 1_000_000, since_us % 1_000_000));
    command.arg(format!("--lines={LINES_MAX}")).args(["--no-pager", "--quiet"]).args(how);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let lost = |says: String| Error::Lost(format!("journalctl: {says}"));
    let read = timeout(READ_WITHIN, command.output()).await.map_err(|_| lost("it takes too long".to_owned()))?;
    let read = read.map_err(|error| lost(error.to_string()))?;
    if !read.status.success() {
        return Err(lost(String::from_utf8_lossy(&read.stderr).trim().to_owned()));
    }
    Ok(read.stdout)
}
