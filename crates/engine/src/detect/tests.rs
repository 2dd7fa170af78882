//! Which states make which alert fire.

use std::collections::VecDeque;

use model::Now;
use model::fact::{Exit, Fact, Generation, Incarnation, Observation, SourceTime};
use model::input::SourceState;

use super::*;
use crate::diagnose::cases;
use crate::world::World;

fn seen(looks: Vec<model::fact::Look>) -> World {
    let mut world = World::default();
    let _ = world.report("h", &SourceState::opened(Generation(1)), Now::default());
    for (number, look) in looks.into_iter().enumerate() {
        let seen = Observation {
            resource: web(),
            incarnation: Incarnation(format!("body-{number}").into()),
            generation: Generation(1),
            fact: Fact::Looked(Box::new(look)),
        };
        let _ = world.observe(&seen, Tick(0));
    }
    world
}

fn web() -> model::ResourceId {
    model::ResourceId::docker("h", "shop", "web", 1)
}

fn failed(run: Run) -> model::fact::Look {
    let exit =
        Exit { at: SourceTime(9), code: 128, oom: false, error: "no such network".to_owned(), start_error: None };
    model::fact::Look { exit: Some(exit), ..cases::look(run, 0) }
}

fn healthy(run: Run, health: Health) -> model::fact::Look {
    model::fact::Look { health, exit: None, ..cases::look(run, 0) }
}

#[test]
fn what_is_seen_says_what_is_wrong() {
    let up = || healthy(Run::Running, Health::Unchecked);
    let down = |code| cases::look(Run::Exited, code);
    let never = || model::fact::Look { started: None, exit: None, ..cases::look(Run::Created, 0) };
    let table: Vec<(&str, Vec<model::fact::Look>, &[Name])> = vec![
        ("it runs", vec![up()], &[]),
        ("it runs and is healthy", vec![healthy(Run::Running, Health::Healthy)], &[]),
        ("it runs, no verdict yet", vec![healthy(Run::Running, Health::Starting)], &[]),
        ("it runs, and its check fails", vec![healthy(Run::Running, Health::Unhealthy)], &[Name::Unhealthy]),
        ("paused, which makes its check fail", vec![healthy(Run::Paused, Health::Unhealthy)], &[]),
        ("it ended", vec![down(3)], &[Name::ServiceDown]),
        ("it ended well", vec![down(0)], &[Name::ServiceDown]),
        ("the engine restarts it", vec![cases::look(Run::Restarting, 3)], &[Name::ServiceDown]),
        ("it could not be started", vec![failed(Run::Created)], &[Name::StartFailed]),
        ("it could not be started again", vec![failed(Run::Exited)], &[Name::StartFailed]),
        ("it was made and not started", vec![never()], &[]),
        ("it is being removed", vec![healthy(Run::Removing, Health::Unchecked)], &[]),
        ("one of two runs", vec![down(3), up()], &[]),
        ("the other of two runs", vec![up(), down(3)], &[]),
        ("two are down: one alert", vec![down(3), down(1)], &[Name::ServiceDown]),
        ("nothing is there", vec![], &[]),
    ];
    for (name, looks, expect) in table {
        let world = seen(looks);
        let found = conditions(world.bodies(&web()), Tick(0));
        let names: Vec<Name> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expect, "{name}");
    }
}

#[test]
fn three_restarts_by_the_engine_are_a_loop_until_it_was_calm_for_five_minutes() {
    let world = seen(vec![healthy(Run::Running, Health::Unchecked)]);
    let mut body = world.bodies(&web()).next().unwrap().clone();
    let looping = |body: &Body, now: u64| !conditions(std::iter::once(body), Tick(now)).is_empty();
    body.restarted = VecDeque::from([Tick(0), Tick(10_000)]);
    assert!(!looping(&body, 10_000));
    body.restarted.push_back(Tick(50_000));
    assert!(looping(&body, 50_000));
    assert!(looping(&body, 350_000));
    assert!(!looping(&body, 350_001));
}
