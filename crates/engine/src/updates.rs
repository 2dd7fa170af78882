//! Updates at a person's word: an image is fetched while the service runs on as it is, and only where it is a newer one is the
//! service made anew of it, by the same hands and rules as any other act of theirs. That it goes back where it does not stay
//! well is part of the order ([`crate::diagnose`], `broken_by_deploy`).

use model::ResourceId;
use model::action::{Action, Behalf, Pair, Retag, Step, With};
use model::command::{Ask, CommandId, ReplyLine};
use model::event::Event;
use model::fact::Belongs;
use model::input::Effect;
use model::intent::Wanted;
use model::make::{Deploy, Make, short_id};
use model::update::{Fetched, Source, Update};
use model::verdict::{Refusal, Verdict};

use crate::person::{failed, line};
use crate::{Engine, PendingReply, plan};

const ENDED_WITH_HEALER: &str =
    "healer was ended meanwhile; its image's name may mean a newer one by now, of which the same command makes it";
/// How a name is given back.
const TAKES_BACK: &str = "docker tag";

impl Engine {
    /// Has the images of what a person's words mean fetched, and answers once each service runs of its newest.
    pub(crate) fn update(&mut self, id: &CommandId, who: &str, ask: &Ask, words: &str, source: Source) {
        let meant = match self.meant_by(words) {
            Ok(meant) => meant,
            Err(unclear) => return self.reply(id, false, vec![failed(None, &unclear.to_string())]),
        };
        if meant.is_empty() {
            return self.not_known(id, words);
        }
        let by_name = matches!(meant.as_slice(), [only] if only.as_str() == words || only.short() == words);
        let (mut lines, mut orders) = (Vec::new(), Vec::new());
        for resource in meant {
            match self.may_update(ask, &resource, by_name) {
                Ok(()) => orders.extend(self.world.body(&resource).map(|(incarnation, _)| Update {
                    command: id.clone(),
                    who: who.to_owned(),
                    resource: resource.clone(),
                    incarnation: incarnation.clone(),
                    source,
                })),
                Err(told) => lines.push(told),
            }
        }
        if orders.is_empty() {
            let refused = lines.iter().any(|line| line.failed);
            return self.reply(id, !refused, lines);
        }
        self.take(id, who, ask);
        let outstanding = orders.iter().map(|order| order.resource.clone()).collect();
        self.live.replies.insert(id.clone(), PendingReply { lines, outstanding });
        for order in orders.into_iter().map(Box::new) {
            self.emit(Event::UpdateOrdered { order: order.clone() });
            self.effects.push(Effect::Fetch(order));
        }
    }

