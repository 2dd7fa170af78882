//! Who holds a port: one of the engine's containers, as the engine tells, or a process, as `/proc` does. Of a port within a
//! network that several containers share the engine knows nothing.

use std::fs;
use std::path::Path;

use evidence::escape;
use model::complaint::{Complaint, StartError};
use model::fact::{Incarnation, Look};
use model::incident::Excerpt;

use crate::definition;
use crate::host::Host;
use crate::http::encoded;
use crate::start;
use crate::wire::{Inspect, Summary};

/// The state LISTEN in `/proc/net/tcp` (the kernel's `include/net/tcp_states.h`).
const LISTEN: &str = "0A";
const NAME_BYTES_MAX: usize = 60;
/// So many processes are looked through at most.
const PROCESSES_MAX: usize = 20_000;
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
        Some(Complaint::AddressInUse { port: Some(port), held_by }) => Some((*port, held_by)),
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

/// The process that listens on a TCP port in the network namespace of another process. Reads a link for every open file of
/// every process: for a thread that may wait.
fn listener(within: i32, port: u16) -> Option<u32> {
    let inodes: Vec<String> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/{within}/net/{table}")).ok())
        .flat_map(|table| listeners(&table, port).map(|inode| format!("socket:[{inode}]")).collect::<Vec<_>>())
        .collect();
    let processes = fs::read_dir("/proc").ok().filter(|_| !inodes.is_empty())?;
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |folder: &Path| {
        let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| inodes.iter().any(|one| link.as_os_str() == one.as_str()))
    };
    ids.take(PROCESSES_MAX).find(|pid| holds(Path::new(&format!("/proc/{pid}"))))
}

fn named(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} (pid {pid})", escape(name.trim(), NAME_BYTES_MAX))
}

/// The inodes of the sockets that listen on a port, in a table as `/proc/net/tcp` has it.
fn listeners(table: &str, port: u16) -> impl Iterator<Item = &str> {
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter_map(move |fields| {
        let (_, hex) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(hex, 16).ok()? == port && *fields.get(3)? == LISTEN;
        fields.get(9).copied().filter(|_| is_it)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_is_found_by_the_port_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = i32::try_from(std::process::id()).unwrap();
        let found = super::listener(me, port);
        assert_eq!(found, u32::try_from(me).ok());
        let name = found.map(named).unwrap();
        assert!(name.ends_with(&format!("(pid {me})")), "{name}");
        drop(listener);
        assert_eq!(super::listener(me, port), None);
    }

    #[test]
    fn a_connection_from_that_port_is_no_listener() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100\n   \
                     1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100\n   \
                     2: nonsense";
        assert_eq!(listeners(table, 8080).collect::<Vec<_>>(), ["41"]);
        assert_eq!(listeners(table, 80).count(), 0);
    }

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
