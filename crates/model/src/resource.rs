//! What is watched, named by what outlives its incarnations: `docker:HOST/DEPLOYMENT/SERVICE[/N]`,
//! `host:HOST/service/NAME`, `host:HOST/disk/PATH`, or `host:HOST/probe/NAME`.
//!
//! A container id, a pod uid or a pid is an attribute of the present incarnation, never part of the name. Intents,
//! budgets, incidents and policies hang on this name.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The deployment part of what belongs to none: no Compose project can be called this.
pub const NO_DEPLOYMENT: &str = "-";

/// The second part of the name of a plain program on a host.
const SERVICE: &str = "service";
/// And of a file system, which is followed by the path under which it is watched.
const DISK: &str = "disk";
/// And of what is asked from a host, wherever it is.
const PROBE: &str = "probe";
const DOCKER: &str = "docker:";
const HOST: &str = "host:";

/// The longest name that is accepted from outside, in bytes; longer parts are cut and marked.
const PART_BYTES_MAX: usize = 200;

/// The name of a resource. Cheap to clone; ordered by its text, so one deployment's services stand together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(Arc<str>);

/// A text that is no resource's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a resource: expected docker:HOST/DEPLOYMENT/SERVICE[/N], host:HOST/service/NAME, host:HOST/disk/PATH or host:HOST/probe/NAME"
)]
pub struct NotAResource(pub String);

impl ResourceId {
    /// A service of a Compose project. The first replica carries no number, since most services have only one.
    ///
    /// Parts come from labels that anybody may write: whatever is not a letter, digit, `.`, `_` or `-` is
    /// percent-encoded, so a name can neither break the path nor a terminal.
    #[must_use]
    pub fn docker(host: &str, deployment: &str, service: &str, number: u32) -> ResourceId {
        let (host, deployment, service) = (encoded(host), encoded(deployment), encoded(service));
        ResourceId(match number {
            0 | 1 => format!("docker:{host}/{deployment}/{service}").into(),
            n => format!("docker:{host}/{deployment}/{service}/{n}").into(),
        })
    }

    /// A container outside of any deployment, by its name.
    #[must_use]
    pub fn lone_container(host: &str, name: &str) -> ResourceId {
        ResourceId::docker(host, NO_DEPLOYMENT, name, 1)
    }

    /// A program that a host runs by itself, or under systemd.
    #[must_use]
    pub fn host_service(host: &str, name: &str) -> ResourceId {
        ResourceId(format!("{HOST}{}/{SERVICE}/{}", encoded(host), encoded(name)).into())
    }

    /// A file system of a host, by the path under which it is watched: `/var`.
    #[must_use]
    pub fn host_disk(host: &str, path: &str) -> ResourceId {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(encoded).collect();
        ResourceId(format!("{HOST}{}/{DISK}/{}", encoded(host), parts.join("/")).into())
    }

    /// What a probe asks from a host, by the probe's name.
    #[must_use]
    pub fn host_probe(host: &str, name: &str) -> ResourceId {
        ResourceId(format!("{HOST}{}/{PROBE}/{}", encoded(host), encoded(name)).into())
    }

    /// What sees the services of a host itself: the source part of their names.
    #[must_use]
    pub fn host_source(host: &str) -> String {
        format!("{HOST}{}", encoded(host))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host on which it lives.
    #[must_use]
    pub fn host(&self) -> &str {
        self.parts().next().unwrap_or_default()
    }

    /// What sees it: an engine, which is called as its host is (`web-1`), or the host itself (`host:web-1`).
    #[must_use]
    pub fn source(&self) -> &str {
        let (first, _) = self.0.split_once('/').unwrap_or((&self.0, ""));
        first.strip_prefix(DOCKER).unwrap_or(first)
    }

    /// Whether it is a file system.
    #[must_use]
    pub fn is_disk(&self) -> bool {
        self.is_on_host() && self.parts().nth(1) == Some(DISK)
    }

    /// Whether it is what a probe asks.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.is_on_host() && self.parts().nth(1) == Some(PROBE)
    }

    /// Whether it is only watched: nothing of it can be started or stopped.
    #[must_use]
    pub fn is_only_watched(&self) -> bool {
        self.is_disk() || self.is_probe()
    }

    /// Whether it is a program or a file system of a host or asked from there, and no container.
    #[must_use]
    pub fn is_on_host(&self) -> bool {
        self.0.starts_with(HOST)
    }

