//! Takes inputs in: facts into the world, words into the ledger, answers to their acts. Decides nothing about incidents.

use std::time::Duration;

use model::ResourceId;
use model::action::{Action, Answer, PermitId};
use model::alert::{self, Alert, Name, Transition};
use model::event::{Event, Refresh};
use model::fact::{Fact, Generation, Happening, Incarnation, Observation, Run, SourceTime, What};
use model::incident::{Excerpt, IncidentId};
use model::input::{Input, Report, SourceState};
use model::intent::{Author, Intent, Wanted};
use model::make::Make;

use crate::intent::{self, AT_THE_ENGINE, Around, SIGKILL, Word};
use crate::state::{Act, Own};
use crate::world::Body;
use crate::{Engine, Found, Shown, detect, world};

/// An event tells of an end at most so long after it; a later one tells of trouble in the engine.
pub(crate) const DIE_LATE_MAX: Duration = Duration::from_secs(2);

impl Engine {
    pub(crate) fn absorb(&mut self, input: &Input) {
        match input {
            Input::Observed(seen) => self.observed(seen, false),
            Input::Looked { ticket, seen } => self.looked(*ticket, seen),
            Input::Source(report) => self.reported(report),
            Input::Answered(permit, answer) => self.answered(*permit, answer),
            Input::Gathered { incident, incarnation, log } => self.gathered(incident, incarnation, log),
            Input::Delivered(receipt) => self.delivered(receipt),
            Input::Commanded(command) => self.commanded(command),
            Input::Folders { host, folders } => self.world.set_folders(host, folders),
            Input::Mounts { host, missing } => {
                self.world.set_missing_mounts(host, missing);
                self.live.all = true;
            }
            Input::BroughtUp { command, result } => self.brought_up(command, result),
            Input::Fetched { command, resource, result } => self.fetched(command, resource, result),
            Input::Configured(settings) => {
                self.settings = settings.clone();
                self.live.all = true;
                // What was excluded may be healer's to care for again.
                self.touched.extend(self.world.resources().cloned());
            }
            Input::ClockJumped { by_ms } => self.clock_jumped(*by_ms),
            Input::StoreRoom { full } => {
                self.live.all |= self.store_full != *full;
                self.store_full = *full;
            }
            Input::StoreReserve { whole } => {
                self.live.all |= self.reserve_spent == *whole;
                self.reserve_spent = !*whole;
            }
            Input::Warned { about, says: Some(says) } => {
                self.live.warnings.insert(about.clone(), says.clone());
            }
            Input::Warned { about, says: None } => {
                self.live.warnings.remove(about);
            }
        }
    }

    /// A clock that was set back makes what was seen look later than what is seen from here on: the order of the two is
    /// lost, and all is to be looked at anew.
    fn clock_jumped(&mut self, by_ms: i64) {
        self.emit(Event::ClockJumped { by_ms });
        if by_ms < 0 {
            self.world.forget_when();
            self.watch.begin_anew(self.state.stops.values());
            self.live.all = true;
        }
    }

    /// `alone`: it was looked at for itself, and the engine was not asked what it kept.
    fn observed(&mut self, seen: &Observation, alone: bool) {
        if let Fact::ApiOpenAfter(at) = &seen.fact
            && self.world.body_of(&seen.resource, &seen.incarnation).is_none()
        {
            return self.asked_amid_our_recreate(&seen.resource, &seen.incarnation, Some(*at));
        }
        self.note_made(seen);
        let change = self.world.observe(seen, self.now.tick);
        self.touched.insert(seen.resource.clone());
        if change.stale {
            return;
        }
        if change.deploys && !self.is_of_our_recreate(seen) {
            self.world.deploy_seen(&seen.resource, self.now.tick);
        }
        if world::is_for_good(&seen.fact) {
            self.forget_signals(&seen.resource, &seen.incarnation);
        }
        if change.vanished {
            self.gone(&seen.resource, &seen.incarnation);
            return;
        }
        self.note_what_it_is_made_of(seen);
        let ours = self.state.own.get(&seen.incarnation).is_some_and(|own| own.made);
        if change.redefined && !ours {
            self.refresh(&seen.resource, Refresh::DefinitionChanged);
        }
        if change.overtaken {
            return;
        }
        let known = (&self.state, &self.world, &self.faults);
        let Some(around) = Around::of(known, &seen.resource, &seen.incarnation) else { return };
        let alone = alone || Some(seen.generation) != around.source.generation;
        let kept_is_to_come = alone && !around.source.listed;
        let (start_is_news, another_at) = (change.start_is_news, self.another_at(seen));
        let around = Around { start_is_news, another_at, kept_is_to_come, ..around };
        let (word, braked) = (self.watch.read(seen, &around), around.body.braked());
        // The event of a start tells of it a little after it, and no later than a look that shows it.
        let shown_at = match &seen.fact {
            Fact::Happened(Happening { what: What::Started, at }) => Some(*at),
            Fact::Looked(look) => look.started.map(|_| look.at),
            Fact::Happened(_) | Fact::ApiOpenAfter(_) | Fact::Gone | Fact::Unlooked(_) => None,
        };
        let came = shown_at.filter(|_| around.own.is_some_and(Own::awaits_its_start));
        self.take_word(seen, word);
        if let Some(at) = came {
            self.emit(Event::BodyStarted { incarnation: seen.incarnation.clone(), at });
        }
        if let Some(at) = braked {
            self.brake(&seen.resource, at);
        }
        if let Some(begins) = self.recovery_by_memory(seen) {
            self.emit(begins);
            self.live.all = true;
        }
    }

