//! What may depend on what, what may be depended on at all, and under which licences: read from `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::shell;

/// The most crates that a build of healer may need (DESIGN: budgets).
pub(crate) const CRATES_MAX: usize = 400;

/// Crates that must never appear: heavy C code, or a second TLS.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-sys", "ring is the one crypto provider; aws-lc costs six times its build"),
    ("openssl-sys", "rustls is the one TLS; nothing to install on the host"),
    ("native-tls", "rustls is the one TLS"),
    ("chrono", "time is jiff's at the edges and model::time inside"),
];

/// What a crate of ours must not reach, directly or not.
struct Wall {
    of: &'static str,
    forbids: &'static [&'static str],
    because: &'static str,
}

/// Clocks, disks, nets and processes: what a pure crate has no business with.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "hyper",
    "axum",
    "reqwest",
    "rustls",
    "bollard",
    "rusqlite",
    "jiff",
    "rustix",
    "libc",
    "tracing",
    "rand",
    "getrandom",
    "clap",
    "store",
    "outbound",
    "docker",
    "notify",
    "runtime",
    "sim",
    "surfaces",
    "healer",
];
const DECIDERS_AND_PEERS: &[&str] =
    &["engine", "runtime", "sim", "surfaces", "healer", "docker", "notify", "store", "advise", "host", "kubernetes"];

const WALLS: &[Wall] = &[
    Wall { of: "model", forbids: IMPURE, because: "the nouns do no I/O" },
    Wall {
        of: "model",
        forbids: &["engine", "evidence"],
        because: "everything speaks the nouns, they speak of nobody",
    },
    Wall { of: "evidence", forbids: IMPURE, because: "quoting and redacting is pure" },
    Wall { of: "evidence", forbids: &["engine"], because: "evidence is below the engine" },
    Wall { of: "engine", forbids: IMPURE, because: "the engine decides everything and does nothing" },
    Wall { of: "docker", forbids: DECIDERS_AND_PEERS, because: "a platform knows neither who decides nor its peers" },
    Wall { of: "host", forbids: DECIDERS_AND_PEERS, because: "a platform knows neither who decides nor its peers" },
    Wall { of: "linux", forbids: DECIDERS_AND_PEERS, because: "it reads, and knows nobody" },
    Wall { of: "probes", forbids: DECIDERS_AND_PEERS, because: "a probe asks, and knows nobody" },
    Wall { of: "notify", forbids: DECIDERS_AND_PEERS, because: "a channel knows neither who decides nor its peers" },
    Wall { of: "store", forbids: DECIDERS_AND_PEERS, because: "the journal is written by the runtime alone" },
    Wall { of: "outbound", forbids: DECIDERS_AND_PEERS, because: "the HTTP client serves all and knows none" },
    Wall {
        of: "runtime",
        forbids: &["docker", "notify", "surfaces", "outbound"],
        because: "it is generic over performers",
    },
    Wall {
        of: "sim",
        forbids: &["docker", "notify", "surfaces", "outbound"],
        because: "it simulates what these touch",
    },
];

/// Licences that a binary under Apache-2.0 may contain. A dual licence passes by either half.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "CC0-1.0",
    "Unlicense",
    "MIT-0",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
];

/// Crates that are built in two versions, each with the reason why that cannot be helped yet.
const TWICE: &[(&str, &str)] = &[
    ("base64", "postgres-protocol is a version behind lettre and reqwest"),
    ("fallible-iterator", "postgres-protocol is a version behind rusqlite; a trait and little else"),
    ("getrandom", "ring is two versions behind rand, which PostgreSQL's and DNS's protocols draw from"),
    ("nom", "x509-parser is a version behind lettre"),
    ("syn", "derive macros are between two versions; at build time only"),
    ("synstructure", "asn1-rs is a version behind yoke; at build time only"),
];

