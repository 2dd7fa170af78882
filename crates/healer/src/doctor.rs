//! `healer doctor`: what hinders healer on this machine, each with the remedy. It looks and asks, and changes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker::{Endpoint, Host};
use host::{Named, Program};
use model::view::Status;
use rustix::fs::{Access, statvfs};
use serde::Serialize;

use crate::config::{self, Config, DockerHost, Flags};
use crate::live::Daemon;
use crate::source::{self, Trouble};

/// The journal keeps 16 MiB in reserve; with less than this it soon has none.
const ROOM_BYTES_MIN: u64 = 64 * 1024 * 1024;
const ENGINE_WITHIN: Duration = Duration::from_secs(10);

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Nothing is in the way.
    Well,
    /// healer works, and something should be known.
    Look,
    /// It keeps healer from its work.
    Hinders,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) about: String,
    pub(crate) verdict: Verdict,
    /// With the remedy, where there is something to be done.
    pub(crate) says: String,
}

fn found(about: &str, verdict: Verdict, says: impl Into<String>) -> Found {
    Found { about: about.to_owned(), verdict, says: says.into() }
}

/// Looks at everything. Without a configuration that can be read, at that alone.
pub(crate) fn examine(flags: &Flags) -> Vec<Found> {
    let config = match config::load_to_run(flags) {
        Ok(config) => config,
        Err(wrong) => {
            let errors = wrong.errors.iter().map(|error| found("configuration", Verdict::Hinders, error.to_string()));
            return errors.collect();
        }
    };
    let file = config
        .file
        .as_ref()
        .map_or("no file: everything has its default".to_owned(), |file| format!("{} is right", file.display()));
    let mut all = vec![found("configuration", Verdict::Well, file)];
    all.extend(config.warnings.iter().map(|warning| found("configuration", Verdict::Look, warning.to_string())));
    let state_dir = source::state_dir(&config);
    all.push(state_folder(&state_dir));
    all.push(room(&state_dir));
    all.extend(daemon(&state_dir));
    all.extend(config.docker_hosts.iter().map(engine));
    if !config.docker_hosts.is_empty() {
        all.push(compose());
    }
    all.extend(config.here.programs.iter().map(program));
    all.extend(units(&config.here.units));
    all.push(channels(&config));
    all
}

fn state_folder(folder: &Path) -> Found {
    const ABOUT: &str = "state folder";
    let shown = folder.display();
    let nearest = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let writable = rustix::fs::access(nearest, Access::WRITE_OK | Access::EXEC_OK);
    match (writable, nearest == folder) {
        (Ok(()), true) => found(ABOUT, Verdict::Well, format!("{shown} can be written")),
        (Ok(()), false) => found(ABOUT, Verdict::Well, format!("{shown} is not there yet, and can be made")),
        (Err(error), _) => found(
            ABOUT,
            Verdict::Hinders,
            format!(
                "{} cannot be written ({error}): run healer as its owner, or set `state_dir` to another",
                nearest.display()
            ),
        ),
    }
}

fn room(folder: &Path) -> Found {
    const ABOUT: &str = "disk";
    let nearest = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match statvfs(nearest) {
        Ok(disk) => {
            let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
            let free = model::size::Bytes(free_bytes);
            if free_bytes < ROOM_BYTES_MIN {
                let says = format!("{free} are free where the journal is: without room healer only watches, make some");
                found(ABOUT, Verdict::Hinders, says)
            } else {
                found(ABOUT, Verdict::Well, format!("{free} are free where the journal is"))
            }
        }
        Err(error) => found(ABOUT, Verdict::Look, format!("nobody tells how much is free there: {error}")),
    }
}

/// Whether healer runs, and what it says of itself.
fn daemon(state_dir: &Path) -> Vec<Found> {
    const ABOUT: &str = "healer";
    match Daemon::connect(state_dir).and_then(|daemon| daemon.status()) {
        Ok(status) => of_the_running(&status),
        Err(Trouble::NotRunning(_)) => {
            let says = "does not run: `healer run` in a terminal, or `sudo healer install` to have it run always";
            vec![found(ABOUT, Verdict::Look, says)]
        }
        Err(Trouble::Failed(why)) => vec![found(ABOUT, Verdict::Hinders, why)],
    }
}

fn of_the_running(status: &Status) -> Vec<Found> {
    const ABOUT: &str = "healer";
    let mut all = vec![found(ABOUT, Verdict::Well, format!("runs, version {}", status.version))];
    all.extend(status.warnings.iter().map(|warning| found(ABOUT, Verdict::Look, warning.clone())));
    let ill = status.sources.iter().filter(|source| !source.well);
    all.extend(ill.map(|source| found(&source.name, Verdict::Hinders, source.because.clone())));
    if let Some(frozen) = &status.frozen {
        all.push(found(ABOUT, Verdict::Look, format!("is frozen: {}; `healer thaw` ends that", frozen.because)));
    }
    all
}

/// Whether an engine answers whoever asks here.
fn engine(engine: &DockerHost) -> Found {
    let about = format!("engine {}", engine.name);
    let answered = Endpoint::find(engine.url.as_deref()).and_then(|endpoint| {
        let shown = endpoint.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| docker::Error::Unreachable(error.to_string()))?;
        let asked = async { tokio::time::timeout(ENGINE_WITHIN, Host::new(&engine.name, endpoint).reach()).await };
        let late = |_| Err(docker::Error::Unreachable(format!("no answer within {} s", ENGINE_WITHIN.as_secs())));
        runtime.block_on(asked).unwrap_or_else(late).map(|()| shown)
    });
    match answered {
        Ok(shown) => found(&about, Verdict::Well, format!("answers at {shown}")),
        Err(error) => found(
            &about,
            Verdict::Hinders,
            format!("{error}; where there shall be none, set `docker: {{hosts: []}}` and name `host.services`"),
        ),
    }
}

