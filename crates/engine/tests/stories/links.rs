//! Answers that name their question: a link in a message answers what its message asked, and nothing that was asked since.

use model::action::Asked;
use model::command::Ask;
use model::fact::{Condition, Health};
use model::incident::Outcome;
use model::message::Kind;
use model::settings::Mode;
use model::view::{Question, Stand};

use crate::story::{Story, needs};

const LINK: &str = "the link in the message to ops-mail";

/// db ← web ← proxy, and web has crashed in mode suggest.
fn asks() -> Story {
    let mut story = Story::new();
    story.settings.mode = Mode::Suggest;
    story.runs("shop/db");
    story.runs_as("shop/web", |d| d.depends_on = vec![needs("db", Condition::Started)]);
    story.runs_as("shop/proxy", |d| d.depends_on = vec![needs("web", Condition::Started)]);
    story.begins().after(5.0).crashes("shop/web", 3).after(10.0);
    assert_eq!(story.phase("shop/web"), "awaiting_approval", "{story}");
    story
}

/// The question that the last message put.
fn asked(story: &Story) -> Asked {
    story.messages().last().unwrap().asks.clone().unwrap().question
}

fn answer(question: &Asked, approved: bool) -> Ask {
    Ask::Answer { question: Box::new(question.clone()), approved, because: String::new() }
}

/// What the page of the last question shows.
fn page(story: &Story) -> Question {
    let now = story.status().now;
    engine::view::question(story.engine(), &story.incident_id(1), now).unwrap()
}

#[test]
fn a_message_names_the_question_that_it_puts_and_one_that_puts_none_names_none() {
    let mut story = asks();
    let [message] = story.messages() else { panic!("{story}") };
    let asks = message.asks.clone().unwrap();
    assert_eq!(asks.question.incident, story.incident_id(1));
    assert_eq!(asks.question.plan.0, "start: start docker:h/shop/web");
    assert_eq!(asks.expires.since(message.at).as_secs(), 30 * 60);
    assert_eq!(message.next[..2], ["healer approve web-1/1", "healer reject web-1/1"]);

    story.docker_start("shop/web").after(200.0);
    assert_eq!(story.told(), [Kind::Opened, Kind::Resolved], "{story}");
    assert_eq!(story.messages()[1].asks, None, "{story}");
}

#[test]
fn a_yes_to_the_question_is_one_execution_and_says_whose_it_was() {
    let mut story = asks();
    let question = asked(&story);
    assert_eq!(page(&story).stand, Stand::Open);
    story.says(LINK, answer(&question, true)).after(200.0);
    assert_eq!((story.starts("shop/web"), story.outcome("shop/web")), (1, Some(Outcome::Healed)), "{story}");
    let stand = page(&story).stand;
    assert!(matches!(&stand, Stand::Decided { by, approved: true, .. } if by == LINK), "{stand:?}");
    // It was answered: that holds whatever comes after.
    story.says(LINK, answer(&question, false)).after(1.0);
    let says = format!("nothing was decided: it was approved already by {LINK}");
    assert!(story.to_string().contains(&says), "{story}");
    assert_eq!(story.count("approval_answered"), 1, "{story}");
}

#[test]
fn a_no_to_the_question_keeps_its_reason() {
    let mut story = asks();
    let question = Box::new(asked(&story));
    let ask = Ask::Answer { question, approved: false, because: "not during the sale".to_owned() };
    story.says(LINK, ask).after(60.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (0, "escalated"), "{story}");
    assert!(story.to_string().contains(&format!("{LINK} rejected the plan: not during the sale")), "{story}");
}

#[test]
fn an_answer_to_an_older_question_does_not_decide_the_newer_one() {
    let mut story = asks();
    let first = asked(&story);
    story.will_end("shop/web", 500, 3, 9).says(LINK, answer(&first, true)).after(60.0);
    assert_eq!((story.starts("shop/web"), story.phase("shop/web")), (1, "awaiting_approval"), "{story}");
    let second = asked(&story);
    assert_ne!(first, second);
    story.says("another", answer(&first, true)).after(60.0);
    assert_eq!((story.starts("shop/web"), story.count("approval_answered")), (1, 1), "{story}");
    assert!(story.to_string().contains("nothing was decided: the question was withdrawn"), "{story}");
    story.says("another", answer(&second, true)).after(10.0);
    assert_eq!(story.starts("shop/web"), 2, "{story}");
}

