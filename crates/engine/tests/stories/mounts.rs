//! A mount that should be there and is not: what has files on it is not started before it is.

use model::action::Answer;
use model::command::Ask;
use model::fact::{Condition, Health};
use model::incident::Outcome;
use model::input::Input;
use model::intent::Wanted;
use model::message::{Kind, Severity};
use model::verdict::Limit;
use model::view::Standing;

use crate::story::{HOST, Story, named, needs};

const WAITS: &str = "/srv/data is in /etc/fstab and not mounted: the start waits for it";

/// db has its files on /srv/data, web needs it; wiki has none of its files there.
fn shop() -> Story {
    let mut story = Story::new();
    story.runs_as("shop/db", |d| d.host_paths = ["/etc/db.conf", "/srv/data/db"].map(str::to_owned).into());
    story.runs_as("shop/web", |d| d.depends_on = vec![needs("db", Condition::Started)]);
    story.runs_as("wiki/wiki", |d| d.host_paths = ["/srv/data2/wiki", "/srv"].map(str::to_owned).into());
    story
}

fn lacks(story: &mut Story, missing: &[&str]) {
    let missing = missing.iter().map(|mount| (*mount).to_owned()).collect();
    story.feed(Input::Mounts { host: HOST.to_owned(), missing }).after(0.1);
}

fn why(story: &Story, name: &str) -> (Standing, String, Option<String>) {
    let all = story.status().deployments.into_iter().flat_map(|deployment| deployment.resources);
    let resource = all.into_iter().find(|resource| resource.id == named(name)).unwrap();
    (resource.standing, resource.why, resource.remedy)
}

#[test]
fn what_has_files_on_a_missing_mount_is_started_as_soon_as_that_is_there_and_no_attempt_is_spent() {
    let mut story = shop();
    story.settings.budgets.per_resource = Limit { count: 1, window_ms: 3_600_000 };
    story.begins().after(5.0);
    lacks(&mut story, &["/srv/data"]);
    story.crashes("shop/db", 3).after_minutes(30.0);
    assert_eq!((story.starts("shop/db"), story.held_for("shop/db")), (0, "mount_missing"), "{story}");
    let (standing, says, remedy) = why(&story, "shop/db");
    assert!(standing == Standing::Held && says.contains(WAITS), "{says}");
    assert_eq!(remedy.as_deref(), Some("mount /srv/data"));
    // Who could mount it is told.
    assert_eq!(story.told(), [Kind::Opened], "{story}");
    assert!(story.messages()[0].title.contains(WAITS), "{:?}", story.messages()[0]);
    assert!(story.messages()[0].next.contains(&"mount /srv/data".to_owned()), "{:?}", story.messages()[0]);
    lacks(&mut story, &[]);
    story.after(1.0);
    assert_eq!(story.starts("shop/db"), 1, "{story}");
    story.after_minutes(5.0);
    assert_eq!(story.outcome("shop/db"), Some(Outcome::Healed), "{story}");
}

#[test]
fn what_lies_beside_or_above_a_missing_mount_does_not_wait_for_it() {
    let mut story = shop();
    story.begins().after(5.0);
    lacks(&mut story, &["/srv/data", "/home"]);
    story.crashes("wiki/wiki", 3).crashes("shop/web", 3).after(10.0);
    assert_eq!([story.starts("wiki/wiki"), story.starts("shop/web")], [1, 1], "{story}");
    // Nor does another host's.
    let mut story = shop();
    story.begins().after(5.0);
    story.feed(Input::Mounts { host: "other".to_owned(), missing: ["/srv/data".to_owned()].into() });
    story.crashes("shop/db", 3).after(10.0);
    assert_eq!(story.starts("shop/db"), 1, "{story}");
}

#[test]
fn the_reason_names_the_mount_that_is_missing_at_present() {
    let mut story = shop();
    story.begins().after(5.0);
    lacks(&mut story, &["/srv", "/srv/data"]);
    story.crashes("shop/db", 3).after(10.0);
    assert!(why(&story, "shop/db").1.contains("/srv is in /etc/fstab"), "{story}");
    lacks(&mut story, &["/srv/data"]);
    assert!(why(&story, "shop/db").1.contains(WAITS), "{story}");
    assert_eq!(story.starts("shop/db"), 0, "{story}");
}

