//! What people ask of healer: stop, start, restart, freeze, approve, reject.

use model::action::{Action, Change};
use model::command::Ask;
use model::fact::{Belongs, Condition, Health};
use model::incident::Outcome;
use model::intent::Wanted;
use model::message::Kind;
use model::settings::{Exclusion, Mode, Policy};

use crate::story::{Story, needs};

/// db ← web ← proxy.
fn shop() -> Story {
    let mut story = Story::new();
    story.runs("shop/db");
    story.runs_as("shop/web", |d| d.depends_on = vec![needs("db", Condition::Started)]);
    story.runs_as("shop/proxy", |d| d.depends_on = vec![needs("web", Condition::Started)]);
    story.begins();
    story
}

fn stop(words: &str) -> Ask {
    Ask::Stop(words.to_owned())
}

fn start(words: &str) -> Ask {
    Ask::Start(words.to_owned())
}

#[test]
fn a_deployment_is_stopped_from_the_outside_in_and_started_from_the_inside_out() {
    let mut story = shop();
    story.after(1.0).says("ann", stop("shop")).after(10.0);
    let at = |story: &Story, action| ["shop/proxy", "shop/web", "shop/db"].map(|name| story.ordered(action, name)[0]);
    let [proxy, web, db] = at(&story, Action::Stop);
    assert!(proxy < web && web < db, "{story}");
    story.after_minutes(30.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
    story.says("ann", start("shop")).after(10.0);
    let [proxy, web, db] = at(&story, Action::Start);
    assert!(db < web && web < proxy, "{story}");
    assert_eq!(story.wanted("shop/db"), Some(Wanted::Running), "{story}");
    assert_eq!((story.count("incident_opened"), story.told().len()), (0, 0), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn services_that_claim_to_need_each_other_are_stopped_and_started_all_the_same() {
    // Anybody may write labels: a circle must not keep a person waiting for ever.
    let mut story = Story::new();
    story.runs_as("shop/a", |d| d.depends_on = vec![needs("b", Condition::Started)]);
    story.runs_as("shop/b", |d| d.depends_on = vec![needs("a", Condition::Started)]);
    story.runs_as("shop/self", |d| d.depends_on = vec![needs("self", Condition::Started)]);
    story.begins();
    story.says("ann", stop("shop")).after(60.0);
    for name in ["shop/a", "shop/b", "shop/self"] {
        assert!(!story.is_running(name), "{name}:\n{story}");
    }
    story.says("ann", start("shop")).after(60.0);
    for name in ["shop/a", "shop/b", "shop/self"] {
        assert!(story.is_running(name), "{name}:\n{story}");
    }
}

#[test]
fn a_restart_is_a_stop_and_a_start() {
    let mut story = shop();
    story.after(1.0).says("ann", Ask::Restart("shop/web".to_owned())).after(60.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "{story}");
    assert_eq!((story.stops("shop/db"), story.wanted("shop/web")), (0, Some(Wanted::Running)), "{story}");
    assert_eq!((story.count("incident_opened"), story.told().len()), (0, 0), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_whole_deployment_is_restarted_though_its_services_need_each_other() {
    let mut story = shop();
    story.after(1.0).says("ann", Ask::Restart("shop".to_owned())).after(60.0);
    for name in ["shop/db", "shop/web", "shop/proxy"] {
        assert_eq!((story.stops(name), story.starts(name)), (1, 1), "{name}:\n{story}");
        assert!(story.is_running(name), "{name}:\n{story}");
    }
}

/// job ← web, and a worker; the job is done.
fn shop_with_a_job() -> Story {
    let mut story = Story::new();
    story.runs("shop/job");
    story.runs_as("shop/web", |d| d.depends_on = vec![needs("job", Condition::CompletedSuccessfully)]);
    story.runs("shop/worker");
    story.begins().crashes("shop/job", 0).after(10.0);
    story
}

#[test]
fn a_restart_of_a_deployment_leaves_what_was_stopped_on_purpose_and_a_job_that_is_done() {
    let mut story = shop_with_a_job();
    story.says("ann", stop("shop/worker")).after(10.0).says("bob", Ask::Restart("shop".to_owned())).after(60.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "{story}");
    assert_eq!((story.starts("shop/worker"), story.starts("shop/job")), (0, 0), "{story}");
    assert_eq!(story.wanted("shop/worker"), Some(Wanted::Stopped), "{story}");
    let told = story.to_string();
    assert!(told.contains("→ answer: left as it is: stopped on purpose by ann: name it to start it"), "{story}");
    assert!(told.contains("→ answer: left as it is: a job that is done"), "{story}");

    // Its name is a word for it.
    story.says("bob", Ask::Restart("shop/worker".to_owned())).says("bob", Ask::Restart("shop/job".to_owned()));
    story.after(60.0);
    assert_eq!((story.starts("shop/worker"), story.starts("shop/job")), (1, 1), "{story}");
}

#[test]
fn a_start_of_a_deployment_starts_what_was_stopped_and_runs_no_job_again() {
    let mut story = shop_with_a_job();
    story.says("ann", stop("shop")).after(30.0).says("ann", start("shop")).after(60.0);
    assert_eq!((story.starts("shop/web"), story.starts("shop/worker"), story.starts("shop/job")), (1, 1, 0), "{story}");
    story.says("ann", start("shop/job")).after(60.0);
    assert_eq!(story.starts("shop/job"), 1, "{story}");
}

#[test]
fn what_ended_with_0_when_it_was_stopped_is_started_with_its_deployment() {
    let mut story = Story::new();
    story.runs("shop/web").is_down("shop/web", 0).runs("shop/worker").begins();
    story.says("ann", start("shop")).after(60.0);
    assert_eq!(story.starts("shop/web"), 1, "nobody knows that it is a job:\n{story}");
}

#[test]
fn a_restart_of_what_is_stopped_on_purpose_altogether_is_taken_and_does_nothing() {
    let mut story = shop();
    story.says("ann", stop("shop")).after(30.0);
    let changes = story.count("intent_changed");
    story.says("bob", Ask::Restart("shop".to_owned())).after(60.0);
    assert_eq!((story.starts("shop/web"), story.count("intent_changed")), (0, changes), "{story}");
    assert_eq!(story.count("command_taken"), 2, "{story}");
    assert!(!story.to_string().contains("(not taken)"), "{story}");
}

#[test]
fn what_healer_never_touches_is_not_adopted() {
    let mut story = Story::new();
    story.settings.exclude.push(Exclusion::Deployment("backup".to_owned()));
    story.runs("backup/dump");
    story.runs_as("shop/run", |d| d.belongs = Belongs::OneOff);
    story.runs_as("shop/rm", |d| d.removed_at_end = true);
    story.runs_as("task", |d| d.belongs = Belongs::Owned("Swarm".to_owned()));
    story.runs_as("healer", |d| d.healers_own = Some("healer's own container".to_owned()));
    story.runs_as("nginx", |d| d.belongs = Belongs::Unclaimed);
    story.begins();
    let changes = story.count("intent_changed");
    for words in ["backup/dump", "shop", "shop/run", "shop/rm", "task", "healer"] {
        story.says("ann", Ask::Adopt(words.to_owned())).after(1.0);
        let last = story.transcript.last().unwrap();
        assert!(last.contains("→ answer (not taken): refused: "), "{words}:\n{story}");
    }
    assert_eq!((story.count("command_taken"), story.count("intent_changed")), (0, changes), "{story}");
    story.says("ann", Ask::Adopt("nginx".to_owned())).after(1.0);
    assert!(story.transcript.last().unwrap().contains("→ answer: adopted: it shall be running"), "{story}");

    story.runs("shop/web").relists().after(1.0);
    story.says("ann", Ask::Adopt("shop".to_owned())).after(1.0);
    let told = story.to_string();
    assert!(told.contains("shop/web   → answer: adopted: it shall be running"), "{story}");
    assert!(told.contains("shop/run   → answer: refused: it is a one-off run of a service"), "{story}");
}

#[test]
fn what_healer_itself_holds_down_for_a_moment_is_adopted_as_running() {
    let mut story = Story::new();
    story.runs("shop/web").has_check("shop/web").begins().after(1.0);
    story.turns("shop/web", Health::Unhealthy);
    while story.is_running("shop/web") {
        story.after(0.01);
    }
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 0), "{story}");
    story.says("ann", Ask::Adopt("shop/web".to_owned())).after(5.0);
    story.turns("shop/web", Health::Healthy).after(300.0);
    assert!(story.to_string().contains("adopted: it shall be running"), "{story}");
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!(story.phase("shop/web"), "resolved", "{story}");
}

#[test]
fn a_stop_that_was_not_carried_out_is_not_taken_for_done_because_nothing_is_seen() {
    let mut story = shop();
    story.hands_work = false;
    story.after(1.0).says("ann", stop("shop/web")).after(0.1);
    assert_eq!(story.stops("shop/web"), 1, "{story}");
    // It dies with its order, and finds the engine away when it is back.
    story.hands_work = true;
    story.is_killed().process_starts().unreachable().after(120.0);
    story.connects().after(60.0);
    assert!(!story.is_running("shop/web"), "{story}");
}

#[test]
fn the_same_command_handled_twice_acts_once() {
    let mut story = shop();
    let command = model::command::Command {
        id: model::command::CommandId("same".to_owned()),
        who: "ann".to_owned(),
        ask: Ask::Restart("shop/web".to_owned()),
    };
    story.feed(model::input::Input::Commanded(command.clone())).after(60.0);
    story.feed(model::input::Input::Commanded(command)).after(60.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (1, 1), "{story}");
    assert_eq!(story.to_string().matches("→ answer: started").count(), 2, "and is answered as it was:\n{story}");
}

#[test]
fn a_command_that_meets_a_repair_is_queued_and_follows() {
    let mut story = shop();
    story.after(1.0).crashes("shop/web", 3).after(0.1);
    story.says("ann", Ask::Restart("shop/web".to_owned())).after(200.0);
    assert!(story.to_string().contains("→ answer: queued"), "{story}");
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!(story.phase("shop/web"), "resolved", "{story}");
    // It follows the step at hand, and does not wait for the stability window.
    assert!(story.ordered(Action::Start, "shop/web")[1] < 5.0, "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_person_who_mends_it_is_told_so() {
    let mut story = shop();
    story.will_end("shop/web", 500, 3, 3).crashes("shop/web", 3).after_minutes(5.0);
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
    story.says("ann", start("shop/web")).after_minutes(5.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::MendedByPerson), "{story}");
    assert_eq!(story.told().last(), Some(&Kind::Resolved));
}

#[test]
fn a_start_by_another_gives_a_fresh_budget_once_in_half_an_hour() {
    let mut story = Story::of(&["shop/web"]);
    story.will_end("shop/web", 500, 3, 99).crashes("shop/web", 3).after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (3, "escalated"), "{story}");
    story.docker_start("shop/web").after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.count("budget_refreshed")), (6, 1), "{story}");
    // Another healer that starts it too does not feed this one.
    story.docker_start("shop/web").after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.count("budget_refreshed")), (6, 1), "{story}");
    story.after_minutes(25.0).docker_start("shop/web").after_minutes(5.0);
    assert_eq!(story.count("budget_refreshed"), 2, "{story}");
    // A person's word to healer always does.
    story.says("ann", start("shop/web")).after(5.0).says("ann", start("shop/web")).after(5.0);
    assert_eq!(story.count("budget_refreshed"), 4, "{story}");
}

