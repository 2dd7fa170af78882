//! A host, or its engine, that comes back: what should run is brought back in order, once, and told once.

use model::action::Action;
use model::command::Ask;
use model::fact::{Condition, Health, RestartPolicy};
use model::intent::Wanted;
use model::message::{Kind, Severity};

use crate::story::{Story, named, needs};

/// db (checked) ← migrate (a job) ← api ← web; wiki stands alone; shop/old was stopped by hand.
fn shop() -> Story {
    let mut story = Story::new();
    story.runs("shop/db").has_check("shop/db");
    story.runs_as("shop/migrate", |d| d.depends_on = vec![needs("db", Condition::Healthy)]).is_down("shop/migrate", 0);
    story.runs_as("shop/api", |d| {
        d.depends_on = vec![needs("db", Condition::Healthy), needs("migrate", Condition::CompletedSuccessfully)];
    });
    story.runs_as("shop/web", |d| d.depends_on = vec![needs("api", Condition::Started)]);
    story.runs("wiki/wiki").runs("shop/old");
    story.reads_flag = true;
    story.tells_its_start().begins();
    story.after(60.0).docker_stop("shop/old").after(60.0);
    story
}

#[test]
fn after_a_host_restart_all_that_should_run_is_started_in_order_and_told_once() {
    let mut story = shop();
    story.host_restarts(0).begins().after(5.0);
    assert_eq!((story.starts("shop/db"), story.starts("shop/api")), (1, 0), "{story}");
    assert_eq!(story.held_for("shop/api"), "waits_for", "{story}");
    story.turns("shop/db", Health::Healthy).after_minutes(20.0);
    let at = |name: &str, story: &mut Story| story.started_at(name).unwrap_or_else(|| panic!("{name}:\n{story}"));
    let order = ["shop/db", "shop/api", "shop/web"].map(|name| at(name, &mut story));
    assert!(order.is_sorted(), "{order:?}:\n{story}");
    assert!(story.is_running("wiki/wiki"));
    assert_eq!([story.starts("shop/old"), story.starts("shop/migrate")], [0, 0], "{story}");
    assert_eq!(story.told(), [Kind::Recovered], "{story}");
    let message = &story.messages()[0];
    assert_eq!(message.title, "recovered 2 deployments after host restart; left 1 stopped on purpose");
    assert_eq!(message.severity, Severity::Info);
    insta::assert_snapshot!(story);
}

#[test]
fn what_cannot_be_brought_back_is_named_and_what_needs_it_waits_for_it() {
    let mut story = shop();
    story.cannot_start("shop/db", "driver failed: port is already allocated");
    story.host_restarts(143).begins().after_minutes(20.0);
    assert_eq!([story.starts("shop/api"), story.starts("shop/web")], [0, 0], "{story}");
    assert_eq!(story.told(), [Kind::Recovered], "{story}");
    let message = &story.messages()[0];
    assert_eq!(message.severity, Severity::Critical);
    assert_eq!(
        message.title,
        "recovered 1 deployment after host restart; left 1 stopped on purpose; 3 services failed"
    );
    let failed: Vec<_> = message.story.iter().filter(|line| line.starts_with("failed: ")).collect();
    assert_eq!(
        failed,
        [
            "failed: shop/api: it needs shop/db, which does not run",
            "failed: shop/db: it could not be started; start failed: driver failed: port is already allocated",
            "failed: shop/web: it needs shop/api, which does not run",
        ]
    );
    // Once a person has mended it, the others follow in their turn.
    story.can_start("shop/db").says("ann", Ask::Start("shop/db".to_owned())).after(1.0);
    assert_eq!(story.starts("shop/api"), 0, "it is not healthy yet:\n{story}");
    story.turns("shop/db", Health::Healthy).after(10.0);
    assert_eq!([story.starts("shop/api"), story.starts("shop/web")], [1, 1], "{story}");
}

#[test]
fn a_service_whose_dependency_was_stopped_on_purpose_does_not_wait_for_it() {
    let mut story = Story::new();
    story.runs("shop/db").runs_as("shop/web", |d| d.depends_on = vec![needs("db", Condition::Started)]);
    story.reads_flag = true;
    story.tells_its_start().begins();
    story.after(60.0).docker_stop("shop/db").after(60.0);
    story.host_restarts(143).begins().after(10.0);
    assert_eq!([story.starts("shop/db"), story.starts("shop/web")], [0, 1], "{story}");
}

#[test]
fn what_the_engine_brings_back_by_itself_is_only_verified_and_told() {
    let mut story = Story::new();
    let unless_stopped = |d: &mut model::fact::Definition| d.restart_policy = RestartPolicy::UnlessStopped;
    story.runs_as("shop/web", unless_stopped).runs_as("wiki/wiki", unless_stopped);
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.host_restarts(143).begins().after(10.0);
    assert_eq!([story.starts("shop/web"), story.starts("wiki/wiki")], [0, 0], "{story}");
    let titles: Vec<_> = story.messages().iter().map(|message| message.title.as_str()).collect();
    assert_eq!(titles, ["recovered 2 deployments after host restart"], "{story}");
}

#[test]
fn an_engine_that_restarts_under_running_containers_is_no_news() {
    let mut story = shop();
    story.stream_breaks().unreachable().after(20.0);
    story.engine_restarts().connects().after_minutes(20.0);
    assert_eq!((story.told(), story.count("recovery_ended")), (vec![], 1), "{story}");
    assert_eq!(story.starts("shop/db"), 0, "{story}");
}

