//! Every row of the table that the simulated engine shows (`sim::table`), on the real one: the events of each cause, what is
//! there afterwards, and what healer's ledger makes of it. healer only observes here.

use model::fact::RestartPolicy;
use model::intent::Wanted;
use sim::table::{Cause, ROWS, Row, Seen, in_the_old_order};

use crate::docker::kill_from_the_host;
use crate::power::Power;
use crate::rig::{Rig, SOON, until, wait_for};

/// What obeys the files that it is given; it ends by TERM with 143, or not at all.
const PROGRAM: &str = "trap '' HUP; [ -f /loop ] && exit $(cat /loop); while sleep 0.1; do \
    [ -f /end ] && { c=$(cat /end); rm /end; exit $c; }; [ -f /oom ] && { rm /oom; exec tail /dev/zero; }; done";
/// The engine waits ever longer before it restarts a loop: at this count for long enough to be caught waiting.
const RESTARTS_UNTIL_IT_WAITS: u64 = 5;

/// A row under way.
struct Run<'a> {
    row: &'a Row,
    project: String,
    id: String,
    /// How many events there were before the last cause.
    told: usize,
}

struct Table<'a> {
    rig: Rig,
    power: Power,
    runs: Vec<Run<'a>>,
}

/// Lets the rows of one kind happen, cause by cause, and compares each with what was expected.
fn show(name: &str, of_kind: impl Fn(&Row) -> bool) {
    let Some(rig) = Rig::bare(name, "mode: observe\n") else { return };
    let power = Power::of(&rig.engine);
    let mut table = Table { rig, power, runs: Vec::new() };
    for row in ROWS.iter().filter(|row| of_kind(row)) {
        table.begin(row);
    }
    table.rig.healer.start();
    wait_for("healer knows them all", SOON, || {
        table.runs.iter().all(|run| table.seen(run).wanted.is_some()).then_some(())
    });
    // What befalls healer or its engine befalls all rows at once.
    let shared: Vec<Cause> = table.runs[0].row.causes.iter().copied().filter(is_shared).collect();
    table.befall_each(0);
    for (phase, cause) in (1..).zip(shared) {
        if matches!(cause, Cause::EngineRestarts | Cause::EngineCrashes | Cause::PowerFails) {
            table.healer_has_heard_of_it();
        }
        table.befalls_all(cause);
        table.befall_each(phase);
    }
    table.compare();
}

impl<'a> Table<'a> {
    fn begin(&mut self, row: &'a Row) {
        let project = format!("row{}", self.runs.len());
        let policy = match row.policy {
            RestartPolicy::No => "no".to_owned(),
            RestartPolicy::OnFailure(0) => "on-failure".to_owned(),
            RestartPolicy::OnFailure(max) => format!("on-failure:{max}"),
            RestartPolicy::UnlessStopped => "unless-stopped".to_owned(),
            RestartPolicy::Always => "always".to_owned(),
        };
        let term = if row.deaf { "trap '' TERM" } else { "trap 'exit 143' TERM" };
        let id = self.create(&project, &policy, &format!("{term}; {PROGRAM}"));
        self.runs.push(Run { row, project, id, told: 0 });
    }

    /// A running container that is a Compose service by its labels.
    fn create(&self, project: &str, policy: &str, program: &str) -> String {
        let label = |key: &str, value: &str| format!("--label=com.docker.compose.{key}={value}");
        let labels = [
            label("project", project),
            label("service", "web"),
            label("container-number", "1"),
            label("oneoff", "False"),
            label("config-hash", "c1"),
        ];
        let mut words = vec!["run", "--detach", "--memory=16m", "--stop-timeout=1", "--restart", policy];
        words.extend(labels.iter().map(String::as_str));
        words.extend(["healer-test:1", "sh", "-c", program]);
        self.rig.engine.docker(&words).trim().to_owned()
    }

