//! What healer leaves alone: what somebody stopped, what is not its own, and what is done.

use model::action::Action;
use model::command::Ask;
use model::fact::{Belongs, Condition, RestartPolicy};
use model::incident::Outcome;
use model::intent::Wanted;
use model::settings::Exclusion;

use crate::story::{Story, needs};

#[test]
fn a_docker_stop_is_respected() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).docker_stop("shop/web").after_minutes(60.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)));
    assert_eq!((story.phase("shop/web"), story.told().len()), ("none", 0));
    insta::assert_snapshot!(story);
}

#[test]
fn a_docker_kill_is_respected() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).docker_kill("shop/web").after_minutes(60.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
}

#[test]
fn a_stop_is_respected_whatever_the_order_in_which_it_is_seen() {
    for lag_ms in [0, 1, 30, 110, 500] {
        for relist_after in [0.0, 0.05, 0.09, 0.11, 0.13, 0.3] {
            let mut story = Story::of(&["shop/web"]);
            story.stream_lag_ms = lag_ms;
            story.docker_stop("shop/web").after(relist_after).relists().after_minutes(10.0).relists().after(5.0);
            assert_eq!(story.starts("shop/web"), 0, "lag {lag_ms}, relist after {relist_after}:\n{story}");
            assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "lag {lag_ms}, {relist_after}:\n{story}");
        }
    }
}

#[test]
fn a_kill_whose_sender_is_not_known_is_held_and_an_engine_that_shuts_down_after_it_was_the_sender() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).is_told_to_end("shop/web", 15).after(0.2);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "none"), "{story}");
    story.engine_closes().stream_breaks().unreachable().after(30.0);
    assert_eq!(story.starts("shop/web"), 0, "nothing is started in an engine that shuts down");
    story.connects().after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Running), 1), "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed));
    insta::assert_snapshot!(story);
}

#[test]
fn a_stop_moments_before_the_engine_shuts_down_stands() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.after(5.0).docker_stop("shop/web").after(0.5);
    story.is_told_to_end("shop/db", 15).engine_closes().after(0.3).stream_breaks();
    story.unreachable().after(30.0).connects().after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
    assert_eq!((story.wanted("shop/db"), story.starts("shop/db")), (Some(Wanted::Running), 1), "{story}");
}

#[test]
fn the_survivors_that_a_crashed_engine_stops_at_its_next_start_were_stopped_by_nobody() {
    let mut story = Story::of(&["shop/web"]);
    story.reads_flag = true;
    story.kept_complete = Some(true);
    story.after(5.0).stream_breaks().unreachable().after(30.0);
    // Its events are in the kept ones, and the flag says "stopped": but the API was closed.
    story.is_told_to_end("shop/web", 15).after(10.0).connects().after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Running), 1), "{story}");
}

#[test]
fn a_stop_while_only_the_stream_was_lost_is_told_by_the_kept_events() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.kept_complete = Some(true);
    story.after(5.0).stream_breaks().after(2.0).docker_stop("shop/web").after(1.0).crashes("shop/db", 3).after(5.0);
    story.connects().after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
    assert_eq!((story.wanted("shop/db"), story.starts("shop/db")), (Some(Wanted::Running), 1), "{story}");
}

#[test]
fn what_ended_unseen_and_cannot_be_told_is_unknown_and_not_started() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).stream_breaks().after(2.0).crashes("shop/web", 3).after(5.0).connects().after_minutes(60.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Unknown), 0), "{story}");
    // Somebody says what is wanted.
    story.says("ann", Ask::Start("shop/web".to_owned())).after(200.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
}

#[test]
fn what_was_down_at_first_sight_is_unknown_and_not_started() {
    let mut story = Story::new();
    story.runs("shop/web").is_down("shop/web", 137).begins().after_minutes(60.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Unknown), 0), "{story}");
    assert_eq!((story.phase("shop/web"), story.told().len()), ("none", 0));
}

#[test]
fn a_job_that_ended_well_is_never_run_again() {
    let mut story = Story::new();
    story.runs("shop/migrate");
    story.runs_as("shop/web", |d| {
        d.depends_on = vec![needs("migrate", Condition::CompletedSuccessfully)];
        d.restart_policy = RestartPolicy::Always;
    });
    story.runs_as("shop/once", |d| d.restart_policy = RestartPolicy::No);
    story.begins().crashes("shop/migrate", 0).crashes("shop/once", 0).after_minutes(60.0).relists().after(60.0);
    assert_eq!((story.starts("shop/migrate"), story.starts("shop/once")), (0, 0), "{story}");
    assert_eq!((story.count("incident_opened"), story.told().len()), (0, 0), "{story}");
}

