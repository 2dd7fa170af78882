//! What a program prints: `log` in its folder, since its last start; the one of the life before is `log.before`.
//!
//! The program writes into the file itself, so that nothing of healer's stands in its way. What grows too long is cut at
//! its beginning: the program appends, and goes on at the new end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use evidence::Reducer;
use model::complaint::Complaint;
use model::incident::Excerpt;

const NAME: &str = "log";
const BEFORE: &str = "log.before";
/// A log that is longer than this, in bytes, is cut.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// So much of its end is kept then.
const KEPT_BYTES: u64 = 1024 * 1024;
/// So much of its end is read for an incident.
const READ_BYTES: u64 = 4 * 1024 * 1024;

/// The file for a new life.
pub(crate) fn begin(folder: &Path) -> io::Result<File> {
    let _ = fs::rename(folder.join(NAME), folder.join(BEFORE));
    OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(folder.join(NAME))
}

/// Cuts it, if it has grown too long; its last part is the one of before then.
pub(crate) fn shorten(folder: &Path) -> io::Result<()> {
    let path = folder.join(NAME);
    if fs::metadata(&path)?.len() <= LOG_BYTES_MAX {
        return Ok(());
    }
    let end = tail(&path, KEPT_BYTES)?.0;
    fs::write(folder.join(BEFORE), end)?;
    OpenOptions::new().write(true).open(&path)?.set_len(0)
}

/// The lines that matter of the present life.
pub(crate) fn read(folder: &Path) -> io::Result<Excerpt> {
    let (text, whole) = match tail(&folder.join(NAME), READ_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Excerpt::default()),
        other => other?,
    };
    Ok(reduced(&text, !whole))
}

/// The lines that matter of a log. `cut`: there was more before.
pub(crate) fn reduced(text: &[u8], cut: bool) -> Excerpt {
    let mut reducer = Reducer::default();
    if cut {
        reducer.cut();
    }
    reducer.feed(text);
    let mut excerpt = reducer.finish();
    tell_who_listens(&mut excerpt);
    excerpt
}

/// Says of a log that complains of a taken port who listens there at present.
fn tell_who_listens(excerpt: &mut Excerpt) {
    let taken = excerpt.lines.iter_mut().rev().find_map(|line| match &mut line.complaint {
        Some(Complaint::AddressInUse { port: Some(port), by, .. }) => Some((*port, by)),
        Some(_) | None => None,
    });
    if let Some((port, by)) = taken {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        *by = linux::listener(own, port).map(linux::named);
    }
}

/// The last bytes of a file, and whether that is all of it.
fn tail(path: &Path, bytes_max: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let from = len.saturating_sub(bytes_max);
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(bytes_max).read_to_end(&mut text)?;
    Ok((text, from == 0))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_log_that_grows_too_long_is_cut_and_written_on_at_its_new_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = begin(folder.path()).unwrap();
        let line = b"all is well, and this is one of very many lines that say so\n";
        for _ in 0..=LOG_BYTES_MAX / line.len() as u64 {
            log.write_all(line).unwrap();
        }
        log.write_all(b"panic: the queue is on fire\n").unwrap();
        shorten(folder.path()).unwrap();
        assert_eq!(fs::metadata(folder.path().join(NAME)).unwrap().len(), 0);
        let kept = fs::read(folder.path().join(BEFORE)).unwrap();
        assert!(kept.len() as u64 <= KEPT_BYTES && kept.ends_with(b"on fire\n"));
        log.write_all(b"error: no more\n").unwrap();
        let lines = read(folder.path()).unwrap().lines;
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["error: no more"]);
    }
}
