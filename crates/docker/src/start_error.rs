//! What the engine's words about a start that failed mean. They are those of dockerd, libnetwork and runc, which write
//! them for people: each is told by words that stood unchanged from Docker 20.10 to 28.5, and what is not known stays
//! words.

use model::complaint::StartError;

/// What the engine said, as a fact; `None` where its words are not known.
pub(crate) fn start_error(said: &str) -> Option<StartError> {
    let has = |words: &str| said.contains(words);
    if has("port is already allocated") || has("address already in use") {
        return port(said).map(|port| StartError::PortTaken { port, by: None, held_by: None });
    }
    if has("of a non running container") || has("No such container") || has("/ns/net") {
        return Some(StartError::NetworkParentDown);
    }
    if has("id already in use")
        || has("container with given ID already exists")
        || said.starts_with("task ") && has("already exists")
    {
        return Some(StartError::LeftOver);
    }
    if let Some(network) = missing_network(said) {
        return Some(StartError::NetworkMissing { network });
    }
    if has("not a directory") || has("Are you trying to mount a directory onto a file") {
        return Some(StartError::MountMismatch { path: mounted(said) });
    }
    if let Some(path) = after(said, "bind source path does not exist: ") {
        return Some(StartError::MountSourceMissing { path: Some(path), for_good: false });
    }
    if let Some(path) = quoted_after(said, "adding custom device ") {
        return Some(StartError::DeviceMissing { path });
    }
    if let Some(user) = after(said, "unable to find user ").or_else(|| after(said, "unable to find group ")) {
        return Some(StartError::UserUnknown { user });
    }
    if has("exec format error") {
        return Some(StartError::WrongArchitecture);
    }
    if let Some(command) = quoted_after(said, "exec: ") {
        let denied = has("permission denied") || has("is a directory");
        return Some(if denied {
            StartError::NotExecutable { command }
        } else {
            StartError::CommandNotFound { command }
        });
    }
    if has("no space left on device") {
        return Some(StartError::NoSpace);
    }
    let mounting =
        ["error while mounting volume", "error mounting", "error while creating mount source path", "failed to mount"];
    if mounting.iter().any(|words| has(words)) {
        return Some(StartError::MountSourceMissing { path: mounted(said), for_good: false });
    }
    None
}

/// `Bind for 0.0.0.0:8080 failed`, `listen tcp4 0.0.0.0:8080: bind`, `host port for 0.0.0.0:8080:172.17.0.2:80/tcp`,
/// `host port 0.0.0.0:8080/tcp`.
fn port(said: &str) -> Option<u16> {
    let leads =
        ["Bind for ", "host port for ", "host port ", "listen tcp4 ", "listen tcp6 ", "listen tcp ", "listen udp "];
    leads.iter().filter_map(|lead| said.split_once(lead)).find_map(|(_, rest)| {
        let address = rest.split([' ', '/']).next()?;
        // An address of IPv6 stands in brackets.
        let (_, ports) = address.strip_prefix('[').map_or(address.split_once(':'), |inner| inner.split_once("]:"))?;
        ports.split(':').next()?.parse().ok()
    })
}

/// `network 4f… not found`, `network edge not found`.
fn missing_network(said: &str) -> Option<String> {
    let (_, rest) = said.rsplit_once("network ")?;
    let (name, tail) = rest.split_once(' ')?;
    (tail.starts_with("not found") && !name.is_empty()).then(|| name.to_owned())
}

/// `error mounting "/srv/x" to rootfs`, `mount /srv/x:/var/lib/…`, `creating mount source path '/srv/x'`.
fn mounted(said: &str) -> Option<String> {
    let quoted = quoted_after(said, "error mounting ").or_else(|| quoted_after(said, "mount source path "));
    quoted.or_else(|| {
        let (_, rest) = said.split_once("mount /")?;
        let path = rest.split([':', ' ']).next()?;
        Some(format!("/{path}"))
    })
}

/// The word that follows these.
fn after(said: &str, lead: &str) -> Option<String> {
    let (_, rest) = said.split_once(lead)?;
    let word = rest.split_whitespace().next()?.trim_end_matches([':', ',', '.']);
    (!word.is_empty()).then(|| word.to_owned())
}

