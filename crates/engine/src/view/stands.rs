//! How one resource stands, and the command that settles it, if a person should.

use std::time::Duration;

use model::action::{Action, Pair};
use model::fact::{Health, Run};
use model::incident::{Outcome, Phase};
use model::intent::{Author, Intent, Wanted};
use model::probe::Probed;
use model::time::Spoken;
use model::verdict::{Hold, Refusal};
use model::view::Standing;
use model::{Now, ResourceId};

use super::{ago, moment, to_wall};
use crate::incident::Incident;
use crate::world::Body;
use crate::{Engine, plan, tell};

/// A group's budget that has room again within so long is waited for; else whoever wants it sooner has to start it.
const BUDGET_SOON: Duration = Duration::from_secs(120);

/// How what an incident is about stands by its phase.
pub(super) fn standing_of(phase: &Phase, now: Now) -> Standing {
    match phase {
        Phase::AwaitingApproval { .. } | Phase::Escalated { .. } => Standing::NeedsYou,
        Phase::Held { reason: Hold::GroupBudget { .. }, until } if until.since(now.tick) > BUDGET_SOON => {
            Standing::NeedsYou
        }
        Phase::Held { .. } => Standing::Held,
        Phase::Resolved { outcome: Outcome::StoppedByOwner, .. } => Standing::Stopped,
        Phase::Resolved { .. } => Standing::Well,
        Phase::Diagnosing { .. }
        | Phase::Planning { .. }
        | Phase::Acting { .. }
        | Phase::Verifying { .. }
        | Phase::RollingBack { .. } => Standing::Healing,
    }
}

/// How a resource stands, and why, in one line.
pub(super) fn stands(
    engine: &Engine,
    id: &ResourceId,
    intent: Option<&Intent>,
    body: Option<&Body>,
    incident: Option<&Incident>,
    now: Now,
) -> (Standing, String) {
    if let Some(incident) = incident {
        let cause = incident.diagnosis.as_ref().map_or(incident.because.as_str(), |diagnosis| &diagnosis.title);
        let how = how(incident, now);
        let standing = standing_of(&incident.phase, now);
        // The standing says already who is needed.
        return (standing, format!("{cause}; {}", how.strip_prefix("needs you: ").unwrap_or(&how)));
    }
    let Some(body) = body else {
        return unseen(intent);
    };
    if let Some(because) = &body.unlooked {
        return (Standing::Unseen, format!("it cannot be looked at: {because}"));
    }
    let up = matches!(body.run, Run::Running | Run::Paused);
    if let Some(refusal) = engine.not_ours(id) {
        let state = if up { "running" } else { "down" };
        return (Standing::Watched, format!("{state}; {refusal}"));
    }
    match (up, intent.map(|intent| (intent.wanted, intent))) {
        (true, Some((Wanted::Stopped, intent))) if runs_against_its_stop(engine, id, now) => {
            (Standing::Held, against_its_stop(intent, now))
        }
        (true, Some((Wanted::Stopped, intent))) => (Standing::Stopped, format!("being stopped: {}", intent.because)),
        (true, _) if body.run == Run::Paused => (Standing::Held, "paused".to_owned()),
        (true, _) if id.is_only_watched() && body.health == Health::Starting => {
            (Standing::Unknown, "no answer has come yet".to_owned())
        }
        (true, _) => (Standing::Well, well_in_words(body)),
        (false, Some((Wanted::Stopped, intent))) => (Standing::Stopped, intent.because.clone()),
        // That it ended well says nothing where it may have been stopped: so ends what goes down with its host.
        (false, Some((Wanted::Unknown, intent)))
            if intent.by == Author::Evidence && !engine.world.is_awaited_job(id) =>
        {
            (Standing::Unknown, intent.because.clone())
        }
        (false, _) if engine.is_done_job(id) => (Standing::Done, "a job that is done: it ended with 0".to_owned()),
        (false, Some((Wanted::Running, _))) => (Standing::Held, "down; being looked at".to_owned()),
        (false, Some((Wanted::Unknown, intent))) => (Standing::Unknown, intent.because.clone()),
        (false, None) => (Standing::Unknown, "made, and not started yet".to_owned()),
    }
}

fn well_in_words(body: &Body) -> String {
    match (body.disk(), body.probe()) {
        (Some(disk), _) => disk.to_string(),
        (None, Some(probe)) => passes(probe),
        (None, None) => "running".to_owned(),
    }
}

fn passes(probe: &Probed) -> String {
    let took = probe.took_ms.map(|(p50, p95)| format!(", p50 {p50} ms, p95 {p95} ms"));
    let figures = if probe.figures.is_empty() { String::new() } else { format!(": {}", probe.figures) };
    format!("it passes{}{figures}", took.unwrap_or_default())
}

