//! Who a container is and what it is made of: read from its labels and its configuration.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{escape, redact};
use model::ResourceId;
use model::fact::{Belongs, Condition, Definition, Dependency, Incarnation, RestartPolicy};

use crate::compose::Said;
use crate::happening;
use crate::mounts::PATH_BYTES_MAX;
use crate::wire::{self, Inspect};

pub(crate) type Labels = BTreeMap<String, String>;

pub(crate) const PROJECT: &str = "com.docker.compose.project";
pub(crate) const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const ONE_OFF: &str = "com.docker.compose.oneoff";
pub(crate) const CONFIG_HASH: &str = "com.docker.compose.config-hash";
const REPLACES: &str = "com.docker.compose.replace";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";
const SELF: &str = "healer.platform/self";

/// Labels by which a container says that somebody else cares for it; a key that ends with a dot stands for all below it.
const OWNERS: [(&str, &str); 10] = [
    ("com.docker.swarm.task.id", "Swarm"),
    ("io.kubernetes.", "Kubernetes"),
    ("com.hashicorp.nomad.", "Nomad"),
    ("com.amazonaws.ecs.", "ECS"),
    ("org.testcontainers", "Testcontainers"),
    ("org.testcontainers.", "Testcontainers"),
    ("com.docker.buildx.", "buildx"),
    ("PODMAN_SYSTEMD_UNIT", "systemd"),
    ("com.github.actions.", "GitHub Actions"),
    ("com.gitlab.gitlab-runner.", "GitLab Runner"),
];

/// Labels of which nobody would make an exclusion: an image's papers, and what is told elsewhere.
const NOISE: [&str; 3] = ["org.opencontainers.", "org.label-schema.", "com.docker."];

/// The engine's wait between a stop signal and KILL where the container says nothing, in seconds.
const STOP_TIMEOUT_DEFAULT_S: i64 = 10;

pub(crate) const NAME_BYTES_MAX: usize = 200;

const LABEL_BYTES_MAX: usize = 200;
const LABELS_MAX: usize = 32;
pub(crate) const DEPENDENCIES_MAX: usize = 64;
const HOST_PATHS_MAX: usize = 256;

/// The resource that a container is a body of.
///
/// One run of a service (`compose run`) carries the labels of the service itself: it is named by its own name within the
/// deployment, or its end would be taken for the service's.
pub(crate) fn identity(host: &str, name: &str, labels: &Labels) -> ResourceId {
    let name = name.trim_start_matches('/');
    match (labels.get(PROJECT), labels.get(SERVICE)) {
        (Some(project), Some(_)) if is_one_off(labels) => ResourceId::docker(host, project, name, 1),
        (Some(project), Some(service)) => {
            let number = labels.get(NUMBER).and_then(|n| n.parse().ok()).unwrap_or(1);
            ResourceId::docker(host, project, service, number)
        }
        (Some(_) | None, _) => ResourceId::lone_container(host, name),
    }
}

fn is_one_off(labels: &Labels) -> bool {
    labels.get(ONE_OFF).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn belongs(name: &str, labels: &Labels) -> Belongs {
    let owner = OWNERS.iter().find(|(key, _)| match key.strip_suffix('.') {
        Some(_) => labels.range((*key).to_owned()..).next().is_some_and(|(label, _)| label.starts_with(key)),
        None => labels.contains_key(*key),
    });
    if let Some((_, owner)) = owner {
        return Belongs::Owned((*owner).to_owned());
    }
    // buildx labels its builders only since lately; their name it always chose.
    if name.starts_with("buildx_buildkit_") {
        return Belongs::Owned("buildx".to_owned());
    }
    match (labels.contains_key(PROJECT) && labels.contains_key(SERVICE), is_one_off(labels)) {
        (true, true) => Belongs::OneOff,
        (true, false) => Belongs::ComposeService,
        (false, _) => Belongs::Unclaimed,
    }
}

/// What only others than the container itself can say of it.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) network_parent: Option<ResourceId>,
    pub(crate) network_body: Option<Incarnation>,
    pub(crate) healers_own: Option<String>,
    /// What its project's files say of it.
    pub(crate) files: Said,
    /// Everything on this engine is somebody's.
    pub(crate) owner: Option<String>,
}

