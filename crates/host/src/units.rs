//! The units of systemd that are watched: what each does, and what has happened to it, told by the times that systemd keeps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::ResourceId;
use model::fact::{
    Belongs, Definition, Dependency, Exit, Fact, Generation, Happening, Health, Incarnation, Kept, Look, Observation,
    RestartPolicy, Run, SourceTime, What,
};
use model::incident::Excerpt;
use model::input::Input;
use systemd::{Error, Log, Systemd};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::checkup::{Checked, Checkup};
use crate::eyes::Overflow;
use crate::program::Check;
use crate::{Host, log, now};

/// systemd tells of each change by itself; what it did not tell is seen after this long.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A systemd that cannot be reached is tried again after this long.
const CONNECT_EVERY: Duration = Duration::from_secs(2);
/// What systemd has just done is in its journal after this long.
const JOURNAL_LAGS: Duration = Duration::from_millis(200);
/// A shell's and Docker's way to write that a signal ended it.
const BY_SIGNAL: i32 = 128;
/// The codes that systemd itself ends a process with which it could not make ready (systemd.exec(5)).
const NOT_MADE_READY: std::ops::RangeInclusive<i32> = 200..=245;
const TERM: u8 = 15;
/// Signals with which a program is asked to end: HUP, INT, QUIT, KILL and TERM.
const ENDING: [i32; 5] = [1, 2, 3, 9, 15];
const KILL: i32 = 9;

/// A unit as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What healer calls it.
    pub name: String,
    /// What systemd calls it: `nginx.service`.
    pub unit: String,
    /// What it needs before it starts: other services of the same host.
    pub depends_on: Vec<Dependency>,
    /// Whether it does its work.
    pub check: Option<Check>,
}

/// A unit's place, with what was last seen of it.
pub(crate) struct Unit {
    pub(crate) resource: ResourceId,
    named: Named,
    seen: Mutex<Stands>,
    checkup: Checkup,
    /// The life that is under way.
    runs: watch::Sender<Option<SourceTime>>,
}

/// What is known of a unit.
#[derive(Debug, Clone)]
enum Stands {
    /// It cannot be looked at, or there is nothing to see yet.
    Unasked(String),
    Seen(Box<Seen>),
}

/// What systemd says of it, and what that means for its last life.
#[derive(Debug, Clone)]
struct Seen {
    /// When it was asked: all that came before that is in it.
    at: SourceTime,
    unit: systemd::Unit,
    /// Somebody had systemd signal it.
    on_request: bool,
    happenings: Vec<Happening>,
}

impl Stands {
    /// Whether somebody would see another picture.
    fn differs(&self, other: &Stands) -> bool {
        match (self, other) {
            (Stands::Unasked(why), Stands::Unasked(other)) => why != other,
            (Stands::Seen(seen), Stands::Seen(other)) => {
                (&seen.unit, &seen.happenings) != (&other.unit, &other.happenings)
            }
            (Stands::Unasked(_), Stands::Seen(_)) | (Stands::Seen(_), Stands::Unasked(_)) => true,
        }
    }
}

/// The units of a host.
#[derive(Default)]
pub(crate) struct Units {
    of: BTreeMap<ResourceId, Arc<Unit>>,
    connection: tokio::sync::Mutex<Option<Arc<Systemd>>>,
}

