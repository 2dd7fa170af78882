//! What of the committed entries is told aloud.

use model::ResourceId;
use model::action::{Answer, PermitId};
use model::fact::Generation;
use model::incident::{Escalation, IncidentId, Outcome};
use model::message::MessageId;

use super::*;

#[test]
fn what_somebody_should_look_at_is_a_warning_and_the_rest_is_none() {
    let id = || IncidentId { instance: "h".into(), number: 1 };
    let (web, because) = (ResourceId::docker("h", "shop", "web", 1), || "why".to_owned());
    let source = |state| Event::SourceChanged { source: "h".to_owned(), state };
    let escalated = |level| Event::Escalated { id: id(), reason: Escalation::KeepsComingBack, level, until: Tick(1) };
    let answered =
        |answer| Event::ActionAnswered { permit: PermitId(1), resource: web.clone(), id: Some(id()), answer };
    let (channel, message) = (|| "hook".to_owned(), MessageId(1));
    let table = [
        (source(SourceState::Unreachable { because: because(), down: true }), true),
        (source(SourceState::Lost { generation: Generation(1), because: because() }), true),
        (source(SourceState::opened(Generation(1))), false),
        (escalated(0), true),
        (escalated(2), true),
        (Event::MessageGivenUp { id: message, about: None, channel: channel(), because: because() }, true),
        (Event::MessageDelivered { id: message, about: None, channel: channel() }, false),
        (answered(Answer::Failed(because())), true),
        (answered(Answer::AlreadySo), false),
        (Event::IncidentReopened { id: id(), alert: model::alert::Name::ServiceDown, because: because() }, true),
        (Event::IncidentResolved { id: id(), outcome: Outcome::Healed, because: because() }, false),
        (Event::Frozen { by: "ann".to_owned(), because: because() }, false),
        (Event::Ended, false),
    ];
    for (seq, (event, expect)) in (1..).zip(table) {
        let entry = Entry { seq, version: model::event::VERSION, epoch: 1, at: Now::default(), event };
        let [line] = engine::view::lines(std::slice::from_ref(&entry)).try_into().unwrap();
        assert_eq!(is_worth_a_look(&entry.event, line.tone), expect, "{line:?}");
    }
}
