//! An image's name is given back to what it meant before a deploy, on a real engine with a real Compose (as in
//! `engine.rs`): what becomes of that where the image, or the name, is not any more what it was when this was planned.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use docker::{Endpoint, Hands, Host};
use model::ResourceId;
use model::action::{Action, Answer, Behalf, Pair, Permit, PermitId, Retag, Step, With};
use model::fact::Incarnation;
use model::time::{Now, Tick};

const PATIENCE: Duration = Duration::from_secs(30);

/// A service that was deployed anew, of another image with the name of the one before.
struct Deployed {
    url: String,
    project: String,
    folder: tempfile::TempDir,
    /// What its image's name meant before, means now, and may come to mean by somebody else's hand.
    images: [String; 3],
    hashes: [String; 2],
    container: String,
}

impl Deployed {
    /// `None`, and a word about it, where there is no engine.
    fn new() -> Option<Deployed> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(url) = std::env::var("HEALER_TEST_DOCKER_HOST").ok().filter(|url| !url.is_empty()) else {
            // Not by `println!`, which the test runner would swallow.
            let _ = writeln!(std::io::stderr(), "skipped: no test engine (HEALER_TEST_DOCKER_HOST is not set)");
            return None;
        };
        let project = format!("htback{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut made = Deployed {
            url,
            project,
            folder: tempfile::tempdir().unwrap(),
            images: Default::default(),
            hashes: Default::default(),
            container: String::new(),
        };
        let compose = format!(
            "version: '2.4'\nservices: {{web: {{image: '{}', command: [sleep, '100000'], stop_grace_period: 1s, \
             network_mode: none}}}}\n",
            made.name()
        );
        std::fs::write(made.folder.path().join("docker-compose.yml"), compose).unwrap();
        made.images = [1, 2, 3].map(|version| made.image(version));
        for at in [0, 1] {
            made.tag(at);
            let up = made.run("docker-compose", &["-p", &made.project, "up", "-d"]);
            assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
            made.container = made.docker(&["ps", "-aq", "--no-trunc", "--filter", &made.label()]);
            let label = "{{index .Config.Labels \"com.docker.compose.config-hash\"}}";
            made.hashes[at] = made.docker(&["inspect", "--format", label, &made.container]);
        }
        Some(made)
    }

    fn name(&self) -> String {
        format!("{}:1", self.project)
    }

    fn label(&self) -> String {
        format!("label=com.docker.compose.project={}", self.project)
    }

    /// An image of its own, with no name as yet.
    fn image(&self, version: u8) -> String {
        let of = self.docker(&["create", "healer-test:1", "true"]);
        let image = self.docker(&["commit", "--change", &format!("ENV VERSION={version}"), &of]);
        self.docker(&["rm", &of]);
        image
    }

    /// Makes the name mean one of the images.
    fn tag(&self, image: usize) {
        self.docker(&["tag", &self.images[image], &self.name()]);
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).env("DOCKER_HOST", &self.url).current_dir(self.folder.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    fn docker(&self, arguments: &[&str]) -> String {
        let out = self.run("docker", arguments);
        assert!(out.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Which of the images the name means.
    fn means(&self) -> Option<usize> {
        let id = self.docker(&["image", "inspect", "--format", "{{.Id}}", &self.name()]);
        self.images.iter().position(|image| *image == id)
    }

    /// The container of the service, and of which of the images it is.
    fn container(&self) -> (String, Option<usize>) {
        let id = self.docker(&["ps", "-aq", "--no-trunc", "--filter", &self.label()]);
        let image = self.docker(&["inspect", "--format", "{{.Image}}", &id]);
        (id, self.images.iter().position(|of| *of == image))
    }

    fn permit(&self) -> Permit {
        let [to, from, _] = self.images.clone();
        let [config_hash, from_config_hash] = self.hashes.clone();
        let retag = Retag { name: self.name(), to, from, config_hash, from_config_hash };
        Permit {
            id: PermitId(1),
            epoch: 1,
            behalf: Behalf::Incident("lab/1".parse().unwrap()),
            step: Step {
                action: Action::Recreate,
                resource: ResourceId::docker("lab", &self.project, "web", 1),
                pair: Pair::None,
                timeout_ms: 60_000,
                with: With::Image(retag),
            },
            incarnation: Incarnation(self.container.as_str().into()),
            ran: false,
            leases: BTreeSet::new(),
            unhindered: false,
            given: Now::default(),
            until: Tick(u64::MAX),
        }
    }

    /// The name means the newest image, as after a fetch, and a person has healer make the service of that.
    fn updated(&self) -> Permit {
        self.updated_to(&self.images[2])
    }

    fn updated_to(&self, image: &str) -> Permit {
        self.docker(&["tag", image, &self.name()]);
        let hash = self.run("docker-compose", &["-p", &self.project, "config", "--hash", "web"]);
        let hash = String::from_utf8_lossy(&hash.stdout).trim().rsplit(' ').next().unwrap().to_owned();
        let mut permit = self.permit();
        permit.behalf = Behalf::Person("ann".to_owned());
        if let With::Image(retag) = &mut permit.step.with {
            (retag.to, retag.config_hash) = (image.to_owned(), hash);
        }
        permit
    }

    /// The owner edits the file.
    fn edits(&self) {
        let file = self.folder.path().join("docker-compose.yml");
        let edited = std::fs::read_to_string(&file).unwrap().replace("100000", "200000");
        std::fs::write(file, edited).unwrap();
    }

    /// Has healer's hands give the name back; `meanwhile` comes between their last look and the act.
    async fn put_back(&self, permit: &Permit, meanwhile: impl Fn()) -> Answer {
        let hands = Hands::new(Host::new("lab", Endpoint::parse(&self.url).unwrap()));
        let still = || {
            meanwhile();
            Ok(())
        };
        hands.perform(permit, still).await
    }

    /// That it failed with these words, the container is the one that it was, and the name means this image.
    fn is_left(&self, answer: &Answer, because: &str, means: usize) {
        assert!(matches!(answer, Answer::Failed(why) if why.contains(because)), "{because}: {answer:?}");
        assert_eq!(self.container(), (self.container.clone(), Some(1)), "{answer:?}");
        assert_eq!(self.means(), Some(means), "{answer:?}");
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        self.run("docker-compose", &["-p", &self.project, "down", "--timeout", "0"]);
        let images = self.images.each_ref().map(String::as_str);
        self.run("docker", &[&["rmi", "--force", &self.name()], &images[..]].concat());
    }
}

/// Asks the engine itself, much sooner than a program would be started for it.
fn ask(url: &str, method: &str, path: &str) -> String {
    let mut stream = UnixStream::connect(Path::new(url.strip_prefix("unix://").unwrap())).unwrap();
    let request = format!("{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_image_of_before_has_its_name_back_and_the_service_is_made_of_it() {
    let Some(deployed) = Deployed::new() else { return };
    assert_eq!(deployed.put_back(&deployed.permit(), || ()).await, Answer::Done);
    let (id, image) = deployed.container();
    assert!(id != deployed.container && image == Some(0), "{image:?}");
    assert_eq!(deployed.means(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_was_removed_cannot_be_put_back_and_all_is_left_as_it_was() {
    let Some(deployed) = Deployed::new() else { return };
    let removed = || {
        deployed.docker(&["rmi", &deployed.images[0]]);
    };
    let permit = deployed.permit();
    deployed.is_left(&deployed.put_back(&permit, removed).await, "could not be given back", 1);
    deployed.is_left(&deployed.put_back(&permit, || ()).await, "shall mean is gone", 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_somebody_has_moved_meanwhile_is_theirs() {
    let Some(deployed) = Deployed::new() else { return };
    let permit = deployed.permit();
    deployed.is_left(&deployed.put_back(&permit, || deployed.tag(2)).await, "means another image by now", 2);
    deployed.is_left(&deployed.put_back(&permit, || ()).await, "means another image by now", 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_somebody_moves_while_compose_is_asked_is_not_taken_from_them() {
    let Some(deployed) = Deployed::new() else { return };
    let (url, name, images) = (deployed.url.clone(), deployed.name(), deployed.images.clone());
    let moves = std::thread::spawn(move || {
        let began = Instant::now();
        while !ask(&url, "GET", &format!("/images/{name}/json")).contains(&format!("\"Id\":\"{}\"", images[0])) {
            assert!(began.elapsed() < PATIENCE, "it was never given back");
        }
        let (repository, tag) = name.split_once(':').unwrap();
        ask(&url, "POST", &format!("/images/{}/tag?repo={repository}&tag={tag}", images[2]))
    });
    let answer = deployed.put_back(&deployed.permit(), || ()).await;
    assert!(moves.join().unwrap().starts_with("HTTP/1.0 201"));
    deployed.is_left(&answer, "means another image by now", 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_given_back_by_a_process_that_ended_then_is_gone_on_with() {
    let Some(deployed) = Deployed::new() else { return };
    deployed.tag(0);
    assert_eq!(deployed.put_back(&deployed.permit(), || ()).await, Answer::Done);
    assert_eq!((deployed.container().1, deployed.means()), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_more_was_changed_than_the_image_its_name_is_taken_back() {
    let Some(deployed) = Deployed::new() else { return };
    let mut permit = deployed.permit();
    if let With::Image(retag) = &mut permit.step.with {
        retag.config_hash = "0".repeat(64);
    }
    deployed.is_left(&deployed.put_back(&permit, || ()).await, "its configuration was changed as well", 1);
}

// ---- updates

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_comes_to_nothing_leaves_the_name_where_it_was_or_with_whom_it_is() {
    for shared in [false, true] {
        let Some(deployed) = Deployed::new() else { return };
        let permit = deployed.updated();
        let other = shared.then(|| deployed.docker(&["create", &deployed.name(), "true"]));
        let answer = deployed.put_back(&permit, || deployed.edits()).await;
        deployed.is_left(&answer, "its configuration was changed as well", if shared { 2 } else { 1 });
        assert_eq!(format!("{answer:?}").contains("and so it stays, since"), shared, "{answer:?}");
        if let Some(other) = other {
            deployed.docker(&["rm", &other]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_is_not_begun_tells_where_its_fetching_has_left_the_name() {
    let Some(deployed) = Deployed::new() else { return };
    let permit = deployed.updated();
    deployed.edits();
    let takes_back = format!("`docker tag {} {}` takes that back", deployed.images[1], deployed.name());
    deployed.is_left(&deployed.put_back(&permit, || ()).await, &takes_back, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_after_it_was_decided_is_not_made_anew() {
    for just_before in [false, true] {
        let Some(deployed) = Deployed::new() else { return };
        let permit = Permit { ran: true, ..deployed.updated() };
        let stops = || {
            deployed.docker(&["stop", &deployed.container]);
        };
        if !just_before {
            stops();
        }
        let answer = deployed
            .put_back(&permit, || {
                if just_before {
                    stops()
                }
            })
            .await;
        assert_eq!(answer, Answer::Withheld("it has ended since this was decided".to_owned()));
        assert_eq!(deployed.container(), (deployed.container.clone(), Some(1)));
        assert_eq!(deployed.means(), Some(if just_before { 1 } else { 2 }), "what was fetched is the owner's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_newer_image_cannot_be_started_the_name_means_what_the_service_is_made_of() {
    let Some(deployed) = Deployed::new() else { return };
    let of = deployed.docker(&["create", "healer-test:1", "true"]);
    let newer = deployed.docker(&["commit", "--change", "ENTRYPOINT [\"/is/not/there\"]", &of]);
    deployed.docker(&["rm", &of]);
    let answer = deployed.put_back(&deployed.updated_to(&newer), || ()).await;
    assert!(matches!(&answer, Answer::Failed(why) if why.contains("/is/not/there")), "{answer:?}");
    let all = deployed.docker(&["ps", "-aq", "--no-trunc", "--filter", &deployed.label()]);
    let images: Vec<String> =
        all.lines().map(|id| deployed.docker(&["inspect", "--format", "{{.Image}}", id])).collect();
    assert!(images.contains(&newer), "{images:?}");
    assert_eq!(deployed.docker(&["image", "inspect", "--format", "{{.Id}}", &deployed.name()]), newer);
    deployed.run("docker-compose", &["-p", &deployed.project, "down", "--timeout", "0"]);
    deployed.docker(&["rmi", "--force", &newer]);
}
