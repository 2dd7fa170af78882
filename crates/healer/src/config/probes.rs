//! `probes`: what is asked from this host, wherever it is.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ::probes::schedule::Watch;
use ::probes::{Probe, Question, Rule, api, dns, http, postgres, rabbitmq, redis, tls};

use super::check::{Finding, Findings};
use super::tree::{Node, Value};
use super::value;

const EVERY: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(10);
/// So many failures in a row, and so many good answers in a row, turn it.
const FAILURES: u32 = 3;
const RECOVERS: u32 = 2;
/// A certificate is told of so long before its end.
const WARN_BEFORE: Duration = Duration::from_secs(14 * 86_400);
/// Questions of one interval are spread over this share of it.
const JITTER_SHARE: u32 = 10;

/// What can be asked, each with the keys that are its own.
const KINDS: &[(&str, &[&str])] = &[
    ("http", &["status", "contains", "latency", "warn_before"]),
    ("tcp", &[]),
    ("dns", &["addresses", "resolvers"]),
    ("tls", &["server_name", "warn_before"]),
    ("postgres", &["connections", "slow_query", "blocked_query", "replication_lag", "transaction_age"]),
    ("redis", &["queue", "group", "above", "growing_for"]),
    ("rabbitmq", &["queue", "virtual_host", "above", "growing_for"]),
    ("command", &[]),
    ("api", &["token_file", "quota_below"]),
];
const COMMON: &[&str] = &["name", "every", "timeout", "failures", "of", "recovers"];

/// The probes of the list. What is wrong with one is told, and the others are read all the same.
pub(super) fn read(items: &[Node], base: &Path, findings: &mut Findings) -> Vec<Watch> {
    let mut watches: Vec<Watch> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        // It is a later version's, and the checker has said so.
        if item.get("metric").is_some() {
            continue;
        }
        match watch(item, base) {
            Ok(watch) if watches.iter().any(|other| other.name == watch.name) => {
                let says = format!("the name `{}` is given twice", watch.name);
                findings.errors.push(Finding::at(&item.place, &format!("probes[{at}]"), says));
            }
            Ok(watch) => watches.push(watch),
            Err(says) => findings.errors.push(Finding::at(&item.place, &format!("probes[{at}]"), says)),
        }
    }
    watches
}

fn watch(item: &Node, base: &Path) -> Result<Watch, String> {
    let name = text(item, "name").ok_or("has no `name`")?;
    let question = question(item, base)?;
    let every = duration(item, "every").unwrap_or(EVERY);
    let timeout = duration(item, "timeout").unwrap_or(TIMEOUT.min(every));
    let fails = count(item, "failures").unwrap_or(FAILURES);
    let rule = Rule::new(fails, count(item, "of").unwrap_or(fails), count(item, "recovers").unwrap_or(RECOVERS))?;
    let rule = duration(item, "growing_for").map_or(rule, |time| rule.growing_for(time));
    Ok(Watch { name, probe: Probe { question, timeout }, every, jitter: every / JITTER_SHARE, rule })
}

fn question(item: &Node, base: &Path) -> Result<Question, String> {
    let is_set = |key: &str| item.get(key).is_some_and(|node| node.value != Value::Empty);
    let mut asked = KINDS.iter().filter(|(kind, _)| is_set(kind));
    let names = || KINDS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ");
    let (Some((kind, own)), None) = (asked.next(), asked.next()) else {
        return Err(format!("needs one of {}", names()));
    };
    let foreign = item
        .entries()
        .iter()
        .map(|entry| entry.key.as_str())
        .find(|key| !COMMON.contains(key) && !own.contains(key) && *key != *kind);
    if let Some(foreign) = foreign {
        return Err(format!("`{foreign}` says nothing of `{kind}`"));
    }
    let what = text(item, kind).unwrap_or_default();
    match *kind {
        "http" => http(item, &what).map(Question::Http),
        "tcp" => Ok(Question::Tcp(what)),
        "dns" => dns(item, what).map(Question::Dns),
        "tls" => tls(item, &what, base).map(Question::Tls),
        "postgres" => postgres(item, &what).map(|check| Question::Postgres(Box::new(check))),
        "redis" => redis(item, &what).map(Question::Redis),
        "rabbitmq" => rabbitmq(item, &what).map(Question::RabbitMq),
        "api" => api(item, &what, base).map(Question::Api),
        _ => Ok(Question::Command(command(item, base))),
    }
}

fn http(item: &Node, url: &str) -> Result<http::Check, String> {
    let check: http::Check = url.parse().map_err(|error| format!("`http`: {error}"))?;
    let statuses = item.get("status").map(Node::items).unwrap_or_default();
    let status = |node: &Node| u16::try_from(number(node)?).ok();
    Ok(http::Check {
        statuses: statuses.iter().filter_map(status).collect(),
        contains: text(item, "contains"),
        latency: duration(item, "latency"),
        warn_before: duration(item, "warn_before").unwrap_or(WARN_BEFORE),
        ..check
    })
}

