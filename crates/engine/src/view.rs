//! What surfaces show, made from the engine's state; complete sentences, no layout.

use std::collections::BTreeMap;
use std::time::Duration;

use model::alert::Alert;
use model::event::{Entry, Event};
use model::fact::{Health, Run};
use model::incident::{Escalation, IncidentId, Mend, Phase, RollbackCause};
use model::intent::{Author, Intent, Wanted};
use model::resource::NO_DEPLOYMENT;
use model::suggestion::Suggestion;
use model::time::Spoken;
use model::view::{Deployment, Incident as IncidentView, Next, Resource, Source, Standing, Status, Why};
use model::{Now, ResourceId, Wall};

use crate::incident::Incident;
use crate::{Engine, folders};

mod explain;
mod meant;
mod moment;
mod question;
mod stands;
mod story;
#[cfg(test)]
mod tests;

pub use explain::{Sight, explain, policies};
pub(crate) use meant::named;
pub use meant::{Unclear, meant, told_apart};
pub use moment::moment;
pub use question::question;
pub(crate) use stands::how;
pub use story::{is_evidence, lines, lines_of};

/// What a remote engine does not tell, and what follows.
const UNTOLD_START: &str = "a remote engine does not tell when it was started (best effort): after a restart that healer \
                            does not see, it starts only what surely nobody stopped";
/// Of the services that were not touched, so many are named.
const UNTOUCHED_MAX: usize = 5;

/// The whole, at one moment.
#[must_use]
pub fn status(engine: &Engine, now: Now) -> Status {
    let mut grouped: BTreeMap<(String, String), Vec<Resource>> = BTreeMap::new();
    for id in known(engine) {
        let resource = resource(engine, &id, now);
        grouped.entry((id.host().to_owned(), id.deployment().to_owned())).or_default().push(resource);
    }
    let whole = |((host, name), resources): ((String, String), Vec<Resource>)| {
        let folder = engine.world.folder(&host, &name).map(folders::directory);
        Deployment { folder, ..deployment(host, name, resources) }
    };
    let mut deployments: Vec<Deployment> = grouped.into_iter().map(whole).collect();
    deployments.extend(engine.world.without_containers().map(folders::view));
    deployments.sort_by(|a, b| (a.standing, &a.name).cmp(&(b.standing, &b.name)));
    Status {
        instance: engine.settings.instance.clone(),
        version: engine.version.clone(),
        now,
        running_since: engine.state.started.map(|started| started.wall),
        mode: engine.settings.mode,
        frozen: engine.state.frozen.clone(),
        warnings: warnings(engine),
        sources: sources(engine),
        recoveries: engine.recoveries_in_view(now),
        deployments,
        next: next(engine, now),
        waiting: waiting(engine),
    }
}

/// Every resource that is seen, or was spoken of.
fn known(engine: &Engine) -> Vec<ResourceId> {
    let mut ids: Vec<ResourceId> = engine.world.resources().chain(engine.state.intents.keys()).cloned().collect();
    ids.sort();
    ids.dedup();
    ids
}

fn deployment(host: String, name: String, mut resources: Vec<Resource>) -> Deployment {
    resources.sort_by(|a, b| (a.standing, &a.id).cmp(&(b.standing, &b.id)));
    let first = resources.first();
    let standing = first.map_or(Standing::Well, |resource| resource.standing);
    let since = match standing {
        Standing::Well => resources.iter().filter_map(|resource| resource.since).max(),
        Standing::NeedsYou
        | Standing::Healing
        | Standing::Held
        | Standing::Unknown
        | Standing::Unseen
        | Standing::Stopped
        | Standing::Absent
        | Standing::Done
        | Standing::Watched => first.and_then(|resource| resource.since),
    };
    let why = match first {
        None => String::new(),
        Some(first) if resources.len() == 1 || standing == Standing::Well => first.why.clone(),
        Some(first) => format!("{}: {}", first.id.service(), first.why),
    };
    let wanted: Vec<&str> = resources
        .iter()
        .filter(|resource| resource.standing != Standing::Done)
        .map(|resource| resource.intent.as_ref().map_or("unknown", |intent| intent.wanted.word()))
        .collect();
    let wanted = match wanted.split_first() {
        None => "running".to_owned(),
        Some((first, rest)) if rest.iter().all(|other| other == first) => (*first).to_owned(),
        Some(_) => "mixed".to_owned(),
    };
    let is_watched = resources.first().is_some_and(|resource| resource.id.is_only_watched());
    let why = if standing == Standing::Well && !is_watched { well_in_words(&resources) } else { why };
    Deployment { name, host, standing, wanted, since, why, resources, folder: None }
}

