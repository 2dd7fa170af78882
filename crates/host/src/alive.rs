//! How a keeper's end is waited for: it holds the pipe `alive` of its folder open for writing, and whoever reads there comes
//! to its end when it has ended, however it did.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use tokio::net::unix::pipe;

use crate::process::Process;

const NAME: &str = "alive";

/// Makes it known that this process lives, for as long as it keeps what it is given.
pub(crate) fn hold(folder: &Path) -> io::Result<File> {
    let path = folder.join(NAME);
    match mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    // Also for reading: a pipe that nobody reads cannot be opened for writing alone.
    OpenOptions::new().read(true).write(true).open(path)
}

/// Waits until that keeper has ended.
pub(crate) async fn ended(folder: &Path, keeper: &Process) {
    let Ok(pipe) = pipe::OpenOptions::new().open_receiver(folder.join(NAME)) else { return };
    // A pipe that nobody holds by now would never come to its end.
    if keeper.open().is_none() {
        return;
    }
    loop {
        if pipe.readable().await.is_err() {
            return;
        }
        match pipe.try_read(&mut [0; 16]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::getpid;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_woken_when_nobody_holds_it_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let this = Process::of(getpid()).unwrap();
        let held = hold(folder.path()).unwrap();
        let (path, keeper) = (folder.path().to_owned(), this.clone());
        let waiting = tokio::spawn(async move { ended(&path, &keeper).await });
        let waits = tokio::time::timeout(Duration::from_millis(50), ended(folder.path(), &this)).await;
        assert!(waits.is_err(), "it is held");
        drop(held);
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
        let gone = Process { boot: "another".to_owned(), ..this };
        tokio::time::timeout(Duration::from_secs(10), ended(folder.path(), &gone)).await.unwrap();
    }
}
