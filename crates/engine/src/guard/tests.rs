//! The order of the rules: each one says no while all that stand after it would say no too.

use std::sync::Arc;

use model::action::{Binding, Change, PlanKey};
use model::alert::Name;
use model::event::Event;
use model::fact::{Definition, Fact, Generation, Happening, Observation, SourceTime, What};
use model::incident::{Attempt, Mend, Verification};
use model::input::{Input, Report, SourceState};
use model::intent::{Author, Intent};
use model::policy::Does;
use model::settings::Settings;
use model::view::{Rule as Line, Says, outlook};
use model::{Now, Wall};

use super::*;
use crate::State;
use crate::diagnose::cases;
use crate::guard::foresight::Issue;
use crate::incident::Done;
use crate::state::Act;
use crate::view::Sight;

const NOW: Now = Now { wall: Wall(1_795_446_000_000), tick: Tick(10_000_000) };

fn web() -> ResourceId {
    ResourceId::docker("h", "shop", "web", 1)
}

fn start_plan() -> Plan {
    let patient =
        crate::plan::Patient { resource: &web(), definition: None, attempts_max: 3, deploy: None, lost_networks: &[] };
    crate::plan::for_mend(Mend::Start, &patient).remove(0)
}

/// A crashed service that nothing keeps from being started, and what can be changed about it.
struct Given {
    engine: Engine,
    definition: Definition,
    run: Run,
    second_body: bool,
    stream_lost: bool,
    deploying: bool,
    well: bool,
    failed_before: bool,
    rejected: bool,
    wanted: Wanted,
    mode: Mode,
    auto_heal: bool,
    risk: Risk,
    attempts: u32,
    last_verdict: Option<Tick>,
    others_failed: u64,
    others_act: u64,
}

impl Given {
    fn nothing_in_the_way() -> Given {
        Given {
            engine: Engine::new(State::default(), Arc::default(), "0"),
            definition: cases::definition(),
            run: Run::Exited,
            second_body: false,
            stream_lost: false,
            deploying: false,
            well: false,
            failed_before: false,
            rejected: false,
            wanted: Wanted::Running,
            mode: Mode::Auto,
            auto_heal: true,
            risk: Risk::Safe,
            attempts: 0,
            last_verdict: None,
            others_failed: 0,
            others_act: 0,
        }
    }

    fn sees(&mut self, incarnation: &str, fact: Fact) {
        let seen = Observation {
            resource: web(),
            incarnation: Incarnation(incarnation.into()),
            generation: Generation(1),
            fact,
        };
        self.engine.absorb(&Input::Observed(seen));
    }

    fn source(&mut self, state: SourceState) {
        self.engine.absorb(&Input::Source(Report { source: "h".to_owned(), state }));
    }

    fn act(&self, id: u64, resource: &ResourceId, incident: u64) -> Act {
        let step = crate::plan::step(Action::Start, resource, None, Pair::None);
        let permit = Permit {
            id: PermitId(id),
            epoch: 1,
            behalf: Behalf::Incident(self.id(incident)),
            step,
            incarnation: Incarnation("x".into()),
            ran: false,
            leases: [resource.clone()].into(),
            unhindered: false,
            given: NOW,
            until: NOW.tick,
        };
        Act { permit, answer: None, answered: None, command: None, made: None }
    }

    fn id(&self, number: u64) -> IncidentId {
        IncidentId { instance: "h".into(), number }
    }

    fn asked(self, purpose: Purpose) -> Verdict {
        self.asked_to(Action::Start, purpose)
    }

    fn asked_to(self, action: Action, purpose: Purpose) -> Verdict {
        let (engine, incident, plan) = self.made();
        engine.guard(&incident, &plan, &Step { action, ..plan.steps[0].clone() }, purpose)
    }

