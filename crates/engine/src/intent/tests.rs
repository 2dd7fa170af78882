//! The verdicts that were measured on a real engine, row by row: which events and looks mean that somebody wants it
//! stopped, and which do not. K15 is a signal through the API, D3 an end with code 3, S a stop, as in the manual.

use std::sync::Arc;

use model::action::{Action, Behalf, Pair, Permit, PermitId};
use model::event::Event;
use model::fact::{Exit, Generation, Health, Kept};
use model::input::{Input, Report, SourceState};
use model::settings::{Mode, Settings};
use model::{ResourceId, Tick, Wall};

use super::*;
use crate::diagnose::cases;
use crate::{Engine, State};

/// What happens, second by second.
#[derive(Clone)]
enum It {
    /// A signal through the API that asks it to end.
    K(u8),
    /// A signal that does not.
    Hup,
    D(i32),
    S,
    Start,
    Create,
    Rename,
    Destroy,
    /// The API is found open after what came before.
    Open,
    /// We order a stop, and it is answered.
    OurStop,
    /// We order a start.
    OurStart,
    /// The look that settles what we ordered: it is down.
    SettledDown,
    /// The stream is lost; what follows is not seen.
    Lost,
    /// The engine cannot be reached.
    Out,
    /// The engine says that it is shutting down.
    Closing,
    /// A new connection, and a look at it as it is: the flag, and the kept events if any.
    Back(Option<bool>, Option<(bool, Vec<It>)>),
    /// From here on it is another body.
    Another,
    /// Another healer goes on from what this one kept.
    Replaced,
}
use It::{
    Another, Back, Closing, Create, D, Destroy, Hup, K, Lost, Open, OurStart, OurStop, Out, Rename, Replaced, S, Start,
};

struct Told {
    engine: Engine,
    at: i64,
    generation: u64,
    body: u32,
    seen: bool,
    run: Run,
    started: i64,
    exit: Option<(i64, i32)>,
}

impl Told {
    /// It runs, and was seen to.
    fn running() -> Told {
        let settings = Settings { mode: Mode::Observe, ..Settings::default() };
        let mut engine = Engine::new(State::default(), Arc::new(settings), "0");
        let _ = engine.lead(1, now(0));
        let (run, seen) = (Run::Running, true);
        let mut told = Told { engine, at: 0, generation: 0, body: 0, seen, run, started: -3_600, exit: None };
        told.happens(&Back(Some(false), None));
        told
    }

    fn web() -> ResourceId {
        ResourceId::docker("h", "shop", "web", 1)
    }

    fn id(&self) -> Incarnation {
        Incarnation(format!("body-{}", self.body).into())
    }

    fn tell(&mut self, input: Input) {
        let _ = self.engine.handle(&[input], now(self.at));
    }

    fn fact(&mut self, fact: Fact) {
        let (incarnation, generation) = (self.id(), Generation(self.generation));
        self.tell(Input::Observed(Observation { resource: Told::web(), incarnation, generation, fact }));
    }

    fn source(&mut self, state: SourceState) {
        self.tell(Input::Source(Report { source: "h".to_owned(), state }));
    }

    fn happens(&mut self, it: &It) {
        self.at += 1;
        if let Some(what) = what(it) {
            match (&what, it) {
                (What::Died { .. }, D(code)) => (self.run, self.exit) = (Run::Exited, Some((self.at, *code))),
                (What::Started, _) => (self.run, self.started) = (Run::Running, self.at),
                _ => {}
            }
            if self.seen {
                self.fact(Fact::Happened(Happening { at: source(self.at), what }));
            }
            return;
        }
        match it {
            Open => self.fact(Fact::ApiOpenAfter(source(self.at))),
            OurStop => self.order(Action::Stop, Pair::Opens),
            OurStart => self.order(Action::Start, Pair::Closes),
            It::SettledDown => {
                let permit = PermitId(self.engine.state().last_permit);
                let event = Event::ActionSettled {
                    permit,
                    resource: Told::web(),
                    id: None,
                    shown: String::new(),
                    source_at: Some(source(self.at)),
                    reached: true,
                };
                self.engine.emit(event);
            }
            Lost => {
                self.seen = false;
                self.source(SourceState::Lost { generation: Generation(self.generation), because: String::new() });
            }
            Out => self.source(serde_json::from_value(unreachable_state()).unwrap()),
            Closing => self.source(SourceState::Closing),
            Back(flag, kept) => self.back(*flag, kept.as_ref()),
            Replaced => {
                let settings = Arc::new(self.engine.settings().clone());
                self.engine = Engine::new(self.engine.state().clone(), settings, "0");
                let _ = self.engine.lead(2, now(self.at));
                self.seen = false;
            }
            Another => (self.body, self.run, self.exit) = (self.body + 1, Run::Created, None),
            K(_) | Hup | D(_) | S | Start | Create | Rename | Destroy => {}
        }
    }

