//! Golden texts: what people see, drawn at a fixed moment in a fixed time zone.

use insta::assert_snapshot;
use jiff::tz::{self, TimeZone};
use model::command::{CommandId, Reply, ReplyLine};
use model::fact::{Health, Run};
use model::incident::{Evidence, EvidenceId, IncidentId};
use model::intent::{Author, Intent, Wanted};
use model::settings::Mode;
use model::view::{Deployment, Frozen, Incident, Line, Next, Resource, Standing, Status, Tone, Why};
use model::{Now, ResourceId, Tick, Wall};

use super::*;

/// 23 November 2026, 14:02:10 in a zone one hour east.
const NOW: Wall = Wall(1_795_438_930_000);

fn page(width: usize) -> Page {
    let zone = TimeZone::fixed(tz::offset(1));
    Page { width, colour: false, zone, now: NOW, source: Source::Daemon }
}

fn ago(s: i64) -> Wall {
    Wall(NOW.0 - s * 1_000)
}

fn at(wall: Wall) -> Now {
    Now { wall, tick: Tick(0) }
}

fn empty() -> Status {
    Status {
        instance: "web-1".into(),
        version: "0.1.0".into(),
        now: at(NOW),
        running_since: Some(ago(277_200)),
        mode: Mode::Auto,
        frozen: None,
        warnings: Vec::new(),
        sources: vec![model::view::Source {
            name: "web-1".into(),
            well: true,
            because: String::new(),
            untold: String::new(),
        }],
        recoveries: Vec::new(),
        deployments: Vec::new(),
        next: Vec::new(),
        waiting: Vec::new(),
    }
}

fn resource(deployment: &str, service: &str, standing: Standing, since_s: i64, why: &str) -> Resource {
    let id = ResourceId::docker("web-1", deployment, service, 1);
    let (wanted, run) = match standing {
        Standing::Stopped | Standing::Absent => (Wanted::Stopped, Run::Exited),
        Standing::Unknown | Standing::Unseen => (Wanted::Unknown, Run::Exited),
        Standing::NeedsYou | Standing::Healing | Standing::Held => (Wanted::Running, Run::Exited),
        Standing::Well | Standing::Done | Standing::Watched => (Wanted::Running, Run::Running),
    };
    let intent =
        Intent { wanted, by: Author::FirstSight, at: at(ago(277_200)), source_at: None, because: "it ran".into() };
    Resource {
        short: id.short().to_owned(),
        id,
        standing,
        run: Some(run),
        health: Some(Health::Unchecked),
        intent: Some(intent),
        since: Some(ago(since_s)),
        why: why.to_owned(),
        incident: None,
        image: "nginx:1.27".into(),
        incarnation: Some("3f2a9c01d4e7".into()),
        remedy: None,
    }
}

fn deployment_of(name: &str, wanted: &str, resources: Vec<Resource>) -> Deployment {
    let worst = resources.iter().min_by_key(|resource| resource.standing).unwrap().clone();
    Deployment {
        name: name.to_owned(),
        host: "web-1".into(),
        standing: worst.standing,
        wanted: wanted.to_owned(),
        since: worst.since,
        why: worst.why,
        resources,
        folder: None,
    }
}

fn all_well() -> Status {
    let well = |name: &str, since_s| {
        let services =
            ["web", "db"].map(|service| resource(name, service, Standing::Well, since_s, "runs as it shall"));
        deployment_of(name, "running", services.to_vec())
    };
    Status { deployments: vec![well("shop", 277_200), well("wiki", 86_400 * 40), well("mail", 3_900)], ..empty() }
}

