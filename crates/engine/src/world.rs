//! What the sources see at present. Never recovered, only looked up: a new process begins with nothing here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use model::fact::{
    Definition, Exit, Fact, Generation, Happening, Health, Incarnation, Look, Observation, Run, SourceTime, What,
    is_temporary_name,
};
use model::input::SourceState;
use model::{Now, ResourceId, Tick, Wall};

/// Events of one body that are remembered since its last start.
const HAPPENINGS_MAX: usize = 64;
/// So many destroyed bodies are remembered.
const DESTROYED_MAX: usize = 64;
/// Restarts by the engine's own policy are remembered for this long, and at most so many.
const RESTARTS_WINDOW: Duration = Duration::from_secs(600);
const RESTARTS_MAX: usize = 20;
/// An engine that is told to stop ends its containers, and then its stream, within so long.
const GOES_OUT_WITHIN_MS: i64 = 120_000;
/// A deployment is being deployed until it has been quiet for this long after a sign of a deploy.
const DEPLOY_QUIET: Duration = Duration::from_secs(60);

/// All that is seen.
#[derive(Debug, Default)]
pub struct World {
    sources: BTreeMap<String, Source>,
    bodies: BTreeMap<ResourceId, BTreeMap<Incarnation, Body>>,
    /// The resources that were ever seen to share another one's network namespace.
    sharing: BTreeSet<ResourceId>,
    /// The starts of which the last batch told: if that is not taken, nobody has judged them.
    unjudged: Vec<(ResourceId, Incarnation)>,
    /// The last batch was not taken, and comes again: what it told of a connection that it also told to be over is no
    /// knowledge of the past yet.
    comes_again: bool,
    handled_again: bool,
    /// The bodies that were destroyed last: a look that was taken before, and arrives after, does not bring one back.
    destroyed: VecDeque<Incarnation>,
    /// The newest body that stood for each resource: the next one may be made of something else.
    stood: BTreeMap<ResourceId, Stood>,
    /// The same before the last batch, of what changed in it: if that is not taken, nobody has heard of the change.
    stood_before: Vec<(ResourceId, Stood)>,
    /// Until when each deployment (host, name) counts as being deployed.
    deploys: BTreeMap<(String, String), Tick>,
}

/// Since when a body was known that stood for its resource, and what it was made of.
type Stood = (Tick, Arc<Definition>);

/// A source, as it stands.
#[derive(Debug, Default)]
pub struct Source {
    /// The open connection.
    pub generation: Option<Generation>,
    /// The last connection that was opened, lost or not.
    last: Option<Generation>,
    /// The same before the present batch.
    last_before: Option<Generation>,
    /// Whether a full listing was seen through it.
    pub listed: bool,
    /// When that was complete.
    pub listed_at: Option<Tick>,
    /// Whether any listing was ever seen by this process: what appears later appeared before our eyes.
    pub ever_listed: bool,
    /// The last batch told of a listing: if that is not taken, nothing of it was seen.
    lists: bool,
    /// It is being shut down.
    pub closing: bool,
    /// Why it cannot be reached; empty while it can.
    pub because: String,
    /// Since its stream was lost nobody was there at all.
    down: bool,
    /// When its stream was lost.
    lost: Option<Wall>,
    /// The last time that its API was closed: from the loss of the stream to the first answer, if it could not be
    /// reached in between.
    out: Option<(Wall, Wall)>,
}

impl Source {
    /// Whether a later connection than this one was told already: after a failed append the same reports come again.
    #[must_use]
    pub fn is_past(&self, generation: Generation) -> bool {
        self.last > Some(generation)
    }

    /// Whether nobody was there at all since its stream was lost.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.down
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

/// One body of a resource.
#[derive(Debug, Clone)]
pub struct Body {
    /// When it was first heard of.
    known_since: Tick,
    /// Through which connection it was last seen.
    pub generation: Generation,
    /// What it does, as of the last fact.
    pub run: Run,
    /// Its health, as of the last fact.
    pub health: Health,
    /// How it ended last.
    pub exit: Option<Exit>,
    /// When it was started last.
    pub started: Option<SourceTime>,
    /// The last whole look.
    pub look: Option<Look>,
    /// Through which connection it was taken.
    looked_in: Option<Generation>,
    /// What it is made of; known from the first look on.
    pub definition: Option<Arc<Definition>>,
    /// What happened since its last start, oldest first.
    pub happenings: Vec<Happening>,
    /// The connection through which its last start, or a look at it running, was seen: while it is the present one, all
    /// that happened since is known.
    pub watched_since: Option<Generation>,
    /// How it ended was told by an event of an unbroken stream, so that what came before it is known.
    pub end_seen: bool,
    /// The last look that showed it ended, with all that an inspect tells of an end.
    pub look_at_end: Option<Look>,
    /// While it ran, the engine's note of a stop or signal was seen: somebody may be stopping it.
    pub noted_while_up: bool,
    /// A foreground session was attached before its last start.
    pub attached: bool,
    /// When the engine's own policy was seen to have restarted it, lately.
    pub restarted: VecDeque<Tick>,
    /// When the last fact arrived.
    pub at: Tick,
    /// It has the temporary name that a recreate gives to what it replaces.
    pub aside: bool,
    /// Why the last look at it failed; `None` once one has succeeded.
    pub unlooked: Option<String>,
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