/// What a container is made of.
pub(crate) fn definition(inspect: &Inspect, around: Around) -> Definition {
    let none = Labels::new();
    let labels = inspect.config.labels.as_ref().unwrap_or(&none);
    let name = inspect.name.trim_start_matches('/');
    let text = |text: &str| escape(text, NAME_BYTES_MAX);
    let labelled = labels.get(SELF).is_some_and(|v| v == "true").then(|| format!("labelled {SELF}=true"));
    Definition {
        name: text(name),
        image: text(inspect.config.image.as_deref().unwrap_or_default()),
        image_id: text(inspect.image.as_deref().unwrap_or_default()),
        config_hash: text(labels.get(CONFIG_HASH).map_or("", String::as_str)),
        belongs: around.owner.map_or_else(|| belongs(name, labels), Belongs::Owned),
        restart_policy: restart_policy(inspect),
        depends_on: labels.get(DEPENDS_ON).map_or(around.files.told.needs, |list| depends_on(list)),
        network_parent: around.network_parent,
        network_body: around.network_body,
        replaces: labels.get(REPLACES).map(|id| Incarnation(text(id).into())),
        is_orphan: around.files.is_orphan,
        stops_by_kill: inspect.config.stop_signal.as_deref().and_then(happening::signal) == Some(happening::KILL),
        stop_timeout_s: inspect.config.stop_timeout.unwrap_or(STOP_TIMEOUT_DEFAULT_S),
        memory_limit_bytes: inspect.host_config.memory.and_then(|m| u64::try_from(m).ok()).unwrap_or(0),
        anonymous_volume: inspect.mounts.iter().flatten().any(is_anonymous),
        removed_at_end: inspect.host_config.auto_remove.unwrap_or(false),
        labels: telling_labels(labels),
        healers_own: around.healers_own.or(labelled),
        host_paths: host_paths(inspect),
    }
}

/// The engine itself gives such a name, where nobody gave one.
fn is_anonymous(mount: &wire::Mount) -> bool {
    let given = |name: &str| name.len() != 64 || !name.bytes().all(|b| b.is_ascii_hexdigit());
    mount.kind.as_deref() == Some("volume") && mount.name.as_deref().is_some_and(|name| !given(name))
}

/// The sources of all mounts that have a place on the host: binds, and volumes of the engine's own kind. A tmpfs has none.
fn host_paths(inspect: &Inspect) -> BTreeSet<String> {
    let sources = inspect.mounts.iter().flatten().filter_map(|mount| mount.source.as_deref());
    let paths = sources.filter(|source| source.starts_with('/'));
    paths.take(HOST_PATHS_MAX).map(|path| escape(path, PATH_BYTES_MAX)).collect()
}

fn restart_policy(inspect: &Inspect) -> RestartPolicy {
    let Some(policy) = &inspect.host_config.restart_policy else { return RestartPolicy::No };
    match policy.name.as_deref() {
        Some("always") => RestartPolicy::Always,
        Some("unless-stopped") => RestartPolicy::UnlessStopped,
        Some("on-failure") => {
            RestartPolicy::OnFailure(policy.maximum_retry_count.and_then(|n| u32::try_from(n).ok()).unwrap_or(0))
        }
        Some(_) | None => RestartPolicy::No,
    }
}

/// `db:service_healthy:true,migrate:service_completed_successfully:false`. Compose v1 writes no such label.
fn depends_on(list: &str) -> Vec<Dependency> {
    list.split(',')
        .take(DEPENDENCIES_MAX)
        .filter_map(|entry| {
            let mut parts = entry.split(':');
            let service = parts.next().filter(|service| !service.is_empty())?;
            let condition = match parts.next() {
                Some("service_healthy") => Condition::Healthy,
                Some("service_completed_successfully") => Condition::CompletedSuccessfully,
                Some(_) | None => Condition::Started,
            };
            Some(Dependency { service: escape(service, NAME_BYTES_MAX), condition })
        })
        .collect()
}

/// healer's own labels always, others as far as there is room.
fn telling_labels(labels: &Labels) -> BTreeSet<String> {
    let of_healer = |key: &str| key.starts_with("healer.platform/");
    let (ours, others): (Vec<_>, Vec<_>) = labels
        .iter()
        .filter(|(key, _)| !NOISE.iter().any(|noise| key.starts_with(noise)))
        .partition(|(key, _)| of_healer(key));
    ours.into_iter()
        .chain(others)
        .take(LABELS_MAX)
        .map(|(key, value)| escape(&redact(&format!("{key}={value}")), LABEL_BYTES_MAX))
        .collect()
}