fn well_in_words(resources: &[Resource]) -> String {
    let checked = resources.iter().filter(|resource| resource.health == Some(Health::Healthy)).count();
    let running = resources.iter().filter(|resource| resource.run == Some(Run::Running)).count();
    let checks = match checked {
        0 => String::new(),
        1 if running == 1 => ", healthy".to_owned(),
        n => format!(", {n} healthy by their checks"),
    };
    match running {
        1 => format!("running{checks}"),
        n => format!("{n} containers run{checks}"),
    }
}

/// One resource, as it stands.
#[must_use]
pub fn resource(engine: &Engine, id: &ResourceId, now: Now) -> Resource {
    let intent = engine.state.intents.get(id);
    let body = engine.world.body(id);
    let seen = body.filter(|(_, body)| body.unlooked.is_none());
    let incident = engine.state.open_incident(id);
    let (standing, why) = stands::stands(engine, id, intent, body.map(|(_, body)| body), incident, now);
    let since = match (incident, intent) {
        (Some(incident), _) => Some(incident.phase_since.wall),
        (None, _) if standing == Standing::Well => body.and_then(|(_, body)| body.started).map(to_wall),
        (None, Some(intent)) => Some(intent.source_at.map_or(intent.at.wall, to_wall)),
        (None, None) => body.and_then(|(_, body)| body.exit.as_ref()).map(|exit| to_wall(exit.at)),
    };
    let remedy = stands::remedy(engine, id, standing, incident, now);
    Resource {
        id: id.clone(),
        short: id.short().to_owned(),
        standing,
        run: seen.map(|(_, body)| body.run),
        health: seen.map(|(_, body)| body.health),
        intent: intent.cloned(),
        since: since.filter(|since| since.0 <= now.wall.0 + 60_000),
        why,
        incident: incident.map(|incident| incident.id.clone()),
        image: body.and_then(|(_, body)| body.definition.as_ref()).map(|d| d.image.clone()).unwrap_or_default(),
        incarnation: body.map(|(incarnation, _)| incarnation.short().to_owned()),
        remedy,
    }
}

/// How long ago an intent was said, in whole seconds.
fn ago(intent: &Intent, now: Now) -> Spoken {
    let said = intent.source_at.map_or(intent.at.wall, to_wall);
    Spoken(Duration::from_secs(now.wall.since(said).as_secs()))
}

fn to_wall(at: model::fact::SourceTime) -> model::Wall {
    model::Wall(at.0.div_euclid(1_000_000))
}

/// The sources, as they stand: less than the whole, for whoever asks often.
#[must_use]
pub fn sources(engine: &Engine) -> Vec<Source> {
    engine
        .world
        .sources()
        .map(|(name, source)| {
            let because = match (&source.because, source.generation, source.listed) {
                (because, _, _) if !because.is_empty() => because.clone(),
                (_, _, _) if source.closing => "the engine is shutting down".to_owned(),
                (_, None, _) => "connecting".to_owned(),
                (_, Some(_), false) => "listing what is there".to_owned(),
                (_, Some(_), true) => match engine.world.unlooked(name) {
                    (_, None) => String::new(),
                    (n, Some(because)) => {
                        let (one, more) = if crate::recovery::is_host(name) {
                            ("service", "services")
                        } else {
                            ("container", "containers")
                        };
                        match n {
                            1 => format!("one {one} cannot be looked at: {because}"),
                            n => format!("{n} {more} cannot be looked at; of one: {because}"),
                        }
                    }
                },
            };
            let tells = source.generation.is_none() || engine.state.recoveries.tells_its_start(name);
            let untold = if tells { String::new() } else { UNTOLD_START.to_owned() };
            Source { name: name.to_owned(), well: because.is_empty(), because, untold }
        })
        .collect()
}