    /// How many bodies of a source the last look at failed, and why at one of them.
    #[must_use]
    pub fn unlooked(&self, source: &str) -> (usize, Option<&str>) {
        let of_source = self.bodies.iter().filter(|(resource, _)| resource.host() == source);
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

    /// Whether more than one body claims to be the resource, and none of them runs.
    #[must_use]
    pub fn is_ambiguous(&self, resource: &ResourceId) -> bool {
        self.bodies.get(resource).is_some_and(|bodies| bodies.len() > 1 && !bodies.values().any(Body::is_up))
    }

    /// Whether the resource was seen through its source's present connection.
    #[must_use]
    pub fn is_fresh(&self, resource: &ResourceId) -> bool {
        let open = self.sources.get(resource.host()).filter(|source| !source.closing);
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
    fn deployment_of(&self, resource: &ResourceId) -> impl Iterator<Item = &ResourceId> {
        let prefix = resource.deployment_prefix().to_owned();
        let from = self.bodies.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        from.map(|(other, _)| other).take_while(move |other| other.as_str().starts_with(&prefix))
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
        let source = self.sources.entry(name.to_owned()).or_default();
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
            SourceState::Opened { generation, .. } => {
                let was_out = source.down;
                *source = Source {
                    generation: Some(*generation),
                    last: Some(*generation),
                    last_before: source.last_before,
                    ever_listed: source.ever_listed || source.lists,
                    out: source.lost.filter(|_| was_out).map(|lost| (lost, now.wall)).or(source.out),
                    ..Source::default()
                };
            }
            SourceState::Listed { generation, present } => {
                if source.generation == Some(*generation) {
                    source.listed = true;
                    source.listed_at = source.listed_at.or(Some(now.tick));
                    source.lists = true;
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
        for (resource, bodies) in &mut self.bodies {
            if resource.host() != source {
                continue;
            }
            let mut last = None;
            bodies.retain(|incarnation, body| {
                let stays = body.generation == listed || present.contains(&(resource, incarnation));
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
        self.stood.retain(|resource, _| self.bodies.contains_key(resource));
        vanished
    }

    /// The stream broke before it was settled whose signals these were: how the bodies of a source ended is to be
    /// judged by evidence.
    pub fn unsettle(&mut self, source: &str, mut each: impl FnMut(&ResourceId, &Incarnation, &Body)) {
        for (resource, bodies) in self.bodies.iter_mut().filter(|(resource, _)| resource.host() == source) {
            for (incarnation, body) in bodies {
                each(resource, incarnation, body);
                body.end_seen = false;
                body.watched_since = None;
            }
        }
    }

    /// A batch begins: what the last one told was taken.
    pub fn begin_batch(&mut self) {
        self.unjudged.clear();
        self.stood_before.clear();
        self.handled_again = std::mem::take(&mut self.comes_again);
        for source in self.sources.values_mut() {
            if !self.handled_again {
                source.last_before = source.last;
            }
            source.ever_listed |= std::mem::take(&mut source.lists);
        }
    }

    /// The last batch was not taken: the starts and changes that it told are news again.
    pub fn forget_starts(&mut self) {
        self.comes_again = true;
        self.sources.values_mut().for_each(|source| source.lists = false);
        self.stood.extend(self.stood_before.drain(..).rev());
        for (resource, incarnation) in self.unjudged.drain(..) {
            let body = self.bodies.get_mut(&resource).and_then(|bodies| bodies.get_mut(&incarnation));
            if let Some(body) = body {
                body.started = None;
            }
        }
    }

    /// Takes an observation in.
    pub fn observe(&mut self, seen: &Observation, now: Tick) -> Change {
        // A fact of an older connection is knowledge of the past; one of the last connection counts though that is lost,
        // since it was seen before: but it is not fresh.
        let source = self.sources.get(seen.resource.host());
        let last = source.and_then(|source| source.last);
        let before = source.and_then(|source| source.last_before).filter(|_| self.handled_again);
        let stale = last.is_none_or(|last| seen.generation < before.unwrap_or(last));
        let too_late = self.destroyed.contains(&seen.incarnation) && !is_for_good(&seen.fact);
        if stale || too_late {
            return Change { stale: true, ..Change::default() };
        }
        if is_for_good(&seen.fact) {
            return self.forget(seen, now);
        }
        let bodies = self.bodies.entry(seen.resource.clone()).or_default();
        // What could not be looked at was not seen, through whatever connection.
        let generation = if matches!(seen.fact, Fact::Unlooked(_)) { Generation(0) } else { seen.generation };
        let body = bodies.entry(seen.incarnation.clone()).or_insert_with(|| Body::unseen(generation, now));
        if let Fact::Unlooked(because) = &seen.fact {
            body.unlooked = Some(because.clone());
            return Change::default();
        }
        body.generation = body.generation.max(seen.generation);
        body.at = now;
        let overtaken = matches!(&seen.fact, Fact::Looked(look) if body.is_of_the_past(look));
        let start_is_news = matches!(&seen.fact, Fact::Looked(look) if body.is_news_of_a_start(look));
        if start_is_news || matches!(&seen.fact, Fact::Happened(happening) if happening.what == What::Started) {
            self.unjudged.push((seen.resource.clone(), seen.incarnation.clone()));
        }
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
        let deploy = matches!(&seen.fact, Fact::Happened(Happening { what: What::Renamed { .. }, .. }));
        if deploy {
            self.deploy_seen(&seen.resource, now);
        }
        let redefined = self.is_redefined(&seen.resource);
        Change { overtaken, redefined, start_is_news, ..Change::default() }
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
        let Some(old) = before.filter(|(then, old)| *then < since && !old.same_thing(&new)) else { return false };
        self.stood_before.push((resource.clone(), old));
        // In this process's first listing one body after the other comes to stand for it: nothing is new then.
        self.sources.get(resource.host()).is_some_and(|source| source.ever_listed)
    }

    fn forget(&mut self, seen: &Observation, now: Tick) -> Change {
        if !matches!(seen.fact, Fact::Gone) && !self.destroyed.contains(&seen.incarnation) {
            self.destroyed.push_back(seen.incarnation.clone());
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
        } else {
            // One of several bodies went: an old one was replaced.
            self.deploy_seen(&seen.resource, now);
        }
        Change { vanished, redefined: self.is_redefined(&seen.resource), ..Change::default() }
    }

    fn deploy_seen(&mut self, resource: &ResourceId, now: Tick) {
        let key = (resource.host().to_owned(), resource.deployment().to_owned());
        self.deploys.insert(key, now.after(DEPLOY_QUIET));
        self.deploys.retain(|_, until| *until > now);
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

impl Body {
    fn unseen(generation: Generation, now: Tick) -> Body {
        Body {
            known_since: now,
            generation,
            run: Run::Created,
            health: Health::Unchecked,
            exit: None,
            started: None,
            look: None,
            looked_in: None,
            definition: None,
            happenings: Vec::new(),
            watched_since: None,
            end_seen: false,
            look_at_end: None,
            noted_while_up: false,
            attached: false,
            restarted: VecDeque::new(),
            at: now,
            aside: false,
            unlooked: None,
        }
    }

    /// Whether its process is there.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.run, Run::Running | Run::Paused)
    }

    /// Whether it was made later than that, as an event told.
    pub(crate) fn was_made_since(&self, at: SourceTime) -> bool {
        self.happenings.iter().any(|happening| happening.what == What::Created && happening.at > at)
    }

    fn precedence(&self) -> (bool, bool, Option<SourceTime>) {
        (self.is_up(), !self.aside, self.started.or(self.exit.as_ref().map(|exit| exit.at)))
    }

    fn note_restarts(&mut self, look: &Look, now: Tick) {
        // A start that is not the policy's begins the count anew.
        let since = |before: &Look| look.restarts.checked_sub(before.restarts).unwrap_or(look.restarts);
        let new = self.look.as_ref().map_or(0, since);
        self.restarted.extend(std::iter::repeat_n(now, usize::try_from(new).unwrap_or(0).min(RESTARTS_MAX)));
        while self.restarted.front().is_some_and(|then| now.since(*then) > RESTARTS_WINDOW)
            || self.restarted.len() > RESTARTS_MAX
        {
            self.restarted.pop_front();
        }
    }

    /// A look that was taken before the last event or look, and arrives after it, tells of the past.
    fn is_of_the_past(&self, look: &Look) -> bool {
        let last = self.look.as_ref().map(|last| last.at).max(self.happenings.last().map(|last| last.at));
        last > Some(look.at)
    }

    /// Whether a look shows it running, and neither an event nor an earlier look has told of that start. An event's time
    /// is a little later than that of the start which it tells.
    fn is_news_of_a_start(&self, look: &Look) -> bool {
        let known = self.is_up() && look.started <= self.started;
        matches!(look.run, Run::Running | Run::Paused) && !known && !self.is_of_the_past(look)
    }

    fn looked(&mut self, look: &Look, generation: Generation) {
        self.unlooked = None;
        if self.is_of_the_past(look) {
            self.definition = Some(look.definition.clone());
            return;
        }
        let runs = matches!(look.run, Run::Running | Run::Paused);
        // While it runs, the engine's note of a stop or signal means that somebody may be stopping it: how that ends is
        // not for a `die` alone to tell.
        let clean = look.manually_stopped != Some(true);
        if runs {
            self.noted_while_up = !clean;
        }
        if runs && clean && (self.watched_since != Some(generation) || self.started != look.started) {
            self.watched_since = Some(generation);
            self.end_seen = false;
        }
        if !runs && self.is_up() {
            // It ended without an event that we saw (or the event is still on its way).
            self.end_seen = false;
        }
        // Found down before, through this connection, it was started and has ended since: its events are on their way.
        let last = self.look.as_ref().filter(|_| self.looked_in == Some(generation)).map(|last| last.at);
        if !runs && last.is_some() && look.exit.as_ref().is_some_and(|exit| Some(exit.at) > last) {
            self.watched_since = Some(generation);
        }
        self.looked_in = Some(generation);
        if look.started > self.started && !self.happenings.is_empty() {
            self.happenings.retain(|happening| Some(happening.at) >= look.started);
        }
        self.run = look.run;
        self.health = look.health;
        self.started = look.started;
        if look.exit.is_some() {
            self.exit.clone_from(&look.exit);
        }
        if !runs {
            self.look_at_end = Some(look.clone());
        }
        let name = &look.definition.name;
        let renamed = self.definition.as_ref().is_some_and(|known| known.name != *name);
        self.aside = is_temporary_name(name) || self.aside && !renamed;
        self.definition = Some(look.definition.clone());
        self.look = Some(look.clone());
    }

    fn happened(&mut self, happening: &Happening, generation: Generation) {
        // An event that a later look has covered already still is evidence, and changes nothing.
        let covered = self.look.as_ref().is_some_and(|look| happening.at <= look.at);
        if let What::Started = happening.what {
            // `docker run` and `compose up` in the foreground attach between create and start.
            self.attached = self.happenings.iter().any(|before| before.what == What::Attached);
            self.happenings.clear();
        }
        // After a failed append the same events come again.
        if self.happenings.len() < HAPPENINGS_MAX && !self.happenings.contains(happening) {
            self.happenings.push(happening.clone());
        }
        match &happening.what {
            What::Started if !covered || self.started.is_none() => {
                self.run = Run::Running;
                self.started = Some(happening.at);
                self.noted_while_up = false;
                self.watched_since = Some(generation);
                self.end_seen = false;
                self.health = match self.health {
                    Health::Unchecked => Health::Unchecked,
                    Health::Starting | Health::Healthy | Health::Unhealthy => Health::Starting,
                };
            }
            What::Died { code } => {
                self.end_seen = self.watched_since == Some(generation);
                if !covered {
                    let oom = self.happenings.iter().any(|h| h.what == What::OutOfMemory);
                    self.exit = Some(Exit { at: happening.at, code: *code, oom, error: String::new() });
                    self.run = Run::Exited;
                }
            }
            What::Paused if !covered => self.run = Run::Paused,
            What::Unpaused if !covered => self.run = Run::Running,
            What::Health(health) if !covered => self.health = *health,
            What::Renamed { aside } => self.aside = *aside,
            What::Started
            | What::Created
            | What::Signalled { .. }
            | What::Stopped
            | What::Restarted
            | What::OutOfMemory
            | What::Paused
            | What::Unpaused
            | What::Health(_)
            | What::Updated
            | What::Attached
            | What::Destroyed => {}
        }
    }
}