#[test]
fn what_is_made_of_something_else_has_a_fresh_budget() {
    let mut story = Story::of(&["shop/web"]);
    story.will_end("shop/web", 500, 3, 99).crashes("shop/web", 3).after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (3, "escalated"), "{story}");
    story.recreated("shop/web", |d| d.image_id = "sha256:2".to_owned()).relists().after_minutes(5.0);
    assert_eq!(story.count("budget_refreshed"), 1, "{story}");
    assert_eq!(story.phase("shop/web"), "resolved", "{story}");
}

#[test]
fn a_mended_definition_has_a_fresh_budget_soon_after_somebodys_start_had_one() {
    let mut story = Story::new();
    story.settings.budgets.per_deployment.count = 60;
    story.runs("shop/web").begins();
    story.will_end("shop/web", 500, 3, 99).crashes("shop/web", 3).after_minutes(5.0);
    story.docker_start("shop/web").after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (6, "escalated"), "{story}");
    story
        .recreated("shop/web", |d| d.config_hash = "c2".to_owned())
        .relists()
        .after(1.0)
        .crashes("shop/web", 3)
        .after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (7, Some(Outcome::Healed)), "{story}");
}

#[test]
fn what_is_made_anew_every_minute_has_a_fresh_budget_once_in_a_stability_window() {
    let mut story = Story::of(&["shop/web"]);
    for n in 0..10 {
        story.recreated("shop/web", |d| d.config_hash = format!("c1{n}")).relists().after(1.0);
        story.crashes("shop/web", 3).after_minutes(1.0);
    }
    assert!(story.count("budget_refreshed") <= 6, "{story}");
}

