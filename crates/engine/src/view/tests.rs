//! What is shown of a resource whose state and intent do not go together, and of one that nobody sees.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::action::Answer;
use model::command::{Ask, Command, CommandId};
use model::event::Event;
use model::fact::{
    Belongs, Definition, Exit, Fact, Generation, Happening, Health, Incarnation, Look, Observation, RestartPolicy, Run,
    SourceTime, What,
};
use model::input::{Effect, Input, Report, SourceState};
use model::policy::Does;
use model::recovery::EngineStart;
use model::settings::Settings;
use model::view::{Rule, Standing};
use model::{Now, ResourceId, Tick, Wall};

use super::*;
use crate::State;

const BEGAN_MS: u64 = 1_795_446_000_000;

/// An engine that sees one service through one connection, and a clock.
struct Seen {
    engine: Engine,
    now: Now,
    journal: Vec<Entry>,
}

fn web() -> ResourceId {
    ResourceId::docker("h", "shop", "web", 1)
}

fn body() -> Incarnation {
    Incarnation(Arc::from("0123456789abcdef"))
}

fn at(ms: u64) -> Now {
    Now { wall: Wall(i64::try_from(BEGAN_MS + ms).unwrap()), tick: Tick(1_000_000 + ms) }
}

fn source_at(ms: u64) -> SourceTime {
    SourceTime(i64::try_from(BEGAN_MS + ms).unwrap() * 1_000_000)
}

fn looked(ms: u64, run: Run, started_ms: u64, exit: Option<Exit>) -> Input {
    let definition = Definition {
        name: "shop-web-1".to_owned(),
        image: "shop:1".to_owned(),
        image_id: "sha256:1".to_owned(),
        config_hash: "1".to_owned(),
        belongs: Belongs::ComposeService,
        restart_policy: RestartPolicy::Always,
        depends_on: Vec::new(),
        network_parent: None,
        network_body: None,
        replaces: None,
        is_orphan: false,
        stops_by_kill: false,
        stop_timeout_s: 10,
        memory_limit_bytes: 0,
        anonymous_volume: false,
        removed_at_end: false,
        labels: BTreeSet::new(),
        healers_own: None,
        host_paths: Default::default(),
    };
    let look = Look {
        at: source_at(ms),
        run,
        started: Some(source_at(started_ms)),
        exit,
        health: Health::Unchecked,
        health_output: String::new(),
        check_lacks: None,
        restarts: 0,
        manually_stopped: Some(false),
        kept: None,
        lost_networks: Vec::new(),
        disk: None,
        probe: None,
        definition: Arc::new(definition),
    };
    let fact = Fact::Looked(Box::new(look));
    Input::Observed(Observation { resource: web(), incarnation: body(), generation: Generation(1), fact })
}

impl Seen {
    /// It runs, and is meant to.
    fn running() -> Seen {
        let settings = Arc::new(Settings { instance: "h".to_owned(), ..Settings::default() });
        let mut seen = Seen { engine: Engine::new(State::default(), settings, "1"), now: at(0), journal: Vec::new() };
        seen.journal.extend(seen.engine.lead(1, at(0)).entries);
        let source = |state| Input::Source(Report { source: "h".to_owned(), state });
        let listed = SourceState::Listed { generation: Generation(1), present: vec![(web(), body())] };
        seen.takes(0, source(SourceState::opened(Generation(1))));
        seen.takes(0, looked(0, Run::Running, 0, None));
        seen.takes(0, source(listed));
        seen
    }

    fn takes(&mut self, ms: u64, input: Input) -> Vec<Effect> {
        self.now = at(ms);
        let decision = self.engine.handle(&[input], self.now);
        self.journal.extend(decision.entries);
        decision.effects
    }

    fn asks(&mut self, ms: u64, ask: Ask) -> Vec<Effect> {
        let id = CommandId(ms.to_string());
        self.takes(ms, Input::Commanded(Command { id, who: "ann".to_owned(), ask }))
    }

    fn shown(&self, ms: u64) -> Resource {
        resource(&self.engine, &web(), at(ms))
    }
}

fn ended(ms: u64, code: i32) -> Option<Exit> {
    Some(Exit { at: source_at(ms), code, oom: false, error: String::new(), start_error: None })
}

