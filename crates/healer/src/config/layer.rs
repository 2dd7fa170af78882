//! Lays one file's tree over another's: sections are merged key by key, lists are appended, the last single value holds.

use super::tree::{Entry, Node, Value};

/// `upper` laid over `lower`. An upper value that is empty changes nothing.
pub(crate) fn over(lower: Node, upper: Node) -> Node {
    match (lower.value, upper.value) {
        (Value::Map(lower_entries), Value::Map(upper_entries)) => {
            Node { place: lower.place, value: Value::Map(merged(lower_entries, upper_entries)) }
        }
        (Value::List(mut items), Value::List(more)) => {
            items.extend(more);
            Node { place: lower.place, value: Value::List(items) }
        }
        (value, Value::Empty) => Node { place: lower.place, value },
        (_, value) => Node { place: upper.place, value },
    }
}

fn merged(mut lower: Vec<Entry>, upper: Vec<Entry>) -> Vec<Entry> {
    for entry in upper {
        match lower.iter().position(|below| below.key == entry.key) {
            Some(at) => {
                let below = lower.remove(at);
                lower.insert(at, Entry { node: over(below.node, entry.node), ..below });
            }
            None => lower.push(entry),
        }
    }
    lower
}