    /// What was asked of a body is the past once that is gone; but where healer has put another in its place, who asked means
    /// that one. Whether it was a person is perhaps still to be told.
    fn forget_signals(&mut self, resource: &ResourceId, incarnation: &Incarnation) {
        let replaced = self.state.own.get(incarnation).is_some_and(|own| own.replaced);
        if replaced {
            self.asked_amid_our_recreate(resource, incarnation, None);
        }
        // A look may show that it went before its last events come: what they tell of is the end of the same patience.
        if !replaced {
            self.watch.forget(incarnation);
        }
    }

    /// Somebody's stop had reached a body that healer was replacing, and the API was open then, or is found to have been.
    fn asked_amid_our_recreate(
        &mut self,
        resource: &ResourceId,
        incarnation: &Incarnation,
        open_after: Option<SourceTime>,
    ) {
        let Some((at, signal)) = self.watch.told_at_last(incarnation, open_after) else { return };
        let word = intent::stopped_before(self.state.intents.get(resource), at, signal, AT_THE_ENGINE);
        let (resource, incarnation, fact) = (resource.clone(), incarnation.clone(), Fact::ApiOpenAfter(at));
        self.take_word(&Observation { resource, incarnation, generation: Generation(0), fact }, word);
    }

    /// The first body of a resource that is heard of while healer has that made anew is the one that was made.
    fn note_made(&mut self, seen: &Observation) {
        let is_it = |act: &Act| act.permit.step.resource == seen.resource && act.permit.step.action == Action::Recreate;
        let Some((permit, act)) = self.state.acts.iter().find(|(_, act)| is_it(act)) else { return };
        let began = match &seen.fact {
            Fact::Happened(Happening { what: What::Created | What::Started, at }) => Some(*at),
            Fact::Looked(look) => look.started,
            Fact::Happened(_) | Fact::ApiOpenAfter(_) | Fact::Gone | Fact::Unlooked(_) => None,
        };
        // What comes after the word of healer's own hands that it is over is somebody else's.
        let over = act.answered.filter(|_| act.is_answered()).map(|at| self.by_clock_of_source(&seen.resource, at));
        let ordered = SourceTime(act.permit.given.wall.0.saturating_mul(1_000_000));
        let known = self.world.body_of(&seen.resource, &seen.incarnation).map(|body| body.known_since);
        let in_time = began >= Some(ordered) && over.is_none_or(|over| began <= Some(over));
        // Nor was it made by what the batch that first showed it has ordered.
        let is_new = in_time && known.is_none_or(|since| since > act.permit.given.tick);
        if act.made.is_none() && act.permit.incarnation != seen.incarnation && is_new && !self.faults.made_by_nobody {
            let (resource, incarnation) = (seen.resource.clone(), seen.incarnation.clone());
            self.emit(Event::BodyMade { permit: *permit, resource, incarnation });
        }
    }

    /// What a deploy has put in the place of what stood before it is the first thing to ask about when it falls ill.
    fn note_what_it_is_made_of(&mut self, seen: &Observation) {
        let Fact::Looked(_) = &seen.fact else { return };
        // In a listing one body after the other comes to stand for it: which one does is known at its end.
        if self.world.source(seen.resource.source()).is_some_and(|source| source.listed) {
            self.note_make(&seen.resource);
        }
    }

