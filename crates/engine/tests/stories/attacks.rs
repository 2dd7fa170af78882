//! The attacks on the ledger of intents, each by its number in facts/intent.md: S would start what it must not, L would
//! leave down what it should bring up. Those on what a container is, on whose it is, and on what an engine keeps are tests
//! of the `docker` crate by the same names.

use model::action::Action;
use model::command::Ask;
use model::event::Event;
use model::fact::{Belongs, Condition, Health, RestartPolicy};
use model::incident::{Escalation, Outcome, Phase};
use model::intent::Wanted;
use model::message::Kind;
use model::settings::Exclusion;

use crate::story::{Story, named, needs};

#[test]
fn s01_a_stop_of_what_has_crashed_is_invisible_and_that_of_its_siblings_is_not() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.will_end("shop/web", 100, 3, 9).crashes("shop/web", 3).after(2.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (1, "backoff"), "{story}");
    // `docker-compose stop`: it finds the one dead already, and stops the other.
    story.docker_stop("shop/web").docker_stop("shop/db").after_minutes(20.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (1, "others_stopped"), "{story}");
    assert_eq!(story.told(), [Kind::Opened], "it is asked about, once:\n{story}");
    // Somebody's start of the sibling shows that the deployment shall run.
    story.docker_start("shop/db").after(60.0);
    assert_eq!(story.starts("shop/web"), 3, "{story}");
}

#[test]
fn s01_what_was_asked_about_is_settled_by_a_persons_word() {
    for (ask, wanted, starts) in [
        (Ask::Stop("shop/web".to_owned()), Wanted::Stopped, 1),
        (Ask::Start("shop/web".to_owned()), Wanted::Running, 2),
    ] {
        let mut story = Story::of(&["shop/web", "shop/db"]);
        story.will_end("shop/web", 100, 3, 1).crashes("shop/web", 3).after(2.0);
        story.docker_stop("shop/db").after(60.0).says("ann", ask).after_minutes(20.0);
        assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(wanted), starts), "{story}");
    }
}

#[test]
fn s01_what_others_stopped_long_before_is_no_sign() {
    let mut story = Story::of(&["shop/web", "shop/db", "wiki/db"]);
    story.docker_stop("shop/db").after(5.0).crashes("shop/web", 3).after(0.1).docker_stop("wiki/db").after(200.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

#[test]
fn s02_when_a_foreground_session_ends_it_stops_the_others_71_ms_later() {
    let mut story = Story::of(&["ci/test", "ci/db"]);
    for name in ["ci/test", "ci/db"] {
        story.docker_stop(name).after(1.0).attached(name).docker_start(name).after(5.0);
    }
    story.crashes("ci/test", 3).after(0.071).docker_stop("ci/db").after_minutes(5.0);
    assert_eq!((story.starts("ci/test"), story.starts("ci/db")), (0, 0), "{story}");
    // The mark only delays: what crashes in a session that goes on is started.
    let mut story = Story::of(&["ci/test", "ci/db"]);
    story.docker_stop("ci/test").after(1.0).attached("ci/test").docker_start("ci/test").after(60.0);
    story.crashes("ci/test", 3).after(1.9);
    assert_eq!(story.starts("ci/test"), 0, "{story}");
    story.after(200.0);
    assert_eq!(story.outcome("ci/test"), Some(Outcome::Healed), "{story}");
}

#[test]
fn s03_s04_one_off_runs_and_what_others_own_are_never_started_not_even_at_once() {
    for belongs in [Belongs::OneOff, Belongs::Owned("Swarm".to_owned()), Belongs::Unclaimed] {
        let mut story = Story::new();
        story.runs_as("shop/task", |d| d.belongs = belongs).begins();
        story.crashes("shop/task", 137).after(0.3).relists().after_minutes(10.0);
        assert_eq!((story.starts("shop/task"), story.phase("shop/task")), (0, "none"), "{story}");
    }
}

#[test]
fn s05_the_old_container_in_the_middle_of_a_recreate_is_left_to_the_deploy() {
    for lag_ms in [0, 30, 400] {
        let mut story = Story::of(&["shop/web"]);
        story.stream_lag_ms = lag_ms;
        story.after(5.0).docker_stop("shop/web").after(0.13).put_aside("shop/web").after(0.4);
        story.replaced("shop/web", |d| d.config_hash = "c2".to_owned()).after_minutes(10.0);
        assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Running)), "{story}");
        assert_eq!(story.told(), Vec::new(), "{story}");
    }
}

