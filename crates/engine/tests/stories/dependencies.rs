//! Services that are refused by another one of their deployment: they wait for it, and no attempt is spent meanwhile.

use model::action::Action;
use model::command::Ask;
use model::complaint::Complaint;
use model::event::Event;
use model::fact::{Condition, Health};
use model::incident::Outcome;
use model::message::Kind;

use crate::story::{Story, needs};

fn refused_by(host: Option<&str>) -> Complaint {
    Complaint::ConnectionRefused { host: host.map(str::to_owned), port: Some(5432) }
}

/// db and web, which says by whom it is refused; Compose knows nothing of that.
fn shop() -> Story {
    let mut story = Story::of(&["shop/db", "shop/web"]);
    story.complains("shop/web", refused_by(Some("db"))).after(5.0);
    story
}

/// What was said to be the cause of a service's illness, in order.
fn causes(story: &Story, name: &str) -> Vec<String> {
    let of = crate::story::named(name);
    let state = story.engine().state();
    let is_of = |number: u64| state.incidents.get(&number).is_some_and(|incident| incident.resource == of);
    let cause = |event: &Event| {
        let Event::Diagnosed { id, diagnosis, .. } = event else { return None };
        is_of(id.number).then(|| diagnosis.cause.clone())
    };
    let mut causes: Vec<_> = story.events().filter_map(cause).collect();
    causes.dedup();
    causes
}

/// What was told of a service, in order.
fn told_of(story: &Story, name: &str) -> Vec<Kind> {
    let is_of = |about: &model::message::About| about.resource().is_some_and(|resource| resource.short() == name);
    story.messages().iter().filter(|message| is_of(&message.about)).map(|message| message.kind).collect()
}

#[test]
fn what_was_refused_is_started_once_after_the_one_that_refused_it_is_healed() {
    let mut story = shop();
    // The first start of db does not last; web would end at each start that meets no db.
    story.will_end("shop/db", 2_000, 3, 1).will_end("shop/web", 500, 1, 1);
    story.crashes("shop/db", 3).after(0.5).crashes("shop/web", 1).after(1.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "just_up"), "{story}");
    story.after(2.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "waits_for"), "{story}");
    story.will_end("shop/web", 500, 1, 0).after_minutes(5.0);
    assert_eq!((story.starts("shop/db"), story.starts("shop/web")), (2, 1), "{story}");
    let (db, web) = (story.ordered(Action::Start, "shop/db"), story.ordered(Action::Start, "shop/web"));
    assert!((10.0..12.0).contains(&(web[0] - db[1])), "not before it has held for a while:\n{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    assert!(story.to_string().contains("start allowed: attempt 1 of 3"), "{story}");
    assert_eq!(told_of(&story, "shop/web"), [Kind::Healed], "nobody is paged:\n{story}");
    assert_eq!(causes(&story, "shop/web"), ["dependency_down", "connection_refused"], "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn what_was_refused_by_what_needs_a_person_waits_and_is_told_after_that() {
    let mut story = shop();
    story.complains("shop/db", Complaint::VariableMissing { name: None }).will_end("shop/db", 500, 1, 9);
    story.crashes("shop/db", 1).after(1.0).crashes("shop/web", 1).after_minutes(9.5);
    assert_eq!((story.phase("shop/db"), told_of(&story, "shop/web")), ("escalated", vec![]), "{story}");
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "waits_for"), "{story}");
    story.after_minutes(1.0);
    assert_eq!(told_of(&story, "shop/web"), [Kind::Opened], "{story}");
    let title = &story.messages().last().unwrap().title;
    assert_eq!(title, "shop/web: it was refused by shop/db, which is down — held: waits for shop/db to be started");
    story.after_minutes(60.0);
    assert_eq!((story.starts("shop/web"), told_of(&story, "shop/web").len()), (0, 1), "{story}");
    // A person mends db: then web follows by itself.
    story.will_end("shop/db", 500, 1, 0).docker_start("shop/db").after(30.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (1, "verifying"), "{story}");
}

#[test]
fn what_was_refused_by_what_was_stopped_on_purpose_is_a_persons_once() {
    let mut story = shop();
    story.docker_stop("shop/db").after(2.0).crashes("shop/web", 1).after_minutes(30.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"), "{story}");
    assert_eq!(story.told(), [Kind::Escalated], "{story}");
    let title = &story.messages()[0].title;
    assert!(title.starts_with("shop/web: it was refused by shop/db, which was stopped on purpose"), "{title}");
    // Who starts db again wants web to have it.
    story.docker_start("shop/db").after(5.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "just_up"), "{story}");
    story.after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (1, "resolved"), "{story}");
    assert_eq!(story.told(), [Kind::Escalated, Kind::Resolved], "{story}");
}

