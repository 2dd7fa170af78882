//! What the Compose files that a service's labels name say of it: what it needs before it starts (Compose v1 writes no
//! label of that), and whether they know it at all. A file that is gone, unreadable, too large, or of something else tells
//! nothing.

mod anew;
mod driver;
mod folders;
mod unfetched;
mod variables;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use evidence::escape;
use model::fact::{Condition, Dependency};
use serde::Deserialize;

pub(crate) use anew::Unchanged;
pub(crate) use driver::Compose;
pub use driver::versions as compose_versions;
pub use folders::{Stamps, folder_stamps, folders};
use variables::{Variables, filled};

use crate::definition::{DEPENDENCIES_MAX, Labels, NAME_BYTES_MAX};

pub(crate) const SERVICE: &str = "com.docker.compose.service";
const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// A Compose file is some kilobytes long.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const FILES_MAX: usize = 16;
const DEPTH_MAX: usize = 32;
/// So many projects' files are remembered.
const KNOWN_MAX: usize = 512;

/// The files of all projects of one engine, as they were when they were last read.
#[derive(Debug, Default)]
pub(crate) struct Files(Mutex<BTreeMap<Vec<PathBuf>, Read>>);

/// The services of a project with what is told of each.
type Services = BTreeMap<String, Told>;

/// What files tell of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// What it needs before it starts.
    pub(crate) needs: Vec<Dependency>,
    /// The service whose network it shares.
    pub(crate) network_of: Option<String>,
}

#[derive(Debug, Clone)]
struct Read {
    /// When each file was changed last.
    changed: Vec<Option<SystemTime>>,
    services: Arc<Services>,
    /// Whether these are all services that the project has.
    whole: bool,
}

/// What the files say of one service.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) told: Told,
    /// They can be read, and do not know it.
    pub(crate) is_orphan: bool,
}

impl Files {
    /// What the files say of the service of these labels.
    pub(crate) fn say(&self, labels: &Labels) -> Said {
        let Some(service) = labels.get(SERVICE) else { return Said::default() };
        let paths = paths(labels);
        if paths.is_empty() {
            return Said::default();
        }
        let env_file = env_file(labels, &paths);
        let all = paths.iter().chain(&env_file);
        let changed: Vec<_> = all.map(|path| fs::metadata(path).ok()?.modified().ok()).collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&paths).is_none_or(|read| read.changed != changed) {
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            let variables = env_file.and_then(|path| text_of(&path)).map(|text| variables::of_env_file(&text));
            let (services, whole) = read(&paths, &variables.unwrap_or_default());
            known.insert(paths.clone(), Read { changed, services: Arc::new(services), whole });
        }
        let Some(read) = known.get(&paths) else { return Said::default() };
        match read.services.get(service) {
            Some(told) => Said { told: told.clone(), is_orphan: false },
            None => Said { told: Told::default(), is_orphan: read.whole },
        }
    }
}

/// The project's files; v1 names them relative to its working directory.
fn paths(labels: &Labels) -> Vec<PathBuf> {
    let folder = labels.get(WORKING_DIR).map(Path::new).filter(|folder| folder.is_absolute());
    let files = labels.get(CONFIG_FILES).map_or("", String::as_str).split(',').map(str::trim);
    // `-` is a file that was piped in.
    let named = files.filter(|file| !file.is_empty() && *file != "-").take(FILES_MAX);
    named
        .filter_map(|file| folder.map_or_else(|| Some(PathBuf::from(file)), |folder| Some(folder.join(file))))
        .filter(|path| path.is_absolute())
        .collect()
}

/// The file of variables: in the project's folder, else beside its first file.
fn env_file(labels: &Labels, paths: &[PathBuf]) -> Option<PathBuf> {
    let folder = labels.get(WORKING_DIR).map(Path::new).filter(|folder| folder.is_absolute());
    Some(folder.or_else(|| paths.first()?.parent())?.join(".env"))
}

fn text_of(path: &Path) -> Option<String> {
    let is_small = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= FILE_BYTES_MAX);
    if is_small { fs::read_to_string(path).ok() } else { None }
}

/// Later files add to earlier ones. Returns too whether all of them could be read and nothing is included from elsewhere, so
/// that a service which is not among them is none of the project.
fn read(paths: &[PathBuf], variables: &Variables) -> (Services, bool) {
    let (mut services, mut whole) = (Services::new(), true);
    for path in paths {
        match text_of(path).map(|text| parse(&text, variables)) {
            Some(Ok((more, complete))) => {
                whole &= complete;
                for (service, more) in more {
                    let told = services.entry(service).or_default();
                    merge(&mut told.needs, more.needs);
                    told.network_of = more.network_of.or(told.network_of.take());
                }
            }
            Some(Err(error)) => {
                whole = false;
                tracing::debug!(path = %path.display(), error, "a Compose file tells no order");
            }
            None => whole = false,
        }
    }
    (services, whole)
}