    /// Why a service is not updated, if it is not. An update neither starts what somebody stopped nor says that it shall run.
    fn may_update(&mut self, ask: &Ask, resource: &ResourceId, by_name: bool) -> Result<(), ReplyLine> {
        let refused = |why: String| Err(failed(Some(resource), &format!("refused: {why}")));
        match self.refused_to_persons(resource).or_else(|| self.frozen()) {
            Some(Verdict::Hold(hold, _)) => return Err(failed(Some(resource), &self.refused_by(&hold))),
            Some(Verdict::Refuse(refusal)) => {
                self.note_refusal(&refusal);
                return refused(refusal.to_string());
            }
            Some(Verdict::Allow(_) | Verdict::Ask(_)) | None => {}
        }
        if !by_name && let Some(text) = self.left_as_it_is(ask, resource) {
            return Err(line(Some(resource), &text));
        }
        let name = self.name_of(resource);
        match self.state.intents.get(resource).map(|intent| intent.wanted) {
            _ if self.faults.update_intent_not_asked => {}
            Some(Wanted::Running) => {}
            Some(Wanted::Stopped) => {
                return refused(format!("{}: `healer start {name}` first", Refusal::StoppedOnPurpose));
            }
            Some(Wanted::Unknown) | None => {
                return refused(format!("nobody knows whether it shall run: `healer start {name}` first"));
            }
        }
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.as_deref());
        if definition.is_none_or(|definition| definition.belongs != Belongs::ComposeService) {
            return refused("Compose did not make it, so that no file says how it is made anew".to_owned());
        }
        if self.world.replicas(resource).next().is_some() {
            return refused("it has replicas, and Compose makes all of them anew or none".to_owned());
        }
        if let Some(order) = self.state.updates.get(resource) {
            return refused(format!("{} is having its image fetched already", order.who));
        }
        if self.is_being_updated(resource) {
            return refused("its image was fetched already, and it is yet to be made anew of that".to_owned());
        }
        Ok(())
    }

    fn is_being_updated(&self, resource: &ResourceId) -> bool {
        let updates = |step: &Step| step.resource == *resource && matches!(step.with, With::Image(_));
        self.state.queue.iter().any(|queued| queued.steps.iter().any(updates))
            || self.state.acts.values().any(|act| updates(&act.permit.step))
    }

    /// The fetching of an image is over. A newer one is put in the service's place in a person's turn, if it shall still run
    /// by then.
    pub(crate) fn fetched(&mut self, id: &CommandId, resource: &ResourceId, result: &Fetched) {
        let Some(order) = self.state.updates.get(resource).filter(|order| order.command == *id).cloned() else {
            return;
        };
        self.emit(Event::ImageFetched { id: id.clone(), resource: resource.clone(), result: result.clone() });
        let text = match result {
            Fetched::Newer(retag) => {
                let definition = self.world.body(resource).and_then(|(_, body)| body.definition.clone());
                let step = plan::step(Action::Recreate, resource, definition.as_deref(), Pair::None);
                let steps = vec![Step { with: With::Image((**retag).clone()), ..step }];
                self.emit(Event::CommandQueued { id: id.clone(), who: order.who, steps });
                return;
            }
            Fetched::Same if self.faults.same_made_anew => {
                let step = plan::step(Action::Recreate, resource, None, Pair::None);
                return self.emit(Event::CommandQueued { id: id.clone(), who: order.who, steps: vec![step] });
            }
            Fetched::Same => {
                return self.reply_line(id, line(Some(resource), "there is no newer image: it stays as it is"));
            }
            Fetched::Failed(why) => format!("{} failed, and it stays as it is: {why}", order.source.verb()),
        };
        if !self.faults.failed_update_unanswered {
            self.reply_line(id, failed(Some(resource), &text));
        }
    }

    /// A service was not made anew of the newer image, which its image's name may mean all the same. Whoever had it updated
    /// reads where that is; where they do not wait for an answer any more, that is a notice. What healer's hands say that
    /// failed, they say what became of the name.
    pub(crate) fn not_updated(&mut self, command: &CommandId, step: &Step, text: &str, retag: &Retag, hands_say: bool) {
        let Retag { name, from, to, .. } = retag;
        let (resource, takes_back) = (&step.resource, format!("{TAKES_BACK} {from} {name}"));
        if self.faults.name_left_untold || (hands_say && !text.contains(TAKES_BACK)) {
            return self.reply_line(command, failed(Some(resource), text));
        }
        let text = match hands_say {
            true => text.to_owned(),
            false => format!("{text}; {name} may mean {to} by now: `{takes_back}` takes that back"),
        };
        let whole = format!("{}: {text}", resource.short());
        if self.live.replies.get(command).is_some_and(|pending| pending.outstanding.contains(resource)) {
            self.note(resource, whole);
            return self.reply_line(command, failed(Some(resource), &text));
        }
        let title = format!("{} was not made anew of the image that was fetched for it", resource.short());
        self.notice(resource.host(), Some(resource), title, vec![whole], vec![takes_back]);
    }

    /// What a service runs by now, for whoever had it updated.
    pub(crate) fn updated_in_words(&self, resource: &ResourceId, step: &Step) -> Option<String> {
        let With::Image(image) = &step.with else { return None };
        let made = format!("made anew of {} as it is now ({})", image.name, short_id(&image.to));
        let deploy = self.state.makes.deploy_before(resource, self.now.tick).filter(|deploy| deploy.by.is_some());
        Some(match deploy {
            Some(Deploy { from, .. }) => {
                format!("{made}; if it falls ill of that within 10 min, it goes back to {}", short_id(&from.image_id))
            }
            None => format!("{made}; it was not known to be well before, so that nobody takes this back unasked"),
        })
    }

    /// Who had healer make a service what it is seen to be, while that is under way.
    pub(crate) fn updated_by(&self, resource: &ResourceId, make: &Make) -> Option<String> {
        let is_of = |image: &Retag| (&image.name, &image.to) == (&make.image, &make.image_id);
        let makes =
            |step: &Step| step.resource == *resource && matches!(&step.with, With::Image(image) if is_of(image));
        let acts = self.state.acts.values().filter(|act| makes(&act.permit.step));
        acts.filter_map(|act| match &act.permit.behalf {
            Behalf::Person(who) => Some(who.clone()),
            Behalf::Incident(_) => None,
        })
        .next()
    }

    /// What the last batch ordered is being done.
    pub(crate) fn note_handed_updates(&mut self) {
        self.live.updates_handed = self.state.updates.keys().cloned().collect();
    }

    /// What the journal has ordered, and nobody was told to do, since its batch was reported as failed.
    pub(crate) fn owed_updates(&self) -> Vec<Effect> {
        let owed = self.state.updates.iter().filter(|(resource, _)| !self.live.updates_handed.contains(*resource));
        owed.map(|(_, order)| Effect::Fetch(Box::new(order.clone()))).collect()
    }

    /// What fetched an image ended with the process that had it do so. The service runs on as it was.
    pub(crate) fn give_up_updates(&mut self) {
        if self.faults.update_never_given_up {
            return;
        }
        for (resource, order) in self.state.updates.clone() {
            self.fetched(&order.command, &resource, &Fetched::Failed(ENDED_WITH_HEALER.to_owned()));
        }
    }
}
