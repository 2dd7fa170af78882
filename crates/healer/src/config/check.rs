//! Holds a file's tree against the table of keys and finds everything that is wrong with it at once.
//!
//! On the way, references to the environment are put in place, in the keys that are acted on: a section that is only
//! understood must not keep healer from starting for want of a variable.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use model::settings::matches;

use super::schema::{self, Key, Shape, Words};
use super::tree::{Entry, Node, Place, Value};
use super::value;

/// Something that is wrong, or worth a warning, at a place of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// In which file, where it is of one.
    pub(crate) file: Option<Arc<Path>>,
    /// In which line and column.
    pub(crate) at: Option<(u64, u64)>,
    /// The key's path: `budgets.stability`; empty for the whole file.
    pub(crate) key: String,
    /// What is wrong, and what would be right.
    pub(crate) says: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What must be mended.
    pub(crate) errors: Vec<Finding>,
    /// What should be known.
    pub(crate) warnings: Vec<Finding>,
}

impl Finding {
    pub(crate) fn at(place: &Place, key: &str, says: String) -> Finding {
        Finding { file: Some(Arc::clone(&place.file)), at: Some((place.line, place.column)), key: key.to_owned(), says }
    }

    pub(crate) fn of_file(file: &Arc<Path>, at: Option<(u64, u64)>, says: String) -> Finding {
        Finding { file: Some(Arc::clone(file)), at, key: String::new(), says }
    }

    pub(crate) fn nowhere(key: &str, says: String) -> Finding {
        Finding { file: None, at: None, key: key.to_owned(), says }
    }
}

impl fmt::Display for Finding {
    /// `healer.yaml:12:3: budgets.stabilty: unknown key; did you mean …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some((line, column)) = self.at {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        // A sentence that begins with the key needs it no second time.
        let named = self.says.strip_prefix('`').is_some_and(|says| says.starts_with(&format!("{}`", self.key)));
        if !self.key.is_empty() && !named {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.says)
    }
}

/// Checks one file's whole tree.
pub(crate) fn check(root: &mut Node, variable: &dyn Fn(&str) -> Option<String>, findings: &mut Findings) {
    let mut checker = Checker { variable, findings };
    checker.section(root, schema::ROOT, "");
}

struct Checker<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    findings: &'a mut Findings,
}

