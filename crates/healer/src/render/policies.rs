//! `healer policies`: the table, and what follows from it for a resource.

use std::time::Duration;

use model::policy::{Does, PassedOver, Row};
use model::settings::{Mode, Settings};
use model::time::Spoken;
use model::view::{Explained, Explanation, Rule, RuleLine, Says};

use crate::config::Origin;

use super::table::{Column, Table};
use super::{Page, style};

/// How many lines one policy, or one rule, takes.
const LINES_MAX: usize = 4;
/// Of the policies that were passed over, so many are named.
const PASSED_OVER_MAX: usize = 12;
/// How wide the labels of an explanation are.
const LABEL: usize = 8;

/// The table of policies with what is known besides.
pub(crate) struct PolicyTable<'a> {
    /// The settings that they are of.
    pub(crate) settings: &'a Settings,
    /// The policies, the built-in one last.
    pub(crate) rows: &'a [Row],
    /// Where each stands, but for the built-in one.
    pub(crate) from: &'a [&'a Origin],
    /// Whether the healer that runs has the same; `None`: that is not known.
    pub(crate) running_has_the_same: Option<bool>,
}

/// Draws the table.
pub(crate) fn policies(told: &PolicyTable<'_>, page: &Page) -> String {
    let mode = match told.settings.mode {
        Mode::Observe => "Mode observe: healer never acts, whatever a policy says.",
        Mode::Suggest => "Mode suggest: healer asks first, whatever a policy says.",
        Mode::Auto => "Mode auto: healer acts where the policy lets it.",
    };
    let mut out = page.paragraph(style::HEAD, &format!("{mode} The first policy that matches wins."));
    out.push('\n');
    let mut table = Table::new(vec![
        Column::left("#", 8),
        Column::left("FROM", page.width / 4),
        Column::left("DOES", 7),
        Column::left("ATTEMPTS", 14),
        Column::left("MATCHES", 0),
    ]);
    for (at, row) in told.rows.iter().enumerate() {
        let number = row.number.map_or("built-in".to_owned(), |number| number.to_string());
        let from = told.from.get(at).map_or_else(String::new, |origin| super::check::from(origin));
        let (does, does_style) = match (&row.never_reached, row.does) {
            (Some(_), _) => ("never", style::QUIET),
            (None, does) => (word(does), colour(does)),
        };
        let matches = matches(row);
        let (matches, quiet) = match &row.never_reached {
            Some(because) => (format!("{matches}; never reached: {because}"), style::QUIET),
            None => (matches, style::PLAIN),
        };
        let cells = vec![
            (number, style::HEAD),
            (from, style::QUIET),
            (does.to_owned(), does_style),
            (row.attempts.to_string(), quiet),
            (matches, quiet),
        ];
        table.row(LINES_MAX, cells);
    }
    out.push_str(&table.draw(page));
    out.push('\n');
    out.push_str(&page.paragraph(style::PLAIN, &budgets(told.settings)));
    match told.running_has_the_same {
        None => {}
        Some(true) => out.push_str(&page.paragraph(style::GOOD, "The healer that runs has the same policies.")),
        Some(false) => out.push_str(&page.paragraph(
            style::WAITING,
            "The healer that runs has others: it keeps the last good configuration while this one is wrong or just \
             written, or was started with another file or mode.",
        )),
    }
    let hint = "`healer policies explain shop/web` tells which one applies there, and what follows from it.";
    out.push_str(&page.paragraph(style::QUIET, hint));
    out
}

/// What a policy is for: `service_down in shop`.
fn matches(row: &Row) -> String {
    let mut out = if row.issue_type == "*" { "every issue".to_owned() } else { row.issue_type.clone() };
    if row.resource_kind != "*" {
        out.push_str(&format!(" of {}", row.resource_kind));
    }
    if let Some(deployment) = row.deployment.as_deref().filter(|pattern| *pattern != "*") {
        out.push_str(&format!(" in {deployment}"));
    }
    out
}