impl Units {
    pub(crate) fn new(host: &str, named: Vec<Named>) -> Units {
        let place = |named: Named| {
            let resource = ResourceId::host_service(host, &named.name);
            let seen = Mutex::new(Stands::Unasked("it was not looked at yet".to_owned()));
            let (checkup, runs) = (Checkup::default(), watch::Sender::new(None));
            (resource.clone(), Arc::new(Unit { resource, named, seen, checkup, runs }))
        };
        Units { of: named.into_iter().map(place).collect(), ..Units::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Unit>> {
        self.of.values()
    }

    pub(crate) fn get(&self, resource: &ResourceId) -> Option<&Arc<Unit>> {
        self.of.get(resource)
    }

    /// systemd, as it was reached before, or anew.
    pub(crate) async fn systemd(&self) -> Result<Arc<Systemd>, Error> {
        let mut connection = self.connection.lock().await;
        if let Some(systemd) = &*connection {
            return Ok(systemd.clone());
        }
        let systemd = Arc::new(Systemd::connect().await?);
        let names: Vec<&str> = self.all().map(|unit| unit.named.unit.as_str()).collect();
        systemd.hold(&names).await;
        *connection = Some(systemd.clone());
        Ok(systemd)
    }

    async fn is_lost(&self) {
        *self.connection.lock().await = None;
    }

    /// Looks at all of them, before anything of them is told.
    pub(crate) async fn look(&self) {
        for unit in self.all() {
            let stands = self.stands(unit).await;
            unit.take(stands);
        }
    }

    async fn stands(&self, unit: &Unit) -> Stands {
        let at = now();
        let looked = async {
            let systemd = self.systemd().await?;
            let (seen, state) = (systemd.unit(&unit.named.unit).await?, systemd.state().await?);
            Ok::<_, Error>((seen, state))
        };
        let (seen, state) = match looked.await {
            Ok(looked) => looked,
            Err(error) => {
                if matches!(error, Error::Lost(_)) {
                    self.is_lost().await;
                }
                return Stands::Unasked(error.to_string());
            }
        };
        if let Some(why) = not_to_be_judged(&unit.named.unit, &seen, &state) {
            return Stands::Unasked(why);
        }
        let known = match &*unit.seen() {
            Stands::Seen(last) if last.unit.main == seen.main => Some(last.on_request),
            Stands::Seen(_) | Stands::Unasked(_) => None,
        };
        let on_request = match known {
            Some(known) => known,
            None => was_signalled_on_request(&unit.named.unit, &seen).await,
        };
        let happenings = happenings(&seen, on_request);
        Stands::Seen(Box::new(Seen { at, unit: seen, on_request, happenings }))
    }

    /// A look at one as it is at this moment. What has happened to it is told by whoever watches it.
    pub(crate) async fn look_at(&self, unit: &Unit, generation: Generation) -> Observation {
        unit.observed(&self.stands(unit).await, generation)
    }
}

/// Of each of these units by its name: why it cannot be watched at this moment, if it cannot.
pub async fn hindered(named: Vec<Named>) -> Vec<(String, Option<String>)> {
    let units = Units::new("", named);
    units.look().await;
    let why = |unit: &Arc<Unit>| match &*unit.seen() {
        Stands::Unasked(why) => Some(why.clone()),
        Stands::Seen(_) => None,
    };
    units.all().map(|unit| (unit.named.name.clone(), why(unit))).collect()
}

impl Unit {
    pub(crate) fn unit(&self) -> &str {
        &self.named.unit
    }

    pub(crate) fn check(&self) -> Option<&Check> {
        self.named.check.as_ref()
    }

    pub(crate) fn running(&self) -> watch::Receiver<Option<SourceTime>> {
        self.runs.subscribe()
    }

    /// There is only ever one body of it.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation(self.named.unit.as_str().into())
    }

    /// How it stands, as was seen last.
    pub(crate) fn stands(&self, generation: Generation) -> Observation {
        let stands = self.seen().clone();
        self.observed(&stands, generation)
    }

    /// Takes a look in. Gives what happened since the last one, and whether there is news.
    fn take(&self, stands: Stands) -> (Vec<Happening>, bool) {
        let mut seen = self.seen();
        let news = match (&*seen, &stands) {
            (Stands::Seen(last), Stands::Seen(next)) => {
                next.happenings.iter().filter(|happening| !last.happenings.contains(happening)).cloned().collect()
            }
            (Stands::Seen(_) | Stands::Unasked(_), _) => Vec::new(),
        };
        let is_news = seen.differs(&stands);
        let life = match &stands {
            Stands::Seen(next) if run(&next.unit) == Run::Running => started(&next.unit),
            Stands::Seen(_) | Stands::Unasked(_) => None,
        };
        *seen = stands;
        drop(seen);
        self.runs.send_if_modified(|runs| std::mem::replace(runs, life) != life);
        (news, is_news)
    }

    fn observed(&self, stands: &Stands, generation: Generation) -> Observation {
        let fact = match stands {
            Stands::Unasked(why) => Fact::Unlooked(why.clone()),
            Stands::Seen(seen) => Fact::Looked(Box::new(self.look_of(seen))),
        };
        self.observation(fact, generation)
    }

    fn look_of(&self, seen: &Seen) -> Look {
        let Seen { at, unit, happenings, .. } = seen;
        let is_starting = unit.active == "activating" && unit.sub != "auto-restart";
        let (health, health_output) = match self.checkup.verdict(self.check(), started(unit)) {
            (Health::Unchecked, _) if is_starting => (Health::Starting, String::new()),
            verdict => verdict,
        };
        let kept = Kept { complete: true, source_started_since: false, happenings: happenings.clone() };
        Look {
            run: run(unit),
            started: started(unit),
            exit: exit(unit),
            health_output,
            restarts: unit.restarts,
            kept: Some(kept),
            ..Look::watched(*at, health, self.definition(unit))
        }
    }

    fn definition(&self, unit: &systemd::Unit) -> Arc<Definition> {
        // systemd never starts what somebody stopped.
        let restart_policy = if unit.restart == "no" { RestartPolicy::No } else { RestartPolicy::UnlessStopped };
        let patience = unit.stop_timeout.map(|patience| i64::try_from(patience.as_secs()).unwrap_or(i64::MAX));
        Arc::new(Definition {
            image: self.named.unit.clone(),
            config_hash: unit.fragment.clone(),
            belongs: Belongs::SystemdUnit,
            restart_policy,
            depends_on: self.named.depends_on.clone(),
            stop_timeout_s: patience.unwrap_or(-1),
            ..Definition::watched(&self.named.name)
        })
    }

    /// What its journal has since its last start.
    pub(crate) async fn read_log(&self) -> Result<Excerpt, String> {
        let since = match &*self.seen() {
            Stands::Seen(seen) => seen.unit.main.as_ref().map(|main| main.started_us),
            Stands::Unasked(_) => None,
        };
        let Some(since) = since else { return Ok(Excerpt::default()) };
        let Log { text, cut } = Log::read(&self.named.unit, since).await.map_err(|error| error.to_string())?;
        Ok(log::reduced(&text, cut))
    }

    fn seen(&self) -> MutexGuard<'_, Stands> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checked for Unit {
    fn checkup(&self) -> &Checkup {
        &self.checkup
    }

    fn look(&self) -> Look {
        match &*self.seen() {
            Stands::Seen(seen) => self.look_of(seen),
            // A check is asked of what runs alone, so that it was seen.
            Stands::Unasked(_) => Look::watched(now(), Health::Starting, self.definition(&systemd::Unit::default())),
        }
    }

    fn observation(&self, fact: Fact, generation: Generation) -> Observation {
        let (resource, incarnation) = (self.resource.clone(), self.incarnation());
        Observation { resource, incarnation, generation, fact }
    }
}

/// Tells what happens to the units of a host, until `stop`.
pub(crate) async fn watch<S>(host: Host, sink: Arc<S>, stop: CancellationToken)
where
    S: Fn(Input) -> Result<(), Overflow> + Send + Sync + 'static,
{
    let (generation, units) = (host.generation(), &host.0.units);
    let all: Vec<&Arc<Unit>> = units.all().collect();
    let names: Vec<&str> = all.iter().map(|unit| unit.unit()).collect();
    while !stop.is_cancelled() {
        let changes = async { units.systemd().await?.changes(&names).await };
        let mut changes = tokio::select! {
            () = stop.cancelled() => return,
            changes = changes => changes.ok(),
        };
        // What happened meanwhile is in no change.
        let mut changed: Vec<&Arc<Unit>> = all.clone();
        loop {
            for unit in changed {
                let stands = units.stands(unit).await;
                if tell(unit, stands, generation, &*sink).is_err() {
                    return stop.cancel();
                }
            }
            let Some(told) = &mut changes else { break };
            changed = tokio::select! {
                () = stop.cancelled() => return,
                which = told.next() => match which {
                    Some(which) => all.get(which).copied().into_iter().collect(),
                    None => break,
                },
                () = tokio::time::sleep(LOOK_EVERY) => all.clone(),
            };
        }
        units.is_lost().await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CONNECT_EVERY) => {}
        }
    }
}

