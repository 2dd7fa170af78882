//! Who holds a port: one of the engine's containers, as the engine tells, or a process, as `/proc` does. Of a port within a
//! network that several containers share the engine knows nothing.

use std::fs;

use evidence::escape;
use linux::{listener, named};
use model::complaint::{Complaint, StartError};
use model::fact::{Incarnation, Look};
use model::incident::Excerpt;

use crate::definition;
use crate::host::Host;
use crate::http::encoded;
use crate::start;
use crate::wire::{Inspect, Summary};

const NAME_BYTES_MAX: usize = 60;
/// What the engine calls a network mode that is the host's own.
const HOST_NETWORK: &str = "host";
/// The digits of a container's id.
const ID_DIGITS: usize = 64;

/// Says of a start that failed for a port of the host who holds it at present, if that can be told.
pub(crate) async fn tell_of_start(host: &Host, look: &mut Look) {
    let error = look.exit.as_mut().and_then(|exit| exit.start_error.as_mut());
    let Some(StartError::PortTaken { port, by, held_by }) = error else { return };
    if let Some(container) = publisher(host, *port).await {
        let name = container.names.first().map_or(container.id.as_str(), |name| name.trim_start_matches('/'));
        *by = Some(format!("the container {}", escape(name, NAME_BYTES_MAX)));
        *held_by = Some(Incarnation(container.id.into()));
        return;
    }
    let Some(engine) = start::process(host.endpoint()).await.filter(|_| host.is_here()) else { return };
    let port = *port;
    let told = tokio::task::spawn_blocking(move || listener(engine, port).map(named)).await;
    *by = told.ok().flatten();
}

/// Says of a log that complains of a taken port which other container listens there, in a network that both share.
pub(crate) async fn tell_of_log(host: &Host, inspect: &Inspect, log: &mut Excerpt) {
    let taken = log.lines.iter_mut().rev().find_map(|line| match &mut line.complaint {
        Some(Complaint::AddressInUse { port: Some(port), held_by, .. }) => Some((*port, held_by)),
        Some(_) | None => None,
    });
    let Some((port, held_by)) = taken else { return };
    *held_by = shares_with(host, inspect, port).await;
}

/// The running container that publishes a port of the host.
async fn publisher(host: &Host, port: u16) -> Option<Summary> {
    let filters = format!("{{\"publish\":[\"{port}\"],\"status\":[\"running\"]}}");
    let path = format!("containers/json?filters={}", encoded(&filters));
    let published: Vec<serde_json::Value> = host.get(&path).await.ok()?;
    published.iter().find_map(Summary::read)
}

/// The other container whose process listens on a port of the network that a container shares: another one's, or the host's.
async fn shares_with(host: &Host, inspect: &Inspect, port: u16) -> Option<Incarnation> {
    if !host.is_here() {
        return None;
    }
    let within = if inspect.host_config.network_mode.as_deref() == Some(HOST_NETWORK) {
        start::process(host.endpoint()).await?
    } else {
        let parent = Incarnation(definition::network_parent(inspect)?.into());
        host.inspect(&parent).await.ok()?.state.pid.filter(|pid| *pid > 0)?
    };
    let told = tokio::task::spawn_blocking(move || listener(within, port).and_then(container_of)).await;
    told.ok()?.filter(|id| *id.0 != *inspect.id)
}

/// The container that a process belongs to, by its control groups: their paths have its id.
fn container_of(pid: u32) -> Option<Incarnation> {
    contained_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

fn contained_in(groups: &str) -> Option<Incarnation> {
    let is_id = |part: &&str| part.len() == ID_DIGITS && part.bytes().all(|b| b.is_ascii_hexdigit());
    groups.split(|c: char| !c.is_ascii_alphanumeric()).find(is_id).map(|id| Incarnation(id.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_id_stands_in_the_paths_of_its_control_groups() {
        let id = "6f".repeat(32);
        let table = [
            (format!("12:pids:/docker/{id}\n0::/\n"), true),
            (format!("0::/system.slice/docker-{id}.scope\n"), true),
            ("0::/user.slice/user-1000.slice/session-3.scope\n".to_owned(), false),
            (format!("0::/docker/{id}0\n"), false),
        ];
        for (groups, expect) in table {
            let found = contained_in(&groups);
            assert_eq!(found, expect.then(|| Incarnation(id.as_str().into())), "{groups}");
        }
    }
}
