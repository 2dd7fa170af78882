//! Who is told what, and how often a channel is tried.

use model::command::Ask;
use model::message::{Delivery, Kind};
use model::settings::Mode;

use crate::story::Story;

fn tries(story: &Story) -> Vec<f64> {
    let sent = story.transcript.iter().filter(|line| line.contains("→ hook: message 1,"));
    sent.map(|line| line.trim().split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn in_mode_observe_nothing_is_done_and_it_is_told_once() {
    let mut story = Story::new();
    story.settings.mode = Mode::Observe;
    story.runs("shop/web").begins();
    story.after(5.0).crashes("shop/web", 3).after_minutes(100.0);
    assert_eq!((story.starts("shop/web"), story.held_for("shop/web")), (0, "observe_mode"), "{story}");
    assert_eq!(story.told(), [Kind::Opened], "{story}");
    story.docker_start("shop/web").after_minutes(5.0);
    assert_eq!(story.told(), [Kind::Opened, Kind::Resolved], "{story}");
}

#[test]
fn what_lasts_longer_than_three_minutes_becomes_a_thread() {
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(5.0).crashes("shop/web", 3).after(179.0);
    assert_eq!(story.told(), Vec::new(), "{story}");
    story.after(2.0);
    assert_eq!(story.told(), [Kind::Opened], "{story}");
    story.after_minutes(30.0);
    assert_eq!(story.told(), [Kind::Opened], "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_channel_that_does_not_answer_is_tried_with_growing_waits_and_given_up_after_three_days() {
    let mut story = Story::of(&["shop/web"]);
    story.channel = Delivery::Retry("connection refused".to_owned());
    story.crashes("shop/web", 3).after_minutes(4.0 * 24.0 * 60.0);
    let tries = tries(&story);
    let waits: Vec<f64> = tries.windows(2).map(|pair| (pair[1] - pair[0]).round()).collect();
    assert_eq!(waits[..7], [1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 1800.0], "{waits:?}");
    assert_eq!((story.count("message_given_up"), story.told().len()), (1, 1));
    let days = (tries.last().unwrap() - tries[0]) / 86_400.0;
    assert!((3.0..3.1).contains(&days), "{days}");
}

#[test]
fn a_channel_that_refuses_is_not_tried_again() {
    let mut story = Story::of(&["shop/web"]);
    story.channel = Delivery::Rejected("410 Gone".to_owned());
    story.crashes("shop/web", 3).after_minutes(60.0);
    assert_eq!((tries(&story).len(), story.count("message_given_up")), (1, 1), "{story}");
}

#[test]
fn an_escalated_incident_is_reminded_of_daily_and_an_acknowledged_one_is_not() {
    let day = 24.0 * 60.0;
    for acknowledged in [false, true] {
        let mut story = Story::of(&["shop/web"]);
        story.will_end("shop/web", 500, 3, 9).crashes("shop/web", 3).after_minutes(10.0);
        let escalated = |story: &Story| story.told().iter().filter(|kind| **kind == Kind::Escalated).count();
        assert_eq!(escalated(&story), 1, "{story}");
        if acknowledged {
            story.says("ann", model::command::Ask::Acknowledge(story.incident_id(1)));
        }
        story.after_minutes(3.0 * day);
        assert_eq!(escalated(&story), if acknowledged { 1 } else { 4 }, "{story}");
    }
}

#[test]
fn every_message_about_a_crash_says_that_a_stop_of_what_is_dead_leaves_no_trace() {
    let mut story = Story::of(&["shop/web"]);
    story.crashes("shop/web", 3).after(200.0);
    let hint = "to keep it down: healer stop shop/web (a stop of what is already dead leaves no trace)";
    assert!(story.messages().iter().all(|message| message.next.iter().any(|next| next == hint)));
}

#[test]
fn without_a_channel_nothing_waits_in_the_outbox() {
    let mut story = Story::new();
    story.settings.channels.clear();
    story.runs("shop/web").begins();
    story.crashes("shop/web", 3).after(200.0);
    assert!(story.engine().state().outbox.is_empty());
    assert_eq!(story.count("message_queued"), 1, "it stands in the journal all the same");
}

#[test]
fn what_is_old_is_not_told_before_it_was_seen_how_it_stands() {
    let mut story = Story::of(&["shop/web"]);
    story.will_end("shop/web", 500, 3, 99).freezes().after(1.0).crashes("shop/web", 3).after(60.0);
    assert_eq!(story.told(), []);
    story.is_killed().after_minutes(10.0).removed("shop/web").process_starts().after(5.0).connects().after(60.0);
    assert_eq!(story.told(), [], "it is gone, and was told to nobody:\n{story}");
    // Where nothing can be seen, that is no reason to be silent.
    let mut story = Story::of(&["shop/web"]);
    story.freezes().after(1.0).crashes("shop/web", 3).after(60.0).is_killed().after_minutes(10.0);
    story.process_starts().after(59.0);
    assert_eq!(story.told(), []);
    story.after(2.0);
    assert_eq!(story.told(), [Kind::Opened], "{story}");
}

#[test]
fn when_a_channel_takes_something_again_all_that_waits_for_it_follows_at_once() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.channel = Delivery::Retry("connection refused".to_owned());
    story.will_end("shop/web", 100, 3, 99).crashes("shop/web", 3).after_minutes(20.0);
    assert_eq!(story.phase("shop/web"), "escalated", "{story}");
    let delivered = |story: &Story| story.count("message_delivered");
    assert_eq!(delivered(&story), 0, "{story}");
    // What is told of another thread at this moment shows that the channel works.
    story.channel = Delivery::Delivered;
    story.crashes("shop/db", 3).after(125.0);
    let last = story.messages().len();
    assert_eq!(delivered(&story), last, "{story}");
    assert!(story.engine().state().outbox.is_empty(), "{story}");
}

#[test]
fn what_is_said_later_in_a_thread_does_not_wait_for_what_was_said_before() {
    let mut story = Story::of(&["shop/web"]);
    story.channel = Delivery::Retry("connection refused".to_owned());
    story.freezes().crashes("shop/web", 3).after_minutes(60.0);
    story.channel = Delivery::Delivered;
    story.says("ann", Ask::Thaw).after(1.0);
    assert_eq!(story.count("message_delivered"), 0, "nothing is due for half an hour:\n{story}");
    story.after(125.0);
    assert!(story.engine().state().outbox.is_empty(), "the end of the thread brings all of it:\n{story}");
}
