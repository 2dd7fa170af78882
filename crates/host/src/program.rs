//! A program as the configuration names it, and what its keeper is told of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::fact::{Belongs, Definition, Dependency, Incarnation, RestartPolicy};
use probes::Probe;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A program that the configuration names as a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// How it is run.
    pub launch: Launch,
    /// What it needs before it starts: other programs of the same host.
    pub depends_on: Vec<Dependency>,
    /// Whether it does its work.
    pub check: Option<Check>,
}

/// How a program is run: all that makes another body of it when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// As whom; `None`: as whoever healer runs.
    pub user: Option<String>,
    /// Its environment, besides `PATH`.
    pub environment: BTreeMap<String, String>,
    /// Where.
    pub working_dir: PathBuf,
    /// What it may use at most.
    pub limits: Limits,
    /// The signal that asks it to end.
    pub stop_signal: i32,
    /// For how long it may take to do so before it is killed, in seconds.
    pub stop_timeout_s: u32,
}

/// What a program, and each process that it starts, may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of its own, in bytes (`RLIMIT_DATA`): what it asks for beyond that it does not get.
    pub memory_bytes: Option<u64>,
    /// Open files (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Processes of its user (`RLIMIT_NPROC`).
    pub processes: Option<u64>,
}

/// How it is asked whether a program does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How often.
    pub every: Duration,
    /// So many failures in a row make it unhealthy.
    pub failures: u32,
}

impl Program {
    /// Its body: a program that is run in another way is another one.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation(self.launch.hash().into())
    }

    pub(crate) fn definition(&self) -> Arc<Definition> {
        Arc::new(Definition {
            name: self.name.clone(),
            image: self.launch.command.first().cloned().unwrap_or_default(),
            image_id: String::new(),
            config_hash: self.launch.hash(),
            belongs: Belongs::HostService,
            restart_policy: RestartPolicy::No,
            depends_on: self.depends_on.clone(),
            network_parent: None,
            network_body: None,
            replaces: None,
            is_orphan: false,
            stops_by_kill: false,
            stop_timeout_s: self.launch.stop_timeout_s.into(),
            memory_limit_bytes: 0,
            anonymous_volume: false,
            removed_at_end: false,
            labels: Default::default(),
            healers_own: None,
            host_paths: [self.launch.working_dir.to_string_lossy().into_owned()].into(),
        })
    }
}

impl Launch {
    fn hash(&self) -> String {
        // A list of texts and numbers can always be written.
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
