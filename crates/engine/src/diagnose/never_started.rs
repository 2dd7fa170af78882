//! Somebody wants it to run, and it was made and never started.

use model::fact::Run;
use model::incident::{Case, Confidence, Mend};

use super::{BroughtBy, Cause, Finding};

pub(crate) const CAUSE: Cause = Cause {
    name: "never_started",
    issue_type: "service_down",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: the engine says that it was created, and never started, without an error of its own: the order \
             was lost on the way. Refuted by: a start of any kind. Mended by: a start.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let look = case.look.as_ref()?;
    let failed = look.exit.as_ref().is_some_and(|exit| !exit.error.is_empty());
    let (title, because) = if !case.runner.is_engine() {
        ("it was never started", "the configuration names it, and there was no start of it and no error")
    } else {
        ("it was made and never started", "the engine knows of no start, and of no error")
    };
    (look.run == Run::Created && look.started.is_none() && !failed).then(|| Finding {
        title: title.to_owned(),
        confidence: Confidence::Sure,
        because: because.to_owned(),
        mend: Mend::Start,
    })
}

#[cfg(test)]
mod tests {
    use model::fact::Look;

    use super::super::cases::{case, look};
    use super::*;

    #[test]
    fn only_what_was_never_tried_is_simply_started() {
        let created = || Look { started: None, exit: None, ..look(Run::Created, 0) };
        let failed = Look { started: None, ..look(Run::Created, 128) };
        let failed =
            Look { exit: failed.exit.map(|exit| model::fact::Exit { error: "port".to_owned(), ..exit }), ..failed };
        assert_eq!(judge(&case(&[], Some(created()))).map(|finding| finding.mend), Some(Mend::Start));
        assert_eq!(judge(&case(&[], Some(failed))).map(|finding| finding.mend), None);
        assert_eq!(judge(&case(&[], Some(look(Run::Exited, 0)))).map(|finding| finding.mend), None);
        assert_eq!(judge(&case(&[], None)).map(|finding| finding.mend), None);
    }
}
