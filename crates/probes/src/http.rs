//! A GET, asked over one client for all probes.

use std::time::Duration;

use outbound::{Address, Client, Policy};

use crate::said;

/// As much of a page as is read. What is longer is no answer of a health check, and is not waited for.
const PAGE_BYTES_MAX: usize = 64 * 1024;
/// Each probe has a shorter time of its own.
const AT_MOST: Duration = Duration::from_secs(300);
/// From here on a status is an error.
const ERRORS_FROM: u16 = 400;

/// What asks over HTTP. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Asker(Client);

impl Asker {
    /// `user_agent`: what the other side's log shows.
    ///
    /// # Errors
    /// In words, where no client can be made.
    pub fn new(user_agent: &str) -> Result<Asker, String> {
        let policy = Policy {
            user_agent: user_agent.to_owned(),
            connect_timeout: AT_MOST,
            total_timeout: AT_MOST,
            body_bytes_max: PAGE_BYTES_MAX,
        };
        Client::new(&policy).map(Asker).map_err(|error| error.to_string())
    }

    pub(crate) async fn get(&self, url: &Address) -> Result<(), String> {
        let response = self.0.get(url).await.map_err(|error| error.to_string())?;
        if response.status < ERRORS_FROM {
            return Ok(());
        }
        let body = said(String::from_utf8_lossy(&response.body).trim());
        let says = if body.is_empty() { String::new() } else { format!(": {body}") };
        Err(format!("it answered {}{says}", response.status))
    }
}
