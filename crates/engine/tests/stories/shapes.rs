//! Two hundred shapes of deployments come back after a host restart: whatever waits for what, everything that should run
//! runs, in a legal order, and nothing else is started.
//!
//! The shapes are Compose files with an oracle in their last line: `# edges: web>db:healthy, …`. That healer reads those
//! edges from the files is a test of the `docker` crate; here they are taken as told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use model::action::Action;
use model::fact::{Condition, Definition, Health, RestartPolicy};

use crate::story::{Story, named, needs};

const SHAPES_MIN: usize = 200;
/// After so many seconds a host of one deployment is back.
const BACK_WITHIN_S: u32 = 600;

/// One service waits for another.
struct Edge {
    dependent: String,
    needed: String,
    kind: String,
}

struct Shape {
    file: String,
    edges: Vec<Edge>,
}

/// A generator of numbers that are always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn shapes() -> Vec<Shape> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/tests/shapes");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let shape = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let last = text.lines().last().unwrap_or_default();
        let told = last.strip_prefix("# edges: ").unwrap_or_else(|| panic!("{} tells no edges", path.display()));
        let edge = |word: &str| {
            let (dependent, rest) = word.split_once('>').unwrap();
            let (needed, kind) = rest.rsplit_once(':').unwrap();
            Edge { dependent: dependent.to_owned(), needed: needed.to_owned(), kind: kind.to_owned() }
        };
        let edges = if told == "none" { Vec::new() } else { told.split(", ").map(edge).collect() };
        Shape { file: path.file_name().unwrap().to_string_lossy().into_owned(), edges }
    };
    files.iter().map(shape).collect()
}

impl Shape {
    fn of(&self, service: &str) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.dependent == service)
    }

    fn is_job(&self, service: &str) -> bool {
        self.edges.iter().any(|edge| edge.needed == service && edge.kind == "completed")
    }

    fn is_checked(&self, service: &str) -> bool {
        self.edges.iter().any(|edge| edge.needed == service && edge.kind == "healthy")
    }

    /// All services, each after those that it needs.
    fn services(&self) -> Vec<String> {
        let mut all: BTreeSet<&str> =
            self.edges.iter().flat_map(|edge| [edge.dependent.as_str(), edge.needed.as_str()]).collect();
        all.insert("alone");
        let mut ordered: Vec<String> = Vec::new();
        while !all.is_empty() {
            let ready: Vec<&str> = all
                .iter()
                .copied()
                .filter(|one| self.of(one).all(|edge| !all.contains(edge.needed.as_str())))
                .collect();
            assert!(!ready.is_empty(), "{} goes round in a circle", self.file);
            ordered.extend(ready.iter().map(|one| (*one).to_owned()));
            all.retain(|one| !ready.contains(one));
        }
        ordered
    }

    fn name(service: &str) -> String {
        format!("shape/{service}")
    }

    fn story(&self, dice: &mut Dice) -> Story {
        let mut story = Story::new();
        for service in self.services() {
            let network = self.of(&service).find(|edge| edge.kind == "network").map(|edge| Shape::name(&edge.needed));
            let body = network.as_ref().map(|parent| story.first_id_of(parent));
            let policy = if dice.below(5) == 0 { RestartPolicy::UnlessStopped } else { RestartPolicy::No };
            let differs = |d: &mut Definition| {
                let conditions = self.of(&service).filter_map(|edge| Some(needs(&edge.needed, condition(&edge.kind)?)));
                d.depends_on = conditions.collect();
                (d.network_parent, d.network_body) = (network.as_deref().map(named), body);
                d.restart_policy = if self.is_job(&service) { RestartPolicy::No } else { policy };
            };
            let name = Shape::name(&service);
            story.runs_as(&name, differs);
            if self.is_job(&service) {
                story.is_down(&name, 0);
            } else if self.is_checked(&service) {
                story.has_check(&name);
            }
        }
        story.reads_flag = true;
        story
    }
}

