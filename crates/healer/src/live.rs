//! The daemon, as the commands speak to it: over the socket in the state directory.

use std::path::Path;

use model::command::{Ask, Reply};
use model::policy::Row;
use model::view::{Explanation, History, Incident, Line, Status, Why};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use surfaces::client::{Client, ClientError};
use tokio::runtime::Runtime;

use crate::source::{Part, Trouble};

/// The largest page that the API gives.
const PAGE_MAX: usize = 1_000;

/// A running healer.
pub(crate) struct Daemon {
    client: Client,
    runtime: Runtime,
}

/// A page of a list.
#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// A page of the history: besides the lines, the entries.
#[derive(Deserialize)]
struct Entries {
    items: Vec<Line>,
    entries: Vec<model::event::Entry>,
}

impl Daemon {
    /// [`Trouble::NotRunning`] if nobody answers there.
    pub(crate) fn connect(state_dir: &Path) -> Result<Daemon, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Trouble::Failed(format!("failed to begin: {error}")))?;
        let client = runtime.block_on(Client::connect(state_dir))?;
        Ok(Daemon { client, runtime })
    }

    pub(crate) fn status(&self) -> Result<Status, Trouble> {
        self.get("/api/v1/status")
    }

    pub(crate) fn incidents(&self) -> Result<Vec<Incident>, Trouble> {
        Ok(self.all("/api/v1/incidents?")?)
    }

    /// `None` if this healer is of a version that does not tell.
    pub(crate) fn policies(&self) -> Result<Option<Vec<Row>>, Trouble> {
        unless_unknown(self.all("/api/v1/policies?"))
    }

    /// `None` if healer knows nothing of these words, or is of a version that does not tell.
    pub(crate) fn explain(&self, words: &str, issue_type: Option<&str>) -> Result<Option<Vec<Explanation>>, Trouble> {
        let issue = issue_type.map_or_else(String::new, |issue| format!("issue={}&", encoded(issue)));
        unless_unknown(self.all(&format!("/api/v1/policies/explain?of={}&{issue}", encoded(words))))
    }

    /// A whole list. `path`: up to where `limit` may follow.
    fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let asked = format!("{path}limit={PAGE_MAX}{cursor}");
            let page: Items<T> = self.runtime.block_on(self.client.get(&asked))?;
            all.extend(page.items);
            match page.next {
                Some(next) => cursor = format!("&cursor={}", encoded(&next)),
                None => return Ok(all),
            }
        }
    }

    /// `None` if healer knows nothing of these words.
    pub(crate) fn why(&self, words: &str) -> Result<Option<Why>, Trouble> {
        match self.runtime.block_on(self.client.get(&format!("/api/v1/why?of={}", encoded(words)))) {
            Ok(why) => Ok(Some(why)),
            // healer's own words name the API's routes; who stands at a terminal has commands.
            Err(ClientError::Refused { status: 400 | 404, .. }) => Ok(None),
            Err(
                other @ (ClientError::Refused { .. }
                | ClientError::NotRunning(_)
                | ClientError::Denied(_)
                | ClientError::Broken(_)),
            ) => Err(other.into()),
        }
    }

    pub(crate) fn history(&self, part: Part) -> Result<History, Trouble> {
        let (s, alerts_only, limit) = (part.since.as_secs().max(1), part.alerts_only, part.limit);
        let path = format!("/api/v1/history?since={s}s&alerts_only={alerts_only}&order=newest&limit={limit}");
        let mut page: Entries = self.get(&path)?;
        page.items.reverse();
        page.entries.reverse();
        Ok(History { lines: page.items, entries: page.entries })
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Result<Reply, Trouble> {
        Ok(self.runtime.block_on(self.client.command(ask, None))?)
    }

    /// Waits on for the end of what that reply says is under way.
    pub(crate) fn wait_for(&self, ask: &Ask, mut reply: Reply) -> Result<Reply, Trouble> {
        while reply.taken && reply.under_way {
            reply = self.runtime.block_on(self.client.command(ask, Some(&reply.id)))?;
        }
        Ok(reply)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        Ok(self.runtime.block_on(self.client.get(path))?)
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        match error {
            ClientError::NotRunning(says) => Trouble::NotRunning(says),
            ClientError::Denied(says) | ClientError::Broken(says) => Trouble::Failed(says),
            ClientError::Refused { error, .. } => Trouble::Failed(error),
        }
    }
}

/// The answer, unless there is none under this name.
fn unless_unknown<T>(answer: Result<T, ClientError>) -> Result<Option<T>, Trouble> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(
            other @ (ClientError::Refused { .. }
            | ClientError::NotRunning(_)
            | ClientError::Denied(_)
            | ClientError::Broken(_)),
        ) => Err(other.into()),
    }
}

/// Percent-encoded, as a value of a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_person_stay_one_value_of_the_query() {
        assert_eq!(encoded("shop/web"), "shop%2Fweb");
        assert_eq!(encoded("a&b=c d\n%"), "a%26b%3Dc%20d%0A%25");
    }

    #[test]
    fn an_empty_directory_is_told_from_a_broken_one() {
        let dir = tempfile::tempdir().unwrap();
        let Err(Trouble::NotRunning(says)) = Daemon::connect(dir.path()) else { panic!() };
        assert!(says.contains("healer run"), "{says}");
        std::fs::write(dir.path().join(surfaces::SOCKET_FILE), "no socket").unwrap();
        assert!(matches!(Daemon::connect(dir.path()), Err(Trouble::NotRunning(_) | Trouble::Failed(_))));
    }
}