/// How an incident stands at this moment, in one clause: what it waits for, with when that is.
pub(crate) fn how(incident: &Incident, now: Now) -> String {
    match &incident.phase {
        Phase::Held { reason: Hold::Backoff { attempt, .. }, until } => {
            // Whole seconds: it is looked at by persons, again and again.
            match until.since(now.tick).as_secs() {
                0 => format!("held: attempt {attempt} is due"),
                left_s => format!("held: attempt {attempt} in {}", Spoken(Duration::from_secs(left_s))),
            }
        }
        Phase::Verifying { until, .. } if incident.body_of_open_pair().is_none() => {
            format!("running again, must hold until {}", moment(now.wall_at(*until)))
        }
        Phase::Held { .. }
        | Phase::Verifying { .. }
        | Phase::Diagnosing { .. }
        | Phase::Planning { .. }
        | Phase::AwaitingApproval { .. }
        | Phase::Acting { .. }
        | Phase::RollingBack { .. }
        | Phase::Escalated { .. }
        | Phase::Resolved { .. } => tell::standing(incident),
    }
}

/// What the ledger alone can say.
fn unseen(intent: Option<&Intent>) -> (Standing, String) {
    match intent.map(|intent| (intent.wanted, intent)) {
        Some((Wanted::Stopped, intent)) => (Standing::Stopped, intent.because.clone()),
        Some((Wanted::Running, intent)) => (Standing::Unseen, format!("it shall run: {}", intent.because)),
        Some((Wanted::Unknown, intent)) => (Standing::Unknown, format!("nobody can tell: {}", intent.because)),
        None => (Standing::Unknown, "not seen at present".to_owned()),
    }
}

/// Whether it runs although it shall be stopped, and nobody is about to stop it: an engine starts what has the policy
/// `always` when it starts itself, and a stop may fail.
fn runs_against_its_stop(engine: &Engine, id: &ResourceId, now: Now) -> bool {
    let Some((_, body)) = engine.world.body(id) else { return false };
    let Some(intent) = engine.state.intents.get(id).filter(|intent| intent.wanted == Wanted::Stopped) else {
        return false;
    };
    if !body.is_up() || engine.not_ours(id).is_some() || engine.persons_act_under_way(id) {
        return false;
    }
    let said = intent.source_at.map_or(intent.at.wall, to_wall);
    let started_since = body.started.is_some_and(|started| to_wall(started) > said);
    let step = plan::step(Action::Stop, id, body.definition.as_deref(), Pair::None);
    started_since || now.wall.since(intent.at.wall).as_millis() > u128::from(step.timeout_ms)
}

fn against_its_stop(intent: &Intent, now: Now) -> String {
    let ago = ago(intent, now);
    let who = match &intent.by {
        Author::Person(who) => format!("{who} stopped it {ago} ago"),
        Author::SomebodyAtTheEngine => format!("somebody stopped it {ago} ago"),
        Author::FirstSight | Author::Evidence | Author::Configuration => {
            format!("it shall be stopped since {ago} ({})", intent.because)
        }
    };
    format!("runs, although {who}; healer neither stops it nor heals it")
}

/// The one command that settles what a person should settle.
pub(super) fn remedy(
    engine: &Engine,
    id: &ResourceId,
    standing: Standing,
    incident: Option<&Incident>,
    now: Now,
) -> Option<String> {
    match (standing, incident) {
        (Standing::NeedsYou, Some(incident)) if matches!(incident.phase, Phase::AwaitingApproval { .. }) => {
            Some(format!("healer approve {}", incident.id))
        }
        (Standing::Held, Some(Incident { phase: Phase::Held { reason: Hold::MountMissing { mount }, .. }, .. })) => {
            Some(format!("mount {mount}"))
        }
        (Standing::Unknown, _) if id.is_only_watched() => None,
        (Standing::NeedsYou, _) if id.is_disk() => Some(
            "healer disks   (what fills it and what may go; that there is room again healer notes by itself)"
                .to_owned(),
        ),
        // That it passes again is noted by itself.
        (Standing::NeedsYou, _) if id.is_probe() => None,
        (Standing::NeedsYou, _) => Some(format!("healer start {}   (once it is mended)", engine.name_of(id))),
        // What is not there cannot be started.
        (Standing::Unknown, _) if engine.world.body(id).is_none() => None,
        (Standing::Unknown, _) => {
            Some(format!("healer start {0}   (or, to leave it down: healer adopt {0})", engine.name_of(id)))
        }
        (Standing::Watched, _) if engine.not_ours(id) == Some(Refusal::NotAdopted) => {
            Some(format!("healer adopt {}", engine.name_of(id)))
        }
        (Standing::Held, None) if runs_against_its_stop(engine, id, now) => {
            Some(format!("healer stop {0}   (or, to let it run: healer start {0})", engine.name_of(id)))
        }
        (
            Standing::Healing
            | Standing::Held
            | Standing::Unseen
            | Standing::Well
            | Standing::Stopped
            | Standing::Absent
            | Standing::Done
            | Standing::Watched,
            _,
        ) => None,
    }
}