    fn note_make(&mut self, resource: &ResourceId) {
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.as_deref());
        let Some(make) = definition.filter(|made| made.belongs.is_healers()).map(Make::of) else { return };
        if self.state.makes.present(resource) != Some(&make) {
            let before = self.state.makes.last(resource).filter(|before| **before != make);
            let before = before.cloned().map(Box::new);
            let by = self.updated_by(resource, &make);
            self.emit(Event::MadeOf { resource: resource.clone(), make: Box::new(make), before, by });
        }
    }

    /// Whether an order of ours explains that a body is renamed or removed: the old one is set aside and goes, the new one
    /// gets its name.
    fn is_of_our_recreate(&self, seen: &Observation) -> bool {
        let named = matches!(&seen.fact, Fact::Happened(Happening { what: What::Renamed { aside: false }, .. }));
        let own = self.state.own.get(&seen.incarnation);
        own.is_some_and(|own| own.replaced || (own.made && named))
    }

    /// When another body of the resource was last known to end, or to run by an order of ours, if this is a look at one that is down.
    fn another_at(&self, seen: &Observation) -> Option<SourceTime> {
        let is_down = matches!(&seen.fact, Fact::Looked(look) if look.run == Run::Exited);
        let ended = self.state.ends.get(&seen.resource).filter(|(of, _)| *of != seen.incarnation).map(|(_, at)| *at);
        let others = self.state.own_of_others(&seen.resource, &seen.incarnation);
        let ran = others.filter(|_| is_down).filter_map(Own::last_ran_at);
        ran.max().max(ended).filter(|_| is_down)
    }

    /// Judges an end whose events did not come in time by what a look shows, as one that nobody watched: the engine drops
    /// events of a stream that is not read fast enough, and says nothing. Returns whether the ledger has a new word.
    pub(crate) fn judge_lost_end(&mut self, resource: &ResourceId) -> bool {
        let Some((incarnation, body)) = self.world.body(resource) else { return false };
        let lost = body.run == Run::Exited && !body.end_seen && body.watched_since.is_some();
        let Some(look) = body.look.clone().filter(|_| lost) else { return false };
        let known = (&self.state, &self.world, &self.faults);
        let Some(around) = Around::of(known, resource, incarnation) else { return false };
        let around = Around { events_are_lost: true, ..around };
        let (incarnation, generation) = (incarnation.clone(), body.generation);
        let fact = Fact::Looked(Box::new(look));
        let seen = Observation { resource: resource.clone(), incarnation, generation, fact };
        let word = self.watch.read(&seen, &around);
        let told = matches!(word, Word::Wants(..));
        self.take_word(&seen, word);
        told
    }

    pub(crate) fn take_word(&mut self, seen: &Observation, word: Word) {
        match word {
            Word::None => {}
            Word::StopBegan(at, signal) => {
                let (resource, incarnation) = (seen.resource.clone(), seen.incarnation.clone());
                self.emit(Event::StopBegan { resource, incarnation, at, signal });
            }
            Word::EndedUnasked(at) => self.ended_unasked(&seen.resource, &seen.incarnation, at),
            Word::StartedByAnother => {
                let at = match &seen.fact {
                    Fact::Happened(happening) => Some(happening.at),
                    Fact::Looked(_) | Fact::ApiOpenAfter(_) | Fact::Gone | Fact::Unlooked(_) => None,
                };
                self.started_by_another(&seen.resource, at);
                self.note_person_acted(&seen.resource, "a start at the engine");
                self.refresh(&seen.resource, Refresh::StartedAtTheEngine);
            }
            Word::Wants(wanted, by, because) => {
                let this = self.world.body_of(&seen.resource, &seen.incarnation);
                let another = self.another_body(seen);
                // Unless healer has put that one in its place, and nobody else.
                let ours = self.state.own.get(&seen.incarnation).is_some_and(|own| own.replaced);
                let another_runs = self.world.others(seen).any(|other| self.runs_on(seen, other)) && !ours;
                // Nor is what was not known of another's end known by what this one's end shows.
                let up = this.is_some_and(Body::is_up);
                let of_its_end = by == Author::Evidence && !up;
                if wanted != Wanted::Running && another_runs || of_its_end && another.is_some() {
                    return;
                }
                let guess = self.faults.first_sight_guessed && by == Author::FirstSight;
                let wanted = if guess { Wanted::Running } else { wanted };
                let started = wanted == Wanted::Running && by == Author::SomebodyAtTheEngine;
                let start = self.world.body_of(&seen.resource, &seen.incarnation).and_then(|body| body.started);
                let start = start.filter(|_| wanted == Wanted::Running);
                if let Some((order, who)) = start.and_then(|start| self.stopped_meanwhile(&seen.resource, start)) {
                    return self.stop_what_was_made(&seen.resource, order, who);
                }
                let source_at = match &seen.fact {
                    Fact::Happened(happening) => Some(happening.at),
                    Fact::ApiOpenAfter(at) => Some(*at),
                    // A stop that a look tells of is as old as the end that it shows, and so is a start that failed.
                    Fact::Looked(look) if by == Author::SomebodyAtTheEngine => {
                        Some(look.exit.as_ref().map_or(look.at, |exit| exit.at))
                    }
                    Fact::Looked(look) => Some(look.at),
                    Fact::Gone | Fact::Unlooked(_) => None,
                };
                let intent = intent::entry(wanted, by, because, source_at, self.now);
                let stopped = intent.wanted == Wanted::Stopped;
                self.emit(Event::IntentChanged { resource: seen.resource.clone(), intent });
                self.touch_siblings(&seen.resource);
                if stopped {
                    self.stop_what_was_started(&seen.resource);
                }
                if started {
                    self.refresh(&seen.resource, Refresh::StartedAtTheEngine);
                }
            }
        }
    }

    /// The body that stands for a resource, if that is another one than this is about.
    fn another_body(&self, seen: &Observation) -> Option<(&Incarnation, &Body)> {
        self.world.body(&seen.resource).filter(|(incarnation, _)| **incarnation != seen.incarnation)
    }

    /// Whether another body of a resource runs on, ran when this one was asked to end, or was started since: how this one
    /// ended says nothing of what is wanted. Who stops that one too stops them all.
    fn runs_on(&self, seen: &Observation, (incarnation, other): (&Incarnation, &Body)) -> bool {
        if self.faults.other_body_ignored {
            return false;
        }
        let this = self.world.body_of(&seen.resource, &seen.incarnation);
        let ended = this.and_then(|body| body.exit.as_ref()).map(|exit| exit.at);
        let asked = this.and_then(last_asked).or(self.state.stop_began(&seen.resource, &seen.incarnation)).or(ended);
        let other_ended = other.exit.as_ref().map(|exit| exit.at);
        let ran_then = asked.is_some() && other.started.is_some() && other_ended > asked;
        let is_stopped = self.is_told_to_end(incarnation, &seen.resource);
        // What the engine restarts again and again was stopped by nobody.
        (other.is_up() || other.run == Run::Restarting || ran_then) && !is_stopped
            || (ended.is_some() && other.started > ended)
    }

    /// Somebody took the engine's policy away from what it restarts again and again: a person's brake, which holds healer
    /// too (facts/intent.md, S11).
    fn brake(&mut self, resource: &ResourceId, at: SourceTime) {
        let word = self.state.intents.get(resource);
        if word.is_some_and(|word| word.wanted == Wanted::Running && intent::said_at(word) < at) {
            let because = "somebody took its restart policy away while it kept failing".to_owned();
            let intent = intent::entry(Wanted::Unknown, Author::Evidence, because, Some(at), self.now);
            self.emit(Event::IntentChanged { resource: resource.clone(), intent });
        }
    }

    fn ended_unasked(&mut self, resource: &ResourceId, incarnation: &Incarnation, at: SourceTime) {
        self.emit(Event::EndedUnasked { resource: resource.clone(), incarnation: incarnation.clone(), at });
    }

    /// A fresh budget, as often as it may be had.
    pub(crate) fn refresh(&mut self, resource: &ResourceId, because: Refresh) {
        let stability = self.settings.budgets.stability();
        if self.state.spending.may_refresh(resource, &because, stability, self.now.tick) {
            self.emit(Event::BudgetRefreshed { resource: resource.clone(), because });
            self.live.afresh.insert(resource.clone());
        }
    }

    fn gone(&mut self, resource: &ResourceId, incarnation: &Incarnation) {
        self.forget_signals(resource, incarnation);
        self.touched.insert(resource.clone());
        // The one that healer has put in its place may not have been heard of yet; if it never is, a full listing tells.
        if self.state.own.get(incarnation).is_some_and(|own| own.replaced) {
            return;
        }
        self.emit(Event::ResourceGone { resource: resource.clone(), incarnation: incarnation.clone() });
    }

    fn looked(&mut self, ticket: PermitId, seen: &Observation) {
        self.observed(seen, true);
        let Some(act) = self.state.acts.get(&ticket) else { return };
        // What was to be replaced tells of that only while nothing is known to be in its place: that it is gone tells none
        // of what came after it.
        let replaced = act.permit.step.action == Action::Recreate && act.permit.incarnation == seen.incarnation;
        if replaced && (act.answer == Some(Answer::Done) || act.made.is_some() || seen.fact == Fact::Gone) {
            return;
        }
        let shown = match &seen.fact {
            Fact::Looked(look) => Shown { found: Found::Is(look.run), source_at: Some(look.at) },
            Fact::Gone => Shown { found: Found::Gone, source_at: None },
            Fact::Happened(_) | Fact::ApiOpenAfter(_) | Fact::Unlooked(_) => return,
        };
        // Only an act whose answer is in may be settled by it: the look was taken after that.
        if act.answer.is_some() {
            self.live.shown.insert(ticket, shown);
        }
    }

    fn reported(&mut self, report: &Report) {
        let Report { source, state } = report;
        let closing = matches!(state, SourceState::Closing);
        if closing || matches!(state, SourceState::Lost { .. }) {
            let watch = &mut self.watch;
            let mut ends = Vec::new();
            let closing = closing.then_some(self.now.wall);
            self.world.unsettle(source, |resource, incarnation, body| {
                let ended = watch.unsettle(incarnation, body, closing);
                ends.extend(ended.map(|at| (resource.clone(), incarnation.clone(), at)));
            });
            for (resource, incarnation, at) in ends {
                let wanted = self.state.intents.get(&resource).map(|intent| intent.wanted);
                let known = self.state.end_unasked(&resource, &incarnation) >= Some(at);
                if wanted == Some(Wanted::Running) && !known {
                    self.ended_unasked(&resource, &incarnation, at);
                }
            }
        }
        if let SourceState::Opened { start, .. } = state {
            if self.state.recoveries.is_another_start(source, start) {
                self.world.was_down(source);
            }
            self.estrange(source, start);
        }
        let was_down = self.world.source(source).is_some_and(world::Source::is_down);
        let vanished = self.world.report(source, state, self.now);
        let begins = match state {
            SourceState::Opened { start, .. } => self.recovery_begins(source, start, was_down),
            SourceState::Listed { .. } => self.first_starts(source),
            SourceState::Unreachable { .. } | SourceState::Closing | SourceState::Lost { .. } => None,
        };
        for (resource, incarnation) in vanished {
            self.gone(&resource, &incarnation);
        }
        self.forget_what_went_unseen(report);
        let told = self.state.sources.get(source) == Some(state) || matches!(state, SourceState::Listed { .. });
        if !told {
            self.emit(Event::SourceChanged { source: source.clone(), state: state.clone() });
        }
        if let Some(begins) = begins {
            self.emit(begins);
        }
        self.live.all = true;
        let of_source = |resource: &&ResourceId| resource.source() == source;
        self.touched.extend(self.world.resources().filter(of_source).cloned());
        self.touched.extend(self.state.alerts.keys().map(|alert| &alert.resource).filter(of_source).cloned());
    }

    /// What the ledger speaks of and a full listing does not show went while nobody looked.
    fn forget_what_went_unseen(&mut self, Report { source, state }: &Report) {
        let SourceState::Listed { generation, .. } = state else { return };
        if self.world.source(source).is_none_or(|source| source.generation != Some(*generation)) {
            return;
        }
        self.watch.keep_only(&self.world.incarnations());
        let of_source: Vec<_> =
            self.world.resources().filter(|resource| resource.source() == source).cloned().collect();
        of_source.iter().for_each(|resource| self.note_make(resource));
        let is_gone = |resource: &&ResourceId| resource.source() == source && self.world.body(resource).is_none();
        let gone: Vec<ResourceId> = self.state.intents.keys().filter(is_gone).cloned().collect();
        for resource in gone {
            let incident = self.state.latest.get(&resource).and_then(|number| self.state.incidents.get(number));
            let last = incident.and_then(|incident| incident.case.as_ref()).map(|case| case.incarnation.clone());
            self.gone(&resource, &last.unwrap_or_else(|| Incarnation("".into())));
        }
    }

    /// Compares what is seen of a resource with what the journal says is firing.
    pub(crate) fn compare_alerts(&mut self, resource: &ResourceId) {
        let mut conditions = detect::conditions(self.world.bodies(resource), self.now.tick);
        if conditions.is_empty() && self.was_never_started(resource) {
            conditions.push((Name::ServiceDown, "it shall run, and was never started".to_owned()));
        }
        if let Some(dead) = self.world.dead_network(resource).filter(|_| !self.faults.network_ignored) {
            conditions.push((Name::NetworkDead, dead.to_string()));
        }
        for name in Name::ALL {
            let alert = Alert { name, resource: resource.clone() };
            let stands = conditions.iter().find(|(standing, _)| *standing == name).map(|(_, because)| because.clone());
            let (to, because) = match (stands, self.state.alerts.contains_key(&alert)) {
                (Some(because), false) => (alert::State::Firing, because),
                // What is not seen at present is not known to be over.
                (None, true) if self.is_seen_or_gone(resource) => {
                    (alert::State::Resolved, "it no longer stands".to_owned())
                }
                (Some(_), true) | (None, true | false) => continue,
            };
            let had_another = self.state.is_ill(resource);
            let ends = to == alert::State::Resolved;
            let instead = conditions.first().map(|(standing, _)| *standing).filter(|_| ends);
            self.emit(Event::AlertChanged(Transition { alert, to, because: because.clone(), instead }));
            if !ends && name == Name::ServiceDown && self.is_taken_down_late(resource) {
                self.live.afresh.insert(resource.clone());
            }
            // That it is down is no news of what healer itself takes down for a moment.
            let ours = name == Name::ServiceDown && self.held_down().contains(resource);
            if let (true, Some(incident)) = (!ends && had_another && !ours, self.state.open_incident(resource)) {
                let id = incident.id.clone();
                self.live.more_seen.insert(id.number);
                self.emit(Event::AlertJoined { id, alert: name, because });
            }
        }
    }

    /// Whether a person said to healer, or its configuration says, that it shall run, and nothing came of it. What somebody has just made at the engine
    /// is theirs to start.
    pub(crate) fn was_never_started(&self, resource: &ResourceId) -> bool {
        let is_said = |intent: &Intent| {
            intent.wanted == Wanted::Running && matches!(intent.by, Author::Person(_) | Author::Configuration)
        };
        let created = self.world.body(resource).is_some_and(|(_, body)| body.run == Run::Created);
        created
            && self.state.intents.get(resource).is_some_and(is_said)
            && !self.persons_act_under_way(resource)
            && self.world.deploying_until(resource, self.now.tick).is_none()
    }

    /// Whether there is a body to judge by, or a full listing that shows that there is none.
    fn is_seen_or_gone(&self, resource: &ResourceId) -> bool {
        self.world.body(resource).is_some() || self.world.source(resource.source()).is_some_and(|source| source.listed)
    }

    fn gathered(&mut self, incident: &IncidentId, incarnation: &Incarnation, log: &Result<Excerpt, String>) {
        let excerpt = match log {
            Ok(excerpt) => excerpt.clone(),
            Err(because) => Excerpt {
                lines: vec![model::incident::Line {
                    text: format!("(the log could not be read: {because})"),
                    times: 1,
                    telling: false,
                    complaint: None,
                }],
                ..Excerpt::default()
            },
        };
        if self.state.incidents.get(&incident.number).is_none_or(|incident| incident.phase.is_over()) {
            return;
        }
        self.live.logs.insert(incident.number, (incarnation.clone(), excerpt));
        if let Some(incident) = self.state.incidents.get(&incident.number) {
            self.touched.insert(incident.resource.clone());
        }
    }

    /// Whether a resource runs, as far as is seen.
    pub(crate) fn is_up(&self, resource: &ResourceId) -> bool {
        self.world.body(resource).is_some_and(|(_, body)| matches!(body.run, Run::Running | Run::Paused))
    }
}

/// When a body was asked to end in its present life, as far as events told: the last time, since who asks once more may mean
/// what is left of the service by then. The kill at the end of a stop's patience asks nothing.
fn last_asked(body: &Body) -> Option<SourceTime> {
    let asks = |happening: &&Happening| matches!(happening.what, What::Signalled { terminating: true, signal } if signal != SIGKILL);
    body.happenings.iter().filter(asks).map(|ask| ask.at).max()
}