#[test]
fn what_is_being_stopped_is_not_said_to_run_against_its_stop() {
    let mut seen = Seen::running();
    seen.asks(60_000, Ask::Stop("shop/web".to_owned()));
    let shown = seen.shown(65_000);
    assert_eq!((shown.standing, shown.remedy), (Standing::Stopped, None), "{}", shown.why);
    assert!(shown.why.starts_with("being stopped: ann "), "{}", shown.why);
}

#[test]
fn what_an_engine_started_again_says_who_had_stopped_it_and_what_settles_it() {
    let mut seen = Seen::running();
    seen.asks(60_000, Ask::Stop("shop/web".to_owned()));
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 0)));
    let (&permit, _) = seen.engine.state.acts.first_key_value().unwrap();
    seen.takes(61_000, Input::Answered(permit, Answer::Done));
    seen.takes(67_000, Input::ClockJumped { by_ms: 0 });
    assert!(alerts(&seen.engine).is_empty(), "what is stopped on purpose is no alert");
    assert!(!seen.engine.state.alerts.is_empty(), "it is down all the same, which the journal knows");
    seen.takes(200_000, looked(200_000, Run::Running, 199_000, None));
    let shown = seen.shown(360_000);
    assert_eq!(shown.standing, Standing::Held, "{}", shown.why);
    assert_eq!(shown.why, "runs, although ann stopped it 5 m ago; healer neither stops it nor heals it");
    assert_eq!(shown.remedy.as_deref(), Some("healer stop shop/web   (or, to let it run: healer start shop/web)"));
    let why = why(&seen.engine, &Subject::Resource(web()), &[], at(360_000));
    assert!(why.headline.starts_with("shop/web is running, although it is meant to be stopped"), "{}", why.headline);
    assert!(why.not_done[0].starts_with("stopping shop/web"), "{:?}", why.not_done);
    let shop = &status(&seen.engine, at(360_000)).deployments[0];
    assert_eq!((shop.standing, shop.wanted.as_str()), (Standing::Held, "stopped"));
}

#[test]
fn an_alert_of_what_shall_run_is_one() {
    let mut seen = Seen::running();
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 3)));
    let shown = alerts(&seen.engine);
    assert_eq!(shown.len(), 1, "{shown:?}");
}

#[test]
fn the_end_of_an_alert_is_told_where_an_incident_told_its_beginning() {
    let told = |entries: &[Entry]| {
        let is_end = |line: &&model::view::Line| line.text == "service_down no longer stands";
        lines(entries).iter().filter(is_end).count()
    };
    let mut seen = Seen::running();
    seen.asks(60_000, Ask::Stop("shop/web".to_owned()));
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 0)));
    seen.takes(67_000, Input::ClockJumped { by_ms: 0 });
    seen.takes(200_000, looked(200_000, Run::Running, 199_000, None));
    let is_alert = |entry: &&Entry| matches!(entry.event, Event::AlertChanged(_));
    assert_eq!(seen.journal.iter().filter(is_alert).count(), 2, "it began and ended to stand");
    assert_eq!(told(&seen.journal), 0, "it was down because it should be");

    let mut seen = Seen::running();
    let died = Happening { at: source_at(60_900), what: What::Died { code: 3 } };
    let fact = Fact::Happened(died);
    let died = Observation { resource: web(), incarnation: body(), generation: Generation(1), fact };
    seen.takes(61_000, Input::Observed(died));
    seen.takes(61_010, looked(61_010, Run::Exited, 0, ended(60_900, 3)));
    seen.takes(66_000, Input::ClockJumped { by_ms: 0 });
    seen.takes(67_000, looked(67_000, Run::Running, 66_000, None));
    assert_eq!(told(&seen.journal), 1);
    let mut newest_first = seen.journal.clone();
    newest_first.reverse();
    assert_eq!(told(&newest_first), 1);
    let is_begin = |entry: &Entry| matches!(entry.event, Event::IncidentOpened { .. });
    let began = seen.journal.iter().position(is_begin).unwrap();
    assert_eq!(told(&seen.journal[began..]), 1);
    assert_eq!(told(&seen.journal[began + 1..]), 1, "a page that begins in the midst of it");
}

