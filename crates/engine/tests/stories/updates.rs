//! `healer pull` and `healer rebuild`: an image is fetched while the service runs on, what is newer takes its place, and what
//! does not stay well goes back unasked.

use model::action::{Action, Answer, Retag};
use model::command::{Ask, Command};
use model::incident::Outcome;
use model::input::Input;
use model::intent::Wanted;
use model::message::Kind;
use model::update::{Fetched, Source};

use crate::story::Story;

fn pull(words: &str) -> Ask {
    Ask::Pull(words.to_owned())
}

/// web has run well for two minutes, of what shop:1 meant; ann has it updated.
fn updating() -> Story {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| (d.image, d.image_id) = ("shop:1".to_owned(), "sha256:1".to_owned())).begins();
    story.after(120.0).says("ann", pull("shop/web")).after(0.1);
    story
}

fn newer() -> Fetched {
    Fetched::Newer(Box::new(Retag {
        name: "shop:1".to_owned(),
        to: "sha256:2".to_owned(),
        from: "sha256:1".to_owned(),
        config_hash: String::new(),
        from_config_hash: String::new(),
    }))
}

/// The image that was asked for last is there, or is not.
fn fetched(story: &mut Story, result: Fetched) {
    let order = story.updates.last().expect("nothing is fetched").clone();
    story.feed(Input::Fetched { command: order.command, resource: order.resource, result });
}

fn remade(story: &Story) -> usize {
    story.ordered(Action::Recreate, "shop/web").len()
}

