//! `healer install`: healer as a service of this host, or the words with which it runs in a container.
//!
//! The unit is ordered after the engine and wants nothing of it: to connect to a socket-activated engine that somebody
//! stopped would start it, and it starts what was stopped. Ordered so, healer also ends first when the host goes down, and
//! starts nothing in a dying host. Only the main process is killed at its end: what it called may finish.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::cli::{As, Install};

const UNIT: &str = include_str!("install/healer.service");
const COMPOSE: &str = include_str!("install/docker-compose.yml");
const CONTAINER: &str = include_str!("install/container.txt");

const BINARY_PATH: &str = "usr/local/bin/healer";
const UNIT_PATH: &str = "etc/systemd/system/healer.service";
/// The first words of every unit that was written by this command, and may be written anew by it.
const MARK: &str = "# Written by `healer install`";
/// There if systemd is process 1.
const SYSTEMD_RUNS: &str = "/run/systemd/system";

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Installed {
    /// The files that were written.
    wrote: Vec<PathBuf>,
    /// What to print, or to do next, a line each.
    pub(crate) says: Vec<String>,
}

/// Does what was asked, or says in one sentence why it cannot and what to do about it.
pub(crate) fn install(args: &Install) -> Result<Installed, String> {
    let printed = |text: &str| Installed { wrote: Vec::new(), says: text.lines().map(str::to_owned).collect() };
    match args.r#as {
        As::Container => Ok(printed(CONTAINER)),
        As::Compose => Ok(printed(COMPOSE)),
        As::Systemd if args.print => Ok(printed(UNIT)),
        As::Systemd => as_service(&args.root),
    }
}

fn as_service(root: &Path) -> Result<Installed, String> {
    let (binary, unit) = (root.join(BINARY_PATH), root.join(UNIT_PATH));
    let own = std::env::current_exe().map_err(|error| format!("healer cannot tell where its own file is: {error}"))?;
    if let Ok(before) = fs::read_to_string(&unit)
        && !before.starts_with(MARK)
    {
        return Err(format!(
            "{} was not written by `healer install`, and is left alone: move it away, or print the unit with `healer \
             install --print`",
            unit.display()
        ));
    }
    let mut wrote = Vec::new();
    let same = fs::canonicalize(&binary).is_ok_and(|there| fs::canonicalize(&own).is_ok_and(|own| own == there));
    if !same {
        let program = fs::read(&own).map_err(|error| format!("{} cannot be read: {error}", own.display()))?;
        put(&binary, &program, 0o755)?;
        wrote.push(binary);
    }
    put(&unit, UNIT.as_bytes(), 0o644)?;
    wrote.push(unit);
    let mut says: Vec<String> = wrote.iter().map(|path| format!("wrote {}", path.display())).collect();
    says.extend(begin(root));
    says.push("healer status          how everything stands".to_owned());
    says.push("journalctl -u healer   what it says".to_owned());
    says.push(
        "systemctl edit healer  for changes of the unit: the file itself is written anew by the next install"
            .to_owned(),
    );
    Ok(Installed { wrote, says })
}

/// Has the service started, where systemd runs and this is its own host; else says what to do.
fn begin(root: &Path) -> Vec<String> {
    const STEPS: [&[&str]; 3] = [&["daemon-reload"], &["enable", "healer.service"], &["restart", "healer.service"]];
    let by_hand = || STEPS.iter().map(|step| format!("next: systemctl {}", step.join(" "))).collect();
    if root != Path::new("/") || !Path::new(SYSTEMD_RUNS).exists() {
        return by_hand();
    }
    let done = |step: &[&str]| Command::new("systemctl").args(step).status().is_ok_and(|status| status.success());
    match STEPS.iter().find(|step| !done(step)) {
        None => vec!["started: it runs from here on, and after every boot".to_owned()],
        Some(failed) => {
            let mut says = vec![format!("`systemctl {}` failed", failed.join(" "))];
            says.extend(by_hand());
            says
        }
    }
}

/// Writes a whole file in the place of another, which goes on being what runs from it.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), String> {
    let written = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let new = path.with_extension("new");
        fs::write(&new, content)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
        fs::rename(&new, path)
    };
    written().map_err(|error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let remedy = if denied { ": run it as root, or see `healer install --print`" } else { "" };
        format!("{} cannot be written ({error}){remedy}", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(root: &Path) -> Install {
        Install { r#as: As::Systemd, print: false, root: root.to_owned() }
    }

    #[test]
    fn the_unit_and_the_program_are_put_in_place_and_anew_by_the_next_version() {
        let root = tempfile::tempdir().unwrap();
        let first = install(&asked(root.path())).unwrap();
        assert_eq!(first.wrote, [root.path().join(BINARY_PATH), root.path().join(UNIT_PATH)]);
        assert!(first.says.iter().any(|line| line == "next: systemctl enable healer.service"), "{first:?}");
        let mode = fs::metadata(&first.wrote[0]).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o755);
        fs::write(&first.wrote[1], format!("{MARK}, an older one\n")).unwrap();
        assert!(install(&asked(root.path())).is_ok());
        assert_eq!(fs::read_to_string(&first.wrote[1]).unwrap(), UNIT);
    }

    #[test]
    fn a_unit_of_somebody_elses_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let unit = root.path().join(UNIT_PATH);
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        fs::write(&unit, "[Service]\n").unwrap();
        let refused = install(&asked(root.path())).unwrap_err();
        assert!(refused.contains("is left alone"), "{refused}");
        assert!(!root.path().join(BINARY_PATH).exists(), "nothing was touched");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_with_the_remedy() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("etc"), "").unwrap();
        let refused = install(&asked(root.path())).unwrap_err();
        assert!(refused.contains("etc/systemd/system/healer.service cannot be written ("), "{refused}");
    }

    #[test]
    fn the_unit_waits_for_the_engine_and_wakes_it_never() {
        let lines: Vec<&str> = UNIT.lines().map(str::trim).collect();
        assert!(lines[0].starts_with(MARK));
        for line in ["After=docker.service network.target", "KillMode=process", "Type=notify", "Restart=always"] {
            assert!(lines.contains(&line), "{line}");
        }
        let pulls = |line: &&&str| {
            let key = line.split('=').next().unwrap_or_default();
            ["Wants", "Requires", "BindsTo", "PartOf", "Requisite", "Upholds"].contains(&key)
        };
        assert_eq!(lines.iter().filter(pulls).count(), 0);
    }
}