fn compose() -> Found {
    const ABOUT: &str = "Compose";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let versions = runtime.map(|runtime| runtime.block_on(docker::compose_versions())).unwrap_or_default();
    if versions.is_empty() {
        let says = "neither `docker compose` nor `docker-compose` works here: services are healed by starts, and nothing \
                    can be made anew; install Docker's Compose plugin";
        return found(ABOUT, Verdict::Look, says);
    }
    found(ABOUT, Verdict::Well, format!("version {}", versions.join(" and ")))
}

/// Whether a service of the configuration could be started, as far as that can be told without doing so.
fn program(program: &Program) -> Found {
    let about = format!("service {}", program.name);
    let launch = &program.launch;
    if !launch.working_dir.is_dir() {
        return found(
            &about,
            Verdict::Hinders,
            format!("its working_dir {} is not there", launch.working_dir.display()),
        );
    }
    let command = launch.command.first().map_or("", String::as_str);
    match executable(command, &launch.working_dir) {
        Some(path) => found(&about, Verdict::Well, format!("{} can be run", path.display())),
        None => found(&about, Verdict::Hinders, format!("{command}: there is no such program that may be run")),
    }
}

/// Whether systemd tells of the units, and heeds whoever asks here.
fn units(named: &[Named]) -> Vec<Found> {
    if named.is_empty() {
        return Vec::new();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let looked = runtime.map(|runtime| runtime.block_on(host::hindered(named.to_vec()))).unwrap_or_default();
    let may_start = rustix::process::geteuid().is_root();
    let told = |(name, why): (String, Option<String>)| {
        let about = format!("service {name}");
        match why {
            Some(why) => found(&about, Verdict::Hinders, why),
            None if may_start => found(&about, Verdict::Well, "systemd tells how it stands"),
            None => {
                let says = "systemd tells how it stands; to start it healer has to run as root, or a rule of polkit has to \
                            allow it (org.freedesktop.systemd1.manage-units)";
                found(&about, Verdict::Look, says)
            }
        }
    };
    looked.into_iter().map(told).collect()
}

/// Where a command is, as whoever starts it finds it.
fn executable(command: &str, folder: &Path) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|about| about.is_file()) && rustix::fs::access(path, Access::EXEC_OK).is_ok()
    };
    if command.contains('/') {
        return Some(folder.join(command)).filter(runs);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(command)).find(|path| runs(path))
}

fn channels(config: &Config) -> Found {
    const ABOUT: &str = "channels";
    let names: Vec<&str> = config.channels.iter().map(|channel| channel.name.as_str()).collect();
    if config.notify_disabled {
        return found(ABOUT, Verdict::Look, "NOTIFY_DISABLED is set: nobody is told anything");
    }
    if names.is_empty() {
        let says = "none: nobody is told anything but by `healer status` and the log; set `channels`";
        return found(ABOUT, Verdict::Look, says);
    }
    found(ABOUT, Verdict::Well, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(configuration: &str) -> Vec<Found> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("healer.yaml");
        fs::write(&file, format!("state_dir: {}\n{configuration}", folder.path().join("state").display())).unwrap();
        examine(&Flags { config: Some(file), state_dir: None })
    }

    fn verdict(all: &[Found], about: &str) -> Option<(Verdict, String)> {
        all.iter().find(|found| found.about == about).map(|found| (found.verdict, found.says.clone()))
    }

    #[test]
    fn a_wrong_configuration_is_all_that_is_told() {
        let all = of("mode: fast\nlisten: nowhere\n");
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all.iter().all(|found| found.verdict == Verdict::Hinders));
    }

    #[test]
    fn what_hinders_says_the_remedy_and_what_is_well_says_so() {
        let all = of("docker: {hosts: [{url: \"unix:///no/such/docker.sock\"}]}\nhost:\n  name: h\n  services:\n    \
                      - {name: good, command: [sh]}\n    - {name: bad, command: [/no/such/program]}\n    - {name: unit, unit: no-such}\n");
        let (engine, says) = verdict(&all, "engine h").unwrap();
        assert_eq!(engine, Verdict::Hinders);
        assert!(says.contains("/no/such/docker.sock") && says.contains("docker: {hosts: []}"), "{says}");
        assert_eq!(verdict(&all, "service good").map(|(verdict, _)| verdict), Some(Verdict::Well));
        assert_eq!(verdict(&all, "service bad").map(|(verdict, _)| verdict), Some(Verdict::Hinders));
        assert_eq!(verdict(&all, "service unit").map(|(verdict, _)| verdict), Some(Verdict::Hinders));
        assert_eq!(verdict(&all, "state folder").map(|(verdict, _)| verdict), Some(Verdict::Well));
        let (running, says) = verdict(&all, "healer").unwrap();
        assert!(running == Verdict::Look && says.contains("healer run"), "{says}");
        assert_eq!(verdict(&all, "channels").map(|(verdict, _)| verdict), Some(Verdict::Look));
    }
}