#[test]
fn a_message_that_no_channel_takes_is_not_said_to_be_told() {
    for (channels, said) in
        [(vec![], "nobody to tell: no channel is configured"), (vec!["ops", "hook"], "queued for ops, hook (")]
    {
        let settings = Settings { channels: channels.into_iter().map(str::to_owned).collect(), ..Settings::default() };
        let mut seen = Seen::running();
        seen.takes(1_000, Input::Configured(Arc::new(Settings { instance: "h".to_owned(), ..settings })));
        seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 3)));
        for minute in 2..10 {
            seen.takes(minute * 60_000, Input::ClockJumped { by_ms: 0 });
        }
        let queued: Vec<Entry> =
            seen.journal.iter().filter(|e| matches!(e.event, Event::MessageQueued { .. })).cloned().collect();
        assert!(!queued.is_empty());
        assert!(lines(&queued).iter().all(|line| line.text.starts_with(said)), "{:?}", lines(&queued));
    }
}

#[test]
fn why_is_asked_of_a_bare_service_name() {
    let seen = Seen::running();
    assert_eq!(subject(&seen.engine, "web"), Ok(Subject::Resource(web())));
    assert_eq!(subject(&seen.engine, "db"), Err(Unclear::Nothing));
}

#[test]
fn every_line_of_an_incident_names_its_resource() {
    let mut seen = Seen::running();
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 3)));
    seen.takes(120_000, Input::ClockJumped { by_ms: 0 });
    let told = lines(&seen.journal);
    let of_incident: Vec<_> = told.iter().filter(|line| line.incident.is_some()).collect();
    assert!(of_incident.len() > 2, "{told:?}");
    assert!(of_incident.iter().all(|line| line.resource == Some(web())), "{of_incident:?}");
}

#[test]
fn the_journal_alone_knows_what_is_wanted_of_what_nobody_sees() {
    let mut seen = Seen::running();
    let folded = |seen: &Seen| {
        let mut state = State::default();
        seen.journal.iter().for_each(|entry| state.apply(entry));
        Engine::new(state, Arc::new(Settings::default()), "1")
    };
    let shown = resource(&folded(&seen), &web(), at(1_000));
    assert_eq!((shown.standing, shown.remedy), (Standing::Unseen, None), "{}", shown.why);
    assert!(shown.why.contains("it shall run"), "{}", shown.why);
    let whole = status(&folded(&seen), at(1_000));
    assert_eq!((whole.deployments[0].standing, whole.deployments[0].wanted.as_str()), (Standing::Unseen, "running"));

    seen.asks(60_000, Ask::Stop("shop/web".to_owned()));
    let shown = resource(&folded(&seen), &web(), at(61_000));
    assert_eq!(shown.standing, Standing::Stopped);
    assert_eq!(shown.why, "ann said so: `healer stop`");
}

#[test]
fn an_incident_that_asks_nothing_takes_neither_yes_nor_no() {
    let mut seen = Seen::running();
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 3)));
    let id = incidents(&seen.engine, at(61_000))[0].id.clone();
    let asks = [Ask::Approve(id.clone()), Ask::Reject { incident: id.clone(), because: String::new() }];
    for (ms, ask) in (62_000..).zip(asks) {
        let effects = seen.asks(ms, ask.clone());
        let replies = effects.iter().filter_map(|effect| match effect {
            Effect::Answer(reply) => Some(reply),
            Effect::Look { .. }
            | Effect::Gather { .. }
            | Effect::Execute(_)
            | Effect::BringUp(_)
            | Effect::CallOff(_)
            | Effect::Fetch(_)
            | Effect::Send(_) => None,
        });
        let replies: Vec<_> = replies.collect();
        assert!(!replies[0].taken && replies[0].lines[0].failed, "{ask:?}: {replies:?}");
        assert!(
            replies[0].lines[0].text.starts_with(&format!("incident {id} has no plan that waits for your word")),
            "{replies:?}"
        );
    }
    let answered = seen.journal.iter().filter(|entry| matches!(entry.event, Event::ApprovalAnswered { .. }));
    assert_eq!(answered.count(), 0);
}

