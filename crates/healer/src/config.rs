//! `healer.yaml`: what the owner set, read with every error at once, and where each value came from.
//!
//! One file, found by [`find`], and beside it `conf.d/*.yaml`, read in the order of their names. Later files are laid
//! over earlier ones: sections are merged key by key, lists are appended, and of a single value the last one holds.
//! Without a file everything has its default. Flags of the command line win over files, files over the environment.
//!
//! ```text
//! text ─tree→ keys and values with places ─check→ findings ─layer→ one tree ─read→ Config
//! ```

mod check;
mod disks;
mod layer;
mod probes;
mod read;
mod reload;
mod schema;
mod services;
mod tree;
mod value;
mod window;

use std::fmt;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::settings::Settings;

use check::Findings;
pub(crate) use check::{Finding, nearest};
pub(crate) use reload::{Reload, reload};
pub(crate) use schema::{Listed, keys};
pub(crate) use value::duration;
use window::Window;

/// An example with every key, which is held to pass.
#[cfg(test)]
pub(crate) const EXAMPLE: &str = include_str!("config/example.yaml");

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// All that healer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// The main file; `None` when there is none and everything has its default.
    pub(crate) file: Option<PathBuf>,
    /// Every file that was read, the main one first: what has to be watched for changes, with `conf.d` itself.
    pub(crate) files: Vec<PathBuf>,
    /// Where HTTP is served.
    pub(crate) listen: SocketAddr,
    /// How people reach this healer.
    pub(crate) external_url: Option<String>,
    /// Where the journal and the socket are.
    pub(crate) state_dir: PathBuf,
    /// The engines; the first bears the host's name. None only where there are programs to look after.
    pub(crate) docker_hosts: Vec<DockerHost>,
    /// Where each deployment has a directory; their containers are on the first engine.
    pub(crate) deployments_path: Option<PathBuf>,
    /// What healer looks after on this host itself.
    pub(crate) here: host::Settings,
    /// How often everything is looked at, whatever the events said.
    pub(crate) relist: Duration,
    /// What the engine is told.
    pub(crate) settings: Settings,
    /// The windows of which the settings have the present or the next time.
    pub(crate) maintenance: Vec<Window>,
    /// The channels that this version can use, by name.
    pub(crate) channels: Vec<Channel>,
    /// Nobody is told anything, whatever channels there are (`NOTIFY_DISABLED`).
    pub(crate) notify_disabled: bool,
    /// What should be known, and keeps nothing from starting.
    pub(crate) warnings: Vec<Finding>,
    /// Every value with where it came from, for people.
    pub(crate) origins: Vec<Setting>,
}

impl Config {
    /// Of each maintenance window the present or the next time; says whether that is another one than before.
    pub(crate) fn take_up_windows(&mut self, now: Timestamp) -> bool {
        let maintenance: Vec<_> = self.maintenance.iter().map(|window| window.at(now)).collect();
        let is_news = self.settings.maintenance != maintenance;
        self.settings.maintenance = maintenance;
        is_news
    }
}

/// A Docker engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DockerHost {
    /// What it is called; the host part of its resources.
    pub(crate) name: String,
    /// Where its API is; `None`: where the docker command would look for it.
    pub(crate) url: Option<String>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel {
    /// Its name.
    pub(crate) name: String,
    /// What is set of it; its `Debug` shows no secret.
    pub(crate) settings: notify::channel::Config,
}

impl Channel {
    /// Opens it, which reads its secret.
    ///
    /// # Errors
    /// When a setting is wrong or the secret cannot be read.
    pub(crate) fn opened(&self) -> Result<notify::Channel, notify::Error> {
        notify::Channel::open(&self.name, &self.settings)
    }

    /// The file that its secret is read from.
    pub(crate) fn secret_file(&self) -> Option<&Path> {
        match &self.settings {
            notify::channel::Config::Email(email) => email.password_file.as_deref(),
            notify::channel::Config::Webhook(webhook) => webhook.secret_file.as_deref(),
        }
    }
}

/// One value of the effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The key's path.
    pub(crate) key: String,
    /// The value as it would be written, without secrets.
    pub(crate) value: String,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is the default.
    Default,
    /// A file said it.
    File(Arc<Path>, u64),
    /// An environment variable said it.
    Environment(&'static str),
    /// The command line said it.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(file, line) => write!(f, "{}:{line}", file.display()),
            Origin::Environment(name) => write!(f, "${name}"),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// Why there is no configuration: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Errors {
    /// What must be mended. Never empty.
    pub(crate) errors: Vec<Finding>,
    /// What should be known besides.
    pub(crate) warnings: Vec<Finding>,
    /// Where the state would be, as far as that could be told: commands that only look may go on with it.
    pub(crate) state_dir: Option<PathBuf>,
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Errors {}

/// What the command line said of the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--state-dir`.
    pub(crate) state_dir: Option<PathBuf>,
}

/// What surrounds the process.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The environment; an empty variable counts as unset.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The host's name.
    pub(crate) host_name: &'a str,
    /// Whether what the configuration names is tried as well: the files of secrets, and the engine that the docker command
    /// would use.
    pub(crate) tried: bool,
}

/// Reads the configuration in the real surroundings, for those who only look: they need not be able to read its secrets.
pub(crate) fn load(flags: &Flags) -> Result<Config, Errors> {
    load_here(flags, false)
}

/// Reads the configuration in the real surroundings, and refuses what healer could not run with.
pub(crate) fn load_to_run(flags: &Flags) -> Result<Config, Errors> {
    load_here(flags, true)
}

