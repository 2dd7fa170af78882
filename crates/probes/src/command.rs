//! A command that tells by its exit code: `{command: [/usr/local/bin/check-backup], every: 1h, timeout: 30s}`.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::answer::Answer;
use crate::dial::Deadline;
use crate::said;
use crate::trouble::{Stage, Trouble, Unexpected};

/// As much of what it prints as is read.
const PRINTED_BYTES_MAX: u64 = 4 * 1024;

/// Runs a command in a group of its own, which ends with this call, however that ends.
pub(crate) async fn ask(words: &[String], deadline: &Deadline) -> Result<Answer, Trouble> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Trouble::Unaskable { why: "the command is empty".to_owned() });
    };
    let (status, printed) = deadline.answer(program, Stage::Answer, run(program, arguments)).await??;
    if status.success() {
        return Ok(Answer::default());
    }
    let says = said(String::from_utf8_lossy(&printed).trim());
    Err(Trouble::Wrong { who: program.clone(), what: Unexpected::Exit { code: status.code(), says } })
}

async fn run(program: &str, arguments: &[String]) -> Result<(ExitStatus, Vec<u8>), Trouble> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Trouble::Unaskable { why: format!("{program} cannot be run: {error}") })?;
    let _group = Group::of(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let printed = async {
        let mut text = Vec::new();
        if let Some(out) = out {
            let _ = out.take(PRINTED_BYTES_MAX).read_to_end(&mut text).await;
        }
        if let Some(err) = err {
            let _ = err.take(PRINTED_BYTES_MAX).read_to_end(&mut text).await;
        }
        text
    };
    // One that prints for ever is not waited for at its pipe.
    let (status, printed) = tokio::join!(child.wait(), printed);
    let status =
        status.map_err(|error| Trouble::Unaskable { why: format!("{program} cannot be waited for: {error}") })?;
    Ok((status, printed))
}

/// The processes of one command.
struct Group(Option<Pid>);

impl Group {
    fn of(leader: Option<u32>) -> Group {
        Group(leader.and_then(|id| Pid::from_raw(id.cast_signed())))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Nobody is left in it, mostly.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
