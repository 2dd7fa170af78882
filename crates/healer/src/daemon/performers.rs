//! Does what the loop decided: each effect is a task of its own with a deadline, in bounded pools; its answer goes back
//! into the inbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::Context as _;
use docker::Host;
use model::ResourceId;
use model::action::{Answer, Permit, PermitId};
use model::command::CommandId;
use model::fact::{Fact, Generation, Incarnation, Observation};
use model::folder::BringUp;
use model::incident::IncidentId;
use model::input::{Effect, Input};
use model::message::{Delivery, Parcel, Receipt};
use model::update::{Fetched, Update};
use notify::Channel;
use runtime::{Clock, Gate, Handle, Perform};
use surfaces::link::{Key, Link};
use tokio::sync::{Semaphore, oneshot};

use super::reach::Reach;
use crate::config::Config;

/// Acts that are under way at the same time on one engine; the guard allows fewer.
const ACTS_MAX: usize = 16;
/// Looks and logs that are read at the same time on one engine.
const READS_MAX: usize = 16;
/// Images that are fetched at the same time for one engine.
const FETCHES_MAX: usize = 2;
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

/// What acts on all that one source sees.
#[derive(Clone)]
struct Engine {
    reach: Reach,
    acts: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    fetches: Arc<Semaphore>,
}

/// The channels that are open at present; the configuration may change them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Channels {
    open: Arc<RwLock<Open>>,
    /// What signs the links in messages, if there is one.
    key: Option<Key>,
}

/// What the configuration named last.
#[derive(Default)]
struct Open {
    channels: BTreeMap<String, Arc<Channel>>,
    external_url: Option<String>,
}

impl Channels {
    /// Opens what the configuration names. `key`: what signs the links in messages; without it there are none.
    ///
    /// # Errors
    /// When a channel's settings cannot be used, such as a secret that cannot be read.
    pub(crate) fn open(config: &Config, key: Option<Key>) -> anyhow::Result<Channels> {
        let channels = Channels { open: Arc::default(), key };
        channels.change(config)?;
        Ok(channels)
    }

    /// Takes what the configuration names now; on an error what was open stays.
    ///
    /// # Errors
    /// As for [`Channels::open`].
    pub(crate) fn change(&self, config: &Config) -> anyhow::Result<()> {
        let mut channels = BTreeMap::new();
        for channel in &config.channels {
            let opened = channel.opened().with_context(|| format!("the channel `{}` cannot be used", channel.name))?;
            channels.insert(channel.name.clone(), Arc::new(opened));
        }
        let external_url = config.external_url.clone();
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Open { channels, external_url };
        Ok(())
    }

    fn get(&self, name: &str) -> Option<Arc<Channel>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).channels.get(name).cloned()
    }

    /// Where whoever gets this parcel can answer what it asks. It is made as the parcel leaves, and kept nowhere.
    fn link(&self, parcel: &Parcel) -> Option<String> {
        let asks = parcel.message.asks.as_ref()?;
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let (key, external_url) = (self.key.as_ref()?, open.external_url.as_ref()?);
        Some(Link::to(&asks.question, &parcel.channel).url(key, external_url))
    }
}

impl Performers {
    pub(crate) fn new(
        back: Handle,
        gate: Gate,
        clock: Clock,
        hosts: &BTreeMap<String, Result<Host, docker::Error>>,
        here: Option<&host::Host>,
        channels: Channels,
    ) -> Performers {
        let engine = |reach| Engine {
            reach,
            acts: Arc::new(Semaphore::new(ACTS_MAX)),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            fetches: Arc::new(Semaphore::new(FETCHES_MAX)),
        };
        let engine_of = |(name, host): (&String, &Result<Host, docker::Error>)| {
            Some((name.clone(), Reach::engine(host.as_ref().ok()?.clone())))
        };
        let containers = hosts.iter().filter_map(engine_of);
        let programs = here.map(|host| (host.source().to_owned(), Reach::host(host.clone())));
        Performers {
            tasks: tokio::runtime::Handle::current(),
            back,
            gate,
            clock,
            engines: containers.chain(programs).map(|(source, reach)| (source, engine(reach))).collect(),
            bring_ups: Arc::default(),
            channels,
            sends: Arc::new(Semaphore::new(SENDS_MAX)),
        }
    }

    fn engine(&self, resource: &ResourceId) -> Option<Engine> {
        self.engines.get(resource.source()).cloned()
    }

