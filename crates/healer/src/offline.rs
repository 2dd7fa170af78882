//! The journal of a healer that does not run, read without touching it: what it wanted, did and told is known; what the
//! containers do now is not.

mod ended;

use std::path::Path;
use std::sync::Arc;

use engine::view::{Sight, Unclear};
use engine::{Engine, State, view};
use model::settings::Settings;
use model::view::{Explanation, History, Incident, Status, Why};
use model::{Now, Wall};
use store::reader::Query;
use store::{Error, Piece, Reader};
use surfaces::story;

use crate::source::{Part, Trouble};

/// The events that tell of alerts and of the incidents that they made.
const OF_ALERTS: &[&str] =
    &["alert_changed", "alert_joined", "incident_opened", "incident_reopened", "incident_resolved"];

/// A journal, folded.
pub(crate) struct Journal {
    reader: Reader,
    engine: Engine,
    now: Now,
    as_of: Wall,
}

impl Journal {
    /// Folds the journal of this directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub(crate) fn open(state_dir: &Path, settings: &Settings, now: Wall) -> Result<Journal, Error> {
        let reader = Reader::open(state_dir)?;
        let state = folded(&reader)?;
        let instance = reader.instance()?.unwrap_or_else(|| settings.instance.clone());
        let settings = Settings { instance, ..settings.clone() };
        // healer's own clock goes on by the wall time that has passed.
        let as_of = state.at.wall;
        let now = Now { wall: now.max(as_of), tick: state.at.tick.after(now.since(as_of)) };
        let engine = Engine::new(state, Arc::new(settings), env!("CARGO_PKG_VERSION"));
        Ok(Journal { reader, engine, now, as_of })
    }

    /// When the last entry was written.
    pub(crate) fn as_of(&self) -> Wall {
        self.as_of
    }

    pub(crate) fn status(&self) -> Status {
        let mut status = view::status(&self.engine, self.now);
        ended::deployments(self.engine.state(), &mut status.deployments);
        // Nobody runs, so nothing happens by itself.
        Status { running_since: None, next: Vec::new(), ..status }
    }

    pub(crate) fn incidents(&self) -> Vec<Incident> {
        let mut incidents = view::incidents(&self.engine, self.now);
        ended::incidents(self.engine.state(), &mut incidents);
        incidents
    }

    /// `None` if the journal knows nothing of these words.
    pub(crate) fn why(&self, words: &str) -> Result<Option<Why>, Trouble> {
        let subject = match view::subject(&self.engine, words) {
            Err(Unclear::Nothing) => story::removed(&self.reader, words).map_err(unread)?,
            subject => subject,
        };
        let subject = match subject {
            Ok(subject) => subject,
            Err(Unclear::Nothing) => return Ok(None),
            Err(several @ Unclear::Several { .. }) => return Err(Trouble::Failed(several.to_string())),
        };
        let entries = story::entries(&self.reader, &subject).map_err(unread)?;
        let mut why = view::why(&self.engine, &subject, &entries, self.now);
        ended::incidents(self.engine.state(), &mut why.incidents);
        if let Some(resource) = &mut why.resource {
            ended::resource(self.engine.state(), resource);
        }
        Ok(Some(why))
    }

    /// `None` if the journal knows nothing of these words.
    pub(crate) fn explain(&self, words: &str, issue_type: Option<&str>) -> Result<Option<Vec<Explanation>>, Trouble> {
        match view::subject(&self.engine, words) {
            Ok(subject) => Ok(Some(view::explain(&self.engine, &subject, issue_type, Sight::Journal, self.now))),
            Err(Unclear::Nothing) => Ok(None),
            Err(several @ Unclear::Several { .. }) => Err(Trouble::Failed(several.to_string())),
        }
    }

    pub(crate) fn history(&self, part: Part) -> Result<History, Trouble> {
        let ago_ms = i64::try_from(part.since.as_millis()).unwrap_or(i64::MAX);
        let query = Query {
            since: Some(Wall(self.now.wall.0.saturating_sub(ago_ms))),
            names: if part.alerts_only { OF_ALERTS.to_vec() } else { Vec::new() },
            newest_first: true,
            limit: usize::from(part.limit),
            ..Query::default()
        };
        let mut entries = self.reader.entries(&query).map_err(unread)?.entries;
        entries.reverse();
        let resources = story::resources(&self.reader, &entries).map_err(unread)?;
        Ok(History { lines: view::lines_of(&entries, &resources), entries })
    }
}

fn folded(reader: &Reader) -> Result<State, Error> {
    let mut state = State::default();
    reader.recover(&mut |piece| {
        match piece {
            Piece::Snapshot { state: kept, .. } => {
                state = runtime::snapshot(&kept)?;
            }
            Piece::Entry(entry) => state.apply(&entry),
        }
        Ok(())
    })?;
    Ok(state)
}

