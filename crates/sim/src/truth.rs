//! What the owners truly want, kept by the world and never read from healer's ledger; and what each healer could know of
//! it. Nothing may be started that was stopped on purpose by somebody who left a trace that reached healer.

use std::collections::BTreeSet;

use model::action::Action;
use model::fact::{RestartPolicy, Run, SourceTime, What};

use crate::check::Given;
use crate::docker::{Container, Key, Svc};
use crate::world::World;

/// So long after an engine's start nobody who was away can tell its own starts from a person's.
const ENGINE_STARTS_WITHIN_NS: i64 = 60_000_000_000;

/// The API is looked at so long after a signal, and found closed by then.
const STOPPED_JUST_BEFORE_MS: u64 = 200;

/// What is wanted of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Running,
    /// Stopped at the engine: this life of this container.
    StoppedAtEngine {
        key: Key,
        life: u32,
    },
    /// `healer stop`: known as soon as it is committed.
    StoppedByCommand,
    /// It was down when healer first saw it: nothing may be started on a guess.
    Never,
    /// Nobody could tell from what healer can see, so nothing is claimed.
    Unclear,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    pub(crate) word: Word,
    pub(crate) since: u64,
    /// It ended when healer could not watch: the ledger may have lost it for want of evidence.
    pub(crate) excused: bool,
    /// The engine refused the stop that healer was told to make: they were told, and it is theirs to see to.
    pub(crate) refused: bool,
    /// A person's own tools are at work on it (a deploy, a restart).
    pub(crate) in_hand: bool,
    kept_running: bool,
    /// Starts that were not healer's.
    pub(crate) foreign_starts: u32,
    pub(crate) redefined: u32,
    /// When somebody last started it at the engine.
    pub(crate) started_at: u64,
    pub(crate) ended_at: u64,
}

impl Truth {
    pub(crate) fn running() -> Truth {
        Truth {
            word: Word::Running,
            since: 0,
            excused: false,
            refused: false,
            in_hand: false,
            kept_running: false,
            foreign_starts: 0,
            redefined: 0,
            started_at: 0,
            ended_at: 0,
        }
    }

    pub(crate) fn never() -> Truth {
        Truth { word: Word::Never, ..Truth::running() }
    }

    pub(crate) fn keep_running(&mut self) {
        self.kept_running = true;
    }

    pub(crate) fn is_kept_running(&self) -> bool {
        self.kept_running
    }
}

/// What an input told a healer, for the checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    None,
    /// A terminating signal was told; `more`: it came after another one in the same life.
    Signal {
        key: Key,
        life: u32,
        at: SourceTime,
        kill: bool,
    },
    Stopped {
        key: Key,
        life: u32,
        at: SourceTime,
    },
    Died {
        key: Key,
        life: u32,
    },
    ApiOpen {
        key: Key,
        at: SourceTime,
    },
    /// A look; `opening`: within the first listing of a connection.
    Look {
        key: Key,
        life: u32,
        down: bool,
        opening: bool,
    },
    /// Whether the host's mount is missing.
    Mount {
        missing: bool,
    },
}

/// What a healer was told of one container's present life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    life: u32,
    asks: BTreeSet<SourceTime>,
    kills: BTreeSet<SourceTime>,
    stops: BTreeSet<SourceTime>,
    died: bool,
    api_open: Option<SourceTime>,
    seen_down: bool,
    /// Found down by the first listing of a connection.
    found_down: bool,
}

impl Told {
    pub(crate) fn take(&mut self, token: Token) {
        let (Token::Signal { life, .. }
        | Token::Stopped { life, .. }
        | Token::Died { life, .. }
        | Token::Look { life, .. }) = token
        else {
            if let Token::ApiOpen { at, .. } = token {
                self.api_open = self.api_open.max(Some(at));
            }
            return;
        };
        if life > self.life {
            *self = Told { life, ..Told::default() };
        }
        if life < self.life {
            return;
        }
        match token {
            Token::Signal { at, kill: true, .. } if !self.asks.is_empty() && !self.asks.contains(&at) => {
                self.kills.insert(at);
            }
            Token::Signal { at, .. } => {
                self.asks.insert(at);
            }
            Token::Stopped { at, .. } => {
                self.stops.insert(at);
            }
            Token::Died { .. } => self.died = true,
            Token::Look { down, opening, .. } => {
                self.seen_down |= down;
                self.found_down |= down && opening;
            }
            Token::None | Token::ApiOpen { .. } | Token::Mount { .. } => {}
        }
    }

