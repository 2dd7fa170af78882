//! A Docker engine for the tests alone: its own network namespace, data root, containerd and socket, in one folder that
//! is gone when the tests are.
//!
//! ```text
//! /tmp/healer-engine-XXXX/
//!   owner        who may still need it: a process, or `developer`
//!   holder       the pid of the sleeper that keeps the network namespace, so that the engine can be killed and come back
//!   d.sock       the API (a unix socket's path has at most 108 bytes, hence the short names)
//!   c.sock …     containerd, which is not shared with an engine that may run here already
//!   data/ exec/  the data root, and what runs
//! ```

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{packages, shell};

/// The folder that all private engines of this machine live in, one folder each.
const PREFIX: &str = "/tmp/healer-engine-";
/// How long an engine may take to answer for the first time.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to end in order; it gives its containers ten seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Who owns an engine that `cargo xtask engine start` leaves running.
const DEVELOPER: &str = "developer";

/// Ways to run an engine, the best first: where a kernel or an outer container forbids one, the next may do.
const WAYS: &[(&str, &[&str])] = &[
    ("overlay2 with a bridge", &["--storage-driver=overlay2"]),
    ("vfs with a bridge", &["--storage-driver=vfs"]),
    ("overlay2 without a bridge", &["--storage-driver=overlay2", "--bridge=none", "--iptables=false"]),
    ("vfs without a bridge", &["--storage-driver=vfs", "--bridge=none", "--iptables=false"]),
];

/// A running private engine. It is stopped and removed when this is dropped.
pub(crate) struct Engine {
    folder: PathBuf,
    kept: bool,
}

/// `cargo xtask engine start`.
pub(crate) fn start_for_a_developer() -> Result<()> {
    refuse_without(packages::provide()?)?;
    let mut engine = Engine::start(DEVELOPER)?;
    engine.kept = true;
    shell::say("The engine runs until `cargo xtask engine stop`. For tests and for `docker`:");
    for (name, value) in engine.environment() {
        shell::say(&format!("export {name}={value}"));
    }
    shell::say(&format!("export DOCKER_HOST={}", engine.host()));
    Ok(())
}

/// `cargo xtask engine stop`.
pub(crate) fn stop_for_a_developer() -> Result<()> {
    let mut stopped = 0;
    for folder in folders() {
        if owner(&folder).as_deref() == Some(DEVELOPER) {
            remove(&folder)?;
            stopped += 1;
        }
    }
    shell::say(&format!("stopped {stopped} engine(s)"));
    remove_stale()
}

fn refuse_without(missing: Vec<(String, String)>) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = missing.into_iter().map(|(program, because)| format!("{program} ({because})")).collect();
    bail!("an engine needs {}", list.join(", "))
}

impl Engine {
    /// Starts one for the life of this process.
    pub(crate) fn start_for_this_run() -> Result<Engine> {
        Engine::start(&format!("{} {}", std::process::id(), started_at(std::process::id()).unwrap_or_default()))
    }

    fn start(owner: &str) -> Result<Engine> {
        remove_stale()?;
        if !shell::may_be_root() {
            bail!("an engine needs root, or sudo without a password");
        }
        let engine = Engine { folder: fresh_folder()?, kept: false };
        fs::write(engine.folder.join("owner"), owner)?;
        engine.hold_a_network_namespace()?;
        engine.start_containerd()?;
        let way = engine.start_dockerd()?;
        engine.import_images()?;
        shell::say(&format!("engine: {} ({way})", engine.host()));
        Ok(engine)
    }