/// A service of the deployment to which a container belongs.
pub(crate) fn of_same_project(host: &str, inspect: &Inspect, service: &str) -> Option<ResourceId> {
    let project = inspect.config.labels.as_ref()?.get(PROJECT)?;
    Some(ResourceId::docker(host, project, service, 1))
}

/// The container whose network namespace is shared, as it was asked for: an id, or a name.
pub(crate) fn network_parent(inspect: &Inspect) -> Option<&str> {
    inspect.host_config.network_mode.as_deref()?.strip_prefix("container:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn inspect(json: &serde_json::Value) -> Inspect {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    fn both_generations_of_compose_are_recognised() {
        // docker-compose 1.29
        let v1 = labels(&[
            (PROJECT, "shop"),
            (SERVICE, "web"),
            (NUMBER, "2"),
            (ONE_OFF, "False"),
            (CONFIG_HASH, "cafe"),
            ("com.docker.compose.project.working_dir", "/srv/shop"),
            ("com.docker.compose.version", "1.29.2"),
        ]);
        // docker compose 2
        let v2 = labels(&[
            (PROJECT, "shop"),
            (SERVICE, "web"),
            (NUMBER, "1"),
            (ONE_OFF, "False"),
            (
                DEPENDS_ON,
                "db:service_healthy:true,migrate:service_completed_successfully:false,mq:service_started:false",
            ),
            ("com.docker.compose.version", "2.29.7"),
        ]);
        assert_eq!(identity("h", "/shop_web_2", &v1).as_str(), "docker:h/shop/web/2");
        assert_eq!(identity("h", "/shop-web-1", &v2).as_str(), "docker:h/shop/web");
        assert_eq!(belongs("shop_web_2", &v1), Belongs::ComposeService);
        let depends_on: Vec<_> = depends_on(&v2[DEPENDS_ON]).into_iter().map(|d| (d.service, d.condition)).collect();
        assert_eq!(
            depends_on,
            [
                ("db".to_owned(), Condition::Healthy),
                ("migrate".to_owned(), Condition::CompletedSuccessfully),
                ("mq".to_owned(), Condition::Started),
            ]
        );
        assert_eq!(super::depends_on(",:x,a"), [Dependency { service: "a".to_owned(), condition: Condition::Started }]);
    }

    #[test]
    fn s03_a_one_off_run_is_not_its_service() {
        let run = labels(&[(PROJECT, "shop"), (SERVICE, "web"), (NUMBER, "1"), (ONE_OFF, "True")]);
        assert_eq!(identity("h", "/shop_web_run_7aeaf9da6ecc", &run).short(), "shop/shop_web_run_7aeaf9da6ecc");
        assert_eq!(belongs("shop_web_run_7aeaf9da6ecc", &run), Belongs::OneOff);
    }

    #[test]
    fn s04_who_cares_for_a_container_is_read_from_its_labels() {
        let owned = |owner: &str| Belongs::Owned(owner.to_owned());
        let table = [
            ("com.docker.swarm.task.id", "x", owned("Swarm")),
            ("io.kubernetes.pod.name", "x", owned("Kubernetes")),
            ("com.hashicorp.nomad.alloc_id", "x", owned("Nomad")),
            ("com.amazonaws.ecs.cluster", "x", owned("ECS")),
            ("org.testcontainers", "true", owned("Testcontainers")),
            ("org.testcontainers.sessionId", "x", owned("Testcontainers")),
            ("PODMAN_SYSTEMD_UNIT", "a.service", owned("systemd")),
            ("traefik.enable", "true", Belongs::Unclaimed),
        ];
        for (key, value, expect) in table {
            assert_eq!(belongs("n", &labels(&[(key, value)])), expect, "{key}");
        }
        assert_eq!(belongs("buildx_buildkit_default0", &labels(&[])), owned("buildx"));
        // An owner's label outweighs Compose's.
        let both = labels(&[(PROJECT, "p"), (SERVICE, "s"), ("com.docker.swarm.task.id", "x")]);
        assert_eq!(belongs("n", &both), owned("Swarm"));
    }

    #[test]
    fn s28_a_service_is_named_by_its_labels_and_never_by_its_name() {
        let web = labels(&[(PROJECT, "shop"), (SERVICE, "web"), (NUMBER, "1")]);
        for name in ["/shop-web-1", "/shop-web-1-old", "/0123456789ab_shop-web-1", "/other-db-1"] {
            assert_eq!(identity("h", name, &web).as_str(), "docker:h/shop/web", "{name}");
        }
    }

    #[test]
    fn a_definition_survives_an_inspect_that_says_little() {
        let bare = definition(
            &inspect(&serde_json::json!({"Id": "ab", "Name": "/x", "Config": {"Labels": null}})),
            Around::default(),
        );
        assert_eq!((bare.name.as_str(), bare.stop_timeout_s, bare.restart_policy), ("x", 10, RestartPolicy::No));
        assert!(bare.host_paths.is_empty());
        assert_eq!(bare.belongs, Belongs::Unclaimed);
    }

    #[test]
    fn a_definition_says_what_the_inspect_says() {
        let given = inspect(&serde_json::json!({
            "Id": "ab", "Name": "/shop_web_1", "Image": "sha256:1",
            "Config": {
                "Image": "web:1", "StopTimeout": 25,
                "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "web",
                    "com.docker.compose.config-hash": "cafe", "healer.platform/exclude": "true",
                    "traefik.auth": "password=hunter2", "org.opencontainers.image.title": "noise", "evil": "\u{1b}[2J"}
            },
            "HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}, "Memory": 67_108_864,
                "AutoRemove": true, "NetworkMode": "container:cd"},
            "Mounts": [
                {"Type": "bind", "Source": "/srv/data/db", "Destination": "/var/lib/db"},
                {"Type": "volume", "Name": "v", "Source": "/var/lib/docker/volumes/v/_data", "Destination": "/v"},
                {"Type": "bind", "Source": "/srv/\u{1b}[2J"},
                {"Type": "tmpfs", "Source": "", "Destination": "/tmp"}, {"Type": "npipe", "Source": "pipe"}, {}
            ]
        }));
        assert_eq!(network_parent(&given), Some("cd"));
        let made = definition(&given, Around::default());
        assert_eq!(made.restart_policy, RestartPolicy::OnFailure(5));
        assert_eq!((made.stop_timeout_s, made.memory_limit_bytes, made.removed_at_end), (25, 67_108_864, true));
        assert_eq!((made.config_hash.as_str(), made.image_id.as_str()), ("cafe", "sha256:1"));
        let labels: Vec<_> = made.labels.iter().map(String::as_str).collect();
        assert_eq!(labels, ["evil=\\x1b[2J", "healer.platform/exclude=true", "traefik.auth=password=********"]);
        let paths: Vec<_> = made.host_paths.iter().map(String::as_str).collect();
        assert_eq!(paths, ["/srv/\\x1b[2J", "/srv/data/db", "/var/lib/docker/volumes/v/_data"]);
        // Compose v1 writes an empty policy where none is set.
        for (name, expect) in [("", RestartPolicy::No), ("always", RestartPolicy::Always), ("odd", RestartPolicy::No)] {
            let given = inspect(&serde_json::json!({"HostConfig": {"RestartPolicy": {"Name": name}}}));
            assert_eq!(restart_policy(&given), expect, "{name}");
        }
    }

    #[test]
    fn what_is_healers_own_is_marked() {
        let marked = inspect(&serde_json::json!({"Config": {"Labels": {"healer.platform/self": "true"}}}));
        assert_eq!(
            definition(&marked, Around::default()).healers_own.as_deref(),
            Some("labelled healer.platform/self=true")
        );
    }

    #[test]
    fn hostile_labels_are_bounded() {
        let long = "é".repeat(100_000);
        let many: Labels = (0..5_000).map(|n| (format!("k{n}"), long.clone())).collect();
        let kept = telling_labels(&many);
        assert!(kept.len() <= LABELS_MAX && kept.iter().all(|l| l.len() <= LABEL_BYTES_MAX));
        assert!(depends_on(&"x,".repeat(100_000)).len() <= DEPENDENCIES_MAX);
    }
}