fn troubled() -> Status {
    let oom = "web was OOM-killed at its 512 MiB limit; restarted, holds until 14:04:08";
    let port = "port 8080 is taken by `nginx` (pid 812); nothing healer may do mends this";
    let mut unknown = resource("legacy", "app", Standing::Unknown, 277_200, "it was down when healer first saw it");
    unknown.remedy = Some("healer adopt legacy".into());
    let mut lone = resource("-", "builder", Standing::Watched, 600, "no Compose service; nobody adopted it");
    lone.id = ResourceId::lone_container("web-1", "builder");
    lone.short = "builder".into();
    let deployments = vec![
        deployment_of("billing", "running", vec![resource("billing", "api", Standing::NeedsYou, 240, port)]),
        deployment_of(
            "shop",
            "running",
            vec![
                resource("shop", "web", Standing::Healing, 12, oom),
                resource("shop", "worker", Standing::Held, 10, "waiting 10 s before attempt 2"),
                resource("shop", "db", Standing::Well, 277_200, "runs as it shall"),
            ],
        ),
        deployment_of("legacy", "unknown", vec![unknown]),
        deployment_of(
            "größe-日本",
            "running",
            vec![resource("größe-日本", "web", Standing::Well, 60, "runs as it shall")],
        ),
        deployment_of(
            "wiki",
            "stopped",
            vec![resource("wiki", "web", Standing::Stopped, 277_200, "`docker stop` on 20 Nov 09:14")],
        ),
        deployment_of("-", "running", vec![lone]),
    ];
    Status {
        deployments,
        next: vec![
            Next { at: Wall(NOW.0 + 8_000), what: "try shop/worker again".into() },
            Next { at: Wall(NOW.0 + 118_000), what: "verify shop/web".into() },
        ],
        waiting: vec!["recreate shop/db (moderate, undo known): `healer approve 41`".into()],
        ..empty()
    }
}

#[test]
fn all_well_is_short() {
    assert_snapshot!(status(&all_well(), false, &page(100)));
}

#[test]
fn what_needs_a_person_comes_first_and_says_why() {
    assert_snapshot!("troubled_100", status(&troubled(), false, &page(100)));
    assert_snapshot!("troubled_80", status(&troubled(), false, &page(80)));
    assert_snapshot!("troubled_all_120", status(&troubled(), true, &page(120)));
}

#[test]
fn colours_change_no_word() {
    let coloured = status(&troubled(), false, &Page { colour: true, ..page(80) });
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut escape = false;
    for c in coloured.chars() {
        match c {
            '\u{1b}' => escape = true,
            'm' if escape => escape = false,
            c if !escape => plain.push(c),
            _ => {}
        }
    }
    assert_eq!(plain, status(&troubled(), false, &page(80)));
}

