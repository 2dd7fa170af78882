//! `healer demo`: healer at work on real processes, for a machine that has nothing else. Real faults befall services that
//! are started for it; what healer decides about each is told as it happens, and measured from outside.

mod narrator;
pub(crate) mod service;
mod stage;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use model::command::Ask;
use model::view::Tone;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};

use crate::cli::Exit;
use crate::live::Daemon;
use crate::render::Page;
use narrator::{End, Narrator};
use stage::Stage;

/// All services run within this.
const BEGINS_WITHIN: Duration = Duration::from_secs(30);
/// What befalls a service is over within this.
const OVER_WITHIN: Duration = Duration::from_secs(40);
/// What was stopped on purpose is watched for so long, whether it stays down.
const STAYS_DOWN: Duration = Duration::from_secs(3);
/// The port that was taken is let go after so long.
const PORT_TAKEN_FOR: Duration = Duration::from_secs(2);
/// The journal, and the service, are asked so often.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Where what is told goes.
pub(crate) type Tell<'a> = &'a dyn Fn(&str);

/// Plays it. `once`: to its end, and not on until somebody ends it.
pub(crate) fn run(page: &Page, tell: Tell<'_>, once: bool) -> anyhow::Result<Exit> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, ended.clone()).context("signals cannot be watched")?;
    }
    tell(&page.demo_text("healer starts a few services of its own on this machine, and then real faults befall them."));
    let stage = Stage::set()?;
    let narrator = Narrator::open(&stage.state_dir())?;
    let mut play = Play { page, tell, stage, narrator, ended, rows: Vec::new(), good: true };
    match play.acts(once) {
        Ok(()) => {}
        Err(error) if play.ended.load(Ordering::Relaxed) => tracing::debug!(%error, "ended"),
        Err(error) => return Err(error),
    }
    let (interrupted, good) = (play.ended.load(Ordering::Relaxed), play.good);
    // Clears away before it says so.
    drop(play);
    tell(&page.demo_text("All processes of the demo have ended, and its folder is gone."));
    Ok(if good && (!interrupted || !once) { Exit::Fine } else { Exit::Failed })
}

/// The demo under way.
struct Play<'a> {
    page: &'a Page,
    tell: Tell<'a>,
    stage: Stage,
    narrator: Narrator,
    /// Somebody wants it to end.
    ended: Arc<AtomicBool>,
    /// What was done, and what came of it.
    rows: Vec<(String, Tone, String)>,
    good: bool,
}

