//! What outlives healer's process, and what a journal that does not answer must not do.

use model::action::Answer;
use model::command::Ask;
use model::fact::Health;
use model::incident::Outcome;
use model::intent::Wanted;
use model::message::Kind;
use model::settings::Mode;

use crate::story::Story;

#[test]
fn healer_is_killed_during_a_start_looks_first_and_does_not_start_twice() {
    for after in [0.001, 0.1, 0.299, 0.302, 0.31] {
        let mut story = Story::of(&["shop/web"]);
        story.after(5.0).crashes("shop/web", 3).after(after).is_killed().after(5.0).begins().after(300.0);
        assert!(story.is_running("shop/web"), "killed after {after}:\n{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "killed after {after}:\n{story}");
        // The order that never reached the engine is no second start.
        let reached = usize::from(after > 0.0005);
        assert_eq!(story.starts("shop/web"), reached, "killed after {after}:\n{story}");
        assert_eq!(story.told(), [Kind::Healed], "killed after {after}:\n{story}");
    }
}

#[test]
fn healer_is_killed_before_its_start_reaches_the_engine() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).crashes("shop/web", 3).after(0.1).is_killed();
    story.hands_work = true;
    story.after(5.0).begins().after(300.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (2, Some(Outcome::Healed)), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn healer_is_killed_in_the_middle_of_a_pair_and_leaves_nothing_down() {
    // The kept events tell that nobody else stopped it.
    for (killed_after, look_first) in [(3.0, true), (3.0, false), (10.02, true), (10.1, false), (10.2, true)] {
        let mut story = Story::new();
        story.kept_complete = Some(true);
        story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").begins();
        story.after(5.0).turns("shop/web", Health::Unhealthy).after(killed_after).is_killed().after(20.0);
        story.process_starts();
        if look_first {
            // The look at what was under way answers before everything is listed.
            story.after(1.0);
        }
        story.connects().after(60.0).turns("shop/web", Health::Healthy).after(300.0);
        assert!(story.is_running("shop/web"), "killed after {killed_after}, {look_first}:\n{story}");
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{killed_after}, {look_first}:\n{story}");
        assert_eq!(story.phase("shop/web"), "resolved", "{killed_after}, {look_first}:\n{story}");
        assert_ne!(story.outcome("shop/web"), Some(Outcome::Gone), "{killed_after}, {look_first}:\n{story}");
    }
}

#[test]
fn healer_is_back_before_the_stop_of_its_pair_has_ended_and_leaves_nothing_down() {
    // The service takes ten seconds to stop. That it still runs does not mean that it was not told to.
    for (asked, look_first) in [(false, false), (false, true), (true, false), (true, true)] {
        for (killed_after, back_after) in [(0.05, 0.5), (3.0, 0.5), (3.0, 6.0), (9.5, 0.2), (10.005, 0.001)] {
            let said = format!("asked {asked}, {look_first}, killed after {killed_after}, back after {back_after}");
            let mut story = Story::new();
            story.kept_complete = Some(true);
            story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").begins().after(5.0);
            if asked {
                story.says("ann", Ask::Restart("shop/web".to_owned()));
            } else {
                story.turns("shop/web", Health::Unhealthy);
            }
            story.after(killed_after).is_killed().after(back_after).process_starts();
            if look_first {
                // The look at what was under way answers before everything is listed.
                story.after(0.05);
            }
            story.connects();
            story.after(30.0).turns("shop/web", Health::Healthy).after(300.0);
            assert!(story.is_running("shop/web"), "{said}:\n{story}");
            assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{said}:\n{story}");
            assert_eq!((story.starts("shop/web"), story.stops("shop/web")), (1, 1), "{said}:\n{story}");
            assert!(asked || story.phase("shop/web") == "resolved", "{said}:\n{story}");
        }
    }
}

#[test]
fn a_stop_while_healer_was_dead_in_the_middle_of_a_pair_is_respected() {
    let mut story = Story::new();
    story.kept_complete = Some(true);
    story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").begins();
    story.after(5.0).turns("shop/web", Health::Unhealthy).after(3.0).is_killed().after(1.0);
    story.docker_stop("shop/web").after(20.0).begins().after(300.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
}

#[test]
fn open_incidents_outlive_a_process_that_sees_nothing_for_a_while() {
    // healer is up before the engine is: what is not seen is not gone, and no cause for a page.
    for phase in ["held", "diagnosing", "awaiting_approval", "verifying", "escalated"] {
        let mut story = Story::new();
        story.runs("shop/web");
        match phase {
            "awaiting_approval" => story.settings.mode = Mode::Suggest,
            "escalated" => {
                story.will_end("shop/web", 500, 3, 9);
            }
            _ => {}
        }
        story.begins();
        match phase {
            "held" => story.freezes(),
            // Without its events, an end that a look shows waits.
            "diagnosing" => {
                story.stream_lag_ms = 60_000;
                &mut story
            }
            _ => &mut story,
        };
        story.after(5.0).crashes("shop/web", 3);
        if phase == "diagnosing" {
            story.relists();
        }
        story.after(if phase == "escalated" { 150.0 } else { 1.0 });
        assert_eq!(story.phase("shop/web"), phase, "{story}");
        let told = story.told();
        story.is_killed().after(2.0).process_starts().after(170.0);
        assert_ne!(story.phase("shop/web"), "resolved", "{phase}:\n{story}");
        assert_eq!(story.told(), told, "{phase}:\n{story}");
        story.stream_lag_ms = 0;
        story.kept_complete = Some(true);
        story.says("ann", Ask::Thaw).connects().after(1.0);
        assert_ne!(story.outcome("shop/web"), Some(Outcome::Gone), "{phase}:\n{story}");
        assert_eq!(story.count("incident_opened"), 1, "{phase}:\n{story}");
    }
}

#[test]
fn the_engine_is_away_for_long_while_something_is_open() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(5.0).crashes("shop/web", 3).after(5.0).stream_breaks().unreachable().after_minutes(30.0);
    story.says("ann", Ask::Thaw).after_minutes(30.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "not_seen"), "{story}");
    story.connects().after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
}