#[test]
fn who_stops_what_another_waits_for_is_told_of_that_one() {
    let mut story = shop();
    story.cannot_start("shop/db", "port is already allocated");
    story.crashes("shop/db", 1).after(1.0).crashes("shop/web", 1).after_minutes(1.0);
    assert_eq!(story.held_for("shop/web"), "waits_for", "{story}");
    story.says("ann", Ask::Stop("shop/db".to_owned())).after(5.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"), "{story}");
}

#[test]
fn what_was_refused_by_what_is_well_is_started_at_once() {
    let mut story = shop();
    story.crashes("shop/web", 1).after(1.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
    assert_eq!(causes(&story, "shop/web"), ["crash", "connection_refused"], "its log comes later:\n{story}");
    // So is one that was refused by a host that is none of its deployment's, whoever else is down.
    for host in ["mail.example.org", "127.0.0.1", "web"] {
        let mut story = shop();
        story.complains("shop/web", refused_by(Some(host))).cannot_start("shop/db", "no such device");
        story.crashes("shop/db", 3).after(1.0).crashes("shop/web", 1).after(1.0);
        assert_eq!(story.starts("shop/web"), 1, "{host}:\n{story}");
    }
}

#[test]
fn a_complaint_may_name_the_container_and_need_not_say_the_name_as_it_is_written() {
    for host in ["shop_db", "DB", "db."] {
        let mut story = shop();
        story.complains("shop/web", Complaint::NameUnknown { host: Some(host.to_owned()) });
        story
            .cannot_start("shop/db", "no such device")
            .crashes("shop/db", 3)
            .after(1.0)
            .crashes("shop/web", 1)
            .after(1.0);
        assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "waits_for"), "{host}:\n{story}");
        assert!(story.to_string().contains("it finds no address for shop/db, which is down"), "{story}");
    }
}

#[test]
fn where_no_name_is_said_the_only_need_that_is_not_well_is_meant() {
    // An address says no more than nothing.
    for host in [None, Some("172.18.0.3")] {
        for (down, held) in [(["shop/db", "shop/mail"], "waits_for"), (["shop/db", "shop/cache"], "not held")] {
            let mut story = Story::of(&["shop/db", "shop/cache", "shop/mail"]);
            let migrated = needs("migrate", Condition::CompletedSuccessfully);
            let depends_on = vec![needs("db", Condition::Started), needs("cache", Condition::Started), migrated];
            story.runs("shop/migrate").is_down("shop/migrate", 0);
            story.runs_as("shop/web", |d| d.depends_on = depends_on).relists();
            story.complains("shop/web", refused_by(host)).after(5.0);
            for name in down {
                story.complains(name, Complaint::VariableMissing { name: None }).will_end(name, 500, 1, 9);
                story.crashes(name, 1).after(20.0);
            }
            assert_eq!((story.phase("shop/db"), story.phase(down[1])), ("escalated", "escalated"), "{story}");
            story.crashes("shop/web", 1).after(0.5);
            assert_eq!(story.held_for("shop/web"), held, "{host:?} {down:?}:\n{story}");
        }
    }
}

#[test]
fn one_of_several_replicas_that_is_well_will_do() {
    let mut story = Story::of(&["shop/db", "shop/db/2", "shop/web"]);
    story.complains("shop/web", refused_by(Some("db"))).after(5.0);
    story.cannot_start("shop/db", "no such device").crashes("shop/db", 3).after(1.0).crashes("shop/web", 1).after(1.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
}

#[test]
fn those_that_are_refused_by_each_other_do_not_wait_for_each_other() {
    let mut story = Story::of(&["shop/a", "shop/b"]);
    story.complains("shop/a", refused_by(Some("b"))).complains("shop/b", refused_by(Some("a"))).after(5.0);
    story.crashes("shop/a", 1).crashes("shop/b", 1).after(15.0);
    assert_eq!((story.starts("shop/a"), story.starts("shop/b")), (1, 1), "{story}");
    story.after_minutes(5.0);
    let outcomes = ["shop/a", "shop/b"].map(|name| story.outcome(name));
    assert_eq!(outcomes, [Some(Outcome::Healed), Some(Outcome::Healed)], "{story}");
}

#[test]
fn who_was_refused_by_what_is_told_with_it_does_not_wait_for_that() {
    // a needs b, so its illness is part of b's incident; and b was refused by a.
    let mut story = Story::of(&["shop/b"]);
    story.runs_as("shop/a", |d| d.depends_on = vec![needs("b", Condition::Started)]).relists();
    // b is refused at its next start too.
    story.complains("shop/b", refused_by(Some("a"))).will_end("shop/b", 500, 1, 1).after(5.0);
    story.crashes("shop/b", 1).after(0.005).crashes("shop/a", 1).after_minutes(10.0);
    assert_eq!(causes(&story, "shop/b"), ["crash", "dependency_down"], "{story}");
    assert!(story.to_string().contains("part of incident"), "{story}");
    let outcomes = ["shop/a", "shop/b"].map(|name| story.outcome(name));
    assert_eq!(outcomes, [Some(Outcome::Healed), Some(Outcome::Healed)], "{story}");
}

#[test]
fn who_was_refused_by_what_is_not_brought_back_before_it_does_not_wait_for_that() {
    let mut story = Story::new();
    story.runs("shop/b").has_check("shop/b").complains("shop/b", refused_by(Some("a")));
    story.runs_as("shop/a", |d| d.depends_on = vec![needs("b", Condition::Healthy)]);
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0);
    story.will_end("shop/b", 500, 1, 9).host_restarts(0).begins().after_minutes(5.0);
    assert!(causes(&story, "shop/b").contains(&"dependency_down".to_owned()), "{story}");
    assert_eq!((story.starts("shop/b"), story.phase("shop/b")), (3, "escalated"), "{story}");
}

