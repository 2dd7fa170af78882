//! What falls ill soon after a deploy is put down to it, whoever saw the deploy, and what was well before is named, and
//! put back where a person says so.

use model::action::{Action, Answer};
use model::command::Ask;
use model::complaint::Complaint;
use model::event::Event;
use model::fact::RestartPolicy;
use model::incident::Outcome;
use model::intent::Wanted;

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

/// web, whose image's name has come to mean another image, which does not run: a person is asked.
fn broken_behind_its_name() -> Story {
    let mut story = well();
    story.recreated("shop/web", |d| d.image_id = "sha256:2".to_owned()).after(0.05).relists();
    story.complains("shop/web", Complaint::VariableMissing { name: Some("LEDGER".to_owned()) });
    story.after(2.0).crashes("shop/web", 1).after(90.0);
    story
}

#[test]
fn an_image_that_changed_behind_its_name_is_put_back_once_a_person_says_so() {
    let mut story = broken_behind_its_name();
    assert_eq!(story.phase("shop/web"), "awaiting_approval", "{story}");
    assert_eq!(story.ordered(Action::Recreate, "shop/web").len(), 0, "{story}");
    let asked = story.messages()[0].story.join("\n");
    assert!(asked.contains("recreate shop/web, of image 1, which shop/web:1 meant before (dangerous)"), "{asked}");
    let page = engine::view::question(story.engine(), &story.incident_id(1), story.status().now).unwrap();
    let again = "shop/web:1 means image 2 again, as it does now, and shop/web is made anew of that";
    assert!(page.undo.ends_with(again), "{}", page.undo);
    story.approves(1).after_minutes(5.0);
    assert_eq!(story.ordered(Action::Recreate, "shop/web").len(), 1, "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    insta::assert_snapshot!(story);
}

/// The same, a moment after a person said so: the container is made anew of the image of before, and runs.
fn put_back() -> Story {
    let mut story = broken_behind_its_name();
    story.approves(1);
    while story.image_of("shop/web") != "sha256:1" {
        story.after(0.001);
    }
    story
}

#[test]
fn what_is_put_back_and_does_not_help_is_taken_back_however_soon_it_ends() {
    for after_s in [0.0, 0.002, 0.02, 2.0, 60.0] {
        let mut story = put_back();
        story.after(after_s).crashes("shop/web", 1).after_minutes(5.0);
        assert_eq!(story.ordered(Action::Recreate, "shop/web").len(), 2, "after {after_s} s:\n{story}");
        assert_eq!(story.image_of("shop/web"), "sha256:2", "after {after_s} s:\n{story}");
    }
}

#[test]
fn what_ends_at_once_as_before_is_taken_back_all_the_same() {
    let mut story = put_back();
    story.after(2.0).crashes("shop/web", 1);
    while story.image_of("shop/web") != "sha256:2" {
        story.after(0.001);
    }
    story.complains("shop/web", Complaint::VariableMissing { name: None }).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
    assert!(!story.engine().state().incidents[&1].halted, "it is as it was:\n{story}");
}

#[test]
fn what_is_put_back_and_does_not_help_is_taken_back_though_nobody_saw_it_run() {
    let mut story = put_back();
    story.looks_work = false;
    story.after(0.02).is_killed();
    story.looks_work = true;
    story.after(2.0).process_starts().after(120.0).connects().after(5.0).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!(story.image_of("shop/web"), "sha256:2", "{story}");
}

#[test]
fn of_a_roll_back_that_was_cut_short_a_person_is_told_where_the_name_is_though_nobody_saw_it() {
    for away_s in [5.0, 120.0] {
        let mut story = broken_behind_its_name();
        story
            .approves(1)
            .after(0.1)
            .is_killed()
            .after(2.0)
            .process_starts()
            .after(away_s)
            .connects()
            .after_minutes(2.0);
        assert_eq!(story.image_of("shop/web"), "sha256:2", "{story}");
        let told = story.messages().last().unwrap().story.join("\n");
        assert!(
            told.contains("`docker tag sha256:2 shop/web:1` takes that back"),
            "away for {away_s} s: {told}\n{story}"
        );
    }
}

#[test]
fn of_a_roll_back_that_was_cut_short_a_person_is_told_where_the_name_is_though_healer_waits_then() {
    let mut story = broken_behind_its_name();
    story.approves(1).after(0.1).is_killed().after(2.0).process_starts();
    story.freezes().after(5.0).connects().after_minutes(30.0);
    assert_eq!(story.held_for("shop/web"), "frozen", "{story}");
    let told = story.messages().last().unwrap().story.join("\n");
    assert!(told.contains("`docker tag sha256:2 shop/web:1` takes that back"), "{told}\n{story}");
}

/// The same, and it did not help, and could not be taken back: a person is told.
fn not_taken_back() -> Story {
    let mut story = put_back();
    story.after(2.0);
    story.hands_work = false;
    story.crashes("shop/web", 1).after(1.0).answer(Answer::Failed("Compose says no".to_owned())).after(20.0);
    story.hands_work = true;
    assert_eq!(story.ordered(Action::Recreate, "shop/web").len(), 2, "{story}");
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
    story
}

#[test]
fn what_a_person_has_started_is_not_taken_down_in_order_to_take_something_back() {
    let mut story = not_taken_back();
    story.says("ann", Ask::Start("shop/web".to_owned())).after_minutes(5.0);
    assert_eq!(story.ordered(Action::Recreate, "shop/web").len(), 2, "{story}");
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::MendedByPerson), "{story}");
}

