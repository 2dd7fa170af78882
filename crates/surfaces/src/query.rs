//! Query strings, strictly: a key that is misspelt, doubled or out of range is an answer of its own, never a filter that
//! silently does not filter.

use jiff::{SpanRelativeTo, Timestamp};
use model::Wall;

use crate::answer::Problem;

/// How many items a page has unless asked otherwise.
const LIMIT_DEFAULT: usize = 100;
/// The most items of a page.
const LIMIT_MAX: usize = 1_000;

/// The keys of a list.
pub(crate) const LIST: &[&str] = &["limit", "cursor"];

/// The values of a request's query, each key at most once and each known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query(Vec<(&'static str, String)>);

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// How many items at most.
    pub(crate) limit: usize,
    /// Where the page before ended.
    pub(crate) cursor: Option<String>,
}

impl Query {
    /// Reads a raw query string against the keys that the route knows.
    pub(crate) fn parse(raw: Option<&str>, valid: &[&'static str]) -> Result<Query, Problem> {
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        for (key, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            let known = valid.iter().find(|known| **known == key).ok_or_else(|| unknown(&key, valid))?;
            if pairs.iter().any(|(seen, _)| seen == known) {
                return Err(Problem::bad(format!("the key `{known}` is given twice: give it once")));
            }
            pairs.push((known, value.into_owned()));
        }
        Ok(Query(pairs))
    }

    /// The value of a key. An empty one counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The value of a key that cannot be left out.
    pub(crate) fn required(&self, key: &str, example: &str) -> Result<&str, Problem> {
        self.get(key).ok_or_else(|| Problem::bad(format!("the key `{key}` is missing: {example}")))
    }

    /// The value of a key that is one of a few words.
    pub(crate) fn one_of(&self, key: &str, words: &[&'static str]) -> Result<&'static str, Problem> {
        let Some(value) = self.get(key) else { return Ok(words[0]) };
        words
            .iter()
            .find(|word| **word == value)
            .copied()
            .ok_or_else(|| Problem::bad(format!("{key}: `{}` is none of {}", shown(value), words.join(", "))))
    }

    /// The value of a key in its own type.
    pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<Option<T>, Problem> {
        let parse =
            |value: &str| value.parse().map_err(|error| Problem::bad(format!("{key}: {}", shown(&format!("{error}")))));
        self.get(key).map(parse).transpose()
    }

    /// A time: RFC 3339, or how long ago.
    pub(crate) fn time(&self, key: &str, now: Timestamp) -> Result<Option<Wall>, Problem> {
        self.get(key).map(|value| time(key, value, now)).transpose()
    }

    /// Which part of the list.
    pub(crate) fn window(&self) -> Result<Window, Problem> {
        let limit =
            match self.get("limit") {
                None => LIMIT_DEFAULT,
                Some(value) => value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
                    Problem::bad(format!("limit: `{}` is no number from 1 to {LIMIT_MAX}", shown(value)))
                })?,
            };
        Ok(Window { limit, cursor: self.get("cursor").map(ToOwned::to_owned) })
    }
}

fn unknown(key: &str, valid: &[&'static str]) -> Problem {
    let remedy = match (nearest(key, valid), valid) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "this route takes none".to_owned(),
        (None, _) => format!("this route knows {}", valid.join(", ")),
    };
    Problem::bad(format!("unknown key `{}`: {remedy}", shown(key)))
}

/// The valid word that a misspelt one probably means.
pub(crate) fn nearest<'v>(word: &str, valid: &[&'v str]) -> Option<&'v str> {
    // A hostile word is compared as far as the longest of ours could go.
    let word: String = word.chars().take(64).collect();
    let near = |valid: &&&str| strsim::jaro_winkler(&word, valid) > 0.8;
    valid
        .iter()
        .filter(near)
        .max_by(|a, b| strsim::jaro_winkler(&word, a).total_cmp(&strsim::jaro_winkler(&word, b)))
        .copied()
}

