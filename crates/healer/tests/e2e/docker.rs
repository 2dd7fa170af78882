//! The engine and Compose, by the commands that a person would use.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The engine that the tests may do anything to.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) url: String,
    /// Where the clients keep their settings: never those of the person who runs the tests.
    client: PathBuf,
}

/// What the engine says of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) exit_code: i64,
    pub(crate) error: String,
    pub(crate) health: String,
    pub(crate) pid: i64,
    pub(crate) started_at: String,
}

impl Engine {
    pub(crate) fn at(url: String, folder: &Path) -> Engine {
        Engine { url, client: folder.join("client") }
    }

    /// The folder that everything of a private engine is in.
    pub(crate) fn home(&self) -> PathBuf {
        let socket = Path::new(self.url.trim_start_matches("unix://"));
        socket.parent().expect("a socket lies in a folder").to_owned()
    }

    /// The process that holds the network namespace of an engine that `cargo xtask` brought.
    pub(crate) fn namespace_holder(&self) -> String {
        let holder = fs::read_to_string(self.home().join("holder")).expect("the engine has a namespace of its own");
        holder.trim().to_owned()
    }

    /// A command that speaks to this engine, whatever the environment says.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME"]
        {
            command.env_remove(name);
        }
        command.env("DOCKER_HOST", &self.url).env("DOCKER_CONFIG", &self.client);
        command.env("COMPOSE_INTERACTIVE_NO_CLI", "1").stdin(Stdio::null());
        command
    }

    /// Runs `docker …`, which must succeed.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        succeed(self.command("docker").args(arguments))
    }

    /// Runs Compose in a folder; what came of it is the caller's to judge.
    pub(crate) fn compose(&self, folder: &Path, project: &str, arguments: &[&str]) -> Output {
        let mut command = self.command("docker-compose");
        command.args(["--project-name", project]).args(arguments).current_dir(folder);
        command.output().expect("docker-compose can be run")
    }

    /// Removes all that earlier tests left.
    pub(crate) fn clear(&self) {
        let listed = self.docker(&["ps", "--all", "--quiet"]);
        let ids: Vec<&str> = listed.split_whitespace().collect();
        if !ids.is_empty() {
            self.docker(&[&["rm", "--force", "--volumes"], &ids[..]].concat());
        }
        self.docker(&["network", "prune", "--force"]);
    }

    /// The container of a Compose service, whatever this flavour of Compose calls it.
    pub(crate) fn container(&self, project: &str, service: &str) -> Option<Container> {
        let project = format!("label=com.docker.compose.project={project}");
        let service = format!("label=com.docker.compose.service={service}");
        let listed = self.docker(&["ps", "-aq", "--no-trunc", "--filter", &project, "--filter", &service]);
        let id = listed.split_whitespace().next()?.to_owned();
        let inspected: Value = serde_json::from_str(&self.docker(&["inspect", &id])).expect("inspect speaks JSON");
        let state = &inspected[0]["State"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(Container {
            id,
            status: text(&state["Status"]),
            exit_code: state["ExitCode"].as_i64().unwrap_or_default(),
            error: text(&state["Error"]),
            health: text(&state["Health"]["Status"]),
            pid: state["Pid"].as_i64().unwrap_or_default(),
            started_at: text(&state["StartedAt"]),
        })
    }
}

/// Writes down every event of every container, from the moment that it was made. The engine itself forgets all but 256.
pub(crate) struct Recorder {
    file: PathBuf,
    client: Child,
}

impl Recorder {
    pub(crate) fn start(engine: &Engine, folder: &Path) -> Recorder {
        let file = folder.join("events.jsonl");
        let out = File::create(&file).expect("the folder is ours");
        let mut command = engine.command("docker");
        // From a moment before, so that nothing falls between the subscription and the first act.
        command.args(["events", "--since", "1s", "--filter", "type=container", "--format", "{{json .}}"]);
        let client = command.stdout(out).stderr(Stdio::null()).spawn().expect("docker can be run");
        Recorder { file, client }
    }

    /// How often something happened to a container: `start`, `die`, `stop`, `restart`.
    pub(crate) fn count(&self, container: &str, action: &str) -> usize {
        self.events(container).iter().filter(|event| event["Action"].as_str() == Some(action)).count()
    }

    /// What happened to a container, in the short words of `sim::table`.
    pub(crate) fn told(&self, container: &str) -> Vec<String> {
        let words = self.events(container).into_iter().filter_map(|event| {
            let attribute = |name: &str| event["Actor"]["Attributes"][name].as_str().unwrap_or_default().to_owned();
            Some(match event["Action"].as_str()? {
                "kill" => format!("K{}", attribute("signal")),
                "die" => format!("D{}", attribute("exitCode")),
                "stop" => "S".to_owned(),
                word @ ("start" | "restart" | "oom" | "pause" | "unpause" | "destroy") => word.to_owned(),
                _ => return None,
            })
        });
        words.collect()
    }

    fn events(&self, container: &str) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["Actor"]["ID"].as_str() == Some(container)).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// Kills a process of the host as the host would: not through the engine.
pub(crate) fn kill_from_the_host(pid: i64) {
    let script = format!("kill -s KILL {pid} 2>/dev/null || sudo -n kill -s KILL {pid}");
    succeed(Command::new("sh").args(["-c", &script]));
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?} ended with {}: {said}{complained}", out.status);
    said.into_owned()
}