    fn back(&mut self, flag: Option<bool>, kept: Option<&(bool, Vec<It>)>) {
        self.seen = true;
        self.generation += 1;
        let generation = Generation(self.generation);
        self.source(SourceState::opened(generation));
        let happening = |it: &It| what(it).map(|what| Happening { at: source(self.started + 1), what });
        let kept = kept.map(|(complete, kept)| Kept {
            source_started_since: false,
            complete: *complete,
            happenings: kept.iter().filter_map(happening).collect(),
        });
        let up = self.run == Run::Running;
        let exit = self.exit.filter(|_| !up);
        let mut look = cases::look(self.run, 0);
        look.at = source(self.at);
        look.started = Some(source(self.started));
        look.exit =
            exit.map(|(at, code)| Exit { at: source(at), code, oom: false, error: String::new(), start_error: None });
        look.health = Health::Unchecked;
        (look.manually_stopped, look.kept) = (flag, kept);
        self.fact(Fact::Looked(Box::new(look)));
        self.source(SourceState::Listed { generation, present: vec![(Told::web(), self.id())] });
    }

    fn order(&mut self, action: Action, pair: Pair) {
        let step = crate::plan::step(action, &Told::web(), None, pair);
        let permit = Permit {
            id: PermitId(self.engine.state().last_permit + 1),
            epoch: 1,
            behalf: Behalf::Person("healer".to_owned()),
            step,
            incarnation: self.id(),
            ran: false,
            leases: BTreeSet::new(),
            unhindered: true,
            given: now(self.at),
            until: Tick(u64::MAX),
        };
        self.engine.emit(Event::ActionStarted { permit: Box::new(permit), step: 0, attempt: 0, within: None });
    }

    fn wanted(&self) -> Option<Wanted> {
        self.engine.state().intents.get(&Told::web()).map(|intent| intent.wanted)
    }
}

/// A source that says that it cannot be reached, whatever else it tells besides the reason.
fn unreachable_state() -> serde_json::Value {
    serde_json::json!({"unreachable": {"because": "the socket is not there", "down": true}})
}

fn now(at: i64) -> Now {
    let ms = u64::try_from(at).unwrap() * 1_000;
    Now { wall: Wall(1_795_446_000_000 + at * 1_000), tick: Tick(1_000_000 + ms) }
}

fn source(at: i64) -> SourceTime {
    SourceTime((1_795_446_000_000 + at * 1_000) * 1_000_000)
}

fn what(it: &It) -> Option<What> {
    Some(match it {
        K(signal) => What::Signalled { signal: *signal, terminating: true },
        Hup => What::Signalled { signal: 1, terminating: false },
        D(code) => What::Died { code: *code },
        S => What::Stopped,
        Start => What::Started,
        Create => What::Created,
        Rename => What::Renamed { aside: true },
        Destroy => What::Destroyed,
        Open | OurStop | OurStart | It::SettledDown | Lost | Out | Closing | Back(..) | Another | Replaced => {
            return None;
        }
    })
}

const RUN: Option<Wanted> = Some(Wanted::Running);
const STOP: Option<Wanted> = Some(Wanted::Stopped);
const ASK: Option<Wanted> = Some(Wanted::Unknown);

fn check(table: Vec<(&str, Vec<It>, Option<Wanted>)>) {
    for (name, happenings, expect) in table {
        let mut told = Told::running();
        for it in &happenings {
            told.happens(it);
        }
        assert_eq!(told.wanted(), expect, "{name}");
    }
}

fn kept(complete: bool, events: &[It]) -> Option<(bool, Vec<It>)> {
    Some((complete, events.to_vec()))
}

