//! Playbooks: which steps mend what. An action is declared in the catalogue below, with its risk and its page.

use model::ResourceId;
use model::action::{Action, Pair, Plan, Retag, Risk, Spec, Step};
use model::fact::{Belongs, Definition};
use model::incident::Mend;
use model::make::Deploy;

/// How long a start may take before nobody waits for its answer any longer.
const START_TIMEOUT_MS: u64 = 30_000;
/// What asking Compose about its files and making a container may take, beyond the stop of the old one.
const RECREATE_TIMEOUT_MS: u64 = 120_000;
/// What a stop may take beyond the service's own stop timeout.
const STOP_MARGIN_MS: u64 = 15_000;
/// A service that may take for ever to stop is waited for this long.
const STOP_TIMEOUT_MAX_S: u64 = 600;

/// Every action that a plan can be made of.
pub const CATALOGUE: &[Spec] = &[
    Spec {
        action: Action::Start,
        risk: Risk::Safe,
        manual: "start: starts a container that is down, as it is. It cannot lose data; what it disturbs is what the \
                 service itself does when it starts. Undone only where the owner's stop crossed it: by a stop.",
    },
    Spec {
        action: Action::Stop,
        risk: Risk::Safe,
        manual: "stop: sends the stop signal, waits for the stop timeout, then kills. healer uses it only in order to \
                 start again (restart is stop, look, start; never the engine's own restart, which undoes a stop that \
                 somebody else has under way), to obey an owner whose stop crossed our start, or at a person's word.",
    },
    Spec {
        action: Action::Recreate,
        risk: Risk::Moderate,
        manual: "recreate: has Compose make the container anew, and nothing but it: only while the deployment's files say of \
                 it what they said when it was made (the same hash, by the same generation of Compose), every variable is \
                 set, and its image's name still means the image that it runs. What the container has written outside of \
                 its volumes is lost; one with a volume that has no name is not made anew unasked. It cannot be undone. \
                 As a roll back it gives the image's name back to the image that it meant before a deploy, by its content \
                 id, and makes the container anew of that: only where the deploy changed nothing else, only while the \
                 engine still has that image, and never unasked. If Compose cannot make it, the name is put back.",
    },
];

/// The step that does `action` to a resource.
#[must_use]
pub fn step(action: Action, resource: &ResourceId, definition: Option<&Definition>, pair: Pair) -> Step {
    let stop_ms = || {
        let own_s = definition.map_or(10, |definition| definition.stop_timeout_s);
        let own_s = u64::try_from(own_s).unwrap_or(STOP_TIMEOUT_MAX_S).min(STOP_TIMEOUT_MAX_S);
        own_s * 1_000 + STOP_MARGIN_MS
    };
    let timeout_ms = match action {
        Action::Start => START_TIMEOUT_MS,
        Action::Stop => stop_ms(),
        Action::Recreate => stop_ms() + RECREATE_TIMEOUT_MS,
    };
    Step { action, resource: resource.clone(), pair, timeout_ms, image: None }
}

/// Stop, look, start.
#[must_use]
pub fn restart_steps(resource: &ResourceId, definition: Option<&Definition>) -> Vec<Step> {
    vec![step(Action::Stop, resource, definition, Pair::Opens), step(Action::Start, resource, definition, Pair::Closes)]
}

/// Makes it anew of the image that its name meant before the deploy, if that may be all that the deploy changed: any other
/// change stands in files, and those are their owner's. Whether it is all, Compose tells before anything is made.
fn roll_back(resource: &ResourceId, definition: Option<&Definition>, deploy: Option<&Deploy>) -> Option<Step> {
    let Deploy { from, to, .. } = deploy?;
    if !from.changed(to)?.behind_its_name() || definition?.belongs != Belongs::ComposeService {
        return None;
    }
    let (name, config_hash) = (to.image.clone(), from.config_hash.clone());
    let image = Retag { name, to: from.image_id.clone(), from: to.image_id.clone(), config_hash };
    Some(Step { image: Some(image), ..step(Action::Recreate, resource, definition, Pair::None) })
}

/// The plan that mends a cause, if any action does. `attempts_max`: what policy and budget allow; `deploy`: the one that
/// broke it.
#[must_use]
pub fn for_mend(
    mend: Mend,
    resource: &ResourceId,
    definition: Option<&Definition>,
    attempts_max: u32,
    deploy: Option<&Deploy>,
) -> Option<Plan> {
    let (playbook, steps) = match mend {
        Mend::Start => ("start", vec![step(Action::Start, resource, definition, Pair::None)]),
        Mend::Restart => ("restart", restart_steps(resource, definition)),
        // Of what Compose did not make, no file says how to make it.
        Mend::Recreate if definition?.belongs != Belongs::ComposeService => return None,
        Mend::Recreate => ("recreate", vec![step(Action::Recreate, resource, definition, Pair::None)]),
        Mend::RollBack => ("roll_back", vec![roll_back(resource, definition, deploy)?]),
        Mend::Nothing | Mend::Person => return None,
    };
    let risk_of = |step: &Step| CATALOGUE.iter().find(|spec| spec.action == step.action).map(|spec| spec.risk);
    let loses_a_volume = mend == Mend::Recreate && definition.is_none_or(|definition| definition.anonymous_volume);
    // What it did to its data with the newer image the older one may not understand.
    let asks = loses_a_volume || mend == Mend::RollBack;
    let risk = steps.iter().filter_map(risk_of).max().filter(|_| !asks).unwrap_or(Risk::Dangerous);
    // A safe plan may fail as often as it may be tried; any other once.
    let may_fail = if risk == Risk::Safe { attempts_max } else { 1 };
    Some(Plan { playbook: playbook.to_owned(), steps, risk, may_fail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_a_pair_of_a_stop_and_a_start() {
        let web = ResourceId::docker("h", "shop", "web", 1);
        let plan = for_mend(Mend::Restart, &web, None, 3, None).unwrap();
        let shape: Vec<_> = plan.steps.iter().map(|step| (step.action, step.pair)).collect();
        assert_eq!(shape, [(Action::Stop, Pair::Opens), (Action::Start, Pair::Closes)]);
        assert_eq!((plan.risk, plan.may_fail), (Risk::Safe, 3));
        assert_eq!(for_mend(Mend::Person, &web, None, 3, None), None);
    }

    #[test]
    fn every_action_has_its_page() {
        for action in [Action::Start, Action::Stop, Action::Recreate] {
            assert!(CATALOGUE.iter().any(|spec| spec.action == action && spec.manual.len() > 40));
        }
    }
}