fn condition(kind: &str) -> Option<Condition> {
    match kind {
        "started" => Some(Condition::Started),
        "healthy" => Some(Condition::Healthy),
        "completed" => Some(Condition::CompletedSuccessfully),
        "network" => None,
        other => panic!("no kind of waiting: {other}"),
    }
}

/// Plays one shape, made of containers that tell the edges of `labelled`, and says what is wrong with how it came back.
fn comes_back(shape: &Shape, labelled: &Shape, seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let mut story = labelled.story(&mut dice);
    story.tells_its_start().begins().after(60.0);
    let services = shape.services();
    let (mut stopped, mut checks) = (BTreeSet::new(), BTreeMap::new());
    for service in services.iter().filter(|service| !shape.is_job(service)) {
        if dice.below(8) == 0 {
            story.docker_stop(&Shape::name(service)).after(1.0);
            stopped.insert(service.clone());
        }
        checks.insert(service.clone(), dice.below(9));
    }
    story.after(60.0);
    let code = [0, 143, 137][usize::try_from(dice.below(3)).unwrap()];
    story.host_restarts(code).begins();
    let shall_run: Vec<&String> = services.iter().filter(|one| !shape.is_job(one) && !stopped.contains(*one)).collect();
    // When each of them was well, in seconds of this story.
    let mut well: BTreeMap<&str, u32> = BTreeMap::new();
    let mut up: BTreeMap<&str, u32> = BTreeMap::new();
    let began_s = story.now_s();
    for second in 0..BACK_WITHIN_S {
        for service in &shall_run {
            let name = Shape::name(service);
            if !story.is_running(&name) {
                continue;
            }
            let since = *up.entry(service).or_insert(second);
            let passes = u64::from(second - since) >= checks[*service];
            if passes && !well.contains_key(service.as_str()) {
                well.insert(service, second);
                if shape.is_checked(service) {
                    story.turns(&name, Health::Healthy);
                }
            }
        }
        if well.len() == shall_run.len() {
            break;
        }
        story.after(1.0);
    }
    story.after(5.0);
    let wrong = |says: String| Err(format!("{}, seed {seed}: {says}\n{story}", shape.file));
    for service in &services {
        let starts = story.starts(&Shape::name(service));
        if (stopped.contains(service) || shape.is_job(service)) && starts > 0 {
            return wrong(format!("{service} was started"));
        }
    }
    if let Some(missing) = shall_run.iter().find(|service| !well.contains_key(service.as_str())) {
        return wrong(format!("{missing} did not come back"));
    }
    for Edge { dependent, needed, kind } in &shape.edges {
        let first = |service: &str| story.ordered(Action::Start, &Shape::name(service)).first().copied();
        let (Some(ordered), Some(well)) = (first(dependent), well.get(needed.as_str())) else { continue };
        if let Some(before) = first(needed)
            && before >= ordered
        {
            return wrong(format!("{dependent} was started before {needed}"));
        }
        if kind == "healthy" && ordered < began_s + f64::from(*well) {
            return wrong(format!("{dependent} was started before {needed} was healthy"));
        }
    }
    Ok(())
}

#[test]
fn every_shape_comes_back_in_a_legal_order() {
    let shapes = shapes();
    assert!(shapes.len() >= SHAPES_MIN, "{} shapes", shapes.len());
    for (number, shape) in (0..).zip(&shapes) {
        for variation in 0..3 {
            if let Err(wrong) = comes_back(shape, shape, number * 101 + variation) {
                panic!("{wrong}");
            }
        }
    }
}

#[test]
fn an_order_that_is_not_legal_is_noticed() {
    let edge = |dependent: &str, needed: &str| {
        let [dependent, needed, kind] = [dependent, needed, "healthy"].map(str::to_owned);
        Shape { file: "two.yml".to_owned(), edges: vec![Edge { dependent, needed, kind }] }
    };
    let (shape, reversed) = (edge("web", "db"), edge("db", "web"));
    assert_eq!(comes_back(&shape, &shape, 3), Ok(()));
    let wrong = comes_back(&shape, &reversed, 3).unwrap_err();
    assert!(wrong.contains("web was started before db"), "{wrong}");
}
