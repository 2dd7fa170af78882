//! Variables in a Compose file: `$NAME`, `${NAME}`, `${NAME:-default}` and their like, filled in from the `.env` file beside
//! it. What was set in the shell of whoever ran Compose is not known here.

use std::collections::BTreeMap;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// Defaults may stand in defaults, so deep.
const DEPTH_MAX: usize = 8;

/// The variables of a `.env` file: `NAME=value`, with or without quotes.
pub(super) fn of_env_file(text: &str) -> Variables {
    let line = |line: &str| {
        let line = line.trim().trim_start_matches("export ");
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        let bare = || value.split(" #").next().unwrap_or_default().trim();
        Some((name.trim().to_owned(), quoted('"').or(quoted('\'')).unwrap_or_else(bare).to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// A text with its variables filled in; one that is not set is empty.
pub(super) fn filled(text: &str, variables: &Variables) -> String {
    filled_to(text, variables, DEPTH_MAX)
}

fn filled_to(text: &str, variables: &Variables, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((inner, after)) = after.strip_prefix('{').and_then(braced) {
            if depth > 0 {
                out.push_str(&value_of(inner, variables, depth - 1));
            }
            rest = after;
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            out.push_str(variables.get(name).map_or("", String::as_str));
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// What stands before the brace that closes the one before it, and what comes after that.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

fn value_of(inner: &str, variables: &Variables, depth: usize) -> String {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, rule) = inner.split_at(end);
    let set = variables.get(name);
    let full = set.filter(|value| !value.is_empty());
    let or = |value: Option<&String>, rest: &str| value.cloned().unwrap_or_else(|| filled_to(rest, variables, depth));
    let instead =
        |value: Option<&String>, rest: &str| value.map_or(String::new(), |_| filled_to(rest, variables, depth));
    match rule {
        _ if rule.starts_with(":-") => or(full, &rule[2..]),
        _ if rule.starts_with('-') => or(set, &rule[1..]),
        _ if rule.starts_with(":+") => instead(full, &rule[2..]),
        _ if rule.starts_with('+') => instead(set, &rule[1..]),
        // `?` and `:?` make Compose refuse what is not set.
        _ => set.cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_name_a_variable_is_filled_in() {
        let variables = of_env_file("A=one\nexport B = \"two words\" \n# C=no\nEMPTY=\nD=x # a comment\nE='$A'\n");
        let table = [
            ("$A-${A}", "one-one"),
            ("${B}", "two words"),
            ("${C:-db}", "db"),
            ("${C-db}", "db"),
            ("${EMPTY:-db}|${EMPTY-db}", "db|"),
            ("${A:+set}|${C:+set}|${EMPTY+set}", "set||set"),
            ("${C:-${A:-deep}}", "one"),
            ("${LINK:-postgres:database}", "postgres:database"),
            ("db${SUFFIX}", "db"),
            ("$$A", "$A"),
            ("${A?must be set}", "one"),
            ("${D}", "x"),
            ("100$ and ${open", "100 and {open"),
            ("", ""),
        ];
        for (text, expect) in table {
            assert_eq!(filled(text, &variables), expect, "{text}");
        }
        let deep = "${X:-".repeat(10_000);
        assert!(filled(&deep, &variables).len() <= deep.len());
    }
}