#[test]
fn s06_of_two_bodies_that_are_both_down_neither_is_started_by_rule() {
    let mut story = Story::of(&["shop/web"]);
    story.runs("shop/web").relists().after(5.0);
    let first = story.first_id_of("shop/web");
    story.crashes("shop/web", 3).after(30.0);
    assert_eq!(
        (story.starts("shop/web"), story.phase("shop/web")),
        (0, "none"),
        "blue and green are legitimate:\n{story}"
    );
    story.ends(&first, 3).after(30.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "two_incarnations"), "{story}");
}

/// web, and a second container of it that was put beside it.
fn one_beside_another() -> Story {
    let mut story = Story::of(&["shop/web"]);
    story.runs("shop/web").relists().after(5.0);
    story
}

#[test]
fn s06_the_first_of_two_bodies_that_is_stopped_is_no_stop_of_the_service_though_the_second_falls_meanwhile() {
    for deaf in [false, true] {
        let mut story = one_beside_another();
        let (blue, green) = (story.first_id_of("shop/web"), story.last_id_of("shop/web"));
        if deaf {
            story.ignores_term_of(&blue);
        }
        story.docker_stop_of(&blue).after(0.05).ends(&green, 3).after(15.0).removed_of(&blue).after_minutes(5.0);
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "deaf: {deaf}\n{story}");
        assert!(story.starts("shop/web") == 1 && story.is_running("shop/web"), "deaf: {deaf}\n{story}");
    }
}