fn warnings(engine: &Engine) -> Vec<String> {
    let mut warnings: Vec<String> = engine.live.warnings.values().cloned().collect();
    if engine.store_full {
        warnings.push(
            "the disk of the state directory is full: healer only watches until there is room for its journal"
                .to_owned(),
        );
    }
    warnings.extend(engine.world.missing_in_use().into_iter().map(|(mount, users)| {
        let (first, more) = (users[0].short(), users.len() - 1);
        let others = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{mount} is in /etc/fstab of {} and not mounted: {first}{others} needs it", users[0].host())
    }));
    if !engine.leads {
        warnings.push("another healer has taken the lead: this one only watches".to_owned());
    }
    warnings
}

fn next(engine: &Engine, now: Now) -> Vec<Next> {
    let mut next: Vec<Next> = engine
        .state
        .open_incidents()
        .filter_map(|incident| {
            let due = incident.phase.deadline()?;
            let short = incident.resource.short();
            let what = match &incident.phase {
                Phase::Diagnosing { .. } | Phase::Planning { .. } => format!("diagnose {short}"),
                // Why it is held stands in its row.
                Phase::Held { .. } => format!("look at {short} again"),
                Phase::AwaitingApproval { .. } => format!("the request for {short} expires"),
                Phase::Acting { .. } => format!("settle the step on {short}"),
                Phase::Verifying { .. } => format!("verify {short}"),
                Phase::RollingBack { because: RollbackCause::OwnerStopped, .. } => {
                    format!("settle the stop of {short}")
                }
                Phase::RollingBack { because: RollbackCause::DidNotHelp, .. } => {
                    format!("settle what is taken back of {short}")
                }
                Phase::Escalated { .. } => format!("remind of {short}"),
                Phase::Resolved { .. } => return None,
            };
            Some(Next { at: now.wall_at(due), what })
        })
        .collect();
    next.sort_by_key(|next| next.at);
    next
}

fn waiting(engine: &Engine) -> Vec<String> {
    engine
        .state
        .open_incidents()
        .filter(|incident| matches!(incident.phase, Phase::AwaitingApproval { .. }))
        .map(|incident| {
            let plan = incident.plan.as_ref();
            let what = plan.map_or_else(String::new, |plan| format!("{}, {}", plan.playbook, plan.risk));
            format!("approval {0}, `healer approve {0}` ({what} {1})", incident.id, incident.resource.short())
        })
        .collect()
}

/// The alerts that fire, without those that the intent explains: what somebody stopped on purpose, and a job that is
/// done, are down because they shall be, and nobody is to be told of an alert about them. The journal has them.
#[must_use]
pub fn alerts(engine: &Engine) -> Vec<model::view::Alert> {
    engine
        .state
        .alerts
        .iter()
        .filter(|(Alert { resource, .. }, _)| !is_meant(engine, resource))
        .map(|(Alert { name, resource }, firing)| model::view::Alert {
            name: *name,
            resource: resource.clone(),
            since: firing.since.wall,
            because: firing.because.clone(),
            incident: engine.state.open_incident(resource).map(|incident| incident.id.clone()),
        })
        .collect()
}

/// Whether it is down because it shall be: then nothing about it is wrong.
fn is_meant(engine: &Engine, id: &ResourceId) -> bool {
    let stopped = engine.state.intents.get(id).is_some_and(|intent| intent.wanted == Wanted::Stopped);
    stopped || (engine.is_done_job(id) && !engine.is_up(id))
}

/// The incidents, open ones first, then newest first.
#[must_use]
pub fn incidents(engine: &Engine, now: Now) -> Vec<IncidentView> {
    let mut all: Vec<&Incident> = engine.state.incidents.values().collect();
    all.sort_by_key(|incident| (incident.phase.is_over(), std::cmp::Reverse(incident.id.number)));
    all.into_iter().map(|incident| incident_view(engine, incident, now)).collect()
}

