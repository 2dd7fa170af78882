//! It was refused by another service of its deployment, which cannot serve it: a start of this one helps nobody before that
//! one is well.

use model::complaint::Complaint;
use model::incident::{Case, Confidence, Mend};
use model::sibling::{Stands, ToldBy};

use super::said::{last_complaint, says};
use super::{BroughtBy, Cause, Finding, unhealthy};

pub(crate) const CAUSE: Cause = Cause {
    name: "dependency_down",
    issue_type: "connection_timeout",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: it ended by its own error, or its healthcheck fails, and its log says last that a connection was \
             refused, or that a name has no address; the host in that line is another service of its deployment (or that \
             one's container), which is down, unwell, still starting, or up for less than ten seconds. Where the line says \
             no name: of what it depends on, one service alone is not well. Refuted by: a service of that name that runs \
             and is well, a kill, a stop, a graver line after it, a healthcheck that cannot run. Mended by: the other one's \
             repair. Until that is done this one is held, and no attempt is spent; then it is started, and what still runs \
             is given a stability window to recover by itself before it is restarted. Where the other one was stopped on \
             purpose: by a person, who is told once.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let sibling = case.sibling.as_ref()?;
    let mend = |mends| match sibling.stands {
        Stands::Down | Stands::Unwell | Stands::Starting | Stands::JustUp => Some(mends),
        Stands::StoppedOnPurpose => Some(Mend::Person),
        Stands::Well => None,
    };
    let (because, mend) = match says(case, is_refusal, Mend::Start) {
        Some(said) => (said.because, mend(Mend::Start)?),
        None if fails_its_check(case) => {
            ("its healthcheck fails, and its log says so".to_owned(), mend(Mend::Restart)?)
        }
        None => return None,
    };
    let (other, stands) = (sibling.resource.short(), sibling.stands);
    let nameless = matches!(last_complaint(case.log.as_ref()?)?, Complaint::NameUnknown { .. });
    let refused = if nameless { "it finds no address for" } else { "it was refused by" };
    let alone = match sibling.told_by {
        ToldBy::Log => "",
        ToldBy::Definition => "; of what it depends on, that one alone is not well",
    };
    let title = format!("{refused} {other}, which {stands}");
    Some(Finding { title, confidence: Confidence::Sure, because: format!("{because}{alone}"), mend })
}

fn is_refusal(complaint: &Complaint) -> bool {
    matches!(complaint, Complaint::ConnectionRefused { .. } | Complaint::NameUnknown { .. })
}

/// Whether it runs and its healthcheck says that it is ill: one that cannot run itself says nothing.
fn fails_its_check(case: &Case) -> bool {
    let lacks = case.look.as_ref().is_some_and(|look| look.check_lacks.is_some());
    let complains = case.log.as_ref().and_then(last_complaint).is_some_and(is_refusal);
    complains && !lacks && unhealthy::judge(case).is_some()
}

#[cfg(test)]
mod tests {
    use model::ResourceId;
    use model::fact::{Health, Look, Run, What};
    use model::incident::{Excerpt, Line};
    use model::sibling::Sibling;

    use super::super::cases::{case, look};
    use super::super::diagnose;
    use super::*;

    fn refused() -> Complaint {
        Complaint::ConnectionRefused { host: Some("db".to_owned()), port: Some(5432) }
    }

    /// With this sibling, and a log whose last complaint is this.
    fn complains(case: Case, complaint: Complaint, stands: Stands) -> Case {
        let line = Line { text: "…".to_owned(), times: 1, telling: true, complaint: Some(complaint) };
        let log = Excerpt { lines: vec![line], read_lines: 1, cut: false };
        let resource = ResourceId::docker("h", "shop", "db", 1);
        Case { log: Some(log), sibling: Some(Sibling { resource, told_by: ToldBy::Log, stands }), ..case }
    }

    fn ended(code: i32) -> Case {
        case(&[What::Died { code }], Some(look(Run::Exited, code)))
    }

    fn unhealthy(check_lacks: Option<&str>) -> Case {
        let check_lacks = check_lacks.map(str::to_owned);
        let sick = Look { health: Health::Unhealthy, check_lacks, ..look(Run::Running, 0) };
        case(&[What::Health(Health::Unhealthy)], Some(sick))
    }

    fn told(case: &Case) -> (String, Mend) {
        let told = diagnose(case, Vec::new());
        (told.cause, told.mend)
    }

    #[test]
    fn what_cannot_serve_is_the_cause_and_what_is_well_is_not() {
        let table = [
            (Stands::Down, "dependency_down", Mend::Start),
            (Stands::Unwell, "dependency_down", Mend::Start),
            (Stands::Starting, "dependency_down", Mend::Start),
            (Stands::JustUp, "dependency_down", Mend::Start),
            (Stands::StoppedOnPurpose, "dependency_down", Mend::Person),
            (Stands::Well, "connection_refused", Mend::Start),
        ];
        for (stands, cause, mend) in table {
            let given = complains(ended(1), refused(), stands);
            assert_eq!(told(&given), (cause.to_owned(), mend), "{stands}");
        }
    }

    #[test]
    fn it_is_believed_where_the_complaint_explains_the_illness() {
        let nameless = Complaint::NameUnknown { host: Some("db".to_owned()) };
        let table = [
            ("no address", complains(ended(1), nameless, Stands::Down), "dependency_down"),
            ("a healthcheck that fails", complains(unhealthy(None), refused(), Stands::Down), "dependency_down"),
            ("a check that cannot run", complains(unhealthy(Some("curl")), refused(), Stands::Down), "check_broken"),
            ("a kill", complains(ended(137), refused(), Stands::Down), "killed_by_host"),
            ("a clean exit", complains(ended(0), refused(), Stands::Down), "clean_exit"),
            ("a graver line", complains(ended(1), Complaint::NotLetIn, Stands::Down), "not_let_in"),
        ];
        for (name, given, cause) in table {
            assert_eq!(told(&given).0, cause, "{name}");
        }
    }

    #[test]
    fn it_says_by_whom_it_was_refused_and_how_that_stands() {
        let given = complains(ended(1), refused(), Stands::Down);
        assert_eq!(diagnose(&given, Vec::new()).title, "it was refused by shop/db, which is down");
    }
}