#[test]
fn what_cannot_be_looked_at_is_shown_so_and_its_source_is_not_well() {
    let mut seen = Seen::running();
    let other = ResourceId::docker("h", "shop", "db", 1);
    let (incarnation, generation) = (Incarnation(Arc::from("fedcba9876543210")), Generation(1));
    let fact = Fact::Unlooked("the engine answered 500: layer does not exist".to_owned());
    let of_other = Observation { resource: other.clone(), incarnation: incarnation.clone(), generation, fact };
    seen.takes(10, Input::Observed(of_other.clone()));
    let shown = resource(&seen.engine, &other, at(20));
    assert_eq!((shown.standing, shown.run), (Standing::Unseen, None));
    assert!(shown.why.contains("layer does not exist"), "{}", shown.why);
    let source = sources(&seen.engine).remove(0);
    assert!(!source.well && source.because.contains("one container cannot be looked at"), "{}", source.because);

    // Nothing is done to it, whoever asks, and it is not said to be absent.
    let replies = seen.asks(30, Ask::Stop("shop/db".to_owned()));
    assert!(format!("{replies:?}").contains("not seen through the present connection"), "{replies:?}");

    // A look that succeeds is the end of that, also of what was seen before.
    let Input::Observed(look) = looked(40, Run::Running, 0, None) else { unreachable!("it is a look") };
    seen.takes(40, Input::Observed(Observation { resource: other.clone(), incarnation, ..look }));
    assert_eq!(resource(&seen.engine, &other, at(50)).standing, Standing::Well);
    assert!(sources(&seen.engine)[0].well);
    seen.takes(60, Input::Observed(of_other));
    assert_eq!(resource(&seen.engine, &other, at(70)).standing, Standing::Unseen);
}

/// It crashed, was started, and runs again since a moment ago.
fn started_again() -> Seen {
    let mut seen = Seen::running();
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 3)));
    seen.takes(70_000, Input::ClockJumped { by_ms: 0 });
    let (&ticket, _) = seen.engine.state.acts.first_key_value().unwrap();
    seen.takes(70_200, Input::Answered(ticket, Answer::Done));
    let Input::Observed(look) = looked(70_310, Run::Running, 70_300, None) else { unreachable!("it is a look") };
    seen.takes(70_310, Input::Looked { ticket, seen: look });
    seen
}

fn why_of(seen: &Seen, ms: u64) -> Why {
    why(&seen.engine, &Subject::Resource(web()), &seen.journal, at(ms))
}

#[test]
fn a_start_tells_after_how_long_it_ran_and_until_when_it_must_hold() {
    let seen = started_again();
    let told = why_of(&seen, 71_000);
    let said: Vec<&str> = told.story.iter().map(|line| line.text.as_str()).collect();
    assert!(said.contains(&"running after 0.31 s"), "{said:#?}");
    let until = moment(Wall(at(70_310 + 120_000).wall.0));
    assert!(said.contains(&format!("it must hold for 2 m: until {until}").as_str()), "{said:#?}");
    let shown = seen.shown(71_000);
    assert!(shown.why.ends_with(&format!("; running again, must hold until {until}")), "{}", shown.why);
    assert_eq!(told.incidents[0].why, format!("running again, must hold until {until}"));
    assert!(!lines(&seen.journal).iter().any(|line| line.text.contains(&until)), "who has no local time is given none");
}

#[test]
fn what_was_not_touched_is_named_only_while_nothing_is_wrong_with_it() {
    let mut seen = started_again();
    let touching = |seen: &Seen, ms| why_of(seen, ms).not_done.into_iter().find(|not| not.starts_with("touching "));
    assert_eq!(touching(&seen, 71_000), None, "there is nothing else");
    let other = |ms, run, exit| {
        let Input::Observed(look) = looked(ms, run, 0, exit) else { unreachable!("it is a look") };
        let (resource, incarnation) =
            (ResourceId::docker("h", "shop", "db", 1), Incarnation(Arc::from("fedcba9876543210")));
        Input::Observed(Observation { resource, incarnation, ..look })
    };
    seen.takes(72_000, other(72_000, Run::Running, None));
    assert_eq!(touching(&seen, 73_000).as_deref(), Some("touching shop/db: nothing is wrong there"));
    seen.takes(74_000, other(74_000, Run::Exited, ended(73_900, 1)));
    assert_eq!(touching(&seen, 75_000), None, "it is down");
    let cause = "mending what made it crash: that is in it, and for a person";
    assert!(why_of(&seen, 75_000).not_done.contains(&cause.to_owned()));
}

