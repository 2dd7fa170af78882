//! What healer does on a host: starts and stops its programs, reads their logs, frees space on its file systems.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use disks::Gone;
use model::ResourceId;
use model::action::{Action, Answer, Change, Permit};
use model::fact::{Fact, Incarnation, Observation};
use model::incident::Excerpt;
use rustix::process::{Pid, Signal, kill_process_group};
use systemd::{Done, Error};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use crate::eyes::Slot;
use crate::keeper::BUSY;
use crate::life::Line;
use crate::units::Unit;
use crate::volume::Volume;
use crate::{Host, alive, log};

/// A program whose keeper was killed is asked again whether it has ended.
const LOOKS_EVERY: Duration = Duration::from_millis(20);
/// So many files are removed before it is looked anew at what is held open.
const REMOVED_AT_ONCE: usize = 200;

/// Hands on one host. Cheap to clone.
#[derive(Clone)]
pub struct Hands {
    host: Host,
}

impl Hands {
    /// Hands on `host`.
    #[must_use]
    pub fn new(host: Host) -> Hands {
        Hands { host }
    }

    /// Does what the permit allows, once. Just before the act the program is looked at again, and then `still` is asked, as
    /// the very last thing; its `Err` is the reason to withhold the act.
    pub async fn perform(&self, permit: &Permit, still: impl Fn() -> Result<(), String>) -> Answer {
        if let Some(volume) = self.host.volume(&permit.step.resource) {
            return self.clean(permit, volume, still).await;
        }
        if let Some(unit) = self.host.0.units.get(&permit.step.resource) {
            return self.order(permit, unit, still).await;
        }
        let Some(slot) = self.host.slot(&permit.step.resource) else {
            return Answer::Withheld("the configuration names no such service any more".to_owned());
        };
        if slot.incarnation != permit.incarnation {
            return Answer::Withheld("the configuration runs it in another way by now".to_owned());
        }
        if let Some(answer) = permit.answered_by(slot.look().run) {
            return answer;
        }
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        let deadline = Instant::now() + permit.step.timeout();
        let done = match permit.step.action {
            Action::Start => timeout_at(deadline, self.start(slot)).await,
            Action::Stop => timeout_at(deadline, stop(slot)).await,
            Action::Recreate | Action::Change(_) => {
                return Answer::Failed("a program of the host can be started and stopped".to_owned());
            }
        };
        slot.news.notify_one();
        done.unwrap_or_else(|_| Answer::Unknown("it was not done in its time".to_owned()))
    }

