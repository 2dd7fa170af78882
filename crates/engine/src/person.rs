//! What a person asks: it sets the intent at once, and is carried out past policy, risk, budgets and silences, but not
//! past exclusions, leadership and what is busy.

use std::time::Duration;

use model::action::{Action, Answer, Behalf, Change, Pair, Permit, PermitId, Step, With};
use model::command::{Ask, Command, CommandId, Reply, ReplyLine};
use model::event::{Event, Refresh};
use model::fact::{Run, SourceTime};
use model::input::Effect;
use model::intent::{Author, Wanted};
use model::update::Source;
use model::verdict::{Hold, Refusal, Verdict};
use model::view::Stand;
use model::{ResourceId, Tick};

use crate::life::Turn;
use crate::state::Queued;
use crate::view::{self, Unclear};
use crate::{Engine, PendingReply, folders, intent, plan};

/// So long after a person's word an order that may never have been heard is given again.
const ASKED_AGAIN_WITHIN: Duration = Duration::from_secs(600);

/// So many replies are kept for whoever asks again.
const ANSWERS_KEPT_MAX: usize = 32;

impl Engine {
    pub(crate) fn commanded(&mut self, command: &Command) {
        let Command { id, who, ask } = command;
        if self.state.commands.contains(id) {
            if self.live.replies.contains_key(id) {
                // It is under way, and whoever asked again waits on.
                return;
            }
            let lines = match self.live.answered.iter().find(|reply| reply.id == *id) {
                Some(reply) => reply.lines.clone(),
                None => vec![line(None, "this was taken already")],
            };
            return self.reply(id, true, lines);
        }
        match ask {
            Ask::Start(words) => self.act_on(id, who, ask, words, Wanted::Running),
            Ask::Stop(words) => self.act_on(id, who, ask, words, Wanted::Stopped),
            Ask::Restart(words) | Ask::RestartAll(words) => self.act_on(id, who, ask, words, Wanted::Running),
            Ask::Pull(words) => self.update(id, who, ask, words, Source::Pull),
            Ask::Rebuild(words) => self.update(id, who, ask, words, Source::Build),
            Ask::Adopt(words) => self.adopt(id, who, ask, words),
            Ask::Freeze { because } => {
                self.take(id, who, ask);
                self.emit(Event::Frozen { by: who.clone(), because: because.clone() });
                self.live.all = true;
                self.reply(id, true, vec![line(None, "frozen: healer starts nothing new until `healer thaw`")]);
            }
            Ask::Thaw => {
                self.take(id, who, ask);
                let was = self.state.frozen.is_some();
                if was {
                    self.emit(Event::Thawed { by: who.clone() });
                    self.live.all = true;
                }
                let text = if was { "thawed: healer acts again" } else { "it was not frozen" };
                self.reply(id, true, vec![line(None, text)]);
            }
            Ask::Approve(incident) => self.decide_on(id, who, ask, incident, Turn::Approved, ""),
            Ask::Reject { incident, because } => self.decide_on(id, who, ask, incident, Turn::Rejected, because),
            Ask::Answer { question, approved, because } => {
                let stand = self.stand(question);
                if stand != Stand::Open && !self.faults.link_not_compared {
                    return self.reply(id, false, vec![failed(None, &format!("nothing was decided: {stand}"))]);
                }
                let turn = if *approved { Turn::Approved } else { Turn::Rejected };
                self.decide_on(id, who, ask, &question.incident, turn, because);
            }
            Ask::Acknowledge(incident) => self.decide_on(id, who, ask, incident, Turn::Acknowledged, ""),
        }
    }

    pub(crate) fn take(&mut self, id: &CommandId, who: &str, ask: &Ask) {
        self.emit(Event::CommandTaken { id: id.clone(), who: who.to_owned(), ask: ask.clone() });
    }

    pub(crate) fn reply(&mut self, id: &CommandId, taken: bool, lines: Vec<ReplyLine>) {
        self.effects.push(Effect::Answer(Reply::new(id.clone(), taken, lines)));
    }

    /// The resources that a person's words mean, among all that is seen or was spoken of.
    pub(crate) fn meant_by(&self, words: &str) -> Result<Vec<ResourceId>, Unclear> {
        let meant = view::named(self.world.resources().chain(self.state.intents.keys()), words)?;
        // Another host may have a directory for a deployment of this name.
        if let (Some(one), Some(folder)) = (meant.first(), self.folder_meant_by(words)) {
            let among = vec![one.whole_deployment().to_owned(), folders::whole_name(&folder)];
            return Err(Unclear::Several { name: words.to_owned(), among });
        }
        Ok(meant)
    }

