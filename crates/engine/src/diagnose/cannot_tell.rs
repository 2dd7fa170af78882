//! No rule is sure enough: an answer, not a failure.

use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding};

pub(super) const CAUSE: Cause = Cause {
    name: "cannot_tell",
    issue_type: "unknown",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: nothing. It stands when no other cause holds. Refuted by: any other cause. Mended by: a person; \
             healer never acts on a guess.",
    judge: |_: &Case| Some(finding()),
};

pub(super) fn finding() -> Finding {
    Finding {
        title: "the cause cannot be told".to_owned(),
        confidence: Confidence::None,
        because: "no rule holds on the facts that were found".to_owned(),
        mend: Mend::Person,
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::case;
    use super::*;

    #[test]
    fn it_never_mends_anything_by_itself() {
        let finding = (CAUSE.judge)(&case(&[], None)).unwrap();
        assert_eq!((finding.confidence, finding.mend), (Confidence::None, Mend::Person));
    }
}
