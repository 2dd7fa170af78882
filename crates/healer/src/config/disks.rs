//! `host.disks`: the file systems that are watched, and what may go from them.

use std::path::Path;
use std::time::Duration;

use ::disks::Rule;
use host::Watched;

use super::check::{Finding, Findings};
use super::tree::Node;
use super::value;

/// A file system counts as full from here on where nothing is set.
const FULL_PERCENT: u8 = 90;
/// And so many points less are some room again.
const CLEAR_POINTS: u8 = 5;

/// The file systems of the list. What is wrong with one is told, and the others are read all the same.
pub(super) fn read(items: &[Node], state_dir: &Path, findings: &mut Findings) -> Vec<Watched> {
    let mut disks: Vec<Watched> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let path = format!("host.disks[{at}]");
        let mut wrong = |says: String| findings.errors.push(Finding::at(&item.place, &path, says));
        let Some(root) = text(item, "path") else {
            wrong("has no `path`: expected a directory on the file system, such as /var".to_owned());
            continue;
        };
        if !root.starts_with('/') {
            wrong(format!("`{root}` is no whole path: begin it with a `/`"));
            continue;
        }
        let full_percent = percent(item, "above").unwrap_or(FULL_PERCENT);
        let clear_percent = percent(item, "clear_below").unwrap_or(full_percent.saturating_sub(CLEAR_POINTS).max(1));
        if clear_percent > full_percent {
            wrong(format!("`clear_below` ({clear_percent}%) is more than `above` ({full_percent}%)"));
        }
        if disks.iter().any(|other| *other.path == *root) {
            wrong(format!("the path `{root}` is given twice"));
            continue;
        }
        let rules = item.get("clean").map(Node::items).unwrap_or_default();
        let clean = rules.iter().filter_map(|rule| read_rule(rule, state_dir).map_err(&mut wrong).ok()).collect();
        disks.push(Watched { path: root.into(), full_percent, clear_percent, clean });
    }
    disks
}

fn read_rule(rule: &Node, state_dir: &Path) -> Result<Rule, String> {
    let pattern = text(rule, "path").ok_or("a rule of `clean` has no `path`, such as \"/var/log/*.gz\"")?;
    // What is not told to be old might be in use.
    let older: Duration = text(rule, "older").and_then(|text| value::duration(&text).ok()).ok_or_else(|| {
        format!("the rule for `{pattern}` has no `older`: how long a file must not have changed, such as 7d")
    })?;
    let rule = Rule::new(&pattern, older).map_err(|error| error.to_string())?;
    if rule.reaches_into(state_dir) {
        return Err(format!("`{pattern}` lies in healer's own folder"));
    }
    Ok(rule)
}

/// A file system in one line, for `healer check`.
pub(super) fn written(disk: &Watched) -> String {
    let rules = match disk.clean.len() {
        0 => "nothing may go".to_owned(),
        1 => "1 rule for what may go".to_owned(),
        rules => format!("{rules} rules for what may go"),
    };
    format!("{} from {}% on, until less than {}%, {rules}", disk.path.display(), disk.full_percent, disk.clear_percent)
}

fn percent(item: &Node, key: &str) -> Option<u8> {
    value::percent(&text(item, key)?).ok()
}

fn text(node: &Node, key: &str) -> Option<String> {
    Some(node.get(key)?.text()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::Given;

    #[test]
    fn a_file_system_is_read_with_its_rules_and_its_limits() {
        let text = "host:\n  sample: 5s\n  disks:\n    - {path: /var, above: 80%, clean: [{path: /var/log/*.gz, older: 7d}]}\n    \
                    - {path: /srv}\n";
        let config = Given::file(text).read().unwrap();
        let [var, srv] = config.here.disks.as_slice() else { panic!("{:?}", config.here.disks) };
        assert_eq!((var.full_percent, var.clear_percent, var.clean.len()), (80, 75, 1));
        assert_eq!((srv.full_percent, srv.clear_percent, srv.clean.len()), (90, 85, 0));
        assert_eq!(var.clean[0].to_string(), "/var/log/*.gz, not changed for 7 d");
        assert_eq!(super::written(var), "/var from 80% on, until less than 75%, 1 rule for what may go");
    }

    #[test]
    fn what_is_wrong_with_one_is_told_with_what_would_be_right() {
        for (disk, says) in [
            ("{above: 90%}", "has no `path`"),
            ("{path: var}", "`var` is no whole path"),
            ("{path: /var, above: 90}", "expected a share from 1% to 100%, such as 90%"),
            ("{path: /var, above: 101%}", "expected a share from 1% to 100%"),
            ("{path: /var, above: 80%, clear_below: 90%}", "is more than `above`"),
            ("{path: /var, clean: [{path: /var/log/*.gz}]}", "has no `older`"),
            ("{path: /var, clean: [{older: 7d}]}", "has no `path`"),
            ("{path: /, clean: [{path: /*, older: 7d}]}", "`/*` reaches too far"),
            ("{path: /, clean: [{path: /etc/*, older: 7d}]}", "lies in /etc"),
            ("{path: /var, clean: [{path: /var/log/*.gz, older: soon}]}", "a duration"),
            ("{path: /var, clean: [{path: /var/lib/healer/services/*/log, older: 7d}]}", "healer's own folder"),
        ] {
            let text = format!("state_dir: /var/lib/healer\nhost:\n  disks:\n    - {disk}\n");
            let errors = Given::file(&text).errors();
            assert!(errors.iter().any(|error| error.contains(says)), "{disk}: {errors:?}");
        }
        let twice = Given::file("host:\n  disks:\n    - {path: /var}\n    - {path: /var}\n").errors();
        assert!(twice.iter().any(|error| error.contains("given twice")), "{twice:?}");
    }
}
