//! Playbooks: which steps mend what. An action is declared in the catalogue below, with its risk and its page.

use model::ResourceId;
use model::action::{Action, Change, Limits, Pair, Plan, Retag, Risk, Spec, Step, With};
use model::fact::{Belongs, Definition};
use model::incident::Mend;
use model::make::Deploy;
use model::network::Lost;

/// The playbook that takes a deploy back.
pub(crate) const ROLL_BACK: &str = "roll_back";
/// How long the engine may take to note another limit, or to make a network.
const CHANGE_TIMEOUT_MS: u64 = 30_000;
/// A limit that was too low is raised by half, to a whole number of these.
const MEMORY_UNIT_BYTES: u64 = 1 << 20;
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
                 engine still has that image, and never unasked. If Compose cannot make it, or it does not help, the name \
                 is put back, and what had it is made anew.",
    },
    Spec {
        action: Action::Change(Change::SetMemory),
        risk: Risk::Dangerous,
        manual: "set_memory: gives a container that was killed for want of memory a limit that is higher by half, for as long \
                 as the container lives (the deployment's files are their owner's to change), and keeps what may be \
                 swapped besides. The host has to have that memory. It is done once starting it did not help, and never \
                 unasked. If it does not help, the old limit is set again.",
    },
    Spec {
        action: Action::Change(Change::CreateNetwork),
        risk: Risk::Moderate,
        manual: "create_network: makes a network again that a container needs and that is no more, as healer saw it before: \
                 with the same driver, options, addresses and labels, so that Compose knows its own. One that healer never \
                 saw, or that another driver than bridge makes, is left to a person. If the service does not run with it, \
                 it is removed again.",
    },
    Spec {
        action: Action::Change(Change::RemoveNetwork),
        risk: Risk::Moderate,
        manual: "remove_network: takes back a network that healer made and that did not help. It is never done otherwise, \
                 and not while anything is attached to it that runs.",
    },
    Spec {
        action: Action::Change(Change::JoinNetwork),
        risk: Risk::Moderate,
        manual: "join_network: attaches a container that is down to the present network of a name, with the aliases and \
                 addresses that it had in the one of that name that is no more. What it was attached to before is gone, so \
                 that there is nothing to take back.",
    },
    Spec {
        action: Action::Change(Change::Unpause),
        risk: Risk::Moderate,
        manual: "unpause: lets a container go on that somebody has paused. It is done at a person's word alone (`healer start` of \
                 what is paused): who paused it had a reason, such as a backup, and knows when that is over.",
    },
    Spec {
        action: Action::Change(Change::FreeSpace),
        risk: Risk::Moderate,
        manual: "free_space: removes from a file system what its owner has listed under `clean`: plain files that fit the \
                 pattern, were not changed for as long as the rule says, lie on that file system, are reached through no \
                 link, and are held open by nobody whom healer may look at. Never a directory, and never anything else. \
                 `healer disks` names each file beforehand. It cannot be undone.",
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
        Action::Change(_) => CHANGE_TIMEOUT_MS,
    };
    Step { action, resource: resource.clone(), pair, timeout_ms, with: With::Nothing }
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
    let image = Retag {
        name: to.image.clone(),
        to: from.image_id.clone(),
        from: to.image_id.clone(),
        config_hash: from.config_hash.clone(),
        from_config_hash: to.config_hash.clone(),
    };
    Some(Step { with: With::Image(image), ..step(Action::Recreate, resource, definition, Pair::None) })
}

/// Raises its memory limit by half, if it has one.
fn raise_memory(Patient { resource, definition, .. }: &Patient<'_>) -> Option<Step> {
    let from_bytes = definition.map(|definition| definition.memory_limit_bytes)?;
    let to_bytes = from_bytes.checked_add(from_bytes / 2)?.next_multiple_of(MEMORY_UNIT_BYTES);
    let limits = With::Memory(Limits { from_bytes, to_bytes });
    (from_bytes > 0)
        .then(|| Step { with: limits, ..step(Action::Change(Change::SetMemory), resource, *definition, Pair::None) })
}

/// Makes the networks that are no more, as they were, and attaches it to those of these names; `None` where nobody knows how
/// one of them was made.
fn rejoin(Patient { resource, definition, lost_networks, .. }: &Patient<'_>) -> Option<Vec<Step>> {
    let change = |change, with| Step { with, ..step(Action::Change(change), resource, *definition, Pair::None) };
    let mut steps = Vec::new();
    for lost in lost_networks.iter().filter(|lost| !lost.made_anew) {
        steps.push(change(Change::CreateNetwork, With::Network(Box::new(lost.known.clone()?))));
    }
    steps.extend(lost_networks.iter().map(|lost| change(Change::JoinNetwork, With::NetworkName(lost.name.clone()))));
    steps.push(step(Action::Start, resource, *definition, Pair::None));
    Some(steps)
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct Patient<'a> {
    /// The resource.
    pub resource: &'a ResourceId,
    /// What it is made of, where that is known.
    pub definition: Option<&'a Definition>,
    /// How many attempts policy and budget allow.
    pub attempts_max: u32,
    /// The deploy that broke it.
    pub deploy: Option<&'a Deploy>,
    /// The networks that it is attached to and that are no more.
    pub lost_networks: &'a [Lost],
}