/// What somebody sent, fit to be shown to them.
pub(crate) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() { cut + "…" } else { cut }
}

fn time(key: &str, value: &str, now: Timestamp) -> Result<Wall, Problem> {
    let wrong = || {
        let shown = shown(value);
        Problem::bad(format!(
            "{key}: `{shown}` is neither a time (2026-11-20T09:14:00Z) nor how long ago (24h, 90m, 7d)"
        ))
    };
    // A plus that was not percent-encoded arrives as a space: `2026-11-20T09:14:00 01:00`.
    let zoned = value.rsplit_once(' ').filter(|(_, zone)| zone.len() == 5 && zone.contains(':'));
    let text = zoned.map_or_else(|| value.to_owned(), |(time, zone)| format!("{time}+{zone}"));
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Wall(at.as_millisecond()));
    }
    let ago: jiff::Span = text.parse().map_err(|_| wrong())?;
    let ago = ago.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let at = now.checked_sub(ago).ok().filter(|_| !ago.is_negative()).ok_or_else(wrong)?;
    Ok(Wall(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[&str] = &["since", "until", "limit", "cursor"];

    #[test]
    fn a_wrong_key_is_named_with_the_nearest_valid_one() {
        let table = [
            ("sinc=1h", "unknown key `sinc`: did you mean `since`?"),
            ("LIMIT=1&x=2", "unknown key `LIMIT`: this route knows since, until, limit, cursor"),
            ("since=1h&since=2h", "the key `since` is given twice: give it once"),
            ("a%0Ab=1", "unknown key `a\\nb`: this route knows since, until, limit, cursor"),
        ];
        for (raw, expect) in table {
            assert_eq!(Query::parse(Some(raw), KEYS).unwrap_err(), Problem::bad(expect), "{raw}");
        }
        assert_eq!(Query::parse(Some("x=1"), &[]).unwrap_err().error, "unknown key `x`: this route takes none");
        assert!(Query::parse(Some(&"é".repeat(20_000)), KEYS).unwrap_err().error.len() < 400);
    }

    #[test]
    fn a_limit_is_a_number_within_bounds() {
        let window = |raw| Query::parse(Some(raw), KEYS).unwrap().window();
        assert_eq!(window("limit=5&cursor=9"), Ok(Window { limit: 5, cursor: Some("9".to_owned()) }));
        assert_eq!(window("limit=&cursor="), Ok(Window { limit: LIMIT_DEFAULT, cursor: None }));
        for raw in ["limit=0", "limit=1001", "limit=-1", "limit=1e9", "limit=ten"] {
            assert!(window(raw).unwrap_err().error.contains("from 1 to 1000"), "{raw}");
        }
    }

    #[test]
    fn a_time_is_a_moment_or_how_long_ago() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let table = [
            ("since=2026-11-23T11:00:00Z", Some("2026-11-23T11:00:00Z")),
            ("since=2026-11-23T11:00:00+01:00", Some("2026-11-23T10:00:00Z")),
            ("since=2026-11-23T11:00:00%2B01:00", Some("2026-11-23T10:00:00Z")),
            ("since=24h", Some("2026-11-22T12:00:00Z")),
            ("since=1h30m", Some("2026-11-23T10:30:00Z")),
            ("since=7d", Some("2026-11-16T12:00:00Z")),
            ("since=2w", Some("2026-11-09T12:00:00Z")),
            ("since=-1h", None),
            ("since=yesterday", None),
            ("since=99999999d", None),
            ("since=3", None),
        ];
        for (raw, expect) in table {
            let got = Query::parse(Some(raw), KEYS).unwrap().time("since", now);
            match expect {
                Some(at) => assert_eq!(got, Ok(Some(Wall(at.parse::<Timestamp>().unwrap().as_millisecond()))), "{raw}"),
                None => assert!(got.unwrap_err().error.contains("how long ago"), "{raw}"),
            }
        }
    }
}
