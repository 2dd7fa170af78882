//! Several services fail: dependencies, common causes, storms, and the budgets of groups.

use model::action::Action;
use model::fact::{Condition, Health};
use model::incident::Outcome;
use model::message::Kind;
use model::verdict::Limit;

use crate::story::{Story, named, needs};

fn shop() -> Story {
    let mut story = Story::new();
    story.runs("shop/db");
    story.runs_as("shop/web", |d| d.depends_on = vec![needs("db", Condition::Started)]);
    story.begins();
    story
}

#[test]
fn a_dependent_is_part_of_its_dependencys_incident_and_looked_at_when_that_is_well() {
    for parent_first in [true, false] {
        let mut story = shop();
        story.after(5.0);
        story.will_end("shop/db", 500, 3, 1);
        if parent_first {
            story.crashes("shop/db", 3).after(0.2).crashes("shop/web", 1);
        } else {
            story.crashes("shop/db", 3).crashes("shop/web", 1);
        }
        story.after_minutes(10.0);
        assert_eq!(story.outcome("shop/db"), Some(Outcome::Healed), "{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
        assert!(story.is_running("shop/web"), "{story}");
        let (db, web) = (story.ordered(Action::Start, "shop/db"), story.ordered(Action::Start, "shop/web"));
        assert!(web[0] > *db.last().unwrap(), "the dependency comes first:\n{story}");
        assert!(story.to_string().contains("part of incident web-1/1"), "{story}");
    }
}

#[test]
fn a_dependent_waits_for_its_dependency_to_be_well_and_not_for_the_end_of_its_incident() {
    let mut story = shop();
    story.after(5.0).crashes("shop/db", 3).crashes("shop/web", 1).after_minutes(10.0);
    let (db, web) = (story.ordered(Action::Start, "shop/db")[0], story.ordered(Action::Start, "shop/web")[0]);
    assert!(web - db < 11.0, "db at {db}, web at {web}:\n{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_dependent_of_what_waits_for_long_has_an_incident_of_its_own() {
    // Merged first, and let go when its dependency's incident has to wait for the deployment's budget.
    let mut story = Story::new();
    story.settings.budgets.per_deployment = Limit { count: 1, window_ms: 1_800_000 };
    story.runs("shop/db");
    story.runs_as("shop/web", |d| d.depends_on = vec![needs("db", Condition::Started)]);
    story.begins().after(5.0).will_end("shop/db", 500, 3, 1).crashes("shop/db", 3).crashes("shop/web", 1).after(60.0);
    assert_eq!((story.phase("shop/db"), story.phase("shop/web")), ("held", "held"), "{story}");
    // Nobody is told that nothing is wrong with it, and each of them is told when that has lasted.
    story.after_minutes(5.0);
    assert_eq!(story.told().iter().filter(|kind| **kind == Kind::Opened).count(), 2, "{story}");
}

#[test]
fn a_dependent_that_was_ill_long_before_has_an_incident_of_its_own() {
    let mut story = shop();
    story.freezes().crashes("shop/web", 1).after(60.0).crashes("shop/db", 3).after(10.0);
    assert_eq!((story.phase("shop/web"), story.phase("shop/db")), ("held", "held"), "{story}");
    assert_eq!(story.count("incident_opened"), 2);
}

#[test]
fn in_a_storm_the_first_ones_are_treated_at_once_and_the_others_wait_for_a_common_cause() {
    let names = ["a/x", "b/x", "c/x", "d/x", "e/x"];
    let mut story = Story::of(&names);
    story.after(5.0);
    for name in names {
        story.crashes(name, 3);
    }
    story.after(1.0);
    let treated = |story: &Story| names.map(|name| story.starts(name));
    assert_eq!(treated(&story), [1, 1, 0, 0, 0], "{story}");
    story.after_minutes(10.0);
    assert_eq!(treated(&story), [1, 1, 1, 1, 1], "{story}");
    for name in names {
        assert_eq!(story.outcome(name), Some(Outcome::Healed), "{name}:\n{story}");
    }
}

#[test]
fn no_more_than_so_many_are_acted_on_at_the_same_time() {
    let names = ["a/x", "b/x", "c/x", "d/x", "e/x", "f/x"];
    let mut story = Story::of(&names);
    story.settings.budgets.concurrent = 3;
    story.hands_work = false;
    for name in names {
        story.crashes(name, 3);
    }
    story.after(25.0);
    assert_eq!(story.orders.len(), 3, "{story}");
    let held = names.iter().filter(|name| story.held_for(name) == "concurrency").count();
    assert_eq!(held, 3, "{story}");
}

#[test]
fn a_groups_budget_holds_until_its_window_has_slid_on() {
    let names = ["shop/a", "shop/b", "shop/c"];
    let mut story = Story::new();
    story.settings.budgets.per_deployment = Limit { count: 2, window_ms: 600_000 };
    for name in names {
        story.runs(name);
    }
    story.begins();
    for name in names {
        story.crashes(name, 3).after(20.0);
    }
    assert_eq!((story.starts("shop/c"), story.held_for("shop/c")), (0, "group_budget"), "{story}");
    story.after_minutes(12.0);
    assert_eq!((story.starts("shop/c"), story.outcome("shop/c")), (1, Some(Outcome::Healed)), "{story}");
    let first = story.ordered(Action::Start, "shop/a")[0];
    assert!(story.ordered(Action::Start, "shop/c")[0] - first >= 600.0, "{story}");
}

#[test]
fn what_shares_a_network_is_not_acted_on_at_the_same_time() {
    let mut story = Story::new();
    story.runs("vpn/gate");
    story.runs_as("vpn/app", |d| d.network_parent = Some(named("vpn/gate")));
    story.begins();
    // The dependent fails first: it is not part of the other's illness, and both want the same namespace.
    story.crashes("vpn/app", 3).after(10.0).crashes("vpn/gate", 3).after(1.0);
    assert_eq!(story.held_for("vpn/gate"), "busy", "{story}");
    story.after_minutes(10.0);
    assert_eq!(story.outcome("vpn/gate"), Some(Outcome::Healed), "{story}");
}

#[test]
fn two_containers_of_one_name_that_are_both_down_are_not_chosen_between() {
    let mut story = Story::of(&["shop/web"]);
    story.runs("shop/web").relists().after(5.0).crashes("shop/web", 3).after(1.0);
    assert_eq!(story.starts("shop/web"), 0, "the other one runs:\n{story}");
    let other = story.first_id_of("shop/web");
    story.ends(&other, 3).after(30.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "two_incarnations"), "{story}");
}

#[test]
fn the_replicas_of_a_service_are_not_taken_down_at_the_same_time() {
    let mut story = Story::of(&["shop/web", "shop/web/2"]);
    story.settings.budgets.concurrent = 9;
    story.has_check("shop/web").has_check("shop/web/2").after(5.0);
    story.turns("shop/web", Health::Unhealthy).turns("shop/web/2", Health::Unhealthy).after(1.0);
    assert_eq!(story.ordered(Action::Stop, "shop/web").len() + story.ordered(Action::Stop, "shop/web/2").len(), 1);
    assert!(story.to_string().contains("is down, and not both shall be"), "{story}");
    story.turns("shop/web", Health::Healthy).after_minutes(5.0);
    assert_eq!(story.ordered(Action::Stop, "shop/web/2").len(), 1, "{story}");
}
