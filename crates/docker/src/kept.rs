//! The engine's own memory: the last 256 events of all kinds, kept while its process lives.
//!
//! The ring is asked for without filters, since only then can be told how far back it reaches: a busy healthcheck pushes
//! everything else out within a minute (facts/intent.md, L9).

use std::collections::HashMap;

use model::fact::{Fact, Happening, Incarnation, Kept, Observation, Run, SourceTime, What};

use crate::happening::{Traits, happening};
use crate::wire::Event;

/// The ring holds 256; of a few a word may not be understood.
const SURELY_NOT_FULL: usize = 200;

/// The happenings that the ring holds, by container, and how far back it reaches.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    oldest: Option<SourceTime>,
    /// It was read, and has room for more: it holds all that happened since the engine's start.
    whole: bool,
    of: HashMap<Incarnation, Vec<Happening>>,
}

impl Ring {
    /// Takes the ring's events, oldest first.
    pub(crate) fn new(events: &[Event], of: impl Fn(&Incarnation) -> Traits) -> Ring {
        let oldest = events.iter().map(Event::at).min();
        let mut ring = Ring { oldest, whole: events.len() < SURELY_NOT_FULL, ..Ring::default() };
        for event in events.iter().filter(|event| event.kind == "container") {
            let id = Incarnation(event.actor.id.as_str().into());
            if let Some(happening) = happening(event, of(&id)) {
                ring.of.entry(id).or_default().push(happening);
            }
        }
        ring
    }

    /// What happened to a container from its last start until a look at it: what came later explains nothing that the
    /// look shows.
    ///
    /// It is complete if the ring reaches back to that start: it holds the start's own event (which comes just after the
    /// time in the inspect), or something older. With that, "fewer than 256 events, so nothing was forgotten since the
    /// engine's start" needs no rule of its own, and a container that is older than its engine is never called complete.
    pub(crate) fn since_start(&self, id: &Incarnation, started: SourceTime, looked: SourceTime) -> Kept {
        let of = self.of.get(id).into_iter().flatten();
        let happenings: Vec<Happening> = of.filter(|h| (started..=looked).contains(&h.at)).cloned().collect();
        let reaches_back = self.oldest.is_some_and(|oldest| oldest <= started)
            || happenings.iter().any(|happening| happening.what == What::Started);
        Kept { complete: reaches_back, source_started_since: self.whole && !reaches_back, happenings }
    }

    /// Adds to a look at what is down what happened since its last start. Gives when that was.
    pub(crate) fn remember(&self, observation: &mut Observation) -> Vec<SourceTime> {
        let Fact::Looked(look) = &mut observation.fact else { return Vec::new() };
        let (Run::Exited, Some(started)) = (look.run, look.started) else { return Vec::new() };
        let kept = self.since_start(&observation.incarnation, started, look.at);
        let at = kept.happenings.iter().map(|happening| happening.at).collect();
        look.kept = Some(kept);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, id: &str, action: &str, at: i64) -> Event {
        serde_json::from_value(serde_json::json!({
            "Type": kind, "Action": action, "Actor": {"ID": id, "Attributes": {"exitCode": "3"}}, "timeNano": at
        }))
        .unwrap()
    }

    fn since(events: &[Event], started: i64) -> (bool, Vec<i64>) {
        let kept = Ring::new(events, |_| Traits::default()).since_start(
            &Incarnation("a".into()),
            SourceTime(started),
            SourceTime(30),
        );
        (kept.complete, kept.happenings.iter().map(|h| h.at.0).collect())
    }

    #[test]
    fn a_memory_with_room_that_does_not_know_a_start_is_that_of_an_engine_which_was_started_since() {
        let c = |action, at| event("container", "b", action, at);
        let of = |events: &[Event]| {
            Ring::new(events, |_| Traits::default()).since_start(
                &Incarnation("a".into()),
                SourceTime(10),
                SourceTime(30),
            )
        };
        assert!(of(&[]).source_started_since && of(&[c("start", 15)]).source_started_since);
        assert!(!of(&[c("start", 5)]).source_started_since, "it is older than that start");
        let full: Vec<Event> = (0..256).map(|at| c("exec_start", 11 + at % 15)).collect();
        assert!(!of(&full).source_started_since, "it may have forgotten");
        assert!(
            !Ring::default().since_start(&Incarnation("a".into()), SourceTime(10), SourceTime(30)).source_started_since
        );
    }

    #[test]
    fn l09_the_ring_is_complete_for_a_container_if_it_reaches_back_to_its_start() {
        let c = |action, at| event("container", "a", action, at);
        let table = [
            ("its own start is kept", vec![c("start", 11), c("die", 20)], 10, (true, vec![11, 20])),
            ("something older is kept", vec![event("network", "n", "create", 5), c("die", 20)], 10, (true, vec![20])),
            (
                "the start was pushed out",
                vec![event("container", "b", "exec_start", 15), c("die", 20)],
                10,
                (false, vec![20]),
            ),
            ("older than its engine", vec![c("die", 20)], 10, (false, vec![20])),
            ("an empty ring", vec![], 10, (false, vec![])),
            (
                "only since the last start",
                vec![c("start", 3), c("die", 4), c("start", 11), c("die", 20)],
                10,
                (true, vec![11, 20]),
            ),
            (
                "not what came after the look",
                vec![c("start", 11), c("die", 20), c("start", 31)],
                10,
                (true, vec![11, 20]),
            ),
            ("not what befell others", vec![event("container", "b", "die", 1), c("start", 11)], 10, (true, vec![11])),
        ];
        for (name, events, started, expect) in table {
            assert_eq!(since(&events, started), expect, "{name}");
        }
    }
}
