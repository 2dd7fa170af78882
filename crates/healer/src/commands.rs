//! What each command does: get the value, draw or print it, and say how it ended.

mod policies;

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::CommandFactory as _;
use engine::view::{self, Unclear};
use jiff::tz::TimeZone;
use model::command::{Ask, CommandId, Reply, ReplyLine};
use model::settings::Settings;
use model::view::{Resource, Standing, Status, Why};
use model::{ResourceId, Wall};
use serde::Serialize;

use crate::cli::{Brief, Cli, Colour, Command, Exit, Format, Global, Simulate};
use crate::config::{self, Config, Errors, Finding, Flags};
use crate::live::Daemon;
use crate::render::{self, Page, Source};
use crate::source::{House, Part, Trouble};
use crate::{backup, daemon, demo, doctor, install, simulate, source, volumes};

/// How many columns are used where nobody says how wide the page is: into a pipe, a file, a log.
const WIDTH_UNKNOWN: usize = 100;
/// The narrowest page that is drawn for.
const WIDTH_MIN: usize = 40;
/// Of a deployment, so many services have their story told: each is a question to healer.
const STORIES_MAX: usize = 5;
/// `incidents` shows what ended within this, too: what happened overnight is what is asked for in the morning.
const RECENT: Duration = Duration::from_secs(24 * 3_600);

/// Does what the command line says.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let desk = Desk::new(&cli.global);
    match cli.command {
        Command::Keep { folder } => host::keep(&folder),
        Command::Demo { once } => desk.demo(once),
        Command::DemoService { name, port, broken } => demo::service::serve(&name, port, &broken),
        Command::Run { once } => desk.daemon(once),
        Command::Simulate(args) => desk.simulate(&args).into(),
        Command::Brief(brief) => desk.done(brief).into(),
    }
}

/// What all commands need: who reads, and where the configuration is.
struct Desk {
    format: Format,
    page: Page,
    flags: Flags,
    out: RefCell<Box<dyn Write>>,
    err: RefCell<Box<dyn Write>>,
    /// Whether the error stream shows colours.
    colour_errors: bool,
    /// How wide the error stream's terminal is; `None` where it is none, and one line stays one.
    err_width: Option<usize>,
}