#[test]
fn s06_who_stops_what_is_left_once_the_second_has_fallen_stops_the_service() {
    let mut story = one_beside_another();
    let (blue, green) = (story.first_id_of("shop/web"), story.last_id_of("shop/web"));
    story.ignores_term_of(&blue).docker_stop_of(&blue).after(0.2).ends(&green, 3).after(0.2);
    story.docker_stop_of(&blue).after(15.0).removed_of(&blue).after_minutes(5.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
}

#[test]
fn s06_who_stops_both_bodies_stops_the_service_whichever_ends_first() {
    for (deaf, last_first) in [(false, false), (true, false), (true, true), (false, true)] {
        let mut story = one_beside_another();
        let (blue, green) = (story.first_id_of("shop/web"), story.last_id_of("shop/web"));
        let (first, second) = if last_first { (green, blue) } else { (blue, green) };
        if deaf {
            story.ignores_term_of(&first);
        }
        story.docker_stop_of(&first).after(0.5).docker_stop_of(&second).after(15.0).removed_of(&first);
        story.after_minutes(10.0);
        let (wanted, starts) = (story.wanted("shop/web"), story.starts("shop/web"));
        assert_eq!((wanted, starts), (Some(Wanted::Stopped), 0), "deaf: {deaf}, last first: {last_first}\n{story}");
    }
}

#[test]
fn s07_healers_restart_during_a_persons_stop_does_not_undo_it() {
    let mut story = Story::of(&["shop/web"]);
    story.has_check("shop/web").ignores_term("shop/web").after(5.0);
    // A kill without a die: somebody is stopping it.
    story.docker_stop("shop/web").after(1.0).turns("shop/web", Health::Unhealthy).after_minutes(10.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (0, 0), "{story}");
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
    // A second stop signal in the window of ours.
    let mut story = Story::of(&["shop/web"]);
    story.has_check("shop/web").ignores_term("shop/web").after(5.0).turns("shop/web", Health::Unhealthy).after(1.0);
    assert_eq!(story.stops("shop/web"), 1, "{story}");
    story.docker_stop("shop/web").after_minutes(10.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
}

#[test]
fn s08_our_start_explains_no_signal() {
    for at in [0.05, 0.25, 0.301, 0.31, 0.6, 1.5] {
        let mut story = Story::of(&["shop/web"]);
        story.after(5.0).crashes("shop/web", 3).after(at).docker_stop("shop/web").after_minutes(10.0);
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "after {at} s:\n{story}");
        assert!(!story.is_running("shop/web") && story.starts("shop/web") <= 1, "after {at} s:\n{story}");
    }
}

#[test]
fn s09_a_stop_moments_before_a_reboot_stands() {
    for reads_flag in [false, true] {
        let mut story = Story::of(&["shop/web", "shop/db"]);
        story.reads_flag = reads_flag;
        story.tells_its_start().begins().after(5.0).docker_stop("shop/web").after(0.3);
        story.is_told_to_end("shop/db", 15).engine_closes().after(0.5);
        story.host_restarts(143).begins().after(200.0);
        assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
        assert_eq!((story.wanted("shop/db"), story.starts("shop/db")), (Some(Wanted::Running), 1), "{story}");
    }
}

#[test]
fn s10_what_the_engine_revives_against_a_stop_is_shown_and_not_healed_when_it_dies_again() {
    for policy in [RestartPolicy::Always, RestartPolicy::OnFailure(0)] {
        let mut story = Story::new();
        story.runs_as("shop/web", |d| d.restart_policy = policy);
        story.reads_flag = true;
        story.tells_its_start().begins().after(5.0).docker_stop("shop/web").after(5.0);
        story.host_restarts(143).begins().after(60.0);
        assert_eq!((story.is_running("shop/web"), story.wanted("shop/web")), (true, Some(Wanted::Stopped)), "{story}");
        story.crashes("shop/web", 1).after_minutes(10.0);
        assert_eq!((story.starts("shop/web"), story.stops("shop/web")), (0, 0), "{policy:?}:\n{story}");
    }
}

#[test]
fn s11_the_brake_that_somebody_puts_on_a_crash_loop_holds_healer_too() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::UnlessStopped).begins();
    for _ in 0..4 {
        story.is_restarting("shop/web", 3).relists().after(1.0).policy_starts("shop/web").after(5.0);
    }
    story.updated("shop/web", |d| d.restart_policy = RestartPolicy::No).after(1.0);
    story.crashes("shop/web", 3).after_minutes(30.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Unknown)), "{story}");
    // What runs well is no loop: to take its policy away says nothing of whether it shall run.
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::UnlessStopped).begins();
    story.updated("shop/web", |d| d.restart_policy = RestartPolicy::No).after(60.0);
    story.crashes("shop/web", 3).after(200.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

#[test]
fn s12_what_a_backup_stops_is_respected_and_asked_about_when_it_stays_down_far_longer_than_usual() {
    let mut story = Story::of(&["shop/db"]);
    for _ in 0..3 {
        story.after_minutes(60.0).docker_stop("shop/db").after_minutes(2.0).docker_start("shop/db");
    }
    story.after_minutes(60.0).docker_stop("shop/db").after_minutes(5.0);
    assert_eq!(story.told(), Vec::new(), "{story}");
    story.after_minutes(60.0);
    assert_eq!((story.starts("shop/db"), story.told()), (0, vec![Kind::Notice]), "asked about, once:\n{story}");
    story.docker_start("shop/db").after_minutes(5.0);
    story.docker_stop("shop/db").after_minutes(5.0);
    assert_eq!(story.told(), [Kind::Notice], "{story}");
}

#[test]
fn s12_what_is_stopped_for_the_first_times_is_not_asked_about() {
    let mut story = Story::of(&["shop/db"]);
    story.docker_stop("shop/db").after_minutes(2.0).docker_start("shop/db").after_minutes(60.0);
    story.docker_stop("shop/db").after_minutes(60.0 * 24.0);
    assert_eq!((story.starts("shop/db"), story.told()), (0, Vec::new()), "{story}");
}

#[test]
fn s13_what_ends_itself_with_0_is_done_under_policies_that_say_so() {
    for policy in [RestartPolicy::No, RestartPolicy::OnFailure(0)] {
        let mut story = Story::new();
        story.runs_as("shop/db", |d| d.restart_policy = policy).begins();
        story.after(60.0).crashes("shop/db", 0).after_minutes(10.0);
        assert_eq!((story.starts("shop/db"), story.phase("shop/db")), (0, "none"), "{policy:?}:\n{story}");
    }
}

#[test]
fn s14_a_signal_that_ends_stays_pending_through_a_drain_of_minutes_and_a_reload_means_nothing() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).is_told_to_drain("shop/web").after_minutes(7.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "it drains:\n{story}");
    story.crashes("shop/web", 0).after_minutes(10.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).reloaded("shop/web").after(0.05).crashes("shop/web", 1).after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Running), 1), "{story}");
}

