//! Where the commands that look get their answers: from the daemon, or, when there is none, from its journal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Wall;
use model::incident::IncidentId;
use model::settings::Settings;
use model::view::{Explanation, History, Incident, Resource, Status, Why};

use crate::config::{Config, Origin};
use crate::live::Daemon;
use crate::offline::Journal;
use crate::render::Source;

/// Who answers.
pub(crate) enum House {
    /// The daemon.
    Live(Daemon),
    /// The journal of one that does not run.
    Dead(Box<Journal>),
}

/// Why there is no answer, by how the command ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nobody runs.
    #[error("{0}")]
    NotRunning(String),
    /// healer knows nothing of the kind, or could not answer.
    #[error("{0}")]
    Failed(String),
}

/// Which part of the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// How far back.
    pub(crate) since: Duration,
    /// Only alerts and their incidents.
    pub(crate) alerts_only: bool,
    /// At most so many of the newest entries.
    pub(crate) limit: u16,
}

impl House {
    /// The daemon, if one runs, else its journal.
    pub(crate) fn open(state_dir: &Path, settings: &Settings, now: Wall) -> Result<House, Trouble> {
        match Daemon::connect(state_dir) {
            Ok(daemon) => Ok(House::Live(daemon)),
            Err(Trouble::NotRunning(nobody)) => match Journal::open(state_dir, settings, now) {
                Ok(journal) => Ok(House::Dead(Box::new(journal))),
                Err(error) => Err(Trouble::NotRunning(format!("{nobody}; {error}"))),
            },
            Err(failed @ Trouble::Failed(_)) => Err(failed),
        }
    }

    /// For the drawing: who told this.
    pub(crate) fn source(&self) -> Source {
        match self {
            House::Live(_) => Source::Daemon,
            House::Dead(journal) => Source::Journal(journal.as_of()),
        }
    }

    pub(crate) fn status(&mut self) -> Result<Status, Trouble> {
        match self {
            House::Live(daemon) => daemon.status(),
            House::Dead(journal) => Ok(journal.status()),
        }
    }

    /// All on record, open ones first.
    pub(crate) fn incidents(&mut self) -> Result<Vec<Incident>, Trouble> {
        match self {
            House::Live(daemon) => daemon.incidents(),
            House::Dead(journal) => Ok(journal.incidents()),
        }
    }

    pub(crate) fn why(&mut self, words: &str) -> Result<Why, Trouble> {
        let told = match self {
            House::Live(daemon) => daemon.why(words)?,
            House::Dead(journal) => journal.why(words)?,
        };
        match told {
            Some(why) => Ok(why),
            None => Err(self.unknown(words)),
        }
    }

    /// What follows from the policies for what these words mean, one for each resource.
    pub(crate) fn explain(&mut self, words: &str, issue_type: Option<&str>) -> Result<Vec<Explanation>, Trouble> {
        let told = match self {
            House::Live(daemon) => daemon.explain(words, issue_type)?,
            House::Dead(journal) => journal.explain(words, issue_type)?,
        };
        match told {
            Some(told) => Ok(told),
            // What it knows by name, it would have told of.
            None if self.knows(words) => {
                let says = "the healer that runs is of a version that does not explain policies: start it anew";
                Err(Trouble::Failed(says.to_owned()))
            }
            None => Err(self.unknown(words)),
        }
    }

    fn knows(&mut self, words: &str) -> bool {
        let House::Live(daemon) = self else { return false };
        daemon.why(words).is_ok_and(|why| why.is_some_and(|why| why.resource.is_some()))
    }

    /// What there is in place of what nobody knows.
    fn unknown(&mut self, words: &str) -> Trouble {
        let knows = match self {
            House::Live(_) => "healer knows",
            House::Dead(_) => "the journal knows",
        };
        let own = |id: &IncidentId| self.status().is_ok_and(|status| status.instance == *id.instance);
        Trouble::Failed(match words.parse::<IncidentId>().ok().filter(own) {
            Some(id) if self.incidents().is_ok_and(|all| all.is_empty()) => {
                format!("{knows} no incident {id}: none is on record")
            }
            Some(id) => format!("{knows} no incident {id}: `healer incidents --all` lists those on record"),
            None => format!("{knows} nothing called `{words}`: `healer status --all` lists what it knows"),
        })
    }

    /// Each service that these words mean, where they mean several: then they are a deployment's name.
    pub(crate) fn services(&mut self, words: &str) -> Result<Vec<Resource>, Trouble> {
        let all = self.status()?.deployments.into_iter().flat_map(|deployment| deployment.resources);
        let services: Vec<Resource> = all.filter(|resource| resource.id.answers_to(words)).collect();
        Ok(if services.len() > 1 { services } else { Vec::new() })
    }

    /// The newest entries of the part, oldest first.
    pub(crate) fn history(&mut self, part: Part) -> Result<History, Trouble> {
        match self {
            House::Live(daemon) => daemon.history(part),
            House::Dead(journal) => journal.history(part),
        }
    }

    /// The id that a person's word means: a bare number is one of this healer's own.
    pub(crate) fn incident(&mut self, word: &str) -> Result<IncidentId, Trouble> {
        let word = word.strip_prefix('#').unwrap_or(word);
        match word.parse() {
            Ok(number) => Ok(IncidentId { instance: self.status()?.instance.into(), number }),
            Err(_) => word.parse().map_err(|error| Trouble::Failed(format!("{error}, or its number alone"))),
        }
    }
}

/// Where the packaged daemon keeps its state.
const PACKAGED: &str = "/var/lib/healer";

/// Where to look for the daemon. Where nobody set a directory, the person at the terminal has another default than the
/// daemon that systemd started: so if nobody answers in theirs, its is tried.
pub(crate) fn state_dir(config: &Config) -> PathBuf {
    let default = config.origins.iter().any(|setting| setting.key == "state_dir" && setting.origin == Origin::Default);
    let packaged = Path::new(PACKAGED);
    let dead = !surfaces::answers(&config.state_dir);
    if default && dead && (surfaces::answers(packaged) || !config.state_dir.exists() && packaged.exists()) {
        packaged.to_owned()
    } else {
        config.state_dir.clone()
    }
}
