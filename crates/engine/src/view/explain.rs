//! Which policy applies to a resource, and what follows from it.

use model::policy::Row;
use model::settings::Settings;
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

/// The policies of settings as a table, each with whether anything ever comes to it.
#[must_use]
pub fn policies(settings: &Settings) -> Vec<Row> {
    settings.policy_table(&diagnose::issue_types().into_keys().collect())
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

fn explained(engine: &Engine, resource: &ResourceId, issue_type: Option<&str>, sight: Sight, now: Now) -> Explanation {
    let open = engine.state.open_incident(resource);
    // One of which nobody has said yet what it is may turn out to be any.
    let diagnosed = open.filter(|incident| incident.diagnosis.is_some());
    let known = diagnose::issue_types();
    let asked: Vec<&str> = match (issue_type, diagnosed) {
        (Some(one), _) => vec![one],
        (None, Some(incident)) => vec![issue_of(incident)],
        (None, None) => known.keys().copied().collect(),
    };
    let issue = |issue_type: &&str| {
        let causes = known.get(issue_type).into_iter().flatten().map(|cause| (*cause).to_owned()).collect();
        let open = diagnosed.filter(|incident| issue_of(incident) == *issue_type);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Wall;
    use model::event::{Entry, Event, VERSION};
    use model::intent::{Author, Intent, Wanted};
    use model::policy::Does;
    use model::settings::{Exclusion, Policy};
    use model::view::{Rule, Says};

    use super::*;
    use crate::State;

    const NOW: Now = Now { wall: Wall(1_795_446_000_000), tick: model::Tick(10_000_000) };

    fn web() -> ResourceId {
        ResourceId::docker("h", "shop", "web", 1)
    }

    /// What a dead healer left: it wanted that of shop/web.
    fn left(wanted: Wanted, settings: Settings) -> Engine {
        let intent = Intent { wanted, by: Author::FirstSight, at: NOW, source_at: None, because: "it ran".to_owned() };
        let mut state = State::default();
        let event = Event::IntentChanged { resource: web(), intent };
        state.apply(&Entry { seq: 1, version: VERSION, epoch: 1, at: NOW, event });
        Engine::new(state, Arc::new(settings), "0")
    }

    fn told(engine: &Engine, issue_type: Option<&str>) -> Explanation {
        let mut all = explain(engine, &Subject::Resource(web()), issue_type, Sight::Journal, NOW);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn without_an_incident_each_issue_type_is_told_of_and_with_a_word_that_one() {
        let engine = left(Wanted::Running, Settings::default());
        let all = told(&engine, None);
        let types: Vec<&str> = all.issues.iter().map(|issue| issue.issue_type.as_str()).collect();
        assert_eq!(types, diagnose::issue_types().into_keys().collect::<Vec<_>>());
        let one = told(&engine, Some("disk_full"));
        assert_eq!(one.issues.len(), 1);
        assert_eq!(one.issues[0].causes, ["file_system_full", "engines_disk_full", "disk_full"]);
    }

    #[test]
    fn what_nobody_sees_is_not_promised_and_a_no_that_is_known_is_told() {
        let frozen = |engine: &mut Engine| {
            let event = Event::Frozen { by: "ann".to_owned(), because: "deploy".to_owned() };
            engine.state.apply(&Entry { seq: 2, version: VERSION, epoch: 1, at: NOW, event });
        };
        let exclude = vec![Exclusion::Deployment("sh*".to_owned())];
        type Given = fn(Settings) -> Settings;
        let as_it_is: Given = |settings| settings;
        let asks: Given = |settings| {
            let policies = vec![Policy { auto_heal: false, ..Policy::built_in() }];
            Settings { policies, ..settings }
        };
        let table = [
            ("nothing is known against it", Wanted::Running, as_it_is, Does::CannotTell, "healer is not running"),
            ("it might not even ask", Wanted::Running, asks, Does::CannotTell, "healer is not running"),
            ("stopped on purpose", Wanted::Stopped, as_it_is, Does::Nothing, "it was stopped on purpose"),
        ];
        for (name, wanted, given, does, because) in table {
            let issue = told(&left(wanted, given(Settings::default())), Some("service_down")).issues.remove(0);
            assert_eq!(issue.does, does, "{name}");
            assert!(issue.because.starts_with(because), "{name}: {}", issue.because);
        }
        let mut engine = left(Wanted::Running, Settings::default());
        frozen(&mut engine);
        let issue = told(&engine, Some("service_down")).issues.remove(0);
        assert_eq!(
            (issue.does, issue.because.as_str()),
            (Does::Nothing, "frozen by ann at 2026-11-23T15:00:00Z (deploy)")
        );
        let excluded = left(Wanted::Running, Settings { exclude, ..Settings::default() });
        let issue = told(&excluded, Some("service_down")).issues.remove(0);
        assert_eq!(issue.does, Does::Nothing);
        let line = issue.rules.iter().find(|line| line.rule == Rule::Exclusion).unwrap();
        assert_eq!(
            (line.says, line.because.as_str()),
            (Says::Refuses, "excluded by the configuration (deployment sh*)")
        );
    }

    #[test]
    fn the_policy_is_told_with_those_before_it() {
        let narrow = Policy { deployment: Some("wiki".to_owned()), ..Policy::built_in() };
        let quick = Policy { max_retries: Some(1), ..Policy::built_in() };
        let engine = left(Wanted::Running, Settings { policies: vec![narrow, quick], ..Settings::default() });
        let issue = told(&engine, Some("service_down")).issues.remove(0);
        assert_eq!((issue.policy, issue.passed_over.len(), issue.passed_over[0].number), (Some(2), 1, 1));
        let attempts = issue.rules.iter().find(|line| line.rule == Rule::Attempts).unwrap();
        assert_eq!(attempts.because, "0 made, allowed are 1 in 30 m");
        assert_eq!(policies(engine.settings()).len(), 3);
    }
}
