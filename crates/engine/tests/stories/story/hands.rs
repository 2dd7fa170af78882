//! How a container takes what is done to it, and what hands, looks and the stream make of that.

use super::*;

impl Story {
    pub(super) fn happens(&mut self, due: Due) {
        match due {
            Due::Feed(input) => self.inbox.push(input),
            Due::Look { resource, incarnation, ticket } => {
                let generation = Generation(self.generation);
                let (resource, fact) = match self.look_at(&incarnation) {
                    Some((resource, look)) => (resource, Fact::Looked(Box::new(look))),
                    None => (resource, Fact::Gone),
                };
                let seen = Observation { resource, incarnation, generation, fact };
                self.inbox.push(match ticket {
                    Some(ticket) => Input::Looked { ticket, seen },
                    None => Input::Observed(seen),
                });
            }
            Due::Act(permit) => self.act(*permit),
            Due::Started { id, permit } => {
                self.comes_up(&id);
                self.answers(permit, Answer::Done);
            }
            Due::Ends { id, life, code } => {
                if self.by_id(&id).is_some_and(|container| container.life == life && container.run == Run::Running) {
                    self.ends_with(&id, code, false);
                }
            }
            Due::Killed { id, life } => {
                if self.by_id(&id).is_some_and(|container| container.life == life && container.run == Run::Running) {
                    self.signals(&id, 9);
                    self.ends_with(&id, 137, false);
                }
            }
            Due::OutOfMemory { id, life } => {
                let lives = |it: &mut Container| it.life == life && it.run == Run::Running;
                if self.by_id(&id).is_some_and(lives) {
                    self.event(&id, What::OutOfMemory);
                    self.ends_with(&id, 137, true);
                }
            }
            Due::StopsByHand(id) => self.stops_by_hand(&id),
            Due::Remade { id, permit } => {
                self.event(&id, What::Stopped);
                let name = self.by_id(&id).unwrap().resource.short().to_owned();
                let joins = self.by_id(&id).unwrap().definition.network_parent.clone();
                let joins = joins.map(|parent| self.container(parent.short()).id.clone());
                let ends = self.by_id(&id).unwrap().ends;
                let act = self.engine.as_ref().and_then(|engine| engine.state().acts.get(&permit));
                let with = act.map(|act| act.permit.step.with.clone());
                self.recreated(&name, |definition| {
                    definition.network_body = joins;
                    if let Some(With::Image(image)) = with {
                        definition.image_id = image.to;
                    }
                });
                // The eyes look at what they see for the first time.
                let (resource, incarnation) = (named(&name), self.container(&name).id.clone());
                self.container(&name).ends = ends;
                self.will_end_as_told(&incarnation);
                self.file(1, Due::Look { resource, incarnation, ticket: None });
                self.answers(Some(permit), Answer::Done);
            }
            Due::Stopped { id, permit } => {
                if self.by_id(&id).is_some() {
                    self.event(&id, What::Stopped);
                }
                self.answers(permit, Answer::Done);
            }
        }
    }

    pub(super) fn answers(&mut self, permit: Option<PermitId>, answer: Answer) {
        if let (Some(permit), Some(_)) = (permit, &self.engine) {
            self.file(ANSWER_TAKES_MS, Due::Feed(Input::Answered(permit, answer)));
        }
    }