impl Desk {
    fn new(global: &Global) -> Desk {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = |terminal: bool| match global.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !no_color && !dumb,
        };
        let page = Page {
            width: width(columns(&io::stdout()), std::env::var("COLUMNS").ok().as_deref(), columns(&io::stderr())),
            colour: colour(io::stdout().is_terminal()),
            zone: TimeZone::system(),
            now: now(),
            source: Source::Daemon,
        };
        let flags = Flags { config: global.config.clone(), state_dir: global.state_dir.clone() };
        Desk {
            format: global.format,
            page,
            flags,
            out: RefCell::new(Box::new(io::stdout())),
            err: RefCell::new(Box::new(io::stderr())),
            colour_errors: colour(io::stderr().is_terminal()),
            err_width: columns(&io::stderr()).map(|width| width.max(WIDTH_MIN)),
        }
    }

    fn done(&self, command: Brief) -> Exit {
        self.carry_out(command).unwrap_or_else(|trouble| {
            match self.format {
                Format::Text => self.complain(&trouble.to_string()),
                Format::Json => self.show(&Failure { error: trouble.to_string() }, String::new),
            }
            match trouble {
                Trouble::NotRunning(_) => Exit::NotRunning,
                Trouble::Failed(_) => Exit::Failed,
            }
        })
    }

    fn carry_out(&self, command: Brief) -> Result<Exit, Trouble> {
        match command {
            Brief::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "healer", &mut script);
                self.say(&String::from_utf8_lossy(&script));
                Ok(Exit::Fine)
            }
            Brief::Backup { file } => {
                let copied = backup::backup(&self.where_to_look()?.0, &file).map_err(Trouble::Failed)?;
                self.show(&copied, || copied.text());
                Ok(Exit::Fine)
            }
            Brief::Install(args) => {
                let installed = install::install(&args).map_err(Trouble::Failed)?;
                self.show(&installed, || installed.says.join("\n") + "\n");
                Ok(Exit::Fine)
            }
            Brief::Doctor => {
                let all = doctor::examine(&self.flags);
                self.show(&all, || render::doctor(&all, &self.page));
                let hinders = all.iter().any(|found| found.verdict == doctor::Verdict::Hinders);
                Ok(if hinders { Exit::Failed } else { Exit::Fine })
            }
            Brief::Disks { all } => Ok(self.disks(all)),
            Brief::Check { keys: true } => {
                let keys = config::keys();
                self.show(&keys, || render::keys(&keys, &self.page));
                Ok(Exit::Fine)
            }
            Brief::Check { keys: false } => Ok(self.check()),
            Brief::Status { all, check } => self.status(all, check),
            Brief::Incidents { id: Some(id), .. } => self.why(&id, true),
            Brief::Incidents { id: None, all } => self.incidents(all),
            Brief::Why { words } => self.why(&words, false),
            Brief::History { since, alerts_only, limit } => self.history(Part { since, alerts_only, limit }),
            Brief::Policies { explain } => self.policies(explain),
            Brief::Start(names) => self.ask_each(&names.names, Ask::Start),
            Brief::Stop(names) => self.ask_each(&names.names, Ask::Stop),
            Brief::Restart { names, dependents: false } => self.ask_each(&names.names, Ask::Restart),
            Brief::Restart { names, dependents: true } => self.ask_each(&names.names, Ask::RestartAll),
            Brief::Pull(names) => self.ask_each(&names.names, Ask::Pull),
            Brief::Rebuild(names) => self.ask_each(&names.names, Ask::Rebuild),
            Brief::Adopt(names) => self.ask_each(&names.names, Ask::Adopt),
            Brief::Approve { id } => self.ask_of(&id, Ask::Approve),
            Brief::Reject { id, reason } => {
                self.ask_of(&id, |incident| Ask::Reject { incident, because: reason.clone() })
            }
            Brief::Ack { id } => self.ask_of(&id, Ask::Acknowledge),
            Brief::Freeze { reason } => self.freeze(reason),
            Brief::Thaw => self.ask(Ask::Thaw),
        }
    }

    fn daemon(&self, once: bool) -> ExitCode {
        match config::load_to_run(&self.flags) {
            Ok(config) => self.ended(daemon::run(config, once)),
            Err(wrong) => {
                self.tell_wrong(&wrong);
                Exit::Wrong.into()
            }
        }
    }

    fn demo(&self, once: bool) -> ExitCode {
        self.ended(demo::run(&self.page, &|text| self.say(text), once).map(ExitCode::from))
    }

    /// Fails if a promise was broken in one of the worlds, or they did not reach what they should.
    fn simulate(&self, args: &Simulate) -> Exit {
        let played = simulate::run(args);
        self.show(&played, || played.text());
        if played.good { Exit::Fine } else { Exit::Failed }
    }

    fn ended(&self, result: anyhow::Result<ExitCode>) -> ExitCode {
        result.unwrap_or_else(|error| {
            self.complain(&told(&error));
            Exit::Failed.into()
        })
    }

    fn disks(&self, all: bool) -> Exit {
        match config::load(&self.flags) {
            Ok(config) => {
                let volumes = volumes::examine(&config.here.disks);
                self.show(&volumes, || render::disks(&volumes, all, &self.page));
                Exit::Fine
            }
            Err(wrong) => {
                self.tell_wrong(&wrong);
                Exit::Wrong
            }
        }
    }

    fn check(&self) -> Exit {
        match config::load_to_run(&self.flags) {
            Ok(config) => {
                self.show(&checked(Some(&config), &[], &config.warnings), || render::check(&config, &self.page));
                Exit::Fine
            }
            Err(wrong) if self.format == Format::Json => {
                self.show(&checked(None, &wrong.errors, &wrong.warnings), String::new);
                Exit::Wrong
            }
            Err(wrong) => {
                self.tell_wrong(&wrong);
                Exit::Wrong
            }
        }
    }

    fn status(&self, all: bool, check: bool) -> Result<Exit, Trouble> {
        let mut house = self.open()?;
        let status = house.status()?;
        let page = self.page_of(&house);
        self.show(&status, || render::status(&status, all, &page));
        Ok(match (check, page.source) {
            (true, Source::Journal(_)) => Exit::NotRunning,
            (true, Source::Daemon) if needs_person(&status) => Exit::Failed,
            (true | false, Source::Daemon | Source::Journal(_)) => Exit::Fine,
        })
    }

    fn incidents(&self, all: bool) -> Result<Exit, Trouble> {
        let mut house = self.open()?;
        let mut incidents = house.incidents()?;
        incidents.retain(|incident| all || incident.ended.is_none_or(|ended| self.page.now.since(ended) <= RECENT));
        let page = self.page_of(&house);
        self.show(&incidents, || render::incidents(&incidents, all, &page));
        Ok(Exit::Fine)
    }

    /// `incident`: the words can only mean one. Else a bare number does, too.
    fn why(&self, words: &str, incident: bool) -> Result<Exit, Trouble> {
        let mut house = self.open()?;
        let number = words.strip_prefix('#').unwrap_or(words);
        let incident = incident || number.parse::<u64>().is_ok();
        let words = if incident { house.incident(words)?.to_string() } else { words.to_owned() };
        let why = house.why(&words)?;
        let services = if incident { Vec::new() } else { house.services(&words)? };
        let page = self.page_of(&house);
        if services.is_empty() {
            self.show(&why, || render::why(&why, &page));
        } else {
            let whole = Whole::of(&mut house, why, services)?;
            self.show(&whole, || whole.drawn(&words, &page));
        }
        Ok(Exit::Fine)
    }

    fn history(&self, part: Part) -> Result<Exit, Trouble> {
        let mut house = self.open()?;
        let history = house.history(part)?;
        let page = self.page_of(&house);
        self.show(&history.lines, || render::history(&history.lines, &page));
        Ok(Exit::Fine)
    }

    fn ask_each(&self, names: &[String], ask: impl Fn(String) -> Ask) -> Result<Exit, Trouble> {
        let daemon = self.connect()?;
        // Where that cannot be told, healer itself says what it makes of the words: a stop does not wait for a status.
        let known = known(&daemon).unwrap_or_default();
        let asks = names.iter().map(|words| named(&known, words).map(&ask));
        self.ask_of_daemon(&daemon, asks.collect())
    }

    fn ask_of(&self, id: &str, ask: impl Fn(model::incident::IncidentId) -> Ask) -> Result<Exit, Trouble> {
        let id = House::Live(self.connect()?).incident(id)?;
        self.ask(ask(id))
    }

    fn ask(&self, ask: Ask) -> Result<Exit, Trouble> {
        self.ask_of_daemon(&self.connect()?, vec![Ok(ask)])
    }

    /// A freeze that is pressed again without a reason keeps the one that it was given. Whatever is or is not known of it, it
    /// is pressed.
    fn freeze(&self, reason: String) -> Result<Exit, Trouble> {
        let daemon = self.connect()?;
        let frozen = || daemon.status().ok()?.frozen;
        let because = if reason.is_empty() { frozen().map_or(reason, |frozen| frozen.because) } else { reason };
        self.ask_of_daemon(&daemon, vec![Ok(Ask::Freeze { because })])
    }

    /// Asks one after the other, also after one that was refused: each stands for itself. What it is already known that
    /// healer would not understand is refused here.
    fn ask_of_daemon(&self, daemon: &Daemon, asks: Vec<Result<Ask, Unclear>>) -> Result<Exit, Trouble> {
        let reply = |ask: &Result<Ask, Unclear>| match ask {
            Ok(ask) => self.ask_to_the_end(daemon, ask),
            Err(unclear) => Ok(not_understood(unclear)),
        };
        let replies = asks.iter().map(reply).collect::<Result<Vec<Reply>, Trouble>>()?;
        let taken = replies.iter().all(|reply| reply.taken);
        let failed = replies.iter().flat_map(|reply| &reply.lines).any(|line| line.failed);
        self.show(&replies, || replies.iter().map(|reply| render::reply(reply, &self.page)).collect());
        Ok(match (taken, failed) {
            (false, _) => Exit::Refused,
            (true, true) => Exit::Failed,
            (true, false) => Exit::Fine,
        })
    }

    /// An image is fetched for minutes: who stands at a terminal waits for that, and may leave.
    fn ask_to_the_end(&self, daemon: &Daemon, ask: &Ask) -> Result<Reply, Trouble> {
        let reply = daemon.ask(ask)?;
        if !reply.under_way || !matches!(ask, Ask::Pull(_) | Ask::Rebuild(_)) {
            return Ok(reply);
        }
        self.complain("its image is still being fetched; Ctrl-C leaves that to healer");
        daemon.wait_for(ask, reply)
    }

    fn open(&self) -> Result<House, Trouble> {
        let (dir, settings) = self.where_to_look()?;
        House::open(&dir, &settings, self.page.now)
    }

    fn connect(&self) -> Result<Daemon, Trouble> {
        Daemon::connect(&self.where_to_look()?.0)
    }

    /// A wrong configuration keeps nobody from looking: only the directory matters for that.
    fn where_to_look(&self) -> Result<(std::path::PathBuf, Settings), Trouble> {
        match config::load(&self.flags) {
            Ok(config) => Ok((source::state_dir(&config), config.settings)),
            Err(wrong) => match &wrong.state_dir {
                Some(dir) => {
                    self.complain("the configuration is wrong, `healer check` says how; looking nevertheless");
                    Ok((dir.clone(), Settings::default()))
                }
                None => Err(Trouble::Failed(format!("{wrong}; name healer's directory with --state-dir"))),
            },
        }
    }

    fn page_of(&self, house: &House) -> Page {
        if let (House::Dead(_), Format::Json) = (house, self.format) {
            self.complain("healer is not running; this is what its journal says");
        }
        Page { source: house.source(), ..self.page.clone() }
    }

    fn tell_wrong(&self, wrong: &Errors) {
        let page = Page { colour: self.colour_errors, ..self.page.clone() };
        // The errors last: there a reader of many lines looks first.
        let mut out = render::warnings(&wrong.warnings, &page);
        out.push_str(&render::errors(&wrong.errors, &page));
        let count = wrong.errors.len();
        let errors = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        let says =
            format!("{errors} in the configuration; nothing was touched. `healer check --keys` lists every key.");
        out.push_str(&render::complaint(&says, self.err_width));
        // Where the error stream is closed, nobody reads.
        let _ = self.err.borrow_mut().write_all(out.as_bytes());
    }

    fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        match self.format {
            Format::Text => self.say(&text()),
            Format::Json => match serde_json::to_string_pretty(value) {
                Ok(json) => self.say(&format!("{json}\n")),
                Err(error) => self.complain(&format!("failed to write JSON: {error}")),
            },
        }
    }

    /// Whoever reads may have gone away (`healer history | head`): that is no failure.
    fn say(&self, text: &str) {
        let mut out = self.out.borrow_mut();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn complain(&self, text: &str) {
        let says = render::complaint(&format!("healer: {text}"), self.err_width);
        let _ = self.err.borrow_mut().write_all(says.as_bytes());
    }
}