#[test]
fn what_was_stopped_on_purpose_is_not_started_by_a_mount() {
    let mut story = shop();
    story.begins().after(5.0);
    lacks(&mut story, &["/srv/data"]);
    story.crashes("shop/db", 3).after(60.0).says("ann", Ask::Stop("shop/db".to_owned())).after(1.0);
    lacks(&mut story, &[]);
    story.after_minutes(10.0);
    assert_eq!((story.starts("shop/db"), story.outcome("shop/db")), (0, Some(Outcome::StoppedByOwner)), "{story}");
}

#[test]
fn a_running_service_whose_mount_has_gone_is_not_taken_down_and_status_says_so() {
    let mut story = shop();
    story.has_check("shop/db").begins().after(5.0);
    lacks(&mut story, &["/srv/data"]);
    let warned = story.status().warnings;
    assert_eq!(warned, ["/srv/data is in /etc/fstab of h and not mounted: shop/db needs it"], "{story}");
    story.turns("shop/db", Health::Unhealthy).after_minutes(20.0);
    assert_eq!((story.stops("shop/db"), story.held_for("shop/db")), (0, "mount_missing"), "{story}");
    lacks(&mut story, &[]);
    story.after(5.0).turns("shop/db", Health::Healthy).after_minutes(10.0);
    assert_eq!((story.stops("shop/db"), story.starts("shop/db")), (1, 1), "{story}");
    assert!(story.status().warnings.is_empty(), "{story}");
}

#[test]
fn a_mount_that_goes_between_the_stop_and_the_start_of_a_restart_is_waited_for() {
    for asked in [false, true] {
        let mut story = shop();
        story.has_check("shop/db").ignores_term("shop/db").begins().after(5.0);
        if asked {
            story.says("ann", Ask::Restart("shop/db".to_owned()));
        } else {
            story.turns("shop/db", Health::Unhealthy);
        }
        // It takes ten seconds to stop.
        story.after(5.0);
        lacks(&mut story, &["/srv/data"]);
        story.after_minutes(20.0);
        assert_eq!((story.stops("shop/db"), story.starts("shop/db")), (1, 0), "asked {asked}:\n{story}");
        assert!(!asked || story.to_string().contains(&format!("queued: {WAITS}")), "{story}");
        lacks(&mut story, &[]);
        story.after(2.0).turns("shop/db", Health::Healthy).after_minutes(5.0);
        assert_eq!((story.stops("shop/db"), story.starts("shop/db")), (1, 1), "asked {asked}:\n{story}");
        assert!(story.is_running("shop/db"), "asked {asked}:\n{story}");
    }
}

#[test]
fn a_person_is_told_and_their_word_counts_once_the_mount_is_there() {
    for ask in [Ask::Start("shop/db".to_owned()), Ask::Restart("shop/db".to_owned())] {
        let mut story = shop();
        story.begins().after(5.0).docker_stop("shop/db").after(60.0);
        lacks(&mut story, &["/srv/data"]);
        story.says("ann", ask).after(1.0);
        assert!(story.to_string().contains(&format!("not done: {WAITS}; `mount /srv/data` ends that")), "{story}");
        story.after_minutes(30.0);
        assert_eq!((story.starts("shop/db"), story.wanted("shop/db")), (0, Some(Wanted::Running)), "{story}");
        lacks(&mut story, &[]);
        story.after(2.0);
        assert_eq!(story.starts("shop/db"), 1, "{story}");
    }
    // What runs goes on as it is.
    let mut story = shop();
    story.begins().after(5.0);
    lacks(&mut story, &["/srv/data"]);
    story.says("ann", Ask::Restart("shop/db".to_owned())).after_minutes(10.0);
    assert!(story.to_string().contains(&format!("not done: {WAITS}")), "{story}");
    lacks(&mut story, &[]);
    story.after_minutes(10.0);
    assert_eq!((story.stops("shop/db"), story.starts("shop/db")), (0, 0), "{story}");
    // Who insists has the engine's own command, and a stop is nobody's to hold.
    let mut story = shop();
    story.begins().after(5.0);
    lacks(&mut story, &["/srv/data"]);
    story.says("ann", Ask::Stop("shop/db".to_owned())).after(5.0);
    assert_eq!(story.stops("shop/db"), 1, "{story}");
    story.docker_start("shop/db").after_minutes(10.0);
    assert!(story.is_running("shop/db") && story.phase("shop/db") == "none", "{story}");
}