    pub(crate) fn not_known(&mut self, id: &CommandId, words: &str) {
        let text = format!("nothing that healer knows is called `{words}`: `healer status --all` lists what it knows");
        self.reply(id, false, vec![failed(None, &text)]);
    }

    fn act_on(&mut self, id: &CommandId, who: &str, ask: &Ask, words: &str, wanted: Wanted) {
        let meant = match self.meant_by(words) {
            Ok(meant) => meant,
            Err(unclear) => return self.reply(id, false, vec![failed(None, &unclear.to_string())]),
        };
        if let Some(watched) = meant.iter().find(|resource| resource.is_only_watched()) {
            let text = "it is only watched: that is neither started nor stopped";
            return self.reply(id, false, vec![failed(Some(watched), text)]);
        }
        let order = self.bring_up_meant_by(words).filter(|_| wanted == Wanted::Stopped);
        if let Some(order) = order.cloned() {
            if let Some(other) = meant.iter().find(|resource| resource.host() != order.folder.host) {
                let among = vec![other.whole_deployment().to_owned(), folders::whole_name(&order.folder)];
                let unclear = Unclear::Several { name: words.to_owned(), among };
                return self.reply(id, false, vec![failed(None, &unclear.to_string())]);
            }
            return self.call_off(id, who, ask, &order, meant);
        }
        if meant.is_empty() {
            return match self.folder_meant_by(words) {
                Some(folder) => self.bring_up(id, who, ask, folder),
                None => self.not_known(id, words),
            };
        }
        let mut lines = Vec::new();
        let mut allowed = Vec::new();
        let named = match meant.as_slice() {
            [only] if only.as_str() == words || only.short() == words => Some(only.clone()),
            _ => None,
        };
        let meant = if matches!(ask, Ask::RestartAll(_)) { self.with_what_needs_it(meant) } else { meant };
        for resource in meant {
            let by_name = named.as_ref() == Some(&resource);
            let untouchable = self.refused_to_persons(&resource);
            if untouchable.is_none()
                && !by_name
                && let Some(text) = self.left_as_it_is(ask, &resource)
            {
                lines.push(line(Some(&resource), &text));
                continue;
            }
            if let Some(Verdict::Refuse(refusal)) = &untouchable {
                self.note_refusal(refusal);
            }
            match untouchable.or_else(|| self.frozen_for(wanted)) {
                Some(Verdict::Hold(hold, _)) => lines.push(failed(Some(&resource), &self.refused_by(&hold))),
                Some(Verdict::Refuse(refusal)) => lines.push(failed(Some(&resource), &format!("refused: {refusal}"))),
                Some(Verdict::Allow(_) | Verdict::Ask(_)) | None => allowed.push(resource),
            }
        }
        if allowed.is_empty() && lines.iter().any(|line| line.failed) {
            // A refused command sets no intent.
            return self.reply(id, false, lines);
        }
        self.take(id, who, ask);
        if allowed.is_empty() {
            return self.reply(id, true, lines);
        }
        self.carry_out(id, who, ask, wanted, allowed, lines);
    }

    /// Does what a person wants of these, and answers once all of it is done.
    pub(crate) fn carry_out(
        &mut self,
        id: &CommandId,
        who: &str,
        ask: &Ask,
        wanted: Wanted,
        allowed: Vec<ResourceId>,
        lines: Vec<ReplyLine>,
    ) {
        for resource in &allowed {
            let because = format!("{who} said so: `healer {}`", verb(ask));
            let intent =
                intent::entry(wanted, Author::Person(who.to_owned()), because, self.by_clock_of(resource), self.now);
            self.emit(Event::IntentChanged { resource: resource.clone(), intent });
            if wanted == Wanted::Running {
                if let Some((incarnation, _)) = self.world.body(resource) {
                    let stops = self.state.own.get(incarnation).is_some_and(|own| own.stops_open > 0);
                    self.watch.a_person_spoke(incarnation, stops);
                }
                self.refresh(resource, Refresh::Person(who.to_owned()));
                self.live.wanted.insert(resource.clone());
            }
            self.note_person_acted(resource, "a command");
        }
        let pending = PendingReply { lines, outstanding: allowed.iter().cloned().collect() };
        self.live.replies.insert(id.clone(), pending);
        for resource in allowed {
            self.queue_steps(id, who, ask, &resource);
        }
    }

