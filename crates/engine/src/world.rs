//! What the sources see at present. Never recovered, only looked up: a new process begins with nothing here.

mod body;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use model::fact::{
    Definition, Fact, Generation, Happening, Health, Incarnation, Observation, Run, SourceTime, What, lies_on,
};
use model::folder::Folder;
use model::incident::DeadNetwork;
use model::input::SourceState;
use model::{Now, ResourceId, Tick, Wall};

pub use body::Body;

use crate::kept::Kept;

/// So many destroyed bodies are remembered.
const DESTROYED_MAX: usize = 64;
/// An engine that is told to stop ends its containers, and then its stream, within so long.
const GOES_OUT_WITHIN_MS: i64 = 120_000;
/// A deployment is being deployed until it has been quiet for this long after a sign of a deploy.
const DEPLOY_QUIET: Duration = Duration::from_secs(60);

/// All that is seen.
#[derive(Debug, Default)]
pub struct World {
    sources: Kept<String, Source>,
    bodies: Kept<ResourceId, BTreeMap<Incarnation, Body>>,
    /// The resources that were ever seen to share another one's network namespace.
    sharing: BTreeSet<ResourceId>,
    /// The bodies that were destroyed last: a look that was taken before, and arrives after, does not bring one back.
    destroyed: VecDeque<Incarnation>,
    /// So many of them in this batch.
    just_destroyed: usize,
    /// The newest body that stood for each resource: the next one may be made of something else.
    stood: Kept<ResourceId, Stood>,
    /// Until when each deployment (host, name) counts as being deployed.
    deploys: Kept<(String, String), Tick>,
    /// The deployments that have a directory, by host and name.
    folders: BTreeMap<(String, String), Folder>,
    /// The mount points of each host that should be there and are not.
    missing_mounts: BTreeMap<String, BTreeSet<String>>,
}

/// Since when a body was known that stood for its resource, and what it was made of.
type Stood = (Tick, Arc<Definition>);

/// A source, as it stands.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The open connection.
    pub generation: Option<Generation>,
    /// When it was opened.
    pub opened_at: Tick,
    /// How far its clock is ahead of ours, as far as that was told.
    pub ahead_ms: i64,
    /// The last connection that was opened, lost or not.
    last: Option<Generation>,
    /// Whether a full listing was seen through it.
    pub listed: bool,
    /// When that was complete.
    pub listed_at: Option<Tick>,
    /// Whether any listing was ever seen by this process: what appears later appeared before our eyes.
    pub ever_listed: bool,
    /// It is being shut down.
    pub closing: bool,
    /// Why it cannot be reached; empty while it can.
    pub because: String,
    /// Since its stream was lost nobody was there at all.
    down: bool,
    /// When its stream was lost.
    lost: Option<Wall>,
    /// When the stream of the connection before this one was.
    lost_before: Option<Wall>,
    /// The last time that its API was closed: from the loss of the stream to the first answer, if it could not be
    /// reached in between.
    out: Option<(Wall, Wall)>,
}

impl Source {
    /// Whether nobody was there at all since its stream was lost.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.down
    }

    /// Whether that was not long before the connection before this one was lost, or later: never, of the first one.
    #[must_use]
    pub fn was_lost_about(&self, at: SourceTime) -> bool {
        self.lost_before.is_some_and(|lost| lost.0 - GOES_OUT_WITHIN_MS <= at.0.div_euclid(1_000_000))
    }

    /// Whether its API was found closed soon after that moment.
    #[must_use]
    pub fn went_out_after(&self, at: SourceTime) -> bool {
        let at_ms = at.0.div_euclid(1_000_000);
        self.out.is_some_and(|(from, _)| at_ms <= from.0 && from.0 - at_ms <= GOES_OUT_WITHIN_MS)
    }

    /// Whether its API was closed at that moment, as far as this process saw. Whatever ended then was ended by no person.
    ///
    /// Compares the source's clock with ours, which are one on a local engine.
    #[must_use]
    pub fn was_out(&self, at: SourceTime) -> bool {
        let at_ms = at.0.div_euclid(1_000_000);
        self.out.is_some_and(|(from, to)| from.0 <= at_ms && at_ms <= to.0)
    }
}

