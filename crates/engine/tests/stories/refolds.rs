//! A batch that the journal reported as failed, and that was written all the same.

use model::incident::Outcome;

use crate::story::Story;

#[test]
fn a_permit_that_was_never_handed_out_is_settled_at_once_and_not_waited_for() {
    let mut story = Story::of(&["shop/web"]);
    (story.appends_fail, story.fail_though_written) = (1, true);
    story.after(5.0).crashes("shop/web", 3).after(1.0);
    assert_eq!(story.starts("shop/web"), 0, "the effects of that batch never ran:\n{story}");
    assert_eq!(story.count("action_settled"), 1, "a look has settled it:\n{story}");
    story.after(15.0);
    // The next attempt comes after its wait, and long before the first one's permit would have ended.
    assert_eq!(story.starts("shop/web"), 1, "{story}");
    story.after(200.0);
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
}

#[test]
fn an_act_under_way_goes_on_though_a_later_batch_is_not_taken() {
    let mut story = Story::of(&["shop/web", "shop/db"]);
    story.after(5.0).crashes("shop/web", 3).after(0.1);
    (story.appends_fail, story.fail_though_written) = (1, true);
    story.crashes("shop/db", 3).after(200.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
    assert_eq!(story.outcome("shop/web"), Some(Outcome::Healed), "{story}");
    assert_eq!(story.outcome("shop/db"), Some(Outcome::Healed), "{story}");
}