fn incident_view(engine: &Engine, incident: &Incident, now: Now) -> IncidentView {
    let standing = stands::standing_of(&incident.phase, now);
    IncidentView {
        id: incident.id.clone(),
        resource: incident.resource.clone(),
        short: incident.resource.short().to_owned(),
        phase: incident.phase.name().to_owned(),
        status: incident.phase.published().to_owned(),
        standing,
        opened: incident.opened.wall,
        ended: incident.ended().map(|at| now.wall_at(at)),
        cause: incident.diagnosis.as_ref().map(|diagnosis| diagnosis.title.clone()).unwrap_or_default(),
        why: stands::how(incident, now),
        attempts: u32::try_from(incident.attempts.len()).unwrap_or(u32::MAX),
        suggestions: suggestions(engine, incident),
    }
}

/// What a person may do about what waits for one. What was rejected, or did not help, is not suggested again.
fn suggestions(engine: &Engine, incident: &Incident) -> Vec<Suggestion> {
    // A suggestion names a service of a deployment: where that is more than one container, or none of Compose's, it would be
    // another one that is meant.
    let resource = &incident.resource;
    if resource.deployment() == NO_DEPLOYMENT || engine.world.replicas(resource).next().is_some() {
        return Vec::new();
    }
    let waits = matches!(
        incident.phase,
        Phase::AwaitingApproval { .. } | Phase::Escalated { reason: Escalation::ApprovalExpired, .. }
    );
    let plan = incident.plan.as_ref().filter(|_| waits);
    let suggested = plan.zip(incident.diagnosis.as_ref());
    suggested.and_then(|(plan, diagnosis)| Suggestion::of(plan, &incident.resource, diagnosis)).into_iter().collect()
}

/// What a question's words mean: the incident or the resources whose entries [`why`] needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An incident.
    Incident(IncidentId),
    /// A resource.
    Resource(ResourceId),
    /// Several resources fit: the words are a deployment's name.
    Deployment(Vec<ResourceId>),
}

impl Subject {
    /// The resources that words mean, of which there is one at least.
    #[must_use]
    pub fn of(mut resources: Vec<ResourceId>) -> Subject {
        match (resources.pop(), resources.is_empty()) {
            (Some(one), true) => Subject::Resource(one),
            (last, _) => Subject::Deployment(resources.into_iter().chain(last).collect()),
        }
    }
}

/// Finds what the words mean.
///
/// # Errors
/// As [`meant`].
pub fn subject(engine: &Engine, words: &str) -> Result<Subject, Unclear> {
    if let Ok(id) = words.parse::<IncidentId>()
        && engine.state.incidents.get(&id.number).is_some_and(|incident| incident.id == id)
    {
        return Ok(Subject::Incident(id));
    }
    Ok(Subject::of(meant(&known(engine), words)?))
}

/// The answer to "why" of a deployment that has a directory and no containers.
#[must_use]
pub fn why_empty(engine: &Engine, words: &str) -> Option<Why> {
    let folder = engine.folder_meant_by(words)?;
    let view = folders::view(&folder);
    let headline = format!("{} in {} has {}", view.name, folder.path, view.why);
    Some(Why { headline, ..Why::default() })
}

/// The incidents of a resource, oldest first: their entries belong to its story.
#[must_use]
pub fn incidents_of(engine: &Engine, resource: &ResourceId) -> Vec<IncidentId> {
    let of = |incident: &&Incident| incident.resource == *resource;
    engine.state.incidents.values().filter(of).map(|incident| incident.id.clone()).collect()
}

