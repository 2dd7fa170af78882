//! How a message reads: as plain text of 78 columns, and as HTML without anything from elsewhere.
//!
//! The texts of a message are escaped already; here they are held to their lines and their length once more, and every
//! one goes through [`evidence::html`] on its way into HTML.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::message::{About, Kind, Message, Severity};
use unicode_width::UnicodeWidthStr as _;

/// The plain text's width; mails are read in windows of 80.
const COLUMNS: usize = 78;
/// The longest line of a story, in bytes.
const LINE_BYTES_MAX: usize = 2_000;
/// The most lines of a story, and of next steps.
const LINES_MAX: usize = 200;

const LOOK: &str = "Look at it, then approve or reject";
const CAUTION: &str = "whoever has this link can: pass it on to nobody else";

/// What a message tells, cut to what a mail may hold.
struct Told {
    title: String,
    severity: &'static str,
    kind: &'static str,
    at: String,
    about: String,
    instance: String,
    story: Vec<String>,
    link: Option<Link>,
    next: Vec<Next>,
}

/// Where the reader can answer, and until when.
struct Link {
    url: String,
    until: String,
}

/// What the reader can do.
enum Next {
    /// To be typed as it is.
    Command(String),
    /// To be read.
    Words(String),
}

impl Told {
    fn of(message: &Message, answer: Option<&str>) -> Told {
        let clean = |text: &String| evidence::escape(text, LINE_BYTES_MAX);
        let next = |text: &String| match clean(text) {
            command if command.starts_with("healer ") => Next::Command(command),
            words => Next::Words(words),
        };
        let mut story: Vec<String> = message.story.iter().take(LINES_MAX).map(clean).collect();
        if message.story.len() > LINES_MAX {
            story.push(format!("… and {} more lines", message.story.len() - LINES_MAX));
        }
        let about = match &message.about {
            About::Incident { incident, resource } => format!("incident {incident} of {resource}"),
            About::Recovery { recovery, host } => format!("{recovery} of {host}"),
            About::Notice { resource: Some(resource), .. } => format!("notice of {resource}"),
            About::Notice { host, resource: None, .. } => format!("notice of {host}"),
        };
        Told {
            title: clean(&message.title),
            severity: severity(message.severity),
            kind: kind(message.kind),
            at: at(message.at.0),
            about: clean(&about),
            instance: clean(&message.about.instance().to_string()),
            story,
            link: message.asks.as_ref().zip(answer).map(|(asks, url)| Link {
                url: clean(&url.to_owned()),
                until: at(asks.expires.0),
            }),
            next: message.next.iter().take(LINES_MAX).map(next).collect(),
        }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Info",
        Severity::Warning => "Warning",
        Severity::Critical => "Critical",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Healed => "healed",
        Kind::Opened => "just begun",
        Kind::Updated => "goes on",
        Kind::Escalated => "a person is needed",
        Kind::Resolved => "over",
        Kind::Recovered => "came back",
        Kind::Notice => "to know",
    }
}

fn at(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y %H:%M:%S UTC").to_string(),
        Err(_) => "at a time that no calendar knows".to_owned(),
    }
}

/// The message in plain text.
pub(super) fn plain(message: &Message, answer: Option<&str>) -> String {
    let told = Told::of(message, answer);
    let mut out = String::new();
    wrapped(&mut out, "", "", &told.title);
    out.push('\n');
    wrapped(&mut out, "", "", &format!("{}, {} · {}", told.severity, told.kind, told.at));
    wrapped(&mut out, "", "", &told.about);
    if !told.story.is_empty() {
        out.push_str("\nWhat happened\n");
        told.story.iter().for_each(|line| wrapped(&mut out, "  - ", "    ", line));
    }
    if !told.next.is_empty() || told.link.is_some() {
        out.push_str("\nWhat you can do\n");
        if let Some(Link { url, until }) = &told.link {
            wrapped(&mut out, "  - ", "    ", &format!("{LOOK}, until {until} ({CAUTION}):"));
            // A link that is broken is none.
            _ = writeln!(out, "    {url}");
        }
        for next in &told.next {
            match next {
                // A command is copied, so it is never broken.
                Next::Command(command) => _ = writeln!(out, "      {command}"),
                Next::Words(words) => wrapped(&mut out, "  - ", "    ", words),
            }
        }
    }
    // What stands below this line is a signature to whoever quotes the mail.
    _ = writeln!(out, "\n-- \nhealer on {}", told.instance);
    out
}