    /// Why a resource that was not named by itself, but with its deployment, is left as it is: a restart does not start
    /// what was stopped on purpose, and a job that is done is run again by its name alone.
    pub(crate) fn left_as_it_is(&self, ask: &Ask, resource: &ResourceId) -> Option<String> {
        if !matches!(ask, Ask::Start(_) | Ask::Restart(_) | Ask::RestartAll(_) | Ask::Pull(_) | Ask::Rebuild(_)) {
            return None;
        }
        if let Some(refusal) = self.not_ours(resource) {
            return Some(format!("left as it is: {refusal}"));
        }
        if self.is_paused(resource) {
            return Some("left as it is: it is paused: name it to let it go on".to_owned());
        }
        let intent = self.state.intents.get(resource);
        if matches!(ask, Ask::RestartAll(_)) && intent.is_none_or(|intent| intent.wanted == Wanted::Unknown) {
            return Some("left as it is: nobody knows whether it shall run: name it to start it".to_owned());
        }
        // What nobody awaits may have ended with 0 because it was stopped: it is a job if it ended while it was to run.
        let is_job =
            self.world.is_awaited_job(resource) || intent.is_some_and(|intent| intent.wanted == Wanted::Running);
        if is_job && !self.is_up(resource) && self.is_done_job(resource) {
            return Some("left as it is: a job that is done".to_owned());
        }
        let intent = intent.filter(|intent| intent.wanted == Wanted::Stopped && !matches!(ask, Ask::Start(_)))?;
        let through = self.world.body(resource).map_or(intent::AT_THE_ENGINE, |(_, body)| intent::through(body));
        let by = match &intent.by {
            Author::Person(who) => who.clone(),
            Author::SomebodyAtTheEngine => format!("somebody {through}"),
            Author::FirstSight | Author::Evidence | Author::Configuration => intent.because.clone(),
        };
        Some(format!("left as it is: stopped on purpose by {by}: name it to start it"))
    }

    /// These, and all that needs one of them, however indirectly.
    fn with_what_needs_it(&self, mut meant: Vec<ResourceId>) -> Vec<ResourceId> {
        let mut looked_at = 0;
        while let Some(resource) = meant.get(looked_at).cloned() {
            let more = self.world.dependents(&resource).chain(self.world.network_children(&resource));
            let more: Vec<ResourceId> = more.filter(|other| !meant.contains(other)).cloned().collect();
            meant.extend(more);
            looked_at += 1;
        }
        meant
    }

    fn is_paused(&self, resource: &ResourceId) -> bool {
        self.world.body(resource).is_some_and(|(_, body)| body.run == Run::Paused)
    }

    /// During a freeze only a stop passes.
    fn frozen_for(&self, wanted: Wanted) -> Option<Verdict> {
        self.frozen().filter(|_| wanted == Wanted::Running)
    }

