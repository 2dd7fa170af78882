//! One body of a resource: what its looks and events have shown of it, and which of them is the later word.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::Tick;
use model::disk::Disk;
use model::fact::{
    Definition, Exit, Generation, Happening, Health, Look, RestartPolicy, Run, SourceTime, What, is_temporary_name,
};
use model::probe::Probed;

/// Events of one body that are remembered since its last start.
const HAPPENINGS_MAX: usize = 64;
/// Restarts by the engine's own policy are remembered for this long, and at most so many.
const RESTARTS_WINDOW: Duration = Duration::from_secs(600);
const RESTARTS_MAX: usize = 20;

/// One body of a resource.
#[derive(Debug, Clone)]
pub struct Body {
    /// When it was first heard of.
    pub(crate) known_since: Tick,
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
    /// Through which connection it was last looked at, and when: what happens to it from then on is heard through that.
    /// What was made since that connection's listing is heard from its beginning.
    heard_since: Option<(Generation, SourceTime)>,
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
    /// The start of the life in which a look last showed the engine's note of a stop or signal absent.
    unnoted_in: Option<SourceTime>,
    /// While it ran, the engine's note of a stop or signal was seen: somebody may be stopping it.
    pub noted_while_up: bool,
    /// A foreground session was attached before its last start.
    pub attached: bool,
    /// When the engine's own policy was seen to have restarted it, lately.
    pub restarted: VecDeque<Tick>,
    /// When a look showed that its restart policy had been taken away while that restarted it again and again.
    braked_at: Option<SourceTime>,
    /// Since when it runs and no check of it fails, if it was seen otherwise before that.
    pub well_since: Option<Tick>,
    /// When the last fact arrived.
    pub at: Tick,
    /// It has the temporary name that a recreate gives to what it replaces.
    pub aside: bool,
    /// Why the last look at it failed; `None` once one has succeeded.
    pub unlooked: Option<String>,
}

impl Body {
    pub(super) fn unseen(generation: Generation, now: Tick) -> Body {
        Body {
            known_since: now,
            generation,
            run: Run::Created,
            health: Health::Unchecked,
            exit: None,
            started: None,
            look: None,
            heard_since: None,
            definition: None,
            happenings: Vec::new(),
            watched_since: None,
            end_seen: false,
            look_at_end: None,
            unnoted_in: None,
            noted_while_up: false,
            attached: false,
            restarted: VecDeque::new(),
            braked_at: None,
            well_since: None,
            at: now,
            aside: false,
            unlooked: None,
        }
    }

    /// It was made after all that was there had been listed through this connection: all of it is heard.
    pub(super) fn hear_all(&mut self, generation: Generation) {
        self.heard_since = Some((generation, SourceTime(0)));
    }

    /// The clock was set back: what was seen of it before does not tell whether what is seen from here on is later.
    pub(super) fn forget_when(&mut self) {
        self.generation = Generation(0);
        (self.look, self.heard_since, self.look_at_end) = (None, None, None);
        (self.watched_since, self.end_seen) = (None, false);
        self.happenings.clear();
    }