/// A paragraph broken between words; a word that is longer than a line stands alone.
fn wrapped(out: &mut String, first: &str, further: &str, text: &str) {
    let (mut line, mut width, mut empty) = (first.to_owned(), first.width(), true);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !empty && width + 1 + word.width() > COLUMNS {
            _ = writeln!(out, "{line}");
            (line, width, empty) = (further.to_owned(), further.width(), true);
        }
        if !empty {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += word.width();
        empty = false;
    }
    _ = writeln!(out, "{line}");
}

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const MONOSPACE: &str = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace";

/// The message as HTML: styles inline, since readers drop all others, and tables, since they know nothing newer.
pub(super) fn html(message: &Message, answer: Option<&str>) -> String {
    let told = Told::of(message, answer);
    let (ink, tint) = colours(message.severity);
    let title = evidence::html(&told.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light\">\n<title>{title}</title>\n</head>\n\
         <body style=\"margin:0;padding:0;background:#f3f4f6\">\n\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background:#f3f4f6\">\n\
         <tr><td align=\"center\" style=\"padding:24px 12px\">\n\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
         style=\"max-width:640px;background:#ffffff;border:1px solid #e5e7eb;border-top:4px solid {ink};{FONT};\
         font-size:15px;line-height:1.5;color:#1f2937;text-align:left\">\n\
         <tr><td style=\"padding:20px 24px 24px;word-break:break-word;overflow-wrap:anywhere\">\n\
         <p style=\"margin:0 0 12px;font-size:13px;color:#6b7280\">\
         <span style=\"display:inline-block;padding:2px 10px;border-radius:10px;background:{tint};color:{ink};\
         font-weight:600\">{severity}</span>&ensp;{kind} &middot; {at}</p>\n\
         <h1 style=\"margin:0 0 8px;font-size:20px;line-height:1.35;font-weight:600;color:#111827\">{title}</h1>\n\
         <p style=\"margin:0;font-size:13px;color:#6b7280\">{about}</p>\n",
        severity = told.severity,
        kind = told.kind,
        at = evidence::html(&told.at),
        about = evidence::html(&told.about),
    );
    if !told.story.is_empty() {
        heading(&mut out, "What happened");
        out.push_str("<ul style=\"margin:0;padding:0 0 0 22px\">\n");
        for line in &told.story {
            _ = writeln!(out, "<li style=\"margin:0 0 6px;padding-left:4px\">{}</li>", evidence::html(line));
        }
        out.push_str("</ul>\n");
    }
    if !told.next.is_empty() || told.link.is_some() {
        heading(&mut out, "What you can do");
        if let Some(Link { url, until }) = &told.link {
            _ = writeln!(
                out,
                "<p style=\"margin:0 0 6px\"><a href=\"{}\" style=\"display:inline-block;padding:10px 18px;\
                 background:#1d4ed8;border-radius:6px;color:#ffffff;font-weight:600;text-decoration:none\">{LOOK}</a></p>\n\
                 <p style=\"margin:0 0 12px;font-size:13px;color:#6b7280\">until {} ({CAUTION})</p>",
                evidence::html(url),
                evidence::html(until)
            );
        }
        for next in &told.next {
            _ = match next {
                Next::Command(command) => writeln!(
                    out,
                    "<p style=\"margin:0 0 6px;padding:8px 12px;background:#f3f4f6;border-radius:6px;\
                     font-size:13px;{MONOSPACE}\"><code style=\"{MONOSPACE}\">{}</code></p>",
                    evidence::html(command)
                ),
                Next::Words(words) => writeln!(out, "<p style=\"margin:10px 0 6px\">{}</p>", evidence::html(words)),
            };
        }
    }
    _ = write!(
        out,
        "</td></tr>\n</table>\n<p style=\"margin:12px 0 0;{FONT};font-size:12px;color:#6b7280\">healer on {}</p>\n\
         </td></tr>\n</table>\n</body>\n</html>\n",
        evidence::html(&told.instance)
    );
    out
}

