//! Compose as it is installed here, in either flavour: `docker compose` (v2, a plugin) or `docker-compose` (v1, or v2 by
//! itself). Run with arguments in a list, a time limit, and an environment of its own, so that no variable of healer's
//! reaches a deployment; it ends with healer.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use evidence::{escape, redact};
use model::folder::Folder;
use serde::Deserialize;
use tokio::process::Command;

use super::folders::env_file_to_name;
use crate::endpoint::Endpoint;
use crate::mounts::{Mounts, PATH_BYTES_MAX};

/// A question that Compose answers from files.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Images may have to be fetched first.
const UP_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Of what Compose says when it fails, the last lines tell why.
const LINES_KEPT: usize = 5;
const SAID_BYTES_MAX: usize = 600;
/// What Compose and the docker command need of healer's environment.
const VARIABLES: [&str; 8] =
    ["PATH", "HOME", "LANG", "LC_ALL", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "HTTPS_PROXY", "NO_PROXY"];

/// Compose, pointed at one engine.
#[derive(Debug, Clone)]
pub struct Compose {
    docker_host: OsString,
    mounts: Option<Mounts>,
}

/// How the program is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Plugin,
    Standalone,
}

impl Compose {
    /// For the engine at that endpoint.
    #[must_use]
    pub fn new(endpoint: &Endpoint) -> Compose {
        Compose { docker_host: endpoint.url(), mounts: None }
    }

    /// The same, for an engine whose machine shall have these mounted.
    #[must_use]
    pub fn minding(self, mounts: Option<&Mounts>) -> Compose {
        Compose { mounts: mounts.cloned(), ..self }
    }

    /// Makes and starts all that a folder describes, as `up -d` there would. Refuses where a variable of the file is not
    /// set, since an empty password would be made of it, and where a mount is missing that a service has files on.
    ///
    /// # Errors
    /// In words, with the remedy or with what Compose said.
    pub async fn up(&self, folder: &Folder) -> Result<(), String> {
        let flavour = self.flavour().await?;
        let checked = self.run(flavour, folder, &["config", "-q"], ANSWER_WITHIN).await?;
        accepted("the Compose file is not in order", &checked)?;
        let unset = unset_variables(&String::from_utf8_lossy(&checked.stderr));
        if !unset.is_empty() {
            return Err(format!(
                "{} not set, and Compose would put nothing in its place: set it in {}/{}",
                unset.join(", ") + if unset.len() == 1 { " is" } else { " are" },
                folder.path,
                env_file_to_name(Path::new(&folder.path)).unwrap_or(".env"),
            ));
        }
        if let Some(mounts) = &self.mounts
            && mounts.may_lack().await
        {
            let told = self.run(flavour, folder, &["config"], ANSWER_WITHIN).await?;
            accepted("the Compose file is not in order", &told)?;
            let paths = host_paths(&String::from_utf8_lossy(&told.stdout))?;
            if let Some(why) = mounts.forbid(paths).await {
                return Err(why);
            }
        }
        let up = self.run(flavour, folder, &["up", "-d"], UP_WITHIN).await?;
        accepted("Compose could not bring it up", &up)
    }

    /// Which Compose there is; the plugin is preferred, as in Docker's own manual.
    async fn flavour(&self) -> Result<Flavour, String> {
        let folder = Path::new("/");
        for flavour in [Flavour::Plugin, Flavour::Standalone] {
            let asked = self.command(flavour, folder, &["version".into()]).output();
            match tokio::time::timeout(ANSWER_WITHIN, asked).await {
                Ok(Ok(output)) if output.status.success() => return Ok(flavour),
                Ok(Ok(_) | Err(_)) | Err(_) => {}
            }
        }
        Err("neither `docker compose` nor `docker-compose` works here: install Docker's Compose plugin".to_owned())
    }