impl Checker<'_> {
    fn error(&mut self, place: &Place, key: &str, says: String) {
        self.findings.errors.push(Finding::at(place, key, says));
    }

    fn warn(&mut self, place: &Place, key: &str, says: String) {
        self.findings.warnings.push(Finding::at(place, key, says));
    }

    fn expected(&mut self, node: &Node, path: &str, expected: &str) {
        self.error(&node.place, path, format!("expected {expected}, found {}", node.value.described()));
    }

    fn section(&mut self, node: &mut Node, keys: &'static [Key], path: &str) {
        let place = node.place.clone();
        let Value::Map(entries) = &mut node.value else {
            let expected =
                if path.is_empty() { "keys such as `mode: auto`".to_owned() } else { Shape::Section(keys).expected() };
            return self.expected(&Node { place, value: node.value.clone() }, path, &expected);
        };
        self.twice(entries, path);
        for entry in entries {
            let path = joined(path, &entry.key);
            match keys.iter().find(|key| key.name == entry.key) {
                Some(key) => self.shape(&mut entry.node, &entry.place, &key.shape, &path),
                None => self.error(&entry.place, &path, unknown_key(&entry.key, keys)),
            }
        }
    }

    fn twice(&mut self, entries: &[Entry], path: &str) {
        for (at, entry) in entries.iter().enumerate() {
            if let Some(first) = entries[..at].iter().find(|earlier| earlier.key == entry.key) {
                let says = format!("stands twice; the first one is in line {}", first.place.line);
                self.error(&entry.place, &joined(path, &entry.key), says);
            }
        }
    }

    /// `place` is the key's: a warning about the whole stands there.
    fn shape(&mut self, node: &mut Node, place: &Place, shape: &'static Shape, path: &str) {
        match shape {
            Shape::Later => {
                return self.warn(place, path, format!("`{path}` is understood but not acted on by this version"));
            }
            Shape::LaterNarrowing => {
                let says = "is not acted on by this version, and without it the entry would apply to more: \
                            take the entry out, or narrow it by `deployment`";
                return self.error(place, path, says.to_owned());
            }
            _ if node.value == Value::Empty => return, // `docker:` with every line below it commented out
            Shape::Section(keys) => return self.section(node, keys, path),
            Shape::List(item) => return self.list(node, item, path),
            Shape::Named(item) => return self.named(node, item, path),
            Shape::Typed { kinds, later } => return self.typed(node, place, kinds, later, path),
            Shape::Text | Shape::Name | Shape::Path | Shape::Flag | Shape::Whole(..) | Shape::Duration(..) => {}
            Shape::Limit | Shape::Address | Shape::Engine | Shape::Url(_) | Shape::OneOf(_) | Shape::Words(_) => {}
            Shape::Size | Shape::Percent => {}
        }
        if let Value::Text(text) = &node.value {
            match value::interpolated(text, self.variable) {
                Ok(filled) => node.value = retyped(filled, shape),
                Err(says) => return self.error(&node.place, path, says),
            }
        }
        if let Err(expected) = scalar(&node.value, shape) {
            // In front of an `@` may stand a password.
            if matches!((shape, node.text()), (Shape::Url(_), Some(text)) if text.contains('@')) {
                let says = format!("expected {expected}, found another text, which may hold a password");
                return self.error(&node.place, path, says);
            }
            return self.expected(node, path, &expected);
        }
        if let Shape::Words(words) = shape {
            self.words(node, words, path);
        }
    }

    /// A later version may know the word: the file of that version is no wrong one for this.
    fn words(&mut self, node: &Node, words: &Words, path: &str) {
        let Some(pattern) = node.text() else { return };
        let known = (words.known)();
        if known.iter().any(|word| matches(pattern, word)) {
            return;
        }
        let hint = match nearest(pattern, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}, and * for all", known.into_iter().collect::<Vec<_>>().join(", ")),
        };
        let found = node.value.described();
        let says = format!("{found} is no {} of this version, so the policy applies to nothing; {hint}", words.is);
        self.warn(&node.place, path, says);
    }

    fn list(&mut self, node: &mut Node, item: &'static Shape, path: &str) {
        let Value::List(items) = &mut node.value else {
            return self.expected(&node.clone(), path, "a list");
        };
        for (at, node) in items.iter_mut().enumerate() {
            let place = node.place.clone();
            self.shape(node, &place, item, &format!("{path}[{at}]"));
        }
    }

    fn named(&mut self, node: &mut Node, item: &'static Shape, path: &str) {
        let Value::Map(entries) = &mut node.value else {
            return self.expected(&node.clone(), path, "a section of names, each with its own section");
        };
        self.twice(entries, path);
        for entry in entries {
            let path = joined(path, &entry.key);
            if let Err(expected) = value::name(&entry.key) {
                self.error(&entry.place, &path, format!("expected {expected}"));
            }
            self.shape(&mut entry.node, &entry.place, item, &path);
        }
    }

    fn typed(
        &mut self,
        node: &mut Node,
        place: &Place,
        kinds: &'static [(&'static str, &'static [Key])],
        later: &'static [&'static str],
        path: &str,
    ) {
        let known = || kinds.iter().map(|(kind, _)| *kind).chain(later.iter().copied());
        let Some(kind) = node.get("type").cloned() else {
            let names: Vec<&str> = known().collect();
            return self.error(place, path, format!("has no `type`: expected one of {}", names.join(", ")));
        };
        let type_path = format!("{path}.type");
        let Some(word) = kind.text() else {
            return self.expected(&kind, &type_path, "a word such as webhook");
        };
        if let Some((_, keys)) = kinds.iter().find(|(kind, _)| *kind == word) {
            self.section(node, keys, path);
        } else if later.contains(&word) {
            let says = format!("a channel of the type `{word}` is understood but not acted on by this version");
            self.warn(place, path, says);
        } else {
            let hint = nearest(word, known()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.error(&kind.place, &type_path, format!("unknown type `{word}`{hint}"));
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The environment holds only texts: what a variable was put into may have become a number or a flag.
fn retyped(text: String, shape: &Shape) -> Value {
    let typed = match shape {
        Shape::Whole(..) => text.parse().ok().map(Value::Whole),
        Shape::Flag => text.parse().ok().map(Value::Flag),
        Shape::Text | Shape::Name | Shape::Path | Shape::Duration(..) | Shape::Limit | Shape::Address => None,
        Shape::Engine | Shape::Url(_) | Shape::OneOf(_) | Shape::Words(_) => None,
        Shape::Size | Shape::Percent | Shape::Section(_) | Shape::List(_) | Shape::Named(_) => None,
        Shape::Typed { .. } | Shape::Later | Shape::LaterNarrowing => None,
    };
    typed.unwrap_or(Value::Text(text))
}

fn scalar(found: &Value, shape: &Shape) -> Result<(), String> {
    let expected = || Err(shape.expected());
    match (shape, found) {
        (Shape::Flag, Value::Flag(_)) => Ok(()),
        (Shape::Whole(from, to), Value::Whole(number)) if (from..=to).contains(&number) => Ok(()),
        (Shape::Text | Shape::Words(_) | Shape::Path | Shape::Engine, Value::Text(text))
            if !text.is_empty() && !text.contains(char::is_control) =>
        {
            Ok(())
        }
        (Shape::Text | Shape::Words(_), Value::Whole(_) | Value::Real(_) | Value::Flag(_)) => {
            Err("a text: put it in quotes".to_owned())
        }
        (Shape::Name, Value::Text(text)) => value::name(text),
        (Shape::Duration(from, to), Value::Text(text)) => {
            let duration = value::duration(text)?;
            if (from..=to).contains(&&duration) {
                Ok(())
            } else {
                Err(format!("a duration from {} to {}", value::written(*from), value::written(*to)))
            }
        }
        (Shape::Duration(..), Value::Whole(number)) => value::duration(&number.to_string()).map(|_| ()),
        (Shape::Size, Value::Text(text)) => value::bytes(text).map(|_| ()),
        (Shape::Percent, Value::Text(text)) => value::percent(text).map(|_| ()),
        (Shape::Limit, Value::Text(text)) => value::limit(text).map(|_| ()),
        (Shape::Address, Value::Text(text)) => value::address(text).map(|_| ()),
        (Shape::Url(schemes), Value::Text(text)) => value::url(text, schemes),
        (Shape::OneOf(words), Value::Text(text)) => {
            match (words.contains(&text.as_str()), nearest(text, words.iter().copied())) {
                (true, _) => Ok(()),
                (false, Some(near)) => Err(format!("{} (did you mean `{near}`?)", shape.expected())),
                (false, None) => expected(),
            }
        }
        _ => expected(),
    }
}

/// What to say of a key that is not in its section: the nearest one there, or where it belongs.
fn unknown_key(name: &str, here: &'static [Key]) -> String {
    if let Some(near) = nearest(name, here.iter().map(|key| key.name)) {
        return format!("unknown key; did you mean `{near}`?");
    }
    let elsewhere: Vec<String> = schema::every_key()
        .into_iter()
        .filter(|(_, key)| key.name == name && !here.iter().any(|other| std::ptr::eq(other, *key)))
        .map(|(path, _)| format!("`{path}`"))
        .collect();
    match elsewhere.as_slice() {
        [] => {
            let names: Vec<&str> = here.iter().map(|key| key.name).collect();
            format!("unknown key; known here are {}", names.join(", "))
        }
        [one] => format!("unknown key here; did you mean {one}?"),
        several => format!("unknown key here; it is known as {}", several.join(", ")),
    }
}

/// The word nearest to a misspelt one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase().replace('-', "_");
    known
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3).min(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    fn found(text: &str) -> (Vec<String>, Vec<String>) {
        let mut node = tree::parse(&Arc::from(Path::new("h.yaml")), text).unwrap();
        let mut findings = Findings::default();
        let variable = |name: &str| (name == "THREE").then(|| "3".to_owned());
        check(&mut node, &variable, &mut findings);
        let told = |list: Vec<Finding>| list.iter().map(ToString::to_string).collect();
        (told(findings.errors), told(findings.warnings))
    }

    fn errors(text: &str) -> Vec<String> {
        found(text).0
    }

    #[test]
    fn every_error_is_told_at_once_with_its_line_and_path() {
        let text = "mode: autp\nbudgets:\n  stabilty: 2m\n  concurrent: 0\n  per_host: 20\nchannels:\n  hook: {type: webhok}\nlisten: localhost:80\n";
        assert_eq!(
            errors(text),
            [
                "h.yaml:1:7: mode: expected one of observe, suggest, auto (did you mean `auto`?), found `autp`",
                "h.yaml:3:3: budgets.stabilty: unknown key; did you mean `stability`?",
                "h.yaml:4:15: budgets.concurrent: expected a whole number from 1 to 1000, found the number 0",
                "h.yaml:5:13: budgets.per_host: expected a limit such as 3/30m: at most 3 within 30 minutes, found the number 20",
                "h.yaml:7:16: channels.hook.type: unknown type `webhok`; did you mean `webhook`?",
                "h.yaml:8:9: listen: expected an IP address with a port: `127.0.0.1:80`?, found `localhost:80`",
            ]
        );
    }

    #[test]
    fn one_wrong_value_one_error_that_says_what_would_be_right() {
        let table = [
            (
                "docker: {relist: 60}",
                "docker.relist: expected a duration such as 30s, 5m or 1h30m: a bare number has no unit (`60s`?), found the number 60",
            ),
            ("docker: {relist: 1s}", "docker.relist: expected a duration from 5s to 1h, found `1s`"),
            ("docker: {hosts: {name: a}}", "docker.hosts: expected a list, found a section with keys"),
            (
                "docker: {hosts: [{url: 3}]}",
                "docker.hosts[0].url: expected an address such as unix:///var/run/docker.sock or tcp://host:2375, found the number 3",
            ),
            (
                "docker: 3",
                "docker: expected a section with the keys hosts, deployments_path, relist, found the number 3",
            ),
            ("stability: 2m", "stability: unknown key here; did you mean `budgets.stability`?"),
            (
                "docker: {frobnicate: 1}",
                "docker.frobnicate: unknown key; known here are hosts, deployments_path, relist",
            ),
            (
                "host: {name: \"a b\"}",
                "host.name: expected a name of at most 100 letters, digits, `.`, `_` and `-`, found `a b`",
            ),
            ("policies: [{auto_heal: perhaps}]", "policies[0].auto_heal: expected true or false, found `perhaps`"),
            (
                "policies: [{deployment: 5}]",
                "policies[0].deployment: expected a text: put it in quotes, found the number 5",
            ),
            ("state_dir: ${NO_SUCH}/healer", "state_dir: the environment variable NO_SUCH is not set"),
            ("mode: auto\nmode: observe", "mode: stands twice; the first one is in line 1"),
            (
                "channels: {hook: {url: \"http://x\"}}",
                "channels.hook: has no `type`: expected one of webhook, email, slack",
            ),
            ("channels: {\"a b\": {type: slack}}", "channels.a b: expected a name of at most"),
            ("[a, b]", "expected keys such as `mode: auto`, found a list"),
            ("policies: [{labels: {tier: db}}]", "policies[0].labels: is not acted on by this version, and without it"),
        ];
        for (text, expect) in table {
            let errors = errors(text);
            let [error] = errors.as_slice() else { panic!("{text}: {errors:?}") };
            assert!(error.contains(expect), "{text}:\n{error}\n{expect}");
        }
    }

    #[test]
    fn what_is_only_understood_warns_and_is_not_looked_into() {
        let (errors, warnings) = found(
            "rules:\n  - {whatever: \"${NO_SUCH}\"}\nchannels: {chat: {type: slack, channel: \"#x\"}}\nbudgets: {per_cluster: 30/10m}\n",
        );
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(
            warnings,
            [
                "h.yaml:1:1: `rules` is understood but not acted on by this version",
                "h.yaml:3:12: channels.chat: a channel of the type `slack` is understood but not acted on by this version",
                "h.yaml:4:11: `budgets.per_cluster` is understood but not acted on by this version",
            ]
        );
    }

    #[test]
    fn a_word_that_this_version_does_not_know_warns_with_its_line_and_the_nearest_one_that_it_knows() {
        let text = "policies:\n  - issue_type: servce_down\n  - {resource_kind: deployment}\n  - {resource_kind: Database, issue_type: high_cpu}\n";
        let (errors, warnings) = found(text);
        assert_eq!(errors, Vec::<String>::new());
        let begins = [
            "h.yaml:2:17: policies[0].issue_type: `servce_down` is no issue type of this version, so the policy applies to nothing; did you mean `service_down`?",
            "h.yaml:3:21: policies[1].resource_kind: `deployment` is no kind of resource of this version, so the policy applies to nothing; did you mean `Deployment`?",
            "h.yaml:4:21: policies[2].resource_kind: `Database` is no kind of resource of this version, so the policy applies to nothing; known are Deployment",
            "h.yaml:4:43: policies[2].issue_type: `high_cpu` is no issue type of this version, so the policy applies to nothing; known are ",
        ];
        assert_eq!(warnings.len(), begins.len(), "{warnings:#?}");
        for (warning, begins) in warnings.iter().zip(begins) {
            assert!(warning.starts_with(begins), "{warning}\n{begins}");
        }
        for cause in engine::diagnose::CATALOGUE {
            assert!(warnings[3].contains(cause.issue_type), "{} is not named: {}", cause.issue_type, warnings[3]);
        }
    }

    #[test]
    fn every_issue_type_of_the_catalogue_and_every_pattern_that_fits_one_is_known() {
        for cause in engine::diagnose::CATALOGUE {
            let text = format!("policies: [{{resource_kind: Deployment, issue_type: {}}}]", cause.issue_type);
            assert_eq!(found(&text), (Vec::new(), Vec::new()), "{text}");
        }
        for (pattern, warned_of) in [("\"*\"", false), ("\"service_*\"", false), ("\"network_*\"", true)] {
            let (errors, warnings) = found(&format!("policies: [{{issue_type: {pattern}}}]"));
            assert_eq!((errors.len(), warnings.len()), (0, usize::from(warned_of)), "{pattern}: {warnings:?}");
        }
    }

    #[test]
    fn a_word_is_looked_at_with_its_variables_in_place_and_must_be_a_text() {
        let (errors, warnings) = found("policies: [{issue_type: \"down_${THREE}\"}, {issue_type: 3}]");
        assert_eq!(
            errors,
            ["h.yaml:1:56: policies[1].issue_type: expected a text: put it in quotes, found the number 3"]
        );
        assert!(warnings.len() == 1 && warnings[0].contains("`down_3` is no issue type"), "{warnings:?}");
    }

    #[test]
    fn empty_sections_and_variables_in_numbers_are_fine() {
        assert_eq!(
            errors("docker:\nbudgets:\n  concurrent: \"${THREE}\"\n  stability: ${THREE}m\nlisten:\n"),
            Vec::<String>::new()
        );
    }
}
