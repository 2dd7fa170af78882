//! The other end of the socket: how the command line speaks to a running healer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use model::command::{Ask, CommandId, Reply};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::socket::SOCKET_FILE;

/// Until the whole answer is there. healer itself gives up a little earlier, and says so.
const ANSWERED_WITHIN: Duration = Duration::from_secs(40);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why there is no answer; by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there: the journal can still be read.
    #[error("{0}")]
    NotRunning(String),
    /// This user may not.
    #[error("{0}")]
    Denied(String),
    /// healer answered, and not with what was asked for.
    #[error("{error}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// healer's words, with the remedy.
        error: String,
    },
    /// The conversation broke off, or was none.
    #[error("{0}")]
    Broken(String),
}

/// Speaks to the healer of one state directory. Each question is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Looks whether somebody answers.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] or [`ClientError::Denied`], with the remedy.
    pub async fn connect(state_dir: &Path) -> Result<Client, ClientError> {
        let client = Client { socket: state_dir.join(SOCKET_FILE) };
        client.dial().await?;
        Ok(client)
    }

    /// Asks, and reads the answer as `T`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path_and_query: &str) -> Result<T, ClientError> {
        let (status, body) = self.call(Method::GET, path_and_query, Bytes::new()).await?;
        if status.is_success() { read(&body) } else { Err(refused(status, &body)) }
    }

    /// Posts a JSON value, and reads the answer as `T`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ClientError> {
        let (status, body) = self.call(Method::POST, path, body.to_string().into()).await?;
        if status.is_success() { read(&body) } else { Err(refused(status, &body)) }
    }

    /// Gives a command. A reply that says "not taken" is a reply. With the same `id` it can be given again after
    /// [`ClientError::Broken`] and acts once.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn command(&self, ask: &Ask, id: Option<&CommandId>) -> Result<Reply, ClientError> {
        let request = match id {
            Some(CommandId(id)) => json!({ "ask": ask, "id": id }),
            None => json!({ "ask": ask }),
        };
        let (status, body) = self.call(Method::POST, "/api/v1/commands", request.to_string().into()).await?;
        match status {
            status if status.is_success() => read(&body),
            StatusCode::CONFLICT => read(&body).map_err(|_| refused(status, &body)),
            _ => Err(refused(status, &body)),
        }
    }

    async fn dial(&self) -> Result<UnixStream, ClientError> {
        UnixStream::connect(&self.socket).await.map_err(|error| self.undialled(&error))
    }

    fn undialled(&self, error: &io::Error) -> ClientError {
        let at = self.socket.display();
        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
            let remedy = "start it with `healer run`, or name the configuration of the one that runs with --config";
            return ClientError::NotRunning(format!("no healer answers at {at}: {remedy}"));
        }
        if error.kind() == io::ErrorKind::PermissionDenied {
            let remedy = "ask as the user that healer runs as, or as root; `healer help` says how a group is let in";
            return ClientError::Denied(format!("you may not speak to healer at {at}: {remedy}"));
        }
        ClientError::Broken(format!("cannot reach healer at {at}: {error}"))
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), ClientError> {
        let exchange = self.exchange(method, path, body);
        tokio::time::timeout(ANSWERED_WITHIN, exchange).await.unwrap_or_else(|_| {
            let at = self.socket.display();
            Err(ClientError::Broken(format!("healer at {at} does not answer within {} s", ANSWERED_WITHIN.as_secs())))
        })
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), ClientError> {
        let broken = |error: &dyn std::fmt::Display| {
            ClientError::Broken(format!("the conversation with healer at {} broke off: {error}", self.socket.display()))
        };
        let stream = TokioIo::new(self.dial().await?);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(stream).await.map_err(|error| broken(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Broken(format!("`{}` cannot be asked for: {error}", path.escape_debug())))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|error| broken(&error))?.to_bytes()))
        };
        tokio::pin!(answer);
        // The connection moves only while it is polled; its own end is told by the answer.
        tokio::select! {
            answered = &mut answer => answered,
            _ = connection => answer.await,
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| {
        let remedy = "use the healer command of the version that runs";
        ClientError::Broken(format!("healer's answer is not understood ({error}): {remedy}"))
    })
}

fn refused(status: StatusCode, body: &[u8]) -> ClientError {
    let told = serde_json::from_slice::<Value>(body).ok();
    let error = told
        .as_ref()
        .and_then(|body| body["error"].as_str())
        .map_or_else(|| format!("healer answered {status}"), ToOwned::to_owned);
    ClientError::Refused { status: status.as_u16(), error }
}