    async fn run(&self, flavour: Flavour, folder: &Folder, args: &[&str], within: Duration) -> Result<Output, String> {
        let path = Path::new(&folder.path);
        let mut all: Vec<OsString> = vec!["-p".into(), folder.deployment.clone().into()];
        if let Some(env_file) = env_file_to_name(path) {
            all.extend(["--env-file".into(), env_file.into()]);
        }
        all.extend(args.iter().map(OsString::from));
        match tokio::time::timeout(within, self.command(flavour, path, &all).output()).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(format!("Compose cannot be run in {}: {error}", folder.path)),
            Err(_) => Err(format!("Compose was ended, having taken longer than {} min", within.as_secs() / 60)),
        }
    }

    fn command(&self, flavour: Flavour, folder: &Path, args: &[OsString]) -> Command {
        // Where healer is killed outright, its children learn of it from the kernel.
        let mut command = if in_path("setpriv") {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "TERM", "--"]);
            command.arg(if flavour == Flavour::Plugin { "docker" } else { "docker-compose" });
            command
        } else {
            Command::new(if flavour == Flavour::Plugin { "docker" } else { "docker-compose" })
        };
        if flavour == Flavour::Plugin {
            command.arg("compose");
        }
        let kept = VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.args(args).current_dir(folder).env_clear().envs(kept).env("DOCKER_HOST", &self.docker_host);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn in_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

fn accepted(what: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Of a traceback the last line names the error.
    let kept = if lines.iter().any(|line| line.starts_with("Traceback ")) { 1 } else { LINES_KEPT };
    let last = lines[lines.len().saturating_sub(kept)..].join("; ");
    Err(format!("{what}: {}", escape(&redact(&last), SAID_BYTES_MAX)))
}

/// The variables that Compose warns of: v1 says `The X variable is not set.`, v2 `The \"X\" variable is not set.`.
fn unset_variables(said: &str) -> Vec<String> {
    let name = |line: &str| {
        let (before, _) = line.split_once(" variable is not set")?;
        let name = before.rsplit(' ').next()?.trim_matches(['"', '\\']);
        (!name.is_empty()).then(|| escape(name, 100))
    };
    let mut names: Vec<String> = said.lines().filter_map(name).collect();
    names.sort();
    names.dedup();
    names
}

/// The sources of all binds in what Compose prints of its file: v2 writes each at length, v1 in one text where the file's
/// version knows no other.
fn host_paths(config: &str) -> Result<BTreeSet<String>, String> {
    let options = serde_saphyr::options! { strict_booleans: false, with_snippet: false };
    let config: Config = serde_saphyr::from_str_with_options(config, options)
        .map_err(|error| format!("what Compose says of its file cannot be read: {error}"))?;
    let volumes = config.services.into_values().flatten().flat_map(|service| service.volumes.unwrap_or_default());
    let source = |volume: Volume| match volume {
        Volume::Short(text) => text.split(':').next().map(str::to_owned),
        Volume::Long { source } => source,
    };
    let paths = volumes.filter_map(source).filter(|path| path.starts_with('/'));
    Ok(paths.map(|path| escape(&path, PATH_BYTES_MAX)).collect())
}

#[derive(Deserialize)]
struct Config {
    services: BTreeMap<String, Option<Service>>,
}

#[derive(Deserialize)]
struct Service {
    volumes: Option<Vec<Volume>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Volume {
    Short(String),
    Long { source: Option<String> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_flavours_tell_which_files_of_the_host_are_seen() {
        let v1 = "services:\n  db:\n    image: x\n    volumes:\n    - /srv/data/db:/var/lib/db:rw\n    - v:/v:rw\n  web: {}\nversion: '2.4'\n";
        let v2 = "name: shop\nservices:\n  db:\n    volumes:\n      - type: bind\n        source: /srv/data/db\n        target: /var/lib/db\n        bind: {create_host_path: true}\n      - type: volume\n        source: v\n        target: /v\n        volume: {}\n      - type: tmpfs\n        target: /t\n  web: null\n";
        for (flavour, config) in [("v1", v1), ("v2", v2)] {
            assert_eq!(host_paths(config), Ok(["/srv/data/db".to_owned()].into()), "{flavour}");
        }
        assert!(host_paths("services: [").is_err());
    }

    #[test]
    fn both_flavours_tell_which_variables_are_not_set() {
        let v1 = "The TAG variable is not set. Defaulting to a blank string.\nThe A variable is not set. Defaulting";
        let v2 =
            "time=\"2026\" level=warning msg=\"The \\\"TAG\\\" variable is not set. Defaulting to a blank string.\"";
        assert_eq!(unset_variables(v1), ["A", "TAG"]);
        assert_eq!(unset_variables(v2), ["TAG"]);
        assert_eq!(unset_variables("Pulling web\n"), Vec::<String>::new());
    }
}