#[test]
fn no_line_is_wider_than_the_page() {
    for width in [60, 80, 100, 200] {
        for all in [false, true] {
            for line in status(&troubled(), all, &page(width)).lines() {
                assert!(text::width(line) <= width, "{width}: {line}");
            }
        }
        for line in super::why(&a_why(), &page(width)).lines() {
            assert!(text::width(line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn a_freeze_says_who_and_how_it_ends() {
    let frozen = Frozen { by: "ann".into(), at: at(ago(180)), because: "database move".into() };
    assert_snapshot!(status(&Status { frozen: Some(frozen), mode: Mode::Suggest, ..all_well() }, false, &page(80)));
}

#[test]
fn a_source_that_cannot_be_reached_says_what_to_do() {
    let because = "permission denied on /var/run/docker.sock: add this user to the group `docker`, then start healer anew; it goes on trying";
    let source =
        model::view::Source { name: "web-1".into(), well: false, because: because.into(), untold: String::new() };
    let status_ = Status { sources: vec![source], ..empty() };
    assert_snapshot!(status(&status_, false, &page(80)));
}

#[test]
fn what_a_remote_engine_does_not_tell_is_said_while_all_is_well() {
    let untold = "a remote engine does not tell when it was started";
    let far = model::view::Source { name: "far".into(), well: true, because: String::new(), untold: untold.into() };
    let shown = status(&Status { sources: vec![far], ..all_well() }, false, &page(100));
    assert!(shown.contains(&format!("docker engine far: {untold}")), "{shown}");
}

#[test]
fn a_newcomer_is_told_what_to_do_next() {
    assert_snapshot!(status(&Status { running_since: Some(ago(4)), ..empty() }, false, &page(80)));
}

#[test]
fn a_dead_daemon_is_told_before_anything_else() {
    let dead = Status { running_since: None, next: Vec::new(), ..troubled() };
    let page = Page { source: Source::Journal(ago(190)), ..page(100) };
    assert_snapshot!(status(&dead, false, &page));
    let unseen = resource("wiki", "web", Standing::Unseen, 60, "nothing was wrong with it when healer ended");
    let dead = Status { deployments: vec![deployment_of("wiki", "running", vec![unseen])], ..dead };
    let drawn = status(&dead, false, &page);
    assert!(drawn.contains("1 was well") && !drawn.contains("unseen"), "{drawn}");
    let daemon = Page { source: Source::Daemon, ..page };
    assert!(status(&dead, false, &daemon).contains("unseen"), "of what cannot be looked at nothing is known");
}

#[test]
fn an_empty_journal_is_no_newcomer() {
    let dead = status(
        &Status { running_since: None, ..empty() },
        false,
        &Page { source: Source::Journal(ago(5)), ..page(80) },
    );
    assert!(dead.starts_with("healer is not running") && dead.contains("knows of no container"), "{dead}");
    assert!(!dead.contains("docker compose up"));
}

#[test]
fn many_that_are_well_are_folded() {
    let many = (0..300)
        .map(|n| {
            let name = format!("app-{n:03}");
            deployment_of(&name, "running", vec![resource(&name, "web", Standing::Well, 90_000, "runs as it shall")])
        })
        .collect();
    let many = Status { deployments: many, ..empty() };
    assert!(status(&many, false, &page(80)).lines().count() <= 23);
    assert!(status(&many, false, &page(80)).contains("… and 288 more that need nothing"));
    assert!(status(&many, true, &page(80)).lines().count() > 300);
}

#[test]
fn many_that_are_held_for_one_reason_leave_the_header_on_the_screen() {
    let held = |n: i64, reason: &str| {
        let why = format!("it exited with code {n}; held: {reason}");
        resource("many", &format!("s{n:02}"), Standing::Held, 60, &why)
    };
    let services: Vec<Resource> =
        (0..40).map(|n| held(n, if n < 39 { "frozen by root" } else { "it is paused" })).collect();
    let many = Status { deployments: vec![deployment_of("many", "running", services)], ..empty() };
    let drawn = status(&many, false, &page(80));
    assert!(drawn.lines().count() <= 23, "{drawn}");
    assert!(
        drawn.contains("… and 36 more held for the same reason (frozen by root): `healer status --all`"),
        "{drawn}"
    );
    assert!(drawn.contains("s39") && drawn.contains("it is paused"), "another reason is seen: {drawn}");
    assert_eq!(status(&many, true, &page(80)).lines().filter(|line| line.contains("frozen")).count(), 39);
}

fn a_why() -> Why {
    let id = IncidentId { instance: "web-1".into(), number: 41 };
    let web = resource("shop", "web", Standing::Healing, 12, "");
    let line = |s, tone, text: &str| Line {
        at: ago(s),
        incident: Some(id.clone()),
        resource: Some(web.id.clone()),
        tone,
        text: text.to_owned(),
    };
    Why {
        headline: "shop/web is running, and is meant to (seen running since 20 Nov; nobody stopped it).".into(),
        resource: Some(web.clone()),
        incidents: vec![an_incident(41, Standing::Healing, "verifying", None)],
        story: vec![
            line(13, Tone::Bad, "died: exit 137, and the engine reports an out-of-memory kill [e1] [e2]"),
            line(13, Tone::Plain, "cause: out of memory in the main process, sure (rule oom_main: e1, e2; 137 alone would not have been enough)"),
            line(13, Tone::Plain, "restart allowed: attempt 1 of 3 in 30 m, host budget 1 of 20 in 10 m"),
            line(12, Tone::Good, "running after 0.31 s; must hold for 2 m: until 14:03:58"),
        ],
        not_done: vec![
            "raising the limit (dangerous: `healer approve 42`)".into(),
            "restarting shop/db (it never failed)".into(),
        ],
        evidence: vec![
            Evidence { id: EvidenceId(1), source: "event".into(), text: "oom".into() },
            Evidence { id: EvidenceId(2), source: "inspect".into(), text: "OOMKilled is true, exit code 137".into() },
            Evidence {
                id: EvidenceId(3),
                source: "log".into(),
                text: "fatal error: runtime: out of memory (17 lines look like this one): the allocator asked for 268435456 bytes more".into(),
            },
        ],
    }
}

fn an_incident(number: u64, standing: Standing, phase: &str, ended: Option<Wall>) -> Incident {
    let id = ResourceId::docker("web-1", "shop", "web", 1);
    Incident {
        id: IncidentId { instance: "web-1".into(), number },
        short: id.short().to_owned(),
        resource: id,
        phase: phase.to_owned(),
        status: if ended.is_some() { "succeeded".into() } else { "in_progress".into() },
        standing,
        opened: ago(if ended.is_some() { 90_000 } else { 13 }),
        ended,
        cause: "out of memory in the main process".into(),
        why: if ended.is_some() {
            "healed at the first attempt".into()
        } else {
            "restarted, holds until 14:03:58".into()
        },
        attempts: 1,
        suggestions: Vec::new(),
    }
}

#[test]
fn why_tells_the_story_with_its_evidence_and_what_was_not_done() {
    assert_snapshot!("why_100", why(&a_why(), &page(100)));
    assert_snapshot!("why_80", why(&a_why(), &page(80)));
}

#[test]
fn why_of_a_deployment_names_each_service_and_tells_of_those_that_are_not_well() {
    let services = &troubled().deployments[1].resources;
    let healed = Incident { short: "shop/db".into(), ..an_incident(7, Standing::Well, "resolved", Some(ago(89_000))) };
    let incidents = [healed, an_incident(41, Standing::Healing, "verifying", None)];
    let drawn = deployment(("shop", services), &incidents, (&[a_why()], 1), &page(80));
    assert_snapshot!("why_deployment_80", drawn);
    for width in [60, 80, 100, 200] {
        for line in deployment(("shop", services), &incidents, (&[a_why()], 1), &page(width)).lines() {
            assert!(text::width(line) <= width, "{width}: {line}");
        }
    }
    let well = &all_well().deployments[0].resources;
    assert_snapshot!("why_deployment_well_80", deployment(("shop", well), &[], (&[], 0), &page(80)));
    let mut two_hosts = well.clone();
    two_hosts[1].id = ResourceId::docker("web-2", "shop", "web", 1);
    let drawn = deployment(("shop", &two_hosts), &[], (&[], 0), &page(80));
    assert!(drawn.contains("HOST") && drawn.contains("web-2"), "{drawn}");
}

#[test]
fn what_was_stopped_on_purpose_is_said_of_a_deployment_that_is_well() {
    let row = |standings: &[Standing], health| {
        let service = |(n, standing): (usize, &Standing)| Resource {
            health: Some(health),
            ..resource("shop", &format!("s{n}"), *standing, 60, "running")
        };
        let services = standings.iter().enumerate().map(service).collect();
        let shop = Deployment { why: "2 containers run".into(), ..deployment_of("shop", "mixed", services) };
        let drawn = status(&Status { deployments: vec![shop], ..empty() }, false, &page(80));
        let row = drawn.lines().last().unwrap().to_owned();
        row.split_once("1 m  ").unwrap().1.to_owned()
    };
    use Standing::{Done, Stopped, Well};
    let table: [(&[Standing], Health, &str); 6] = [
        (&[Well, Well, Stopped], Health::Unchecked, "2 run; 1 stopped on purpose"),
        (&[Well, Stopped, Stopped], Health::Unchecked, "1 runs; 2 stopped on purpose"),
        (&[Well, Well, Stopped], Health::Healthy, "2 run, 2 healthy; 1 stopped on purpose"),
        (&[Well, Done, Stopped], Health::Healthy, "1 runs, healthy; 1 stopped on purpose"),
        (&[Well, Well], Health::Healthy, "2 containers run"),
        (&[Stopped, Stopped], Health::Unchecked, "2 containers run"),
    ];
    for (standings, health, expect) in table {
        assert_eq!(row(standings, health), expect, "{standings:?}");
    }
}

#[test]
fn of_a_dead_healer_what_was_under_way_is_past() {
    let dead = Page { source: Source::Journal(ago(190)), ..page(100) };
    let drawn = super::why(&a_why(), &dead);
    assert!(drawn.contains("incident web-1/41: verifying when healer ended, began"), "{drawn}");
    assert!(!status(&Status { running_since: None, ..troubled() }, false, &dead).contains("watching"));
    assert!(super::why(&a_why(), &page(100)).contains("verifying, began"));
}

#[test]
fn incidents_are_told_with_their_state_and_reason() {
    let list = [
        an_incident(41, Standing::Healing, "verifying", None),
        an_incident(7, Standing::Well, "resolved", Some(ago(89_000))),
    ];
    assert_snapshot!(incidents(&list, true, &page(100)));
    assert!(incidents(&[], false, &page(80)).starts_with("No incident is open."));
}

#[test]
fn history_stands_under_its_days() {
    let line = |s, tone, service: Option<&str>, text: &str| Line {
        at: ago(s),
        incident: None,
        resource: service.map(|service| ResourceId::docker("web-1", "shop", service, 1)),
        tone,
        text: text.to_owned(),
    };
    let lines = [
        line(90_000, Tone::Plain, None, "healer 0.1.0 took the lead on web-1"),
        line(89_000, Tone::Waiting, Some("worker"), "nobody can tell whether it shall run: it was down at first sight"),
        line(13, Tone::Bad, Some("web"), "died: exit 137, and the engine reports an out-of-memory kill"),
        line(12, Tone::Good, Some("web"), "running after 0.31 s"),
    ];
    assert_snapshot!(history(&lines, &page(80)));
    assert_eq!(history(&[], &page(80)), "Nothing is on record for this time.\n");
}

#[test]
fn a_reply_has_a_line_for_each_resource() {
    let line = |service: &str, text: &str| ReplyLine {
        resource: Some(ResourceId::docker("web-1", "shop", service, 1)),
        text: text.to_owned(),
        failed: false,
    };
    let lines = vec![line("web", "stopped"), line("db", "queued: another remediation has hold of it")];
    let taken = Reply::new(CommandId("1".into()), true, lines);
    assert_eq!(reply(&taken, &page(80)), "shop/web: stopped\nshop/db: queued: another remediation has hold of it\n");
    let bare = Reply { taken: false, lines: Vec::new(), ..taken };
    assert_eq!(reply(&bare, &page(80)), "refused\n");
}

#[test]
fn a_hostile_text_from_another_version_is_shown_not_done() {
    let mut status_ = all_well();
    status_.deployments[0].name = "a\u{1b}]0;owned\u{7}".into();
    status_.deployments[0].why = "b\u{9b}2J\u{202e}c".into();
    status_.instance = "i\u{1b}[2J".into();
    status_.warnings = vec!["w\r\n\u{1b}c".into()];
    let drawn = status(&status_, true, &page(100));
    assert!(drawn.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{drawn:?}");
}

#[test]
fn moments_within_sentences_are_local_but_not_those_that_somebody_else_wrote() {
    let mut shown = a_why();
    shown.headline = "shop/web was removed at 2026-11-22T13:02:10Z; its last incident: web-1/41.".into();
    shown.story[0].text = "found [e1] log: 2026-11-23T13:01:57Z no such table".into();
    shown.story[3].text = "it must hold for 2 m: until 2026-11-23T13:03:58Z".into();
    let drawn = super::why(&shown, &page(100));
    assert!(drawn.starts_with("shop/web was removed at 22 Nov 14:02; its last incident"), "{drawn}");
    assert!(drawn.contains("it must hold for 2 m: until 14:03:58\n"), "{drawn}");
    assert!(drawn.contains("log: 2026-11-23T13:01:57Z no such table"), "{drawn}");
    assert!(history(&shown.story, &page(100)).contains("until 14:03:58"));
    if let Some(resource) = &mut shown.resource {
        (resource.image, resource.incarnation, resource.health) = (String::new(), None, None);
    }
    assert!(!super::why(&shown, &page(100)).contains("not seen"), "that is not said again below the headline");
    let mut held = troubled();
    held.deployments[0].why = "running again, must hold until 2026-11-23T13:03:58Z".into();
    assert!(status(&held, false, &page(100)).contains("must hold until 14:03:58"));
}

#[test]
fn a_piece_of_evidence_takes_one_row_and_is_not_told_twice() {
    let mut shown = a_why();
    let found = shown.evidence.iter().map(|evidence| Line {
        text: format!("found [{}] {}: {}", evidence.id, evidence.source, evidence.text),
        ..shown.story[1].clone()
    });
    let found: Vec<Line> = found.collect();
    shown.story.splice(1..1, found);
    let drawn = super::why(&shown, &page(80));
    let rows: Vec<&str> = drawn.lines().filter(|line| line.contains("fatal error")).collect();
    let [row] = rows.as_slice() else { panic!("{drawn}") };
    assert!(
        row.starts_with("  14:01:57  found [e3] log: fatal error") && row.ends_with("268435456 bytes more"),
        "{row}"
    );
    assert!(row.contains('…') && text::width(row) == 80, "{row}");
    assert!(!drawn.contains("Evidence"), "{drawn}");
}

#[test]
fn times_are_local_and_as_short_as_the_day_allows() {
    let page = page(80);
    let table = [(ago(50), "14:01:20"), (ago(90_000), "22 Nov 13:02"), (ago(86_400 * 400), "19 Oct 2025 14:02")];
    for (wall, expect) in table {
        assert_eq!(page.stamp(wall), expect);
    }
    assert_eq!(status::until(Wall(NOW.0 + 118_400), &page), "in 1 m 58 s");
    for (s, expect) in [(0, "0 s"), (59, "59 s"), (119, "1 m"), (7_199, "1 h"), (200_000, "2 d"), (-5, "0 s")] {
        assert_eq!(page.ago(ago(s)), expect);
    }
}
