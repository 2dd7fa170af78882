//! Two services that want one port: while the one keeps it, no start of the other helps.

use model::complaint::Complaint;
use model::incident::Outcome;
use model::message::Kind;

use crate::story::Story;

/// wiki/app, and shop/web, which says that its port is taken, and ends at each start; wiki/app listens there.
fn two() -> Story {
    let mut story = Story::of(&["wiki/app", "shop/web"]);
    let held_by = Some(story.first_id_of("wiki/app"));
    let taken = Complaint::AddressInUse { port: Some(8000), held_by, by: None };
    story.complains("shop/web", taken).will_end("shop/web", 500, 1, 9).after(5.0);
    story
}

#[test]
fn a_port_that_another_service_keeps_is_a_persons_at_once_and_free_again_when_that_one_is_stopped() {
    let mut story = two();
    // It had run well until then, and is started once before its words are read.
    story.crashes("shop/web", 1).after_minutes(10.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (1, "escalated"), "{story}");
    assert_eq!(story.told(), [Kind::Escalated], "{story}");
    // What has crashed needs its port again.
    story.crashes("wiki/app", 1).after_minutes(5.0);
    assert_eq!((story.starts("wiki/app"), story.starts("shop/web")), (1, 1), "{story}");
    story.will_end("shop/web", 500, 1, 0).docker_stop("wiki/app").after_minutes(5.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (2, Some(Outcome::Healed)), "{story}");
}

#[test]
fn a_port_that_nobody_keeps_may_be_free_at_the_next_start() {
    let stopped = |story: &mut Story| _ = story.docker_stop("wiki/app");
    let removed = |story: &mut Story| _ = story.removed("wiki/app");
    let deployed = |story: &mut Story| _ = story.made_to_replace("wiki/app");
    for (name, befalls) in [("stopped", stopped as fn(&mut Story)), ("removed", removed), ("deployed", deployed)] {
        let mut story = two();
        befalls(&mut story);
        story.after(1.0).crashes("shop/web", 1).after_minutes(2.0);
        assert!(story.starts("shop/web") > 1, "{name}:\n{story}");
    }
}
