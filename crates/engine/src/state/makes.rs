//! What each service is made of, and what it was last well with.

use std::collections::BTreeMap;
use std::time::Duration;

use model::make::{Deploy, Make};
use model::{Now, ResourceId, Tick};
use serde::{Deserialize, Serialize};

/// What was made of something for so long without falling ill was well with it.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// What falls ill so long after a deploy, at most, may have been broken by it.
const BROKEN_WITHIN: Duration = Duration::from_secs(600);
/// A service may be taken away and put back by a deploy: it is remembered this long.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

/// What is known of all services.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Makes {
    of: BTreeMap<ResourceId, Known>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    present: Make,
    since: Now,
    /// What it was last well with, and when it was made of something else.
    well: Option<(Make, Now)>,
    /// Who had healer make it what it is, if somebody had.
    #[serde(default)]
    by: Option<String>,
    /// Since when it is not there.
    gone: Option<Tick>,
}

impl Makes {
    /// What a service is made of, as far as is known.
    #[must_use]
    pub(crate) fn present(&self, resource: &ResourceId) -> Option<&Make> {
        self.of.get(resource).filter(|known| known.gone.is_none()).map(|known| &known.present)
    }

    /// The same of one that may have gone since.
    #[must_use]
    pub(crate) fn last(&self, resource: &ResourceId) -> Option<&Make> {
        self.of.get(resource).map(|known| &known.present)
    }

    /// It is made of this now. `ill`: it had an open incident, so that nobody will want back what it was made of.
    pub(super) fn made_of(&mut self, resource: &ResourceId, make: &Make, by: Option<&str>, ill: bool, now: Now) {
        let before = self.of.remove(resource);
        let mut by = by.map(str::to_owned);
        let well = before.and_then(|before| {
            if before.present == *make {
                return before.well;
            }
            if !ill && now.tick.since(before.since.tick) >= WELL_AFTER {
                return Some((before.present, now));
            }
            // To go back further than to what their update replaced nobody has ordered.
            by = None;
            before.well
        });
        let well = well.filter(|(well, _)| well != make);
        self.of.insert(resource.clone(), Known { present: make.clone(), since: now, well, by, gone: None });
    }

    /// It is not there any more.
    pub(super) fn gone(&mut self, resource: &ResourceId, now: Tick) {
        if let Some(known) = self.of.get_mut(resource) {
            known.gone = Some(now);
        }
        self.of.retain(|_, known| known.gone.is_none_or(|gone| now.since(gone) < REMEMBERED));
    }

    /// The deploy that may have broken what fell ill then.
    #[must_use]
    pub(crate) fn deploy_before(&self, resource: &ResourceId, ill_since: Tick) -> Option<Deploy> {
        let known = self.of.get(resource)?;
        let (well, left) = known.well.as_ref()?;
        let soon = ill_since >= left.tick && ill_since.since(left.tick) < BROKEN_WITHIN;
        soon.then(|| Deploy { from: well.clone(), to: known.present.clone(), at: *left, by: known.by.clone() })
    }
}

#[cfg(test)]
mod tests {
    use model::Wall;

    use super::*;

    fn make(name: &str) -> Make {
        Make { image: name.to_owned(), image_id: name.to_owned(), config_hash: String::new() }
    }

    fn at(s: u64) -> Now {
        Now { wall: Wall(0), tick: Tick(s * 1_000) }
    }

    fn web() -> ResourceId {
        ResourceId::docker("h", "shop", "web", 1)
    }

    /// Made of these, each since so many seconds, ill or not by then.
    fn made(of: &[(&str, u64, bool)]) -> Makes {
        let mut makes = Makes::default();
        of.iter().for_each(|(name, s, ill)| makes.made_of(&web(), &make(name), None, *ill, at(*s)));
        makes
    }

    #[test]
    fn a_deploy_is_to_blame_for_what_falls_ill_soon_after_what_was_well_is_left() {
        let found = |makes: &Makes, ill_s: u64| {
            let deploy = makes.deploy_before(&web(), at(ill_s).tick);
            deploy.map(|deploy| format!("{} to {}", deploy.from.image, deploy.to.image))
        };
        type Row<'a> = (&'a str, &'a [(&'a str, u64, bool)], u64, Option<&'a str>);
        let table: [Row<'_>; 8] = [
            ("first seen", &[("a", 0, false)], 90, None),
            ("soon after", &[("a", 0, false), ("b", 100, false)], 130, Some("a to b")),
            ("long after", &[("a", 0, false), ("b", 100, false)], 800, None),
            ("ill before", &[("a", 0, false), ("b", 100, false)], 90, None),
            ("ill with the one before", &[("a", 0, false), ("b", 100, true)], 130, None),
            ("never well", &[("a", 0, false), ("b", 30, false)], 50, None),
            ("a second try", &[("a", 0, false), ("b", 100, false), ("c", 200, true)], 120, Some("a to c")),
            ("put back", &[("a", 0, false), ("b", 100, false), ("a", 200, true)], 130, None),
        ];
        for (name, of, ill_s, expect) in table {
            assert_eq!(found(&made(of), ill_s).as_deref(), expect, "{name}");
        }
    }

    #[test]
    fn what_a_deploy_takes_away_and_puts_back_is_remembered() {
        let mut makes = made(&[("a", 0, false)]);
        makes.gone(&web(), at(100).tick);
        assert_eq!(makes.present(&web()), None);
        makes.made_of(&web(), &make("b"), None, false, at(101));
        assert!(makes.deploy_before(&web(), at(110).tick).is_some());
        makes.gone(&web(), at(200).tick);
        let other = ResourceId::docker("h", "shop", "db", 1);
        makes.gone(&other, at(200 + 90_000).tick);
        assert_eq!(makes, Makes::default());
    }
}
