//! The main process was killed for want of memory.

use std::fmt::Write as _;

use model::incident::{Case, Confidence, Mend, Runner};
use model::size::Bytes;

use super::{BroughtBy, Cause, Finding, exit_code, oom_event, oom_flag};

pub(super) const CAUSE: Cause = Cause {
    name: "oom_main",
    issue_type: "service_down",
    brought_by: BroughtBy::Either,
    manual: "Proved by: exit code 137 together with the engine's own word: an `oom` event since the last start, or \
             State.OOMKilled; sure where both say so. Refuted by: an exit code other than 137, or no word of the engine: \
             137 alone is a KILL of any origin. Mended by: a start, within budget; where that does \
             not hold and there is a limit, a higher limit and a start, at a person's word.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    if exit_code(case)? != 137 {
        return None;
    }
    let (event, flag) = (oom_event(case), oom_flag(case));
    if !case.runner.is_engine() {
        let (confidence, because) = match case.runner {
            Runner::Systemd => (Confidence::Sure, "systemd says that it was killed for want of memory"),
            Runner::Engine | Runner::Healer => (
                Confidence::Likely,
                "it was killed in a moment in which the kernel killed something for want of memory",
            ),
        };
        return (flag == Some(true)).then(|| Finding {
            title: "out of memory in the main process".to_owned(),
            confidence,
            because: because.to_owned(),
            mend: Mend::MoreMemory,
        });
    }
    let because = match (event, flag) {
        (true, Some(true)) => "the engine reports an out-of-memory kill, by event and by flag",
        (true, None) => "the engine reports an out-of-memory kill by event",
        (true, Some(false)) => "the engine reported an out-of-memory kill of a process in it before the main one ended",
        (false, Some(true)) => "the engine's flag says out-of-memory",
        (false, Some(false) | None) => return None,
    };
    let confidence = if flag == Some(false) { Confidence::Likely } else { Confidence::Sure };
    let mut title = "out of memory in the main process".to_owned();
    let limit_bytes = case.look.as_ref().map_or(0, |look| look.definition.memory_limit_bytes);
    if limit_bytes > 0 {
        // Writing to a String cannot fail.
        let _ = write!(title, ", at its limit of {}", Bytes(limit_bytes));
    }
    let because = format!("{because}; 137 alone would not have been enough");
    Some(Finding { title, confidence, because, mend: Mend::MoreMemory })
}

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Look, Run, What};

    use super::super::cases::{case, look};
    use super::*;

    fn flagged(oom: bool) -> Look {
        let seen = look(Run::Exited, 137);
        Look { exit: seen.exit.clone().map(|exit| Exit { oom, ..exit }), ..seen }
    }

    #[test]
    fn needs_the_engines_word_besides_137() {
        let (oom, died) = (What::OutOfMemory, What::Died { code: 137 });
        let table = [
            ("event and flag", case(&[oom.clone(), died.clone()], Some(flagged(true))), Some(Confidence::Sure)),
            ("event, no look yet", case(&[oom.clone(), died.clone()], None), Some(Confidence::Sure)),
            ("flag alone", case(std::slice::from_ref(&died), Some(flagged(true))), Some(Confidence::Sure)),
            ("event, flag denies", case(&[oom.clone(), died.clone()], Some(flagged(false))), Some(Confidence::Likely)),
            ("137 alone", case(&[died], Some(flagged(false))), None),
            ("another code", case(&[oom, What::Died { code: 1 }], None), None),
        ];
        for (name, given, expect) in table {
            assert_eq!(judge(&given).map(|finding| finding.confidence), expect, "{name}");
        }
    }

    #[test]
    fn the_limit_is_named_where_there_is_one() {
        let mut seen = flagged(true);
        std::sync::Arc::make_mut(&mut seen.definition).memory_limit_bytes = 512 << 20;
        let finding = judge(&case(&[], Some(seen))).unwrap();
        assert_eq!(finding.title, "out of memory in the main process, at its limit of 512 MiB");
    }
}
