//! Plans of several steps, what they fall back on, and what is taken back of one that did not help.

use model::action::{Action, Change};
use model::incident::{Escalation, Outcome, Phase};
use model::settings::Mode;

use crate::story::Story;

const SETS: Action = Action::Change(Change::SetMemory);
const CREATES: Action = Action::Change(Change::CreateNetwork);
const REMOVES: Action = Action::Change(Change::RemoveNetwork);
const JOINS: Action = Action::Change(Change::JoinNetwork);

/// web, which is killed for want of memory 20 s after each start unless it has so many MiB; it has 64. Two starts did not
/// help.
fn two_starts_did_not_help(enough: u64) -> Story {
    let mut story = Story::of(&["shop/web"]);
    story.outgrows("shop/web", 64, enough, 20).after_minutes(3.0);
    story.runs_out_of_memory("shop/web").after_minutes(4.0);
    story
}

/// What a person is told at last.
fn escalation(story: &Story) -> Option<String> {
    let incident = story.engine().state().incidents.get(&1)?;
    let Phase::Escalated { reason, .. } = &incident.phase else { return None };
    Some(reason.to_string())
}

#[test]
fn a_limit_that_is_too_low_is_raised_once_starts_did_not_help_and_a_person_says_so() {
    let mut story = two_starts_did_not_help(90);
    assert_eq!(story.phase("shop/web"), "awaiting_approval", "{story}");
    assert_eq!((story.starts("shop/web"), story.limit_of("shop/web")), (2, 64), "{story}");
    let asked = story.messages().last().unwrap().story.join("\n");
    assert!(asked.contains("from 64 MiB to 96 MiB, then start shop/web (dangerous)"), "{asked}");
    story.approves(1).after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.limit_of("shop/web")), (3, 96), "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_yes_to_one_plan_is_none_to_another_that_is_held() {
    let mut story = Story::new();
    story.settings.mode = Mode::Suggest;
    story.runs("shop/web").begins();
    story.outgrows("shop/web", 64, 90, 20).after_minutes(3.0).runs_out_of_memory("shop/web").after(10.0);
    story.approves(1).after_minutes(1.5);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (1, "awaiting_approval"), "{story}");
    // Started once more at their word, it fails in a freeze: a higher limit is next, and nobody was asked about that.
    story.approves(1).after(10.0).freezes().after_minutes(2.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (2, "frozen"), "{story}");
    story.approves(1).after(1.0).says("ann", model::command::Ask::Thaw).after_minutes(2.0);
    assert_eq!((story.limit_of("shop/web"), story.phase("shop/web")), (64, "awaiting_approval"), "{story}");
    assert!(story.to_string().contains("has no plan that waits for your word"), "{story}");
    story.approves(1).after_minutes(5.0);
    assert_eq!(story.limit_of("shop/web"), 96, "{story}");
}

#[test]
fn a_higher_limit_that_does_not_help_is_taken_back_and_a_person_is_told() {
    let mut story = two_starts_did_not_help(1_000);
    story.approves(1).after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.limit_of("shop/web")), (3, 64), "{story}");
    let told = escalation(&story).unwrap_or_default();
    assert!(told.contains("has failed to help here"), "{told}\n{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_limit_that_the_engine_does_not_set_leaves_all_as_it_was() {
    let mut story = two_starts_did_not_help(90);
    story.refuses("shop/web", SETS, "the engine answered 500: no").approves(1).after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.limit_of("shop/web")), (2, 64), "{story}");
    assert_eq!(story.ordered(SETS, "shop/web").len(), 1, "nothing is to be taken back:\n{story}");
    assert!(escalation(&story).is_some_and(|told| told.contains("the engine answered 500: no")), "{story}");
}

#[test]
fn a_start_that_fails_after_the_limit_was_raised_takes_that_back() {
    let mut story = two_starts_did_not_help(90);
    story.cannot_start("shop/web", "port is already allocated").approves(1).after_minutes(5.0);
    assert_eq!((story.ordered(SETS, "shop/web").len(), story.limit_of("shop/web")), (2, 64), "{story}");
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
}

#[test]
fn what_cannot_be_taken_back_halts_and_is_told() {
    let mut story = two_starts_did_not_help(1_000);
    story.approves(1).after(10.0).refuses("shop/web", SETS, "the engine answered 500: no").after_minutes(5.0);
    assert_eq!(escalation(&story), Some(Escalation::UndoFailed.to_string()), "{story}");
    let incident = &story.engine().state().incidents[&1];
    assert!(incident.halted, "{story}");
    assert_eq!(incident.to_take_back.len(), 1, "it stays on record:\n{story}");
}

#[test]
fn a_process_that_dies_at_any_moment_of_a_plan_repeats_no_step_and_forgets_none() {
    // Before the act, between act and answer, between the steps, amid the verification.
    for ms in (0..1_500).step_by(50) {
        let mut story = two_starts_did_not_help(90);
        story.approves(1).after(f64::from(ms) / 1_000.0).is_killed().after(2.0).process_starts().connects();
        story.after_minutes(1.0);
        // What had not begun is asked again.
        if story.phase("shop/web") == "awaiting_approval" {
            story.approves(1);
        }
        story.after_minutes(5.0);
        assert_eq!(story.limit_of("shop/web"), 96, "killed after {ms} ms:\n{story}");
        assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "killed after {ms} ms:\n{story}");
        assert!(story.starts("shop/web") <= 4, "killed after {ms} ms:\n{story}");
    }
}