#[test]
fn while_frozen_a_stop_passes_and_nothing_else_does() {
    let mut story = shop();
    story.says("ann", Ask::Freeze { because: "a deploy".to_owned() }).after(1.0);
    story.says("ann", stop("shop/web")).after(10.0);
    assert_eq!(story.stops("shop/web"), 1, "{story}");
    story.says("ann", start("shop/web")).says("bob", Ask::Restart("shop/db".to_owned())).after(60.0);
    assert_eq!((story.starts("shop/web"), story.stops("shop/db")), (0, 0), "{story}");
    // A refused command sets no intent.
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
    let says = "refused: frozen by ann (a deploy): `healer thaw` ends that";
    assert!(story.to_string().contains(says), "{story}");
    story.says("ann", Ask::Thaw).after(60.0);
    assert_eq!((story.starts("shop/web"), story.stops("shop/db")), (0, 0), "{story}");
}

#[test]
fn a_freeze_does_not_leave_a_persons_restart_half_done() {
    let mut story = Story::new();
    story.runs("shop/web").ignores_term("shop/web").begins();
    story.says("ann", Ask::Restart("shop/web".to_owned())).after(3.0).freezes().after(60.0);
    assert!(story.is_running("shop/web"), "{story}");
}

#[test]
fn a_stop_of_what_is_being_restarted_on_a_persons_word_wins() {
    let mut story = Story::new();
    story.runs("shop/web").ignores_term("shop/web").begins();
    story.says("ann", Ask::Restart("shop/web".to_owned())).after(3.0);
    story.says("bob", stop("shop/web")).after(60.0);
    assert!(!story.is_running("shop/web"), "{story}");
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
}

