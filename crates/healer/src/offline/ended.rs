//! What was under way when healer ended. Nobody is at it while nobody runs, so what the journal holds as present is told
//! as past, with who looks at it next.

use engine::State;
use model::incident::{Phase, RollbackCause};
use model::view::{Deployment, Incident, Resource, Standing};

/// Tells each service that healer was at, and the deployments by them.
pub(super) fn deployments(state: &State, deployments: &mut [Deployment]) {
    for deployment in deployments.iter_mut() {
        let mut touched = false;
        for resource in &mut deployment.resources {
            touched |= self::resource(state, resource);
        }
        if touched {
            retell(deployment);
        }
    }
    deployments.sort_by(|a, b| (a.standing, &a.name).cmp(&(b.standing, &b.name)));
}

/// Whether there was anything to tell anew.
pub(super) fn resource(state: &State, resource: &mut Resource) -> bool {
    let Some(open) = state.open_incident(&resource.id) else { return last_seen(state, resource) };
    let Some(was) = was(open) else { return false };
    let cause = open.diagnosis.as_ref().map_or(open.because.as_str(), |diagnosis| &diagnosis.title);
    resource.standing = Standing::Held;
    resource.why = format!("{cause}; {was}");
    true
}

/// Of what has no incident and shall run, the journal's alerts say whether anything was wrong with it.
fn last_seen(state: &State, resource: &mut Resource) -> bool {
    if resource.standing != Standing::Unseen {
        return false;
    }
    match state.firing(&resource.id).next() {
        None => resource.why = format!("nothing was wrong; {}", resource.why),
        Some((_, firing)) => {
            resource.standing = Standing::Held;
            resource.why = format!("{}: it was so when healer ended", firing.because);
        }
    }
    true
}

/// The same of incidents.
pub(super) fn incidents(state: &State, incidents: &mut [Incident]) {
    for incident in incidents {
        let open = state.open_incident(&incident.resource).filter(|open| open.id == incident.id);
        if let Some(was) = open.and_then(was) {
            incident.standing = Standing::Held;
            incident.why = was;
        }
    }
}

/// How an incident stood; `None` where that is as true without healer: a person is asked, or it is over.
fn was(incident: &engine::incident::Incident) -> Option<String> {
    let was = match &incident.phase {
        Phase::Diagnosing { .. } | Phase::Planning { .. } => "it was being diagnosed when healer ended".to_owned(),
        Phase::Held { reason, .. } => format!("it was held when healer ended ({reason})"),
        Phase::Acting { step, .. } => {
            let step = incident.plan.as_ref().and_then(|plan| plan.steps.get(*step));
            let act = step.map_or_else(|| "repair".to_owned(), |step| step.action.to_string());
            format!("its {act} was under way when healer ended")
        }
        Phase::Verifying { .. } => "it was repaired, and had yet to hold, when healer ended".to_owned(),
        Phase::RollingBack { because: RollbackCause::OwnerStopped, .. } => {
            "it was being stopped again, as its owner wants, when healer ended".to_owned()
        }
        Phase::RollingBack { because: RollbackCause::DidNotHelp, .. } => {
            "what did not help was being taken back when healer ended".to_owned()
        }
        Phase::AwaitingApproval { .. } | Phase::Escalated { .. } | Phase::Resolved { .. } => return None,
    };
    Some(format!("{was}; the next start of healer looks at it"))
}