#[test]
fn an_answer_about_a_body_that_was_made_anew_decides_nothing_not_even_in_the_same_batch() {
    let mut story = asks();
    let question = asked(&story);
    story.recreated("shop/web", |d| d.image_id = "sha256:2".to_owned()).relists();
    story.says(LINK, answer(&question, true)).after(60.0);
    assert_eq!((story.starts("shop/web"), story.count("approval_answered")), (0, 0), "{story}");
    assert!(story.to_string().contains("nothing was decided: the container was made anew"), "{story}");
}

#[test]
fn an_answer_about_another_plan_or_body_or_moment_decides_nothing() {
    let mut story = asks();
    let question = asked(&story);
    let mut other_plan = question.clone();
    other_plan.plan.0.push('!');
    let mut other_body = question.clone();
    other_body.binds.as_mut().unwrap().image_id.push('!');
    let mut other_moment = question.clone();
    other_moment.until.0 += 1;
    let mut other_incident = question.clone();
    other_incident.incident.number = 9;
    for (question, expect) in [
        (other_plan, "the plan has changed since it was asked about"),
        (other_body, "the container was made anew since it was asked about"),
        (other_moment, "the question was withdrawn: there was more to consider"),
        (other_incident, "the incident is over: it is not on record any more"),
    ] {
        story.says(LINK, answer(&question, true)).after(1.0);
        assert!(story.to_string().contains(&format!("nothing was decided: {expect}")), "{expect}: {story}");
    }
    assert_eq!((story.starts("shop/web"), story.count("approval_answered")), (0, 0), "{story}");
}

#[test]
fn an_answer_that_comes_after_the_questions_end_decides_nothing() {
    let mut story = asks();
    let question = asked(&story);
    story.after_minutes(31.0).says(LINK, answer(&question, true)).after(10.0);
    assert_eq!((story.starts("shop/web"), page(&story).stand), (0, Stand::Expired), "{story}");
    assert!(story.to_string().contains("nothing was decided: the question has expired"), "{story}");
    story.docker_start("shop/web").after(200.0).says(LINK, answer(&question, true)).after(1.0);
    assert!(story.to_string().contains("nothing was decided: the incident is over: mended by a person"), "{story}");
}

#[test]
fn a_question_outlives_the_process_that_put_it() {
    let mut story = asks();
    let question = asked(&story);
    story.is_killed().after(5.0).begins();
    assert_eq!(page(&story).stand, Stand::Open, "{story}");
    story.says(LINK, answer(&question, true)).after(10.0);
    assert_eq!(story.starts("shop/web"), 1, "{story}");
}

#[test]
fn a_page_says_what_would_be_done_what_needs_it_and_how_it_is_taken_back() {
    let page = page(&asks());
    assert_eq!((page.short.as_str(), page.risk.as_str()), ("shop/web", "safe"));
    assert_eq!(page.why_asked, "the mode is suggest");
    assert_eq!(page.steps, ["start shop/web (at most 30 s)"]);
    assert_eq!(page.needed_by, ["shop/proxy"]);
    assert_eq!(page.down_meanwhile, "nothing more than now: shop/web is down already");
    assert_eq!(page.undo, "by a stop: `healer stop shop/web`");
    assert!(!page.cause.is_empty() && !page.evidence.is_empty(), "{page:?}");
}

#[test]
fn a_restart_says_who_else_is_cut_off_meanwhile() {
    let mut story = Story::new();
    story.settings.mode = Mode::Suggest;
    story.runs("shop/web");
    story.runs_as("shop/sidecar", |d| d.network_parent = Some(crate::story::named("shop/web")));
    story.begins().after(5.0).turns("shop/web", Health::Unhealthy).after(120.0);
    assert_eq!(story.phase("shop/web"), "awaiting_approval", "{story}");
    let page = page(&story);
    assert_eq!(
        page.steps,
        ["stop shop/web, in order to start it (at most 25 s)", "start shop/web again (at most 30 s)",]
    );
    let cut = "shop/web, for at most 55 s; shop/sidecar, in its network, cannot be reached meanwhile";
    assert_eq!(page.down_meanwhile, cut);
    assert_eq!(page.undo, "there is nothing to take back: it runs before and after");
}
