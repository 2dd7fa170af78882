//! Deployments that are known by their directory, and have no containers.

use model::command::Ask;
use model::folder::Folder;
use model::input::Input;
use model::intent::{Author, Wanted};
use model::settings::Exclusion;
use model::view::Standing;

use crate::story::{HOST, Story, named};

pub(crate) fn folder(deployment: &str) -> Folder {
    Folder {
        host: HOST.to_owned(),
        deployment: deployment.to_owned(),
        path: format!("/srv/deployments/{deployment}"),
        domains: Vec::new(),
        flaw: None,
    }
}

/// shop runs; wiki is a directory alone.
fn wiki() -> Story {
    let mut story = Story::of(&["shop/web"]);
    let folders = vec![folder("shop"), folder("wiki")];
    story.feed(Input::Folders { host: HOST.to_owned(), folders }).after(1.0);
    story
}

fn start(words: &str) -> Ask {
    Ask::Start(words.to_owned())
}

/// Compose says what came of the last order.
fn ends(story: &mut Story, result: Result<(), String>) {
    let command = story.bring_ups.last().unwrap().command.clone();
    story.feed(Input::BroughtUp { command, result }).after(0.1);
}

#[test]
fn a_directory_alone_is_shown_and_brought_up_at_a_persons_word_and_no_other() {
    let mut story = wiki();
    story.after_minutes(60.0);
    assert!(story.bring_ups.is_empty(), "nobody has asked:\n{story}");
    let shown: Vec<_> = story.status().deployments;
    let shown: Vec<_> =
        shown.iter().map(|d| (d.name.as_str(), d.standing, d.resources.len(), d.folder.is_some())).collect();
    assert_eq!(shown, [("shop", Standing::Well, 1, true), ("wiki", Standing::Absent, 0, true)], "{story}");

    story.says("ann", Ask::Stop("wiki".to_owned())).after(0.1);
    assert!(story.to_string().contains("wiki has no containers: `healer start wiki` makes them"), "{story}");
    story.says("ann", start("wiki")).after(1.0).says("bob", start("wiki")).after(1.0);
    assert_eq!(story.bring_ups.len(), 1, "{story}");
    assert!(story.to_string().contains("ann is having wiki brought up"), "{story}");
    story.runs("wiki/app");
    story.relists().after(1.0);
    ends(&mut story, Ok(()));
    assert!(story.to_string().contains("wiki: its containers are made and started"), "{story}");
    let by = story.folded().intents[&named("wiki/app")].clone();
    assert_eq!((by.wanted, by.by), (Wanted::Running, Author::Person("ann".to_owned())), "{story}");
    // From here on it is a deployment like any other.
    story.crashes("wiki/app", 1).after(200.0);
    assert_eq!(story.starts("wiki/app"), 1, "{story}");
}

#[test]
fn who_removes_the_containers_wants_none() {
    let mut story = wiki();
    story.removed("shop/web").after_minutes(60.0);
    assert!(story.bring_ups.is_empty() && story.starts("shop/web") == 0, "{story}");
    let shop = story.status().deployments.into_iter().find(|d| d.name == "shop").unwrap();
    assert!(shop.resources.is_empty() && shop.why.contains("healer start shop"), "{shop:?}");
}

#[test]
fn what_may_not_be_brought_up_is_refused_with_the_reason() {
    let refused = |story: &mut Story, words: &str| {
        story.says("ann", start("wiki")).after(1.0);
        assert!(story.bring_ups.is_empty(), "{words}:\n{story}");
        assert!(story.to_string().contains(&format!("(not taken): {words}")), "{words}:\n{story}");
    };
    let mut story = wiki();
    story.freezes().after(1.0);
    refused(&mut story, "refused: frozen by ann: `healer thaw` ends that");

    let mut story = wiki();
    story.settings.exclude = vec![Exclusion::Deployment("w*".to_owned())];
    let settings = story.settings.clone();
    story.feed(Input::Configured(settings.into())).after(1.0);
    refused(&mut story, "refused: wiki is excluded by the configuration");

    let mut story = wiki();
    let flawed = Folder { flaw: Some("compose.yml: no map".to_owned()), ..folder("wiki") };
    story.feed(Input::Folders { host: HOST.to_owned(), folders: vec![flawed] }).after(1.0);
    refused(&mut story, "refused: compose.yml: no map");

    // While nobody sees its host, nobody knows that it has no containers.
    let mut story = wiki();
    story.unreachable().after(1.0);
    refused(&mut story, "nothing that healer knows is called `wiki`");
}