#[test]
fn a_whole_host_comes_back_although_its_budget_is_smaller_and_the_budget_is_still_whole_after() {
    let mut story = Story::new();
    let names: Vec<String> = (0..30).map(|number| format!("app{}/svc{number}", number % 3)).collect();
    for name in &names {
        story.runs(name);
    }
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.host_restarts(143).begins().after(60.0);
    assert!(names.iter().all(|name| story.is_running(name)), "{story}");
    assert!(names.iter().all(|name| story.starts(name) == 1), "{story}");
    story.after_minutes(3.0).crashes("app0/svc0", 1).after(30.0);
    assert_eq!(story.starts("app0/svc0"), 2, "the budget of its deployment was not touched:\n{story}");
}

#[test]
fn the_third_restart_within_half_an_hour_is_within_the_budgets() {
    let mut story = Story::new();
    let names: Vec<String> = (0..30).map(|number| format!("app/svc{number}")).collect();
    for name in &names {
        story.runs(name);
    }
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    for _ in 0..2 {
        story.host_restarts(143).begins().after_minutes(4.0);
    }
    assert!(names.iter().all(|name| story.is_running(name)), "{story}");
    story.host_restarts(143).begins().after_minutes(4.0);
    let third = names.iter().filter(|name| story.starts(name) == 3).count();
    assert_eq!(third, 6, "as many as the budget of the deployment has room for:\n{story}");
}

#[test]
fn healer_that_is_killed_on_the_way_goes_on_where_it_was() {
    let mut story = shop();
    story.host_restarts(143).begins().after(1.0).is_killed().after(1.0);
    story.begins().after(2.5).is_killed().after(1.0).begins();
    story.after(3.0).turns("shop/db", Health::Healthy).after(0.1).is_killed().begins().after_minutes(20.0);
    for name in ["shop/db", "shop/api", "shop/web", "wiki/wiki"] {
        assert!(story.is_running(name), "{name}:\n{story}");
        assert_eq!(story.starts(name), 1, "{name}:\n{story}");
    }
    assert_eq!((story.told(), story.count("recovery_began")), (vec![Kind::Recovered], 1), "{story}");
}

#[test]
fn a_stop_in_the_middle_of_it_is_respected() {
    let mut story = shop();
    story.host_restarts(143).begins().after(5.0);
    story.says("ann", Ask::Stop("shop/web".to_owned())).after(1.0);
    story.turns("shop/db", Health::Healthy).after_minutes(20.0);
    assert_eq!((story.starts("shop/web"), story.wanted("shop/web")), (0, Some(Wanted::Stopped)), "{story}");
    let titles: Vec<_> = story.messages().iter().map(|message| message.title.as_str()).collect();
    assert_eq!(titles, ["recovered 2 deployments after host restart; left 2 stopped on purpose"], "{story}");
}

#[test]
fn a_job_that_the_restart_interrupted_is_for_a_person_and_what_awaits_it_waits() {
    let mut story = Story::new();
    story.runs("shop/migrate").runs_as("shop/api", |d| {
        d.depends_on = vec![needs("migrate", Condition::CompletedSuccessfully)];
    });
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.host_restarts(143).begins().after_minutes(5.0);
    assert_eq!([story.starts("shop/migrate"), story.starts("shop/api")], [0, 0], "{story}");
    assert_eq!(story.told(), [Kind::Recovered], "{story}");
    assert_eq!(story.messages()[0].severity, Severity::Critical, "{story}");
}

#[test]
fn labels_that_make_a_circle_hold_nobody_up() {
    let mut story = Story::new();
    for (name, other) in [("a/one", "two"), ("a/two", "three"), ("a/three", "one")] {
        story.runs_as(name, |d| d.depends_on = vec![needs(other, Condition::Started)]);
    }
    story.runs_as("a/last", |d| d.depends_on = vec![needs("one", Condition::Started)]);
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.host_restarts(143).begins().after(10.0);
    for name in ["a/one", "a/two", "a/three", "a/last"] {
        assert_eq!(story.starts(name), 1, "{name}:\n{story}");
    }
    assert!(story.ordered(Action::Start, "a/last") > story.ordered(Action::Start, "a/one"), "{story}");
}

#[test]
fn what_shares_a_network_is_started_after_its_parent() {
    let mut story = Story::new();
    story.runs("vpn/gate").runs_as("vpn/leech", |d| d.network_parent = Some(named("vpn/gate")));
    story.runs_as("vpn/aaa", |d| d.network_parent = Some(named("vpn/gate")));
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.host_restarts(143).begins().after(10.0);
    for name in ["vpn/leech", "vpn/aaa"] {
        assert!(story.started_at(name) > story.started_at("vpn/gate"), "{name}:\n{story}");
    }
}

#[test]
fn in_observe_mode_nothing_is_started_and_the_message_says_so() {
    let mut story = Story::new();
    story.runs("shop/web");
    story.settings.mode = model::settings::Mode::Observe;
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.host_restarts(143).begins().after(30.0);
    let titles: Vec<_> = story.messages().iter().map(|message| message.title.as_str()).collect();
    let expect = "recovered 0 deployments after host restart; shop/web failed: the mode is observe";
    assert_eq!((story.starts("shop/web"), titles), (0, vec![expect]), "{story}");
}