#[test]
fn a_process_that_dies_while_something_is_taken_back_takes_it_back() {
    for ms in (20_350..23_000).step_by(50) {
        let mut story = two_starts_did_not_help(1_000);
        story.approves(1).after(f64::from(ms) / 1_000.0).is_killed().after(2.0).process_starts().connects();
        story.after_minutes(5.0);
        assert_eq!(story.limit_of("shop/web"), 64, "killed after {ms} ms:\n{story}");
        assert_eq!(story.phase("shop/web"), "escalated", "killed after {ms} ms:\n{story}");
    }
}

#[test]
fn what_is_frozen_between_two_steps_is_gone_on_with_after_the_thaw() {
    let mut story = two_starts_did_not_help(90);
    story.approves(1).after(0.004).freezes().after_minutes(2.0);
    assert_eq!(story.held_for("shop/web"), "frozen", "{story}");
    assert_eq!((story.starts("shop/web"), story.limit_of("shop/web")), (2, 96), "what was done stays:\n{story}");
    story.says("ann", model::command::Ask::Thaw).after_minutes(5.0);
    assert_eq!(story.ordered(SETS, "shop/web").len(), 1, "it is gone on with:\n{story}");
    assert_eq!(story.limit_of("shop/web"), 96, "it is not raised twice:\n{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

#[test]
fn an_owner_who_stops_it_between_two_steps_is_obeyed() {
    let mut story = two_starts_did_not_help(90);
    story.approves(1).after(0.004).says("ann", model::command::Ask::Stop("shop/web".to_owned())).after_minutes(3.0);
    assert_eq!(story.starts("shop/web"), 2, "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::StoppedByOwner), "{story}");
}

#[test]
fn what_has_no_limit_is_not_given_one() {
    let mut story = Story::of(&["shop/web"]);
    story.outgrows("shop/web", 0, 90, 20).after_minutes(3.0).runs_out_of_memory("shop/web").after_minutes(10.0);
    assert_eq!(story.ordered(SETS, "shop/web").len(), 0, "{story}");
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (3, "escalated"), "{story}");
}

/// web, which was down when its two networks were removed: two are made, it is attached to both, and started.
fn without_networks() -> Story {
    let mut story = Story::of(&["shop/web"]);
    story.after_minutes(3.0);
    story
}

#[test]
fn what_lost_its_networks_gets_them_back_as_they_were_and_is_started() {
    let mut story = without_networks();
    story.loses_networks("shop/web", &["proxy", "backend"], true).after_minutes(5.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    assert_eq!((story.ordered(CREATES, "shop/web").len(), story.ordered(JOINS, "shop/web").len()), (2, 2), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn what_loses_another_network_while_the_first_is_made_gets_both_back_with_the_next_plan() {
    let mut story = without_networks();
    story.loses_networks("shop/web", &["proxy"], true).after(0.06);
    while story.ordered(CREATES, "shop/web").is_empty() {
        story.after(0.005);
    }
    story.loses_another_network("shop/web", "backend").after_minutes(5.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    assert_eq!((story.ordered(CREATES, "shop/web").len(), story.ordered(REMOVES, "shop/web").len()), (3, 1), "{story}");
}

#[test]
fn a_network_that_somebody_made_anew_is_joined_and_not_made() {
    let mut story = without_networks();
    story.loses_networks("shop/web", &["proxy"], false).networks_are_made_anew("shop/web").after_minutes(5.0);
    assert_eq!((story.ordered(CREATES, "shop/web").len(), story.ordered(JOINS, "shop/web").len()), (0, 1), "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

#[test]
fn a_network_that_healer_never_saw_is_a_persons_to_make() {
    let mut story = without_networks();
    story.loses_networks("shop/web", &["proxy"], false).after_minutes(5.0);
    let (made, started) = (story.ordered(CREATES, "shop/web").len(), story.starts("shop/web"));
    assert!(made == 0 && started <= 1, "{story}");
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
}

#[test]
fn each_step_that_fails_in_turn_leaves_all_as_it_was_before() {
    // Of five steps: two networks are made, two are joined, and the start.
    let table = [(CREATES, 0), (JOINS, 2), (Action::Start, 2)];
    for (fails, removed) in table {
        let mut story = without_networks();
        if fails == Action::Start {
            story.cannot_start("shop/web", "port is already allocated");
        } else {
            story.refuses("shop/web", fails, "the engine answered 500: no");
        }
        story.loses_networks("shop/web", &["proxy", "backend"], true).after_minutes(5.0);
        assert_eq!(story.ordered(REMOVES, "shop/web").len(), removed, "{fails} fails:\n{story}");
        let mut lost = story.lost("shop/web");
        lost.sort();
        assert_eq!(lost, ["backend", "proxy"], "{fails} fails:\n{story}");
        assert_eq!(story.phase("shop/web"), "escalated", "{fails} fails:\n{story}");
    }
}

#[test]
fn a_second_step_that_fails_takes_back_the_first() {
    let mut story = without_networks();
    story.loses_networks("shop/web", &["proxy", "backend"], true).after(0.06);
    while story.ordered(CREATES, "shop/web").len() < 2 {
        story.after(0.005);
    }
    story.refuses("shop/web", JOINS, "the engine answered 500: no").after_minutes(5.0);
    assert_eq!(story.ordered(REMOVES, "shop/web").len(), 2, "{story}");
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
}

#[test]
fn a_process_that_dies_at_any_moment_of_five_steps_ends_with_it_running() {
    for ms in (0..600).step_by(5) {
        let mut story = without_networks();
        story.loses_networks("shop/web", &["proxy", "backend"], true).after(f64::from(ms) / 1_000.0).is_killed();
        story.after(2.0).process_starts().connects().after_minutes(10.0);
        // A process that comes later knows nothing of how the networks were made that it never saw.
        let known = story.wanted("shop/web") == Some(model::intent::Wanted::Running);
        assert!(story.is_running("shop/web") || !known, "killed after {ms} ms:\n{story}");
    }
}
