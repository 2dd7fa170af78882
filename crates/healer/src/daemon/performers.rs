//! Does what the loop decided: each effect is a task of its own with a deadline, in bounded pools; its answer goes back
//! into the inbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::Context as _;
use docker::{Hands, Host};
use model::ResourceId;
use model::action::{Answer, Permit, PermitId};
use model::command::CommandId;
use model::fact::{Fact, Generation, Incarnation, Observation};
use model::folder::BringUp;
use model::incident::IncidentId;
use model::input::{Effect, Input};
use model::message::{Delivery, Parcel, Receipt};
use notify::Channel;
use runtime::{Clock, Gate, Handle, Perform};
use tokio::sync::{Semaphore, oneshot};

use crate::config::Config;

/// Acts that are under way at the same time on one engine; the guard allows fewer.
const ACTS_MAX: usize = 16;
/// Looks and logs that are read at the same time on one engine.
const READS_MAX: usize = 16;
/// Messages that are under way at the same time.
const SENDS_MAX: usize = 8;

/// Hands, channels, and the way back.
pub(crate) struct Performers {
    tasks: tokio::runtime::Handle,
    back: Handle,
    gate: Gate,
    clock: Clock,
    engines: BTreeMap<String, Engine>,
    /// What Compose is at, by the command that asked for it, and how to end it.
    bring_ups: Arc<Mutex<BTreeMap<CommandId, oneshot::Sender<()>>>>,
    channels: Channels,
    sends: Arc<Semaphore>,
}

#[derive(Clone)]
struct Engine {
    host: Host,
    hands: Hands,
    acts: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

/// The channels that are open at present; the configuration may change them. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Channels(Arc<RwLock<BTreeMap<String, Arc<Channel>>>>);

impl Channels {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// When a channel's settings cannot be used, such as a secret that cannot be read.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Channels> {
        let channels = Channels::default();
        channels.change(config)?;
        Ok(channels)
    }

    /// Takes what the configuration names now; on an error what was open stays.
    ///
    /// # Errors
    /// As for [`Channels::open`].
    pub(crate) fn change(&self, config: &Config) -> anyhow::Result<()> {
        let mut open = BTreeMap::new();
        for channel in &config.channels {
            let opened = channel.opened().with_context(|| format!("the channel `{}` cannot be used", channel.name))?;
            open.insert(channel.name.clone(), Arc::new(opened));
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = open;
        Ok(())
    }

    fn get(&self, name: &str) -> Option<Arc<Channel>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl Performers {
    pub(crate) fn new(
        back: Handle,
        gate: Gate,
        clock: Clock,
        hosts: &BTreeMap<String, Result<Host, docker::Error>>,
        channels: Channels,
    ) -> Performers {
        let engine = |host: &Host| Engine {
            host: host.clone(),
            hands: Hands::new(host.clone()),
            acts: Arc::new(Semaphore::new(ACTS_MAX)),
            reads: Arc::new(Semaphore::new(READS_MAX)),
        };
        Performers {
            tasks: tokio::runtime::Handle::current(),
            back,
            gate,
            clock,
            engines: hosts
                .iter()
                .filter_map(|(name, host)| Some((name.clone(), engine(host.as_ref().ok()?))))
                .collect(),
            bring_ups: Arc::default(),
            channels,
            sends: Arc::new(Semaphore::new(SENDS_MAX)),
        }
    }

    fn engine(&self, resource: &ResourceId) -> Option<Engine> {
        self.engines.get(resource.host()).cloned()
    }

    fn look(&self, resource: ResourceId, incarnation: Incarnation, ticket: Option<PermitId>) {
        let Some(engine) = self.engine(&resource) else { return };
        let back = self.back.clone();
        self.tasks.spawn(async move {
            let Ok(_turn) = engine.reads.acquire().await else { return };
            // Without an answer nothing is known: the engine asks again when it is due.
            let Ok(seen) = engine.hands.look(&resource).await else { return };
            for input in told(seen, &resource, &incarnation, ticket, engine.host.generation()) {
                back.tell(input);
            }
        });
    }

    fn gather(&self, incident: IncidentId, resource: &ResourceId, incarnation: Incarnation) {
        let Some(engine) = self.engine(resource) else { return };
        let back = self.back.clone();
        self.tasks.spawn(async move {
            let Ok(_turn) = engine.reads.acquire().await else { return };
            let log = engine.hands.read_log(&incarnation).await;
            back.tell(Input::Gathered { incident, incarnation, log });
        });
    }

    fn execute(&self, permit: Box<Permit>) {
        let Some(engine) = self.engine(&permit.step.resource) else { return };
        let (back, gate, clock) = (self.back.clone(), self.gate.clone(), self.clock.clone());
        self.tasks.spawn(async move {
            let Ok(_turn) = engine.acts.acquire().await else { return };
            let still = || gate.pass(&permit, clock.now().tick).map_err(|withdrawn| withdrawn.to_string());
            // Whatever the wait for a place took is no longer the act's: after its deadline the step is settled by a look.
            let left = permit.until.since(clock.now().tick);
            let acting = tokio::time::timeout(left, engine.hands.perform(&permit, still)).await;
            let late = |_| Answer::Unknown("no answer before the permit's end".to_owned());
            back.tell(Input::Answered(permit.id, acting.unwrap_or_else(late)));
        });
    }

    fn bring_up(&self, order: BringUp) {
        let (back, gate) = (self.back.clone(), self.gate.clone());
        let BringUp { command, folder, .. } = order;
        let engine = self.engines.get(&folder.host).cloned();
        let (call_off, called_off) = oneshot::channel();
        let under_way = Arc::clone(&self.bring_ups);
        under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(command.clone(), call_off);
        self.tasks.spawn(async move {
            let still = || gate.pass_order().map_err(|withdrawn| withdrawn.to_string());
            let result = match engine {
                // What is dropped takes its Compose with it.
                Some(engine) => tokio::select! {
                    result = engine.hands.bring_up(&folder, still) => result,
                    Ok(()) = called_off => Err("called off".to_owned()),
                },
                None => Err(format!("there is no engine called {}", folder.host)),
            };
            under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&command);
            back.tell(Input::BroughtUp { command, result });
        });
    }

    /// Ends a bring-up that is under way; of one that is over, its end is told already.
    fn call_off(&self, command: &CommandId) {
        let under_way = self.bring_ups.lock().unwrap_or_else(PoisonError::into_inner).remove(command);
        if let Some(under_way) = under_way {
            let _ = under_way.send(());
        }
    }

    fn send(&self, parcel: Box<Parcel>) {
        let back = self.back.clone();
        let Some(channel) = self.channels.get(&parcel.channel) else {
            let result = Delivery::Rejected("the configuration has no such channel any more".to_owned());
            let receipt = Receipt { channel: parcel.channel.clone(), message: parcel.message.id, result };
            return back.tell(Input::Delivered(receipt));
        };
        let sends = self.sends.clone();
        self.tasks.spawn(async move {
            let Ok(_turn) = sends.acquire().await else { return };
            let receipt = channel.deliver(&parcel).await;
            if let Some(warned) = warned(&receipt, parcel.attempt) {
                back.tell(warned);
            }
            back.tell(Input::Delivered(receipt));
        });
    }
}

impl Perform for Performers {
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Look { resource, incarnation, ticket } => self.look(resource, incarnation, ticket),
            Effect::Gather { incident, resource, incarnation } => self.gather(incident, &resource, incarnation),
            Effect::Execute(permit) => self.execute(permit),
            Effect::BringUp(order) => self.bring_up(*order),
            Effect::CallOff(command) => self.call_off(&command),
            Effect::Send(parcel) => self.send(parcel),
            // The loop's driver gives replies to whoever waits for them.
            Effect::Answer(_) => {}
        }
    }
}

