//! What healer said to a command.

use model::command::Reply;

use super::{Page, style};

/// Draws it: a line for each resource.
pub(crate) fn reply(reply: &Reply, page: &Page) -> String {
    let mut out = String::new();
    for line in &reply.lines {
        let says = match &line.resource {
            Some(resource) => format!("{}: {}", resource.short(), line.text),
            None => line.text.clone(),
        };
        let style = if reply.taken && !line.failed { style::PLAIN } else { style::BAD };
        out.push_str(&page.paragraph(style, &says));
    }
    if out.is_empty() {
        let (style, says) = if reply.taken { (style::PLAIN, "done") } else { (style::BAD, "refused") };
        out.push_str(&page.paragraph(style, says));
    }
    out
}
