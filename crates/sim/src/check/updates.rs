//! What a person's update may do, and what it leaves: it makes a service anew of what is newer and of nothing else, it goes back
//! once, as they ordered, and where an image's name was left somebody knows.

use model::ResourceId;
use model::action::{Action, Answer, Behalf, Permit, PermitId, Retag, With};
use model::command::{CommandId, Reply};
use model::message::{About, Message};
use model::update::{Fetched, Update};

use super::{Check, Given};
use crate::docker::{Key, Svc};
use crate::world::World;

/// What a person who is told where a name was left reads.
const HOW: &str = "docker tag";
/// What falls ill so long after an update goes back unasked.
const GOES_BACK_WITHIN_MS: u64 = 10 * 60_000;
/// So long healer may be away, and then see what it had made.
const SEEN_LATE_MS: u64 = 150_000;
/// What runs of a newer image for so long is seen to do so.
const SEEN_WITHIN_MS: u64 = 60_000;

impl Check {
    pub(crate) fn permit(&self, permit: PermitId) -> Option<Permit> {
        self.permits.get(&permit).map(|given| given.permit.clone())
    }

    /// The image's name that a permit allows to be given another meaning.
    pub(crate) fn retag_of(&self, permit: PermitId) -> Option<Retag> {
        self.retag(&self.permits.get(&permit)?.permit)
    }

    pub(crate) fn retag(&self, permit: &Permit) -> Option<Retag> {
        match &permit.step.with {
            With::Image(retag) => Some(retag.clone()),
            With::Nothing | With::Memory(_) | With::Network(_) | With::NetworkName(_) => None,
        }
    }

    /// Whether a permit was given on a person's word.
    pub(crate) fn is_a_persons(&self, permit: PermitId) -> bool {
        self.permits.get(&permit).is_some_and(|given| matches!(given.permit.behalf, Behalf::Person(_)))
    }

    /// The order to make a service anew of another image that is being carried out, as long as nobody knows what came of it.
    pub(crate) fn remaking_of(&self, resource: &ResourceId, now: u64) -> Option<(PermitId, Retag)> {
        let unknown = |given: &&Given| matches!(given.answer, None | Some(Answer::Unknown(_)));
        let of = self.perhaps_under_way(now).filter(|given| given.permit.step.resource == *resource);
        of.filter(unknown).find_map(|given| Some((given.permit.id, self.retag(&given.permit)?)))
    }
}