fn merge(needs: &mut Vec<Dependency>, more: Vec<Dependency>) {
    for one in more {
        needs.retain(|known| known.service != one.service);
        if needs.len() < DEPENDENCIES_MAX {
            needs.push(one);
        }
    }
}

/// The services of a file, and whether it names all that it is made of.
fn parse(text: &str, variables: &Variables) -> Result<(Services, bool), String> {
    let options = serde_saphyr::options! {
        strict_booleans: false,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
    };
    let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    let told = |(name, service): (String, Option<Service>)| {
        let told =
            service.map(|service| Told { network_of: service.network_of(variables), needs: service.needs(variables) });
        (name, told.unwrap_or_default())
    };
    let complete = file.services.is_some() && file.include.is_none();
    Ok((file.services.unwrap_or_default().into_iter().map(told).collect(), complete))
}

#[derive(Deserialize)]
struct File {
    services: Option<BTreeMap<String, Option<Service>>>,
    include: Option<serde::de::IgnoredAny>,
}

/// What makes one service wait for another, said or implied.
#[derive(Deserialize)]
struct Service {
    depends_on: Option<DependsOn>,
    #[serde(default)]
    links: Option<Vec<String>>,
    #[serde(default)]
    volumes_from: Option<Vec<String>>,
    network_mode: Option<String>,
    ipc: Option<String>,
    pid: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum DependsOn {
    List(Vec<String>),
    Map(BTreeMap<String, Option<Need>>),
}

#[derive(Deserialize)]
struct Need {
    condition: Option<String>,
}

impl Service {
    fn network_of(&self, variables: &Variables) -> Option<String> {
        let mode = filled(self.network_mode.as_ref()?, variables);
        mode.strip_prefix("service:").map(|name| escape(name, NAME_BYTES_MAX))
    }

    fn needs(self, variables: &Variables) -> Vec<Dependency> {
        let filled = |text: &String| filled(text, variables);
        let started = |name: &str| need(name, Condition::Started);
        let mut needs = Vec::new();
        // `service:alias`, `service:ro`.
        let first = |text: String| text.split(':').next().map(started);
        merge(&mut needs, self.links.iter().flatten().map(filled).filter_map(first).collect());
        let volumes = self.volumes_from.iter().flatten().map(filled).filter(|from| !from.starts_with("container:"));
        merge(&mut needs, volumes.filter_map(first).collect());
        let shares = [&self.network_mode, &self.ipc, &self.pid].into_iter().flatten().map(filled);
        merge(&mut needs, shares.filter_map(|mode| mode.strip_prefix("service:").map(started)).collect());
        let said = match self.depends_on {
            None => Vec::new(),
            Some(DependsOn::List(names)) => names.iter().map(|name| started(&filled(name))).collect(),
            Some(DependsOn::Map(map)) => {
                let one = |(name, said): (String, Option<Need>)| {
                    let said = said.and_then(|need| need.condition);
                    need(&name, condition(said.as_ref().map(filled).as_deref()))
                };
                map.into_iter().map(one).collect()
            }
        };
        merge(&mut needs, said);
        needs
    }
}

fn need(name: &str, condition: Condition) -> Dependency {
    Dependency { service: escape(name, NAME_BYTES_MAX), condition }
}

fn condition(said: Option<&str>) -> Condition {
    match said.map(str::trim) {
        Some("service_healthy") => Condition::Healthy,
        Some("service_completed_successfully") => Condition::CompletedSuccessfully,
        Some(_) | None => Condition::Started,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(folder: &Path, files: &str, service: &str) -> Labels {
        let folder = folder.to_str().unwrap();
        [(WORKING_DIR, folder), (CONFIG_FILES, files), (SERVICE, service)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    fn needs(text: &str, service: &str) -> Vec<(String, Condition)> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("compose.yml"), text).unwrap();
        let said = Files::default().say(&labels(folder.path(), "compose.yml", service));
        said.told.needs.into_iter().map(|need| (need.service, need.condition)).collect()
    }

    #[test]
    fn whose_network_it_shares_is_read_from_the_last_file_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.yml", "services: {leech: {network_mode: \"service:${VPN:-gate}\"}, web: {network_mode: host}}");
        write("b.yml", "services: {leech: {image: x}}");
        write("c.yml", "services: {leech: {network_mode: \"service:other\"}}");
        let network = |files, service| Files::default().say(&labels(folder.path(), files, service)).told.network_of;
        assert_eq!(network("a.yml,b.yml", "leech").as_deref(), Some("gate"));
        assert_eq!(network("a.yml,c.yml", "leech").as_deref(), Some("other"));
        assert_eq!((network("a.yml", "web"), network("b.yml", "leech")), (None, None));
    }

    #[test]
    fn each_way_to_say_that_a_service_needs_another_is_read() {
        let text = r#"
version: "3.9"
x-common: &common
  restart: unless-stopped
services:
  db: {image: postgres}
  list: {<<: *common, depends_on: [db, cache]}
  map:
    depends_on:
      db: {condition: service_healthy, restart: true}
      migrate: {condition: service_completed_successfully}
      cache:
  implied:
    links: ["db:database"]
    volumes_from: ["data:ro", "container:other"]
    network_mode: "service:vpn"
  nothing:
  env:
    environment: {A: "${UNSET:?}"}
"#;
        let pairs = |pairs: &[(&str, Condition)]| pairs.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect::<Vec<_>>();
        let table = [
            ("db", vec![]),
            ("list", vec![("db", Condition::Started), ("cache", Condition::Started)]),
            (
                "map",
                vec![
                    ("cache", Condition::Started),
                    ("db", Condition::Healthy),
                    ("migrate", Condition::CompletedSuccessfully),
                ],
            ),
            ("implied", vec![("db", Condition::Started), ("data", Condition::Started), ("vpn", Condition::Started)]),
            ("nothing", vec![]),
            ("env", vec![]),
            ("of another file", vec![]),
        ];
        for (service, expect) in table {
            assert_eq!(needs(text, service), pairs(&expect), "{service}");
        }
    }

    /// Each file of `tests/shapes` tells its edges in its last line, written by somebody who knows Compose and not this
    /// reader.
    #[test]
    fn the_edges_of_two_hundred_shapes_are_read_as_they_are() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shapes");
        let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 200, "{} files", files.len());
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("\r\n", "\n");
            let told = text.lines().last().and_then(|line| line.strip_prefix("# edges: ")).unwrap();
            let mut edges: BTreeMap<(String, String), String> = BTreeMap::new();
            for word in told.split(", ").filter(|word| *word != "none") {
                let (dependent, rest) = word.split_once('>').unwrap();
                let (needed, kind) = rest.rsplit_once(':').unwrap();
                let edge = edges.entry((dependent.to_owned(), needed.to_owned())).or_default();
                // To share a network is to wait for a start, unless more is said.
                if kind != "network" {
                    kind.clone_into(edge);
                } else if edge.is_empty() {
                    "started".clone_into(edge);
                }
            }
            let (services, whole) =
                parse(&text, &Variables::new()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(whole, "{}", path.display());
            let mut read: BTreeMap<(String, String), String> = BTreeMap::new();
            for (service, told) in services {
                for need in told.needs {
                    let kind = match need.condition {
                        Condition::Started => "started",
                        Condition::Healthy => "healthy",
                        Condition::CompletedSuccessfully => "completed",
                    };
                    read.insert((service.clone(), need.service), kind.to_owned());
                }
            }
            assert_eq!(read, edges, "{}", path.display());
        }
    }

