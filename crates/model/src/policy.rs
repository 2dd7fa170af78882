//! Which policy applies, why those before it do not, and which ones never can: the table as its owner reads it.
//!
//! ```text
//! policies 1, 2, 3 … in the order of the configuration, the built-in one last; the first that fits wins
//! ```

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::ResourceId;
use crate::settings::{Mode, Policy, RESOURCE_KIND, Settings, matches};
use crate::verdict::Limit;

/// With so many earlier policies each one is compared: what is covered by a later one still is called reached.
pub const COMPARED_MAX: usize = 500;

/// Of so many policies that were passed over it is told why; of the others only how many they are.
pub const PASSED_OVER_MAX: usize = 100;

/// What a policy narrows itself by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Which kind of resource.
    ResourceKind,
    /// Which issue.
    IssueType,
    /// Which deployment.
    Deployment,
}

/// Why a policy does not fit, by one of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// Which field.
    pub field: Field,
    /// The name or pattern that it has.
    pub wants: String,
    /// What was found in its place.
    pub found: String,
}

/// A policy that stands before the one that applies, and does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Its number, from 1.
    pub number: usize,
    /// Each field that keeps it from fitting. Never empty.
    pub because: Vec<Mismatch>,
}

/// The policy that applies, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its number, from 1; `None`: it is the built-in one.
    pub number: Option<usize>,
    /// The policy.
    pub policy: Policy,
    /// The first [`PASSED_OVER_MAX`] of those before it.
    pub passed_over: Vec<PassedOver>,
    /// So many more stand before it and do not fit.
    pub passed_over_more: usize,
}

/// Whether anything ever comes to a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It is the first that fits something.
    Reached,
    /// Nothing that this version knows fits it, whatever stands before it.
    FitsNothing {
        /// Which of its fields names what is not known.
        field: Field,
    },
    /// Whatever fits it, fits one of these before it.
    Covered {
        /// Their numbers, from 1, in order. Never empty.
        by: Vec<usize>,
    },
}

/// What healer does about an issue, as far as mode and policy decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// It repairs unasked.
    Heals,
    /// It asks first.
    Asks,
    /// It does nothing.
    Nothing,
    /// That cannot be told from what is known.
    CannotTell,
}

/// A policy of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number, from 1; `None`: it is the built-in one.
    pub number: Option<usize>,
    /// `Deployment`, or `*`.
    pub resource_kind: String,
    /// The issue type, or a pattern.
    pub issue_type: String,
    /// The deployment, or a pattern; `None`: all.
    pub deployment: Option<String>,
    /// What it says itself.
    pub auto_heal: bool,
    /// What healer does by it in the mode that is set.
    pub does: Does,
    /// How many attempts a resource has, the budgets' where it says nothing.
    pub attempts: Limit,
    /// Why it never applies: a sentence; `None` where it can.
    pub never_reached: Option<String>,
    /// The policies that take from it all that it fits, by number.
    pub covered_by: Vec<usize>,
}

impl Policy {
    /// Each field that keeps it from an issue of a resource; none: it fits.
    #[must_use]
    pub fn mismatches(&self, resource: &ResourceId, issue_type: &str) -> Vec<Mismatch> {
        let fields = [
            (Field::ResourceKind, self.resource_kind.as_str(), RESOURCE_KIND),
            (Field::IssueType, self.issue_type.as_str(), issue_type),
            (Field::Deployment, self.deployments(), resource.deployment()),
        ];
        let not = fields.into_iter().filter(|(_, wants, found)| !matches(wants, found));
        not.map(|(field, wants, found)| Mismatch { field, wants: wants.to_owned(), found: found.to_owned() }).collect()
    }

    /// The deployments that it is for, as a pattern.
    fn deployments(&self) -> &str {
        self.deployment.as_deref().unwrap_or("*")
    }

    /// Whether whatever `later` fits, it fits as well, also what only another version knows. For sure: a pattern that fits
    /// another one, its stars taken as text, fits all that the other fits.
    #[must_use]
    pub fn covers(&self, later: &Policy) -> bool {
        matches(self.deployments(), later.deployments())
            && matches(&self.issue_type, &later.issue_type)
            && matches(&self.resource_kind, &later.resource_kind)
    }

    /// Whether it takes from `later` whatever that fits, in issues of this type.
    fn takes(&self, later: &Policy, issue_type: &str) -> bool {
        matches(&self.resource_kind, RESOURCE_KIND)
            && matches(&self.issue_type, issue_type)
            && matches(self.deployments(), later.deployments())
    }
}