fn tell<S>(unit: &Unit, stands: Stands, generation: Generation, sink: &S) -> Result<(), Overflow>
where
    S: Fn(Input) -> Result<(), Overflow>,
{
    let (news, is_news) = unit.take(stands);
    let push = |fact| sink(Input::Observed(unit.observation(fact, generation)));
    let asked = news.iter().find(|it| matches!(it.what, What::Signalled { .. } | What::Stopped)).map(|it| it.at);
    for happening in news {
        push(Fact::Happened(happening))?;
    }
    // What stops while its host shuts down is not looked at.
    if let Some(at) = asked {
        push(Fact::ApiOpenAfter(at))?;
    }
    if is_news {
        sink(Input::Observed(unit.stands(generation)))?;
    }
    Ok(())
}

/// Why a unit is not judged as it is, if it is not.
fn not_to_be_judged(name: &str, unit: &systemd::Unit, state: &str) -> Option<String> {
    let is_down = unit.active == "inactive";
    // It stops everything then, and nobody means any of it.
    if state == "stopping" {
        return Some("the host is shutting down".to_owned());
    }
    match unit.load.as_str() {
        "not-found" => return Some(format!("systemd knows no unit {name}")),
        "masked" if is_down => return Some(format!("{name} is masked: nobody can start it (systemctl unmask {name})")),
        "bad-setting" | "error" => {
            return Some(format!("systemd cannot read the file of {name}: see systemctl status"));
        }
        _ if unit.kind.is_empty() => return Some(format!("{name} is no service")),
        _ => {}
    }
    if unit.main.as_ref().is_some_and(|main| main.pid == std::process::id()) {
        return Some("it is healer itself".to_owned());
    }
    if unit.kind == "oneshot" && !unit.remains && is_down {
        return Some(format!("{name} is of Type=oneshot: it ends when its work is done, and nothing is kept running"));
    }
    if is_down && unit.has_job {
        return Some("systemd is about to start it".to_owned());
    }
    if run(unit) == Run::Created && matches!(state, "initializing" | "starting") {
        return Some("systemd is still starting the host".to_owned());
    }
    None
}

