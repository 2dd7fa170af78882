//! When each open incident must be looked at by itself: kept in order, so that a batch costs what it concerns, however
//! many incidents are open.

use std::collections::{BTreeMap, BTreeSet};

use model::Tick;

/// The deadlines of the open incidents, by number and in order, and which of them may have moved.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    of: BTreeMap<u64, Tick>,
    ordered: BTreeSet<(Tick, u64)>,
    /// The incidents of which something has changed since their deadline was noted.
    pub(crate) moved: BTreeSet<u64>,
}

impl Deadlines {
    /// Notes an incident's deadline; `None`: nothing happens to it by itself.
    pub(crate) fn note(&mut self, number: u64, due: Option<Tick>) {
        if let Some(before) = self.of.remove(&number) {
            self.ordered.remove(&(before, number));
        }
        if let Some(due) = due {
            self.of.insert(number, due);
            self.ordered.insert((due, number));
        }
    }

    /// The first one.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.ordered.first().map(|(due, _)| *due)
    }

    /// The incidents whose deadline has passed.
    pub(crate) fn passed(&self, now: Tick) -> impl Iterator<Item = u64> {
        self.ordered.iter().take_while(move |(due, _)| *due <= now).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_moved_stands_at_its_last_place_alone() {
        let mut deadlines = Deadlines::default();
        for (number, due) in [(1, Some(50)), (2, Some(20)), (1, Some(10)), (3, Some(20)), (2, None)] {
            deadlines.note(number, due.map(Tick));
        }
        assert_eq!(deadlines.next(), Some(Tick(10)));
        assert_eq!(deadlines.passed(Tick(20)).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(deadlines.passed(Tick(9)).count(), 0);
    }
}
