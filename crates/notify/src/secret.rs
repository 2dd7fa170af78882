//! A text that is never shown, and where it comes from.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

/// A file longer than this holds something else than a secret.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A text that is never shown: `Debug` prints a mask, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// A secret that is known already.
    pub(crate) fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text, for the one place that uses it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file; the line's end that editors add is no part of it. `Err` says what is wrong, and what
    /// to do.
    pub(crate) fn read(path: &Path) -> Result<Secret, String> {
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)).map_err(|error| {
            let remedies = [
                (ErrorKind::NotFound, "there is no such file: create it, or correct the path"),
                (ErrorKind::PermissionDenied, "healer's user may not read it: change its owner or mode"),
                (ErrorKind::InvalidData, "it is no UTF-8 text: write the secret as plain text"),
            ];
            let remedy = remedies.into_iter().find(|(kind, _)| *kind == error.kind());
            remedy.map_or_else(|| format!("it cannot be read: {error}"), |(_, remedy)| remedy.to_owned())
        })?;
        let secret = text.trim_end_matches(['\r', '\n']);
        match () {
            () if text.len() as u64 > FILE_BYTES_MAX => {
                Err("it is too long for a secret: is it the right file?".to_owned())
            }
            () if secret.is_empty() => Err("it is empty: write the secret into it".to_owned()),
            () => Ok(Secret(secret.to_owned())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_read_without_its_line_end_and_else_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook");
        let long = "x".repeat(70_000);
        let table: [(&[u8], Result<&str, &str>); 7] = [
            (b"s3cret", Ok("s3cret")),
            (b"s3cret\n", Ok("s3cret")),
            (b" s3 cret \r\n", Ok(" s3 cret ")),
            (b"", Err("empty")),
            (b"\n", Err("empty")),
            (b"\xff\xfe", Err("UTF-8")),
            (long.as_bytes(), Err("too long")),
        ];
        for (content, expect) in table {
            std::fs::write(&path, content).unwrap();
            match (Secret::read(&path), expect) {
                (Ok(secret), Ok(text)) => assert_eq!(secret.expose(), text),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, expect) => panic!("{got:?} instead of {expect:?}"),
            }
        }
        assert!(Secret::read(&dir.path().join("none")).unwrap_err().contains("no such file"));
        assert!(Secret::read(dir.path()).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "********");
    }
}
