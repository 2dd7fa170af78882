//! Containers of the tests' own on the private engine.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use model::ResourceId;
use model::fact::Incarnation;

/// The test engine's URL; says so if there is none.
pub(crate) fn engine() -> Option<String> {
    let url = std::env::var("HEALER_TEST_DOCKER_HOST").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        // Not by `println!`, which the test runner would swallow.
        let _ = writeln!(std::io::stderr(), "skipped: no test engine (HEALER_TEST_DOCKER_HOST is not set)");
    }
    url
}

/// A container name that no other test uses; the container is removed at the end.
pub(crate) struct Guest {
    pub(crate) url: String,
    pub(crate) name: String,
}

impl Guest {
    pub(crate) fn new(url: &str, what: &str) -> Guest {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Guest { url: url.to_owned(), name: format!("ht-{what}-{}-{n}", std::process::id()) }
    }

    /// `docker run -d` with these options, then this shell script; gives the container.
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Incarnation {
        self.make("run", &["-d"], options, &["/bin/sh", "-c", script])
    }

    pub(crate) fn make(&self, verb: &str, more: &[&str], options: &[&str], command: &[&str]) -> Incarnation {
        let fixed = ["--network", "none", "--name", &self.name];
        let id = docker(&self.url, &[&[verb], more, &fixed, options, &["healer-test:1"], command].concat());
        Incarnation(id.trim().into())
    }

    pub(crate) fn docker(&self, verb: &[&str]) -> String {
        docker(&self.url, &[verb, &[&self.name]].concat())
    }

    pub(crate) fn wait_until_it_says(&self, word: &str) {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !self.docker(&["logs"]).contains(word) {
            assert!(std::time::Instant::now() < deadline, "{} never said {word}", self.name);
            std::thread::sleep(Duration::from_millis(50)); // waits for a condition
        }
    }

    pub(crate) fn resource(&self) -> ResourceId {
        ResourceId::lone_container("lab", &self.name)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        for name in [self.name.clone(), format!("{}-renamed", self.name)] {
            let _ = attempt(&self.url, &["rm", "-f", &name]);
        }
    }
}

pub(crate) fn attempt(url: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("docker").args(arguments).env("DOCKER_HOST", url).stdin(Stdio::null()).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

pub(crate) fn docker(url: &str, arguments: &[&str]) -> String {
    let (well, said) = attempt(url, arguments);
    assert!(well, "docker {arguments:?}: {said}");
    said
}