#[test]
fn s15_what_is_removed_is_wanted_absent() {
    let mut story = Story::of(&["shop/web", "shop/web/2"]);
    // Scaled down while it is held, and in the gap of a `rm -f`, pull, run.
    story.freezes().after(1.0).crashes("shop/web/2", 3).after(5.0).removed("shop/web/2").after(1.0);
    story.says("ann", Ask::Thaw).after_minutes(10.0);
    assert_eq!((story.starts("shop/web/2"), story.outcome("shop/web/2")), (0, Some(Outcome::Gone)), "{story}");
    assert_eq!(story.wanted("shop/web/2"), None, "{story}");
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
}

#[test]
fn s16_what_is_mended_is_the_body_that_is_there_and_nothing_is_made_anew() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    let body = story.first_id_of("shop/web");
    story.crashes("shop/web", 3).after(1.0);
    let order = story.orders.pop().expect("a start was ordered");
    assert_eq!((order.step.action, order.incarnation), (Action::Start, body), "{story}");
}

#[test]
fn s17_a_service_that_its_file_does_not_know_any_more_is_asked_about() {
    let mut story = Story::new();
    story.runs_as("shop/old", |d| d.is_orphan = true).begins();
    story.crashes("shop/old", 3).after_minutes(10.0);
    assert_eq!((story.starts("shop/old"), story.phase("shop/old")), (0, "awaiting_approval"), "{story}");
    story.approves(1).after(200.0);
    assert_eq!((story.starts("shop/old"), story.outcome("shop/old")), (1, Some(Outcome::Healed)), "{story}");
}

#[test]
fn s18_what_was_made_and_never_started_is_unknown() {
    let mut story = Story::of(&["shop/web"]);
    story.made("shop/worker").after_minutes(10.0).relists().after(1.0);
    assert_eq!((story.starts("shop/worker"), story.phase("shop/worker")), (0, "none"), "{story}");
    // Found so by a healer that begins, it is listed as unknown.
    story.is_killed().begins().after_minutes(10.0);
    assert_eq!((story.starts("shop/worker"), story.told()), (0, Vec::new()), "{story}");
}

#[test]
fn s19_on_a_clone_of_the_machine_nothing_is_known() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.host_restarts(143).is_a_clone().begins().after_minutes(20.0);
    assert_eq!([story.starts("shop/web"), story.starts("shop/db")], [0, 0], "{story}");
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Unknown), "{story}");
    // What runs there is meant to run.
    story.docker_start("shop/web").after(60.0).crashes("shop/web", 3).after(200.0);
    assert_eq!((story.starts("shop/web"), story.starts("shop/db")), (1, 0), "{story}");
}

#[test]
fn s19_after_an_absence_of_months_nothing_is_taken_for_granted() {
    for (days, starts) in [(20.0, 1), (90.0, 0)] {
        let mut story = Story::of(&["shop/web"]);
        story.reads_flag = true;
        story.tells_its_start().begins().after(60.0);
        story
            .ends_in_order()
            .engine_ends_all(143)
            .after_minutes(days * 24.0 * 60.0)
            .boots()
            .begins()
            .after_minutes(20.0);
        assert_eq!(story.starts("shop/web"), starts, "after {days} days:\n{story}");
    }
}