/// Whether anything ever comes to `policy`, which stands behind `earlier`. `issue_types`: all that there are.
///
/// It is told of what there is in this version: with one kind of resource, a policy about that kind takes all that one about
/// `*` fits. So the check of a file, which another version may read, warns of less ([`Policy::covers`]).
#[must_use]
pub fn reach(earlier: &[Policy], policy: &Policy, issue_types: &BTreeSet<&str>) -> Reach {
    if !matches(&policy.resource_kind, RESOURCE_KIND) {
        return Reach::FitsNothing { field: Field::ResourceKind };
    }
    let fits: Vec<&str> = issue_types.iter().copied().filter(|known| matches(&policy.issue_type, known)).collect();
    if fits.is_empty() {
        return Reach::FitsNothing { field: Field::IssueType };
    }
    let earlier = &earlier[..earlier.len().min(COMPARED_MAX)];
    let takes_all = |one: &Policy| fits.iter().all(|issue_type| one.takes(policy, issue_type));
    if let Some(alone) = earlier.iter().position(takes_all) {
        return Reach::Covered { by: vec![alone + 1] };
    }
    let taken = fits.iter().map(|issue_type| earlier.iter().position(|one| one.takes(policy, issue_type)));
    let together: Option<BTreeSet<usize>> = taken.collect();
    together.map_or(Reach::Reached, |by| Reach::Covered { by: by.into_iter().map(|at| at + 1).collect() })
}

/// What mode and policy come to, before any rule that stands after them.
#[must_use]
pub fn does(mode: Mode, auto_heal: bool) -> Does {
    match mode {
        Mode::Observe => Does::Nothing,
        Mode::Suggest => Does::Asks,
        Mode::Auto if auto_heal => Does::Heals,
        Mode::Auto => Does::Asks,
    }
}

impl Settings {
    /// The policy that applies to an issue of a resource, and why those before it do not.
    #[must_use]
    pub fn choice(&self, resource: &ResourceId, issue_type: &str) -> Choice {
        let mut passed_over = Vec::new();
        let mut passed_over_more = 0;
        for (number, policy) in (1..).zip(&self.policies) {
            let because = policy.mismatches(resource, issue_type);
            if because.is_empty() {
                return Choice { number: Some(number), policy: policy.clone(), passed_over, passed_over_more };
            }
            if passed_over.len() < PASSED_OVER_MAX {
                passed_over.push(PassedOver { number, because });
            } else {
                passed_over_more += 1;
            }
        }
        Choice { number: None, policy: Policy::built_in(), passed_over, passed_over_more }
    }

    /// Every policy in the order in which they are matched, the built-in one last. `issue_types`: all that there are.
    #[must_use]
    pub fn policy_table(&self, issue_types: &BTreeSet<&str>) -> Vec<Row> {
        let numbered = (1..).map(Some).zip(self.policies.iter().cloned());
        let all = numbered.chain([(None, Policy::built_in())]);
        all.enumerate().map(|(at, (number, policy))| self.row(at, number, policy, issue_types)).collect()
    }

    fn row(&self, at: usize, number: Option<usize>, policy: Policy, issue_types: &BTreeSet<&str>) -> Row {
        let reach = reach(&self.policies[..at], &policy, issue_types);
        let never_reached = match &reach {
            Reach::Reached => None,
            Reach::FitsNothing { field } => {
                let wants = match field {
                    Field::ResourceKind => &policy.resource_kind,
                    Field::IssueType | Field::Deployment => &policy.issue_type,
                };
                Some(format!("this version knows no {field} `{wants}`"))
            }
            Reach::Covered { by } => Some(match by.as_slice() {
                [one] => format!("policy {one} matches all of it"),
                several => format!("policies {} together match all of it", in_words(several)),
            }),
        };
        let covered_by = match reach {
            Reach::Covered { by } => by,
            Reach::Reached | Reach::FitsNothing { .. } => Vec::new(),
        };
        let attempts = self.attempts(&policy);
        let does = does(self.mode, policy.auto_heal);
        let Policy { resource_kind, issue_type, deployment, auto_heal, max_retries: _, window_ms: _ } = policy;
        Row { number, resource_kind, issue_type, deployment, auto_heal, does, attempts, never_reached, covered_by }
    }

