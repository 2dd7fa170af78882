//! One table for two engines: what each cause shows in the engine's events, what is there afterwards, and what the ledger of
//! intents makes of it, as measured (facts/docker.md; facts/intent.md, B1–B4). The simulated engine must show it, and so
//! must the real one (healer's tests from outside).

use model::fact::{RestartPolicy, Run, What};
use model::intent::Wanted;
use model::settings::{Mode, Settings};

use crate::Plan;
use crate::docker::{By, Defect, Key};
use crate::healer::CrashPoint;
use crate::people::Deed;
use crate::world::{Ev, World};

/// Something that happens to a container, or to its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `docker stop`.
    Stop,
    /// `docker stop`, twice at once.
    StopTwice,
    /// `docker kill`.
    Kill,
    /// `docker kill -s TERM`.
    Term,
    /// `docker kill -s HUP`, a reload.
    Hup,
    /// `docker restart`.
    Restart,
    /// `docker start`.
    Start,
    /// `docker pause`.
    Pause,
    /// `docker unpause`.
    Unpause,
    /// `docker rm -f`.
    Remove,
    /// The program ends by itself with this code.
    Ends(i32),
    /// It ends so at each start from here on, until the engine's own policy waits before the next.
    Loops(i32),
    /// The host kills it.
    HostKill,
    /// The kernel kills it for want of memory.
    OutOfMemory,
    /// healer ends.
    HealerEnds,
    /// healer begins.
    HealerBegins,
    /// The engine is ended in order, and started again.
    EngineRestarts,
    /// The engine is killed, its containers go on, and it is started again.
    EngineCrashes,
    /// Engine and containers are killed at once, and the engine is started again.
    PowerFails,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// In words, and unique.
    pub name: &'static str,
    /// The container's restart policy.
    pub policy: RestartPolicy,
    /// It does not end by TERM.
    pub deaf: bool,
    /// What happens, one after the other.
    pub causes: &'static [Cause],
    /// The events since the last cause, in the short words of [`word`]; `None` where the stream ends meanwhile.
    pub says: Option<&'static str>,
    /// What is there afterwards: `running`, `exited 137`, `gone`.
    pub then: &'static str,
    /// What the ledger says is wanted; `None` of what is gone.
    pub wanted: Option<Wanted>,
}

/// What an engine showed of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The events since the last cause.
    pub says: String,
    /// What is there.
    pub then: String,
    /// What the ledger says.
    pub wanted: Option<Wanted>,
}

const fn row(name: &'static str, causes: &'static [Cause], says: &'static str, then: &'static str) -> Row {
    let (policy, wanted) = (RestartPolicy::No, Some(Wanted::Running));
    Row { name, policy, deaf: false, causes, says: Some(says), then, wanted }
}

impl Row {
    const fn stopped(mut self) -> Row {
        self.wanted = Some(Wanted::Stopped);
        self
    }

    const fn gone(mut self) -> Row {
        self.wanted = None;
        self
    }

    const fn deaf(mut self) -> Row {
        self.deaf = true;
        self
    }

    const fn under(mut self, policy: RestartPolicy) -> Row {
        self.policy = policy;
        self
    }

    const fn unheard(mut self) -> Row {
        self.says = None;
        self
    }
}

use Cause::{
    Ends, EngineCrashes, EngineRestarts, HealerBegins, HealerEnds, HostKill, Hup, Kill, Loops, OutOfMemory, Pause,
    PowerFails, Remove, Restart, Start, Stop, StopTwice, Term, Unpause,
};
use RestartPolicy::{Always, OnFailure, UnlessStopped};