#[test]
fn a_look_on_its_way_does_not_take_a_persons_stop_back() {
    let mut story = Story::of(&["shop/web"]);
    story.ignores_term("shop/web").after(1.0).says("ann", stop("shop/web")).after(2.0);
    story.relists().after(2.0).relists().after(60.0).relists().after(1.0);
    assert_eq!((story.wanted("shop/web"), story.starts("shop/web")), (Some(Wanted::Stopped), 0), "{story}");
    assert!(!story.is_running("shop/web"), "{story}");
}

fn asks() -> Story {
    let mut story = Story::new();
    story.settings.mode = Mode::Suggest;
    story.runs("shop/web").begins();
    story.after(5.0).crashes("shop/web", 3).after(10.0);
    story
}

#[test]
fn in_mode_suggest_it_asks_and_one_approval_is_one_execution() {
    let mut story = asks();
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "awaiting_approval"), "{story}");
    story.will_end("shop/web", 500, 3, 9).approves(1).after(60.0);
    // It failed again: that is another question.
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (1, "awaiting_approval"), "{story}");
    assert_eq!(story.count("approval_asked"), 2, "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_rejection_keeps_its_reason_and_the_plan_is_not_proposed_again() {
    let mut story = asks();
    story.rejects(1, "not during the sale").after(60.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"), "{story}");
    assert!(story.to_string().contains("ann rejected the plan: not during the sale"), "{story}");
    story.relists().after_minutes(60.0);
    assert_eq!((story.starts("shop/web"), story.count("approval_asked")), (0, 1), "{story}");
}

#[test]
fn what_waits_for_a_person_suggests_the_service_action_that_says_the_same() {
    let suggested = |story: &Story| {
        let incident = engine::view::incidents(story.engine(), story.now()).remove(0);
        serde_json::to_value(incident.suggestions).unwrap()
    };
    let mut story = asks();
    let expect = serde_json::json!([{
        "kind": "service_action", "service": "web", "action": "start", "title": "Start web",
        "reason": "it crashed by an error of its own (exit 3)",
    }]);
    assert_eq!(suggested(&story), expect, "{story}");
    story.rejects(1, "not now").after(5.0);
    assert_eq!(suggested(&story), serde_json::json!([]), "what was rejected is not suggested again:\n{story}");
    let mut story = Story::new();
    story.settings.mode = Mode::Suggest;
    story.runs("shop/web").has_check("shop/web").begins();
    story.after(5.0).turns("shop/web", Health::Unhealthy).after(10.0);
    assert_eq!(suggested(&story)[0]["action"], "restart", "{story}");
}

#[test]
fn a_question_that_nobody_answers_expires_and_a_late_yes_to_the_same_plan_still_counts() {
    let mut story = asks();
    story.after_minutes(31.0);
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
    assert!(story.to_string().contains("nobody answered the request for approval in time"), "{story}");
    story.approves(1).after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
}

#[test]
fn a_yes_that_comes_after_the_end_is_too_late() {
    let mut story = asks();
    story.docker_start("shop/web").after(200.0);
    assert_eq!(story.phase("shop/web"), "resolved", "{story}");
    assert_eq!(story.count("approval_withdrawn"), 1, "{story}");
    story.approves(1).after(10.0);
    assert!(story.to_string().contains("too late: incident web-1/1 is over"), "{story}");
    assert_eq!(story.starts("shop/web"), 0);
}

#[test]
fn a_yes_lifts_policy_alone_and_a_freeze_still_holds() {
    let mut story = asks();
    story.freezes().after(1.0).approves(1).after(60.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "frozen"), "{story}");
    story.says("ann", Ask::Thaw).after(200.0);
    assert_eq!(story.starts("shop/web"), 1, "the yes is still good:\n{story}");
}