/// A deployment stands as the service of it that needs a person most.
fn retell(deployment: &mut Deployment) {
    deployment.resources.sort_by(|a, b| (a.standing, &a.id).cmp(&(b.standing, &b.id)));
    let Some(first) = deployment.resources.first() else { return };
    (deployment.standing, deployment.since) = (first.standing, first.since);
    deployment.why = match deployment.resources.len() {
        1 => first.why.clone(),
        _ => format!("{}: {}", first.id.service(), first.why),
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{Engine, view};
    use model::event::{Entry, Event, VERSION};
    use model::incident::IncidentId;
    use model::settings::Settings;
    use model::verdict::Hold;
    use model::{Now, ResourceId, Tick, Wall};

    use super::*;

    /// A service that is being diagnosed, one that is held, and one of which nothing is known but that it shall run.
    fn left() -> (Engine, Now) {
        let now = Now { wall: Wall(60_000), tick: Tick(60_000) };
        let id = |number| IncidentId { instance: "web-1".into(), number };
        let opened = |number, service| Event::IncidentOpened {
            id: id(number),
            resource: ResourceId::docker("web-1", "shop", service, 1),
            alert: model::alert::Name::ServiceDown,
            source_at: None,
            because: format!("{service} ended"),
        };
        let meant = |service| Event::IntentChanged {
            resource: ResourceId::docker("web-1", "shop", service, 1),
            intent: model::intent::Intent {
                wanted: model::intent::Wanted::Running,
                by: model::intent::Author::FirstSight,
                at: now,
                source_at: None,
                because: "it ran".to_owned(),
            },
        };
        let reason = Hold::Backoff { attempt: 2, wait_ms: 10_000 };
        let held = Event::Held { id: id(2), reason, until: Tick(70_000) };
        let mut state = State::default();
        let events = [meant("a"), meant("db"), meant("web"), opened(1, "web"), opened(2, "db"), held];
        for (seq, event) in (1..).zip(events) {
            state.apply(&Entry { seq, version: VERSION, epoch: 1, at: now, event });
        }
        (Engine::new(state, Arc::new(Settings::default()), "0"), now)
    }

    #[test]
    fn what_healer_was_at_is_told_as_past_and_who_looks_at_it_next() {
        let (engine, now) = left();
        let mut deployments = view::status(&engine, now).deployments;
        super::deployments(engine.state(), &mut deployments);
        let [shop] = deployments.as_slice() else { panic!("{deployments:?}") };
        let told: Vec<(&str, Standing, &str)> =
            shop.resources.iter().map(|r| (r.id.service(), r.standing, r.why.as_str())).collect();
        let held = "db ended; it was held when healer ended (waiting 10 s before attempt 2); \
                    the next start of healer looks at it";
        let diagnosed = "web ended; it was being diagnosed when healer ended; the next start of healer looks at it";
        let unseen = "nothing was wrong; it shall run: it ran";
        assert_eq!(
            told,
            [("db", Standing::Held, held), ("web", Standing::Held, diagnosed), ("a", Standing::Unseen, unseen)]
        );
        assert_eq!((shop.standing, shop.why.as_str()), (Standing::Held, format!("db: {held}").as_str()));

        let mut incidents = view::incidents(&engine, now);
        super::incidents(engine.state(), &mut incidents);
        assert!(incidents.iter().all(|one| one.standing == Standing::Held), "{incidents:?}");
        assert!(incidents.iter().all(|one| one.why.ends_with("the next start of healer looks at it")), "{incidents:?}");
    }

    #[test]
    fn what_an_alert_tells_of_is_not_said_to_have_been_well() {
        let (engine, now) = left();
        let mut state = engine.state().clone();
        let resource = ResourceId::docker("web-1", "shop", "a", 1);
        let alert = model::alert::Alert { name: model::alert::Name::ServiceDown, resource: resource.clone() };
        let firing = engine::state::Firing { since: now, because: "a is down".to_owned() };
        state.alerts.insert(alert, firing);
        let mut shown = view::resource(&engine, &resource, now);
        assert!(super::resource(&state, &mut shown));
        assert_eq!((shown.standing, shown.why.as_str()), (Standing::Held, "a is down: it was so when healer ended"));
    }

    #[test]
    fn no_step_of_a_repair_is_told_as_if_somebody_were_at_it() {
        let (engine, _) = left();
        let open = engine.state().open_incident(&ResourceId::docker("web-1", "shop", "web", 1)).unwrap();
        let permit = model::action::PermitId(1);
        let until = Tick(0);
        let table = [
            (
                Phase::Acting { step: 0, permit, answer: None, owner_stopped: false, until },
                Some("its repair was under way when healer ended"),
            ),
            (
                Phase::Verifying { step: 0, extended: model::incident::Extended::default(), until },
                Some("it was repaired, and had yet to hold, when healer ended"),
            ),
            (Phase::AwaitingApproval { until }, None),
        ];
        for (phase, expect) in table {
            let said = was(&engine::incident::Incident { phase: phase.clone(), ..open.clone() });
            let expect = expect.map(|expect| format!("{expect}; the next start of healer looks at it"));
            assert_eq!(said, expect, "{phase:?}");
        }
    }
}