#[test]
fn s20_healers_own_containers_are_never_acted_on() {
    let mut story = Story::new();
    story.runs_as("ops/proxy", |d| d.healers_own = Some("a part of healer's own deployment".to_owned()));
    story.runs_as("ops/db", |d| d.healers_own = Some("a part of healer's own deployment".to_owned())).begins();
    story.has_check("ops/db").crashes("ops/proxy", 3).turns("ops/db", Health::Unhealthy).after_minutes(10.0);
    assert_eq!((story.starts("ops/proxy"), story.stops("ops/db")), (0, 0), "{story}");
}

#[test]
fn s21_another_healer_that_is_faster_is_left_its_work_and_told_once() {
    let mut story = Story::of(&["shop/web"]);
    for _ in 0..3 {
        story.after_minutes(4.0).crashes("shop/web", 3).docker_start("shop/web");
    }
    story.after_minutes(4.0).crashes("shop/web", 3).after(5.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "another_healer"), "{story}");
    assert_eq!(story.told(), [Kind::Notice], "{story}");
    story.docker_start("shop/web").after_minutes(4.0);
    // One that leaves its work undone is gone.
    story.crashes("shop/web", 3).after(29.0);
    assert_eq!(story.starts("shop/web"), 0, "{story}");
    story.after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
}

#[test]
fn s22_many_ends_at_once_may_be_a_host_that_goes_down() {
    let names = ["a/x", "b/x", "c/x", "d/x", "e/x"];
    let mut story = Story::of(&names);
    for name in names {
        story.crashes(name, 143).after(0.1);
    }
    // The first two are treated at once, the others wait; healer is told to end meanwhile.
    story.after(0.5);
    let started: usize = names.iter().map(|name| story.starts(name)).sum();
    assert_eq!(started, 2, "{story}");
    story.ends_in_order();
    let after: usize = names.iter().map(|name| story.starts(name)).sum();
    assert_eq!(after, started, "{story}");
}

#[test]
fn s23_a_clock_that_jumps_neither_empties_nor_fills_a_budget() {
    for jump_ms in [86_400_000_i64, -86_400_000, -1_700_000_000_000] {
        let mut story = Story::of(&["shop/web"]);
        story.will_end("shop/web", 200, 3, 99).crashes("shop/web", 3).after(1.0);
        story.clock_jumps(jump_ms).after(5.0).relists().after_minutes(25.0);
        assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (3, "escalated"), "{jump_ms} ms:\n{story}");
        // … nor does one across a restart of healer.
        story.is_killed().clock_jumps(jump_ms / 2).begins().after_minutes(4.0);
        assert_eq!(story.starts("shop/web"), 3, "{jump_ms} ms:\n{story}");
    }
}

#[test]
fn s24_a_label_that_changes_with_each_build_is_no_fresh_budget_each_time() {
    let mut story = Story::of(&["shop/web"]);
    for build in 0..10 {
        story.recreated("shop/web", |d| d.config_hash = format!("build-{build}")).after(1.0);
        story.will_end("shop/web", 200, 3, 99).crashes("shop/web", 3).after(59.0);
    }
    assert!(story.count("budget_refreshed") <= 6, "{} in ten minutes:\n{story}", story.count("budget_refreshed"));
}

#[test]
fn s25_a_pause_holds_and_a_dependent_that_was_stopped_is_not_started_with_the_others() {
    let mut story = Story::new();
    story.runs("shop/db").has_check("shop/db");
    for name in ["shop/web", "shop/old"] {
        story.runs_as(name, |d| d.depends_on = vec![needs("db", Condition::Started)]);
    }
    story.begins().after(5.0).docker_stop("shop/old").after(5.0);
    story.paused("shop/db").turns("shop/db", Health::Unhealthy).after_minutes(10.0);
    assert_eq!((story.stops("shop/db"), story.starts("shop/db")), (0, 0), "{story}");
    story.says("ann", Ask::Restart("shop".to_owned())).after_minutes(2.0);
    assert_eq!(story.starts("shop/old"), 0, "{story}");
    assert_eq!(story.wanted("shop/old"), Some(Wanted::Stopped), "{story}");
}

