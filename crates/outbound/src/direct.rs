//! One request over a connection that somebody else made: for whoever has to know at which step it fails.
//!
//! No proxy, no shared connections, and no redirect is followed. How long it may take is the caller's to say.

use std::pin::pin;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use crate::Policy;
use crate::address::Address;
use crate::error::{Error, quote};

/// An answer, with what a probe looks at besides.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, cut at the policy's limit.
    pub body: Vec<u8>,
    /// Whether that is the whole body.
    pub complete: bool,
    /// The body's beginning on one line, escaped, and without what was sent.
    pub quote: String,
}

/// Asks for a page over `wire`, which is closed afterwards. A user and a password in the address are sent as `Basic`.
/// Of `policy`, the user agent and the limit of the body hold.
///
/// # Errors
/// [`Error::Retryable`] when no answer came. No error's text holds a query, a path, or the value of a header.
pub async fn get_over<W>(
    wire: W,
    url: &Address,
    headers: &[(HeaderName, HeaderValue)],
    policy: &Policy,
) -> Result<Exchange, Error>
where
    W: Read + Write + Unpin,
{
    let broke = |error: hyper::Error| Error::broken(url, &error);
    let mut sent = headers.to_vec();
    sent.extend(credentials(url));
    let request = request(url, &sent, policy).map_err(|error| Error::setup(&error))?;
    let (sender, connection) = handshake(wire).await.map_err(broke)?;
    let exchange = exchange(sender, request, policy.body_bytes_max);
    let (exchange, connection) = (pin!(exchange), pin!(connection));
    let got = match select(exchange, connection).await {
        Either::Left((got, _)) => got,
        // What had arrived before the end is still to be read.
        Either::Right((_, exchange)) => exchange.await,
    };
    let (status, headers, body, complete) = got.map_err(broke)?;
    // The other side has the password in plain.
    sent.extend(
        url.credentials().and_then(|(_, password)| Some((AUTHORIZATION, HeaderValue::try_from(password).ok()?))),
    );
    Ok(Exchange { quote: quote(&body, &sent), status, headers, body, complete })
}

fn request(
    url: &Address,
    headers: &[(HeaderName, HeaderValue)],
    policy: &Policy,
) -> Result<hyper::Request<Empty<Bytes>>, hyper::http::Error> {
    let mut request = hyper::Request::get(url.path_and_query())
        .header(HOST, url.authority())
        .header(USER_AGENT, &policy.user_agent)
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::new())?;
    request.headers_mut().extend(headers.iter().cloned());
    Ok(request)
}

fn credentials(url: &Address) -> Option<(HeaderName, HeaderValue)> {
    let (user, password) = url.credentials()?;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {text}")).ok()?;
    value.set_sensitive(true);
    Some((AUTHORIZATION, value))
}

type Got = (u16, HeaderMap, Vec<u8>, bool);

async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    request: hyper::Request<Empty<Bytes>>,
    body_bytes_max: usize,
) -> Result<Got, hyper::Error> {
    let (head, mut incoming) = sender.send_request(request).await?.into_parts();
    let mut body = Vec::new();
    let complete = loop {
        match incoming.frame().await {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(frame)) => {
                let Some(chunk) = frame.data_ref() else { continue };
                let room = body_bytes_max - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break false;
                }
            }
        }
    };
    Ok((head.status.as_u16(), head.headers, body, complete))
}
