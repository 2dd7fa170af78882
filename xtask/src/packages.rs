//! What the tests need from the distribution: looked for first, installed only if it is missing, and said aloud.

use std::process::Command;

use anyhow::Result;

use crate::shell;

/// A program that the tests need, and the packages that bring it, the first that exists being taken.
struct Need {
    program: &'static str,
    /// Whether the private engine needs it; what only some tests need, they skip themselves for want of.
    for_engine: bool,
    packages: &'static [&'static str],
}

/// Debian 12 has the engine's client in `docker.io`; later ones have it in `docker-cli`.
const NEEDS: &[Need] = &[
    Need { program: "dockerd", for_engine: true, packages: &["docker.io"] },
    Need { program: "docker", for_engine: true, packages: &["docker-cli", "docker.io"] },
    Need { program: "docker-compose", for_engine: true, packages: &["docker-compose"] },
    Need { program: "iptables", for_engine: true, packages: &["iptables"] },
    Need { program: "busybox", for_engine: true, packages: &["busybox-static"] },
    Need { program: "ip", for_engine: true, packages: &["iproute2"] },
    Need { program: "unshare", for_engine: true, packages: &["util-linux"] },
    Need { program: "nsenter", for_engine: true, packages: &["util-linux"] },
    // A mail server, and somebody else's reader of what it delivered.
    Need { program: "exim4", for_engine: false, packages: &["exim4-daemon-light"] },
    // Images are pulled from it.
    Need { program: "docker-registry", for_engine: false, packages: &["docker-registry"] },
    // Its own reader of the unit that `healer install` writes; and what tests run in namespaces of their own.
    Need { program: "systemd-analyze", for_engine: false, packages: &["systemd"] },
    // The bus of a systemd of the tests' own.
    Need { program: "dbus-daemon", for_engine: false, packages: &["dbus"] },
    Need { program: "openssl", for_engine: false, packages: &["openssl"] },
    Need { program: "python3", for_engine: false, packages: &["python3"] },
    // What probes ask.
    Need { program: "pg_ctlcluster", for_engine: false, packages: &["postgresql"] },
    Need { program: "redis-server", for_engine: false, packages: &["redis-server"] },
    Need { program: "rabbitmq-server", for_engine: false, packages: &["rabbitmq-server"] },
    Need { program: "dnsmasq", for_engine: false, packages: &["dnsmasq-base"] },
];

/// Installs what is missing, and returns the programs that the engine needs and that could not be had, each with the
/// reason.
pub(crate) fn provide() -> Result<Vec<(String, String)>> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !is_there(need)).collect();
    if missing.is_empty() {
        shell::say("packages: everything is there, nothing was installed");
        return Ok(Vec::new());
    }
    if shell::found("apt-get").is_none() {
        return Ok(all(&missing, "there is no apt-get here"));
    }
    if !shell::may_be_root() {
        return Ok(all(&missing, "neither root nor passwordless sudo"));
    }
    if !shell::aloud(apt().arg("update"))? {
        shell::say("packages: the package lists could not be refreshed; trying with those that are here");
    }
    let mut unavailable = Vec::new();
    for need in missing {
        // An earlier package may have brought it.
        if is_there(need) {
            continue;
        }
        match install(need)? {
            Some(package) => shell::say(&format!("packages: installed {package} for `{}`", need.program)),
            None => {
                let because = format!("could not install {}", need.packages.join(" or "));
                unavailable.extend(told(need, &because));
            }
        }
    }
    Ok(unavailable)
}

fn install(need: &Need) -> Result<Option<&'static str>> {
    for package in need.packages {
        if !shell::succeeds(Command::new("apt-cache").args(["show", package]).stderr(std::process::Stdio::null())) {
            continue;
        }
        // Nothing is worth removing what somebody uses, such as another mail server.
        let install = ["install", "--yes", "--no-install-recommends", "--no-remove", package];
        if shell::aloud(apt().args(install))? && is_there(need) {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

fn apt() -> Command {
    let mut command = shell::as_root("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=120", "-q"]);
    command
}

/// The images are made of busybox alone, so a busybox that needs a C library is none for us.
fn is_there(need: &Need) -> bool {
    match need.program {
        "busybox" => busybox().is_some(),
        program => shell::found(program).is_some(),
    }
}

/// A busybox that is linked statically.
pub(crate) fn busybox() -> Option<std::path::PathBuf> {
    let file = shell::found("busybox")?;
    let bytes = std::fs::read(&file).ok()?;
    (!names_an_interpreter(&bytes)).then_some(file)
}

/// Whether an ELF program asks for a dynamic loader, whose path stands in its first page.
fn names_an_interpreter(program: &[u8]) -> bool {
    let head = &program[..program.len().min(4096)];
    head.windows(4).any(|window| window == b"/ld-")
}

fn all(missing: &[&Need], because: &str) -> Vec<(String, String)> {
    missing.iter().filter_map(|need| told(need, because)).collect()
}

/// Why there is no engine; said at once where it is only some tests that miss the program.
fn told(need: &Need, because: &str) -> Option<(String, String)> {
    if !need.for_engine {
        shell::say(&format!("packages: no {}: {because}", need.program));
    }
    need.for_engine.then(|| (need.program.to_owned(), because.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_loader_is_told_from_one_that_does_not() {
        // The test itself is linked dynamically, as Rust's default on Linux is.
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(names_an_interpreter(&me), cfg!(target_env = "gnu"));
        assert!(!names_an_interpreter(b"\x7fELF"));
    }
}