#[test]
fn s26_a_healer_that_is_replaced_in_mid_repair_knows_its_own_stop_and_a_persons() {
    for (person_stops, starts) in [(false, 1), (true, 0)] {
        let mut story = Story::of(&["shop/web"]);
        story.kept_complete = Some(true);
        story.has_check("shop/web").ignores_term("shop/web").after(5.0).turns("shop/web", Health::Unhealthy).after(1.0);
        assert_eq!(story.stops("shop/web"), 1, "{story}");
        story.is_killed().after(1.0);
        if person_stops {
            story.docker_stop("shop/web");
        }
        story.after(15.0).begins().after(60.0);
        assert_eq!(story.starts("shop/web"), starts, "{story}");
    }
}

#[test]
fn s27_without_a_durable_record_nothing_is_stopped() {
    let mut story = Story::of(&["shop/web"]);
    story.has_check("shop/web").after(5.0).reserve(false).turns("shop/web", Health::Unhealthy).after_minutes(5.0);
    assert_eq!((story.stops("shop/web"), story.held_for("shop/web")), (0, "store_full"), "{story}");
    // An append that fails orders nothing.
    let mut story = Story::of(&["shop/web"]);
    story.has_check("shop/web").after(5.0);
    story.hands_work = false;
    story.appends_fail = 1;
    story.turns("shop/web", Health::Unhealthy).after(1.0);
    let stops =
        |event: &&Event| matches!(event, Event::ActionStarted { permit, .. } if permit.step.action == Action::Stop);
    assert_eq!((story.stops("shop/web"), story.events().filter(stops).count()), (1, 1), "{story}");
}

#[test]
fn s28_names_that_are_swapped_swap_nothing_else() {
    let mut story = Story::of(&["shop/web"]);
    story.settings.exclude.push(Exclusion::Deployment("old".to_owned()));
    story.after(5.0).updated("shop/web", |d| d.name = "old-web-1".to_owned()).after(1.0);
    story.crashes("shop/web", 3).after(200.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

#[test]
fn l01_what_a_crashed_engine_stops_at_its_next_start_was_stopped_by_nobody() {
    let mut story = Story::of(&["shop/web"]);
    (story.reads_flag, story.kept_complete) = (true, Some(true));
    story.after(5.0).stream_breaks().unreachable().after(30.0);
    story.is_told_to_end("shop/web", 15).after(10.0).connects().after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Running), 1), "{story}");
}

#[test]
fn l02_a_graceful_stop_of_long_grace_is_the_engines_however_long_before_the_end_of_its_stream() {
    let mut story = Story::of(&["shop/web", "shop/slow"]);
    story.ignores_term("shop/slow").after(5.0);
    story.is_told_to_end("shop/web", 15).is_told_to_end("shop/slow", 15).engine_closes().after(28.0);
    story.stream_breaks().unreachable().after(30.0).connects().after(200.0);
    for name in ["shop/web", "shop/slow"] {
        assert_eq!((story.wanted(name), story.starts(name)), (Some(Wanted::Running), 1), "{story}");
    }
}

#[test]
fn l03_with_healer_away_an_engines_restart_is_told_from_a_persons_stop_where_it_can_be() {
    // The engine's own: no note of a stop. A person's: noted, and nothing tells more of it.
    for (person, wanted, starts) in [(false, Wanted::Running, 1), (true, Wanted::Unknown, 0)] {
        let mut story = Story::of(&["shop/web"]);
        story.reads_flag = true;
        story.tells_its_start().begins().after(5.0).is_killed();
        if person {
            story.docker_stop("shop/web").after(5.0);
        }
        story.after(60.0).engine_ends_all(143).boots().begins().after(200.0);
        assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(wanted), starts), "{story}");
    }
}

#[test]
fn l04_a_recreate_that_was_interrupted_is_asked_about_and_no_manual_stop() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).docker_stop("shop/web").after(0.13).put_aside("shop/web").after_minutes(20.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Unknown), 0), "{story}");
    story.says("ann", Ask::Start("shop/web".to_owned())).after(200.0);
    assert_eq!((story.wanted("shop/web"), story.is_running("shop/web")), (Some(Wanted::Running), true), "{story}");
}