impl Play<'_> {
    fn acts(&mut self, once: bool) -> anyhow::Result<()> {
        self.act(1, &format!("{} services are started, in the order of their needs", self.stage.services()));
        self.begin()?;
        self.act(2, "somebody kills a service");
        self.killed()?;
        self.act(3, "a service hangs: it runs, and does not answer");
        self.befalls("web", "/hang", "hung")?;
        self.act(4, "a service leaks memory, up to its limit of 64 MiB");
        self.befalls("worker", "/leak", "leaked memory")?;
        self.act(5, "a service ends at each start; another is stopped on purpose");
        self.narrator.forget("importer");
        self.stage.ask("importer", "/break")?;
        self.note("importer", "told to end with an error 0.2 s after each start");
        self.stopped()?;
        self.act(6, "a port is taken by another program");
        self.port_taken()?;
        self.looped()?;
        self.still_down();
        self.sum_up();
        if !once {
            self.go_on()?;
        }
        Ok(())
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        self.until(BEGINS_WITHIN, "the services to be started", |play| Ok(play.narrator.begun.is_some()))?;
        let begun = self.narrator.begun.unwrap_or(0);
        if begun != self.stage.services() {
            bail!("{begun} of {} services were started", self.stage.services());
        }
        Ok(())
    }

    fn killed(&mut self) -> anyhow::Result<()> {
        self.narrator.forget("api");
        let pid = self.stage.kill("api")?;
        self.note("api", &format!("killed: `kill -9 {pid}`"));
        let took = self.answers_again("api", pid)?;
        self.is_healed("api", "was killed", took)
    }

    fn befalls(&mut self, service: &str, page: &str, how: &str) -> anyhow::Result<()> {
        let pid = self.stage.pid_of(service).with_context(|| format!("{service} does not answer"))?;
        self.narrator.forget(service);
        let says = self.stage.ask(service, page)?;
        self.note(service, &says);
        let took = self.answers_again(service, pid)?;
        self.is_healed(service, how, took)
    }

    fn stopped(&mut self) -> anyhow::Result<()> {
        self.note("report", "`healer stop report`");
        let daemon = Daemon::connect(&self.stage.state_dir()).map_err(|trouble| anyhow::anyhow!("{trouble}"))?;
        daemon.ask(&Ask::Stop("report".to_owned())).map_err(|trouble| anyhow::anyhow!("{trouble}"))?;
        let since = Instant::now();
        self.until(OVER_WITHIN, "that to be watched", |_| Ok(since.elapsed() > STAYS_DOWN))
    }

    fn port_taken(&mut self) -> anyhow::Result<()> {
        let pid = self.stage.pid_of("cache").context("cache does not answer")?;
        self.narrator.forget("cache");
        let says = self.stage.ask("cache", "/let-go")?;
        self.note("cache", &says);
        let port = self.stage.port_of("cache");
        let mut taken = None;
        self.until(OVER_WITHIN, "the port to be free", |_| {
            taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
            Ok(taken.is_some())
        })?;
        self.note("cache", &format!("another program listens on its port {port} now"));
        self.stage.kill_pid(pid)?;
        self.note("cache", &format!("killed: `kill -9 {pid}`"));
        let since = Instant::now();
        self.until(OVER_WITHIN, "a start to fail", |play| {
            let failed = play.narrator.stories.get("cache").is_some_and(|story| story.has_failed);
            Ok(failed && since.elapsed() > PORT_TAKEN_FOR)
        })?;
        drop(taken);
        self.note("cache", "the other program is gone");
        let freed = Instant::now();
        self.answers_again("cache", pid)?;
        self.is_healed("cache", "lost its port to another program", freed.elapsed())
    }

    /// The one that cannot be healed is a person's by now.
    fn looped(&mut self) -> anyhow::Result<()> {
        let is_over =
            |play: &mut Self| Ok(play.narrator.stories.get("importer").is_some_and(|story| story.end.is_some()));
        self.until(OVER_WITHIN, "the crash loop to end", is_over)?;
        let story = self.narrator.stories.get("importer").cloned().unwrap_or_default();
        let row = match &story.end {
            Some(End::NeedsAPerson(why)) => (Tone::Waiting, format!("left to a person: {why}")),
            Some(End::Healed | End::Other(_)) | None => self.failed("was not left to a person"),
        };
        self.rows.push(("importer crashed at each start".to_owned(), row.0, row.1));
        Ok(())
    }

    fn still_down(&mut self) {
        let why = self.narrator.stopped.get("report").cloned();
        let row = match (why, self.stage.pid_of("report")) {
            (Some(why), None) => (Tone::Good, format!("left alone: {why}")),
            (_, Some(_)) => self.failed("runs again, though it was stopped on purpose"),
            (None, None) => self.failed("is down, and healer does not know why"),
        };
        self.rows.push(("report was stopped".to_owned(), row.0, row.1));
    }

    fn failed(&mut self, why: &str) -> (Tone, String) {
        self.good = false;
        (Tone::Bad, why.to_owned())
    }

    /// Waits until a service answers again, of another process. How long that took, as seen from outside.
    fn answers_again(&mut self, service: &str, before: i32) -> anyhow::Result<Duration> {
        let since = Instant::now();
        let mut took = Duration::ZERO;
        self.until(OVER_WITHIN, &format!("{service} to answer again"), |play| {
            took = since.elapsed();
            let is_another = play.stage.pid_of(service).is_some_and(|pid| pid != before);
            Ok(is_another && play.stage.ask(service, "/health").is_ok_and(|says| says == "well"))
        })?;
        Ok(took)
    }

    /// Waits until healer, too, says that it is healed.
    fn is_healed(&mut self, service: &str, how: &str, took: Duration) -> anyhow::Result<()> {
        let is_over = |play: &mut Self| Ok(play.narrator.stories.get(service).is_some_and(|story| story.end.is_some()));
        self.until(OVER_WITHIN, &format!("{service} to be healed"), is_over)?;
        let story = self.narrator.stories.get(service).cloned().unwrap_or_default();
        let cause = story.cause.unwrap_or_else(|| "no cause was named".to_owned());
        let row = match story.end {
            Some(End::Healed) => (Tone::Good, format!("answers again after {}: {cause}", spoken(took))),
            Some(End::NeedsAPerson(why) | End::Other(why)) => self.failed(&why),
            None => self.failed("is not healed"),
        };
        self.rows.push((format!("{service} {how}"), row.0, row.1));
        Ok(())
    }

    /// Tells what healer decides, until something is so.
    fn until(
        &mut self,
        within: Duration,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let since = Instant::now();
        loop {
            let so = is_so(self)?;
            self.tell_news()?;
            if so {
                return Ok(());
            }
            if self.ended.load(Ordering::Relaxed) {
                bail!("ended while it waited for {what}");
            }
            if since.elapsed() > within {
                bail!("waited {} s for {what}", within.as_secs());
            }
            thread::sleep(LOOKS_EVERY);
        }
    }

    fn tell_news(&mut self) -> anyhow::Result<()> {
        for told in self.narrator.news()? {
            (self.tell)(&self.page.demo_line(self.narrator.elapsed(), &told.service, told.tone, &told.text));
        }
        Ok(())
    }

    fn act(&self, number: usize, title: &str) {
        (self.tell)(&self.page.demo_act(number, title));
    }

    fn note(&self, service: &str, says: &str) {
        (self.tell)(&self.page.demo_line(self.narrator.elapsed(), service, Tone::Plain, says));
    }

    fn sum_up(&self) {
        let mut text = self.page.demo_act(7, "what came of it");
        let _ = write!(text, "{}", self.page.demo_summary(&self.rows));
        text.push('\n');
        text += &self.page.demo_text(
            "Next: `healer run` watches this host's Docker engine without a configuration; `healer check --keys` lists \
             what can be set, such as services of your own (`host.services`); `healer install` makes it a service.",
        );
        (self.tell)(&text);
    }

    /// Until somebody ends it.
    fn go_on(&mut self) -> anyhow::Result<()> {
        let dir = self.stage.state_dir();
        let dir = dir.display();
        let pid = self.stage.pid_of("api").unwrap_or_default();
        let says = format!(
            "The services run on, for you to try. In another terminal: `kill -9 {pid}` kills api; `healer --state-dir \
             {dir} status` shows how all stands, `healer --state-dir {dir} why api` why. Ctrl-C ends the demo."
        );
        (self.tell)(&format!("\n{}\n", self.page.demo_text(&says)));
        while !self.ended.load(Ordering::Relaxed) {
            self.tell_news()?;
            thread::sleep(LOOKS_EVERY);
        }
        Ok(())
    }
}

fn spoken(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
