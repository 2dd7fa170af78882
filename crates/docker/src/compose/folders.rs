//! Deployments by directory: each folder below one path that has a Compose file, as FlatRun and many a host keep them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use evidence::escape;
use model::folder::Folder;
use serde::Deserialize;

use super::variables::{self, Variables};
use super::{parse, text_of};
use crate::definition::NAME_BYTES_MAX;

/// In the order in which Compose looks for them.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// FlatRun's word on a deployment.
const SERVICE_FILE: &str = "service.yml";
/// The variables that Compose reads by itself.
const ENV_FILE: &str = ".env";
/// FlatRun's variables, which it has Compose read in the place of `.env`.
const FLATRUN_ENV_FILE: &str = ".env.flatrun";
/// A host with more deployments than that is none that one engine bears.
const FOLDERS_MAX: usize = 2_000;
const TEXT_BYTES_MAX: usize = 500;
const NAMES_MAX: usize = 200;

/// The deployments below `path`, by name, on the host that is called `host`. Of two folders with one project's name the
/// first counts, and says so.
///
/// # Errors
/// When the path itself cannot be read.
pub fn folders(path: &Path, host: &str) -> io::Result<Vec<Folder>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_hidden = |path: &Path| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let with_file = |path: PathBuf| Some((compose_file(&path)?, path));
    let found = paths.into_iter().filter(|path| !is_hidden(path)).filter_map(with_file).take(FOLDERS_MAX);
    let mut folders: Vec<Folder> = Vec::new();
    for folder in found.map(|(file, path)| read(&file, &path, host)) {
        match folders.iter_mut().find(|known| known.deployment == folder.deployment) {
            None => folders.push(folder),
            Some(known) => {
                let says = format!("{} is of the project {}, too", folder.path, folder.deployment);
                known.flaw.get_or_insert(says);
            }
        }
    }
    Ok(folders)
}

/// When the folders below a path, and the files that tell of deployments, were changed last.
pub type Stamps = Vec<(PathBuf, SystemTime)>;

/// Tells whether [`folders`] may have something new to say, at a fraction of what that costs.
///
/// # Errors
/// When the path itself cannot be read.
pub fn folder_stamps(path: &Path) -> io::Result<Stamps> {
    let mut stamps = Stamps::new();
    for folder in fs::read_dir(path)?.flatten().map(|entry| entry.path()) {
        let files = FILES.iter().chain(&[SERVICE_FILE, FLATRUN_ENV_FILE, ENV_FILE]).map(|name| folder.join(name));
        let changed = |path: PathBuf| {
            let at = fs::metadata(&path).ok()?.modified().ok()?;
            Some((path, at))
        };
        stamps.extend([folder.clone()].into_iter().chain(files).filter_map(changed));
    }
    stamps.sort();
    Ok(stamps)
}

/// The file that Compose would take.
fn compose_file(folder: &Path) -> Option<PathBuf> {
    FILES.iter().map(|name| folder.join(name)).find(|file| file.is_file())
}

/// The file of variables that Compose is to be told of, if it is not the one that it reads by itself.
pub(super) fn env_file_to_name(folder: &Path) -> Option<&'static str> {
    folder.join(FLATRUN_ENV_FILE).is_file().then_some(FLATRUN_ENV_FILE)
}

