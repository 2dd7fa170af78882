//! People who answer by the link of a message: at once, twice, late, or when something else is asked by then. A link names its
//! question, and answers that one alone. Chance of its own, so that the worlds without stay what they were.

use std::collections::BTreeMap;

use model::action::Asked;
use model::command::{Ask, CommandId, Reply};
use model::message::Message;

use super::Deed;
use crate::rng::Rng;
use crate::world::{Ev, World};

/// In so many worlds of a hundred people follow links.
const WORLDS_PERCENT: u64 = 35;
/// Who double clicks does so within this time.
const TWICE_WITHIN_MS: u64 = 900;
/// Old mails are found again within this time.
const LATE_MS: u64 = 50 * 60_000;

/// Who reads mails, and clicks.
pub(crate) struct Links {
    rng: Rng,
    any: bool,
    /// How each question stood when its link was followed, until the answer is in.
    followed: BTreeMap<CommandId, &'static str>,
}

impl Links {
    pub(crate) fn new(seed: u64, all_deeds: bool) -> Links {
        let mut rng = Rng::new(seed ^ 0x006c_696e_6b73);
        let any = rng.percent(WORLDS_PERCENT) && all_deeds;
        Links { rng, any, followed: BTreeMap::new() }
    }
}

impl World<'_> {
    /// A message that puts a question is answered mostly, and its link may be followed again.
    pub(crate) fn message_is_read(&mut self, message: &Message) {
        let Some(asks) = message.asks.as_ref().filter(|_| self.links.any && self.stormy) else { return };
        let rng = &mut self.links.rng;
        let yes = rng.percent(75);
        let soon_max = if rng.percent(30) { 3_000 } else { 300_000 };
        let soon = rng.range(300, soon_max);
        let mut clicks = Vec::new();
        if rng.percent(60) {
            clicks.push((soon, yes));
        }
        if rng.percent(30) {
            clicks.push((soon + rng.below(TWICE_WITHIN_MS), yes ^ rng.percent(40)));
        }
        if rng.percent(25) {
            clicks.push((rng.range(soon, LATE_MS), rng.percent(70)));
        }
        for (wait, yes) in clicks {
            let question = Box::new(asks.question.clone());
            self.after(wait, Ev::Deed(Deed::FollowLink { question, yes }));
        }
    }

    pub(super) fn follow_link(&mut self, question: Box<Asked>, yes: bool) {
        self.counts.hit("person", "link");
        let stands = self.how_it_stands(&question);
        let ask = Ask::Answer { question, approved: yes, because: String::new() };
        if let Some(id) = self.command(ask) {
            self.links.followed.insert(id, stands);
        }
    }

    /// How a question stands, as far as the journal tells.
    fn how_it_stands(&self, question: &Asked) -> &'static str {
        let incident = self.check.shadow.incidents.get(&question.incident.number);
        let last = incident.and_then(|incident| incident.question.as_ref());
        match last {
            Some(last) if last.asked == *question && last.word.is_some() => "decided",
            _ if incident.is_none_or(|incident| incident.phase.is_over()) => "over",
            _ if question.until.0 <= self.now => "expired",
            Some(last) if last.asked.plan != question.plan => "plan changed",
            Some(last) if last.asked.binds != question.binds => "body changed",
            Some(last) if last.asked != *question => "asked anew",
            Some(_) | None => "withdrawn",
        }
    }

    pub(crate) fn link_is_answered(&mut self, reply: &Reply) {
        if let Some(stood) = self.links.followed.remove(&reply.id) {
            self.counts.hit("link", if reply.taken { "taken" } else { stood });
        }
    }
}
