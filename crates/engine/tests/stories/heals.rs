//! What healer mends: crashes, kills from the host, failed starts, illness, and what it does when mending does not hold.

use model::action::Action;
use model::command::Ask;
use model::complaint::Complaint;
use model::event::Event;
use model::fact::{Health, RestartPolicy};
use model::incident::Outcome;
use model::message::Kind;

use crate::story::Story;

#[test]
fn a_crash_is_healed_at_the_first_attempt_and_told_once_at_its_end() {
    let mut story = Story::of(&["shop/web"]);
    story.logs("shop/web", &["listening on :80", "error: no such table: carts"]);
    story.after(5.0).crashes("shop/web", 3).after(200.0);
    assert_eq!(story.ordered(Action::Start, "shop/web"), [5.01]);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed));
    assert_eq!(story.told(), [Kind::Healed]);
    insta::assert_snapshot!(story);
}

#[test]
fn a_crash_loop_gets_its_attempts_with_the_waits_then_one_escalation_in_one_thread() {
    let mut story = Story::of(&["shop/web"]);
    story.will_end("shop/web", 1_000, 3, 9).after(5.0).crashes("shop/web", 3).after_minutes(20.0);
    let starts = story.ordered(Action::Start, "shop/web");
    let [first, second, third] = starts[..] else { panic!("{starts:?}\n{story}") };
    // Each wait runs from the verdict on the attempt before: about 1.3 s after it was ordered.
    assert!((first - 5.01).abs() < 0.01, "{starts:?}");
    assert!((10.0..11.1).contains(&(second - first - 1.3)), "{starts:?}");
    assert!((40.0..44.1).contains(&(third - second - 1.3)), "{starts:?}");
    assert_eq!(story.told(), [Kind::Opened, Kind::Updated, Kind::Escalated], "{story}");
    assert_eq!((story.count("incident_opened"), story.count("incident_reopened")), (1, 0));
    insta::assert_snapshot!(story);
}

#[test]
fn what_comes_back_within_half_an_hour_reopens_with_its_attempts() {
    let mut story = Story::of(&["shop/web"]);
    for _ in 0..4 {
        story.after_minutes(5.0).crashes("shop/web", 3);
    }
    story.after_minutes(5.0);
    assert_eq!(story.starts("shop/web"), 3, "{story}");
    assert_eq!((story.count("incident_opened"), story.count("incident_reopened")), (1, 3));
    assert_eq!(story.phase("shop/web"), "escalated");
    assert_eq!(
        story.told(),
        [Kind::Healed, Kind::Opened, Kind::Resolved, Kind::Opened, Kind::Resolved, Kind::Escalated]
    );
}

#[test]
fn the_sixth_reopening_within_a_day_is_for_a_person() {
    let mut story = Story::of(&["shop/web"]);
    for _ in 0..7 {
        story.after_minutes(11.0).crashes("shop/web", 3);
    }
    story.after_minutes(1.0);
    assert_eq!(story.starts("shop/web"), 6, "{story}");
    assert_eq!((story.count("incident_reopened"), story.phase("shop/web")), (6, "escalated"));
    assert!(story.to_string().contains("it keeps coming back"), "{story}");
}

#[test]
fn what_comes_back_later_than_half_an_hour_is_another_incident() {
    let mut story = Story::of(&["shop/web"]);
    story.crashes("shop/web", 3).after_minutes(40.0).crashes("shop/web", 3).after_minutes(5.0);
    assert_eq!((story.count("incident_opened"), story.count("incident_reopened")), (2, 0));
    assert_eq!(story.told(), [Kind::Healed, Kind::Healed]);
}

#[test]
fn an_out_of_memory_kill_is_named_by_the_engines_word() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).runs_out_of_memory("shop/web").after(200.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed));
    assert!(story.to_string().contains("rule oom_main"), "{story}");
}

#[test]
fn an_unhealthy_service_is_stopped_looked_at_and_started_and_our_own_stop_is_nobody_elses() {
    let mut story = Story::new();
    story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").begins();
    story.after(5.0).turns("shop/web", Health::Unhealthy).after(12.0).turns("shop/web", Health::Healthy).after(200.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed));
    assert_eq!(story.count("intent_changed"), 1, "{story}");
    assert!(!story.to_string().contains("killed from the host"), "it was our own stop:\n{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn our_own_stop_is_nobody_elses_though_the_stream_is_late() {
    for lag_ms in [1, 10, 60, 200, 400] {
        let mut story = Story::new();
        story.runs("shop/web").has_check("shop/web").begins();
        story.stream_lag_ms = lag_ms;
        story
            .after(5.0)
            .turns("shop/web", Health::Unhealthy)
            .after(3.0)
            .turns("shop/web", Health::Healthy)
            .after(200.0);
        assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "lag {lag_ms} ms:\n{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "lag {lag_ms} ms:\n{story}");
        assert_eq!(story.count("intent_changed"), 1, "lag {lag_ms} ms:\n{story}");
    }
}

