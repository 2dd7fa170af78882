//! What eyes and hands share of one engine: the negotiated connection, its clock, who is who, and the requests.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evidence::escape;
use hyper::Method;
use model::ResourceId;
use model::fact::{Fact, Generation, Incarnation, Look, Observation, SourceTime};
use model::recovery::EngineStart;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::absent;
use crate::activation::{self, Unit};
use crate::claim::{self, Claim};
use crate::command;
use crate::compose::{Files, Said};
use crate::definition::{self, Around, Labels};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::happening::ACTIONS;
use crate::holder;
use crate::http::{self, Reply, encoded};
use crate::mounts::Mounts;
use crate::networks;
use crate::own::{self, Own};
use crate::part::{hex_part, image_part, path_part, repository_and_tag};
use crate::registry::{Looked, Registry};
use crate::start;
use crate::wire::{self, Event, Info, Inspect, MemoryUpdate, Summary, Version};

/// The oldest version of the API that healer speaks: below 1.25 (Docker 1.13, January 2017) an inspect tells neither a
/// container's own stop timeout nor whether the engine removes it at its end, and both must be known before an act.
pub const API_VERSION_MIN: (u32, u32) = (1, 25);
/// The newest version of the API that healer asks for. Newer engines serve it too.
pub const API_VERSION_MAX: (u32, u32) = (1, 52);

/// How long a plain question may take.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long an engine that is starting may keep its first caller waiting; it is waited for rather than polled, so that its
/// answer marks the very end of the outage.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to find out more about a start that failed.
const FOUND_OUT_WITHIN: Duration = Duration::from_secs(2);
/// An engine's clock and ours may drift apart by so much before it is no drift.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(5);
const INSPECT_BYTES_MAX: usize = 8 * 1024 * 1024;
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;
const RING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A container's file in the engine's folder is some kilobytes long.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One engine, under the name that its resources carry. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: String,
    endpoint: Endpoint,
    own: Own,
    /// What this machine shall have mounted; `None` where the engine is not this machine's, or healer sees a container's
    /// files and not the machine's.
    mounts: Option<Mounts>,
    registry: Mutex<Registry>,
    networks: networks::Known,
    files: Files,
    session: Mutex<Option<Arc<Session>>>,
    generation: AtomicU64,
    /// The engine's clock minus ours.
    offset_ns: AtomicI64,
    /// How much of the last list could not be read: it is logged when that changes.
    unread: AtomicUsize,
    /// Whether the engine is to be this process's alone, and whose it is; `None` for eyes and hands that share it.
    claim: Option<Mutex<Claim>>,
}

/// What was agreed on at the last connect.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    /// Such as `/v1.41`.
    prefix: String,
    /// The engine's own id; empty where it may not be asked.
    engine_id: String,
    /// By which it is claimed; empty where it may not be asked.
    identity: String,
    /// Whether it runs on this machine, as far as that can be told.
    here: bool,
    /// The engine's folder, if it is on this machine.
    root: Option<PathBuf>,
    podman: bool,
    /// The deployment that healer's own container belongs to, if it runs in one of this engine.
    own_deployment: Option<String>,
}

/// The list of containers.
pub(crate) struct Containers {
    pub(crate) named: Vec<Summary>,
    /// How many elements of the list could not be read: each is some container.
    pub(crate) unread: usize,
}

/// A look, with what the registry learnt from it.
pub(crate) struct Seen {
    pub(crate) resource: ResourceId,
    pub(crate) incarnation: Incarnation,
    pub(crate) look: Look,
    pub(crate) moved_from: Option<ResourceId>,
}

impl Host {
    /// An engine; `name` becomes the host part of every resource on it. Connects to nothing yet.
    #[must_use]
    pub fn new(name: &str, endpoint: Endpoint) -> Host {
        Host::with_claim(name, endpoint, None)
    }

    /// An engine that one healer alone acts on: where another one has claimed it, that one cares for all of its containers.
    #[must_use]
    pub fn claimed(name: &str, endpoint: Endpoint) -> Host {
        Host::with_claim(name, endpoint, Some(Mutex::new(Claim::Nobodys)))
    }