/// All that is wrong with the dependencies, a sentence each.
pub(crate) fn findings() -> Result<Vec<String>> {
    let ours = ours()?;
    let all = tree(&["--workspace", "-e", "normal,build"])?;
    let mut findings = Vec::new();
    for wall in WALLS.iter().filter(|wall| ours.contains(wall.of)) {
        let reached = tree(&["-p", wall.of, "-e", "normal"])?;
        for name in wall.forbids.iter().filter(|name| **name != wall.of && reached.iter().any(|c| c.name == **name)) {
            findings.push(format!("crate {} reaches {name}: {}", wall.of, wall.because));
        }
    }
    for (name, because) in BANNED {
        if all.iter().any(|c| c.name == *name) {
            findings.push(format!("{name} is in the tree: {because} (see `cargo tree -i {name}`)"));
        }
    }
    let count = all.len();
    if count > CRATES_MAX {
        findings.push(format!("{count} crates are in the tree; {CRATES_MAX} are allowed"));
    }
    findings.extend(all.iter().filter(|c| !ours.contains(&c.name) && !is_permitted(&c.licence)).map(|c| {
        format!("{} {} has the licence `{}`, which is not on the list in xtask", c.name, c.version, c.licence)
    }));
    findings.extend(duplicates(&all, TWICE));
    shell::say(&format!("tidy: {count} crates (at most {CRATES_MAX})"));
    Ok(findings)
}

/// How many crates a build of the workspace needs.
pub(crate) fn count() -> Result<usize> {
    Ok(tree(&["--workspace", "-e", "normal,build"])?.len())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

fn tree(arguments: &[&str]) -> Result<BTreeSet<Crate>> {
    let mut cargo = shell::cargo();
    cargo.arg("tree").args(arguments).args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"]);
    Ok(shell::output(&mut cargo)?.lines().filter_map(crate_of).collect())
}

/// `serde v1.0.0 (proc-macro)|MIT OR Apache-2.0`.
fn crate_of(line: &str) -> Option<Crate> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.trim_start_matches('v').to_owned();
    Some(Crate { name, version, licence: licence.trim().to_owned() })
}

fn ours() -> Result<BTreeSet<String>> {
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: serde_json::Value = serde_json::from_str(&shell::output(&mut cargo)?)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages.filter_map(|package| Some(package["name"].as_str()?.to_owned())).collect())
}

/// An expression passes if, of each `AND`, some `OR` is on the list. Old crates write `/` for `OR`.
fn is_permitted(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

fn duplicates(all: &BTreeSet<Crate>, excuses: &[(&str, &str)]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in all {
        versions.entry(&one.name).or_default().push(&one.version);
    }
    let excused = |name: &str| excuses.iter().any(|(excused, _)| *excused == name);
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        if versions.len() > 1 && !excused(name) {
            let versions = versions.join(" and ");
            findings.push(format!("{name} is built twice ({versions}): unify, or excuse it in xtask with a reason"));
        }
    }
    for (name, _) in excuses {
        if versions.get(name).is_none_or(|versions| versions.len() < 2) {
            findings.push(format!("{name} is excused in xtask for being built twice, and is not: remove the excuse"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_is_read_whole() {
        let one = crate_of("serde_derive v1.0.229 (proc-macro)|MIT OR Apache-2.0").unwrap();
        assert_eq!((one.name.as_str(), one.version.as_str()), ("serde_derive", "1.0.229"));
        assert_eq!(one.licence, "MIT OR Apache-2.0");
        assert_eq!(crate_of(""), None);
    }

    #[test]
    fn a_licence_passes_by_one_half_of_an_or_and_by_both_of_an_and() {
        let table = [
            ("MIT OR GPL-3.0", true),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0-only", false),
            ("", false),
        ];
        for (expression, expect) in table {
            assert_eq!(is_permitted(expression), expect, "{expression}");
        }
    }

    #[test]
    fn a_second_version_is_found() {
        let one = |version: &str| Crate { name: "x".into(), version: version.into(), licence: "MIT".into() };
        assert_eq!(duplicates(&BTreeSet::from([one("1.0.0")]), &[]), Vec::<String>::new());
        let found = duplicates(&BTreeSet::from([one("1.0.0"), one("2.0.0")]), &[]);
        assert!(found.len() == 1 && found[0].contains("1.0.0 and 2.0.0"), "{found:?}");
    }
}
