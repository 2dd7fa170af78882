//! Compose as it is installed here, in either flavour: `docker compose` (v2, a plugin) or `docker-compose` (v1, or v2 by
//! itself). Run with arguments in a list, a time limit, and an environment of its own, so that no variable of healer's
//! reaches a deployment; it ends with healer.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use evidence::{escape, redact};
use model::folder::Folder;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::WORKING_DIR;
use super::folders::env_file_to_name;
use crate::definition::{Labels, PROJECT};
use crate::endpoint::Endpoint;
use crate::mounts::{Mounts, PATH_BYTES_MAX};

/// The files of variables that it was told of; v2 alone writes them down.
const ENV_FILES: &str = "com.docker.compose.project.environment_file";
const NO_PROGRAM: &str = "neither `docker compose` nor `docker-compose` works here: install Docker's Compose plugin";
/// A question that Compose answers from files.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Images may have to be fetched first.
const UP_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Of what Compose says when it fails, the last lines tell why.
const LINES_KEPT: usize = 5;
const SAID_BYTES_MAX: usize = 600;
/// So begin the lines in which v2 tells how far it has got.
const PROGRESS: [&str; 4] = ["Container ", "Network ", "Volume ", "Image "];
const PLUGIN_FOLDERS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];
const VERSION_BYTES_MAX: usize = 40;
/// What Compose and the docker command need of healer's environment.
const VARIABLES: [&str; 8] =
    ["PATH", "HOME", "LANG", "LC_ALL", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "HTTPS_PROXY", "NO_PROXY"];

/// Compose, pointed at one engine.
#[derive(Debug, Clone)]
pub(crate) struct Compose {
    docker_host: OsString,
    mounts: Option<Mounts>,
}

/// A program that is Compose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    path: PathBuf,
    /// Such as `2.26.1`.
    pub(super) version: String,
}

/// What Compose is to work on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Project {
    name: String,
    pub(super) folder: PathBuf,
    /// Its files; none where Compose is to find them.
    pub(super) files: Vec<PathBuf>,
    /// The files of variables, where they are not the one that Compose reads by itself.
    env_files: Vec<PathBuf>,
}

/// The versions of Compose that work here, the preferred one first.
pub async fn versions() -> Vec<String> {
    let compose = Compose { docker_host: OsString::new(), mounts: None };
    compose.programs().await.into_iter().map(|program| program.version).collect()
}

impl Compose {
    /// For the engine at that endpoint.
    #[must_use]
    pub(crate) fn new(endpoint: &Endpoint) -> Compose {
        Compose { docker_host: endpoint.url(), mounts: None }
    }

    /// The same, for an engine whose machine shall have these mounted.
    #[must_use]
    pub(crate) fn minding(self, mounts: Option<&Mounts>) -> Compose {
        Compose { mounts: mounts.cloned(), ..self }
    }

    /// Makes and starts all that a folder describes, as `up -d` there would. Refuses where a variable of the file is not
    /// set, since an empty password would be made of it, and where a mount is missing that a service has files on. `still`
    /// is asked as the very last thing.
    ///
    /// # Errors
    /// In words, with the remedy or with what Compose said.
    pub(crate) async fn up<F>(&self, folder: &Folder, still: impl Fn() -> F) -> Result<(), String>
    where
        F: Future<Output = Result<(), String>>,
    {
        let path = PathBuf::from(&folder.path);
        let env_files = env_file_to_name(&path).map(PathBuf::from).into_iter().collect();
        let project = Project { name: folder.deployment.clone(), folder: path, files: Vec::new(), env_files };
        let program = self.programs().await.into_iter().next().ok_or(NO_PROGRAM)?;
        self.check(&program, &project).await?;
        if let Some(mounts) = &self.mounts
            && mounts.may_lack().await
        {
            let told = self.run(&program, &project, &["config"], ANSWER_WITHIN).await?;
            accepted("the Compose file is not in order", &told)?;
            let paths = host_paths(&String::from_utf8_lossy(&told.stdout))?;
            if let Some(why) = mounts.forbid(paths).await {
                return Err(why);
            }
        }
        still().await?;
        let up = self.run(&program, &project, &["up", "-d"], UP_WITHIN).await?;
        accepted("Compose could not bring it up", &up)
    }

    /// The files must be in order, and every variable of them set.
    pub(super) async fn check(&self, program: &Program, project: &Project) -> Result<(), String> {
        let checked = self.run(program, project, &["config", "-q"], ANSWER_WITHIN).await?;
        accepted("the Compose file is not in order", &checked)?;
        let unset = unset_variables(&String::from_utf8_lossy(&checked.stderr));
        if unset.is_empty() {
            return Ok(());
        }
        let env_file = project.env_files.last().map_or(Path::new(".env"), PathBuf::as_path);
        Err(format!(
            "{} not set, and Compose would put nothing in its place: set it in {}",
            unset.join(", ") + if unset.len() == 1 { " is" } else { " are" },
            project.folder.join(env_file).display(),
        ))
    }

    /// What there is of Compose; the plugin first, as in Docker's own manual. It is run by itself: as `docker compose` it
    /// would be a child of the docker command, and outlive that.
    pub(super) async fn programs(&self) -> Vec<Program> {
        let mut programs = Vec::new();
        let plugins = plugin_folders().into_iter().map(|folder| folder.join("docker-compose"));
        for path in plugins.filter(|path| path.is_file()).take(1).chain([PathBuf::from("docker-compose")]) {
            let asked = self.command(&path, Path::new("/"), &["version".into(), "--short".into()]).output();
            if let Ok(Ok(output)) = tokio::time::timeout(ANSWER_WITHIN, asked).await
                && output.status.success()
            {
                let said = String::from_utf8_lossy(&output.stdout);
                let version = said.trim().trim_start_matches('v');
                programs.push(Program { path, version: escape(version, VERSION_BYTES_MAX) });
            }
        }
        programs
    }