/// All that healer knows.
fn known(daemon: &Daemon) -> Result<Vec<ResourceId>, Trouble> {
    let deployments = daemon.status()?.deployments.into_iter();
    Ok(deployments.flat_map(|deployment| deployment.resources).map(|resource| resource.id).collect())
}

/// The words as healer understands them: a bare service name stands for the one service that has it. Of what nothing is
/// called, healer says so itself.
fn named(known: &[ResourceId], words: &str) -> Result<String, Unclear> {
    match view::meant(known, words).as_deref() {
        Ok([one]) if !one.answers_to(words) => Ok(view::told_apart(known, one)),
        Ok(_) | Err(Unclear::Nothing) => Ok(words.to_owned()),
        Err(several @ Unclear::Several { .. }) => Err(several.clone()),
    }
}

fn not_understood(unclear: &Unclear) -> Reply {
    let line = ReplyLine { resource: None, text: unclear.to_string(), failed: true };
    Reply::new(CommandId(String::new()), false, vec![line])
}

/// What kept the daemon from its work, outermost first. That the journal cannot be opened says of itself what is in the
/// way and what to do: another word before it would only hide that.
fn told(error: &anyhow::Error) -> String {
    match error.source().and_then(|source| source.downcast_ref::<store::Error>()) {
        Some(unusable @ store::Error::Unusable(_)) => unusable.to_string(),
        Some(_) | None => format!("{error:#}"),
    }
}

