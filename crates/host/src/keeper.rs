//! The process that stays with a program: its parent, and the one of whatever it leaves behind.
//!
//! It is asked to have the program end by USR1, and by nothing else: TERM is what a machine that goes down sends to all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use model::complaint::StartError;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper,
    setrlimit, setsid, wait,
};
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::life::{Life, Line, Record};
use crate::oom::Kills;
use crate::process::{Open, Process};
use crate::program::{Launch, Limits};
use crate::{alive, log, now, user};

const LOCK: &str = "lock";
/// It ends so where another keeper is at work in the same folder (`EX_TEMPFAIL` of sysexits.h).
pub(crate) const BUSY: u8 = 75;
/// What a program leaves behind may take so long to end before it is killed.
const LEFT_BEHIND_MAX: Duration = Duration::from_secs(2);
/// And so long in all; then the keeper goes, and what could not be killed stays.
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);
const LOOKS_EVERY: Duration = Duration::from_millis(10);
/// A log is looked at so often, whether it is too long.
const LOG_EVERY: Duration = Duration::from_millis(250);
/// Where programs are looked for if healer's own environment does not tell.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The keeper of what has its record there, if it lives.
pub(crate) fn of(folder: &Path) -> Option<Open> {
    Life::read(folder).processes()?.1.open()
}

/// The process of that keeper.
pub(crate) fn pid_of(folder: &Path) -> Option<i32> {
    let life = Life::read(folder);
    let (_, keeper) = life.processes()?;
    keeper.open().map(|_| keeper.pid)
}

/// Whether a keeper is at work in that folder: it holds the lock for as long as anything of its program lives.
pub(crate) fn is_at_work(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join(LOCK)) else { return false };
    flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
}

/// Runs the program that standard input tells of, and stays with it until nothing of it is left. What became of the start
/// is told on standard output, in one line.
#[must_use]
pub fn keep(folder: &Path) -> ExitCode {
    match kept(folder) {
        Ok(code) => code,
        Err(error) => {
            let failed = Line::Failed { at: now(), error: error.to_string(), start_error: None };
            tell(&failed);
            ExitCode::FAILURE
        }
    }
}

fn kept(folder: &Path) -> io::Result<ExitCode> {
    let launch: Launch = serde_json::from_reader(io::stdin())?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(folder.join(LOCK))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(ExitCode::from(BUSY)),
        other => other?,
    }
    let alive = alive::hold(folder)?;
    // Neither a terminal's Ctrl-C nor its end is meant for the program.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let mut signals = Signals::new([SIGCHLD, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP])?;
    let mut record = Record::begin(folder)?;
    let output = log::begin(folder)?;
    let child = match started(&launch, &output) {
        Ok(child) => child,
        Err(failed) => {
            record.write(&failed);
            tell(&failed);
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut kept = Kept { main: Pid::from_child(&child), record, launch, asked: false, kills: Arc::default() };
    kept.note_start();
    let (folder, kills) = (folder.to_owned(), kept.kills.clone());
    thread::spawn(move || {
        loop {
            kills.look();
            thread::sleep(LOG_EVERY);
            let _ = log::shorten(&folder);
        }
    });
    for signal in signals.forever() {
        match signal {
            SIGUSR1 => kept.ask(),
            SIGUSR2 => kept.kill(),
            SIGCHLD if kept.main_has_ended() => break,
            _ => {}
        }
    }
    kept.end();
    drop((lock, alive));
    Ok(ExitCode::SUCCESS)
}

/// A program under way.
struct Kept {
    main: Pid,
    record: Record,
    launch: Launch,
    /// It was asked to end.
    asked: bool,
    kills: Arc<Kills>,
}

impl Kept {
    fn note_start(&mut self) {
        // One that has ended already is no process any more, and none is looked for under its number.
        let gone = |pid: Pid| Process { pid: pid.as_raw_nonzero().get(), started_ticks: 0, boot: String::new() };
        let known = |pid: Pid| Process::of(pid).unwrap_or_else(|| gone(pid));
        let line = Line::Started { at: now(), process: known(self.main), keeper: known(getpid()) };
        self.record.write(&line);
        tell(&line);
    }

    /// Asks it to end, and kills it if it does not in its time.
    fn ask(&mut self) {
        if std::mem::replace(&mut self.asked, true) {
            return;
        }
        let signal = Signal::from_named_raw(self.launch.stop_signal).unwrap_or(Signal::TERM);
        self.record.write(&Line::Signalled { at: now(), signal: signal.as_raw() });
        let _ = kill_process_group(self.main, signal);
        let patience = Duration::from_secs(self.launch.stop_timeout_s.into());
        thread::spawn(move || {
            thread::sleep(patience);
            let _ = kill_process(getpid(), Signal::USR2);
        });
    }

    fn kill(&mut self) {
        self.record.write(&Line::Signalled { at: now(), signal: Signal::KILL.as_raw() });
        let _ = kill_process_group(self.main, Signal::KILL);
    }

    /// Reaps whoever has ended. Whether the main process has.
    fn main_has_ended(&mut self) -> bool {
        let mut ended = false;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.main {
                let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or(0);
                let killed = status.terminating_signal() == Some(Signal::KILL.as_raw());
                let oom = killed && !self.asked && self.kills.lately();
                self.record.write(&Line::Died { at: now(), code, oom });
                ended = true;
            }
        }
        ended
    }

    /// Ends what it has left behind, in its group or out of it: orphans are this process's children by now.
    fn end(&mut self) {
        let since = Instant::now();
        let mut asked = false;
        while is_parent() && since.elapsed() < GIVES_UP_AFTER {
            let late = since.elapsed() > LEFT_BEHIND_MAX;
            if late || !std::mem::replace(&mut asked, true) {
                let signal = if late { Signal::KILL } else { Signal::TERM };
                let _ = kill_process_group(self.main, signal);
                for orphan in children() {
                    let _ = kill_process(orphan, signal);
                }
            }
            thread::sleep(LOOKS_EVERY);
        }
        if self.asked {
            self.record.write(&Line::Stopped { at: now() });
        }
    }
}

