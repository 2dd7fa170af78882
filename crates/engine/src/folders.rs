//! Deployments that are known by their directory. One without containers is brought up at a person's word alone: who
//! removed its containers wants none (facts/intent.md, S15), and a directory that was only just written wants nothing yet.

use std::time::Duration;

use model::action::{Action, Pair};
use model::command::{Ask, CommandId, Reply, ReplyLine};
use model::event::Event;
use model::fact::SourceTime;
use model::folder::{BringUp, Folder};
use model::input::Effect;
use model::intent::{Author, Wanted};
use model::settings::{Exclusion, matches};
use model::verdict::Refusal;
use model::{ResourceId, Wall, view};

use crate::intent::said_at;
use crate::{Engine, PendingReply, intent, plan};

/// The engine carries out what Compose asked last, also when that has ended, within this time.
const DONE_LATE: Duration = Duration::from_secs(60);
const ENDED_WITH_HEALER: &str = "healer was ended while Compose was at it; what is there now is left as it is";

impl Engine {
    /// The deployment without containers that a person's words mean.
    pub(crate) fn folder_meant_by(&self, words: &str) -> Option<Folder> {
        let is_called = |folder: &&Folder| folder.deployment == words || whole_name(folder) == words;
        self.world.without_containers().find(is_called).cloned()
    }

    /// Carries a command about a deployment out that has no containers.
    pub(crate) fn bring_up(&mut self, id: &CommandId, who: &str, ask: &Ask, folder: Folder) {
        if let Err(why) = self.may_bring_up(ask, &folder) {
            return self.reply(id, false, vec![line(why, true)]);
        }
        self.take(id, who, ask);
        self.live.replies.insert(id.clone(), PendingReply::default());
        let (who, at) = (who.to_owned(), self.now.wall);
        let order = Box::new(BringUp { command: id.clone(), who, at, folder });
        self.emit(Event::BringUpOrdered { order: order.clone() });
        self.effects.push(Effect::BringUp(order));
    }

    fn may_bring_up(&self, ask: &Ask, folder: &Folder) -> Result<(), String> {
        let name = &folder.deployment;
        let is_same = |other: &Folder| (&other.host, &other.deployment) == (&folder.host, name);
        if let Some(order) = self.state.bring_ups.values().find(|order| is_same(&order.folder)) {
            let who = &order.who;
            return Err(format!("{who} is having {name} brought up: anything else is done once it has containers"));
        }
        if !matches!(ask, Ask::Start(_)) {
            return Err(format!("{name} has no containers: `healer start {name}` makes them"));
        }
        let excludes = |entry: &&Exclusion| match entry {
            Exclusion::Deployment(pattern) => matches(pattern, name),
            Exclusion::Label(_) => false,
        };
        if self.settings.exclude.iter().any(|entry| excludes(&entry)) {
            return Err(format!("refused: {name} is excluded by the configuration"));
        }
        if let Some(flaw) = &folder.flaw {
            return Err(format!("refused: {flaw}"));
        }
        if let Some(frozen) = &self.state.frozen {
            return Err(format!("refused: frozen by {}: `healer thaw` ends that", frozen.by));
        }
        Ok(())
    }

    /// The order to bring up the deployment that a person's words mean, unless it was called off.
    pub(crate) fn bring_up_meant_by(&self, words: &str) -> Option<&BringUp> {
        let is_called = |folder: &Folder| folder.deployment == words || whole_name(folder) == words;
        let is_on = |order: &&BringUp| {
            let of = self.state.orders.get(&whole_name(&order.folder));
            of.is_none_or(|of| of.called_off.is_none())
        };
        self.state.bring_ups.values().filter(is_on).find(|order| is_called(&order.folder))
    }

    /// Somebody wants stopped what Compose is bringing up: Compose is ended, and what there is of it by now is stopped like
    /// anything else. What the engine makes of it later is stopped when it is seen to start.
    pub(crate) fn call_off(&mut self, id: &CommandId, who: &str, ask: &Ask, order: &BringUp, made: Vec<ResourceId>) {
        self.take(id, who, ask);
        let (command, name) = (order.command.clone(), &order.folder.deployment);
        self.emit(Event::BringUpCalledOff { order: command.clone(), id: id.clone(), who: who.to_owned() });
        self.effects.push(Effect::CallOff(command));
        let untouchable = |resource: &&ResourceId| matches!(self.not_ours(resource), Some(Refusal::Excluded { .. }));
        let made: Vec<_> = made.iter().filter(|resource| !untouchable(resource)).cloned().collect();
        let told = line(format!("{name} is not brought up any further"), false);
        if made.is_empty() {
            return self.reply(id, true, vec![told]);
        }
        self.carry_out(id, who, ask, Wanted::Stopped, made, vec![told]);
    }

    /// Whose wish that a resource be stopped a start by Compose goes against, which an order of ours had begun before that
    /// wish; and the order. What Compose asked last the engine carries out although that was ended.
    pub(crate) fn stopped_meanwhile(&self, resource: &ResourceId, start: SourceTime) -> Option<(CommandId, String)> {
        let order = self.state.orders.get(resource.whole_deployment())?;
        let source = |wall: Wall| SourceTime(wall.0.saturating_mul(1_000_000));
        let over = order.called_off.as_ref().map(|(_, at)| *at).or(order.ended);
        let late = over.is_some_and(|over| start > source(over) && start.since(source(over)) > DONE_LATE);
        if start < source(order.at) || late {
            return None;
        }
        let word = self.state.intents.get(resource).filter(|word| said_at(word) > source(order.at));
        let who = match word.map(|word| (&word.by, word.wanted)) {
            Some((Author::Person(who), Wanted::Stopped)) => who.clone(),
            Some((Author::Person(_), Wanted::Running | Wanted::Unknown)) => return None,
            Some((Author::SomebodyAtTheEngine | Author::FirstSight | Author::Evidence | Author::Configuration, _))
            | None => order.called_off.as_ref()?.0.clone(),
        };
        Some((order.command.clone(), who))
    }

