//! Which container healer itself runs in, if in one: it must never act on that, nor on what it lives by: the rest of its
//! deployment (its database), and the proxy through which it reaches the engine.

use std::path::Path;

use crate::definition::{Labels, PROJECT, SERVICE};
use crate::endpoint::Endpoint;

/// Files by which engines mark a container's root.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// What is known of healer's own container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    /// It runs in none.
    NoContainer,
    /// In this one, by its whole id.
    Container(String),
    /// In one, and which cannot be told: then any could be it.
    Unknown,
}

impl Own {
    /// Looks around in this process's surroundings.
    pub(crate) fn find() -> Own {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let marked = MARKS.iter().any(|mark| Path::new(mark).exists());
        judge(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"), marked)
    }

    /// Why healer must not touch the container `id`, which may share the network of another.
    pub(crate) fn forbids(&self, id: &str, network_of: Option<&str>) -> Option<String> {
        match self {
            Own::NoContainer => None,
            Own::Container(own) if own == id => Some("healer's own container".to_owned()),
            // With a shared network the mounts name the container that it is shared with, and healer may be any of them.
            Own::Container(own) => {
                (network_of == Some(own)).then(|| "on one network with healer's own container".to_owned())
            }
            Own::Unknown => {
                Some("perhaps healer's own container, since healer cannot tell in which one it runs".to_owned())
            }
        }
    }
}

/// Why healer must not touch what it lives by: a container of its own deployment, or one that is called as the host of its
/// engine's address. `deployment`: healer's own, if it runs in a container of one.
pub(crate) fn lives_by(deployment: Option<&str>, endpoint: &Endpoint, name: &str, labels: &Labels) -> Option<String> {
    let project = labels.get(PROJECT).map(String::as_str);
    if deployment.is_some() && project == deployment {
        return Some("a part of healer's own deployment".to_owned());
    }
    let Endpoint::Tcp(address) = endpoint else { return None };
    let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
    let called = |known: Option<&str>| known == Some(host);
    let is_proxy = called(Some(name.trim_start_matches('/'))) || called(labels.get(SERVICE).map(String::as_str));
    is_proxy.then(|| format!("the proxy at {address}, through which healer reaches the engine"))
}

/// The engine mounts three files of the container's own folder; other containers' folders may be mounted on a host too,
/// but never on these paths. With cgroup v1 the id stands in the cgroup's name as well.
fn judge(mountinfo: &str, cgroup: &str, marked: bool) -> Own {
    let by_mount = mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        ["/etc/hostname", "/etc/resolv.conf", "/etc/hosts"].contains(&point).then(|| id_in(root))?
    });
    let by_group = || cgroup.lines().filter(|line| line.contains("docker") || line.contains("libpod")).find_map(id_in);
    // The cgroup names the container itself; the mounts, where a network is shared, the one that it is shared with.
    match by_group().or(by_mount) {
        Some(id) => Own::Container(id),
        None if marked && is_layered(mountinfo) => Own::Unknown,
        None => Own::NoContainer,
    }
}

/// Whether the root is made of an image's layers. A virtual machine whose disk was made from an image has the mark, too,
/// and a disk of its own.
fn is_layered(mountinfo: &str) -> bool {
    mountinfo.lines().any(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let kind = fields.iter().position(|field| *field == "-").and_then(|dash| fields.get(dash + 1));
        fields.get(4) == Some(&"/")
            && (fields.get(3) != Some(&"/") || kind.is_some_and(|kind| kind.contains("overlay") || *kind == "aufs"))
    })
}

/// The first 64 hexadecimal digits in a row.
fn id_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_hexdigit()).find(|run| run.len() == 64).map(str::to_owned)
}

/// Whether `path` itself is a mount: a socket that was mounted as a file outlives the engine that made it.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    mountinfo.lines().any(|line| line.split(' ').nth(4).is_some_and(|point| Path::new(point) == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6f0c9a2b1d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccdde";

    #[test]
    fn the_own_container_is_found_by_its_mounts_or_its_cgroup() {
        let layers = "1 2 0:9 / / rw - overlay overlay rw,lowerdir=/a\n";
        let folder = "1 2 8:1 /docker/vfs/dir/ab / rw - ext4 /dev/sda rw\n";
        let disk = "1 2 8:1 / / rw - ext4 /dev/vda rw\n";
        let mounts = format!("1 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda rw\n");
        let others = format!("1 2 0:9 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n");
        let own = Own::Container(ID.to_owned());
        let table = [
            ("by mounts, cgroup v2", mounts.as_str(), "0::/\n".to_owned(), true, own.clone()),
            ("by cgroup v1", "", format!("5:cpu:/docker/{ID}\n"), true, own.clone()),
            ("by systemd's scope", "", format!("0::/system.slice/docker-{ID}.scope\n"), false, own.clone()),
            ("a host where containers run", others.as_str(), "0::/init.scope\n".to_owned(), false, Own::NoContainer),
            ("in one that hides itself", layers, "0::/\n".to_owned(), true, Own::Unknown),
            ("in one without layers", folder, "0::/\n".to_owned(), true, Own::Unknown),
            ("in a machine made from an image", disk, "5:cpu:/\n".to_owned(), true, Own::NoContainer),
            ("on a plain host", "", String::new(), false, Own::NoContainer),
        ];
        for (name, mounts, cgroup, marked, expect) in table {
            assert_eq!(judge(mounts, &cgroup, marked), expect, "{name}");
        }
    }

    #[test]
    fn s20_what_healer_lives_by_is_forbidden() {
        let labels = |project: &str, service: &str| -> Labels {
            [(PROJECT, project), (SERVICE, service)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
        };
        let (socket, proxy) = (Endpoint::Unix("/x".into()), Endpoint::Tcp("socket-proxy:2375".to_owned()));
        let table = [
            ("its database", Some("ops"), &socket, "ops-db-1", labels("ops", "db"), true),
            ("another deployment", Some("ops"), &socket, "shop-db-1", labels("shop", "db"), false),
            ("healer runs on the host", None, &socket, "ops-db-1", labels("ops", "db"), false),
            ("its proxy, by the service", None, &proxy, "infra-socket-proxy-1", labels("infra", "socket-proxy"), true),
            ("its proxy, by its name", None, &proxy, "/socket-proxy", Labels::new(), true),
            ("beside its proxy", None, &proxy, "infra-web-1", labels("infra", "web"), false),
        ];
        for (case, own, endpoint, name, labels, forbidden) in table {
            assert_eq!(lives_by(own, endpoint, name, &labels).is_some(), forbidden, "{case}");
        }
    }

    #[test]
    fn s20_what_may_be_healer_is_forbidden() {
        assert!(Own::Container(ID.to_owned()).forbids(ID, None).is_some());
        assert!(Own::Container(ID.to_owned()).forbids("other", Some("third")).is_none());
        assert!(Own::Container(ID.to_owned()).forbids("child", Some(ID)).is_some());
        assert!(Own::Unknown.forbids("any", None).is_some());
        assert!(Own::NoContainer.forbids("any", None).is_none());
    }
}