    /// The engine that has seen all of it, with the incident that it is asked about.
    fn made(mut self) -> (Engine, Incident, Plan) {
        let settings = Settings {
            mode: self.mode,
            policies: vec![Policy { auto_heal: self.auto_heal, ..Policy::built_in() }],
            ..Settings::clone(&self.engine.settings)
        };
        self.engine.settings = Arc::new(settings);
        self.engine.now = NOW;
        let generation = Generation(1);
        self.source(SourceState::opened(generation));
        let look = |run, definition: &Definition| {
            let mut look = cases::look(run, 3);
            look.definition = Arc::new(definition.clone());
            Fact::Looked(Box::new(look))
        };
        let seen = look(self.run, &self.definition);
        let older = model::fact::Look { started: Some(SourceTime(0)), ..cases::look(Run::Exited, 3) };
        let second =
            Fact::Looked(Box::new(model::fact::Look { definition: Arc::new(self.definition.clone()), ..older }));
        self.sees("a", seen);
        if self.second_body {
            self.sees("b", second);
        }
        self.source(SourceState::Listed { generation, present: vec![(web(), Incarnation("a".into()))] });
        if self.deploying {
            let what = What::Renamed { aside: false };
            self.sees("a", Fact::Happened(Happening { at: SourceTime(200), what }));
        }
        if self.stream_lost {
            self.source(SourceState::Lost { generation, because: String::new() });
        }
        let intent =
            Intent { wanted: self.wanted, by: Author::FirstSight, at: NOW, source_at: None, because: String::new() };
        self.engine.state.intents.insert(web(), intent);
        let plan = Plan { risk: self.risk, ..start_plan() };
        let incident = self.incident(&plan);
        (self.engine, incident, plan)
    }

    fn incident(&mut self, plan: &Plan) -> Incident {
        let state = &mut self.engine.state;
        for number in 1..=self.others_failed {
            let other = ResourceId::docker("h", &format!("app{number}"), "x", 1);
            let id = IncidentId { instance: "h".into(), number };
            let incident = Incident::new(id, other, Name::ServiceDown, None, String::new(), NOW);
            state.incidents.insert(number, incident);
            state.began.push_back((NOW.tick, number));
        }
        if let Some(at) = self.last_verdict {
            state.spending.verdict(&web(), at);
        }
        for _ in 0..self.attempts {
            state.spending.attempt(&web(), NOW.tick);
        }
        for number in 0..self.others_act {
            let other = ResourceId::docker("h", &format!("app{number}"), "x", 1);
            let act = self.act(100 + number, &other, 50 + number);
            self.engine.state.acts.insert(act.permit.id, act);
        }
        let mut incident = Incident::new(self.id(40), web(), Name::ServiceDown, None, String::new(), NOW);
        incident.well_since = self.well.then_some(NOW.tick);
        if self.rejected {
            incident.rejected.insert(plan.key());
        }
        let failures = if self.failed_before { plan.may_fail } else { 0 };
        for _ in 0..failures.max(u32::from(self.last_verdict.is_some())) {
            let verdict = self.failed_before.then_some(Verification::Failed);
            let attempt = Attempt { at: NOW.tick, plan: plan.clone(), verdict };
            incident.attempts.push(Done {
                attempt,
                verdict_at: self.last_verdict,
                because: String::new(),
                body: None,
                steps_done: 1,
                taken_back: false,
            });
        }
        incident
    }
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(_) => "allow".to_owned(),
        Verdict::Ask(question) => format!("ask: {question}"),
        Verdict::Hold(hold, _) => hold.kind().to_owned(),
        Verdict::Refuse(refusal) => refusal.kind().to_owned(),
    }
}

