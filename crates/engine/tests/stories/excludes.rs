//! What its owner takes out of healer's hands while something is wrong with it.

use std::sync::Arc;

use model::incident::Outcome;
use model::input::Input;
use model::message::Kind;
use model::settings::Exclusion;

use crate::story::Story;

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