#[test]
fn what_ended_while_nobody_watched_is_judged_by_what_the_engine_kept() {
    check(vec![
        ("crash or host kill, flag false", vec![Lost, D(3), Back(Some(false), None)], RUN),
        ("graceful engine stop, flag false", vec![Lost, D(143), Back(Some(false), None)], RUN),
        (
            "somebody's stop, in the kept events",
            vec![Lost, D(143), Back(Some(true), kept(true, &[K(15), D(143), S]))],
            STOP,
        ),
        (
            "somebody's kill, in the kept events",
            vec![Lost, D(137), Back(Some(true), kept(true, &[K(9), D(137)]))],
            STOP,
        ),
        ("… also where not all were kept", vec![Lost, D(137), Back(Some(true), kept(false, &[K(9), D(137)]))], STOP),
        (
            "the engine's cleanup after its own crash",
            vec![Lost, Out, D(143), Back(Some(true), kept(true, &[K(15), D(143), S]))],
            RUN,
        ),
        ("stopped, or signalled and crashed later", vec![Lost, D(137), Back(Some(true), None)], ASK),
        ("power loss", vec![Lost, D(255), Back(None, None)], RUN),
        ("nothing can be read", vec![Lost, D(3), Back(None, None)], ASK),
        ("nothing but complete events can be read", vec![Lost, D(3), Back(None, kept(true, &[D(3)]))], RUN),
        ("incomplete events tell nothing", vec![Lost, D(3), Back(None, kept(false, &[D(3)]))], ASK),
        (
            "what could not be told is told once the kept events come in",
            vec![Lost, D(3), Back(None, None), Back(None, kept(true, &[D(3)]))],
            RUN,
        ),
        ("it was started meanwhile", vec![K(15), Open, D(143), S, Lost, Start, Back(None, None)], RUN),
        ("it runs as before", vec![Lost, Back(None, None)], RUN),
    ]);
}

#[test]
fn what_people_and_compose_do_before_our_eyes_is_told_by_its_events() {
    check(vec![
        ("stop", vec![K(15), Open, D(143), S], STOP),
        ("stop, the socket is looked at after the end", vec![K(15), D(143), S, Open], STOP),
        ("stop of what ignores TERM", vec![K(15), Open, K(9), D(137), S], STOP),
        ("stop whose client was killed", vec![K(15), Open, K(9), D(137), S], STOP),
        ("kill", vec![K(9), Open, D(137)], STOP),
        ("kill -s TERM, drained for long", vec![K(15), Open, Hup, D(0)], STOP),
        ("stop while restarting: S only", vec![D(3), S, Open], STOP),
        ("engine shutdown while restarting: S only", vec![D(3), S, Closing, Out], RUN),
        ("start after a stop", vec![K(15), Open, D(143), S, Start], RUN),
        ("restart", vec![K(15), Open, D(143), S, Start], RUN),
        ("recreate", vec![K(15), Open, D(143), S, Rename, Another, Create, Start], RUN),
        ("recreate that was interrupted", vec![K(15), Open, D(143), S, Rename], ASK),
        ("… and whose sender is known after that", vec![K(15), D(143), S, Rename, Open], ASK),
        ("removed", vec![K(15), Open, D(143), S, Destroy], None),
        ("crash", vec![D(3)], RUN),
        ("host kill", vec![D(137)], RUN),
        ("it ended itself: `exec … kill 1`", vec![D(0)], RUN),
        ("a reload, then a host kill", vec![Hup, D(137)], RUN),
        ("a signal whose sender is not known yet", vec![K(15), D(143), S], RUN),
        ("engine stop", vec![K(15), Closing, D(143), S, Lost], RUN),
        ("a person's stop moments before", vec![K(15), Open, D(143), S, Closing, Lost], STOP),
        (
            "a stop, and the engine's own a moment later",
            vec![K(15), K(15), D(143), S, Closing, Lost, Back(None, None)],
            STOP,
        ),
        ("engine stop that ends in a kill", vec![K(15), Closing, K(9), D(137), S, Lost, Back(Some(false), None)], RUN),
        (
            "a reload, then an engine stop, and back",
            vec![Hup, K(15), Closing, D(143), S, Lost, Back(Some(true), None)],
            RUN,
        ),
        (
            "a person's stop and the engine's own, both heard after it was found to shut down",
            vec![Closing, K(15), K(15), D(143), S, Lost, Back(None, None)],
            STOP,
        ),
        ("… of which one was heard before", vec![K(15), Closing, K(15), D(143), S, Lost, Back(None, None)], STOP),
        (
            "… whose signal is heard after it was found to shut down",
            vec![Hup, Closing, K(15), D(143), S, Lost, Back(Some(true), None)],
            RUN,
        ),
        ("engine stop, and back", vec![K(15), Closing, D(143), S, Lost, Back(Some(false), None)], RUN),
    ]);
}