type Rule = (&'static str, fn(&mut Given));

/// The rules in their order, each with what makes it say no.
const RULES: &[Rule] = &[
    ("not_leader", |given| given.engine.leads = false),
    ("store_full", |given| given.engine.store_full = true),
    ("healers_own", |given| given.definition.healers_own = Some("its database".to_owned())),
    ("excluded", |given| given.definition.labels = ["healer.platform/exclude=true".to_owned()].into()),
    ("removed_at_end", |given| given.definition.removed_at_end = true),
    ("one_off", |given| given.definition.belongs = Belongs::OneOff),
    ("not_seen", |given| given.stream_lost = true),
    ("clearing", |given| given.well = true),
    ("stopped_on_purpose", |given| given.wanted = Wanted::Stopped),
    ("frozen", |given| {
        let event = Event::Frozen { by: "ann".to_owned(), because: String::new() };
        given.engine.emit(event);
    }),
    ("deploy_in_progress", |given| given.deploying = true),
    ("engines_own_policy", |given| given.run = Run::Restarting),
    ("two_incarnations", |given| given.second_body = true),
    ("busy", |given| {
        let act = given.act(9, &web(), 39);
        given.engine.state.acts.insert(act.permit.id, act);
    }),
    ("rejected_before", |given| given.rejected = true),
    ("observe_mode", |given| given.mode = Mode::Observe),
    ("ask: the policy says auto_heal: false", |given| given.auto_heal = false),
    ("did_not_help_here", |given| (given.failed_before, given.risk) = (true, Risk::Dangerous)),
    ("budget_spent", |given| given.attempts = 3),
    ("backoff", |given| (given.attempts, given.last_verdict) = (given.attempts.max(1), Some(NOW.tick))),
    ("group_budget", |given| {
        for _ in 0..6 {
            given.engine.state.spending.action(&web(), false, NOW.tick);
        }
    }),
    ("concurrency", |given| given.others_act = 3),
    ("storm", |given| given.others_failed = 2),
    ("ask: its risk is dangerous", |given| given.risk = Risk::Dangerous),
];

#[test]
fn the_first_no_is_the_reason_though_all_later_rules_say_no_too() {
    for (at, (expect, _)) in RULES.iter().enumerate() {
        let mut given = Given::nothing_in_the_way();
        for (_, hinders) in &RULES[at..] {
            hinders(&mut given);
        }
        assert_eq!(said(&given.asked(Purpose::Mend)), *expect, "rule {at}");
    }
    assert_eq!(said(&Given::nothing_in_the_way().asked(Purpose::Mend)), "allow");
}

#[test]
fn each_rule_says_no_by_itself() {
    for (expect, hinders) in RULES {
        let mut given = Given::nothing_in_the_way();
        hinders(&mut given);
        let also = if *expect == "did_not_help_here" { "ask: its risk is dangerous" } else { expect };
        let found = said(&given.asked(Purpose::Mend));
        assert!(found == *expect || found == also, "{expect}: {found}");
    }
}

/// The rules that are foretold, by the line that tells of each. The others are about the incident's own past, and are told
/// by how far it has come.
const FORETOLD: &[(&str, Line)] = &[
    ("not_leader", Line::Lead),
    ("store_full", Line::Lead),
    ("healers_own", Line::Exclusion),
    ("excluded", Line::Exclusion),
    ("removed_at_end", Line::Exclusion),
    ("one_off", Line::Exclusion),
    ("not_seen", Line::Sight),
    ("stopped_on_purpose", Line::Intent),
    ("frozen", Line::Freeze),
    ("deploy_in_progress", Line::Surroundings),
    ("engines_own_policy", Line::Surroundings),
    ("two_incarnations", Line::Surroundings),
    ("busy", Line::Surroundings),
    ("observe_mode", Line::Mode),
    ("ask: the policy says auto_heal: false", Line::Policy),
    ("budget_spent", Line::Attempts),
    ("backoff", Line::Attempts),
    ("group_budget", Line::Budgets),
    ("concurrency", Line::Budgets),
    ("ask: its risk is dangerous", Line::Risk),
];

#[test]
fn what_is_foretold_is_what_the_guard_says() {
    let hinder = |given: &mut Given, name: &str| {
        let rule = RULES.iter().find(|(known, _)| *known == name);
        rule.unwrap_or_else(|| panic!("{name} is no rule")).1(given);
    };
    let pairs = FORETOLD.iter().flat_map(|one| FORETOLD.iter().map(move |other| vec![*one, *other]));
    for hindered in pairs.chain([Vec::new()]) {
        let mut given = Given::nothing_in_the_way();
        for (name, _) in &hindered {
            hinder(&mut given, name);
        }
        let (engine, mut incident, plan) = given.made();
        let expect = match engine.guard(&incident, &plan, &plan.steps[0], Purpose::Mend) {
            Verdict::Allow(_) => Does::Heals,
            Verdict::Ask(_) => Does::Asks,
            Verdict::Hold(..) | Verdict::Refuse(_) => Does::Nothing,
        };
        let case = cases::case(&[What::Died { code: 3 }], Some(cases::look(Run::Exited, 3)));
        incident.diagnosis = Some(crate::diagnose::diagnose(&case, Vec::new()));
        incident.plan = Some(plan);
        let (resource, policy) = (web(), engine.policy_for(&incident));
        let issue = Issue { resource: &resource, issue_type: "service_down", open: Some(&incident), policy: &policy };
        let lines = engine.foresee(&issue, Sight::Live, NOW);
        assert_eq!(outlook(&lines).0, expect, "{hindered:?}: {lines:#?}");
        for (name, line) in hindered {
            let told = lines.iter().any(|told| told.rule == line && told.says != Says::Lets);
            assert!(told, "{name} is not told of: {lines:#?}");
        }
    }
}

#[test]
fn closing_a_pair_and_undoing_ask_only_what_must_not_be_passed_over() {
    // What stands in the way of a repair, and whether the step that closes a pair, or undoes, passes it.
    let purposes = [
        (Purpose::Close, Action::Start, "stopped_on_purpose"),
        (Purpose::Undo, Action::Stop, "not_seen"),
        (Purpose::TakeBack, Action::Change(Change::SetMemory), "not_seen"),
        (Purpose::TakeBack, Action::Recreate, "stopped_on_purpose"),
    ];
    // What takes back leaves alone what runs well by now, and waits for another's act on the same.
    let holds = ["clearing", "two_incarnations", "busy"];
    let waits = |purpose, rule| purpose == Purpose::TakeBack && holds.contains(&rule);

    for (rule, hinders) in RULES {
        for (purpose, action, stops_at) in purposes {
            let mut given = Given::nothing_in_the_way();
            hinders(&mut given);
            let found = said(&given.asked_to(action, purpose));
            let last = RULES.iter().position(|(name, _)| name == &stops_at).unwrap();
            let asked = RULES.iter().position(|(name, _)| name == rule).unwrap() <= last && *rule != "clearing";
            let asked = asked || waits(purpose, *rule);
            assert_eq!(found, if asked { *rule } else { "allow" }, "{purpose:?} of {action} × {rule}");
        }
    }
}

#[test]
fn what_our_late_stop_took_down_is_brought_back_unless_something_came_in_between() {
    let asked = [
        "not_leader",
        "store_full",
        "healers_own",
        "excluded",
        "removed_at_end",
        "one_off",
        "not_seen",
        "stopped_on_purpose",
        "two_incarnations",
        "busy",
    ];
    for (rule, hinders) in RULES {
        let mut given = Given::nothing_in_the_way();
        hinders(&mut given);
        let expect = if asked.contains(rule) { *rule } else { "allow" };
        assert_eq!(said(&given.asked_to(Action::Start, Purpose::BringBack)), expect, "{rule}");
    }
}

#[test]
fn a_plan_is_gone_on_with_unless_something_came_in_between() {
    // That it may be tried, how often, and by whose leave, was asked with the first step.
    let asked_once = [
        "clearing",
        "rejected_before",
        "ask: the policy says auto_heal: false",
        "did_not_help_here",
        "budget_spent",
        "backoff",
        "group_budget",
        "storm",
        "ask: its risk is dangerous",
    ];
    for (rule, hinders) in RULES {
        let mut given = Given::nothing_in_the_way();
        hinders(&mut given);
        let expect = if asked_once.contains(rule) { "allow" } else { *rule };
        assert_eq!(said(&given.asked(Purpose::GoOn)), expect, "{rule}");
    }
}

#[test]
fn an_approval_is_good_for_its_plan_its_body_and_its_time_alone() {
    let good = |given: &Given| crate::incident::Approval {
        key: start_plan().key(),
        binds: Some(Binding {
            incarnation: Incarnation("a".into()),
            image_id: given.definition.image_id.clone(),
            config_hash: given.definition.config_hash.clone(),
        }),
        by: "ann".to_owned(),
        until: Tick(NOW.tick.0 + 1),
    };
    type Spoils = fn(&mut crate::incident::Approval);
    let table: [(&str, Spoils, bool); 5] = [
        ("as it was given", |_| {}, true),
        ("expired", |approval| approval.until = NOW.tick, false),
        ("another plan", |approval| approval.key = PlanKey("restart: x".to_owned()), false),
        ("nothing was seen then", |approval| approval.binds = None, false),
        ("another body", |approval| approval.binds.as_mut().unwrap().incarnation = Incarnation("old".into()), false),
    ];
    for (name, spoils, allowed) in table {
        let mut given = Given::nothing_in_the_way();
        given.mode = Mode::Suggest;
        let mut approval = good(&given);
        spoils(&mut approval);
        let plan = start_plan();
        // The world is built by asking once.
        let mut incident = given.incident(&plan);
        incident.approved = Some(approval);
        let generation = Generation(1);
        given.source(SourceState::opened(generation));
        given.sees("a", Fact::Looked(Box::new(cases::look(Run::Exited, 3))));
        let settings = Settings { mode: Mode::Suggest, ..Settings::default() };
        (given.engine.settings, given.engine.now) = (Arc::new(settings), NOW);
        let found = given.engine.mode_and_policy(&incident, &plan);
        assert_eq!(found.is_none(), allowed, "{name}: {found:?}");
    }
}
