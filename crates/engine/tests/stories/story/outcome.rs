//! What came of a story.

use super::*;

impl Story {
    pub(super) fn say(&mut self, who: &str, text: &str) {
        let (at_s, ms) = (self.now_ms / 1_000, self.now_ms % 1_000);
        self.transcript.push(format!("{at_s:>5}.{ms:03}  {who:<10} {text}").trim_end().to_owned());
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("healer is dead")
    }

    /// What `healer status` shows.
    pub(crate) fn status(&self) -> model::view::Status {
        engine::view::status(self.engine(), self.now())
    }

    /// When (in seconds) an action on a service was ordered.
    pub(crate) fn ordered(&self, action: Action, name: &str) -> Vec<f64> {
        let of = named(name);
        let is_it = |(_, resource, did): &&(u64, ResourceId, Action)| *resource == of && *did == action;
        let seconds = |(at, _, _): &(u64, ResourceId, Action)| f64::from(u32::try_from(*at).unwrap()) / 1_000.0;
        self.acts.iter().filter(is_it).map(seconds).collect()
    }

    /// What the clock of the host shows.
    pub(crate) fn wall(&self) -> Wall {
        self.now().wall
    }

    /// How long the story has lasted.
    pub(crate) fn now_s(&self) -> f64 {
        f64::from(u32::try_from(self.now_ms).unwrap()) / 1_000.0
    }

    pub(crate) fn starts(&self, name: &str) -> usize {
        self.ordered(Action::Start, name).len()
    }

    pub(crate) fn stops(&self, name: &str) -> usize {
        self.ordered(Action::Stop, name).len()
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The kinds of the messages that left the house, in order.
    pub(crate) fn told(&self) -> Vec<Kind> {
        self.messages.iter().map(|message| message.kind).collect()
    }

    pub(crate) fn wanted(&self, name: &str) -> Option<Wanted> {
        self.engine().state().intents.get(&named(name)).map(|intent| intent.wanted)
    }

    /// The phase of a service's latest incident.
    pub(crate) fn phase(&self, name: &str) -> &'static str {
        let state = self.engine().state();
        let incident = state.latest.get(&named(name)).and_then(|number| state.incidents.get(number));
        incident.map_or("none", |incident| incident.phase.name())
    }

    /// Why a service's incident is held.
    pub(crate) fn held_for(&self, name: &str) -> &'static str {
        match self.engine().state().open_incident(&named(name)).map(|incident| &incident.phase) {
            Some(Phase::Held { reason, .. }) => reason.kind(),
            _ => "not held",
        }
    }

    /// How a service's latest incident ended.
    pub(crate) fn outcome(&self, name: &str) -> Option<Outcome> {
        let state = self.engine().state();
        let incident = state.latest.get(&named(name)).and_then(|number| state.incidents.get(number))?;
        incident.outcome().cloned()
    }

    pub(crate) fn is_running(&mut self, name: &str) -> bool {
        self.container(name).run == Run::Running
    }

    /// How often an event of this name stands in the journal.
    pub(crate) fn count(&self, event: &str) -> usize {
        self.journal.iter().filter(|entry| entry.event.name() == event).count()
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.journal.iter().map(|entry| &entry.event)
    }
}
