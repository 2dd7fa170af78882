//! Connections: how many, how slow, how long, and how they end.
//!
//! A client that sends its headers drop by drop, sends too many, or holds its connection for ever costs one of a bounded
//! number of places for a bounded time.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::view::Status;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use crate::answer::Problem;
use crate::error::Error;
use crate::guard::{Peer, guard};
use crate::house::House;
use crate::router::router;
use crate::routes::approve;
use crate::routes::life::healthz;
use crate::socket::{Socket, user};

/// Connections at the same time, on each surface; others wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// Until a request's headers are complete; also how long an idle connection is kept. Whoever sends them drop by drop
/// holds a place until then.
const HEADERS_WITHIN: Duration = Duration::from_secs(2);
/// A request's headers, in bytes and in number.
const HEADER_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// After this a connection takes no further request.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);
/// How long the request at hand may go on when its connection is to end.
const LAST_REQUEST_WITHIN: Duration = Duration::from_secs(35);
/// How long open connections may go on at a shutdown.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(2);
/// The pause after an accept that failed: for want of file descriptors it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come in. Not a closure, since the future of one that borrows cannot be said to be `Send`.
trait Door: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, _) = TcpListener::accept(self).await?;
        let peer = Peer::Tcp(stream.local_addr()?);
        Ok((stream, peer))
    }
}

impl Door for Socket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener().accept().await?;
        let who = user(stream.peer_cred()?.uid());
        Ok((stream, Peer::User(who)))
    }
}

/// Serves the read-only side over TCP until the shutdown.
///
/// # Errors
/// When the listener can be reached from other hosts, since nobody would be asked for a token.
pub async fn serve(listener: TcpListener, house: House, shutdown: CancellationToken) -> Result<(), Error> {
    local_only(&listener)?;
    accept_all(listener, router(house), shutdown).await;
    Ok(())
}

fn local_only(listener: &TcpListener) -> Result<(), Error> {
    let local =
        listener.local_addr().map_err(|error| Error::Io { what: "read the listener's address".to_owned(), error })?;
    if local.ip().to_canonical().is_loopback() { Ok(()) } else { Err(Error::Exposed(local)) }
}

/// Serves everything over the unix socket until the shutdown; then the socket's file is removed.
pub async fn serve_socket(socket: Socket, house: House, shutdown: CancellationToken) {
    accept_all(socket, router(house), shutdown).await;
}

/// What is served while healer cannot begin.
#[derive(Clone)]
pub struct Waiting {
    /// How everything stands, at the moment of the question.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
    /// What healer waits for, with the remedy.
    pub because: String,
}

/// Says over TCP and the unix socket, as far as there are such, what healer waits for, until the shutdown. The listeners
/// are closed then.
///
/// # Errors
/// As [`serve`].
pub async fn serve_waiting(
    listener: Option<TcpListener>,
    socket: Option<Socket>,
    waiting: Waiting,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    listener.as_ref().map_or(Ok(()), local_only)?;
    let over_tcp = async {
        if let Some(listener) = listener {
            accept_all(listener, waits(waiting.clone()), shutdown.clone()).await;
        }
    };
    let over_socket = async {
        if let Some(socket) = socket {
            accept_all(socket, waits(waiting.clone()), shutdown.clone()).await;
        }
    };
    tokio::join!(over_tcp, over_socket);
    Ok(())
}

/// Few routes are true without a loop; of any other one it is said why there is no answer.
fn waits(waiting: Waiting) -> Router {
    let Waiting { status, because } = waiting;
    let error = format!("not ready: {because}");
    let unready = Json(json!({ "ready": false, "reasons": [because], "error": error }));
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, error);
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(move || async move { (StatusCode::SERVICE_UNAVAILABLE, unready.clone()) }))
        .route(approve::ROUTE, get(approve::not_ready).post(approve::not_ready))
        .route("/api/v1/status", get(move || async move { Json(status()) }))
        .fallback(move || async move { problem.clone() })
        .layer(from_fn(guard))
}

async fn accept_all(door: impl Door, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = next(&door, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let served = connection(stream, peer, router.clone(), shutdown.clone());
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Nobody else is let in while those who are inside finish.
    drop(door);
    connections.close();
    // Whoever is not done by then is cut off: their tasks end with the runtime.
    let _ = tokio::time::timeout(SHUTDOWN_WITHIN, connections.wait()).await;
}

/// The next connection, with the place that it holds.
async fn next<D: Door>(door: &D, places: &Arc<Semaphore>) -> io::Result<(D::Stream, Peer, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = door.accept().await?;
    Ok((stream, peer, place))
}

/// Serves one connection until it ends, grows too old, or is to end.
fn connection<S>(stream: S, peer: Peer, router: Router, ended: CancellationToken) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), peer.clone(), request));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    async move {
        tokio::pin!(serving);
        let ending = async {
            tokio::select! {
                () = ended.cancelled() => {}
                () = tokio::time::sleep(CONNECTION_AGE_MAX) => {}
            }
        };
        tokio::select! {
            // A broken connection is its client's affair.
            _ = serving.as_mut() => return,
            () = ending => {}
        }
        serving.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_REQUEST_WITHIN, serving).await;
    }
}

async fn answer(mut router: Router, peer: Peer, request: Request<Incoming>) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    router.call(request).await
}