#[test]
fn the_wait_before_an_attempt_is_told_by_what_is_left_of_it() {
    let mut seen = started_again();
    seen.takes(75_000, looked(75_000, Run::Exited, 70_300, ended(74_900, 3)));
    let mut ms = 75_000;
    while !seen.shown(ms).why.contains("attempt 2 in ") {
        ms += 1_000;
        assert!(ms < 200_000, "{}", seen.shown(ms).why);
        seen.takes(ms, Input::ClockJumped { by_ms: 0 });
    }
    let left = |ms| {
        let why = seen.shown(ms).why;
        let left = why.split_once("held: attempt 2 in ").map(|(_, left)| left.to_owned());
        left.unwrap_or_else(|| panic!("{why}"))
    };
    assert_ne!(left(ms), left(ms + 2_000), "it runs down");
    let due = seen.engine.state.open_incident(&web()).unwrap().phase.deadline().unwrap();
    let shown = seen.shown(due.0 - 1_000_000);
    assert!(shown.why.ends_with("held: attempt 2 is due"), "{}", shown.why);
    assert_eq!(next(&seen.engine, at(ms))[0].what, "look at shop/web again");
}

#[test]
fn what_differs_in_an_id_alone_is_told_once() {
    let id = IncidentId { instance: "h".into(), number: 1 };
    let entry = |seq, event| Entry { seq, version: model::event::VERSION, epoch: 1, at: at(seq * 1_000), event };
    let taken = |endpoint: &str| {
        format!("on endpoint shop-web-1 ({endpoint}): Bind for 0.0.0.0:8080 failed: port is already allocated")
    };
    let found = |number, text: String| {
        let evidence =
            model::incident::Evidence { id: model::incident::EvidenceId(number), source: "inspect".to_owned(), text };
        Event::EvidenceAdded { id: id.clone(), evidence }
    };
    let refused = |permit, because: String| Event::ActionAnswered {
        permit: model::action::PermitId(permit),
        resource: web(),
        id: Some(id.clone()),
        answer: Answer::Failed(because),
    };
    let (first, second) = ("0f3a".repeat(16), "deadbeefcafe".repeat(5) + "abcd");
    let entries: Vec<Entry> = [
        found(1, taken(&first)),
        refused(1, taken(&first)),
        found(2, taken(&second)),
        refused(2, taken(&second)),
        found(3, taken(&second).replace("8080", "8081")),
        found(4, "fatal: no config (×2)".to_owned()),
        found(5, "fatal: no config".to_owned()),
    ]
    .into_iter()
    .zip(1..)
    .map(|(event, seq)| entry(seq, event))
    .collect();
    let said: Vec<String> = lines(&entries).into_iter().map(|line| line.text).collect();
    let expect = [
        format!("found [e1] inspect: {}", taken(&first)),
        format!("the engine refused: {}", taken(&first)),
        "it could not be done, for the same reason as before".to_owned(),
        format!("found [e3] inspect: {}", taken(&second).replace("8080", "8081")),
        "found [e4] inspect: fatal: no config (×2)".to_owned(),
    ];
    assert_eq!(said, expect);
}

#[test]
fn what_was_there_already_says_what() {
    let seen = started_again();
    let started = seen.journal.iter().find(|entry| matches!(entry.event, Event::ActionStarted { .. })).unwrap();
    let Event::ActionStarted { permit, .. } = &started.event else { unreachable!("it was looked for") };
    let answered = Event::ActionAnswered { permit: permit.id, resource: web(), id: None, answer: Answer::AlreadySo };
    let answered = Entry { event: answered, ..started.clone() };
    let both = lines(&[started.clone(), answered]);
    assert_eq!(both[1].text, "nothing to start: it ran already");
}

#[test]
fn a_cause_that_nobody_can_tell_is_said_so_once() {
    let mut seen = Seen::running();
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 3)));
    seen.takes(70_000, Input::ClockJumped { by_ms: 0 });
    let diagnosed = seen.journal.iter().find(|entry| matches!(entry.event, Event::Diagnosed { .. })).unwrap().clone();
    let Event::Diagnosed { id, diagnosis, case } = diagnosed.event.clone() else { unreachable!("it was looked for") };
    let diagnosis = model::incident::Diagnosis {
        cause: "cannot_tell".to_owned(),
        title: "the cause cannot be told".to_owned(),
        confidence: model::incident::Confidence::None,
        evidence: Vec::new(),
        because: "no rule holds".to_owned(),
        ..diagnosis
    };
    let told = lines(&[Entry { event: Event::Diagnosed { id, diagnosis, case }, ..diagnosed }]);
    assert_eq!(told[0].text, "the cause cannot be told (rule cannot_tell; no rule holds)");
}