fn unread(error: Error) -> Trouble {
    Trouble::Failed(format!("the journal cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::event::{Entry, Event, VERSION};
    use model::intent::{Author, Intent, Wanted};
    use model::view::Standing;
    use model::{ResourceId, Tick};
    use store::{Journal as _, Sqlite};

    use super::*;
    use crate::source::House;

    const BEGAN: Wall = Wall(1_795_438_930_000);

    fn entry(seq: u64, event: Event) -> Entry {
        let at = Now { wall: Wall(BEGAN.0 + 1_000 * i64::try_from(seq).unwrap()), tick: Tick(1_000 * seq) };
        Entry { seq, version: VERSION, epoch: 1, at, event }
    }

    fn intent(service: &str, wanted: Wanted) -> Event {
        let at = entry(2, Event::Ended).at;
        let intent = Intent { wanted, by: Author::FirstSight, at, source_at: None, because: "it was so".into() };
        Event::IntentChanged { resource: ResourceId::docker("web-1", "shop", service, 1), intent }
    }

    fn written() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(dir.path()).unwrap();
        store.recover(&mut |_| Ok(())).unwrap();
        let epoch = store.lead().unwrap();
        let started = Event::Started { version: "0.1.0".into(), instance: "web-1".into() };
        let events = [started, intent("web", Wanted::Running), intent("db", Wanted::Stopped)];
        let entries: Vec<Entry> = (1..).zip(events).map(|(seq, event)| Entry { epoch, ..entry(seq, event) }).collect();
        store.append(epoch, 0, &entries).unwrap();
        dir
    }

    fn opened(dir: &Path) -> Journal {
        Journal::open(dir, &Settings::default(), Wall(BEGAN.0 + 63_000)).unwrap()
    }

    #[test]
    fn a_dead_healers_journal_says_what_was_wanted_and_that_nobody_runs() {
        let dir = written();
        let journal = opened(dir.path());
        assert_eq!(journal.as_of(), Wall(BEGAN.0 + 3_000));
        let status = journal.status();
        assert_eq!((status.instance.as_str(), status.running_since), ("web-1", None));
        let [shop] = status.deployments.as_slice() else { panic!("{status:?}") };
        let wanted: Vec<Wanted> =
            shop.resources.iter().filter_map(|resource| Some(resource.intent.as_ref()?.wanted)).collect();
        assert_eq!((shop.name.as_str(), wanted.len()), ("shop", 2));
        assert!(wanted.contains(&Wanted::Running) && wanted.contains(&Wanted::Stopped));
        assert!(shop.resources.iter().all(|resource| resource.run.is_none()));
        assert!(shop.resources.iter().all(|resource| resource.standing != Standing::Well), "nothing is seen: {shop:?}");
    }

    #[test]
    fn what_follows_from_the_policies_is_told_as_far_as_the_journal_knows_it() {
        use model::policy::Does;
        let dir = written();
        let mut house = House::Dead(Box::new(opened(dir.path())));
        let told = house.explain("shop", Some("service_down")).unwrap();
        let does: Vec<_> = told.iter().map(|one| (one.short.as_str(), one.seen, one.issues[0].does)).collect();
        assert_eq!(does, [("shop/db", false, Does::Nothing), ("shop/web", false, Does::CannotTell)]);
        assert_eq!(told[0].issues[0].because, "it was stopped on purpose: it was so");
        let Err(Trouble::Failed(says)) = house.explain("nobody", None) else { panic!() };
        assert_eq!(says, "the journal knows nothing called `nobody`: `healer status --all` lists what it knows");
    }

    #[test]
    fn why_and_history_are_read_from_it_and_unknown_words_say_so() {
        let dir = written();
        let journal = opened(dir.path());
        assert!(journal.why("shop/web").unwrap().unwrap().headline.contains("shop/web"));
        let unknown = |words: &str| {
            let Err(Trouble::Failed(says)) = House::Dead(Box::new(opened(dir.path()))).why(words) else { panic!() };
            says
        };
        assert_eq!(
            unknown("nonsense"),
            "the journal knows nothing called `nonsense`: `healer status --all` lists what it knows"
        );
        assert_eq!(unknown("web-1/99"), "the journal knows no incident web-1/99: none is on record");
        let part = |since_s, alerts_only, limit| Part { since: Duration::from_secs(since_s), alerts_only, limit };
        let seqs =
            |part| -> Vec<u64> { journal.history(part).unwrap().entries.iter().map(|entry| entry.seq).collect() };
        assert_eq!(seqs(part(3_600, false, 100)), [1, 2, 3]);
        assert_eq!(seqs(part(3_600, false, 2)), [2, 3]);
        assert_eq!(seqs(part(61, false, 100)), [2, 3]);
        assert_eq!(seqs(part(3_600, true, 100)), [] as [u64; 0]);
    }

    #[test]
    fn a_damaged_journal_is_refused_and_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(store::JOURNAL_FILE);
        std::fs::write(&path, "no journal at all, but long enough to look like one").unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(Journal::open(dir.path(), &Settings::default(), BEGAN).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