#[test]
fn an_order_survives_a_journal_that_fails_and_is_given_once() {
    for written in [false, true] {
        let mut story = wiki();
        (story.appends_fail, story.fail_though_written) = (1, written);
        story.says("ann", start("wiki")).after(1.0);
        assert_eq!(story.bring_ups.len(), 1, "written: {written}\n{story}");
        (story.appends_fail, story.fail_though_written) = (1, written);
        ends(&mut story, Err("no such image".to_owned()));
        assert_eq!(story.count("brought_up"), 1, "written: {written}\n{story}");
        let told = story.to_string().matches("wiki was not brought up: no such image").count();
        assert!(told >= 1, "written: {written}\n{story}");
        story.says("ann", start("wiki")).after(1.0);
        assert_eq!(story.bring_ups.len(), 2, "it may be tried again:\n{story}");
    }
}

#[test]
fn an_order_that_ended_with_its_process_is_told_and_not_repeated() {
    let mut story = wiki();
    story.says("ann", start("wiki")).after(1.0);
    story.is_killed().process_starts().after(5.0);
    assert_eq!(story.bring_ups.len(), 1, "{story}");
    assert!(story.to_string().contains("wiki was not brought up: healer was ended while Compose was at it"), "{story}");
    let folders = vec![folder("wiki")];
    story.feed(Input::Folders { host: HOST.to_owned(), folders }).connects().after(5.0);
    story.says("ann", start("wiki")).after(1.0);
    assert_eq!(story.bring_ups.len(), 2, "{story}");
}

#[test]
fn what_is_stopped_while_compose_is_at_it_stays_stopped() {
    // By whichever way, and at whichever moment of its stop Compose ends.
    for by_healer in [false, true] {
        for ends_after in [0.02, 0.15, 1.0] {
            let mut story = wiki();
            story.says("ann", start("wiki")).after(1.0);
            story.runs("wiki/app").runs("wiki/db").relists().after(5.0);
            if by_healer {
                story.says("bob", Ask::Stop("wiki/db".to_owned()));
            } else {
                story.docker_stop("wiki/db");
            }
            story.after(ends_after);
            ends(&mut story, Err("web is not healthy".to_owned()));
            story.after_minutes(10.0);
            let wanted = ["wiki/app", "wiki/db"].map(|name| story.wanted(name));
            assert_eq!(wanted, [Some(Wanted::Running), Some(Wanted::Stopped)], "{by_healer} {ends_after}:\n{story}");
            assert!(!story.is_running("wiki/db"), "{by_healer} {ends_after}:\n{story}");
        }
    }
}

fn stop(words: &str) -> Ask {
    Ask::Stop(words.to_owned())
}

fn is_stopped(story: &mut Story, name: &str) -> bool {
    (story.wanted(name), story.is_running(name)) == (Some(Wanted::Stopped), false)
}

#[test]
fn a_stop_of_what_compose_brings_up_ends_that_and_stops_what_there_is_and_what_comes_late() {
    for made in [&[][..], &["wiki/app"], &["wiki/app", "wiki/db"]] {
        let mut story = wiki();
        story.says("ann", start("wiki")).after(1.0);
        for name in made {
            story.runs(name);
        }
        story.relists().after(5.0).says("bob", stop("wiki")).after(0.1);
        assert_eq!(story.call_offs, [story.bring_ups[0].command.clone()], "{made:?}:\n{story}");
        // The word counts at once, whatever becomes of Compose.
        assert!(made.iter().all(|name| story.wanted(name) == Some(Wanted::Stopped)), "{made:?}:\n{story}");
        ends(&mut story, Err("called off".to_owned()));
        assert!(story.to_string().contains("wiki was not brought up: bob has called it off"), "{made:?}:\n{story}");
        // What the engine was at just then is done all the same.
        story.after(4.0).made("wiki/late").docker_start("wiki/late").relists().after_minutes(10.0);
        for name in made.iter().chain(&["wiki/late"]) {
            assert!(is_stopped(&mut story, name), "{made:?} {name}:\n{story}");
        }
        assert!(story.to_string().contains("wiki is not brought up any further"), "{made:?}:\n{story}");
        // It may be asked for again, and then it is what was said last that counts.
        story.says("ann", start("wiki")).after_minutes(5.0);
        assert!(story.is_running("wiki/late"), "{made:?}:\n{story}");
    }
}