    /// Compose started it for an order of ours, and somebody wants it stopped by now.
    pub(crate) fn stop_what_was_made(&mut self, resource: &ResourceId, order: CommandId, who: String) {
        let because = format!("{who} said so: `healer stop`, while Compose was bringing it up");
        let intent =
            intent::entry(Wanted::Stopped, Author::Person(who.clone()), because, self.by_clock_of(resource), self.now);
        self.emit(Event::IntentChanged { resource: resource.clone(), intent });
        let definition = self.world.body(resource).and_then(|(_, body)| body.definition.clone());
        let steps = vec![plan::step(Action::Stop, resource, definition.as_deref(), Pair::None)];
        self.emit(Event::CommandQueued { id: order, who, steps });
    }

    /// What the last batch ordered is being done.
    pub(crate) fn note_handed_bring_ups(&mut self) {
        self.live.bring_ups_handed = self.state.bring_ups.keys().cloned().collect();
    }

    /// What the journal has ordered, and nobody was told to do, since its batch was reported as failed. To call off once
    /// more what is called off does no harm.
    pub(crate) fn owed_bring_ups(&self) -> Vec<Effect> {
        let handed = &self.live.bring_ups_handed;
        let owed = self.state.bring_ups.iter().filter(|(id, _)| !handed.contains(*id));
        let owed = owed.map(|(_, order)| Effect::BringUp(Box::new(order.clone())));
        let called_off = self.state.orders.values().filter(|order| order.called_off.is_some() && order.ended.is_none());
        owed.chain(called_off.map(|order| Effect::CallOff(order.command.clone()))).collect()
    }

    /// Compose ended with the process that had it at work.
    pub(crate) fn give_up_bring_ups(&mut self) {
        for id in self.state.bring_ups.keys().cloned().collect::<Vec<_>>() {
            self.brought_up(&id, &Err(ENDED_WITH_HEALER.to_owned()));
        }
    }

    /// Compose has ended. What runs of the deployment, and that nobody has spoken against since, runs at the word of who
    /// asked for it, and as of then.
    pub(crate) fn brought_up(&mut self, id: &CommandId, result: &Result<(), String>) {
        let Some(BringUp { folder, who, at, .. }) = self.state.bring_ups.get(id).cloned() else { return };
        let order = self.state.orders.get(&whole_name(&folder));
        let called_off =
            order.and_then(|order| order.called_off.as_ref()).map(|(by, _)| format!("{by} has called it off"));
        let Folder { host, deployment, .. } = folder;
        let is_called_off = called_off.is_some();
        let failed = called_off.or_else(|| result.as_ref().err().cloned());
        let told = match &failed {
            None => line(format!("{deployment}: its containers are made and started"), false),
            Some(why) => line(format!("{deployment} was not brought up: {why}"), true),
        };
        let event = Event::BroughtUp { id: id.clone(), host: host.clone(), deployment: deployment.clone(), failed };
        self.emit(event);
        if self.live.replies.remove(id).is_some() {
            self.live.replied.push(Reply::new(id.clone(), true, vec![told.clone()]));
            self.reply(id, true, vec![told]);
        }
        let is_of = |resource: &&ResourceId| resource.host() == host && resource.deployment() == deployment;
        if is_called_off {
            return;
        }
        let uncontested = |resource: &&ResourceId| {
            let standing = self.standing(resource);
            standing.wanted == Wanted::Running && !standing.being_stopped && self.is_up(resource)
        };
        let up: Vec<ResourceId> = self.world.resources().filter(is_of).filter(uncontested).cloned().collect();
        let source_at = SourceTime(at.0.saturating_mul(1_000_000));
        for resource in up {
            let because = format!("{who} said so: `healer start`");
            let by = Author::Person(who.clone());
            let intent = intent::entry(Wanted::Running, by, because, Some(source_at), self.now);
            self.emit(Event::IntentChanged { resource, intent });
        }
    }
}

/// A deployment's name with its host, as [`ResourceId::whole_deployment`] has it.
pub(crate) fn whole_name(folder: &Folder) -> String {
    format!("docker:{}/{}", folder.host, folder.deployment)
}

fn line(text: String, failed: bool) -> ReplyLine {
    ReplyLine { resource: None, text, failed }
}

/// A deployment that has a directory and no containers, as it stands.
pub(crate) fn view(folder: &Folder) -> view::Deployment {
    let name = &folder.deployment;
    let why = match &folder.flaw {
        None => format!("no containers: `healer start {name}` makes them"),
        Some(flaw) => format!("no containers, and its file cannot be used: {flaw}"),
    };
    view::Deployment {
        name: name.clone(),
        host: folder.host.clone(),
        standing: view::Standing::Absent,
        wanted: "nothing".to_owned(),
        since: None,
        why,
        resources: Vec::new(),
        folder: Some(directory(folder)),
    }
}

/// What is shown of a directory.
pub(crate) fn directory(folder: &Folder) -> view::Folder {
    view::Folder { path: folder.path.clone(), domains: folder.domains.clone() }
}
