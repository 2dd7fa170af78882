//! The `healer` program: the daemon as a child process, the commands beside it, and its API.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use model::event::Entry;
use model::view;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rig::{until, wait_for};

/// How long the daemon may take to be ready, and to end when told to.
const READY_WITHIN: Duration = Duration::from_secs(20);
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// One installation of healer: its configuration and state, whether it runs or not.
pub(crate) struct Healer {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// An answer of the HTTP side.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Healer {
    /// Writes the configuration: `settings` below the keys that every test needs; `$PORT` in it is the one it listens on.
    pub(crate) fn install(folder: &Path, socket: &str, hook: &str, settings: &str) -> Healer {
        Healer::install_with_relist(folder, socket, hook, settings, "5s")
    }

    /// The same with another time between two full listings.
    pub(crate) fn install_with_relist(folder: &Path, socket: &str, hook: &str, settings: &str, relist: &str) -> Healer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let secret = folder.join("secret");
        fs::write(&secret, crate::hook::SECRET).expect("the folder is ours");
        let state = folder.join("state");
        let settings = if settings.contains("budgets:") { settings.to_owned() } else { format!("{settings}{BUDGETS}") };
        let settings = settings.replace("$PORT", &port.to_string());
        let mode = if settings.contains("mode:") { "" } else { "mode: auto\n" };
        let text = format!(
            "listen: 127.0.0.1:{port}\nstate_dir: {state}\n{mode}host: {{name: web-1}}\n\
             docker: {{hosts: [{{name: local, url: \"{socket}\"}}], relist: {relist}}}\n\
             channels:\n  hook: {{type: webhook, url: \"{hook}\", secret_file: {secret}}}\n{settings}",
            state = state.display(),
            secret = secret.display(),
        );
        fs::write(folder.join("healer.yaml"), text).expect("the folder is ours");
        Healer { folder: folder.to_owned(), port, child: None }
    }

    /// The program with this configuration and nobody else's environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_healer"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &self.folder);
        command.arg("--config").arg(self.folder.join("healer.yaml")).args(words).stdin(Stdio::null());
        command
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.start_without_waiting();
        self.wait_until_it_answers();
    }

    pub(crate) fn wait_until_it_answers(&mut self) {
        wait_for("healer answers", READY_WITHIN, || {
            if let Some(status) = self.ended() {
                panic!("healer ended with {status}:\n{}", self.log());
            }
            self.get("/healthz").filter(|answer| answer.status == 200)
        });
    }

    pub(crate) fn start_without_waiting(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the daemon with more in its environment.
    pub(crate) fn start_with(&mut self, environment: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the folder is ours");
        let mut command = self.command(&["run"]);
        command.envs(environment.iter().copied());
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        self.child = Some(command.spawn().expect("the binary was built"));
    }

    /// Ends the daemon in order.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        crate::docker::succeed(Command::new("sh").args(["-c", &format!("kill -s TERM {}", self.pid())]));
        let child = self.child.as_mut().expect("healer runs");
        let status = until(ENDED_WITHIN, || child.try_wait().expect("it is our child"));
        self.child = None;
        status.unwrap_or_else(|| panic!("healer does not end:\n{}", self.log()))
    }

    /// Ends it as a lack of memory would.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("healer runs");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }

    /// Halts it where it is: it does nothing more, and can still be killed.
    pub(crate) fn halt(&self) {
        crate::docker::succeed(Command::new("sh").args(["-c", &format!("kill -s STOP {}", self.pid())]));
    }

    /// The daemon's pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("healer runs").id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("it is our child"))
    }

    /// Runs one command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the binary was built")
    }

    /// Begins one command beside the test.
    pub(crate) fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary was built")
    }

    /// Runs one command, which must succeed, and reads its JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, words: &[&str]) -> T {
        let out = self.run(&[words, &["--format", "json"]].concat());
        let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "healer {words:?} ended with {}: {said}{complained}", out.status);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("healer {words:?} answered {said}: {error}"))
    }

    pub(crate) fn status(&self) -> view::Status {
        self.json(&["status", "--all"])
    }

    pub(crate) fn incidents(&self) -> Vec<view::Incident> {
        self.json(&["incidents"])
    }

    pub(crate) fn why(&self, of: &str) -> view::Why {
        self.json(&["why", of])
    }

    /// The whole journal, oldest first, page by page.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/api/v1/history?order=oldest&limit=1000{cursor}")).expect("healer answers");
            assert_eq!(page.status, 200, "{}", page.body);
            let mut page: Value = serde_json::from_str(&page.body).expect("the API speaks JSON");
            let more = serde_json::from_value::<Vec<Entry>>(page["entries"].take()).expect("an entry is one");
            entries.extend(more);
            let next = &page["next"];
            if next.is_null() {
                break;
            }
            // A cursor is opaque: a text or a number.
            cursor = format!("&cursor={}", next.as_str().map_or_else(|| next.to_string(), str::to_owned));
        }
        entries
    }

    /// Asks the HTTP side; `None` if nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        self.http("GET", path)
    }

    /// Gives a command on the socket itself, past the program.
    pub(crate) fn command_on_the_socket(&self, ask: &Value) -> Answer {
        let body = serde_json::json!({ "ask": ask }).to_string();
        let mut stream = UnixStream::connect(self.folder.join("state/healer.sock")).expect("healer answers");
        let head =
            format!("POST /api/v1/commands HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).expect("healer reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("healer answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it is HTTP");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("it is HTTP");
        Answer { status, body: body.to_owned() }
    }

    /// The first page of a list.
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        let page = self.get(path).expect("healer answers");
        let mut page: Value = serde_json::from_str(&page.body).expect("the API speaks JSON");
        serde_json::from_value(page["items"].take()).expect("a list has items")
    }

    pub(crate) fn http(&self, method: &str, path: &str) -> Option<Answer> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            let host = format!("127.0.0.1:{}", self.port);
            let head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, body: body.to_owned() })
    }

    /// What the daemon printed.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("healer.log")
    }
}

/// A repair counts after a second here, so that tests need not wait for minutes.
const BUDGETS: &str = "budgets: {stability: 1s}\n";

impl Drop for Healer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the end of healer's log ---\n{}", self.log());
        }
    }
}
