//! `healer simulate`: the simulator's worlds, from the command line.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use crate::cli::Simulate;

/// What came of the worlds: `simulate --format json`.
#[derive(Debug, Serialize)]
pub(crate) struct Played {
    /// Whether no promise was broken and everything was reached that so many worlds should reach.
    pub(crate) good: bool,
    seeds: Seeds,
    worlds: u64,
    steps: u64,
    journal_entries: u64,
    took_s: f64,
    /// How often each kind of each group was reached.
    reached: BTreeMap<String, BTreeMap<String, u64>>,
    /// What should have been reached and was not, in words.
    missed: Vec<String>,
    /// The worlds in which a promise was broken.
    broken: Vec<Broken>,
    #[serde(skip)]
    text: String,
}

/// From the first seed to the one before `until`.
#[derive(Debug, Serialize)]
struct Seeds {
    from: u64,
    until: u64,
}

#[derive(Debug, Serialize)]
struct Broken {
    seed: u64,
    /// In the world's own time.
    at_ms: u64,
    promise: &'static str,
    says: String,
}

/// Plays the worlds.
pub(crate) fn run(args: &Simulate) -> Played {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let seeds = args.from..args.from.saturating_add(args.seeds);
    Played::new(seeds.clone(), sim::campaign(seeds, threads))
}

impl Played {
    fn new(seeds: Range<u64>, report: sim::Report) -> Played {
        let broken = |broken: &sim::Broken| Broken {
            seed: broken.seed,
            at_ms: broken.at_ms,
            promise: broken.rule,
            says: broken.says.clone(),
        };
        Played {
            good: report.is_good(),
            seeds: Seeds { from: seeds.start, until: seeds.end },
            worlds: report.worlds,
            steps: report.steps,
            journal_entries: report.entries,
            took_s: report.took.as_secs_f64(),
            reached: reached(&report.counts),
            missed: report.counts.faults(report.worlds),
            broken: report.broken.iter().map(broken).collect(),
            text: report.to_string(),
        }
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }
}

fn reached(counts: &sim::Counts) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut groups: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (group, kind, n) in counts.iter() {
        groups.entry(group.to_owned()).or_default().insert(kind.to_owned(), n);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_json_it_is_the_report_with_every_count_under_its_name() {
        let report = sim::campaign(0..3, 1);
        let (worlds, steps, text) = (report.worlds, report.steps, report.to_string());
        let counts = report.counts.clone();
        let played = Played::new(0..3, report);
        assert_eq!(played.text(), text);
        let json = serde_json::to_value(&played).unwrap();
        assert_eq!((&json["worlds"], &json["steps"]), (&worlds.into(), &steps.into()));
        assert_eq!((&json["seeds"]["from"], &json["seeds"]["until"]), (&0.into(), &3.into()));
        assert_eq!(json["good"], played.good);
        assert!(json["took_s"].as_f64().unwrap() > 0.0);
        assert!(json["reached"]["phase"]["resolved"].as_u64().unwrap() > 0);
        assert_eq!(
            json["reached"]["race"]["start after a stop nobody could know"],
            counts.of("race", "start after a stop nobody could know")
        );
        // Each number of the text is under its name, so no name was cut or run into another.
        for (group, kinds) in &played.reached {
            let (_, rows) = text.split_once(&format!("\n  {group}\n")).unwrap();
            for (kind, n) in kinds {
                let row = rows.lines().find(|line| line.starts_with(&format!("    {kind}  "))).unwrap();
                let shown = row.rsplit("  ").find_map(|word| word.trim().parse().ok());
                assert!(shown == Some(*n) || *n == 0 && (row.contains(" – ") || row.contains("rare: ")), "{row}: {n}");
            }
        }
        for (group, kind, _) in sim::UNREACHED {
            assert_eq!(played.reached[*group][*kind], 0, "{group} {kind}");
        }
    }

    #[test]
    fn a_broken_promise_is_told_with_the_seed_that_breaks_it_again() {
        let mut report = sim::campaign(0..0, 1);
        let says = "twice".to_owned();
        report.broken.push(sim::Broken { seed: 7, at_ms: 1_500, rule: "one start per permit", says });
        let json = serde_json::to_value(Played::new(0..0, report)).unwrap();
        assert_eq!(json["good"], false);
        let expect =
            serde_json::json!([{"seed": 7, "at_ms": 1500, "promise": "one start per permit", "says": "twice"}]);
        assert_eq!(json["broken"], expect);
    }
}
