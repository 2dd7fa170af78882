//! Which policy applies to a resource, and what follows from it.

use model::view::{Explained, Explanation, outlook};
use model::{Now, ResourceId};

use super::Subject;
use crate::guard::foresight::Issue;
use crate::guard::issue_of;
use crate::incident::Incident;
use crate::{Engine, diagnose};

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// A running healer, which sees what is there.
    Live,
    /// Whoever reads the journal of one that does not run: nothing is seen.
    Journal,
}

/// What follows from the policies for each resource of a subject. `issue_type`: one that there is; without it that of the
/// open incident, else each one.
#[must_use]
pub fn explain(
    engine: &Engine,
    subject: &Subject,
    issue_type: Option<&str>,
    sight: Sight,
    now: Now,
) -> Vec<Explanation> {
    let resources: Vec<&ResourceId> = match subject {
        Subject::Incident(id) => {
            engine.state.incidents.get(&id.number).map(|incident| &incident.resource).into_iter().collect()
        }
        Subject::Resource(id) => vec![id],
        Subject::Deployment(ids) => ids.iter().collect(),
    };
    resources.into_iter().map(|resource| explained(engine, resource, issue_type, sight, now)).collect()
}

fn explained(
    engine: &Engine,
    resource: &ResourceId,
    issue_type: Option<&str>,
    sight: Sight,
    now: Now,
) -> Explanation {
    let open = engine.state.open_incident(resource);
    let known = diagnose::issue_types();
    let asked: Vec<&str> = match (issue_type, open) {
        (Some(one), _) => vec![one],
        (None, Some(incident)) => vec![issue_of(incident)],
        (None, None) => known.keys().copied().collect(),
    };
    let issue = |issue_type: &&str| {
        let causes = known.get(issue_type).into_iter().flatten().map(|cause| (*cause).to_owned()).collect();
        let open = open.filter(|incident| issue_of(incident) == *issue_type);
        of_issue(engine, (resource, issue_type, open), causes, sight, now)
    };
    Explanation {
        resource: resource.clone(),
        short: resource.short().to_owned(),
        seen: sight == Sight::Live && engine.world.is_fresh(resource),
        incident: open.map(|incident| incident.id.clone()),
        issues: asked.iter().map(issue).collect(),
    }
}

fn of_issue(
    engine: &Engine,
    (resource, issue_type, open): (&ResourceId, &str, Option<&Incident>),
    causes: Vec<String>,
    sight: Sight,
    now: Now,
) -> Explained {
    let choice = engine.settings.choice(resource, issue_type);
    let rules = engine.foresee(&Issue { resource, issue_type, open, policy: &choice.policy }, sight, now);
    let (does, because) = outlook(&rules);
    Explained {
        issue_type: issue_type.to_owned(),
        causes,
        is_open: open.is_some(),
        policy: choice.number,
        passed_over: choice.passed_over,
        passed_over_more: choice.passed_over_more,
        does,
        because,
        rules,
    }
}