/// Whether somebody had it signalled by `systemctl kill`. Where the journal cannot tell, what was asked to end politely
/// counts as asked by somebody.
async fn was_signalled_on_request(name: &str, unit: &systemd::Unit) -> bool {
    let Some(main) = &unit.main else { return false };
    let Some(ended) = main.ended.filter(|it| it.by_signal && ENDING.contains(&it.status)) else { return false };
    if unit.was_stopped() {
        return false;
    }
    tokio::time::sleep(JOURNAL_LAGS).await;
    let told = systemd::was_signalled_on_request(name, main.started_us).await;
    told.unwrap_or(ended.status != KILL)
}

/// What happened to its last life. `on_request`: it was signalled by somebody through systemd.
fn happenings(unit: &systemd::Unit, on_request: bool) -> Vec<Happening> {
    let (started_us, ended_us) = (unit.main.as_ref().map(|main| main.started_us), ended_us(unit));
    let left_us = unit.left_active.map(|(at_us, _)| at_us).filter(|at_us| Some(*at_us) >= started_us);
    let was_stopped = unit.was_stopped();
    let asked_us = match (was_stopped, ended_us) {
        // What is not there cannot be signalled.
        (true, _) if unit.waited_for_its_restart() => None,
        (true, Some(ended_us)) => Some(left_us.map_or(ended_us, |at_us| at_us.min(ended_us))),
        (true, None) => left_us,
        (false, ended_us) => ended_us.filter(|_| on_request),
    };
    let stopped_us = ended_us.filter(|_| asked_us.is_some() || was_stopped);
    let stopped_us = stopped_us.map(|ended_us| unit.went_down.unwrap_or_default().max(ended_us));
    let code = exit(unit).map_or(0, |exit| exit.code);
    let order = [
        (started_us, What::Started),
        (asked_us, What::Signalled { signal: TERM, terminating: true }),
        (ended_us, What::Died { code }),
        (stopped_us, What::Stopped),
    ];
    order.into_iter().filter_map(|(at_us, what)| Some(Happening { at: time(at_us?), what })).collect()
}