fn budgets(settings: &Settings) -> String {
    let budgets = &settings.budgets;
    let stability = Spoken(Duration::from_millis(budgets.stability_ms));
    format!(
        "Budgets of all together: {} repairs at a time on one engine; actions: {} in a deployment, {} on a host, {} \
         everywhere. A repair must hold for {stability}.",
        budgets.concurrent, budgets.per_deployment, budgets.per_host, budgets.everywhere
    )
}

fn word(does: Does) -> &'static str {
    match does {
        Does::Heals => "heals",
        Does::Asks => "asks",
        Does::Nothing => "nothing",
        Does::CannotTell => "unknown",
    }
}

fn colour(does: Does) -> anstyle::Style {
    match does {
        Does::Heals => style::GOOD,
        Does::Asks | Does::CannotTell => style::WAITING,
        Does::Nothing => style::BAD,
    }
}

/// Draws what follows from the policies: of one resource with each rule that decides, of several the outcome alone.
pub(crate) fn explained(told: &[Explanation], page: &Page) -> String {
    let mut out = page.source_banner();
    if let [only] = told {
        out.push_str(&whole(only, page));
        return out;
    }
    for explanation in told {
        out.push_str(&outcome(explanation, page));
        out.push('\n');
    }
    if let Some(first) = told.first() {
        let hint = format!("`healer policies explain {}` tells each rule that decides there.", first.short);
        out.push_str(&page.paragraph(style::QUIET, &hint));
    }
    out
}

fn head(told: &Explanation, page: &Page) -> String {
    let says = match &told.incident {
        Some(id) => format!("{}, whose incident {id} is open", told.short),
        None => told.short.clone(),
    };
    page.paragraph(style::HEAD, &says)
}

fn outcome(told: &Explanation, page: &Page) -> String {
    let mut table = Table::new(vec![
        Column::left("ISSUE", page.width / 4),
        Column::left("BY POLICY", 9),
        Column::left("HEALER", 0),
    ]);
    for issue in &told.issues {
        let by = issue.policy.map_or("built-in".to_owned(), |number| number.to_string());
        let says = page.localised(&sentence(issue));
        let cells = vec![(issue.issue_type.clone(), style::PLAIN), (by, style::PLAIN), (says, colour(issue.does))];
        table.row(LINES_MAX, cells);
    }
    head(told, page) + &table.draw(page)
}

fn whole(told: &Explanation, page: &Page) -> String {
    let mut out = head(told, page);
    let alike = alike(&told.issues);
    for group in groups(&told.issues, &alike) {
        let Some(first) = group.first() else { continue };
        out.push('\n');
        let names: Vec<&str> = group.iter().map(|issue| issue.issue_type.as_str()).collect();
        let open = if first.is_open { " (what is wrong at present)" } else { "" };
        out.push_str(&page.labelled("Issue", LABEL, &format!("{}{open}", names.join(", "))));
        out.push_str(&page.labelled("healer", LABEL, &page.localised(&sentence(first))));
        out.push_str(&page.labelled("by", LABEL, &applies(first)));
        for passed in first.passed_over.iter().take(PASSED_OVER_MAX) {
            out.push_str(&page.labelled("not by", LABEL, &passed_in_words(passed)));
        }
        let drawn = first.passed_over.len().min(PASSED_OVER_MAX);
        let more = first.passed_over.len() - drawn + first.passed_over_more;
        if more > 0 {
            out.push_str(&page.labelled("not by", LABEL, &format!("{more} more, which do not match either")));
        }
        // Beside others of its kind an issue shows what is its own, and no rule that has nothing to say.
        let speaks = |line: &&RuleLine| line.says != Says::Lets || line.rule == Rule::Attempts;
        let own: Vec<&RuleLine> = first.rules.iter().filter(|line| !alike.contains(line)).filter(speaks).collect();
        if !own.is_empty() {
            out.push_str(&rules(&own, page));
        }
    }
    if !alike.is_empty() {
        let which = if told.issues.len() == 1 { "The rules" } else { "The rules that are the same for all of these" };
        let says = format!("{which}, in the order in which they are asked; the first no holds:");
        out.push_str(&format!("\n{}", page.paragraph(style::HEAD, &says)));
        out.push_str(&rules(&alike, page));
    }
    out
}

