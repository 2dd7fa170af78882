//! Eyes and hands on one Linux host: the programs that healer itself runs there, units of systemd, its file systems, and what
//! is asked from there.
//!
//! ```text
//! Host ─── what eyes and hands share: the programs of the configuration, each with a folder of its own; units; file systems
//!   ├─ Eyes ── looks, ends and checks → model::input::Input
//!   └─ Hands ─ start, stop, read a log, free space
//! keep() ─ the process that stays with a program: it reaps it, ends its group, and writes down what happened
//! ```
//!
//! A program outlives healer. Its keeper, a small process of healer's own binary, is its parent, holds the lock of its
//! folder for as long as anything of it lives, and writes `life.jsonl`; so no program is started twice, and whoever comes
//! back reads there how it fared meanwhile. One whose keeper was killed is watched all the same.

mod alive;
mod asked;
mod checkup;
mod eyes;
mod hands;
mod keeper;
mod life;
mod log;
mod oom;
mod process;
mod program;
mod units;
mod user;
mod volume;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::ResourceId;
use model::fact::{Generation, SourceTime};
use probes::Asker;
use probes::schedule::Watch;
use rustix::process::Signal;

pub use eyes::{Eyes, Overflow};
pub use hands::Hands;
pub use keeper::keep;
pub use program::{Check, Launch, Limits, Program};
pub use units::{Named, hindered};
pub use volume::Watched;

use asked::Asked;
use eyes::Slot;
use units::Units;
use volume::Volume;

/// A file system is looked at no more often.
const SAMPLE_MIN: Duration = Duration::from_millis(100);
/// Whoever clears away looks so often whether all has ended.
const LOOKS_EVERY: Duration = Duration::from_millis(10);

/// One host, with its programs. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    source: String,
    slots: BTreeMap<ResourceId, Arc<Slot>>,
    units: Units,
    volumes: BTreeMap<ResourceId, Arc<Volume>>,
    asked: Asked,
    /// A file system is looked at so often.
    sample: Duration,
    /// The binary that keeps programs.
    keeper: PathBuf,
    asker: Asker,
    generation: AtomicU64,
}

/// What is watched on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The programs that healer runs there.
    pub programs: Vec<Program>,
    /// The units of systemd.
    pub units: Vec<Named>,
    /// The file systems.
    pub disks: Vec<Watched>,
    /// What is asked from there, wherever that is.
    pub probes: Vec<Watch>,
    /// How often those are looked at.
    pub sample: Duration,
}

impl Settings {
    /// Whether there is nothing to watch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.units.is_empty() && self.disks.is_empty() && self.probes.is_empty()
    }
}

impl Host {
    /// The host of that name. `folder`: where each program has a folder of its own; `keeper`: healer's own binary.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn new(name: &str, settings: Settings, folder: &Path, keeper: &Path, asker: Asker) -> io::Result<Host> {
        let mut slots = BTreeMap::new();
        for program in settings.programs {
            let resource = ResourceId::host_service(name, &program.name);
            let folder = folder.join(&program.name);
            std::fs::create_dir_all(&folder)?;
            slots.insert(resource.clone(), Arc::new(Slot::new(resource, program, folder)));
        }
        let volume = |watched: Watched| {
            let resource = ResourceId::host_disk(name, &watched.path.to_string_lossy());
            (resource.clone(), Arc::new(Volume::new(resource, watched)))
        };
        let asked = Asked::new(name, settings.probes);
        let units = Units::new(name, settings.units);
        let volumes = settings.disks.into_iter().map(volume).collect();
        let (source, sample) = (ResourceId::host_source(name), settings.sample.max(SAMPLE_MIN));
        let (keeper, generation) = (keeper.to_owned(), AtomicU64::new(0));
        Ok(Host(Arc::new(Inner { source, slots, units, volumes, asked, sample, keeper, asker, generation })))
    }

    /// What its reports are called.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The present listing's number; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(self.0.generation.load(Ordering::Acquire))
    }

    fn next_generation(&self) -> Generation {
        Generation(self.0.generation.fetch_add(1, Ordering::AcqRel) + 1)
    }

    fn slot(&self, resource: &ResourceId) -> Option<&Arc<Slot>> {
        self.0.slots.get(resource)
    }

    fn volume(&self, resource: &ResourceId) -> Option<&Arc<Volume>> {
        self.0.volumes.get(resource)
    }
}

/// The present time. A host's clock is ours.
fn now() -> SourceTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    SourceTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The programs that have a folder in `folder` and run: their names, each with the process of its keeper.
#[must_use]
pub fn at_work(folder: &Path) -> Vec<(String, i32)> {
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let at_work = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_str()?.to_owned();
        Some((name, keeper::pid_of(&entry.path())?))
    };
    folders.filter_map(at_work).collect()
}

/// Ends all programs that have a folder in `folder`, with all that they started, and waits for that. For whoever clears
/// away: healer itself never does this.
pub fn end_all(folder: &Path) {
    let folders: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    // Also one that has only just begun, and has not written down yet that it did.
    while folders.iter().any(|folder| keeper::is_at_work(folder)) {
        for keeper in folders.iter().filter_map(|folder| keeper::of(folder)) {
            keeper.signal(Signal::USR1);
        }
        std::thread::sleep(LOOKS_EVERY);
    }
}
