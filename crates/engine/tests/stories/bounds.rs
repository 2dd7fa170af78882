//! What must stay bounded, whatever happens: words in the journal, and the work that one batch makes.

use model::fact::{Health, RestartPolicy};
use model::incident::Outcome;
use model::message::Kind;
use model::settings::Mode;

use crate::story::Story;

#[test]
fn a_quiet_house_writes_nothing() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    let before = story.events().count();
    for _ in 0..100 {
        story.after_minutes(5.0).relists();
    }
    assert_eq!(story.events().count(), before, "{story}");
}

#[test]
fn without_room_in_reserve_nothing_is_taken_down_and_what_is_down_is_started() {
    let mut story = Story::new();
    story.runs("shop/web").has_check("shop/web").runs("shop/db").begins().reserve(false).after(5.0);
    story.turns("shop/web", Health::Unhealthy).crashes("shop/db", 3).after(200.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/db")), (0, 1), "{story}");
    story.reserve(true).after(30.0);
    assert_eq!(story.stops("shop/web"), 1, "{story}");
}

#[test]
fn what_is_held_for_days_does_not_fill_the_journal() {
    let mut story = Story::new();
    story.settings.mode = Mode::Observe;
    story.runs("shop/web").begins();
    story.crashes("shop/web", 3).after_minutes(24.0 * 60.0);
    let entries = story.events().count();
    assert!(entries < 500, "{entries} entries in a day of waiting");
}

#[test]
fn a_service_that_crashes_for_days_does_not_fill_the_journal() {
    let mut story = Story::of(&["shop/web"]);
    story.will_end("shop/web", 1_000, 3, u32::MAX).crashes("shop/web", 3).after_minutes(3.0 * 24.0 * 60.0);
    let entries = story.events().count();
    assert!(entries < 200, "{entries} entries:\n{story}");
}

#[test]
fn a_service_that_the_engine_restarts_for_days_is_told_once_and_escalated() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::Always).begins();
    for number in 0..3 * 24 * 60 {
        // Each end says something else, so that no two pieces of evidence are alike.
        story.is_restarting("shop/web", 1 + number % 100).after(0.1).relists().after(39.9);
        story.policy_starts("shop/web").after(0.1).relists().after(19.9);
        if number == 15 {
            assert_eq!(story.phase("shop/web"), "escalated", "{story}");
            assert_eq!(story.told(), [Kind::Opened, Kind::Escalated], "{story}");
        }
    }
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"));
    // The thread, the escalation, and a reminder a day.
    assert_eq!(story.told(), [Kind::Opened, Kind::Escalated, Kind::Escalated, Kind::Escalated]);
    let incident = story.engine().state().open_incidents().next().unwrap();
    assert!(incident.evidence.len() <= 40, "{} pieces of evidence", incident.evidence.len());
    // That it ended is written down each time, for the ledger of intents. Nothing else is.
    let (ends, entries) = (story.count("ended_unasked"), story.events().count());
    let mut kinds = std::collections::BTreeMap::new();
    story.events().for_each(|event| *kinds.entry(event.name()).or_insert(0) += 1);
    assert!(entries - ends < 200, "{kinds:?}");
}

#[test]
fn a_service_that_the_engine_restarts_every_three_minutes_is_not_told_each_time() {
    let mut story = Story::new();
    story.runs_as("shop/web", |d| d.restart_policy = RestartPolicy::Always).begins();
    for _ in 0..2 * 24 * 20 {
        story.is_restarting("shop/web", 1).after(0.1).relists().after(1.0);
        story.policy_starts("shop/web").after(0.1).relists().after(178.8);
    }
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"));
    assert_eq!(story.told(), [Kind::Opened, Kind::Escalated, Kind::Escalated], "a reminder a day");
    // It is over only when it has not come back for as long as what comes back is the same.
    for _ in 0..10 {
        story.after_minutes(5.0).relists();
    }
    assert_eq!(story.outcome("shop/web"), Some(Outcome::RecoveredAlone));
}

#[test]
fn ten_thousand_replaced_containers_leave_nothing_behind() {
    let mut story = Story::of(&["shop/web"]);
    let mut bytes = Vec::new();
    for number in 0..10_000 {
        let runner = format!("runner-{number}");
        story
            .docker_run(&runner)
            .recreated("shop/web", |d| d.config_hash = format!("c{number}"))
            .after(240.0)
            .removed(&runner);
        if number % 10 == 0 {
            story.relists();
            story.crashes("shop/web", 3).after(1.0);
        }
        if number % 1_000 == 999 {
            bytes.push(serde_json::to_vec(story.engine().state()).unwrap().len());
        }
    }
    assert_eq!(story.starts("shop/web"), 1_000);
    let (early, last) = (bytes[2], bytes[9]);
    assert!(last < early + early / 5 && last < 512 * 1_024, "bytes of the state, each 1,000 containers: {bytes:?}");
}

#[test]
fn what_many_wait_for_is_given_to_the_first_and_the_others_are_left_alone() {
    let names: Vec<String> = (0..40).map(|number| format!("app-{number}/web")).collect();
    let mut story = Story::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let wide = model::verdict::Limit { count: 1_000, window_ms: 600_000 };
    let mut settings = story.settings.clone();
    (settings.budgets.per_host, settings.budgets.everywhere) = (wide, wide);
    story.feed(model::input::Input::Configured(std::sync::Arc::new(settings))).after(1.0);
    for name in &names {
        story.crashes(name, 3);
    }
    story.after(300.0);
    assert!(names.iter().all(|name| story.outcome(name) == Some(Outcome::Healed)), "{story}");
    // Each is held by the storm, and then by its turn: nobody is asked again at each turn of the others.
    assert!(story.count("held") <= 3 * names.len(), "{} holds", story.count("held"));
}