    /// How many attempts a resource has under a policy: the budgets' where it says nothing.
    #[must_use]
    pub fn attempts(&self, policy: &Policy) -> Limit {
        let standing = self.budgets.per_resource;
        Limit {
            count: policy.max_retries.unwrap_or(standing.count),
            window_ms: policy.window_ms.unwrap_or(standing.window_ms),
        }
    }
}

/// `1 and 2`, `1, 2 and 4`.
fn in_words(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some(_) | None => words.concat(),
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::ResourceKind => "kind of resource",
            Field::IssueType => "issue type",
            Field::Deployment => "deployment",
        })
    }
}

/// As a clause about the policy: ``its deployment is `wiki` ``.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its {} is `{}`", self.field, self.wants)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known() -> BTreeSet<&'static str> {
        BTreeSet::from(["disk_full", "none", "service_down"])
    }

    fn policy(kind: &str, issue: &str, deployment: Option<&str>) -> Policy {
        Policy {
            resource_kind: kind.to_owned(),
            issue_type: issue.to_owned(),
            deployment: deployment.map(str::to_owned),
            ..Policy::built_in()
        }
    }

    fn settings(policies: Vec<Policy>) -> Settings {
        Settings { policies, ..Settings::default() }
    }

    #[test]
    fn what_is_passed_over_says_each_field_that_did_not_fit() {
        let settings = settings(vec![
            policy("Database", "disk_full", Some("wiki")),
            policy("*", "service_*", Some("shop-*")),
            policy("Deployment", "service_down", Some("shop")),
            policy("*", "*", None),
        ]);
        let choice = settings.choice(&ResourceId::docker("h", "shop", "web", 1), "service_down");
        assert_eq!(choice.number, Some(3));
        let told: Vec<(usize, Vec<String>)> = choice
            .passed_over
            .iter()
            .map(|passed| (passed.number, passed.because.iter().map(ToString::to_string).collect()))
            .collect();
        let first = ["its kind of resource is `Database`", "its issue type is `disk_full`", "its deployment is `wiki`"];
        assert_eq!(told, [(1, first.map(str::to_owned).to_vec()), (2, vec!["its deployment is `shop-*`".to_owned()])]);
        assert_eq!(choice.passed_over[1].because[0].found, "shop");
    }

    #[test]
    fn without_one_that_fits_the_built_in_one_applies_and_what_was_passed_over_is_bounded() {
        let many = vec![policy("*", "disk_full", None); PASSED_OVER_MAX + 7];
        let choice = settings(many).choice(&ResourceId::docker("h", "shop", "web", 1), "service_down");
        assert_eq!((choice.number, choice.policy), (None, Policy::built_in()));
        assert_eq!((choice.passed_over.len(), choice.passed_over_more), (PASSED_OVER_MAX, 7));
    }

    #[test]
    fn what_an_earlier_one_takes_whole_is_never_reached() {
        let all = || policy("*", "*", None);
        let covered = |by: &[usize]| Reach::Covered { by: by.to_vec() };
        let table = [
            ("nothing before it", vec![], all(), Reach::Reached),
            ("all before it", vec![all()], policy("Deployment", "none", Some("a")), covered(&[1])),
            ("twice the same", vec![policy("*", "none", None)], policy("*", "none", None), covered(&[1])),
            ("narrower before it", vec![policy("*", "*", Some("shop"))], all(), Reach::Reached),
            (
                "a pattern in a pattern",
                vec![policy("*", "*", Some("s*"))],
                policy("*", "*", Some("sh*")),
                covered(&[1]),
            ),
            ("a wider pattern", vec![policy("*", "*", Some("sh*"))], policy("*", "*", Some("s*")), Reach::Reached),
            ("the one kind that there is", vec![policy("Deployment", "*", None)], all(), covered(&[1])),
            (
                "together",
                vec![policy("*", "none", None), policy("*", "disk_full", None), policy("*", "service_*", None)],
                all(),
                covered(&[1, 2, 3]),
            ),
            (
                "one alone before several together",
                vec![policy("*", "none", None), all(), policy("*", "disk_full", None)],
                all(),
                covered(&[2]),
            ),
            (
                "not quite together",
                vec![policy("*", "none", None), policy("*", "service_*", None)],
                all(),
                Reach::Reached,
            ),
            ("an unknown issue", vec![], policy("*", "lag", None), Reach::FitsNothing { field: Field::IssueType }),
            (
                "an unknown kind",
                vec![all()],
                policy("Pod", "*", None),
                Reach::FitsNothing { field: Field::ResourceKind },
            ),
        ];
        for (name, earlier, policy, expect) in table {
            assert_eq!(reach(&earlier, &policy, &known()), expect, "{name}");
        }
    }

    #[test]
    fn the_table_ends_with_the_built_in_policy_and_says_what_never_applies() {
        let quick = Policy { max_retries: Some(2), auto_heal: false, ..policy("*", "*", Some("shop")) };
        let set = settings(vec![quick, policy("*", "none", Some("shop")), policy("*", "*", None)]);
        let told: Vec<_> = set
            .policy_table(&known())
            .into_iter()
            .map(|row| (row.number, row.does, row.attempts.count, row.never_reached))
            .collect();
        let by = |number: u32| Some(format!("policy {number} matches all of it"));
        assert_eq!(
            told,
            [
                (Some(1), Does::Asks, 2, None),
                (Some(2), Does::Heals, 3, by(1)),
                (Some(3), Does::Heals, 3, None),
                (None, Does::Heals, 3, by(3)),
            ]
        );
        let together = settings(known().into_iter().map(|issue| policy("*", issue, None)).collect());
        let last = together.policy_table(&known()).pop().unwrap();
        assert_eq!(last.never_reached.as_deref(), Some("policies 1, 2 and 3 together match all of it"));
        assert_eq!(last.covered_by, [1, 2, 3]);
    }

    #[test]
    fn the_mode_comes_before_the_policy() {
        let table = [
            (Mode::Observe, true, Does::Nothing),
            (Mode::Suggest, true, Does::Asks),
            (Mode::Auto, true, Does::Heals),
            (Mode::Auto, false, Does::Asks),
        ];
        for (mode, auto_heal, expect) in table {
            assert_eq!(does(mode, auto_heal), expect, "{mode:?} {auto_heal}");
        }
    }

    /// Patterns that often fit, and often cover each other.
    fn pattern(names: &'static [&'static str]) -> impl Strategy<Value = String> {
        let star =
            prop_oneof![Just("*".to_owned()), Just("s*".to_owned()), Just("*_*".to_owned()), Just("*e".to_owned())];
        prop_oneof![star, proptest::sample::select(names).prop_map(str::to_owned)]
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        let kinds = pattern(&["Deployment", "Pod"]);
        let issues = pattern(&["disk_full", "none", "service_down", "lag"]);
        let deployments = proptest::option::of(pattern(DEPLOYMENTS));
        (kinds, issues, deployments, any::<bool>(), proptest::option::of(0..9_u32)).prop_map(
            |(resource_kind, issue_type, deployment, auto_heal, max_retries)| Policy {
                resource_kind,
                issue_type,
                deployment,
                auto_heal,
                max_retries,
                window_ms: None,
            },
        )
    }

    const DEPLOYMENTS: &[&str] = &["shop", "s_e", "site", "wiki", "-"];

    proptest! {
        #[test]
        fn the_explained_policy_is_the_one_that_applies(
            policies in proptest::collection::vec(any_policy(), 0..8),
        ) {
            let settings = settings(policies);
            for (deployment, issue) in DEPLOYMENTS.iter().flat_map(|d| known().into_iter().map(move |i| (d, i))) {
                let resource = ResourceId::docker("h", deployment, "web", 1);
                let choice = settings.choice(&resource, issue);
                prop_assert_eq!(&choice.policy, &settings.policy(&resource, issue));
                let before = choice.number.map_or(settings.policies.len(), |number| number - 1);
                let passed: Vec<usize> = choice.passed_over.iter().map(|passed| passed.number).collect();
                prop_assert_eq!(passed, (1..=before).collect::<Vec<_>>());
                prop_assert!(choice.passed_over.iter().all(|passed| !passed.because.is_empty()));
            }
        }

        #[test]
        fn what_is_never_reached_never_applies(policies in proptest::collection::vec(any_policy(), 0..8)) {
            let settings = settings(policies);
            let dead: Vec<Option<usize>> = settings
                .policy_table(&known())
                .into_iter()
                .filter(|row| row.never_reached.is_some())
                .map(|row| row.number)
                .collect();
            for (deployment, issue) in DEPLOYMENTS.iter().flat_map(|d| known().into_iter().map(move |i| (d, i))) {
                let choice = settings.choice(&ResourceId::docker("h", deployment, "web", 1), issue);
                prop_assert!(!dead.contains(&choice.number), "{:?} applies to {issue} in {deployment}", choice.number);
            }
        }
    }
}
