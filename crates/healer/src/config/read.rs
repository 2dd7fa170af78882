//! Makes the [`Config`] of the checked and layered tree, finds what is wrong between keys, and notes where each value
//! came from.
//!
//! It reads on where the checker found an error, with the default in its place, so that what is wrong between the other
//! keys is told in the same pass; the result is thrown away then.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker::Endpoint;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::policy::COMPARED_MAX;
use model::settings::{Budgets, Exclusion, Mode, Policy, Settings};
use model::verdict::Limit;
use notify::channel::{email, webhook};

use super::check::{Finding, Findings};
use super::schema::MODES;
use super::tree::{Entry, Node, Place, Value};
use super::window::{self, Window};
use super::{Channel, Config, DockerHost, Flags, Origin, Setting, Surroundings, value};
use super::{disks, probes, services};

/// Where HTTP is served unless something else is set: "HEAL" on a phone's keys.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4325);
/// How often everything is looked at, unless something else is set.
const RELIST: Duration = Duration::from_secs(60);
/// File systems fill within minutes, not seconds.
const SAMPLE: Duration = Duration::from_secs(15);

/// Reads one tree.
pub(crate) struct Reader<'a> {
    root: Option<&'a Node>,
    /// Relative paths are meant from here.
    base: PathBuf,
    surroundings: Surroundings<'a>,
    flags: &'a Flags,
    findings: &'a mut Findings,
    origins: Vec<Setting>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        root: Option<&'a Node>,
        file: Option<&Path>,
        surroundings: Surroundings<'a>,
        flags: &'a Flags,
        findings: &'a mut Findings,
    ) -> Reader<'a> {
        let base = file.map(absolute).and_then(|file| Some(file.parent()?.to_owned())).unwrap_or_default();
        Reader { root, base, surroundings, flags, findings, origins: Vec::new() }
    }

    pub(crate) fn config(&mut self) -> Config {
        let listen = self.listen();
        let external_url = self.external_url();
        let state_dir = self.state_dir();
        let mode = self.mode();
        let host = self.host();
        let here = self.here(&state_dir);
        let docker_hosts = self.docker_hosts(&host, here.is_empty());
        let deployments_path = self.deployments_path(&docker_hosts);
        let relist =
            self.single("docker.relist", RELIST, |node| value::duration(node.text()?).ok(), |d| value::written(*d));
        let budgets = self.budgets();
        let approval = Duration::from_millis(Settings::default().approval_expires_ms);
        let approval = self.single(
            "approvals.expire",
            approval,
            |node| value::duration(node.text()?).ok(),
            |d| value::written(*d),
        );
        let exclude = self.exclude();
        let policies = self.policies();
        let maintenance = self.maintenance();
        let channels = self.channels();
        let notify_disabled = self.notify_disabled();
        let settings = Settings {
            instance: host,
            mode,
            exclude,
            policies,
            budgets,
            approval_expires_ms: u64::try_from(approval.as_millis()).unwrap_or(u64::MAX),
            // A message for no channel is kept in the journal and goes nowhere.
            maintenance: maintenance.iter().map(|window| window.at(Timestamp::now())).collect(),
            channels: if notify_disabled { Vec::new() } else { channels.iter().map(|c| c.name.clone()).collect() },
        };
        Config {
            file: None,
            files: Vec::new(),
            listen,
            external_url,
            state_dir,
            docker_hosts,
            deployments_path,
            here,
            relist,
            settings,
            maintenance,
            channels,
            notify_disabled,
            warnings: Vec::new(),
            origins: std::mem::take(&mut self.origins),
        }
    }

    fn listen(&mut self) -> SocketAddr {
        let listen = self.single("listen", LISTEN, |node| node.text()?.parse().ok(), ToString::to_string);
        if !listen.ip().is_loopback()
            && let Some(node) = self.at("listen")
        {
            let place = node.place.clone();
            let says = format!(
                "`{listen}` can be reached from other machines, and this version checks no tokens: \
                 listen on 127.0.0.1:{port}, and put a proxy that asks for a password in front of it",
                port = listen.port()
            );
            self.findings.errors.push(Finding::at(&place, "listen", says));
        }
        listen
    }

    fn external_url(&mut self) -> Option<String> {
        let url = self.text("external_url")?;
        if let Some(node) = self.at("external_url") {
            let place = node.place.clone();
            match value::base_url(&url) {
                Ok(true) => {}
                Ok(false) => {
                    let says = "whoever is on the way can read the links that approve: use https".to_owned();
                    self.findings.warnings.push(Finding::at(&place, "external_url", says));
                }
                Err(says) => {
                    self.findings.errors.push(Finding::at(&place, "external_url", says));
                    return None;
                }
            }
        }
        self.note("external_url", url.clone(), self.origin("external_url"));
        Some(url)
    }

    /// The flag, else the file, else `$STATE_DIRECTORY` (systemd), else `$XDG_STATE_HOME/healer`, else
    /// `~/.local/state/healer`.
    fn state_dir(&mut self) -> PathBuf {
        let variable = self.surroundings.variable;
        let (dir, origin) = if let Some(dir) = &self.flags.state_dir {
            (absolute(dir), Origin::Flag("--state-dir"))
        } else if let Some(dir) = self.text("state_dir") {
            (self.base.join(dir), self.origin("state_dir"))
        } else if let Some(dirs) = variable("STATE_DIRECTORY") {
            // systemd joins several with colons.
            (PathBuf::from(dirs.split(':').next().unwrap_or_default()), Origin::Environment("STATE_DIRECTORY"))
        } else if let Some(dir) = variable("XDG_STATE_HOME") {
            (PathBuf::from(dir).join("healer"), Origin::Environment("XDG_STATE_HOME"))
        } else if let Some(home) = variable("HOME") {
            (PathBuf::from(home).join(".local/state/healer"), Origin::Default)
        } else {
            let says = "there is no home directory to put it in: set `state_dir`, or give --state-dir".to_owned();
            self.findings.errors.push(Finding::nowhere("state_dir", says));
            (PathBuf::new(), Origin::Default)
        };
        self.note("state_dir", dir.display().to_string(), origin);
        dir
    }

    fn mode(&mut self) -> Mode {
        let parse = |node: &Node| match node.text()? {
            "observe" => Some(Mode::Observe),
            "suggest" => Some(Mode::Suggest),
            "auto" => Some(Mode::Auto),
            _ => None,
        };
        self.single("mode", Mode::Auto, parse, |mode| mode_written(*mode).to_owned())
    }

    fn host(&mut self) -> String {
        let given = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let found: String = self.surroundings.host_name.chars().take(100).map(given).collect();
        let default = if found.is_empty() { "localhost".to_owned() } else { found };
        self.single("host.name", default, |node| node.text().map(str::to_owned), Clone::clone)
    }

    /// Directories are here, so their containers are on an engine that is here, too.
    fn deployments_path(&mut self, hosts: &[DockerHost]) -> Option<PathBuf> {
        const KEY: &str = "docker.deployments_path";
        let path = self.base.join(self.text(KEY)?);
        let place = self.at(KEY).map(|node| node.place.clone())?;
        self.note(KEY, path.display().to_string(), self.origin(KEY));
        let url = hosts.first().and_then(|host| host.url.as_deref());
        if url.is_some_and(|url| !url.starts_with("unix://")) {
            let says =
                "the first engine of `docker.hosts` is not on this machine, and directories are: name a unix:// \
                        socket there, or leave this key out"
                    .to_owned();
            self.findings.errors.push(Finding::at(&place, KEY, says));
        }
        Some(path)
    }

    fn here(&mut self, state_dir: &Path) -> host::Settings {
        let sample =
            self.single("host.sample", SAMPLE, |node| value::duration(node.text()?).ok(), |d| value::written(*d));
        let services::Services { programs, units } = self.services();
        host::Settings { programs, units, disks: self.disks(state_dir), probes: self.probes(), sample }
    }

    fn probes(&mut self) -> Vec<::probes::schedule::Watch> {
        let watches = probes::read(self.items("probes"), &self.base, self.findings);
        for (at, watch) in watches.iter().enumerate() {
            let origin = self.origin("probes");
            self.note(&format!("probes[{at}]"), probes::written(watch), origin);
        }
        watches
    }

    fn disks(&mut self, state_dir: &Path) -> Vec<host::Watched> {
        let disks = disks::read(self.items("host.disks"), state_dir, self.findings);
        for (at, disk) in disks.iter().enumerate() {
            let origin = self.origin("host.disks");
            self.note(&format!("host.disks[{at}]"), disks::written(disk), origin);
        }
        disks
    }

    fn services(&mut self) -> services::Services {
        let services = services::read(self.items("host.services"), &self.base, self.findings);
        let programs = services.programs.iter().map(services::written);
        for (at, written) in programs.chain(services.units.iter().map(services::written_of)).enumerate() {
            let origin = self.origin("host.services");
            self.note(&format!("host.services[{at}]"), written, origin);
        }
        services
    }

    /// `only`: there is nothing else to watch.
    fn docker_hosts(&mut self, host: &str, only: bool) -> Vec<DockerHost> {
        let Some(list) = self.at("docker.hosts").filter(|node| node.value != Value::Empty) else {
            let value = "the engine that the docker command would use".to_owned();
            self.note("docker.hosts", value, Origin::Default);
            self.try_docker_command(None);
            return vec![DockerHost { name: host.to_owned(), url: None }];
        };
        if matches!(&list.value, Value::List(items) if items.is_empty()) {
            if !only {
                self.note("docker.hosts", "none".to_owned(), from(list));
                return Vec::new();
            }
            let says = "the list is empty: nothing would be watched; leave the key out for the local engine".to_owned();
            self.findings.errors.push(Finding::at(&list.place, "docker.hosts", says));
        }
        let mut hosts: Vec<DockerHost> = Vec::new();
        for (at, item) in list.items().iter().enumerate() {
            let path = format!("docker.hosts[{at}]");
            match item.get("url").filter(|node| node.value != Value::Empty) {
                Some(node) => self.try_engine(node, &format!("{path}.url")),
                None => self.try_docker_command(Some(item)),
            }
            let name = if at == 0 { Some(host.to_owned()) } else { text(item, "name") };
            let Some(name) = name else {
                // A name that is none was found to be wrong already.
                if item.get("name").is_none_or(|node| node.value == Value::Empty) {
                    let says = "has no `name`, and only the first engine bears the host's".to_owned();
                    self.findings.errors.push(Finding::at(&item.place, &path, says));
                }
                continue;
            };
            // Also what the first engine is called in the list, though it bears the host's name: two with one name in
            // the list are a mistake whatever comes of it.
            let mut earlier = list.items()[..at].iter().filter_map(|other| text(other, "name"));
            let url = text(item, "url");
            let is_same = |other: &&DockerHost| is_same_engine(other.url.as_deref(), url.as_deref());
            if at > 0 && (name == host || earlier.any(|other| other == name)) {
                let says = format!("the name `{name}` is given twice (the first engine bears the host's name)");
                self.findings.errors.push(Finding::at(&item.place, &path, says));
            } else if let Some(DockerHost { name, .. }) = hosts.iter().find(is_same) {
                let says = format!("is at the same address as `{name}`: an engine has one name, take one of them out");
                self.findings.errors.push(Finding::at(&item.place, &path, says));
            }
            let shown = url.as_deref().map_or_else(|| "as the docker command finds it".to_owned(), value::url_shown);
            let remote = url.as_deref().is_some_and(|url| matches!(Endpoint::parse(url), Ok(Endpoint::Tcp(_))));
            let aside =
                if remote { " (remote: it does not tell when it was started, restarts are best effort)" } else { "" };
            self.note(&path, format!("{name} at {shown}{aside}"), from(item));
            hosts.push(DockerHost { name, url });
        }
        hosts
    }

    /// What the checker found wrong already is not told twice.
    fn try_engine(&mut self, node: &Node, key: &str) {
        let told = self.findings.errors.iter().any(|error| error.key == key);
        if !told && let Some(Err(error)) = node.text().map(Endpoint::parse) {
            self.findings.errors.push(Finding::at(&node.place, key, error.to_string()));
        }
    }

    /// The engine that the docker command would use, asked for by the file's entry or by none.
    fn try_docker_command(&mut self, asked: Option<&Node>) {
        if !self.surroundings.tried {
            return;
        }
        if let Err(error) = Endpoint::find(None) {
            let says =
                format!("the engine that the docker command would use: {error}; or set `url` under `docker.hosts`");
            self.findings.errors.push(match asked {
                Some(item) => Finding::at(&item.place, "docker.hosts", says),
                None => Finding::nowhere("docker.hosts", says),
            });
        }
    }

    fn try_channel(&mut self, channel: &Channel, section: &Node, path: &str) {
        let Err(error) = channel.opened() else { return };
        let (key, says) = match error {
            notify::Error::Setting { key, why, .. } => (key, why),
            notify::Error::SecretFile { key, path, why, .. } => (key, format!("{}: {why}", path.display())),
        };
        let place = section.get(key).map_or(&section.place, |node| &node.place);
        self.findings.errors.push(Finding::at(place, &format!("{path}.{key}"), says));
    }

    fn budgets(&mut self) -> Budgets {
        let default = Budgets::default();
        let whole = |node: &Node| match node.value {
            Value::Whole(number) => u32::try_from(number).ok(),
            Value::Empty | Value::Flag(_) | Value::Real(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        let mut limit = |key: &str, default: Limit| {
            self.single(key, default, |node| value::limit(node.text()?).ok(), |limit| value::limit_written(*limit))
        };
        let per_resource = limit("budgets.per_resource", default.per_resource);
        let per_deployment = limit("budgets.per_deployment", default.per_deployment);
        let per_host = limit("budgets.per_host", default.per_host);
        let everywhere = limit("budgets.everywhere", default.everywhere);
        let concurrent = self.single("budgets.concurrent", default.concurrent, whole, ToString::to_string);
        let stability = self.single(
            "budgets.stability",
            default.stability(),
            |node| value::duration(node.text()?).ok(),
            |duration| value::written(*duration),
        );
        Budgets {
            concurrent,
            per_resource,
            per_deployment,
            per_host,
            everywhere,
            stability_ms: u64::try_from(stability.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The built-in exclusion stays whatever the file says: nobody who lists another one means to lose it.
    fn exclude(&mut self) -> Vec<Exclusion> {
        let mut out = Settings::default().exclude;
        for entry in &out {
            self.origins.push(Setting {
                key: "exclude".to_owned(),
                value: exclusion_written(entry),
                origin: Origin::Default,
            });
        }
        for (at, item) in self.items("exclude").iter().enumerate() {
            let path = format!("exclude[{at}]");
            let entry = match (text(item, "label"), text(item, "deployment")) {
                (Some(label), None) => Exclusion::Label(label),
                (None, Some(pattern)) => Exclusion::Deployment(pattern),
                (None, None) if !item.entries().is_empty() => continue, // found to be wrong already
                (None, None) | (Some(_), Some(_)) => {
                    let says = "expected exactly one of `label` and `deployment`".to_owned();
                    self.findings.errors.push(Finding::at(&item.place, &path, says));
                    continue;
                }
            };
            if !out.contains(&entry) {
                self.note(&path, exclusion_written(&entry), from(item));
                out.push(entry);
            }
        }
        out
    }

    fn policies(&mut self) -> Vec<Policy> {
        let mut out: Vec<(&Place, Policy)> = Vec::new();
        // A policy with a default in the place of what is wrong may seem wider than it is meant.
        let right = !self.findings.errors.iter().any(|error| error.key.starts_with("policies"));
        for (at, item) in self.items("policies").iter().enumerate() {
            let path = format!("policies[{at}]");
            if let Some(namespace) = item.get("namespace").filter(|node| node.value != Value::Empty) {
                let says = "a policy of a Kubernetes namespace fits nothing that this version watches".to_owned();
                self.findings.warnings.push(Finding::at(&namespace.place, &format!("{path}.namespace"), says));
                continue;
            }
            let policy = policy(item);
            self.note(&path, policy_written(&policy), from(item));
            let mut earlier = out.iter().take(if right { COMPARED_MAX } else { 0 });
            if let Some((first, _)) = earlier.find(|(_, earlier)| earlier.covers(&policy)) {
                self.findings.warnings.push(Finding::at(&item.place, &path, never_reached(first, &item.place)));
            }
            out.push((&item.place, policy));
        }
        out.into_iter().map(|(_, policy)| policy).collect()
    }

    fn maintenance(&mut self) -> Vec<Window> {
        let mut out = Vec::new();
        for (at, item) in self.items("maintenance").iter().enumerate() {
            let path = format!("maintenance[{at}]");
            // What is there and is wrong in itself was found already.
            for (key, expected) in
                [("every", "a day, such as sunday"), ("from", "a time, such as 02:00"), ("for", "2h")]
            {
                if item.get(key).is_none_or(|node| node.value == Value::Empty) {
                    let says = format!("has no `{key}`: expected {expected}");
                    self.findings.errors.push(Finding::at(&item.place, &path, says));
                }
            }
            let begins = text(item, "from");
            let from_time = begins.as_deref().and_then(window::time);
            if let (Some(begins), None) = (&begins, from_time) {
                let says = format!("expected a time such as 02:00, found `{begins}`");
                self.findings.errors.push(Finding::at(&item.place, &format!("{path}.from"), says));
            }
            let named = text(item, "time_zone");
            let zone = named.as_deref().map_or_else(|| Some(TimeZone::system()), |name| TimeZone::get(name).ok());
            if let (Some(name), None) = (&named, &zone) {
                let says = format!("`{name}` is no time zone: expected one such as Europe/Berlin or UTC");
                self.findings.errors.push(Finding::at(&item.place, &format!("{path}.time_zone"), says));
            }
            let lasts = text(item, "for").and_then(|text| value::duration(&text).ok());
            let (Some(every), Some(from_time), Some(lasts), Some(zone)) = (text(item, "every"), from_time, lasts, zone)
            else {
                continue;
            };
            let deployment = text(item, "deployment");
            let what = deployment.as_deref().unwrap_or("everything");
            let says =
                format!("{what}, every {every} from {} for {}", from_time.strftime("%H:%M"), value::written(lasts));
            self.note(&path, says, from(item));
            out.push(Window { deployment, on: window::weekday(&every), from: from_time, lasts, zone });
        }
        out
    }

    fn channels(&mut self) -> Vec<Channel> {
        let mut out = Vec::new();
        for entry in self.at("channels").map(Node::entries).unwrap_or_default() {
            let path = format!("channels.{}", entry.key);
            let settings = match text(&entry.node, "type").as_deref() {
                Some("webhook") => self.webhook(entry, &path),
                Some("email") => self.email(entry, &path),
                _ => continue, // found to be wrong, or warned of, already
            };
            let Some(settings) = settings else { continue };
            let channel = Channel { name: entry.key.clone(), settings };
            let told = self.findings.errors.iter().any(|error| error.key.starts_with(&path));
            if self.surroundings.tried && !told {
                self.try_channel(&channel, &entry.node, &path);
            }
            out.push(channel);
        }
        out
    }

    fn webhook(&mut self, entry: &Entry, path: &str) -> Option<notify::channel::Config> {
        let url = self.needed(entry, path, "url", "one such as https://hooks.example.org/healer")?;
        let secret_file = text(&entry.node, "secret_file").map(|file| self.base.join(file));
        let signed = if secret_file.is_some() { ", signed" } else { "" };
        self.note(path, format!("webhook to {}{signed}", value::url_shown(&url)), from(&entry.node));
        Some(notify::channel::Config::Webhook(webhook::Config { url, secret_file }))
    }

    fn email(&mut self, entry: &Entry, path: &str) -> Option<notify::channel::Config> {
        let server = self.needed(entry, path, "server", "one such as smtp://user:password@mail.example.org:587");
        let writer = self.needed(entry, path, "from", "an address such as healer@example.org");
        let to = entry.node.get("to").filter(|node| node.value != Value::Empty);
        if to.is_none() {
            let says = "has no `to`: expected addresses such as [ops@example.org]".to_owned();
            self.findings.errors.push(Finding::at(&entry.place, path, says));
        }
        let to: Vec<String> = to?.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect();
        let (server, writer) = (server?, writer?);
        let password_file = text(&entry.node, "password_file").map(|file| self.base.join(file));
        let shown = email::server_shown(&server);
        self.note(path, format!("email to {} through {shown}", to.join(", ")), from(&entry.node));
        Some(notify::channel::Config::Email(email::Config { server, password_file, from: writer, to }))
    }

    /// A text that a channel cannot do without.
    fn needed(&mut self, entry: &Entry, path: &str, key: &str, expected: &str) -> Option<String> {
        // What is there and is no text was found to be wrong already.
        if entry.node.get(key).is_none_or(|node| node.value == Value::Empty) {
            let says = format!("has no `{key}`: expected {expected}");
            self.findings.errors.push(Finding::at(&entry.place, path, says));
        }
        text(&entry.node, key)
    }

    fn notify_disabled(&mut self) -> bool {
        let set = (self.surroundings.variable)("NOTIFY_DISABLED");
        let disabled = set.is_some_and(|word| !matches!(word.to_lowercase().as_str(), "0" | "false" | "no" | "off"));
        if disabled {
            self.note("notify", "disabled: nobody is told anything".to_owned(), Origin::Environment("NOTIFY_DISABLED"));
        }
        disabled
    }

    fn single<T>(
        &mut self,
        key: &str,
        default: T,
        parse: impl Fn(&Node) -> Option<T>,
        write: impl Fn(&T) -> String,
    ) -> T {
        let (value, origin) = match self.at(key).and_then(|node| Some((parse(node)?, from(node)))) {
            Some(found) => found,
            None => (default, Origin::Default),
        };
        self.note(key, write(&value), origin);
        value
    }

    fn text(&self, key: &str) -> Option<String> {
        self.at(key)?.text().map(str::to_owned)
    }

    fn origin(&self, key: &str) -> Origin {
        self.at(key).map_or(Origin::Default, from)
    }

    fn at(&self, key: &str) -> Option<&'a Node> {
        self.root?.at(key)
    }

    fn items(&self, key: &str) -> &'a [Node] {
        self.at(key).map(Node::items).unwrap_or_default()
    }

    fn note(&mut self, key: &str, value: String, origin: Origin) {
        self.origins.push(Setting { key: key.to_owned(), value, origin });
    }
}

/// Whole, so that it means the same wherever the process stands later.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn from(node: &Node) -> Origin {
    Origin::File(node.place.file.clone(), node.place.line)
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

fn policy(item: &Node) -> Policy {
    let default = Policy::built_in();
    let flag = |node: &Node| match node.value {
        Value::Flag(flag) => Some(flag),
        Value::Empty | Value::Whole(_) | Value::Real(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    };
    let whole = |node: &Node| match node.value {
        Value::Whole(number) => u32::try_from(number).ok(),
        Value::Empty | Value::Flag(_) | Value::Real(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    };
    let window = text(item, "window").and_then(|text| value::duration(&text).ok());
    Policy {
        resource_kind: text(item, "resource_kind").unwrap_or(default.resource_kind),
        issue_type: text(item, "issue_type").unwrap_or(default.issue_type),
        deployment: text(item, "deployment"),
        auto_heal: item.get("auto_heal").and_then(flag).unwrap_or(default.auto_heal),
        max_retries: item.get("max_retries").and_then(whole),
        window_ms: window.map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX)),
    }
}

fn never_reached(first: &Place, here: &Place) -> String {
    let file = if first.file == here.file { String::new() } else { format!(" of {}", first.file.display()) };
    let line = first.line;
    format!("never applies: the policy in line {line}{file} fits whatever this one fits, and the first match wins")
}

fn policy_written(policy: &Policy) -> String {
    let mut out = format!("{} of {}", policy.issue_type, policy.resource_kind);
    if let Some(deployment) = &policy.deployment {
        out.push_str(&format!(" in {deployment}"));
    }
    out.push_str(if policy.auto_heal { ": heal" } else { ": ask" });
    if let Some(retries) = policy.max_retries {
        out.push_str(&format!(", at most {retries} attempts"));
    }
    if let Some(window_ms) = policy.window_ms {
        out.push_str(&format!(" in {}", value::written(Duration::from_millis(window_ms))));
    }
    out
}

fn exclusion_written(entry: &Exclusion) -> String {
    match entry {
        Exclusion::Label(label) => format!("label {label}"),
        Exclusion::Deployment(pattern) => format!("deployment {pattern}"),
    }
}

/// Whether two engines of the list are surely one. That one is reached in two ways is told by the engine alone.
fn is_same_engine(one: Option<&str>, other: Option<&str>) -> bool {
    match (one.map(Endpoint::parse), other.map(Endpoint::parse)) {
        (None, None) => true,
        (Some(Ok(one)), Some(Ok(other))) => one == other,
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// A mode as it is written in the configuration.
fn mode_written(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => MODES[0],
        Mode::Suggest => MODES[1],
        Mode::Auto => MODES[2],
    }
}