    fn with_claim(name: &str, endpoint: Endpoint, claim: Option<Mutex<Claim>>) -> Host {
        let own = Own::find();
        let is_here = matches!(endpoint, Endpoint::Unix(_)) && own == Own::NoContainer;
        Host(Arc::new(Inner {
            name: name.to_owned(),
            endpoint,
            own,
            mounts: is_here.then(Mounts::default),
            registry: Mutex::default(),
            networks: networks::Known::default(),
            files: Files::default(),
            session: Mutex::default(),
            generation: AtomicU64::new(0),
            offset_ns: AtomicI64::new(0),
            unread: AtomicUsize::new(0),
            claim,
        }))
    }

    /// The host's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where the engine is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// What the engine's machine shall have mounted, where that is this one and can be seen.
    #[must_use]
    pub fn mounts(&self) -> Option<&Mounts> {
        self.0.mounts.as_ref().filter(|_| self.is_here())
    }

    /// The engine's own id, by which a lock can be keyed; `None` before the first connection, or where it is not told.
    #[must_use]
    pub fn engine_id(&self) -> Option<String> {
        let id = self.session().map(|session| session.engine_id.clone())?;
        (!id.is_empty()).then_some(id)
    }

    /// Which start of which engine this is.
    pub(crate) async fn engine_start(&self) -> EngineStart {
        start::of(self.endpoint(), self.engine_id(), self.0.own != Own::NoContainer).await
    }

    /// Claims the engine, if it is to be claimed and is not yet. Returns whether somebody else cares for it since, or does
    /// no longer.
    pub(crate) fn claim(&self) -> bool {
        let Some(claim) = &self.0.claim else { return false };
        let mut claim = claim.lock().unwrap_or_else(PoisonError::into_inner);
        let before = claim.other();
        let session = self.session();
        let (identity, root) =
            session.as_ref().map_or(("", None), |session| (session.identity.as_str(), session.root.as_deref()));
        claim.refresh(identity, root);
        claim.other() != before
    }

