//! What is wanted of what healer sees for the first time.

use model::fact::{Belongs, Happening, Look, Run, What};
use model::intent::{Author, Wanted};

use super::{Around, Word, somebodys_failed_start, tried_to_start};

pub(super) fn first_sight(look: &Look, around: &Around<'_>) -> Word {
    if look.definition.belongs == Belongs::Watched {
        return Word::Wants(Wanted::Running, Author::Configuration, "healer's configuration names it".to_owned());
    }
    match look.run {
        Run::Running | Run::Paused | Run::Restarting => {
            Word::Wants(Wanted::Running, Author::FirstSight, "seen running".to_owned())
        }
        Run::Created | Run::Exited if look.definition.belongs == Belongs::HostService => first_sight_of_a_program(look),
        // What failed nobody stopped.
        Run::Exited if look.definition.belongs == Belongs::SystemdUnit && has_failed(look) => Word::Wants(
            Wanted::Running,
            Author::Configuration,
            "healer's configuration names it, and it failed".to_owned(),
        ),
        // It was made before our eyes, and somebody tried to start it.
        Run::Created if somebodys_failed_start(look, around) => tried_to_start(),
        // It may be started in a moment.
        Run::Created if around.source.ever_listed => Word::None,
        Run::Created | Run::Exited | Run::Removing => {
            Word::Wants(Wanted::Unknown, Author::FirstSight, "it was down when healer first saw it".to_owned())
        }
    }
}

/// What the configuration names shall run. Unless it was stopped through healer, and the journal of that is lost.
fn first_sight_of_a_program(look: &Look) -> Word {
    if was_asked_to_end(look) {
        let because = "it was stopped through healer, and nothing tells any more who wanted that".to_owned();
        return Word::Wants(Wanted::Unknown, Author::Evidence, because);
    }
    Word::Wants(Wanted::Running, Author::Configuration, "healer's configuration names it".to_owned())
}

/// Whether a unit of systemd ended with an error, and nobody stopped it: `failed` stands until somebody clears it.
fn has_failed(look: &Look) -> bool {
    look.exit.as_ref().is_some_and(|exit| exit.code != 0) && !was_asked_to_end(look)
}

fn was_asked_to_end(look: &Look) -> bool {
    let asked = |happening: &Happening| matches!(happening.what, What::Signalled { terminating: true, .. });
    look.kept.as_ref().is_some_and(|kept| kept.happenings.iter().any(asked))
}
