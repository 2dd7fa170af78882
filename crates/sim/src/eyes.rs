//! What a healer sees of the simulated engine: one stream of events in their order, and looks that overtake them. It does
//! as crates/docker does: subscribe, then list and look, merge by time; look after what an event leaves open; ask a moment
//! after a terminating signal whether the API is still open; list all again from time to time.

use std::collections::BTreeSet;

use model::fact::{Fact, Generation, Happening, Look, Observation, Run, SourceTime, What};
use model::input::{Input, Report, SourceState};

use crate::docker::Key;
use crate::truth::Token;
use crate::world::{Ev, HOST, World};

const RELIST_MS: u64 = 300_000;
const CHECK_AFTER_STOP_MS: u64 = 100;
const ASK_AGAIN_WHILE_CLOSING_MS: u64 = 2_000;
/// An engine that begins to answer answers those who wait within so long.
const HELD_MS: u64 = 20;
const LOOK_AFTER_MS: u64 = 10;
const LOOK_AFTER_CREATE_MS: u64 = 1_000;
const LOOK_WHILE_OPEN_MS: u64 = 5_000;
const OPEN_FOR_NS: i64 = 120_000_000_000;
const LOOK_TRIES: u32 = 3;

/// The eyes of one process.
#[derive(Default)]
pub(crate) struct Eyes {
    /// Counts the connections.
    pub(crate) generation: u64,
    pub(crate) connection: Option<Connection>,
    /// When the last one ended.
    lost_at: u64,
    pub(crate) said_unreachable: bool,
}

pub(crate) struct Connection {
    generation: u64,
    opening: Option<Opening>,
    closing: bool,
    last_arrival: u64,
    listed_at: u64,
    /// What will be looked at.
    due: BTreeSet<Key>,
}

/// What waits for the first listing.
#[derive(Default)]
struct Opening {
    events: Vec<(Key, u32, Happening)>,
    looks: Vec<(Key, Look, Token)>,
    last: Vec<(Input, Token)>,
}

impl Eyes {
    /// Whether everything was seen for so long.
    pub(crate) fn watches_for(&self, now: u64, ms: u64) -> bool {
        self.connection.as_ref().is_some_and(|c| c.opening.is_none() && !c.closing && c.listed_at + ms <= now)
    }

    /// Whether nothing was seen for so long.
    pub(crate) fn blind_for(&self, now: u64, ms: u64) -> bool {
        self.connection.is_none() && self.lost_at + ms <= now
    }

    fn connected(&mut self, generation: u64) -> Option<&mut Connection> {
        self.connection.as_mut().filter(|connection| connection.generation == generation)
    }
}

fn report(state: SourceState) -> Input {
    Input::Source(Report { source: HOST.to_owned(), state })
}

