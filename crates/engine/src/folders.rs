//! Deployments that are known by their directory. One without containers is brought up at a person's word alone: who
//! removed its containers wants none (facts/intent.md, S15), and a directory that was only just written wants nothing yet.

use model::command::{Ask, CommandId, Reply, ReplyLine};
use model::event::Event;
use model::fact::SourceTime;
use model::folder::{BringUp, Folder};
use model::input::Effect;
use model::intent::{Author, Wanted};
use model::settings::{Exclusion, matches};
use model::{ResourceId, view};

use crate::{Engine, PendingReply, intent};

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
        let order = Box::new(BringUp { command: id.clone(), who: who.to_owned(), at: self.now.wall, folder });
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

    /// What the last batch ordered is being done.
    pub(crate) fn note_handed_bring_ups(&mut self) {
        self.live.bring_ups_handed = self.state.bring_ups.keys().cloned().collect();
    }

    /// What the journal has ordered, and nobody was told to do, since its batch was reported as failed.
    pub(crate) fn owed_bring_ups(&self) -> Vec<Effect> {
        let handed = &self.live.bring_ups_handed;
        let owed = self.state.bring_ups.iter().filter(|(id, _)| !handed.contains(*id));
        owed.map(|(_, order)| Effect::BringUp(Box::new(order.clone()))).collect()
    }

    /// Compose ended with the process that had it at work.
    pub(crate) fn give_up_bring_ups(&mut self) {
        let why = "healer was ended while Compose was at it; what is there now is left as it is".to_owned();
        for id in self.state.bring_ups.keys().cloned().collect::<Vec<_>>() {
            self.brought_up(&id, &Err(why.clone()));
        }
    }

    /// Compose has ended. What runs of the deployment, and that nobody has spoken against since, runs at the word of who
    /// asked for it, and as of then.
    pub(crate) fn brought_up(&mut self, id: &CommandId, result: &Result<(), String>) {
        let Some(BringUp { folder, who, at, .. }) = self.state.bring_ups.get(id).cloned() else { return };
        let Folder { host, deployment, .. } = folder;
        let failed = result.as_ref().err().cloned();
        let event = Event::BroughtUp { id: id.clone(), host: host.clone(), deployment: deployment.clone(), failed };
        self.emit(event);
        let is_of = |resource: &&ResourceId| resource.host() == host && resource.deployment() == deployment;
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
        let told = match result {
            Ok(()) => line(format!("{deployment}: its containers are made and started"), false),
            Err(why) => line(format!("{deployment} was not brought up: {why}"), true),
        };
        if self.live.replies.remove(id).is_some() {
            self.live.replied.push(Reply { id: id.clone(), taken: true, lines: vec![told.clone()] });
            self.reply(id, true, vec![told]);
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