#[test]
fn whoever_speaks_after_a_bring_up_was_called_off_has_the_last_word() {
    // To healer, a second later; and at the engine, once nothing can come of Compose any more.
    for by_healer in [true, false] {
        let mut story = wiki();
        story.says("ann", start("wiki")).after(1.0);
        story.runs("wiki/app").relists().after(5.0).says("bob", stop("wiki")).after(1.0);
        if by_healer {
            story.says("ann", start("wiki"));
            ends(&mut story, Err("called off".to_owned()));
        } else {
            ends(&mut story, Err("called off".to_owned()));
            story.after(120.0).docker_start("wiki/app");
        }
        story.after_minutes(10.0);
        assert!(story.is_running("wiki/app"), "by healer: {by_healer}\n{story}");
        assert_eq!(story.wanted("wiki/app"), Some(Wanted::Running), "by healer: {by_healer}\n{story}");
    }
}

#[test]
fn what_was_called_off_stays_so_when_healer_ends_or_its_journal_fails_meanwhile() {
    for written in [false, true] {
        let mut story = wiki();
        story.says("ann", start("wiki")).after(1.0);
        story.runs("wiki/app").relists().after(5.0);
        (story.appends_fail, story.fail_though_written) = (1, written);
        story.says("bob", stop("wiki")).after(0.1);
        assert!(!story.call_offs.is_empty(), "{story}");
        story.is_killed().made("wiki/db").docker_start("wiki/db").process_starts().connects().after_minutes(10.0);
        assert!(is_stopped(&mut story, "wiki/app") && is_stopped(&mut story, "wiki/db"), "{story}");
        assert_eq!((story.count("brought_up"), story.bring_ups.len()), (1, 1), "{story}");
    }
}

#[test]
fn what_people_start_long_after_healer_died_with_a_call_off_is_theirs() {
    let mut story = wiki();
    story.says("ann", start("wiki")).after(1.0).says("bob", stop("wiki")).after(0.1);
    story
        .is_killed()
        .after_minutes(60.0)
        .made("wiki/app")
        .docker_start("wiki/app")
        .process_starts()
        .connects()
        .after_minutes(10.0);
    assert!(story.is_running("wiki/app"), "{story}");
    assert_eq!(story.wanted("wiki/app"), Some(Wanted::Running), "{story}");
}

#[test]
fn a_service_that_is_stopped_before_compose_has_started_it_stays_stopped() {
    let mut story = wiki();
    story.says("ann", start("wiki")).after(1.0);
    story.runs("wiki/db").made("wiki/app").relists().after(5.0);
    story.says("bob", stop("wiki/app")).after(2.0);
    story.docker_start("wiki/app").after(1.0);
    ends(&mut story, Ok(()));
    story.after_minutes(10.0);
    assert!(is_stopped(&mut story, "wiki/app"), "{story}");
    assert!(story.is_running("wiki/db"), "{story}");
}

#[test]
fn nothing_made_is_nothing_stopped() {
    let mut story = wiki();
    story.says("ann", start("wiki")).after(1.0).says("bob", stop("wiki")).after(0.1);
    assert!(story.to_string().contains("wiki is not brought up any further"), "{story}");
    ends(&mut story, Err("called off".to_owned()));
    story.says("ann", start("wiki")).after(1.0);
    assert_eq!(story.bring_ups.len(), 2, "it may be asked for again:\n{story}");
}