fn heading(out: &mut String, text: &str) {
    let style = "margin:22px 0 8px;font-size:14px;font-weight:600;color:#374151";
    _ = writeln!(out, "<h2 style=\"{style}\">{text}</h2>");
}

/// Dark enough to be read on the light one (WCAG AA).
fn colours(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Info => ("#166534", "#dcfce7"),
        Severity::Warning => ("#92400e", "#fef3c7"),
        Severity::Critical => ("#b91c1c", "#fee2e2"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::ResourceId;
    use model::Tick;
    use model::action::{Asked, PlanKey};
    use model::incident::IncidentId;
    use model::message::{Asks, MessageId};
    use model::recovery::RecoveryId;
    use model::time::Wall;

    use super::*;

    fn escalated() -> Message {
        Message {
            id: MessageId(7),
            about: About::Incident {
                incident: IncidentId { instance: Arc::from("web-1"), number: 41 },
                resource: ResourceId::docker("web-1", "shop", "web", 1),
            },
            kind: Kind::Escalated,
            severity: Severity::Critical,
            title: "shop/web: out of memory in the main process — needs you: its attempts are spent".to_owned(),
            story: vec![
                "shop/web: died".to_owned(),
                "cause: out of memory in the main process (sure; the engine reports an out-of-memory kill)".to_owned(),
                "[e1] log: java.lang.OutOfMemoryError".to_owned(),
            ],
            next: vec![
                "healer why web-1/41".to_owned(),
                "to keep it down: healer stop shop/web (a stop of what is already dead leaves no trace)".to_owned(),
            ],
            asks: None,
            at: Wall(1_795_442_482_045),
        }
    }

    #[test]
    fn the_plain_text_reads_well_in_eighty_columns() {
        assert_eq!(
            plain(&escalated(), None),
            "shop/web: out of memory in the main process — needs you: its attempts are
spent

Critical, a person is needed · 23 Nov 2026 14:01:22 UTC
incident web-1/41 of docker:web-1/shop/web

What happened
  - shop/web: died
  - cause: out of memory in the main process (sure; the engine reports an
    out-of-memory kill)
  - [e1] log: java.lang.OutOfMemoryError

What you can do
      healer why web-1/41
  - to keep it down: healer stop shop/web (a stop of what is already dead
    leaves no trace)

-- \nhealer on web-1
"
        );
    }

    #[test]
    fn only_words_and_commands_that_are_longer_than_a_line_leave_it() {
        let (word, command) = ("x".repeat(200), format!("healer why {}", "y".repeat(100)));
        let story = vec![format!("{word} {}", "some words and 日本語 ".repeat(30))];
        let message = Message { story, next: vec![command.clone()], ..escalated() };
        for line in plain(&message, None).lines() {
            let alone = line.trim_start_matches([' ', '-']);
            assert!(line.width() <= COLUMNS || alone == word || alone == command, "{line}");
        }
    }

    #[test]
    fn html_holds_every_text_escaped_and_nothing_from_elsewhere() {
        let hostile = "<script>alert('1')</script>\"&amp;\u{202e}\n<img src=x>";
        let about = About::Recovery {
            recovery: RecoveryId { instance: Arc::from(hostile), number: 1 },
            host: hostile.to_owned(),
        };
        let message = Message {
            about,
            title: hostile.to_owned(),
            story: vec![hostile.to_owned()],
            next: vec![hostile.to_owned(), format!("healer why {hostile}")],
            ..escalated()
        };
        let html = html(&message, None);
        let shown = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;amp;\\u{202e}\\n&lt;img src=x&gt;";
        // The title twice, the host, the instance twice, the story, and both next steps.
        assert_eq!(html.matches(shown).count(), 8, "{html}");
        for foreign in ["<script", "<img", "<link", "http:", "https:", "url(", "href", "src=\"", "@import", "\u{202e}"] {
            assert!(!html.contains(foreign), "{foreign} in {html}");
        }
        for tag in ["table", "tr", "td", "p", "ul", "li", "h1", "h2", "code", "span", "body", "html", "head"] {
            let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn a_story_without_end_has_one_in_a_mail() {
        let message = Message { story: vec!["é".repeat(10_000); 5_000], ..escalated() };
        for text in [plain(&message, None), html(&message, None)] {
            assert!(text.contains("… and 4800 more lines") && text.len() < 600_000, "{}", text.len());
        }
        let empty = Message { story: Vec::new(), next: Vec::new(), at: Wall(i64::MIN), ..escalated() };
        for text in [plain(&empty, None), html(&empty, None)] {
            assert!(!text.contains("What ") && text.contains("no calendar"), "{text}");
        }
    }

    #[test]
    fn every_place_in_a_thread_and_every_weight_is_said_in_words() {
        for (kind, severity, expect) in [
            (Kind::Healed, Severity::Info, "Info, healed"),
            (Kind::Opened, Severity::Warning, "Warning, just begun"),
            (Kind::Updated, Severity::Warning, "Warning, goes on"),
            (Kind::Escalated, Severity::Critical, "Critical, a person is needed"),
            (Kind::Resolved, Severity::Info, "Info, over"),
            (Kind::Recovered, Severity::Warning, "Warning, came back"),
        ] {
            let text = plain(&Message { kind, severity, ..escalated() }, None);
            assert!(text.contains(&format!("\n{expect} · 23 Nov 2026")), "{text}");
        }
    }

    /// A message that asks.
    fn asks() -> Message {
        let incident = IncidentId { instance: Arc::from("web-1"), number: 41 };
        let plan = PlanKey("start: start docker:web-1/shop/web".to_owned());
        let question = Asked { incident, plan, binds: None, until: Tick(9) };
        let next = vec!["healer approve web-1/41".to_owned(), "healer reject web-1/41".to_owned()];
        let asks = Some(Box::new(Asks { question, expires: Wall(1_795_444_282_045) }));
        Message { asks, next, story: Vec::new(), ..escalated() }
    }

    const URL: &str = "https://healer.example.org/approve/MQp3ZWItMS80MQpvcHMtbWFpbAo5MDAwMAo1MQp3ZWItMS80MQpvcHMtbWFpbAo5";

    #[test]
    fn a_question_is_answered_by_link_or_by_command() {
        let text = plain(&asks(), Some(URL));
        let expect = format!(
            "What you can do
  - Look at it, then approve or reject, until 23 Nov 2026 14:31:22 UTC
    (whoever has this link can: pass it on to nobody else):
    {URL}
      healer approve web-1/41
      healer reject web-1/41
"
        );
        assert!(text.contains(&expect), "{text}");

        let html = html(&asks(), Some(URL));
        assert_eq!(html.matches("href=").count(), 1, "{html}");
        assert!(html.contains(&format!("<a href=\"{URL}\" ")), "{html}");
        for words in ["Look at it, then approve or reject</a>", "until 23 Nov 2026 14:31:22 UTC", "healer approve web-1/41"] {
            assert!(html.contains(words), "{words} in {html}");
        }
    }

    #[test]
    fn without_a_link_a_question_is_answered_by_command_alone_and_what_asks_nothing_has_no_link() {
        let answered = Message { asks: None, ..asks() };
        for text in [plain(&asks(), None), html(&asks(), None), plain(&answered, Some(URL)), html(&answered, Some(URL))] {
            assert!(text.contains("healer approve web-1/41"), "{text}");
            assert!(!text.contains("https:") && !text.contains("Look at it") && !text.contains("href"), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_none_breaks_out_of_no_attribute() {
        let html = html(&asks(), Some("https://h/\"><script>x</script>\r\n"));
        assert!(html.contains("href=\"https://h/&quot;&gt;&lt;script&gt;x&lt;/script&gt;\\r\\n\""), "{html}");
    }
}