#[test]
fn an_append_that_fails_doubles_nothing() {
    for though_written in [false, true] {
        // The first, second, … append of the story fails, of the eventful ones.
        for skip_s in [5.0, 5.012, 5.311, 5.318, 125.4] {
            let mut story = Story::of(&["shop/web"]);
            story.fail_though_written = though_written;
            story.after(5.0);
            if skip_s == 5.0 {
                story.appends_fail = 1;
            }
            story.crashes("shop/web", 3);
            if skip_s > 5.0 {
                story.after(skip_s - 5.0 - 0.0105);
                story.appends_fail = 1;
            }
            story.after(400.0);
            let starts = story.starts("shop/web");
            assert!(starts <= 2, "at {skip_s}, {though_written}:\n{story}");
            assert!(story.is_running("shop/web"), "at {skip_s}, {though_written}:\n{story}");
            assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "at {skip_s}, {though_written}:\n{story}");
            assert_eq!(story.count("incident_opened"), 1, "at {skip_s}, {though_written}:\n{story}");
        }
    }
}

#[test]
fn the_same_signal_read_twice_is_not_a_second_stop() {
    // Our own stop's events are in a batch that is not taken, and are read again after the refold.
    for fails_after in [0.0, 0.05, 0.101, 0.121] {
        let mut story = Story::new();
        story.runs("shop/web").has_check("shop/web").begins();
        story.after(5.0).turns("shop/web", Health::Unhealthy).after(fails_after);
        story.appends_fail = 2;
        story.after(2.0).turns("shop/web", Health::Healthy).after(300.0);
        assert_eq!(story.count("intent_changed"), 1, "fails after {fails_after}:\n{story}");
        assert!(story.is_running("shop/web"), "fails after {fails_after}:\n{story}");
    }
}

#[test]
fn a_start_by_the_engines_own_policy_in_a_batch_that_was_not_taken_is_nobodys() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = model::fact::RestartPolicy::UnlessStopped).begins();
    // It has spent some of its budget, so that a fresh one would be seen.
    story.reloaded("shop/web").crashes("shop/web", 3).after_minutes(5.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
    story.is_restarting("shop/web", 3).after(1.0).appends_fail = 1;
    story.policy_starts("shop/web").after_minutes(5.0);
    assert_eq!((story.appends_fail, story.count("budget_refreshed")), (0, 0), "{story}");
}