fn dns(item: &Node, name: String) -> Result<dns::Check, String> {
    let parsed = |text: &String| text.parse().map_err(|_| format!("`{text}` is no address of a machine"));
    let resolver = |text: &String| {
        let with_port = text.parse::<SocketAddr>().or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, DNS_PORT)));
        with_port.map_err(|_| format!("`{text}` is no address of a name server, such as 192.0.2.53"))
    };
    Ok(dns::Check {
        name,
        expected: words(item, "addresses").iter().map(parsed).collect::<Result<_, _>>()?,
        resolvers: words(item, "resolvers").iter().map(resolver).collect::<Result<_, _>>()?,
    })
}

const DNS_PORT: u16 = 53;

/// `shop.example.org:443`, or the path of a certificate file.
fn tls(item: &Node, what: &str, base: &Path) -> Result<tls::Check, String> {
    let is_file = what.contains('/');
    let at = if is_file { tls::Place::File(base.join(what)) } else { tls::Place::Endpoint(what.parse()?) };
    let warn_before = duration(item, "warn_before").unwrap_or(WARN_BEFORE);
    // A file may be a part of a chain, and of a root of its own.
    Ok(tls::Check { at, name: text(item, "server_name"), trusted: !is_file, warn_before })
}

fn postgres(item: &Node, server: &str) -> Result<postgres::Check, String> {
    let check = postgres::Check::from(server.parse::<postgres::Server>()?);
    Ok(postgres::Check {
        connections_percent: percent(item, "connections"),
        slow_query: duration(item, "slow_query"),
        blocked_query: duration(item, "blocked_query"),
        replication_lag: duration(item, "replication_lag"),
        transaction_age: whole(item, "transaction_age").or(check.transaction_age),
        ..check
    })
}

fn redis(item: &Node, server: &str) -> Result<redis::Check, String> {
    let (server, queue) = (server.parse()?, queue(item)?);
    Ok(redis::Check { server, queue, group: text(item, "group"), above: whole(item, "above") })
}

fn rabbitmq(item: &Node, url: &str) -> Result<rabbitmq::Check, String> {
    let url = url.parse().map_err(|error| format!("the address of its management API: {error}"))?;
    let virtual_host = text(item, "virtual_host").unwrap_or_else(|| "/".to_owned());
    Ok(rabbitmq::Check { url, virtual_host, queue: queue(item)?, above: whole(item, "above") })
}

fn queue(item: &Node) -> Result<String, String> {
    text(item, "queue").ok_or_else(|| "has no `queue`: which one is looked at".to_owned())
}

fn api(item: &Node, url: &str, base: &Path) -> Result<api::Check, String> {
    let token = |file: String| {
        let path = base.join(&file);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("`token_file` {file}: {error}"))?;
        Ok::<_, String>(api::Token::new(&text))
    };
    let token = text(item, "token_file").map(token).transpose()?;
    let quota = percent(item, "quota_below");
    if url == "github" {
        return Ok(api::Check::github(token, quota));
    }
    let url = url.parse().map_err(|error| format!("`api`: {error}"))?;
    Ok(api::Check { url, token, quota_below_percent: quota })
}

/// A command that is named by a relative path is meant from the file's folder.
fn command(item: &Node, base: &Path) -> Vec<String> {
    let mut words = words(item, "command");
    if let Some(first) = words.first_mut().filter(|first| first.contains('/')) {
        *first = base.join(&*first).to_string_lossy().into_owned();
    }
    words
}

/// A probe in one line, for `healer check`, without what it may hold of passwords.
pub(super) fn written(watch: &Watch) -> String {
    let kind = match &watch.probe.question {
        Question::Http(_) => "http",
        Question::Tcp(_) => "tcp",
        Question::Dns(_) => "dns",
        Question::Tls(_) => "tls",
        Question::Postgres(_) => "postgres",
        Question::Redis(_) => "redis",
        Question::RabbitMq(_) => "rabbitmq",
        Question::Api(_) => "api",
        Question::Command(_) => "command",
    };
    format!("{}, {kind}, every {}", watch.name, value::written(watch.every))
}

fn text(node: &Node, key: &str) -> Option<String> {
    Some(node.get(key)?.text()?.to_owned())
}

fn words(node: &Node, key: &str) -> Vec<String> {
    node.get(key).map(Node::items).unwrap_or_default().iter().filter_map(|item| Some(item.text()?.to_owned())).collect()
}

fn duration(node: &Node, key: &str) -> Option<Duration> {
    value::duration(&text(node, key)?).ok()
}

fn percent(node: &Node, key: &str) -> Option<u8> {
    value::percent(&text(node, key)?).ok()
}

fn whole(node: &Node, key: &str) -> Option<u64> {
    number(node.get(key)?)
}