#[test]
fn what_a_person_has_deployed_since_is_not_taken_back() {
    let mut story = not_taken_back();
    story.recreated("shop/web", |d| d.image_id = "sha256:3".to_owned()).after(0.05).relists();
    story.after(2.0).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!(story.ordered(Action::Recreate, "shop/web").len(), 2, "{story}");
    assert_eq!(story.image_of("shop/web"), "sha256:3", "{story}");
}

#[test]
fn what_the_engine_restarts_of_what_was_put_back_and_not_looked_at_yet_is_no_persons_start() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::UnlessStopped).begins().after(120.0);
    story.recreated("shop/web", |d| d.image_id = "sha256:2".to_owned()).after(0.05).relists();
    story.complains("shop/web", Complaint::VariableMissing { name: None });
    story.after(2.0).crashes("shop/web", 1).after_minutes(11.0);
    assert_eq!(story.phase("shop/web"), "awaiting_approval", "{story}");
    story.approves(1).after(0.1).says("ann", Ask::Stop("shop/web".to_owned()));
    while story.image_of("shop/web") != "sha256:1" {
        story.after(0.001);
    }
    story.is_restarting("shop/web", 1).policy_starts("shop/web").after_minutes(5.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
    assert!(!story.is_running("shop/web"), "{story}");
}

#[test]
fn what_was_down_before_it_was_to_be_made_anew_is_not_down_by_healers_hand() {
    let cut_short = |story: &mut Story| {
        story.hands_work = false;
        story.approves(1).after(1.0).is_killed();
        story.hands_work = true;
        story.after(2.0).process_starts().connects().after_minutes(2.0);
        assert_eq!(story.phase("shop/web"), "awaiting_approval", "it is asked about anew:\n{story}");
        story.approves(1).after_minutes(5.0);
        assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    };
    let failed = |story: &mut Story| {
        story.cannot_start("shop/web", "the image that shop/web:1 shall mean is gone");
        story.approves(1).after_minutes(5.0);
        assert_eq!(story.phase("shop/web"), "escalated", "{story}");
    };
    for befalls in [cut_short, failed] {
        let mut story = broken_behind_its_name();
        befalls(&mut story);
        assert_eq!(cause(&story), "broken_by_deploy", "{story}");
        assert_eq!(story.starts("shop/web"), 0, "the broken one is not started:\n{story}");
    }
}

#[test]
fn what_a_person_has_deployed_meanwhile_is_not_put_back() {
    let mut story = broken_behind_its_name();
    story.recreated("shop/web", |d| d.image_id = "sha256:3".to_owned()).after(0.05).relists();
    story.approves(1).after_minutes(5.0);
    assert_eq!(story.ordered(Action::Recreate, "shop/web").len(), 0, "{story}");
    assert!(story.is_running("shop/web"), "{story}");
}

#[test]
fn an_image_that_a_file_names_is_its_owners_to_put_back() {
    let mut story = well();
    story.recreated("shop/web", |d| (d.image, d.image_id) = ("shop:2".to_owned(), "sha256:2".to_owned()));
    story.after(0.05).relists().complains("shop/web", Complaint::VariableMissing { name: None });
    story.after(2.0).crashes("shop/web", 1).after(90.0);
    assert_eq!(cause(&story), "broken_by_deploy", "{story}");
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
}

/// Compose v1 leaves the old container, set aside, beside a new one that cannot be started.
fn left_beside() -> Story {
    let mut story = well();
    story.docker_stop("shop/web").after(0.3).put_aside("shop/web").made("shop/web");
    story.after(0.2).fails_to_start("shop/web", "Bind for 0.0.0.0:8080 failed: port is already allocated");
    story
}

#[test]
fn what_was_set_aside_is_not_meant_once_a_newer_one_has_its_name() {
    let mut story = left_beside();
    story.can_start("shop/web").after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
    assert!(story.is_running("shop/web"), "{story}");
}

#[test]
fn what_is_about_to_replace_another_is_not_chosen_before_it_has_the_name() {
    let mut story = well();
    // Compose v2 makes the new one under a temporary name, and was killed before it went on.
    story.ends(&story.first_id_of("shop/web"), 3).made("shop/web").put_aside("shop/web").after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "two_incarnations"), "{story}");
}
