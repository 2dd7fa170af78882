//! What healer would do about an issue of a resource, and which rules decide that.

use serde::{Deserialize, Serialize};

use crate::incident::IncidentId;
use crate::policy::{Does, PassedOver};
use crate::resource::ResourceId;

/// What follows from the policies for one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Of what.
    pub resource: ResourceId,
    /// What a person calls it.
    pub short: String,
    /// Whether what it is and does at present is seen. Where it is not, what depends on that is not told.
    pub seen: bool,
    /// Its open incident.
    pub incident: Option<IncidentId>,
    /// The issue that was asked about; else that of its open incident; else each one that there is.
    pub issues: Vec<Explained>,
}

/// What follows for one issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// What policies call it.
    pub issue_type: String,
    /// The causes that are called so.
    pub causes: Vec<String>,
    /// Whether it is that of the open incident.
    pub is_open: bool,
    /// The number of the policy that applies, from 1; `None`: it is the built-in one.
    pub policy: Option<usize>,
    /// The policies before it, each with why it does not apply.
    pub passed_over: Vec<PassedOver>,
    /// So many more stand before it and do not apply.
    pub passed_over_more: usize,
    /// What healer does.
    pub does: Does,
    /// Why: the first rule that keeps it from healing unasked, or from being told; empty where none does.
    pub because: String,
    /// The rules, in the order in which healer asks them; the first "no" holds.
    pub rules: Vec<RuleLine>,
}

/// One rule, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLine {
    /// Which.
    pub rule: Rule,
    /// What it says.
    pub says: Says,
    /// Why, in one clause.
    pub because: String,
}

/// The rules that stand between an issue and its repair, in the order in which healer asks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// An action mends the cause.
    Cause,
    /// healer leads, and can write its journal.
    Lead,
    /// How far healer has come with the open incident.
    Incident,
    /// It is seen at present.
    Sight,
    /// It is healer's to care for: not excluded, not somebody else's.
    Exclusion,
    /// Its owner wants it to run.
    Intent,
    /// Nobody froze healer.
    Freeze,
    /// It is not in maintenance.
    Maintenance,
    /// Nothing else goes on around it.
    Surroundings,
    /// The mode lets healer act.
    Mode,
    /// The policy lets healer act unasked.
    Policy,
    /// Its own attempts are not spent.
    Attempts,
    /// The budgets that it shares are not spent.
    Budgets,
    /// The repair's risk is one that is taken unasked.
    Risk,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Go on.
    Lets,
    /// A person has to say so first.
    Asks,
    /// Not at present.
    Holds,
    /// No.
    Refuses,
    /// That cannot be told at present.
    Unknown,
}

impl Rule {
    /// Its name for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Rule::Cause => "cause",
            Rule::Lead => "lead",
            Rule::Incident => "incident",
            Rule::Sight => "sight",
            Rule::Exclusion => "exclusion",
            Rule::Intent => "intent",
            Rule::Freeze => "freeze",
            Rule::Maintenance => "maintenance",
            Rule::Surroundings => "surroundings",
            Rule::Mode => "mode",
            Rule::Policy => "policy",
            Rule::Attempts => "attempts",
            Rule::Budgets => "budgets",
            Rule::Risk => "risk",
        }
    }
}

impl Says {
    /// One word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Says::Lets => "lets",
            Says::Asks => "asks",
            Says::Holds => "holds",
            Says::Refuses => "refuses",
            Says::Unknown => "unknown",
        }
    }
}

/// What rules come to, asked in this order: the first that does not let decides, with its reason. After one that cannot be
/// told only a "no" is sure: it holds whatever the untold one says, while a question might not be asked at all.
#[must_use]
pub fn outlook(rules: &[RuleLine]) -> (Does, String) {
    let mut untold: Option<&RuleLine> = None;
    for line in rules {
        match line.says {
            Says::Lets => {}
            Says::Unknown => untold = untold.or(Some(line)),
            Says::Holds | Says::Refuses => return (Does::Nothing, line.because.clone()),
            Says::Asks if untold.is_none() => return (Does::Asks, line.because.clone()),
            Says::Asks => break,
        }
    }
    untold.map_or((Does::Heals, String::new()), |line| (Does::CannotTell, line.because.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_no_decides_and_what_is_not_known_never_permits() {
        let (lets, asks, holds) = (Says::Lets, Says::Asks, Says::Holds);
        let (refuses, unknown) = (Says::Refuses, Says::Unknown);
        let table = [
            (vec![], (Does::Heals, "")),
            (vec![lets, lets], (Does::Heals, "")),
            (vec![lets, asks, holds], (Does::Asks, "1")),
            (vec![holds, asks], (Does::Nothing, "0")),
            (vec![lets, lets, refuses], (Does::Nothing, "2")),
            (vec![lets, unknown, lets], (Does::CannotTell, "1")),
            (vec![unknown, asks], (Does::CannotTell, "0")),
            (vec![unknown, lets, holds], (Does::Nothing, "2")),
            (vec![unknown, asks, holds], (Does::CannotTell, "0")),
        ];
        for (says, (does, because)) in table {
            let line = |(at, says): (usize, &Says)| RuleLine { rule: Rule::Mode, says: *says, because: at.to_string() };
            let rules: Vec<RuleLine> = says.iter().enumerate().map(line).collect();
            assert_eq!(outlook(&rules), (does, because.to_owned()), "{says:?}");
        }
    }
}
