//! Pages for people who come by a link: HTML without a script and without anything from elsewhere, for a telephone first.
//!
//! Whatever a page tells was said by logs, labels and people: each text is held to its line and its length, and written
//! out as what means itself in HTML.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::Wall;
use model::time::Spoken;
use model::view::Question;
use sha2::{Digest as _, Sha256};

/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 2_000;
/// The most lines of a list.
const LINES_MAX: usize = 100;

const STYLE: &str = include_str!("page.css");

/// A page lets nothing in but its own style, posts to nobody else, and stands in no other page's frame.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 and words are a header's value")
});

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    status: StatusCode,
    title: String,
    main: String,
}

/// How a page that only tells something bears on its reader; the colour of its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Plain,
}

impl Page {
    /// A headline and some sentences.
    pub(crate) fn told(status: StatusCode, tone: Tone, title: &str, lines: &[String]) -> Page {
        let class = match tone {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Plain => "plain",
        };
        let mut main = format!("<main class=\"{class}\">\n<h1>{}</h1>\n", shown(title));
        for line in lines.iter().filter(|line| !line.is_empty()) {
            _ = writeln!(main, "<p>{}</p>", shown(line));
        }
        main.push_str("</main>\n");
        Page { status, title: title.to_owned(), main }
    }

    /// The question, and the two answers. Each is a form of its own, so that the return key in the reason's field cannot
    /// approve. Neither names an address: they post to the one that the page was opened by, whatever a proxy made of it.
    pub(crate) fn asks(question: &Question) -> Page {
        let title = format!("{}: shall healer act?", question.short);
        let mut main = format!(
            "<main class=\"asks\">\n<p class=\"of\">healer on {} asks · incident {}</p>\n<h1>{}</h1>\n<p>{}</p>\n",
            shown(&question.asked.incident.instance),
            shown(&question.asked.incident.to_string()),
            shown(&title),
            shown(&question.because),
        );
        section(&mut main, "Diagnosis", &[or(&question.cause, "the cause is not known")]);
        let evidence = question.evidence.iter().map(|it| format!("[{}] {}: {}", it.id, it.source, it.text));
        list(&mut main, "Evidence", "ul", &evidence.collect::<Vec<_>>(), "there is none");
        list(&mut main, "What would be done", "ol", &question.steps, "nothing");
        let asked = format!("Risk: {}. You are asked, since {}.", question.risk, question.why_asked);
        paragraphs(&mut main, &[asked]);
        let needed = match question.needed_by.as_slice() {
            [] => "Nothing that healer knows of needs it.".to_owned(),
            names => format!(
                "Needed by: {}",
                names.iter().take(LINES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        section(&mut main, "What it touches", &[needed, format!("Down meanwhile: {}", question.down_meanwhile)]);
        section(&mut main, "How it is taken back", &[sentence(&question.undo)]);
        let left = Spoken(question.expires.since(question.now.wall));
        section(&mut main, "Until when", &[format!("{}, in {left}", at(question.expires))]);
        main.push_str(
            "<form method=\"post\"><button class=\"approve\" name=\"decision\" value=\"approve\">Approve</button></form>\n\
             <form method=\"post\"><label for=\"because\">Why not? (may be left empty)</label>\n\
             <input id=\"because\" name=\"because\" type=\"text\" maxlength=\"300\" autocomplete=\"off\">\n\
             <button class=\"reject\" name=\"decision\" value=\"reject\">Reject</button></form>\n</main>\n",
        );
        Page { status: StatusCode::OK, title, main }
    }

    fn html(&self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{}\
             </body>\n</html>\n",
            shown(&self.title),
            self.main
        )
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        let headers = [(header::CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY.clone())];
        (self.status, headers, self.html()).into_response()
    }
}

/// A moment, for people who may be anywhere.
pub(crate) fn at(at: Wall) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(at) => at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y %H:%M:%S UTC").to_string(),
        Err(_) => "a time that no calendar knows".to_owned(),
    }
}

fn shown(text: &str) -> String {
    evidence::html(&evidence::escape(text, LINE_BYTES_MAX))
}

fn or(text: &str, otherwise: &str) -> String {
    sentence(if text.is_empty() { otherwise } else { text })
}

/// With a capital letter, as a paragraph begins.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn section(out: &mut String, heading: &str, lines: &[String]) {
    _ = writeln!(out, "<h2>{heading}</h2>");
    paragraphs(out, lines);
}

fn paragraphs(out: &mut String, lines: &[String]) {
    for line in lines {
        _ = writeln!(out, "<p>{}</p>", shown(line));
    }
}

fn list(out: &mut String, heading: &str, tag: &str, lines: &[String], otherwise: &str) {
    if lines.is_empty() {
        return section(out, heading, &[sentence(otherwise)]);
    }
    _ = writeln!(out, "<h2>{heading}</h2>\n<{tag}>");
    for line in lines.iter().take(LINES_MAX) {
        _ = writeln!(out, "<li>{}</li>", shown(line));
    }
    if lines.len() > LINES_MAX {
        _ = writeln!(out, "<li>… and {} more</li>", lines.len() - LINES_MAX);
    }
    _ = writeln!(out, "</{tag}>");
}