    /// Who cares for the engine's containers in our place.
    pub(crate) fn another_healer(&self) -> Option<String> {
        self.0.claim.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).other()
    }

    /// Whether that is this very process, which has the engine under another name too.
    pub(crate) fn is_named_twice(&self) -> bool {
        let claim = self.0.claim.as_ref().map(|claim| claim.lock().unwrap_or_else(PoisonError::into_inner));
        claim.is_some_and(|claim| matches!(*claim, Claim::Twice))
    }

    /// Who cares for all of this engine's containers in our place. A `podman stop` has no event but the `die` that a kill by
    /// the host has (seen on 4.3.1), and no note either: so healer only watches Podman.
    pub(crate) fn owner(&self) -> Option<String> {
        let podman = self.session().is_some_and(|session| session.podman);
        podman.then(|| "Podman".to_owned()).or_else(|| self.another_healer())
    }

    /// Whether the engine runs on this machine, as far as could be told at the last connect.
    pub(crate) fn is_here(&self) -> bool {
        self.session().map_or(matches!(self.0.endpoint, Endpoint::Unix(_)), |session| session.here)
    }

    /// The present connection's number; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(self.0.generation.load(Ordering::Acquire))
    }

    pub(crate) fn next_generation(&self) -> Generation {
        Generation(self.0.generation.fetch_add(1, Ordering::AcqRel) + 1)
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.0.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn observation(&self, resource: ResourceId, incarnation: Incarnation, fact: Fact) -> Observation {
        Observation { resource, incarnation, generation: self.generation(), fact }
    }

    /// The engine's present time, as far as it can be told.
    pub(crate) fn now(&self) -> SourceTime {
        SourceTime(wall_ns().saturating_add(self.0.offset_ns.load(Ordering::Relaxed)))
    }

    /// Whether the engine answers, in a way that healer understands.
    ///
    /// # Errors
    /// Why not, with the remedy.
    pub async fn reach(&self) -> Result<(), Error> {
        self.connect().await
    }

    /// Agrees with the engine on a version of the API. Waits for an engine that is just starting.
    pub(crate) async fn connect(&self) -> Result<(), Error> {
        if let Unit::Down(state) = activation::unit(&self.0.endpoint).await {
            return Err(Error::Unreachable(format!(
                "docker.service is {state}, and connecting to its socket would wake it: start it with `systemctl start docker`"
            )));
        }
        let version = self.ask::<Version>("/version", INSPECT_BYTES_MAX, FIRST_ANSWER_WITHIN).await?;
        let agreed = negotiate(&version, &self.0.endpoint)?;
        let podman =
            version.components.iter().flatten().any(|c| c.name.as_deref().is_some_and(|n| n.contains("Podman")));
        let mut session = Session {
            prefix: format!("/v{}.{}", agreed.0, agreed.1),
            engine_id: String::new(),
            identity: String::new(),
            here: start::is_here(&self.0.endpoint).await,
            root: None,
            podman,
            own_deployment: None,
        };
        let asked = wall_ns();
        // A socket proxy may forbid this question; healer can do without its answer.
        match self.ask::<Info>(&format!("{}/info", session.prefix), INSPECT_BYTES_MAX, ANSWER_WITHIN).await {
            Ok(info) => {
                self.set_clock(&info, asked, wall_ns());
                session.engine_id = escape(info.id.as_deref().unwrap_or_default(), 200);
                let (name, root) = (info.name.as_deref().unwrap_or_default(), info.docker_root_dir.unwrap_or_default());
                session.identity = claim::identity(&session.engine_id, name, &root);
                session.root = (session.here && !root.is_empty()).then(|| PathBuf::from(root));
            }
            Err(Error::Refused { .. } | Error::NotFound | Error::Nonsense(_)) => {}
            Err(
                e @ (Error::Lost(_) | Error::Down(_) | Error::Unreachable(_) | Error::Unfit(_) | Error::Unsupported(_)),
            ) => {
                return Err(e);
            }
        }
        session.own_deployment = self.own_deployment(&session.prefix).await;
        *self.0.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(session));
        Ok(())
    }

    /// Reads the engine's clock. A time between question and answer by our own clock means that the two agree.
    fn set_clock(&self, info: &Info, asked_ns: i64, answered_ns: i64) {
        let Some(told) = wire::time(info.system_time.as_deref()) else { return };
        let offset_ns = if (asked_ns..=answered_ns).contains(&told.0) {
            0
        } else {
            told.0.saturating_sub(asked_ns.midpoint(answered_ns))
        };
        self.0.offset_ns.store(offset_ns, Ordering::Relaxed);
    }

    /// How far the engine's clock is ahead of ours, where the two differ.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.0.offset_ns.load(Ordering::Relaxed) / 1_000_000
    }

    async fn agreed(&self) -> Result<Arc<Session>, Error> {
        if let Some(session) = self.session() {
            return Ok(session);
        }
        self.connect().await?;
        self.session().ok_or_else(|| Error::Unreachable("not connected yet".to_owned()))
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, bytes_max: usize, within: Duration) -> Result<T, Error> {
        let answer = async {
            http::request(&self.0.endpoint, Method::GET, path, within).await?.accepted().await?.json(bytes_max).await
        };
        in_time(within, path, answer).await
    }

    /// Subscribes to the events that decide something.
    pub(crate) async fn events(&self) -> Result<Reply, Error> {
        let session = self.agreed().await?;
        let prefix = &session.prefix;
        // Podman tells `die` and filters by `died` (4.3.1): it is asked for everything.
        let filters = if session.podman {
            serde_json::json!({"type": ["container"]}).to_string()
        } else {
            serde_json::json!({"type": ["container"], "event": ACTIONS}).to_string()
        };
        let path = format!("{prefix}/events?filters={}", encoded(&filters));
        http::request(&self.0.endpoint, Method::GET, &path, ANSWER_WITHIN).await?.accepted().await
    }

    /// All events that the engine still holds.
    pub(crate) async fn ring(&self, within: Duration) -> Result<Vec<Event>, Error> {
        let prefix = &self.agreed().await?.prefix;
        let path = format!("{prefix}/events?since=1&until={}", wire::stamp(self.now()));
        let read = async {
            let mut reply = http::request(&self.0.endpoint, Method::GET, &path, within).await?.accepted().await?;
            let mut text = Vec::new();
            while let Some(piece) = reply.piece().await? {
                text.extend_from_slice(&piece);
                if text.len() > RING_BYTES_MAX {
                    return Err(Error::Nonsense("the kept events are too long".to_owned()));
                }
            }
            Ok(text.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
        };
        in_time(within, "the kept events", read).await
    }

    /// All containers, running or not. What cannot be read of the list is counted, and loses nobody else.
    pub(crate) async fn list(&self, within: Duration) -> Result<Containers, Error> {
        let prefix = &self.agreed().await?.prefix;
        let elements: Vec<serde_json::Value> =
            self.ask(&format!("{prefix}/containers/json?all=true"), LIST_BYTES_MAX, within).await?;
        let named: Vec<Summary> = elements.iter().filter_map(Summary::read).collect();
        let unread = elements.len() - named.len();
        if self.0.unread.swap(unread, Ordering::Relaxed) != unread && unread > 0 {
            tracing::warn!(host = self.name(), containers = unread, "the list has containers without a readable id");
        }
        Ok(Containers { named, unread })
    }

    /// The engine's words on one container.
    pub(crate) async fn inspect(&self, id: &Incarnation) -> Result<Inspect, Error> {
        let prefix = &self.agreed().await?.prefix;
        let path = format!("{prefix}/containers/{}/json", path_part(id)?);
        let answer = async {
            let reply = http::request(&self.0.endpoint, Method::GET, &path, ANSWER_WITHIN).await?;
            reply.accepted_of(&id.0).await?.json::<Inspect>(INSPECT_BYTES_MAX).await
        };
        let inspect = in_time(ANSWER_WITHIN, &path, answer).await?;
        match inspect.id.as_str() {
            "" => Err(Error::Nonsense(format!("{path} tells no Id"))),
            told if *told == *id.0 => Ok(inspect),
            // An id is looked up as a name too: a container that was named after another's id is not that one.
            _ => Err(Error::NotFound),
        }
    }

    /// The id of the image that a name means at present, if it means any.
    pub(crate) async fn image_id(&self, name: &str) -> Result<Option<String>, Error> {
        #[derive(serde::Deserialize)]
        struct Image {
            #[serde(rename = "Id")]
            id: String,
        }
        let path = format!("{}/images/{}/json", self.agreed().await?.prefix, image_part(name)?);
        let answer = async {
            let reply = http::request(&self.0.endpoint, Method::GET, &path, ANSWER_WITHIN).await?;
            reply.accepted().await?.json::<Image>(INSPECT_BYTES_MAX).await
        };
        match in_time(ANSWER_WITHIN, &path, answer).await {
            Ok(image) => Ok(Some(image.id)),
            Err(Error::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks at one container.
    ///
    /// The look's time is that of the question, not of the answer: what happened in between may be in it or not, and an
    /// event that is newer than a look must not be taken for settled by it.
    pub(crate) async fn look(&self, id: &Incarnation) -> Result<Seen, Error> {
        let at = self.after_last_event(id);
        let inspect = self.inspect(id).await?;
        let manually_stopped = self.manually_stopped(&inspect).await;
        let files = self.files_say(&inspect);
        let looked = self.looked(&inspect, files);
        let mut look = crate::look::look(&inspect, looked.definition, manually_stopped, at);
        let _ = tokio::time::timeout(FOUND_OUT_WITHIN, self.find_out(&inspect, &mut look)).await;
        look.lost_networks = self.lost_networks(&inspect, look.run).await;
        Ok(Seen { resource: looked.resource, incarnation: id.clone(), look, moved_from: looked.moved_from })
    }

    /// Adds what can be found out about why a start failed. What takes long is not known: a file system may not answer.
    async fn find_out(&self, inspect: &Inspect, look: &mut Look) {
        holder::tell_of_start(self, look).await;
        absent::tell_of_start(self, look).await;
        command::tell_of_start(self, inspect, look).await;
    }

    /// What the registry knows of a container by now.
    fn looked(&self, inspect: &Inspect, files: Said) -> Looked {
        let mut registry = self.registry();
        let around = Around {
            network_parent: definition::network_parent(inspect).and_then(|parent| {
                // The engine still tells the id of one that is no more; the files, whose place it had.
                let told = || definition::of_same_project(&self.0.name, inspect, files.told.network_of.as_deref()?);
                registry.resolve(parent).or_else(told)
            }),
            network_body: definition::network_parent(inspect).map(|parent| Incarnation(parent.into())),
            healers_own: self.healers_own(inspect),
            files,
            owner: self.owner(),
        };
        registry.looked(&self.0.name, inspect, definition::definition(inspect, around))
    }

    /// Now, and later than the newest event that was read: unless that came before the clock was set back.
    fn after_last_event(&self, id: &Incarnation) -> SourceTime {
        let (now, last) = (self.now(), self.registry().last_event(id));
        if last.since(now) > CLOCKS_DIFFER_BY { now } else { now.max(last) }
    }

    /// Why healer must not touch a container, if it is healer itself or what healer lives by.
    fn healers_own(&self, inspect: &Inspect) -> Option<String> {
        let none = Labels::new();
        let labels = inspect.config.labels.as_ref().unwrap_or(&none);
        let deployment = self.session().and_then(|session| session.own_deployment.clone());
        let itself = self.0.own.forbids(&inspect.id, definition::network_parent(inspect));
        itself.or_else(|| own::lives_by(deployment.as_deref(), self.endpoint(), &inspect.name, labels))
    }

    /// The deployment that healer's own container belongs to.
    async fn own_deployment(&self, prefix: &str) -> Option<String> {
        let Own::Container(id) = &self.0.own else { return None };
        let path = format!("{prefix}/containers/{id}/json");
        let own = self.ask::<Inspect>(&path, INSPECT_BYTES_MAX, ANSWER_WITHIN).await.ok()?;
        own.config.labels?.get(definition::PROJECT).cloned()
    }

    /// What the project's files say of a container, where they are on this machine.
    fn files_say(&self, inspect: &Inspect) -> Said {
        match &inspect.config.labels {
            Some(labels) if self.is_here() => self.0.files.say(labels),
            Some(_) | None => Said::default(),
        }
    }

    /// The engine's private note that somebody stopped the container through the API. Believed only if the file tells of
    /// the same start and end as the inspect: it is written a moment later.
    async fn manually_stopped(&self, inspect: &Inspect) -> Option<bool> {
        let root = self.session()?.root.clone()?;
        if inspect.id.len() != 64 || !inspect.id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let path = root.join("containers").join(&inspect.id).join("config.v2.json");
        let is_small = tokio::fs::metadata(&path).await.ok()?.len() <= FILE_BYTES_MAX;
        let text = if is_small { tokio::fs::read(&path).await.ok()? } else { return None };
        let file: EngineFile = serde_json::from_slice(&text).ok()?;
        let times =
            |state: &wire::State| (wire::time(state.started_at.as_deref()), wire::time(state.finished_at.as_deref()));
        (times(&file.state) == times(&inspect.state)).then_some(file.manually_stopped)?
    }

    /// Whether the engine still takes new requests: one that was told to stop removes its socket at once, while its events
    /// and old connections go on for as long as its containers take to stop. `None` if systemd knows, and does not say.
    pub(crate) async fn is_open(&self) -> Option<bool> {
        match activation::unit(&self.0.endpoint).await {
            Unit::Up => Some(true),
            Unit::Down(_) => Some(false),
            Unit::Untold => None,
            Unit::NotActivated => Some(self.takes_requests().await),
        }
    }

    /// What the socket itself says about that.
    pub(crate) async fn takes_requests(&self) -> bool {
        match &self.0.endpoint {
            Endpoint::Unix(path) if self.is_here() && !own::is_mount_point(path) => {
                tokio::fs::metadata(path).await.is_ok()
            }
            Endpoint::Unix(_) | Endpoint::Tcp(_) => {
                let ping = http::request(&self.0.endpoint, Method::GET, "/_ping", Duration::from_secs(1));
                ping.await.is_ok_and(|reply| reply.status == 200)
            }
        }
    }

    /// Orders something done to a container (`start`, `stop`). Gives the HTTP status of a yes: 204, or 304 if it was so.
    pub(crate) async fn order(&self, id: &Incarnation, verb: &str, within: Duration) -> Result<u16, Error> {
        let prefix = &self.agreed().await?.prefix;
        let path = format!("{prefix}/containers/{}/{verb}", path_part(id)?);
        Ok(http::request(&self.0.endpoint, Method::POST, &path, within).await?.accepted_of(&id.0).await?.status)
    }

    pub(crate) fn networks_known(&self) -> &networks::Known {
        &self.0.networks
    }

    /// Asks for something that the engine lists, below its version.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let prefix = &self.agreed().await?.prefix;
        self.ask(&format!("{prefix}/{path}"), LIST_BYTES_MAX, ANSWER_WITHIN).await
    }

    /// Has the engine do something, with a body.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        let prefix = &self.agreed().await?.prefix;
        let reply = http::post(&self.0.endpoint, &format!("{prefix}/{path}"), body, ANSWER_WITHIN).await?;
        reply.accepted().await.map(|_| ())
    }

    /// Has the engine remove something.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Error> {
        let path = format!("{}/{path}", self.agreed().await?.prefix);
        let reply = http::request(&self.0.endpoint, Method::DELETE, &path, ANSWER_WITHIN).await?;
        reply.accepted().await.map(|_| ())
    }

    /// Gives a container other limits.
    pub(crate) async fn update(&self, id: &Incarnation, update: &MemoryUpdate, within: Duration) -> Result<(), Error> {
        let prefix = &self.agreed().await?.prefix;
        let path = format!("{prefix}/containers/{}/update", path_part(id)?);
        let reply = http::post(&self.0.endpoint, &path, update, within).await?;
        reply.accepted_of(&id.0).await.map(|_| ())
    }

    /// Makes a name mean the image of this id, which the engine must have.
    pub(crate) async fn tag(&self, id: &str, name: &str) -> Result<(), Error> {
        let (repository, tag) = repository_and_tag(image_part(name)?)?;
        let prefix = &self.agreed().await?.prefix;
        let path = format!("{prefix}/images/{}/tag?repo={repository}&tag={tag}", image_part(id)?);
        let reply = http::request(&self.0.endpoint, Method::POST, &path, ANSWER_WITHIN).await?;
        reply.accepted().await.map(|_| ())
    }

    /// The beginning of the archive of one of a container's files.
    pub(crate) async fn archive_head(&self, id: &str, path: &str, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let prefix = &self.agreed().await?.prefix;
        let asked = format!("{prefix}/containers/{}/archive?path={}", hex_part(id)?, encoded(path));
        let read = async {
            let mut reply =
                http::request(&self.0.endpoint, Method::GET, &asked, ANSWER_WITHIN).await?.accepted().await?;
            reply.text(bytes_max).await
        };
        in_time(ANSWER_WITHIN, &asked, read).await
    }

    /// The last `tail` lines of a container's log since a time, or all of them.
    pub(crate) async fn log(&self, id: &Incarnation, since: SourceTime, tail: Option<usize>) -> Result<Reply, Error> {
        let prefix = &self.agreed().await?.prefix;
        let (id, since) = (path_part(id)?, wire::stamp(since));
        let tail = tail.map_or("all".to_owned(), |tail| tail.to_string());
        let path = format!("{prefix}/containers/{id}/logs?stdout=true&stderr=true&since={since}&tail={tail}");
        http::request(&self.0.endpoint, Method::GET, &path, ANSWER_WITHIN).await?.accepted_of(id).await
    }
}