    fn look(&self, resource: ResourceId, incarnation: Incarnation, ticket: Option<PermitId>) {
        let Some(engine) = self.engine(&resource) else { return };
        let back = self.back.clone();
        self.tasks.spawn(async move {
            let Ok(_turn) = engine.reads.acquire().await else { return };
            // Without an answer nothing is known: the engine asks again when it is due.
            let Some(seen) = engine.reach.look(&resource).await else { return };
            for input in told(seen, &resource, &incarnation, ticket, engine.reach.generation()) {
                back.tell(input);
            }
        });
    }

    fn gather(&self, incident: IncidentId, resource: ResourceId, incarnation: Incarnation) {
        let Some(engine) = self.engine(&resource) else { return };
        let back = self.back.clone();
        self.tasks.spawn(async move {
            let Ok(_turn) = engine.reads.acquire().await else { return };
            let log = engine.reach.read_log(&resource, &incarnation).await;
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
            let acting = tokio::time::timeout(left, engine.reach.act(&permit, still)).await;
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
            let result = match engine.as_ref().and_then(|engine| engine.reach.containers()) {
                // What is dropped takes its Compose with it.
                Some(hands) => tokio::select! {
                    result = hands.bring_up(&folder, still) => result,
                    Ok(()) = called_off => Err("called off".to_owned()),
                },
                None => Err(format!("there is no engine called {}", folder.host)),
            };
            under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&command);
            back.tell(Input::BroughtUp { command, result });
        });
    }

    /// It takes as long as a registry or a build does, and so none of the places of those who repair.
    fn fetch(&self, order: Update) {
        let (back, gate) = (self.back.clone(), self.gate.clone());
        let engine = self.engine(&order.resource);
        self.tasks.spawn(async move {
            let still = || gate.pass_order().map_err(|withdrawn| withdrawn.to_string());
            let places = engine.as_ref().map(|engine| &engine.fetches);
            let result = match engine.as_ref().and_then(|engine| engine.reach.containers()).zip(places) {
                Some((hands, places)) => {
                    let Ok(_turn) = places.acquire().await else { return };
                    hands.fetch(&order, still).await
                }
                None => Fetched::Failed(format!("there is no engine called {}", order.resource.host())),
            };
            back.tell(Input::Fetched { command: order.command, resource: order.resource, result });
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
        let (sends, link) = (self.sends.clone(), self.channels.link(&parcel));
        self.tasks.spawn(async move {
            let Ok(_turn) = sends.acquire().await else { return };
            let receipt = channel.deliver(&parcel, link.as_deref()).await;
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
            Effect::Gather { incident, resource, incarnation } => self.gather(incident, resource, incarnation),
            Effect::Execute(permit) => self.execute(permit),
            Effect::BringUp(order) => self.bring_up(*order),
            Effect::CallOff(command) => self.call_off(&command),
            Effect::Fetch(order) => self.fetch(*order),
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
    use model::action::{Asked, PlanKey};
    use model::message::{About, Asks, Kind, Message, MessageId, Severity};
    use model::recovery::RecoveryId;
    use model::{Tick, Wall};

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

    #[test]
    fn only_what_asks_has_a_link_and_only_where_people_can_reach_healer() {
        let dir = tempfile::tempdir().unwrap();
        let asks = Asks {
            question: Asked {
                incident: "web-1/41".parse().unwrap(),
                plan: PlanKey("start".to_owned()),
                binds: None,
                until: Tick(9),
            },
            expires: Wall(0),
        };
        let parcel = |asks: Option<Asks>| {
            let about =
                About::Recovery { recovery: RecoveryId { instance: "web-1".into(), number: 1 }, host: "h".to_owned() };
            let message = Message {
                id: MessageId(1),
                about,
                kind: Kind::Opened,
                severity: Severity::Critical,
                title: String::new(),
                story: Vec::new(),
                next: Vec::new(),
                asks: asks.map(Box::new),
                at: Wall(0),
            };
            Parcel { channel: "ops-mail".to_owned(), message, attempt: 1 }
        };
        let channels = |external_url: Option<&str>, key| {
            let open = Open { channels: BTreeMap::new(), external_url: external_url.map(str::to_owned) };
            Channels { open: Arc::new(RwLock::new(open)), key }
        };
        let key = || Key::open(dir.path()).ok();
        let url = "https://healer.example.org";
        let link = channels(Some(url), key()).link(&parcel(Some(asks.clone()))).unwrap();
        assert_eq!(link, Link::to(&asks.question, "ops-mail").url(&key().unwrap(), url));
        assert_eq!(channels(None, key()).link(&parcel(Some(asks.clone()))), None);
        assert_eq!(channels(Some(url), None).link(&parcel(Some(asks))), None);
        assert_eq!(channels(Some(url), key()).link(&parcel(None)), None);
    }
}