    /// The hands: look again, ask whether the permit still holds, and act.
    pub(super) fn act(&mut self, permit: Permit) {
        let id = permit.incarnation.clone();
        let Some(container) = self.by_id(&id) else {
            return self.answers(Some(permit.id), Answer::Withheld("the container is gone".to_owned()));
        };
        let up = container.run == Run::Running;
        let already = match permit.step.action {
            Action::Start => up,
            Action::Stop => !up,
            Action::Recreate => false,
            Action::Change(_) => container.is_changed(&permit.step),
        };
        let unstartable = container.unstartable;
        let told = permit.answered_by(container.run).filter(|_| permit.step.action == Action::Recreate);
        if let Some(answer) = told {
            return self.answers(Some(permit.id), answer);
        }
        if already {
            return self.answers(Some(permit.id), Answer::AlreadySo);
        }
        if let Some(why) = self.withheld(&permit) {
            return self.answers(Some(permit.id), Answer::Withheld(why));
        }
        match (permit.step.action, unstartable) {
            (Action::Start, None) if !self.by_id(&id).unwrap().lost_networks.is_empty() => {
                self.answers(
                    Some(permit.id),
                    Answer::Failed("the engine answered 404: network 0a1b not found".to_owned()),
                );
            }
            (Action::Start, None) => self.file(START_TAKES_MS, Due::Started { id, permit: Some(permit.id) }),
            (Action::Start, Some(error)) => {
                let at = self.source_now();
                let container = self.by_id(&id).unwrap();
                container.exit = Some(Exit { at, code: 128, oom: false, error: error.to_owned(), start_error: None });
                self.answers(Some(permit.id), Answer::Failed(error.to_owned()));
            }
            (Action::Change(_), _) => {
                let container = self.by_id(&id).unwrap();
                let refused = container.refuses.filter(|(action, _)| *action == permit.step.action);
                let answer = match refused {
                    Some((_, why)) => Answer::Failed(why.to_owned()),
                    None => {
                        container.change(&permit.step);
                        Answer::Done
                    }
                };
                self.answers(Some(permit.id), answer);
            }
            (Action::Stop, _) => {
                let at = self.signals(&id, 15);
                self.api_found_open(&id, at);
                self.terminates(&id, Some(permit.id));
            }
            (Action::Recreate, Some(error)) => self.answers(Some(permit.id), Answer::Failed(error.to_owned())),
            (Action::Recreate, None) => {
                if up {
                    self.signals(&id, 15);
                    let life = self.by_id(&id).unwrap().life;
                    self.file(TERM_TAKES_MS, Due::Ends { id: id.clone(), life, code: 143 });
                }
                self.file(TERM_TAKES_MS + STOP_AFTER_DIE_MS + REMAKE_TAKES_MS, Due::Remade { id, permit: permit.id });
            }
        }
    }

    /// What `runtime::Gate` asks.
    pub(super) fn withheld(&self, permit: &Permit) -> Option<String> {
        let engine = self.engine.as_ref()?;
        if engine.state().frozen.is_some() && !permit.unhindered {
            return Some("healer was frozen meanwhile".to_owned());
        }
        let standing = engine.standing(&permit.step.resource);
        if needs_wanted_running(permit) && standing.wanted != Wanted::Running {
            return Some("it is not wanted running any more".to_owned());
        }
        (needs_wanted_running(permit) && standing.being_stopped).then(|| "somebody is stopping it".to_owned())
    }

    pub(super) fn signals(&mut self, id: &Incarnation, signal: u8) -> SourceTime {
        self.by_id(id).unwrap().flag = true;
        self.event(id, What::Signalled { signal, terminating: true })
    }

    pub(super) fn api_found_open(&mut self, id: &Incarnation, at: SourceTime) {
        let resource = self.by_id(id).unwrap().resource.clone();
        let generation = Generation(self.generation);
        let seen = Observation { resource, incarnation: id.clone(), generation, fact: Fact::ApiOpenAfter(at) };
        if self.connected {
            self.file(SOCKET_SEEN_AFTER_MS + self.stream_lag_ms, Due::Feed(Input::Observed(seen)));
        }
    }

    /// What follows a TERM: the end, or a KILL after the stop timeout; then the stop.
    pub(super) fn terminates(&mut self, id: &Incarnation, permit: Option<PermitId>) {
        let container = self.by_id(id).unwrap();
        let life = container.life;
        let ends_ms = if container.ignores_term {
            u64::try_from(container.definition.stop_timeout_s).unwrap() * 1_000
        } else {
            TERM_TAKES_MS
        };
        let id = id.clone();
        let ends = if self.by_id(&id).unwrap().ignores_term {
            Due::Killed { id: id.clone(), life }
        } else {
            Due::Ends { id: id.clone(), life, code: 143 }
        };
        self.file(ends_ms, ends);
        self.file(ends_ms + STOP_AFTER_DIE_MS, Due::Stopped { id, permit });
    }

