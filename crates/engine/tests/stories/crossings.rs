//! Somebody and healer act on one service at the same time: the owner's stop always wins, and nothing is left down by us.

use model::action::{Action, Answer};
use model::command::Ask;
use model::fact::Health;
use model::incident::Outcome;
use model::intent::Wanted;

use crate::story::Story;

fn unhealthy() -> Story {
    let mut story = Story::new();
    story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").begins();
    story.after(5.0).turns("shop/web", Health::Unhealthy);
    story
}

#[test]
fn a_persons_stop_that_crosses_our_restart_wins() {
    // At any moment of the pair at which a stop leaves a trace: while the process drains, and while it is started again.
    for after in [0.04, 1.0, 5.0, 9.99, 10.05, 10.22, 10.34, 10.42] {
        let mut story = unhealthy();
        story.after(after).docker_stop("shop/web").after(300.0);
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "stopped after {after}:\n{story}");
        assert!(!story.is_running("shop/web"), "stopped after {after}:\n{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::StoppedByOwner), "stopped after {after}:\n{story}");
    }
}

#[test]
fn the_second_stop_signal_in_our_restart_is_a_persons() {
    let mut story = unhealthy();
    story.after(1.0).docker_stop("shop/web").after(300.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_persons_stop_that_crosses_our_start_is_followed_by_a_stop() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).crashes("shop/web", 3).after(0.1);
    story.says("ann", Ask::Stop("shop/web".to_owned())).after(300.0);
    assert!(!story.is_running("shop/web"), "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::StoppedByOwner), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn an_owners_stop_while_it_is_verified_is_obeyed() {
    for word_to_healer in [true, false] {
        let mut story = Story::of(&["shop/web"]);
        story.after(5.0).crashes("shop/web", 3).after(30.0);
        assert_eq!(story.phase("shop/web"), "verifying");
        if word_to_healer {
            story.says("ann", Ask::Stop("shop/web".to_owned()));
        } else {
            story.docker_stop("shop/web");
        }
        story.after(300.0);
        assert!(!story.is_running("shop/web"), "{story}");
        assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (1, Some(Wanted::Stopped)), "{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::StoppedByOwner), "{story}");
    }
}

#[test]
fn an_owners_stop_is_obeyed_in_every_phase_that_waits() {
    for phase in ["held", "escalated", "awaiting_approval"] {
        let mut story = Story::new();
        story.runs("shop/web");
        if phase == "awaiting_approval" {
            story.settings.mode = model::settings::Mode::Suggest;
        }
        if phase == "escalated" {
            story.will_end("shop/web", 500, 3, 9);
        }
        story.begins();
        if phase == "held" {
            story.freezes();
        }
        story.after(5.0).crashes("shop/web", 3).after(150.0);
        assert_eq!(story.phase("shop/web"), phase, "{story}");
        let starts = story.starts("shop/web");
        story.says("ann", Ask::Stop("shop/web".to_owned())).after(300.0);
        assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (starts, Some(Outcome::StoppedByOwner)));
        assert!(!story.is_running("shop/web"), "{phase}:\n{story}");
    }
}

#[test]
fn a_freeze_in_the_same_batch_as_the_crash_wins() {
    for freeze_first in [true, false] {
        let mut story = Story::of(&["shop/web"]);
        story.after(5.0);
        if freeze_first {
            story.freezes().crashes("shop/web", 3);
        } else {
            story.crashes("shop/web", 3).freezes();
        }
        story.after(60.0);
        assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "frozen"), "{story}");
        story.says("ann", Ask::Thaw).after(200.0);
        assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
    }
}

#[test]
fn a_persons_stop_in_the_same_batch_as_the_crash_wins() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).crashes("shop/web", 3).says("ann", Ask::Stop("shop/web".to_owned())).after(60.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
}

#[test]
fn a_freeze_in_the_middle_of_a_pair_does_not_leave_the_service_down() {
    let mut story = unhealthy();
    story.after(3.0).freezes().after(20.0);
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn an_exclusion_in_the_middle_of_a_pair_is_told_rather_than_forgotten() {
    // The configuration takes the service away from healer between its stop and its start: it may not act any more, so
    // somebody has to know.
    let mut story = unhealthy();
    story.after(3.0);
    let mut settings = story.settings.clone();
    settings.exclude.push(model::settings::Exclusion::Deployment("shop".to_owned()));
    story.feed(model::input::Input::Configured(std::sync::Arc::new(settings))).after(60.0);
    assert!(!story.told().is_empty(), "{story}");
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
}

#[test]
fn somebodys_start_between_our_stop_and_our_start_is_welcome() {
    let mut story = unhealthy();
    story.stream_lag_ms = 3;
    story.after(10.024).docker_start("shop/web").turns("shop/web", Health::Healthy).after(300.0);
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!((story.stops("shop/web"), story.wanted("shop/web")), (1, Some(Wanted::Running)), "{story}");
    assert_eq!(story.phase("shop/web"), "resolved", "{story}");
}

#[test]
fn an_answer_that_comes_after_its_act_was_settled_goes_to_the_timeline_only() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).crashes("shop/web", 3).after(40.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
    let phase = story.phase("shop/web");
    story.answer(Answer::Failed("too late".to_owned())).after(0.0);
    assert_eq!((story.phase("shop/web"), story.starts("shop/web")), (phase, 1), "{story}");
    assert!(story.to_string().contains("the engine refused: too late"), "{story}");
}