    #[test]
    fn a_file_that_tells_nothing_is_no_trouble() {
        for text in ["", "services:", "services: [web]", "{", "a: &a [*a]", "web:\n  image: v1-format\n", "\u{0}"] {
            assert_eq!(needs(text, "web"), [], "{text:?}");
        }
        for (folder, files) in [("/nonexistent", "a.yml,-"), ("relative", "a.yml")] {
            assert_eq!(Files::default().say(&labels(Path::new(folder), files, "web")), Said::default());
        }
        assert_eq!(Files::default().say(&Labels::new()), Said::default());
    }

    #[test]
    fn s17_a_service_is_an_orphan_only_where_its_files_are_whole_and_do_not_know_it() {
        let table = [
            ("knows it", "services: {web: {image: x}, db: {image: x}}", false),
            ("knows it as nothing", "services: {web: }", false),
            ("another one", "services: {db: {image: x}}", true),
            ("none at all", "services: {}", true),
            ("may be included", "include: [other.yml]\nservices: {db: {image: x}}", false),
            ("of the first format", "db: {image: x}", false),
            ("being edited", "services: {db: {image: x", false),
        ];
        for (name, text, orphan) in table {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.yml"), text).unwrap();
            assert_eq!(Files::default().say(&labels(folder.path(), "a.yml", "web")).is_orphan, orphan, "{name}");
            let half = Files::default().say(&labels(folder.path(), "a.yml,gone.yml", "web"));
            assert!(!half.is_orphan, "{name}, and another file that is gone");
        }
    }

    #[test]
    fn later_files_add_and_a_changed_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.yml", "services: {web: {depends_on: [db, mq]}}");
        write("b.yml", "services: {web: {depends_on: {db: {condition: service_healthy}}}}");
        let (files, labels) = (Files::default(), labels(folder.path(), "a.yml,b.yml", "web"));
        let both =
            [("mq", Condition::Started), ("db", Condition::Healthy)].map(|(name, condition)| need(name, condition));
        assert_eq!(files.say(&labels).told.needs, both);
        write("a.yml", "services: {web: {}}");
        let later = SystemTime::now() + std::time::Duration::from_secs(2);
        fs::File::options().write(true).open(folder.path().join("a.yml")).unwrap().set_modified(later).unwrap();
        assert_eq!(files.say(&labels).told.needs, [need("db", Condition::Healthy)]);
    }
}
