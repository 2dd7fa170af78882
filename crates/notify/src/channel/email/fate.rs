//! What became of a mail at each of its recipients, and what that means for the message as a whole.
//!
//! The message is tried again as long as somebody may still take it; whoever has it, or refused it for good, is left out
//! of the later tries, so that nobody gets it twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::message::Delivery;

/// So many messages may be half delivered; of the oldest it is forgotten who has it, and a repeat bears the same
/// `Message-ID`.
const HALF_DELIVERED_MAX: usize = 256;
/// Reasons that are told of one try; the others are counted.
const REASONS_MAX: usize = 3;

/// What became of a mail at one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server took it over.
    Taken,
    /// The server refuses it for good: why.
    Refused(String),
    /// It may take it later: why.
    Later(String),
}

/// The messages that were tried and are not done: what is settled of each, by recipient.
#[derive(Debug, Default)]
pub(super) struct HalfDelivered(VecDeque<(String, BTreeMap<usize, Fate>)>);

impl HalfDelivered {
    /// Which of `of` recipients this message still has to reach.
    pub(super) fn left(&self, message: &str, of: usize) -> Vec<usize> {
        let settled = self.0.iter().find(|(id, _)| id == message).map(|(_, settled)| settled);
        (0..of).filter(|at| settled.is_none_or(|settled| !settled.contains_key(at))).collect()
    }

    /// Adds what became of a try, and answers for the message as a whole.
    pub(super) fn settle(&mut self, message: &str, fates: impl IntoIterator<Item = (usize, Fate)>) -> Delivery {
        let at = self.0.iter().position(|(id, _)| id == message);
        let mut all = at.and_then(|at| self.0.remove(at)).map(|(_, settled)| settled).unwrap_or_default();
        all.extend(fates);
        let delivery = verdict(all.values());
        if matches!(delivery, Delivery::Retry(_)) {
            all.retain(|_, fate| !matches!(fate, Fate::Later(_)));
            if !all.is_empty() {
                self.0.push_back((message.to_owned(), all));
            }
            if self.0.len() > HALF_DELIVERED_MAX {
                self.0.pop_front();
            }
        }
        delivery
    }
}

/// A refusal by one recipient rejects the message although others have it: delivered would hide it, and a repeat would
/// reach the others twice.
fn verdict<'f>(fates: impl Iterator<Item = &'f Fate>) -> Delivery {
    let (mut taken, mut refused, mut later) = (0, BTreeSet::new(), BTreeSet::new());
    for fate in fates {
        match fate {
            Fate::Taken => taken += 1,
            Fate::Refused(why) => _ = refused.insert(why.as_str()),
            Fate::Later(why) => _ = later.insert(why.as_str()),
        }
    }
    let have_it = match taken {
        0 => String::new(),
        1 => "; one recipient has the mail".to_owned(),
        more => format!("; {more} recipients have the mail"),
    };
    match (later.is_empty(), refused.is_empty()) {
        (false, _) => Delivery::Retry(format!("{}{have_it}", told(&later))),
        (true, false) => Delivery::Rejected(format!("{}{have_it}", told(&refused))),
        (true, true) => Delivery::Delivered,
    }
}

fn told(reasons: &BTreeSet<&str>) -> String {
    let told: Vec<&str> = reasons.iter().copied().take(REASONS_MAX).collect();
    let more = reasons.len() - told.len();
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{more}", told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(why: &str) -> Fate {
        Fate::Later(why.to_owned())
    }

    fn refused(why: &str) -> Fate {
        Fate::Refused(why.to_owned())
    }

    #[test]
    fn one_verdict_is_made_of_all_fates() {
        let rejected = |why: &str| Delivery::Rejected(why.to_owned());
        let retry = |why: &str| Delivery::Retry(why.to_owned());
        let table = [
            (vec![Fate::Taken, Fate::Taken], Delivery::Delivered),
            (vec![refused("no b")], rejected("no b")),
            (vec![refused("too large"), refused("too large")], rejected("too large")),
            (vec![Fate::Taken, refused("no b")], rejected("no b; one recipient has the mail")),
            (vec![later("full")], retry("full")),
            (vec![Fate::Taken, Fate::Taken, later("full")], retry("full; 2 recipients have the mail")),
            (vec![refused("no b"), later("full")], retry("full")),
            (vec![refused("1"), refused("2"), refused("3"), refused("4")], rejected("1; 2; 3; and 1 more")),
        ];
        for (fates, expect) in table {
            assert_eq!(verdict(fates.iter()), expect, "{fates:?}");
        }
    }

    #[test]
    fn who_has_a_mail_is_left_out_of_its_next_try_and_a_refusal_is_told_at_the_end() {
        let mut half = HalfDelivered::default();
        assert_eq!(half.left("m1", 3), [0, 1, 2]);
        let tried = half.settle("m1", [(0, Fate::Taken), (1, refused("no b")), (2, later("c is full"))]);
        assert_eq!(tried, Delivery::Retry("c is full; one recipient has the mail".to_owned()));
        assert_eq!((half.left("m1", 3), half.left("m2", 3)), (vec![2], vec![0, 1, 2]));
        assert_eq!(half.settle("m2", (0..3).map(|at| (at, Fate::Taken))), Delivery::Delivered);
        let again = half.settle("m1", [(2, later("c is full"))]);
        assert_eq!(again, Delivery::Retry("c is full; one recipient has the mail".to_owned()));
        let tried = half.settle("m1", [(2, Fate::Taken)]);
        assert_eq!(tried, Delivery::Rejected("no b; 2 recipients have the mail".to_owned()));
        assert!(half.0.is_empty(), "what is done is forgotten: {half:?}");
    }

    #[test]
    fn the_memory_of_half_delivered_mails_is_bounded_and_holds_none_that_nobody_has() {
        let mut half = HalfDelivered::default();
        let _ = half.settle("down", [(0, later("down")), (1, later("down"))]);
        assert!(half.0.is_empty());
        for n in 0..=HALF_DELIVERED_MAX {
            let _ = half.settle(&n.to_string(), [(0, Fate::Taken), (1, later("full"))]);
        }
        assert_eq!(half.0.len(), HALF_DELIVERED_MAX);
        assert_eq!((half.left("0", 2), half.left("1", 2)), (vec![0, 1], vec![1]));
    }
}