#[test]
fn a_policy_that_asks_is_asked_where_it_applies_alone() {
    let mut story = Story::new();
    let asks = Policy { deployment: Some("shop".to_owned()), auto_heal: false, ..Policy::built_in() };
    story.settings.policies.push(asks);
    story.runs("shop/web").runs("wiki/web").begins();
    story.crashes("shop/web", 3).crashes("wiki/web", 3).after(10.0);
    assert_eq!((story.starts("shop/web"), story.starts("wiki/web")), (0, 1), "{story}");
    assert_eq!(story.phase("shop/web"), "awaiting_approval");
}

#[test]
fn what_nobody_knows_is_answered_so() {
    let mut story = shop();
    story.says("ann", stop("shpo")).approves(77).after(1.0);
    assert!(story.to_string().contains("nothing that healer knows is called `shpo`"), "{story}");
    assert!(story.to_string().contains("there is no incident web-1/77"), "{story}");
    assert_eq!(story.count("command_taken"), 0);
}

#[test]
fn a_person_stops_what_is_ill() {
    let mut story = Story::new();
    story.runs("shop/web").has_check("shop/web").ignores_term("shop/web").begins();
    story.turns("shop/web", Health::Unhealthy).after(3.0).says("ann", stop("shop/web")).after(120.0);
    assert!(!story.is_running("shop/web"), "{story}");
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (0, Some(Outcome::StoppedByOwner)), "{story}");
}

#[test]
fn a_persons_order_that_may_never_have_been_heard_is_given_again() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).says("ann", Ask::Stop("shop/web".to_owned())).after(60.0);
    assert!(story.is_running("shop/web") && story.to_string().contains("is tried again"), "{story}");
    story.hands_work = true;
    story.after(60.0);
    assert!(!story.is_running("shop/web"), "{story}");
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
}

#[test]
fn an_order_is_not_given_again_for_ever() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).says("ann", Ask::Stop("shop/web".to_owned())).after_minutes(15.0);
    story.hands_work = true;
    story.after_minutes(30.0);
    assert!(story.is_running("shop/web"), "a word of long ago is not carried out out of the blue: {story}");
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Stopped), "{story}");
}