#[test]
fn a_stop_and_a_start_by_people_leave_it_running_and_cared_for() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).docker_stop("shop/web").after(60.0).docker_start("shop/web").after(60.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
    story.crashes("shop/web", 3).after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
    assert_eq!(story.ordered(Action::Stop, "shop/web"), Vec::<f64>::new());
}

#[test]
fn a_kill_that_nothing_came_before_was_no_engines_though_that_shuts_down_a_moment_later() {
    let mut story = Story::of(&["shop/web"]);
    story.reads_flag = true;
    story.after(5.0).is_told_to_end("shop/web", 9).after(0.08).engine_closes().after(2.0);
    story.stream_breaks().unreachable().after(30.0).connects().after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
}

#[test]
fn a_kill_before_the_signal_of_our_own_stop_is_a_persons() {
    let mut story = unhealthy();
    story.hands_work = false;
    story.turns("shop/web", Health::Unhealthy).after(1.0);
    assert_eq!(story.stops("shop/web"), 1, "{story}");
    story.docker_kill("shop/web").after(1.0).answer(Answer::Unknown("no answer".to_owned())).after_minutes(10.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
}

#[test]
fn a_stop_that_crosses_healers_own_while_nobody_listens_is_a_stop() {
    let mut story = Story::new();
    (story.reads_flag, story.kept_complete) = (true, Some(true));
    story.runs("shop/web").has_check("shop/web").begins();
    story.after(5.0).turns("shop/web", Health::Unhealthy).after(0.03).stream_breaks();
    story.docker_stop("shop/web").after(2.0).connects().after_minutes(10.0);
    assert_ne!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
    assert!(!story.is_running("shop/web"), "{story}");
}

#[test]
fn whose_stop_was_there_before_that_of_a_persons_restart_has_the_last_word() {
    // healer's own stop is slow to reach the engine, and finds it stopped: in the order of either engine.
    for ends_after in [0.05, 0.3] {
        let mut story = Story::of(&["shop/web"]);
        story.hands_work = false;
        story.after(5.0).says("ann", Ask::Restart("shop/web".to_owned())).after(2.0);
        story.docker_stop("shop/web").after(ends_after);
        story.answer(Answer::AlreadySo);
        story.hands_work = true;
        story.after(120.0);
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{ends_after}:\n{story}");
        assert_eq!(story.starts("shop/web"), 0, "{ends_after}:\n{story}");
    }
}

#[test]
fn a_stop_of_ours_that_was_perhaps_never_sent_explains_no_end_that_comes_long_after_it() {
    // Neither the engine's note nor all that it kept can be read, so that its time alone tells.
    for (comes_after_s, ours) in [(3.0, true), (300.0, false)] {
        let mut story = unhealthy();
        (story.hands_work, story.reads_flag, story.kept_complete) = (false, false, Some(false));
        story.turns("shop/web", Health::Unhealthy).after(1.0);
        assert_eq!(story.stops("shop/web"), 1, "{story}");
        story.is_killed().after(comes_after_s).docker_stop("shop/web").after(400.0);
        story.hands_work = true;
        story.process_starts().connects().after_minutes(10.0);
        assert_eq!(story.is_running("shop/web"), ours, "{story}");
        let told = story.wanted("shop/web");
        assert_eq!(told, Some(if ours { Wanted::Running } else { Wanted::Unknown }), "{story}");
    }
}

#[test]
fn a_stop_that_was_taken_for_ours_is_somebodys_once_ours_is_known_not_to_have_begun() {
    for answer in [Answer::Withheld("the permit has expired".to_owned()), Answer::AlreadySo] {
        let mut story = Story::new();
        story.runs("shop/web").has_check("shop/web").begins();
        story.hands_work = false;
        story.after(5.0).turns("shop/web", Health::Unhealthy).after(5.0);
        assert_eq!(story.orders.len(), 1, "{story}");
        // Nobody hears of the order, and somebody stops it.
        story.docker_stop("shop/web").after(0.1);
        story.hands_work = true;
        story.after(40.0);
        assert!(story.is_running("shop/web"), "it seems to be the stop of our restart:\n{story}");
        story.answer(answer).after(120.0);
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
        assert!(!story.is_running("shop/web"), "{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::StoppedByOwner), "{story}");
    }
}

#[test]
fn a_stop_of_ours_that_works_once_a_person_was_told_is_followed_by_its_start() {
    let mut story = Story::new();
    story.settings.budgets.per_resource = model::verdict::Limit { count: 1, window_ms: 1_800_000 };
    story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").begins();
    story.hands_work = false;
    story.after(5.0).turns("shop/web", Health::Unhealthy).after(20.0);
    assert_eq!((story.stops("shop/web"), story.is_running("shop/web")), (1, true), "{story}");
    // The engine is that late with it: its signal comes within the order's time, its end after that.
    story.docker_stop("shop/web").after(8.0);
    assert_eq!(story.count("escalated"), 1, "its only attempt is spent while it still runs:\n{story}");
    story.hands_work = true;
    story.after(120.0);
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (1, Some(Wanted::Running)), "{story}");
}

#[test]
fn what_a_late_stop_of_ours_took_down_may_be_meant_by_who_stops_the_others() {
    for others_are_stopped in [false, true] {
        let mut story = Story::new();
        (story.reads_flag, story.kept_complete) = (true, Some(true));
        story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").runs("shop/db").begins();
        story.hands_work = false;
        story.after(5.0).turns("shop/web", Health::Unhealthy).after(20.0);
        assert_eq!((story.stops("shop/web"), story.is_running("shop/web")), (1, true), "{story}");
        story.docker_stop("shop/web").after(8.0).stream_breaks().after(4.0);
        if others_are_stopped {
            story.docker_stop("shop/db");
        }
        story.hands_work = true;
        story.after(1.0).connects().after(300.0);
        assert_eq!(story.is_running("shop/web"), !others_are_stopped, "{story}");
        assert!(!others_are_stopped || story.phase("shop/web") == "held", "{story}");
    }
}

#[test]
fn a_start_that_works_only_after_the_process_that_ordered_it_has_ended_gives_way_to_the_owners_stop() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).crashes("shop/web", 3).after(0.05);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
    story.says("ann", Ask::Stop("shop/web".to_owned())).after(0.01).is_killed();
    story.hands_work = true;
    story.after(0.05).process_starts().connects().after(0.1).docker_start_by_us("shop/web").after(60.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
    assert!(!story.is_running("shop/web"), "{story}");
}

