//! Several engines from one healer, and remote ones, which do not tell one start of theirs from another.

use model::command::Ask;
use model::incident::Outcome;
use model::input::Input;
use model::intent::Wanted;
use model::verdict::Limit;

use crate::folders::folder;
use crate::story::{HOST, Story};

const NEAR: &str = "docker:h/shop/web";
const FAR: &str = "docker:far/shop/web";

fn limit(count: u32) -> Limit {
    Limit { count, window_ms: 30 * 60_000 }
}

#[test]
fn a_name_that_two_engines_have_is_asked_about_and_the_whole_name_acts_on_one() {
    let mut story = Story::of(&[NEAR, FAR]);
    for words in ["shop/web", "shop"] {
        for ask in [Ask::Stop(words.to_owned()), Ask::Restart(words.to_owned()), Ask::Adopt(words.to_owned())] {
            story.says("ann", ask).after(30.0);
        }
        let asked =
            story.to_string().matches(&format!("(not taken): {words} is the name of several: docker:far/")).count();
        assert_eq!((asked, story.count("command_taken")), (3, 0), "{story}");
    }
    story.says("ann", Ask::Stop(FAR.to_owned())).after(30.0);
    assert_eq!((story.is_running(NEAR), story.is_running(FAR)), (true, false), "{story}");
    story.says("ann", Ask::Start("docker:far/shop".to_owned())).after(30.0);
    story.says("ann", Ask::Stop("docker:h/shop".to_owned())).after(30.0);
    assert_eq!((story.is_running(NEAR), story.is_running(FAR)), (false, true), "{story}");
}

#[test]
fn a_deployment_that_runs_elsewhere_and_has_a_directory_here_is_asked_about() {
    let mut story = Story::of(&[FAR]);
    story.feed(Input::Folders { host: HOST.to_owned(), folders: vec![folder("shop")] }).after(1.0);
    story.says("ann", Ask::Start("shop".to_owned())).after(1.0);
    let asks = "shop is the name of several: docker:far/shop, docker:h/shop";
    assert!(story.to_string().contains(asks) && story.bring_ups.is_empty(), "{story}");
    story.says("ann", Ask::Start("docker:h/shop".to_owned())).after(1.0);
    assert_eq!(story.bring_ups.len(), 1, "{story}");
}

#[test]
fn deployments_of_one_name_on_two_engines_share_no_budget() {
    let mut story = Story::new();
    story.settings.budgets.per_deployment = limit(1);
    story.runs(NEAR).runs(FAR).begins();
    story.after(5.0).crashes(FAR, 3).after(300.0).crashes(NEAR, 3).after(300.0);
    assert_eq!([story.outcome(FAR), story.outcome(NEAR)], [Some(Outcome::Healed), Some(Outcome::Healed)], "{story}");
    story.crashes(NEAR, 3).after(60.0);
    assert_eq!((story.starts(NEAR), story.held_for(NEAR)), (1, "group_budget"), "{story}");
}

#[test]
fn an_engine_that_does_not_answer_keeps_no_other_waiting() {
    let mut story = Story::of(&["docker:far/a/a", "docker:far/b/b", "docker:far/c/c", NEAR]);
    (story.hands_work, story.looks_work) = (false, false);
    for name in ["docker:far/a/a", "docker:far/b/b", "docker:far/c/c"] {
        story.after(1.0).crashes(name, 3);
    }
    story.after(7.0);
    assert_eq!(story.orders.len(), 3, "{story}");
    (story.hands_work, story.looks_work) = (true, true);
    story.crashes(NEAR, 3).after(1.0);
    assert!(story.is_running(NEAR), "{story}");
}

/// A remote engine with more services than its budgets have room for; one was stopped by hand.
fn remote() -> (Story, Vec<String>) {
    let mut story = Story::new();
    let names: Vec<String> = (0..30).map(|number| format!("app/svc{number}")).collect();
    for name in &names {
        story.runs(name);
    }
    story.kept_complete = Some(true);
    story.runs("app/old").begins();
    story.after(60.0).docker_stop("app/old").after(60.0);
    (story, names)
}

#[test]
fn a_remote_engine_that_restarted_is_recovered_in_one_go_and_told_once() {
    // In order, before healer's eyes; the connection may be waited for by an engine that is just starting. Or its power went.
    for (closes, code, out_of_reach) in [(true, 0, true), (true, 0, false), (false, 255, true), (false, 255, false)] {
        let (mut story, names) = remote();
        story.lists_in_two_batches = out_of_reach;
        if closes {
            story.engine_closes();
            names.iter().for_each(|name| {
                story.is_told_to_end(name, 15);
            });
            story.after(0.5);
        }
        story.stream_breaks();
        if out_of_reach {
            story.out_of_reach();
        }
        story.after(1.0).engine_ends_all(code).after(5.0).remembers_nothing().connects().after_minutes(5.0);
        assert!(names.iter().all(|name| story.is_running(name) && story.starts(name) == 1), "{story}");
        assert_eq!((story.starts("app/old"), story.wanted("app/old")), (0, Some(Wanted::Stopped)), "{story}");
        let told = story.messages().iter().map(|message| message.title.as_str()).collect::<Vec<_>>();
        assert_eq!(told, ["recovered 1 deployment after engine restart; left 1 stopped on purpose"], "{story}");
        // Another connection to the same engine is no second restart.
        story.stream_breaks().after(1.0).connects().after_minutes(5.0);
        assert_eq!(story.count("recovery_began"), 1, "{story}");
    }
}

#[test]
fn what_ended_before_its_engine_was_found_to_shut_down_is_started_after_the_restart() {
    let mut story = Story::of(&["shop/web"]);
    story.after(60.0).is_told_to_end("shop/web", 15).after(0.11).engine_closes().after(0.5).stream_breaks();
    story.after(5.0).remembers_nothing().connects().after_minutes(5.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Running), 1), "{story}");
}

#[test]
fn a_remote_engine_that_was_only_out_of_reach_has_not_restarted() {
    // What somebody stopped meanwhile was stopped while its API was open, whatever healer could reach.
    for closing in [false, true] {
        let mut story = Story::of(&["shop/web", "wiki/db"]);
        story.kept_complete = Some(true);
        story.after(60.0);
        if closing {
            story.engine_closes();
        }
        story.stream_breaks().out_of_reach().after(5.0).docker_stop("shop/web").crashes("wiki/db", 3).after(5.0);
        story.connects().after_minutes(5.0);
        assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
        assert_eq!((story.starts("wiki/db"), story.count("recovery_began")), (1, 0), "{story}");
    }
}

#[test]
fn a_stop_beside_a_tunnel_that_fails_for_a_moment_is_somebodys() {
    // New connections are refused, and the stream goes on: that looks as if the engine were shutting down.
    let mut story = Story::of(&["shop/web"]);
    story.kept_complete = Some(true);
    story.after(60.0).engine_closes().is_told_to_end("shop/web", 15).after(2.0);
    story.stream_breaks().out_of_reach().after(1.0).connects().after_minutes(5.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
}

#[test]
fn what_a_remote_engine_ended_before_nobodys_eyes_is_asked_about() {
    let mut story = Story::of(&["shop/web"]);
    story.after(60.0).stream_breaks().out_of_reach().after(1.0).engine_ends_all(143).after(60.0);
    story.remembers_nothing().connects().after_minutes(5.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Unknown), 0), "{story}");
}
