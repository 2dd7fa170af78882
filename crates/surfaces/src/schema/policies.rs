//! The shapes of the policies and of what follows from them.

use utoipa::ToSchema;

/// A policy of the table.
#[derive(Debug, ToSchema)]
pub struct PolicyRow {
    /// Its number, from 1; null: it is the built-in one.
    #[schema(required)]
    pub number: Option<usize>,
    /// `Deployment`, or `*`.
    pub resource_kind: String,
    /// The issue type, or a pattern.
    pub issue_type: String,
    /// The deployment, or a pattern; null: all.
    #[schema(required)]
    pub deployment: Option<String>,
    /// What it says itself.
    pub auto_heal: bool,
    /// What healer does by it in the mode that is set.
    pub does: Does,
    /// How many attempts a resource has, the budgets' where it says nothing.
    pub attempts: Limit,
    /// Why it never applies: a sentence; null where it can.
    #[schema(required)]
    pub never_reached: Option<String>,
    /// The policies that take from it all that it fits, by number.
    pub covered_by: Vec<usize>,
}

/// So many in such a window.
#[derive(Debug, ToSchema)]
pub struct Limit {
    /// How many.
    pub count: u32,
    /// Within how long, in milliseconds.
    pub window_ms: u64,
}

/// What healer does about an issue.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
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

/// What follows from the policies for one resource.
#[derive(Debug, ToSchema)]
pub struct Explanation {
    /// Of what.
    pub resource: String,
    /// What a person calls it.
    pub short: String,
    /// Whether what it is and does at present is seen.
    pub seen: bool,
    /// Its open incident.
    #[schema(required)]
    pub incident: Option<String>,
    /// The issue that was asked about; else that of its open incident; else each one that there is.
    pub issues: Vec<Explained>,
}

/// What follows for one issue.
#[derive(Debug, ToSchema)]
pub struct Explained {
    /// What policies call it.
    pub issue_type: String,
    /// The causes that are called so.
    pub causes: Vec<String>,
    /// Whether it is that of the open incident.
    pub is_open: bool,
    /// The number of the policy that applies, from 1; null: it is the built-in one.
    #[schema(required)]
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

/// A policy that stands before the one that applies, and does not fit.
#[derive(Debug, ToSchema)]
pub struct PassedOver {
    /// Its number, from 1.
    pub number: usize,
    /// Each field that keeps it from fitting.
    pub because: Vec<Mismatch>,
}

/// Why a policy does not fit, by one of its fields.
#[derive(Debug, ToSchema)]
pub struct Mismatch {
    /// Which field.
    pub field: Field,
    /// The name or pattern that it has.
    pub wants: String,
    /// What was found in its place.
    pub found: String,
}

/// What a policy narrows itself by.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Field {
    /// Which kind of resource.
    ResourceKind,
    /// Which issue.
    IssueType,
    /// Which deployment.
    Deployment,
}

/// One rule, and what it says.
#[derive(Debug, ToSchema)]
pub struct RuleLine {
    /// Which.
    pub rule: Rule,
    /// What it says.
    pub says: Says,
    /// Why, in one clause.
    pub because: String,
}

/// The rules that stand between an issue and its repair, in the order in which healer asks them.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
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
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
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