#[test]
fn a_crash_is_healed_though_the_stream_is_late() {
    for lag_ms in [1, 10, 60, 200, 400, 2_000] {
        let mut story = Story::of(&["shop/web"]);
        story.stream_lag_ms = lag_ms;
        story.after(5.0).crashes("shop/web", 3).after(200.0);
        assert_eq!(story.starts("shop/web"), 1, "lag {lag_ms} ms:\n{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "lag {lag_ms} ms:\n{story}");
    }
}

#[test]
fn a_second_crash_is_told_by_its_own_code_and_not_by_the_first_ones() {
    let mut story = Story::of(&["shop/web"]);
    story.crashes("shop/web", 3).after(200.0).crashes("shop/web", 139).after(200.0);
    assert!(story.to_string().contains("segmentation fault (exit 139)"), "{story}");
    assert_eq!(story.starts("shop/web"), 2);
}

#[test]
fn what_comes_back_is_told_by_this_end_and_not_by_a_look_at_the_one_before() {
    let mut story = Story::of(&["shop/web"]);
    story.crashes("shop/web", 3).after(200.0);
    story.says("ann", Ask::Restart("shop/web".to_owned())).after(200.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    let before = story.transcript.len();
    story.crashes("shop/web", 137).after(200.0);
    let since = story.transcript[before..].join("\n");
    assert!(since.contains("killed from the host") && !since.contains("an error of its own"), "{story}");
    let before = story.transcript.len();
    story.crashes("shop/web", 3).after(200.0);
    let since = story.transcript[before..].join("\n");
    assert!(since.contains("an error of its own (exit 3)") && !since.contains("killed from the host"), "{story}");
}

#[test]
fn a_service_that_the_engine_restarts_itself_is_left_to_it() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::UnlessStopped).begins();
    story.after(5.0).is_restarting("shop/web", 3).after(2.0).policy_starts("shop/web").after(300.0);
    assert_eq!(story.starts("shop/web"), 0, "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::RecoveredAlone), "{story}");
}

#[test]
fn a_policy_that_gave_up_is_no_owner() {
    // Whatever its policy is called, only the state `restarting` says that the engine will start it.
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::UnlessStopped).begins();
    story.reloaded("shop/web").after(11.0).crashes("shop/web", 137).after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
}

#[test]
fn a_failed_start_is_tried_within_budget_and_then_told_with_the_engines_words() {
    let mut story = Story::of(&["shop/web"]);
    story.cannot_start("shop/web", "port is already allocated");
    story.after(5.0).crashes("shop/web", 3).after_minutes(10.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (3, "escalated"), "{story}");
    assert!(story.to_string().contains("port is already allocated"), "{story}");
    assert_eq!(story.told(), [Kind::Opened, Kind::Updated, Kind::Escalated]);
    // What was missing is there again: somebody starts it, and the incident is over.
    story.can_start("shop/web").docker_start("shop/web").after_minutes(5.0);
    assert_eq!(story.phase("shop/web"), "resolved", "{story}");
    assert_eq!(story.told().last(), Some(&Kind::Resolved));
}

#[test]
fn a_lost_answer_is_no_failure_a_look_tells() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).crashes("shop/web", 3).after(1.0);
    // It was done, and the answer was lost on the way.
    story.docker_start_by_us("shop/web").after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
    assert!(story.to_string().contains("no answer in time"), "{story}");
}

#[test]
fn a_service_without_a_cause_that_can_be_told_is_for_a_person() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::Always).begins();
    story.after(5.0).crashes("shop/web", 0).after(60.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"), "{story}");
    story.says("ann", Ask::Acknowledge(story.incident_id(1))).after(1.0);
    assert!(story.to_string().contains("ann took it"), "{story}");
}

#[test]
fn what_healed_itself_before_anything_was_done_is_not_told() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(1.0).crashes("shop/web", 3).after(2.0).docker_start("shop/web").after(300.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "resolved"), "{story}");
    assert_eq!(story.told(), Vec::new());
}

#[test]
fn what_cannot_write_to_its_disk_is_not_restarted_while_it_runs() {
    // What it holds in memory would be lost, and the disk would be as full.
    for complaint in [Complaint::NoSpace, Complaint::ReadOnly { path: None }] {
        let mut story = Story::of(&["shop/web"]);
        story.has_check("shop/web").complains("shop/web", complaint).after_minutes(10.0);
        story.turns("shop/web", Health::Unhealthy).after_minutes(5.0);
        assert_eq!((story.stops("shop/web"), story.phase("shop/web")), (0, "escalated"), "{story}");
    }
}

#[test]
fn what_the_engine_starts_again_and_again_is_judged_by_an_end_and_not_while_it_runs() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::Always).begins().after(1.0);
    for _ in 0..4 {
        // Whoever looks sees it run.
        story.is_restarting("shop/web", 0).policy_starts("shop/web").relists().after(0.3);
    }
    story.is_restarting("shop/web", 0).relists().after(3.0);
    let causes: Vec<_> = story
        .events()
        .filter_map(|event| {
            let Event::Diagnosed { diagnosis, .. } = event else { return None };
            Some(diagnosis.cause.as_str())
        })
        .collect();
    assert!(!causes.contains(&"cannot_tell") && causes.contains(&"ends_at_its_start"), "{causes:?}\n{story}");
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"), "{story}");
}