    /// Whether it must know that somebody else stopped this life, if `ours` stops may be its own.
    pub(crate) fn must_know(&self, life: u32, ours: usize) -> bool {
        if self.life != life {
            return false;
        }
        let down = self.died || self.seen_down;
        let last = self.asks.iter().chain(&self.kills).max().copied();
        let signals = (self.asks.len() > ours || self.kills.len() > ours) && self.api_open >= last;
        let stop_alone = last.is_none() && self.stops.len() > ours && self.api_open >= self.stops.last().copied();
        down && (signals || stop_alone)
    }

    pub(crate) fn found_down(&self, life: u32) -> bool {
        self.life == life && self.found_down
    }
}

impl World<'_> {
    pub(crate) fn truth_is(&mut self, svc: Svc, word: Word) {
        let now = self.now;
        self.trace(|| format!("truth of {}: {word:?}", self.services[svc].resource.short()));
        let truth = &mut self.services[svc].truth;
        truth.word = word;
        truth.since = now;
        // A word of somebody's says more than how what was before it ended, whoever watched that.
        match word {
            Word::Running | Word::StoppedAtEngine { .. } | Word::StoppedByCommand => {
                (truth.excused, truth.refused) = (false, false);
            }
            Word::Never | Word::Unclear => {}
        }
    }

    /// A person's stop or kill reached a container that was running.
    pub(crate) fn person_stopped(&mut self, key: Key, life: u32) {
        let svc = self.docker.containers[key].svc;
        if self.services[svc].truth.in_hand {
            return self.truth_is(svc, Word::Unclear);
        }
        // What the engine is about to start again is as good as up.
        let goes_on = |body: &Container| body.is_up() || body.run == Run::Restarting;
        let others: Vec<_> = self.docker.bodies(svc).filter(|(other, body)| *other != key && goes_on(body)).collect();
        // Another body of the service runs on: how this one ends says nothing of what is wanted.
        if others.iter().any(|(_, body)| body.signals().2.is_none()) {
            return;
        }
        // Whoever stops the last of them wants it down, if the others are being stopped by persons.
        if others.iter().any(|(_, body)| !body.is_stopped_by_a_person()) {
            return self.truth_is(svc, Word::Unclear);
        }
        self.truth_is(svc, Word::StoppedAtEngine { key, life });
    }

    pub(crate) fn person_started(&mut self, key: Key) {
        let svc = self.docker.containers[key].svc;
        self.services[svc].truth.started_at = self.now;
        // While an order of healer's own is under way, or may be carried out late, nobody can tell whose start it is.
        let resource = &self.services[svc].resource;
        let starts = |action: Action| matches!(action, Action::Start | Action::Recreate);
        let ours = |given: &Given| given.permit.step.resource == *resource && starts(given.permit.step.action);
        // Nor whether it was the engine's own, if it came before healer could reach the API again.
        let watches = self.leader().is_some_and(|healer| healer.eyes.connection.is_some());
        let waits = self.leader().is_some_and(|healer| healer.eyes.said_unreachable);
        let unseen = !watches && (waits || self.could_be_the_engines_start(svc));
        let word =
            if unseen || self.check.perhaps_under_way(self.now).any(ours) { Word::Unclear } else { Word::Running };
        self.truth_is(svc, word);
    }

    /// A person tried in vain to start what somebody had stopped: it is no more wanted down, and no event tells healer so.
    pub(crate) fn person_tried_to_start(&mut self, svc: Svc) {
        if matches!(self.services[svc].truth.word, Word::StoppedAtEngine { .. }) {
            self.truth_is(svc, Word::Unclear);
        }
    }

    /// Whether a start of the service at this moment could be the engine's own, for who did not see it come.
    fn could_be_the_engines_start(&self, svc: Svc) -> bool {
        let since_boot_ns = self.moment().wall.0 * 1_000_000 - self.docker.booted.0;
        since_boot_ns < ENGINE_STARTS_WITHIN_NS
            && self.docker.bodies(svc).any(|(_, body)| body.def.restart_policy != RestartPolicy::No)
    }

    /// A life ends: could the leading healer watch it?
    pub(crate) fn note_end(&mut self, key: Key) {
        let svc = self.docker.containers[key].svc;
        let watched = self.docker.api
            && self.healers.len() == 1
            && self.leader().is_some_and(|healer| !healer.deposed && healer.eyes.watches_for(self.now, 2_000));
        // After a reload nobody can tell from the engine's own note whether somebody is stopping it.
        let reloaded = self.docker.containers[key].reloaded;
        // What is excluded is not cared for: how it ended is not written down.
        let excluded = self.settings.excluded_by(&self.services[svc].resource, &self.docker.containers[key].def);
        let truth = &mut self.services[svc].truth;
        truth.excused |= !watched || reloaded || excluded.is_some();
        truth.ended_at = self.now;
    }

    /// What ended or was started a moment ago may not have been heard of, or not been written down, when healer or its
    /// stream goes away.
    pub(crate) fn excuse_what_just_ended(&mut self) {
        let (now, written) = (self.now, self.disk.borrow().entries.last().map_or(0, |entry| entry.at.tick.0));
        let unheard = |at: u64| at + 5_000 > now || at >= written;
        for svc in 0..self.services.len() {
            let truth = self.services[svc].truth;
            self.services[svc].truth.excused |= unheard(truth.ended_at);
            let started = truth.word == Word::Running && truth.started_at > 0 && unheard(truth.started_at);
            if started && self.could_be_the_engines_start(svc) {
                self.truth_is(svc, Word::Unclear);
            }
        }
    }

    /// The engine begins to shut down, and asks all to end. Where its note of who asked cannot be read, nobody can tell a
    /// person's stop of a moment before from that.
    pub(crate) fn blur_stops_just_before(&mut self) {
        for svc in 0..self.services.len() {
            let truth = self.services[svc].truth;
            let just_now = truth.since + STOPPED_JUST_BEFORE_MS > self.now;
            if !self.reads_flag && just_now && matches!(truth.word, Word::StoppedAtEngine { .. }) {
                self.truth_is(svc, Word::Unclear);
            }
        }
    }

    /// Whether a healer must know that a service is stopped on purpose.
    pub(crate) fn must_know_stopped(&self, pid: u32, svc: Svc) -> bool {
        match self.services[svc].truth.word {
            Word::Running | Word::Unclear => false,
            Word::Never | Word::StoppedByCommand => true,
            Word::StoppedAtEngine { key, life } => {
                let container = &self.docker.containers[key];
                let ours = self.check.stops_that_explain(&container.id, self.services[svc].truth.since);
                let Some(told) = self.check.told.get(&(pid, key)) else { return false };
                let (asks, kills, _) = container.signals();
                // Where our own stops explain all that there is, nobody can tell.
                let foreign = asks > ours || kills > ours || (asks == 0 && container.stops_done() > ours);
                // A stop without a signal leaves its trace in the stream alone; and of two stops, one of them healer's, an
                // engine that was started since remembers no more than a note that either may have left.
                let traced = asks > 0 && (ours == 0 || !self.is_forgotten(self.services[svc].truth.since));
                foreign && (told.must_know(life, ours) || (traced && told.found_down(life)))
            }
        }
    }

    /// Whether the engine was started since that moment, and remembers no event of it.
    fn is_forgotten(&self, at: u64) -> bool {
        let ago_ms = i64::try_from(self.now.saturating_sub(at)).unwrap_or(i64::MAX);
        (self.moment().wall.0 - ago_ms) * 1_000_000 < self.docker.booted.0
    }

    /// The token of an event.
    pub(crate) fn token_of(key: Key, life: u32, what: &What, at: SourceTime) -> Token {
        match what {
            What::Signalled { signal, terminating: true } => Token::Signal { key, life, at, kill: *signal == 9 },
            What::Died { .. } => Token::Died { key, life },
            What::Stopped => Token::Stopped { key, life, at },
            What::Created
            | What::Started
            | What::Signalled { terminating: false, .. }
            | What::Restarted
            | What::OutOfMemory
            | What::Paused
            | What::Unpaused
            | What::Health(_)
            | What::Renamed { .. }
            | What::Updated
            | What::Attached
            | What::Destroyed => Token::None,
        }
    }

    pub(crate) fn token_of_look(&self, key: Key, opening: bool) -> Token {
        let container = &self.docker.containers[key];
        let down = matches!(container.run, Run::Exited);
        Token::Look { key, life: container.life, down, opening }
    }
}