/// The plans that may mend a cause, the one to begin with first; each further one is for when those before it did not help.
#[must_use]
pub fn for_mend(mend: Mend, patient: &Patient<'_>) -> Vec<Plan> {
    let Patient { resource, definition, attempts_max, deploy, .. } = *patient;
    let start = || vec![step(Action::Start, resource, definition, Pair::None)];
    let first = match mend {
        Mend::Start | Mend::MoreMemory => Some(("start", start())),
        Mend::Restart => Some(("restart", restart_steps(resource, definition))),
        Mend::Rejoin => rejoin(patient).map(|steps| ("rejoin", steps)),
        // Of what Compose did not make, no file says how to make it.
        Mend::Recreate if definition.is_none_or(|definition| definition.belongs != Belongs::ComposeService) => None,
        Mend::Recreate => Some(("recreate", vec![step(Action::Recreate, resource, definition, Pair::None)])),
        Mend::RollBack => roll_back(resource, definition, deploy).map(|step| (ROLL_BACK, vec![step])),
        Mend::FreeSpace => {
            Some(("free_space", vec![step(Action::Change(Change::FreeSpace), resource, definition, Pair::None)]))
        }
        Mend::Nothing | Mend::Person => None,
    };
    let raise = || raise_memory(patient).map(|step| ("raise_memory", [vec![step], start()].concat()));
    let second = if mend == Mend::MoreMemory { raise() } else { None };
    // The last attempt is left to what comes second.
    let (tries, leaves) = (attempts_max, u32::from(second.is_some()));
    let first = first.map(|(playbook, steps)| plan(playbook, steps, definition, tries.saturating_sub(leaves).max(1)));
    first.into_iter().chain(second.map(|(playbook, steps)| plan(playbook, steps, definition, tries))).collect()
}

/// `tries`: how often a plan may fail that is safe; any other may once.
fn plan(playbook: &str, steps: Vec<Step>, definition: Option<&Definition>, tries: u32) -> Plan {
    let risk = steps.iter().map(|step| risk_of(step, definition)).max().unwrap_or(Risk::Dangerous);
    let may_fail = if risk == Risk::Safe { tries } else { 1 };
    Plan { playbook: playbook.to_owned(), steps, risk, may_fail }
}

fn risk_of(step: &Step, definition: Option<&Definition>) -> Risk {
    let listed = CATALOGUE.iter().find(|spec| spec.action == step.action).map_or(Risk::Dangerous, |spec| spec.risk);
    let loses_a_volume = definition.is_none_or(|definition| definition.anonymous_volume);
    match (step.action, &step.with) {
        // What it did to its data with the newer image the older one may not understand.
        (Action::Recreate, With::Image(_)) => Risk::Dangerous,
        (Action::Recreate, _) if loses_a_volume => Risk::Dangerous,
        (Action::Start | Action::Stop | Action::Recreate | Action::Change(_), _) => listed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_a_pair_of_a_stop_and_a_start() {
        let web = ResourceId::docker("h", "shop", "web", 1);
        let patient = Patient { resource: &web, definition: None, attempts_max: 3, deploy: None, lost_networks: &[] };
        let plans = for_mend(Mend::Restart, &patient);
        let [plan] = plans.as_slice() else { panic!("{plans:?}") };
        let shape: Vec<_> = plan.steps.iter().map(|step| (step.action, step.pair)).collect();
        assert_eq!(shape, [(Action::Stop, Pair::Opens), (Action::Start, Pair::Closes)]);
        assert_eq!((plan.risk, plan.may_fail), (Risk::Safe, 3));
        assert!(for_mend(Mend::Person, &patient).is_empty());
    }

    #[test]
    fn every_action_has_its_page() {
        let changes = [
            Change::SetMemory,
            Change::CreateNetwork,
            Change::RemoveNetwork,
            Change::JoinNetwork,
            Change::Unpause,
            Change::FreeSpace,
        ];
        let plain = [Action::Start, Action::Stop, Action::Recreate];
        for action in plain.into_iter().chain(changes.map(Action::Change)) {
            assert!(CATALOGUE.iter().any(|spec| spec.action == action && spec.manual.len() > 40));
        }
    }
}
