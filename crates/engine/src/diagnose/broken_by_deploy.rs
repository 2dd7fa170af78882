//! A deploy broke it: it was well, was made of something else, and fell ill soon after.

use model::incident::{Case, Confidence, Mend};
use model::make::{Changed, Difference};

use super::{BroughtBy, Cause, Finding, surest};

pub(super) const CAUSE: Cause = Cause {
    name: "broken_by_deploy",
    issue_type: "deploy_failed",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: it was well for a minute and more with another image or configuration, fell ill within ten minutes \
             of the deploy that changed that, and shows what such a change may bring: its own error, a missing variable, \
             a command that is not there, data of another version. Refuted by: an illness of before the deploy, one that \
             lasts longer than what stood before was known, and whatever the host, the network or another service does \
             to it. Mended by: what mends the error that it shows; where that is a person, by the image of before, if \
             its name was all that changed its meaning and a person says yes, as whoever had healer update it has said \
             already; else by the deploy being mended.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    let deploy = case.deploy.as_ref()?;
    let changed = deploy.from.changed(&deploy.to)?;
    let (cause, shown) = surest(case, |cause| cause.name != CAUSE.name)?;
    if shown.confidence < Confidence::Likely || !may_bring(changed, cause.brought_by) {
        return None;
    }
    let difference = Difference(&deploy.from, &deploy.to);
    // Any other change stands in files, and those are their owner's. What healer was told to update is not tried again first.
    let goes_back = changed.behind_its_name() && (shown.mend == Mend::Person || deploy.by.is_some());
    let what = deploy.by.as_ref().map_or_else(|| "a deploy".to_owned(), |who| format!("{who}'s update"));
    Some(Finding {
        mend: if goes_back { Mend::RollBack } else { shown.mend },
        title: format!("{what} broke it ({difference}): {}", shown.title),
        because: format!("it was well before that; {}", shown.because),
        ..shown
    })
}

fn may_bring(changed: Changed, brought_by: BroughtBy) -> bool {
    match brought_by {
        BroughtBy::Nothing => false,
        BroughtBy::Image => changed.image(),
        BroughtBy::Configuration => changed.configuration(),
        BroughtBy::Either => true,
    }
}

#[cfg(test)]
mod tests {
    use model::fact::{Exit, Run, What};
    use model::incident::DeadNetwork;
    use model::make::{Deploy, Make};
    use model::{Now, Tick, Wall};

    use super::super::cases::{case, look};
    use super::super::diagnose;
    use super::*;

    fn make(image: &str, config_hash: &str) -> Make {
        Make { image: image.to_owned(), image_id: image.to_owned(), config_hash: config_hash.to_owned() }
    }

    fn deployed(from: Make, to: Make, case: Case) -> Case {
        Case { deploy: Some(Deploy { from, to, at: Now { wall: Wall(0), tick: Tick(0) }, by: None }), ..case }
    }

    #[test]
    fn what_the_change_may_bring_is_put_down_to_it() {
        let crash = || case(&[What::Died { code: 1 }], Some(look(Run::Exited, 1)));
        let image = |case| deployed(make("app:1", "a"), make("app:2", "b"), case);
        let configuration = |case| deployed(make("app:1", "a"), make("app:1", "b"), case);
        let port = |text: &str| {
            let seen = look(Run::Created, 128);
            let exit = seen.exit.clone().map(|exit| Exit { error: text.to_owned(), ..exit });
            case(&[], Some(model::fact::Look { started: None, exit, ..seen }))
        };
        let table = [
            ("a crash", image(crash()), "broken_by_deploy"),
            ("a crash, run otherwise", configuration(crash()), "broken_by_deploy"),
            ("no deploy", crash(), "crash"),
            ("nothing changed", deployed(make("app:1", "a"), make("app:1", "a"), crash()), "crash"),
            ("cannot start", image(port("some error")), "broken_by_deploy"),
            ("its network is dead", image(Case { network: Some(DeadNetwork::Gone), ..crash() }), "dead_network"),
            ("stopped by nobody's error", image(case(&[], Some(look(Run::Exited, 0)))), "clean_exit"),
        ];
        for (name, given, expect) in table {
            let told = diagnose(&given, Vec::new());
            assert_eq!(told.cause, expect, "{name}: {told:?}");
        }
    }

    #[test]
    fn it_says_what_was_changed_and_mends_as_what_it_shows_is_mended() {
        let crash = case(&[What::Died { code: 1 }], Some(look(Run::Exited, 1)));
        let plain = diagnose(&crash, Vec::new());
        let told = diagnose(&deployed(make("app:1", "a"), make("app:2", "b"), crash), Vec::new());
        assert_eq!(told.title, format!("a deploy broke it (image app:1 → app:2): {}", plain.title));
        assert_eq!((told.mend, told.confidence), (plain.mend, plain.confidence));
        assert_ne!(told.mend, Mend::Nothing);
    }
}