#[test]
fn what_was_removed_says_when_and_names_its_last_incident() {
    let mut seen = started_again();
    let incident = incidents(&seen.engine, at(71_000))[0].id.clone();
    let destroyed = Fact::Happened(Happening { at: source_at(80_000), what: What::Destroyed });
    let (resource, incarnation, generation) = (web(), body(), Generation(1));
    seen.takes(80_000, Input::Observed(Observation { resource, incarnation, generation, fact: destroyed }));
    let mut ms = 80_000;
    while !seen.journal.iter().any(|entry| matches!(entry.event, Event::ResourceGone { .. })) {
        ms += 10_000;
        assert!(ms < 2_000_000, "it is never told that it is gone");
        seen.takes(ms, Input::ClockJumped { by_ms: 0 });
    }
    let gone = seen.journal.iter().rfind(|entry| matches!(entry.event, Event::ResourceGone { .. })).unwrap();
    let expect = format!("shop/web was removed at {}; its last incident: {incident}.", moment(gone.at.wall));
    assert_eq!(why_of(&seen, ms).headline, expect);
}

#[test]
fn a_source_says_what_its_engine_does_not_tell_of_its_start() {
    let mut seen = Seen::running();
    assert!(sources(&seen.engine)[0].untold.contains("best effort"));
    let start = EngineStart { boot: Some("b".to_owned()), process: Some("1@2".to_owned()), ..EngineStart::default() };
    let opened = SourceState::Opened { generation: Generation(2), start, ahead_ms: 0 };
    seen.takes(1_000, Input::Source(Report { source: "h".to_owned(), state: opened }));
    assert_eq!(sources(&seen.engine)[0].untold, "");
}

#[test]
fn what_may_have_gone_down_with_its_host_is_no_job_though_it_ended_well() {
    let mut seen = Seen::running();
    let source = |state| Input::Source(Report { source: "h".to_owned(), state });
    seen.takes(60_000, source(SourceState::Lost { generation: Generation(1), because: String::new() }));
    seen.takes(90_000, source(SourceState::opened(Generation(2))));
    let Input::Observed(mut seen_down) = looked(90_000, Run::Exited, 0, ended(70_000, 0)) else {
        unreachable!("it is a look")
    };
    let Fact::Looked(look) = &mut seen_down.fact else { unreachable!("it is a look") };
    look.manually_stopped = None;
    seen.takes(90_000, Input::Observed(Observation { generation: Generation(2), ..seen_down }));
    let shown = seen.shown(90_000);
    assert_eq!(shown.standing, Standing::Unknown, "{shown:?}");
    assert!(shown.remedy.is_some_and(|remedy| remedy.starts_with("healer start shop/web ")));
}

#[test]
fn an_open_incident_is_what_is_explained_and_how_far_healer_has_come_decides() {
    let mut seen = Seen::running();
    let told = |seen: &Seen, issue, ms| explain(&seen.engine, &Subject::Resource(web()), issue, Sight::Live, at(ms));
    let [well] = told(&seen, Some("service_down"), 1_000).try_into().unwrap();
    assert_eq!((well.incident, well.seen, well.issues[0].does), (None, true, Does::Heals), "{:#?}", well.issues);
    seen.takes(61_000, looked(61_000, Run::Exited, 0, ended(60_900, 3)));
    let [not_diagnosed] = told(&seen, None, 61_000).try_into().unwrap();
    assert!(not_diagnosed.incident.is_some() && not_diagnosed.issues.len() > 1, "{not_diagnosed:#?}");
    seen.takes(75_000, Input::ClockJumped { by_ms: 0 });
    let [ill] = told(&seen, None, 75_000).try_into().unwrap();
    let [issue] = ill.issues.as_slice() else { panic!("{:#?}", ill.issues) };
    assert_eq!((issue.issue_type.as_str(), issue.is_open, ill.incident.is_some()), ("service_down", true, true));
    // Another issue than the one that is there is foretold without a word on its incident.
    let [other] = told(&seen, Some("disk_full"), 75_000).try_into().unwrap();
    assert!(!other.issues[0].is_open);
    assert!(other.issues[0].rules.iter().all(|line| line.rule != Rule::Incident), "{:#?}", other.issues[0].rules);
}