#[test]
fn a_recovery_waits_for_a_late_mount_and_keeps_its_order() {
    let mut story = shop();
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0).host_restarts(143).process_starts();
    lacks(&mut story, &["/srv/data"]);
    story.connects().after(90.0);
    assert_eq!((story.starts("shop/db"), story.held_for("shop/db")), (0, "mount_missing"), "{story}");
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "waits_for"), "{story}");
    assert!(story.is_running("wiki/wiki") && story.told().is_empty(), "{story}");
    lacks(&mut story, &[]);
    story.after_minutes(20.0);
    let order = ["shop/db", "shop/web"].map(|name| story.started_at(name).unwrap());
    assert!(order.is_sorted(), "{order:?}:\n{story}");
    let told: Vec<_> = story.messages().iter().map(|message| message.title.as_str()).collect();
    assert_eq!(told, ["recovered 2 deployments after host restart"], "{story}");
}

#[test]
fn a_recovery_names_the_mount_that_does_not_come_and_what_waits_follows_when_it_does() {
    let mut story = shop();
    story.reads_flag = true;
    story.tells_its_start().begins().after(60.0).host_restarts(143).process_starts();
    lacks(&mut story, &["/srv/data"]);
    story.connects().after(100.0);
    assert!(story.told().is_empty(), "{story}");
    story.after(120.0);
    assert_eq!(story.told(), [Kind::Recovered], "{story}");
    let message = &story.messages()[0];
    assert_eq!(message.severity, Severity::Critical);
    assert_eq!(message.title, "recovered 1 deployment after host restart; 2 services failed");
    let failed: Vec<_> = message.story.iter().filter(|line| line.starts_with("failed: ")).cloned().collect();
    let expect = [format!("failed: shop/db: {WAITS}"), "failed: shop/web: it needs shop/db, which does not run".into()];
    assert_eq!(failed, expect, "{story}");
    story.after_minutes(30.0);
    assert_eq!([story.starts("shop/db"), story.starts("shop/web")], [0, 0], "{story}");
    lacks(&mut story, &[]);
    story.after(10.0);
    let order = ["shop/db", "shop/web"].map(|name| story.started_at(name).unwrap());
    assert!(order.is_sorted(), "{order:?}:\n{story}");
}

#[test]
fn a_new_process_of_healers_that_knows_nothing_of_mounts_yet_has_hands_that_do() {
    let mut story = shop();
    story.hands_work = false;
    story.begins().after(5.0).crashes("shop/db", 3).after(0.1);
    assert_eq!(story.starts("shop/db"), 1, "{story}");
    story.answer(Answer::Withheld(WAITS.to_owned())).after(0.1);
    assert!(why(&story, "shop/db").1.contains(WAITS), "{story}");
    story.hands_work = true;
    lacks(&mut story, &["/srv/data"]);
    story.after(60.0);
    assert_eq!((story.starts("shop/db"), story.held_for("shop/db")), (1, "mount_missing"), "{story}");
    lacks(&mut story, &[]);
    story.after(1.0);
    assert_eq!(story.starts("shop/db"), 2, "{story}");
}

#[test]
fn what_healer_took_down_waits_for_a_mount_in_peace_though_others_are_stopped() {
    let mut story = shop();
    story.has_check("shop/db").begins().after(5.0).turns("shop/db", Health::Unhealthy);
    while story.stops("shop/db") == 0 {
        story.after(0.01);
    }
    // Its start does not follow: the process ends, and the mount goes.
    story.is_killed().after(2.0).process_starts();
    lacks(&mut story, &["/srv/data"]);
    story.connects().after(60.0).says("ann", Ask::Start("shop/db".to_owned())).after_minutes(3.0);
    assert_eq!(story.held_for("shop/db"), "mount_missing", "{story}");
    let before = story.count("diagnosis_began");
    story.docker_stop("shop/web").after(30.0);
    assert!(story.count("diagnosis_began") <= before + 1, "{story}");
    lacks(&mut story, &[]);
    story.after(60.0);
    assert_eq!(story.held_for("shop/db"), "others_stopped", "who stopped web may have meant db, too:\n{story}");
    story.says("ann", Ask::Start("shop/db".to_owned())).after(1.0);
    assert!(story.is_running("shop/db"), "{story}");
}
