//! What is seen of a host's programs: that they began and ended, as their keepers write it down, and whether they do their
//! work, as their checks tell.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::ResourceId;
use model::fact::{Fact, Generation, Happening, Health, Incarnation, Kept, Look, Observation, Run, SourceTime, What};
use model::input::{Input, Report, SourceState};
use model::probe::Probed;
use model::recovery::EngineStart;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checkup::{Checked, Checks, Checkup};
use crate::life::{Life, happening};
use crate::program::Program;
use crate::volume::Volume;
use crate::{Host, alive, now, process, units};

/// An inbox that is full is tried again after this long.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// So many changes of probes may wait to be told.
const TURNS_MAX: usize = 256;
/// How long their answers take is told so often, where that has changed.
const FIGURES_EVERY: Duration = Duration::from_secs(60);
/// A program whose keeper was killed is looked for so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The inbox is full: what was to be told comes again as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// A program's place: its folder, and what its check last said.
pub(crate) struct Slot {
    pub(crate) resource: ResourceId,
    pub(crate) program: Program,
    pub(crate) folder: PathBuf,
    pub(crate) incarnation: Incarnation,
    checkup: Checkup,
    /// Something was done to it.
    pub(crate) news: Notify,
}

/// Eyes on one host.
pub struct Eyes {
    host: Host,
}

impl Slot {
    pub(crate) fn new(resource: ResourceId, program: Program, folder: PathBuf) -> Slot {
        let incarnation = program.incarnation();
        Slot { resource, checkup: Checkup::default(), program, folder, incarnation, news: Notify::new() }
    }

    /// What its keeper has written down, and whether its process lives.
    pub(crate) fn life(&self) -> (Life, bool) {
        let life = Life::read(&self.folder);
        let lives = life.processes().is_some_and(|(process, _)| process.open().is_some());
        if lives || life.has_ended() {
            return (life, lives);
        }
        // It may have ended between the two.
        (Life::read(&self.folder), false)
    }

    pub(crate) fn look(&self) -> Look {
        let (life, lives) = self.life();
        self.look_of(&life, lives)
    }

    fn look_of(&self, life: &Life, lives: bool) -> Look {
        let run = life.run(lives);
        let (health, health_output) = self.checkup.verdict(self.program.check.as_ref(), life.started());
        let kept = Kept { complete: true, source_started_since: false, happenings: life.happenings() };
        Look {
            at: now(),
            run,
            started: life.started(),
            exit: life.exit(lives),
            health,
            health_output,
            check_lacks: None,
            restarts: 0,
            manually_stopped: None,
            kept: Some(kept),
            lost_networks: Vec::new(),
            disk: None,
            probe: None,
            definition: self.program.definition(),
        }
    }

    pub(crate) fn observation(&self, fact: Fact, generation: Generation) -> Observation {
        let (resource, incarnation) = (self.resource.clone(), self.incarnation.clone());
        Observation { resource, incarnation, generation, fact }
    }
}

impl Checked for Slot {
    fn checkup(&self) -> &Checkup {
        &self.checkup
    }

    fn look(&self) -> Look {
        self.look()
    }

    fn observation(&self, fact: Fact, generation: Generation) -> Observation {
        self.observation(fact, generation)
    }
}

impl Eyes {
    /// Eyes on `host`.
    #[must_use]
    pub fn new(host: Host) -> Eyes {
        Eyes { host }
    }