/// The answer to "why". `entries`: the journal's entries of the subject (by incident, and by resource), oldest first.
#[must_use]
pub fn why(engine: &Engine, subject: &Subject, entries: &[Entry], now: Now) -> Why {
    let (main, incidents): (Option<ResourceId>, Vec<&Incident>) = match subject {
        Subject::Incident(id) => {
            let incident = engine.state.incidents.get(&id.number);
            (incident.map(|incident| incident.resource.clone()), incident.into_iter().collect())
        }
        Subject::Resource(id) => {
            (Some(id.clone()), engine.state.incidents.values().filter(|incident| incident.resource == *id).collect())
        }
        Subject::Deployment(ids) => {
            // The one that needs a person most is what the question is about.
            let worst = ids.iter().map(|id| resource(engine, id, now)).min_by_key(|view| view.standing);
            let incidents = engine.state.incidents.values().filter(|i| ids.contains(&i.resource)).collect();
            (worst.map(|view| view.id), incidents)
        }
    };
    let last = incidents.last();
    let view = main.as_ref().map(|id| resource(engine, id, now));
    Why {
        headline: match removed(engine, main.as_ref(), entries) {
            Some(at) => removed_in_words(main.as_ref(), at, last.copied()),
            None => view.as_ref().map(|view| headline(view, now)).unwrap_or_default(),
        },
        not_done: not_done(engine, main.as_ref(), last.copied(), now),
        evidence: last.map(|incident| incident.evidence.clone()).unwrap_or_default(),
        incidents: incidents.iter().map(|incident| incident_view(engine, incident, now)).collect(),
        story: lines_of(entries, &incidents.iter().map(|it| (it.id.clone(), it.resource.clone())).collect()),
        resource: view,
    }
}

/// When the resource was removed, if it is no more and nothing is wanted of it.
fn removed(engine: &Engine, id: Option<&ResourceId>, entries: &[Entry]) -> Option<Wall> {
    let id = id.filter(|id| engine.world.body(id).is_none() && !engine.state.intents.contains_key(*id))?;
    let gone = |entry: &&Entry| matches!(&entry.event, Event::ResourceGone { resource, .. } if resource == id);
    entries.iter().rev().find(gone).map(|entry| entry.at.wall)
}

fn removed_in_words(id: Option<&ResourceId>, at: Wall, last: Option<&Incident>) -> String {
    let short = id.map_or("it", ResourceId::short);
    let last = last.map(|incident| format!("; its last incident: {}", incident.id)).unwrap_or_default();
    format!("{short} was removed at {}{last}.", moment(at))
}

fn headline(view: &Resource, now: Now) -> String {
    if view.id.is_only_watched() {
        return format!("{}: {}.", view.short, view.why);
    }
    let is = match view.run {
        Some(Run::Running) => match view.health {
            Some(Health::Unhealthy) => "runs, and its healthcheck fails",
            Some(Health::Starting) => "runs; its healthcheck has no verdict yet",
            Some(Health::Healthy) => "runs and is healthy",
            Some(Health::Unchecked) | None => "is running",
        },
        Some(Run::Paused) => "is paused",
        Some(Run::Restarting) => "is down; the engine restarts it",
        Some(Run::Exited) => "is down",
        Some(Run::Created) => "was made and does not run",
        Some(Run::Removing) => "is being removed",
        None if view.incarnation.is_some() => view.why.strip_prefix("it ").unwrap_or("is not seen at present"),
        None => "is not seen at present",
    };
    let meant = match &view.intent {
        None => "nobody said yet what it shall be".to_owned(),
        Some(intent) => {
            let ago = ago(intent, now);
            let who = match &intent.by {
                Author::FirstSight => "seen so at first sight".to_owned(),
                Author::SomebodyAtTheEngine | Author::Evidence | Author::Configuration => intent.because.clone(),
                Author::Person(who) => format!("{who} told healer so"),
            };
            match intent.wanted {
                Wanted::Running => format!("is meant to run ({who}, {ago} ago)"),
                Wanted::Stopped => format!("is meant to be stopped ({who}, {ago} ago)"),
                Wanted::Unknown => format!("nobody can tell whether it shall run ({})", intent.because),
            }
        }
    };
    let runs = matches!(view.run, Some(Run::Running | Run::Paused));
    let stopped = view.intent.as_ref().is_some_and(|intent| intent.wanted == Wanted::Stopped);
    let joined = match meant.starts_with("nobody") {
        true => "; ",
        false if runs && stopped => ", although it ",
        false => ", and ",
    };
    format!("{} {is}{joined}{meant}.", view.short)
}