    /// systemd is told to start or stop a unit.
    async fn order(&self, permit: &Permit, unit: &Unit, still: impl Fn() -> Result<(), String>) -> Answer {
        let run = match self.host.0.units.look_at(unit, self.host.generation()).await.fact {
            Fact::Looked(look) => look.run,
            Fact::Unlooked(why) => return Answer::Withheld(why),
            Fact::Happened(_) | Fact::ApiOpenAfter(_) | Fact::Gone => return Answer::Withheld(String::new()),
        };
        if let Some(answer) = permit.answered_by(run) {
            return answer;
        }
        let systemd = match self.host.0.units.systemd().await {
            Ok(systemd) => systemd,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        let deadline = Instant::now() + permit.step.timeout();
        let done = match permit.step.action {
            Action::Start => timeout_at(deadline, systemd.start(unit.unit())).await,
            Action::Stop => timeout_at(deadline, systemd.stop(unit.unit())).await,
            Action::Recreate | Action::Change(_) => {
                return Answer::Failed("a unit of systemd can be started and stopped".to_owned());
            }
        };
        match done {
            Ok(Ok(Done::Well)) => Answer::Done,
            Ok(Ok(Done::Not(result))) => Answer::Failed(format!("systemd could not do it: {result}")),
            Ok(Err(error @ Error::Lost(_))) => Answer::Unknown(error.to_string()),
            Ok(Err(error)) => Answer::Failed(error.to_string()),
            Err(_) => Answer::Unknown("systemd has not done it in its time".to_owned()),
        }
    }

    async fn clean(&self, permit: &Permit, volume: &Arc<Volume>, still: impl Fn() -> Result<(), String>) -> Answer {
        match permit.step.action {
            Action::Change(Change::FreeSpace) => {}
            Action::Start | Action::Stop | Action::Recreate | Action::Change(_) => {
                return Answer::Withheld("it is a file system".to_owned());
            }
        }
        let (deadline, at_work) = (Instant::now() + permit.step.timeout(), volume.clone());
        let Ok(listed) = tokio::task::spawn_blocking(move || at_work.listed()).await else {
            return Answer::Failed("what is listed could not be looked for".to_owned());
        };
        // A permit is for one use: what is listed is one act, of which nothing goes after its time.
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        let mut gone = Gone::default();
        for (rule, found) in listed {
            for some in found.chunks(REMOVED_AT_ONCE) {
                if Instant::now() >= deadline {
                    gone.left.extend(some.iter().map(|_| "its time is up".to_owned()));
                    continue;
                }
                let (at_work, rule, some) = (volume.clone(), rule.clone(), some.to_vec());
                match tokio::task::spawn_blocking(move || at_work.remove(&rule, &some)).await {
                    Ok(more) => gone.add(more),
                    Err(error) => gone.left.push(error.to_string()),
                }
            }
        }
        volume.note_cleaned(&gone);
        match (gone.removed.files, gone.left.first()) {
            (0, Some(why)) => Answer::Failed(format!("nothing could be removed: {why}")),
            (0, None) => Answer::AlreadySo,
            (_, _) => Answer::Done,
        }
    }

    /// A keeper is started, which starts the program and stays with it, whatever becomes of healer.
    async fn start(&self, slot: &Slot) -> Answer {
        let launch = serde_json::to_vec(&slot.program.launch).unwrap_or_default();
        let told = async {
            let mut keeper = Command::new(&self.host.0.keeper)
                .arg0("healer")
                .arg("keep")
                .arg(&slot.folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()?;
            if let Some(mut stdin) = keeper.stdin.take() {
                stdin.write_all(&launch).await?;
            }
            let mut line = String::new();
            if let Some(stdout) = keeper.stdout.take() {
                BufReader::new(stdout).read_line(&mut line).await?;
            }
            let busy = line.is_empty() && keeper.wait().await?.code() == Some(BUSY.into());
            io::Result::Ok((line, busy))
        };
        match told.await {
            Err(error) => Answer::Failed(format!("what keeps programs could not be started: {error}")),
            Ok((_, true)) => Answer::Withheld("something of its last life has not ended yet".to_owned()),
            Ok((line, false)) => match serde_json::from_str(&line) {
                Ok(Line::Started { .. }) => Answer::Done,
                Ok(Line::Failed { error, .. }) => Answer::Failed(error),
                Ok(Line::Signalled { .. } | Line::Died { .. } | Line::Stopped { .. }) | Err(_) => {
                    Answer::Unknown("what keeps it did not tell what became of the start".to_owned())
                }
            },
        }
    }

    /// Looks at a program or a file system, or tells how a probe stands.
    pub async fn look(&self, resource: &ResourceId) -> Option<Observation> {
        if let Some(volume) = self.host.volume(resource) {
            let at_work = volume.clone();
            tokio::task::spawn_blocking(move || at_work.look(true)).await.ok()?;
            return Some(volume.observation(self.host.generation()));
        }
        if let Some(seen) = self.host.0.asked.of(resource, self.host.generation()) {
            return Some(seen);
        }
        if let Some(unit) = self.host.0.units.get(resource) {
            return Some(self.host.0.units.look_at(unit, self.host.generation()).await);
        }
        let slot = self.host.slot(resource)?;
        Some(slot.observation(Fact::Looked(Box::new(slot.look())), self.host.generation()))
    }

    /// Reads what it printed since its last start.
    ///
    /// # Errors
    /// In words.
    pub async fn read_log(&self, resource: &ResourceId, incarnation: &Incarnation) -> Result<Excerpt, String> {
        if self.host.volume(resource).is_some() || self.host.0.asked.knows(resource) {
            return Ok(Excerpt::default());
        }
        if let Some(unit) = self.host.0.units.get(resource) {
            return unit.read_log().await;
        }
        let slot = self.host.slot(resource).filter(|slot| slot.incarnation == *incarnation);
        let slot = Arc::clone(slot.ok_or("the configuration names no such service any more")?);
        let read = tokio::task::spawn_blocking(move || log::read(&slot.folder));
        read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

/// Its keeper is asked to have it end, and waited for.
async fn stop(slot: &Slot) -> Answer {
    let (life, _) = slot.life();
    let Some((process, keeper)) = life.processes() else { return Answer::AlreadySo };
    if let Some(open) = keeper.open() {
        open.signal(Signal::USR1);
        slot.news.notify_one();
        alive::ended(&slot.folder, keeper).await;
        return Answer::Done;
    }
    // Its keeper was killed: then nobody is left who would write down that it was asked.
    let Some(group) = Pid::from_raw(process.pid).filter(|_| process.open().is_some()) else { return Answer::AlreadySo };
    let signal = Signal::from_named_raw(slot.program.launch.stop_signal).unwrap_or(Signal::TERM);
    let _ = kill_process_group(group, signal);
    let patience = Instant::now() + Duration::from_secs(slot.program.launch.stop_timeout_s.into());
    while process.open().is_some() {
        if Instant::now() > patience {
            let _ = kill_process_group(group, Signal::KILL);
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
    Answer::Done
}
