//! One HTTP client policy for everything that healer sends out: TLS, timeouts, limits, and what may be said of a failure.
//!
//! ```text
//! Client::new(&Policy) ── get(&Address) ──▶ Ok(Response) of any status, or Error::Retryable
//!                      └─ post_json(&Address, headers, body) ──▶ Ok(Response)        2xx
//!                                                          ├──▶ Error::Retryable   try again later
//!                                                          └──▶ Error::Final       never will
//! get_over(a connection, &Address, headers, &Policy) ─▶ Ok(Exchange) of any status: for probes
//! ```
//!
//! Redirects are never followed: the headers carry secrets that were meant for one host, and a redirected POST arrives
//! as a GET without its body. A proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`) is used.

mod address;
mod direct;
mod error;
mod reply;
mod tls;

pub use address::Address;
pub use direct::{Exchange, get_over};
pub use error::Error;
pub use reply::Response;
pub use reqwest::header;
pub use tls::install_crypto_provider;

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// How far a request may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What the other side's log shows: `healer/0.1.0`.
    pub user_agent: String,
    /// Until a connection, TLS included, stands.
    pub connect_timeout: Duration,
    /// Until the answer's last byte.
    pub total_timeout: Duration,
    /// How much of an answer's body is read; the rest is not waited for.
    pub body_bytes_max: usize,
}

/// Sends requests under one [`Policy`]. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    body_bytes_max: usize,
}

impl Client {
    /// A client with the host's own trusted roots.
    ///
    /// # Errors
    /// [`Error::Final`] when the user agent is no header's value.
    pub fn new(policy: &Policy) -> Result<Client, Error> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config()?)
            .user_agent(&policy.user_agent)
            .connect_timeout(policy.connect_timeout)
            .timeout(policy.total_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::setup(&error))?;
        Ok(Client { http, body_bytes_max: policy.body_bytes_max })
    }

    /// Asks for a page. Any answer is `Ok`, whatever its status.
    ///
    /// # Errors
    /// [`Error::Retryable`] when there was none. No error's text holds a query or a path.
    pub async fn get(&self, url: &Address) -> Result<Response, Error> {
        let sent = self.http.get(url.url().clone()).send().await;
        let answer = sent.map_err(|error| Error::unanswered(url, &error))?;
        Ok(reply::read(answer, self.body_bytes_max).await)
    }

    /// Posts a JSON text and waits for the answer. A 2xx is `Ok`, whatever becomes of its body.
    ///
    /// # Errors
    /// By what the caller does next, see [`Error`]. No error's text holds a query, a path, or the value of a header.
    pub async fn post_json(
        &self,
        url: &Address,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<Response, Error> {
        let mut all: HeaderMap = headers.iter().cloned().collect();
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let sent = self.http.post(url.url().clone()).headers(all).body(body).send().await;
        let answer = sent.map_err(|error| Error::unanswered(url, &error))?;
        let response = reply::read(answer, self.body_bytes_max).await;
        if (200..300).contains(&response.status) { Ok(response) } else { Err(Error::answered(url, headers, &response)) }
    }
}

#[cfg(test)]
mod tests;