/// An answer that is whole within that time.
async fn in_time<T>(within: Duration, asked: &str, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let asked = asked.split('?').next().unwrap_or(asked);
    let late = |_| Err(Error::Lost(format!("{asked}: within {} s", within.as_secs_f32())));
    tokio::time::timeout(within, answer).await.unwrap_or_else(late)
}

/// `config.v2.json`, as far as it is read.
#[derive(Deserialize)]
struct EngineFile {
    #[serde(rename = "State", default)]
    state: wire::State,
    #[serde(rename = "HasBeenManuallyStopped", default)]
    manually_stopped: Option<bool>,
}

fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// The newest version that both speak.
fn negotiate(engine: &Version, endpoint: &Endpoint) -> Result<(u32, u32), Error> {
    let parsed = |text: Option<&str>| -> Option<(u32, u32)> {
        let (major, minor) = text?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let shown = escape(engine.version.as_deref().unwrap_or("of unknown version"), 60);
    let newest = parsed(engine.api_version.as_deref())
        .ok_or_else(|| Error::Nonsense(format!("{endpoint} told no API version: is it a Docker engine?")))?;
    let oldest = parsed(engine.min_api_version.as_deref()).unwrap_or((1, 0));
    if newest < API_VERSION_MIN {
        return Err(Error::Unfit(format!(
            "the engine at {endpoint} ({shown}) speaks API {}.{} at most, healer needs {}.{}: upgrade it to Docker 1.13 or later",
            newest.0, newest.1, API_VERSION_MIN.0, API_VERSION_MIN.1
        )));
    }
    if oldest > API_VERSION_MAX {
        return Err(Error::Unfit(format!(
            "the engine at {endpoint} ({shown}) speaks API {}.{} at least, healer knows {}.{} at most: upgrade healer",
            oldest.0, oldest.1, API_VERSION_MAX.0, API_VERSION_MAX.1
        )));
    }
    Ok(newest.min(API_VERSION_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l10_the_newest_common_version_is_spoken_or_a_remedy_told() {
        let table = [
            ("1.41", Some("1.12"), Ok((1, 41))),
            ("1.43", Some("1.24"), Ok((1, 43))),
            ("1.60", Some("1.44"), Ok(API_VERSION_MAX)),
            ("1.25", None, Ok((1, 25))),
            ("1.24", Some("1.12"), Err("upgrade it to Docker 1.13")),
            ("1.90", Some("1.80"), Err("upgrade healer")),
            ("one", None, Err("is it a Docker engine?")),
        ];
        for (newest, oldest, expect) in table {
            let engine = Version {
                version: Some("x".to_owned()),
                api_version: Some(newest.to_owned()),
                min_api_version: oldest.map(str::to_owned),
                components: None,
            };
            match (negotiate(&engine, &Endpoint::Tcp("h:1".to_owned())), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{newest}"),
                (Err(said), Err(part)) => assert!(said.to_string().contains(part), "{said}"),
                (found, expect) => panic!("{newest}: {found:?} is not {expect:?}"),
            }
        }
    }

    #[test]
    fn a_clock_that_may_agree_agrees_and_another_is_followed() {
        let host = Host::new("h", Endpoint::Tcp("h:1".to_owned()));
        let told = |text: &str| Info { system_time: Some(text.to_owned()), ..Info::default() };
        let second = 1_000_000_000;
        host.set_clock(&told("1970-01-01T00:00:10Z"), 9 * second, 11 * second);
        assert_eq!(host.0.offset_ns.load(Ordering::Relaxed), 0);
        host.set_clock(&told("1970-01-01T00:01:00Z"), 9 * second, 11 * second);
        assert_eq!(host.0.offset_ns.load(Ordering::Relaxed), 50 * second);
        host.set_clock(&told("0001-01-01T00:00:00Z"), 0, 1);
        assert_eq!(host.0.offset_ns.load(Ordering::Relaxed), 50 * second);
    }
}