impl World<'_> {
    /// A performer is told to fetch an image.
    pub(super) fn check_fetch(&mut self, order: &Update) {
        let known = self.check.shadow.updates.get(&order.resource) == Some(order);
        if !known {
            let says = format!("an update of {} was never committed", order.resource);
            self.broken("no effect of an uncommitted decision", says);
        }
        if !self.updates.handed.insert((order.command.clone(), order.resource.clone())) {
            let says = format!("{}: {}", order.resource, order.command.0);
            self.broken("an image is fetched once for one order", says);
        }
    }

    /// A person's word makes nothing anew but of an image that was fetched for them and is newer.
    pub(super) fn check_update(&mut self, permit: &Permit) {
        let (Behalf::Person(_), Action::Recreate) = (&permit.behalf, permit.step.action) else { return };
        let resource = &permit.step.resource;
        let newer = match &permit.step.with {
            With::Image(retag) => self.updates.newer.get(resource).is_some_and(|newer| newer.contains(retag)),
            With::Nothing | With::Memory(_) | With::Network(_) | With::NetworkName(_) => false,
        };
        if !newer {
            let says = format!("permit {} to {} {resource}", permit.id.0, permit.step.action);
            self.broken("what has nothing newer runs on as it is", says);
        }
    }

    /// What the journal says a service is made of by a person's update. What was ill by then goes back for nobody.
    pub(super) fn update_is_seen(&mut self, resource: &ResourceId) {
        let ill = self.check.shadow.open_incident(resource).is_some();
        let Some(svc) = self.svc_of(resource).filter(|_| ill) else { return };
        let of = |key: &usize| self.docker.containers[*key].svc == svc;
        if let Some((_, last)) = self.updates.made.iter_mut().rfind(|(key, _)| of(key)) {
            last.ill = true;
        }
    }

    /// Whether a step is what a person ordered with their update: what that had made goes back to what it replaced, if it
    /// fell ill within ten minutes. Nothing else is meant by it; it can do so once, since another body takes its place.
    pub(super) fn goes_back_as_ordered(&mut self, number: u64, permit: &Permit) -> Result<(), &'static str> {
        let (Action::Recreate, With::Image(retag)) = (permit.step.action, &permit.step.with) else {
            return Err("it takes back no update");
        };
        let since = self.check.shadow.incidents.get(&number).map_or(u64::MAX, |incident| incident.since.tick.0);
        let key = self.docker.by_id(&permit.incarnation);
        let Some((key, replaced)) = key.and_then(|key| Some((key, self.updates.made.get(&key)?))) else {
            return Err("no update has made it");
        };
        let undoes =
            (&retag.name, &retag.to, &retag.from) == (&replaced.retag.name, &replaced.retag.from, &replaced.retag.to);
        if !undoes {
            return Err("it is not what the update had replaced");
        }
        if since > replaced.at + GOES_BACK_WITHIN_MS + SEEN_LATE_MS {
            return Err("it fell ill long after the update");
        }
        if replaced.ill {
            return Err("it was ill before the update");
        }
        if self.another_runs_of(self.docker.containers[key].svc, &retag.from) {
            return Err("another service runs of the newer one");
        }
        self.counts.hit("update", "went back unasked");
        Ok(())
    }

    /// Whether another service runs of this image under the same name, as healer must know.
    fn another_runs_of(&self, svc: Svc, image_id: &str) -> bool {
        let name = &self.services[svc].template.image;
        let Some(healer) = self.leader().filter(|healer| healer.eyes.watches_for(self.now, SEEN_WITHIN_MS)) else {
            return false;
        };
        (0..self.services.len()).filter(|other| *other != svc && self.services[*other].template.image == *name).any(
            |other| {
                let long = |key: usize| {
                    self.docker.containers[key].well_since.is_some_and(|since| since + SEEN_WITHIN_MS <= self.now)
                };
                let world = healer.turning.engine().world();
                let seen = world.body(&self.services[other].resource).and_then(|(_, body)| body.definition.as_ref());
                seen.is_some_and(|made| made.image_id == image_id && made.belongs.is_healers())
                    && self.docker.body(other).is_some_and(long)
            },
        )
    }

    // ---- names

    /// Whoever gave a command reads what came of it.
    pub(crate) fn update_is_answered(&mut self, reply: &Reply) {
        for line in reply.lines.iter().filter(|line| line.text.contains(HOW)) {
            if let Some(resource) = line.resource.clone() {
                self.is_told_where_its_name_is(&resource, "told in its answer");
            }
        }
    }

    /// Whoever reads of it in a message knows, too.
    pub(super) fn name_is_told(&mut self, message: &Message, nobody: bool) {
        let lines = message.story.iter().chain(&message.next).chain([&message.title]);
        let says = lines.into_iter().any(|line| line.contains(HOW));
        let of = match &message.about {
            About::Incident { resource, .. } => Some(resource.clone()),
            About::Notice { resource, .. } => resource.clone(),
            About::Recovery { .. } => None,
        };
        if let Some(resource) = of.filter(|_| says) {
            self.is_told_where_its_name_is(&resource, if nobody { "told by why" } else { "told by a message" });
        }
    }

    /// `healer why` tells why an image was not fetched.
    pub(super) fn fetch_is_noted(&mut self, id: &CommandId, resource: &ResourceId, result: &Fetched) {
        match result {
            Fetched::Failed(why) if why.contains("may mean") => {
                self.updates.given_up.insert((id.clone(), resource.clone()));
                self.is_told_where_its_name_is(resource, "told by why");
            }
            Fetched::Failed(_) | Fetched::Newer(_) | Fetched::Same => {}
        }
    }

    /// Somebody is told where the name of a service's image is.
    pub(super) fn is_told_where_its_name_is(&mut self, resource: &ResourceId, how: &'static str) {
        let Some(svc) = self.svc_of(resource) else { return };
        self.counts.hit("update", how);
        if let Some(moved) = self.updates.moved.get_mut(&svc) {
            moved.told = true;
        }
    }

    /// A service runs, or is made by somebody, of what its image's name was given to.
    pub(crate) fn name_is_in_use(&mut self, key: Key) {
        let container = &self.docker.containers[key];
        if self.updates.moved.get(&container.svc).is_some_and(|moved| moved.to == container.def.image_id) {
            self.updates.moved.remove(&container.svc);
        }
    }

    /// After the calm each name that an update has moved is what its service is made of, or somebody knows.
    pub(crate) fn check_moved_names(&mut self) {
        let untold = self.updates.moved.iter().find(|(svc, moved)| {
            let service = &self.services[**svc];
            let left = !moved.told && service.template.image_id == moved.to;
            let runs = self.docker.body(**svc).map(|key| &self.docker.containers[key].def.image_id);
            left && runs.is_some_and(|runs| *runs != moved.to)
        });
        if let Some((svc, moved)) = untold {
            let says = format!("{}: {moved:?}", self.services[*svc].resource);
            self.broken("a person is told where an image's name was left", says);
        }
    }
}
