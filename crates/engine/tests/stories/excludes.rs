//! What its owner takes out of healer's hands while something is wrong with it.

use std::sync::Arc;

use model::Wall;
use model::fact::Health;
use model::incident::Outcome;
use model::input::Input;
use model::message::Kind;
use model::settings::{Exclusion, Maintenance};

use crate::story::{Story, named};

fn excludes_shop(story: &mut Story) -> &mut Story {
    let mut settings = story.settings.clone();
    settings.exclude.push(Exclusion::Deployment("shop".to_owned()));
    story.feed(Input::Configured(Arc::new(settings)))
}

#[test]
fn excluding_a_service_closes_its_incident_and_calls_nobody() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(5.0).crashes("shop/web", 3).after(10.0);
    excludes_shop(&mut story).after_minutes(30.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Excluded), "{story}");
    assert_eq!((story.starts("shop/web"), story.told()), (0, Vec::new()), "{story}");
}

#[test]
fn excluding_a_service_whose_incident_was_told_closes_the_thread() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(5.0).crashes("shop/web", 3).after_minutes(4.0);
    excludes_shop(&mut story).after_minutes(30.0);
    assert_eq!(story.told(), [Kind::Opened, Kind::Resolved], "{story}");
}

#[test]
fn excluding_a_service_during_its_start_waits_for_the_answer() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).crashes("shop/web", 3).after(0.1);
    assert_eq!(story.phase("shop/web"), "acting", "{story}");
    excludes_shop(&mut story).after(0.01);
    assert_eq!(story.phase("shop/web"), "acting", "{story}");
    story.after(10.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Excluded), "{story}");
    assert_eq!(story.told(), Vec::new(), "{story}");
}

#[test]
fn what_is_ill_when_it_is_taken_back_is_another_incident() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(5.0).crashes("shop/web", 3).after(10.0);
    excludes_shop(&mut story).after(60.0);
    let settings = story.settings.clone();
    story.feed(Input::Configured(Arc::new(settings))).says("ann", model::command::Ask::Thaw).after_minutes(5.0);
    assert_eq!(story.count("incident_opened"), 2, "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

/// From so many seconds on, for so many.
fn maintains_shop(story: &mut Story, from_s: i64, for_s: i64) -> &mut Story {
    let mut settings = story.settings.clone();
    let from = story.wall().0 + from_s * 1_000;
    let (from, until) = (Wall(from), Wall(from + for_s * 1_000));
    settings.maintenance = vec![Maintenance { deployment: Some("sh*".to_owned()), from, until }];
    story.feed(Input::Configured(Arc::new(settings)))
}

#[test]
fn in_maintenance_nothing_new_is_started_nobody_is_told_and_at_its_end_it_is_looked_at_again() {
    let mut story = Story::of(&["shop/web", "wiki/wiki"]);
    maintains_shop(&mut story, 0, 3_600).after(5.0);
    story.crashes("shop/web", 3).crashes("wiki/wiki", 3).after_minutes(50.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "maintenance"), "{story}");
    assert_eq!(story.outcome("wiki/wiki"), Some(Outcome::Healed), "only the one is left alone:\n{story}");
    let of_shop =
        |story: &Story| story.messages().iter().filter(|m| m.about.resource() == Some(&named("shop/web"))).count();
    assert_eq!(of_shop(&story), 0, "{story}");
    story.after_minutes(13.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
}

#[test]
fn what_is_ill_beyond_a_maintenance_is_told_at_its_end() {
    let mut story = Story::of(&["shop/web"]);
    maintains_shop(&mut story, 0, 3_600).freezes().after(5.0).crashes("shop/web", 3).after_minutes(59.0);
    assert_eq!(story.told(), Vec::new(), "{story}");
    story.after_minutes(2.0);
    assert_eq!(story.told(), [Kind::Opened], "{story}");
}

#[test]
fn a_maintenance_that_begins_in_the_middle_of_a_pair_leaves_nothing_down() {
    let mut story = Story::of(&["shop/web"]);
    story.has_check("shop/web").ignores_term("shop/web").after(5.0);
    maintains_shop(&mut story, 2, 3_600).turns("shop/web", Health::Unhealthy).after_minutes(5.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "{story}");
}
