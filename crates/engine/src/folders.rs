//! Deployments that are known by their directory. One without containers is brought up at a person's word alone: who
//! removed its containers wants none (facts/intent.md, S15), and a directory that was only just written wants nothing yet.

use std::time::Duration;

use model::command::{Ask, CommandId, Reply, ReplyLine};
use model::event::Event;
use model::fact::SourceTime;
use model::folder::{BringUp, Folder};
use model::input::Effect;
use model::intent::{Author, Wanted};
use model::settings::{Exclusion, matches};
use model::{ResourceId, Tick, view};

use crate::{Engine, PendingReply, intent};

/// The engine carries out what Compose asked last, also when that has ended, within this time.
const DONE_LATE: Duration = Duration::from_secs(3);
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
        let order = Box::new(BringUp { command: id.clone(), who, at, folder, called_off: None });
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

    /// The order to bring up the deployment that a person's words mean.
    pub(crate) fn bring_up_meant_by(&self, words: &str) -> Option<&BringUp> {
        let is_called = |folder: &Folder| folder.deployment == words || whole_name(folder) == words;
        self.state.bring_ups.values().find(|order| is_called(&order.folder))
    }

    /// Somebody wants stopped what Compose is bringing up: Compose is ended, and then what runs by then is stopped.
    pub(crate) fn call_off(&mut self, id: &CommandId, who: &str, ask: &Ask, order: &BringUp) {
        if let Some((_, by)) = &order.called_off {
            return self.reply(id, false, vec![line(format!("{by} has called it off already"), true)]);
        }
        self.take(id, who, ask);
        self.live.replies.insert(id.clone(), PendingReply::default());
        let order = order.command.clone();
        self.emit(Event::BringUpCalledOff { order: order.clone(), id: id.clone(), who: who.to_owned() });
        self.effects.push(Effect::CallOff(order));
    }

    /// What the last batch ordered is being done.
    pub(crate) fn note_handed_bring_ups(&mut self) {
        self.live.bring_ups_handed = self.state.bring_ups.keys().cloned().collect();
    }

    /// What the journal has ordered, and nobody was told to do, since its batch was reported as failed.
    pub(crate) fn owed_bring_ups(&self) -> Vec<Effect> {
        let handed = &self.live.bring_ups_handed;
        let owed = self.state.bring_ups.iter().filter(|(id, _)| !handed.contains(*id));
        let owed = owed.map(|(_, order)| Effect::BringUp(Box::new(order.clone())));
        // To call off once more what is called off does no harm.
        let called_off = self.state.bring_ups.iter().filter(|(_, order)| order.called_off.is_some());
        owed.chain(called_off.map(|(id, _)| Effect::CallOff(id.clone()))).collect()
    }

    /// Compose ended with the process that had it at work.
    pub(crate) fn give_up_bring_ups(&mut self) {
        let (left, over): (Vec<_>, Vec<_>) =
            self.state.bring_ups.values().cloned().partition(|order| order.called_off.is_some());
        for order in over {
            self.brought_up(&order.command, &Err(ENDED_WITH_HEALER.to_owned()));
        }
        // What is to be stopped is not known yet.
        self.live.bring_ups_left = left.into_iter().map(|order| order.command).collect();
    }

    /// All that there is on a host is known, also of what was called off in an earlier process's life.
    pub(crate) fn settle_what_was_called_off(&mut self, host: &str) {
        let is_here = |id: &&CommandId| self.state.bring_ups.get(*id).is_some_and(|order| order.folder.host == host);
        let here: Vec<_> = self.live.bring_ups_left.iter().filter(is_here).cloned().collect();
        for id in here {
            self.live.bring_ups_left.remove(&id);
            self.live.bring_ups_settle.insert(id, self.after(DONE_LATE));
        }
    }

    /// Stops what was made of what was called off, once all has happened that Compose had asked for.
    pub(crate) fn stop_what_was_called_off(&mut self) {
        // Forgotten once it is written down that it is over, and not before: an append may fail.
        self.live.bring_ups_settle.retain(|id, _| self.state.bring_ups.contains_key(id));
        let due = |(_, at): &(&CommandId, &Tick)| **at <= self.now.tick;
        let due: Vec<_> = self.live.bring_ups_settle.iter().filter(due).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.brought_up(&id, &Ok(()));
        }
    }

    /// Compose has ended, or was ended.
    pub(crate) fn compose_ended(&mut self, id: &CommandId, result: &Result<(), String>) {
        if self.state.bring_ups.get(id).is_some_and(|order| order.called_off.is_some()) {
            self.live.bring_ups_settle.insert(id.clone(), self.after(DONE_LATE));
        } else {
            self.brought_up(id, result);
        }
    }

    /// A bring-up is over. What runs of the deployment, and that nobody has spoken against since, runs at the word of who
    /// asked for it, and as of then.
    fn brought_up(&mut self, id: &CommandId, result: &Result<(), String>) {
        let Some(BringUp { folder, who, at, called_off, .. }) = self.state.bring_ups.get(id).cloned() else { return };
        let Folder { host, deployment, .. } = folder;
        let mut failed = result.as_ref().err().cloned();
        if let Some((_, by)) = &called_off {
            failed = Some(format!("{by} has called it off"));
        }
        let told = match &failed {
            None => line(format!("{deployment}: its containers are made and started"), false),
            Some(why) => line(format!("{deployment} was not brought up: {why}"), true),
        };
        let event = Event::BroughtUp { id: id.clone(), host: host.clone(), deployment: deployment.clone(), failed };
        self.emit(event);
        if self.live.replies.remove(id).is_some() {
            self.live.replied.push(Reply { id: id.clone(), taken: true, lines: vec![told.clone()] });
            self.reply(id, true, vec![told]);
        }
        let is_of = |resource: &&ResourceId| resource.host() == host && resource.deployment() == deployment;
        if let Some((stop, by)) = called_off {
            let made: Vec<ResourceId> = self.world.resources().filter(is_of).cloned().collect();
            return self.stop_all(&stop, &by, made, &deployment);
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

    /// Stops what was made of a deployment before it was called off.
    fn stop_all(&mut self, id: &CommandId, who: &str, made: Vec<ResourceId>, deployment: &str) {
        let made: Vec<_> = made.into_iter().filter(|resource| self.refused_to_persons(resource).is_none()).collect();
        let mut pending = self.live.replies.remove(id).unwrap_or_default();
        if made.is_empty() {
            let told =
                line(format!("{deployment} is not brought up: called off before anything of it was made"), false);
            return self.reply(id, true, vec![told]);
        }
        pending.lines.push(line(format!("{deployment} is not brought up any further"), false));
        self.carry_out(id, who, &Ask::Stop(deployment.to_owned()), Wanted::Stopped, made, pending.lines);
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