fn read(file: &Path, folder: &Path, host: &str) -> Folder {
    let env_file = folder.join(env_file_to_name(folder).unwrap_or(ENV_FILE));
    let variables = text_of(&env_file).map(|text| variables::of_env_file(&text)).unwrap_or_default();
    let name = |text: &str| escape(text, NAME_BYTES_MAX);
    let text = text_of(file).ok_or_else(|| "it cannot be read".to_owned());
    let parsed = text.and_then(|text| {
        parse(&text, &variables)?;
        Ok(project(&text, &variables, folder))
    });
    let path = folder.to_string_lossy().into_owned();
    let flaw = if folder.to_str().is_none() { Some("its path is not UTF-8".to_owned()) } else { None };
    let (deployment, flaw) = match parsed {
        Ok(deployment) => (deployment, flaw),
        Err(error) => {
            let flaw = escape(&format!("{}: {error}", file.display()), TEXT_BYTES_MAX);
            (project("", &variables, folder), Some(flaw))
        }
    };
    Folder { host: host.to_owned(), deployment: name(&deployment), path, domains: domains(folder), flaw }
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

/// What Compose calls the project: the variable `COMPOSE_PROJECT_NAME`, else the file's `name`, else the folder's own.
/// Only small letters, digits, `-` and `_` are left of that.
fn project(text: &str, variables: &Variables, folder: &Path) -> String {
    let of_file = || serde_saphyr::from_str::<Named>(text).ok()?.name.map(|name| variables::filled(&name, variables));
    let of_folder = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let given = variables.get("COMPOSE_PROJECT_NAME").cloned().or_else(of_file).filter(|name| !name.is_empty());
    let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let kept: String = given.unwrap_or_else(of_folder).to_lowercase().chars().filter(allowed).collect();
    let project = kept.trim_start_matches(['-', '_']).to_owned();
    if project.is_empty() { "default".to_owned() } else { project }
}

#[derive(Deserialize, Default)]
struct ServiceFile {
    networking: Option<Domain>,
    domains: Option<Vec<Domain>>,
}

#[derive(Deserialize)]
struct Domain {
    domain: Option<String>,
}

/// A file that says something else tells nothing: it is FlatRun's, not ours.
fn domains(folder: &Path) -> Vec<String> {
    let file = text_of(&folder.join(SERVICE_FILE)).and_then(|text| serde_saphyr::from_str::<ServiceFile>(&text).ok());
    let ServiceFile { networking, domains } = file.unwrap_or_default();
    let all = domains.unwrap_or_default().into_iter().chain(networking).filter_map(|domain| domain.domain);
    let mut names: Vec<String> = Vec::new();
    for name in all.filter(|name| !name.is_empty()).map(|name| escape(&name, NAME_BYTES_MAX)) {
        if !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn each_folder_with_a_compose_file_is_a_deployment() {
        let root = tempfile::tempdir().unwrap();
        let shop = "name: shop-${STAGE}\nservices: {web: {image: x, depends_on: [db]}, db: {image: y}}";
        write(
            root.path(),
            &[
                ("Shop/docker-compose.yml", shop),
                ("Shop/.env", "STAGE=live"),
                ("Shop/service.yml", "name: shop\ntype: app\nnetworking: {expose: true, domain: shop.example.org}"),
                ("My Wiki/compose.yaml", "services: {app: {image: x}}"),
                ("My Wiki/docker-compose.yml", "services: {old: {image: x}}"),
                ("My Wiki/service.yml", "domains: [{domain: w.example.org}, {domain: w.example.org}, {domain: b}]"),
                ("env/compose.yml", "name: file\nservices: {a: {image: x}}"),
                ("env/.env.flatrun", "COMPOSE_PROJECT_NAME=told"),
                ("broken/compose.yml", "services: {a: {image: x"),
                ("broken/service.yml", "- no\n- map"),
                ("notes/README", "no deployment"),
                (".git/compose.yml", "services: {a: {image: x}}"),
                ("a-file.yml", "services: {a: {image: x}}"),
            ],
        );
        let found = folders(root.path(), "h").unwrap();
        let told: Vec<_> =
            found.iter().map(|f| (f.deployment.as_str(), f.domains.join(" "), f.flaw.is_some())).collect();
        let row = |name, domains: &str, flaw| (name, domains.to_owned(), flaw);
        let expect = [
            row("mywiki", "w.example.org b", false),
            row("shop-live", "shop.example.org", false),
            row("broken", "", true),
            row("told", "", false),
        ];
        assert_eq!(told, expect);
        assert_eq!(found[0].path, root.path().join("My Wiki").to_str().unwrap());
    }

    #[test]
    fn stamps_change_with_what_tells_of_a_deployment_and_with_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("a/compose.yml", "services: {}"), ("a/data/x", "1")]);
        let stamps = || folder_stamps(root.path()).unwrap();
        let before = stamps();
        write(root.path(), &[("a/data/y", "2")]);
        assert_eq!(stamps(), before);
        let mut told = vec![before];
        type Change = (&'static str, fn(&Path));
        let changes: [Change; 4] = [
            ("a file", |path| fs::write(path.join("a/.env"), "A=1").unwrap()),
            ("a folder", |path| fs::create_dir(path.join("b")).unwrap()),
            ("its text", |path| {
                let file = fs::File::options().write(true).open(path.join("a/compose.yml")).unwrap();
                file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }),
            ("a removal", |path| fs::remove_dir_all(path.join("a")).unwrap()),
        ];
        for (name, change) in changes {
            change(root.path());
            assert!(!told.contains(&stamps()), "{name}");
            told.push(stamps());
        }
        assert!(folder_stamps(&root.path().join("gone")).is_err());
    }

    #[test]
    fn two_folders_of_one_project_are_told_and_a_path_that_is_gone_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("a/compose.yml", "name: x\nservices: {}"), ("b/compose.yml", "name: x\nservices: {}")]);
        let found = folders(root.path(), "h").unwrap();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert!(one.path.ends_with("/a"), "{one:?}");
        assert!(one.flaw.as_ref().is_some_and(|flaw| flaw.contains("/b is of the project x, too")), "{one:?}");
        assert!(folders(&root.path().join("gone"), "h").is_err());
    }
}