#[test]
fn l05_a_recreate_that_failed_is_an_incident_once_it_is_quiet() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).docker_stop("shop/web").after(0.13).put_aside("shop/web").after(0.1);
    story.made("shop/web").fails_to_start("shop/web", "port is already allocated").after(30.0);
    assert_eq!(story.starts("shop/web"), 0, "the deploy may go on:\n{story}");
    story.after_minutes(10.0);
    assert_ne!(story.phase("shop/web"), "none", "{story}");
    assert!(!story.told().is_empty(), "{story}");
}

#[test]
fn l04_l05_a_recreate_by_compose_v2_makes_the_new_one_before_it_stops_the_old_one() {
    let deploy = || {
        let mut story = Story::of(&["shop/web"]);
        story.after(5.0).stopped_for_a_new_one("shop/web").after(0.1);
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Unknown), "nobody wishes it to be down:\n{story}");
        story
    };
    // It was interrupted.
    let mut story = deploy();
    story.after_minutes(20.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Unknown), 0), "{story}");
    // It goes well; a stop after that is a stop.
    let mut story = deploy();
    story.docker_start("shop/web").after(0.5);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
    story.relists().after_minutes(5.0).docker_stop("shop/web").after(0.5).relists().after_minutes(20.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
    // The new one cannot be started: an incident, once it is quiet.
    let mut story = deploy();
    story.fails_to_start("shop/web", "port is already allocated").after(30.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
    assert_eq!(story.starts("shop/web"), 0, "the deploy may go on:\n{story}");
    story.after_minutes(10.0);
    assert_ne!(story.phase("shop/web"), "none", "{story}");
    assert!(!story.told().is_empty(), "{story}");
    // What an `up` left that was killed before it stopped anything says nothing of a stop days later.
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).made_to_replace("shop/web").after_minutes(60.0);
    let old = story.first_id_of("shop/web");
    story.docker_stop_of(&old).after(1.0).relists().after_minutes(10.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
    // Whoever tells healer to leave it down is heard.
    let mut story = deploy();
    story.fails_to_start("shop/web", "port is already allocated").after(1.0);
    story.says("ann", Ask::Stop("shop/web".to_owned())).after(1.0).relists().after_minutes(10.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
}

#[test]
fn l06_three_ends_that_look_alike_are_told_apart() {
    // Killed while it waited to be restarted: no event tells of it, the engine's note does.
    let mut story = Story::new();
    story.reads_flag = true;
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::UnlessStopped).begins();
    story.is_restarting("shop/web", 3).relists().after(1.0).killed_while_restarting("shop/web").after(5.0);
    story.relists().after_minutes(10.0);
    assert_eq!(story.starts("shop/web"), 0, "{story}");
    assert_ne!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
    // A reload, then a crash that the engine's policy does not mend any more.
    let mut story = Story::new();
    story.reads_flag = true;
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::UnlessStopped).begins();
    story.after(5.0).reloaded("shop/web").after(11.0).crashes("shop/web", 137).after(200.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Running), 1), "{story}");
}

#[test]
fn l07_an_end_that_is_told_late_is_looked_at_first() {
    let mut story = Story::of(&["shop/web"]);
    story.after(5.0).dies_untold("shop/web", 137).after(10.0);
    assert_eq!(story.starts("shop/web"), 0, "containerd is silent:\n{story}");
    story.is_told_late("shop/web").after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
    let first = story.ordered(Action::Start, "shop/web")[0];
    assert!(first >= 15.0, "{story}");
}

#[test]
fn an_attack_that_is_asked_about_names_the_command_that_settles_it() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.will_end("shop/web", 100, 3, 1).crashes("shop/web", 3).after(2.0).docker_stop("shop/db").after_minutes(10.0);
    let message = story.messages().last().expect("it was told");
    let next = message.next.join("\n");
    assert!(next.contains("healer start shop/web") && next.contains("healer stop shop/web"), "{next}\n{story}");
    let escalated = |event: &Event| matches!(event, Event::Escalated { reason: Escalation::CannotTell, .. });
    assert!(!story.events().any(escalated), "{story}");
    let incident = story.engine().state().open_incident(&named("shop/web")).expect("it is open");
    assert!(matches!(incident.phase, Phase::Held { .. }), "{story}");
}
