//! A file system that is watched: how full it is, and what may go from it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use disks::{Found, Gone, Held, Rule};
use model::ResourceId;
use model::disk::{Amount, Disk};
use model::fact::{Definition, Fact, Generation, Health, Incarnation, Look, Observation};

use crate::now;

/// What held how much is remembered anew this long after it was, while there is room.
const REMEMBERED_FOR: Duration = Duration::from_secs(6 * 3_600);
/// And only where so few points are left until it counts as full: a walk through all of it costs its disk some work.
const NEAR_PERCENT: u8 = 20;
/// What fills it is looked up again after this long, or once more or less of it is used.
const FILLED_FOR: Duration = Duration::from_secs(300);

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
    /// Held by whoever looks at it.
    looking: Mutex<()>,
}

#[derive(Default)]
struct Seen {
    stands: Stands,
    is_full: bool,
    /// What held how much while there was room, and when that was looked up.
    had: Option<(Instant, Held)>,
    /// When what fills it was looked up last, and with how much of it used.
    filled: Option<(Instant, u8)>,
    cleaned: Option<Amount>,
}

/// What is known of it.
#[derive(Default, PartialEq, Eq)]
enum Stands {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It cannot be asked.
    Unasked(String),
    /// As the last look showed.
    Seen(Disk),
}

/// How much of a cleaning is done: files that are left to go, by the rules that named them.
pub(crate) type Listed = Vec<(Rule, Vec<Found>)>;

impl Volume {
    pub(crate) fn new(resource: ResourceId, watched: Watched) -> Volume {
        Volume { resource, watched, seen: Mutex::default(), looking: Mutex::default() }
    }

    /// There is only ever one body of it.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation(self.watched.path.to_string_lossy().into())
    }

    /// Looks at it, and closer where it is full; `anew`: also where that was done a moment ago. For a thread that may wait,
    /// for ever where its server is gone: whoever looks meanwhile finds what was known. Returns whether there is news.
    pub(crate) fn look(&self, anew: bool) -> bool {
        let Ok(_one_at_a_time) = self.looking.try_lock() else { return false };
        let stands = match disks::room(&self.watched.path, self.watched.full_percent) {
            Ok(disk) => self.look_closely(disk, anew),
            Err(error) => Stands::Unasked(error.to_string()),
        };
        let mut seen = self.seen();
        let is_news = differs(&seen.stands, &stands);
        seen.stands = stands;
        is_news
    }

    fn look_closely(&self, disk: Disk, anew: bool) -> Stands {
        let is_full = self.counts_as_full(&disk);
        let disk = if is_full { self.with_what_fills_it(disk, anew) } else { self.with_room(disk) };
        self.seen().is_full = is_full;
        Stands::Seen(disk)
    }

    fn counts_as_full(&self, disk: &Disk) -> bool {
        let used = disk.used_percent().max(disk.inodes_used_percent());
        let seen = self.seen();
        // Of what was not seen before nobody knows whether it was full.
        let was_full = seen.is_full || seen.stands == Stands::Unknown;
        disk.wants().is_some() || (was_full && used >= self.watched.clear_percent)
    }

    /// To find that out costs a disk some work that is in trouble: it is remembered for a while.
    fn with_what_fills_it(&self, disk: Disk, anew: bool) -> Disk {
        let used = disk.used_percent().max(disk.inodes_used_percent());
        {
            let seen = self.seen();
            let is_fresh = |(at, then): (Instant, u8)| at.elapsed() < FILLED_FOR && then == used;
            if let (false, true, Stands::Seen(last)) = (anew, seen.filled.is_some_and(is_fresh), &seen.stands) {
                let (listed, holders, removed) = (last.listed, last.holders.clone(), last.removed.clone());
                return Disk { listed, holders, removed, cleaned: seen.cleaned, ..disk };
            }
        }
        let path = &self.watched.path;
        let held = disks::holders(path).unwrap_or_default();
        let removed = disks::removed(path).unwrap_or_default();
        let listed = amount(&self.listed());
        let mut seen = self.seen();
        seen.filled = Some((Instant::now(), used));
        let holders = disks::largest(&held, seen.had.as_ref().map(|(_, held)| held));
        Disk { listed, holders, removed, cleaned: seen.cleaned, ..disk }
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

    /// What the rules would remove at this moment. A rule that cannot be followed finds nothing.
    pub(crate) fn listed(&self) -> Listed {
        let found = |rule: &Rule| rule.find(&self.watched.path, SystemTime::now()).unwrap_or_default();
        self.watched.clean.iter().map(|rule| (rule.clone(), found(rule))).collect()
    }

    /// Removes a few files of one rule. For a thread that may wait.
    pub(crate) fn remove(&self, rule: &Rule, found: &[Found]) -> Gone {
        rule.remove(&self.watched.path, found, SystemTime::now()).unwrap_or_else(|error| {
            let left = found.iter().map(|_| format!("{}: {error}", self.watched.path.display())).collect();
            Gone { left, ..Gone::default() }
        })
    }

    /// So much was removed.
    pub(crate) fn note_cleaned(&self, gone: &Gone) {
        let first = gone.left.first().cloned().unwrap_or_default();
        let disk = self.resource.short();
        tracing::info!(disk, removed = %gone.removed, left = gone.left.len(), first, "removed what is listed");
        self.seen().cleaned = Some(gone.removed);
    }

    /// What is known of it.
    pub(crate) fn observation(&self, generation: Generation) -> Observation {
        let (resource, incarnation) = (self.resource.clone(), self.incarnation());
        let seen = self.seen();
        let fact = match &seen.stands {
            Stands::Unknown => Fact::Looked(Box::new(self.shows(None, Health::Starting))),
            Stands::Unasked(why) => Fact::Unlooked(format!("its room cannot be asked for: {why}")),
            Stands::Seen(disk) => {
                let health = if seen.is_full { Health::Unhealthy } else { Health::Healthy };
                Fact::Looked(Box::new(self.shows(Some(disk.clone()), health)))
            }
        };
        Observation { resource, incarnation, generation, fact }
    }

    fn shows(&self, disk: Option<Disk>, health: Health) -> Look {
        Look { disk: disk.map(Box::new), ..Look::watched(now(), health, self.definition()) }
    }

    fn definition(&self) -> Arc<Definition> {
        let path = self.watched.path.to_string_lossy().into_owned();
        // A yes to what the rules of now list is none to others.
        let config_hash = format!("{:?}", self.watched.clean);
        Arc::new(Definition { config_hash, host_paths: [path.clone()].into(), ..Definition::watched(&path) })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn amount(listed: &Listed) -> Amount {
    let files = listed.iter().flat_map(|(_, found)| found);
    files.fold(Amount::default(), |sum, file| Amount { files: sum.files + 1, bytes: sum.bytes + file.bytes })
}

/// Whether somebody would see another picture.
fn differs(last: &Stands, next: &Stands) -> bool {
    let shown = |disk: &Disk| {
        let used = (disk.used_percent(), disk.inodes_used_percent());
        (used, disk.listed.files, disk.cleaned, disk.removed.clone(), disk.wants().is_some())
    };
    match (last, next) {
        (Stands::Seen(last), Stands::Seen(next)) => shown(last) != shown(next),
        (last, next) => last != next,
    }
}
