//! The table of all keys: the one place that says which keys there are, what they mean, what they may hold, and which
//! of them this version acts on. The checker and the reference of all keys are made from it.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::diagnose::issue_types;
use model::settings::RESOURCE_KIND;

use super::services::STOP_SIGNALS;
use super::window::EVERY;

/// A key.
pub(crate) struct Key {
    /// As it is written.
    pub(crate) name: &'static str,
    /// What may stand behind it.
    pub(crate) shape: Shape,
    /// What it is for, in one line.
    pub(crate) says: &'static str,
}

/// What may stand behind a key.
pub(crate) enum Shape {
    /// A text.
    Text,
    /// A name that ends up in ids.
    Name,
    /// A path of a file or a directory.
    Path,
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// A duration from the first to the second.
    Duration(Duration, Duration),
    /// So many bytes.
    Size,
    /// A share in percent.
    Percent,
    /// So many within a window.
    Limit,
    /// An IP address with a port.
    Address,
    /// Where an engine is: `docker` knows what it can be, and the remedy for what it cannot.
    Engine,
    /// A URL of one of these schemes.
    Url(&'static [&'static str]),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A pattern of words that become more with the versions: one that fits none is warned of, and stays.
    Words(&'static Words),
    /// A section with these keys.
    Section(&'static [Key]),
    /// A list.
    List(&'static Shape),
    /// A section whose keys are names that the owner chose.
    Named(&'static Shape),
    /// A section whose `type` says which keys it has.
    Typed {
        /// The types with their keys.
        kinds: &'static [(&'static str, &'static [Key])],
        /// The types that are understood and not acted on.
        later: &'static [&'static str],
    },
    /// Understood, and not acted on by this version: what is inside is not looked at.
    Later,
    /// Understood, and it would narrow something: leaving it out would widen what healer may do, so it is an error.
    LaterNarrowing,
}

/// Words that others coin, and a policy names.
pub(crate) struct Words {
    /// What one of them is, for a complaint; continues "is no".
    pub(crate) is: &'static str,
    /// Those of this version.
    pub(crate) known: fn() -> BTreeSet<&'static str>,
}

const fn key(name: &'static str, shape: Shape, says: &'static str) -> Key {
    Key { name, shape, says }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// The whole file.
pub(crate) static ROOT: &[Key] = &[
    key("listen", Shape::Address, "HTTP API and metrics; read-only, so on a loopback address only"),
    key("external_url", Shape::Url(HTTP), "how people reach this healer; for links in messages"),
    key("state_dir", Shape::Path, "where the journal and the socket are"),
    key("store", Shape::Later, "another store than the built-in one"),
    key(
        "mode",
        Shape::OneOf(MODES),
        "observe: never act; suggest: plan and wait for approval; auto: act within policy",
    ),
    key("exclude", Shape::List(&Shape::Section(EXCLUDE)), "what is never touched"),
    key("docker", Shape::Section(DOCKER), "Docker engines"),
    key("host", Shape::Section(HOST), "the host that healer runs on"),
    key("kubernetes", Shape::Later, "Kubernetes clusters"),
    key("prometheus", Shape::Later, "where metrics are asked for"),
    key("loki", Shape::Later, "where logs are asked for"),
    key("alertmanager", Shape::Later, "whose silences are respected"),
    key("probes", Shape::List(&Shape::Section(PROBE)), "what is asked from this host, wherever it is"),
    key("rules", Shape::Later, "resource alerts"),
    key("policies", Shape::List(&Shape::Section(POLICY)), "what is healed unasked; the first match wins"),
    key("budgets", Shape::Section(BUDGETS), "how much healer may do; every window slides"),
    key("approvals", Shape::Section(APPROVALS), "questions to a person"),
    key("agents", Shape::Later, "who heals which Alertmanager resource"),
    key("actions", Shape::Later, "configured actions"),
    key("playbooks", Shape::Later, "directories with playbooks"),
    key("model", Shape::Later, "a language model that helps to diagnose"),
    key("channels", Shape::Named(&CHANNEL), "how messages leave the house; every channel gets everything"),
    key("notify", Shape::Later, "which message goes to which channel"),
    key("escalation", Shape::Later, "who is told when nobody answers"),
    key(
        "maintenance",
        Shape::List(&Shape::Section(MAINTENANCE)),
        "windows in which nothing new is started, and nobody is told",
    ),
    key("heartbeat", Shape::Later, "the dead-man's switch"),
    key("upstream", Shape::Later, "another healer that incidents are forwarded to"),
    key("access", Shape::Later, "tokens of the HTTP API"),
    key("webhooks", Shape::Later, "alerts from elsewhere"),
];

const HTTP: &[&str] = &["http", "https"];
const SMTP: &[&str] = &["smtp", "smtps", "smtp+starttls", "smtp+plain"];
/// What `mode` may be.
pub(crate) const MODES: &[&str] = &["observe", "suggest", "auto"];

static EXCLUDE: &[Key] = &[
    key("label", Shape::Text, "a label as key=value, or as a key for any value"),
    key("deployment", Shape::Text, "a deployment's name, or a pattern with *"),
];

static DOCKER: &[Key] = &[
    key(
        "hosts",
        Shape::List(&Shape::Section(DOCKER_HOST)),
        "the engines; default: the one of DOCKER_HOST, or the local one",
    ),
    key(
        "deployments_path",
        Shape::Path,
        "a directory per deployment, each with a compose file; on the first engine's host",
    ),
    key(
        "relist",
        Shape::Duration(Duration::from_secs(5), HOUR),
        "how often everything is looked at, whatever the events said",
    ),
];

static DOCKER_HOST: &[Key] = &[
    key("name", Shape::Name, "what the engine is called; the first one bears the host's name"),
    key("url", Shape::Engine, "where its API is; default: as the docker command finds it"),
];

static HOST: &[Key] = &[
    key("name", Shape::Name, "this host's name in resources and incidents; default: the hostname"),
    key("sample", Shape::Duration(SECOND, HOUR), "how often its file systems are looked at; default: 15s"),
    key(
        "services",
        Shape::List(&Shape::Section(SERVICE)),
        "programs that healer runs here, and units that systemd runs: kept running",
    ),
    key("disks", Shape::List(&Shape::Section(DISK)), "file systems that are watched, and what may go from them"),
];

static PROBE: &[Key] = &[
    key("name", Shape::Name, "what the probe is called"),
    key("http", Shape::Url(HTTP), "a page"),
    key("tcp", Shape::Text, "a host and a port that take a connection"),
    key("dns", Shape::Text, "a name that has addresses"),
    key("tls", Shape::Text, "a host and a port that speak TLS, or a certificate file"),
    key("postgres", Shape::Text, "a PostgreSQL server, as postgres://user@host/database"),
    key("redis", Shape::Text, "a Redis server, as redis://host:6379"),
    key("rabbitmq", Shape::Text, "RabbitMQ's management API, as http://user:password@host:15672"),
    key("command", Shape::List(&Shape::Text), "a command that ends with 0"),
    key("api", Shape::Text, "an outside API, or `github`"),
    key("metric", Shape::Later, "a series of Prometheus"),
    key("status", Shape::List(&Shape::Whole(100, 599)), "of http: which statuses are good; default: those below 400"),
    key("contains", Shape::Text, "of http: what its body has to contain"),
    key("latency", Shape::Duration(MILLISECOND, HOUR), "of http: how long it may take"),
    key("warn_before", Shape::Duration(HOUR, YEAR), "of http and tls: how long before its end; default: 14d"),
    key("addresses", Shape::List(&Shape::Text), "of dns: the addresses that it may have; default: any"),
    key("resolvers", Shape::List(&Shape::Text), "of dns: name servers that have to agree; default: the host's own"),
    key("server_name", Shape::Text, "of tls: whom the certificate is for; default: the host"),
    key("connections", Shape::Percent, "of postgres: the share of connections that may be in use"),
    key("slow_query", Shape::Duration(MILLISECOND, WEEK), "of postgres: a query that runs for longer is slow"),
    key("blocked_query", Shape::Duration(MILLISECOND, WEEK), "of postgres: one may wait for a lock for so long"),
    key("replication_lag", Shape::Duration(MILLISECOND, WEEK), "of postgres: how far behind a standby may be"),
    key("transaction_age", Shape::Whole(1, 2_000_000_000), "of postgres: how old a transaction id may be"),
    key("queue", Shape::Text, "of redis and rabbitmq: which queue"),
    key("group", Shape::Text, "of redis: the consumer group of a stream"),
    key("virtual_host", Shape::Text, "of rabbitmq; default: /"),
    key("above", Shape::Whole(0, 1 << 40), "of redis and rabbitmq: more than so many messages are too many"),
    key("growing_for", Shape::Duration(MINUTE, WEEK), "of redis and rabbitmq: so long it may grow"),
    key("token_file", Shape::Path, "of api: a file with a token"),
    key("quota_below", Shape::Percent, "of api: less than such a share of the quota is too little"),
    key("every", Shape::Duration(SECOND, WEEK), "how often; default: 30s"),
    key("timeout", Shape::Duration(MILLISECOND, HOUR), "how long an answer may take; default: 10s"),
    key("failures", Shape::Whole(1, 64), "so many bad answers make it fail; default: 3"),
    key("of", Shape::Whole(1, 64), "of so many; default: in a row"),
    key("recovers", Shape::Whole(1, 1_000), "so many good ones in a row end that; default: 2"),
];

static DISK: &[Key] = &[
    key("path", Shape::Text, "a directory on it, such as /var"),
    key("above", Shape::Percent, "from which share of room or inodes on it counts as full; default: 90%"),
    key("clear_below", Shape::Percent, "below which share it has room again; default: 5 points less"),
    key("clean", Shape::List(&Shape::Section(CLEAN)), "what may go when it is full; default: nothing"),
];

static CLEAN: &[Key] = &[
    key("path", Shape::Text, "plain files, such as /var/log/*.gz; a * stands for any text within one name"),
    key("older", Shape::Duration(MINUTE, YEAR), "which were not changed for so long"),
];

static SERVICE: &[Key] = &[
    key("name", Shape::Name, "what the service is called"),
    key("command", Shape::List(&Shape::Text), "the program with its arguments; it stays in the foreground"),
    key("unit", Shape::Text, "a service of systemd in place of a command, such as nginx.service"),
    key("user", Shape::Text, "as whom it runs; default: as whoever healer runs"),
    key("environment", Shape::Named(&Shape::Text), "its environment, besides PATH"),
    key("working_dir", Shape::Path, "where it runs; default: /"),
    key("depends_on", Shape::List(&Shape::Text), "services that it needs; where they have a check, healthy ones"),
    key("stop_signal", Shape::OneOf(STOP_SIGNALS), "what asks it to end; default: TERM"),
    key("stop_grace_period", Shape::Duration(SECOND, HOUR), "how long that may take; default: 10s"),
    key("limits", Shape::Section(LIMITS), "what each of its processes may use at most"),
    key("check", Shape::Section(CHECK), "whether it does its work: one of http, tcp and command"),
];

static LIMITS: &[Key] = &[
    key("memory", Shape::Size, "memory of its own, such as 512MiB"),
    key("open_files", Shape::Whole(16, 1 << 30), "open files"),
    key("processes", Shape::Whole(1, 1 << 22), "processes of its user"),
];

static CHECK: &[Key] = &[
    key("http", Shape::Url(HTTP), "a page that is answered with a status below 400"),
    key("tcp", Shape::Text, "a host and a port that take a connection"),
    key("command", Shape::List(&Shape::Text), "a command that ends with 0"),
    key("every", Shape::Duration(SECOND, HOUR), "how often; default: 10s"),
    key("timeout", Shape::Duration(SECOND, HOUR), "how long an answer may take; default: 5s"),
    key("failures", Shape::Whole(1, 1_000), "so many in a row make it unhealthy; default: 3"),
];

static POLICY: &[Key] = &[
    key("resource_kind", Shape::Words(&RESOURCE_KINDS), "`Deployment` for a Compose service, or *"),
    key("issue_type", Shape::Words(&ISSUE_TYPES), "such as service_down, or *"),
    key("deployment", Shape::Text, "only there: a name, or a pattern with *"),
    key("namespace", Shape::Text, "only in this Kubernetes namespace: such a policy never fits a Docker resource"),
    key("labels", Shape::LaterNarrowing, "only what carries these labels"),
    key("auto_heal", Shape::Flag, "whether it is healed without asking"),
    key("max_retries", Shape::Whole(0, 1_000), "attempts within the window; default: budgets.per_resource"),
    key("window", Shape::Duration(SECOND, WEEK), "the window; default: that of budgets.per_resource"),
];

static MAINTENANCE: &[Key] = &[
    key("deployment", Shape::Text, "only this one: a name, or a pattern with *; default: everything"),
    key("every", Shape::OneOf(EVERY), "on which day"),
    key("from", Shape::Text, "when it begins, such as 02:00"),
    key("for", Shape::Duration(MINUTE, WEEK), "how long it lasts"),
    key("time_zone", Shape::Text, "where that is the time, such as Europe/Berlin; default: the machine's"),
];

static RESOURCE_KINDS: Words = Words { is: "kind of resource", known: || BTreeSet::from([RESOURCE_KIND]) };

static ISSUE_TYPES: Words = Words { is: "issue type", known: || issue_types().into_keys().collect() };

static BUDGETS: &[Key] = &[
    key("concurrent", Shape::Whole(1, 1_000), "remediations at the same time on one engine"),
    key("per_resource", Shape::Limit, "attempts on one resource"),
    key("per_deployment", Shape::Limit, "actions in one deployment"),
    key("per_host", Shape::Limit, "actions on one host"),
    key("per_cluster", Shape::Later, "actions in one cluster"),
    key("everywhere", Shape::Limit, "actions everywhere"),
    key("stability", Shape::Duration(SECOND, HOUR), "how long a repair must hold before it counts as one"),
];

static APPROVALS: &[Key] =
    &[key("expire", Shape::Duration(MINUTE, WEEK), "how long a question stands before it is escalated")];

static CHANNEL: Shape = Shape::Typed {
    kinds: &[("webhook", WEBHOOK), ("email", EMAIL)],
    later: &["slack", "pagerduty", "github", "telegram", "matrix", "ntfy", "gotify", "discord", "teams"],
};

const CHANNEL_TYPE: Key = key(
    "type",
    Shape::Text,
    "webhook: a POST of JSON, signed with HMAC-SHA256 where there is a secret; email: a mail over SMTP",
);

static WEBHOOK: &[Key] = &[
    CHANNEL_TYPE,
    key("url", Shape::Url(HTTP), "where to"),
    key("secret_file", Shape::Path, "a file with the secret that signs each message"),
];

static EMAIL: &[Key] = &[
    CHANNEL_TYPE,
    key("server", Shape::Url(SMTP), "the mail server, with user and password; smtp:// is STARTTLS, smtps:// is TLS"),
    key("password_file", Shape::Path, "a file with the password, where it does not stand in `server`"),
    key("from", Shape::Text, "who writes, such as healer@example.org"),
    key("to", Shape::List(&Shape::Text), "who is told; each gets one mail"),
];

impl Shape {
    /// What would be right, for a complaint; continues "expected".
    pub(crate) fn expected(&self) -> String {
        match self {
            Shape::Text | Shape::Words(_) => "a text".to_owned(),
            Shape::Name => "a name of letters, digits, `.`, `_` and `-`".to_owned(),
            Shape::Path => "a path".to_owned(),
            Shape::Flag => "true or false".to_owned(),
            Shape::Whole(from, to) => format!("a whole number from {from} to {to}"),
            Shape::Duration(..) => "a duration such as 30s, 5m or 1h30m".to_owned(),
            Shape::Percent => "a share from 1% to 100%, such as 90%".to_owned(),
            Shape::Size => "a size such as 512MiB or 2GiB".to_owned(),
            Shape::Limit => "a limit such as 3/30m: at most 3 within 30 minutes".to_owned(),
            Shape::Address => "an IP address with a port, such as 127.0.0.1:4325".to_owned(),
            Shape::Engine => "an address such as unix:///var/run/docker.sock or tcp://host:2375".to_owned(),
            Shape::Url(_) => "a URL".to_owned(),
            Shape::OneOf(words) => format!("one of {}", words.join(", ")),
            Shape::Section(keys) => {
                let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                format!("a section with the keys {}", names.join(", "))
            }
            Shape::List(_) => "a list".to_owned(),
            Shape::Named(_) => "a section of names, each with its own section".to_owned(),
            Shape::Typed { .. } => "a section with a `type`".to_owned(),
            Shape::Later | Shape::LaterNarrowing => "anything".to_owned(),
        }
    }
}

/// Every known key with its path: `budgets.stability`, `docker.hosts[].url`, `channels.NAME.url`.
pub(crate) fn every_key() -> Vec<(String, &'static Key)> {
    fn of(path: &str, keys: impl Iterator<Item = &'static Key>, out: &mut Vec<(String, &'static Key)>) {
        for key in keys {
            let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            out.push((path.clone(), key));
            inside(&path, &key.shape, out);
        }
    }
    fn inside(path: &str, shape: &'static Shape, out: &mut Vec<(String, &'static Key)>) {
        match shape {
            Shape::Section(keys) => of(path, keys.iter(), out),
            Shape::List(item) => inside(&format!("{path}[]"), item, out),
            Shape::Named(item) => inside(&format!("{path}.NAME"), item, out),
            Shape::Typed { kinds, .. } => {
                for (at, (_, keys)) in kinds.iter().enumerate() {
                    // What several types have in common is one key.
                    let earlier = kinds[..at].iter().flat_map(|(_, keys)| *keys);
                    of(path, keys.iter().filter(|key| earlier.clone().all(|other| other.name != key.name)), out);
                }
            }
            Shape::Text | Shape::Name | Shape::Path | Shape::Flag | Shape::Whole(..) | Shape::Duration(..) => {}
            Shape::Limit | Shape::Address | Shape::Engine | Shape::Url(_) | Shape::OneOf(_) | Shape::Words(_) => {}
            Shape::Size | Shape::Percent | Shape::Later | Shape::LaterNarrowing => {}
        }
    }
    let mut out = Vec::new();
    of("", ROOT.iter(), &mut out);
    out
}

/// A key of the reference, for programs.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) says: &'static str,
    pub(crate) acted_on: bool,
}

/// The reference of all keys, for `healer check --keys`.
pub(crate) fn keys() -> Vec<Listed> {
    let listed = |(path, key): (String, &'static Key)| {
        let acted_on = !matches!(key.shape, Shape::Later);
        Listed { key: path, says: key.says, acted_on }
    };
    every_key().into_iter().map(listed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_is_for_and_stands_once() {
        let keys = every_key();
        for (path, key) in &keys {
            assert!(!key.says.is_empty() && !key.says.ends_with('.'), "{path}");
        }
        let mut paths: Vec<&String> = keys.iter().map(|(path, _)| path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), keys.len());
        assert!(paths.iter().any(|path| *path == "channels.NAME.secret_file"));
    }
}
