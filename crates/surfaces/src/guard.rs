//! What every request passes before any route sees it: whom it thinks it speaks to, where it comes from, whether it may
//! change anything, and how long it may take.
//!
//! A page in a local browser can reach loopback: by a name of its own that resolves to 127.0.0.1 (then `Host` is that
//! name), or by posting across origins (then `Origin` is the page's). Both are refused here.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::answer::Problem;
use crate::query::shown;
use crate::router;

/// Until a request is answered. A command waits for the loop, which answers between two steps.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Somebody who can reach this address of ours.
    Tcp(SocketAddr),
    /// A user of this host, as the kernel says.
    User(String),
}

/// Refuses what must not pass, bounds the rest in time, and marks every answer as nobody else's to read or keep.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let answered = match admitted(&request) {
        Err(problem) => problem.into_response(),
        Ok(()) => tokio::time::timeout(ANSWERED_WITHIN, next.run(request)).await.unwrap_or_else(|_| {
            let error = format!(
                "no answer within {} s: look at `healer status` before asking again",
                ANSWERED_WITHIN.as_secs()
            );
            Problem::new(StatusCode::GATEWAY_TIMEOUT, error).into_response()
        }),
    };
    protected(answered)
}

fn admitted(request: &Request) -> Result<(), Problem> {
    let local = match request.extensions().get() {
        Some(Peer::User(_)) => return Ok(()),
        Some(Peer::Tcp(local)) => *local,
        None => return Err(Problem::new(StatusCode::FORBIDDEN, "nobody knows who asks")),
    };
    // Such a path is a right by itself. Who has it need not be led to it by a page of ours, and who has it not cannot make
    // anybody's browser use it: so neither the name by which healer was reached (`external_url` is a proxy's) nor the page
    // that posts tells anything more. Besides, a page with `Referrer-Policy: no-referrer` posts as `Origin: null`.
    if router::is_link(request.uri().path()) {
        return Ok(());
    }
    let host = host(request.headers())?;
    let named = [Some(host), request.uri().authority().map(|authority| authority.as_str())];
    if let Some(wrong) = named.into_iter().flatten().find(|name| !ours(name, local.ip())) {
        let error = format!("`{}` is not a name of this healer: use http://{local}", shown(wrong));
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, error));
    }
    same_origin(request.headers(), host)?;
    // Of a method that the route does not take, and of what is no route, the router says so: no route sees either.
    if !matches!(*request.method(), Method::GET | Method::HEAD) && router::takes(request.uri().path(), request.method())
    {
        let error = "without a token HTTP is read-only: use the healer command, or POST to healer.sock in state_dir";
        return Err(Problem::new(StatusCode::FORBIDDEN, error));
    }
    Ok(())
}

fn host(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(HOST).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(host)), None) => Ok(host),
        (None, _) => Err(Problem::bad("the Host header is missing: send one")),
        _ => Err(Problem::bad("the Host header must be one name: send it once")),
    }
}

/// Whether an authority names loopback or the address that was connected to. The port does not matter: it is another one
/// at the near end of a tunnel.
fn ours(authority: &str, local: IpAddr) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.to_canonical() == local.to_canonical())
}

fn same_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let same = |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    match headers.get_all(ORIGIN).iter().find(|origin| !same(origin)) {
        None => Ok(()),
        Some(origin) => {
            let origin = shown(&String::from_utf8_lossy(origin.as_bytes()));
            let error = format!("a page of `{origin}` may not ask: open healer's own address");
            Err(Problem::new(StatusCode::FORBIDDEN, error))
        }
    }
}

fn protected(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        // A page for people says itself what it needs.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_the_address_that_was_connected_to_are_ours() {
        let local: IpAddr = "192.0.2.7".parse().unwrap();
        let table = [
            ("localhost", true),
            ("LocalHost:4325", true),
            ("127.0.0.1:4325", true),
            ("127.8.9.10", true),
            ("[::1]:4325", true),
            ("[::1]", true),
            ("192.0.2.7:4325", true),
            ("[::ffff:192.0.2.7]:4325", true),
            ("192.0.2.8", false),
            ("evil.example", false),
            ("evil.example:4325", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("0.0.0.0", false),
            ("user@localhost", false),
            ("localhost:4325:80", false),
            ("", false),
            (":4325", false),
        ];
        for (authority, expect) in table {
            assert_eq!(ours(authority, local), expect, "{authority}");
        }
    }

    #[test]
    fn an_origin_is_the_host_that_was_asked_or_nothing() {
        let table = [
            (&[][..], true),
            (&["http://localhost:4325"][..], true),
            (&["http://LOCALHOST:4325"][..], true),
            (&["http://localhost"][..], false),
            (&["http://localhost:8080"][..], false),
            (&["http://evil.example"][..], false),
            (&["null"][..], false),
            (&["file://"][..], false),
            (&[""][..], false),
            (&["http://localhost:4325", "http://evil.example"][..], false),
        ];
        for (origins, expect) in table {
            let headers = origins.iter().map(|origin| (ORIGIN, HeaderValue::from_static(origin))).collect();
            assert_eq!(same_origin(&headers, "localhost:4325").is_ok(), expect, "{origins:?}");
        }
    }
}