/// The rows.
pub const ROWS: &[Row] = &[
    row("docker stop", &[Stop], "K15 D143 S", "exited 143").stopped(),
    row("docker stop of what ignores TERM", &[Stop], "K15 K9 D137 S", "exited 137").deaf().stopped(),
    row("two stops overlap", &[StopTwice], "K15 K15 D143 S S", "exited 143").stopped(),
    row("docker kill", &[Kill], "K9 D137", "exited 137").stopped(),
    row("docker kill under unless-stopped", &[Kill], "K9 D137", "exited 137").under(UnlessStopped).stopped(),
    row("docker kill under always", &[Kill], "K9 D137", "exited 137").under(Always).stopped(),
    row("docker kill -s TERM", &[Term], "K15 D143", "exited 143").stopped(),
    row("docker restart", &[Restart], "K15 D143 S start restart", "running"),
    row("docker stop, then start", &[Stop, Start], "start", "running"),
    row("docker kill, then start", &[Kill, Start], "start", "running"),
    row("crash", &[Ends(3)], "D3", "exited 3"),
    row("the program ends with 0", &[Ends(0)], "D0", "exited 0"),
    row("crash under unless-stopped", &[Ends(3)], "D3 start", "running").under(UnlessStopped),
    row("crash under on-failure", &[Ends(3)], "D3 start", "running").under(OnFailure(0)),
    row("the program ends with 0 under on-failure", &[Ends(0)], "D0", "exited 0").under(OnFailure(0)),
    row("killed by the host", &[HostKill], "D137", "exited 137"),
    row("out of memory", &[OutOfMemory], "oom D137", "exited 137"),
    row("reload", &[Hup], "K1", "running"),
    row("reload, then killed by the host", &[Hup, HostKill], "D137", "exited 137").under(UnlessStopped),
    row("pause", &[Pause], "pause", "paused"),
    row("pause, then unpause", &[Pause, Unpause], "unpause", "running"),
    row("docker stop of what is paused", &[Pause, Stop], "K15 unpause D143 S", "exited 143").stopped(),
    row("docker stop of what has crashed leaves no trace", &[Ends(3), Stop], "", "exited 3"),
    row("docker kill of what has crashed leaves no trace", &[Ends(3), Kill], "", "exited 3"),
    row("docker stop while restarting", &[Loops(3), Stop], "S", "exited 3").under(UnlessStopped).stopped(),
    row("docker kill while restarting has no event", &[Loops(3), Kill], "", "exited 3").under(UnlessStopped).stopped(),
    row("docker rm -f", &[Remove], "K9 D137 destroy", "gone").gone(),
    row("docker stop, then rm", &[Stop, Remove], "destroy", "gone").gone(),
    // While healer is away, and the engine keeps its events.
    row("crash unseen", &[HealerEnds, Ends(3), HealerBegins], "", "exited 3"),
    row("killed by the host unseen", &[HealerEnds, HostKill, HealerBegins], "", "exited 137"),
    row("docker stop unseen", &[HealerEnds, Stop, HealerBegins], "", "exited 143").stopped(),
    row("docker kill unseen", &[HealerEnds, Kill, HealerBegins], "", "exited 137").stopped(),
    row("docker stop and start unseen", &[HealerEnds, Stop, Start, HealerBegins], "", "running"),
    row("stopped before, and started unseen", &[Stop, HealerEnds, Start, HealerBegins], "", "running"),
    // The engine comes back.
    row("engine restart", &[EngineRestarts], "", "exited 143").unheard(),
    row("engine restart under unless-stopped", &[EngineRestarts], "", "running").under(UnlessStopped).unheard(),
    row("engine restart under always", &[EngineRestarts], "", "running").under(Always).unheard(),
    row("stopped, then engine restart", &[Stop, EngineRestarts], "", "exited 143").stopped().unheard(),
    row("killed, then engine restart", &[Kill, EngineRestarts], "", "exited 137").stopped().unheard(),
    row("stopped under unless-stopped, then engine restart", &[Stop, EngineRestarts], "", "exited 143")
        .under(UnlessStopped)
        .stopped()
        .unheard(),
    row("stopped under always, then engine restart: the engine overrides it", &[Stop, EngineRestarts], "", "running")
        .under(Always)
        .stopped()
        .unheard(),
    row("reload, then engine restart", &[Hup, EngineRestarts], "", "exited 143").under(UnlessStopped).unheard(),
    row("engine crash", &[EngineCrashes], "", "exited 143").unheard(),
    row("engine crash under unless-stopped", &[EngineCrashes], "", "exited 143").under(UnlessStopped).unheard(),
    row("engine crash under always", &[EngineCrashes], "", "running").under(Always).unheard(),
    row("stopped, then engine crash", &[Stop, EngineCrashes], "", "exited 143").stopped().unheard(),
    row("power failure", &[PowerFails], "", "exited 255").unheard(),
    row("power failure under unless-stopped", &[PowerFails], "", "running").under(UnlessStopped).unheard(),
    row("stopped, then power failure", &[Stop, PowerFails], "", "exited 143").stopped().unheard(),
    row("reload, then power failure", &[Hup, PowerFails], "", "exited 255").under(UnlessStopped).unheard(),
];

/// An event in the short words of facts/intent.md; `None` for what a row is not about.
#[must_use]
pub fn word(what: &What) -> Option<String> {
    Some(match what {
        What::Signalled { signal, .. } => format!("K{signal}"),
        What::Died { code } => format!("D{code}"),
        What::Stopped => "S".to_owned(),
        What::Started => "start".to_owned(),
        What::Restarted => "restart".to_owned(),
        What::OutOfMemory => "oom".to_owned(),
        What::Paused => "pause".to_owned(),
        What::Unpaused => "unpause".to_owned(),
        What::Destroyed => "destroy".to_owned(),
        What::Created | What::Health(_) | What::Renamed { .. } | What::Updated | What::Attached => return None,
    })
}