/// What was not done, and why not.
fn not_done(engine: &Engine, id: Option<&ResourceId>, incident: Option<&Incident>, now: Now) -> Vec<String> {
    let mut not = Vec::new();
    let Some(id) = id else { return not };
    let (short, name) = (id.short(), engine.name_of(id));
    let wanted = engine.state.intents.get(id).map(|intent| intent.wanted);
    if let Some(refusal) = engine.not_ours(id).filter(|_| engine.world.body(id).is_some()) {
        not.push(format!("anything: {refusal}"));
    } else if wanted == Some(Wanted::Stopped) && engine.is_up(id) {
        not.push(format!("stopping {short}: whoever started it may have meant it. You say which it shall be"));
    } else if wanted == Some(Wanted::Stopped) {
        not.push(format!("starting {short}: it was stopped on purpose. `healer start {name}` takes that back"));
    } else if wanted == Some(Wanted::Unknown) {
        not.push(format!(
            "starting {short}: nobody can tell whether it shall run. `healer start {name}` or `healer adopt {name}` settles it"
        ));
    } else if incident.is_none_or(|incident| incident.phase.is_over()) && engine.is_done_job(id) && !engine.is_up(id) {
        not.push(format!("running {short} again: it is a job, and it is done"));
    }
    let Some(incident) = incident else { return not };
    match &incident.phase {
        Phase::Held { reason, .. } => not.push(format!("anything at present: {reason}")),
        Phase::Escalated { reason, .. } => not.push(format!("anything more: {reason}")),
        Phase::Diagnosing { .. }
        | Phase::Planning { .. }
        | Phase::AwaitingApproval { .. }
        | Phase::Acting { .. }
        | Phase::Verifying { .. }
        | Phase::RollingBack { .. }
        | Phase::Resolved { .. } => {}
    }
    if let Some(diagnosis) = &incident.diagnosis {
        match (diagnosis.cause.as_str(), diagnosis.mend) {
            (_, Mend::MoreMemory) if incident.memory_before().is_none() => {
                not.push(
                    "raising the memory limit: that needs a person's word, and is asked for once a start did not help"
                        .to_owned(),
                );
            }
            ("crash", Mend::Start) if !incident.attempts.is_empty() => {
                not.push("mending what made it crash: that is in it, and for a person".to_owned());
            }
            (_, Mend::Person | Mend::FreeSpace) if id.is_disk() => {
                not.push("removing anything else: only what is listed under `clean` ever goes".to_owned());
            }
            (_, Mend::Person) if id.is_probe() => {}
            (_, Mend::Person) => not.push("a start: the same start would fail the same way".to_owned()),
            (_, Mend::RollBack) => not.push("a start: the same start would fail the same way".to_owned()),
            (
                _,
                Mend::Start
                | Mend::MoreMemory
                | Mend::Restart
                | Mend::Rejoin
                | Mend::Recreate
                | Mend::FreeSpace
                | Mend::Nothing,
            ) => {}
        }
    }
    if !incident.attempts.is_empty() {
        not.extend(untouched(engine, id, now).map(|others| format!("touching {others}: nothing is wrong there")));
    }
    not
}

/// The other services of the deployment that are well, by name; those that it needs, or that need it, first.
fn untouched(engine: &Engine, id: &ResourceId, now: Now) -> Option<String> {
    let near: Vec<&ResourceId> = engine.world.parents(id).chain(engine.world.dependents(id)).collect();
    let of_deployment = |other: &&ResourceId| {
        id.deployment() != NO_DEPLOYMENT && other.deployment_prefix() == id.deployment_prefix() && *other != id
    };
    let mut others: Vec<&ResourceId> = engine.world.resources().filter(of_deployment).collect();
    others.sort_by_key(|other| !near.contains(other));
    others.retain(|other| resource(engine, other, now).standing == Standing::Well);
    let named: Vec<&str> = others.iter().take(UNTOUCHED_MAX).map(|other| other.short()).collect();
    match others.len().saturating_sub(named.len()) {
        0 if named.is_empty() => None,
        0 => Some(named.join(", ")),
        more => Some(format!("{} and {more} more", named.join(", "))),
    }
}
