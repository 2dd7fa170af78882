//! Where the demo plays: a folder of its own, a healer of its own, and services that are gone with it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The services in the order of the file: each with what it needs, and with what its processes may use of memory.
const SERVICES: [(&str, &str, Option<&str>); 7] = [
    ("db", "", None),
    ("api", "db", None),
    ("web", "api", None),
    ("worker", "", Some("64MiB")),
    ("cache", "", None),
    ("report", "", None),
    ("importer", "", None),
];
/// healer answers at its socket within this.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);
/// And ends within this, once it is asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const LOOKS_EVERY: Duration = Duration::from_millis(10);
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// What the demo needs of the machine. Nothing of it is left once this is dropped.
pub(super) struct Stage {
    folder: TempDir,
    healer: Child,
    ports: Vec<(&'static str, u16)>,
}

impl Stage {
    pub(super) fn set() -> anyhow::Result<Stage> {
        let folder =
            tempfile::Builder::new().prefix("healer-demo-").tempdir().context("no folder can be made for it")?;
        let ports = free_ports()?;
        let program = std::env::current_exe().context("healer's own program cannot be found")?;
        fs::write(folder.path().join("healer.yaml"), configuration(folder.path(), &program, &ports))?;
        let log = File::create(folder.path().join("healer.log"))?;
        let healer = Command::new(&program)
            .args(["run", "--config"])
            .arg(folder.path().join("healer.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .env("HEALER_LOG", "info")
            .process_group(0)
            .spawn()
            .context("healer cannot be started")?;
        let mut stage = Stage { folder, healer, ports };
        stage.wait_for_healer()?;
        Ok(stage)
    }

    fn wait_for_healer(&mut self) -> anyhow::Result<()> {
        let since = Instant::now();
        while since.elapsed() < BEGINS_WITHIN {
            if self.state_dir().join("healer.sock").exists() {
                return Ok(());
            }
            if let Some(status) = self.healer.try_wait()? {
                let log = fs::read_to_string(self.folder.path().join("healer.log")).unwrap_or_default();
                bail!("healer ended at once ({status}): {}", log.trim());
            }
            thread::sleep(LOOKS_EVERY);
        }
        bail!("healer did not begin within {} s", BEGINS_WITHIN.as_secs())
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn services(&self) -> usize {
        self.ports.len()
    }

    pub(super) fn port_of(&self, service: &str) -> u16 {
        self.ports.iter().find(|(name, _)| *name == service).map_or(0, |(_, port)| *port)
    }

    /// What a service answers on one of its pages.
    pub(super) fn ask(&self, service: &str, page: &str) -> io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port_of(service)));
        let mut stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        write!(stream, "GET {page} HTTP/1.1\r\nhost: demo\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned())
    }

    pub(super) fn pid_of(&self, service: &str) -> Option<i32> {
        self.ask(service, "/pid").ok()?.parse().ok()
    }

    pub(super) fn kill(&self, service: &str) -> anyhow::Result<i32> {
        let pid = self.pid_of(service).with_context(|| format!("{service} does not answer"))?;
        self.kill_pid(pid)?;
        Ok(pid)
    }

    pub(super) fn kill_pid(&self, pid: i32) -> anyhow::Result<()> {
        kill_process(Pid::from_raw(pid).context("this is no process")?, Signal::KILL)?;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // First whoever would start them again.
        if let Some(pid) = Pid::from_raw(self.healer.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let since = Instant::now();
        while matches!(self.healer.try_wait(), Ok(None)) {
            if since.elapsed() > ENDS_WITHIN {
                let _ = self.healer.kill();
            }
            thread::sleep(LOOKS_EVERY);
        }
        host::end_all(&self.state_dir().join("services"));
    }
}

/// Ports that nobody listens on at this moment.
fn free_ports() -> anyhow::Result<Vec<(&'static str, u16)>> {
    let held: Vec<TcpListener> = SERVICES
        .iter()
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()
        .context("no port can be had on 127.0.0.1")?;
    let ports = SERVICES.iter().zip(&held).map(|((name, ..), held)| Ok((*name, held.local_addr()?.port())));
    ports.collect()
}

/// The configuration, as anybody could write it.
fn configuration(folder: &Path, program: &Path, ports: &[(&str, u16)]) -> String {
    let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
    let (state, program) = (quoted(&folder.join("state")), quoted(program));
    let mut text = format!(
        "# What the demo runs; it is gone with the demo.\n\
         listen: 127.0.0.1:0\nstate_dir: {state}\ndocker: {{hosts: []}}\n\
         budgets: {{stability: 3s, per_resource: 2/30m}}\nhost:\n  name: demo\n  services:\n"
    );
    for ((name, needs, memory), (_, port)) in SERVICES.iter().zip(ports) {
        let broken = quoted(&folder.join(format!("{name}.broken")));
        text += &format!("    - name: {name}\n");
        text += &format!("      command: [{program}, demo-service, {name}, \"{port}\", {broken}]\n");
        text += &format!(
            "      check: {{http: \"http://127.0.0.1:{port}/health\", every: 1s, timeout: 1s, failures: 2}}\n"
        );
        text += "      stop_grace_period: 1s\n";
        if !needs.is_empty() {
            text += &format!("      depends_on: [{needs}]\n");
        }
        if let Some(memory) = memory {
            text += &format!("      limits: {{memory: {memory}}}\n");
        }
    }
    text
}
