//! What a source saw, typed. A cause reads these; it never parses a string and knows no client library.
//!
//! *Unknown* is a value (`None`, or a variant that says so), and it never permits anything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::complaint::StartError;
use crate::disk::Disk;
use crate::network::Lost;
use crate::probe::Probed;
use crate::resource::ResourceId;

/// The present body of a resource: a container id. Compared for equality only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub Arc<str>);

impl Incarnation {
    /// The first twelve characters, as the engine's own tools show them.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// One unbroken connection to a source. A source never uses a number twice within one process, and counts upwards.
///
/// A fact of an older generation than the source's present one is knowledge of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// Nanoseconds since the epoch by the *source's* clock. Ordered among one source's own times only, never against ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SourceTime(pub i64);

impl SourceTime {
    /// How much later this is than `earlier`; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: SourceTime) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// One fact about one incarnation of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Of what.
    pub resource: ResourceId,
    /// Of which body of it.
    pub incarnation: Incarnation,
    /// Through which connection it was seen.
    pub generation: Generation,
    /// What was seen.
    pub fact: Fact,
}

/// What can be seen of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A whole look, as an inspect gives it.
    Looked(Box<Look>),
    /// One event of the source's stream.
    Happened(Happening),
    /// The API was found still open a moment after the terminating signal, or the stop, of this time: so it was not
    /// the engine that is shutting down (facts/intent.md, 0.2).
    ApiOpenAfter(SourceTime),
    /// The source knows this incarnation no more.
    Gone,
    /// It is there, and could not be looked at: why. What was seen of it before stays the last that is known.
    Unlooked(String),
}

/// One event, at the source's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When, by the source's clock.
    pub at: SourceTime,
    /// What.
    pub what: What,
}

/// The events of a container that decide something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Made, and not yet started.
    Created,
    /// Its process was started.
    Started,
    /// Somebody sent a signal through the API. `terminating`: its stop signal, TERM, INT, QUIT or KILL.
    Signalled {
        /// The signal's number.
        signal: u8,
        /// Whether this signal means that it shall end.
        terminating: bool,
    },
    /// Its main process ended.
    Died {
        /// The exit code as the event carried it.
        code: i32,
    },
    /// A stop call was carried out.
    Stopped,
    /// A restart call was carried out.
    Restarted,
    /// A process in it was killed for want of memory; not necessarily the main one.
    OutOfMemory,
    /// Frozen.
    Paused,
    /// Running on after a pause.
    Unpaused,
    /// Its healthcheck changed its verdict.
    Health(Health),
    /// It has another name. `aside`: the temporary name that a recreate gives to what it replaces.
    Renamed {
        /// Whether the new name is such a temporary one.
        aside: bool,
    },
    /// Its limits or its restart policy were changed.
    Updated,
    /// Somebody's foreground session holds it.
    Attached,
    /// Removed.
    Destroyed,
}

/// A whole look at a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When the source answered, by the source's clock, as far as it can be told.
    pub at: SourceTime,
    /// What it does.
    pub run: Run,
    /// Its last start; `None` if it was never started.
    pub started: Option<SourceTime>,
    /// Its last end; `None` if it never ended.
    pub exit: Option<Exit>,
    /// The verdict of its healthcheck.
    pub health: Health,
    /// What the failing healthcheck printed last; empty if it passes or printed nothing.
    pub health_output: String,
    /// The command that the failed healthcheck would run, if that is not there or cannot be executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_lacks: Option<String>,
    /// Restarts by the engine's own policy since it was made.
    pub restarts: u32,
    /// The engine's private note that somebody stopped or signalled it through the API since its last API or boot start
    /// (`HasBeenManuallyStopped`); `None` where that cannot be read.
    pub manually_stopped: Option<bool>,
    /// The kept events of this incarnation since its last start, oldest first, when the look came with a full listing.
    pub kept: Option<Kept>,
    /// Of what is down: the networks that it is attached to and that are no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_networks: Vec<Lost>,
    /// Of a file system: how full it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Box<Disk>>,
    /// Of what a probe asks: what that said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Box<Probed>>,
    /// What it is made of. Shared, since it seldom changes.
    pub definition: Arc<Definition>,
}

impl Look {
    /// A look at what is only watched: it always runs, and was never started.
    #[must_use]
    pub fn watched(at: SourceTime, health: Health, definition: Arc<Definition>) -> Look {
        Look {
            at,
            run: Run::Running,
            started: None,
            exit: None,
            health,
            health_output: String::new(),
            check_lacks: None,
            restarts: 0,
            manually_stopped: None,
            kept: None,
            lost_networks: Vec::new(),
            disk: None,
            probe: None,
            definition,
        }
    }
}

impl Definition {
    /// Of what is only watched, by its name: it is made of nothing, and needs nothing.
    #[must_use]
    pub fn watched(name: &str) -> Definition {
        Definition {
            name: name.to_owned(),
            image: String::new(),
            image_id: String::new(),
            config_hash: String::new(),
            belongs: Belongs::Watched,
            restart_policy: RestartPolicy::No,
            depends_on: Vec::new(),
            network_parent: None,
            network_body: None,
            replaces: None,
            is_orphan: false,
            stops_by_kill: false,
            stop_timeout_s: 0,
            memory_limit_bytes: 0,
            anonymous_volume: false,
            removed_at_end: false,
            labels: Default::default(),
            healers_own: None,
            host_paths: Default::default(),
        }
    }
}