impl World<'_> {
    fn eyes(&mut self, pid: u32, generation: u64) -> Option<&mut Connection> {
        self.healer(pid)?.eyes.connected(generation)
    }

    pub(crate) fn observation(&self, key: Key, generation: u64, fact: Fact) -> Observation {
        let container = &self.docker.containers[key];
        Observation {
            resource: self.services[container.svc].resource.clone(),
            incarnation: container.id.clone(),
            generation: Generation(generation),
            fact,
        }
    }

    // ---- connections

    pub(crate) fn connect(&mut self, pid: u32) {
        let api = self.docker.api;
        // Its process is there again, and keeps those waiting who ask until its house is in order.
        let held = self.docker.up && !api && !self.docker.socket_gone;
        let wait = self.rng.range(800, 8_000);
        let Some(healer) = self.healer(pid) else { return };
        if healer.eyes.connection.is_some() {
            return;
        }
        if held {
            return self.after(HELD_MS, Ev::Connect { pid });
        }
        if !api {
            if !std::mem::replace(&mut healer.eyes.said_unreachable, true) {
                self.counts.hit("source", "unreachable");
                let because = "nobody listens on /var/run/docker.sock".to_owned();
                self.arrives(pid, report(SourceState::Unreachable { because, down: true }), Token::None);
            }
            return self.after(wait, Ev::Connect { pid });
        }
        healer.eyes.said_unreachable = false;
        healer.eyes.generation += 1;
        let generation = healer.eyes.generation;
        healer.eyes.connection = Some(Connection {
            generation,
            opening: Some(Opening::default()),
            closing: false,
            last_arrival: 0,
            listed_at: u64::MAX,
            due: BTreeSet::new(),
        });
        self.counts.hit("source", "opened");
        let (generation_of, start) = (Generation(generation), self.docker.start());
        self.arrives(pid, report(SourceState::Opened { generation: generation_of, start, ahead_ms: 0 }), Token::None);
        let keys: Vec<Key> = self.docker.living().map(|(key, _)| key).collect();
        for key in keys {
            let at = self.rng.range(2, 40);
            self.after(at, Ev::ListLook { pid, generation, key });
        }
        let slow = self.stormy && self.rng.percent(5);
        let takes = if slow { self.rng.range(300, 3_000) } else { self.rng.range(41, 90) };
        self.after(takes, Ev::ListEnd { pid, generation });
    }

    pub(crate) fn list_look(&mut self, pid: u32, generation: u64, key: Key) {
        if !self.docker.api || self.docker.containers[key].gone || self.eyes(pid, generation).is_none() {
            return;
        }
        let (look, token) = (self.look(key), self.token_of_look(key, true));
        if let Some(opening) = self.eyes(pid, generation).and_then(|c| c.opening.as_mut()) {
            opening.looks.push((key, look, token));
        }
    }

    /// What was seen during the first listing is told in the order of time, then that it is complete.
    pub(crate) fn list_end(&mut self, pid: u32, generation: u64) {
        if !self.docker.api {
            return;
        }
        let (now, with_memory) = (self.now, self.rng.percent(85));
        let Some(connection) = self.eyes(pid, generation) else { return };
        let Some(opening) = connection.opening.take() else { return };
        connection.listed_at = now;
        connection.last_arrival = now;
        let mut told: BTreeSet<SourceTime> = BTreeSet::new();
        let mut story: Vec<(SourceTime, Input, Token)> = Vec::new();
        for (key, mut look, token) in opening.looks {
            if with_memory && look.run == Run::Exited && look.started.is_some() {
                let forgets = if self.rng.percent(25) { 2 } else { 0 };
                let mut kept = self.kept(key, forgets);
                kept.happenings.retain(|happening| Some(happening.at) >= look.started && happening.at <= look.at);
                told.extend(kept.happenings.iter().map(|happening| happening.at));
                look.kept = Some(kept);
            }
            let at = look.at;
            let seen = self.observation(key, generation, Fact::Looked(Box::new(look)));
            story.push((at, Input::Observed(seen), token));
        }
        for (key, life, happening) in opening.events {
            if !told.contains(&happening.at) {
                let at = happening.at;
                let token = World::token_of(key, life, &happening.what, at);
                let gone = happening.what == What::Destroyed;
                let seen = self.observation(key, generation, Fact::Happened(happening));
                story.push((at, Input::Observed(seen), token));
                if gone {
                    story.push((at, Input::Observed(self.observation(key, generation, Fact::Gone)), Token::None));
                } else {
                    self.look_soon(pid, generation, key, LOOK_AFTER_MS);
                }
            }
        }
        story.sort_by_key(|(at, _, _)| *at);
        for (_, input, token) in story {
            self.arrives(pid, input, token);
        }
        for (input, token) in opening.last {
            self.arrives(pid, input, token);
        }
        self.end_listing(pid, generation);
    }

    fn end_listing(&mut self, pid: u32, generation: u64) {
        let present: Vec<_> = self
            .docker
            .living()
            .map(|(_, container)| (self.services[container.svc].resource.clone(), container.id.clone()))
            .collect();
        let state = SourceState::Listed { generation: Generation(generation), present };
        self.arrives(pid, report(state), Token::None);
        let wait = RELIST_MS + self.rng.below(1_000);
        self.after(wait, Ev::Relist { pid, generation });
    }

    pub(crate) fn relist(&mut self, pid: u32, generation: u64) {
        let Some(connection) = self.eyes(pid, generation) else { return };
        if connection.closing || !self.docker.api {
            return;
        }
        let keys: Vec<Key> = self.docker.living().map(|(key, _)| key).collect();
        for key in keys {
            self.look_arrives(pid, generation, key, None);
        }
        self.after(30, Ev::RelistEnd { pid, generation });
    }

    pub(crate) fn relist_end(&mut self, pid: u32, generation: u64) {
        if self.docker.api && self.eyes(pid, generation).is_some() {
            self.end_listing(pid, generation);
        }
    }

    /// Every stream ends, after what was told before.
    pub(crate) fn streams_end(&mut self) {
        let now = self.now;
        let ends: Vec<_> = self
            .healers
            .iter()
            .filter_map(|healer| {
                let connection = healer.eyes.connection.as_ref()?;
                Some((healer.pid, connection.generation, connection.last_arrival.saturating_sub(now) + 1))
            })
            .collect();
        for (pid, generation, wait) in ends {
            self.after(wait, Ev::StreamEnd { pid, generation });
        }
    }

    pub(crate) fn stream_ends(&mut self, pid: u32, generation: u64) {
        let now = self.now;
        if self.eyes(pid, generation).is_none() {
            return;
        }
        if let Some(healer) = self.healer(pid) {
            healer.eyes.connection = None;
            healer.eyes.lost_at = now;
        }
        self.counts.hit("source", "lost");
        self.excuse_what_just_ended();
        self.arrives(
            pid,
            report(SourceState::Lost { generation: Generation(generation), because: String::new() }),
            Token::None,
        );
        let wait = self.rng.range(500, 2_000);
        self.after(wait, Ev::Connect { pid });
    }

    // ---- events

    /// The engine says something: each stream carries it, a little late.
    pub(crate) fn stream(&mut self, key: Key, happening: Happening) {
        self.trace(|| {
            let name = self.services[self.docker.containers[key].svc].resource.short();
            format!("event {name} ({key}): {:?}", happening.what)
        });
        let life = self.docker.containers[key].life;
        let (now, stormy) = (self.now, self.stormy);
        for at in 0..self.healers.len() {
            let lag = if stormy && self.rng.percent(4) { self.rng.range(50, 2_000) } else { self.rng.range(1, 6) };
            let healer = &mut self.healers[at];
            let pid = healer.pid;
            let Some(connection) = &mut healer.eyes.connection else { continue };
            let generation = connection.generation;
            let arrival = connection.last_arrival.max(now + lag);
            connection.last_arrival = arrival;
            let happening = happening.clone();
            self.after(arrival - now, Ev::Stream { pid, generation, key, life, happening });
        }
    }

    pub(crate) fn event_arrives(&mut self, pid: u32, generation: u64, key: Key, life: u32, happening: Happening) {
        let Some(connection) = self.eyes(pid, generation) else { return };
        let (at, what) = (happening.at, happening.what.clone());
        let opening = if let Some(opening) = &mut connection.opening {
            opening.events.push((key, life, happening.clone()));
            true
        } else {
            false
        };
        if matches!(what, What::Signalled { terminating: true, .. } | What::Stopped) && !connection.closing {
            self.after(CHECK_AFTER_STOP_MS, Ev::ApiCheck { pid, generation, key, at });
        }
        if opening {
            return;
        }
        let token = World::token_of(key, life, &what, at);
        let seen = self.observation(key, generation, Fact::Happened(happening));
        self.arrives(pid, Input::Observed(seen), token);
        match what {
            What::Created => self.look_soon(pid, generation, key, LOOK_AFTER_CREATE_MS),
            What::Started
            | What::Died { .. }
            | What::Stopped
            | What::Restarted
            | What::OutOfMemory
            | What::Paused
            | What::Unpaused
            | What::Health(_)
            | What::Renamed { .. }
            | What::Updated => self.look_soon(pid, generation, key, LOOK_AFTER_MS),
            What::Signalled { .. } | What::Attached => {}
            What::Destroyed => {
                let seen = self.observation(key, generation, Fact::Gone);
                self.arrives(pid, Input::Observed(seen), Token::None);
            }
        }
    }

    fn look_soon(&mut self, pid: u32, generation: u64, key: Key, wait_ms: u64) {
        let Some(connection) = self.eyes(pid, generation) else { return };
        if connection.due.insert(key) {
            self.after(wait_ms, Ev::Glance { pid, generation, key, tries: 1 });
        }
    }

    pub(crate) fn glance(&mut self, pid: u32, generation: u64, key: Key, tries: u32) {
        let Some(connection) = self.eyes(pid, generation) else { return };
        connection.due.remove(&key);
        if connection.closing || self.docker.containers[key].gone {
            return;
        }
        if !self.docker.api || (self.stormy && self.rng.percent(15)) {
            self.counts.hit("look", "lost");
            if tries < LOOK_TRIES && self.eyes(pid, generation).is_some_and(|c| c.due.insert(key)) {
                self.after(1_000, Ev::Glance { pid, generation, key, tries: tries + 1 });
            }
            return;
        }
        self.look_arrives(pid, generation, key, None);
        let now = self.docker.stamp(self.now);
        let container = &self.docker.containers[key];
        let open = match container.run {
            Run::Restarting => true,
            Run::Created => container.exit.is_none(),
            Run::Running | Run::Paused | Run::Exited | Run::Removing => false,
        };
        let lately = container.kept.last().is_some_and(|last| now.0 - last.at.0 < OPEN_FOR_NS);
        if open && lately {
            self.look_soon(pid, generation, key, LOOK_WHILE_OPEN_MS);
        }
    }

    /// A look is taken, and arrives a little later: perhaps after what it does not show.
    pub(crate) fn look_arrives(
        &mut self,
        pid: u32,
        generation: u64,
        key: Key,
        ticket: Option<model::action::PermitId>,
    ) {
        let token = self.token_of_look(key, false);
        let look = self.look(key);
        let seen = self.observation(key, generation, Fact::Looked(Box::new(look)));
        let late = self.stormy && self.rng.percent(5);
        let takes = if late { self.rng.range(200, 30_000) } else { self.rng.range(1, 12) };
        if late {
            self.counts.hit("look", "late");
        }
        let input = match ticket {
            Some(ticket) => Input::Looked { ticket, seen },
            None => Input::Observed(seen),
        };
        self.after(takes, Ev::Arrive { pid, input: Box::new(input), token });
    }

    // ---- is the API open?

    pub(crate) fn api_check(&mut self, pid: u32, generation: u64, key: Key, at: SourceTime) {
        let gone = self.docker.socket_gone;
        let seen = self.observation(key, generation, Fact::ApiOpenAfter(at));
        let Some(connection) = self.eyes(pid, generation) else { return };
        if !gone {
            let token = Token::ApiOpen { key, at };
            if let Some(opening) = &mut connection.opening {
                opening.last.push((Input::Observed(seen), token));
                return;
            }
            return self.arrives(pid, Input::Observed(seen), token);
        }
        if !std::mem::replace(&mut connection.closing, true) {
            self.counts.hit("source", "closing");
            self.arrives(pid, report(SourceState::Closing), Token::None);
            self.after(ASK_AGAIN_WHILE_CLOSING_MS, Ev::ApiCheckAgain { pid, generation });
        }
    }

    pub(crate) fn api_check_again(&mut self, pid: u32, generation: u64) {
        let gone = self.docker.socket_gone;
        if self.eyes(pid, generation).is_none() {
            return;
        }
        if gone {
            return self.after(ASK_AGAIN_WHILE_CLOSING_MS, Ev::ApiCheckAgain { pid, generation });
        }
        // It was thought to be shutting down, and is not: the connection is made anew.
        self.stream_ends(pid, generation);
    }
}