fn sentence(issue: &Explained) -> String {
    let because = &issue.because;
    match issue.does {
        Does::Heals => "would act unasked".to_owned(),
        Does::Asks => format!("would ask first: {because}"),
        Does::Nothing => format!("would do nothing: {because}"),
        Does::CannotTell => format!("cannot be told: {because}"),
    }
}

fn applies(issue: &Explained) -> String {
    match issue.policy {
        Some(number) => format!("policy {number}, the first that matches"),
        None if issue.passed_over.is_empty() => "the built-in policy: no other is set".to_owned(),
        None => "the built-in policy: no other matches".to_owned(),
    }
}

fn passed_in_words(passed: &PassedOver) -> String {
    let because: Vec<String> = passed.because.iter().map(ToString::to_string).collect();
    format!("policy {}: {}", passed.number, because.join(", "))
}

/// The rules that say the same for each issue.
fn alike(issues: &[Explained]) -> Vec<&RuleLine> {
    let Some((first, others)) = issues.split_first() else { return Vec::new() };
    first.rules.iter().filter(|line| others.iter().all(|other| other.rules.contains(line))).collect()
}

/// The issues of which all that is drawn is the same.
fn groups<'a>(issues: &'a [Explained], alike: &[&RuleLine]) -> Vec<Vec<&'a Explained>> {
    let own = |issue: &'a Explained| issue.rules.iter().filter(|line| !alike.contains(line)).collect::<Vec<_>>();
    let passed = |issue: &Explained| issue.passed_over.iter().map(passed_in_words).collect::<Vec<_>>();
    let same = |one: &'a Explained, other: &'a Explained| {
        let outcome = |issue: &'a Explained| (issue.policy, issue.does, &issue.because, issue.is_open);
        outcome(one) == outcome(other) && own(one) == own(other) && passed(one) == passed(other)
    };
    let mut groups: Vec<Vec<&Explained>> = Vec::new();
    for issue in issues {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| same(first, issue))) {
            Some(group) => group.push(issue),
            None => groups.push(vec![issue]),
        }
    }
    groups
}