    /// Watches until `stop`.
    pub async fn run<S>(self, sink: S, stop: CancellationToken)
    where
        S: Fn(Input) -> Result<(), Overflow> + Send + Sync + 'static,
    {
        let sink = Arc::new(sink);
        while !stop.is_cancelled() {
            let ended = stop.child_token();
            self.host.0.units.look().await;
            if let Ok(watches) = self.list(&*sink) {
                let mut tasks = JoinSet::new();
                for unit in self.host.0.units.all() {
                    if let Some(check) = unit.check().cloned() {
                        let (of, running) = (unit.clone(), unit.running());
                        let checks = Checks { check, of, host: self.host.clone(), running };
                        tasks.spawn(checks.go_on(self.host.generation(), sink.clone(), ended.clone()));
                    }
                }
                if !self.host.0.units.is_empty() {
                    tasks.spawn(units::watch(self.host.clone(), sink.clone(), ended.clone()));
                }
                for watch in watches {
                    let (runs, running) = watch::channel(None);
                    if let Some(check) = watch.slot.program.check.clone() {
                        let checks = Checks { check, of: watch.slot.clone(), host: self.host.clone(), running };
                        tasks.spawn(checks.go_on(watch.generation, sink.clone(), ended.clone()));
                    }
                    tasks.spawn(watch.go_on(runs, sink.clone(), ended.clone()));
                }
                for volume in self.host.0.volumes.values() {
                    tasks.spawn(watch_volume(volume.clone(), self.host.clone(), sink.clone(), ended.clone()));
                }
                if !self.host.0.asked.is_empty() {
                    tasks.spawn(watch_probes(self.host.clone(), sink.clone(), ended.clone()));
                }
                tasks.join_all().await;
            }
            // What was not taken is told anew, as a whole.
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Tells all that there is.
    fn list(&self, sink: &impl Fn(Input) -> Result<(), Overflow>) -> Result<Vec<Watch>, Overflow> {
        let generation = self.host.next_generation();
        let report = |state| Input::Source(Report { source: self.host.source().to_owned(), state });
        let boot = Some(process::boot_id()).filter(|boot| !boot.is_empty());
        let start = EngineStart { boot: boot.clone(), process: boot, ..EngineStart::default() };
        sink(report(SourceState::Opened { generation, start, ahead_ms: 0 }))?;
        let (mut present, mut watches) = (Vec::new(), Vec::new());
        for slot in self.host.0.slots.values() {
            let (life, lives) = slot.life();
            let look = Fact::Looked(Box::new(slot.look_of(&life, lives)));
            sink(Input::Observed(slot.observation(look, generation)))?;
            present.push((slot.resource.clone(), slot.incarnation.clone()));
            watches.push(Watch { slot: slot.clone(), generation, life, lives });
        }
        for unit in self.host.0.units.all() {
            sink(Input::Observed(unit.stands(generation)))?;
            present.push((unit.resource.clone(), unit.incarnation()));
        }
        for volume in self.host.0.volumes.values() {
            sink(Input::Observed(volume.observation(generation)))?;
            present.push((volume.resource.clone(), volume.incarnation()));
        }
        for seen in self.host.0.asked.all(generation) {
            present.push((seen.resource.clone(), seen.incarnation.clone()));
            sink(Input::Observed(seen))?;
        }
        sink(report(SourceState::Listed { generation, present }))?;
        Ok(watches)
    }
}

/// Looks at a file system again and again, and tells what is new.
async fn watch_volume<S>(volume: Arc<Volume>, host: Host, sink: Arc<S>, stop: CancellationToken)
where
    S: Fn(Input) -> Result<(), Overflow> + Send + Sync + 'static,
{
    let generation = host.generation();
    loop {
        let at_work = volume.clone();
        // Nobody is to wait for a file system that does not answer.
        let is_news = tokio::select! {
            () = stop.cancelled() => return,
            looked = tokio::task::spawn_blocking(move || at_work.look(false)) => looked.unwrap_or(false),
        };
        if is_news && sink(Input::Observed(volume.observation(generation))).is_err() {
            return stop.cancel();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(host.0.sample) => {}
        }
    }
}

/// Asks what is to be asked, and tells how it stands: at once where that changes, and its figures now and then.
async fn watch_probes<S>(host: Host, sink: Arc<S>, stop: CancellationToken)
where
    S: Fn(Input) -> Result<(), Overflow> + Send + Sync + 'static,
{
    let (generation, asked) = (host.generation(), &host.0.asked);
    let (turned, mut turns) = mpsc::channel(TURNS_MAX);
    // The jitter is no secret: it spreads the questions of several healers.
    let asking = probes::schedule::run(&asked.board, host.0.asker.clone(), seed(), turned, stop.clone());
    let telling = async {
        let mut told = BTreeMap::new();
        loop {
            let news = tokio::select! {
                turn = turns.recv() => match turn {
                    Some(turn) => asked.one(&turn.name, generation).into_iter().collect(),
                    None => return,
                },
                () = tokio::time::sleep(FIGURES_EVERY) => asked.all(generation),
            };
            for seen in news {
                let figures = figures_of(&seen);
                if told.insert(seen.resource.clone(), figures.clone()) != Some(figures)
                    && sink(Input::Observed(seen)).is_err()
                {
                    return stop.cancel();
                }
            }
        }
    };
    tokio::join!(asking, telling);
}

/// What somebody sees of a probe.
fn figures_of(seen: &Observation) -> Option<(Health, Option<Box<Probed>>)> {
    match &seen.fact {
        Fact::Looked(look) => Some((look.health, look.probe.clone())),
        Fact::Happened(_) | Fact::ApiOpenAfter(_) | Fact::Gone | Fact::Unlooked(_) => None,
    }
}

fn seed() -> u64 {
    u64::try_from(now().0).unwrap_or_default() ^ u64::from(std::process::id())
}

/// The watch over one program.
struct Watch {
    slot: Arc<Slot>,
    generation: Generation,
    /// What was told of it.
    life: Life,
    lives: bool,
}

impl Watch {
    /// `runs`: who wants to know which life is under way.
    async fn go_on<S>(mut self, runs: watch::Sender<Option<SourceTime>>, sink: Arc<S>, stop: CancellationToken)
    where
        S: Fn(Input) -> Result<(), Overflow> + Send + Sync + 'static,
    {
        loop {
            runs.send_replace(self.life.started().filter(|_| self.life.run(self.lives) == Run::Running));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.slot.news.notified() => {}
                () = ended(&self.slot, &self.life, self.lives) => {}
            }
            if self.look_again(&*sink).is_err() {
                return stop.cancel();
            }
        }
    }

    /// Tells what has happened since, with a whole look.
    fn look_again(&mut self, sink: &impl Fn(Input) -> Result<(), Overflow>) -> Result<(), Overflow> {
        let (life, lives) = self.slot.life();
        let told = if life.started() == self.life.started() { self.life.lines.len() } else { 0 };
        let mut news: Vec<Happening> = life.lines.iter().skip(told).filter_map(happening).collect();
        let look = self.slot.look_of(&life, lives);
        // Its keeper was killed: nobody has written down how it ended.
        if self.lives && !lives && !life.has_ended() {
            news.extend(look.exit.as_ref().map(|exit| Happening { at: exit.at, what: What::Died { code: exit.code } }));
        }
        let is_news = life.lines.len() != told || self.lives != lives;
        for what in news {
            sink(Input::Observed(self.slot.observation(Fact::Happened(what), self.generation)))?;
        }
        if is_news {
            sink(Input::Observed(self.slot.observation(Fact::Looked(Box::new(look)), self.generation)))?;
        }
        (self.life, self.lives) = (life, lives);
        Ok(())
    }
}

/// Waits until something of it has ended: its keeper, which writes that down, or the program whose keeper was killed.
async fn ended(slot: &Slot, life: &Life, lives: bool) {
    let under_way = life.run(lives) == Run::Running;
    let Some((process, keeper)) = life.processes().filter(|_| under_way) else { return std::future::pending().await };
    if keeper.open().is_some() {
        return alive::ended(&slot.folder, keeper).await;
    }
    while process.open().is_some() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
