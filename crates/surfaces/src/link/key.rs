//! The key that signs links: 32 random bytes in `state_dir`, made at the first start, for healer's user alone.
//!
//! A key that cannot be trusted is not used, and healer heals on without links: whoever is asked has the commands.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The key's name in `state_dir`.
pub const KEY_FILE: &str = "link.key";
/// Its length.
const KEY_BYTES: usize = 32;
/// Its owner reads and writes it.
const MODE: u32 = 0o600;
/// Whoever else could.
const OTHERS: u32 = 0o077;

/// A key. Its `Debug` shows nothing of it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

/// Why there is no key: what is wrong, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file holds something else than a key.
    #[error("{} has {bytes} bytes, and not {KEY_BYTES}: delete it, healer makes a new one at its next start", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// Others may know it: then they can sign what healer believes.
    #[error(
        "{} is open to others (mode {mode:04o}), who may know it: delete it, healer makes a new one at its next start",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is something else of this name.
    #[error("{} is no file: move it away, healer makes a key at its next start", .0.display())]
    NoFile(PathBuf),
    /// The system failed.
    #[error("failed to {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: io::Error,
    },
}

impl Key {
    /// Reads the key of this state directory, and makes one if it has none.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(state_dir: &Path) -> Result<Key, KeyError> {
        let path = state_dir.join(KEY_FILE);
        match read(&path)? {
            Some(key) => Ok(key),
            None => make(state_dir, &path),
        }
    }

    /// The bytes, for the one place that signs and verifies.
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn of(bytes: [u8; KEY_BYTES]) -> Key {
        Key(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> KeyError + use<> {
    let what = format!("{what} {}", path.display());
    move |error| KeyError::Io { what, error }
}

fn read(path: &Path) -> Result<Option<Key>, KeyError> {
    // Looked at before it is opened: what is no file may keep whoever opens it waiting for ever.
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if !found.is_file() => return Err(KeyError::NoFile(path.to_owned())),
        Ok(_) => {}
    }
    let file = File::open(path).map_err(failed("read", path))?;
    let found = file.metadata().map_err(failed("look at", path))?;
    let mode = found.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(KEY_BYTES + 1);
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    let key = bytes.try_into().map_err(|_| KeyError::NoKey { path: path.to_owned(), bytes: found.len() })?;
    Ok(Some(Key(key)))
}

/// The key is written under another name, brought to the disk, and then renamed: there is the whole of it or none. The
/// journal's lock sees to it that nobody else makes one at the same time.
fn make(state_dir: &Path, path: &Path) -> Result<Key, KeyError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::getrandom(&mut bytes).map_err(|error| {
        let error = io::Error::other(error.to_string());
        KeyError::Io { what: "draw a key from the kernel".to_owned(), error }
    })?;
    let fresh = state_dir.join(format!("{KEY_FILE}.new"));
    match fs::remove_file(&fresh) {
        // A start that was cut short left it.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("remove", &fresh)(error)),
    }
    let written = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&fresh).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    written.map_err(failed("write", &fresh))?;
    fs::rename(&fresh, path).map_err(failed("put the key at", path))?;
    File::open(state_dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", state_dir))?;
    Ok(Key(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_no_two_are_the_same() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // As a start that was cut short leaves it.
        fs::write(one.path().join("link.key.new"), "half").unwrap();
        let key = Key::open(one.path()).unwrap();
        assert_eq!(Key::open(one.path()).unwrap(), key);
        assert_ne!(Key::open(other.path()).unwrap(), key);
        let file = fs::metadata(one.path().join(KEY_FILE)).unwrap();
        assert_eq!((file.mode() & 0o7777, file.len()), (0o600, 32));
        assert_eq!(fs::read_dir(one.path()).unwrap().count(), 1, "something was left behind");
    }

    #[test]
    fn a_key_that_cannot_be_trusted_is_not_used_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        for (bytes, mode, expect) in [
            (&[][..], 0o600, "has 0 bytes, and not 32: delete it"),
            (&[1; 31][..], 0o600, "has 31 bytes, and not 32: delete it"),
            (&[1; 33][..], 0o600, "has 33 bytes, and not 32: delete it"),
            (&[1; 32][..], 0o644, "is open to others (mode 0644), who may know it: delete it"),
            (&[1; 32][..], 0o640, "is open to others (mode 0640), who may know it: delete it"),
            (&[1; 32][..], 0o602, "is open to others (mode 0602), who may know it: delete it"),
        ] {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Key::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains(expect) && error.contains("link.key"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "it was overwritten");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(Key::open(dir.path()), Err(KeyError::NoFile(_))));
        assert!(matches!(Key::open(&dir.path().join("none")), Err(KeyError::Io { .. })));
    }

    #[test]
    fn a_key_that_its_owner_may_only_read_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        fs::write(&path, [1; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(Key::open(dir.path()).unwrap(), Key([1; 32]));
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", Key([0xab; 32])), "********");
    }
}
