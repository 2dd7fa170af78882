//! What must stay bounded, whatever happens: words in the journal, and the work that one batch makes.

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