    /// The deployment that it belongs to, or [`NO_DEPLOYMENT`].
    #[must_use]
    pub fn deployment(&self) -> &str {
        if self.is_on_host() { NO_DEPLOYMENT } else { self.parts().nth(1).unwrap_or_default() }
    }

    /// The service's name within its deployment.
    #[must_use]
    pub fn service(&self) -> &str {
        self.parts().nth(2).unwrap_or_default()
    }

    /// The replica's number; 1 where the name carries none.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.parts().nth(3).and_then(|n| n.parse().ok()).unwrap_or(1)
    }

    /// What a person calls it: `shop/web`, `shop/web/2`, or the bare name of a container without deployment.
    #[must_use]
    pub fn short(&self) -> &str {
        if self.is_disk() {
            // With the slash that its path begins with.
            let second = self.0.match_indices('/').nth(1).map_or(0, |(at, _)| at);
            return self.0.get(second..).unwrap_or(&self.0);
        }
        if self.deployment() == NO_DEPLOYMENT {
            return self.0.splitn(3, '/').nth(2).unwrap_or(&self.0);
        }
        self.0.split_once('/').map_or(&*self.0, |(_, path)| path)
    }

    /// Whether a person's words mean this resource: its whole name, its short one, or its deployment, with or without the
    /// host (`docker:web-1/shop`).
    #[must_use]
    pub fn answers_to(&self, words: &str) -> bool {
        let deployment = || self.deployment() == words || self.whole_deployment() == words;
        self.as_str() == words || self.short() == words || (self.deployment() != NO_DEPLOYMENT && deployment())
    }

    /// The deployment that it belongs to, with the host: `docker:web-1/shop`.
    #[must_use]
    pub fn whole_deployment(&self) -> &str {
        self.deployment_prefix().trim_end_matches('/')
    }

    /// What shares a budget with it: its deployment, or nothing else where it belongs to none.
    #[must_use]
    pub fn group(&self) -> &str {
        if self.deployment() == NO_DEPLOYMENT { self.as_str() } else { self.deployment_prefix() }
    }

    /// The beginning of the name that all resources of the same deployment share.
    #[must_use]
    pub fn deployment_prefix(&self) -> &str {
        let second = self.0.match_indices('/').nth(1).map_or(self.0.len(), |(at, slash)| at + slash.len());
        self.0.get(..second).unwrap_or(&self.0)
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split_once(':').map_or("", |(_, path)| path).split('/')
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Ordered and hashed as its text: what belongs together can be found by the beginning of its name.
impl Borrow<str> for ResourceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceId {
    type Err = NotAResource;

    fn from_str(text: &str) -> Result<Self, NotAResource> {
        let well_formed = |part: &&str| !part.is_empty() && part.bytes().all(|b| plain(b) || b == b'%');
        let is_name = match (text.strip_prefix(DOCKER), text.strip_prefix(HOST)) {
            (Some(path), _) => {
                let parts: Vec<&str> = path.split('/').collect();
                let numbered = parts.get(3).is_none_or(|n| n.parse::<u32>().is_ok());
                (3..=4).contains(&parts.len()) && parts.iter().all(well_formed) && numbered
            }
            (None, Some(path)) => {
                let parts: Vec<&str> = path.split('/').collect();
                match parts.as_slice() {
                    [_, SERVICE | PROBE, _] => parts.iter().all(well_formed),
                    // The root.
                    [host, DISK, ""] => well_formed(host),
                    [_, DISK, _, ..] => parts.iter().all(well_formed),
                    _ => false,
                }
            }
            (None, None) => false,
        };
        if is_name { Ok(ResourceId(text.into())) } else { Err(NotAResource(text.to_owned())) }
    }
}

impl TryFrom<String> for ResourceId {
    type Error = NotAResource;

    fn try_from(text: String) -> Result<Self, NotAResource> {
        text.parse()
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> String {
        id.0.as_ref().to_owned()
    }
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn encoded(part: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if out.len() > PART_BYTES_MAX {
            out.push_str("%E2%80%A6"); // an ellipsis, so that a cut name is seen to be cut
            break;
        }
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.is_empty() { "%00".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_as_it_was_put_together() {
        let second = ResourceId::docker("web-1", "shop", "worker", 2);
        assert_eq!(second.as_str(), "docker:web-1/shop/worker/2");
        assert_eq!(
            (second.host(), second.deployment(), second.service(), second.number()),
            ("web-1", "shop", "worker", 2)
        );
        assert_eq!((second.short(), second.deployment_prefix()), ("shop/worker/2", "docker:web-1/shop/"));
        assert_eq!(ResourceId::docker("web-1", "shop", "web", 1).short(), "shop/web");
        assert_eq!(ResourceId::lone_container("web-1", "nginx").short(), "nginx");
        assert_eq!(second.as_str().parse(), Ok(second));
    }

    #[test]
    fn a_resource_answers_to_its_names_and_to_its_deployments_with_or_without_the_host() {
        let web = ResourceId::docker("web-1", "shop", "web", 1);
        for words in ["docker:web-1/shop/web", "shop/web", "shop", "docker:web-1/shop"] {
            assert!(web.answers_to(words), "{words}");
        }
        let lone = ResourceId::lone_container("web-1", "nginx");
        assert!(lone.answers_to("nginx") && lone.answers_to("docker:web-1/-/nginx"));
        for words in ["web", "docker:web-2/shop", "docker:web-1/shop/", "docker:web-1", "docker:web-1/-", "-", ""] {
            assert!(!web.answers_to(words) && !lone.answers_to(words), "{words}");
        }
    }

    #[test]
    fn a_program_of_a_host_stands_for_itself_and_is_seen_by_its_host() {
        let billing = ResourceId::host_service("web-1", "billing");
        assert_eq!(billing.as_str(), "host:web-1/service/billing");
        assert_eq!((billing.host(), billing.source()), ("web-1", "host:web-1"));
        assert_eq!(billing.source(), ResourceId::host_source("web-1"));
        assert_eq!((billing.deployment(), billing.short(), billing.group()), ("-", "billing", billing.as_str()));
        assert!(billing.answers_to("billing") && !billing.answers_to("service") && !billing.answers_to("-"));
        assert_eq!(billing.as_str().parse(), Ok(billing));
        let shop = ResourceId::host_probe("web-1", "shop");
        assert_eq!((shop.as_str(), shop.short(), shop.is_probe()), ("host:web-1/probe/shop", "shop", true));
        assert_eq!(shop.as_str().parse(), Ok(shop));
        for (path, whole, short) in [
            ("/var/lib/docker", "host:web-1/disk/var/lib/docker", "/var/lib/docker"),
            ("/", "host:web-1/disk/", "/"),
            ("/mnt/a b", "host:web-1/disk/mnt/a%20b", "/mnt/a%20b"),
        ] {
            let disk = ResourceId::host_disk("web-1", path);
            assert_eq!((disk.as_str(), disk.short(), disk.source()), (whole, short, "host:web-1"));
            assert!(disk.is_disk() && disk.answers_to(short) && disk.group() == whole, "{disk}");
            assert_eq!(whole.parse(), Ok(disk));
        }
        let web = ResourceId::docker("web-1", "shop", "web", 1);
        assert_eq!((web.source(), web.group()), ("web-1", "docker:web-1/shop/"));
        assert_eq!(ResourceId::lone_container("web-1", "nginx").group(), "docker:web-1/-/nginx");
    }

    #[test]
    fn hostile_labels_cannot_leave_their_part() {
        let id = ResourceId::docker("h", "a/../b", "x\n\u{1b}[31m", 1);
        assert_eq!(id.as_str(), "docker:h/a%2F..%2Fb/x%0A%1B%5B31m");
        assert_eq!(id.as_str().parse(), Ok(id));
        let long = ResourceId::docker("h", &"é".repeat(9_000), "", 1);
        assert!(long.as_str().len() < 300);
        assert_eq!(long.as_str().parse(), Ok(long));
    }

    #[test]
    fn what_is_not_a_name_is_refused_with_the_shape() {
        let docker = ["docker:h/a", "docker:h/a/b/c", "docker:h//b", "docker:h/a/b/1/2", "docker:h/a/ b"];
        let host = ["host:h/billing", "host:h/unit/x", "host:h/service/", "host:h/service/a/b"];
        for text in ["", "shop/web"].into_iter().chain(docker).chain(host) {
            assert_eq!(text.parse::<ResourceId>(), Err(NotAResource(text.to_owned())));
        }
    }
}
