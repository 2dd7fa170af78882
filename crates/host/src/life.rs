//! The record of a program's last start: `life.jsonl` in its folder, written by its keeper, one line for each thing that
//! happened. The one before it is kept as `life.before.jsonl`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use model::complaint::StartError;
use model::fact::{Exit, Happening, Run, SourceTime, What};
use serde::{Deserialize, Serialize};

use crate::process::Process;

const NAME: &str = "life.jsonl";
const BEFORE: &str = "life.before.jsonl";
/// So ends what nobody was there to see end, as Docker has it.
const UNSEEN_END: i32 = 255;
/// What could not be started ends as a shell has it that finds no such program.
const NOT_STARTED: i32 = 127;
/// A record has some lines.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// It was started.
    Started { at: SourceTime, process: Process, keeper: Process },
    /// It could not be.
    Failed { at: SourceTime, error: String, start_error: Option<StartError> },
    /// healer asked it to end, or killed it.
    Signalled { at: SourceTime, signal: i32 },
    /// Its main process ended; `oom`: killed, in a moment in which the kernel killed something for want of memory.
    Died {
        at: SourceTime,
        code: i32,
        #[serde(default)]
        oom: bool,
    },
    /// It was asked to, and has ended with all that it had started.
    Stopped { at: SourceTime },
}

/// Where a life is written.
pub(crate) struct Record(File);

impl Record {
    /// Begins a new one.
    pub(crate) fn begin(folder: &Path) -> io::Result<Record> {
        let (path, before) = (folder.join(NAME), folder.join(BEFORE));
        match fs::rename(&path, before) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        Ok(Record(OpenOptions::new().create(true).append(true).mode(0o600).open(path)?))
    }

    /// Writes a line. What cannot be written is missed by whoever comes back, and by nobody who watches.
    pub(crate) fn write(&mut self, line: &Line) {
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        let _ = self.0.write_all(&text);
    }
}

/// What is written of the last start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Life {
    pub(crate) lines: Vec<Line>,
    /// When something of it was written last.
    written: SourceTime,
}

impl Life {
    /// Reads it; empty where there was none. A line that is not whole is not there yet.
    pub(crate) fn read(folder: &Path) -> Life {
        let path = folder.join(NAME);
        let Ok(about) = fs::metadata(&path).map(|about| (about.len(), about.modified())) else {
            return Life::default();
        };
        let text = if about.0 > RECORD_BYTES_MAX { Vec::new() } else { fs::read(&path).unwrap_or_default() };
        let lines = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let written = about.1.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Life { lines, written: SourceTime(i64::try_from(written.as_nanos()).unwrap_or(i64::MAX)) }
    }

    /// Its process, and its keeper's.
    pub(crate) fn processes(&self) -> Option<(&Process, &Process)> {
        self.lines.iter().find_map(|line| match line {
            Line::Started { process, keeper, .. } => Some((process, keeper)),
            Line::Failed { .. } | Line::Signalled { .. } | Line::Died { .. } | Line::Stopped { .. } => None,
        })
    }

    pub(crate) fn started(&self) -> Option<SourceTime> {
        self.lines.iter().find_map(|line| match line {
            Line::Started { at, .. } => Some(*at),
            Line::Failed { .. } | Line::Signalled { .. } | Line::Died { .. } | Line::Stopped { .. } => None,
        })
    }

    /// Whether its end was written down.
    pub(crate) fn has_ended(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Died { .. }))
    }

    /// What it does at present. `lives`: whether its process does.
    pub(crate) fn run(&self, lives: bool) -> Run {
        match self.started() {
            None => Run::Created,
            Some(_) if lives && !self.has_ended() => Run::Running,
            Some(_) => Run::Exited,
        }
    }

    /// How it ended, or why it could not be started. `lives`: whether its process does.
    pub(crate) fn exit(&self, lives: bool) -> Option<Exit> {
        let told = self.lines.iter().find_map(|line| match line {
            Line::Died { at, code, oom } => {
                Some(Exit { at: *at, code: *code, oom: *oom, error: String::new(), start_error: None })
            }
            Line::Failed { at, error, start_error } => Some(Exit {
                at: *at,
                code: NOT_STARTED,
                oom: false,
                error: error.clone(),
                start_error: start_error.clone(),
            }),
            Line::Started { .. } | Line::Signalled { .. } | Line::Stopped { .. } => None,
        });
        let unseen = self.started().filter(|_| !lives).map(|_| Exit {
            at: self.written,
            code: UNSEEN_END,
            oom: false,
            error: String::new(),
            start_error: None,
        });
        told.or(unseen)
    }

    /// The lines as what happens to any service.
    pub(crate) fn happenings(&self) -> Vec<Happening> {
        self.lines.iter().filter_map(happening).collect()
    }
}

/// A line as what happens to any service. That a start failed is told by a look.
pub(crate) fn happening(line: &Line) -> Option<Happening> {
    let (at, what) = match line {
        Line::Started { at, .. } => (*at, What::Started),
        Line::Signalled { at, signal } => {
            (*at, What::Signalled { signal: u8::try_from(*signal).unwrap_or(0), terminating: true })
        }
        Line::Died { at, code, .. } => (*at, What::Died { code: *code }),
        Line::Stopped { at } => (*at, What::Stopped),
        Line::Failed { .. } => return None,
    };
    Some(Happening { at, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32) -> Process {
        Process { pid, started_ticks: 7, boot: "b".to_owned() }
    }

    #[test]
    fn a_life_is_read_as_it_was_written_and_the_one_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Life::read(folder.path()).run(true), Run::Created);
        let mut record = Record::begin(folder.path()).unwrap();
        record.write(&Line::Started { at: SourceTime(1), process: process(10), keeper: process(9) });
        let life = Life::read(folder.path());
        assert_eq!((life.run(true), life.exit(true)), (Run::Running, None));
        assert_eq!(life.processes(), Some((&process(10), &process(9))));
        record.write(&Line::Died { at: SourceTime(2), code: 3, oom: false });
        let life = Life::read(folder.path());
        assert_eq!((life.run(true), life.exit(true).map(|exit| exit.code)), (Run::Exited, Some(3)));
        Record::begin(folder.path()).unwrap();
        assert_eq!(Life::read(folder.path()).lines, Vec::new());
        assert!(fs::read_to_string(folder.path().join(BEFORE)).unwrap().contains("died"));
    }

    #[test]
    fn whose_end_nobody_saw_has_ended_all_the_same() {
        let started = Line::Started { at: SourceTime(1), process: process(10), keeper: process(9) };
        let life = Life { lines: vec![started], written: SourceTime(5) };
        assert_eq!(life.run(false), Run::Exited);
        assert_eq!(life.exit(false).map(|exit| (exit.at, exit.code)), Some((SourceTime(5), UNSEEN_END)));
    }

    #[test]
    fn a_line_that_is_not_whole_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "{\"stopped\":{\"at\":1}}\n{\"died\":{\"at\":2,\"co").unwrap();
        assert_eq!(Life::read(folder.path()).lines, vec![Line::Stopped { at: SourceTime(1) }]);
    }
}
