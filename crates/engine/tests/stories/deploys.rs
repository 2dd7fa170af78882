//! What falls ill soon after a deploy is put down to it, whoever saw the deploy, and what was well before is named.

use model::event::Event;

use crate::story::Story;

/// web, which has been well for two minutes.
fn well() -> Story {
    let mut story = Story::of(&["shop/web"]);
    story.after(120.0);
    story
}

fn cause_of(story: &Story) -> Option<(String, String)> {
    let mut last = None;
    for event in story.events() {
        if let Event::Diagnosed { diagnosis, .. } = event {
            last = Some((diagnosis.cause.clone(), diagnosis.title.clone()));
        }
    }
    last
}

fn cause(story: &Story) -> String {
    cause_of(story).map(|(cause, _)| cause).unwrap_or_default()
}

#[test]
fn what_crashes_soon_after_its_image_was_changed_was_broken_by_that() {
    let mut story = well();
    story.recreated("shop/web", |d| (d.image, d.image_id) = ("shop:2".to_owned(), "sha256:2".to_owned()));
    story.after(0.05).relists().after(5.0).crashes("shop/web", 1).after_minutes(5.0);
    let (cause, title) = cause_of(&story).unwrap_or_default();
    assert_eq!(cause, "broken_by_deploy", "{story}");
    assert!(title.contains("shop:2"), "{title}");
    insta::assert_snapshot!(story);
}

#[test]
fn what_crashes_long_after_a_deploy_was_not() {
    let mut story = well();
    story.recreated("shop/web", |d| d.config_hash = "another".to_owned());
    story.after(0.05).relists().after_minutes(11.0).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!(cause(&story), "crash", "{story}");
}

#[test]
fn what_is_made_anew_as_it_was_was_not() {
    let mut story = well();
    story.recreated("shop/web", |_| {}).after(0.05).relists().after(5.0).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!(cause(&story), "crash", "{story}");
}

#[test]
fn a_deploy_while_healer_was_away_is_known_by_what_was_there_before() {
    let mut story = well();
    story.is_killed().after(30.0).recreated("shop/web", |d| d.config_hash = "another".to_owned()).after(30.0);
    story.process_starts().connects().after(5.0).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!(cause(&story), "broken_by_deploy", "{story}");
}

#[test]
fn a_deploy_that_takes_all_away_first_is_one_too() {
    let mut story = well();
    story.docker_stop("shop/web").after(1.0).removed("shop/web").after(2.0);
    story.runs_as("shop/web", |d| d.config_hash = "another".to_owned()).relists();
    story.after(5.0).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!(cause(&story), "broken_by_deploy", "{story}");
}