/// When what is down has ended, in microseconds since the epoch.
fn ended_us(unit: &systemd::Unit) -> Option<u64> {
    let ended = unit.main.as_ref().and_then(|main| main.ended).map(|ended| ended.at_us);
    match (run(unit), ended) {
        (Run::Running | Run::Created | Run::Paused | Run::Removing, _) => None,
        // That its process ended was no end of it.
        (Run::Exited, _) if unit.remains => ended.max(unit.went_down),
        (Run::Exited | Run::Restarting, ended) => ended.or(unit.went_down),
    }
}

fn run(unit: &systemd::Unit) -> Run {
    match (unit.active.as_str(), unit.sub.as_str()) {
        ("activating", "auto-restart" | "auto-restart-queued") => Run::Restarting,
        ("failed", _) => Run::Exited,
        ("inactive", _) if unit.main.is_none() && unit.left_active.is_none() => Run::Created,
        ("inactive", _) => Run::Exited,
        _ => Run::Running,
    }
}

fn started(unit: &systemd::Unit) -> Option<SourceTime> {
    unit.main.as_ref().map(|main| time(main.started_us))
}

fn exit(unit: &systemd::Unit) -> Option<Exit> {
    if matches!(run(unit), Run::Running | Run::Created) {
        return None;
    }
    let (at, oom) = (time(ended_us(unit).unwrap_or_default()), unit.result == "oom-kill");
    let Some(ended) = unit.main.as_ref().and_then(|main| main.ended) else {
        let failed = unit.active == "failed";
        let error = if failed { format!("systemd could not start it: {}", unit.result) } else { String::new() };
        return Some(Exit { at, code: i32::from(failed), oom, error, start_error: None });
    };
    let error = if !ended.by_signal && NOT_MADE_READY.contains(&ended.status) {
        format!("systemd could not run its command: status {}{}", ended.status, step(ended.status))
    } else {
        String::new()
    };
    Some(Exit { at, code: code(unit, &ended), oom, error, start_error: None })
}

/// The code that it ended with, as a shell has it. What failed though its process ended with 0 (a protocol that was not
/// kept, a start that took too long) has failed all the same.
fn code(unit: &systemd::Unit, ended: &systemd::Ended) -> i32 {
    match (ended.by_signal, ended.status) {
        (true, signal) => BY_SIGNAL + signal,
        (false, 0) if unit.active == "failed" => 1,
        (false, status) => status,
    }
}

/// What systemd could not do, for the codes that are met most (systemd.exec(5), "Process Exit Codes").
fn step(status: i32) -> &'static str {
    match status {
        200 => ", its working directory cannot be entered",
        203 => ", its command is not there, or cannot be executed",
        209 => ", its output cannot be connected",
        216 => ", its group is not known",
        217 => ", its user is not known",
        226 => ", its mounts cannot be made",
        _ => "",
    }
}

