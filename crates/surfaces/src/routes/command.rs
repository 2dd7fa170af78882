//! Commands. They come over the unix socket alone, where the kernel says who gives them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use model::command::{Ask, CommandId, Reply};
use model::suggestion::ServiceRequest;
use serde::{Deserialize, Serialize};

use crate::answer::Problem;
use crate::guard::Peer;
use crate::house::House;
use crate::query::{Query, shown};
use crate::schema;

/// The longest request.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest id that a caller may make.
const ID_BYTES_MAX: usize = 128;
/// The longest name or reason in a command, in bytes: it is journaled as it is.
const TEXT_BYTES_MAX: usize = 1_024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    ask: Option<Ask>,
    service_action: Option<ServiceRequest>,
    #[serde(default)]
    id: Option<String>,
}

/// What a refused command is answered with: the reply, and the same as an error.
#[derive(Debug, Serialize)]
struct Refused {
    #[serde(flatten)]
    reply: Reply,
    error: String,
}

/// Gives healer a command. The same `id` twice acts once.
#[utoipa::path(post, path = "/api/v1/commands",
    request_body = schema::CommandRequest,
    responses(
        (status = 200, description = "taken", body = schema::Reply),
        (status = 400, body = schema::Problem),
        (status = 403, description = "not over TCP", body = schema::Problem),
        (status = 409, description = "not taken: the lines, and `error`, say why", body = schema::Reply),
        (status = 413, body = schema::Problem),
    ))]
pub(crate) async fn command(
    State(house): State<House>,
    Extension(peer): Extension<Peer>,
    RawQuery(raw): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    Query::parse(raw.as_deref(), &[])?;
    let Peer::User(who) = peer else {
        return Err(Problem::new(StatusCode::FORBIDDEN, "commands are taken on healer.sock in state_dir"));
    };
    let too_long =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a command has at most {BODY_BYTES_MAX} bytes"));
    // What announces itself as too long is not waited for.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_long());
    }
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| too_long())?;
    let (id, ask) = read(&bytes)?;
    let reply = house.mind().command(id, who, ask).await?;
    if reply.taken {
        return Ok(Json(reply).into_response());
    }
    let lines: Vec<&str> = reply.lines.iter().map(|line| line.text.as_str()).collect();
    let error = if lines.is_empty() { "not taken".to_owned() } else { lines.join("; ") };
    Ok((StatusCode::CONFLICT, Json(Refused { reply, error })).into_response())
}

fn read(bytes: &[u8]) -> Result<(CommandId, Ask), Problem> {
    let request: Request = serde_json::from_slice(bytes).map_err(|error| {
        Problem::bad(format!(
            "no command: {}; expected {{\"ask\": {{\"stop\": \"shop/web\"}}}}",
            shown(&error.to_string())
        ))
    })?;
    let ask = match (request.ask, request.service_action) {
        (Some(ask), None) => ask,
        (None, Some(service)) => service.ask(),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Problem::bad("no command: it has either `ask` or `service_action`"));
        }
    };
    if let Some((what, text)) = text(&ask) {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Problem::bad(format!("{what} has at most {TEXT_BYTES_MAX} bytes: shorten it")));
        }
        if text.chars().any(char::is_control) {
            return Err(Problem::bad(format!("{what} has control characters: `{}`", shown(text))));
        }
    }
    let id = match request.id {
        None => made_up(),
        Some(id) if (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) => id,
        Some(id) => {
            let error = format!("id: `{}` is not 1 to {ID_BYTES_MAX} visible ASCII characters", shown(&id));
            return Err(Problem::bad(error));
        }
    };
    Ok((CommandId(id), ask))
}

/// The text of a command that somebody wrote.
fn text(ask: &Ask) -> Option<(&'static str, &str)> {
    match ask {
        Ask::Start(words)
        | Ask::Stop(words)
        | Ask::Restart(words)
        | Ask::RestartAll(words)
        | Ask::Pull(words)
        | Ask::Rebuild(words)
        | Ask::Adopt(words) => Some(("the name", words)),
        Ask::Freeze { because } | Ask::Reject { because, .. } | Ask::Answer { because, .. } => {
            Some(("the reason", because))
        }
        Ask::Thaw | Ask::Approve(_) | Ask::Acknowledge(_) => None,
    }
}

/// An id unlike any other of this host: the time, the process, and a count within it.
fn made_up() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{ns:x}-{:x}-{:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_with_its_id_or_given_one() {
        let (id, ask) = read(br#"{"ask": {"stop": "shop/web"}, "id": "cli-1"}"#).unwrap();
        assert_eq!((id, ask), (CommandId("cli-1".to_owned()), Ask::Stop("shop/web".to_owned())));
        let freeze = br#"{"ask": {"freeze": {"because": "deploy"}}}"#;
        let (first, second) = (read(freeze).unwrap().0, read(freeze).unwrap().0);
        assert_ne!(first, second);
        assert_eq!(read(br#"{"ask": "thaw"}"#).unwrap().1, Ask::Thaw);
    }

    #[test]
    fn what_is_no_command_is_refused_with_the_reason() {
        let long = format!(r#"{{"ask": {{"stop": "{}"}}}}"#, "x".repeat(2_000));
        let table = [
            ("", "expected {\"ask\""),
            ("[]", "expected {\"ask\""),
            (r#"{"ask": {"stopp": "x"}}"#, "unknown variant `stopp`"),
            (r#"{"ask": "thaw", "force": true}"#, "unknown field `force`"),
            (r#"{"ask": {"approve": "41"}}"#, "41"),
            (r#"{"ask": {"stop": "a\u001b[31m"}}"#, "control characters"),
            (r#"{"ask": "thaw", "id": ""}"#, "visible ASCII"),
            (r#"{"ask": "thaw", "id": "a b"}"#, "visible ASCII"),
            (long.as_str(), "at most 1024 bytes"),
        ];
        for (body, expect) in table {
            let problem = read(body.as_bytes()).unwrap_err();
            assert!(problem.status == StatusCode::BAD_REQUEST && problem.error.contains(expect), "{problem:?}");
            assert!(problem.error.len() < 300, "{problem:?}");
        }
    }
}
