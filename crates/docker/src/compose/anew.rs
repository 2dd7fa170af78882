//! A container made anew by Compose, where that makes nothing else of it: its files say what they said when it was made.

use std::time::Duration;

use evidence::escape;
use model::update::Source;
use serde::Deserialize;
use serde_json::{Value, json};

use super::SERVICE;
use super::driver::{ANSWER_WITHIN, Compose, Program, Project, accepted};
use super::unfetched;
use crate::definition::{Labels, NAME_BYTES_MAX};

/// So long an image may take to be fetched.
const PULL_WITHIN: Duration = Duration::from_secs(15 * 60);
/// So long it may take to be built.
const BUILD_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Which Compose made a container.
const VERSION: &str = "com.docker.compose.version";

/// A service that may be made anew.
pub(crate) struct Unchanged {
    compose: Compose,
    program: Program,
    project: Project,
    service: String,
}

impl Compose {
    /// Asks whether the container of these labels, in a network mode, can be made anew as what has this hash.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) async fn unchanged(&self, labels: &Labels, hash: &str, network_mode: &str) -> Result<Unchanged, String> {
        let project = Project::of(labels).ok_or("its labels do not tell from which files Compose made it")?;
        if let Some(gone) = project.files.iter().find(|file| !file.is_file()) {
            return Err(format!("its Compose file {} is not to be found from here", gone.display()));
        }
        let of = |label: &str| labels.get(label).map_or("", String::as_str);
        let (service, version) = (of(SERVICE), of(VERSION));
        // It is given as an argument.
        if service.is_empty() || service.starts_with('-') {
            return Err("its labels do not tell which service it is".to_owned());
        }
        if version.is_empty() {
            return Err("its labels do not tell which Compose made it".to_owned());
        }
        let is_v1 = version.starts_with("1.");
        let program = self.programs().await.into_iter().find(|program| program.is_v1() == is_v1).ok_or_else(|| {
            format!("it was made by Compose {}, and that generation of it is not here", escape(version, NAME_BYTES_MAX))
        })?;
        self.check(&program, &project).await?;
        let found = Unchanged { compose: self.clone(), program, project, service: service.to_owned() };
        if !found.would_be(hash, network_mode).await? {
            return Err(format!(
                "Compose would make something else of it: its files in {}, a variable of them, or Compose itself ({} then, \
                 {} now) were changed since; if that is meant, `docker compose up -d --no-deps --force-recreate {}` there",
                found.project.folder.display(),
                escape(version, NAME_BYTES_MAX),
                found.program.version,
                escape(service, NAME_BYTES_MAX),
            ));
        }
        if !is_v1 {
            found.touches_nothing_else().await?;
        }
        Ok(found)
    }
}

impl Unchanged {
    /// Makes this one service's container anew, and nothing else: no dependency, no other replica, no image.
    ///
    /// # Errors
    /// What Compose said.
    pub(crate) async fn make_anew(&self, within: Duration) -> Result<(), NotMade> {
        let up = self.up();
        let made = self.compose.run(&self.program, &self.project, &words(&up), within).await;
        let made = made.map_err(|why| NotMade { why, in_the_way: false })?;
        // What an `up` that was cut short left behind has the name that v2 gives to the new one; this one took it away.
        let in_the_way = String::from_utf8_lossy(&made.stderr).contains("The container name ");
        accepted("Compose could not make it anew", &made).map_err(|why| NotMade { why, in_the_way })
    }

    /// Fetches the image that the service's image name means, from its registry or by building it; the container stays as
    /// it is.
    ///
    /// # Errors
    /// What Compose said, with what that means.
    pub(crate) async fn fetch(&self, source: Source) -> Result<(), String> {
        let (args, within) = match source {
            Source::Pull => (vec!["pull", "--quiet", &self.service], PULL_WITHIN),
            Source::Build => (vec!["build", &self.service], BUILD_WITHIN),
        };
        let said = self.compose.run(&self.program, &self.project, &args, within).await?;
        accepted("Compose says", &said).map_err(|why| match unfetched::meaning(&why) {
            Some(meaning) => format!("{meaning} ({why})"),
            None => why,
        })
    }

    /// Compose's hash of the service, of the images that are there now.
    ///
    /// # Errors
    /// What Compose said.
    pub(crate) async fn present_hash(&self) -> Result<String, String> {
        self.hash(None).await
    }

    /// Whether it was made by a Compose whose hash has the image's id in it, too.
    pub(crate) fn hashes_the_image(&self) -> bool {
        self.program.is_v1()
    }

    /// Whether Compose would make of the service what has this hash, of the images that are there now.
    ///
    /// # Errors
    /// What Compose said.
    pub(crate) async fn would_be(&self, hash: &str, network_mode: &str) -> Result<bool, String> {
        if self.hash(None).await? == hash {
            return Ok(true);
        }
        // v2 takes its hash once it has put containers in the place of the services that are named.
        let shares = !self.program.is_v1() && network_mode.starts_with("container:");
        Ok(shares && self.hash(Some(&self.resolved(network_mode).await?)).await? == hash)
    }

    fn up(&self) -> Vec<String> {
        let scale = format!("{}=1", self.service);
        let mut up =
            ["up", "-d", "--no-deps", "--no-build", "--force-recreate", "--scale", &scale].map(str::to_owned).to_vec();
        if !self.program.is_v1() {
            // Else the file may have it fetch another image first, and that is in no hash.
            up.extend(["--pull", "never"].map(str::to_owned));
        }
        up.push(self.service.clone());
        up
    }

