//! A YAML file as a tree in which every key and every value knows its place, so that a complaint can name the line.
//!
//! Deserializing straight into structs would end at the first error and forget where each value came from. The parser
//! is used for what it is good at, syntax and places; what the keys mean is `schema`'s and `check`'s.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// In which file.
    pub(crate) file: Arc<Path>,
    /// In which line, from 1.
    pub(crate) line: u64,
    /// In which column, from 1.
    pub(crate) column: u64,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) value: Value,
}

/// What YAML knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing, or `null`.
    Empty,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in their order. A key may stand twice: that is found when the keys are checked.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Where the key stands.
    pub(crate) place: Place,
    /// The key.
    pub(crate) key: String,
    /// Its value.
    pub(crate) node: Node,
}

/// A file that is no YAML.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotYaml {
    /// The line and the column, where the parser knew them.
    pub(crate) at: Option<(u64, u64)>,
    /// Its words.
    pub(crate) because: String,
}

impl Node {
    /// The value under a key, if this is a map and has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            Value::Empty | Value::Flag(_) | Value::Whole(_) | Value::Real(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// The value under keys joined by dots.
    pub(crate) fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Empty | Value::Flag(_) | Value::Whole(_) | Value::Real(_) | Value::Text(_) | Value::Map(_) => &[],
        }
    }

    /// The entries of a map; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Empty | Value::Flag(_) | Value::Whole(_) | Value::Real(_) | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Empty | Value::Flag(_) | Value::Whole(_) | Value::Real(_) | Value::List(_) | Value::Map(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl Value {
    /// What it is, for a complaint: `the number 3`, `a list`.
    pub(crate) fn described(&self) -> String {
        match self {
            Value::Empty => "nothing".to_owned(),
            Value::Flag(flag) => format!("`{flag}`"),
            Value::Whole(number) => format!("the number {number}"),
            Value::Real(number) => format!("the number {number}"),
            Value::Text(text) => format!("`{}`", cut(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a section with keys".to_owned(),
        }
    }
}

/// How deep values may be nested; the deepest key has six levels. Reading is recursive, and a running healer reads on a
/// thread with a small stack.
const DEPTH_MAX: usize = 20;

/// How much of a wrong text a complaint repeats.
const SHOWN_CHARS_MAX: usize = 80;

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads a text as one YAML document. An empty one is an empty map.
pub(crate) fn parse(file: &Arc<Path>, text: &str) -> Result<Node, NotYaml> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
    };
    let parsed: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| NotYaml {
        at: error.location().map(|at| (at.line(), at.column())).filter(|(line, _)| *line > 0),
        because: words(&error.without_snippet().to_string()),
    })?;
    let node = placed(file, parsed);
    Ok(if node.value == Value::Empty { Node { value: Value::Map(Vec::new()), ..node } } else { node })
}

/// The parser's first line, without the place that is told beside it; where it speaks to a programmer, what it means.
fn words(text: &str) -> String {
    const MEANT: [(&str, &str); 5] = [
        ("budget breached: Depth", "it is nested too deep"),
        ("budget breached", "it is too much of it, or its aliases make too much of it"),
        ("recursion limit", "it is nested too deep"),
        ("recursive references", "an alias contains itself"),
        ("multiple YAML documents", "a second document begins (`---`), and one is expected"),
    ];
    let line = text.lines().next().unwrap_or_default();
    let line = line.split_once(" at line ").map_or(line, |(words, _)| words);
    MEANT.iter().find(|(says, _)| line.starts_with(says)).map_or(line, |(_, meant)| meant).to_owned()
}

/// A value as the parser hands it out, before it knows its file.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

fn placed(file: &Arc<Path>, raw: Spanned<Raw>) -> Node {
    let value = match raw.value {
        Raw::Scalar(value) => value,
        Raw::List(items) => Value::List(items.into_iter().map(|item| placed(file, item)).collect()),
        Raw::Map(pairs) => Value::Map(pairs.into_iter().map(|(key, value)| entry(file, key, value)).collect()),
    };
    Node { place: place(file, raw.referenced), value }
}

fn entry(file: &Arc<Path>, key: Spanned<Raw>, value: Spanned<Raw>) -> Entry {
    let key = placed(file, key);
    let name = match &key.value {
        Value::Text(text) => text.clone(),
        Value::Flag(flag) => flag.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Empty | Value::List(_) | Value::Map(_) => key.value.described(),
    };
    Entry { place: key.place, key: name, node: placed(file, value) }
}

fn place(file: &Arc<Path>, location: serde_saphyr::Location) -> Place {
    Place { file: Arc::clone(file), line: location.line().max(1), column: location.column().max(1) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Empty))
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Empty))
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Flag(flag)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Raw, E> {
        // What does not fit is out of the range of every setting anyway.
        Ok(Raw::Scalar(Value::Whole(i64::try_from(number).unwrap_or(i64::MAX))))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Real(number)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Node, NotYaml> {
        parse(&Arc::from(Path::new("t.yaml")), text)
    }

    #[test]
    fn every_key_and_value_knows_its_line_and_column() {
        let node = tree("# a comment\nlisten: here\nbudgets:\n  concurrent: 3\nexclude:\n  - {label: x}\n").unwrap();
        let found: Vec<(String, u64, u64)> =
            node.entries().iter().map(|entry| (entry.key.clone(), entry.place.line, entry.place.column)).collect();
        assert_eq!(found, [("listen".into(), 2, 1), ("budgets".into(), 3, 1), ("exclude".into(), 5, 1)]);
        let concurrent = node.at("budgets.concurrent").unwrap();
        assert_eq!((&concurrent.value, concurrent.place.line, concurrent.place.column), (&Value::Whole(3), 4, 15));
        let label = &node.get("exclude").unwrap().items()[0].entries()[0];
        assert_eq!((label.key.as_str(), label.place.line, label.place.column), ("label", 6, 6));
    }

    #[test]
    fn scalars_are_what_yaml_1_2_says() {
        let table = [
            ("k: true", Value::Flag(true)),
            ("k: yes", Value::Text("yes".into())),
            ("k: 3/30m", Value::Text("3/30m".into())),
            ("k: 07:00", Value::Text("07:00".into())),
            ("k: \"3\"", Value::Text("3".into())),
            ("k: 1.5", Value::Real(1.5)),
            ("k:", Value::Empty),
            ("k: ~", Value::Empty),
            ("k: 99999999999999999999", Value::Real(1e20)),
        ];
        for (text, expect) in table {
            assert_eq!(tree(text).unwrap().get("k").unwrap().value, expect, "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_kept_twice() {
        let node = tree("a: 1\na: 2\n").unwrap();
        assert_eq!(node.entries().iter().map(|entry| entry.place.line).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        let broken = tree("listen: here\nmode: [auto\n").unwrap_err();
        assert_eq!(broken, NotYaml { at: Some((2, 7)), because: "unclosed bracket '['".to_owned() });
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        for text in ["", "# nothing\n", "---\n"] {
            assert_eq!(tree(text).unwrap().value, Value::Map(Vec::new()), "{text:?}");
        }
    }
}
