//! The mail of a message: its headers, and its two forms side by side.
//!
//! What names a mail is made of the message alone, so that every try bears the same `Message-ID`. A thread is a
//! conversation: all of its mails refer to one id, which no mail bears, since any of them may be the first to arrive.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use model::message::Message;
use sha2::{Digest as _, Sha256};

use super::page;

/// The longest subject, in bytes.
const SUBJECT_BYTES_MAX: usize = 240;
/// The last moment that a mail's date can tell: the end of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;

/// The same at every try, and unlike that of any other message: also of one with the same number of a healer that lost
/// its journal.
pub(super) fn id(message: &Message, from: &Mailbox) -> String {
    let hash = hash(message.about.instance());
    format!("<{}.{}.{hash}@{}>", message.id.0, message.at.0, domain(from))
}

/// The mail as it goes over the wire.
///
/// # Errors
/// What the writer of mails does not take: never for a message and checked addresses.
pub(super) fn write(
    message: &Message,
    answer: Option<&str>,
    from: &Mailbox,
    to: &[Mailbox],
) -> Result<Vec<u8>, lettre::error::Error> {
    let thread = format!("<thread.{}@{}>", hash(&message.about.thread()), domain(from));
    let date = UNIX_EPOCH + Duration::from_millis(message.at.0.clamp(0, LAST_MS).unsigned_abs());
    let auto = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let builder = to.iter().cloned().fold(lettre::Message::builder(), lettre::message::MessageBuilder::to);
    let mail = builder
        .from(from.clone())
        .subject(subject(message))
        .date(date)
        .message_id(Some(id(message, from)))
        .in_reply_to(thread.clone())
        .references(thread)
        .user_agent(format!("healer/{}", env!("CARGO_PKG_VERSION")))
        .raw_header(auto)
        .multipart(MultiPart::alternative_plain_html(page::plain(message, answer), page::html(message, answer)))?;
    Ok(mail.formatted())
}

/// `[healer web-1] shop/web: … — healed at the first attempt`, on one line whatever the title holds.
fn subject(message: &Message) -> String {
    evidence::escape(&format!("[healer {}] {}", message.about.instance(), message.title), SUBJECT_BYTES_MAX)
}

/// Whose ids these are. A domain that is not of ASCII letters is no part of an id; the hash tells enough.
fn domain(from: &Mailbox) -> &str {
    let domain = from.email.domain();
    if domain.is_ascii() { domain } else { "healer.invalid" }
}

/// Any text as a short word that stands in a header as it is.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::incident::IncidentId;
    use model::message::{About, Kind, MessageId, Severity};
    use model::recovery::RecoveryId;
    use model::time::Wall;

    use super::*;

    fn of(instance: &str, number: u64, at_ms: i64) -> Message {
        Message {
            id: MessageId(number),
            about: About::Recovery { recovery: RecoveryId { instance: Arc::from(instance), number: 3 }, host: "h".to_owned() },
            kind: Kind::Recovered,
            severity: Severity::Info,
            title: "recovered".to_owned(),
            story: vec!["a".to_owned()],
            next: vec!["healer status".to_owned()],
            asks: None,
            at: Wall(at_ms),
        }
    }

    fn headers(message: &Message, from: &str) -> Vec<String> {
        let mail = write(message, None, &from.parse().unwrap(), &["ops@example.org".parse().unwrap()]).unwrap();
        let mail = String::from_utf8(mail).unwrap();
        let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        head.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn an_id_names_one_message_of_one_healer_and_nothing_else() {
        let from = "healer@example.org".parse().unwrap();
        let first = id(&of("web-1", 7, 1_000), &from);
        assert_eq!(first, id(&of("web-1", 7, 1_000), &from));
        // Another message, another healer, and the same number after the journal was lost.
        for other in [of("web-1", 8, 1_000), of("web-2", 7, 1_000), of("web-1", 7, 1_001)] {
            assert_ne!(first, id(&other, &from));
        }
        let hostile = id(&of("we b>\r\nX: <é", 7, 1_000), &from);
        assert!(hostile.bytes().all(|byte| byte.is_ascii_graphic()) && hostile.matches(['<', '>']).count() == 2);
        assert!(hostile.len() < 80, "{hostile}");
        assert!(id(&of("w", 7, 1), &"healer@bücher.example".parse().unwrap()).ends_with("@healer.invalid>"));
    }

    #[test]
    fn a_thread_of_a_recovery_is_not_that_of_an_incident_with_its_number() {
        let recovery = of("web-1", 7, 1_000);
        let incident = IncidentId { instance: Arc::from("web-1"), number: 3 };
        let resource = model::ResourceId::docker("web-1", "shop", "web", 1);
        let other = Message { about: About::Incident { incident, resource }, ..recovery.clone() };
        let thread = |message: &Message| {
            let headers = headers(message, "healer@example.org");
            let find = |name: &str| headers.iter().find_map(|line| line.strip_prefix(name).map(str::to_owned)).unwrap();
            assert_eq!(find("In-Reply-To: "), find("References: "));
            find("References: ")
        };
        assert_eq!(thread(&recovery), thread(&Message { id: MessageId(9), ..recovery.clone() }));
        assert_ne!(thread(&recovery), thread(&other));
    }

    #[test]
    fn a_mail_of_any_time_has_a_date() {
        for (at_ms, expect) in [
            (1_795_442_482_045, "Date: Mon, 23 Nov 2026 14:01:22 +0000"),
            (i64::MIN, "Date: Thu, 01 Jan 1970 00:00:00 +0000"),
            (i64::MAX, "Date: Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            let headers = headers(&of("web-1", 7, at_ms), "healer@example.org");
            assert!(headers.iter().any(|line| line == expect), "{headers:?}");
        }
    }

    #[test]
    fn a_mail_is_ascii_in_short_lines_whatever_it_tells() {
        let message = Message { title: "日本語 ".repeat(50), story: vec!["ü".repeat(5_000)], ..of("wéb", 7, 1_000) };
        let from: Mailbox = "Häler <healer@example.org>".parse().unwrap();
        let mail = write(&message, None, &from, std::slice::from_ref(&from)).unwrap();
        assert!(mail.is_ascii());
        assert!(mail.split(|byte| *byte == b'\n').all(|line| line.len() <= 998));
    }
}