/// Lets a row happen in the simulated engine (one of 20.10, or a newer one), with a healer beside it that only observes.
#[must_use]
pub fn play(row: &Row, is_newer: bool) -> Seen {
    let plan = Plan::default();
    let mut world = World::new(1, &plan);
    world.docker.is_newer = is_newer;
    let key = world.quiet(row);
    let mut told = 0;
    for cause in row.causes {
        told = world.docker.said.as_ref().map_or(0, Vec::len);
        world.befalls(key, *cause);
        world.passes(90_000);
    }
    let said = world.docker.said.iter().flatten().skip(told).filter(|(of, _)| *of == key);
    let says: Vec<String> = said.filter_map(|(_, what)| word(what)).collect();
    let container = &world.docker.containers[key];
    let then = match container.run {
        _ if container.gone => "gone".to_owned(),
        Run::Exited => format!("exited {}", container.exit.as_ref().map_or(-1, |exit| exit.code)),
        Run::Created => "created".to_owned(),
        Run::Running => "running".to_owned(),
        Run::Paused => "paused".to_owned(),
        Run::Restarting => "restarting".to_owned(),
        Run::Removing => "removing".to_owned(),
    };
    let resource = &world.services[0].resource;
    let leader = world.leader();
    let intent = leader.and_then(|healer| healer.turning.engine().state().intents.get(resource).cloned());
    let gone = container.gone;
    let says = in_the_old_order(&says).join(" ");
    Seen { says, then, wanted: intent.filter(|_| !gone).map(|intent| intent.wanted) }
}

/// Newer engines say `stop` before `die` (seen on 26.1 and 28.5), 20.10 says it after that: one table tells of both. The kernel
/// tells an engine of a lack of memory and of the end by two ways: `die` may come first (seen once on a busy 20.10).
#[must_use]
pub fn in_the_old_order(told: &[String]) -> Vec<String> {
    let mut says = told.to_vec();
    for at in 1..says.len() {
        let stops = says[..at].iter().rev().take_while(|said| *said == "S").count();
        if says[at].starts_with('D') {
            says[at - stops..=at].rotate_right(1);
        }
        if says[at] == "oom" && says[at - 1].starts_with('D') {
            says.swap(at - 1, at);
        }
    }
    says
}

impl World<'_> {
    /// A world of one running service and a healer that only observes, in which nothing else happens.
    fn quiet(&mut self, row: &Row) -> Key {
        self.stormy = false;
        self.reads_flag = true;
        self.docker.tells_its_start = true;
        self.docker.said = Some(Vec::new());
        self.settings = std::sync::Arc::new(Settings { mode: Mode::Observe, ..Settings::default() });
        let service = &mut self.services[0];
        service.template.restart_policy = row.policy;
        (service.checked, service.ignores_term, service.catches_term, service.term_ms) = (false, row.deaf, false, 100);
        let template = service.template.clone();
        let key = self.docker_create(0, template);
        self.docker_start(key, By::Person);
        self.after(1_000, Ev::BeginHealer);
        self.passes(20_000);
        key
    }

    fn befalls(&mut self, key: Key, cause: Cause) {
        let life = self.docker.containers[key].life;
        match cause {
            Stop => self.docker_stop(key, By::Person),
            StopTwice => {
                self.docker_stop(key, By::Person);
                self.docker_stop(key, By::Person);
            }
            Kill => self.docker_kill(key),
            Term => self.docker_term(key),
            Hup => self.docker_hup(key),
            Restart => self.deed(Deed::DockerRestart(0)),
            Start => self.docker_start(key, By::Person),
            Pause => self.docker_pause(key, true),
            Unpause => self.docker_pause(key, false),
            Remove => self.docker_remove(key),
            Ends(code) => self.dies(key, life, code, false),
            Loops(code) => {
                self.services[0].defect = Defect::Crashes { after_ms: 10, code };
                self.dies(key, life, code, false);
            }
            HostKill => self.dies(key, life, 137, false),
            OutOfMemory => self.dies(key, life, 137, true),
            HealerEnds => {
                let pids: Vec<u32> = self.healers.iter().map(|healer| healer.pid).collect();
                pids.into_iter().for_each(|pid| self.kill_healer(pid, CrashPoint::InOrder));
            }
            HealerBegins => self.begin_healer(),
            EngineRestarts => self.engine_stops(),
            EngineCrashes => self.engine_crashes(),
            PowerFails => self.power_loss(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_simulated_engine_shows_every_row() {
        let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        let each = ROWS.iter().flat_map(|row| [(row, false), (row, true)]);
        let wrong: Vec<String> = each
            .filter_map(|(row, is_newer)| {
                let seen = play(row, is_newer);
                let says = row.says.unwrap_or(&seen.says).to_owned();
                let expect = Seen { says, then: row.then.to_owned(), wanted: row.wanted };
                (seen != expect)
                    .then(|| format!("{}, newer: {is_newer}:\n  expected {expect:?}\n  seen     {seen:?}", row.name))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
