//! What healer does to an engine's containers: look, read a log, start, stop, unpause, have Compose make anew. Nothing else, and
//! never a restart in one call: that would undo a stop by somebody else in between (facts/intent.md, 0.4).

use evidence::escape;
use model::ResourceId;
use model::action::{Action, Answer, Behalf, Change, Limits, Permit, Retag, With};
use model::fact::{Fact, Incarnation, Observation};
use model::folder::Folder;
use model::incident::Excerpt;
use model::size::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::compose::{Compose, Unchanged};
use crate::definition::{CONFIG_HASH, NAME_BYTES_MAX};
use crate::error::Error;
use crate::host::{ANSWER_WITHIN, Host};
use crate::log;
use crate::wire::{HostConfig, MemoryUpdate, Summary};

/// Hands on one engine. Cheap to clone.
#[derive(Clone)]
pub struct Hands {
    host: Host,
}

impl Hands {
    /// Hands on the engine that `host` is.
    #[must_use]
    pub fn new(host: Host) -> Hands {
        Hands { host }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Does what the permit allows, once.
    ///
    /// Just before the act the container is looked at again, and then `still` is asked, as the very last thing: the
    /// caller's word on whether the permit holds (intent, freeze, epoch). Its `Err` is the reason to withhold the act.
    pub async fn perform(&self, permit: &Permit, still: impl Fn() -> Result<(), String>) -> Answer {
        let within = permit.step.timeout();
        let deadline = Instant::now() + within;
        match timeout_at(deadline, self.host.look(&permit.incarnation)).await {
            Ok(Ok(seen)) if seen.resource != permit.step.resource => {
                return Answer::Withheld(format!("the container is {} by now", seen.resource.short()));
            }
            Ok(Ok(seen)) => {
                if let Some(answer) = permit.answered_by(seen.look.run) {
                    return answer;
                }
                if permit.step.ends_in_start()
                    && let Some(mounts) = self.host.mounts()
                    && let Some(why) = mounts.forbid(seen.look.definition.host_paths.clone()).await
                {
                    return Answer::Withheld(why);
                }
            }
            Ok(Err(Error::NotFound)) => return Answer::Withheld("the container is gone".to_owned()),
            Ok(Err(e)) => return Answer::Withheld(format!("no look was possible just before the act: {e}")),
            Err(_) => return Answer::Withheld("no look was possible just before the act: the time ran out".to_owned()),
        }
        let verb = match permit.step.action {
            Action::Start => "start",
            // Without a time of ours the engine gives the container its own.
            Action::Stop => "stop",
            Action::Recreate => return self.make_anew(permit, deadline, still).await,
            Action::Change(Change::Unpause) => "unpause",
            Action::Change(Change::SetMemory) => return self.set_memory(permit, deadline, still).await,
            Action::Change(Change::CreateNetwork) => return self.create_network(permit, deadline, still).await,
            Action::Change(Change::RemoveNetwork) => return self.remove_network(permit, deadline, still).await,
            Action::Change(Change::JoinNetwork) => return self.join_network(permit, deadline, still).await,
            Action::Change(Change::FreeSpace) => return Answer::Failed("a container is no file system".to_owned()),
        };
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout_at(deadline, self.host.order(&permit.incarnation, verb, left)).await {
            Ok(Ok(304)) => Answer::AlreadySo,
            Ok(Ok(_)) => Answer::Done,
            Ok(Err(e)) => refused(e),
            Err(_) => Answer::Unknown(format!("no answer within {} s", within.as_secs_f32())),
        }
    }

    /// Gives a container another memory limit, if it still has the one that this step replaces. What it may swap besides
    /// stays as it is.
    async fn set_memory(&self, permit: &Permit, deadline: Instant, still: impl Fn() -> Result<(), String>) -> Answer {
        let With::Memory(limits) = permit.step.with else {
            return Answer::Failed("the step does not say which limit".to_owned());
        };
        let inspect = match timeout_at(deadline, self.host.inspect(&permit.incarnation)).await {
            Ok(Ok(inspect)) => inspect,
            Ok(Err(e)) => return Answer::Withheld(format!("its limit could not be read: {e}")),
            Err(_) => return Answer::Withheld("its limit could not be read: the time ran out".to_owned()),
        };
        let update = match another_limit(limits, &inspect.host_config) {
            Ok(Some(update)) => update,
            Ok(None) => return Answer::AlreadySo,
            Err(why) => return Answer::Failed(why),
        };
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match self.host.update(&permit.incarnation, &update, left).await {
            Ok(()) => Answer::Done,
            Err(e) => refused(e),
        }
    }

    /// Has Compose make a container anew, if that makes nothing else of it than what the step says. What forbids it is a
    /// failure: it stays so.
    async fn make_anew(&self, permit: &Permit, deadline: Instant, still: impl Fn() -> Result<(), String>) -> Answer {
        let retag = match &permit.step.with {
            With::Image(retag) => Some(retag),
            With::Nothing | With::Memory(_) | With::Network(_) | With::NetworkName(_) => None,
        };
        let (unchanged, network) = match timeout_at(deadline, self.unchanged(&permit.incarnation, retag)).await {
            Ok(Ok(unchanged)) => unchanged,
            Ok(Err(Answer::Failed(why))) => {
                return Answer::Failed(why + &self.left_by_its_fetching(permit, retag).await);
            }
            Ok(Err(answer)) => return answer,
            Err(_) => return Answer::Withheld("Compose did not tell in time what it would make".to_owned()),
        };
        if let Some(answer) = self.ended_meanwhile(permit).await {
            return answer;
        }
        if let Err(why) = still() {
            return Answer::Withheld(why);
        }
        if let (Some(retag), Behalf::Person(_)) = (retag, &permit.behalf) {
            self.keep(&retag.from, &permit.step.resource).await;
        }
        if let Some(retag) = retag
            && let Err(why) = self.give_name_back(permit, retag, &unchanged, &network).await
        {
            let told = why.contains("docker tag");
            return Answer::Failed(if told {
                why
            } else {
                why + &self.left_by_its_fetching(permit, Some(retag)).await
            });
        }
        if let (Some(retag), Some(answer)) = (retag, self.ended_meanwhile(permit).await) {
            self.take_name_back(permit, retag).await;
            return answer;
        }
        match unchanged.make_anew(deadline.saturating_duration_since(Instant::now())).await {
            Ok(()) => Answer::Done,
            // Nothing else was done: all is asked again, and then nothing is in its way.
            Err(not) => {
                let left = match retag {
                    // It was made, and cannot be started: the name means what it is made of.
                    Some(retag) if !not.in_the_way && self.was_made(permit, retag).await => String::new(),
                    Some(retag) => self.take_name_back(permit, retag).await,
                    None => String::new(),
                };
                if not.in_the_way && left.is_empty() {
                    return Answer::Withheld(
                        "what a Compose that was cut short had left behind was in the way".to_owned(),
                    );
                }
                Answer::Failed(not.why + &left)
            }
        }
    }

    /// What ran when this was decided, and ends before Compose takes it down, somebody else has stopped, or it crashed: the
    /// engine would say the same of both as of Compose's own stop. What cannot be asked is asked by Compose next.
    async fn ended_meanwhile(&self, permit: &Permit) -> Option<Answer> {
        let seen = self.host.look(&permit.incarnation).await.ok()?;
        permit.answered_by(seen.look.run)
    }

    /// Gives the image that an update replaces a name of its own, so that `docker image prune` leaves it: it may have to be
    /// put back. One for each service, until its next update.
    async fn keep(&self, image: &str, resource: &ResourceId) {
        let of = format!("{}-{}", resource.deployment(), resource.service()).to_lowercase();
        if let Err(e) = self.host.tag(image, &format!("healer-previous/{of}:latest")).await {
            tracing::warn!(%resource, error = %e, "the image of before the update could not be given a name");
        }
    }

    /// Gives an image's name to the one that it meant before, if that was all that was changed. A name that somebody gives
    /// to a third image meanwhile is theirs: the engine cannot be told to compare and set, so it is looked at around each.
    async fn give_name_back(
        &self,
        permit: &Permit,
        retag: &Retag,
        unchanged: &Unchanged,
        network: &str,
    ) -> Result<(), String> {
        let Retag { name, to, from, .. } = retag;
        if !self.means(name, &[to, from]).await? {
            return Err(format!("{name} means another image by now, or none"));
        }
        self.host.tag(to, name).await.map_err(|e| format!("{name} could not be given back: {e}"))?;
        let would_be = unchanged.would_be(&retag.config_hash, network).await;
        let why = match (self.means(name, &[to]).await, would_be) {
            (Ok(true), Ok(true)) => return Ok(()),
            (Ok(false), _) => return Err(format!("{name} means another image by now, or none")),
            (Ok(true), Ok(false)) => "its configuration was changed as well: that is for who changed it".to_owned(),
            (Err(why), _) | (Ok(true), Err(why)) => why,
        };
        Err(why + &self.take_name_back(permit, retag).await)
    }

    /// Nothing was made: the image's name means again what it meant. What cannot be done about that is told, and so is of whom
    /// the name would be taken that an update has moved.
    async fn take_name_back(&self, permit: &Permit, retag: &Retag) -> String {
        let Retag { name, from, to, .. } = retag;
        if let Behalf::Person(_) = permit.behalf
            && let Some(other) = self.is_made_of(retag, &permit.step.resource).await
        {
            return format!(
                "; {name} means {to} by now, and so it stays, since {other} is made of that: `docker tag {from} {name}` takes that back"
            );
        }
        let taken = match self.means(name, &[to]).await {
            Ok(true) => self.host.tag(from, name).await.map_err(|e| e.to_string()),
            // Somebody else's by now.
            Ok(false) => Ok(()),
            Err(why) => Err(why),
        };
        let left = |why| format!("; {name} means {to} by now: `docker tag {from} {name}` takes that back ({why})");
        taken.map_or_else(left, |()| String::new())
    }

    /// Whether the service has a container by now that is made of what its image's name was given to.
    async fn was_made(&self, permit: &Permit, retag: &Retag) -> bool {
        let Ok(containers) = self.host.list(ANSWER_WITHIN).await else { return false };
        let is_new = |of: &Summary| of.image_id == retag.to && of.id != *permit.incarnation.0;
        containers.named.iter().any(|of| is_new(of) && is_of(of, &permit.step.resource))
    }

    /// Another container that is made of what an image's name was given to, under that name.
    async fn is_made_of(&self, Retag { name, to, .. }: &Retag, resource: &ResourceId) -> Option<String> {
        let containers = self.host.list(ANSWER_WITHIN).await.ok()?.named;
        let mut others = containers.iter().filter(|of| of.image == *name && of.image_id == *to);
        let other = others.find(|of| !is_of(of, resource))?;
        Some(escape(other.names.first()?.trim_start_matches('/'), NAME_BYTES_MAX))
    }

    /// Nothing was begun, and the name that an update has moved stays where it is: its owner may want it so.
    async fn left_by_its_fetching(&self, permit: &Permit, retag: Option<&Retag>) -> String {
        let (Behalf::Person(_), Some(Retag { name, to, from, .. })) = (&permit.behalf, retag) else {
            return String::new();
        };
        let runs = self.host.inspect(&permit.incarnation).await.ok().and_then(|inspect| inspect.image);
        let runs = runs.as_ref().unwrap_or(from);
        if runs == to || matches!(self.means(name, &[to]).await, Ok(false)) {
            return String::new();
        }
        format!("; {name} means {to} by now: `docker tag {runs} {name}` takes that back")
    }

    /// Whether an image's name means one of these.
    async fn means(&self, name: &str, images: &[&String]) -> Result<bool, String> {
        let present =
            self.host.image_id(name).await.map_err(|e| format!("what {name} means could not be asked: {e}"))?;
        Ok(present.is_some_and(|present| images.contains(&&present)))
    }

    async fn unchanged(&self, id: &Incarnation, retag: Option<&Retag>) -> Result<(Unchanged, String), Answer> {
        let unasked = |e: Error| Answer::Withheld(format!("the engine could not be asked about it: {e}"));
        let inspect = self.host.inspect(id).await.map_err(unasked)?;
        let (image, labels) = (inspect.config.image.unwrap_or_default(), inspect.config.labels.unwrap_or_default());
        let network = inspect.host_config.network_mode.unwrap_or_default();
        // An image that moved since is another one, whatever the file says.
        let present = self.host.image_id(&image).await.map_err(unasked)?;
        // An update has given the name to the newer image, and a process that ended in the middle to the older one.
        let given_back = retag.filter(|retag| retag.name == image && present.as_ref() == Some(&retag.to));
        if retag.is_some_and(|retag| inspect.image.as_ref() != Some(&retag.from)) {
            return Err(Answer::Failed("it is made of another image by now than when this was planned".to_owned()));
        }
        if present.is_none() || (present != inspect.image && given_back.is_none()) {
            return Err(Answer::Failed("its image's name means another image by now, or none".to_owned()));
        }
        if let Some(Retag { name, to, from, .. }) = retag {
            if image != *name || (present.as_ref() != Some(from) && given_back.is_none()) {
                return Err(Answer::Failed(format!("it is not made of what {name} meant when this was planned")));
            }
            if self.host.image_id(to).await.map_err(unasked)?.is_none() {
                return Err(Answer::Failed(format!("the image that {name} shall mean is gone")));
            }
        }
        // Compose v1 has the image in its hash: with the name given back it is that of before the deploy.
        let hash = given_back.map_or(labels.get(CONFIG_HASH), |retag| Some(&retag.config_hash));
        let hash = hash.map_or("", String::as_str);
        let unchanged = Compose::new(self.host.endpoint()).unchanged(&labels, hash, &network).await;
        Ok((unchanged.map_err(Answer::Failed)?, network))
    }

    /// Has Compose make and start what a folder describes, if there are still no containers of it.
    ///
    /// # Errors
    /// In words, with the remedy or with what Compose said.
    pub async fn bring_up(&self, folder: &Folder, still: impl Fn() -> Result<(), String>) -> Result<(), String> {
        if !self.host.is_here() {
            return Err(format!("{} is on this machine, and the engine {} is not", folder.path, self.host.name()));
        }
        if let Some(owner) = self.host.owner() {
            return Err(format!("the containers of {} are {owner}'s to care for", self.host.name()));
        }
        let compose = Compose::new(self.host.endpoint()).minding(self.host.mounts());
        let still = || async {
            let containers = self.host.list(ANSWER_WITHIN).await.map_err(|e| e.to_string())?;
            let is_of = |summary: &Summary| summary.project() == Some(folder.deployment.as_str());
            if containers.named.iter().any(is_of) {
                return Err(format!("{} has containers by now", folder.deployment));
            }
            still()
        };
        compose.up(folder, still).await
    }

    /// Looks at every body of a resource: a look at each that is there, that it is gone of each that is not, and why of each
    /// that cannot be looked at. Empty if the engine knows nothing of this name.
    ///
    /// # Errors
    /// When the engine cannot be asked; then nothing is known.
    pub async fn look(&self, resource: &ResourceId) -> Result<Vec<Observation>, Error> {
        let mut bodies = self.host.registry().bodies(resource);
        if bodies.is_empty() {
            let containers = self.host.list(ANSWER_WITHIN).await?;
            let mut registry = self.host.registry();
            for summary in &containers.named {
                registry.listed(self.host.name(), summary);
            }
            bodies = registry.bodies(resource);
            if bodies.is_empty() && containers.unread > 0 {
                return Err(Error::Nonsense(format!(
                    "{} containers of its list have no readable id",
                    containers.unread
                )));
            }
        }
        let mut seen = Vec::new();
        let mut asked = None;
        for id in bodies {
            match self.look_at(resource, &id).await {
                Ok(found) => {
                    asked = Some(Ok(()));
                    seen.extend(found);
                }
                Err(e) => {
                    let unlooked = Fact::Unlooked(e.to_string());
                    seen.push(self.host.observation(resource.clone(), id, unlooked));
                    asked.get_or_insert(if is_of_engine(&e) { Err(e) } else { Ok(()) });
                }
            }
        }
        asked.unwrap_or(Ok(())).map(|()| seen)
    }

    async fn look_at(&self, resource: &ResourceId, id: &Incarnation) -> Result<Vec<Observation>, Error> {
        let gone = |of: ResourceId| self.host.observation(of, id.clone(), Fact::Gone);
        match self.host.look(id).await {
            Ok(seen) => {
                let look = self.host.observation(seen.resource, seen.incarnation, Fact::Looked(Box::new(seen.look)));
                Ok(seen.moved_from.map(gone).into_iter().chain([look]).collect())
            }
            Err(Error::NotFound) => {
                let known = self.host.registry().forget(id);
                Ok(vec![gone(known.unwrap_or_else(|| resource.clone()))])
            }
            Err(e) => Err(e),
        }
    }

    /// What a container's log says since its last start, reduced to the lines that matter: of the last 2,000 lines, and
    /// where these tell nothing of what ended soon also of the first, at most 32 MiB, within 5 s. What the engine and the
    /// kernel know of what it complains about is added.
    ///
    /// # Errors
    /// In words, when the log cannot be read.
    pub async fn read_log(&self, incarnation: &Incarnation) -> Result<Excerpt, String> {
        log::read(&self.host, incarnation).await.map_err(|e| e.to_string())
    }
}

/// What to tell an engine in order to have another limit set; nothing, if it is set.
fn another_limit(limits: Limits, present: &HostConfig) -> Result<Option<MemoryUpdate>, String> {
    let bytes = |bytes: u64| i64::try_from(bytes).map_err(|_| format!("no limit can be {bytes} bytes"));
    let (from, to, has) = (bytes(limits.from_bytes)?, bytes(limits.to_bytes)?, present.memory.unwrap_or(0));
    if has == to {
        return Ok(None);
    }
    if has != from {
        let has = Bytes(u64::try_from(has).unwrap_or(0));
        return Err(format!("somebody else has set its limit to {has} meanwhile"));
    }
    // Negative: as much as it likes.
    let memory_swap = match present.memory_swap.unwrap_or(-1) {
        with_swap if with_swap >= from => to.saturating_add(with_swap - from),
        _ => -1,
    };
    Ok(Some(MemoryUpdate { memory: to, memory_swap }))
}

fn is_of(container: &Summary, resource: &ResourceId) -> bool {
    container.project() == Some(resource.deployment()) && container.service() == Some(resource.service())
}

/// Whether it was the engine that could not be asked, rather than one container that could not be looked at.
fn is_of_engine(error: &Error) -> bool {
    match error {
        Error::Down(_) | Error::Unreachable(_) | Error::Unsupported(_) | Error::Unfit(_) => true,
        Error::Lost(_) | Error::NotFound | Error::Refused { .. } | Error::Nonsense(_) => false,
    }
}

pub(crate) fn refused(error: Error) -> Answer {
    match error {
        Error::NotFound => Answer::Failed("the container is gone".to_owned()),
        Error::Refused { status, message } => Answer::Failed(format!("the engine answered {status}: {message}")),
        Error::Lost(why) => Answer::Unknown(format!("the engine gave no answer: {why}")),
        Error::Down(why) | Error::Unreachable(why) | Error::Unsupported(why) | Error::Unfit(why) => Answer::Failed(why),
        Error::Nonsense(why) => Answer::Unknown(format!("the engine's answer makes no sense: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_once_and_with_it_what_may_be_swapped() {
        let limits = Limits { from_bytes: 32, to_bytes: 48 };
        let has = |memory, swap| HostConfig { memory: Some(memory), memory_swap: swap, ..HostConfig::default() };
        let table = [
            (has(32, Some(64)), Ok(Some((48, 80)))),
            (has(32, Some(32)), Ok(Some((48, 48)))),
            (has(32, Some(-1)), Ok(Some((48, -1)))),
            (has(32, None), Ok(Some((48, -1)))),
            (has(48, Some(80)), Ok(None)),
            (has(64, Some(80)), Err("somebody else has set its limit to 64 B meanwhile".to_owned())),
        ];
        for (present, expect) in table {
            let update = another_limit(limits, &present).map(|update| update.map(|it| (it.memory, it.memory_swap)));
            assert_eq!(update, expect, "{present:?}");
        }
    }

    #[test]
    fn a_lost_answer_is_unknown_and_a_refusal_is_a_failure() {
        assert!(matches!(refused(Error::Lost("x".to_owned())), Answer::Unknown(_)));
        assert!(matches!(refused(Error::Unreachable("x".to_owned())), Answer::Failed(_)));
        let said = refused(Error::Refused { status: 500, message: "port is taken".to_owned() });
        assert_eq!(said, Answer::Failed("the engine answered 500: port is taken".to_owned()));
    }
}