#[test]
fn a_stop_that_was_under_way_outlives_healer_and_an_engine_that_forgot_it() {
    let gone_on = |after: &[It]| [vec![K(15), Open, Replaced, Back(None, None)], after.to_vec()].concat();
    check(vec![
        ("it ends before another healer's eyes", gone_on(&[D(143), S]), STOP),
        ("it ends with the engine", gone_on(&[Lost, Out, D(255), Back(None, None)]), STOP),
        ("it ended while no healer saw", vec![K(15), Open, Replaced, D(255), Back(None, None)], STOP),
        ("started again, it crashes", gone_on(&[D(143), S, Start, D(3)]), RUN),
        (
            "started again while nobody saw, it ended",
            vec![K(15), Open, Replaced, D(143), Start, D(3), Back(Some(false), None)],
            RUN,
        ),
        ("it runs on", gone_on(&[]), RUN),
        (
            "it was started again at once, then crashed before another healer's eyes",
            vec![K(15), Open, D(143), S, Start, Replaced, Back(None, None), D(3)],
            RUN,
        ),
    ]);
}

#[test]
fn one_order_of_ours_explains_one_of_each_and_no_more() {
    check(vec![
        ("our stop", vec![OurStop, K(15), Open, D(143), S], RUN),
        ("… and a second signal", vec![OurStop, K(15), K(15), Open, D(143), S], STOP),
        ("… and a second stop", vec![OurStop, K(15), D(143), S, S, Open], STOP),
        ("… and an early kill", vec![OurStop, K(15), K(9), Open, D(137), S], STOP),
        ("our stop and start", vec![OurStop, K(15), D(143), S, It::SettledDown, OurStart, Start], RUN),
        ("… of which the stream tells late", vec![OurStop, K(15), D(143), It::SettledDown, OurStart, Start], RUN),
        ("our start explains no signal", vec![D(3), OurStart, Start, K(15), Open, D(143), S], STOP),
        (
            "nor does a stop that is over",
            vec![OurStop, K(15), D(143), S, It::SettledDown, OurStart, Start, K(15), Open, D(143), S],
            STOP,
        ),
        ("a stop, and our start that crossed it", vec![D(3), OurStart, K(15), Open, S], STOP),
    ]);
}

#[test]
fn a_late_stop_event_of_ours_is_not_somebodys() {
    let mut told = Told::running();
    for it in [OurStop, K(15), D(143)] {
        told.happens(&it);
    }
    // The stop was carried out now; its event arrives after the look, and after the start was ordered.
    let stopped = source(told.at);
    told.happens(&It::SettledDown);
    told.happens(&OurStart);
    told.fact(Fact::Happened(Happening { at: stopped, what: What::Stopped }));
    assert_eq!(told.wanted(), RUN);
}

#[test]
fn a_start_of_ours_does_not_take_an_owners_stop_back() {
    let mut told = Told::running();
    for it in [D(3), OurStart] {
        told.happens(&it);
    }
    let intent = entry(Wanted::Stopped, Author::Person("ann".to_owned()), "healer stop".to_owned(), None, now(told.at));
    told.engine.emit(Event::IntentChanged { resource: Told::web(), intent });
    // The look that settles our start, before and after its event.
    (told.run, told.started, told.at) = (Run::Running, told.at + 1, told.at + 2);
    for look_first in [true, false] {
        let mut look = cases::look(Run::Running, 0);
        (look.at, look.started, look.exit) = (source(told.at), Some(source(told.started)), None);
        if !look_first {
            told.fact(Fact::Happened(Happening { at: source(told.started), what: What::Started }));
        }
        told.fact(Fact::Looked(Box::new(look)));
        assert_eq!(told.wanted(), STOP, "look first: {look_first}");
    }
}