#[test]
fn an_end_before_a_stop_of_ours_that_never_began_is_nobodys_wish() {
    let mut story = Story::new();
    story.runs("shop/web").has_check("shop/web").begins();
    story.hands_work = false;
    story.after(5.0).turns("shop/web", Health::Unhealthy).after(5.0).crashes("shop/web", 3).after(0.1);
    story.hands_work = true;
    story.after(40.0);
    if let Some(permit) = story.orders.pop() {
        story.feed(model::input::Input::Answered(permit.id, Answer::AlreadySo));
    }
    story.after(200.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
    assert!(story.is_running("shop/web"), "{story}");
}

#[test]
fn a_persons_stop_amid_our_restart_wins_however_late_the_stream_is() {
    for its_start_was_seen in [false, true] {
        for lag_ms in [0, 50, 100, 200, 300, 400, 700] {
            for after_ms in (20..900).step_by(20) {
                let mut story = Story::of(&["shop/web"]);
                if its_start_was_seen {
                    story.docker_stop("shop/web").after(5.0).docker_start("shop/web");
                }
                story.has_check("shop/web").after(2.0).stream_lag_ms = lag_ms;
                let after = f64::from(after_ms) / 1_000.0;
                story.after(5.0).turns("shop/web", Health::Unhealthy).after(after);
                if !story.is_running("shop/web") {
                    continue;
                }
                story.docker_stop("shop/web").after_minutes(5.0);
                let which = format!("start seen: {its_start_was_seen}, {lag_ms} ms late, stopped after {after_ms} ms");
                assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{which}:\n{story}");
                assert!(!story.is_running("shop/web"), "{which}:\n{story}");
            }
        }
    }
}

#[test]
fn a_start_that_was_not_begun_is_given_again_where_we_took_it_down() {
    for frozen in [false, true] {
        let mut story = Story::new();
        story.runs("shop/web").has_check("shop/web");
        // No attempt is left for a plan of its own.
        story.settings.budgets.per_resource = model::verdict::Limit { count: 1, window_ms: 1_800_000 };
        story.begins();
        story.after(5.0).turns("shop/web", Health::Unhealthy).after(0.05);
        story.hands_work = false;
        story.after(0.3);
        assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "{story}");
        if frozen {
            story.freezes().after(0.1);
        }
        story.answer(Answer::Withheld("no look was possible just before the act".to_owned()));
        story.hands_work = true;
        story.after_minutes(5.0);
        assert!(story.is_running("shop/web"), "left down by us (frozen: {frozen}):\n{story}");
    }
}

#[test]
fn a_kill_at_the_engine_that_crosses_a_persons_restart_wins() {
    for lag_ms in [0, 50, 400] {
        for after_ms in (10..1_000).step_by(10) {
            let mut story = Story::of(&["shop/web"]);
            story.stream_lag_ms = lag_ms;
            story.after(5.0).says("ann", Ask::Restart("shop/web".to_owned())).after(f64::from(after_ms) / 1_000.0);
            if !story.is_running("shop/web") {
                continue;
            }
            story.docker_kill("shop/web").after_minutes(5.0);
            assert!(!story.is_running("shop/web"), "killed after {after_ms} ms, {lag_ms} ms late:\n{story}");
            assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{after_ms} ms, {lag_ms} ms late:\n{story}");
        }
    }
}