/// What stands in quotes right after these words.
fn quoted_after(said: &str, lead: &str) -> Option<String> {
    let (_, rest) = said.split_once(lead)?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (inner, _) = rest[1..].split_once(quote)?;
    (!inner.is_empty()).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a real engine said, of 20.10.24 where nothing else stands.
    #[test]
    fn the_engines_words_are_understood() {
        let some = |text: &str| Some(text.to_owned());
        let port = |port| StartError::PortTaken { port, by: None, held_by: None };
        let user = |user: &str| StartError::UserUnknown { user: user.to_owned() };
        let network = |network: &str| StartError::NetworkMissing { network: network.to_owned() };
        let runc = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ";
        let mount = "error during container init: error mounting \"/srv/file\" to rootfs at \"/tmp\": mount \
                     /srv/file:/tmp (via /proc/self/fd/6), flags: 0x5000: not a directory: unknown: Are you trying to mount \
                     a directory onto a file (or vice-versa)? Check if the specified host path exists";
        let connect = "driver failed programming external connectivity on endpoint web (33abcefabe82): ";
        let table = [
            (format!("{connect}Bind for 0.0.0.0:18077 failed: port is already allocated"), port(18_077)),
            (
                format!("{connect}Error starting userland proxy: listen tcp4 0.0.0.0:18080: bind: address already in use"),
                port(18_080),
            ),
            (
                // 28.5.2
                format!("{connect}failed to bind host port for 0.0.0.0:18078:10.212.0.2:80/tcp: address already in use"),
                port(18_078),
            ),
            (format!("{connect}listen tcp6 [::1]:443: bind: address already in use"), port(443)),
            (
                format!("{runc}exec: \"serve\": executable file not found in $PATH: unknown"),
                StartError::CommandNotFound { command: "serve".to_owned() },
            ),
            (
                format!("{runc}exec: \"/no/such\": stat /no/such: no such file or directory: unknown"),
                StartError::CommandNotFound { command: "/no/such".to_owned() },
            ),
            (
                format!("{runc}exec: \"/etc\": permission denied: unknown"),
                StartError::NotExecutable { command: "/etc".to_owned() },
            ),
            ("unable to find user ghost: no matching entries in passwd file".to_owned(), user("ghost")),
            ("unable to find group ghosts: no matching entries in group file".to_owned(), user("ghosts")),
            (
                "error gathering device information while adding custom device \"/dev/nope\": no such file or directory"
                    .to_owned(),
                StartError::DeviceMissing { path: "/dev/nope".to_owned() },
            ),
            (format!("{runc}{mount}"), StartError::MountMismatch { path: some("/srv/file") }),
            ("network nn not found".to_owned(), network("nn")),
            // 28.5.2
            ("failed to set up container networking: network nn not found".to_owned(), network("nn")),
            ("cannot join network of a non running container: d33bbb55aeb8".to_owned(), StartError::NetworkParentDown),
            (
                // 28.5.2
                "cannot join network namespace of a non running container: container hold is exited".to_owned(),
                StartError::NetworkParentDown,
            ),
            ("No such container: d33bbb55aeb8".to_owned(), StartError::NetworkParentDown),
            (
                "invalid mount config for type \"bind\": bind source path does not exist: /srv/data".to_owned(),
                StartError::MountSourceMissing { path: some("/srv/data"), for_good: false },
            ),
            ("id already in use".to_owned(), StartError::LeftOver),
            (format!("{runc}container with given ID already exists: unknown"), StartError::LeftOver),
            ("task 6f0c9a: already exists: unknown".to_owned(), StartError::LeftOver),
            (format!("{runc}exec /app: exec format error"), StartError::WrongArchitecture),
            ("mkdir /var/lib/docker/overlay2/x: no space left on device".to_owned(), StartError::NoSpace),
        ];
        let misread: Vec<_> = table.iter().filter(|(said, means)| start_error(said).as_ref() != Some(means)).collect();
        assert!(misread.is_empty(), "{misread:#?}");
    }

    #[test]
    fn what_is_not_known_stays_words() {
        for said in [
            "",
            "network",
            "network  not found",
            "exec: ",
            "exec: \"",
            "Bind for failed: port is already allocated",
            "oops",
        ] {
            assert_eq!(start_error(said), None, "{said}");
        }
    }
}