fn time(us: u64) -> SourceTime {
    SourceTime(i64::try_from(us).unwrap_or(i64::MAX).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use systemd::{Ended, Main};

    use super::*;

    /// A service whose process was started at second 1, and ended at second 5.
    fn ended(active: &str, status: i32, by_signal: bool) -> systemd::Unit {
        let ended = Ended { at_us: 5_000_000, since_boot_us: 5_000, status, by_signal };
        let main = Some(Main { pid: 0, started_us: 1_000_000, ended: Some(ended) });
        // It leaves `active` after that: by itself.
        let left_active = Some((5_000_500, 5_500));
        let [load, kind, active] = ["loaded", "simple", active].map(str::to_owned);
        systemd::Unit { load, kind, active, main, left_active, ..systemd::Unit::default() }
    }

    fn stopped() -> systemd::Unit {
        systemd::Unit { left_active: Some((4_999_000, 4_000)), ..ended("inactive", 15, true) }
    }

    fn asked(unit: &systemd::Unit, on_request: bool) -> bool {
        happenings(unit, on_request).iter().any(|it| matches!(it.what, What::Signalled { .. }))
    }

    #[test]
    fn somebody_has_asked_what_was_stopped_or_signalled_through_systemd_and_nothing_else() {
        let table = [
            ("a stop", stopped(), false, true),
            ("systemctl kill", ended("inactive", 15, true), true, true),
            ("a signal past systemd", ended("inactive", 15, true), false, false),
            ("an end by itself", ended("inactive", 0, false), false, false),
            ("a crash", ended("failed", 3, false), false, false),
        ];
        for (name, unit, on_request, expect) in table {
            assert_eq!(asked(&unit, on_request), expect, "{name}");
        }
        let stops = happenings(&stopped(), false);
        let order: Vec<_> = stops.iter().map(|it| it.at).collect();
        assert!(order.is_sorted() && stops.last().is_some_and(|it| it.what == What::Stopped), "{stops:?}");
    }

    #[test]
    fn what_a_unit_does_and_how_it_ended() {
        let (sub, restarting) = ("auto-restart".to_owned(), ended("activating", 3, false));
        let restarting = systemd::Unit { sub, ..restarting };
        let never = systemd::Unit { main: None, left_active: None, ..ended("inactive", 0, false) };
        let no_main = systemd::Unit { main: None, ..ended("inactive", 0, false) };
        let out_of_memory = systemd::Unit { result: "oom-kill".to_owned(), ..ended("failed", 9, true) };
        let resources = systemd::Unit { main: None, result: "resources".to_owned(), ..ended("failed", 0, false) };
        let table = [
            ("a crash", ended("failed", 3, false), Run::Exited, Some((3, false, ""))),
            ("a kill", ended("failed", 9, true), Run::Exited, Some((137, false, ""))),
            ("out of memory", out_of_memory, Run::Exited, Some((137, true, ""))),
            ("a protocol that was not kept", ended("failed", 0, false), Run::Exited, Some((1, false, ""))),
            ("waits for its restart", restarting, Run::Restarting, Some((3, false, ""))),
            ("never started", never, Run::Created, None),
            ("of no main process", no_main, Run::Exited, Some((0, false, ""))),
            ("could not be", resources, Run::Exited, Some((1, false, "systemd could not start it: resources"))),
            ("is being stopped", ended("deactivating", 0, false), Run::Running, None),
        ];
        for (name, unit, expect, how) in table {
            let ended = exit(&unit);
            let told = ended.as_ref().map(|exit| (exit.code, exit.oom, exit.error.as_str()));
            assert_eq!((run(&unit), told), (expect, how), "{name}");
        }
        let no_command = exit(&ended("failed", 203, false)).unwrap().error;
        assert!(no_command.contains("status 203, its command is not there"), "{no_command}");
    }

    #[test]
    fn what_is_not_systemds_to_keep_running_is_not_judged() {
        let unit = |change: fn(&mut systemd::Unit)| {
            let mut unit = ended("inactive", 0, false);
            change(&mut unit);
            unit
        };
        let table = [
            ("an end", unit(|_| {}), "running", None),
            ("no such unit", unit(|unit| unit.load = "not-found".to_owned()), "running", Some("knows no unit")),
            ("masked", unit(|unit| unit.load = "masked".to_owned()), "running", Some("is masked")),
            ("a file with errors", unit(|unit| unit.load = "bad-setting".to_owned()), "running", Some("cannot read")),
            ("no service", unit(|unit| unit.kind.clear()), "running", Some("is no service")),
            ("a job", unit(|unit| unit.kind = "oneshot".to_owned()), "running", Some("Type=oneshot")),
            ("its turn comes", unit(|unit| unit.has_job = true), "running", Some("about to start it")),
            ("the host ends", unit(|_| {}), "stopping", Some("shutting down")),
            (
                "the host starts",
                unit(|unit| (unit.main, unit.left_active) = (None, None)),
                "starting",
                Some("starting the"),
            ),
            ("it ended before that was over", unit(|_| {}), "starting", None),
            ("it failed before that was over", unit(|unit| unit.active = "failed".to_owned()), "starting", None),
        ];
        for (name, unit, state, expect) in table {
            let why = not_to_be_judged("a.service", &unit, state);
            assert_eq!(why.is_some(), expect.is_some(), "{name}: {why:?}");
            assert!(expect.is_none_or(|says| why.unwrap_or_default().contains(says)), "{name}");
        }
    }
}