    /// Its address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// What the tests are told of it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 1] {
        [("HEALER_TEST_DOCKER_HOST", self.host())]
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("d.sock")
    }

    fn hold_a_network_namespace(&self) -> Result<()> {
        let holder = self.folder.join("holder");
        let script = "echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; ip link set lo up; exec sleep 2147483647";
        let mut command = shell::as_root("unshare");
        command.args(["--net", "sh", "-c", script]).arg(&holder);
        self.in_the_background(&mut command, "holder.log")?;
        if !shell::until(READY_WITHIN, || pid_in(&holder).is_some()) {
            bail!("no network namespace could be made: {}", self.tail("holder.log"));
        }
        Ok(())
    }

    fn start_containerd(&self) -> Result<()> {
        let path = |name: &str| self.folder.join(name);
        // The restart monitor and CRI are not needed, and CRI would reserve a port.
        fs::write(path("containerd.toml"), "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n")?;
        let mut command = self.in_the_namespace("containerd")?;
        command.arg("--config").arg(path("containerd.toml"));
        command.arg("--address").arg(path("c.sock"));
        command.arg("--root").arg(path("cdata")).arg("--state").arg(path("cexec"));
        self.in_the_background(&mut command, "containerd.log")?;
        if !shell::until(READY_WITHIN, || path("c.sock").exists()) {
            bail!("containerd does not come up: {}", self.tail("containerd.log"));
        }
        Ok(())
    }

    /// Tries one way after the other, and says which one came up.
    fn start_dockerd(&self) -> Result<&'static str> {
        for (way, flags) in WAYS {
            let mut command = self.in_the_namespace("dockerd")?;
            let path = |name: &str| self.folder.join(name);
            command.arg("--data-root").arg(path("data")).arg("--exec-root").arg(path("exec"));
            command.arg("--pidfile").arg(path("docker.pid")).arg("--containerd").arg(path("c.sock"));
            command.args(["--host", &self.host(), "--group", &shell::user().1.to_string()]);
            // Nobody else's subnets, should somebody route between the namespaces.
            command.args(["--default-address-pool", "base=10.213.0.0/16,size=24", "--bip", "10.212.0.1/24"]);
            // A configuration of the machine's own engine is not for this one.
            fs::write(path("daemon.json"), "{}")?;
            command.arg("--config-file").arg(path("daemon.json")).args(*flags);
            if flags.contains(&"--bridge=none") {
                command = without_bridge_address(command);
            }
            let mut child = self.in_the_background(&mut command, "dockerd.log")?;
            let mut ended = false;
            let up = shell::until(READY_WITHIN, || {
                ended = child.try_wait().is_ok_and(|status| status.is_some());
                ended || shell::interrupted() || answers(&self.socket())
            });
            if shell::interrupted() {
                bail!("interrupted");
            }
            if up && !ended {
                return Ok(way);
            }
            shell::say(&format!("engine: {way} does not work here"));
            end(&path("docker.pid"), ENDED_WITHIN);
        }
        bail!("the engine does not come up: {}", self.tail("dockerd.log"))
    }

    /// `healer-test:1`, and `healer-test:2` with other content: a busybox and the names by which it is called.
    fn import_images(&self) -> Result<()> {
        let busybox = packages::busybox().context("there is no static busybox")?;
        let system = self.folder.join("image");
        fs::create_dir_all(system.join("bin"))?;
        for folder in ["tmp", "etc", "dev", "proc", "sys"] {
            fs::create_dir_all(system.join(folder))?;
        }
        fs::copy(&busybox, system.join("bin/busybox"))?;
        for applet in shell::output(Command::new(&busybox).arg("--list"))?.lines().filter(|name| *name != "busybox") {
            symlink("busybox", system.join("bin").join(applet))?;
        }
        for version in ["1", "2"] {
            fs::write(system.join("etc/healer-test"), version)?;
            let archive = self.folder.join("image.tar");
            shell::output(Command::new("tar").arg("-C").arg(&system).arg("-cf").arg(&archive).arg("."))?;
            let mut import = Command::new("docker");
            import.env("DOCKER_HOST", self.host()).env("DOCKER_CONFIG", self.folder.join("client"));
            import.args(["import", "--change", "ENV PATH=/bin"]).arg(&archive).arg(format!("healer-test:{version}"));
            shell::output(&mut import)?;
        }
        Ok(())
    }

    fn in_the_namespace(&self, program: &str) -> Result<Command> {
        let holder = pid_in(&self.folder.join("holder")).context("the network namespace has a holder")?;
        let file = shell::found(program).with_context(|| format!("there is no {program}"))?;
        let mut command = shell::as_root("nsenter");
        command.args(["--target", &holder.to_string(), "--net"]).arg(file);
        Ok(command)
    }

    /// In a process group of its own: an interrupt at the terminal is for xtask, which then ends these in order.
    fn in_the_background(&self, command: &mut Command, log: &str) -> Result<std::process::Child> {
        let log = fs::File::options().create(true).append(true).open(self.folder.join(log))?;
        let command = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        command.spawn().with_context(|| format!("failed to run {command:?}"))
    }

    fn tail(&self, log: &str) -> String {
        let text = fs::read_to_string(self.folder.join(log)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = remove(&self.folder)
        {
            shell::say(&format!("engine: {} could not be removed: {error:#}", self.folder.display()));
        }
    }
}

