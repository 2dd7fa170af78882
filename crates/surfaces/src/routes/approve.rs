//! The link in a message: a page with the question, and the answer to it.
//!
//! It is the one thing that is decided over TCP without a token. The signature in the path is the authority: it names the
//! question, so that it decides nothing else, and whoever has it got the message. Only a POST decides, since scanners of
//! mail and previews of chats follow every link.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use model::command::{Ask, Reply};
use model::view::{Question, Stand};

use crate::answer::Problem;
use crate::house::House;
use crate::link::Link;
use crate::page::{Page, Tone, at};

/// The route.
pub(crate) const ROUTE: &str = "/approve/{link}";
/// What comes before the link itself.
pub(crate) const PREFIX: &str = "/approve/";
/// The longest form: percent-encoding makes three bytes of each in the reason.
const FORM_BYTES_MAX: usize = 8 * 1024;
/// The longest reason, in bytes; the field of the page takes 300 letters.
const REASON_BYTES_MAX: usize = 1_024;

/// The question that a message put, as a page with two buttons. It decides nothing.
#[utoipa::path(get, path = "/approve/{link}",
    params(("link" = String, Path, description = "as it stands in the message")),
    responses(
        (status = 200, description = "the question, or what was decided", content_type = "text/html", body = String),
        (status = 403, description = "no link of this healer's", content_type = "text/html", body = String),
        (status = 409, description = "the plan has changed, the container was made anew, or there is more to consider", content_type = "text/html", body = String),
        (status = 410, description = "expired, or the incident is over", content_type = "text/html", body = String),
        (status = 503, description = "nothing can be decided at present", content_type = "text/html", body = String),
    ))]
pub(crate) async fn show(State(house): State<House>, uri: Uri) -> Result<Page, Page> {
    let link = opened(&house, &uri)?;
    let question = last(&house, &link).await?;
    let stand = link.stand(question.as_ref());
    Ok(match question {
        Some(question) if stand == Stand::Open => Page::asks(&question),
        question => became(&link, &stand, question.as_ref(), None),
    })
}

/// Answers the question that a message put. The same link twice decides once, and is told what became of it.
#[utoipa::path(post, path = "/approve/{link}",
    params(("link" = String, Path, description = "as it stands in the message")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`decision`: `approve` or `reject`; `because`: why"),
    responses(
        (status = 200, description = "decided so", content_type = "text/html", body = String),
        (status = 400, description = "neither `approve` nor `reject`", content_type = "text/html", body = String),
        (status = 403, description = "no link of this healer's", content_type = "text/html", body = String),
        (status = 409, description = "decided already, or another question by now", content_type = "text/html", body = String),
        (status = 410, description = "expired, or the incident is over", content_type = "text/html", body = String),
        (status = 413, content_type = "text/html", body = String),
        (status = 503, description = "nothing can be decided at present", content_type = "text/html", body = String),
    ))]
pub(crate) async fn decide(State(house): State<House>, uri: Uri, body: Body) -> Result<Page, Page> {
    let link = opened(&house, &uri)?;
    let Form { approved, because } = form(body).await?;
    let question = last(&house, &link).await?;
    let Some(asked) = question.as_ref().map(|question| question.asked.clone()) else {
        return Ok(became(&link, &link.stand(None), None, Some(approved)));
    };
    let stand = link.stand(question.as_ref());
    if stand != Stand::Open {
        return Ok(became(&link, &stand, question.as_ref(), Some(approved)));
    }
    // The engine holds the question against what is asked at that very moment: it may be another one by then.
    let ask = Ask::Answer { question: Box::new(asked), approved, because };
    let reply = house.mind().command(link.command(), link.who(), ask).await.map_err(closed)?;
    let question = last(&house, &link).await?;
    let stand = link.stand(question.as_ref());
    // Nothing forbids it, and it was not taken: the journal has no room, another healer leads, or the loop is behind.
    if stand == Stand::Open {
        return Err(cannot(&said(&reply)));
    }
    Ok(became(&link, &stand, question.as_ref(), Some(approved)))
}

/// While healer cannot begin, no link can be told from a wrong one.
pub(crate) async fn not_ready() -> Page {
    cannot("it has not begun its work yet")
}

/// What was posted.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    approved: bool,
    because: String,
}

fn opened(house: &House, uri: &Uri) -> Result<Link, Page> {
    let Some(key) = house.links() else { return Err(cannot("it has no key for its links: `healer status` says why")) };
    let token = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    // Whoever tries some learns nothing by it, and they need not be slowed down: there are 2^256.
    Link::read(token, key)
        .ok_or_else(|| Page::told(StatusCode::FORBIDDEN, Tone::Bad, "This is no link of this healer's.", &[]))
}

async fn last(house: &House, link: &Link) -> Result<Option<Question>, Page> {
    let incident = link.incident().clone();
    house.ask(|mind| async move { mind.question(incident).await }).await.map_err(|problem| cannot(&problem.error))
}

fn closed(closed: runtime::Closed) -> Page {
    cannot(&Problem::from(closed).error)
}

fn cannot(because: &str) -> Page {
    let lines = [format!("Because: {because}."), "Try the link again, or use the commands in the message.".to_owned()];
    Page::told(StatusCode::SERVICE_UNAVAILABLE, Tone::Bad, "healer cannot decide anything at present.", &lines)
}

