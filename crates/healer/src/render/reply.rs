//! What healer said to a command.

use model::command::Reply;

use super::{Page, style};

/// Draws it: a line for each resource.
pub(crate) fn reply(reply: &Reply, page: &Page) -> String {
    let style = if reply.taken { style::PLAIN } else { style::BAD };
    let mut out = String::new();
    for line in &reply.lines {
        let says = match &line.resource {
            Some(resource) => format!("{}: {}", resource.short(), line.text),
            None => line.text.clone(),
        };
        out.push_str(&page.paragraph(style, &says));
    }
    if out.is_empty() {
        out.push_str(&page.paragraph(style, if reply.taken { "done" } else { "refused" }));
    }
    out
}