    /// v2 replaces networks and volumes, too, whose description was edited: no hash of a service tells of that.
    async fn touches_nothing_else(&self) -> Result<(), String> {
        let up = self.up();
        let args: Vec<&str> = ["--dry-run"].into_iter().chain(words(&up)).collect();
        let said = self.compose.run(&self.program, &self.project, &args, ANSWER_WITHIN).await?;
        accepted("Compose does not tell what it would do", &said)?;
        let text = [&said.stdout, &said.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        match more_than_containers(&text) {
            None => Ok(()),
            Some(more) => {
                Err(format!("Compose would do more than make this container anew: {}", escape(more, NAME_BYTES_MAX)))
            }
        }
    }

    /// The hash of what Compose would make, with `more` laid over its files.
    async fn hash(&self, more: Option<&str>) -> Result<String, String> {
        let args = ["config", "--hash", &self.service];
        let said = self.compose.run_with(&self.program, &self.project, more, &args, ANSWER_WITHIN).await?;
        accepted("Compose does not tell what it would make", &said)?;
        let hash = hash_of(&self.service, &String::from_utf8_lossy(&said.stdout)).map(str::to_owned);
        hash.ok_or_else(|| format!("Compose knows no service {} any more", escape(&self.service, NAME_BYTES_MAX)))
    }

    /// What the files say of the service, with the container in the place of the service whose network it shares. What is
    /// waited for comes with it, since Compose implies that by the service's name alone.
    async fn resolved(&self, network_mode: &str) -> Result<String, String> {
        let args = ["config", "--format", "json", &self.service];
        let said = self.compose.run(&self.program, &self.project, &args, ANSWER_WITHIN).await?;
        accepted("Compose does not tell what its files say", &said)?;
        let config: Config = serde_json::from_slice(&said.stdout).map_err(|e| format!("Compose tells no JSON: {e}"))?;
        let told = config.services.get(&self.service).ok_or("Compose tells nothing of it")?;
        resolved(&self.service, told, network_mode)
    }
}

/// Why nothing was made.
#[derive(Debug)]
pub(crate) struct NotMade {
    pub(crate) why: String,
    /// What an earlier one had left behind was in the way, and is not any more.
    pub(crate) in_the_way: bool,
}

fn words(of: &[String]) -> Vec<&str> {
    of.iter().map(String::as_str).collect()
}

/// What a dry run tells of besides containers.
fn more_than_containers(said: &str) -> Option<&str> {
    let done = said.lines().filter_map(|line| line.split_once("DRY-RUN MODE - ")).map(|(_, what)| what.trim());
    done.into_iter().find(|what| !what.starts_with("Container "))
}

#[derive(Deserialize)]
struct Config {
    services: std::collections::BTreeMap<String, Value>,
}

fn resolved(service: &str, told: &Value, network_mode: &str) -> Result<String, String> {
    let shares = |key: &str| told[key].as_str().is_some_and(|mode| mode.starts_with("service:"));
    if shares("ipc") || shares("pid") || !told["volumes_from"].is_null() {
        let why = "it shares more than its network with another: whether its files were edited cannot be told";
        return Err(why.to_owned());
    }
    let mut over = json!({"network_mode": network_mode});
    if !told["depends_on"].is_null() {
        over["depends_on"] = told["depends_on"].clone();
    }
    Ok(json!({"services": {service: over}}).to_string())
}

/// `SERVICE HASH`, a line for each service.
fn hash_of<'a>(service: &str, said: &'a str) -> Option<&'a str> {
    said.lines().find_map(|line| line.split_once(' ').filter(|(name, _)| *name == service)).map(|(_, hash)| hash.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_its_service() {
        let said = "web-2 cafe\nweb beef\n";
        let hashes = ["web", "web-2", "we"].map(|service| hash_of(service, said));
        assert_eq!(hashes, [Some("beef"), Some("cafe"), None]);
    }

    #[test]
    fn a_dry_run_tells_what_is_more_than_a_container() {
        let only =
            " DRY-RUN MODE -  Container dry-leech-1  Recreate \n DRY-RUN MODE -  Container dry-leech-1  Recreated \n";
        assert_eq!(more_than_containers(only), None);
        let more = " DRY-RUN MODE -  Container dry-leech-1  Stopped \n DRY-RUN MODE -  Network dry_default  Removed \n";
        assert_eq!(more_than_containers(more), Some("Network dry_default  Removed"));
    }

    #[test]
    fn a_container_stands_in_the_place_of_the_service_whose_network_is_shared() {
        let needs = json!({"vpn": {"condition": "service_healthy", "restart": true, "required": true}});
        let told = json!({"image": "x", "network_mode": "service:vpn", "depends_on": needs});
        let text = resolved("app", &told, "container:abc").unwrap();
        let over: Value = serde_json::from_str(&text).unwrap();
        let expect = json!({"services": {"app": {"network_mode": "container:abc", "depends_on": needs}}});
        assert_eq!(over, expect);
        for more in [json!({"pid": "service:vpn"}), json!({"ipc": "service:vpn"}), json!({"volumes_from": ["vpn"]})] {
            assert!(resolved("app", &more, "container:abc").is_err(), "{more}");
        }
    }
}