#[test]
fn excluded_unclaimed_one_off_owned_and_its_own_are_never_acted_on() {
    let mut story = Story::new();
    story.settings.exclude.push(Exclusion::Deployment("backup-*".to_owned()));
    story.runs_as("shop/labelled", |d| d.labels = ["healer.platform/exclude=true".to_owned()].into());
    story.runs("backup-db/dump");
    story.runs_as("nginx", |d| d.belongs = Belongs::Unclaimed);
    story.runs_as("shop/run", |d| d.belongs = Belongs::OneOff);
    story.runs_as("stack/task", |d| d.belongs = Belongs::Owned("Swarm".to_owned()));
    story.runs_as("ops/healer", |d| d.healers_own = Some("healer's own container".to_owned()));
    story.runs_as("shop/rm", |d| d.removed_at_end = true);
    let names = ["shop/labelled", "backup-db/dump", "nginx", "shop/run", "stack/task", "ops/healer", "shop/rm"];
    story.begins();
    for name in names {
        story.crashes(name, 3);
    }
    story.after_minutes(60.0).relists().after(60.0);
    for name in names {
        assert_eq!((story.starts(name), story.phase(name)), (0, "none"), "{name}:\n{story}");
    }
    assert_eq!(story.told(), Vec::new());
}

#[test]
fn what_was_adopted_is_healed_and_stays_adopted_after_a_stop_and_a_start() {
    let mut story = Story::new();
    story.runs_as("nginx", |d| d.belongs = Belongs::Unclaimed).begins();
    story.says("ann", Ask::Adopt("nginx".to_owned())).after(1.0).crashes("nginx", 3).after(200.0);
    assert_eq!((story.starts("nginx"), story.outcome("nginx")), (1, Some(Outcome::Healed)), "{story}");
    story.docker_stop("nginx").after(60.0).docker_start("nginx").after(60.0).crashes("nginx", 3).after(200.0);
    assert_eq!(story.starts("nginx"), 2, "{story}");
}

#[test]
fn what_somebody_paused_is_not_restarted() {
    let mut story = Story::new();
    story.runs("shop/web").has_check("shop/web").begins().paused("shop/web").after(60.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (0, 0), "{story}");
}

#[test]
fn a_foreground_session_that_ends_stops_what_it_held() {
    let mut story = Story::new();
    story.runs("ci/test").runs("ci/db");
    story.begins();
    for name in ["ci/test", "ci/db"] {
        story.docker_stop(name).after(1.0).attached(name).docker_start(name).after(5.0);
    }
    story.crashes("ci/test", 3).after(0.071).docker_stop("ci/db").after_minutes(5.0);
    assert_eq!((story.starts("ci/test"), story.starts("ci/db")), (0, 0), "{story}");
    assert_eq!(story.wanted("ci/test"), Some(Wanted::Stopped), "{story}");
}

#[test]
fn an_unfinished_deploy_is_held_and_a_finished_one_is_no_illness() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).docker_stop("shop/web").after(1.0).recreated("shop/web", |d| d.config_hash = "c2".to_owned());
    story.after_minutes(10.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Running), 0), "{story}");
    assert_eq!(story.told(), Vec::new(), "{story}");
}

#[test]
fn a_service_that_was_removed_is_not_brought_back() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(1.0).crashes("shop/web", 3).after(5.0).removed("shop/web").after(1.0);
    story.says("ann", Ask::Thaw).after_minutes(10.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (0, Some(Outcome::Gone)), "{story}");
}

#[test]
fn a_service_that_was_recreated_while_it_was_held_is_not_gone() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(1.0).crashes("shop/web", 3).after(5.0).recreated("shop/web", |_| {}).after(1.0);
    story.relists().after_minutes(10.0);
    assert_ne!(story.outcome("shop/web"), Some(Outcome::Gone), "{story}");
    assert_eq!(story.ordered(Action::Start, "shop/web"), Vec::<f64>::new());
}

#[test]
fn of_two_words_the_later_one_counts_whichever_clock_is_behind() {
    for skew_ms in [-60_000, 60_000] {
        let mut story = Story::new();
        story.skew_ms = skew_ms;
        story.runs("shop/web").begins();
        story.after(120.0).docker_stop("shop/web").after(30.0);
        story.says("ann", Ask::Start("shop/web".to_owned())).after(20.0).docker_stop("shop/web").after_minutes(10.0);
        assert!(!story.is_running("shop/web"), "{skew_ms}:\n{story}");
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{skew_ms}:\n{story}");
        story.says("ann", Ask::Start("shop/web".to_owned())).after(20.0);
        story.says("ann", Ask::Stop("shop/web".to_owned())).after(20.0).docker_start("shop/web").after(20.0);
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{skew_ms}:\n{story}");
    }
}

#[test]
fn a_signal_that_ended_nothing_for_an_hour_does_not_tell_whose_wish_an_end_is() {
    let mut story = Story::of(&["shop/web"]);
    // A thread dump, of what handles the signal and runs on.
    story.after(5.0).is_told_to_drain("shop/web").after_minutes(50.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
    story.after_minutes(60.0 * 24.0).crashes("shop/web", 1).after_minutes(30.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Unknown), "{story}");
    assert_eq!(story.starts("shop/web"), 0, "it is asked about:\n{story}");
}

#[test]
fn what_was_told_to_end_long_ago_and_is_ill_is_mended() {
    let mut story = Story::of(&["shop/web"]);
    story.has_check("shop/web").after(5.0).is_told_to_drain("shop/web").after_minutes(90.0);
    story.turns("shop/web", model::fact::Health::Unhealthy).after(30.0);
    story.turns("shop/web", model::fact::Health::Healthy).after_minutes(5.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}