fn said(reply: &Reply) -> String {
    let lines: Vec<&str> = reply.lines.iter().map(|line| line.text.as_str()).collect();
    if lines.is_empty() { "it was not taken".to_owned() } else { lines.join("; ") }
}

async fn form(body: Body) -> Result<Form, Page> {
    let too_long = || {
        let says = format!("An answer has at most {FORM_BYTES_MAX} bytes.");
        Page::told(StatusCode::PAYLOAD_TOO_LARGE, Tone::Bad, "Nothing was decided.", &[says])
    };
    // What announces itself as too long is not waited for.
    if body.size_hint().lower() > FORM_BYTES_MAX as u64 {
        return Err(too_long());
    }
    let bytes = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| too_long())?;
    read(&bytes).map_err(|says| Page::told(StatusCode::BAD_REQUEST, Tone::Bad, "Nothing was decided.", &[says]))
}

fn read(bytes: &[u8]) -> Result<Form, String> {
    let (mut decision, mut because) = (None, String::new());
    for (key, value) in form_urlencoded::parse(bytes) {
        match &*key {
            "decision" if decision.is_some() => return Err("Two decisions were given.".to_owned()),
            "decision" => decision = Some(value.into_owned()),
            // It is journaled and shown as it is: one line.
            "because" => because = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
            // Whatever a browser adds besides decides nothing.
            _ => {}
        }
    }
    let because = because.trim().to_owned();
    if because.len() > REASON_BYTES_MAX {
        return Err(format!("The reason has at most {REASON_BYTES_MAX} bytes."));
    }
    match decision.as_deref() {
        Some("approve") => Ok(Form { approved: true, because }),
        Some("reject") => Ok(Form { approved: false, because }),
        Some(_) | None => Err("It has to be said whether to approve or to reject.".to_owned()),
    }
}

/// What became of a question that is not open any more. `wanted`: what was just asked for.
fn became(link: &Link, stand: &Stand, question: Option<&Question>, wanted: Option<bool>) -> Page {
    let of = question.map(|question| format!("{}, incident {}", question.short, question.asked.incident));
    let now = question.map(|question| format!("How it stands: {}.", question.standing)).unwrap_or_default();
    let nothing = |status, title: &str, says: &str| {
        let lines = [of.clone().unwrap_or_default(), says.to_owned(), now.clone()];
        Page::told(status, Tone::Plain, title, &lines)
    };
    match stand {
        Stand::Decided { by, approved, because, at: when } => {
            let as_wanted = wanted.is_none_or(|wanted| wanted == *approved && *by == link.who());
            let (word, tone) = if *approved { ("Approved", Tone::Good) } else { ("Rejected", Tone::Plain) };
            let title = if as_wanted { word.to_owned() } else { format!("Already decided: {}", word.to_lowercase()) };
            let status = if as_wanted { StatusCode::OK } else { StatusCode::CONFLICT };
            let why = if because.is_empty() { String::new() } else { format!("Because: {because}") };
            let lines = [of.unwrap_or_default(), format!("By {by}, {}.", at(*when)), why, now];
            Page::told(status, tone, &title, &lines)
        }
        Stand::Expired => nothing(StatusCode::GONE, "Too late: the question has expired", ASK_ANEW),
        Stand::Over(how) => {
            let lines = [of.unwrap_or_default(), format!("How it ended: {how}.")];
            Page::told(StatusCode::GONE, Tone::Plain, "Too late: the incident is over", &lines)
        }
        Stand::PlanChanged => nothing(StatusCode::CONFLICT, "The plan has changed", NEWER),
        Stand::BodyChanged => nothing(StatusCode::CONFLICT, "The container was made anew", NEWER),
        Stand::Withdrawn => {
            nothing(StatusCode::CONFLICT, "The question was withdrawn: there is more to consider", NEWER)
        }
        // It was open when it was looked at, and nobody answered it meanwhile.
        Stand::Open => cannot("it is asked about at this very moment"),
    }
}

const NEWER: &str = "This link answers only what its message asked. If healer still asks, a newer message says what.";
const ASK_ANEW: &str = "Nothing was done. The commands in the message tell how it stands by now.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_word_and_perhaps_a_reason() {
        let form = |approved, because: &str| Ok(Form { approved, because: because.to_owned() });
        assert_eq!(read(b"decision=approve"), form(true, ""));
        assert_eq!(read(b"because=&decision=reject"), form(false, ""));
        assert_eq!(read(b"decision=reject&because=+not+%0d%0a%1bnow%C3%A9+"), form(false, "not    now\u{e9}"));
        assert_eq!(read(b"decision=reject&csrf=x"), form(false, ""));
        for (body, expect) in [
            ("", "whether to approve"),
            ("decision=", "whether to approve"),
            ("decision=Approve", "whether to approve"),
            ("{\"decision\": \"approve\"}", "whether to approve"),
            ("because=decision%3Dapprove", "whether to approve"),
            ("decision=reject&decision=approve", "Two decisions"),
            (&format!("decision=reject&because={}", "x".repeat(1_025)), "at most 1024"),
        ] {
            assert!(read(body.as_bytes()).unwrap_err().contains(expect), "{body}");
        }
    }
}