/// The topic under which the status shows that a channel does not work.
pub(crate) fn topic(channel: &str) -> String {
    format!("channel {channel}")
}

/// A channel that takes nothing would otherwise be missed on the day that it is needed. `attempt`: which try of this message
/// it was, from 1; a first one that fails may be chance.
fn warned(receipt: &Receipt, attempt: u32) -> Option<Input> {
    let channel = &receipt.channel;
    let says = match &receipt.result {
        Delivery::Delivered => None,
        Delivery::Rejected(why) => {
            let says = format!("the channel `{channel}` does not take what it is told: {why}");
            tracing::warn!("{says}");
            Some(says)
        }
        Delivery::Retry(_) if attempt < 2 => return None,
        Delivery::Retry(why) => {
            let says =
                format!("the channel `{channel}` could not be told, {attempt} times so far: {why}; it is tried again");
            tracing::warn!("{says}");
            Some(says)
        }
    };
    Some(Input::Warned { about: topic(channel), says })
}

/// What a look that was asked for tells: the body that was asked for bears the ticket, also when it is no more.
fn told(
    seen: Vec<Observation>,
    resource: &ResourceId,
    incarnation: &Incarnation,
    ticket: Option<PermitId>,
    generation: Generation,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut found = false;
    for seen in seen {
        let asked = seen.incarnation == *incarnation;
        found |= asked;
        inputs.push(match ticket.filter(|_| asked) {
            Some(ticket) => Input::Looked { ticket, seen },
            None => Input::Observed(seen),
        });
    }
    if !found {
        let (resource, incarnation) = (resource.clone(), incarnation.clone());
        let seen = Observation { resource, incarnation, generation, fact: Fact::Gone };
        inputs.push(match ticket {
            Some(ticket) => Input::Looked { ticket, seen },
            None => Input::Observed(seen),
        });
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_takes_nothing_is_shown_until_it_does() {
        let receipt = |result| Receipt { channel: "hook".to_owned(), message: model::message::MessageId(1), result };
        let of = |result| warned(&receipt(result), 1);
        let about = "channel hook".to_owned();
        let says = Some("the channel `hook` does not take what it is told: it answered 410".to_owned());
        let rejected = of(Delivery::Rejected("it answered 410".to_owned()));
        assert_eq!(rejected, Some(Input::Warned { about: about.clone(), says }));
        assert_eq!(of(Delivery::Delivered), Some(Input::Warned { about, says: None }));
        let later = |attempt| warned(&receipt(Delivery::Retry("no answer".to_owned())), attempt);
        assert_eq!(later(1), None, "it may be chance");
        let Some(Input::Warned { says: Some(says), .. }) = later(2) else { panic!("nobody would know") };
        assert!(says.contains("2 times so far: no answer"), "{says}");
    }
}