    /// Waits until healer has heard of all that has happened so far: `docker stop` is over before its last event is
    /// delivered, and an engine that is killed then delivers it to nobody. Events come in order, so one more does it.
    fn healer_has_heard_of_it(&self) {
        self.create("heard", "no", "exec sleep 1000");
        wait_for("healer has heard of what happened", SOON, || self.wanted("heard"));
    }

    /// What befalls each row between what befalls all of them.
    fn befall_each(&mut self, phase: usize) {
        for at in 0..self.runs.len() {
            let causes = self.runs[at].row.causes.split(is_shared).nth(phase).unwrap_or_default();
            for cause in causes {
                self.runs[at].told = self.rig.events.told(&self.runs[at].id).len();
                self.befalls(&self.runs[at], *cause);
            }
        }
    }

    fn befalls_all(&mut self, cause: Cause) {
        for run in &mut self.runs {
            run.told = self.rig.events.told(&run.id).len();
        }
        match cause {
            Cause::HealerEnds => assert!(self.rig.healer.stop().success()),
            Cause::HealerBegins => self.rig.healer.start(),
            Cause::EngineRestarts => drop((self.power.stop(), self.power.start())),
            Cause::EngineCrashes => drop((self.power.crash(), self.power.start())),
            Cause::PowerFails => drop((self.power.fail(), self.power.start())),
            Cause::Stop
            | Cause::StopTwice
            | Cause::Kill
            | Cause::Term
            | Cause::Hup
            | Cause::Restart
            | Cause::Start
            | Cause::Pause
            | Cause::Unpause
            | Cause::Remove
            | Cause::Ends(_)
            | Cause::Loops(_)
            | Cause::HostKill
            | Cause::OutOfMemory => unreachable!("it befalls one row"),
        }
    }

    fn befalls(&self, run: &Run<'_>, cause: Cause) {
        let (engine, id) = (&self.rig.engine, run.id.as_str());
        let tells = |file: &str, text: &str| {
            let script = format!("echo {text} > /new && mv /new /{file}");
            engine.docker(&["exec", id, "sh", "-c", &script]);
        };
        match cause {
            Cause::Stop => drop(engine.docker(&["stop", id])),
            Cause::StopTwice => {
                let mut first = engine.command("docker").args(["stop", id]).spawn().expect("docker can be run");
                engine.docker(&["stop", id]);
                assert!(first.wait().expect("it is our child").success());
            }
            // Of what is down it fails, and leaves no trace.
            Cause::Kill => drop(engine.command("docker").args(["kill", id]).output()),
            Cause::Term => drop(engine.docker(&["kill", "--signal=TERM", id])),
            Cause::Hup => drop(engine.docker(&["kill", "--signal=HUP", id])),
            Cause::Restart => drop(engine.docker(&["restart", id])),
            Cause::Start => drop(engine.docker(&["start", id])),
            Cause::Pause => drop(engine.docker(&["pause", id])),
            Cause::Unpause => drop(engine.docker(&["unpause", id])),
            Cause::Remove => drop(engine.docker(&["rm", "--force", id])),
            Cause::Ends(code) => tells("end", &code.to_string()),
            Cause::OutOfMemory => tells("oom", ""),
            Cause::Loops(code) => {
                tells("loop", &code.to_string());
                tells("end", &code.to_string());
                wait_for("the engine waits before it restarts it", SOON, || {
                    let state = engine.docker(&["inspect", "--format", "{{.RestartCount}} {{.State.Status}}", id]);
                    let (count, status) = state.trim().split_once(' ')?;
                    let waits = status == "restarting" && count.parse::<u64>().ok()? >= RESTARTS_UNTIL_IT_WAITS;
                    waits.then_some(())
                });
            }
            Cause::HostKill => {
                let pid = engine.docker(&["inspect", "--format", "{{.State.Pid}}", id]);
                kill_from_the_host(pid.trim().parse().expect("it is a number"));
            }
            Cause::HealerEnds
            | Cause::HealerBegins
            | Cause::EngineRestarts
            | Cause::EngineCrashes
            | Cause::PowerFails => {}
        }
        // The next cause meets what this one has left.
        let leaves: &[&str] = match cause {
            Cause::Loops(_) => return,
            Cause::Stop | Cause::StopTwice | Cause::Kill | Cause::Term => &["exited"],
            Cause::Ends(_) | Cause::HostKill | Cause::OutOfMemory if run.row.policy == RestartPolicy::No => &["exited"],
            Cause::Ends(_) | Cause::HostKill | Cause::OutOfMemory => &["exited", "running"],
            Cause::Hup | Cause::Restart | Cause::Start | Cause::Unpause => &["running"],
            Cause::Pause => &["paused"],
            Cause::Remove => &["gone"],
            Cause::HealerEnds
            | Cause::HealerBegins
            | Cause::EngineRestarts
            | Cause::EngineCrashes
            | Cause::PowerFails => unreachable!("it befalls all rows at once"),
        };
        wait_for(&format!("{}: {cause:?} is over", run.row.name), SOON, || {
            let then = self.then(run);
            leaves.iter().any(|left| then.starts_with(left)).then_some(())
        });
    }