    fn queue_steps(&mut self, id: &CommandId, who: &str, ask: &Ask, resource: &ResourceId) {
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.clone());
        let definition = definition.as_deref();
        let steps = match (ask, self.is_up(resource)) {
            (Ask::Start(_) | Ask::Restart(_) | Ask::RestartAll(_), false) => {
                vec![plan::step(Action::Start, resource, definition, Pair::None)]
            }
            (Ask::Restart(_) | Ask::RestartAll(_), true) => plan::restart_steps(resource, definition),
            (Ask::Stop(_), false) if self.faults.owner_stop_forgotten => {
                return self.reply_line(id, line(Some(resource), "it is down already"));
            }
            // What is down as far as is known may have been started a moment ago, or is about to be.
            (Ask::Stop(_), _) => vec![plan::step(Action::Stop, resource, definition, Pair::None)],
            (Ask::Start(_), true) if self.is_paused(resource) => {
                vec![plan::step(Action::Change(Change::Unpause), resource, definition, Pair::None)]
            }
            (Ask::Start(_), true) => {
                return self.reply_line(id, line(Some(resource), "it runs already; it shall run"));
            }
            (
                Ask::Pull(_)
                | Ask::Rebuild(_)
                | Ask::Adopt(_)
                | Ask::Freeze { .. }
                | Ask::Thaw
                | Ask::Approve(_)
                | Ask::Reject { .. }
                | Ask::Answer { .. }
                | Ask::Acknowledge(_),
                _,
            ) => return,
        };
        self.emit(Event::CommandQueued { id: id.clone(), who: who.to_owned(), steps });
    }

    fn adopt(&mut self, id: &CommandId, who: &str, ask: &Ask, words: &str) {
        let meant = match self.meant_by(words) {
            Ok(meant) => meant,
            Err(unclear) => return self.reply(id, false, vec![failed(None, &unclear.to_string())]),
        };
        if meant.is_empty() {
            return self.not_known(id, words);
        }
        let mut lines = Vec::new();
        let mut adopted = Vec::new();
        for resource in meant {
            match self.not_ours(&resource).filter(|refusal| *refusal != Refusal::NotAdopted) {
                Some(refusal) => lines.push(failed(Some(&resource), &format!("refused: {refusal}"))),
                None => adopted.push(resource),
            }
        }
        if adopted.is_empty() {
            return self.reply(id, false, lines);
        }
        self.take(id, who, ask);
        for resource in adopted {
            let wanted = self.as_it_is(&resource);
            let because = format!("{who} said that it is as it shall be: `healer adopt`");
            let intent =
                intent::entry(wanted, Author::Person(who.to_owned()), because, self.by_clock_of(&resource), self.now);
            self.emit(Event::IntentChanged { resource: resource.clone(), intent });
            lines.push(line(Some(&resource), &format!("adopted: it shall be {}", wanted.word())));
        }
        self.reply(id, true, lines);
    }

    /// What a resource is, for whoever says that it is as it shall be: what an order of ours is about to make of it.
    fn as_it_is(&self, resource: &ResourceId) -> Wanted {
        let steps = self.state.acts.values().map(|act| &act.permit.step);
        let ordered = steps.filter(|step| step.resource == *resource).map(|step| (step.action, step.pair)).next_back();
        let pair_is_open = self.state.open_incident(resource).is_some_and(|incident| self.pair_is_open(incident));
        match ordered {
            Some((Action::Start | Action::Recreate | Action::Change(_), _) | (Action::Stop, Pair::Opens)) => {
                Wanted::Running
            }
            Some((Action::Stop, Pair::None | Pair::Closes)) => Wanted::Stopped,
            None if pair_is_open || self.is_up(resource) => Wanted::Running,
            None => Wanted::Stopped,
        }
    }

    pub(crate) fn note_person_acted(&mut self, resource: &ResourceId, by: &str) {
        if let Some(incident) = self.state.open_incident(resource) {
            let id = incident.id.clone();
            self.emit(Event::PersonActed { id, by: by.to_owned() });
        }
    }

    /// Whether a person's act on a resource waits or is under way: what it brings about is theirs.
    pub(crate) fn persons_act_under_way(&self, resource: &ResourceId) -> bool {
        let queued = self.state.queue.iter().any(|queued| queued.steps.iter().any(|step| step.resource == *resource));
        queued
            || self
                .state
                .acts
                .values()
                .any(|act| act.permit.step.resource == *resource && matches!(act.permit.behalf, Behalf::Person(_)))
    }

    /// Whether a person's act on a resource waits for its turn.
    pub(crate) fn a_person_waits_for(&self, resource: &ResourceId) -> bool {
        self.state.queue.iter().any(|queued| queued.steps.first().is_some_and(|step| step.resource == *resource))
    }

    /// Settles persons' acts, and begins those whose turn has come.
    pub(crate) fn progress_persons_acts(&mut self) {
        let acts: Vec<PermitId> = self
            .state
            .acts
            .iter()
            .filter(|(_, act)| matches!(act.permit.behalf, Behalf::Person(_)))
            .map(|(id, _)| *id)
            .collect();
        for id in acts {
            let Some(act) = self.state.acts.get(&id).cloned() else { continue };
            if let Some(reached) = self.settle_persons_act(id) {
                self.act_settled(&act, reached);
            }
        }
        let waiting: Vec<_> = self.state.queue.clone();
        for queued in &waiting {
            let Some(step) = queued.steps.first() else { continue };
            if self.must_wait(&queued.command, step) && !self.waits_in_a_circle(&queued.command) {
                continue;
            }
            self.begin_persons_step(&queued.command, &queued.who, step);
        }
    }

    /// Services may claim to need each other: where all that waits of a command waits for each other, one begins.
    fn waits_in_a_circle(&self, command: &CommandId) -> bool {
        let acts = self.state.acts.values().any(|act| act.command.as_ref() == Some(command));
        let mut steps = self.state.queue.iter().filter(|queued| queued.command == *command);
        !acts && steps.all(|queued| queued.steps.first().is_none_or(|step| self.must_wait(command, step)))
    }

    fn act_settled(&mut self, act: &crate::state::Act, reached: bool) {
        let Some(command) = &act.command else { return };
        let resource = act.permit.step.resource.clone();
        let opened = act.permit.step.pair == Pair::Opens;
        // The closing step is in the queue. It stays there too while nobody can see whether the other one was carried out.
        if opened && (reached || !self.world.is_fresh(&resource)) {
            return;
        }
        if opened {
            // What did not stop need not be started.
            self.emit(Event::CommandDequeued { id: command.clone(), resource: resource.clone() });
        }
        if reached && act.permit.step.ends_in_start() && self.stopped_since(act) {
            let (id, step) = (command.clone(), self.stop_of(&resource));
            if let Behalf::Person(who) = &act.permit.behalf {
                self.emit(Event::CommandQueued { id, who: who.clone(), steps: vec![step] });
            }
            let text = "somebody stopped it meanwhile: it is stopped again";
            return self.reply_line(command, ReplyLine { failed: true, ..line(Some(&resource), text) });
        }
        let name = self.name_of(&resource);
        let text = match (act.permit.step.action, reached, &act.answer) {
            (Action::Change(Change::Unpause), true, _) => "it goes on".to_owned(),
            (Action::Change(change), _, _) => {
                format!("{}: {}", Action::Change(change), if reached { "done" } else { "not done" })
            }
            (Action::Start, true, Some(Answer::AlreadySo)) => "it runs already".to_owned(),
            (Action::Start, true, _) => "started".to_owned(),
            (Action::Recreate, true, _) => {
                self.updated_in_words(&resource, &act.permit.step).unwrap_or_else(|| "made anew".to_owned())
            }
            (Action::Stop, true, Some(Answer::AlreadySo)) => {
                "it is down already; it stays down until somebody starts it".to_owned()
            }
            (Action::Stop, true, _) => "stopped; it stays down until somebody starts it".to_owned(),
            (action, false, Some(Answer::Withheld(why)))
                if (act.permit.step.pair == Pair::Closes || action == Action::Stop)
                    && self.order_again(command, act) =>
            {
                format!("{why}: {action} is tried again")
            }
            (action, false, Some(Answer::Failed(why) | Answer::Withheld(why))) => format!("{action} failed: {why}"),
            (action, false, Some(Answer::Unknown(why))) if self.order_again(command, act) => {
                format!("{why}, and nothing shows that it was done: {action} is tried again")
            }
            (Action::Start, false, _) => format!("it was started, and does not run: `healer why {name}`"),
            (Action::Recreate, false, _) => format!("it was not made anew: `healer why {name}`"),
            (Action::Stop, false, _) => format!("it was told to stop, and still runs: `healer why {name}`"),
        };
        match &act.permit.step.with {
            With::Image(retag) if !reached => {
                let hands_say = matches!(act.answer, Some(Answer::Failed(_)));
                self.not_updated(command, &act.permit.step, &text, retag, hands_say);
            }
            With::Image(_) | With::Nothing | With::Memory(_) | With::Network(_) | With::NetworkName(_) => {
                self.reply_line(command, ReplyLine { failed: !reached, ..line(Some(&resource), &text) });
            }
        }
    }

    /// This moment by the clock of a resource's engine, where that is another than ours.
    pub(crate) fn by_clock_of(&self, resource: &ResourceId) -> Option<SourceTime> {
        let ahead_ms = self.world.source(resource.source()).map_or(0, |source| source.ahead_ms);
        let now_ms = self.now.wall.0.saturating_add(ahead_ms);
        (ahead_ms != 0).then(|| SourceTime(now_ms.saturating_mul(1_000_000)))
    }

    /// A moment of ours by the clock of a resource's engine.
    pub(crate) fn by_clock_of_source(&self, resource: &ResourceId, at: Tick) -> SourceTime {
        let ahead_ms = self.world.source(resource.host()).map_or(0, |source| source.ahead_ms);
        let ago_ms = i64::try_from(self.now.tick.since(at).as_millis()).unwrap_or(i64::MAX);
        let at_ms = self.now.wall.0.saturating_sub(ago_ms).saturating_add(ahead_ms);
        SourceTime(at_ms.saturating_mul(1_000_000))
    }

    /// Whether somebody wants it stopped since this was ordered: their stop crossed our start.
    fn stopped_since(&self, act: &crate::state::Act) -> bool {
        let word = self.state.intents.get(&act.permit.step.resource);
        word.is_some_and(|word| word.wanted == Wanted::Stopped && word.at.tick >= act.permit.given.tick)
    }

    pub(crate) fn stop_of(&self, resource: &ResourceId) -> Step {
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.as_deref());
        plan::step(Action::Stop, resource, definition, Pair::None)
    }

    /// An order of a person's that may never have been heard is given again, while their word is young.
    fn order_again(&mut self, command: &CommandId, act: &crate::state::Act) -> bool {
        let Permit { step, behalf: Behalf::Person(who), .. } = &act.permit else { return false };
        let word = self.state.intents.get(&step.resource).filter(|intent| intent.by == Author::Person(who.clone()));
        let young = word.is_some_and(|intent| self.now.tick.since(intent.at.tick) < ASKED_AGAIN_WITHIN);
        // What their restart took down is brought up, however long that takes.
        let again = step.pair == Pair::Closes && word.is_some() || young && step.pair == Pair::None;
        if again {
            let (id, who) = (command.clone(), who.clone());
            self.emit(Event::CommandQueued { id, who, steps: vec![step.clone()] });
        }
        again
    }

    /// Whether a step has to wait for another of its command, or for an act on the same resource: a start for what it
    /// depends on, a stop for what depends on it.
    fn must_wait(&self, command: &CommandId, step: &Step) -> bool {
        let same = self.state.acts.values().any(|act| act.permit.step.resource == step.resource);
        let before: Vec<&ResourceId> = match step.action {
            Action::Change(_) => Vec::new(),
            Action::Start | Action::Recreate => self.world.parents(&step.resource).collect(),
            Action::Stop => self.world.dependents(&step.resource).collect(),
        };
        let queued = self.state.queue.iter().any(|other| {
            other.command == *command
                && other.steps.iter().any(|s| s.action == step.action && before.contains(&&s.resource))
                && !(step.pair == Pair::Closes && self.opening_is_held(other))
        });
        // Its image is still being fetched.
        let fetching =
            |needed: &&ResourceId| self.state.updates.get(*needed).is_some_and(|order| order.command == *command);
        let fetches = step.action == Action::Recreate && before.iter().any(fetching);
        let acting = self
            .state
            .acts
            .values()
            .any(|act| act.command.as_ref() == Some(command) && before.contains(&&act.permit.step.resource));
        same || queued || fetches || acting
    }

    /// Whether what a command is to take down stays up for now: a freeze came in between, or a repair. What was taken down
    /// before it does not wait for that.
    fn opening_is_held(&self, queued: &Queued) -> bool {
        let opening = queued.steps.first().filter(|step| step.pair == Pair::Opens);
        opening.is_some_and(|step| {
            !self.must_wait(&queued.command, step) && matches!(self.guard_person(&queued.who, step), Verdict::Hold(..))
        })
    }

    /// What a freeze refuses says why it is frozen, and what ends that.
    pub(crate) fn refused_by(&self, hold: &Hold) -> String {
        let frozen = self.state.frozen.as_ref().filter(|_| matches!(hold, Hold::Frozen { .. }));
        let remedy = frozen.map(|frozen| match frozen.because.as_str() {
            "" => ": `healer thaw` ends that".to_owned(),
            because => format!(" ({because}): `healer thaw` ends that"),
        });
        format!("refused: {hold}{}", remedy.unwrap_or_default())
    }

    fn begin_persons_step(&mut self, command: &CommandId, who: &str, step: &Step) {
        // Somebody wanted something else in the meantime: the later word counts.
        let wanted = self.state.intents.get(&step.resource).map(|intent| intent.wanted);
        let contradicted = match (step.action, step.pair) {
            (Action::Start | Action::Recreate | Action::Change(_), _) | (Action::Stop, Pair::Opens) => {
                wanted != Some(Wanted::Running)
            }
            (Action::Stop, Pair::None | Pair::Closes) => wanted == Some(Wanted::Running),
        };
        // Nor may it be made anew where the body was stopped that was meant, though another one runs on for now.
        let stopped = step.action == Action::Recreate && self.a_body_is_told_to_end(&step.resource);
        let contradicted = contradicted || stopped;
        let verdict = self.guard_person(who, step);
        match verdict {
            _ if contradicted && !(self.faults.update_intent_not_asked && step.action == Action::Recreate) => {
                self.drop_step(command, step, "dropped: somebody wanted otherwise meanwhile")
            }
            Verdict::Allow(permit) => self.start_action(permit, 0, 0),
            Verdict::Refuse(refusal) => {
                self.note_refusal(&refusal);
                self.drop_step(command, step, &format!("refused: {refusal}"));
            }
            // Nobody but they can end that.
            Verdict::Hold(hold @ Hold::TwoIncarnations, _) => {
                let text = format!("not done: {hold}; remove the one that is not meant with `docker rm`");
                self.drop_step(command, step, &text);
            }
            // What a restart took down is queued; nothing else is begun that may have to wait for days. Their word counts
            // all the same: what shall run and does not is started when the mount is there.
            Verdict::Hold(Hold::MountMissing { mount }, _) if step.pair != Pair::Closes => {
                let hold = Hold::MountMissing { mount: mount.clone() };
                self.drop_step(command, step, &format!("not done: {hold}; `mount {mount}` ends that"));
            }
            Verdict::Hold(hold, _) => self.tell_queued(command, step, &hold),
            Verdict::Ask(_) => {}
        }
    }

    fn drop_step(&mut self, command: &CommandId, step: &Step, text: &str) {
        self.emit(Event::CommandDequeued { id: command.clone(), resource: step.resource.clone() });
        match &step.with {
            With::Image(retag) => self.not_updated(command, step, text, retag, false),
            With::Nothing | With::Memory(_) | With::Network(_) | With::NetworkName(_) => {
                self.reply_line(command, failed(Some(&step.resource), text));
            }
        }
    }

    /// A person is not kept waiting for what is busy: they are told, and it follows.
    fn tell_queued(&mut self, command: &CommandId, step: &Step, hold: &Hold) {
        let outstanding =
            self.live.replies.get(command).is_some_and(|pending| pending.outstanding.contains(&step.resource));
        if outstanding {
            self.reply_line(command, line(Some(&step.resource), &format!("queued: {hold}")));
        }
    }

    /// One resource of a command is answered; with the last one the reply goes out.
    pub(crate) fn reply_line(&mut self, command: &CommandId, line: ReplyLine) {
        let Some(pending) = self.live.replies.get_mut(command) else { return };
        if line.resource.as_ref().is_some_and(|resource| pending.outstanding.remove(resource)) {
            pending.lines.push(line);
        }
        if pending.outstanding.is_empty()
            && let Some(done) = self.live.replies.remove(command)
        {
            let reply = Reply::new(command.clone(), true, done.lines.clone());
            self.live.replied.push(reply.clone());
            self.live.answered.push_back(reply);
            if self.live.answered.len() > ANSWERS_KEPT_MAX {
                self.live.answered.pop_front();
            }
            self.reply(command, true, done.lines);
        }
    }

    /// When a queued step is asked again, if nothing wakes it sooner.
    pub(crate) fn queue_due(&self) -> Option<Tick> {
        (!self.state.queue.is_empty()).then(|| self.after(Duration::from_secs(1)))
    }
}

pub(crate) fn line(resource: Option<&ResourceId>, text: &str) -> ReplyLine {
    ReplyLine { resource: resource.cloned(), text: text.to_owned(), failed: false }
}

pub(crate) fn failed(resource: Option<&ResourceId>, text: &str) -> ReplyLine {
    ReplyLine { failed: true, ..line(resource, text) }
}

fn verb(ask: &Ask) -> &'static str {
    match ask {
        Ask::Start(_) => "start",
        Ask::Stop(_) => "stop",
        Ask::Restart(_) | Ask::RestartAll(_) => "restart",
        Ask::Pull(_) => "pull",
        Ask::Rebuild(_) => "rebuild",
        Ask::Adopt(_) => "adopt",
        Ask::Freeze { .. } => "freeze",
        Ask::Thaw => "thaw",
        Ask::Approve(_) => "approve",
        Ask::Reject { .. } => "reject",
        Ask::Answer { approved: true, .. } => "approve",
        Ask::Answer { approved: false, .. } => "reject",
        Ask::Acknowledge(_) => "ack",
    }
}