#[test]
fn a_log_that_is_read_while_it_is_started_tells_who_refused_it() {
    let mut story = shop();
    story.cannot_start("shop/db", "no such device").crashes("shop/web", 1).after(0.01).crashes("shop/db", 3).after(0.1);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (1, "acting"), "{story}");
    assert_eq!(causes(&story, "shop/web"), ["crash", "dependency_down"], "{story}");
}

/// db, and web that runs on and is ill because db is down.
fn unhealthy() -> Story {
    let mut story = shop();
    story.has_check("shop/web").cannot_start("shop/db", "port is already allocated");
    story.crashes("shop/db", 3).after(3.0).turns("shop/web", Health::Unhealthy).after(3.0);
    assert_eq!((story.stops("shop/web"), story.held_for("shop/web")), (0, "waits_for"), "{story}");
    story.can_start("shop/db").after_minutes(1.0);
    assert_eq!((story.phase("shop/db"), story.held_for("shop/web")), ("verifying", "just_up"), "{story}");
    story
}

#[test]
fn what_runs_and_is_ill_is_given_time_to_recover_by_itself() {
    let mut story = unhealthy();
    story.turns("shop/web", Health::Healthy).after_minutes(10.0);
    assert_eq!((story.stops("shop/web"), story.starts("shop/web")), (0, 0), "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::RecoveredAlone), "{story}");
    assert_eq!(told_of(&story, "shop/web"), [], "{story}");
}

#[test]
fn what_does_not_recover_by_itself_is_restarted_after_a_stability_window() {
    let mut story = unhealthy();
    story.after_minutes(3.0);
    let db = *story.ordered(Action::Start, "shop/db").last().unwrap();
    let stopped = story.ordered(Action::Stop, "shop/web");
    assert!((120.0..121.0).contains(&(stopped[0] - db)), "{stopped:?} {db}:\n{story}");
    assert_eq!((stopped.len(), story.starts("shop/web")), (1, 1), "{story}");
}

#[test]
fn who_waits_for_another_waits_on_after_a_restart_of_healer() {
    let mut story = shop();
    story.complains("shop/db", Complaint::VariableMissing { name: None }).will_end("shop/db", 500, 1, 9);
    story.crashes("shop/db", 1).after(1.0).crashes("shop/web", 1).after(30.0);
    assert_eq!(story.held_for("shop/web"), "waits_for", "{story}");
    story.is_killed().after(5.0).begins().after_minutes(2.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "waits_for"), "{story}");
    // What was mended while healer was away is seen to be well.
    story.is_killed().will_end("shop/db", 500, 1, 0).docker_start("shop/db").after(30.0).begins().after(5.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "just_up"), "{story}");
    story.after(10.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
}

#[test]
fn a_process_that_has_just_begun_looks_at_all_others_before_it_believes_that_one_is_alone() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.complains("shop/web", refused_by(Some("db"))).cannot_start("shop/db", "no such device").after(5.0);
    story.crashes("shop/db", 1).after(1.0).crashes("shop/web", 1).after(30.0);
    story.looks_come_one_by_one = true;
    story.is_killed().after(5.0).begins().after(30.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "waits_for"), "{story}");
}

#[test]
fn an_hour_long_wait_is_asked_about_rarely() {
    let mut story = shop();
    story.complains("shop/db", Complaint::VariableMissing { name: None }).will_end("shop/db", 500, 1, 9);
    story.crashes("shop/db", 1).after(1.0).crashes("shop/web", 1).after(30.0);
    let before = story.count("held");
    story.after_minutes(60.0);
    assert!(story.count("held") - before < 10, "{}:\n{story}", story.count("held") - before);
}