    pub(super) fn comes_up(&mut self, id: &Incarnation) {
        let at = self.source_now();
        let Some(container) = self.by_id(id).filter(|container| container.run != Run::Running) else { return };
        container.run = Run::Running;
        container.started = Some(at);
        container.flag = false;
        container.life += 1;
        container.kept.clear();
        if container.health != Health::Unchecked {
            container.health = Health::Starting;
        }
        let life = container.life;
        let limit = container.definition.memory_limit_bytes;
        if let Some((after_ms, _)) = container.outgrows.filter(|(_, enough)| limit < *enough) {
            self.file(after_ms, Due::OutOfMemory { id: id.clone(), life });
        }
        self.will_end_as_told(id);
        self.event(id, What::Started);
    }

    /// What was just started ends, if it is one that does.
    fn will_end_as_told(&mut self, id: &Incarnation) {
        let container = self.by_id(id).unwrap();
        let life = container.life;
        if let Some((after_ms, code, times)) = container.ends.filter(|(_, _, times)| *times > 0) {
            container.ends = Some((after_ms, code, times - 1));
            self.file(after_ms, Due::Ends { id: id.clone(), life, code });
        }
    }

    pub(super) fn ends_with(&mut self, id: &Incarnation, code: i32, oom: bool) {
        let at = self.source_now();
        let container = self.by_id(id).unwrap();
        container.run = Run::Exited;
        container.exit = Some(Exit { at, code, oom, error: String::new(), start_error: None });
        self.event(id, What::Died { code });
    }

    /// The stream tells an event, if anybody is connected.
    pub(super) fn event(&mut self, id: &Incarnation, what: What) -> SourceTime {
        let at = self.source_now();
        let happening = Happening { at, what };
        let container = self.by_id(id).unwrap();
        container.kept.push(happening.clone());
        let resource = container.resource.clone();
        let generation = Generation(self.generation);
        let seen = Observation { resource, incarnation: id.clone(), generation, fact: Fact::Happened(happening) };
        match (self.connected, self.stream_lag_ms) {
            (false, _) => {}
            (true, 0) => self.inbox.push(Input::Observed(seen)),
            (true, lag_ms) => self.file(lag_ms, Due::Feed(Input::Observed(seen))),
        }
        at
    }

    pub(crate) fn look_at(&mut self, id: &Incarnation) -> Option<(ResourceId, Look)> {
        let at = self.source_now();
        let reads_flag = self.reads_flag;
        let container = self.by_id(id)?;
        let up = matches!(container.run, Run::Running | Run::Paused);
        let look = Look {
            at,
            run: container.run,
            started: container.started,
            exit: container.exit.clone().filter(|_| !up),
            health: container.health,
            health_output: String::new(),
            check_lacks: None,
            restarts: container.restarts,
            manually_stopped: reads_flag.then_some(container.flag),
            kept: None,
            lost_networks: if up { Vec::new() } else { container.lost_networks.clone() },
            disk: None,
            probe: None,
            definition: container.definition.clone(),
        };
        Some((container.resource.clone(), look))
    }

    pub(super) fn by_id(&mut self, id: &Incarnation) -> Option<&mut Container> {
        self.containers.iter_mut().find(|container| container.id == *id)
    }

    pub(super) fn container(&mut self, name: &str) -> &mut Container {
        let resource = named(name);
        self.containers.iter_mut().rev().find(|container| container.resource == resource).expect("no such container")
    }

    /// The oldest of the containers of this name.
    pub(crate) fn first_id_of(&self, name: &str) -> Incarnation {
        let resource = named(name);
        self.containers.iter().find(|container| container.resource == resource).expect("no such container").id.clone()
    }

    /// The newest of the containers of this name.
    pub(crate) fn last_id_of(&mut self, name: &str) -> Incarnation {
        self.container(name).id.clone()
    }

    /// This very container does not end by TERM.
    pub(crate) fn ignores_term_of(&mut self, id: &Incarnation) -> &mut Story {
        self.by_id(id).unwrap().ignores_term = true;
        self
    }

    /// `docker rm` of this very container.
    pub(crate) fn removed_of(&mut self, id: &Incarnation) -> &mut Story {
        self.event(id, What::Destroyed);
        self.containers.retain(|container| container.id != *id);
        self
    }

    /// The main process of this very container ends.
    pub(crate) fn ends(&mut self, id: &Incarnation, code: i32) -> &mut Story {
        self.ends_with(id, code, false);
        self
    }
}