/// `--bip` contradicts `--bridge=none`; all else stays.
fn without_bridge_address(full: Command) -> Command {
    let mut command = Command::new(full.get_program());
    let mut arguments = full.get_args();
    while let Some(argument) = arguments.next() {
        if argument == "--bip" {
            arguments.next();
        } else {
            command.arg(argument);
        }
    }
    command
}

fn fresh_folder() -> Result<PathBuf> {
    for salt in 0..1000_u32 {
        let folder = PathBuf::from(format!("{PREFIX}{}-{salt}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
                return Ok(folder);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(format!("failed to create {}", folder.display())),
        }
    }
    bail!("{PREFIX}* is full of old folders")
}

fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")?;
        let mut head = [0; 15];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b"200 OK") || head.windows(3).any(|window| window == b"200"))
    };
    ask().unwrap_or(false)
}

fn folders() -> Vec<PathBuf> {
    let prefix = Path::new(PREFIX);
    let (Some(parent), Some(name)) = (prefix.parent(), prefix.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|entry| entry.starts_with(name)))
        .map(|entry| entry.path())
        .collect()
}

/// More containers than this are not removed one by one.
const REMOVED_IN_ORDER_MAX: usize = 150;

fn owner(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("owner")).ok().map(|text| text.trim().to_owned())
}

/// Removes what earlier runs left behind that were killed before they could.
fn remove_stale() -> Result<()> {
    for folder in folders() {
        let needed = match owner(&folder).as_deref() {
            Some(DEVELOPER) => pid_in(&folder.join("docker.pid")).is_some_and(alive),
            Some(owner) => owner
                .split_once(' ')
                .is_some_and(|(pid, started)| pid.parse().ok().and_then(started_at).is_some_and(|at| at == started)),
            None => false,
        };
        if !needed {
            shell::say(&format!("engine: removing {}, which a dead run left", folder.display()));
            remove(&folder)?;
        }
    }
    Ok(())
}

/// Ends all that runs in a folder, unmounts what is mounted there, and deletes it.
fn remove(folder: &Path) -> Result<()> {
    remove_containers(folder);
    let containers = containers_of(folder);
    end(&folder.join("docker.pid"), ENDED_WITHIN);
    // An engine that died leaves its containers running below their shims, who would leave them too.
    for orphan in children_of(&processes_of(folder)) {
        signal("KILL", orphan);
    }
    for pid in processes_of(folder) {
        signal("TERM", pid);
    }
    let gone = || processes_of(folder).is_empty();
    if !shell::until(Duration::from_secs(5), gone) {
        for pid in processes_of(folder) {
            signal("KILL", pid);
        }
        shell::until(Duration::from_secs(5), gone);
    }
    if let Some(holder) = pid_in(&folder.join("holder")) {
        signal("KILL", holder);
    }
    for some in containers.chunks(500) {
        let mut find = shell::as_root("find");
        find.args(["/sys/fs/cgroup", "-depth", "-type", "d", "("]);
        for (at, id) in some.iter().enumerate() {
            if at > 0 {
                find.arg("-o");
            }
            find.args(["-name", id]);
        }
        shell::succeeds(find.args([")", "-exec", "rmdir", "{}", ";"]).stderr(Stdio::null()));
    }
    for mounted in mounted_below(folder) {
        shell::succeeds(shell::as_root("umount").arg("--lazy").arg(mounted).stderr(Stdio::null()));
    }
    shell::output(shell::as_root("rm").args(["-rf", "--one-file-system", "--"]).arg(folder)).map(|_| ())
}