/// Starts it, or says why it cannot be.
fn started(launch: &Launch, output: &File) -> Result<Child, Line> {
    let failed = |error: String, start_error: Option<StartError>| Line::Failed { at: now(), error, start_error };
    let Some((program, arguments)) = launch.command.split_first() else {
        return Err(failed("its command is empty".to_owned(), None));
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()));
    command.envs(&launch.environment).current_dir(&launch.working_dir).process_group(0).stdin(Stdio::null());
    if let Some(user) = &launch.user {
        let unknown = |error| failed(error, Some(StartError::UserUnknown { user: user.clone() }));
        let (uid, gid) = user::ids_of(user).map_err(unknown)?;
        command.uid(uid).gid(gid);
    }
    for set in [Command::stdout, Command::stderr] {
        let output = output.try_clone().map_err(|error| failed(format!("its log: {error}"), None))?;
        set(&mut command, Stdio::from(output));
    }
    limit(launch.limits).map_err(|error| failed(format!("its limits: {error}"), None))?;
    command.spawn().map_err(|error| why_not(launch, program, &error))
}

/// What the kernel's word on a start means.
fn why_not(launch: &Launch, program: &str, error: &io::Error) -> Line {
    let command = program.to_owned();
    let folder = launch.working_dir.display();
    let (error, start_error) = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) if !launch.working_dir.is_dir() => (format!("its working_dir {folder} is not there"), None),
        Some(Errno::NOENT) => {
            (format!("{program}: there is no such program"), Some(StartError::CommandNotFound { command }))
        }
        Some(Errno::ACCESS) => (format!("{program}: it may not be run"), Some(StartError::NotExecutable { command })),
        Some(Errno::NOEXEC) => (
            format!("{program}: it is no program for this machine, and no script that says what reads it"),
            Some(StartError::NotExecutable { command }),
        ),
        _ => (format!("{program}: {error}"), None),
    };
    Line::Failed { at: now(), error, start_error }
}

/// What holds for this process holds for those that it starts.
fn limit(Limits { memory_bytes, open_files, processes }: Limits) -> io::Result<()> {
    for (resource, most) in
        [(Resource::Data, memory_bytes), (Resource::Nofile, open_files), (Resource::Nproc, processes)]
    {
        if most.is_some() {
            setrlimit(resource, Rlimit { current: most, maximum: most })?;
        }
    }
    Ok(())
}

/// Whoever asked may be gone by now; the record tells all the same.
fn tell(line: &Line) {
    let mut out = io::stdout();
    let text = serde_json::to_string(line).unwrap_or_default();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Reaps whoever has ended. Whether there are children left.
fn is_parent() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// This process's children, as `/proc` has them.
fn children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().get();
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let parent = |pid: i32| -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    numbers.filter(|pid| parent(*pid) == Some(own)).filter_map(Pid::from_raw).collect()
}
