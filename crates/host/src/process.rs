//! Which process is which: a number is used again, a number with its start and the machine's boot is not.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// When it was started, in ticks since the boot (`/proc/PID/stat`, field 22).
    pub(crate) started_ticks: u64,
    pub(crate) boot: String,
}

impl Process {
    /// The process that has this number at present.
    pub(crate) fn of(pid: Pid) -> Option<Process> {
        let pid = pid.as_raw_nonzero().get();
        Some(Process { pid, started_ticks: started_ticks(pid)?, boot: boot_id() })
    }

    /// A handle on it, if it still lives: whatever is done with that is done to no other process.
    pub(crate) fn open(&self) -> Option<Open> {
        if self.boot != boot_id() {
            return None;
        }
        let handle = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        // Only after it is held can its number not be given to another one unseen.
        (started_ticks(self.pid) == Some(self.started_ticks)).then_some(Open(handle))
    }
}

/// A process that lived when this was made.
#[derive(Debug)]
pub(crate) struct Open(OwnedFd);

impl Open {
    pub(crate) fn signal(&self, signal: Signal) {
        // One that has ended needs none.
        let _ = pidfd_send_signal(&self.0, signal);
    }
}

/// `None` also for one that has ended and was not reaped yet.
fn started_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Which boot of the machine this is; empty where the kernel does not tell.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_told_from_another_with_its_number() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let process = Process::of(pid).unwrap();
        assert!(process.open().is_some());
        let later = Process { started_ticks: process.started_ticks + 1, ..process.clone() };
        let booted = Process { boot: "another".to_owned(), ..process.clone() };
        assert!(later.open().is_none() && booted.open().is_none());
        child.kill().unwrap();
        let mut gone = false;
        while !std::mem::replace(&mut gone, process.open().is_none()) {
            // waits for a condition
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.wait().unwrap();
    }
}