#[test]
fn a_persons_stop_in_a_batch_that_was_not_taken_is_respected() {
    for though_written in [false, true] {
        let mut story = Story::of(&["shop/web"]);
        story.fail_though_written = though_written;
        story.appends_fail = 3;
        story.after(5.0).docker_stop("shop/web").after(60.0);
        assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
    }
}

#[test]
fn a_command_in_a_batch_that_was_not_taken_acts_once() {
    for though_written in [false, true] {
        let mut story = Story::of(&["shop/web"]);
        story.fail_though_written = though_written;
        story.appends_fail = 1;
        story.after(5.0).says("ann", Ask::Restart("shop/web".to_owned())).after(120.0);
        // What was written and never done is looked at once its time is over, and not repeated.
        let once = usize::from(!though_written);
        assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (once, once), "{story}");
        assert!(story.is_running("shop/web"), "{story}");
    }
}

#[test]
fn what_was_removed_while_healer_was_dead_is_not_spoken_of_any_more() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.after(5.0).is_killed().removed("shop/web").after(5.0).begins().after(1.0);
    assert_eq!((story.wanted("shop/web"), story.wanted("shop/db")), (None, Some(Wanted::Running)), "{story}");
    assert_eq!(story.count("resource_gone"), 1, "{story}");
}

#[test]
fn a_message_outlives_the_process_that_wrote_it() {
    let mut story = Story::of(&["shop/web"]);
    story.channel = model::message::Delivery::Retry("refused".to_owned());
    story.crashes("shop/web", 3).after(200.0);
    assert_eq!(story.told(), [Kind::Healed]);
    story.is_killed().after(5.0);
    story.channel = model::message::Delivery::Delivered;
    story.begins().after(200.0);
    assert_eq!((story.count("message_queued"), story.count("message_delivered")), (1, 1), "{story}");
}

#[test]
fn budgets_and_waits_go_on_across_a_restart_of_healer() {
    let mut story = Story::of(&["shop/web"]);
    story.kept_complete = Some(true);
    story.will_end("shop/web", 500, 3, 99).crashes("shop/web", 3).after(20.0);
    for _ in 0..3 {
        story.is_killed().after(2.0).begins().after(20.0);
    }
    story.after_minutes(10.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (3, "escalated"), "{story}");
}

#[test]
fn a_deposed_healer_decides_nothing_any_more() {
    let mut story = Story::of(&["shop/web"]);
    story.is_deposed().crashes("shop/web", 3).after(300.0);
    assert_eq!((story.starts("shop/web"), story.told().len()), (0, 0), "{story}");
    assert_eq!((story.count("incident_opened"), story.count("escalated")), (0, 0), "{story}");
}

#[test]
fn the_start_of_a_pair_that_was_lost_with_healer_is_ordered_again_whatever_the_stop_ended_with() {
    let mut story = Story::new();
    story.kept_complete = Some(true);
    story.runs("shop/web").has_check("shop/web").begins().after(1.0);
    story.turns("shop/web", Health::Unhealthy);
    while story.is_running("shop/web") {
        story.after(0.01);
    }
    // A service without a restart policy that ends with 0 when it is asked looks like a job that is done.
    story.ended_with("shop/web", 0);
    story.hands_work = false;
    story.after(1.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
    story.is_killed().process_starts().connects();
    story.hands_work = true;
    story.after(10.0).turns("shop/web", Health::Healthy).after(200.0);
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (2, "resolved"), "{story}");
    assert!(!story.to_string().contains("a job that is done"), "{story}");
}

#[test]
fn a_start_that_was_withheld_is_no_attempt_and_is_asked_anew_in_a_moment() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).crashes("shop/web", 3).after(0.1);
    let withheld = || Answer::Withheld("no look was possible just before the act: the engine answered 500".to_owned());
    for (so_far, wait) in [(1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0)] {
        assert_eq!(story.starts("shop/web"), so_far, "{story}");
        story.answer(withheld()).after(0.1);
        assert_eq!(story.phase("shop/web"), "held", "{story}");
        // Nobody reads its log at present, and the rules wait for that for three seconds.
        story.after(wait + 4.0);
    }
    story.hands_work = true;
    story.answer(withheld()).after(300.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    let told = story.to_string();
    assert!(!told.contains("attempt 2") && !told.contains("did not hold"), "{story}");
    assert!(told.contains("withheld at the last moment: no look was possible"), "{story}");
}
