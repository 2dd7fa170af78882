//! An engine behind systemd's socket activation must not be woken: one connection starts it, and it then starts what its
//! owner stopped (facts/intent.md, 0.3). And its socket stays while it stops, so the file says nothing about that.
//!
//! Asked only for the system's own socket on a host that runs systemd. Within a container systemd cannot be asked; there
//! the socket itself has to answer.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::endpoint::Endpoint;

/// How long systemd may take to answer. It is asked after signals and stops: a host that is so slow shall not be asked
/// more and more.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How the engine's unit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unit {
    /// The engine is not started by its socket, or there is nobody to ask.
    NotActivated,
    /// systemd was asked, and did not answer in time. That says nothing about the engine.
    Untold,
    /// It runs, or is about to.
    Up,
    /// Connecting would start it, or it is on its way down; systemd's word for its state.
    Down(String),
}

/// How the unit behind `endpoint` stands.
pub(crate) async fn unit(endpoint: &Endpoint) -> Unit {
    let Endpoint::Unix(path) = endpoint else { return Unit::NotActivated };
    let of_system = [Path::new("/var/run/docker.sock"), Path::new("/run/docker.sock")].contains(&path.as_path());
    if !of_system || !Path::new("/run/systemd/system").exists() {
        return Unit::NotActivated;
    }
    ask(Command::new("systemctl").args(["show", "--property=Id,ActiveState", "docker.socket", "docker.service"])).await
}

/// Puts the question. It ends with its asker, or when its time is over.
async fn ask(command: &mut Command) -> Unit {
    let asked = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(output)) => judge(&String::from_utf8_lossy(&output.stdout)),
        Ok(Err(_)) => Unit::NotActivated,
        Err(_) => Unit::Untold,
    }
}

fn judge(shown: &str) -> Unit {
    let state_of = |id: &str| {
        shown
            .split("\n\n")
            .find(|block| block.lines().any(|line| line == format!("Id={id}")))
            .and_then(|block| block.lines().find_map(|line| line.strip_prefix("ActiveState=")).map(str::to_owned))
    };
    match (state_of("docker.socket").as_deref(), state_of("docker.service")) {
        (Some("active"), Some(state)) => match state.as_str() {
            "active" | "activating" | "reloading" | "refreshing" => Unit::Up,
            _ => Unit::Down(state),
        },
        (Some(_) | None, _) => Unit::NotActivated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_systemd_that_does_not_answer_says_nothing_about_the_engine() {
        let asked = std::time::Instant::now();
        assert_eq!(ask(Command::new("sleep").arg("60")).await, Unit::Untold);
        assert!(asked.elapsed() < ANSWER_WITHIN * 2, "{:?}", asked.elapsed());
        assert_eq!(ask(&mut Command::new("no-such-program-as-this")).await, Unit::NotActivated);
        let says = "printf 'Id=docker.socket\\nActiveState=active\\n\\nId=docker.service\\nActiveState=failed\\n'";
        assert_eq!(ask(Command::new("sh").args(["-c", says])).await, Unit::Down("failed".to_owned()));
    }

    #[test]
    fn an_engine_that_its_owner_stopped_is_not_woken() {
        let shown = |socket: &str, service: &str| {
            format!("Id=docker.socket\nActiveState={socket}\n\nActiveState={service}\nId=docker.service\n")
        };
        let table = [
            (shown("active", "active"), Unit::Up),
            (shown("active", "activating"), Unit::Up),
            (shown("active", "inactive"), Unit::Down("inactive".to_owned())),
            (shown("active", "failed"), Unit::Down("failed".to_owned())),
            (shown("active", "deactivating"), Unit::Down("deactivating".to_owned())),
            (shown("inactive", "active"), Unit::NotActivated),
            (String::new(), Unit::NotActivated),
        ];
        for (shown, expect) in table {
            assert_eq!(judge(&shown), expect, "{shown}");
        }
    }
}