    /// Whether its present life was looked at: an event tells of a start a little after it.
    pub(super) fn is_looked_at(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.started == self.started)
    }

    /// Whether its process is there.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.run, Run::Running | Run::Paused)
    }

    /// How full it is, if it is a file system.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.look.as_ref()?.disk.as_deref()
    }

    /// What a probe said of it, if one asks it.
    pub(crate) fn probe(&self) -> Option<&Probed> {
        self.look.as_ref()?.probe.as_deref()
    }

    /// Whether it was made later than that, as an event told.
    pub(crate) fn was_made_since(&self, at: SourceTime) -> bool {
        self.happenings.iter().any(|happening| happening.what == What::Created && happening.at > at)
    }

    /// Whether it was made in the place of another one that had run and was set aside, and that nobody has started since:
    /// it was started later, or that was tried in vain. Compose v2 gives the temporary name to the new one instead, until
    /// that is to be started.
    pub(super) fn has_replaced(&self, other: &Body) -> bool {
        let tried = self.started.or(self.exit.as_ref().map(|exit| exit.at));
        let is_newer = tried > other.started;
        !self.aside && other.aside && other.started.is_some() && is_newer
    }

    /// Whether it runs, and no check of it fails or is still to pass.
    pub(super) fn is_well(&self) -> bool {
        self.run == Run::Running && matches!(self.health, Health::Unchecked | Health::Healthy)
    }

    /// Takes note of when that began, if it was seen not to be so before.
    pub(super) fn note_well(&mut self, before: Option<bool>, now: Tick) {
        match (before, self.is_well()) {
            (_, false) => self.well_since = None,
            (Some(false), true) => self.well_since = Some(now),
            (Some(true) | None, true) => {}
        }
    }

    /// When somebody put a brake on its crash loop, if it has ended since and nobody has started it.
    pub(crate) fn braked(&self) -> Option<SourceTime> {
        self.braked_at.filter(|at| self.run == Run::Exited && self.started <= Some(*at))
    }

    /// Whether nobody had asked it to end before it was heard of through this connection: a look through that showed it
    /// running without the engine's note of a stop or signal.
    pub(crate) fn came_unasked(&self, through: Option<Generation>) -> bool {
        let looked_through = self.heard_since.map(|(generation, _)| generation);
        let unasked = |look: &Look| look.run == Run::Running && look.manually_stopped == Some(false);
        looked_through.is_some()
            && looked_through == through
            && self.is_looked_at()
            && self.look.as_ref().is_some_and(unasked)
    }

    /// Whether the engine's note of a stop or signal came in the life that has ended, and no event tells whence: so it is
    /// with a kill of what waits to be restarted (facts/intent.md, B3).
    pub(crate) fn is_noted_without_a_word(&self) -> bool {
        let noted = |look: &Look| look.run == Run::Exited && look.manually_stopped == Some(true);
        let word = |happening: &Happening| matches!(happening.what, What::Signalled { .. } | What::Stopped);
        self.look.as_ref().is_some_and(noted)
            && self.unnoted_in.is_some()
            && self.unnoted_in == self.started
            && !self.happenings.iter().any(word)
    }

    pub(super) fn precedence(&self) -> (bool, bool, Option<SourceTime>) {
        (self.is_up(), !self.aside, self.started.or(self.exit.as_ref().map(|exit| exit.at)))
    }

    pub(super) fn note_restarts(&mut self, look: &Look, now: Tick) {
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

    /// A look that was taken before the last event or look, and arrives after it, tells of the past. Unless it shows the
    /// same end as the later one, and what the engine kept of it besides.
    pub(super) fn is_of_the_past(&self, look: &Look) -> bool {
        let adds_to = |last: &&Look| look.kept.is_some() && look.exit.is_some() && look.exit == last.exit;
        let last = self.look.as_ref().filter(|last| !adds_to(last)).map(|last| last.at);
        last.max(self.happenings.last().map(|last| last.at)) > Some(look.at)
    }

    /// Whether a look shows it running, and neither an event nor an earlier look has told of that start. An event's time
    /// is a little later than that of the start which it tells.
    pub(super) fn is_news_of_a_start(&self, look: &Look) -> bool {
        let known = self.is_up() && look.started <= self.started;
        matches!(look.run, Run::Running | Run::Paused) && !known && !self.is_of_the_past(look)
    }

    pub(super) fn looked(&mut self, look: &Look, generation: Generation) {
        self.unlooked = None;
        let runs = matches!(look.run, Run::Running | Run::Paused);
        // While it runs, the engine's note of a stop or signal means that somebody may be stopping it: how that ends is
        // not for a `die` alone to tell.
        let clean = look.manually_stopped != Some(true);
        if self.is_of_the_past(look) {
            self.definition = Some(look.definition.clone());
            // It was watched from then on all the same.
            if runs && clean && look.started == self.started && self.watched_since.is_none() {
                self.watched_since = Some(generation);
            }
            return;
        }
        if runs {
            self.noted_while_up = !clean;
        }
        if runs && clean && (self.watched_since != Some(generation) || self.started != look.started) {
            self.watched_since = Some(generation);
            self.end_seen = false;
        }
        let another_life = look.started > self.started;
        if !runs && (self.is_up() || another_life) {
            // It ended without an event that we saw (or the event is still on its way).
            self.end_seen = false;
        }
        // Down before, as far as was heard through this connection, it was started and has ended since: its events are on
        // their way.
        let since = self.heard_since.filter(|(through, _)| *through == generation).map(|(_, at)| at);
        let started_since = look.started.is_some() && since.is_some();
        if !runs && started_since && look.exit.as_ref().is_some_and(|exit| Some(exit.at) > since) {
            self.watched_since = Some(generation);
        }
        self.heard_since = Some((generation, look.at));
        if look.started > self.started && !self.happenings.is_empty() {
            self.happenings.retain(|happening| Some(happening.at) >= look.started);
        }
        if look.manually_stopped == Some(false) {
            self.unnoted_in = look.started;
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
        let policy = |definition: &Definition| definition.restart_policy;
        let withdrawn = policy(&look.definition) == RestartPolicy::No
            && self.definition.as_deref().is_some_and(|known| policy(known) != RestartPolicy::No);
        if withdrawn && !self.restarted.is_empty() {
            self.braked_at = Some(look.at);
        }
        self.definition = Some(look.definition.clone());
        self.look = Some(look.clone());
    }

    pub(super) fn happened(&mut self, happening: &Happening, generation: Generation) {
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
            // A look was faster, and shows the life that began with it: all of that is heard. (An event of a start comes a
            // little after it.)
            What::Started if Some(happening.at) >= self.started => self.watched_since = Some(generation),
            What::Died { code } => {
                self.end_seen = self.watched_since == Some(generation);
                if !covered {
                    let oom = self.happenings.iter().any(|h| h.what == What::OutOfMemory);
                    self.exit =
                        Some(Exit { at: happening.at, code: *code, oom, error: String::new(), start_error: None });
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