#[test]
fn a_newer_image_takes_its_place_and_is_nobodys_incident() {
    let mut story = updating();
    assert_eq!((story.updates.len(), story.updates[0].source), (1, Source::Pull), "{story}");
    assert_eq!(remade(&story), 0, "nothing is done to it before the image is there:\n{story}");
    fetched(&mut story, newer());
    story.after_minutes(20.0);
    assert_eq!((remade(&story), story.is_running("shop/web")), (1, true), "{story}");
    assert_eq!((story.count("incident_opened"), story.messages().len()), (0, 0), "{story}");
    assert!(story.to_string().contains("if it falls ill of that within 10 min, it goes back to 1"), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn what_does_not_stay_well_goes_back_unasked() {
    let mut story = updating();
    fetched(&mut story, newer());
    story.after(20.0).crashes("shop/web", 1).after_minutes(10.0);
    assert_eq!((remade(&story), story.starts("shop/web")), (2, 0), "the newer one is not tried again:\n{story}");
    assert_eq!(story.image_of("shop/web"), "sha256:1");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    assert_eq!(story.count("approval_asked"), 0, "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn what_somebody_else_deploys_after_it_is_not_taken_back_unasked() {
    let mut story = updating();
    fetched(&mut story, newer());
    story.after(20.0).recreated("shop/web", |d| d.image_id = "sha256:3".to_owned()).after(0.05).relists();
    story.complains("shop/web", model::complaint::Complaint::VariableMissing { name: None });
    story.after(2.0).crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!((remade(&story), story.phase("shop/web")), (1, "awaiting_approval"), "{story}");
}

#[test]
fn where_there_is_none_or_it_cannot_be_fetched_it_runs_on() {
    let table = [
        (Fetched::Same, "there is no newer image: it stays as it is"),
        (
            Fetched::Failed("the registry cannot be reached".to_owned()),
            "pull failed, and it stays as it is: the registry",
        ),
    ];
    for (result, told) in table {
        let mut story = updating();
        fetched(&mut story, result);
        story.after_minutes(5.0);
        assert_eq!((remade(&story), story.is_running("shop/web")), (0, true), "{story}");
        assert!(story.to_string().contains(told), "{story}");
        story.says("ann", pull("shop/web")).after(0.1);
        assert_eq!(story.updates.len(), 2, "it may be tried again:\n{story}");
    }
}

#[test]
fn a_service_that_crashes_while_its_image_is_fetched_is_healed_as_ever() {
    let mut story = updating();
    story.crashes("shop/web", 3).after(200.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    fetched(&mut story, newer());
    story.after(60.0);
    assert_eq!((remade(&story), story.is_running("shop/web")), (1, true), "{story}");
}

#[test]
fn a_stop_while_its_image_is_fetched_wins() {
    for by_hand in [true, false] {
        let mut story = updating();
        if by_hand {
            story.docker_stop("shop/web").after(20.0);
        } else {
            story.says("bob", Ask::Stop("shop/web".to_owned())).after(20.0);
        }
        fetched(&mut story, newer());
        story.after_minutes(5.0);
        assert_eq!((remade(&story), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
        assert!(story.to_string().contains("dropped: somebody wanted otherwise meanwhile"), "{story}");
    }
}

#[test]
fn what_shall_not_run_is_not_updated() {
    for (words, told) in [
        ("shop/web", "refused: it was stopped on purpose: `healer start shop/web` first"),
        ("shop", "left as it is: stopped on purpose by somebody at the engine"),
    ] {
        let mut story = Story::of(&["shop/web", "shop/db"]);
        story.docker_stop("shop/web").after(20.0).says("ann", pull(words)).after(1.0);
        if words == "shop" {
            fetched(&mut story, Fetched::Same);
            story.after(1.0);
        }
        assert!(story.to_string().contains(told), "{words}:\n{story}");
        let meant: Vec<_> = story.updates.iter().map(|order| order.resource.short().to_owned()).collect();
        assert_eq!(meant, if words == "shop" { vec!["shop/db"] } else { vec![] }, "{story}");
        assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
    }
}

#[test]
fn a_freeze_refuses_it_and_one_that_comes_later_holds_it() {
    let mut story = Story::of(&["shop/web"]);
    story.says("bob", Ask::Freeze { because: String::new() }).says("ann", pull("shop/web")).after(1.0);
    assert_eq!(story.updates.len(), 0, "{story}");
    let mut story = updating();
    story.says("bob", Ask::Freeze { because: String::new() }).after(1.0);
    fetched(&mut story, newer());
    story.after(60.0);
    assert_eq!(remade(&story), 0, "{story}");
    story.says("bob", Ask::Thaw).after(60.0);
    assert_eq!((remade(&story), story.is_running("shop/web")), (1, true), "{story}");
}

#[test]
fn one_image_is_fetched_once_at_a_time() {
    let mut story = updating();
    story.says("bob", Ask::Rebuild("shop/web".to_owned())).after(1.0);
    assert_eq!(story.updates.len(), 1, "{story}");
    assert!(story.to_string().contains("refused: ann is having its image fetched already"), "{story}");
}

#[test]
fn who_asks_again_with_the_same_command_waits_on() {
    let mut story = updating();
    let command = Command { id: story.updates[0].command.clone(), who: "ann".to_owned(), ask: pull("shop/web") };
    let answers = |story: &Story, text: &str| story.to_string().matches(&format!("→ answer: {text}")).count();
    story.feed(Input::Commanded(command.clone())).after(30.0);
    assert_eq!(answers(&story, ""), 0, "{story}");
    fetched(&mut story, Fetched::Same);
    story.after(1.0).feed(Input::Commanded(command)).after(1.0);
    assert_eq!(
        answers(&story, "there is no newer image"),
        2,
        "who did not hear it asks again:
{story}"
    );
    assert_eq!(story.updates.len(), 1, "{story}");
}

#[test]
fn a_process_that_dies_meanwhile_leaves_all_as_it_was() {
    let mut story = updating();
    story.is_killed().after(5.0).process_starts().connects().after_minutes(5.0);
    assert_eq!((remade(&story), story.is_running("shop/web")), (0, true), "{story}");
    assert!(story.to_string().contains("its image was not fetched: healer was ended meanwhile"), "{story}");
    story.says("ann", pull("shop/web")).after(0.1);
    assert_eq!(story.updates.len(), 2, "{story}");
}

#[test]
fn an_order_whose_batch_was_not_taken_comes_again_and_is_done_once() {
    for written in [true, false] {
        let mut story = Story::new();
        story.runs_as("shop/web", |d| (d.image, d.image_id) = ("shop:1".to_owned(), "sha256:1".to_owned())).begins();
        story.after(120.0);
        (story.appends_fail, story.fail_though_written) = (1, written);
        story.says("ann", pull("shop/web")).after(5.0);
        assert_eq!(story.updates.len(), 1, "written: {written}\n{story}");
        fetched(&mut story, newer());
        story.after(60.0);
        assert_eq!((remade(&story), story.is_running("shop/web")), (1, true), "written: {written}\n{story}");
    }
}

#[test]
fn what_is_not_what_the_update_replaced_is_put_back_by_nobody_but_a_person() {
    // An image that was well, another one that somebody deployed and that was not, and ann's update of that.
    let mut story = Story::new();
    story.runs_as("shop/web", |d| (d.image, d.image_id) = ("shop:1".to_owned(), "sha256:0".to_owned())).begins();
    story.after(120.0).recreated("shop/web", |d| d.image_id = "sha256:1".to_owned()).after(0.05).relists();
    story.after(30.0).says("ann", pull("shop/web")).after(0.1);
    fetched(&mut story, newer());
    story.after(5.0);
    assert!(story.to_string().contains("so that nobody takes this back unasked"), "{story}");
    story.complains("shop/web", model::complaint::Complaint::VariableMissing { name: None });
    story.crashes("shop/web", 1).after_minutes(5.0);
    assert_eq!((remade(&story), story.phase("shop/web")), (1, "awaiting_approval"), "{story}");
}

#[test]
fn a_name_that_another_service_is_well_of_is_taken_from_it_by_nobody_but_a_person() {
    for shared in [false, true] {
        let mut story = Story::new();
        let shop =
            |d: &mut model::fact::Definition| (d.image, d.image_id) = ("shop:1".to_owned(), "sha256:1".to_owned());
        story.runs_as("shop/web", shop).runs_as("shop/worker", shop).begins();
        story.after(120.0).says("ann", pull("shop/web")).after(0.1);
        fetched(&mut story, newer());
        if shared {
            story.after(1.0).recreated("shop/worker", |d| d.image_id = "sha256:2".to_owned()).after(0.05).relists();
        }
        story.after(90.0).complains("shop/web", model::complaint::Complaint::VariableMissing { name: None });
        story.crashes("shop/web", 1).after_minutes(5.0);
        assert_eq!(remade(&story), if shared { 1 } else { 2 }, "{story}");
        assert_eq!(story.count("approval_asked"), usize::from(shared), "{story}");
    }
}

// ---- what comes in between

/// The newer image is there, and the hands have yet to begin.
fn about_to_be_made() -> Story {
    let mut story = updating();
    story.hands_work = false;
    fetched(&mut story, newer());
    story.after(0.1);
    assert_eq!(remade(&story), 1, "{story}");
    story
}

const TAKES_BACK: &str = "docker tag sha256:1 shop:1";

#[test]
fn who_waits_for_an_update_that_comes_to_nothing_is_told_where_the_name_is() {
    let table = [
        (Answer::Withheld("it is not wanted running any more".to_owned()), 1),
        (Answer::Failed("cannot start".to_owned()), 0),
        (Answer::Failed(format!("cannot start; shop:1 means sha256:2 by now: `{TAKES_BACK}` takes that back")), 1),
        (Answer::Unknown("no answer".to_owned()), 1),
    ];
    for (answer, times) in table {
        let mut story = about_to_be_made();
        story.answer(answer.clone()).after(200.0);
        let told = story
            .transcript
            .iter()
            .filter(|line| line.contains("→ answer"))
            .map(|line| line.matches(TAKES_BACK).count());
        assert_eq!((told.sum::<usize>(), story.messages().len()), (times, 0), "{answer:?}\n{story}");
    }
}

#[test]
fn who_does_not_wait_any_more_is_sent_where_the_name_is() {
    let mut story = updating();
    story.says("bob", Ask::Freeze { because: String::new() }).after(1.0);
    fetched(&mut story, newer());
    story.after(1.0);
    assert!(story.to_string().contains("→ answer: queued"), "{story}");
    story.docker_stop("shop/web").after(20.0).says("bob", Ask::Thaw).after(5.0);
    let notices: Vec<_> = story.messages().iter().filter(|message| message.kind == Kind::Notice).collect();
    let [notice] = notices.as_slice() else { panic!("{story}") };
    assert_eq!(notice.next, [TAKES_BACK]);
    assert_eq!((remade(&story), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
}

#[test]
fn a_notice_of_a_name_is_not_the_question_about_a_long_stop() {
    let mut story = updating();
    for _ in 0..4 {
        story.docker_stop("shop/web").after(60.0).docker_start("shop/web").after(600.0);
    }
    fetched(&mut story, Fetched::Same);
    story.says("ann", pull("shop/web")).says("bob", Ask::Freeze { because: String::new() }).after(1.0);
    let orders = story.updates.len();
    assert_eq!(orders, 2, "{story}");
    fetched(&mut story, newer());
    story.after(1.0).docker_stop("shop/web").after(20.0).says("bob", Ask::Thaw).after_minutes(120.0);
    let titles: Vec<_> = story.messages().iter().map(|message| message.title.clone()).collect();
    assert!(titles.iter().any(|title| title.contains("was not made anew of the image")), "{titles:?}");
    assert!(titles.iter().any(|title| title.contains("is usually started again within")), "{titles:?}");
}

#[test]
fn what_is_yet_to_be_made_anew_is_not_fetched_again() {
    let mut story = updating();
    story.says("bob", Ask::Freeze { because: String::new() }).after(1.0);
    fetched(&mut story, newer());
    story.after(1.0).says("bob", Ask::Thaw);
    story.hands_work = false;
    story.after(1.0).says("bob", pull("shop/web")).after(1.0);
    assert_eq!((remade(&story), story.updates.len()), (1, 1), "{story}");
    assert!(story.to_string().contains("refused: its image was fetched already"), "{story}");
}

#[test]
fn a_stop_that_seemed_to_be_the_updates_own_is_somebodys_where_that_was_not_begun() {
    let mut story = about_to_be_made();
    let permit = story.orders.last().expect("nothing was ordered").clone();
    assert!(permit.ran && permit.answered_by(model::fact::Run::Exited).is_some(), "{permit:?}");
    story.docker_stop("shop/web").after(20.0);
    story.answer(Answer::Withheld("it has ended since this was decided".to_owned())).after_minutes(5.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
}

#[test]
fn what_somebody_makes_meanwhile_is_theirs_where_the_update_was_not_begun() {
    let mut story = about_to_be_made();
    story.says("bob", Ask::Stop("shop/web".to_owned())).after(0.1);
    story.stopped_for_a_new_one("shop/web").after(1.0);
    story.answer(Answer::Withheld("it is not wanted running any more".to_owned())).after(30.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
    story.docker_start("shop/web").after(30.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
}

/// It runs of the newer image, and crashes: is it put back, or is a person asked?
fn goes_back(story: &mut Story) -> (usize, &'static str) {
    story.hands_work = true;
    let before = remade(story);
    story.complains("shop/web", model::complaint::Complaint::VariableMissing { name: None });
    story.after(2.0).crashes("shop/web", 1).after_minutes(5.0);
    (remade(story) - before, story.phase("shop/web"))
}

#[test]
fn what_somebody_has_put_in_its_place_since_goes_back_for_nobody_unasked() {
    let mut story = updating();
    fetched(&mut story, newer());
    // The same once more, by somebody else.
    story.after(20.0).recreated("shop/web", |_| {}).after(0.05).relists();
    assert_eq!(goes_back(&mut story), (0, "awaiting_approval"), "{story}");
}

#[test]
fn what_somebody_deploys_after_an_update_has_failed_is_not_of_that_update() {
    let mut story = about_to_be_made();
    story.looks_work = false;
    story.answer(Answer::Failed("its files were changed".to_owned())).after(1.0);
    story.recreated("shop/web", |d| d.image_id = "sha256:2".to_owned()).after(0.05).relists();
    story.looks_work = true;
    story.after(90.0);
    assert_eq!(goes_back(&mut story), (0, "awaiting_approval"), "{story}");
}

#[test]
fn what_was_left_behind_long_ago_is_not_what_was_made() {
    let shop = |d: &mut model::fact::Definition| (d.image, d.image_id) = ("shop:1".to_owned(), "sha256:1".to_owned());
    let mut story = updating();
    fetched(&mut story, newer());
    story.after(60.0).complains("shop/web", model::complaint::Complaint::VariableMissing { name: None });
    let made = story.last_id_of("shop/web");
    // A Compose that was cut short has left another one behind.
    story.runs_as("shop/web", shop).is_down("shop/web", 0).relists().after(1.0);
    story.hands_work = false;
    story.ends(&made, 1).after(5.0);
    assert_eq!(remade(&story), 2, "{story}");
    // Compose has put it back, and the stream is late.
    story.removed_of(&made).stream_lag_ms = 700;
    story.made("shop/web").docker_start("shop/web").after(0.01).answer(Answer::Done).after_minutes(5.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

#[test]
fn what_an_update_has_made_in_vain_is_nobodys_start_though_its_events_are_late() {
    let mut story = about_to_be_made();
    story.says("bob", Ask::Stop("shop/web".to_owned())).after(0.1);
    story.is_told_to_end("shop/web", 15).after(0.5);
    story.put_aside("shop/web").stream_lag_ms = 1_600;
    story.made("shop/web").after(0.1).answer(Answer::Failed("cannot start: no such command".to_owned())).after(1.7);
    story.fails_to_start("shop/web", "no such command").after(30.0);
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
}
