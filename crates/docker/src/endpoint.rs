//! Where the engine is: told by the configuration, else found as the docker command finds it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use evidence::escape;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Where an engine's API is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// Plain HTTP on `host:port`.
    Tcp(String),
}

/// Where the engine's packages put its socket.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The longest text of an address that is repeated in a message, in bytes.
const SHOWN_BYTES_MAX: usize = 200;

impl Endpoint {
    /// The endpoint that `url` names; without one, what `DOCKER_HOST` names, else the docker command's context, else the
    /// system's socket, else the user's own (rootless).
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the remedy, for `ssh://`, TLS, and contexts that cannot be read.
    pub fn find(url: Option<&str>) -> Result<Endpoint, Error> {
        Self::find_in(url, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// As `DOCKER_HOST` names it.
    #[must_use]
    pub fn url(&self) -> OsString {
        let (scheme, rest) = match self {
            Endpoint::Unix(path) => ("unix://", path.as_os_str()),
            Endpoint::Tcp(address) => ("tcp://", address.as_ref()),
        };
        let mut url = OsString::from(scheme);
        url.push(rest);
        url
    }

    fn find_in(url: Option<&str>, env: &dyn Fn(&str) -> Option<String>) -> Result<Endpoint, Error> {
        if let Some(url) = url {
            return Self::parse(url);
        }
        if let Some(url) = env("DOCKER_HOST") {
            if env("DOCKER_TLS_VERIFY").is_some() && !url.starts_with("unix:") {
                return Err(tls("DOCKER_TLS_VERIFY is set"));
            }
            return Self::parse(&url);
        }
        let folder =
            env("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(PathBuf::from(env("HOME")?).join(".docker")));
        if let Some(folder) = folder
            && let Some(context) = env("DOCKER_CONTEXT").or_else(|| current_context(&folder))
            && context != "default"
        {
            return of_context(&folder, &context);
        }
        let rootless = env("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("docker.sock"));
        let system = PathBuf::from(DEFAULT_SOCKET);
        Ok(Endpoint::Unix(match rootless {
            Some(rootless) if !system.exists() && rootless.exists() => rootless,
            Some(_) | None => system,
        }))
    }

    /// The endpoint that `url` names: `unix:///path` or `tcp://host:port`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the remedy.
    pub fn parse(url: &str) -> Result<Endpoint, Error> {
        let shown = escape(&evidence::redact(url), SHOWN_BYTES_MAX);
        if let Some(path) = url.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(Endpoint::Unix(PathBuf::from(path)))
            } else {
                Err(Error::Unsupported(format!("`{shown}` names no socket: expected unix:///path/to/docker.sock")))
            };
        }
        if url.starts_with("ssh://") {
            return Err(Error::Unsupported(format!(
                "`{shown}` is not supported: run healer on that host, or forward its socket with `ssh -L` and name the local one"
            )));
        }
        if url.starts_with("https://") {
            return Err(tls(&format!("`{shown}` speaks TLS")));
        }
        let address = url.strip_prefix("tcp://").or_else(|| url.strip_prefix("http://")).ok_or_else(|| {
            Error::Unsupported(format!("`{shown}` is not supported: expected unix:///path or tcp://host:port"))
        })?;
        let address = address.trim_end_matches('/');
        let valid = address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
                && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
        if !valid {
            return Err(Error::Unsupported(format!("`{shown}` names no host and port: expected tcp://host:2375")));
        }
        if address.ends_with(":2376") {
            return Err(tls(&format!("`{shown}` is the port of TLS")));
        }
        Ok(Endpoint::Tcp(address.to_owned()))
    }
}

fn tls(what: &str) -> Error {
    Error::Unsupported(format!(
        "{what}, which is not supported: run healer on the engine's host and name its unix:// socket, or a tcp:// address \
         that a TLS tunnel serves on loopback"
    ))
}

#[derive(Deserialize)]
struct CliConfig {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

/// An unreadable configuration of the docker command is no configuration, as it is for that command's own plugins.
fn current_context(folder: &Path) -> Option<String> {
    let text = std::fs::read(folder.join("config.json")).ok()?;
    serde_json::from_slice::<CliConfig>(&text).ok()?.current_context.filter(|name| !name.is_empty())
}

#[derive(Deserialize)]
struct ContextMeta {
    #[serde(rename = "Endpoints")]
    endpoints: ContextEndpoints,
}

#[derive(Deserialize)]
struct ContextEndpoints {
    docker: ContextEndpoint,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

fn of_context(folder: &Path, context: &str) -> Result<Endpoint, Error> {
    let hash = Sha256::digest(context.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let file = folder.join("contexts/meta").join(&hash).join("meta.json");
    let cannot = |why: &dyn fmt::Display| {
        let context = escape(context, SHOWN_BYTES_MAX);
        Error::Unsupported(format!(
            "the docker context `{context}` cannot be read ({}: {why}): choose another with `docker context use`, or set \
             docker.hosts in the configuration",
            file.display()
        ))
    };
    let text = std::fs::read(&file).map_err(|e| cannot(&e))?;
    let meta: ContextMeta = serde_json::from_slice(&text).map_err(|e| cannot(&e))?;
    let endpoint = Endpoint::parse(&meta.endpoints.docker.host)?;
    let has_keys = folder.join("contexts/tls").join(&hash).join("docker").exists();
    match endpoint {
        Endpoint::Tcp(_) if has_keys => {
            Err(tls(&format!("the docker context `{}` uses TLS", escape(context, SHOWN_BYTES_MAX))))
        }
        Endpoint::Tcp(_) | Endpoint::Unix(_) => Ok(endpoint),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "{}", escape(&path.to_string_lossy(), SHOWN_BYTES_MAX)),
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &str) -> Endpoint {
        Endpoint::Unix(PathBuf::from(path))
    }

    #[test]
    fn urls_are_understood_or_refused_with_a_remedy() {
        let table = [
            ("unix:///run/user/1000/docker.sock", Ok(unix("/run/user/1000/docker.sock"))),
            ("tcp://127.0.0.1:2375", Ok(Endpoint::Tcp("127.0.0.1:2375".to_owned()))),
            ("http://proxy:2375/", Ok(Endpoint::Tcp("proxy:2375".to_owned()))),
            ("tcp://[::1]:2375", Ok(Endpoint::Tcp("[::1]:2375".to_owned()))),
            ("unix://docker.sock", Err("unix:///path")),
            ("ssh://ada@web-1", Err("run healer on that host")),
            ("https://web-1:2376", Err("not supported")),
            ("tcp://web-1:2376", Err("TLS")),
            ("tcp://web-1", Err("tcp://host:2375")),
            ("tcp://a b:1", Err("tcp://host:2375")),
            ("npipe:////./pipe/docker_engine", Err("expected unix:///path")),
            ("", Err("expected unix:///path")),
        ];
        for (url, expect) in table {
            match (Endpoint::parse(url), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect),
                (Err(Error::Unsupported(said)), Err(part)) => assert!(said.contains(part), "{url}: {said}"),
                (found, expect) => panic!("{url}: {found:?} is not {expect:?}"),
            }
        }
    }

    #[test]
    fn a_hostile_url_is_not_repeated_raw() {
        let said = Endpoint::parse("ssh://ada:hunter2@\u{1b}[31m").unwrap_err().to_string();
        assert!(!said.contains("hunter2") && !said.contains('\u{1b}'), "{said}");
    }

    #[test]
    fn the_engine_is_sought_as_the_docker_command_seeks_it() {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        let folder = home.path().join("run");
        std::fs::create_dir_all(&folder).unwrap();
        let write_context = |name: &str, host: &str| {
            let hash = Sha256::digest(name.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
            let meta = docker.join("contexts/meta").join(hash);
            std::fs::create_dir_all(&meta).unwrap();
            let text = format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            std::fs::write(meta.join("meta.json"), text).unwrap();
        };
        write_context("rootless", "unix:///run/user/7/docker.sock");
        write_context("lab", "tcp://lab:2375");
        std::fs::write(docker.join("config.json"), r#"{"currentContext":"rootless"}"#).unwrap();

        let home_path = home.path().to_string_lossy().into_owned();
        let find = |url: Option<&str>, set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let home_path = home_path.clone();
            Endpoint::find_in(url, &move |name| {
                set.iter()
                    .find(|(k, _)| k == name)
                    .map(|(_, v)| v.clone())
                    .or((name == "HOME").then(|| home_path.clone()))
            })
        };
        assert_eq!(find(Some("unix:///a"), &[("DOCKER_HOST", "unix:///b")]), Ok(unix("/a")));
        assert_eq!(find(None, &[("DOCKER_HOST", "unix:///b"), ("DOCKER_CONTEXT", "lab")]), Ok(unix("/b")));
        assert_eq!(find(None, &[("DOCKER_CONTEXT", "lab")]), Ok(Endpoint::Tcp("lab:2375".to_owned())));
        assert_eq!(find(None, &[]), Ok(unix("/run/user/7/docker.sock")));
        let lost = find(None, &[("DOCKER_CONTEXT", "gone")]).unwrap_err().to_string();
        assert!(lost.contains("docker context `gone`") && lost.contains("docker context use"), "{lost}");
        let secured = find(None, &[("DOCKER_HOST", "tcp://h:1"), ("DOCKER_TLS_VERIFY", "1")]).unwrap_err();
        assert!(secured.to_string().contains("TLS"));
    }
}