/// The source's own memory of what happened to an incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whether nothing since the incarnation's last end or start can have been forgotten.
    pub complete: bool,
    /// Whether the source itself was surely started anew since the incarnation was: it has forgotten nothing since its own
    /// start, and does not know the incarnation's.
    #[serde(default)]
    pub source_started_since: bool,
    /// Oldest first.
    pub happenings: Vec<Happening>,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// Made, never (or not successfully) started.
    Created,
    /// Running.
    Running,
    /// Running, and frozen.
    Paused,
    /// Ended; the engine itself will start it again.
    Restarting,
    /// Ended.
    Exited,
    /// Being removed, or its removal failed.
    Removing,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// When.
    pub at: SourceTime,
    /// The code: 137 is a KILL of any origin, never by itself an OOM.
    pub code: i32,
    /// Whether the engine itself says that it was killed for want of memory.
    pub oom: bool,
    /// Why a start failed, in the engine's words; empty otherwise.
    pub error: String,
    /// What that means, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_error: Option<StartError>,
}

/// The verdict of a healthcheck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has no healthcheck.
    Unchecked,
    /// No verdict yet.
    Starting,
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

/// What a container is made of and belongs to: all that does not change while it lives, but by an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The container's name, without a leading slash; only ever shown.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// The image's content id.
    pub image_id: String,
    /// Compose's hash of the service's configuration; empty outside of Compose.
    pub config_hash: String,
    /// Who it belongs to.
    pub belongs: Belongs,
    /// The engine's own policy.
    pub restart_policy: RestartPolicy,
    /// What it needs before it starts.
    pub depends_on: Vec<Dependency>,
    /// The resource whose network namespace it shares.
    pub network_parent: Option<ResourceId>,
    /// The very container whose network namespace it shares, or shared: it is known no more once that was made anew.
    #[serde(default)]
    pub network_body: Option<Incarnation>,
    /// The body in whose place it was made. Compose v2 makes the new one first, and then stops the old one.
    #[serde(default)]
    pub replaces: Option<Incarnation>,
    /// Its deployment's files can be read, and do not know it any more.
    #[serde(default)]
    pub is_orphan: bool,
    /// Its stop signal is KILL.
    #[serde(default)]
    pub stops_by_kill: bool,
    /// How long a stop may take before the engine kills, in seconds; negative: for ever.
    pub stop_timeout_s: i64,
    /// The memory limit in bytes; 0 for none.
    pub memory_limit_bytes: u64,
    /// It has a volume without a name, which belongs to this body alone.
    #[serde(default)]
    pub anonymous_volume: bool,
    /// Removed by the engine when it ends (`--rm`).
    pub removed_at_end: bool,
    /// Its labels that matter to exclusions, as `key=value`.
    pub labels: BTreeSet<String>,
    /// Why healer must never touch it although nobody excluded it: it is healer, its socket proxy or its database.
    pub healers_own: Option<String>,
    /// What it sees of its host's files: the sources of its binds, and where its volumes lie.
    #[serde(default)]
    pub host_paths: BTreeSet<String>,
}

/// What kind of thing started a container, and so who cares for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Belongs {
    /// A service of a Compose project.
    ComposeService,
    /// One run of a Compose service (`compose run`).
    OneOff,
    /// A program that healer's own configuration names as a service of its host, and that nothing else starts.
    HostService,
    /// A unit of systemd that healer's own configuration names: systemd starts it, and healer where it may.
    SystemdUnit,
    /// A file system or a probe that healer's own configuration names: it is watched, and neither started nor stopped.
    Watched,
    /// Somebody else's: the owner's name, such as `Swarm` or `Kubernetes`.
    Owned(String),
    /// Nobody's that healer knows: a plain `docker run`, a test runner, a builder.
    Unclaimed,
}

/// The engine's own restart policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Never (also when nothing is set).
    No,
    /// After a failure, up to so many times; 0 for no limit.
    OnFailure(u32),
    /// Always, unless it was stopped.
    UnlessStopped,
    /// Always.
    Always,
}

/// One `depends_on` of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The service's name in the same deployment.
    pub service: String,
    /// What must be true of it.
    pub condition: Condition,
}

/// What must be true of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It runs.
    Started,
    /// It passes its healthcheck.
    Healthy,
    /// It ended with 0: it is a job.
    CompletedSuccessfully,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Condition::Started => "be started",
            Condition::Healthy => "be healthy",
            Condition::CompletedSuccessfully => "be completed",
        })
    }
}

/// Whether a container's name is `<twelve hex digits>_name`: so Compose calls, for the time of a recreate, the container
/// that it replaces (v1) or the one that replaces it (v2).
#[must_use]
pub fn is_temporary_name(name: &str) -> bool {
    name.trim_start_matches('/')
        .split_once('_')
        .is_some_and(|(id, _)| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()))
}

/// Whether a path is a mount point, or lies below it.
#[must_use]
pub fn lies_on(path: &str, mount: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Definition {
    /// Whether `other` is the same thing made again: a changed one gets a fresh budget.
    #[must_use]
    pub fn same_thing(&self, other: &Definition) -> bool {
        self.image_id == other.image_id && self.config_hash == other.config_hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_on_a_mount_by_its_components() {
        let table = [
            ("/srv/data", true),
            ("/srv/data/db", true),
            ("/srv/data2", false),
            ("/srv/data2/db", false),
            ("/srv", false),
            ("/mnt/srv/data", false),
            ("", false),
        ];
        for (path, expect) in table {
            assert_eq!(lies_on(path, "/srv/data"), expect, "{path}");
        }
    }
}