/// What a fact changed, as far as somebody else than `world` has to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// It came through an older connection, or after the body's end, and was not believed.
    pub stale: bool,
    /// It is a look that was overtaken by what it does not show.
    pub overtaken: bool,
    /// It is no more, and no other body of the resource is left.
    pub vanished: bool,
    /// It is made of something else than the resource's body was before.
    pub redefined: bool,
    /// A look showed it running since a start of which nothing was known.
    pub start_is_news: bool,
    /// Something is put in the place of something else.
    pub deploys: bool,
}

impl World {
    /// A source of that name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }

    /// All sources, by name.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(name, source)| (name.as_str(), source))
    }

    /// All resources that have a body.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceId> {
        self.bodies.keys()
    }

    /// The body that stands for a resource: one that runs, else one that was not set aside, else the newest.
    #[must_use]
    pub fn body(&self, resource: &ResourceId) -> Option<(&Incarnation, &Body)> {
        self.bodies.get(resource)?.iter().max_by_key(|(_, body)| body.precedence())
    }

    /// One body of a resource.
    #[must_use]
    pub fn body_of(&self, resource: &ResourceId, incarnation: &Incarnation) -> Option<&Body> {
        self.bodies.get(resource)?.get(incarnation)
    }

    /// Whether a body was made in the place of another one that is no more.
    pub(crate) fn replaced_is_gone(&self, resource: &ResourceId, body: &Body) -> bool {
        let replaces = body.definition.as_ref().and_then(|definition| definition.replaces.as_ref());
        replaces.is_some_and(|old| self.body_of(resource, old).is_none())
    }

    /// How many bodies of a source the last look at failed, and why at one of them.
    #[must_use]
    pub fn unlooked(&self, source: &str) -> (usize, Option<&str>) {
        let of_source = self.bodies.iter().filter(|(resource, _)| resource.source() == source);
        let mut because = of_source.flat_map(|(_, bodies)| bodies.values()).filter_map(|body| body.unlooked.as_deref());
        let one = because.next();
        (usize::from(one.is_some()) + because.count(), one)
    }

    /// All bodies, of whatever they are.
    #[must_use]
    pub fn incarnations(&self) -> BTreeSet<&Incarnation> {
        self.bodies.values().flat_map(BTreeMap::keys).collect()
    }

    /// All bodies of a resource.
    pub fn bodies(&self, resource: &ResourceId) -> impl Iterator<Item = &Body> + Clone {
        self.bodies.get(resource).into_iter().flat_map(BTreeMap::values)
    }

    /// The bodies that claim to be the same resource as the one that is seen.
    pub(crate) fn others(&self, seen: &Observation) -> impl Iterator<Item = (&Incarnation, &Body)> {
        let all = self.bodies.get(&seen.resource).into_iter().flatten();
        all.filter(|(incarnation, _)| **incarnation != seen.incarnation)
    }

    /// All that claim to be a resource.
    pub fn claimants(&self, resource: &ResourceId) -> impl Iterator<Item = &Incarnation> {
        self.bodies.get(resource).into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether more than one body claims to be the resource, none of them runs, and nobody can tell which one is meant. What
    /// had run before it was set aside is not meant any more once a newer one has its name.
    #[must_use]
    pub fn is_ambiguous(&self, resource: &ResourceId) -> bool {
        let Some((standing, body)) = self.body(resource) else { return false };
        let mut others = self.bodies.get(resource).into_iter().flatten().filter(|(other, _)| *other != standing);
        !body.is_up() && others.any(|(_, other)| !body.has_replaced(other))
    }

    /// Whether the resource was seen through its source's present connection.
    #[must_use]
    pub fn is_fresh(&self, resource: &ResourceId) -> bool {
        let open = self.sources.get(resource.source()).filter(|source| !source.closing);
        let present = open.and_then(|source| source.generation);
        self.body(resource).is_some_and(|(_, body)| Some(body.generation) == present)
    }

    /// Until when the resource's deployment counts as being deployed, if it does.
    #[must_use]
    pub fn deploying_until(&self, resource: &ResourceId, now: Tick) -> Option<Tick> {
        let key = (resource.host().to_owned(), resource.deployment().to_owned());
        self.deploys.get(&key).copied().filter(|until| *until > now)
    }

    /// The resources of the same deployment, this one among them.
    pub(crate) fn deployment_of(&self, resource: &ResourceId) -> impl Iterator<Item = &ResourceId> {
        let prefix = resource.deployment_prefix().to_owned();
        let from = self.bodies.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        from.map(|(other, _)| other).take_while(move |other| other.as_str().starts_with(&prefix))
    }

    /// The directories of a host are these.
    pub(crate) fn set_folders(&mut self, host: &str, folders: &[Folder]) {
        self.folders.retain(|(of, _), _| of != host);
        let keyed = |folder: &Folder| ((host.to_owned(), folder.deployment.clone()), folder.clone());
        self.folders.extend(folders.iter().map(keyed));
    }

    /// The directory of a deployment, if it has one.
    #[must_use]
    pub fn folder(&self, host: &str, deployment: &str) -> Option<&Folder> {
        self.folders.get(&(host.to_owned(), deployment.to_owned()))
    }

    /// The deployments that have a directory, and no container: known once their host was seen whole.
    pub fn without_containers(&self) -> impl Iterator<Item = &Folder> {
        let is_listed = |folder: &&Folder| self.sources.get(&folder.host).is_some_and(|source| source.listed);
        let is_empty = |folder: &&Folder| {
            let prefix = format!("docker:{}/{}/", folder.host, folder.deployment);
            let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
            !self.bodies.range::<str, _>(from).next().is_some_and(|(id, _)| id.as_str().starts_with(&prefix))
        };
        self.folders.values().filter(is_listed).filter(is_empty)
    }

    /// What a host should have mounted, and has not, is this.
    pub(crate) fn set_missing_mounts(&mut self, host: &str, missing: &BTreeSet<String>) {
        self.missing_mounts.insert(host.to_owned(), missing.clone());
    }

    /// Whether anything is missing that a host should have mounted.
    pub(crate) fn lacks_mounts(&self, host: &str) -> bool {
        self.missing_mounts.get(host).is_some_and(|missing| !missing.is_empty())
    }

    /// The mount that a resource has files on and that is not there.
    #[must_use]
    pub fn missing_mount(&self, resource: &ResourceId) -> Option<&str> {
        let missing = self.missing_mounts.get(resource.host()).filter(|missing| !missing.is_empty())?;
        let paths = &self.definition(resource)?.host_paths;
        missing.iter().find(|mount| paths.iter().any(|path| lies_on(path, mount))).map(String::as_str)
    }

    /// The mounts that are missing, each with the resources that have files on it, of whomever they are.
    #[must_use]
    pub fn missing_in_use(&self) -> BTreeMap<&str, Vec<&ResourceId>> {
        let mut used: BTreeMap<&str, Vec<&ResourceId>> = BTreeMap::new();
        let lacking = self.missing_mounts.values().any(|missing| !missing.is_empty());
        for resource in self.bodies.keys().filter(|_| lacking) {
            if let Some(mount) = self.missing_mount(resource) {
                used.entry(mount).or_default().push(resource);
            }
        }
        used
    }

    fn definition(&self, resource: &ResourceId) -> Option<&Definition> {
        self.body(resource).and_then(|(_, body)| body.definition.as_deref())
    }

    /// The resources of the same deployment that this one needs: its dependencies and its network parent.
    pub fn parents<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ResourceId> {
        let definition = self.definition(resource);
        let needs = move |other: &ResourceId| definition.is_some_and(|definition| is_needed_by(other, definition));
        self.deployment_of(resource).filter(move |other| *other != resource && needs(other))
    }

    /// The other replicas of the same service.
    pub fn replicas<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ResourceId> {
        self.deployment_of(resource).filter(move |other| *other != resource && other.service() == resource.service())
    }

    /// The resources that share this one's network namespace.
    pub fn network_children<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ResourceId> {
        self.sharing.iter().filter(move |other| {
            self.definition(other).is_some_and(|definition| definition.network_parent.as_ref() == Some(resource))
        })
    }

    /// Why the network namespace that a resource shares is dead, if it is: known of both by looks. What is down shares none,
    /// and can join none where the container that it names is no more.
    #[must_use]
    pub fn dead_network(&self, resource: &ResourceId) -> Option<DeadNetwork> {
        if !self.sharing.contains(resource) {
            return None;
        }
        let joins = |run| matches!(run, Run::Running | Run::Exited | Run::Created);
        let (_, child) = self.body(resource).filter(|(_, body)| joins(body.run) && body.is_looked_at())?;
        let shared = child.definition.as_ref()?.network_body.as_ref()?;
        if !self.source(resource.source()).is_some_and(|source| source.listed) {
            return None;
        }
        let holds = |(_, bodies): &(&ResourceId, &BTreeMap<Incarnation, Body>)| bodies.contains_key(shared);
        let Some((parent, bodies)) = self.bodies.iter().find(holds) else {
            let parent = child.definition.as_ref()?.network_parent.clone();
            let Some((parent, body)) = parent.and_then(|parent| Some((parent.clone(), self.body(&parent)?.1))) else {
                return Some(DeadNetwork::Gone);
            };
            // Whoever replaces it may wait for it to be well, and then replace this one too.
            let may_be_joined = body.run == Run::Running && body.health != Health::Starting;
            return may_be_joined.then_some(DeadNetwork::MadeAnew(parent));
        };
        let running = bodies.get(shared).filter(|body| body.run == Run::Running && body.is_looked_at())?;
        (child.run == Run::Running && running.started > child.started).then(|| DeadNetwork::StartedAnew(parent.clone()))
    }

    /// The resources of the same deployment that need this one.
    pub fn dependents<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ResourceId> {
        let needs = move |definition: &Definition| is_needed_by(resource, definition);
        self.deployment_of(resource)
            .filter(move |other| *other != resource && self.definition(other).is_some_and(needs))
    }

    /// Whether some service of the deployment awaits this one's completion: then it is a job.
    #[must_use]
    pub fn is_awaited_job(&self, resource: &ResourceId) -> bool {
        use model::fact::Condition;
        self.dependents(resource).any(|other| {
            self.body(other).and_then(|(_, body)| body.definition.as_deref()).is_some_and(|definition| {
                definition
                    .depends_on
                    .iter()
                    .any(|d| d.service == resource.service() && d.condition == Condition::CompletedSuccessfully)
            })
        })
    }

    /// Since its stream was lost its engine was away, though nobody noticed: one that comes back soon keeps those waiting who
    /// ask, and its first answer is the end of that.
    pub(crate) fn was_down(&mut self, name: &str) {
        if let Some(source) = self.sources.get_mut(name) {
            source.down = true;
        }
    }

    /// Takes a source's report in. Returns the resources that vanished with a listing.
    pub fn report(&mut self, name: &str, state: &SourceState, now: Now) -> Vec<(ResourceId, Incarnation)> {
        let source = self.sources.entry(&name.to_owned());
        match state {
            SourceState::Unreachable { because, down } => {
                source.down |= down;
                source.generation = None;
                source.listed = false;
                source.because.clone_from(because);
            }
            SourceState::Closing => source.closing = true,
            SourceState::Lost { generation, because } => {
                if source.generation == Some(*generation) {
                    source.generation = None;
                    source.listed = false;
                    source.because.clone_from(because);
                    source.lost = Some(now.wall);
                }
            }
            SourceState::Opened { generation, ahead_ms, .. } => {
                let was_out = source.down;
                *source = Source {
                    generation: Some(*generation),
                    opened_at: now.tick,
                    last: Some(*generation),
                    ever_listed: source.ever_listed,
                    lost_before: source.lost,
                    ahead_ms: *ahead_ms,
                    out: source.lost.filter(|_| was_out).map(|lost| (lost, now.wall)).or(source.out),
                    ..Source::default()
                };
            }
            SourceState::Listed { generation, present } => {
                if source.generation == Some(*generation) {
                    source.listed = true;
                    source.listed_at = source.listed_at.or(Some(now.tick));
                    source.ever_listed = true;
                    return self.sweep(name, *generation, present);
                }
            }
        }
        Vec::new()
    }

    /// Forgets the bodies that a full listing did not show. One that was seen through the listing's own connection is
    /// spared: it may have been made while the listing was under way, and its end has an event of its own.
    fn sweep(
        &mut self,
        source: &str,
        listed: Generation,
        present: &[(ResourceId, Incarnation)],
    ) -> Vec<(ResourceId, Incarnation)> {
        let present: BTreeSet<(&ResourceId, &Incarnation)> = present.iter().map(|(r, i)| (r, i)).collect();
        let mut vanished = Vec::new();
        let stays = |resource: &ResourceId, incarnation: &Incarnation, body: &Body| {
            body.generation == listed || present.contains(&(resource, incarnation))
        };
        let of_source = |resource: &ResourceId, bodies: &BTreeMap<Incarnation, Body>| {
            resource.source() == source && bodies.iter().any(|(incarnation, body)| !stays(resource, incarnation, body))
        };
        for (resource, bodies) in self.bodies.each_mut(of_source) {
            let mut last = None;
            bodies.retain(|incarnation, body| {
                let stays = stays(resource, incarnation, body);
                if !stays {
                    last = Some(incarnation.clone());
                }
                stays
            });
            if let (true, Some(incarnation)) = (bodies.is_empty(), last) {
                vanished.push((resource.clone(), incarnation));
            }
        }
        self.bodies.retain(|_, bodies| !bodies.is_empty());
        let bodies = &self.bodies;
        self.stood.retain(|resource, _| bodies.contains_key(resource));
        vanished
    }

    /// The stream broke before it was settled whose signals these were: how the bodies of a source ended is to be
    /// judged by evidence.
    pub fn unsettle(&mut self, source: &str, mut each: impl FnMut(&ResourceId, &Incarnation, &Body)) {
        for (resource, bodies) in self.bodies.each_mut(|resource, _| resource.source() == source) {
            for (incarnation, body) in bodies {
                each(resource, incarnation, body);
                body.end_seen = false;
                body.watched_since = None;
            }
        }
    }

    /// A batch begins: what the last one told stays.
    pub(crate) fn begin_batch(&mut self) {
        self.just_destroyed = 0;
        self.sources.begin_batch();
        self.bodies.begin_batch();
        self.stood.begin_batch();
        self.deploys.begin_batch();
    }

    /// The last batch was not taken, and comes again: nothing of it is known yet.
    pub(crate) fn take_back(&mut self) {
        self.destroyed.truncate(self.destroyed.len().saturating_sub(self.just_destroyed));
        self.sources.take_back();
        self.bodies.take_back();
        self.stood.take_back();
        self.deploys.take_back();
    }

    /// When anything happened is not known any more: all is to be looked at anew.
    pub(crate) fn forget_when(&mut self) {
        self.bodies.each_mut(|_, _| true).flat_map(|(_, bodies)| bodies.values_mut()).for_each(Body::forget_when);
        for (_, source) in self.sources.each_mut(|_, _| true) {
            (source.listed, source.out, source.lost, source.lost_before) = (false, None, None, None);
        }
    }

    /// Takes an observation in.
    pub fn observe(&mut self, seen: &Observation, now: Tick) -> Change {
        // A fact of an older connection is knowledge of the past; one of the last connection counts though that is lost,
        // since it was seen before: but it is not fresh.
        let source = self.sources.get(seen.resource.source());
        let last = source.and_then(|source| source.last);
        let stale = last.is_none_or(|last| seen.generation < last);
        let too_late = self.destroyed.contains(&seen.incarnation) && !is_for_good(&seen.fact);
        if stale || too_late {
            return Change { stale: true, ..Change::default() };
        }
        if is_for_good(&seen.fact) {
            return self.forget(seen);
        }
        let lists_all = source.is_some_and(|source| source.listed && source.generation == Some(seen.generation));
        let bodies = self.bodies.entry(&seen.resource);
        // What could not be looked at was not seen, through whatever connection.
        let generation = if matches!(seen.fact, Fact::Unlooked(_)) { Generation(0) } else { seen.generation };
        let is_new = !bodies.contains_key(&seen.incarnation);
        let body = bodies.entry(seen.incarnation.clone()).or_insert_with(|| Body::unseen(generation, now));
        if is_new && lists_all {
            body.hear_all(generation);
        }
        if let Fact::Unlooked(because) = &seen.fact {
            body.unlooked = Some(because.clone());
            return Change::default();
        }
        body.generation = body.generation.max(seen.generation);
        body.at = now;
        let was_well = (!is_new).then(|| body.is_well());
        let overtaken = matches!(&seen.fact, Fact::Looked(look) if body.is_of_the_past(look));
        let start_is_news = matches!(&seen.fact, Fact::Looked(look) if body.is_news_of_a_start(look));
        match &seen.fact {
            Fact::Looked(look) => {
                if look.definition.network_parent.is_some() {
                    self.sharing.insert(seen.resource.clone());
                }
                body.note_restarts(look, now);
                body.looked(look, seen.generation);
            }
            Fact::Happened(happening) => body.happened(happening, seen.generation),
            Fact::ApiOpenAfter(_) | Fact::Gone | Fact::Unlooked(_) => {}
        }
        body.note_well(was_well, now);
        let deploys = matches!(&seen.fact, Fact::Happened(Happening { what: What::Renamed { .. }, .. }));
        let redefined = self.is_redefined(&seen.resource);
        Change { overtaken, redefined, start_is_news, deploys, ..Change::default() }
    }

    /// Whether what stands for a resource is made of something else than what stood for it before: told once.
    fn is_redefined(&mut self, resource: &ResourceId) -> bool {
        // One that is older, or to be replaced, stands for it only until that is done.
        let newest = self.stood.get(resource).map_or(Tick(0), |(since, _)| *since);
        let standing = self.body(resource).filter(|(_, body)| !body.aside && body.known_since >= newest);
        let Some((since, new)) = standing.and_then(|(_, body)| Some((body.known_since, body.definition.clone()?)))
        else {
            return false;
        };
        let before = self.stood.insert(resource.clone(), (since, new.clone()));
        // Of two that were first heard of together, neither is what the other was made into.
        if before.is_none_or(|(then, old)| then >= since || old.same_thing(&new)) {
            return false;
        }
        // In this process's first listing one body after the other comes to stand for it: nothing is new then.
        self.sources.get(resource.source()).is_some_and(|source| source.ever_listed)
    }

    fn forget(&mut self, seen: &Observation) -> Change {
        if !matches!(seen.fact, Fact::Gone) && !self.destroyed.contains(&seen.incarnation) {
            self.destroyed.push_back(seen.incarnation.clone());
            self.just_destroyed += 1;
            if self.destroyed.len() > DESTROYED_MAX {
                self.destroyed.pop_front();
            }
        }
        let Some(bodies) = self.bodies.get_mut(&seen.resource) else { return Change::default() };
        if bodies.remove(&seen.incarnation).is_none() {
            return Change::default();
        }
        let vanished = bodies.is_empty();
        if vanished {
            self.bodies.remove(&seen.resource);
            self.stood.remove(&seen.resource);
        }
        // One of several bodies went: an old one was replaced.
        Change { vanished, deploys: !vanished, redefined: self.is_redefined(&seen.resource), ..Change::default() }
    }

    /// Somebody replaces a part of the deployment of `resource`.
    pub(crate) fn deploy_seen(&mut self, resource: &ResourceId, now: Tick) {
        let key = (resource.host().to_owned(), resource.deployment().to_owned());
        self.deploys.retain(|_, until| *until > now);
        self.deploys.insert(key, now.after(DEPLOY_QUIET));
    }
}

/// Whether a resource is needed by another one of its deployment, of this definition.
fn is_needed_by(resource: &ResourceId, definition: &Definition) -> bool {
    let service = resource.service();
    definition.depends_on.iter().any(|needed| needed.service == service)
        || definition.network_parent.as_ref() == Some(resource)
}

/// Whether a fact says that a body is no more.
pub(crate) fn is_for_good(fact: &Fact) -> bool {
    matches!(fact, Fact::Gone | Fact::Happened(Happening { what: What::Destroyed, .. }))
}