/// While the engine still answers it is the one who cleans up best: control groups, shims and interfaces too.
fn remove_containers(folder: &Path) {
    let socket = folder.join("d.sock");
    if !answers(&socket) {
        return;
    }
    let docker = || {
        let mut command = Command::new("timeout");
        command.args(["60", "docker"]).env("DOCKER_HOST", format!("unix://{}", socket.display()));
        command.env("DOCKER_CONFIG", folder.join("client"));
        command
    };
    let listed = shell::output(docker().args(["ps", "--all", "--quiet"])).unwrap_or_default();
    let ids: Vec<&str> = listed.split_whitespace().collect();
    // It removes about one a second: so many end with it.
    if ids.len() > REMOVED_IN_ORDER_MAX {
        return;
    }
    for some in ids.chunks(50) {
        shell::succeeds(docker().args(["rm", "--force", "--volumes"]).args(some).stderr(Stdio::null()));
    }
}

/// The ids of the containers that the engine still knew.
fn containers_of(folder: &Path) -> Vec<String> {
    let listed = shell::output(shell::as_root("ls").arg(folder.join("data/containers"))).unwrap_or_default();
    listed.lines().map(str::to_owned).collect()
}

/// The processes below these, without those that are among them: the main processes of the shims' containers.
fn children_of(parents: &[u32]) -> Vec<u32> {
    let parent_of = |pid: u32| stat_after_name(pid)?.split(' ').nth(1)?.parse::<u32>().ok();
    let is_child = |pid: u32| parent_of(pid).is_some_and(|parent| parents.contains(&parent));
    processes().filter(|&pid| is_child(pid) && !parents.contains(&pid)).collect()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Processes that were told this folder on their command line: the engine, its containerd and its shims; nobody else
/// has a reason to know it, but for the tests and the client that xtask itself runs, which have ended by then.
fn processes_of(folder: &Path) -> Vec<u32> {
    let name = folder.as_os_str().as_encoded_bytes();
    let me = std::process::id();
    processes()
        .filter(|&pid| pid != me)
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            ["dockerd", "containerd", "containerd-shim"].iter().any(|program| runs(&line, program))
                && line.windows(name.len() + 1).any(|window| window.starts_with(name) && window[name.len()] == b'/')
        })
        .collect()
}

/// Whether a command line's program is this one, by its name without version suffixes (`containerd-shim-runc-v2`).
fn runs(line: &[u8], program: &str) -> bool {
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = first.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(program.as_bytes())
}

/// Mount points below a folder, the innermost first.
fn mounted_below(folder: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = format!("{}/", folder.display());
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| point.starts_with(&below));
    let mut points: Vec<String> = points.map(str::to_owned).collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.len()));
    points
}

/// Ends the process that a pidfile names, in order if it can be.
fn end(pidfile: &Path, within: Duration) {
    let Some(pid) = pid_in(pidfile).filter(|pid| alive(*pid)) else { return };
    signal("TERM", pid);
    if !shell::until(within, || !alive(pid)) {
        signal("KILL", pid);
        shell::until(within, || !alive(pid));
    }
}

fn pid_in(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn signal(name: &str, pid: u32) {
    shell::succeeds(shell::as_root("sh").args(["-c", &format!("kill -s {name} {pid}")]).stderr(Stdio::null()));
}

/// A zombie has ended.
fn alive(pid: u32) -> bool {
    stat_after_name(pid).is_some_and(|fields| !fields.starts_with('Z'))
}

/// When a process was started, in the kernel's ticks: with the pid, its identity.
fn started_at(pid: u32) -> Option<String> {
    stat_after_name(pid)?.split(' ').nth(19).map(str::to_owned)
}

fn stat_after_name(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, fields)| fields.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_pid_and_its_start() {
        let me = std::process::id();
        assert!(alive(me));
        assert!(started_at(me).unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(started_at(u32::MAX), None);
    }

    #[test]
    fn only_engines_own_programs_are_ever_ended() {
        assert!(runs(b"/usr/sbin/dockerd\0--data-root\0/tmp/x/data", "dockerd"));
        assert!(runs(b"/usr/bin/containerd-shim-runc-v2\0-address", "containerd-shim"));
        assert!(!runs(b"/usr/bin/vim\0/tmp/x/dockerd.log", "dockerd"));
    }

    #[test]
    fn a_bridge_address_is_left_out_where_there_is_no_bridge() {
        let mut full = Command::new("dockerd");
        full.args(["--bip", "10.0.0.1/24", "--bridge=none"]);
        let arguments: Vec<_> = without_bridge_address(full).get_args().map(|a| a.to_owned()).collect();
        assert_eq!(arguments, ["--bridge=none"]);
    }
}
