//! What shares the network of another follows that: it is not left in the namespace of a process that is gone.

use std::time::Duration;

use model::action::Action;
use model::command::Ask;
use model::fact::Health;
use model::incident::Outcome;
use model::intent::Wanted;

use crate::story::{Story, named};

/// gate, and leech in its network.
fn vpn() -> Story {
    let mut story = Story::new();
    story.runs("vpn/gate");
    let gate = story.first_id_of("vpn/gate");
    story.runs_as("vpn/leech", |d| {
        (d.network_parent, d.network_body) = (Some(named("vpn/gate")), Some(gate));
    });
    story.begins();
    story
}

#[test]
fn what_sits_in_the_network_of_a_process_that_is_gone_is_restarted() {
    let mut story = vpn();
    story.after(5.0).docker_stop("vpn/gate").after(5.0);
    assert_eq!(story.phase("vpn/leech"), "none", "that its parent is down is not its own illness:\n{story}");
    story.docker_start("vpn/gate").after(0.05).relists().after(200.0);
    assert_eq!((story.stops("vpn/leech"), story.starts("vpn/leech")), (1, 1), "{story}");
    assert_eq!(story.outcome("vpn/leech"), Some(Outcome::Healed), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn what_lost_its_network_to_healers_own_repair_follows_once_the_other_is_well() {
    let mut story = vpn();
    story.after(5.0).crashes("vpn/gate", 3).after(0.5).relists().after(3.0);
    assert_eq!((story.starts("vpn/gate"), story.stops("vpn/leech")), (1, 0), "{story}");
    story.after_minutes(10.0);
    assert_eq!((story.stops("vpn/leech"), story.starts("vpn/leech")), (1, 1), "{story}");
    assert_eq!(story.outcome("vpn/leech"), Some(Outcome::Healed), "{story}");
}

#[test]
fn what_names_a_container_that_was_made_anew_is_made_anew_too() {
    let mut story = vpn();
    story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists().after_minutes(10.0);
    assert_eq!(story.ordered(Action::Recreate, "vpn/leech").len(), 1, "{story}");
    assert_eq!(story.outcome("vpn/leech"), Some(Outcome::Healed), "{story}");
    assert_eq!((story.stops("vpn/leech"), story.count("revived_by_another")), (0, 0), "{story}");
    // What healer did to it was nobody's act.
    assert_eq!((story.count("person_acted"), story.count("intent_changed")), (0, 2), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn what_was_half_made_anew_is_finished_by_the_next_healer_also_where_its_listing_is_overtaken_by_a_look() {
    for listing_takes in [0, 1500].map(Duration::from_millis) {
        let mut story = vpn();
        (story.hands_work, story.reads_flag, story.kept_complete) = (false, true, Some(true));
        story.listing_takes = listing_takes;
        story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists();
        while story.ordered(Action::Recreate, "vpn/leech").is_empty() {
            story.after(0.1);
        }
        // The old one ends by the order's own stop, which nobody hears of.
        story.is_killed().docker_stop("vpn/leech").after(5.0).process_starts().opens().after(1.0);
        story.hands_work = true;
        story.relists().after_minutes(10.0);
        assert_eq!(story.wanted("vpn/leech"), Some(Wanted::Running), "{listing_takes:?}:\n{story}");
        assert_eq!(story.outcome("vpn/leech"), Some(Outcome::Healed), "{listing_takes:?}:\n{story}");
    }
}

#[test]
fn one_that_is_made_anew_by_healer_is_no_deploy_that_the_next_one_waits_for() {
    let mut story = vpn();
    let gate = story.first_id_of("vpn/gate");
    story.runs_as("vpn/other", |d| (d.network_parent, d.network_body) = (Some(named("vpn/gate")), Some(gate)));
    story.relists().after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists().after(75.0);
    let both = ["vpn/leech", "vpn/other"].map(|name| story.ordered(Action::Recreate, name).len());
    assert_eq!(both, [1, 1], "the owner's deploy is over, and healer's own is none:\n{story}");
}

#[test]
fn what_would_be_made_something_else_is_left_to_a_person_with_the_reason() {
    let mut story = vpn();
    story.cannot_start("vpn/leech", "its files in /srv/vpn were edited since it was made");
    story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists().after_minutes(30.0);
    assert_eq!(story.ordered(Action::Recreate, "vpn/leech").len(), 1, "once, and not again:\n{story}");
    assert_eq!(story.phase("vpn/leech"), "escalated", "{story}");
    let message = story.messages().last().expect("it was told");
    let says = format!("{}\n{}", message.title, message.story.join("\n"));
    assert!(says.contains("must be made anew too") && says.contains("were edited since"), "{says}");
    // … who makes it anew, too.
    let gate = story.first_id_of("vpn/gate");
    story.recreated("vpn/leech", |d| d.network_body = Some(gate)).after(0.05).relists().after_minutes(5.0);
    assert_eq!(story.outcome("vpn/leech"), Some(Outcome::MendedByPerson), "{story}");
}

#[test]
fn what_would_lose_a_volume_without_a_name_is_made_anew_once_a_person_approves() {
    let mut story = vpn();
    story.updated("vpn/leech", |d| d.anonymous_volume = true).relists();
    story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists().after_minutes(3.0);
    assert_eq!(story.phase("vpn/leech"), "awaiting_approval", "{story}");
    assert_eq!(story.ordered(Action::Recreate, "vpn/leech").len(), 0, "{story}");
    story.approves(1).after_minutes(5.0);
    assert_eq!(story.outcome("vpn/leech"), Some(Outcome::Healed), "{story}");
}

#[test]
fn what_compose_did_not_make_is_made_anew_by_nobody_but_a_person() {
    let mut story = vpn();
    let gate = story.first_id_of("vpn/gate");
    story.docker_run("leech").updated("leech", |d| {
        (d.network_parent, d.network_body) = (Some(named("vpn/gate")), Some(gate));
    });
    story.relists().after(1.0).says("ada", Ask::Adopt("leech".to_owned()));
    story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists().after_minutes(10.0);
    assert_eq!(story.ordered(Action::Recreate, "leech").len(), 0, "{story}");
    assert_eq!(story.phase("leech"), "escalated", "{story}");
}

#[test]
fn whoever_replaces_the_one_may_wait_for_it_to_be_well_before_they_replace_the_other() {
    let mut story = vpn();
    story.after(5.0).recreated("vpn/gate", |_| {}).has_check("vpn/gate").turns("vpn/gate", Health::Starting);
    story.after(0.05).relists().after_minutes(5.0);
    assert_eq!(story.ordered(Action::Recreate, "vpn/leech").len(), 0, "{story}");
    story.turns("vpn/gate", Health::Healthy).after_minutes(5.0);
    assert_eq!(story.ordered(Action::Recreate, "vpn/leech").len(), 1, "{story}");
}

#[test]
fn one_of_several_replicas_is_made_anew_by_nobody_but_a_person() {
    let mut story = vpn();
    let gate = story.first_id_of("vpn/gate");
    story.runs_as("vpn/leech/2", |d| (d.network_parent, d.network_body) = (Some(named("vpn/gate")), Some(gate)));
    story.relists().after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists().after_minutes(10.0);
    assert_eq!(story.ordered(Action::Recreate, "vpn/leech").len(), 0, "{story}");
    assert_eq!((story.phase("vpn/leech"), story.phase("vpn/leech/2")), ("escalated", "escalated"), "{story}");
}

#[test]
fn who_stops_what_is_being_made_anew_has_the_last_word() {
    let mut story = vpn();
    story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists();
    while story.ordered(Action::Recreate, "vpn/leech").is_empty() {
        story.after(0.1);
    }
    story.says("ada", Ask::Stop("vpn/leech".to_owned())).after_minutes(5.0);
    assert!(!story.is_running("vpn/leech"), "{story}");
    assert_eq!(story.wanted("vpn/leech"), Some(Wanted::Stopped), "{story}");
}

#[test]
fn who_stops_at_the_engine_what_is_being_made_anew_has_the_last_word_too() {
    let mut story = vpn();
    story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists();
    while story.ordered(Action::Recreate, "vpn/leech").is_empty() {
        story.after(0.01);
    }
    // Both stop the old one; the new one is started all the same.
    story.after(0.03).docker_stop("vpn/leech").after_minutes(5.0);
    assert_eq!(story.wanted("vpn/leech"), Some(Wanted::Stopped), "{story}");
    assert!(!story.is_running("vpn/leech"), "{story}");
    assert_eq!(story.outcome("vpn/leech"), Some(Outcome::StoppedByOwner), "{story}");
}

#[test]
fn what_was_half_made_anew_when_healer_was_killed_is_made_anew_by_the_next_one() {
    let mut story = vpn();
    story.reads_flag = true;
    story.after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists();
    while story.is_running("vpn/leech") {
        story.after(0.05);
    }
    assert_eq!(story.phase("vpn/leech"), "acting", "{story}");
    story.is_killed().after(2.0).process_starts().connects().after_minutes(10.0);
    assert!(story.is_running("vpn/leech"), "{story}");
    assert_eq!(story.ordered(Action::Recreate, "vpn/leech").len(), 2, "{story}");
    assert_eq!((story.starts("vpn/leech"), story.wanted("vpn/leech")), (0, Some(Wanted::Running)), "{story}");
}

#[test]
fn the_patience_of_a_stop_that_outlives_healer_is_waited_for_before_it_is_made_anew_again() {
    let mut story = vpn();
    let gate = story.first_id_of("vpn/gate");
    story.runs_as("vpn/slow", |d| {
        (d.network_parent, d.network_body, d.stop_timeout_s) = (Some(named("vpn/gate")), Some(gate), 60);
    });
    story.hands_work = false;
    story.relists().after(5.0).recreated("vpn/gate", |_| {}).after(0.05).relists();
    while story.ordered(Action::Recreate, "vpn/slow").is_empty() {
        story.after(0.1);
    }
    // The engine has been asked to stop the old one, and goes on with that.
    story.is_killed().after(2.0).process_starts().connects().after(58.0);
    assert!(story.is_running("vpn/slow"), "{story}");
    assert_eq!(story.ordered(Action::Recreate, "vpn/slow").len(), 1, "while its patience lasts:\n{story}");
    story.hands_work = true;
    story.after_minutes(10.0);
    assert_eq!(story.ordered(Action::Recreate, "vpn/slow").len(), 2, "{story}");
    assert!(story.is_running("vpn/slow"), "{story}");
}