fn number(node: &Node) -> Option<u64> {
    let Value::Whole(number) = node.value else { return None };
    u64::try_from(number).ok()
}

fn count(node: &Node, key: &str) -> Option<u32> {
    u32::try_from(whole(node, key)?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::Given;
    use super::*;

    fn read(probe: &str) -> Watch {
        let config = Given::file(&format!("probes:\n  - {probe}\n")).read().unwrap();
        let [watch] = config.here.probes.as_slice() else { panic!("{:?}", config.here.probes) };
        watch.clone()
    }

    #[test]
    fn each_kind_is_read_with_the_keys_that_are_its_own() {
        let page = read("{name: a, http: \"http://h/\", status: [200, 204], latency: 500ms, every: 5s, timeout: 2s}");
        let Question::Http(check) = &page.probe.question else { panic!("{page:?}") };
        assert_eq!((check.statuses.as_slice(), check.latency), (&[200, 204][..], Some(Duration::from_millis(500))));
        assert_eq!((page.every, page.probe.timeout), (Duration::from_secs(5), Duration::from_secs(2)));
        let name =
            read("{name: a, dns: h.example, addresses: [192.0.2.1], resolvers: [192.0.2.53, \"192.0.2.54:5353\"]}");
        let Question::Dns(check) = &name.probe.question else { panic!("{name:?}") };
        let asked: Vec<String> = check.resolvers.iter().map(ToString::to_string).collect();
        assert_eq!((asked.join(" ").as_str(), check.expected.len()), ("192.0.2.53:53 192.0.2.54:5353", 1));
        let Question::Tls(file) = read("{name: a, tls: /etc/ssl/a.pem, warn_before: 21d}").probe.question else {
            panic!()
        };
        assert_eq!((file.trusted, file.warn_before), (false, Duration::from_secs(21 * 86_400)));
        let Question::Tls(served) = read("{name: a, tls: \"h.example:443\"}").probe.question else { panic!() };
        assert!(served.trusted && matches!(served.at, tls::Place::Endpoint(_)));
        let database = "{name: a, postgres: \"postgres://u:s3cret@h/d\", connections: 80%, replication_lag: 30s}";
        let Question::Postgres(check) = read(database).probe.question else { panic!() };
        assert_eq!((check.connections_percent, check.replication_lag), (Some(80), Some(Duration::from_secs(30))));
        assert!(check.transaction_age.is_some(), "nobody can want those to run out");
        let Question::Redis(check) = read("{name: a, redis: \"redis://h:6379\", queue: q, above: 10}").probe.question
        else {
            panic!()
        };
        assert_eq!((check.queue.as_str(), check.above), ("q", Some(10)));
        let Question::RabbitMq(check) =
            read("{name: a, rabbitmq: \"http://u:p@h:15672\", queue: q, growing_for: 10m}").probe.question
        else {
            panic!()
        };
        assert_eq!(check.virtual_host, "/");
        let Question::Api(check) = read("{name: a, api: github, quota_below: 10%}").probe.question else { panic!() };
        assert_eq!(check.quota_below_percent, Some(10));
        assert!(matches!(read("{name: a, command: [\"true\"]}").probe.question, Question::Command(_)));
        assert!(matches!(read("{name: a, tcp: \"h:1\"}").probe.question, Question::Tcp(_)));
        assert!(!super::written(&read(database)).contains("s3cret"));
    }

    #[test]
    fn what_is_wrong_with_one_is_told_with_what_would_be_right() {
        for (probe, says) in [
            ("{http: \"http://h/\"}", "has no `name`"),
            ("{name: a}", "needs one of http, tcp, dns"),
            ("{name: a, http: \"http://h/\", tcp: \"h:1\"}", "needs one of"),
            ("{name: a, http: \"http://h/\", queue: q}", "`queue` says nothing of `http`"),
            ("{name: a, redis: \"redis://h\"}", "has no `queue`"),
            ("{name: a, redis: \"http://h\", queue: q}", "expected redis://"),
            ("{name: a, dns: h, resolvers: [ns1]}", "`ns1` is no address of a name server"),
            ("{name: a, tcp: \"h:1\", failures: 3, of: 2}", "3 of 2"),
            ("{name: a, api: github, token_file: /nowhere/token}", "/nowhere/token"),
            ("{name: a, tcp: \"h:1\", every: often}", "a duration"),
        ] {
            let errors = Given::file(&format!("probes:\n  - {probe}\n")).errors();
            assert!(errors.iter().any(|error| error.contains(says)), "{probe}: {errors:?}");
        }
        let twice = Given::file("probes:\n  - {name: a, tcp: \"h:1\"}\n  - {name: a, tcp: \"h:2\"}\n").errors();
        assert!(twice.iter().any(|error| error.contains("given twice")), "{twice:?}");
    }
}