    pub(super) async fn run(
        &self,
        program: &Program,
        project: &Project,
        args: &[&str],
        within: Duration,
    ) -> Result<Output, String> {
        self.run_with(program, project, None, args, within).await
    }

    /// As with one more file, which is given by its text.
    pub(super) async fn run_with(
        &self,
        program: &Program,
        project: &Project,
        more: Option<&str>,
        args: &[&str],
        within: Duration,
    ) -> Result<Output, String> {
        let mut all: Vec<OsString> = vec!["-p".into(), project.name.clone().into()];
        if !project.files.is_empty() {
            all.extend(["--project-directory".into(), project.folder.clone().into()]);
            all.extend(project.files.iter().flat_map(|file| ["-f".into(), file.clone().into()]));
        }
        if more.is_some() {
            all.extend(["-f".into(), "-".into()]);
        }
        all.extend(project.env_files.iter().flat_map(|file| ["--env-file".into(), file.clone().into()]));
        all.extend(args.iter().map(OsString::from));
        let mut command = self.command(&program.path, &project.folder, &all);
        match tokio::time::timeout(within, output(&mut command, more)).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(format!("Compose cannot be run in {}: {error}", project.folder.display())),
            Err(_) => Err(format!("Compose was ended, having taken longer than {} min", within.as_secs() / 60)),
        }
    }

    fn command(&self, program: &Path, folder: &Path, args: &[OsString]) -> Command {
        // Where healer is killed outright, its children learn of it from the kernel.
        let mut command = if in_path("setpriv") {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "TERM", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let kept = VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.args(args).current_dir(folder).env_clear().envs(kept).env("DOCKER_HOST", &self.docker_host);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

impl Project {
    /// The project of a container, as its labels tell it.
    pub(super) fn of(labels: &Labels) -> Option<Project> {
        let (name, folder) = (labels.get(PROJECT)?, labels.get(WORKING_DIR)?);
        let (files, folder) = (super::paths(labels), PathBuf::from(folder));
        let env_files = labels.get(ENV_FILES).map_or("", String::as_str).split(',').filter(|file| !file.is_empty());
        let env_files = env_files.map(PathBuf::from).collect();
        let is_whole = folder.is_absolute() && !files.is_empty();
        is_whole.then_some(Project { name: name.clone(), folder, files, env_files })
    }
}

/// What a program says, that is given a text.
async fn output(command: &mut Command, given: Option<&str>) -> io::Result<Output> {
    let Some(given) = given else { return command.output().await };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(given.as_bytes()).await?;
    }
    child.wait_with_output().await
}

impl Program {
    /// The hashes of two generations cannot be compared.
    pub(super) fn is_v1(&self) -> bool {
        self.version.starts_with("1.")
    }
}

/// Where the docker command looks for its plugins.
fn plugin_folders() -> Vec<PathBuf> {
    let env = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let own = env("DOCKER_CONFIG").or_else(|| Some(env("HOME")?.join(".docker")));
    let own = own.map(|folder| folder.join("cli-plugins"));
    own.into_iter().chain(PLUGIN_FOLDERS.map(PathBuf::from)).collect()
}

fn in_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

pub(super) fn accepted(what: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_progress = |line: &str| PROGRESS.iter().any(|of| line.starts_with(of));
    let tells = |line: &&str| !line.is_empty() && !line.contains(" level=warning ") && !is_progress(line);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(tells).collect();
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
    fn a_project_is_told_by_the_labels_of_its_containers() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let files = super::super::CONFIG_FILES;
        let shop =
            [(PROJECT, "shop"), (WORKING_DIR, "/srv/shop"), (files, "a.yml,/etc/b.yml"), (ENV_FILES, "/srv/e,/srv/f")];
        let project = Project::of(&labels(&shop)).unwrap();
        assert_eq!(project.files, [Path::new("/srv/shop/a.yml"), Path::new("/etc/b.yml")]);
        assert_eq!(project.env_files, [Path::new("/srv/e"), Path::new("/srv/f")]);
        assert_eq!(project.name, "shop");
        for untold in [&shop[..2], &shop[1..], &[shop[0], (WORKING_DIR, "srv"), shop[2]]] {
            assert_eq!(Project::of(&labels(untold)), None, "{untold:?}");
        }
        let piped = [shop[0], shop[1], (files, "-")];
        assert_eq!(Project::of(&labels(&piped)), None, "it was piped in");
    }

    #[tokio::test]
    async fn a_build_that_never_ends_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let begun = folder.path().join("begun");
        let endless = folder.path().join("docker-compose");
        let script = format!("#!/bin/sh\necho $$ > {0}.new; mv {0}.new {0}\nexec sleep 1000\n", begun.display());
        std::fs::write(&endless, script).unwrap();
        std::fs::set_permissions(&endless, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let program = Program { path: endless, version: "2.26.1".to_owned() };
        let project = Project {
            name: "p".to_owned(),
            folder: folder.path().to_owned(),
            files: Vec::new(),
            env_files: Vec::new(),
        };
        let compose = Compose { docker_host: "unix:///nonexistent".into(), mounts: None };
        let said = compose.run(&program, &project, &["build", "web"], Duration::from_secs(2)).await;
        assert!(said.is_err_and(|why| why.starts_with("Compose was ended, having taken longer than")));
        let pid = std::fs::read_to_string(begun).unwrap();
        let process = Path::new("/proc").join(pid.trim());
        // What is dropped is killed, and reaped a moment later.
        for _ in 0..500 {
            if !process.exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await; // waits for a condition
        }
        panic!("process {pid} lives on");
    }

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
