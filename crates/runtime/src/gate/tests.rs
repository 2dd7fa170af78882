//! What withdraws a permit between the guard's verdict and the act.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::State;
use model::action::{Action, Pair, Step, With};
use model::fact::Incarnation;
use model::incident::IncidentId;
use model::settings::Settings;
use model::time::Now;

use super::*;

fn web() -> ResourceId {
    ResourceId::docker("h", "shop", "web", 1)
}

fn permit(action: Action, pair: Pair) -> Permit {
    Permit {
        id: PermitId(1),
        epoch: 0,
        behalf: Behalf::Incident(IncidentId { instance: "h".into(), number: 1 }),
        step: Step { action, resource: web(), pair, timeout_ms: 1_000, with: With::Nothing },
        incarnation: Incarnation("a".into()),
        ran: false,
        leases: BTreeSet::new(),
        unhindered: pair == Pair::Closes,
        given: Now::default(),
        until: Tick(100),
    }
}

fn gate(standing: Option<Standing>) -> Gate {
    let gate = Gate::default();
    gate.publish(&Engine::new(State::default(), Arc::new(Settings::default()), "0"), std::iter::empty());
    gate.lock().standings.extend(standing.map(|standing| (web(), standing)));
    gate
}

const WANTED: Standing = Standing { wanted: Wanted::Running, being_stopped: false };

#[test]
fn a_permit_holds_once_and_only_while_everything_stands_as_it_was_given_for() {
    let start = || permit(Action::Start, Pair::None);
    let person =
        |action| Permit { behalf: Behalf::Person("ann".to_owned()), unhindered: true, ..permit(action, Pair::None) };
    let stopped = Standing { wanted: Wanted::Stopped, ..WANTED };
    let unknown = Standing { wanted: Wanted::Unknown, ..WANTED };
    let being_stopped = Standing { being_stopped: true, ..WANTED };
    let later = Permit { epoch: 7, ..start() };
    let table = [
        ("as it was given", start(), Some(WANTED), false, 99, Ok(())),
        ("of another leader", later, Some(WANTED), false, 99, Err(Withdrawn::Deposed)),
        ("too late", start(), Some(WANTED), false, 100, Err(Withdrawn::Expired)),
        ("frozen meanwhile", start(), Some(WANTED), true, 99, Err(Withdrawn::Frozen)),
        ("nothing is known of it", start(), None, false, 99, Err(Withdrawn::NotWanted)),
        ("stopped meanwhile", start(), Some(stopped), false, 99, Err(Withdrawn::NotWanted)),
        ("nobody can tell any more", start(), Some(unknown), false, 99, Err(Withdrawn::NotWanted)),
        ("being stopped", start(), Some(being_stopped), false, 99, Err(Withdrawn::BeingStopped)),
        ("a person's update", person(Action::Recreate), Some(WANTED), false, 99, Ok(())),
        (
            "a person's update, stopped meanwhile",
            person(Action::Recreate),
            Some(stopped),
            false,
            99,
            Err(Withdrawn::NotWanted),
        ),
        ("a pair is opened", permit(Action::Stop, Pair::Opens), Some(stopped), false, 99, Err(Withdrawn::NotWanted)),
        ("a pair is closed in a freeze", permit(Action::Start, Pair::Closes), Some(WANTED), true, 99, Ok(())),
        (
            "… but not against the owner",
            permit(Action::Start, Pair::Closes),
            Some(stopped),
            true,
            99,
            Err(Withdrawn::NotWanted),
        ),
        ("an undo", permit(Action::Stop, Pair::None), Some(stopped), false, 99, Ok(())),
        ("a person's start of what nobody knew", person(Action::Start), None, false, 99, Ok(())),
        (
            "a person's start after another's stop",
            person(Action::Start),
            Some(stopped),
            false,
            99,
            Err(Withdrawn::NotWanted),
        ),
        ("a person's stop", person(Action::Stop), Some(WANTED), true, 99, Ok(())),
    ];
    for (name, permit, standing, frozen, now, expect) in table {
        let gate = gate(standing);
        gate.lock().frozen = frozen;
        assert_eq!(gate.pass(&permit, Tick(now)), expect, "{name}");
        if expect.is_ok() {
            assert_eq!(gate.pass(&permit, Tick(now)), Err(Withdrawn::Used), "{name}, twice");
        }
    }
}

#[test]
fn a_permit_that_was_withheld_was_not_used() {
    let gate = gate(Some(WANTED));
    gate.lock().frozen = true;
    assert_eq!(gate.pass(&permit(Action::Start, Pair::None), Tick(1)), Err(Withdrawn::Frozen));
    gate.lock().frozen = false;
    assert_eq!(gate.pass(&permit(Action::Start, Pair::None), Tick(2)), Ok(()));
}

#[test]
fn behind_a_closed_gate_nothing_passes_whatever_is_published_after_that() {
    let closed = gate(Some(WANTED));
    closed.close();
    let deposed = gate(Some(WANTED));
    deposed.depose();
    // Its process ends later: that changes nothing of why.
    deposed.close();
    let engine = Engine::new(State::default(), Arc::new(Settings::default()), "0");
    for (gate, expect) in [(closed, Withdrawn::Ending), (deposed, Withdrawn::Deposed)] {
        let unhindered = Permit { behalf: Behalf::Person("ann".to_owned()), ..permit(Action::Stop, Pair::None) };
        for _ in 0..2 {
            assert_eq!(gate.pass(&permit(Action::Start, Pair::None), Tick(1)), Err(expect.clone()));
            assert_eq!(gate.pass(&unhindered, Tick(1)), Err(expect.clone()));
            gate.publish(&engine, std::iter::once(&web()));
            gate.lock().standings.insert(web(), WANTED);
        }
    }
}

#[test]
fn a_maintenance_that_has_begun_withdraws_what_would_be_new_and_nothing_that_ends_a_pair() {
    let gate = gate(Some(WANTED));
    gate.lock().maintenance = vec![Maintained { deployment: Some("sh*".to_owned()), span: Tick(50)..Tick(80) }];
    let (start, person) = (permit(Action::Start, Pair::None), Behalf::Person("ann".to_owned()));
    let closes = Permit { id: PermitId(2), ..permit(Action::Start, Pair::Closes) };
    let persons = Permit { id: PermitId(3), behalf: person, unhindered: true, ..start.clone() };
    assert_eq!(gate.pass(&start, Tick(50)), Err(Withdrawn::Maintenance));
    assert_eq!(gate.pass(&closes, Tick(60)), Ok(()));
    assert_eq!(gate.pass(&persons, Tick(60)), Ok(()));
    assert_eq!(gate.pass(&start, Tick(80)), Ok(()));
}