#[test]
fn found_running_after_a_stop_it_was_started_by_somebody_unless_the_engine_counts_a_restart() {
    for (restarts, expect) in [(0, RUN), (1, STOP)] {
        let mut told = Told::running();
        for it in [K(15), Open, D(143), S, Lost] {
            told.happens(&it);
        }
        (told.run, told.started, told.at) = (Run::Running, told.at + 1, told.at + 2);
        let mut look = cases::look(Run::Running, 0);
        (look.at, look.started, look.exit) = (source(told.at), Some(source(told.started)), None);
        look.restarts = restarts;
        told.fact(Fact::Looked(Box::new(look)));
        assert_eq!(told.wanted(), expect, "after {restarts} restarts by the engine's own policy");
    }
}

#[test]
fn a_stop_that_ours_seemed_to_explain_is_somebodys_once_ours_found_it_done_already() {
    use model::action::Answer;
    for (answer, expect) in [(Answer::AlreadySo, STOP), (Answer::Done, RUN)] {
        let mut told = Told::running();
        // It is about to be restarted by the engine: a stop of that has no signal.
        for it in [D(3), OurStop, S, Open] {
            told.happens(&it);
        }
        let permit = PermitId(told.engine.state().last_permit);
        told.tell(Input::Answered(permit, answer.clone()));
        assert_eq!(told.wanted(), expect, "{answer:?}");
    }
}

#[test]
fn the_policys_start_soon_after_a_restart_of_ours_is_not_somebodys() {
    let mut told = Told::running();
    for it in [OurStop, K(15), D(143), S] {
        told.happens(&it);
    }
    let (at_end, ended) = (told.at, source(told.at));
    let mut look = cases::look(Run::Exited, 143);
    let mut definition = cases::definition();
    definition.restart_policy = model::fact::RestartPolicy::UnlessStopped;
    look.definition = Arc::new(definition);
    (look.at, look.started) = (source(told.at), Some(source(told.started)));
    look.exit = Some(Exit { at: source(told.at), code: 143, oom: false, error: String::new(), start_error: None });
    told.fact(Fact::Looked(Box::new(look)));
    told.happens(&It::SettledDown);
    told.happens(&OurStart);
    // It starts, and crashes, within the time by which an event may tell late of the end before.
    let after = |ms: i64| SourceTime(ended.0 + ms * 1_000_000);
    told.fact(Fact::Happened(Happening { at: after(400), what: What::Started }));
    let intent = entry(Wanted::Stopped, Author::Person("ann".to_owned()), "healer stop".to_owned(), None, now(at_end));
    told.engine.emit(Event::IntentChanged { resource: Told::web(), intent });
    told.fact(Fact::Happened(Happening { at: after(900), what: What::Died { code: 137 } }));
    told.fact(Fact::Happened(Happening { at: after(1_100), what: What::Started }));
    assert_eq!(told.wanted(), STOP);
}

#[test]
fn a_look_of_an_earlier_life_does_not_make_a_start_the_policys() {
    let mut told = Told::running();
    told.happens(&D(3));
    let mut look = cases::look(Run::Restarting, 0);
    (look.at, look.started) = (source(told.at), Some(source(told.started)));
    look.exit = Some(Exit { at: source(told.at), code: 3, oom: false, error: String::new(), start_error: None });
    told.fact(Fact::Looked(Box::new(look)));
    // The policy starts it; no look tells. Then somebody restarts it.
    for it in [Start, K(15), Open, D(143), S, Start] {
        told.happens(&it);
    }
    assert_eq!(told.wanted(), RUN);
}

#[test]
fn a_stop_that_ends_in_a_kill_is_told_as_a_stop() {
    for (name, story, says) in [
        (
            "stop of what ignores TERM",
            vec![K(15), Open, K(9), D(137), S],
            "somebody stopped it at the engine (signal 15)",
        ),
        ("kill", vec![K(9), Open, D(137)], "somebody killed it at the engine"),
    ] {
        let mut told = Told::running();
        story.iter().for_each(|it| told.happens(it));
        assert_eq!(told.engine.state().intents[&Told::web()].because, says, "{name}");
    }
}
