//! A file system that is watched: how full it is, and what may go from it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use disks::{Found, Gone, Held, Rule};
use model::ResourceId;
use model::action::Answer;
use model::disk::{Amount, Disk};
use model::fact::{Belongs, Definition, Fact, Generation, Health, Incarnation, Look, Observation, RestartPolicy, Run};

use crate::now;

/// What held how much is remembered anew this long after it was, while there is room.
const REMEMBERED_FOR: Duration = Duration::from_secs(6 * 3_600);
/// And only where so few points are left until it counts as full: a walk through all of it costs its disk some work.
const NEAR_PERCENT: u8 = 20;

/// A file system as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// A directory on it.
    pub path: PathBuf,
    /// It counts as full from so many percent on.
    pub full_percent: u8,
    /// And until less than so many are used.
    pub clear_percent: u8,
    /// What may go when it is.
    pub clean: Vec<Rule>,
}

/// A file system's place, with what is remembered of it.
pub(crate) struct Volume {
    pub(crate) resource: ResourceId,
    watched: Watched,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The last look at all of it.
    last: Option<Disk>,
    is_full: bool,
    /// What held how much while there was room, and when that was looked up.
    had: Option<(Instant, Held)>,
    cleaned: Option<Amount>,
}

impl Volume {
    pub(crate) fn new(resource: ResourceId, watched: Watched) -> Volume {
        Volume { resource, watched, seen: Mutex::default() }
    }

    /// There is only ever one body of it.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation(self.watched.path.to_string_lossy().into())
    }

    /// A first look at how full it is, which costs nothing. Whether it is too full is told by a closer one.
    pub(crate) fn glance(&self) {
        let mut seen = self.seen();
        if seen.last.is_none() {
            seen.last = disks::room(&self.watched.path, self.watched.full_percent).ok();
        }
    }

    /// Looks at it, and closer where it is full. For a thread that may wait. Returns whether there is news since the last look.
    pub(crate) fn look_closely(&self) -> bool {
        let Ok(disk) = disks::room(&self.watched.path, self.watched.full_percent) else {
            return self.seen().last.take().is_some();
        };
        let is_full = self.counts_as_full(&disk);
        let disk = if is_full { self.with_what_fills_it(disk) } else { self.with_room(disk) };
        let mut seen = self.seen();
        let is_news = seen.is_full != is_full || seen.last.as_ref().is_none_or(|last| differs(last, &disk));
        seen.is_full = is_full;
        if is_news {
            seen.last = Some(disk);
        }
        is_news
    }

    fn counts_as_full(&self, disk: &Disk) -> bool {
        let used = disk.used_percent().max(disk.inodes_used_percent());
        disk.wants().is_some() || (self.seen().is_full && used >= self.watched.clear_percent)
    }

    fn with_what_fills_it(&self, disk: Disk) -> Disk {
        let path = &self.watched.path;
        let held = disks::holders(path).unwrap_or_default();
        let removed = disks::removed(path).unwrap_or_default();
        let listed = amount(&self.listed());
        let seen = self.seen();
        let had = seen.had.as_ref().map(|(_, held)| held);
        Disk { listed, holders: disks::largest(&held, had), removed, cleaned: seen.cleaned, ..disk }
    }

    /// While there is room it is remembered what held how much: what grew is told from that.
    fn with_room(&self, disk: Disk) -> Disk {
        let is_far = disk.used_percent().saturating_add(NEAR_PERCENT) < self.watched.full_percent;
        let is_known = is_far || self.seen().had.as_ref().is_some_and(|(at, _)| at.elapsed() < REMEMBERED_FOR);
        if !is_known && let Ok(held) = disks::holders(&self.watched.path) {
            self.seen().had = Some((Instant::now(), held));
        }
        Disk { cleaned: self.seen().cleaned, ..disk }
    }

    /// What the rules would remove at this moment.
    fn listed(&self) -> Vec<(&Rule, Vec<Found>)> {
        let found = |rule: &Rule| rule.find(&self.watched.path, SystemTime::now()).unwrap_or_default();
        self.watched.clean.iter().map(|rule| (rule, found(rule))).collect()
    }

    /// Removes what the rules find. For a thread that may wait.
    pub(crate) fn clean(&self) -> Answer {
        let listed = self.listed();
        if listed.iter().all(|(_, found)| found.is_empty()) {
            return Answer::AlreadySo;
        }
        let mut all = Gone::default();
        for (rule, found) in &listed {
            match rule.remove(&self.watched.path, found, SystemTime::now()) {
                Ok(gone) => {
                    all.removed.files += gone.removed.files;
                    all.removed.bytes += gone.removed.bytes;
                    all.left.extend(gone.left);
                }
                Err(error) => all.left.push(format!("{}: {error}", self.watched.path.display())),
            }
        }
        let first = all.left.first().cloned().unwrap_or_default();
        tracing::info!(disk = self.resource.short(), removed = %all.removed, left = all.left.len(), first, "removed what is listed");
        self.seen().cleaned = Some(all.removed);
        match (all.removed.files, all.left.first()) {
            (0, Some(why)) => Answer::Failed(format!("nothing could be removed: {why}")),
            (0, None) => Answer::AlreadySo,
            (_, _) => Answer::Done,
        }
    }

    /// What is known of it, or that it is not there.
    pub(crate) fn observation(&self, generation: Generation) -> Observation {
        let (resource, incarnation) = (self.resource.clone(), self.incarnation());
        let seen = self.seen();
        let fact = match &seen.last {
            Some(disk) => Fact::Looked(Box::new(self.shows(disk, seen.is_full))),
            None => Fact::Unlooked(format!("{} cannot be asked for its room", self.watched.path.display())),
        };
        Observation { resource, incarnation, generation, fact }
    }

    fn shows(&self, disk: &Disk, is_full: bool) -> Look {
        Look {
            at: now(),
            run: Run::Running,
            started: None,
            exit: None,
            health: if is_full { Health::Unhealthy } else { Health::Healthy },
            health_output: String::new(),
            check_lacks: None,
            restarts: 0,
            manually_stopped: None,
            kept: None,
            lost_networks: Vec::new(),
            disk: Some(Box::new(disk.clone())),
            probe: None,
            definition: self.definition(),
        }
    }

    fn definition(&self) -> Arc<Definition> {
        let path = self.watched.path.to_string_lossy().into_owned();
        Arc::new(Definition {
            name: path.clone(),
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
            host_paths: [path].into(),
        })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn amount(listed: &[(&Rule, Vec<Found>)]) -> Amount {
    let files = listed.iter().flat_map(|(_, found)| found);
    files.fold(Amount::default(), |sum, file| Amount { files: sum.files + 1, bytes: sum.bytes + file.bytes })
}

/// Whether somebody would see another picture.
fn differs(last: &Disk, next: &Disk) -> bool {
    let shown = |disk: &Disk| (disk.used_percent(), disk.inodes_used_percent(), disk.listed.files, disk.cleaned);
    shown(last) != shown(next)
}