#[test]
fn a_restart_that_healer_left_half_done_is_finished_once_the_engine_is_there_again() {
    let mut story = Story::of(&["shop/web"]);
    story.hands_work = false;
    story.after(5.0).says("ann", Ask::Restart("shop/web".to_owned())).after(0.1);
    assert_eq!(story.stops("shop/web"), 1, "{story}");
    // The engine does as it was told; who told it is gone, and so is the engine when the next one comes.
    story.docker_stop("shop/web").is_killed().after(1.0).process_starts().unreachable().after(120.0);
    story.hands_work = true;
    story.connects().after(60.0);
    assert!(story.is_running("shop/web"), "{story}");
    assert_eq!(story.count("command_dequeued"), 0, "it is their order that is carried out:\n{story}");
    assert_eq!(story.wanted("shop/web"), Some(Wanted::Running), "{story}");
}

#[test]
fn what_is_paused_goes_on_at_a_persons_word_alone() {
    let mut story = shop();
    story.paused("shop/web").after_minutes(20.0);
    assert_eq!(story.ordered(Action::Change(Change::Unpause), "shop/web").len(), 0, "{story}");
    story.says("ann", Ask::Start("shop/web".to_owned())).after(5.0);
    assert_eq!(story.ordered(Action::Change(Change::Unpause), "shop/web").len(), 1, "{story}");
    assert!(story.is_running("shop/web") && story.to_string().contains("→ answer: it goes on"), "{story}");
    story.says("ann", Ask::Start("shop/web".to_owned())).after(5.0);
    assert!(story.to_string().contains("it runs already; it shall run"), "{story}");
}

#[test]
fn a_restart_with_what_needs_it_stops_the_last_first_and_starts_it_first() {
    let mut story = Story::new();
    story.runs("shop/db");
    for (name, needed) in [("shop/api", "db"), ("shop/web", "api"), ("shop/cron", "db")] {
        story.runs_as(name, |d| {
            d.depends_on = vec![needs(needed, Condition::Started)];
        });
    }
    story.runs("shop/other").begins().docker_stop("shop/cron").after(20.0);
    story.says("ann", Ask::RestartAll("shop/db".to_owned())).after(60.0);
    let at = |story: &Story, action, name| story.ordered(action, name).first().copied();
    let stops = ["shop/web", "shop/api", "shop/db"].map(|name| at(&story, Action::Stop, name).unwrap());
    let starts = ["shop/db", "shop/api", "shop/web"].map(|name| at(&story, Action::Start, name).unwrap());
    assert!(stops.is_sorted() && starts.is_sorted() && stops[2] < starts[0], "{story}");
    assert_eq!(at(&story, Action::Stop, "shop/other"), None, "{story}");
    assert_eq!((at(&story, Action::Start, "shop/cron"), story.is_running("shop/cron")), (None, false), "{story}");
    assert!(story.to_string().contains("left as it is: stopped on purpose by somebody at the engine"), "{story}");
    assert!(["shop/db", "shop/api", "shop/web"].iter().all(|name| story.is_running(name)), "{story}");
}

#[test]
fn a_freeze_amid_a_restart_of_several_leaves_down_nothing_that_was_taken_down() {
    let mut story = shop();
    story.ignores_term("shop/web").says("ann", Ask::RestartAll("shop/db".to_owned())).after(5.0);
    story.says("bob", Ask::Freeze { because: String::new() }).after(60.0);
    assert_eq!(story.stops("shop/db"), 0, "{story}");
    assert!(["shop/db", "shop/web", "shop/proxy"].iter().all(|name| story.is_running(name)), "{story}");
}

#[test]
fn what_nobody_named_and_healer_does_not_care_for_or_is_paused_is_left_as_it_is() {
    let mut story = Story::new();
    story.runs("shop/db");
    let on_db = |d: &mut model::fact::Definition| d.depends_on = vec![needs("db", Condition::Started)];
    story.runs_as("shop/web", on_db).runs_as("shop/api", on_db).runs_as("shop/migrate", |d| {
        on_db(d);
        d.belongs = Belongs::OneOff;
    });
    story.begins().paused("shop/api").after(5.0).says("ann", Ask::RestartAll("shop/db".to_owned())).after(60.0);
    let stops = ["shop/db", "shop/web", "shop/api", "shop/migrate"].map(|name| story.stops(name));
    assert_eq!(stops, [1, 1, 0, 0], "{story}");
}