fn rules(lines: &[&RuleLine], page: &Page) -> String {
    let mut table = Table::new(vec![Column::left("", 12), Column::left("", 7), Column::left("", 0)]);
    for line in lines {
        let colour = match line.says {
            Says::Lets => style::GOOD,
            Says::Asks | Says::Holds | Says::Unknown => style::WAITING,
            Says::Refuses => style::BAD,
        };
        let cells = vec![
            (line.rule.word().to_owned(), style::PLAIN),
            (line.says.word().to_owned(), colour),
            (page.localised(&line.because), style::PLAIN),
        ];
        table.row(LINES_MAX, cells);
    }
    table.draw(page)
}
#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use engine::view::{Sight, Subject, explain};
    use engine::{Engine, State};
    use insta::assert_snapshot;
    use jiff::tz::{self, TimeZone};
    use model::event::{Entry, Event, VERSION};
    use model::incident::IncidentId;
    use model::intent::{Author, Intent, Wanted};
    use model::settings::Policy;
    use model::{Now, ResourceId, Tick, Wall};

    use super::super::Source;
    use super::*;

    const NOW: Now = Now { wall: Wall(1_795_438_930_000), tick: Tick(0) };

    fn page(source: Source) -> Page {
        Page { width: 80, colour: false, zone: TimeZone::fixed(tz::offset(1)), now: NOW.wall, source }
    }

    fn settings() -> Settings {
        let policy = |issue: &str, deployment: Option<&str>, auto_heal| Policy {
            issue_type: issue.to_owned(),
            deployment: deployment.map(str::to_owned),
            auto_heal,
            ..Policy::built_in()
        };
        let quick = Policy { max_retries: Some(2), ..policy("service_*", Some("shop"), true) };
        let nothing = Policy { resource_kind: "Pod".to_owned(), ..policy("*", None, true) };
        let never = policy("service_down", Some("shop"), false);
        let policies = vec![policy("*", Some("wiki"), false), quick, never, policy("disk_full", None, false), nothing];
        Settings { policies, ..Settings::default() }
    }

    fn drawn(settings: &Settings, running_has_the_same: Option<bool>) -> String {
        let origin = Origin::File(Arc::from(Path::new("/etc/healer/healer.yaml")), 12);
        let from: Vec<&Origin> = settings.policies.iter().map(|_| &origin).collect();
        let rows = engine::view::policies(settings);
        let table = PolicyTable { settings, rows: &rows, from: &from, running_has_the_same };
        policies(&table, &page(Source::Daemon))
    }

    fn fits(text: &str) {
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    /// What a healer left that wanted these services of `shop` to run.
    fn told(services: &[&str], issue_type: Option<&str>) -> Vec<Explanation> {
        let mut state = State::default();
        let ids: Vec<ResourceId> = services.iter().map(|name| ResourceId::docker("web-1", "shop", name, 1)).collect();
        for (seq, resource) in (1..).zip(ids.iter().cloned()) {
            let because = "it was seen running".to_owned();
            let intent = Intent { wanted: Wanted::Running, by: Author::FirstSight, at: NOW, source_at: None, because };
            state.apply(&Entry {
                seq,
                version: VERSION,
                epoch: 1,
                at: NOW,
                event: Event::IntentChanged { resource, intent },
            });
        }
        let engine = Engine::new(state, Arc::new(settings()), "0");
        explain(&engine, &Subject::of(ids), issue_type, Sight::Journal, NOW)
    }

    #[test]
    fn the_table_says_which_never_apply_and_whether_the_daemon_has_it() {
        let text = drawn(&settings(), Some(false));
        fits(&text);
        assert_snapshot!(text);
        assert_snapshot!(drawn(&Settings { mode: Mode::Suggest, ..Settings::default() }, None));
    }

    #[test]
    fn of_a_dead_healer_it_is_said_what_is_not_known() {
        let text = explained(&told(&["web"], None), &page(Source::Journal(Wall(NOW.wall.0 - 60_000))));
        fits(&text);
        assert_snapshot!(text);
    }

    #[test]
    fn one_issue_of_an_open_incident_has_one_table_of_rules() {
        let [mut one] = <[Explanation; 1]>::try_from(told(&["web"], Some("disk_full"))).expect("there is one service");
        (one.seen, one.incident) = (true, Some(IncidentId { instance: "web-1".into(), number: 41 }));
        let issue = &mut one.issues[0];
        issue.rules.retain(|line| line.says != Says::Unknown);
        for line in issue.rules.iter_mut().filter(|line| line.rule == Rule::Maintenance) {
            let because = "it is in maintenance, until 2026-11-23T14:00:00Z".to_owned();
            (line.says, line.because) = (Says::Holds, because);
        }
        (issue.is_open, (issue.does, issue.because)) = (true, model::view::outlook(&issue.rules));
        let text = explained(&[one], &page(Source::Daemon));
        fits(&text);
        assert_snapshot!(text);
    }

    #[test]
    fn of_several_services_each_has_its_outcome_and_the_rules_are_asked_for_by_name() {
        let text = explained(&told(&["web", "db"], Some("service_down")), &page(Source::Journal(NOW.wall)));
        fits(&text);
        assert!(!text.contains("maintenance"), "{text}");
        assert_snapshot!(text);
    }

    #[test]
    fn of_many_policies_that_do_not_match_some_are_named_and_the_rest_counted() {
        let [mut one] = <[Explanation; 1]>::try_from(told(&["web"], Some("disk_full"))).expect("there is one service");
        let passed = one.issues[0].passed_over[0].clone();
        one.issues[0].passed_over = (1..=20).map(|number| PassedOver { number, ..passed.clone() }).collect();
        one.issues[0].passed_over_more = 5;
        let text = explained(&[one], &page(Source::Daemon));
        assert_eq!(text.matches("not by").count(), PASSED_OVER_MAX + 1, "{text}");
        assert!(text.contains("13 more, which do not match either"), "{text}");
    }
}