    fn then(&self, run: &Run<'_>) -> String {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let out = self.rig.engine.command("docker").args(["inspect", "--format", format, &run.id]).output();
        let out = out.expect("docker can be run");
        if !out.status.success() {
            return "gone".to_owned();
        }
        let said = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        if said.starts_with("exited") { said } else { said.split(' ').next().unwrap_or_default().to_owned() }
    }

    fn seen(&self, run: &Run<'_>) -> Seen {
        let told = self.rig.events.told(&run.id);
        let wanted = self.wanted(&run.project);
        let then = self.then(run);
        let says = in_the_old_order(&told[run.told.min(told.len())..]).join(" ");
        Seen { says, wanted: wanted.filter(|_| then != "gone"), then }
    }

    fn wanted(&self, project: &str) -> Option<Wanted> {
        let short = format!("{project}/web");
        let all = self.rig.healer.status().deployments.into_iter().flat_map(|deployment| deployment.resources);
        all.into_iter().find(|resource| resource.short == short)?.intent.map(|intent| intent.wanted)
    }

    /// Waits until all is as the table says, and names what is not.
    fn compare(&self) {
        let wrong = || -> Vec<String> {
            let compared = self.runs.iter().filter_map(|run| {
                let seen = self.seen(run);
                let says = run.row.says.unwrap_or(&seen.says).to_owned();
                let expect = Seen { says, then: run.row.then.to_owned(), wanted: run.row.wanted };
                (seen != expect).then(|| format!("{}:\n  expected {expect:?}\n  seen     {seen:?}", run.row.name))
            });
            compared.collect()
        };
        if until(SOON, || wrong().is_empty().then_some(())).is_none() {
            panic!("{}", wrong().join("\n"));
        }
    }
}

/// Whether it befalls all rows at once.
fn is_shared(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::HealerEnds | Cause::HealerBegins | Cause::EngineRestarts | Cause::EngineCrashes | Cause::PowerFails
    )
}

#[test]
fn the_real_engine_shows_every_row_that_happens_before_healers_eyes() {
    show("table", |row| !row.causes.iter().any(is_shared));
}

#[test]
fn the_real_engine_shows_every_row_that_happens_while_healer_is_away() {
    show("away", |row| row.causes.contains(&Cause::HealerEnds));
}

#[test]
fn the_real_engine_shows_every_row_of_its_own_restart() {
    show("restart", |row| row.causes.contains(&Cause::EngineRestarts));
}

#[test]
fn the_real_engine_shows_every_row_of_its_own_crash() {
    show("crash", |row| row.causes.contains(&Cause::EngineCrashes));
}

#[test]
fn the_real_engine_shows_every_row_of_a_power_failure() {
    show("power", |row| row.causes.contains(&Cause::PowerFails));
}