fn load_here(flags: &Flags, tried: bool) -> Result<Config, Errors> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    load_in(flags, Surroundings { variable: &variable, host_name: &host_name, tried })
}

/// Reads the configuration in given surroundings.
pub(crate) fn load_in(flags: &Flags, surroundings: Surroundings<'_>) -> Result<Config, Errors> {
    let mut findings = Findings::default();
    let file = flags.config.clone().or_else(|| find(surroundings.variable));
    let mut texts = Vec::new();
    let mut drop_ins = Vec::new();
    if let Some(file) = &file {
        drop_ins = beside(file, &mut findings);
        for path in std::iter::once(file).chain(&drop_ins) {
            let path: Arc<Path> = Arc::from(path.as_path());
            match text_of(&path) {
                Ok(text) => texts.push((path, text)),
                Err(says) => findings.errors.push(Finding::of_file(&path, None, says)),
            }
        }
    }
    let files = file.iter().cloned().chain(drop_ins).collect();
    from_texts(file, files, &texts, flags, surroundings, findings)
}

/// Where the main file is, if there is one: `/etc/healer/healer.yaml`, else `$XDG_CONFIG_HOME/healer/healer.yaml`
/// (`~/.config` without that variable).
fn find(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    places(variable).find(|path| path.exists())
}

/// What has to be watched for changes: the files that were read, where one could appear, the folder beside, and secrets.
pub(crate) fn watched(config: &Config) -> Vec<PathBuf> {
    let mut watched = config.files.clone();
    if config.file.is_none() {
        watched.extend(places(&|name| std::env::var(name).ok().filter(|value| !value.is_empty())));
    }
    watched.extend(config.file.as_ref().and_then(|file| Some(file.parent()?.join("conf.d"))));
    watched.extend(config.channels.iter().filter_map(|channel| channel.secret_file().map(Path::to_owned)));
    watched
}

fn places(variable: &dyn Fn(&str) -> Option<String>) -> impl Iterator<Item = PathBuf> {
    let home = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")));
    let own = home.map(|dir| dir.join("healer/healer.yaml"));
    std::iter::once(PathBuf::from("/etc/healer/healer.yaml")).chain(own)
}

/// The drop-ins beside a file, in the order of their names.
fn beside(file: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    let dir = file.parent().unwrap_or(Path::new(".")).join("conf.d");
    let listing = match std::fs::read_dir(&dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            findings.errors.push(Finding::of_file(&Arc::from(dir.as_path()), None, format!("cannot be read: {error}")));
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = listing.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yml")) {
        let says = "is not read: files in conf.d end in .yaml".to_owned();
        findings.warnings.push(Finding::of_file(&Arc::from(path.as_path()), None, says));
    }
    let hidden = |path: &PathBuf| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml") && !hidden(path));
    paths
}

fn text_of(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    // What is no file may keep whoever opens it waiting for ever.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err("is no file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {} KiB", FILE_BYTES_MAX / 1024));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        format!("is no UTF-8 text in line {}", before.iter().filter(|byte| **byte == b'\n').count() + 1)
    })
}

fn from_texts(
    file: Option<PathBuf>,
    files: Vec<PathBuf>,
    texts: &[(Arc<Path>, String)],
    flags: &Flags,
    surroundings: Surroundings<'_>,
    mut findings: Findings,
) -> Result<Config, Errors> {
    let mut layers = Vec::new();
    for (path, text) in texts {
        match tree::parse(path, text) {
            Ok(mut root) => {
                check::check(&mut root, surroundings.variable, &mut findings);
                layers.push(root);
            }
            Err(error) => {
                findings.errors.push(Finding::of_file(path, error.at, format!("is no YAML: {}", error.because)));
                layers.extend(state_dir_alone(path, text, surroundings));
            }
        }
    }
    let root = layers.into_iter().reduce(layer::over);
    // A file that nobody could read may have named another directory than the default.
    let told = flags.state_dir.is_some()
        || (surroundings.variable)("STATE_DIRECTORY").is_some()
        || root.as_ref().is_some_and(|root| root.get("state_dir").is_some());
    let in_doubt = texts.len() < files.len() && !told;
    let mut reader = read::Reader::new(root.as_ref(), file.as_deref(), surroundings, flags, &mut findings);
    let config = reader.config();
    let state_dir = config.state_dir.clone();
    if findings.errors.is_empty() {
        Ok(Config { file, files, warnings: findings.warnings, ..config })
    } else {
        let state_dir = Some(state_dir).filter(|dir| !in_doubt && !dir.as_os_str().is_empty());
        let Findings { mut errors, warnings } = findings;
        // Whoever mends them goes down the file.
        let place = |error: &Finding| files.iter().position(|file| error.file.as_deref() == Some(file.as_path()));
        errors.sort_by_key(|error| (place(error), error.at));
        Err(Errors { errors, warnings, state_dir })
    }
}

/// The directory that a text names which is no YAML as a whole: whoever looks at a running healer, whose configuration was
/// broken meanwhile, finds it all the same.
fn state_dir_alone(path: &Arc<Path>, text: &str, surroundings: Surroundings<'_>) -> Option<tree::Node> {
    let line = text.lines().find(|line| line.starts_with("state_dir:"))?;
    let mut node = tree::parse(path, line).ok()?;
    // What is wrong with the file was said already.
    check::check(&mut node, surroundings.variable, &mut Findings::default());
    Some(node)
}

#[cfg(test)]
mod tests;