/// Also where something keeps healer from its work: nobody else would see to that.
fn needs_person(status: &Status) -> bool {
    let stands_so = |deployment: &model::view::Deployment| {
        matches!(deployment.standing, Standing::NeedsYou)
            || deployment.resources.iter().any(|resource| matches!(resource.standing, Standing::NeedsYou))
    };
    let kept_from_work = !status.warnings.is_empty() || status.sources.iter().any(|source| !source.well);
    kept_from_work || !status.waiting.is_empty() || status.deployments.iter().any(stands_so)
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A terminal knows best how wide it is: an exported `COLUMNS` does not follow when its window is made wider. Through a
/// pipe (`healer status | head`) a page mostly ends on the terminal that the errors go to.
fn width(terminal: Option<usize>, columns: Option<&str>, errors: Option<usize>) -> usize {
    let told = || columns?.trim().parse().ok().filter(|width| *width > 0);
    terminal.or_else(told).or(errors).unwrap_or(WIDTH_UNKNOWN).max(WIDTH_MIN)
}

/// How wide a terminal is; `None` if it is none, or does not say.
fn columns(of: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(of).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// `why` of a deployment with several services: besides what is said of the one that needs a person most, each service,
/// and the stories of those that are not well.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    why: Why,
    services: Vec<Resource>,
    stories: Vec<Why>,
    /// Of so many more there would be a story.
    untold: usize,
}

impl Whole {
    fn of(house: &mut House, why: Why, services: Vec<Resource>) -> Result<Whole, Trouble> {
        let not_well: Vec<&Resource> = services.iter().filter(|service| has_story(service.standing)).collect();
        let told = not_well.iter().take(STORIES_MAX).map(|service| house.why(service.id.as_str()));
        let stories = told.collect::<Result<Vec<Why>, Trouble>>()?;
        let untold = not_well.len() - stories.len();
        Ok(Whole { why, services, stories, untold })
    }

    fn drawn(&self, name: &str, page: &Page) -> String {
        let Whole { why, services, stories, untold } = self;
        render::deployment((name, services), &why.incidents, (stories, *untold), page)
    }
}

/// Whether there is more to tell of a service of a deployment than its one line.
fn has_story(standing: Standing) -> bool {
    match standing {
        Standing::NeedsYou | Standing::Healing | Standing::Held | Standing::Unknown => true,
        Standing::Unseen | Standing::Stopped => true,
        Standing::Well | Standing::Absent | Standing::Done | Standing::Watched => false,
    }
}

/// What `--format json` prints in place of an answer.
#[derive(Serialize)]
struct Failure {
    error: String,
}

/// `check --format json`.
#[derive(Serialize)]
struct Checked<'a> {
    right: bool,
    file: Option<String>,
    files: Vec<String>,
    errors: Vec<Problem<'a>>,
    warnings: Vec<Problem<'a>>,
    settings: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Problem<'a> {
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    key: &'a str,
    says: &'a str,
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    value: &'a str,
    from: String,
}

fn checked<'a>(config: Option<&'a Config>, errors: &'a [Finding], warnings: &'a [Finding]) -> Checked<'a> {
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let shown = |setting: &'a config::Setting| Shown {
        key: &setting.key,
        value: &setting.value,
        from: setting.origin.to_string(),
    };
    Checked {
        right: errors.is_empty(),
        file: config.and_then(|config| config.file.as_ref().map(path)),
        files: config.map_or_else(Vec::new, |config| config.files.iter().map(path).collect()),
        errors: errors.iter().map(problem).collect(),
        warnings: warnings.iter().map(problem).collect(),
        settings: config.map_or_else(Vec::new, |config| config.origins.iter().map(shown).collect()),
    }
}

fn problem(finding: &Finding) -> Problem<'_> {
    Problem {
        file: finding.file.as_ref().map(|file| file.display().to_string()),
        line: finding.at.map(|(line, _)| line),
        column: finding.at.map(|(_, column)| column),
        key: &finding.key,
        says: &finding.says,
    }
}

#[cfg(test)]
mod tests;
